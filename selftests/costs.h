/* SPDX-License-Identifier: GPL-2.0 */
/* What the bench says of costs, for the tests of it. */
#ifndef COSTS_H
#define COSTS_H

#include "kmemlab.h"

/* A figure of a record in the unit that it counts in, or MISSING. */
static inline double cost_of(const struct record *record, const char *row,
			     const char *what)
{
	const char *unit = text_of(record, "unit"), *text;
	char key[32];

	if (!unit)
		return MISSING;
	snprintf(key, sizeof(key), "%s_%.*s", what, (int)strcspn(unit, "\n"),
		 unit);
	text = cell_text_of(record, row, key);
	return text ? strtod(text, NULL) : MISSING;
}

static inline unsigned long long read_counter(void)
{
	unsigned int low, high;

	asm volatile("lfence; rdtsc; lfence" : "=a" (low), "=d" (high)
		     : : "memory");
	return (unsigned long long)high << 32 | low;
}

/* What so many rounds of two instructions cost, by the processor's counter. */
static inline unsigned long long count_rounds(unsigned long rounds)
{
	unsigned long long start = read_counter();

	asm volatile("1: dec %0; jnz 1b" : "+r" (rounds) : : "cc");
	return read_counter() - start;
}

/*
 * Whether the processor's counter counts instructions, as seen from user space:
 * then so many rounds more cost twice as much more, unless there was an interrupt.
 */
static inline bool counts_insns(void)
{
	int tries, exact = 0;

	for (tries = 0; tries < 20; tries++)
		exact += count_rounds(2000) - count_rounds(1000) == 2000;
	return exact > 15;
}

/* The tests' own module, which runs its loops as it is loaded. */
static inline bool load_bare(const char *parameters)
{
	int fd = open("/kmemlab/bare.ko", O_RDONLY | O_CLOEXEC);
	bool loaded = fd >= 0 &&
		      !syscall(SYS_finit_module, fd, parameters, 0);

	if (fd >= 0)
		close(fd);
	return loaded;
}

#endif

// SPDX-License-Identifier: GPL-2.0
#include <linux/err.h>
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/perf_event.h>
#include <linux/preempt.h>
#include <linux/sched.h>

#include "core/clock.h"

#define CALIBRATION_ROUNDS	16
#define CALIBRATION_LOOPS	1000
#define CALIBRATION_NOPS	1000
#define OVERHEAD_ROUNDS		64

/**
 * clock_spin() - do nothing, a given number of times
 * @rounds:	how often; not 0
 *
 * Two instructions a round on x86.
 *
 * Context: Any.
 */
noinline void clock_spin(u64 rounds)
{
#ifdef CONFIG_X86_64
	asm volatile("1: dec %0; jnz 1b" : "+r" (rounds) : : "cc");
#else
	while (rounds--)
		barrier();
#endif
}

/**
 * clock_overhead() - what counting adds to a cost
 *
 * Context: Process context; the caller need not stay on its CPU.
 * Return: what CLOCK_COUNT() finds that nothing costs, at the least.
 */
u64 clock_overhead(void)
{
	u64 least = CLOCK_DISTURBED, cost;
	int i;

	migrate_disable();
	for (i = 0; i < OVERHEAD_ROUNDS; i++) {
		CLOCK_COUNT(cost, {});
		least = min(least, cost);
	}
	migrate_enable();
	return least;
}

/**
 * clock_open_retired() - begin to count instructions that the caller retires
 *
 * Those of the kernel, by the processor's own counters: exact on machines whose
 * clock counts time.
 *
 * Context: Process context, may sleep.
 * Return: a counter, to be closed by the same task; NULL where the machine has
 * none, or none that is free.
 */
struct perf_event *clock_open_retired(void)
{
#ifdef CONFIG_PERF_EVENTS
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.size = sizeof(attr),
		.pinned = 1,
		.exclude_user = 1,
		.exclude_hv = 1,
	};
	struct perf_event *event;

	event = perf_event_create_kernel_counter(&attr, -1, current, NULL,
						 NULL);
	return IS_ERR(event) ? NULL : event;
#else
	return NULL;
#endif
}

/**
 * clock_read_retired() - instructions retired so far
 * @event:	of clock_open_retired(), or NULL
 *
 * Context: Process context, may sleep.
 * Return: the number; 0 without a counter.
 */
u64 clock_read_retired(struct perf_event *event)
{
#ifdef CONFIG_PERF_EVENTS
	u64 enabled, running;

	if (event)
		return perf_event_read_value(event, &enabled, &running);
#endif
	return 0;
}

/**
 * clock_close_retired() - end what clock_open_retired() began
 * @event:	of clock_open_retired(), or NULL
 *
 * Context: Process context, may sleep.
 */
void clock_close_retired(struct perf_event *event)
{
#ifdef CONFIG_PERF_EVENTS
	if (event)
		perf_event_release_kernel(event);
#endif
}

#ifdef CONFIG_X86_64
static u64 count_loop(u64 rounds)
{
	u64 start = clock_read();

	clock_spin(rounds);
	return clock_read() - start;
}

static u64 count_nops(void)
{
	u64 start = clock_read();

	asm volatile(".rept %c0; nop; .endr" : : "i" (CALIBRATION_NOPS));
	return clock_read() - start;
}

static u64 count_nothing(void)
{
	u64 start = clock_read();

	return clock_read() - start;
}

/*
 * Whether the counter takes a step with each instruction, whatever the
 * instruction: so twice as many rounds of a loop cost just so many more, and each
 * nop costs one.  A counter of time does not do that even once.
 */
static bool counts_insns(void)
{
	unsigned long flags;
	u64 once, twice, nops;

	local_irq_save(flags);
	once = count_loop(CALIBRATION_LOOPS);
	twice = count_loop(2 * CALIBRATION_LOOPS);
	nops = count_nops() - count_nothing();
	local_irq_restore(flags);
	return twice - once == 2 * CALIBRATION_LOOPS &&
	       nops == CALIBRATION_NOPS;
}
#endif

/**
 * clock_calibrate() - find out what the counter counts
 * @facts:	filled in
 *
 * An emulator can be told to let time go by the instruction (QEMU: -icount
 * shift=0), and then the time-stamp counter counts those.
 *
 * Context: Process context; interrupts are off for some microseconds at a time.
 */
void clock_calibrate(struct clock_facts *facts)
{
#ifdef CONFIG_X86_64
	int i;

	facts->exact = true;
	for (i = 0; facts->exact && i < CALIBRATION_ROUNDS; i++)
		facts->exact = counts_insns();
	facts->counter = "tsc";
	facts->unit = facts->exact ? "insns" : "cycles";
#else
	*facts = (struct clock_facts){ .counter = "ktime", .unit = "ns" };
#endif
}

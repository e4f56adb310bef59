/* SPDX-License-Identifier: GPL-2.0 */
/* What costs are counted with, and what tells that a count was disturbed. */
#ifndef KMEMLAB_CORE_CLOCK_H
#define KMEMLAB_CORE_CLOCK_H

#include <linux/kernel_stat.h>
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/types.h>
#ifdef CONFIG_X86
#include <asm/hardirq.h>
#endif

struct perf_event;

/** define CLOCK_DISTURBED - in place of a cost during which something else ran */
#define CLOCK_DISTURBED		U64_MAX

/**
 * struct clock_facts - what the counter counts
 * @counter:	what it is: tsc or ktime
 * @unit:	what a difference of two readings is a number of: insns, cycles
 *		or ns
 * @exact:	it counts instructions, each once
 */
struct clock_facts {
	const char *counter;
	const char *unit;
	bool exact;
};

/**
 * clock_read() - read the counter
 *
 * Not before what precedes it has been done, nor after anything that follows has
 * begun: the fences are those of the kernel's rdtsc_ordered().  Always the same
 * number of instructions, since the compiler sees but one.
 *
 * Context: Any.
 * Return: the counter; see clock_calibrate() for what it counts.
 */
static __always_inline u64 clock_read(void)
{
#ifdef CONFIG_X86_64
	u64 now;

	asm volatile("lfence; rdtsc; shl $32, %%rdx; or %%rdx, %%rax; lfence"
		     : "=a" (now) : : "rdx", "memory");
	return now;
#else
	return ktime_get_ns();
#endif
}

/**
 * clock_disturbances() - count what takes the CPU away from a task
 *
 * Interrupts on this CPU and changes to another task, since whenever: a cost was
 * disturbed where this is not the same before and after it.
 *
 * Context: Any; the caller stays on its CPU.
 * Return: the count.
 */
static inline u64 clock_disturbances(void)
{
	u64 nr = current->nvcsw + current->nivcsw;

	nr += kstat_cpu_irqs_sum(raw_smp_processor_id());
#ifdef CONFIG_X86
	{
		/* Interrupts of its own, which are not in that sum: all counters. */
		const irq_cpustat_t *stat = this_cpu_ptr(&irq_stat);
		const unsigned int *count = &stat->__nmi_count;

		for (; count < (const unsigned int *)(stat + 1); count++)
			nr += READ_ONCE(*count);
	}
#endif
	return nr;
}

/*
 * Counts what an operation costs, in the counter's units and with the two
 * readings' own, which an empty operation tells.  Nothing else is between the
 * readings.  The caller stays on one CPU, whose interrupts are counted.
 */
#define CLOCK_COUNT(cost, operation) do { \
	u64 __seen = clock_disturbances(); \
	u64 __cost = clock_read(); \
	operation; \
	__cost = clock_read() - __cost; \
	(cost) = __seen == clock_disturbances() ? __cost : CLOCK_DISTURBED; \
} while (0)

u64 clock_overhead(void);
struct perf_event *clock_open_retired(void);
u64 clock_read_retired(struct perf_event *event);
void clock_close_retired(struct perf_event *event);
void clock_calibrate(struct clock_facts *facts);
void clock_spin(u64 rounds);

#endif

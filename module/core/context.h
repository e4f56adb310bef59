/* SPDX-License-Identifier: GPL-2.0 */
/* Where and how a piece of an experiment runs. */
#ifndef KMEMLAB_CORE_CONTEXT_H
#define KMEMLAB_CORE_CONTEXT_H

#include <linux/gfp.h>
#include <linux/types.h>

/*
 * A request that never sleeps, never wakes kswapd and never warns: the only
 * kind that may be made while the machine is held still.
 */
#define GFP_STILL	__GFP_NOWARN

/*
 * For everything else the lab allocates for others to look at: it may sleep and
 * reclaim, but a lab that is refused memory says so instead of having the OOM
 * killer find it some.
 */
#define GFP_LAB		(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN)

/**
 * enum lab_context - where a function can be made to run
 * @LAB_PROCESS: in the task that asked
 * @LAB_SOFTIRQ: in a softirq, as a network driver's receive path
 * @LAB_HARDIRQ: in a hard interrupt, as an interrupt handler
 */
enum lab_context {
	LAB_PROCESS,
	LAB_SOFTIRQ,
	LAB_HARDIRQ,
};

/* The words for them, as choices of a parameter. */
extern const char *const lab_contexts[];

int context_still(int (*fn)(void *arg), void *arg, char *reason);
int context_still_on(unsigned int cpu, int (*fn)(void *arg), void *arg,
		     char *reason);
int context_on(unsigned int cpu, int (*fn)(void *arg), void *arg, char *reason);
int context_in(enum lab_context context, int (*fn)(void *arg), void *arg);
int context_breathe(char *reason);
int context_hold(unsigned int ms, char *reason);

#endif

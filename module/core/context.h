/* SPDX-License-Identifier: GPL-2.0 */
/* Where and how a piece of an experiment runs. */
#ifndef KMEMLAB_CORE_CONTEXT_H
#define KMEMLAB_CORE_CONTEXT_H

#include <linux/gfp.h>
#include <linux/sched.h>
#include <linux/types.h>
#include <linux/wait.h>

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
 * define CONTEXT_AGAIN - what a function returns that is to go on in another stop
 *
 * Every other CPU waits as long as it runs, so what takes long is done in pieces.
 */
#define CONTEXT_AGAIN	1

/**
 * struct context_stops - how often and for how long the machine was held still
 * @nr:		how often
 * @max_ns:	the longest of them
 */
struct context_stops {
	u64 nr;
	u64 max_ns;
};

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

/*
 * The state to wait in for what a user has made long: SIGKILL ends it, and a machine
 * that is to sleep does not wait for it.  Unsafe is only what lockdep is to think of
 * it: a write holds its file and file system (f_pos_lock, sb_writers), and those are
 * debugfs's or proc's, which no suspend needs.
 */
#define CONTEXT_PATIENT	(TASK_KILLABLE | TASK_FREEZABLE_UNSAFE)

/**
 * struct context_gate - lets one task in at a time, for as long as that one likes
 * @taken:	bit 0: somebody is in
 * @waiters:	those who want in; all of them try when it is left, as one of them
 *		alone might be frozen
 *
 * A mutex is for what is short: who waits for one cannot be frozen.
 */
struct context_gate {
	unsigned long taken;
	wait_queue_head_t waiters;
};

/** define CONTEXT_GATE_INIT - a gate that is open */
#define CONTEXT_GATE_INIT(gate) \
	{ .waiters = __WAIT_QUEUE_HEAD_INITIALIZER((gate).waiters) }

int context_init(void);
void context_exit(void);
int context_still(int (*fn)(void *arg), void *arg, char *reason);
int context_still_on(unsigned int cpu, int (*fn)(void *arg), void *arg,
		     char *reason);
bool context_still_over(void);
void context_stops_begin(void);
struct context_stops context_stops_read(void);
int context_on(unsigned int cpu, int (*fn)(void *arg), void *arg, char *reason);
int context_in(enum lab_context context, int (*fn)(void *arg), void *arg);
void context_gate_init(struct context_gate *gate);
int context_gate_take(struct context_gate *gate);
void context_gate_leave(struct context_gate *gate);
int context_breathe(char *reason);
int context_pause(char *reason);
int context_hold(unsigned int ms, char *reason);
int context_hold_until(unsigned int ms, const bool *over, char *reason);
void context_end_hold(bool *over);

#endif

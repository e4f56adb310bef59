// SPDX-License-Identifier: GPL-2.0
#include <linux/completion.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <linux/stop_machine.h>

#include "core/command.h"
#include "core/context.h"

const char *const lab_contexts[] = {
	[LAB_PROCESS] = "process",
	[LAB_SOFTIRQ] = "softirq",
	[LAB_HARDIRQ] = "hardirq",
	NULL
};

/* A function on its way to where it is to run. */
struct context_call {
	int (*fn)(void *arg);
	void *arg;
	int result;
	bool ran;
	struct completion done;
	struct tasklet_struct tasklet;
	struct irq_work irq_work;
};

/*
 * Every function that does not run in the task that asked is called from here,
 * so that a tracer has a place to begin.
 */
static noinline int context_enter(void *arg)
{
	struct context_call *call = arg;

	call->result = call->fn(call->arg);
	call->ran = true;
	return call->result;
}

static int still(const struct cpumask *cpus, struct context_call *call,
		 char *reason)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		snprintf(reason, LAB_REASON_SIZE,
			 "PREEMPT_RT: the allocator's locks sleep, so the machine cannot be held still");
		return -EOPNOTSUPP;
	}
	return stop_machine(context_enter, call, cpus);
}

/**
 * context_still() - run a function while nothing else on the machine runs
 * @fn:		the function; must not sleep, and allocates only with GFP_STILL
 * @arg:	its argument
 * @reason:	LAB_REASON_SIZE bytes, filled in where this cannot be done
 *
 * stop_machine() parks every other CPU with interrupts off, so that counts
 * read before and after an allocation differ by that allocation alone.
 *
 * Under PREEMPT_RT the allocator's locks sleep and no such place exists.
 *
 * Context: Process context, may sleep.  @fn runs with interrupts off.
 * Return: what @fn returns; -EOPNOTSUPP under PREEMPT_RT.
 */
int context_still(int (*fn)(void *arg), void *arg, char *reason)
{
	struct context_call call = { .fn = fn, .arg = arg };

	return still(NULL, &call, reason);
}

static int offline(unsigned int cpu, char *reason)
{
	snprintf(reason, LAB_REASON_SIZE, "CPU %u is not online", cpu);
	return -ERANGE;
}

/**
 * context_still_on() - the same, on a certain CPU
 * @cpu:	which
 * @fn:		as for context_still()
 * @arg:	its argument
 * @reason:	LAB_REASON_SIZE bytes, filled in where this cannot be done
 *
 * Context: Process context, may sleep.  @fn runs with interrupts off.
 * Return: as context_still(); -ERANGE where @cpu is not online.
 */
int context_still_on(unsigned int cpu, int (*fn)(void *arg), void *arg,
		     char *reason)
{
	struct context_call call = { .fn = fn, .arg = arg };
	int err;

	if (cpu >= nr_cpu_ids)
		return offline(cpu, reason);
	err = still(cpumask_of(cpu), &call, reason);
	/* Where no CPU of the mask is online stop_machine() calls nothing. */
	return err || call.ran ? err : offline(cpu, reason);
}

/**
 * context_on() - run a function on a certain CPU
 * @cpu:	which
 * @fn:		the function; runs in a kernel thread that stays on @cpu, may
 *		sleep
 * @arg:	its argument
 * @reason:	LAB_REASON_SIZE bytes, filled in where this cannot be done
 *
 * Context: Process context, sleeps.
 * Return: what @fn returns; -ERANGE where @cpu is not online.
 */
int context_on(unsigned int cpu, int (*fn)(void *arg), void *arg, char *reason)
{
	struct context_call call = { .fn = fn, .arg = arg };

	if (cpu < nr_cpu_ids)
		smp_call_on_cpu(cpu, context_enter, &call, false);
	return call.ran ? call.result : offline(cpu, reason);
}

static void call_in_softirq(struct tasklet_struct *tasklet)
{
	struct context_call *call =
		container_of(tasklet, struct context_call, tasklet);

	context_enter(call);
	complete(&call->done);
}

static void call_in_hardirq(struct irq_work *work)
{
	struct context_call *call =
		container_of(work, struct context_call, irq_work);

	context_enter(call);
	complete(&call->done);
}

/**
 * context_in() - run a function in process, softirq or hard interrupt context
 * @context:	which
 * @fn:		the function; must not sleep in the latter two
 * @arg:	its argument
 *
 * Context: Process context, sleeps.
 * Return: what @fn returns.
 */
int context_in(enum lab_context context, int (*fn)(void *arg), void *arg)
{
	struct context_call call = { .fn = fn, .arg = arg };

	if (context == LAB_PROCESS)
		return fn(arg);
	init_completion(&call.done);
	if (context == LAB_SOFTIRQ) {
		tasklet_setup(&call.tasklet, call_in_softirq);
		tasklet_schedule(&call.tasklet);
		wait_for_completion(&call.done);
		tasklet_kill(&call.tasklet);
	} else {
		call.irq_work = IRQ_WORK_INIT_HARD(call_in_hardirq);
		irq_work_queue(&call.irq_work);
		wait_for_completion(&call.done);
		irq_work_sync(&call.irq_work);
	}
	return call.result;
}

static int cancelled(char *reason)
{
	if (!fatal_signal_pending(current))
		return 0;
	snprintf(reason, LAB_REASON_SIZE, "cancelled by a signal");
	return -EINTR;
}

/**
 * context_breathe() - let others run, and see whether to stop
 * @reason:	LAB_REASON_SIZE bytes, filled in on failure
 *
 * Every loop whose length a user chooses calls this often enough for SIGKILL to
 * be answered within a second.
 *
 * Context: Process context, may sleep.
 * Return: 0, or -EINTR where a fatal signal is pending.
 */
int context_breathe(char *reason)
{
	cond_resched();
	return cancelled(reason);
}

/**
 * context_hold() - keep things as they are, for others to look at
 * @ms:		how long, in milliseconds
 * @reason:	LAB_REASON_SIZE bytes, filled in on failure
 *
 * Context: Process context, sleeps.
 * Return: 0, or -EINTR where a fatal signal ended it.
 */
int context_hold(unsigned int ms, char *reason)
{
	/* Freezable, because a machine that is to sleep must not wait for it. */
	__set_current_state(TASK_KILLABLE | TASK_FREEZABLE);
	schedule_timeout(msecs_to_jiffies(ms));
	return cancelled(reason);
}

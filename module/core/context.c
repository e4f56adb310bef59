// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/stop_machine.h>

#include "core/command.h"
#include "core/context.h"

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
	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		snprintf(reason, LAB_REASON_SIZE,
			 "PREEMPT_RT: the allocator's locks sleep, so the machine cannot be held still");
		return -EOPNOTSUPP;
	}
	return stop_machine(fn, arg, NULL);
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

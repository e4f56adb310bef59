// SPDX-License-Identifier: GPL-2.0
#include <linux/bitops.h>
#include <linux/bottom_half.h>
#include <linux/completion.h>
#include <linux/freezer.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/preempt.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/stop_machine.h>
#include <linux/timekeeping.h>
#include <linux/workqueue.h>

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

static int cancelled(char *reason)
{
	if (!fatal_signal_pending(current))
		return 0;
	snprintf(reason, LAB_REASON_SIZE, "cancelled by a signal");
	return -EINTR;
}

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

/*
 * After so long a function is to end its piece.  The last step of one takes as long as
 * the kernel needs to clear a block of the largest order, which under emulation is
 * six times that, and nobody shall be kept waiting for 50 ms.
 */
#define STILL_NS	(5 * NSEC_PER_MSEC)
/* How long a worker may take to begin after a fatal signal. */
#define WORKER_MS	100

/* Experiments run one at a time, and nothing else holds the machine still. */
static struct context_stops stops;
static u64 still_since;

static int enter_still(void *arg)
{
	int err;

	still_since = ktime_get_mono_fast_ns();
	err = context_enter(arg);
	stops.nr++;
	stops.max_ns = max(stops.max_ns, ktime_get_mono_fast_ns() - still_since);
	return err;
}

static int still(const struct cpumask *cpus, struct context_call *call,
		 char *reason)
{
	int err;

	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		snprintf(reason, LAB_REASON_SIZE,
			 "PREEMPT_RT: the allocator's locks sleep, so the machine cannot be held still");
		return -EOPNOTSUPP;
	}
	do {
		err = stop_machine(enter_still, call, cpus);
		if (err == CONTEXT_AGAIN)
			err = context_pause(reason) ?: CONTEXT_AGAIN;
	} while (err == CONTEXT_AGAIN);
	return err;
}

/**
 * context_still_over() - whether the machine has been held still for long enough
 *
 * Context: In a function that context_still() runs.
 * Return: whether the function is to end its piece, with CONTEXT_AGAIN.
 */
bool context_still_over(void)
{
	return ktime_get_mono_fast_ns() - still_since > STILL_NS;
}

/**
 * context_stops_begin() - count from here on how often the machine is held still
 *
 * Context: Process context, one at a time.
 */
void context_stops_begin(void)
{
	stops = (struct context_stops){};
}

/**
 * context_stops_read() - how often the machine was held still, and for how long
 *
 * Context: As context_stops_begin().
 * Return: what there was since then.
 */
struct context_stops context_stops_read(void)
{
	return stops;
}

/**
 * context_still() - run a function while nothing else on the machine runs
 * @fn:		the function; must not sleep, and allocates only with GFP_STILL;
 *		returns 0, a negative errno, or CONTEXT_AGAIN to be called once more
 *		when the others have run for a while
 * @arg:	its argument
 * @reason:	LAB_REASON_SIZE bytes, filled in where this cannot be done
 *
 * stop_machine() parks every other CPU with interrupts off, so that counts
 * read before and after an allocation differ by that allocation alone.
 *
 * Under PREEMPT_RT the allocator's locks sleep and no such place exists.
 *
 * Context: Process context, may sleep.  @fn runs with interrupts off.
 * Return: what @fn returns in the end; -EINTR where a fatal signal came between two
 * pieces; -EOPNOTSUPP under PREEMPT_RT.
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

/* Of a worker's call: it waits, it runs, or nobody waits for it any more. */
enum context_state {
	CONTEXT_QUEUED,
	CONTEXT_RUNNING,
	CONTEXT_CANCELLED,
};

/**
 * struct context_work - a function on its way to a worker of a certain CPU
 * @work:	in the workqueue
 * @call:	the function
 * @state:	an &enum context_state; whoever changes it from CONTEXT_QUEUED decides
 *		what becomes of it
 * @cpu:	where it is to run
 * @users:	who waits for it, and the worker; the last one frees it
 */
struct context_work {
	struct work_struct work;
	struct context_call call;
	atomic_t state;
	unsigned int cpu;
	refcount_t users;
};

static struct workqueue_struct *workers;	/* constant after context_init() */

static void put_work(struct context_work *w)
{
	if (refcount_dec_and_test(&w->users))
		kfree(w);
}

static bool leave_queue(struct context_work *w, enum context_state state)
{
	return atomic_cmpxchg(&w->state, CONTEXT_QUEUED, state) == CONTEXT_QUEUED;
}

static void call_by_worker(struct work_struct *work)
{
	struct context_work *w = container_of(work, struct context_work, work);

	if (leave_queue(w, CONTEXT_RUNNING)) {
		/*
		 * Of a CPU that goes offline, another runs what was queued there; one
		 * that is to go while it runs waits.
		 */
		migrate_disable();
		if (smp_processor_id() == w->cpu)
			context_enter(&w->call);
		migrate_enable();
		complete(&w->call.done);
	}
	put_work(w);
}

/*
 * Waits for a worker, which who has the CPU for good (SCHED_FIFO) keeps from beginning:
 * a fatal signal ends that.  For a moment it may still begin, as what is given back on
 * another CPU is given back after a signal, too.
 */
static bool await_call(struct context_work *w)
{
	if (!wait_for_completion_state(&w->call.done, CONTEXT_PATIENT) ||
	    wait_for_completion_timeout(&w->call.done, msecs_to_jiffies(WORKER_MS)))
		return true;
	if (leave_queue(w, CONTEXT_CANCELLED)) {
		if (cancel_work(&w->work))
			put_work(w);
		return false;
	}
	/* It has begun, with what is ours. */
	wait_for_completion(&w->call.done);
	return true;
}

/**
 * context_on() - run a function on a certain CPU
 * @cpu:	which
 * @fn:		the function; runs in a kernel thread that stays on @cpu; may sleep,
 *		but must not wait for a CPU that goes offline, which waits for @fn
 * @arg:	its argument
 * @reason:	LAB_REASON_SIZE bytes, filled in where this cannot be done
 *
 * Context: Process context, sleeps.
 * Return: what @fn returns; -ERANGE where @cpu is not online; -EINTR where a fatal
 * signal came before @fn had begun; -ENOMEM.
 */
int context_on(unsigned int cpu, int (*fn)(void *arg), void *arg, char *reason)
{
	struct context_work *w;
	int err;

	if (cpu >= nr_cpu_ids || !cpu_online(cpu))
		return offline(cpu, reason);
	w = kzalloc(sizeof(*w), GFP_LAB);
	if (!w)
		return -ENOMEM;
	INIT_WORK(&w->work, call_by_worker);
	w->call.fn = fn;
	w->call.arg = arg;
	init_completion(&w->call.done);
	w->cpu = cpu;
	refcount_set(&w->users, 2);
	queue_work_on(cpu, workers, &w->work);
	if (!await_call(w))
		err = cancelled(reason);
	else
		err = w->call.ran ? w->call.result : offline(cpu, reason);
	put_work(w);
	return err;
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
		/* It runs before the second ends, and needs no ksoftirqd. */
		local_bh_disable();
		tasklet_schedule(&call.tasklet);
		local_bh_enable();
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
 * context_pause() - the same, and be frozen where that is asked
 * @reason:	LAB_REASON_SIZE bytes, filled in on failure
 *
 * For what can take longer than a machine that is to sleep waits for its tasks
 * (/sys/power/pm_freeze_timeout).  What try_to_freeze() would complain of is as with
 * CONTEXT_PATIENT.
 *
 * Context: Process context, sleeps.  The caller may be migrated, and holds nothing but
 * gates.
 * Return: as context_breathe().
 */
int context_pause(char *reason)
{
	if (freezing(current))
		__refrigerator(false);
	return context_breathe(reason);
}

/* Those who hold something that may be taken away from them. */
static DECLARE_WAIT_QUEUE_HEAD(holders);

/**
 * context_hold_until() - keep things as they are, for others to look at
 * @ms:		how long, in milliseconds of the time that the machine is awake
 * @over:	ends it, where it is set with context_end_hold(); NULL: nothing does
 * @reason:	LAB_REASON_SIZE bytes, filled in on failure
 *
 * It lasts so long for a task, too, that is frozen and thawed meanwhile: that wakes
 * it before the time.
 *
 * Context: Process context, sleeps.
 * Return: 0, or -EINTR where a fatal signal ended it.
 */
int context_hold_until(unsigned int ms, const bool *over, char *reason)
{
	signed long left = msecs_to_jiffies(ms);
	DEFINE_WAIT(wait);

	while (left && !fatal_signal_pending(current)) {
		prepare_to_wait(&holders, &wait, CONTEXT_PATIENT);
		if (over && READ_ONCE(*over))
			break;
		left = schedule_timeout(left);
	}
	finish_wait(&holders, &wait);
	return cancelled(reason);
}

/**
 * context_hold() - the same, where nothing ends it before the time
 * @ms:		how long, in milliseconds of the time that the machine is awake
 * @reason:	LAB_REASON_SIZE bytes, filled in on failure
 *
 * Context: Process context, sleeps.
 * Return: 0, or -EINTR where a fatal signal ended it.
 */
int context_hold(unsigned int ms, char *reason)
{
	return context_hold_until(ms, NULL, reason);
}

/**
 * context_end_hold() - end what context_hold_until() holds
 * @over:	what it was given
 *
 * Context: Any.
 */
void context_end_hold(bool *over)
{
	WRITE_ONCE(*over, true);
	wake_up_all(&holders);
}

/**
 * context_gate_init() - make a gate that is open
 * @gate:	the gate
 *
 * Context: Any.
 */
void context_gate_init(struct context_gate *gate)
{
	gate->taken = 0;
	init_waitqueue_head(&gate->waiters);
}

/**
 * context_gate_take() - wait until nobody is in, and go in
 * @gate:	the gate
 *
 * Context: Process context, sleeps.
 * Return: 0, or -EINTR where a fatal signal ended the wait.
 */
int context_gate_take(struct context_gate *gate)
{
	return wait_event_state(gate->waiters,
				!test_and_set_bit_lock(0, &gate->taken),
				CONTEXT_PATIENT) ? -EINTR : 0;
}

/**
 * context_gate_leave() - let the next one in
 * @gate:	the gate, which the caller has taken
 *
 * Context: Any.
 */
void context_gate_leave(struct context_gate *gate)
{
	clear_bit_unlock(0, &gate->taken);
	/* Orders that before the look at who waits. */
	smp_mb__after_atomic();
	wake_up(&gate->waiters);
}

/**
 * context_init() - make the workers of context_on()
 *
 * Context: Module load.
 * Return: 0 or -ENOMEM.
 */
int context_init(void)
{
	workers = alloc_workqueue(KBUILD_MODNAME, 0, 0);
	return workers ? 0 : -ENOMEM;
}

/**
 * context_exit() - undo context_init()
 *
 * Context: Module unload, when no command can run any more; sleeps.
 */
void context_exit(void)
{
	destroy_workqueue(workers);
}

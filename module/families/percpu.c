// SPDX-License-Identifier: GPL-2.0
/* percpu - memory of which each CPU has a copy of its own. */
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/percpu_counter.h>
#include <linux/random.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "core/context.h"
#include "core/family.h"
#include "core/footprint.h"
#include "core/frame.h"
#include "core/loops.h"

#define OBJECTS_MAX	65536
#define ROUNDS_MAX	10000000
#define STEPS_MAX	10000
/* Rounds between two looks at whether others want the CPU. */
#define ROUNDS_AT_ONCE	1024

/* All copies of an object, one after the other. */
static u64 copies_bytes(size_t size)
{
	return (u64)size * num_possible_cpus();
}

/*
 * With what the allocator notes of each 4 bytes of a chunk (PCPU_MIN_ALLOC_SIZE): two
 * bits in its maps and, where cgroups can pay for it, who does (mm/percpu.c,
 * pcpu_alloc_chunk()).
 */
static u64 object_bytes(size_t size)
{
	u64 nr_notes = DIV_ROUND_UP(size, 4), note_bits = 2;

	if (IS_ENABLED(CONFIG_MEMCG))
		note_bits += BITS_PER_BYTE * sizeof(void *);
	return copies_bytes(size) +
	       DIV_ROUND_UP(nr_notes * note_bits, BITS_PER_BYTE) +
	       num_possible_cpus() * footprint_of_tracking();
}

/*
 * Writes into each CPU's copy whose it is, and records where it lies: as a
 * distance from the first CPU's, and as a place in physical memory.
 */
static void record_copies(struct lab_run *run, const char *name,
			  u64 __percpu *object, u64 mark)
{
	const u64 *first = per_cpu_ptr(object, cpumask_first(cpu_possible_mask));
	unsigned int cpu;
	char key[48];

	for_each_possible_cpu(cpu) {
		u64 *copy = per_cpu_ptr(object, cpu);
		unsigned long pfn;

		*copy = mark + cpu;
		snprintf(key, sizeof(key), "%s.%u.distance_bytes", name, cpu);
		record_signed(&run->record, key, (s64)((uintptr_t)copy -
						       (uintptr_t)first));
		if (!frame_of(copy, &pfn))
			continue;
		record_row(&run->record, "%s.%u", name, cpu);
		record_cell(&run->record, "pfn", pfn);
		record_cell(&run->record, "offset", offset_in_page(copy));
		record_cell(&run->record, "node", page_to_nid(pfn_to_page(pfn)));
	}
}

static DEFINE_PER_CPU(u64, static_object);

static int percpu_copies(struct lab_run *run)
{
	u64 mark = get_random_u64() >> 8;
	u64 __percpu *object;
	int err;

	err = lab_charge(run, object_bytes(sizeof(*object)));
	if (err)
		return err;
	object = alloc_percpu_gfp(u64, GFP_LAB);
	if (!object)
		return -ENOMEM;
	record_number(&run->record, "nr_cpus", num_possible_cpus());
	record_number(&run->record, "mark", mark);
	record_copies(run, "static", &static_object, mark);
	record_copies(run, "dynamic", object, mark);
	err = lab_hold(run);
	free_percpu(object);
	return err;
}

static int check_align(struct lab_run *run)
{
	u64 align = lab_number(run, "align");

	if (is_power_of_2(align))
		return 0;
	return lab_refuse(run, -ERANGE, "align=%llu is not a power of two",
			  align);
}

static void free_objects(void __percpu **object, unsigned int nr)
{
	while (nr)
		free_percpu(object[--nr]);
	kvfree(object);
}

static int percpu_dynamic(struct lab_run *run)
{
	unsigned int count = lab_number(run, "count"), nr = 0;
	size_t align = lab_number(run, "align");
	size_t size = lab_number(run, "size");
	void __percpu **object;
	int err;

	err = check_align(run);
	if (!err)
		err = lab_charge(run, count * (object_bytes(ALIGN(size, align)) +
					       sizeof(*object)));
	if (err)
		return err;
	object = kvmalloc_array(count, sizeof(*object), GFP_LAB);
	if (!object)
		return -ENOMEM;
	while (!err && nr < count) {
		object[nr] = __alloc_percpu_gfp(size, align, GFP_LAB);
		if (object[nr])
			err = context_breathe(run->reason);
		else
			err = lab_refuse(run, -ENOMEM,
					 "no room for object %u", nr);
		nr += !!object[nr];
	}
	if (!err) {
		record_number(&run->record, "object_bytes", size);
		record_number(&run->record, "nr_objects", nr);
		record_number(&run->record, "nr_cpus", num_possible_cpus());
		record_number(&run->record, "copies_bytes",
			      nr * copies_bytes(size));
		err = lab_hold(run);
	}
	free_objects(object, nr);
	return err;
}

/**
 * struct percpu_count - a thread on each CPU, all counting the same
 * @rounds:	how often each of them adds one to each of the counters
 * @summed:	a percpu_counter
 * @own:	a plain number of each CPU's own
 * @shared:	an atomic one
 * @plain:	a plain one, which all read and write as they come
 * @steps:	how often each adds one to @stepped
 * @stepped:	a plain one as well, which none writes before all have read it
 * @task:	the threads; each is referenced
 * @nr_threads:	how many there are
 * @nr_met:	how often one of them came to a meeting point
 * @nr_left:	how many have not finished
 * @done:	all have
 * @stop:	no more is to be counted
 * @users:	the command and its threads; the last one frees it
 */
struct percpu_count {
	u64 rounds;
	struct percpu_counter summed;
	u64 __percpu *own;
	atomic64_t shared;
	u64 plain;
	u64 steps;
	u64 stepped;
	struct task_struct **task;
	unsigned int nr_threads;
	atomic_t nr_met;
	atomic_t nr_left;
	struct completion done;
	bool stop;
	refcount_t users;
};

static void put_count(struct percpu_count *count)
{
	unsigned int i;

	if (!refcount_dec_and_test(&count->users))
		return;
	for (i = 0; i < count->nr_threads; i++)
		put_task_struct(count->task[i]);
	kfree(count->task);
	free_percpu(count->own);
	percpu_counter_destroy(&count->summed);
	kfree(count);
}

/* Waits until all threads have come to their meeting point number @nr. */
static void meet(struct percpu_count *count, unsigned int nr)
{
	/* Orders what a thread did before against what others do after. */
	int met = atomic_inc_return(&count->nr_met);

	while (met < nr * count->nr_threads && !READ_ONCE(count->stop)) {
		cpu_relax();
		cond_resched();
		met = atomic_read_acquire(&count->nr_met);
	}
}

static int count_on_cpu(void *arg)
{
	struct percpu_count *count = arg;
	unsigned int met = 0;
	u64 i, seen;

	for (i = 0; i < count->rounds && !READ_ONCE(count->stop); i++) {
		percpu_counter_add(&count->summed, 1);
		this_cpu_inc(*count->own);
		atomic64_inc(&count->shared);
		WRITE_ONCE(count->plain, READ_ONCE(count->plain) + 1);
		if (!(i % ROUNDS_AT_ONCE))
			cond_resched();
	}
	for (i = 0; i < count->steps && !READ_ONCE(count->stop); i++) {
		meet(count, ++met);
		seen = READ_ONCE(count->stepped);
		meet(count, ++met);
		WRITE_ONCE(count->stepped, seen + 1);
	}
	if (atomic_dec_and_test(&count->nr_left))
		complete(&count->done);
	put_count(count);
	module_put_and_kthread_exit(0);
}

static int make_threads(struct percpu_count *count)
{
	unsigned int cpu;

	for_each_online_cpu(cpu) {
		struct task_struct *task;

		task = kthread_create_on_node(count_on_cpu, count,
					      cpu_to_node(cpu), "kmemlab/%u",
					      cpu);
		if (IS_ERR(task))
			return PTR_ERR(task);
		kthread_bind(task, cpu);
		count->task[count->nr_threads++] = get_task_struct(task);
		refcount_inc(&count->users);
		__module_get(THIS_MODULE);
	}
	return 0;
}

/*
 * All threads have finished, and go.  One whose CPU is taken away by who has it for good
 * (SCHED_FIFO) goes later, and until then has the module and what it counts with.
 */
static int await_threads(struct lab_run *run, struct percpu_count *count)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < count->nr_threads; i++)
		while (!err && !READ_ONCE(count->task[i]->exit_state))
			err = context_hold(1, run->reason);
	return err;
}

/* All threads from their making to their end. */
static int count_together(struct lab_run *run, struct percpu_count *count)
{
	unsigned int i;
	int err;

	cpus_read_lock();
	err = make_threads(count);
	/* If not all could be made, those that were end at once. */
	count->stop = err;
	atomic_set(&count->nr_left, count->nr_threads);
	for (i = 0; i < count->nr_threads; i++)
		wake_up_process(count->task[i]);
	cpus_read_unlock();
	if (!err && wait_for_completion_state(&count->done, CONTEXT_PATIENT))
		err = lab_refuse(run, -EINTR, "cancelled by a signal");
	WRITE_ONCE(count->stop, true);
	return await_threads(run, count) ?: err;
}

static void record_counts(struct lab_run *run, struct percpu_count *count)
{
	u64 expected = count->rounds * count->nr_threads, own = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		own += *per_cpu_ptr(count->own, cpu);
	record_number(&run->record, "nr_cpus", count->nr_threads);
	record_number(&run->record, "rounds", count->rounds);
	record_number(&run->record, "this_cpu", own);
	record_number(&run->record, "percpu_counter_sum",
		      percpu_counter_sum(&count->summed));
	record_number(&run->record, "percpu_counter_read",
		      percpu_counter_read(&count->summed));
	record_number(&run->record, "percpu_counter_batch",
		      percpu_counter_batch);
	record_number(&run->record, "atomic", atomic64_read(&count->shared));
	record_number(&run->record, "plain", count->plain);
	record_number(&run->record, "plain.nr_lost", expected - count->plain);
	record_number(&run->record, "steps", count->steps);
	record_number(&run->record, "stepped", count->stepped);
	record_number(&run->record, "stepped.nr_lost",
		      count->steps * count->nr_threads - count->stepped);
}

static int percpu_counter(struct lab_run *run)
{
	/* Not on the stack: the kernel keeps a list of all percpu_counters. */
	struct percpu_count *count = kzalloc(sizeof(*count), GFP_KERNEL);
	int err;

	if (!count)
		return -ENOMEM;
	count->rounds = lab_number(run, "rounds");
	count->steps = lab_number(run, "steps");
	init_completion(&count->done);
	refcount_set(&count->users, 1);
	/* A counter and a number for each CPU, and threads with a stack each. */
	err = lab_charge(run, object_bytes(sizeof(s32) + sizeof(u64)) +
				      num_online_cpus() * THREAD_SIZE);
	if (err)
		goto free;
	err = percpu_counter_init(&count->summed, 0, GFP_LAB);
	if (err)
		goto free;
	count->own = alloc_percpu_gfp(u64, GFP_LAB);
	count->task = kcalloc(nr_cpu_ids, sizeof(*count->task), GFP_LAB);
	err = count->own && count->task ? count_together(run, count) : -ENOMEM;
	if (!err)
		record_counts(run, count);
	put_count(count);
	return err;
free:
	kfree(count);
	return err;
}

/* The allocator */

static int percpu_open(struct lab_source *source, struct lab_run *run,
		       const char *name)
{
	int err = check_align(run);

	if (err)
		return err;
	source->object_bytes = lab_number(run, "size");
	source->align = lab_number(run, "align");
	source->charge_bytes = object_bytes(ALIGN(source->object_bytes,
						  source->align));
	/* Objects share the pages of a chunk. */
	source->keeps_slabs = true;
	return 0;
}

/* Pools handle objects by plain pointers, and never look behind them. */
static __always_inline void *percpu_alloc(struct lab_source *source, gfp_t gfp)
{
	return (void __force *)__alloc_percpu_gfp(source->object_bytes,
						  source->align, gfp);
}

static __always_inline void percpu_free(struct lab_source *source, void *object)
{
	free_percpu((void __percpu __force *)object);
}

LAB_LOOPS(percpu);

static const void *percpu_address(struct lab_source *source, void *object)
{
	return per_cpu_ptr((void __percpu __force *)object,
			   cpumask_first(cpu_online_mask));
}

/* The tables */

#define PERCPU_SIZE_PARAM(...) \
	{ .name = "size", .help = "of each copy, in bytes", .min = 1, \
	  .max = PCPU_MIN_UNIT_SIZE, __VA_ARGS__ }
#define PERCPU_ALIGN_PARAM(...) \
	{ .name = "align", .help = "power of two in bytes", .min = 1, \
	  .max = PAGE_SIZE, __VA_ARGS__ }

static const struct lab_param percpu_params[] = {
	PERCPU_SIZE_PARAM(.required = true),
	PERCPU_ALIGN_PARAM(.def = sizeof(u64)),
	{}
};

static const struct lab_allocator percpu_allocator = {
	.name = "percpu",
	.help = "objects of which each CPU has a copy",
	.params = percpu_params,
	.open = percpu_open,
	.alloc = percpu_alloc,
	.free = percpu_free,
	.loops = &percpu_loops,
	.address = percpu_address,
};

static const struct lab_param copies_params[] = {
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param dynamic_params[] = {
	PERCPU_SIZE_PARAM(.def = PAGE_SIZE),
	PERCPU_ALIGN_PARAM(.def = PAGE_SIZE),
	{ .name = "count", .help = "objects", .min = 1, .max = OBJECTS_MAX,
	  .def = 256 },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param counter_params[] = {
	{ .name = "rounds", .help = "times each CPU adds one, unchecked",
	  .min = 1, .max = ROUNDS_MAX, .def = 10000 },
	{ .name = "steps", .help = "times all read before any of them writes",
	  .max = STEPS_MAX, .def = 100 },
	{}
};

static const struct lab_experiment percpu_experiments[] = {
	{ .name = "copies", .run = percpu_copies, .params = copies_params,
	  .help = "each CPU has its own copy, the same distance away for every object" },
	{ .name = "dynamic", .run = percpu_dynamic, .params = dynamic_params,
	  .help = "what is allocated takes its size once for each CPU" },
	{ .name = "counter", .run = percpu_counter, .params = counter_params,
	  .help = "per-CPU counters lose nothing, a shared one does or pays for atomics" },
	{}
};

static const struct lab_allocator *const percpu_allocators[] = {
	&percpu_allocator,
	NULL
};

const struct lab_family percpu_family = {
	.name = "percpu",
	.help = "a copy for each CPU",
	.experiments = percpu_experiments,
	.allocators = percpu_allocators,
};

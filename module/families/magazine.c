// SPDX-License-Identifier: GPL-2.0
/*
 * Magazines: each CPU keeps objects that were freed for whoever asks there next,
 * as Bonwick and Adams have them ("Magazines and Vmem", USENIX 2001).  A CPU has
 * two, loaded and previous, so that neither a run of requests nor one of frees,
 * nor a change between the two, goes to the cache more often than once for a
 * magazine; it goes there for all of one at once.
 *
 * Who works on a CPU's magazines has its bit set, and is not preempted meanwhile.
 * That is nearly always a task on that CPU, which waits for nobody: it goes to the
 * cache instead.  So the fast path needs no lock, and reclaim may look in from any
 * CPU.
 */
#include <linux/bitops.h>
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "compat/compat.h"
#include "core/family.h"
#include "core/loops.h"
#include "families/magazine.h"
#include "families/slab.h"

/* Objects of a magazine, which is 512 bytes with its count. */
#define MAGAZINE_ROUNDS	63
#define MAGAZINES	2

#define MAGAZINE_BUSY	0	/* bit of &struct lab_magazines.busy */

struct magazine {
	size_t nr;
	void *round[MAGAZINE_ROUNDS];
};

/**
 * struct lab_magazines - those of one CPU
 * @busy:	MAGAZINE_BUSY while somebody works on the rest
 * @loaded:	what requests and frees go to; protected by @busy
 * @previous:	the other, which is full or empty; protected by @busy
 * @magazine:	both
 */
struct lab_magazines {
	unsigned long busy;
	struct magazine *loaded;
	struct magazine *previous;
	struct magazine magazine[MAGAZINES];
};

/**
 * struct magazine_rack - all magazines of a source
 * @source:	whose
 * @node:	for the CPUs that go away
 * @shrinker:	finds objects in them where memory is short
 */
struct magazine_rack {
	struct lab_source *source;
	struct hlist_node node;
	struct shrinker *shrinker;
};

static enum cpuhp_state magazine_state;	/* set at load */

/*
 * With preemption disabled, also under PREEMPT_RT: drain_cpu() spins until the bit is
 * clear, for ever where it preempted the task that is to clear it.  So between this
 * and leave_magazines() pointers are moved and nothing else is done.
 */
static bool take_magazines(struct lab_magazines *magazines)
{
	return !test_and_set_bit_lock(MAGAZINE_BUSY, &magazines->busy);
}

static void leave_magazines(struct lab_magazines *magazines)
{
	clear_bit_unlock(MAGAZINE_BUSY, &magazines->busy);
}

/* What is in a magazine, to be freed where that takes no magazine's time. */
static size_t unload(struct magazine *magazine, void **objects)
{
	size_t nr = magazine->nr;

	memcpy(objects, magazine->round, nr * sizeof(*objects));
	magazine->nr = 0;
	return nr;
}

/*
 * Gives back what a CPU keeps; returns how many.  Whoever is at work there is not
 * preempted, and neither is this task while it is, so that nobody has long to wait.
 */
static size_t drain_cpu(struct lab_source *source, unsigned int cpu)
{
	struct lab_magazines *magazines = per_cpu_ptr(source->magazines, cpu);
	void *objects[MAGAZINE_ROUNDS];
	size_t nr, all = 0;
	int i;

	for (i = 0; i < MAGAZINES; i++) {
		preempt_disable();
		while (!take_magazines(magazines))
			cpu_relax();
		nr = unload(&magazines->magazine[i], objects);
		leave_magazines(magazines);
		preempt_enable();
		kmem_cache_free_bulk(source->cache, nr, objects);
		all += nr;
	}
	return all;
}

static void drain_all(struct lab_source *source)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		drain_cpu(source, cpu);
}

static int magazine_cpu_dead(unsigned int cpu, struct hlist_node *node)
{
	struct magazine_rack *rack =
		hlist_entry(node, struct magazine_rack, node);

	drain_cpu(rack->source, cpu);
	return 0;
}

static unsigned long count_rounds(struct shrinker *shrinker,
				  struct shrink_control *sc)
{
	struct lab_source *source = *compat_shrinker_private(shrinker);
	unsigned long nr = 0;
	unsigned int cpu;
	int i;

	for_each_possible_cpu(cpu)
		for (i = 0; i < MAGAZINES; i++)
			nr += READ_ONCE(per_cpu_ptr(source->magazines,
						    cpu)->magazine[i].nr);
	return nr;
}

static unsigned long give_rounds(struct shrinker *shrinker,
				 struct shrink_control *sc)
{
	struct lab_source *source = *compat_shrinker_private(shrinker);
	unsigned long nr = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		if (nr >= sc->nr_to_scan)
			break;
		nr += drain_cpu(source, cpu);
	}
	return nr ?: SHRINK_STOP;
}

/* Once per magazine: a request that finds none loaded. */
static noinline void *refill(struct lab_source *source, gfp_t gfp)
{
	void *objects[MAGAZINE_ROUNDS], *object = NULL;
	struct lab_magazines *magazines;
	size_t nr;

	magazines = get_cpu_ptr(source->magazines);
	if (take_magazines(magazines)) {
		if (!magazines->loaded->nr)
			swap(magazines->loaded, magazines->previous);
		if (magazines->loaded->nr)
			object = magazines->loaded->round[--magazines->loaded->nr];
		leave_magazines(magazines);
	}
	put_cpu_ptr(source->magazines);
	if (object)
		return object;

	nr = kmem_cache_alloc_bulk(source->cache, gfp, MAGAZINE_ROUNDS,
				   objects);
	if (!nr)
		return kmem_cache_alloc(source->cache, gfp);
	object = objects[--nr];
	/* Perhaps on another CPU by now. */
	magazines = get_cpu_ptr(source->magazines);
	if (take_magazines(magazines)) {
		if (!magazines->loaded->nr) {
			memcpy(magazines->loaded->round, objects,
			       nr * sizeof(*objects));
			magazines->loaded->nr = nr;
			nr = 0;
		}
		leave_magazines(magazines);
	}
	put_cpu_ptr(source->magazines);
	kmem_cache_free_bulk(source->cache, nr, objects);
	return object;
}

/* Once per magazine: an object that does not fit into the one loaded. */
static noinline void spill(struct lab_source *source, void *object)
{
	void *objects[MAGAZINE_ROUNDS];
	struct lab_magazines *magazines;
	size_t nr = 0;

	magazines = get_cpu_ptr(source->magazines);
	if (take_magazines(magazines)) {
		if (magazines->loaded->nr == MAGAZINE_ROUNDS) {
			swap(magazines->loaded, magazines->previous);
			nr = unload(magazines->loaded, objects);
		}
		magazines->loaded->round[magazines->loaded->nr++] = object;
		object = NULL;
		leave_magazines(magazines);
	}
	put_cpu_ptr(source->magazines);
	kmem_cache_free_bulk(source->cache, nr, objects);
	if (object)
		kmem_cache_free(source->cache, object);
}

static __always_inline void *magazine_alloc(struct lab_source *source, gfp_t gfp)
{
	struct lab_magazines *magazines = get_cpu_ptr(source->magazines);
	void *object = NULL;

	if (likely(take_magazines(magazines))) {
		struct magazine *loaded = magazines->loaded;

		if (likely(loaded->nr))
			object = loaded->round[--loaded->nr];
		leave_magazines(magazines);
	}
	put_cpu_ptr(source->magazines);
	return likely(object) ? object : refill(source, gfp);
}

static __always_inline void magazine_free(struct lab_source *source, void *object)
{
	struct lab_magazines *magazines = get_cpu_ptr(source->magazines);

	if (likely(take_magazines(magazines))) {
		struct magazine *loaded = magazines->loaded;

		if (likely(loaded->nr < MAGAZINE_ROUNDS)) {
			loaded->round[loaded->nr++] = object;
			object = NULL;
		}
		leave_magazines(magazines);
	}
	put_cpu_ptr(source->magazines);
	if (unlikely(object))
		spill(source, object);
}

LAB_LOOPS(magazine);

/* From a parameter to magazines */

static u64 magazines_bytes(const struct lab_source *source)
{
	return num_possible_cpus() *
	       (sizeof(struct lab_magazines) +
		MAGAZINES * MAGAZINE_ROUNDS * (u64)source->charge_bytes);
}

static void free_rack(struct magazine_rack *rack)
{
	if (rack->shrinker)
		shrinker_free(rack->shrinker);
	if (rack->source->magazines)
		drain_all(rack->source);
	free_percpu(rack->source->magazines);
	kfree(rack);
}

static int make_rack(struct lab_source *source)
{
	struct magazine_rack *rack = kzalloc(sizeof(*rack), GFP_KERNEL);
	unsigned int cpu;
	int err = -ENOMEM;

	if (!rack)
		return err;
	rack->source = source;
	source->reserve = rack;
	source->magazines = alloc_percpu(struct lab_magazines);
	rack->shrinker = compat_shrinker_alloc(0, source->cache_name);
	if (!source->magazines || !rack->shrinker)
		goto free;
	for_each_possible_cpu(cpu) {
		struct lab_magazines *magazines =
			per_cpu_ptr(source->magazines, cpu);

		magazines->loaded = &magazines->magazine[0];
		magazines->previous = &magazines->magazine[1];
	}
	*compat_shrinker_private(rack->shrinker) = source;
	err = cpuhp_state_add_instance_nocalls(magazine_state, &rack->node);
	if (err)
		goto free;
	compat_shrinker_start(rack->shrinker, count_rounds, give_rounds);
	return 0;
free:
	free_rack(rack);
	return err;
}

static int magazine_open(struct lab_source *source, struct lab_run *run,
			 const char *name)
{
	int err = slab_open(source, run, name);

	if (err)
		return err;
	/* Held as long as the pool is, whatever they are loaded with. */
	err = lab_source_charge(source, run, magazines_bytes(source));
	if (!err)
		err = make_rack(source);
	if (err)
		slab_close(source);
	return err;
}

static void magazine_close(struct lab_source *source)
{
	struct magazine_rack *rack = source->reserve;

	cpuhp_state_remove_instance_nocalls(magazine_state, &rack->node);
	free_rack(rack);
	slab_close(source);
}

static void magazine_shrink(struct lab_source *source)
{
	drain_all(source);
	kmem_cache_shrink(source->cache);
}

const struct lab_allocator magazine_allocator = {
	.name = "slab_magazine",
	.help = "the same, kept in magazines of each CPU; not cleared again",
	.params = slab_params,
	.open = magazine_open,
	.close = magazine_close,
	.alloc = magazine_alloc,
	.free = magazine_free,
	.shrink = magazine_shrink,
	.loops = &magazine_loops,
};

/**
 * magazine_init() - be told of CPUs that go away
 *
 * Context: Module load.
 * Return: 0 or a negative errno.
 */
int magazine_init(void)
{
	int state = cpuhp_setup_state_multi(CPUHP_BP_PREPARE_DYN, "kmemlab:dead",
					    NULL, magazine_cpu_dead);

	if (state < 0)
		return state;
	magazine_state = state;
	return 0;
}

/**
 * magazine_exit() - no longer be told
 *
 * Context: Module unload, when there is no source with magazines any more.
 */
void magazine_exit(void)
{
	cpuhp_remove_multi_state(magazine_state);
}

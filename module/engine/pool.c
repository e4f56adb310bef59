// SPDX-License-Identifier: GPL-2.0
/*
 * Pools: the one place where memory stays held after a command has ended.
 *
 * Two locks.  pools_lock protects the list of pools and who uses each; a pool's
 * own lock protects its objects.  Neither is held while objects are allocated or
 * freed, so that all CPUs can do so at once: a command collects what it allocates
 * on a shelf of its own until it has all of it, and takes what it frees off the
 * pool's in small batches.  Where both are taken, pools_lock is the outer one.
 *
 * A pool with users stays: destroying it is refused with EBUSY.  So whoever
 * has taken a use needs no further protection.
 */
#include <linux/gfp.h>
#include <linux/idr.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/stringhash.h>
#include <linux/workqueue.h>

#include "core/budget.h"
#include "core/context.h"
#include "core/footprint.h"
#include "core/ledger.h"
#include "core/loops.h"
#include "engine/pool.h"
#include "engine/registry.h"

/*
 * What is done between two looks at signals: so many objects, or so many bytes.
 */
#define POOL_BATCH		512
#define POOL_BATCH_BYTES	SZ_4M
/* Objects that are taken off a shelf at a time. */
#define POOL_BULK		64
/* Objects that are looked at before others may have the pool. */
#define POOL_LOOK		512

static DEFINE_MUTEX(pools_lock);
static LIST_HEAD(pools);			/* pools_lock */
static DEFINE_HASHTABLE(pools_by_name, 10);	/* pools_lock */
static u64 nr_pools;				/* pools_lock */
static const struct lab_pool_watcher *pool_watcher;	/* set at load */

enum pool_order {
	POOL_LIFO,
	POOL_FIFO,
	POOL_RANDOM,
};

static u32 name_hash(const char *name)
{
	return full_name_hash(NULL, name, strlen(name));
}

static struct lab_pool *find_pool(const char *name)
{
	struct lab_pool *pool;

	lockdep_assert_held(&pools_lock);
	hash_for_each_possible(pools_by_name, pool, bucket, name_hash(name))
		if (!strcmp(pool->name, name))
			return pool;
	return NULL;
}

/**
 * pool_hold() - take a use of a pool
 * @pool:	a pool that cannot be freed meanwhile
 *
 * Context: Process context, may sleep.
 * Return: true, and the caller owes pool_drop(); false where the pool is
 * leaving.
 */
bool pool_hold(struct lab_pool *pool)
{
	bool held;

	mutex_lock(&pools_lock);
	held = !pool->leaving;
	if (held)
		pool->users++;
	mutex_unlock(&pools_lock);
	return held;
}

/**
 * pool_drop() - give a use back
 * @pool:	the pool
 *
 * Context: Process context, may sleep.
 */
void pool_drop(struct lab_pool *pool)
{
	mutex_lock(&pools_lock);
	pool->users--;
	mutex_unlock(&pools_lock);
}

/* Takes a use of the pool that the command names. */
static struct lab_pool *get_pool(struct lab_run *run)
{
	const char *name = lab_word(run, "name");
	struct lab_pool *pool;

	mutex_lock(&pools_lock);
	pool = find_pool(name);
	if (pool && pool->leaving)
		pool = NULL;
	if (pool)
		pool->users++;
	mutex_unlock(&pools_lock);
	if (!pool)
		lab_refuse(run, -EINVAL, "there is no pool called %s", name);
	return pool;
}

/* Whether the pool's objects can be idle, to be taken back by the kernel. */
static bool knows_idle(const struct lab_pool *pool)
{
	return pool->source.allocator->idle;
}

static void count_idle(const struct lab_pool *pool,
		       struct lab_idle_counts *counts)
{
	*counts = (struct lab_idle_counts){};
	if (knows_idle(pool))
		pool->source.allocator->count_idle(&pool->source, counts);
}

static size_t nr_idle(const struct lab_pool *pool)
{
	struct lab_idle_counts counts;

	count_idle(pool, &counts);
	return counts.nr_idle;
}

/*
 * Objects, some of them freed, in whole slabs; and on the shelf a pointer to each of the
 * others, in whole pages.
 */
static u64 charge_of(const struct lab_pool *pool, size_t nr_charged, size_t nr)
{
	u64 bytes = nr_charged * (u64)pool->source.charge_bytes;
	size_t slab = pool->source.slab_bytes;

	if (slab)
		bytes = DIV64_U64_ROUND_UP(bytes, slab) * slab;
	return bytes + round_up(nr * sizeof(void *), PAGE_SIZE);
}

static size_t batch_size(const struct lab_pool *pool)
{
	return clamp_t(size_t, POOL_BATCH_BYTES / pool->source.charge_bytes, 1,
		       POOL_BATCH);
}

/**
 * struct pool_delivery - objects of a command that is not done allocating
 * @node:	in the pool's list of what killed commands left; protected by the
 *		pool's lock
 * @shelf:	the objects; nobody else's before it is in that list, and then
 *		protected by the pool's lock
 * @nr:		how many there were when it came into it
 */
struct pool_delivery {
	struct list_head node;
	struct lab_shelf shelf;
	size_t nr;
};

/* Pages that the pool took straight from the page allocator. */
static s64 kept_pages(const struct lab_pool *pool)
{
	size_t nr_objects = shelf_count(&pool->shelf);
	s64 pages = pool->shelf.pages;
	const struct pool_delivery *left;

	list_for_each_entry(left, &pool->left, node) {
		nr_objects += shelf_count(&left->shelf);
		pages += left->shelf.pages;
	}
	return nr_objects * pool->source.kept_pages + pages;
}

/*
 * Makes the counts visible to those who do not want to wait for the pool's
 * lock.
 */
static void publish_counts(struct lab_pool *pool)
{
	lockdep_assert_held(&pool->lock);
	pool->nr_changes++;
	spin_lock(&pool->counts_lock);
	pool->counts.nr_objects = shelf_count(&pool->shelf);
	pool->counts.nr_allocs = pool->nr_allocs;
	pool->counts.nr_frees = pool->nr_frees;
	pool->counts.nr_failed = pool->nr_failed;
	pool->counts.charged_bytes = pool->own_bytes + pool->source.own_bytes +
				     pool->charged_bytes;
	pool->counts.bookkeeping_bytes = shelf_bytes(&pool->shelf);
	pool->counts.kept_pages = kept_pages(pool);
	spin_unlock(&pool->counts_lock);
}

static void *take_object(struct lab_shelf *shelf, enum pool_order order)
{
	switch (order) {
	case POOL_FIFO:
		return shelf_pop_oldest(shelf);
	case POOL_RANDOM:
		return shelf_pop_random(shelf);
	default:
		return shelf_pop_newest(shelf);
	}
}

/* Frees objects; the pool's lock is not needed. */
static void free_all_of(struct lab_pool *pool, void **objects, size_t nr)
{
	const struct lab_loops *loops = pool->source.allocator->loops;
	size_t calls = nr / loops->per_call;

	loops->frees(&pool->source, calls, objects);
	/* What is no whole call. */
	for (objects += calls * loops->per_call; nr % loops->per_call; nr--)
		pool->source.allocator->free(&pool->source, *objects++);
}

/* Objects that the budget must be charged for, whoever has them. */
static size_t nr_in_all(const struct lab_pool *pool)
{
	return shelf_count(&pool->shelf) + pool->nr_coming + nr_idle(pool);
}

/* Gives back what is charged for more than @keep objects, and for their pointers. */
static void lower_charge(struct lab_pool *pool, size_t keep)
{
	u64 bytes;

	pool->charged = min(pool->charged, keep);
	bytes = charge_of(pool, pool->charged, nr_in_all(pool));
	if (bytes >= pool->charged_bytes)
		return;
	budget_uncharge(pool->charged_bytes - bytes);
	pool->charged_bytes = bytes;
}

/* After objects were freed: bookkeeping and charges go back. */
static void tidy_up(struct lab_pool *pool)
{
	size_t count = nr_in_all(pool);

	shelf_trim(&pool->shelf);
	if (pool->source.keeps_slabs && count)
		count = pool->charged;
	lower_charge(pool, count);
	publish_counts(pool);
}

/*
 * Takes up to @max objects off a shelf, as many as are freed between two looks at
 * signals at the most.
 */
static size_t take_batch(struct lab_pool *pool, struct lab_shelf *shelf,
			 enum pool_order order, void **objects, size_t max)
{
	size_t nr = min3(batch_size(pool), max, (size_t)POOL_BULK), i;

	for (i = 0; i < nr; i++)
		objects[i] = take_object(shelf, order);
	return nr;
}

/* Frees some of the objects of a shelf that no other command knows. */
static void free_some(struct lab_pool *pool, struct lab_shelf *shelf)
{
	void *objects[POOL_BULK];

	free_all_of(pool, objects, take_batch(pool, shelf, POOL_LIFO, objects,
					      shelf_count(shelf)));
	cond_resched();
}

static void free_delivery(struct pool_delivery *delivery)
{
	shelf_free(&delivery->shelf);
	kfree(delivery);
}

static struct pool_delivery *first_left(struct lab_pool *pool)
{
	return list_first_entry_or_null(&pool->left, struct pool_delivery,
					node);
}

/* A task that was killed has no time to free millions of objects. */
static void tidy_up_work(struct work_struct *work)
{
	struct lab_pool *pool = container_of(work, struct lab_pool, tidy_work);
	struct pool_delivery *left;
	void *objects[POOL_BULK];
	size_t nr;

	mutex_lock(&pool->lock);
	while ((left = first_left(pool))) {
		nr = take_batch(pool, &left->shelf, POOL_LIFO, objects,
				shelf_count(&left->shelf));
		if (nr) {
			/* No command is to wait for that. */
			mutex_unlock(&pool->lock);
			free_all_of(pool, objects, nr);
			cond_resched();
			mutex_lock(&pool->lock);
			continue;
		}
		list_del(&left->node);
		pool->nr_coming -= left->nr;
		free_delivery(left);
	}
	if (!pool->closed)
		tidy_up(pool);
	mutex_unlock(&pool->lock);
}

/* Reclaim cannot wait for the pool's lock, whose owner may wait for reclaim. */
static void objects_given(struct lab_source *source)
{
	struct lab_pool *pool = container_of(source, struct lab_pool, source);

	queue_work(system_unbound_wq, &pool->tidy_work);
}

static int lock_pool(struct lab_run *run, struct lab_pool *pool)
{
	if (mutex_lock_killable(&pool->lock))
		return lab_refuse(run, -EINTR, "cancelled by a signal");
	return 0;
}

/* Objects that no other command is about to free. */
static size_t nr_to_take(const struct lab_pool *pool)
{
	return shelf_count(&pool->shelf) - pool->nr_going;
}

/* Claims @count objects, for the caller to take. */
static int claim_objects(struct lab_run *run, struct lab_pool *pool,
			 size_t count)
{
	int err = lock_pool(run, pool);

	if (err)
		return err;
	if (count > nr_to_take(pool))
		err = lab_refuse(run, -ERANGE,
				 "count=%zu is more than the %zu objects there are",
				 count, nr_to_take(pool));
	else
		pool->nr_going += count;
	mutex_unlock(&pool->lock);
	return err;
}

/*
 * Frees objects that were claimed; those that are left where the command is
 * cancelled stay.  @nr_freed is set to how many were freed.
 */
static int free_objects(struct lab_run *run, struct lab_pool *pool,
			size_t count, enum pool_order order, size_t *nr_freed)
{
	void *objects[POOL_BULK];
	size_t nr, left = count;
	s64 kept;
	int err = 0;

	while (!err && left) {
		mutex_lock(&pool->lock);
		kept = kept_pages(pool);
		nr = take_batch(pool, &pool->shelf, order, objects, left);
		left -= nr;
		pool->nr_going -= nr;
		pool->nr_frees += nr;
		run->kept_pages += kept_pages(pool) - kept;
		publish_counts(pool);
		mutex_unlock(&pool->lock);
		free_all_of(pool, objects, nr);
		err = context_pause(run->reason);
	}
	mutex_lock(&pool->lock);
	kept = kept_pages(pool);
	pool->nr_going -= left;
	tidy_up(pool);
	run->kept_pages += kept_pages(pool) - kept;
	mutex_unlock(&pool->lock);
	*nr_freed = count - left;
	return err;
}

/* Frees what nobody uses, or a part of it where the command is cancelled. */
static int free_idle(struct lab_pool *pool, char *reason)
{
	size_t nr = 0;
	void *object;
	int err = 0;

	while (!err && knows_idle(pool) &&
	       (object = pool->source.allocator->reuse(&pool->source))) {
		pool->source.allocator->free(&pool->source, object);
		pool->nr_frees++;
		if (++nr % POOL_BATCH == 0)
			err = context_breathe(reason);
	}
	tidy_up(pool);
	return err;
}

/* Allocates objects that are nobody else's yet. */
static int alloc_batch(struct lab_run *run, struct lab_pool *pool,
		       struct lab_shelf *own, size_t count)
{
	struct lab_source *source = &pool->source;
	const struct lab_loops *loops = source->allocator->loops;
	size_t calls, room, nr;

	for (; count; count -= nr) {
		void **objects = shelf_room(own, &room);

		if (!objects)
			return -ENOMEM;
		calls = min(count, room) / loops->per_call;
		nr = calls - loops->allocs(source, calls, objects);
		nr *= loops->per_call;
		if (!nr) {
			/* What is no whole call, or was refused as one. */
			*objects = source->allocator->alloc(source, GFP_LAB);
			nr = !!*objects;
		}
		if (!nr)
			return lab_refuse(run, -ENOMEM,
					  "the kernel refused an object of %zu bytes",
					  source->object_bytes);
		shelf_fill(own, nr);
	}
	return 0;
}

/*
 * Charges all at once: what does not fit is refused before it is allocated.
 * @raised is set to for how many objects more.
 */
static int begin_alloc(struct lab_run *run, struct lab_pool *pool, size_t count,
		       size_t *raised)
{
	size_t want;
	u64 bytes, more;
	int err = lock_pool(run, pool);

	if (err)
		return err;
	want = nr_in_all(pool) + count;
	*raised = want > pool->charged ? want - pool->charged : 0;
	bytes = charge_of(pool, pool->charged + *raised, want);
	more = bytes > pool->charged_bytes ? bytes - pool->charged_bytes : 0;
	err = budget_charge(more, run->reason);
	if (!err) {
		pool->charged += *raised;
		pool->charged_bytes += more;
		pool->nr_coming += count;
	}
	publish_counts(pool);
	mutex_unlock(&pool->lock);
	return err;
}

/* All that a command has allocated becomes the pool's. */
static int hand_over(struct lab_run *run, struct lab_pool *pool,
		     struct pool_delivery *own)
{
	size_t count = shelf_count(&own->shelf);
	s64 kept;
	int err;

	mutex_lock(&pool->lock);
	kept = kept_pages(pool);
	err = shelf_join(&pool->shelf, &own->shelf);
	if (!err) {
		pool->nr_coming -= count;
		pool->nr_allocs += count;
		publish_counts(pool);
	}
	run->kept_pages += kept_pages(pool) - kept;
	mutex_unlock(&pool->lock);
	return err;
}

/*
 * None of it does; what a killed command has no time to free its worker frees.
 */
static void take_back(struct lab_run *run, struct lab_pool *pool, size_t count,
		      struct pool_delivery *own, size_t raised)
{
	size_t keep;
	s64 kept;

	while (shelf_count(&own->shelf) && !fatal_signal_pending(current))
		free_some(pool, &own->shelf);
	mutex_lock(&pool->lock);
	kept = kept_pages(pool);
	pool->nr_coming -= count;
	if (shelf_count(&own->shelf)) {
		own->nr = shelf_count(&own->shelf);
		pool->nr_coming += own->nr;
		list_add_tail(&own->node, &pool->left);
		queue_work(system_unbound_wq, &pool->tidy_work);
	} else {
		free_delivery(own);
	}
	keep = nr_in_all(pool);
	/* Slabs stay until the pool is empty, as in tidy_up(). */
	if (keep)
		keep = max(pool->charged - raised, keep);
	lower_charge(pool, keep);
	publish_counts(pool);
	run->kept_pages += kept_pages(pool) - kept;
	mutex_unlock(&pool->lock);
}

/* All of @count objects, or none. */
static int alloc_objects(struct lab_run *run, struct lab_pool *pool,
			 size_t count)
{
	struct pool_delivery *own = kzalloc(sizeof(*own), GFP_LAB);
	size_t raised, nr, done = 0;
	int err;

	if (!own)
		return -ENOMEM;
	err = begin_alloc(run, pool, count, &raised);
	if (err) {
		free_delivery(own);
		return err;
	}
	while (!err && done < count) {
		nr = min(batch_size(pool), count - done);
		err = alloc_batch(run, pool, &own->shelf, nr);
		done += nr;
		atomic_long_add(nr, &pool->nr_arrived);
		if (!err)
			err = context_pause(run->reason);
		/* Others allocate too: see that the floor still holds. */
		if (!err)
			err = budget_check_floor(0, run->reason);
	}
	atomic_long_sub(done, &pool->nr_arrived);
	if (!err)
		err = hand_over(run, pool, own);
	if (err)
		take_back(run, pool, count, own, raised);
	else
		free_delivery(own);
	return err;
}

/* What the pool itself takes, and its files. */
static int charge_pool(struct lab_run *run, struct lab_pool *pool,
		       size_t door_bytes)
{
	u64 structs, files = 0;
	int err;

	err = footprint_of_struct(run, sizeof(*pool) + door_bytes, &structs);
	if (!err && pool_watcher)
		err = footprint_of_files(run, pool_watcher->nr_files, &files);
	if (!err)
		err = budget_charge(structs + files, run->reason);
	if (!err)
		pool->own_bytes = structs + files;
	return err;
}

static int pool_create(struct lab_run *run)
{
	const char *name = lab_word(run, "name");
	struct lab_pool *pool;
	size_t door_bytes = 0;
	int err;

	/* A pool's directory stands beside the files of the verbs. */
	if (registry_experiment(&pool_family, name) ||
	    !strcmp(name, "result") || !strcmp(name, "stats"))
		return lab_refuse(run, -EINVAL, "%s is the name of a file",
				  name);
	if (pool_watcher)
		door_bytes = pool_watcher->door_bytes;
	pool = kzalloc(sizeof(*pool) + door_bytes, GFP_KERNEL);
	if (!pool)
		return -ENOMEM;
	pool->door = pool + 1;
	INIT_WORK(&pool->tidy_work, tidy_up_work);
	mutex_init(&pool->lock);
	INIT_LIST_HEAD(&pool->left);
	spin_lock_init(&pool->counts_lock);
	strscpy(pool->name, name, sizeof(pool->name));
	pool->source.allocator = registry_allocator(lab_word(run, "allocator"));
	pool->source.given = objects_given;

	err = charge_pool(run, pool, door_bytes);
	if (err)
		goto free_pool;

	/* The name is taken first: two caches must never have the same one. */
	pool->users = 1;
	mutex_lock(&pools_lock);
	if (find_pool(pool->name)) {
		mutex_unlock(&pools_lock);
		err = lab_refuse(run, -EBUSY,
				 "there is a pool called %s already",
				 pool->name);
		goto uncharge;
	}
	list_add_tail(&pool->node, &pools);
	hash_add(pools_by_name, &pool->bucket, name_hash(pool->name));
	pool->leaving = true;	/* not found before it is whole */
	nr_pools++;
	mutex_unlock(&pools_lock);

	err = pool->source.allocator->open(&pool->source, run, pool->name);
	if (err)
		goto unlist_pool;

	/* Nobody finds it yet but its worker, when the kernel takes idle objects. */
	mutex_lock(&pool->lock);
	publish_counts(pool);
	mutex_unlock(&pool->lock);
	if (pool_watcher)
		pool_watcher->added(pool);
	record_text(&run->record, "pool", "%s", pool->name);
	record_text(&run->record, "allocator", "%s",
		    pool->source.allocator->name);
	record_number(&run->record, "object_bytes", pool->source.object_bytes);

	/* From here on anybody may destroy it. */
	mutex_lock(&pools_lock);
	pool->leaving = false;
	pool->users--;
	mutex_unlock(&pools_lock);
	return 0;

unlist_pool:
	mutex_lock(&pools_lock);
	list_del(&pool->node);
	hash_del(&pool->bucket);
	nr_pools--;
	mutex_unlock(&pools_lock);
uncharge:
	budget_uncharge(pool->own_bytes);
free_pool:
	kfree(pool);
	return err;
}

/*
 * Takes an empty pool, which nobody can find or use any more, out of the house.
 */
static void remove_pool(struct lab_pool *pool)
{
	if (pool_watcher)
		pool_watcher->removed(pool);
	/* Reclaim may have our last objects in hand, and say so until then. */
	mutex_lock(&pool->lock);
	pool->closed = true;
	mutex_unlock(&pool->lock);
	if (pool->source.allocator->close)
		pool->source.allocator->close(&pool->source);
	cancel_work_sync(&pool->tidy_work);
	shelf_free(&pool->shelf);
	/* No look at what the allocator holds: it is closed. */
	budget_uncharge(pool->charged_bytes + pool->own_bytes);
	mutex_lock(&pools_lock);
	list_del(&pool->node);
	hash_del(&pool->bucket);
	nr_pools--;
	mutex_unlock(&pools_lock);
	mutex_destroy(&pool->lock);
	kfree(pool);
}

/* Waits until what killed commands have left is gone. */
static int await_worker(struct lab_run *run, struct lab_pool *pool)
{
	bool done;
	int err;

	for (;;) {
		err = lock_pool(run, pool);
		if (err)
			return err;
		done = list_empty(&pool->left);
		mutex_unlock(&pool->lock);
		if (done)
			return 0;
		err = context_hold(1, run->reason);
		if (err)
			return err;
	}
}

static int free_all(struct lab_run *run, struct lab_pool *pool, size_t *count)
{
	size_t before = pool->nr_frees, nr = shelf_count(&pool->shelf);
	int err;

	err = claim_objects(run, pool, nr);
	if (!err)
		err = free_objects(run, pool, nr, POOL_LIFO, &nr);
	if (!err)
		err = lock_pool(run, pool);
	if (!err) {
		err = free_idle(pool, run->reason);
		mutex_unlock(&pool->lock);
	}
	*count = pool->nr_frees - before;
	return err;
}

static int pool_destroy(struct lab_run *run)
{
	struct lab_pool *pool = get_pool(run);
	size_t count = 0;
	int err;

	if (!pool)
		return -EINVAL;
	mutex_lock(&pools_lock);
	if (pool->users > 1) {
		err = lab_refuse(run, -EBUSY,
				 "pool %s is in use: %u open files or commands",
				 pool->name, pool->users - 1);
		pool->users--;
		mutex_unlock(&pools_lock);
		return err;
	}
	pool->leaving = true;
	mutex_unlock(&pools_lock);

	/* Nobody else has a use of it or can get one, but its worker may run. */
	err = await_worker(run, pool);
	if (!err)
		err = free_all(run, pool, &count);
	if (err) {
		mutex_lock(&pools_lock);
		pool->leaving = false;
		pool->users--;
		mutex_unlock(&pools_lock);
		return err;
	}
	record_text(&run->record, "pool", "%s", pool->name);
	record_number(&run->record, "nr_freed", count);
	remove_pool(pool);
	return 0;
}

static void record_pool(struct lab_run *run, struct lab_pool *pool)
{
	struct lab_pool_counts counts;

	pool_counts(pool, &counts);
	record_number(&run->record, "nr_objects", counts.nr_objects);
}

/* Whatever the reason is. */
static void count_failed(struct lab_pool *pool)
{
	mutex_lock(&pool->lock);
	pool->nr_failed++;
	publish_counts(pool);
	mutex_unlock(&pool->lock);
}

static int pool_alloc(struct lab_run *run)
{
	struct lab_pool *pool = get_pool(run);
	size_t count = lab_number(run, "count");
	int err;

	if (!pool)
		return -EINVAL;
	err = alloc_objects(run, pool, count);
	if (err)
		count_failed(pool);
	record_text(&run->record, "pool", "%s", pool->name);
	record_number(&run->record, "nr_allocated", err ? 0 : count);
	record_pool(run, pool);
	pool_drop(pool);
	return err;
}

static int pool_free(struct lab_run *run)
{
	struct lab_pool *pool = get_pool(run);
	size_t count = lab_number(run, "count");
	int err;

	if (!pool)
		return -EINVAL;
	err = claim_objects(run, pool, count);
	if (!err) {
		err = free_objects(run, pool, count, lab_number(run, "order"),
				   &count);
		record_text(&run->record, "pool", "%s", pool->name);
		record_number(&run->record, "nr_freed", count);
		record_pool(run, pool);
	}
	pool_drop(pool);
	return err;
}

static int refuse_idle(struct lab_run *run, const struct lab_pool *pool)
{
	return lab_refuse(run, -EOPNOTSUPP,
			  "%s knows no objects that are idle",
			  pool->source.allocator->name);
}

static void record_moved(struct lab_run *run, struct lab_pool *pool, size_t nr)
{
	record_text(&run->record, "pool", "%s", pool->name);
	record_number(&run->record, "nr_moved", nr);
	record_number(&run->record, "nr_objects", shelf_count(&pool->shelf));
	record_number(&run->record, "nr_idle", nr_idle(pool));
}

static int make_idle(struct lab_run *run, struct lab_pool *pool)
{
	size_t count = lab_number(run, "count");
	size_t had = nr_to_take(pool), nr = 0;
	enum pool_order order = lab_number(run, "order");
	int err = 0;

	if (count > had)
		return lab_refuse(run, -ERANGE,
				  "count=%zu is more than the %zu objects in use",
				  count, had);
	while (!err && nr < count) {
		pool->source.allocator->idle(&pool->source,
					     take_object(&pool->shelf, order));
		if (++nr % POOL_BATCH == 0)
			err = context_breathe(run->reason);
	}
	tidy_up(pool);
	record_moved(run, pool, nr);
	return err;
}

/* As many as there still are: the kernel takes some whenever it likes. */
static int use_idle(struct lab_run *run, struct lab_pool *pool)
{
	size_t count = lab_number(run, "count"), nr = 0, nr_fit;
	int err = 0;

	while (!err && nr < count) {
		void **room = shelf_room(&pool->shelf, &nr_fit);

		if (!room) {
			err = -ENOMEM;
			break;
		}
		*room = pool->source.allocator->reuse(&pool->source);
		if (!*room)
			break;
		shelf_fill(&pool->shelf, 1);
		if (++nr % POOL_BATCH == 0)
			err = context_breathe(run->reason);
	}
	tidy_up(pool);
	record_moved(run, pool, nr);
	return err;
}

/* What idle and use have in common: the pool and its lock. */
static int move_objects(struct lab_run *run,
			int (*move)(struct lab_run *run, struct lab_pool *pool))
{
	struct lab_pool *pool = get_pool(run);
	s64 kept;
	int err;

	if (!pool)
		return -EINVAL;
	err = knows_idle(pool) ? lock_pool(run, pool) : refuse_idle(run, pool);
	if (!err) {
		kept = kept_pages(pool);
		err = move(run, pool);
		run->kept_pages += kept_pages(pool) - kept;
		mutex_unlock(&pool->lock);
	}
	if (err)
		count_failed(pool);
	pool_drop(pool);
	return err;
}

static int pool_idle(struct lab_run *run)
{
	return move_objects(run, make_idle);
}

static int pool_use(struct lab_run *run)
{
	return move_objects(run, use_idle);
}

/**
 * struct pool_look - a look at what the objects of a pool lie in
 * @seen:	frames with which the blocks begin that were counted
 * @bytes:	of these
 */
struct pool_look {
	struct ida seen;
	u64 bytes;
};

/* Each block of pages counts once, as its first frame does. */
static int count_block(struct pool_look *look, unsigned long pfn, u64 bytes)
{
	int err;

	if (pfn > INT_MAX)
		return -ERANGE;
	err = ida_alloc_range(&look->seen, pfn, pfn, GFP_LAB);
	if (err >= 0)
		look->bytes += bytes;
	return err == -ENOSPC ? 0 : min(err, 0);
}

/* The pages that @bytes lie in, each of which stands for @each bytes. */
static int count_pages(struct pool_look *look, const void *page, size_t bytes,
		       u64 each)
{
	const void *end = page + bytes;
	unsigned long pfn;
	int err = 0;

	for (page -= offset_in_page(page); !err && page < end; page += PAGE_SIZE)
		if (frame_of(page, &pfn))
			err = count_block(look, pfn, each);
	return err;
}

/* The slab that an object lies in, or the pages, of which each CPU may have a set. */
static int count_object(struct lab_pool *pool, struct pool_look *look,
			void *object)
{
	struct lab_source *source = &pool->source;
	struct page *slab;

	if (source->allocator->address)
		return count_pages(look, source->allocator->address(source, object),
				   source->object_bytes,
				   PAGE_SIZE * num_possible_cpus());
	if (source->may_be_area && is_vmalloc_addr(object))
		return count_pages(look, object, source->object_bytes, PAGE_SIZE);
	slab = virt_to_head_page(object);
	return count_block(look, page_to_pfn(slab), page_size(slab));
}

/* Looks at some objects from @from on; -EAGAIN where something has changed. */
static int look_at_some(struct lab_pool *pool, struct pool_look *look, u64 changes,
			size_t from)
{
	size_t i, end;
	int err = 0;

	if (mutex_lock_killable(&pool->lock))
		return -EINTR;
	end = min(from + POOL_LOOK, shelf_count(&pool->shelf));
	if (pool->nr_changes != changes)
		err = -EAGAIN;
	for (i = from; !err && i < end; i++)
		err = count_object(pool, look, shelf_at(&pool->shelf, i));
	mutex_unlock(&pool->lock);
	return err;
}

/**
 * pool_held() - what the objects of a pool keep others from having
 * @pool:	the pool; the caller has a use of it
 * @bytes:	set to the size of all slabs and pages in which there is an object,
 *		as long as there is an object of others in none of them
 *
 * Takes time for each object where something has changed since it was asked last.
 *
 * Context: Process context, may sleep.
 * Return: 0; -EAGAIN where it cannot be known, as objects come or go or the kernel
 * has some of them; -ENOMEM; -EINTR.
 */
int pool_held(struct lab_pool *pool, u64 *bytes)
{
	struct pool_look look = {};
	size_t count, i;
	u64 changes;
	int err = 0;

	if (mutex_lock_killable(&pool->lock))
		return -EINTR;
	changes = pool->nr_changes;
	count = shelf_count(&pool->shelf);
	*bytes = pool->held_bytes;
	if (!pool->source.keeps_slabs)
		*bytes = count * pool->source.charge_bytes;
	else if (pool->nr_coming || pool->nr_going || nr_idle(pool))
		err = -EAGAIN;
	else if (pool->nr_looked != changes)
		err = -ENODATA;
	mutex_unlock(&pool->lock);
	if (err != -ENODATA)
		return err;

	ida_init(&look.seen);
	for (err = 0, i = 0; !err && i < count; i += POOL_LOOK) {
		err = look_at_some(pool, &look, changes, i);
		cond_resched();
	}
	ida_destroy(&look.seen);
	if (err)
		return err;
	*bytes = look.bytes;
	if (mutex_lock_killable(&pool->lock))
		return -EINTR;
	pool->nr_looked = changes;
	pool->held_bytes = look.bytes;
	mutex_unlock(&pool->lock);
	return 0;
}

/* What the kernel has taken back is no longer charged. */
static int charge_held(struct lab_run *run, struct lab_pool *pool)
{
	u64 tracking = footprint_of_tracking(), held;
	int err = pool_held(pool, &held);
	size_t nr;

	if (err == -EINTR)
		return lab_refuse(run, err, "cancelled by a signal");
	/* Somebody else is at work there, and what is charged is still enough. */
	if (err)
		return 0;
	err = lock_pool(run, pool);
	if (err)
		return err;
	if (pool->source.slab_bytes && pool->nr_looked == pool->nr_changes) {
		nr = nr_in_all(pool);
		lower_charge(pool, max_t(size_t, nr,
					 div64_u64(held + nr * tracking,
						   pool->source.charge_bytes)));
		publish_counts(pool);
		pool->nr_looked = pool->nr_changes;
	}
	mutex_unlock(&pool->lock);
	record_number(&run->record, "held_bytes", held);
	return 0;
}

static int shrink_pool(struct lab_run *run, struct lab_pool *pool)
{
	struct lab_pool_counts counts;
	int err;

	if (!pool->source.allocator->shrink)
		return lab_refuse(run, -EOPNOTSUPP,
				  "%s keeps nothing that could be given back",
				  pool->source.allocator->name);
	pool->source.allocator->shrink(&pool->source);
	record_text(&run->record, "pool", "%s", pool->name);
	err = charge_held(run, pool);
	pool_counts(pool, &counts);
	record_number(&run->record, "charged_bytes", counts.charged_bytes);
	return err;
}

static int pool_shrink(struct lab_run *run)
{
	struct lab_pool *pool = get_pool(run);
	int err;

	if (!pool)
		return -EINVAL;
	err = shrink_pool(run, pool);
	pool_drop(pool);
	return err;
}

/**
 * pool_counts() - a pool's running counts, all of one moment
 * @pool:	the pool; the caller has a use of it or the pools' lock
 * @counts:	filled in: as of the last batch of the command at work, if any
 *
 * Context: Any.
 */
void pool_counts(struct lab_pool *pool, struct lab_pool_counts *counts)
{
	spin_lock(&pool->counts_lock);
	*counts = pool->counts;
	spin_unlock(&pool->counts_lock);
}

/**
 * pool_show_stats() - add a pool's running counts to a record
 * @record:	the record
 * @object:	the pool; the caller has a use of it
 *
 * Context: Process context, may sleep.
 * Return: 0; -EINTR where a fatal signal came first.
 */
int pool_show_stats(struct lab_record *record, void *object)
{
	struct lab_pool *pool = object;
	struct lab_pool_counts counts;
	struct lab_idle_counts idle;
	u64 held;
	int err;

	err = pool_held(pool, &held);
	if (err == -EINTR)
		return err;
	pool_counts(pool, &counts);
	count_idle(pool, &idle);
	record_text(record, "name", "%s", pool->name);
	record_text(record, "allocator", "%s", pool->source.allocator->name);
	if (pool->source.cache_name[0])
		record_text(record, "cache", "%s", pool->source.cache_name);
	record_number(record, "object_bytes", pool->source.object_bytes);
	record_number(record, "charge_bytes", pool->source.charge_bytes);
	record_number(record, "nr_objects", counts.nr_objects);
	record_number(record, "nr_coming",
		      atomic_long_read(&pool->nr_arrived));
	record_number(record, "nr_allocs", counts.nr_allocs);
	record_number(record, "nr_frees", counts.nr_frees);
	record_number(record, "nr_failed", counts.nr_failed);
	if (knows_idle(pool)) {
		record_number(record, "nr_idle", idle.nr_idle);
		record_number(record, "nr_asked", idle.nr_asked);
		record_number(record, "nr_given", idle.nr_given);
	}
	record_number(record, "charged_bytes", counts.charged_bytes);
	if (err)
		record_text(record, "held_bytes", "unknown");
	else
		record_number(record, "held_bytes", held);
	record_number(record, "bookkeeping_bytes", counts.bookkeeping_bytes);
	return 0;
}

/**
 * pool_layout_begin() - begin to look at where a pool's objects lie
 * @pool:	the pool; the caller has a use of it
 *
 * Context: Process context, may sleep.  Takes the pool's lock.
 * Return: 0; -EINTR where a fatal signal came first.
 */
int pool_layout_begin(struct lab_pool *pool)
{
	return mutex_lock_killable(&pool->lock) ? -EINTR : 0;
}

/**
 * pool_layout_at() - where one object lies
 * @pool:	between pool_layout_begin() and pool_layout_end()
 * @index:	which: 0 is the oldest
 * @place:	filled in
 *
 * Context: Process context.
 * Return: whether there is such an object.
 */
bool pool_layout_at(struct lab_pool *pool, size_t index,
		    struct lab_place *place)
{
	struct lab_source *source = &pool->source;
	const void *object;

	if (index >= shelf_count(&pool->shelf))
		return false;
	object = shelf_at(&pool->shelf, index);
	if (source->allocator->address)
		object = source->allocator->address(source, (void *)object);
	place->offset_bytes = offset_in_page(object);
	place->address = object;
	frame_walk(object - place->offset_bytes,
		   place->offset_bytes + source->object_bytes,
		   &place->frames);
	return true;
}

/**
 * pool_layout_end() - end what pool_layout_begin() began
 * @pool:	the pool
 *
 * Context: Process context.  Gives up the pool's lock.
 */
void pool_layout_end(struct lab_pool *pool)
{
	mutex_unlock(&pool->lock);
}

/**
 * pool_list_lock() - begin to go through all pools
 *
 * Context: Process context, may sleep.  Takes the pools' lock.
 */
void pool_list_lock(void)
{
	mutex_lock(&pools_lock);
}

/**
 * pool_list_unlock() - end what pool_list_lock() began
 *
 * Context: Process context.  Gives up the pools' lock.
 */
void pool_list_unlock(void)
{
	mutex_unlock(&pools_lock);
}

/**
 * pool_list() - the pools, in the order in which they were made
 *
 * Context: Between pool_list_lock() and pool_list_unlock().
 * Return: head of a list of &struct lab_pool.node.
 */
struct list_head *pool_list(void)
{
	lockdep_assert_held(&pools_lock);
	return &pools;
}

/**
 * pool_count() - how many pools there are
 *
 * Context: Process context, may sleep.
 * Return: the number.
 */
u64 pool_count(void)
{
	u64 nr;

	mutex_lock(&pools_lock);
	nr = nr_pools;
	mutex_unlock(&pools_lock);
	return nr;
}

/**
 * pool_show_ledger() - add to a record how the kernel's counters moved since the
 * module was loaded
 * @record:	the record
 * @unused:	nothing
 *
 * Context: Process context, may sleep.
 * Return: 0.
 */
int pool_show_ledger(struct lab_record *record, void *unused)
{
	struct lab_pool_counts counts;
	struct lab_pool *pool;
	s64 kept = 0;

	mutex_lock(&pools_lock);
	list_for_each_entry(pool, &pools, node) {
		pool_counts(pool, &counts);
		kept += counts.kept_pages;
	}
	mutex_unlock(&pools_lock);
	ledger_record_all(record, kept);
	return 0;
}

/**
 * pool_watch() - name the one who is told of pools that come and go
 * @watcher:	who; NULL for no one
 *
 * Context: Module load, before any file is published, and unload.
 */
void pool_watch(const struct lab_pool_watcher *watcher)
{
	pool_watcher = watcher;
}

/**
 * pool_exit() - give back everything that any pool holds
 *
 * Context: Module unload, when no command can run any more; may sleep.
 */
void pool_exit(void)
{
	struct lab_pool *pool, *next;
	char reason[LAB_REASON_SIZE];

	list_for_each_entry_safe(pool, next, &pools, node) {
		/* No command is left, but reclaim and the worker are. */
		flush_work(&pool->tidy_work);
		mutex_lock(&pool->lock);
		while (shelf_count(&pool->shelf))
			free_some(pool, &pool->shelf);
		while (free_idle(pool, reason))
			;
		mutex_unlock(&pool->lock);
		remove_pool(pool);
	}
}

/* The tables */

#define POOL_NAME_PARAM \
	{ .name = "name", .help = "of the pool", .type = LAB_WORD, \
	  .required = true }
#define POOL_COUNT_PARAM \
	{ .name = "count", .help = "objects", .required = true, .bare = true, \
	  .min = 1, .max = U32_MAX }

static const char *const pool_orders[] = {
	[POOL_LIFO] = "lifo",
	[POOL_FIFO] = "fifo",
	[POOL_RANDOM] = "random",
	NULL
};

static const struct lab_param create_params[] = {
	POOL_NAME_PARAM,
	{ .name = "allocator", .help = "where its objects come from",
	  .type = LAB_WORD,
	  .required = true },
	{}
};

static const struct lab_param name_params[] = {
	POOL_NAME_PARAM,
	{}
};

static const struct lab_param shrink_params[] = {
	POOL_NAME_PARAM,
	{ .name = "now", .help = "1, as the kernel's own shrink files want it",
	  .bare = true, .min = 1, .max = 1, .def = 1 },
	{}
};

static const struct lab_param alloc_params[] = {
	POOL_NAME_PARAM,
	POOL_COUNT_PARAM,
	{}
};

static const struct lab_param free_params[] = {
	POOL_NAME_PARAM,
	POOL_COUNT_PARAM,
	{ .name = "order", .help = "which objects go first", .type = LAB_CHOICE,
	  .choices = pool_orders },
	{}
};

static const struct lab_param idle_params[] = {
	POOL_NAME_PARAM,
	POOL_COUNT_PARAM,
	{ .name = "order", .help = "which objects first", .type = LAB_CHOICE,
	  .choices = pool_orders, .def = POOL_FIFO },
	{}
};

static const struct lab_experiment pool_verbs[] = {
	{ .name = "create", .run = pool_create, .keeps = true,
	  .params = create_params, .more_params = registry_allocator_params,
	  .help = "make an empty pool" },
	{ .name = "destroy", .run = pool_destroy, .keeps = true,
	  .params = name_params,
	  .help = "free a pool's objects, then the pool" },
	{ .name = "alloc", .run = pool_alloc, .keeps = true,
	  .params = alloc_params,
	  .help = "allocate objects: all of them or none" },
	{ .name = "free", .run = pool_free, .keeps = true,
	  .params = free_params,
	  .help = "free objects, the newest, the oldest or any" },
	{ .name = "idle", .run = pool_idle, .keeps = true,
	  .params = idle_params,
	  .help = "stop using objects: the kernel may take them back" },
	{ .name = "use", .run = pool_use, .keeps = true,
	  .params = alloc_params,
	  .help = "use idle objects again, of each node and cgroup the oldest first" },
	{ .name = "shrink", .run = pool_shrink, .keeps = true,
	  .params = shrink_params,
	  .help = "let the allocator give back what it keeps for later" },
	{}
};

const struct lab_family pool_family = {
	.name = "pool",
	.help = "named pools of objects, held until they are freed",
	.experiments = pool_verbs,
};

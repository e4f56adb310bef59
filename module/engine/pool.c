// SPDX-License-Identifier: GPL-2.0
/*
 * Pools: the one place where memory stays held after a command has ended.
 *
 * Two locks.  pools_lock protects the list of pools and who uses each; it is
 * never held while memory is allocated for an object or freed.  A pool's own
 * lock protects its objects.  Where both are taken, pools_lock is the outer
 * one.
 *
 * A pool with users stays: destroying it is refused with EBUSY.  So whoever
 * has taken a use needs no further protection.
 */
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/stringhash.h>
#include <linux/workqueue.h>

#include "core/budget.h"
#include "core/context.h"
#include "core/ledger.h"
#include "core/loops.h"
#include "engine/pool.h"
#include "engine/registry.h"

/*
 * What is done between two looks at signals: so many objects, or so many bytes.
 */
#define POOL_BATCH		512
#define POOL_BATCH_BYTES	SZ_4M
/* The most objects in one call of an allocator's bulk pair. */
#define POOL_BULK		64
/* About what a pool itself takes: its cache, that cache's parts, its files. */
#define POOL_BYTES		SZ_8K

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

/* Objects, without those that a cancelled command left behind. */
static size_t nr_objects(const struct lab_pool *pool)
{
	return shelf_count(&pool->shelf) - pool->surplus;
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

/* An object and its pointer on the shelf. */
static u64 object_charge(const struct lab_pool *pool)
{
	return pool->source.charge_bytes + sizeof(void *);
}

static size_t batch_size(const struct lab_pool *pool)
{
	return clamp_t(size_t, POOL_BATCH_BYTES / pool->source.charge_bytes, 1,
		       POOL_BATCH);
}

/* Pages that the pool took straight from the page allocator. */
static s64 kept_pages(const struct lab_pool *pool)
{
	return shelf_count(&pool->shelf) * pool->source.kept_pages +
	       pool->shelf.pages;
}

/*
 * Makes the counts visible to those who do not want to wait for the pool's
 * lock.
 */
static void publish_counts(struct lab_pool *pool)
{
	spin_lock(&pool->counts_lock);
	pool->counts.nr_objects = nr_objects(pool);
	pool->counts.nr_allocs = pool->nr_allocs;
	pool->counts.nr_frees = pool->nr_frees;
	pool->counts.nr_failed = pool->nr_failed;
	pool->counts.held_bytes = POOL_BYTES +
				  pool->charged * object_charge(pool);
	pool->counts.bookkeeping_bytes = shelf_bytes(&pool->shelf);
	pool->counts.kept_pages = kept_pages(pool);
	spin_unlock(&pool->counts_lock);
}

static void *take_object(struct lab_pool *pool, enum pool_order order)
{
	switch (order) {
	case POOL_FIFO:
		return shelf_pop_oldest(&pool->shelf);
	case POOL_RANDOM:
		return shelf_pop_random(&pool->shelf);
	default:
		return shelf_pop_newest(&pool->shelf);
	}
}

static void free_object(struct lab_pool *pool, void *object)
{
	pool->source.allocator->free(&pool->source, object);
	pool->nr_frees++;
}

/* Frees the next @count objects in that order. */
static void free_batch(struct lab_pool *pool, size_t count,
		       enum pool_order order)
{
	const struct lab_loops *loops = pool->source.allocator->loops;
	void *objects[POOL_BULK];
	size_t nr, i;

	for (; count >= loops->per_call; count -= nr) {
		nr = rounddown(min_t(size_t, count, POOL_BULK),
			       loops->per_call);
		for (i = 0; i < nr; i++)
			objects[i] = take_object(pool, order);
		loops->frees(&pool->source, nr / loops->per_call, objects);
		pool->nr_frees += nr;
	}
	/* What is no whole call. */
	while (count--)
		free_object(pool, take_object(pool, order));
}

/* Gives back what is charged for more than @keep objects. */
static void lower_charge(struct lab_pool *pool, size_t keep)
{
	if (pool->charged <= keep)
		return;
	budget_uncharge((pool->charged - keep) * object_charge(pool));
	pool->charged = keep;
}

/* After objects were freed: bookkeeping and charges go back. */
static void tidy_up(struct lab_pool *pool)
{
	size_t count = shelf_count(&pool->shelf) + nr_idle(pool);

	shelf_trim(&pool->shelf);
	if (!pool->source.keeps_slabs || !count)
		lower_charge(pool, count);
	publish_counts(pool);
}

/*
 * Frees what a command allocated before it failed: the newest objects.  That
 * can be millions, and a task that was killed must not stay for them, so it
 * leaves the rest to a worker, or to the next command that comes.
 */
static void drop_surplus(struct lab_pool *pool)
{
	while (pool->surplus) {
		size_t nr = min(batch_size(pool), pool->surplus);

		free_batch(pool, nr, POOL_LIFO);
		pool->surplus -= nr;
		cond_resched();
		if (pool->surplus && fatal_signal_pending(current)) {
			queue_work(system_unbound_wq, &pool->tidy_work);
			return;
		}
	}
	lower_charge(pool, pool->charged_before);
	tidy_up(pool);
}

static void tidy_up_work(struct work_struct *work)
{
	struct lab_pool *pool = container_of(work, struct lab_pool, tidy_work);

	mutex_lock(&pool->lock);
	if (pool->surplus)
		drop_surplus(pool);
	else if (!pool->closed)
		tidy_up(pool);
	mutex_unlock(&pool->lock);
}

/* Reclaim cannot wait for the pool's lock, whose owner may wait for reclaim. */
static void objects_given(struct lab_source *source)
{
	struct lab_pool *pool = container_of(source, struct lab_pool, source);

	queue_work(system_unbound_wq, &pool->tidy_work);
}

/* Locks a pool that has no surplus. */
static int lock_pool(struct lab_run *run, struct lab_pool *pool)
{
	if (mutex_lock_killable(&pool->lock))
		return lab_refuse(run, -EINTR, "cancelled by a signal");
	if (pool->surplus)
		drop_surplus(pool);
	if (!pool->surplus)
		return 0;
	mutex_unlock(&pool->lock);
	return lab_refuse(run, -EINTR, "cancelled by a signal");
}

/* Frees @count objects, or fewer where the command is cancelled meanwhile. */
static int free_objects(struct lab_run *run, struct lab_pool *pool,
			size_t count, enum pool_order order)
{
	s64 kept = kept_pages(pool);
	int err = 0;

	while (!err && count) {
		size_t nr = min(batch_size(pool), count);

		free_batch(pool, nr, order);
		count -= nr;
		publish_counts(pool);
		err = context_breathe(run->reason);
	}
	tidy_up(pool);
	run->kept_pages += kept_pages(pool) - kept;
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
		free_object(pool, object);
		if (++nr % POOL_BATCH == 0)
			err = context_breathe(reason);
	}
	tidy_up(pool);
	return err;
}

static bool alloc_object(struct lab_pool *pool)
{
	struct lab_source *source = &pool->source;
	void *object = NULL;

	if (!shelf_reserve(&pool->shelf))
		object = source->allocator->alloc(source, GFP_LAB);
	if (!object)
		return false;
	shelf_push(&pool->shelf, object);
	return true;
}

/* At most @count, in whole calls; returns how many. */
static size_t alloc_many(struct lab_pool *pool, size_t count)
{
	const struct lab_loops *loops = pool->source.allocator->loops;
	size_t calls = min_t(size_t, count, POOL_BULK) / loops->per_call;
	void *objects[POOL_BULK];
	size_t nr, i;

	nr = calls - loops->allocs(&pool->source, calls, objects);
	nr *= loops->per_call;
	for (i = 0; i < nr && !shelf_reserve(&pool->shelf); i++)
		shelf_push(&pool->shelf, objects[i]);
	calls = i;
	for (; i < nr; i++)
		pool->source.allocator->free(&pool->source, objects[i]);
	return calls;
}

static int alloc_batch(struct lab_run *run, struct lab_pool *pool, size_t count)
{
	size_t nr;

	for (; count; count -= nr) {
		nr = alloc_many(pool, count) ?: alloc_object(pool);
		pool->nr_allocs += nr;
		if (!nr)
			return lab_refuse(run, -ENOMEM,
					  "the kernel refused an object of %zu bytes",
					  pool->source.object_bytes);
	}
	return 0;
}

/* Charges all at once: what does not fit is refused before it is allocated. */
static int raise_charge(struct lab_run *run, struct lab_pool *pool, size_t want)
{
	int err = 0;

	pool->charged_before = pool->charged;
	if (want > pool->charged)
		err = budget_charge((want - pool->charged) * object_charge(pool),
				    run->reason);
	if (!err)
		pool->charged = max(pool->charged, want);
	return err;
}

/* All of @count objects, or none. */
static int alloc_objects(struct lab_run *run, struct lab_pool *pool,
			 size_t count)
{
	size_t had = shelf_count(&pool->shelf);
	s64 kept = kept_pages(pool);
	int err;

	err = raise_charge(run, pool, had + nr_idle(pool) + count);
	while (!err && count) {
		size_t nr = min(batch_size(pool), count);

		err = alloc_batch(run, pool, nr);
		if (err)
			break;
		count -= nr;
		publish_counts(pool);
		err = context_breathe(run->reason);
		/* Others allocate too: see that the floor still holds. */
		if (!err)
			err = budget_check_floor(0, run->reason);
	}
	if (err) {
		pool->nr_failed++;
		pool->surplus = shelf_count(&pool->shelf) - had;
		drop_surplus(pool);
	}
	publish_counts(pool);
	run->kept_pages += kept_pages(pool) - kept;
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
	spin_lock_init(&pool->counts_lock);
	strscpy(pool->name, name, sizeof(pool->name));
	pool->source.allocator = registry_allocator(lab_word(run, "allocator"));
	pool->source.given = objects_given;

	err = budget_charge(POOL_BYTES, run->reason);
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

	publish_counts(pool);
	if (pool_watcher)
		pool_watcher->added(pool);
	mutex_lock(&pools_lock);
	pool->leaving = false;
	pool->users--;
	mutex_unlock(&pools_lock);

	record_text(&run->record, "pool", "%s", pool->name);
	record_text(&run->record, "allocator", "%s",
		    pool->source.allocator->name);
	record_number(&run->record, "object_bytes", pool->source.object_bytes);
	return 0;

unlist_pool:
	mutex_lock(&pools_lock);
	list_del(&pool->node);
	hash_del(&pool->bucket);
	nr_pools--;
	mutex_unlock(&pools_lock);
uncharge:
	budget_uncharge(POOL_BYTES);
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
	lower_charge(pool, 0);
	mutex_lock(&pools_lock);
	list_del(&pool->node);
	hash_del(&pool->bucket);
	nr_pools--;
	mutex_unlock(&pools_lock);
	mutex_destroy(&pool->lock);
	kfree(pool);
	budget_uncharge(POOL_BYTES);
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
	err = lock_pool(run, pool);
	if (!err) {
		count = pool->nr_frees;
		err = free_objects(run, pool, shelf_count(&pool->shelf),
				   POOL_LIFO);
		if (!err)
			err = free_idle(pool, run->reason);
		count = pool->nr_frees - count;
		mutex_unlock(&pool->lock);
	}
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

static int pool_alloc(struct lab_run *run)
{
	struct lab_pool *pool = get_pool(run);
	size_t count = lab_number(run, "count");
	int err;

	if (!pool)
		return -EINVAL;
	err = lock_pool(run, pool);
	if (!err) {
		err = alloc_objects(run, pool, count);
		record_text(&run->record, "pool", "%s", pool->name);
		record_number(&run->record, "nr_allocated", err ? 0 : count);
		record_number(&run->record, "nr_objects",
			      shelf_count(&pool->shelf));
		mutex_unlock(&pool->lock);
	}
	pool_drop(pool);
	return err;
}

static int pool_free(struct lab_run *run)
{
	struct lab_pool *pool = get_pool(run);
	size_t count = lab_number(run, "count"), had;
	int err;

	if (!pool)
		return -EINVAL;
	err = lock_pool(run, pool);
	if (err)
		goto drop;
	had = shelf_count(&pool->shelf);
	if (count > had) {
		err = lab_refuse(run, -ERANGE,
				 "count=%zu is more than the %zu objects there are",
				 count, had);
		goto unlock;
	}
	err = free_objects(run, pool, count, lab_number(run, "order"));
	record_text(&run->record, "pool", "%s", pool->name);
	record_number(&run->record, "nr_freed",
		      had - shelf_count(&pool->shelf));
	record_number(&run->record, "nr_objects", shelf_count(&pool->shelf));
unlock:
	mutex_unlock(&pool->lock);
drop:
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
	size_t had = shelf_count(&pool->shelf), nr = 0;
	enum pool_order order = lab_number(run, "order");
	int err = 0;

	if (count > had)
		return lab_refuse(run, -ERANGE,
				  "count=%zu is more than the %zu objects in use",
				  count, had);
	while (!err && nr < count) {
		pool->source.allocator->idle(&pool->source,
					     take_object(pool, order));
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
	size_t count = lab_number(run, "count"), nr = 0;
	void *object;
	int err = 0;

	while (!err && nr < count) {
		err = shelf_reserve(&pool->shelf);
		if (err)
			break;
		object = pool->source.allocator->reuse(&pool->source);
		if (!object)
			break;
		shelf_push(&pool->shelf, object);
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

static int pool_shrink(struct lab_run *run)
{
	struct lab_pool *pool = get_pool(run);
	int err = 0;

	if (!pool)
		return -EINVAL;
	if (pool->source.allocator->shrink)
		pool->source.allocator->shrink(&pool->source);
	else
		err = lab_refuse(run, -EOPNOTSUPP,
				 "%s keeps nothing that could be given back",
				 pool->source.allocator->name);
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
 * Return: 0.
 */
int pool_show_stats(struct lab_record *record, void *object)
{
	struct lab_pool *pool = object;
	struct lab_pool_counts counts;
	struct lab_idle_counts idle;

	pool_counts(pool, &counts);
	count_idle(pool, &idle);
	record_text(record, "name", "%s", pool->name);
	record_text(record, "allocator", "%s", pool->source.allocator->name);
	if (pool->source.cache_name[0])
		record_text(record, "cache", "%s", pool->source.cache_name);
	record_number(record, "object_bytes", pool->source.object_bytes);
	record_number(record, "charge_bytes", pool->source.charge_bytes);
	record_number(record, "nr_objects", counts.nr_objects);
	record_number(record, "nr_allocs", counts.nr_allocs);
	record_number(record, "nr_frees", counts.nr_frees);
	record_number(record, "nr_failed", counts.nr_failed);
	if (knows_idle(pool)) {
		record_number(record, "nr_idle", idle.nr_idle);
		record_number(record, "nr_asked", idle.nr_asked);
		record_number(record, "nr_given", idle.nr_given);
	}
	record_number(record, "held_bytes", counts.held_bytes);
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

	if (index >= nr_objects(pool))
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
		mutex_lock(&pool->lock);
		pool->surplus = 0;
		while (shelf_count(&pool->shelf)) {
			free_batch(pool, min(batch_size(pool),
					     shelf_count(&pool->shelf)),
				   POOL_LIFO);
			cond_resched();
		}
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

// SPDX-License-Identifier: GPL-2.0
/*
 * reclaim - memory that comes back when it is short: objects that the kernel may
 * take while nobody uses them, and the marks of a zone at which it begins to.
 */
#include <linux/kernel.h>
#include <linux/list_lru.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/shrinker.h>
#include <linux/slab.h>

#include "compat/compat.h"
#include "core/family.h"
#include "core/footprint.h"
#include "core/loops.h"

/*
 * The least that reclaim takes at once.  At its gentlest it looks at one object
 * of 1024 (do_shrink_slab(), DEF_PRIORITY), and by default at 128 or none.
 */
#define SHRINK_LOT	8

/**
 * struct lab_cache - objects that are handed back while nobody uses them
 * @source:	whose they are; objects of its cache are charged to the cgroup of the
 *		task that asks for them
 * @lru:	idle objects, least recently used first, for each node and cgroup;
 *		a list_head at the start of each object is the link.  Its own
 *		locks protect it
 * @shrinker:	what the kernel calls when it is short of memory
 * @nr_idle:	objects on @lru
 * @nr_asked:	objects that the kernel asked to have scanned
 * @nr_given:	objects that it was given
 */
struct lab_cache {
	struct lab_source *source;
	struct list_lru lru;
	struct shrinker *shrinker;
	atomic_long_t nr_idle;
	atomic_long_t nr_asked;
	atomic_long_t nr_given;
};

static unsigned long count_idle(struct shrinker *shrinker,
				struct shrink_control *sc)
{
	struct lab_cache *cache = *compat_shrinker_private(shrinker);

	/* Empty, and not only nothing now: then the kernel asks no more. */
	return list_lru_shrink_count(&cache->lru, sc) ?: SHRINK_EMPTY;
}

static enum lru_status take_idle(struct list_head *item,
				 struct list_lru_one *list,
				 COMPAT_LRU_LOCK void *taken)
{
	list_lru_isolate_move(list, item, taken);
	return LRU_REMOVED;
}

/* The objects are off the list before they are freed: its lock is a spinlock. */
static unsigned long give_idle(struct shrinker *shrinker,
			       struct shrink_control *sc)
{
	struct lab_cache *cache = *compat_shrinker_private(shrinker);
	struct list_head *object, *next;
	unsigned long nr;
	LIST_HEAD(taken);

	atomic_long_add(sc->nr_to_scan, &cache->nr_asked);
	nr = list_lru_shrink_walk(&cache->lru, sc, take_idle, &taken);
	list_for_each_safe(object, next, &taken)
		kmem_cache_free(cache->source->cache, object);
	atomic_long_add(nr, &cache->nr_given);
	atomic_long_sub(nr, &cache->nr_idle);
	if (nr)
		cache->source->given(cache->source);
	return nr;
}

static void reclaimable_close(struct lab_source *source)
{
	struct lab_cache *cache = source->reserve;

	shrinker_free(cache->shrinker);
	list_lru_destroy(&cache->lru);
	kmem_cache_destroy(source->cache);
	kfree(cache);
	lab_source_uncharge(source);
}

/* What an object takes, and the cache with its struct and its shrinker's. */
static int charge_cache(struct lab_run *run, struct lab_source *source)
{
	struct lab_footprint object;
	u64 bytes, own;
	int err;

	err = footprint_of_cache(run, source->cache, &object);
	if (!err)
		err = footprint_of_new_cache(run, source->cache_name,
					     &object, &bytes);
	if (!err)
		err = footprint_of_struct(run, sizeof(struct lab_cache), &own);
	if (err)
		return err;
	source->charge_bytes = object.bytes;
	source->slab_bytes = object.slab_bytes;
	source->keeps_slabs = true;
	return lab_source_charge(source, run, bytes + 2 * own +
				 nr_node_ids * sizeof(struct list_lru_node));
}

static int reclaimable_open(struct lab_source *source, struct lab_run *run,
			    const char *name)
{
	struct lab_cache *cache = kzalloc(sizeof(*cache), GFP_KERNEL);
	int err = -ENOMEM;

	if (!cache)
		return err;
	cache->source = source;
	source->reserve = cache;
	source->object_bytes = lab_number(run, "size");
	snprintf(source->cache_name, sizeof(source->cache_name), "kmemlab_%s",
		 name);
	source->cache = compat_cache_create_unmerged(source->cache_name,
						     source->object_bytes, 0,
						     SLAB_ACCOUNT |
						     SLAB_RECLAIM_ACCOUNT,
						     NULL);
	if (!source->cache)
		goto free;
	err = charge_cache(run, source);
	if (err)
		goto destroy_cache;
	err = -ENOMEM;
	cache->shrinker = compat_shrinker_alloc(SHRINKER_NUMA_AWARE |
						SHRINKER_MEMCG_AWARE,
						source->cache_name);
	if (!cache->shrinker)
		goto destroy_cache;
	if (list_lru_init_memcg(&cache->lru, cache->shrinker))
		goto free_shrinker;
	/* Small lots, so that mild pressure takes some of a small pool, too. */
	cache->shrinker->batch = SHRINK_LOT;
	cache->shrinker->seeks = 1;
	*compat_shrinker_private(cache->shrinker) = cache;
	compat_shrinker_start(cache->shrinker, count_idle, give_idle);
	return 0;

free_shrinker:
	shrinker_free(cache->shrinker);
destroy_cache:
	lab_source_uncharge(source);
	kmem_cache_destroy(source->cache);
free:
	kfree(cache);
	return err;
}

static __always_inline void *reclaimable_alloc(struct lab_source *source, gfp_t gfp)
{
	struct lab_cache *cache = source->reserve;

	/* With the list, so that its part for the cgroup is there when needed. */
	return kmem_cache_alloc_lru(source->cache, &cache->lru, gfp);
}

static __always_inline void reclaimable_free(struct lab_source *source, void *object)
{
	kmem_cache_free(source->cache, object);
}

LAB_LOOPS(reclaimable);

static void reclaimable_shrink(struct lab_source *source)
{
	kmem_cache_shrink(source->cache);
}

static void reclaimable_idle(struct lab_source *source, void *object)
{
	struct lab_cache *cache = source->reserve;
	struct list_head *link = object;

	INIT_LIST_HEAD(link);
	atomic_long_inc(&cache->nr_idle);
	list_lru_add_obj(&cache->lru, link);
}

static void *reclaimable_reuse(struct lab_source *source)
{
	struct lab_cache *cache = source->reserve;
	LIST_HEAD(taken);

	if (!list_lru_walk(&cache->lru, take_idle, &taken, 1))
		return NULL;
	atomic_long_dec(&cache->nr_idle);
	return taken.next;
}

static void reclaimable_count(const struct lab_source *source,
			      struct lab_idle_counts *counts)
{
	struct lab_cache *cache = source->reserve;

	counts->nr_idle = atomic_long_read(&cache->nr_idle);
	counts->nr_asked = atomic_long_read(&cache->nr_asked);
	counts->nr_given = atomic_long_read(&cache->nr_given);
}

static int reclaim_marks(struct lab_run *run)
{
	unsigned int nid = lab_number(run, "node"), i;
	struct zone *zone;
	bool waits;

	if (!node_online(nid))
		return lab_refuse(run, -ERANGE, "node %u is not online", nid);
	record_number(&run->record, "node", nid);
	/* Only to show it; nothing is decided by it. */
	waits = waitqueue_active(&NODE_DATA(nid)->kswapd_wait);
	record_number(&run->record, "kswapd_waits", waits);
	for (i = 0; i < MAX_NR_ZONES; i++) {
		zone = &NODE_DATA(nid)->node_zones[i];
		if (!populated_zone(zone))
			continue;
		record_row(&run->record, "N%u.%s", nid, zone->name);
		/* With what each CPU has not yet added to the zone's count. */
		record_cell(&run->record, "free",
			    zone_page_state_snapshot(zone, NR_FREE_PAGES));
		record_cell(&run->record, "min", min_wmark_pages(zone));
		record_cell(&run->record, "low", low_wmark_pages(zone));
		record_cell(&run->record, "high", high_wmark_pages(zone));
	}
	return 0;
}

/* The tables */

static const struct lab_param marks_params[] = {
	{ .name = "node", .help = "whose zones", .max = MAX_NUMNODES - 1 },
	{}
};

static const struct lab_param reclaimable_params[] = {
	{ .name = "size", .help = "of an object, in bytes",
	  .min = sizeof(struct list_head), .max = KMALLOC_MAX_CACHE_SIZE,
	  .required = true },
	{}
};

static const struct lab_allocator reclaimable_allocator = {
	.name = "reclaimable",
	.help = "objects that the kernel may take back while they are idle",
	.params = reclaimable_params,
	.open = reclaimable_open,
	.close = reclaimable_close,
	.alloc = reclaimable_alloc,
	.free = reclaimable_free,
	.loops = &reclaimable_loops,
	.shrink = reclaimable_shrink,
	.idle = reclaimable_idle,
	.reuse = reclaimable_reuse,
	.count_idle = reclaimable_count,
};

static const struct lab_experiment reclaim_experiments[] = {
	{ .name = "marks", .run = reclaim_marks, .params = marks_params,
	  .help = "at low kswapd is woken, at min the caller reclaims itself" },
	{}
};

static const struct lab_allocator *const reclaim_allocators[] = {
	&reclaimable_allocator,
	NULL
};

const struct lab_family reclaim_family = {
	.name = "reclaim",
	.help = "memory that comes back when it is short",
	.experiments = reclaim_experiments,
	.allocators = reclaim_allocators,
};

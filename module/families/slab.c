// SPDX-License-Identifier: GPL-2.0
/*
 * slab - caches of objects of one size, carved out of pages.
 *
 * What a slab looks like is private to mm/ since 5.17, so its shape is read off
 * the addresses of objects and the order of the page behind them.
 */
#include <linux/bsearch.h>
#include <linux/cache.h>
#include <linux/delay.h>
#include <linux/idr.h>
#include <linux/kernel.h>
#include <linux/mempool.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "compat/compat.h"
#include "core/address.h"
#include "core/context.h"
#include "core/family.h"
#include "core/footprint.h"
#include "core/frame.h"
#include "core/ledger.h"
#include "core/loops.h"
#include "families/slab.h"

#define SLAB_OBJECTS_MAX	65536
#define TINY_BYTES		8
#define SLAB_MAX_BYTES		(PAGE_SIZE << PAGE_ALLOC_COSTLY_ORDER)
#define BULK_MAX		4096
#define RESERVE_MAX		4096
#define RCU_BLOCKS_MAX		32

/*
 * For a cache whose pages are counted on the whole machine: kmemleak has no
 * object for each of its own, which takes pages too.  What is left in a cache
 * when it is destroyed the kernel tells anyway.
 */
#define SLAB_COUNTED		SLAB_NOLEAKTRACE

/* What the constructor leaves in an object, to be found again later. */
#define CTOR_STAMP		0x6b6d656d6c616263ULL

static void stamp_object(void *object)
{
	*(u64 *)object = CTOR_STAMP;
}

static int slab_generation(struct lab_run *run)
{
	record_text(&run->record, "generation", COMPAT_SLAB_GENERATION);
	record_number(&run->record, "cpu_partial",
		      IS_ENABLED(CONFIG_SLUB_CPU_PARTIAL));
	record_number(&run->record, "freelist_random",
		      IS_ENABLED(CONFIG_SLAB_FREELIST_RANDOM));
	return 0;
}

/* Pools' caches begin with "kmemlab_": no pool can have these names. */
#define EXPERIMENT_CACHE	"kmemlab-experiment"
#define SECOND_CACHE		"kmemlab-second"

/* Objects of one cache, to be looked at. */
struct slab_objects {
	struct kmem_cache *cache;
	void **object;
	unsigned int nr;
};

static void put_objects(struct slab_objects *set)
{
	while (set->nr)
		kmem_cache_free(set->cache, set->object[--set->nr]);
	kvfree(set->object);
	set->object = NULL;
}

static int make_room(struct slab_objects *set, unsigned int room)
{
	set->nr = 0;
	set->object = kvmalloc_array(room, sizeof(*set->object), GFP_LAB);
	return set->object ? 0 : -ENOMEM;
}

static bool add_object(struct slab_objects *set, gfp_t gfp)
{
	void *object = kmem_cache_alloc(set->cache, gfp);

	if (object)
		set->object[set->nr++] = object;
	return object;
}

/* Adds @count objects to those that are there; there is room for them. */
static int add_objects(struct lab_run *run, struct slab_objects *set,
		       unsigned int count)
{
	int err = 0;

	while (!err && count--)
		err = add_object(set, GFP_LAB) ? context_breathe(run->reason)
					       : -ENOMEM;
	return err;
}

static int get_objects(struct lab_run *run, struct slab_objects *set,
		       unsigned int count)
{
	int err = make_room(set, count);

	if (!err)
		err = add_objects(run, set, count);
	if (err)
		put_objects(set);
	return err;
}

/* What a cache is to be like. */
struct slab_wish {
	const char *name;	/* NULL: EXPERIMENT_CACHE */
	unsigned int size;
	unsigned int align;
	slab_flags_t flags;
	void (*ctor)(void *object);
};

static int make_cache(struct lab_run *run, struct slab_objects *set,
		      const struct slab_wish *wish)
{
	*set = (struct slab_objects){};
	set->cache = compat_cache_create_unmerged(wish->name ?: EXPERIMENT_CACHE,
						  wish->size, wish->align,
						  wish->flags, wish->ctor);
	if (!set->cache)
		return lab_refuse(run, -ENOMEM, "no cache of size %u, align %u",
				  wish->size, wish->align);
	return 0;
}

/* The first objects of a cache, charged for what they take. */
static int fill_cache(struct lab_run *run, struct slab_objects *set,
		      unsigned int count)
{
	struct lab_footprint each;
	int err;

	err = footprint_of_cache(run, set->cache, &each);
	if (!err)
		err = footprint_charge(run, &each, count);
	return err ?: get_objects(run, set, count);
}

/* A cache for one experiment, and objects of it. */
static int make_objects(struct lab_run *run, struct slab_objects *set,
			const struct slab_wish *wish, unsigned int count)
{
	int err = make_cache(run, set, wish);

	if (err)
		return err;
	err = fill_cache(run, set, count);
	if (err)
		kmem_cache_destroy(set->cache);
	return err;
}

static void destroy_objects(struct slab_objects *set)
{
	put_objects(set);
	kmem_cache_destroy(set->cache);
}

/**
 * struct slab_shape - how slabs are carved, as seen in addresses
 * @nr_slabs:	different slabs
 * @objects:	most objects seen in one slab
 * @order:	of the page behind an object
 * @spacing:	from one object to the next in a slab, in bytes; 0 if no slab has two
 * @full_pfn:	first frame of a slab that has @objects
 * @address_bits: bits that are set in the address of any object
 */
struct slab_shape {
	unsigned int nr_slabs;
	unsigned int objects;
	unsigned int order;
	unsigned long spacing;
	unsigned long full_pfn;
	unsigned long address_bits;
};

/* Sorts the objects by address and looks at each slab's run of them. */
static void read_shape(struct slab_objects *set, struct slab_shape *shape)
{
	const struct page *slab = NULL;
	unsigned int in_slab = 0, i;

	address_sort(set->object, set->nr);
	*shape = (struct slab_shape){
		.spacing = address_spacing(set->object, set->nr),
	};
	for (i = 0; i < set->nr; i++) {
		struct page *head = virt_to_head_page(set->object[i]);

		shape->address_bits |= (unsigned long)set->object[i];
		if (head != slab) {
			slab = head;
			in_slab = 0;
			shape->nr_slabs++;
		}
		if (++in_slab > shape->objects) {
			shape->objects = in_slab;
			shape->order = compound_order(head);
			shape->full_pfn = page_to_pfn(head);
		}
	}
}

/*
 * Fills a slab and reads off it how the cache carves its slabs, with all that
 * alignment and debugging put around an object.  The cache has no slab before
 * and none after.
 */
static int learn_shape(struct lab_run *run, struct kmem_cache *cache,
		       unsigned int size, struct slab_shape *shape)
{
	struct slab_objects set = { .cache = cache };
	unsigned int count;
	void *object;
	int err;

	err = lab_charge(run, 2 * SLAB_MAX_BYTES);
	if (err)
		return err;
	/* On one CPU, which fills a slab before it takes the next. */
	migrate_disable();
	object = kmem_cache_alloc(cache, GFP_LAB);
	if (!object) {
		migrate_enable();
		return -ENOMEM;
	}
	count = page_size(virt_to_head_page(object)) /
			ALIGN(size, sizeof(void *)) + 1;
	err = make_room(&set, count);
	if (err) {
		kmem_cache_free(cache, object);
	} else {
		/* Freed, KASAN might keep it, and its slab never be full. */
		set.object[set.nr++] = object;
		err = add_objects(run, &set, count - 1);
	}
	migrate_enable();
	if (!err)
		read_shape(&set, shape);
	put_objects(&set);
	kmem_cache_shrink(cache);
	return err;
}

/*
 * A cache for one experiment, how it carves its slabs, and room for @nr_slabs
 * of them and @more objects.
 */
static int make_shaped(struct lab_run *run, struct slab_objects *set,
		       const struct slab_wish *wish, struct slab_shape *shape,
		       unsigned int nr_slabs, unsigned int more)
{
	int err = make_cache(run, set, wish);

	if (err)
		return err;
	err = learn_shape(run, set->cache, wish->size, shape);
	/* Each CPU may have one slab more, and each object has a pointer. */
	if (!err)
		err = lab_charge(run, (nr_slabs + more + nr_cpu_ids) *
					      ((PAGE_SIZE << shape->order) +
					       shape->objects * sizeof(void *)));
	if (!err)
		err = make_room(set, nr_slabs * shape->objects + more);
	if (err)
		kmem_cache_destroy(set->cache);
	return err;
}

/*
 * The same, and @nr_slabs full slabs.  They are taken on one CPU, which fills a
 * slab before it takes the next.
 */
static int make_slabs(struct lab_run *run, struct slab_objects *set,
		      const struct slab_wish *wish, struct slab_shape *shape,
		      unsigned int nr_slabs)
{
	int err = make_shaped(run, set, wish, shape, nr_slabs, 0);

	if (err)
		return err;
	migrate_disable();
	err = add_objects(run, set, nr_slabs * shape->objects);
	migrate_enable();
	if (err)
		destroy_objects(set);
	return err;
}

/* A slab that has one object has no spacing. */
static void record_spacing(struct lab_run *run, const struct slab_shape *shape)
{
	if (shape->spacing)
		record_number(&run->record, "spacing_bytes", shape->spacing);
}

static int slab_carve(struct lab_run *run)
{
	unsigned int size = lab_number(run, "size");
	unsigned int align = lab_number(run, "align");
	struct slab_shape shape, filled;
	struct slab_objects set;
	int err;

	if (align & (align - 1))
		return lab_refuse(run, -ERANGE,
				  "align=%u is not a power of two", align);
	err = make_cache(run, &set,
			 &(struct slab_wish){ .size = size, .align = align });
	if (err)
		return err;
	/* So many objects need not fill a slab, nor show how many it has. */
	err = learn_shape(run, set.cache, size, &shape);
	if (!err)
		err = fill_cache(run, &set, lab_number(run, "count"));
	if (err) {
		kmem_cache_destroy(set.cache);
		return err;
	}
	read_shape(&set, &filled);
	record_number(&run->record, "object_bytes", size);
	record_number(&run->record, "nr_objects", set.nr);
	record_number(&run->record, "nr_slabs", filled.nr_slabs);
	record_number(&run->record, "objects_per_slab", shape.objects);
	record_number(&run->record, "slab_order", shape.order);
	record_spacing(run, &shape);
	err = lab_hold(run);
	destroy_objects(&set);
	return err;
}

/*
 * Where an object lies.  It is marked, so that whoever can read memory by its
 * physical address can see that this is the place.
 */
static void record_place(struct lab_run *run, const char *key, u64 mark,
			 void *object)
{
	unsigned long pfn;

	WRITE_ONCE(*(u64 *)object, mark);
	record_row(&run->record, "%s", key);
	if (frame_of(object, &pfn))
		record_cell(&run->record, "pfn", pfn);
	record_cell(&run->record, "offset_bytes", offset_in_page(object));
	record_cell(&run->record, "node", page_to_nid(virt_to_page(object)));
}

static int slab_tiny(struct lab_run *run)
{
	struct slab_wish wish = { .size = TINY_BYTES };
	struct slab_objects set;
	struct slab_shape shape;
	u64 mark = get_random_u64() >> 8;
	unsigned int i, on_page = 0;
	void *first = NULL;
	unsigned long pfn;
	int err;

	/* Two, as KFENCE may have taken an object of one. */
	err = make_slabs(run, &set, &wish, &shape, 2);
	if (err)
		return err;
	read_shape(&set, &shape);
	for (i = 0; i < set.nr; i++)
		if (frame_of(set.object[i], &pfn) && pfn == shape.full_pfn) {
			first = first ?: set.object[i];
			on_page++;
		}
	record_number(&run->record, "object_bytes", TINY_BYTES);
	record_number(&run->record, "page_bytes", PAGE_SIZE);
	record_number(&run->record, "objects_on_page", on_page);
	record_spacing(run, &shape);
	record_number(&run->record, "mark", mark);
	record_place(run, "first", mark, first);
	err = lab_hold(run);
	destroy_objects(&set);
	return err;
}

/**
 * struct slab_reuse - free and allocate again, while the machine is still
 * @cache:	from which
 * @rounds:	how often, to go
 * @object:	that comes and goes
 * @nr_same:	how often the object freed was the next one handed out
 * @free_before: free pages of the machine before
 * @free_after:	and after
 */
struct slab_reuse {
	struct kmem_cache *cache;
	unsigned int rounds;
	void *object;
	unsigned int nr_same;
	s64 free_before;
	s64 free_after;
};

static int reuse_still(void *arg)
{
	struct slab_reuse *reuse = arg;
	void *again;
	s64 free;

	if (!reuse->object) {
		/*
		 * The first allocation may take a new slab; it is not what is
		 * counted.
		 */
		reuse->object = kmem_cache_alloc(reuse->cache, GFP_STILL);
		if (!reuse->object)
			return -ENOMEM;
		reuse->free_before = ledger_free_pages();
		reuse->free_after = reuse->free_before;
	}
	free = ledger_free_pages();
	while (reuse->rounds && !context_still_over()) {
		kmem_cache_free(reuse->cache, reuse->object);
		again = kmem_cache_alloc(reuse->cache, GFP_STILL);
		if (again == reuse->object)
			reuse->nr_same++;
		reuse->object = again;
		if (!again)
			return -ENOMEM;
		reuse->rounds--;
	}
	reuse->free_after += ledger_free_pages() - free;
	return reuse->rounds ? CONTEXT_AGAIN : 0;
}

static int slab_reuse(struct lab_run *run)
{
	unsigned int rounds = lab_number(run, "rounds");
	struct slab_reuse reuse = { .rounds = rounds };
	unsigned int size = lab_number(run, "size");
	struct slab_objects set;
	int err;

	err = make_objects(run, &set, &(struct slab_wish){
				.size = size, .flags = SLAB_COUNTED }, 1);
	if (err)
		return err;
	reuse.cache = set.cache;
	err = context_still(reuse_still, &reuse, run->reason);
	if (reuse.object)
		kmem_cache_free(reuse.cache, reuse.object);
	if (!err) {
		record_number(&run->record, "object_bytes", size);
		record_number(&run->record, "rounds", rounds);
		record_number(&run->record, "nr_same", reuse.nr_same);
		record_signed(&run->record, "free_pages_before",
			      reuse.free_before);
		record_signed(&run->record, "free_pages_after",
			      reuse.free_after);
		err = lab_hold(run);
	}
	destroy_objects(&set);
	return err;
}

/* Where to hold still, of the two places that an experiment can. */
enum slab_stage {
	STAGE_FIRST,
	STAGE_SECOND,
};

static int hold_at(struct lab_run *run, enum slab_stage stage)
{
	return lab_number(run, "hold_at") == stage ? lab_hold(run) : 0;
}

static void free_objects(struct slab_objects *set)
{
	while (set->nr)
		kmem_cache_free(set->cache, set->object[--set->nr]);
}

/**
 * struct slab_pages - the machine's pages at one moment, or how they moved
 * @free:	in no use
 * @reclaimable: in slabs that shrinkers can empty
 * @unreclaimable: in other slabs
 */
struct slab_pages {
	s64 free;
	s64 reclaimable;
	s64 unreclaimable;
};

static void read_pages(struct slab_pages *pages)
{
	pages->free = ledger_free_pages();
	pages->reclaimable = ledger_slab_pages(true);
	pages->unreclaimable = ledger_slab_pages(false);
}

/* Adds how they have moved since they were @from. */
static void add_moved(struct slab_pages *moved, const struct slab_pages *from)
{
	struct slab_pages now;

	read_pages(&now);
	moved->free += now.free - from->free;
	moved->reclaimable += now.reclaimable - from->reclaimable;
	moved->unreclaimable += now.unreclaimable - from->unreclaimable;
}

/**
 * struct slab_tide - objects come and go while the machine is still
 * @set:	the objects; there is room for @count
 * @count:	how many to take
 * @stamped:	look for the constructor's stamp in what was freed
 * @nr_stamped:	how many still had it
 * @taken:	how the machine's pages moved while objects were taken
 * @full:	what they were before any was freed
 * @freed:	how they moved while objects were freed
 *
 * While it is still, the machine's pages move for the objects alone, so what moved in
 * one stop and in the next adds up.
 */
struct slab_tide {
	struct slab_objects *set;
	unsigned int count;
	bool stamped;
	unsigned int nr_stamped;
	struct slab_pages taken;
	struct slab_pages full;
	struct slab_pages freed;
};

static bool is_stamped(const void *object)
{
	return READ_ONCE(*(const u64 *)object) == CTOR_STAMP;
}

static int rise_still(void *arg)
{
	struct slab_tide *tide = arg;
	struct slab_pages before;

	read_pages(&before);
	while (tide->set->nr < tide->count && !context_still_over())
		if (!add_object(tide->set, GFP_STILL))
			return -ENOMEM;
	add_moved(&tide->taken, &before);
	return tide->set->nr < tide->count ? CONTEXT_AGAIN : 0;
}

static int ebb_still(void *arg)
{
	struct slab_tide *tide = arg;
	struct slab_objects *set = tide->set;
	unsigned int nr = set->nr, i;
	struct slab_pages before;

	read_pages(&before);
	if (nr == tide->count)
		tide->full = before;
	while (set->nr && !context_still_over())
		kmem_cache_free(set->cache, set->object[--set->nr]);
	add_moved(&tide->freed, &before);
	/*
	 * Only for a type-safe cache: with interrupts off no grace period ends,
	 * so what was freed is still of its type.
	 */
	for (i = set->nr; tide->stamped && i < nr; i++)
		tide->nr_stamped += is_stamped(set->object[i]);
	return set->nr ? CONTEXT_AGAIN : 0;
}

static int rise_and_ebb(struct lab_run *run, struct slab_tide *tide)
{
	return context_still(rise_still, tide, run->reason) ?:
	       context_still(ebb_still, tide, run->reason);
}

static s64 pages_freed(const struct slab_pages *from,
		       const struct slab_pages *to)
{
	return to->free - from->free;
}

static void record_slabs(struct lab_run *run, unsigned int nr_slabs,
			 const struct slab_shape *shape)
{
	record_number(&run->record, "nr_slabs", nr_slabs);
	record_number(&run->record, "objects_per_slab", shape->objects);
	record_number(&run->record, "pages_per_slab", 1UL << shape->order);
}

static int slab_shrink(struct lab_run *run)
{
	struct slab_wish wish = { .size = lab_number(run, "size"),
				  .flags = SLAB_COUNTED };
	unsigned int nr_slabs = lab_number(run, "slabs");
	struct slab_objects set;
	struct slab_tide tide = { .set = &set };
	struct slab_pages freed, shrunk, destroyed;
	struct slab_shape shape;
	int err;

	err = make_shaped(run, &set, &wish, &shape, nr_slabs, 0);
	if (err)
		return err;
	tide.count = nr_slabs * shape.objects;
	err = rise_and_ebb(run, &tide);
	if (err)
		goto destroy;
	record_slabs(run, nr_slabs, &shape);
	record_signed(&run->record, "taken_pages", -tide.taken.free);
	record_signed(&run->record, "back_on_free_pages", tide.freed.free);
	err = hold_at(run, STAGE_FIRST);
	if (err)
		goto destroy;
	read_pages(&freed);
	kmem_cache_shrink(set.cache);
	read_pages(&shrunk);
	record_signed(&run->record, "back_on_shrink_pages",
		      pages_freed(&freed, &shrunk));
	err = hold_at(run, STAGE_SECOND);
	if (!err)
		err = rise_and_ebb(run, &tide);
	if (err)
		goto destroy;
	kvfree(set.object);
	read_pages(&freed);
	kmem_cache_destroy(set.cache);
	read_pages(&destroyed);
	record_signed(&run->record, "back_on_destroy_pages",
		      pages_freed(&freed, &destroyed));
	return 0;

destroy:
	destroy_objects(&set);
	return err;
}

/* What the constructor counts; experiments run one at a time. */
static atomic_t nr_constructed;

/* An object with a constructor. */
struct slab_made {
	u64 stamp;
	u64 state;
};

static void construct_object(void *object)
{
	struct slab_made *made = object;

	atomic_inc(&nr_constructed);
	stamp_object(object);
	made->state = 0;
}

/* Takes all objects there is room for and looks at what is in them. */
static int take_made(struct lab_run *run, struct slab_objects *set,
		     unsigned int count, const char *key)
{
	unsigned int i, nr_stamped = 0, nr_with_state = 0;
	int err;

	atomic_set(&nr_constructed, 0);
	err = add_objects(run, set, count);
	if (err)
		return err;
	for (i = 0; i < count; i++) {
		struct slab_made *made = set->object[i];

		nr_stamped += is_stamped(made);
		nr_with_state += made->state == CTOR_STAMP;
		made->state = CTOR_STAMP;
	}
	record_row(&run->record, "%s", key);
	record_cell(&run->record, "nr_objects", count);
	record_cell(&run->record, "nr_constructed",
		    atomic_read(&nr_constructed));
	record_cell(&run->record, "nr_stamped", nr_stamped);
	record_cell(&run->record, "nr_with_state", nr_with_state);
	return 0;
}

static int slab_ctor(struct lab_run *run)
{
	struct slab_wish wish = { .size = lab_number(run, "size"),
				  .ctor = construct_object };
	unsigned int nr_slabs = lab_number(run, "slabs");
	struct slab_objects set;
	struct slab_shape shape;
	int err;

	err = make_shaped(run, &set, &wish, &shape, nr_slabs, 0);
	if (err)
		return err;
	/* On one CPU: what it freed it finds again. */
	migrate_disable();
	err = take_made(run, &set, nr_slabs * shape.objects, "first");
	if (!err) {
		free_objects(&set);
		err = take_made(run, &set, nr_slabs * shape.objects, "again");
	}
	migrate_enable();
	if (!err) {
		record_slabs(run, nr_slabs, &shape);
		err = lab_hold(run);
	}
	destroy_objects(&set);
	return err;
}

static int show_align(struct lab_run *run, const char *key,
		      const struct slab_wish *wish)
{
	struct slab_objects set;
	struct slab_shape shape;
	int err;

	err = make_cache(run, &set, wish);
	if (err)
		return err;
	err = learn_shape(run, set.cache, wish->size, &shape);
	if (!err) {
		record_row(&run->record, "%s", key);
		if (shape.spacing)
			record_cell(&run->record, "spacing_bytes", shape.spacing);
		record_cell(&run->record, "objects_per_slab", shape.objects);
		record_cell(&run->record, "slab_order", shape.order);
		record_cell(&run->record, "common_align_bytes",
			    1UL << __ffs(shape.address_bits));
	}
	kmem_cache_destroy(set.cache);
	return err;
}

static int slab_align(struct lab_run *run)
{
	struct slab_wish wish = { .size = lab_number(run, "size") };
	char key[16];
	int err = 0;

	for (wish.align = sizeof(void *); !err && wish.align <= PAGE_SIZE;
	     wish.align *= 2) {
		snprintf(key, sizeof(key), "align.%u", wish.align);
		err = show_align(run, key, &wish);
	}
	if (err)
		return err;
	wish.align = 0;
	wish.flags = SLAB_HWCACHE_ALIGN;
	record_number(&run->record, "cache_line_bytes", cache_line_size());
	return show_align(run, "hwcache", &wish);
}

static int slab_colour(struct lab_run *run)
{
	struct slab_wish wish = { .size = lab_number(run, "size") };
	unsigned int nr_slabs = lab_number(run, "slabs"), i;
	unsigned long lowest = ULONG_MAX, highest = 0, offset;
	const struct page *head, *slab = NULL;
	struct slab_objects set;
	struct slab_shape shape;
	int err;

	err = make_slabs(run, &set, &wish, &shape, nr_slabs);
	if (err)
		return err;
	read_shape(&set, &shape);
	for (i = 0; i < set.nr; i++) {
		head = virt_to_head_page(set.object[i]);
		if (head == slab)
			continue;
		slab = head;
		offset = set.object[i] - page_address(head);
		lowest = min(lowest, offset);
		highest = max(highest, offset);
	}
	record_slabs(run, shape.nr_slabs, &shape);
	if (shape.spacing)
		record_number(&run->record, "unused_bytes",
			      (PAGE_SIZE << shape.order) -
			      shape.objects * shape.spacing);
	record_number(&run->record, "lowest_offset_bytes", lowest);
	record_number(&run->record, "highest_offset_bytes", highest);
	err = lab_hold(run);
	destroy_objects(&set);
	return err;
}

/*
 * Merged caches have names of the lab's choosing: for each name that was ever
 * used the kernel leaves a link in /sys/kernel/slab, which nobody can remove
 * (mm/slub.c, sysfs_slab_alias()), so there must be few of them.
 */
static DEFINE_IDA(merge_ids);

static int merged_name(char name[LAB_CACHE_NAME_SIZE])
{
	int id = ida_alloc(&merge_ids, GFP_KERNEL);

	snprintf(name, LAB_CACHE_NAME_SIZE, "kmemlab-merged-%d", id);
	return id;
}

/* Two caches, and whether what is freed to one is handed out by the other. */
struct slab_pair {
	struct kmem_cache *first;
	struct kmem_cache *second;
	bool crossed;
};

static int cross_still(void *arg)
{
	struct slab_pair *pair = arg;
	void *object, *other;

	object = kmem_cache_alloc(pair->first, GFP_STILL);
	if (!object)
		return -ENOMEM;
	kmem_cache_free(pair->first, object);
	other = kmem_cache_alloc(pair->second, GFP_STILL);
	if (!other)
		return -ENOMEM;
	pair->crossed = other == object;
	kmem_cache_free(pair->second, other);
	return 0;
}

static int show_pair(struct lab_run *run, const char *key,
		     struct kmem_cache *first, struct kmem_cache *second)
{
	struct slab_pair pair = { .first = first, .second = second };
	int err;

	if (!first || !second)
		return lab_refuse(run, -ENOMEM, "no cache");
	err = context_still(cross_still, &pair, run->reason);
	if (err)
		return err;
	record_row(&run->record, "%s", key);
	record_cell(&run->record, "same_cache", first == second);
	record_cell(&run->record, "crossed", pair.crossed);
	return 0;
}

/* Of these names there are few: see merged_name(). */
struct slab_merged {
	struct kmem_cache *cache;
	char name[LAB_CACHE_NAME_SIZE];
	int id;
};

static int make_merged(struct lab_run *run, struct slab_merged *merged,
		       unsigned int size)
{
	merged->cache = NULL;
	merged->id = merged_name(merged->name);
	if (merged->id < 0)
		return merged->id;
	merged->cache = kmem_cache_create(merged->name, size, 0, 0, NULL);
	if (merged->cache)
		return 0;
	return lab_refuse(run, -ENOMEM, "no cache of size %u", size);
}

static void destroy_merged(struct slab_merged *merged)
{
	kmem_cache_destroy(merged->cache);
	if (merged->id >= 0)
		ida_free(&merge_ids, merged->id);
}

static int slab_merge(struct lab_run *run)
{
	struct slab_wish wish = { .size = lab_number(run, "size") };
	unsigned int other = lab_number(run, "other");
	struct slab_merged first, second;
	struct slab_objects alone;
	int err;

	/* A slab for each CPU and cache. */
	err = lab_charge(run, 3 * nr_cpu_ids * SLAB_MAX_BYTES);
	if (err)
		return err;
	err = make_merged(run, &first, wish.size);
	if (err)
		goto first;
	err = make_merged(run, &second, other ?: wish.size);
	if (err)
		goto second;
	err = make_cache(run, &alone, &wish);
	if (err)
		goto second;
	record_text(&run->record, "first", "%s", first.name);
	record_text(&run->record, "second", "%s", second.name);
	record_text(&run->record, "unmerged", "%s", EXPERIMENT_CACHE);
	err = show_pair(run, "first.second", first.cache, second.cache);
	if (!err)
		err = show_pair(run, "first.unmerged", first.cache,
				alone.cache);
	if (!err)
		err = lab_hold(run);
	kmem_cache_destroy(alone.cache);
second:
	destroy_merged(&second);
first:
	destroy_merged(&first);
	return err;
}

/* In the order in which they were handed out, slab by slab. */
static void record_orders(struct lab_run *run, const struct slab_objects *set,
			  const struct slab_shape *shape)
{
	unsigned long stride = shape->spacing ?: PAGE_SIZE << shape->order;
	unsigned int i;
	char key[12];

	for (i = 0; i < set->nr; i++) {
		void *object = set->object[i];
		unsigned long offset =
			object - page_address(virt_to_head_page(object));

		if (i % shape->objects == 0)
			record_row(&run->record, "slab.%u", i / shape->objects);
		snprintf(key, sizeof(key), "%u", i % shape->objects);
		record_cell(&run->record, key, offset / stride);
	}
}

static int slab_random(struct lab_run *run)
{
	struct slab_wish wish = { .size = lab_number(run, "size") };
	unsigned int nr_slabs = lab_number(run, "slabs");
	struct slab_objects set;
	struct slab_shape shape;
	int err;

	err = make_slabs(run, &set, &wish, &shape, nr_slabs);
	if (err)
		return err;
	record_slabs(run, nr_slabs, &shape);
	record_orders(run, &set, &shape);
	err = lab_hold(run);
	destroy_objects(&set);
	return err;
}

/**
 * struct slab_visit - what is done on one CPU
 * @run:	the command
 * @set:	takes what is allocated
 * @object:	freed, by free_there(); waited for, by take_until_back()
 */
struct slab_visit {
	struct lab_run *run;
	struct slab_objects *set;
	void *object;
};

static int take_there(void *arg)
{
	struct slab_visit *visit = arg;

	return add_object(visit->set, GFP_LAB) ? 0 : -ENOMEM;
}

static int free_there(void *arg)
{
	struct slab_visit *visit = arg;

	kmem_cache_free(visit->set->cache, visit->object);
	return 0;
}

/* Fills the rest of the room, or less where the object comes back before. */
static int take_until_back(struct slab_visit *visit, unsigned int cpu,
			   unsigned int max)
{
	struct slab_objects *set = visit->set;
	int err = 0;

	while (!err && max--) {
		err = context_on(cpu, take_there, visit, visit->run->reason);
		if (!err && set->object[set->nr - 1] == visit->object)
			break;
		if (!err)
			err = context_breathe(visit->run->reason);
	}
	return err;
}

static int slab_percpu(struct lab_run *run)
{
	struct slab_wish wish = { .size = lab_number(run, "size") };
	unsigned int cpu = lab_number(run, "cpu");
	unsigned int other_cpu = lab_number(run, "other_cpu");
	u64 mark = get_random_u64() >> 8;
	struct slab_visit visit = { .run = run };
	void *first, *other, *next;
	struct slab_objects set;
	struct slab_shape shape;
	int err;

	if (num_online_cpus() < 2)
		return lab_refuse(run, -EOPNOTSUPP, "there is only one CPU");
	if (cpu == other_cpu)
		return lab_refuse(run, -ERANGE, "both are CPU %u", cpu);
	err = make_shaped(run, &set, &wish, &shape, 2, 2);
	if (err)
		return err;
	visit.set = &set;
	err = context_on(cpu, take_there, &visit, run->reason);
	if (!err)
		err = context_on(other_cpu, take_there, &visit, run->reason);
	if (err)
		goto destroy;
	/* What one CPU took, the other frees; unless it has gone offline. */
	other = set.object[1];
	first = set.object[0];
	set.object[0] = other;
	set.object[1] = first;
	visit.object = first;
	err = context_on(other_cpu, free_there, &visit, run->reason);
	if (err)
		goto destroy;
	set.nr = 1;
	err = context_on(other_cpu, take_there, &visit, run->reason);
	if (err)
		goto destroy;
	next = set.object[1];
	err = take_until_back(&visit, cpu, shape.objects + 1);
	if (err)
		goto destroy;
	record_number(&run->record, "mark", mark);
	record_place(run, "first", mark, set.object[set.nr - 1]);
	record_place(run, "other", mark + 1, other);
	record_place(run, "next", mark + 2, next);
	record_number(&run->record, "came_back",
		      set.object[set.nr - 1] == first);
	/* Less the two of the other CPU, and the one that came back. */
	record_number(&run->record, "nr_before_back", set.nr - 3);
	read_shape(&set, &shape);
	record_number(&run->record, "nr_slabs", shape.nr_slabs);
	err = lab_hold(run);
destroy:
	destroy_objects(&set);
	return err;
}

/**
 * struct slab_filling - what fill_there() works on
 * @run:	the run
 * @set:	takes what is allocated
 * @holes:	the objects that were freed, by address
 * @nr_filled:	set to how many of those it got
 */
struct slab_filling {
	struct lab_run *run;
	struct slab_objects *set;
	const struct slab_objects *holes;
	unsigned int nr_filled;
};

/* Takes as many objects as there are holes; how many of them fill one? */
static int fill_there(void *arg)
{
	struct slab_filling *filling = arg;
	const struct slab_objects *holes = filling->holes;
	struct slab_objects *set = filling->set;
	unsigned int i, from = set->nr;
	int err = add_objects(filling->run, set, holes->nr);

	for (i = from; !err && i < set->nr; i++)
		if (bsearch(&set->object[i], holes->object, holes->nr,
			    sizeof(*holes->object), address_compare))
			filling->nr_filled++;
	return err;
}

/* Frees every @step-th object. */
static void make_holes(struct slab_objects *set, struct slab_objects *holes,
		       unsigned int step)
{
	unsigned int i, left = 0;

	for (i = 0; i < set->nr; i++) {
		if (i % step) {
			set->object[left++] = set->object[i];
		} else {
			holes->object[holes->nr++] = set->object[i];
			kmem_cache_free(set->cache, set->object[i]);
		}
	}
	set->nr = left;
	address_sort(holes->object, holes->nr);
}

static void record_set(struct lab_run *run, const char *key,
		       struct slab_objects *set)
{
	struct slab_shape shape;

	read_shape(set, &shape);
	record_row(&run->record, "%s", key);
	record_cell(&run->record, "nr_objects", set->nr);
	record_cell(&run->record, "nr_slabs", shape.nr_slabs);
}

static int show_partial(struct lab_run *run, struct slab_objects *set,
			struct slab_objects *holes, unsigned int nr_objects)
{
	struct slab_filling filling = { .run = run, .set = set, .holes = holes };
	unsigned int cpu;
	int err;

	/* On one CPU, or each would fill slabs of its own. */
	migrate_disable();
	cpu = smp_processor_id();
	err = add_objects(run, set, nr_objects);
	if (!err) {
		record_set(run, "full", set);
		make_holes(set, holes, lab_number(run, "step"));
	}
	migrate_enable();
	if (err)
		return err;
	/*
	 * Holes that KASAN keeps nothing can fill.  This waits for a CPU that is
	 * going offline, which itself waits for those who may not leave it.
	 */
	kmem_cache_shrink(set->cache);
	record_set(run, "holes", set);
	/* On another node they would not all be filled (get_any_partial()). */
	err = context_on(cpu, fill_there, &filling, run->reason);
	if (err)
		return err;
	record_number(&run->record, "nr_filled", filling.nr_filled);
	record_set(run, "filled", set);
	err = hold_at(run, STAGE_FIRST);
	if (!err)
		err = add_objects(run, set, 1);
	if (err)
		return err;
	record_set(run, "next", set);
	return hold_at(run, STAGE_SECOND);
}

static int slab_partial(struct lab_run *run)
{
	struct slab_wish wish = { .size = lab_number(run, "size") };
	unsigned int nr_slabs = lab_number(run, "slabs"), nr_objects;
	struct slab_objects set, holes;
	struct slab_shape shape;
	int err;

	err = make_shaped(run, &set, &wish, &shape, nr_slabs, 1);
	if (err)
		return err;
	nr_objects = nr_slabs * shape.objects;
	err = make_room(&holes, nr_objects);
	if (!err) {
		err = show_partial(run, &set, &holes, nr_objects);
		kvfree(holes.object);
	}
	destroy_objects(&set);
	return err;
}

/* Takes objects from two caches in turn. */
static int show_isolation(struct lab_run *run, struct slab_objects *first,
			  struct slab_objects *second,
			  struct slab_objects *both, unsigned int count)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < count; i++) {
		err = add_objects(run, first, 1);
		if (!err)
			err = add_objects(run, second, 1);
	}
	if (err)
		return err;
	memcpy(both->object, first->object, count * sizeof(void *));
	memcpy(both->object + count, second->object, count * sizeof(void *));
	both->nr = 2 * count;
	record_set(run, "first", first);
	record_set(run, "second", second);
	record_set(run, "both", both);
	return lab_hold(run);
}

static int slab_isolation(struct lab_run *run)
{
	struct slab_wish wish = { .size = lab_number(run, "size") };
	unsigned int count = lab_number(run, "count");
	struct slab_objects first, second, both = {};
	int err;

	err = make_objects(run, &first, &wish, count);
	if (err)
		return err;
	wish.name = SECOND_CACHE;
	err = make_objects(run, &second, &wish, count);
	if (err)
		goto first;
	err = make_room(&both, 2 * count);
	if (err)
		goto second;
	/* There is room now; they are to be taken in turn. */
	free_objects(&first);
	free_objects(&second);
	kmem_cache_shrink(first.cache);
	kmem_cache_shrink(second.cache);
	err = show_isolation(run, &first, &second, &both, count);
	kvfree(both.object);
second:
	destroy_objects(&second);
first:
	destroy_objects(&first);
	return err;
}

static int slab_reclaimable(struct lab_run *run)
{
	struct slab_wish wish = { .size = lab_number(run, "size") };
	unsigned int nr_slabs = lab_number(run, "slabs");
	bool reclaimable = lab_number(run, "reclaimable");
	struct slab_objects set;
	struct slab_tide tide = { .set = &set };
	struct slab_shape shape;
	int err;

	wish.flags = SLAB_COUNTED | (reclaimable ? SLAB_RECLAIM_ACCOUNT : 0);
	err = make_shaped(run, &set, &wish, &shape, nr_slabs, 0);
	if (err)
		return err;
	tide.count = nr_slabs * shape.objects;
	err = context_still(rise_still, &tide, run->reason);
	if (!err) {
		record_slabs(run, nr_slabs, &shape);
		record_signed(&run->record, "reclaimable_pages",
			      tide.taken.reclaimable);
		record_signed(&run->record, "unreclaimable_pages",
			      tide.taken.unreclaimable);
		err = hold_at(run, STAGE_FIRST);
	}
	if (!err) {
		free_objects(&set);
		err = hold_at(run, STAGE_SECOND);
	}
	destroy_objects(&set);
	return err;
}

static unsigned int nr_distinct(struct slab_objects *set)
{
	unsigned int i, nr = 0;

	address_sort(set->object, set->nr);
	for (i = 0; i < set->nr; i++)
		nr += !i || set->object[i] != set->object[i - 1];
	return nr;
}

static int slab_bulk(struct lab_run *run)
{
	struct slab_wish wish = { .size = lab_number(run, "size") };
	unsigned int count = lab_number(run, "count");
	struct slab_objects set;
	struct slab_shape shape;
	int err;

	/* For the charge and the room; what they hold goes back at once. */
	err = make_objects(run, &set, &wish, count);
	if (err)
		return err;
	free_objects(&set);
	kmem_cache_shrink(set.cache);
	set.nr = kmem_cache_alloc_bulk(set.cache, GFP_LAB, count, set.object);
	if (set.nr) {
		read_shape(&set, &shape);
		record_number(&run->record, "nr_asked", count);
		record_number(&run->record, "nr_objects", set.nr);
		record_number(&run->record, "nr_distinct", nr_distinct(&set));
		record_number(&run->record, "nr_slabs", shape.nr_slabs);
		err = hold_at(run, STAGE_FIRST);
		kmem_cache_free_bulk(set.cache, set.nr, set.object);
		set.nr = 0;
		kmem_cache_shrink(set.cache);
		if (!err)
			err = hold_at(run, STAGE_SECOND);
	} else {
		err = lab_refuse(run, -ENOMEM, "no %u objects at once", count);
	}
	destroy_objects(&set);
	return err;
}

static int slab_slabinfo(struct lab_run *run)
{
	struct slab_wish wish = { .size = lab_number(run, "size") };
	unsigned int nr_slabs = lab_number(run, "slabs");
	struct slab_objects set;
	struct slab_shape shape;
	int err;

	err = make_slabs(run, &set, &wish, &shape, nr_slabs);
	if (err)
		return err;
	record_text(&run->record, "cache", "%s", EXPERIMENT_CACHE);
	record_number(&run->record, "nr_objects", set.nr);
	record_spacing(run, &shape);
	read_shape(&set, &shape);
	record_slabs(run, shape.nr_slabs, &shape);
	err = lab_hold(run);
	destroy_objects(&set);
	return err;
}

static int show_typesafe(struct lab_run *run)
{
	bool typesafe = lab_number(run, "typesafe");
	struct slab_wish wish = { .size = lab_number(run, "size"),
				  .flags = SLAB_COUNTED |
					   (typesafe ? SLAB_TYPESAFE_BY_RCU : 0),
				  .ctor = stamp_object };
	unsigned int nr_slabs = lab_number(run, "slabs");
	struct slab_objects set;
	struct slab_tide tide = { .set = &set, .stamped = typesafe };
	struct slab_pages later;
	struct slab_shape shape;
	int err;

	err = make_shaped(run, &set, &wish, &shape, nr_slabs, 0);
	if (err)
		return err;
	/* What others have freed so is not to be counted. */
	rcu_barrier();
	tide.count = nr_slabs * shape.objects;
	err = rise_and_ebb(run, &tide);
	if (!err) {
		rcu_barrier();
		read_pages(&later);
		record_slabs(run, nr_slabs, &shape);
		if (typesafe)
			record_number(&run->record, "nr_stamped",
				      tide.nr_stamped);
		record_signed(&run->record, "at_once_pages", tide.freed.free);
		/* All but that, and what came between two stops is no exception. */
		record_signed(&run->record, "later_pages",
			      pages_freed(&tide.full, &later) -
			      tide.freed.free);
	}
	if (!err)
		err = lab_hold(run);
	destroy_objects(&set);
	return err;
}

/*
 * kfree_rcu() collects what is to be freed, for seconds where it is little (see
 * KFREE_DRAIN_JIFFIES), so it is given more than a page of pointers.  A few of
 * the objects are blocks of pages of their own, because of such a block one can
 * see whether it has been freed: the reference that the allocator had is gone
 * from its first page, and the lab's own is left.
 */
#define RCU_CROWD		(PAGE_SIZE / sizeof(void *))
#define RCU_BLOCK_BYTES		(2 * KMALLOC_MAX_CACHE_SIZE)
#define RCU_READER_MS		20
#define RCU_PATIENCE_MS		10000

/* What kfree_rcu() needs of an object. */
struct slab_deferred {
	struct rcu_head rcu;
};

/**
 * struct slab_crowd - objects on their way through kfree_rcu()
 * @nr_blocks:	of them, those that are watched: the first
 * @nr:		how many there are
 * @object:	each
 */
struct slab_crowd {
	unsigned int nr_blocks;
	unsigned int nr;
	struct slab_deferred *object[];
};

static unsigned int nr_with_owner(struct page *const *page, unsigned int nr)
{
	unsigned int i, n = 0;

	for (i = 0; i < nr; i++)
		n += page_ref_count(page[i]) > 1;
	return n;
}

static void free_crowd(struct slab_crowd *crowd)
{
	while (crowd->nr)
		kfree(crowd->object[--crowd->nr]);
}

static int gather_crowd(struct lab_run *run, struct slab_crowd *crowd)
{
	unsigned int count = crowd->nr_blocks + RCU_CROWD;
	struct slab_deferred *object;

	while (crowd->nr < count) {
		object = kmalloc(crowd->nr < crowd->nr_blocks ?
				 RCU_BLOCK_BYTES : sizeof(*object), GFP_LAB);
		if (!object) {
			free_crowd(crowd);
			return -ENOMEM;
		}
		crowd->object[crowd->nr++] = object;
	}
	return 0;
}

/* Frees them all in a reader, and looks before it ends and after. */
static int watch_crowd(struct lab_run *run, struct slab_crowd *crowd,
		       struct page *const *page)
{
	unsigned int nr = crowd->nr_blocks, nr_kept, nr_left = nr, ms;
	int err = 0;

	rcu_read_lock();
	/* On one CPU: each collects for itself. */
	preempt_disable();
	while (crowd->nr) {
		struct slab_deferred *object = crowd->object[--crowd->nr];

		kfree_rcu(object, rcu);
	}
	preempt_enable();
	mdelay(RCU_READER_MS);
	nr_kept = nr_with_owner(page, nr);
	rcu_read_unlock();
	for (ms = 0; !err && nr_left && ms < RCU_PATIENCE_MS; ms++) {
		err = context_hold(1, run->reason);
		nr_left = nr_with_owner(page, nr);
	}
	if (err)
		return err;
	record_row(&run->record, "kfree_rcu");
	record_cell(&run->record, "nr_blocks", nr);
	record_cell(&run->record, "nr_kept_by_reader", nr_kept);
	record_cell(&run->record, "nr_freed_after", nr - nr_left);
	return 0;
}

static int show_kfree_rcu(struct lab_run *run, struct slab_crowd *crowd)
{
	struct page *page[RCU_BLOCKS_MAX];
	unsigned int i;
	int err;

	err = gather_crowd(run, crowd);
	if (err)
		return err;
	for (i = 0; i < crowd->nr_blocks; i++) {
		page[i] = virt_to_head_page(crowd->object[i]);
		if (!page_ref_count(page[i])) {
			err = lab_refuse(run, -EOPNOTSUPP,
					 "kmalloc's pages have no reference count");
			break;
		}
		get_page(page[i]);
	}
	if (!err)
		err = watch_crowd(run, crowd, page);
	while (i)
		put_page(page[--i]);
	free_crowd(crowd);
	return err;
}

static int slab_rcu(struct lab_run *run)
{
	unsigned int nr = lab_number(run, "blocks");
	struct slab_crowd *crowd;
	u64 deferred;
	int err;

	err = footprint_of_struct(run, sizeof(struct slab_deferred), &deferred);
	if (!err)
		err = lab_charge(run, nr * RCU_BLOCK_BYTES +
				      RCU_CROWD * (deferred + sizeof(void *)));
	if (err)
		return err;
	crowd = kvzalloc(struct_size(crowd, object, nr + RCU_CROWD), GFP_LAB);
	if (!crowd)
		return -ENOMEM;
	crowd->nr_blocks = nr;
	err = show_kfree_rcu(run, crowd);
	kvfree(crowd);
	return err ?: show_typesafe(run);
}

/* An allocator under a mempool that can be made to refuse. */
struct slab_moody {
	struct kmem_cache *cache;
	bool refuse;
	unsigned int nr_served;
	unsigned int nr_refused;
};

static void *moody_alloc(gfp_t gfp, void *data)
{
	struct slab_moody *moody = data;

	if (moody->refuse) {
		moody->nr_refused++;
		return NULL;
	}
	moody->nr_served++;
	return kmem_cache_alloc(moody->cache, gfp);
}

static void moody_free(void *object, void *data)
{
	struct slab_moody *moody = data;

	kmem_cache_free(moody->cache, object);
}

/* Takes up to @max elements; how many were had goes into the record. */
static void drain_reserve(struct lab_run *run, mempool_t *pool,
			  struct slab_moody *moody, struct slab_objects *set,
			  unsigned int max, const char *key)
{
	void *object = NULL;

	moody->nr_served = 0;
	moody->nr_refused = 0;
	while (set->nr < max) {
		object = mempool_alloc(pool, GFP_NOWAIT | __GFP_NOWARN);
		if (!object)
			break;
		set->object[set->nr++] = object;
	}
	record_row(&run->record, "%s", key);
	record_cell(&run->record, "nr_had", set->nr);
	record_cell(&run->record, "errno", object ? 0 : ENOMEM);
	record_cell(&run->record, "nr_from_cache", moody->nr_served);
	record_cell(&run->record, "nr_refused", moody->nr_refused);
}

static void refill_reserve(mempool_t *pool, struct slab_objects *set)
{
	while (set->nr)
		mempool_free(set->object[--set->nr], pool);
}

static int show_mempool(struct lab_run *run, struct slab_objects *set,
			unsigned int reserve)
{
	struct slab_moody moody = { .cache = set->cache };
	struct slab_shape shape;
	mempool_t *pool;
	int err;

	pool = mempool_create(reserve, moody_alloc, moody_free, &moody);
	if (!pool)
		return lab_refuse(run, -ENOMEM, "no reserve of %u objects",
				  reserve);
	record_number(&run->record, "reserve", reserve);
	record_number(&run->record, "nr_at_first", moody.nr_served);
	drain_reserve(run, pool, &moody, set, reserve + 1, "served");
	refill_reserve(pool, set);
	moody.refuse = true;
	drain_reserve(run, pool, &moody, set, reserve + 1, "refused");
	refill_reserve(pool, set);
	drain_reserve(run, pool, &moody, set, reserve + 1, "refilled");
	read_shape(set, &shape);
	record_number(&run->record, "nr_slabs", shape.nr_slabs);
	kmem_cache_shrink(set->cache);
	err = lab_hold(run);
	refill_reserve(pool, set);
	mempool_destroy(pool);
	return err;
}

static int slab_mempool(struct lab_run *run)
{
	struct slab_wish wish = { .size = lab_number(run, "size") };
	unsigned int reserve = lab_number(run, "reserve");
	struct slab_objects set;
	int err;

	/* The reserve, and as many as it serves while nothing is refused. */
	err = make_objects(run, &set, &wish, 2 * reserve + 1);
	if (err)
		return err;
	free_objects(&set);
	kmem_cache_shrink(set.cache);
	err = show_mempool(run, &set, reserve);
	destroy_objects(&set);
	return err;
}

/* The allocator */

static int name_cache(struct lab_source *source, bool merge, const char *name)
{
	source->merge_id = -1;
	if (!merge) {
		snprintf(source->cache_name, sizeof(source->cache_name),
			 "kmemlab_%s", name);
		return 0;
	}
	source->merge_id = merged_name(source->cache_name);
	return min(source->merge_id, 0);
}

static void forget_cache(struct lab_source *source)
{
	lab_source_uncharge(source);
	kmem_cache_destroy(source->cache);
	if (source->merge_id >= 0)
		ida_free(&merge_ids, source->merge_id);
}

/*
 * What an object takes, and the cache itself: that is another's where they are merged, but
 * nobody can tell whether there is one to merge with.
 */
static int charge_cache(struct lab_run *run, struct lab_source *source)
{
	struct lab_footprint footprint;
	u64 bytes = 0;
	int err;

	err = footprint_of_cache(run, source->cache, &footprint);
	if (!err)
		err = footprint_of_new_cache(run, source->cache_name,
					     &footprint, &bytes);
	if (err)
		return err;
	source->charge_bytes = footprint.bytes;
	source->slab_bytes = footprint.slab_bytes;
	return lab_source_charge(source, run, bytes);
}

int slab_open(struct lab_source *source, struct lab_run *run, const char *name)
{
	unsigned int size = lab_number(run, "size");
	unsigned int align = lab_number(run, "align");
	void (*ctor)(void *) = lab_number(run, "ctor") ? stamp_object : NULL;
	slab_flags_t flags = lab_number(run, "hwcache") ? SLAB_HWCACHE_ALIGN : 0;
	bool merge = lab_number(run, "merge");
	int err;

	if (align & (align - 1))
		return lab_refuse(run, -ERANGE,
				  "align=%u is not a power of two", align);
	if (ctor && size < sizeof(u64))
		return lab_refuse(run, -ERANGE,
				  "a constructor needs size=%zu or more",
				  sizeof(u64));
	if (ctor && merge)
		return lab_refuse(run, -EINVAL,
				  "a cache with a constructor is never merged");

	err = name_cache(source, merge, name);
	if (err)
		return err;
	if (merge)
		source->cache = kmem_cache_create(source->cache_name, size,
						  align, flags, NULL);
	else
		source->cache = compat_cache_create_unmerged(source->cache_name,
							     size, align, flags,
							     ctor);
	source->object_bytes = size;
	source->keeps_slabs = true;
	if (source->cache)
		err = charge_cache(run, source);
	else
		err = lab_refuse(run, -ENOMEM, "no cache of size %u, align %u",
				 size, align);
	if (err)
		forget_cache(source);
	return err;
}

void slab_close(struct lab_source *source)
{
	forget_cache(source);
}

static __always_inline void *slab_alloc(struct lab_source *source, gfp_t gfp)
{
	return kmem_cache_alloc(source->cache, gfp);
}

static __always_inline void slab_free(struct lab_source *source, void *object)
{
	kmem_cache_free(source->cache, object);
}

LAB_LOOPS(slab);

static void slab_give_back(struct lab_source *source)
{
	kmem_cache_shrink(source->cache);
}

static __always_inline bool slab_bulk_alloc(struct lab_source *source, gfp_t gfp,
					    size_t nr, void **objects)
{
	return kmem_cache_alloc_bulk(source->cache, gfp, nr, objects);
}

static __always_inline void slab_bulk_free(struct lab_source *source, size_t nr,
					   void **objects)
{
	kmem_cache_free_bulk(source->cache, nr, objects);
}

LAB_BULK_LOOPS(slab_bulk);

/* The allocator that keeps a reserve */

/* Held as long as the pool is, whatever it has handed out: whole slabs. */
static u64 reserve_bytes(const struct lab_source *source, unsigned int nr)
{
	return roundup(nr * (u64)source->charge_bytes, source->slab_bytes) +
	       nr * sizeof(void *);
}

static int reserve_open(struct lab_source *source, struct lab_run *run,
			const char *name)
{
	unsigned int nr = lab_number(run, "reserve");
	int err;

	err = slab_open(source, run, name);
	if (err)
		return err;
	err = lab_source_charge(source, run, reserve_bytes(source, nr));
	if (err)
		goto forget;
	source->reserve = mempool_create_slab_pool(nr, source->cache);
	if (source->reserve)
		return 0;
	err = lab_refuse(run, -ENOMEM, "no reserve of %u objects", nr);
forget:
	forget_cache(source);
	return err;
}

static void reserve_close(struct lab_source *source)
{
	mempool_destroy(source->reserve);
	forget_cache(source);
}

/* A mempool never refuses who can wait: it waits, and no signal ends that. */
static __always_inline void *reserve_alloc(struct lab_source *source, gfp_t gfp)
{
	return mempool_alloc(source->reserve, gfp & ~__GFP_DIRECT_RECLAIM);
}

static __always_inline void reserve_free(struct lab_source *source, void *object)
{
	mempool_free(object, source->reserve);
}

LAB_LOOPS(reserve);

/* The tables */

#define SLAB_SIZE_PARAM(...) \
	{ .name = "size", .help = "of an object, in bytes", .min = 1, \
	  .max = KMALLOC_MAX_CACHE_SIZE, __VA_ARGS__ }
#define SLAB_ALIGN_PARAM \
	{ .name = "align", \
	  .help = "power of two in bytes; 0: as the kernel likes", \
	  .max = PAGE_SIZE }

const struct lab_param slab_params[] = {
	SLAB_SIZE_PARAM(.required = true),
	SLAB_ALIGN_PARAM,
	{ .name = "ctor", .help = "a constructor stamps each object",
	  .type = LAB_CHOICE, .choices = lab_no_yes },
	{ .name = "hwcache", .help = "align to the cache line",
	  .type = LAB_CHOICE, .choices = lab_no_yes },
	{ .name = "merge", .help = "may share a cache with others alike",
	  .type = LAB_CHOICE, .choices = lab_no_yes },
	{}
};

static const struct lab_allocator slab_allocator = {
	.name = "slab",
	.help = "objects of a kmem_cache of its own",
	.params = slab_params,
	.open = slab_open,
	.close = slab_close,
	.alloc = slab_alloc,
	.free = slab_free,
	.shrink = slab_give_back,
	.loops = &slab_loops,
};

static const struct lab_allocator slab_bulk_allocator = {
	.name = "slab_bulk",
	.help = "the same, many in one call",
	.params = slab_params,
	.open = slab_open,
	.close = slab_close,
	.alloc = slab_alloc,
	.free = slab_free,
	.shrink = slab_give_back,
	.loops = &slab_bulk_loops,
};

static const struct lab_param reserve_params[] = {
	SLAB_SIZE_PARAM(.required = true),
	{ .name = "reserve", .help = "objects that are always kept ready",
	  .min = 1, .max = RESERVE_MAX, .def = 16 },
	{}
};

static const struct lab_allocator reserve_allocator = {
	.name = "mempool",
	.help = "objects with a reserve, from a mempool",
	.params = reserve_params,
	.open = reserve_open,
	.close = reserve_close,
	.alloc = reserve_alloc,
	.free = reserve_free,
	.shrink = slab_give_back,
	.loops = &reserve_loops,
};

static const struct lab_param carve_params[] = {
	SLAB_SIZE_PARAM(.def = 256),
	SLAB_ALIGN_PARAM,
	{ .name = "count", .help = "objects to look at", .min = 2,
	  .max = SLAB_OBJECTS_MAX, .def = 1024 },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param tiny_params[] = {
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param reuse_params[] = {
	SLAB_SIZE_PARAM(.def = 256),
	{ .name = "rounds", .help = "times to free and allocate", .min = 1,
	  .max = 10000, .def = 100 },
	LAB_HOLD_PARAM,
	{}
};

/* Room for a stamp, and for what the experiments write into objects. */
#define SLAB_MARKED_PARAM \
	{ .name = "size", .help = "of an object, in bytes", .min = 16, \
	  .max = KMALLOC_MAX_CACHE_SIZE, .def = 256 }
#define SLAB_SLABS_PARAM(...) \
	{ .name = "slabs", .help = "to fill", .min = 1, __VA_ARGS__ }

#define SLAB_STAGE_PARAM(words) \
	{ .name = "hold_at", .help = "when to keep things as they are", \
	  .type = LAB_CHOICE, .choices = words }

static const char *const shrink_stages[] = { "freed", "shrunk", NULL };
static const char *const partial_stages[] = { "filled", "next", NULL };
static const char *const held_stages[] = { "held", "freed", NULL };

static const struct lab_param shrink_params[] = {
	SLAB_SIZE_PARAM(.def = 256),
	SLAB_SLABS_PARAM(.max = 256, .def = 64),
	SLAB_STAGE_PARAM(shrink_stages),
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param ctor_params[] = {
	SLAB_MARKED_PARAM,
	/* SLUB keeps five empty slabs or more (mm/slub.c, MIN_PARTIAL). */
	SLAB_SLABS_PARAM(.max = 256, .def = 4),
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param align_params[] = {
	SLAB_SIZE_PARAM(.def = 72),
	{}
};

static const struct lab_param colour_params[] = {
	SLAB_SIZE_PARAM(.def = 700),
	SLAB_SLABS_PARAM(.max = 1024, .def = 64),
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param merge_params[] = {
	SLAB_SIZE_PARAM(.def = 200),
	{ .name = "other", .help = "size of the second; 0: the same",
	  .max = KMALLOC_MAX_CACHE_SIZE },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param random_params[] = {
	SLAB_SIZE_PARAM(.def = 256),
	SLAB_SLABS_PARAM(.max = 16, .def = 16),
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param percpu_params[] = {
	SLAB_MARKED_PARAM,
	{ .name = "cpu", .help = "which allocates",
	  .max = CONFIG_NR_CPUS - 1 },
	{ .name = "other_cpu", .help = "which frees what the first took",
	  .max = CONFIG_NR_CPUS - 1, .def = 1 },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param partial_params[] = {
	SLAB_SIZE_PARAM(.def = 256),
	SLAB_SLABS_PARAM(.max = 256, .def = 16),
	{ .name = "step", .help = "free every so-manieth object", .min = 2,
	  .max = 64, .def = 3 },
	SLAB_STAGE_PARAM(partial_stages),
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param isolation_params[] = {
	SLAB_SIZE_PARAM(.def = 256),
	{ .name = "count", .help = "objects of each cache", .min = 1,
	  .max = SLAB_OBJECTS_MAX, .def = 200 },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param reclaimable_params[] = {
	SLAB_SIZE_PARAM(.def = 256),
	SLAB_SLABS_PARAM(.max = 256, .def = 64),
	{ .name = "reclaimable", .help = "say that shrinkers can free it",
	  .type = LAB_CHOICE, .choices = lab_no_yes },
	SLAB_STAGE_PARAM(held_stages),
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param bulk_params[] = {
	SLAB_SIZE_PARAM(.def = 256),
	{ .name = "count", .help = "objects in one call", .min = 1,
	  .max = BULK_MAX, .def = 200 },
	SLAB_STAGE_PARAM(held_stages),
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param slabinfo_params[] = {
	SLAB_SIZE_PARAM(.def = 700),
	SLAB_SLABS_PARAM(.max = 1024, .def = 20),
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param rcu_params[] = {
	SLAB_MARKED_PARAM,
	SLAB_SLABS_PARAM(.max = 256, .def = 64),
	{ .name = "typesafe", .help = "make the cache SLAB_TYPESAFE_BY_RCU",
	  .type = LAB_CHOICE, .choices = lab_no_yes },
	{ .name = "blocks", .help = "objects for kfree_rcu() to free",
	  .min = 1, .max = RCU_BLOCKS_MAX, .def = 16 },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param mempool_params[] = {
	SLAB_SIZE_PARAM(.def = 256),
	{ .name = "reserve", .help = "objects kept ready", .min = 1,
	  .max = RESERVE_MAX, .def = 48 },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_experiment slab_experiments[] = {
	{ .name = "generation", .run = slab_generation,
	  .help = "which of the kernel's slab allocators runs" },
	{ .name = "carve", .run = slab_carve, .params = carve_params,
	  .help = "a slab is a block of pages carved into equal objects" },
	{ .name = "tiny", .run = slab_tiny, .params = tiny_params,
	  .help = "one page holds 512 objects of 8 bytes" },
	{ .name = "reuse", .run = slab_reuse, .params = reuse_params,
	  .help = "a freed object is the next one handed out; no page moves" },
	{ .name = "shrink", .run = slab_shrink, .params = shrink_params,
	  .help = "empty slabs go back to the buddy on shrink and on destroy" },
	{ .name = "ctor", .run = slab_ctor, .params = ctor_params,
	  .help = "the constructor runs when a slab is made, not at each alloc" },
	{ .name = "align", .run = slab_align, .params = align_params,
	  .help = "each alignment asked for is met, and costs space" },
	{ .name = "colour", .run = slab_colour, .params = colour_params,
	  .help = "where the first object of each slab begins" },
	{ .name = "merge", .run = slab_merge, .params = merge_params,
	  .help = "two alike caches share one unless told otherwise" },
	{ .name = "random", .run = slab_random, .params = random_params,
	  .help = "the order in which fresh slabs hand out their objects" },
	{ .name = "percpu", .run = slab_percpu, .params = percpu_params,
	  .help = "each CPU has a slab; an object freed elsewhere returns to it" },
	{ .name = "partial", .run = slab_partial, .params = partial_params,
	  .help = "holes in used slabs are filled before a new slab is taken" },
	{ .name = "isolation", .run = slab_isolation,
	  .params = isolation_params,
	  .help = "no slab ever serves two caches" },
	{ .name = "reclaimable", .run = slab_reclaimable,
	  .params = reclaimable_params,
	  .help = "a flag decides which counter a cache's pages are in" },
	{ .name = "bulk", .run = slab_bulk, .params = bulk_params,
	  .help = "one call hands out many objects, each a different one" },
	{ .name = "slabinfo", .run = slab_slabinfo, .params = slabinfo_params,
	  .help = "each cache has a row in /proc/slabinfo" },
	{ .name = "rcu", .run = slab_rcu, .params = rcu_params,
	  .help = "while a reader reads, type-safe slabs and kfree_rcu() wait" },
	{ .name = "mempool", .run = slab_mempool, .params = mempool_params,
	  .help = "a reserve serves when the allocator refuses" },
	{}
};

static const struct lab_allocator *const slab_allocators[] = {
	&slab_allocator,
	&slab_bulk_allocator,
	&magazine_allocator,
	&reserve_allocator,
	NULL
};

const struct lab_family slab_family = {
	.name = "slab",
	.help = "caches of objects",
	.experiments = slab_experiments,
	.allocators = slab_allocators,
};

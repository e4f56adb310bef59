// SPDX-License-Identifier: GPL-2.0
/*
 * buddy - the page allocator: free lists by order, splitting and merging.
 *
 * Requests of order 0 to PAGE_ALLOC_COSTLY_ORDER, and of the order of a huge
 * page, pass through lists that each CPU keeps; the others go straight to the
 * zone's free lists.  What is to be shown exactly uses the others.
 */
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "compat/compat.h"
#include "core/context.h"
#include "core/family.h"
#include "core/frame.h"
#include "families/hoard.h"

#define FIRST_DIRECT_ORDER	(PAGE_ALLOC_COSTLY_ORDER + 1)
#define LAST_DIRECT_ORDER	(pageblock_order - 1)
/*
 * The most that is allocated while the machine is held still: the kernel may
 * clear what it hands out, and every CPU waits for that.
 */
#define STILL_BYTES		SZ_16M

/**
 * struct buddy_zone - one zone's free lists at one moment
 * @zone:	which
 * @free_pages:	the zone's own count of free pages
 * @nr_free:	free blocks of each order
 */
struct buddy_zone {
	struct zone *zone;
	unsigned long free_pages;
	unsigned long nr_free[NR_PAGE_ORDERS];
};

/**
 * struct buddy_zones - all populated zones at one moment
 * @nr:		how many
 * @zone:	each
 */
struct buddy_zones {
	unsigned int nr;
	struct buddy_zone zone[];
};

static void read_free_lists(const struct zone *zone, unsigned long *nr_free)
{
	unsigned int order;

	for (order = 0; order < NR_PAGE_ORDERS; order++)
		nr_free[order] = READ_ONCE(zone->free_area[order].nr_free);
}

static int read_all_zones(void *arg)
{
	struct buddy_zones *zones = arg;
	unsigned int i;

	for (i = 0; i < zones->nr; i++) {
		struct buddy_zone *z = &zones->zone[i];

		z->free_pages =
			zone_page_state_snapshot(z->zone, NR_FREE_PAGES);
		read_free_lists(z->zone, z->nr_free);
	}
	return 0;
}

static struct buddy_zones *alloc_zones(void)
{
	unsigned int max = nr_node_ids * MAX_NR_ZONES;
	struct buddy_zones *zones;
	int nid, i;

	zones = kzalloc(struct_size(zones, zone, max), GFP_KERNEL);
	if (!zones)
		return NULL;
	for_each_online_node(nid) {
		for (i = 0; i < MAX_NR_ZONES; i++) {
			struct zone *zone = &NODE_DATA(nid)->node_zones[i];

			if (populated_zone(zone))
				zones->zone[zones->nr++].zone = zone;
		}
	}
	return zones;
}

static int buddy_freelists(struct lab_run *run)
{
	struct buddy_zones *zones = alloc_zones();
	unsigned int i;
	int err;

	if (!zones)
		return -ENOMEM;
	err = context_still(read_all_zones, zones, run->reason);
	for (i = 0; !err && i < zones->nr; i++) {
		const struct buddy_zone *z = &zones->zone[i];
		int nid = zone_to_nid(z->zone);

		record_row(&run->record, "N%d.%s", nid, z->zone->name);
		record_order_cells(&run->record, z->nr_free, NR_PAGE_ORDERS);
		record_row(&run->record, "N%d.%s.total", nid, z->zone->name);
		record_cell(&run->record, "free_pages", z->free_pages);
	}
	kfree(zones);
	return err;
}

static int show_alignment(struct lab_run *run, unsigned int order,
			  unsigned int count)
{
	struct lab_frames frames;
	struct page *page;
	unsigned int i, runs = 0;
	struct lab_hoard blocks;
	char key[8];
	int err;

	hoard_init(&blocks);
	err = lab_charge(run, (u64)count * PAGE_SIZE << order);
	if (err)
		return err;
	record_row(&run->record, "order.%u", order);
	record_cell(&run->record, "pages", 1UL << order);
	for (i = 0; i < count; i++) {
		/*
		 * Held until all are had, or each would be the same block
		 * again.
		 */
		page = hoard_take(&blocks, GFP_LAB, NUMA_NO_NODE, order);
		if (!page) {
			err = lab_refuse(run, -ENOMEM,
					 "no free block of order %u", order);
			break;
		}
		frame_walk(page_address(page), PAGE_SIZE << order, &frames);
		runs = max_t(unsigned int, runs, frames.nr_runs);
		snprintf(key, sizeof(key), "pfn%u", i);
		record_cell(&run->record, key, frames.first_pfn);
	}
	record_cell(&run->record, "max_runs", runs);
	hoard_free(&blocks);
	return err;
}

static int buddy_alignment(struct lab_run *run)
{
	unsigned int count = lab_number(run, "count");
	unsigned int order;
	int err = 0;

	for (order = 0; !err && order <= MAX_PAGE_ORDER; order++)
		err = show_alignment(run, order, count);
	return err;
}

/**
 * struct buddy_split - a request met from a larger block, and its return
 * @order:	of the request
 * @max_drained: how many blocks of that order may be taken out of the way while
 *		the machine is held still
 * @zones:	room for the counts before the request
 * @nr_aside:	how many were taken out of the way before that
 * @nr_drained:	how many were then
 * @zone:	the zone that served
 * @pfn:	first frame of the block
 * @before:	free blocks of each order in @zone before the request
 * @held:	the same while the block is held
 * @after:	the same after the block was freed
 */
struct buddy_split {
	unsigned int order;
	unsigned long max_drained;
	struct buddy_zones *zones;
	unsigned long nr_aside;
	unsigned long nr_drained;
	struct zone *zone;
	unsigned long pfn;
	unsigned long before[NR_PAGE_ORDERS];
	unsigned long held[NR_PAGE_ORDERS];
	unsigned long after[NR_PAGE_ORDERS];
};

static void copy_counts_of(const struct buddy_zones *zones,
			   const struct zone *zone, unsigned long *nr_free)
{
	unsigned int i;

	for (i = 0; i < zones->nr; i++)
		if (zones->zone[i].zone == zone)
			memcpy(nr_free, zones->zone[i].nr_free,
			       sizeof(zones->zone[i].nr_free));
}

/*
 * Runs while the machine is held still.  As long as the request is met from the
 * list of its own order there is nothing to split, so such blocks are put aside
 * until the request has to be cut out of a larger one.  Blocks of that order
 * may still be free then: each order has a list for each migrate type, and the
 * counts are of all of them.
 */
static int split_still(void *arg)
{
	struct buddy_split *split = arg;
	struct lab_hoard drained;
	struct page *page;
	int err = -ENOMEM;

	hoard_init(&drained);
	while (drained.nr_blocks <= split->max_drained) {
		read_all_zones(split->zones);
		page = alloc_pages(GFP_STILL, split->order);
		if (!page)
			break;
		split->zone = page_zone(page);
		split->pfn = page_to_pfn(page);
		copy_counts_of(split->zones, split->zone, split->before);
		read_free_lists(split->zone, split->held);
		if (split->held[split->order] > split->before[split->order]) {
			__free_pages(page, split->order);
			read_free_lists(split->zone, split->after);
			err = 0;
			break;
		}
		hoard_add(&drained, page, split->order);
	}
	split->nr_drained = drained.nr_blocks;
	while (hoard_pop(&drained))
		;
	return err;
}

static unsigned int order_taken(const struct buddy_split *split)
{
	unsigned int order;

	for (order = split->order; order < MAX_PAGE_ORDER; order++)
		if (split->held[order] < split->before[order])
			break;
	return order;
}

static void record_counts(struct lab_run *run, const char *key,
			  const unsigned long *nr_free)
{
	record_row(&run->record, "%s", key);
	record_order_cells(&run->record, nr_free, NR_PAGE_ORDERS);
}

static unsigned long nr_free_blocks(struct buddy_split *split)
{
	unsigned long nr = 0;
	unsigned int i;

	read_all_zones(split->zones);
	for (i = 0; i < split->zones->nr; i++)
		nr += split->zones->zone[i].nr_free[split->order];
	return nr;
}

/*
 * Where many blocks of the order are free, puts most of them aside before the
 * machine is held still, then splits a block and gives it back.
 */
static int split_with_few(struct lab_run *run, struct buddy_split *split)
{
	unsigned long nr = nr_free_blocks(split);
	u64 block_bytes = PAGE_SIZE << split->order;
	struct lab_hoard aside;
	int err;

	hoard_init(&aside);
	split->max_drained = STILL_BYTES / block_bytes;
	err = lab_charge(run, (max(nr, split->max_drained) + 1) * block_bytes);
	for (; !err && nr > split->max_drained; nr--) {
		if (!hoard_take(&aside, GFP_STILL, NUMA_NO_NODE, split->order))
			break;
		err = context_breathe(run->reason);
	}
	if (!err)
		err = context_still(split_still, split, run->reason);
	split->nr_aside = aside.nr_blocks;
	hoard_free(&aside);
	if (err == -ENOMEM)
		lab_refuse(run, err,
			   "no block of order %u came out of a larger one",
			   split->order);
	return err;
}

/* What the two experiments below share. */
static int split_and_merge(struct lab_run *run, struct buddy_split *split)
{
	int err;

	split->order = lab_number(run, "order");
	split->zones = alloc_zones();
	if (!split->zones)
		return -ENOMEM;
	err = split_with_few(run, split);
	kfree(split->zones);
	if (err)
		return err;

	record_number(&run->record, "order", split->order);
	record_number(&run->record, "from_order", order_taken(split));
	record_number(&run->record, "node", zone_to_nid(split->zone));
	record_text(&run->record, "zone", "%s", split->zone->name);
	record_number(&run->record, "pfn", split->pfn);
	record_number(&run->record, "nr_aside", split->nr_aside);
	record_number(&run->record, "nr_drained", split->nr_drained);
	record_counts(run, "before", split->before);
	record_counts(run, "held", split->held);
	return 0;
}

static int buddy_split(struct lab_run *run)
{
	struct buddy_split split = {};

	return split_and_merge(run, &split);
}

static int buddy_merge(struct lab_run *run)
{
	struct buddy_split split = {};
	int err = split_and_merge(run, &split);

	if (!err)
		record_counts(run, "after", split.after);
	return err;
}

/*
 * One function each, so that a call tree has a beginning; and after the call, so
 * that it is no jump, which would leave it out of the tree.
 */
static noinline struct page *path_alloc(unsigned int order)
{
	struct page *page = alloc_pages(GFP_LAB, order);

	barrier();
	return page;
}

static noinline void path_free(struct page *page, unsigned int order)
{
	__free_pages(page, order);
	barrier();
}

static int buddy_path(struct lab_run *run)
{
	unsigned int order = lab_number(run, "order");
	unsigned int rounds = lab_number(run, "rounds"), i;
	int err = lab_charge(run, PAGE_SIZE << order);

	for (i = 0; !err && i < rounds; i++) {
		struct page *page = path_alloc(order);

		if (!page)
			return lab_refuse(run, -ENOMEM,
					  "no free block of order %u", order);
		path_free(page, order);
		err = context_breathe(run->reason);
	}
	record_number(&run->record, "order", order);
	record_number(&run->record, "nr_rounds", i);
	record_text(&run->record, "alloc_function", "%ps", path_alloc);
	record_text(&run->record, "free_function", "%ps", path_free);
	return err;
}

/* The allocator */

static int pages_open(struct lab_source *source, struct lab_run *run,
		      const char *name)
{
	source->order = lab_number(run, "order");
	source->object_bytes = PAGE_SIZE << source->order;
	source->charge_bytes = source->object_bytes;
	source->kept_pages = 1UL << source->order;
	return 0;
}

static void *pages_alloc(struct lab_source *source, gfp_t gfp)
{
	struct page *page = alloc_pages(gfp, source->order);

	return page ? page_address(page) : NULL;
}

static void pages_free(struct lab_source *source, void *object)
{
	__free_pages(virt_to_page(object), source->order);
}

static unsigned int pages_alloc_bulk(struct lab_source *source, gfp_t gfp,
				     unsigned int nr, void **objects)
{
	struct page **pages = (struct page **)objects;
	unsigned int got, i;

	/* It fills in only what is empty. */
	memset(objects, 0, nr * sizeof(*objects));
	got = alloc_pages_bulk(gfp, nr, pages);
	for (i = 0; i < got; i++)
		objects[i] = page_address(pages[i]);
	return got;
}

/* The kernel has no call that takes many pages back. */
static void pages_free_bulk(struct lab_source *source, unsigned int nr,
			    void **objects)
{
	while (nr)
		pages_free(source, objects[--nr]);
}

/* The tables */

static const struct lab_param pages_params[] = {
	{ .name = "order", .help = "block of 2^order pages",
	  .max = MAX_PAGE_ORDER },
	{}
};

static const struct lab_allocator pages_allocator = {
	.name = "pages",
	.help = "blocks of 2^order pages from alloc_pages()",
	.params = pages_params,
	.open = pages_open,
	.alloc = pages_alloc,
	.free = pages_free,
};

static const struct lab_allocator pages_bulk_allocator = {
	.name = "pages_bulk",
	.help = "single pages, many in one call of alloc_pages_bulk()",
	.open = pages_open,
	.alloc = pages_alloc,
	.free = pages_free,
	.alloc_bulk = pages_alloc_bulk,
	.free_bulk = pages_free_bulk,
};

static const struct lab_param alignment_params[] = {
	{ .name = "count", .help = "blocks of each order", .min = 1, .max = 8,
	  .def = 2 },
	{}
};

static const struct lab_param split_params[] = {
	{ .name = "order",
	  .help = "of the request; these orders bypass the per-CPU lists",
	  .min = FIRST_DIRECT_ORDER, .max = LAST_DIRECT_ORDER,
	  .def = FIRST_DIRECT_ORDER },
	{}
};

static const struct lab_param path_params[] = {
	{ .name = "order", .help = "of the block", .max = MAX_PAGE_ORDER },
	{ .name = "rounds", .help = "times to allocate and free", .min = 1,
	  .max = 1000, .def = 2 },
	{}
};

static const struct lab_experiment buddy_experiments[] = {
	{ .name = "freelists", .run = buddy_freelists,
	  .help = "each zone keeps one free list per order" },
	{ .name = "alignment", .run = buddy_alignment,
	  .params = alignment_params,
	  .help = "a block begins at a multiple of its size, frames in a row" },
	{ .name = "split", .run = buddy_split, .params = split_params,
	  .help = "a larger block is halved until it fits" },
	{ .name = "merge", .run = buddy_merge, .params = split_params,
	  .help = "freeing the block merges the halves: all is as before" },
	{ .name = "path", .run = buddy_path, .params = path_params,
	  .help = "the calls of an allocation and a free, for a tracer to show" },
	{}
};

static const struct lab_allocator *const buddy_allocators[] = {
	&pages_allocator,
	&pages_bulk_allocator,
	NULL
};

const struct lab_family buddy_family = {
	.name = "buddy",
	.help = "the page allocator",
	.experiments = buddy_experiments,
	.allocators = buddy_allocators,
};

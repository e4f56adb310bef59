// SPDX-License-Identifier: GPL-2.0
/*
 * buddy - the page allocator: free lists by order, splitting and merging.
 *
 * Requests of order 0 to PAGE_ALLOC_COSTLY_ORDER, and of the order of a huge
 * page, pass through lists that each CPU keeps; the others go straight to the
 * zone's free lists.  What is to be shown exactly uses the others.
 */
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/pfn.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "compat/compat.h"
#include "core/budget.h"
#include "core/context.h"
#include "core/family.h"
#include "core/frame.h"
#include "core/ledger.h"
#include "core/loops.h"
#include "families/hoard.h"

#define FIRST_DIRECT_ORDER	(PAGE_ALLOC_COSTLY_ORDER + 1)
#define LAST_DIRECT_ORDER	(pageblock_order - 1)
/*
 * The most that is allocated while the machine is held still, in all: the kernel may
 * clear what it hands out, and every CPU waits for that.
 */
#define STILL_BYTES		SZ_16M
#define HOT_MAX			64
/*
 * Requests, or frees, after which the kernel's counts of the others, of which
 * each halves them, are 0 again: they go up to a batch << 6.
 */
#define PCP_FORGET		14
/* Frees in a row that fill a CPU's lists; they hold 4 batches or more. */
#define PCP_FREES		3	/* batches */
/* Taken by others in the meantime, or drained when they free pages. */
#define PCP_SLACK		(2U << MAX_PAGE_ORDER)

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

/**
 * struct buddy_reach - a way to say which zones may serve a request
 * @name:	key of its row
 * @gfp:	flags that say so
 */
struct buddy_reach {
	const char *name;
	gfp_t gfp;
};

static const struct buddy_reach reaches[] = {
	{ "dma", GFP_DMA },
	{ "dma32", GFP_DMA32 },
	{ "kernel", 0 },
};

static void record_place(struct lab_run *run, const char *row,
			 const struct page *page)
{
	record_row(&run->record, "%s", row);
	record_cell(&run->record, "node", page_to_nid(page));
	record_cell_text(&run->record, "zone", "%s", page_zone(page)->name);
}

static int check_node(struct lab_run *run, unsigned int nid)
{
	if (nid < MAX_NUMNODES && node_online(nid))
		return 0;
	return lab_refuse(run, -ERANGE, "node %u is not online", nid);
}

static int buddy_zones(struct lab_run *run)
{
	unsigned int order = lab_number(run, "order");
	unsigned int nid = lab_number(run, "node");
	struct page *page[ARRAY_SIZE(reaches)];
	struct lab_hoard blocks;
	unsigned int i;
	int err;

	err = check_node(run, nid);
	if (!err)
		err = lab_charge(run, ARRAY_SIZE(reaches) * PAGE_SIZE << order);
	if (err)
		return err;
	hoard_init(&blocks);
	for (i = 0; !err && i < ARRAY_SIZE(reaches); i++) {
		page[i] = hoard_take(&blocks, GFP_LAB | reaches[i].gfp, nid,
				     order);
		if (!page[i])
			err = lab_refuse(run, -ENOMEM,
					 "no zone for %s has a block of order %u",
					 reaches[i].name, order);
	}
	if (!err) {
		for (i = 0; i < ARRAY_SIZE(reaches); i++)
			record_place(run, reaches[i].name, page[i]);
		frame_mark_pages(&run->record, page, ARRAY_SIZE(reaches));
		err = lab_hold(run);
	}
	hoard_free(&blocks);
	return err;
}

/**
 * struct buddy_pcp - the lists of pages that one CPU keeps of one zone
 * @cpu:	which CPU
 * @zone:	the zone that serves it
 * @pcp:	its lists of that zone
 * @spare:	single pages, to be freed on that CPU
 * @held:	single pages that were handed out there
 * @first_count: pages on the lists at first
 * @batch:	the kernel's unit of exchange between lists and zone, in pages
 * @full_count:	pages on the lists when there were too many
 * @drained_count: pages that the kernel left on them then
 * @drained_pages: pages that it gave to the zone
 * @empty_count: pages on the lists when that for movable pages was empty: the
 *		other lists'
 * @from_list:	requests between the two refills that left the zone as it was
 * @refill_pages: pages that the zone gave to the empty list, in two refills
 * @refill_count: pages on the lists after each
 * @nr_hot:	of @hot
 * @hot:	frames of pages in the order in which they were freed
 * @again:	pages in the order in which they were handed out again
 */
struct buddy_pcp {
	unsigned int cpu;
	struct zone *zone;
	struct per_cpu_pages *pcp;
	struct lab_hoard spare;
	struct lab_hoard held;
	unsigned int first_count;
	unsigned int batch;
	unsigned int full_count;
	unsigned int drained_count;
	unsigned long drained_pages;
	unsigned int empty_count;
	int from_list;
	unsigned long refill_pages[2];
	unsigned int refill_count[2];
	unsigned int nr_hot;
	unsigned long hot[HOT_MAX];
	struct page *again[HOT_MAX];
};

static unsigned long zone_free_pages(struct zone *zone)
{
	return zone_page_state_snapshot(zone, NR_FREE_PAGES);
}

/*
 * The list for movable pages of order 0.  Most pageblocks are movable, so that
 * pages are freed to the list that they came from.
 */
static struct list_head *own_list(struct buddy_pcp *b)
{
	return &b->pcp->lists[MIGRATE_MOVABLE];
}

static const gfp_t migrate_gfp[] = {
	[MIGRATE_UNMOVABLE]	= 0,
	[MIGRATE_MOVABLE]	= __GFP_MOVABLE,
	[MIGRATE_RECLAIMABLE]	= __GFP_RECLAIMABLE,
};

static struct page *take_page(struct buddy_pcp *b, unsigned int type)
{
	return alloc_pages_node(zone_to_nid(b->zone),
				GFP_STILL | migrate_gfp[type], 0);
}

static struct page *take_single(struct buddy_pcp *b, unsigned int type)
{
	struct page *page = take_page(b, type);

	if (page && page_zone(page) != b->zone) {
		__free_page(page);
		page = NULL;
	}
	if (page)
		hoard_add(&b->held, page, 0);
	return page;
}

/* The zone is the one that serves requests made there. */
static int find_lists(struct lab_run *run, struct buddy_pcp *b)
{
	struct page *page;
	int err;

	b->cpu = lab_number(run, "cpu");
	hoard_init(&b->spare);
	hoard_init(&b->held);
	if (b->cpu >= nr_cpu_ids || !cpu_online(b->cpu))
		return lab_refuse(run, -ERANGE, "CPU %u is not online", b->cpu);
	err = lab_charge(run, PAGE_SIZE);
	if (err)
		return err;
	page = alloc_pages_node(cpu_to_node(b->cpu), GFP_LAB, 0);
	if (!page)
		return -ENOMEM;
	b->zone = page_zone(page);
	__free_page(page);
	b->pcp = per_cpu_ptr(b->zone->per_cpu_pageset, b->cpu);
	b->first_count = READ_ONCE(b->pcp->count);
	b->batch = READ_ONCE(b->pcp->batch);
	return 0;
}

static void record_lists(struct lab_run *run, const struct buddy_pcp *b)
{
	record_number(&run->record, "cpu", b->cpu);
	record_number(&run->record, "node", zone_to_nid(b->zone));
	record_text(&run->record, "zone", "%s", b->zone->name);
}

/* The next smaller order whose blocks do not come from the CPU's lists, or 0. */
static unsigned int below_in_zone(unsigned int order)
{
	do {
		order--;
	} while (order == pageblock_order);
	return order > PAGE_ALLOC_COSTLY_ORDER ? order : 0;
}

/*
 * Single pages out of blocks that did not come from the lists: taking them must
 * not move what is to be shown.  Pages that stay on the lists when others go back
 * to the zone leave it ever fewer of the largest blocks.
 */
static int take_spare(struct lab_run *run, struct buddy_pcp *b, unsigned int nr)
{
	gfp_t gfp = GFP_STILL | __GFP_MOVABLE | __GFP_THISNODE;
	unsigned int order = MAX_PAGE_ORDER, i;
	int err = 0;

	while (!err && b->spare.nr_pages < nr) {
		struct page *page = alloc_pages_node(zone_to_nid(b->zone),
						     gfp, order);

		if (page && page_zone(page) != b->zone) {
			__free_pages(page, order);
			page = NULL;
		}
		if (page) {
			split_page(page, order);
			for (i = 0; i < 1U << order; i++)
				hoard_add(&b->spare, page + i, 0);
			err = context_breathe(run->reason);
			continue;
		}
		order = below_in_zone(order);
		if (!order)
			err = lab_refuse(run, -ENOMEM, "zone %s is full",
					 b->zone->name);
	}
	return err;
}

/* Takes pages from the CPU's lists, of whichever type, until so many are left. */
static void take_down(struct buddy_pcp *b, int count)
{
	unsigned int type;

	for (type = 0; type < MIGRATE_PCPTYPES; type++)
		while (READ_ONCE(b->pcp->count) > count &&
		       !list_empty(&b->pcp->lists[type]) &&
		       take_single(b, type))
			cond_resched();
}

/* How many pages make the lists PCP_FREES batches short of too many. */
static int nearly_full(const struct buddy_pcp *b)
{
	return READ_ONCE(b->pcp->high) - PCP_FREES * b->batch;
}

/*
 * Both take some time and need not be exact: done while the others run, on the
 * CPU whose lists they are.  What is left to do is done while it is still, with
 * movable pages: there must be some on the lists.
 */
static int fill_nearly(void *arg)
{
	struct buddy_pcp *b = arg;
	int count = nearly_full(b);

	take_down(b, max_t(int, count - PCP_FREES * b->batch, 0));
	while (READ_ONCE(b->pcp->count) < count && hoard_pop(&b->spare))
		cond_resched();
	return 0;
}

static int empty_nearly(void *arg)
{
	struct buddy_pcp *b = arg;

	while (!list_empty(own_list(b)) && take_single(b, MIGRATE_MOVABLE))
		cond_resched();
	return 0;
}

/* The lists were filled with pages that are not to stay there. */
static int empty_again(void *arg)
{
	struct buddy_pcp *b = arg;

	take_down(b, b->first_count);
	return 0;
}

/* Brings the lists to PCP_FREES batches below what makes them too many. */
static int fill_still(struct buddy_pcp *b)
{
	unsigned int count = nearly_full(b);

	while (b->pcp->count < count)
		if (!hoard_pop(&b->spare))
			return -EBUSY;
	while (b->pcp->count > count)
		if (list_empty(own_list(b)) || !take_single(b, MIGRATE_MOVABLE))
			return -EBUSY;
	return 0;
}

/*
 * Frees pages until one free makes the kernel drain the lists.  It drains the
 * more the more frees, or drains, came before (nr_pcp_free()); requests make
 * it forget those.
 */
static int drain_still(void *arg)
{
	struct buddy_pcp *b = arg;
	unsigned long free_pages;
	unsigned int i;
	int err;

	err = fill_still(b);
	for (i = 0; !err && i < PCP_FORGET; i++)
		err = hoard_pop(&b->spare) ? 0 : -EBUSY;
	for (i = 0; !err && i < PCP_FORGET; i++)
		err = take_single(b, MIGRATE_MOVABLE) ? 0 : -EBUSY;
	if (err)
		return err;
	do {
		b->full_count = b->pcp->count + 1;
		free_pages = zone_free_pages(b->zone);
		if (!hoard_pop(&b->spare))
			return -EBUSY;
	} while (b->pcp->count == b->full_count);
	b->drained_count = b->pcp->count;
	b->drained_pages = zone_free_pages(b->zone) - free_pages;
	return 0;
}

/* Returns how many requests the list met, with the zone as it was. */
static int empty_list(struct buddy_pcp *b)
{
	unsigned long free_pages = zone_free_pages(b->zone);
	int nr = 0;

	while (!list_empty(own_list(b))) {
		if (!take_single(b, MIGRATE_MOVABLE))
			return -ENOMEM;
		nr += zone_free_pages(b->zone) == free_pages;
	}
	return nr;
}

/* Makes requests until they have refilled the empty list twice. */
static int refill_still(void *arg)
{
	struct buddy_pcp *b = arg;
	unsigned long free_pages;
	unsigned int i;

	/*
	 * Since 6.7 a refill that follows another takes twice as much
	 * (nr_pcp_alloc()); frees in between reset that.
	 */
	for (i = 0; i < PCP_FORGET; i++)
		hoard_pop(&b->spare);
	for (i = 0; i < ARRAY_SIZE(b->refill_pages); i++) {
		b->from_list = empty_list(b);
		b->empty_count = b->pcp->count;
		free_pages = zone_free_pages(b->zone);
		if (b->from_list < 0 || !take_single(b, MIGRATE_MOVABLE))
			return -ENOMEM;
		b->refill_pages[i] = free_pages - zone_free_pages(b->zone);
		b->refill_count[i] = b->pcp->count;
	}
	return 0;
}

static int show_lists(struct lab_run *run, struct buddy_pcp *b)
{
	unsigned int high = READ_ONCE(b->pcp->high);
	unsigned int nr;
	int err;

	nr = high + PCP_SLACK;
	nr -= min(b->first_count, high);
	err = lab_charge(run, 2ULL * (nr + high) * PAGE_SIZE);
	if (!err)
		err = take_spare(run, b, nr);
	if (!err)
		err = context_on(b->cpu, fill_nearly, b, run->reason);
	if (!err)
		err = context_still_on(b->cpu, drain_still, b, run->reason);
	if (!err)
		err = context_on(b->cpu, empty_nearly, b, run->reason);
	if (!err)
		err = context_still_on(b->cpu, refill_still, b, run->reason);
	if (err == -EBUSY)
		lab_refuse(run, err, "others on CPU %u used its lists", b->cpu);
	return err;
}

static int buddy_pcp(struct lab_run *run)
{
	struct buddy_pcp b = {};
	unsigned int i;
	int err;

	err = find_lists(run, &b);
	if (err)
		return err;
	err = show_lists(run, &b);
	if (!err) {
		record_lists(run, &b);
		record_number(&run->record, "batch_pages", b.batch);
		record_row(&run->record, "full");
		record_cell(&run->record, "count", b.full_count);
		record_row(&run->record, "drained");
		record_cell(&run->record, "to_zone", b.drained_pages);
		record_cell(&run->record, "count", b.drained_count);
		record_row(&run->record, "empty");
		record_cell(&run->record, "count", b.empty_count);
		for (i = 0; i < ARRAY_SIZE(b.refill_pages); i++) {
			record_row(&run->record, "refill.%u", i);
			record_cell(&run->record, "from_zone",
				    b.refill_pages[i]);
			record_cell(&run->record, "count", b.refill_count[i]);
		}
		record_number(&run->record, "nr_from_list", b.from_list);
		err = lab_hold(run);
	}
	context_on(b.cpu, empty_again, &b, run->reason);
	hoard_free_past_lists(&b.held);
	hoard_free_past_lists(&b.spare);
	return err;
}

/*
 * Where a free would find the lists full, the kernel may drain the very page
 * that was freed; so room is made first.
 */
static bool make_room(struct buddy_pcp *b)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(migrate_gfp); i++)
		while (b->pcp->count + b->nr_hot >= b->pcp->high &&
		       !list_empty(&b->pcp->lists[i]))
			if (!take_single(b, i))
				return false;
	return b->pcp->count + b->nr_hot < b->pcp->high;
}

static int hot_still(void *arg)
{
	struct buddy_pcp *b = arg;
	struct page *page[HOT_MAX];
	unsigned int i;

	for (i = 0; i < b->nr_hot; i++) {
		page[i] = take_page(b, MIGRATE_MOVABLE);
		if (!page[i])
			break;
	}
	if (i < b->nr_hot || !make_room(b)) {
		while (i--)
			__free_page(page[i]);
		return -EBUSY;
	}
	for (i = 0; i < b->nr_hot; i++) {
		b->hot[i] = page_to_pfn(page[i]);
		__free_page(page[i]);
	}
	for (i = 0; i < b->nr_hot; i++) {
		b->again[i] = take_single(b, MIGRATE_MOVABLE);
		if (!b->again[i])
			return -ENOMEM;
	}
	return 0;
}

static int buddy_hot(struct lab_run *run)
{
	struct buddy_pcp b = { .nr_hot = lab_number(run, "count") };
	unsigned int i;
	char key[8];
	int err;

	err = find_lists(run, &b);
	/* Room is made of at most one refill's pages. */
	if (!err)
		err = lab_charge(run, STILL_BYTES);
	if (!err)
		err = context_still_on(b.cpu, hot_still, &b, run->reason);
	if (err == -EBUSY)
		lab_refuse(run, err, "the lists of CPU %u are full", b.cpu);
	if (!err) {
		record_lists(run, &b);
		record_row(&run->record, "freed");
		for (i = 0; i < b.nr_hot; i++) {
			snprintf(key, sizeof(key), "%u", i);
			record_cell(&run->record, key, b.hot[i]);
		}
		frame_mark_pages(&run->record, b.again, b.nr_hot);
		err = lab_hold(run);
	}
	hoard_free(&b.held);
	return err;
}

/*
 * A zone small enough to be run dry while the machine is held still.  Ordinary
 * requests keep away from it (lowmem_reserve).
 */
static struct zone *small_zone(struct lab_run *run)
{
	int nid;

	for_each_online_node(nid) {
		struct zone *zone =
			&NODE_DATA(nid)->node_zones[gfp_zone(GFP_DMA)];

		if (managed_zone(zone) &&
		    zone_managed_pages(zone) <= STILL_BYTES / PAGE_SIZE)
			return zone;
	}
	lab_refuse(run, -EOPNOTSUPP, "no ZONE_DMA of at most %lu MiB",
		   (unsigned long)STILL_BYTES / SZ_1M);
	return NULL;
}

static struct page *small_zone_block(struct zone *zone, gfp_t gfp,
				     unsigned int order)
{
	gfp |= GFP_DMA | __GFP_THISNODE | GFP_STILL;
	return alloc_pages_node(zone_to_nid(zone), gfp, order);
}

static const char *const migrate_types[] = {
	[MIGRATE_UNMOVABLE]	= "unmovable",
	[MIGRATE_MOVABLE]	= "movable",
	[MIGRATE_RECLAIMABLE]	= "reclaimable",
	NULL
};

/* The moments at which the lists of each type are looked at. */
enum {
	TYPES_START,
	TYPES_ASKED,
	TYPES_DRY = TYPES_ASKED + MIGRATE_PCPTYPES,
	TYPES_TAKEN,
	TYPES_NR
};

static const char *const types_rows[] = {
	[TYPES_START]				= "start",
	[TYPES_ASKED + MIGRATE_UNMOVABLE]	= "unmovable",
	[TYPES_ASKED + MIGRATE_MOVABLE]		= "movable",
	[TYPES_ASKED + MIGRATE_RECLAIMABLE]	= "reclaimable",
	[TYPES_DRY]				= "dry",
	[TYPES_TAKEN]				= "taken",
};

/**
 * struct buddy_types - requests of each migrate type to a zone
 * @zone:	the zone
 * @order:	of each request
 * @type:	which is run dry
 * @rest:	all that the zone has but @seeds
 * @seeds:	a whole pageblock of each type, free while requests are made
 * @held:	what was handed out
 * @nr_free:	free blocks at each moment, on the lists of each type
 */
struct buddy_types {
	struct zone *zone;
	unsigned int order;
	unsigned int type;
	struct lab_hoard rest;
	struct lab_hoard seeds;
	struct lab_hoard held;
	unsigned long nr_free[TYPES_NR][MIGRATE_PCPTYPES][NR_PAGE_ORDERS];
};

static void count_types(struct buddy_types *b, unsigned int moment)
{
	unsigned int type, order;
	struct list_head *at;

	for (type = 0; type < MIGRATE_PCPTYPES; type++)
		for (order = 0; order < NR_PAGE_ORDERS; order++)
			list_for_each(at,
				      &b->zone->free_area[order].free_list[type])
				b->nr_free[moment][type][order]++;
}

static bool take_typed(struct buddy_types *b, unsigned int type)
{
	struct page *page =
		small_zone_block(b->zone, migrate_gfp[type], b->order);

	if (page)
		hoard_add(&b->held, page, b->order);
	return page;
}

static bool has_typed(const struct buddy_types *b, unsigned int type)
{
	unsigned int order;

	for (order = b->order; order < NR_PAGE_ORDERS; order++)
		if (!list_empty(&b->zone->free_area[order].free_list[type]))
			return true;
	return false;
}

/*
 * With its lists locked, what a CPU asks for passes them by, too (rmqueue()),
 * so that the zone moves by just that.
 */
static int types_still(void *arg)
{
	struct buddy_types *b = arg;
	struct per_cpu_pages *pcp = this_cpu_ptr(b->zone->per_cpu_pageset);
	unsigned int type;
	bool ok = true;

	spin_lock(&pcp->lock);
	while (hoard_pop_past_lists(&b->seeds))
		;
	count_types(b, TYPES_START);
	for (type = 0; ok && type < MIGRATE_PCPTYPES; type++) {
		ok = take_typed(b, type);
		count_types(b, TYPES_ASKED + type);
	}
	while (ok && has_typed(b, b->type))
		ok = take_typed(b, b->type);
	count_types(b, TYPES_DRY);
	ok = ok && take_typed(b, b->type);
	count_types(b, TYPES_TAKEN);
	spin_unlock(&pcp->lock);
	return ok ? 0 : -ENOMEM;
}

/*
 * A pageblock of its own for each type, and nothing else free in the zone:
 * then it is certain what each request finds.
 */
/*
 * Not by way of the CPU's lists: those of this order are the same for several
 * types.
 */
static struct page *take_pageblock(struct buddy_types *b, unsigned int type)
{
	struct per_cpu_pages *pcp;
	struct page *page;

	migrate_disable();
	pcp = this_cpu_ptr(b->zone->per_cpu_pageset);
	spin_lock(&pcp->lock);
	page = small_zone_block(b->zone, migrate_gfp[type] | __GFP_MEMALLOC,
				pageblock_order);
	spin_unlock(&pcp->lock);
	migrate_enable();
	return page;
}

static int sow_types(struct lab_run *run, struct buddy_types *b)
{
	unsigned int type;

	for (type = 0; type < MIGRATE_PCPTYPES; type++) {
		struct page *page = take_pageblock(b, type);

		/*
		 * Before 6.10 a free block of more than a pageblock can be of
		 * two types, and is on the list of the one freed last.
		 */
		while (page && frame_migrate_type(page) != type) {
			hoard_add(&b->rest, page, pageblock_order);
			page = take_pageblock(b, type);
		}
		if (!page)
			return lab_refuse(run, -ENOMEM,
					  "zone %s has no whole pageblock for each type",
					  b->zone->name);
		hoard_add(&b->seeds, page, pageblock_order);
	}
	/* Movable, as most blocks are: that leaves their type as it is. */
	return hoard_dry(run, &b->rest, b->zone,
			 GFP_DMA | __GFP_MOVABLE | __GFP_MEMALLOC);
}

static void record_types(struct lab_run *run, const struct buddy_types *b)
{
	unsigned int moment, type;

	record_number(&run->record, "node", zone_to_nid(b->zone));
	record_text(&run->record, "zone", "%s", b->zone->name);
	for (moment = 0; moment < TYPES_NR; moment++)
		for (type = 0; type < MIGRATE_PCPTYPES; type++) {
			record_row(&run->record, "%s.%s", types_rows[moment],
				   migrate_types[type]);
			record_order_cells(&run->record,
					   b->nr_free[moment][type],
					   NR_PAGE_ORDERS);
		}
}

static int show_types(struct lab_run *run, struct buddy_types *b)
{
	int err;

	b->zone = small_zone(run);
	if (!b->zone)
		return -EOPNOTSUPP;
	b->order = lab_number(run, "order");
	b->type = lab_number(run, "dry");
	hoard_init(&b->rest);
	hoard_init(&b->seeds);
	hoard_init(&b->held);
	err = lab_charge(run, zone_managed_pages(b->zone) * PAGE_SIZE);
	if (!err)
		err = sow_types(run, b);
	if (!err)
		err = context_still(types_still, b, run->reason);
	if (!err) {
		record_types(run, b);
		err = lab_hold(run);
	}
	hoard_free_past_lists(&b->held);
	hoard_free_past_lists(&b->seeds);
	hoard_free_past_lists(&b->rest);
	return err;
}

static int buddy_migratetype(struct lab_run *run)
{
	struct buddy_types *b = kzalloc(sizeof(*b), GFP_KERNEL);
	int err = b ? show_types(run, b) : -ENOMEM;

	kfree(b);
	return err;
}

/**
 * struct buddy_split_zone - a zone of which every second page is held
 * @zone:	the zone
 * @gfp:	flags of requests that it is the first to be asked for, and no other
 * @order:	of the blocks that are to be had no more
 * @kept:	every second page of each block that was
 * @others:	the others, until they are freed
 */
struct buddy_split_zone {
	struct zone *zone;
	gfp_t gfp;
	unsigned int order;
	struct lab_hoard kept;
	struct lab_hoard others;
};

/*
 * With its lists locked, what a CPU asks for passes them by (rmqueue()): of the order
 * of a huge page they have blocks of their own.
 */
static struct page *block_of_zone(const struct buddy_split_zone *b,
				  unsigned int order, gfp_t gfp)
{
	struct per_cpu_pages *pcp;
	struct page *page;

	migrate_disable();
	pcp = this_cpu_ptr(b->zone->per_cpu_pageset);
	spin_lock(&pcp->lock);
	page = alloc_pages_node(zone_to_nid(b->zone), b->gfp | gfp, order);
	spin_unlock(&pcp->lock);
	migrate_enable();
	if (page && page_zone(page) != b->zone) {
		__free_pages(page, order);
		page = NULL;
	}
	return page;
}

/*
 * Takes each block of the order and larger, keeps every second page of it and
 * frees the others: no two that are free can merge.
 */
static int keep_every_second(struct lab_run *run, struct buddy_split_zone *b)
{
	int order = MAX_PAGE_ORDER, err = 0;

	while (!err && order >= (int)b->order) {
		/* No mark keeps the last of them, as half of it is given back. */
		struct page *page = block_of_zone(b, order, __GFP_MEMALLOC);
		unsigned int i;

		if (!page) {
			order--;
			continue;
		}
		split_page(page, order);
		for (i = 0; i < 1U << order; i += 2) {
			hoard_add(&b->kept, page + i, 0);
			hoard_add(&b->others, page + i + 1, 0);
		}
		hoard_free_past_lists(&b->others);
		err = context_breathe(run->reason);
		/* Others allocate too: see that the floor still holds. */
		if (!err)
			err = budget_check_floor(0, run->reason);
	}
	return err;
}

static void record_answer(struct lab_run *run, const char *row,
			  const struct page *page)
{
	record_row(&run->record, "%s", row);
	record_cell(&run->record, "errno", page ? 0 : ENOMEM);
	if (page)
		record_cell(&run->record, "pfn", page_to_pfn(page));
}

static void ask_for(struct lab_run *run, const char *row,
		    const struct buddy_split_zone *b)
{
	struct page *page = block_of_zone(b, b->order, 0);

	record_answer(run, row, page);
	if (page)
		__free_pages(page, b->order);
}

/* The zone that the command names, or one that is small. */
static int choose_zone(struct lab_run *run, struct buddy_split_zone *b)
{
	/* As the words of zone= are numbered; of 0 the lab chooses. */
	static const gfp_t gfp[] = { [1] = GFP_DMA, GFP_DMA32, 0 };
	unsigned int which = lab_number(run, "zone");
	unsigned int nid = lab_number(run, "node");
	int err;

	if (!which) {
		b->zone = small_zone(run);
		b->gfp = GFP_DMA;
		return b->zone ? 0 : -EOPNOTSUPP;
	}
	err = check_node(run, nid);
	if (err)
		return err;
	b->gfp = gfp[which];
	b->zone = &NODE_DATA(nid)->node_zones[gfp_zone(b->gfp)];
	if (managed_zone(b->zone))
		return 0;
	return lab_refuse(run, -EOPNOTSUPP, "node %u has no memory in zone %s",
			  nid, b->zone->name);
}

static int buddy_fragmentation(struct lab_run *run)
{
	struct buddy_split_zone b = { .order = lab_number(run, "order") };
	unsigned long nr_free[NR_PAGE_ORDERS];
	int err;

	err = choose_zone(run, &b);
	if (err)
		return err;
	b.gfp |= GFP_STILL | __GFP_THISNODE;
	hoard_init(&b.kept);
	hoard_init(&b.others);
	/* Half of what is free, and a block of which the half is still to be freed. */
	err = lab_charge(run, (zone_free_pages(b.zone) / 2 +
			       (1UL << MAX_PAGE_ORDER)) * PAGE_SIZE);
	if (err)
		return err;
	err = keep_every_second(run, &b);
	if (!err) {
		record_number(&run->record, "order", b.order);
		record_number(&run->record, "node", zone_to_nid(b.zone));
		record_text(&run->record, "zone", "%s", b.zone->name);
		ask_for(run, "fragmented", &b);
		read_free_lists(b.zone, nr_free);
		record_row(&run->record, "free");
		record_order_cells(&run->record, nr_free, NR_PAGE_ORDERS);
		err = lab_hold(run);
	}
	hoard_free_past_lists(&b.kept);
	if (!err)
		ask_for(run, "released", &b);
	return err;
}

/* Who asks, from the one that must leave most. */
static const struct {
	const char *name;
	gfp_t gfp;
} diggers[] = {
	/* Without the flag that wakes kswapd: the machine is held still. */
	{ "nowait", GFP_NOWAIT & ~__GFP_KSWAPD_RECLAIM },
	{ "atomic", GFP_ATOMIC & ~__GFP_KSWAPD_RECLAIM },
	{ "memalloc", __GFP_MEMALLOC },
};

/**
 * struct buddy_digger - how deep each kind of request could dig into a zone
 * @zone:	the zone
 * @held:	what was handed out
 * @spare:	a block to move the zone's counter with, see settle_counter()
 * @kind:	which of diggers[] is at work
 * @order:	of its requests; a larger one has to leave more, so that in the end they
 *		are of single pages
 * @free_pages:	pages that were free when each kind was refused, as the kernel
 *		counts them for its decision
 * @boost:	pages by which the marks were raised then
 */
struct buddy_digger {
	struct zone *zone;
	struct lab_hoard held;
	struct page *spare;
	unsigned int kind;
	unsigned int order;
	unsigned long free_pages[ARRAY_SIZE(diggers)];
	unsigned long boost[ARRAY_SIZE(diggers)];
};

/*
 * The marks are compared with the zone's counter, which leaves out what each
 * CPU has not yet added to it: in a zone this small at most 28 pages, with 8192
 * CPUs (calculate_normal_threshold()).  A larger change is added at once, with
 * all that this CPU has not.
 */
#define SETTLE_ORDER	5
/* Of the first requests: larger ones would only take longer, each by itself. */
#define DIG_ORDER	7

static bool settle_counter(struct buddy_digger *b)
{
	if (b->spare)
		__free_pages(b->spare, SETTLE_ORDER);
	b->spare = small_zone_block(b->zone, __GFP_MEMALLOC, SETTLE_ORDER);
	return b->spare;
}

static bool dig(struct buddy_digger *b, gfp_t gfp, unsigned int order)
{
	struct page *page = small_zone_block(b->zone, gfp, order);

	if (page)
		hoard_add(&b->held, page, order);
	return page && settle_counter(b);
}

/* Each kind until it is refused, and what is left then.  Returns as dig_still(). */
static int dig_on(struct buddy_digger *b)
{
	if (!settle_counter(b))
		return -ENOMEM;
	while (b->kind < ARRAY_SIZE(diggers)) {
		gfp_t gfp = diggers[b->kind].gfp;

		if (context_still_over())
			return CONTEXT_AGAIN;
		if (dig(b, gfp, b->order))
			continue;
		if (!b->spare)
			return -ENOMEM;
		if (b->order) {
			b->order--;
			continue;
		}
		b->boost[b->kind] = b->zone->watermark_boost;
		/* Only the last kind is not refused for what is counted. */
		b->free_pages[b->kind] = gfp & __GFP_MEMALLOC ?
			zone_free_pages(b->zone) :
			zone_page_state(b->zone, NR_FREE_PAGES);
		b->kind++;
	}
	return 0;
}

/* With the CPU's lists locked, for the reason given above types_still(). */
static int dig_still(void *arg)
{
	struct buddy_digger *b = arg;
	struct per_cpu_pages *pcp = this_cpu_ptr(b->zone->per_cpu_pageset);
	int err;

	spin_lock(&pcp->lock);
	err = dig_on(b);
	spin_unlock(&pcp->lock);
	return err;
}

static int buddy_watermarks(struct lab_run *run)
{
	struct buddy_digger b = { .zone = small_zone(run),
				  .order = DIG_ORDER };
	unsigned int i;
	int err;

	if (!b.zone)
		return -EOPNOTSUPP;
	hoard_init(&b.held);
	err = lab_charge(run, zone_managed_pages(b.zone) * PAGE_SIZE);
	if (!err)
		err = context_still(dig_still, &b, run->reason);
	if (b.spare)
		__free_pages(b.spare, SETTLE_ORDER);
	hoard_free_past_lists(&b.held);
	if (err == -ENOMEM)
		lab_refuse(run, err, "zone %s has no block of order %u",
			   b.zone->name, SETTLE_ORDER);
	if (err)
		return err;
	record_number(&run->record, "node", zone_to_nid(b.zone));
	record_text(&run->record, "zone", "%s", b.zone->name);
	for (i = 0; i < ARRAY_SIZE(diggers); i++) {
		record_row(&run->record, "%s", diggers[i].name);
		record_cell(&run->record, "free_pages", b.free_pages[i]);
		record_cell(&run->record, "boost_pages", b.boost[i]);
	}
	return 0;
}

/**
 * struct buddy_fallback - requests to a node whose first zone has run dry
 * @nid:	the node
 * @order:	of each request
 * @count:	how many are made while it is dry
 * @hoard:	all that is held
 * @page:	a block had while there was room, and the last of those had
 *		while there was none
 * @nr_asked:	how many of these were made
 * @nr_elsewhere: how many of these came from another zone
 */
struct buddy_fallback {
	unsigned int nid;
	unsigned int order;
	unsigned int count;
	struct lab_hoard hoard;
	struct page *page[2];
	unsigned int nr_asked;
	unsigned int nr_elsewhere;
};

static int fall_back_still(void *arg)
{
	struct buddy_fallback *b = arg;
	struct zone *first = page_zone(b->page[0]);
	struct page *page;

	/* What others have given back since the zone was dry. */
	for (;;) {
		page = hoard_take(&b->hoard, GFP_STILL, b->nid, b->order);
		if (!page)
			return -ENOMEM;
		if (page_zone(page) != first)
			break;
		if (context_still_over())
			return CONTEXT_AGAIN;
	}
	hoard_pop(&b->hoard);
	while (b->nr_asked < b->count) {
		page = hoard_take(&b->hoard, GFP_STILL, b->nid, b->order);
		if (!page)
			return -ENOMEM;
		b->page[1] = page;
		b->nr_elsewhere += page_zone(page) != first;
		b->nr_asked++;
		if (context_still_over())
			return CONTEXT_AGAIN;
	}
	return 0;
}

static int run_node_dry(struct lab_run *run, struct buddy_fallback *b)
{
	int err = lab_charge(run, PAGE_SIZE << b->order);

	if (err)
		return err;
	b->page[0] = hoard_take(&b->hoard, GFP_LAB, b->nid, b->order);
	if (!b->page[0])
		return -ENOMEM;
	err = lab_charge(run, (zone_free_pages(page_zone(b->page[0])) +
			       ((b->count + 1) << b->order)) * PAGE_SIZE);
	if (err)
		return err;
	err = hoard_dry(run, &b->hoard, page_zone(b->page[0]), 0);
	return err ?: context_still(fall_back_still, b, run->reason);
}

static int buddy_fallback(struct lab_run *run)
{
	struct buddy_fallback b = {
		.nid = lab_number(run, "node"),
		.order = lab_number(run, "order"),
		.count = lab_number(run, "count"),
	};
	int err;

	if (num_online_nodes() < 2)
		return lab_refuse(run, -EOPNOTSUPP, "no second NUMA node");
	err = check_node(run, b.nid);
	if (err)
		return err;
	hoard_init(&b.hoard);
	err = run_node_dry(run, &b);
	if (!err) {
		record_place(run, "room", b.page[0]);
		record_place(run, "dry", b.page[1]);
		record_number(&run->record, "nr_requests", b.count);
		record_number(&run->record, "nr_elsewhere", b.nr_elsewhere);
		frame_mark_pages(&run->record, b.page, ARRAY_SIZE(b.page));
		err = lab_hold(run);
	}
	hoard_free_past_lists(&b.hoard);
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
 * @nid:	node of the request: that of the zone with the most room
 * @show:	what to do with the block that came out of a larger one: gives it
 *		back and reads @after; 0 or a negative errno
 * @max_drained: how many blocks of that order may be taken out of the way while
 *		the machine is held still
 * @zones:	room for the counts before the request
 * @nr_aside:	how many blocks of @zone were taken out of the way before that
 * @drained:	those that were then
 * @nr_drained:	how many of them were of @zone
 * @zone:	the zone that served
 * @pfn:	first frame of the block
 * @before:	free blocks of each order in @zone before the request
 * @held:	the same while the block is held
 * @after:	the same after the block was freed
 */
struct buddy_split {
	unsigned int order;
	int nid;
	int (*show)(struct buddy_split *split, struct page *page);
	unsigned long max_drained;
	struct buddy_zones *zones;
	unsigned long nr_aside;
	struct lab_hoard drained;
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
 * Where there is little room the zones serve in turn, and each has free blocks
 * of that order.
 */
static int roomiest_node(const struct buddy_zones *zones)
{
	unsigned long room, most = 0;
	int nid = NUMA_NO_NODE;
	unsigned int i;

	for (i = 0; i < zones->nr; i++) {
		room = zone_page_state(zones->zone[i].zone, NR_FREE_PAGES);
		if (room > most) {
			most = room;
			nid = zone_to_nid(zones->zone[i].zone);
		}
	}
	return nid;
}

static struct page *ask(const struct buddy_split *split)
{
	return alloc_pages_node(split->nid, GFP_STILL | __GFP_THISNODE,
				split->order);
}

/* The zone's counts were read before the request that @page came from. */
static void note_block(struct buddy_split *split, const struct page *page)
{
	split->zone = page_zone(page);
	split->pfn = page_to_pfn(page);
	copy_counts_of(split->zones, split->zone, split->before);
	read_free_lists(split->zone, split->held);
}

/*
 * Not all of them need be: before a request takes a block meant for another use
 * it tries the zones below (mm/page_alloc.c, alloc_flags_nofragment()).
 */
static unsigned long nr_of_zone(const struct lab_hoard *hoard,
				const struct zone *zone)
{
	const struct page *page;
	unsigned long nr = 0;

	list_for_each_entry(page, &hoard->blocks, lru)
		nr += page_zone(page) == zone;
	return nr;
}

static int give_back(struct buddy_split *split, struct page *page)
{
	__free_pages(page, split->order);
	read_free_lists(split->zone, split->after);
	return 0;
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
	struct page *page;

	while (split->drained.nr_blocks <= split->max_drained) {
		if (context_still_over())
			return CONTEXT_AGAIN;
		read_all_zones(split->zones);
		page = ask(split);
		if (!page)
			break;
		note_block(split, page);
		if (split->held[split->order] > split->before[split->order])
			return split->show(split, page);
		hoard_add(&split->drained, page, split->order);
	}
	return -ENOMEM;
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

static unsigned long nr_free_in(const struct zone *zone, unsigned int order)
{
	return READ_ONCE(zone->free_area[order].nr_free);
}

/* In the zone that serves now. */
static unsigned long nr_free_blocks(const struct buddy_split *split)
{
	struct page *page = ask(split);
	unsigned long nr = 0;

	if (page) {
		struct zone *zone = page_zone(page);

		__free_pages(page, split->order);
		nr = nr_free_in(zone, split->order);
	}
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
	hoard_init(&split->drained);
	split->max_drained = STILL_BYTES / block_bytes;
	err = lab_charge(run, (max(nr, split->max_drained) + 1) * block_bytes);
	for (; !err && nr > split->max_drained; nr--) {
		struct page *page = hoard_take(&aside,
					       GFP_STILL | __GFP_THISNODE,
					       split->nid, split->order);

		if (!page)
			break;
		/* The rest is of other types: this was cut from a larger one. */
		if (nr_free_in(page_zone(page), split->order) >= nr) {
			hoard_pop(&aside);
			break;
		}
		err = context_breathe(run->reason);
	}
	if (!err)
		err = context_still(split_still, split, run->reason);
	split->nr_aside = nr_of_zone(&aside, split->zone);
	split->nr_drained = nr_of_zone(&split->drained, split->zone);
	hoard_free(&split->drained);
	hoard_free(&aside);
	if (err == -ENOMEM)
		lab_refuse(run, err,
			   "no block of order %u came out of a larger one",
			   split->order);
	return err;
}

/* What the experiments below share. */
static int split_and_merge(struct lab_run *run, struct buddy_split *split)
{
	int err;

	split->order = lab_number(run, "order");
	split->zones = alloc_zones();
	if (!split->zones)
		return -ENOMEM;
	split->nid = roomiest_node(split->zones);
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
	struct buddy_split split = { .show = give_back };

	return split_and_merge(run, &split);
}

static int buddy_merge(struct lab_run *run)
{
	struct buddy_split split = { .show = give_back };
	int err = split_and_merge(run, &split);

	if (!err)
		record_counts(run, "after", split.after);
	return err;
}

/**
 * struct buddy_partner - two halves of a larger block, freed one by one
 * @split:	the first half, and the counts: held while both are held, after
 *		when both were freed
 * @upper_first: the half with the higher frames is freed first
 * @pfn:	first frame of the second half
 * @first_freed_pfn: first frame of the half that was freed first
 * @one_freed:	free blocks of each order while only the other one is held
 */
struct buddy_partner {
	struct buddy_split split;
	bool upper_first;
	unsigned long pfn;
	unsigned long first_freed_pfn;
	unsigned long one_freed[NR_PAGE_ORDERS];
};

/*
 * The block has just been cut out of a larger one, because the list of its
 * order was empty, so its other half is what the next request finds there.
 */
static int show_partner(struct buddy_split *split, struct page *page)
{
	struct buddy_partner *partner =
		container_of(split, struct buddy_partner, split);
	struct page *other = ask(split);
	bool other_is_upper;

	if (!other) {
		__free_pages(page, split->order);
		return -ENOMEM;
	}
	partner->pfn = page_to_pfn(other);
	read_free_lists(split->zone, split->held);
	other_is_upper = partner->pfn > split->pfn;
	if (other_is_upper == partner->upper_first)
		swap(page, other);
	partner->first_freed_pfn = page_to_pfn(page);
	__free_pages(page, split->order);
	read_free_lists(split->zone, partner->one_freed);
	return give_back(split, other);
}

static int buddy_partner(struct lab_run *run)
{
	struct buddy_partner partner = {
		.split.show = show_partner,
		.upper_first = lab_number(run, "first"),
	};
	int err = lab_charge(run, PAGE_SIZE << lab_number(run, "order"));

	if (!err)
		err = split_and_merge(run, &partner.split);
	if (err)
		return err;
	record_counts(run, "one_freed", partner.one_freed);
	record_counts(run, "both_freed", partner.split.after);
	record_number(&run->record, "partner_pfn", partner.pfn);
	record_number(&run->record, "first_freed_pfn",
		      partner.first_freed_pfn);
	return 0;
}

#define LARGEST_BLOCK_BYTES	(PAGE_SIZE << MAX_PAGE_ORDER)

static void record_refusal(struct lab_run *run, u64 bytes, bool refused)
{
	record_cell(&run->record, "bytes", bytes);
	record_cell(&run->record, "errno", refused ? ENOMEM : 0);
}

/*
 * The kernel looks at the order before anything else, and warns of one that is
 * too large unless the request has __GFP_NOWARN (mm/internal.h,
 * WARN_ON_ONCE_GFP()), as GFP_LAB has.
 */
static void ask_for_more(struct lab_run *run, unsigned int order)
{
	size_t bytes = LARGEST_BLOCK_BYTES + 1;
	struct page *page = alloc_pages(GFP_LAB, order);
	void *exact;

	record_row(&run->record, "order.%u", order);
	record_refusal(run, (u64)PAGE_SIZE << order, !page);
	if (page)
		__free_pages(page, order);

	exact = alloc_pages_exact(bytes, GFP_LAB);
	record_row(&run->record, "exact");
	record_refusal(run, bytes, !exact);
	if (exact)
		free_pages_exact(exact, bytes);
}

static int buddy_max_order(struct lab_run *run)
{
	int err = lab_charge(run, LARGEST_BLOCK_BYTES);
	struct page *page;

	if (err)
		return err;
	page = alloc_pages(GFP_LAB, MAX_PAGE_ORDER);
	record_row(&run->record, "order.%u", (unsigned int)MAX_PAGE_ORDER);
	record_refusal(run, LARGEST_BLOCK_BYTES, !page);
	ask_for_more(run, MAX_PAGE_ORDER + lab_number(run, "over"));
	if (!page)
		return 0;
	frame_mark(&run->record, page_address(page), LARGEST_BLOCK_BYTES);
	err = lab_hold(run);
	__free_pages(page, MAX_PAGE_ORDER);
	return err;
}

/**
 * struct buddy_waste - what one request takes
 * @bytes:	asked for
 * @order_pages: fewer free pages in the machine while a block of the order that
 *		@bytes need is held
 * @exact_pages: the same for alloc_pages_exact()
 */
struct buddy_waste {
	size_t bytes;
	s64 order_pages;
	s64 exact_pages;
};

static int waste_by_order_still(void *arg)
{
	struct buddy_waste *waste = arg;
	unsigned int order = get_order(waste->bytes);
	s64 free = ledger_free_pages();
	struct page *page = alloc_pages(GFP_STILL, order);

	if (!page)
		return -ENOMEM;
	waste->order_pages = free - ledger_free_pages();
	__free_pages(page, order);
	return 0;
}

static int waste_exactly_still(void *arg)
{
	struct buddy_waste *waste = arg;
	s64 free = ledger_free_pages();
	void *exact = alloc_pages_exact(waste->bytes, GFP_STILL);

	if (!exact)
		return -ENOMEM;
	waste->exact_pages = free - ledger_free_pages();
	free_pages_exact(exact, waste->bytes);
	return 0;
}

static int show_waste(struct lab_run *run, size_t bytes)
{
	struct buddy_waste waste = { .bytes = bytes };
	u64 by_order, by_exact;
	int err = context_still(waste_by_order_still, &waste, run->reason);

	if (!err)
		err = context_still(waste_exactly_still, &waste, run->reason);
	if (err == -ENOMEM)
		return lab_refuse(run, err, "no free block for %zu bytes",
				  bytes);
	if (err)
		return err;
	by_order = (u64)waste.order_pages << PAGE_SHIFT;
	by_exact = (u64)waste.exact_pages << PAGE_SHIFT;
	record_row(&run->record, "bytes.%zu", bytes);
	record_cell(&run->record, "order", get_order(bytes));
	record_cell(&run->record, "order_bytes", by_order);
	record_cell(&run->record, "order_waste_bytes", by_order - bytes);
	record_cell(&run->record, "exact_bytes", by_exact);
	record_cell(&run->record, "exact_waste_bytes", by_exact - bytes);
	return context_breathe(run->reason);
}

static int buddy_waste(struct lab_run *run)
{
	size_t bytes = lab_number(run, "bytes");
	int err = lab_charge(run, LARGEST_BLOCK_BYTES);

	if (err)
		return err;
	if (bytes)
		return show_waste(run, bytes);
	/* Powers of two, which fit, and what lies between them, which cannot. */
	for (bytes = 8; !err && bytes <= LARGEST_BLOCK_BYTES; bytes *= 2) {
		err = show_waste(run, bytes);
		if (!err && bytes < LARGEST_BLOCK_BYTES)
			err = show_waste(run, bytes + bytes / 2);
	}
	return err;
}

/**
 * struct buddy_exact - a request for an exact number of pages
 * @split:	where they came from; no block is put aside for it
 * @bytes:	asked for
 * @area:	what came
 * @taken_pages: fewer free pages in the machine while @area is held
 * @returned_pages: more free pages when it was given back
 */
struct buddy_exact {
	struct buddy_split split;
	size_t bytes;
	void *area;
	s64 taken_pages;
	s64 returned_pages;
};

static int take_exact_still(void *arg)
{
	struct buddy_exact *exact = arg;
	s64 free = ledger_free_pages();

	read_all_zones(exact->split.zones);
	exact->area = alloc_pages_exact(exact->bytes, GFP_STILL);
	if (!exact->area)
		return -ENOMEM;
	note_block(&exact->split, virt_to_page(exact->area));
	exact->taken_pages = free - ledger_free_pages();
	return 0;
}

static int return_exact_still(void *arg)
{
	struct buddy_exact *exact = arg;
	s64 free = ledger_free_pages();

	free_pages_exact(exact->area, exact->bytes);
	exact->returned_pages = ledger_free_pages() - free;
	return 0;
}

static void record_origin(struct lab_run *run, const struct buddy_split *split)
{
	record_number(&run->record, "order", split->order);
	record_number(&run->record, "node", zone_to_nid(split->zone));
	record_text(&run->record, "zone", "%s", split->zone->name);
	record_number(&run->record, "pfn", split->pfn);
	record_counts(run, "before", split->before);
	record_counts(run, "held", split->held);
}

static int show_exact(struct lab_run *run, struct buddy_exact *exact)
{
	int err = context_still(take_exact_still, exact, run->reason);
	int held;

	if (err == -ENOMEM)
		return lab_refuse(run, err, "no free block of order %u",
				  exact->split.order);
	if (err)
		return err;
	record_origin(run, &exact->split);
	record_number(&run->record, "taken_pages", exact->taken_pages);
	held = lab_hold(run);
	err = context_still(return_exact_still, exact, run->reason);
	if (err) {
		free_pages_exact(exact->area, exact->bytes);
		return err;
	}
	record_number(&run->record, "returned_pages", exact->returned_pages);
	return held;
}

static int buddy_exact(struct lab_run *run)
{
	struct buddy_exact exact = { .bytes = lab_number(run, "bytes") };
	int err;

	exact.split.order = get_order(exact.bytes);
	err = lab_charge(run, PAGE_SIZE << exact.split.order);
	if (err)
		return err;
	exact.split.zones = alloc_zones();
	if (!exact.split.zones)
		return -ENOMEM;
	err = show_exact(run, &exact);
	kfree(exact.split.zones);
	return err;
}

/**
 * struct buddy_pages - a block that is freed page by page
 * @split:	where the block came from; none is put aside for it
 * @nid:	node that it is to come from
 * @taken_pages: fewer free pages in the machine while the block is held
 * @returned_pages: more free pages after all its pages were freed
 * @cpu_pages_before: pages on this CPU's lists for the zone before that
 * @cpu_pages_after: and after
 */
struct buddy_pages {
	struct buddy_split split;
	int nid;
	s64 taken_pages;
	s64 returned_pages;
	int cpu_pages_before;
	int cpu_pages_after;
};

static int split_page_still(void *arg)
{
	struct buddy_pages *pages = arg;
	struct buddy_split *split = &pages->split;
	s64 free = ledger_free_pages(), held;
	struct page *page;
	unsigned int i;

	read_all_zones(split->zones);
	page = alloc_pages_node(pages->nid, GFP_STILL | __GFP_THISNODE,
				split->order);
	if (!page)
		return -ENOMEM;
	note_block(split, page);
	held = ledger_free_pages();
	pages->taken_pages = free - held;

	pages->cpu_pages_before =
		this_cpu_read(split->zone->per_cpu_pageset->count);
	split_page(page, split->order);
	for (i = 0; i < 1U << split->order; i++)
		__free_page(page + i);
	pages->cpu_pages_after =
		this_cpu_read(split->zone->per_cpu_pageset->count);
	pages->returned_pages = ledger_free_pages() - held;
	return 0;
}

static int buddy_split_page(struct lab_run *run)
{
	struct buddy_pages pages = {
		.split.order = lab_number(run, "order"),
		.nid = lab_number(run, "node"),
	};
	int err = lab_charge(run, PAGE_SIZE << pages.split.order);

	if (err)
		return err;
	if (!node_online(pages.nid))
		return lab_refuse(run, -ERANGE, "there is no node %d",
				  pages.nid);
	pages.split.zones = alloc_zones();
	if (!pages.split.zones)
		return -ENOMEM;
	err = context_still_on(lab_number(run, "cpu"), split_page_still,
			       &pages, run->reason);
	kfree(pages.split.zones);
	if (err == -ENOMEM)
		return lab_refuse(run, err, "node %d has no block of order %u",
				  pages.nid, pages.split.order);
	if (err)
		return err;
	record_origin(run, &pages.split);
	record_number(&run->record, "taken_pages", pages.taken_pages);
	record_number(&run->record, "returned_pages", pages.returned_pages);
	record_number(&run->record, "cpu_pages_before",
		      pages.cpu_pages_before);
	record_number(&run->record, "cpu_pages_after", pages.cpu_pages_after);
	return 0;
}

#define EXTRA_REFS_MAX	16

/**
 * struct buddy_refs - a block with several references
 * @order:	of the block
 * @nr_refs:	how many references besides the owner's
 * @page:	its first page
 * @refs:	references, with all of them and after each put but the last
 * @taken_pages: fewer free pages in the machine then
 * @returned_pages: more free pages after the last put
 */
struct buddy_refs {
	unsigned int order;
	unsigned int nr_refs;
	struct page *page;
	int refs[EXTRA_REFS_MAX + 1];
	s64 taken_pages[EXTRA_REFS_MAX + 1];
	s64 returned_pages;
};

/*
 * A compound block, because only of that is there one count for all its pages:
 * of another one __free_pages() gives all but the first page back at once,
 * whoever still has a reference.
 */
static int put_all_but_one_still(void *arg)
{
	struct buddy_refs *refs = arg;
	s64 free = ledger_free_pages();
	unsigned int i;

	refs->page = alloc_pages(GFP_STILL | __GFP_COMP, refs->order);
	if (!refs->page)
		return -ENOMEM;
	for (i = 0; i < refs->nr_refs; i++)
		get_page(refs->page);
	for (i = 0; ; i++) {
		refs->refs[i] = page_count(refs->page);
		refs->taken_pages[i] = free - ledger_free_pages();
		if (i == refs->nr_refs)
			return 0;
		/* The owner's is one of them: the count knows no owner. */
		if (i)
			put_page(refs->page);
		else
			__free_pages(refs->page, refs->order);
	}
}

static int put_last_still(void *arg)
{
	struct buddy_refs *refs = arg;
	s64 free = ledger_free_pages();

	put_page(refs->page);
	refs->returned_pages = ledger_free_pages() - free;
	return 0;
}

static void record_refs(struct lab_run *run, const struct buddy_refs *refs)
{
	unsigned int i;
	char key[8];

	record_number(&run->record, "order", refs->order);
	record_number(&run->record, "pfn", page_to_pfn(refs->page));
	record_row(&run->record, "refs");
	for (i = 0; i <= refs->nr_refs; i++) {
		snprintf(key, sizeof(key), "%u", i);
		record_cell(&run->record, key, refs->refs[i]);
	}
	record_row(&run->record, "taken_pages");
	for (i = 0; i <= refs->nr_refs; i++) {
		snprintf(key, sizeof(key), "%u", i);
		record_cell(&run->record, key, refs->taken_pages[i]);
	}
}

static int buddy_refcount(struct lab_run *run)
{
	struct buddy_refs refs = {
		.order = lab_number(run, "order"),
		.nr_refs = lab_number(run, "refs"),
	};
	int err = lab_charge(run, PAGE_SIZE << refs.order), held;

	if (!err)
		err = context_still(put_all_but_one_still, &refs, run->reason);
	if (err == -ENOMEM)
		return lab_refuse(run, err, "no free block of order %u",
				  refs.order);
	if (err)
		return err;
	record_refs(run, &refs);
	held = lab_hold(run);
	err = context_still(put_last_still, &refs, run->reason);
	if (err) {
		put_page(refs.page);
		return err;
	}
	record_number(&run->record, "returned_pages", refs.returned_pages);
	return held;
}

/*
 * The first frame from @pfn on that belongs to the zone and is mapped: zones
 * have holes, some of whole sections, and with DEBUG_PAGEALLOC what is free is
 * not mapped.  @mapped is what the page tables have there.
 */
static struct page *frame_in_zone(const struct zone *zone, unsigned long pfn,
				  unsigned long *mapped)
{
	while (pfn < zone_end_pfn(zone)) {
		struct page *page = pfn_to_online_page(pfn);

		if (page && page_zone(page) == zone &&
		    frame_of(phys_to_virt(PFN_PHYS(pfn)), mapped))
			return page;
		pfn = page ? pfn + 1 : SECTION_ALIGN_UP(pfn + 1);
	}
	return NULL;
}

/* From the struct page on: each number in a way of its own. */
static void record_conversions(struct lab_run *run, const struct page *page,
			       unsigned long mapped)
{
	struct lab_record *record = &run->record;
	unsigned long pfn = page_to_pfn(page);
	phys_addr_t phys = PFN_PHYS(pfn);
	void *virt = phys_to_virt(phys);

	record_cell(record, "pfn", pfn);
	record_cell(record, "phys", phys);
	record_cell(record, "virt_offset_bytes",
		    (unsigned long)virt - PAGE_OFFSET);
#ifdef CONFIG_SPARSEMEM_VMEMMAP
	record_cell(record, "page_offset_bytes",
		    (unsigned long)page - (unsigned long)vmemmap);
#endif
	/* And back. */
	record_cell(record, "pfn_of_page",
		    page_to_pfn(pfn_to_page(PHYS_PFN(phys))));
	record_cell(record, "pfn_of_phys", PHYS_PFN(virt_to_phys(virt)));
	record_cell(record, "pfn_of_virt", page_to_pfn(virt_to_page(virt)));
	record_cell(record, "pfn_mapped", mapped);
}

/* Where nothing else of the zone is mapped, @held is. */
static int show_addresses(struct lab_run *run, struct zone *zone,
			  const struct page *held)
{
	unsigned int count = lab_number(run, "count"), i;
	int err = 0;

	for (i = 0; !err && i < count; i++) {
		/*
		 * The middle of each of so many equal parts.  What is absent is
		 * mostly at the zone's end.
		 */
		unsigned long pfn = zone->zone_start_pfn +
			zone->present_pages * (2 * i + 1) / (2 * count);
		const struct page *page;
		unsigned long mapped;

		page = frame_in_zone(zone, pfn, &mapped);
		if (!page && held)
			page = frame_in_zone(zone, page_to_pfn(held), &mapped);
		if (page) {
			record_row(&run->record, "N%d.%s.%u",
				   zone_to_nid(zone), zone->name, i);
			record_conversions(run, page, mapped);
		}
		err = context_breathe(run->reason);
	}
	return err;
}

/* The flags of a request that this zone is the first to be asked for. */
static gfp_t gfp_of(const struct zone *zone)
{
	switch (zone_idx(zone)) {
#ifdef CONFIG_ZONE_DMA
	case ZONE_DMA:
		return GFP_LAB | __GFP_DMA;
#endif
#ifdef CONFIG_ZONE_DMA32
	case ZONE_DMA32:
		return GFP_LAB | __GFP_DMA32;
#endif
	default:
		return GFP_LAB;
	}
}

/* Frames of others are not to be written to: marks one page of each zone. */
static int show_zones(struct lab_run *run, const struct buddy_zones *zones,
		      struct page **pages)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < zones->nr; i++) {
		struct zone *zone = zones->zone[i].zone;

		pages[i] = alloc_pages_node(zone_to_nid(zone),
					    gfp_of(zone) | __GFP_THISNODE, 0);
	}
	for (i = 0; !err && i < zones->nr; i++)
		err = show_addresses(run, zones->zone[i].zone, pages[i]);
	if (!err) {
		frame_mark_pages(&run->record, pages, zones->nr);
		err = lab_hold(run);
	}
	for (i = 0; i < zones->nr; i++)
		if (pages[i])
			__free_page(pages[i]);
	return err;
}

static int buddy_addresses(struct lab_run *run)
{
	struct buddy_zones *zones = alloc_zones();
	struct page **pages;
	int err;

	if (!zones)
		return -ENOMEM;
	pages = kcalloc(zones->nr, sizeof(*pages), GFP_KERNEL);
	err = pages ? lab_charge(run, zones->nr * PAGE_SIZE) : -ENOMEM;
	record_number(&run->record, "page_bytes", sizeof(struct page));
	if (!err)
		err = show_zones(run, zones, pages);
	kfree(pages);
	kfree(zones);
	return err;
}

/**
 * struct buddy_bulk - single pages that came in one call
 * @count:	asked for
 * @pages:	room for so many, all NULL
 * @nr:		how many came
 * @taken_pages: fewer free pages in the machine while they are held
 * @returned_pages: more free pages when they were given back
 */
struct buddy_bulk {
	unsigned int count;
	struct page **pages;
	unsigned long nr;
	s64 taken_pages;
	s64 returned_pages;
};

static int take_bulk_still(void *arg)
{
	struct buddy_bulk *bulk = arg;
	s64 free = ledger_free_pages();

	bulk->nr = alloc_pages_bulk(GFP_STILL, bulk->count, bulk->pages);
	bulk->taken_pages = free - ledger_free_pages();
	return 0;
}

static int return_bulk_still(void *arg)
{
	struct buddy_bulk *bulk = arg;
	s64 free = ledger_free_pages();
	unsigned long i;

	for (i = 0; i < bulk->nr; i++)
		__free_page(bulk->pages[i]);
	bulk->returned_pages = ledger_free_pages() - free;
	return 0;
}

static int show_bulk(struct lab_run *run, struct buddy_bulk *bulk)
{
	int err = context_still(take_bulk_still, bulk, run->reason);
	int held;

	if (err)
		return err;
	record_number(&run->record, "nr_pages", bulk->nr);
	record_number(&run->record, "taken_pages", bulk->taken_pages);
	frame_mark_pages(&run->record, bulk->pages, bulk->nr);
	held = lab_hold(run);
	err = context_still(return_bulk_still, bulk, run->reason);
	if (err) {
		return_bulk_still(bulk);
		return err;
	}
	record_number(&run->record, "returned_pages", bulk->returned_pages);
	return held;
}

static int buddy_bulk(struct lab_run *run)
{
	struct buddy_bulk bulk = { .count = lab_number(run, "count") };
	int err = lab_charge(run, bulk.count * PAGE_SIZE);

	if (err)
		return err;
	bulk.pages = kcalloc(bulk.count, sizeof(*bulk.pages), GFP_KERNEL);
	if (!bulk.pages)
		return -ENOMEM;
	err = show_bulk(run, &bulk);
	kfree(bulk.pages);
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
	record_function(&run->record, "alloc_function", "path_alloc");
	record_function(&run->record, "free_function", "path_free");
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

/* An object is a struct page. */
static __always_inline void *pages_alloc(struct lab_source *source, gfp_t gfp)
{
	return alloc_pages(gfp, source->order);
}

static __always_inline void pages_free(struct lab_source *source, void *object)
{
	__free_pages(object, source->order);
}

static const void *pages_address(struct lab_source *source, void *object)
{
	return page_address(object);
}

LAB_LOOPS(pages);

/* The kernel has no call that takes many pages back. */
static __always_inline void pages_bulk_free(struct lab_source *source, size_t nr,
					    void **objects)
{
	while (nr)
		__free_pages(objects[--nr], 0);
}

static __always_inline bool pages_bulk_alloc(struct lab_source *source, gfp_t gfp,
					     size_t nr, void **objects)
{
	size_t got;

	/* It fills in only what is empty. */
	memset(objects, 0, nr * sizeof(*objects));
	got = alloc_pages_bulk(gfp, nr, (struct page **)objects);
	if (unlikely(got < nr))
		pages_bulk_free(source, got, objects);
	return got == nr;
}

LAB_BULK_LOOPS(pages_bulk);

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
	.address = pages_address,
	.loops = &pages_loops,
};

static const struct lab_allocator pages_bulk_allocator = {
	.name = "pages_bulk",
	.help = "single pages, many in one call of alloc_pages_bulk()",
	.open = pages_open,
	.alloc = pages_alloc,
	.free = pages_free,
	.address = pages_address,
	.loops = &pages_bulk_loops,
};

static const struct lab_param zones_params[] = {
	{ .name = "order", .help = "of each request", .max = MAX_PAGE_ORDER },
	{ .name = "node", .help = "whose zones are preferred",
	  .max = MAX_NUMNODES - 1 },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param pcp_params[] = {
	{ .name = "cpu", .help = "whose lists", .max = CONFIG_NR_CPUS - 1 },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param hot_params[] = {
	{ .name = "count", .help = "pages freed in a row", .min = 1,
	  .max = HOT_MAX, .def = 8 },
	{ .name = "cpu", .help = "whose lists", .max = CONFIG_NR_CPUS - 1 },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param migratetype_params[] = {
	{ .name = "dry", .help = "type that is run dry in the end",
	  .type = LAB_CHOICE, .choices = migrate_types },
	{ .name = "order", .help = "of each request",
	  .min = FIRST_DIRECT_ORDER, .max = LAST_DIRECT_ORDER,
	  .def = FIRST_DIRECT_ORDER },
	LAB_HOLD_PARAM,
	{}
};

/* In the order of choose_zone(). */
static const char *const zone_words[] = { "small", "dma", "dma32", "normal", NULL };

static const struct lab_param fragmentation_params[] = {
	{ .name = "order", .help = "of the request that fails", .min = 1,
	  .max = MAX_PAGE_ORDER, .def = FIRST_DIRECT_ORDER },
	{ .name = "zone", .help = "to split up; small: a small one of any node",
	  .type = LAB_CHOICE, .choices = zone_words },
	{ .name = "node", .help = "of the zone", .max = MAX_NUMNODES - 1 },
	LAB_OVER_BUDGET_PARAM,
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param fallback_params[] = {
	{ .name = "node", .help = "whose first zone is run dry",
	  .max = MAX_NUMNODES - 1, .def = 1 },
	{ .name = "order", .help = "of each request",
	  .min = FIRST_DIRECT_ORDER, .max = LAST_DIRECT_ORDER,
	  .def = FIRST_DIRECT_ORDER },
	{ .name = "count", .help = "requests while it is dry", .min = 1,
	  .max = 64, .def = 16 },
	LAB_OVER_BUDGET_PARAM,
	LAB_HOLD_PARAM,
	{}
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

static const char *const halves[] = { "lower", "upper", NULL };

static const struct lab_param partner_params[] = {
	{ .name = "order",
	  .help = "of the two blocks; these orders bypass the per-CPU lists",
	  .min = FIRST_DIRECT_ORDER, .max = LAST_DIRECT_ORDER,
	  .def = FIRST_DIRECT_ORDER },
	{ .name = "first", .help = "which is freed first",
	  .type = LAB_CHOICE, .choices = halves },
	{}
};

static const struct lab_param max_order_params[] = {
	{ .name = "over", .help = "orders beyond the largest to ask for",
	  .min = 1, .max = 8, .def = 1 },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param waste_params[] = {
	{ .name = "bytes", .help = "of one request; 0: a table of sizes",
	  .max = LARGEST_BLOCK_BYTES },
	{}
};

static const struct lab_param exact_params[] = {
	{ .name = "bytes", .help = "of the request", .min = 1,
	  .max = LARGEST_BLOCK_BYTES, .def = 37 * PAGE_SIZE },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param split_page_params[] = {
	{ .name = "order",
	  .help = "of the block; these orders bypass the per-CPU lists",
	  .min = FIRST_DIRECT_ORDER, .max = LAST_DIRECT_ORDER,
	  .def = FIRST_DIRECT_ORDER },
	{ .name = "node", .help = "whose memory", .max = MAX_NUMNODES - 1 },
	{ .name = "cpu", .help = "that frees the pages",
	  .max = CONFIG_NR_CPUS - 1 },
	{}
};

static const struct lab_param refcount_params[] = {
	{ .name = "order",
	  .help = "of the block; these orders bypass the per-CPU lists",
	  .min = FIRST_DIRECT_ORDER, .max = LAST_DIRECT_ORDER,
	  .def = FIRST_DIRECT_ORDER },
	{ .name = "refs", .help = "references besides the owner's",
	  .min = 1, .max = EXTRA_REFS_MAX, .def = 3 },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param addresses_params[] = {
	{ .name = "count", .help = "frames of each zone", .min = 1, .max = 64,
	  .def = 4 },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param bulk_params[] = {
	{ .name = "count", .help = "pages to ask for", .min = 1, .max = 512,
	  .def = 64 },
	LAB_HOLD_PARAM,
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
	{ .name = "zones", .run = buddy_zones, .params = zones_params,
	  .help = "flags choose the zones: DMA, DMA32, or the highest with room" },
	{ .name = "pcp", .run = buddy_pcp, .params = pcp_params,
	  .help = "a CPU's page list is refilled by a batch, drained when full" },
	{ .name = "hot", .run = buddy_hot, .params = hot_params,
	  .help = "the page freed last on a CPU is next handed out there" },
	{ .name = "migratetype", .run = buddy_migratetype,
	  .params = migratetype_params,
	  .help = "each migrate type has lists; a dry one takes from another" },
	{ .name = "fragmentation", .run = buddy_fragmentation,
	  .params = fragmentation_params,
	  .help = "half of a zone is free, and a block of 16 pages is refused" },
	{ .name = "watermarks", .run = buddy_watermarks,
	  .help = "how deep a request may dig below min depends on its flags" },
	{ .name = "fallback", .run = buddy_fallback, .params = fallback_params,
	  .help = "when the preferred zone is dry the next in the list serves" },
	{ .name = "alignment", .run = buddy_alignment,
	  .params = alignment_params,
	  .help = "a block begins at a multiple of its size, frames in a row" },
	{ .name = "split", .run = buddy_split, .params = split_params,
	  .help = "a larger block is halved until it fits" },
	{ .name = "merge", .run = buddy_merge, .params = split_params,
	  .help = "freeing the block merges the halves: all is as before" },
	{ .name = "partner", .run = buddy_partner, .params = partner_params,
	  .help = "a block's partner is its frame number XOR its size" },
	{ .name = "max_order", .run = buddy_max_order,
	  .params = max_order_params,
	  .help = "one order more than the largest is refused without a word" },
	{ .name = "waste", .run = buddy_waste, .params = waste_params,
	  .help = "what a request takes by order and exactly, and what it wastes" },
	{ .name = "exact", .run = buddy_exact, .params = exact_params,
	  .help = "alloc_pages_exact() gives the pages it does not need back" },
	{ .name = "split_page", .run = buddy_split_page,
	  .params = split_page_params,
	  .help = "the pages of a split block are freed one by one" },
	{ .name = "refcount", .run = buddy_refcount, .params = refcount_params,
	  .help = "a page is free only when its last reference is put" },
	{ .name = "addresses", .run = buddy_addresses,
	  .params = addresses_params,
	  .help = "page, frame number, physical and virtual address convert" },
	{ .name = "bulk", .run = buddy_bulk, .params = bulk_params,
	  .help = "many single pages come in one call, every one distinct" },
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

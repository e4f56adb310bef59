// SPDX-License-Identifier: GPL-2.0
/*
 * Blocks of pages that an experiment holds for a while: put aside, or all of a
 * zone so that it runs dry.
 */
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/vmstat.h>

#include "compat/compat.h"
#include "core/context.h"
#include "core/family.h"
#include "families/hoard.h"

/**
 * hoard_init() - make an empty hoard
 * @hoard:	the hoard
 *
 * Context: Any.
 */
void hoard_init(struct lab_hoard *hoard)
{
	*hoard = (struct lab_hoard){};
	INIT_LIST_HEAD(&hoard->blocks);
}

/**
 * hoard_add() - put a block that one has into a hoard
 * @hoard:	the hoard
 * @page:	first page of the block, not compound
 * @order:	of the block
 *
 * Context: Any.
 */
void hoard_add(struct lab_hoard *hoard, struct page *page, unsigned int order)
{
	set_page_private(page, order);
	list_add(&page->lru, &hoard->blocks);
	hoard->nr_blocks++;
	hoard->nr_pages += 1UL << order;
}

/**
 * hoard_take() - allocate a block and put it into a hoard
 * @hoard:	the hoard
 * @gfp:	flags of the request, without __GFP_COMP
 * @nid:	node, or NUMA_NO_NODE
 * @order:	of the block
 *
 * Context: As @gfp says.  The caller has charged it.
 * Return: the block's first page, or NULL.
 */
struct page *hoard_take(struct lab_hoard *hoard, gfp_t gfp, int nid,
			unsigned int order)
{
	struct page *page = alloc_pages_node(nid, gfp, order);

	if (page)
		hoard_add(hoard, page, order);
	return page;
}

/**
 * hoard_dry() - take all that a request can have of one zone
 * @run:	the command; the caller has charged the zone's free pages
 * @hoard:	takes the blocks
 * @zone:	the zone
 * @gfp:	flags of the request; those that choose the zone are among them,
 *		and none that lets it reclaim
 *
 * Largest blocks first.  How much is left in the end depends on how deep @gfp
 * may dig below the zone's watermarks.
 *
 * Context: Process context, may sleep between two blocks.
 * Return: 0, or -EINTR where a fatal signal came; the caller frees @hoard
 * either way.
 */
int hoard_dry(struct lab_run *run, struct lab_hoard *hoard, struct zone *zone,
	      gfp_t gfp)
{
	int order = MAX_PAGE_ORDER, nid = zone_to_nid(zone), err = 0;

	gfp |= __GFP_THISNODE | __GFP_NOWARN;
	while (!err && order >= 0) {
		struct page *page = alloc_pages_node(nid, gfp, order);

		if (page && page_zone(page) == zone) {
			hoard_add(hoard, page, order);
		} else {
			/* A lower zone has begun to serve: this one is done. */
			if (page)
				__free_pages(page, order);
			order--;
		}
		err = context_pause(run->reason);
	}
	return err;
}

/**
 * hoard_pop() - give back the block that came last
 * @hoard:	the hoard
 *
 * Context: Any.
 * Return: whether there was one.
 */
bool hoard_pop(struct lab_hoard *hoard)
{
	struct page *page;
	unsigned int order;

	page = list_first_entry_or_null(&hoard->blocks, struct page, lru);
	if (!page)
		return false;
	order = page_private(page);
	list_del(&page->lru);
	set_page_private(page, 0);
	hoard->nr_blocks--;
	hoard->nr_pages -= 1UL << order;
	__free_pages(page, order);
	return true;
}

static unsigned long nr_freed_here(void)
{
#ifdef CONFIG_VM_EVENT_COUNTERS
	return this_cpu_read(vm_event_states.event[PGFREE]);
#else
	return 0;
#endif
}

/**
 * hoard_pop_past_lists() - give back the block that came last, past the CPU's lists
 * @hoard:	the hoard
 *
 * Before 6.10 such a free is not counted: free_unref_page() leaves that to the lists that
 * it does not reach, and free_one_page() has no part in it.  So it is counted here, where
 * the kernel has not done so.
 *
 * Context: Any; the caller holds the lock of this CPU's lists of the block's zone, so
 * that the kernel does not find room there (mm/page_alloc.c, free_unref_page()).
 * Return: whether there was one.
 */
bool hoard_pop_past_lists(struct lab_hoard *hoard)
{
	unsigned long nr_freed = nr_freed_here(), nr_pages = hoard->nr_pages;
	bool popped = hoard_pop(hoard);

	if (popped && nr_freed_here() == nr_freed)
		count_vm_events(PGFREE, nr_pages - hoard->nr_pages);
	return popped;
}

/**
 * hoard_free() - give back all blocks
 * @hoard:	the hoard; ready for use again afterwards
 *
 * Context: Process context, may sleep.  Where that is not so: hoard_pop() until
 * it is empty.
 */
void hoard_free(struct lab_hoard *hoard)
{
	while (hoard_pop(hoard))
		cond_resched();
}

/**
 * hoard_free_past_lists() - give back all blocks, so that they merge at once
 * @hoard:	the hoard; ready for use again afterwards
 *
 * Not by way of the CPU's lists: with those locked, what is freed passes them by
 * (mm/page_alloc.c, free_unref_page()).  Pages that are left on the lists keep
 * their neighbours from merging for a long time.
 *
 * Context: Process context, may sleep.
 */
void hoard_free_past_lists(struct lab_hoard *hoard)
{
	while (!list_empty(&hoard->blocks)) {
		struct page *page = list_first_entry(&hoard->blocks,
						     struct page, lru);
		struct per_cpu_pages *pcp;

		migrate_disable();
		pcp = this_cpu_ptr(page_zone(page)->per_cpu_pageset);
		spin_lock(&pcp->lock);
		hoard_pop_past_lists(hoard);
		spin_unlock(&pcp->lock);
		migrate_enable();
		cond_resched();
	}
}

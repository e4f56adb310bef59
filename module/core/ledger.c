// SPDX-License-Identifier: GPL-2.0
/*
 * The ledger: a page that leaves the free lists must turn up somewhere.
 *
 * The kernel keeps its counters as a global sum and a difference per CPU that
 * is folded in later (mm/vmstat.c), so the sums alone are off by up to the
 * fold threshold.  Both parts are added up here, which makes the reading exact
 * on a machine that holds still.  Pages on the per-CPU lists count as free:
 * NR_FREE_PAGES leaves them out.
 */
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/vmstat.h>

#include "core/ledger.h"
#include "core/record.h"

static const char *const ledger_keys[LEDGER_NR] = {
	[LEDGER_FREE]			= "ledger.free_pages",
	[LEDGER_SLAB_RECLAIMABLE]	= "ledger.slab_reclaimable_pages",
	[LEDGER_SLAB_UNRECLAIMABLE]	= "ledger.slab_unreclaimable_pages",
	[LEDGER_PAGETABLE]		= "ledger.pagetable_pages",
	[LEDGER_STACK]			= "ledger.stack_pages",
	[LEDGER_ANON]			= "ledger.anon_pages",
	[LEDGER_FILE]			= "ledger.file_pages",
};

static s64 node_item(enum node_stat_item item)
{
	s64 sum = atomic_long_read(&vm_node_stat[item]);
	int nid, cpu;

	for_each_online_node(nid)
		for_each_online_cpu(cpu)
			sum += per_cpu_ptr(NODE_DATA(nid)->per_cpu_nodestats,
					   cpu)->vm_node_stat_diff[item];
	return sum;
}

/**
 * ledger_free_pages() - pages that are free, per-CPU lists included
 *
 * Context: Any.  Exact only while nothing allocates or frees.
 * Return: pages.
 */
s64 ledger_free_pages(void)
{
	s64 sum = 0;
	int nid, cpu, i;

	for_each_online_node(nid) {
		for (i = 0; i < MAX_NR_ZONES; i++) {
			struct zone *zone = &NODE_DATA(nid)->node_zones[i];

			if (!populated_zone(zone))
				continue;
			sum += zone_page_state_snapshot(zone, NR_FREE_PAGES);
			for_each_online_cpu(cpu) {
				struct per_cpu_pages *pcp;

				pcp = per_cpu_ptr(zone->per_cpu_pageset, cpu);
				sum += READ_ONCE(pcp->count);
			}
		}
	}
	return sum;
}

/**
 * ledger_read() - take a reading
 * @ledger:	filled in
 *
 * Context: Any.  Exact only while nothing allocates or frees.
 */
void ledger_read(struct lab_ledger *ledger)
{
	s64 *pages = ledger->pages;

	pages[LEDGER_FREE] = ledger_free_pages();
	pages[LEDGER_SLAB_RECLAIMABLE] = node_item(NR_SLAB_RECLAIMABLE_B);
	pages[LEDGER_SLAB_UNRECLAIMABLE] = node_item(NR_SLAB_UNRECLAIMABLE_B);
	pages[LEDGER_PAGETABLE] = node_item(NR_PAGETABLE);
	pages[LEDGER_STACK] =
		node_item(NR_KERNEL_STACK_KB) >> (PAGE_SHIFT - 10);
	pages[LEDGER_ANON] = node_item(NR_ANON_MAPPED);
	pages[LEDGER_FILE] = node_item(NR_FILE_PAGES);
}

/**
 * ledger_record() - write down how the counters moved
 * @record:	gets one line for each item, the pages kept, and the remainder
 * @before:	reading before the command
 * @after:	reading after it
 * @kept_pages:	pages that the command took from the buddy and kept, which no
 *		counter of the kernel shows
 *
 * The remainder is what no line explains.  It is not the command's alone: what
 * the rest of the machine did meanwhile is in it.
 *
 * Context: Process context, may sleep.
 */
void ledger_record(struct lab_record *record, const struct lab_ledger *before,
		   const struct lab_ledger *after, s64 kept_pages)
{
	s64 unexplained = kept_pages;
	int i;

	for (i = 0; i < LEDGER_NR; i++) {
		s64 moved = after->pages[i] - before->pages[i];

		record_signed(record, ledger_keys[i], moved);
		unexplained += moved;
	}
	record_signed(record, "ledger.kept_pages", kept_pages);
	record_signed(record, "ledger.unexplained_pages", unexplained);
}

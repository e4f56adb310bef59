/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's own counters, before and after. */
#ifndef KMEMLAB_CORE_LEDGER_H
#define KMEMLAB_CORE_LEDGER_H

#include <linux/types.h>

struct lab_record;

/**
 * enum ledger_item - what the ledger follows, in pages
 * @LEDGER_FREE:	  free in the buddy or on a per-CPU list of it
 * @LEDGER_SLAB_RECLAIMABLE:   in slabs that shrinkers can empty
 * @LEDGER_SLAB_UNRECLAIMABLE: in other slabs, large kmallocs included
 * @LEDGER_PAGETABLE:	  page tables of user space
 * @LEDGER_STACK:	  kernel stacks; where they are areas of vmalloc() they are
 *			  in @LEDGER_VMALLOC too
 * @LEDGER_VMALLOC:	  in areas of vmalloc()
 * @LEDGER_PERCPU:	  in chunks of per-CPU memory
 * @LEDGER_ANON:	  mapped anonymous memory
 * @LEDGER_FILE:	  page cache
 * @LEDGER_MEMCG:	  charged to the cgroup of the task that reads, and to those
 *			  below it; charged in batches of up to 64 pages a CPU
 *			  (MEMCG_CHARGE_BATCH), and all of it is also in one of
 *			  the items above
 * @LEDGER_NR:		  how many there are
 */
enum ledger_item {
	LEDGER_FREE,
	LEDGER_SLAB_RECLAIMABLE,
	LEDGER_SLAB_UNRECLAIMABLE,
	LEDGER_PAGETABLE,
	LEDGER_STACK,
	LEDGER_VMALLOC,
	LEDGER_PERCPU,
	LEDGER_ANON,
	LEDGER_FILE,
	LEDGER_MEMCG,
	LEDGER_NR,
};

/**
 * struct lab_ledger - one reading of the counters
 * @pages:	a count for each &enum ledger_item, in pages
 * @allocated_pages: that were ever handed out; and
 * @freed_pages: that were ever given back (mm/page_alloc.c, PGALLOC and PGFREE)
 */
struct lab_ledger {
	s64 pages[LEDGER_NR];
	s64 allocated_pages;
	s64 freed_pages;
};

int ledger_init(void);
void ledger_exit(void);
void ledger_read(struct lab_ledger *ledger);
s64 ledger_free_pages(void);
s64 ledger_slab_pages(bool reclaimable);
s64 ledger_record(struct lab_record *record, const struct lab_ledger *before,
		  const struct lab_ledger *after, s64 kept_pages);
void ledger_record_all(struct lab_record *record, s64 kept_pages);

#endif

// SPDX-License-Identifier: GPL-2.0
/* page - what the kernel knows of each frame. */
#include <linux/kernel.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/pageblock-flags.h>
#include <linux/random.h>

#include "compat/compat.h"
#include "core/context.h"
#include "core/family.h"
#include "core/frame.h"

/* Largest block of which each frame is listed. */
#define FRAME_ORDER_MAX		(ilog2(FRAMES_SHOWN))

/**
 * struct page_memmap - all struct pages there are
 * @nr_frames:	frames that have one
 * @nr_pages:	pages that hold them
 */
struct page_memmap {
	unsigned long nr_frames;
	unsigned long nr_pages;
};

/* The kernel makes the memmap in units of no less than a pageblock. */
static int read_memmap(struct lab_run *run, struct page_memmap *memmap)
{
	unsigned long pfn, end = 0;
	struct lab_frames frames;
	int nid, err = 0;

	for_each_online_node(nid)
		end = max(end, pgdat_end_pfn(NODE_DATA(nid)));
	for (pfn = 0; !err && pfn < end; pfn += pageblock_nr_pages) {
		if (!pfn_valid(pfn))
			continue;
		frame_walk(pfn_to_page(pfn),
			   pageblock_nr_pages * sizeof(struct page), &frames);
		memmap->nr_frames += pageblock_nr_pages;
		memmap->nr_pages += frames.nr_pages;
		err = context_breathe(run->reason);
	}
	return err;
}

/*
 * Marks each page of a block in its struct page, in the field that is left to
 * the owner of the page, and records where in physical memory that one lies.
 */
static void record_struct_pages(struct lab_run *run, struct page *block,
				unsigned int order)
{
	u64 mark = get_random_u64() >> 8;
	unsigned long i, pfn;

	record_number(&run->record, "mark", mark);
	for (i = 0; i < 1UL << order; i++) {
		struct page *page = block + i;

		set_page_private(page, mark + i);
		if (!frame_of(page, &pfn))
			continue;
		record_row(&run->record, "page.%lu", i);
		record_cell(&run->record, "pfn", page_to_pfn(page));
		record_cell(&run->record, "memmap_pfn", pfn);
		record_cell(&run->record, "memmap_offset",
			    offset_in_page(page));
	}
}

static int page_frame(struct lab_run *run)
{
	unsigned int order = lab_number(run, "order");
	struct page_memmap memmap = {};
	struct page *block;
	unsigned long i;
	int err;

	err = lab_charge(run, PAGE_SIZE << order);
	if (!err)
		err = read_memmap(run, &memmap);
	if (err)
		return err;
	block = alloc_pages(GFP_LAB, order);
	if (!block)
		return -ENOMEM;
	record_number(&run->record, "frame_bytes", PAGE_SIZE);
	record_number(&run->record, "struct_page_bytes", sizeof(struct page));
	record_number(&run->record, "nr_frames", memmap.nr_frames);
	record_number(&run->record, "memmap_pages", memmap.nr_pages);
	record_struct_pages(run, block, order);
	err = lab_hold(run);
	for (i = 0; i < 1UL << order; i++)
		set_page_private(block + i, 0);
	__free_pages(block, order);
	return err;
}

static int page_compound(struct lab_run *run)
{
	unsigned int order = lab_number(run, "order");
	gfp_t gfp = lab_number(run, "comp") ? GFP_LAB | __GFP_COMP : GFP_LAB;
	unsigned long i, nr_tails = 0;
	struct page *block;
	int err;

	err = lab_charge(run, PAGE_SIZE << order);
	if (err)
		return err;
	block = alloc_pages(gfp, order);
	if (!block)
		return lab_refuse(run, -ENOMEM, "no block of order %u", order);
	for (i = 0; i < 1UL << order; i++)
		nr_tails += PageTail(block + i) &&
			    compound_head(block + i) == block;
	record_number(&run->record, "pfn", page_to_pfn(block));
	record_number(&run->record, "nr_pages", i);
	record_number(&run->record, "compound_order", compound_order(block));
	record_number(&run->record, "nr_heads", PageHead(block));
	record_number(&run->record, "nr_tails", nr_tails);
	err = lab_hold(run);
	__free_pages(block, order);
	return err;
}

/* The words of /proc/pagetypeinfo (mm/page_alloc.c, migratetype_names). */
static const char *const migrate_types[MIGRATE_TYPES] = {
	[MIGRATE_UNMOVABLE] = "Unmovable",
	[MIGRATE_MOVABLE] = "Movable",
	[MIGRATE_RECLAIMABLE] = "Reclaimable",
	[MIGRATE_HIGHATOMIC] = "HighAtomic",
#ifdef CONFIG_CMA
	[MIGRATE_CMA] = "CMA",
#endif
#ifdef CONFIG_MEMORY_ISOLATION
	[MIGRATE_ISOLATE] = "Isolate",
#endif
};

/**
 * struct page_block - the block that a frame is part of
 * @head:	its first page; the frame's own where it is part of none
 * @order:	its order, or 0
 * @buddy:	it is free
 */
struct page_block {
	struct page *head;
	unsigned int order;
	bool buddy;
};

/* Is the frame in a block that begins here or at any lower alignment? */
static bool find_buddy(struct page *page, unsigned long pfn,
		       struct page_block *block)
{
	unsigned int order;

	for (order = 0; order < NR_PAGE_ORDERS; order++) {
		struct page *head = page - (pfn & (BIT(order) - 1));

		if (!PageBuddy(head))
			continue;
		block->head = head;
		block->order = READ_ONCE(head->private);
		/* A block too small to reach here is another. */
		if (block->order >= order && block->order < NR_PAGE_ORDERS)
			return true;
	}
	return false;
}

static void find_block(struct page *page, unsigned long pfn,
		       struct page_block *block)
{
	block->buddy = !page_ref_count(page) && find_buddy(page, pfn, block);
	if (!block->buddy) {
		block->head = compound_head(page);
		block->order = compound_order(block->head);
	}
}

/* The struct page of any frame, if it has one that may be looked at. */
static struct page *look_up(struct lab_run *run, unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);

	if (!page && pfn_valid(pfn))
		lab_refuse(run, -ERANGE, "frame %lu is offline, or a device's",
			   pfn);
	else if (!page)
		lab_refuse(run, -ERANGE, "frame %lu: there is no such memory",
			   pfn);
	else if (PagePoisoned(page))
		page = NULL, lab_refuse(run, -ERANGE,
					"frame %lu was never made ready", pfn);
	return page;
}

/*
 * Nobody keeps the page from being allocated, split, merged or freed meanwhile:
 * as with /proc/kpageflags each field is what it was at some moment.  So nothing
 * is called that takes anything for granted, and no field is used as a pointer
 * but that to the head, which is always a struct page.
 */
static int page_flags(struct lab_run *run)
{
	unsigned long pfn = lab_number(run, "pfn"), flags, head_flags, mapping;
	struct page *page = look_up(run, pfn);
	struct page_block block;
	unsigned int type;

	if (!page)
		return -ERANGE;
	find_block(page, pfn, &block);
	flags = READ_ONCE(page->flags);
	head_flags = READ_ONCE(block.head->flags);
	mapping = (unsigned long)READ_ONCE(block.head->mapping);
	type = frame_migrate_type(page);

	record_number(&run->record, "pfn", pfn);
	record_number(&run->record, "node", page_to_nid(page));
	record_text(&run->record, "zone", "%s", page_zone(page)->name);
	record_text(&run->record, "flags", "%pGp", &flags);
	record_text(&run->record, "migrate_type", "%s",
		    type < MIGRATE_TYPES && migrate_types[type] ?
			    migrate_types[type] : "unknown");
	record_number(&run->record, "references", page_ref_count(block.head));
	record_number(&run->record, "mappings", compat_page_mapcount(page));
	record_number(&run->record, "block_pfn", page_to_pfn(block.head));
	record_number(&run->record, "order", block.order);
	record_row(&run->record, "is");
	record_cell(&run->record, "reserved", !!(flags & BIT(PG_reserved)));
	record_cell(&run->record, "buddy", block.buddy);
	record_cell(&run->record, "slab", !!PageSlab(page));
	record_cell(&run->record, "lru", !!(head_flags & BIT(PG_lru)));
	record_cell(&run->record, "anon", !!(mapping & PAGE_MAPPING_ANON));
	record_cell(&run->record, "head", !!(flags & BIT(PG_head)));
	record_cell(&run->record, "tail", !!PageTail(page));
	return 0;
}

/* The tables */

static const struct lab_param frame_params[] = {
	{ .name = "order", .help = "of the block whose frames are looked at",
	  .max = FRAME_ORDER_MAX, .def = 2 },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param compound_params[] = {
	{ .name = "order", .help = "of the block", .max = MAX_PAGE_ORDER,
	  .def = 3 },
	{ .name = "comp", .help = "whether to ask for a compound page",
	  .type = LAB_CHOICE, .choices = lab_no_yes, .def = 1 },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param flags_params[] = {
	{ .name = "pfn", .help = "page frame number",
	  .max = PHYS_ADDR_MAX >> PAGE_SHIFT },
	{}
};

static const struct lab_experiment page_experiments[] = {
	{ .name = "frame", .run = page_frame, .params = frame_params,
	  .help = "every frame has a struct page, at an address that its number gives" },
	{ .name = "compound", .run = page_compound, .params = compound_params,
	  .help = "a compound page is one head, which knows the order, and tails" },
	{ .name = "flags", .run = page_flags, .params = flags_params,
	  .help = "of any frame it is known what it is used for, and by how many" },
	{}
};

const struct lab_family page_family = {
	.name = "page",
	.help = "what is known of each frame",
	.experiments = page_experiments,
};

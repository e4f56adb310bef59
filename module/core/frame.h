/* SPDX-License-Identifier: GPL-2.0 */
/* The page frames behind a range of kernel addresses. */
#ifndef KMEMLAB_CORE_FRAME_H
#define KMEMLAB_CORE_FRAME_H

#include <linux/types.h>

struct lab_record;
struct page;

/**
 * struct lab_frames - what a walk over a range found
 * @first_pfn:	frame behind the first page
 * @nr_pages:	pages that are mapped
 * @nr_holes:	pages that are not
 * @nr_runs:	stretches of consecutive frames; 1 means that virtual minus
 *		physical address is the same all over the range
 */
struct lab_frames {
	unsigned long first_pfn;
	unsigned long nr_pages;
	unsigned long nr_holes;
	unsigned long nr_runs;
};

/** define FRAME_LEVELS_MAX - levels of the page tables, at most. */
#define FRAME_LEVELS_MAX	5

/**
 * struct lab_entry - what one level of the page tables has for an address
 * @level:	the kernel's name of the level
 * @shift:	an entry of this level covers 2^shift bytes
 * @index:	of the entry in its table
 * @leaf:	it maps memory; otherwise it points to the table below
 * @flags:	its bits other than the frame, less those that the CPU sets by
 *		itself (accessed and dirty)
 * @pfn:	first frame of what it maps, or the frame of the table below
 */
struct lab_entry {
	const char *level;
	unsigned int shift;
	unsigned int index;
	bool leaf;
	u64 flags;
	unsigned long pfn;
};

/**
 * struct lab_levels - the entries on the way to an address
 * @nr:		how many; the last is the leaf, where the address is mapped
 * @entry:	each, from the top
 */
struct lab_levels {
	unsigned int nr;
	struct lab_entry entry[FRAME_LEVELS_MAX];
};

/**
 * struct lab_memory_type - how what is mapped at an address is cached
 * @pwt:	bit of the leaf: write through
 * @pcd:	cache disabled
 * @pat:	the third bit of an index into the page attribute table
 * @name:	the type that the table has there, as
 *		/sys/kernel/debug/x86/pat_memtype_list names it
 */
struct lab_memory_type {
	bool pwt;
	bool pcd;
	bool pat;
	const char *name;
};

/** define FRAMES_SHOWN - the most frames that a record lists. */
#define FRAMES_SHOWN	64

int frame_levels(const void *address, struct lab_levels *levels);
int frame_memory_type(const void *address, struct lab_memory_type *type);
bool frame_of(const void *address, unsigned long *pfn);
void frame_mark(struct lab_record *record, void *address, size_t bytes);
void frame_mark_pages(struct lab_record *record, struct page *const *pages,
		      unsigned int nr);
unsigned int frame_migrate_type(const struct page *page);
void frame_walk(const void *address, size_t bytes, struct lab_frames *frames);

#endif

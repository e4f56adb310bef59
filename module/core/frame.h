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

/** define FRAMES_SHOWN - the most frames that a record lists. */
#define FRAMES_SHOWN	64

bool frame_of(const void *address, unsigned long *pfn);
void frame_mark(struct lab_record *record, void *address, size_t bytes);
void frame_mark_pages(struct lab_record *record, struct page *const *pages,
		      unsigned int nr);
void frame_walk(const void *address, size_t bytes, struct lab_frames *frames);

#endif

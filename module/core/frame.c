// SPDX-License-Identifier: GPL-2.0
/*
 * Frames are looked up in the page tables, not computed: __pa() and
 * virt_to_page() take the direct map's contiguity for granted, and that is the
 * very thing to be shown.
 */
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/pgtable.h>
#include <linux/random.h>

#include "core/frame.h"
#include "core/record.h"

/**
 * frame_of() - the frame that a kernel address is mapped to
 * @address:	any kernel address; it need not be mapped
 * @pfn:	filled in where it is
 *
 * Context: Any.  The caller keeps the mapping from changing.
 * Return: whether @address is mapped.
 */
bool frame_of(const void *address, unsigned long *pfn)
{
#ifdef CONFIG_X86
	unsigned long va = (unsigned long)address;
	unsigned int level;
	pte_t *pte = lookup_address(va, &level);

	if (!pte || !pte_present(*pte))
		return false;
	/* A large leaf covers many frames: add the offset inside it. */
	if (level == PG_LEVEL_2M)
		*pfn = pmd_pfn(*(pmd_t *)pte) + PFN_DOWN(va & ~PMD_MASK);
	else if (level == PG_LEVEL_1G)
		*pfn = pud_pfn(*(pud_t *)pte) + PFN_DOWN(va & ~PUD_MASK);
	else
		*pfn = pte_pfn(*pte);
	return true;
#else
	/*
	 * lookup_address() is x86's; elsewhere only vmalloc has a public walk.
	 */
	struct page *page = is_vmalloc_addr(address) ? vmalloc_to_page(address)
						     : virt_to_page(address);

	if (!page)
		return false;
	*pfn = page_to_pfn(page);
	return true;
#endif
}

/**
 * frame_walk() - look at every page of a range
 * @address:	start of the range, page-aligned
 * @bytes:	its length
 * @frames:	filled in
 *
 * Context: Any.  The caller keeps the mappings from changing.
 */
void frame_walk(const void *address, size_t bytes, struct lab_frames *frames)
{
	unsigned long pfn, next_pfn = 0;
	size_t at;

	*frames = (struct lab_frames){};
	for (at = 0; at < bytes; at += PAGE_SIZE) {
		if (!frame_of(address + at, &pfn)) {
			frames->nr_holes++;
			continue;
		}
		if (!frames->nr_pages)
			frames->first_pfn = pfn;
		if (!frames->nr_pages || pfn != next_pfn)
			frames->nr_runs++;
		next_pfn = pfn + 1;
		frames->nr_pages++;
	}
}

/**
 * frame_mark() - write into each page which one it is, and record its frame
 * @record:	gets "mark", and a row "frames" with the frame of each page
 * @address:	start of the range, page-aligned; the pages are the caller's own
 * @bytes:	its length; only the first FRAMES_SHOWN pages are marked
 *
 * The first 8 bytes of page n become the mark plus n.  Whoever can read memory
 * by its physical address, as through /proc/kcore, can see by that whether the
 * frames recorded are the ones behind these addresses.
 *
 * Context: Process context, may sleep.
 */
void frame_mark(struct lab_record *record, void *address, size_t bytes)
{
	unsigned long nr = min_t(size_t, bytes >> PAGE_SHIFT, FRAMES_SHOWN);
	u64 mark = get_random_u64() >> 8;
	unsigned long i, pfn;
	char key[8];

	record_number(record, "mark", mark);
	record_row(record, "frames");
	for (i = 0; i < nr; i++) {
		u64 *page = address + (i << PAGE_SHIFT);

		*page = mark + i;
		snprintf(key, sizeof(key), "%lu", i);
		if (frame_of(page, &pfn))
			record_cell(record, key, pfn);
	}
}

/**
 * frame_mark_pages() - as frame_mark(), of pages that are no range
 * @record:	gets "mark", and a row "frames" with the frame of each page
 * @pages:	the caller's own; what is NULL is passed over
 * @nr:		how many
 *
 * Context: Process context, may sleep.
 */
void frame_mark_pages(struct lab_record *record, struct page *const *pages,
		      unsigned int nr)
{
	u64 mark = get_random_u64() >> 8;
	unsigned int i;
	char key[8];

	record_number(record, "mark", mark);
	record_row(record, "frames");
	for (i = 0; i < nr; i++) {
		if (!pages[i])
			continue;
		*(u64 *)page_address(pages[i]) = mark + i;
		snprintf(key, sizeof(key), "%u", i);
		record_cell(record, key, page_to_pfn(pages[i]));
	}
}

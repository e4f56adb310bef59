// SPDX-License-Identifier: GPL-2.0
/*
 * Frames are looked up in the page tables, not computed: __pa() and
 * virt_to_page() take the direct map's contiguity for granted, and that is the
 * very thing to be shown.
 */
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/pageblock-flags.h>
#include <linux/pfn.h>
#include <linux/pgtable.h>
#include <linux/random.h>
#include <linux/sched.h>

#ifdef CONFIG_X86_64
#include <asm/memtype.h>
#include <asm/msr.h>
#endif

#include "core/frame.h"
#include "core/record.h"

#ifdef CONFIG_X86_64
static bool add_entry(struct lab_levels *levels, const char *level,
		      unsigned int shift, unsigned long va, bool leaf,
		      u64 flags, unsigned long pfn)
{
	levels->entry[levels->nr++] = (struct lab_entry){
		.level = level,
		.shift = shift,
		.index = (va >> shift) & (PTRS_PER_PTE - 1),
		.leaf = leaf,
		.flags = flags & ~(u64)(_PAGE_ACCESSED | _PAGE_DIRTY),
		.pfn = pfn,
	};
	return leaf;
}
#endif

/**
 * frame_levels() - walk the page tables to a kernel address
 * @address:	any kernel address; it need not be mapped
 * @levels:	gets the entries that are present, from the top
 *
 * Context: Any.  The caller keeps the mapping from changing.
 * Return: 0 where @address is mapped, -ENOENT where it is not, -EOPNOTSUPP
 * where the kernel gives modules no way to its page tables.
 */
int frame_levels(const void *address, struct lab_levels *levels)
{
#ifdef CONFIG_X86_64
	unsigned long va = (unsigned long)address;
	pgd_t pgd;
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;
	pte_t pte;

	levels->nr = 0;
	/*
	 * init_mm is not for modules, but all page tables share its kernel
	 * half.  With PTI this is the table of kernel mode: user mode's is
	 * found from it, not the other way round.
	 */
	pgd = READ_ONCE(*pgd_offset(current->active_mm, va));
	if (!mm_p4d_folded(current->active_mm)) {
		if (!pgd_present(pgd))
			return -ENOENT;
		add_entry(levels, "pgd", PGDIR_SHIFT, va, false,
			  pgd_flags(pgd),
			  (pgd_val(pgd) & PTE_PFN_MASK) >> PAGE_SHIFT);
	}
	/* With four levels this is the same entry, by another name. */
	p4d = READ_ONCE(*p4d_offset(&pgd, va));
	if (!p4d_present(p4d))
		return -ENOENT;
	add_entry(levels, levels->nr ? "p4d" : "pgd", P4D_SHIFT, va, false,
		  p4d_flags(p4d), p4d_pfn(p4d));
	pud = READ_ONCE(*pud_offset(&p4d, va));
	if (!pud_present(pud))
		return -ENOENT;
	if (add_entry(levels, "pud", PUD_SHIFT, va, pud_leaf(pud),
		      pud_flags(pud), pud_pfn(pud)))
		return 0;
	pmd = READ_ONCE(*pmd_offset(&pud, va));
	if (!pmd_present(pmd))
		return -ENOENT;
	if (add_entry(levels, "pmd", PMD_SHIFT, va, pmd_leaf(pmd),
		      pmd_flags(pmd), pmd_pfn(pmd)))
		return 0;
	pte = READ_ONCE(*pte_offset_kernel(&pmd, va));
	if (!pte_present(pte))
		return -ENOENT;
	add_entry(levels, "pte", PAGE_SHIFT, va, true, pte_flags(pte),
		  pte_pfn(pte));
	return 0;
#else
	return -EOPNOTSUPP;
#endif
}

/**
 * frame_memory_type() - how the memory at a kernel address is cached
 * @address:	any kernel address; it need not be mapped
 * @type:	filled in where it is
 *
 * The bits of the leaf are an index into the page attribute table, a register of
 * the CPU with a byte for each type (Intel SDM, volume 3, "Page Attribute
 * Table").
 *
 * Context: Any.  The caller keeps the mapping from changing.
 * Return: 0, -ENOENT where nothing is mapped, -EOPNOTSUPP where the machine has
 * no such table, or no way to look at it.
 */
int frame_memory_type(const void *address, struct lab_memory_type *type)
{
#ifdef CONFIG_X86_64
	static const char *const names[8] = {
		[0] = "uncached", [1] = "write-combining",
		[4] = "write-through", [5] = "write-protected",
		[6] = "write-back", [7] = "uncached-minus",
	};
	struct lab_levels levels;
	const struct lab_entry *leaf;
	unsigned int index;
	u32 low, high;
	int err = frame_levels(address, &levels);

	if (err)
		return err;
	if (!pat_enabled())
		return -EOPNOTSUPP;
	leaf = &levels.entry[levels.nr - 1];
	type->pwt = leaf->flags & _PAGE_PWT;
	type->pcd = leaf->flags & _PAGE_PCD;
	type->pat = leaf->flags & (leaf->shift == PAGE_SHIFT ?
				   _PAGE_PAT : _PAGE_PAT_LARGE);
	index = type->pat << 2 | type->pcd << 1 | type->pwt;
	rdmsr(MSR_IA32_CR_PAT, low, high);
	type->name = names[((u64)high << 32 | low) >> (8 * index) & 7];
	return type->name ? 0 : -EOPNOTSUPP;
#else
	return -EOPNOTSUPP;
#endif
}

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
	unsigned long va = (unsigned long)address;
	const struct lab_entry *leaf;
	struct lab_levels levels;
	struct page *page;
	int err;

	err = frame_levels(address, &levels);
	if (err == -EOPNOTSUPP) {
		/* Only vmalloc's tables have a public walk everywhere. */
		page = is_vmalloc_addr(address) ? vmalloc_to_page(address)
						: virt_to_page(address);
		if (page)
			*pfn = page_to_pfn(page);
		return page;
	}
	if (err)
		return false;
	/* A large leaf covers many frames: add the offset inside it. */
	leaf = &levels.entry[levels.nr - 1];
	*pfn = leaf->pfn + PFN_DOWN(va & ((1UL << leaf->shift) - 1));
	return true;
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

/**
 * frame_migrate_type() - the migrate type of the pageblock that a page is in
 * @page:	a page that there is memory for
 *
 * What mm/page_alloc.c, get_pfnblock_flags_mask(), does, which is not there for
 * modules: a pageblock has its bits in a map of the section or the zone.
 *
 * Context: Any.
 * Return: MIGRATE_UNMOVABLE ...
 */
unsigned int frame_migrate_type(const struct page *page)
{
	unsigned long pfn = page_to_pfn(page), bit;
	const unsigned long *map;

#ifdef CONFIG_SPARSEMEM
	map = section_to_usemap(__pfn_to_section(pfn));
	pfn &= PAGES_PER_SECTION - 1;
#else
	map = page_zone(page)->pageblock_flags;
	pfn -= pageblock_start_pfn(page_zone(page)->zone_start_pfn);
#endif
	bit = (pfn >> pageblock_order) * NR_PAGEBLOCK_BITS;
	return (READ_ONCE(map[BIT_WORD(bit)]) >> (bit % BITS_PER_LONG)) &
	       (BIT(PB_migratetype_bits) - 1);
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every difference between kernel versions, and nothing else.  The code calls
 * the newest interface; where a kernel lacks it, it is supplied here.
 */
#ifndef KMEMLAB_COMPAT_H
#define KMEMLAB_COMPAT_H

#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/slab.h>
#include <linux/version.h>

/*
 * 6.8 renamed MAX_ORDER to MAX_PAGE_ORDER; before 6.4 it was one past the
 * largest.
 */
#ifndef MAX_PAGE_ORDER
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
#define MAX_PAGE_ORDER	(MAX_ORDER - 1)
#else
#define MAX_PAGE_ORDER	MAX_ORDER
#endif
#endif

/* 6.8 added NR_PAGE_ORDERS, the number of orders from 0 to the largest. */
#ifndef NR_PAGE_ORDERS
#define NR_PAGE_ORDERS	(MAX_PAGE_ORDER + 1)
#endif

/* 6.14 renamed alloc_pages_bulk_array(). */
#ifndef alloc_pages_bulk
#define alloc_pages_bulk	alloc_pages_bulk_array
#endif

/*
 * 6.5 added SLAB_NO_MERGE.  Before it, a cache with a region for copies to user
 * space was never merged (mm/slab_common.c, slab_unmergeable()).
 */
static inline struct kmem_cache *
compat_cache_create_unmerged(const char *name, unsigned int size,
			     unsigned int align, slab_flags_t flags,
			     void (*ctor)(void *))
{
#ifdef SLAB_NO_MERGE
	return kmem_cache_create(name, size, align, flags | SLAB_NO_MERGE,
				 ctor);
#else
	return kmem_cache_create_usercopy(name, size, align, flags, 0, size,
					  ctor);
#endif
}

/*
 * 6.14 renamed alloc_pages_bulk_array() to alloc_pages_bulk(), a name that was
 * before that of a function with a list beside the array.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#undef alloc_pages_bulk
#define alloc_pages_bulk(gfp, nr, pages) \
	alloc_pages_bulk_array(gfp, nr, pages)
#endif

/*
 * 6.11 moved page_mapcount() into fs/proc/.  How often one page is mapped, as
 * /proc/kpagecount has it, for a page that nobody keeps from changing: hence
 * without the checks of folio_entire_mapcount().
 */
static inline unsigned int compat_page_mapcount(struct page *page)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
	return PageSlab(page) || page_has_type(page) ? 0 : page_mapcount(page);
#else
	struct folio *folio = page_folio(page);
	unsigned int count = atomic_read(&page->_mapcount) + 1;

	if (page_mapcount_is_type(count))
		count = 0;
	if (test_bit(PG_head, &folio->flags))
		count += atomic_read(&folio->_entire_mapcount) + 1;
	return count;
#endif
}

/*
 * 6.8 removed SLAB and 6.4 SLOB; 7.0 gave SLUB sheaves in place of CPU slabs.
 */
#if defined(CONFIG_SLOB)
#define COMPAT_SLAB_GENERATION	"slob"
#elif defined(CONFIG_SLAB)
#define COMPAT_SLAB_GENERATION	"slab"
#elif LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
#define COMPAT_SLAB_GENERATION	"slub_cpu_slabs"
#else
#define COMPAT_SLAB_GENERATION	"slub_sheaves"
#endif

/* 6.3 made the flags of a mapping constant but for vm_flags_set() and others. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}
#endif

/*
 * 6.19 taught vmalloc to do without sleeping where its flags say so; before, it
 * took page tables and address space in ways that may sleep whatever they said.
 */
#define COMPAT_VMALLOC_CAN_BE_ATOMIC \
	(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0))

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every difference between kernel versions, and nothing else.  The code calls
 * the newest interface; where a kernel lacks it, it is supplied here.
 */
#ifndef KMEMLAB_COMPAT_H
#define KMEMLAB_COMPAT_H

#include <linux/list_lru.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/shrinker.h>
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

/*
 * The caches behind kmalloc() are not for modules by any function, but their table is.
 * 6.6 gave the normal type copies, of which the caller's address chooses one.
 */
static inline void compat_kmalloc_shrink(enum kmalloc_cache_type type, size_t size)
{
	unsigned int index = __kmalloc_index(size, false), last = type;

#ifdef CONFIG_RANDOM_KMALLOC_CACHES
	if (type == KMALLOC_NORMAL)
		last = KMALLOC_RANDOM_END;
#endif
	for (; type <= last; type++)
		if (kmalloc_caches[type][index])
			kmem_cache_shrink(kmalloc_caches[type][index]);
}

/* 6.3 made the flags of a mapping constant but for vm_flags_set() and others. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags &= ~flags;
}
#endif

/* 6.10 made mappings that can be sealed: they are not to be taken away any more. */
#ifndef VM_SEALED
#define VM_SEALED	VM_NONE
#endif

/* 6.17 took the type away that told frames with a struct page from others. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#include <linux/pfn_t.h>
#define compat_insert_frame(vma, address, pfn) \
	vmf_insert_mixed(vma, address, pfn_to_pfn_t(pfn))
#else
#define compat_insert_frame(vma, address, pfn) \
	vmf_insert_mixed(vma, address, pfn)
#endif

/*
 * 6.7 made shrinkers objects of their own: allocated, filled in, registered.
 * Before it, registering one also gave it the number that its lists need, so
 * here it is registered at once, and asked nothing until it is filled in.
 */
typedef unsigned long compat_shrink_fn(struct shrinker *shrinker,
				       struct shrink_control *sc);

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
struct compat_shrinker {
	struct shrinker shrinker;
	void *private_data;
};

static inline unsigned long compat_count_nothing(struct shrinker *shrinker,
						 struct shrink_control *sc)
{
	return 0;
}

static inline struct shrinker *compat_shrinker_alloc(unsigned int flags,
						     const char *name)
{
	struct compat_shrinker *own = kzalloc(sizeof(*own), GFP_KERNEL);

	if (!own)
		return NULL;
	own->shrinker.flags = flags;
	own->shrinker.seeks = DEFAULT_SEEKS;
	own->shrinker.count_objects = compat_count_nothing;
	if (!register_shrinker(&own->shrinker, "%s", name))
		return &own->shrinker;
	kfree(own);
	return NULL;
}

static inline void **compat_shrinker_private(struct shrinker *shrinker)
{
	return &container_of(shrinker, struct compat_shrinker,
			     shrinker)->private_data;
}

static inline void compat_shrinker_start(struct shrinker *shrinker,
					 compat_shrink_fn *count,
					 compat_shrink_fn *scan)
{
	shrinker->scan_objects = scan;
	/* All who go through the list now have gone before it is counted. */
	synchronize_shrinkers();
	WRITE_ONCE(shrinker->count_objects, count);
}

static inline void shrinker_free(struct shrinker *shrinker)
{
	unregister_shrinker(shrinker);
	kfree(container_of(shrinker, struct compat_shrinker, shrinker));
}
#else
static inline struct shrinker *compat_shrinker_alloc(unsigned int flags,
						     const char *name)
{
	return shrinker_alloc(flags, "%s", name);
}

static inline void **compat_shrinker_private(struct shrinker *shrinker)
{
	return &shrinker->private_data;
}

static inline void compat_shrinker_start(struct shrinker *shrinker,
					 compat_shrink_fn *count,
					 compat_shrink_fn *scan)
{
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker_register(shrinker);
}
#endif

/* 6.8 let list_lru_add() be told the node and the cgroup of what is added. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#define list_lru_add_obj	list_lru_add
#endif

/* 6.13 no longer hands the list's lock to who walks it. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define COMPAT_LRU_LOCK	spinlock_t *lock,
#else
#define COMPAT_LRU_LOCK
#endif

/* 6.3 renamed memcg_kmem_enabled(). */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
#define memcg_kmem_online	memcg_kmem_enabled
#endif

/* 6.10 can count what each line of code has allocated. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#include <linux/alloc_tag.h>
#else
static inline bool mem_alloc_profiling_enabled(void)
{
	return false;
}
#endif

/*
 * 6.19 taught vmalloc to do without sleeping where its flags say so; before, it
 * took page tables and address space in ways that may sleep whatever they said.
 */
#define COMPAT_VMALLOC_CAN_BE_ATOMIC \
	(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0))

#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * slab - caches of objects of one size, carved out of pages.
 *
 * What a slab looks like is private to mm/ since 5.17, so its shape is read off
 * the addresses of objects and the order of the page behind them.
 */
#include <linux/idr.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "compat/compat.h"
#include "core/context.h"
#include "core/family.h"
#include "core/frame.h"
#include "core/ledger.h"

#define SLAB_OBJECTS_MAX	65536
#define TINY_BYTES		8
#define SLAB_MAX_BYTES		(PAGE_SIZE << PAGE_ALLOC_COSTLY_ORDER)

/* What the constructor leaves in an object, to be found again later. */
#define CTOR_STAMP		0x6b6d656d6c616263ULL

static void stamp_object(void *object)
{
	*(u64 *)object = CTOR_STAMP;
}

static int slab_generation(struct lab_run *run)
{
	record_text(&run->record, "generation", COMPAT_SLAB_GENERATION);
	record_number(&run->record, "cpu_partial",
		      IS_ENABLED(CONFIG_SLUB_CPU_PARTIAL));
	record_number(&run->record, "freelist_random",
		      IS_ENABLED(CONFIG_SLAB_FREELIST_RANDOM));
	return 0;
}

/* Objects of one cache, to be looked at. */
struct slab_objects {
	struct kmem_cache *cache;
	void **object;
	unsigned int nr;
};

static void put_objects(struct slab_objects *set)
{
	while (set->nr)
		kmem_cache_free(set->cache, set->object[--set->nr]);
	kvfree(set->object);
}

static int get_objects(struct lab_run *run, struct slab_objects *set,
		       unsigned int count)
{
	int err = 0;

	set->nr = 0;
	set->object = kvmalloc_array(count, sizeof(*set->object), GFP_LAB);
	if (!set->object)
		return -ENOMEM;
	while (!err && set->nr < count) {
		void *object = kmem_cache_alloc(set->cache, GFP_LAB);

		err = object ? context_breathe(run->reason) : -ENOMEM;
		if (object)
			set->object[set->nr++] = object;
	}
	if (err)
		put_objects(set);
	return err;
}

/* A cache for one experiment, and objects of it. */
static int make_objects(struct lab_run *run, struct slab_objects *set,
			unsigned int size, unsigned int align,
			unsigned int count)
{
	unsigned int spacing =
		ALIGN(size, max_t(unsigned int, align, sizeof(void *)));
	int err;

	/*
	 * Whole slabs are taken, of at most an order-3 block each, and each CPU
	 * takes its own.
	 */
	err = lab_charge(run, (u64)count * (spacing + sizeof(void *)) +
				      nr_cpu_ids * SLAB_MAX_BYTES);
	if (err)
		return err;
	/* Pools' caches begin with "kmemlab_": no pool can have this name. */
	set->cache = compat_cache_create_unmerged("kmemlab-experiment", size,
						  align, 0, NULL);
	if (!set->cache)
		return lab_refuse(run, -ENOMEM, "no cache of size %u, align %u",
				  size, align);
	err = get_objects(run, set, count);
	if (err)
		kmem_cache_destroy(set->cache);
	return err;
}

static void destroy_objects(struct slab_objects *set)
{
	put_objects(set);
	kmem_cache_destroy(set->cache);
}

static int by_address(const void *a, const void *b)
{
	unsigned long x = *(unsigned long *)a, y = *(unsigned long *)b;

	return x < y ? -1 : x > y;
}

/**
 * struct slab_shape - how slabs are carved, as seen in addresses
 * @nr_slabs:	different slabs
 * @objects:	most objects seen in one slab
 * @order:	of the page behind an object
 * @spacing:	smallest distance of two objects in one slab, in bytes
 * @full_pfn:	first frame of a slab that has @objects
 */
struct slab_shape {
	unsigned int nr_slabs;
	unsigned int objects;
	unsigned int order;
	unsigned long spacing;
	unsigned long full_pfn;
};

/* Sorts the objects by address and looks at each slab's run of them. */
static void read_shape(struct slab_objects *set, struct slab_shape *shape)
{
	const struct page *slab = NULL;
	unsigned int in_slab = 0, i;

	*shape = (struct slab_shape){ .spacing = ULONG_MAX };
	sort(set->object, set->nr, sizeof(*set->object), by_address, NULL);
	for (i = 0; i < set->nr; i++) {
		struct page *head = virt_to_head_page(set->object[i]);

		if (head != slab) {
			slab = head;
			in_slab = 0;
			shape->nr_slabs++;
		} else {
			shape->spacing =
				min(shape->spacing,
				    (unsigned long)(set->object[i] -
						    set->object[i - 1]));
		}
		if (++in_slab > shape->objects) {
			shape->objects = in_slab;
			shape->order = compound_order(head);
			shape->full_pfn = page_to_pfn(head);
		}
	}
}

static int slab_carve(struct lab_run *run)
{
	unsigned int size = lab_number(run, "size");
	unsigned int align = lab_number(run, "align");
	struct slab_objects set;
	struct slab_shape shape;
	int err;

	if (align & (align - 1))
		return lab_refuse(run, -ERANGE,
				  "align=%u is not a power of two", align);
	err = make_objects(run, &set, size, align, lab_number(run, "count"));
	if (err)
		return err;
	read_shape(&set, &shape);
	record_number(&run->record, "object_bytes", size);
	record_number(&run->record, "nr_objects", set.nr);
	record_number(&run->record, "nr_slabs", shape.nr_slabs);
	record_number(&run->record, "objects_per_slab", shape.objects);
	record_number(&run->record, "slab_order", shape.order);
	if (shape.objects > 1)
		record_number(&run->record, "spacing_bytes", shape.spacing);
	destroy_objects(&set);
	return 0;
}

static int slab_tiny(struct lab_run *run)
{
	/*
	 * One more than two pages hold, so that some page is full for certain.
	 */
	unsigned int count = 2 * PAGE_SIZE / TINY_BYTES + 1;
	struct slab_objects set;
	struct slab_shape shape;
	unsigned int i, on_page = 0;
	unsigned long pfn;
	int err;

	err = make_objects(run, &set, TINY_BYTES, 0, count);
	if (err)
		return err;
	read_shape(&set, &shape);
	for (i = 0; i < set.nr; i++)
		if (frame_of(set.object[i], &pfn) && pfn == shape.full_pfn)
			on_page++;
	record_number(&run->record, "object_bytes", TINY_BYTES);
	record_number(&run->record, "page_bytes", PAGE_SIZE);
	record_number(&run->record, "pfn", shape.full_pfn);
	record_number(&run->record, "objects_on_page", on_page);
	record_number(&run->record, "spacing_bytes", shape.spacing);
	destroy_objects(&set);
	return 0;
}

/**
 * struct slab_reuse - free and allocate again, while the machine is still
 * @cache:	from which
 * @rounds:	how often
 * @nr_same:	how often the object freed was the next one handed out
 * @free_before: free pages of the machine before
 * @free_after:	and after
 */
struct slab_reuse {
	struct kmem_cache *cache;
	unsigned int rounds;
	unsigned int nr_same;
	s64 free_before;
	s64 free_after;
};

static int reuse_still(void *arg)
{
	struct slab_reuse *reuse = arg;
	void *object, *again;
	unsigned int i;

	/*
	 * The first allocation may take a new slab; it is not what is counted.
	 */
	object = kmem_cache_alloc(reuse->cache, GFP_STILL);
	if (!object)
		return -ENOMEM;
	reuse->free_before = ledger_free_pages();
	for (i = 0; i < reuse->rounds; i++) {
		kmem_cache_free(reuse->cache, object);
		again = kmem_cache_alloc(reuse->cache, GFP_STILL);
		if (!again)
			return -ENOMEM;
		if (again == object)
			reuse->nr_same++;
		object = again;
	}
	reuse->free_after = ledger_free_pages();
	kmem_cache_free(reuse->cache, object);
	return 0;
}

static int slab_reuse(struct lab_run *run)
{
	struct slab_reuse reuse = { .rounds = lab_number(run, "rounds") };
	unsigned int size = lab_number(run, "size");
	struct slab_objects set;
	int err;

	err = make_objects(run, &set, size, 0, 1);
	if (err)
		return err;
	reuse.cache = set.cache;
	err = context_still(reuse_still, &reuse, run->reason);
	if (!err) {
		record_number(&run->record, "object_bytes", size);
		record_number(&run->record, "rounds", reuse.rounds);
		record_number(&run->record, "nr_same", reuse.nr_same);
		record_signed(&run->record, "free_pages_before",
			      reuse.free_before);
		record_signed(&run->record, "free_pages_after",
			      reuse.free_after);
	}
	destroy_objects(&set);
	return err;
}

/* The allocator */

/*
 * Merged caches have names of the lab's choosing: for each name that was ever
 * used the kernel leaves a link in /sys/kernel/slab, which nobody can remove
 * (mm/slub.c, sysfs_slab_alias()), so there must be few of them.
 */
static DEFINE_IDA(merge_ids);

static int name_cache(struct lab_source *source, bool merge, const char *name)
{
	source->merge_id = -1;
	if (!merge) {
		snprintf(source->cache_name, sizeof(source->cache_name),
			 "kmemlab_%s", name);
		return 0;
	}
	source->merge_id = ida_alloc(&merge_ids, GFP_KERNEL);
	if (source->merge_id < 0)
		return source->merge_id;
	snprintf(source->cache_name, sizeof(source->cache_name),
		 "kmemlab-merged-%d", source->merge_id);
	return 0;
}

static void forget_cache(struct lab_source *source)
{
	kmem_cache_destroy(source->cache);
	if (source->merge_id >= 0)
		ida_free(&merge_ids, source->merge_id);
}

/*
 * What an object takes is its share of a slab, with all that alignment and
 * debugging put around it.  It is read off a slab that is full.
 */
static int measure_object(struct lab_run *run, struct lab_source *source)
{
	struct slab_objects set = { .cache = source->cache };
	struct slab_shape shape;
	unsigned int count;
	void *object;
	int err;

	err = lab_charge(run, 2 * SLAB_MAX_BYTES);
	if (err)
		return err;
	/* On one CPU, which fills a slab before it takes the next. */
	migrate_disable();
	object = kmem_cache_alloc(source->cache, GFP_LAB);
	if (!object) {
		migrate_enable();
		return -ENOMEM;
	}
	count = page_size(virt_to_head_page(object)) /
			ALIGN(source->object_bytes, sizeof(void *)) + 1;
	kmem_cache_free(source->cache, object);
	err = get_objects(run, &set, count);
	migrate_enable();
	if (err)
		return err;
	read_shape(&set, &shape);
	source->charge_bytes =
		DIV_ROUND_UP(PAGE_SIZE << shape.order, shape.objects);
	put_objects(&set);
	kmem_cache_shrink(source->cache);
	return 0;
}

static int slab_open(struct lab_source *source, struct lab_run *run,
		     const char *name)
{
	unsigned int size = lab_number(run, "size");
	unsigned int align = lab_number(run, "align");
	void (*ctor)(void *) = lab_number(run, "ctor") ? stamp_object : NULL;
	slab_flags_t flags = lab_number(run, "hwcache") ? SLAB_HWCACHE_ALIGN : 0;
	bool merge = lab_number(run, "merge");
	int err;

	if (align & (align - 1))
		return lab_refuse(run, -ERANGE,
				  "align=%u is not a power of two", align);
	if (ctor && size < sizeof(u64))
		return lab_refuse(run, -ERANGE,
				  "a constructor needs size=%zu or more",
				  sizeof(u64));
	if (ctor && merge)
		return lab_refuse(run, -EINVAL,
				  "a cache with a constructor is never merged");

	err = name_cache(source, merge, name);
	if (err)
		return err;
	if (merge)
		source->cache = kmem_cache_create(source->cache_name, size,
						  align, flags, NULL);
	else
		source->cache = compat_cache_create_unmerged(source->cache_name,
							     size, align, flags,
							     ctor);
	source->object_bytes = size;
	source->keeps_slabs = true;
	if (source->cache)
		err = measure_object(run, source);
	else
		err = lab_refuse(run, -ENOMEM, "no cache of size %u, align %u",
				 size, align);
	if (err)
		forget_cache(source);
	return err;
}

static void slab_close(struct lab_source *source)
{
	forget_cache(source);
}

static void *slab_alloc(struct lab_source *source, gfp_t gfp)
{
	return kmem_cache_alloc(source->cache, gfp);
}

static void slab_free(struct lab_source *source, void *object)
{
	kmem_cache_free(source->cache, object);
}

static void slab_shrink(struct lab_source *source)
{
	kmem_cache_shrink(source->cache);
}

/* The tables */

static const char *const no_yes[] = { "no", "yes", NULL };

#define SLAB_SIZE_PARAM(...) \
	{ .name = "size", .help = "of an object, in bytes", .min = 1, \
	  .max = KMALLOC_MAX_CACHE_SIZE, __VA_ARGS__ }
#define SLAB_ALIGN_PARAM \
	{ .name = "align", \
	  .help = "power of two in bytes; 0: as the kernel likes", \
	  .max = PAGE_SIZE }

static const struct lab_param slab_params[] = {
	SLAB_SIZE_PARAM(.required = true),
	SLAB_ALIGN_PARAM,
	{ .name = "ctor", .help = "a constructor stamps each object",
	  .type = LAB_CHOICE, .choices = no_yes },
	{ .name = "hwcache", .help = "align to the cache line",
	  .type = LAB_CHOICE, .choices = no_yes },
	{ .name = "merge", .help = "may share a cache with others alike",
	  .type = LAB_CHOICE, .choices = no_yes },
	{}
};

static const struct lab_allocator slab_allocator = {
	.name = "slab",
	.help = "objects of a kmem_cache of its own",
	.params = slab_params,
	.open = slab_open,
	.close = slab_close,
	.alloc = slab_alloc,
	.free = slab_free,
	.shrink = slab_shrink,
};

static const struct lab_param carve_params[] = {
	SLAB_SIZE_PARAM(.def = 256),
	SLAB_ALIGN_PARAM,
	{ .name = "count", .help = "objects to look at", .min = 2,
	  .max = SLAB_OBJECTS_MAX, .def = 1024 },
	{}
};

static const struct lab_param reuse_params[] = {
	SLAB_SIZE_PARAM(.def = 256),
	{ .name = "rounds", .help = "times to free and allocate", .min = 1,
	  .max = 10000, .def = 100 },
	{}
};

static const struct lab_experiment slab_experiments[] = {
	{ .name = "generation", .run = slab_generation,
	  .help = "which of the kernel's slab allocators runs" },
	{ .name = "carve", .run = slab_carve, .params = carve_params,
	  .help = "a slab is a block of pages carved into equal objects" },
	{ .name = "tiny", .run = slab_tiny,
	  .help = "one page holds 512 objects of 8 bytes" },
	{ .name = "reuse", .run = slab_reuse, .params = reuse_params,
	  .help = "a freed object is the next one handed out; no page moves" },
	{}
};

static const struct lab_allocator *const slab_allocators[] = {
	&slab_allocator,
	NULL
};

const struct lab_family slab_family = {
	.name = "slab",
	.help = "caches of objects",
	.experiments = slab_experiments,
	.allocators = slab_allocators,
};

// SPDX-License-Identifier: GPL-2.0
/* kmalloc - memory by size: classes of slabs, and pages for what is larger. */
#include <linux/cpumask.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/preempt.h>
#include <linux/random.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "compat/compat.h"
#include "core/context.h"
#include "core/family.h"
#include "core/footprint.h"
#include "core/loops.h"
#include "core/frame.h"
#include "families/hoard.h"

/* Past the largest class, but not so large that to clear it is all that takes time. */
#define PAST_CLASSES_MAX	(2 * KMALLOC_MAX_CACHE_SIZE)
#define TYPE_OBJECTS_MAX	65536
#define SLAB_MAX_BYTES		(PAGE_SIZE << PAGE_ALLOC_COSTLY_ORDER)

/* How often a freed object is asked for again where something else took it. */
#define REUSE_TRIES		100

/* What an object is filled with before it is freed. */
#define DIRT			0xff
/* Pairs between two looks at signals. */
#define LOOP_BATCH		1024

/* The words for the types of caches, and the flag that chooses each. */
static const char *const type_words[] = {
	"normal", "cgroup", "reclaimable", "dma", NULL
};

static const struct {
	gfp_t gfp;
	enum kmalloc_cache_type type;
} types[] = {
	{ 0, KMALLOC_NORMAL },
	{ __GFP_ACCOUNT, KMALLOC_CGROUP },
	{ __GFP_RECLAIMABLE, KMALLOC_RECLAIM },
	{ __GFP_DMA, KMALLOC_DMA },
};

/* Types that a kernel is built without are other names for the normal one. */
static bool has_type(unsigned int i)
{
	return !types[i].gfp || types[i].type != KMALLOC_NORMAL;
}

/* What an object takes at the most, with the slab or the block that it is in. */
static u64 whole_bytes(size_t size)
{
	return max_t(u64, SLAB_MAX_BYTES, PAGE_SIZE << get_order(size));
}

static unsigned long head_pfn(const void *object)
{
	return page_to_pfn(virt_to_head_page(object));
}

/* Where an object is: what it takes to find it by its physical address. */
static void record_place(struct lab_record *record, const void *object)
{
	unsigned long pfn;

	if (!frame_of(object, &pfn))
		return;
	record_cell(record, "pfn", pfn);
	record_cell(record, "offset_bytes", offset_in_page(object));
}

static int kmalloc_classes(struct lab_run *run)
{
	size_t limit = lab_number(run, "limit");
	size_t from = 1, class = 0, waste = 0, size;
	int err = lab_charge(run, limit + PAGE_SIZE);

	if (err)
		return err;
	/* One past the end closes the last class. */
	for (size = 1; size <= limit + 1; size++) {
		size_t served = 0;

		if (size <= limit) {
			void *object = kmalloc(size, GFP_LAB);

			if (!object)
				return -ENOMEM;
			served = ksize(object);
			kfree(object);
			err = context_breathe(run->reason);
			if (err)
				return err;
		}
		if (served == class) {
			waste += served - size;
			continue;
		}
		if (class) {
			record_row(&run->record, "class.%zu", class);
			record_cell(&run->record, "from_bytes", from);
			record_cell(&run->record, "to_bytes", size - 1);
			record_cell(&run->record, "max_waste_bytes",
				    class - from);
			record_cell(&run->record, "all_waste_bytes", waste);
		}
		class = served;
		from = size;
		waste = served ? served - size : 0;
	}
	return 0;
}

static int kmalloc_contiguous(struct lab_run *run)
{
	size_t size = lab_number(run, "size");
	struct lab_frames frames;
	void *object;
	int err;

	/*
	 * kmalloc rounds what it takes from the page allocator up to an order.
	 */
	err = lab_charge(run, PAGE_SIZE << get_order(size));
	if (err)
		return err;
	object = kmalloc(size, GFP_LAB);
	if (!object)
		return lab_refuse(run, -ENOMEM,
				  "no %zu bytes in a row are free", size);
	frame_walk(object, size, &frames);
	record_number(&run->record, "size_bytes", size);
	record_number(&run->record, "nr_pages", frames.nr_pages);
	record_number(&run->record, "first_pfn", frames.first_pfn);
	record_number(&run->record, "nr_runs", frames.nr_runs);
	frame_mark(&run->record, object, size);
	err = lab_hold(run);
	kfree(object);
	return err;
}

/* Objects of one type of cache; there is room for all pointers in @object. */
static int get_type(struct lab_run *run, gfp_t gfp, size_t size, void **object,
		    unsigned int count)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < count; i++) {
		object[i] = kmalloc(size, GFP_LAB | gfp);
		err = object[i] ? context_breathe(run->reason) : -ENOMEM;
	}
	return err;
}

/* Empty slabs that a cache keeps would leave no large block in so small a zone. */
static void shrink_dma_caches(void)
{
#ifdef CONFIG_ZONE_DMA
	int i;

	for (i = 0; i <= KMALLOC_SHIFT_HIGH; i++)
		if (kmalloc_caches[KMALLOC_DMA][i])
			kmem_cache_shrink(kmalloc_caches[KMALLOC_DMA][i]);
#endif
}

static int charge_types(struct lab_run *run, size_t size, unsigned int count)
{
	struct lab_footprint each;
	int i, err = 0;

	for (i = 0; !err && i < ARRAY_SIZE(types); i++) {
		if (!has_type(i))
			continue;
		err = footprint_of_kmalloc(run, size, types[i].gfp, &each);
		if (!err)
			err = footprint_charge(run, &each, count);
	}
	return err;
}

static int kmalloc_types(struct lab_run *run)
{
	unsigned int count = lab_number(run, "count");
	size_t size = lab_number(run, "size");
	unsigned int i, nr = ARRAY_SIZE(types) * count;
	void **object;
	int err;

	err = charge_types(run, size, count);
	if (err)
		goto shrink;
	object = kvcalloc(nr, sizeof(*object), GFP_LAB);
	if (!object) {
		err = -ENOMEM;
		goto shrink;
	}
	for (i = 0; !err && i < ARRAY_SIZE(types); i++) {
		void **first = object + i * count;

		if (!has_type(i))
			continue;
		err = get_type(run, types[i].gfp, size, first, count);
		if (err)
			break;
		record_row(&run->record, "type.%s", type_words[i]);
		record_cell(&run->record, "nr_objects", count);
		record_cell(&run->record, "class_bytes", ksize(*first));
		record_cell(&run->record, "slab_pfn", head_pfn(*first));
	}
	if (!err)
		err = lab_hold(run);
	for (i = 0; i < nr; i++)
		kfree(object[i]);
	kvfree(object);
shrink:
	shrink_dma_caches();
	return err;
}

static void record_block(struct lab_record *record, const char *key,
			 const void *object, size_t size)
{
	struct page *head = virt_to_head_page(object);

	record_row(record, "%s", key);
	record_cell(record, "size_bytes", size);
	record_cell(record, "usable_bytes", ksize(object));
	record_cell(record, "slab", PageSlab(head));
	record_cell(record, "order", compound_order(head));
	record_cell(record, "pfn", page_to_pfn(head));
}

/* kmalloc_large() is the kernel's own, up to 6.9. */
static int kmalloc_large_block(struct lab_run *run)
{
	size_t size = lab_number(run, "size");
	void *object, *block;
	int err;

	err = lab_charge(run, SLAB_MAX_BYTES + whole_bytes(size));
	if (err)
		return err;
	object = kmalloc(KMALLOC_MAX_CACHE_SIZE, GFP_LAB);
	block = kmalloc(size, GFP_LAB);
	if (object && block) {
		record_block(&run->record, "class", object,
			     KMALLOC_MAX_CACHE_SIZE);
		record_block(&run->record, "large", block, size);
		err = lab_hold(run);
	} else {
		err = lab_refuse(run, -ENOMEM, "no %zu bytes in a row are free",
				 size);
	}
	kfree(block);
	kfree(object);
	return err;
}

static void record_limit(struct lab_record *record, const char *key,
			 const void *object, size_t size)
{
	record_row(record, "%s", key);
	record_cell(record, "size_bytes", size);
	record_cell(record, "errno", object ? 0 : ENOMEM);
	record_cell(record, "usable_bytes", ksize(object));
}

static int kmalloc_limits(struct lab_run *run)
{
	/* Not constants, for which the compiler would warn of the last. */
	size_t zero = 0, one = 1, most = KMALLOC_MAX_SIZE, past = most + 1;
	void *none, *small, *large, *refused;
	int err;

	OPTIMIZER_HIDE_VAR(past);
	err = lab_charge(run, SLAB_MAX_BYTES + most);
	if (err)
		return err;
	none = kmalloc(zero, GFP_LAB);
	small = kmalloc(one, GFP_LAB);
	large = kmalloc(most, GFP_LAB);
	/* GFP_LAB has __GFP_NOWARN, without which this one would warn. */
	refused = kmalloc(past, GFP_LAB);
	if (small && large) {
		record_limit(&run->record, "zero", none, zero);
		record_limit(&run->record, "smallest", small, one);
		record_limit(&run->record, "largest", large, most);
		record_cell(&run->record, "pfn", head_pfn(large));
		record_limit(&run->record, "past", refused, past);
		err = lab_hold(run);
	} else {
		err = lab_refuse(run, -ENOMEM, "no %zu bytes in a row are free",
				 most);
	}
	kfree(refused);
	kfree(large);
	kfree(small);
	kfree(none);
	return err;
}

static size_t nr_zero_bytes(const u8 *object, size_t size)
{
	size_t i, nr = 0;

	for (i = 0; i < size; i++)
		nr += !object[i];
	return nr;
}

/*
 * An object at an address where every byte was just made anything but zero.
 */
static void *get_over_dirt(size_t size, gfp_t gfp, bool *reused)
{
	void *object = NULL, *dirty;
	unsigned int tries;

	/* Each CPU hands out what it was given back last. */
	migrate_disable();
	for (tries = 0; tries < REUSE_TRIES; tries++) {
		kfree(object);
		object = NULL;
		dirty = kmalloc(size, GFP_LAB);
		if (!dirty)
			break;
		memset(dirty, DIRT, size);
		/* Not a dead store: the bytes are looked at after kfree(). */
		barrier_data(dirty);
		kfree(dirty);
		object = kmalloc(size, GFP_LAB | gfp);
		if (object == dirty)
			break;
	}
	migrate_enable();
	*reused = object && object == dirty;
	return object;
}

static void record_over_dirt(struct lab_record *record, const char *key,
			     const void *object, size_t size, bool reused)
{
	record_row(record, "%s", key);
	record_cell(record, "size_bytes", size);
	record_cell(record, "reused", reused);
	record_cell(record, "nr_zero_bytes", nr_zero_bytes(object, size));
}

/* A product that is 2^64 and a little more: what is left of it is little. */
static void record_overflow(struct lab_record *record, size_t size)
{
	size_t nr = SIZE_MAX / size + 1;
	void *array, *wrapped;

	OPTIMIZER_HIDE_VAR(nr);
	array = kcalloc(nr, size, GFP_LAB);
	wrapped = kmalloc(nr * size, GFP_LAB);
	record_row(record, "overflow");
	record_cell(record, "nr", nr);
	record_cell(record, "size_bytes", size);
	record_cell(record, "kcalloc_errno", array ? 0 : ENOMEM);
	record_cell(record, "product_bytes", nr * size);
	record_cell(record, "kmalloc_bytes", ksize(wrapped));
	kfree(wrapped);
	kfree(array);
}

static int kmalloc_zero(struct lab_run *run)
{
	size_t size = lab_number(run, "size");
	void *plain, *zeroed;
	bool reused;
	u64 mark;
	int err;

	/* One for each object, and one for what overflow leaves. */
	err = lab_charge(run, 3 * whole_bytes(size));
	if (err)
		return err;
	plain = get_over_dirt(size, 0, &reused);
	if (!plain)
		return -ENOMEM;
	record_over_dirt(&run->record, "kmalloc", plain, size, reused);
	zeroed = get_over_dirt(size, __GFP_ZERO, &reused);
	if (zeroed) {
		record_over_dirt(&run->record, "kzalloc", zeroed, size, reused);
		record_place(&run->record, zeroed);
		record_overflow(&run->record, size);
		/* Whoever reads it from outside must see that it is this one. */
		mark = get_random_u64() >> 8;
		memcpy(zeroed + size - sizeof(mark), &mark, sizeof(mark));
		record_number(&run->record, "mark", mark);
		err = lab_hold(run);
	} else {
		err = -ENOMEM;
	}
	kfree(zeroed);
	kfree(plain);
	return err;
}

/* A step of an object's life: how many of its first bytes are still there. */
static void record_step(struct lab_record *record, const char *key,
			const u8 *object, size_t size, size_t filled, u8 mark)
{
	size_t i, kept = 0;

	for (i = 0; i < filled; i++)
		kept += object[i] == (u8)(mark + i);
	record_row(record, "%s", key);
	record_cell(record, "size_bytes", size);
	record_cell(record, "usable_bytes", ksize(object));
	record_cell(record, "kept_bytes", kept);
	record_place(record, object);
}

static int kmalloc_krealloc(struct lab_run *run)
{
	size_t size = lab_number(run, "size"), class, i;
	u8 mark = get_random_u32(), *object;
	unsigned int step;
	int err;

	/* The old object and the new one, of the next class. */
	err = lab_charge(run, 3 * whole_bytes(size));
	if (err)
		return err;
	object = kmalloc(size, GFP_LAB);
	if (!object)
		return -ENOMEM;
	for (i = 0; i < size; i++)
		object[i] = mark + i;
	class = ksize(object);
	record_number(&run->record, "mark", mark);
	record_step(&run->record, "kmalloc", object, size, size, mark);
	for (step = 0; step < 2; step++) {
		u8 *again = krealloc(object, class + step, GFP_LAB);

		if (!again) {
			err = -ENOMEM;
			goto out;
		}
		record_step(&run->record, step ? "beyond" : "within", again,
			    class + step, size, mark);
		record_cell(&run->record, "moved", again != object);
		object = again;
	}
	err = lab_hold(run);
out:
	kfree(object);
	return err;
}

/*
 * Not inlined, and its call no jump, so that /proc/vmallocinfo names it as the
 * caller.
 */
static noinline void *kvmalloc_area(size_t size, gfp_t gfp)
{
	void *area = kvmalloc(size, gfp);

	barrier();
	return area;
}

static struct zone *dma_zone(void)
{
#ifdef CONFIG_ZONE_DMA
	struct zone *zone =
		&NODE_DATA(first_online_node)->node_zones[ZONE_DMA];

	if (managed_zone(zone))
		return zone;
#endif
	return NULL;
}

/**
 * struct every_second - all free pages of a zone, in two halves
 * @gfp:	chooses the zone
 * @even:	those whose frame numbers are even
 * @odd:	and odd, each of which is the partner of an even one
 */
struct every_second {
	gfp_t gfp;
	struct lab_hoard even;
	struct lab_hoard odd;
};

/* Each CPU has lists of its own, so this runs on each. */
static int take_singles(void *arg)
{
	struct every_second *pages = arg;
	gfp_t gfp = pages->gfp | __GFP_MEMALLOC | __GFP_NOWARN;
	int order, i;

	for (order = MAX_PAGE_ORDER; order >= 0; order--) {
		struct page *page;

		while ((page = alloc_pages(gfp, order))) {
			split_page(page, order);
			for (i = 0; i < 1 << order; i++)
				hoard_add(page_to_pfn(page + i) & 1 ?
					  &pages->odd : &pages->even,
					  page + i, 0);
			cond_resched();
		}
	}
	return 0;
}

/* Takes a zone to its last page. */
static int take_zone(struct lab_run *run, struct every_second *pages)
{
	unsigned int cpu;
	int err;

	hoard_init(&pages->even);
	hoard_init(&pages->odd);
	for_each_online_cpu(cpu) {
		err = context_on(cpu, take_singles, pages, run->reason);
		if (err)
			return err;
	}
	return 0;
}

/*
 * Takes a zone, gives every second page of it back, and asks it for a block: no
 * two free frames are partners, so only single pages can serve.
 */
static int get_fragmented(struct lab_run *run, gfp_t gfp, size_t size,
			  void **area)
{
	struct every_second pages = { .gfp = gfp };
	int err = take_zone(run, &pages);

	hoard_free_past_lists(&pages.even);
	if (!err) {
		*area = kvmalloc_area(size, GFP_LAB | gfp);
		if (!*area)
			err = -ENOMEM;
	}
	hoard_free_past_lists(&pages.odd);
	return err;
}

/*
 * Freed single pages wait on the lists of CPUs, where they keep what they were
 * cut from apart: so they are taken from there, and given back past the lists.
 */
static void mend_zone(struct lab_run *run, gfp_t gfp)
{
	struct every_second pages = { .gfp = gfp };

	take_zone(run, &pages);
	hoard_free_past_lists(&pages.even);
	hoard_free_past_lists(&pages.odd);
}

/* Charged is the more of the two that it can turn out to be. */
static int charge_kvmalloc(struct lab_run *run, size_t size)
{
	u64 bytes = size > KMALLOC_MAX_SIZE ? 0 : whole_bytes(size), area;
	int err = footprint_of_kvmalloc_area(run, size, &area);

	return err ?: lab_charge(run, max(bytes, area));
}

static void record_area(struct lab_record *record, const char *key,
			const void *area, size_t size)
{
	record_row(record, "%s", key);
	record_cell(record, "size_bytes", size);
	record_cell(record, "vmalloc", is_vmalloc_addr(area));
	if (is_vmalloc_addr(area))
		record_cell_address(record, "area", area);
	else if (PageSlab(virt_to_head_page(area)))
		record_cell(record, "slab_pfn", head_pfn(area));
	else
		record_cell(record, "block_pfn", head_pfn(area));
}

static int kmalloc_kvmalloc(struct lab_run *run)
{
	size_t small = lab_number(run, "small"), large = lab_number(run, "large");
	size_t fragmented = PAGE_ALIGN(lab_number(run, "fragmented"));
	struct zone *zone = dma_zone();
	void *area[3] = {};
	int i, err;

	if (!zone)
		return lab_refuse(run, -EOPNOTSUPP,
				  "no ZONE_DMA, the zone small enough to be fragmented");
	err = lab_charge(run, zone_managed_pages(zone) << PAGE_SHIFT);
	if (!err)
		err = charge_kvmalloc(run, small);
	if (!err)
		err = charge_kvmalloc(run, large);
	if (err)
		return err;
	area[0] = kvmalloc_area(small, GFP_LAB);
	area[1] = kvmalloc_area(large, GFP_LAB);
	err = -ENOMEM;
	if (area[0] && area[1])
		err = get_fragmented(run, __GFP_DMA, fragmented, &area[2]);
	if (!err) {
		record_area(&run->record, "small", area[0], small);
		record_area(&run->record, "large", area[1], large);
		record_area(&run->record, "fragmented", area[2], fragmented);
		frame_mark(&run->record, area[2], fragmented);
		err = lab_hold(run);
	}
	for (i = 0; i < ARRAY_SIZE(area); i++)
		kvfree(area[i]);
	mend_zone(run, __GFP_DMA);
	return err;
}

static int kmalloc_loop(struct lab_run *run)
{
	size_t size = lab_number(run, "size");
	u64 rounds = lab_number(run, "rounds"), nr = 0;
	int err;

	err = lab_charge(run, kmalloc_size_roundup(size));
	while (!err && nr < rounds) {
		void *object = kmalloc(size, GFP_LAB);

		if (!object)
			return -ENOMEM;
		kfree(object);
		if (++nr % LOOP_BATCH == 0)
			err = context_breathe(run->reason);
	}
	record_number(&run->record, "size", size);
	record_number(&run->record, "nr_pairs", nr);
	return err;
}

/* The allocator */

static int kmalloc_open(struct lab_source *source, struct lab_run *run,
			const char *name)
{
	unsigned int type = lab_number(run, "type");
	struct lab_footprint footprint;
	int err;

	if (!has_type(type))
		return lab_refuse(run, -EOPNOTSUPP,
				  "this kernel has no caches of type=%s",
				  type_words[type]);
	source->object_bytes = lab_number(run, "size");
	source->gfp = types[type].gfp;
	err = footprint_of_kmalloc(run, source->object_bytes, source->gfp,
				   &footprint);
	if (err)
		return err;
	source->charge_bytes = footprint.bytes;
	source->slab_bytes = footprint.slab_bytes;
	source->keeps_slabs = footprint.slab_bytes;
	return 0;
}

static __always_inline void *kmalloc_alloc(struct lab_source *source, gfp_t gfp)
{
	return kmalloc(source->object_bytes, gfp | source->gfp);
}

static __always_inline void kmalloc_free(struct lab_source *source, void *object)
{
	kfree(object);
}

LAB_LOOPS(kmalloc);

static __always_inline void *kzalloc_alloc(struct lab_source *source, gfp_t gfp)
{
	return kzalloc(source->object_bytes, gfp | source->gfp);
}

static __always_inline void kzalloc_free(struct lab_source *source, void *object)
{
	kfree(object);
}

LAB_LOOPS(kzalloc);

/* Of all that use this class, as the kernel's own shrink file does. */
static void kmalloc_shrink(struct lab_source *source)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i].gfp == source->gfp && source->slab_bytes)
			compat_kmalloc_shrink(types[i].type, source->object_bytes);
}

/* The tables */

static const struct lab_param kmalloc_params[] = {
	{ .name = "size", .help = "of an object, in bytes", .required = true,
	  .min = 1, .max = KMALLOC_MAX_SIZE },
	{ .name = "type", .help = "of the caches that serve it",
	  .type = LAB_CHOICE, .choices = type_words },
	{}
};

static const struct lab_allocator kmalloc_allocator = {
	.name = "kmalloc",
	.help = "kmalloc() of one size",
	.params = kmalloc_params,
	.open = kmalloc_open,
	.alloc = kmalloc_alloc,
	.free = kmalloc_free,
	.shrink = kmalloc_shrink,
	.loops = &kmalloc_loops,
};

static const struct lab_allocator kzalloc_allocator = {
	.name = "kzalloc",
	.help = "the same, cleared by kzalloc()",
	.params = kmalloc_params,
	.open = kmalloc_open,
	.alloc = kzalloc_alloc,
	.free = kzalloc_free,
	.shrink = kmalloc_shrink,
	.loops = &kzalloc_loops,
};

static const struct lab_param classes_params[] = {
	{ .name = "limit", .help = "largest size to ask for, in bytes",
	  .min = 1,
	  .max = KMALLOC_MAX_CACHE_SIZE, .def = KMALLOC_MAX_CACHE_SIZE },
	{}
};

static const struct lab_param contiguous_params[] = {
	LAB_HOLD_PARAM,
	{ .name = "size", .help = "in bytes", .min = PAGE_SIZE,
	  .max = KMALLOC_MAX_SIZE, .def = 65536 },
	{}
};

static const struct lab_param types_params[] = {
	LAB_HOLD_PARAM,
	{ .name = "size", .help = "of an object, in bytes", .min = 1,
	  .max = KMALLOC_MAX_CACHE_SIZE, .def = 1000 },
	{ .name = "count", .help = "objects of each type", .min = 1,
	  .max = TYPE_OBJECTS_MAX, .def = 1000 },
	{}
};

static const struct lab_param large_params[] = {
	LAB_HOLD_PARAM,
	{ .name = "size", .help = "in bytes", .min = 1, .max = KMALLOC_MAX_SIZE,
	  .def = KMALLOC_MAX_CACHE_SIZE + 1 },
	{}
};

static const struct lab_param limits_params[] = {
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param zero_params[] = {
	LAB_HOLD_PARAM,
	{ .name = "size", .help = "in bytes", .min = 2 * sizeof(u64),
	  .max = PAST_CLASSES_MAX, .def = 1000 },
	{}
};

static const struct lab_param krealloc_params[] = {
	LAB_HOLD_PARAM,
	{ .name = "size", .help = "to begin with, in bytes", .min = 1,
	  .max = KMALLOC_MAX_SIZE / 2, .def = 100 },
	{}
};

static const struct lab_param kvmalloc_params[] = {
	LAB_HOLD_PARAM,
	{ .name = "small", .help = "in bytes", .min = 1, .max = SZ_1G,
	  .def = 3000 },
	{ .name = "large", .help = "in bytes", .min = 1, .max = SZ_1G,
	  .def = SZ_8M },
	{ .name = "fragmented", .help = "in bytes, where no block is free",
	  .min = 4 * PAGE_SIZE, .max = SZ_1M, .def = SZ_64K },
	{}
};

static const struct lab_param loop_params[] = {
	{ .name = "size", .help = "of an object, in bytes", .min = 1,
	  .max = PAST_CLASSES_MAX, .def = 64 },
	{ .name = "rounds", .help = "to allocate one and free it", .min = 1,
	  .max = 10000000, .def = 10000 },
	{}
};

static const struct lab_experiment kmalloc_experiments[] = {
	{ .name = "loop", .run = kmalloc_loop, .params = loop_params,
	  .help = "a loop of kmalloc and kfree leaves the page allocator alone" },
	{ .name = "classes", .run = kmalloc_classes, .params = classes_params,
	  .help = "each size is served by the smallest class that holds it" },
	{ .name = "types", .run = kmalloc_types, .params = types_params,
	  .help = "flags choose between caches for each use" },
	{ .name = "large", .run = kmalloc_large_block, .params = large_params,
	  .help = "past the largest class a request is a block of pages" },
	{ .name = "limits", .run = kmalloc_limits, .params = limits_params,
	  .help = "from 8 bytes to the largest block; a byte more is refused" },
	{ .name = "contiguous", .run = kmalloc_contiguous,
	  .params = contiguous_params,
	  .help = "physically contiguous: all pages are one run of frames" },
	{ .name = "zero", .run = kmalloc_zero, .params = zero_params,
	  .help = "kzalloc clears; kcalloc refuses a product that overflows" },
	{ .name = "krealloc", .run = kmalloc_krealloc,
	  .params = krealloc_params,
	  .help = "grows in place inside its class, moves beyond it" },
	{ .name = "kvmalloc", .run = kmalloc_kvmalloc,
	  .params = kvmalloc_params,
	  .help = "a slab for the small, vmalloc where no block can be had" },
	{}
};

static const struct lab_allocator *const kmalloc_allocators[] = {
	&kmalloc_allocator,
	&kzalloc_allocator,
	NULL
};

const struct lab_family kmalloc_family = {
	.name = "kmalloc",
	.help = "memory by size",
	.experiments = kmalloc_experiments,
	.allocators = kmalloc_allocators,
};

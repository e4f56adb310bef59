// SPDX-License-Identifier: GPL-2.0
/* kmalloc - memory by size: classes of slabs, and pages for what is larger. */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "core/context.h"
#include "core/family.h"
#include "core/frame.h"

static int kmalloc_classes(struct lab_run *run)
{
	size_t limit = lab_number(run, "limit");
	size_t from = 1, class = 0, size;
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
		if (served == class)
			continue;
		if (class) {
			record_row(&run->record, "class.%zu", class);
			record_cell(&run->record, "from_bytes", from);
			record_cell(&run->record, "to_bytes", size - 1);
			record_cell(&run->record, "max_waste_bytes",
				    class - from);
		}
		class = served;
		from = size;
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

/* The allocator */

static int kmalloc_open(struct lab_source *source, struct lab_run *run,
			const char *name)
{
	void *object;
	int err;

	source->object_bytes = lab_number(run, "size");
	/*
	 * What a size is rounded up to is best asked of an object of that size.
	 */
	err = lab_charge(run, PAGE_SIZE << get_order(source->object_bytes));
	if (err)
		return err;
	object = kmalloc(source->object_bytes,
			 GFP_LAB);
	if (!object)
		return -ENOMEM;
	source->charge_bytes = ksize(object);
	source->keeps_slabs = source->object_bytes <= KMALLOC_MAX_CACHE_SIZE;
	kfree(object);
	return 0;
}

static void *kmalloc_alloc(struct lab_source *source, gfp_t gfp)
{
	return kmalloc(source->object_bytes, gfp);
}

static void kmalloc_free(struct lab_source *source, void *object)
{
	kfree(object);
}

/* The tables */

static const struct lab_param kmalloc_params[] = {
	{ .name = "size", .help = "of an object, in bytes", .required = true,
	  .min = 1, .max = KMALLOC_MAX_SIZE },
	{}
};

static const struct lab_allocator kmalloc_allocator = {
	.name = "kmalloc",
	.help = "kmalloc() of one size",
	.params = kmalloc_params,
	.open = kmalloc_open,
	.alloc = kmalloc_alloc,
	.free = kmalloc_free,
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

static const struct lab_experiment kmalloc_experiments[] = {
	{ .name = "classes", .run = kmalloc_classes, .params = classes_params,
	  .help = "each size is served by the smallest class that holds it" },
	{ .name = "contiguous", .run = kmalloc_contiguous,
	  .params = contiguous_params,
	  .help = "physically contiguous: all pages are one run of frames" },
	{}
};

static const struct lab_allocator *const kmalloc_allocators[] = {
	&kmalloc_allocator,
	NULL
};

const struct lab_family kmalloc_family = {
	.name = "kmalloc",
	.help = "memory by size",
	.experiments = kmalloc_experiments,
	.allocators = kmalloc_allocators,
};

// SPDX-License-Identifier: GPL-2.0
/* vmalloc - consecutive addresses made of whichever pages are free. */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "core/context.h"
#include "core/family.h"
#include "core/frame.h"
#include "families/hoard.h"

#define SCATTER_MAX_BYTES	SZ_4M	/* what kmalloc can still give */
#define AREA_MAX_BYTES		SZ_1G

/*
 * Every area of this family is made here, so that /proc/vmallocinfo names this
 * function as the caller of each.  For that it is not inlined, and the call
 * must not become a jump.
 */
static noinline void *vmalloc_area(size_t size, gfp_t gfp)
{
	void *area = __vmalloc(size, gfp);

	barrier();
	return area;
}

static int compare_runs(struct lab_run *run, size_t size)
{
	struct lab_frames scattered, contiguous;
	unsigned long pfn, nr_agree = 0;
	void *area, *block;
	int err = -ENOMEM;
	size_t at;

	block = kmalloc(size, GFP_LAB);
	area = vmalloc_area(size, GFP_LAB);
	if (block && area) {
		frame_walk(area, size, &scattered);
		frame_walk(block, size, &contiguous);
		for (at = 0; at < size; at += PAGE_SIZE)
			if (frame_of(area + at, &pfn) &&
			    pfn == vmalloc_to_pfn(area + at))
				nr_agree++;
		record_number(&run->record, "size_bytes", size);
		record_number(&run->record, "nr_pages", scattered.nr_pages);
		record_number(&run->record, "vmalloc_runs", scattered.nr_runs);
		record_number(&run->record, "kmalloc_runs", contiguous.nr_runs);
		record_number(&run->record, "nr_agree", nr_agree);
		frame_mark(&run->record, area, size);
		err = lab_hold(run);
	}
	vfree(area);
	kfree(block);
	return err;
}

static int vmalloc_scatter(struct lab_run *run)
{
	size_t size = PAGE_ALIGN(lab_number(run, "size"));
	unsigned long nr = size >> PAGE_SHIFT;
	struct lab_hoard held, freed;
	unsigned long i;
	int err;

	hoard_init(&held);
	hoard_init(&freed);
	/* The two objects, and twice the pages of one to make holes. */
	err = lab_charge(run, 2 * size + (PAGE_SIZE << get_order(size)));
	if (err)
		return err;
	/*
	 * On a fresh machine free pages may lie in a row by luck.  Holding
	 * every second page of a stretch and freeing the others leaves single
	 * free frames whose partners are taken, as on a machine that has run
	 * for long.
	 */
	for (i = 0; i < 2 * nr; i++) {
		struct page *page = alloc_page(GFP_LAB);

		if (!page)
			break;
		hoard_add(page_to_pfn(page) & 1 ? &held : &freed, page, 0);
	}
	hoard_free(&freed);
	err = i < 2 * nr ? -ENOMEM : compare_runs(run, size);
	hoard_free(&held);
	return err;
}

static int vmalloc_info(struct lab_run *run)
{
	size_t size = lab_number(run, "size");
	struct lab_frames area_frames, guard;
	void *area;
	int err;

	err = lab_charge(run, PAGE_ALIGN(size));
	if (err)
		return err;
	area = vmalloc_area(size, GFP_LAB);
	if (!area)
		return lab_refuse(run, -ENOMEM, "no area of %zu bytes", size);
	frame_walk(area, size, &area_frames);
	frame_walk(area + PAGE_ALIGN(size), PAGE_SIZE, &guard);
	record_text(&run->record, "area", "%p", area);
	record_number(&run->record, "size_bytes", size);
	record_number(&run->record, "nr_pages", area_frames.nr_pages);
	record_number(&run->record, "nr_guard_pages", guard.nr_holes);
	record_text(&run->record, "caller", "%ps", vmalloc_area);
	err = lab_hold(run);
	vfree(area);
	return err;
}

/* The allocator */

static int vmalloc_open(struct lab_source *source, struct lab_run *run,
			const char *name)
{
	unsigned long nr;

	source->object_bytes = lab_number(run, "size");
	nr = PAGE_ALIGN(source->object_bytes) >> PAGE_SHIFT;
	/* The pages, and for each a pointer to it and an entry that maps it. */
	source->charge_bytes = nr * (PAGE_SIZE + sizeof(struct page *) +
				     sizeof(pte_t)) +
			       sizeof(struct vm_struct) +
			       sizeof(struct vmap_area);
	return 0;
}

static void *vmalloc_alloc(struct lab_source *source, gfp_t gfp)
{
	return vmalloc_area(source->object_bytes, gfp);
}

static void vmalloc_free(struct lab_source *source, void *object)
{
	vfree(object);
}

/* The tables */

static const struct lab_param vmalloc_params[] = {
	{ .name = "size", .help = "of an area, in bytes", .required = true,
	  .min = 1, .max = AREA_MAX_BYTES },
	{}
};

static const struct lab_allocator vmalloc_allocator = {
	.name = "vmalloc",
	.help = "areas from vmalloc()",
	.params = vmalloc_params,
	.open = vmalloc_open,
	.alloc = vmalloc_alloc,
	.free = vmalloc_free,
};

static const struct lab_param scatter_params[] = {
	LAB_HOLD_PARAM,
	{ .name = "size", .help = "in bytes", .min = PAGE_SIZE,
	  .max = SCATTER_MAX_BYTES, .def = 262144 },
	{}
};

static const struct lab_param info_params[] = {
	{ .name = "size", .help = "in bytes", .min = 1, .max = AREA_MAX_BYTES,
	  .def = 20480 },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_experiment vmalloc_experiments[] = {
	{ .name = "scatter", .run = vmalloc_scatter, .params = scatter_params,
	  .help = "consecutive addresses, scattered frames" },
	{ .name = "info", .run = vmalloc_info, .params = info_params,
	  .help = "each area stands in /proc/vmallocinfo with its pages" },
	{}
};

static const struct lab_allocator *const vmalloc_allocators[] = {
	&vmalloc_allocator,
	NULL
};

const struct lab_family vmalloc_family = {
	.name = "vmalloc",
	.help = "virtually contiguous memory",
	.experiments = vmalloc_experiments,
	.allocators = vmalloc_allocators,
};

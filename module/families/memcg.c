// SPDX-License-Identifier: GPL-2.0
/* memcg - memory that is charged to the cgroup of the task that asks for it. */
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "core/cgroup.h"
#include "core/context.h"
#include "core/family.h"
#include "core/footprint.h"

#define KMALLOC_BYTES	1024
#define AREA_BYTES	(16 * PAGE_SIZE)
#define PERCPU_BYTES	1024
/* Of one command, before each CPU has its copy. */
#define CHARGE_BYTES_MAX	SZ_64M

/**
 * struct memcg_kind - a way to get kernel memory for which a cgroup can pay
 * @bytes:	size of an object
 * @alloc:	hands out one, or NULL
 * @free:	takes it back
 */
struct memcg_kind {
	size_t bytes;
	void *(*alloc)(gfp_t gfp);
	void (*free)(void *object);
};

static void *alloc_kmalloc(gfp_t gfp)
{
	return kmalloc(KMALLOC_BYTES, gfp);
}

static void free_kmalloc(void *object)
{
	kfree(object);
}

static void *alloc_page_object(gfp_t gfp)
{
	return alloc_page(gfp);
}

static void free_page_object(void *object)
{
	__free_page(object);
}

static void *alloc_area(gfp_t gfp)
{
	return __vmalloc(AREA_BYTES, gfp);
}

static void free_area(void *object)
{
	vfree(object);
}

static void *alloc_copies(gfp_t gfp)
{
	return (__force void *)__alloc_percpu_gfp(PERCPU_BYTES, sizeof(u64),
						  gfp);
}

static void free_copies(void *object)
{
	free_percpu((__force void __percpu *)object);
}

enum kind {
	KIND_KMALLOC,
	KIND_PAGES,
	KIND_VMALLOC,
	KIND_PERCPU,
};

static const char *const kind_words[] = {
	[KIND_KMALLOC] = "kmalloc",
	[KIND_PAGES] = "pages",
	[KIND_VMALLOC] = "vmalloc",
	[KIND_PERCPU] = "percpu",
	NULL
};

static const struct memcg_kind kinds[] = {
	[KIND_KMALLOC] = { KMALLOC_BYTES, alloc_kmalloc, free_kmalloc },
	[KIND_PAGES] = { PAGE_SIZE, alloc_page_object, free_page_object },
	[KIND_VMALLOC] = { AREA_BYTES, alloc_area, free_area },
	[KIND_PERCPU] = { PERCPU_BYTES, alloc_copies, free_copies },
};

static int memcg_charge(struct lab_run *run)
{
	enum kind which = lab_number(run, "kind");
	const struct memcg_kind *kind = &kinds[which];
	size_t nr = DIV_ROUND_UP(lab_number(run, "bytes"), kind->bytes);
	size_t copies = which == KIND_PERCPU ? num_possible_cpus() : 1;
	struct lab_footprint each = { .bytes = kind->bytes * copies };
	s64 charged = cgroup_pages();
	gfp_t gfp = GFP_LAB;
	size_t held = 0;
	void **objects;
	int err = 0;

	if (lab_number(run, "account"))
		gfp |= __GFP_ACCOUNT;
	if (which == KIND_KMALLOC)
		err = footprint_of_kmalloc(run, kind->bytes, 0, &each);
	/* Twice over: who pays is noted for each, of percpu for each 4 bytes. */
	if (!err)
		err = lab_charge(run, 2 * nr * (each.bytes + sizeof(*objects)));
	if (err)
		return err;
	objects = kvcalloc(nr, sizeof(*objects), GFP_LAB);
	if (!objects)
		return -ENOMEM;
	while (!err && held < nr) {
		objects[held] = kind->alloc(gfp);
		if (!objects[held]) {
			err = lab_refuse(run, -ENOMEM,
					 "after %zu of %zu objects there was no more",
					 held, nr);
			break;
		}
		held++;
		err = context_breathe(run->reason);
	}
	record_text(&run->record, "kind", "%s", kind_words[which]);
	record_number(&run->record, "object_bytes", kind->bytes);
	record_number(&run->record, "nr_objects", held);
	record_number(&run->record, "copies", copies);
	record_number(&run->record, "total_bytes", held * kind->bytes * copies);
	record_signed(&run->record, "charged_pages", cgroup_pages() - charged);
	cgroup_record(&run->record);
	if (!err)
		err = lab_hold(run);
	while (held) {
		kind->free(objects[--held]);
		cond_resched();
	}
	kvfree(objects);
	return err;
}

/* The tables */

static const struct lab_param charge_params[] = {
	{ .name = "kind", .help = "of memory", .type = LAB_CHOICE,
	  .choices = kind_words },
	{ .name = "bytes", .help = "to ask for in all; of percpu, each CPU's",
	  .min = 1, .max = CHARGE_BYTES_MAX, .def = SZ_1M },
	{ .name = "account", .help = "whether with __GFP_ACCOUNT",
	  .type = LAB_CHOICE, .choices = lab_no_yes, .def = 1 },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_experiment memcg_experiments[] = {
	{ .name = "charge", .run = memcg_charge, .params = charge_params,
	  .help = "kernel memory is charged to the cgroup of the task that asks" },
	{}
};

const struct lab_family memcg_family = {
	.name = "memcg",
	.help = "memory that a cgroup pays for",
	.experiments = memcg_experiments,
};

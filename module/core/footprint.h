/* SPDX-License-Identifier: GPL-2.0 */
/* What an object really takes from the machine, with all that is put around it. */
#ifndef KMEMLAB_CORE_FOOTPRINT_H
#define KMEMLAB_CORE_FOOTPRINT_H

#include <linux/gfp.h>
#include <linux/types.h>

struct kernfs_node;
struct kmem_cache;
struct lab_run;

/**
 * struct lab_footprint - what an object takes from the machine
 * @bytes:	the object, with its share of all that is beside it
 * @slab_bytes:	a slab of such objects; 0 if it is a block of pages by itself
 * @is_guess:	of no slab were all objects seen
 */
struct lab_footprint {
	u64 bytes;
	u64 slab_bytes;
	bool is_guess;
};

int footprint_of_cache(struct lab_run *run, struct kmem_cache *cache,
		       struct lab_footprint *footprint);
int footprint_of_kmalloc(struct lab_run *run, size_t size, gfp_t gfp,
			 struct lab_footprint *footprint);
int footprint_charge(struct lab_run *run, const struct lab_footprint *each,
		     unsigned int count);
int footprint_of_hidden(struct lab_run *run, size_t size, u64 *bytes);
int footprint_of_struct(struct lab_run *run, size_t size, u64 *bytes);
int footprint_of_area(struct lab_run *run, size_t size, u64 *bytes);
int footprint_of_kvmalloc_area(struct lab_run *run, size_t size, u64 *bytes);
int footprint_of_files(struct lab_run *run, unsigned int nr, u64 *bytes);
int footprint_of_kobject(struct lab_run *run, struct kernfs_node *dir,
			 u64 *bytes);
int footprint_of_new_cache(struct lab_run *run, const char *name,
			   const struct lab_footprint *object, u64 *bytes);
u64 footprint_of_tracking(void);

#endif

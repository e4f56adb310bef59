/* SPDX-License-Identifier: GPL-2.0 */
/* What allocators do with objects and pages, found by looking at some. */
#ifndef KMEMLAB_ENGINE_OBSERVE_H
#define KMEMLAB_ENGINE_OBSERVE_H

#include <linux/types.h>

struct lab_source;

/** define OBSERVED_SIZE - room for a word of what was observed. */
#define OBSERVED_SIZE	8

/**
 * struct observed_objects - what a cache does with its objects
 * @spacing_bytes: from one object to the next in a slab; 0 where it is not known
 * @order:	in which a new slab's objects are handed out: sequential or random
 * @fresh:	what an object holds that is handed out again after it was filled:
 *		zero, a byte that all of it is made of (0x6b) but for its last, or
 *		what was left in it: left
 * @reuse:	which of two objects comes back, the last of each of two full slabs,
 *		freed one after the other: "last", as from a CPU's own store;
 *		"first", as from a list of slabs, which is where each call goes that
 *		is to be checked; or neither: "later", as where freed objects are
 *		kept for a while
 *
 * Each word is "unknown" where it could not be observed.
 */
struct observed_objects {
	size_t spacing_bytes;
	const char *order;
	char fresh[OBSERVED_SIZE];
	const char *reuse;
};

bool observe_can(const struct lab_source *source);
size_t observe_bytes(const struct lab_source *source);
int observe_objects(struct lab_source *source, struct observed_objects *seen);
int observe_page(char fresh[OBSERVED_SIZE]);
const char *observe_merging(void);
const char *observe_usercopy(void);

#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel does with objects and pages, whatever it was told to do it by:
 * an option of its configuration or of its command line, for all caches or for one.
 *
 * Nothing here looks at memory that is free.
 */
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/thread_info.h>

#include "core/address.h"
#include "core/clock.h"
#include "core/context.h"
#include "core/family.h"
#include "engine/observe.h"

/* What objects and pages are filled with: no poison of the kernel (poison.h). */
#define PATTERN		0xc3
/* Others may have had what was freed, or have disturbed what was counted. */
#define OBSERVE_TRIES	8

/* No more objects are looked at, nor objects of more bytes. */
#define OBSERVE_OBJECTS	8192
#define OBSERVE_BYTES	SZ_1M

/* No other cache has objects of about this size, to be merged with. */
#define ALIKE_BYTES	1976

static const char unknown[] = "unknown";

/*
 * Says what @bytes at @memory hold, if that has a name.  A cache keeps a pointer in a
 * free object, and poison may end with another byte.
 */
static void name_contents(char word[OBSERVED_SIZE], const void *memory,
			  size_t bytes)
{
	const u8 *byte = memory;
	size_t i, nr_left = 0;

	/* KMSAN would report each byte that nobody has written. */
	if (IS_ENABLED(CONFIG_KMSAN))
		return;
	for (i = 0; i < bytes; i++)
		nr_left += byte[i] == PATTERN;
	if (!memchr_inv(memory, 0, bytes))
		strscpy(word, "zero", OBSERVED_SIZE);
	else if (nr_left && nr_left + sizeof(void *) >= bytes)
		strscpy(word, "left", OBSERVED_SIZE);
	else if (bytes > 1 && !memchr_inv(memory, byte[0], bytes - 1))
		snprintf(word, OBSERVED_SIZE, "0x%02x", byte[0]);
}

/**
 * observe_page() - find out what a page holds that was filled and freed
 * @fresh:	filled in: zero, left, a byte that it is full of, or unknown
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int observe_page(char fresh[OBSERVED_SIZE])
{
	struct page *page, *again;
	int tries;

	strscpy(fresh, unknown, OBSERVED_SIZE);
	page = alloc_page(GFP_LAB);
	for (tries = 0; page && tries < OBSERVE_TRIES; tries++) {
		memset(page_address(page), PATTERN, PAGE_SIZE);
		/* A CPU hands out first what it was given back last. */
		migrate_disable();
		__free_page(page);
		again = alloc_page(GFP_LAB);
		migrate_enable();
		if (again == page) {
			name_contents(fresh, page_address(again), PAGE_SIZE);
			break;
		}
		page = again;
	}
	if (!page)
		return -ENOMEM;
	__free_page(page);
	return 0;
}

/**
 * observe_merging() - find out whether two caches that are alike become one
 *
 * Context: Process context, may sleep.
 * Return: "yes" or "no"; NULL where there was no memory.
 */
const char *observe_merging(void)
{
	const char *seen = NULL;
	struct kmem_cache *first, *second;

	/* Of their names the kernel keeps links, as of those of slab.merge. */
	first = kmem_cache_create("kmemlab-alike-1", ALIKE_BYTES, 0, 0, NULL);
	if (!first)
		return seen;
	second = kmem_cache_create("kmemlab-alike-2", ALIKE_BYTES, 0, 0, NULL);
	if (second)
		seen = first == second ? "yes" : "no";
	kmem_cache_destroy(second);
	kmem_cache_destroy(first);
	return seen;
}

/* The least that it costs to have so many bytes of an object checked, often. */
static u64 usercopy_cost(const void *object, unsigned long bytes)
{
	u64 least = CLOCK_DISTURBED, cost;
	int tries, i;

	migrate_disable();
	for (tries = 0; tries < 4 * OBSERVE_TRIES; tries++) {
		CLOCK_COUNT(cost, {
			for (i = 0; i < 64; i++) {
				OPTIMIZER_HIDE_VAR(bytes);
				check_object_size(object, bytes, true);
			}
		});
		least = min(least, cost);
	}
	migrate_enable();
	return least;
}

/**
 * observe_usercopy() - find out whether copies to user space are checked
 *
 * It leaves no trace, but of no bytes there is nothing to check: what there is to
 * check of some costs many times as much.
 *
 * Context: Process context, may sleep.
 * Return: "yes", "no" or "unknown"; NULL where there was no memory.
 */
const char *observe_usercopy(void)
{
	void *object = kzalloc(sizeof(u64), GFP_LAB);
	u64 none, some;

	if (!object)
		return NULL;
	none = usercopy_cost(object, 0);
	some = usercopy_cost(object, sizeof(u64));
	kfree(object);
	if (max(none, some) == CLOCK_DISTURBED)
		return unknown;
	return some > 2 * none ? "yes" : "no";
}

/**
 * struct sample - objects of a cache, in the order in which they were handed out
 * @source:	of which
 * @object:	the objects; owner: this struct
 * @sorted:	room for as many pointers behind them
 * @nr:		how many there are
 * @room:	how many there may be
 * @run:	how many of the last came from one slab
 * @err:	-ENOMEM once there were no more to be had
 */
struct sample {
	struct lab_source *source;
	void **object;
	void **sorted;
	size_t nr;
	size_t room;
	size_t run;
	int err;
};

static bool take(struct sample *sample)
{
	struct lab_source *source = sample->source;
	void **object = sample->object;
	void *got;

	if (sample->nr == sample->room)
		return false;
	got = source->allocator->alloc(source, GFP_LAB);
	if (!got) {
		sample->err = -ENOMEM;
		return false;
	}
	sample->run = sample->nr && address_same_slab(got, object[sample->nr - 1]) ?
		      sample->run + 1 : 1;
	object[sample->nr++] = got;
	return true;
}

static void give(struct sample *sample, size_t i)
{
	struct lab_source *source = sample->source;

	source->allocator->free(source, sample->object[i]);
	sample->object[i] = sample->object[--sample->nr];
}

/* What the spacing is by all objects so far; 0 if no two lie in one slab. */
static size_t spacing_of(const struct sample *sample)
{
	memcpy(sample->sorted, sample->object,
	       sample->nr * sizeof(*sample->sorted));
	address_sort(sample->sorted, sample->nr);
	return address_spacing(sample->sorted, sample->nr);
}

/*
 * Takes objects until there is an estimate of the spacing, or returns 0.  Slabs with room
 * for a few are filled first: two there may be a multiple of the spacing apart.
 */
static size_t estimate_spacing(struct sample *sample, size_t slab_bytes, size_t most)
{
	size_t spacing;

	do {
		if (!take(sample))
			return 0;
		spacing = sample->nr > most && sample->run > 1 ?
			  spacing_of(sample) : 0;
	} while (!spacing || slab_bytes / spacing < 2);
	return spacing;
}

/* Whether the last so many objects up to one lie as close to each other as they can. */
static bool is_dense(const struct sample *sample, size_t last, size_t nr,
		     size_t spacing)
{
	size_t i = last - nr + 1;
	const void *low = sample->object[i], *high = low;

	while (++i <= last) {
		low = min(low, (const void *)sample->object[i]);
		high = max(high, (const void *)sample->object[i]);
	}
	return high - low == (nr - 1) * spacing;
}

/* Whether the last so many objects follow each other in memory. */
static bool is_sequential(const struct sample *sample, size_t nr, size_t spacing)
{
	size_t i;

	for (i = sample->nr - nr + 1; i < sample->nr; i++)
		if (sample->object[i] - sample->object[i - 1] != spacing)
			return false;
	return true;
}

/*
 * Takes objects until a slab that was new has none left; returns where the last of
 * them is, or 0.  @sample has some before.
 */
static size_t fill_slab(struct sample *sample, size_t per_slab)
{
	do {
		if (!take(sample))
			return 0;
	} while (sample->run != per_slab);
	return sample->nr - 1;
}

/* The last of the objects is the last of a slab, and object @other of another. */
static const char *which_returns(struct sample *sample, size_t other)
{
	const void *first = sample->object[other];
	const void *last = sample->object[sample->nr - 1];
	const void *got;

	/* @other first; the last object then has its place. */
	give(sample, other);
	give(sample, other);
	if (!take(sample))
		return unknown;
	got = sample->object[sample->nr - 1];
	if (got == last)
		return "last";
	return address_same_slab(got, first) ? "first" : "later";
}

/*
 * Fills two slabs that are new, by what the spacing is thought to be; returns where the
 * last object of the first is, 0 if there is no room.  @whole: whether it was so.
 */
static size_t fill_two_slabs(struct sample *sample, size_t spacing,
			     size_t per_slab, bool *whole)
{
	size_t first = fill_slab(sample, per_slab);

	if (!first || !fill_slab(sample, per_slab))
		return 0;
	*whole = is_dense(sample, first, per_slab, spacing) &&
		 is_dense(sample, sample->nr - 1, per_slab, spacing) &&
		 !address_same_slab(sample->object[first], sample->object[first + 1]) &&
		 spacing_of(sample) == spacing;
	return first;
}

static void watch_slabs(struct sample *sample, struct observed_objects *seen)
{
	size_t slab_bytes = page_size(virt_to_head_page(sample->object[0]));
	size_t most = slab_bytes / sample->source->object_bytes;
	size_t spacing, per_slab, first;
	bool whole;
	int tries;

	if (most < 2)
		return;
	/* Each try knows the spacing better; and an interrupt may take what was freed. */
	for (tries = 0; tries < OBSERVE_TRIES; tries++) {
		spacing = estimate_spacing(sample, slab_bytes, most);
		if (!spacing)
			return;
		per_slab = slab_bytes / spacing;
		first = fill_two_slabs(sample, spacing, per_slab, &whole);
		if (!first)
			return;
		if (!whole)
			continue;
		seen->spacing_bytes = spacing;
		seen->order = is_sequential(sample, per_slab, spacing) ?
			      "sequential" : "random";
		seen->reuse = which_returns(sample, first);
		if (strcmp(seen->reuse, "later"))
			return;
	}
}

static int watch_object(struct lab_source *source, char fresh[OBSERVED_SIZE])
{
	const struct lab_allocator *allocator = source->allocator;
	void *object, *again;
	int tries;

	object = allocator->alloc(source, GFP_LAB);
	for (tries = 0; object && tries < OBSERVE_TRIES; tries++) {
		memset(object, PATTERN, source->object_bytes);
		allocator->free(source, object);
		again = allocator->alloc(source, GFP_LAB);
		if (again == object) {
			name_contents(fresh, again, source->object_bytes);
			break;
		}
		object = again;
	}
	if (!object)
		return -ENOMEM;
	allocator->free(source, object);
	return 0;
}

/**
 * observe_can() - whether a source has objects that observe_objects() knows
 * @source:	which
 *
 * Return: whether its objects are in slabs, all of them, and can be looked at where they
 * are.
 */
bool observe_can(const struct lab_source *source)
{
	return source->keeps_slabs && !source->may_be_area &&
	       !source->allocator->address;
}

static size_t room_for(const struct lab_source *source)
{
	return min_t(size_t, OBSERVE_OBJECTS,
		     OBSERVE_BYTES / source->object_bytes);
}

/**
 * observe_bytes() - what observe_objects() takes
 * @source:	of which
 *
 * Return: in bytes, at the most.
 */
size_t observe_bytes(const struct lab_source *source)
{
	return (room_for(source) + 1) * (source->charge_bytes + 2 * sizeof(void *));
}

/**
 * observe_objects() - find out what a cache does with its objects
 * @source:	of which; observe_can() says that it can be done
 * @seen:	filled in
 *
 * Takes objects of its own, up to observe_bytes(), and gives them back.
 *
 * Context: Process context, may sleep.
 * Return: 0; -ENOMEM where not all could be observed for want of memory.
 */
int observe_objects(struct lab_source *source, struct observed_objects *seen)
{
	struct sample sample = {
		.source = source,
		.room = room_for(source),
	};

	*seen = (struct observed_objects){ .order = unknown, .reuse = unknown };
	strscpy(seen->fresh, unknown, sizeof(seen->fresh));
	sample.object = kvmalloc_array(2 * sample.room, sizeof(*sample.object),
				       GFP_LAB);
	if (!sample.object)
		return -ENOMEM;
	sample.sorted = sample.object + sample.room;
	/* On one CPU, which fills a slab before it takes the next. */
	migrate_disable();
	if (take(&sample) && PageSlab(virt_to_head_page(sample.object[0])))
		watch_slabs(&sample, seen);
	/*
	 * Last: an object that fills its slab goes to the end of a list when it is freed,
	 * and the next comes from another.  The sample has used such slabs up.
	 */
	if (!sample.err)
		sample.err = watch_object(source, seen->fresh);
	while (sample.nr)
		give(&sample, sample.nr - 1);
	migrate_enable();
	kvfree(sample.object);
	return sample.err;
}

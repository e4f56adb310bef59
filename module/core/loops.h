/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Many calls of one allocator in a row: the loops that pools fill with and that
 * the bench measures.
 *
 * They are made anew for each allocator, so that what is called is called
 * directly: a loop is the call, a look at what it returned and the loop's own
 * two instructions.
 */
#ifndef KMEMLAB_CORE_LOOPS_H
#define KMEMLAB_CORE_LOOPS_H

#include "core/clock.h"
#include "core/context.h"

struct lab_source;

/** define LAB_BULK - objects in one call of an allocator's bulk pair. */
#define LAB_BULK	16

/**
 * struct lab_cost - what a call to get objects and one to give them back cost
 * @alloc:	in units of the counter, or CLOCK_DISTURBED
 * @free:	likewise
 */
struct lab_cost {
	u64 alloc;
	u64 free;
};

/**
 * struct lab_loops - the loops of one allocator
 * @per_call:	objects that each call hands out and takes back
 * @pairs:	gets objects and gives them back, @nr times; returns how many
 *		times it could not
 * @allocs:	gets objects, in @nr calls; returns how many calls it could not do
 * @frees:	gives objects back, in @nr calls
 * @count_pairs: the same as @pairs, with the cost of each call
 * @count_allocs: the same as @allocs, with the @alloc of each call
 * @count_frees: the same as @frees, with the @free of each call
 *
 * Process context, may sleep.  The array of objects has @per_call for each call.
 */
struct lab_loops {
	unsigned int per_call;
	size_t (*pairs)(struct lab_source *source, size_t nr);
	size_t (*allocs)(struct lab_source *source, size_t nr, void **objects);
	void (*frees)(struct lab_source *source, size_t nr, void **objects);
	size_t (*count_pairs)(struct lab_source *source, size_t nr,
			      struct lab_cost *cost);
	size_t (*count_allocs)(struct lab_source *source, size_t nr,
			       void **objects, struct lab_cost *cost);
	void (*count_frees)(struct lab_source *source, size_t nr,
			    void **objects, struct lab_cost *cost);
};

/*
 * The functions above.  Of the statements that they are made of
 *
 * @TAKE:	gets objects: @got becomes NULL where there are none
 * @KEEP:	puts them into @objects
 * @FETCH:	takes them from there again
 * @GIVE:	gives them back
 */
#define LAB_WHOLE_LOOPS(prefix, nr_objects, TAKE, KEEP, FETCH, GIVE) \
static size_t prefix##_pairs(struct lab_source *source, size_t nr) \
{ \
	void *room[nr_objects], *got = source; \
	void **objects __maybe_unused = room; \
\
	for (; nr; nr--) { \
		TAKE; \
		if (!got) \
			break; \
		GIVE; \
	} \
	return nr; \
} \
\
static size_t prefix##_allocs(struct lab_source *source, size_t nr, \
			      void **objects) \
{ \
	void *got = source; \
\
	for (; nr; nr--, objects += (nr_objects)) { \
		TAKE; \
		if (!got) \
			break; \
		KEEP; \
	} \
	return nr; \
} \
\
static void prefix##_frees(struct lab_source *source, size_t nr, \
			   void **objects) \
{ \
	void *got __maybe_unused; \
\
	for (; nr; nr--, objects += (nr_objects)) { \
		FETCH; \
		GIVE; \
	} \
}

#define LAB_COUNT_LOOPS(prefix, nr_objects, TAKE, KEEP, FETCH, GIVE) \
static size_t prefix##_count_pairs(struct lab_source *source, size_t nr, \
				   struct lab_cost *cost) \
{ \
	void *room[nr_objects], *got = source; \
	void **objects __maybe_unused = room; \
\
	for (; nr; nr--, cost++) { \
		CLOCK_COUNT(cost->alloc, TAKE); \
		if (!got) \
			break; \
		CLOCK_COUNT(cost->free, GIVE); \
	} \
	return nr; \
} \
\
static size_t prefix##_count_allocs(struct lab_source *source, size_t nr, \
				    void **objects, struct lab_cost *cost) \
{ \
	void *got = source; \
\
	for (; nr; nr--, objects += (nr_objects), cost++) { \
		CLOCK_COUNT(cost->alloc, TAKE); \
		if (!got) \
			break; \
		KEEP; \
	} \
	return nr; \
} \
\
static void prefix##_count_frees(struct lab_source *source, size_t nr, \
				 void **objects, struct lab_cost *cost) \
{ \
	void *got __maybe_unused; \
\
	for (; nr; nr--, objects += (nr_objects), cost++) { \
		FETCH; \
		CLOCK_COUNT(cost->free, GIVE); \
	} \
}

#define LAB_LOOPS_OF(prefix, nr_objects, ...) \
LAB_WHOLE_LOOPS(prefix, nr_objects, __VA_ARGS__) \
LAB_COUNT_LOOPS(prefix, nr_objects, __VA_ARGS__) \
static const struct lab_loops prefix##_loops = { \
	.per_call = nr_objects, \
	.pairs = prefix##_pairs, \
	.allocs = prefix##_allocs, \
	.frees = prefix##_frees, \
	.count_pairs = prefix##_count_pairs, \
	.count_allocs = prefix##_count_allocs, \
	.count_frees = prefix##_count_frees, \
}

/*
 * The struct lab_loops of an allocator, name_loops.
 *
 * Of name_alloc(source, gfp) and name_free(source, object), both inline.
 */
#define LAB_LOOPS(name) \
	LAB_LOOPS_OF(name, 1, \
		     got = name##_alloc(source, GFP_LAB), \
		     *objects = got, \
		     got = *objects, \
		     name##_free(source, got))

/*
 * Of name_alloc(source, gfp, nr, objects), which gets all of them or none, and
 * name_free(source, nr, objects).
 */
#define LAB_BULK_LOOPS(name) \
	LAB_LOOPS_OF(name, LAB_BULK, \
		     got = name##_alloc(source, GFP_LAB, LAB_BULK, objects) ? \
			   source : NULL, \
		     , \
		     , \
		     name##_free(source, LAB_BULK, objects))

#endif

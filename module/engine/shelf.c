// SPDX-License-Identifier: GPL-2.0
#include <linux/gfp.h>
#include <linux/kmemleak.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "core/context.h"
#include "engine/shelf.h"

#define PER_CHUNK	(PAGE_SIZE / sizeof(void *))
#define FIRST_SLOTS	8

static void **slot(const struct lab_shelf *shelf, size_t position)
{
	return &shelf->chunk[position / PER_CHUNK][position % PER_CHUNK];
}

static void drop_chunk(struct lab_shelf *shelf, size_t i)
{
	if (!shelf->chunk[i])
		return;
	kmemleak_free(shelf->chunk[i]);
	free_page((unsigned long)shelf->chunk[i]);
	shelf->chunk[i] = NULL;
	shelf->pages--;
}

/**
 * shelf_count() - objects on a shelf
 * @shelf:	the shelf
 *
 * Context: Any; the caller serialises.
 * Return: how many.
 */
size_t shelf_count(const struct lab_shelf *shelf)
{
	return shelf->tail - shelf->head;
}

/**
 * shelf_bytes() - what the bookkeeping takes
 * @shelf:	the shelf
 *
 * Context: Any; the caller serialises.
 * Return: bytes.
 */
u64 shelf_bytes(const struct lab_shelf *shelf)
{
	return (u64)shelf->pages * PAGE_SIZE +
	       shelf->nr_slots * sizeof(*shelf->chunk);
}

/*
 * Makes room for @nr more chunks at the end of the table: by moving back what is
 * left, or by growing.
 */
static int make_slots(struct lab_shelf *shelf, size_t nr)
{
	size_t first = shelf->head / PER_CHUNK;
	size_t used = DIV_ROUND_UP(shelf->tail, PER_CHUNK) - first;
	size_t room = shelf->nr_slots;
	void ***table = shelf->chunk;

	if (first + used + nr <= room)
		return 0;
	/* What is moved back must pay for it, or each push might do so. */
	if (used + nr > room / 2) {
		room = max3(2 * room, used + nr, (size_t)FIRST_SLOTS);
		table = kvcalloc(room, sizeof(*table), GFP_LAB);
		if (!table)
			return -ENOMEM;
	}
	/* The chunk that is kept past the end is not taken along. */
	if (first + used < shelf->nr_slots)
		drop_chunk(shelf, first + used);
	if (used)
		memmove(table, shelf->chunk + first, used * sizeof(*table));
	if (table == shelf->chunk) {
		memset(table + used, 0, first * sizeof(*table));
	} else {
		kvfree(shelf->chunk);
		shelf->chunk = table;
		shelf->nr_slots = room;
	}
	shelf->head -= first * PER_CHUNK;
	shelf->tail -= first * PER_CHUNK;
	return 0;
}

/**
 * shelf_room() - make sure that objects fit at the newest end
 * @shelf:	the shelf
 * @nr:		set to how many fit in a row; at least one
 *
 * Context: Process context, may sleep; the caller serialises.
 * Return: where to put them, to be followed by shelf_fill(); NULL where memory is
 * short.
 */
void **shelf_room(struct lab_shelf *shelf, size_t *nr)
{
	size_t i;

	if (shelf->tail % PER_CHUNK == 0 && make_slots(shelf, 1))
		return NULL;
	i = shelf->tail / PER_CHUNK;
	if (!shelf->chunk[i]) {
		shelf->chunk[i] = (void **)__get_free_page(GFP_LAB);
		if (!shelf->chunk[i])
			return NULL;
		/* Its pointers keep the objects from being taken for leaks. */
		kmemleak_alloc(shelf->chunk[i], PAGE_SIZE, 0, GFP_LAB);
		shelf->pages++;
	}
	*nr = PER_CHUNK - shelf->tail % PER_CHUNK;
	return slot(shelf, shelf->tail);
}

/**
 * shelf_fill() - count in the objects that were put at the newest end
 * @shelf:	the shelf
 * @nr:		how many; not more than shelf_room() has said
 *
 * Context: Any; the caller serialises.
 */
void shelf_fill(struct lab_shelf *shelf, size_t nr)
{
	shelf->tail += nr;
}

/* Moves as many of the oldest as fit into the chunk that the newest is in. */
static void fill_up(struct lab_shelf *shelf, struct lab_shelf *other)
{
	size_t room = -shelf->tail % PER_CHUNK;
	size_t from = other->head % PER_CHUNK;
	size_t nr = min3(room, PER_CHUNK - from, shelf_count(other));

	memcpy(slot(shelf, shelf->tail), slot(other, other->head),
	       nr * sizeof(void *));
	shelf->tail += nr;
	other->head += nr;
}

/**
 * shelf_join() - put all objects of another shelf at the newest end
 * @shelf:	the shelf
 * @other:	the other, which has no object then and is for shelf_free(); of its
 *		objects none has been taken from the oldest end
 *
 * Takes no memory but for the table, and time for each object only where the
 * newest one of @shelf does not end a chunk.
 *
 * Context: Process context, may sleep; the caller serialises.
 * Return: 0 or -ENOMEM, and nothing is changed.
 */
int shelf_join(struct lab_shelf *shelf, struct lab_shelf *other)
{
	size_t nr_chunks = DIV_ROUND_UP(other->tail, PER_CHUNK), left, i;

	if (make_slots(shelf, nr_chunks))
		return -ENOMEM;
	for (i = 0; i < nr_chunks; i++) {
		void **chunk = other->chunk[i];

		if (shelf->tail % PER_CHUNK)
			fill_up(shelf, other);
		left = min(PER_CHUNK - other->head % PER_CHUNK,
			   shelf_count(other));
		if (other->head / PER_CHUNK > i || !left)
			continue;	/* emptied: shelf_free() */
		/* What did not fit begins the next chunk, which is this one. */
		memmove(chunk, slot(other, other->head), left * sizeof(void *));
		if (shelf->tail / PER_CHUNK < shelf->nr_slots)
			drop_chunk(shelf, shelf->tail / PER_CHUNK);
		shelf->chunk[shelf->tail / PER_CHUNK] = chunk;
		shelf->pages++;
		shelf->tail += left;
		other->chunk[i] = NULL;
		other->pages--;
		other->head += left;
	}
	return 0;
}

/**
 * shelf_at() - look at an object
 * @shelf:	the shelf
 * @index:	0 for the oldest; below shelf_count()
 *
 * Context: Any; the caller serialises.
 * Return: the object.
 */
void *shelf_at(const struct lab_shelf *shelf, size_t index)
{
	return *slot(shelf, shelf->head + index);
}

/**
 * shelf_pop_newest() - take the object that came last
 * @shelf:	a shelf that is not empty
 *
 * Context: Any; the caller serialises.
 * Return: the object.
 */
void *shelf_pop_newest(struct lab_shelf *shelf)
{
	void *object = *slot(shelf, --shelf->tail);
	size_t i = shelf->tail / PER_CHUNK;

	/*
	 * The chunk just emptied is kept, since the next push would want it
	 * again.
	 */
	if (shelf->tail % PER_CHUNK == 0 && i + 1 < shelf->nr_slots)
		drop_chunk(shelf, i + 1);
	return object;
}

/**
 * shelf_pop_oldest() - take the object that came first
 * @shelf:	a shelf that is not empty
 *
 * Context: Any; the caller serialises.
 * Return: the object.
 */
void *shelf_pop_oldest(struct lab_shelf *shelf)
{
	void *object = *slot(shelf, shelf->head++);

	if (shelf->head % PER_CHUNK == 0)
		drop_chunk(shelf, shelf->head / PER_CHUNK - 1);
	return object;
}

/**
 * shelf_pop_random() - take any object, each as likely as the other
 * @shelf:	a shelf that is not empty
 *
 * The newest object takes the place that becomes free, so the order of the rest
 * is no longer that of arrival.
 *
 * Context: Any; the caller serialises.
 * Return: the object.
 */
void *shelf_pop_random(struct lab_shelf *shelf)
{
	size_t count = shelf_count(shelf);
	size_t index = mul_u64_u64_shr(get_random_u64(), count, 64);
	void *newest = shelf_pop_newest(shelf);
	void **place, *object;

	if (index == count - 1)
		return newest;
	place = slot(shelf, shelf->head + index);
	object = *place;
	*place = newest;
	return object;
}

/**
 * shelf_trim() - give back bookkeeping that no object needs
 * @shelf:	the shelf
 *
 * Context: Process context, may sleep; the caller serialises.
 */
void shelf_trim(struct lab_shelf *shelf)
{
	size_t i = DIV_ROUND_UP(shelf->tail, PER_CHUNK);

	if (!shelf_count(shelf)) {
		shelf_free(shelf);
		return;
	}
	for (; i < shelf->nr_slots && shelf->chunk[i]; i++)
		drop_chunk(shelf, i);
}

/**
 * shelf_free() - give back the bookkeeping
 * @shelf:	an empty shelf; ready for use again afterwards
 *
 * Context: Process context, may sleep; the caller serialises.
 */
void shelf_free(struct lab_shelf *shelf)
{
	size_t i;

	for (i = 0; i < shelf->nr_slots; i++)
		drop_chunk(shelf, i);
	kvfree(shelf->chunk);
	memset(shelf, 0, sizeof(*shelf));
}

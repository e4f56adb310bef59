/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Objects in the order in which they came, to be taken from either end or the
 * middle.
 */
#ifndef KMEMLAB_ENGINE_SHELF_H
#define KMEMLAB_ENGINE_SHELF_H

#include <linux/types.h>

/**
 * struct lab_shelf - pointers to objects, in chunks of one page each
 * @chunk:	table of chunks; owner: the shelf
 * @nr_slots:	room in @chunk
 * @head:	position of the oldest object, counted from the start of @chunk
 * @tail:	one past the position of the newest
 * @pages:	pages that the chunks take
 *
 * A page holds 512 pointers, so an object costs 8 bytes and its share of one
 * table entry.  All operations take constant time, averaged over the growth of
 * the table, but for shelf_join().  The caller serialises.
 */
struct lab_shelf {
	void ***chunk;
	size_t nr_slots;
	size_t head;
	size_t tail;
	unsigned long pages;
};

size_t shelf_count(const struct lab_shelf *shelf);
u64 shelf_bytes(const struct lab_shelf *shelf);
void **shelf_room(struct lab_shelf *shelf, size_t *nr);
void shelf_fill(struct lab_shelf *shelf, size_t nr);
int shelf_join(struct lab_shelf *shelf, struct lab_shelf *other);
void *shelf_at(const struct lab_shelf *shelf, size_t index);
void *shelf_pop_newest(struct lab_shelf *shelf);
void *shelf_pop_oldest(struct lab_shelf *shelf);
void *shelf_pop_random(struct lab_shelf *shelf);
void shelf_trim(struct lab_shelf *shelf);
void shelf_free(struct lab_shelf *shelf);

#endif

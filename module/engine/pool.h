/* SPDX-License-Identifier: GPL-2.0 */
/* Named pools: objects of any allocator, held for the user. */
#ifndef KMEMLAB_ENGINE_POOL_H
#define KMEMLAB_ENGINE_POOL_H

#include <linux/atomic.h>
#include <linux/hashtable.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "core/command.h"
#include "core/family.h"
#include "core/frame.h"
#include "engine/shelf.h"

/**
 * struct lab_pool_counts - what a pool has done and holds
 * @nr_objects:	objects held, less those that are idle
 * @nr_allocs:	objects allocated so far
 * @nr_frees:	objects freed so far
 * @nr_failed:	commands that did not get what they asked for
 * @charged_bytes: charged to the budget for the pool, its objects and their
 *		bookkeeping
 * @bookkeeping_bytes: what the bookkeeping really takes
 * @kept_pages:	taken straight from the page allocator, so that no counter of
 *		the kernel shows them
 */
struct lab_pool_counts {
	u64 nr_objects;
	u64 nr_allocs;
	u64 nr_frees;
	u64 nr_failed;
	u64 charged_bytes;
	u64 bookkeeping_bytes;
	s64 kept_pages;
};

/**
 * struct lab_pool - objects of one kind under one name
 * @node:	in the list of all pools; protected by the pools' lock
 * @bucket:	in the table of names; protected by the pools' lock
 * @name:	constant
 * @source:	makes the objects; constant
 * @own_bytes:	charged to the budget for the pool itself and its files; constant
 * @users:	open files and running commands; protected by the pools' lock
 * @leaving:	it is being destroyed, and is found no more; protected by the
 *		pools' lock
 * @door:	room that the watcher asked for, behind this struct
 * @tidy_work:	frees what commands that were killed have left, and settles up for
 *		objects that the kernel took back
 * @nr_arrived:	objects that commands have allocated that are not done
 * @counts_lock: protects @counts; innermost
 * @counts:	the counts below as of the last batch, for those who only look
 * @lock:	protects all that follows
 * @shelf:	the objects
 * @closed:	its allocator has been told that nothing more is asked of it
 * @left:	deliveries that killed commands left to @tidy_work
 * @nr_coming:	objects that are charged for, of commands that allocate and of
 *		@left
 * @nr_going:	objects that commands have claimed, to free them
 * @charged:	for how many objects the budget is charged; not fewer than there
 *		are
 * @charged_bytes: for those, and for pointers to as many as there are
 * @nr_allocs:	objects allocated so far
 * @nr_frees:	objects freed so far
 * @nr_failed:	commands that did not get what they asked for
 * @nr_changes:	how often any of this has changed
 * @nr_looked:	as many changes there had been when @held_bytes was counted
 * @held_bytes:	in the slabs or pages that the objects lie in; see pool_held()
 */
struct lab_pool {
	struct list_head node;
	struct hlist_node bucket;
	char name[LAB_WORD_MAX + 1];
	struct lab_source source;
	u64 own_bytes;
	unsigned int users;
	bool leaving;
	void *door;
	struct work_struct tidy_work;
	atomic_long_t nr_arrived;

	spinlock_t counts_lock;	/* protects counts */
	struct lab_pool_counts counts;

	struct mutex lock;	/* protects all that follows */
	struct lab_shelf shelf;
	bool closed;
	struct list_head left;
	size_t nr_coming;
	size_t nr_going;
	size_t charged;
	u64 charged_bytes;
	u64 nr_allocs;
	u64 nr_frees;
	u64 nr_failed;
	u64 nr_changes;
	u64 nr_looked;
	u64 held_bytes;
};

/**
 * struct lab_place - where an object lies
 * @address:	its virtual address
 * @offset_bytes: where in its first page it begins
 * @frames:	the frames of the pages that it touches
 */
struct lab_place {
	const void *address;
	unsigned int offset_bytes;
	struct lab_frames frames;
};

/**
 * struct lab_pool_watcher - who is told of pools that come and go
 * @door_bytes:	room that it needs in each pool, at &struct lab_pool.door
 * @nr_files:	files that it makes for each, with their directory
 * @added:	a pool has been made; no lock is held; may sleep
 * @removed:	no one can find the pool any more; must wait until nobody who
 *		reached it through @door is still in there.  No lock is held;
 *		may sleep
 */
struct lab_pool_watcher {
	size_t door_bytes;
	unsigned int nr_files;
	void (*added)(struct lab_pool *pool);
	void (*removed)(struct lab_pool *pool);
};

extern const struct lab_family pool_family;

void pool_watch(const struct lab_pool_watcher *watcher);
void pool_exit(void);

bool pool_hold(struct lab_pool *pool);
void pool_drop(struct lab_pool *pool);

void pool_counts(struct lab_pool *pool, struct lab_pool_counts *counts);
int pool_held(struct lab_pool *pool, u64 *bytes);
int pool_show_stats(struct lab_record *record, void *pool);

int pool_layout_begin(struct lab_pool *pool);
bool pool_layout_at(struct lab_pool *pool, size_t index,
		    struct lab_place *place);
void pool_layout_end(struct lab_pool *pool);

void pool_list_lock(void);
void pool_list_unlock(void);
struct list_head *pool_list(void);
u64 pool_count(void);
int pool_show_ledger(struct lab_record *record, void *unused);

#endif

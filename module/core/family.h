/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The contract: what a family is.
 *
 * A family is one allocator, or one view of memory, in one file.  It describes
 * itself in tables at the end of that file; the engine reads the tables and
 * makes the files, the listing, the help and the checks on arguments from
 * them.
 *
 * To add an experiment, write one function and one line in the family's table.
 * To add a family, write one file, one line in Kbuild and one in
 * engine/registry.c.
 */
#ifndef KMEMLAB_CORE_FAMILY_H
#define KMEMLAB_CORE_FAMILY_H

#include <linux/gfp.h>
#include <linux/types.h>

#include "core/command.h"
#include "core/record.h"

struct device;
struct kmem_cache;
struct lab_loops;
struct lab_magazines;

/** define LAB_CACHE_NAME_SIZE - room for the name of a pool's cache. */
#define LAB_CACHE_NAME_SIZE	(sizeof("kmemlab_") + LAB_WORD_MAX)

/**
 * struct lab_run - one command on its way from the door to the record
 * @args:	the arguments, checked against the experiment's table
 * @record:	takes what the experiment finds; owner: the runner
 * @reason:	why the command was refused or failed, in words; "" otherwise
 * @charged_bytes: what lab_charge() holds against the budget for this command;
 *		given back by the runner when the command ends
 * @kept_pages:	pages that the command took straight from the buddy and keeps
 *		(less those it gave back), for the ledger
 *
 * @publish:	shows the record as it is so far to those who read the family's
 *		last record; set by the runner
 *
 * A run belongs to one task from its beginning to its end and has no lock.
 */
struct lab_run {
	struct lab_args args;
	struct lab_record record;
	char reason[LAB_REASON_SIZE];
	u64 charged_bytes;
	s64 kept_pages;
	void (*publish)(struct lab_run *run);
};

/**
 * struct lab_experiment - one thing that can be shown
 * @name:	the word a user types; the function is <family>_<name>, so that
 *		grep finds it; NULL ends a table
 * @help:	one line for the listing: the claim as a sentence
 * @params:	what it takes, or NULL
 * @more_params: further parameters that depend on what the command says, or
 *		NULL; returns a table, or an ERR_PTR() with the reason filled in
 * @keeps:	the command's purpose is to keep or give back memory; then it
 *		need not wait for an experiment that is at work
 * @run:	shows it.  Called in process context with no lock but, for those
 *		that do not keep, the runner's; may sleep.  Returns 0 or a
 *		negative errno: EOPNOTSUPP where this kernel or machine cannot
 *		show it, EPERM where it may not while the kernel is locked down,
 *		EINTR where it was cancelled, ENODEV where a device was taken
 *		away from it, ENOMEM, EDQUOT, ERANGE, EBUSY; says why with
 *		lab_refuse().  Gives everything back on every path unless @keeps.
 */
struct lab_experiment {
	const char *name;
	const char *help;
	const struct lab_param *params;
	const struct lab_param *(*more_params)(const struct lab_command *cmd,
					       char *reason);
	bool keeps;
	int (*run)(struct lab_run *run);
};

/**
 * struct lab_source - an allocator made ready to hand out objects of one kind
 * @allocator:	which
 * @object_bytes: size of an object as asked for, in bytes
 * @charge_bytes: what one object takes from the machine, in bytes; charged to
 *		the budget before the object is allocated
 * @slab_bytes:	what a slab takes, in bytes; 0 if objects do not share slabs
 * @own_bytes:	charged to the budget for what the source itself takes, by
 *		lab_source_charge()
 * @kept_pages:	pages of @charge_bytes that no counter of the kernel shows
 *		(those straight from the buddy), for the ledger
 * @order:	order of an object, for allocators of pages
 * @gfp:	flags that each request has beside those it is made with
 * @align:	alignment of an object in bytes, for percpu
 * @node:	where the objects are, for node
 * @cache:	the cache, for slab; owner: this source
 * @reserve:	what the allocator keeps ready, for mempool; or idle, for
 *		reclaimable; or by what it is found, for slab_magazine; owner:
 *		this source
 * @magazines:	of each CPU, for slab_magazine; owner: this source
 * @device:	on whose behalf, for dma; owner: this source
 * @keeps_slabs: objects share slabs, which go back to the page allocator only
 *		when all their objects are free; so what was charged once stays
 *		charged until no object is left
 * @may_be_area: an object can turn out to be an area of vmalloc(), in no slab
 * @cache_name:	what the kernel calls @cache, for /proc/slabinfo; "" without
 *		one
 * @merge_id:	for slab: tells the names of merged caches apart; -1 for a cache
 *		of its own
 * @given:	called by the allocator when the kernel has taken idle objects back;
 *		set by the pool before @open.  Must not sleep
 *
 * All other fields are set by @open; all are constant until @close.
 */
struct lab_source {
	const struct lab_allocator *allocator;
	size_t object_bytes;
	size_t charge_bytes;
	size_t slab_bytes;
	u64 own_bytes;
	unsigned long kept_pages;
	unsigned int order;
	gfp_t gfp;
	unsigned int align;
	int node;
	struct kmem_cache *cache;
	void *reserve;
	struct lab_magazines __percpu *magazines;
	struct device *device;
	bool keeps_slabs;
	bool may_be_area;
	char cache_name[LAB_CACHE_NAME_SIZE];
	int merge_id;
	void (*given)(struct lab_source *source);
};

/**
 * struct lab_idle_counts - objects that nobody uses, which the kernel may take
 * @nr_idle:	how many there are
 * @nr_asked:	how many the kernel has asked to have looked at
 * @nr_given:	how many it was given
 */
struct lab_idle_counts {
	u64 nr_idle;
	u64 nr_asked;
	u64 nr_given;
};

/**
 * struct lab_allocator - one way to get kernel memory, described once
 * @name:	the word a user types
 * @help:	one line for the listing
 * @params:	what @open takes; has "size", in bytes, or "order"
 * @open:	makes @source ready: checks the arguments against each other,
 *		makes a cache.  @name is that of the pool.
 *		@source is zeroed but for @allocator.  Process context, may
 *		sleep.  Returns 0, or a negative errno with lab_refuse().
 * @close:	undoes @open; all objects have been freed.  Process context,
 *		may sleep.  NULL where there is nothing to undo
 * @alloc:	hands out one object, or NULL.  Process context, sleeps where
 *		@gfp lets it.  No lock is needed
 * @free:	takes one object back.  Process context, may sleep
 * @shrink:	gives back what the allocator keeps for later; or NULL.
 *		Process context, may sleep
 *
 * @loops:	the same over and over, or for many objects a call
 * @address:	the kernel virtual address at which an object can be looked at;
 *		NULL where the object is that address itself
 * @idle:	takes an object that nobody uses any more, but that would be of use
 *		again; the kernel may take it at any time.  NULL where the
 *		allocator knows no such objects.  Process context
 * @reuse:	hands out an idle object, or NULL: the one used least recently of
 *		the first node and cgroup that has any; goes with @idle.  Process
 *		context
 * @count_idle:	how it stands with them; goes with @idle.  Any context
 *
 * Used by pools, which hold objects for the user, by the bench, which measures
 * what they cost, and by each experiment of the family that needs plain objects.
 */
struct lab_allocator {
	const char *name;
	const char *help;
	const struct lab_param *params;
	int (*open)(struct lab_source *source, struct lab_run *run,
		    const char *name);
	void (*close)(struct lab_source *source);
	void *(*alloc)(struct lab_source *source, gfp_t gfp);
	void (*free)(struct lab_source *source, void *object);
	void (*shrink)(struct lab_source *source);
	const struct lab_loops *loops;
	const void *(*address)(struct lab_source *source, void *object);
	void (*idle)(struct lab_source *source, void *object);
	void *(*reuse)(struct lab_source *source);
	void (*count_idle)(const struct lab_source *source,
			   struct lab_idle_counts *counts);
};

/**
 * struct lab_family - one allocator or one view of memory
 * @name:	the word a user types, and the name of the family's directory
 * @help:	one line for the listing
 * @experiments: what it can show; ends with an entry without a name
 * @allocators:	the allocators it brings, or NULL; ends with NULL
 */
struct lab_family {
	const char *name;
	const char *help;
	const struct lab_experiment *experiments;
	const struct lab_allocator *const *allocators;
};

__printf(3, 4)
int lab_refuse(struct lab_run *run, int err, const char *fmt, ...);
int lab_hold(struct lab_run *run);
int lab_hold_until(struct lab_run *run, const bool *over);
int lab_charge(struct lab_run *run, u64 bytes);
int lab_source_charge(struct lab_source *source, struct lab_run *run, u64 bytes);
void lab_source_uncharge(struct lab_source *source);
u64 lab_number(const struct lab_run *run, const char *name);
const char *lab_word(const struct lab_run *run, const char *name);
const char *lab_text(const struct lab_run *run, const char *name);

/* The choices of what is done or is not. */
extern const char *const lab_no_yes[];

/* For experiments whose subject is to be looked at while it exists. */
#define LAB_HOLD_PARAM \
	{ .name = "hold_ms", .help = "keep it so long, to be looked at", \
	  .max = 60000 }

/*
 * For experiments that run a bounded part of memory dry, such as one zone or
 * one node: lifts the budget, but not the floor.
 */
#define LAB_OVER_BUDGET_PARAM \
	{ .name = "over_budget", \
	  .help = "1: may hold more than the budget, never less than the floor", \
	  .max = 1 }

extern const struct lab_family buddy_family;
extern const struct lab_family slab_family;
extern const struct lab_family kmalloc_family;
extern const struct lab_family vmalloc_family;
extern const struct lab_family ioremap_family;
extern const struct lab_family percpu_family;
extern const struct lab_family numa_family;
extern const struct lab_family page_family;
extern const struct lab_family gfp_family;
extern const struct lab_family reclaim_family;
extern const struct lab_family memcg_family;

#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * numa - nodes, each with memory of its own.
 *
 * What the kernel counts by node (numa_hit and the like) it counts once for
 * each request, whatever the order.
 */
#include <linux/cpumask.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/random.h>
#include <linux/sizes.h>
#include <linux/topology.h>
#include <linux/vmstat.h>

#include "compat/compat.h"
#include "core/context.h"
#include "core/family.h"
#include "core/frame.h"
#include "core/loops.h"
#include "families/hoard.h"

#define REQUESTS_MAX	4096
#define CPU_MAX		65535
/* What is taken at most while the machine is held still, in all. */
#define STILL_PAGES	(SZ_16M >> PAGE_SHIFT)

static void record_zones(struct lab_run *run, int nid)
{
	int i;

	for (i = 0; i < MAX_NR_ZONES; i++) {
		struct zone *zone = &NODE_DATA(nid)->node_zones[i];

		if (!populated_zone(zone))
			continue;
		record_row(&run->record, "N%d.%s", nid, zone->name);
		record_cell(&run->record, "start_pfn", zone->zone_start_pfn);
		record_cell(&run->record, "spanned_pages", zone->spanned_pages);
		record_cell(&run->record, "present_pages", zone->present_pages);
		record_cell(&run->record, "managed_pages",
			    zone_managed_pages(zone));
	}
}

static void record_distances(struct lab_run *run, int nid)
{
	char key[16];
	int to;

	record_row(&run->record, "N%d.distance", nid);
	for_each_online_node(to) {
		snprintf(key, sizeof(key), "%d", to);
		record_cell(&run->record, key, node_distance(nid, to));
	}
}

static int numa_nodes(struct lab_run *run)
{
	char key[32];
	int nid;

	record_number(&run->record, "nr_nodes", num_online_nodes());
	for_each_online_node(nid) {
		snprintf(key, sizeof(key), "N%d.cpus", nid);
		record_text(&run->record, key, "%*pbl",
			    cpumask_pr_args(cpumask_of_node(nid)));
		record_distances(run, nid);
		record_zones(run, nid);
	}
	return 0;
}

/* Which node served how many of the requests. */
static void record_served(struct lab_run *run, const char *key,
			  const struct lab_hoard *served)
{
	struct page *page;
	char name[16];
	int nid;

	record_row(&run->record, "%s", key);
	for_each_online_node(nid) {
		unsigned long nr = 0;

		list_for_each_entry(page, &served->blocks, lru)
			nr += page_to_nid(page) == nid;
		snprintf(name, sizeof(name), "N%d", nid);
		record_cell(&run->record, name, nr);
	}
}

/* Marks the first page of each block as frame_mark() marks those of a range. */
static void mark_served(struct lab_run *run, const struct lab_hoard *served)
{
	u64 mark = get_random_u64() >> 8;
	unsigned int i = 0;
	struct page *page;
	char name[16];

	record_number(&run->record, "mark", mark);
	record_row(&run->record, "frames");
	list_for_each_entry(page, &served->blocks, lru) {
		if (i == FRAMES_SHOWN)
			break;
		*(u64 *)page_address(page) = mark + i;
		snprintf(name, sizeof(name), "%u", i++);
		record_cell(&run->record, name, page_to_pfn(page));
	}
}

/**
 * struct numa_local - requests made on one CPU
 * @nr:		how many
 * @order:	of each
 * @node:	the CPU's
 * @served:	what they got
 */
struct numa_local {
	unsigned int nr;
	unsigned int order;
	int node;
	struct lab_hoard served;
};

/*
 * Runs while the machine is held still, so that the CPU's other tasks do not ask
 * its node for pages meanwhile.
 */
static int ask_here(void *arg)
{
	struct numa_local *local = arg;

	local->node = numa_node_id();
	while (local->served.nr_blocks < local->nr) {
		if (context_still_over())
			return CONTEXT_AGAIN;
		if (!hoard_take(&local->served, GFP_STILL, NUMA_NO_NODE,
				local->order))
			return -ENOMEM;
	}
	return 0;
}

static int numa_local(struct lab_run *run)
{
	struct numa_local local = {
		.nr = lab_number(run, "count"),
		.order = lab_number(run, "order"),
	};
	unsigned int cpu = lab_number(run, "cpu");
	int err;

	hoard_init(&local.served);
	if (local.nr > STILL_PAGES >> local.order)
		return lab_refuse(run, -ERANGE,
				  "count=%u of order %u is more than %u pages",
				  local.nr, local.order, STILL_PAGES);
	err = lab_charge(run, (u64)local.nr * PAGE_SIZE << local.order);
	if (!err)
		err = context_still_on(cpu, ask_here, &local, run->reason);
	if (!err) {
		record_number(&run->record, "cpu", cpu);
		record_number(&run->record, "node", local.node);
		record_number(&run->record, "nr_asked", local.nr);
		record_served(run, "served", &local.served);
		mark_served(run, &local.served);
		err = lab_hold(run);
	} else if (err == -ENOMEM) {
		lab_refuse(run, err, "no free block of order %u", local.order);
	}
	hoard_free(&local.served);
	return err;
}

static int check_node(struct lab_run *run, unsigned int nid)
{
	if (nid >= MAX_NUMNODES || !node_online(nid))
		return lab_refuse(run, -ERANGE, "node %u is not online", nid);
	if (!node_state(nid, N_NORMAL_MEMORY))
		return lab_refuse(run, -ERANGE,
				  "node %u has no memory for the kernel", nid);
	return 0;
}

static gfp_t gfp_of_zone(enum zone_type type)
{
#ifdef CONFIG_ZONE_DMA
	if (type == ZONE_DMA)
		return __GFP_DMA;
#endif
#ifdef CONFIG_ZONE_DMA32
	if (type == ZONE_DMA32)
		return __GFP_DMA32;
#endif
	return 0;
}

/* Takes all that the kernel can have of a node without reclaim. */
static int dry_node(struct lab_run *run, struct lab_hoard *hoard, int nid)
{
	int type, err = 0;

	for (type = ZONE_NORMAL; !err && type >= 0; type--) {
		struct zone *zone = &NODE_DATA(nid)->node_zones[type];

		if (populated_zone(zone))
			err = hoard_dry(run, hoard, zone,
					GFP_STILL | gfp_of_zone(type));
	}
	return err;
}

static unsigned long node_free_pages(int nid)
{
	unsigned long nr = 0;
	int type;

	for (type = 0; type <= ZONE_NORMAL; type++)
		nr += zone_page_state_snapshot(&NODE_DATA(nid)->node_zones[type],
					       NR_FREE_PAGES);
	return nr;
}

/**
 * struct numa_dry - requests for pages of a node that has none left
 * @nid:	the node
 * @gfp:	flags of the requests
 * @nr:		how many
 * @nr_asked:	how many were made
 * @nr_later:	pages of the node that were taken when it should have been dry
 * @taken:	all that the node had
 * @served:	what the requests got
 */
struct numa_dry {
	int nid;
	gfp_t gfp;
	unsigned int nr;
	unsigned int nr_asked;
	unsigned int nr_later;
	struct lab_hoard taken;
	struct lab_hoard served;
};

/*
 * Runs while the machine is held still, or else somebody may free a page of the
 * node just before it is asked for one.  What was freed until now goes first.
 */
static int ask_dry_still(void *arg)
{
	struct numa_dry *dry = arg;

	while (dry->nr_later < STILL_PAGES &&
	       hoard_take(&dry->taken, GFP_STILL | __GFP_THISNODE, dry->nid, 0)) {
		dry->nr_later++;
		if (context_still_over())
			return CONTEXT_AGAIN;
	}
	while (dry->nr_asked < dry->nr) {
		hoard_take(&dry->served, dry->gfp, dry->nid, 0);
		dry->nr_asked++;
		if (context_still_over())
			return CONTEXT_AGAIN;
	}
	return 0;
}

/* What the two experiments below share. */
static int ask_dry(struct lab_run *run, struct numa_dry *dry)
{
	int err;

	err = dry_node(run, &dry->taken, dry->nid);
	if (!err)
		err = context_still(ask_dry_still, dry, run->reason);
	return err;
}

static int begin_dry(struct lab_run *run, struct numa_dry *dry)
{
	int err;

	hoard_init(&dry->taken);
	hoard_init(&dry->served);
	dry->nid = lab_number(run, "node");
	dry->nr = lab_number(run, "count");
	if (num_online_nodes() < 2)
		return lab_refuse(run, -EOPNOTSUPP,
				  "one node: there is no other");
	err = check_node(run, dry->nid);
	if (err)
		return err;
	return lab_charge(run, (u64)PAGE_SIZE * (node_free_pages(dry->nid) +
						 STILL_PAGES + 2 * dry->nr));
}

static void end_dry(struct numa_dry *dry)
{
	hoard_free(&dry->served);
	hoard_free(&dry->taken);
}

static void record_dry(struct lab_run *run, const char *key,
		       const struct numa_dry *dry)
{
	record_number(&run->record, "nr_taken_blocks", dry->taken.nr_blocks);
	record_served(run, key, &dry->served);
	record_number(&run->record, "nr_refused",
		      dry->nr - dry->served.nr_blocks);
}

static int numa_bind(struct lab_run *run)
{
	struct numa_dry dry = { .gfp = GFP_STILL | __GFP_THISNODE };
	struct lab_hoard before;
	unsigned int i;
	int err;

	hoard_init(&before);
	err = begin_dry(run, &dry);
	for (i = 0; !err && i < dry.nr; i++)
		if (!hoard_take(&before, dry.gfp, dry.nid, 0))
			err = lab_refuse(run, -ENOMEM, "node %d has too little",
					 dry.nid);
	if (!err)
		err = ask_dry(run, &dry);
	if (!err) {
		record_number(&run->record, "node", dry.nid);
		record_number(&run->record, "nr_asked", dry.nr);
		record_served(run, "before", &before);
		record_dry(run, "dry", &dry);
	}
	end_dry(&dry);
	hoard_free(&before);
	return err;
}

static int numa_remote(struct lab_run *run)
{
	struct numa_dry dry = { .gfp = GFP_STILL };
	int err;

	err = begin_dry(run, &dry);
	if (!err)
		err = ask_dry(run, &dry);
	if (!err) {
		record_number(&run->record, "node", dry.nid);
		record_number(&run->record, "nr_asked", dry.nr);
		record_dry(run, "served", &dry);
	}
	end_dry(&dry);
	return err;
}

/* The allocator */

static int node_open(struct lab_source *source, struct lab_run *run,
		     const char *name)
{
	source->node = lab_number(run, "node");
	source->order = lab_number(run, "order");
	source->object_bytes = PAGE_SIZE << source->order;
	source->charge_bytes = source->object_bytes;
	source->kept_pages = 1UL << source->order;
	return check_node(run, source->node);
}

/* An object is a struct page. */
static __always_inline void *node_alloc(struct lab_source *source, gfp_t gfp)
{
	return alloc_pages_node(source->node, gfp | __GFP_THISNODE,
				source->order);
}

static __always_inline void node_free(struct lab_source *source, void *object)
{
	__free_pages(object, source->order);
}

static const void *node_address(struct lab_source *source, void *object)
{
	return page_address(object);
}

LAB_LOOPS(node);

/* The tables */

#define NODE_PARAM(...) \
	{ .name = "node", .help = "node number", .max = MAX_NUMNODES - 1, \
	  __VA_ARGS__ }
#define COUNT_PARAM \
	{ .name = "count", .help = "requests", .min = 1, .max = REQUESTS_MAX, \
	  .def = 16 }
#define ORDER_PARAM \
	{ .name = "order", .help = "blocks of 2^order pages", \
	  .max = MAX_PAGE_ORDER }

static const struct lab_param node_params[] = {
	NODE_PARAM(.required = true),
	ORDER_PARAM,
	{}
};

static const struct lab_allocator node_allocator = {
	.name = "node",
	.help = "blocks of 2^order pages of one node",
	.params = node_params,
	.open = node_open,
	.alloc = node_alloc,
	.free = node_free,
	.address = node_address,
	.loops = &node_loops,
};

static const struct lab_param local_params[] = {
	{ .name = "cpu", .help = "that asks", .max = CPU_MAX },
	COUNT_PARAM,
	ORDER_PARAM,
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param dry_params[] = {
	NODE_PARAM(.def = 1),
	COUNT_PARAM,
	LAB_OVER_BUDGET_PARAM,
	{}
};

static const struct lab_experiment numa_experiments[] = {
	{ .name = "nodes", .run = numa_nodes,
	  .help = "each node has CPUs, zones and a distance to every node; one node is UMA" },
	{ .name = "local", .run = numa_local, .params = local_params,
	  .help = "an ordinary request is served from the node of its CPU" },
	{ .name = "bind", .run = numa_bind, .params = dry_params,
	  .help = "a request bound to a node stays there, and fails when it is dry" },
	{ .name = "remote", .run = numa_remote, .params = dry_params,
	  .help = "a request that is not bound is served by another node then" },
	{}
};

static const struct lab_allocator *const numa_allocators[] = {
	&node_allocator,
	NULL
};

const struct lab_family numa_family = {
	.name = "numa",
	.help = "memory by node",
	.experiments = numa_experiments,
	.allocators = numa_allocators,
};

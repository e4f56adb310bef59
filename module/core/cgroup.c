// SPDX-License-Identifier: GPL-2.0
#include <linux/cgroup.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "compat/compat.h"
#include "core/cgroup.h"
#include "core/command.h"
#include "core/record.h"

static const char no_controller[] =
	"this kernel has no memory controller: nothing is charged";

#ifdef CONFIG_MEMCG
/**
 * cgroup_pages() - what is charged to the cgroup of the task at work
 *
 * With what is charged to those below it; each CPU charges up to 64 pages ahead
 * (MEMCG_CHARGE_BATCH).
 *
 * Context: Process context.
 * Return: pages; 0 in the root cgroup, to which nothing is charged.
 */
s64 cgroup_pages(void)
{
	struct mem_cgroup *memcg = get_mem_cgroup_from_mm(current->mm);
	s64 pages = 0;

	if (memcg)
		pages = page_counter_read(&memcg->memory);
	mem_cgroup_put(memcg);
	return pages;
}

/* Why nothing is charged to a cgroup for memory of the kernel's; NULL if it is. */
static const char *why_uncharged(const struct mem_cgroup *memcg)
{
	if (!memcg)
		return no_controller;
	if (!memcg->css.parent)
		return "nothing is charged to the root cgroup";
	if (!memcg_kmem_online())
		return "booted with cgroup.memory=nokmem: nothing is charged for objects";
	return NULL;
}

/**
 * cgroup_record() - add the cgroup of the task at work to a record
 * @record:	gets its path and, if nothing is charged to it, a note that says why
 *
 * Context: Process context, may sleep.
 */
void cgroup_record(struct lab_record *record)
{
	struct mem_cgroup *memcg = get_mem_cgroup_from_mm(current->mm);
	char *path = (char *)__get_free_page(GFP_KERNEL);
	const char *why = why_uncharged(memcg);

	if (memcg && path && cgroup_path(memcg->css.cgroup, path, PAGE_SIZE) > 0)
		record_text(record, "cgroup", "%s", path);
	if (why)
		record_text(record, "note", "%s", why);
	free_page((unsigned long)path);
	mem_cgroup_put(memcg);
}

/* How often a charge did not fit below its own limit. */
static long nr_reached(const struct mem_cgroup *memcg)
{
	return atomic_long_read(&memcg->memory_events_local[MEMCG_MAX]);
}

static struct mem_cgroup *parent_of(struct mem_cgroup *memcg)
{
	return mem_cgroup_from_css(memcg->css.parent);
}

/**
 * cgroup_read_limits() - look how often limits have been reached
 * @limits:	filled in
 *
 * Context: Process context.
 */
void cgroup_read_limits(struct lab_cgroup_limits *limits)
{
	struct mem_cgroup *own = get_mem_cgroup_from_mm(current->mm), *memcg;

	limits->nr = 0;
	for (memcg = own; memcg && limits->nr < CGROUP_DEPTH;
	     memcg = parent_of(memcg))
		limits->nr_reached[limits->nr++] = nr_reached(memcg);
	mem_cgroup_put(own);
}

/**
 * cgroup_name_limit() - say which cgroup had no more room
 * @before:	what cgroup_read_limits() found before memory was asked for
 * @reason:	LAB_REASON_SIZE bytes; if a limit has been reached since, its end says
 *		whose and which
 *
 * Context: Process context, may sleep.
 */
void cgroup_name_limit(const struct lab_cgroup_limits *before, char *reason)
{
	struct mem_cgroup *own = get_mem_cgroup_from_mm(current->mm), *memcg = own;
	char *path = (char *)__get_free_page(GFP_KERNEL);
	size_t len = strlen(reason);
	unsigned int i;

	for (i = 0; memcg && i < before->nr; i++, memcg = parent_of(memcg))
		if (nr_reached(memcg) != before->nr_reached[i])
			break;
	if (memcg && i < before->nr && path &&
	    cgroup_path(memcg->css.cgroup, path, PAGE_SIZE) > 0)
		scnprintf(reason + len, LAB_REASON_SIZE - len,
			  ": cgroup %.64s is at its memory.max of %lu bytes", path,
			  READ_ONCE(memcg->memory.max) * PAGE_SIZE);
	free_page((unsigned long)path);
	mem_cgroup_put(own);
}
#else
s64 cgroup_pages(void)
{
	return 0;
}

void cgroup_record(struct lab_record *record)
{
	record_text(record, "note", "%s", no_controller);
}

void cgroup_read_limits(struct lab_cgroup_limits *limits)
{
	limits->nr = 0;
}

void cgroup_name_limit(const struct lab_cgroup_limits *before, char *reason)
{
}
#endif

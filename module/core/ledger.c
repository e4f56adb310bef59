// SPDX-License-Identifier: GPL-2.0
/*
 * The ledger: a page that leaves the free lists must turn up somewhere.
 *
 * The kernel keeps its counters as a global sum and a difference per CPU that
 * is folded in later (mm/vmstat.c), so the sums alone are off by up to the
 * fold threshold.  Both parts are added up here, which makes the reading exact
 * on a machine that holds still.  Pages on the per-CPU lists count as free:
 * NR_FREE_PAGES leaves them out.
 */
#include <linux/cpumask.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/mount.h>
#include <linux/mutex.h>
#include <linux/path.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/vmstat.h>

#include "core/cgroup.h"
#include "core/command.h"
#include "core/context.h"
#include "core/ledger.h"
#include "core/record.h"

static const char *const ledger_keys[LEDGER_NR] = {
	[LEDGER_FREE]			= "ledger.free_pages",
	[LEDGER_SLAB_RECLAIMABLE]	= "ledger.slab_reclaimable_pages",
	[LEDGER_SLAB_UNRECLAIMABLE]	= "ledger.slab_unreclaimable_pages",
	[LEDGER_PAGETABLE]		= "ledger.pagetable_pages",
	[LEDGER_STACK]			= "ledger.stack_pages",
	[LEDGER_VMALLOC]		= "ledger.vmalloc_pages",
	[LEDGER_PERCPU]			= "ledger.percpu_pages",
	[LEDGER_ANON]			= "ledger.anon_pages",
	[LEDGER_FILE]			= "ledger.file_pages",
	[LEDGER_MEMCG]			= "ledger.memcg_pages",
};

/* These are constant after ledger_init(). */
static struct lab_ledger at_load;
/*
 * /proc/meminfo, held open: opening it for each reading would charge the cgroup
 * of whoever runs the command.  Through a mount of the lab's own, which is in no
 * namespace, so that no other is busy for it.
 */
static struct vfsmount *proc;
static struct file *meminfo;

/* Whether an item stands for pages that no other item has. */
static bool is_summed(enum ledger_item item)
{
	if (item == LEDGER_STACK)
		return !IS_ENABLED(CONFIG_VMAP_STACK);
	return item != LEDGER_MEMCG;
}

/* A line of /proc/meminfo, in pages; 0 where it has no such line. */
static s64 meminfo_item(const char *text, const char *key)
{
	const char *line = strstr(text, key);
	long long kb;

	if (!line || sscanf(line + strlen(key), "%lld", &kb) != 1)
		return 0;
	return kb >> (PAGE_SHIFT - 10);
}

/* Held while a task reads /proc/meminfo, which that does one at a time as well. */
static DEFINE_MUTEX(meminfo_lock);
/* What it read.  Room of its own for each reading would be in what is counted. */
static char meminfo_text[SZ_4K];	/* meminfo_lock */

/*
 * No exported symbol tells what vmalloc() and the per-CPU allocator hold, but
 * /proc/meminfo tells everybody.  Where there is no /proc both read as 0, and
 * what they take is in the remainder.
 */
static void read_meminfo(s64 *pages)
{
	ssize_t len = 0;
	loff_t pos = 0;

	mutex_lock(&meminfo_lock);
	if (meminfo)
		len = kernel_read(meminfo, meminfo_text,
				  sizeof(meminfo_text) - 1, &pos);
	meminfo_text[max_t(ssize_t, len, 0)] = '\0';
	pages[LEDGER_VMALLOC] = meminfo_item(meminfo_text, "\nVmallocUsed:");
	pages[LEDGER_PERCPU] = meminfo_item(meminfo_text, "\nPercpu:");
	mutex_unlock(&meminfo_lock);
}

static s64 node_item(enum node_stat_item item)
{
	s64 sum = atomic_long_read(&vm_node_stat[item]);
	int nid, cpu;

	for_each_online_node(nid)
		for_each_online_cpu(cpu)
			sum += per_cpu_ptr(NODE_DATA(nid)->per_cpu_nodestats,
					   cpu)->vm_node_stat_diff[item];
	return sum;
}

/**
 * ledger_free_pages() - pages that are free, per-CPU lists included
 *
 * Context: Any.  Exact only while nothing allocates or frees.
 * Return: pages.
 */
s64 ledger_free_pages(void)
{
	s64 sum = 0;
	int nid, cpu, i;

	for_each_online_node(nid) {
		for (i = 0; i < MAX_NR_ZONES; i++) {
			struct zone *zone = &NODE_DATA(nid)->node_zones[i];

			if (!populated_zone(zone))
				continue;
			sum += zone_page_state_snapshot(zone, NR_FREE_PAGES);
			for_each_online_cpu(cpu) {
				struct per_cpu_pages *pcp;

				pcp = per_cpu_ptr(zone->per_cpu_pageset, cpu);
				sum += READ_ONCE(pcp->count);
			}
		}
	}
	return sum;
}

/**
 * ledger_slab_pages() - pages in slabs
 * @reclaimable: of caches that say that shrinkers can empty them; else others
 *
 * Context: Any.  Exact only while nothing allocates or frees.
 * Return: pages.
 */
s64 ledger_slab_pages(bool reclaimable)
{
	return node_item(reclaimable ? NR_SLAB_RECLAIMABLE_B
				     : NR_SLAB_UNRECLAIMABLE_B);
}

/* Without CONFIG_VM_EVENT_COUNTERS nothing is counted. */
static void read_events(struct lab_ledger *ledger)
{
#ifdef CONFIG_VM_EVENT_COUNTERS
	int cpu, zone;

	ledger->allocated_pages = 0;
	ledger->freed_pages = 0;
	for_each_online_cpu(cpu) {
		unsigned long *event = per_cpu(vm_event_states, cpu).event;

		for (zone = 0; zone < MAX_NR_ZONES; zone++)
			ledger->allocated_pages +=
				event[PGALLOC_NORMAL - ZONE_NORMAL + zone];
		ledger->freed_pages += event[PGFREE];
	}
#endif
}

/**
 * ledger_read() - take a reading, before a command or after it
 * @ledger:	filled in
 *
 * It allocates nothing.  What was freed is read right before what is free: per-CPU memory
 * goes back page by page, by a worker, when the command that gave it up has ended.
 *
 * Context: Process context, may sleep.  Exact only while nothing allocates or frees.
 */
void ledger_read(struct lab_ledger *ledger)
{
	s64 *pages = ledger->pages;

	read_meminfo(pages);
	pages[LEDGER_MEMCG] = cgroup_pages();
	read_events(ledger);
	pages[LEDGER_FREE] = ledger_free_pages();
	pages[LEDGER_SLAB_RECLAIMABLE] = ledger_slab_pages(true);
	pages[LEDGER_SLAB_UNRECLAIMABLE] = ledger_slab_pages(false);
	pages[LEDGER_PAGETABLE] = node_item(NR_PAGETABLE);
	pages[LEDGER_STACK] =
		node_item(NR_KERNEL_STACK_KB) >> (PAGE_SHIFT - 10);
	pages[LEDGER_ANON] = node_item(NR_ANON_MAPPED);
	pages[LEDGER_FILE] = node_item(NR_FILE_PAGES);
}

/**
 * ledger_record() - write down how the counters moved
 * @record:	gets the pages that were allocated and freed, one line for each
 *		item, the pages kept, and the remainder
 * @before:	reading before the command
 * @after:	reading after it
 * @kept_pages:	pages that the command took from the buddy and kept, which no
 *		counter of the kernel shows
 *
 * The remainder is what no line explains.  It is not the command's alone: what
 * the rest of the machine did meanwhile is in it, as it is in every line.
 *
 * Context: Process context, may sleep.
 * Return: the remainder, in pages.
 */
s64 ledger_record(struct lab_record *record, const struct lab_ledger *before,
		  const struct lab_ledger *after, s64 kept_pages)
{
	s64 unexplained = kept_pages;
	int i;

	if (IS_ENABLED(CONFIG_VM_EVENT_COUNTERS)) {
		record_signed(record, "ledger.allocated_pages",
			      after->allocated_pages - before->allocated_pages);
		record_signed(record, "ledger.freed_pages",
			      after->freed_pages - before->freed_pages);
	}

	for (i = 0; i < LEDGER_NR; i++) {
		s64 moved = after->pages[i] - before->pages[i];

		record_signed(record, ledger_keys[i], moved);
		if (is_summed(i))
			unexplained += moved;
	}
	record_signed(record, "ledger.kept_pages", kept_pages);
	record_signed(record, "ledger.unexplained_pages", unexplained);
	return unexplained;
}

/* A mount of proc is of the PID namespace of whoever makes it. */
static int open_meminfo(void *unused)
{
	struct file_system_type *type = get_fs_type("proc");
	struct vfsmount *mnt = type ? kern_mount(type) : ERR_PTR(-ENODEV);
	struct path root;
	struct file *file;

	/* proc is no module, so there is no reference to give back. */
	if (IS_ERR(mnt))
		return PTR_ERR(mnt);
	root = (struct path){ .mnt = mnt, .dentry = mnt->mnt_root };
	file = file_open_root(&root, "meminfo", O_RDONLY, 0);
	if (IS_ERR(file)) {
		kern_unmount(mnt);
		return PTR_ERR(file);
	}
	proc = mnt;
	meminfo = file;
	return 0;
}

/**
 * ledger_init() - take the reading that ledger_record_all() compares with
 *
 * Context: Module load.
 * Return: 0; -EINTR where a fatal signal came; -ENOMEM.
 */
int ledger_init(void)
{
	char reason[LAB_REASON_SIZE];
	int err;

	/* By a kernel thread, as those are in the first of all namespaces. */
	do {
		err = context_on(cpumask_first(cpu_online_mask), open_meminfo, NULL,
				 reason);
	} while (err == -ERANGE);	/* that CPU has just gone offline */
	if (err == -EINTR || err == -ENOMEM)
		return err;
	ledger_read(&at_load);
	return 0;
}

/**
 * ledger_exit() - undo ledger_init()
 *
 * Context: Module unload, when no command can run any more; may sleep.
 */
void ledger_exit(void)
{
	if (!meminfo)
		return;
	filp_close(meminfo, NULL);
	kern_unmount(proc);
}

/**
 * ledger_record_all() - write down how the counters moved since ledger_init()
 * @record:	as for ledger_record()
 * @kept_pages:	as for ledger_record(), of all that the lab holds now
 *
 * Context: Process context, may sleep.
 */
void ledger_record_all(struct lab_record *record, s64 kept_pages)
{
	struct lab_ledger now;

	ledger_read(&now);
	ledger_record(record, &at_load, &now, kept_pages);
}

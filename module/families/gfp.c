// SPDX-License-Identifier: GPL-2.0
/*
 * gfp - the flags of a request: which zone, and what may be done to meet it.
 */
#include <linux/gfp.h>
#include <linux/hardirq.h>
#include <linux/kernel.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/utsname.h>

#include "compat/compat.h"
#include "core/cgroup.h"
#include "core/context.h"
#include "core/family.h"
#include "families/gfp_history.h"

/* What drivers and subsystems ask with. */
static const struct {
	const char *name;
	gfp_t gfp;
} requests[] = {
	{ "gfp_kernel", GFP_KERNEL },
	{ "gfp_kernel_account", GFP_KERNEL_ACCOUNT },
	{ "gfp_nofs", GFP_NOFS },
	{ "gfp_noio", GFP_NOIO },
	{ "gfp_nowait", GFP_NOWAIT },
	{ "gfp_atomic", GFP_ATOMIC },
	{ "gfp_user", GFP_USER },
	{ "gfp_highuser", GFP_HIGHUSER },
	{ "gfp_highuser_movable", GFP_HIGHUSER_MOVABLE },
	{ "gfp_transhuge", GFP_TRANSHUGE },
	{ "gfp_transhuge_light", GFP_TRANSHUGE_LIGHT },
	{ "gfp_dma", GFP_DMA },
	{ "gfp_dma32", GFP_DMA32 },
};

/* Four bits choose the zone, and not every combination of them means one. */
static const char *zone_name(gfp_t gfp)
{
	unsigned int modifiers = (__force unsigned int)(gfp & GFP_ZONEMASK);

	if (GFP_ZONE_BAD >> modifiers & 1)
		return "none";
	return NODE_DATA(first_online_node)->node_zones[gfp_zone(gfp)].name;
}

static void record_flags(struct lab_record *record, const char *key, gfp_t gfp)
{
	record_row(record, "%s", key);
	record_cell_text(record, "bits", "%#x", (__force unsigned int)gfp);
	record_cell_text(record, "names", "%pGg", &gfp);
	record_cell_text(record, "zone", "%s", zone_name(gfp));
	record_cell(record, "sleeps", gfpflags_allow_blocking(gfp));
	record_cell(record, "io", !!(gfp & __GFP_IO));
	record_cell(record, "fs", !!(gfp & __GFP_FS));
	record_cell(record, "kswapd", !!(gfp & __GFP_KSWAPD_RECLAIM));
	record_cell(record, "reserve", !!(gfp & __GFP_HIGH));
}

/* The same of the bits of another kernel, by what is known of its flags. */
static void record_old_flags(struct lab_record *record, unsigned int version,
			     u32 bits)
{
	u32 sleeps = gfp_bits_of_name(version, "__GFP_WAIT") |
		     gfp_bits_of_name(version, "__GFP_DIRECT_RECLAIM");
	u32 kswapd = gfp_bits_of_name(version, "__GFP_KSWAPD_RECLAIM");
	u32 no_kswapd = gfp_bits_of_name(version, "__GFP_NO_KSWAPD");
	char text[GFP_TEXT_SIZE];

	gfp_text_of_bits(version, bits, text);
	record_row(record, "asked");
	record_cell_text(record, "bits", "%#x", bits);
	record_cell_text(record, "names", "%s", text);
	/* The four bits that choose it have stayed the same. */
	record_cell_text(record, "zone", "%s", zone_name((__force gfp_t)bits));
	record_cell(record, "sleeps", !!(bits & sleeps));
	record_cell(record, "io", !!(bits & gfp_bits_of_name(version, "__GFP_IO")));
	record_cell(record, "fs", !!(bits & gfp_bits_of_name(version, "__GFP_FS")));
	/* Before there was a flag that wakes it, there was one that does not. */
	record_cell(record, "kswapd", kswapd ? !!(bits & kswapd) :
					       !(bits & no_kswapd));
	record_cell(record, "reserve",
		    !!(bits & gfp_bits_of_name(version, "__GFP_HIGH")));
}

/* Bits, or names of them, of this kernel or of another. */
static int decode_asked(struct lab_run *run, const char *text, const char *kernel)
{
	int version = gfp_kernel_version(kernel ?: init_utsname()->release);
	u32 bits = lab_number(run, "bits");
	char unknown[32];

	if (version < 0)
		return lab_refuse(run, version,
				  "kernel=%.20s is no release from 3.10 on",
				  kernel ?: init_utsname()->release);
	if (text && bits)
		return lab_refuse(run, -EINVAL, "bits= or text=, not both");
	if (text && !gfp_bits_of_text(version, text, &bits, unknown))
		return lab_refuse(run, -EINVAL, "kernel %s has no flag called %s",
				  kernel ?: init_utsname()->release, unknown);
	/* Names of the kernel's own are better than any table. */
	if (kernel)
		record_old_flags(&run->record, version, bits);
	else
		record_flags(&run->record, "asked", (__force gfp_t)bits);
	return 0;
}

static int gfp_decode(struct lab_run *run)
{
	const char *text = lab_text(run, "text"), *kernel = lab_text(run, "kernel");
	unsigned int i;
	char key[16];

	record_text(&run->record, "kernel", "%s", kernel ?: init_utsname()->release);
	if (text || kernel || lab_number(run, "bits"))
		return decode_asked(run, text, kernel);
	for (i = 0; i < ARRAY_SIZE(requests); i++)
		record_flags(&run->record, requests[i].name, requests[i].gfp);
	for (i = 0; i < __GFP_BITS_SHIFT; i++) {
		snprintf(key, sizeof(key), "bit.%u", i);
		record_flags(&run->record, key, (__force gfp_t)BIT(i));
	}
	return 0;
}

/* One for each way to meet a request: sleep, wake kswapd, use the reserve. */
static const struct {
	const char *name;
	gfp_t gfp;
} ways[] = {
	{ "gfp_kernel", GFP_KERNEL | __GFP_NORETRY },
	{ "gfp_noio", GFP_NOIO | __GFP_NORETRY },
	{ "gfp_nowait", GFP_NOWAIT },
	{ "gfp_atomic", GFP_ATOMIC },
};

/**
 * struct gfp_context - what may be asked for somewhere
 * @bytes:	size of the objects asked for
 * @in_softirq:	it is in a softirq
 * @in_hardirq:	it is in a hard interrupt
 * @may_sleep:	a request may sleep
 * @asked:	each of &ways was tried
 * @served:	and met
 */
struct gfp_context {
	size_t bytes;
	bool in_softirq;
	bool in_hardirq;
	bool may_sleep;
	bool asked[ARRAY_SIZE(ways)];
	bool served[ARRAY_SIZE(ways)];
};

/*
 * Under PREEMPT_RT the allocator's locks sleep, whatever the flags say, so that
 * nothing may be asked for in a hard interrupt.
 */
static bool may_ask(const struct gfp_context *here, gfp_t gfp)
{
	if (here->in_hardirq && IS_ENABLED(CONFIG_PREEMPT_RT))
		return false;
	return here->may_sleep || !gfpflags_allow_blocking(gfp);
}

static int ask_here(void *arg)
{
	struct gfp_context *here = arg;
	unsigned int i;

	here->in_hardirq = in_hardirq();
	/* One that a hard interrupt has interrupted waits, and does not ask. */
	here->in_softirq = in_serving_softirq() && !here->in_hardirq;
	here->may_sleep = in_task() && !irqs_disabled();
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		void *object;

		here->asked[i] = may_ask(here, ways[i].gfp);
		if (!here->asked[i])
			continue;
		object = kmalloc(here->bytes, ways[i].gfp | __GFP_NOWARN);
		here->served[i] = object;
		kfree(object);
	}
	return 0;
}

static int gfp_context(struct lab_run *run)
{
	enum lab_context context;
	unsigned int i;
	int err;

	err = lab_charge(run, PAGE_SIZE << PAGE_ALLOC_COSTLY_ORDER);
	if (err)
		return err;
	for (context = LAB_PROCESS; lab_contexts[context]; context++) {
		struct gfp_context here = { .bytes = lab_number(run, "size") };
		const char *name = lab_contexts[context];

		context_in(context, ask_here, &here);
		record_row(&run->record, "%s", name);
		record_cell(&run->record, "in_softirq", here.in_softirq);
		record_cell(&run->record, "in_hardirq", here.in_hardirq);
		record_cell(&run->record, "may_sleep", here.may_sleep);
		for (i = 0; i < ARRAY_SIZE(ways); i++) {
			record_row(&run->record, "%s.%s", name, ways[i].name);
			record_cell(&run->record, "asked", here.asked[i]);
			record_cell(&run->record, "served", here.served[i]);
		}
	}
	return 0;
}

static int gfp_account(struct lab_run *run)
{
	static const char *const name[] = { "plain", "accounted" };
	static const gfp_t flag[] = { 0, __GFP_ACCOUNT };
	unsigned int order = lab_number(run, "order"), i;
	struct page *page[2] = {};
	int err;

	if (!IS_ENABLED(CONFIG_MEMCG))
		return lab_refuse(run, -EOPNOTSUPP,
				  "this kernel is built without CONFIG_MEMCG");
	err = lab_charge(run, 2 * (PAGE_SIZE << order));
	for (i = 0; !err && i < 2; i++) {
		page[i] = alloc_pages(GFP_LAB | __GFP_COMP | flag[i], order);
		if (!page[i]) {
			err = -ENOMEM;
			break;
		}
		record_row(&run->record, "%s", name[i]);
		record_cell(&run->record, "pfn", page_to_pfn(page[i]));
		record_cell(&run->record, "nr_pages", 1UL << order);
		record_cell(&run->record, "charged", PageMemcgKmem(page[i]));
	}
	cgroup_record(&run->record);
	if (!err)
		err = lab_hold(run);
	for (i = 0; i < 2; i++)
		if (page[i])
			__free_pages(page[i], order);
	return err;
}

/**
 * struct gfp_scope - a stretch of a task's work in which requests may do less,
 * or more
 * @save:	begins it
 * @restore:	ends it; takes what @save returned
 */
struct gfp_scope {
	unsigned int (*save)(void);
	void (*restore)(unsigned int flags);
};

static const char *const scope_words[] = {
	"nofs", "noio", "noreclaim", NULL
};

static const struct gfp_scope scopes[] = {
	{ memalloc_nofs_save, memalloc_nofs_restore },
	{ memalloc_noio_save, memalloc_noio_restore },
	{ memalloc_noreclaim_save, memalloc_noreclaim_restore },
};

/* The same request each time; what it may do depends on the task. */
static struct page *ask_in_scope(struct lab_run *run, const char *key,
				 unsigned int order)
{
	gfp_t gfp = current_gfp_context(GFP_LAB);
	struct page *page = alloc_pages(GFP_LAB, order);
	bool memalloc = current->flags & PF_MEMALLOC;

	if (!page)
		return NULL;
	record_row(&run->record, "%s", key);
	record_cell(&run->record, "pfn", page_to_pfn(page));
	record_cell_text(&run->record, "bits", "%#x", (__force unsigned int)gfp);
	record_cell_text(&run->record, "names", "%pGg", &gfp);
	record_cell(&run->record, "io", !!(gfp & __GFP_IO));
	record_cell(&run->record, "fs", !!(gfp & __GFP_FS));
	/* As __gfp_pfmemalloc_flags() has it, which is private to mm/. */
	record_cell(&run->record, "reclaim",
		    gfpflags_allow_blocking(gfp) && !memalloc);
	record_cell(&run->record, "reserves", memalloc);
	record_cell(&run->record, "task_flags", current->flags);
	return page;
}

static int gfp_scope(struct lab_run *run)
{
	const struct gfp_scope *scope = &scopes[lab_number(run, "scope")];
	unsigned int order = lab_number(run, "order"), saved;
	struct page *outside, *inside = NULL;
	int err;

	err = lab_charge(run, 2 * (PAGE_SIZE << order));
	if (err)
		return err;
	outside = ask_in_scope(run, "outside", order);
	if (!outside)
		return -ENOMEM;
	saved = scope->save();
	inside = ask_in_scope(run, "inside", order);
	err = inside ? lab_hold(run) : -ENOMEM;
	scope->restore(saved);
	if (inside)
		__free_pages(inside, order);
	__free_pages(outside, order);
	return err;
}

/* The tables */

static const struct lab_param decode_params[] = {
	{ .name = "bits", .help = "flags to decode; 0: all that have names",
	  .max = U32_MAX },
	{ .name = "text", .help = "the same by name, such as GFP_KERNEL|__GFP_NOWARN",
	  .type = LAB_TEXT },
	{ .name = "kernel", .help = "whose flags they are, such as 4.14; none: this one's",
	  .type = LAB_TEXT },
	{}
};

static const struct lab_param context_params[] = {
	{ .name = "size", .help = "of what is asked for, in bytes", .min = 1,
	  .max = KMALLOC_MAX_CACHE_SIZE, .def = 64 },
	{}
};

static const struct lab_param account_params[] = {
	LAB_HOLD_PARAM,
	{ .name = "order", .help = "of each of two blocks",
	  .max = MAX_PAGE_ORDER, .def = 9 },
	{}
};

static const struct lab_param scope_params[] = {
	LAB_HOLD_PARAM,
	{ .name = "scope", .help = "in which the second request is made",
	  .type = LAB_CHOICE, .choices = scope_words },
	{ .name = "order", .help = "of each of two blocks",
	  .max = MAX_PAGE_ORDER },
	{}
};

static const struct lab_experiment gfp_experiments[] = {
	{ .name = "decode", .run = gfp_decode, .params = decode_params,
	  .help = "each GFP_* is bits: a zone, and what may be done for it" },
	{ .name = "context", .run = gfp_context, .params = context_params,
	  .help = "a request that may sleep is for process context alone" },
	{ .name = "account", .run = gfp_account, .params = account_params,
	  .help = "__GFP_ACCOUNT charges the writer's cgroup" },
	{ .name = "scope", .run = gfp_scope, .params = scope_params,
	  .help = "in a scope the same request may do less, or more" },
	{}
};

const struct lab_family gfp_family = {
	.name = "gfp",
	.help = "the flags of a request",
	.experiments = gfp_experiments,
};

// SPDX-License-Identifier: GPL-2.0
/* The conditions that a figure holds under. */
#include <linux/cpumask.h>
#include <linux/debug_locks.h>
#include <linux/kernel.h>
#include <linux/kfence.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/nodemask.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/utsname.h>
#ifdef CONFIG_X86
#include <asm/cpufeature.h>
#include <asm/processor.h>
#endif

#include "compat/compat.h"
#include "core/clock.h"
#include "core/context.h"
#include "core/family.h"
#include "core/record.h"
#include "engine/fingerprint.h"
#include "engine/observe.h"
#include "engine/registry.h"

static const char *preemption(void)
{
	if (preempt_model_rt())
		return "rt";
	if (preempt_model_full())
		return "full";
	return preempt_model_voluntary() ? "voluntary" : "none";
}

#define SIGNATURE_SIZE	13
#define SIGNATURE_TCG	"TCGTCGTCGTCG"	/* QEMU, where it emulates */

/* What a hypervisor shows in CPUID leaf 0x40000000. */
static void read_signature(char signature[SIGNATURE_SIZE])
{
#ifdef CONFIG_X86
	u32 eax, word[3];

	if (boot_cpu_has(X86_FEATURE_HYPERVISOR)) {
		cpuid(0x40000000, &eax, &word[0], &word[1], &word[2]);
		memcpy(signature, word, sizeof(word));
		signature[sizeof(word)] = '\0';
		return;
	}
#endif
	strscpy(signature, "none", SIGNATURE_SIZE);
}

/* What time is, and what costs are counted in. */
static void record_machine(struct lab_record *record)
{
	char signature[SIGNATURE_SIZE];
	struct clock_facts clock;
	const char *emulator;

	read_signature(signature);
	clock_calibrate(&clock);
	if (clock.exact)
		emulator = "by_the_insn";
	else
		emulator = strcmp(signature, SIGNATURE_TCG) ? "none" : "by_time";
	record_text(record, "hypervisor", "%s", signature);
	record_text(record, "emulator", "%s", emulator);
	record_text(record, "counter", "%s", clock.counter);
	record_text(record, "counter_unit", "%s", clock.unit);
}

/* Small, so that what is put around an object shows beside it. */
#define PLAIN_BYTES	64

/**
 * struct fingerprint_seen - what does not change until the machine is booted again
 * @has_slab:	@slab has been observed
 * @has_page:	@page has been observed
 * @slab:	what a cache does for which nothing was asked
 * @page:	what a page holds that was filled and freed
 * @merging:	whether caches that are alike become one; NULL before it was observed
 * @usercopy:	whether copies to user space are checked; likewise
 */
struct fingerprint_seen {
	bool has_slab;
	bool has_page;
	struct observed_objects slab;
	char page[OBSERVED_SIZE];
	const char *merging;
	const char *usercopy;
};

static bool observe_plain(struct observed_objects *seen)
{
	struct lab_source source = {
		.allocator = registry_allocator("slab"),
		.object_bytes = PLAIN_BYTES,
	};
	int err;

	source.cache = compat_cache_create_unmerged("kmemlab-plain",
						    PLAIN_BYTES, 0, 0, NULL);
	if (!source.cache)
		return false;
	err = observe_objects(&source, seen);
	kmem_cache_destroy(source.cache);
	return !err;
}

/* What is known is not looked for again, so that a record is soon made. */
static void observe(struct fingerprint_seen *copy)
{
	static DEFINE_MUTEX(lock);
	static struct fingerprint_seen seen;

	mutex_lock(&lock);
	if (!seen.has_slab)
		seen.has_slab = observe_plain(&seen.slab);
	if (!seen.has_page)
		seen.has_page = !observe_page(seen.page);
	if (!seen.merging)
		seen.merging = observe_merging();
	if (!seen.usercopy)
		seen.usercopy = observe_usercopy();
	*copy = seen;
	mutex_unlock(&lock);
}

static void record_word(struct lab_record *record, const char *key,
			const char *word)
{
	record_text(record, key, "%s", word && word[0] ? word : "unknown");
}

/*
 * What was found in an object or a page: "init" where it is what init_on_alloc and
 * init_on_free, which have keys of their own, leave there.
 */
static void record_fresh(struct lab_record *record, const char *key,
			 const char *fresh)
{
	bool cleared = want_init_on_alloc(0) || want_init_on_free();

	record_word(record, key, strcmp(fresh, cleared ? "zero" : "left") ?
				 fresh : "init");
}

/* What a cache does for which nothing was asked. */
static void record_slab(struct lab_record *record,
			const struct observed_objects *seen)
{
	if (seen->spacing_bytes)
		record_number(record, "slab_spacing_bytes", seen->spacing_bytes);
	else
		record_word(record, "slab_spacing_bytes", NULL);
	record_word(record, "slab_order", seen->order);
	record_fresh(record, "slab_fresh", seen->fresh);
	record_word(record, "slab_reuse", seen->reuse);
}

static u64 kfence_interval(void)
{
#ifdef CONFIG_KFENCE
	return READ_ONCE(kfence_sample_interval);
#else
	return 0;
#endif
}

/*
 * What the kernel does with memory.  What can be seen in memory is observed, so that
 * it is right however it was switched on; the rest is asked of what the kernel itself
 * branches on.
 */
static void record_kernel(struct lab_record *record)
{
	struct fingerprint_seen seen;

	observe(&seen);
	record_slab(record, &seen.slab);
	record_word(record, "slab_merging", seen.merging);
	record_number(record, "slab_hardened",
		      IS_ENABLED(CONFIG_SLAB_FREELIST_HARDENED));
	record_fresh(record, "page_fresh", seen.page);
	record_word(record, "usercopy_checks", seen.usercopy);
	record_number(record, "init_on_alloc", want_init_on_alloc(0));
	record_number(record, "init_on_free", want_init_on_free());
	record_number(record, "debug_pagealloc",
		      debug_pagealloc_enabled_static());
	record_number(record, "kfence_interval_ms", kfence_interval());
	record_number(record, "kasan", IS_ENABLED(CONFIG_KASAN));
	record_number(record, "kcsan", IS_ENABLED(CONFIG_KCSAN));
	record_number(record, "lockdep",
		      IS_ENABLED(CONFIG_PROVE_LOCKING) && debug_locks);
	record_number(record, "memcg",
		      IS_ENABLED(CONFIG_MEMCG) && !mem_cgroup_disabled());
	record_number(record, "memcg_kmem", memcg_kmem_online());
	record_number(record, "alloc_profiling",
		      mem_alloc_profiling_enabled());
}

/**
 * fingerprint_record() - add the conditions to a record
 * @record:	the record
 *
 * Figures whose fingerprints differ must not be compared.  The first call makes some
 * caches, to see what becomes of their objects.
 *
 * Context: Process context, may sleep.
 */
void fingerprint_record(struct lab_record *record)
{
	record_text(record, "kernel", "%s", init_utsname()->release);
	record_text(record, "machine", "%s", init_utsname()->machine);
	record_text(record, "slab_generation", COMPAT_SLAB_GENERATION);
	record_kernel(record);
	record_text(record, "preemption", "%s", preemption());
	record_number(record, "page_bytes", PAGE_SIZE);
	record_number(record, "max_order", MAX_PAGE_ORDER);
	record_number(record, "nr_cpus", num_online_cpus());
	record_number(record, "nr_nodes", num_online_nodes());
	record_number(record, "ram_bytes", (u64)totalram_pages() << PAGE_SHIFT);
	record_machine(record);
}

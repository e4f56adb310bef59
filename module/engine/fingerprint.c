// SPDX-License-Identifier: GPL-2.0
/* The conditions that a figure holds under. */
#include <linux/cpumask.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/utsname.h>
#ifdef CONFIG_X86
#include <asm/cpufeature.h>
#include <asm/processor.h>
#endif

#include "compat/compat.h"
#include "core/clock.h"
#include "core/record.h"
#include "engine/fingerprint.h"

static const char *preemption(void)
{
	if (preempt_model_rt())
		return "rt";
	if (preempt_model_full())
		return "full";
	return preempt_model_voluntary() ? "voluntary" : "none";
}

/* The signature that a hypervisor shows in CPUID leaf 0x40000000. */
static void record_hypervisor(struct lab_record *record)
{
#ifdef CONFIG_X86
	u32 eax, signature[3];

	if (boot_cpu_has(X86_FEATURE_HYPERVISOR)) {
		cpuid(0x40000000, &eax, &signature[0], &signature[1],
		      &signature[2]);
		record_text(record, "hypervisor", "%.12s",
			    (const char *)signature);
		return;
	}
#endif
	record_text(record, "hypervisor", "none");
}

/*
 * What costs are counted in.  That it is instructions says how the emulator keeps
 * time, too.
 */
static void record_clock(struct lab_record *record)
{
	struct clock_facts clock;

	clock_calibrate(&clock);
	record_text(record, "counter", "%s", clock.counter);
	record_text(record, "counter_unit", "%s", clock.unit);
	record_text(record, "emulator", clock.exact ? "by_the_insn" : "by_time");
}

/**
 * fingerprint_record() - add the conditions to a record
 * @record:	the record
 *
 * Figures whose fingerprints differ must not be compared.  What was chosen on the
 * kernel's command line shows only where the kernel exports it: slub_debug= does
 * not.
 *
 * Context: Process context, may sleep.
 */
void fingerprint_record(struct lab_record *record)
{
	record_text(record, "kernel", "%s", init_utsname()->release);
	record_text(record, "machine", "%s", init_utsname()->machine);
	record_text(record, "slab_generation", COMPAT_SLAB_GENERATION);
	record_number(record, "init_on_alloc", want_init_on_alloc(0));
	record_number(record, "init_on_free", want_init_on_free());
	record_number(record, "slub_debug_on",
		      IS_ENABLED(CONFIG_SLUB_DEBUG_ON));
	record_number(record, "kasan", IS_ENABLED(CONFIG_KASAN));
	record_number(record, "lockdep", IS_ENABLED(CONFIG_PROVE_LOCKING));
	record_number(record, "debug_pagealloc",
		      IS_ENABLED(CONFIG_DEBUG_PAGEALLOC));
	record_number(record, "memcg", IS_ENABLED(CONFIG_MEMCG));
	record_number(record, "alloc_profiling",
		      IS_ENABLED(CONFIG_MEM_ALLOC_PROFILING));
	record_text(record, "preemption", "%s", preemption());
	record_number(record, "page_bytes", PAGE_SIZE);
	record_number(record, "max_order", MAX_PAGE_ORDER);
	record_number(record, "nr_cpus", num_online_cpus());
	record_number(record, "nr_nodes", num_online_nodes());
	record_number(record, "ram_bytes", (u64)totalram_pages() << PAGE_SHIFT);
	record_hypervisor(record);
	record_clock(record);
}

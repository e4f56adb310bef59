// SPDX-License-Identifier: GPL-2.0
/* The conditions that a figure holds under. */
#include <linux/cpumask.h>
#include <linux/kernel.h>
#include <linux/mm.h>
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
	record_machine(record);
}

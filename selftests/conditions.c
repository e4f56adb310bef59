// SPDX-License-Identifier: GPL-2.0
/*
 * The conditions that a figure holds under: what the fingerprint says, held against
 * the kernel's own files.  Also for guests that are booted with options of slub_debug=
 * and the like.
 */
#include "costs.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif

#define POOL	"conditions"
#define CACHE	"kmemlab_" POOL

static struct record fingerprint;

FIXTURE(conditions) {};

FIXTURE_SETUP(conditions)
{
	ASSERT_LT(0, read_file(LAB "fingerprint", fingerprint.text,
			       sizeof(fingerprint.text)));
}

FIXTURE_TEARDOWN(conditions) {}

/* KASAN keeps what was freed for a while: then nothing can be seen to come back. */
static bool delays_frees(void)
{
	return config_has("CONFIG_KASAN_GENERIC");
}

static bool booted_with(const char *option)
{
	char text[4096], *word;

	if (read_file("/proc/cmdline", text, sizeof(text)) < 0)
		return false;
	for (word = strtok(text, "\n "); word; word = strtok(NULL, "\n "))
		if (!strcmp(word, option))
			return true;
	return false;
}

/* What another cache has for which nothing was asked, the plain one has. */
TEST_F(conditions, slab)
{
	if (sysfs_number("kmalloc-64", "slab_size") < 0)
		SKIP(return, "conditions.slab: no /sys/kernel/slab");
	ASSERT_OK("pool.create name=" POOL " allocator=slab size=64");
	say("64 bytes are %lld apart, and the kernel says %lld",
	    number_of(&fingerprint, "slab_spacing_bytes"),
	    sysfs_number(CACHE, "slab_size"));
	EXPECT_EQ(sysfs_number(CACHE, "slab_size"),
		  number_of(&fingerprint, "slab_spacing_bytes"));
	if (!delays_frees()) {
		EXPECT_TRUE(text_is(&fingerprint, "slab_reuse",
				    is_debugged(CACHE) ? "first" : "last"));
		EXPECT_TRUE(text_is(&fingerprint, "slab_fresh",
				    sysfs_number(CACHE, "poison") > 0 ? "0x6b" :
									"init"));
	} else {
		/* The object that was freed comes back too late to be looked at. */
		EXPECT_TRUE(text_is(&fingerprint, "slab_fresh", "unknown"));
	}
	EXPECT_OK("pool.destroy name=" POOL);
}

static void cache_behind(const char *pool, char target[128])
{
	char text[4096], path[256], *name;

	target[0] = '\0';
	snprintf(path, sizeof(path), LAB "pools/%s/stats", pool);
	if (read_file(path, text, sizeof(text)) < 0)
		return;
	name = strstr(text, "\ncache ");
	if (!name)
		return;
	name += strlen("\ncache ");
	name[strcspn(name, "\n")] = '\0';
	snprintf(path, sizeof(path), "/sys/kernel/slab/%s", name);
	/* A cache that is merged with none has a directory of its own name. */
	if (readlink(path, target, 127) < 0)
		snprintf(target, 128, "%s", name);
}

/* Two caches that are alike are one in /sys/kernel/slab, or they are not. */
TEST_F(conditions, merging)
{
	char a[128] = "", b[128] = "";

	ASSERT_OK("pool.create name=one allocator=slab size=1976 merge=yes");
	ASSERT_OK("pool.create name=two allocator=slab size=1976 merge=yes");
	cache_behind("one", a);
	cache_behind("two", b);
	EXPECT_NE(0, a[0]);
	say("one is %s and the other %s", a, b);
	EXPECT_TRUE(text_is(&fingerprint, "slab_merging",
			    strcmp(a, b) ? "no" : "yes"));
	EXPECT_OK("pool.destroy name=one");
	EXPECT_OK("pool.destroy name=two");
}

/* What a measurement of kmalloc says of its cache, the cache itself says. */
static void holds_for_class(struct __test_metadata *_metadata, int bytes,
			    const char *cache)
{
	struct record *record;
	int tries;

	for (tries = 0; may_try(tries); tries++) {
		record = run("bench.cost allocator=kmalloc size=%d runs=2 count=9 spread_ms=0",
			     bytes);
		/* If a call is too long between two interrupts, as KASAN makes it. */
		if (record->err != EBUSY || delays_frees())
			break;
	}
	if (delays_frees() && record->err == EBUSY)
		return;
	ASSERT_EQ(0, record->err) TH_LOG("%s", cache);
	EXPECT_EQ(sysfs_number(cache, "slab_size"),
		  cell_of(record, "conditions", "spacing_bytes"))
	TH_LOG("%s", cache);
	if (delays_frees())
		return;
	EXPECT_TRUE(cell_is(record, "conditions", "reuse",
			    is_debugged(cache) ? "first" : "last"))
	TH_LOG("%s: %.40s", cache, cell_text_of(record, "conditions", "reuse"));
	EXPECT_EQ(sysfs_number(cache, "poison") > 0,
		  cell_is(record, "conditions", "fresh", "0x6b"))
	TH_LOG("%s: %.40s", cache, cell_text_of(record, "conditions", "fresh"));
}

static bool knows_classes(void)
{
	return sysfs_number("kmalloc-64", "slab_size") > 0 &&
	       !config_has("CONFIG_RANDOM_KMALLOC_CACHES");
}

/* A cache of kmalloc may have been given checks that no other has. */
TEST_F(conditions, measured)
{
	if (!knows_classes())
		SKIP(return, "conditions.measured: no cache of kmalloc in /sys/kernel/slab");
	holds_for_class(_metadata, 64, "kmalloc-64");
	holds_for_class(_metadata, 256, "kmalloc-256");
	holds_for_class(_metadata, 1024, "kmalloc-1k");
}

static void holds_among_holes(struct __test_metadata *_metadata, int bytes,
			      const char *cache, int objects, int holes)
{
	ASSERT_OK("pool.create name=" POOL " allocator=kmalloc size=%d", bytes);
	ASSERT_OK("pool.alloc name=" POOL " count=%d", objects);
	ASSERT_OK("pool.free name=" POOL " count=%d order=random", holes);
	holds_for_class(_metadata, bytes, cache);
	EXPECT_OK("pool.destroy name=" POOL);
}

/* A cache in use has slabs with room for one object or two, anywhere in them. */
TEST_F(conditions, holes)
{
	if (!knows_classes())
		SKIP(return, "conditions.holes: no cache of kmalloc in /sys/kernel/slab");
	/* Each node has a list of its own of such slabs. */
	ASSERT_TRUE(pin_to_cpu(0));
	holds_among_holes(_metadata, 64, "kmalloc-64", 20000, 200);
	holds_among_holes(_metadata, 1024, "kmalloc-1k", 4000, 40);
}

/* By which option, or by which default, is not for the fingerprint to know. */
TEST_F(conditions, pages)
{
	bool poisons = config_has("CONFIG_PAGE_POISONING") &&
		       (booted_with("page_poison=1") ||
			booted_with("page_poison=on"));
	bool clears = !poisons && !booted_with("init_on_alloc=0") &&
		      (config_has("CONFIG_INIT_ON_ALLOC_DEFAULT_ON") ||
		       booted_with("init_on_alloc=1"));

	EXPECT_TRUE(text_is(&fingerprint, "page_fresh",
			    poisons ? "0xaa" : "init"));
	EXPECT_EQ(clears, number_of(&fingerprint, "init_on_alloc"));
}

TEST_F(conditions, usercopy)
{
	bool checks = config_has("CONFIG_HARDENED_USERCOPY") &&
		      !booted_with("hardened_usercopy=off") &&
		      !booted_with("hardened_usercopy=0");

	EXPECT_TRUE(text_is(&fingerprint, "usercopy_checks",
			    checks ? "yes" : "no"));
}

/* The processor tells user space as well who runs it. */
TEST_F(conditions, hypervisor)
{
#ifdef __x86_64__
	unsigned int eax, word[4] = { 0 };
	char line[4096];

	__cpuid(0x40000000, eax, word[0], word[1], word[2]);
	if (!find_line("/proc/cpuinfo", "flags", " hypervisor", line, sizeof(line)))
		strcpy((char *)word, "none");
	EXPECT_TRUE(text_is(&fingerprint, "hypervisor", (char *)word));
#else
	SKIP(return, "conditions.hypervisor: no CPUID");
#endif
}

/* KFENCE samples what is allocated, every so many milliseconds, or not at all. */
TEST_F(conditions, kfence)
{
	long long interval =
		read_number("/sys/module/kfence/parameters/sample_interval");

	EXPECT_EQ(interval < 0 ? 0 : interval,
		  number_of(&fingerprint, "kfence_interval_ms"));
}

TEST_HARNESS_MAIN

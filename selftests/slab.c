// SPDX-License-Identifier: GPL-2.0
#include "kmemlab.h"

#include <sys/utsname.h>

LAB_FIXTURE(slab);

TEST_F(slab, generation)
{
	struct record *record = run("slab.generation");
	bool sysfs = !access("/sys/kernel/slab", R_OK);
	bool cpu_slabs = !access("/sys/kernel/slab/kmalloc-64/cpu_slabs", R_OK);
	bool sheaves = !access("/sys/kernel/slab/kmalloc-64/sheaf_capacity",
			       R_OK);
	char path[128], line[128];
	struct utsname name;

	ASSERT_EQ(0, record->err);
	/*
	 * Only SLUB has a directory of its own; what is in it tells which SLUB.
	 */
	EXPECT_EQ(sysfs && cpu_slabs && !sheaves,
		  text_is(record, "generation", "slub_cpu_slabs"));
	EXPECT_EQ(sysfs && sheaves,
		  text_is(record, "generation", "slub_sheaves"));
	EXPECT_NE(sysfs, text_is(record, "generation", "slab") ||
		  text_is(record, "generation", "slob"));

	uname(&name);
	snprintf(path, sizeof(path), "/boot/config-%s", name.release);
	if (access(path, R_OK))
		return;
	EXPECT_EQ(sysfs,
		  find_line(path, "CONFIG_SLUB=y", "", line, sizeof(line)));
	EXPECT_EQ(number_of(record, "freelist_random"),
		  find_line(path, "CONFIG_SLAB_FREELIST_RANDOM=y", "", line,
			    sizeof(line)));
	EXPECT_EQ(number_of(record, "cpu_partial"),
		  find_line(path, "CONFIG_SLUB_CPU_PARTIAL=y", "", line,
			    sizeof(line)));
}

TEST_F(slab, carve)
{
	static const int sizes[] = { 32, 100, 256, 700, 2048, 4096 };
	int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct record *record;
		long long per_slab, spacing;

		ASSERT_OK("pool.create name=carve allocator=slab size=%d",
			  sizes[i]);
		per_slab = cache_number("carve", "objs_per_slab");
		spacing = cache_number("carve", "slab_size");
		record = run("slab.carve size=%d count=1000", sizes[i]);
		EXPECT_EQ(0, record->err);
		EXPECT_EQ(1000, number_of(record, "nr_objects"));
		EXPECT_EQ(per_slab, number_of(record, "objects_per_slab"));
		EXPECT_EQ(cache_number("carve", "order"),
			  number_of(record, "slab_order"));
		EXPECT_EQ(spacing, number_of(record, "spacing_bytes"));
		EXPECT_LE((1000 + per_slab - 1) / per_slab,
			  number_of(record, "nr_slabs"));
		EXPECT_OK("pool.destroy name=carve");
	}
}

TEST_F(slab, tiny)
{
	struct record *record = run("slab.tiny");

	ASSERT_EQ(0, record->err);
	EXPECT_EQ(512, number_of(record, "objects_on_page"));
	EXPECT_EQ(8, number_of(record, "spacing_bytes"));
	EXPECT_EQ(PAGE_BYTES, number_of(record, "page_bytes"));

	ASSERT_OK("pool.create name=tiny allocator=slab size=8");
	EXPECT_EQ(512 << cache_number("tiny", "order"),
		  cache_number("tiny", "objs_per_slab"));
	EXPECT_EQ(8, cache_number("tiny", "slab_size"));
	EXPECT_OK("pool.destroy name=tiny");
}

TEST_F(slab, reuse)
{
	struct place first, again;
	struct record *record;
	long long quiet, before, allocated, slabs;
	int rounds = 10000, tries;

	for (tries = 0; may_try(tries); tries++) {
		quiet = free_or_slab_pages();
		before = read_free_pages();
		allocated = pages_allocated();
		record = run("slab.reuse rounds=%d", rounds);
		allocated = pages_allocated() - allocated;
		if (free_or_slab_pages() == quiet)
			break;
	}
	ASSERT_LT(tries, QUIET_TRIES) TH_LOG("free pages moved each time");
	ASSERT_EQ(0, record->err);
	EXPECT_EQ(rounds, number_of(record, "rounds"));
	EXPECT_EQ(rounds, number_of(record, "nr_same"));
	/* Not a page for each. */
	EXPECT_GT(rounds, allocated);
	/*
	 * What the module read in between is what is free outside, but for what
	 * a cache takes, or an older one has left: slabs of at most 8 pages, two
	 * of its own and one in each of the caches that what a cache is made of
	 * comes from, fewer than 30.
	 */
	EXPECT_GE(32 * 8, llabs(before -
				number_of(record, "free_pages_before")));
	EXPECT_EQ(number_of(record, "free_pages_before"),
		  number_of(record, "free_pages_after"));

	/*
	 * The same with a pool: the object comes back to the same place, and
	 * the cache keeps its slab.  A task may change CPU between the two
	 * commands, and each CPU has a slab of its own, so stay on one.
	 */
	ASSERT_TRUE(pin_to_cpu(sched_getcpu()));
	ASSERT_OK("pool.create name=reuse allocator=slab size=256");
	EXPECT_OK("pool.alloc name=reuse count=1");
	EXPECT_EQ(1, read_layout("reuse", &first, 1));
	slabs = cache_number("reuse", "slabs");
	EXPECT_EQ(1, slabs);
	EXPECT_OK("pool.free name=reuse count=1");
	EXPECT_EQ(slabs, cache_number("reuse", "slabs"));
	EXPECT_OK("pool.alloc name=reuse count=1");
	EXPECT_EQ(1, read_layout("reuse", &again, 1));
	EXPECT_EQ(first.pfn, again.pfn);
	EXPECT_EQ(first.offset, again.offset);
	EXPECT_EQ(slabs, cache_number("reuse", "slabs"));
	EXPECT_OK("pool.destroy name=reuse");
}

TEST_HARNESS_MAIN

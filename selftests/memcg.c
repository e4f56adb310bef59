// SPDX-License-Identifier: GPL-2.0
/* Kernel memory that a cgroup pays for, and its limit. */
#include "kmemlab.h"

#define MIB		(1024 * 1024LL)
#define GROUP		"kmemlab-memcg"
#define BESIDE		"kmemlab-beside"
#define POOL		"selftest_memcg"
#define CHARGE_BATCH	64	/* pages (include/linux/memcontrol.h) */

FIXTURE(memcg) {};

FIXTURE_SETUP(memcg) {}

/* Nothing stays, wherever the test has ended. */
FIXTURE_TEARDOWN(memcg)
{
	cgroup_clear(GROUP);
	cgroup_clear(BESIDE);
	run("pool.destroy name=" POOL);
}

/**
 * struct kind - a way to get kernel memory
 * @name:	in the experiment
 * @key:	of memory.stat
 * @bytes:	asked for: many times what is not known to the byte, check_kind()
 * @cache:	whose objects take more than their own bytes where slabs are
 *		debugged: that is paid for as well, or NULL
 * @extra:	what an object takes beside that, of which it is known who
 *		pays: a pointer for each object of a slab (mm/slab.h,
 *		obj_full_size()), or for each 4 bytes of a per-CPU object
 *		(mm/percpu-internal.h, pcpu_obj_full_size())
 */
struct kind {
	const char *name, *key;
	long long bytes;
	const char *cache;
	long long extra;
};

static const struct kind kinds[] = {
	{ "kmalloc", "slab_unreclaimable", MIB, "kmalloc-cg-1k", 8 },
	{ "pages", "kernel", MIB, NULL, 0 },
	{ "vmalloc", "vmalloc", MIB, NULL, 0 },
	{ "percpu", "percpu", MIB / 4, NULL, 2048 },
};

/* What an object is paid for, without what tells who does. */
static long long paid_bytes(const struct kind *kind, const struct record *record)
{
	if (kind->cache)
		return sysfs_number(kind->cache, "slab_size");
	return number_of(record, "object_bytes") * number_of(record, "copies");
}

static long long stat_of(const char *key)
{
	return cgroup_stat(GROUP, key);
}

/*
 * What is held, by what memory.stat says while it is; and what is left of it
 * afterwards.  A CPU counts bytes up to a page for itself (mm/memcontrol.c,
 * mod_objcg_state()), and the process that asks is charged for what it is made
 * of, which goes with it: files, and a buffer of seq_file, for which debugging takes
 * three pages.
 */
static void check_kind(struct __test_metadata *_metadata,
		       const struct kind *kind, bool account)
{
	long long slack = (sysconf(_SC_NPROCESSORS_ONLN) + 1) * PAGE_BYTES;
	long long before, held, after, nr, least, most;
	static struct record record;
	struct member member;
	char command[128];

	if (kind->cache && (is_debugged(kind->cache) || keeps_freed(kind->cache)))
		slack *= 4;
	snprintf(command, sizeof(command),
		 "charge kind=%s bytes=%lld account=%s hold_ms=60000",
		 kind->name, kind->bytes, account ? "yes" : "no");
	ASSERT_TRUE(start_member(&member, GROUP, "memcg", command));
	before = stat_of(kind->key);
	ASSERT_TRUE(tell_member(&member));
	ASSERT_TRUE(await_held(member.pid, "memcg", &record));
	held = stat_of(kind->key);
	ASSERT_TRUE(let_go(member.pid));
	close_member(&member);
	after = stat_of(kind->key);

	nr = account ? number_of(&record, "nr_objects") : 0;
	least = nr * paid_bytes(kind, &record);
	most = least + nr * kind->extra;
	say("%-8s %-3s %9lld %9lld  %-19s +%8lld, then %+lld", kind->name,
	    account ? "yes" : "no", number_of(&record, "nr_objects"),
	    number_of(&record, "total_bytes"), kind->key, held - before,
	    after - before);
	EXPECT_LE(kind->bytes, number_of(&record, "total_bytes"));
	EXPECT_EQ(number_of(&record, "nr_objects") *
		  number_of(&record, "object_bytes") *
		  number_of(&record, "copies"),
		  number_of(&record, "total_bytes"));
	EXPECT_LE(least - slack, held - before)
		TH_LOG("%s", kind->name);
	EXPECT_GE(most + slack, held - before)
		TH_LOG("%s", kind->name);
	/* In the record as well, but for what each CPU is charged ahead. */
	EXPECT_GE(CHARGE_BATCH * sysconf(_SC_NPROCESSORS_ONLN),
		  llabs(number_of(&record, "charged_pages") -
			least / (long long)PAGE_BYTES))
		TH_LOG("%s", kind->name);
	EXPECT_TRUE(text_is(&record, "cgroup", "/" GROUP));
	EXPECT_EQ(NULL, text_of(&record, "note"));
	/* Its own goes as well. */
	EXPECT_GE(slack, after - before)
		TH_LOG("%s", kind->name);
}

TEST_F(memcg, charge)
{
	int i;

	if (!cgroup_make_kmem(GROUP))
		SKIP(return, "memcg.charge: no cgroup v2 is charged for the kernel's memory");
	say("of       accounted  objects    bytes  memory.stat");
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		check_kind(_metadata, &kinds[i], false);
		check_kind(_metadata, &kinds[i], true);
	}
}

static long long nr_dying(void)
{
	return keyed_number(cgroup_path("", "cgroup.stat"), "nr_dying_descendants");
}

/*
 * A cgroup that the lab has named and charged is gone when it is removed.  That takes a
 * while, and files that were read and are still cached keep it as well.
 */
TEST_F(memcg, released)
{
	long long before;
	int tries;

	if (!cgroup_make_kmem(GROUP))
		SKIP(return, "memcg.released: no cgroup v2 is charged for the kernel's memory");
	before = nr_dying();
	EXPECT_EQ(0, run_in_group(GROUP, 0, "memcg.charge kind=pages bytes=64K"));
	ASSERT_EQ(0, write_file(cgroup_path(GROUP, "memory.max"), "8M"));
	EXPECT_EQ(ENOMEM, run_in_group(GROUP, 0, "memcg.charge kind=pages bytes=16M"));
	ASSERT_EQ(0, cgroup_remove(GROUP));
	for (tries = 0; nr_dying() > before && may_try(tries); tries++)
		write_file("/proc/sys/vm/drop_caches", "3");
	EXPECT_GE(before, nr_dying());
}

static long long events(const char *group, const char *key)
{
	return cgroup_number(group, "memory.events", key);
}

TEST_F(memcg, limit)
{
	static const char *const keys[] = { "low", "high", "max", "oom",
					    "oom_kill" };
	static struct record record;
	long long beside;
	pid_t pid;
	int i;

	if (!cgroup_make_kmem(GROUP) || !cgroup_make(BESIDE))
		SKIP(return, "memcg.limit: no cgroup v2 is charged for the kernel's memory");
	pid = hog("-s 16M -g " BESIDE);
	ASSERT_LT(0, pid);
	beside = cgroup_stat(BESIDE, "anon");
	ASSERT_EQ(0, write_file(cgroup_path(GROUP, "memory.max"), "8M"));

	/* Pages, which cost what they are on every kernel. */
	EXPECT_EQ(0, run_in_group(GROUP, 0, "memcg.charge kind=pages bytes=4M"));
	EXPECT_EQ(0, events(GROUP, "max"));
	EXPECT_EQ(ENOMEM, run_in_group(GROUP, 0,
				       "memcg.charge kind=pages bytes=16M"));
	say("memory.max 8M: 4 MiB are granted, of 16 MiB the lab gets ENOMEM");
	EXPECT_LT(0, events(GROUP, "max"));
	/* The same without the flag is nobody's affair. */
	EXPECT_EQ(0, run_in_group(GROUP, 0,
				  "memcg.charge kind=pages bytes=16M account=no"));
	ASSERT_OK("pool.create name=" POOL " allocator=reclaimable size=4096");
	EXPECT_EQ(ENOMEM, run_in_group(GROUP, 0,
				       "pool.alloc name=" POOL " count=4000"));
	EXPECT_EQ(0, pool_number(POOL, "nr_objects"));
	/* It says whose limit that was. */
	read_file(LAB "pools/result", record.text, sizeof(record.text));
	EXPECT_NE(NULL, strstr(text_of(&record, "reason"), "cgroup /" GROUP
			       " is at its memory.max of 8388608 bytes"))
		TH_LOG("%s", text_of(&record, "reason"));
	EXPECT_EQ(0, run_in_group(GROUP, 0, "pool.alloc name=" POOL " count=250"));
	EXPECT_EQ(250, pool_number(POOL, "nr_objects"));
	EXPECT_OK("pool.destroy name=" POOL);
	say("a pool of 16000 KiB: ENOMEM, and nothing kept; of 1000 KiB: kept");

	say("memory.events of the group: max %lld, oom %lld, oom_kill %lld",
	    events(GROUP, "max"), events(GROUP, "oom"),
	    events(GROUP, "oom_kill"));
	/* Requests that may fail end nobody. */
	EXPECT_EQ(0, events(GROUP, "oom_kill"));
	EXPECT_FALSE(has_ended(pid));
	for (i = 0; i < ARRAY_SIZE(keys); i++)
		EXPECT_EQ(0, events(BESIDE, keys[i]));
	EXPECT_EQ(beside, cgroup_stat(BESIDE, "anon"));
	say("of the group beside it: all 0, and its %lld KiB are there",
	    beside / 1024);
	end_process(pid);
}

TEST_HARNESS_MAIN

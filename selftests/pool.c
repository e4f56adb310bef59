// SPDX-License-Identifier: GPL-2.0
#include "kmemlab.h"

#include <dirent.h>

#define NR_OBJECTS	1000
#define NR_EACH		100	/* of many pools side by side */

LAB_FIXTURE(pool);

static int nr_pools(void)
{
	static struct record record;

	read_file("/proc/kmemlab/summary", record.text, sizeof(record.text));
	return number_of(&record, "nr_pools");
}

/*
 * What is done so many times is done for so long at the most, as an allocator that
 * is debugged takes a hundred times as long.
 */
#define LONG_ENOUGH	3

/*
 * Fills a pool with @max objects, or with those that there was time for, or half
 * of what may be held.  Returns how many.
 */
static long long fill_pool(const char *pool, long long max)
{
	double end = seconds() + LONG_ENOUGH;
	long long room = read_number(LAB "budget_bytes") - lab_charged(), n = 0;
	long long lot = max / 500;

	room /= pool_number(pool, "charge_bytes") + sizeof(void *);
	if (max > room / 2)
		max = room / 2;
	while (n + lot <= max && seconds() < end &&
	       !run("pool.alloc name=%s count=%lld", pool, lot)->err)
		n += lot;
	return n;
}

/* One pool of each allocator side by side, through its whole life. */
TEST_F(pool, every_allocator)
{
	static const char *const make[] = {
		"slab size=256 align=64",    "slab size=100 ctor=yes",
		"slab size=192 hwcache=yes", "slab size=64 merge=yes",
		"kmalloc size=1000",	     "pages order=1",
		"vmalloc size=10000",	     "pages_bulk",
		"percpu size=100",	     "node node=0 order=1",
		"slab_bulk size=256",	     "mempool size=256 reserve=64",
		"vmap size=10000",	     "dma size=5000",
		"kzalloc size=1000",	     "vzalloc size=10000",
		"kvmalloc size=10000",	     "reclaimable size=256",
		"slab_magazine size=256",
	};
	long long pools = nr_pools(), held = lab_charged();
	bool keeps;
	char name[16];
	int i;

	for (i = 0; i < ARRAY_SIZE(make); i++) {
		snprintf(name, sizeof(name), "each%d", i);
		ASSERT_EQ(0,
			  run("pool.create name=%s allocator=%s", name, make[i])
				  ->err);
		EXPECT_OK("pool.alloc name=%s count=%d", name, NR_EACH);
		EXPECT_EQ(NR_EACH, pool_number(name, "nr_objects"));
		EXPECT_EQ(NR_EACH, count_layout(name));
	}
	EXPECT_EQ(pools + i, nr_pools());
	EXPECT_LT(held, lab_charged());
	for (i = 0; i < ARRAY_SIZE(make); i++) {
		snprintf(name, sizeof(name), "each%d", i);
		EXPECT_OK("pool.free name=%s count=30 order=lifo", name);
		EXPECT_OK("pool.free name=%s count=30 order=fifo", name);
		EXPECT_OK("pool.free name=%s count=30 order=random", name);
		EXPECT_EQ(NR_EACH - 90, pool_number(name, "nr_objects"));
		EXPECT_EQ(90, pool_number(name, "nr_frees"));
		/* What keeps back what was freed: slabs, addresses. */
		keeps = strstr(make[i], "slab") || strstr(make[i], "mempool") ||
			strstr(make[i], "kmalloc") || strstr(make[i], "kzalloc") ||
			strstr(make[i], "vm") || strstr(make[i], "vz") ||
			strstr(make[i], "reclaimable");
		EXPECT_EQ(keeps ? 0 : EOPNOTSUPP,
			  run("pool.shrink name=%s", name)->err);
		EXPECT_OK("pool.destroy name=%s", name);
	}
	EXPECT_EQ(pools, nr_pools());
	EXPECT_EQ(held, lab_charged());
}

/* What is left after each way of freeing, by the addresses of the objects. */
TEST_F(pool, free_order)
{
	static struct place all[NR_OBJECTS], left[NR_OBJECTS];
	int i, j, moved = 0;

	ASSERT_OK("pool.create name=order allocator=slab size=128");
	ASSERT_OK("pool.alloc name=order count=%d", NR_OBJECTS);
	ASSERT_EQ(NR_OBJECTS, read_layout("order", all, NR_OBJECTS));

	EXPECT_OK("pool.free name=order count=100 order=fifo");
	EXPECT_OK("pool.free name=order count=200 order=lifo");
	ASSERT_EQ(NR_OBJECTS - 300, read_layout("order", left, NR_OBJECTS));
	for (i = 0; i < NR_OBJECTS - 300; i++)
		ASSERT_TRUE(same_place(&all[100 + i], &left[i]));

	/*
	 * At random: all that is left was there before, none of it twice, and
	 * it is not just the oldest 350, which would be one case in 700 over
	 * 350.
	 */
	EXPECT_OK("pool.free name=order count=350 order=random");
	ASSERT_EQ(350, read_layout("order", left, NR_OBJECTS));
	for (i = 0; i < 350; i++) {
		for (j = 100; j < 800 && !same_place(&all[j], &left[i]); j++)
			;
		ASSERT_LT(j, 800);
		moved += j != 100 + i;
		for (j = 0; j < i; j++)
			ASSERT_FALSE(same_place(&left[j], &left[i]));
	}
	EXPECT_LT(0, moved);
	EXPECT_OK("pool.destroy name=order");
}

/* Objects that are idle are still the pool's, and no other kind knows them. */
TEST_F(pool, idle)
{
	long long held = read_number(LAB "charged_bytes");

	ASSERT_OK("pool.create name=cached allocator=reclaimable size=512");
	ASSERT_OK("pool.alloc name=cached count=1000");
	EXPECT_OK("pool.idle name=cached count=600");
	EXPECT_EQ(400, pool_number("cached", "nr_objects"));
	EXPECT_EQ(600, pool_number("cached", "nr_idle"));
	EXPECT_EQ(400, count_layout("cached"));
	EXPECT_EQ(ERANGE, run("pool.idle name=cached count=401")->err);
	EXPECT_EQ(ERANGE, run("pool.free name=cached count=401")->err);
	/* As many as there are. */
	EXPECT_EQ(600, number_of(run("pool.use name=cached count=5000"),
				 "nr_moved"));
	EXPECT_EQ(1000, count_layout("cached"));
	EXPECT_OK("pool.idle name=cached count=1000 order=random");
	EXPECT_EQ(0, count_layout("cached"));
	EXPECT_OK("pool.destroy name=cached");
	EXPECT_EQ(held, read_number(LAB "charged_bytes"));

	ASSERT_OK("pool.create name=plain allocator=slab size=512");
	ASSERT_OK("pool.alloc name=plain count=2");
	EXPECT_EQ(EOPNOTSUPP, run("pool.idle name=plain count=1")->err);
	EXPECT_EQ(EOPNOTSUPP, run("pool.use name=plain count=1")->err);
	EXPECT_EQ(ERANGE, run("pool.create name=small allocator=reclaimable size=8")
			  ->err);
	EXPECT_OK("pool.destroy name=plain");
}

/* What reclaim takes is no longer charged, when all of it is gone. */
TEST_F(pool, idle_charge)
{
	long long empty, full;

	ASSERT_OK("pool.create name=cached allocator=reclaimable size=512");
	empty = pool_number("cached", "charged_bytes");
	ASSERT_OK("pool.alloc name=cached count=1000");
	full = pool_number("cached", "charged_bytes");
	EXPECT_LT(empty + 1000 * 512, full);
	ASSERT_OK("pool.idle name=cached count=1000");
	EXPECT_EQ(full, pool_number("cached", "charged_bytes"));
	ASSERT_EQ(0, write_file("/proc/sys/vm/drop_caches", "2"));
	/* A worker settles up. */
	await(pool_number("cached", "charged_bytes") == empty);
	EXPECT_EQ(empty, pool_number("cached", "charged_bytes"));
	EXPECT_EQ(1000, pool_number("cached", "nr_given"));
	EXPECT_OK("pool.destroy name=cached");
}

/* A pool's row in /proc/slabinfo, and what shrinking gives back. */
TEST_F(pool, slabinfo)
{
	char line[256];
	long long active, slabs;

	ASSERT_OK("pool.create name=row allocator=slab size=256");
	EXPECT_OK("pool.alloc name=row count=%d", NR_OBJECTS);
	ASSERT_TRUE(find_line("/proc/slabinfo", "kmemlab_row", "", line,
			      sizeof(line)));
	ASSERT_EQ(1, sscanf(line, "kmemlab_row %lld", &active));
	EXPECT_LE(NR_OBJECTS, active);
	slabs = cache_number("row", "slabs");
	EXPECT_LE(NR_OBJECTS / cache_number("row", "objs_per_slab"), slabs);

	EXPECT_OK("pool.free name=row count=%d", NR_OBJECTS);
	EXPECT_OK("pool.shrink name=row");
	EXPECT_EQ(0, cache_number("row", "slabs"));
	EXPECT_OK("pool.destroy name=row");
	EXPECT_FALSE(find_line("/proc/slabinfo", "kmemlab_row", "", line,
			       sizeof(line)));
}

/* Of a pool's cache: as it is, or as it is debugged. */
static bool has_debugging(const char *pool)
{
	return cache_number(pool, "red_zone") || cache_number(pool, "poison") ||
	       cache_number(pool, "store_user");
}

/* What generic KASAN keeps of a freed object (mm/kasan/kasan.h). */
#define KASAN_FREE_META	16

/*
 * Each option of a slab pool shows in the attributes of its cache, in spacings as
 * mm/slub.c, calculate_sizes(), makes them.
 */
TEST_F(pool, slab_options)
{
	bool kasan = config_has("CONFIG_KASAN_GENERIC");
	long long plain, made, outside = kasan ? KASAN_FREE_META : 0;
	char line[256];

	ASSERT_OK("pool.create name=plain allocator=slab size=72");
	ASSERT_OK("pool.create name=aligned allocator=slab size=72 align=256");
	ASSERT_OK("pool.create name=line allocator=slab size=72 hwcache=yes");
	ASSERT_OK("pool.create name=made allocator=slab size=72 ctor=yes");
	ASSERT_OK("pool.create name=shared allocator=slab size=72 merge=yes");
	plain = cache_number("plain", "slab_size");
	EXPECT_EQ(72, cache_number("plain", "object_size"));
	/* Debugged, an object has a red zone behind it, and more. */
	EXPECT_EQ(kasan || has_debugging("plain"), plain > 72);
	EXPECT_LE(72, plain);
	EXPECT_EQ(72, cache_number("aligned", "object_size"));
	EXPECT_EQ((plain - read_cache("kmemlab_plain").first +
		   read_cache("kmemlab_aligned").first + 255) & ~255LL,
		  cache_number("aligned", "slab_size"));
	EXPECT_EQ(1, cache_number("line", "hwcache_align"));
	EXPECT_EQ(0, cache_number("plain", "hwcache_align"));
	/*
	 * An object with a constructor keeps its state: the free pointer is
	 * outside, where that of a poisoned one is already, and what KASAN
	 * notes of it (mm/kasan/generic.c, kasan_cache_create()), which makes
	 * what is small larger than that.
	 */
	if (!cache_number("plain", "poison"))
		outside += sizeof(void *);
	made = cache_number("made", "slab_size");
	if (kasan && !has_debugging("plain")) {
		EXPECT_LT(plain, made);
		EXPECT_LE(72 + outside, made);
	} else {
		EXPECT_EQ(plain + outside, made);
	}
	EXPECT_TRUE(find_line("/sys/kernel/slab/kmemlab_made/ctor",
			      "stamp_object", "[kmemlab]", line, sizeof(line)));
	EXPECT_EQ(0, cache_number("plain", "aliases"));
	EXPECT_LT(0, pool_number("shared", "charge_bytes"));
	EXPECT_EQ(MISSING, cache_number("shared", "slab_size"));
	EXPECT_OK("pool.destroy name=plain");
	EXPECT_OK("pool.destroy name=aligned");
	EXPECT_OK("pool.destroy name=line");
	EXPECT_OK("pool.destroy name=made");
	EXPECT_OK("pool.destroy name=shared");
}

/* Held pages leave the free lists, and all come back. */
TEST_F(pool, gives_all_back)
{
	long long before, held, after;
	int tries;

	ASSERT_OK("pool.create name=back allocator=pages order=4");
	for (tries = 0; may_try(tries); tries++) {
		before = free_or_slab_pages();
		EXPECT_OK("pool.alloc name=back count=200");
		held = free_or_slab_pages();
		EXPECT_OK("pool.free name=back count=200");
		after = free_or_slab_pages();
		/*
		 * 200 blocks of 16 pages, and one page that holds the pointers
		 * to them; unless somebody else took or gave any meanwhile.
		 */
		if (before == after && before - held == 200 * 16 + 1)
			break;
	}
	EXPECT_LT(tries, QUIET_TRIES)
	TH_LOG("%lld held, %lld lost", before - held, before - after);
	EXPECT_OK("pool.destroy name=back");
}

/* Over the budget nothing is kept, and the reason is said. */
TEST_F(pool, budget)
{
	long long held, budget = read_number(LAB "budget_bytes");
	struct record *record;

	ASSERT_OK("pool.create name=big allocator=pages order=10");
	held = lab_charged();
	record = run("pool.alloc name=big count=%lld", budget / (4 << 20) + 1);
	EXPECT_EQ(EDQUOT, record->err);
	EXPECT_EQ(EDQUOT, number_of(record, "errno"));
	EXPECT_NE(NULL, text_of(record, "reason"));
	EXPECT_EQ(held, lab_charged());
	EXPECT_EQ(0, pool_number("big", "nr_objects"));
	EXPECT_EQ(1, pool_number("big", "nr_failed"));
	EXPECT_OK("pool.destroy name=big");
}

/* All of it can be had, to what one more object and its place would take. */
TEST_F(pool, whole_budget)
{
	long long budget = read_number(LAB "budget_bytes"), count;

	if (meminfo_pages("MemAvailable") * PAGE_BYTES <
	    budget + read_number(LAB "floor_bytes"))
		SKIP(return, "pool.whole_budget: others have the memory");
	ASSERT_OK("pool.create name=small allocator=pages");
	for (count = budget / PAGE_BYTES; count; count /= 2)
		while (!run("pool.alloc name=small count=%lld", count)->err)
			;
	EXPECT_LE(lab_charged(), budget);
	EXPECT_GT(lab_charged() + 2 * PAGE_BYTES, budget);
	EXPECT_OK("pool.destroy name=small");
}

/* A pool with an open file is in use: it stays, whole. */
TEST_F(pool, destroy_in_use)
{
	struct record *record;
	int fd;

	ASSERT_OK("pool.create name=busy allocator=kmalloc size=64");
	EXPECT_OK("pool.alloc name=busy count=10");
	fd = open(LAB "pools/busy/stats", O_RDONLY);
	ASSERT_LE(0, fd);
	/* Its file adds the name, for which there is no room. */
	record = run_in(LAB "pools/busy/alloc",
			"a=1 b=2 c=3 d=4 e=5 f=6 g=7 h=8 i=9 j=1 k=2 l=3");
	EXPECT_EQ(EINVAL, record->err);
	EXPECT_NE(NULL, strstr(text_of(record, "reason"), "more than 11 arguments"));
	record = run("pool.destroy name=busy");
	EXPECT_EQ(EBUSY, record->err);
	EXPECT_NE(NULL, text_of(record, "reason"));
	EXPECT_EQ(10, pool_number("busy", "nr_objects"));
	close(fd);
	EXPECT_EQ(EBUSY, run("pool.create name=busy allocator=kmalloc size=64")->err);
	EXPECT_OK("pool.destroy name=busy");
	EXPECT_NE(0, access(LAB "pools/busy", F_OK));
}

/*
 * SIGKILL ends a command within a second, however much it has allocated by then:
 * nothing of it is kept, and all of it is given back soon after.
 */
TEST_F(pool, cancel)
{
	double took = -1, end;
	long long held, count;
	char command[32];
	int looks;
	pid_t pid;

	ASSERT_OK("pool.create name=long allocator=slab size=16");
	held = lab_charged();
	/* Half of what is left, or what of that is there in time. */
	count = (read_number(LAB "budget_bytes") - held) / 2 /
		(pool_number("long", "charge_bytes") + sizeof(void *));
	snprintf(command, sizeof(command), "%lld", count);
	/* As in ends_when_killed(). */
	for (looks = 0; looks < LOOKS && (took < 0 || took >= 1); looks++) {
		pid = run_aside(LAB "pools/long/alloc", command);
		for (end = seconds() + LONG_ENOUGH; seconds() < end; usleep(1000))
			if (pool_number("long", "nr_coming") > count / 10 * 9)
				break;
		took = kill_command(pid);
		EXPECT_LE(0, took);
		EXPECT_EQ(0, pool_number("long", "nr_objects"));
		EXPECT_EQ(0, pool_number("long", "nr_coming"));
		await(lab_charged() <= held);
		EXPECT_EQ(held, lab_charged());
	}
	EXPECT_LT(took, 1);
	EXPECT_OK("pool.destroy name=long");
}

/* How many objects of a pool a command leaves that is killed, but not too soon. */
static long long left_when_killed(struct __test_metadata *_metadata,
				  const char *pool, const char *file,
				  const char *command, long long nr)
{
	long long left = nr;
	bool prompt = false;
	useconds_t after;
	pid_t pid;

	for (after = 1000; after < 1000000 && left == nr; after *= 2) {
		pid = run_aside(file, command);
		usleep(after);
		prompt |= kill_command(pid) < 1;
		left = pool_number(pool, "nr_objects");
	}
	EXPECT_TRUE(prompt);
	return left;
}

/* Killed while it frees the objects, it leaves the pool with the others. */
TEST_F(pool, destroy_killed)
{
	long long nr, left;

	ASSERT_OK("pool.create name=half allocator=slab size=8");
	nr = fill_pool("half", 2000000);
	ASSERT_LT(0, nr);
	left = left_when_killed(_metadata, "half", LAB "pools/destroy",
				"name=half", nr);
	EXPECT_LT(0, left);
	EXPECT_GT(nr, left);
	EXPECT_EQ(left, number_of(run("pool.destroy name=half"), "nr_freed"));
}

/* And while it makes them idle, it leaves the others in use. */
TEST_F(pool, idle_killed)
{
	char command[64];
	long long nr, left;

	ASSERT_OK("pool.create name=half allocator=reclaimable size=16");
	nr = fill_pool("half", 1000000);
	ASSERT_LT(0, nr);
	snprintf(command, sizeof(command), "pool.idle name=half count=%lld", nr);
	left = left_when_killed(_metadata, "half", "/proc/kmemlab/run", command,
				nr);
	EXPECT_LT(0, left);
	EXPECT_GT(nr, left);
	EXPECT_EQ(nr, left + pool_number("half", "nr_idle") +
		      pool_number("half", "nr_given"));
	EXPECT_OK("pool.destroy name=half");
}

static void look_again(struct __test_metadata *_metadata, const char *pool)
{
	run("pool.free name=%s count=1", pool);
	run("pool.alloc name=%s count=1", pool);
	EXPECT_LT(0, pool_number(pool, "held_bytes"));
}

/* Looking at what is held takes nothing that stays. */
TEST_F(pool, held_again)
{
	ASSERT_OK("pool.create name=looked allocator=slab size=256");
	ASSERT_OK("pool.alloc name=looked count=100");
	expect_kept(_metadata, look_again, "looked", 500, 512);
	ASSERT_OK("pool.destroy name=looked");
}

static const char fails[] = "kmemlab-fails";

static void fail_again(struct __test_metadata *_metadata, const char *command)
{
	EXPECT_EQ(ENOMEM, run_in_group(fails, 0, command));
}

/* An allocation that fails on its way leaves nothing, however often. */
TEST_F(pool, fails_again)
{
	if (!cgroup_make_kmem(fails))
		SKIP(return, "pool.fails_again: no cgroup v2 is charged for the kernel's memory");
	ASSERT_OK("pool.create name=fails allocator=reclaimable size=4096");
	ASSERT_EQ(0, write_file(cgroup_path(fails, "memory.max"), "1M"));
	expect_kept(_metadata, fail_again, "pool.alloc name=fails count=1000", 32,
		    PAGE_BYTES);
	ASSERT_OK("pool.destroy name=fails");
	cgroup_clear(fails);
}

/* Kernels that can have each of a task's allocations fail in turn (CONFIG_FAULT_INJECTION). */
#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define FAILSLAB	"/sys/kernel/debug/failslab/"
#define NTHS		40

/* Allocates an object, and lets the nth allocation on the way to it fail. */
static int alloc_failing(int file, int nth)
{
	int err;

	write_number(FAIL_NTH, nth);
	err = write(file, "1", 1) == 1 ? 0 : errno;
	write_number(FAIL_NTH, 0);
	return err;
}

/* Whatever fails is counted; and what vmalloc() serves instead lies in no slab. */
TEST_F(pool, fails_anywhere)
{
	long long failed;
	int file, nth, nr_areas = 0, nr_failed = 0, err;
	char line[256];

	if (access(FAIL_NTH, W_OK) || write_file(FAILSLAB "ignore-gfp-wait", "N"))
		SKIP(return, "pool.fails_anywhere: no CONFIG_FAULT_INJECTION with failslab");
	write_file(FAILSLAB "verbose", "0");
	write_file(FAILSLAB "times", "-1");
	ASSERT_OK("pool.create name=fails allocator=kvmalloc size=8192");
	file = open(LAB "pools/fails/alloc", O_WRONLY);
	ASSERT_LE(0, file);
	/* How many others come before that of the object changes. */
	for (nth = 1; nth <= NTHS * LOOKS && (nth <= NTHS || !nr_areas); nth++) {
		failed = keyed_number(LAB "pools/stats", "nr_failed");
		err = alloc_failing(file, nth % NTHS + 1);
		nr_failed += err != 0;
		EXPECT_EQ(failed + (err != 0),
			  keyed_number(LAB "pools/stats", "nr_failed"))
		TH_LOG("%d: %s", nth, strerror(err));
		nr_areas += find_line("/proc/vmallocinfo", "kvmalloc_alloc", "", line,
				      sizeof(line));
	}
	EXPECT_LT(1, nr_failed);
	/* That one for which there was no memory at all never came to it. */
	EXPECT_LE(nr_failed - LOOKS, pool_number("fails", "nr_failed"));
	EXPECT_LT(0, nr_areas);
	EXPECT_LE(8192 * pool_number("fails", "nr_objects"),
		  pool_number("fails", "held_bytes"));
	EXPECT_OK("pool.shrink name=fails");
	close(file);
	ASSERT_OK("pool.destroy name=fails");
	write_file(FAILSLAB "ignore-gfp-wait", "Y");
}

/* Half-empty slabs stay with their cache, and so what is charged for them. */
TEST_F(pool, charge_for_slabs)
{
	long long empty, full, slab_bytes, per_slab, share, charge;

	ASSERT_OK("pool.create name=charge allocator=slab size=256");
	empty = pool_number("charge", "charged_bytes");
	slab_bytes = PAGE_BYTES << cache_number("charge", "order");
	per_slab = cache_number("charge", "objs_per_slab");
	share = (slab_bytes + per_slab - 1) / per_slab;
	charge = pool_number("charge", "charge_bytes");
	EXPECT_TRUE(has_kmemleak() ? charge > share : charge == share)
		TH_LOG("%lld of a slab, %lld charged", share, charge);
	EXPECT_OK("pool.alloc name=charge count=%d", NR_OBJECTS);
	full = pool_number("charge", "charged_bytes");
	/* In whole slabs. */
	EXPECT_LE(NR_OBJECTS * charge, full - empty - pointer_bytes(NR_OBJECTS));
	EXPECT_GE(NR_OBJECTS * charge + 2 * slab_bytes,
		  full - empty - pointer_bytes(NR_OBJECTS));
	/* Not fewer bytes than the slabs that the kernel shows. */
	EXPECT_LE(cache_number("charge", "slabs") * slab_bytes, full);
	EXPECT_OK("pool.free name=charge count=900 order=random");
	EXPECT_EQ(full - pointer_bytes(NR_OBJECTS) + pointer_bytes(NR_OBJECTS - 900),
		  pool_number("charge", "charged_bytes"));
	EXPECT_OK("pool.alloc name=charge count=900");
	EXPECT_EQ(full, pool_number("charge", "charged_bytes"));
	EXPECT_OK("pool.free name=charge count=%d", NR_OBJECTS);
	EXPECT_EQ(empty, pool_number("charge", "charged_bytes"));
	EXPECT_OK("pool.destroy name=charge");
}

/* Nobody can remove the links that merged caches leave, so they must be few. */
TEST_F(pool, merged_links)
{
	struct dirent *entry;
	int i, links = 0;
	DIR *dir;

	for (i = 0; i < 20; i++) {
		ASSERT_OK("pool.create name=m%d allocator=slab size=64 merge=yes",
			  i);
		ASSERT_OK("pool.destroy name=m%d", i);
	}
	dir = opendir("/sys/kernel/slab");
	while (dir && (entry = readdir(dir)))
		links += !strncmp(entry->d_name, "kmemlab", 7);
	closedir(dir);
	/* Two of pools side by side, and two that the fingerprint has looked at. */
	EXPECT_GE(4, links);
}

static pid_t seek_far(void)
{
	pid_t pid = fork();

	if (!pid) {
		int fd = open(LAB "pools/seek/layout", O_RDONLY);

		/* Past the end, so that every row is gone through. */
		while (lseek(fd, 1LL << 40, SEEK_SET) != -1)
			;
		_exit(1);
	}
	return pid;
}

/* A reader who seeks far into a layout is killed within a second. */
TEST_F(pool, layout_killed)
{
	ASSERT_OK("pool.create name=seek allocator=slab size=8");
	ASSERT_LT(0, fill_pool("seek", 2000000));
	EXPECT_TRUE(ends_when_killed(seek_far(), 200000));
	EXPECT_OK("pool.destroy name=seek");
}

/* Many pools at once, each listed and each with a directory of its own. */
TEST_F(pool, many)
{
	static const char *const allocator[] = {
		"slab size=64", "kmalloc size=64", "pages order=0",
		"vmalloc size=4096"};
	int i, listed = 0, dirs = 0, before = nr_pools(), n = 40;
	char line[256];
	struct dirent *entry;
	FILE *file;
	DIR *dir;

	for (i = 0; i < n; i++) {
		ASSERT_OK("pool.create name=many%d allocator=%s",
			  i, allocator[i % 4]);
		ASSERT_OK("pool.alloc name=many%d count=3", i);
	}
	file = fopen("/proc/kmemlab/pools", "r");
	while (file && fgets(line, sizeof(line), file)) {
		long long active;

		if (sscanf(line, "many%*d %lld", &active) == 1) {
			EXPECT_EQ(3, active);
			listed++;
		}
	}
	fclose(file);
	dir = opendir(LAB "pools");
	while (dir && (entry = readdir(dir)))
		dirs += !strncmp(entry->d_name, "many", 4);
	closedir(dir);
	EXPECT_EQ(n, listed);
	EXPECT_EQ(n, dirs);
	EXPECT_EQ(before + n, nr_pools());
	for (i = 0; i < n; i++)
		EXPECT_OK("pool.destroy name=many%d", i);
	EXPECT_EQ(before, nr_pools());
}

/* Slabs that stay when the kernel has dropped all that nobody has objects of. */
static long long slabs_kept(const char *pool)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/slab/kmemlab_%s/shrink", pool);
	write_file(path, "1");
	return cache_number(pool, "slabs");
}

/* Has the magazines of CPU 1 filled with what a pool has freed there. */
static void fill_magazines(struct __test_metadata *_metadata)
{
	ASSERT_EQ(0, run_in_group(NULL, 1, "pool.alloc name=kept count=1000"));
	ASSERT_EQ(0, run_in_group(NULL, 1, "pool.free name=kept count=1000"));
	EXPECT_EQ(0, pool_number("kept", "nr_objects"));
	EXPECT_LT(0, slabs_kept("kept"));
	/* Of 63 each the one that was loaded is full, and so is the one before it. */
	EXPECT_LT(63, cache_number("kept", "objects"));
}

/*
 * A CPU's magazines keep slabs alive, until they are asked to give back, memory is
 * short or their CPU goes away.
 */
TEST_F(pool, magazines)
{
	long long held = lab_charged();

	if (access(CPU1_ONLINE, W_OK))
		SKIP(return, "pool.magazines: no second CPU that can be taken away");
	ASSERT_OK("pool.create name=kept allocator=slab_magazine size=256");
	fill_magazines(_metadata);
	ASSERT_OK("pool.shrink name=kept");
	EXPECT_EQ(0, slabs_kept("kept"));

	fill_magazines(_metadata);
	ASSERT_EQ(0, write_file("/proc/sys/vm/drop_caches", "2"));
	EXPECT_EQ(0, slabs_kept("kept"));

	fill_magazines(_metadata);
	ASSERT_EQ(0, write_file(CPU1_ONLINE, "0"));
	EXPECT_EQ(0, slabs_kept("kept"));
	ASSERT_EQ(0, write_file(CPU1_ONLINE, "1"));

	fill_magazines(_metadata);
	EXPECT_OK("pool.destroy name=kept");
	EXPECT_EQ(held, lab_charged());
}

/*
 * Pages that no counter of the kernel shows are told by the command that took them,
 * with the one that its bookkeeping took, and again when they go back.
 */
TEST_F(pool, kept_pages)
{
	static const struct {
		const char *make;
		long long pages;
	} pools[] = {
		{ "pages order=1", 2 }, { "pages_bulk", 1 }, { "node node=0 order=2", 4 },
		{ "dma size=5000", 2 }, { "kmalloc size=64", 0 }, { "slab size=64", 0 },
	};
	const struct record *record;
	int i;

	for (i = 0; i < ARRAY_SIZE(pools); i++) {
		ASSERT_OK("pool.create name=keeps allocator=%s", pools[i].make);
		record = run("pool.alloc name=keeps count=%d", NR_EACH);
		EXPECT_EQ(0, record->err);
		EXPECT_EQ(NR_EACH * pools[i].pages + 1,
			  number_of(record, "ledger.kept_pages"))
			TH_LOG("%s", pools[i].make);
		record = run("pool.free name=keeps count=%d", NR_EACH);
		EXPECT_EQ(-NR_EACH * pools[i].pages - 1,
			  number_of(record, "ledger.kept_pages"))
			TH_LOG("%s", pools[i].make);
		EXPECT_OK("pool.destroy name=keeps");
	}
}

/* Objects whose pointers fill a page of a pool's bookkeeping. */
#define PER_PAGE	(PAGE_BYTES / sizeof(void *))

/* The pages among a pool's bookkeeping; the rest is a table of them. */
static long long bookkeeping_pages(const char *pool)
{
	return pool_number(pool, "bookkeeping_bytes") / PAGE_BYTES;
}

/* Bookkeeping that no object needs any more goes back, from either end. */
TEST_F(pool, bookkeeping)
{
	ASSERT_OK("pool.create name=books allocator=slab size=64");
	EXPECT_EQ(0, pool_number("books", "bookkeeping_bytes"));
	ASSERT_OK("pool.alloc name=books count=%zd", 6 * PER_PAGE);
	EXPECT_EQ(6, bookkeeping_pages("books"));
	ASSERT_OK("pool.free name=books order=lifo count=%zd", PER_PAGE);
	EXPECT_EQ(5, bookkeeping_pages("books"));
	ASSERT_OK("pool.free name=books order=fifo count=%zd", PER_PAGE);
	EXPECT_EQ(4, bookkeeping_pages("books"));
	ASSERT_OK("pool.free name=books order=random count=%zd", PER_PAGE);
	EXPECT_EQ(3, bookkeeping_pages("books"));
	ASSERT_OK("pool.free name=books order=lifo count=%zd", 3 * PER_PAGE - 1);
	EXPECT_EQ(1, bookkeeping_pages("books"));
	ASSERT_OK("pool.free name=books count=1");
	EXPECT_EQ(0, pool_number("books", "bookkeeping_bytes"));
	EXPECT_OK("pool.destroy name=books");
}

static int by_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->pfn != y->pfn)
		return x->pfn < y->pfn ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

#define ROUNDS		80
#define EACH		500
#define CTOR_STAMP	0x6b6d656d6c616263ULL	/* module/families/slab.c */

/*
 * A task on this CPU that allocates and frees, and leaves half of the objects.  It
 * ends with the number of rounds that it came to.
 */
static pid_t work_on(const char *pool, int cpu)
{
	static const char *const frees[] = {
		"count=250 order=lifo", "count=250 order=fifo",
		"count=250 order=random"
	};
	double end = seconds() + LONG_ENOUGH;
	char alloc[64], free[64];
	pid_t pid = fork();
	int i;

	if (pid)
		return pid;
	if (!pin_to_cpu(cpu))
		_exit(255);
	snprintf(alloc, sizeof(alloc), LAB "pools/%s/alloc", pool);
	snprintf(free, sizeof(free), LAB "pools/%s/free", pool);
	/* By files of its own: one file runs one command at a time. */
	for (i = 0; i < ROUNDS && (!i || seconds() < end); i++)
		if (write_number(alloc, EACH) ||
		    write_file(free, frees[i % ARRAY_SIZE(frees)]))
			_exit(255);
	_exit(i);
}

/* How many objects are where another is. */
static int nr_twice(struct place *place, int nr)
{
	int i, same = 0;

	qsort(place, nr, sizeof(*place), by_place);
	for (i = 1; i < nr; i++)
		same += same_place(&place[i - 1], &place[i]);
	return same;
}

static void check_all_cpus(struct __test_metadata *_metadata,
			   const char *allocator, bool stamped)
{
	static struct place place[4 * ROUNDS * EACH];
	int rounds = 0, left, i, wrong = 0;
	pid_t pid[4];
	uint64_t word;

	ASSERT_OK("pool.create name=all allocator=%s", allocator);
	for (i = 0; i < ARRAY_SIZE(pid); i++)
		pid[i] = work_on("all", i % 2);
	for (i = 0; i < ARRAY_SIZE(pid); i++) {
		int n = exit_code_of(pid[i]);

		ASSERT_LT(0, n);
		ASSERT_GE(ROUNDS, n);
		rounds += n;
	}
	left = rounds * EACH / 2;
	ASSERT_EQ(left, read_layout("all", place, ARRAY_SIZE(place)));
	EXPECT_EQ(0, nr_twice(place, left));
	for (i = 0; stamped && i < left; i += 97)
		wrong += !read_physical(place[i].pfn * PAGE_BYTES +
					place[i].offset, &word, sizeof(word)) ||
			 word != CTOR_STAMP;
	EXPECT_EQ(0, wrong);
	say("%-24s %d objects, none of them twice", allocator, left);
	EXPECT_EQ(rounds * EACH, pool_number("all", "nr_allocs"));
	EXPECT_EQ(rounds * EACH - left, pool_number("all", "nr_frees"));
	EXPECT_OK("pool.destroy name=all");
}

/* Two tasks on each of two CPUs, all on one pool. */
TEST_F(pool, all_cpus)
{
	long long held = lab_charged();

	check_all_cpus(_metadata, "slab size=64 ctor=yes", true);
	check_all_cpus(_metadata, "slab_bulk size=64 ctor=yes", true);
	check_all_cpus(_metadata, "slab_magazine size=64 ctor=yes", true);
	check_all_cpus(_metadata, "kmalloc size=32", false);
	check_all_cpus(_metadata, "percpu size=8", false);
	EXPECT_EQ(held, lab_charged());
}

/*
 * A pool allocates its objects in lots, of large ones fewer: where a lot does not
 * end with a page of the shelf, none is lost at its end.
 */
TEST_F(pool, lots)
{
	static struct place place[1000];
	int i, whole = 0;

	ASSERT_OK("pool.create name=lots allocator=vmalloc size=10000");
	ASSERT_OK("pool.alloc name=lots count=%zu", ARRAY_SIZE(place));
	ASSERT_EQ(ARRAY_SIZE(place),
		  read_layout("lots", place, ARRAY_SIZE(place)));
	for (i = 0; i < ARRAY_SIZE(place); i++)
		whole += place[i].pages == 3;
	EXPECT_EQ(ARRAY_SIZE(place), whole);
	EXPECT_EQ(0, nr_twice(place, ARRAY_SIZE(place)));
	EXPECT_OK("pool.free name=lots count=%zu", ARRAY_SIZE(place));
	EXPECT_OK("pool.destroy name=lots");
}

/* What a command has claimed to free nobody else frees. */
TEST_F(pool, free_at_once)
{
	char command[64];
	long long all;
	pid_t pid[4];
	int i, nr = 0;

	ASSERT_OK("pool.create name=shared allocator=slab size=64");
	all = fill_pool("shared", 100000);
	ASSERT_LT(0, all);
	/* Each wants two fifths of them. */
	snprintf(command, sizeof(command), "pool.free name=shared count=%lld",
		 all / 5 * 2);
	for (i = 0; i < ARRAY_SIZE(pid); i++)
		pid[i] = run_aside("/proc/kmemlab/run", command);
	for (i = 0; i < ARRAY_SIZE(pid); i++) {
		int err = exit_code_of(pid[i]);

		EXPECT_TRUE(!err || err == ERANGE);
		nr += !err;
	}
	EXPECT_EQ(2, nr);
	EXPECT_EQ(all - nr * (all / 5 * 2),
		  pool_number("shared", "nr_objects"));
	EXPECT_OK("pool.destroy name=shared");
}

TEST_HARNESS_MAIN

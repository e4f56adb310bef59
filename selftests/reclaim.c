// SPDX-License-Identifier: GPL-2.0
/* How memory comes back when it is short, and what does not. */
#include "kmemlab.h"
#include "disk.h"

#define MIB		(1024 * 1024L)
#define GROUP		"kmemlab-reclaim"
#define MIN_FREE	"/proc/sys/vm/min_free_kbytes"

/* Seen to come back, all of it or a part. */
#define OBJECTS		20000
#define IN_USE		1000
#define USED_AGAIN	5000

/* What the node is filled with: enough that reclaim finds what it looks for. */
#define CACHE_MIB	64
#define FREE_SHARE	4	/* of the zone is left free */
#define HUGE_BYTES	(2 * MIB)

#define POOL		"selftest_reclaim"
#define TEST_SECONDS	240

static void set_min_free(long long kib)
{
	write_number(MIN_FREE, kib);
}

/*
 * A process that sees to it that what must be free is what it was, even where the
 * test is cut off.  Returns what to close for that.
 */
static int guard_min_free(long long kib)
{
	int fd[2];
	char byte;

	if (pipe2(fd, O_CLOEXEC))
		return -1;
	if (!fork()) {
		/* Out of the group that is killed when the time is up. */
		setsid();
		close(fd[1]);
		while (read(fd[0], &byte, 1) > 0)
			;
		set_min_free(kib);
		_exit(0);
	}
	close(fd[0]);
	return fd[1];
}

FIXTURE(reclaim)
{
	long long min_free;
	int guard;
	struct disk disk;
	bool has_disk;
};

/*
 * The tests stay on a CPU: multi-gen LRU knows only a page again that comes back
 * on the node that it was dropped on (mm/workingset.c, lru_gen_refault()).
 */
FIXTURE_SETUP(reclaim)
{
	ASSERT_TRUE(pin_to_cpu(0));
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	self->min_free = read_number(MIN_FREE);
	self->guard = guard_min_free(self->min_free);
	ASSERT_LE(0, self->guard);
	self->has_disk = disk_make(&self->disk, "kmemlab-file", CACHE_MIB, 0);
}

/* As it was, wherever the test has ended. */
FIXTURE_TEARDOWN(reclaim)
{
	set_min_free(self->min_free);
	close(self->guard);
	wait(NULL);
	if (self->has_disk)
		disk_end(&self->disk);
	cgroup_clear(GROUP);
	run("pool.destroy name=" POOL);
}

/*
 * A zone of a node that is smaller than the others, so that its marks can be
 * moved to where its free memory is without the others being short.
 */
struct small_zone {
	int node;
	char name[16], row[32];
	long long managed, all;
};

/*
 * The others have twice as much free, for their share, as this one will have:
 * more than any mark will be, of which the highest is half as much again as the
 * lowest.
 */
static bool find_small_zone(struct small_zone *small)
{
	struct zone_counts zones[ZONES_MAX];
	int n = read_buddyinfo(zones), i;
	bool have_room = true;

	*small = (struct small_zone){ .node = -1 };
	for (i = 0; i < n; i++) {
		struct zone_counts *z = &zones[i];
		long long managed = zoneinfo_number(z->node, z->zone, -1,
						    "managed");

		small->all += managed;
		if (!z->node || z->node == small->node) {
			have_room &= zoneinfo_number(z->node, z->zone, -1,
						     "free") >
				     2 * managed / FREE_SHARE;
			continue;
		}
		small->node = z->node;
		small->managed = managed;
		strcpy(small->name, z->zone);
	}
	snprintf(small->row, sizeof(small->row), "N%d.%s", small->node,
		 small->name);
	return have_room && small->node > 0 && small->managed < small->all / 2;
}

struct marks {
	long long free, min, low, high;
};

static struct marks read_marks(const struct small_zone *zone)
{
	struct record *record = run("reclaim.marks node=%d", zone->node);

	return (struct marks){
		.free = cell_of(record, zone->row, "free"),
		.min = cell_of(record, zone->row, "min"),
		.low = cell_of(record, zone->row, "low"),
		.high = cell_of(record, zone->row, "high"),
	};
}

/*
 * Each zone gets its share of what must be free (mm/page_alloc.c,
 * __setup_per_zone_wmarks()).
 */
static void move_min(const struct small_zone *zone, long long pages)
{
	set_min_free(pages * zone->all / zone->managed *
		     (long long)PAGE_BYTES / 1024);
}

/* What is scanned for those who were short themselves, and what for them. */
static long long nr_direct(void)
{
	return keyed_number("/proc/vmstat", "pgscan_direct");
}

static long long nr_kswapd(void)
{
	return keyed_number("/proc/vmstat", "pgscan_kswapd");
}

static void touch(char **map, long long pages)
{
	while (pages-- > 0) {
		**map = 1;
		*map += PAGE_BYTES;
	}
}

static long long pages_in_excess(const struct small_zone *zone)
{
	return read_marks(zone).free - zone->managed / FREE_SHARE;
}

/*
 * By huge pages where they can be had: one by one tens of thousands take long.
 * What follows, from where the mapping is returned, is single pages again.
 */
static char *fill(const struct small_zone *zone, const struct disk *disk)
{
	char *map = map_anon(zone->managed * PAGE_BYTES + HUGE_BYTES);
	long long pages;

	if (map == MAP_FAILED || !bind_to_node(zone->node) ||
	    !disk_read_in(disk, NULL, zone->node))
		return NULL;
	map = (char *)(((uintptr_t)map + HUGE_BYTES - 1) & -HUGE_BYTES);
	pages = pages_in_excess(zone) * (long long)PAGE_BYTES / HUGE_BYTES *
		HUGE_BYTES / (long long)PAGE_BYTES;
	if (pages > 0)
		madvise(map, pages * PAGE_BYTES, MADV_HUGEPAGE);
	prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
	touch(&map, pages);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	touch(&map, pages_in_excess(zone));
	return map;
}

/* kswapd is another process, and comes when it comes. */
static long long wake_kswapd(char **map)
{
	long long before = nr_kswapd();

	touch(map, 1);
	await(nr_kswapd() != before);
	return nr_kswapd() - before;
}

static void say_marks(const struct marks *marks, long long kswapd,
		      long long direct)
{
	say("%7lld %7lld %7lld %12lld %12lld", marks->free, marks->low,
	    marks->min, kswapd, direct);
}

#define TOUCHED		64

TEST_F_TIMEOUT(reclaim, kswapd, TEST_SECONDS)
{
	long long kswapd, direct, woken, before;
	struct small_zone zone;
	struct marks marks;
	int tries;
	char *map;

	if (!self->has_disk)
		SKIP(return, "reclaim.kswapd: no null_blk to read from");
	if (!find_small_zone(&zone))
		SKIP(return, "reclaim.kswapd: no second, smaller node, or little is free");
	map = fill(&zone, &self->disk);
	ASSERT_NE(NULL, map);
	say("%s, pages:  pgscan_kswapd pgscan_direct", zone.row);
	say("   free     low     min        moved        moved");

	/* Above low nobody scans. */
	for (tries = 0; may_try(tries); tries++) {
		marks = read_marks(&zone);
		kswapd = nr_kswapd();
		direct = nr_direct();
		memset(map, 1, TOUCHED * PAGE_BYTES);
		map += TOUCHED * PAGE_BYTES;
		if (nr_kswapd() == kswapd && nr_direct() == direct)
			break;
	}
	ASSERT_LT(tries, QUIET_TRIES);
	EXPECT_GT(marks.free - TOUCHED, marks.low);
	EXPECT_EQ(zoneinfo_number(zone.node, zone.name, -1, "low"), marks.low);
	EXPECT_EQ(zoneinfo_number(zone.node, zone.name, -1, "min"), marks.min);
	say_marks(&marks, 0, 0);

	/* Between low and min; low is a quarter above min. */
	direct = nr_direct();
	move_min(&zone, marks.free * 100 / 112);
	marks = read_marks(&zone);
	EXPECT_LT(marks.free, marks.low);
	EXPECT_GT(marks.free - TOUCHED, marks.min);
	woken = wake_kswapd(&map);
	EXPECT_LT(0, woken);
	EXPECT_EQ(direct, nr_direct());
	say_marks(&marks, woken, nr_direct() - direct);

	/* Below min. */
	set_min_free(self->min_free);
	kswapd = nr_kswapd();
	direct = 0;
	/* While kswapd is at it still, what is free may grow beyond the mark. */
	for (tries = 0; may_try(tries) && !direct; tries++) {
		ASSERT_TRUE(disk_read_in(&self->disk, NULL, zone.node));
		before = nr_direct();
		move_min(&zone, read_marks(&zone).free * 105 / 100);
		marks = read_marks(&zone);
		touch(&map, TOUCHED);
		if (marks.free < marks.min)
			direct = nr_direct() - before;
		set_min_free(self->min_free);
	}
	EXPECT_LT(marks.free, marks.min);
	EXPECT_LT(0, direct);
	say_marks(&marks, nr_kswapd() - kswapd, direct);
}

static long long group_stat(const char *key)
{
	return cgroup_stat(GROUP, key);
}

static void say_group(const char *when)
{
	say("%-26s file %6lld KiB  anon %6lld KiB  refaults %lld", when,
	    group_stat("file") / 1024, group_stat("anon") / 1024,
	    group_stat("workingset_refault_file"));
}

#define PAGES_AT_ONCE	64	/* of which a disk has a multiple */

/* Each page of the disk gets its number; none of it stays in the cache. */
static bool number_pages(const struct disk *disk, int nr)
{
	static long long page[PAGES_AT_ONCE][PAGE_BYTES / sizeof(long long)];
	int i;

	for (i = 0; i < nr; i++) {
		page[i % PAGES_AT_ONCE][0] = i + 1;
		if ((i + 1) % PAGES_AT_ONCE == 0 &&
		    write(disk->fd, page, sizeof(page)) != sizeof(page))
			return false;
	}
	return !fsync(disk->fd) &&
	       !posix_fadvise(disk->fd, 0, 0, POSIX_FADV_DONTNEED);
}

static int nr_right(const struct disk *disk, int nr)
{
	long long word;
	int i, n = 0;

	for (i = 0; i < nr; i++)
		n += pread(disk->fd, &word, sizeof(word), i * PAGE_BYTES) ==
			     sizeof(word) &&
		     word == i + 1;
	return n;
}

/*
 * Where a page was the kernel remembers that it was dropped, until it is short of
 * the nodes that hold that (mm/workingset.c; XA_CHUNK_SIZE).
 */
#define PAGES_OF_NODE	64

TEST_F_TIMEOUT(reclaim, file, TEST_SECONDS)
{
	const int nr_pages = CACHE_MIB * MIB / PAGE_BYTES;
	long long file, anon, dropped, refaults, forgotten;
	int right;
	pid_t pid;

	if (!self->has_disk)
		SKIP(return, "reclaim.file: no null_blk to read from");
	if (!cgroup_make_reclaim(GROUP))
		SKIP(return, "reclaim.file: no memory.reclaim of cgroup v2");
	if (keyed_number("/proc/meminfo", "SwapTotal"))
		SKIP(return, "reclaim.file: there is swap");
	ASSERT_TRUE(number_pages(&self->disk, nr_pages));
	pid = hog("-s 8M -g " GROUP);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(disk_read_in(&self->disk, GROUP, -1));
	file = group_stat("file");
	anon = group_stat("anon");
	say_group("a disk read, a hog beside");
	EXPECT_LE(CACHE_MIB * MIB, file);
	EXPECT_LE(8 * MIB, anon);

	/* More than there is that can be had. */
	cgroup_reclaim(GROUP, "128M");
	dropped = file - group_stat("file");
	say_group("all asked back");
	EXPECT_EQ(anon, group_stat("anon"));
	EXPECT_LT(file / 2, dropped);

	refaults = group_stat("workingset_refault_file");
	ASSERT_TRUE(disk_read_in(&self->disk, GROUP, -1));
	refaults = group_stat("workingset_refault_file") - refaults;
	forgotten = group_stat("workingset_nodereclaim") * PAGES_OF_NODE;
	say_group("read again");
	say("%lld of the pages were known to have been there, %lld were forgotten",
	    refaults, forgotten);
	EXPECT_EQ(dropped / (long long)PAGE_BYTES, refaults + forgotten);
	EXPECT_LT(0, refaults);
	right = nr_right(&self->disk, nr_pages);
	EXPECT_EQ(nr_pages, right);
	say("%d pages of %d hold what was once written to them", right, nr_pages);
	end_process(pid);
}

/* Of the places that the pool's objects now have, those that are as predicted. */
static int nr_as_expected(const struct place *was, const int *expected, int n)
{
	static struct place now[OBJECTS];
	int i, same = 0;

	if (read_layout(POOL, now, OBJECTS) != n)
		return -1;
	for (i = 0; i < n; i++)
		same += same_place(&now[i], &was[expected[i]]);
	return same;
}

static void say_pool(const char *when)
{
	say("%-34s %6lld %6lld %6lld %6lld", when,
	    pool_number(POOL, "nr_objects"), pool_number(POOL, "nr_idle"),
	    pool_number(POOL, "nr_asked"), pool_number(POOL, "nr_given"));
}

/*
 * The oldest objects are idle, then some of them are used again, and idle again:
 * those are now what was used last.  What a cgroup that is short takes back is
 * known by who is left, and that by its physical place.
 */
static void check_least_recent_first(struct __test_metadata *_metadata,
				     const struct disk *disk)
{
	static struct place was[OBJECTS];
	static int expected[OBJECTS], lru[OBJECTS];
	int nr_idle = OBJECTS - IN_USE, given, i, n = 0;

	ASSERT_EQ(OBJECTS, read_layout(POOL, was, OBJECTS));
	ASSERT_OK("pool.idle name=" POOL " count=%d", nr_idle);
	ASSERT_OK("pool.use name=" POOL " count=%d", USED_AGAIN);
	ASSERT_OK("pool.idle name=" POOL " count=%d order=lifo", USED_AGAIN);
	for (i = USED_AGAIN; i < nr_idle; i++)
		lru[n++] = i;
	for (i = USED_AGAIN; i--;)
		lru[n++] = i;
	say_pool("most are idle");

	/*
	 * The group has pages of files as well: since 6.4 only such count as what
	 * was asked of a cgroup (mm/vmscan.c, flush_reclaim_state()), so that a
	 * group that has none would have to give all its objects.
	 */
	ASSERT_TRUE(disk_read_in(disk, GROUP, -1));
	cgroup_reclaim(GROUP, "1M");
	given = pool_number(POOL, "nr_given");
	say_pool("1 MiB asked back of their cgroup");
	EXPECT_LT(0, given);
	ASSERT_GT(nr_idle, given);
	EXPECT_LE(given, pool_number(POOL, "nr_asked"));
	EXPECT_EQ(nr_idle - given, pool_number(POOL, "nr_idle"));

	ASSERT_OK("pool.use name=" POOL " count=%d", nr_idle);
	for (i = 0; i < IN_USE; i++)
		expected[i] = nr_idle + i;
	for (i = given; i < nr_idle; i++)
		expected[IN_USE + i - given] = lru[i];
	n = OBJECTS - given;
	EXPECT_EQ(n, nr_as_expected(was, expected, n));
	say("%d are left, by their places: all in use, and the last used", n);
}

static void check_drop_caches(struct __test_metadata *_metadata)
{
	int given = pool_number(POOL, "nr_given");
	int nr = pool_number(POOL, "nr_objects");

	ASSERT_OK("pool.idle name=" POOL " count=%d order=lifo", nr - IN_USE);
	ASSERT_EQ(0, write_file("/proc/sys/vm/drop_caches", "2"));
	say_pool("drop_caches");
	EXPECT_EQ(0, pool_number(POOL, "nr_idle"));
	EXPECT_EQ(IN_USE, pool_number(POOL, "nr_objects"));
	EXPECT_EQ(nr - IN_USE, pool_number(POOL, "nr_given") - given);
	EXPECT_EQ(IN_USE, count_layout(POOL));
}

/* The objects are on the node that becomes short, as is the CPU. */
static void check_kswapd(struct __test_metadata *_metadata,
			 const struct small_zone *zone, const struct disk *disk,
			 long long min_free)
{
	int given = pool_number(POOL, "nr_given");
	char *map;

	ASSERT_EQ(0, run_in_group(NULL, find_cpu(zone->node, true),
				  "pool.alloc name=" POOL " count=5000"));
	ASSERT_OK("pool.idle name=" POOL " count=5000 order=lifo");
	map = fill(zone, disk);
	ASSERT_NE(NULL, map);
	move_min(zone, read_marks(zone).free * 100 / 112);
	EXPECT_LT(0, wake_kswapd(&map));
	await(pool_number(POOL, "nr_given") != given);
	set_min_free(min_free);
	say_pool("5000 more, and their node is short");
	EXPECT_LT(given, pool_number(POOL, "nr_given"));
	EXPECT_EQ(IN_USE, pool_number(POOL, "nr_objects"));
}

static long long nr_lost(void)
{
	return pool_number(POOL, "nr_allocs") -
	       pool_number(POOL, "nr_frees") -
	       pool_number(POOL, "nr_given") -
	       pool_number(POOL, "nr_idle") -
	       pool_number(POOL, "nr_objects");
}

TEST_F_TIMEOUT(reclaim, shrinker, TEST_SECONDS)
{
	struct small_zone zone;
	long long lost = 1;
	int tries;

	if (!cgroup_make_reclaim(GROUP))
		SKIP(return, "reclaim.shrinker: no memory.reclaim of cgroup v2");
	if (!self->has_disk || !find_small_zone(&zone))
		SKIP(return, "reclaim.shrinker: no null_blk, no smaller node, or little is free");
	ASSERT_OK("pool.create name=" POOL " allocator=reclaimable size=256");
	ASSERT_EQ(0, run_in_group(GROUP, 0, "pool.alloc name=" POOL " count=20000"));
	say("%-34s in use   idle  asked  given", "");
	check_least_recent_first(_metadata, &self->disk);
	check_drop_caches(_metadata);
	check_kswapd(_metadata, &zone, &self->disk, self->min_free);
	/* None is lost, once kswapd has freed what it has in hand. */
	for (tries = 0; may_try(tries) && lost; tries++)
		lost = nr_lost();
	EXPECT_EQ(0, lost);
	EXPECT_OK("pool.destroy name=" POOL);
}

TEST_HARNESS_MAIN

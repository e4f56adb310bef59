// SPDX-License-Identifier: GPL-2.0
/*
 * The lists of pages that reclaim goes through, and the batches in which each CPU
 * collects what is to be moved on them (mm/swap.c).
 *
 * The tests are about the active and the inactive lists.  Where the kernel keeps
 * generations instead (multi-gen LRU), it is told not to while they run.
 */
#include "kmemlab.h"
#include "disk.h"

/* More of /proc/kpageflags. */
#define FLAG_REFERENCED		(1ULL << 2)
#define FLAG_ACTIVE		(1ULL << 6)
#define FLAG_WRITEBACK		(1ULL << 8)
#define FLAG_RECLAIM		(1ULL << 9)
#define FLAG_SWAPBACKED		(1ULL << 14)

#define GROUP			"kmemlab-lru"
#define GENERATIONS		"/sys/kernel/mm/lru_gen/enabled"

#define MIB			(1024 * 1024L)
#define DISK_MIB		16
/* Away from its ends, where others look for what is on a new disk. */
#define DISK_AT			(8 * MIB)
#define SLOW_NS			100000000LL

/* A CPU's batch has room for 15 pages, since 6.10 for 31 (PAGEVEC_SIZE). */
#define BATCH_MAX		31
#define BATCHES_PAGES		(3 * BATCH_MAX)

FIXTURE(lru)
{
	char generations[16];
	struct disk disk, slow;
	bool has_disk, has_slow;
	char *page;	/* of the disk */
};

/* The tests stay on one CPU, whose batches they fill and drain. */
FIXTURE_SETUP(lru)
{
	ASSERT_TRUE(pin_to_cpu(0));
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	self->has_slow = false;
	self->has_disk = disk_make(&self->disk, "kmemlab-lru", DISK_MIB, 0);
	if (self->has_disk) {
		/* One page at a time, with nothing read ahead. */
		posix_fadvise(self->disk.fd, 0, 0, POSIX_FADV_RANDOM);
		self->page = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED,
				  self->disk.fd, DISK_AT);
		madvise(self->page, PAGE_BYTES, MADV_RANDOM);
	}
	if (read_file(GENERATIONS, self->generations,
		      sizeof(self->generations)) > 0)
		write_file(GENERATIONS, "n");
}

/* As it was, wherever the test has ended. */
FIXTURE_TEARDOWN(lru)
{
	if (self->generations[0])
		write_file(GENERATIONS, self->generations);
	if (self->has_slow)
		disk_end(&self->slow);
	if (self->has_disk) {
		munmap(self->page, PAGE_BYTES);
		disk_end(&self->disk);
	}
	cgroup_clear(GROUP);
}

/* Ending a mapping, even of nothing, drains the CPU's batches (mm/mmap.c). */
static void drain(void)
{
	munmap(mmap(NULL, PAGE_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0), PAGE_BYTES);
}

static int nr_on_lists(const unsigned long *pfn, int nr)
{
	int i, n = 0;

	for (i = 0; i < nr; i++)
		n += !!(kpageflags(pfn[i]) & FLAG_LRU);
	return n;
}

/*
 * Touches new pages one by one, until the first is on a list; returns how many
 * that took, or -1 where some came onto a list without the others.
 */
static int fill_batch(char *map, unsigned long *pfn)
{
	int i, on_lists = 0;

	drain();
	for (i = 0; i < BATCHES_PAGES && !on_lists; i++) {
		map[i * PAGE_BYTES] = 1;
		pfn[i] = frame_behind(map + i * PAGE_BYTES);
		on_lists = nr_on_lists(pfn, i + 1);
	}
	return on_lists == i ? i : -1;
}

TEST_F(lru, batch)
{
	unsigned long pfn[BATCHES_PAGES];
	int nr = 0, before = 0, tries, waiting, i;
	struct record *record;
	char *map;

	/* Others on this CPU may add pages of theirs: until it was twice so. */
	for (tries = 0; may_try(tries) && (nr < 2 || nr != before); tries++) {
		before = nr;
		map = map_anon(BATCHES_PAGES * PAGE_BYTES);
		ASSERT_NE(MAP_FAILED, map);
		nr = fill_batch(map, pfn);
		munmap(map, BATCHES_PAGES * PAGE_BYTES);
	}
	ASSERT_LT(tries, QUIET_TRIES);
	EXPECT_LE(nr, BATCH_MAX);
	say("new pages touched one by one: %d are on no list, then with the %dth",
	    nr - 1, nr);
	say("all %d at once (bit LRU in /proc/kpageflags)", nr);

	map = map_anon(3 * PAGE_BYTES);
	ASSERT_NE(MAP_FAILED, map);
	drain();
	for (i = 0; i < 3; i++) {
		map[i * PAGE_BYTES] = 1;
		pfn[i] = frame_behind(map + i * PAGE_BYTES);
	}
	waiting = 3 - nr_on_lists(pfn, 3);
	record = run("page.flags pfn=%lu", pfn[2]);
	EXPECT_EQ(0, cell_of(record, "is", "lru"));
	drain();
	EXPECT_EQ(3, waiting);
	EXPECT_EQ(3, nr_on_lists(pfn, 3));
	record = run("page.flags pfn=%lu", pfn[2]);
	EXPECT_EQ(1, cell_of(record, "is", "lru"));
	say("3 more: %d wait in the CPU's batch; drained, %d are on a list",
	    waiting, nr_on_lists(pfn, 3));
	munmap(map, 3 * PAGE_BYTES);
}

/*
 * Reads the page by a file of its own: what one file reads twice in a row counts
 * once (mm/filemap.c, filemap_read()).
 */
static bool read_once(const struct disk *disk)
{
	int fd = open(disk->path, O_RDONLY | O_CLOEXEC);
	bool is_read;
	char byte;

	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	is_read = fd >= 0 && pread(fd, &byte, 1, DISK_AT) == 1;
	if (fd >= 0)
		close(fd);
	return is_read;
}

static const char *yes_no(uint64_t flags, uint64_t flag)
{
	return flags & flag ? "yes" : "no";
}

static void say_flags(const char *when, uint64_t flags)
{
	say("%-26s on a list %-3s  referenced %-3s  active %s", when,
	    yes_no(flags, FLAG_LRU), yes_no(flags, FLAG_REFERENCED),
	    yes_no(flags, FLAG_ACTIVE));
}

TEST_F(lru, activate)
{
	const uint64_t mask = FLAG_LRU | FLAG_REFERENCED | FLAG_ACTIVE;
	unsigned long pfn;
	uint64_t flags;

	if (!self->has_disk)
		SKIP(return, "lru.activate: no null_blk to read from");
	/* Mapped, to know the frame; that by itself is no reference. */
	(void)*(volatile char *)self->page;
	pfn = frame_behind(self->page);
	ASSERT_NE(0, pfn);
	drain();
	flags = kpageflags(pfn);
	say_flags("a page of a file, new", flags);
	EXPECT_EQ(FLAG_LRU, flags & mask);
	ASSERT_TRUE(read_once(&self->disk));
	flags = kpageflags(pfn);
	say_flags("read once", flags);
	EXPECT_EQ(FLAG_LRU | FLAG_REFERENCED, flags & mask);
	ASSERT_TRUE(read_once(&self->disk));
	drain();
	flags = kpageflags(pfn);
	say_flags("read twice, batch drained", flags);
	EXPECT_EQ(FLAG_LRU | FLAG_ACTIVE, flags & mask);
	ASSERT_TRUE(read_once(&self->disk));
	flags = kpageflags(pfn);
	say_flags("read again", flags);
	EXPECT_EQ(mask, flags & mask);
}

/**
 * struct page_seen - a page at one moment
 * @flags:	of /proc/kpageflags
 * @references:	that the lens sees: a batch has one of each page in it
 * @rotated:	pages that were ever moved to the end of a list, in /proc/vmstat
 */
struct page_seen {
	uint64_t flags;
	long long references, rotated;
};

/* First the flags: whoever waits for one to change wants the rest as of then. */
static struct page_seen look_at(unsigned long pfn)
{
	struct page_seen seen = { .flags = kpageflags(pfn) };

	seen.references = number_of(run("page.flags pfn=%lu", pfn), "references");
	seen.rotated = keyed_number("/proc/vmstat", "pgrotated");
	return seen;
}

/* Before, in the batch, after: what the operation changes, and when. */
static void check_op(struct __test_metadata *_metadata, const char *name,
		     unsigned long pfn, uint64_t before, uint64_t flag,
		     const char *flag_name, bool sets)
{
	struct page_seen waiting = look_at(pfn), after;

	drain();
	after = look_at(pfn);
	say("%-11s %-10s %-7s %-7s %lld", name, flag_name,
	    yes_no(waiting.flags, flag), yes_no(after.flags, flag),
	    waiting.references - after.references);
	EXPECT_EQ(before & flag, waiting.flags & flag)
		TH_LOG("%s", name);
	EXPECT_EQ(sets ? flag : 0, after.flags & flag)
		TH_LOG("%s", name);
	EXPECT_EQ(1, waiting.references - after.references)
		TH_LOG("%s", name);
}

/*
 * A page that reclaim has written out is moved to the end of its list when the
 * disk is done with it, so that it goes first.  The disk is slow enough to be
 * watched, mostly.
 */
static void check_rotate(struct __test_metadata *_metadata, char *map,
			 const struct disk *swap)
{
	struct page_seen writing, waiting, after;
	unsigned long pfn;
	int i, tries;

	ASSERT_TRUE(disk_swapon(swap, DISK_MIB));
	for (tries = 0; may_try(tries); tries++) {
		/* Not all of one value, which would need no place on the disk. */
		for (i = 0; i < (int)PAGE_BYTES; i++)
			map[i] = i;
		drain();
		pfn = frame_behind(map);
		ASSERT_EQ(0, madvise(map, PAGE_BYTES, MADV_PAGEOUT));
		/* Back onto its list, while it is being written. */
		drain();
		writing = look_at(pfn);
		if (writing.flags & FLAG_WRITEBACK)
			break;
	}
	EXPECT_EQ(FLAG_LRU | FLAG_WRITEBACK | FLAG_RECLAIM,
		  writing.flags & (FLAG_LRU | FLAG_WRITEBACK | FLAG_RECLAIM));
	await(!((waiting = look_at(pfn)).flags & FLAG_WRITEBACK));
	drain();
	after = look_at(pfn);
	say("%-11s %-10s +%-6lld +%-6lld %lld", "rotate", "pgrotated",
	    waiting.rotated - writing.rotated, after.rotated - writing.rotated,
	    waiting.references - after.references);
	EXPECT_EQ(0, waiting.flags & (FLAG_WRITEBACK | FLAG_RECLAIM));
	EXPECT_EQ(1, waiting.references - after.references);
	EXPECT_EQ(0, waiting.rotated - writing.rotated);
	EXPECT_EQ(1, after.rotated - waiting.rotated);
}

TEST_F(lru, ops)
{
	unsigned long pfn;
	uint64_t before;
	char *map;

	if (!self->has_disk)
		SKIP(return, "lru.ops: no null_blk to read from");
	say("operation   flag       waiting drained references of the batch");
	map = map_anon(2 * PAGE_BYTES);
	ASSERT_NE(MAP_FAILED, map);
	drain();
	map[0] = 1;
	pfn = frame_behind(map);
	check_op(_metadata, "add", pfn, 0, FLAG_LRU, "on a list", true);

	before = kpageflags(pfn);
	ASSERT_EQ(0, madvise(map, PAGE_BYTES, MADV_FREE));
	check_op(_metadata, "lazy-free", pfn, before, FLAG_SWAPBACKED,
		 "swapbacked", false);

	(void)*(volatile char *)self->page;
	pfn = frame_behind(self->page);
	drain();
	ASSERT_TRUE(read_once(&self->disk));
	before = kpageflags(pfn);
	ASSERT_TRUE(read_once(&self->disk));
	check_op(_metadata, "activate", pfn, before, FLAG_ACTIVE, "active",
		 true);

	before = kpageflags(pfn);
	ASSERT_EQ(0, madvise(self->page, PAGE_BYTES, MADV_COLD));
	check_op(_metadata, "deactivate", pfn, before, FLAG_ACTIVE, "active",
		 false);
	self->has_slow = disk_make(&self->slow, "kmemlab-slow", DISK_MIB,
				   SLOW_NS);
	ASSERT_TRUE(self->has_slow);
	check_rotate(_metadata, map + PAGE_BYTES, &self->slow);
	munmap(map, 2 * PAGE_BYTES);
}

/* Pages that reclaim has looked at so far, whoever asked it to. */
static long long nr_scanned(void)
{
	return keyed_number("/proc/vmstat", "pgscan_anon") +
	       keyed_number("/proc/vmstat", "pgscan_file");
}

TEST_F(lru, scan)
{
	long long before, used, inactive;
	char *map;
	int tries;

	if (!self->has_disk)
		SKIP(return, "lru.scan: no null_blk to read from");
	if (!cgroup_make_reclaim(GROUP))
		SKIP(return, "lru.scan: no memory.reclaim of cgroup v2");
	/* What others were short of may still be looked for. */
	for (tries = 0; may_try(tries); tries++) {
		before = nr_scanned();
		map = map_anon(64 * MIB);
		ASSERT_NE(MAP_FAILED, map);
		memset(map, 1, 64 * MIB);
		ASSERT_TRUE(disk_read_in(&self->disk, GROUP, -1));
		munmap(map, 64 * MIB);
		used = nr_scanned();
		if (used == before)
			break;
	}
	ASSERT_LT(tries, QUIET_TRIES);
	say("64 MiB touched, %d MiB read, 64 MiB freed: pgscan_* +%lld", DISK_MIB,
	    used - before);
	inactive = cgroup_stat(GROUP, "inactive_file");
	cgroup_reclaim(GROUP, "4M");
	say("4 MiB asked back of the group that read: pgscan_* +%lld",
	    nr_scanned() - used);
	say("memory.stat of the group: pgscan %lld, inactive_file %lld KiB less",
	    cgroup_stat(GROUP, "pgscan"),
	    (inactive - cgroup_stat(GROUP, "inactive_file")) / 1024);
	/* As many as it gave back at the least. */
	EXPECT_LE(4 * MIB / PAGE_BYTES, nr_scanned() - used);
	EXPECT_LE(4 * MIB / PAGE_BYTES, cgroup_stat(GROUP, "pgscan"));
}

TEST_HARNESS_MAIN

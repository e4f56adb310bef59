// SPDX-License-Identifier: GPL-2.0
#include "kmemlab.h"

#define CACHE		"kmemlab-experiment"
#define SECOND		"kmemlab-second"

LAB_FIXTURE(slab);

TEST_F(slab, generation)
{
	struct record *record = run("slab.generation");
	bool sysfs = !access("/sys/kernel/slab", R_OK);
	bool cpu_slabs = !access("/sys/kernel/slab/kmalloc-64/cpu_slabs", R_OK);
	bool sheaves = !access("/sys/kernel/slab/kmalloc-64/sheaf_capacity",
			       R_OK);

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

	if (access(config_file(), R_OK))
		return;
	EXPECT_EQ(sysfs, config_has("CONFIG_SLUB"));
	EXPECT_EQ(number_of(record, "freelist_random"),
		  config_has("CONFIG_SLAB_FREELIST_RANDOM"));
	EXPECT_EQ(number_of(record, "cpu_partial"),
		  config_has("CONFIG_SLUB_CPU_PARTIAL"));
}

/* What a record has of the spacing: a slab with one object has none. */
static long long spacing_shown(long long spacing, long long per_slab)
{
	return per_slab > 1 ? spacing : MISSING;
}

TEST_F(slab, carve)
{
	static const int sizes[] = { 32, 100, 256, 700, 2048, 4096 };
	static struct record held, *record = &held;
	char command[64];
	pid_t pid;
	int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		long long per_slab, spacing, slabs;

		ASSERT_OK("pool.create name=carve allocator=slab size=%d",
			  sizes[i]);
		per_slab = cache_number("carve", "objs_per_slab");
		spacing = cache_number("carve", "slab_size");
		snprintf(command, sizeof(command),
			 "carve size=%d count=1000 hold_ms=60000", sizes[i]);
		pid = hold("slab", command, record);
		slabs = sysfs_number(CACHE, "slabs");
		ASSERT_TRUE(let_go(pid));
		EXPECT_EQ(sizes[i], number_of(record, "object_bytes"));
		EXPECT_EQ(slabs, number_of(record, "nr_slabs"));
		EXPECT_EQ(1000, number_of(record, "nr_objects"));
		EXPECT_EQ(per_slab, number_of(record, "objects_per_slab"));
		EXPECT_EQ(cache_number("carve", "order"),
			  number_of(record, "slab_order"));
		EXPECT_EQ(spacing_shown(spacing, per_slab),
			  number_of(record, "spacing_bytes"));
		EXPECT_LE((1000 + per_slab - 1) / per_slab,
			  number_of(record, "nr_slabs"));
		EXPECT_OK("pool.destroy name=carve");
	}
}

/* How many objects a slab has is no matter of how many were asked for. */
TEST_F(slab, carve_few)
{
	struct record *record;

	ASSERT_OK("pool.create name=carve allocator=slab size=100");
	record = run("slab.carve size=100 count=2");
	EXPECT_EQ(2, number_of(record, "nr_objects"));
	EXPECT_EQ(cache_number("carve", "objs_per_slab"),
		  number_of(record, "objects_per_slab"));
	EXPECT_EQ(cache_number("carve", "slab_size"),
		  number_of(record, "spacing_bytes"));
	EXPECT_OK("pool.destroy name=carve");
}

/* What the module wrote into an object is found at its frame and offset. */
static bool is_marked(const struct record *record, const char *row, int n)
{
	uint64_t word = 0;

	return read_physical(cell_of(record, row, "pfn") * PAGE_BYTES +
			     cell_of(record, row, "offset_bytes"), &word,
			     sizeof(word)) &&
	       word == number_of(record, "mark") + n;
}

static bool is_on_node(const struct record *record, const char *row)
{
	char zone[16];
	int node;

	return zone_of_frame(cell_of(record, row, "pfn"), &node, zone) &&
	       node == cell_of(record, row, "node");
}

TEST_F(slab, tiny)
{
	long long on_page = PAGE_BYTES / 8;
	static struct record record;
	struct cache cache;
	bool marked, bare;
	pid_t pid;

	pid = hold("slab", "tiny hold_ms=60000", &record);
	marked = is_marked(&record, "first", 0);
	cache = read_cache(CACHE);
	bare = !is_debugged(CACHE) && !keeps_freed(CACHE);
	ASSERT_TRUE(let_go(pid));
	/* The first of the page's objects is there, where the page begins. */
	EXPECT_TRUE(marked);
	EXPECT_EQ(cache.first, cell_of(&record, "first", "offset_bytes"));
	EXPECT_TRUE(is_on_node(&record, "first"));
	EXPECT_EQ(8, number_of(&record, "object_bytes"));
	EXPECT_EQ(cache.spacing, number_of(&record, "spacing_bytes"));
	EXPECT_EQ(PAGE_BYTES, number_of(&record, "page_bytes"));
	/* Who debugs or checks objects has something to keep with each. */
	EXPECT_EQ(bare, cache.spacing == 8);
	EXPECT_EQ(bare, cache.per_slab == on_page * cache.pages);
	if (!bare)
		on_page = (PAGE_BYTES - cache.first) / cache.spacing;
	EXPECT_EQ(on_page, number_of(&record, "objects_on_page"));

	ASSERT_OK("pool.create name=tiny allocator=slab size=8");
	EXPECT_EQ(cache.per_slab << cache_number("tiny", "order"),
		  cache_number("tiny", "objs_per_slab") * cache.pages);
	EXPECT_EQ(cache.spacing, cache_number("tiny", "slab_size"));
	EXPECT_OK("pool.destroy name=tiny");
}

/* How the record says that the cache carves its slabs is how sysfs says it. */
static bool is_carved(const struct record *record, const struct cache *cache,
		      int slabs)
{
	return number_of(record, "nr_slabs") == slabs &&
	       number_of(record, "objects_per_slab") == cache->per_slab &&
	       number_of(record, "pages_per_slab") == cache->pages;
}

/*
 * Holds a command, looks at the cache, and lets the command end by itself.
 * Returns whether it ended well; the record is then complete.
 */
static bool see_cache(const char *command, struct record *record,
		      struct cache *cache)
{
	pid_t pid = hold("slab", command, record);

	*cache = read_cache(CACHE);
	if (exit_code_of(pid))
		return false;
	return read_file(LAB "slab/result", record->text,
			 sizeof(record->text)) > 0;
}

/* The same of a command that is cut off, as soon as it has been looked at. */
static bool see_held(const char *command, struct record *record,
		     struct cache *cache)
{
	pid_t pid = hold("slab", command, record);

	*cache = read_cache(CACHE);
	return let_go(pid);
}

/*
 * Where what is freed is kept from reuse, each round takes another object, and
 * pages for it: for half of them at the least, as what is kept may be given back once
 * in so few (mm/kasan/quarantine.c).  These are fewer rounds: the machine stands still
 * meanwhile, and of each object such a kernel keeps who had it.
 */
TEST_F(slab, reuse)
{
	long long before, allocated, read = 0;
	bool kept = keeps_freed(CACHE);
	int rounds = kept ? 1000 : 10000, tries;
	static struct record record;
	struct place first, again;
	struct cache cache;
	char command[64];

	/*
	 * What the module reads in between is what is free outside, but for what
	 * a cache takes, or an older one has left: slabs of at most 8 pages, two
	 * of its own and one in each of the caches that what a cache is made of
	 * comes from, fewer than 30.  Others use pages as well.
	 */
	for (tries = 0; may_try(tries); tries++) {
		before = read_free_pages();
		allocated = pages_allocated();
		read = number_of(run("slab.reuse rounds=%d", rounds),
				 "free_pages_before");
		allocated = pages_allocated() - allocated;
		if (read != MISSING && llabs(before - read) <= 32 * 8)
			break;
	}
	ASSERT_LT(tries, QUIET_TRIES) TH_LOG("free pages moved each time");
	/* Not a page for each. */
	EXPECT_GT(rounds, allocated);

	snprintf(command, sizeof(command), "reuse rounds=%d hold_ms=60000",
		 rounds);
	ASSERT_TRUE(see_held(command, &record, &cache));
	EXPECT_EQ(256, number_of(&record, "object_bytes"));
	EXPECT_EQ(rounds, number_of(&record, "rounds"));
	EXPECT_EQ(kept ? 0 : rounds, number_of(&record, "nr_same"));
	if (kept) {
		EXPECT_LE(rounds / 2, allocated / cache.pages * cache.per_slab);
	} else {
		EXPECT_EQ(number_of(&record, "free_pages_before"),
			  number_of(&record, "free_pages_after"));
		EXPECT_LE(1, cache.slabs);
		EXPECT_GE(2, cache.slabs);
	}

	/*
	 * The same with a pool: the object comes back to the same place, and
	 * the cache keeps its slab.  A task may change CPU between the two
	 * commands, and each CPU has a slab of its own, so stay on one.
	 */
	ASSERT_TRUE(pin_to_cpu(sched_getcpu()));
	ASSERT_OK("pool.create name=reuse allocator=slab size=256");
	EXPECT_OK("pool.alloc name=reuse count=1");
	EXPECT_EQ(1, read_layout("reuse", &first, 1));
	EXPECT_EQ(1, cache_number("reuse", "slabs"));
	EXPECT_OK("pool.free name=reuse count=1");
	EXPECT_EQ(1, cache_number("reuse", "slabs"));
	EXPECT_OK("pool.alloc name=reuse count=1");
	EXPECT_EQ(1, read_layout("reuse", &again, 1));
	EXPECT_EQ(!kept, same_place(&first, &again));
	EXPECT_EQ(1, cache_number("reuse", "slabs"));
	EXPECT_OK("pool.destroy name=reuse");
}

/*
 * What the slabs were that left on each occasion follows from how many sysfs
 * has after it; others move free pages too, but not each time.  The second time
 * as many are left as the first.
 */
TEST_F(slab, shrink)
{
	bool on_shrink = false, on_destroy = false;
	long long shrunk = 0, destroyed = 0;
	struct cache full, empty;
	static struct record record;
	int slabs = 64, tries;

	ASSERT_TRUE(see_cache("shrink slabs=64 hold_at=shrunk hold_ms=100",
			      &record, &empty));
	EXPECT_EQ(0, empty.slabs);
	for (tries = 0; may_try(tries); tries++) {
		ASSERT_TRUE(see_cache("shrink slabs=64 hold_at=freed hold_ms=100",
				      &record, &full));
		shrunk = number_of(&record, "back_on_shrink_pages");
		destroyed = number_of(&record, "back_on_destroy_pages");
		on_shrink |= shrunk == full.slabs * full.pages;
		on_destroy |= destroyed == full.slabs * full.pages;
		if (on_shrink && on_destroy)
			break;
	}
	ASSERT_LT(tries, QUIET_TRIES)
	TH_LOG("%lld and %lld pages came back, not %lld", shrunk, destroyed,
	       full.slabs * full.pages);
	EXPECT_TRUE(is_carved(&record, &full, slabs));
	EXPECT_EQ(slabs * full.pages, number_of(&record, "taken_pages"));
	EXPECT_EQ((slabs - full.slabs) * full.pages,
		  number_of(&record, "back_on_free_pages"));
	EXPECT_LT(0, full.slabs);
	/* No slab is empty while all that was freed is kept from reuse. */
	EXPECT_EQ(keeps_freed(CACHE), full.slabs == slabs);
}

TEST_F(slab, ctor)
{
	static const char *const rows[] = { "first", "again" };
	static struct record record;
	char ctor[128];
	struct cache cache;
	int slabs = 4, again;
	bool kept;
	pid_t pid;

	pid = hold("slab", "ctor slabs=4 hold_ms=60000", &record);
	cache = read_cache(CACHE);
	read_file("/sys/kernel/slab/" CACHE "/ctor", ctor, sizeof(ctor));
	kept = keeps_freed(CACHE);
	ASSERT_TRUE(let_go(pid));
	EXPECT_EQ(0, strncmp(ctor, "construct_object", 16));
	/* While the first are kept from reuse, others are made in new slabs. */
	EXPECT_EQ(kept ? 2 * slabs : slabs, cache.slabs);
	EXPECT_TRUE(is_carved(&record, &cache, slabs));
	for (again = 0; again < 2; again++) {
		long long nr = slabs * cache.per_slab;
		long long made = again && !kept ? 0 : nr;
		const char *row = rows[again];

		EXPECT_EQ(nr, cell_of(&record, row, "nr_objects"));
		EXPECT_EQ(made, cell_of(&record, row, "nr_constructed"));
		EXPECT_EQ(nr, cell_of(&record, row, "nr_stamped"));
		EXPECT_EQ(nr - made, cell_of(&record, row, "nr_with_state"));
	}
}

/* One row of slab.align beside a pool's cache that was made in the same way. */
static void expect_align(struct __test_metadata *_metadata,
			 const struct record *record, const char *row,
			 const char *wish)
{
	struct cache cache;
	long long bits;

	ASSERT_OK("pool.create name=align allocator=slab size=72 %s", wish);
	cache = read_cache("kmemlab_align");
	EXPECT_EQ(spacing_shown(cache.spacing, cache.per_slab),
		  cell_of(record, row, "spacing_bytes"));
	EXPECT_EQ(cache.per_slab, cell_of(record, row, "objects_per_slab"));
	EXPECT_EQ(cache_number("align", "order"),
		  cell_of(record, row, "slab_order"));
	/* From the first object on: what all addresses share is this. */
	bits = cache.first | cache.spacing;
	EXPECT_EQ(bits & -bits, cell_of(record, row, "common_align_bytes"));
	EXPECT_OK("pool.destroy name=align");
}

TEST_F(slab, align)
{
	static struct record record;
	char row[32], wish[32], line[128];
	long long line_bytes = 0;
	int align;

	record = *run("slab.align size=72");
	ASSERT_EQ(0, record.err);
	for (align = 8; align <= PAGE_BYTES; align *= 2) {
		snprintf(row, sizeof(row), "align.%d", align);
		snprintf(wish, sizeof(wish), "align=%d", align);
		expect_align(_metadata, &record, row, wish);
		EXPECT_LE(align, cell_of(&record, row, "common_align_bytes"));
	}
	expect_align(_metadata, &record, "hwcache", "hwcache=yes");
	ASSERT_TRUE(find_line("/proc/cpuinfo", "cache_alignment", ":", line,
			      sizeof(line)));
	sscanf(strchr(line, ':'), ": %lld", &line_bytes);
	EXPECT_EQ(line_bytes, number_of(&record, "cache_line_bytes"));
	EXPECT_LE(line_bytes, cell_of(&record, "hwcache", "common_align_bytes"));
	EXPECT_LT(cell_of(&record, "hwcache", "objects_per_slab"),
		  cell_of(&record, "align.8", "objects_per_slab"));
}

/* SLUB has no colour: the first object has one place, whatever is left. */
TEST_F(slab, colour)
{
	static struct place place[2000];
	static struct record record;
	struct cache cache;
	int slabs = 64, i, n, nr_first = 0;

	ASSERT_TRUE(see_held("colour size=700 slabs=64 hold_ms=60000", &record,
			     &cache));
	EXPECT_EQ(slabs, cache.slabs);
	EXPECT_TRUE(is_carved(&record, &cache, slabs));
	EXPECT_EQ(cache.pages * PAGE_BYTES - cache.per_slab * cache.spacing,
		  number_of(&record, "unused_bytes"));
	EXPECT_LE(64, number_of(&record, "unused_bytes"));
	EXPECT_EQ(cache.first, number_of(&record, "lowest_offset_bytes"));
	EXPECT_EQ(cache.first, number_of(&record, "highest_offset_bytes"));

	/* A pool's objects: as many have this place as it has slabs. */
	ASSERT_OK("pool.create name=colour allocator=slab size=700");
	ASSERT_OK("pool.alloc name=colour count=%lld", 8 * cache.per_slab);
	n = read_layout("colour", place, ARRAY_SIZE(place));
	ASSERT_EQ(8 * cache.per_slab, n);
	for (i = 0; i < n; i++)
		nr_first += place[i].offset == cache.first &&
			    !(place[i].pfn % cache.pages);
	EXPECT_EQ(cache_number("colour", "slabs"), nr_first);
	EXPECT_OK("pool.destroy name=colour");
}

/* Where a cache's directory really is: caches that are one share it. */
static void directory_of(const struct record *record, const char *key,
			 char *path, size_t size)
{
	char link[64], name[32] = "";
	ssize_t len;

	sscanf(text_of(record, key) ?: "", "%31s", name);
	snprintf(link, sizeof(link), "/sys/kernel/slab/%s", name);
	len = readlink(link, path, size - 1);
	if (len < 0)	/* a directory of its own */
		len = snprintf(path, size, "%s", name);
	path[len] = '\0';
}

TEST_F(slab, merge)
{
	static const char *const commands[] = {
		"merge size=200 hold_ms=60000",
		"merge size=200 other=1000 hold_ms=60000",
	};
	static struct record record;
	int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		pid_t pid = hold("slab", commands[i], &record);
		char first[64], second[64], unmerged[64];
		bool merges, same;

		directory_of(&record, "first", first, sizeof(first));
		directory_of(&record, "second", second, sizeof(second));
		directory_of(&record, "unmerged", unmerged, sizeof(unmerged));
		/* Nor does KASAN merge (kasan_never_merge()). */
		merges = !is_debugged(first) && !keeps_freed(first);
		ASSERT_TRUE(let_go(pid));
		same = !strcmp(first, second);
		EXPECT_EQ(merges && i == 0, same) TH_LOG("%s %s", first, second);
		EXPECT_EQ(same, cell_of(&record, "first.second", "same_cache"));
		EXPECT_EQ(same, cell_of(&record, "first.second", "crossed"));
		EXPECT_STREQ(CACHE, unmerged);
		EXPECT_EQ(0, cell_of(&record, "first.unmerged", "same_cache"));
		EXPECT_EQ(0, cell_of(&record, "first.unmerged", "crossed"));
	}
}

TEST_F(slab, random)
{
	char row[16];
	int slabs = 16, slab, i, nr_in_order = 0;
	static struct record record;
	struct cache cache;

	ASSERT_TRUE(see_held("random slabs=16 hold_ms=60000", &record, &cache));
	EXPECT_TRUE(is_carved(&record, &cache, slabs));
	for (slab = 0; slab < slabs; slab++) {
		bool seen[PAGE_BYTES] = {}, in_order = true;

		snprintf(row, sizeof(row), "slab.%d", slab);
		for (i = 0; i < cache.per_slab; i++) {
			long long index = numbered_cell_of(&record, row, i);

			ASSERT_LE(0, index);
			ASSERT_LT(index, cache.per_slab);
			ASSERT_LT(index, ARRAY_SIZE(seen));
			/* Each object once. */
			EXPECT_FALSE(seen[index]);
			seen[index] = true;
			in_order &= index == i;
		}
		nr_in_order += in_order;
	}
	if (access(config_file(), R_OK))
		return;
	EXPECT_EQ(!config_has("CONFIG_SLAB_FREELIST_RANDOM"),
		  nr_in_order == slabs);
}

TEST_F(slab, percpu)
{
	static const char *const rows[] = { "first", "other", "next" };
	static struct record record;
	struct cache cache;
	long long pages, before;
	int i, nr_there = 0;
	bool kept, debugged;
	pid_t pid;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "slab.percpu: one CPU");
	pid = hold("slab", "percpu hold_ms=60000", &record);
	cache = read_cache(CACHE);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		nr_there += is_marked(&record, rows[i], i);
	kept = keeps_freed(CACHE);
	debugged = is_debugged(CACHE);
	ASSERT_TRUE(let_go(pid));
	EXPECT_EQ(ARRAY_SIZE(rows), nr_there);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		EXPECT_TRUE(is_on_node(&record, rows[i]));
	/*
	 * Each CPU has a slab, of a debugged cache each node, and these are on
	 * two: what is freed elsewhere stays in its own.  Where it is kept from
	 * reuse, the slab runs out without it, and a third is taken.
	 */
	EXPECT_EQ(kept ? 3 : 2, cache.slabs);
	EXPECT_EQ(cache.slabs, number_of(&record, "nr_slabs"));
	pages = cache.pages;
	EXPECT_EQ(cell_of(&record, "other", "pfn") / pages,
		  cell_of(&record, "next", "pfn") / pages);
	EXPECT_NE(cell_of(&record, "other", "pfn") / pages,
		  cell_of(&record, "first", "pfn") / pages);
	/*
	 * It is handed out when all others of its slab have been, which its CPU took at
	 * once; if that takes each from the slab's list, it is the first there.
	 */
	EXPECT_EQ(!kept, number_of(&record, "came_back"));
	before = debugged ? 0 : cache.per_slab - 1;
	/* One more than all others is the most that is taken. */
	EXPECT_EQ(kept ? cache.per_slab : before,
		  number_of(&record, "nr_before_back"));
}

TEST_F(slab, partial)
{
	static struct record record;
	struct cache cache, next;
	int slabs = 16, step = 3;
	long long nr, holes;

	ASSERT_TRUE(see_held("partial slabs=16 step=3 hold_ms=60000", &record,
			     &cache));
	nr = slabs * cache.per_slab;
	holes = (nr + step - 1) / step;
	EXPECT_EQ(slabs, cache.slabs);
	EXPECT_EQ(nr, cell_of(&record, "full", "nr_objects"));
	EXPECT_EQ(slabs, cell_of(&record, "full", "nr_slabs"));
	EXPECT_EQ(nr - holes, cell_of(&record, "holes", "nr_objects"));
	EXPECT_EQ(slabs, cell_of(&record, "holes", "nr_slabs"));
	EXPECT_EQ(holes, number_of(&record, "nr_filled"));
	EXPECT_EQ(nr, cell_of(&record, "filled", "nr_objects"));
	EXPECT_EQ(slabs, cell_of(&record, "filled", "nr_slabs"));

	/* Only when all are filled a new slab is taken. */
	ASSERT_TRUE(see_held("partial slabs=16 step=3 hold_at=next hold_ms=60000",
			     &record, &next));
	EXPECT_EQ(slabs + 1, next.slabs);
	EXPECT_EQ(next.slabs, cell_of(&record, "next", "nr_slabs"));
	EXPECT_EQ(nr + 1, cell_of(&record, "next", "nr_objects"));
}

TEST_F(slab, isolation)
{
	static const char *const rows[] = { "first", "second", "both" };
	static struct record record;
	struct cache cache[2];
	int count = 200, i;
	pid_t pid;

	pid = hold("slab", "isolation count=200 hold_ms=60000", &record);
	cache[0] = read_cache(CACHE);
	cache[1] = read_cache(SECOND);
	ASSERT_TRUE(let_go(pid));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(count, cell_of(&record, rows[i], "nr_objects"));
		EXPECT_EQ(cache[i].slabs, cell_of(&record, rows[i], "nr_slabs"));
		EXPECT_LE(count, cache[i].slabs * cache[i].per_slab);
	}
	/* Counted together, no slab is the same. */
	EXPECT_EQ(2 * count, cell_of(&record, "both", "nr_objects"));
	EXPECT_EQ(cache[0].slabs + cache[1].slabs,
		  cell_of(&record, "both", "nr_slabs"));
}

/*
 * Once as they are filled, then once more until they are empty: what /proc/meminfo
 * has less when the slabs that are left are shrunk away is what they were.
 */
TEST_F(slab, reclaimable)
{
	static const char *const words[] = { "no", "yes" };
	static struct record record;
	int slabs = 64, yes, tries;
	char command[80];

	for (yes = 0; yes < 2; yes++) {
		const char *line = yes ? "SReclaimable" : "SUnreclaim";
		long long before, after;
		struct cache full, left;

		snprintf(command, sizeof(command),
			 "reclaimable slabs=64 reclaimable=%s hold_ms=60000",
			 words[yes]);
		ASSERT_TRUE(see_held(command, &record, &full));
		EXPECT_EQ(slabs, full.slabs);
		EXPECT_TRUE(is_carved(&record, &full, slabs));
		EXPECT_EQ(yes ? slabs * full.pages : 0,
			  number_of(&record, "reclaimable_pages"));
		EXPECT_EQ(yes ? 0 : slabs * full.pages,
			  number_of(&record, "unreclaimable_pages"));

		strcat(command, " hold_at=freed");
		for (tries = 0; may_try(tries); tries++) {
			pid_t pid = hold("slab", command, &record);

			left = read_cache(CACHE);
			before = meminfo_pages(line);
			drop_freed(CACHE);
			after = meminfo_pages(line);
			EXPECT_EQ(0, sysfs_number(CACHE, "slabs"));
			EXPECT_EQ(yes, sysfs_number(CACHE, "reclaim_account"));
			ASSERT_TRUE(let_go(pid));
			/* Others take slabs as well. */
			if (before - after == left.slabs * left.pages)
				break;
		}
		ASSERT_LT(tries, QUIET_TRIES)
		TH_LOG("%s moved by %lld", line, before - after);
		EXPECT_LT(0, left.slabs);
	}
}

TEST_F(slab, bulk)
{
	static struct place place[200];
	static struct record record;
	int count = ARRAY_SIZE(place), i, j, nr_twice = 0;
	struct cache cache;

	ASSERT_TRUE(see_held("bulk count=200 hold_ms=60000", &record, &cache));
	EXPECT_EQ(count, number_of(&record, "nr_asked"));
	EXPECT_EQ(count, number_of(&record, "nr_objects"));
	EXPECT_EQ(count, number_of(&record, "nr_distinct"));
	EXPECT_EQ(cache.slabs, number_of(&record, "nr_slabs"));
	ASSERT_TRUE(see_held("bulk count=200 hold_at=freed hold_ms=60000",
			     &record, &cache));
	EXPECT_EQ(0, cache.slabs);

	/* The same of a pool: no place is handed out twice. */
	ASSERT_OK("pool.create name=bulk allocator=slab_bulk size=256");
	EXPECT_OK("pool.alloc name=bulk count=%d", count);
	ASSERT_EQ(count, read_layout("bulk", place, count));
	for (i = 0; i < count; i++)
		for (j = 0; j < i; j++)
			nr_twice += place[i].pfn == place[j].pfn &&
				    place[i].offset == place[j].offset;
	EXPECT_EQ(0, nr_twice);
	EXPECT_OK("pool.destroy name=bulk");
}

TEST_F(slab, slabinfo)
{
	long long in_use, all, size, per_slab, pages, active, slabs;
	char line[256], top[256] = "";
	static struct record record;
	bool shown;
	FILE *file;
	pid_t pid;

	pid = hold("slab", "slabinfo slabs=20 hold_ms=60000", &record);
	shown = find_line("/proc/slabinfo", CACHE, "", line, sizeof(line));
	file = popen("slabtop -o 2>/dev/null", "r");
	while (file && fgets(top, sizeof(top), file) && !strstr(top, CACHE))
		;
	if (file)
		pclose(file);
	ASSERT_TRUE(let_go(pid));
	ASSERT_TRUE(shown);
	ASSERT_EQ(5, sscanf(line, CACHE " %lld %lld %lld %lld %lld", &in_use,
			    &all, &size, &per_slab, &pages));
	ASSERT_EQ(2, sscanf(strstr(line, "slabdata"), "slabdata %lld %lld",
			    &active, &slabs));
	EXPECT_TRUE(text_is(&record, "cache", CACHE));
	EXPECT_EQ(in_use, number_of(&record, "nr_objects"));
	EXPECT_EQ(all, number_of(&record, "nr_objects"));
	EXPECT_EQ(size, number_of(&record, "spacing_bytes"));
	EXPECT_EQ(per_slab, number_of(&record, "objects_per_slab"));
	EXPECT_EQ(pages, number_of(&record, "pages_per_slab"));
	EXPECT_EQ(active, number_of(&record, "nr_slabs"));
	EXPECT_EQ(slabs, number_of(&record, "nr_slabs"));
	/* It takes the row from there, so it has the same number first. */
	if (strstr(top, CACHE))
		EXPECT_EQ(all, strtoll(top, NULL, 10));
}

/*
 * Of 64 slabs that were emptied the cache keeps some, as sysfs tells; the others
 * go back at once, or only after a grace period.
 */
TEST_F(slab, rcu)
{
	static const char *const words[] = { "no", "yes" };
	static struct record record;
	int slabs = 64, blocks = 16, typesafe, tries;
	char command[80];

	for (typesafe = 0; typesafe < 2; typesafe++) {
		long long deferred, left, later;
		struct cache cache;
		bool kept;
		pid_t pid;

		snprintf(command, sizeof(command),
			 "rcu slabs=64 blocks=16 typesafe=%s hold_ms=60000",
			 words[typesafe]);
		for (tries = 0; may_try(tries); tries++) {
			pid = hold("slab", command, &record);
			cache = read_cache(CACHE);
			deferred = sysfs_number(CACHE, "destroy_by_rcu");
			kept = keeps_freed(CACHE);
			ASSERT_TRUE(let_go(pid));
			left = (slabs - cache.slabs) * cache.pages;
			later = number_of(&record, "later_pages");
			/* Others use pages while it waits. */
			if (later == (typesafe ? left : 0))
				break;
		}
		ASSERT_LT(tries, QUIET_TRIES) TH_LOG("%lld later", later);
		EXPECT_EQ(typesafe, deferred);
		EXPECT_TRUE(is_carved(&record, &cache, slabs));
		EXPECT_EQ(typesafe ? 0 : left,
			  number_of(&record, "at_once_pages"));
		/* No slab is empty while all that was freed is kept from reuse. */
		EXPECT_EQ(kept, left == 0);
		/* With its stamp it is still of its type. */
		EXPECT_EQ(typesafe ? slabs * cache.per_slab : MISSING,
			  number_of(&record, "nr_stamped"));
		EXPECT_EQ(blocks, cell_of(&record, "kfree_rcu", "nr_blocks"));
		EXPECT_EQ(blocks,
			  cell_of(&record, "kfree_rcu", "nr_kept_by_reader"));
		EXPECT_EQ(blocks,
			  cell_of(&record, "kfree_rcu", "nr_freed_after"));
	}
}

TEST_F(slab, mempool)
{
	static const struct {
		const char *row;
		bool refused;
	} rows[] = { { "served", false }, { "refused", true },
		     { "refilled", true } };
	static struct record record;
	int reserve = 48, i;
	struct cache cache;

	ASSERT_TRUE(see_held("mempool reserve=48 hold_ms=60000", &record,
			     &cache));
	EXPECT_EQ(reserve, number_of(&record, "reserve"));
	EXPECT_EQ(reserve, number_of(&record, "nr_at_first"));
	/* Only those of the reserve are left, and they fill these slabs. */
	EXPECT_EQ(cache.slabs, number_of(&record, "nr_slabs"));
	EXPECT_LE(reserve, cache.slabs * cache.per_slab);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *row = rows[i].row;
		bool refused = rows[i].refused;

		/* One more than the reserve was asked for. */
		EXPECT_EQ(refused ? reserve : reserve + 1,
			  cell_of(&record, row, "nr_had"));
		EXPECT_EQ(refused ? ENOMEM : 0, cell_of(&record, row, "errno"));
		EXPECT_EQ(refused ? 0 : reserve + 1,
			  cell_of(&record, row, "nr_from_cache"));
		EXPECT_EQ(refused ? reserve + 1 : 0,
			  cell_of(&record, row, "nr_refused"));
	}
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
#include "kmemlab.h"

#define LARGEST_CLASS	8192

LAB_FIXTURE(kmalloc);

/*
 * The smallest class that holds each size: of a name in /proc/slabinfo, with what
 * sysfs says that an object holds, as the size beside the name is that of all
 * that is kept with an object.
 */
static int read_classes(int *class_of)
{
	char line[256], bytes[32], name[64];
	FILE *file = fopen("/proc/slabinfo", "r");
	int i, size, n = 0;

	memset(class_of, 0, (LARGEST_CLASS + 1) * sizeof(*class_of));
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "kmalloc-%31[0-9k] %d", bytes,
			   &i) != 2)
			continue;
		snprintf(name, sizeof(name), "kmalloc-%s", bytes);
		size = sysfs_number(name, "object_size");
		if (size > LARGEST_CLASS)
			continue;
		n++;
		for (i = size; i > 0 && (!class_of[i] || class_of[i] > size);
		     i--)
			class_of[i] = size;
	}
	if (file)
		fclose(file);
	return n;
}

TEST_F(kmalloc, classes)
{
	static int class_of[LARGEST_CLASS + 1];
	struct record *record = run("kmalloc.classes");
	int n = read_classes(class_of), rows = 0, waste = 0, size;
	const char *at;

	ASSERT_EQ(0, record->err);
	ASSERT_GT(n, 1);
	for (at = record->text; (at = strstr(at, "\nclass.")); at++)
		rows++;
	EXPECT_EQ(n, rows);
	rows = 0;
	for (size = 1; size <= LARGEST_CLASS; size++) {
		int class = class_of[size];
		char row[32];

		snprintf(row, sizeof(row), "class.%d", class);
		waste = class_of[size - 1] == class ? waste : 0;
		waste += class - size;
		if (class_of[size - 1] != class) {
			ASSERT_EQ(size, cell_of(record, row, "from_bytes"));
			EXPECT_EQ(class - size,
				  cell_of(record, row, "max_waste_bytes"));
			rows++;
		}
		if (size == LARGEST_CLASS || class_of[size + 1] != class) {
			ASSERT_EQ(size, cell_of(record, row, "to_bytes"));
			EXPECT_EQ(waste,
				  cell_of(record, row, "all_waste_bytes"));
		}
	}
	EXPECT_EQ(n, rows);
}

/*
 * Objects that are in use in a cache.  Those that are free in slabs which a CPU
 * has taken for itself count as in use, so the count is off by at most what all
 * CPUs can have taken.  Those that KASAN keeps would count as well.
 */
struct in_use {
	long long count, slack;
};

static bool count_in_use(const char *cache, struct in_use *use)
{
	long long size, per_slab, partial;

	if (keeps_freed(cache) && drop_freed(cache))
		return false;
	if (!read_slabinfo(cache, &size, &use->count))
		return false;
	per_slab = sysfs_number(cache, "objs_per_slab");
	partial = sysfs_number(cache, "cpu_partial");
	/*
	 * Partial slabs are taken as if half full (mm/slub.c,
	 * slub_set_cpu_partial()).
	 */
	use->slack = sysconf(_SC_NPROCESSORS_ONLN) *
		     (2 * per_slab + 2 * partial);
	return per_slab != MISSING && partial != MISSING;
}

/*
 * Whether so many objects more are in use, as closely as that can be told of
 * many.
 */
static bool has_grown(const struct in_use *before, const struct in_use *after,
		      int count)
{
	return llabs(after->count - before->count - count) <= before->slack;
}

#define CACHES_MAX	4

/*
 * Whether nothing else came into use, or went out of it, in any cache while
 * objects were held: there are as many afterwards as before.
 */
static bool was_quiet(const char *const *cache, int nr,
		      const struct in_use *before)
{
	struct in_use after;
	int i;

	for (i = 0; i < nr; i++)
		if (!count_in_use(cache[i], &after) ||
		    !has_grown(&before[i], &after, 0))
			return false;
	return true;
}

/*
 * Whether many objects of a pool, more than can be missed, turn up in the cache
 * that is the @which of them and none in the others.  Others' objects may have
 * come and gone meanwhile, so that once is too little for a no.  Returns -1
 * where the machine is never quiet.
 */
static int pool_is_in(const char *pool, const char *const *cache, int nr,
		      int which)
{
	struct in_use before[CACHES_MAX], held[CACHES_MAX];
	int answer = -1, tries, i;

	for (tries = 0; may_try(tries); tries++) {
		long long count = 0;
		bool found = true;

		for (i = 0; i < nr; i++) {
			found &= count_in_use(cache[i], &before[i]);
			if (count < 4 * before[i].slack)
				count = 4 * before[i].slack;
		}
		if (!found || run("pool.create name=held %s", pool)->err)
			return 0;
		if (run("pool.alloc name=held count=%lld", count)->err)
			found = false;
		for (i = 0; i < nr; i++)
			found &= count_in_use(cache[i], &held[i]) &&
				 has_grown(&before[i], &held[i],
					   i == which ? count : 0);
		if (run("pool.destroy name=held")->err)
			return 0;
		if (was_quiet(cache, nr, before))
			answer = found;
		if (answer == 1)
			break;
	}
	return answer;
}

/* Objects of 100 bytes turn up in kmalloc-128 and in no neighbour. */
TEST_F(kmalloc, classes_held)
{
	static const char *const cache[] = {"kmalloc-96", "kmalloc-128",
					    "kmalloc-192"};

	EXPECT_EQ(1, pool_is_in("allocator=kmalloc size=100", cache, 3, 1));
}

/* As vmalloc.scatter, but all frames are one run. */
TEST_F(kmalloc, contiguous)
{
	static const int sizes[] = { 4096, 16384, 1 << 20, 4 << 20 };
	static struct record record;
	int i, marked;
	pid_t pid;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		record = *run("kmalloc.contiguous size=%d", sizes[i]);
		ASSERT_EQ(0, record.err);
		EXPECT_EQ(sizes[i], number_of(&record, "size_bytes"));
		EXPECT_EQ(sizes[i] / PAGE_BYTES, number_of(&record, "nr_pages"));
		EXPECT_EQ(1, number_of(&record, "nr_runs"));
		EXPECT_EQ(1, nr_runs(&record));
	}

	if (access("/proc/kcore", R_OK))
		SKIP(return, "kmalloc.contiguous: no /proc/kcore");
	pid = hold("kmalloc", "contiguous size=65536 hold_ms=60000", &record);
	marked = nr_marked(&record);
	ASSERT_TRUE(let_go(pid));
	EXPECT_EQ(16, marked);
	EXPECT_EQ(1, nr_runs(&record));
	EXPECT_EQ(number_of(&record, "first_pfn"), cell_of(&record, "frames", "0"));
}

/* Held by a pool, the frames are one compound page: a head, and tails. */
TEST_F(kmalloc, contiguous_held)
{
	struct place place;

	ASSERT_OK("pool.create name=row allocator=kmalloc size=65536");
	EXPECT_OK("pool.alloc name=row count=1");
	ASSERT_EQ(1, read_layout("row", &place, 1));
	EXPECT_EQ(16, place.pages);
	EXPECT_EQ(1, place.runs);
	EXPECT_TRUE(is_block(place.pfn, 4));
	EXPECT_OK("pool.destroy name=row");
}

/* Whether a slab begins with a frame; a slab of one page is no compound page. */
static bool begins_slab(unsigned long pfn)
{
	return (kpageflags(pfn) & (FLAG_SLAB | FLAG_COMPOUND_TAIL)) == FLAG_SLAB;
}

static const struct {
	const char *name, *small, *large;
} types[] = {
	{"normal", "kmalloc-128", "kmalloc-1k"},
	{"cgroup", "kmalloc-cg-128", "kmalloc-cg-1k"},
	{"reclaimable", "kmalloc-rcl-128", "kmalloc-rcl-1k"},
	{"dma", "dma-kmalloc-128", "dma-kmalloc-1k"},
};

#define NR_TYPES	ARRAY_SIZE(types)

/* While they are held, each cache has its objects, and only as many. */
TEST_F(kmalloc, types)
{
	struct in_use before[NR_TYPES], held[NR_TYPES];
	bool slab[NR_TYPES], low[NR_TYPES];
	const char *cache[NR_TYPES];
	static struct record record;
	int count = 2000, tries, i;
	long long charge;

	for (i = 0; i < NR_TYPES; i++) {
		cache[i] = types[i].large;
		if (!count_in_use(cache[i], &before[i]))
			SKIP(return, "kmalloc.types: no cache %s", cache[i]);
	}
	for (tries = 0; may_try(tries); tries++) {
		pid_t pid;

		for (i = 0; i < NR_TYPES; i++)
			count_in_use(cache[i], &before[i]);
		charge = lab_charged();
		pid = hold("kmalloc",
			   "types size=520 count=2000 hold_ms=60000", &record);
		EXPECT_LE((long long)NR_TYPES * count * 1024, lab_charged() - charge);
		for (i = 0; i < NR_TYPES; i++) {
			char row[32], zone[16] = "";
			long long pfn;
			int node;

			snprintf(row, sizeof(row), "type.%s", types[i].name);
			EXPECT_EQ(count, cell_of(&record, row, "nr_objects"));
			EXPECT_EQ(1024, cell_of(&record, row, "class_bytes"));
			pfn = cell_of(&record, row, "slab_pfn");
			slab[i] = begins_slab(pfn);
			low[i] = zone_of_frame(pfn, &node, zone) &&
				 !strcmp(zone, "DMA");
			count_in_use(cache[i], &held[i]);
		}
		ASSERT_TRUE(let_go(pid));
		if (was_quiet(cache, NR_TYPES, before))
			break;
	}
	EXPECT_LT(tries, QUIET_TRIES) TH_LOG("the caches are never quiet");
	for (i = 0; i < NR_TYPES; i++) {
		ASSERT_LT(before[i].slack, count / 2);
		EXPECT_TRUE(has_grown(&before[i], &held[i], count));
		EXPECT_TRUE(slab[i]);
		/* Others come to the lowest zone only when all else is full. */
		EXPECT_EQ(!strcmp(types[i].name, "dma"), low[i]);
	}
}

/* A pool's objects turn up in the cache of its type and in no other. */
TEST_F(kmalloc, types_held)
{
	const char *cache[NR_TYPES];
	int i;

	for (i = 0; i < NR_TYPES; i++) {
		struct in_use use;

		cache[i] = types[i].small;
		if (!count_in_use(cache[i], &use))
			SKIP(return, "kmalloc.types: no cache %s", cache[i]);
	}
	for (i = 0; i < NR_TYPES; i++) {
		char pool[64];

		snprintf(pool, sizeof(pool),
			 "allocator=kmalloc size=100 type=%s", types[i].name);
		EXPECT_EQ(1, pool_is_in(pool, cache, NR_TYPES, i))
			TH_LOG("%s", pool);
	}
}

/*
 * On both sides of the largest class, while held: a slab, which has the flag of
 * one, and a block that has not.
 */
TEST_F(kmalloc, large)
{
	static const struct {
		const char *command;
		int size, order;
	} large[] = {
		{"large hold_ms=60000", LARGEST_CLASS + 1, 2},
		{"large size=16384 hold_ms=60000", 16384, 2},
		{"large size=1M hold_ms=60000", 1 << 20, 8},
	};
	static struct record record;
	int i;

	for (i = 0; i < ARRAY_SIZE(large); i++) {
		bool in_slab, block_in_slab, slab, block;
		long long pfn, slab_order;
		pid_t pid;

		pid = hold("kmalloc", large[i].command, &record);
		pfn = cell_of(&record, "class", "pfn");
		slab_order = cell_of(&record, "class", "order");
		in_slab = kpageflags(pfn) & FLAG_SLAB;
		slab = is_block(pfn, slab_order);
		pfn = cell_of(&record, "large", "pfn");
		block_in_slab = kpageflags(pfn) & FLAG_SLAB;
		block = is_block(pfn, large[i].order);
		ASSERT_TRUE(let_go(pid));

		EXPECT_EQ(LARGEST_CLASS,
			  cell_of(&record, "class", "size_bytes"));
		EXPECT_EQ(LARGEST_CLASS,
			  cell_of(&record, "class", "usable_bytes"));
		EXPECT_EQ(1, cell_of(&record, "class", "slab"));
		EXPECT_EQ(read_number("/sys/kernel/slab/kmalloc-8k/order"),
			  slab_order);
		EXPECT_TRUE(in_slab);
		EXPECT_TRUE(slab);

		EXPECT_EQ(large[i].size,
			  cell_of(&record, "large", "size_bytes"));
		EXPECT_EQ(PAGE_BYTES << large[i].order,
			  cell_of(&record, "large", "usable_bytes"));
		EXPECT_EQ(0, cell_of(&record, "large", "slab"));
		EXPECT_EQ(large[i].order, cell_of(&record, "large", "order"));
		EXPECT_FALSE(block_in_slab);
		EXPECT_TRUE(block);
	}
}

/* The smallest class and the largest order are the kernel's own. */
TEST_F(kmalloc, limits)
{
	static int class_of[LARGEST_CLASS + 1];
	long long largest = PAGE_BYTES << (NR_ORDERS - 1);
	static struct record record;
	int lines, tries;
	bool block;
	pid_t pid;

	ASSERT_LT(1, read_classes(class_of));
	for (tries = 0; may_try(tries); tries++) {
		lines = nr_logged("\n");
		pid = hold("kmalloc", "limits hold_ms=60000", &record);
		block = is_block(cell_of(&record, "largest", "pfn"),
				 NR_ORDERS - 1);
		ASSERT_TRUE(let_go(pid));
		if (nr_logged("\n") == lines)
			break;
	}
	EXPECT_LT(tries, QUIET_TRIES) TH_LOG("each time the log grows");
	EXPECT_EQ(0, cell_of(&record, "zero", "size_bytes"));
	EXPECT_EQ(0, cell_of(&record, "zero", "errno"));
	EXPECT_EQ(0, cell_of(&record, "zero", "usable_bytes"));
	EXPECT_EQ(1, cell_of(&record, "smallest", "size_bytes"));
	EXPECT_EQ(0, cell_of(&record, "smallest", "errno"));
	EXPECT_EQ(class_of[1], cell_of(&record, "smallest", "usable_bytes"));
	EXPECT_EQ(largest, cell_of(&record, "largest", "size_bytes"));
	EXPECT_EQ(0, cell_of(&record, "largest", "errno"));
	EXPECT_EQ(largest, cell_of(&record, "largest", "usable_bytes"));
	EXPECT_TRUE(block);
	EXPECT_EQ(largest + 1, cell_of(&record, "past", "size_bytes"));
	EXPECT_EQ(ENOMEM, cell_of(&record, "past", "errno"));
	EXPECT_EQ(0, cell_of(&record, "past", "usable_bytes"));
}

/* The bytes of an object whose place a record tells, by physical address. */
static bool read_object(const struct record *record, const char *row, void *buf,
			size_t size)
{
	return read_physical(cell_of(record, row, "pfn") * PAGE_BYTES +
			     cell_of(record, row, "offset_bytes"), buf, size);
}

/*
 * Seen from outside the object is zero, but for the mark at its end that the
 * module left to tell it from others.
 */
TEST_F(kmalloc, zero)
{
	static const unsigned char zeroes[1000 - sizeof(uint64_t)];
	static int class_of[LARGEST_CLASS + 1];
	bool clears = nr_logged("heap alloc:on"), poisoned, kept;
	static struct record record;
	unsigned long long nr, product;
	unsigned char seen[1000];
	uint64_t mark;
	bool found;
	pid_t pid;

	if (access("/proc/kcore", R_OK))
		SKIP(return, "kmalloc.zero: no /proc/kcore");
	pid = hold("kmalloc", "zero size=1000 hold_ms=60000", &record);
	found = read_object(&record, "kzalloc", seen, sizeof(seen));
	ASSERT_TRUE(let_go(pid));
	ASSERT_TRUE(found);
	memcpy(&mark, seen + sizeof(zeroes), sizeof(mark));
	EXPECT_EQ(mark, (uint64_t)number_of(&record, "mark"));
	EXPECT_EQ(0, memcmp(seen, zeroes, sizeof(zeroes)));

	poisoned = sysfs_number("kmalloc-1k", "poison") > 0;
	kept = keeps_freed("kmalloc-1k");
	EXPECT_EQ(1000, cell_of(&record, "kzalloc", "size_bytes"));
	EXPECT_EQ(!kept, cell_of(&record, "kzalloc", "reused"));
	EXPECT_EQ(1000, cell_of(&record, "kzalloc", "nr_zero_bytes"));
	/*
	 * A cache that poisons its objects hands out poison, before all else
	 * (mm/slab.h, slab_want_init_on_alloc()): that is what is cleared where
	 * no object is reused.  With init_on_alloc, as the kernel logged when it
	 * started, all that is handed out is clear; else an object has what was
	 * in it, but for the pointer to the next free one.
	 */
	EXPECT_EQ(1000, cell_of(&record, "kmalloc", "size_bytes"));
	EXPECT_EQ(!kept, cell_of(&record, "kmalloc", "reused"));
	if (poisoned) {
		EXPECT_EQ(0, cell_of(&record, "kmalloc", "nr_zero_bytes"));
	} else if (clears) {
		EXPECT_EQ(1000, cell_of(&record, "kmalloc", "nr_zero_bytes"));
	} else {
		EXPECT_GE(sizeof(void *),
			  cell_of(&record, "kmalloc", "nr_zero_bytes"));
	}

	nr = ULLONG_MAX / 1000 + 1;
	product = nr * 1000;
	ASSERT_LT(1, read_classes(class_of));
	EXPECT_EQ(nr, cell_of(&record, "overflow", "nr"));
	EXPECT_EQ(1000, cell_of(&record, "overflow", "size_bytes"));
	EXPECT_EQ(ENOMEM, cell_of(&record, "overflow", "kcalloc_errno"));
	EXPECT_EQ(product, cell_of(&record, "overflow", "product_bytes"));
	EXPECT_EQ(class_of[product],
		  cell_of(&record, "overflow", "kmalloc_bytes"));
}

static bool same_object(const struct record *record, const char *a,
			const char *b)
{
	return cell_of(record, a, "pfn") == cell_of(record, b, "pfn") &&
	       cell_of(record, a, "offset_bytes") ==
	       cell_of(record, b, "offset_bytes");
}

/* Both sides of each boundary can be tried. */
TEST_F(kmalloc, boundaries)
{
	struct record *record;
	int size;

	for (size = LARGEST_CLASS; size <= LARGEST_CLASS + 1; size++) {
		record = run("kmalloc.large size=%d", size);
		ASSERT_EQ(0, record->err);
		EXPECT_EQ(size == LARGEST_CLASS, cell_of(record, "large", "slab"));
		record = run("kmalloc.krealloc size=%d", size);
		ASSERT_EQ(0, record->err);
		EXPECT_EQ(size, cell_of(record, "within", "kept_bytes"));
		EXPECT_EQ(1, cell_of(record, "beyond", "moved"));
		EXPECT_EQ(size, cell_of(record, "beyond", "kept_bytes"));
		EXPECT_OK("kmalloc.zero size=%d", size);
		EXPECT_OK("kmalloc.loop size=%d rounds=10", size);
	}
	/* Past the largest block only vmalloc can serve. */
	record = run("kmalloc.kvmalloc small=%lu large=65536", 4UL << 20);
	if (record->err == EOPNOTSUPP)
		SKIP(return, "kmalloc.boundaries: no zone DMA");
	ASSERT_EQ(0, record->err);
	EXPECT_EQ(4 << 20, cell_of(record, "small", "size_bytes"));
	EXPECT_EQ(65536, cell_of(record, "large", "size_bytes"));
	record = run("kmalloc.kvmalloc large=%lu", (4UL << 20) + 1);
	ASSERT_EQ(0, record->err);
	EXPECT_EQ(1, cell_of(record, "large", "vmalloc"));
}

/* From within each class to its end, and one byte further. */
TEST_F(kmalloc, krealloc)
{
	static const int sizes[] = { 5, 100, 1000, 5000 };
	static int class_of[LARGEST_CLASS + 2];
	static unsigned char seen[LARGEST_CLASS];
	static struct record record;
	int i, j;

	if (access("/proc/kcore", R_OK))
		SKIP(return, "kmalloc.krealloc: no /proc/kcore");
	ASSERT_LT(1, read_classes(class_of));
	/* Past the largest class is a block of the next order. */
	class_of[LARGEST_CLASS + 1] = 2 * LARGEST_CLASS;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		int size = sizes[i], class = class_of[size], kept = 0;
		long long mark;
		char command[64];
		bool found;
		pid_t pid;

		snprintf(command, sizeof(command),
			 "krealloc size=%d hold_ms=60000", size);
		pid = hold("kmalloc", command, &record);
		found = read_object(&record, "beyond", seen, size);
		ASSERT_TRUE(let_go(pid));
		ASSERT_TRUE(found);
		mark = number_of(&record, "mark");
		for (j = 0; j < size; j++)
			kept += seen[j] == (unsigned char)(mark + j);
		EXPECT_EQ(size, kept);
		EXPECT_EQ(size, cell_of(&record, "kmalloc", "size_bytes"));
		EXPECT_EQ(class, cell_of(&record, "within", "size_bytes"));
		EXPECT_EQ(class + 1, cell_of(&record, "beyond", "size_bytes"));
		EXPECT_EQ(class, cell_of(&record, "kmalloc", "usable_bytes"));
		EXPECT_EQ(class, cell_of(&record, "within", "usable_bytes"));
		EXPECT_EQ(class_of[class + 1],
			  cell_of(&record, "beyond", "usable_bytes"));
		EXPECT_EQ(size, cell_of(&record, "kmalloc", "kept_bytes"));
		EXPECT_EQ(size, cell_of(&record, "within", "kept_bytes"));
		EXPECT_EQ(size, cell_of(&record, "beyond", "kept_bytes"));
		EXPECT_TRUE(same_object(&record, "kmalloc", "within"));
		EXPECT_EQ(0, cell_of(&record, "within", "moved"));
		EXPECT_FALSE(same_object(&record, "within", "beyond"));
		EXPECT_EQ(1, cell_of(&record, "beyond", "moved"));
	}
}

/* Whether /proc/vmallocinfo has the area of a row, with so many pages. */
static bool shows_area(const struct record *record, const char *row, int pages)
{
	const char *area = strstr(text_of(record, row) ?: "", "area=");
	char line[512], shown[32], wanted[32], count[32];
	long long bytes;

	if (!area || sscanf(area, "area=%31[0-9a-f]", wanted) != 1)
		return false;
	snprintf(count, sizeof(count), "pages=%d ", pages);
	/* It counts the guard page to the size. */
	return find_line("/proc/vmallocinfo", wanted, count, line,
			 sizeof(line)) &&
	       strstr(line, "kvmalloc_area") &&
	       parse_area(line, shown, &bytes) && !strcmp(shown, wanted) &&
	       bytes == (pages + 1) * (long long)PAGE_BYTES;
}

TEST_F(kmalloc, kvmalloc)
{
	bool in_slab, large, fragmented;
	static struct record record;
	int marked;
	pid_t pid;

	if (access("/proc/kcore", R_OK))
		SKIP(return, "kmalloc.kvmalloc: no /proc/kcore");
	if (read_number("/proc/sys/kernel/kptr_restrict"))
		SKIP(return, "kmalloc.kvmalloc: kptr_restrict hides addresses");
	if (zoneinfo_number(0, "DMA", -1, "managed") <= 0)
		SKIP(return, "kmalloc.kvmalloc: no zone DMA");
	pid = hold("kmalloc", "kvmalloc hold_ms=60000", &record);
	in_slab = begins_slab(cell_of(&record, "small", "slab_pfn"));
	large = shows_area(&record, "large", 2048);
	fragmented = shows_area(&record, "fragmented", 16);
	marked = nr_marked(&record);
	ASSERT_TRUE(let_go(pid));
	if (!names_areas())
		SKIP(return, "kmalloc.kvmalloc: vmallocinfo has no hashed address");
	EXPECT_EQ(3000, cell_of(&record, "small", "size_bytes"));
	EXPECT_EQ(0, cell_of(&record, "small", "vmalloc"));
	EXPECT_TRUE(in_slab);
	EXPECT_EQ(8 << 20, cell_of(&record, "large", "size_bytes"));
	EXPECT_EQ(1, cell_of(&record, "large", "vmalloc"));
	EXPECT_TRUE(large);
	/* Of a size that is one block where there is one. */
	EXPECT_EQ(65536, cell_of(&record, "fragmented", "size_bytes"));
	EXPECT_EQ(1, cell_of(&record, "fragmented", "vmalloc"));
	EXPECT_TRUE(fragmented);
	EXPECT_EQ(16, marked);
	EXPECT_EQ(16, nr_runs(&record));
}

TEST_HARNESS_MAIN

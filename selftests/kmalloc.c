// SPDX-License-Identifier: GPL-2.0
#include "kmemlab.h"

#define LARGEST_CLASS	8192
#define NR_OBJECTS	10000

LAB_FIXTURE(kmalloc);

/* The smallest class of /proc/slabinfo that holds each size. */
static int read_classes(int *class_of)
{
	char line[256];
	FILE *file = fopen("/proc/slabinfo", "r");
	int i, size, n = 0;

	memset(class_of, 0, (LARGEST_CLASS + 1) * sizeof(*class_of));
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "kmalloc-%*[0-9k] %*d %*d %d", &size) != 1 ||
		    size > LARGEST_CLASS)
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
	int n = read_classes(class_of), rows = 0, size;

	ASSERT_EQ(0, record->err);
	ASSERT_GT(n, 1);
	for (size = 1; size <= LARGEST_CLASS; size++) {
		int class = class_of[size];
		char row[32];

		snprintf(row, sizeof(row), "class.%d", class);
		if (class_of[size - 1] != class) {
			ASSERT_EQ(size, cell_of(record, row, "from_bytes"));
			EXPECT_EQ(class - size,
				  cell_of(record, row, "max_waste_bytes"));
			rows++;
		}
		if (size == LARGEST_CLASS || class_of[size + 1] != class)
			ASSERT_EQ(size, cell_of(record, row, "to_bytes"));
	}
	EXPECT_EQ(n, rows);
}

/*
 * Objects of 100 bytes turn up in kmalloc-128 and in no neighbour.  Objects
 * that are free in slabs which a CPU has taken for itself count as in use, so
 * the count is off by at most what all CPUs can have taken.
 */
TEST_F(kmalloc, classes_held)
{
	static const char *const cache[] = {"kmalloc-96", "kmalloc-128",
					    "kmalloc-192"};
	long long before[3], after[3], size, slack[3];
	int i;

	for (i = 0; i < 3; i++) {
		char path[128];
		long long per_slab, partial;

		ASSERT_TRUE(read_slabinfo(cache[i], &size, &before[i]));
		snprintf(path, sizeof(path),
			 "/sys/kernel/slab/%s/objs_per_slab", cache[i]);
		per_slab = read_number(path);
		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/cpu_partial",
			 cache[i]);
		partial = read_number(path);
		/*
		 * Partial slabs are taken as if half full (mm/slub.c,
		 * slub_set_cpu_partial()).
		 */
		slack[i] = sysconf(_SC_NPROCESSORS_ONLN) *
			   (2 * per_slab + 2 * partial);
		ASSERT_LT(slack[i], NR_OBJECTS / 2);
	}
	ASSERT_OK("pool.create name=classes allocator=kmalloc size=100");
	EXPECT_OK("pool.alloc name=classes count=%d", NR_OBJECTS);
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(read_slabinfo(cache[i], &size, &after[i]));
	EXPECT_OK("pool.destroy name=classes");
	EXPECT_LE(llabs(after[0] - before[0]), slack[0]);
	EXPECT_LE(llabs(after[1] - before[1] - NR_OBJECTS), slack[1]);
	EXPECT_LE(llabs(after[2] - before[2]), slack[2]);
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
		EXPECT_EQ(sizes[i] / PAGE_BYTES, number_of(&record, "nr_pages"));
		EXPECT_EQ(1, number_of(&record, "nr_runs"));
		EXPECT_EQ(1, nr_runs(&record));
	}

	if (access("/proc/kcore", R_OK))
		SKIP(return, "kmalloc.contiguous: no /proc/kcore");
	pid = hold("kmalloc", "contiguous size=65536 hold_ms=400", &record);
	marked = nr_marked(&record);
	ASSERT_EQ(0, exit_code_of(pid));
	EXPECT_EQ(16, marked);
	EXPECT_EQ(1, nr_runs(&record));
	EXPECT_EQ(number_of(&record, "first_pfn"), cell_of(&record, "frames", "0"));
}

/* Held by a pool, the frames are one compound page: a head, and tails. */
TEST_F(kmalloc, contiguous_held)
{
	struct place place;
	int i;

	ASSERT_OK("pool.create name=row allocator=kmalloc size=65536");
	EXPECT_OK("pool.alloc name=row count=1");
	ASSERT_EQ(1, read_layout("row", &place, 1));
	EXPECT_EQ(16, place.pages);
	EXPECT_EQ(1, place.runs);
	EXPECT_NE(0, page_flags(place.pfn) & FLAG_COMPOUND_HEAD);
	for (i = 1; i < 16; i++)
		EXPECT_NE(0, page_flags(place.pfn + i) & FLAG_COMPOUND_TAIL);
	EXPECT_EQ(0, page_flags(place.pfn + 16) & FLAG_COMPOUND_TAIL);
	EXPECT_OK("pool.destroy name=row");
}

TEST_HARNESS_MAIN

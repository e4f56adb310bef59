// SPDX-License-Identifier: GPL-2.0
#include "kmemlab.h"

LAB_FIXTURE(vmalloc);

/*
 * The frames that the module says are behind the area are really so: what it
 * wrote there by virtual address is found by physical address.
 */
TEST_F(vmalloc, scatter)
{
	int pages = 64, marked;
	static struct record record;
	pid_t pid;

	if (access("/proc/kcore", R_OK))
		SKIP(return, "vmalloc.scatter: no /proc/kcore");
	pid = hold("vmalloc", "scatter size=262144 hold_ms=400", &record);
	marked = nr_marked(&record);
	ASSERT_EQ(0, exit_code_of(pid));
	EXPECT_EQ(pages, marked);
	EXPECT_EQ(pages, number_of(&record, "nr_pages"));
	EXPECT_EQ(nr_runs(&record), number_of(&record, "vmalloc_runs"));
	EXPECT_LT(1, number_of(&record, "vmalloc_runs"));
	EXPECT_EQ(1, number_of(&record, "kmalloc_runs"));
	/* The walk and the kernel's own vmalloc_to_pfn() agree. */
	EXPECT_EQ(pages, number_of(&record, "nr_agree"));
}

/* While the area is held, its row in /proc/vmallocinfo says the same of it. */
TEST_F(vmalloc, info)
{
	long long size = 5 * PAGE_BYTES, shown_bytes, shown_pages;
	char line[512], shown_area[32];
	static struct record record;
	bool shown;
	pid_t pid;

	pid = hold("vmalloc", "info size=20480 hold_ms=400", &record);
	shown = find_line("/proc/vmallocinfo", "vmalloc_area", "pages=5 ",
			  line, sizeof(line));
	ASSERT_EQ(0, exit_code_of(pid));
	ASSERT_TRUE(shown);
	if (!parse_area(line, shown_area, &shown_bytes))
		SKIP(return, "vmalloc.info: vmallocinfo has no hashed address");
	ASSERT_EQ(1, sscanf(strstr(line, "pages="), "pages=%lld", &shown_pages));
	EXPECT_TRUE(text_is(&record, "area", shown_area));
	EXPECT_EQ(shown_pages, number_of(&record, "nr_pages"));
	EXPECT_EQ(size, number_of(&record, "size_bytes"));
	/* It counts the guard page, which no frame is behind, to the size. */
	EXPECT_EQ(1, number_of(&record, "nr_guard_pages"));
	EXPECT_EQ(shown_bytes, size + (long long)PAGE_BYTES);
	EXPECT_EQ(0, strncmp(text_of(&record, "caller") ?: "", "vmalloc_area", 12));
	EXPECT_FALSE(find_line("/proc/vmallocinfo", "vmalloc_area", shown_area,
			       line, sizeof(line)));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
#include "kmemlab.h"

#include <dirent.h>
#include <sys/uio.h>

#define MEMORY		"/sys/devices/system/memory/"

/* More of /proc/kpageflags. */
#define FLAG_ANON		(1ULL << 12)
#define FLAG_NOPAGE		(1ULL << 20)
#define FLAG_RESERVED		(1ULL << 32)

LAB_FIXTURE(page);

static long long frames_per_block(void)
{
	char size[64] = "";

	read_file(MEMORY "block_size_bytes", size, sizeof(size));
	return strtoll(size, NULL, 16) / PAGE_BYTES;
}

/* The number of the next of the memory blocks that sysfs knows; false after the last. */
static bool next_block(DIR *dir, unsigned long *block)
{
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (sscanf(entry->d_name, "memory%lu", block) == 1)
			return true;
	return false;
}

/* Frames of all of them. */
static long long nr_block_frames(void)
{
	DIR *dir = opendir(MEMORY);
	unsigned long block;
	long long n = 0;

	while (next_block(dir, &block))
		n++;
	if (dir)
		closedir(dir);
	return n * frames_per_block();
}

/* Whether the word is there, at a multiple of 8 bytes from the start. */
static bool has_word(const void *bytes, size_t len, uint64_t word)
{
	size_t at;

	for (at = 0; at + sizeof(word) <= len; at += sizeof(word))
		if (!memcmp(bytes + at, &word, sizeof(word)))
			return true;
	return false;
}

/*
 * The mark that the module left in the struct page of each frame is found at the
 * physical address that it recorded, and at the virtual one that follows from
 * the frame's number and where the kernel's table of struct pages begins.
 */
static int nr_struct_pages(const struct record *record, uint64_t table, int max)
{
	long long size = number_of(record, "struct_page_bytes");
	long long mark = number_of(record, "mark");
	char page[256], row[16];
	int i, n = 0;

	if (size <= 0 || size > (long long)sizeof(page))
		return 0;
	for (i = 0; i < max; i++) {
		long long pfn, at;

		snprintf(row, sizeof(row), "page.%d", i);
		pfn = cell_of(record, row, "pfn");
		at = cell_of(record, row, "memmap_pfn") * (long long)PAGE_BYTES +
		     cell_of(record, row, "memmap_offset");
		n += read_kcore(true, at, page, size) &&
		     has_word(page, size, mark + i) &&
		     read_kcore(false, table + pfn * size, page, size) &&
		     has_word(page, size, mark + i);
	}
	return n;
}

/*
 * Where the table of struct pages begins: a place that the kernel chooses, or
 * with four levels of page tables and no CONFIG_RANDOMIZE_MEMORY always the same
 * (Documentation/x86/x86_64/mm.rst; X86_5LEVEL selects DYNAMIC_MEMORY_LAYOUT).
 */
static bool find_memmap(uint64_t *table)
{
	bool found = read_variable("vmemmap_base", table, sizeof(*table));

#ifdef __x86_64__
	if (!found) {
		*table = 0xffffea0000000000;
		found = true;
	}
#endif
	return found;
}

TEST_F(page, frame)
{
	long long frames = nr_block_frames(), size;
	static struct record record;
	uint64_t table;
	int found;
	pid_t pid;

	if (access("/proc/kcore", R_OK))
		SKIP(return, "page.frame: no /proc/kcore");
	if (!find_memmap(&table))
		SKIP(return, "page.frame: no vmemmap_base in kallsyms");
	if (!frames)
		SKIP(return, "page.frame: no memory blocks in sysfs");
	pid = hold("page", "frame order=2 hold_ms=10000", &record);
	found = nr_struct_pages(&record, table, 4);
	ASSERT_LE(0, kill_command(pid));
	EXPECT_EQ(4, found);
	EXPECT_EQ(MISSING, cell_of(&record, "page.4", "pfn"));
	size = number_of(&record, "struct_page_bytes");
	EXPECT_EQ(PAGE_BYTES, number_of(&record, "frame_bytes"));
	EXPECT_EQ(frames, number_of(&record, "nr_frames"));
	EXPECT_EQ(frames * size / (long long)PAGE_BYTES,
		  number_of(&record, "memmap_pages"));
}

/* Frames from @pfn on that are tails of one compound page. */
static long long nr_tails(long long pfn)
{
	long long n = 0;

	while (kpageflags(pfn + n) != ~0ULL &&
	       kpageflags(pfn + n) & FLAG_COMPOUND_TAIL)
		n++;
	return n;
}

static void check_compound(struct __test_metadata *_metadata, int order,
			   bool comp)
{
	long long tails = comp ? (1LL << order) - 1 : 0, pfn, seen;
	static struct record record;
	char command[64];
	uint64_t head;
	pid_t pid;

	snprintf(command, sizeof(command),
		 "compound order=%d comp=%s hold_ms=10000", order,
		 comp ? "yes" : "no");
	pid = hold("page", command, &record);
	pfn = number_of(&record, "pfn");
	head = kpageflags(pfn);
	seen = nr_tails(pfn + 1);
	ASSERT_LE(0, kill_command(pid));
	EXPECT_EQ(tails, seen);
	EXPECT_EQ(comp ? FLAG_COMPOUND_HEAD : 0,
		  head & (FLAG_COMPOUND_HEAD | FLAG_COMPOUND_TAIL));
	EXPECT_EQ(0, head & FLAG_BUDDY);
	EXPECT_EQ(0, pfn % (1 << order));
	EXPECT_EQ(tails, number_of(&record, "nr_tails"));
	EXPECT_EQ(comp, number_of(&record, "nr_heads"));
	EXPECT_EQ(comp ? order : 0, number_of(&record, "compound_order"));
	EXPECT_EQ(1 << order, number_of(&record, "nr_pages"));
}

TEST_F(page, compound)
{
	check_compound(_metadata, 1, true);
	check_compound(_metadata, 3, true);
	check_compound(_metadata, 9, true);
	check_compound(_metadata, 3, false);
}

/* Bits of kpageflags that the module names as the kernel does in its logs. */
static const struct {
	const char *name;
	int bit;
} flag_names[] = {
	{"locked", 0},	    {"referenced", 2},	{"uptodate", 3},
	{"dirty", 4},	    {"lru", 5},		{"active", 6},
	{"writeback", 8},   {"reclaim", 9},	{"swapbacked", 14},
	{"head", 15},	    {"unevictable", 18}, {"reserved", 32},
	{"mlocked", 33},
};

/* Whether the name is one of those in "0x1234(one|other|node=0)". */
static bool is_flag_named(const struct record *record, const char *name)
{
	const char *p = text_of(record, "flags");
	size_t len = strlen(name);

	p = p ? strchr(p, '(') : NULL;
	while (p && *p != ')' && *p != '\n') {
		p++;
		if (!strncmp(p, name, len) && strchr("|)", p[len]))
			return true;
		p += strcspn(p, "|)\n");
	}
	return false;
}

/* The block: all frames up to the one after it, by their flags. */
static void check_block(struct __test_metadata *_metadata,
			const struct record *record, uint64_t flags)
{
	long long pfn = number_of(record, "pfn");
	long long first = number_of(record, "block_pfn");
	long long order = number_of(record, "order"), i;

	if (flags & FLAG_BUDDY) {
		ASSERT_LE(0, order);
		ASSERT_GT(NR_ORDERS, order);
		EXPECT_EQ(pfn >> order, first >> order);
		for (i = 0; i < 1LL << order; i++)
			EXPECT_NE(0, kpageflags(first + i) & FLAG_BUDDY);
	} else if (flags & (FLAG_COMPOUND_HEAD | FLAG_COMPOUND_TAIL)) {
		EXPECT_NE(0, kpageflags(first) & FLAG_COMPOUND_HEAD);
		EXPECT_EQ((1LL << order) - 1, nr_tails(first + 1));
		EXPECT_GE(pfn, first);
		EXPECT_LT(pfn, first + (1LL << order));
	} else {
		EXPECT_EQ(pfn, first);
		EXPECT_EQ(0, order);
	}
}

/* The record of a frame against what kpageflags and kpagecount have of it. */
static struct record *check_frame(struct __test_metadata *_metadata,
				  unsigned long pfn)
{
	uint64_t flags = kpageflags(pfn), head = 0, count = 0;
	struct record *record = NULL;
	int tries, node, i;
	bool quiet = false;
	char zone[16];

	for (tries = 0; may_try(tries) && !quiet; tries++) {
		flags = kpageflags(pfn);
		count = read_page_word("/proc/kpagecount", pfn);
		record = run("page.flags pfn=%lu", pfn);
		ASSERT_EQ(0, record->err);
		head = kpageflags(number_of(record, "block_pfn"));
		quiet = kpageflags(pfn) == flags &&
			read_page_word("/proc/kpagecount", pfn) == count;
	}
	ASSERT_TRUE(quiet) TH_LOG("frame %lu never held still", pfn);
	EXPECT_EQ(pfn, number_of(record, "pfn"));
	EXPECT_EQ(count, number_of(record, "mappings"));
	EXPECT_EQ(!!(flags & FLAG_RESERVED), cell_of(record, "is", "reserved"));
	EXPECT_EQ(!!(flags & FLAG_BUDDY), cell_of(record, "is", "buddy"));
	EXPECT_EQ(!!(flags & FLAG_SLAB), cell_of(record, "is", "slab"));
	EXPECT_EQ(!!(head & FLAG_LRU), cell_of(record, "is", "lru"));
	EXPECT_EQ(!!(head & FLAG_ANON), cell_of(record, "is", "anon"));
	EXPECT_EQ(!!(flags & FLAG_COMPOUND_HEAD), cell_of(record, "is", "head"));
	EXPECT_EQ(!!(flags & FLAG_COMPOUND_TAIL), cell_of(record, "is", "tail"));
	check_block(_metadata, record, flags);
	/* Newer kernels show of a tail the flags of its head. */
	for (i = 0; i < ARRAY_SIZE(flag_names); i++)
		if (!(flags & FLAG_COMPOUND_TAIL))
			EXPECT_EQ(flags >> flag_names[i].bit & 1,
				  is_flag_named(record, flag_names[i].name))
				TH_LOG("flag %s", flag_names[i].name);
	if (zone_of_frame(pfn, &node, zone)) {
		EXPECT_EQ(node, number_of(record, "node"));
		EXPECT_TRUE(text_is(record, "zone", zone));
	}
	return record;
}

static unsigned long first_kernel_frame(void)
{
	unsigned long long start = 0;
	char line[128];

	if (!find_line("/proc/iomem", "Kernel code", "", line, sizeof(line)) ||
	    sscanf(line, " %llx-", &start) != 1)
		return 0;
	return start / PAGE_BYTES;
}

/* A frame of which kpageflags has nothing. */
static unsigned long find_hole(void)
{
	struct zone_counts zones[ZONES_MAX];
	int n = read_buddyinfo(zones);
	unsigned long pfn = 0;

	/* Past the last zone at the latest. */
	if (n)
		pfn = zoneinfo_number(zones[n - 1].node, zones[n - 1].zone, -1,
				      "start_pfn:") +
		      zoneinfo_number(zones[n - 1].node, zones[n - 1].zone, -1,
				      "spanned");
	while (kpageflags(pfn) != ~0ULL && !(kpageflags(pfn) & FLAG_NOPAGE))
		pfn++;
	return pfn;
}

TEST_F(page, flags_nowhere)
{
	static const unsigned long far[] = {1UL << 24, 1UL << 36, (1UL << 40) - 1};
	struct record *record = run("page.flags pfn=%lu", find_hole());
	int i;

	EXPECT_EQ(ERANGE, record->err);
	EXPECT_NE(NULL, strstr(text_of(record, "reason") ?: "", "no such memory"));
	for (i = 0; i < ARRAY_SIZE(far); i++)
		EXPECT_EQ(ERANGE, run("page.flags pfn=%lu", far[i])->err);
}

/* Seconds in which a block goes offline that nobody uses. */
#define OFFLINE_SECONDS	30

static const char *block_state(unsigned long block)
{
	static char path[128];

	snprintf(path, sizeof(path), MEMORY "memory%lu/state", block);
	return path;
}

static bool is_offline(unsigned long block)
{
	char state[32] = "";

	read_file(block_state(block), state, sizeof(state));
	return !strcmp(state, "offline\n");
}

/* Takes a block of memory away of which all that is there can be moved. */
static bool take_offline(unsigned long *block)
{
	double end = seconds() + OFFLINE_SECONDS;
	DIR *dir = opendir(MEMORY);
	bool taken = false;
	pid_t pid;

	while (!taken && seconds() < end && next_block(dir, block)) {
		pid = run_aside(block_state(*block), "offline");
		await_end(pid, end - seconds());
		/* It may have come to it just before it is killed. */
		end_process(pid);
		taken = is_offline(*block);
	}
	if (dir)
		closedir(dir);
	return taken;
}

/* And what is offline has a struct page, which is not to be looked at. */
TEST_F(page, flags_offline)
{
	unsigned long block, pfn;
	struct record *record;

	if (!take_offline(&block))
		SKIP(return, "page.flags_offline: no memory block can be taken offline");
	pfn = block * frames_per_block();
	record = run("page.flags pfn=%lu", pfn);
	EXPECT_EQ(ERANGE, record->err);
	EXPECT_NE(NULL, strstr(record->text, "offline"));
	say("memory%lu is offline", block);
	/* It is a hole, for who goes through a zone. */
	EXPECT_OK("buddy.addresses count=64");
	EXPECT_EQ(0, write_file(block_state(block), "online"));
	EXPECT_OK("page.flags pfn=%lu", pfn);
}

#define BUSY_LOOKS	300

/* Frames can be looked at while they are allocated, mapped, split and freed. */
TEST_F(page, flags_busy)
{
	long long start[ZONES_MAX], spanned[ZONES_MAX];
	struct zone_counts zones[ZONES_MAX];
	int n = read_buddyinfo(zones), i;
	pid_t pid;

	for (i = 0; i < n; i++) {
		start[i] = zoneinfo_number(zones[i].node, zones[i].zone, -1,
					   "start_pfn:");
		spanned[i] = zoneinfo_number(zones[i].node, zones[i].zone, -1,
					     "spanned");
	}
	pid = fork();
	if (!pid) {
		for (;;) {
			void *p = mmap(NULL, 1 << 22, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS |
				       MAP_POPULATE, -1, 0);

			if (!fork())
				_exit(0);
			waitpid(-1, NULL, WNOHANG);
			munmap(p, 1 << 22);
		}
	}
	srand(1);
	for (i = 0; i < BUSY_LOOKS; i++) {
		long long pfn = start[i % n] + rand() % spanned[i % n];
		struct record *record = run("page.flags pfn=%lld", pfn);

		/* The span of a zone may have holes in it. */
		ASSERT_TRUE(!record->err || record->err == ERANGE);
		ASSERT_TRUE(record->err || number_of(record, "pfn") == pfn);
	}
	EXPECT_LE(0, kill_command(pid));
}

/* Frames that the firmware, or the kernel itself, never gave to anybody. */
TEST_F(page, flags_reserved)
{
	unsigned long code = first_kernel_frame();

	ASSERT_NE(0, code);
	EXPECT_EQ(1, cell_of(check_frame(_metadata, code), "is", "reserved"));
	EXPECT_EQ(1, cell_of(check_frame(_metadata, 0), "is", "reserved"));
}

/*
 * A page has one reference for each that uses it: one for its owner in a pool,
 * and none once it is free.
 */
TEST_F(page, flags_pool)
{
	struct place place;
	struct record *record;

	ASSERT_OK("pool.create name=page allocator=pages order=2");
	ASSERT_OK("pool.alloc name=page count=1");
	read_layout("page", &place, 1);
	record = check_frame(_metadata, place.pfn);
	EXPECT_EQ(1, number_of(record, "references"));
	/* It is not compound: its other pages have none of their own. */
	record = check_frame(_metadata, place.pfn + 1);
	EXPECT_EQ(0, number_of(record, "references"));
	EXPECT_OK("pool.destroy name=page");
}

static void check_tail_of(struct __test_metadata *_metadata, const char *pool,
			  bool slab)
{
	struct record *record;
	long long head;
	struct place place;

	read_layout(pool, &place, 1);
	head = number_of(check_frame(_metadata, place.pfn), "block_pfn");
	record = check_frame(_metadata, head);
	EXPECT_EQ(slab, cell_of(record, "is", "slab"));
	EXPECT_EQ(1, cell_of(record, "is", "head"));
	EXPECT_EQ(1, number_of(record, "references"));
	record = check_frame(_metadata, head + 1);
	EXPECT_EQ(slab, cell_of(record, "is", "slab"));
	EXPECT_EQ(1, cell_of(record, "is", "tail"));
	EXPECT_EQ(head, number_of(record, "block_pfn"));
	/* What is asked of a tail is answered by its head. */
	EXPECT_EQ(1, number_of(record, "references"));
}

/*
 * Slabs and large kmallocs are compound pages, of one reference: of two pages and
 * more, however the kernel was booted.
 */
TEST_F(page, flags_compound)
{
	ASSERT_OK("pool.create name=slab allocator=slab size=8192");
	ASSERT_OK("pool.alloc name=slab count=1");
	check_tail_of(_metadata, "slab", true);
	EXPECT_OK("pool.destroy name=slab");
	ASSERT_OK("pool.create name=large allocator=kmalloc size=65536");
	ASSERT_OK("pool.alloc name=large count=1");
	check_tail_of(_metadata, "large", false);
	EXPECT_OK("pool.destroy name=large");
}

/*
 * A page of one's own: more than a CPU's batch of new pages are touched, so that
 * the first is on the list that reclaim looks at (mm/swap.c).
 */
TEST_F(page, flags_anon)
{
	struct iovec iov = {.iov_len = 1};
	size_t bytes = 64 * PAGE_BYTES;
	int fd[2], i, references;
	struct record *record;
	char *own;
	pid_t pid;

	own = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, own);
	memset(own, 1, bytes);
	record = check_frame(_metadata, frame_behind(own));
	EXPECT_EQ(1, cell_of(record, "is", "anon"));
	EXPECT_EQ(1, cell_of(record, "is", "lru"));
	EXPECT_EQ(1, number_of(record, "mappings"));
	references = number_of(record, "references");
	EXPECT_EQ(1, references);

	/* A pipe that has a page in it holds a reference, and maps nothing. */
	ASSERT_EQ(0, pipe(fd));
	iov.iov_base = own;
	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(1, vmsplice(fd[1], &iov, 1, 0));
		record = check_frame(_metadata, frame_behind(own));
		EXPECT_EQ(references + i, number_of(record, "references"));
		EXPECT_EQ(1, number_of(record, "mappings"));
	}
	close(fd[0]);
	close(fd[1]);

	/* A child that shares it has both. */
	pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	record = check_frame(_metadata, frame_behind(own));
	EXPECT_EQ(2, number_of(record, "mappings"));
	EXPECT_EQ(references + 1, number_of(record, "references"));
	kill_command(pid);
	munmap(own, bytes);
}

static void check_mapped(struct __test_metadata *_metadata, unsigned long pfn,
			 const char *by, int mappings, int references)
{
	struct record *record = check_frame(_metadata, pfn);
	long long seen = read_page_word("/proc/kpagecount", pfn);

	EXPECT_EQ(mappings, seen);
	EXPECT_EQ(mappings, number_of(record, "mappings"));
	EXPECT_EQ(references, number_of(record, "references"));
	say("%-34s kpagecount %lld, references %lld", by, seen,
	    number_of(record, "references"));
}

/*
 * A page that no process maps, then one, then two.  The file has a reference
 * itself, and each mapping one more; a page that is new waits in a batch of the CPU,
 * which has one as well, so there are more of them there than a batch has room for.
 */
TEST_F(page, mapcount)
{
	const size_t bytes = 64 * PAGE_BYTES;
	int fd = memfd_create("kmemlab", MFD_CLOEXEC);
	volatile char *map;
	unsigned long pfn;
	pid_t pid;

	ASSERT_LE(0, fd);
	ASSERT_TRUE(pin_to_cpu(0));
	ASSERT_EQ(0, ftruncate(fd, bytes));
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_POPULATE, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	pfn = frame_behind((char *)map);
	ASSERT_NE(0, pfn);
	munmap((char *)map, bytes);
	check_mapped(_metadata, pfn, "a page of a file, mapped by nobody", 0, 1);
	map = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	(void)*map;
	ASSERT_EQ(pfn, frame_behind((char *)map));
	check_mapped(_metadata, pfn, "mapped by a process", 1, 2);
	/* A child maps what it touches of a file's pages, and not before. */
	pid = fork();
	if (!pid) {
		(void)*map;
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, NULL, WUNTRACED);
	check_mapped(_metadata, pfn, "and by its child", 2, 3);
	end_process(pid);
	check_mapped(_metadata, pfn, "the child has ended", 1, 2);
	munmap((char *)map, PAGE_BYTES);
	check_mapped(_metadata, pfn, "mapped by nobody again", 0, 1);
	close(fd);
}

/* A page of the file that this program runs from. */
TEST_F(page, flags_file)
{
	struct record *record =
		check_frame(_metadata, frame_behind(flag_names));

	EXPECT_EQ(0, cell_of(record, "is", "anon"));
	EXPECT_LE(1, number_of(record, "mappings"));
}

/* The zone with the fewest frames, which can be gone through one by one. */
static const struct zone_counts *smallest_zone(struct zone_counts *zones)
{
	int n = read_buddyinfo(zones), i;
	long long least = LLONG_MAX;
	const struct zone_counts *found = NULL;

	for (i = 0; i < n; i++) {
		long long spanned = zoneinfo_number(zones[i].node, zones[i].zone,
						    -1, "spanned");

		if (spanned < least) {
			least = spanned;
			found = &zones[i];
		}
	}
	return found;
}

/* Free blocks of each order in a zone, from what is known of each frame. */
static void count_free(struct __test_metadata *_metadata, long long pfn,
		       long long end, long long *nr_free)
{
	memset(nr_free, 0, NR_ORDERS * sizeof(*nr_free));
	while (pfn < end) {
		struct record *record = run("page.flags pfn=%lld", pfn);
		long long order = number_of(record, "order");

		if (record->err || !cell_of(record, "is", "buddy")) {
			pfn++;
			continue;
		}
		ASSERT_GT(NR_ORDERS, order);
		EXPECT_EQ(0, number_of(record, "references"));
		EXPECT_EQ(pfn, number_of(record, "block_pfn"));
		nr_free[order]++;
		pfn += 1LL << order;
	}
}

TEST_F(page, flags)
{
	struct zone_counts zones[ZONES_MAX], again[ZONES_MAX];
	const struct zone_counts *zone = smallest_zone(zones), *after;
	long long nr_free[NR_ORDERS], start, end;
	int tries;

	ASSERT_NE(NULL, zone);
	start = zoneinfo_number(zone->node, zone->zone, -1, "start_pfn:");
	end = start + zoneinfo_number(zone->node, zone->zone, -1, "spanned");
	for (tries = 0; may_try(tries); tries++) {
		read_buddyinfo(zones);
		count_free(_metadata, start, end, nr_free);
		after = find_zone(again, read_buddyinfo(again), zone->node,
				  zone->zone);
		if (!memcmp(zone->nr_free, after->nr_free, sizeof(nr_free)))
			break;
	}
	ASSERT_LT(tries, QUIET_TRIES) TH_LOG("the zone never held still");
	EXPECT_EQ(0, memcmp(zone->nr_free, nr_free, sizeof(nr_free)));
}

struct block_types {
	int node, nr_types;
	char zone[16], type[8][16];
	long long nr_blocks[8];
};

/* The last part of /proc/pagetypeinfo; returns the number of zones. */
static int read_pagetypeinfo(struct block_types *zones, long long *block_pages)
{
	static const char head[] = "Number of blocks type";
	FILE *file = fopen("/proc/pagetypeinfo", "r");
	char line[512], type[8][16];
	int nr_types = 0, n = 0, at, used, i;

	while (file && n < ZONES_MAX && fgets(line, sizeof(line), file)) {
		struct block_types *z = &zones[n];

		sscanf(line, "Pages per block: %lld", block_pages);
		if (!strncmp(line, head, strlen(head))) {
			at = strlen(head);
			for (nr_types = 0; nr_types < 8; nr_types++, at += used)
				if (sscanf(line + at, "%15s%n", type[nr_types],
					   &used) != 1)
					break;
			continue;
		}
		if (!nr_types || sscanf(line, "Node %d, zone %15s%n", &z->node,
					z->zone, &at) != 2) {
			nr_types = 0;
			continue;
		}
		z->nr_types = nr_types;
		memcpy(z->type, type, sizeof(type));
		for (i = 0; i < nr_types; i++, at += used)
			sscanf(line + at, "%lld%n", &z->nr_blocks[i], &used);
		n++;
	}
	if (file)
		fclose(file);
	return n;
}

/* The same count, from what is known of the first frame of each block. */
static void count_types(const struct block_types *zone, long long block_pages,
			long long *nr_blocks)
{
	long long pfn = zoneinfo_number(zone->node, zone->zone, -1,
					"start_pfn:");
	long long end = pfn + zoneinfo_number(zone->node, zone->zone, -1,
					      "spanned");
	int i;

	memset(nr_blocks, 0, 8 * sizeof(*nr_blocks));
	for (; pfn < end; pfn += block_pages) {
		struct record *record = run("page.flags pfn=%lld", pfn);

		if (record->err || number_of(record, "node") != zone->node ||
		    !text_is(record, "zone", zone->zone))
			continue;
		for (i = 0; i < zone->nr_types; i++)
			nr_blocks[i] += text_is(record, "migrate_type",
						zone->type[i]);
	}
}

/* The migrate types of a zone's blocks are as many as the kernel counts. */
TEST_F(page, flags_types)
{
	static struct block_types zones[ZONES_MAX], again[ZONES_MAX];
	long long block_pages = 0, nr_blocks[8];
	int n = read_pagetypeinfo(zones, &block_pages), i, tries;

	ASSERT_LT(0, n);
	ASSERT_LT(0, block_pages);
	for (i = 0; i < n; i++) {
		/* Enough blocks to differ, and not more than take a moment. */
		if (zoneinfo_number(zones[i].node, zones[i].zone, -1,
				    "spanned") > 256 * block_pages)
			continue;
		for (tries = 0; may_try(tries); tries++) {
			read_pagetypeinfo(zones, &block_pages);
			count_types(&zones[i], block_pages, nr_blocks);
			read_pagetypeinfo(again, &block_pages);
			if (!memcmp(&zones[i], &again[i], sizeof(zones[i])))
				break;
		}
		ASSERT_LT(tries, QUIET_TRIES)
			TH_LOG("zone %s never held still", zones[i].zone);
		EXPECT_EQ(0, memcmp(zones[i].nr_blocks, nr_blocks,
				    zones[i].nr_types * sizeof(*nr_blocks)));
	}
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * The ledger against the kernel's own files, and what it leaves unexplained.
 * It comes last of the programs that leave the module loaded, and judges what
 * all of them have left.
 */
#include "kmemlab.h"

LAB_FIXTURE(ledger);

#define VMSTAT		"/proc/vmstat"
#define MEMINFO		"/proc/meminfo"
#define KB_PER_PAGE	((long long)PAGE_BYTES / 1024)

/* Where else each line can be read, and how many of its units are a page. */
static const struct item {
	const char *key, *path, *name;
	long long unit;
} items[] = {
	{"ledger.slab_reclaimable_pages", VMSTAT, "nr_slab_reclaimable", 1},
	{"ledger.slab_unreclaimable_pages", VMSTAT, "nr_slab_unreclaimable", 1},
	{"ledger.pagetable_pages", VMSTAT, "nr_page_table_pages", 1},
	{"ledger.stack_pages", VMSTAT, "nr_kernel_stack", KB_PER_PAGE},
	{"ledger.vmalloc_pages", MEMINFO, "VmallocUsed:", KB_PER_PAGE},
	{"ledger.percpu_pages", MEMINFO, "Percpu:", KB_PER_PAGE},
	{"ledger.anon_pages", VMSTAT, "nr_anon_pages", 1},
	{"ledger.file_pages", VMSTAT, "nr_file_pages", 1},
};

#define NR_ITEMS	ARRAY_SIZE(items)

/* One more for the free pages, which are in a file of another kind. */
struct reading {
	long long outside[NR_ITEMS + 1];
	struct record ledger;
};

/*
 * From files that stay open, as what an open one takes does not come back at once
 * where KASAN keeps what was freed.
 */
static void read_outside(long long *outside)
{
	static int vmstat_fd = -1, meminfo_fd = -1;
	static struct record vmstat, meminfo;
	int i;

	outside[NR_ITEMS] = read_free_pages();
	reread_file(&vmstat_fd, VMSTAT, vmstat.text, sizeof(vmstat.text));
	reread_file(&meminfo_fd, MEMINFO, meminfo.text, sizeof(meminfo.text));
	for (i = 0; i < NR_ITEMS; i++)
		outside[i] = number_of(strcmp(items[i].path, VMSTAT) ?
				       &meminfo : &vmstat, items[i].name) /
			     items[i].unit;
}

/* Both while they hold still: what one saw come and go is in no second look. */
static bool read_still(struct reading *reading)
{
	static struct record second;
	long long again[NR_ITEMS + 1];
	int tries;

	for (tries = 0; may_try(tries); tries++) {
		read_outside(reading->outside);
		read_file(LAB "ledger", reading->ledger.text,
			  sizeof(reading->ledger.text));
		read_file(LAB "ledger", second.text, sizeof(second.text));
		read_outside(again);
		if (!memcmp(again, reading->outside, sizeof(again)) &&
		    !strcmp(second.text, reading->ledger.text))
			return true;
	}
	return false;
}

#define NR_FILES	1000
#define NR_CHILDREN	16
#define ANON_BYTES	(300 * PAGE_BYTES)
#define DIRECTORY	"/tmp/kmemlab"

static char *file_name(int i)
{
	static char name[64];

	snprintf(name, sizeof(name), DIRECTORY "/%d", i);
	return name;
}

/* Moves every item: @pid gets the children, whose stacks are two of them. */
static void *use_memory(pid_t *pid)
{
	char *anon = mmap(NULL, ANON_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long long percpu;
	int i, fd;

	if (anon != MAP_FAILED)
		memset(anon, 1, ANON_BYTES);
	mkdir(DIRECTORY, 0700);
	for (i = 0; i < NR_FILES; i++) {
		fd = open(file_name(i), O_CREAT | O_WRONLY, 0600);
		if (fd >= 0 && write(fd, "", 1) == 1)
			close(fd);
	}
	for (i = 0; i < NR_CHILDREN; i++) {
		pid[i] = fork();
		if (!pid[i]) {
			pause();
			_exit(0);
		}
	}
	run("pool.create name=ledger1 allocator=vmalloc size=64K");
	run("pool.alloc name=ledger1 count=20");
	/* Until the chunks that are there have no more room. */
	run("pool.create name=ledger2 allocator=percpu size=4K");
	percpu = meminfo_pages("Percpu");
	for (i = 0; i < 20 && meminfo_pages("Percpu") == percpu; i++)
		run("pool.alloc name=ledger2 count=100");
	return anon;
}

static void give_back(void *anon, const pid_t *pid)
{
	int i;

	run("pool.destroy name=ledger1");
	run("pool.destroy name=ledger2");
	for (i = 0; i < NR_CHILDREN; i++)
		kill_command(pid[i]);
	for (i = 0; i < NR_FILES; i++)
		unlink(file_name(i));
	rmdir(DIRECTORY);
	munmap(anon, ANON_BYTES);
}

static long long free_moved(const struct reading *before,
			    const struct reading *after)
{
	return number_of(&after->ledger, "ledger.free_pages") -
	       number_of(&before->ledger, "ledger.free_pages");
}

/* Whether each item has grown, which others hide that give much of it back. */
static bool all_grown(const struct reading *before, const struct reading *after)
{
	int i;

	for (i = 0; i < NR_ITEMS; i++)
		if (after->outside[i] <= before->outside[i])
			return false;
	return true;
}

/*
 * How each line moved is how what another file tells of it did.  /proc/zoneinfo leaves
 * out some free pages that each CPU has not yet added to a zone's (mm/vmstat.c,
 * stat_threshold), which the ledger counts: it has a few tries.
 */
TEST_F(ledger, items)
{
	static struct reading before, after;
	bool still_before, still_after;
	pid_t pid[NR_CHILDREN];
	int i, tries = 0;
	void *anon;

	do {
		still_before = read_still(&before);
		anon = use_memory(pid);
		still_after = read_still(&after);
		give_back(anon, pid);
	} while ((!still_before || !still_after || !all_grown(&before, &after) ||
		  free_moved(&before, &after) !=
		  after.outside[NR_ITEMS] - before.outside[NR_ITEMS]) &&
		 ++tries < LOOKS);
	ASSERT_TRUE(still_before) TH_LOG("the machine never held still");
	ASSERT_TRUE(still_after) TH_LOG("the machine never held still");
	for (i = 0; i < NR_ITEMS; i++) {
		long long moved = after.outside[i] - before.outside[i];

		EXPECT_LT(0, moved) TH_LOG("%s", items[i].name);
		EXPECT_EQ(moved, number_of(&after.ledger, items[i].key) -
				 number_of(&before.ledger, items[i].key))
		TH_LOG("%s", items[i].key);
	}
	EXPECT_GT(0, after.outside[i] - before.outside[i]);
	EXPECT_EQ(after.outside[i] - before.outside[i],
		  free_moved(&before, &after));
}

/*
 * A command that keeps 100 blocks of 16 pages, and a page for the pointers to
 * them: it and nobody else has allocated, and nothing is unexplained.
 */
TEST_F(ledger, command)
{
	long long blocks = 1600, kept = blocks + 1;
	static struct record record;
	int tries;

	ASSERT_OK("pool.create name=ledger allocator=pages order=4");
	for (tries = 0; may_try(tries); tries++) {
		long long allocated = pages_allocated();

		record = *run("pool.alloc name=ledger count=100");
		allocated = pages_allocated() - allocated;
		EXPECT_EQ(kept, number_of(&record, "ledger.kept_pages"));
		EXPECT_LE(number_of(&record, "ledger.allocated_pages"),
			  allocated);
		ASSERT_EQ(-kept, number_of(run("pool.free name=ledger count=100"),
					   "ledger.kept_pages"));
		if (!number_of(&record, "ledger.unexplained_pages") &&
		    !number_of(&record, "ledger.freed_pages") &&
		    number_of(&record, "ledger.allocated_pages") == kept)
			break;
	}
	EXPECT_LT(tries, QUIET_TRIES) TH_LOG("disturbed each time");
	EXPECT_EQ(-kept, number_of(&record, "ledger.free_pages"));
	EXPECT_OK("pool.destroy name=ledger");
}

/*
 * What a group is charged for is what its own file says.  That is more than it uses: a
 * CPU charges pages ahead, and gives them back at any time, when it has to do with
 * another group.
 */
#define AHEAD_PAGES	64	/* mm/memcontrol.c, MEMCG_CHARGE_BATCH */

TEST_F(ledger, memcg)
{
	long long ahead = AHEAD_PAGES * sysconf(_SC_NPROCESSORS_ONLN);
	long long pages = 10 * ahead;
	static const char group[] = "kmemlab-ledger";
	char *anon = map_anon(pages * PAGE_BYTES);
	static struct record record;
	long long current[2], moved[2];
	char path[256];
	int i, tries;

	ASSERT_NE(MAP_FAILED, anon);
	if (!cgroup_make(group))
		SKIP(return, "no memory controller of cgroup v2");
	ASSERT_EQ(0, cgroup_enter(group));
	strcpy(path, cgroup_path(group, "memory.current"));
	for (i = 0; i < 2; i++) {
		for (tries = 0; may_try(tries); tries++) {
			current[i] = read_number(path);
			read_file(LAB "ledger", record.text,
				  sizeof(record.text));
			if (current[i] == read_number(path))
				break;
		}
		EXPECT_LT(tries, QUIET_TRIES) TH_LOG("it never held still");
		moved[i] = number_of(&record, "ledger.memcg_pages");
		memset(anon, 1, pages * PAGE_BYTES);
	}
	current[1] = (current[1] - current[0]) / (long long)PAGE_BYTES;
	EXPECT_EQ(current[1], moved[1] - moved[0]);
	EXPECT_LE(pages - ahead, current[1]);
	EXPECT_EQ(0, cgroup_enter(""));
	EXPECT_EQ(0, cgroup_remove(group));
}

static long long total_of(const char *key)
{
	static const char *const families[] = {
		"buddy", "slab", "kmalloc", "vmalloc", "ioremap", "percpu",
		"numa", "page", "gfp", "pools",
	};
	long long sum = 0;
	char path[64];
	int i;

	for (i = 0; i < ARRAY_SIZE(families); i++) {
		snprintf(path, sizeof(path), LAB "%s/stats", families[i]);
		sum += keyed_number(path, key);
	}
	return sum;
}

static int run_all(void)
{
	FILE *file = fopen(LAB "experiments", "r");
	char name[64];
	int n = 0;

	while (file && next_experiment(file, name)) {
		run("%s", name);
		n++;
	}
	if (file)
		fclose(file);
	return n;
}

/* What nobody has a pointer to, and the module's code has made. */
static bool find_leak(char *line, size_t size)
{
	scan_for_leaks();
	return find_line(KMEMLEAK, "[kmemlab]", "", line, size);
}

static void run_experiment(struct __test_metadata *_metadata, const char *name)
{
	run("%s", name);
}

/* All experiments leave the machine as they found it. */
TEST_F_TIMEOUT(ledger, nothing_lost, 480)
{
	FILE *file = fopen(LAB "experiments", "r");
	char name[64], line[256];

	ASSERT_NE(NULL, file);
	while (next_experiment(file, name))
		expect_kept(_metadata, run_experiment, name, nr_in_a_row(),
			    PAGE_BYTES);
	fclose(file);
	if (!access(KMEMLEAK, W_OK))
		EXPECT_FALSE(find_leak(line, sizeof(line))) TH_LOG("%s", line);
}

/* What it takes at the most to open and read the kernel's files, between two of them. */
#define READING_PAGES	32

/* By how many pages what was freed less what was allocated is not what came free. */
static long long uncounted(const struct record *record)
{
	return number_of(record, "ledger.freed_pages") -
	       number_of(record, "ledger.allocated_pages") -
	       number_of(record, "ledger.free_pages");
}

/*
 * What is given back is counted: the free pages have changed by what was freed less what
 * was allocated, in the record and in the kernel's own counters.
 */
TEST_F_TIMEOUT(ledger, frees, 480)
{
	FILE *file = fopen(LAB "experiments", "r");
	struct record *record;
	char name[64];

	ASSERT_NE(NULL, file);
	while (next_experiment(file, name)) {
		long long free, freed, allocated, inside, outside = 0;
		int tries;

		for (tries = 0; may_try(tries); tries++) {
			free = read_free_pages();
			freed = vmstat_number("pgfree");
			allocated = pages_allocated();
			record = run("%s", name);
			outside = vmstat_number("pgfree") - freed -
				  (pages_allocated() - allocated) -
				  (read_free_pages() - free);
			inside = uncounted(record);
			if (llabs(outside) <= READING_PAGES && !inside)
				break;
		}
		EXPECT_LT(tries, QUIET_TRIES)
		TH_LOG("%s: %lld pages in the record, %lld in vmstat", name,
		       inside, outside);
	}
	fclose(file);
}

/* The same of what a worker gives back when the command has ended (mm/percpu.c). */
TEST_F(ledger, frees_later)
{
	long long pages = 1;
	int tries;

	for (tries = 0; pages && may_try(tries); tries++)
		pages = uncounted(run("percpu.dynamic count=1000"));
	EXPECT_EQ(0, pages);
}

/*
 * Of all commands since the module was loaded, this program's among them, the
 * ledger explains more than half to the page: the median remainder is 0.
 */
TEST_F(ledger, median)
{
	long long explained, unexplained;

	/* Where no other test has run one. */
	if (!total_of("nr_explained"))
		ASSERT_LT(0, run_all());
	explained = total_of("nr_explained");
	unexplained = total_of("nr_unexplained");
	TH_LOG("explained %lld, with a remainder %lld", explained, unexplained);
	EXPECT_LT(unexplained, explained);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * What the bench counts where the processor's counter counts instructions: in a
 * guest that is emulated by the instruction (scripts/vm -x).
 */
#include "costs.h"

#include <math.h>

#define BARE	"/sys/module/bare/parameters/"

/* Before any test has begun: what a fixture's setup skips runs all the same. */
__attribute__((constructor)) static void need_machine(void)
{
	if (!counts_insns())
		ksft_exit_skip("the counter does not count instructions\n");
}

FIXTURE(exact) {};
FIXTURE_SETUP(exact) {}

FIXTURE_TEARDOWN(exact)
{
	syscall(SYS_delete_module, "bare", 0);
}

static double pair_of(const struct record *record)
{
	return cost_of(record, "whole.pair", "min");
}

/* Whole runs and calls counted by themselves are the same instructions. */
TEST_F(exact, sum)
{
	static const char *const allocators[] = { "slab size=256",
						  "kmalloc size=256",
						  "pages order=0" };
	struct record *record;
	double alloc, free;
	int i;

	for (i = 0; i < ARRAY_SIZE(allocators); i++) {
		record = run("bench.cost allocator=%s", allocators[i]);
		ASSERT_EQ(0, record->err);
		alloc = cost_of(record, "single.alloc", "min");
		free = cost_of(record, "single.free", "min");
		say("%-16s alloc %.0f + free %.0f = %.0f; in a loop %.3f",
		    allocators[i], alloc, free, alloc + free, pair_of(record));
		/* A loop has no need to put the object aside between the two. */
		EXPECT_GE(1.5, fabs(alloc + free - pair_of(record)));
	}
}

/* The same again is the same figure, to the instruction. */
TEST_F(exact, repeat)
{
	double first, again;
	struct record *record;

	record = run("bench.cost allocator=slab size=64");
	ASSERT_EQ(0, record->err);
	first = pair_of(record);
	record = run("bench.cost allocator=slab size=64");
	ASSERT_EQ(0, record->err);
	again = pair_of(record);
	EXPECT_EQ(first, again);
	EXPECT_LT(0, first);
	EXPECT_EQ(64, cell_of(record, "conditions", "spacing_bytes"));
}

/* Within 1 %, the bench counts what a loop does that another module has compiled. */
static bool is_as_bare(const char *name, const char *allocator, const char *parameter)
{
	/*
	 * So many that vmalloc() has had all that was freed back meanwhile, and
	 * its tree of areas all its shapes (mm/vmalloc.c, lazy_max_pages()).
	 */
	struct record *record = run("bench.cost allocator=%s count=128 runs=64",
				    allocator);
	double bare = read_number(parameter) / 128.0;

	say("%-8s %.3f by the bench, %.3f in a module of its own", name,
	    pair_of(record), bare);
	return !record->err && bare > 0 && fabs(pair_of(record) - bare) <= bare * 0.01;
}

/* What the tree of areas looks like at the time depends on all others, and on when. */
#define BARE_TRIES	5

TEST_F(exact, bare)
{
	int tries;

	for (tries = 0; tries < BARE_TRIES; tries++) {
		ASSERT_TRUE(load_bare("nr=128 size=256"));
		if (is_as_bare("slab", "slab size=256", BARE "slab") &&
		    is_as_bare("vmalloc", "vmalloc size=4096", BARE "area"))
			break;
		syscall(SYS_delete_module, "bare", 0);
	}
	EXPECT_LT(tries, BARE_TRIES);
}

/* Each call is on one way, and of those that are shown the commonest are first. */
TEST_F(exact, paths)
{
	long long sum = 0, before = LLONG_MAX, nr;
	struct record *record;
	char row[32];
	int i;

	record = run("bench.cost allocator=slab size=256 pattern=lifo");
	ASSERT_EQ(0, record->err);
	for (i = 1; i <= 8; i++) {
		snprintf(row, sizeof(row), "path.alloc.%d", i);
		nr = cell_of(record, row, "nr");
		if (nr == MISSING)
			break;
		say("%8.0f instructions: %lld times", cost_of(record, row, "cost"),
		    nr);
		EXPECT_LT(0, nr);
		EXPECT_GE(before, nr);
		EXPECT_LE(cost_of(record, "single.alloc", "min"),
			  cost_of(record, row, "cost"));
		EXPECT_GE(cost_of(record, "single.alloc", "max"),
			  cost_of(record, row, "cost"));
		before = nr;
		sum += nr;
	}
	/* A fast way, and one for a slab that is new. */
	EXPECT_LT(1, i - 1);
	EXPECT_GE(cell_of(record, "single.alloc", "nr"), sum);
	EXPECT_LT(cell_of(record, "single.alloc", "nr") / 2, sum);
}

/* Interrupts of the clock, all others, and changes to another task. */
static long long nr_events(void)
{
	char line[256] = "";

	find_line("/proc/interrupts", "LOC:", "", line, sizeof(line));
	return atoll(line + strcspn(line, ":") + 1) +
	       keyed_number("/proc/stat", "intr") +
	       keyed_number("/proc/stat", "ctxt");
}

/* What an interrupt fell into is counted, but not as a cost. */
TEST_F(exact, disturbed)
{
	long long before = nr_events(), events, disturbed;
	struct record *record;

	record = run("bench.cost allocator=pages order=6 runs=64");
	events = nr_events() - before;
	ASSERT_EQ(0, record->err);
	disturbed = cell_of(record, "single.alloc", "nr_disturbed") +
		    cell_of(record, "single.free", "nr_disturbed");
	say("%lld interrupts and the like: %lld calls set apart, %lld runs", events,
	    disturbed, number_of(record, "nr_runs_disturbed"));
	EXPECT_LT(0, disturbed);
	EXPECT_LE(disturbed + number_of(record, "nr_runs_disturbed"), events);
	/* What remains is the same each time: its longest has no interrupt in it. */
	EXPECT_GT(cost_of(record, "single.alloc", "min") + 1000,
		  cost_of(record, "single.alloc", "max"));
}

TEST_F(exact, compare)
{
	struct record *record;

	record = run("bench.compare allocator=slab size=256 blocks=10 slower_percent=7");
	ASSERT_EQ(0, record->err);
	say("planted 7 %%: %lld millionths; nothing planted: %lld",
	    cell_of(record, "ratio", "median_ppm"),
	    cell_of(record, "control", "median_ppm"));
	/* Of half a million instructions the planted loop misses some ten. */
	EXPECT_LE(1069900, cell_of(record, "ratio", "median_ppm"));
	EXPECT_GE(1070100, cell_of(record, "ratio", "median_ppm"));
	EXPECT_EQ(1000000, cell_of(record, "control", "median_ppm"));
	EXPECT_EQ(1, number_of(record, "differs"));
	record = run("bench.compare allocator=slab size=256 blocks=10");
	ASSERT_EQ(0, record->err);
	EXPECT_EQ(0, number_of(record, "differs"));
}

TEST_HARNESS_MAIN

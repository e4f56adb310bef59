// SPDX-License-Identifier: GPL-2.0
/* What the bench promises on any machine; exact.c is about what it counts. */
#include "costs.h"

#include <math.h>

#define RUN	"/proc/kmemlab/run"

FIXTURE(bench)
{
	long long held;
};

FIXTURE_SETUP(bench)
{
	self->held = lab_charged();
}

/* Whatever became of a command, it has given everything back. */
FIXTURE_TEARDOWN(bench)
{
	char line[256];

	write_file(CPU1_ONLINE, "1");
	EXPECT_EQ(self->held, lab_charged());
	EXPECT_FALSE(find_line("/proc/slabinfo", "kmemlab_.bench", "", line,
			       sizeof(line)));
}

/*
 * Where all of it was disturbed there is no answer, as on a kernel whose debugging
 * makes a call take as long as it is from one interrupt of the clock to the next.
 */
static struct record *run_undisturbed(const char *command)
{
	struct record *record;
	int tries = 0;

	do {
		record = run("bench.%s", command);
	} while (record->err == EBUSY && may_try(++tries));
	return record;
}

/* The record says in which unit it counts, and user space counts likewise. */
TEST_F(bench, unit)
{
	struct record *record =
		run_undisturbed("cost runs=2 count=10 spread_ms=0");
	char text[4096];

	ASSERT_EQ(0, record->err);
	EXPECT_EQ(counts_insns(), number_of(record, "exact"));
	EXPECT_TRUE(text_is(record, "unit", counts_insns() ? "insns" : "cycles"));
	ASSERT_LT(0, read_file(LAB "fingerprint", text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, counts_insns() ? "counter_unit insns\n" :
						      "counter_unit cycles\n"));
	/* The conditions that the figures hold under are with them. */
	EXPECT_NE(NULL, strstr(record->text, text));
}

static void check_costs(struct __test_metadata *_metadata,
			const struct record *record, const char *row)
{
	EXPECT_EQ(number_of(record, "nr_calls") * 4,
		  cell_of(record, row, "nr") + cell_of(record, row, "nr_disturbed"));
	if (!cell_of(record, row, "nr"))
		return;
	EXPECT_LE(0, cost_of(record, row, "min"));
	EXPECT_LE(cost_of(record, row, "min"), cost_of(record, row, "p50"));
	EXPECT_LE(cost_of(record, row, "p50"), cost_of(record, row, "p99"));
	EXPECT_LE(cost_of(record, row, "p99"), cost_of(record, row, "max"));
}

TEST_F_TIMEOUT(bench, every_allocator, 480)
{
	static const char *const allocators[] = {
		"pages order=0", "pages order=5", "pages_bulk", "slab size=256",
		"slab size=256 ctor=yes", "slab_bulk size=256",
		"mempool size=256", "kmalloc size=1000", "kzalloc size=1000",
		"vmalloc size=10000", "vzalloc size=10000",
		"kvmalloc size=10000", "vmap size=10000", "dma size=5000",
		"percpu size=100", "node node=0 order=1", "reclaimable size=256",
		"slab_magazine size=256",
	};
	static const char *const patterns[] = { "pair", "lifo", "fifo",
						"random", "remote" };
	/*
	 * A trace of who allocated each object makes one call for many of them
	 * last longer than a clock tick, which then disturbs each.
	 */
	bool traced = config_has("CONFIG_KASAN_GENERIC");
	struct record *record;
	char command[128];
	int i, k;

	for (i = 0; i < ARRAY_SIZE(allocators) * ARRAY_SIZE(patterns); i++) {
		k = i / ARRAY_SIZE(patterns);
		snprintf(command, sizeof(command),
			 "cost runs=4 spread_ms=0 pattern=%s allocator=%s",
			 patterns[i % ARRAY_SIZE(patterns)], allocators[k]);
		record = traced && strstr(command, "_bulk") ?
			 run("bench.%s", command) : run_undisturbed(command);
		if (record->err == EBUSY && traced) {
			EXPECT_EQ(1, number_of(record, "nr_calls"));
			continue;
		}
		ASSERT_EQ(0, record->err)
			TH_LOG("%s: %s", allocators[k],
			       text_of(record, "reason"));
		check_costs(_metadata, record, "single.alloc");
		check_costs(_metadata, record, "single.free");
	}
}

/* The runs take no longer than their command, by user space's own reading. */
TEST_F(bench, second_clock)
{
	unsigned long long start = read_counter(), elapsed;
	struct record *record = run("bench.cost allocator=slab size=256 runs=100");
	double half;

	elapsed = read_counter() - start;
	ASSERT_EQ(0, record->err);
	/* At least half of them cost the median or more. */
	half = cost_of(record, "whole.pair", "p50") *
	       number_of(record, "nr_calls") *
	       cell_of(record, "whole.pair", "nr_runs") / 2;
	say("half of the runs: %.0f, the command: %llu", half, elapsed);
	EXPECT_LT(0, half);
	EXPECT_GT(elapsed, half);
}

static void run_bench(struct __test_metadata *_metadata, const char *command)
{
	EXPECT_OK("bench.%s", command);
}

/* Each of its arrays has pages of its own then, and gives them back. */
TEST_F(bench, gives_back)
{
	expect_kept(_metadata, run_bench,
		    "cost allocator=slab size=64 count=1 runs=1000 spread_ms=0",
		    nr_in_a_row(), PAGE_BYTES);
	expect_kept(_metadata, run_bench,
		    "compare allocator=slab size=64 with=kmalloc count=1 blocks=200",
		    nr_in_a_row(), PAGE_BYTES);
}

#define PAIRS		8
/*
 * Where one interval in twenty is off, chance makes so many pairs of eight disjoint
 * once in two million times: 28 * 0.05 ^ 6.
 */
#define DISJOINT_MAX	5

/* The same command twice: what one finds lies where the other says that it does. */
TEST_F_TIMEOUT(bench, repeats, 480)
{
	static const char *const allocators[] = {
		"slab size=256", "kmalloc size=64", "pages order=0",
		"percpu size=64",
	};
	int i, k, nr_disjoint = 0;

	for (i = 0; i < PAIRS; i++) {
		double low[2], high[2];

		for (k = 0; k < 2; k++) {
			const struct record *record =
				run("bench.cost allocator=%s",
				    allocators[i % ARRAY_SIZE(allocators)]);
			double p50 = cost_of(record, "whole.pair", "p50");

			ASSERT_EQ(0, record->err);
			low[k] = cost_of(record, "whole.pair", "low95");
			high[k] = cost_of(record, "whole.pair", "high95");
			/* Too many blocks were disturbed, and it says so. */
			if (low[k] == MISSING) {
				EXPECT_GT(6, cell_of(record, "whole.pair",
						     "nr_blocks"));
				break;
			}
			EXPECT_LE(cost_of(record, "whole.pair", "min"), low[k]);
			EXPECT_LE(low[k], p50);
			EXPECT_LE(p50, high[k]);
		}
		if (k == 2)
			nr_disjoint += low[0] > high[1] || low[1] > high[0];
	}
	say("%d of %d pairs of intervals are disjoint", nr_disjoint, PAIRS);
	EXPECT_GE(DISJOINT_MAX, nr_disjoint);
}

/* What cannot cover what changes from one command to the next is no interval. */
TEST_F(bench, no_interval)
{
	struct record *record;

	if (counts_insns())
		SKIP(return, "bench.no_interval: the counter does not count time");
	record = run("bench.cost spread_ms=0");
	ASSERT_EQ(0, record->err);
	EXPECT_LT(0, cost_of(record, "whole.pair", "p50"));
	EXPECT_EQ(MISSING, cost_of(record, "whole.pair", "low95"));
	record = run("bench.cost runs=5");
	ASSERT_EQ(0, record->err);
	EXPECT_GE(5, cell_of(record, "whole.pair", "nr_blocks"));
	EXPECT_EQ(MISSING, cost_of(record, "whole.pair", "high95"));
	EXPECT_EQ(MISSING, cost_of(record, "whole.pair", "low95"));
}

/* As many runs, and blocks, as there are if the command does not say. */
#define NR_RAW		24
#define RAW_MAX		200
/* Shares of a run are cut off after it. */
#define THOUSANDTH	0.0011
/* The bench takes the distribution of many values, which for few is a little off. */
#define NEARLY_95	0.94

/* Figures of one kind, as a record with raw=yes has them. */
struct raw {
	double value[RAW_MAX];
	int nr;
};

static int compare_doubles(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The lower of the two in the middle, if there are two. */
static double median_of(struct raw *raw)
{
	qsort(raw->value, raw->nr, sizeof(double), compare_doubles);
	return raw->nr ? raw->value[(raw->nr - 1) / 2] : MISSING;
}

/*
 * How likely it is that the median of what values are drawn from lies between the one
 * that has so many below it and the one that has so many above.
 */
static double coverage(int nr, int outside)
{
	double term = 1, sum = 0;
	int k;

	for (k = 0; k < nr; k++)
		term /= 2;
	for (k = 0; k <= nr - outside - 1; k++) {
		if (k > outside)
			sum += term;
		term *= (double)(nr - k) / (k + 1);
	}
	return sum;
}

/* The ends of an interval are values of those, as many from either end as 95 % take. */
static void check_interval(struct __test_metadata *_metadata, const struct raw *sorted,
			   double low, double high, double tolerance)
{
	int nr = sorted->nr, i;

	for (i = 0; i < nr / 2; i++)
		if (fabs(sorted->value[i] - low) <= tolerance &&
		    fabs(sorted->value[nr - 1 - i] - high) <= tolerance &&
		    coverage(nr, i) >= NEARLY_95 && coverage(nr, i + 1) < 0.95)
			return;
	EXPECT_TRUE(false) TH_LOG("%f to %f of %d", low, high, nr);
}

/* Of the runs that were not disturbed, less what the least of the empty ones takes. */
static void check_raw(struct __test_metadata *_metadata, const struct record *record,
		      const char *side, const char *whole)
{
	long long calls = number_of(record, "nr_calls");
	struct raw blocks = {}, block = {};
	char row[32], empty_key[32];
	double empty = 1e18, least = 1e18, cost;
	int i, last = 0;

	snprintf(empty_key, sizeof(empty_key), "%s_empty", side);
	for (i = 0; i < NR_RAW; i++) {
		snprintf(row, sizeof(row), "run.%d", i);
		cost = cost_of(record, row, empty_key);
		if (cost != MISSING && cost < empty)
			empty = cost;
	}
	for (i = 0; i <= NR_RAW; i++) {
		snprintf(row, sizeof(row), "run.%d", i);
		if (i == NR_RAW || cell_of(record, row, "block") != last) {
			cost = median_of(&block);
			if (cost != MISSING)
				blocks.value[blocks.nr++] = cost;
			block.nr = 0;
			last++;
		}
		cost = cost_of(record, row, side);
		if (cost == MISSING)
			continue;
		cost = (cost > empty ? cost - empty : 0) / calls;
		block.value[block.nr++] = cost;
		if (cost < least)
			least = cost;
	}
	EXPECT_LT(fabs(least - cost_of(record, whole, "min")), THOUSANDTH);
	EXPECT_EQ(blocks.nr, cell_of(record, whole, "nr_blocks"));
	EXPECT_LT(fabs(median_of(&blocks) - cost_of(record, whole, "p50")), THOUSANDTH);
	if (cost_of(record, whole, "low95") != MISSING)
		check_interval(_metadata, &blocks, cost_of(record, whole, "low95"),
			       cost_of(record, whole, "high95"), THOUSANDTH);
}

/* The figures of a measurement are what its runs make them. */
TEST_F(bench, raw)
{
	const struct record *record;

	record = run_undisturbed("cost raw=yes allocator=slab size=256 pattern=lifo");
	ASSERT_EQ(0, record->err);
	check_raw(_metadata, record, "alloc", "whole.alloc");
	check_raw(_metadata, record, "free", "whole.free");
	record = run_undisturbed("cost raw=yes");
	ASSERT_EQ(0, record->err);
	check_raw(_metadata, record, "pair", "whole.pair");
}

/* And those of a comparison what its blocks make them. */
TEST_F(bench, raw_blocks)
{
	static const struct {
		const char *row, *key;
	} kinds[] = {
		{ "ratio", "ratio_ppm" }, { "control", "control_ppm" },
	};
	const struct record *record =
		run_undisturbed("compare allocator=slab size=256 with=kmalloc raw=yes");
	struct raw raw;
	char row[32];
	int i, k;

	ASSERT_EQ(0, record->err);
	for (k = 0; k < ARRAY_SIZE(kinds); k++) {
		raw.nr = number_of(record, "nr_blocks");
		ASSERT_GE(RAW_MAX, raw.nr);
		for (i = 0; i < raw.nr; i++) {
			snprintf(row, sizeof(row), "block.%d", i);
			raw.value[i] = cell_of(record, row, kinds[k].key);
		}
		EXPECT_EQ(median_of(&raw), cell_of(record, kinds[k].row, "median_ppm"));
		check_interval(_metadata, &raw, cell_of(record, kinds[k].row, "low95_ppm"),
			       cell_of(record, kinds[k].row, "high95_ppm"), 0);
	}
}

TEST_F(bench, refusals)
{
	static const struct {
		const char *command;
		int err;
		const char *reason;
	} bad[] = {
		{ "cost allocator=none", EINVAL },
		{ "cost allocator=slab", EINVAL },
		{ "cost allocator=slab size=0", ERANGE },
		{ "cost allocator=slab size=1G", ERANGE },
		{ "cost allocator=slab size=64 align=3", ERANGE },
		{ "cost allocator=pages order=99", ERANGE },
		{ "cost pattern=none", EINVAL },
		{ "cost count=200 runs=1000", ERANGE,
		  "1000 runs of 200 calls are more than 131072" },
		{ "cost count=100000 runs=1000", ERANGE },
		{ "cost count=200000", ERANGE },
		{ "cost runs=0", ERANGE },
		{ "cost pattern=remote cpu=8000", ERANGE },
		{ "cost allocator=vmalloc size=1G pattern=lifo count=1000 runs=1",
		  EDQUOT },
		{ "compare with=none", EINVAL },
		{ "compare with=slab", EINVAL },
		{ "compare allocator=kmalloc size=64 with=vmalloc count=200000", ERANGE },
		{ "compare slower_percent=101", ERANGE },
		{ "compare blocks=1", ERANGE },
	};
	struct record *record;
	char command[128];
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(command, sizeof(command), "bench.%s", bad[i].command);
		record = run("%s", command);
		EXPECT_EQ(bad[i].err, record->err)
			TH_LOG("%s", command);
		EXPECT_NE(NULL, text_of(record, "reason"))
			TH_LOG("%s", command);
		if (bad[i].reason)
			EXPECT_TRUE(text_is(record, "reason", bad[i].reason))
			TH_LOG("%s", text_of(record, "reason"));
	}
}

/*
 * The other CPU goes while objects are on their way to it: so often that its worker is
 * about to begin once, of which it is one time in four.
 */
TEST_F(bench, offline)
{
	pid_t pid;
	int i;

	if (access(CPU1_ONLINE, W_OK))
		SKIP(return, "bench.offline: no second CPU that can be taken away");
	for (i = 0; i < 10; i++) {
		pid = run_aside(RUN,
				"bench.cost allocator=slab size=8 pattern=remote cpu=1 count=99 runs=999");
		usleep(100000);
		ASSERT_FALSE(has_ended(pid));
		ASSERT_EQ(0, write_file(CPU1_ONLINE, "0"));
		EXPECT_EQ(ERANGE, exit_code_of(pid));
		EXPECT_EQ(ERANGE, run("bench.cost pattern=remote cpu=1")->err);
		ASSERT_EQ(0, write_file(CPU1_ONLINE, "1"));
	}
	EXPECT_OK("bench.cost pattern=remote cpu=1 runs=2 count=10 spread_ms=0");
}

TEST_F(bench, killed)
{
	static const char command[] =
		"bench.cost allocator=vmalloc size=64K pattern=lifo runs=999";

	EXPECT_TRUE(ends_when_killed(run_aside(RUN, command), 300000));
}

/* One waits for the other, and each has its own record. */
TEST_F(bench, two_at_once)
{
	pid_t pid = run_aside(RUN, "bench.cost allocator=slab size=64 runs=100");
	struct record *record =
		run_undisturbed("cost allocator=kmalloc size=128 runs=2 spread_ms=0");

	EXPECT_EQ(0, record->err);
	EXPECT_TRUE(text_is(record, "allocator", "kmalloc"));
	EXPECT_EQ(0, exit_code_of(pid));
}

/* What takes half as long again is found to; a busy machine may hide it once. */
TEST_F(bench, compare)
{
	struct record *record;
	int tries;

	for (tries = 0; tries < 3; tries++) {
		record = run_undisturbed("compare allocator=slab size=256 slower_percent=50");
		if (number_of(record, "differs") == 1)
			break;
	}
	ASSERT_EQ(0, record->err);
	say("a half slower: %lld to %lld millionths, alike: %lld to %lld",
	    cell_of(record, "ratio", "low95_ppm"),
	    cell_of(record, "ratio", "high95_ppm"),
	    cell_of(record, "control", "low95_ppm"),
	    cell_of(record, "control", "high95_ppm"));
	EXPECT_LT(1000000, cell_of(record, "ratio", "low95_ppm"));
	EXPECT_LE(cell_of(record, "ratio", "low95_ppm"),
		  cell_of(record, "ratio", "median_ppm"));
	EXPECT_LE(cell_of(record, "ratio", "median_ppm"),
		  cell_of(record, "ratio", "high95_ppm"));
	EXPECT_EQ(1, number_of(record, "differs"));
}

TEST_HARNESS_MAIN

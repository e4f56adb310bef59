// SPDX-License-Identifier: GPL-2.0
/*
 * How pools and the bench do where there is much of everything: figures with the
 * targets that they are held to.  make bench-scale runs this in an exact guest and
 * in one with two CPUs; each test says what it needs.
 */
#include "costs.h"

#include <sys/param.h>

#define MILLIONS	10000000L
#define TEST_SECONDS	600

LAB_FIXTURE(scale);

/* A row: what it is, the figure, and what it must not exceed. */
static void at_most(struct __test_metadata *_metadata, const char *what,
		    double figure, double limit)
{
	say("%-58s %9.3f  at most %g", what, figure, limit);
	EXPECT_TRUE(figure <= limit);
}

static void at_least(struct __test_metadata *_metadata, const char *what,
		     double figure, double limit)
{
	say("%-58s %9.3f  at least %g", what, figure, limit);
	EXPECT_TRUE(figure >= limit);
}

/* What a bare loop of the tests' own module takes, for each round. */
static double bare_cost(const char *loop, long nr, const char *parameters)
{
	char text[128];
	double cost = 0;

	snprintf(text, sizeof(text), "loops=%s nr=%ld %s", loop, nr, parameters);
	if (!load_bare(text))
		return 0;
	snprintf(text, sizeof(text), "/sys/module/bare/parameters/%s", loop);
	cost = (double)read_number(text) / nr;
	syscall(SYS_delete_module, "bare", 0);
	return cost;
}

/* What a pool's command takes, for each object. */
static double pool_cost(const char *verb, long nr, const char *more)
{
	unsigned long long start = read_counter();
	struct record *record = run("pool.%s name=scale count=%ld %s", verb, nr,
				    more);

	return record->err ? 0 : (double)(read_counter() - start) / nr;
}

static double distance_of(double a, double b)
{
	return 100 * (a > b ? a - b : b - a) / b;
}

#define ALTERNATIONS	4

/*
 * One and the other in turns, and the least of each: what vmalloc() takes depends
 * on the shape of its tree of areas, which is another each time.
 */
static void check_bare(struct __test_metadata *_metadata, const char *what,
		       const char *allocator, const char *loop)
{
	double bare = 1e12, bench = 1e12;
	int i;

	for (i = 0; i < ALTERNATIONS; i++) {
		struct record *record =
			run("bench.cost allocator=%s count=128 runs=64",
			    allocator);

		double alone = bare_cost(loop, 128, "size=256");

		ASSERT_EQ(0, record->err);
		bench = MIN(bench, cost_of(record, "whole.pair", "min"));
		bare = MIN(bare, alone);
	}
	ASSERT_LT(0, bare);
	at_most(_metadata, what, distance_of(bench, bare), 1);
}

TEST_F_TIMEOUT(scale, bare, TEST_SECONDS)
{
	if (!counts_insns())
		SKIP(return, "scale.bare: the counter does not count instructions");
	check_bare(_metadata, "slab pair, % from a bare loop", "slab size=256",
		   "slab");
	check_bare(_metadata, "vmalloc pair, % from a bare loop",
		   "vmalloc size=4096", "area");
}

/* Ten million objects of 64 bytes, and what there is to each. */
TEST_F_TIMEOUT(scale, millions, TEST_SECONDS)
{
	double bare, filled;
	char text[4096];

	if (!counts_insns())
		SKIP(return, "scale.millions: the counter does not count instructions");
	bare = bare_cost("fill", MILLIONS, "size=64 tries=1");
	ASSERT_NE(0, bare);
	ASSERT_OK("pool.create name=scale allocator=slab size=64");
	filled = pool_cost("alloc", MILLIONS, "");
	ASSERT_NE(0, filled);
	at_most(_metadata, "10^7 objects filled in, for a bare loop of it",
		filled / bare, 1.10);
	at_most(_metadata, "bookkeeping, bytes an object",
		(double)pool_number("scale", "bookkeeping_bytes") / MILLIONS, 8.25);
	ASSERT_LT(0, read_file(LAB "pools/scale/stats", text, sizeof(text)));
	EXPECT_OK("pool.destroy name=scale");
}

TEST_F_TIMEOUT(scale, frees, TEST_SECONDS)
{
	static const char *const orders[] = { "lifo", "fifo", "random" };
	double few, many;
	char what[64];
	int i;

	if (!counts_insns())
		SKIP(return, "scale.frees: the counter does not count instructions");
	ASSERT_OK("pool.create name=scale allocator=slab size=64");
	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		snprintf(what, sizeof(what), "order=%s", orders[i]);
		ASSERT_NE(0, pool_cost("alloc", 10000, ""));
		few = pool_cost("free", 10000, what);
		ASSERT_NE(0, pool_cost("alloc", 1000000, ""));
		many = pool_cost("free", 1000000, what);
		ASSERT_NE(0, few);
		snprintf(what, sizeof(what),
			 "%s, %% from 10^4 objects to 10^6", orders[i]);
		at_most(_metadata, what, distance_of(many, few), 10);
	}
	EXPECT_OK("pool.destroy name=scale");
}

/* The least that it takes to read a file. */
static double read_cost(const char *path)
{
	unsigned long long least = -1ULL, start, took;
	static char text[1 << 20];
	int i;

	for (i = 0; i < 20; i++) {
		start = read_counter();
		read_file(path, text, sizeof(text));
		took = read_counter() - start;
		if (took < least)
			least = took;
	}
	return least;
}

TEST_F_TIMEOUT(scale, stats, TEST_SECONDS)
{
	double few, many;

	if (!counts_insns())
		SKIP(return, "scale.stats: the counter does not count instructions");
	ASSERT_OK("pool.create name=scale allocator=slab size=64");
	/* As many digits, for those cost something to print. */
	ASSERT_NE(0, pool_cost("alloc", MILLIONS, ""));
	many = read_cost(LAB "pools/scale/stats");
	ASSERT_NE(0, pool_cost("free", MILLIONS - 10, ""));
	few = read_cost(LAB "pools/scale/stats");
	at_most(_metadata, "stats read, % from 10 objects to 10^7",
		distance_of(many, few), 5);
	EXPECT_OK("pool.destroy name=scale");
}

#define POOLS	1000
#define PART	100

static const char *const mixed[] = {
	"slab size=64", "kmalloc size=64", "pages order=0", "vmalloc size=4096",
	"percpu size=64", "slab_bulk size=128", "mempool size=64",
	"slab_magazine size=64", "kvmalloc size=64", "vmap size=4096",
};

/* The least that one of a hundred pools takes, of each kind the same number. */
static double pools_cost(struct __test_metadata *_metadata, bool create, int from)
{
	unsigned long long start = read_counter();
	int i;

	for (i = from; create && i < from + PART; i++)
		EXPECT_OK("pool.create name=p%d allocator=%s", i,
			  mixed[i % ARRAY_SIZE(mixed)]);
	for (i = from; !create && i < from + PART; i++)
		EXPECT_OK("pool.destroy name=p%d", i);
	return (double)(read_counter() - start) / PART;
}

TEST_F_TIMEOUT(scale, thousand, TEST_SECONDS)
{
	double created[POOLS / PART], destroyed[POOLS / PART];
	double few = 0, many;
	int i;

	if (!counts_insns())
		SKIP(return, "scale.thousand: the counter does not count instructions");
	for (i = 0; i < POOLS / PART; i++) {
		created[i] = pools_cost(_metadata, true, i * PART);
		if (!i)
			few = read_cost("/proc/kmemlab/pools") / PART;
	}
	many = read_cost("/proc/kmemlab/pools") / POOLS;
	for (i = 0; i < POOLS / PART; i++)
		destroyed[i] = pools_cost(_metadata, false, i * PART);
	/*
	 * What went through all pools would take ten times as much.  What is
	 * waited for is in it: one CPU's RCU.
	 */
	at_most(_metadata, "1000 pools: the last 100 made, for the first",
		created[POOLS / PART - 1] / created[0], 2);
	at_most(_metadata, "            the first 100 destroyed, for the last",
		destroyed[0] / destroyed[POOLS / PART - 1], 2);
	at_most(_metadata, "            a row of the list, for one of 100",
		many / few, 2);
}

TEST_F_TIMEOUT(scale, magazines, TEST_SECONDS)
{
	struct record *record;
	char text[4096];
	double bare;

	if (!counts_insns())
		SKIP(return, "scale.magazines: the counter does not count instructions");
	ASSERT_LT(0, read_file(LAB "fingerprint", text, sizeof(text)));
	if (!strstr(text, "init_on_alloc 0\n"))
		SKIP(return, "scale.magazines: this kernel clears what it allocates");
	bare = bare_cost("slab", 1000, "size=256");
	record = run("bench.cost allocator=slab_magazine size=256");
	ASSERT_EQ(0, record->err);
	ASSERT_NE(0, bare);
	at_most(_metadata, "a pair from magazines, for a bare pair of the cache",
		cost_of(record, "whole.pair", "min") / bare, 0.25);
}

#define ROUNDS	5

/* Seconds that so many CPUs take, each with as much to do. */
static double time_of(int nr_cpus)
{
	double start = seconds();
	int cpu, i;

	for (cpu = 0; cpu < nr_cpus; cpu++) {
		if (fork())
			continue;
		if (!pin_to_cpu(cpu))
			_exit(1);
		for (i = 0; i < ROUNDS; i++) {
			/* By files of its own: one file runs one command at a time. */
			write_file(LAB "pools/scale/alloc", "200000");
			write_file(LAB "pools/scale/free", "200000");
		}
		_exit(0);
	}
	while (wait(NULL) > 0)
		;
	return seconds() - start;
}

TEST_F_TIMEOUT(scale, throughput, TEST_SECONDS)
{
	double one, both, best = 0;
	int i;

	if (counts_insns() || access(CPU1_ONLINE, F_OK))
		SKIP(return, "scale.throughput: not two CPUs that run at once");
	ASSERT_OK("pool.create name=scale allocator=slab size=64");
	time_of(2);
	/* Whatever else the host does makes it less, not more. */
	for (i = 0; i < 3; i++) {
		one = time_of(1);
		both = time_of(2);
		if (2 * one / both > best)
			best = 2 * one / both;
	}
	at_least(_metadata, "two CPUs on one pool, for one CPU", best, 1.6);
	EXPECT_OK("pool.destroy name=scale");
}

#define TRIALS	20

static int nr_found(struct __test_metadata *_metadata, int percent)
{
	int i, found = 0;

	for (i = 0; i < TRIALS; i++) {
		struct record *record =
			run("bench.compare allocator=slab size=256 slower_percent=%d",
			    percent);

		EXPECT_EQ(0, record->err);
		found += number_of(record, "differs") == 1;
	}
	return found;
}

TEST_F_TIMEOUT(scale, statistics, TEST_SECONDS)
{
	if (counts_insns())
		SKIP(return, "scale.statistics: nothing is uncertain here");
	at_least(_metadata, "7 % slower: found, of 20 runs",
		 nr_found(_metadata, 7), 19);
	at_most(_metadata, "nothing slower: found all the same, of 20 runs",
		nr_found(_metadata, 0), 1);
}

#define PAIRS	100

/* The same command twice, over and over: that may go wrong for one in twenty. */
TEST_F_TIMEOUT(scale, repeats, TEST_SECONDS)
{
	static const char *const allocators[] = {
		"slab size=256", "kmalloc size=64", "pages order=0",
		"pages order=4", "vmalloc size=4096", "percpu size=64",
	};
	int i, k, nr_disjoint = 0;

	if (counts_insns())
		SKIP(return, "scale.repeats: nothing is uncertain here");
	for (i = 0; i < PAIRS; i++) {
		double low[2] = {}, high[2] = {};

		for (k = 0; k < 2; k++) {
			const struct record *record =
				run("bench.cost allocator=%s",
				    allocators[i % ARRAY_SIZE(allocators)]);

			EXPECT_EQ(0, record->err);
			low[k] = cost_of(record, "whole.pair", "low95");
			high[k] = cost_of(record, "whole.pair", "high95");
		}
		nr_disjoint += low[0] > high[1] || low[1] > high[0];
	}
	at_most(_metadata, "a command twice: intervals that are disjoint, of 100",
		nr_disjoint, 5);
}

TEST_HARNESS_MAIN

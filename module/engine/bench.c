// SPDX-License-Identifier: GPL-2.0
/*
 * The bench: what the calls of an allocator cost.
 *
 * Costs are counted in two ways.  A run of many calls is counted as a whole, with
 * nothing in between but the loop's own instructions; the same loop without the
 * call is counted in the same breath and taken off.  And each call is counted by
 * itself, so that what is rare shows beside what is common.
 *
 * Where the counter counts instructions both are exact.  Elsewhere time is
 * counted, and what it takes changes: from moment to moment with what else the
 * machine does, and from one cache to the next with where it lies.  So the runs are
 * in blocks, far enough apart that what lasts for some is over for others, and each
 * with a cache of its own; what is said is the median of the blocks, and the
 * interval that it lies in with 95 %.
 */
#include <linux/cpumask.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/prandom.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "core/clock.h"
#include "core/context.h"
#include "core/family.h"
#include "core/loops.h"
#include "engine/bench.h"
#include "engine/fingerprint.h"
#include "engine/observe.h"
#include "engine/registry.h"

/* No pool can have these names: two caches must never have the same one. */
#define BENCH_NAME	".bench"

/* A run that was disturbed is done again, so often. */
#define BENCH_TRIES	8
/*
 * What a run is to cost, in units of the counter, so that most are over before
 * the next interrupt of the clock, and may cost at the most; and the most bytes
 * and calls that it has where the bench chooses.
 */
#define BENCH_RUN_COST	1000000
#define BENCH_RUN_MAX	(200 * BENCH_RUN_COST)
#define BENCH_RUN_BYTES	SZ_32M
#define BENCH_COUNT	1024
/* The commonest costs of one call that a record has. */
#define BENCH_PATHS	8
/* Calls counted by themselves, in all runs together. */
#define BENCH_CALLS_MAX	(128 * 1024)
/*
 * So many blocks of runs, or sets of rivals, each with caches of its own; and
 * different objects that the runs of rivals begin at.
 */
#define BENCH_SETS	8
#define BENCH_PLACES	4
/*
 * The fewest values whose range the median lies in with 95 %: it is outside where
 * all of them are on one side of it, which is so for one in 32.
 */
#define BENCH_INTERVAL_MIN	6
/* Over how long the blocks are spread, so that their interval holds. */
#define BENCH_SPREAD_MS	800
/* The same random order each time, so that figures can be compared. */
#define BENCH_SEED	1994

#define MILLI		1000
#define PPM		1000000

enum bench_pattern {
	BENCH_PAIR,
	BENCH_LIFO,
	BENCH_FIFO,
	BENCH_RANDOM,
	BENCH_REMOTE,
};

/* The shapes of all loops, with nothing in them. */
LAB_WHOLE_LOOPS(empty, 1,
		OPTIMIZER_HIDE_VAR(got),
		*objects = got,
		got = *objects,
		asm volatile("" : : "r" (got)))
LAB_WHOLE_LOOPS(empty_bulk, LAB_BULK,
		OPTIMIZER_HIDE_VAR(got),
		,
		,
		asm volatile("" : : "r" (objects) : "memory"))

static const struct lab_loops empty_loops = {
	.per_call = 1,
	.pairs = empty_pairs,
	.allocs = empty_allocs,
	.frees = empty_frees,
};

static const struct lab_loops empty_bulk_loops = {
	.per_call = LAB_BULK,
	.pairs = empty_bulk_pairs,
	.allocs = empty_bulk_allocs,
	.frees = empty_bulk_frees,
};

/**
 * struct bench - a measurement
 * @run:	the command
 * @clock:	what the counter counts
 * @source:	what is measured
 * @loops:	its loops
 * @pattern:	in which order objects are freed, and where
 * @alloc_cpu:	where objects are allocated, for BENCH_REMOTE
 * @free_cpu:	where they are freed, for BENCH_REMOTE
 * @count:	calls in a run
 * @may_choose:	the command does not say how many
 * @nr_runs:	how many runs
 * @nr_blocks:	how many blocks they are in
 * @spread_ms:	how long it is from the first block to the last, besides what the
 *		runs take
 * @sets:	caches for the blocks, one each; a single one where the counter
 *		counts instructions, to which it makes no difference; owner: this
 *		struct
 * @nr_sets:	how many of these are open
 * @objects:	of a run; owner: this struct
 * @nr_held:	calls whose objects are in @objects
 * @ballast:	objects that are held meanwhile: where an object lies makes a
 *		difference to what it costs, so no two runs are to begin with the
 *		same; owner: this struct
 * @nr_places:	calls whose objects @ballast has room for
 * @nr_ballast:	calls whose objects are in @ballast
 * @single:	what each call costs, @count for each run; owner: this struct
 * @whole:	what the calls of each run cost together; for BENCH_PAIR both of
 *		them as @alloc; owner: this struct
 * @hollow:	what the loops of each run cost with nothing in them; likewise
 * @pmu:	counts retired instructions; NULL where nothing does; owner: this
 *		struct
 * @retired:	instructions of each run, and then of each hollow one; owner: this
 *		struct
 * @sorted:	room to sort the costs of all calls; owner: this struct
 * @nr_disturbed: runs that were done again
 * @last_retired: instructions of the last run, with what it takes to begin one
 * @spin:	rounds of clock_spin() in each run of slow_steps
 * @now:	the loops at hand
 * @cost:	where the step at hand puts costs
 */
struct bench {
	struct lab_run *run;
	struct clock_facts clock;
	struct lab_source source;
	const struct lab_loops *loops;
	enum bench_pattern pattern;
	unsigned int alloc_cpu;
	unsigned int free_cpu;
	size_t count;
	bool may_choose;
	size_t nr_runs;
	size_t nr_blocks;
	unsigned int spread_ms;
	struct bench *sets;
	size_t nr_sets;
	void **objects;
	size_t nr_held;
	void **ballast;
	size_t nr_places;
	size_t nr_ballast;
	struct lab_cost *single;
	struct lab_cost *whole;
	struct lab_cost *hollow;
	struct perf_event *pmu;
	u64 *retired;
	u64 *sorted;
	u64 nr_disturbed;
	u64 last_retired;
	u64 spin;

	const struct lab_loops *now;
	struct lab_cost *cost;
};

/* One step of a run: on the CPU where it belongs, with no other in between. */

static int whole_pairs(void *arg)
{
	struct bench *b = arg;
	size_t failed;

	CLOCK_COUNT(b->cost->alloc,
		    failed = b->now->pairs(&b->source, b->count));
	b->cost->free = 0;
	return failed ? -ENOMEM : 0;
}

/* The same, made slower. */
static int slow_pairs(void *arg)
{
	struct bench *b = arg;
	size_t failed;

	CLOCK_COUNT(b->cost->alloc, ({
		failed = b->now->pairs(&b->source, b->count);
		clock_spin(b->spin);
	}));
	b->cost->free = 0;
	return failed ? -ENOMEM : 0;
}

static int whole_allocs(void *arg)
{
	struct bench *b = arg;
	size_t failed;

	CLOCK_COUNT(b->cost->alloc,
		    failed = b->now->allocs(&b->source, b->count, b->objects));
	b->nr_held = b->count - failed;
	return failed ? -ENOMEM : 0;
}

static int whole_frees(void *arg)
{
	struct bench *b = arg;

	CLOCK_COUNT(b->cost->free,
		    b->now->frees(&b->source, b->nr_held, b->objects));
	b->nr_held = 0;
	return 0;
}

static int single_pairs(void *arg)
{
	struct bench *b = arg;

	return b->now->count_pairs(&b->source, b->count, b->cost) ? -ENOMEM : 0;
}

static int single_allocs(void *arg)
{
	struct bench *b = arg;
	size_t failed;

	failed = b->now->count_allocs(&b->source, b->count, b->objects,
				      b->cost);
	b->nr_held = b->count - failed;
	return failed ? -ENOMEM : 0;
}

static int single_frees(void *arg)
{
	struct bench *b = arg;

	b->now->count_frees(&b->source, b->nr_held, b->objects, b->cost);
	b->nr_held = 0;
	return 0;
}

/* The steps of a run, with costs of all calls together or of each. */
struct bench_steps {
	int (*pairs)(void *bench);
	int (*allocs)(void *bench);
	int (*frees)(void *bench);
};

static const struct bench_steps whole_steps = {
	.pairs = whole_pairs,
	.allocs = whole_allocs,
	.frees = whole_frees,
};

static const struct bench_steps slow_steps = {
	.pairs = slow_pairs,
};

static const struct bench_steps single_steps = {
	.pairs = single_pairs,
	.allocs = single_allocs,
	.frees = single_frees,
};

static int do_step(struct bench *b, int (*step)(void *bench), unsigned int cpu)
{
	int err;

	if (b->pattern == BENCH_REMOTE)
		return context_on(cpu, step, b, b->run->reason);
	migrate_disable();
	err = step(b);
	migrate_enable();
	return err;
}

/* Puts the objects of a batch in the order in which they are to be freed. */
static void arrange(struct bench *b)
{
	size_t nr = b->count * b->loops->per_call, i, other;
	struct rnd_state random;

	prandom_seed_state(&random, BENCH_SEED);
	for (i = nr - 1; i && b->pattern == BENCH_RANDOM; i--) {
		other = prandom_u32_state(&random) % (i + 1);
		swap(b->objects[i], b->objects[other]);
	}
	for (i = 0; i < nr / 2 && b->pattern == BENCH_LIFO; i++)
		swap(b->objects[i], b->objects[nr - 1 - i]);
}

/* One run of @b->count calls. */
static int do_run(struct bench *b, const struct lab_loops *loops,
		  const struct bench_steps *steps, struct lab_cost *cost)
{
	int err;

	b->now = loops;
	b->cost = cost;
	if (b->pattern == BENCH_PAIR)
		return do_step(b, steps->pairs, 0);
	err = do_step(b, steps->allocs, b->alloc_cpu);
	if (err)
		return err;
	arrange(b);
	return do_step(b, steps->frees, b->free_cpu);
}

static bool is_disturbed(const struct lab_cost *cost)
{
	return cost->alloc == CLOCK_DISTURBED || cost->free == CLOCK_DISTURBED;
}

/* A run that is counted as a whole, again where it was disturbed. */
static int do_whole(struct bench *b, const struct lab_loops *loops,
		    const struct bench_steps *steps, struct lab_cost *cost)
{
	int tries, err = 0;

	for (tries = 0; !err && tries < BENCH_TRIES; tries++) {
		b->last_retired = clock_read_retired(b->pmu);
		err = do_run(b, loops, steps, cost);
		b->last_retired = clock_read_retired(b->pmu) - b->last_retired;
		if (!err)
			err = context_breathe(b->run->reason);
		if (err || !is_disturbed(cost))
			break;
		b->nr_disturbed++;
	}
	return err;
}

/*
 * The loops with nothing in them, where @b has no objects.  They are counted here,
 * wherever the others are.
 */
static int do_hollow(struct bench *b, struct lab_cost *cost)
{
	struct bench hollow = *b;
	int err;

	if (b->pattern == BENCH_REMOTE)
		hollow.pattern = BENCH_FIFO;
	err = do_whole(&hollow,
		       b->loops->per_call == 1 ? &empty_loops :
						 &empty_bulk_loops,
		       &whole_steps, cost);
	b->nr_disturbed = hollow.nr_disturbed;
	b->last_retired = hollow.last_retired;
	return err;
}

/*
 * Once for caches, page tables and code that is not there yet; and with half as
 * many calls where a run of one that may choose them is always disturbed.
 */
static int warm_up(struct bench *b)
{
	struct lab_cost cost;
	int err;

	do {
		err = do_whole(b, b->loops, &whole_steps, &cost);
		if (err || !b->may_choose || !is_disturbed(&cost))
			break;
		b->count = b->count / 2 ?: 1;
	} while (b->count > 1);
	b->nr_disturbed = 0;
	return err;
}

static void drop_ballast(struct bench *b)
{
	b->loops->frees(&b->source, b->nr_ballast, b->ballast);
	b->nr_ballast = 0;
}

/* Holds one call's objects more, so that the next run gets others. */
static int hold_more(struct bench *b)
{
	void **objects;

	if (b->nr_ballast == b->nr_places)
		drop_ballast(b);
	objects = b->ballast + b->nr_ballast * b->loops->per_call;
	if (b->loops->allocs(&b->source, 1, objects))
		return -ENOMEM;
	b->nr_ballast++;
	return 0;
}

static size_t block_of(const struct bench *b, size_t run)
{
	return run * b->nr_blocks / b->nr_runs;
}

/* Waits until the next block is to begin. */
static int await_block(struct bench *b)
{
	if (!b->spread_ms || b->nr_blocks < 2)
		return 0;
	return context_hold(b->spread_ms / (b->nr_blocks - 1), b->run->reason);
}

/* Run @i of @b, with the source of @set. */
static int measure_run(struct bench *b, struct bench *set, size_t i)
{
	int err;

	err = hold_more(set);
	if (err)
		return err;
	err = do_whole(set, b->loops, &whole_steps, &b->whole[i]);
	if (err)
		return err;
	b->retired[i] = set->last_retired;
	err = do_hollow(set, &b->hollow[i]);
	if (err)
		return err;
	b->retired[b->nr_runs + i] = set->last_retired;
	err = do_run(set, b->loops, &single_steps, &b->single[i * b->count]);
	if (err)
		return err;
	return context_breathe(b->run->reason);
}

static int measure(struct bench *b)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < b->nr_runs; i++) {
		if (i && block_of(b, i) != block_of(b, i - 1))
			err = await_block(b);
		if (!err)
			err = measure_run(b, &b->sets[block_of(b, i) % b->nr_sets],
					  i);
	}
	for (i = 0; i < b->nr_sets; i++)
		b->nr_disturbed += b->sets[i].nr_disturbed;
	return err;
}

/* What was counted, in order */

static int compare_u64(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static u64 quantile(const u64 *sorted, size_t nr, unsigned int percent)
{
	return sorted[(nr - 1) * percent / 100];
}

/*
 * How many values at either end lie outside the interval that the median is in
 * with 95 %.  From the binomial distribution: the interval begins with value
 * (n - 1.96 sqrt(n)) / 2, counted from 1, and with the least where there are few.
 */
static size_t nr_outside(size_t nr)
{
	u64 first = (100ULL * nr - min_t(u64, int_sqrt64(38416ULL * nr),
					 100ULL * nr)) / 200;

	return first ? first - 1 : 0;
}

/* Which of the two costs of a call or a run. */
enum bench_side {
	BENCH_ALLOC,
	BENCH_FREE,
};

static u64 cost_of(const struct lab_cost *cost, enum bench_side side)
{
	return side == BENCH_ALLOC ? cost->alloc : cost->free;
}

/* Puts the costs that were not disturbed in order; returns how many. */
static size_t sort_costs(u64 *sorted, const struct lab_cost *cost, size_t nr,
			 enum bench_side side, u64 less)
{
	size_t i, n = 0;

	for (i = 0; i < nr; i++) {
		u64 value = cost_of(&cost[i], side);

		if (value != CLOCK_DISTURBED)
			sorted[n++] = max(value, less) - less;
	}
	sort(sorted, n, sizeof(*sorted), compare_u64, NULL);
	return n;
}

static void cost_cell(struct bench *b, const char *what, u64 cost)
{
	char key[32];

	snprintf(key, sizeof(key), "%s_%s", what, b->clock.unit);
	record_cell(&b->run->record, key, cost);
}

/* Of a run, for each object, in thousandths. */
static void share_cell_in(struct bench *b, const char *what, const char *unit,
			  u64 cost)
{
	u64 milli = div64_u64(cost * MILLI, b->count * b->loops->per_call);
	char key[32];

	snprintf(key, sizeof(key), "%s_%s", what, unit);
	record_cell_text(&b->run->record, key, "%llu.%03llu", milli / MILLI,
			 milli % MILLI);
}

static void share_cell(struct bench *b, const char *what, u64 cost)
{
	share_cell_in(b, what, b->clock.unit, cost);
}

/* Puts the medians of the blocks in order; returns how many blocks have one. */
static size_t sort_blocks(struct bench *b, enum bench_side side, u64 less)
{
	size_t first, end, n, nr = 0;

	for (first = 0; first < b->nr_runs; first = end) {
		for (end = first + 1; end < b->nr_runs; end++)
			if (block_of(b, end) != block_of(b, first))
				break;
		n = sort_costs(b->sorted + nr, &b->whole[first], end - first,
			       side, less);
		if (n) {
			b->sorted[nr] = quantile(b->sorted + nr, n, 50);
			nr++;
		}
	}
	sort(b->sorted, nr, sizeof(*b->sorted), compare_u64, NULL);
	return nr;
}

/* Whether the blocks have seen what changes from one command to the next. */
static bool covers(const struct bench *b, size_t nr_blocks)
{
	return nr_blocks >= BENCH_INTERVAL_MIN &&
	       (b->clock.exact || b->spread_ms >= BENCH_SPREAD_MS);
}

static int record_whole(struct bench *b, const char *name, enum bench_side side)
{
	size_t nr, outside;
	u64 empty;

	nr = sort_costs(b->sorted, b->hollow, b->nr_runs, side, 0);
	empty = nr ? b->sorted[0] : 0;
	if (nr)
		nr = sort_costs(b->sorted, b->whole, b->nr_runs, side, empty);
	if (!nr)
		return lab_refuse(b->run, -EBUSY,
				  "each run of %zu calls was disturbed",
				  b->count);
	record_row(&b->run->record, "whole.%s", name);
	record_cell(&b->run->record, "nr_runs", nr);
	share_cell(b, "min", b->sorted[0]);
	nr = sort_blocks(b, side, empty);
	record_cell(&b->run->record, "nr_blocks", nr);
	share_cell(b, "p50", quantile(b->sorted, nr, 50));
	if (covers(b, nr)) {
		outside = nr_outside(nr);
		share_cell(b, "low95", b->sorted[outside]);
		share_cell(b, "high95", b->sorted[nr - 1 - outside]);
	}
	share_cell(b, "empty", empty);
	return 0;
}

/*
 * What the processor says that it has retired, for each object and all of its
 * calls; not of calls that another task has made.
 */
static void record_retired(struct bench *b)
{
	u64 *whole = b->retired, *hollow = b->retired + b->nr_runs;

	if (!b->pmu || b->pattern == BENCH_REMOTE)
		return;
	sort(whole, b->nr_runs, sizeof(*whole), compare_u64, NULL);
	sort(hollow, b->nr_runs, sizeof(*hollow), compare_u64, NULL);
	record_row(&b->run->record, "retired.all");
	record_cell(&b->run->record, "nr_runs", b->nr_runs);
	share_cell_in(b, "p50", "insns", quantile(whole, b->nr_runs, 50) -
					 min(hollow[0], whole[0]));
}

/* The commonest of @nr sorted costs, the commonest first. */
static void record_paths(struct bench *b, const char *name, size_t nr)
{
	struct {
		u64 cost;
		size_t nr;
	} path[BENCH_PATHS + 1] = {};
	size_t i, same, k;

	for (i = 0; i < nr; i += same) {
		for (same = 1; i + same < nr; same++)
			if (b->sorted[i + same] != b->sorted[i])
				break;
		for (k = BENCH_PATHS; k && path[k - 1].nr < same; k--)
			path[k] = path[k - 1];
		path[k].cost = b->sorted[i];
		path[k].nr = same;
	}
	for (k = 0; k < BENCH_PATHS && path[k].nr; k++) {
		record_row(&b->run->record, "path.%s.%zu", name, k + 1);
		cost_cell(b, "cost", path[k].cost);
		record_cell(&b->run->record, "nr", path[k].nr);
	}
}

static void record_single(struct bench *b, const char *name,
			  enum bench_side side)
{
	size_t all = b->nr_runs * b->count, nr;
	u64 empty = clock_overhead();

	nr = sort_costs(b->sorted, b->single, all, side, empty);
	record_row(&b->run->record, "single.%s", name);
	record_cell(&b->run->record, "nr", nr);
	record_cell(&b->run->record, "nr_disturbed", all - nr);
	if (!nr)
		return;
	cost_cell(b, "min", b->sorted[0]);
	cost_cell(b, "p50", quantile(b->sorted, nr, 50));
	cost_cell(b, "p99", quantile(b->sorted, nr, 99));
	cost_cell(b, "max", b->sorted[nr - 1]);
	cost_cell(b, "empty", empty);
	/* Where time is counted each cost is one of its own. */
	if (b->clock.exact)
		record_paths(b, name, nr);
}

static void raw_cell(struct bench *b, const char *what, u64 cost)
{
	if (cost != CLOCK_DISTURBED)
		cost_cell(b, what, cost);
}

/* What all figures of whole runs are made from. */
static void record_runs(struct bench *b)
{
	bool pair = b->pattern == BENCH_PAIR;
	size_t i;

	for (i = 0; i < b->nr_runs; i++) {
		record_row(&b->run->record, "run.%zu", i);
		record_cell(&b->run->record, "block", block_of(b, i));
		raw_cell(b, pair ? "pair" : "alloc", b->whole[i].alloc);
		raw_cell(b, pair ? "pair_empty" : "alloc_empty", b->hollow[i].alloc);
		if (pair)
			continue;
		raw_cell(b, "free", b->whole[i].free);
		raw_cell(b, "free_empty", b->hollow[i].free);
	}
}

static int record_costs(struct bench *b)
{
	int err;

	record_number(&b->run->record, "nr_calls", b->count);
	record_number(&b->run->record, "nr_runs_disturbed", b->nr_disturbed);
	record_number(&b->run->record, "spread_ms", b->spread_ms);
	if (lab_number(b->run, "raw"))
		record_runs(b);
	if (b->pattern == BENCH_PAIR) {
		err = record_whole(b, "pair", BENCH_ALLOC);
	} else {
		err = record_whole(b, "alloc", BENCH_ALLOC);
		if (!err)
			err = record_whole(b, "free", BENCH_FREE);
	}
	if (err)
		return err;
	record_retired(b);
	record_single(b, "alloc", BENCH_ALLOC);
	record_single(b, "free", BENCH_FREE);
	return 0;
}

/* From a command to figures */

static void record_clock(struct lab_record *record,
			 const struct clock_facts *clock)
{
	record_text(record, "unit", "%s", clock->unit);
	record_number(record, "exact", clock->exact);
}

static void source_given(struct lab_source *source)
{
}

/* The allocator that a command names, or the one that needs no parameter. */
static const char *allocator_of(struct lab_run *run)
{
	const char *allocator = lab_word(run, "allocator");

	return allocator[0] ? allocator : "pages";
}

static int open_source(struct bench *b, const char *allocator, const char *name)
{
	b->source.allocator = registry_allocator(allocator);
	b->source.given = source_given;
	b->loops = b->source.allocator->loops;
	return b->source.allocator->open(&b->source, b->run, name);
}

static void close_source(struct bench *b)
{
	if (b->source.allocator->close)
		b->source.allocator->close(&b->source);
}

/*
 * What the cache at hand does with its objects, which need not be what others do.
 * Found when all has been measured, as it disturbs what is there.
 */
static int record_conditions(struct lab_run *run, const char *name,
			     struct bench *b)
{
	struct observed_objects seen;
	int err;

	if (!observe_can(&b->source))
		return 0;
	err = lab_charge(run, observe_bytes(&b->source));
	if (!err)
		err = observe_objects(&b->source, &seen);
	if (err)
		return err;
	record_row(&run->record, "%s", name);
	if (seen.spacing_bytes)
		record_cell(&run->record, "spacing_bytes", seen.spacing_bytes);
	record_cell_text(&run->record, "fresh", "%s", seen.fresh);
	record_cell_text(&run->record, "reuse", "%s", seen.reuse);
	return 0;
}

/* The CPUs of the two halves of a run. */
static int choose_cpus(struct bench *b)
{
	b->free_cpu = lab_number(b->run, "cpu");
	b->alloc_cpu = cpumask_any_but(cpu_online_mask, b->free_cpu);
	if (b->pattern == BENCH_REMOTE && b->alloc_cpu >= nr_cpu_ids)
		return lab_refuse(b->run, -EOPNOTSUPP,
				  "there is no other CPU than %u", b->free_cpu);
	return 0;
}

/*
 * As many calls as a run is to have, where the command does not say; and charges
 * the objects of one.  No signal ends a run, so none may be long.
 */
static int choose_count(struct bench *b)
{
	size_t call_bytes = b->loops->per_call * b->source.charge_bytes;
	u64 cost = U64_MAX, start, count;
	struct bench probe = *b;
	struct lab_cost unused;
	int tries, err;

	err = lab_charge(b->run, call_bytes);
	probe.count = 1;
	probe.pattern = BENCH_PAIR;
	for (tries = 0; !err && tries < BENCH_TRIES; tries++) {
		start = clock_read();
		err = do_run(&probe, b->loops, &whole_steps, &unused);
		cost = min(cost, clock_read() - start);
		if (!err)
			err = context_breathe(b->run->reason);
	}
	if (err)
		return err;
	/* Made a round number: a little more or less is to make no other. */
	count = min3(div64_u64(BENCH_RUN_COST, cost), (u64)BENCH_COUNT,
		     (u64)BENCH_RUN_BYTES / call_bytes);
	count = max(count, 1ULL);
	if (b->may_choose)
		b->count = rounddown_pow_of_two(count);
	else if (b->count > div64_u64(BENCH_RUN_MAX, cost))
		return lab_refuse(b->run, -ERANGE,
				  "count=%zu calls of %llu %s are too long a run",
				  b->count, cost, b->clock.unit);
	return 0;
}

static int make_room(struct bench *b)
{
	size_t nr_held = b->pattern == BENCH_PAIR ? 1 : b->count;
	size_t nr_objects = nr_held * b->loops->per_call;
	size_t nr_calls = b->count * b->nr_runs;
	int err;

	if (nr_calls > BENCH_CALLS_MAX)
		return lab_refuse(b->run, -ERANGE,
				  "%zu runs of %zu calls are more than %d",
				  b->nr_runs, b->count, BENCH_CALLS_MAX);
	err = lab_charge(b->run, nr_objects * (b->sets[0].source.charge_bytes +
					       sizeof(void *)) +
			 nr_calls * (sizeof(*b->single) + sizeof(*b->sorted)));
	if (err)
		return err;
	b->objects = kvmalloc_array(nr_objects, sizeof(*b->objects), GFP_LAB);
	b->single = kvmalloc_array(nr_calls, sizeof(*b->single), GFP_LAB);
	b->whole = kvmalloc_array(b->nr_runs, sizeof(*b->whole), GFP_LAB);
	b->hollow = kvmalloc_array(b->nr_runs, sizeof(*b->hollow), GFP_LAB);
	b->sorted = kvmalloc_array(nr_calls, sizeof(*b->sorted), GFP_LAB);
	b->retired = kvcalloc(2 * b->nr_runs, sizeof(*b->retired), GFP_LAB);
	b->pmu = clock_open_retired();
	return b->objects && b->single && b->whole && b->hollow &&
	       b->sorted && b->retired ? 0 : -ENOMEM;
}

static void free_room(struct bench *b)
{
	clock_close_retired(b->pmu);
	kvfree(b->retired);
	kvfree(b->sorted);
	kvfree(b->hollow);
	kvfree(b->whole);
	kvfree(b->single);
	kvfree(b->objects);
}

/* @set, @which: tell the names of their caches apart */
static int open_rival(struct bench *b, const char *allocator, size_t set,
		      char which)
{
	char name[LAB_WORD_MAX];
	int err;

	snprintf(name, sizeof(name), BENCH_NAME "%zu%c", set, which);
	err = open_source(b, allocator, name);
	if (err)
		return err;
	b->ballast = kvmalloc_array(b->nr_places * b->loops->per_call,
				    sizeof(*b->ballast), GFP_LAB);
	if (b->ballast)
		err = lab_charge(b->run, b->nr_places * b->loops->per_call *
					 b->source.charge_bytes);
	else
		err = -ENOMEM;
	if (!err)
		return 0;
	kvfree(b->ballast);
	close_source(b);
	return err;
}

static void close_rival(struct bench *b)
{
	b->loops->frees(&b->source, b->nr_held, b->objects);
	drop_ballast(b);
	kvfree(b->ballast);
	close_source(b);
}

/* What others have left behind is not to be found again. */
static int prepare_set(struct bench *b, struct bench *set)
{
	const struct lab_allocator *allocator = set->source.allocator;
	int err;

	set->objects = b->objects;
	set->pmu = b->pmu;
	set->count = b->count;
	set->may_choose = b->may_choose;
	if (allocator->shrink)
		allocator->shrink(&set->source);
	err = warm_up(set);
	b->count = set->count;
	return err;
}

static int open_next_set(struct bench *b)
{
	struct bench *set = &b->sets[b->nr_sets];
	int err;

	*set = *b;
	err = open_rival(set, allocator_of(b->run), b->nr_sets, 'a');
	if (!err)
		b->nr_sets++;
	return err;
}

/* The first of the sets, and of what it shows how many calls the runs have. */
static int open_first_set(struct bench *b)
{
	struct lab_record *record = &b->run->record;
	int err = open_next_set(b);

	if (err)
		return err;
	b->loops = b->sets[0].loops;
	record_text(record, "allocator", "%s",
		    b->sets[0].source.allocator->name);
	record_number(record, "object_bytes", b->sets[0].source.object_bytes);
	record_number(record, "nr_objects_per_call", b->loops->per_call);
	record_clock(record, &b->clock);
	err = choose_count(&b->sets[0]);
	b->count = b->sets[0].count;
	return err;
}

/* All of them have as many calls as the first, which may still have fewer. */
static int prepare_sets(struct bench *b)
{
	size_t nr_sets = b->clock.exact ? 1 : b->nr_blocks;
	int err = prepare_set(b, &b->sets[0]);

	b->may_choose = false;
	while (!err && b->nr_sets < nr_sets) {
		err = open_next_set(b);
		if (!err)
			err = prepare_set(b, &b->sets[b->nr_sets - 1]);
	}
	return err;
}

static int bench_cost(struct lab_run *run)
{
	struct bench b = {
		.run = run,
		.pattern = lab_number(run, "pattern"),
		.count = lab_number(run, "count"),
		.nr_runs = lab_number(run, "runs"),
	};
	int err;

	b.may_choose = !b.count;
	err = choose_cpus(&b);
	if (err)
		return err;
	clock_calibrate(&b.clock);
	b.nr_blocks = b.nr_runs;
	b.nr_places = b.nr_runs;
	if (!b.clock.exact) {
		b.nr_blocks = min_t(size_t, b.nr_runs, BENCH_SETS);
		b.nr_places = DIV_ROUND_UP(b.nr_runs, b.nr_blocks);
		b.spread_ms = lab_number(run, "spread_ms");
	}
	b.sets = kcalloc(BENCH_SETS, sizeof(*b.sets), GFP_LAB);
	if (!b.sets)
		return -ENOMEM;
	err = open_first_set(&b);
	if (!err)
		err = make_room(&b);
	if (!err)
		err = prepare_sets(&b);
	if (!err)
		err = measure(&b);
	if (!err)
		err = record_costs(&b);
	if (!err)
		err = record_conditions(run, "conditions", &b.sets[0]);
	fingerprint_record(&run->record);
	while (b.nr_sets)
		close_rival(&b.sets[--b.nr_sets]);
	free_room(&b);
	kfree(b.sets);
	return err;
}

/* Two allocators against each other */

/**
 * struct rivals - what is run against each other
 * @a:		what is compared with
 * @a2:		another of the same
 * @b:		what is compared
 *
 * Where an allocator is compared with itself there is but one, three times.
 */
struct rivals {
	struct bench a;
	struct bench a2;
	struct bench b;
};

/**
 * struct duel - a comparison
 * @set:	rivals that take turns: a cache may be dearer than one that is just
 *		like it, by where the two lie
 * @nr_sets:	how many are open
 * @alone:	an allocator is compared with itself
 * @nr_blocks:	how often there are runs a, b, b, a, and then a, a2, a2, a
 * @nr:		blocks in which no run was disturbed
 * @ratio:	of each of these, what b cost for what a did, in millionths;
 *		owner: this struct
 * @control:	likewise, what a2 did
 */
struct duel {
	struct rivals set[BENCH_SETS];
	size_t nr_sets;
	bool alone;
	size_t nr_blocks;
	size_t nr;
	u64 *ratio;
	u64 *control;
};

/* Where half of some ratios are below, and with 95 % half of all others. */
struct interval {
	u64 low;
	u64 median;
	u64 high;
};

static int cost_pairs(struct bench *b, u64 *cost)
{
	struct lab_cost counted = {};
	int err = do_whole(b, b->loops, b->spin ? &slow_steps : &whole_steps,
			   &counted);

	*cost = counted.alloc;
	return err;
}

/*
 * What two runs in the middle cost for the two around them: what changes slowly
 * falls on both alike.  0 where one was disturbed.
 */
static int cost_block(struct bench *outer, struct bench *inner, u64 *ratio)
{
	struct bench *order[] = { outer, inner, inner, outer };
	u64 cost[ARRAY_SIZE(order)];
	bool disturbed = false;
	int i, err = 0;

	for (i = 0; !err && i < ARRAY_SIZE(order); i++) {
		err = cost_pairs(order[i], &cost[i]);
		disturbed |= cost[i] == CLOCK_DISTURBED;
	}
	*ratio = err || disturbed ? 0 :
		 div64_u64((cost[1] + cost[2]) * PPM, cost[0] + cost[3]);
	return err;
}

/* Has b take so much longer than a. */
static int plant(struct duel *duel, unsigned int percent)
{
	u64 of_a = CLOCK_DISTURBED, of_spin = CLOCK_DISTURBED, cost;
	const u64 rounds = 100000;
	int err = 0, tries;
	size_t i;

	for (tries = 0; !err && percent && tries < BENCH_TRIES; tries++) {
		err = cost_pairs(&duel->set[tries % BENCH_SETS].a, &cost);
		of_a = min(of_a, cost);
		migrate_disable();
		CLOCK_COUNT(cost, clock_spin(rounds));
		migrate_enable();
		of_spin = min(of_spin, cost);
	}
	if (err || !percent || max(of_a, of_spin) == CLOCK_DISTURBED)
		return err;
	for (i = 0; i < duel->nr_sets; i++)
		duel->set[i].b.spin = div64_u64(of_a * percent * rounds,
						of_spin * 100);
	return 0;
}

/* Where the objects lie makes a difference that is none of the allocators'. */
static int hold_more_all(struct duel *duel, struct rivals *set)
{
	int err = hold_more(&set->a);

	if (!err && !duel->alone)
		err = hold_more(&set->a2) ?: hold_more(&set->b);
	return err;
}

static int fight(struct duel *duel)
{
	u64 ratio, control;
	size_t i;
	int err = 0;

	/* As warm_up() has it. */
	for (i = 0; !err && i < duel->nr_sets; i++)
		err = cost_block(&duel->set[i].a, &duel->set[i].b, &ratio);
	for (i = 0; !err && i < duel->nr_blocks; i++) {
		struct rivals *set = &duel->set[i % duel->nr_sets];

		err = hold_more_all(duel, set);
		if (err)
			break;
		/* On a machine as busy as that there is nothing to be had. */
		if (i >= BENCH_TRIES && !duel->nr)
			break;
		err = cost_block(&set->a, &set->b, &ratio);
		if (!err)
			err = cost_block(&set->a, &set->a2, &control);
		if (err || !ratio || !control)
			continue;
		duel->ratio[duel->nr] = ratio;
		duel->control[duel->nr] = control;
		duel->nr++;
	}
	return err;
}

static struct interval interval_of(u64 *ratio, size_t nr)
{
	size_t outside = nr_outside(nr);

	sort(ratio, nr, sizeof(*ratio), compare_u64, NULL);
	return (struct interval){
		.low = ratio[outside],
		.median = quantile(ratio, nr, 50),
		.high = ratio[nr - 1 - outside],
	};
}

static void record_interval(struct lab_record *record, const char *name,
			    const struct interval *interval)
{
	record_row(record, "%s", name);
	record_cell(record, "low95_ppm", interval->low);
	record_cell(record, "median_ppm", interval->median);
	record_cell(record, "high95_ppm", interval->high);
}

/* What both intervals are made from. */
static void record_blocks(struct lab_record *record, const struct duel *duel)
{
	size_t i;

	for (i = 0; i < duel->nr; i++) {
		record_row(record, "block.%zu", i);
		record_cell(record, "ratio_ppm", duel->ratio[i]);
		record_cell(record, "control_ppm", duel->control[i]);
	}
}

static u64 distance(u64 ratio)
{
	return ratio > PPM ? ratio - PPM : PPM - ratio;
}

/*
 * There is a difference where the interval leaves out that there is none and does
 * not touch that of the control, and the median is further from none than the runs
 * of one and the same can be.  (That it leaves out none is so once in twenty times
 * where there is none.)
 */
static int record_duel(struct lab_run *run, struct duel *duel)
{
	struct lab_record *record = &run->record;
	struct interval ratio, control;
	u64 floor;

	record_number(record, "nr_blocks", duel->nr);
	record_number(record, "nr_blocks_disturbed", duel->nr_blocks - duel->nr);
	if (duel->nr < max_t(size_t, duel->nr_blocks / 2, BENCH_INTERVAL_MIN))
		return lab_refuse(run, -EBUSY,
				  "%zu of %zu blocks were disturbed: try fewer calls",
				  duel->nr_blocks - duel->nr, duel->nr_blocks);
	if (lab_number(run, "raw"))
		record_blocks(record, duel);
	ratio = interval_of(duel->ratio, duel->nr);
	control = interval_of(duel->control, duel->nr);
	floor = max(distance(control.low), distance(control.high));
	record_interval(record, "ratio", &ratio);
	record_interval(record, "control", &control);
	record_number(record, "noise_floor_ppm", floor);
	record_number(record, "differs",
		      (ratio.low > max_t(u64, control.high, PPM) ||
		       ratio.high < min_t(u64, control.low, PPM)) &&
		      distance(ratio.median) > floor);
	return 0;
}

/* Whether an allocator is content with the parameters of another. */
static bool takes_as(const struct lab_allocator *a,
		     const struct lab_allocator *b)
{
	const struct lab_param *p, *q;

	for (p = a->params; p && p->name; p++) {
		for (q = b->params; q && q->name; q++)
			if (!strcmp(p->name, q->name))
				break;
		if (p->required && (!q || !q->name))
			return false;
	}
	return true;
}

static int open_set(struct duel *duel, const char *a, const char *b)
{
	struct rivals *set = &duel->set[duel->nr_sets];
	int err;

	err = open_rival(&set->a, a, duel->nr_sets, 'a');
	if (err)
		return err;
	if (duel->alone) {
		set->a2 = set->a;
		set->b = set->a;
		duel->nr_sets++;
		return 0;
	}
	err = open_rival(&set->a2, a, duel->nr_sets, 'c');
	if (err)
		goto close_a;
	err = open_rival(&set->b, b, duel->nr_sets, 'b');
	if (err)
		goto close_a2;
	duel->nr_sets++;
	return 0;
close_a2:
	close_rival(&set->a2);
close_a:
	close_rival(&set->a);
	return err;
}

static void close_sets(struct duel *duel)
{
	while (duel->nr_sets) {
		struct rivals *set = &duel->set[--duel->nr_sets];

		if (!duel->alone) {
			close_rival(&set->b);
			close_rival(&set->a2);
		}
		close_rival(&set->a);
	}
}

static int open_sets(struct lab_run *run, struct duel *duel)
{
	const char *a = allocator_of(run);
	const char *b = lab_word(run, "with");
	int err = 0;

	duel->alone = !b[0];
	if (!duel->alone && !registry_allocator(b))
		return lab_refuse(run, -EINVAL,
				  "there is no allocator called %s", b);
	if (!duel->alone &&
	    !takes_as(registry_allocator(b), registry_allocator(a)))
		return lab_refuse(run, -EINVAL,
				  "%s and %s have no parameters in common", a, b);
	while (!err && duel->nr_sets < BENCH_SETS)
		err = open_set(duel, a, b);
	return err;
}

/* As many calls for all of them. */
static int choose_counts(struct duel *duel)
{
	struct bench *a = &duel->set[0].a, *b = &duel->set[0].b;
	size_t i;
	int err;

	err = choose_count(a);
	if (err)
		return err;
	for (i = 0; i < duel->nr_sets; i++) {
		duel->set[i].a.count = a->count;
		duel->set[i].a2.count = a->count;
		duel->set[i].b.count = a->count;
	}
	b->may_choose = false;
	return choose_count(b);
}

static int bench_compare(struct lab_run *run)
{
	struct duel *duel = kzalloc(sizeof(*duel), GFP_LAB);
	struct bench any = {
		.run = run,
		.count = lab_number(run, "count"),
		.nr_places = BENCH_PLACES,
	};
	size_t i;
	int err;

	if (!duel)
		return -ENOMEM;
	duel->nr_blocks = lab_number(run, "blocks");
	any.may_choose = !any.count;
	clock_calibrate(&any.clock);
	for (i = 0; i < BENCH_SETS; i++)
		duel->set[i] = (struct rivals){ .a = any, .a2 = any, .b = any };
	err = open_sets(run, duel);
	if (err)
		goto close;
	record_text(&run->record, "a", "%s",
		    duel->set[0].a.source.allocator->name);
	record_text(&run->record, "b", "%s",
		    duel->set[0].b.source.allocator->name);
	record_clock(&run->record, &any.clock);
	err = choose_counts(duel);
	if (err)
		goto close;
	record_number(&run->record, "nr_calls", duel->set[0].a.count);
	err = -ENOMEM;
	duel->ratio = kvmalloc_array(duel->nr_blocks, sizeof(*duel->ratio),
				     GFP_LAB);
	duel->control = kvmalloc_array(duel->nr_blocks, sizeof(*duel->control),
				       GFP_LAB);
	if (duel->ratio && duel->control)
		err = plant(duel, lab_number(run, "slower_percent"));
	if (!err)
		err = fight(duel);
	if (!err)
		err = record_duel(run, duel);
	if (!err)
		err = record_conditions(run, "conditions.a", &duel->set[0].a);
	if (!err)
		err = record_conditions(run, "conditions.b", &duel->set[0].b);
	fingerprint_record(&run->record);
	kvfree(duel->control);
	kvfree(duel->ratio);
close:
	close_sets(duel);
	kfree(duel);
	return err;
}

/* The tables */

static const char *const pattern_words[] = {
	[BENCH_PAIR] = "pair",
	[BENCH_LIFO] = "lifo",
	[BENCH_FIFO] = "fifo",
	[BENCH_RANDOM] = "random",
	[BENCH_REMOTE] = "remote",
	NULL
};

#define BENCH_ALLOCATOR_PARAM \
	{ .name = "allocator", .help = "which; or none, for single pages", \
	  .type = LAB_WORD }
#define BENCH_RAW_PARAM \
	{ .name = "raw", .help = "what the figures are made from, too", \
	  .type = LAB_CHOICE, .choices = lab_no_yes }
#define BENCH_COUNT_PARAM \
	{ .name = "count", .max = 100000, \
	  .help = "calls in a run; 0: as many as a clock tick lets be" }

static const struct lab_param cost_params[] = {
	BENCH_ALLOCATOR_PARAM,
	{ .name = "pattern",
	  .help = "each freed at once, or all in that order, or by another CPU",
	  .type = LAB_CHOICE, .choices = pattern_words },
	BENCH_COUNT_PARAM,
	{ .name = "runs", .help = "how many", .min = 1, .max = 1000,
	  .def = 3 * BENCH_SETS },
	{ .name = "spread_ms",
	  .help = "over how long, where time is counted: less has no interval",
	  .max = 2000, .def = BENCH_SPREAD_MS },
	{ .name = "cpu", .help = "the other CPU, for pattern=remote",
	  .max = NR_CPUS - 1, .def = 0 },
	BENCH_RAW_PARAM,
	{}
};

static const struct lab_param compare_params[] = {
	BENCH_ALLOCATOR_PARAM,
	{ .name = "with", .help = "another; or none, for itself",
	  .type = LAB_WORD },
	BENCH_COUNT_PARAM,
	{ .name = "blocks", .help = "of four runs each",
	  .min = BENCH_INTERVAL_MIN, .max = 1000, .def = 200 },
	{ .name = "slower_percent", .help = "by which the other is made slower",
	  .max = 100 },
	BENCH_RAW_PARAM,
	{}
};

static const struct lab_experiment bench_experiments[] = {
	{ .name = "cost", .run = bench_cost, .params = cost_params,
	  .more_params = registry_allocator_params,
	  .help = "what an allocator's calls cost, and how often which" },
	{ .name = "compare", .run = bench_compare, .params = compare_params,
	  .more_params = registry_allocator_params,
	  .help = "whether an allocator costs more than another, run against run" },
	{}
};

const struct lab_family bench_family = {
	.name = "bench",
	.help = "what the calls of an allocator cost",
	.experiments = bench_experiments,
};

// SPDX-License-Identifier: GPL-2.0
#include <linux/mempolicy.h>
#include <sys/syscall.h>

#include "kmemlab.h"

/* Orders that bypass the per-CPU lists and can be cut out of a larger block. */
#define FIRST_ORDER	4
#define LAST_ORDER	8

#define PAGEBLOCK_ORDER	9	/* 2 MiB, a huge page */

/* First frame at 16 MiB, and at 4 GiB. */
#define DMA_END		(1LL << (24 - 12))
#define DMA32_END	(1LL << (32 - 12))

LAB_FIXTURE(buddy);

static bool same_from(const struct zone_counts *a, const struct zone_counts *b,
		      int order)
{
	return !memcmp(a->nr_free + order, b->nr_free + order,
		       (NR_ORDERS - order) * sizeof(*a->nr_free));
}

/*
 * A record between two readings of /proc/buddyinfo.  A machine that has much to do moves
 * some list all the time, but each list is in some record as it was just before or after.
 */
TEST_F(buddy, freelists)
{
	struct zone_counts before[ZONES_MAX], after[ZONES_MAX];
	bool seen[ZONES_MAX][NR_ORDERS] = {};
	int tries, left = 1, n, i, order;

	for (tries = 0; left && may_try(tries); tries++) {
		struct record *record;

		n = read_buddyinfo(before);
		record = run("buddy.freelists");
		read_buddyinfo(after);
		ASSERT_EQ(0, record->err);
		ASSERT_GT(n, 0);
		for (i = 0, left = 0; i < n; i++) {
			long long counts[NR_ORDERS], pages = 0;
			char row[64];

			snprintf(row, sizeof(row), "N%d.%s", before[i].node,
				 before[i].zone);
			ASSERT_TRUE(orders_of(record, row, counts));
			for (order = 0; order < NR_ORDERS; order++) {
				seen[i][order] |=
					counts[order] == before[i].nr_free[order] ||
					counts[order] == after[i].nr_free[order];
				left += !seen[i][order];
				pages += counts[order] << order;
			}
			/* The lists together are what the zone counts as free. */
			snprintf(row, sizeof(row), "N%d.%s.total",
				 before[i].node, before[i].zone);
			EXPECT_EQ(pages, cell_of(record, row, "free_pages"));
		}
	}
	EXPECT_EQ(0, left) TH_LOG("lists that no record shows as they were");
}

TEST_F(buddy, alignment)
{
	static struct record record;
	int order;

	record = *run("buddy.alignment count=2");
	ASSERT_EQ(0, record.err);
	for (order = 0; order < NR_ORDERS; order++) {
		long long pages = 1LL << order, pfn0, pfn1;
		struct place place;
		char row[32];

		snprintf(row, sizeof(row), "order.%d", order);
		pfn0 = cell_of(&record, row, "pfn0");
		pfn1 = cell_of(&record, row, "pfn1");
		EXPECT_EQ(pages, cell_of(&record, row, "pages"));
		EXPECT_EQ(1, cell_of(&record, row, "max_runs"));
		ASSERT_NE(MISSING, pfn0);
		ASSERT_NE(MISSING, pfn1);
		EXPECT_EQ(0, pfn0 % pages);
		EXPECT_EQ(0, pfn1 % pages);
		EXPECT_LE(pages, llabs(pfn0 - pfn1));

		/*
		 * The same of a block that is held, whose frames the kernel
		 * shows as taken.
		 */
		ASSERT_OK("pool.create name=aligned allocator=pages order=%d",
			  order);
		EXPECT_OK("pool.alloc name=aligned count=1");
		ASSERT_EQ(1, read_layout("aligned", &place, 1));
		EXPECT_EQ(0, place.pfn % pages);
		EXPECT_EQ(pages, place.pages);
		EXPECT_EQ(1, place.runs);
		EXPECT_EQ(0, kpageflags(place.pfn) & FLAG_BUDDY);
		EXPECT_OK("pool.destroy name=aligned");
	}
}

/* The zones of a record that names one with each of its frames. */
static bool is_place(const struct record *record, const char *row, int frame)
{
	char zone[16], name[16] = "";
	const char *cell = text_of(record, row);
	int node;

	return cell && sscanf(cell, "node=%*d zone=%15s", name) == 1 &&
	       zone_of_frame(numbered_cell_of(record, "frames", frame), &node,
			     zone) &&
	       node == cell_of(record, row, "node") && !strcmp(zone, name);
}

TEST_F(buddy, zones)
{
	struct zone_counts zones[ZONES_MAX];
	static struct record record;
	int n = read_buddyinfo(zones), node, i;
	char row[64];

	/* Each node's zones stand in order, and the last is the highest. */
	for (i = 0; i < n; i++) {
		pid_t pid;

		node = zones[i].node;
		if (i + 1 < n && zones[i + 1].node == node)
			continue;
		ASSERT_LT(zoneinfo_number(node, zones[i].zone, -1, "high"),
			  zoneinfo_number(node, zones[i].zone, -1, "free"))
			TH_LOG("the highest zone has no room");
		snprintf(row, sizeof(row), "zones node=%d hold_ms=60000", node);
		pid = hold("buddy", row, &record);
		/* Seen by their frames, the pages are those handed out. */
		EXPECT_EQ(3, nr_marked(&record));
		EXPECT_TRUE(let_go(pid));
		EXPECT_GT(DMA_END, numbered_cell_of(&record, "frames", 0));
		EXPECT_GT(DMA32_END, numbered_cell_of(&record, "frames", 1));
		EXPECT_TRUE(is_place(&record, "dma", 0));
		EXPECT_TRUE(is_place(&record, "dma32", 1));
		EXPECT_TRUE(is_place(&record, "kernel", 2));
		snprintf(row, sizeof(row), "node=%d zone=%s", node,
			 zones[i].zone);
		EXPECT_TRUE(text_is(&record, "kernel", row));
	}
}

static int nr_cpus(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

/* What /proc/zoneinfo says of the lists of a record's CPU and zone. */
static long long lists_number(const struct record *record, const char *key)
{
	char zone[16] = "";

	if (!text_of(record, "zone") ||
	    sscanf(text_of(record, "zone"), "%15s", zone) != 1)
		return MISSING;
	return zoneinfo_number(number_of(record, "node"), zone,
			       number_of(record, "cpu"), key);
}

/*
 * Whether batches grow with requests, or frees, in a row (nr_pcp_alloc(),
 * nr_pcp_free()).  No file tells, but the symbol came with that.
 */
static bool batches_grow(void)
{
	char line[256];

	return find_line("/proc/kallsyms", " T ", "decay_pcp_high", line,
			 sizeof(line));
}

TEST_F(buddy, pcp)
{
	static struct record record;
	int here = sched_getcpu(), cpu = (here + 1) % nr_cpus(), tries;
	long long high = 0, batch, drained, count = 0, empty;
	char command[64];

	/* Another CPU than the one that the test stays on, where there is one. */
	ASSERT_TRUE(pin_to_cpu(here));
	snprintf(command, sizeof(command), "pcp cpu=%d hold_ms=60000", cpu);
	for (tries = 0; may_try(tries); tries++) {
		pid_t pid;

		/* Of the same zone as in the record before. */
		high = lists_number(run("buddy.hot cpu=%d", cpu), "high:");
		pid = hold("buddy", command, &record);
		count = lists_number(&record, "count:");
		/* Others may have used the lists; then it is EBUSY, or gone. */
		if (let_go(pid) &&
		    high == cell_of(&record, "full", "count") &&
		    count == cell_of(&record, "refill.1", "count"))
			break;
	}
	ASSERT_LT(tries, QUIET_TRIES) TH_LOG("the CPU never held still");
	EXPECT_EQ(cpu, number_of(&record, "cpu"));
	batch = lists_number(&record, "batch:");
	EXPECT_EQ(batch, number_of(&record, "batch_pages"));

	/* Three batches of frees in a row came before the drain. */
	drained = batches_grow() ? 3 * batch : batch;
	EXPECT_EQ(drained, cell_of(&record, "drained", "to_zone"));
	EXPECT_EQ(high - drained, cell_of(&record, "drained", "count"));

	/* One page of those that came was handed out at once. */
	empty = cell_of(&record, "empty", "count");
	EXPECT_EQ(batch, cell_of(&record, "refill.0", "from_zone"));
	EXPECT_EQ(empty + batch - 1, cell_of(&record, "refill.0", "count"));
	EXPECT_EQ(batch - 1, number_of(&record, "nr_from_list"));
	/* The second refill in a row. */
	if (batches_grow())
		batch *= 2;
	EXPECT_EQ(batch, cell_of(&record, "refill.1", "from_zone"));
	EXPECT_EQ(empty + batch - 1, count);
}

/* What was freed is handed out again, the last first. */
static bool is_hot(const struct record *record, int count)
{
	int i, nr = 0;

	for (i = 0; i < count; i++)
		nr += numbered_cell_of(record, "freed", i) ==
		      numbered_cell_of(record, "frames", count - 1 - i);
	return nr == count;
}

/*
 * Where memory was short the kernel drains the lists at any time, and with them
 * what has just been freed (nr_pcp_high()).
 */
TEST_F(buddy, hot)
{
	static struct record record;
	int cpu, i, tries, count = 8;

	for (cpu = 0; cpu < nr_cpus(); cpu++) {
		char command[64], zone[16];
		int node, marked;
		pid_t pid;

		snprintf(command, sizeof(command),
			 "hot cpu=%d count=%d hold_ms=60000", cpu, count);
		for (tries = 0; may_try(tries); tries++) {
			pid = hold("buddy", command, &record);
			marked = nr_marked(&record);
			ASSERT_TRUE(let_go(pid));
			if (is_hot(&record, count))
				break;
		}
		ASSERT_LT(tries, QUIET_TRIES) TH_LOG("%s", record.text);
		/* Seen by their frames, the pages are those handed out. */
		EXPECT_EQ(count, marked);
		EXPECT_EQ(cpu, number_of(&record, "cpu"));
		for (i = 0; i < count; i++) {
			ASSERT_TRUE(zone_of_frame(numbered_cell_of(&record,
								   "freed", i),
						  &node, zone));
			EXPECT_EQ(node, number_of(&record, "node"));
		}
	}
}

/* The lists of a record's three types at one moment. */
struct type_lists {
	long long nr_free[3][NR_ORDERS];
};

static const char *const types[] = { "unmovable", "movable", "reclaimable" };

static bool types_of(const struct record *record, const char *moment,
		     struct type_lists *lists)
{
	char row[32];
	int type;

	for (type = 0; type < ARRAY_SIZE(types); type++) {
		snprintf(row, sizeof(row), "%s.%s", moment, types[type]);
		if (!orders_of(record, row, lists->nr_free[type]))
			return false;
	}
	return true;
}

/* The same of a zone from /proc/pagetypeinfo, whose types have capitals. */
static bool read_pagetypeinfo(int node, const char *zone,
			      struct type_lists *lists)
{
	FILE *file = fopen("/proc/pagetypeinfo", "r");
	char line[256], name[16], type[16];
	int nid, at, used, i, order, n = 0;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Node %d, zone %15[^,], type %15s%n", &nid,
			   name, type, &at) != 3 || nid != node ||
		    strcmp(name, zone))
			continue;
		for (i = 0; i < ARRAY_SIZE(types); i++) {
			if (strcasecmp(type, types[i]))
				continue;
			n++;
			for (order = 0; order < NR_ORDERS; order++, at += used)
				if (sscanf(line + at, "%lld%n",
					   &lists->nr_free[i][order],
					   &used) != 1)
					break;
		}
	}
	if (file)
		fclose(file);
	return n == ARRAY_SIZE(types);
}

/* One free block of each order from @from to below @to, and no other. */
static void one_each(long long *nr_free, int from, int to)
{
	int order;

	for (order = 0; order < NR_ORDERS; order++)
		nr_free[order] = order >= from && order < to;
}

static bool same_types(const struct type_lists *a, const struct type_lists *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* Where each type turns first when it is dry (mm/page_alloc.c, fallbacks[]). */
static const int turns_to[] = { 2, 2, 0 };

TEST_F(buddy, migratetype)
{
	static struct record record;
	struct type_lists want, have, outside;
	int dry, type, tries;

	for (dry = 0; dry < ARRAY_SIZE(types); dry++) {
		char command[64], zone[16];

		snprintf(command, sizeof(command),
			 "migratetype dry=%s order=%d hold_ms=60000", types[dry],
			 FIRST_ORDER);
		for (tries = 0; may_try(tries); tries++) {
			pid_t pid = hold("buddy", command, &record);
			bool read;

			ASSERT_NE(NULL, text_of(&record, "zone"));
			sscanf(text_of(&record, "zone"), "%15s", zone);
			read = read_pagetypeinfo(number_of(&record, "node"),
						 zone, &outside);
			ASSERT_TRUE(let_go(pid));
			if (read && types_of(&record, "taken", &have) &&
			    same_types(&have, &outside))
				break;
		}
		ASSERT_LT(tries, QUIET_TRIES)
			TH_LOG("pagetypeinfo never was the same");

		/* A pageblock each; then each request splits that of its type. */
		for (type = 0; type < ARRAY_SIZE(types); type++)
			one_each(want.nr_free[type], PAGEBLOCK_ORDER,
				 PAGEBLOCK_ORDER + 1);
		ASSERT_TRUE(types_of(&record, "start", &have));
		EXPECT_TRUE(same_types(&want, &have));
		for (type = 0; type < ARRAY_SIZE(types); type++) {
			one_each(want.nr_free[type], FIRST_ORDER,
				 PAGEBLOCK_ORDER);
			ASSERT_TRUE(types_of(&record, types[type], &have));
			EXPECT_TRUE(same_types(&want, &have));
		}
		/* Dry, it takes over another's pageblock, and a block of it. */
		one_each(want.nr_free[dry], 0, 0);
		ASSERT_TRUE(types_of(&record, "dry", &have));
		EXPECT_TRUE(same_types(&want, &have));
		one_each(want.nr_free[turns_to[dry]], 0, 0);
		one_each(want.nr_free[dry], FIRST_ORDER + 1, PAGEBLOCK_ORDER);
		EXPECT_TRUE(same_types(&want, &outside));
	}
}

TEST_F(buddy, fragmentation)
{
	static struct record record;
	int order, i, tries;

	for (order = 1; order < NR_ORDERS; order++) {
		struct zone_counts zones[ZONES_MAX];
		const struct zone_counts *z = NULL;
		long long counts[NR_ORDERS], pages = 0, pfn;
		char command[64], zone[16];
		int node;

		snprintf(command, sizeof(command),
			 "fragmentation order=%d hold_ms=100", order);
		for (tries = 0; may_try(tries); tries++) {
			pid_t pid = hold("buddy", command, &record);
			int n = read_buddyinfo(zones);

			ASSERT_EQ(0, exit_code_of(pid));
			ASSERT_NE(NULL, text_of(&record, "zone"));
			sscanf(text_of(&record, "zone"), "%15s", zone);
			z = find_zone(zones, n, number_of(&record, "node"),
				      zone);
			if (z && orders_of(&record, "free", counts) &&
			    !memcmp(counts, z->nr_free, sizeof(counts)))
				break;
		}
		ASSERT_LT(tries, QUIET_TRIES)
			TH_LOG("buddyinfo never was the same");
		for (i = 0; i < NR_ORDERS; i++)
			pages += z->nr_free[i] << i;
		EXPECT_EQ(order, number_of(&record, "order"));
		EXPECT_TRUE(same_from(z, &(struct zone_counts){}, order));
		/*
		 * Every second of the zone's pages: many times what is asked, as far
		 * as that is possible in a zone of some MiB.
		 */
		EXPECT_LE(order > LAST_ORDER ? 1LL << order : 4LL << order, pages);
		EXPECT_EQ(ENOMEM, cell_of(&record, "fragmented", "errno"));

		/* The rest of the record came after what was held. */
		read_file(LAB "buddy/result", record.text, sizeof(record.text));
		EXPECT_EQ(0, cell_of(&record, "released", "errno"));
		pfn = cell_of(&record, "released", "pfn");
		EXPECT_EQ(0, pfn % (1 << order));
		ASSERT_TRUE(zone_of_frame(pfn, &node, zone));
		EXPECT_STREQ(z->zone, zone);
		EXPECT_EQ(z->node, node);
	}
}

/* Any zone can be split up, as far as the budget and the floor allow. */
TEST_F(buddy, fragmentation_of_zone)
{
	static const struct {
		const char *word, *zone;
	} words[] = {
		{ "dma", "DMA" }, { "dma32", "DMA32" }, { "normal", "Normal" },
	};
	int i, node, nr = 0;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		for (node = 0; node < 2; node++) {
			struct record *record;

			if (zoneinfo_number(node, words[i].zone, -1,
					    "managed") <= 0)
				continue;
			record = run("buddy.fragmentation zone=%s node=%d order=9",
				     words[i].word, node);
			/* Half of it may be more than the lab may have. */
			if (record->err == EDQUOT)
				continue;
			ASSERT_EQ(0, record->err)
				TH_LOG("%s of node %d", words[i].zone, node);
			EXPECT_TRUE(text_is(record, "zone", words[i].zone));
			EXPECT_EQ(node, number_of(record, "node"));
			EXPECT_EQ(ENOMEM, cell_of(record, "fragmented", "errno"));
			EXPECT_EQ(0, cell_of(record, "released", "errno"));
			nr++;
		}
	EXPECT_LE(2, nr);
}

/* What __zone_watermark_ok() leaves of the mark for GFP_ATOMIC. */
static long long atomic_floor(long long min)
{
	min -= min / 2;
	return min - min / 4;
}

TEST_F(buddy, watermarks)
{
	long long boost = 0, min;
	struct record *record;
	char zone[16];
	int tries;

	/* The first run can raise the marks while it is under way. */
	for (tries = 0; may_try(tries); tries++) {
		record = run("buddy.watermarks");
		ASSERT_EQ(0, record->err);
		ASSERT_NE(NULL, text_of(record, "zone"));
		sscanf(text_of(record, "zone"), "%15s", zone);
		boost = zoneinfo_number(number_of(record, "node"), zone, -1,
					"boost");
		if (boost == cell_of(record, "nowait", "boost_pages") &&
		    boost == cell_of(record, "atomic", "boost_pages") &&
		    boost == cell_of(record, "memalloc", "boost_pages"))
			break;
	}
	ASSERT_LT(tries, QUIET_TRIES) TH_LOG("the boost never was the same");
	min = zoneinfo_number(number_of(record, "node"), zone, -1, "min");
	/* The boost counts in min, but not for GFP_ATOMIC. */
	EXPECT_EQ(min, cell_of(record, "nowait", "free_pages"));
	EXPECT_EQ(atomic_floor(min - boost),
		  cell_of(record, "atomic", "free_pages"));
	EXPECT_EQ(0, cell_of(record, "memalloc", "free_pages"));
}

TEST_F(buddy, fallback)
{
	static struct record record;
	long long foreign = 0, miss = 0;
	int tries, count = 16;

	if (access(NODES "node1", F_OK))
		SKIP(return, "no second NUMA node");
	for (tries = 0; may_try(tries); tries++) {
		long long free_pages, high;
		pid_t pid;

		foreign = numastat_number(1, "numa_foreign");
		miss = numastat_number(0, "numa_miss");
		pid = hold("buddy", "fallback node=1 count=16 hold_ms=60000",
			   &record);
		free_pages = zoneinfo_number(1, "Normal", -1, "free");
		high = zoneinfo_number(1, "Normal", -1, "high");
		/* Seen by their frames, the pages are those handed out. */
		EXPECT_EQ(2, nr_marked(&record));
		ASSERT_TRUE(let_go(pid));
		/* Reclaim that others set off ends at the high mark. */
		if (free_pages <= high)
			break;
	}
	ASSERT_LT(tries, QUIET_TRIES) TH_LOG("the zone never was dry");
	EXPECT_TRUE(is_place(&record, "room", 0));
	EXPECT_TRUE(is_place(&record, "dry", 1));
	EXPECT_TRUE(text_is(&record, "room", "node=1 zone=Normal"));
	EXPECT_TRUE(text_is(&record, "dry", "node=0 zone=Normal"));
	EXPECT_EQ(count, number_of(&record, "nr_requests"));
	EXPECT_EQ(count, number_of(&record, "nr_elsewhere"));
	/* Others may have been turned away, too. */
	EXPECT_LE(foreign + count, numastat_number(1, "numa_foreign"));
	EXPECT_LE(miss + count, numastat_number(0, "numa_miss"));
}

/*
 * One block of order m left; one block more on each order from @order up to m.
 * Of the block itself the last @unused pages went back, in aligned blocks: one
 * for each bit of their number.
 */
static bool is_split(const long long *before, const long long *held, int order,
		     int from, long long unused)
{
	int i;

	for (i = 0; i < NR_ORDERS; i++) {
		long long moved = held[i] - before[i];
		long long want = i >= order && i < from;

		if (i == from)
			want = -1;
		want += unused >> i & 1;
		if (moved != want)
			return false;
	}
	return true;
}

/*
 * Runs an experiment until /proc/buddyinfo reads the same before and after it
 * for the orders in question, and holds the record's first counts against it.
 */
static struct record *run_between(struct __test_metadata *_metadata,
				  const char *experiment, int order)
{
	struct zone_counts before[ZONES_MAX], after[ZONES_MAX];
	const struct zone_counts *a, *b;
	long long counts[NR_ORDERS];
	struct record *record;
	char zone[16] = "";
	int n, i, tries;

	for (tries = 0; may_try(tries); tries++) {
		n = read_buddyinfo(before);
		record = run("buddy.%s order=%d", experiment, order);
		read_buddyinfo(after);
		if (record->err || !text_of(record, "zone") ||
		    sscanf(text_of(record, "zone"), "%15s", zone) != 1)
			return record;
		a = find_zone(before, n, number_of(record, "node"), zone);
		b = find_zone(after, n, number_of(record, "node"), zone);
		if (a && b && same_from(a, b, order))
			break;
	}
	EXPECT_LT(tries, QUIET_TRIES) {
		TH_LOG("the machine never held still");
		return record;
	}
	EXPECT_TRUE(orders_of(record, "before", counts));
	for (i = order; i < NR_ORDERS; i++) {
		/*
		 * Blocks put aside first were still free when buddyinfo was
		 * read.
		 */
		long long aside = 0;

		if (i == order)
			aside = number_of(record, "nr_aside") +
				number_of(record, "nr_drained");
		EXPECT_EQ(a->nr_free[i], counts[i] + aside);
	}
	return record;
}

/*
 * The record of a request of @order that was met from a larger block, which
 * lost 2^@taken pages.
 */
static void expect_cut(struct __test_metadata *_metadata,
		       const struct record *record, int order, int taken)
{
	long long before[NR_ORDERS], held[NR_ORDERS], from, pfn;
	char zone[16] = "";
	int node = -1;

	from = number_of(record, "from_order");
	pfn = number_of(record, "pfn");
	EXPECT_EQ(order, number_of(record, "order"));
	EXPECT_LT(order, from);
	EXPECT_EQ(0, pfn % (1 << order));
	EXPECT_TRUE(zone_of_frame(pfn, &node, zone));
	EXPECT_EQ(node, number_of(record, "node"));
	EXPECT_TRUE(text_is(record, "zone", zone));
	EXPECT_TRUE(orders_of(record, "before", before));
	EXPECT_TRUE(orders_of(record, "held", held));
	EXPECT_TRUE(is_split(before, held, taken, from, 0));
}

TEST_F(buddy, split)
{
	int order;

	for (order = FIRST_ORDER; order <= LAST_ORDER; order++) {
		struct record *record = run_between(_metadata, "split", order);

		ASSERT_EQ(0, record->err);
		expect_cut(_metadata, record, order, order);
	}
}

/*
 * The same seen from outside: a pool holds the block while buddyinfo is read.
 */
TEST_F(buddy, split_held)
{
	struct zone_counts before[ZONES_MAX], held[ZONES_MAX], after[ZONES_MAX];
	int n = 0, i, from, order = 6, tries;

	ASSERT_OK("pool.create name=split allocator=pages order=%d", order);
	for (tries = 0; may_try(tries); tries++) {
		bool quiet = true;

		n = read_buddyinfo(before);
		EXPECT_OK("pool.alloc name=split count=1");
		read_buddyinfo(held);
		EXPECT_OK("pool.free name=split count=1");
		read_buddyinfo(after);
		for (i = 0; i < n; i++)
			quiet = quiet &&
				same_from(&before[i], &after[i], order);
		if (quiet)
			break;
	}
	EXPECT_OK("pool.destroy name=split");
	ASSERT_LT(tries, QUIET_TRIES) TH_LOG("the machine never held still");
	for (i = 0; i < n && same_from(&before[i], &held[i], order); i++)
		;
	ASSERT_LT(i, n) TH_LOG("no zone lost a block");
	for (from = order; from < NR_ORDERS; from++)
		if (held[i].nr_free[from] < before[i].nr_free[from])
			break;
	/* Orders below are the per-CPU lists' to move. */
	memcpy(before[i].nr_free, held[i].nr_free,
	       order * sizeof(*before[i].nr_free));
	EXPECT_TRUE(is_split(before[i].nr_free, held[i].nr_free, order, from,
			     0));
}

TEST_F(buddy, merge)
{
	int order;

	for (order = FIRST_ORDER; order <= LAST_ORDER; order++) {
		long long before[NR_ORDERS], after[NR_ORDERS];
		struct record *record = run_between(_metadata, "merge", order);

		ASSERT_EQ(0, record->err);
		expect_cut(_metadata, record, order, order);
		ASSERT_TRUE(orders_of(record, "before", before));
		ASSERT_TRUE(orders_of(record, "after", after));
		EXPECT_EQ(0, memcmp(before, after, sizeof(before)));
	}
}

/* Two halves of a block, in either order: the first to go finds no partner. */
static void expect_partner(struct __test_metadata *_metadata, int order,
			   const char *first)
{
	long long before[NR_ORDERS], held[NR_ORDERS], after[NR_ORDERS];
	long long one_freed[NR_ORDERS], pfn, partner;
	struct record *record;
	char command[32];

	snprintf(command, sizeof(command), "partner first=%s", first);
	record = run_between(_metadata, command, order);
	ASSERT_EQ(0, record->err);
	/* Together the halves are one block of the next order. */
	expect_cut(_metadata, record, order, order + 1);
	pfn = number_of(record, "pfn");
	partner = number_of(record, "partner_pfn");
	EXPECT_EQ(pfn ^ 1LL << order, partner);
	EXPECT_EQ(!strcmp(first, "lower"),
		  number_of(record, "first_freed_pfn") ==
			  (pfn < partner ? pfn : partner));
	EXPECT_EQ(!strcmp(first, "upper"),
		  number_of(record, "first_freed_pfn") ==
			  (pfn > partner ? pfn : partner));

	ASSERT_TRUE(orders_of(record, "before", before));
	ASSERT_TRUE(orders_of(record, "held", held));
	ASSERT_TRUE(orders_of(record, "one_freed", one_freed));
	ASSERT_TRUE(orders_of(record, "both_freed", after));
	held[order]++;
	EXPECT_EQ(0, memcmp(held, one_freed, sizeof(held)));
	EXPECT_EQ(0, memcmp(before, after, sizeof(before)));
}

TEST_F(buddy, partner)
{
	int order;

	for (order = FIRST_ORDER; order <= LAST_ORDER; order++) {
		expect_partner(_metadata, order, "lower");
		expect_partner(_metadata, order, "upper");
	}
}

/*
 * Lines that the kernel's log got since @kmsg was at its end; those that a
 * warning has are counted too.
 */
static int nr_new_lines(int kmsg, int *nr_warnings)
{
	char line[8192];
	ssize_t len;
	int n = 0;

	while ((len = read(kmsg, line, sizeof(line) - 1)) > 0) {
		line[len] = '\0';
		*nr_warnings += strstr(line, "WARNING:") ||
				strstr(line, "page allocation failure");
		n++;
	}
	return n;
}

/* The orders that /proc/buddyinfo has a column for. */
static int nr_columns(void)
{
	char text[4096], *p;
	int n = 0;

	if (read_file("/proc/buddyinfo", text, sizeof(text)) <= 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	strtok(text, " ");
	for (p = text; p; p = strtok(NULL, " "))
		n++;
	return n - 4;	/* "Node" "0," "zone" "DMA" */
}

TEST_F(buddy, max_order)
{
	static struct record record;
	int columns = nr_columns(), warnings = 0, marked, tries, order;
	int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	pid_t pid;

	ASSERT_LE(0, kmsg);
	/* Others may write to the log; a warning would be ours. */
	for (tries = 0; may_try(tries); tries++) {
		lseek(kmsg, 0, SEEK_END);
		ASSERT_OK("buddy.max_order");
		if (!nr_new_lines(kmsg, &warnings))
			break;
	}
	close(kmsg);
	EXPECT_LT(tries, QUIET_TRIES);
	EXPECT_EQ(0, warnings);

	pid = hold("buddy", "max_order over=2 hold_ms=60000", &record);
	marked = nr_marked(&record);
	ASSERT_TRUE(let_go(pid));
	/* It has room for as many marks as a record lists frames. */
	EXPECT_EQ(64, marked);
	EXPECT_EQ(1, nr_runs(&record));
	EXPECT_EQ(0, cell_of(&record, "frames", "0") % (1 << (columns - 1)));
	for (order = columns - 1; order <= columns + 1; order++) {
		bool asked = order != columns;
		char row[16];

		snprintf(row, sizeof(row), "order.%d", order);
		EXPECT_EQ(asked ? PAGE_BYTES << order : MISSING,
			  cell_of(&record, row, "bytes"));
		EXPECT_EQ(!asked ? MISSING : order < columns ? 0 : ENOMEM,
			  cell_of(&record, row, "errno"));
	}
	EXPECT_EQ((PAGE_BYTES << (columns - 1)) + 1,
		  cell_of(&record, "exact", "bytes"));
	EXPECT_EQ(ENOMEM, cell_of(&record, "exact", "errno"));
}

static void expect_waste(struct __test_metadata *_metadata,
			 const struct record *record, long long bytes)
{
	long long pages = (bytes + PAGE_BYTES - 1) / PAGE_BYTES;
	char row[32];
	int order;

	for (order = 0; 1 << order < pages; order++)
		;
	snprintf(row, sizeof(row), "bytes.%lld", bytes);
	EXPECT_EQ(order, cell_of(record, row, "order"));
	EXPECT_EQ(PAGE_BYTES << order, cell_of(record, row, "order_bytes"));
	EXPECT_EQ((PAGE_BYTES << order) - bytes,
		  cell_of(record, row, "order_waste_bytes"));
	EXPECT_EQ(pages * PAGE_BYTES, cell_of(record, row, "exact_bytes"));
	EXPECT_EQ(pages * PAGE_BYTES - bytes,
		  cell_of(record, row, "exact_waste_bytes"));
}

TEST_F(buddy, waste)
{
	long long largest = PAGE_BYTES << (NR_ORDERS - 1), bytes;
	struct record *record = run("buddy.waste");

	ASSERT_EQ(0, record->err);
	for (bytes = 8; bytes <= largest; bytes *= 2) {
		expect_waste(_metadata, record, bytes);
		if (bytes < largest)
			expect_waste(_metadata, record, bytes + bytes / 2);
	}
	/* A byte more than fits is the worst. */
	for (bytes = PAGE_BYTES; bytes < largest; bytes *= 2) {
		record = run("buddy.waste bytes=%lld", bytes + 1);
		ASSERT_EQ(0, record->err);
		expect_waste(_metadata, record, bytes + 1);
	}
}

/*
 * How many of these frames are free and on a list of the buddy: those on a
 * per-CPU list are not.
 */
static int nr_buddy(long long pfn, int pages)
{
	int i, n = 0;

	for (i = 0; i < pages; i++)
		n += !!(kpageflags(pfn + i) & FLAG_BUDDY);
	return n;
}

/* The highest order that lost a block. */
static int order_lost(const long long *before, const long long *held)
{
	int order = NR_ORDERS - 1;

	while (order > 0 && held[order] >= before[order])
		order--;
	return order;
}

/*
 * The counts of a record without per-CPU pages among them: those before are in
 * /proc/buddyinfo too, and those held differ by a block of which @pages stay.
 */
static bool is_taken(const struct record *record, const struct zone_counts *info,
		     int nr_zones, int pages)
{
	long long before[NR_ORDERS], held[NR_ORDERS];
	int order = number_of(record, "order"), node;
	const struct zone_counts *zone;
	char name[16];

	if (order < FIRST_ORDER || order >= NR_ORDERS ||
	    !orders_of(record, "before", before) ||
	    !orders_of(record, "held", held) ||
	    !zone_of_frame(number_of(record, "pfn"), &node, name))
		return false;
	zone = find_zone(info, nr_zones, node, name);
	return zone && node == number_of(record, "node") &&
	       text_is(record, "zone", name) &&
	       !memcmp(zone->nr_free + FIRST_ORDER, before + FIRST_ORDER,
		       (NR_ORDERS - FIRST_ORDER) * sizeof(*before)) &&
	       is_split(before, held, order, order_lost(before, held),
			(1 << order) - pages);
}

/*
 * Requests of 2^order / 2 + 1 pages to 2^order - 1: all but the pages asked for
 * are in the counts at once.
 */
static void expect_exact(struct __test_metadata *_metadata, int order,
			 int pages)
{
	struct zone_counts info[ZONES_MAX];
	struct record *record;
	int tries, n;

	for (tries = 0; may_try(tries); tries++) {
		n = read_buddyinfo(info);
		record = run("buddy.exact bytes=%lu", pages * PAGE_BYTES - 7);
		ASSERT_EQ(0, record->err);
		if (is_taken(record, info, n, pages))
			break;
	}
	EXPECT_LT(tries, QUIET_TRIES);
	EXPECT_EQ(order, number_of(record, "order"));
	EXPECT_EQ(0, number_of(record, "pfn") % (1 << order));
	EXPECT_EQ(pages, number_of(record, "taken_pages"));
	EXPECT_EQ(pages, number_of(record, "returned_pages"));
}

TEST_F(buddy, exact)
{
	int order;

	for (order = FIRST_ORDER; order <= LAST_ORDER; order++) {
		expect_exact(_metadata, order, (1 << order) / 2 + 1);
		expect_exact(_metadata, order, (1 << order) - 1);
	}
}

/* While 37 pages of 64 are held, the kernel shows the other 27 as free. */
TEST_F(buddy, exact_held)
{
	int pages = 37, order = 6, held = -1, unused = -1, tries;
	static struct record record;

	for (tries = 0; may_try(tries); tries++) {
		pid_t pid = hold("buddy", "exact bytes=151552 hold_ms=60000",
				 &record);
		long long pfn = number_of(&record, "pfn");

		held = nr_buddy(pfn, pages);
		unused = nr_buddy(pfn + pages, (1 << order) - pages);
		ASSERT_TRUE(let_go(pid));
		/* Whoever wants them may have taken some. */
		if (unused == (1 << order) - pages)
			break;
	}
	EXPECT_LT(tries, QUIET_TRIES);
	EXPECT_EQ(0, held);
}

/* A page of this node, or NULL. */
static char *page_of_node(int node)
{
	unsigned long nodes = 1UL << node;
	char *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED ||
	    syscall(SYS_mbind, page, PAGE_BYTES, MPOL_BIND, &nodes,
		    8 * sizeof(nodes), 0))
		return NULL;
	*page = 1;
	return page;
}

/*
 * Takes the pages off this CPU's lists for a zone of another node, where @page
 * lies.  The kernel does that, a batch at a time, at the third reading after
 * one of the zone's counters was changed on this CPU (mm/vmstat.c,
 * refresh_cpu_vm_stats()); nr_mlock is one that we can change at will.
 */
static bool drain_distant(int node, const char *zone, int cpu, char *page)
{
	static bool locked;
	int i, tries;

	for (tries = 0; tries < 2 * QUIET_TRIES; tries++) {
		if (!zoneinfo_number(node, zone, cpu, "count:"))
			return true;
		if (locked ? munlock(page, PAGE_BYTES) : mlock(page, PAGE_BYTES))
			return false;
		locked = !locked;
		for (i = 0; i < 3; i++)
			refresh_counters();
	}
	return false;
}

/*
 * Pages of node 1 freed on a CPU of node 0 wait on its list, and are one block
 * again as soon as they have left it.
 */
TEST_F(buddy, split_page)
{
	struct zone_counts before[ZONES_MAX], after[ZONES_MAX];
	int n, tries, order, node = 1, cpu = 0;
	const struct zone_counts *a, *b;
	char *page;

	if (access(NODES "node1", F_OK))
		SKIP(return, "buddy.split_page: one node: no list is drained");
	ASSERT_TRUE(pin_to_cpu(cpu));
	page = page_of_node(node);
	ASSERT_NE(NULL, page);
	for (order = FIRST_ORDER; order <= LAST_ORDER; order++) {
		int pages = 1 << order, listed = -1, merged = -1;
		static struct record record;
		long long pfn = -1;

		for (tries = 0; may_try(tries); tries++) {
			if (!drain_distant(node, "Normal", cpu, page))
				continue;
			n = read_buddyinfo(before);
			record = *run("buddy.split_page order=%d node=%d cpu=%d",
				      order, node, cpu);
			ASSERT_EQ(0, record.err);
			pfn = number_of(&record, "pfn");
			listed = zoneinfo_number(node, "Normal", cpu, "count:");
			if (nr_buddy(pfn, pages) ||
			    !drain_distant(node, "Normal", cpu, page))
				continue;
			merged = nr_buddy(pfn, pages);
			read_buddyinfo(after);
			a = find_zone(before, n, node, "Normal");
			b = find_zone(after, n, node, "Normal");
			if (a && b && same_from(a, b, order) &&
			    listed == pages && merged == pages &&
			    is_taken(&record, before, n, pages))
				break;
		}
		ASSERT_LT(tries, QUIET_TRIES) TH_LOG("%s", record.text);
		EXPECT_EQ(order, number_of(&record, "order"));
		EXPECT_EQ(0, pfn % pages);
		EXPECT_EQ(pages, number_of(&record, "taken_pages"));
		EXPECT_EQ(pages, number_of(&record, "returned_pages"));
		EXPECT_EQ(0, number_of(&record, "cpu_pages_before"));
		EXPECT_EQ(pages, number_of(&record, "cpu_pages_after"));
	}
}

/* How often a frame is mapped, from /proc/kpagecount. */
static long long nr_mappings(long long pfn)
{
	int fd = open("/proc/kpagecount", O_RDONLY);
	uint64_t n = -1;

	if (fd >= 0 && pread(fd, &n, sizeof(n), pfn * sizeof(n)) != sizeof(n))
		n = -1;
	close(fd);
	return n;
}

/*
 * With one reference left the kernel shows the block as in use, though nobody
 * maps it; after the last it is on a list of the buddy.
 */
TEST_F(buddy, refcount)
{
	int order = 5, pages = 1 << order, refs = 3, i, tries;
	static struct record record;

	for (tries = 0; may_try(tries); tries++) {
		uint64_t head, tail;
		long long pfn, maps;
		pid_t pid;

		pid = hold("buddy", "refcount order=5 refs=3 hold_ms=60000",
			   &record);
		pfn = number_of(&record, "pfn");
		head = kpageflags(pfn);
		tail = kpageflags(pfn + pages - 1);
		maps = nr_mappings(pfn);
		ASSERT_TRUE(let_go(pid));
		EXPECT_EQ(FLAG_COMPOUND_HEAD, head & (FLAG_COMPOUND_HEAD |
						      FLAG_BUDDY));
		EXPECT_EQ(FLAG_COMPOUND_TAIL, tail & (FLAG_COMPOUND_TAIL |
						      FLAG_BUDDY));
		EXPECT_EQ(0, maps);
		/* Whoever wants it may have it by now. */
		if (nr_buddy(pfn, pages) == pages)
			break;
	}
	EXPECT_LT(tries, QUIET_TRIES);

	record = *run("buddy.refcount order=%d refs=%d", order, refs);
	ASSERT_EQ(0, record.err);
	EXPECT_EQ(order, number_of(&record, "order"));
	for (i = 0; i <= refs; i++) {
		EXPECT_EQ(refs + 1 - i, numbered_cell_of(&record, "refs", i));
		EXPECT_EQ(pages, numbered_cell_of(&record, "taken_pages", i));
	}
	EXPECT_EQ(MISSING, numbered_cell_of(&record, "refs", i));
	EXPECT_EQ(pages, number_of(&record, "returned_pages"));
}

/* What a crash dump is told of the size of a struct page. */
static long long vmcore_page_bytes(void)
{
	static const char key[] = "SIZE(page)=";
	static char notes[1 << 16];
	int fd = open("/proc/kcore", O_RDONLY);
	ssize_t len = fd < 0 ? -1 : read(fd, notes, sizeof(notes) - 1);
	char *p;

	close(fd);
	p = len > 0 ? memmem(notes, len, key, strlen(key)) : NULL;
	return p ? strtoll(p + strlen(key), NULL, 10) : MISSING;
}

static void expect_conversions(struct __test_metadata *_metadata,
			       const struct record *record, const char *row,
			       const struct zone_counts *zone)
{
	long long pfn = cell_of(record, row, "pfn");
	char name[16] = "";
	int node = -1;

	EXPECT_TRUE(zone_of_frame(pfn, &node, name));
	EXPECT_EQ(zone->node, node);
	EXPECT_STREQ(zone->zone, name);
	EXPECT_EQ(pfn * (long long)PAGE_BYTES, cell_of(record, row, "phys"));
	/* The direct map shows physical address 0 at its beginning. */
	EXPECT_EQ(pfn * (long long)PAGE_BYTES,
		  cell_of(record, row, "virt_offset_bytes"));
	EXPECT_EQ(pfn * vmcore_page_bytes(),
		  cell_of(record, row, "page_offset_bytes"));
	EXPECT_EQ(pfn, cell_of(record, row, "pfn_of_page"));
	EXPECT_EQ(pfn, cell_of(record, row, "pfn_of_phys"));
	EXPECT_EQ(pfn, cell_of(record, row, "pfn_of_virt"));
	EXPECT_EQ(pfn, cell_of(record, row, "pfn_mapped"));
}

TEST_F(buddy, addresses)
{
	struct zone_counts zones[ZONES_MAX];
	int n = read_buddyinfo(zones), i, k, marked, samples = 3;
	static struct record record;
	pid_t pid;

	if (access("/proc/kcore", R_OK))
		SKIP(return, "buddy.addresses: no /proc/kcore");
	pid = hold("buddy", "addresses count=3 hold_ms=60000", &record);
	marked = nr_marked(&record);
	ASSERT_TRUE(let_go(pid));

	/* Written through the virtual address, found at the physical one. */
	ASSERT_LT(0, n);
	EXPECT_EQ(n, marked);
	EXPECT_EQ(vmcore_page_bytes(), number_of(&record, "page_bytes"));
	for (i = 0; i < n; i++) {
		int node = -1;
		char name[16] = "", row[32];

		zone_of_frame(numbered_cell_of(&record, "frames", i), &node,
			      name);
		EXPECT_EQ(zones[i].node, node);
		EXPECT_STREQ(zones[i].zone, name);
		for (k = 0; k < samples; k++) {
			snprintf(row, sizeof(row), "N%d.%s.%d", zones[i].node,
				 zones[i].zone, k);
			expect_conversions(_metadata, &record, row, &zones[i]);
		}
	}
}

/* Each page holds its own mark, so no two of them are the same. */
TEST_F(buddy, bulk)
{
	static struct record record;
	int pages = 200, marked;
	pid_t pid;

	if (access("/proc/kcore", R_OK))
		SKIP(return, "buddy.bulk: no /proc/kcore");
	pid = hold("buddy", "bulk count=200 hold_ms=60000", &record);
	marked = nr_marked(&record);
	ASSERT_TRUE(let_go(pid));
	EXPECT_EQ(pages, marked);
	EXPECT_EQ(pages, number_of(&record, "nr_pages"));
	EXPECT_EQ(pages, number_of(&record, "taken_pages"));

	record = *run("buddy.bulk count=%d", pages);
	ASSERT_EQ(0, record.err);
	EXPECT_EQ(pages, number_of(&record, "taken_pages"));
	EXPECT_EQ(pages, number_of(&record, "returned_pages"));
}

/* The functions that tell the ways through the allocator apart. */
static const char *const steps[] = {
	"path_alloc", "path_free", "get_page_from_freelist",
	/* Onto the CPU's list: 6.14 renamed it. */
	"free_unref_page_commit", "free_frozen_page_commit",
	/* Straight to the zone's. */
	"__free_pages_ok",
};

static void tracer_off(void)
{
	write_file(TRACEFS "current_tracer", "nop");
	empty_file(TRACEFS "set_ftrace_filter");
	empty_file(TRACEFS "set_graph_function");
	empty_file(TRACEFS "trace");
}

/* Only what is called under the two functions of the experiment's own. */
static bool tracer_on(void)
{
	int i;

	tracer_off();
	/* A name that this kernel does not know adds nothing. */
	for (i = 0; i < ARRAY_SIZE(steps); i++)
		write_file(TRACEFS "set_ftrace_filter", steps[i]);
	return !write_file(TRACEFS "set_graph_function", "path_alloc") &&
	       !write_file(TRACEFS "set_graph_function", "path_free") &&
	       !write_file(TRACEFS "current_tracer", "function_graph");
}

/**
 * struct calls - what was called under one of the two, according to the tracer
 * @nr:		how often it was called itself
 * @name:	as the trace has it
 * @taken:	requests that went to the free lists
 * @to_cpu:	pages that were put on a CPU's list
 * @to_zone:	blocks that were given to the zone
 */
struct calls {
	int nr, taken, to_cpu, to_zone;
	char name[64];
};

static void count_calls(char *trace, struct calls *alloc, struct calls *free)
{
	struct calls *calls = alloc;
	char *line;

	while ((line = strsep(&trace, "\n"))) {
		if (strstr(line, "path_alloc"))
			calls = alloc;
		if (strstr(line, "path_free"))
			calls = free;
		if (strstr(line, " path_") &&
		    sscanf(strstr(line, " path_"), " %63[^(]", calls->name) == 1)
			calls->nr++;
		calls->taken += !!strstr(line, "get_page_from_freelist");
		calls->to_cpu += !!strstr(line, "_page_commit");
		calls->to_zone += !!strstr(line, "__free_pages_ok");
	}
}

/*
 * On one CPU, and again where an interrupt has used the allocator in between:
 * its calls are in the tree as well.
 */
TEST_F(buddy, path)
{
	int orders[] = {0, 5}, rounds = 3, i;
	static char trace[1 << 16];

	ASSERT_TRUE(pin_to_cpu(sched_getcpu()));
	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		bool single = orders[i] == 0;
		struct calls alloc, free;
		struct record *record;
		int tries;

		for (tries = 0; may_try(tries); tries++) {
			alloc = (struct calls){};
			free = (struct calls){};
			if (!tracer_on()) {
				tracer_off();
				SKIP(return, "no function-graph tracer");
			}
			record = run("buddy.path order=%d rounds=%d", orders[i],
				     rounds);
			read_file(TRACEFS "trace", trace, sizeof(trace));
			tracer_off();
			count_calls(trace, &alloc, &free);
			if (free.to_cpu + free.to_zone == rounds &&
			    alloc.taken == rounds)
				break;
		}
		ASSERT_LT(tries, QUIET_TRIES) TH_LOG("%s", trace);
		ASSERT_EQ(0, record->err);
		EXPECT_EQ(orders[i], number_of(record, "order"));
		EXPECT_EQ(alloc.nr, number_of(record, "nr_rounds"));
		EXPECT_EQ(free.nr, number_of(record, "nr_rounds"));
		EXPECT_TRUE(text_is(record, "alloc_function", alloc.name));
		EXPECT_TRUE(text_is(record, "free_function", free.name));
		EXPECT_EQ(single ? rounds : 0, free.to_cpu);
		EXPECT_EQ(single ? 0 : rounds, free.to_zone);
	}
}

TEST_HARNESS_MAIN

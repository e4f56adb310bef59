// SPDX-License-Identifier: GPL-2.0
#include "kmemlab.h"

/* Orders that bypass the per-CPU lists and can be cut out of a larger block. */
#define FIRST_ORDER	4
#define LAST_ORDER	8

LAB_FIXTURE(buddy);

static bool same_from(const struct zone_counts *a, const struct zone_counts *b,
		      int order)
{
	return !memcmp(a->nr_free + order, b->nr_free + order,
		       (NR_ORDERS - order) * sizeof(*a->nr_free));
}

/*
 * A record between two readings of /proc/buddyinfo that agree: then what the
 * module read in between must be the same.
 */
TEST_F(buddy, freelists)
{
	struct zone_counts before[ZONES_MAX], after[ZONES_MAX];
	struct record *record = NULL;
	int n = 0, i, order, tries;

	for (tries = 0; tries < QUIET_TRIES; tries++) {
		n = read_buddyinfo(before);
		record = run("buddy.freelists");
		read_buddyinfo(after);
		if (!memcmp(before, after, sizeof(before)))
			break;
	}
	ASSERT_LT(tries, QUIET_TRIES) TH_LOG("the machine never held still");
	ASSERT_EQ(0, record->err);
	ASSERT_GT(n, 0);
	for (i = 0; i < n; i++) {
		long long counts[NR_ORDERS], pages = 0;
		char row[64];

		snprintf(row, sizeof(row), "N%d.%s", before[i].node,
			 before[i].zone);
		ASSERT_TRUE(orders_of(record, row, counts));
		for (order = 0; order < NR_ORDERS; order++) {
			EXPECT_EQ(before[i].nr_free[order], counts[order]);
			pages += counts[order] << order;
		}
		/* The lists together are what the zone counts as free. */
		snprintf(row, sizeof(row), "N%d.%s.total", before[i].node,
			 before[i].zone);
		EXPECT_EQ(pages, cell_of(record, row, "free_pages"));
	}
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
		EXPECT_EQ(0, page_flags(place.pfn) & FLAG_BUDDY);
		EXPECT_OK("pool.destroy name=aligned");
	}
}

/*
 * One block of order m left; one block more on each order from @order up to m.
 */
static bool is_split(const long long *before, const long long *held, int order,
		     int from)
{
	int i;

	for (i = 0; i < NR_ORDERS; i++) {
		long long moved = held[i] - before[i];
		long long want = i >= order && i < from;

		if (i == from)
			want = -1;
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

	for (tries = 0; tries < QUIET_TRIES; tries++) {
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

TEST_F(buddy, split)
{
	int order;

	for (order = FIRST_ORDER; order <= LAST_ORDER; order++) {
		long long before[NR_ORDERS], held[NR_ORDERS], from, pfn;
		struct record *record = run_between(_metadata, "split", order);

		ASSERT_EQ(0, record->err);
		from = number_of(record, "from_order");
		pfn = number_of(record, "pfn");
		EXPECT_EQ(order, number_of(record, "order"));
		EXPECT_LT(order, from);
		ASSERT_GE(pfn, 0);
		EXPECT_EQ(0, pfn % (1 << order));
		ASSERT_TRUE(orders_of(record, "before", before));
		ASSERT_TRUE(orders_of(record, "held", held));
		EXPECT_TRUE(is_split(before, held, order, from));
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
	for (tries = 0; tries < QUIET_TRIES; tries++) {
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
	EXPECT_TRUE(is_split(before[i].nr_free, held[i].nr_free, order, from));
}

TEST_F(buddy, merge)
{
	int order;

	for (order = FIRST_ORDER; order <= LAST_ORDER; order++) {
		long long before[NR_ORDERS], held[NR_ORDERS], after[NR_ORDERS];
		struct record *record = run_between(_metadata, "merge", order);

		ASSERT_EQ(0, record->err);
		ASSERT_TRUE(orders_of(record, "before", before));
		ASSERT_TRUE(orders_of(record, "held", held));
		ASSERT_TRUE(orders_of(record, "after", after));
		EXPECT_NE(0, memcmp(before, held, sizeof(before)));
		EXPECT_EQ(0, memcmp(before, after, sizeof(before)));
	}
}

TEST_HARNESS_MAIN

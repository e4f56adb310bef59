// SPDX-License-Identifier: GPL-2.0
/*
 * What the budget is charged, held against the kernel's own counters: for objects of each
 * allocator, at sizes that do not divide evenly, for pools that are empty, and after what
 * went wrong.
 */
#include "grammar.h"

/* Per cent by which a charge may differ from what the kernel counts. */
#define PERCENT		2
/*
 * Pages that count for nothing: objects begin in slabs that were there already, of each
 * size and CPU ...
 */
#define SLACK_PAGES	64
/* ... and others allocate meanwhile. */
#define OTHERS_PAGES	32
/* Of a pool, some parts are known by their size alone, and files not all opened. */
#define FIXED_PERCENT	10
/* What a pool is filled with. */
#define FILL_BYTES	(8 << 20)
/* How often, where others have allocated or freed too much meanwhile. */
#define TRIES		8

LAB_FIXTURE(charge);

/* What kmemleak notes of an object. */
static long long note_bytes(void)
{
	if (!has_kmemleak())
		return 0;
	return (PAGE_BYTES << sysfs_number("kmemleak_object", "order")) /
	       sysfs_number("kmemleak_object", "objs_per_slab");
}

/*
 * Notes fill holes in slabs that there are, by thousands, before they take new ones:
 * pages of holes there.
 */
static long long noted_holes(void)
{
	long long active, total;
	char line[256];

	if (!has_kmemleak() ||
	    !find_line("/proc/slabinfo", "kmemleak_object", "", line, sizeof(line)) ||
	    sscanf(line, "%*s %lld %lld", &active, &total) != 2)
		return 0;
	return (total - active) * note_bytes() / PAGE_BYTES;
}

static long long slab_pages(void)
{
	return vmstat_number("nr_slab_reclaimable") +
	       vmstat_number("nr_slab_unreclaimable");
}

/* What is seen in one of the counters of slabs, areas and per-CPU memory. */
static long long counted_pages(void)
{
	return slab_pages() - noted_holes() + meminfo_pages("VmallocUsed") +
	       meminfo_pages("Percpu");
}

/* What is seen in none of them has left the free pages, as pages ... */
static long long bare_pages(void)
{
	return -read_free_pages() - slab_pages();
}

/* ... or with slabs beside them. */
static long long used_pages(void)
{
	return -read_free_pages() - noted_holes();
}

static const struct charged {
	const char *make;
	long long (*pages)(void);
} charged[] = {
	{ "slab size=300", counted_pages },
	{ "slab size=24 ctor=yes", counted_pages },
	{ "slab size=72 align=64", counted_pages },
	{ "slab_bulk size=700", counted_pages },
	{ "slab_magazine size=300", counted_pages },
	{ "mempool size=300 reserve=100", counted_pages },
	{ "kmalloc size=192", counted_pages },
	{ "kmalloc size=1100 type=reclaimable", counted_pages },
	{ "kmalloc size=300 type=cgroup", counted_pages },
	{ "kmalloc size=9000", counted_pages },
	{ "kzalloc size=96", counted_pages },
	{ "vmalloc size=10000", counted_pages },
	{ "vzalloc size=1", counted_pages },
	{ "kvmalloc size=300", counted_pages },
	{ "kvmalloc size=4096", counted_pages },
	{ "kvmalloc size=10000", counted_pages },
	/* Made of huge pages, if there are. */
	{ "kvmalloc size=4198400", counted_pages },
	{ "reclaimable size=300", counted_pages },
	{ "percpu size=100", counted_pages },
	{ "vmap size=10000", used_pages },
	{ "dma size=5000", bare_pages },
	{ "pages order=1", bare_pages },
	{ "pages_bulk", bare_pages },
	{ "node node=0 order=1", bare_pages },
};

/* Fills the pool; returns how many objects it has, 0 if there was no memory. */
static long long fill(const char *pool)
{
	long long n = FILL_BYTES / pool_number(pool, "charge_bytes");

	return run("pool.alloc name=%s count=%lld", pool, n)->err ? 0 : n;
}

/*
 * What was freed goes a grace period later, or KASAN keeps it: waits until these caches
 * have no slab any more that is empty.
 */
static void let_all_go(const char *const *caches)
{
	long long before, pages = counted_pages();
	int tries = 0, i;

	do {
		before = pages;
		usleep(100000);
		for (i = 0; caches[i]; i++)
			drop_freed(caches[i]);
		pages = counted_pages();
	} while (llabs(pages - before) > SLACK_PAGES / 4 && may_try(++tries));
}

/*
 * KASAN keeps what was freed until there is more of it: what commands have for
 * themselves, the objects of the pool before, and what kmemleak has noted of them all.
 */
static void settle(void)
{
	static const char *const caches[] = {
		"kmalloc-512", "kmalloc-2k", "kmalloc-4k", "names_cache",
		"kmalloc-96", "kmalloc-192", "kmalloc-cg-512", "kmalloc-rcl-2k",
		"kmemleak_object", NULL
	};

	if (config_has("CONFIG_KASAN_GENERIC"))
		let_all_go(caches);
}

/* Objects are charged what they take. */
TEST_F_TIMEOUT(charge, objects, 600)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(charged); i++) {
		const struct charged *c = &charged[i];
		long long before, taken, charge, part, more, n = 0;
		int tries;

		for (tries = 0; tries < TRIES; tries++) {
			ASSERT_OK("pool.create name=each allocator=%s", c->make);
			settle();
			before = c->pages();
			n = fill("each");
			settle();
			taken = c->pages() - before;
			charge = n * pool_number("each", "charge_bytes");
			if (c->pages != counted_pages)
				charge += pool_number("each", "bookkeeping_bytes");
			/* KASAN's shadow of three pages and of one that guards them. */
			if (c->pages == used_pages && config_has("CONFIG_KASAN_VMALLOC"))
				taken -= n * (3 + 1) / 8;
			ASSERT_OK("pool.destroy name=each");
			part = charge / 100 * PERCENT / PAGE_BYTES;
			more = charge / (long long)PAGE_BYTES - taken;
			say("%-36s %6lld objects: %lld pages charged, %lld taken",
			    c->make, n, charge / (long long)PAGE_BYTES, taken);
			/*
			 * Chunks of per-CPU memory stay, with all that is beside them,
			 * as long as there is one object of others in them.
			 */
			if (more >= -part - OTHERS_PAGES &&
			    (more <= part + SLACK_PAGES ||
			     !strncmp(c->make, "percpu", 6)))
				break;
		}
		EXPECT_LT(0, n);
		EXPECT_LT(tries, TRIES);
	}
}

/* What a pool of each allocator takes while it has no object. */
static const char *const empty[] = {
	"slab size=300", "kmalloc size=300", "vmalloc size=300", "mempool size=300",
	"reclaimable size=300", "dma size=300",
};

#define NR_POOLS	100

static int nr_made;

static bool make_pools(const char *make)
{
	int end = nr_made + NR_POOLS;

	while (nr_made < end) {
		if (run("pool.create name=empty%d allocator=%s", nr_made, make)->err)
			return false;
		nr_made++;
	}
	return true;
}

static void destroy_pools(void)
{
	while (nr_made)
		run("pool.destroy name=empty%d", --nr_made);
}

/* What pools and their files lie in. */
static const char *const pool_caches[] = {
	"inode_cache", "debugfs_inode_cache", "dentry", "kernfs_node_cache",
	"kmem_cache", "kmem_cache_node", "kmalloc-1k", "radix_tree_node", NULL
};

/*
 * A pool is charged for what it takes itself, with its files.  None goes before the end,
 * so that no other lies in the holes that it left.
 */
TEST_F_TIMEOUT(charge, empty_pools, 300)
{
	long long charge, taken;
	int i, tries;

	/* What commands have used and freed would be counted as well. */
	if (config_has("CONFIG_KASAN_GENERIC"))
		SKIP(return, "charge.empty_pools: KASAN keeps what was freed");
	write_file("/proc/sys/vm/drop_caches", "2");
	let_all_go(pool_caches);
	for (i = 0; i < ARRAY_SIZE(empty); i++) {
		for (tries = 0; tries < TRIES; tries++) {
			taken = counted_pages();
			charge = lab_charged();
			ASSERT_TRUE(make_pools(empty[i]));
			charge = (lab_charged() - charge) / NR_POOLS;
			taken = (counted_pages() - taken) * PAGE_BYTES / NR_POOLS;
			say("%-24s %6lld bytes charged, %6lld taken", empty[i],
			    charge, taken);
			if (taken * (100 - PERCENT) / 100 <= charge &&
			    taken * (100 + FIXED_PERCENT) / 100 >= charge)
				break;
		}
		EXPECT_LT(tries, TRIES);
	}
	destroy_pools();
}

/* One object alone takes a slab, and its pointer a page. */
TEST_F(charge, few)
{
	static const char *const make[] = {
		"slab size=8192", "slab size=24", "slab_magazine size=300",
		"mempool size=1000 reserve=1", "reclaimable size=700", "kmalloc size=192",
		"vmalloc size=100",
	};
	long long empty;
	int i;

	for (i = 0; i < ARRAY_SIZE(make); i++) {
		ASSERT_OK("pool.create name=few allocator=%s", make[i]);
		empty = pool_number("few", "charged_bytes");
		ASSERT_OK("pool.alloc name=few count=1");
		EXPECT_LE(pool_number("few", "held_bytes") +
			  pool_number("few", "bookkeeping_bytes") / PAGE_BYTES * PAGE_BYTES,
			  pool_number("few", "charged_bytes") - empty)
		TH_LOG("%s", make[i]);
		ASSERT_OK("pool.destroy name=few");
	}
}

/* What was charged for once is not charged for again, while slabs stay. */
TEST_F(charge, again)
{
	long long charged;

	ASSERT_OK("pool.create name=again allocator=slab size=192");
	ASSERT_OK("pool.alloc name=again count=1000");
	charged = pool_number("again", "charged_bytes");
	ASSERT_OK("pool.free name=again count=500");
	ASSERT_OK("pool.alloc name=again count=400");
	ASSERT_OK("pool.alloc name=again count=100");
	EXPECT_EQ(charged, pool_number("again", "charged_bytes"));
	ASSERT_OK("pool.destroy name=again");
}

/* What may be merged is a cache of its own, if no other is alike. */
TEST_F(charge, merged)
{
	long long alone, merged;

	ASSERT_OK("pool.create name=alone allocator=slab size=5000");
	ASSERT_OK("pool.create name=merged allocator=slab size=5000 merge=yes");
	alone = pool_number("alone", "charged_bytes");
	merged = pool_number("merged", "charged_bytes");
	EXPECT_LE(alone * (100 - PERCENT) / 100, merged);
	EXPECT_GE(alone * (100 + PERCENT) / 100, merged);
	ASSERT_OK("pool.destroy name=merged");
	ASSERT_OK("pool.destroy name=alone");
}

/* Objects that the kernel refuses are not charged, whatever the pool has already. */
TEST_F(charge, failed)
{
	static const char group[] = "kmemlab-charge";
	long long charge, failed;

	if (!cgroup_make_kmem(group))
		SKIP(return, "charge.failed: no cgroup v2 is charged for the kernel's memory");
	ASSERT_OK("pool.create name=some allocator=reclaimable size=4096");
	ASSERT_OK("pool.alloc name=some count=100");
	ASSERT_EQ(0, write_file(cgroup_path(group, "memory.max"), "8M"));
	charge = lab_charged();
	failed = pool_number("some", "nr_failed");
	EXPECT_EQ(ENOMEM, run_in_group(group, 0, "pool.alloc name=some count=4000"));
	EXPECT_EQ(charge, lab_charged());
	EXPECT_EQ(100, pool_number("some", "nr_objects"));
	EXPECT_EQ(100, pool_number("some", "nr_allocs"));
	EXPECT_EQ(failed + 1, pool_number("some", "nr_failed"));
	/* And those that the budget has no room for. */
	EXPECT_EQ(EDQUOT, run("pool.alloc name=some count=100000000")->err);
	EXPECT_EQ(charge, lab_charged());
	EXPECT_EQ(failed + 2, pool_number("some", "nr_failed"));
	cgroup_clear(group);
	ASSERT_OK("pool.destroy name=some");
}

static long long nr_pools(void)
{
	return keyed_number("/proc/kmemlab/summary", "nr_pools");
}

/* A pool that cannot be opened is none, and is charged nothing. */
TEST_F(charge, not_opened)
{
	long long charge = lab_charged(), pools = nr_pools();

	EXPECT_EQ(ERANGE, run("pool.create name=none allocator=slab size=64 align=3")
			  ->err);
	EXPECT_EQ(EINVAL,
		  run("pool.create name=none allocator=slab size=64 ctor=yes merge=yes")
			  ->err);
	EXPECT_EQ(pools, nr_pools());
	EXPECT_EQ(charge, lab_charged());
}

/* Has a pool hold so much that the budget has not even so many pages left. */
static long long use_up(const char *pool, long long pages)
{
	long long left;

	run("pool.create name=%s allocator=pages order=0", pool);
	do {
		left = (read_number(LAB "budget_bytes") - lab_charged()) /
		       (long long)PAGE_BYTES;
	} while (left > pages && !run("pool.alloc name=%s count=%lld", pool, left / 2 + 1)->err);
	return left;
}

/* The same where the budget has room for a part of it only, whichever. */
TEST_F(charge, no_room)
{
	static const char *const make[] = {
		"slab size=300", "slab_bulk size=300", "slab_magazine size=300",
		"kmalloc size=300", "vmalloc size=300", "vmap size=300",
		"mempool size=300 reserve=10", "reclaimable size=300", "dma size=300",
		"pages order=0", "percpu size=300",
	};
	long long charge, left, pools;
	int i, nr_refused = 0;
	char line[256];

	left = use_up("others", 16);
	for (pools = nr_pools(); left > 0; left--) {
		for (i = 0; i < ARRAY_SIZE(make); i++) {
			charge = lab_charged();
			if (run("pool.create name=none allocator=%s", make[i])->err)
				nr_refused++;
			else
				EXPECT_EQ(0, run("pool.destroy name=none")->err);
			EXPECT_EQ(charge, lab_charged()) TH_LOG("%s", make[i]);
			EXPECT_EQ(pools, nr_pools()) TH_LOG("%s", make[i]);
		}
		if (run("pool.alloc name=others count=1")->err)
			break;
	}
	EXPECT_LT(ARRAY_SIZE(make), nr_refused);
	EXPECT_FALSE(find_line("/proc/slabinfo", "kmemlab_none", "", line, sizeof(line)))
	TH_LOG("%s", line);
	ASSERT_OK("pool.destroy name=others");
}

/* What the experiments that take less than a page take at the most, in bytes. */
#define LITTLE		1024

/* Whether an experiment takes less than a page. */
static bool takes_little(const char *name)
{
	static const char *const names[] = {
		"buddy.freelists", "slab.generation", "kmalloc.loop", "ioremap.register",
		"ioremap.info", "ioremap.cache", "percpu.copies", "numa.nodes",
		"page.flags", "gfp.decode", "reclaim.marks",
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* An experiment that takes memory is refused if there is no budget left for it. */
TEST_F(charge, none_left)
{
	FILE *list = fopen(LAB "experiments", "r");
	int err, nr_refused = 0;
	bool little_fits;
	char name[64];

	ASSERT_NE(NULL, list);
	ASSERT_GT(1, use_up("all", 0));
	little_fits = read_number(LAB "budget_bytes") - lab_charged() >= LITTLE;
	while (next_experiment(list, name)) {
		err = run_default(name)->err;
		nr_refused += err == EDQUOT;
		EXPECT_TRUE(err == EDQUOT ? !little_fits || !takes_little(name) :
			    err == EOPNOTSUPP || takes_little(name))
		TH_LOG("%s: %d", name, err);
	}
	fclose(list);
	EXPECT_LT(0, nr_refused);
	EXPECT_OK("pool.destroy name=all");
}

/* What a number is set to that is to be large, if it may be. */
#define MANY		20000
/* A record of many rows takes some, with its copies. */
#define RECORD_PAGES	64

/* Whether what is gone while a command holds it is charged. */
static bool is_charged_for(const char *family, const char *command)
{
	static struct record record;
	long long taken, charge = 0;
	bool held = true;
	int tries;
	pid_t pid;

	for (tries = 0; held && may_try(tries); tries++) {
		taken = read_free_pages();
		charge = lab_charged();
		pid = hold(family, command, &record);
		charge = (lab_charged() - charge) / (long long)PAGE_BYTES;
		taken -= read_free_pages();
		held = let_go(pid);
		if (charge * (100 + PERCENT) / 100 + OTHERS_PAGES + RECORD_PAGES >= taken)
			return true;
	}
	say("%s.%s: %lld pages charged, %lld taken", family, command, charge, taken);
	return !held;
}

static bool has_param(const struct verb *verb, const char *name)
{
	int i;

	for (i = 0; i < verb->nr_params && strcmp(verb->param[i].name, name); i++)
		;
	return i < verb->nr_params;
}

/* What an experiment holds is charged: of few objects, and of many of an odd size. */
TEST_F_TIMEOUT(charge, while_held, 600)
{
	char command[128];
	int i, k;

	if (config_has("CONFIG_KASAN_GENERIC"))
		SKIP(return, "charge.while_held: KASAN keeps what was freed, and shadows areas");
	learn_all();
	for (i = 0; i < nr_verbs; i++) {
		const struct verb *verb = &verbs[i];
		const struct param *p;

		if (!has_param(verb, "hold_ms"))
			continue;
		snprintf(command, sizeof(command), "%s hold_ms=60000", verb->name);
		EXPECT_TRUE(is_charged_for(verb->family, command));
		for (k = 0; k < verb->nr_params; k++) {
			p = &verb->param[k];
			if (strcmp(p->name, "count") && strcmp(p->name, "slabs"))
				continue;
			snprintf(command, sizeof(command), "%s %s=%llu%s hold_ms=60000",
				 verb->name, p->name, p->max < MANY ? p->max : MANY,
				 has_param(verb, "size") ? " size=700" : "");
			EXPECT_TRUE(is_charged_for(verb->family, command));
		}
	}
}

/* What a pool keeps ready is charged when it is made, and until it goes. */
TEST_F(charge, reserves)
{
	long long plain, charge = lab_charged(), each;
	int cpus = sysconf(_SC_NPROCESSORS_CONF);

	ASSERT_OK("pool.create name=plain allocator=slab size=4000");
	plain = lab_charged() - charge;
	each = pool_number("plain", "charge_bytes");

	charge = lab_charged();
	ASSERT_OK("pool.create name=ready allocator=mempool size=4000 reserve=1000");
	EXPECT_LE(plain + 1000 * each, lab_charged() - charge);
	EXPECT_EQ(lab_charged() - charge, pool_number("ready", "charged_bytes"));
	ASSERT_OK("pool.destroy name=ready");
	EXPECT_EQ(charge, lab_charged());

	/* Two magazines of 63 objects each (module/families/magazine.c). */
	ASSERT_OK("pool.create name=ready allocator=slab_magazine size=4000");
	EXPECT_LE(plain + cpus * 2 * 63 * each, lab_charged() - charge);
	EXPECT_GT(plain + cpus * 2 * 64 * each, lab_charged() - charge);
	EXPECT_EQ(lab_charged() - charge, pool_number("ready", "charged_bytes"));
	ASSERT_OK("pool.destroy name=ready");
	EXPECT_EQ(charge, lab_charged());
	ASSERT_OK("pool.destroy name=plain");
}

/* Objects that are freed for holes, and of these what the CPU's slab has room for. */
#define NR_HOLES	200
#define NR_FILLED	64
/* How often holes are made anew: half a slab apart they are once in some twenty times. */
#define HOLE_ROUNDS	60

/*
 * An object takes as much if no two of those that are looked at are neighbours, nor if
 * two come one after the other that lie half a slab apart.
 */
TEST_F(charge, holes)
{
	long long charge;
	int i;

	if (keeps_freed("kmalloc-64"))
		SKIP(return, "charge.holes: KASAN keeps what was freed");
	/* Each node has a list of its own of slabs with room: for one each, nearly all. */
	ASSERT_TRUE(pin_to_cpu(0));
	ASSERT_OK("pool.create name=holes allocator=kmalloc size=64");
	charge = pool_number("holes", "charge_bytes");
	ASSERT_OK("pool.alloc name=holes count=400000");
	for (i = 0; i < HOLE_ROUNDS; i++) {
		ASSERT_OK("pool.free name=holes count=%d order=random", NR_HOLES);
		/* What the CPU's slab has room for comes first. */
		ASSERT_OK("pool.alloc name=holes count=%d", NR_FILLED);
		ASSERT_OK("pool.create name=among allocator=kmalloc size=64");
		EXPECT_EQ(charge, pool_number("among", "charge_bytes"));
		EXPECT_OK("pool.destroy name=among");
		ASSERT_OK("pool.alloc name=holes count=%d", NR_HOLES - NR_FILLED);
	}
	EXPECT_OK("pool.destroy name=holes");
}

#define NR_KEPT		2000

/*
 * After most objects were freed at random, what is held is the slabs that the others lie
 * in, and shrinking gives the rest back, of the charge as well.  Returns whether there
 * was a rest that can be told from what others do.
 */
static bool check_held(struct __test_metadata *_metadata, const char *make,
		       const char *cache)
{
	static struct place place[NR_KEPT];
	long long slab, full, held, slabs = 0, own, notes, kept;
	int n, i, j, tries;
	bool told;

	ASSERT_OK("pool.create name=held allocator=%s", make);
	own = pool_number("held", "charged_bytes");
	n = fill("held");
	ASSERT_LT(NR_KEPT, n);
	full = pool_number("held", "charged_bytes") - own - pointer_bytes(n);
	notes = note_bytes();
	EXPECT_LE((full - n * notes) * (100 - PERCENT) / 100,
		  pool_number("held", "held_bytes"));
	ASSERT_OK("pool.free name=held count=%d order=random", n - NR_KEPT);
	ASSERT_EQ(NR_KEPT, read_layout("held", place, NR_KEPT));

	/* The slabs, by the frames of their objects. */
	slab = 1LL << sysfs_number(cache, "order");
	for (i = 0; i < NR_KEPT; i++) {
		for (j = 0; j < i && place[j].pfn / slab != place[i].pfn / slab; j++)
			;
		slabs += j == i;
	}
	slab *= PAGE_BYTES;
	EXPECT_EQ(slabs * slab, pool_number("held", "held_bytes"));
	/* Slabs may be kept, until they are asked back: empty ones, some of each node. */
	kept = sysfs_number(cache, "slabs");
	EXPECT_EQ(full + own + pointer_bytes(NR_KEPT),
		  pool_number("held", "charged_bytes"));
	for (tries = 0; may_try(tries); tries++) {
		ASSERT_OK("pool.shrink name=held");
		/* Others use the cache as well, if it is not the pool's own. */
		if (strncmp(cache, "kmemlab", 7) ||
		    sysfs_number(cache, "slabs") == slabs)
			break;
	}
	EXPECT_LT(tries, QUIET_TRIES);
	kept -= sysfs_number(cache, "slabs");
	/* What is kept empty is slabs of a CPU; a cache that is debugged has none. */
	told = kept > 0 || is_debugged(cache);
	held = pool_number("held", "charged_bytes") - own - pointer_bytes(NR_KEPT);
	say("%-16s %d of %d objects left: %lld bytes held, %lld charged for them", make,
	    NR_KEPT, n, slabs * slab, held);
	notes *= NR_KEPT;
	EXPECT_LE((slabs * slab + notes) * (100 - PERCENT) / 100, held);
	EXPECT_GE((slabs * slab + notes) * (100 + PERCENT) / 100 + slab, held);
	ASSERT_OK("pool.destroy name=held");
	return told;
}

TEST_F_TIMEOUT(charge, held, 300)
{
	static const struct {
		const char *make, *cache;
	} pools[] = {
		{ "slab size=192", "kmemlab_held" },
		{ "kmalloc size=192", "kmalloc-192" },
	};
	int i, tries;

	for (i = 0; i < ARRAY_SIZE(pools); i++) {
		/* Of one time in thirty no slab is empty, or as many have come. */
		for (tries = 0; may_try(tries); tries++)
			if (check_held(_metadata, pools[i].make, pools[i].cache))
				break;
		EXPECT_LT(tries, QUIET_TRIES);
	}
}

TEST_HARNESS_MAIN

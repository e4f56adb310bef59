// SPDX-License-Identifier: GPL-2.0
#include "kmemlab.h"

#define NODES_MAX	1024

LAB_FIXTURE(numa);

static bool nodes[NODES_MAX];

/* A kernel without NUMA has no such files, and one node. */
static int read_nodes(void)
{
	int n = read_list(NODES "online", nodes, NODES_MAX);

	nodes[0] |= !n;
	return n ?: 1;
}

static const char *why_no_numastat(void)
{
	if (keyed_number(NODES "node0/numastat", "numa_hit") == MISSING)
		return "no numastat: a kernel without CONFIG_NUMA";
	if (read_number("/proc/sys/vm/numa_stat") == 0)
		return "the sysctl vm.numa_stat is 0";
	return NULL;
}

static void check_zones(struct __test_metadata *_metadata,
			const struct record *record)
{
	static const char *const cell[] = {"start_pfn", "spanned_pages",
					   "present_pages", "managed_pages"};
	static const char *const key[] = {"start_pfn:", "spanned", "present",
					  "managed"};
	struct zone_counts zones[ZONES_MAX];
	int n = read_buddyinfo(zones), i, j;
	char row[32];

	ASSERT_LT(0, n);
	for (i = 0; i < n; i++) {
		snprintf(row, sizeof(row), "N%d.%s", zones[i].node,
			 zones[i].zone);
		for (j = 0; j < ARRAY_SIZE(cell); j++)
			EXPECT_EQ(zoneinfo_number(zones[i].node, zones[i].zone,
						  -1, key[j]),
				  cell_of(record, row, cell[j]));
	}
}

static void check_distances(struct __test_metadata *_metadata,
			    const struct record *record, int node)
{
	char path[64], row[32], buf[4096], *p = buf;
	int to;

	snprintf(path, sizeof(path), NODES "node%d/distance", node);
	if (read_file(path, buf, sizeof(buf)) <= 0)
		return;
	snprintf(row, sizeof(row), "N%d.distance", node);
	for (to = 0; to < NODES_MAX; to++)
		if (nodes[to])
			EXPECT_EQ(strtol(p, &p, 10),
				  numbered_cell_of(record, row, to));
}

TEST_F(numa, nodes)
{
	int n = read_nodes(), node;
	struct record *record = run("numa.nodes");

	ASSERT_EQ(0, record->err);
	EXPECT_EQ(n, number_of(record, "nr_nodes"));
	check_zones(_metadata, record);
	for (node = 0; node < NODES_MAX; node++) {
		char path[64], key[32], list[4096];

		if (!nodes[node])
			continue;
		check_distances(_metadata, record, node);
		snprintf(path, sizeof(path), NODES "node%d/cpulist", node);
		if (read_file(path, list, sizeof(list)) <= 0)
			continue;
		list[strcspn(list, "\n")] = '\0';
		snprintf(key, sizeof(key), "N%d.cpus", node);
		EXPECT_TRUE(text_is(record, key, list));
	}
}

/* All of the requests were served from one node. */
static void check_served(struct __test_metadata *_metadata,
			 const struct record *record, const char *row, int node,
			 int count)
{
	char name[16];
	int of;

	for (of = 0; of < NODES_MAX; of++) {
		snprintf(name, sizeof(name), "N%d", of);
		if (nodes[of])
			EXPECT_EQ(of == node ? count : 0,
				  cell_of(record, row, name));
	}
}

/*
 * As numastat_number(), but without asking each CPU for its share: the file adds
 * them up itself, and a CPU that is kept busy would not answer.
 */
static long long event_of(int node, const char *key)
{
	char path[64];

	snprintf(path, sizeof(path), NODES "node%d/numastat", node);
	return keyed_number(path, key);
}

static void set_fifo(bool fifo)
{
	struct sched_param param = {.sched_priority = fifo};

	sched_setscheduler(0, fifo ? SCHED_FIFO : SCHED_OTHER, &param);
}

/*
 * Keeps all tasks off the CPUs of a node until let_others(), so that they do not ask
 * it for pages, and those of this CPU from coming between.  Only for moments:
 * the kernel lets no task do this for longer than most of a second.
 */
static pid_t keep_others_off(int node)
{
	static bool cpus[CPUS_MAX];
	char path[64], ready;
	int cpu = sched_getcpu(), n, fd[2];
	pid_t pid;

	snprintf(path, sizeof(path), NODES "node%d/cpulist", node);
	n = read_list(path, cpus, CPUS_MAX) - cpus[cpu];
	/* There the caller itself does, who would not come between, either. */
	cpus[cpu] = false;
	if (pipe(fd))
		return -1;
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		for (cpu = 0; cpu < CPUS_MAX; cpu++) {
			if (!cpus[cpu] || fork())
				continue;
			pin_to_cpu(cpu);
			set_fifo(true);
			write(fd[1], "", 1);
			for (;;)
				;
		}
		for (;;)
			pause();
	}
	setpgid(pid, pid);
	while (n-- && read(fd[0], &ready, 1) == 1)
		;
	close(fd[0]);
	close(fd[1]);
	set_fifo(true);
	return pid;
}

static void let_others(pid_t pid)
{
	if (pid < 0)
		return;
	kill(-pid, SIGKILL);
	waitpid(pid, NULL, 0);
	set_fifo(false);
}

/* Seen from another CPU, so that the node is asked for nothing else. */
static void check_local(struct __test_metadata *_metadata, int node, int cpu,
			int order)
{
	int tries, count = 16, away = find_cpu(node, false);
	struct record *record;

	pin_to_cpu(away < 0 ? cpu : away);
	for (tries = 0; may_try(tries); tries++) {
		pid_t others = keep_others_off(node);
		long long hit = event_of(node, "numa_hit");
		long long local = event_of(node, "local_node");

		record = run("numa.local cpu=%d count=%d order=%d", cpu, count,
			     order);
		hit = event_of(node, "numa_hit") - hit;
		local = event_of(node, "local_node") - local;
		let_others(others);
		ASSERT_EQ(0, record->err);
		/* Each request is one hit, whatever its order. */
		ASSERT_LE(count, hit);
		if (hit == count && local == count)
			break;
	}
	EXPECT_LT(tries, QUIET_TRIES) TH_LOG("node %d never held still", node);
	EXPECT_EQ(cpu, number_of(record, "cpu"));
	EXPECT_EQ(node, number_of(record, "node"));
	EXPECT_EQ(count, number_of(record, "nr_asked"));
	check_served(_metadata, record, "served", node, count);
}

/*
 * The frames are really behind what was handed out, and zoneinfo has them in the
 * node's zones.
 */
static void check_frames(struct __test_metadata *_metadata, int node, int cpu)
{
	static struct record record;
	char command[64], zone[16];
	int i, of, marked;
	pid_t pid;

	snprintf(command, sizeof(command), "local cpu=%d count=16 hold_ms=10000",
		 cpu);
	pid = hold("numa", command, &record);
	marked = nr_marked(&record);
	ASSERT_LE(0, kill_command(pid));
	EXPECT_EQ(16, marked);
	for (i = 0; i < 16; i++) {
		long long pfn = numbered_cell_of(&record, "frames", i);

		EXPECT_TRUE(zone_of_frame(pfn, &of, zone));
		EXPECT_EQ(node, of);
	}
}

TEST_F(numa, local)
{
	const char *why = why_no_numastat();
	int node;

	if (why)
		SKIP(return, "numa.local: %s", why);
	EXPECT_EQ(ERANGE, run("numa.local cpu=%d", CPUS_MAX - 1)->err);
	read_nodes();
	for (node = 0; node < NODES_MAX; node++) {
		int cpu = nodes[node] ? find_cpu(node, true) : -1;

		if (cpu < 0)
			continue;
		if (!access("/proc/kcore", R_OK))
			check_frames(_metadata, node, cpu);
		check_local(_metadata, node, cpu, 0);
		check_local(_metadata, node, cpu, 3);
	}
}

/* What a node's own numastat has of requests that were made for it. */
struct numastat {
	long long hit;		/* served there as asked */
	long long foreign;	/* served elsewhere */
	long long miss;		/* served by other nodes for it */
};

static struct numastat read_numastat(int node)
{
	struct numastat stat = {
		.hit = event_of(node, "numa_hit"),
		.foreign = event_of(node, "numa_foreign"),
	};
	int of;

	for (of = 0; of < NODES_MAX; of++)
		if (nodes[of] && of != node)
			stat.miss += event_of(of, "numa_miss");
	return stat;
}

/*
 * Most of a node, in a pool: then taking the rest is a matter of a moment, in
 * which the node can be kept from all others.
 */
static void take_most(struct __test_metadata *_metadata, int node)
{
	long long budget = read_number(LAB "budget_bytes") / 2;
	struct zone_counts zones[ZONES_MAX];
	int n = read_buddyinfo(zones), i, order = NR_ORDERS - 1;
	long long nr = 0;

	for (i = 0; i < n; i++)
		if (zones[i].node == node)
			nr = zones[i].nr_free[order];
	if (nr > budget / ((long long)PAGE_BYTES << order))
		nr = budget / ((long long)PAGE_BYTES << order);
	ASSERT_OK("pool.create name=most allocator=node node=%d order=%d", node,
		  order);
	/* The last of them are below the node's watermarks. */
	if (nr > 4)
		EXPECT_OK("pool.alloc name=most count=%lld", nr - 4);
}

/*
 * Runs one of the experiments that empty node 1, until nobody else asked for a
 * page of it meanwhile.
 */
static struct record *run_dry(struct __test_metadata *_metadata,
			      const char *name, int count, int extra_hits,
			      int nr_remote)
{
	static struct record record;
	bool agreed = false;
	int tries;

	take_most(_metadata, 1);
	pin_to_cpu(find_cpu(1, false));
	for (tries = 0; may_try(tries) && !agreed; tries++) {
		pid_t others = keep_others_off(1);
		struct numastat before = read_numastat(1), after;

		record = *run("numa.%s node=1 count=%d over_budget=1", name,
			      count);
		after = read_numastat(1);
		let_others(others);
		if (record.err)
			break;
		EXPECT_LE(nr_remote, after.foreign - before.foreign);
		agreed = after.hit - before.hit == extra_hits +
				number_of(&record, "nr_taken_blocks") &&
			 after.foreign - before.foreign == nr_remote &&
			 after.miss - before.miss == nr_remote;
	}
	EXPECT_OK("pool.destroy name=most");
	EXPECT_EQ(0, record.err);
	EXPECT_TRUE(agreed) TH_LOG("numastat never agreed with numa.%s", name);
	EXPECT_EQ(1, number_of(&record, "node"));
	EXPECT_EQ(count, number_of(&record, "nr_asked"));
	return &record;
}

static const char *why_not_dry(void)
{
	if (read_nodes() < 2 || !nodes[1])
		return "one node: there is no other";
	return why_no_numastat();
}

/* All is given back: the node serves again. */
static void check_recovered(struct __test_metadata *_metadata)
{
	struct record *record = run("numa.local cpu=%d", find_cpu(1, true));

	EXPECT_EQ(0, record->err);
	EXPECT_EQ(16, cell_of(record, "served", "N1"));
}

TEST_F(numa, bind)
{
	const char *why = why_not_dry();
	struct record *record;
	int count = 16;

	if (why)
		SKIP(return, "numa.bind: %s", why);
	EXPECT_EQ(ERANGE, run("numa.bind node=%d", NODES_MAX - 1)->err);
	record = run_dry(_metadata, "bind", count, count, 0);
	check_served(_metadata, record, "before", 1, count);
	check_served(_metadata, record, "dry", 1, 0);
	EXPECT_EQ(count, number_of(record, "nr_refused"));
	check_recovered(_metadata);
}

TEST_F(numa, remote)
{
	const char *why = why_not_dry();
	struct record *record;
	int count = 16;

	if (why)
		SKIP(return, "numa.remote: %s", why);
	record = run_dry(_metadata, "remote", count, 0, count);
	check_served(_metadata, record, "served", 0, count);
	EXPECT_EQ(0, number_of(record, "nr_refused"));
	check_recovered(_metadata);
}

#define POOL_BLOCKS	64
#define POOL_ORDER	2

static void use_pool(struct __test_metadata *_metadata, const char *node)
{
	ASSERT_OK("pool.create name=node allocator=node node=%s order=%d", node, POOL_ORDER);
	EXPECT_OK("pool.alloc name=node count=%d", POOL_BLOCKS);
	EXPECT_OK("pool.destroy name=node");
}

TEST_F(numa, pool_freed)
{
	expect_kept(_metadata, use_pool, "0", nr_in_a_row(),
		    POOL_BLOCKS * PAGE_BYTES << POOL_ORDER);
}

/* Every block of a pool of one node is on that node. */
TEST_F(numa, pool)
{
	static struct place place[POOL_BLOCKS];
	int n = read_nodes(), node, of, i;
	struct record *record;
	char zone[16];

	for (node = 0; node < n; node++) {
		ASSERT_OK("pool.create name=node allocator=node node=%d order=%d",
			  node, POOL_ORDER);
		EXPECT_OK("pool.alloc name=node count=%d", POOL_BLOCKS);
		ASSERT_EQ(POOL_BLOCKS, read_layout("node", place, POOL_BLOCKS));
		for (i = 0; i < POOL_BLOCKS; i++) {
			EXPECT_EQ(0, place[i].pfn % (1 << POOL_ORDER));
			ASSERT_TRUE(zone_of_frame(place[i].pfn, &of, zone));
			EXPECT_EQ(node, of);
		}
		EXPECT_OK("pool.destroy name=node");
	}
	record = run("pool.create name=node allocator=node node=%d", n);
	EXPECT_EQ(ERANGE, record->err);
	EXPECT_NE(NULL, text_of(record, "reason"));
}

TEST_HARNESS_MAIN

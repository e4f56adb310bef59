// SPDX-License-Identifier: GPL-2.0
#include "kmemlab.h"

#define POSSIBLE	"/sys/devices/system/cpu/possible"
#define ONLINE		"/sys/devices/system/cpu/online"

/*
 * The kernel keeps up to this many pages of each CPU ready that nobody uses
 * yet (mm/percpu.c, PCPU_EMPTY_POP_PAGES_HIGH).
 */
#define READY_PAGES	4

/* How many objects are taken at once to use up what chunks have free. */
#define TAKEN_AT_ONCE	32

/* Rounds after which a CPU adds to the common count (lib/percpu_counter.c). */
#define MIN_BATCH	32

LAB_FIXTURE(percpu);

static bool cpus[CPUS_MAX];

static int first_cpu(void)
{
	int cpu = 0;

	while (!cpus[cpu])
		cpu++;
	return cpu;
}

/* How many copies lie where the record says, by what was written into each. */
static int nr_copies_marked(const struct record *record, const char *name)
{
	long long mark = number_of(record, "mark");
	int cpu, n = 0;
	char row[32];

	for (cpu = 0; cpu < CPUS_MAX; cpu++) {
		uint64_t found;

		snprintf(row, sizeof(row), "%s.%d", name, cpu);
		if (cpus[cpu] &&
		    read_physical(cell_of(record, row, "pfn") * PAGE_BYTES +
				  cell_of(record, row, "offset"),
				  &found, sizeof(found)))
			n += found == (uint64_t)mark + cpu;
	}
	return n;
}

static void check_distances(struct __test_metadata *_metadata,
			    const struct record *record, const char *name,
			    const uint64_t *offset)
{
	int cpu, node, first = first_cpu();
	char row[32], key[48], zone[16];

	for (cpu = 0; cpu < CPUS_MAX; cpu++) {
		if (!cpus[cpu])
			continue;
		snprintf(row, sizeof(row), "%s.%d", name, cpu);
		snprintf(key, sizeof(key), "%s.distance_bytes", row);
		EXPECT_EQ((long long)(offset[cpu] - offset[first]),
			  number_of(record, key));
		EXPECT_TRUE(zone_of_frame(cell_of(record, row, "pfn"), &node,
					  zone));
		EXPECT_EQ(node, cell_of(record, row, "node"));
	}
}

/*
 * Each CPU's copy is in memory of its own, and the distances are those that the
 * kernel adds to an address for this CPU.
 */
TEST_F(percpu, copies)
{
	int n = read_list(POSSIBLE, cpus, CPUS_MAX), statics, dynamics, last;
	static uint64_t offset[CPUS_MAX];
	static struct record record;
	pid_t pid;

	if (access("/proc/kcore", R_OK))
		SKIP(return, "percpu.copies: no /proc/kcore");
	for (last = CPUS_MAX - 1; !cpus[last]; last--)
		;
	if (!read_variable("__per_cpu_offset", offset,
			   (last + 1) * sizeof(*offset)))
		SKIP(return, "percpu.copies: no __per_cpu_offset in kallsyms");
	pid = hold("percpu", "copies hold_ms=10000", &record);
	statics = nr_copies_marked(&record, "static");
	dynamics = nr_copies_marked(&record, "dynamic");
	ASSERT_LE(0, kill_command(pid));
	EXPECT_EQ(n, statics);
	EXPECT_EQ(n, dynamics);
	EXPECT_EQ(n, number_of(&record, "nr_cpus"));
	check_distances(_metadata, &record, "static", offset);
	check_distances(_metadata, &record, "dynamic", offset);
}

/* Once it has stopped moving: pages are made ready and given back later. */
static long long settled_percpu_pages(void)
{
	long long before, now = meminfo_pages("Percpu");
	int tries;

	for (tries = 0; may_try(tries); tries++) {
		before = now;
		usleep(10000);
		now = meminfo_pages("Percpu");
		if (now == before)
			return now;
	}
	return MISSING;
}

/* Areas that the kernel has made for chunks of per-CPU memory. */
static int nr_chunk_areas(void)
{
	FILE *file = fopen("/proc/vmallocinfo", "r");
	char line[512];
	int n = 0;

	while (file && fgets(line, sizeof(line), file))
		n += !!strstr(line, "pcpu_get_vm_areas");
	if (file)
		fclose(file);
	return n;
}

/*
 * Free room in a chunk may still have its pages, from what was freed before.  A
 * new chunk is made when no other has room, and has only the pages in use.
 */
static bool use_up_chunks(const char *pool)
{
	int areas = nr_chunk_areas(), i;

	for (i = 0; i < 300 && nr_chunk_areas() <= areas; i++)
		if (run("pool.alloc name=%s count=%d", pool, TAKEN_AT_ONCE)->err)
			return false;
	return nr_chunk_areas() > areas;
}

/*
 * Objects of whole pages take whole pages, on every CPU.  Before and after, up
 * to READY_PAGES may lie ready.
 */
TEST_F(percpu, dynamic)
{
	long long n = read_list(POSSIBLE, cpus, CPUS_MAX), before, held;
	static struct record record;
	int count = 64;
	pid_t pid;

	EXPECT_EQ(ERANGE, run("percpu.dynamic align=3")->err);
	ASSERT_OK("pool.create name=used allocator=percpu size=4096 align=4096");
	EXPECT_TRUE(use_up_chunks("used"));
	before = settled_percpu_pages();
	pid = hold("percpu", "dynamic count=64 hold_ms=10000", &record);
	held = settled_percpu_pages();
	EXPECT_LE(0, kill_command(pid));
	EXPECT_OK("pool.destroy name=used");
	ASSERT_NE(MISSING, before);
	ASSERT_NE(MISSING, held);
	EXPECT_EQ(0, (held - before) % n);
	EXPECT_LE((count - READY_PAGES) * n, held - before);
	EXPECT_GE((count + READY_PAGES) * n, held - before);
	EXPECT_EQ(PAGE_BYTES, number_of(&record, "object_bytes"));
	EXPECT_EQ(count, number_of(&record, "nr_objects"));
	EXPECT_EQ(n, number_of(&record, "nr_cpus"));
	EXPECT_EQ(count * n * (long long)PAGE_BYTES,
		  number_of(&record, "copies_bytes"));
}

/* SIGKILL ends threads that count on every CPU. */
TEST_F(percpu, counter_killed)
{
	EXPECT_TRUE(ends_when_killed(run_aside(LAB "percpu/run",
					       "counter rounds=10000000"),
				     100000));
}

/* No count is lost where each CPU has its own, nor where all pay for atomics. */
TEST_F(percpu, counter)
{
	long long n = read_list(ONLINE, cpus, CPUS_MAX), plain, lost;
	int rounds = 5011, steps = 50, batch = 2 * n;
	struct record *record;

	if (batch < MIN_BATCH)
		batch = MIN_BATCH;
	record = run("percpu.counter rounds=%d steps=%d", rounds, steps);
	ASSERT_EQ(0, record->err);
	EXPECT_EQ(n, number_of(record, "nr_cpus"));
	EXPECT_EQ(rounds, number_of(record, "rounds"));
	EXPECT_EQ(n * rounds, number_of(record, "this_cpu"));
	EXPECT_EQ(n * rounds, number_of(record, "percpu_counter_sum"));
	EXPECT_EQ(n * rounds, number_of(record, "atomic"));
	/* Reading the common count alone misses what each CPU still has. */
	EXPECT_EQ(batch, number_of(record, "percpu_counter_batch"));
	EXPECT_EQ(n * (rounds - rounds % batch),
		  number_of(record, "percpu_counter_read"));
	/* Nothing says how many a plain number loses, if any. */
	plain = number_of(record, "plain");
	lost = number_of(record, "plain.nr_lost");
	EXPECT_EQ(n * rounds, plain + lost);
	EXPECT_LE(0, lost);
	/* Where all read before any writes, all but one are lost. */
	EXPECT_EQ(steps, number_of(record, "steps"));
	EXPECT_EQ(steps, number_of(record, "stepped"));
	EXPECT_EQ((n - 1) * steps, number_of(record, "stepped.nr_lost"));
}

TEST_HARNESS_MAIN

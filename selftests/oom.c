// SPDX-License-Identifier: GPL-2.0
/*
 * What happens when memory runs out.  Two of the tests run the whole machine out
 * of it, so they want one that is theirs: with KMEMLAB_OOM=1 in the environment.
 */
#define LAB_OPTIONAL
#include "kmemlab.h"
#include "badness.h"
#include "disk.h"

#define MIB		(1024 * 1024LL)
#define PAGES_OF_MIB	(MIB / (long long)PAGE_BYTES)
#define OVERCOMMIT	"/proc/sys/vm/overcommit_memory"
#define GROUP		"kmemlab-oom"
#define BESIDE		"kmemlab-beside"

/*
 * Seconds for what takes a moment, and for a test, on the slowest of machines: one
 * that is run dry by a page at a time, each looked after by KASAN and page owner,
 * while others have its CPUs.  Only what hangs lasts so long.
 */
#define VICTIM_SECONDS	600
#define TEST_SECONDS	1500

#define HOGS_MAX	8
#define PROCESSES_MAX	1024

static int set_overcommit(int policy)
{
	return write_number(OVERCOMMIT, policy);
}

FIXTURE(oom)
{
	long long overcommit;
	struct disk disk;
	bool has_disk;
};

FIXTURE_SETUP(oom)
{
	self->overcommit = read_number(OVERCOMMIT);
	self->has_disk = false;
}

/* As it was, wherever the test has ended. */
FIXTURE_TEARDOWN(oom)
{
	set_overcommit(self->overcommit);
	if (self->has_disk)
		disk_end(&self->disk);
	cgroup_clear(GROUP);
	cgroup_clear(BESIDE);
}

static long long status_kib(const char *key)
{
	return keyed_number("/proc/self/status", key);
}

/* How many of @nr mappings of so many bytes are granted; they are kept. */
static int nr_granted(long long bytes, int nr, char **map)
{
	int i;

	for (i = 0; i < nr; i++) {
		map[i] = map_anon(bytes);
		if (map[i] == MAP_FAILED)
			break;
	}
	return i;
}

static void unmap_all(long long bytes, int nr, char **map)
{
	while (nr--)
		munmap(map[nr], bytes);
}

static long long total_mib(void)
{
	return badness_total() / PAGES_OF_MIB;
}

/*
 * By how many pages RssAnon, a part of VmRSS, may be behind: 6.1 adds what a
 * thread has counted at each 64th fault (TASK_RSS_EVENTS_THRESH), later kernels
 * what each CPU has when that comes to max(32, 2 * CPUs) (percpu_counter_batch).
 */
static long long rss_slack(void)
{
	long long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	long long batch = 2 * cpus > 32 ? 2 * cpus : 32;

	return batch * cpus > 64 ? batch * cpus : 64;
}

#define PIECES		20
#define PIECE		(100 * MIB)
#define TOUCHED		64	/* pages of each */
#define SMALL_PIECES	200
#define SMALL_PIECE	(10 * MIB)

/*
 * By default what is more than all of RAM and swap is refused as obviously too
 * much, each request by itself (mm/util.c, __vm_enough_memory()).
 */
TEST_F(oom, overcommit)
{
	long long size, rss, exact, touched, n;
	char *map[SMALL_PIECES];
	int i;

	if (total_mib() >= 2000)
		SKIP(return, "oom.overcommit: this machine has 2000 MiB");
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	ASSERT_EQ(0, set_overcommit(0));
	ASSERT_EQ(0, nr_granted(PIECES * PIECE, 1, map));
	size = status_kib("VmSize");
	ASSERT_EQ(PIECES, nr_granted(PIECE, PIECES, map));
	size = status_kib("VmSize") - size;
	say("%lld MiB of RAM and swap.  20 x 100 MiB are granted, 1 x 2000 is not",
	    total_mib());
	EXPECT_EQ(PIECES * PIECE / 1024, size);

	rss = status_kib("RssAnon");
	exact = keyed_number("/proc/self/smaps_rollup", "Rss");
	for (i = 0; i < PIECES * TOUCHED; i++)
		map[i % PIECES][i / PIECES * PAGE_BYTES] = 1;
	rss = status_kib("RssAnon") - rss;
	exact = keyed_number("/proc/self/smaps_rollup", "Rss") - exact;
	touched = PIECES * TOUCHED * (long long)PAGE_BYTES / 1024;
	say("VmSize +%lld KiB; %d pages touched: RssAnon of VmRSS +%lld, smaps +%lld",
	    size, PIECES * TOUCHED, rss, exact);
	EXPECT_EQ(touched, exact);
	EXPECT_GE(rss_slack(), llabs(rss - touched) * 1024 /
			       (long long)PAGE_BYTES);
	unmap_all(PIECE, PIECES, map);

	ASSERT_EQ(0, set_overcommit(1));
	ASSERT_EQ(1, nr_granted(PIECES * PIECE, 1, map));
	unmap_all(PIECES * PIECE, 1, map);
	ASSERT_EQ(0, set_overcommit(2));
	n = nr_granted(SMALL_PIECE, SMALL_PIECES, map);
	unmap_all(SMALL_PIECE, n, map);
	say("vm.overcommit_memory=1 grants 2000 MiB at once.  2 grants %lld, of a",
	    n * SMALL_PIECE / MIB);
	say("CommitLimit of %lld MiB in /proc/meminfo",
	    meminfo_pages("CommitLimit") / PAGES_OF_MIB);
	EXPECT_GE(meminfo_pages("CommitLimit") * (long long)PAGE_BYTES,
		  n * SMALL_PIECE);
	EXPECT_GT(SMALL_PIECES, n);
}

/* A child that takes something in a way of its own, and waits to be ended. */
static pid_t child(void (*take)(void))
{
	int fd[2];
	pid_t pid;
	char c;

	if (pipe2(fd, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
		take();
		close(fd[1]);
		pause();
		_exit(0);
	}
	close(fd[1]);
	if (read(fd[0], &c, 1))
		pid = -1;
	close(fd[0]);
	return pid;
}

#define TABLES		2048
#define PAGES_OF_TABLE	512

/* A page in each table's range: as many pages of tables as of memory. */
static void take_tables(void)
{
	char *p = mmap(NULL, TABLES * PAGES_OF_TABLE * PAGE_BYTES,
		       PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	long i;

	for (i = 0; i < TABLES; i++)
		p[i * PAGES_OF_TABLE * PAGE_BYTES] = 1;
}

#define SWAPPED		(16 * MIB)

static void take_swap(void)
{
	char *p = map_anon(SWAPPED);
	int tries;

	/* A page that waits in another CPU's batch cannot go (mm/swap.c). */
	pin_to_cpu(0);
	memset(p, 1, SWAPPED);
	for (tries = 0; may_try(tries); tries++) {
		madvise(p, SWAPPED, MADV_PAGEOUT);
		if (status_kib("VmSwap") * 1024 >= SWAPPED)
			break;
	}
}

static void say_head(void)
{
	say("Of %lld pages of RAM and swap:", badness_total());
	say("%-20s resident   swap tables    adj predicted oom_score", "");
}

/*
 * What is predicted of a process, and what the kernel says, at one moment.  Of
 * what is in swap a newer kernel tells an exact sum, and reckons with one that
 * may differ by each CPU's batch.
 */
static void check_score(struct __test_metadata *_metadata, const char *what,
			pid_t pid, struct badness *b)
{
	long long total = badness_total(), score, slack;
	struct badness after;
	int tries;

	for (tries = 0; may_try(tries); tries++) {
		badness_of(pid, total, b);
		score = badness_number(pid, "oom_score");
		badness_of(pid, total, &after);
		if (!memcmp(b, &after, sizeof(after)))
			break;
	}
	slack = b->swap ? rss_slack() : 0;
	EXPECT_LE(badness_score(b->points - slack, total), score)
		TH_LOG("%s", what);
	EXPECT_GE(badness_score(b->points + slack, total), score)
		TH_LOG("%s", what);
	say("%-20s %8lld %6lld %6lld %6lld %9lld %9lld", what, b->rss, b->swap,
	    b->tables, b->adj, b->score, score);
}

TEST_F_TIMEOUT(oom, score, TEST_SECONDS)
{
	struct badness hogged, tables, swapped;
	pid_t pid;

	self->has_disk = disk_make(&self->disk, "kmemlab-swap", 64, 0);
	if (!self->has_disk)
		SKIP(return, "oom.score: no null_blk to swap to");
	ASSERT_TRUE(disk_swapon(&self->disk, 64));
	say_head();
	pid = hog("-s 32M");
	ASSERT_LT(0, pid);
	check_score(_metadata, "32 MiB touched", pid, &hogged);
	end_process(pid);
	pid = hog("-s 32M -t none");
	ASSERT_LT(0, pid);
	check_score(_metadata, "32 MiB not touched", pid, &tables);
	EXPECT_LE(32 * PAGES_OF_MIB - 2 * rss_slack(), hogged.rss - tables.rss);
	end_process(pid);
	pid = child(take_tables);
	ASSERT_LT(0, pid);
	check_score(_metadata, "a page every 2 MiB", pid, &tables);
	EXPECT_LE(TABLES, tables.tables);
	end_process(pid);
	pid = child(take_swap);
	ASSERT_LT(0, pid);
	check_score(_metadata, "16 MiB paged out", pid, &swapped);
	EXPECT_EQ(SWAPPED / PAGE_BYTES, swapped.swap);
	end_process(pid);
	pid = hog("-s 32M -a 250");
	ASSERT_LT(0, pid);
	check_score(_metadata, "32 MiB and adj 250", pid, &hogged);
	EXPECT_EQ(250, hogged.adj);
	end_process(pid);
}

static int put_number(pid_t pid, const char *name, int value)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return write_number(path, value);
}

/* /proc/<pid>/oom_adj of old: -17 to 15 (include/uapi/linux/oom.h). */
#define OLD_MIN		(-17)
#define OLD_MAX		15

static int adj_of_old(int old)
{
	return old == OLD_MAX ? ADJ_MAX : old * ADJ_MAX / -OLD_MIN;
}

TEST_F(oom, adj)
{
	static const int adj[] = { -999, -500, -1, 0, 1, 250, 1000 };
	pid_t pid = hog("-s 16M");
	struct badness b;
	char what[32];
	int i, old;

	ASSERT_LT(0, pid);
	say_head();
	for (i = 0; i < ARRAY_SIZE(adj); i++) {
		ASSERT_EQ(0, put_number(pid, "oom_score_adj", adj[i]));
		snprintf(what, sizeof(what), "16 MiB, %+d/1000", adj[i]);
		check_score(_metadata, what, pid, &b);
		EXPECT_EQ(adj[i], b.adj);
	}
	ASSERT_EQ(0, put_number(pid, "oom_score_adj", ADJ_MIN));
	EXPECT_EQ(0, badness_number(pid, "oom_score"));
	EXPECT_EQ(EINVAL, put_number(pid, "oom_score_adj", ADJ_MIN - 1));
	EXPECT_EQ(EINVAL, put_number(pid, "oom_score_adj", ADJ_MAX + 1));
	for (old = OLD_MIN; old <= OLD_MAX; old++) {
		ASSERT_EQ(0, put_number(pid, "oom_adj", old));
		EXPECT_EQ(adj_of_old(old), badness_number(pid, "oom_score_adj"));
	}
	say("-1000 makes it immune, oom_score 0; oom_adj %d to %d become %d to %d",
	    OLD_MIN, OLD_MAX, adj_of_old(OLD_MIN), adj_of_old(OLD_MAX));
	end_process(pid);
}

/**
 * struct victim - a hog, and what becomes of it
 * @is:		its process, and what the kernel is predicted to hold it to be
 *		worth; first, for badness_compare()
 * @options:	what it takes
 */
struct victim {
	struct badness is;
	const char *options;
};

#define HOG(what)	{ .options = what }

static bool start_all(struct victim *v, int n, long long total)
{
	int i;

	if (!pin_to_cpu(0))
		return false;
	for (i = 0; i < n; i++) {
		pid_t pid = hog("%s", v[i].options);

		if (pid < 0 || !badness_of(pid, total, &v[i].is))
			return false;
	}
	return true;
}

static void end_all(struct victim *v, int n)
{
	while (n--)
		end_process(v[n].is.pid);
}

/* The kernel's log from here on. */
static int open_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	lseek(fd, 0, SEEK_END);
	return fd;
}

/*
 * The processes that the kernel says it killed since the log was opened, in their
 * order.  Returns how many.
 */
static int read_killed(int fd, pid_t *killed, int max)
{
	static const char words[] = "Killed process ";
	char line[8192], *p;
	ssize_t len;
	int n = 0;

	/* One line a read; where the log was too fast for us it says EPIPE. */
	while ((len = read(fd, line, sizeof(line) - 1)) > 0 || errno == EPIPE) {
		line[len > 0 ? len : 0] = '\0';
		p = strstr(line, words);
		if (p && n < max)
			killed[n++] = atoi(p + strlen(words));
	}
	close(fd);
	return n;
}

static bool set_policy(int policy)
{
	return !sched_setscheduler(0, policy, &(struct sched_param){});
}

/*
 * Has a leaker that must not be killed itself take memory until so many others
 * have been.
 *
 * It runs on the hogs' CPU, and only when they have nothing to do there: a victim
 * that is about to free its pages is passed over already (mm/mmap.c, exit_mmap(),
 * MMF_OOM_SKIP), so that somebody on another CPU who finds no memory in just that
 * moment has one more killed.
 */
static bool run_dry(const char *options, int kills)
{
	bool ended = false;
	pid_t pid;

	if (!set_policy(SCHED_IDLE))
		return false;
	pid = hog("-L -s 256K -p 0 -a %d -k %d%s", ADJ_MIN, kills, options);
	if (set_policy(SCHED_OTHER) && pid > 0)
		ended = await_end(pid, VICTIM_SECONDS);
	end_process(pid);
	return ended;
}

/* Whether all other processes of the machine are predicted to live longer. */
static bool outlived(const struct victim *last, const struct victim *v, int n)
{
	static struct badness b[PROCESSES_MAX];
	int nr = badness_of_all(b, PROCESSES_MAX), i, k;

	for (i = 0; i < nr; i++) {
		for (k = 0; k < n && v[k].is.pid != b[i].pid; k++)
			;
		if (k == n && b[i].points >= last->is.points)
			return false;
	}
	return true;
}

/* Counted from 1; 0 where it is not there. */
static int position(pid_t pid, const pid_t *killed, int n)
{
	while (n && killed[n - 1] != pid)
		n--;
	return n;
}

static const char *nth(int position)
{
	static const char *const words[HOGS_MAX + 1] = {
		"never", "1st", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th"
	};

	return words[position];
}

/*
 * Predicts in which order the hogs die, runs the machine dry until @kills of
 * them have, and holds the kernel's log and who is still there against it.
 */
static void check_order(struct __test_metadata *_metadata, struct victim *v,
			int n, int kills)
{
	long long before = nr_killed();
	int log = open_log(), i;
	pid_t killed[HOGS_MAX + 1];
	char points[32];

	qsort(v, n, sizeof(*v), badness_compare);
	ASSERT_TRUE(outlived(&v[kills - 1], v, n));
	ASSERT_TRUE(run_dry("", kills));
	EXPECT_EQ(kills, nr_killed() - before);
	EXPECT_EQ(kills, read_killed(log, killed, HOGS_MAX + 1));
	say("to die  points  hog                   process  died, says the log");
	for (i = 0; i < n; i++) {
		int at = position(v[i].is.pid, killed, kills);
		bool ended = i < kills ? await_end(v[i].is.pid, VICTIM_SECONDS)
				       : has_ended(v[i].is.pid);

		EXPECT_EQ(i < kills, ended);
		EXPECT_EQ(i < kills ? i + 1 : 0, at);
		snprintf(points, sizeof(points), "%lld", v[i].is.points);
		say("%6s %7s  %-22s %6d  %s", nth(i < kills ? i + 1 : 0),
		    v[i].is.points == IMMUNE ? "immune" : points, v[i].options,
		    v[i].is.pid, nth(at));
	}
	end_all(v, n);
}

static bool machine_is_ours(void)
{
	const char *told = getenv("KMEMLAB_OOM");

	return told && !strcmp(told, "1");
}

TEST_F_TIMEOUT(oom, victim, TEST_SECONDS)
{
	struct victim v[] = {
		HOG("-s 20M"), HOG("-s 30M -a 200"), HOG("-s 50M"),
		HOG("-s 40M -a -500"), HOG("-s 45M -a -1000"),
	};

	if (!machine_is_ours())
		SKIP(return, "oom.victim: no machine to run dry, KMEMLAB_OOM=1");
	ASSERT_TRUE(start_all(v, ARRAY_SIZE(v), badness_total()));
	check_order(_metadata, v, ARRAY_SIZE(v), 1);
}

/*
 * Android's classes, with the values that it publishes
 * (frameworks/base/services/core/java/com/android/server/am/ProcessList.java):
 * FOREGROUND_APP_ADJ 0, VISIBLE_APP_ADJ 100, PERCEPTIBLE_APP_ADJ 200,
 * SERVICE_ADJ 500, CACHED_APP_MIN_ADJ 900 and up.
 */
TEST_F_TIMEOUT(oom, lifecycle, TEST_SECONDS)
{
	struct victim v[] = {
		HOG("-s 12M -a 0"), HOG("-s 8M -a 0"),
		HOG("-s 12M -a 100"), HOG("-s 8M -a 100"),
		HOG("-s 12M -a 500"), HOG("-s 8M -a 500"),
		HOG("-s 12M -a 900"), HOG("-s 8M -a 910"),
	};

	if (!machine_is_ours())
		SKIP(return, "oom.lifecycle: no machine to run dry, KMEMLAB_OOM=1");
	ASSERT_TRUE(start_all(v, ARRAY_SIZE(v), badness_total()));
	check_order(_metadata, v, ARRAY_SIZE(v), ARRAY_SIZE(v));
}

TEST_F_TIMEOUT(oom, cgroup, TEST_SECONDS)
{
	struct victim v[] = {
		HOG("-s 15M -g " GROUP), HOG("-s 10M -g " GROUP),
		HOG("-s 30M -a 500"), HOG("-s 20M -g " BESIDE),
	};
	long long before = nr_killed();
	pid_t killed[2];
	int log, i;

	if (!cgroup_make(GROUP) || !cgroup_make(BESIDE))
		SKIP(return, "oom.cgroup: no memory controller of cgroup v2");
	ASSERT_EQ(0, write_file(cgroup_path(GROUP, "memory.max"), "40M"));
	/* Within a group what is not its own memory does not count. */
	ASSERT_TRUE(start_all(v, ARRAY_SIZE(v), 40 * PAGES_OF_MIB));
	EXPECT_GT(v[2].is.points, v[0].is.points);
	EXPECT_GT(v[0].is.points, v[1].is.points);
	log = open_log();
	ASSERT_TRUE(run_dry(" -g " GROUP, 1));
	EXPECT_EQ(1, nr_killed() - before);
	EXPECT_EQ(1, read_killed(log, killed, 2));
	EXPECT_EQ(v[0].is.pid, killed[0]);
	EXPECT_TRUE(await_end(v[0].is.pid, VICTIM_SECONDS));
	EXPECT_EQ(1, cgroup_number(GROUP, "memory.events", "oom_kill"));
	EXPECT_EQ(0, cgroup_number(BESIDE, "memory.events", "oom_kill"));
	EXPECT_EQ(0, cgroup_number(BESIDE, "memory.events", "max"));
	say("memory.max 40M; a leaker in the group takes what is left");
	say("process  points  options                 died");
	for (i = 0; i < ARRAY_SIZE(v); i++) {
		EXPECT_EQ(!i, has_ended(v[i].is.pid));
		say("%7d %7lld  %-23s %s", v[i].is.pid, v[i].is.points, v[i].options,
		    has_ended(v[i].is.pid) ? "yes" : "no");
	}
	say("memory.events of the group: oom_kill %lld; of the other: %lld",
	    cgroup_number(GROUP, "memory.events", "oom_kill"),
	    cgroup_number(BESIDE, "memory.events", "oom_kill"));
	end_all(v, ARRAY_SIZE(v));
}

TEST_HARNESS_MAIN

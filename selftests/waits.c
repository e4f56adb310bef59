// SPDX-License-Identifier: GPL-2.0
/*
 * Every wait ends, whoever is preempted, frozen, stopped or killed meanwhile, and
 * what is held is held for as long as was asked.
 */
#include <sys/mount.h>
#include <sys/resource.h>

#include "kmemlab.h"

#define PREEMPT		"/sys/kernel/debug/sched/preempt"
#define RT_RUNTIME	"/proc/sys/kernel/sched_rt_runtime_us"
/* A FIFO task at work starves the reader that it has preempted, which is no fault. */
#define RCU_SUPPRESS	"/sys/module/rcupdate/parameters/rcu_cpu_stall_suppress"
#define SHRINK		LAB "pools/waits/shrink"
#define PROC_RUN	"/proc/kmemlab/run"

#define PM		"/sys/power/"
#define PM_TEST_DELAY	"/sys/module/suspend/parameters/pm_test_delay"
#define GROUP		"kmemlab_waits"
/* The freezer of version 1 stops a task where it sleeps, in the kernel too. */
#define FREEZER		"/tmp/kmemlab_freezer"

/* What is held meanwhile, and for how long: some of each before and after. */
#define HOLD_MS		4000
#define MEANWHILE_MS	1000

/* Where two tasks are on one CPU, and the test is on another. */
#define CPU		1

/* How often a FIFO task looks in while another is at work; two fifths would do. */
#define DRAINS		1000

/* Seconds without progress after which a task is stuck, on a busy host as well. */
#define STUCK		60

/* Where each access to memory is checked, all takes many times as long. */
static bool is_slow(void)
{
	return config_has("CONFIG_KASAN_GENERIC") || config_has("CONFIG_KCSAN");
}

#define SLOWER		10

/* Seconds after which a test is given up, which is stuck in a way not foreseen here. */
#define TEST_SECONDS	900

static void thaw_groups(void)
{
	write_file(CGROUP_ROOT "/" GROUP "/cgroup.freeze", "0");
	write_file(FREEZER "/" GROUP "/freezer.state", "THAWED");
}

/**
 * struct waiters - tasks, and what was before they were started
 * @preempt:	when the kernel preempts, "" where it cannot be told
 * @rt_runtime:	how much of the time FIFO tasks have
 * @rcu_suppress: whether RCU says nothing of who keeps it waiting
 * @nr:		how often two tasks have done what they do, in memory that all share
 * @took:	how long a command was at work, by each clock; likewise
 * @pid:	of the tasks, 0 where it has been waited for
 */
struct waiters {
	char preempt[64];
	long long rt_runtime;
	long long rcu_suppress;
	volatile unsigned long *nr;
	volatile double *took;
	pid_t pid[4];
};

FIXTURE(waits)
{
	struct waiters w;
};

static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_BOOTTIME };

FIXTURE_SETUP(waits)
{
	char text[128] = "", *mode;

	self->w.nr = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	self->w.took = (volatile double *)(self->w.nr + 16);
	self->w.rt_runtime = read_number(RT_RUNTIME);
	self->w.rcu_suppress = read_number(RCU_SUPPRESS);
	read_file(PREEMPT, text, sizeof(text));
	mode = strchr(text, '(');
	if (mode)
		sscanf(mode, "(%63[a-z])", self->w.preempt);
}

FIXTURE_TEARDOWN(waits)
{
	int i;

	write_file(PM "pm_test", "none");
	thaw_groups();
	if (!access(CPU1_ONLINE, F_OK))
		write_file(CPU1_ONLINE, "1");
	for (i = 0; i < ARRAY_SIZE(self->w.pid); i++) {
		struct sched_param other = {};

		if (self->w.pid[i] <= 0 || waitpid(self->w.pid[i], NULL, WNOHANG))
			continue;
		/* One that spins lets the one go on that it waits for. */
		sched_setscheduler(self->w.pid[i], SCHED_OTHER, &other);
		kill_command(self->w.pid[i]);
	}
	if (self->w.preempt[0])
		write_file(PREEMPT, self->w.preempt);
	write_number(RT_RUNTIME, self->w.rt_runtime);
	write_number(RCU_SUPPRESS, self->w.rcu_suppress);
	if (!access(SHRINK, F_OK))
		run("pool.destroy name=waits");
}

/* A task is preempted wherever it can be, and for as long as the other runs. */
static bool preempt_fully(const struct waiters *w)
{
	write_number(RCU_SUPPRESS, 1);
	return (config_has("CONFIG_PREEMPT") || config_has("CONFIG_PREEMPT_RT") ||
		(w->preempt[0] && !write_file(PREEMPT, "full"))) &&
	       !write_number(RT_RUNTIME, -1);
}

/* Another task on CPU, which does something over and over. */
static pid_t keep_doing(const struct waiters *w, int i, int policy,
			void (*something)(void))
{
	struct sched_param param = { policy == SCHED_FIFO ? 50 : 0 };
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	srandom(getpid());
	if (!pin_to_cpu(CPU) || sched_setscheduler(0, policy, &param))
		_exit(1);
	for (;;) {
		if (policy == SCHED_FIFO)
			usleep(100 + random() % 400);
		something();
		w->nr[i]++;
	}
}

/* Whether both tasks come that far, one after the other or together. */
static bool come_to(const struct waiters *w, unsigned long nr)
{
	unsigned long before = 0, now;
	double moved = seconds();

	while (w->nr[0] < nr || w->nr[1] < nr) {
		usleep(10000);
		now = w->nr[0] < nr ? w->nr[0] : nr;
		now += w->nr[1] < nr ? w->nr[1] : nr;
		if (now != before)
			moved = seconds();
		else if (seconds() - moved > STUCK * (is_slow() ? SLOWER : 1))
			return false;
		before = now;
	}
	return true;
}

static void drain(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open(SHRINK, O_WRONLY);
	if (write(fd, "1", 1) != 1)
		_exit(1);
}

/* Whoever works on a CPU's magazines is not preempted by one who waits for them. */
TEST_F_TIMEOUT(waits, drain, TEST_SECONDS)
{
	int nr = is_slow() ? DRAINS / SLOWER : DRAINS;

	if (access(CPU1_ONLINE, F_OK))
		SKIP(return, "waits.drain: no second CPU");
	ASSERT_OK("pool.create name=waits allocator=slab_magazine size=256");
	if (!preempt_fully(&self->w))
		SKIP(return, "waits.drain: no task can be preempted for ever");
	ASSERT_TRUE(pin_to_cpu(0));
	self->w.pid[0] = keep_doing(&self->w, 0, SCHED_OTHER, drain);
	self->w.pid[1] = keep_doing(&self->w, 1, SCHED_FIFO, drain);
	EXPECT_TRUE(come_to(&self->w, nr))
	TH_LOG("%lu and %lu drains", self->w.nr[0], self->w.nr[1]);
	ASSERT_FALSE(has_ended(self->w.pid[0]) || has_ended(self->w.pid[1]));
	say("%lu drains of a task that is preempted, %lu of the other",
	    self->w.nr[0], self->w.nr[1]);
}

static char experiment[512][64];
static int nr_experiments;

static void run_next(void)
{
	static int i;

	write_file(PROC_RUN, experiment[i]);
	i = (i + 1) % nr_experiments;
}

/* The same of all that can be run, or of the first of it where that takes too long. */
TEST_F_TIMEOUT(waits, preempted, TEST_SECONDS)
{
	FILE *file = fopen(LAB "experiments", "r");
	int nr;

	ASSERT_NE(NULL, file);
	while (nr_experiments < ARRAY_SIZE(experiment) &&
	       next_experiment(file, experiment[nr_experiments]))
		nr_experiments++;
	fclose(file);
	ASSERT_LT(0, nr_experiments);
	if (access(CPU1_ONLINE, F_OK))
		SKIP(return, "waits.preempted: no second CPU");
	if (!preempt_fully(&self->w))
		SKIP(return, "waits.preempted: no task can be preempted for ever");
	ASSERT_TRUE(pin_to_cpu(0));
	self->w.pid[0] = keep_doing(&self->w, 0, SCHED_OTHER, run_next);
	self->w.pid[1] = keep_doing(&self->w, 1, SCHED_FIFO, run_next);
	nr = is_slow() ? nr_experiments / SLOWER : nr_experiments;
	EXPECT_TRUE(come_to(&self->w, nr))
	TH_LOG("%lu and %lu of %d", self->w.nr[0], self->w.nr[1], nr);
}

/* A command in another process, by an open file or its own; pid[i] is its. */
static void start(struct waiters *w, int i, int fd, const char *command)
{
	double began[ARRAY_SIZE(clocks)];
	int clock;

	w->pid[i] = fork();
	if (w->pid[i])
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd < 0)
		fd = open(PROC_RUN, O_RDWR);
	for (clock = 0; clock < ARRAY_SIZE(clocks); clock++)
		began[clock] = clock_seconds(clocks[clock]);
	errno = 0;
	if (write(fd, command, strlen(command)) != (ssize_t)strlen(command))
		_exit(errno ?: 255);
	for (clock = 0; clock < ARRAY_SIZE(clocks); clock++)
		w->took[clock + i * ARRAY_SIZE(clocks)] =
			clock_seconds(clocks[clock]) - began[clock];
	_exit(0);
}

/* Something is held, in pid[0], until HOLD_MS are over. */
static bool start_hold(struct waiters *w, int fd)
{
	static struct record record;
	char command[64];

	snprintf(command, sizeof(command), "vmalloc.info hold_ms=%d", HOLD_MS);
	start(w, 0, fd, command);
	return await_held(w->pid[0], "vmalloc", &record);
}

/* It was held for so long by each clock, and ended well. */
static void expect_held(struct __test_metadata *_metadata,
			struct waiters *w)
{
	int clock;

	EXPECT_EQ(0, exit_code_of(w->pid[0]));
	w->pid[0] = 0;
	for (clock = 0; clock < ARRAY_SIZE(clocks); clock++)
		EXPECT_LE(HOLD_MS / 1000.0, w->took[clock])
	TH_LOG("clock %d", clocks[clock]);
	say("held for %.3f s of %.3f", w->took[0], HOLD_MS / 1000.0);
}

static void expect_ended(struct __test_metadata *_metadata,
			 struct waiters *w, int i)
{
	EXPECT_EQ(0, exit_code_of(w->pid[i]));
	w->pid[i] = 0;
}

/*
 * One holds, one waits for it to be done, and one for the open file that it uses: the
 * machine goes to sleep all the same, as far as freezing its tasks.
 */
TEST_F(waits, suspend)
{
	const char *state = "mem";
	char states[128] = "";
	long long delay = read_number(PM_TEST_DELAY);
	int fd = open(PROC_RUN, O_RDWR);

	read_file(PM "state", states, sizeof(states));
	if (strstr(states, "freeze"))
		state = "freeze";
	if (write_file(PM "pm_test", "freezer"))
		SKIP(return, "waits.suspend: no /sys/power/pm_test");
	write_number(PM_TEST_DELAY, MEANWHILE_MS / 1000);
	ASSERT_TRUE(start_hold(&self->w, fd));
	start(&self->w, 1, -1, "vmalloc.range");
	start(&self->w, 2, fd, "vmalloc.range");
	start(&self->w, 3, -1, "percpu.counter rounds=1000");
	usleep(1000 * MEANWHILE_MS / 4);
	EXPECT_EQ(0, write_file(PM "state", state));
	write_number(PM_TEST_DELAY, delay);
	EXPECT_FALSE(has_ended(self->w.pid[0]));
	expect_held(_metadata, &self->w);
	expect_ended(_metadata, &self->w, 1);
	expect_ended(_metadata, &self->w, 2);
	expect_ended(_metadata, &self->w, 3);
	close(fd);
}

static void make_groups(void)
{
	mkdir(CGROUP_ROOT "/" GROUP, 0755);
	mkdir(FREEZER, 0755);
	mount("none", FREEZER, "cgroup", 0, "freezer");
	mkdir(FREEZER "/" GROUP, 0755);
}

static void remove_groups(void)
{
	rmdir(FREEZER "/" GROUP);
	umount(FREEZER);
	rmdir(FREEZER);
	cgroup_remove(GROUP);
}

/* A cgroup is frozen, of either version, and thawed again. */
TEST_F(waits, frozen)
{
	char pid[16];

	make_groups();
	if (access(CGROUP_ROOT "/" GROUP "/cgroup.freeze", W_OK) &&
	    access(FREEZER "/" GROUP "/freezer.state", W_OK))
		SKIP(return, "waits.frozen: no cgroup can be frozen");
	ASSERT_TRUE(start_hold(&self->w, -1));
	snprintf(pid, sizeof(pid), "%d", self->w.pid[0]);
	write_file(CGROUP_ROOT "/" GROUP "/cgroup.procs", pid);
	write_file(FREEZER "/" GROUP "/cgroup.procs", pid);
	write_file(CGROUP_ROOT "/" GROUP "/cgroup.freeze", "1");
	write_file(FREEZER "/" GROUP "/freezer.state", "FROZEN");
	usleep(1000 * MEANWHILE_MS);
	EXPECT_FALSE(has_ended(self->w.pid[0]));
	thaw_groups();
	expect_held(_metadata, &self->w);
	remove_groups();
}

/* What a command has allocated that is not done lies in slabs, which are charged for. */
TEST_F(waits, shrink_meanwhile)
{
	long long order, nr_coming;
	char text[1024] = "";

	make_groups();
	if (access(FREEZER "/" GROUP "/freezer.state", W_OK))
		SKIP(return, "waits.shrink_meanwhile: no task can be frozen in the kernel");
	ASSERT_OK("pool.create name=waits allocator=slab size=128");
	order = cache_number("waits", "order");
	ASSERT_OK("pool.alloc name=waits count=20000");
	start(&self->w, 0, -1, "pool.alloc name=waits count=200000");
	snprintf(text, sizeof(text), "%d", self->w.pid[0]);
	write_file(FREEZER "/" GROUP "/cgroup.procs", text);
	await(pool_number("waits", "nr_coming") > 1000 || has_ended(self->w.pid[0]));
	write_file(FREEZER "/" GROUP "/freezer.state", "FROZEN");
	await(read_file(FREEZER "/" GROUP "/freezer.state", text, sizeof(text)) > 0 &&
	      !strcmp(text, "FROZEN\n"));
	nr_coming = pool_number("waits", "nr_coming");
	ASSERT_LT(0, nr_coming);
	EXPECT_OK("pool.free name=waits count=19000 order=random");
	read_file(LAB "pools/waits/stats", text, sizeof(text));
	EXPECT_NE(NULL, strstr(text, "held_bytes unknown"));
	EXPECT_OK("pool.shrink name=waits");
	EXPECT_LE(cache_number("waits", "slabs") * (PAGE_BYTES << order),
		  pool_number("waits", "charged_bytes"));
	thaw_groups();
	expect_ended(_metadata, &self->w, 0);
	EXPECT_LE(pool_number("waits", "held_bytes"),
		  pool_number("waits", "charged_bytes"));
	say("%lld objects had come when the pool was shrunk", nr_coming);
	remove_groups();
}

static void spin(void)
{
	for (;;)
		;
}

/* Nobody waits for ever for a CPU that another has for good. */
TEST_F(waits, starved)
{
	static const char *const command[] = {
		"slab.percpu", "slab.partial cpu=1", "percpu.counter",
		"kmalloc.kvmalloc", "buddy.pcp cpu=1", "bench.cost pattern=remote cpu=1",
	};
	int i;

	if (access(CPU1_ONLINE, F_OK))
		SKIP(return, "waits.starved: no second CPU");
	if (!preempt_fully(&self->w))
		SKIP(return, "waits.starved: no task can have a CPU for good");
	ASSERT_TRUE(pin_to_cpu(0));
	self->w.pid[1] = keep_doing(&self->w, 1, SCHED_FIFO, spin);
	usleep(100000);
	for (i = 0; i < ARRAY_SIZE(command); i++) {
		start(&self->w, 0, -1, command[i]);
		usleep(1000 * MEANWHILE_MS / 2);
		kill(self->w.pid[0], SIGKILL);
		ASSERT_TRUE(await(has_ended(self->w.pid[0]))) TH_LOG("%s", command[i]);
		say("%s: %s", command[i],
		    waitpid(self->w.pid[0], &(int){ 0 }, 0) > 0 ? "ended" : "stays");
		self->w.pid[0] = 0;
	}
}

/* The same of a task that is stopped; and one that stays so keeps nobody waiting. */
TEST_F(waits, stopped)
{
	siginfo_t info;

	ASSERT_TRUE(start_hold(&self->w, -1));
	kill(self->w.pid[0], SIGSTOP);
	usleep(1000 * MEANWHILE_MS);
	kill(self->w.pid[0], SIGCONT);
	usleep(1000 * MEANWHILE_MS / 4);
	kill(self->w.pid[0], SIGSTOP);
	EXPECT_OK("vmalloc.range");
	EXPECT_EQ(0, waitid(P_PID, self->w.pid[0], &info, WSTOPPED));
	kill(self->w.pid[0], SIGCONT);
	expect_held(_metadata, &self->w);
}

/* The CPU goes away that the task is on, and comes again. */
TEST_F(waits, hotplug)
{
	int i;

	if (access(CPU1_ONLINE, W_OK))
		SKIP(return, "waits.hotplug: no second CPU that can be taken away");
	ASSERT_TRUE(pin_to_cpu(CPU));
	ASSERT_TRUE(start_hold(&self->w, -1));
	ASSERT_TRUE(pin_to_cpu(0));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, write_file(CPU1_ONLINE, "0"));
		usleep(1000 * MEANWHILE_MS / 4);
		EXPECT_EQ(0, write_file(CPU1_ONLINE, "1"));
	}
	EXPECT_FALSE(has_ended(self->w.pid[0]));
	expect_held(_metadata, &self->w);
	/* While threads are at work there, and are to meet. */
	start(&self->w, 1, -1, "percpu.counter rounds=100000 steps=10000");
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, write_file(CPU1_ONLINE, "0"));
		EXPECT_EQ(0, write_file(CPU1_ONLINE, "1"));
	}
	expect_ended(_metadata, &self->w, 1);
}

/* Who waits can be killed: for another's experiment, and for an open file. */
TEST_F(waits, killed)
{
	int fd = open(PROC_RUN, O_RDWR), i;

	ASSERT_TRUE(start_hold(&self->w, fd));
	start(&self->w, 1, -1, "vmalloc.range");
	start(&self->w, 2, fd, "vmalloc.range");
	usleep(1000 * MEANWHILE_MS / 4);
	for (i = 1; i <= 2; i++) {
		EXPECT_LE(0, kill_command(self->w.pid[i])) TH_LOG("%d", i);
		self->w.pid[i] = 0;
	}
	EXPECT_FALSE(has_ended(self->w.pid[0]));
	expect_held(_metadata, &self->w);
	close(fd);
}

/* So long another CPU may be kept waiting at a time, on a kernel that is not debugged. */
#define STOP_MAX	0.050
/* What may come on top: others who run there, and until all CPUs have come. */
#define STOP_SLACK	0.050
/* Where the host leaves the CPU to the guest, it is away for less. */
#define QUIET		0.010
/*
 * The host may take a CPU away meanwhile, as it likes.  A try is quiet where it does not
 * right before and right after, for as long as it took; so many of those in vain are a
 * failure, and none proves nothing.
 */
#define STOP_TRIES	12
#define QUIET_NEEDED	4

/**
 * struct watch - the clock, watched on another CPU, in memory that both see
 * @gap:	the longest time that the watcher did not get to see, in seconds
 * @looks:	how often it looked
 */
struct watch {
	double gap;
	unsigned long looks;
};

static pid_t start_watch(volatile struct watch *watch)
{
	pid_t pid = fork();
	double last, now;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!pin_to_cpu(CPU))
		_exit(1);
	setpriority(PRIO_PROCESS, 0, -20);
	for (last = seconds();; last = now) {
		now = seconds();
		if (now - last > watch->gap)
			watch->gap = now - last;
		watch->looks++;
	}
}

/* Once the watcher has seen all that was until now. */
static double read_watch(volatile struct watch *watch)
{
	unsigned long looks = watch->looks;

	while (watch->looks < looks + 3)
		usleep(100);
	return watch->gap;
}

static void begin_watch(volatile struct watch *watch)
{
	watch->gap = 0;
	read_watch(watch);
	watch->gap = 0;
}

/* Whether the host leaves the watcher alone, for as long as that. */
static bool is_quiet(volatile struct watch *watch, double time)
{
	begin_watch(watch);
	usleep(1e6 * time);
	return read_watch(watch) < QUIET;
}

/*
 * What an experiment says of how long it kept the others waiting, a CPU that was kept
 * saw; it is no more than it may be, and there was no more than it says.
 */
static void check_stops(struct __test_metadata *_metadata,
			volatile struct watch *watch, const char *command)
{
	bool quiet_before, quiet_after = false;
	const struct record *record;
	int tries, nr_quiet = 0;
	double most, gap, began;

	for (tries = 0; tries < STOP_TRIES && nr_quiet < QUIET_NEEDED; tries++) {
		begin_watch(watch);
		began = seconds();
		record = run_default(command);
		if (record->err || number_of(record, "nr_stops") == MISSING)
			return;
		most = number_of(record, "stopped_max_ns") / 1e9;
		gap = read_watch(watch);
		EXPECT_LE(most, gap) TH_LOG("%s", command);
		if (is_slow() || (most <= STOP_MAX && gap - most <= STOP_SLACK))
			return;
		quiet_before = quiet_after;
		quiet_after = is_quiet(watch, seconds() - began);
		nr_quiet += quiet_before && quiet_after;
	}
	EXPECT_GT(QUIET_NEEDED, nr_quiet)
	TH_LOG("%s: stopped for %f s, a CPU saw %f s", command, most, gap);
	if (nr_quiet < QUIET_NEEDED)
		say("%s: the host is too busy to tell", command);
}

TEST_F_TIMEOUT(waits, stops, TEST_SECONDS)
{
	/* Those that take longest. */
	static const char *const worst[] = {
		"slab.shrink size=8 slabs=256", "slab.rcu size=16 slabs=256",
		"slab.reclaimable size=8 slabs=256", "numa.remote count=4096",
		"numa.bind count=4096", "numa.local count=4096",
		"buddy.fallback order=8 count=8", "buddy.exact bytes=4194304",
		"buddy.waste bytes=4194304",
	};
	FILE *file = fopen(LAB "experiments", "r");
	volatile struct watch *watch = (void *)self->w.took;
	char name[64];
	int i;

	ASSERT_NE(NULL, file);
	if (access(CPU1_ONLINE, F_OK))
		SKIP(return, "waits.stops: no second CPU");
	if (config_has("CONFIG_PREEMPT_RT"))
		SKIP(return, "waits.stops: nothing stops a CPU under PREEMPT_RT");
	ASSERT_TRUE(pin_to_cpu(0));
	self->w.pid[0] = start_watch(watch);
	while (next_experiment(file, name))
		check_stops(_metadata, watch, name);
	fclose(file);
	for (i = 0; i < ARRAY_SIZE(worst); i++)
		check_stops(_metadata, watch, worst[i]);
	EXPECT_FALSE(has_ended(self->w.pid[0]));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * Every wait ends, whoever is preempted, frozen, stopped or killed meanwhile, and
 * what is held is held for as long as was asked.
 */
#include "kmemlab.h"

#define PREEMPT		"/sys/kernel/debug/sched/preempt"
#define RT_RUNTIME	"/proc/sys/kernel/sched_rt_runtime_us"
#define SHRINK		LAB "pools/waits/shrink"
#define PROC_RUN	"/proc/kmemlab/run"

/* Where two tasks are on one CPU, and the test is on another. */
#define CPU		1

/* How often a FIFO task looks in while another is at work; a tenth would do. */
#define DRAINS		4000

/* Seconds without progress after which a task is stuck, on a busy host as well. */
#define STUCK		60

FIXTURE(waits)
{
	char preempt[64];		/* as it was, "" where it cannot be chosen */
	long long rt_runtime;
	volatile unsigned long *nr;	/* what two tasks have done, shared */
	pid_t pid[2];
};

FIXTURE_SETUP(waits)
{
	char text[128] = "", *mode;

	self->nr = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	self->rt_runtime = read_number(RT_RUNTIME);
	read_file(PREEMPT, text, sizeof(text));
	mode = strchr(text, '(');
	if (mode)
		sscanf(mode, "(%63[a-z])", self->preempt);
}

FIXTURE_TEARDOWN(waits)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(self->pid); i++) {
		struct sched_param other = {};

		if (self->pid[i] <= 0)
			continue;
		/* One that spins lets the one go on that it waits for. */
		sched_setscheduler(self->pid[i], SCHED_OTHER, &other);
		kill_command(self->pid[i]);
	}
	if (self->preempt[0])
		write_file(PREEMPT, self->preempt);
	write_number(RT_RUNTIME, self->rt_runtime);
	if (!access(SHRINK, F_OK))
		run("pool.destroy name=waits");
}

/* A task is preempted wherever it can be, and for as long as the other runs. */
static bool preempt_fully(const FIXTURE_DATA(waits) *self)
{
	return (config_has("CONFIG_PREEMPT") || config_has("CONFIG_PREEMPT_RT") ||
		(self->preempt[0] && !write_file(PREEMPT, "full"))) &&
	       !write_number(RT_RUNTIME, -1);
}

/* Another task on CPU, which does something over and over. */
static pid_t keep_doing(const FIXTURE_DATA(waits) *self, int i, int policy,
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
		self->nr[i]++;
	}
}

/* Whether both tasks come that far, one after the other or together. */
static bool come_to(const FIXTURE_DATA(waits) *self, unsigned long nr)
{
	unsigned long before = 0, now;
	double moved = seconds();

	while (self->nr[0] < nr || self->nr[1] < nr) {
		usleep(10000);
		now = self->nr[0] < nr ? self->nr[0] : nr;
		now += self->nr[1] < nr ? self->nr[1] : nr;
		if (now != before)
			moved = seconds();
		else if (seconds() - moved > STUCK)
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
TEST_F(waits, drain)
{
	if (access(CPU1_ONLINE, F_OK))
		SKIP(return, "waits.drain: no second CPU");
	ASSERT_OK("pool.create name=waits allocator=slab_magazine size=256");
	if (!preempt_fully(self))
		SKIP(return, "waits.drain: no task can be preempted for ever");
	ASSERT_TRUE(pin_to_cpu(0));
	self->pid[0] = keep_doing(self, 0, SCHED_OTHER, drain);
	self->pid[1] = keep_doing(self, 1, SCHED_FIFO, drain);
	EXPECT_TRUE(come_to(self, DRAINS))
	TH_LOG("%lu and %lu drains", self->nr[0], self->nr[1]);
	ASSERT_FALSE(has_ended(self->pid[0]) || has_ended(self->pid[1]));
	say("%lu drains of a task that is preempted, %lu of the other",
	    self->nr[0], self->nr[1]);
}

static char experiment[512][64];
static int nr_experiments;

static void run_next(void)
{
	static int i;

	write_file(PROC_RUN, experiment[i]);
	i = (i + 1) % nr_experiments;
}

/* The same of all that can be run. */
TEST_F_TIMEOUT(waits, preempted, 900)
{
	FILE *file = fopen(LAB "experiments", "r");

	ASSERT_NE(NULL, file);
	while (nr_experiments < ARRAY_SIZE(experiment) &&
	       next_experiment(file, experiment[nr_experiments]))
		nr_experiments++;
	fclose(file);
	ASSERT_LT(0, nr_experiments);
	if (access(CPU1_ONLINE, F_OK))
		SKIP(return, "waits.preempted: no second CPU");
	if (!preempt_fully(self))
		SKIP(return, "waits.preempted: no task can be preempted for ever");
	ASSERT_TRUE(pin_to_cpu(0));
	self->pid[0] = keep_doing(self, 0, SCHED_OTHER, run_next);
	self->pid[1] = keep_doing(self, 1, SCHED_FIFO, run_next);
	EXPECT_TRUE(come_to(self, nr_experiments))
	TH_LOG("%lu and %lu of %d", self->nr[0], self->nr[1], nr_experiments);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * What a user may write, what comes back, and that bad input changes nothing.
 */
#include "kmemlab.h"

LAB_FIXTURE(interface);

#define RUN	"/proc/kmemlab/run"

/* For all experiments, each with all that the kernel may be debugged by. */
#define PATIENT_SECONDS	480

/* What must be the same after a refused command. */
struct state {
	char pools[1 << 14];
	long long held;
};

static void read_state(struct state *state)
{
	memset(state, 0, sizeof(*state));
	read_file("/proc/kmemlab/pools", state->pools, sizeof(state->pools));
	state->held = read_number(LAB "held_bytes");
}

#define POOL	"pool.create name=bad allocator=slab size=64 "

static const struct {
	const char *command;
	int err;
} refused[] = {
	/* words that are not there */
	{ "", EINVAL },
	{ "\n", EINVAL },
	{ " \t ", EINVAL },
	{ "buddy", EINVAL },
	{ "buddy.", EINVAL },
	{ ".split", EINVAL },
	{ "nothing.split", EINVAL },
	{ "buddy.nothing", EINVAL },
	{ "buddy.split.merge", EINVAL },
	{ "buddy.split size=5", EINVAL },
	{ "buddy.split 5", EINVAL },
	{ "buddy.split =5", EINVAL },
	{ "BUDDY.SPLIT", EINVAL },
	/* keys */
	{ "buddy.split order=5 order=5", EINVAL },
	{ "buddy.split order", EINVAL },
	{ "buddy.split order==5", EINVAL },
	{ "pool.create", EINVAL },
	{ "pool.create name=bad", EINVAL },
	{ "pool.create name=bad allocator=slab", EINVAL },
	{ "pool.create name=bad allocator=nothing size=64", EINVAL },
	{ "pool.create name=bad allocator=slab order=3 size=64", EINVAL },
	{ "pool.alloc name=nothing count=1", EINVAL },
	{ "pool.alloc count=1", EINVAL },
	/* numbers */
	{ "buddy.split order=", EINVAL },
	{ "buddy.split order=x", EINVAL },
	{ "buddy.split order=5x", EINVAL },
	{ "buddy.split order=0x", EINVAL },
	{ "buddy.split order=5.0", EINVAL },
	{ "buddy.split order=+5", EINVAL },
	{ "buddy.split order=--5", EINVAL },
	{ "buddy.split order=K", EINVAL },
	{ "buddy.split order=5KK", EINVAL },
	{ "buddy.split order=-5", ERANGE },
	{ "buddy.split order=0", ERANGE },
	{ "buddy.split order=9", ERANGE },
	{ "buddy.split order=4294967300", ERANGE },
	{ "buddy.split order=18446744073709551620", ERANGE },
	{ "buddy.split order=0x10000000000000004", ERANGE },
	{ "buddy.split order=99999999999999999999999999999999999999999", ERANGE },
	{ "buddy.split order=18014398509481984K", ERANGE },
	{ "kmalloc.contiguous size=0", ERANGE },
	{ "vmalloc.scatter size=1G", ERANGE },
	{ "pool.create name=bad allocator=slab size=0", ERANGE },
	{ "pool.create name=bad allocator=slab size=-1", ERANGE },
	{ "pool.create name=bad allocator=slab size=1G", ERANGE },
	{ "pool.create name=bad allocator=kmalloc size=0", ERANGE },
	{ "pool.create name=bad allocator=vmalloc size=0", ERANGE },
	{ "pool.create name=bad allocator=pages order=11", ERANGE },
	{ POOL "align=3", ERANGE },
	{ POOL "align=8192", ERANGE },
	{ POOL "ctor=maybe", EINVAL },
	{ POOL "ctor=yes merge=yes", EINVAL },
	{ "pool.create name=bad allocator=slab size=4 ctor=yes", ERANGE },
	/* names */
	{ "pool.create name= allocator=slab size=64", EINVAL },
	{ "pool.create name=a/b allocator=slab size=64", EINVAL },
	{ "pool.create name=../../x allocator=slab size=64", EINVAL },
	{ "pool.create name=. allocator=slab size=64", EINVAL },
	{ "pool.create name=%s%n allocator=slab size=64", EINVAL },
	{ "pool.create name=create allocator=slab size=64", EINVAL },
	{ "pool.create name=result allocator=slab size=64", EINVAL },
	{ "pool.create allocator=slab size=64 name=abcdefghijklmnopqrstuvwxyz012345", EINVAL },
	/* bytes */
	{ "buddy.split order=5\nbuddy.split order=5", EINVAL },
	{ "buddy.split\rorder=5", EINVAL },
	{ "buddy.split order=\x80\xff", EINVAL },
	{ "\177ELF\001\002", EINVAL },
	{ "buddy.split a=1 b=2 c=3 d=4 e=5 f=6 g=7 h=8 i=9 j=1 k=2 l=3 m=4 n=5", EINVAL },
};

TEST_F(interface, bad_input)
{
	static struct state before, after;
	int i;

	read_state(&before);
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		struct record *record = run_in(RUN, refused[i].command);

		EXPECT_EQ(refused[i].err, record->err)
		TH_LOG("%s", refused[i].command);
		EXPECT_EQ(refused[i].err, number_of(record, "errno"));
		EXPECT_TRUE(text_is(record, "status", "failed"));
		EXPECT_NE(NULL, text_of(record, "reason"))
		TH_LOG("%s", refused[i].command);
	}
	read_state(&after);
	EXPECT_EQ(0, strcmp(before.pools, after.pools));
	EXPECT_EQ(before.held, after.held);
}

/* Names of up to 1,000 characters. */
TEST_F(interface, long_names)
{
	char command[4100], name[1001];
	size_t len;

	for (len = 32; len <= 1000; len += 44) {
		memset(name, 'a', len);
		name[len] = '\0';
		snprintf(command, sizeof(command), POOL "name=%s", name);
		EXPECT_EQ(EINVAL, write_file(RUN, command));
		snprintf(command, sizeof(command),
			 "pool.create allocator=slab size=64 name=%s", name);
		EXPECT_EQ(EINVAL, write_file(RUN, command));
		snprintf(command, sizeof(command), "%s.%s %s=%s", name, name,
			 name, name);
		EXPECT_EQ(EINVAL, write_file(RUN, command));
	}
}

/* Bytes that no string can hold, and more of them than any command has. */
TEST_F(interface, bad_bytes)
{
	static const size_t sizes[] = { 1, 1023, 1024, 4096, 65536, 1 << 20 };
	static char bytes[1 << 20];
	/* Nothing is mapped at the bottom of the address space. */
	const void *volatile nowhere = (void *)8;
	int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		memset(bytes, 0, sizeof(bytes));
		EXPECT_EQ(EINVAL, write_bytes(RUN, bytes, sizes[i]));
		memset(bytes, 0xff, sizeof(bytes));
		EXPECT_EQ(EINVAL, write_bytes(RUN, bytes, sizes[i]));
		memset(bytes, 'a', sizeof(bytes));
		EXPECT_EQ(EINVAL, write_bytes(RUN, bytes, sizes[i]));
		memset(bytes, ' ', sizeof(bytes));
		EXPECT_EQ(EINVAL, write_bytes(RUN, bytes, sizes[i]));
	}
	EXPECT_EQ(EINVAL, write_bytes(RUN, "buddy.split\0order=5", 19));
	EXPECT_EQ(EFAULT, write_bytes(RUN, nowhere, 100));
}

/* Each write is a command of its own: a piece of one is refused. */
TEST_F(interface, pieces)
{
	static const char command[] =
		"pool.create name=piece allocator=slab size=64";
	static struct state before, after;
	int fd = open(RUN, O_WRONLY), i;

	ASSERT_LE(0, fd);
	read_state(&before);
	for (i = 0; command[i]; i++) {
		EXPECT_EQ(-1, write(fd, command + i, 1));
		EXPECT_EQ(EINVAL, errno);
	}
	read_state(&after);
	EXPECT_EQ(0, strcmp(before.pools, after.pools));
	close(fd);
}

/* A program reads back the record of its own command, whatever others run. */
TEST_F(interface, own_record)
{
	char text[4096], first[4096];
	int fd = open(LAB "buddy/run", O_RDWR);
	ssize_t len;

	ASSERT_LE(0, fd);
	ASSERT_EQ(13, write(fd, "split order=6", 13));
	ASSERT_OK("buddy.split order=7");
	len = read(fd, first, sizeof(first) - 1);
	ASSERT_LT(0, len);
	first[len] = '\0';
	EXPECT_NE(NULL, strstr(first, "\norder 6\n"));
	/* From the start again, and in small reads, it is the same text. */
	EXPECT_EQ(0, lseek(fd, 0, SEEK_SET));
	for (len = 0; read(fd, text + len, 1) == 1; len++)
		;
	text[len] = '\0';
	EXPECT_EQ(0, strcmp(first, text));
	/*
	 * Also where it was refused, and the last record was read to its end.
	 */
	EXPECT_EQ(-1, write(fd, "split order=99", 14));
	EXPECT_EQ(ERANGE, errno);
	len = read(fd, text, sizeof(text) - 1);
	ASSERT_LT(0, len);
	text[len] = '\0';
	EXPECT_EQ(0, strncmp(text, "run_id ", 7));
	EXPECT_NE(NULL, strstr(text, "\nerrno 34\n"));
	/* The file that all share has the newest. */
	ASSERT_OK("buddy.split order=7");
	read_file(LAB "buddy/result", text, sizeof(text));
	EXPECT_NE(NULL, strstr(text, "\norder 7\n"));
	close(fd);
}

/* Every record begins alike, and is the same through either door. */
TEST_F(interface, record_head)
{
	static const char *const keys[] = {"run_id ", "experiment ", "status ",
					   "errno ", "duration_ns "};
	static struct record by_proc;
	const char *line;
	long long id;
	int i;

	by_proc = *run_in(RUN, "buddy.split order=6");
	ASSERT_EQ(0, by_proc.err);
	line = by_proc.text;
	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		EXPECT_EQ(0, strncmp(line, keys[i], strlen(keys[i])));
		line = strchr(line, '\n') + 1;
	}
	EXPECT_TRUE(text_is(&by_proc, "experiment", "buddy.split"));
	EXPECT_TRUE(text_is(&by_proc, "status", "ok"));
	EXPECT_LT(0, number_of(&by_proc, "duration_ns"));
	id = number_of(&by_proc, "run_id");
	EXPECT_EQ(id + 1, number_of(run("buddy.split order=6"), "run_id"));
}

TEST_F(interface, cancel)
{
	long long held = read_number(LAB "held_bytes");
	static struct record record;
	double took;
	pid_t pid;

	pid = hold("vmalloc", "info size=1048576 hold_ms=60000", &record);
	EXPECT_TRUE(text_is(&record, "status", "running"));
	EXPECT_LE(held + (1 << 20), read_number(LAB "held_bytes"));
	took = kill_command(pid);
	EXPECT_LE(0, took);
	EXPECT_LT(took, 1);
	EXPECT_EQ(held, read_number(LAB "held_bytes"));
}

/* A refusal is in the log once, where debugging is on; else not at all. */
TEST_F(interface, reason_in_log)
{
	static const char control[] = "/sys/kernel/debug/dynamic_debug/control";
	char text[64];
	bool can_debug = !write_file(control, "module kmemlab -p");

	snprintf(text, sizeof(text), "unknown parameter 'pid%d'", getpid());
	EXPECT_EQ(EINVAL, run("buddy.split pid%d=1", getpid())->err);
	EXPECT_EQ(0, nr_logged(text));
	if (!can_debug && !config_has("CONFIG_DYNAMIC_DEBUG"))
		return;
	EXPECT_EQ(0, write_file(control, "module kmemlab +p"));
	EXPECT_EQ(EINVAL, run("buddy.split pid%d=1", getpid())->err);
	EXPECT_EQ(1, nr_logged(text));
	EXPECT_EQ(0, write_file(control, "module kmemlab -p"));
}

/* The conditions, as the kernel itself states them. */
TEST_F(interface, fingerprint)
{
	static struct record record;
	char release[64];

	ASSERT_LT(0, read_file(LAB "fingerprint", record.text,
			       sizeof(record.text)));
	read_file("/proc/sys/kernel/osrelease", release, sizeof(release));
	release[strcspn(release, "\n")] = '\0';
	EXPECT_TRUE(text_is(&record, "kernel", release));
	EXPECT_EQ(sysconf(_SC_NPROCESSORS_ONLN), number_of(&record, "nr_cpus"));
	EXPECT_EQ(sysconf(_SC_PAGESIZE), number_of(&record, "page_bytes"));
	EXPECT_EQ(NR_ORDERS - 1, number_of(&record, "max_order"));
	EXPECT_EQ(1, read_number(LAB "abi_version"));
}

/**
 * struct parameter - one of an experiment's, as the family's file run lists it
 * @family:	the experiment's
 * @experiment:	its name
 * @name:	the parameter's, or "" where the experiment has none
 * @choice:	it takes one of some words
 * @min:	smallest number; and @max, the largest
 */
struct parameter {
	char family[32], experiment[32], name[32];
	bool choice;
	long long min;
	unsigned long long max;
};

/* Of all experiments, in the order of the listing.  Returns how many. */
static int read_parameters(struct parameter *list, size_t max)
{
	static const char *const families[] = {
		"buddy", "slab", "kmalloc", "vmalloc", "ioremap", "percpu",
		"numa", "page", "gfp", "reclaim", "memcg", "bench",
	};
	struct parameter parameter = {};
	char path[128], line[256];
	bool of_allocator = false;
	int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(families); i++) {
		FILE *file;

		snprintf(path, sizeof(path), LAB "%s/run", families[i]);
		strcpy(parameter.family, families[i]);
		file = fopen(path, "r");
		while (file && n < max && fgets(line, sizeof(line), file)) {
			parameter.name[0] = '\0';
			/* Those depend on which allocator a command names. */
			if (line[0] != ' ')
				of_allocator = false;
			else if (!strncmp(line, "  allocator=", 12))
				of_allocator = true;
			if (of_allocator)
				continue;
			if (line[0] != ' ')
				sscanf(line, "%31s", parameter.experiment);
			else if (sscanf(line, " %31[^=]=%lld..%llu",
					parameter.name, &parameter.min,
					&parameter.max) < 1)
				continue;
			parameter.choice = !strstr(line, "..");
			list[n++] = parameter;
		}
		if (file)
			fclose(file);
	}
	return n;
}

#define PARAMETERS_MAX	400

static struct parameter parameters[PARAMETERS_MAX];

static const struct record *run_with(const struct parameter *parameter,
				     const char *fmt, long long value)
{
	char text[64];

	snprintf(text, sizeof(text), fmt, value);
	return run("%s.%s %s=%s", parameter->family, parameter->experiment,
		   parameter->name, text);
}

/* What is just out of range is refused, whichever experiment it is for. */
TEST_F(interface, ranges)
{
	int n = read_parameters(parameters, PARAMETERS_MAX), i, nr_ranges = 0;
	static struct state before, after;

	ASSERT_GT(PARAMETERS_MAX, n);
	read_state(&before);
	for (i = 0; i < n; i++) {
		const struct parameter *p = &parameters[i];

		if (!p->name[0])
			continue;
		nr_ranges++;
		if (p->choice) {
			EXPECT_EQ(EINVAL, run_with(p, "no-such", 0)->err)
			TH_LOG("%s.%s %s", p->family, p->experiment, p->name);
			continue;
		}
		EXPECT_EQ(ERANGE, run_with(p, "%lld", p->min - 1)->err)
		TH_LOG("%s.%s %s", p->family, p->experiment, p->name);
		/* Nothing is beyond what 64 bits can say. */
		if (p->max == ULLONG_MAX)
			continue;
		EXPECT_EQ(ERANGE, run_with(p, "%llu", p->max + 1)->err)
		TH_LOG("%s.%s %s", p->family, p->experiment, p->name);
	}
	EXPECT_LT(0, nr_ranges);
	read_state(&after);
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
}

/* A command that was killed gives back what it held within a second. */
static long long held_after(long long before)
{
	double end = seconds() + 1;

	while (held_bytes() != before && seconds() < end)
		usleep(1000);
	return held_bytes();
}

/* What has not ended by then is killed: large numbers are for large machines. */
#define COMMAND_SECONDS	0.5

/*
 * The errno of a command, or 0 where it was killed; 255 where it gave no reason,
 * or one where there was none to give.
 */
static int run_for_a_while(const struct parameter *parameter, long long value)
{
	pid_t pid = fork();

	if (!pid) {
		const struct record *record = run_with(parameter, "%lld", value);

		_exit(!record->err == !text_of(record, "reason") ? record->err :
								   255);
	}
	if (await_end(pid, COMMAND_SECONDS))
		return exit_code_of(pid);
	kill_command(pid);
	return 0;
}

/*
 * What is just within range runs, or is refused with the reason: no such CPU or
 * node, over the budget, no block so large, a combination that makes no sense.
 * Either way nothing stays behind.  On a busy machine all that takes its time.
 */
TEST_F_TIMEOUT(interface, extremes, PATIENT_SECONDS)
{
	int n = read_parameters(parameters, PARAMETERS_MAX), i, end;
	long long held = read_number(LAB "held_bytes");

	for (i = 0; i < n; i++) {
		const struct parameter *p = &parameters[i];

		/* The longest hold_ms is a minute. */
		if (!p->name[0] || p->choice || !strcmp(p->name, "hold_ms"))
			continue;
		for (end = 0; end < 2; end++) {
			long long value = end ? p->max : p->min;
			int err = run_for_a_while(p, value);

			EXPECT_TRUE(!err || err == ERANGE || err == EDQUOT ||
				    err == ENOMEM || err == EOPNOTSUPP ||
				    err == EBUSY)
			TH_LOG("%s.%s %s=%lld: %d", p->family, p->experiment,
			       p->name, value, err);
			EXPECT_EQ(held, held_after(held))
			TH_LOG("%s.%s %s=%lld", p->family, p->experiment,
			       p->name, value);
		}
	}
}

/*
 * Each experiment is cut off, where it can hold what it shows while it does, and
 * else wherever it is just then; within a second it is gone, with all it had.
 */
TEST_F_TIMEOUT(interface, killed, PATIENT_SECONDS)
{
	int n = read_parameters(parameters, PARAMETERS_MAX), i;
	long long held = read_number(LAB "held_bytes");
	char command[128] = "";
	static struct record record;

	for (i = 0; i < n; i++) {
		const struct parameter *p = &parameters[i];
		bool last = i + 1 == n || !p[1].name[0];
		pid_t pid;

		if (!p->name[0])
			snprintf(command, sizeof(command), "%s.%s", p->family,
				 p->experiment);
		if (!strcmp(p->name, "hold_ms"))
			strcat(command, " hold_ms=60000");
		if (!strcmp(p->name, "rounds"))
			sprintf(command + strlen(command), " rounds=%llu",
				p->max);
		if (!last)
			continue;
		pid = run_aside(RUN, command);
		if (strstr(command, "hold_ms")) {
			EXPECT_TRUE(await_held(pid, p->family, &record))
			TH_LOG("%s", record.text);
			EXPECT_LE(0, kill_command(pid)) TH_LOG("%s", command);
		} else {
			kill_command(pid);
		}
		EXPECT_EQ(held, held_after(held))
		TH_LOG("%s", command);
	}
}

/* Every experiment of the listing runs with its defaults. */
TEST_F_TIMEOUT(interface, listing, PATIENT_SECONDS)
{
	int nr_lines = read_parameters(parameters, PARAMETERS_MAX);
	FILE *file = fopen(LAB "experiments", "r");
	const struct record *record;
	char name[64];
	int n = 0;

	ASSERT_NE(NULL, file);
	while (next_experiment(file, name)) {
		record = run_default(name);
		/* Others need a device, or locks that do not sleep. */
		EXPECT_TRUE(!record->err || record->err == EOPNOTSUPP)
		TH_LOG("%s: %s", name, text_of(record, "reason"));
		n++;
	}
	fclose(file);
	/* The families list the same, with their parameters. */
	while (nr_lines)
		n -= !parameters[--nr_lines].name[0];
	EXPECT_EQ(0, n);
}

TEST_HARNESS_MAIN

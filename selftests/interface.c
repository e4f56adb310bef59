// SPDX-License-Identifier: GPL-2.0
/*
 * What a user may write, what comes back, and that bad input changes nothing.
 */
#include "grammar.h"

#define NS_PER_MS	1000000LL

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
	state->held = read_number(LAB "charged_bytes");
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
	{ "vmalloc.pagetable of=direct size=8M", ERANGE },
	{ "slab.carve align=3", ERANGE },
	{ "bench.cost count=200 runs=1000", ERANGE },
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

/* The ways to write a number. */
TEST_F(interface, numbers)
{
	static const struct {
		const char *text;
		long long value;
	} numbers[] = {
		{"655360", 0xa0000}, {"0xa0000", 0xa0000}, {"0XA0000", 0xa0000},
		{"640k", 0xa0000}, {"640K", 0xa0000}, {"0x280K", 0xa0000},
		{"000001m", 1 << 20}, {"1M", 1 << 20},
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		EXPECT_EQ(numbers[i].value,
			  number_of(run("vmalloc.info size=%s", numbers[i].text),
				    "size_bytes"))
		TH_LOG("%s", numbers[i].text);
}

/* A name has at most 31 characters, here up to 1,000; a command at most 1023. */
TEST_F(interface, long_names)
{
	char command[4100], name[1001];
	size_t len;

	memset(name, 'a', 31);
	name[31] = '\0';
	ASSERT_OK("pool.create allocator=slab size=64 name=%s", name);
	EXPECT_OK("pool.destroy name=%s", name);
	snprintf(command, sizeof(command), "%-1024s", "buddy.split");
	EXPECT_EQ(EINVAL, write_bytes(RUN, command, 1024));
	EXPECT_EQ(0, write_bytes(RUN, command, 1023));
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

/* A family counts how its commands ended. */
TEST_F(interface, counts)
{
	static const char stats[] = LAB "buddy/stats";
	static struct record before, after;

	ASSERT_LT(0, read_file(stats, before.text, sizeof(before.text)));
	EXPECT_OK("buddy.split");
	EXPECT_OK("buddy.split");
	EXPECT_EQ(ERANGE, run("buddy.split order=99")->err);
	ASSERT_LT(0, read_file(stats, after.text, sizeof(after.text)));
	EXPECT_EQ(number_of(&before, "nr_runs") + 3, number_of(&after, "nr_runs"));
	EXPECT_EQ(number_of(&before, "nr_ok") + 2, number_of(&after, "nr_ok"));
	EXPECT_EQ(number_of(&before, "nr_failed") + 1,
		  number_of(&after, "nr_failed"));
	EXPECT_EQ(number_of(&before, "nr_unsupported"),
		  number_of(&after, "nr_unsupported"));
}

/* Where debugfs is closed /proc tells the parameters, too. */
TEST_F(interface, help_in_proc)
{
	static char all[1 << 17], own[1 << 16], wanted[1 << 17];
	char path[64], *line, *rest = own;
	size_t len = 0;

	ASSERT_LT(0, read_file(RUN, all, sizeof(all)));
	snprintf(path, sizeof(path), LAB "buddy/run");
	ASSERT_LT(0, read_file(path, own, sizeof(own)));
	while ((line = strsep(&rest, "\n")) && *line) {
		char name[64];
		int at = 0;

		/* A name is typed with its family there. */
		if (sscanf(line, "%63[a-z_] %n", name, &at) == 1 && *line != ' ') {
			char typed[80];

			snprintf(typed, sizeof(typed), "buddy.%s", name);
			len += snprintf(wanted + len, sizeof(wanted) - len,
					"%-12s %s\n", typed, line + at);
		} else {
			len += snprintf(wanted + len, sizeof(wanted) - len, "%s\n",
					line);
		}
	}
	EXPECT_LT(1000, len);
	EXPECT_NE(NULL, strstr(all, wanted));
	EXPECT_NE(NULL, strstr(all, "\npool.create "));
	EXPECT_NE(NULL, strstr(all, "\n  allocator=slab "));
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

/* How long it took is told in nanoseconds: no less than it slept, no more than all. */
TEST_F(interface, duration)
{
	/* A sleep begins within a tick, of which a second has 100 or more. */
	const long long slept = 300 * NS_PER_MS, tick = 10 * NS_PER_MS;
	const struct record *record;
	double start = seconds();
	long long told;

	record = run("page.frame hold_ms=300");
	ASSERT_EQ(0, record->err);
	told = number_of(record, "duration_ns");
	EXPECT_LE(slept - tick, told);
	EXPECT_GE((seconds() - start) * 1e9, told);
}

/* What is to be done on a CPU that is not online is refused, not left undone. */
TEST_F(interface, offline_cpu)
{
	static const char *const commands[] = {
		"buddy.pcp", "buddy.hot", "buddy.split_page", "numa.local",
		"bench.cost pattern=remote",
	};
	int away[ARRAY_SIZE(commands)], none[ARRAY_SIZE(commands)], i;
	long nr_cpus = sysconf(_SC_NPROCESSORS_CONF);

	if (access(CPU1_ONLINE, W_OK))
		SKIP(return, "interface.offline_cpu: no second CPU that can be taken away");
	ASSERT_EQ(0, write_file(CPU1_ONLINE, "0"));
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		away[i] = run("%s cpu=1", commands[i])->err;
	ASSERT_EQ(0, write_file(CPU1_ONLINE, "1"));
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		none[i] = run("%s cpu=%ld", commands[i], nr_cpus)->err;
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		EXPECT_EQ(ERANGE, away[i])
			TH_LOG("%s", commands[i]);
		EXPECT_EQ(ERANGE, none[i])
			TH_LOG("%s", commands[i]);
	}
	EXPECT_EQ(ERANGE, run("slab.percpu cpu=%ld", nr_cpus)->err);
	EXPECT_EQ(ERANGE, run("slab.percpu other_cpu=%ld", nr_cpus)->err);
}

TEST_F(interface, cancel)
{
	long long held = read_number(LAB "charged_bytes");
	static struct record record;
	pid_t pid;

	pid = hold("vmalloc", "info size=1048576 hold_ms=60000", &record);
	EXPECT_TRUE(text_is(&record, "status", "running"));
	EXPECT_LE(held + (1 << 20), read_number(LAB "charged_bytes"));
	EXPECT_TRUE(let_go(pid));
	EXPECT_EQ(held, read_number(LAB "charged_bytes"));
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

/* /proc has the last record of all families. */
TEST_F(interface, last_record)
{
	static struct record debugfs, proc;

	ASSERT_EQ(0, write_file(LAB "buddy/run", "split order=4"));
	read_file(LAB "buddy/result", debugfs.text, sizeof(debugfs.text));
	read_file("/proc/kmemlab/result", proc.text, sizeof(proc.text));
	EXPECT_TRUE(text_is(&proc, "experiment", "buddy.split"));
	EXPECT_STREQ(debugfs.text, proc.text);
}

/* The conditions, as the kernel itself states them. */
TEST_F(interface, fingerprint)
{
	static struct record record;
	char release[64], line[4096];

	ASSERT_LT(0, read_file(LAB "fingerprint", record.text,
			       sizeof(record.text)));
	read_file("/proc/sys/kernel/osrelease", release, sizeof(release));
	release[strcspn(release, "\n")] = '\0';
	EXPECT_TRUE(text_is(&record, "kernel", release));
	EXPECT_EQ(sysconf(_SC_NPROCESSORS_ONLN), number_of(&record, "nr_cpus"));
	EXPECT_EQ(sysconf(_SC_PAGESIZE), number_of(&record, "page_bytes"));
	EXPECT_EQ(NR_ORDERS - 1, number_of(&record, "max_order"));
	/* What a processor has that counts, or else the kernel's clock. */
	EXPECT_TRUE(text_is(&record, "counter",
			    find_line("/proc/cpuinfo", "flags", " tsc ", line, sizeof(line)) ?
			    "tsc" : "ktime"));
	EXPECT_EQ(2, read_number(LAB "abi_version"));
}

/* What an experiment says to one of its parameters. */
static const struct record *run_with(const struct verb *verb,
				     const struct param *param,
				     const char *fmt, long long value)
{
	char text[64];

	snprintf(text, sizeof(text), fmt, value);
	return run("%s.%s %s=%s", verb->family, verb->name, param->name, text);
}

/* A name in the listing is one that it knows: what is wrong is the value. */
static bool knows_param(const struct record *record)
{
	const char *reason = text_of(record, "reason") ?: "";

	return record->err == EINVAL && !strstr(reason, "unknown parameter") &&
	       !strstr(reason, "is missing");
}

/* The same of what pools cannot do without. */
TEST_F(interface, required)
{
	int i, k, nr = 0;

	learn_all();
	for (i = 0; i < nr_allocators; i++)
		for (k = 0; k < allocators[i].nr_params; k++) {
			const struct param *p = &allocators[i].param[k];

			if (!p->required)
				continue;
			nr++;
			EXPECT_TRUE(knows_param(run("pool.create name=new allocator=%s %s=no",
						    allocators[i].name, p->name)))
			TH_LOG("%s %s", allocators[i].name, p->name);
		}
	for (i = 0; i < nr_verbs; i++)
		for (k = 0; is_pool_verb(&verbs[i]) && k < verbs[i].nr_params; k++) {
			const struct param *p = &verbs[i].param[k];

			if (!p->required || p->type != WORD)
				continue;
			nr++;
			EXPECT_TRUE(knows_param(run("pool.%s %s=a/b", verbs[i].name,
						    p->name)))
			TH_LOG("pool.%s %s", verbs[i].name, p->name);
		}
	EXPECT_LT(nr_allocators, nr);
}

/* What is just out of range is refused, whichever experiment it is for. */
TEST_F(interface, ranges)
{
	static struct state before, after;
	const struct record *record;
	int i, k, nr_ranges = 0;

	learn_all();
	read_state(&before);
	for (i = 0; i < nr_verbs; i++) {
		const struct verb *verb = &verbs[i];

		for (k = 0; k < verb->nr_params && !is_pool_verb(verb); k++) {
			const struct param *p = &verb->param[k];

			nr_ranges++;
			if (p->type != NUMBER) {
				record = run_with(verb, p, "no-such", 0);
				EXPECT_TRUE(knows_param(record))
				TH_LOG("%s.%s %s", verb->family, verb->name, p->name);
				continue;
			}
			EXPECT_EQ(ERANGE, run_with(verb, p, "%lld", p->min - 1)->err)
			TH_LOG("%s.%s %s", verb->family, verb->name, p->name);
			/* Nothing is beyond what 64 bits can say. */
			if (p->max == ULLONG_MAX)
				continue;
			EXPECT_EQ(ERANGE, run_with(verb, p, "%llu", p->max + 1)->err)
			TH_LOG("%s.%s %s", verb->family, verb->name, p->name);
		}
	}
	EXPECT_LT(0, nr_ranges);
	read_state(&after);
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
}

#define ABI	"abi.txt"

/*
 * What a line of a listing is in ABI: whose the parameter is, its values, its default.
 * How many CPUs and nodes there can be is the kernel's affair.
 */
static void describe(const char *family, const char *line, char *owner, char *text)
{
	const char *def = strrchr(line, '[');
	char word[128] = "", *most;

	sscanf(line, " %127s", word);
	*text = '\0';
	if (line[0] != ' ') {
		sprintf(text, "%s.%s\n", family, word);
		sprintf(owner, "%s.%s", family, word);
	} else if (line[2] != ' ') {
		/* In other listings they are again. */
		*owner = '\0';
		if (strcmp(family, "pool"))
			return;
		sprintf(owner, "allocator.%s", strchr(word, '=') + 1);
		sprintf(text, "%s\n", owner);
	} else if (*owner) {
		most = strstr(word, "..");
		if (most && (strstr(word, "cpu=") || strstr(word, "node=")))
			most[2] = '\0';
		sprintf(text, "%s %s%s%s", owner, word, def ? " " : "", def ?: "\n");
	}
}

static char abi[1 << 15];
static int nr_described;

static void describe_file(struct __test_metadata *_metadata, const char *path)
{
	char line[512], owner[128] = "", text[512];
	const char *family = family_of(path), *found;
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof(line), file)) {
		describe(family, line, owner, text);
		if (!*text)
			continue;
		nr_described++;
		found = strstr(abi, text);
		EXPECT_TRUE(found && (found == abi || found[-1] == '\n'))
		TH_LOG("not in " ABI ": %s", text);
	}
	if (file)
		fclose(file);
}

/* Scripts rely on it: no parameter, range or default changes without notice. */
TEST_F(interface, abi)
{
	DIR *dir = opendir(LAB);
	struct dirent *entry;
	char path[512], *line;

	if (PAGE_BYTES != 4096)
		SKIP(return, "interface.abi: some ranges are in pages, of other bytes");
	ASSERT_NE(NULL, dir);
	ASSERT_LT(0, read_file(ABI, abi, sizeof(abi)));
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), LAB "%s/%s", entry->d_name,
			 strcmp(entry->d_name, "pools") ? "run" : "create");
		describe_file(_metadata, path);
	}
	closedir(dir);
	for (line = abi; (line = strchr(line, '\n')); line++)
		nr_described--;
	EXPECT_EQ(0, nr_described);
}

/* What a command held that was killed is given back soon. */
static long long held_after(long long before)
{
	await(lab_charged() == before);
	return lab_charged();
}

/* Seconds for a command; one with a large number can take minutes. */
#define WHILE_SECONDS	0.25

/*
 * The errno of a command; 255 if it gave no reason, or one though there was none
 * to give.  What goes on for longer is killed, for 0.
 */
static int run_for_a_while(const struct verb *verb, const struct param *param,
			   long long value)
{
	pid_t pid = fork();

	if (!pid) {
		const struct record *record = run_with(verb, param, "%lld", value);

		_exit(!record->err == !text_of(record, "reason") ? record->err :
								   255);
	}
	if (await_end(pid, WHILE_SECONDS))
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
	long long held = read_number(LAB "charged_bytes");
	int i, k;

	learn_all();
	for (i = 0; i < nr_verbs; i++) {
		const struct verb *verb = &verbs[i];

		/* Twice each, with the smallest and the largest. */
		for (k = 0; k < 2 * verb->nr_params && !is_pool_verb(verb); k++) {
			const struct param *p = &verb->param[k / 2];
			long long value = k % 2 ? p->max : p->min;
			int err;

			/* The longest hold_ms is a minute. */
			if (p->type != NUMBER || !strcmp(p->name, "hold_ms"))
				continue;
			err = run_for_a_while(verb, p, value);
			EXPECT_TRUE(!err || err == ERANGE || err == EDQUOT ||
				    err == ENOMEM || err == EOPNOTSUPP ||
				    err == EBUSY)
			TH_LOG("%s.%s %s=%lld: %d", verb->family, verb->name,
			       p->name, value, err);
			EXPECT_EQ(held, held_after(held))
			TH_LOG("%s.%s %s=%lld", verb->family, verb->name,
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
	long long held = read_number(LAB "charged_bytes");
	static struct record record;
	char command[128];
	int i, k;

	learn_all();
	for (i = 0; i < nr_verbs; i++) {
		const struct verb *verb = &verbs[i];
		pid_t pid;

		if (is_pool_verb(verb))
			continue;
		sprintf(command, "%s.%s", verb->family, verb->name);
		for (k = 0; k < verb->nr_params; k++) {
			const struct param *p = &verb->param[k];

			if (!strcmp(p->name, "hold_ms"))
				strcat(command, " hold_ms=60000");
			if (!strcmp(p->name, "rounds"))
				sprintf(command + strlen(command),
					" rounds=%llu", p->max);
		}
		pid = run_aside(RUN, command);
		if (strstr(command, "hold_ms")) {
			EXPECT_TRUE(await_held(pid, verb->family, &record))
			TH_LOG("%s", record.text);
			EXPECT_LE(0, kill_command(pid)) TH_LOG("%s", command);
		} else {
			kill_command(pid);
		}
		EXPECT_EQ(held, held_after(held))
		TH_LOG("%s", command);
	}
}

/* What the families list of an experiment, or NULL. */
static const struct verb *verb_called(const char *name)
{
	const struct verb *verb;
	char full[80];

	for (verb = verbs; verb < verbs + nr_verbs; verb++) {
		snprintf(full, sizeof(full), "%s.%s", verb->family, verb->name);
		if (!strcmp(full, name))
			return verb;
	}
	return NULL;
}

/*
 * Every experiment of the listing runs with its defaults; its family lists it too,
 * with parameters.  Where the record has one of these, it is the default.
 */
TEST_F_TIMEOUT(interface, listing, PATIENT_SECONDS)
{
	FILE *file = fopen(LAB "experiments", "r");
	int nr_listed = 0, nr_told = 0, i;
	char name[64];

	ASSERT_NE(NULL, file);
	learn_all();
	for (i = 0; i < nr_verbs; i++)
		nr_listed += !is_pool_verb(&verbs[i]);
	while (next_experiment(file, name)) {
		const struct record *record = run_default(name);
		const struct verb *verb = verb_called(name);

		nr_listed--;
		/* Nothing keeps the task on the CPU that it was on; it would wait here. */
		EXPECT_TRUE(pin_to_cpu(nr_listed % sysconf(_SC_NPROCESSORS_ONLN)))
		TH_LOG("%s", name);
		/* Others need a device, or locks that do not sleep. */
		EXPECT_TRUE(!record->err || record->err == EOPNOTSUPP)
		TH_LOG("%s: %s", name, text_of(record, "reason"));
		ASSERT_NE(NULL, verb) TH_LOG("%s", name);
		for (i = 0; i < verb->nr_params; i++) {
			const struct param *param = &verb->param[i];
			const char *told = text_of(record, param->name);

			/* Tables have names too. */
			if (param->type != NUMBER || !told ||
			    told[strspn(told, "0123456789")] != '\n')
				continue;
			nr_told++;
			EXPECT_EQ(param->def, strtoull(told, NULL, 10))
			TH_LOG("%s %s", name, param->name);
		}
	}
	fclose(file);
	EXPECT_EQ(0, nr_listed);
	EXPECT_LT(0, nr_told);
}

TEST_HARNESS_MAIN

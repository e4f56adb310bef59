// SPDX-License-Identifier: GPL-2.0
/*
 * faults - let the first, the second, the third ... allocation of a command fail,
 * until it runs through untouched: for every command of every experiment with each
 * of the words that it takes, every verb of pools and the bench with every
 * allocator, for reading every file, and for loading the module.
 *
 * For a kernel with CONFIG_FAILSLAB and CONFIG_FAIL_PAGE_ALLOC (see
 * Documentation/fault-injection/fault-injection.rst, /proc/PID/fail-nth).  What
 * must hold each time: the command succeeds or fails with ENOMEM, as its record
 * says, it holds what it held before, and the kernel has nothing to report.
 *
 * Where a loop lets the same call fail again and again, the middle of a stretch of
 * such failures is leapt over, with FULL=1 not.
 */
#include "grammar.h"

/* What runs TEST()s, of which there are none here. */
static int test_harness_run(int argc, char **argv) __attribute__((unused));

#define DEBUGFS		"/sys/kernel/debug/"
#define PROC_RUN	"/proc/kmemlab/run"
#define POOL		"faulty"
#define SUBJECTS_MAX	1500
#define SITES_MAX	1000
#define STRETCH		4	/* as many alike before some are leapt over */
#define OBJECTS		600	/* more than one page of a pool's bookkeeping */

/**
 * struct subject - something that allocates
 * @name:	for people
 * @path:	the file that is written or read; NULL: the module is loaded
 * @command:	what is written; "": the file is read
 * @setup:	commands that come before it, each time; NULL-terminated
 * @nr_before:	objects that pool POOL has before; MISSING where it is not looked at
 * @nr_after:	and after it, where it succeeds
 */
struct subject {
	char name[160];
	const char *path;
	char command[256];
	char setup[3][160];
	long long nr_before, nr_after;
};

/**
 * struct attempt - how it went
 * @injected:	an allocation was made to fail
 * @err:	errno, or 0
 * @site:	the module's frames of the stack of that allocation, innermost first
 */
struct attempt {
	bool injected;
	int err;
	char site[1024];
};

struct site {
	char name[128];
	int nr;
};

static struct subject subjects[SUBJECTS_MAX];
static int nr_subjects;
static struct site sites[SITES_MAX];
static int nr_sites;
static int kmsg_fd, ko_fd;
static bool full;
static long nr_injected, nr_leapt;

/* Who runs what is to fail: this task, or the kernel's stoppers (stop_machine()). */
static struct executor {
	char name[32];
	int nth_fd;
} executors[CPU_SETSIZE];
static int nr_executors;

/* What the kernel says */

static bool is_fault(const char *text)
{
	static const char *const begins[] = {
		"BUG", "WARNING", "UBSAN", "ODEBUG", "DMA-API", "INFO: ",
		"watchdog", "general protection", "Oops", "list_add",
		"list_del",
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(begins); i++)
		if (!strncmp(text, begins[i], strlen(begins[i])))
			return true;
	return false;
}

/*
 * Reads the log from where it was left, takes the site of the first failure from it,
 * and returns whether the kernel had nothing else to report.
 */
static bool read_log(struct attempt *attempt)
{
	bool in_stack = false, good = true;
	char line[2048], *text, *end;
	size_t len = 0;
	ssize_t n;

	attempt->site[0] = '\0';
	/* EPIPE: some lines were overwritten, and reading goes on. */
	while ((n = read(kmsg_fd, line, sizeof(line) - 1)) > 0 || errno == EPIPE) {
		if (n <= 0)
			continue;
		line[n] = '\0';
		text = strchr(line, ';');
		if (!text)
			continue;
		text++;
		text[strcspn(text, "\n")] = '\0';
		if (is_fault(text))
			good = false;
		if (!good)
			ksft_print_msg("%s\n", text);
		if (!strncmp(text, "FAULT_INJECTION", 15))
			in_stack = !len;
		if (strstr(text, "</TASK>") || strstr(text, "</IRQ>"))
			in_stack = false;
		end = strstr(text, " [kmemlab]");
		if (!in_stack || !end || strstr(text, "? "))
			continue;
		*end = '\0';
		len += snprintf(attempt->site + len, sizeof(attempt->site) - len,
				"%s%s", len ? " < " : "",
				text + strspn(text, " "));
		if (len >= sizeof(attempt->site))
			len = sizeof(attempt->site) - 1;
	}
	return good;
}

static void count_site(const char *stack)
{
	char name[128];
	int i;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(stack, " "), stack);
	for (i = 0; i < nr_sites && strcmp(sites[i].name, name); i++)
		;
	if (i == SITES_MAX)
		ksft_exit_fail_msg("more than %d sites\n", SITES_MAX);
	nr_sites += i == nr_sites;
	strcpy(sites[i].name, name);
	sites[i].nr++;
}

/* One attempt */

static int nth_left(const struct executor *executor)
{
	char digits[16] = "";

	if (pread(executor->nth_fd, digits, sizeof(digits) - 1, 0) <= 0)
		ksft_exit_fail_msg("fail-nth: %s\n", strerror(errno));
	return atoi(digits);
}

static void arm(const struct executor *executor, unsigned int nth)
{
	char digits[16];
	int n = snprintf(digits, sizeof(digits), "%u", nth);

	if (pwrite(executor->nth_fd, digits, n, 0) != n)
		ksft_exit_fail_msg("fail-nth: %s\n", strerror(errno));
}

static int read_all(const char *path)
{
	static char page[PAGE_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;
	ssize_t n;

	if (fd < 0)
		return errno;
	while ((n = read(fd, page, sizeof(page))) > 0)
		;
	err = n < 0 ? errno : 0;
	close(fd);
	return err;
}

/* The record that a command left says what its write returned. */
static bool record_agrees(int fd, int err)
{
	static struct record record;
	ssize_t n = pread(fd, record.text, sizeof(record.text) - 1, 0);

	record.text[n > 0 ? n : 0] = '\0';
	/* Memory for the record itself may be what was short. */
	if (n == 0 || (n < 0 && errno == ENOMEM))
		return true;
	return number_of(&record, "errno") == err &&
	       text_is(&record, "status", !err ? "ok" :
		       err == EOPNOTSUPP ? "unsupported" : "failed") &&
	       !err == !text_of(&record, "reason");
}

static bool unload(void)
{
	return !syscall(SYS_delete_module, "kmemlab", O_NONBLOCK);
}

static void load(void)
{
	if (syscall(SYS_finit_module, ko_fd, "", 0))
		ksft_exit_fail_msg("the module cannot be loaded\n");
}

/* Loads the module and unloads it, and returns the errno of the first. */
static int load_and_unload(bool *good)
{
	int err = syscall(SYS_finit_module, ko_fd, "", 0) ? errno : 0;

	if (!err)
		*good &= unload();
	*good &= access(LAB, F_OK) && access("/proc/kmemlab", F_OK);
	return err;
}

/* What killed or failed commands left is freed by a worker. */
static bool holds_nothing(void)
{
	int tries;

	for (tries = 0; held_bytes() && may_try(tries); tries++)
		;
	return !held_bytes();
}

static void set_up(const struct subject *subject)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(subject->setup) && subject->setup[i][0]; i++)
		if (run("%s", subject->setup[i])->err)
			ksft_exit_fail_msg("cannot be set up: %s\n",
					   subject->setup[i]);
}

static bool clean_up(const struct subject *subject, int err)
{
	long long nr = err ? subject->nr_before : subject->nr_after;
	bool good = true;

	if (subject->nr_before != MISSING &&
	    pool_number(POOL, "nr_objects") != nr) {
		ksft_print_msg("%lld objects, not %lld\n",
			       pool_number(POOL, "nr_objects"), nr);
		good = false;
	}
	run("pool.destroy name=" POOL);
	if (!holds_nothing()) {
		ksft_print_msg("%lld bytes are held\n", held_bytes());
		good = false;
	}
	return good;
}

/* Lets the @nth allocation fail, 0 for none, and returns whether all is well. */
static bool attempt(const struct subject *subject,
		    const struct executor *executor, unsigned int nth,
		    struct attempt *attempt)
{
	int fd = -1, err = 0;
	bool good = true;

	if (subject->path) {
		set_up(subject);
		if (subject->command[0])
			fd = open(subject->path, O_RDWR | O_CLOEXEC);
	}
	lseek(kmsg_fd, 0, SEEK_END);
	arm(executor, nth);
	if (!subject->path)
		err = load_and_unload(&good);
	else if (!subject->command[0])
		err = read_all(subject->path);
	else if (write(fd, subject->command, strlen(subject->command)) < 0)
		err = errno;
	attempt->injected = nth && !nth_left(executor);
	arm(executor, 0);
	attempt->err = err;
	good &= read_log(attempt);
	if (fd >= 0) {
		good &= record_agrees(fd, err);
		close(fd);
	}
	if (subject->path)
		good &= clean_up(subject, err);
	if (attempt->injected) {
		nr_injected++;
		if (attempt->site[0])
			count_site(attempt->site);
	}
	return good;
}

/* All attempts */

/**
 * struct sweep - the attempts of one subject
 * @nr:		failures
 * @nr_leapt:	failures that were left out, each between two that were alike
 * @err:	errno without any
 */
struct sweep {
	const struct subject *subject;
	const struct executor *executor;
	long nr, nr_leapt;
	int err;
	bool good;
};

/* Returns whether an allocation failed. */
static bool one(struct sweep *sweep, unsigned int nth, struct attempt *a)
{
	bool good = attempt(sweep->subject, sweep->executor, nth, a);

	if (a->err && a->err != sweep->err && a->err != ENOMEM) {
		ksft_print_msg("errno %d\n", a->err);
		good = false;
	}
	if (!good)
		ksft_print_msg("^ failure %u, %s\n", nth, a->site);
	sweep->good &= good;
	sweep->nr += a->injected;
	return a->injected;
}

/*
 * From the @nth failure on, which was at @site: the last of those that are there as
 * well, found by leaps and by halving the last of them.
 */
static unsigned int leap(struct sweep *sweep, unsigned int nth, const char *site)
{
	unsigned int step, low = nth, high, middle;
	struct attempt a;

	for (step = 2; one(sweep, low + step, &a) && !strcmp(a.site, site);
	     step *= 2)
		low += step;
	for (high = low + step; high - low > 1; ) {
		middle = (low + high) / 2;
		if (one(sweep, middle, &a) && !strcmp(a.site, site))
			low = middle;
		else
			high = middle;
	}
	return low;
}

static void sweep_all(struct sweep *sweep)
{
	unsigned int nth, alike = 0, last;
	char site[sizeof(((struct attempt *)0)->site)] = "?";
	struct attempt a;
	long before;

	sweep->good = attempt(sweep->subject, sweep->executor, 0, &a);
	sweep->err = a.err;
	for (nth = 1; one(sweep, nth, &a); nth++) {
		alike = strcmp(a.site, site) ? 0 : alike + 1;
		strcpy(site, a.site);
		if (full || alike < STRETCH)
			continue;
		before = sweep->nr;
		last = leap(sweep, nth, site);
		sweep->nr_leapt += last - nth > sweep->nr - before ?
				   last - nth - (sweep->nr - before) : 0;
		nth = last;
		alike = 0;
	}
}

static void test_subject(const struct subject *subject)
{
	struct sweep sweep = { .subject = subject, .good = true };
	bool good = true;
	int i;

	for (i = 0; i < nr_executors; i++) {
		sweep.executor = &executors[i];
		sweep_all(&sweep);
		good &= sweep.good;
	}
	nr_leapt += sweep.nr_leapt;
	ksft_test_result(good, "%s: %ld failed, %ld leapt over, alone %d\n",
			 subject->name, sweep.nr, sweep.nr_leapt, sweep.err);
}

/* The subjects */

__attribute__((format(printf, 3, 4)))
static struct subject *add(const char *path, const char *setup,
			   const char *fmt, ...)
{
	struct subject *subject = &subjects[nr_subjects++];
	va_list ap;

	if (nr_subjects > SUBJECTS_MAX)
		ksft_exit_fail_msg("more than %d subjects\n", SUBJECTS_MAX);
	subject->path = path;
	strcpy(subject->setup[0], setup);
	va_start(ap, fmt);
	vsnprintf(subject->command, sizeof(subject->command), fmt, ap);
	va_end(ap);
	snprintf(subject->name, sizeof(subject->name), "%s%s%s", setup,
		 setup[0] ? "; " : "", subject->command);
	subject->nr_before = MISSING;
	return subject;
}

/* What is the same at a hundredth of the default. */
static const char *less_of(const struct verb *verb)
{
	static const struct {
		const char *family, *name, *text;
	} less[] = {
		{ "memcg", "charge", " bytes=65536" },
		{ "percpu", "counter", " rounds=100" },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(less); i++)
		if (!strcmp(verb->family, less[i].family) &&
		    !strcmp(verb->name, less[i].name))
			return less[i].text;
	return "";
}

/* An experiment by its defaults, and with each of the words it takes. */
static void add_experiment(const struct verb *verb)
{
	const char *less = less_of(verb);
	int i, n;

	add(PROC_RUN, "", "%s.%s%s", verb->family, verb->name, less);
	for (i = 0; i < verb->nr_params; i++)
		for (n = 0; n < verb->param[i].nr_choices; n++)
			add(PROC_RUN, "", "%s.%s%s %s=%s", verb->family,
			    verb->name, less, verb->param[i].name,
			    verb->param[i].choice[n]);
}

/* What an allocator cannot be asked for without: its size. */
static const char *required_of(const struct allocator *allocator)
{
	static char text[256];
	size_t len = 0;
	int i;

	text[0] = '\0';
	for (i = 0; i < allocator->nr_params; i++)
		if (allocator->param[i].required)
			len += snprintf(text + len, sizeof(text) - len,
					" %s=%llu", allocator->param[i].name,
					strcmp(allocator->param[i].name, "size") ?
					allocator->param[i].min : 256ULL);
	return text;
}

static void add_pool(const struct allocator *allocator)
{
	struct subject *subject;
	char create[128];

	snprintf(create, sizeof(create), "pool.create name=" POOL
		 " allocator=%s%s", allocator->name, required_of(allocator));
	add(PROC_RUN, "", "%s", create);
	subject = add(PROC_RUN, create, "pool.alloc name=" POOL " count=%d",
		      OBJECTS);
	subject->nr_before = 0;
	subject->nr_after = OBJECTS;
	subject = add(PROC_RUN, create, "pool.free name=" POOL " count=%d",
		      OBJECTS / 2);
	snprintf(subject->setup[1], sizeof(subject->setup[1]),
		 "pool.alloc name=" POOL " count=%d", OBJECTS);
	subject->nr_before = OBJECTS;
	subject->nr_after = OBJECTS / 2;
	subject = add(PROC_RUN, create, "pool.shrink name=" POOL);
	subject = add(PROC_RUN, create, "pool.destroy name=" POOL);
	strcpy(subject->setup[1], "pool.alloc name=" POOL " count=1");
	if (strcmp(allocator->name, "reclaimable"))
		return;
	subject = add(PROC_RUN, create, "pool.idle name=" POOL " count=1");
	strcpy(subject->setup[1], "pool.alloc name=" POOL " count=2");
	subject->nr_before = 2;
	subject->nr_after = 1;
	subject = add(PROC_RUN, create, "pool.use name=" POOL " count=1");
	strcpy(subject->setup[1], "pool.alloc name=" POOL " count=1");
	strcpy(subject->setup[2], "pool.idle name=" POOL " count=1");
	subject->nr_before = 0;
	subject->nr_after = 1;
}

static void add_bench(const struct verb *verb)
{
	int i;

	for (i = 0; i < nr_allocators; i++)
		add(PROC_RUN, "", "%s.%s allocator=%s%s %s", verb->family,
		    verb->name, allocators[i].name, required_of(&allocators[i]),
		    strcmp(verb->name, "compare") ? "count=20 runs=2" :
						    "count=20 blocks=6");
}

static void learn_file(const char *path)
{
	char family[128];

	if (!access(path, R_OK) && strstr(path, "/create"))
		read_grammar("pool", path);
	if (strncmp(path, DEBUGFS, strlen(DEBUGFS)) || strcmp(base_of(path), "run"))
		return;
	snprintf(family, sizeof(family), "%s", path);
	*strrchr(family, '/') = '\0';
	read_grammar(base_of(family), path);
}

static void add_file(const char *path)
{
	struct subject *subject;
	struct stat st;

	if (stat(path, &st) || !(st.st_mode & 0444))
		return;
	subject = add(strdup(path), "", "%s", "");
	snprintf(subject->name, sizeof(subject->name), "read %s", path);
}

static void add_all(void)
{
	struct subject *subject;
	int i;

	for (i = 0; i < nr_verbs; i++)
		if (verbs[i].takes_allocator && !is_pool_verb(&verbs[i]))
			add_bench(&verbs[i]);
		else if (!is_pool_verb(&verbs[i]))
			add_experiment(&verbs[i]);
	for (i = 0; i < nr_allocators; i++)
		add_pool(&allocators[i]);
	walk(LAB, add_file);
	walk("/proc/kmemlab", add_file);
	for (i = 0; i < 2; i++) {
		static const char *const files[] = { "stats", "layout" };

		subject = add(i ? LAB "pools/" POOL "/layout" :
				  LAB "pools/" POOL "/stats",
			      "pool.create name=" POOL
			      " allocator=vmalloc size=4096", "%s", "");
		strcpy(subject->setup[1], "pool.alloc name=" POOL " count=100");
		snprintf(subject->name, sizeof(subject->name),
			 "read pools/NAME/%s", files[i]);
	}
	strcpy(add(NULL, "", "%s", "")->name, "load the module");
}

/* The kernel */

static void set_up_injection(const char *which)
{
	static const char *const settings[][2] = {
		{ "ignore-gfp-wait", "N" }, { "ignore-gfp-highmem", "N" },
		{ "min-order", "0" }, { "verbose", "2" },
		/* Each failure must leave its stack. */
		{ "verbose_ratelimit_interval_ms", "0" },
	};
	char path[128];
	int i;

	for (i = 0; i < ARRAY_SIZE(settings); i++) {
		snprintf(path, sizeof(path), DEBUGFS "%s/%s", which,
			 settings[i][0]);
		if (!access(path, F_OK) && write_file(path, settings[i][1]))
			ksft_exit_fail_msg("%s cannot be set\n", path);
	}
}

static void add_executor(const char *name, const char *path)
{
	struct executor *executor = &executors[nr_executors++];

	snprintf(executor->name, sizeof(executor->name), "%s", name);
	executor->nth_fd = open(path, O_RDWR | O_CLOEXEC);
	if (executor->nth_fd < 0)
		ksft_exit_fail_msg("%s: %s\n", path, strerror(errno));
}

static void find_executors(void)
{
	char path[300], name[32];
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	add_executor("self", "/proc/self/fail-nth");
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (read_file(path, name, sizeof(name)) < 0 ||
		    strncmp(name, "migration/", 10))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/fail-nth", entry->d_name);
		name[strcspn(name, "\n")] = '\0';
		add_executor(name, path);
	}
	if (dir)
		closedir(dir);
}

/* Two scans, each some seconds after what it is to find has come to be. */
static bool no_leak(void)
{
	static char text[1 << 16];
	int i;

	for (i = 0; i < 2; i++) {
		sleep(6);
		write_file(DEBUGFS "kmemleak", "scan");
	}
	if (read_file(DEBUGFS "kmemleak", text, sizeof(text)) <= 0)
		return true;
	printf("%s", text);
	return false;
}

static void print_sites(void)
{
	int i;

	for (i = 0; i < nr_sites; i++)
		ksft_print_msg("site %s %d\n", sites[i].name, sites[i].nr);
	ksft_print_msg("%d commands, %ld failures injected, %ld leapt over\n",
		       nr_subjects, nr_injected, nr_leapt);
	ksft_print_msg("%d sites of the module reached\n", nr_sites);
}

int main(int argc, char **argv)
{
	int i, n, level;

	if (access("/proc/self/fail-nth", F_OK))
		ksft_exit_skip("the kernel injects no faults\n");
	full = getenv("FULL") && *getenv("FULL");
	kmsg_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ko_fd = open("/kmemlab/kmemlab.ko", O_RDONLY | O_CLOEXEC);
	set_up_injection("failslab");
	set_up_injection("fail_page_alloc");
	/* Thousands of stacks need not go over the console. */
	level = klogctl(8, NULL, 4);
	walk(LAB, learn_file);
	add_all();
	find_executors();
	/* Only those whose name has one of the words. */
	for (i = n = 0; argc > 1 && i < nr_subjects; i++) {
		bool wanted = false;
		int word;

		for (word = 1; word < argc; word++)
			wanted |= !!strstr(subjects[i].name, argv[word]);
		if (wanted)
			subjects[n++] = subjects[i];
	}
	if (argc > 1)
		nr_subjects = n;
	ksft_print_header();
	ksft_set_plan(nr_subjects + 1);
	for (i = 0; i < nr_subjects; i++) {
		if (!subjects[i].path) {
			/* run() keeps a file open. */
			run_in("/dev/null", "");
			unload();
		}
		test_subject(&subjects[i]);
		fflush(stdout);
		if (!subjects[i].path)
			load();
	}
	ksft_test_result(no_leak(), "nothing has leaked\n");
	print_sites();
	klogctl(8, NULL, level > 0 ? level : 7);
	ksft_exit(!ksft_cnt.ksft_fail);
}

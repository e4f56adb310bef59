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
 * Where a loop lets the same few calls fail again and again, the middle of a stretch
 * of such failures is leapt over, with FULL=1 not.
 *
 * Arguments: only the commands whose name has one of these words.  SHARD=2/8: the second
 * of eight shares of them.
 */
#include "grammar.h"

/* What runs TEST()s, of which there are none here. */
static int test_harness_run(int argc, char **argv) __attribute__((unused));

#define DEBUGFS		"/sys/kernel/debug/"
#define PROC_RUN	"/proc/kmemlab/run"
#define USES		"/sys/module/kmemlab/refcnt"
#define POOL		"faulty"
#define SUBJECTS_MAX	1500
#define SITES_MAX	8000
#define SITE_BYTES	1024	/* all frames of the module in a stack */
#define TASKS_MAX	1000
#define STRETCH		4	/* as many alike before some are leapt over */
#define LOOP_SITES	8	/* calls that such a loop has, at most */
#define HOPELESS	5	/* seconds */
#define STILL_TRIES	50
#define PASSES		10
#define PASS_SECONDS	180
#define LOADS		3	/* passes of loading the module */
#define FOREIGN		8	/* of a thread that does nothing for the module */
#define OBJECTS		600	/* more than one page of a pool's bookkeeping */
#define BUDGET_BYTES	"314572800"

/* Frames of the module, as the kernel prints them: of one call, or of all to it. */
struct sites {
	int nr;
	struct site {
		char name[SITE_BYTES];
		int nr;
	} site[SITES_MAX];
};

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
 * @own:	one that the module asked for, and none of what watches or serves it
 * @err:	errno, or 0
 * @site:	the module's frames of the stack of that allocation, innermost first
 */
struct attempt {
	bool injected, own;
	int err;
	char site[SITE_BYTES];
};

static struct subject subjects[SUBJECTS_MAX];
static int nr_subjects;
static struct sites calls;	/* that have failed */
static struct sites failed;	/* with all that called them */
static struct sites asked;	/* the same of those that one subject makes, untouched */
static int kmsg_fd, trace_fd, ko_fd;
static bool full;
static long nr_injected, nr_leapt;

/*
 * Who runs what is to fail: this task, or the kernel's threads of these names, for
 * stop_machine() and for smp_call_on_cpu().
 */
static const char *const executors[] = { "", "migration/", "kworker/" };

/* The fail-nth files of those that are swept now. */
static int nth_fds[TASKS_MAX];
static int nr_nth_fds;

/* What the kernel says */

static bool is_fault(const char *text)
{
	static const char *const begins[] = {
		"BUG", "WARNING", "UBSAN", "ODEBUG", "DMA-API", "INFO: ",
		"rcu: INFO: ", "watchdog", "general protection", "Oops", "list_add",
		"list_del",
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(begins); i++)
		if (!strncmp(text, begins[i], strlen(begins[i])))
			return true;
	return false;
}

/* A function of a header that the compiler did not put where it is called. */
static bool is_inline(const char *text)
{
	static const char *const names[] = {
		"kmalloc", "kzalloc", "kvmalloc", "kmalloc_array", "kcalloc",
		"kvmalloc_array", "alloc_pages_node",
	};
	size_t len = strcspn(text, "+.");
	int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == len && !strncmp(text, names[i], len))
			return true;
	return false;
}

/* Where the stack of the first failure with a frame of the module is. */
static void take_frame(struct attempt *attempt, bool *in_stack, const char *text)
{
	/*
	 * What these allocate they can do without: kmemleak and DEBUG_OBJECTS have
	 * reserves, KASAN then keeps no stack, and SLUB tries smaller pages.
	 */
	static const char *const others[] = {
		"__create_object+", "fill_pool+", "stack_depot_save+",
		"allocate_slab+",
	};
	size_t len = strlen(attempt->site);
	const char *end;
	int i;

	if (strstr(text, "FAULT_INJECTION") || strstr(text, "<stack trace>")) {
		*in_stack = !len;
		if (!len)
			attempt->own = true;
	}
	if (strstr(text, "</TASK>") || strstr(text, "</IRQ>"))
		*in_stack = false;
	if (!*in_stack || strstr(text, "? "))
		return;
	for (i = 0; !len && i < ARRAY_SIZE(others); i++)
		if (strstr(text, others[i]))
			attempt->own = false;
	end = strstr(text, " [kmemlab]");
	if (!end)
		return;
	text += strspn(text, " =>");
	if (is_inline(text))
		return;
	snprintf(attempt->site + len, sizeof(attempt->site) - len, "%s%.*s",
		 len ? " < " : "", (int)(end - text), text);
}

/*
 * Reads the log from where it was left, and returns whether the kernel had nothing
 * to report but the failure.
 */
static bool read_log(struct attempt *attempt)
{
	bool in_stack = false, good = true;
	char line[2048], *text;
	ssize_t n;

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
		take_frame(attempt, &in_stack, text);
	}
	return good;
}

/* Its place, or the one behind the last. */
static int find_site(const struct sites *sites, const char *name)
{
	int i;

	for (i = 0; i < sites->nr && strcmp(sites->site[i].name, name); i++)
		;
	return i;
}

static void count_site(struct sites *sites, const char *name)
{
	int i = find_site(sites, name);

	if (i == SITES_MAX)
		ksft_exit_fail_msg("more than %d sites\n", SITES_MAX);
	sites->nr += i == sites->nr;
	strcpy(sites->site[i].name, name);
	sites->site[i].nr++;
}

static void count_failed(const struct attempt *attempt)
{
	char call[128];

	if (!attempt->own || !attempt->site[0])
		return;
	snprintf(call, sizeof(call), "%.*s", (int)strcspn(attempt->site, " "),
		 attempt->site);
	count_site(&calls, call);
	count_site(&failed, attempt->site);
}

static void count_asked(const struct attempt *attempt)
{
	if (attempt->own && attempt->site[0])
		count_site(&asked, attempt->site);
}

/* The first stack is that of what failed; with @all, each is of what was asked for. */
static void read_trace(struct attempt *attempt, bool all)
{
	static char text[65536];
	bool in_stack = false;
	char *line, *next;
	size_t len = 0;
	ssize_t n;

	attempt->own = false;
	attempt->site[0] = '\0';
	while ((n = read(trace_fd, text + len, sizeof(text) - 1 - len)) > 0) {
		text[len + n] = '\0';
		for (line = text; (next = strchr(line, '\n')); line = next + 1) {
			*next = '\0';
			if (all && strstr(line, "<stack trace>")) {
				count_asked(attempt);
				attempt->own = false;
				attempt->site[0] = '\0';
			}
			take_frame(attempt, &in_stack, line);
		}
		len = strlen(line);
		memmove(text, line, len);
	}
	if (all)
		count_asked(attempt);
}

/* One attempt */

static void add_task(const char *pid)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/fail-nth", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (nr_nth_fds < TASKS_MAX && fd >= 0)
		nth_fds[nr_nth_fds++] = fd;
}

static void find_tasks(const char *executor)
{
	char path[300], name[32];
	struct dirent *entry;
	DIR *dir = NULL;

	while (nr_nth_fds)
		close(nth_fds[--nr_nth_fds]);
	if (!*executor)
		add_task("self");
	else
		dir = opendir("/proc");
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (read_file(path, name, sizeof(name)) > 0 &&
		    !strncmp(name, executor, strlen(executor)))
			add_task(entry->d_name);
	}
	if (dir)
		closedir(dir);
	if (!nr_nth_fds)
		ksft_exit_fail_msg("no fail-nth of %s\n", executor);
}

/* Whether all that is allocated is traced, and not only what fails. */
static void trace_all(bool all)
{
	if (write_number(TRACEFS "events/faults/enable", all))
		ksft_exit_fail_msg("allocations cannot be traced\n");
}

/* The @nth allocation from now on of each; 0: none.  A worker may have gone. */
static void arm(unsigned int nth)
{
	char digits[16];
	int n = snprintf(digits, sizeof(digits), "%u", nth), i;

	for (i = 0; i < nr_nth_fds; i++)
		if (pwrite(nth_fds[i], digits, n, 0) != n && errno != ESRCH)
			ksft_exit_fail_msg("fail-nth: %s\n", strerror(errno));
}

/* Whether one of them came to it. */
static bool has_failed(void)
{
	char digits[16] = "";
	int i;

	for (i = 0; i < nr_nth_fds; i++)
		if (pread(nth_fds[i], digits, sizeof(digits) - 1, 0) > 0 &&
		    !atoi(digits))
			return true;
	return false;
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
static bool record_agrees(int fd, const struct attempt *attempt)
{
	static struct record record;
	ssize_t n = pread(fd, record.text, sizeof(record.text) - 1, 0);

	record.text[n > 0 ? n : 0] = '\0';
	/* Memory for the record itself may be what was short. */
	if (n == 0 || (n < 0 && errno == ENOMEM))
		return attempt->injected;
	return number_of(&record, "errno") == attempt->err &&
	       text_is(&record, "status", !attempt->err ? "ok" :
		       attempt->err == EOPNOTSUPP ? "unsupported" : "failed") &&
	       !attempt->err == !text_of(&record, "reason");
}

static bool unload(void)
{
	return !syscall(SYS_delete_module, "kmemlab", O_NONBLOCK);
}

static void must_unload(void)
{
	if (!unload())
		ksft_exit_fail_msg("the module cannot be unloaded: %s\n",
				   strerror(errno));
}

/* With more to hold than a node of the guest has free, whatever came before. */
static void load(void)
{
	if (syscall(SYS_finit_module, ko_fd, "budget_bytes=" BUDGET_BYTES, 0))
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

	for (tries = 0; lab_charged() && may_try(tries); tries++)
		;
	return !lab_charged();
}

static void set_up(const struct subject *subject)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(subject->setup) && subject->setup[i][0]; i++)
		if (run("%s", subject->setup[i])->err)
			ksft_exit_fail_msg("cannot be set up: %s\n",
					   subject->setup[i]);
}

/* Whether the command has left no pool, which it does where it should. */
static bool leaves_no_pool(const struct subject *subject, int err)
{
	if (!strncmp(subject->command, "pool.create ", 12))
		return err;
	return !strncmp(subject->command, "pool.destroy ", 13) && !err;
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
	if (strstr(subject->name, POOL) &&
	    !run("pool.destroy name=" POOL)->err == leaves_no_pool(subject, err)) {
		ksft_print_msg("the pool is not what it should be\n");
		good = false;
	}
	if (!holds_nothing()) {
		ksft_print_msg("%lld bytes are held\n", lab_charged());
		good = false;
	}
	return good;
}

/*
 * Lets the @nth allocation fail, 0 for none, or sees which there are, and returns
 * whether all is well.
 */
static bool attempt(const struct subject *subject, unsigned int nth, bool all,
		    struct attempt *attempt)
{
	int fd = -1, err = 0;
	bool good = true;
	long long before, uses;

	if (subject->path) {
		set_up(subject);
		before = read_number(USES);
		if (subject->command[0])
			fd = open(subject->path, O_RDWR | O_CLOEXEC);
	}
	if (all)
		trace_all(true);
	arm(nth);
	if (!subject->path)
		err = load_and_unload(&good);
	else if (!subject->command[0])
		err = read_all(subject->path);
	else if (write(fd, subject->command, strlen(subject->command)) < 0)
		err = errno;
	attempt->injected = nth && has_failed();
	arm(0);
	if (all)
		trace_all(false);
	attempt->err = err;
	read_trace(attempt, all);
	if (fd >= 0) {
		good &= record_agrees(fd, attempt);
		close(fd);
	}
	if (subject->path) {
		good &= clean_up(subject, err);
		uses = read_number(USES);
		if (uses != before) {
			ksft_print_msg("the module has %lld uses, not %lld\n",
				       uses, before);
			good = false;
		}
	}
	good &= read_log(attempt);
	if (attempt->injected) {
		nr_injected++;
		count_failed(attempt);
	}
	return good;
}

/* All attempts */

/**
 * struct sweep - the attempts of one subject
 * @nr:		failures
 * @nr_leapt:	failures that were left out, each between two that were alike
 * @err:	errno without any
 * @hopeless:	without any it takes its time only to find that it cannot be done
 * @recent:	where the latest were, each once
 * @nr_recent:	how many were entered there
 */
struct sweep {
	const struct subject *subject;
	long nr, nr_leapt;
	int err;
	bool good, hopeless;
	char recent[LOOP_SITES][SITE_BYTES];
	unsigned int nr_recent;
};

/*
 * What a command may end with that did not get its memory.  One that needs the machine
 * still may find that it was not: each failure takes time.  And a bench may find
 * its calls so slow that there are too many.
 */
static bool is_promised(const struct sweep *sweep, int err)
{
	return !err || err == sweep->err || err == ENOMEM || err == EBUSY ||
	       (err == ERANGE && !strncmp(sweep->subject->name, "bench.", 6));
}

/* Untouched there is memory; a command may need what the machine has not. */
static bool is_known(const struct subject *subject, int err)
{
	return !err || err == EOPNOTSUPP ||
	       (err == EBUSY && !strncmp(subject->name, "bench.", 6));
}

/* Returns whether an allocation failed. */
static bool one(struct sweep *sweep, unsigned int nth, struct attempt *a)
{
	bool good = attempt(sweep->subject, nth, false, a);

	if (!is_promised(sweep, a->err)) {
		ksft_print_msg("errno %d\n", a->err);
		good = false;
	}
	if (!good)
		ksft_print_msg("^ failure %u, %s\n", nth, a->site);
	sweep->good &= good;
	sweep->nr += a->injected;
	return a->injected;
}

/* What the kernel allocates by itself, in no loop of the module's, is never that. */
static bool is_recent(const struct sweep *sweep, const char *site)
{
	int i;

	for (i = 0; site[0] && i < LOOP_SITES; i++)
		if (!strcmp(sweep->recent[i], site))
			return true;
	return false;
}

/*
 * From the @nth failure on, the last of those that are where others were recently,
 * found by leaps and by halving the last of them.
 */
static unsigned int leap(struct sweep *sweep, unsigned int nth)
{
	unsigned int step, low = nth, high, middle;
	struct attempt a;

	for (step = 2; one(sweep, low + step, &a) && is_recent(sweep, a.site);
	     step *= 2)
		low += step;
	for (high = low + step; high - low > 1; ) {
		middle = (low + high) / 2;
		if (one(sweep, middle, &a) && is_recent(sweep, a.site))
			low = middle;
		else
			high = middle;
	}
	return low;
}

static void sweep_all(struct sweep *sweep, const char *executor)
{
	unsigned int nth, alike = 0, foreign = 0, last;
	double start = seconds();
	struct attempt a;
	int tries = 0;
	long before;

	memset(sweep->recent, 0, sizeof(sweep->recent));
	/* The machine may not have held still for it, and less so while it traces. */
	do
		sweep->good &= attempt(sweep->subject, 0, !(tries & 1), &a);
	while (a.err == EBUSY && ++tries < STILL_TRIES &&
	       seconds() - start < HOPELESS);
	if (!is_known(sweep->subject, a.err)) {
		ksft_print_msg("errno %d, though nothing failed\n", a.err);
		sweep->good = false;
	}
	sweep->err = a.err;
	/* A hundred times a bench that gives up after a hundred tries is too much. */
	sweep->hopeless = a.err == EBUSY && seconds() - start > HOPELESS;
	if (sweep->hopeless)
		return;
	for (nth = 1; one(sweep, nth, &a) && foreign < FOREIGN; nth++) {
		foreign = *executor && !a.site[0] ? foreign + 1 : 0;
		alike = is_recent(sweep, a.site) ? alike + 1 : 0;
		if (!alike && a.site[0])
			strcpy(sweep->recent[sweep->nr_recent++ % LOOP_SITES],
			       a.site);
		if (full || alike < STRETCH)
			continue;
		before = sweep->nr;
		last = leap(sweep, nth);
		sweep->nr_leapt += last - nth > sweep->nr - before ?
				   last - nth - (sweep->nr - before) : 0;
		nth = last;
		alike = 0;
	}
}

/* A call that was made with nothing failing and has not failed, of any subject. */
static const char *missing_site(void)
{
	int i;

	for (i = 0; i < asked.nr; i++)
		if (find_site(&failed, asked.site[i].name) == failed.nr)
			return asked.site[i].name;
	return NULL;
}

/*
 * Whether to go over it once more: an allocation that comes on top, as for a new slab,
 * makes the nth another one than it was before, so that one may be left out.  What
 * loading the module asks for has no name once the code for that has gone.
 */
static bool once_more(const struct subject *subject, int passes, double start)
{
	if (!subject->path)
		return passes < LOADS;
	return missing_site() && passes < PASSES && seconds() - start < PASS_SECONDS;
}

static void test_subject(const struct subject *subject)
{
	struct sweep sweep = { .subject = subject, .good = true };
	double start = seconds();
	const char *missing;
	int i, passes = 0;

	do {
		/* What is allocated but once cannot fail again. */
		asked.nr = 0;
		for (i = 0; i < ARRAY_SIZE(executors) && !sweep.hopeless; i++) {
			find_tasks(executors[i]);
			sweep_all(&sweep, executors[i]);
		}
	} while (!sweep.hopeless && once_more(subject, ++passes, start));
	nr_leapt += sweep.nr_leapt;
	if (sweep.hopeless && sweep.good) {
		ksft_test_result_skip("%s: its calls take too long to be measured\n",
				      subject->name);
		return;
	}
	missing = missing_site();
	if (missing)
		ksft_print_msg("%s did not fail in %d passes\n", missing, passes);
	ksft_test_result(sweep.good, "%s: %ld failed, %ld leapt over, alone %d, %d passes\n",
			 subject->name, sweep.nr, sweep.nr_leapt, sweep.err, passes);
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

/* A command by itself, and with each of the words that it takes. */
static void add_command(const struct verb *verb, const char *more)
{
	size_t len = strlen(more);
	char args[256];
	int i, n;

	strcpy(args, more);
	for (i = 0; i < verb->nr_params; i++)
		if (less_of(verb, &verb->param[i]))
			len += snprintf(args + len, sizeof(args) - len, " %s=%s",
					verb->param[i].name,
					less_of(verb, &verb->param[i]));
	add(PROC_RUN, "", "%s.%s%s", verb->family, verb->name, args);
	for (i = 0; i < verb->nr_params; i++)
		for (n = 0; n < verb->param[i].nr_choices; n++)
			add(PROC_RUN, "", "%s.%s%s %s=%s", verb->family,
			    verb->name, args, verb->param[i].name,
			    verb->param[i].choice[n]);
}

static void add_pool(const struct allocator *allocator)
{
	struct subject *subject;
	char create[128];
	int i, n;

	snprintf(create, sizeof(create), "pool.create name=" POOL
		 " allocator=%s%s", allocator->name, required_of(allocator));
	add(PROC_RUN, "", "%s", create);
	for (i = 0; i < allocator->nr_params; i++)
		for (n = 0; n < allocator->param[i].nr_choices; n++)
			add(PROC_RUN, "", "%s %s=%s", create,
			    allocator->param[i].name,
			    allocator->param[i].choice[n]);
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

/* A few runs of one call: with each word for pages, and with each allocator. */
static void add_bench(const struct verb *verb)
{
	const char *few = strcmp(verb->name, "cost") ? "count=1 blocks=6" :
						       "count=1 runs=2 spread_ms=0";
	char args[64];
	int i;

	snprintf(args, sizeof(args), " %s", few);
	add_command(verb, args);
	/* Two allocators, not one against itself; that with more calls to open last. */
	if (!strcmp(verb->name, "compare"))
		add(PROC_RUN, "", "%s.%s allocator=kmalloc size=256 with=slab %s",
		    verb->family, verb->name, few);
	for (i = 0; i < nr_allocators; i++)
		add(PROC_RUN, "", "%s.%s allocator=%s%s %s", verb->family,
		    verb->name, allocators[i].name, required_of(&allocators[i]),
		    few);
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
		if (!verbs[i].takes_allocator && !is_pool_verb(&verbs[i]))
			add_command(&verbs[i], "");
	/* What it asks of kmalloc() by default is refused before memory is looked for. */
	add(PROC_RUN, "", "vmalloc.big size=4096");
	for (i = 0; i < nr_allocators; i++)
		add_pool(&allocators[i]);
	for (i = 0; i < nr_verbs; i++)
		if (verbs[i].takes_allocator && !is_pool_verb(&verbs[i]))
			add_bench(&verbs[i]);
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
			 "read pools/" POOL "/%s", files[i]);
	}
	strcpy(add(NULL, "", "%s", "")->name, "load the module");
}

/* The kernel */

static void set_attribute(const char *name, const char *value)
{
	static const char *const which[] = { "failslab", "fail_page_alloc" };
	char path[128];
	int i;

	for (i = 0; i < ARRAY_SIZE(which); i++) {
		snprintf(path, sizeof(path), DEBUGFS "%s/%s", which[i], name);
		if (!access(path, F_OK) && write_file(path, value))
			ksft_exit_fail_msg("%s cannot be set\n", path);
	}
}

/*
 * The log has the stack of a failure, but not where the request has __GFP_NOWARN; the
 * trace has each, but cannot name what is in a module that has gone.
 */
static void set_up_injection(void)
{
	static const char *const settings[][2] = {
		{ TRACEFS "kprobe_events",
		  "r:faults/page should_fail_alloc_page failed=$retval:u8\n"
		  "r:faults/slab should_failslab failed=$retval:s32\n" },
		{ TRACEFS "events/faults/page/trigger", "stacktrace if failed != 0" },
		{ TRACEFS "events/faults/slab/trigger", "stacktrace if failed != 0" },
		{ TRACEFS "options/sym-offset", "1" },
		{ TRACEFS "options/stacktrace", "1" },
	};
	int i;

	set_attribute("ignore-gfp-wait", "N");
	set_attribute("ignore-gfp-highmem", "N");
	set_attribute("min-order", "0");
	set_attribute("verbose", "0");
	set_attribute("verbose_ratelimit_interval_ms", "0");
	for (i = 0; i < ARRAY_SIZE(settings); i++)
		if (write_file(settings[i][0], settings[i][1]))
			ksft_exit_fail_msg("%s cannot be set\n", settings[i][0]);
	trace_fd = open(TRACEFS "trace_pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (trace_fd < 0)
		ksft_exit_fail_msg("the trace cannot be read\n");
}

/*
 * One leak is the kernel's: where the kobject of a cache cannot be added, its name is
 * nobody's (mm/slub.c, sysfs_slab_add()).  What is known is not told again.
 */
static bool no_leak(void)
{
	int nr_leaks = 0, nr_known = 0;
	char line[256];
	FILE *file;

	file = scan_for_leaks() ? fopen(KMEMLEAK, "r") : NULL;
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		nr_leaks += !strncmp(line, "unreferenced object", 19);
		nr_known += !!strstr(line, "] sysfs_slab_add+");
	}
	ksft_print_msg("%d leaks, of these %d in sysfs_slab_add()\n", nr_leaks,
		       nr_known);
	rewind(file);
	while (nr_leaks != nr_known && fgets(line, sizeof(line), file))
		ksft_print_msg("%s", line);
	fclose(file);
	write_file(KMEMLEAK, "clear");
	return nr_leaks == nr_known;
}

static void print_sites(void)
{
	int i;

	for (i = 0; i < calls.nr; i++)
		ksft_print_msg("site %s %d\n", calls.site[i].name,
			       calls.site[i].nr);
	ksft_print_msg("%d commands, %u did not hold, %u were left out, ",
		       nr_subjects, ksft_cnt.ksft_fail, ksft_cnt.ksft_xskip);
	printf("%ld failures injected, %ld leapt over\n", nr_injected, nr_leapt);
	ksft_print_msg("%d sites of the module reached, in %d ways\n", calls.nr,
		       failed.nr);
}

static bool is_wanted(const struct subject *subject, char **words)
{
	int i;

	for (i = 0; words[i]; i++)
		if (strstr(subject->name, words[i]))
			return true;
	return !i;
}

int main(int argc, char **argv)
{
	int i, n, chosen, level, share = 1, nr_shares = 1;
	const char *shard = getenv("SHARD");
	struct attempt late = {};
	bool good;

	if (access("/proc/self/fail-nth", F_OK))
		ksft_exit_skip("the kernel injects no faults\n");
	if (shard && (sscanf(shard, "%d/%d", &share, &nr_shares) != 2 || nr_shares < 1))
		ksft_exit_fail_msg("SHARD=%s is not like 2/8\n", shard);
	full = getenv("FULL") && *getenv("FULL");
	kmsg_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg_fd < 0 || lseek(kmsg_fd, 0, SEEK_END) < 0)
		ksft_exit_fail_msg("the log cannot be read\n");
	ko_fd = open("/kmemlab/kmemlab.ko", O_RDONLY | O_CLOEXEC);
	set_up_injection();
	/* What fills the lists of a CPU, page by page, is to be done sooner. */
	write_number("/proc/sys/vm/percpu_pagelist_high_fraction", 1000);
	/* Thousands of stacks need not go over the console. */
	level = klogctl(8, NULL, 4);
	must_unload();
	load();
	/* run() keeps its file open, which is a use of the module. */
	run_in(PROC_RUN, "");
	learn_all();
	add_all();
	for (i = n = chosen = 0; i < nr_subjects; i++)
		if (is_wanted(&subjects[i], argv + 1) &&
		    chosen++ % nr_shares == share % nr_shares)
			subjects[n++] = subjects[i];
	nr_subjects = n;
	ksft_print_header();
	ksft_set_plan(nr_subjects + 1);
	for (i = 0; i < nr_subjects; i++) {
		if (!subjects[i].path) {
			/* run() keeps a file open. */
			run_in("/dev/null", "");
			must_unload();
			set_attribute("verbose", "2");
		}
		test_subject(&subjects[i]);
		fflush(stdout);
		if (!subjects[i].path)
			load();
	}
	good = no_leak();
	/* And nothing was said too late for any of them. */
	good &= read_log(&late);
	ksft_test_result(good, "nothing has leaked\n");
	print_sites();
	klogctl(8, NULL, level > 0 ? level : 7);
	ksft_exit(!ksft_cnt.ksft_fail);
}

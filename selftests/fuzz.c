// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz - write, read and seek whatever comes to mind in every file of the lab, from
 * several processes at once.
 *
 * What can be run it learns from the lab's own files, and which files there are by
 * walking their directories.  All that is random comes from the seed: each process
 * has a generator of its own, and each of its operations draws the same numbers
 * whatever came of those before.
 *
 * What must hold: each errno is one that is documented for what was done (rules[]);
 * nothing takes longer than it was asked to; records and counts agree with
 * themselves; and in the end nothing is left and the module can go and come back.
 */
#include "grammar.h"

#include <ctype.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/uio.h>

/* What runs TEST()s, of which there are none here. */
static int test_harness_run(int argc, char **argv) __attribute__((unused));

#define PROC_LAB	"/proc/kmemlab"
#define PROC_RUN	PROC_LAB "/run"

static const char usage[] =
	"fuzz [-s SEED] [-n OPERATIONS] [-p PROCESSES] [-t SECONDS] [-l SECONDS] [-v]\n"
	"\n"
	"  -s SEED        where the random numbers begin (random, and printed)\n"
	"  -n OPERATIONS  how many in all (20000)\n"
	"  -p PROCESSES   that do them at once (4)\n"
	"  -t SECONDS     stop after so long (no limit)\n"
	"  -l SECONDS     what any operation may take beyond what was asked (1)\n"
	"  -v             how often each experiment ran\n";

#define PROCESSES_MAX	64
#define FILES_MAX	256
#define SLOTS		8
#define TEXT_MAX	8192
#define COMMAND_MAX	1023	/* LAB_COMMAND_MAX in module/core/command.h */
#define ERRNOS		134
#define FAILURES_SHOWN	20
#define CPUS_SHOWN	64
#define FAR		(LLONG_MAX - (1 << 20))
/* An operation that takes so many times its limit never ends. */
#define HANGS		120
#define MEASURED	1000	/* objects */

static const char *const pool_names[] = { "fuzz0", "fuzz1", "fuzz2", "fuzz3",
					  "fuzz4", "fuzz-large" };

/* Of its objects, which may be as large as can be, a few are enough. */
#define LARGE_POOL	(ARRAY_SIZE(pool_names) - 1)

static long nr_operations = 20000, nr_processes = 4, limit_seconds = 1;
static long time_limit;
static unsigned long long seed;
static bool verbose;
static unsigned long long limit_ns;
static long long object_ns;

#define die(fmt, ...)	ksft_exit_fail_msg(fmt "\n", ##__VA_ARGS__)

/* The grammar */

static int find_verb(const char *family, const char *name)
{
	int i;

	for (i = 0; i < nr_verbs; i++)
		if (!strcmp(verbs[i].family, family) &&
		    !strcmp(verbs[i].name, name))
			return i;
	return -1;
}

/* The files */

/**
 * struct file - one file of the lab
 * @path:	its path
 * @family:	whose commands it takes; "" where those of all
 * @verb:	the one verb that it takes, or -1
 * @pool:	of which pool it is, or -1
 * @commands:	it takes commands
 * @mute:	it has nothing to read but records
 * @proc:	it is in /proc
 */
struct file {
	char path[128], family[32];
	int verb, pool;
	bool commands, mute, proc;
};

static struct file files[FILES_MAX];
static int nr_files, nr_lasting;	/* those of pools come after the others */

static struct file *add_file(const char *path)
{
	struct file *file = &files[nr_files++];
	struct stat st;

	if (nr_files > FILES_MAX)
		die("more than %d files", FILES_MAX);
	if (stat(path, &st))
		die("%s: %s", path, strerror(errno));
	snprintf(file->path, sizeof(file->path), "%s", path);
	file->verb = -1;
	file->pool = -1;
	file->commands = st.st_mode & 0200;
	file->mute = !(st.st_mode & 0444);
	file->proc = !strncmp(path, "/proc/", 6);
	return file;
}

/* <family>/run takes the verbs of its family; those of pools have files. */
static void learn_file(const char *path)
{
	struct file *file = add_file(path);

	if (file->proc || !file->commands)
		return;
	snprintf(file->family, sizeof(file->family), "%s", family_of(path));
	learn_commands(path);
}

static void learn_pool_file(const char *path)
{
	struct file *file;
	char other[128];
	int i;

	for (i = 0; i < ARRAY_SIZE(pool_names); i++) {
		/* All pools have the same. */
		file = add_file(path);
		snprintf(other, sizeof(other), LAB "pools/%s/%s",
			 pool_names[i], base_of(path));
		strcpy(file->path, other);
		strcpy(file->family, "pool");
		file->pool = i;
	}
}

static void learn(void)
{
	char path[128];
	int i;

	walk("/sys/kernel/debug/kmemlab", learn_file);
	walk(PROC_LAB, learn_file);
	nr_lasting = nr_files;
	if (run("pool.create name=%s allocator=slab size=64", pool_names[0])->err)
		die("no pool can be made");
	snprintf(path, sizeof(path), LAB "pools/%s", pool_names[0]);
	walk(path, learn_pool_file);
	/* run() keeps its file open, but that is none of the pool's. */
	if (run("pool.destroy name=%s", pool_names[0])->err)
		die("the pool cannot be destroyed");
	for (i = 0; i < nr_files; i++)
		if (files[i].commands && !strcmp(files[i].family, "pool"))
			files[i].verb = find_verb("pool", base_of(files[i].path));
	if (!nr_verbs || !nr_allocators || nr_files == nr_lasting)
		die("nothing to fuzz");
}

/* What is documented */

enum kind {
	OPEN, READ, SEEK, WRITE, COMMAND, MMAP, IOCTL, POLL, TRUNCATE, CLOSE,
	SHARE, NR_KINDS
};

static const char *const kind_names[] = {
	"open", "read", "seek", "write", "command", "mmap", "ioctl", "poll",
	"truncate", "close", "share",
};

/* Circumstances of an operation. */
#define IN_POOL		(1 << 0)	/* the file goes with its pool */
#define IN_PROC		(1 << 1)
#define CREAT		(1 << 2)	/* open flags */
#define EXCL		(1 << 3)
#define DIRECTORY	(1 << 4)
#define DIRECT		(1 << 5)
#define CLOSED		(1 << 6)	/* not open for that */
#define POINTER		(1 << 7)	/* nothing is mapped there */
#define BEYOND		(1 << 8)	/* a place that no file has */
#define MUTE		(1 << 9)	/* nothing to read */
#define DEAF		(1 << 10)	/* takes no commands */
#define HOLE		(1 << 11)	/* SEEK_DATA, SEEK_HOLE */
#define EMPTY		(1 << 12)	/* nothing is written */

/*
 * Each errno that an operation may end with, and under what circumstances; 0 where
 * it may succeed.  A command's are those of README.md and of runner_run(); the
 * others are the door's or the kernel's own.
 */
static const struct rule {
	enum kind kind;
	int err;
	unsigned int when;
} rules[] = {
	{ OPEN, 0, 0 },
	{ OPEN, ENOENT, IN_POOL },		/* door_open() */
	{ OPEN, EACCES, IN_POOL | CREAT },	/* fs/namei.c, lookup_open() */
	{ OPEN, EEXIST, CREAT | EXCL },
	{ OPEN, ENOTDIR, DIRECTORY },
	{ OPEN, EINVAL, DIRECTORY | CREAT },	/* fs/open.c, build_open_flags() */
	{ OPEN, EINVAL, DIRECT },		/* fs/open.c, do_dentry_open() */
	{ READ, 0, 0 },
	{ READ, EBADF, CLOSED },
	{ READ, EFAULT, POINTER },
	{ READ, EINVAL, BEYOND },		/* rw_verify_area() */
	{ READ, EINVAL, MUTE },			/* make_text() */
	{ SEEK, 0, 0 },
	{ SEEK, EBADF, CLOSED },
	{ SEEK, EINVAL, BEYOND },		/* default_llseek(), seq_lseek() */
	{ SEEK, ENXIO, HOLE },
	{ SEEK, EINVAL, HOLE },			/* seq_lseek() */
	{ WRITE, 0, EMPTY },
	{ WRITE, EBADF, CLOSED },
	{ WRITE, EFAULT, POINTER },
	{ WRITE, EINVAL, POINTER },		/* too long to be looked at */
	{ WRITE, EINVAL, BEYOND },
	{ WRITE, EINVAL, DEAF },		/* door_write(), vfs_write() */
	{ WRITE, EIO, DEAF | IN_PROC },		/* proc_reg_write() */
	{ COMMAND, 0, 0 },
	{ COMMAND, EBADF, CLOSED },
	{ COMMAND, EFAULT, POINTER },
	{ COMMAND, EINVAL, 0 },
	{ COMMAND, ERANGE, 0 },
	{ COMMAND, EDQUOT, 0 },
	{ COMMAND, EBUSY, 0 },
	{ COMMAND, EOPNOTSUPP, 0 },
	{ COMMAND, ENOMEM, 0 },
	{ MMAP, ENODEV, 0 },
	{ MMAP, EIO, IN_PROC },			/* proc_reg_mmap() */
	{ MMAP, EACCES, CLOSED },
	{ MMAP, EBADF, CLOSED },
	{ IOCTL, ENOTTY, 0 },
	{ IOCTL, EBADF, CLOSED },
	{ POLL, 0, 0 },
	{ TRUNCATE, 0, 0 },			/* changes nothing that is read */
	{ TRUNCATE, EINVAL, CLOSED },
	{ TRUNCATE, EBADF, CLOSED },
	{ TRUNCATE, EINVAL, BEYOND },
	{ TRUNCATE, EFBIG, BEYOND },		/* inode_newsize_ok() */
	{ CLOSE, 0, 0 },
	{ SHARE, 0, 0 },
};

static bool is_documented(enum kind kind, int err, unsigned int when)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(rules); i++)
		if (rules[i].kind == kind && rules[i].err == err &&
		    (rules[i].when & when) == rules[i].when)
			return true;
	return false;
}

/* What the processes share */

struct slowest {
	unsigned long long ns;
	char what[256];
};

/* What a process is at, for its parent to say where it never ends. */
struct doing {
	volatile unsigned long long since;
	unsigned long long still_before;
	long number;
	enum kind kind;
	const char *path;
	size_t len;
	char text[256];
	struct slowest slowest, slowest_command;
	long stack_of;			/* @number of what @stack is of */
	char stack[2048];
};

static struct shared {
	pthread_rwlock_t quiet;		/* who writes is alone */
	long nr_done, nr_failures, nr_unjudged, nr_again;
	long nr_of[NR_KINDS], nr_accepted, nr_refused[ERRNOS], nr_records;
	long nr_killed;
	long asked[VERBS_MAX], ok[VERBS_MAX], unsupported[VERBS_MAX];
	unsigned long long ns_of[VERBS_MAX];	/* all runs together */
	unsigned long long started;
	unsigned long long beat[CPUS_SHOWN], still_ns;
	int stop;
	struct doing doing[PROCESSES_MAX];
} *shared;

static void count(long *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static unsigned long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/*
 * The machine held still.  Experiments stop all CPUs at once while they run a zone
 * dry, and then nobody gets on, whatever he does.  On each CPU a task that goes
 * before all others looks at the clock; where none has for so long, it was so.
 * What holds up one CPU alone is not forgiven.
 */
#define BEAT_MS		10
#define STILL_NS	(5 * BEAT_MS * 1000000ULL)

static void beat(int cpu, int nr_cpus)
{
	const struct sched_param first = { .sched_priority = 50 };
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!pin_to_cpu(cpu) || sched_setscheduler(0, SCHED_FIFO, &first))
		_exit(1);
	for (;;) {
		unsigned long long now = now_ns(), last = 0;

		for (i = 0; i < nr_cpus; i++)
			if (shared->beat[i] > last)
				last = shared->beat[i];
		shared->beat[cpu] = now;
		if (last && now > last + STILL_NS)
			__atomic_add_fetch(&shared->still_ns, now - last,
					   __ATOMIC_SEQ_CST);
		usleep(1000 * BEAT_MS);
	}
}

/* A process at work */

struct slot {
	const struct file *file;
	int fd, flags;
	bool beyond;	/* its place is where nothing can be read */
};

struct worker {
	int nr;
	unsigned long long random;
	struct doing *doing;
	struct slot slot[SLOTS];
	int deck[VERBS_MAX], nr_drawn;
	char text[2 * TEXT_MAX];
	size_t len;
	bool shares;	/* with another process, for which it may wait */
};

/* splitmix64 */
static unsigned long long draw(struct worker *w)
{
	unsigned long long z = w->random += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static unsigned long long below(struct worker *w, unsigned long long n)
{
	return draw(w) % n;
}

static bool one_in(struct worker *w, int n)
{
	return !below(w, n);
}

static void describe(char *out, size_t size, const struct doing *doing)
{
	size_t len = snprintf(out, size, "%s %s '", kind_names[doing->kind],
			      doing->path), i;

	for (i = 0; i < doing->len && i < sizeof(doing->text) &&
	     len + 32 < size; i++) {
		unsigned char c = doing->text[i];

		if (c >= ' ' && c <= '~')
			out[len++] = c;
		else
			len += sprintf(out + len, "\\x%02x", c);
	}
	snprintf(out + len, size - len, "' (%zu bytes)", doing->len);
}

/* Where a process is at what takes it long: told if it turns out to be too long. */
static void keep_stack(struct doing *doing, pid_t pid)
{
	unsigned long long since = doing->since;
	char path[64];

	sprintf(path, "/proc/%d/stack", pid);
	doing->stack[0] = '\0';
	read_file(path, doing->stack, sizeof(doing->stack));
	/* It may have gone on to something else meanwhile. */
	doing->stack_of = doing->since == since ? doing->number : 0;
}

static void show_stack(const struct doing *doing)
{
	const char *line = doing->stack;
	int len;

	if (doing->stack_of != doing->number)
		return;
	for (; *line; line += len + (line[len] == '\n')) {
		len = strcspn(line, "\n");
		printf("#   %.*s\n", len, line);
	}
}

__attribute__((format(printf, 2, 3)))
static void fail(const struct worker *w, const char *fmt, ...)
{
	char what[512], why[256];
	va_list ap;

	if (__atomic_add_fetch(&shared->nr_failures, 1, __ATOMIC_RELAXED) >
	    FAILURES_SHOWN)
		return;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	describe(what, sizeof(what), w->doing);
	printf("# wrong: process %d operation %ld: %s: %s\n", w->nr,
	       w->doing->number, what, why);
	show_stack(w->doing);
	fflush(stdout);
}

static void begin(struct worker *w, enum kind what, const struct file *file,
		  const char *text, size_t len)
{
	struct doing *doing = w->doing;

	doing->kind = what;
	doing->path = file->path;
	doing->len = len;
	memcpy(doing->text, text, len < sizeof(doing->text) ? len :
	       sizeof(doing->text));
	count(&shared->nr_of[what]);
	doing->still_before = shared->still_ns;
	doing->since = now_ns();
}

static void keep_slowest(struct slowest *slowest, unsigned long long ns,
			 const struct doing *doing)
{
	if (ns <= slowest->ns)
		return;
	slowest->ns = ns;
	describe(slowest->what, sizeof(slowest->what), doing);
}

/* How long it has taken since then, less the time for which the machine was still. */
static unsigned long long moved_ns(const struct doing *doing,
				   unsigned long long since)
{
	unsigned long long ns = now_ns() - since, still;

	/* Who sees to that may have to come first. */
	if (ns > limit_ns)
		usleep(2 * 1000 * BEAT_MS);
	still = __atomic_load_n(&shared->still_ns, __ATOMIC_SEQ_CST) -
		doing->still_before;
	return ns > still ? ns - still : 0;
}

/* Judges what begin() began; returns how long it took. */
static unsigned long long end(struct worker *w, int err, unsigned int when)
{
	struct doing *doing = w->doing;
	unsigned long long since = doing->since, ns;

	/* It is over: what keep_stack() saw last is where it was. */
	doing->since = 0;
	ns = moved_ns(doing, since);
	if (!is_documented(doing->kind, err, when))
		fail(w, "%s is not documented for that (%x)",
		     err ? strerror(err) : "success", when);
	/* A command has a time of its own, and waits for that of others. */
	if (doing->kind == COMMAND || w->shares)
		return ns;
	keep_slowest(&doing->slowest, ns, doing);
	if (ns > limit_ns)
		fail(w, "it took %llu ms", ns / 1000000);
	return ns;
}

/* Writing commands */

static void put(struct worker *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	w->len += vsnprintf(w->text + w->len, TEXT_MAX - w->len, fmt, ap);
	va_end(ap);
}

static void put_number(struct worker *w, unsigned long long n)
{
	unsigned int how = below(w, 8);

	if (how == 0)
		put(w, "0x%llx", n);
	else if (how == 1 && n && !(n % 1024))
		put(w, "%lluK", n / 1024);
	else if (how == 2)
		put(w, "%020llu", n);
	else
		put(w, "%llu", n);
}

/*
 * How often a thing is done takes time and nothing else; interface.extremes has
 * each of them at its largest.
 */
static bool repeats(const struct param *param)
{
	static const char *const names[] = { "rounds", "runs", "blocks",
					     "steps", "count", "slabs" };
	int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(param->name, names[i]))
			return true;
	return false;
}

static bool is_hold(const struct param *param)
{
	return strstr(param->name, "_ms");
}

#define HOLD_MS_MAX	20

/* One that is in range: near the low end, or the largest where that is cheap. */
static unsigned long long number_in(struct worker *w, const struct param *param,
				    bool may_be_large, unsigned int span)
{
	unsigned long long n = param->min, way = below(w, 8), r = draw(w);

	if (is_hold(param))
		return r % (HOLD_MS_MAX + 1);
	if (way < 2)
		n += r % 4;
	else if (way < 4)
		n += r % span;
	else if (way < 6 && !repeats(param))
		n = 1ULL << r % 12;
	else if (way == 6 && may_be_large && !repeats(param))
		n = param->max;
	return n < param->min ? param->min : n > param->max ? param->max : n;
}

static void put_beyond(struct worker *w, const struct param *param)
{
	unsigned long long way = below(w, 4);

	if (way == 0 && param->min)
		put(w, "%llu", param->min - 1);
	else if (way <= 1)
		put(w, "-%llu", 1 + below(w, 1000));
	else if (way == 2 && param->max < ULLONG_MAX)
		put(w, "%llu", param->max + 1);
	else
		put(w, "%llu%llu", 2 + below(w, 8), ULLONG_MAX - below(w, 99));
}

/* How a command is made. */
struct making {
	const struct verb *verb;
	bool all_defaults;	/* what need not be given is not, but less_of() */
	bool may_hold;
	int beyond;		/* which number is out of its range, or -1 */
	bool is_beyond;		/* there was one */
	int pool;
	int nr;			/* parameters gone by */
};

static void put_params(struct worker *w, struct making *m,
		       const struct param *param, int nr_params, bool bare)
{
	bool of_pool = is_pool_verb(m->verb);
	/* What the bench measures it does many times over. */
	bool large = of_pool ? m->pool == LARGE_POOL : !m->verb->takes_allocator;
	int i;

	for (i = 0; i < nr_params; i++, m->nr++) {
		const struct param *p = &param[i];
		bool skip = !one_in(w, repeats(p) ? 8 : 3);

		skip = repeats(p) ? !skip && of_pool : skip;
		if (!p->required && m->nr != m->beyond &&
		    (m->all_defaults || skip || (is_hold(p) && !m->may_hold))) {
			if (less_of(m->verb, p))
				put(w, "%s=%s ", p->name, less_of(m->verb, p));
			continue;
		}
		if (p->type == NUMBER) {
			/* The value of a pool's command may stand alone. */
			if (!bare || one_in(w, 2))
				put(w, "%s=", p->name);
			if (m->nr == m->beyond) {
				put_beyond(w, p);
				m->is_beyond = true;
			} else {
				put_number(w, number_in(w, p, large,
							of_pool && large ? 4 :
							repeats(p) && !of_pool ? 16 :
							1000));
			}
			put(w, " ");
		} else if (p->type == CHOICE) {
			put(w, "%s=%s ", p->name,
			    p->choice[below(w, p->nr_choices)]);
		}
	}
}

/* The pool, and which allocator is to serve. */
static void put_words(struct worker *w, struct making *m, bool named)
{
	const struct allocator *allocator =
		&allocators[below(w, nr_allocators)];
	int i;

	for (i = 0; i < m->verb->nr_params; i++) {
		const struct param *p = &m->verb->param[i];

		if (p->type != WORD)
			continue;
		if (!strcmp(p->name, "name")) {
			if (!named)
				put(w, "name=%s ", pool_names[m->pool]);
		} else if (!strcmp(p->name, "allocator")) {
			if (!p->required && m->all_defaults)
				continue;
			put(w, "allocator=%s ", allocator->name);
			put_params(w, m, allocator->param,
				   allocator->nr_params, false);
		} else if (one_in(w, 2)) {
			put(w, "%s=%s ", p->name,
			    allocators[below(w, nr_allocators)].name);
		}
	}
}

/* Each verb once, then all again in another order. */
static int draw_verb(struct worker *w, bool (*wanted)(const struct verb *verb))
{
	int i, left, swap;

	for (;;) {
		i = w->nr_drawn++ % nr_verbs;
		if (!i)
			for (left = nr_verbs; left > 1; left--) {
				int other = below(w, left);

				swap = w->deck[left - 1];
				w->deck[left - 1] = w->deck[other];
				w->deck[other] = swap;
			}
		if (wanted(&verbs[w->deck[i]]))
			return w->deck[i];
	}
}

static bool is_experiment(const struct verb *verb)
{
	return !is_pool_verb(verb);
}

static const struct verb *any_verb_of(struct worker *w, const char *family)
{
	int i, n = 0, which;

	for (i = 0; i < nr_verbs; i++)
		n += !*family || !strcmp(family, verbs[i].family);
	which = below(w, n);
	for (i = 0; i < nr_verbs; i++)
		if ((!*family || !strcmp(family, verbs[i].family)) && !which--)
			break;
	return &verbs[i];
}

/* A command that a file takes, within the limits or with one number beyond. */
static void make_command(struct worker *w, const struct file *file,
			 struct making *m)
{
	bool named = file->pool >= 0;

	w->len = 0;
	if (!m->verb)
		m->verb = file->verb >= 0 ? &verbs[file->verb]
					  : any_verb_of(w, file->family);
	m->pool = named ? file->pool : below(w, ARRAY_SIZE(pool_names));
	if (!*file->family)
		put(w, "%s.%s ", m->verb->family, m->verb->name);
	else if (file->verb < 0)
		put(w, "%s ", m->verb->name);
	put_words(w, m, named);
	put_params(w, m, m->verb->param, m->verb->nr_params,
		   is_pool_verb(m->verb));
	if (w->len && w->text[w->len - 1] == ' ')
		w->text[w->len - 1] = '\n';
}

static const char *const splinters[] = {
	"=", " ", "\t", "\n", "-", "0x", "K", "G", "name=", "allocator=slab",
	"size=", "order=", "count=0", "18446744073709551616", "4294967296",
	"%s%n", "../", ".", "fuzz0", "yes", "lifo", "\r\n", "\x7f", "\xff",
};

/*
 * Spoils each number that may have become large and yet be legal, with a suffix or
 * with digits that came together: a pool of a million objects takes its time to go.
 */
static void spoil_large(struct worker *w)
{
	size_t i, run;
	bool hex;

	for (i = 0; i < w->len; i += run + 1) {
		hex = i + 2 < w->len && w->text[i] == '0' &&
		      (w->text[i + 1] | ' ') == 'x';
		i += hex ? 2 : 0;
		for (run = 0; i + run < w->len &&
		     (hex ? isxdigit((unsigned char)w->text[i + run]) :
			    isdigit((unsigned char)w->text[i + run])); run++)
			;
		if (run && i + run < w->len &&
		    memchr("kKmMgG", w->text[i + run], 6))
			w->text[i + run] = '.';
		if (run > 4 && run < 9)
			w->text[i] = '.';
	}
}

/*
 * Damages a command.  It never had hold_ms, and no number in it becomes large and
 * legal, so what is left of it takes no longer than it did.
 */
static void mutate(struct worker *w)
{
	int times = 1 + below(w, 4);

	while (times--) {
		size_t at = below(w, w->len + 1), n = 1 + below(w, 8);
		const char *splinter = splinters[below(w, ARRAY_SIZE(splinters))];
		unsigned int way = below(w, 8), value = draw(w);

		if (n > w->len - at)
			n = w->len - at;
		switch (way) {
		case 0:	/* flip */
			if (at < w->len)
				w->text[at] ^= 1 << value % 8;
			break;
		case 1:	/* any byte */
			if (at < w->len)
				w->text[at] = value;
			break;
		case 2:	/* delete */
			memmove(w->text + at, w->text + at + n,
				w->len - at - n);
			w->len -= n;
			break;
		case 3:	/* cut off */
			w->len = at;
			break;
		case 4:	/* duplicate from anywhere on */
			if (w->len > TEXT_MAX / 2)
				break;
			memmove(w->text + w->len, w->text + at, w->len - at);
			w->len += w->len - at;
			break;
		case 5:	/* NULs, or the same byte over and over */
			n = value % 4 ? n : value % 4096;
			if (w->len + n > TEXT_MAX)
				break;
			memset(w->text + w->len, one_in(w, 2) ? 0 : 'a', n);
			w->len += n;
			break;
		default:
			n = strlen(splinter);
			memmove(w->text + at + n, w->text + at, w->len - at);
			memcpy(w->text + at, splinter, n);
			w->len += n;
		}
		if (w->len > TEXT_MAX)
			w->len = TEXT_MAX;
	}
}

/* Records */

static void check_record(struct worker *w, const struct record *record, int err)
{
	count(&shared->nr_records);
	if (strncmp(record->text, "run_id ", 7) ||
	    number_of(record, "errno") != err ||
	    !text_of(record, "reason") != !err ||
	    !text_is(record, "status", !err ? "ok" : err == EOPNOTSUPP ?
		     "unsupported" : "failed"))
		fail(w, "its record is not its own: %.60s", record->text);
}

static bool read_record(int fd, struct record *record)
{
	ssize_t n, len = 0;

	while ((n = pread(fd, record->text + len,
			  sizeof(record->text) - 1 - len, len)) > 0)
		len += n;
	record->text[len] = '\0';
	return n == 0 && len > 0;
}

/*
 * With how many a process may share a CPU, itself included: each may have a child that
 * shares a file with it.
 */
static long long nr_sharing(void)
{
	return 1 + 2 * nr_processes / sysconf(_SC_NPROCESSORS_ONLN);
}

/*
 * What it takes to make an object or to free one, of the allocator that takes longest,
 * while nobody else runs: where all accesses are checked, hundreds of times as long.
 */
static void measure_objects(void)
{
	static const char *const verb[] = { "alloc", "free" };
	long long ns;
	int i, k;

	for (i = 0; i < nr_allocators; i++) {
		if (run("pool.create name=fuzz allocator=%s%s", allocators[i].name,
			required_of(&allocators[i]))->err)
			continue;
		for (k = 0; k < ARRAY_SIZE(verb); k++) {
			ns = number_of(run("pool.%s name=fuzz count=%d", verb[k],
					   MEASURED), "duration_ns");
			if (ns / MEASURED > object_ns)
				object_ns = ns / MEASURED;
		}
		run("pool.destroy name=fuzz");
	}
	printf("# object_ns %lld\n", object_ns);
}

/* How many objects a pool's command made or freed. */
static long long nr_objects(const struct record *record)
{
	long long nr = number_of(record, text_of(record, "nr_freed") ?
					 "nr_freed" : "nr_allocated");

	return nr == MISSING ? 0 : nr;
}

/*
 * A command that took longer by itself than it was asked to: it may while others
 * have the CPU, which is at most what it takes alone for each of them that it shares
 * one with.  One that ends otherwise then, as the pools have taken the budget or the
 * machine is not still, has done something else.
 */
static void judge_again(struct worker *w, int fd, int err, unsigned long long own,
			unsigned long long asked, unsigned long long still)
{
	static struct record record;
	unsigned long long alone = 0;
	int again;

	count(&shared->nr_again);
	pthread_rwlock_unlock(&shared->quiet);
	pthread_rwlock_wrlock(&shared->quiet);
	again = write(fd, w->text, w->len) < 0 ? errno : 0;
	if (read_record(fd, &record))
		alone = number_of(&record, "duration_ns");
	pthread_rwlock_unlock(&shared->quiet);
	pthread_rwlock_rdlock(&shared->quiet);
	printf("# %.*s: %llu ms, alone %llu ms\n",
	       (int)strcspn(w->text, "\n"), w->text, own / 1000000,
	       alone / 1000000);
	if (again != err)
		count(&shared->nr_unjudged);
	else if (own > limit_ns + asked + still + nr_sharing() * alone)
		fail(w, "it took %llu ms, and alone %llu ms", own / 1000000,
		     alone / 1000000);
}

static void judge_command(struct worker *w, int fd, const struct making *m,
			  int err, unsigned long long ns, bool readable)
{
	unsigned long long still = shared->still_ns - w->doing->still_before;
	bool waits = !m || is_experiment(m->verb);
	unsigned long long asked = 0;
	static struct record record;
	long long own, nr;

	if (m && m->may_hold)
		asked = HOLD_MS_MAX * 1000000ULL;
	if (ns <= limit_ns + asked && !(m && waits) && !one_in(w, 4)) {
		keep_slowest(&w->doing->slowest_command, ns, w->doing);
		return;
	}
	if (!readable) {
		if (ns > limit_ns + asked)
			count(&shared->nr_unjudged);
		return;
	}
	if (!read_record(fd, &record)) {
		fail(w, "it has no record");
		return;
	}
	if (w->shares)
		return;
	check_record(w, &record, err);
	own = number_of(&record, "duration_ns");
	keep_slowest(&w->doing->slowest_command, own, w->doing);
	if (m && m->beyond < 0)
		__atomic_add_fetch(&shared->ns_of[m->verb - verbs], own,
				   __ATOMIC_RELAXED);
	/* One that did not run has waited for nobody. */
	if (!own && ns > limit_ns)
		fail(w, "it was refused after %llu ms", ns / 1000000);
	/* Nor does one of a pool wait for more than its pool's lock. */
	nr = nr_objects(&record);
	if (!waits && ns > limit_ns + nr_sharing() * object_ns * nr)
		fail(w, "it took %llu ms, with %lld objects", ns / 1000000, nr);
	else if (own > (long long)(limit_ns + asked))
		judge_again(w, fd, err, own, asked, still);
}

static void count_command(const struct making *m, int err)
{
	int i;

	if (err > 0 && err < ERRNOS)
		count(&shared->nr_refused[err]);
	else
		count(&shared->nr_accepted);
	if (!m)
		return;
	i = m->verb - verbs;
	count(&shared->asked[i]);
	if (!err)
		count(&shared->ok[i]);
	if (err == EOPNOTSUPP)
		count(&shared->unsupported[i]);
}

static bool reads(int flags)
{
	return (flags & O_ACCMODE) == O_RDONLY || (flags & O_ACCMODE) == O_RDWR;
}

static bool writes(int flags)
{
	return (flags & O_ACCMODE) == O_WRONLY || (flags & O_ACCMODE) == O_RDWR;
}

/* Why a file takes no command, if so. */
static unsigned int when_written(const struct slot *slot)
{
	unsigned int when = slot->beyond ? BEYOND : 0;

	if (!writes(slot->flags) || slot->flags & O_PATH)
		when |= CLOSED;
	if (!slot->file->commands)
		when |= DEAF;
	if (when && slot->file->proc)
		when |= IN_PROC;
	return when;
}

/* Writes the text at hand.  @m tells what it is, where it is undamaged. */
static void write_text(struct worker *w, struct slot *slot,
		       const struct making *m)
{
	unsigned int when = when_written(slot);
	unsigned long long ns;
	int err;

	begin(w, when ? WRITE : COMMAND, slot->file, w->text, w->len);
	err = write(slot->fd, w->text, w->len) < 0 ? errno : 0;
	ns = end(w, err, when);
	if (when)
		return;
	count_command(m && m->beyond < 0 ? m : NULL, err);
	if (m && m->is_beyond && err != ERANGE)
		fail(w, "%s: a number was out of its range",
		     err ? strerror(err) : "accepted");
	if (w->len > COMMAND_MAX && err != EINVAL)
		fail(w, "it is too long");
	judge_command(w, slot->fd, m, err, ns, reads(slot->flags));
}

/* Open files */

static void close_slot(struct worker *w, struct slot *slot)
{
	if (slot->fd < 0)
		return;
	begin(w, CLOSE, slot->file, "", 0);
	end(w, close(slot->fd) ? errno : 0, 0);
	slot->fd = -1;
}

static void open_slot(struct worker *w, struct slot *slot,
		      const struct file *file, int flags)
{
	unsigned int when = 0;

	close_slot(w, slot);
	slot->file = file;
	slot->flags = flags;
	slot->beyond = false;
	when |= file->pool >= 0 ? IN_POOL : 0;
	when |= flags & O_CREAT ? CREAT : 0;
	when |= flags & O_EXCL ? EXCL : 0;
	when |= flags & O_DIRECTORY ? DIRECTORY : 0;
	when |= flags & O_DIRECT ? DIRECT : 0;
	begin(w, OPEN, file, "", 0);
	slot->fd = open(file->path, flags | O_CLOEXEC, 0600);
	end(w, slot->fd < 0 ? errno : 0, when);
}

/* One of a pool keeps it from being destroyed, so there are few of them. */
static const struct file *any_file(struct worker *w)
{
	bool of_pool = one_in(w, 16);
	unsigned long long r = draw(w);

	return of_pool ? &files[nr_lasting + r % (nr_files - nr_lasting)]
		       : &files[r % nr_lasting];
}

static void do_open(struct worker *w)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR,
				     O_RDWR, O_RDWR, O_RDONLY, O_ACCMODE };
	static const int odd[] = {
		O_TRUNC, O_APPEND, O_NONBLOCK, O_CREAT, O_CREAT | O_EXCL,
		O_DIRECTORY, O_NOFOLLOW, O_PATH, O_DIRECT, O_SYNC,
		O_NOATIME, O_DIRECTORY | O_CREAT, O_TRUNC | O_CREAT,
	};
	struct slot *slot = &w->slot[below(w, SLOTS)];
	const struct file *file = any_file(w);
	int flags = modes[below(w, ARRAY_SIZE(modes))];
	int more = odd[below(w, ARRAY_SIZE(odd))];

	if (one_in(w, 3))
		flags |= more;
	open_slot(w, slot, file, flags);
}

/* One of those open; where there is none, of whatever it was to be. */
static struct slot *any_slot(struct worker *w)
{
	struct slot *slot = &w->slot[below(w, SLOTS)];
	const struct file *file = any_file(w);

	if (slot->fd < 0)
		open_slot(w, slot, file, O_RDWR);
	return slot->fd < 0 ? NULL : slot;
}

static unsigned int when_read(const struct slot *slot)
{
	unsigned int when = slot->beyond ? BEYOND : 0;

	if (!reads(slot->flags) || slot->flags & O_PATH)
		when |= CLOSED;
	if (slot->file->mute)
		when |= MUTE;
	return when;
}

/* Counts of one moment add up, whatever others do meanwhile. */
static void check_counts(struct worker *w, const struct file *file,
			 const struct record *record)
{
	if (strcmp(base_of(file->path), "stats"))
		return;
	if (file->pool < 0) {
		if (number_of(record, "nr_runs") !=
		    number_of(record, "nr_ok") +
		    number_of(record, "nr_unsupported") +
		    number_of(record, "nr_failed"))
			fail(w, "the counts do not add up: %s", record->text);
	} else if (!text_of(record, "nr_idle")) {
		/* What is idle is counted at another moment. */
		if (number_of(record, "nr_objects") !=
		    number_of(record, "nr_allocs") -
		    number_of(record, "nr_frees"))
			fail(w, "the counts do not add up: %s", record->text);
	}
}

/* The whole of a file, opened for that. */
static void read_whole(struct worker *w, const struct file *file)
{
	struct slot slot = { .fd = -1 };
	static struct record record;
	size_t len = 0, size = 1 + below(w, 8192);
	ssize_t n;

	open_slot(w, &slot, file, O_RDONLY);
	if (slot.fd < 0)
		return;
	do {
		char piece[8192];

		begin(w, READ, file, "", 0);
		n = read(slot.fd, piece, size);
		end(w, n < 0 ? errno : 0, when_read(&slot));
		if (n > 0 && len + n < sizeof(record.text)) {
			memcpy(record.text + len, piece, n);
			len += n;
		}
	} while (n > 0 && len + size < sizeof(record.text));
	record.text[len] = '\0';
	if (!n && len && record.text[len - 1] != '\n')
		fail(w, "its last line has no end");
	if (!n)
		check_counts(w, file, &record);
	close_slot(w, &slot);
}

static void do_read_whole(struct worker *w)
{
	read_whole(w, any_file(w));
}

static void *nowhere(struct worker *w)
{
	static char *page;
	unsigned int way = below(w, 3);

	/* A few bytes, and then nothing. */
	if (!page) {
		page = mmap(NULL, 2 * PAGE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		munmap(page + PAGE_BYTES, PAGE_BYTES);
	}
	if (way == 0)
		return (void *)8;
	if (way == 1)
		return (void *)(-1UL << 47);
	return page + PAGE_BYTES - below(w, 16);
}

static void do_read_piece(struct worker *w)
{
	static char piece[1 << 16];
	struct slot *slot = any_slot(w);
	size_t size = one_in(w, 8) ? below(w, sizeof(piece)) : below(w, 100);
	long long at = one_in(w, 4) ? (long long)draw(w) : below(w, 5000);
	bool bad = one_in(w, 10), by_pread = one_in(w, 2);
	void *to = bad ? nowhere(w) : piece;
	unsigned int when;
	ssize_t n;

	if (!slot)
		return;
	when = when_read(slot) | (bad ? POINTER : 0);
	if (by_pread && (at < 0 || at > FAR))
		when |= BEYOND;
	begin(w, READ, slot->file, "", 0);
	n = by_pread ? pread(slot->fd, to, size, at)
		     : read(slot->fd, to, size);
	end(w, n < 0 ? errno : 0, when);
	if (n > (ssize_t)size)
		fail(w, "more was read than was asked for");
}

static void do_seek(struct worker *w)
{
	static const int whences[] = { SEEK_SET, SEEK_SET, SEEK_CUR, SEEK_END,
				       SEEK_DATA, SEEK_HOLE, 99 };
	int whence = whences[below(w, ARRAY_SIZE(whences))];
	long long at = one_in(w, 4) ? (long long)draw(w) : below(w, 5000);
	struct slot *slot = any_slot(w);
	unsigned int when = 0;
	long long to;

	if (!slot)
		return;
	/* Rows are counted off one by one, so not beyond all of them. */
	if (slot->flags & O_PATH)
		when |= CLOSED;
	if (whence != SEEK_SET || at < 0)
		when |= BEYOND;
	if (whence == SEEK_DATA || whence == SEEK_HOLE)
		when |= HOLE;
	begin(w, SEEK, slot->file, "", 0);
	to = lseek(slot->fd, at, whence);
	end(w, to < 0 ? errno : 0, when);
	if (to >= 0)
		slot->beyond = to > FAR;
}

/* Writing */

static void do_mutated(struct worker *w)
{
	struct slot *slot = any_slot(w);
	struct making m = { .beyond = -1 };
	const struct file *file = slot ? slot->file : &files[0];

	make_command(w, file, &m);
	mutate(w);
	spoil_large(w);
	if (slot)
		write_text(w, slot, NULL);
}

static const struct file *command_file(struct worker *w)
{
	const struct file *file;

	do
		file = any_file(w);
	while (!file->commands);
	return file;
}

/* One number is out of its range, and all else is right. */
static void do_beyond(struct worker *w)
{
	const struct file *file = command_file(w);
	struct making m = { .beyond = below(w, 4), .may_hold = true };
	struct slot slot = { .fd = -1 };

	make_command(w, file, &m);
	open_slot(w, &slot, file, O_RDWR);
	/* Some have fewer numbers. */
	if (slot.fd >= 0 && m.is_beyond)
		write_text(w, &slot, &m);
	close_slot(w, &slot);
}

static void run_verb(struct worker *w, const struct verb *verb)
{
	bool by_proc = one_in(w, 4), write_only = one_in(w, 16);
	struct making m = { .verb = verb, .beyond = -1 };
	struct slot slot = { .fd = -1 };
	const struct file *file = NULL;
	int i, pool = below(w, ARRAY_SIZE(pool_names));

	m.all_defaults = one_in(w, 16);
	m.may_hold = one_in(w, 8);
	for (i = 0; i < nr_files && !file; i++) {
		if (!files[i].commands)
			continue;
		if (by_proc ? files[i].proc :
		    !strcmp(files[i].family, verb->family) &&
		    (files[i].verb < 0 || &verbs[files[i].verb] == verb) &&
		    (files[i].pool < 0 || files[i].pool == pool))
			file = &files[i];
	}
	make_command(w, file, &m);
	open_slot(w, &slot, file, write_only ? O_WRONLY : O_RDWR);
	if (slot.fd >= 0)
		write_text(w, &slot, &m);
	close_slot(w, &slot);
}

static void do_experiment(struct worker *w)
{
	run_verb(w, &verbs[draw_verb(w, is_experiment)]);
}

/* Pools come and go under each other, and are looked at meanwhile. */
static void do_pool(struct worker *w)
{
	unsigned long long r = draw(w);

	if (one_in(w, 3))
		read_whole(w, &files[nr_lasting + r % (nr_files - nr_lasting)]);
	else
		run_verb(w, any_verb_of(w, "pool"));
}

/* A command in pieces: each is one of its own. */
static void do_pieces(struct worker *w)
{
	struct slot *slot = any_slot(w);
	const struct file *file = slot ? slot->file : &files[0];
	struct making m = { .beyond = -1 };
	struct iovec piece[8];
	unsigned int when = 0;
	size_t at = 0;
	int i, n = 1 + below(w, ARRAY_SIZE(piece));
	bool at_once = one_in(w, 2);

	make_command(w, file, &m);
	for (i = 0; i < n; i++) {
		piece[i].iov_base = w->text + at;
		piece[i].iov_len = below(w, w->len - at + 1);
		at += piece[i].iov_len;
	}
	if (!slot)
		return;
	when = when_written(slot);
	/* Not judged by their time: who knows what they are. */
	for (i = 0; i < n; i += at_once ? n : 1) {
		bool empty = at_once ? !at : !piece[i].iov_len;
		int err;

		begin(w, when ? WRITE : COMMAND, file, piece[i].iov_base,
		      piece[i].iov_len);
		err = writev(slot->fd, &piece[i], at_once ? n : 1) < 0 ?
			errno : 0;
		end(w, err, when | (empty ? EMPTY : 0));
		if (!when)
			count_command(NULL, err);
	}
}

/* Bad addresses and nothing at all. */
static void do_bad_write(struct worker *w)
{
	struct slot *slot = any_slot(w);
	size_t size = one_in(w, 4) ? 0 : 16 + below(w, 2000);
	void *from = nowhere(w);
	unsigned int when;
	int err;

	if (!slot)
		return;
	when = when_written(slot);
	/* An empty command is one. */
	begin(w, when || size ? WRITE : COMMAND, slot->file, "", 0);
	err = write(slot->fd, from, size) < 0 ? errno : 0;
	end(w, err, when | POINTER);
}

/* What no file of the lab can do. */
static void do_other(struct worker *w)
{
	unsigned int way = below(w, 4), request = below(w, 256);
	long long r = draw(w);
	struct slot *slot = any_slot(w);
	unsigned int when = 0;
	struct pollfd poller;
	void *map;
	int err;

	if (!slot)
		return;
	when |= slot->file->proc ? IN_PROC : 0;
	when |= slot->flags & O_PATH ? CLOSED : 0;
	switch (way) {
	case 0:
		when |= reads(slot->flags) ? 0 : CLOSED;
		begin(w, MMAP, slot->file, "", 0);
		map = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_PRIVATE, slot->fd,
			   0);
		end(w, map == MAP_FAILED ? errno : 0, when);
		if (map != MAP_FAILED)
			munmap(map, PAGE_BYTES);
		break;
	case 1:
		begin(w, IOCTL, slot->file, "", 0);
		err = ioctl(slot->fd, _IO('k', request), 0) < 0 ? errno : 0;
		end(w, err, when);
		break;
	case 2:
		poller = (struct pollfd){ .fd = slot->fd, .events = POLLIN };
		begin(w, POLL, slot->file, "", 0);
		err = poll(&poller, 1, 0) < 0 ? errno : 0;
		end(w, err, when);
		break;
	default:
		when |= writes(slot->flags) ? 0 : CLOSED;
		if (request % 4)
			r = request;
		when |= r < 0 || r > INT_MAX ? BEYOND : 0;
		begin(w, TRUNCATE, slot->file, "", 0);
		err = ftruncate(slot->fd, r) ? errno : 0;
		end(w, err, when);
	}
}

/* What two processes do with a file that both have open. */
static void use_shared(struct worker *w, struct slot *slot)
{
	struct making m = { .beyond = -1 };
	int i, n = 1 + below(w, 8);
	char piece[256];

	/* Where it stands, the other says, too. */
	slot->beyond = false;
	for (i = 0; i < n; i++) {
		unsigned int way = below(w, 4);

		if (way == 0) {
			lseek(slot->fd, 0, SEEK_SET);
		} else if (way == 1) {
			m.verb = NULL;
			make_command(w, slot->file, &m);
			write_text(w, slot, &m);
		} else {
			begin(w, READ, slot->file, "", 0);
			end(w, read(slot->fd, piece, sizeof(piece)) < 0 ?
			    errno : 0, when_read(slot));
		}
	}
}

/* How soon a command ends that is killed is what the lab promises, too. */
static void end_sharer(struct worker *w, pid_t pid, bool killed)
{
	unsigned long long ns;
	int status;

	if (killed)
		kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		return;
	ns = moved_ns(w->doing, w->doing->since);
	if (killed && ns > limit_ns)
		fail(w, "SIGKILL took %llu ms", ns / 1000000);
	if (killed && WIFSIGNALED(status))
		count(&shared->nr_killed);
	else if (!WIFEXITED(status))
		fail(w, "a process died of signal %d", WTERMSIG(status));
}

static void do_share(struct worker *w)
{
	struct slot *slot = any_slot(w);
	unsigned long long other = draw(w);
	bool killed = one_in(w, 2);
	useconds_t after = below(w, 20000);
	struct slot whole = { .fd = -1 };
	pid_t pid;

	/* Whatever that is, it can be read and written for this. */
	open_slot(w, &whole, slot ? slot->file : &files[0], O_RDWR);
	if (whole.fd < 0)
		return;
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		close_slot(w, &whole);
		return;
	}
	w->shares = true;
	if (!pid) {
		struct doing mine = {};

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		mine.number = w->doing->number;
		w->doing = &mine;
		w->random = other;
		use_shared(w, &whole);
		fflush(stdout);
		_exit(0);
	}
	use_shared(w, &whole);
	if (killed)
		usleep(after);
	begin(w, SHARE, whole.file, "", 0);
	end_sharer(w, pid, killed);
	end(w, 0, 0);
	w->shares = false;
	close_slot(w, &whole);
}

/* The operations */

static const struct operation {
	void (*run)(struct worker *w);
	int weight;
} operations[] = {
	{ do_open, 120 },
	{ do_read_whole, 60 },
	{ do_read_piece, 220 },
	{ do_seek, 120 },
	{ do_mutated, 150 },
	{ do_beyond, 60 },
	{ do_pieces, 40 },
	{ do_bad_write, 40 },
	{ do_other, 60 },
	{ do_pool, 100 },
	{ do_experiment, 6 },
	{ do_share, 5 },
};

static int nr_weights;

static const struct operation *any_operation(struct worker *w)
{
	int at = below(w, nr_weights), i;

	for (i = 0; at >= operations[i].weight; i++)
		at -= operations[i].weight;
	return &operations[i];
}

static void work(int nr)
{
	unsigned long long next;
	static struct worker w;
	long left = nr_operations / nr_processes +
		    (nr < nr_operations % nr_processes);
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	w.nr = nr;
	w.doing = &shared->doing[nr];
	/* Two seeds in a row must not be the same sequence, shifted. */
	w.random = seed;
	w.random = draw(&w) ^ (unsigned long long)nr << 32;
	w.random = draw(&w);
	for (i = 0; i < SLOTS; i++)
		w.slot[i].fd = -1;
	for (i = 0; i < nr_verbs; i++)
		w.deck[i] = i;
	for (; left && !shared->stop; left--) {
		w.doing->number++;
		pthread_rwlock_rdlock(&shared->quiet);
		next = draw(&w);
		any_operation(&w)->run(&w);
		/* However many numbers that has drawn. */
		w.random = next;
		pthread_rwlock_unlock(&shared->quiet);
		count(&shared->nr_done);
	}
	for (i = 0; i < SLOTS; i++)
		close_slot(&w, &w.slot[i]);
	fflush(stdout);
	_exit(0);
}

/* The whole of it */

static int nr_results;
static bool all_good = true;

/* @why: it cannot be judged. */
static void skipped(const char *name, const char *why)
{
	printf("ok %d fuzz.%s # SKIP %s\n", ++nr_results, name, why);
	fflush(stdout);
}

static void result(bool good, const char *name)
{
	printf("%s %d fuzz.%s\n", good ? "ok" : "not ok", ++nr_results, name);
	fflush(stdout);
	all_good &= good;
}

/* Whether one of them is at something that never ends. */
static bool hangs(const pid_t *pids)
{
	struct doing *doing;
	unsigned long long since;
	char what[512];
	int i;

	for (i = 0; i < nr_processes; i++) {
		doing = &shared->doing[i];
		since = doing->since;
		if (!since || now_ns() - since < limit_ns)
			continue;
		keep_stack(doing, pids[i]);
		if (now_ns() - since < HANGS * limit_ns)
			continue;
		describe(what, sizeof(what), doing);
		printf("# wrong: process %d operation %ld: %s never ends\n", i,
		       doing->number, what);
		show_stack(doing);
		return true;
	}
	return false;
}

/* Returns how many processes did not end as they should. */
static int work_all(void)
{
	int i, status, left = nr_processes, nr_bad = 0;
	int nr_cpus = sysconf(_SC_NPROCESSORS_ONLN), cpu;
	pid_t pids[PROCESSES_MAX], beats[CPUS_SHOWN], pid;

	if (nr_cpus > CPUS_SHOWN)
		nr_cpus = CPUS_SHOWN;
	fflush(stdout);
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		beats[cpu] = fork();
		if (!beats[cpu])
			beat(cpu, nr_cpus);
		if (beats[cpu] < 0)
			die("no process to watch CPU %d", cpu);
	}
	shared->started = now_ns();
	for (i = 0; i < nr_processes; i++) {
		pids[i] = fork();
		if (!pids[i])
			work(i);
		if (pids[i] < 0)
			die("no %d processes", i + 1);
	}
	while (left) {
		pid = waitpid(-1, &status, WNOHANG);
		for (cpu = 0; pid > 0 && cpu < nr_cpus; cpu++)
			if (pid == beats[cpu])
				die("what watches CPU %d has ended", cpu);
		if (!pid) {
			usleep(50000);
			if (time_limit &&
			    now_ns() - shared->started >
			    time_limit * 1000000000ULL)
				shared->stop = 1;
			if (!hangs(pids))
				continue;
		}
		left--;
		if (pid > 0 && !status)
			continue;
		if (pid > 0)
			printf("# wrong: a process ended with %x\n", status);
		nr_bad++;
		/* It may have the lock that all others wait for. */
		for (i = 0; i < nr_processes; i++)
			kill(pids[i], SIGKILL);
	}
	for (cpu = 0; cpu < nr_cpus; cpu++)
		end_process(beats[cpu]);
	return nr_bad;
}

/* Rows of the list behind its header. */
static int nr_pools(void)
{
	FILE *file = fopen(PROC_LAB "/pools", "r");
	char line[256];
	int n = -1;

	while (file && fgets(line, sizeof(line), file))
		n++;
	if (file)
		fclose(file);
	return n;
}

static bool destroy_pools(void)
{
	char line[256], name[64];
	bool good = true;
	int tries;
	FILE *file;

	/*
	 * Those that were killed may not be gone altogether, and a damaged name is
	 * one, too.
	 */
	for (tries = 0; may_try(tries) && nr_pools(); tries++) {
		file = fopen(PROC_LAB "/pools", "r");
		while (file && fgets(line, sizeof(line), file))
			if (sscanf(line, "%63[^# ]", name) == 1)
				run("pool.destroy name=%s", name);
		if (file)
			fclose(file);
	}
	if (nr_pools()) {
		printf("# left: %d pools\n", nr_pools());
		good = false;
	}
	file = fopen("/proc/slabinfo", "r");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s", name) != 1 ||
		    strncmp(name, "kmemlab_", 8))
			continue;
		printf("# left: %s", line);
		good = false;
	}
	if (file)
		fclose(file);
	return good;
}

static bool load_again(const char *ko)
{
	char parameters[128];
	long long budget = read_number("/sys/module/kmemlab/parameters/budget_bytes");
	long long floor = read_number("/sys/module/kmemlab/parameters/floor_bytes");
	int fd = open(ko, O_RDONLY | O_CLOEXEC);
	bool good;

	/* The file that run() keeps open is of the module. */
	run_in("/proc/self/comm", "fuzz");
	good = fd >= 0 && !syscall(SYS_delete_module, "kmemlab", O_NONBLOCK);
	if (!good)
		printf("# rmmod: %s\n", strerror(errno));
	if (good && (!access(PROC_LAB, F_OK) || !access(LAB, F_OK)))
		good = false;
	snprintf(parameters, sizeof(parameters),
		 "budget_bytes=%lld floor_bytes=%lld", budget, floor);
	if (good)
		good = !syscall(SYS_finit_module, fd, parameters, 0);
	if (fd >= 0)
		close(fd);
	return good && lab_is_loaded();
}

static void shrink_cache(const char *path)
{
	if (!strcmp(base_of(path), "shrink"))
		write_file(path, "1");
}

/*
 * Unused pages when each cache of SLUB has given back its empty slabs, of which it
 * keeps some for each node, and all that can be dropped is.  In that order, for the
 * caches' own files are remembered, too.
 */
static long long free_pages(void)
{
	walk("/sys/kernel/slab", shrink_cache);
	sync();
	write_file("/proc/sys/vm/drop_caches", "3");
	return unused_pages();
}

/*
 * What the kernel keeps of percpu memory: one chunk that is empty, and those in which
 * it has an object of its own (mm/percpu.c, pcpu_balance_free()).  A chunk is 2 MiB
 * for each CPU, and to account for it an area from vmalloc() with 8 bytes for each 4
 * of one CPU's.
 */
#define CHUNKS_MAX	3
#define CHUNK_PAGES	512

static long long percpu_pages(void)
{
	return meminfo_pages("Percpu") + meminfo_pages("VmallocUsed");
}

static long long percpu_pages_max(void)
{
	return CHUNKS_MAX * CHUNK_PAGES * (sysconf(_SC_NPROCESSORS_CONF) + 2);
}

/*
 * Where KASAN keeps for good the stacks of those who allocated and freed: four pages for
 * each step of this variable (lib/stackdepot.c), which only a probe can read.
 */
static long long stack_pages(void)
{
	static char trace[PAGE_BYTES];
	long long nr = 0;
	const char *at;

	if (write_file(TRACEFS "kprobe_events",
		       "p:fuzz/depot __x64_sys_sync index=@depot_index:s32"))
		return 0;
	write_file(TRACEFS "events/fuzz/depot/enable", "1");
	sync();
	write_file(TRACEFS "events/fuzz/depot/enable", "0");
	read_file(TRACEFS "trace", trace, sizeof(trace));
	at = strstr(trace, " index=");
	if (at)
		nr = 4 * atoll(at + strlen(" index="));
	empty_file(TRACEFS "trace");
	write_file(TRACEFS "kprobe_events", "-:fuzz/depot");
	return nr;
}

/* Areas that the module has not given back. */
static bool no_areas(void)
{
	FILE *file = fopen("/proc/vmallocinfo", "r");
	bool good = file;
	char line[512];

	while (file && fgets(line, sizeof(line), file))
		/* That of the module itself was asked for by its loader. */
		if (strstr(line, "[kmemlab]")) {
			printf("# left: %s", line);
			good = false;
		}
	if (file)
		fclose(file);
	return good;
}

static void print_counts(void)
{
	double took = (now_ns() - shared->started) / 1e9;
	const struct slowest *slowest = &shared->doing[0].slowest;
	const struct slowest *command = &shared->doing[0].slowest_command;
	int i, nr = 0, nr_ok = 0, nr_unsupported = 0;

	printf("# operations %ld\n# seconds %.1f\n# per_second %.0f\n",
	       shared->nr_done, took, shared->nr_done / took);
	for (i = 0; i < NR_KINDS; i++)
		printf("# nr_%s %ld\n", kind_names[i], shared->nr_of[i]);
	printf("# nr_accepted %ld\n", shared->nr_accepted);
	for (i = 0; i < ERRNOS; i++)
		if (shared->nr_refused[i])
			printf("# nr_refused.%s %ld\n", strerrorname_np(i),
			       shared->nr_refused[i]);
	printf("# nr_killed %ld\n# nr_records_checked %ld\n",
	       shared->nr_killed, shared->nr_records);
	printf("# nr_repeated_alone %ld\n# nr_time_unknown %ld\n# still_ms %llu\n",
	       shared->nr_again, shared->nr_unjudged,
	       shared->still_ns / 1000000);
	for (i = 0; i < nr_verbs; i++) {
		nr++;
		nr_ok += shared->ok[i] > 0;
		nr_unsupported += !shared->ok[i] && shared->unsupported[i];
		if (verbose || !shared->ok[i])
			printf("# %s.%s asked=%ld ok=%ld unsupported=%ld mean_us=%llu\n",
			       verbs[i].family, verbs[i].name, shared->asked[i],
			       shared->ok[i], shared->unsupported[i],
			       shared->ns_of[i] / 1000 /
			       (shared->asked[i] ?: 1));
	}
	printf("# nr_experiments %d\n# nr_experiments_ok %d\n"
	       "# nr_experiments_unsupported %d\n", nr, nr_ok, nr_unsupported);
	for (i = 0; i < nr_processes; i++) {
		const struct doing *doing = &shared->doing[i];

		if (doing->slowest.ns > slowest->ns)
			slowest = &doing->slowest;
		if (doing->slowest_command.ns > command->ns)
			command = &doing->slowest_command;
	}
	printf("# slowest_ms %llu %s\n", slowest->ns / 1000000, slowest->what);
	printf("# slowest_command_ms %llu %s\n", command->ns / 1000000,
	       command->what);
}

/*
 * One that was asked for so often, and was never run, never can be: with numbers
 * near the low end of their ranges most are within what the machine has.
 */
#define ASKED_OFTEN	64

static void judge_experiments(void)
{
	bool good = true, judged = false;
	int i;

	for (i = 0; i < nr_verbs; i++) {
		if (shared->asked[i] < ASKED_OFTEN)
			continue;
		judged |= is_experiment(&verbs[i]);
		if (!shared->ok[i] &&
		    shared->unsupported[i] < shared->asked[i] / 4) {
			printf("# wrong: %s.%s never ran\n", verbs[i].family,
			       verbs[i].name);
			good = false;
		}
	}
	if (good && !judged)
		skipped("experiments", "none was asked for often enough");
	else
		result(good, "experiments");
}

static const char *find_module(void)
{
	const char *ko = getenv("KMEMLAB_KO") ?: "/kmemlab/kmemlab.ko";

	return access(ko, R_OK) ? NULL : ko;
}

/*
 * What else comes and goes is less than 500 pages, as in unload.sh, however long
 * this takes.  So a page that is lost once in 2000 operations shows in a million.
 */
#define LOST_MAX	500

static void parse_options(int argc, char **argv)
{
	int option;

	getrandom(&seed, sizeof(seed) / 2, 0);
	while ((option = getopt(argc, argv, "s:n:p:t:l:v")) >= 0) {
		switch (option) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			nr_operations = atol(optarg);
			break;
		case 'p':
			nr_processes = atol(optarg);
			break;
		case 't':
			time_limit = atol(optarg);
			break;
		case 'l':
			limit_seconds = atol(optarg);
			break;
		case 'v':
			verbose = true;
			break;
		default:
			fputs(usage, stderr);
			exit(2);
		}
	}
	if (nr_operations < 1 || nr_processes < 1 || limit_seconds < 1 ||
	    nr_processes > PROCESSES_MAX || optind < argc) {
		fputs(usage, stderr);
		exit(2);
	}
	limit_ns = limit_seconds * 1000000000ULL;
}

int main(int argc, char **argv)
{
	pthread_rwlockattr_t attr;
	long long before, percpu, stacks, lost = 0, kept = 0;
	const char *ko;
	int i, nr_bad;

	parse_options(argc, argv);
	printf("TAP version 13\n1..7\n# seed %llu\n# processes %ld\n", seed,
	       nr_processes);
	learn();
	printf("# files %d\n# experiments %d\n# allocators %d\n", nr_files,
	       nr_verbs, nr_allocators);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("no memory");
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_rwlockattr_setkind_np(&attr,
				      PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&shared->quiet, &attr);
	for (i = 0; i < ARRAY_SIZE(operations); i++)
		nr_weights += operations[i].weight;

	measure_objects();
	stacks = stack_pages();
	before = free_pages();
	percpu = percpu_pages();
	nr_bad = work_all();
	print_counts();
	result(!nr_bad, "processes");
	result(!shared->nr_failures, "operations");
	judge_experiments();
	result(destroy_pools(), "pools_gone");
	result(lab_charged() == 0 && no_areas(), "nothing_held");
	ko = find_module();
	if (ko)
		result(load_again(ko), "load_again");
	else
		skipped("load_again", "no kmemlab.ko, set KMEMLAB_KO");
	stacks = stack_pages() - stacks;
	/* Some is given back later: areas, chunks of percpu memory. */
	for (i = 0; may_try(i); i++) {
		lost = before - free_pages() - stacks;
		kept = percpu_pages() - percpu;
		if (lost - kept < LOST_MAX)
			break;
	}
	printf("# lost_pages %lld\n# of_percpu_pages %lld\n# stack_pages %lld\n",
	       lost, kept, stacks);
	result(lost - kept < LOST_MAX && kept < percpu_pages_max(),
	       "memory_returns");
	return !all_good;
}

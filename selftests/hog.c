// SPDX-License-Identifier: GPL-2.0
/*
 * hog - take memory, use it, and keep it until somebody ends it.
 *
 * It says on stdout what it has, whenever that has changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "badness.h"

#define CGROUPS		"/sys/fs/cgroup"
#define PROCESSES_MAX	4096
#define SHOWN		10

static const char usage[] =
	"hog [-s SIZE] [-t PATTERN] [-l] [-f FILE] [-L] [-k COUNT] [-p MS]\n"
	"    [-a ADJ] [-g GROUP] [-m LIMIT]\n"
	"hog -w [COUNT]\n"
	"\n"
	"  -s SIZE     how much memory to take, with K, M or G (64M)\n"
	"  -t PATTERN  how to touch it: none; once; read: once, without writing;\n"
	"              loop: over and over; random: that, anywhere (once)\n"
	"  -l          lock it\n"
	"  -f FILE     map this file, not memory of its own; it is written to, but\n"
	"              with -t none or read\n"
	"  -L          leak: take as much again and again\n"
	"  -k COUNT    end when so many processes were killed for memory\n"
	"  -p MS       pause after each round of -L, loop and random (100)\n"
	"  -a ADJ      oom_score_adj, from -1000 to 1000\n"
	"  -g GROUP    be a member of this cgroup, which is made if need be\n"
	"  -m LIMIT    the group's memory.max\n"
	"  -w          take nothing: list who would be killed, first ahead\n";

enum pattern { NONE, ONCE, READ, LOOP, RANDOM };

static const char *const patterns[] = { "none", "once", "read", "loop",
					"random" };

static long page_bytes;

__attribute__((noreturn, format(printf, 1, 2)))
static void die(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "hog: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	exit(1);
}

static size_t parse_size(const char *text)
{
	static const char units[] = "KMG";
	char *end;
	unsigned long long n = strtoull(text, &end, 0);
	const char *unit = *end ? strchr(units, *end) : NULL;
	int shift = unit ? 10 * (unit - units + 1) : 0;

	end += !!unit;
	if (*end || end == text || !n || n > SIZE_MAX >> shift)
		die("%s is not a size", text);
	return n << shift;
}

static long parse_number(const char *text, long min, long max)
{
	char *end;
	long n = strtol(text, &end, 0);

	if (*end || end == text || n < min || n > max)
		die("%s is not a number from %ld to %ld", text, min, max);
	return n;
}

static enum pattern parse_pattern(const char *text)
{
	unsigned int i;

	for (i = 0; i < sizeof(patterns) / sizeof(*patterns); i++)
		if (!strcmp(text, patterns[i]))
			return i;
	die("%s is no pattern", text);
}

static void put(const char *path, const char *fmt, long long value)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || dprintf(fd, fmt, value) < 0 || close(fd))
		die("%s: %s", path, strerror(errno));
}

static void enter(const char *group, size_t limit)
{
	int fd = open(CGROUPS "/cgroup.subtree_control", O_WRONLY);
	char path[PATH_MAX];

	/* Fails where it is so already, or cannot be; then there is no limit. */
	if (fd >= 0) {
		dprintf(fd, "+memory");
		close(fd);
	}
	snprintf(path, sizeof(path), CGROUPS "/%s", group);
	if (mkdir(path, 0755) && errno != EEXIST)
		die("%s: %s", path, strerror(errno));
	snprintf(path, sizeof(path), CGROUPS "/%s/memory.max", group);
	if (limit)
		put(path, "%lld", limit);
	snprintf(path, sizeof(path), CGROUPS "/%s/cgroup.procs", group);
	put(path, "%lld", getpid());
}

static char *take(const char *name, size_t bytes)
{
	int fd = name ? open(name, O_RDWR) : -1;
	struct stat st;
	char *p;

	if (name && (fd < 0 || fstat(fd, &st)))
		die("%s: %s", name, strerror(errno));
	if (name && S_ISREG(st.st_mode) && (size_t)st.st_size < bytes)
		die("%s has %lld bytes only", name, (long long)st.st_size);
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		 name ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);
	if (fd >= 0)
		close(fd);
	return p == MAP_FAILED ? NULL : p;
}

static void touch(char *p, size_t bytes, enum pattern pattern)
{
	size_t nr = (bytes + page_bytes - 1) / page_bytes, i;

	for (i = 0; i < nr && pattern != NONE; i++) {
		size_t at = pattern == RANDOM ? random() % nr : i;
		volatile char *byte = p + at * page_bytes;

		if (pattern == READ)
			(void)*byte;
		else
			*byte = 1;
	}
}

static void report(size_t taken)
{
	printf("hog %d: %zu KiB taken, %lld resident, oom_score %lld\n",
	       getpid(), taken / 1024, badness_rss(getpid()) * page_bytes / 1024,
	       badness_number(getpid(), "oom_score"));
	fflush(stdout);
}

static int list_victims(int max)
{
	static struct badness b[PROCESSES_MAX];
	int n = badness_of_all(b, PROCESSES_MAX), i;

	printf("%7s %-15s %9s %9s %7s %6s %10s %6s\n", "pid", "name", "rss_kib",
	       "swap_kib", "pte_kib", "adj", "points", "score");
	for (i = 0; i < n && i < max; i++) {
		const struct badness *p = &b[i];
		long long kib = page_bytes / 1024;

		printf("%7d %-15s %9lld %9lld %7lld %6lld ", p->pid, p->name,
		       p->rss * kib, p->swap * kib, p->tables * kib, p->adj);
		if (p->points == IMMUNE)
			printf("%10s %6d\n", "immune", 0);
		else
			printf("%10lld %6lld\n", p->points, p->score);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *file = NULL, *group = NULL, *adj = NULL;
	size_t bytes = 64 << 20, limit = 0, taken = 0;
	bool lock = false, leak = false, list = false;
	long long until = 0;
	enum pattern pattern = ONCE;
	long pause_ms = 100;
	int option;

	page_bytes = sysconf(_SC_PAGESIZE);
	while ((option = getopt(argc, argv, "hs:t:lLk:p:f:a:g:m:w")) != -1) {
		switch (option) {
		case 's':
			bytes = parse_size(optarg);
			break;
		case 't':
			pattern = parse_pattern(optarg);
			break;
		case 'l':
			lock = true;
			break;
		case 'L':
			leak = true;
			break;
		case 'k':
			until = nr_killed() + parse_number(optarg, 1, INT_MAX);
			break;
		case 'p':
			pause_ms = parse_number(optarg, 0, 1000000);
			break;
		case 'f':
			file = optarg;
			break;
		case 'a':
			parse_number(optarg, ADJ_MIN, ADJ_MAX);
			adj = optarg;
			break;
		case 'g':
			group = optarg;
			break;
		case 'm':
			limit = parse_size(optarg);
			break;
		case 'w':
			list = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (limit && !group)
		die("-m is of a group: give -g, too");
	if (until && !leak)
		die("-k ends a leak: give -L, too");
	if (list)
		return list_victims(optind < argc ? atoi(argv[optind]) : SHOWN);
	if (adj)
		put("/proc/self/oom_score_adj", "%lld", atoi(adj));
	if (group)
		enter(group, limit);
	for (;;) {
		char *p = take(file, bytes);

		/* Refused, it waits for others to go, or to be ended. */
		if (!p && !taken)
			die("%zu bytes: %s", bytes, strerror(errno));
		if (p && lock && mlock(p, bytes))
			die("cannot lock it: %s", strerror(errno));
		if (p) {
			touch(p, bytes, pattern);
			taken += bytes;
			report(taken);
		}
		if (until && nr_killed() >= until)
			return 0;
		while (!leak && pattern != LOOP && pattern != RANDOM)
			pause();
		while (!leak) {
			touch(p, bytes, pattern);
			usleep(1000 * pause_ms);
		}
		usleep(1000 * pause_ms);
	}
}

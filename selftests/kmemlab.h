/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests share: commands and their records on one side, and on the
 * other the kernel's own files, which the records are held against.
 */
#ifndef KMEMLAB_H
#define KMEMLAB_H

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"

/*
 * Seconds.  A debugged kernel keeps a trace of who allocated and who freed each
 * object, a millisecond's work under emulation, and a test may have to try again.
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	150

/* Whether a test is one of KMEMLAB_TESTS, "split merge", where that says which. */
static inline bool is_selected(const char *test)
{
	const char *names = getenv("KMEMLAB_TESTS");
	size_t len = strlen(test);

	if (!names || !*names)
		return true;
	while (strncmp(names, test, len) || !strchr(" ", names[len])) {
		names = strchr(names, ' ');
		if (!names++)
			return false;
	}
	return true;
}

/*
 * A test's timeout is for a machine that does nothing else.  Who hangs is ended all the
 * same: later, or with the guest (scripts/vm).
 */
#define BUSY		10

/* The harness of 6.1 has no option for that. */
static inline void select_tests(void)
{
	struct __fixture_metadata *fixture;
	struct __test_metadata **test;

	for (fixture = __fixture_list; fixture; fixture = fixture->next)
		for (test = &fixture->tests; *test;)
			if (is_selected((*test)->name)) {
				(*test)->timeout *= BUSY;
				test = &(*test)->next;
			} else {
				*test = (*test)->next;
			}
}

#undef TEST_HARNESS_MAIN
#define TEST_HARNESS_MAIN				\
	int main(int argc, char **argv)			\
	{						\
		select_tests();				\
		return test_harness_run(argc, argv);	\
	}

#define LAB		"/sys/kernel/debug/kmemlab/"
#define TRACEFS		"/sys/kernel/tracing/"
#define NODES		"/sys/devices/system/node/"
#define PAGE_BYTES	4096UL
#define NR_ORDERS	11
#define MISSING		LLONG_MIN
#define CPUS_MAX	8192
#define CPU1_ONLINE	"/sys/devices/system/cpu/cpu1/online"

/*
 * How often a reading is repeated that something else on the machine disturbed,
 * and milliseconds by which the wait grows from one to the next: what earlier
 * commands have left to be done later comes in bursts.
 */
#define QUIET_TRIES	50
#define QUIET_STEP_MS	2

/*
 * Seconds to wait for what must come: more than a hundred times what it takes a machine
 * that does nothing else, to tell what never comes from what is late.
 */
#define PATIENCE	300

/* Waits for a condition; whether it has come true. */
#define await(condition)						\
({									\
	double end_ = seconds() + PATIENCE;				\
									\
	while (!(condition) && seconds() < end_)			\
		usleep(1000);						\
	(condition);							\
})

/* How often a list is looked through that changes while it is shown. */
#define LOOKS		5

#define KLOG_READ_ALL	3	/* syslog(2) */

static inline bool lab_is_loaded(void)
{
	return !access(LAB "experiments", R_OK);
}

/*
 * Without the module no test of a file can run: skip all of it, before it
 * starts.  A file whose subject is user space says LAB_OPTIONAL.
 */
#ifndef LAB_OPTIONAL
__attribute__((constructor)) static void need_lab(void)
{
	if (geteuid())
		ksft_exit_skip("must be root\n");
	if (!lab_is_loaded())
		ksft_exit_skip("kmemlab is not loaded, or debugfs not mounted\n");
}
#endif

/*
 * What a test sees, in words: a line of diagnostics in its output, and what the
 * tour shows of it.
 */
#define say(fmt, ...)						\
	do {							\
		printf("#   " fmt "\n", ##__VA_ARGS__);	\
		/* The harness ends a test without flushing. */	\
		fflush(stdout);					\
	} while (0)

/* A fixture without data, for the name that it gives to the tests. */
#define LAB_FIXTURE(family)		\
	FIXTURE(family) {};		\
	FIXTURE_SETUP(family) {}	\
	FIXTURE_TEARDOWN(family) {}

/* Whether to try once more; waits before it says so. */
static inline bool may_try(int tries)
{
	if (tries < QUIET_TRIES)
		usleep(1000 * tries * QUIET_STEP_MS);
	return tries < QUIET_TRIES;
}

/* Files */

/* Reads a whole file into @buf, as a string.  Returns its length or -errno. */
static inline ssize_t read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n, len = 0;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, buf + len, size - 1 - len)) > 0)
		len += n;
	if (n < 0)
		len = -errno;
	close(fd);
	buf[len > 0 ? len : 0] = '\0';
	return len;
}

/*
 * As read_file(), of a file that stays open: opening and closing one takes pages
 * and gives them back some time later, which would be seen in what it tells.
 */
static inline ssize_t reread_file(int *fd, const char *path, char *buf,
				  size_t size)
{
	ssize_t n, len = 0;

	if (*fd < 0)
		*fd = open(path, O_RDONLY | O_CLOEXEC);
	while ((n = pread(*fd, buf + len, size - 1 - len, len)) > 0)
		len += n;
	buf[len] = '\0';
	return len;
}

/* The number that a file of one value holds, or MISSING. */
static inline long long read_number(const char *path)
{
	char buf[64];

	return read_file(path, buf, sizeof(buf)) > 0 ? strtoll(buf, NULL, 0)
						     : MISSING;
}

/* One write.  Returns 0 or the errno. */
static inline int write_bytes(const char *path, const void *text, size_t len)
{
	int fd = open(path, O_WRONLY);
	int err = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, len) != (ssize_t)len)
		err = errno;
	close(fd);
	return err;
}

static inline int write_file(const char *path, const char *text)
{
	return write_bytes(path, text, strlen(text));
}

static inline void empty_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	if (fd >= 0)
		close(fd);
}

static inline int write_number(const char *path, long long number)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", number);
	return write_file(path, text);
}

/* What the budget is charged. */
static inline long long lab_charged(void)
{
	return read_number(LAB "charged_bytes");
}

#define KMEMLEAK	"/sys/kernel/debug/kmemleak"
/* Younger objects are not looked at (mm/kmemleak.c, MSECS_MIN_AGE: 5 s). */
#define LEAK_SECONDS	6

/*
 * Two scans, each some seconds after what it is to find has come to be.  Returns
 * false where kmemleak is not there, or has turned itself off.
 */
static inline bool scan_for_leaks(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		sleep(LEAK_SECONDS);
		if (write_file(KMEMLEAK, "scan"))
			return false;
	}
	return true;
}

/* What the running kernel was built with. */
static inline const char *config_file(void)
{
	static char path[128];
	struct utsname name;

	uname(&name);
	snprintf(path, sizeof(path), "/boot/config-%s", name.release);
	return path;
}

/* Whether an option, "CONFIG_SLUB", is part of it. */
static inline bool config_has(const char *option)
{
	FILE *file = fopen(config_file(), "r");
	char line[256], set[128];
	bool has = false;

	snprintf(set, sizeof(set), "%s=y\n", option);
	while (file && !has && fgets(line, sizeof(line), file))
		has = !strcmp(line, set);
	if (file)
		fclose(file);
	return has;
}

/* Commands and records */

struct record {
	int err;		/* the errno of the write, or 0 */
	char text[1 << 16];
};

/*
 * Runs a command and reads back its own record, whatever others run meanwhile.
 */
static inline struct record *run_in(const char *file, const char *command)
{
	static struct record record;
	static char path[128];
	static int fd = -1;

	if (fd < 0 || strcmp(path, file)) {
		if (fd >= 0)
			close(fd);
		snprintf(path, sizeof(path), "%s", file);
		fd = open(file, O_RDWR | O_CLOEXEC);
	}
	record.err = 0;
	if (fd < 0 || write(fd, command, strlen(command)) < 0)
		record.err = errno;
	reread_file(&fd, path, record.text, sizeof(record.text));
	return &record;
}

/* "buddy.split order=5", by way of the family's own file. */
__attribute__((format(printf, 1, 2)))
static inline struct record *run(const char *fmt, ...)
{
	char command[512], file[128], *dot;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	/* Pools have files for their verbs; /proc takes every command. */
	if (!strncmp(command, "pool.", 5))
		return run_in("/proc/kmemlab/run", command);
	dot = strchr(command, '.');
	snprintf(file, sizeof(file), LAB "%.*s/run", (int)(dot - command),
		 command);
	return run_in(file, dot + 1);
}

/* A command that must succeed. */
#define EXPECT_OK(...)	EXPECT_EQ(0, run(__VA_ARGS__)->err)
#define ASSERT_OK(...)	ASSERT_EQ(0, run(__VA_ARGS__)->err)

/* The text after "key " at the start of a line, or NULL. */
static inline const char *text_of(const struct record *record, const char *key)
{
	size_t len = strlen(key);
	const char *line = record->text;

	for (;;) {
		if (!strncmp(line, key, len) && line[len] == ' ')
			return line + len + 1;
		line = strchr(line, '\n');
		if (!line)
			return NULL;
		line++;
	}
}

static inline bool text_is(const struct record *record, const char *key,
			   const char *text)
{
	const char *value = text_of(record, key);
	size_t len = strlen(text);

	return value && !strncmp(value, text, len) && value[len] == '\n';
}

static inline long long number_of(const struct record *record, const char *key)
{
	const char *value = text_of(record, key);

	return value ? strtoll(value, NULL, 0) : MISSING;
}

/* The text after "key=" in the row that begins with "row ", or NULL. */
static inline const char *cell_text_of(const struct record *record,
				       const char *row, const char *key)
{
	const char *p = text_of(record, row);
	size_t len = strlen(key);

	while (p && *p != '\n') {
		if (!strncmp(p, key, len) && p[len] == '=')
			return p + len + 1;
		p += strcspn(p, "\n ");
		p += *p == ' ';
	}
	return NULL;
}

/* The number there, or MISSING. */
static inline long long cell_of(const struct record *record, const char *row,
				const char *key)
{
	const char *text = cell_text_of(record, row, key);

	return text ? strtoll(text, NULL, 0) : MISSING;
}

/* Whether the cell has this text and no more. */
static inline bool cell_is(const struct record *record, const char *row,
			   const char *key, const char *text)
{
	const char *cell = cell_text_of(record, row, key);
	size_t len = strlen(text);

	return cell && !strncmp(cell, text, len) && strchr("\n ", cell[len]);
}

/* The cell whose key is a number, or MISSING. */
static inline long long numbered_cell_of(const struct record *record,
					 const char *row, int number)
{
	char key[16];

	snprintf(key, sizeof(key), "%d", number);
	return cell_of(record, row, key);
}

/* A row of one number per order. */
static inline bool orders_of(const struct record *record, const char *row,
			     long long *count)
{
	int order;

	for (order = 0; order < NR_ORDERS; order++) {
		count[order] = numbered_cell_of(record, row, order);
		if (count[order] == MISSING)
			return false;
	}
	return true;
}

/* Caches, as SLUB shows them in sysfs */

static inline long long sysfs_number(const char *cache, const char *attribute)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/slab/%s/%s", cache,
		 attribute);
	return read_number(path);
}

/**
 * struct cache - how a cache is laid out, and what it has
 * @slabs:	that it has
 * @per_slab:	objects of each
 * @pages:	of each
 * @spacing:	bytes from one object to the next
 * @first:	bytes from where a slab begins to its first object
 */
struct cache {
	long long slabs, per_slab, pages, spacing, first;
};

/*
 * A red zone before each object is a word, or more for its alignment
 * (mm/slub.c, calculate_sizes(), red_left_pad).
 */
static inline struct cache read_cache(const char *name)
{
	return (struct cache){
		.slabs = sysfs_number(name, "slabs"),
		.per_slab = sysfs_number(name, "objs_per_slab"),
		.pages = 1LL << sysfs_number(name, "order"),
		.spacing = sysfs_number(name, "slab_size"),
		.first = sysfs_number(name, "red_zone") > 0 ?
			 sysfs_number(name, "align") : 0,
	};
}

/*
 * Whether a cache is debugged (mm/slab.h, SLAB_DEBUG_FLAGS): then no CPU has a
 * slab of its own (mm/slub.c, kmem_cache_debug() in ___slab_alloc()), and it is
 * never merged (mm/slab_common.c, SLAB_NEVER_MERGE).
 */
static inline bool is_debugged(const char *cache)
{
	static const char *const flags[] = {
		"red_zone", "poison", "store_user", "trace", "sanity_checks",
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++)
		if (sysfs_number(cache, flags[i]) > 0)
			return true;
	return false;
}

/*
 * Whether what is freed to a cache stays in use, so that nobody gets it again:
 * in KASAN's quarantine, where only type-safe objects do not go
 * (mm/kasan/common.c, ____kasan_slab_free()).  What allocates and may sleep gives
 * up the oldest of it when there is much, and drop_freed() all of a cache.
 */
static inline bool keeps_freed(const char *cache)
{
	return config_has("CONFIG_KASAN_GENERIC") &&
	       sysfs_number(cache, "destroy_by_rcu") <= 0;
}

/*
 * Only what is in use is in the cache then: it has no empty slab, its CPUs have
 * no slab, and KASAN keeps nothing (mm/slab_common.c, kmem_cache_shrink()).
 * Returns 0 or the errno.
 */
static inline int drop_freed(const char *cache)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", cache);
	return write_file(path, "1");
}

/* Pools */

/* Where an object lies, from the pool's layout. */
struct place {
	unsigned long pfn, offset, pages, runs;
};

static inline bool same_place(const struct place *a, const struct place *b)
{
	return a->pfn == b->pfn && a->offset == b->offset;
}

/*
 * Fills in up to @max places, oldest first; returns how many there are, or -1.
 */
static inline int read_layout(const char *pool, struct place *place, size_t max)
{
	char path[128], line[256];
	FILE *file;
	int n = 0;

	memset(place, 0, max * sizeof(*place));
	snprintf(path, sizeof(path), LAB "pools/%s/layout", pool);
	file = fopen(path, "r");
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		struct place p;

		if (sscanf(line, "%*u %lu %lu %lu %lu", &p.pfn, &p.offset,
			   &p.pages, &p.runs) != 4)
			continue;
		if (n < (int)max)
			place[n] = p;
		n++;
	}
	fclose(file);
	return n;
}

static inline int count_layout(const char *pool)
{
	struct place first;

	return read_layout(pool, &first, 1);
}

static inline long long pool_number(const char *pool, const char *key)
{
	static struct record record;
	char path[128];

	snprintf(path, sizeof(path), LAB "pools/%s/stats", pool);
	if (read_file(path, record.text, sizeof(record.text)) < 0)
		return MISSING;
	return number_of(&record, key);
}

/* An attribute of the cache of a pool, as SLUB shows it in sysfs. */
static inline long long cache_number(const char *pool, const char *attribute)
{
	char cache[64];

	snprintf(cache, sizeof(cache), "kmemlab_%s", pool);
	return sysfs_number(cache, attribute);
}

/* The kernel's own view */

struct zone_counts {
	int node;
	char zone[16];
	long long nr_free[NR_ORDERS];
};

#define ZONES_MAX	16

/* /proc/buddyinfo; returns the number of zones. */
static inline int read_buddyinfo(struct zone_counts *zones)
{
	static char text[1 << 13];
	static int fd = -1;
	char *rest = text, *line;
	int n = 0;

	memset(zones, 0, ZONES_MAX * sizeof(*zones));
	reread_file(&fd, "/proc/buddyinfo", text, sizeof(text));
	while (n < ZONES_MAX && (line = strsep(&rest, "\n"))) {
		struct zone_counts *z = &zones[n];
		int at, order, used;

		if (sscanf(line, "Node %d, zone %15s%n", &z->node, z->zone,
			   &at) != 2)
			continue;
		for (order = 0; order < NR_ORDERS; order++, at += used)
			if (sscanf(line + at, "%lld%n", &z->nr_free[order],
				   &used) != 1)
				break;
		n++;
	}
	return n;
}

static inline const struct zone_counts *
find_zone(const struct zone_counts *zones, int n, int node, const char *zone)
{
	int i;

	for (i = 0; i < n; i++)
		if (zones[i].node == node && !strcmp(zones[i].zone, zone))
			return &zones[i];
	return NULL;
}

/* The next line of the listing that is no command for pools; false at its end. */
static inline bool next_experiment(FILE *file, char name[64])
{
	char line[256];

	while (fgets(line, sizeof(line), file))
		if (line[0] != '#' && sscanf(line, "%63s", name) == 1 &&
		    strncmp(name, "pool.", 5))
			return true;
	return false;
}

/* Runs it with its defaults.  Some need a CPU for themselves for a moment. */
static inline struct record *run_default(const char *name)
{
	struct record *record;
	int tries;

	for (tries = 0; may_try(tries); tries++) {
		record = run_in("/proc/kmemlab/run", name);
		if (record->err != EBUSY)
			break;
	}
	return record;
}

/* Folds each CPU's share of the counters in (mm/vmstat.c). */
static inline void refresh_counters(void)
{
	static int fd = -1;
	char digits[32];

	reread_file(&fd, "/proc/sys/vm/stat_refresh", digits, sizeof(digits));
}

/*
 * Free pages of all zones, those on per-CPU lists included, from
 * /proc/zoneinfo.
 */
static inline long long read_free_pages(void)
{
	static char text[1 << 17];
	static int fd = -1;
	char *rest = text, *line;
	long long n, sum = 0;

	refresh_counters();
	reread_file(&fd, "/proc/zoneinfo", text, sizeof(text));
	while ((line = strsep(&rest, "\n")))
		if (sscanf(line, " pages free %lld", &n) == 1 ||
		    sscanf(line, " count: %lld", &n) == 1)
			sum += n;
	return sum;
}

/* What a pool is charged for a pointer to each object: whole pages. */
static inline long long pointer_bytes(long long objects)
{
	return (objects * sizeof(void *) + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

/* Object size and objects in use of a cache, from its row in /proc/slabinfo. */
static inline bool read_slabinfo(const char *cache, long long *size,
				 long long *in_use)
{
	char line[256], name[64];
	FILE *file = fopen("/proc/slabinfo", "r");
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%63s %lld %*d %lld", name, in_use,
			       size) == 3 &&
			!strcmp(name, cache);
	if (file)
		fclose(file);
	return found;
}

/* A file of "key value" lines, as /proc/vmstat, or "key: value", as meminfo. */
static inline long long keyed_number(const char *path, const char *key)
{
	size_t len = strlen(key);
	char line[256];
	FILE *file = fopen(path, "r");
	long long n = MISSING;

	while (file && n == MISSING && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, len) && strchr(" :", line[len]))
			n = strtoll(line + len + 1, NULL, 10);
	if (file)
		fclose(file);
	return n;
}

/* An event or item of /proc/vmstat, with each CPU's share folded in. */
static inline long long vmstat_number(const char *key)
{
	refresh_counters();
	return keyed_number("/proc/vmstat", key);
}

/*
 * Slabs are counted as well: the record of each command takes some, and gives
 * them back, whenever it comes to the last of a slab.
 */
static inline long long free_or_slab_pages(void)
{
	return read_free_pages() + vmstat_number("nr_slab_reclaimable") +
	       vmstat_number("nr_slab_unreclaimable");
}

/*
 * Pages that are not in use.  Generic KASAN keeps the objects that were freed, and
 * with them their slabs (mm/kasan/quarantine.c): there slabs count as unused, and
 * what of them is lost kmemleak tells.  And areas that were freed keep the pages
 * of their shadow until they are purged (mm/kasan/shadow.c,
 * kasan_release_vmalloc()), which vmalloc.lazy has done.
 */
static inline long long unused_pages(void)
{
	static int kasan = -1;

	/* Read once: no file is to be opened between two looks. */
	if (kasan < 0)
		kasan = config_has("CONFIG_KASAN_GENERIC");
	if (!kasan)
		return read_free_pages();
	run("vmalloc.lazy purge=yes");
	return free_or_slab_pages();
}

/* Ever handed out. */
static inline long long pages_allocated(void)
{
	return vmstat_number("pgalloc_dma") + vmstat_number("pgalloc_dma32") +
	       vmstat_number("pgalloc_normal") +
	       vmstat_number("pgalloc_movable");
}

/* A line of /proc/meminfo, in pages. */
static inline long long meminfo_pages(const char *key)
{
	long long kb;

	refresh_counters();
	kb = keyed_number("/proc/meminfo", key);
	return kb == MISSING ? MISSING : kb * 1024 / (long long)PAGE_BYTES;
}

/* Whether a line of /proc/zoneinfo begins the part of this zone. */
static inline bool is_zone_head(const char *line, int node, const char *zone)
{
	char name[16];
	int nid;

	return sscanf(line, "Node %d, zone %15s", &nid, name) == 2 &&
	       nid == node && !strcmp(name, zone);
}

/*
 * The number behind a key in a zone's part of /proc/zoneinfo: "min", "high",
 * "spanned", "start_pfn:", "nr_free_pages" ... The key "free" is that of its
 * first line.  With @cpu not negative: behind a key ("count:", "high:",
 * "batch:") in that CPU's part of it.
 */
static inline long long zoneinfo_number(int node, const char *zone, int cpu,
					const char *key)
{
	FILE *file = fopen("/proc/zoneinfo", "r");
	long long n, found = MISSING;
	bool here = false;
	int at_cpu = -1;
	char line[256], word[64];

	while (file && found == MISSING && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, "Node ", 5)) {
			here = is_zone_head(line, node, zone);
			at_cpu = -1;
		} else if (strstr(line, "node_unreclaimable")) {
			/* What follows the CPUs is the zone's again. */
			at_cpu = -1;
		} else if (sscanf(line, " cpu: %d", &at_cpu) == 1) {
			continue;
		} else if (here && at_cpu == cpu &&
			   (sscanf(line, " pages %63s %lld", word, &n) == 2 ||
			    sscanf(line, " %63s %lld", word, &n) == 2) &&
			   !strcmp(word, key)) {
			found = n;
		}
	}
	if (file)
		fclose(file);
	return found;
}

/* The zone, as /proc/zoneinfo names it, whose frames @pfn is one of. */
static inline bool zone_of_frame(unsigned long pfn, int *node, char zone[16])
{
	struct zone_counts zones[ZONES_MAX];
	int n = read_buddyinfo(zones), i;

	for (i = 0; i < n; i++) {
		long long start = zoneinfo_number(zones[i].node, zones[i].zone,
						  -1, "start_pfn:");
		long long spanned = zoneinfo_number(zones[i].node,
						    zones[i].zone, -1,
						    "spanned");

		if ((long long)pfn >= start &&
		    (long long)pfn < start + spanned) {
			*node = zones[i].node;
			strcpy(zone, zones[i].zone);
			return true;
		}
	}
	return false;
}

/* An event of a node, as /sys/devices/system/node/node<n>/numastat has it. */
static inline long long numastat_number(int node, const char *key)
{
	char path[64];

	refresh_counters();
	snprintf(path, sizeof(path), NODES "node%d/numastat",
		 node);
	return keyed_number(path, key);
}

/* Gives up capabilities for good. */
static inline bool give_up(uint64_t caps)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];
	int i;

	if (syscall(SYS_capget, &head, data))
		return false;
	for (i = 0; i < 2; i++, caps >>= 32) {
		data[i].effective &= ~caps;
		data[i].permitted &= ~caps;
		data[i].inheritable &= ~caps;
	}
	return !syscall(SYS_capset, &head, data);
}

/* Stays on one CPU until it ends. */
static inline bool pin_to_cpu(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return !sched_setaffinity(0, sizeof(one), &one);
}

/* From here on the caller takes memory from this node alone. */
static inline bool bind_to_node(int node)
{
	unsigned long nodes = 1UL << node;

	return !syscall(SYS_set_mempolicy, MPOL_BIND, &nodes,
			8 * sizeof(nodes));
}

/* Bits of /proc/kpageflags (include/uapi/linux/kernel-page-flags.h). */
#define FLAG_LRU		(1ULL << 5)
#define FLAG_SLAB		(1ULL << 7)
#define FLAG_BUDDY		(1ULL << 10)
#define FLAG_COMPOUND_HEAD	(1ULL << 15)
#define FLAG_COMPOUND_TAIL	(1ULL << 16)

/* A frame's word in a file that has one for each, or all ones. */
static inline uint64_t read_page_word(const char *path, unsigned long pfn)
{
	int fd = open(path, O_RDONLY);
	uint64_t word = ~0ULL;

	if (fd >= 0) {
		if (pread(fd, &word, sizeof(word), pfn * sizeof(word)) !=
		    sizeof(word))
			word = ~0ULL;
		close(fd);
	}
	return word;
}

static inline uint64_t kpageflags(unsigned long pfn)
{
	return read_page_word("/proc/kpageflags", pfn);
}

#define PAGEMAP_PFN		((1ULL << 55) - 1)

/* The frame that the caller has mapped at an address, or 0. */
static inline unsigned long frame_behind(const void *address)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (fd >= 0) {
		if (pread(fd, &entry, sizeof(entry), (uintptr_t)address /
			  PAGE_BYTES * sizeof(entry)) != sizeof(entry))
			entry = 0;
		close(fd);
	}
	return entry & PAGEMAP_PFN;
}

/*
 * Whether at a frame begins a compound block of this order: a head, its tails,
 * and behind them no further tail.
 */
static inline bool is_block(unsigned long pfn, int order)
{
	static uint64_t flags[(1 << (NR_ORDERS - 1)) + 1];
	int fd = open("/proc/kpageflags", O_RDONLY), nr = 1 << order, i;
	bool is;

	if (fd < 0)
		return false;
	is = order >= 0 && order < NR_ORDERS &&
	     pread(fd, flags, (nr + 1) * sizeof(*flags),
		   pfn * sizeof(*flags)) == (nr + 1) * sizeof(*flags) &&
	     flags[0] & FLAG_COMPOUND_HEAD &&
	     !(flags[nr] & FLAG_COMPOUND_TAIL);
	for (i = 1; is && i < nr; i++)
		is = flags[i] & FLAG_COMPOUND_TAIL;
	close(fd);
	return is;
}

/**
 * struct kcore - memory by its address: /proc/kcore is an ELF file
 * @fd:		of the file
 * @nr:		of its segments, or 0 where there is no such file
 * @segment:	each says which physical and kernel addresses it shows
 */
struct kcore {
	int fd, nr;
	Elf64_Phdr *segment;
};

/* Read once: it takes long, and the kernel's address space stays as it is. */
static inline const struct kcore *open_kcore(void)
{
	static struct kcore kcore;
	Elf64_Ehdr ehdr;
	ssize_t len;

	if (kcore.nr)
		return &kcore;
	kcore.fd = open("/proc/kcore", O_RDONLY | O_CLOEXEC);
	if (kcore.fd < 0)
		return &kcore;
	if (pread(kcore.fd, &ehdr, sizeof(ehdr), 0) == sizeof(ehdr)) {
		len = ehdr.e_phnum * sizeof(*kcore.segment);
		kcore.segment = malloc(len);
		if (kcore.segment &&
		    pread(kcore.fd, kcore.segment, len, ehdr.e_phoff) == len)
			kcore.nr = ehdr.e_phnum;
	}
	return &kcore;
}

static inline bool read_kcore(bool physical, uint64_t at, void *buf, size_t len)
{
	const struct kcore *kcore = open_kcore();
	const Elf64_Phdr *phdr;

	for (phdr = kcore->segment; phdr < kcore->segment + kcore->nr; phdr++) {
		uint64_t start = physical ? phdr->p_paddr : phdr->p_vaddr;

		if (phdr->p_type == PT_LOAD && at >= start &&
		    at + len <= start + phdr->p_memsz)
			return pread(kcore->fd, buf, len, phdr->p_offset + at -
				     start) == (ssize_t)len;
	}
	return false;
}

static inline bool read_physical(uint64_t phys, void *buf, size_t len)
{
	return read_kcore(true, phys, buf, len);
}

/* A variable of the kernel's, by its name in /proc/kallsyms. */
static inline bool read_variable(const char *name, void *buf, size_t len)
{
	FILE *file = fopen("/proc/kallsyms", "r");
	unsigned long long at = 0, found = 0;
	char line[256], symbol[128];

	while (file && !found && fgets(line, sizeof(line), file))
		if (sscanf(line, "%llx %*c %127s", &at, symbol) == 2 &&
		    !strcmp(symbol, name))
			found = at;
	if (file)
		fclose(file);
	return found && read_kcore(false, found, buf, len);
}

/*
 * A list of CPUs or nodes, "0-3,8", into @set.  Returns how many are in it, 0
 * where there is no such file.
 */
static inline int read_list(const char *path, bool *set, int max)
{
	char buf[4096], *p = buf;
	int from, to, n = 0;

	memset(set, 0, max * sizeof(*set));
	if (read_file(path, buf, sizeof(buf)) <= 0)
		return 0;
	while (*p >= '0' && *p <= '9') {
		from = strtol(p, &p, 10);
		to = *p == '-' ? strtol(p + 1, &p, 10) : from;
		for (; from <= to && from < max; from++, n++)
			set[from] = true;
		p += *p == ',';
	}
	return n;
}

static inline bool node_has_cpu(int node, int cpu)
{
	static bool cpus[CPUS_MAX];
	char path[64];

	snprintf(path, sizeof(path), NODES "node%d/cpulist", node);
	return read_list(path, cpus, CPUS_MAX) && cpus[cpu];
}

/* A CPU of this node, or of any other. */
static inline int find_cpu(int node, bool there)
{
	static bool cpus[CPUS_MAX];
	int cpu;

	read_list("/sys/devices/system/cpu/online", cpus, CPUS_MAX);
	for (cpu = 0; cpu < CPUS_MAX; cpu++)
		if (cpus[cpu] && node_has_cpu(node, cpu) == there)
			return cpu;
	return -1;
}

/*
 * The first line of a file in which @a and @b both stand, or false.
 *
 * The kernel shows a long list in pieces and counts lines from one to the next
 * (fs/seq_file.c, m->index), so that a line is left out where one before it goes
 * meanwhile: it is not there only when it was looked for more than once.
 */
static inline bool find_line(const char *path, const char *a, const char *b,
			     char *line, size_t size)
{
	bool found = false;
	int looks;

	for (looks = 0; looks < LOOKS && !found; looks++) {
		FILE *file = fopen(path, "r");

		while (file && !found && fgets(line, size, file))
			found = strstr(line, a) && strstr(line, b);
		if (file)
			fclose(file);
	}
	return found;
}

/*
 * Address and size of an area, from its row in /proc/vmallocinfo.  False if the
 * address is not hashed as records have it: with kptr_restrict, before the
 * kernel can hash, or if it was told not to (no_hash_pointers, slub_debug); or if
 * records have none, as who knows a few could tell the rest (debug_boot_weak_hash).
 */
static inline bool parse_area(const char *line, char address[32],
			      long long *bytes)
{
	char args[4096];

	return !read_number("/proc/sys/kernel/kptr_restrict") &&
	       read_file("/proc/cmdline", args, sizeof(args)) > 0 &&
	       !strstr(args, "debug_boot_weak_hash") &&
	       sscanf(line, "0x%31[0-9a-f]-%*s %lld", address, bytes) == 2 &&
	       strncmp(address, "ffff", 4);
}

/* Whether the kernel keeps an object of its own for each that is allocated. */
static inline bool has_kmemleak(void)
{
	return !access("/sys/kernel/slab/kmemleak_object", F_OK);
}

/*
 * How often a command is run in a row: a loss of each time adds up, what else comes
 * and goes does not.  Where kmemleak is, it tells by name.
 */
static inline int nr_in_a_row(void)
{
	return has_kmemleak() ? 1 : 4;
}

/*
 * What something leaks is lost each time that it is done.  Less than half of what that
 * would be shows that it leaks nothing; at other times somebody else took pages.
 */
static inline void expect_kept(struct __test_metadata *_metadata,
			       void (*something)(struct __test_metadata *, const char *),
			       const char *what, int times, size_t leak_bytes)
{
	long long before, lost = 0, leaked = times * leak_bytes / PAGE_BYTES;
	int tries, looks, i;

	for (tries = 0; may_try(tries); tries++) {
		before = unused_pages();
		for (i = 0; i < times; i++)
			something(_metadata, what);
		/* Some goes a grace period later. */
		for (looks = 0; looks < LOOKS; looks++) {
			lost = before - unused_pages();
			if (2 * lost < leaked)
				return;
			usleep(20000);
		}
	}
	EXPECT_GT(leaked, 2 * lost)
	TH_LOG("%s: %lld pages in %d times", what, lost, times);
}

/* Whether areas can be found in /proc/vmallocinfo as records name them. */
static inline bool names_areas(void)
{
	char line[512], address[32];
	long long bytes;

	return find_line("/proc/vmallocinfo", "0x", "", line, sizeof(line)) &&
	       parse_area(line, address, &bytes);
}

/* So much memory, of which nothing is there before it is touched. */
static inline char *map_anon(size_t bytes)
{
	return mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Lines of the kernel's log in which a text stands. */
static inline int nr_logged(const char *text)
{
	static char log[1 << 20];
	int len = klogctl(KLOG_READ_ALL, log, sizeof(log) - 1), n = 0;
	const char *p = log;

	log[len > 0 ? len : 0] = '\0';
	while ((p = strstr(p, text))) {
		p++;
		n++;
	}
	return n;
}

/* Control groups, of version 2 */

#define CGROUP_ROOT	"/sys/fs/cgroup"

static inline const char *cgroup_path(const char *name, const char *file)
{
	static char path[256];

	snprintf(path, sizeof(path), CGROUP_ROOT "/%s/%s", name, file);
	return path;
}

/* Its members have ended.  Returns 0 or the errno. */
static inline int cgroup_remove(const char *name)
{
	return rmdir(cgroup_path(name, "")) ? errno : 0;
}

/* The same of one that a test has left, with all that is in it. */
static inline void cgroup_clear(const char *name)
{
	int tries;

	write_file(cgroup_path(name, "cgroup.kill"), "1");
	for (tries = 0; may_try(tries); tries++)
		if (cgroup_remove(name) != EBUSY)
			break;
}

/* A new group whose memory is accounted; false where that cannot be had. */
static inline bool cgroup_make(const char *name)
{
	cgroup_clear(name);
	write_file(CGROUP_ROOT "/cgroup.subtree_control", "+memory");
	if (mkdir(cgroup_path(name, ""), 0755))
		return false;
	return !access(cgroup_path(name, "memory.stat"), R_OK);
}

/* The same if what the kernel has for it is charged, too (cgroup.memory=nokmem). */
static inline bool cgroup_make_kmem(const char *name)
{
	return cgroup_make(name) &&
	       keyed_number(LAB "fingerprint", "memcg_kmem") == 1;
}

/* The caller becomes a member.  Returns 0 or the errno. */
static inline int cgroup_enter(const char *name)
{
	return write_file(cgroup_path(name, "cgroup.procs"), "0");
}

static inline long long cgroup_number(const char *name, const char *file,
				      const char *key)
{
	return keyed_number(cgroup_path(name, file), key);
}

/*
 * A number of memory.stat, with what each CPU has counted.  Reading that adds it
 * only when much has changed; cpu.stat always does, and for all controllers
 * (kernel/cgroup/rstat.c, cgroup_base_stat_cputime_show()).
 */
static inline long long cgroup_stat(const char *name, const char *key)
{
	char text[1024];

	read_file(cgroup_path(name, "cpu.stat"), text, sizeof(text));
	return cgroup_number(name, "memory.stat", key);
}

/* A new group of which memory can be asked back. */
static inline bool cgroup_make_reclaim(const char *name)
{
	return cgroup_make(name) &&
	       !access(cgroup_path(name, "memory.reclaim"), W_OK);
}

/* "4M"; what cannot be had is no matter. */
static inline void cgroup_reclaim(const char *name, const char *bytes)
{
	write_file(cgroup_path(name, "memory.reclaim"), bytes);
}

/* What /proc/kpagecgroup has for the frames that are charged to it. */
static inline uint64_t cgroup_inode(const char *name)
{
	struct stat st;

	return stat(cgroup_path(name, ""), &st) ? 0 : st.st_ino;
}

/* Commands that run while something else is looked at */

/*
 * Starts a command in another process, which ends with the errno of its write.
 */
static inline pid_t run_aside(const char *file, const char *command)
{
	pid_t pid = fork();

	if (!pid) {
		/* What it holds must not outlive a test that was cut off. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(write_file(file, command));
	}
	return pid;
}

static inline int exit_code_of(pid_t pid)
{
	int status;

	if (pid <= 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/*
 * Runs a command as a member of a cgroup, or of the caller's, which pays for what
 * it allocates.  Returns 0, the errno of the write, or -1.
 */
static inline int run_in_group(const char *group, int cpu, const char *command)
{
	pid_t pid = fork();

	if (!pid) {
		if (!pin_to_cpu(cpu) || (group && cgroup_enter(group)))
			_exit(255);
		_exit(write_file("/proc/kmemlab/run", command));
	}
	return exit_code_of(pid);
}

static inline double clock_seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static inline double seconds(void)
{
	return clock_seconds(CLOCK_MONOTONIC);
}

/*
 * Seconds that a command takes to end after SIGKILL, or -1 where it ended
 * before.
 */
static inline double kill_command(pid_t pid)
{
	double start = seconds();
	int status;

	if (pid <= 0)
		return -1;
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
		return -1;
	return seconds() - start;
}

/* Whether an experiment of the family holds what it shows, and its record. */
static inline bool is_held(const char *family, struct record *record)
{
	char result[128];

	snprintf(result, sizeof(result), LAB "%s/result", family);
	return read_file(result, record->text, sizeof(record->text)) > 0 &&
	       text_is(record, "status", "running");
}

static inline bool has_ended(pid_t pid)
{
	siginfo_t info = {};

	return !waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) &&
	       info.si_pid == pid;
}

/* Waits until one does, or the process that was to run it has ended. */
static inline bool await_held(pid_t pid, const char *family,
			      struct record *record)
{
	await(is_held(family, record) || has_ended(pid));
	return text_is(record, "status", "running");
}

/*
 * Starts an experiment that holds what it shows, and waits for its record; the
 * caller looks at what is held and then ends it with let_go(), or waits for the
 * process, which ends with the errno of the write.
 */
static inline pid_t hold(const char *family, const char *command,
			 struct record *record)
{
	char file[128];
	pid_t pid;

	snprintf(file, sizeof(file), LAB "%s/run", family);
	pid = run_aside(file, command);
	await_held(pid, family, record);
	return pid;
}

/*
 * Whether what hold() started was still held.  With a hold_ms that never ends
 * the test takes no longer than it needs, however slow the machine.
 */
static inline bool let_go(pid_t pid)
{
	return kill_command(pid) >= 0;
}

/*
 * Whether SIGKILL ends what @start starts, and the microseconds @after let run, within a
 * second.  One try in some is enough: the host may keep the guest waiting for longer,
 * but what does not end soon never does.
 */
#define ends_when_killed(start, after)					\
({									\
	double took_ = -1;						\
	int looks_;							\
									\
	for (looks_ = 0; looks_ < LOOKS && !(took_ >= 0 && took_ < 1);	\
	     looks_++) {						\
		pid_t pid_ = start;					\
									\
		usleep(after);						\
		took_ = kill_command(pid_);				\
	}								\
	took_ >= 0 && took_ < 1;					\
})

/* Waits for a process, so long at the most; whether it has ended. */
static inline bool await_end(pid_t pid, double limit)
{
	double end = seconds() + limit;

	while (!has_ended(pid) && seconds() < end)
		usleep(1000);
	return has_ended(pid);
}

/*
 * Starts hog (hog.c, which says what its options are) and waits until it has
 * what it is to take.  Returns its process, or -1 where it could not.
 */
__attribute__((format(printf, 1, 2)))
static inline pid_t hog(const char *fmt, ...)
{
	char path[PATH_MAX], options[256], *rest = options, *argv[16], c = 0;
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 8);
	int argc = 0, fd[2];
	pid_t pid;
	va_list ap;

	if (len < 0 || pipe2(fd, O_CLOEXEC))
		return -1;
	path[len] = '\0';
	strcpy(strrchr(path, '/'), "/hog");
	va_start(ap, fmt);
	vsnprintf(options, sizeof(options), fmt, ap);
	va_end(ap);
	argv[argc++] = path;
	while (argc < ARRAY_SIZE(argv) - 1 && (argv[argc] = strsep(&rest, " ")))
		argc++;
	argv[argc] = NULL;
	pid = fork();
	if (!pid) {
		/* What it says later is for nobody. */
		signal(SIGPIPE, SIG_IGN);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fd[1], STDOUT_FILENO);
		execv(path, argv);
		_exit(127);
	}
	close(fd[1]);
	while (read(fd[0], &c, 1) == 1 && c != '\n')
		;
	close(fd[0]);
	if (c == '\n')
		return pid;
	exit_code_of(pid);
	return -1;
}

/* Ends a process that was started here, whether it still runs or not. */
static inline void end_process(pid_t pid)
{
	kill_command(pid);
}

/**
 * struct member - a process in a cgroup that is to run one command
 * @pid:	its process
 * @to:		where it is told to go on
 * @from:	where it says that it has
 */
struct member {
	pid_t pid;
	int to, from;
};

static inline bool tell_member(const struct member *member)
{
	return write(member->to, "", 1) == 1;
}

/* Waits until it has come so far. */
static inline bool hear_member(const struct member *member)
{
	char byte;

	return read(member->from, &byte, 1) == 1;
}

/*
 * The file is open before, so that what is charged between two words of it is the
 * command's.
 */
static inline void be_member(const struct member *self, const char *group,
			     const char *family, const char *command)
{
	char file[128];
	int fd;

	snprintf(file, sizeof(file), LAB "%s/run", family);
	fd = open(file, O_WRONLY);
	if (cgroup_enter(group) || !tell_member(self) || !hear_member(self) ||
	    write(fd, command, strlen(command)) < 0 || !tell_member(self))
		_exit(1);
	_exit(!hear_member(self));
}

/*
 * Starts one, and comes back when it is in the group.  Then tell_member() has it
 * run its command, hear_member() waits for the end of that, and end_member() lets
 * it go.
 */
static inline bool start_member(struct member *member, const char *group,
				const char *family, const char *command)
{
	int down[2], up[2];

	if (pipe(down) || pipe(up))
		return false;
	member->pid = fork();
	if (!member->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(down[1]);
		close(up[0]);
		be_member(&(struct member){ .to = up[1], .from = down[0] },
			  group, family, command);
	}
	close(down[0]);
	close(up[1]);
	member->to = down[1];
	member->from = up[0];
	return hear_member(member);
}

static inline void close_member(const struct member *member)
{
	close(member->to);
	close(member->from);
}

static inline int end_member(const struct member *member)
{
	bool told = tell_member(member);

	close_member(member);
	return exit_code_of(member->pid) || !told;
}

/*
 * How many of the frames that a record lists hold the mark that it wrote through
 * their virtual addresses, as seen by their physical ones.
 */
static inline int nr_marked(const struct record *record)
{
	long long pfn, mark = number_of(record, "mark");
	int i, n = 0;

	for (i = 0; (pfn = numbered_cell_of(record, "frames", i)) != MISSING;
	     i++) {
		uint64_t found = 0;

		if (read_physical(pfn * PAGE_BYTES, &found, sizeof(found)))
			n += found == (uint64_t)mark + i;
	}
	return n;
}

/* Stretches of consecutive frames among those that a record lists. */
static inline int nr_runs(const struct record *record)
{
	long long pfn, before = MISSING;
	int i, n = 0;

	for (i = 0; (pfn = numbered_cell_of(record, "frames", i)) != MISSING;
	     i++) {
		n += pfn != before + 1;
		before = pfn;
	}
	return n;
}

#endif

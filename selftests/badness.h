/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whom the kernel would kill for its memory, reckoned as it does
 * (mm/oom_kill.c, oom_badness(); fs/proc/base.c, proc_oom_score()), from what
 * /proc shows of each process.
 */
#ifndef BADNESS_H
#define BADNESS_H

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define ADJ_MIN		(-1000)
#define ADJ_MAX		1000
/* Points of one that must not be killed. */
#define IMMUNE		(-1000000000LL)

/**
 * struct badness - one process, as the OOM killer sees it
 * @pid:	its leader
 * @name:	what it runs
 * @rss:	resident pages
 * @swap:	pages in swap
 * @tables:	pages of its page tables
 * @adj:	its oom_score_adj, thousandths of memory
 * @points:	pages that it is held to be worth; IMMUNE where it must live
 * @score:	what /proc/<pid>/oom_score should have
 */
struct badness {
	pid_t pid;
	char name[16];
	long long rss, swap, tables, adj, points, score;
};

/* RAM and swap, in pages. */
static inline long long badness_total(void)
{
	long long kb, total = 0;
	char line[128];
	FILE *file = fopen("/proc/meminfo", "r");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemTotal: %lld", &kb) == 1 ||
		    sscanf(line, "SwapTotal: %lld", &kb) == 1)
			total += kb;
	if (file)
		fclose(file);
	return total * 1024 / sysconf(_SC_PAGESIZE);
}

/* Processes that the kernel has killed for memory since it started. */
static inline long long nr_killed(void)
{
	FILE *file = fopen("/proc/vmstat", "r");
	long long n = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "oom_kill %lld", &n) == 1)
			break;
	if (file)
		fclose(file);
	return n;
}

/* A file of a process, as a string; empty where it has none. */
static inline void badness_read(pid_t pid, const char *name, char *text,
				size_t size)
{
	char path[64];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		n = read(fd, text, size - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
}

static inline long long badness_number(pid_t pid, const char *name)
{
	char text[32];

	badness_read(pid, name, text, sizeof(text));
	return atoll(text);
}

/*
 * Resident pages, as the OOM killer counts them: from 6.2 on status has a more
 * exact sum than either (fs/proc/array.c, do_task_stat()).
 */
static inline long long badness_rss(pid_t pid)
{
	char text[512], *p;
	int field;

	badness_read(pid, "stat", text, sizeof(text));
	/* The 24th field; the second, in parentheses, may have anything in it. */
	p = strrchr(text, ')');
	for (field = 2; p && field < 24; field++)
		p = strchr(p + 1, ' ');
	return p ? atoll(p) : 0;
}

/* What /proc/<pid>/oom_score says of one that is held to be worth so much. */
static inline long long badness_score(long long points, long long total)
{
	return (1000 + points * 1000 / total) * 2 / 3;
}

/* False where there is no such process, or one without memory of its own. */
static inline bool badness_of(pid_t pid, long long total, struct badness *b)
{
	long long kb, page_kb = sysconf(_SC_PAGESIZE) / 1024;
	char path[64], line[128];
	bool has_memory = false;
	FILE *file;

	memset(b, 0, sizeof(*b));
	b->pid = pid;
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file)) {
		sscanf(line, "Name: %15s", b->name);
		if (sscanf(line, "VmRSS: %lld", &kb) == 1)
			has_memory = true;
		else if (sscanf(line, "VmSwap: %lld", &kb) == 1)
			b->swap = kb / page_kb;
		else if (sscanf(line, "VmPTE: %lld", &kb) == 1)
			b->tables = kb / page_kb;
	}
	if (file)
		fclose(file);
	b->rss = badness_rss(pid);
	b->adj = badness_number(pid, "oom_score_adj");
	if (b->adj == ADJ_MIN || pid == 1) {
		b->points = IMMUNE;
		return has_memory;
	}
	b->points = b->rss + b->swap + b->tables + b->adj * (total / 1000);
	b->score = badness_score(b->points, total);
	return has_memory;
}

static inline int badness_compare(const void *a, const void *b)
{
	const struct badness *x = a, *y = b;

	return (x->points < y->points) - (x->points > y->points);
}

/* All processes, who would be killed first ahead.  Returns how many. */
static inline int badness_of_all(struct badness *b, int max)
{
	long long total = badness_total();
	struct dirent *entry;
	DIR *dir = opendir("/proc");
	int n = 0;

	while (dir && n < max && (entry = readdir(dir)))
		if (atoi(entry->d_name) > 0)
			n += badness_of(atoi(entry->d_name), total, &b[n]);
	if (dir)
		closedir(dir);
	qsort(b, n, sizeof(*b), badness_compare);
	return n;
}

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* The cgroup that pays for what the task at work asks for. */
#ifndef KMEMLAB_CORE_CGROUP_H
#define KMEMLAB_CORE_CGROUP_H

#include <linux/types.h>

struct lab_record;

/** define CGROUP_DEPTH - cgroups above one another whose limits are watched. */
#define CGROUP_DEPTH	16

/**
 * struct lab_cgroup_limits - how often a task's cgroups have reached their memory.max
 * @nr:		how many cgroups, from the task's own upward
 * @nr_reached:	of each
 */
struct lab_cgroup_limits {
	unsigned int nr;
	long nr_reached[CGROUP_DEPTH];
};

s64 cgroup_pages(void);
void cgroup_record(struct lab_record *record);
void cgroup_read_limits(struct lab_cgroup_limits *limits);
void cgroup_name_limit(const struct lab_cgroup_limits *before, char *reason);

#endif

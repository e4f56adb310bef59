/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A disk of one's own, in memory, that takes as long over each request as one
 * likes: null_blk, made through configfs (Documentation/block/null_blk.rst).
 */
#ifndef DISK_H
#define DISK_H

#include <sys/mount.h>
#include <sys/swap.h>

#include "kmemlab.h"

#define CONFIGFS	"/sys/kernel/config"

/* Of struct null_blk's irqmode: who says that a request is done. */
#define IRQ_NONE	0
#define IRQ_TIMER	2

/* include/linux/swap.h, union swap_header */
#define SWAP_VERSION_AT	1024
#define SWAP_MAGIC	"SWAPSPACE2"

/**
 * struct disk - one that was made
 * @name:	in configfs
 * @path:	of its device
 * @fd:		the device, open: with the last who has it open its cache goes
 */
struct disk {
	char name[32], path[64];
	int fd;
};

static inline void disk_set(const struct disk *disk, const char *attribute,
			    long long value)
{
	char path[128];

	snprintf(path, sizeof(path), CONFIGFS "/nullb/%s/%s", disk->name,
		 attribute);
	write_number(path, value);
}

static inline bool run_program(const char *const *argv)
{
	pid_t pid = fork();

	if (!pid) {
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	return !exit_code_of(pid);
}

/* 6.12 calls the device as configfs does, 6.1 by a number. */
static inline void disk_find(struct disk *disk)
{
	char path[128];

	snprintf(disk->path, sizeof(disk->path), "/dev/%s", disk->name);
	if (!access(disk->path, F_OK))
		return;
	snprintf(path, sizeof(path), CONFIGFS "/nullb/%s/index", disk->name);
	snprintf(disk->path, sizeof(disk->path), "/dev/nullb%lld",
		 read_number(path));
}

static inline void disk_end(const struct disk *disk)
{
	char path[128];

	/* Whatever its pages hold comes back first. */
	swapoff(disk->path);
	if (disk->fd >= 0)
		close(disk->fd);
	disk_set(disk, "power", 0);
	snprintf(path, sizeof(path), CONFIGFS "/nullb/%s", disk->name);
	rmdir(path);
}

/*
 * Makes a disk whose requests take so many nanoseconds each.  False where the
 * kernel has no null_blk; otherwise the caller owes disk_end().
 */
static inline bool disk_make(struct disk *disk, const char *name, int mib,
			     long long ns)
{
	static const char *const modprobe[] = {
		"modprobe", "null_blk", "nr_devices=0", NULL
	};
	char path[128];

	*disk = (struct disk){ .fd = -1 };
	snprintf(disk->name, sizeof(disk->name), "%s", name);
	if (access(CONFIGFS "/nullb", F_OK)) {
		if (!run_program(modprobe))
			return false;
		mount("none", CONFIGFS, "configfs", 0, NULL);
	}
	snprintf(path, sizeof(path), CONFIGFS "/nullb/%s", name);
	/* One that is there already was left by a test that was cut off. */
	if (!access(path, F_OK)) {
		disk_find(disk);
		disk_end(disk);
	}
	if (mkdir(path, 0755))
		return false;
	disk_set(disk, "size", mib);
	disk_set(disk, "blocksize", PAGE_BYTES);
	disk_set(disk, "memory_backed", 1);
	disk_set(disk, "irqmode", ns ? IRQ_TIMER : IRQ_NONE);
	disk_set(disk, "completion_nsec", ns);
	disk_set(disk, "power", 1);
	disk_find(disk);
	disk->fd = open(disk->path, O_RDWR | O_CLOEXEC);
	if (disk->fd >= 0)
		return true;
	disk_end(disk);
	return false;
}

/*
 * Reads all of a disk as a member of a cgroup, which then pays for the page
 * cache; from @node where that is not negative.
 */
static inline bool disk_read_in(const struct disk *disk, const char *group,
				int node)
{
	static char buf[1 << 16];
	pid_t pid = fork();

	if (!pid) {
		int fd = open(disk->path, O_RDONLY | O_CLOEXEC);

		if (fd < 0 || (group && cgroup_enter(group)) ||
		    (node >= 0 && !bind_to_node(node)))
			_exit(1);
		while (read(fd, buf, sizeof(buf)) > 0)
			;
		_exit(0);
	}
	return !exit_code_of(pid);
}

/* Makes all of a disk swap space; swapoff(disk->path) ends that, or disk_end(). */
static inline bool disk_swapon(const struct disk *disk, int mib)
{
	char page[PAGE_BYTES] = "";
	uint32_t info[] = { 1, mib * (1024 * 1024 / PAGE_BYTES) - 1 };

	memcpy(page + SWAP_VERSION_AT, info, sizeof(info));
	memcpy(page + PAGE_BYTES - strlen(SWAP_MAGIC), SWAP_MAGIC,
	       strlen(SWAP_MAGIC));
	return pwrite(disk->fd, page, sizeof(page), 0) == sizeof(page) &&
	       !fsync(disk->fd) && !swapon(disk->path, 0);
}

#endif

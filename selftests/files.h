/* SPDX-License-Identifier: GPL-2.0 */
/* The files that the lab has published, whichever they are. */
#ifndef FILES_H
#define FILES_H

#include <ftw.h>

#include "kmemlab.h"

#define PROC		"/proc/kmemlab/"
#define PARAMETERS	"/sys/module/kmemlab/parameters/"
#define FILES_MAX	512
#define DEPTH_MAX	8

/**
 * struct lab_file - a file or a directory
 * @path:	its name
 * @st:		whose it is, and who may do what with it
 * @fd:		leads to it without having opened it (O_PATH)
 */
struct lab_file {
	char path[128];
	struct stat st;
	int fd;
};

static struct lab_file files[FILES_MAX];
static int nr_files;

static int note_file(const char *path, const struct stat *st, int type,
		     struct FTW *ftw)
{
	struct lab_file *file = &files[nr_files];

	if (nr_files == FILES_MAX)
		return -1;
	snprintf(file->path, sizeof(file->path), "%s", path);
	file->st = *st;
	file->fd = open(path, O_PATH | O_CLOEXEC);
	nr_files++;
	return file->fd < 0;
}

/* Looks for them anew. */
static inline bool find_files(void)
{
	while (nr_files)
		close(files[--nr_files].fd);
	return !nftw(LAB, note_file, DEPTH_MAX, FTW_PHYS) &&
	       !nftw(PROC, note_file, DEPTH_MAX, FTW_PHYS) &&
	       !nftw(PARAMETERS, note_file, DEPTH_MAX, FTW_PHYS);
}

/*
 * By whoever the caller is now, whatever directories are on the way: that root
 * alone may enter debugfs is the mount's doing, and could be otherwise.
 */
static inline int open_found(const struct lab_file *file, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
	return open(path, flags | O_CLOEXEC);
}

#endif

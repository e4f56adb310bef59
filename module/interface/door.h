/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Doors: what the files of debugfs and of procfs have in common.  Both file
 * systems open the same doors, so a file reads and writes alike in either.
 */
#ifndef KMEMLAB_INTERFACE_DOOR_H
#define KMEMLAB_INTERFACE_DOOR_H

#include <linux/fs.h>
#include <linux/seq_file.h>
#include <linux/types.h>

struct lab_record;

/**
 * enum door_object - what the object of a door is
 * @DOOR_FAMILY: a &struct lab_family, or NULL for all of them
 * @DOOR_POOL:	a &struct lab_pool, of which each open file has a use
 */
enum door_object {
	DOOR_FAMILY,
	DOOR_POOL,
};

/**
 * struct lab_door - a kind of file
 * @name:	its name
 * @mode:	its mode
 * @of:		what its object is
 * @show:	fills a record with what reading shows, or NULL.  Called with no
 *		lock, may sleep; returns 0 or a negative errno
 * @show_public: the same for who has no CAP_SYS_ADMIN; NULL: then it cannot be
 *		opened without, whatever the mode is and whoever the owner
 * @last:	reading shows the last record of the object's commands
 * @commands:	writing runs a command; the program that wrote it reads back its
 *		record, if it opened the file for both
 * @verb:	what a command written here does; NULL: the text begins with it
 * @rows:	reading streams a table; then all of the above from @show on
 *		are unused
 */
struct lab_door {
	const char *name;
	umode_t mode;
	enum door_object of;
	int (*show)(struct lab_record *record, void *object);
	int (*show_public)(struct lab_record *record, void *object);
	bool last;
	bool commands;
	const char *verb;
	const struct seq_operations *rows;
};

/**
 * struct door_site - one file: a door and its object
 * @door:	which door
 * @object:	on what
 */
struct door_site {
	const struct lab_door *door;
	void *object;
};

/** define DOORS_MAX - the most files that one directory of doors has. */
#define DOORS_MAX	8

/* Tables that end with a door without a name. */
extern const struct lab_door family_doors[DOORS_MAX];
extern const struct lab_door pools_doors[DOORS_MAX];
extern const struct lab_door pool_doors[DOORS_MAX];
extern const struct lab_door top_doors[DOORS_MAX];
extern const struct lab_door proc_doors[DOORS_MAX];

int door_open(const struct door_site *site, struct file *file);
ssize_t door_read(const struct door_site *site, struct file *file,
		  char __user *to, size_t size, loff_t *pos);
ssize_t door_write(const struct door_site *site, struct file *file,
		   const char __user *from, size_t size, loff_t *pos);
void door_release(const struct door_site *site, struct file *file);

int door_table_open(const struct door_site *site, struct file *file);
void door_table_release(const struct door_site *site, struct inode *inode,
			struct file *file);

#endif

// SPDX-License-Identifier: GPL-2.0
/* /sys/kernel/debug/kmemlab: a directory for each family and for each pool. */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "core/family.h"
#include "engine/pool.h"
#include "engine/registry.h"
#include "interface/door.h"
#include "interface/interface.h"

/**
 * struct door_dir - a directory of doors
 * @dentry:	the directory
 * @site:	its files; they lead here for as long as it exists
 */
struct door_dir {
	struct dentry *dentry;
	struct door_site site[DOORS_MAX];
};

static struct door_dir top_dir;
static struct door_dir pools_dir;
static struct door_dir family_dirs[LAB_FAMILIES_MAX];

static int debugfs_door_open(struct inode *inode, struct file *file)
{
	return door_open(inode->i_private, file);
}

static ssize_t debugfs_door_read(struct file *file, char __user *to,
				 size_t size, loff_t *pos)
{
	return door_read(file_inode(file)->i_private, file, to, size, pos);
}

static ssize_t debugfs_door_write(struct file *file, const char __user *from,
				  size_t size, loff_t *pos)
{
	return door_write(file_inode(file)->i_private, file, from, size, pos);
}

static int debugfs_door_release(struct inode *inode, struct file *file)
{
	door_release(inode->i_private, file);
	return 0;
}

static int debugfs_table_open(struct inode *inode, struct file *file)
{
	return door_table_open(inode->i_private, file);
}

static int debugfs_table_release(struct inode *inode, struct file *file)
{
	door_table_release(inode->i_private, inode, file);
	return 0;
}

static const struct file_operations debugfs_door_ops = {
	.owner = THIS_MODULE,
	.open = debugfs_door_open,
	.read = debugfs_door_read,
	.write = debugfs_door_write,
	.llseek = default_llseek,
	.release = debugfs_door_release,
};

static const struct file_operations debugfs_table_ops = {
	.owner = THIS_MODULE,
	.open = debugfs_table_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = debugfs_table_release,
};

/*
 * The kernel's convention is not to check what debugfs returns: it copes with
 * its own errors, and the lab works through /proc without it.
 */
static void make_dir(struct door_dir *dir, const char *name,
		     struct dentry *parent, const struct lab_door *doors,
		     void *object)
{
	struct door_site *site = dir->site;
	const struct lab_door *door;

	dir->dentry = debugfs_create_dir(name, parent);
	for (door = doors; door->name; door++, site++) {
		*site = (struct door_site){ .door = door, .object = object };
		debugfs_create_file(door->name, door->mode, dir->dentry, site,
				    door->rows ? &debugfs_table_ops
					       : &debugfs_door_ops);
	}
}

static void publish_pool(struct lab_pool *pool)
{
	make_dir(pool->door, pool->name, pools_dir.dentry, pool_doors, pool);
}

static void withdraw_pool(struct lab_pool *pool)
{
	struct door_dir *dir = pool->door;

	debugfs_remove(dir->dentry);
}

static const struct lab_pool_watcher debugfs_watcher = {
	.door_bytes = sizeof(struct door_dir),
	/* A table has a line less, for its end, and there is the directory. */
	.nr_files = DOORS_MAX,
	.added = publish_pool,
	.removed = withdraw_pool,
};

/**
 * interface_debugfs_init() - publish /sys/kernel/debug/kmemlab
 *
 * Context: Module load.
 */
void interface_debugfs_init(void)
{
	int i;

	/* First: each pool has room for its files from the first one on. */
	pool_watch(&debugfs_watcher);
	make_dir(&top_dir, "kmemlab", NULL, top_doors, NULL);
	for (i = 0; lab_families[i]; i++)
		if (lab_families[i] != &pool_family)
			make_dir(&family_dirs[i], lab_families[i]->name,
				 top_dir.dentry, family_doors,
				 (void *)lab_families[i]);
	make_dir(&pools_dir, "pools", top_dir.dentry, pools_doors,
		 (void *)&pool_family);
}

/**
 * interface_debugfs_exit() - take /sys/kernel/debug/kmemlab away
 *
 * The pools' directories lie inside it and go with it; what they lead to is
 * freed with each pool, later.
 *
 * Context: Module unload: no file is open and none can be opened.
 */
void interface_debugfs_exit(void)
{
	pool_watch(NULL);
	debugfs_remove(top_dir.dentry);
}

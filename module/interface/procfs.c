// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/kmemlab: the same doors where debugfs is closed or not mounted.
 *
 * An open file pins the module, as it does in debugfs, so that unloading is
 * refused at once instead of waiting for a command to end.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "interface/door.h"
#include "interface/interface.h"

static struct proc_dir_entry *proc_root;
static struct door_site proc_sites[DOORS_MAX];

/*
 * proc_remove() waits for opens and releases at work, so both may touch the
 * count.
 */
static int open_pinned(struct inode *inode, struct file *file,
		       int (*open)(const struct door_site *site,
				   struct file *file))
{
	int err;

	if (!try_module_get(THIS_MODULE))
		return -ENODEV;
	err = open(pde_data(inode), file);
	if (err)
		module_put(THIS_MODULE);
	return err;
}

static int proc_door_open(struct inode *inode, struct file *file)
{
	return open_pinned(inode, file, door_open);
}

static ssize_t proc_door_read(struct file *file, char __user *to, size_t size,
			      loff_t *pos)
{
	return door_read(pde_data(file_inode(file)), file, to, size, pos);
}

static ssize_t proc_door_write(struct file *file, const char __user *from,
			       size_t size, loff_t *pos)
{
	return door_write(pde_data(file_inode(file)), file, from, size, pos);
}

static int proc_door_release(struct inode *inode, struct file *file)
{
	door_release(pde_data(inode), file);
	module_put(THIS_MODULE);
	return 0;
}

static int proc_table_open(struct inode *inode, struct file *file)
{
	return open_pinned(inode, file, door_table_open);
}

static int proc_table_release(struct inode *inode, struct file *file)
{
	door_table_release(pde_data(inode), inode, file);
	module_put(THIS_MODULE);
	return 0;
}

static const struct proc_ops proc_door_ops = {
	.proc_open = proc_door_open,
	.proc_read = proc_door_read,
	.proc_write = proc_door_write,
	.proc_lseek = default_llseek,
	.proc_release = proc_door_release,
};

static const struct proc_ops proc_table_ops = {
	.proc_open = proc_table_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = proc_table_release,
};

/**
 * interface_procfs_init() - publish /proc/kmemlab
 *
 * Files that cannot be made are missed, as in debugfs, and the log says so: what
 * has been published cannot be taken back while somebody may have it open.
 *
 * Context: Module load.
 */
void interface_procfs_init(void)
{
	struct door_site *site = proc_sites;
	const struct lab_door *door;

	proc_root = proc_mkdir("kmemlab", NULL);
	if (!proc_root) {
		pr_warn("/proc/kmemlab cannot be made\n");
		return;
	}
	for (door = proc_doors; door->name; door++, site++) {
		site->door = door;
		if (!proc_create_data(door->name, door->mode, proc_root,
				      door->rows ? &proc_table_ops
						 : &proc_door_ops, site))
			pr_warn("/proc/kmemlab/%s cannot be made\n", door->name);
	}
}

/**
 * interface_procfs_exit() - take /proc/kmemlab away
 *
 * Context: Module unload; waits for whoever is inside an operation.
 */
void interface_procfs_exit(void)
{
	proc_remove(proc_root);
}

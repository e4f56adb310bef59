// SPDX-License-Identifier: GPL-2.0
/*
 * One write is one command.  What a write leaves, or what reading makes, is
 * text that belongs to the open file's session: later reads page through that
 * text, so a reader never sees half of one record and half of the next.
 */
#include <linux/capability.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include "core/budget.h"
#include "core/record.h"
#include "engine/fingerprint.h"
#include "engine/pool.h"
#include "engine/runner.h"
#include "engine/session.h"
#include "interface/door.h"

/* Changes when a file or a key changes its meaning or goes away. */
#define ABI_VERSION	2

/*
 * The files tell frame numbers and change how the machine's memory is used.
 * For the first the kernel asks for CAP_SYS_ADMIN, in no namespace but its own
 * (fs/proc/task_mmu.c, pagemap_read()); a mode alone would let in every process
 * of uid 0, such as those of a container.
 *
 * It is asked of who opened the file, for as long as it is open: so nobody is
 * tricked into writing or reading on behalf of one who may not, and who may can
 * hand an open file to one who may not otherwise.
 */
static bool opener_may(const struct file *file)
{
	return file_ns_capable(file, &init_user_ns, CAP_SYS_ADMIN);
}

static int hold_object(const struct door_site *site, const struct file *file)
{
	if (!site->door->show_public && !opener_may(file))
		return -EPERM;
	if (site->door->of == DOOR_POOL && !pool_hold(site->object))
		return -ENOENT;
	return 0;
}

static void drop_object(const struct door_site *site)
{
	if (site->door->of == DOOR_POOL)
		pool_drop(site->object);
}

/**
 * door_open() - open a file
 * @site:	which
 * @file:	the open file
 *
 * Context: Process context, may sleep.
 * Return: 0; -EPERM without CAP_SYS_ADMIN; -ENOENT where the pool is leaving;
 * -ENOMEM.
 */
int door_open(const struct door_site *site, struct file *file)
{
	int err = hold_object(site, file);

	if (err)
		return err;
	file->private_data = session_open();
	if (!file->private_data) {
		drop_object(site);
		return -ENOMEM;
	}
	/*
	 * Else a write waits for another by the same open file before it comes here,
	 * and nothing can end that (fs/file.c, __fdget_pos()).
	 */
	file->f_mode &= ~FMODE_ATOMIC_POS;
	return 0;
}

/**
 * door_release() - close what door_open() opened
 * @site:	which
 * @file:	the open file
 *
 * Context: Process context, may sleep.
 */
void door_release(const struct door_site *site, struct file *file)
{
	session_close(file->private_data);
	drop_object(site);
}

/* Makes the text that reading shows. */
static int make_text(const struct door_site *site, const struct file *file,
		     struct lab_session *session)
{
	const struct lab_door *door = site->door;

	if (door->show_public && !opener_may(file))
		return session_show(session, door->show_public, site->object);
	if (door->last)
		return session_show_last(session, site->object);
	if (door->show)
		return session_show(session, door->show, site->object);
	return -EINVAL;
}

/**
 * door_read() - read the record of one's own command, or what the file shows
 * @site:	which
 * @file:	the open file
 * @to:		where to
 * @size:	how much, in bytes
 * @pos:	where in the text; 0 makes the text anew, unless it is a record;
 *		the first read after a command begins at the start wherever it
 *		stands
 *
 * Context: Process context, may sleep.
 * Return: bytes read, or a negative errno.
 */
ssize_t door_read(const struct door_site *site, struct file *file,
		  char __user *to, size_t size, loff_t *pos)
{
	struct lab_session *session = file->private_data;
	ssize_t ret = 0;

	if (context_gate_take(&session->gate))
		return -EINTR;
	if (!session->own && (!session->text || !*pos))
		ret = make_text(site, file, session);
	if (session->fresh) {
		session->fresh = false;
		*pos = 0;
	}
	if (!ret)
		ret = simple_read_from_buffer(to, size, pos, session->text,
					      session->len);
	context_gate_leave(&session->gate);
	return ret;
}

/* What the door itself says of a command written there. */
static void describe_call(const struct door_site *site, struct lab_call *call)
{
	*call = (struct lab_call){ .verb = site->door->verb };
	if (site->door->of == DOOR_POOL) {
		const struct lab_pool *pool = site->object;

		call->family = &pool_family;
		call->name = pool->name;
	} else {
		call->family = site->object;
	}
}

/**
 * door_write() - run a command
 * @site:	which
 * @file:	the open file
 * @from:	the command
 * @size:	its length in bytes
 * @pos:	left alone: a command has no place in the file
 *
 * Context: Process context, may sleep.
 * Return: @size, or the negative errno with which the command ended.
 */
ssize_t door_write(const struct door_site *site, struct file *file,
		   const char __user *from, size_t size, loff_t *pos)
{
	struct lab_session *session = file->private_data;
	struct lab_call call;
	ssize_t ret;

	if (!site->door->commands)
		return -EINVAL;
	if (context_gate_take(&session->gate))
		return -EINTR;
	/* What is too long is refused by its length, without being read. */
	if (size <= sizeof(session->command) &&
	    copy_from_user(session->command, from, size)) {
		ret = -EFAULT;
	} else {
		describe_call(site, &call);
		ret = session_run(session, &call, size) ?: size;
	}
	context_gate_leave(&session->gate);
	return ret;
}

/* Tables */

/**
 * struct door_table - an open file that streams the layout of a pool
 * @site:	which
 * @place:	where the object of the row at hand lies
 * @locked:	the pool's lock is held
 */
struct door_table {
	const struct door_site *site;
	struct lab_place place;
	bool locked;
};

/**
 * door_table_open() - open a file that streams a table
 * @site:	which
 * @file:	the open file
 *
 * Context: Process context, may sleep.
 * Return: 0; -EPERM without CAP_SYS_ADMIN; -ENOENT where the pool is leaving;
 * -ENOMEM.
 */
int door_table_open(const struct door_site *site, struct file *file)
{
	struct door_table *table;
	int err = hold_object(site, file);

	if (err)
		return err;
	table = __seq_open_private(file, site->door->rows, sizeof(*table));
	if (!table) {
		drop_object(site);
		return -ENOMEM;
	}
	table->site = site;
	return 0;
}

/**
 * door_table_release() - close what door_table_open() opened
 * @site:	which
 * @inode:	of the file
 * @file:	the open file
 *
 * Context: Process context, may sleep.
 */
void door_table_release(const struct door_site *site, struct inode *inode,
			struct file *file)
{
	seq_release_private(inode, file);
	drop_object(site);
}

static void *pools_start(struct seq_file *seq, loff_t *pos)
{
	pool_list_lock();
	return seq_list_start_head(pool_list(), *pos);
}

static void *pools_next(struct seq_file *seq, void *v, loff_t *pos)
{
	return seq_list_next(v, pool_list(), pos);
}

static void pools_stop(struct seq_file *seq, void *v)
{
	pool_list_unlock();
}

static int pools_show(struct seq_file *seq, void *v)
{
	struct lab_pool *pool = list_entry(v, struct lab_pool, node);
	struct lab_pool_counts counts;

	if (v == pool_list()) {
		seq_puts(seq,
			 "# name            <active_objs> <objsize> <charged_bytes> <allocator>\n");
		return 0;
	}
	if (pool->leaving)
		return SEQ_SKIP;
	pool_counts(pool, &counts);
	seq_printf(seq, "%-17s %13llu %9zu %12llu %s\n", pool->name,
		   counts.nr_objects, pool->source.object_bytes,
		   counts.charged_bytes, pool->source.allocator->name);
	return 0;
}

static const struct seq_operations pools_rows = {
	.start = pools_start,
	.next = pools_next,
	.stop = pools_stop,
	.show = pools_show,
};

/* Rows between two looks at whether others want the pool or the CPU. */
#define LAYOUT_BATCH	512

static void layout_unlock(struct door_table *table)
{
	if (table->locked)
		pool_layout_end(table->site->object);
	table->locked = false;
}

static int layout_lock(struct door_table *table)
{
	int err = pool_layout_begin(table->site->object);

	table->locked = !err;
	return err;
}

/* Row 0 is the head; row n is object n - 1. */
static void *layout_row(struct door_table *table, loff_t *pos)
{
	if (*pos && !pool_layout_at(table->site->object, *pos - 1, &table->place))
		return NULL;
	return pos;
}

static void *layout_start(struct seq_file *seq, loff_t *pos)
{
	struct door_table *table = seq->private;
	int err = layout_lock(table);

	return err ? ERR_PTR(err) : layout_row(table, pos);
}

/*
 * A reader who seeks makes seq_file go through all rows before without a pause,
 * so the pauses are here: nobody waits for the lock over a whole pool, and a
 * task that was killed finds the end of the table.
 */
static void *layout_next(struct seq_file *seq, void *v, loff_t *pos)
{
	struct door_table *table = seq->private;

	++*pos;
	if (*pos % LAYOUT_BATCH == 0) {
		layout_unlock(table);
		cond_resched();
		if (fatal_signal_pending(current) || layout_lock(table))
			return NULL;
	}
	return layout_row(table, pos);
}

static void layout_stop(struct seq_file *seq, void *v)
{
	layout_unlock(seq->private);
}

static int layout_show(struct seq_file *seq, void *v)
{
	const struct door_table *table = seq->private;
	const struct lab_place *place = &table->place;
	char address[RECORD_ADDRESS_SIZE];
	loff_t pos = *(loff_t *)v;

	if (!pos) {
		seq_puts(seq, "# index <pfn> <offset_bytes> <pages> <runs> <address>\n");
		return 0;
	}
	record_hide_address(address, place->address);
	seq_printf(seq, "%lld %lu %u %lu %lu %s\n", pos - 1,
		   place->frames.first_pfn, place->offset_bytes,
		   place->frames.nr_pages, place->frames.nr_runs, address);
	return 0;
}

static const struct seq_operations layout_rows = {
	.start = layout_start,
	.next = layout_next,
	.stop = layout_stop,
	.show = layout_show,
};

/* What is behind the doors */

static int show_abi_version(struct lab_record *record, void *unused)
{
	record_number(record, "", ABI_VERSION);
	return 0;
}

static int show_fingerprint(struct lab_record *record, void *unused)
{
	fingerprint_record(record);
	return 0;
}

static int show_budget_bytes(struct lab_record *record, void *unused)
{
	record_number(record, "", budget_limit());
	return 0;
}

static int show_floor_bytes(struct lab_record *record, void *unused)
{
	record_number(record, "", budget_floor());
	return 0;
}

static int show_charged_bytes(struct lab_record *record, void *unused)
{
	record_number(record, "", budget_charged());
	return 0;
}

/*
 * For everyone: the limits, which are shares of what /proc/meminfo has as
 * MemTotal.  What is done with the memory is no more for everyone than
 * /proc/slabinfo is.
 */
static int show_limits(struct lab_record *record, void *unused)
{
	record_number(record, "abi_version", ABI_VERSION);
	record_number(record, "budget_bytes", budget_limit());
	record_number(record, "floor_bytes", budget_floor());
	return 0;
}

static int show_summary(struct lab_record *record, void *unused)
{
	show_limits(record, NULL);
	record_number(record, "charged_bytes", budget_charged());
	record_number(record, "nr_pools", pool_count());
	return runner_show_stats(record, NULL);
}

/* Beside the directories of the families. */
const struct lab_door top_doors[DOORS_MAX] = {
	{ .name = "abi_version", .mode = 0400, .show = show_abi_version },
	{ .name = "fingerprint", .mode = 0400, .show = show_fingerprint },
	{ .name = "budget_bytes", .mode = 0400, .show = show_budget_bytes },
	{ .name = "floor_bytes", .mode = 0400, .show = show_floor_bytes },
	{ .name = "charged_bytes", .mode = 0400, .show = show_charged_bytes },
	{ .name = "ledger", .mode = 0400, .show = pool_show_ledger },
	{ .name = "experiments", .mode = 0400,
	  .show = runner_show_experiments },
	{}
};

/* In the directory of each family. */
const struct lab_door family_doors[DOORS_MAX] = {
	{ .name = "run", .mode = 0600, .show = runner_show_help,
	  .commands = true },
	{ .name = "result", .mode = 0400, .last = true },
	{ .name = "stats", .mode = 0400, .show = runner_show_stats },
	{}
};

/* Beside the directories of the pools. */
const struct lab_door pools_doors[DOORS_MAX] = {
	{ .name = "create", .mode = 0600, .show = runner_show_help,
	  .commands = true,
	  .verb = "create" },
	{ .name = "destroy", .mode = 0200, .commands = true,
	  .verb = "destroy" },
	{ .name = "result", .mode = 0400, .last = true },
	{ .name = "stats", .mode = 0400, .show = runner_show_stats },
	{}
};

/* In the directory of each pool. */
const struct lab_door pool_doors[DOORS_MAX] = {
	{ .name = "alloc", .mode = 0200, .of = DOOR_POOL, .commands = true,
	  .verb = "alloc" },
	{ .name = "free", .mode = 0200, .of = DOOR_POOL, .commands = true,
	  .verb = "free" },
	{ .name = "idle", .mode = 0200, .of = DOOR_POOL, .commands = true,
	  .verb = "idle" },
	{ .name = "use", .mode = 0200, .of = DOOR_POOL, .commands = true,
	  .verb = "use" },
	{ .name = "shrink", .mode = 0200, .of = DOOR_POOL, .commands = true,
	  .verb = "shrink" },
	{ .name = "stats", .mode = 0400, .of = DOOR_POOL,
	  .show = pool_show_stats },
	{ .name = "layout", .mode = 0400, .of = DOOR_POOL,
	  .rows = &layout_rows },
	{}
};

/* In /proc/kmemlab. */
const struct lab_door proc_doors[DOORS_MAX] = {
	{ .name = "summary", .mode = 0444, .show = show_summary,
	  .show_public = show_limits },
	{ .name = "pools", .mode = 0400, .rows = &pools_rows },
	{ .name = "run", .mode = 0600, .show = runner_show_all_help,
	  .commands = true },
	{ .name = "result", .mode = 0400, .last = true },
	{}
};

// SPDX-License-Identifier: GPL-2.0
/*
 * The budget: nothing is allocated before it is charged here.
 *
 * Two limits, because they fail in different ways.  The budget bounds what the
 * lab holds, whatever the machine looks like; the floor bounds what it leaves,
 * whatever others hold.  Without the floor a small budget could still push a
 * nearly full machine into the OOM killer.
 */
#include <linux/atomic.h>
#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "core/budget.h"
#include "core/command.h"

#define BUDGET_DEFAULT_SHARE	4	/* of RAM may be held */
#define FLOOR_DEFAULT_SHARE	16	/* of RAM must stay available */

/* Bytes as commands have them: decimal or hexadecimal, with an optional K, M or G. */
static int set_bytes(const char *text, const struct kernel_param *param)
{
	char *end;
	u64 bytes;

	/* memparse() takes a sign, and nothing at all. */
	if (!isdigit(*text))
		return -EINVAL;
	bytes = memparse(text, &end);
	if (*end == '\n')
		end++;
	if (*end)
		return -EINVAL;
	*(unsigned long long *)param->arg = bytes;
	return 0;
}

static const struct kernel_param_ops bytes_ops = {
	.set = set_bytes,
	.get = param_get_ullong,
};

static unsigned long long budget_bytes;
module_param_cb(budget_bytes, &bytes_ops, &budget_bytes, 0444);
MODULE_PARM_DESC(budget_bytes,
		 "most bytes the lab may hold, with K, M or G (default: a quarter of RAM)");

static unsigned long long floor_bytes;
module_param_cb(floor_bytes, &bytes_ops, &floor_bytes, 0444);
MODULE_PARM_DESC(floor_bytes,
		 "bytes that must stay available, likewise (default: a sixteenth of RAM)");

static atomic64_t charged_bytes = ATOMIC64_INIT(0);

/**
 * budget_init() - fill in the limits that no parameter gave
 *
 * Context: Module load, before any charge.
 */
void budget_init(void)
{
	u64 ram = (u64)totalram_pages() << PAGE_SHIFT;

	if (!budget_bytes)
		budget_bytes = ram / BUDGET_DEFAULT_SHARE;
	if (!floor_bytes)
		floor_bytes = ram / FLOOR_DEFAULT_SHARE;
}

/**
 * budget_check_floor() - see whether the machine can still spare memory
 * @bytes:	how much is about to be allocated
 * @reason:	LAB_REASON_SIZE bytes, filled in on failure
 *
 * The floor is held against si_mem_available(), the estimate behind
 * MemAvailable in /proc/meminfo: what can be had without swapping.  What is
 * available changes under the lab's hands, so a long command asks again and
 * again.
 *
 * Context: Any.
 * Return: 0, or -EDQUOT with @reason.
 */
int budget_check_floor(u64 bytes, char *reason)
{
	u64 available = (u64)max(si_mem_available(), 0L) << PAGE_SHIFT;

	if (available >= floor_bytes && bytes <= available - floor_bytes)
		return 0;
	snprintf(reason, LAB_REASON_SIZE,
		 "%llu more bytes would leave less than the floor of %llu of %llu available",
		 bytes, floor_bytes, available);
	return -EDQUOT;
}

/**
 * budget_charge() - ask before allocating
 * @bytes:	how much is about to be allocated
 * @reason:	LAB_REASON_SIZE bytes, filled in on failure
 *
 * Context: Any.
 * Return: 0, and the caller owes budget_uncharge(); or -EDQUOT with @reason,
 * over the budget or below the floor.
 */
int budget_charge(u64 bytes, char *reason)
{
	s64 held = atomic64_read(&charged_bytes);
	int err = budget_check_floor(bytes, reason);

	if (err)
		return err;
	do {
		if (bytes > budget_bytes || held > budget_bytes - bytes) {
			snprintf(reason, LAB_REASON_SIZE,
				 "%llu more bytes exceed the budget: %lld of %llu charged",
				 bytes, held, budget_bytes);
			return -EDQUOT;
		}
	} while (!atomic64_try_cmpxchg(&charged_bytes, &held, held + bytes));
	return 0;
}

/**
 * budget_uncharge() - say what was given back
 * @bytes:	how much of what budget_charge() granted
 *
 * Context: Any.
 */
void budget_uncharge(u64 bytes)
{
	atomic64_sub(bytes, &charged_bytes);
}

/**
 * budget_charged() - what is charged now
 *
 * Context: Any.
 * Return: bytes.
 */
u64 budget_charged(void)
{
	return atomic64_read(&charged_bytes);
}

/**
 * budget_limit() - the most that may be charged
 *
 * Context: Any.
 * Return: bytes.
 */
u64 budget_limit(void)
{
	return budget_bytes;
}

/**
 * budget_floor() - what must stay available
 *
 * Context: Any.
 * Return: bytes.
 */
u64 budget_floor(void)
{
	return floor_bytes;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * What code of the module was run.  scripts/mutate builds this into a module of its
 * own, whose every basic block calls it (-fsanitize-coverage=trace-pc), and reads
 * /sys/module/kmemlab/parameters/cover until that is empty: where it was called from,
 * as what to add to the address of __sanitizer_cov_trace_pc().
 */
#include <linux/bitmap.h>
#include <linux/moduleparam.h>
#include <linux/sizes.h>
#include <linux/sysfs.h>

#define COVER_BYTES	SZ_4M	/* of code on each side */

static DECLARE_BITMAP(seen, 2 * COVER_BYTES);

notrace void __sanitizer_cov_trace_pc(void);
notrace void __sanitizer_cov_trace_pc(void)
{
	unsigned long at = _RET_IP_ - (unsigned long)__sanitizer_cov_trace_pc +
			   COVER_BYTES;

	if (at < 2 * COVER_BYTES && !test_bit(at, seen))
		set_bit(at, seen);
}

/* What is shown is forgotten. */
static int cover_get(char *buf, const struct kernel_param *param)
{
	unsigned long at = 0;
	int len = 0;

	for_each_set_bit_from(at, seen, 2 * COVER_BYTES) {
		if (len > PAGE_SIZE - 16)
			break;
		clear_bit(at, seen);
		len += sysfs_emit_at(buf, len, "%ld ", (long)at - COVER_BYTES);
	}
	return len;
}

static const struct kernel_param_ops cover_ops = {
	.get = cover_get,
};
module_param_cb(cover, &cover_ops, NULL, 0400);

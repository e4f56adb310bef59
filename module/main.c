// SPDX-License-Identifier: GPL-2.0
/*
 * kmemlab - a laboratory for the kernel's memory allocators.
 *
 * Reads best from here downward: interface/ opens files, engine/ turns a
 * command into a record, families/ hold one allocator each, core/ is what they
 * stand on.
 */
#include <linux/init.h>
#include <linux/module.h>

#include "core/budget.h"
#include "core/context.h"
#include "core/ledger.h"
#include "engine/pool.h"
#include "engine/registry.h"
#include "engine/runner.h"
#include "families/ioremap.h"
#include "families/magazine.h"
#include "interface/interface.h"

static int __init kmemlab_init(void)
{
	int err;

	err = registry_check();
	if (err)
		return err;
	err = context_init();
	if (err)
		return err;
	err = magazine_init();
	if (err)
		goto context;
	err = ioremap_init();
	if (err)
		goto magazine;
	budget_init();
	err = ledger_init();
	if (err)
		goto ioremap;
	/* From here on commands come in, so nothing after this may fail. */
	interface_debugfs_init();
	interface_procfs_init();
	return 0;
ioremap:
	ioremap_exit();
magazine:
	magazine_exit();
context:
	context_exit();
	return err;
}

static void __exit kmemlab_exit(void)
{
	interface_procfs_exit();
	interface_debugfs_exit();
	pool_exit();
	runner_exit();
	ledger_exit();
	ioremap_exit();
	magazine_exit();
	context_exit();
}

module_init(kmemlab_init);
module_exit(kmemlab_exit);

MODULE_DESCRIPTION("A laboratory for the kernel's memory allocators");
MODULE_LICENSE("GPL");

/* SPDX-License-Identifier: GPL-2.0 */
/* Where and how a piece of an experiment runs. */
#ifndef KMEMLAB_CORE_CONTEXT_H
#define KMEMLAB_CORE_CONTEXT_H

#include <linux/gfp.h>
#include <linux/types.h>

/*
 * A request that never sleeps, never wakes kswapd and never warns: the only
 * kind that may be made while the machine is held still.
 */
#define GFP_STILL	__GFP_NOWARN

/*
 * For everything else the lab allocates for others to look at: it may sleep and
 * reclaim, but a lab that is refused memory says so instead of having the OOM
 * killer find it some.
 */
#define GFP_LAB		(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN)

int context_still(int (*fn)(void *arg), void *arg, char *reason);
int context_breathe(char *reason);
int context_hold(unsigned int ms, char *reason);

#endif

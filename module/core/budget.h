/* SPDX-License-Identifier: GPL-2.0 */
/* How much the lab may hold, and how much must stay free for all others. */
#ifndef KMEMLAB_CORE_BUDGET_H
#define KMEMLAB_CORE_BUDGET_H

#include <linux/types.h>

void budget_init(void);
int budget_check_floor(u64 bytes, char *reason);
int budget_charge(u64 bytes, char *reason);
void budget_uncharge(u64 bytes);
u64 budget_charged(void);
u64 budget_limit(void);
u64 budget_floor(void);

#endif

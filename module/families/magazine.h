/* SPDX-License-Identifier: GPL-2.0 */
/* Per-CPU magazines of objects in front of a cache. */
#ifndef KMEMLAB_FAMILIES_MAGAZINE_H
#define KMEMLAB_FAMILIES_MAGAZINE_H

int magazine_init(void);
void magazine_exit(void);

#endif

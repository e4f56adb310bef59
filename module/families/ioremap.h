/* SPDX-License-Identifier: GPL-2.0 */
/* The driver of the listed devices, for as long as the module is loaded. */
#ifndef KMEMLAB_FAMILIES_IOREMAP_H
#define KMEMLAB_FAMILIES_IOREMAP_H

int ioremap_init(void);
void ioremap_exit(void);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KMEMLAB_INTERFACE_INTERFACE_H
#define KMEMLAB_INTERFACE_INTERFACE_H

void interface_debugfs_init(void);
void interface_debugfs_exit(void);
void interface_procfs_init(void);
void interface_procfs_exit(void);

#endif

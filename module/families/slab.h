/* SPDX-License-Identifier: GPL-2.0 */
/* What allocators of the slab family have in common. */
#ifndef KMEMLAB_FAMILIES_SLAB_H
#define KMEMLAB_FAMILIES_SLAB_H

struct lab_allocator;
struct lab_param;
struct lab_run;
struct lab_source;

extern const struct lab_param slab_params[];
extern const struct lab_allocator magazine_allocator;

int slab_open(struct lab_source *source, struct lab_run *run, const char *name);
void slab_close(struct lab_source *source);

#endif

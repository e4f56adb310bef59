/* SPDX-License-Identifier: GPL-2.0 */
/* What the calls of an allocator cost. */
#ifndef KMEMLAB_ENGINE_BENCH_H
#define KMEMLAB_ENGINE_BENCH_H

struct lab_family;

extern const struct lab_family bench_family;

#endif

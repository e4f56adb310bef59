/* SPDX-License-Identifier: GPL-2.0 */
/* The families there are. */
#ifndef KMEMLAB_ENGINE_REGISTRY_H
#define KMEMLAB_ENGINE_REGISTRY_H

#include <linux/types.h>

struct lab_allocator;
struct lab_command;
struct lab_experiment;
struct lab_family;
struct lab_param;

/** define LAB_FAMILIES_MAX - the most families that there can be. */
#define LAB_FAMILIES_MAX	15

extern const struct lab_family *const lab_families[];

int registry_check(void);
const struct lab_family *registry_family(const char *name, size_t len);
const struct lab_experiment *
registry_experiment(const struct lab_family *family, const char *name);
const struct lab_allocator *registry_allocator(const char *name);
const struct lab_param *registry_allocator_params(const struct lab_command *cmd,
						  char *reason);

#endif

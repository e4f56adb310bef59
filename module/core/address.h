/* SPDX-License-Identifier: GPL-2.0 */
/* Addresses in order, and what they tell of the slabs that they lie in. */
#ifndef KMEMLAB_CORE_ADDRESS_H
#define KMEMLAB_CORE_ADDRESS_H

#include <linux/types.h>

int address_compare(const void *a, const void *b);
void address_sort(void **address, size_t nr);
bool address_same_slab(const void *a, const void *b);
size_t address_spacing(void **object, size_t nr);

#endif

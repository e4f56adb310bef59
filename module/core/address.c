// SPDX-License-Identifier: GPL-2.0
/* Addresses in order, and what they tell of the slabs that they lie in. */
#include <linux/gcd.h>
#include <linux/mm.h>
#include <linux/sort.h>

#include "core/address.h"

/**
 * address_compare() - the order of two addresses, for sort() and bsearch()
 * @a:	where one is
 * @b:	where the other is
 *
 * Context: Any.
 * Return: less than 0, 0 or more than 0, as the first is lower, the same or higher.
 */
int address_compare(const void *a, const void *b)
{
	unsigned long x = *(unsigned long *)a, y = *(unsigned long *)b;

	return x < y ? -1 : x > y;
}

/**
 * address_sort() - sort addresses, the lowest first
 * @address:	the addresses
 * @nr:		how many
 *
 * Context: Process context; it may take long, but does not sleep.
 */
void address_sort(void **address, size_t nr)
{
	sort(address, nr, sizeof(*address), address_compare, NULL);
}

/**
 * address_same_slab() - whether two objects lie in one slab
 * @a:	one; it is not free
 * @b:	the other; it is not free
 *
 * Context: Any.
 * Return: whether they do.
 */
bool address_same_slab(const void *a, const void *b)
{
	return virt_to_head_page(a) == virt_to_head_page(b);
}

/**
 * address_spacing() - how far apart the objects of a cache lie in its slabs
 * @object:	objects of one cache, sorted, none of them free
 * @nr:		how many
 *
 * All distances in a slab are multiples of the spacing, which is what two neighbours
 * are apart.  If others use the slab as well, no two of the objects may be neighbours,
 * but many distances rarely have another divisor in common.
 *
 * Context: Any.
 * Return: the greatest common divisor of the distances in each slab, in bytes; 0 if no
 *	   two of the objects lie in one slab.
 */
size_t address_spacing(void **object, size_t nr)
{
	unsigned long spacing = 0;
	size_t i;

	for (i = 1; i < nr; i++)
		if (address_same_slab(object[i], object[i - 1]))
			spacing = gcd(spacing, object[i] - object[i - 1]);
	return spacing;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Loops as anybody would write them, with nothing of the lab in them: a second
 * source for what its bench says.
 *
 * Loading it runs them; the figures are parameters to be read in
 * /sys/module/bare/parameters, each of @nr rounds in units of get_cycles(), the
 * least of some tries, less what the empty loop takes.
 */
#include <linux/gfp.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timex.h>
#include <linux/vmalloc.h>

static unsigned int size = 256;
module_param(size, uint, 0444);
MODULE_PARM_DESC(size, "of an object, in bytes");

static unsigned long nr = 128;
module_param(nr, ulong, 0444);
MODULE_PARM_DESC(nr, "rounds");

static unsigned int tries = 64;
module_param(tries, uint, 0444);
MODULE_PARM_DESC(tries, "of which the least counts");

static char *loops = "slab,area,fill";
module_param(loops, charp, 0444);
MODULE_PARM_DESC(loops, "which are run");

static unsigned long slab;
module_param(slab, ulong, 0444);
MODULE_PARM_DESC(slab, "kmem_cache_alloc() and kmem_cache_free()");

static unsigned long area;
module_param(area, ulong, 0444);
MODULE_PARM_DESC(area, "vmalloc() of a page and vfree()");

static unsigned long fill;
module_param(fill, ulong, 0444);
MODULE_PARM_DESC(fill, "kmem_cache_alloc(), put into a list");

static struct kmem_cache *cache;
static void *list;

static noinline void empty_loop(void)
{
	unsigned long i;

	for (i = nr; i; i--)
		barrier();
}

/* Requests that are never refused, so that nothing has to be looked at. */
static noinline void slab_loop(void)
{
	struct kmem_cache *c = cache;
	unsigned long i;

	for (i = nr; i; i--)
		kmem_cache_free(c, kmem_cache_alloc(c, GFP_KERNEL |
						       __GFP_NOFAIL));
}

static noinline void area_loop(void)
{
	unsigned long i;

	for (i = nr; i; i--)
		vfree(vmalloc(PAGE_SIZE));
}

static noinline void fill_loop(void)
{
	struct kmem_cache *c = cache;
	unsigned long i;

	for (i = nr; i; i--) {
		void **object = kmem_cache_alloc(c, GFP_KERNEL | __GFP_NOFAIL);

		*object = list;
		list = object;
	}
}

static void empty_list(void)
{
	while (list) {
		void *next = *(void **)list;

		kmem_cache_free(cache, list);
		list = next;
	}
}

static unsigned long least(const char *name, void (*loop)(void))
{
	unsigned long most = ULONG_MAX;
	unsigned int i;

	if (!strstr(loops, name))
		return 0;
	for (i = 0; i < tries; i++) {
		unsigned long start = get_cycles();

		loop();
		most = min_t(unsigned long, most, get_cycles() - start);
		empty_list();
	}
	return most;
}

static int __init bare_init(void)
{
	unsigned long empty;

	cache = kmem_cache_create("bare", max_t(unsigned int, size, sizeof(void *)),
				  0, 0, NULL);
	if (!cache)
		return -ENOMEM;
	empty = least("", empty_loop);
	slab = least("slab", slab_loop) - empty;
	area = least("area", area_loop) - empty;
	fill = least("fill", fill_loop) - empty;
	kmem_cache_destroy(cache);
	return 0;
}

static void __exit bare_exit(void)
{
}

module_init(bare_init);
module_exit(bare_exit);

MODULE_DESCRIPTION("Bare loops of allocations");
MODULE_LICENSE("GPL");

// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "core/family.h"
#include "engine/bench.h"
#include "engine/pool.h"
#include "engine/registry.h"

/* One line a family; the order is that of the listing. */
const struct lab_family *const lab_families[] = {
	&buddy_family,
	&slab_family,
	&kmalloc_family,
	&vmalloc_family,
	&ioremap_family,
	&percpu_family,
	&numa_family,
	&page_family,
	&gfp_family,
	&reclaim_family,
	&memcg_family,
	&pool_family,
	&bench_family,
	NULL
};

#define NAME_CHARS	"abcdefghijklmnopqrstuvwxyz0123456789_"

static bool bad_name(const char *name)
{
	return !name[0] || strspn(name, NAME_CHARS) != strlen(name);
}

static bool bad_default(const struct lab_param *p)
{
	u64 i;

	if (p->required || p->type == LAB_WORD || p->type == LAB_TEXT)
		return false;
	if (p->type == LAB_NUMBER)
		return p->def < p->min || p->def > p->max;
	for (i = 0; p->choices && p->choices[i]; i++)
		if (i == p->def)
			return false;
	return true;
}

/* @room: how many parameters another table leaves for this one */
static int check_params(const char *family, const char *of,
			const struct lab_param *params, unsigned int room)
{
	const struct lab_param *p;

	for (p = params; p && p->name; p++) {
		if (bad_name(p->name) || !p->help || p - params >= room ||
		    (p->type == LAB_CHOICE && !p->choices) || bad_default(p)) {
			pr_err("%s.%s: parameter %s is not well-formed\n",
			       family, of, p->name);
			return -EINVAL;
		}
	}
	return 0;
}

/* How many parameters an allocator may have beside those of any experiment. */
static unsigned int room_for_more(void)
{
	const struct lab_family *const *family;
	const struct lab_experiment *e;
	unsigned int nr, most = 0;

	for (family = lab_families; *family; family++) {
		for (e = (*family)->experiments; e->name; e++) {
			for (nr = 0; e->params && e->params[nr].name; nr++)
				;
			if (e->more_params)
				most = max(most, nr);
		}
	}
	return LAB_PARAMS_MAX - most;
}

static int check_allocator(const char *family, const struct lab_allocator *a)
{
	if (bad_name(a->name) || !a->help || !a->open || !a->alloc ||
	    !a->free || !a->loops ||
	    !a->idle != !a->reuse || !a->idle != !a->count_idle ||
	    registry_allocator(a->name) != a) {
		pr_err("%s.%s is not well-formed\n", family, a->name);
		return -EINVAL;
	}
	return check_params(family, a->name, a->params, room_for_more());
}

static int check_family(const struct lab_family *family)
{
	const struct lab_allocator *const *a;
	const struct lab_experiment *e;
	int err = 0;

	if (bad_name(family->name) || !family->help) {
		pr_err("family %s is not well-formed\n", family->name);
		return -EINVAL;
	}
	for (e = family->experiments; !err && e->name; e++) {
		if (bad_name(e->name) || !e->help || !e->run ||
		    registry_experiment(family, e->name) != e) {
			pr_err("%s.%s is not well-formed\n", family->name,
			       e->name);
			return -EINVAL;
		}
		err = check_params(family->name, e->name, e->params,
				   LAB_PARAMS_MAX);
	}
	for (a = family->allocators; !err && a && *a; a++)
		err = check_allocator(family->name, *a);
	return err;
}

/**
 * registry_check() - see that every table keeps to the contract
 *
 * A mistake in a table is caught when the module loads, not when a user meets
 * it.
 *
 * Context: Module load.
 * Return: 0, or -EINVAL with the mistake in the log.
 */
int registry_check(void)
{
	int i, err = 0;

	for (i = 0; !err && lab_families[i]; i++) {
		if (i == LAB_FAMILIES_MAX) {
			pr_err("more than %d families\n", LAB_FAMILIES_MAX);
			return -EINVAL;
		}
		err = check_family(lab_families[i]);
	}
	return err;
}

/**
 * registry_family() - find a family
 * @name:	its name; need not end in NUL
 * @len:	length of @name in bytes
 *
 * Context: Any.
 * Return: the family, or NULL.
 */
const struct lab_family *registry_family(const char *name, size_t len)
{
	const struct lab_family *const *family;

	for (family = lab_families; *family; family++)
		if (strlen((*family)->name) == len &&
		    !memcmp((*family)->name, name, len))
			return *family;
	return NULL;
}

/**
 * registry_experiment() - find an experiment
 * @family:	whose
 * @name:	its name
 *
 * Context: Any.
 * Return: the experiment, or NULL.
 */
const struct lab_experiment *
registry_experiment(const struct lab_family *family, const char *name)
{
	const struct lab_experiment *e;

	for (e = family->experiments; e->name; e++)
		if (!strcmp(e->name, name))
			return e;
	return NULL;
}

/**
 * registry_allocator() - find an allocator
 * @name:	its name
 *
 * Context: Any.
 * Return: the allocator, or NULL.
 */
const struct lab_allocator *registry_allocator(const char *name)
{
	const struct lab_family *const *family;
	const struct lab_allocator *const *a;

	for (family = lab_families; *family; family++)
		for (a = (*family)->allocators; a && *a; a++)
			if (!strcmp((*a)->name, name))
				return *a;
	return NULL;
}

/**
 * registry_allocator_params() - what the allocator that a command names takes
 * @cmd:	a command with the parameter "allocator"
 * @reason:	LAB_REASON_SIZE bytes, filled in where there is no such allocator
 *
 * Context: Any.
 * Return: the table; NULL where the command names none; ERR_PTR(-EINVAL).
 */
const struct lab_param *registry_allocator_params(const struct lab_command *cmd,
						  char *reason)
{
	const char *name = command_value(cmd, "allocator");
	const struct lab_allocator *allocator =
		name ? registry_allocator(name) : NULL;

	if (!name)
		return NULL;	/* command_bind() says that it is missing */
	if (!allocator) {
		snprintf(reason, LAB_REASON_SIZE,
			 "there is no allocator called %.31s", name);
		return ERR_PTR(-EINVAL);
	}
	return allocator->params;
}

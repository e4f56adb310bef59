// SPDX-License-Identifier: GPL-2.0
/* percpu - memory of which each CPU has a copy of its own. */
#include <linux/kernel.h>

#include "core/family.h"

/* The tables */

static const struct lab_experiment percpu_experiments[] = {
	{}
};

const struct lab_family percpu_family = {
	.name = "percpu",
	.help = "a copy for each CPU",
	.experiments = percpu_experiments,
};

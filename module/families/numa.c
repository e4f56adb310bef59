// SPDX-License-Identifier: GPL-2.0
/* numa - nodes, each with memory of its own. */
#include <linux/kernel.h>

#include "core/family.h"

/* The tables */

static const struct lab_experiment numa_experiments[] = {
	{}
};

const struct lab_family numa_family = {
	.name = "numa",
	.help = "memory by node",
	.experiments = numa_experiments,
};

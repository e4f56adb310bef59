// SPDX-License-Identifier: GPL-2.0
/* gfp - the flags of a request. */
#include <linux/kernel.h>

#include "core/family.h"

/* The tables */

static const struct lab_experiment gfp_experiments[] = {
	{}
};

const struct lab_family gfp_family = {
	.name = "gfp",
	.help = "the flags of a request",
	.experiments = gfp_experiments,
};

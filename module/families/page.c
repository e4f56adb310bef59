// SPDX-License-Identifier: GPL-2.0
/* page - what the kernel knows of each frame. */
#include <linux/kernel.h>

#include "core/family.h"

/* The tables */

static const struct lab_experiment page_experiments[] = {
	{}
};

const struct lab_family page_family = {
	.name = "page",
	.help = "what is known of each frame",
	.experiments = page_experiments,
};

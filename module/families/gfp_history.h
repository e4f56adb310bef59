/* SPDX-License-Identifier: GPL-2.0 */
/* The flags of a request as other kernels had them. */
#ifndef KMEMLAB_FAMILIES_GFP_HISTORY_H
#define KMEMLAB_FAMILIES_GFP_HISTORY_H

#include <linux/types.h>

/** define GFP_TEXT_SIZE - room for the names of all flags, in bytes. */
#define GFP_TEXT_SIZE	640

int gfp_kernel_version(const char *text);
bool gfp_bits_of_text(unsigned int version, const char *text, u32 *bits,
		      char unknown[32]);
void gfp_text_of_bits(unsigned int version, u32 bits, char text[GFP_TEXT_SIZE]);
u32 gfp_bits_of_name(unsigned int version, const char *name);

#endif

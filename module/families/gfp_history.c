// SPDX-License-Identifier: GPL-2.0
/*
 * A log says "mode:0x14000c0", and which flags these are depends on the kernel that
 * wrote it: include/linux/gfp.h has given them other bits at eight releases.
 */
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/string.h>

#include "families/gfp_history.h"

#define RELEASE(major, minor)	((major) * 1000 + (minor))
#define OLDEST			RELEASE(3, 10)
#define NOW			UINT_MAX

/* A flag, its number, and the first releases that had it there and no longer did. */
static const struct {
	const char *name;
	unsigned int bit;
	unsigned int since;
	unsigned int until;
} gfp_bits[] = {
	{ "__GFP_DMA", 0, OLDEST, NOW },
	{ "__GFP_HIGHMEM", 1, OLDEST, NOW },
	{ "__GFP_DMA32", 2, OLDEST, NOW },
	{ "__GFP_MOVABLE", 3, OLDEST, NOW },
	{ "__GFP_WAIT", 4, OLDEST, RELEASE(4, 4) },
	{ "__GFP_RECLAIMABLE", 19, OLDEST, RELEASE(4, 4) },
	{ "__GFP_RECLAIMABLE", 4, RELEASE(4, 4), NOW },
	{ "__GFP_HIGH", 5, OLDEST, NOW },
	{ "__GFP_IO", 6, OLDEST, NOW },
	{ "__GFP_FS", 7, OLDEST, NOW },
	{ "__GFP_COLD", 8, OLDEST, RELEASE(4, 15) },
	{ "__GFP_WRITE", 24, OLDEST, RELEASE(4, 10) },
	{ "__GFP_WRITE", 23, RELEASE(4, 10), RELEASE(4, 18) },
	{ "__GFP_WRITE", 8, RELEASE(4, 18), RELEASE(5, 1) },
	{ "__GFP_WRITE", 12, RELEASE(5, 1), NOW },
	{ "__GFP_NOWARN", 9, OLDEST, RELEASE(5, 1) },
	{ "__GFP_NOWARN", 13, RELEASE(5, 1), NOW },
	{ "__GFP_REPEAT", 10, OLDEST, RELEASE(4, 13) },
	{ "__GFP_RETRY_MAYFAIL", 10, RELEASE(4, 13), RELEASE(5, 1) },
	{ "__GFP_RETRY_MAYFAIL", 14, RELEASE(5, 1), NOW },
	{ "__GFP_NOFAIL", 11, OLDEST, RELEASE(5, 1) },
	{ "__GFP_NOFAIL", 15, RELEASE(5, 1), NOW },
	{ "__GFP_NORETRY", 12, OLDEST, RELEASE(5, 1) },
	{ "__GFP_NORETRY", 16, RELEASE(5, 1), NOW },
	{ "__GFP_MEMALLOC", 13, OLDEST, RELEASE(5, 1) },
	{ "__GFP_MEMALLOC", 17, RELEASE(5, 1), NOW },
	{ "__GFP_COMP", 14, OLDEST, RELEASE(5, 1) },
	{ "__GFP_COMP", 18, RELEASE(5, 1), NOW },
	{ "__GFP_ZERO", 15, OLDEST, RELEASE(5, 1) },
	{ "__GFP_ZERO", 8, RELEASE(5, 1), NOW },
	{ "__GFP_NOMEMALLOC", 16, OLDEST, RELEASE(5, 1) },
	{ "__GFP_NOMEMALLOC", 19, RELEASE(5, 1), NOW },
	{ "__GFP_HARDWALL", 17, OLDEST, RELEASE(5, 1) },
	{ "__GFP_HARDWALL", 20, RELEASE(5, 1), NOW },
	{ "__GFP_THISNODE", 18, OLDEST, RELEASE(5, 1) },
	{ "__GFP_THISNODE", 21, RELEASE(5, 1), NOW },
	{ "__GFP_ATOMIC", 19, RELEASE(4, 4), RELEASE(5, 1) },
	{ "__GFP_ATOMIC", 9, RELEASE(5, 1), RELEASE(6, 3) },
	{ "__GFP_KMEMCG", 20, OLDEST, RELEASE(4, 0) },
	{ "__GFP_NOACCOUNT", 20, RELEASE(4, 1), RELEASE(4, 5) },
	{ "__GFP_ACCOUNT", 20, RELEASE(4, 5), RELEASE(5, 1) },
	{ "__GFP_ACCOUNT", 22, RELEASE(5, 1), NOW },
	{ "__GFP_NOTRACK", 21, OLDEST, RELEASE(4, 15) },
	{ "__GFP_NO_KSWAPD", 22, OLDEST, RELEASE(4, 4) },
	{ "__GFP_DIRECT_RECLAIM", 22, RELEASE(4, 4), RELEASE(4, 18) },
	{ "__GFP_DIRECT_RECLAIM", 21, RELEASE(4, 18), RELEASE(5, 1) },
	{ "__GFP_DIRECT_RECLAIM", 10, RELEASE(5, 1), NOW },
	{ "__GFP_OTHER_NODE", 23, OLDEST, RELEASE(4, 10) },
	{ "__GFP_KSWAPD_RECLAIM", 25, RELEASE(4, 4), RELEASE(4, 10) },
	{ "__GFP_KSWAPD_RECLAIM", 24, RELEASE(4, 10), RELEASE(4, 18) },
	{ "__GFP_KSWAPD_RECLAIM", 22, RELEASE(4, 18), RELEASE(5, 1) },
	{ "__GFP_KSWAPD_RECLAIM", 11, RELEASE(5, 1), NOW },
	{ "__GFP_NOLOCKDEP", 25, RELEASE(4, 12), RELEASE(4, 18) },
	{ "__GFP_NOLOCKDEP", 23, RELEASE(4, 18), RELEASE(5, 14) },
	{ "__GFP_ZEROTAGS", 23, RELEASE(5, 14), NOW },
	/* From bit 24 on they depend on how the kernel is built. */
};

#define MAY_SLEEP	"__GFP_WAIT|__GFP_DIRECT_RECLAIM|__GFP_KSWAPD_RECLAIM"
#define MAY_ALL		MAY_SLEEP "|__GFP_IO|__GFP_FS"

#define MOVABLE		"__GFP_IO|__GFP_FS|__GFP_HARDWALL|__GFP_HIGHMEM|__GFP_MOVABLE"
#define HUGE_LIGHT	MOVABLE "|__GFP_COMP|__GFP_NOMEMALLOC|__GFP_NOWARN"

/*
 * What is asked for with several flags at once, the most first; the first release that
 * had it so, and the first that no longer did, 0 if all do.
 */
static const struct {
	const char *name;
	const char *flags;
	unsigned int since;
	unsigned int until;
} gfp_combinations[] = {
	{ "GFP_TRANSHUGE", HUGE_LIGHT "|__GFP_DIRECT_RECLAIM", RELEASE(5, 1) },
	{ "GFP_TRANSHUGE_LIGHT", HUGE_LIGHT, RELEASE(5, 1) },
	{ "GFP_HIGHUSER_MOVABLE",
	  MAY_SLEEP "|" MOVABLE },
	{ "GFP_HIGHUSER", MAY_ALL "|__GFP_HARDWALL|__GFP_HIGHMEM" },
	{ "GFP_USER", MAY_ALL "|__GFP_HARDWALL" },
	{ "GFP_KERNEL_ACCOUNT", MAY_ALL "|__GFP_ACCOUNT" },
	{ "GFP_KERNEL", MAY_ALL },
	{ "GFP_NOFS", MAY_SLEEP "|__GFP_IO" },
	{ "__GFP_RECLAIM", MAY_SLEEP, RELEASE(4, 4) },
	{ "GFP_NOIO", MAY_SLEEP },
	{ "GFP_ATOMIC", "__GFP_HIGH|__GFP_ATOMIC|__GFP_KSWAPD_RECLAIM" },
	{ "GFP_NOWAIT", "__GFP_KSWAPD_RECLAIM|__GFP_NOWARN", RELEASE(6, 8) },
	{ "GFP_NOWAIT", "__GFP_KSWAPD_RECLAIM", 0, RELEASE(6, 8) },
	{ "GFP_DMA32", "__GFP_DMA32" },
	{ "GFP_DMA", "__GFP_DMA" },
};

static bool name_is(const char *name, const char *text, size_t len)
{
	return strlen(name) == len && !memcmp(name, text, len);
}

/* The bit of a single flag, or 0; a flag that came later has none. */
static u32 bit_of(unsigned int version, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(gfp_bits); i++)
		if (version >= gfp_bits[i].since && version < gfp_bits[i].until &&
		    name_is(gfp_bits[i].name, name, len))
			return BIT(gfp_bits[i].bit);
	return 0;
}

static bool is_flag(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(gfp_bits); i++)
		if (name_is(gfp_bits[i].name, name, len))
			return true;
	return false;
}

/* All flags of a list that this release had. */
static u32 bits_of_flags(unsigned int version, const char *flags)
{
	u32 bits = 0;
	size_t len;

	for (; *flags; flags += len + (flags[len] == '|')) {
		len = strcspn(flags, "|");
		bits |= bit_of(version, flags, len);
	}
	return bits;
}

/* Whether a combination was that then. */
static bool was_so(unsigned int version, size_t i)
{
	return version >= gfp_combinations[i].since &&
	       (!gfp_combinations[i].until || version < gfp_combinations[i].until);
}

/* Of two that had the same flags then, the one further down was there. */
static bool is_later(unsigned int version, size_t i, u32 bits)
{
	while (++i < ARRAY_SIZE(gfp_combinations))
		if (was_so(version, i) &&
		    bits_of_flags(version, gfp_combinations[i].flags) == bits)
			return true;
	return false;
}

/**
 * gfp_kernel_version() - read the release of a kernel
 * @text:	such as 4.14 or 5.10.0-28-amd64
 *
 * Context: Any.
 * Return: a number for the functions below; -EINVAL where the text is no release, -ERANGE
 * where it is older than what is known.
 */
int gfp_kernel_version(const char *text)
{
	unsigned int major, minor;

	if (sscanf(text, "%u.%u", &major, &minor) != 2 || major > 999 || minor > 999)
		return -EINVAL;
	return RELEASE(major, minor) < OLDEST ? -ERANGE : RELEASE(major, minor);
}

/**
 * gfp_bits_of_name() - the bit that a flag had
 * @version:	of gfp_kernel_version()
 * @name:	"__GFP_IO"
 *
 * Context: Any.
 * Return: the bit; 0 where that release did not have the flag.
 */
u32 gfp_bits_of_name(unsigned int version, const char *name)
{
	return bit_of(version, name, strlen(name));
}

/**
 * gfp_bits_of_text() - the bits of flags that are given by name
 * @version:	of gfp_kernel_version()
 * @text:	"GFP_KERNEL|__GFP_NOWARN"
 * @bits:	filled in
 * @unknown:	where a name is none of that release, set to it
 *
 * Context: Any.
 * Return: whether all names are known.
 */
bool gfp_bits_of_text(unsigned int version, const char *text, u32 *bits,
		      char unknown[32])
{
	size_t len, i;
	u32 bit;

	for (*bits = 0; *text; text += len + (text[len] == '|')) {
		len = strcspn(text, "|");
		for (i = 0; i < ARRAY_SIZE(gfp_combinations); i++)
			if (was_so(version, i) &&
			    name_is(gfp_combinations[i].name, text, len))
				break;
		bit = i < ARRAY_SIZE(gfp_combinations) ?
		      bits_of_flags(version, gfp_combinations[i].flags) :
		      bit_of(version, text, len);
		if (!bit && (i == ARRAY_SIZE(gfp_combinations) || is_flag(text, len))) {
			strscpy(unknown, text, min_t(size_t, len + 1, 32));
			return false;
		}
		*bits |= bit;
	}
	return true;
}

/**
 * gfp_text_of_bits() - the names of flags that are given by their bits
 * @version:	of gfp_kernel_version()
 * @bits:	the bits
 * @text:	filled in, as the kernel's own %pGg has it: "GFP_KERNEL|__GFP_NOWARN", what
 *		has no name as a number, and "none" for none
 *
 * Context: Any.
 */
void gfp_text_of_bits(unsigned int version, u32 bits, char text[GFP_TEXT_SIZE])
{
	size_t len = 0, i;
	u32 set;

	for (i = 0; i < ARRAY_SIZE(gfp_combinations); i++) {
		set = bits_of_flags(version, gfp_combinations[i].flags);
		if (!set || (bits & set) != set || !was_so(version, i) ||
		    is_later(version, i, set))
			continue;
		len += scnprintf(text + len, GFP_TEXT_SIZE - len, "%s%s",
				 len ? "|" : "", gfp_combinations[i].name);
		bits &= ~set;
	}
	for (i = 0; i < ARRAY_SIZE(gfp_bits); i++) {
		set = bits & BIT(gfp_bits[i].bit);
		if (!set || version < gfp_bits[i].since || version >= gfp_bits[i].until)
			continue;
		len += scnprintf(text + len, GFP_TEXT_SIZE - len, "%s%s",
				 len ? "|" : "", gfp_bits[i].name);
		bits &= ~set;
	}
	if (bits || !len)
		scnprintf(text + len, GFP_TEXT_SIZE - len,
			  bits ? "%s%#x" : "%snone", len ? "|" : "", bits);
}

// SPDX-License-Identifier: GPL-2.0
#include "kmemlab.h"

#include <ctype.h>

#define INSTANCE	TRACEFS "instances/kmemlab/"
#define PAGE_EVENT	"events/kmem/mm_page_alloc/"
#define KMALLOC_EVENT	"events/kmem/kmalloc/"

LAB_FIXTURE(gfp);

/*
 * The names of flags and their bits: tracefs tells them to whoever decodes an
 * event, as C that has lost its macros.
 */

struct gfp_name {
	unsigned long bits;
	char name[32];
};

#define NAMES_MAX	64

static unsigned long evaluate(const char **p);

static unsigned long evaluate_operand(const char **p)
{
	unsigned long value;

	*p += strspn(*p, " ");
	if (**p == '~') {
		++*p;
		return ~evaluate_operand(p);
	}
	if (**p == '(') {
		++*p;
		*p += strspn(*p, " ");
		if (isalpha(**p)) {
			/* A cast, to a type that loses nothing. */
			*p += strcspn(*p, ")") + 1;
			return evaluate_operand(p);
		}
		value = evaluate(p);
		*p += strspn(*p, " ") + 1;
		return value;
	}
	value = strtoul(*p, (char **)p, 0);
	*p += strspn(*p, "uUlL");
	return value;
}

/* In the order in which they bind: shift, and, or. */
static unsigned long evaluate_shift(const char **p)
{
	unsigned long value = evaluate_operand(p);

	while (*p += strspn(*p, " "), !strncmp(*p, "<<", 2)) {
		*p += 2;
		value <<= evaluate_operand(p);
	}
	return value;
}

static unsigned long evaluate_and(const char **p)
{
	unsigned long value = evaluate_shift(p);

	while (**p == '&') {
		++*p;
		value &= evaluate_shift(p);
	}
	return value;
}

static unsigned long evaluate(const char **p)
{
	unsigned long value = evaluate_and(p);

	while (**p == '|') {
		++*p;
		value |= evaluate_and(p);
	}
	return value;
}

/* Fills in up to NAMES_MAX names; returns how many. */
static int read_gfp_names(struct gfp_name *names)
{
	static char format[1 << 15];
	const char *p;
	int n = 0;

	if (read_file(TRACEFS PAGE_EVENT "format", format, sizeof(format)) <= 0)
		return 0;
	p = strstr(format, "__print_flags(");
	while (p && n < NAMES_MAX && (p = strchr(p, '{'))) {
		p++;
		names[n].bits = evaluate(&p);
		if (sscanf(p, ", \"%31[^\"]\"}", names[n].name) != 1)
			return 0;
		n++;
	}
	return n;
}

/* The bits of names between '|', as the kernel prints them, or 0. */
static unsigned long bits_of(const struct gfp_name *names, int nr,
			     const char *text)
{
	size_t len = strcspn(text, "\n ");
	unsigned long bits = 0;

	while (len) {
		size_t word = strcspn(text, "|\n ");
		int i;

		for (i = 0; i < nr; i++)
			if (strlen(names[i].name) == word &&
			    !strncmp(names[i].name, text, word))
				break;
		if (i == nr && strncmp(text, "0x", 2))
			return 0;
		bits |= i < nr ? names[i].bits : strtoul(text, NULL, 16);
		len -= word;
		text += word;
		if (len) {
			len--;
			text++;
		}
	}
	return bits;
}

/* Each name whose bits are all there takes them; what is left is a number. */
static void names_of(const struct gfp_name *names, int nr, unsigned long bits,
		     char *text, size_t size)
{
	int i, at = 0;

	text[0] = '\0';
	for (i = 0; bits && i < nr; i++) {
		if ((bits & names[i].bits) != names[i].bits)
			continue;
		bits &= ~names[i].bits;
		at += snprintf(text + at, size - at, "%s%s", names[i].name,
			       bits ? "|" : "");
	}
	if (bits)
		snprintf(text + at, size - at, "%#lx", bits);
}

/* The zone that the modifiers among the bits ask for, by the names of those. */
static const char *zone_of(const struct gfp_name *names, int nr,
			   unsigned long bits)
{
	unsigned long high = bits_of(names, nr, "__GFP_HIGHMEM");
	unsigned long movable = bits_of(names, nr, "__GFP_MOVABLE");

	if (bits & bits_of(names, nr, "GFP_DMA"))
		return "DMA";
	if (bits & bits_of(names, nr, "GFP_DMA32"))
		return "DMA32";
	/* Without high memory these two mean something only together. */
	return (bits & high) && (bits & movable) ? "Movable" : "Normal";
}

static bool agrees(const struct record *record, const char *row,
		   const struct gfp_name *names, int nr, unsigned long bits)
{
	static const struct {
		const char *key, *flag;
	} behaviour[] = {
		{"sleeps", "__GFP_DIRECT_RECLAIM"}, {"io", "__GFP_IO"},
		{"fs", "__GFP_FS"},		    {"reserve", "__GFP_HIGH"},
		{"kswapd", "__GFP_KSWAPD_RECLAIM"},
	};
	char text[512];
	int i;

	for (i = 0; i < ARRAY_SIZE(behaviour); i++) {
		unsigned long flag = bits_of(names, nr, behaviour[i].flag);

		if (!flag || cell_of(record, row, behaviour[i].key) !=
			     !!(bits & flag))
			return false;
	}
	names_of(names, nr, bits, text, sizeof(text));
	return cell_of(record, row, "bits") == bits &&
	       cell_is(record, row, "names", text) &&
	       cell_is(record, row, "zone", zone_of(names, nr, bits));
}

/* Every flag alone, every name of many flags, and some of no name. */
TEST_F(gfp, decode)
{
	static struct gfp_name names[NAMES_MAX];
	int nr = read_gfp_names(names), i, nr_rows = 0, nr_bits;
	static struct record record;
	char row[64];

	if (!nr)
		SKIP(return, "gfp.decode: no " TRACEFS PAGE_EVENT "format");
	record = *run("gfp.decode");
	ASSERT_EQ(0, record.err);
	for (i = 0; i < nr; i++) {
		char *p;

		strcpy(row, names[i].name);
		for (p = row; *p; p++)
			*p = tolower(*p);
		if (!strncmp(row, "gfp_", 4)) {
			EXPECT_TRUE(agrees(&record, row, names, nr,
					   names[i].bits))
				TH_LOG("%s", row);
			nr_rows++;
		}
	}
	EXPECT_LE(13, nr_rows);
	for (i = 0; i < 64; i++) {
		snprintf(row, sizeof(row), "bit.%d", i);
		if (!text_of(&record, row))
			break;
		EXPECT_TRUE(agrees(&record, row, names, nr, 1UL << i))
			TH_LOG("%s", row);
	}
	/* No flag with a name is left out. */
	nr_bits = i;
	for (i = 0; i < nr; i++)
		EXPECT_EQ(0, names[i].bits >> nr_bits);

	record = *run("gfp.decode bits=0x4dc0");
	EXPECT_EQ(0, record.err);
	EXPECT_TRUE(agrees(&record, "asked", names, nr, 0x4dc0));
	/* Two zones at once are none. */
	record = *run("gfp.decode bits=5");
	EXPECT_TRUE(cell_is(&record, "asked", "zone", "none"));
	EXPECT_EQ(ERANGE, run("gfp.decode bits=0x100000000")->err);
}

/* An event, traced in an instance that nobody else uses. */
static bool trace_on(const char *event, const char *filter)
{
	char path[128];

	if (mkdir(INSTANCE, 0700) && errno != EEXIST)
		return false;
	snprintf(path, sizeof(path), INSTANCE "%sfilter", event);
	if (write_file(path, filter))
		return false;
	snprintf(path, sizeof(path), INSTANCE "%senable", event);
	return !write_file(path, "1");
}

static void trace_read(char *text, size_t size)
{
	read_file(INSTANCE "trace", text, size);
}

static void trace_off(void)
{
	rmdir(INSTANCE);
}

/* In the order of the requests of the experiment. */
static const struct way {
	const char *row;
	const char *with[2], *without[2];
} ways[] = {
	{"gfp_kernel", {"__GFP_DIRECT_RECLAIM", "__GFP_FS"},
		{"__GFP_HIGH", "__GFP_HIGH"}},
	{"gfp_noio", {"__GFP_DIRECT_RECLAIM", "__GFP_KSWAPD_RECLAIM"},
		{"__GFP_IO", "__GFP_FS"}},
	{"gfp_nowait", {"__GFP_KSWAPD_RECLAIM", "__GFP_KSWAPD_RECLAIM"},
		{"__GFP_DIRECT_RECLAIM", "__GFP_HIGH"}},
	{"gfp_atomic", {"__GFP_HIGH", "__GFP_KSWAPD_RECLAIM"},
		{"__GFP_DIRECT_RECLAIM", "__GFP_IO"}},
};

/*
 * Whether a line of the trace is such a request of the module, made in such a
 * context: the third of the letters before the time tells the interrupt.
 */
static bool is_request(const char *line, const struct gfp_name *names, int nr,
		       const struct way *way, const char *letters)
{
	const char *flags = strstr(line, "gfp_flags=");
	const char *cpu = strstr(line, " [");
	unsigned long bits;
	char context;
	int i;

	if (!cpu || !flags || sscanf(cpu, " [%*d] %*2c%c", &context) != 1 ||
	    !strchr(letters, context) || !strstr(line, "[kmemlab]"))
		return false;
	bits = bits_of(names, nr, flags + strlen("gfp_flags="));
	for (i = 0; i < 2; i++)
		if (!(bits & bits_of(names, nr, way->with[i])) ||
		    (bits & bits_of(names, nr, way->without[i])))
			return false;
	return true;
}

/*
 * Each request that the module says it made was traced where it says that it
 * made it, and none of those that it says it refused.
 */
TEST_F(gfp, context)
{
	static const struct {
		const char *name, *letters;
		bool softirq, hardirq;
	} contexts[] = {
		{"process", ".", false, false},
		{"softirq", "s", true, false},
		/* One can interrupt a softirq. */
		{"hardirq", "hH", false, true},
	};
	static struct gfp_name names[NAMES_MAX];
	int nr = read_gfp_names(names), i, j;
	static char trace[1 << 16];
	static struct record record;

	/* A size that nothing else is likely to have. */
	if (!nr || !trace_on(KMALLOC_EVENT, "bytes_req == 1789"))
		SKIP(return, "gfp.context: no " TRACEFS KMALLOC_EVENT);
	record = *run("gfp.context size=1789");
	trace_read(trace, sizeof(trace));
	trace_off();
	ASSERT_EQ(0, record.err);
	for (i = 0; i < ARRAY_SIZE(contexts); i++) {
		const char *name = contexts[i].name;
		bool process = !contexts[i].softirq && !contexts[i].hardirq;

		EXPECT_EQ(contexts[i].hardirq,
			  cell_of(&record, name, "in_hardirq"));
		EXPECT_EQ(contexts[i].softirq,
			  cell_of(&record, name, "in_softirq"));
		EXPECT_EQ(process, cell_of(&record, name, "may_sleep"));
		for (j = 0; j < ARRAY_SIZE(ways); j++) {
			char row[64], copy[sizeof(trace)], *line, *rest = copy;
			bool sleeps = !strcmp(ways[j].with[0],
					      "__GFP_DIRECT_RECLAIM");
			int traced = 0;

			strcpy(copy, trace);
			while ((line = strsep(&rest, "\n")))
				traced += is_request(line, names, nr, &ways[j],
						     contexts[i].letters);
			snprintf(row, sizeof(row), "%s.%s", name, ways[j].row);
			EXPECT_EQ(process || !sleeps, traced)
				TH_LOG("%s", row);
			EXPECT_EQ(traced, cell_of(&record, row, "asked"));
			EXPECT_EQ(traced, cell_of(&record, row, "served"));
		}
	}
}

/*
 * What the logs of older kernels show, where each mask stands beside its names from 4.6
 * on; before that by include/linux/gfp.h of 3.10.
 */
static const struct {
	const char *kernel, *names;
	unsigned int bits;
	bool sleeps, kswapd;
} logged[] = {
	{ "3.10", "GFP_KERNEL", 0xd0, true, true },
	{ "3.10", "GFP_HIGHUSER_MOVABLE", 0x200da, true, true },
	{ "3.10", "GFP_ATOMIC", 0x20, false, true },
	{ "4.1", "GFP_KERNEL", 0xd0, true, true },
	{ "4.3", "GFP_USER", 0x200d0, true, true },
	{ "4.4", "GFP_KERNEL", 0x24000c0, true, true },
	{ "4.9", "GFP_KERNEL", 0x24000c0, true, true },
	{ "4.9.0-19-amd64", "GFP_HIGHUSER_MOVABLE", 0x24200ca, true, true },
	{ "4.14", "GFP_KERNEL", 0x14000c0, true, true },
	{ "4.14.336", "GFP_ATOMIC", 0x1080020, false, true },
	{ "4.15", "GFP_HIGHUSER_MOVABLE", 0x14200ca, true, true },
	{ "4.19", "GFP_KERNEL", 0x6000c0, true, true },
	{ "4.18.0-372.el8", "GFP_HIGHUSER_MOVABLE", 0x6200ca, true, true },
	{ "5.4", "GFP_HIGHUSER_MOVABLE", 0x100cca, true, true },
	{ "5.10", "GFP_ATOMIC", 0xa20, false, true },
	{ "5.15", "GFP_KERNEL", 0xcc0, true, true },
	{ "6.12", "GFP_ATOMIC", 0x820, false, true },
	{ "6.1", "GFP_NOWAIT", 0x800, false, true },
	{ "6.7", "GFP_NOWAIT", 0x800, false, true },
	{ "6.7", "GFP_NOWAIT|__GFP_NOWARN", 0x2800, false, true },
	{ "6.8", "GFP_NOWAIT", 0x2800, false, true },
	{ "6.12", "GFP_NOWAIT", 0x2800, false, true },
	{ "5.15", "GFP_TRANSHUGE_LIGHT", 0x1c20ca, false, false },
	{ "6.1", "GFP_TRANSHUGE|__GFP_THISNODE", 0x3c24ca, true, false },
	{ "4.14", "GFP_KERNEL|__GFP_NOWARN|__GFP_NORETRY", 0x14012c0, true, true },
};

/* Masks of an older kernel's log are that kernel's, and names have the bits it gave. */
TEST_F(gfp, decode_old)
{
	struct record *record;
	char bits[16];
	int i;

	for (i = 0; i < ARRAY_SIZE(logged); i++) {
		record = run("gfp.decode bits=%#x kernel=%s", logged[i].bits,
			     logged[i].kernel);
		ASSERT_EQ(0, record->err);
		EXPECT_TRUE(text_is(record, "kernel", logged[i].kernel));
		EXPECT_TRUE(cell_is(record, "asked", "names", logged[i].names))
			TH_LOG("%s: %s", logged[i].kernel,
			       text_of(record, "asked"));
		EXPECT_EQ(logged[i].sleeps, cell_of(record, "asked", "sleeps"));
		EXPECT_EQ(logged[i].kswapd, cell_of(record, "asked", "kswapd"));
		record = run("gfp.decode text=%s kernel=%s", logged[i].names,
			     logged[i].kernel);
		ASSERT_EQ(0, record->err);
		snprintf(bits, sizeof(bits), "%#x", logged[i].bits);
		EXPECT_TRUE(cell_is(record, "asked", "bits", bits));
	}
	EXPECT_EQ(EINVAL, run("gfp.decode text=__GFP_WAIT kernel=4.14")->err);
	EXPECT_EQ(EINVAL, run("gfp.decode text=GFP_NONE")->err);
	EXPECT_EQ(EINVAL, run("gfp.decode text=__GFP_RECLAIM kernel=3.16")->err);
	EXPECT_EQ(EINVAL, run("gfp.decode text=GFP_TRANSHUGE kernel=4.14")->err);
	EXPECT_EQ(EINVAL, run("gfp.decode text=GFP_KERNEL bits=1")->err);
	EXPECT_EQ(ERANGE, run("gfp.decode bits=1 kernel=2.6")->err);
	EXPECT_EQ(EINVAL, run("gfp.decode bits=1 kernel=new")->err);
}

/* Releases before and after which a flag came, went or moved (include/linux/gfp.h). */
static const char *const releases[] = {
	"3.10", "3.19", "4.0", "4.1", "4.3", "4.4", "4.5", "4.9", "4.10", "4.11", "4.12",
	"4.13", "4.14", "4.15", "4.17", "4.18", "5.0", "5.1", "5.13", "5.14", "6.2", "6.3",
};

/* From bit 24 on they depend on how the kernel is built; not yet before 4.18. */
static int bits_of_release(const char *release)
{
	return strverscmp(release, "4.18") < 0 ? 26 : 24;
}

/* Bits that had no flag in some of them. */
static bool had_no_flag(const char *release, int bit)
{
	static const struct {
		const char *release;
		int bit;
	} holes[] = {
		{ "3.10", 25 }, { "3.19", 25 }, { "4.0", 20 }, { "4.0", 25 }, { "4.1", 25 },
		{ "4.3", 25 }, { "4.10", 25 }, { "4.11", 25 }, { "4.15", 8 }, { "4.15", 21 },
		{ "4.17", 8 }, { "4.17", 21 }, { "6.3", 9 },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(holes); i++)
		if (holes[i].bit == bit && !strcmp(holes[i].release, release))
			return true;
	return false;
}

/* All flags that some release had. */
static char known[NAMES_MAX][64];
static int nr_known;

static void note_name(const char *name)
{
	int i;

	for (i = 0; i < nr_known; i++)
		if (!strcmp(known[i], name))
			return;
	if (nr_known < NAMES_MAX && !strncmp(name, "__", 2))
		strcpy(known[nr_known++], name);
}

/* Each bit of each release has one name, which has that bit there. */
TEST_F_TIMEOUT(gfp, decode_each, 300)
{
	struct record *record;
	char bits[16], name[64];
	const char *row;
	int i, k, bit;

	for (i = 0; i < ARRAY_SIZE(releases); i++)
		for (bit = 0; bit < bits_of_release(releases[i]); bit++) {
			snprintf(bits, sizeof(bits), "%#x", 1 << bit);
			record = run("gfp.decode bits=%s kernel=%s", bits, releases[i]);
			row = strstr(text_of(record, "asked") ?: "", "names=");
			ASSERT_NE(NULL, row);
			ASSERT_EQ(1, sscanf(row, "names=%63s", name));
			EXPECT_EQ(had_no_flag(releases[i], bit), !strcmp(name, bits))
			TH_LOG("%s of %s: %s", bits, releases[i], name);
			EXPECT_EQ(NULL, strchr(name, '|'))
			TH_LOG("%s of %s: %s", bits, releases[i], name);
			if (!strcmp(name, bits))
				continue;
			note_name(name);
			record = run("gfp.decode text=%s kernel=%s", name, releases[i]);
			EXPECT_TRUE(cell_is(record, "asked", "bits", bits))
			TH_LOG("%s of %s: %s", name, releases[i],
			       text_of(record, "asked"));
		}
	/* And none that was not there, or was no longer; a combination may be one flag. */
	for (i = 0; i < ARRAY_SIZE(releases); i++)
		for (k = 0; k < nr_known; k++) {
			record = run("gfp.decode text=%s kernel=%s", known[k],
				     releases[i]);
			EXPECT_TRUE(record->err == EINVAL ||
				    cell_is(record, "asked", "names", known[k]) ||
				    strstr(text_of(record, "asked"), "names=GFP_"))
			TH_LOG("%s of %s: %s", known[k], releases[i],
			       text_of(record, "asked"));
		}
}

/*
 * Without another kernel's they are this one's, and the record says so.  Each name that
 * the tracer has for a mask is that mask, by this kernel and by what is known of its
 * release.
 */
TEST_F(gfp, decode_text)
{
	static struct gfp_name names[NAMES_MAX];
	int nr = read_gfp_names(names), i;
	struct utsname name;
	struct record *record;
	char bits[32];

	uname(&name);
	for (i = 0; i < 2 * nr; i++) {
		struct gfp_name *wanted = &names[i / 2];

		record = i % 2 ? run("gfp.decode text=%s kernel=%s", wanted->name,
				     name.release) :
				 run("gfp.decode text=%s", wanted->name);
		snprintf(bits, sizeof(bits), "%#lx", wanted->bits);
		EXPECT_TRUE(cell_is(record, "asked", "bits", bits))
		TH_LOG("%s: %s, not %s", wanted->name, text_of(record, "asked"), bits);
	}
	record = run("gfp.decode text=GFP_KERNEL|__GFP_COMP");
	ASSERT_EQ(0, record->err);
	EXPECT_TRUE(text_is(record, "kernel", name.release));
	/* By the kernel's own words. */
	EXPECT_TRUE(cell_is(record, "asked", "names", "GFP_KERNEL|__GFP_COMP"));
}

/* The inode of the cgroup that a frame is charged to, or 0. */
static uint64_t charged_to(unsigned long pfn)
{
	return read_page_word("/proc/kpagecgroup", pfn);
}

static long long charged_bytes(const char *cgroup)
{
	return cgroup_stat(cgroup, "kernel");
}

/*
 * A block of 1024 pages is charged to the cgroup while it is held, and one
 * without the flag, held at the same time, is not.  Other objects of the process
 * are charged, too; then it is tried again.
 */
TEST_F(gfp, account)
{
	static const char cgroup[] = "kmemlab-account";
	const long long nr_pages = 1024;
	static struct record record;
	uint64_t plain, accounted, inode;
	bool plain_block, accounted_block;
	int tries;

	if (access("/proc/kpagecgroup", R_OK) || !cgroup_make_kmem(cgroup))
		SKIP(return, "gfp.account: no cgroup v2 is charged for the kernel's memory");
	inode = cgroup_inode(cgroup);
	for (tries = 0; may_try(tries); tries++) {
		long long before, held, after;
		struct member member;
		bool in_time;
		double start;

		ASSERT_TRUE(start_member(&member, cgroup, "gfp",
					 "account order=10 hold_ms=1000"));
		before = charged_bytes(cgroup);
		start = seconds();
		ASSERT_TRUE(tell_member(&member));
		ASSERT_TRUE(await_held(member.pid, "gfp", &record));
		held = charged_bytes(cgroup);
		plain = cell_of(&record, "plain", "pfn");
		accounted = cell_of(&record, "accounted", "pfn");
		plain_block = is_block(plain, 10);
		accounted_block = is_block(accounted, 10);
		plain = charged_to(plain);
		accounted = charged_to(accounted);
		/* It has been held for less than it is to be. */
		in_time = seconds() - start < 1;
		ASSERT_TRUE(hear_member(&member));
		after = charged_bytes(cgroup);
		ASSERT_EQ(0, end_member(&member));
		if (in_time && after == before &&
		    held - before == nr_pages * (long long)PAGE_BYTES)
			break;
	}
	EXPECT_EQ(0, cgroup_remove(cgroup));
	EXPECT_LT(tries, QUIET_TRIES) TH_LOG("not just 4 MiB were charged");
	EXPECT_EQ(nr_pages, cell_of(&record, "plain", "nr_pages"));
	EXPECT_EQ(0, cell_of(&record, "plain", "charged"));
	EXPECT_TRUE(plain_block);
	EXPECT_EQ(0, plain);
	EXPECT_EQ(nr_pages, cell_of(&record, "accounted", "nr_pages"));
	EXPECT_EQ(1, cell_of(&record, "accounted", "charged"));
	EXPECT_TRUE(accounted_block);
	EXPECT_EQ(inode, accounted);
}

/* In the root cgroup nothing is charged, whatever the flag says. */
TEST_F(gfp, account_root)
{
	struct record *record = run("gfp.account order=0");
	bool counts = cgroup_make("kmemlab-root");

	cgroup_clear("kmemlab-root");
	if (record->err == EOPNOTSUPP)
		SKIP(return, "gfp.account: no CONFIG_MEMCG");
	ASSERT_EQ(0, record->err);
	EXPECT_EQ(1, cell_of(record, "accounted", "nr_pages"));
	EXPECT_EQ(0, cell_of(record, "plain", "charged"));
	EXPECT_EQ(0, cell_of(record, "accounted", "charged"));
	EXPECT_EQ(counts, text_is(record, "cgroup", "/"));
	EXPECT_NE(NULL, text_of(record, "note"));
}

/* Bits of a task's flags (include/linux/sched.h), in /proc/<pid>/stat. */
#define TASK_NORECLAIM		(1ULL << 11)
#define TASK_NOFS		(1ULL << 18)
#define TASK_NOIO		(1ULL << 19)

static long long task_flags(pid_t pid)
{
	char path[64], stat[1024], *p;
	long long flags;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_file(path, stat, sizeof(stat)) <= 0)
		return MISSING;
	/* The name in brackets may have blanks in it. */
	p = strrchr(stat, ')');
	if (!p || sscanf(p, ") %*c %*d %*d %*d %*d %*d %lld", &flags) != 1)
		return MISSING;
	return flags;
}

/* The flags with which a frame was allocated last, from the trace, or 0. */
static unsigned long traced_bits(const char *trace, long long pfn,
				 const struct gfp_name *names, int nr)
{
	const char *line, *flags = NULL;
	char wanted[32];

	snprintf(wanted, sizeof(wanted), "pfn=0x%llx ", pfn);
	for (line = trace; (line = strstr(line, wanted)); line++)
		flags = strstr(line, "gfp_flags=");
	return flags ? bits_of(names, nr, flags + strlen("gfp_flags=")) : 0;
}

/*
 * The page allocator drops what the scope forbids before it traces the request,
 * and /proc shows the scope among the flags of the task that is in it.
 */
TEST_F(gfp, scope)
{
	static const struct {
		const char *command;
		unsigned long long task_flag;
		bool io, fs, reclaim, reserves;
	} scopes[] = {
		{"scope scope=nofs order=4 hold_ms=60000", TASK_NOFS,
			true, false, true, false},
		{"scope scope=noio order=4 hold_ms=60000", TASK_NOIO,
			false, false, true, false},
		{"scope scope=noreclaim order=4 hold_ms=60000", TASK_NORECLAIM,
			true, true, false, true},
	};
	static struct gfp_name names[NAMES_MAX];
	int nr = read_gfp_names(names), i, j;
	static struct record record[ARRAY_SIZE(scopes)];
	static char trace[ARRAY_SIZE(scopes)][1 << 16];
	long long flags[ARRAY_SIZE(scopes)];
	unsigned long hardwall = bits_of(names, nr, "__GFP_HARDWALL");
	unsigned long io = bits_of(names, nr, "__GFP_IO");
	unsigned long fs = bits_of(names, nr, "__GFP_FS");

	/* Once for all: the kernel rewrites its code to begin and to end it. */
	if (!nr || !trace_on(PAGE_EVENT, "order == 4"))
		SKIP(return, "gfp.scope: no " TRACEFS PAGE_EVENT);
	for (i = 0; i < ARRAY_SIZE(scopes); i++) {
		pid_t pid = hold("gfp", scopes[i].command, &record[i]);

		flags[i] = task_flags(pid);
		EXPECT_TRUE(let_go(pid));
		/* Frames that are free again can serve the next one, too. */
		trace_read(trace[i], sizeof(trace[i]));
	}
	trace_off();

	for (i = 0; i < ARRAY_SIZE(scopes); i++) {
		static const char *const rows[] = {"outside", "inside"};
		unsigned long bits[2];
		char text[512];

		EXPECT_EQ(flags[i], cell_of(&record[i], "inside", "task_flags"));
		EXPECT_EQ(flags[i] & ~scopes[i].task_flag,
			  cell_of(&record[i], "outside", "task_flags"));
		EXPECT_NE(0, flags[i] & scopes[i].task_flag);
		for (j = 0; j < 2; j++) {
			bits[j] = traced_bits(trace[i],
					      cell_of(&record[i], rows[j],
						      "pfn"), names, nr);
			/* Added where the machine has cpusets. */
			bits[j] &= ~hardwall;
			EXPECT_EQ(bits[j], cell_of(&record[i], rows[j], "bits"));
			names_of(names, nr, bits[j], text, sizeof(text));
			EXPECT_TRUE(cell_is(&record[i], rows[j], "names", text));
			EXPECT_EQ(!!(bits[j] & io),
				  cell_of(&record[i], rows[j], "io"));
			EXPECT_EQ(!!(bits[j] & fs),
				  cell_of(&record[i], rows[j], "fs"));
			EXPECT_EQ(!j || scopes[i].io, !!(bits[j] & io));
			EXPECT_EQ(!j || scopes[i].fs, !!(bits[j] & fs));
			EXPECT_EQ(!j || scopes[i].reclaim,
				  cell_of(&record[i], rows[j], "reclaim"));
			EXPECT_EQ(j && scopes[i].reserves,
				  cell_of(&record[i], rows[j], "reserves"));
		}
	}
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * Who may do what: nobody triggers an experiment or sees a frame number but who
 * has CAP_SYS_ADMIN, and nobody at all sees an address.
 */
#include "files.h"
#include "grammar.h"

#include <fnmatch.h>
#include <grp.h>

#define RUN	PROC "run"
#define SUMMARY	PROC "summary"
#define NOBODY	65534
#define POOL	"guarded"
#define NONE	"nobody"

FIXTURE(privilege) {};

FIXTURE_SETUP(privilege)
{
	run("pool.destroy name=" POOL);
	ASSERT_OK("pool.create name=" POOL " allocator=slab size=64");
	ASSERT_OK("pool.alloc name=" POOL " count=8");
	ASSERT_TRUE(find_files());
}

FIXTURE_TEARDOWN(privilege)
{
	EXPECT_OK("pool.destroy name=" POOL);
}

/* Modes */

static const struct {
	const char *path;
	mode_t mode;
} modes[] = {
	{ LAB "abi_version", 0400 }, { LAB "budget_bytes", 0400 },
	{ LAB "experiments", 0400 }, { LAB "fingerprint", 0400 },
	{ LAB "floor_bytes", 0400 }, { LAB "charged_bytes", 0400 },
	{ LAB "ledger", 0400 },
	/* of each family; pools has all but the first as well */
	{ LAB "*/run", 0600 }, { LAB "*/result", 0400 },
	{ LAB "*/stats", 0400 },
	{ LAB "pools/create", 0600 }, { LAB "pools/destroy", 0200 },
	{ LAB "pools/*/alloc", 0200 }, { LAB "pools/*/free", 0200 },
	{ LAB "pools/*/idle", 0200 }, { LAB "pools/*/use", 0200 },
	{ LAB "pools/*/shrink", 0200 }, { LAB "pools/*/stats", 0400 },
	{ LAB "pools/*/layout", 0400 },
	{ PROC "pools", 0400 }, { PROC "result", 0400 }, { PROC "run", 0600 },
	{ SUMMARY, 0444 },
	{ PARAMETERS "budget_bytes", 0444 }, { PARAMETERS "floor_bytes", 0444 },
};

/* Which of them a file is to have, or -1. */
static int find_mode(const char *path)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(modes); i++)
		if (!fnmatch(modes[i].path, path, FNM_PATHNAME))
			return i;
	return -1;
}

/* Each file is one that is listed here, and each that is listed is there. */
TEST_F(privilege, modes)
{
	bool seen[ARRAY_SIZE(modes)] = {};
	int i;

	for (i = 0; i < nr_files; i++) {
		const struct stat *st = &files[i].st;
		int which = find_mode(files[i].path);

		EXPECT_EQ(0, st->st_uid) TH_LOG("%s", files[i].path);
		EXPECT_EQ(0, st->st_gid) TH_LOG("%s", files[i].path);
		EXPECT_EQ(0, st->st_mode & 0022)
		TH_LOG("%s", files[i].path);
		if (S_ISDIR(st->st_mode))
			continue;
		ASSERT_LE(0, which) TH_LOG("%s", files[i].path);
		EXPECT_EQ(modes[which].mode, st->st_mode & 07777)
		TH_LOG("%s", files[i].path);
		seen[which] = true;
	}
	for (i = 0; i < ARRAY_SIZE(modes); i++)
		EXPECT_TRUE(seen[i]) TH_LOG("%s", modes[i].path);
}

/* Those who may not */

/* Modes and owners are no obstacle to this one. */
static bool be_root_without_admin(void)
{
	return give_up(1ULL << CAP_SYS_ADMIN);
}

static bool be_bare_root(void)
{
	return give_up(~0ULL);
}

static bool be_user(void)
{
	return !setgroups(0, NULL) && !setresgid(NOBODY, NOBODY, NOBODY) &&
	       !setresuid(NOBODY, NOBODY, NOBODY);
}

/* In a new user namespace, with every capability there. */
static bool be_root_inside(void)
{
	char map[32];

	snprintf(map, sizeof(map), "0 %d 1", geteuid());
	/* Who has changed its user has no say over its own files in /proc. */
	return !prctl(PR_SET_DUMPABLE, 1) && !unshare(CLONE_NEWUSER) &&
	       !write_file("/proc/self/uid_map", map) && !geteuid();
}

static bool be_user_then_root_inside(void)
{
	return be_user() && be_root_inside();
}

static const struct {
	const char *name;
	bool (*become)(void);
} others[] = {
	{ "a user", be_user },
	{ "root without CAP_SYS_ADMIN", be_root_without_admin },
	{ "root without any capability", be_bare_root },
	{ "root in a namespace, outside a user", be_user_then_root_inside },
	{ "root in a namespace, outside root", be_root_inside },
};

/* Whether it holds for another, in a process that becomes that one. */
static bool holds_for(bool (*become)(void), bool (*claim)(void))
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(!become() || !claim());
	}
	return !exit_code_of(pid);
}

/* The first of them for whom it does not. */
static const char *find_exception(bool (*claim)(void))
{
	int i;

	for (i = 0; i < ARRAY_SIZE(others); i++)
		if (!holds_for(others[i].become, claim))
			return others[i].name;
	return NONE;
}

/* Opens all that is not for everyone in each way; how often that went well. */
static int nr_opened(int *nr_refused)
{
	int i, flags, n = 0;

	*nr_refused = 0;
	for (i = 0; i < nr_files; i++) {
		if (S_ISDIR(files[i].st.st_mode) ||
		    files[i].st.st_mode & 0004)
			continue;
		for (flags = O_RDONLY; flags <= O_RDWR; flags++) {
			int fd = open_found(&files[i], flags);

			if (fd >= 0)
				n++;
			else if (errno == EPERM || errno == EACCES)
				(*nr_refused)++;
			close(fd);
		}
	}
	return n;
}

static int nr_closed_files(void)
{
	int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(modes); i++)
		n += !(modes[i].mode & 0004);
	return n;
}

/* Neither the lab tells them of frames, nor does the kernel. */
static bool is_kept_out(void)
{
	int nr_refused, n = nr_opened(&nr_refused);

	return !n && nr_refused >= 3 * nr_closed_files() &&
	       !frame_behind(&nr_refused);
}

TEST_F(privilege, refused)
{
	int nr_refused;

	EXPECT_LE(3 * nr_closed_files(), nr_opened(&nr_refused));
	EXPECT_EQ(0, nr_refused);
	EXPECT_NE(0, frame_behind(&nr_refused));
	EXPECT_STREQ(NONE, find_exception(is_kept_out));
}

/*
 * What an open file can do was settled when it was opened: it can be handed to
 * who may not open it, and who may gets no more from one that was opened by
 * who may not.
 */
TEST_F(privilege, handed_on)
{
	static struct record record;
	int fd = open(RUN, O_RDWR);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, seteuid(NOBODY));
	EXPECT_EQ(-1, open(RUN, O_RDWR));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(19, write(fd, "buddy.split order=6", 19));
	EXPECT_LT(0, read(fd, record.text, sizeof(record.text) - 1));
	close(fd);
	fd = open(SUMMARY, O_RDONLY);
	ASSERT_EQ(0, seteuid(0));
	EXPECT_TRUE(text_is(&record, "status", "ok"));
	EXPECT_EQ(6, number_of(&record, "order"));

	memset(&record, 0, sizeof(record));
	EXPECT_LT(0, read(fd, record.text, sizeof(record.text) - 1));
	EXPECT_LT(0, number_of(&record, "budget_bytes"));
	EXPECT_EQ(NULL, text_of(&record, "charged_bytes"));
	close(fd);
}

/*
 * To whom the lab is closed it says how much it may take, which is a share of
 * what /proc/meminfo tells everyone, unless the module was loaded with another.
 */
static bool sees_limits_alone(void)
{
	long long total = keyed_number("/proc/meminfo", "MemTotal") * 1024;
	char seen[1024], expected[256];

	snprintf(expected, sizeof(expected),
		 "abi_version 2\nbudget_bytes %lld\nfloor_bytes %lld\n",
		 total / 4, total / 16);
	return read_file(SUMMARY, seen, sizeof(seen)) > 0 &&
	       !strcmp(seen, expected);
}

TEST_F(privilege, summary)
{
	static struct record record;

	EXPECT_STREQ(NONE, find_exception(sees_limits_alone));
	ASSERT_LT(0, read_file(SUMMARY, record.text, sizeof(record.text)));
	EXPECT_EQ(lab_charged(), number_of(&record, "charged_bytes"));
	EXPECT_LE(1, number_of(&record, "nr_pools"));
	EXPECT_LE(2, number_of(&record, "nr_ok"));
}

/* Addresses */

/* Documentation/x86/x86_64/mm.rst: from here on they are the kernel's. */
#define KERNEL_HALF	0xffff800000000000ULL
/* arch/x86/include/asm/pgtable_64_types.h, MODULES_END: so far there is code. */
#define CODE_END	0xffffffffff000000ULL
/* include/linux/err.h: these are error numbers, and no address. */
#define MAX_ERRNO	4095ULL

static bool is_address(uint64_t n)
{
	return n >= KERNEL_HALF && n < -MAX_ERRNO;
}

#define DIGITS		"0123456789"

/* A number in a text that is a kernel address in some way to write it, or NULL. */
static const char *find_address(const char *text)
{
	const char *p = text;
	size_t len;

	for (;; p += len) {
		p += strcspn(p, DIGITS "abcdefABCDEF");
		if (!*p)
			return NULL;
		len = strspn(p, DIGITS "abcdefABCDEF");
		if (is_address(strtoull(p, NULL, 16)))
			return p;
		if (strspn(p, DIGITS) < len)
			continue;
		if (is_address(strtoull(p, NULL, 10)))
			return p;
		/* Small numbers may well be negative. */
		if (p > text && p[-1] == '-' &&
		    is_address(-strtoull(p, NULL, 10)) &&
		    -strtoull(p, NULL, 10) < CODE_END)
			return p;
	}
}

/*
 * Addresses from a source that does show them, the kernel's own list of symbols,
 * are found where they stand.
 */
static int nr_symbols_missed(void)
{
	FILE *file = fopen("/proc/kallsyms", "r");
	int n = 0, missed = 0;
	char line[512];

	while (file && fgets(line, sizeof(line), file)) {
		if (!strstr(line, "[kmemlab]") || !strstr(line, " t "))
			continue;
		n++;
		missed += find_address(line) != line;
	}
	if (file)
		fclose(file);
	return n ? missed : -1;
}

static bool make_pool(const struct allocator *allocator)
{
	return !run("pool.create name=by_%s allocator=%s%s", allocator->name,
		    allocator->name, required_of(allocator))->err &&
	       !run("pool.alloc name=by_%s count=8", allocator->name)->err;
}

static bool destroy_pool(const struct allocator *allocator)
{
	return !run("pool.destroy name=by_%s", allocator->name)->err;
}

/* With each allocator that there is; with how many it went well. */
static int with_each(bool (*can)(const struct allocator *allocator))
{
	int i, n = 0;

	for (i = 0; i < nr_allocators; i++)
		n += can(&allocators[i]);
	return n;
}

/*
 * What the layout has beside the place of an object, which tells its address in
 * the kernel's map of all memory, is not that address, nor a half of it, nor what
 * debug_boot_weak_hash makes of it.  It is no number before the kernel can hash.
 */
#define GOLDEN_RATIO_64	0x61C8864680B583EBULL	/* include/linux/hash.h */

static int nr_objects_told(uint64_t map)
{
	FILE *file = fopen(LAB "pools/" POOL "/layout", "r");
	unsigned long pfn, offset;
	char line[256], name[64];
	uint64_t address, shown;
	int n = 0, told = 0;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*u %lu %lu %*u %*u %63s", &pfn, &offset,
			   name) != 3)
			continue;
		n++;
		shown = strtoull(name, NULL, 16);
		address = map + pfn * PAGE_BYTES + offset;
		told += !is_address(address) || shown == address ||
			shown == (uint32_t)address || shown == address >> 32 ||
			shown == address * GOLDEN_RATIO_64 >> 32;
	}
	if (file)
		fclose(file);
	return n == 8 ? told : -1;
}

TEST_F_TIMEOUT(privilege, addresses, 240)
{
	FILE *list = fopen(LAB "experiments", "r");
	const struct record *record;
	static char text[1 << 18];
	int nr_read = 0, i;
	/* Where all memory is mapped, unless that is chosen anew at each boot. */
	uint64_t map = 0xffff888000000000;	/* Documentation/x86/x86_64/mm.rst */
	char name[64];

	EXPECT_EQ(0, nr_symbols_missed());
	EXPECT_EQ(config_has("CONFIG_DYNAMIC_MEMORY_LAYOUT"),
		  read_variable("page_offset_base", &map, sizeof(map)));
	EXPECT_EQ(0, nr_objects_told(map));

	ASSERT_NE(NULL, list);
	while (next_experiment(list, name)) {
		record = run_default(name);
		EXPECT_EQ(NULL, find_address(record->text))
		TH_LOG("%s: %.24s", name, find_address(record->text));
	}
	fclose(list);

	read_grammar("pool", LAB "pools/create");
	EXPECT_LT(0, nr_allocators);
	EXPECT_EQ(nr_allocators, with_each(make_pool));
	ASSERT_TRUE(find_files());
	for (i = 0; i < nr_files; i++) {
		if (!(files[i].st.st_mode & 0400) ||
		    S_ISDIR(files[i].st.st_mode))
			continue;
		ASSERT_LT(0, read_file(files[i].path, text, sizeof(text)))
		TH_LOG("%s", files[i].path);
		EXPECT_EQ(NULL, find_address(text))
		TH_LOG("%s: %.24s", files[i].path, find_address(text));
		nr_read++;
	}
	EXPECT_LE(nr_closed_files(), nr_read);
	EXPECT_EQ(nr_allocators, with_each(destroy_pool));
}

TEST_HARNESS_MAIN

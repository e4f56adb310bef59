// SPDX-License-Identifier: GPL-2.0
/*
 * What the lab still does on a kernel that is locked down, which it then is until
 * it is booted again.  So these want a machine that is theirs: with
 * KMEMLAB_LOCKDOWN=1 in the environment.
 */
#include "kmemlab.h"
#include "files.h"

#include <glob.h>
#include <sys/mount.h>

#define SECURITYFS	"/sys/kernel/security"
#define LOCKDOWN	SECURITYFS "/lockdown"
#define RUN		PROC "run"
#define POOL		"locked"

/*
 * Before any test has begun: what a fixture's setup skips runs all the same
 * (kselftest_harness.h, FIXTURE_SETUP() looks at what has failed alone).
 */
__attribute__((constructor)) static void need_machine(void)
{
	const char *told = getenv("KMEMLAB_LOCKDOWN");

	if (!told || strcmp(told, "1"))
		ksft_exit_skip("no machine to lock, KMEMLAB_LOCKDOWN=1\n");
	if (access(LOCKDOWN, F_OK))
		mount("none", SECURITYFS, "securityfs", 0, NULL);
	if (access(LOCKDOWN, F_OK))
		ksft_exit_skip("CONFIG_SECURITY_LOCKDOWN_LSM\n");
}

FIXTURE(lockdown) {};

FIXTURE_VARIANT(lockdown)
{
	const char *level;
	bool secret;		/* nobody may read the kernel's memory */
};

/* In this order: the level can only be raised. */
FIXTURE_VARIANT_ADD(lockdown, integrity) { .level = "integrity" };

FIXTURE_VARIANT_ADD(lockdown, confidentiality) {
	.level = "confidentiality", .secret = true
};

/* The level that the kernel says it has is in brackets. */
static bool is_locked(const char *level)
{
	char text[128], shown[64];

	snprintf(shown, sizeof(shown), "[%s]", level);
	return read_file(LOCKDOWN, text, sizeof(text)) > 0 &&
	       strstr(text, shown);
}

FIXTURE_SETUP(lockdown)
{
	if (!is_locked(variant->level))
		ASSERT_EQ(0, write_file(LOCKDOWN, variant->level));
	ASSERT_TRUE(is_locked(variant->level));
	run_in(RUN, "pool.create name=" POOL " allocator=slab size=64");
	ASSERT_EQ(0, run_in(RUN, "pool.alloc name=" POOL " count=8")->err);
	ASSERT_TRUE(find_files());
}

FIXTURE_TEARDOWN(lockdown)
{
	EXPECT_EQ(0, run_in(RUN, "pool.destroy name=" POOL)->err);
}

static int open_errno(const struct lab_file *file, int flags)
{
	int fd = open_found(file, flags), err = fd < 0 ? errno : 0;

	close(fd);
	return err;
}

/*
 * debugfs itself closes what can be written, and leaves what can only be read
 * (fs/debugfs/file.c, debugfs_locked_down()).  All of the lab is in /proc.
 */
TEST_F(lockdown, files)
{
	int i, flags;

	for (i = 0; i < nr_files; i++) {
		bool shut = !strncmp(files[i].path, LAB, strlen(LAB));
		mode_t mode = files[i].st.st_mode;

		if (S_ISDIR(mode) || !strncmp(files[i].path, PARAMETERS,
					      strlen(PARAMETERS)))
			continue;
		for (flags = O_RDONLY; flags <= O_RDWR; flags++) {
			bool only_reads = flags == O_RDONLY &&
					  !(mode & 0300);

			EXPECT_EQ(shut && !only_reads ? EPERM : 0,
				  open_errno(&files[i], flags))
			TH_LOG("%s, flags %d", files[i].path, flags);
		}
	}
	/* Nor is a file made one that can only be read. */
	EXPECT_EQ(-1, chmod(LAB "pools/create", 0400));
	EXPECT_EQ(EPERM, errno);
}

/* Whether the kernel lets root write what a PCI device is configured with. */
static int config_errno(void)
{
	glob_t found = {};
	uint8_t line = 0;	/* PCI_INTERRUPT_LINE, which no device minds */
	int fd, err = ENODEV;

	if (!glob("/sys/bus/pci/devices/*/config", 0, NULL, &found)) {
		fd = open(found.gl_pathv[0], O_RDWR);
		err = pread(fd, &line, 1, 0x3c) == 1 &&
		      pwrite(fd, &line, 1, 0x3c) == 1 ? 0 : errno;
		close(fd);
	}
	globfree(&found);
	return err;
}

/* Devices are closed, as they are through the kernel's own files. */
TEST_F(lockdown, devices)
{
	static const char *const devices[] = {
		"ioremap.register", "ioremap.info", "ioremap.cache",
		"ioremap.dma",
	};
	const struct record *record;
	int i;

	EXPECT_EQ(EPERM, config_errno());
	for (i = 0; i < ARRAY_SIZE(devices); i++) {
		record = run_in(RUN, devices[i]);
		if (record->err == EOPNOTSUPP)
			SKIP(return, "lockdown.devices: no edu, no ivshmem-plain device");
		EXPECT_EQ(EPERM, record->err) TH_LOG("%s", devices[i]);
		EXPECT_EQ(EPERM, number_of(record, "errno"));
		EXPECT_NE(NULL, strstr(text_of(record, "reason") ?: "",
				       "locked_down"))
		TH_LOG("%s", devices[i]);
	}
	record = run_in(RUN, "ioremap.ram");
	ASSERT_EQ(0, record->err);
	EXPECT_TRUE(cell_is(record, "probe.ram", "range", "ram"));
	EXPECT_TRUE(cell_is(record, "probe.unlisted", "range", "unlisted"));
	EXPECT_TRUE(cell_is(record, "probe.listed", "range", "locked_down"));
	EXPECT_EQ(EPERM, cell_of(record, "probe.listed", "errno"));
}

/*
 * Frame numbers are for who has CAP_SYS_ADMIN, as those of the kernel's own
 * files are (fs/proc/task_mmu.c, fs/proc/page.c), which do not close either;
 * what does is what shows the memory itself.
 */
TEST_F(lockdown, frames)
{
	struct place place[8];
	uint64_t word;
	int i;

	EXPECT_NE(0, frame_behind(&word));
	ASSERT_EQ(8, read_layout(POOL, place, ARRAY_SIZE(place)));
	for (i = 0; i < ARRAY_SIZE(place); i++) {
		EXPECT_EQ(FLAG_SLAB, kpageflags(place[i].pfn) & FLAG_SLAB);
		EXPECT_EQ(!variant->secret,
			  read_physical(place[i].pfn * PAGE_BYTES, &word,
					sizeof(word)));
	}
}

/* All else is memory of the lab's own, and goes on. */
TEST_F_TIMEOUT(lockdown, others, 240)
{
	FILE *list = fopen(LAB "experiments", "r");
	const struct record *record;
	char name[64];
	int n = 0;

	ASSERT_NE(NULL, list);
	while (next_experiment(list, name)) {
		if (!strncmp(name, "ioremap.", 8))
			continue;
		record = run_default(name);
		EXPECT_TRUE(!record->err || record->err == EOPNOTSUPP)
		TH_LOG("%s: %s", name, text_of(record, "reason"));
		n += !record->err;
	}
	fclose(list);
	EXPECT_LT(0, n);
}

TEST_HARNESS_MAIN

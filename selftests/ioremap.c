// SPDX-License-Identifier: GPL-2.0
#include "kmemlab.h"

#include <glob.h>
#include <sys/mman.h>

/* QEMU's docs/specs/edu.txt */
#define EDU_IDENTITY	0x00
#define EDU_LIVENESS	0x04
#define EDU_FACTORIAL	0x08
#define EDU_STATUS	0x20

#define NO_EDU	"no edu device (QEMU: -device edu)"

FIXTURE(ioremap)
{
	char dir[256];			/* in sysfs, "" without the device */
	unsigned long long start, end;	/* of its registers */
};

FIXTURE_SETUP(ioremap)
{
	char path[300], buf[64];
	glob_t found;
	size_t i;

	memset(self, 0, sizeof(*self));
	glob("/sys/bus/pci/devices/*", 0, NULL, &found);
	for (i = 0; i < found.gl_pathc && !self->dir[0]; i++) {
		snprintf(path, sizeof(path), "%s/vendor", found.gl_pathv[i]);
		if (read_number(path) != 0x1234)
			continue;
		snprintf(path, sizeof(path), "%s/device", found.gl_pathv[i]);
		if (read_number(path) == 0x11e8)
			snprintf(self->dir, sizeof(self->dir), "%s",
				 found.gl_pathv[i]);
	}
	globfree(&found);
	snprintf(path, sizeof(path), "%s/resource", self->dir);
	if (self->dir[0] && read_file(path, buf, sizeof(buf)) > 0 &&
	    sscanf(buf, "%llx %llx", &self->start, &self->end) != 2)
		self->dir[0] = '\0';
}

FIXTURE_TEARDOWN(ioremap) {}

static void enable_device(const char *dir, const char *on)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/enable", dir);
	write_file(path, on);
}

/* The registers as user space sees them, by the device's own file in sysfs. */
static volatile uint32_t *map_registers(const char *dir)
{
	char path[300];
	void *base;
	int fd;

	enable_device(dir, "1");
	snprintf(path, sizeof(path), "%s/resource0", dir);
	fd = open(path, O_RDWR | O_SYNC);
	base = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    0);
	close(fd);
	return base == MAP_FAILED ? NULL : base;
}

TEST_F(ioremap, register)
{
	volatile uint32_t *reg;
	struct record *record;
	double end;

	if (!self->dir[0])
		SKIP(return, "ioremap.register: " NO_EDU);
	record = run("ioremap.register pattern=0x0f0f1234 n=11");
	ASSERT_EQ(0, record->err);
	EXPECT_EQ((long long)self->start, number_of(record, "phys"));
	EXPECT_EQ(0x0f0f1234, number_of(record, "liveness.written"));
	EXPECT_EQ(0xf0f0edcb, number_of(record, "liveness.read"));
	EXPECT_EQ(11, number_of(record, "factorial.of"));
	EXPECT_EQ(39916800, number_of(record, "factorial.read"));

	reg = map_registers(self->dir);
	ASSERT_NE(NULL, reg);
	EXPECT_EQ(reg[EDU_IDENTITY / 4], number_of(record, "identity"));
	EXPECT_EQ(0xed, reg[EDU_IDENTITY / 4] & 0xff);
	/* The device still shows what the module left in it. */
	EXPECT_EQ(reg[EDU_LIVENESS / 4], number_of(record, "liveness.read"));
	EXPECT_EQ(reg[EDU_FACTORIAL / 4], number_of(record, "factorial.read"));
	/* And the other way round. */
	reg[EDU_FACTORIAL / 4] = 5;
	for (end = seconds() + 5; (reg[EDU_STATUS / 4] & 1) && seconds() < end;)
		usleep(1000);
	EXPECT_EQ(120, reg[EDU_FACTORIAL / 4]);
	enable_device(self->dir, "0");
}

TEST_F(ioremap, info)
{
	char line[512], phys[32], shown_area[32];
	static struct record record;
	long long shown_bytes;
	bool shown;
	pid_t pid;

	if (!self->dir[0])
		SKIP(return, "ioremap.info: " NO_EDU);
	snprintf(phys, sizeof(phys), "phys=0x%016llx", self->start);
	pid = hold("ioremap", "info hold_ms=400", &record);
	shown = find_line("/proc/vmallocinfo", phys, "ioremap", line,
			  sizeof(line));
	ASSERT_EQ(0, exit_code_of(pid));
	ASSERT_TRUE(shown);
	if (!parse_area(line, shown_area, &shown_bytes))
		SKIP(return, "ioremap.info: vmallocinfo has no hashed address");
	EXPECT_TRUE(text_is(&record, "area", shown_area));
	EXPECT_EQ((long long)self->start, number_of(&record, "phys"));
	EXPECT_EQ((long long)(self->end - self->start + 1),
		  number_of(&record, "size_bytes"));
	EXPECT_EQ(shown_bytes,
		  number_of(&record, "size_bytes") + (long long)PAGE_BYTES);
	EXPECT_FALSE(find_line("/proc/vmallocinfo", phys, "ioremap", line,
			       sizeof(line)));
}

/* Whether /proc/iomem has an address in a range called "System RAM". */
static bool is_system_ram(unsigned long long phys)
{
	unsigned long long start, end;
	char line[256];
	FILE *file = fopen("/proc/iomem", "r");
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = strstr(line, "System RAM") &&
			sscanf(line, "%llx-%llx", &start, &end) == 2 &&
			phys >= start && phys <= end;
	if (file)
		fclose(file);
	return found;
}

TEST_F(ioremap, ram)
{
	/* arch/x86/mm/ioremap.c */
	static const char warning[] = "ioremap on RAM";
	int warnings = nr_logged(warning);
	struct record *record = run("ioremap.ram");

	ASSERT_EQ(0, record->err);
	ASSERT_LT(0, cell_of(record, "probe.ram", "phys"));
	EXPECT_TRUE(is_system_ram(cell_of(record, "probe.ram", "phys")));
	EXPECT_EQ(EINVAL, cell_of(record, "probe.ram", "errno"));
	EXPECT_FALSE(is_system_ram(cell_of(record, "probe.unlisted", "phys")));
	EXPECT_EQ(EPERM, cell_of(record, "probe.unlisted", "errno"));

	/* Every kind of address that a user can name. */
	record = run("ioremap.ram phys=0x100000");
	EXPECT_EQ(is_system_ram(0x100000) ? EINVAL : EPERM,
		  cell_of(record, "probe.given", "errno"));
	record = run("ioremap.ram phys=0xfee00000");
	EXPECT_EQ(EPERM, cell_of(record, "probe.given", "errno"));
	/* The kernel was never asked, so it has nothing to complain of. */
	EXPECT_EQ(warnings, nr_logged(warning));

	/* What is listed can be shown only where there is such a device. */
	if (!self->dir[0])
		return;
	record = run("ioremap.ram phys=0x%llx", self->start);
	EXPECT_EQ(0, cell_of(record, "probe.given", "errno"));
	record = run("ioremap.ram phys=0x%llx",
		     (self->end | (PAGE_BYTES - 1)) + 1);
	EXPECT_EQ(EPERM, cell_of(record, "probe.given", "errno"));
}

TEST_HARNESS_MAIN

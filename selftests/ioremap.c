// SPDX-License-Identifier: GPL-2.0
#include "kmemlab.h"

#include <glob.h>

/* QEMU's docs/specs/edu.txt */
#define EDU_IDENTITY	0x00
#define EDU_LIVENESS	0x04
#define EDU_FACTORIAL	0x08
#define EDU_STATUS	0x20

#define NO_EDU	"no edu device (QEMU: -device edu)"

#define NO_SHARED	"no ivshmem-plain device (QEMU)"

/* A PCI device in sysfs, and one of its ranges. */
struct device {
	char dir[256];			/* "" where there is none */
	unsigned long long start, end;
};

static void find_device(struct device *device, int vendor, int number, int bar)
{
	char path[300], buf[1024], *line = buf;
	glob_t found;
	size_t i;

	memset(device, 0, sizeof(*device));
	glob("/sys/bus/pci/devices/*", 0, NULL, &found);
	for (i = 0; i < found.gl_pathc && !device->dir[0]; i++) {
		snprintf(path, sizeof(path), "%s/vendor", found.gl_pathv[i]);
		if (read_number(path) != vendor)
			continue;
		snprintf(path, sizeof(path), "%s/device", found.gl_pathv[i]);
		if (read_number(path) == number)
			snprintf(device->dir, sizeof(device->dir), "%s",
				 found.gl_pathv[i]);
	}
	globfree(&found);
	snprintf(path, sizeof(path), "%s/resource", device->dir);
	if (!device->dir[0] || read_file(path, buf, sizeof(buf)) <= 0)
		return;
	while (bar-- && line)
		line = strchr(line, '\n') + 1;
	if (sscanf(line, "%llx %llx", &device->start, &device->end) != 2)
		device->dir[0] = '\0';
}

FIXTURE(ioremap)
{
	struct device edu, shared;
};

FIXTURE_SETUP(ioremap)
{
	find_device(&self->edu, 0x1234, 0x11e8, 0);
	find_device(&self->shared, 0x1af4, 0x1110, 2);
}

FIXTURE_TEARDOWN(ioremap) {}

static void enable_device(const char *dir, const char *on)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/enable", dir);
	write_file(path, on);
}

/* A device's range as user space sees it, by the device's own file in sysfs. */
static volatile void *map_device(const char *dir, int bar, size_t bytes)
{
	char path[300];
	void *base;
	int fd;

	enable_device(dir, "1");
	snprintf(path, sizeof(path), "%s/resource%d", dir, bar);
	fd = open(path, O_RDWR | O_SYNC);
	base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return base == MAP_FAILED ? NULL : base;
}

TEST_F(ioremap, register)
{
	volatile uint32_t *reg;
	struct record *record;

	if (!self->edu.dir[0])
		SKIP(return, "ioremap.register: " NO_EDU);
	record = run("ioremap.register pattern=0x0f0f1234 n=11");
	ASSERT_EQ(0, record->err);
	EXPECT_EQ((long long)self->edu.start, number_of(record, "phys"));
	EXPECT_EQ(0x0f0f1234, number_of(record, "liveness.written"));
	EXPECT_EQ(0xf0f0edcb, number_of(record, "liveness.read"));
	EXPECT_EQ(11, number_of(record, "factorial.of"));
	EXPECT_EQ(39916800, number_of(record, "factorial.read"));

	reg = map_device(self->edu.dir, 0, PAGE_BYTES);
	ASSERT_NE(NULL, reg);
	EXPECT_EQ(reg[EDU_IDENTITY / 4], number_of(record, "identity"));
	EXPECT_EQ(0xed, reg[EDU_IDENTITY / 4] & 0xff);
	/* The device still shows what the module left in it. */
	EXPECT_EQ(reg[EDU_LIVENESS / 4], number_of(record, "liveness.read"));
	EXPECT_EQ(reg[EDU_FACTORIAL / 4], number_of(record, "factorial.read"));
	/* And the other way round. */
	reg[EDU_FACTORIAL / 4] = 5;
	await(!(reg[EDU_STATUS / 4] & 1));
	EXPECT_EQ(120, reg[EDU_FACTORIAL / 4]);
	enable_device(self->edu.dir, "0");
}

TEST_F(ioremap, info)
{
	char line[512], phys[32], shown_area[32];
	static struct record record;
	long long shown_bytes;
	bool shown;
	pid_t pid;

	if (!self->edu.dir[0])
		SKIP(return, "ioremap.info: " NO_EDU);
	snprintf(phys, sizeof(phys), "phys=0x%016llx", self->edu.start);
	pid = hold("ioremap", "info hold_ms=60000", &record);
	shown = find_line("/proc/vmallocinfo", phys, "ioremap", line,
			  sizeof(line));
	ASSERT_TRUE(let_go(pid));
	ASSERT_TRUE(shown);
	if (!parse_area(line, shown_area, &shown_bytes))
		SKIP(return, "ioremap.info: vmallocinfo has no hashed address");
	EXPECT_TRUE(text_is(&record, "area", shown_area));
	EXPECT_EQ((long long)self->edu.start, number_of(&record, "phys"));
	EXPECT_EQ((long long)(self->edu.end - self->edu.start + 1),
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
	EXPECT_EQ(self->edu.dir[0] ? 0 : MISSING,
		  cell_of(record, "probe.listed", "errno"));

	/* Every kind of address that a user can name. */
	record = run("ioremap.ram phys=0x100000");
	EXPECT_EQ(is_system_ram(0x100000) ? EINVAL : EPERM,
		  cell_of(record, "probe.given", "errno"));
	record = run("ioremap.ram phys=0xfee00000");
	EXPECT_EQ(EPERM, cell_of(record, "probe.given", "errno"));
	/* The kernel was never asked, so it has nothing to complain of. */
	EXPECT_EQ(warnings, nr_logged(warning));

	/* What is listed can be shown only where there is such a device. */
	if (!self->edu.dir[0])
		return;
	record = run("ioremap.ram phys=0x%llx", self->edu.start);
	EXPECT_EQ(0, cell_of(record, "probe.given", "errno"));
	record = run("ioremap.ram phys=0x%llx",
		     (self->edu.end | (PAGE_BYTES - 1)) + 1);
	EXPECT_EQ(EPERM, cell_of(record, "probe.given", "errno"));
}

/* Whether a PCI device is one that the lab knows. */
static bool is_listed(const char *dir)
{
	char path[300];
	long long vendor, number;

	snprintf(path, sizeof(path), "%s/vendor", dir);
	vendor = read_number(path);
	snprintf(path, sizeof(path), "%s/device", dir);
	number = read_number(path);
	return (vendor == 0x1234 && number == 0x11e8) ||
	       (vendor == 0x1af4 && number == 0x1110);
}

static void expect_probe(struct __test_metadata *_metadata,
			 unsigned long long phys, bool listed)
{
	const struct record *record = run("ioremap.ram phys=0x%llx", phys);
	bool ram = is_system_ram(phys & -PAGE_BYTES);

	EXPECT_EQ(0, record->err);
	EXPECT_EQ(ram ? EINVAL : listed ? 0 : EPERM,
		  cell_of(record, "probe.given", "errno"))
	TH_LOG("0x%llx", phys);
	EXPECT_TRUE(cell_is(record, "probe.given", "range",
			    ram ? "ram" : listed ? "listed" : "unlisted"))
	TH_LOG("0x%llx", phys);
}

/*
 * Of each range of each PCI device the first page and the last.  A range that is
 * less than a page cannot be mapped without what lies beside it.
 */
TEST_F(ioremap, unlisted)
{
	unsigned long long start, end;
	char path[300], line[128];
	int nr_others = 0;
	glob_t found;
	size_t i;

	if (glob("/sys/bus/pci/devices/*", 0, NULL, &found))
		SKIP(return, "ioremap.unlisted: no PCI device");
	for (i = 0; i < found.gl_pathc; i++) {
		bool listed = is_listed(found.gl_pathv[i]);
		FILE *file;

		snprintf(path, sizeof(path), "%s/resource", found.gl_pathv[i]);
		file = fopen(path, "r");
		ASSERT_NE(NULL, file);
		while (fgets(line, sizeof(line), file)) {
			bool whole;

			if (sscanf(line, "%llx %llx", &start, &end) != 2 ||
			    !end)
				continue;
			whole = end - start >= PAGE_BYTES - 1;
			nr_others += !listed;
			expect_probe(_metadata, start, listed && whole);
			expect_probe(_metadata, end, listed && whole);
		}
		fclose(file);
	}
	globfree(&found);
	EXPECT_LT(0, nr_others);
}

/*
 * What the page attribute table has at an index, from the line that the kernel
 * logs when it has set it.
 */
static bool type_at(long long index, char *type)
{
	static char log[1 << 18];
	const char *p;
	int n = klogctl(KLOG_READ_ALL, log, sizeof(log) - 1), used;

	log[n > 0 ? n : 0] = '\0';
	p = strstr(log, "x86/PAT: Configuration [0-7]: ");
	if (!p || index < 0 || index > 7)
		return false;
	p = strstr(p, "]: ") + 2;
	do {
		if (sscanf(p, " %7s%n", type, &used) != 1)
			return false;
		p += used;
	} while (index--);
	return true;
}

/* What the kernel's own list has for a page of device memory. */
static bool listed_type(unsigned long long phys, char *type)
{
	char start[64], line[128];

	snprintf(start, sizeof(start), "[mem 0x%016llx-", phys);
	return find_line("/sys/kernel/debug/x86/pat_memtype_list", start, "]",
			 line, sizeof(line)) &&
	       sscanf(strchr(line, ']'), "] %31s", type) == 1;
}

TEST_F(ioremap, cache)
{
	static const struct {
		const char *row;
		int page, index;
		const char *type, *brief;
	} views[] = {
		/* Indices as in arch/x86/mm/init.c, __cachemode2pte_tbl[]. */
		{ "uncached", 0, 2, "uncached-minus", "UC-" },
		{ "write_combining", 1, 1, "write-combining", "WC" },
		{ "write_back", 2, 0, "write-back", "WB" },
		/* Who came first decides. */
		{ "write_back_of_uncached", 0, 2, "uncached-minus", "UC-" },
	};
	/* The last to write into each page. */
	static const int writer[] = { 3, 1, 2 };
	char listed[ARRAY_SIZE(views)][32] = {}, brief[8];
	static struct record record;
	volatile char *base;
	int i;
	pid_t pid;

	if (!self->shared.dir[0])
		SKIP(return, "ioremap.cache: " NO_SHARED);
	if (access("/sys/kernel/debug/x86/pat_memtype_list", R_OK))
		SKIP(return, "ioremap.cache: no page attribute table");
	pid = hold("ioremap", "cache hold_ms=60000", &record);
	for (i = 0; i < ARRAY_SIZE(views); i++)
		listed_type(self->shared.start + views[i].page * PAGE_BYTES,
			    listed[i]);
	ASSERT_TRUE(let_go(pid));
	EXPECT_EQ((long long)self->shared.start, number_of(&record, "phys"));
	for (i = 0; i < ARRAY_SIZE(views); i++) {
		const char *row = views[i].row;

		EXPECT_STREQ(views[i].type, listed[i]);
		EXPECT_TRUE(cell_is(&record, row, "type", listed[i]));
		/* The bits are an index, and there the table has that type. */
		EXPECT_EQ(views[i].index, cell_of(&record, row, "pat") << 2 |
					  cell_of(&record, row, "pcd") << 1 |
					  cell_of(&record, row, "pwt"));
		ASSERT_TRUE(type_at(views[i].index, brief));
		EXPECT_STREQ(views[i].brief, brief);
		EXPECT_EQ(self->shared.start / PAGE_BYTES + views[i].page,
			  cell_of(&record, row, "pfn"));
	}
	/* What was written through each of them is in the device's memory. */
	base = map_device(self->shared.dir, 2, 3 * PAGE_BYTES);
	ASSERT_NE(NULL, base);
	for (i = 0; i < ARRAY_SIZE(writer); i++)
		EXPECT_EQ(number_of(&record, "mark") + writer[i],
			  *(volatile long long *)(base + i * PAGE_BYTES));
	enable_device(self->shared.dir, "0");
}

/* The device read one half of the buffer, and wrote the other. */
TEST_F(ioremap, dma)
{
	static const int sizes[] = { 4088, 96 };
	static struct record record;
	char path[300];
	int i;

	if (!self->edu.dir[0])
		SKIP(return, "ioremap.dma: " NO_EDU);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		int last = sizes[i] / sizeof(uint64_t) - 1;
		long long mark, at, bus = 0;
		uint64_t word[2] = {};
		uint16_t command = 0;
		char text[64];
		int fd;
		pid_t pid;

		snprintf(text, sizeof(text), "dma size=%d hold_ms=60000",
			 sizes[i]);
		pid = hold("ioremap", text, &record);
		mark = number_of(&record, "mark");
		at = number_of(&record, "pfn") * PAGE_BYTES +
		     number_of(&record, "offset_bytes");
		read_physical(at, &word[0], sizeof(word[0]));
		read_physical(at + last * sizeof(word[1]), &word[1],
			      sizeof(word[1]));
		snprintf(path, sizeof(path), "%s/config", self->edu.dir);
		fd = open(path, O_RDONLY);
		EXPECT_EQ(sizeof(command), pread(fd, &command, sizeof(command),
						 4));
		close(fd);
		ASSERT_TRUE(let_go(pid));
		EXPECT_EQ(mark, word[0]);
		EXPECT_EQ(mark + last, word[1]);
		EXPECT_EQ(sizes[i], number_of(&record, "size_bytes"));
		EXPECT_EQ(sizes[i], number_of(&record, "back_bytes"));
		/* Below 256 MiB, which is all that the device can address. */
		bus = number_of(&record, "bus_address");
		EXPECT_GT(1LL << 28, bus + 2 * sizes[i]);
		/* Without an IOMMU that is the physical address. */
		if (access("/sys/class/iommu/dmar0", F_OK))
			EXPECT_EQ(bus + sizes[i], at);
		/* It is no master of the bus when it is not asked to be. */
		EXPECT_EQ(0, command & 4);
	}
}

#define DRIVER	"/sys/bus/pci/drivers/kmemlab/"

/* Commands that hold something of a device. */
static const struct {
	const char *command;
	int vendor, number, bar;
} holders[] = {
	{ "info", 0x1234, 0x11e8, 0 },
	{ "dma", 0x1234, 0x11e8, 0 },
	{ "cache", 0x1af4, 0x1110, 2 },
};

static const char *address_of(const struct device *device)
{
	return strrchr(device->dir, '/') + 1;
}

static bool is_bound(const struct device *device)
{
	char path[300];

	snprintf(path, sizeof(path), DRIVER "%s", address_of(device));
	return !access(path, F_OK);
}

/* Takes a device away, for good or from its driver, and gives it back. */
static int take_away(const struct device *device, bool for_good)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/remove", device->dir);
	return for_good ? write_file(path, "1")
			: write_file(DRIVER "unbind", address_of(device));
}

static int give_again(const struct device *device, bool for_good)
{
	return for_good ? write_file("/sys/bus/pci/rescan", "1")
			: write_file(DRIVER "bind", address_of(device));
}

static void check_taken_away(struct __test_metadata *_metadata, bool for_good)
{
	char command[64], line[256];
	static struct record record;
	struct device device;
	int i, logged = nr_logged("Trying to free nonexistent");
	pid_t pid;

	for (i = 0; i < ARRAY_SIZE(holders); i++) {
		find_device(&device, holders[i].vendor, holders[i].number,
			    holders[i].bar);
		ASSERT_NE('\0', device.dir[0]);
		ASSERT_TRUE(is_bound(&device));
		snprintf(command, sizeof(command), "%s hold_ms=60000",
			 holders[i].command);
		pid = hold("ioremap", command, &record);
		ASSERT_TRUE(text_is(&record, "status", "running"));
		EXPECT_TRUE(find_line("/proc/iomem", "kmemlab", "", line,
				      sizeof(line)));
		EXPECT_EQ(0, take_away(&device, for_good));
		EXPECT_EQ(ENODEV, exit_code_of(pid));
		read_file(LAB "ioremap/result", record.text,
			  sizeof(record.text));
		EXPECT_TRUE(text_is(&record, "status", "failed"));
		EXPECT_NE(NULL, strstr(text_of(&record, "reason"), "taken away"));
		/* There is nothing left of it. */
		EXPECT_FALSE(find_line("/proc/iomem", "kmemlab", "", line,
				       sizeof(line)));
		EXPECT_FALSE(find_line("/proc/vmallocinfo", "take_edu", "", line,
				       sizeof(line)));
		EXPECT_EQ(for_good ? EOPNOTSUPP : ENODEV,
			  run("ioremap.%s", holders[i].command)->err);
		EXPECT_TRUE(cell_is(run("ioremap.ram phys=0x%llx", device.start),
				    "probe.given", "range",
				    for_good ? "unlisted" : "busy"));
		/* And it comes again as it was. */
		EXPECT_EQ(0, give_again(&device, for_good));
		EXPECT_OK("ioremap.%s", holders[i].command);
	}
	EXPECT_EQ(logged, nr_logged("Trying to free nonexistent"));
}

TEST_F(ioremap, removed)
{
	if (!self->edu.dir[0] || !self->shared.dir[0])
		SKIP(return, "ioremap.removed: " NO_EDU " or " NO_SHARED);
	check_taken_away(_metadata, true);
}

TEST_F(ioremap, unbound)
{
	if (!self->edu.dir[0] || !self->shared.dir[0])
		SKIP(return, "ioremap.unbound: " NO_EDU " or " NO_SHARED);
	check_taken_away(_metadata, false);
}

/* However the driver is told to take a device that is not listed, it does not. */
TEST_F(ioremap, driver)
{
	char path[300], id[64];
	glob_t found;
	size_t i;

	if (glob("/sys/bus/pci/devices/*", 0, NULL, &found))
		SKIP(return, "ioremap.driver: no PCI device");
	for (i = 0; i < found.gl_pathc; i++) {
		const char *dir = found.gl_pathv[i];
		struct device device = {};
		long long vendor, number;

		if (is_listed(dir))
			continue;
		snprintf(device.dir, sizeof(device.dir), "%s", dir);
		snprintf(path, sizeof(path), "%s/vendor", dir);
		vendor = read_number(path);
		snprintf(path, sizeof(path), "%s/device", dir);
		number = read_number(path);
		snprintf(id, sizeof(id), "%llx %llx", vendor, number);
		write_file(DRIVER "new_id", id);
		EXPECT_NE(0, write_file(DRIVER "bind", address_of(&device)));
		EXPECT_FALSE(is_bound(&device)) TH_LOG("%s", dir);
		write_file(DRIVER "remove_id", id);
		snprintf(path, sizeof(path), "%s/driver_override", dir);
		write_file(path, "kmemlab");
		EXPECT_NE(0, write_file(DRIVER "bind", address_of(&device)));
		EXPECT_FALSE(is_bound(&device)) TH_LOG("%s", dir);
		write_file(path, "\n");
	}
	globfree(&found);
}

TEST_HARNESS_MAIN

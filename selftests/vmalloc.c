// SPDX-License-Identifier: GPL-2.0
#include "kmemlab.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/uio.h>

#define GIB	(1ULL << 30)
#define TIB	(1ULL << 40)

LAB_FIXTURE(vmalloc);

/* The kernel's address space, as /proc/kcore has it */

struct kernel_ranges {
	uint64_t direct, direct_end;
	uint64_t vmalloc, vmalloc_end;
	uint64_t vmemmap, vmemmap_end;
	uint64_t modules, modules_end;
};

/* The word at a kernel address. */
static uint64_t read_virtual(uint64_t address)
{
	uint64_t word = 0;

	read_kcore(false, address, &word, sizeof(word));
	return word;
}

/* The address of a symbol, or 0.  It takes long to find one. */
static uint64_t symbol(const char *name)
{
	static struct {
		char name[32];
		uint64_t address;
	} known[4];
	unsigned long long address;
	char line[512], word[256];
	FILE *file;
	int i;

	for (i = 0; i < ARRAY_SIZE(known) && known[i].address; i++)
		if (!strcmp(known[i].name, name))
			return known[i].address;
	file = fopen("/proc/kallsyms", "r");
	while (file && i < ARRAY_SIZE(known) && !known[i].address &&
	       fgets(line, sizeof(line), file))
		if (sscanf(line, "%llx %*c %255s", &address, word) == 2 &&
		    !strcmp(word, name)) {
			strcpy(known[i].name, name);
			known[i].address = address;
		}
	if (file)
		fclose(file);
	return i < ARRAY_SIZE(known) ? known[i].address : 0;
}

/*
 * RAM is the only part whose segments have a physical address and lie below the
 * kernel's image; vmalloc is by far the largest; the modules' part is where
 * this module is; and the struct pages are between these two.
 */
static bool is_image(uint64_t address)
{
	return address >= 0xffffffff80000000;
}

static void add_main_range(struct kernel_ranges *r, const Elf64_Phdr *phdr)
{
	uint64_t here = symbol("vmalloc_module_word");
	uint64_t end = phdr->p_vaddr + phdr->p_memsz;

	if (phdr->p_paddr != -1ULL && !is_image(phdr->p_vaddr)) {
		r->direct = phdr->p_vaddr - phdr->p_paddr;
		if (end > r->direct_end)
			r->direct_end = end;
	} else if (phdr->p_memsz > TIB) {
		r->vmalloc = phdr->p_vaddr;
		r->vmalloc_end = end;
	} else if (here - phdr->p_vaddr < phdr->p_memsz) {
		r->modules = phdr->p_vaddr;
		r->modules_end = end;
	}
}

static void add_vmemmap(struct kernel_ranges *r, const Elf64_Phdr *phdr)
{
	uint64_t end = phdr->p_vaddr + phdr->p_memsz;

	if (phdr->p_paddr != -1ULL || phdr->p_vaddr < r->vmalloc_end ||
	    is_image(phdr->p_vaddr))
		return;
	/*
	 * It starts at a multiple of 1 GiB, also where that is random, and the
	 * frames below the first RAM take far less of it.
	 */
	if (!r->vmemmap || phdr->p_vaddr < r->vmemmap)
		r->vmemmap = phdr->p_vaddr & -GIB;
	if (end > r->vmemmap_end)
		r->vmemmap_end = end;
}

static bool find_ranges(struct kernel_ranges *r)
{
	const struct kcore *kcore = open_kcore();
	int i;

	memset(r, 0, sizeof(*r));
	for (i = 0; i < kcore->nr; i++)
		if (kcore->segment[i].p_type == PT_LOAD)
			add_main_range(r, &kcore->segment[i]);
	for (i = 0; i < kcore->nr; i++)
		if (kcore->segment[i].p_type == PT_LOAD)
			add_vmemmap(r, &kcore->segment[i]);
	return r->direct && r->vmalloc && r->vmemmap && r->modules;
}

/* "key=0x..." in a row, or "key=..." as %p prints it. */
static uint64_t hex_cell_of(const struct record *record, const char *row,
			    const char *key)
{
	const char *line = text_of(record, row), *at;
	char cell[64];

	snprintf(cell, sizeof(cell), "%s=", key);
	at = line ? strstr(line, cell) : NULL;
	return at ? strtoull(at + strlen(cell), NULL, 16) : 0;
}

/* The address that a row "at.<what>" tells by its range and the offset in it. */
static uint64_t place_of(const struct record *record, const char *row,
			 const struct kernel_ranges *r)
{
	long long offset = cell_of(record, row, "offset_bytes");

	if (cell_is(record, row, "range", "modules"))
		return symbol("vmalloc_module_word");
	if (offset == MISSING)
		return 0;
	if (cell_is(record, row, "range", "direct"))
		return r->direct + offset;
	if (cell_is(record, row, "range", "vmalloc"))
		return r->vmalloc + offset;
	if (cell_is(record, row, "range", "vmemmap"))
		return r->vmemmap + offset;
	return 0;
}

/* A walk of our own, from the kernel's page tables through /proc/kcore */

#define ENTRY_PRESENT	0x001ULL
#define ENTRY_ACCESSED	0x020ULL
#define ENTRY_DIRTY	0x040ULL
#define ENTRY_LARGE	0x080ULL
#define ENTRY_FRAME	0x000ffffffffff000ULL

struct step {
	int shift, index;
	bool leaf;
	uint64_t flags;
	unsigned long pfn;
};

/* Returns how many entries there are on the way; 0 where it is not mapped. */
static int walk(uint64_t address, const struct kernel_ranges *r,
		struct step step[5])
{
	/* With five levels vmalloc has more than four could reach. */
	int shift = r->vmalloc_end - r->vmalloc > 256 * TIB ? 48 : 39;
	uint64_t table = 0, entry, frame_mask;
	int n = 0;

	for (;; shift -= 9, n++) {
		int index = address >> shift & 511;

		if (!n)
			entry = read_virtual(symbol("init_top_pgt") +
					     index * sizeof(entry));
		else if (!read_physical(table + index * sizeof(entry), &entry,
					sizeof(entry)))
			return 0;
		if (!(entry & ENTRY_PRESENT))
			return 0;
		step[n].shift = shift;
		step[n].index = index;
		step[n].leaf = shift == 12 ||
			       (shift <= 30 && (entry & ENTRY_LARGE));
		frame_mask = ENTRY_FRAME;
		if (step[n].leaf)
			frame_mask &= -(1ULL << shift);
		table = entry & frame_mask;
		step[n].pfn = table / PAGE_BYTES;
		step[n].flags = entry & ~frame_mask &
				~(ENTRY_ACCESSED | ENTRY_DIRTY);
		if (step[n].leaf)
			return n + 1;
	}
}

/* The frame behind an address, or 0. */
static unsigned long frame_at(uint64_t address, const struct kernel_ranges *r)
{
	struct step step[5];
	int n = walk(address, r, step);

	if (!n)
		return 0;
	return step[n - 1].pfn +
	       (address & ((1ULL << step[n - 1].shift) - 1)) / PAGE_BYTES;
}

/* Starts and end of the area at a hashed address, in /proc/vmallocinfo. */
static bool find_area(uint64_t address, char *line, size_t size,
		      uint64_t *end, long long *bytes)
{
	char start[32];

	snprintf(start, sizeof(start), "0x%016llx-",
		 (unsigned long long)address);
	return find_line("/proc/vmallocinfo", start, "", line, size) &&
	       sscanf(line, "0x%*x-0x%lx %lld", end, bytes) == 2;
}

static uint64_t hashed_of(const struct record *record, const char *key)
{
	const char *text = text_of(record, key);

	return text ? strtoull(text, NULL, 16) : 0;
}

/*
 * The frames that the module says are behind the area are really so: what it
 * wrote there by virtual address is found by physical address.
 */
TEST_F(vmalloc, scatter)
{
	int pages = 64, marked;
	static struct record record;
	pid_t pid;

	if (access("/proc/kcore", R_OK))
		SKIP(return, "vmalloc.scatter: no /proc/kcore");
	pid = hold("vmalloc", "scatter size=262144 hold_ms=60000", &record);
	marked = nr_marked(&record);
	ASSERT_TRUE(let_go(pid));
	EXPECT_EQ(pages, marked);
	EXPECT_EQ(pages, number_of(&record, "nr_pages"));
	EXPECT_EQ(262144, number_of(&record, "size_bytes"));
	EXPECT_EQ(nr_runs(&record), number_of(&record, "vmalloc_runs"));
	EXPECT_LT(1, number_of(&record, "vmalloc_runs"));
	EXPECT_EQ(1, number_of(&record, "kmalloc_runs"));
	/* The walk and the kernel's own vmalloc_to_pfn() agree. */
	EXPECT_EQ(pages, number_of(&record, "nr_agree"));
}

/* While the area is held, its row in /proc/vmallocinfo says the same of it. */
TEST_F(vmalloc, info)
{
	long long size = 5 * PAGE_BYTES, shown_bytes, shown_pages;
	char line[512], shown_area[32];
	static struct record record;
	bool shown;
	pid_t pid;

	pid = hold("vmalloc", "info size=20480 hold_ms=60000", &record);
	shown = find_line("/proc/vmallocinfo", "vmalloc_area", "pages=5 ",
			  line, sizeof(line));
	ASSERT_TRUE(let_go(pid));
	ASSERT_TRUE(shown);
	EXPECT_NE(NULL, text_of(&record, "area"));
	if (!parse_area(line, shown_area, &shown_bytes))
		SKIP(return, "vmalloc.info: vmallocinfo has no hashed address");
	ASSERT_EQ(1, sscanf(strstr(line, "pages="), "pages=%lld", &shown_pages));
	EXPECT_TRUE(text_is(&record, "area", shown_area));
	EXPECT_EQ(shown_pages, number_of(&record, "nr_pages"));
	EXPECT_EQ(size, number_of(&record, "size_bytes"));
	/* It counts the guard page, which no frame is behind, to the size. */
	EXPECT_EQ(1, number_of(&record, "nr_guard_pages"));
	EXPECT_EQ(shown_bytes, size + (long long)PAGE_BYTES);
	EXPECT_EQ(0, strncmp(text_of(&record, "caller") ?: "", "vmalloc_area", 12));
	EXPECT_FALSE(find_line("/proc/vmallocinfo", "vmalloc_area", shown_area,
			       line, sizeof(line)));
}

TEST_F(vmalloc, range)
{
	static const char *const places[] = {
		"at.vmalloc", "at.kmalloc", "at.percpu0", "at.percpu1",
		"at.module", "at.struct_page"
	};
	static struct record record;
	struct kernel_ranges r;
	uint64_t found[ARRAY_SIZE(places)];
	char line[256];
	bool is_page;
	pid_t pid;
	int i;

	if (!find_ranges(&r))
		SKIP(return, "vmalloc.range: no /proc/kcore");
	pid = hold("vmalloc", "range hold_ms=60000", &record);
	is_page = find_line("/proc/vmallocinfo", "vmalloc_area", "pages=1 ", line,
			    sizeof(line));
	for (i = 0; i < ARRAY_SIZE(places); i++)
		found[i] = read_virtual(place_of(&record, places[i], &r));
	ASSERT_TRUE(let_go(pid));
	EXPECT_TRUE(is_page);
	/* What was written there is there: so range and offset are right. */
	for (i = 0; i < ARRAY_SIZE(places); i++) {
		/* The guest has two CPUs; another machine may have one. */
		if (!text_of(&record, places[i]) && strstr(places[i], "percpu"))
			continue;
		EXPECT_EQ(found[i], cell_of(&record, places[i], "mark"))
			TH_LOG("%s", places[i]);
	}
	EXPECT_TRUE(cell_is(&record, "at.vmalloc", "range", "vmalloc"));
	EXPECT_TRUE(cell_is(&record, "at.kmalloc", "range", "direct"));
	EXPECT_TRUE(cell_is(&record, "at.struct_page", "range", "vmemmap"));
	EXPECT_TRUE(cell_is(&record, "at.module", "range", "modules"));
	/* Whoever knows the offset there knows the address. */
	EXPECT_EQ(MISSING, cell_of(&record, "at.module", "offset_bytes"));

	EXPECT_EQ(r.direct_end - r.direct,
		  cell_of(&record, "range.direct", "bytes"));
	/* The kernel's VMALLOC_END is the last byte, not the one after it. */
	EXPECT_EQ(r.vmalloc_end + 1 - r.vmalloc,
		  cell_of(&record, "range.vmalloc", "bytes"));
	EXPECT_EQ(r.vmemmap_end - r.vmemmap,
		  cell_of(&record, "range.vmemmap", "bytes"));
	EXPECT_EQ(r.modules_end - r.modules,
		  cell_of(&record, "range.modules", "bytes"));
}

TEST_F(vmalloc, pagetable)
{
	static const struct {
		const char *command;
		const char *range;	/* NULL: wherever the kernel puts it */
		int leaf_shift;		/* 0: as the direct map happens to be */
	} looks[] = {
		{ "of=vmalloc offset=8192", "vmalloc", 12 },
		{ "of=huge size=8M offset=3M", "vmalloc", 21 },
		{ "of=direct", "direct", 0 },
		{ "of=percpu", NULL, 0 },
		{ "of=module", "modules", 12 },
	};
	/* The kernel's names, from the leaf of a single page upwards. */
	static const char *const names[] = { "pte", "pmd", "pud", "p4d", "pgd" };
	long long pfn, mark, large = meminfo_pages("DirectMap2M") +
				     meminfo_pages("DirectMap1G");
	static struct record record;
	struct kernel_ranges r;
	struct step step[5];
	char command[128], row[16];
	uint64_t address, at_frame;
	int i, j, n;
	pid_t pid;

	if (!find_ranges(&r))
		SKIP(return, "vmalloc.pagetable: no /proc/kcore");
	for (i = 0; i < ARRAY_SIZE(looks); i++) {
		snprintf(command, sizeof(command), "pagetable %s hold_ms=60000",
			 looks[i].command);
		pid = hold("vmalloc", command, &record);
		address = place_of(&record, "at.object", &r);
		mark = cell_of(&record, "at.object", "mark");
		n = walk(address, &r, step);
		pfn = number_of(&record, "pfn");
		at_frame = 0;
		read_physical(pfn * PAGE_BYTES + address % PAGE_BYTES,
			      &at_frame, sizeof(at_frame));
		EXPECT_EQ(mark, read_virtual(address));
		ASSERT_TRUE(let_go(pid));

		/* By frame and by address the same word is found. */
		EXPECT_EQ(mark, at_frame) TH_LOG("%s", looks[i].command);
		if (looks[i].range)
			EXPECT_TRUE(cell_is(&record, "at.object", "range",
					    looks[i].range));
		if (strcmp(looks[i].range ?: "", "direct") &&
		    cell_is(&record, "at.object", "range", "vmalloc"))
			EXPECT_EQ(pfn, number_of(&record, "vmalloc_to_pfn"));
		ASSERT_LT(0, n);
		for (j = 0; j < n; j++) {
			bool top = j == 0;

			snprintf(row, sizeof(row), "level.%s",
				 top ? "pgd" : names[(step[j].shift - 12) / 9]);
			EXPECT_EQ(step[j].leaf, cell_of(&record, row, "leaf"));
			EXPECT_EQ(step[j].pfn, cell_of(&record, row, "pfn"));
			EXPECT_EQ(step[j].flags,
				  hex_cell_of(&record, row, "flags"));
			EXPECT_EQ(1LL << step[j].shift,
				  cell_of(&record, row, "covers_bytes"));
			EXPECT_EQ(step[j].shift >= 30 || is_image(address) ?
				  MISSING : step[j].index,
				  cell_of(&record, row, "index"));
		}
		/* Nothing is told of levels below the leaf. */
		for (j = 0; j < (step[n - 1].shift - 12) / 9; j++) {
			snprintf(row, sizeof(row), "level.%s", names[j]);
			EXPECT_EQ(NULL, text_of(&record, row));
		}
		if (looks[i].leaf_shift)
			EXPECT_EQ(looks[i].leaf_shift, step[n - 1].shift);
		/* A large leaf in the direct map is one that meminfo counts. */
		if (step[n - 1].shift > 12 && address < r.direct_end)
			EXPECT_LT(0, large);
	}
	EXPECT_EQ(ERANGE, run("vmalloc.pagetable of=module offset=8")->err);
	EXPECT_EQ(ERANGE, run("vmalloc.pagetable size=4096 offset=4096")->err);
}

TEST_F(vmalloc, guard)
{
	char row[16], line[512], pages[32];
	static struct record record;
	struct {
		uint64_t lower, end;
		long long bytes;
		bool shown;
	} seen[8];
	int i, n;
	pid_t pid;

	/* Larger than most holes that others leave: few lie apart. */
	pid = hold("vmalloc", "guard size=262144 count=48 hold_ms=60000",
		   &record);
	n = number_of(&record, "nr_pairs");
	for (i = 0; i < n && i < ARRAY_SIZE(seen); i++) {
		snprintf(row, sizeof(row), "pair.%d", i);
		seen[i].lower = hex_cell_of(&record, row, "lower");
		seen[i].shown = find_area(seen[i].lower, line, sizeof(line),
					  &seen[i].end, &seen[i].bytes);
		snprintf(pages, sizeof(pages), " pages=%lld ",
			 cell_of(&record, row, "lower_pages"));
		seen[i].shown &= strstr(line, pages) &&
				 strstr(line, "vmalloc_area");
	}
	ASSERT_TRUE(let_go(pid));
	if (!names_areas())
		SKIP(return, "vmalloc.guard: vmallocinfo has no hashed address");
	ASSERT_LT(0, n);
	ASSERT_LE(n, ARRAY_SIZE(seen));
	for (i = 0; i < n; i++) {
		snprintf(row, sizeof(row), "pair.%d", i);
		ASSERT_TRUE(seen[i].shown);
		EXPECT_EQ(64, cell_of(&record, row, "lower_pages"));
		/* It ends, guard included, where its neighbour starts. */
		EXPECT_EQ(seen[i].end, hex_cell_of(&record, row, "upper"));
		EXPECT_EQ(seen[i].bytes / (long long)PAGE_BYTES - 64,
			  cell_of(&record, row, "gap_pages"));
		EXPECT_EQ(1, cell_of(&record, row, "gap_pages"));
		EXPECT_EQ(1, cell_of(&record, row, "gap_unmapped_pages"));
	}
	/* No row is left out, and none is there twice. */
	snprintf(row, sizeof(row), "pair.%d", n);
	EXPECT_EQ(NULL, text_of(&record, row));
}

/* A process that is there, with its kernel stack, before it runs a command. */
static pid_t arm(const char *command, int go[2])
{
	char byte;
	pid_t pid;

	if (pipe(go))
		return -1;
	pid = fork();
	if (!pid) {
		close(go[1]);
		if (read(go[0], &byte, 1) != 1)
			_exit(255);
		_exit(write_file(LAB "vmalloc/run", command));
	}
	close(go[0]);
	return pid;
}

TEST_F(vmalloc, big)
{
	/*
	 * The pages, and those of the array that has a pointer to each: it is
	 * an area itself where it is longer than a page.
	 */
	const long long pages = 32 << 20 >> 12;
	const long long array = pages * sizeof(void *) / PAGE_BYTES;
	long long before, held = 0, after, bytes = 0;
	static struct record record;
	uint64_t end_hash;
	char line[512];
	bool shown = false;
	int tries, go[2];
	pid_t pid;

	for (tries = 0; may_try(tries); tries++) {
		record.text[0] = '\0';
		write_file(LAB "vmalloc/run", "info");
		pid = arm("big size=32M hold_ms=60000", go);
		before = meminfo_pages("VmallocUsed");
		ASSERT_EQ(1, write(go[1], "", 1));
		await(is_held("vmalloc", &record));
		held = meminfo_pages("VmallocUsed");
		shown = find_area(hashed_of(&record, "area"), line,
				  sizeof(line), &end_hash, &bytes);
		/* Ends, but stays as it is until it is waited for. */
		kill(pid, SIGKILL);
		close(go[1]);
		ASSERT_EQ(0, waitid(P_PID, pid, &(siginfo_t){}, WEXITED |
				    WNOWAIT));
		after = meminfo_pages("VmallocUsed");
		ASSERT_LT(0, pid);
		waitpid(pid, NULL, 0);
		if (before == after)
			break;
	}
	ASSERT_LT(tries, QUIET_TRIES) TH_LOG("VmallocUsed moved each time");
	if (!names_areas())
		SKIP(return, "vmalloc.big: vmallocinfo has no hashed address");
	EXPECT_EQ(pages + array, held - before);
	EXPECT_EQ(pages, number_of(&record, "nr_pages"));
	EXPECT_EQ(pages * (long long)PAGE_BYTES,
		  number_of(&record, "size_bytes"));
	ASSERT_TRUE(shown);
	EXPECT_EQ(bytes, (pages + 1) * (long long)PAGE_BYTES);
	EXPECT_NE(NULL, strstr(line, "pages=8192 "));
	EXPECT_EQ(ENOMEM, number_of(&record, "kmalloc_errno"));
	/* Two of the largest blocks of the buddy allocator are the limit. */
	EXPECT_EQ(PAGE_BYTES << (NR_ORDERS - 1),
		  number_of(&record, "kmalloc_max_bytes"));
}

TEST_F(vmalloc, atomic)
{
	static struct record record;
	long long bytes = 0, other_bytes;
	char line[512], other[512];
	bool shown, serves;
	uint64_t end;
	pid_t pid;

	pid = hold("vmalloc", "atomic size=20480 hold_ms=60000", &record);
	shown = find_area(hex_cell_of(&record, "process", "area"), line,
			  sizeof(line), &end, &bytes);
	serves = find_area(hex_cell_of(&record, "not_preemptible", "area"),
			   other, sizeof(other), &end, &other_bytes);
	ASSERT_TRUE(let_go(pid));
	if (!names_areas())
		SKIP(return, "vmalloc.atomic: vmallocinfo has no hashed address");
	ASSERT_TRUE(shown);
	EXPECT_EQ(bytes, 20480 + PAGE_BYTES);
	EXPECT_NE(NULL, strstr(line, " pages=5 "));
	EXPECT_EQ(5, cell_of(&record, "process", "pages"));
	EXPECT_EQ(0, cell_of(&record, "process", "errno"));
	/* As the kernel can: where it did, there is an area. */
	EXPECT_EQ(serves ? 0 : EOPNOTSUPP,
		  cell_of(&record, "not_preemptible", "errno"));
	EXPECT_EQ(serves ? 5 : MISSING,
		  cell_of(&record, "not_preemptible", "pages"));
	EXPECT_EQ(EOPNOTSUPP, cell_of(&record, "softirq", "errno"));
	EXPECT_EQ(EOPNOTSUPP, cell_of(&record, "hardirq", "errno"));
}

TEST_F(vmalloc, huge)
{
	static const char *const rows[] = { "vmalloc", "vmalloc_huge" };
	const uint64_t size = 8 << 20;
	long long leaves[2][2] = {}, runs[2] = {}, first[2] = {};
	static struct record record;
	struct kernel_ranges r;
	int i, nodes = 0;
	char path[64];
	pid_t pid;

	if (!find_ranges(&r))
		SKIP(return, "vmalloc.huge: no /proc/kcore");
	pid = hold("vmalloc", "huge size=8M hold_ms=60000", &record);
	if (text_is(&record, "status", "unsupported")) {
		exit_code_of(pid);
		SKIP(return, "vmalloc.huge: no CONFIG_HAVE_ARCH_HUGE_VMALLOC");
	}
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t start = place_of(&record, rows[i], &r), at, covers;
		unsigned long pfn, next = 0;
		struct step step[5];
		int n;

		for (at = start; at < start + size; at += covers) {
			n = walk(at, &r, step);
			if (!n)
				break;
			covers = 1ULL << step[n - 1].shift;
			pfn = step[n - 1].pfn;
			if (at == start)
				first[i] = pfn;
			runs[i] += pfn != next;
			next = pfn + covers / PAGE_BYTES;
			leaves[i][step[n - 1].shift > 12]++;
		}
	}
	ASSERT_TRUE(let_go(pid));
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		EXPECT_EQ(leaves[i][0],
			  cell_of(&record, rows[i], "nr_page_leaves"));
		EXPECT_EQ(leaves[i][1],
			  cell_of(&record, rows[i], "nr_huge_leaves"));
		EXPECT_EQ(runs[i], cell_of(&record, rows[i], "nr_runs"));
		EXPECT_EQ(first[i], cell_of(&record, rows[i], "first_pfn"));
		EXPECT_EQ(size / PAGE_BYTES,
			  cell_of(&record, rows[i], "nr_pages"));
	}
	for (i = 0; snprintf(path, sizeof(path),
			     NODES "node%d", i) > 0 &&
	     !access(path, F_OK); i++)
		nodes++;
	EXPECT_EQ(nodes, number_of(&record, "nr_nodes"));
	EXPECT_EQ(size, number_of(&record, "size_bytes"));
	EXPECT_EQ(2 << 20, number_of(&record, "huge_bytes"));
	EXPECT_EQ(0, leaves[0][1]);
	EXPECT_EQ(size / (2 << 20), leaves[1][1]);
	/* Divided by the nodes that is too little for one huge page. */
	if (nodes > 1) {
		run("vmalloc.huge size=2M");
		EXPECT_EQ(0, cell_of(run("vmalloc.huge size=2M"),
				     "vmalloc_huge", "nr_huge_leaves"));
	}
}

TEST_F(vmalloc, vmap)
{
	static struct record record;
	const int pages = 16;
	struct kernel_ranges r;
	int i, marked, same = 0;
	long long bytes = 0, mark;
	uint64_t end, written = 0;
	char line[512];
	bool shown;
	pid_t pid;

	if (!find_ranges(&r))
		SKIP(return, "vmalloc.vmap: no /proc/kcore");
	pid = hold("vmalloc", "vmap pages=16 hold_ms=60000", &record);
	marked = nr_marked(&record);
	mark = number_of(&record, "mark");
	for (i = 0; i < pages; i++) {
		long long pfn = numbered_cell_of(&record, "frames", i);
		uint64_t offset = i * PAGE_BYTES;

		same += pfn == frame_at(place_of(&record, "at.vmap", &r) +
					offset, &r) &&
			pfn == frame_at(place_of(&record, "at.map_ram", &r) +
					offset, &r) &&
			read_physical(pfn * PAGE_BYTES + sizeof(written),
				      &written, sizeof(written)) &&
			written == ~(uint64_t)(mark + i);
	}
	shown = find_area(hashed_of(&record, "area"), line, sizeof(line), &end,
			  &bytes);
	ASSERT_TRUE(let_go(pid));
	if (!names_areas())
		SKIP(return, "vmalloc.vmap: vmallocinfo has no hashed address");
	EXPECT_EQ(pages, marked);
	EXPECT_EQ(pages, same);
	/* Places to the byte: areas and blocks of them start at a page. */
	EXPECT_EQ(0, cell_of(&record, "at.vmap", "offset_bytes") % PAGE_BYTES);
	EXPECT_EQ(0, cell_of(&record, "at.map_ram", "offset_bytes") % PAGE_BYTES);
	EXPECT_NE(cell_of(&record, "at.vmap", "offset_bytes"),
		  cell_of(&record, "at.map_ram", "offset_bytes"));
	EXPECT_EQ(pages, number_of(&record, "nr_pages"));
	EXPECT_EQ(nr_runs(&record), number_of(&record, "nr_runs"));
	EXPECT_LT(1, nr_runs(&record));
	EXPECT_EQ(pages, number_of(&record, "nr_read_by_map_ram"));
	EXPECT_EQ(pages, number_of(&record, "nr_read_by_vmap"));
	ASSERT_TRUE(shown);
	EXPECT_NE(NULL, strstr(line, "vmap_area_of"));
	EXPECT_NE(NULL, strstr(line, " vmap"));
	EXPECT_EQ(bytes, (pages + 1) * (long long)PAGE_BYTES);
}

TEST_F(vmalloc, lazy)
{
	static struct record record;
	long long bytes = 0, lazy_bytes = 0;
	uint64_t first = 0, again = 0, end;
	char line[512], lazy[512];
	bool shown = false, unpurged = false;
	int tries;
	pid_t pid;

	/*
	 * Others can purge at any time, and an area can be freed beside another
	 * and then stand in one row with it.
	 */
	for (tries = 0; may_try(tries) && !unpurged; tries++) {
		pid = hold("vmalloc", "lazy size=6M purge=no hold_ms=60000",
			   &record);
		first = hashed_of(&record, "first");
		again = hashed_of(&record, "again");
		unpurged = find_area(first, lazy, sizeof(lazy), &end,
				     &lazy_bytes) &&
			   strstr(lazy, "unpurged");
		shown = find_area(again, line, sizeof(line), &end, &bytes);
		ASSERT_TRUE(let_go(pid));
		if (!names_areas())
			SKIP(return, "vmalloc.lazy: vmallocinfo has no hashed address");
	}
	ASSERT_TRUE(unpurged) TH_LOG("was purged each time");
	ASSERT_TRUE(shown);
	EXPECT_EQ((6 << 20) + PAGE_BYTES, lazy_bytes);
	EXPECT_EQ((6 << 20) + PAGE_BYTES, bytes);
	EXPECT_EQ(6 << 20, number_of(&record, "size_bytes"));
	EXPECT_NE(NULL, strstr(line, "vmap_area_of"));
	EXPECT_EQ(0, number_of(&record, "reused"));
	EXPECT_NE(first, again);

	/* What others free lower down meanwhile is taken first. */
	for (tries = 0; may_try(tries); tries++) {
		pid = hold("vmalloc", "lazy size=6M purge=yes hold_ms=60000",
			   &record);
		first = hashed_of(&record, "first");
		again = hashed_of(&record, "again");
		shown = find_area(first, line, sizeof(line), &end, &bytes);
		ASSERT_TRUE(let_go(pid));
		if (first == again)
			break;
	}
	ASSERT_LT(tries, QUIET_TRIES);
	ASSERT_TRUE(shown);
	EXPECT_NE(NULL, strstr(line, "vmap_area_of"));
	EXPECT_EQ((6 << 20) + PAGE_BYTES, bytes);
	EXPECT_EQ(6 << 20, number_of(&record, "size_bytes"));
	EXPECT_EQ(1, number_of(&record, "reused"));
}

#define USER_BYTES	16384
/* That ends when nothing is mapped any more, or soon. */
#define USER_COMMAND	"user size=16384 hold_ms=60000"
#define USER_SHORT	"user size=16384 hold_ms=400"

static volatile bool is_over;

static void *run_here(void *command)
{
	long err = write_file(LAB "vmalloc/run", command);

	is_over = true;
	return (void *)err;
}

/* The frame behind an address of this process, or 0. */
static unsigned long user_frame(const volatile void *address)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (fd >= 0 && pread(fd, &entry, sizeof(entry),
			     (unsigned long)address / PAGE_BYTES *
			     sizeof(entry)) != sizeof(entry))
		entry = 0;
	close(fd);
	return entry & ((1ULL << 55) - 1);
}

/* Whether a process has the file mapped. */
static bool maps_lab(pid_t pid, char *line, size_t size)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	return find_line(path, "[kmemlab]", "", line, size);
}

/* Has a thread run "user", and waits until it holds; where its area is then. */
static void *map_area(pthread_t *thread, const char *command,
		      struct record *record)
{
	write_file(LAB "vmalloc/run", "info");
	is_over = false;
	pthread_create(thread, NULL, run_here, (void *)command);
	await(is_held("vmalloc", record) || is_over);
	return (void *)(uintptr_t)hashed_of(record, "user_address");
}

TEST_F(vmalloc, user)
{
	const int pages = 4;
	volatile uint64_t *user, *moved;
	unsigned long long start, end;
	static struct record record;
	char line[512], area[512];
	pthread_t thread;
	bool in_child;
	int i, status;
	void *err;
	pid_t pid;

	user = map_area(&thread, USER_COMMAND, &record);
	ASSERT_TRUE(maps_lab(getpid(), line, sizeof(line)));
	ASSERT_EQ(2, sscanf(line, "%llx-%llx rw-s", &start, &end));
	EXPECT_EQ(start, (uintptr_t)user);
	EXPECT_EQ(end - start, number_of(&record, "size_bytes"));
	EXPECT_EQ(end - start, pages * PAGE_BYTES);
	ASSERT_TRUE(find_line("/proc/vmallocinfo", "vmalloc_to_user", " user",
			      area, sizeof(area)));
	EXPECT_NE(NULL, strstr(area, " pages=4 "));
	EXPECT_EQ(pages, nr_marked(&record));
	/* What the kernel wrote is here, in the frames that it says. */
	for (i = 0; i < pages; i++) {
		volatile uint64_t *page = user + i * PAGE_BYTES / sizeof(*user);

		EXPECT_EQ(number_of(&record, "mark") + i, page[0]);
		EXPECT_EQ(numbered_cell_of(&record, "frames", i),
			  user_frame(page));
		page[1] = 1000 * i + getpid();
	}
	/* A child does not inherit it, or it would outlive the command. */
	pid = fork();
	if (!pid)
		_exit(maps_lab(getpid(), line, sizeof(line)));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	in_child = status;
	EXPECT_FALSE(in_child);
	/* Nor does it when it was moved. */
	moved = mmap(NULL, pages * PAGE_BYTES, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT_EQ(moved, mremap((void *)user, pages * PAGE_BYTES,
				pages * PAGE_BYTES,
				MREMAP_MAYMOVE | MREMAP_FIXED, moved));
	/* What is mapped nowhere is held no more. */
	EXPECT_EQ(0, munmap((void *)moved, PAGE_BYTES));
	EXPECT_TRUE(is_held("vmalloc", &record));
	EXPECT_EQ(0, munmap((void *)moved, pages * PAGE_BYTES));
	pthread_join(thread, &err);
	ASSERT_EQ(NULL, err);
	read_file(LAB "vmalloc/result", record.text, sizeof(record.text));
	for (i = 0; i < pages; i++)
		EXPECT_EQ(1000 * i + getpid(),
			  numbered_cell_of(&record, "written", i));
	EXPECT_EQ(MISSING, numbered_cell_of(&record, "written", pages));
	EXPECT_FALSE(maps_lab(getpid(), line, sizeof(line)));
	EXPECT_FALSE(find_line("/proc/vmallocinfo", "vmalloc_to_user", "",
			       area, sizeof(area)));

	/* Killed meanwhile, it leaves nothing either. */
	pid = hold("vmalloc", "user hold_ms=60000", &record);
	EXPECT_TRUE(maps_lab(pid, line, sizeof(line)));
	EXPECT_TRUE(let_go(pid));
	EXPECT_FALSE(find_line("/proc/vmallocinfo", "vmalloc_to_user", "",
			       area, sizeof(area)));
}

/* No process has it mapped any more, it is freed, and the lab holds no more. */
static void expect_no_area(struct __test_metadata *_metadata, pthread_t thread,
			   long long held)
{
	char line[512];
	void *err;

	pthread_join(thread, &err);
	EXPECT_EQ(NULL, err);
	EXPECT_FALSE(maps_lab(getpid(), line, sizeof(line))) TH_LOG("%s", line);
	EXPECT_FALSE(find_line("/proc/vmallocinfo", "vmalloc_to_user", "",
			       line, sizeof(line)));
	EXPECT_EQ(held, lab_charged());
}

/* A child that has it mapped says so with its exit code. */
static int nr_children_with_it(int children)
{
	char line[512];
	int n = 0;

	while (children--) {
		pid_t pid = fork();

		if (!pid)
			_exit(maps_lab(getpid(), line, sizeof(line)));
		n += exit_code_of(pid) != 0;
	}
	return n;
}

/* Nobody undoes that no child inherits it: not madvise(), at no moment. */
TEST_F(vmalloc, user_fork)
{
	static struct record record;
	long long held = lab_charged();
	pthread_t thread;
	void *user;

	user = map_area(&thread, USER_COMMAND, &record);
	EXPECT_EQ(-1, madvise(user, USER_BYTES, MADV_DOFORK));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, nr_children_with_it(3));
	munmap(user, USER_BYTES);
	expect_no_area(_metadata, thread, held);
}

#define IO_URING_SETUP			425
#define IO_URING_REGISTER		427
#define IO_URING_REGISTER_BUFFERS	0
#define IO_URING_PARAMS_BYTES		120

/* The errno with which a page of it is refused to who would keep it, or 0. */
static int pin_by_pipe(struct iovec *iov)
{
	int fd[2], err;

	pipe(fd);
	err = vmsplice(fd[1], iov, 1, 0) < 0 ? errno : 0;
	close(fd[0]);
	close(fd[1]);
	return err;
}

static int pin_by_ring(struct iovec *iov)
{
	char params[IO_URING_PARAMS_BYTES] = {};
	int fd = syscall(IO_URING_SETUP, 1, params), err = EFAULT;

	if (fd < 0)
		return err;	/* no rings here */
	err = syscall(IO_URING_REGISTER, fd, IO_URING_REGISTER_BUFFERS, iov, 1) ?
	      errno : 0;
	close(fd);
	return err;
}

/* Not every kernel is built with this call, which is as good as a refusal. */
static bool read_from_outside(struct iovec *iov)
{
	char page[PAGE_BYTES];
	struct iovec to = { page, sizeof(page) };

	return process_vm_readv(getpid(), &to, 1, iov, 1, 0) > 0;
}

/* A page of it, once in the page tables of the process, is in nobody's hands. */
TEST_F(vmalloc, user_pin)
{
	static struct record record;
	long long held = lab_charged();
	pthread_t thread;
	struct iovec iov;

	iov.iov_base = map_area(&thread, USER_COMMAND, &record);
	iov.iov_len = PAGE_BYTES;
	*(volatile char *)iov.iov_base = 1;
	EXPECT_EQ(EFAULT, pin_by_pipe(&iov));
	EXPECT_EQ(EFAULT, pin_by_ring(&iov));
	EXPECT_FALSE(read_from_outside(&iov));
	munmap(iov.iov_base, USER_BYTES);
	expect_no_area(_metadata, thread, held);
}

/* Moves it to and fro, and maps it again, until there is nothing to move. */
static void *move_about(void *user)
{
	char *place = mmap(NULL, 2 * USER_BYTES, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *at = user;
	int i;

	for (i = 0;; i++) {
		void *to = place + i % 2 * USER_BYTES;

		if (mremap(at, USER_BYTES, USER_BYTES,
			   MREMAP_MAYMOVE | MREMAP_FIXED, to) == to)
			at = to;
		else if (errno == EFAULT)
			return NULL;
		remap_file_pages(at, PAGE_BYTES, 0, i % 4, 0);
	}
}

/* There is no second one, and wherever it is at the end, then it is gone. */
TEST_F(vmalloc, user_again)
{
	static struct record record;
	long long held = lab_charged();
	pthread_t thread, mover;
	char path[64];
	void *user;

	user = map_area(&thread, USER_SHORT, &record);
	EXPECT_EQ(MAP_FAILED, mremap(user, 0, USER_BYTES, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(user, USER_BYTES, 2 * USER_BYTES,
				     MREMAP_MAYMOVE));
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx",
		 (long)user, (long)user + USER_BYTES);
	EXPECT_EQ(-1, open(path, O_RDWR));
	ASSERT_EQ(0, pthread_create(&mover, NULL, move_about, user));
	/* What it maps again has the file open meanwhile, so it ends first. */
	pthread_join(mover, NULL);
	expect_no_area(_metadata, thread, held);
}

#define MSEAL	462

/* Nor does it stay because it was sealed: at one of some tries it was, in time. */
TEST_F(vmalloc, user_sealed)
{
	static struct record record;
	long long held = lab_charged();
	bool sealed = false;
	pthread_t thread;
	void *user;
	int looks;

	/* Nothing at all can be sealed where there is such a call. */
	if (syscall(MSEAL, NULL, 0, 0))
		SKIP(return, "vmalloc.user_sealed: no mseal(2)");
	for (looks = 0; looks < LOOKS && !sealed; looks++) {
		user = map_area(&thread, USER_SHORT, &record);
		sealed = !syscall(MSEAL, user, USER_BYTES, 0) &&
			 munmap(user, USER_BYTES);
		expect_no_area(_metadata, thread, held);
	}
	EXPECT_TRUE(sealed);
}

/* A process that locks all it maps, and may not lock so much. */
TEST_F(vmalloc, user_locked)
{
	struct rlimit little = { PAGE_BYTES, PAGE_BYTES };
	const struct record *record;

	setrlimit(RLIMIT_MEMLOCK, &little);
	/* Of who has the capability nothing is counted. */
	if (!give_up(1ULL << CAP_IPC_LOCK) || mlockall(MCL_FUTURE))
		SKIP(return, "vmalloc.user_locked: RLIMIT_MEMLOCK cannot be had");
	record = run("vmalloc.user");
	munlockall();
	EXPECT_EQ(ENOMEM, record->err);
	EXPECT_NE(NULL, strstr(text_of(record, "reason"), "RLIMIT_MEMLOCK"));
}

/* A pool of areas made of single pages: rows of vmap that own their pages. */
TEST_F(vmalloc, vmap_pool)
{
	static struct place place[3];
	char line[512];
	int i;

	ASSERT_OK("pool.create name=vmap allocator=vmap size=20000");
	ASSERT_OK("pool.alloc name=vmap count=3");
	EXPECT_EQ(3, read_layout("vmap", place, 3));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(5, place[i].pages);
		EXPECT_EQ(0, place[i].offset);
	}
	EXPECT_TRUE(find_line("/proc/vmallocinfo", "vmap_area_of",
			      " pages=5 vmap", line, sizeof(line)));
	EXPECT_OK("pool.free name=vmap count=3");
	EXPECT_FALSE(find_line("/proc/vmallocinfo", "vmap_area_of", "",
			       line, sizeof(line)));
	EXPECT_OK("pool.destroy name=vmap");
}

TEST_HARNESS_MAIN

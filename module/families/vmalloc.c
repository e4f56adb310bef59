// SPDX-License-Identifier: GPL-2.0
/* vmalloc - consecutive addresses made of whichever pages are free. */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "compat/compat.h"
#include "core/address.h"
#include "core/context.h"
#include "core/family.h"
#include "core/footprint.h"
#include "core/frame.h"
#include "core/loops.h"
#include "families/hoard.h"

#define SCATTER_MAX_BYTES	SZ_4M	/* what kmalloc can still give */
#define AREA_MAX_BYTES		SZ_1G
#define LENS_MAX_BYTES		SZ_8M
#define LAZY_MAX_BYTES		SZ_16M
#define USER_MAX_BYTES		SZ_1M
#define GUARD_AREAS_MAX		1024
#define GUARD_PAIRS_SHOWN	8
#define UNMAP_TRIES		10

/*
 * Every area of this family is made here, so that /proc/vmallocinfo names this
 * function as the caller of each.  For that it is not inlined, and the call
 * must not become a jump.
 */
static noinline void *vmalloc_area(size_t size, gfp_t gfp)
{
	void *area = __vmalloc(size, gfp);

	barrier();
	return area;
}

static int compare_runs(struct lab_run *run, size_t size)
{
	struct lab_frames scattered, contiguous;
	unsigned long pfn, nr_agree = 0;
	void *area, *block;
	int err = -ENOMEM;
	size_t at;

	block = kmalloc(size, GFP_LAB);
	area = vmalloc_area(size, GFP_LAB);
	if (block && area) {
		frame_walk(area, size, &scattered);
		frame_walk(block, size, &contiguous);
		for (at = 0; at < size; at += PAGE_SIZE)
			if (frame_of(area + at, &pfn) &&
			    pfn == vmalloc_to_pfn(area + at))
				nr_agree++;
		record_number(&run->record, "size_bytes", size);
		record_number(&run->record, "nr_pages", scattered.nr_pages);
		record_number(&run->record, "vmalloc_runs", scattered.nr_runs);
		record_number(&run->record, "kmalloc_runs", contiguous.nr_runs);
		record_number(&run->record, "nr_agree", nr_agree);
		frame_mark(&run->record, area, size);
		err = lab_hold(run);
	}
	vfree(area);
	kfree(block);
	return err;
}

static int vmalloc_scatter(struct lab_run *run)
{
	size_t size = PAGE_ALIGN(lab_number(run, "size"));
	unsigned long nr = size >> PAGE_SHIFT;
	struct lab_hoard held, freed;
	unsigned long i;
	int err;

	hoard_init(&held);
	hoard_init(&freed);
	/* The two objects, and twice the pages of one to make holes. */
	err = lab_charge(run, 2 * size + (PAGE_SIZE << get_order(size)));
	if (err)
		return err;
	/*
	 * On a fresh machine free pages may lie in a row by luck.  Holding
	 * every second page of a stretch and freeing the others leaves single
	 * free frames whose partners are taken, as on a machine that has run
	 * for long.
	 */
	for (i = 0; i < 2 * nr; i++) {
		struct page *page = alloc_page(GFP_LAB);

		if (!page)
			break;
		hoard_add(page_to_pfn(page) & 1 ? &held : &freed, page, 0);
	}
	hoard_free(&freed);
	err = i < 2 * nr ? -ENOMEM : compare_runs(run, size);
	hoard_free(&held);
	return err;
}

static int vmalloc_info(struct lab_run *run)
{
	size_t size = lab_number(run, "size");
	struct lab_frames area_frames, guard;
	void *area;
	int err;

	err = lab_charge(run, PAGE_ALIGN(size));
	if (err)
		return err;
	area = vmalloc_area(size, GFP_LAB);
	if (!area)
		return lab_refuse(run, -ENOMEM, "no area of %zu bytes", size);
	frame_walk(area, size, &area_frames);
	frame_walk(area + PAGE_ALIGN(size), PAGE_SIZE, &guard);
	record_address(&run->record, "area", area);
	record_number(&run->record, "size_bytes", size);
	record_number(&run->record, "nr_pages", area_frames.nr_pages);
	record_number(&run->record, "nr_guard_pages", guard.nr_holes);
	record_function(&run->record, "caller", "vmalloc_area");
	err = lab_hold(run);
	vfree(area);
	return err;
}

/**
 * struct vmalloc_range - a part of the kernel's address space
 * @name:	as records call it
 * @start:	its first address
 * @bytes:	its length; 0 where that is not shown
 * @is_public:	where it starts is known to everyone who knows the kernel, so
 *		that a place in it is told without an offset: that would be the
 *		address.  The others start at random
 */
struct vmalloc_range {
	const char *name;
	unsigned long start;
	unsigned long bytes;
	bool is_public;
};

#define RANGES_MAX	4

static unsigned int read_ranges(struct vmalloc_range *range)
{
	unsigned int nr = 0;

	range[nr++] = (struct vmalloc_range){
		"direct", PAGE_OFFSET, (unsigned long)high_memory - PAGE_OFFSET
	};
	/* VMALLOC_END is the last byte on some machines and one past on others. */
	range[nr++] = (struct vmalloc_range){
		"vmalloc", VMALLOC_START,
		PAGE_ALIGN(VMALLOC_END) - VMALLOC_START
	};
#ifdef VMEMMAP_START
	range[nr++] = (struct vmalloc_range){
		"vmemmap", VMEMMAP_START,
		(unsigned long)pfn_to_page(PHYS_PFN(__pa(high_memory))) -
			VMEMMAP_START
	};
#endif
#ifdef MODULES_VADDR
	range[nr++] = (struct vmalloc_range){
		"modules", MODULES_VADDR, MODULES_END - MODULES_VADDR, true
	};
#endif
	return nr;
}

static bool find_range(const void *address, struct vmalloc_range *found)
{
	struct vmalloc_range range[RANGES_MAX];
	unsigned int nr = read_ranges(range), i;

	for (i = 0; i < nr; i++) {
		if ((unsigned long)address - range[i].start < range[i].bytes) {
			*found = range[i];
			return true;
		}
	}
	return false;
}

/* Adds to a row where an address lies, but not the address itself. */
static void record_place(struct lab_run *run, const void *address)
{
	struct vmalloc_range range;

	if (!find_range(address, &range)) {
		record_cell_text(&run->record, "range", "other");
		return;
	}
	record_cell_text(&run->record, "range", "%s", range.name);
	if (!range.is_public)
		record_cell(&run->record, "offset_bytes",
			    (unsigned long)address - range.start);
}

static void record_marked(struct lab_run *run, const char *what, u64 *address,
			  u64 mark)
{
	*address = mark;
	record_row(&run->record, "at.%s", what);
	record_place(run, address);
	record_cell(&run->record, "mark", mark);
}

/* A word of the module itself, to be looked up. */
static u64 vmalloc_module_word;

/* One object of each kind, in the ranges that they come from. */
static int show_places(struct lab_run *run, u64 *area, u64 *block,
		       u64 __percpu *copies)
{
	u64 mark = get_random_u64() >> 8;
	struct page *page = virt_to_page(block);
	unsigned int cpu;
	char what[16];
	int err;

	record_marked(run, "vmalloc", area, mark++);
	record_marked(run, "kmalloc", block, mark++);
	for_each_online_cpu(cpu) {
		snprintf(what, sizeof(what), "percpu%u", cpu);
		record_marked(run, what, per_cpu_ptr(copies, cpu), mark++);
	}
	record_marked(run, "module", &vmalloc_module_word, mark++);
	/* A word of a struct page that belongs to whoever holds the page. */
	record_marked(run, "struct_page", (u64 *)&page_private(page), mark);
	err = lab_hold(run);
	set_page_private(page, 0);
	return err;
}

static int vmalloc_range(struct lab_run *run)
{
	struct vmalloc_range range[RANGES_MAX];
	unsigned int nr = read_ranges(range), i;
	u64 __percpu *copies;
	u64 *area, *block;
	int err;

	err = lab_charge(run, 2 * PAGE_SIZE + nr_cpu_ids * sizeof(u64));
	if (err)
		return err;
	for (i = 0; i < nr; i++) {
		record_row(&run->record, "range.%s", range[i].name);
		record_cell(&run->record, "bytes", range[i].bytes);
	}
	area = vmalloc_area(PAGE_SIZE, GFP_LAB);
	/* A page of its own: its struct page is written to. */
	block = (u64 *)__get_free_page(GFP_LAB);
	copies = alloc_percpu_gfp(u64, GFP_LAB);
	if (area && block && copies)
		err = show_places(run, area, block, copies);
	else
		err = -ENOMEM;
	free_percpu(copies);
	free_page((unsigned long)block);
	vfree(area);
	return err;
}

enum lens_kind {
	LENS_VMALLOC,
	LENS_HUGE,
	LENS_DIRECT,
	LENS_PERCPU,
	LENS_MODULE,
};

static const char *const lens_kinds[] = {
	[LENS_VMALLOC] = "vmalloc",
	[LENS_HUGE] = "huge",
	[LENS_DIRECT] = "direct",
	[LENS_PERCPU] = "percpu",
	[LENS_MODULE] = "module",
	NULL
};

/* Something of the lab's own to look at; @copies is set for LENS_PERCPU. */
struct lens {
	enum lens_kind kind;
	void *address;
	u64 __percpu *copies;
};

static void close_lens(struct lens *lens)
{
	if (lens->kind == LENS_DIRECT)
		kfree(lens->address);
	else if (lens->kind == LENS_PERCPU)
		free_percpu(lens->copies);
	else if (lens->kind != LENS_MODULE)
		vfree(lens->address);
}

static int open_lens(struct lab_run *run, struct lens *lens, size_t bytes)
{
	int err = lab_charge(run, PAGE_SIZE << get_order(bytes));

	if (err)
		return err;
	switch (lens->kind) {
	case LENS_VMALLOC:
		lens->address = vmalloc_area(bytes, GFP_LAB);
		break;
	case LENS_HUGE:
		lens->address = vmalloc_huge(bytes, GFP_LAB);
		break;
	case LENS_DIRECT:
		lens->address = kmalloc(bytes, GFP_LAB);
		break;
	case LENS_PERCPU:
		lens->copies = alloc_percpu_gfp(u64, GFP_LAB);
		if (lens->copies)
			lens->address = per_cpu_ptr(lens->copies,
						    cpumask_first(cpu_online_mask));
		break;
	case LENS_MODULE:
		lens->address = &vmalloc_module_word;
		break;
	}
	if (lens->address)
		return 0;
	return lab_refuse(run, -ENOMEM, "no such object of %zu bytes", bytes);
}

/*
 * Indices are told only of the levels below the randomised part of the address;
 * together the others are where the range starts.
 */
static void record_levels(struct lab_run *run, const void *address,
			  const struct lab_levels *levels)
{
	struct vmalloc_range range;
	bool is_secret = !find_range(address, &range) || range.is_public;
	unsigned int i;

	for (i = 0; i < levels->nr; i++) {
		const struct lab_entry *entry = &levels->entry[i];

		record_row(&run->record, "level.%s", entry->level);
		if (!is_secret && (1UL << entry->shift) < SZ_1G)
			record_cell(&run->record, "index", entry->index);
		record_cell(&run->record, "leaf", entry->leaf);
		record_cell_text(&run->record, "flags", "0x%llx", entry->flags);
		record_cell(&run->record, "pfn", entry->pfn);
		record_cell(&run->record, "covers_bytes", 1UL << entry->shift);
	}
}

static int show_levels(struct lab_run *run, u64 *word)
{
	u64 mark = get_random_u64() >> 8;
	struct lab_levels levels;
	unsigned long pfn;
	int err;

	record_marked(run, "object", word, mark);
	err = frame_levels(word, &levels);
	if (err)
		return lab_refuse(run, err,
				  "this kernel has no walk for modules");
	record_levels(run, word, &levels);
	if (frame_of(word, &pfn))
		record_number(&run->record, "pfn", pfn);
	if (is_vmalloc_addr(word))
		record_number(&run->record, "vmalloc_to_pfn",
			      vmalloc_to_pfn(word));
	return lab_hold(run);
}

static int vmalloc_pagetable(struct lab_run *run)
{
	struct lens lens = { .kind = lab_number(run, "of") };
	size_t offset = lab_number(run, "offset");
	size_t size = lab_number(run, "size");
	int err;

	if (lens.kind == LENS_PERCPU || lens.kind == LENS_MODULE)
		size = sizeof(u64);
	if (lens.kind == LENS_DIRECT && size > KMALLOC_MAX_SIZE)
		return lab_refuse(run, -ERANGE, "kmalloc gives at most %lu",
				  KMALLOC_MAX_SIZE);
	offset = round_down(offset, sizeof(u64));
	if (offset + sizeof(u64) > size)
		return lab_refuse(run, -ERANGE,
				  "the object has %zu bytes: no word at offset=%zu",
				  size, offset);
	err = open_lens(run, &lens, size);
	if (err)
		return err;
	err = show_levels(run, lens.address + offset);
	close_lens(&lens);
	return err;
}

/*
 * Of areas sorted by address, those that lie closest to the next.  Others' areas,
 * and what such have left, lie between the rest.
 */
static void record_neighbours(struct lab_run *run, void **area,
			      unsigned int nr, size_t size)
{
	struct lab_frames inside, gap;
	unsigned int i, nr_pairs = 0;
	size_t closest = SIZE_MAX;

	for (i = 0; i + 1 < nr; i++)
		closest = min_t(size_t, closest, area[i + 1] - area[i] - size);
	for (i = 0; i + 1 < nr && nr_pairs < GUARD_PAIRS_SHOWN; i++) {
		void *end = area[i] + size;

		if (area[i + 1] - end != closest)
			continue;
		frame_walk(area[i], size, &inside);
		frame_walk(end, closest, &gap);
		record_row(&run->record, "pair.%u", nr_pairs++);
		record_cell_address(&run->record, "lower", area[i]);
		record_cell_address(&run->record, "upper", area[i + 1]);
		record_cell(&run->record, "lower_pages", inside.nr_pages);
		record_cell(&run->record, "gap_pages", closest >> PAGE_SHIFT);
		record_cell(&run->record, "gap_unmapped_pages", gap.nr_holes);
	}
	record_number(&run->record, "nr_pairs", nr_pairs);
}

static int vmalloc_guard(struct lab_run *run)
{
	size_t size = PAGE_ALIGN(lab_number(run, "size"));
	unsigned int count = lab_number(run, "count"), nr;
	void **area;
	u64 each;
	int err;

	err = footprint_of_area(run, size, &each);
	if (!err)
		err = lab_charge(run, count * (each + sizeof(*area)));
	if (err)
		return err;
	area = kvmalloc_array(count, sizeof(*area), GFP_LAB);
	if (!area)
		return -ENOMEM;
	for (nr = 0; !err && nr < count; nr++) {
		area[nr] = vmalloc_area(size, GFP_LAB);
		if (!area[nr]) {
			err = -ENOMEM;
			break;
		}
		err = context_breathe(run->reason);
	}
	if (!err) {
		address_sort(area, nr);
		record_neighbours(run, area, nr, size);
		err = lab_hold(run);
	}
	while (nr)
		vfree(area[--nr]);
	kvfree(area);
	return err;
}

static int vmalloc_big(struct lab_run *run)
{
	size_t size = PAGE_ALIGN(lab_number(run, "size"));
	struct lab_frames frames;
	void *area, *block;
	int err;

	/* The pages, and a pointer to each. */
	err = lab_charge(run, size + PAGE_ALIGN(size / PAGE_SIZE *
						sizeof(struct page *)));
	if (err)
		return err;
	block = kmalloc(size, GFP_LAB);
	kfree(block);
	area = vmalloc_area(size, GFP_LAB);
	if (!area)
		return lab_refuse(run, -ENOMEM, "no area of %zu bytes", size);
	frame_walk(area, size, &frames);
	record_number(&run->record, "size_bytes", size);
	record_number(&run->record, "kmalloc_max_bytes", KMALLOC_MAX_SIZE);
	record_number(&run->record, "kmalloc_errno", block ? 0 : ENOMEM);
	record_address(&run->record, "area", area);
	record_number(&run->record, "nr_pages", frames.nr_pages);
	err = lab_hold(run);
	vfree(area);
	return err;
}

/**
 * struct vmalloc_try - a request from a certain place
 * @bytes:	how much
 * @gfp:	how
 * @area:	what came of it
 * @errno:	0, ENOMEM, or EOPNOTSUPP where the lab did not try: vmalloc
 *		would have slept there, or stopped the machine
 */
struct vmalloc_try {
	size_t bytes;
	gfp_t gfp;
	void *area;
	int errno;
};

static int try_vmalloc(void *arg)
{
	struct vmalloc_try *try = arg;

	/* mm/vmalloc.c, __get_vm_area_node() dies of it in an interrupt. */
	if (in_interrupt() ||
	    (!gfpflags_allow_blocking(try->gfp) &&
	     !COMPAT_VMALLOC_CAN_BE_ATOMIC)) {
		try->errno = EOPNOTSUPP;
		return 0;
	}
	try->area = vmalloc_area(try->bytes, try->gfp);
	try->errno = try->area ? 0 : ENOMEM;
	return 0;
}

static int try_not_preemptible(void *arg)
{
	preempt_disable();
	try_vmalloc(arg);
	preempt_enable();
	return 0;
}

static int vmalloc_atomic(struct lab_run *run)
{
	static const struct {
		const char *name;
		enum lab_context context;
		int (*fn)(void *arg);
		gfp_t gfp;
	} places[] = {
		{ "process", LAB_PROCESS, try_vmalloc, GFP_LAB },
		{ "not_preemptible", LAB_PROCESS, try_not_preemptible,
		  GFP_NOWAIT | __GFP_NOWARN },
		{ "softirq", LAB_SOFTIRQ, try_vmalloc, GFP_STILL },
		{ "hardirq", LAB_HARDIRQ, try_vmalloc, GFP_STILL },
	};
	struct vmalloc_try tries[ARRAY_SIZE(places)] = {};
	size_t size = lab_number(run, "size");
	struct lab_frames frames;
	unsigned int i;
	int err;

	err = lab_charge(run, ARRAY_SIZE(places) * PAGE_ALIGN(size));
	for (i = 0; !err && i < ARRAY_SIZE(places); i++) {
		tries[i].bytes = size;
		tries[i].gfp = places[i].gfp;
		err = context_in(places[i].context, places[i].fn, &tries[i]);
		if (err)
			break;
		record_row(&run->record, "%s", places[i].name);
		record_cell(&run->record, "errno", tries[i].errno);
		if (!tries[i].area)
			continue;
		frame_walk(tries[i].area, PAGE_ALIGN(size), &frames);
		record_cell(&run->record, "pages", frames.nr_pages);
		record_cell_address(&run->record, "area", tries[i].area);
	}
	if (!err)
		err = lab_hold(run);
	for (i = 0; i < ARRAY_SIZE(places); i++)
		vfree(tries[i].area);
	return err;
}

/* How many leaves of each level map an area. */
static void record_leaves(struct lab_run *run, const char *what, void *area,
			  size_t size)
{
	unsigned long nr_pmd = 0, nr_pte = 0;
	struct lab_levels levels;
	struct lab_frames frames;
	size_t at;

	for (at = 0; at < size; at += 1UL << levels.entry[levels.nr - 1].shift) {
		if (frame_levels(area + at, &levels))
			break;
		if (levels.entry[levels.nr - 1].shift == PAGE_SHIFT)
			nr_pte++;
		else
			nr_pmd++;
	}
	frame_walk(area, size, &frames);
	record_row(&run->record, "%s", what);
	record_place(run, area);
	record_cell(&run->record, "first_pfn", frames.first_pfn);
	record_cell(&run->record, "nr_pages", frames.nr_pages);
	record_cell(&run->record, "nr_runs", frames.nr_runs);
	record_cell(&run->record, "nr_huge_leaves", nr_pmd);
	record_cell(&run->record, "nr_page_leaves", nr_pte);
}

static int vmalloc_huge_area(struct lab_run *run)
{
	size_t size = PAGE_ALIGN(lab_number(run, "size"));
	struct lab_levels levels;
	void *small, *huge;
	int err;

	if (!IS_ENABLED(CONFIG_HAVE_ARCH_HUGE_VMALLOC) ||
	    frame_levels(run, &levels) == -EOPNOTSUPP)
		return lab_refuse(run, -EOPNOTSUPP,
				  "CONFIG_HAVE_ARCH_HUGE_VMALLOC or a walk to see it by is missing");
	/* Huge pages are taken whole. */
	err = lab_charge(run, size + ALIGN(size, PMD_SIZE));
	if (err)
		return err;
	small = vmalloc_area(size, GFP_LAB);
	huge = vmalloc_huge(size, GFP_LAB);
	if (small && huge) {
		record_number(&run->record, "size_bytes", size);
		record_number(&run->record, "huge_bytes", PMD_SIZE);
		/* The kernel divides the size by the nodes before it decides. */
		record_number(&run->record, "nr_nodes", num_online_nodes());
		record_leaves(run, "vmalloc", small, size);
		record_leaves(run, "vmalloc_huge", huge, size);
		err = lab_hold(run);
	} else {
		err = lab_refuse(run, -ENOMEM, "no area of %zu bytes", size);
	}
	vfree(huge);
	vfree(small);
	return err;
}

static void put_pages(struct page **page, unsigned long nr)
{
	while (page && nr)
		__free_page(page[--nr]);
	kvfree(page);
}

/* Single pages, in an array that vfree() could take over. */
static struct page **take_pages(unsigned long nr, gfp_t gfp)
{
	struct page **page = kvmalloc_array(nr, sizeof(*page), gfp);
	unsigned long i;

	for (i = 0; page && i < nr; i++) {
		page[i] = fatal_signal_pending(current) ? NULL
							: alloc_page(gfp);
		if (!page[i]) {
			put_pages(page, i);
			return NULL;
		}
		cond_resched();
	}
	return page;
}

/* Not inlined, for /proc/vmallocinfo to name it as the caller. */
static noinline void *vmap_area_of(struct page **page, unsigned long nr,
				   unsigned long flags)
{
	void *area = vmap(page, nr, VM_MAP | flags, PAGE_KERNEL);

	barrier();
	return area;
}

/* Every second page of a stretch, so that no two of them are neighbours. */
static struct page **take_scattered(unsigned long nr)
{
	struct page **page = take_pages(2 * nr, GFP_LAB);
	unsigned long i;

	for (i = 0; page && i < nr; i++) {
		__free_page(page[2 * i + 1]);
		page[i] = page[2 * i];
	}
	return page;
}

static int show_views(struct lab_run *run, void *vmapped, void *map_ram,
		      unsigned long nr)
{
	unsigned long i, nr_forth = 0, nr_back = 0;
	struct lab_frames frames;
	u64 mark;

	frame_walk(vmapped, nr << PAGE_SHIFT, &frames);
	record_number(&run->record, "nr_pages", frames.nr_pages);
	record_number(&run->record, "nr_runs", frames.nr_runs);
	record_address(&run->record, "area", vmapped);
	record_row(&run->record, "at.vmap");
	record_place(run, vmapped);
	record_row(&run->record, "at.map_ram");
	record_place(run, map_ram);
	/* The first word of each page goes one way, the second the other. */
	frame_mark(&run->record, vmapped, nr << PAGE_SHIFT);
	mark = *(u64 *)vmapped;
	for (i = 0; i < nr; i++) {
		u64 *word = map_ram + (i << PAGE_SHIFT);
		u64 *other = vmapped + (i << PAGE_SHIFT);

		if (READ_ONCE(word[0]) == mark + i)
			nr_forth++;
		WRITE_ONCE(word[1], ~(mark + i));
		if (READ_ONCE(other[1]) == ~(mark + i))
			nr_back++;
	}
	record_number(&run->record, "nr_read_by_map_ram", nr_forth);
	record_number(&run->record, "nr_read_by_vmap", nr_back);
	return lab_hold(run);
}

static int vmalloc_vmap(struct lab_run *run)
{
	unsigned long nr = lab_number(run, "pages");
	void *vmapped = NULL, *map_ram = NULL;
	struct page **page;
	int err;

	err = lab_charge(run, 2 * nr * (PAGE_SIZE + sizeof(*page)));
	if (err)
		return err;
	page = take_scattered(nr);
	if (!page)
		return -ENOMEM;
	vmapped = vmap_area_of(page, nr, 0);
	if (vmapped)
		map_ram = vm_map_ram(page, nr, NUMA_NO_NODE);
	err = map_ram ? show_views(run, vmapped, map_ram, nr) : -ENOMEM;
	if (map_ram)
		vm_unmap_ram(map_ram, nr);
	vunmap(vmapped);
	put_pages(page, nr);
	return err;
}

/*
 * Address space without memory: one page, mapped many times over.  It is longer
 * than what a kernel keeps in lists by size, and than most holes, so that the
 * kernel looks for the lowest place that is free and long enough.
 */
static int vmalloc_lazy(struct lab_run *run)
{
	unsigned long nr = PAGE_ALIGN(lab_number(run, "size")) >> PAGE_SHIFT;
	struct page **page, *one;
	void *first, *again = NULL;
	unsigned long i;
	int err;

	/* The page, a pointer and an entry for each time it is mapped. */
	err = lab_charge(run, PAGE_SIZE + nr * (sizeof(*page) + sizeof(pte_t)));
	if (err)
		return err;
	page = kvmalloc_array(nr, sizeof(*page), GFP_LAB);
	one = alloc_page(GFP_LAB);
	for (i = 0; page && i < nr; i++)
		page[i] = one;
	/* From here on there is nothing left to purge but what is freed here. */
	vm_unmap_aliases();
	first = page && one ? vmap_area_of(page, nr, 0) : NULL;
	if (first) {
		vunmap(first);
		if (lab_number(run, "purge"))
			vm_unmap_aliases();
		again = vmap_area_of(page, nr, 0);
	}
	if (again) {
		record_number(&run->record, "size_bytes", nr << PAGE_SHIFT);
		record_address(&run->record, "first", first);
		record_address(&run->record, "again", again);
		record_number(&run->record, "reused", again == first);
		err = lab_hold(run);
		vunmap(again);
	} else {
		err = -ENOMEM;
	}
	if (one)
		__free_page(one);
	kvfree(page);
	return err;
}

/**
 * struct vmalloc_shared - an area that a process sees, too
 * @area:	the area
 * @bytes:	its length
 * @ended:	the command is over; set, and never looked at but, with the process's
 *		mmap_lock held for writing
 * @nr_vmas:	how many parts of it the process has mapped
 * @unmapped:	it has none any more, so there is nothing left to hold
 */
struct vmalloc_shared {
	void *area;
	size_t bytes;
	bool ended;
	atomic_t nr_vmas;
	bool unmapped;
};

/* The file moves to a new place, which has to be looked for and taken away. */
static int user_mremap(struct vm_area_struct *vma)
{
	const struct vmalloc_shared *shared = vma->vm_file->private_data;

	return shared->ended ? -ENODEV : 0;
}

/* A part that was cut off, or that moves. */
static void user_open(struct vm_area_struct *vma)
{
	struct vmalloc_shared *shared = vma->vm_file->private_data;

	atomic_inc(&shared->nr_vmas);
}

static void user_close(struct vm_area_struct *vma)
{
	struct vmalloc_shared *shared = vma->vm_file->private_data;

	if (atomic_dec_and_test(&shared->nr_vmas))
		context_end_hold(&shared->unmapped);
}

static const struct vm_operations_struct user_vm_ops = {
	.open = user_open,
	.close = user_close,
	.mremap = user_mremap,
};

/*
 * A file that is an area: whoever maps the file maps the area, which lives for as
 * long as the file is open or mapped.  Nobody else comes by it:
 *
 * VM_DONTCOPY: no child inherits it, and with VM_IO nobody can undo that (MADV_DOFORK).
 * VM_IO: nobody gets hold of a page (get_user_pages()), nor by the page tables alone
 * (get_user_pages_fast()), as VM_MIXEDMAP marks each entry as special.
 * VM_DONTEXPAND: there is no second one by mremap().
 */
static int user_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vmalloc_shared *shared = file->private_data;
	unsigned long from = vma->vm_pgoff << PAGE_SHIFT, at;
	unsigned long bytes = vma->vm_end - vma->vm_start;
	vm_fault_t fault;

	if (shared->ended)
		return -ENODEV;
	if (vma->vm_pgoff > shared->bytes >> PAGE_SHIFT ||
	    bytes > shared->bytes - from)
		return -EINVAL;
	vm_flags_set(vma, VM_DONTCOPY | VM_IO | VM_MIXEDMAP | VM_DONTEXPAND |
			  VM_DONTDUMP);
	vma->vm_ops = &user_vm_ops;
	for (at = 0; at < bytes; at += PAGE_SIZE) {
		fault = compat_insert_frame(vma, vma->vm_start + at,
					    vmalloc_to_pfn(shared->area + from + at));
		if (fault & VM_FAULT_ERROR)
			return vm_fault_to_errno(fault, 0);
	}
	atomic_inc(&shared->nr_vmas);
	return 0;
}

static void free_shared(struct vmalloc_shared *shared)
{
	vfree(shared->area);
	kfree(shared);
}

static int user_release(struct inode *inode, struct file *file)
{
	free_shared(file->private_data);
	return 0;
}

static const struct file_operations user_fops = {
	.owner = THIS_MODULE,
	.mmap = user_mmap,
	.release = user_release,
};

/*
 * The file's mappings in this process, wherever it has moved them meanwhile.  From now
 * on it can neither move them nor make another.
 */
static void unmap_file(struct file *file)
{
	struct vmalloc_shared *shared = file->private_data;
	struct mm_struct *mm = current->mm;
	unsigned long start = 0, end = 0;
	struct vm_area_struct *vma;
	int tries = UNMAP_TRIES;

	do {
		mmap_write_lock(mm);
		shared->ended = true;
		vma = find_vma(mm, 0);
		while (vma && vma->vm_file != file)
			vma = find_vma(mm, vma->vm_end);
		if (vma) {
			vm_flags_clear(vma, VM_SEALED);
			start = vma->vm_start;
			end = vma->vm_end;
		}
		mmap_write_unlock(mm);
		/*
		 * It can find no memory, unlikely as that is, and what stays mapped
		 * keeps the module until the process ends.
		 */
		if (vma && vm_munmap(start, end - start))
			tries--;
	} while (vma && tries);
}

static int show_user(struct lab_run *run, struct file *file, size_t size)
{
	struct vmalloc_shared *shared = file->private_data;
	unsigned long nr = size >> PAGE_SHIFT, at, i;
	void *area = shared->area;
	char key[8];
	int err;

	at = vm_mmap(file, 0, size, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	if (at == -EAGAIN)
		return lab_refuse(run, -ENOMEM,
				  "the process locks what it maps, more than its RLIMIT_MEMLOCK");
	if (IS_ERR_VALUE(at))
		return lab_refuse(run, (long)at, "the area cannot be mapped");
	/* That is an address of the process that asked, and no kernel address. */
	record_text(&run->record, "user_address", "0x%lx", at);
	record_number(&run->record, "size_bytes", size);
	frame_mark(&run->record, area, size);
	err = lab_hold_until(run, &shared->unmapped);
	if (err)
		return err;
	record_row(&run->record, "written");
	for (i = 0; i < min_t(unsigned long, nr, FRAMES_SHOWN); i++) {
		u64 *page = area + (i << PAGE_SHIFT);

		snprintf(key, sizeof(key), "%lu", i);
		record_cell(&run->record, key, READ_ONCE(page[1]));
	}
	return 0;
}

static int vmalloc_to_user(struct lab_run *run)
{
	size_t size = PAGE_ALIGN(lab_number(run, "size"));
	struct vmalloc_shared *shared;
	struct file *file;
	int err;

	if (!current->mm)
		return lab_refuse(run, -EOPNOTSUPP,
				  "a kernel thread has no user space");
	err = lab_charge(run, size);
	if (err)
		return err;
	shared = kzalloc(sizeof(*shared), GFP_LAB);
	if (!shared)
		return -ENOMEM;
	shared->bytes = size;
	shared->area = vmalloc_user(size);
	if (!shared->area) {
		err = lab_refuse(run, -ENOMEM, "no area of %zu bytes", size);
		goto free;
	}
	file = anon_inode_getfile("[kmemlab]", &user_fops, shared, O_RDWR);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto free;
	}
	err = show_user(run, file, size);
	unmap_file(file);
	fput(file);
	return err;
free:
	free_shared(shared);
	return err;
}

/* The allocators */

static int area_open(struct lab_source *source, struct lab_run *run,
		     const char *name)
{
	u64 bytes;
	int err;

	source->object_bytes = lab_number(run, "size");
	err = footprint_of_area(run, source->object_bytes, &bytes);
	if (!err)
		source->charge_bytes = bytes;
	return err;
}

/* No counter of the kernel's has pages that vmap() was given. */
static int vmap_open(struct lab_source *source, struct lab_run *run,
		     const char *name)
{
	int err = area_open(source, run, name);

	source->kept_pages = PAGE_ALIGN(source->object_bytes) >> PAGE_SHIFT;
	return err;
}

static __always_inline void *vmalloc_alloc(struct lab_source *source, gfp_t gfp)
{
	return __vmalloc(source->object_bytes, gfp);
}

static __always_inline void vmalloc_free(struct lab_source *source, void *object)
{
	vfree(object);
}

LAB_LOOPS(vmalloc);

/* Areas that were freed go when there are many of them, or now. */
static void area_shrink(struct lab_source *source)
{
	vm_unmap_aliases();
}

static __always_inline void *vzalloc_alloc(struct lab_source *source, gfp_t gfp)
{
	return __vmalloc(source->object_bytes, gfp | __GFP_ZERO);
}

static __always_inline void vzalloc_free(struct lab_source *source, void *object)
{
	vfree(object);
}

LAB_LOOPS(vzalloc);

/* Charged is the more of the two that an object can turn out to be. */
static int kvmalloc_open(struct lab_source *source, struct lab_run *run,
			 const char *name)
{
	struct lab_footprint kmalloced = {};
	size_t size = lab_number(run, "size");
	u64 area = 0;
	int err = 0;

	source->object_bytes = size;
	if (size <= KMALLOC_MAX_SIZE)
		err = footprint_of_kmalloc(run, size, 0, &kmalloced);
	if (!err)
		err = footprint_of_kvmalloc_area(run, size, &area);
	if (err)
		return err;
	source->may_be_area = area;
	source->charge_bytes = max(kmalloced.bytes, area);
	source->slab_bytes = kmalloced.slab_bytes;
	source->keeps_slabs = kmalloced.slab_bytes;
	return 0;
}

static void kvmalloc_shrink(struct lab_source *source)
{
	if (source->slab_bytes)
		compat_kmalloc_shrink(KMALLOC_NORMAL, source->object_bytes);
	area_shrink(source);
}

static __always_inline void *kvmalloc_alloc(struct lab_source *source, gfp_t gfp)
{
	return kvmalloc(source->object_bytes, gfp);
}

static __always_inline void kvmalloc_free(struct lab_source *source, void *object)
{
	kvfree(object);
}

LAB_LOOPS(kvmalloc);

static __always_inline void *vmap_alloc(struct lab_source *source, gfp_t gfp)
{
	unsigned long nr = PAGE_ALIGN(source->object_bytes) >> PAGE_SHIFT;
	struct page **page = take_pages(nr, gfp);
	void *area;

	if (!page)
		return NULL;
	/* Then vfree() frees the pages and their array with the area. */
	area = vmap_area_of(page, nr, VM_MAP_PUT_PAGES);
	if (!area)
		put_pages(page, nr);
	return area;
}

static __always_inline void vmap_free(struct lab_source *source, void *object)
{
	vfree(object);
}

LAB_LOOPS(vmap);

/* The tables */

static const struct lab_param area_params[] = {
	{ .name = "size", .help = "of an area, in bytes", .required = true,
	  .min = 1, .max = AREA_MAX_BYTES },
	{}
};

static const struct lab_allocator vmalloc_allocator = {
	.name = "vmalloc",
	.help = "areas from vmalloc()",
	.params = area_params,
	.open = area_open,
	.alloc = vmalloc_alloc,
	.free = vmalloc_free,
	.shrink = area_shrink,
	.loops = &vmalloc_loops,
};

static const struct lab_allocator vzalloc_allocator = {
	.name = "vzalloc",
	.help = "the same, cleared",
	.params = area_params,
	.open = area_open,
	.alloc = vzalloc_alloc,
	.free = vzalloc_free,
	.shrink = area_shrink,
	.loops = &vzalloc_loops,
};

static const struct lab_allocator kvmalloc_allocator = {
	.name = "kvmalloc",
	.help = "from kmalloc() or else vmalloc(), by kvmalloc()",
	.params = area_params,
	.open = kvmalloc_open,
	.alloc = kvmalloc_alloc,
	.free = kvmalloc_free,
	.shrink = kvmalloc_shrink,
	.loops = &kvmalloc_loops,
};

static const struct lab_allocator vmap_allocator = {
	.name = "vmap",
	.help = "areas of single pages, put in a row by vmap()",
	.params = area_params,
	.open = vmap_open,
	.alloc = vmap_alloc,
	.free = vmap_free,
	.shrink = area_shrink,
	.loops = &vmap_loops,
};

static const struct lab_param scatter_params[] = {
	LAB_HOLD_PARAM,
	{ .name = "size", .help = "in bytes", .min = PAGE_SIZE,
	  .max = SCATTER_MAX_BYTES, .def = 262144 },
	{}
};

static const struct lab_param info_params[] = {
	{ .name = "size", .help = "in bytes", .min = 1, .max = AREA_MAX_BYTES,
	  .def = 20480 },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param range_params[] = {
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param pagetable_params[] = {
	{ .name = "of", .help = "what to look at", .type = LAB_CHOICE,
	  .choices = lens_kinds, .def = LENS_VMALLOC },
	{ .name = "size", .help = "of a vmalloc, huge or direct object, in bytes",
	  .min = sizeof(u64), .max = LENS_MAX_BYTES, .def = SZ_64K },
	{ .name = "offset", .help = "into the object, in bytes",
	  .max = LENS_MAX_BYTES },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param guard_params[] = {
	{ .name = "size", .help = "of an area, in bytes", .min = 1,
	  .max = SZ_1M, .def = SZ_64K },
	{ .name = "count", .help = "areas to look at", .min = 2,
	  .max = GUARD_AREAS_MAX, .def = 64 },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param big_params[] = {
	{ .name = "size", .help = "in bytes", .min = 1, .max = AREA_MAX_BYTES,
	  .def = SZ_32M },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param atomic_params[] = {
	{ .name = "size", .help = "in bytes", .min = 1, .max = SZ_1M,
	  .def = SZ_16K },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param huge_params[] = {
	{ .name = "size", .help = "in bytes", .min = 1, .max = SZ_64M,
	  .def = SZ_8M },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param vmap_params[] = {
	{ .name = "pages", .help = "how many", .min = 1,
	  .max = FRAMES_SHOWN, .def = 16 },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param lazy_params[] = {
	{ .name = "size", .help = "of address space, in bytes", .min = SZ_2M,
	  .max = LAZY_MAX_BYTES, .def = SZ_8M },
	{ .name = "purge", .help = "after it was freed", .type = LAB_CHOICE,
	  .choices = lab_no_yes, .def = 1 },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param user_params[] = {
	{ .name = "size", .help = "in bytes", .min = 1, .max = USER_MAX_BYTES,
	  .def = SZ_16K },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_experiment vmalloc_experiments[] = {
	{ .name = "scatter", .run = vmalloc_scatter, .params = scatter_params,
	  .help = "consecutive addresses, scattered frames" },
	{ .name = "info", .run = vmalloc_info, .params = info_params,
	  .help = "each area stands in /proc/vmallocinfo with its pages" },
	{ .name = "range", .run = vmalloc_range, .params = range_params,
	  .help = "an address tells by its range where it comes from" },
	{ .name = "pagetable", .run = vmalloc_pagetable,
	  .params = pagetable_params,
	  .help = "page tables lead level by level to a leaf with the frame" },
	{ .name = "guard", .run = vmalloc_guard, .params = guard_params,
	  .help = "one unmapped page lies between neighbours" },
	{ .name = "big", .run = vmalloc_big, .params = big_params,
	  .help = "far more than kmalloc can give" },
	{ .name = "atomic", .run = vmalloc_atomic, .params = atomic_params,
	  .help = "where sleeping is not allowed only newer kernels serve" },
	{ .name = "huge", .run = vmalloc_huge_area, .params = huge_params,
	  .help = "what is large enough may be mapped by huge pages" },
	{ .name = "vmap", .run = vmalloc_vmap, .params = vmap_params,
	  .help = "the same pages in a row, by vmap and by vm_map_ram" },
	{ .name = "lazy", .run = vmalloc_lazy, .params = lazy_params,
	  .help = "freed address space is reused only after a purge" },
	{ .name = "user", .run = vmalloc_to_user, .params = user_params,
	  .help = "user space and the kernel see the same memory" },
	{}
};

static const struct lab_allocator *const vmalloc_allocators[] = {
	&vmalloc_allocator,
	&vzalloc_allocator,
	&kvmalloc_allocator,
	&vmap_allocator,
	NULL
};

const struct lab_family vmalloc_family = {
	.name = "vmalloc",
	.help = "virtually contiguous memory",
	.experiments = vmalloc_experiments,
	.allocators = vmalloc_allocators,
};

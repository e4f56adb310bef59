// SPDX-License-Identifier: GPL-2.0
/*
 * ioremap - device registers and device memory, mapped into kernel addresses.
 *
 * Only devices listed here are ever mapped, and never while another driver has
 * them: reading a register of an unknown device can change its state.  So this is
 * their driver: who takes one away, by hand or for good, takes it from a command, too,
 * that holds something of it.
 *
 * On a kernel that is locked down none is, as none can be through the kernel's
 * own files (drivers/pci/pci-sysfs.c, pci_mmap_resource() and, for the bit that
 * makes a device master of the bus, pci_write_config()): here too it is a user
 * who decides when a device reads and writes memory, and with what.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/random.h>
#include <linux/security.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "core/context.h"
#include "core/family.h"
#include "core/footprint.h"
#include "core/frame.h"
#include "core/loops.h"
#include "families/ioremap.h"

/* QEMU's docs/specs/ivshmem-spec.txt: BAR 2 is memory that it shares. */
#define IVSHMEM_VENDOR		0x1af4
#define IVSHMEM_DEVICE		0x1110
/* QEMU's docs/specs/edu.txt */
#define EDU_VENDOR		0x1234
#define EDU_DEVICE		0x11e8
#define EDU_IDENTITY		0x00
#define EDU_LIVENESS		0x04
#define EDU_FACTORIAL		0x08
#define EDU_STATUS		0x20
#define EDU_STATUS_COMPUTING	0x01
#define EDU_LOOKS		5000
#define EDU_DMA_SOURCE		0x80
#define EDU_DMA_TARGET		0x88
#define EDU_DMA_COUNT		0x90
#define EDU_DMA_COMMAND		0x98
#define EDU_DMA_START		0x01
#define EDU_DMA_TO_RAM		0x02
#define EDU_DMA_BUFFER		0x40000
/* QEMU stops where a transfer ends with the device's buffer of 4096 bytes. */
#define EDU_DMA_BYTES		(SZ_4K - sizeof(u64))
#define EDU_DMA_BITS		28

/**
 * struct listed_bar - device memory that may be mapped
 * @vendor:	of the PCI device
 * @device:	its number
 * @bar:	which of its ranges
 * @name:	what QEMU calls the device
 */
struct listed_bar {
	u16 vendor;
	u16 device;
	int bar;
	const char *name;
};

static const struct listed_bar edu_registers = {
	EDU_VENDOR, EDU_DEVICE, 0, "edu"
};

static const struct listed_bar shared_memory = {
	IVSHMEM_VENDOR, IVSHMEM_DEVICE, 2, "ivshmem-plain"
};

static const struct pci_device_id listed_devices[] = {
	{ PCI_DEVICE(EDU_VENDOR, EDU_DEVICE) },
	{ PCI_DEVICE(IVSHMEM_VENDOR, IVSHMEM_DEVICE) },
	{}
};

struct lab_device;

/**
 * struct bound_device - a device that has this driver
 * @node:	of all of them
 * @dev:	the device
 * @user:	what the command has of it that is at work, or NULL
 */
struct bound_device {
	struct list_head node;
	struct pci_dev *dev;
	struct lab_device *user;
};

/*
 * Held by a command for as long as it works on a device, but not while it holds what
 * it shows: the driver core waits for it when a device is taken away.
 */
static DEFINE_MUTEX(devices_lock);
static LIST_HEAD(bound_devices);	/* devices_lock; and what is in it */

static struct bound_device *find_bound(const struct pci_dev *dev)
{
	struct bound_device *bound;

	list_for_each_entry(bound, &bound_devices, node)
		if (bound->dev == dev)
			return bound;
	return NULL;
}

static int check_lockdown(const char **why)
{
	int err = security_locked_down(LOCKDOWN_PCI_ACCESS);

	*why = err ? "locked_down" : "listed";
	return err;
}

/*
 * A range may be mapped if it lies inside a memory BAR of a listed device that no
 * other driver has.  RAM is told apart first, because ioremap() itself only warns
 * about it.
 */
static int check_range(phys_addr_t phys, size_t bytes, const char **why)
{
	const struct pci_device_id *id;

	if (region_intersects(phys, bytes, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_DISJOINT) {
		*why = "ram";
		return -EINVAL;
	}
	for (id = listed_devices; id->vendor; id++) {
		struct pci_dev *dev = NULL;

		while ((dev = pci_get_device(id->vendor, id->device, dev))) {
			struct resource range = DEFINE_RES_MEM(phys, bytes);
			int bar;

			for (bar = 0; bar < PCI_STD_NUM_BARS; bar++) {
				struct resource *res = &dev->resource[bar];

				if (pci_resource_len(dev, bar) &&
				    resource_contains(res, &range)) {
					bool bound = find_bound(dev);
					int err = check_lockdown(why);

					pci_dev_put(dev);
					if (!err && !bound) {
						*why = "busy";
						err = -EBUSY;
					}
					return err;
				}
			}
		}
	}
	*why = "unlisted";
	return -EPERM;
}

/**
 * struct cache_view - a page of device memory, mapped in one way
 * @name:	key of its row
 * @at:		offset of the page in the device's memory, in bytes
 * @map:	maps it
 * @unmap:	undoes @map
 * @base:	where it is mapped
 */
struct cache_view {
	const char *name;
	size_t at;
	void *(*map)(phys_addr_t phys);
	void (*unmap)(void *base);
	void *base;
};

#define VIEWS	4

/**
 * struct lab_device - what a command has of a device; protected by devices_lock
 * @bound:	the device
 * @listed:	which it is
 * @phys:	where the range of it is that the command has
 * @bytes:	and how long
 * @base:	the range, mapped, or NULL
 * @view:	pages of it that are
 * @buffer:	memory for the device to read and write, or NULL
 * @buffer_bytes: of that
 * @bus:	where the device sees it
 * @mask:	what the device could address before it was told how little that is
 * @coherent_mask: likewise
 * @over:	the device was taken away, and all of that with it
 */
struct lab_device {
	struct bound_device *bound;
	const struct listed_bar *listed;
	phys_addr_t phys;
	size_t bytes;
	void __iomem *base;
	struct cache_view view[VIEWS];
	void *buffer;
	size_t buffer_bytes;
	dma_addr_t bus;
	u64 mask;
	u64 coherent_mask;
	bool over;
};

/* Gives back all that a command has of a device. */
static void drop_device(struct lab_device *device)
{
	struct pci_dev *dev = device->bound->dev;
	int i;

	if (device->buffer)
		dma_free_coherent(&dev->dev, device->buffer_bytes,
				  device->buffer, device->bus);
	if (device->mask) {
		/* As the next user of the device expects to find them. */
		dma_set_mask(&dev->dev, device->mask);
		dma_set_coherent_mask(&dev->dev, device->coherent_mask);
	}
	for (i = VIEWS; i--;)
		if (device->view[i].base)
			device->view[i].unmap(device->view[i].base);
	if (device->base)
		iounmap(device->base);
	pci_release_region(dev, device->listed->bar);
	device->bound->user = NULL;
}

static void release_device(struct lab_device *device)
{
	if (!device->over)
		drop_device(device);
	mutex_unlock(&devices_lock);
}

/* As lab_hold(), of a device that may be taken away meanwhile. */
static int hold_device(struct lab_run *run, struct lab_device *device)
{
	int err;

	mutex_unlock(&devices_lock);
	err = lab_hold_until(run, &device->over);
	mutex_lock(&devices_lock);
	if (!err && device->over)
		err = lab_refuse(run, -ENODEV, "the %s device was taken away",
				 device->listed->name);
	return err;
}

/* Says why there is no such device to be had. */
static int refuse_device(struct lab_run *run, const struct listed_bar *listed)
{
	struct pci_dev *dev = pci_get_device(listed->vendor, listed->device,
					     NULL);
	bool has_driver = dev && dev->dev.driver;

	pci_dev_put(dev);
	if (!dev)
		return lab_refuse(run, -EOPNOTSUPP,
				  "no %s device: start QEMU with -device %s",
				  listed->name, listed->name);
	if (has_driver)
		return lab_refuse(run, -EBUSY, "another driver has the %s device",
				  listed->name);
	return lab_refuse(run, -ENODEV, "the %s device is not bound to kmemlab",
			  listed->name);
}

static int request_device(struct lab_run *run, struct lab_device *device)
{
	const struct listed_bar *listed = device->listed;
	struct bound_device *bound;
	const char *why;
	int err;

	list_for_each_entry(bound, &bound_devices, node)
		if (bound->dev->vendor == listed->vendor &&
		    bound->dev->device == listed->device)
			break;
	if (list_entry_is_head(bound, &bound_devices, node))
		return refuse_device(run, listed);
	device->bound = bound;
	device->phys = pci_resource_start(bound->dev, listed->bar);
	device->bytes = pci_resource_len(bound->dev, listed->bar);
	err = check_range(device->phys, device->bytes, &why);
	if (err)
		return lab_refuse(run, err, "the %s device may not be mapped: %s",
				  listed->name, why);
	err = pci_request_region(bound->dev, listed->bar, "kmemlab");
	if (err)
		return lab_refuse(run, err, "somebody else has the %s device",
				  listed->name);
	bound->user = device;
	return 0;
}

static int take_device(struct lab_run *run, struct lab_device *device,
		       const struct listed_bar *listed)
{
	int err;

	*device = (struct lab_device){ .listed = listed };
	mutex_lock(&devices_lock);
	err = request_device(run, device);
	if (err)
		mutex_unlock(&devices_lock);
	return err;
}

/* Not inlined: /proc/vmallocinfo names it as the caller of the mapping. */
static noinline int take_edu(struct lab_run *run, struct lab_device *edu)
{
	int err = take_device(run, edu, &edu_registers);

	if (err)
		return err;
	edu->base = ioremap(edu->phys, edu->bytes);
	if (!edu->base) {
		release_device(edu);
		return -ENOMEM;
	}
	return 0;
}

/*
 * Not to be interrupted, nor frozen: who takes the device away waits for that.  As long
 * as it is at work a buffer of it has to be there, too.  The limit is a number of looks,
 * a millisecond apart or more, and no time: an emulated device waits for the host's CPUs
 * as we do.
 */
static int await_edu(struct lab_run *run, struct lab_device *edu,
		     unsigned int at, u32 busy)
{
	int looks;

	for (looks = 0; looks < EDU_LOOKS; looks++) {
		if (!(readl(edu->base + at) & busy))
			return 0;
		usleep_range(1000, 2000);
	}
	return lab_refuse(run, -EOPNOTSUPP, "the edu device does not answer");
}

static int edu_factorial(struct lab_run *run, struct lab_device *edu, u32 n,
			 u32 *result)
{
	int err;

	writel(n, edu->base + EDU_FACTORIAL);
	err = await_edu(run, edu, EDU_STATUS, EDU_STATUS_COMPUTING);
	if (!err)
		*result = readl(edu->base + EDU_FACTORIAL);
	return err;
}

static int ioremap_register(struct lab_run *run)
{
	u32 pattern = lab_number(run, "pattern"), n = lab_number(run, "n");
	struct lab_device edu;
	u32 factorial;
	int err;

	err = take_edu(run, &edu);
	if (err)
		return err;
	record_text(&run->record, "device", "%s", pci_name(edu.bound->dev));
	record_text(&run->record, "phys", "%pa", &edu.phys);
	record_text(&run->record, "identity", "0x%08x",
		    readl(edu.base + EDU_IDENTITY));
	writel(pattern, edu.base + EDU_LIVENESS);
	record_text(&run->record, "liveness.written", "0x%08x", pattern);
	record_text(&run->record, "liveness.read", "0x%08x",
		    readl(edu.base + EDU_LIVENESS));
	err = edu_factorial(run, &edu, n, &factorial);
	if (!err) {
		record_number(&run->record, "factorial.of", n);
		record_number(&run->record, "factorial.read", factorial);
	}
	release_device(&edu);
	return err;
}

static int ioremap_info(struct lab_run *run)
{
	struct lab_device edu;
	int err;

	err = take_edu(run, &edu);
	if (err)
		return err;
	record_address(&run->record, "area", (const void __force *)edu.base);
	record_text(&run->record, "phys", "%pa", &edu.phys);
	record_number(&run->record, "size_bytes", edu.bytes);
	record_function(&run->record, "caller", "take_edu");
	err = hold_device(run, &edu);
	release_device(&edu);
	return err;
}

static void *map_uncached(phys_addr_t phys)
{
	return (void __force *)ioremap(phys, PAGE_SIZE);
}

static void *map_combining(phys_addr_t phys)
{
	return (void __force *)ioremap_wc(phys, PAGE_SIZE);
}

static void unmap_io(void *base)
{
	iounmap((void __iomem __force *)base);
}

static void *map_write_back(phys_addr_t phys)
{
	return memremap(phys, PAGE_SIZE, MEMREMAP_WB);
}

static int show_view(struct lab_run *run, const struct cache_view *view,
		     u64 mark)
{
	struct lab_memory_type type;
	unsigned long pfn;
	int err = frame_memory_type(view->base, &type);

	if (err)
		return lab_refuse(run, err,
				  "no page attribute table, or no walk to it");
	record_row(&run->record, "%s", view->name);
	record_cell(&run->record, "pwt", type.pwt);
	record_cell(&run->record, "pcd", type.pcd);
	record_cell(&run->record, "pat", type.pat);
	record_cell_text(&run->record, "type", "%s", type.name);
	if (frame_of(view->base, &pfn))
		record_cell(&run->record, "pfn", pfn);
	*(u64 *)view->base = mark;
	return 0;
}

/*
 * Each way has a page of its own, but for the last: the kernel keeps one type
 * for each range, and who asks for another may be given the one that is there
 * (arch/x86/mm/ioremap.c).
 */
static int show_views(struct lab_run *run, struct lab_device *device)
{
	static const struct cache_view views[VIEWS] = {
		{ "uncached", 0, map_uncached, unmap_io },
		{ "write_combining", PAGE_SIZE, map_combining, unmap_io },
		{ "write_back", 2 * PAGE_SIZE, map_write_back, memunmap },
		{ "write_back_of_uncached", 0, map_write_back, memunmap },
	};
	u64 mark = get_random_u64() >> 8;
	unsigned int i;
	int err = 0;

	if (device->bytes < 3 * PAGE_SIZE)
		return lab_refuse(run, -EOPNOTSUPP,
				  "the device has less than three pages");
	record_number(&run->record, "mark", mark);
	for (i = 0; !err && i < VIEWS; i++) {
		struct cache_view *view = &device->view[i];

		*view = views[i];
		view->base = view->map(device->phys + view->at);
		err = view->base ? show_view(run, view, mark + i) : -ENOMEM;
	}
	return err ?: hold_device(run, device);
}

static int ioremap_cache_bits(struct lab_run *run)
{
	struct lab_device device;
	int err = take_device(run, &device, &shared_memory);

	if (err)
		return err;
	record_text(&run->record, "phys", "%pa", &device.phys);
	err = show_views(run, &device);
	release_device(&device);
	return err;
}

/*
 * What the device has not done in time is never done, since it is no master of the
 * bus any more.
 */
static int edu_transfer(struct lab_run *run, struct lab_device *edu, u64 from,
			u64 to, size_t bytes, u32 direction)
{
	int err;

	writel(from, edu->base + EDU_DMA_SOURCE);
	writel(to, edu->base + EDU_DMA_TARGET);
	writel(bytes, edu->base + EDU_DMA_COUNT);
	pci_set_master(edu->bound->dev);
	writel(EDU_DMA_START | direction, edu->base + EDU_DMA_COMMAND);
	err = await_edu(run, edu, EDU_DMA_COMMAND, EDU_DMA_START);
	pci_clear_master(edu->bound->dev);
	return err;
}

/* There from the buffer's first half, and back to the second. */
static int show_dma(struct lab_run *run, struct lab_device *edu, size_t bytes)
{
	size_t nr = bytes / sizeof(u64), i, nr_back = 0;
	u64 *buffer = edu->buffer, *back = buffer + nr;
	u64 mark = get_random_u64() >> 8;
	dma_addr_t bus = edu->bus;
	unsigned long pfn;
	int err;

	for (i = 0; i < nr; i++)
		buffer[i] = mark + i;
	err = edu_transfer(run, edu, bus, EDU_DMA_BUFFER, bytes, 0);
	/* Then there is one place left that has them. */
	memset(buffer, 0, bytes);
	if (!err)
		err = edu_transfer(run, edu, EDU_DMA_BUFFER, bus + bytes, bytes,
				   EDU_DMA_TO_RAM);
	if (err)
		return err;
	for (i = 0; i < nr; i++)
		nr_back += READ_ONCE(back[i]) == mark + i;
	record_text(&run->record, "bus_address", "%pad", &bus);
	record_number(&run->record, "size_bytes", bytes);
	record_number(&run->record, "mark", mark);
	record_number(&run->record, "back_bytes", nr_back * sizeof(*buffer));
	if (frame_of(back, &pfn)) {
		record_number(&run->record, "pfn", pfn);
		record_number(&run->record, "offset_bytes",
			      offset_in_page(back));
	}
	return hold_device(run, edu);
}

static int ioremap_dma(struct lab_run *run)
{
	size_t bytes = round_up(lab_number(run, "size"), sizeof(u64));
	struct lab_device edu;
	struct device *dev;
	int err;

	err = lab_charge(run, PAGE_SIZE << get_order(2 * bytes));
	if (!err)
		err = take_edu(run, &edu);
	if (err)
		return err;
	dev = &edu.bound->dev->dev;
	edu.mask = dma_get_mask(dev);
	edu.coherent_mask = dev->coherent_dma_mask;
	edu.buffer_bytes = 2 * bytes;
	err = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(EDU_DMA_BITS));
	if (!err) {
		edu.buffer = dma_alloc_coherent(dev, edu.buffer_bytes, &edu.bus,
						GFP_KERNEL | __GFP_NOWARN);
		err = edu.buffer ? show_dma(run, &edu, bytes) : -ENOMEM;
	}
	if (!edu.over && !edu.buffer)
		lab_refuse(run, err, "no memory within the device's reach");
	release_device(&edu);
	return err;
}

/* Asks for a range, maps it if it may be mapped, and lets it go at once. */
static int probe(struct lab_run *run, const char *what, phys_addr_t phys)
{
	const char *why;
	int err;

	mutex_lock(&devices_lock);
	err = check_range(phys, PAGE_SIZE, &why);
	if (!err && !request_mem_region(phys, PAGE_SIZE, "kmemlab")) {
		why = "busy";
		err = -EBUSY;
	} else if (!err) {
		void __iomem *base = ioremap(phys, PAGE_SIZE);

		if (base)
			iounmap(base);
		release_mem_region(phys, PAGE_SIZE);
		if (!base)
			err = -ENOMEM;
	}
	mutex_unlock(&devices_lock);
	if (err == -ENOMEM)
		return err;
	record_row(&run->record, "probe.%s", what);
	record_cell_text(&run->record, "phys", "%pa", &phys);
	record_cell(&run->record, "errno", -err);
	record_cell_text(&run->record, "range", "%s", why);
	return 0;
}

static int ioremap_ram(struct lab_run *run)
{
	phys_addr_t phys = lab_number(run, "phys");
	struct pci_dev *edu;
	struct page *page;
	int err;

	if (phys)
		return probe(run, "given", phys & PAGE_MASK);

	err = lab_charge(run, PAGE_SIZE);
	if (err)
		return err;
	page = alloc_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	err = probe(run, "ram", page_to_phys(page));
	__free_page(page);
	if (!err)	/* the last page that this machine can address */
		err = probe(run, "unlisted", iomem_resource.end & PAGE_MASK);
	edu = pci_get_device(EDU_VENDOR, EDU_DEVICE, NULL);
	if (!err && edu)
		err = probe(run, "listed",
			    pci_resource_start(edu, edu_registers.bar));
	pci_dev_put(edu);
	return err;
}

/* The allocator */

/* About what the driver core has of a device beside it (drivers/base/base.h). */
#define DEVICE_PRIVATE_BYTES	256

/* A device that is no hardware, so that every machine has it. */
static int dma_open(struct lab_source *source, struct lab_run *run,
		    const char *name)
{
	struct platform_device *device;
	u64 bytes, own, core;
	int err;

	device = platform_device_register_simple("kmemlab", PLATFORM_DEVID_AUTO,
						 NULL, 0);
	/* It lets EINVAL stand for a name that found no memory (device_add()). */
	if (IS_ERR(device))
		return lab_refuse(run, -ENOMEM, "no memory for a device");
	source->device = &device->dev;
	source->object_bytes = lab_number(run, "size");
	source->order = get_order(source->object_bytes);
	source->kept_pages = 1UL << source->order;
	source->charge_bytes = PAGE_SIZE << source->order;
	err = footprint_of_kobject(run, device->dev.kobj.sd, &bytes);
	if (!err)
		err = footprint_of_struct(run, sizeof(*device), &own);
	if (!err)
		err = footprint_of_struct(run, DEVICE_PRIVATE_BYTES, &core);
	if (!err)
		err = lab_source_charge(source, run, bytes + own + core);
	if (err)
		platform_device_unregister(device);
	return err;
}

static void dma_close(struct lab_source *source)
{
	platform_device_unregister(to_platform_device(source->device));
	lab_source_uncharge(source);
}

/*
 * What a buffer is for the device is written into it, where nobody else writes:
 * it is needed to give the buffer back, which is a page at the least.
 */
static __always_inline void *dma_alloc(struct lab_source *source, gfp_t gfp)
{
	dma_addr_t bus, *buffer;

	buffer = dma_alloc_coherent(source->device, source->object_bytes, &bus,
				    gfp);
	if (buffer)
		*buffer = bus;
	return buffer;
}

static __always_inline void dma_free(struct lab_source *source, void *object)
{
	dma_addr_t *buffer = object;

	dma_free_coherent(source->device, source->object_bytes, buffer,
			  *buffer);
}

LAB_LOOPS(dma);

/* The tables */

static const struct lab_param dma_pool_params[] = {
	{ .name = "size", .help = "of a buffer, in bytes", .required = true,
	  .min = 1, .max = KMALLOC_MAX_SIZE },
	{}
};

static const struct lab_allocator dma_allocator = {
	.name = "dma",
	.help = "coherent buffers from dma_alloc_coherent()",
	.params = dma_pool_params,
	.open = dma_open,
	.close = dma_close,
	.alloc = dma_alloc,
	.free = dma_free,
	.loops = &dma_loops,
};

static const struct lab_allocator *const ioremap_allocators[] = {
	&dma_allocator,
	NULL
};

static const struct lab_param register_params[] = {
	{ .name = "pattern", .help = "written to the liveness register",
	  .max = U32_MAX,
	  .def = 0x12345678 },
	{ .name = "n", .help = "whose factorial the device computes", .max = 12,
	  .def = 10 },
	{}
};

static const struct lab_param info_params[] = {
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param cache_params[] = {
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param dma_params[] = {
	{ .name = "size", .help = "of a transfer, in bytes", .min = 1,
	  .max = EDU_DMA_BYTES, .def = EDU_DMA_BYTES },
	LAB_HOLD_PARAM,
	{}
};

static const struct lab_param ram_params[] = {
	{ .name = "phys",
	  .help = "physical address to ask for; 0: one of each kind",
	  .max = PHYS_ADDR_MAX },
	{}
};

static const struct lab_experiment ioremap_experiments[] = {
	{ .name = "register", .run = ioremap_register,
	  .params = register_params,
	  .help = "a device's registers: identity, liveness, computation" },
	{ .name = "info", .run = ioremap_info, .params = info_params,
	  .help = "/proc/vmallocinfo has the mapping's physical address" },
	{ .name = "cache", .run = ioremap_cache_bits, .params = cache_params,
	  .help = "bits of the page tables say how memory is cached" },
	{ .name = "ram", .run = ioremap_ram, .params = ram_params,
	  .help = "RAM and addresses of no listed device are refused" },
	{ .name = "dma", .run = ioremap_dma, .params = dma_params,
	  .help = "a device fills and drains a buffer by itself" },
	{}
};

const struct lab_family ioremap_family = {
	.name = "ioremap",
	.help = "device registers and device memory",
	.experiments = ioremap_experiments,
	.allocators = ioremap_allocators,
};

/* The driver */

/* Whatever the driver is told to try (new_id, driver_override) is no longer listed. */
static int bind_device(struct pci_dev *dev, const struct pci_device_id *unused)
{
	struct bound_device *bound;
	int err;

	if (!pci_match_id(listed_devices, dev))
		return -ENODEV;
	bound = kzalloc(sizeof(*bound), GFP_KERNEL);
	if (!bound)
		return -ENOMEM;
	err = pci_enable_device(dev);
	if (err)
		goto free;
	bound->dev = dev;
	pci_set_drvdata(dev, bound);
	mutex_lock(&devices_lock);
	list_add_tail(&bound->node, &bound_devices);
	mutex_unlock(&devices_lock);
	return 0;
free:
	kfree(bound);
	return err;
}

/* Takes the device from the command that has it, whatever state its task is in. */
static void unbind_device(struct pci_dev *dev)
{
	struct bound_device *bound = pci_get_drvdata(dev);
	struct lab_device *user;

	mutex_lock(&devices_lock);
	user = bound->user;
	if (user) {
		drop_device(user);
		context_end_hold(&user->over);
	}
	list_del(&bound->node);
	mutex_unlock(&devices_lock);
	pci_disable_device(dev);
	kfree(bound);
}

/* Not for udev: nobody wants the lab loaded for a device. */
static struct pci_driver lab_driver = {
	.name = "kmemlab",
	.id_table = listed_devices,
	.probe = bind_device,
	.remove = unbind_device,
};

/**
 * ioremap_init() - become the driver of the listed devices that have none
 *
 * Context: Module load.
 * Return: 0 or a negative errno.
 */
int ioremap_init(void)
{
	return pci_register_driver(&lab_driver);
}

/**
 * ioremap_exit() - leave the devices without a driver
 *
 * Context: Module unload, when no command can run any more.
 */
void ioremap_exit(void)
{
	pci_unregister_driver(&lab_driver);
}

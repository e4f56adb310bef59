// SPDX-License-Identifier: GPL-2.0
/*
 * ioremap - device registers and device memory, mapped into kernel addresses.
 *
 * Only devices listed here are ever mapped, and never while another driver has
 * them: reading a register of an unknown device can change its state.
 */
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/pci.h>

#include "core/context.h"
#include "core/family.h"

#define EDU_BAR			0
/* QEMU's docs/specs/edu.txt */
#define EDU_VENDOR		0x1234
#define EDU_DEVICE		0x11e8
#define EDU_IDENTITY		0x00
#define EDU_LIVENESS		0x04
#define EDU_FACTORIAL		0x08
#define EDU_STATUS		0x20
#define EDU_STATUS_COMPUTING	0x01
#define EDU_TIMEOUT_MS		1000

static const struct pci_device_id listed_devices[] = {
	{ PCI_DEVICE(EDU_VENDOR, EDU_DEVICE) },
	{}
};

/*
 * A range may be mapped if it lies inside a memory BAR of a listed device.  RAM
 * is told apart first, because ioremap() itself only warns about it.
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
					pci_dev_put(dev);
					*why = "listed";
					return 0;
				}
			}
		}
	}
	*why = "unlisted";
	return -EPERM;
}

/* A device taken for one experiment. */
struct lab_device {
	struct pci_dev *dev;
	void __iomem *base;
	phys_addr_t phys;
	size_t bytes;
};

static void release_edu(struct lab_device *edu)
{
	if (edu->base)
		iounmap(edu->base);
	if (edu->bytes) {
		pci_release_region(edu->dev, EDU_BAR);
		pci_disable_device(edu->dev);
	}
	pci_dev_put(edu->dev);
}

/* Not inlined: /proc/vmallocinfo names it as the caller of the mapping. */
static noinline int take_edu(struct lab_run *run, struct lab_device *edu)
{
	const char *why;
	int err;

	*edu = (struct lab_device){};
	edu->dev = pci_get_device(EDU_VENDOR, EDU_DEVICE, NULL);
	if (!edu->dev)
		return lab_refuse(run, -EOPNOTSUPP,
				  "no edu device: start QEMU with -device edu");
	err = pci_enable_device(edu->dev);
	if (err) {
		pci_dev_put(edu->dev);
		return lab_refuse(run, err, "the edu device cannot be enabled");
	}
	err = pci_request_region(edu->dev, EDU_BAR, "kmemlab");
	if (err) {
		pci_disable_device(edu->dev);
		pci_dev_put(edu->dev);
		return lab_refuse(run, err,
				  "another driver has the edu device");
	}
	edu->phys = pci_resource_start(edu->dev, EDU_BAR);
	edu->bytes = pci_resource_len(edu->dev, EDU_BAR);
	if (check_range(edu->phys, edu->bytes, &why)) {
		release_edu(edu);
		return lab_refuse(run, -EPERM,
				  "the edu device's registers are %s", why);
	}
	edu->base = ioremap(edu->phys, edu->bytes);
	if (!edu->base) {
		release_edu(edu);
		return -ENOMEM;
	}
	return 0;
}

static int edu_factorial(struct lab_run *run, struct lab_device *edu, u32 n,
			 u32 *result)
{
	unsigned long end = jiffies + msecs_to_jiffies(EDU_TIMEOUT_MS);

	writel(n, edu->base + EDU_FACTORIAL);
	while (readl(edu->base + EDU_STATUS) & EDU_STATUS_COMPUTING) {
		int err = context_hold(1, run->reason);

		if (err)
			return err;
		if (time_after(jiffies, end))
			return lab_refuse(run, -EOPNOTSUPP,
					  "the edu device does not answer");
	}
	*result = readl(edu->base + EDU_FACTORIAL);
	return 0;
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
	record_text(&run->record, "device", "%s", pci_name(edu.dev));
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
	release_edu(&edu);
	return err;
}

static int ioremap_info(struct lab_run *run)
{
	struct lab_device edu;
	int err;

	err = take_edu(run, &edu);
	if (err)
		return err;
	record_text(&run->record, "area", "%p", edu.base);
	record_text(&run->record, "phys", "%pa", &edu.phys);
	record_number(&run->record, "size_bytes", edu.bytes);
	record_text(&run->record, "caller", "%ps", take_edu);
	err = lab_hold(run);
	release_edu(&edu);
	return err;
}

/* Asks for a range, maps it if it may be mapped, and lets it go at once. */
static int probe(struct lab_run *run, const char *what, phys_addr_t phys)
{
	const char *why;
	int err = check_range(phys, PAGE_SIZE, &why);

	if (!err && !request_mem_region(phys, PAGE_SIZE, "kmemlab")) {
		why = "busy";
		err = -EBUSY;
	} else if (!err) {
		void __iomem *base = ioremap(phys, PAGE_SIZE);

		if (base)
			iounmap(base);
		release_mem_region(phys, PAGE_SIZE);
		if (!base)
			return -ENOMEM;
	}
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
		err = probe(run, "listed", pci_resource_start(edu, EDU_BAR));
	pci_dev_put(edu);
	return err;
}

/* The tables */

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
	{ .name = "ram", .run = ioremap_ram, .params = ram_params,
	  .help = "RAM and addresses of no listed device are refused" },
	{}
};

const struct lab_family ioremap_family = {
	.name = "ioremap",
	.help = "device registers and device memory",
	.experiments = ioremap_experiments,
};

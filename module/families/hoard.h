/* SPDX-License-Identifier: GPL-2.0 */
/* Blocks of pages that an experiment holds for a while. */
#ifndef KMEMLAB_FAMILIES_HOARD_H
#define KMEMLAB_FAMILIES_HOARD_H

#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/types.h>

struct lab_run;
struct page;
struct zone;

/**
 * struct lab_hoard - blocks of pages, each of an order of its own
 * @blocks:	first pages, by their lru; private has the order
 * @nr_blocks:	how many
 * @nr_pages:	pages in all of them
 *
 * It belongs to one experiment and has no lock.
 */
struct lab_hoard {
	struct list_head blocks;
	unsigned long nr_blocks;
	unsigned long nr_pages;
};

void hoard_init(struct lab_hoard *hoard);
void hoard_add(struct lab_hoard *hoard, struct page *page, unsigned int order);
struct page *hoard_take(struct lab_hoard *hoard, gfp_t gfp, int nid,
			unsigned int order);
int hoard_dry(struct lab_run *run, struct lab_hoard *hoard, struct zone *zone,
	      gfp_t gfp);
bool hoard_pop(struct lab_hoard *hoard);
bool hoard_pop_past_lists(struct lab_hoard *hoard);
void hoard_free(struct lab_hoard *hoard);
void hoard_free_past_lists(struct lab_hoard *hoard);

#endif

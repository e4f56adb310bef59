// SPDX-License-Identifier: GPL-2.0
/*
 * What an object takes is not what was asked for: it is rounded up to a class, has red
 * zones and notes of who allocated it around it, its slab ends with a rest, and a table
 * beside the slab says which cgroup pays for it.  All that depends on the kernel and on
 * how it was booted, so it is read off some objects.
 */
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/gcd.h>
#include <linux/kernel.h>
#include <linux/kernfs.h>
#include <linux/kobject.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/nodemask.h>
#include <linux/pgtable.h>
#include <linux/rbtree.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include "compat/compat.h"
#include "core/address.h"
#include "core/context.h"
#include "core/family.h"
#include "core/footprint.h"

/*
 * So many objects are looked at, and more until all of one slab have come in a row: if
 * others use the cache, each slab may have room for one or two, anywhere in it.  But no
 * more than so many, nor of more bytes.  Two that lie half a slab apart look like all
 * that a slab has, so WHOLE_OBJECTS must have come in whole slabs, one after the other.
 */
#define SAMPLES		64
#define SAMPLES_MAX	512
#define SAMPLES_BYTES	SZ_256K
#define WHOLE_OBJECTS	8

/* What one of so many bytes is charged for while it is looked at, with its debugging. */
#define SAMPLE_BYTES(size)	(2 * (u64)(size) + SZ_1K)

/* About what mm/slub.c has of a cache, of a node's part of it and of a CPU's. */
#define CACHE_BYTES		256
#define CACHE_NODE_BYTES	64
#define CACHE_CPU_BYTES		48
/* And what debugfs has of an opened file, struct debugfs_fsdata. */
#define OPENED_BYTES		64

/**
 * struct known - what has been learned of objects of one size
 * @size:	in bytes; 0: of none yet
 * @footprint:	what one takes
 */
struct known {
	size_t size;
	struct lab_footprint footprint;
};

static DEFINE_MUTEX(known_lock);
/* Of caches that modules cannot see, and of kmalloc()'s classes. */
static struct known hidden[8];		/* known_lock */
static struct known structs[16];	/* known_lock */

/* Pools' caches begin with "kmemlab_": none can have this name. */
#define SAMPLE_CACHE	"kmemlab-sample"

/* The table with a pointer for each object of a slab to the cgroup that pays for it. */
static unsigned long cgroup_table_bytes(const struct page *slab,
					unsigned long per_slab)
{
#ifdef CONFIG_MEMCG
	if (READ_ONCE(slab->memcg_data))
		return kmalloc_size_roundup(per_slab * sizeof(void *));
#endif
	return 0;
}

/**
 * struct sample - the objects that are looked at
 * @cache:	their cache; NULL: kmalloc()
 * @gfp:	flags of each request of kmalloc(), beside GFP_LAB
 * @size:	of an object, in bytes
 * @object:	the objects, in the order in which they were handed out
 * @nr:		how many there are
 * @run:	how many of the last came from one slab
 * @whole:	how many came before those, in slabs of which all came
 * @spacing:	all distances seen of two in a slab are multiples of it, in bytes; 0: of
 *		none was it seen
 */
struct sample {
	struct kmem_cache *cache;
	gfp_t gfp;
	size_t size;
	void **object;
	unsigned int nr;
	unsigned int run;
	unsigned int whole;
	size_t spacing;
};

static size_t slab_bytes(const void *object)
{
	return page_size(virt_to_head_page(object));
}

/* Whether the last objects are all that their slab has, as far as the spacing tells. */
static bool is_whole(const struct sample *sample)
{
	return sample->run > 1 &&
	       sample->run == slab_bytes(sample->object[sample->nr - 1]) / sample->spacing;
}

/* Adds an object; whether there was one. */
static bool take(struct sample *sample)
{
	void *got, *last;

	if (sample->cache)
		got = kmem_cache_alloc(sample->cache, GFP_LAB);
	else
		got = kmalloc(sample->size, GFP_LAB | sample->gfp);
	if (!got)
		return false;
	last = sample->nr ? sample->object[sample->nr - 1] : NULL;
	if (last && address_same_slab(got, last)) {
		sample->run++;
		sample->spacing = gcd(sample->spacing,
				      got > last ? got - last : last - got);
	} else {
		sample->whole = is_whole(sample) ? sample->whole + sample->run : 0;
		sample->run = 1;
	}
	sample->object[sample->nr++] = got;
	return true;
}

static void give_back(struct sample *sample)
{
	while (sample->nr) {
		void *object = sample->object[--sample->nr];

		if (sample->cache)
			kmem_cache_free(sample->cache, object);
		else
			kfree(object);
	}
	kvfree(sample->object);
}

/* Whether so many of the last objects came in whole slabs that it is no chance. */
static bool comes_in_whole_slabs(const struct sample *sample)
{
	if (slab_bytes(sample->object[sample->nr - 1]) / sample->size < 2)
		return true;
	return is_whole(sample) && sample->whole + sample->run >= WHOLE_OBJECTS;
}

/* An object's share of its slab. */
static void share_slab(const struct sample *sample,
		       struct lab_footprint *footprint)
{
	const void *object = sample->object[sample->nr - 1];
	unsigned long bytes, per_slab = 1;
	struct page *slab;
	unsigned int i;

	/* KFENCE gives a few objects a page each (mm/kfence/core.c). */
	for (i = 0; i < sample->nr; i++)
		if (slab_bytes(sample->object[i]) > slab_bytes(object))
			object = sample->object[i];
	slab = virt_to_head_page(object);
	bytes = page_size(slab);
	if (sample->spacing)
		per_slab = bytes / sample->spacing;
	bytes += cgroup_table_bytes(slab, per_slab);
	footprint->bytes = DIV_ROUND_UP(bytes, per_slab) + footprint_of_tracking();
	footprint->slab_bytes = PageSlab(slab) ? bytes : 0;
}

static int look_at(struct lab_run *run, struct sample *sample,
		   struct lab_footprint *footprint)
{
	unsigned int room = clamp_t(size_t, SAMPLES_BYTES / sample->size, SAMPLES,
				    SAMPLES_MAX);
	u64 each = SAMPLE_BYTES(sample->size);
	int err;

	/* A block of pages is all of it. */
	if (!sample->cache && sample->size > KMALLOC_MAX_CACHE_SIZE) {
		room = 1;
		each = PAGE_SIZE << get_order(sample->size);
	}
	err = lab_charge(run, min_t(u64, room, SAMPLES) * each +
			      room * sizeof(*sample->object));
	if (err)
		return err;
	sample->object = kvmalloc_array(room, sizeof(*sample->object), GFP_LAB);
	if (!sample->object)
		return -ENOMEM;
	while (!err && sample->nr < room) {
		if (sample->nr >= SAMPLES) {
			if (comes_in_whole_slabs(sample))
				break;
			err = lab_charge(run, each);
		}
		if (!err)
			err = take(sample) ? context_breathe(run->reason)
					   : -ENOMEM;
	}
	if (!err) {
		share_slab(sample, footprint);
		footprint->is_guess = !comes_in_whole_slabs(sample);
	}
	give_back(sample);
	return err;
}

/**
 * footprint_of_cache() - what an object of a cache takes
 * @run:	the command
 * @cache:	the cache; it has no empty slab afterwards
 * @footprint: filled in
 *
 * Context: Process context, may sleep.
 * Return: 0; -ENOMEM; -EDQUOT or -EINTR with the reason.
 */
int footprint_of_cache(struct lab_run *run, struct kmem_cache *cache,
		       struct lab_footprint *footprint)
{
	struct sample sample = {
		.cache = cache, .size = kmem_cache_size(cache),
	};
	int err = look_at(run, &sample, footprint);

	kmem_cache_shrink(cache);
	return err;
}

/**
 * footprint_of_kmalloc() - what an object of kmalloc() takes
 * @run:	the command
 * @size:	of the object, in bytes
 * @gfp:	flags that choose the type of its cache
 * @footprint: filled in
 *
 * Context: Process context, may sleep.
 * Return: 0; -ENOMEM; -EDQUOT or -EINTR with the reason.
 */
int footprint_of_kmalloc(struct lab_run *run, size_t size, gfp_t gfp,
			 struct lab_footprint *footprint)
{
	struct sample sample = { .size = size, .gfp = gfp };

	return look_at(run, &sample, footprint);
}

/**
 * footprint_charge() - charge for objects, and for a pointer to each
 * @run:	the command
 * @each:	what one takes
 * @count:	how many
 *
 * Objects come in whole slabs, of which each CPU takes its own.
 *
 * Context: Process context, may sleep.
 * Return: 0; -EDQUOT with the reason.
 */
int footprint_charge(struct lab_run *run, const struct lab_footprint *each,
		     unsigned int count)
{
	return lab_charge(run, count * (each->bytes + sizeof(void *)) +
			       nr_cpu_ids * each->slab_bytes);
}

typedef int (*learn_fn)(struct lab_run *run, size_t size, struct lab_footprint *footprint);

/*
 * Learns it once for each size, or again if that was a guess; if there are too many, of
 * the last again and again.
 */
static int look_up(struct lab_run *run, struct known *known, size_t nr, size_t size,
		   learn_fn learn, u64 *bytes)
{
	struct known *end = known + nr - 1;
	int err = 0;

	if (mutex_lock_killable(&known_lock))
		return lab_refuse(run, -EINTR, "cancelled by a signal");
	while (known < end && known->size && known->size != size)
		known++;
	if (known->size != size) {
		err = learn(run, size, &known->footprint);
		known->size = err || known->footprint.is_guess ? 0 : size;
	}
	if (!err)
		*bytes = known->footprint.bytes;
	mutex_unlock(&known_lock);
	return err;
}

/* What an object takes of a cache of the kernel's own: of one that is made alike. */
static int learn_hidden(struct lab_run *run, size_t size, struct lab_footprint *footprint)
{
	struct kmem_cache *cache;
	int err;

	lockdep_assert_held(&known_lock);
	cache = compat_cache_create_unmerged(SAMPLE_CACHE, size, 0, 0, NULL);
	if (!cache)
		return -ENOMEM;
	err = footprint_of_cache(run, cache, footprint);
	kmem_cache_destroy(cache);
	return err;
}

/**
 * footprint_of_hidden() - what an object takes of a cache that modules cannot see
 * @run:	the command
 * @size:	of the object, in bytes
 * @bytes:	filled in
 *
 * Context: Process context, may sleep.
 * Return: 0; -ENOMEM; -EDQUOT or -EINTR with the reason.
 */
int footprint_of_hidden(struct lab_run *run, size_t size, u64 *bytes)
{
	return look_up(run, hidden, ARRAY_SIZE(hidden), size, learn_hidden, bytes);
}

static int learn_struct(struct lab_run *run, size_t size, struct lab_footprint *footprint)
{
	return footprint_of_kmalloc(run, size, 0, footprint);
}

/**
 * footprint_of_struct() - what a struct takes that is got from kmalloc()
 * @run:	the command
 * @size:	of the struct, in bytes
 * @bytes:	filled in
 *
 * Looks at objects of each class once: those that are looked at each time leave slabs,
 * and the struct itself would lie in one of them alone.
 *
 * Context: Process context, may sleep.
 * Return: 0; -ENOMEM; -EDQUOT or -EINTR with the reason.
 */
int footprint_of_struct(struct lab_run *run, size_t size, u64 *bytes)
{
	return look_up(run, structs, ARRAY_SIZE(structs), kmalloc_size_roundup(size),
		       learn_struct, bytes);
}

/**
 * footprint_of_area() - what vmalloc() takes for an area
 * @run:	the command
 * @size:	of the area, in bytes
 * @bytes:	filled in
 *
 * The pages, an entry that maps each and one for the guard, what describes the area,
 * twice, and a pointer to each page, in an area of its own if they are many
 * (mm/vmalloc.c, __vmalloc_area_node()).
 *
 * Context: Process context, may sleep.
 * Return: 0; -ENOMEM; -EDQUOT or -EINTR with the reason.
 */
int footprint_of_area(struct lab_run *run, size_t size, u64 *bytes)
{
	unsigned long nr = PAGE_ALIGN(size) >> PAGE_SHIFT;
	size_t pointers = nr * sizeof(struct page *);
	u64 vm_bytes, node_bytes, array_bytes;
	int err;

	err = footprint_of_struct(run, sizeof(struct vm_struct), &vm_bytes);
	if (!err)
		err = footprint_of_hidden(run, sizeof(struct vmap_area),
					  &node_bytes);
	if (err)
		return err;
	if (pointers > PAGE_SIZE)
		err = footprint_of_area(run, pointers, &array_bytes);
	else
		err = footprint_of_struct(run, pointers, &array_bytes);
	if (!err)
		*bytes = nr * PAGE_SIZE + (nr + 1) * sizeof(pte_t) + vm_bytes +
			 node_bytes + array_bytes + footprint_of_tracking();
	return err;
}

/**
 * footprint_of_kvmalloc_area() - what kvmalloc() takes if it is served by an area
 * @run:	the command
 * @size:	of the request, in bytes
 * @bytes:	filled in; 0 if it fits a page, as no area serves that (mm/util.c,
 *		kvmalloc_node())
 *
 * The area may have huge pages: whole ones, if each node's share of it is as large as one
 * (mm/vmalloc.c, __vmalloc_node_range()).
 *
 * Context: Process context, may sleep.
 * Return: As footprint_of_area().
 */
int footprint_of_kvmalloc_area(struct lab_run *run, size_t size, u64 *bytes)
{
	*bytes = 0;
	if (size <= PAGE_SIZE)
		return 0;
	if (IS_ENABLED(CONFIG_HAVE_ARCH_HUGE_VMALLOC) &&
	    size / num_online_nodes() >= PMD_SIZE)
		size = ALIGN(size, PMD_SIZE);
	return footprint_of_area(run, size, bytes);
}

/**
 * footprint_of_files() - what files or directories of debugfs take
 * @run:	the command
 * @nr:		how many
 * @bytes:	filled in
 *
 * Context: Process context, may sleep.
 * Return: 0; -ENOMEM; -EDQUOT or -EINTR with the reason.
 */
int footprint_of_files(struct lab_run *run, unsigned int nr, u64 *bytes)
{
	u64 inode, dentry, opened;
	int err;

	/* With what debugfs adds, from 6.11 on (struct debugfs_inode_info). */
	err = footprint_of_hidden(run, sizeof(struct inode) + 2 * sizeof(void *),
				  &inode);
	if (!err)
		err = footprint_of_hidden(run, sizeof(struct dentry), &dentry);
	/* What debugfs keeps of each that was opened once (debugfs_file_get()). */
	if (!err)
		err = footprint_of_struct(run, OPENED_BYTES, &opened);
	if (!err)
		*bytes = nr * (inode + dentry + opened);
	return err;
}

/* A directory, and all that is in it. */
static unsigned int count_nodes(struct kernfs_node *node)
{
	unsigned int nr = 1;
	struct rb_node *at;

	if (kernfs_type(node) != KERNFS_DIR)
		return nr;
	for (at = rb_first(&node->dir.children); at; at = rb_next(at))
		nr += count_nodes(rb_entry(at, struct kernfs_node, rb));
	return nr;
}

/**
 * footprint_of_kobject() - what a directory of sysfs takes with all that is in it
 * @run:	the command
 * @dir:	the directory; nobody changes it meanwhile
 * @bytes:	filled in
 *
 * Context: Process context, may sleep.
 * Return: 0; -ENOMEM; -EDQUOT or -EINTR with the reason.
 */
int footprint_of_kobject(struct lab_run *run, struct kernfs_node *dir,
			 u64 *bytes)
{
	u64 node, ids;
	int err;

	err = footprint_of_hidden(run, sizeof(*dir), &node);
	/* Each has a number, and there is a table for so many of these. */
	if (!err)
		err = footprint_of_hidden(run, sizeof(struct xa_node), &ids);
	if (!err)
		*bytes = count_nodes(dir) * (node + ids / XA_CHUNK_SIZE);
	return err;
}

/**
 * footprint_of_new_cache() - what a cache takes that has no slab
 * @run:	the command
 * @name:	of a cache that nobody destroys meanwhile
 * @object:	what an object of it takes
 * @bytes:	filled in: its structs, and its files in sysfs and debugfs
 *
 * Context: Process context, may sleep.
 * Return: 0; -ENOMEM; -EDQUOT or -EINTR with the reason.
 */
int footprint_of_new_cache(struct lab_run *run, const char *name,
			   const struct lab_footprint *object, u64 *bytes)
{
	struct kernfs_node *all, *dir = NULL;
	struct dentry *traces, *traced;
	u64 files = 0, random = 0, cache, names;
	int err;

	*bytes = 0;
	all = kernfs_find_and_get(kernel_kobj->sd, "slab");
	if (all)
		dir = kernfs_find_and_get(all, name);
	/* The name of one that may be merged is a link to its directory. */
	if (dir && kernfs_type(dir) == KERNFS_LINK) {
		struct kernfs_node *target = dir->symlink.target_kn;

		kernfs_get(target);
		kernfs_put(dir);
		dir = target;
	}
	err = dir ? footprint_of_kobject(run, dir, bytes) : 0;
	kernfs_put(dir);
	kernfs_put(all);
	/* Who allocated is shown in two files there (mm/slub.c, debugfs_slab_add()). */
	traces = debugfs_lookup("slab", NULL);
	traced = IS_ERR_OR_NULL(traces) ? NULL : debugfs_lookup(name, traces);
	if (!err && !IS_ERR_OR_NULL(traced))
		err = footprint_of_files(run, 3, &files);
	if (!IS_ERR_OR_NULL(traced))
		dput(traced);
	if (!IS_ERR_OR_NULL(traces))
		dput(traces);
	if (!err)
		err = footprint_of_struct(run, CACHE_BYTES, &cache);
	if (!err)
		err = footprint_of_struct(run, strlen(name) + 1, &names);
	/* The order in which a slab hands out its objects (init_cache_random_seq()). */
	if (!err && IS_ENABLED(CONFIG_SLAB_FREELIST_RANDOM))
		err = footprint_of_struct(run, sizeof(int) *
					  div64_u64(object->slab_bytes, object->bytes),
					  &random);
	if (!err)
		*bytes += files + cache + 2 * names + random +
			  nr_node_ids * 2ULL * CACHE_NODE_BYTES +
			  num_possible_cpus() * (u64)CACHE_CPU_BYTES;
	return err;
}

/* A number that the kernel shows of kmemleak's own cache; 0 where it shows none. */
static unsigned long tracking_number(const char *attribute)
{
	char path[64], text[24];
	unsigned long number;
	struct file *file;
	loff_t pos = 0;
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/kernel/slab/kmemleak_object/%s",
		 attribute);
	file = filp_open(path, O_RDONLY, 0);
	if (IS_ERR(file))
		return 0;
	len = kernel_read(file, text, sizeof(text) - 1, &pos);
	filp_close(file, NULL);
	if (len <= 0)
		return 0;
	/* The number of slabs is followed by those of each node. */
	text[len] = '\0';
	text[strspn(text, "0123456789")] = '\0';
	return kstrtoul(text, 10, &number) ? 0 : number;
}

/**
 * footprint_of_tracking() - what kmemleak takes for each allocation that it tracks
 *
 * Context: Process context, may sleep.
 * Return: bytes; 0 where it tracks none.
 */
u64 footprint_of_tracking(void)
{
	unsigned long nr;

	if (!IS_ENABLED(CONFIG_DEBUG_KMEMLEAK) || !tracking_number("slabs"))
		return 0;
	nr = tracking_number("objs_per_slab");
	return nr ? DIV_ROUND_UP(PAGE_SIZE << tracking_number("order"), nr) : 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Records: what an experiment found, as typed values.
 *
 * Formats are those of Documentation/admin-guide/cgroup-v2.rst: a value under
 * a key is a flat-keyed line ("order 5"); a row with cells is a nested-keyed
 * line ("N0.DMA32 0=12 1=3"); a value with the empty key stands alone, for
 * files of one value.
 */
#include <linux/hash.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/once.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "core/record.h"

#define RECORD_KEY_SIZE		40
#define RECORD_FIRST_ROOM	32

enum lab_value_shape {
	LAB_LINE,		/* "key value" */
	LAB_ROW,		/* "key", begins a line that cells follow */
	LAB_CELL,		/* " key=value" */
};

enum lab_value_type {
	LAB_NONE,
	LAB_UNSIGNED,
	LAB_SIGNED,
	LAB_TEXT,
};

struct lab_value {
	enum lab_value_shape shape;
	enum lab_value_type type;
	char key[RECORD_KEY_SIZE];
	union {
		u64 number;	/* LAB_SIGNED: as two's complement */
		char *text;
	};
};

static struct lab_value *record_add(struct lab_record *record,
				    enum lab_value_shape shape,
				    enum lab_value_type type, const char *key)
{
	struct lab_value *value;

	if (record->error)
		return NULL;
	if (record->nr == record->room) {
		unsigned int room =
			max(2 * record->room, (unsigned int)RECORD_FIRST_ROOM);
		struct lab_value *values;

		values = kvmalloc_array(room, sizeof(*values), GFP_KERNEL);
		if (!values) {
			record->error = -ENOMEM;
			return NULL;
		}
		if (record->nr)
			memcpy(values, record->values,
			       record->nr * sizeof(*values));
		kvfree(record->values);
		record->values = values;
		record->room = room;
	}
	value = &record->values[record->nr++];
	value->shape = shape;
	value->type = type;
	strscpy(value->key, key, sizeof(value->key));
	return value;
}

static void record_add_number(struct lab_record *record,
			      enum lab_value_shape shape,
			      enum lab_value_type type, const char *key,
			      u64 number)
{
	struct lab_value *value = record_add(record, shape, type, key);

	if (value)
		value->number = number;
}

__printf(4, 0)
static void record_add_text(struct lab_record *record,
			    enum lab_value_shape shape, const char *key,
			    const char *fmt, va_list ap)
{
	struct lab_value *value = record_add(record, shape, LAB_TEXT, key);

	if (!value)
		return;
	value->text = kvasprintf(GFP_KERNEL, fmt, ap);
	if (!value->text) {
		record->nr--;
		record->error = -ENOMEM;
	}
}

/**
 * record_number() - add "key number"
 * @record:	the record
 * @key:	[a-z0-9_.]+ with the unit at its end; "" for a file of one value
 * @number:	the value
 *
 * Context: Process context, may sleep.
 */
void record_number(struct lab_record *record, const char *key, u64 number)
{
	record_add_number(record, LAB_LINE, LAB_UNSIGNED, key, number);
}

/**
 * record_signed() - add "key number" for a number that may be negative
 * @record:	the record
 * @key:	as for record_number()
 * @number:	the value
 *
 * Context: Process context, may sleep.
 */
void record_signed(struct lab_record *record, const char *key, s64 number)
{
	record_add_number(record, LAB_LINE, LAB_SIGNED, key, number);
}

/**
 * record_text() - add "key text"
 * @record:	the record
 * @key:	as for record_number()
 * @fmt:	printf format of the text, one line
 *
 * Context: Process context, may sleep.
 */
void record_text(struct lab_record *record, const char *key, const char *fmt,
		 ...)
{
	va_list ap;

	va_start(ap, fmt);
	record_add_text(record, LAB_LINE, key, fmt, ap);
	va_end(ap);
}

/**
 * record_row() - begin a line of cells
 * @record:	the record
 * @fmt:	printf format of the row's key
 *
 * Context: Process context, may sleep.
 */
void record_row(struct lab_record *record, const char *fmt, ...)
{
	char key[RECORD_KEY_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(key, sizeof(key), fmt, ap);
	va_end(ap);
	record_add(record, LAB_ROW, LAB_NONE, key);
}

/**
 * record_cell() - add " key=number" to the row begun last
 * @record:	the record
 * @key:	the cell's key
 * @number:	the value
 *
 * Context: Process context, may sleep.
 */
void record_cell(struct lab_record *record, const char *key, u64 number)
{
	record_add_number(record, LAB_CELL, LAB_UNSIGNED, key, number);
}

/**
 * record_cell_text() - add " key=text" to the row begun last
 * @record:	the record
 * @key:	the cell's key
 * @fmt:	printf format of the text, without blanks
 *
 * Context: Process context, may sleep.
 */
void record_cell_text(struct lab_record *record, const char *key,
		      const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	record_add_text(record, LAB_CELL, key, fmt, ap);
	va_end(ap);
}

/**
 * record_hide_address() - what stands for a kernel address where it is shown
 * @name:	filled in: as %p has it, and so the kernel's own files, if that does not
 *		tell the address; otherwise a hash of the same form
 * @address:	the address
 *
 * Boot options such as no_hash_pointers and slub_debug make %p print what it is given,
 * and debug_boot_weak_hash a number that it can be found from.  Before the kernel can
 * hash it prints "(____ptrval____)".
 *
 * Context: Process context, may sleep.
 */
void record_hide_address(char name[RECORD_ADDRESS_SIZE], const void *address)
{
	static siphash_key_t key;
	unsigned long told;

	get_random_once(&key, sizeof(key));
	snprintf(name, RECORD_ADDRESS_SIZE, "%p", address);
	if (!kstrtoul(name, 16, &told) &&
	    (told == (unsigned long)address ||
	     told == hash_long((unsigned long)address, 32)))
		snprintf(name, RECORD_ADDRESS_SIZE, "%0*x",
			 (int)(2 * sizeof(address)),
			 (u32)siphash_1u64((unsigned long)address, &key));
}

/**
 * record_address() - add "key hash" for a kernel address
 * @record:	the record
 * @key:	as for record_number()
 * @address:	of which only record_hide_address() is told
 *
 * Context: Process context, may sleep.
 */
void record_address(struct lab_record *record, const char *key,
		    const void *address)
{
	char name[RECORD_ADDRESS_SIZE];

	record_hide_address(name, address);
	record_text(record, key, "%s", name);
}

/**
 * record_cell_address() - add " key=hash" to the row begun last
 * @record:	the record
 * @key:	the cell's key
 * @address:	as for record_address()
 *
 * Context: Process context, may sleep.
 */
void record_cell_address(struct lab_record *record, const char *key,
			 const void *address)
{
	char name[RECORD_ADDRESS_SIZE];

	record_hide_address(name, address);
	record_cell_text(record, key, "%s", name);
}

/**
 * record_function() - add "key name [kmemlab]" for a function of the module's
 * @record:	the record
 * @key:	as for record_number()
 * @name:	of the function, written as %ps has it, which prints the address on
 *		kernels without names (CONFIG_KALLSYMS)
 *
 * Context: Process context, may sleep.
 */
void record_function(struct lab_record *record, const char *key,
		     const char *name)
{
	record_text(record, key, "%s [" KBUILD_MODNAME "]", name);
}

/**
 * record_order_cells() - add one cell per order to the row begun last
 * @record:	the record
 * @count:	a count for each order from 0
 * @nr:		how many orders
 *
 * Context: Process context, may sleep.
 */
void record_order_cells(struct lab_record *record, const unsigned long *count,
			unsigned int nr)
{
	char key[RECORD_KEY_SIZE];
	unsigned int order;

	for (order = 0; order < nr; order++) {
		snprintf(key, sizeof(key), "%u", order);
		record_cell(record, key, count[order]);
	}
}

/**
 * record_format() - print a record
 * @record:	the record
 * @buf:	where to; may be NULL where @size is 0
 * @size:	room in @buf, in bytes, with the NUL
 *
 * Context: Any.
 * Return: the length of the whole text in bytes without the NUL, also where it
 * did not fit, as snprintf() does.
 */
size_t record_format(const struct lab_record *record, char *buf, size_t size)
{
	const struct lab_value *value;
	bool in_row = false;
	size_t len = 0;
	unsigned int i;

#define put(...) \
	(len += snprintf(len < size ? buf + len : NULL, \
			 len < size ? size - len : 0, __VA_ARGS__))

	for (i = 0; i < record->nr; i++) {
		value = &record->values[i];

		if (in_row && value->shape != LAB_CELL)
			put("\n");
		in_row = value->shape != LAB_LINE;

		if (value->shape == LAB_CELL)
			put(" %s=", value->key);
		else if (value->shape == LAB_ROW || !value->key[0])
			put("%s", value->key);
		else
			put("%s ", value->key);

		if (value->type == LAB_UNSIGNED)
			put("%llu", value->number);
		else if (value->type == LAB_SIGNED)
			put("%lld", (s64)value->number);
		else if (value->type == LAB_TEXT)
			put("%s", value->text);

		if (!in_row)
			put("\n");
	}
	if (in_row)
		put("\n");
#undef put
	return len;
}

/**
 * record_print() - print a record into memory of its own
 * @head:	the record, or the first part of it
 * @body:	the rest of it, or NULL
 * @len:	set to the length of the text in bytes
 *
 * Context: Process context, may sleep.
 * Return: the text, to be freed with kvfree(); or an ERR_PTR(): the record's
 * own error, or -ENOMEM.
 */
char *record_print(const struct lab_record *head, const struct lab_record *body,
		   size_t *len)
{
	size_t head_len = record_format(head, NULL, 0);
	char *text;

	if (head->error)
		return ERR_PTR(head->error);
	if (body && body->error)
		return ERR_PTR(body->error);
	*len = head_len + (body ? record_format(body, NULL, 0) : 0);
	text = kvmalloc(*len + 1, GFP_KERNEL);
	if (!text)
		return ERR_PTR(-ENOMEM);
	record_format(head, text, *len + 1);
	if (body)
		record_format(body, text + head_len, *len + 1 - head_len);
	return text;
}

/**
 * record_free() - empty a record
 * @record:	the record; ready for use again afterwards
 *
 * Context: Process context, may sleep.
 */
void record_free(struct lab_record *record)
{
	unsigned int i;

	for (i = 0; i < record->nr; i++)
		if (record->values[i].type == LAB_TEXT)
			kfree(record->values[i].text);
	kvfree(record->values);
	memset(record, 0, sizeof(*record));
}

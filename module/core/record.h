/* SPDX-License-Identifier: GPL-2.0 */
/* A record: typed values under keys, and the only place that prints them. */
#ifndef KMEMLAB_CORE_RECORD_H
#define KMEMLAB_CORE_RECORD_H

#include <linux/types.h>

struct lab_value;

/** define RECORD_ADDRESS_SIZE - room for what stands for an address, in bytes. */
#define RECORD_ADDRESS_SIZE	24

void record_hide_address(char name[RECORD_ADDRESS_SIZE], const void *address);

/**
 * struct lab_record - values in the order in which they were added
 * @values:	the values; owner: this record
 * @nr:		how many there are
 * @room:	how many fit before @values must grow
 * @error:	the first error met while adding, 0 so far none; a record with
 *		an error set takes no more values
 *
 * A record of all zeroes is empty and ready for use.  It has no lock: it
 * belongs to the one command that fills it.
 */
struct lab_record {
	struct lab_value *values;
	unsigned int nr;
	unsigned int room;
	int error;
};

void record_number(struct lab_record *record, const char *key, u64 number);
void record_signed(struct lab_record *record, const char *key, s64 number);
__printf(3, 4)
void record_text(struct lab_record *record, const char *key,
		 const char *fmt, ...);
__printf(2, 3)
void record_row(struct lab_record *record, const char *fmt, ...);
void record_cell(struct lab_record *record, const char *key, u64 number);
__printf(3, 4)
void record_cell_text(struct lab_record *record, const char *key,
		      const char *fmt, ...);
void record_address(struct lab_record *record, const char *key,
		    const void *address);
void record_cell_address(struct lab_record *record, const char *key,
			 const void *address);
void record_function(struct lab_record *record, const char *key,
		     const char *name);
void record_order_cells(struct lab_record *record, const unsigned long *count,
			unsigned int nr);

size_t record_format(const struct lab_record *record, char *buf, size_t size);
char *record_print(const struct lab_record *head, const struct lab_record *body,
		   size_t *len);
void record_free(struct lab_record *record);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* One command in, one record out. */
#ifndef KMEMLAB_ENGINE_RUNNER_H
#define KMEMLAB_ENGINE_RUNNER_H

#include <linux/types.h>

struct lab_family;
struct lab_record;

/**
 * struct lab_call - where a command came from, and what that says about it
 * @family:	whose command it is; NULL: the text says so ("buddy.split")
 * @verb:	what is to be done; NULL: the text begins with it
 * @name:	value of the parameter "name"; NULL: the text gives it
 */
struct lab_call {
	const struct lab_family *family;
	const char *verb;
	const char *name;
};

int runner_run(const struct lab_call *call, const char *text, size_t len,
	       char **result, size_t *result_len);
char *runner_last(const struct lab_family *family, size_t *len);
int runner_show_stats(struct lab_record *record, void *family);
int runner_show_help(struct lab_record *record, void *family);
int runner_show_all_help(struct lab_record *record, void *unused);
int runner_show_experiments(struct lab_record *record, void *unused);
void runner_exit(void);

#endif

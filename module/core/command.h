/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One command: a verb and its key=value arguments, range-checked against a
 * table.  Pure: no allocation, no lock, no kernel service, so the same file is
 * built and tested in user space.
 */
#ifndef KMEMLAB_CORE_COMMAND_H
#define KMEMLAB_CORE_COMMAND_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
typedef unsigned long long u64;
#endif

/** define LAB_COMMAND_MAX - the longest command, in bytes without the NUL. */
#define LAB_COMMAND_MAX		1023
/** define LAB_WORD_MAX - the longest name, in bytes without the NUL. */
#define LAB_WORD_MAX		31
/** define LAB_PARAMS_MAX - the most parameters that one command can take. */
#define LAB_PARAMS_MAX		12
/** define LAB_REASON_SIZE - room for a refusal in words, in bytes. */
#define LAB_REASON_SIZE		160

/**
 * enum lab_param_type - what the text of an argument is turned into
 * @LAB_NUMBER:	decimal or 0x-hexadecimal, with an optional suffix K, M or G
 *		for 2^10, 2^20 or 2^30
 * @LAB_CHOICE:	one of a list of words; the value is its index
 * @LAB_WORD:	a name of the user's: letters, digits, '_' and '-'
 * @LAB_TEXT:	anything without blanks, for the command itself to read
 */
enum lab_param_type {
	LAB_NUMBER,
	LAB_CHOICE,
	LAB_WORD,
	LAB_TEXT,
};

/**
 * struct lab_param - one parameter of a command
 * @name:	the key, [a-z0-9_]+; NULL ends a table
 * @help:	one line for the listing, with the unit
 * @type:	how the value is read
 * @required:	there is no default: the command must give it
 * @bare:	the value may stand alone, without "key="
 * @min:	smallest value, for LAB_NUMBER
 * @max:	largest value, for LAB_NUMBER
 * @def:	value where the command gives none, for LAB_NUMBER and
 *		LAB_CHOICE
 * @choices:	the words of a LAB_CHOICE, NULL-terminated
 */
struct lab_param {
	const char *name;
	const char *help;
	enum lab_param_type type;
	bool required;
	bool bare;
	u64 min;
	u64 max;
	u64 def;
	const char *const *choices;
};

/**
 * struct lab_args - the arguments of one command, after all checks
 * @params:	the tables that the values belong to, in order; either may be
 *		NULL
 * @number:	value of each LAB_NUMBER, index of each LAB_CHOICE
 * @word:	value of each LAB_WORD, "" where it was not given
 * @text:	value of each LAB_TEXT, NULL where it was not given; points into the
 *		command
 */
struct lab_args {
	const struct lab_param *params[2];
	u64 number[LAB_PARAMS_MAX];
	char word[LAB_PARAMS_MAX][LAB_WORD_MAX + 1];
	const char *text[LAB_PARAMS_MAX];
};

/**
 * struct lab_command - a command cut into words, not yet checked
 * @text:	copy of what was written; the words below point into it
 * @verb:	first word, or NULL
 * @nr_args:	how many of @arg are used
 * @arg:	each key and value; the key of a bare value is NULL
 */
struct lab_command {
	char text[LAB_COMMAND_MAX + 1];
	const char *verb;
	unsigned int nr_args;
	struct {
		const char *key;
		const char *value;
	} arg[LAB_PARAMS_MAX];
};

int command_split(struct lab_command *cmd, const char *text, size_t len,
		  bool has_verb, char *reason);
const char *command_value(const struct lab_command *cmd, const char *key);
int command_preset(struct lab_command *cmd, const char *key, const char *value,
		   char *reason);
int command_bind(const struct lab_command *cmd, const struct lab_param *params,
		 const struct lab_param *more, struct lab_args *args,
		 char *reason);

u64 args_number(const struct lab_args *args, const char *name);
const char *args_word(const struct lab_args *args, const char *name);
const char *args_text(const struct lab_args *args, const char *name);

#endif

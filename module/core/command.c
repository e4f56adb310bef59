// SPDX-License-Identifier: GPL-2.0
/*
 * Text to verb and typed, range-checked arguments.
 *
 * Everything a user can write arrives here first.  The rule is that a command
 * is checked whole before any of it is carried out, so a refused command has
 * changed nothing.
 */
#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#else
#include <errno.h>
#include <stdio.h>
#include <string.h>
#endif

#include "core/command.h"

#define refuse(reason, err, ...) \
	(snprintf(reason, LAB_REASON_SIZE, __VA_ARGS__), -(err))

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_name_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
}

/**
 * command_split() - cut a command into its words
 * @cmd:	filled in; valid only on success
 * @text:	what was written; need not end in NUL
 * @len:	its length in bytes; @text is not looked at past LAB_COMMAND_MAX
 * @has_verb:	the first word is the verb; else all words are arguments
 * @reason:	LAB_REASON_SIZE bytes, filled in on failure
 *
 * One newline at the end, as echo writes it, does not count.
 *
 * Context: Any.
 * Return: 0, or -EINVAL with @reason.
 */
int command_split(struct lab_command *cmd, const char *text, size_t len,
		  bool has_verb, char *reason)
{
	char *p, *equals;
	size_t i;

	if (len > LAB_COMMAND_MAX)
		return refuse(reason, EINVAL,
			      "a command has at most %d bytes, not %zu",
			      LAB_COMMAND_MAX, len);
	if (len && text[len - 1] == '\n')
		len--;
	for (i = 0; i < len; i++)
		if ((text[i] < ' ' || text[i] > '~') && text[i] != '\t')
			return refuse(reason, EINVAL,
				      "byte %zu of the command is not printable ASCII",
				      i);

	memset(cmd, 0, sizeof(*cmd));
	memcpy(cmd->text, text, len);

	for (p = cmd->text; *p; ) {
		char *word;

		if (is_blank(*p)) {
			p++;
			continue;
		}
		word = p;
		while (*p && !is_blank(*p))
			p++;
		if (*p)
			*p++ = '\0';

		if (has_verb && !cmd->verb) {
			cmd->verb = word;
			continue;
		}
		if (cmd->nr_args == LAB_PARAMS_MAX)
			return refuse(reason, EINVAL, "more than %d arguments",
				      LAB_PARAMS_MAX);
		equals = strchr(word, '=');
		if (equals) {
			*equals = '\0';
			cmd->arg[cmd->nr_args].key = word;
			word = equals + 1;
		}
		cmd->arg[cmd->nr_args++].value = word;
	}

	if (has_verb && !cmd->verb)
		return refuse(reason, EINVAL, "the command is empty");
	return 0;
}

/**
 * command_value() - the text given for a key
 * @cmd:	a command that command_split() accepted
 * @key:	the key
 *
 * Context: Any.
 * Return: the text, or NULL where the command does not give @key.
 */
const char *command_value(const struct lab_command *cmd, const char *key)
{
	unsigned int i;

	for (i = 0; i < cmd->nr_args; i++)
		if (cmd->arg[i].key && !strcmp(cmd->arg[i].key, key))
			return cmd->arg[i].value;
	return NULL;
}

/**
 * command_preset() - add an argument that the door knows and the user need not
 * give
 * @cmd:	a command that command_split() accepted
 * @key:	its key; must outlive @cmd
 * @value:	its value; must outlive @cmd
 * @reason:	LAB_REASON_SIZE bytes, filled in on failure
 *
 * Context: Any.
 * Return: 0, or -EINVAL where the command has no room for one more argument.
 */
int command_preset(struct lab_command *cmd, const char *key, const char *value,
		   char *reason)
{
	if (cmd->nr_args == LAB_PARAMS_MAX)
		return refuse(reason, EINVAL, "more than %d arguments",
			      LAB_PARAMS_MAX - 1);
	cmd->arg[cmd->nr_args].key = key;
	cmd->arg[cmd->nr_args++].value = value;
	return 0;
}

static int digit_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static unsigned int suffix_shift(char c)
{
	switch (c) {
	case 'K': case 'k':
		return 10;
	case 'M': case 'm':
		return 20;
	case 'G': case 'g':
		return 30;
	}
	return 0;
}

/* -EINVAL: not a number.  -ERANGE: a number, but none that fits in u64. */
static int parse_u64(const char *text, u64 *value)
{
	bool negative = *text == '-';
	bool overflow = false;
	unsigned int base = 10, shift;
	u64 sum = 0;
	int digit;

	if (negative)
		text++;
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		text += 2;
	}
	digit = digit_value(*text);
	if (digit < 0 || digit >= (int)base)
		return -EINVAL;
	for (; digit >= 0 && digit < (int)base; digit = digit_value(*++text)) {
		if (sum > (~0ULL - digit) / base)
			overflow = true;
		sum = sum * base + digit;
	}
	shift = suffix_shift(*text);
	if (shift) {
		if (sum > ~0ULL >> shift)
			overflow = true;
		sum <<= shift;
		text++;
	}
	if (*text)
		return -EINVAL;
	if (overflow || (negative && sum))
		return -ERANGE;
	*value = sum;
	return 0;
}

static int bind_number(const struct lab_param *param, const char *text,
		       u64 *value, char *reason)
{
	int err = parse_u64(text, value);

	if (err == -EINVAL)
		return refuse(reason, EINVAL, "%s=%.20s is not a number",
			      param->name, text);
	if (err || *value < param->min || *value > param->max)
		return refuse(reason, ERANGE, "%s=%.20s is not in %llu..%llu",
			      param->name, text,
			      (unsigned long long)param->min,
			      (unsigned long long)param->max);
	return 0;
}

static int bind_choice(const struct lab_param *param, const char *text,
		       u64 *value, char *reason)
{
	size_t i;

	for (i = 0; param->choices[i]; i++) {
		if (!strcmp(param->choices[i], text)) {
			*value = i;
			return 0;
		}
	}
	return refuse(reason, EINVAL, "%s=%.20s is none of the words it takes",
		      param->name, text);
}

static int bind_word(const struct lab_param *param, const char *text,
		     char *word, char *reason)
{
	size_t len;

	for (len = 0; text[len]; len++)
		if (!is_name_char(text[len]))
			return refuse(reason, EINVAL,
				      "%s may have letters, digits, '_' and '-', not '%c'",
				      param->name, text[len]);
	if (!len || len > LAB_WORD_MAX)
		return refuse(reason, EINVAL,
			      "%s has %zu characters, not 1..%d", param->name,
			      len, LAB_WORD_MAX);
	memcpy(word, text, len + 1);
	return 0;
}

/* The @i-th parameter of both tables in a row, or NULL past the end. */
static const struct lab_param *param_at(const struct lab_args *args, size_t i)
{
	size_t t, n = 0;

	for (t = 0; t < 2; t++) {
		const struct lab_param *p = args->params[t];

		for (; p && p->name; p++)
			if (n++ == i)
				return p;
	}
	return NULL;
}

/* Where the parameter called @key (NULL: the bare one) stands, or -1. */
static int param_index(const struct lab_args *args, const char *key)
{
	const struct lab_param *p;
	int i;

	for (i = 0; (p = param_at(args, i)); i++)
		if (key ? !strcmp(p->name, key) : p->bare)
			return i;
	return -1;
}

/**
 * command_bind() - check a command against its tables and fill in the arguments
 * @cmd:	a command that command_split() accepted
 * @params:	table of parameters, or NULL
 * @more:	a second table, or NULL; both together have at most
 *		LAB_PARAMS_MAX entries
 * @args:	filled in, defaults included; valid only on success
 * @reason:	LAB_REASON_SIZE bytes, filled in on failure
 *
 * Context: Any.
 * Return: 0; -EINVAL for an unknown, repeated, missing or malformed argument;
 * -ERANGE for a number out of its range.
 */
int command_bind(const struct lab_command *cmd, const struct lab_param *params,
		 const struct lab_param *more, struct lab_args *args,
		 char *reason)
{
	bool given[LAB_PARAMS_MAX] = { false };
	const struct lab_param *param;
	unsigned int n;
	int i, err;

	memset(args, 0, sizeof(*args));
	args->params[0] = params;
	args->params[1] = more;

	for (n = 0; n < cmd->nr_args; n++) {
		const char *key = cmd->arg[n].key;
		const char *value = cmd->arg[n].value;

		i = param_index(args, key);
		if (i < 0 && key)
			return refuse(reason, EINVAL,
				      "unknown parameter '%.31s'", key);
		if (i < 0)
			return refuse(reason, EINVAL,
				      "'%.31s' is not key=value", value);
		param = param_at(args, i);
		if (given[i])
			return refuse(reason, EINVAL, "%s is given twice",
				      param->name);
		given[i] = true;

		err = 0;
		if (param->type == LAB_NUMBER)
			err = bind_number(param, value, &args->number[i],
					  reason);
		else if (param->type == LAB_CHOICE)
			err = bind_choice(param, value, &args->number[i],
					  reason);
		else if (param->type == LAB_TEXT)
			args->text[i] = value;
		else
			err = bind_word(param, value, args->word[i], reason);
		if (err)
			return err;
	}

	for (i = 0; (param = param_at(args, i)); i++) {
		if (given[i])
			continue;
		if (param->required)
			return refuse(reason, EINVAL, "%s= is missing",
				      param->name);
		args->number[i] = param->def;
	}
	return 0;
}

/**
 * args_number() - value of a LAB_NUMBER, index of a LAB_CHOICE
 * @args:	arguments that command_bind() filled in
 * @name:	name of a parameter in its tables
 *
 * Context: Any.
 * Return: the value; 0 for a name that is in neither table.
 */
u64 args_number(const struct lab_args *args, const char *name)
{
	int i = param_index(args, name);

	return i < 0 ? 0 : args->number[i];
}

/**
 * args_word() - value of a LAB_WORD
 * @args:	arguments that command_bind() filled in
 * @name:	name of a parameter in its tables
 *
 * Context: Any.
 * Return: the word; "" where it was not given or is in neither table.
 */
const char *args_word(const struct lab_args *args, const char *name)
{
	int i = param_index(args, name);

	return i < 0 ? "" : args->word[i];
}

/**
 * args_text() - value of a LAB_TEXT
 * @args:	arguments that command_bind() filled in
 * @name:	name of a parameter in its tables
 *
 * Context: Any.
 * Return: the text; NULL where it was not given or is in neither table.
 */
const char *args_text(const struct lab_args *args, const char *name)
{
	int i = param_index(args, name);

	return i < 0 ? NULL : args->text[i];
}

// SPDX-License-Identifier: GPL-2.0
/*
 * The parser under libFuzzer, in user space: whatever is written, what comes out
 * of it is either refused with a reason or within the tables, and nothing is read
 * that was not written.  scripts/fuzz-parser builds and runs this.
 *
 * An input is a word of two letters, a blank, and the command: "av go count=1".
 * The first letter chooses the tables, and the second how the door hands the
 * command on, as in setups[] and ways[].
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/command.c"

#define PRESET_KEY	"name"
#define PRESET_VALUE	"preset-0"

/* The tables: of each kind that the module has, and what is at the limits. */

static const char *const orders[] = { "lifo", "fifo", "random", NULL };
static const char *const no_yes[] = { "no", "yes", NULL };
static const char *const only[] = { "only", NULL };

static const struct lab_param create_params[] = {
	{ .name = "name", .type = LAB_WORD, .required = true },
	{ .name = "allocator", .type = LAB_WORD, .required = true },
	{}
};

static const struct lab_param slab_params[] = {
	{ .name = "size", .required = true, .min = 1, .max = 8192 },
	{ .name = "align", .max = 4096 },
	{ .name = "ctor", .type = LAB_CHOICE, .choices = no_yes },
	{ .name = "hwcache", .type = LAB_CHOICE, .choices = no_yes, .def = 1 },
	{}
};

static const struct lab_param free_params[] = {
	{ .name = "name", .type = LAB_WORD, .required = true },
	{ .name = "count", .required = true, .bare = true, .min = 1,
	  .max = 4294967295ULL },
	{ .name = "order", .type = LAB_CHOICE, .choices = orders, .def = 1 },
	{}
};

static const struct lab_param limit_params[] = {
	{ .name = "any", .max = ~0ULL, .def = 7 },
	{ .name = "one", .bare = true, .min = 1, .max = 1, .def = 1 },
	{ .name = "last", .min = ~0ULL, .max = ~0ULL, .def = ~0ULL },
	{ .name = "zero" },
	{ .name = "order", .type = LAB_CHOICE, .choices = only },
	{ .name = "name", .type = LAB_WORD },
	{}
};

static const struct lab_param bare_word_params[] = {
	{ .name = "name", .type = LAB_WORD, .bare = true },
	{ .name = "order", .type = LAB_CHOICE, .choices = orders, .def = 2 },
	{}
};

static const struct lab_param bare_choice_params[] = {
	{ .name = "which", .type = LAB_CHOICE, .choices = orders, .bare = true,
	  .required = true },
	{}
};

/* As many as one command can take. */
static const struct lab_param full_params[] = {
	{ .name = "a", .max = 9 },
	{ .name = "b", .min = 1, .max = ~0ULL, .def = 1 },
	{ .name = "c", .type = LAB_CHOICE, .choices = orders, .def = 2 },
	{ .name = "d", .type = LAB_WORD },
	{ .name = "e", .max = 1, .bare = true },
	{ .name = "f", .required = true, .max = 5 },
	{ .name = "g", .type = LAB_WORD },
	{ .name = "h", .min = 4096, .max = 4194304, .def = 65536 },
	{ .name = "i", .type = LAB_CHOICE, .choices = no_yes },
	{ .name = "j", .max = 4503599627370495ULL },
	{ .name = "k", .max = 60000 },
	{ .name = "name", .type = LAB_WORD },
	{}
};

/* struct setup - the tables that a command is bound to */
static const struct setup {
	const struct lab_param *params, *more;
} setups[] = {
	{ create_params, slab_params },		/* a */
	{ free_params, NULL },			/* b */
	{ limit_params, NULL },			/* c */
	{ full_params, NULL },			/* d */
	{ limit_params, create_params + 1 },	/* e */
	{ NULL, slab_params },			/* f */
	{ NULL, NULL },				/* g */
	{ bare_word_params, slab_params },	/* h */
	{ bare_choice_params, bare_word_params },	/* i: the first bare one counts */
};

#define NR_SETUPS	(sizeof(setups) / sizeof(setups[0]))

/* struct way - how a door hands a command on */
static const struct way {
	char letter;
	bool has_verb, preset;
} ways[] = {
	{ 'v', true, false },	/* <family>/run */
	{ '-', false, false },	/* pools/create */
	{ 'p', false, true },	/* pools/<name>/alloc */
	{ 'b', true, true },
};

#define NR_WAYS	(sizeof(ways) / sizeof(ways[0]))

/* What was parsed, with room behind the reason that must stay as it is. */
struct outcome {
	int err;
	struct lab_command cmd;
	struct lab_args args;
	char reason[LAB_REASON_SIZE + 16];
};

#define UNTOUCHED	0x5a

static void broken(const char *what, const struct outcome *outcome)
{
	fprintf(stderr, "broken: %s (error %d, reason '%.*s')\n", what,
		outcome->err, LAB_REASON_SIZE, outcome->reason);
	abort();
}

#define must(outcome, what)				\
	do {						\
		if (!(what))				\
			broken(#what, outcome);		\
	} while (0)

/*
 * The text lies in just as much memory as it needs, and one that is too long in
 * none, so that the sanitizer sees a look at a byte beyond.
 */
static void parse(const struct setup *setup, const struct way *way,
		  const char *text, size_t len, struct outcome *outcome)
{
	char *exact = malloc(len > LAB_COMMAND_MAX ? 0 : len);

	if (len && len <= LAB_COMMAND_MAX)
		memcpy(exact, text, len);
	memset(outcome, UNTOUCHED, sizeof(*outcome));
	outcome->err = command_split(&outcome->cmd, exact, len, way->has_verb,
				     outcome->reason);
	/* The command has a copy. */
	free(exact);
	if (!outcome->err && way->preset)
		outcome->err = command_preset(&outcome->cmd, PRESET_KEY,
					      PRESET_VALUE, outcome->reason);
	if (!outcome->err)
		outcome->err = command_bind(&outcome->cmd, setup->params,
					    setup->more, &outcome->args,
					    outcome->reason);
}

/* A reason where there is an error and only there, one line, in its room. */
static void check_reason(const struct outcome *o)
{
	size_t len, i;

	must(o, !o->err || o->err == -EINVAL || o->err == -ERANGE);
	for (i = o->err ? LAB_REASON_SIZE : 0; i < sizeof(o->reason); i++)
		must(o, o->reason[i] == UNTOUCHED);
	if (!o->err)
		return;
	len = strnlen(o->reason, LAB_REASON_SIZE);
	must(o, len && len < LAB_REASON_SIZE);
	for (i = 0; i < len; i++)
		must(o, o->reason[i] >= ' ' && o->reason[i] <= '~');
}

/*
 * What a text says by the C library's reading.  False where it is no number that
 * fits.
 */
static bool number_of(const char *text, u64 *value)
{
	static const char suffixes[] = "KMG";
	const char *digits = text + (*text == '-'), *suffix;
	int base = !strncasecmp(digits, "0x", 2) ? 16 : 10;
	int shift;
	char *end;

	errno = 0;
	*value = strtoull(text, &end, base);
	if (errno || (*text == '-' && *value))
		return false;
	if (!*end)
		return true;
	suffix = strchr(suffixes, *end & ~0x20);
	if (!suffix || end[1])
		return false;
	shift = 10 * (suffix - suffixes + 1);
	if (*value > ~0ULL >> shift)
		return false;
	*value <<= shift;
	return true;
}

/* The text that the command gives for the i-th parameter, or NULL. */
static const char *given_for(const struct outcome *o, const char *name,
			     bool bare)
{
	const char *found = NULL;
	unsigned int i;

	for (i = 0; i < o->cmd.nr_args; i++) {
		const char *key = o->cmd.arg[i].key;

		if (key ? strcmp(key, name) : !bare)
			continue;
		must(o, !found);
		found = o->cmd.arg[i].value;
	}
	return found;
}

static void check_number(const struct outcome *o, const struct lab_param *p,
			 u64 number, const char *given)
{
	u64 said;

	if (!given) {
		must(o, number == p->def);
		return;
	}
	must(o, number >= p->min && number <= p->max);
	must(o, number_of(given, &said));
	must(o, said == number);
}

static void check_choice(const struct outcome *o, const struct lab_param *p,
			 u64 number, const char *given)
{
	u64 n;

	for (n = 0; p->choices[n]; n++)
		if (n == number)
			break;
	must(o, p->choices[n]);
	must(o, given ? !strcmp(p->choices[n], given) : number == p->def);
}

static void check_word(const struct outcome *o, const char *word,
		       const char *given)
{
	static const char legal[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t len = strnlen(word, LAB_WORD_MAX + 1);

	must(o, len <= LAB_WORD_MAX);
	must(o, strspn(word, legal) == len);
	must(o, !strcmp(word, given ?: ""));
	must(o, !given || len);
}

/* Each value is what was given and legal, or else the default. */
static void check_args(const struct outcome *o)
{
	const struct lab_args *args = &o->args;
	const struct lab_param *p;
	unsigned int nr_given = 0;
	bool bare_seen = false;
	int i;

	for (i = 0; (p = param_at(args, i)); i++) {
		bool bare = p->bare && !bare_seen;
		const char *given = given_for(o, p->name, bare);

		bare_seen |= p->bare;
		nr_given += !!given;
		must(o, given || !p->required);
		if (p->type == LAB_WORD)
			check_word(o, args->word[i], given);
		else if (p->type == LAB_CHOICE)
			check_choice(o, p, args->number[i], given);
		else
			check_number(o, p, args->number[i], given);
		must(o, args_number(args, p->name) == args->number[i]);
		must(o, args_word(args, p->name) == args->word[i]);
	}
	/* All that was given went somewhere. */
	must(o, nr_given == o->cmd.nr_args);
	must(o, !args_number(args, "no_such") && !*args_word(args, "no_such"));
}

/* Out of range is said of numbers that are, and of nothing else. */
static void check_refused(const struct outcome *o, const struct setup *setup)
{
	struct lab_args tables = { .params = { setup->params, setup->more } };
	const struct lab_param *p;
	unsigned int n;
	u64 said;
	int i;

	if (o->err != -ERANGE)
		return;
	for (n = 0; n < o->cmd.nr_args; n++) {
		i = param_index(&tables, o->cmd.arg[n].key);
		p = i < 0 ? NULL : param_at(&tables, i);
		if (!p || p->type != LAB_NUMBER)
			continue;
		if (!number_of(o->cmd.arg[n].value, &said) || said < p->min ||
		    said > p->max)
			return;
	}
	broken("there is a number out of its range", o);
}

/* Printed in full and parsed again, it is the same command. */
static void check_again(const struct setup *setup, const struct way *way,
			const struct outcome *o)
{
	const struct way whole = { .has_verb = way->has_verb };
	static struct outcome again;
	const struct lab_param *p;
	char text[LAB_COMMAND_MAX + 1];
	size_t len = 0;
	int i;

	if (way->has_verb && strlen(o->cmd.verb) > LAB_COMMAND_MAX / 2)
		return;
	if (way->has_verb)
		len = sprintf(text, "%s", o->cmd.verb);
	for (i = 0; (p = param_at(&o->args, i)); i++) {
		const char *separator = len ? " " : "";

		if (p->type == LAB_NUMBER)
			len += sprintf(text + len, "%s%s=%llu", separator,
				       p->name, o->args.number[i]);
		else if (p->type == LAB_CHOICE)
			len += sprintf(text + len, "%s%s=%s", separator,
				       p->name, p->choices[o->args.number[i]]);
		else if (o->args.word[i][0])
			len += sprintf(text + len, "%s%s=%s", separator,
				       p->name, o->args.word[i]);
	}
	parse(setup, &whole, text, len, &again);
	must(&again, !again.err);
	must(&again, !memcmp(&again.args, &o->args, sizeof(o->args)));
	must(&again, !way->has_verb || !strcmp(again.cmd.verb, o->cmd.verb));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct outcome first, second;
	const struct setup *setup;
	const struct way *way;
	size_t i;

	if (size < 3)
		return 0;
	setup = &setups[(uint8_t)(data[0] - 'a') % NR_SETUPS];
	way = &ways[data[1] % NR_WAYS];
	for (i = 0; i < NR_WAYS; i++)
		if (ways[i].letter == data[1])
			way = &ways[i];
	data += 3;
	size -= 3;

	parse(setup, way, (const char *)data, size, &first);
	check_reason(&first);
	if (size > LAB_COMMAND_MAX)
		must(&first, first.err == -EINVAL);
	if (first.err) {
		check_refused(&first, setup);
	} else {
		check_args(&first);
		check_again(setup, way, &first);
	}

	parse(setup, way, (const char *)data, size, &second);
	must(&second, second.err == first.err);
	must(&second, !memcmp(second.reason, first.reason,
			      strnlen(first.reason, LAB_REASON_SIZE)));
	must(&second, first.err || !memcmp(&second.args, &first.args,
					   sizeof(first.args)));
	return 0;
}

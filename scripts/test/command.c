// SPDX-License-Identifier: GPL-2.0
/*
 * The parser in user space: every way in which a command can be right or wrong.
 * Prints TAP.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/command.c"

static const char *const words[] = { "lifo", "fifo", NULL };

static const struct lab_param params[] = {
	{ .name = "count", .type = LAB_NUMBER, .required = true, .bare = true,
	  .min = 1, .max = 1000 },
	{ .name = "size", .type = LAB_NUMBER, .min = 0, .max = ~0ULL,
	  .def = 64 },
	{ .name = "order", .type = LAB_CHOICE, .choices = words, .def = 1 },
	{}
};

static const struct lab_param more[] = {
	{ .name = "name", .type = LAB_WORD },
	{}
};

static int nr, failed;

static void is(int good, const char *name)
{
	printf("%s %d command.%s\n", good ? "ok" : "not ok", ++nr, name);
	failed |= !good;
}

static int parse(const char *text, size_t len, struct lab_args *args)
{
	static struct lab_command cmd;
	char reason[LAB_REASON_SIZE] = "";
	int err;

	err = command_split(&cmd, text, len, true, reason);
	if (!err)
		err = command_bind(&cmd, params, more, args, reason);
	/* A refusal always has a reason, and only a refusal has one. */
	if (!err == !!reason[0]) {
		printf("# '%.60s': %d with reason '%s'\n", text, err, reason);
		return 1;
	}
	return err;
}

static const struct {
	const char *text;
	int err;
	u64 count, size, order;
	const char *name;
} cases[] = {
	{ "go count=1", 0, 1, 64, 1, "" },
	{ "go 1", 0, 1, 64, 1, "" },
	{ "go 1\n", 0, 1, 64, 1, "" },
	{ "\tgo  count=1\t size=2 ", 0, 1, 2, 1, "" },
	{ "go size=0x10 order=lifo 1000 name=a-B_9", 0, 1000, 16, 0, "a-B_9" },
	{ "go 1 size=1K", 0, 1, 1024, 1, "" },
	{ "go 1 size=0x2m", 0, 1, 2 << 20, 1, "" },
	{ "go 1 size=3G", 0, 1, 3ULL << 30, 1, "" },
	{ "go 1 size=18446744073709551615", 0, 1, ~0ULL, 1, "" },
	{ "go 1 size=0xffffffffffffffff", 0, 1, ~0ULL, 1, "" },
	{ "go 1 size=000000000000000000000000000001", 0, 1, 1, 1, "" },
	{ "go 1 size=-0", 0, 1, 0, 1, "" },
	{ "go 1 name=abcdefghijklmnopqrstuvwxyz01234", 0, 1, 64, 1,
	  "abcdefghijklmnopqrstuvwxyz01234" },
	{ "", -EINVAL },
	{ "\n", -EINVAL },
	{ "go", -EINVAL },
	{ "go 1\n\n", -EINVAL },
	{ "go count=1 count=1", -EINVAL },
	{ "go 1 1", -EINVAL },
	{ "go 1 nothing=1", -EINVAL },
	{ "go 1 coun=1", -EINVAL },
	{ "go 1 =1", -EINVAL },
	{ "go 1 =", -EINVAL },
	{ "go 1 size=", -EINVAL },
	{ "go 1 size=0x", -EINVAL },
	{ "go 1 size=0xg", -EINVAL },
	{ "go 1 size=1KK", -EINVAL },
	{ "go 1 size=1k1", -EINVAL },
	{ "go 1 size=a", -EINVAL },
	{ "go 1 size= 1", -EINVAL },
	{ "go 1 order=", -EINVAL },
	{ "go 1 order=LIFO", -EINVAL },
	{ "go 1 order=lif", -EINVAL },
	{ "go 1 order=0", -EINVAL },
	{ "go 1 name=", -EINVAL },
	{ "go 1 name=a/b", -EINVAL },
	{ "go 1 name=a.b", -EINVAL },
	{ "go 1 name=a=b", -EINVAL },
	{ "go 1 name=abcdefghijklmnopqrstuvwxyz012345", -EINVAL },
	{ "go 1 \x01", -EINVAL },
	{ "go 1 \x7f", -EINVAL },
	{ "go 1 \xc3\xa4", -EINVAL },
	{ "go 1 a b c d e f g h i j k l", -EINVAL },
	{ "go 0", -ERANGE },
	{ "go 1001", -ERANGE },
	{ "go -1", -ERANGE },
	{ "go 1 size=-1", -ERANGE },
	{ "go 1 size=18446744073709551616", -ERANGE },
	{ "go 1 size=0x10000000000000000", -ERANGE },
	{ "go 1 size=99999999999999999999999999", -ERANGE },
	{ "go 1 size=17179869184G", -ERANGE },
	{ "go 1 size=18014398509481984K", -ERANGE },
};

static void test_cases(void)
{
	int wrong_accepted = 0, wrong_refused = 0;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lab_args args;
		int err, good;

		/* It may come with anything in it. */
		memset(&args, 0xa5, sizeof(args));
		err = parse(cases[i].text, strlen(cases[i].text), &args);
		good = err == cases[i].err;
		if (good && !err)
			good = args_number(&args, "count") == cases[i].count &&
			       args_number(&args, "size") == cases[i].size &&
			       args_number(&args, "order") == cases[i].order &&
			       !strcmp(args_word(&args, "name"), cases[i].name);
		if (good)
			continue;
		printf("# '%s' gave %d\n", cases[i].text, err);
		if (cases[i].err)
			wrong_refused++;
		else
			wrong_accepted++;
	}
	is(!wrong_accepted, "accepts");
	is(!wrong_refused, "refuses");
}

/* Every prefix of a good command, and every byte at every place in it. */
static void test_every_byte(void)
{
	static const char good[] = "go count=10 size=0x10 order=fifo name=abc";
	char text[sizeof(good)];
	struct lab_args args;
	int byte, wrong = 0;
	size_t i;

	for (i = 0; i < sizeof(good) - 1; i++) {
		int err = parse(good, i, &args);

		wrong += err && err != -EINVAL && err != -ERANGE;
		for (byte = 0; byte < 256; byte++) {
			memcpy(text, good, sizeof(good));
			text[i] = byte;
			err = parse(text, sizeof(good) - 1, &args);
			wrong += err && err != -EINVAL && err != -ERANGE;
			if ((byte < ' ' || byte > '~') && byte != '\t')
				wrong += err != -EINVAL && i + 2 < sizeof(good);
		}
	}
	is(!wrong, "every_byte");
}

static void test_length(void)
{
	char text[LAB_COMMAND_MAX + 1];
	struct lab_args args;

	memset(text, ' ', sizeof(text));
	memcpy(text, "go 1", 4);
	is(parse(text, LAB_COMMAND_MAX, &args) == 0, "longest");
	is(parse(text, LAB_COMMAND_MAX + 1, &args) == -EINVAL, "too_long");
	/* The text of a command that is too long is not looked at. */
	is(parse(NULL, 1 << 20, &args) == -EINVAL, "far_too_long");
}

static void test_no_verb(void)
{
	char reason[LAB_REASON_SIZE];
	static struct lab_command cmd;
	struct lab_args args;
	int good;

	good = !command_split(&cmd, "7", 1, false, reason) &&
	       !command_preset(&cmd, "name", "x", reason) &&
	       !command_bind(&cmd, params, more, &args, reason) &&
	       args_number(&args, "count") == 7 &&
	       !strcmp(args_word(&args, "name"), "x");
	is(good, "preset");
	good = !command_split(&cmd, "7 name=y", 8, false, reason) &&
	       !strcmp(command_value(&cmd, "name"), "y") &&
	       !command_value(&cmd, "order") &&
	       !command_preset(&cmd, "name", "x", reason) &&
	       command_bind(&cmd, params, more, &args, reason) == -EINVAL;
	is(good, "preset_twice");
	is(!command_split(&cmd, "", 0, false, reason) && !cmd.nr_args,
	   "no_words");
}

int main(void)
{
	printf("TAP version 13\n1..9\n");
	test_cases();
	test_every_byte();
	test_length();
	test_no_verb();
	return failed;
}

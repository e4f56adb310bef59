/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the lab can run, as its own files say: its commands with their parameters,
 * its allocators with theirs, and which files there are.
 */
#ifndef GRAMMAR_H
#define GRAMMAR_H

#include "kmemlab.h"

#include <dirent.h>

#define PARAMS_MAX	12
#define CHOICES_MAX	8
#define VERBS_MAX	200
#define ALLOCATORS_MAX	32

enum param_type { NUMBER, CHOICE, WORD };

struct param {
	char name[32];
	enum param_type type;
	unsigned long long min, max, def;
	char choice[CHOICES_MAX][32];
	int nr_choices;
	bool required;
};

struct verb {
	char family[32], name[32];
	struct param param[PARAMS_MAX];
	int nr_params;
	bool takes_allocator;
};

struct allocator {
	char name[32];
	struct param param[PARAMS_MAX];
	int nr_params;
};

static struct verb verbs[VERBS_MAX];
static int nr_verbs;
static struct allocator allocators[ALLOCATORS_MAX];
static int nr_allocators;

static inline bool is_pool_verb(const struct verb *verb)
{
	return !strcmp(verb->family, "pool");
}

/* "    size=1..8192  of an object, in bytes [64]"; without a default: required. */
static inline bool parse_param(const char *line, struct param *param)
{
	char values[128], *word, *rest = values;

	memset(param, 0, sizeof(*param));
	/* Longer values would be cut. */
	if (sscanf(line, " %31[^=]=%127s", param->name, values) != 2 ||
	    strlen(values) == sizeof(values) - 1)
		return false;
	param->required = !strstr(line, "]\n");
	if (sscanf(values, "%llu..%llu", &param->min, &param->max) == 2) {
		if (!param->required)
			param->def = strtoull(strrchr(line, '[') + 1, NULL, 0);
		return true;
	}
	if (!strcmp(values, "NAME") || !strcmp(values, "TEXT")) {
		param->type = WORD;
		/* If there is a default it is none, and no number. */
		return param->required || strstr(line, "[]\n");
	}
	param->type = CHOICE;
	while ((word = strsep(&rest, "|"))) {
		if (param->nr_choices == CHOICES_MAX)
			return false;
		snprintf(param->choice[param->nr_choices++], 32, "%s", word);
	}
	return true;
}

static inline struct allocator *get_allocator(const char *name)
{
	int i;

	for (i = 0; i < nr_allocators; i++)
		if (!strcmp(allocators[i].name, name))
			return &allocators[i];
	if (nr_allocators == ALLOCATORS_MAX)
		ksft_exit_fail_msg("more than %d allocators\n", ALLOCATORS_MAX);
	strcpy(allocators[nr_allocators].name, name);
	return &allocators[nr_allocators++];
}

static inline void add_param(struct param *list, int *nr, const char *line)
{
	if (*nr == PARAMS_MAX || !parse_param(line, &list[*nr]))
		ksft_exit_fail_msg("not understood: %s", line);
	++*nr;
}

/* What a family can run, as its file says. */
static inline void read_grammar(const char *family, const char *path)
{
	struct allocator *allocator = NULL;
	struct verb *verb = NULL;
	char line[512], name[32];
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof(line), file)) {
		if (line[0] != ' ') {
			if (nr_verbs == VERBS_MAX)
				ksft_exit_fail_msg("more than %d verbs\n",
						   VERBS_MAX);
			verb = &verbs[nr_verbs++];
			allocator = NULL;
			snprintf(verb->family, sizeof(verb->family), "%s",
				 family);
			sscanf(line, "%31s", verb->name);
		} else if (sscanf(line, "  allocator=%31s", name) == 1 &&
			   line[2] != ' ') {
			verb->takes_allocator = true;
			allocator = get_allocator(name);
			allocator->nr_params = 0;
		} else if (allocator) {
			add_param(allocator->param, &allocator->nr_params, line);
		} else {
			add_param(verb->param, &verb->nr_params, line);
		}
	}
	if (file)
		fclose(file);
}

/* What an allocator cannot be asked for without: its size. */
static inline const char *required_of(const struct allocator *allocator)
{
	static char text[256];
	size_t len = 0;
	int i;

	text[0] = '\0';
	for (i = 0; i < allocator->nr_params; i++)
		if (allocator->param[i].required)
			len += snprintf(text + len, sizeof(text) - len,
					" %s=%llu", allocator->param[i].name,
					strcmp(allocator->param[i].name, "size") ?
					allocator->param[i].min : 256ULL);
	return text;
}

/*
 * Less than the default, where that takes seconds on a debugged kernel; NULL where it
 * does not.  The default is what interface.listing runs.
 */
static inline const char *less_of(const struct verb *verb, const struct param *param)
{
	static const struct {
		const char *family, *name, *param, *value;
	} less[] = {
		{ "kmalloc", "loop", "rounds", "100" },
		{ "kmalloc", "classes", "limit", "1024" },
		{ "kmalloc", "types", "count", "100" },
		{ "memcg", "charge", "bytes", "65536" },
		{ "percpu", "counter", "rounds", "100" },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(less); i++)
		if (!strcmp(verb->family, less[i].family) &&
		    !strcmp(verb->name, less[i].name) &&
		    !strcmp(param->name, less[i].param))
			return less[i].value;
	return NULL;
}

static inline const char *base_of(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* Whose commands a file takes: a family's its run, a pool's all others. */
static inline const char *family_of(const char *path)
{
	static char dir[128];

	if (strcmp(base_of(path), "run"))
		return "pool";
	snprintf(dir, sizeof(dir), "%s", path);
	*strrchr(dir, '/') = '\0';
	return base_of(dir);
}

/* Learns what can be run, from a file of debugfs that says it. */
static inline void learn_commands(const char *path)
{
	if (!strcmp(base_of(path), "run") || !strcmp(base_of(path), "create"))
		read_grammar(family_of(path), path);
}

static inline int no_dots(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Calls @fn for each file below, in an order that is always the same. */
static inline void walk(const char *dir, void (*fn)(const char *path))
{
	struct dirent **list;
	int i, n = scandir(dir, &list, no_dots, alphasort);
	char path[512];
	struct stat st;

	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name);
		if (!stat(path, &st) && S_ISDIR(st.st_mode))
			walk(path, fn);
		else
			fn(path);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

/* Learns all that can be run, anew. */
static inline void learn_all(void)
{
	nr_verbs = 0;
	walk(LAB, learn_commands);
}

#endif

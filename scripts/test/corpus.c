// SPDX-License-Identifier: GPL-2.0
/*
 * Every input that the parser's fuzzer was once given or has found is given to the
 * parser again, each in a process of its own.  Prints TAP.
 */
#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../fuzz/command.c"

#define CORPUS		"scripts/fuzz/corpus"
#define INPUT_MAX	(1 << 16)

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static bool replay(const char *name)
{
	static uint8_t input[INPUT_MAX];
	char path[512];
	size_t size;
	FILE *file;

	snprintf(path, sizeof(path), CORPUS "/%s", name);
	file = fopen(path, "r");
	if (!file)
		return false;
	size = fread(input, 1, sizeof(input), file);
	fclose(file);
	return !LLVMFuzzerTestOneInput(input, size);
}

int main(void)
{
	struct dirent **list;
	int nr = scandir(CORPUS, &list, is_input, alphasort);
	int i, status, failed = 0;

	if (nr <= 0) {
		printf("Bail out! " CORPUS " has no inputs\n");
		return 1;
	}
	printf("TAP version 13\n1..%d\n", nr);
	for (i = 0; i < nr; i++) {
		fflush(stdout);
		if (!fork())
			_exit(!replay(list[i]->d_name));
		if (wait(&status) < 0 || status)
			printf("not "), failed++;
		printf("ok %d corpus.%s\n", i + 1, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	return !!failed;
}

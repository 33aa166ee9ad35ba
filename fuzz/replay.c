/*
 * replay.c: runs a harness over files and folders, without a fuzzer.
 *
 *   fuzz-X PATH...    each file is an input; a folder stands for the files in it and below
 *
 * Every input is run twice and ends at an unreadable page, so that state kept between runs and an
 * over-read of one byte show in any build.  Names are printed before they run: the last one is the
 * one that failed.  An empty input is always run, and so counts even without a corpus.
 */
#include "fuzz.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>

#include "guard.h"

#define REPLAY_SIZE_MAX ((size_t)1 << 20)

static unsigned int n_inputs;

static void replay_bytes(const uint8_t *bytes, size_t size)
{
	for (int round = 0; round < 2; round++) {
		struct guard guard = { 0 };
		int result = 0;

		guard_init_copy(&guard, bytes, size);
		guard_protect(&guard);
		result = LLVMFuzzerTestOneInput(guard.bytes, guard.size);
		guard_deinit(&guard);
		if (result != 0) {
			printf("not ok - the harness returned %d\n", result);
			exit(1);
		}
	}
	n_inputs++;
}

static void replay_file(const char *path)
{
	static uint8_t buffer[REPLAY_SIZE_MAX];
	FILE *file = NULL;
	size_t size = 0;

	printf("# %s\n", path);
	(void)fflush(stdout); /* to a pipe; a lost line is only a less helpful log */
	file = fopen(path, "rb");
	if (file == NULL) {
		perror(path);
		exit(1);
	}
	size = fread(buffer, 1, sizeof(buffer), file);
	(void)fclose(file); /* was only read */
	replay_bytes(buffer, size);
}

static int compare_names(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void replay_tree(char *path)
{
	char *paths[] = { path, NULL };
	FTS *tree = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, compare_names);
	FTSENT *entry = NULL;

	if (tree == NULL) {
		perror(path);
		exit(1);
	}
	while ((entry = fts_read(tree)) != NULL) {
		if (entry->fts_info == FTS_F && strcmp(entry->fts_name, "README.md") != 0)
			replay_file(entry->fts_accpath);
		if (entry->fts_info == FTS_ERR || entry->fts_info == FTS_DNR ||
		    (entry->fts_info == FTS_NS && entry->fts_errno != ENOENT)) {
			printf("not ok - %s: %s\n", entry->fts_path, strerror(entry->fts_errno));
			exit(1);
		}
	}
	(void)fts_close(tree); /* nothing was written */
}

int main(int argc, char **argv)
{
	replay_bytes((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++)
		replay_tree(argv[i]);
	printf("ok 1 - %s: %u inputs, each twice\n1..1\n", argv[0], n_inputs);
	return 0;
}

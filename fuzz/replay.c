/*
 * replay.c: runs a harness over files and folders, without a fuzzer.
 *
 *   fuzz-X PATH...              each file is an input; a folder stands for the files in it and below
 *   fuzz-X --tell FILE          once, step by step, in words
 *   fuzz-X --minimise OUT FILE  makes an input that fails shorter, as long as it fails in that way
 *   fuzz-X --to-c FILE          a test in C with the input in it
 *
 * Every input is run twice and ends at an unreadable page, so that state kept between runs and an
 * over-read of one byte show in any build.  Names are printed before they run: the last one is the
 * one that failed.  An empty input is always run, and so counts even without a corpus.
 */
#include "replay.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "guard.h"

static unsigned int n_inputs;

/* Say where an abort came from, and what the undefined behaviour was called by. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "handle_abort=1:detect_leaks=0";
}

const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
	return "print_stacktrace=1";
}

void replay_once(const uint8_t *bytes, size_t size)
{
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

static void replay_bytes(const uint8_t *bytes, size_t size)
{
	replay_once(bytes, size);
	replay_once(bytes, size);
	n_inputs++;
}

size_t replay_read(const char *path, uint8_t *buffer)
{
	FILE *file = fopen(path, "rb");
	size_t size = 0;

	if (file == NULL) {
		perror(path);
		exit(2);
	}
	size = fread(buffer, 1, REPLAY_SIZE_MAX, file);
	(void)fclose(file); /* was only read */
	return size;
}

static void replay_file(const char *path)
{
	static uint8_t buffer[REPLAY_SIZE_MAX];

	printf("# %s\n", path);
	(void)fflush(stdout); /* to a pipe; a lost line is only a less helpful log */
	replay_bytes(buffer, replay_read(path, buffer));
}

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && strcmp(entry->d_name, "README.md") != 0;
}

/* A file, or what is in a folder and below, in the order of the names. */
static void replay_tree(const char *path)
{
	struct dirent **entries = NULL;
	char below[PATH_MAX];
	int n = scandir(path, &entries, is_input, alphasort);

	if (n < 0 && errno == ENOTDIR) {
		replay_file(path);
		return;
	}
	if (n < 0) {
		printf("not ok - %s: %s\n", path, strerror(errno));
		exit(1);
	}
	for (int i = 0; i < n; i++) {
		(void)snprintf(below, sizeof(below), "%s/%s", path, entries[i]->d_name); /* no such depth */
		replay_tree(below);
		free(entries[i]);
	}
	free(entries);
}

static int replay_tell(const char *path)
{
	static uint8_t buffer[REPLAY_SIZE_MAX];
	size_t size = replay_read(path, buffer);

	fuzz_telling = true;
	fuzz_say("%s: %zu bytes", path, size);
	replay_once(buffer, size);
	fuzz_say("%s", "ends; every property held");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--tell") == 0)
		return replay_tell(argv[2]);
	if (argc == 4 && strcmp(argv[1], "--minimise") == 0)
		return minimise(argv[2], argv[3]);
	if (argc == 3 && strcmp(argv[1], "--to-c") == 0)
		return to_c(argv[0], argv[2]);
	replay_bytes((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++)
		replay_tree(argv[i]);
	printf("ok 1 - %s: %u inputs, each twice\n1..1\n", argv[0], n_inputs);
	return 0;
}

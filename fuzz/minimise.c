/*
 * minimise.c: makes a failing input smaller, and prints one as a test in C.
 *
 * Each try is a process of its own.  How a run fails is the first line that names a broken property
 * or invariant, else the summary line of a sanitizer, else the signal; a smaller input counts only
 * if it fails in the same way.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "replay.h"

#define SECONDS_MAX 10u
#define OUTPUT_MAX 65536u
#define WAY_MAX 256u

static void child(const uint8_t *bytes, size_t size, int error_fd)
{
	int null_fd = open("/dev/null", O_WRONLY);

	if (null_fd < 0 || dup2(null_fd, STDOUT_FILENO) < 0 || dup2(error_fd, STDERR_FILENO) < 0)
		_exit(3);
	(void)alarm(SECONDS_MAX);
	replay_once(bytes, size);
	_exit(0);
}

/* The line that contains one of the marks, without what differs from run to run. */
static bool way_find(const char *output, const char *mark, char *ret_way)
{
	const char *at = strstr(output, mark);
	const char *begin = at;
	size_t n;

	if (!at)
		return false;
	while (begin > output && begin[-1] != '\n')
		begin--;
	n = strcspn(begin, "\n");
	n = n < WAY_MAX - 1 ? n : WAY_MAX - 1;
	memcpy(ret_way, begin, n);
	ret_way[n] = '\0';
	return true;
}

/* Runs an input.  False: nothing is wrong. */
static bool fails(const uint8_t *bytes, size_t size, char *ret_way)
{
	static char output[OUTPUT_MAX];
	size_t used = 0;
	int ends[2], status = 0;
	ssize_t n;
	pid_t pid;

	if (pipe(ends) != 0 || (pid = fork()) < 0) {
		perror("minimise");
		exit(2);
	}
	if (pid == 0) {
		(void)close(ends[0]);
		child(bytes, size, ends[1]);
	}
	(void)close(ends[1]);
	while ((n = read(ends[0], output + used, sizeof(output) - 1 - used)) > 0)
		used += (size_t)n;
	output[used] = '\0';
	(void)close(ends[0]);
	if (waitpid(pid, &status, 0) != pid) {
		perror("waitpid");
		exit(2);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return false;
	if (way_find(output, "property broken: ", ret_way) ||
	    way_find(output, "broken invariant: ", ret_way) ||
	    way_find(output, "runtime error: ", ret_way) || way_find(output, "SUMMARY: ", ret_way))
		return true;
	(void)snprintf(ret_way, WAY_MAX, "%s %d", WIFSIGNALED(status) ? "signal" : "exit status",
		       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return true;
}

/* An input being made smaller. */
struct shrink {
	uint8_t *bytes;
	uint8_t *trial;
	size_t size;
	char way[WAY_MAX];
	uint32_t n_tries;
};

static bool shrink_try(struct shrink *shrink, size_t size)
{
	char way[WAY_MAX];

	shrink->n_tries++;
	if (!fails(shrink->trial, size, way) || strcmp(way, shrink->way) != 0)
		return false;
	memcpy(shrink->bytes, shrink->trial, size);
	shrink->size = size;
	return true;
}

/* Leaves out pieces, from half the input down to single bytes.  True if any could go. */
static bool shrink_cut(struct shrink *shrink)
{
	bool any = false;

	for (size_t piece = (shrink->size + 1) / 2; piece > 0; piece /= 2) {
		for (size_t at = 0; at < shrink->size;) {
			size_t n = piece < shrink->size - at ? piece : shrink->size - at;

			memcpy(shrink->trial, shrink->bytes, at);
			memcpy(shrink->trial + at, shrink->bytes + at + n, shrink->size - at - n);
			if (shrink_try(shrink, shrink->size - n))
				any = true;
			else
				at += n;
		}
	}
	return any;
}

/* Zero, or else the half of it, where a byte may be smaller. */
static bool shrink_bytes(struct shrink *shrink)
{
	bool any = false;

	for (size_t at = 0; at < shrink->size; at++) {
		for (uint32_t to = 0; to < shrink->bytes[at]; to = to * 2 + 1) {
			memcpy(shrink->trial, shrink->bytes, shrink->size);
			shrink->trial[at] = (uint8_t)to;
			if (shrink_try(shrink, shrink->size)) {
				any = true;
				break;
			}
		}
	}
	return any;
}

int minimise(const char *out, const char *path)
{
	static uint8_t bytes[REPLAY_SIZE_MAX], trial[REPLAY_SIZE_MAX];
	struct shrink shrink = { .bytes = bytes, .trial = trial };
	size_t before;
	FILE *file;

	before = shrink.size = replay_read(path, bytes);
	if (!fails(bytes, before, shrink.way)) {
		printf("%s: %zu bytes, does not fail\n", path, before);
		return 1;
	}
	printf("%s: %zu bytes, fails:\n  %s\n", path, before, shrink.way);
	while (shrink_cut(&shrink) || shrink_bytes(&shrink))
		;
	file = fopen(out, "wb");
	if (!file || fwrite(bytes, 1, shrink.size, file) != shrink.size || fclose(file) != 0) {
		perror(out);
		return 2;
	}
	printf("%s: %zu bytes, after %u tries\n", out, shrink.size, shrink.n_tries);
	return 0;
}

int to_c(const char *program, const char *path)
{
	static uint8_t bytes[REPLAY_SIZE_MAX];
	size_t size = replay_read(path, bytes);
	const char *unit = strrchr(program, '/') ? strrchr(program, '/') + 1 : program;
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;

	printf("/* An input of %s: %s. */\n#include \"test.h\"\n\n#include \"fuzz.h\"\n\n", unit, base);
	printf("static const uint8_t input[] = {");
	for (size_t i = 0; i < size; i++)
		printf("%s0x%02x,", i % 12 == 0 ? "\n\t" : " ", bytes[i]);
	printf("%s\n};\n\nstatic void every_property_holds(void **state)\n{\n\t(void)state;\n",
	       size == 0 ? "\n\t0," : "");
	printf("\tassert_int_equal(LLVMFuzzerTestOneInput(input, %zu), 0);\n}\n\n", size);
	printf("int main(void)\n{\n\tconst struct CMUnitTest tests[] = {\n"
	       "\t\tcmocka_unit_test(every_property_holds),\n\t};\n\n"
	       "\treturn cmocka_run_group_tests(tests, NULL, NULL) != 0;\n}\n");
	return 0;
}

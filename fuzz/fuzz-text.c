/*
 * fuzz-text.c: text from outside: arguments of `usysv`, files of /proc.
 *
 * Compiles src/cli/error.c and src/daemon/process.c as they are; open, read, close, fopen and stat below serve
 * the input.  Byte 0 % 6 says what the rest is:
 *   0 a number for cli_number      1 a kind         2 /proc/PID/stat      3 /proc/PID/status
 *   4 /proc/PID/maps: byte 1 is the size of each read; the rest the file
 *   5 the same, whole
 * Checked: a number is in its range and means the same written anew; a list of mappings says the
 * same however it is cut into reads; a start time is the number after the last bracket.
 * Not covered: getopt's side of the arguments.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "hooks.h"

static int text_open(const char *path, int flags);
static ssize_t text_read(int fd, void *buffer, size_t size);
static int text_close(int fd);
static FILE *text_fopen(const char *path, const char *mode);
static int text_stat(const char *path, struct stat *status);
#define open text_open
#define read text_read
#define close text_close
#define fopen text_fopen
#define stat(path, status) text_stat(path, status)
#include "daemon/process.c"
#undef open
#undef read
#undef close
#undef fopen
#undef stat

/* A message a run is a thousand times slower. */
#define fprintf(...) (0)
#include "cli/error.c"
#undef fprintf

#define TEXT_MAX 4096u

static const uint8_t *text;
static size_t text_size, text_at, text_piece;

/* No time passes: every list may be read. */
uint64_t clock_monotonic_ns(void)
{
	return 0;
}

static int text_open(const char *path, int flags)
{
	(void)flags;
	FUZZ_ASSERT(strncmp(path, "/proc/", 6) == 0);
	text_at = 0;
	return 5;
}

static ssize_t text_read(int fd, void *buffer, size_t size)
{
	size_t n = text_size - text_at;

	FUZZ_ASSERT(fd == 5);
	n = n < size ? n : size;
	n = n < text_piece ? n : text_piece;
	if (n > 0)
		memcpy(buffer, text + text_at, n);
	text_at += n;
	return (ssize_t)n;
}

static int text_close(int fd)
{
	FUZZ_ASSERT(fd == 5);
	return 0;
}

static FILE *text_fopen(const char *path, const char *mode)
{
	(void)mode;
	FUZZ_ASSERT(strncmp(path, "/proc/", 6) == 0);
	return text_size > 0 ? fmemopen((void *)(uintptr_t)text, text_size, "r") : NULL;
}

/* Whose folders are, nobody may know. */
static int text_stat(const char *path, struct stat *status)
{
	(void)path;
	(void)status;
	return -1;
}

static void try_number(const char *string)
{
	char again[32];
	int64_t number = 0;
	int64_t other = 0;

	if (!cli_number(string, -1000, INT32_MAX, "x", &number))
		return;
	FUZZ_SAY("number %lld", (long long)number);
	FUZZ_ASSERT(number >= -1000 && number <= INT32_MAX);
	(void)snprintf(again, sizeof(again), "%lld", (long long)number);
	FUZZ_ASSERT(cli_number(again, -1000, INT32_MAX, "x", &other) && other == number);
	FUZZ_ASSERT(!cli_number(again, number + 1, INT32_MAX, "x", &other));
}

static void try_kind(const char *string)
{
	enum ipc_kind kind = IPC_KIND_COUNT;
	enum ipc_kind other = IPC_KIND_COUNT;

	if (!kind_parse(string, &kind)) {
		FUZZ_ASSERT(kind == IPC_KIND_COUNT);
		return;
	}
	FUZZ_SAY("kind %s", kind_to_string(kind));
	FUZZ_ASSERT(kind < IPC_KIND_COUNT && strlen(string) <= 3);
	FUZZ_ASSERT(kind_parse(kind_to_string(kind), &other) && other == kind);
}

static void try_stat(void)
{
	uint64_t start_time = 77;
	int r = process_start_time(1, &start_time);

	FUZZ_SAY("start time: %d, %llu", r, (unsigned long long)start_time);
	FUZZ_ASSERT(r == 0 || (r == -ESRCH && start_time == 77));
}

static void try_maps(void)
{
	static const struct process_file files[2] = { { .name = "shm.7", .inode = 7 },
						       { .name = "sem.0", .inode = 8 } };
	size_t piece = text_piece;
	uint32_t cut[2], whole[2];
	int r = process_count_mappings(1, files, 2, cut);
	bool below = false, again = false;

	(void)process_maps_below(1, "/dev/shm/", &below); /* as above */
	FUZZ_SAY("mappings: %d; %u and %u; %sbelow", r, cut[0], cut[1], below ? "" : "not ");
	text_piece = text_size + 1;
	FUZZ_ASSERT(process_count_mappings(1, files, 2, whole) == r);
	FUZZ_ASSERT(cut[0] == whole[0] && cut[1] == whole[1]);
	FUZZ_ASSERT(process_maps_below(1, "/dev/shm/", &again) == r && again == below);
	FUZZ_ASSERT(r == (text_size > 0 ? 0 : -ENODATA));
	text_piece = piece;
}

static void try_status(void)
{
	bool has_uid = process_has_uid(1, 1000);
	bool has_group = process_has_group(1, 1000);
	char *uids = process_status_line(1, "Uid:");

	FUZZ_SAY("uid 1000: %d, group 1000: %d", has_uid, has_group);
	FUZZ_ASSERT(has_uid == process_line_has(uids, 1000, 0));
	free(uids);
	(void)process_may_lock(1); /* either answer */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { .bytes = data, .size = size };
	uint8_t code = fuzz_u8(&input) % 6;
	char string[TEXT_MAX + 1];

	hooks_reset();
	text_piece = code == 4 ? fuzz_u8(&input) + 1u : TEXT_MAX;
	text_size = fuzz_bytes(&input, TEXT_MAX, &text);
	if (text_size > 0)
		memcpy(string, text, text_size);
	string[text_size] = '\0';
	if (code == 0)
		try_number(string);
	else if (code == 1)
		try_kind(string);
	else if (code == 2)
		try_stat();
	else if (code == 3)
		try_status();
	else
		try_maps();
	return 0;
}

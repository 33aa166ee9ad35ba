/* process.c: reading /proc/PID. */
#include "daemon/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base.h"
#include "sys/clock.h"

/* /proc/PID/stat ends long before; its start time is field 22. */
#define PROCESS_STAT_MAX 1024u
#define PROCESS_STAT_START_TIME 22u

/* The number of that capability. */
#define PROCESS_CAP_IPC_LOCK 14u

/* Longest line of /proc/PID/maps that matters; a longer path is not in a namespace we serve. */
#define PROCESS_MAPS_LINE_MAX 8192u

/*
 * Lists of mappings as long as this are read whenever they are wanted.  What is longer, of all processes of
 * one user, is read as far as so many bytes a second: a list has as many lines as its process likes, and
 * whose lists are read is said by ledgers.
 */
#define PROCESS_SHORT_MAX (UINT64_C(128) << 10)
#define PROCESS_LONG_MAX (UINT64_C(24) << 20)
#define PROCESS_LONG_NS 1000000000u

/* Users told apart here; others share. */
#define PROCESS_USERS 64u

static struct process_looks {
	uint64_t n_bytes; /* of long lists ... */
	uint64_t since_ns; /* ... since then */
} process_looks[PROCESS_USERS];

/*
 * What long lists said when they were last read to their end.  Who is asked about through its list makes no
 * calls, and so has the same as then.
 */
#define PROCESS_KNOWN 256u

static struct process_known {
	uint32_t pid;
	uint32_t count;
	uint64_t start_time;
	uint64_t inode;
} process_known[PROCESS_KNOWN];

static int process_open(uint32_t pid, const char *what)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/%s", pid, what);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

/* First part of the file as a string: it is one record, so one read has all of it that there is room for. */
static int process_read(uint32_t pid, const char *what, char *text, size_t text_size)
{
	int fd = process_open(pid, what);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, text, text_size - 1);
	text[n > 0 ? n : 0] = 0;
	(void)close(fd); /* only read */
	return n > 0 ? 0 : -ESRCH;
}

int process_start_time(uint32_t pid, uint64_t *ret_start_time)
{
	char text[PROCESS_STAT_MAX];
	const char *at;
	int r = process_read(pid, "stat", text, sizeof(text));

	if (r < 0)
		return r;
	/* Field 2 is the name in brackets, and may itself hold brackets and blanks. */
	at = strrchr(text, ')');
	for (unsigned field = 2; at && field < PROCESS_STAT_START_TIME; field++) {
		at = strchr(at, ' ');
		if (at)
			at++;
	}
	if (!at || *at < '0' || *at > '9')
		return -ESRCH;
	*ret_start_time = strtoull(at, NULL, 10);
	return 0;
}

/* The line of /proc/PID/status that begins so, without that: to be freed.  NULL: there is none. */
static char *process_status_line(uint32_t pid, const char *begin)
{
	size_t n = strlen(begin);
	size_t size = 0;
	char *line = NULL;
	char path[64];
	bool found = false;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/status", pid);
	file = fopen(path, "re");
	while (file && !found && getline(&line, &size, file) > 0)
		found = strncmp(line, begin, n) == 0;
	if (file)
		(void)fclose(file); /* only read */
	if (found)
		memmove(line, line + n, strlen(line + n) + 1);
	else
		free(line);
	return found ? line : NULL;
}

/* True if the number is in the line, its first `skip` ones apart.  NULL: there is no line. */
static bool process_line_has(const char *line, uint32_t number, uint32_t skip)
{
	char *end;

	for (const char *at = line; at; at = end) {
		unsigned long value = strtoul(at, &end, 10);

		if (end == at)
			return false;
		if (skip == 0 && value == number)
			return true;
		skip -= skip > 0;
	}
	return false;
}

bool process_has_uid(uint32_t pid, uint32_t uid)
{
	struct stat folder;
	char path[64];
	char *uids;
	bool has;

	/* Its effective uid, which is nearly always the one; root's if it may not be looked into. */
	(void)snprintf(path, sizeof(path), "/proc/%" PRIu32, pid);
	if (uid != 0 && stat(path, &folder) == 0 && folder.st_uid == uid)
		return true;
	uids = process_status_line(pid, "Uid:");
	has = process_line_has(uids, uid, 0);
	free(uids);
	return has;
}

bool process_has_group(uint32_t pid, uint32_t gid)
{
	char *own = process_status_line(pid, "Gid:");
	char *further = process_status_line(pid, "Groups:");
	bool has = process_line_has(own, gid, 3) || process_line_has(further, gid, 0);

	free(own);
	free(further);
	return has;
}

bool process_may_lock(uint32_t pid)
{
	char *line = process_status_line(pid, "CapEff:");
	uint64_t capabilities = line ? strtoull(line, NULL, 16) : 0;
	struct stat its;
	struct stat ours;
	char path[64];

	free(line);
	/* In a user namespace of one's own one has all of them. */
	(void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/ns/user", pid);
	return (capabilities >> PROCESS_CAP_IPC_LOCK & 1) != 0 && stat(path, &its) == 0 &&
	       stat("/proc/self/ns/user", &ours) == 0 && its.st_ino == ours.st_ino &&
	       its.st_dev == ours.st_dev;
}

/* True if path's last part is name, also with the mark of a removed file. */
static bool process_path_ends(const char *path, const char *name)
{
	const char *last = strrchr(path, '/');
	size_t n = strlen(name);

	return last && strncmp(last + 1, name, n) == 0 &&
	       (last[1 + n] == 0 || strcmp(last + 1 + n, " (deleted)") == 0);
}

/* What is looked for in a list of mappings. */
struct process_search {
	const struct process_file *files;
	uint32_t n_files;
	uint32_t *counts;
	const char *prefix; /* or NULL */
	bool found;         /* a path with the prefix */
	bool is_long;       /* the list */
};

/* One line: FROM-TO MODE OFFSET DEVICE INODE PATH. */
static void process_search_line(const char *line, struct process_search *search)
{
	const char *at = line;
	uint64_t inode;

	for (int field = 0; at && field < 4; field++) {
		at = strchr(at, ' ');
		if (at)
			at++;
	}
	if (!at)
		return;
	inode = strtoull(at, NULL, 10);
	at = strchr(at, '/');
	if (inode == 0 || !at)
		return;
	for (uint32_t i = 0; i < search->n_files; i++) {
		if (search->files[i].inode == inode && process_path_ends(at, search->files[i].name))
			search->counts[i]++;
	}
	if (search->prefix && strncmp(at, search->prefix, strlen(search->prefix)) == 0)
		search->found = true;
}

/* Takes the whole lines out of text; returns what is left. */
static size_t process_search_lines(char *text, size_t used, struct process_search *search)
{
	char *line = text;
	char *end;

	while ((end = memchr(line, '\n', used - (size_t)(line - text)))) {
		*end = 0;
		process_search_line(line, search);
		line = end + 1;
	}
	used -= (size_t)(line - text);
	memmove(text, line, used);
	return used;
}

/* What is read of the long lists of a process's user. */
static struct process_looks *process_looks_of(uint32_t pid)
{
	struct process_looks *looks;
	struct stat folder = {0};
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%" PRIu32, pid);
	(void)stat(path, &folder); /* of a process that has gone nothing is read */
	looks = &process_looks[folder.st_uid % PROCESS_USERS];
	if (looks->n_bytes >= PROCESS_LONG_MAX &&
	    clock_monotonic_ns() - looks->since_ns >= PROCESS_LONG_NS)
		looks->n_bytes = 0;
	return looks;
}

static void process_looked(struct process_looks *looks, uint64_t n_bytes)
{
	if (n_bytes <= PROCESS_SHORT_MAX)
		return;
	if (looks->n_bytes == 0)
		looks->since_ns = clock_monotonic_ns();
	looks->n_bytes += n_bytes;
}

/* 0, -ENODATA for an empty list, -EAGAIN: too long for now, or -errno. */
static int process_search_maps(uint32_t pid, struct process_search *search)
{
	static char text[2 * PROCESS_MAPS_LINE_MAX];
	struct process_looks *looks = process_looks_of(pid);
	bool may_look = looks->n_bytes < PROCESS_LONG_MAX;
	uint64_t total = 0;
	size_t used = 0;
	ssize_t n;
	int fd = process_open(pid, "maps");

	if (fd < 0)
		return fd;
	while ((n = read(fd, text + used, sizeof(text) - used)) > 0) {
		total += (uint64_t)n;
		if (total > PROCESS_SHORT_MAX && !may_look)
			break;
		used = process_search_lines(text, used + (size_t)n, search);
		if (used == sizeof(text))
			used = 0; /* a line beyond all measure: not ours */
	}
	n = n < 0 ? -errno : n > 0 ? -EAGAIN : 0;
	(void)close(fd); /* only read */
	process_looked(looks, total);
	search->is_long = total > PROCESS_SHORT_MAX;
	if (n < 0)
		return (int)n;
	return total > 0 ? 0 : -ENODATA;
}

/* Keeps what a long list said, or says it again where the list cannot be read now. */
static int process_recall(uint32_t pid, uint64_t inode, int r, uint32_t *count)
{
	struct process_known *known = &process_known[pid % PROCESS_KNOWN];
	uint64_t start_time = 0;

	if (process_start_time(pid, &start_time) < 0)
		return r;
	if (r == 0)
		*known = (struct process_known){
			.pid = pid, .count = *count, .start_time = start_time, .inode = inode };
	if (known->pid != pid || known->start_time != start_time || known->inode != inode)
		return r;
	*count = known->count;
	return 0;
}

int process_count_mappings(uint32_t pid, const struct process_file *files, uint32_t n_files,
			   uint32_t *ret_counts)
{
	struct process_search search = {.files = files, .n_files = n_files, .counts = ret_counts};
	int r;

	for (uint32_t i = 0; i < n_files; i++)
		ret_counts[i] = 0;
	r = process_search_maps(pid, &search);
	if (n_files == 1 && search.is_long && (r == 0 || r == -EAGAIN))
		r = process_recall(pid, files->inode, r, ret_counts);
	return r;
}

int process_maps_below(uint32_t pid, const char *prefix, bool *ret_maps)
{
	struct process_search search = {.prefix = prefix};
	int r = process_search_maps(pid, &search);

	*ret_maps = search.found;
	return r;
}

/* Adds the numbers in one task's list of children. */
static int process_add_children(const char *path, uint32_t *pids, uint32_t n_max, uint32_t *n)
{
	FILE *file = fopen(path, "re");

	if (!file)
		return -errno;
	while (*n < n_max && fscanf(file, "%" SCNu32, &pids[*n]) == 1)
		++*n;
	(void)fclose(file); /* only read */
	return 0;
}

int process_children(uint32_t pid, uint32_t *ret_pids, uint32_t n_max, uint32_t *ret_n)
{
	char path[64 + NAME_MAX];
	struct dirent *entry;
	uint32_t n = 0;
	int r = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/task", pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (r == 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/task/%s/children", pid,
			       entry->d_name);
		r = process_add_children(path, ret_pids, n_max, &n);
	}
	(void)closedir(dir); /* only read */
	*ret_n = n;
	return r;
}

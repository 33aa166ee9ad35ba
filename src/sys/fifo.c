/* fifo.c: named pipes by raw calls. */
#include "sys/fifo.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "sys/status.h"
#include "sys/raw.h"

#define FIFO_SUFFIX_IN ".in"
#define FIFO_SUFFIX_OUT ".out"

/* dir/NAME.suffix must stay inside dir: letters, digits, '-' and '_', and dots not at the start. */
static bool fifo_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '-' || c == '_';
}

static int fifo_name(const char *name, const char *suffix, char ret_path[FIFO_NAME_MAX])
{
	char path[FIFO_NAME_MAX];
	size_t n = 0;

	if (name[0] == 0 || name[0] == '.')
		return -EINVAL;
	for (const char *c = name; *c; c++) {
		if (!fifo_name_char(*c) || n == sizeof(path) - 1)
			return -EINVAL;
		path[n++] = *c;
	}
	for (const char *c = suffix; *c; c++) {
		if (n == sizeof(path) - 1)
			return -EINVAL;
		path[n++] = *c;
	}
	path[n++] = 0;
	for (size_t i = 0; i < n; i++)
		ret_path[i] = path[i];
	return 0;
}

static void fifo_unlink(int dir_fd, const char *name)
{
	/* Whoever made it may have removed it already. */
	(void)raw_call3(SYS_unlinkat, dir_fd, name, 0);
}

int fifo_make(int dir_fd, const char *name, uint32_t mode)
{
	long result = raw_call4(SYS_mknodat, dir_fd, name, S_IFIFO | mode, 0);

	if (result < 0)
		return (int)result;
	result = raw_call3(SYS_fchmodat, dir_fd, name, mode);
	if (result < 0)
		fifo_unlink(dir_fd, name);
	return (int)result;
}

int fifo_open(int dir_fd, const char *name, enum fifo_side side)
{
	static const int sides[] = {
		[FIFO_READ] = O_RDONLY,
		[FIFO_WRITE] = O_WRONLY,
		[FIFO_BOTH] = O_RDWR,
	};
	int flags = sides[side] | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY;
	long fd = raw_call4(SYS_openat, dir_fd, name, flags, 0);
	struct file_status status = {0};
	int r;

	if (fd < 0)
		return (int)fd;
	r = file_status((int)fd, &status);
	if (r == 0 && !S_ISFIFO(status.mode))
		r = -ENOTSUP;
	if (r < 0) {
		(void)raw_call1(SYS_close, fd); /* nothing was written */
		return r;
	}
	return (int)fd;
}

int fifo_check(int fd, uint32_t *ret_uid, uint32_t *ret_gid)
{
	struct file_status status = {0};
	int r = file_status(fd, &status);

	if (r < 0)
		return r;
	if (!S_ISFIFO(status.mode) || status.n_links != 1 || (status.mode & 07077) != 0)
		return -EPERM;
	*ret_uid = status.uid;
	*ret_gid = status.gid;
	return 0;
}

int fifo_pair_make(int dir_fd, const char *name, struct fifo_pair *ret_pair)
{
	struct fifo_pair pair = FIFO_PAIR_NONE;
	char in_name[FIFO_NAME_MAX];
	char out_name[FIFO_NAME_MAX];
	int r = fifo_name(name, FIFO_SUFFIX_IN, in_name);

	if (r == 0)
		r = fifo_name(name, FIFO_SUFFIX_OUT, out_name);
	if (r == 0)
		r = fifo_make(dir_fd, in_name, 0600);
	if (r < 0)
		return r;
	r = fifo_make(dir_fd, out_name, 0600);
	if (r < 0) {
		fifo_unlink(dir_fd, in_name);
		return r;
	}
	r = pair.in_fd = fifo_open(dir_fd, in_name, FIFO_BOTH);
	if (r >= 0)
		r = pair.out_fd = fifo_open(dir_fd, out_name, FIFO_READ);
	if (r >= 0)
		r = fifo_check(pair.in_fd, &pair.uid, &pair.gid);
	if (r < 0) {
		fifo_pair_close(&pair);
		fifo_pair_unlink(dir_fd, name);
		return r;
	}
	*ret_pair = pair;
	return 0;
}

int fifo_pair_accept(int dir_fd, const char *name, struct fifo_pair *ret_pair)
{
	struct fifo_pair pair = FIFO_PAIR_NONE;
	char in_name[FIFO_NAME_MAX];
	char out_name[FIFO_NAME_MAX];
	uint32_t uid = 0;
	uint32_t gid = 0;
	int r = fifo_name(name, FIFO_SUFFIX_IN, in_name);

	if (r == 0)
		r = fifo_name(name, FIFO_SUFFIX_OUT, out_name);
	if (r == 0)
		r = pair.in_fd = fifo_open(dir_fd, in_name, FIFO_READ);
	if (r >= 0)
		r = pair.out_fd = fifo_open(dir_fd, out_name, FIFO_WRITE);
	if (r >= 0)
		r = fifo_check(pair.in_fd, &pair.uid, &pair.gid);
	if (r >= 0)
		r = fifo_check(pair.out_fd, &uid, &gid);
	if (r >= 0 && (uid != pair.uid || gid != pair.gid))
		r = -EPERM;
	if (r < 0) {
		fifo_pair_close(&pair);
		return r;
	}
	*ret_pair = pair;
	return 0;
}

void fifo_pair_unlink(int dir_fd, const char *name)
{
	char path[FIFO_NAME_MAX];

	if (fifo_name(name, FIFO_SUFFIX_IN, path) == 0)
		fifo_unlink(dir_fd, path);
	if (fifo_name(name, FIFO_SUFFIX_OUT, path) == 0)
		fifo_unlink(dir_fd, path);
}

void fifo_pair_close(struct fifo_pair *pair)
{
	if (pair->in_fd >= 0)
		(void)raw_call1(SYS_close, pair->in_fd); /* a pipe has nothing to flush */
	if (pair->out_fd >= 0)
		(void)raw_call1(SYS_close, pair->out_fd);
	*pair = FIFO_PAIR_NONE;
}

ptrdiff_t fifo_read(int fd, void *bytes, size_t n_bytes_max)
{
	long result;

	do {
		result = raw_call3(SYS_read, fd, bytes, n_bytes_max);
	} while (result == -EINTR);
	return result;
}

ptrdiff_t fifo_write(int fd, const void *bytes, size_t n_bytes)
{
	long result;

	do {
		result = raw_call3(SYS_write, fd, bytes, n_bytes);
	} while (result == -EINTR);
	return result;
}

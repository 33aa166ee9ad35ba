/*
 * fifo.h: named pipes, as both ends of the control plane need them.
 *
 * Raw calls only: the client's side runs beside libraries that replace mknod, chmod and stat.
 * Every descriptor is non-blocking and close-on-exec, and no name is followed if it is a link.
 * Functions return 0 (or a descriptor, or a count) or -errno.
 */
#ifndef SYS_FIFO_H
#define SYS_FIFO_H

#include <stddef.h>
#include <stdint.h>

#define FIFO_NAME_MAX 64u /* with the suffix and the closing 0 */

enum fifo_side {
	FIFO_READ,
	FIFO_WRITE,
	FIFO_BOTH, /* its own reader: a write never raises SIGPIPE, a read never meets the end */
};

/* The two ends of a connection.  From `in` the daemon reads, to `out` it writes; -1: not open. */
struct fifo_pair {
	int in_fd;
	int out_fd;
	uint32_t uid; /* owner and group of both */
	uint32_t gid;
};

#define FIFO_PAIR_NONE ((struct fifo_pair){.in_fd = -1, .out_fd = -1})

/* A FIFO with exactly this mode, whatever the umask. */
int fifo_make(int dir_fd, const char *name, uint32_t mode);

/* -ENXIO: FIFO_WRITE and nobody reads.  -ELOOP: a symbolic link.  -ENOTSUP: not a FIFO. */
int fifo_open(int dir_fd, const char *name, enum fifo_side side);

/*
 * Judges an open descriptor as proof of identity: a FIFO with one name and no group or other bits
 * can have been made by its owner (or root) alone.  -EPERM: it is not one.
 */
int fifo_check(int fd, uint32_t *ret_uid, uint32_t *ret_gid);

/*
 * The client's side: makes NAME.in and NAME.out and opens them, in before out.  Nothing is left on
 * failure.  -EEXIST: choose another name.
 */
int fifo_pair_make(int dir_fd, const char *name, struct fifo_pair *ret_pair);

/* The daemon's side: opens and judges both, of one owner and group.  The names stay. */
int fifo_pair_accept(int dir_fd, const char *name, struct fifo_pair *ret_pair);

/* Removes both names; those that are not there are no failure. */
void fifo_pair_unlink(int dir_fd, const char *name);
/* Idempotent. */
void fifo_pair_close(struct fifo_pair *pair);

/* Number of bytes; 0 from fifo_read: no writer is left.  -EAGAIN: later.  Never raises EINTR. */
ptrdiff_t fifo_read(int fd, void *bytes, size_t n_bytes_max);
/* -EPIPE: no reader is left, and SIGPIPE is raised unless ignored. */
ptrdiff_t fifo_write(int fd, const void *bytes, size_t n_bytes);

#endif

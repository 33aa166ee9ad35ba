/*
 * status.h: what an open file is, asked of the kernel itself (libfakeroot replaces fstat).
 *
 * Where libc's struct stat is the kernel's, fstat serves: it is older than every seccomp filter.
 * Elsewhere statx does, whose struct is the same on every machine.
 */
#ifndef SYS_STATUS_H
#define SYS_STATUS_H

#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>

#include "sys/raw.h"

struct file_status {
	uint64_t size; /* bytes */
	uint64_t used; /* bytes of storage behind it */
	uint64_t inode;
	uint32_t n_links;
	uint32_t mode; /* type and permission bits, as in st_mode */
	uint32_t uid;
	uint32_t gid;
};

#if defined(__LP64__) && defined(SYS_fstat)

/* 0 or -errno. */
static inline int file_status(int fd, struct file_status *ret_status)
{
	struct stat status;
	long result = raw_call2(SYS_fstat, fd, &status);

	if (result < 0)
		return (int)result;
	*ret_status = (struct file_status){
		.size = (uint64_t)status.st_size,
		.used = (uint64_t)status.st_blocks * 512u,
		.inode = status.st_ino,
		.n_links = (uint32_t)status.st_nlink,
		.mode = status.st_mode,
		.uid = status.st_uid,
		.gid = status.st_gid,
	};
	return 0;
}

#else

static inline int file_status(int fd, struct file_status *ret_status)
{
	struct statx status;
	long result = raw_call6(SYS_statx, fd, RAW_ARGUMENT(""), AT_EMPTY_PATH,
				STATX_BASIC_STATS, RAW_ARGUMENT(&status), 0);

	if (result < 0)
		return (int)result;
	*ret_status = (struct file_status){
		.size = status.stx_size,
		.used = status.stx_blocks * 512u,
		.inode = status.stx_ino,
		.n_links = status.stx_nlink,
		.mode = status.stx_mode,
		.uid = status.stx_uid,
		.gid = status.stx_gid,
	};
	return 0;
}

#endif

#endif

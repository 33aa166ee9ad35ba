/*
 * backing.c: see backing.h.
 *
 * The lock (flock) belongs to the open file, which each mapping keeps alive: through close and fork,
 * until exec, exit or kill.
 *
 *  1. A file that is not kept is closed when it has been mapped: its lock ends with its mapping.
 *  2. A file that is kept is locked exactly while this process has mappings of it, each whole; the
 *     last to go gives the lock back.
 *  3. So before a fork, and when a mapping is split or moved, the file is closed and falls under 1.
 *  4. An open file that is or was kept has a lock of another sort (SHM_KEPT_OFFSET) as long as it lives.
 *     A child that nobody knows of, made by an instruction of the program's own, may have it mapped when 2
 *     has given its lock back: by this one the daemon knows that it has to look.
 */
#include "client/backing.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "client/conn.h"
#include "client/cred.h"
#include "client/ipc.h"
#include "client/ns.h"
#include "core/registry.h"
#include "sys/clock.h"
#include "sys/raw.h"

/* Tries to take the shared lock while the daemon is just looking whether anybody has it. */
#define BACKING_LOCK_TRIES_MAX 1000u

/* Positions that no program's file has: beyond what files have, within what ext4 takes. */
#define BACKING_MARK_MIN (1L << (sizeof(long) == 8 ? 43 : 30))

/* The file that is kept. */
struct backing_kept {
	struct backing backing; /* number 0: none */
	long mark;              /* the position it has */
	uint64_t live;
	int32_t id;
	uint32_t need;
	uint32_t cred_generation;
	uint32_t n_mapped;
};

static struct backing_kept backing_kept;
static uint32_t backing_numbers;
static int32_t backing_last_id = -1; /* attached last */

/*
 * Programs close descriptors they do not know, and reuse the number.  Nobody reads the file that is
 * kept, so its position can say which it is: half of what fstat costs.
 */
static bool backing_is_ours(void)
{
	return raw_call3(SYS_lseek, backing_kept.backing.fd, 0, SEEK_CUR) == backing_kept.mark;
}

void backing_drop(void)
{
	if (backing_kept.backing.number != 0 && backing_is_ours())
		(void)raw_call1(SYS_close, backing_kept.backing.fd);
	backing_kept.backing.number = 0;
	backing_last_id = -1;
}

void backing_removed(int32_t id)
{
	if (backing_kept.id == id && backing_kept.n_mapped == 0)
		backing_drop();
}

void backing_ended(uint32_t number)
{
	if (number == 0 || number != backing_kept.backing.number || --backing_kept.n_mapped > 0)
		return;
	if (backing_is_ours())
		(void)raw_call2(SYS_flock, backing_kept.backing.fd, LOCK_UN);
	else
		backing_drop();
}

static int backing_open_file(const struct registry_object *object, uint32_t need)
{
	char path[NS_PATH_MAX];
	int mode = need & CRED_WRITE ? O_RDWR : O_RDONLY;
	int fd;

	if (!ns_segment_path(path, object))
		return -ENOMEM;
	fd = process_open(path, mode | O_NOFOLLOW | O_NONBLOCK);
	switch (fd) {
	case -ENOENT:
		return ns_missing();
	case -EPERM:
	case -EROFS:
	case -EACCES:
		return -EACCES;
	default:
		return fd < 0 ? -ENOMEM : fd;
	}
}

/* 4. */
static bool backing_mark_kept(int fd)
{
	struct flock lock = {
		.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = SHM_KEPT_OFFSET, .l_len = 1 };

	return raw_call3(SYS_fcntl, fd, F_OFD_SETLK, &lock) == 0;
}

static void backing_keep(struct backing *backing, int32_t id, uint64_t live, uint32_t need)
{
	long mark = BACKING_MARK_MIN + (long)(clock_monotonic_ns() & (uint64_t)(BACKING_MARK_MIN - 1));

	backing_drop();
	backing->fd = conn_move_high(backing->fd);
	if (raw_call3(SYS_lseek, backing->fd, mark, SEEK_SET) != mark || !backing_mark_kept(backing->fd))
		return;
	backing->number = ++backing_numbers == 0 ? ++backing_numbers : backing_numbers;
	backing_kept = (struct backing_kept){
		.backing = *backing,
		.mark = mark,
		.live = live,
		.id = id,
		.need = need,
		.cred_generation = atomic_load(&cred_generation),
	};
}

int backing_open(const struct registry_object *object, uint64_t live, uint32_t need,
		 struct backing *ret_backing)
{
	struct backing opened = {.fd = -1};
	int r;

	/* What was judged then still holds (PERM-14). */
	if (backing_kept.backing.number != 0 && backing_kept.id == object->id &&
	    backing_kept.live == live && backing_kept.need == need &&
	    backing_kept.cred_generation == atomic_load(&cred_generation) && backing_is_ours()) {
		*ret_backing = backing_kept.backing;
		return 0;
	}
	r = ipc_judge(object, need);
	if (r < 0)
		return r;
	opened.fd = backing_open_file(object, need);
	if (opened.fd < 0)
		return opened.fd;
	if (backing_last_id == object->id)
		backing_keep(&opened, object->id, live, need);
	backing_last_id = object->id;
	*ret_backing = opened;
	return 0;
}

int backing_lock(const struct backing *backing, int32_t id)
{
	struct registry_object object;
	long r = -EAGAIN;

	if (backing->number != 0 && backing_kept.n_mapped > 0)
		return 0;
	/* Refused only while the daemon holds it to destroy or to look. */
	for (uint32_t i = 0; i < BACKING_LOCK_TRIES_MAX && r == -EAGAIN; i++) {
		r = raw_call2(SYS_flock, backing->fd, LOCK_SH | LOCK_NB);
		if (r == -EAGAIN && ipc_find(IPC_KIND_SHM, id, &object) != 0)
			return -EIDRM;
		if (r == -EAGAIN)
			(void)raw_call0(SYS_sched_yield);
	}
	return r == 0 ? 0 : -ENOMEM;
}

void backing_close(const struct backing *backing, bool is_mapped)
{
	if (backing->number == 0)
		(void)raw_call1(SYS_close, backing->fd);
	else if (is_mapped)
		backing_kept.n_mapped++;
	else if (backing_kept.n_mapped == 0)
		backing_drop();
}

/*
 * procfs.h: the namespace as /proc/sysvipc and /proc/sys/kernel show the kernel's own (PFS-*),
 * for ipcs, lsipc and whoever else reads those files.
 */
#ifndef CLIENT_PROCFS_H
#define CLIENT_PROCFS_H

#include "core/msgq.h"
#include "core/registry.h"
#include "core/semset.h"

/* Longest line: every field at its widest. */
#define PROCFS_LINE_MAX 512u

enum procfs_file {
	PROCFS_NONE, /* not ours */
	PROCFS_SHM,
	PROCFS_SEM,
	PROCFS_MSG,
	PROCFS_SHMMAX,
	PROCFS_SHMALL,
	PROCFS_SHMMNI,
	PROCFS_SEM_LIMITS,
	PROCFS_MSGMAX,
	PROCFS_MSGMNB,
	PROCFS_MSGMNI,
};

/* Lines of the listings, with the newline (PFS-4..6).  line holds PROCFS_LINE_MAX; their length. */
size_t procfs_shm_line(const struct registry_object *object, uint64_t n_attached, uint64_t resident,
		       char *line);
size_t procfs_sem_line(const struct registry_object *object, const struct semset_stat *stat,
		       char *line);
size_t procfs_msg_line(const struct registry_object *object, const struct msgq_stat *stat,
		       char *line);
/* Content of one of the files of limits (PFS-9..12). */
size_t procfs_limits_line(enum procfs_file file, const struct registry_limits *limits, char *line);

/* Which of them a path names.  Any pointer may be given. */
enum procfs_file procfs_match(const char *path);

/* A descriptor of the content as of now; flags as for open.  -errno: EACCES for writing. */
int procfs_open(enum procfs_file file, int flags);

/* Whether access(2) in this mode would succeed: 0 or -errno. */
int procfs_access(enum procfs_file file, int mode);

#endif

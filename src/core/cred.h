/* cred.h: who asks, and whether an object's permissions let him (rules PERM-*). */
#ifndef CORE_CRED_H
#define CORE_CRED_H

#include <stdbool.h>
#include <stdint.h>

#define CRED_GROUPS_MAX 64u

/* Effective identity of a calling thread.  privileged: CAP_IPC_OWNER and CAP_SYS_ADMIN in one: root. */
struct cred {
	uint32_t uid;
	uint32_t gid;
	bool privileged;
	uint32_t n_groups; /* supplementary */
	uint32_t groups[CRED_GROUPS_MAX];
};

/* Owner, creator and mode of an object: ipc_perm without key and sequence. */
struct ipc_owner {
	uint32_t uid;
	uint32_t gid;
	uint32_t cuid;
	uint32_t cgid;
	uint32_t mode; /* nine permission bits, and SHM_DEST, SHM_LOCKED */
};

#define CRED_READ 4u
#define CRED_WRITE 2u
#define CRED_EXEC 1u

/* PERM-1, PERM-2: exactly one class is consulted; all needed bits must be in it. */
bool cred_may(const struct cred *cred, const struct ipc_owner *owner, uint32_t need);
/* PERM-3: the need of a *get is the union of the flags' three octal digits. */
uint32_t cred_need_of_flags(uint32_t flags);
/* PERM-7, PERM-8: IPC_SET and IPC_RMID. */
bool cred_may_control(const struct cred *cred, const struct ipc_owner *owner);

#endif

/* ipc.h: what the three kinds have in common: *get, IPC_SET, IPC_RMID, lookups by index. */
#ifndef CLIENT_IPC_H
#define CLIENT_IPC_H

#include <sys/ipc.h>

#include "core/registry.h"

/*
 * What a call that is not on a hot path begins with: the namespace is open, and a sleep of this thread
 * that it interrupts (it is made in a signal handler, or after a jump) is over.  0 or -errno.
 */
int ipc_begin(void);

/* *get (IPC-16..28): size is bytes or semaphores, 0 for queues.  The id or -errno. */
int ipc_get(enum ipc_kind kind, int32_t key, uint64_t size, uint32_t flags);

/* The object of an id.  0, -EINVAL, -EIO, -ENOSYS. */
int ipc_find(enum ipc_kind kind, int32_t id, struct registry_object *ret_object);
/* The object at the index of an id, whatever newer one that is (IPC-10). */
int ipc_find_index(enum ipc_kind kind, int32_t id, struct registry_object *ret_object);

/* 0 or -EACCES: what the caller needs of the object (CRED_*). */
int ipc_judge(const struct registry_object *object, uint32_t need);

/* IPC_SET.  qbytes counts for queues. */
int ipc_set(enum ipc_kind kind, int32_t id, const struct ipc_perm *perm, uint64_t qbytes);
int ipc_remove(enum ipc_kind kind, int32_t id);

/* ipc_perm as the program sees it. */
void ipc_fill_perm(const struct registry_object *object, struct ipc_perm *ret_perm);

/* Limits of the namespace, which is reachable. */
void ipc_limits(struct registry_limits *ret_limits);
uint32_t ipc_msgmax(void);

#endif

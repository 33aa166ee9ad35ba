/*
 * storage.h: the service's storage over real files: object files (storage.c), their content
 * (work.c), what processes hold (settle.c).
 */
#ifndef DAEMON_STORAGE_H
#define DAEMON_STORAGE_H

#include "core/mcas.h"
#include "daemon/state.h"

#define STORAGE_NAME_SIZE 24u

/* The daemon as an actor in an object's file: an identity no client is ever given. */
#define STORAGE_ACTOR UINT64_C(0xffff)

/* --- storage.c --------------------------------------------------------------------------------- */

/* Fills daemon->storage. */
void storage_init(struct daemon *daemon);
/* Every object against its file: one whose file is gone goes, too.  Before service_start. */
void storage_check(struct daemon *daemon);
/* Files whose objects are gone; after service_start. */
void storage_sweep(struct daemon *daemon);

/* The file's name in objects/. */
void storage_name(enum ipc_kind kind, int32_t id, char ret_name[STORAGE_NAME_SIZE]);
/* Opens an object's file, whatever its mode.  A descriptor or -errno. */
int storage_open(struct daemon *daemon, enum ipc_kind kind, int32_t id, int access);

/* --- work.c ------------------------------------------------------------------------------------ */

enum storage_work {
	STORAGE_RECOVER, /* after actor's end */
	STORAGE_EXECED,  /* after the end of actor's threads: it runs another image */
	STORAGE_REMOVE,  /* IPC_RMID */
	STORAGE_SET,     /* ctime; queues: qbytes */
};

struct storage_job {
	enum storage_work work;
	enum ipc_kind kind;
	const struct registry_object *object;
	struct actor actor;
	uint64_t qbytes; /* STORAGE_SET */
};

/* Does it to a set or queue and wakes whom it concerns.  False: the file cannot be worked with. */
bool storage_work(struct daemon *daemon, const struct storage_job *job);
/* Makes a queue's open file as large as object says.  0 or -errno. */
int storage_grow(int fd, const struct registry_object *object);

/* --- settle.c ---------------------------------------------------------------------------------- */

int settle_attach_sum(void *context, int32_t shmid, bool exact, struct ledger_sum *ret_sum);
bool settle_attached_alone(void *context, int32_t shmid, uint64_t client, uint64_t n_attached);
/* Lets go of the segment that nobody maps, if one is held; at the end of every step. */
void settle_release(struct daemon *daemon);
void settle_client(void *context, uint64_t client, uint32_t pid, bool dead);

#endif

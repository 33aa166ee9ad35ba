/*
 * storage.h: the service's storage over real files: object files (storage.c), their content
 * (work.c), what processes hold (settle.c).
 */
#ifndef DAEMON_STORAGE_H
#define DAEMON_STORAGE_H

#include "core/msgq.h"
#include "core/semset.h"
#include "daemon/state.h"

#define STORAGE_NAME_SIZE 24u

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
	STORAGE_STEAD,   /* a call in actor's stead */
};

struct stead_work;

struct storage_job {
	enum storage_work work;
	enum ipc_kind kind;
	const struct registry_object *object;
	struct actor actor;
	uint64_t qbytes; /* STORAGE_SET */
	struct stead_work *stead;
};

/* Does it to a set or queue and wakes whom it concerns.  False: the file cannot be worked with. */
bool storage_work(struct daemon *daemon, const struct storage_job *job);
/* Makes a queue's open file as large as object says.  0 or -errno. */
int storage_grow(int fd, const struct registry_object *object);

/* For who works on a mapped set or queue: wakes; backs what it asks for with storage, false: not now. */
void work_wake(const struct mcas *mcas, const struct wakes *wakes);
bool work_grow_set(struct semset *set, int outcome);
bool work_grow_queue(struct msgq *queue);
/* Calls step until it has nothing more to do. */
bool work_set_rounds(struct semset *set, const struct actor *actor,
		     int (*step)(struct semset *, const struct actor *, struct wakes *));
/* After a call that may have left others to wake. */
void work_settle_queue(struct msgq *queue, const struct actor *actor);

/* --- stead.c ----------------------------------------------------------------------------------- */

int stead_call(void *context, const struct service_stead *ask, struct service_stood *ret_stood);
bool stead_has_group(void *context, uint64_t client, uint32_t gid);
/* For work.c.  False: the file cannot be worked with. */
bool stead_on_set(struct semset *set, const struct actor *actor, struct stead_work *work);
bool stead_on_queue(struct msgq *queue, const struct actor *actor, struct stead_work *work);

/* --- settle.c ---------------------------------------------------------------------------------- */

int settle_attach_sum(void *context, int32_t shmid, bool exact, struct ledger_sum *ret_sum);
bool settle_attached_alone(void *context, int32_t shmid, uint64_t client, uint64_t n_attached);
/* Lets go of the segment that nobody maps, if one is held; at the end of every step. */
void settle_release(struct daemon *daemon);
/* Takes in whoever maps the file, or with inode 0 any segment, and is no client.  False: not all were seen. */
bool settle_find_orphans(struct daemon *daemon, const struct process_file *file);
void settle_client(void *context, uint64_t client, uint32_t pid, bool dead);

#endif

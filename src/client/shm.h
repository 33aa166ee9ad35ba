/* shm.h: the shared memory calls.  Each returns its value, or -errno. */
#ifndef CLIENT_SHM_H
#define CLIENT_SHM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/shm.h>

struct registry_object;

int shm_get(key_t key, size_t size, int flags);
int shm_attach(int id, const void *address, int flags, void **ret_address);
int shm_detach(const void *address);
int shm_control(int id, int command, struct shmid_ds *argument);

/* Attachments of this process. */
uint32_t shm_count(void);

/* Writes what the process has attached into a new ledger. */
void shm_note_all(void);

/* In a fork child: the entries of the ledger are the parent's. */
void shm_after_fork(void);

/*
 * At a normal exit: the ledger says that nothing is attached any more.  unmap: nor is it; the
 * kernel itself would give up the mappings only after it has closed the descriptors (EVT-15).
 */
void shm_detach_exit(bool unmap);

/* Tells the daemon to look at every removed segment that is attached here. */
void shm_tell_detached(void);

/* For listings: attachments and latest stamps, from the daemon.  0 or -errno. */
int shm_read_sum(int32_t id, struct registry_object *ret_object, uint64_t *ret_n_attached);
/* Bytes of memory behind a segment. */
uint64_t shm_read_resident(int32_t id);

#endif

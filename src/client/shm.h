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

/* For listings: attachments and latest stamps, from the daemon.  0 or -errno. */
int shm_read_sum(int32_t id, struct registry_object *ret_object, uint64_t *ret_n_attached);
/* Bytes of memory behind a segment. */
uint64_t shm_read_resident(const struct registry_object *object);

#endif

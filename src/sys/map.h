/* map.h: files as memory.  Raw calls only; returns 0 or -errno. */
#ifndef SYS_MAP_H
#define SYS_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Maps size bytes of an open file, shared.  The mapping outlives the descriptor. */
int map_file(int fd, uint64_t size, bool writable, void **ret_base);
void map_close(void *base, uint64_t size);
/*
 * Backs a range with storage now, so that a full file system is -ENOMEM here and not SIGBUS at
 * the first touch.  -EOPNOTSUPP where the kernel cannot (before 5.14): the caller goes on.
 */
int map_populate(void *base, uint64_t size);
/* Takes the storage of a range of a shared mapping away: it reads as zero, for everybody. */
int map_discard(void *base, uint64_t size);
/* Size in bytes and owner of an open file.  Pointers may be NULL. */
int map_stat(int fd, uint64_t *ret_size, uint32_t *ret_uid, uint32_t *ret_mode);

#endif

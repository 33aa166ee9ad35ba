/*
 * usysv.h: what the twelve System V calls do not say.
 *
 * A program needs none of this to run on usysv: link with -lusysv or preload the library, and
 * shmget, semop, msgsnd and the others of <sys/shm.h>, <sys/sem.h>, <sys/msg.h> are usysv's.
 */
#ifndef USYSV_H
#define USYSV_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the daemon says of itself. */
struct usysv_pong {
	uint32_t daemon_pid;
	uint32_t n_clients;
	uint32_t n_segments;
	uint32_t n_sets;
	uint32_t n_queues;
	uint32_t reserved;
	uint64_t uptime_s;
	uint64_t n_requests;
};

/* The library's version, as a string that lives for ever. */
const char *usysv_version(void);

/* The directory of the namespace this process uses, whether or not it can be reached; likewise. */
const char *usysv_namespace(void);

/* Asks the daemon.  0, or -1 with errno ENOSYS: it does not answer. */
int usysv_ping(struct usysv_pong *pong);

#ifdef __cplusplus
}
#endif

#endif

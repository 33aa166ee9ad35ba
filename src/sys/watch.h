/*
 * watch.h: which descriptors are ready (epoll), and which processes have ended (pidfd).
 *
 * For the daemon; level-triggered.  Functions return 0 (or a descriptor, or a count) or -errno.
 */
#ifndef SYS_WATCH_H
#define SYS_WATCH_H

#include <stdbool.h>
#include <stdint.h>

enum watch_interest {
	WATCH_INPUT = 1,
	WATCH_OUTPUT = 2,
};

/* One ready descriptor.  What exactly happened is learned by reading or writing it. */
struct watch_ready {
	uint64_t token;
};

struct watch {
	int epoll_fd;
};

#define WATCH_READY_MAX 64

int watch_open(struct watch *watch);
/* Idempotent. */
void watch_close(struct watch *watch);

/* token comes back in watch_ready.  Errors and hang-ups are always reported. */
int watch_add(struct watch *watch, int fd, unsigned interest, uint64_t token);
int watch_remove(struct watch *watch, int fd);
/* Up to WATCH_READY_MAX; timeout_ms < 0: for ever.  A signal is no failure: 0. */
int watch_wait(struct watch *watch, struct watch_ready *ret_list, int timeout_ms);

/* A descriptor that becomes readable when the process has ended.  -ESRCH: it is gone. */
int watch_process_open(uint32_t pid);
/* True if it has ended. */
bool watch_process_ended(int process_fd);

#endif

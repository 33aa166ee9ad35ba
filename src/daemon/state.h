/* state.h: everything a running daemon holds.  One per program. */
#ifndef DAEMON_STATE_H
#define DAEMON_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/service.h"
#include "daemon/clients.h"
#include "daemon/huge.h"
#include "daemon/namespace.h"
#include "daemon/orphans.h"
#include "daemon/peers.h"
#include "daemon/recorder.h"
#include "daemon/share.h"
#include "sys/status.h"
#include "sys/watch.h"

/* Events that effects and storage gave rise to, for the steps that follow. */
struct event_queue {
	struct event *list;
	uint32_t n;
	uint32_t n_max;
	uint32_t n_taken;
};

/*
 * The file of a segment found to be mapped by nobody, with the lock that keeps it so: from the first sum
 * of a step over the second one to the end of the segment.
 */
struct settle_held {
	bool is_held;
	bool is_kept;     /* some process has it open, and so may a child of it that nobody knows */
	bool is_searched; /* for such children */
	int fd;
	int32_t shmid;
	struct file_status status;
};

/* Whom the last sum over the ledgers depends on. */
struct settle_parts {
	int32_t shmid;
	uint64_t client; /* 0: nobody */
	uint32_t n_own;  /* what his ledger says he has */
	bool has_others;
};

struct daemon {
	struct namespace ns;
	struct huge huge;
	struct watch watch;
	int signal_fd;
	struct peers peers;
	struct clients clients;
	struct orphans orphans;
	struct event_queue events;
	struct settle_held held;
	struct settle_parts parts;
	struct service_storage storage;
	struct recorder recorder;
	struct service *service;
	struct effects effects;
	uint64_t page_size;
	uint32_t euid;                      /* our own: what a new file has */
	uint32_t egid;
	struct share share;
	uint64_t promised_bytes;            /* to segments, whether they have touched it or not */
	uint64_t promised[OBJECT_MAX];      /* by index of the segment */
	/* Sets and queues in which no killed daemon can have left anything half-done under our name. */
	bool is_clean[IPC_KIND_COUNT][OBJECT_MAX];
	uint32_t client_cursor;             /* row the next tick begins with */
	bool knows_clients;                 /* of the daemon before it, too */
	bool stopping;
};

/* Adds an event; an event that finds no memory is lost, and the log says so. */
void daemon_queue(struct daemon *daemon, const struct event *event);

#endif

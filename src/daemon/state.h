/* state.h: everything a running daemon holds.  One per program. */
#ifndef DAEMON_STATE_H
#define DAEMON_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/service.h"
#include "daemon/clients.h"
#include "daemon/namespace.h"
#include "daemon/orphans.h"
#include "daemon/peers.h"
#include "sys/watch.h"

/* Events that effects and storage gave rise to, for the steps that follow. */
struct event_queue {
	struct event *list;
	uint32_t n;
	uint32_t n_max;
	uint32_t n_taken;
};

struct daemon {
	struct namespace ns;
	struct watch watch;
	int signal_fd;
	struct peers peers;
	struct clients clients;
	struct orphans orphans;
	struct event_queue events;
	struct service_storage storage;
	struct service *service;
	struct effects effects;
	uint64_t page_size;
	uint64_t promised_bytes;            /* to segments, whether they have touched it or not */
	uint64_t promised[OBJECT_MAX];      /* by index of the segment */
	uint32_t client_cursor;             /* row the next tick begins with */
	bool stopping;
};

/* Adds an event; an event that finds no memory is lost, and the log says so. */
void daemon_queue(struct daemon *daemon, const struct event *event);

#endif

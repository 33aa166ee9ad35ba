/* effects.h: the service's effects carried out, and events delivered to it. */
#ifndef DAEMON_EFFECTS_H
#define DAEMON_EFFECTS_H

#include "daemon/state.h"

/* What a watch token names: the kind above, a session or a client's row below. */
enum token_kind {
	TOKEN_SIGNAL = 1,
	TOKEN_REGISTER = 2,
	TOKEN_INPUT = 3,
	TOKEN_OUTPUT = 4,
	TOKEN_PROCESS = 5,
};

static inline uint64_t token_make(enum token_kind kind, uint32_t number)
{
	return (uint64_t)kind << 32 | number;
}

static inline enum token_kind token_kind(uint64_t token)
{
	return (enum token_kind)(token >> 32);
}

static inline uint32_t token_number(uint64_t token)
{
	return (uint32_t)token;
}

/* One event, its effects, and whatever follows from them. */
void daemon_deliver(struct daemon *daemon, const struct event *event);
/* What is queued, and what broke meanwhile. */
void daemon_drain(struct daemon *daemon);
/* A session's FIFO has lost its writer. */
void daemon_hang_up(struct daemon *daemon, struct peer *peer);
/* Watches a client's process; one that has ended already is queued as EVENT_EXITED. */
void daemon_watch_client(struct daemon *daemon, struct client *client);

#endif

/* peers.h: the daemon's ends of the sessions' FIFOs, and what waits to be written to them. */
#ifndef DAEMON_PEERS_H
#define DAEMON_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"
#include "sys/fifo.h"
#include "sys/watch.h"

struct peer {
	uint32_t session;
	struct fifo_pair pair;
	uint32_t pid;
	uint64_t start_time;
	uint64_t client;     /* 0 until admitted */
	bool broken;         /* a write failed: to be hung up */
	bool waits;          /* out_fd is watched */
	uint32_t n_out;      /* bytes in out */
	uint8_t *out;        /* SESSION_OUT_MAX, from the first time the client does not read */
};

struct peers {
	struct peer *list[SESSION_MAX];
	uint32_t n;
	uint32_t n_broken;
};

/* Takes the FIFOs over, also on failure.  0 or -errno. */
int peers_add(struct peers *peers, uint32_t session, const struct fifo_pair *pair,
	      struct peer **ret_peer);
/* NULL: no such session. */
struct peer *peers_find(const struct peers *peers, uint32_t session);
void peers_remove(struct peers *peers, struct peer *peer);
/* All of them. */
void peers_clear(struct peers *peers);

/*
 * Writes, or keeps what the FIFO does not take.  False: it is broken, or SESSION_OUT_MAX bytes are
 * waiting already; it is marked, for peers_next_broken.
 */
bool peers_send(struct peers *peers, struct peer *peer, const uint8_t *bytes, size_t n_bytes);
/* Writes what was kept; likewise. */
bool peers_flush(struct peers *peers, struct peer *peer);
/* A peer that is marked broken, or NULL. */
struct peer *peers_next_broken(const struct peers *peers);

#endif

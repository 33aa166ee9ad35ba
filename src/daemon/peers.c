/*
 * peers.c: FIFO ends by session number.
 *
 * A frame is shorter than PIPE_BUF, so the kernel takes it whole or not at all; bytes are kept only
 * for a client that has let its FIFO fill.
 */
#include "daemon/peers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int peers_add(struct peers *peers, uint32_t session, const struct fifo_pair *pair,
	      struct peer **ret_peer)
{
	struct fifo_pair taken = *pair;
	struct peer *peer;

	if (session >= SESSION_MAX || peers->list[session]) {
		fifo_pair_close(&taken);
		return -EEXIST;
	}
	peer = calloc(1, sizeof(*peer));
	if (!peer) {
		fifo_pair_close(&taken);
		return -ENOMEM;
	}
	peer->session = session;
	peer->pair = taken;
	peers->list[session] = peer;
	peers->n++;
	*ret_peer = peer;
	return 0;
}

struct peer *peers_find(const struct peers *peers, uint32_t session)
{
	return session < SESSION_MAX ? peers->list[session] : NULL;
}

void peers_remove(struct peers *peers, struct peer *peer)
{
	peers->list[peer->session] = NULL;
	peers->n--;
	if (peer->broken)
		peers->n_broken--;
	/* Closing takes them out of the watch too: nobody else holds these descriptors. */
	fifo_pair_close(&peer->pair);
	free(peer->out);
	free(peer);
}

void peers_clear(struct peers *peers)
{
	for (uint32_t i = 0; i < SESSION_MAX && peers->n > 0; i++) {
		if (peers->list[i])
			peers_remove(peers, peers->list[i]);
	}
}

static bool peers_break(struct peers *peers, struct peer *peer)
{
	if (!peer->broken)
		peers->n_broken++;
	peer->broken = true;
	return false;
}

static bool peers_keep(struct peers *peers, struct peer *peer, const uint8_t *bytes, size_t n_bytes)
{
	if (!peer->out)
		peer->out = malloc(SESSION_OUT_MAX);
	if (!peer->out || n_bytes > SESSION_OUT_MAX - peer->n_out)
		return peers_break(peers, peer);
	memcpy(peer->out + peer->n_out, bytes, n_bytes);
	peer->n_out += (uint32_t)n_bytes;
	return true;
}

bool peers_send(struct peers *peers, struct peer *peer, const uint8_t *bytes, size_t n_bytes)
{
	ptrdiff_t n = 0;

	if (peer->broken)
		return false;
	if (peer->n_out == 0)
		n = fifo_write(peer->pair.out_fd, bytes, n_bytes);
	if (n == -EAGAIN)
		n = 0;
	if (n < 0)
		return peers_break(peers, peer);
	if ((size_t)n == n_bytes)
		return true;
	return peers_keep(peers, peer, bytes + n, n_bytes - (size_t)n);
}

bool peers_flush(struct peers *peers, struct peer *peer)
{
	ptrdiff_t n;

	if (peer->broken)
		return false;
	if (peer->n_out == 0)
		return true;
	n = fifo_write(peer->pair.out_fd, peer->out, peer->n_out);
	if (n == -EAGAIN)
		return true;
	if (n < 0)
		return peers_break(peers, peer);
	peer->n_out -= (uint32_t)n;
	memmove(peer->out, peer->out + n, peer->n_out);
	return true;
}

struct peer *peers_next_broken(const struct peers *peers)
{
	for (uint32_t i = 0; i < SESSION_MAX && peers->n_broken > 0; i++) {
		if (peers->list[i] && peers->list[i]->broken)
			return peers->list[i];
	}
	return NULL;
}

/*
 * effects.c: between the service and the world.
 *
 * A step is never taken while effects are carried out: what they give rise to is queued and
 * delivered afterwards, in order, so that what storage reported comes before anything else.
 */
#include "daemon/effects.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/process.h"
#include "daemon/storage.h"
#include "sys/clock.h"
#include "sys/log.h"

/* Descriptors kept back from sessions, for files that are opened for a moment. */
#define EFFECTS_DESCRIPTORS_KEPT 64u

/* What a session takes of them: both FIFOs, and the process's descriptor if it is its first one. */
#define EFFECTS_DESCRIPTORS_PER_SESSION 3u

#define EFFECTS_QUEUE_FIRST 64u

/* --- events ------------------------------------------------------------------------------------ */

void daemon_queue(struct daemon *daemon, const struct event *event)
{
	struct event_queue *queue = &daemon->events;

	if (queue->n == queue->n_max) {
		uint32_t n_max = queue->n_max ? 2 * queue->n_max : EFFECTS_QUEUE_FIRST;
		struct event *list = reallocarray(queue->list, n_max, sizeof(*list));

		if (!list) {
			log_line(LOG_LEVEL_ERROR, "no memory: an event is lost");
			return;
		}
		queue->list = list;
		queue->n_max = n_max;
	}
	queue->list[queue->n++] = *event;
}

/* Takes the oldest one. */
static bool daemon_next_event(struct daemon *daemon, struct event *ret_event)
{
	struct event_queue *queue = &daemon->events;

	if (queue->n_taken == queue->n) {
		queue->n_taken = 0;
		queue->n = 0;
		return false;
	}
	*ret_event = queue->list[queue->n_taken++];
	return true;
}

/* --- admission --------------------------------------------------------------------------------- */

/* What makes a process believable: the FIFOs' owner is one of its users.  NULL, or why not. */
static const char *admit_check_process(struct event *admitted)
{
	const char *reason = NULL;
	int fd = watch_process_open(admitted->pid);

	if (fd < 0)
		return "no such process";
	/* While the descriptor says that it lives, its number is not given to another process. */
	if (process_start_time(admitted->pid, &admitted->start_time) < 0)
		reason = "its start time cannot be read";
	else if (!process_has_uid(admitted->pid, admitted->uid))
		reason = "the FIFOs are not of a user of that process";
	else if (watch_process_ended(fd))
		reason = "the process has ended";
	(void)close(fd); /* nothing to flush */
	return reason;
}

/* No user but root has more than half of the descriptors where several are served. */
static bool admit_has_share(const struct daemon *daemon, uint32_t uid, rlim_t n_descriptors)
{
	uint32_t n = service_sessions_of(daemon->service, uid);

	return uid == 0 || !daemon->ns.shared ||
	       (rlim_t)n * EFFECTS_DESCRIPTORS_PER_SESSION < n_descriptors / 2;
}

static const char *admit_check_room(const struct daemon *daemon, const struct fifo_pair *pair)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return NULL;
	if ((rlim_t)pair->out_fd + EFFECTS_DESCRIPTORS_KEPT >= limit.rlim_cur)
		return "too few file descriptors";
	if (!admit_has_share(daemon, pair->uid, limit.rlim_cur - EFFECTS_DESCRIPTORS_KEPT))
		return "this user's share of the file descriptors is used up";
	return NULL;
}

/* Who is to come back later is told so; the service has not heard of him. */
static void admit_turn_away(const struct fifo_pair *pair)
{
	struct proto_message message = {
		.type = PROTO_WELCOME,
		.welcome = {.error = ENOSPC, .version = PROTO_VERSION},
	};
	uint8_t bytes[FRAME_SIZE_MAX];
	ptrdiff_t n = fifo_write(pair->out_fd, bytes, proto_encode(&message, bytes));

	(void)n; /* if it does not read he will find that the connection has ended */
}

static const char *admit_check(const struct daemon *daemon, const struct fifo_pair *pair,
			       struct event *admitted)
{
	const char *reason;

	if (geteuid() != 0 && pair->uid != geteuid())
		return "this daemon has no privilege and serves its own user only";
	admitted->uid = pair->uid;
	admitted->gid = pair->gid;
	reason = admit_check_process(admitted);
	if (reason)
		return reason;
	reason = admit_check_room(daemon, pair);
	if (reason)
		admit_turn_away(pair);
	return reason;
}

/* The new image of a process that is a client already must not inherit what the old one had. */
static void admit_note_exec(struct daemon *daemon, const struct event *admitted)
{
	struct event execed = {.type = EVENT_EXECED};
	struct registry_client known;
	struct client *client;

	if (!registry_find_pid(&daemon->ns.registry, admitted->pid, &known) ||
	    known.start_time != admitted->start_time)
		return;
	client = clients_find(&daemon->clients, known.client);
	if (!client || !clients_have_execed(client, admitted->uid))
		return;
	execed.client = known.client;
	daemon_queue(daemon, &execed);
}

static const char *admit_open(struct daemon *daemon, const struct effect *effect, const char *name,
			      struct event *admitted)
{
	struct fifo_pair pair = FIFO_PAIR_NONE;
	struct peer *peer = NULL;
	const char *reason;
	int r = fifo_pair_accept(daemon->ns.clients_fd, name, &pair);

	if (r < 0)
		return strerror(-r);
	reason = admit_check(daemon, &pair, admitted);
	if (reason) {
		fifo_pair_close(&pair);
		return reason;
	}
	r = peers_add(&daemon->peers, effect->session, &pair, &peer);
	if (r == 0) {
		r = watch_add(&daemon->watch, peer->pair.in_fd, WATCH_INPUT,
			      token_make(TOKEN_INPUT, effect->session));
		if (r < 0)
			peers_remove(&daemon->peers, peer);
	}
	if (r < 0)
		return strerror(-r);
	peer->pid = admitted->pid;
	peer->start_time = admitted->start_time;
	/* Only a proven owner's names are removed: somebody else's may still be wanted. */
	fifo_pair_unlink(daemon->ns.clients_fd, name);
	return NULL;
}

static void effect_admit(struct daemon *daemon, const struct effect *effect)
{
	struct event answer = {
		.type = EVENT_ADMITTED,
		.session = effect->session,
		.pid = effect->pid,
	};
	char name[PROTO_NAME_SIZE + 1] = "";
	const char *reason;

	memcpy(name, effect->name, sizeof(effect->name));
	reason = admit_open(daemon, effect, name, &answer);
	if (reason) {
		log_line(LOG_LEVEL_INFO, "pid %" PRIu32 ": hello: %s: %s", effect->pid, name, reason);
		answer = (struct event){.type = EVENT_REFUSED, .session = effect->session};
	} else {
		admit_note_exec(daemon, &answer);
	}
	daemon_queue(daemon, &answer);
}

/* After an admission: which client the session is of. */
static void peer_join(struct daemon *daemon, uint32_t session)
{
	struct peer *peer = peers_find(&daemon->peers, session);
	struct registry_client known;
	struct client *client;

	if (!peer || peer->client != 0)
		return;
	if (!registry_find_pid(&daemon->ns.registry, peer->pid, &known) ||
	    known.start_time != peer->start_time)
		return;
	client = clients_find(&daemon->clients, known.client);
	if (!client)
		return;
	peer->client = known.client;
	client->n_sessions++;
}

/* --- the end of sessions ----------------------------------------------------------------------- */

/* Lets go of the FIFOs; the client it was of, if it still is one. */
static struct client *peer_leave(struct daemon *daemon, struct peer *peer)
{
	struct client *client = peer->client ? clients_find(&daemon->clients, peer->client) : NULL;

	if (client)
		client->n_sessions--;
	peers_remove(&daemon->peers, peer);
	return client;
}

static void daemon_step(struct daemon *daemon, const struct event *event);

void daemon_hang_up(struct daemon *daemon, struct peer *peer)
{
	struct event event = {.type = EVENT_HANGUP, .session = peer->session};
	struct client *client = peer_leave(daemon, peer);

	daemon_step(daemon, &event);
	if (!client || client->n_sessions > 0 || !clients_have_execed(client, client->ledger_uid))
		return;
	event = (struct event){.type = EVENT_EXECED, .client = client->client};
	daemon_queue(daemon, &event);
}

/* --- the other effects ------------------------------------------------------------------------- */

static void effect_send(struct daemon *daemon, const struct effect *effect)
{
	struct peer *peer = peers_find(&daemon->peers, effect->session);

	if (!peer || effect->n_bytes > sizeof(effect->bytes))
		return;
	if (!peers_send(&daemon->peers, peer, effect->bytes, effect->n_bytes)) {
		log_line(LOG_LEVEL_INFO, "pid %" PRIu32 ": connection ended: it does not read",
			 peer->pid);
		return;
	}
	if (peer->n_out > 0 && !peer->waits)
		peer->waits = watch_add(&daemon->watch, peer->pair.out_fd, WATCH_OUTPUT,
					token_make(TOKEN_OUTPUT, peer->session)) == 0;
}

static void effect_close(struct daemon *daemon, const struct effect *effect)
{
	struct peer *peer = peers_find(&daemon->peers, effect->session);

	if (peer)
		(void)peer_leave(daemon, peer); /* the service knows already */
}

void daemon_watch_client(struct daemon *daemon, struct client *client)
{
	struct event event = {.type = EVENT_EXITED, .client = client->client};
	int r = clients_open_process(client);

	if (r == 0)
		r = watch_add(&daemon->watch, client->process_fd, WATCH_INPUT,
			      token_make(TOKEN_PROCESS, client_row(client->client)));
	if (r == -ESRCH || r == -ENOENT)
		daemon_queue(daemon, &event);
	else if (r < 0)
		log_line(LOG_LEVEL_WARNING, "pid %" PRIu32 ": cannot be watched: %s; looked after "
			 "once a second", client->pid, strerror(-r));
}

static void effect_watch(struct daemon *daemon, const struct effect *effect)
{
	struct client *client = clients_find(&daemon->clients, effect->client);

	if (client)
		daemon_watch_client(daemon, client);
}

static void effect_carry_out(struct daemon *daemon, const struct effect *effect)
{
	switch (effect->type) {
	case EFFECT_ADMIT:
		effect_admit(daemon, effect);
		break;
	case EFFECT_SEND:
		effect_send(daemon, effect);
		break;
	case EFFECT_CLOSE:
		effect_close(daemon, effect);
		break;
	case EFFECT_WATCH:
		effect_watch(daemon, effect);
		break;
	case EFFECT_FORGET:
		clients_forget(&daemon->clients, effect->client);
		break;
	case EFFECT_LOG:
		log_line(LOG_LEVEL_INFO, "%.*s", (int)sizeof(effect->text), effect->text);
		break;
	}
}

static void daemon_step(struct daemon *daemon, const struct event *event)
{
	struct event dated = *event;

	dated.now_s = clock_now_s();
	dated.now_ns = clock_now_ns();
	dated.monotonic_ns = clock_monotonic_ns();
	recorder_event(&daemon->recorder, &dated);
	service_step(daemon->service, &dated, &daemon->effects);
	recorder_effects(&daemon->recorder, &daemon->effects);
	settle_release(daemon);
	for (uint32_t i = 0; i < daemon->effects.n && i < EFFECTS_MAX; i++)
		effect_carry_out(daemon, &daemon->effects.list[i]);
	if (event->type == EVENT_ADMITTED)
		peer_join(daemon, event->session);
}

void daemon_drain(struct daemon *daemon)
{
	struct event event;
	struct peer *peer;

	for (;;) {
		while (daemon_next_event(daemon, &event))
			daemon_step(daemon, &event);
		peer = peers_next_broken(&daemon->peers);
		if (!peer)
			break;
		daemon_hang_up(daemon, peer);
	}
}

void daemon_deliver(struct daemon *daemon, const struct event *event)
{
	daemon_step(daemon, event);
	daemon_drain(daemon);
}

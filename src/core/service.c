/*
 * service.c: events in, effects out; the sessions.
 *
 * Every effect has its room before it is produced: a request is only begun while
 * SERVICE_EFFECTS_PER_REQUEST_MAX are free, and one registration record makes one effect.
 *
 * Invariants, as service_verify checks them:
 * 1. Each session below session_top is in order; the others were never used.
 * 2. n_sessions are not free; the free ones are exactly the free list.
 * 3. Each admitted session is in the list of its client, which the registry knows; each client's
 *    count is that of its list and at most SESSION_PER_CLIENT_MAX.
 * 4. Each admitted session is charged to its uid, once.
 * 5. The pending list is the admitted sessions marked pending, doubly linked.
 * 6. Objects: charged to their creators; pages, semaphores and removed segments counted
 *    (service-object.c).
 * 7. A registration record under way is shorter than a record.
 */
#include <string.h>

#include "core/service-internal.h"

#define HELLO_MAGIC_FIRST 'U'

STATIC_ASSERT(SERVICE_EFFECTS_PER_REQUEST_MAX <= EFFECTS_MAX);
STATIC_ASSERT(SERVICE_INPUT_MAX / PROTO_HELLO_SIZE + 8 <= EFFECTS_MAX);
STATIC_ASSERT(CLIENT_MAX <= 0xffff);

size_t service_size(void)
{
	return sizeof(struct service);
}

/* --- effects ---------------------------------------------------------------------------------- */

static bool turn_has_room(const struct turn *turn)
{
	return EFFECTS_MAX - turn->effects->n >= SERVICE_EFFECTS_PER_REQUEST_MAX;
}

struct effect *turn_effect(struct turn *turn, enum effect_type type)
{
	struct effect *effect;

	ASSERT(turn->effects->n < EFFECTS_MAX);
	effect = &turn->effects->list[turn->effects->n++];
	memset(effect, 0, sizeof(*effect));
	effect->type = type;
	return effect;
}

void turn_send(struct turn *turn, uint32_t session, const struct proto_message *message)
{
	struct effect *effect = turn_effect(turn, EFFECT_SEND);

	effect->session = session;
	effect->client = turn->service->sessions[session].session.client;
	effect->n_bytes = (uint32_t)proto_encode(message, effect->bytes);
}

int32_t storage_error(int r)
{
	return r >= 0 && r <= ABI_ERRNO_MAX ? r : ABI_EIO;
}

/* --- log lines -------------------------------------------------------------------------------- */

/* A line being written: cut at the end of the effect's room, and always ended by a zero. */
struct line {
	char *text;
	size_t used;
};

static void line_put(struct line *line, const char *text)
{
	for (size_t i = 0; text[i] != '\0' && line->used < EFFECT_TEXT_SIZE - 1; i++)
		line->text[line->used++] = text[i];
}

static void line_put_u64(struct line *line, uint64_t number)
{
	char digits[21] = { 0 };
	size_t i = sizeof(digits) - 1;

	do {
		digits[--i] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	line_put(line, digits + i);
}

static void line_put_client(struct line *line, uint64_t client)
{
	char digits[17] = { 0 };

	for (size_t i = 0; i < 16; i++)
		digits[i] = "0123456789abcdef"[client >> (60 - 4 * i) & 15];
	line_put(line, digits);
}

/* Whether this second has room for a further line; says how many were lost before. */
static bool turn_may_log(struct turn *turn)
{
	struct service *service = turn->service;

	if (service->log_second != turn->event->now_s) {
		service->log_second = turn->event->now_s;
		service->n_logs = 0;
		if (service->n_logs_lost > 0) {
			struct line line = { .text = turn_effect(turn, EFFECT_LOG)->text };

			line_put_u64(&line, service->n_logs_lost);
			line_put(&line, " lines left out: too many in a second");
			service->n_logs_lost = 0;
		}
	}
	if (service->n_logs >= SERVICE_LOGS_PER_SECOND_MAX) {
		service->n_logs_lost++;
		return false;
	}
	service->n_logs++;
	return true;
}

void turn_log(struct turn *turn, uint32_t session, const char *call, const char *reason,
	      const uint64_t *number)
{
	struct effect *effect;
	struct line line = { 0 };

	if (!turn_may_log(turn))
		return;
	effect = turn_effect(turn, EFFECT_LOG);
	line.text = effect->text;
	if (session < SESSION_MAX) {
		const struct session *who = &turn->service->sessions[session].session;

		effect->session = session;
		effect->client = who->client;
		effect->pid = who->pid;
		effect->uid = who->uid;
		line_put(&line, "client ");
		line_put_client(&line, who->client);
		line_put(&line, " pid ");
		line_put_u64(&line, who->pid);
		line_put(&line, " uid ");
		line_put_u64(&line, who->uid);
		line_put(&line, ": ");
	}
	line_put(&line, call);
	line_put(&line, ": ");
	line_put(&line, reason);
	if (number) {
		line_put(&line, " ");
		line_put_u64(&line, *number);
	}
}

/* --- sessions --------------------------------------------------------------------------------- */

static bool session_is_admitted(const struct session *session)
{
	return session->state == SESSION_OPEN || session->state == SESSION_LEAVING;
}

/* Takes a free session; false: all are in use. */
static bool service_session_take(struct service *service, uint32_t *ret_session)
{
	uint32_t link = service->session_free;

	if (link != 0)
		service->session_free = service->sessions[link - 1].next;
	else if (service->session_top < SESSION_MAX)
		link = ++service->session_top;
	else
		return false;
	service->sessions[link - 1].next = 0;
	service->n_sessions++;
	*ret_session = link - 1;
	return true;
}

static void service_session_unlink(struct service *service, uint32_t index)
{
	struct service_session *entry = &service->sessions[index];
	struct service_client *client = service_client_of(service, entry->session.client);

	if (entry->prev != 0)
		service->sessions[entry->prev - 1].next = entry->next;
	else
		client->first = entry->next;
	if (entry->next != 0)
		service->sessions[entry->next - 1].prev = entry->prev;
	else
		client->last = entry->prev;
	entry->prev = 0;
	entry->next = 0;
	client->n_sessions--;
}

static void service_session_link(struct service *service, uint32_t index)
{
	struct service_session *entry = &service->sessions[index];
	struct service_client *client = service_client_of(service, entry->session.client);

	entry->prev = 0;
	entry->next = client->first;
	if (client->first != 0)
		service->sessions[client->first - 1].prev = index + 1;
	else
		client->last = index + 1;
	client->first = index + 1;
	client->n_sessions++;
}

void service_session_touch(struct service *service, uint32_t index)
{
	const struct service_session *entry = &service->sessions[index];
	const struct service_client *client = service_client_of(service, entry->session.client);

	if (client->first == index + 1)
		return;
	if (entry->prev != 0)
		service_session_unlink(service, index);
	service_session_link(service, index);
}

static void pending_remove(struct service *service, uint32_t index)
{
	struct service_session *entry = &service->sessions[index];

	if (!entry->is_pending)
		return;
	if (entry->pending_prev != 0)
		service->sessions[entry->pending_prev - 1].pending_next = entry->pending_next;
	else
		service->pending_first = entry->pending_next;
	if (entry->pending_next != 0)
		service->sessions[entry->pending_next - 1].pending_prev = entry->pending_prev;
	else
		service->pending_last = entry->pending_prev;
	entry->pending_prev = 0;
	entry->pending_next = 0;
	entry->is_pending = false;
}

static void pending_append(struct service *service, uint32_t index)
{
	struct service_session *entry = &service->sessions[index];

	ASSERT(!entry->is_pending);
	entry->is_pending = true;
	entry->pending_prev = service->pending_last;
	if (service->pending_last != 0)
		service->sessions[service->pending_last - 1].pending_next = index + 1;
	else
		service->pending_first = index + 1;
	service->pending_last = index + 1;
}

bool service_has_pending(const struct service *service, uint32_t *ret_session)
{
	if (service->pending_first == 0)
		return false;
	*ret_session = service->pending_first - 1;
	return true;
}

size_t service_input_room(const struct service *service, uint32_t session)
{
	if (session >= SESSION_MAX || !session_is_admitted(&service->sessions[session].session))
		return 0;
	return session_room(&service->sessions[session].session);
}

uint32_t service_sessions_of(const struct service *service, uint32_t uid)
{
	return (uint32_t)quota_count(&service->quota, uid, QUOTA_SESSION);
}

void turn_session_end(struct turn *turn, uint32_t index)
{
	struct service *service = turn->service;
	struct service_session *entry = &service->sessions[index];
	struct effect *effect = turn_effect(turn, EFFECT_CLOSE);

	effect->session = index;
	effect->client = entry->session.client;
	pending_remove(service, index);
	if (session_is_admitted(&entry->session)) {
		service_session_unlink(service, index);
		quota_release(&service->quota, entry->session.uid, QUOTA_SESSION);
	}
	session_end(&entry->session);
	entry->next = service->session_free;
	service->session_free = index + 1;
	service->n_sessions--;
}

/* --- registration ----------------------------------------------------------------------------- */

static void hello_received(struct turn *turn, const struct proto_hello *hello)
{
	struct effect *effect;
	uint32_t session;

	if (!service_session_take(turn->service, &session)) {
		turn_log(turn, SESSION_MAX, "hello", "limit of sessions reached; refused pid",
			 &(uint64_t){ hello->pid });
		return;
	}
	session_begin(&turn->service->sessions[session].session, hello);
	effect = turn_effect(turn, EFFECT_ADMIT);
	effect->session = session;
	effect->pid = hello->pid;
	memcpy(effect->name, hello->name, sizeof(effect->name));
}

/* Drops the first byte, and what follows up to where a record may begin again. */
static void hello_skip(struct service *service)
{
	const uint8_t *begin = memchr(service->hello + 1, HELLO_MAGIC_FIRST, service->hello_used - 1);

	if (!begin) {
		service->hello_used = 0;
		return;
	}
	service->hello_used -= (uint32_t)(begin - service->hello);
	memmove(service->hello, begin, service->hello_used);
}

/* Bytes that anybody may have written: whole records are taken, anything else is passed over. */
static void turn_register(struct turn *turn)
{
	struct service *service = turn->service;
	const uint8_t *bytes = turn->event->bytes;
	size_t n_bytes = turn->event->n_bytes;
	uint64_t n_skipped = 0;

	ASSERT(n_bytes <= SERVICE_INPUT_MAX);
	while (n_bytes > 0) {
		size_t want = PROTO_HELLO_SIZE - service->hello_used;
		struct proto_hello hello;

		if (want > n_bytes)
			want = n_bytes;
		memcpy(service->hello + service->hello_used, bytes, want);
		service->hello_used += (uint32_t)want;
		bytes += want;
		n_bytes -= want;
		/* Ends: each round either keeps fewer than a record, or takes or skips a byte of it. */
		while (service->hello_used == PROTO_HELLO_SIZE) {
			if (proto_hello_decode(service->hello, &hello)) {
				service->hello_used = 0;
				hello_received(turn, &hello);
			} else {
				n_skipped += PROTO_HELLO_SIZE;
				hello_skip(service);
				n_skipped -= service->hello_used;
			}
		}
	}
	if (n_skipped > 0)
		turn_log(turn, SESSION_MAX, "hello", "bytes that are no registration:", &n_skipped);
}

/* --- requests --------------------------------------------------------------------------------- */

static void reply(const struct request *request, int32_t error, int32_t id)
{
	struct proto_message message = {
		.type = PROTO_REPLY,
		.request = request->message->request,
		.reply = { .error = error, .id = error == 0 ? id : -1 },
	};

	turn_send(request->turn, request->session, &message);
}

static void reply_shm_stat(const struct request *request)
{
	struct proto_message message = {
		.type = PROTO_SHM_REPLY,
		.request = request->message->request,
	};

	message.shm.error =
		object_shm_stat(request, &message.shm.object, &message.shm.n_attached);
	turn_send(request->turn, request->session, &message);
}

static void reply_pong(const struct request *request)
{
	const struct service *service = request->turn->service;
	uint64_t now_ns = request->turn->event->monotonic_ns;
	struct proto_message message = {
		.type = PROTO_PONG,
		.request = request->message->request,
		.pong = { .daemon_pid = service->daemon_pid,
			  .n_clients = service->n_clients,
			  .n_requests = service->n_requests },
	};

	if (now_ns > service->start_ns)
		message.pong.uptime_s = (now_ns - service->start_ns) / 1000000000u;
	for (uint32_t kind = 0; kind < IPC_KIND_COUNT; kind++)
		message.pong.n_objects[kind] =
			registry_count(service->registry, (enum ipc_kind)kind);
	turn_send(request->turn, request->session, &message);
}

static void reply_stood(const struct request *request)
{
	struct proto_message message = {
		.type = PROTO_STOOD,
		.request = request->message->request,
	};

	message.stood.error = object_stead(request, &message.stood);
	turn_send(request->turn, request->session, &message);
}

static void request_carry_out(const struct request *request)
{
	int32_t id = 0;
	int32_t error;

	request->turn->service->n_requests++;
	switch (request->message->type) {
	case PROTO_CREATE:
		error = object_create(request, &id);
		reply(request, error, id);
		break;
	case PROTO_SET:
		reply(request, object_set(request), 0);
		break;
	case PROTO_REMOVE:
		reply(request, object_remove(request), 0);
		break;
	case PROTO_SHM_STAT:
		reply_shm_stat(request);
		break;
	case PROTO_SHM_LOCK:
		reply(request, object_shm_lock(request), 0);
		break;
	case PROTO_SETTLE:
		error = client_settle(request);
		/* It may have been the asker's own process, which then hears nothing any more. */
		if (session_is_admitted(&request->turn->service->sessions[request->session].session))
			reply(request, error, 0);
		break;
	case PROTO_LIMITS:
		reply(request, object_limits(request), 0);
		break;
	case PROTO_PING:
		reply_pong(request);
		break;
	case PROTO_STEAD:
		reply_stood(request);
		break;
	case PROTO_DETACHED:
		segment_recheck(request->turn, request->message->object.id);
		break;
	case PROTO_LEAVE:
		break;
	}
}

/* One bad client costs that client's connection, and nobody else anything. */
static void session_drop(struct turn *turn, uint32_t session, int outcome)
{
	turn_log(turn, session, "connection ended", session_outcome_to_string(outcome), NULL);
	turn_session_end(turn, session);
}

static void turn_input(struct turn *turn, uint32_t index)
{
	struct service *service = turn->service;
	struct session *session = &service->sessions[index].session;
	const uint8_t *bytes = turn->event->bytes;
	size_t n_bytes = turn->event->n_bytes;
	struct proto_message message;
	int r;

	ASSERT(n_bytes <= SERVICE_INPUT_MAX);
	if (!session_is_admitted(session))
		return;
	pending_remove(service, index);
	service_session_touch(service, index);
	for (uint32_t n = 0; n < SESSION_REQUESTS_PER_TURN_MAX && turn_has_room(turn); n++) {
		r = session_next(session, &bytes, &n_bytes, &message);
		if (r == SESSION_PARTIAL)
			break;
		if (r != SESSION_READY) {
			session_drop(turn, index, r);
			return;
		}
		request_carry_out(&(struct request){
			.turn = turn, .session = index, .message = &message });
		if (!session_is_admitted(session))
			return;
	}
	r = session_feed(session, bytes, n_bytes);
	if (r != 0)
		session_drop(turn, index, r);
	else if (session_has_message(session))
		pending_append(service, index);
}

/* --- the step --------------------------------------------------------------------------------- */

/* Events that concern a session; those for one that has ended meanwhile mean nothing any more. */
static void turn_session_event(struct turn *turn)
{
	uint32_t index = turn->event->session;
	const struct session *session;

	if (index >= turn->service->session_top)
		return;
	session = &turn->service->sessions[index].session;
	if (session->state == SESSION_FREE)
		return;
	switch (turn->event->type) {
	case EVENT_ADMITTED:
		if (session->state == SESSION_ADMITTING)
			client_admitted(turn, index);
		break;
	case EVENT_REFUSED:
		if (session->state == SESSION_ADMITTING) {
			turn_log(turn, index, "hello", "refused: identity not proven", NULL);
			turn_session_end(turn, index);
		}
		break;
	case EVENT_INPUT:
		turn_input(turn, index);
		break;
	default:
		turn_session_end(turn, index);
		break;
	}
}

void service_step(struct service *service, const struct event *event, struct effects *effects)
{
	struct turn turn = { .service = service, .event = event, .effects = effects };

	effects->n = 0;
	service->now_ns = event->now_ns;
	switch (event->type) {
	case EVENT_REGISTER:
		turn_register(&turn);
		break;
	case EVENT_ADMITTED:
	case EVENT_REFUSED:
	case EVENT_INPUT:
	case EVENT_HANGUP:
		turn_session_event(&turn);
		break;
	case EVENT_EXITED:
		client_exited(&turn, event->client);
		break;
	case EVENT_EXECED:
		client_execed(&turn, event->client);
		break;
	case EVENT_DETACHED:
		segment_recheck(&turn, event->shmid);
		break;
	case EVENT_TICK:
		segment_sweep(&turn);
		break;
	}
}

/* --- start ------------------------------------------------------------------------------------ */

void service_start(struct service *service, struct registry *registry,
		   const struct service_storage *storage, uint32_t owner_uid, uint32_t daemon_pid,
		   uint64_t monotonic_ns)
{
	struct registry_client known;

	service->registry = registry;
	service->storage = storage;
	service->owner_uid = owner_uid;
	service->daemon_pid = daemon_pid;
	service->start_ns = monotonic_ns;
	for (uint32_t row = 0; row < CLIENT_MAX; row++)
		if (registry_client_row(registry, row, &known) == 0)
			service->n_clients++;
	objects_count(service);
}

bool service_next_known(struct service *service, struct registry_client *ret_client)
{
	while (service->known_row < CLIENT_MAX) {
		uint32_t row = service->known_row++;

		if (registry_client_row(service->registry, row, ret_client) == 0)
			return true;
	}
	return false;
}

/* --- verify ----------------------------------------------------------------------------------- */

static bool verify_session(const struct service *service, uint32_t index, uint32_t *n_used,
			   uint32_t *n_admitted, uint32_t *n_pending)
{
	const struct service_session *entry = &service->sessions[index];
	struct registry_client known;

	if (!session_verify(&entry->session))
		return false;
	if (entry->session.state == SESSION_FREE)
		return !entry->is_pending;
	++*n_used;
	if (!session_is_admitted(&entry->session))
		return !entry->is_pending;
	++*n_admitted;
	*n_pending += entry->is_pending;
	if (registry_client_get(service->registry, entry->session.client, &known) != 0)
		return false;
	return quota_count(&service->quota, entry->session.uid, QUOTA_SESSION) > 0;
}

/* The lists of the clients: linked both ways, counted, and together all admitted sessions. */
static bool verify_clients(const struct service *service, uint32_t n_admitted)
{
	uint32_t n_linked = 0;

	for (uint32_t row = 0; row < service->client_top; row++) {
		const struct service_client *client = &service->clients[row];
		uint32_t prev = 0;
		uint32_t n = 0;

		for (uint32_t i = client->first; i != 0; i = service->sessions[i - 1].next) {
			const struct service_session *entry = &service->sessions[i - 1];

			if (++n > SESSION_PER_CLIENT_MAX || entry->prev != prev ||
			    entry->session.client != client->client)
				return false;
			prev = i;
		}
		if (n != client->n_sessions || client->last != prev)
			return false;
		n_linked += n;
	}
	return n_linked == n_admitted;
}

static bool verify_lists(const struct service *service, uint32_t n_used, uint32_t n_pending)
{
	uint32_t n_free = 0;
	uint32_t n = 0;
	uint32_t prev = 0;

	for (uint32_t i = service->session_free; i != 0; i = service->sessions[i - 1].next)
		if (service->sessions[i - 1].session.state != SESSION_FREE ||
		    ++n_free > service->session_top)
			return false;
	for (uint32_t i = service->pending_first; i != 0;
	     i = service->sessions[i - 1].pending_next) {
		if (!service->sessions[i - 1].is_pending || ++n > n_pending ||
		    service->sessions[i - 1].pending_prev != prev)
			return false;
		prev = i;
	}
	return n == n_pending && service->pending_last == prev && n_used == service->n_sessions &&
	       n_used + n_free == service->session_top;
}

bool service_verify(const struct service *service)
{
	uint32_t n_used = 0;
	uint32_t n_admitted = 0;
	uint32_t n_pending = 0;

	if (service->session_top > SESSION_MAX)
		return false;
	for (uint32_t i = 0; i < service->session_top; i++)
		if (!verify_session(service, i, &n_used, &n_admitted, &n_pending))
			return false;
	if (!verify_lists(service, n_used, n_pending) || !verify_clients(service, n_admitted))
		return false;
	if (!quota_verify(&service->quota) ||
	    service->quota.n_total[QUOTA_SESSION] != n_admitted)
		return false;
	return objects_verify(service) && service->hello_used < PROTO_HELLO_SIZE;
}

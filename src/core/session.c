/*
 * session.c
 *
 * Invariants, as session_verify checks them:
 * 1. The state is one of its enum.
 * 2. The kept bytes lie inside `in`; an empty queue starts at 0.
 * 3. The reader's frame lies inside its buffer.
 * 4. A free session keeps nothing.
 * 5. Only an open or leaving one has a client.
 */
#include <string.h>

#include "core/bytes.h"
#include "core/session.h"

struct session_rule {
	enum session_state state;
	uint32_t type;
	enum session_state next;
};

/* Everything that is allowed.  A session that is being admitted may say nothing. */
static const struct session_rule session_table[] = {
	{ SESSION_OPEN, PROTO_CREATE, SESSION_OPEN },
	{ SESSION_OPEN, PROTO_SET, SESSION_OPEN },
	{ SESSION_OPEN, PROTO_REMOVE, SESSION_OPEN },
	{ SESSION_OPEN, PROTO_SHM_STAT, SESSION_OPEN },
	{ SESSION_OPEN, PROTO_SHM_LOCK, SESSION_OPEN },
	{ SESSION_OPEN, PROTO_SETTLE, SESSION_OPEN },
	{ SESSION_OPEN, PROTO_LIMITS, SESSION_OPEN },
	{ SESSION_OPEN, PROTO_PING, SESSION_OPEN },
	{ SESSION_OPEN, PROTO_STEAD, SESSION_OPEN },
	{ SESSION_OPEN, PROTO_DETACHED, SESSION_OPEN },
	{ SESSION_OPEN, PROTO_LEAVE, SESSION_LEAVING },
	/* Other libraries' exit handlers run after ours. */
	{ SESSION_LEAVING, PROTO_CREATE, SESSION_LEAVING },
	{ SESSION_LEAVING, PROTO_SET, SESSION_LEAVING },
	{ SESSION_LEAVING, PROTO_REMOVE, SESSION_LEAVING },
	{ SESSION_LEAVING, PROTO_SHM_STAT, SESSION_LEAVING },
	{ SESSION_LEAVING, PROTO_SHM_LOCK, SESSION_LEAVING },
	{ SESSION_LEAVING, PROTO_SETTLE, SESSION_LEAVING },
	{ SESSION_LEAVING, PROTO_STEAD, SESSION_LEAVING },
	{ SESSION_LEAVING, PROTO_DETACHED, SESSION_LEAVING },
	{ SESSION_LEAVING, PROTO_LEAVE, SESSION_LEAVING },
};

static const struct session_rule *session_rule_find(enum session_state state, uint32_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(session_table); i++)
		if (session_table[i].state == state && session_table[i].type == type)
			return &session_table[i];
	return NULL;
}

bool session_allows(enum session_state state, uint32_t type)
{
	return session_rule_find(state, type) != NULL;
}

void session_begin(struct session *session, const struct proto_hello *hello)
{
	ASSERT(session->state == SESSION_FREE);
	session->state = SESSION_ADMITTING;
	session->version = hello->version;
	session->pid = hello->pid;
}

void session_admit(struct session *session, uint32_t uid, uint32_t gid, uint64_t client)
{
	ASSERT(session->state == SESSION_ADMITTING);
	ASSERT(client != 0);
	session->state = SESSION_OPEN;
	session->uid = uid;
	session->gid = gid;
	session->client = client;
}

/* The buffers keep old bytes, which nothing reads: only their counts are reset. */
void session_end(struct session *session)
{
	session->state = SESSION_FREE;
	session->version = 0;
	session->pid = 0;
	session->uid = 0;
	session->gid = 0;
	session->client = 0;
	session->reader.used = 0;
	session->reader.taken = 0;
	session->in_off = 0;
	session->in_used = 0;
}

size_t session_room(const struct session *session)
{
	return SESSION_IN_MAX - session->in_used;
}

int session_feed(struct session *session, const uint8_t *bytes, size_t n_bytes)
{
	if (n_bytes > session_room(session))
		return SESSION_E_FLOOD;
	if (n_bytes == 0)
		return 0;
	if (session->in_off > 0)
		memmove(session->in, session->in + session->in_off, session->in_used);
	session->in_off = 0;
	memcpy(session->in + session->in_used, bytes, n_bytes);
	session->in_used += (uint32_t)n_bytes;
	return 0;
}

/* Gives the reader what is kept, or else from the caller's bytes. */
static void session_fill(struct session *session, const uint8_t **bytes, size_t *n_bytes)
{
	size_t n_taken;

	if (session->in_used > 0) {
		n_taken = frame_push(&session->reader, session->in + session->in_off,
				     session->in_used);
		session->in_off += (uint32_t)n_taken;
		session->in_used -= (uint32_t)n_taken;
		if (session->in_used > 0)
			return;
		session->in_off = 0;
	}
	if (*n_bytes == 0)
		return;
	n_taken = frame_push(&session->reader, *bytes, *n_bytes);
	*bytes += n_taken;
	*n_bytes -= n_taken;
}

int session_next(struct session *session, const uint8_t **bytes, size_t *n_bytes,
		 struct proto_message *ret_message)
{
	const struct session_rule *rule;
	struct proto_message message;
	struct frame frame;
	int r;

	ASSERT(session->state != SESSION_FREE);
	session_fill(session, bytes, n_bytes);
	r = frame_next(&session->reader, &frame);
	if (r == FRAME_PARTIAL)
		return SESSION_PARTIAL;
	if (r != FRAME_READY)
		return SESSION_E_FRAME;
	if (proto_decode(frame.type, frame.request, frame.body, frame.body_size, &message) != 0)
		return SESSION_E_MESSAGE;
	rule = session_rule_find(session->state, message.type);
	if (!rule)
		return SESSION_E_STATE;
	session->state = rule->next;
	*ret_message = message;
	return SESSION_READY;
}

bool session_has_message(const struct session *session)
{
	const struct frame_reader *reader = &session->reader;
	uint32_t used = reader->taken ? 0 : reader->used;
	uint8_t bytes[4];
	uint32_t size;

	if (used + session->in_used < sizeof(bytes))
		return false;
	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = i < used ? reader->buffer[i] : session->in[session->in_off + i - used];
	size = bytes_load_u32(bytes);
	if (size < FRAME_HEADER_SIZE || size > FRAME_SIZE_MAX)
		return true;
	return used + session->in_used >= size;
}

const char *session_outcome_to_string(int outcome)
{
	switch (outcome) {
	case SESSION_READY:
		return "ready";
	case SESSION_PARTIAL:
		return "partial";
	case SESSION_E_FRAME:
		return "frame size out of range";
	case SESSION_E_MESSAGE:
		return "malformed message";
	case SESSION_E_STATE:
		return "message not allowed now";
	case SESSION_E_FLOOD:
		return "too much sent without waiting for answers";
	}
	return "unknown";
}

bool session_verify(const struct session *session)
{
	if ((uint32_t)session->state >= SESSION_STATE_COUNT)
		return false;
	if (session->in_used > SESSION_IN_MAX || session->in_off > SESSION_IN_MAX - session->in_used)
		return false;
	if (session->in_used == 0 && session->in_off != 0)
		return false;
	if (session->reader.used > FRAME_SIZE_MAX)
		return false;
	if (session->reader.taken != 0 && session->reader.taken != session->reader.used)
		return false;
	if (session->state == SESSION_FREE && (session->in_used > 0 || session->reader.used > 0))
		return false;
	return (session->client != 0) ==
	       (session->state == SESSION_OPEN || session->state == SESSION_LEAVING);
}

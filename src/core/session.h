/*
 * session.h: one connection's protocol state: its bytes, its frames, what is allowed now.
 *
 * Bytes go in with session_feed() and come out as decoded messages with session_next(), which
 * also judges each against the table state x type -> allowed, next state.  Answers are not kept
 * here: the daemon owns what waits to be written, bounded by SESSION_OUT_MAX.
 */
#ifndef CORE_SESSION_H
#define CORE_SESSION_H

#include "core/cred.h"
#include "core/frame.h"
#include "core/proto.h"

/* Bytes kept for a session whose turn is over; who sends more without being answered is dropped. */
#define SESSION_IN_MAX 512u

enum session_state {
	SESSION_FREE = 0,
	SESSION_ADMITTING = 1, /* said HELLO; the daemon is proving who it is */
	SESSION_OPEN = 2,
	SESSION_LEAVING = 3,   /* its process said that it exits; exit handlers may still call */
	SESSION_STATE_COUNT = 4,
};

enum session_outcome {
	SESSION_READY = 0,
	SESSION_PARTIAL = 1,   /* no complete message */
	SESSION_E_FRAME = 2,   /* a size out of range */
	SESSION_E_MESSAGE = 3, /* unknown type, wrong size for its type, a field out of range */
	SESSION_E_STATE = 4,   /* not allowed now */
	SESSION_E_FLOOD = 5,   /* more bytes than are kept */
};

/* {0} is a free one. */
struct session {
	enum session_state state;
	uint32_t version; /* said in HELLO */
	uint32_t pid;
	uint32_t uid;
	uint32_t gid;
	uint64_t client; /* 0 until admitted */
	struct frame_reader reader;
	uint32_t in_off; /* waiting bytes: in[in_off .. in_off + in_used) */
	uint32_t in_used;
	uint8_t in[SESSION_IN_MAX];
};

/* FREE to ADMITTING, ADMITTING to OPEN, any to FREE. */
void session_begin(struct session *session, const struct proto_hello *hello);
void session_admit(struct session *session, uint32_t uid, uint32_t gid, uint64_t client);
void session_end(struct session *session);

/* Keeps bytes for session_next.  0 or E_FLOOD; then nothing was kept. */
int session_feed(struct session *session, const uint8_t *bytes, size_t n_bytes);
/* How many bytes session_feed takes now. */
size_t session_room(const struct session *session);
/*
 * The next message: first from what is kept, then from *bytes, of which it takes what it needs.
 * 0, PARTIAL, or an E: then the session is beyond repair and is to be ended.
 */
int session_next(struct session *session, const uint8_t **bytes, size_t *n_bytes,
		 struct proto_message *ret_message);
/* True if session_next would give something else than PARTIAL without further bytes. */
bool session_has_message(const struct session *session);

/* The table: whether a type is allowed in a state. */
bool session_allows(enum session_state state, uint32_t type);

const char *session_outcome_to_string(int outcome);
bool session_verify(const struct session *session);

#endif

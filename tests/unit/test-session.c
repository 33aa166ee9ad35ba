/* test-session.c: conversations of one connection as tables, and every cut of one. */
#include "test.h"

#include <string.h>

#include "core/bytes.h"
#include "core/session.h"

static const uint32_t all_types[] = {
	PROTO_CREATE,	PROTO_SET,   PROTO_REMOVE,  PROTO_SHM_STAT, PROTO_SHM_LOCK,
	PROTO_SETTLE,	PROTO_LIMITS, PROTO_PING,   PROTO_DETACHED, PROTO_LEAVE,
	PROTO_WELCOME, PROTO_REPLY, PROTO_SHM_REPLY, PROTO_PONG,    PROTO_HELLO, 0,
	PROTO_STEAD,   PROTO_STOOD,
};

static void session_open(struct session *session)
{
	const struct proto_hello hello = { .version = PROTO_VERSION, .pid = 5 };

	session_begin(session, &hello);
	session_admit(session, 1000, 1000, 77);
}

static size_t message_write(uint8_t *bytes, uint32_t type, uint32_t request)
{
	struct proto_message message = { .type = type, .request = request };
	uint8_t frame[FRAME_SIZE_MAX];
	size_t n;

	if (type == PROTO_STEAD)
		message.stead = (struct proto_stead){ .kind = IPC_KIND_SEM, .number = 1 };
	n = proto_encode(&message, frame);

	memcpy(bytes, frame, n);
	return n;
}

static void nothing_is_allowed_before_admission(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all_types); i++) {
		assert_false(session_allows(SESSION_FREE, all_types[i]));
		assert_false(session_allows(SESSION_ADMITTING, all_types[i]));
	}
}

static void what_the_daemon_says_is_never_allowed_from_a_client(void **state)
{
	static const uint32_t types[] = { PROTO_WELCOME, PROTO_REPLY, PROTO_SHM_REPLY, PROTO_PONG,
					  PROTO_STOOD,	 PROTO_HELLO };

	(void)state;
	for (uint32_t s = 0; s < SESSION_STATE_COUNT; s++)
		for (size_t i = 0; i < ARRAY_SIZE(types); i++)
			assert_false(session_allows((enum session_state)s, types[i]));
}

/* Each line: a message in a state, what comes of it, and the state after it. */
static void each_message_moves_the_state_as_the_table_says(void **state)
{
	static const struct {
		enum session_state before;
		uint32_t type;
		int outcome;
		enum session_state after;
	} lines[] = {
		{ SESSION_OPEN, PROTO_CREATE, SESSION_READY, SESSION_OPEN },
		{ SESSION_OPEN, PROTO_SET, SESSION_READY, SESSION_OPEN },
		{ SESSION_OPEN, PROTO_REMOVE, SESSION_READY, SESSION_OPEN },
		{ SESSION_OPEN, PROTO_SHM_STAT, SESSION_READY, SESSION_OPEN },
		{ SESSION_OPEN, PROTO_SHM_LOCK, SESSION_READY, SESSION_OPEN },
		{ SESSION_OPEN, PROTO_SETTLE, SESSION_READY, SESSION_OPEN },
		{ SESSION_OPEN, PROTO_LIMITS, SESSION_READY, SESSION_OPEN },
		{ SESSION_OPEN, PROTO_PING, SESSION_READY, SESSION_OPEN },
		{ SESSION_OPEN, PROTO_STEAD, SESSION_READY, SESSION_OPEN },
		{ SESSION_OPEN, PROTO_DETACHED, SESSION_READY, SESSION_OPEN },
		{ SESSION_OPEN, PROTO_LEAVE, SESSION_READY, SESSION_LEAVING },
		{ SESSION_OPEN, PROTO_REPLY, SESSION_E_STATE, SESSION_OPEN },
		{ SESSION_LEAVING, PROTO_REMOVE, SESSION_READY, SESSION_LEAVING },
		{ SESSION_LEAVING, PROTO_CREATE, SESSION_READY, SESSION_LEAVING },
		{ SESSION_LEAVING, PROTO_STEAD, SESSION_READY, SESSION_LEAVING },
		{ SESSION_LEAVING, PROTO_LEAVE, SESSION_READY, SESSION_LEAVING },
		{ SESSION_LEAVING, PROTO_LIMITS, SESSION_E_STATE, SESSION_LEAVING },
		{ SESSION_ADMITTING, PROTO_PING, SESSION_E_STATE, SESSION_ADMITTING },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct session session = { 0 };
		uint8_t bytes[FRAME_SIZE_MAX];
		const uint8_t *at = bytes;
		size_t n = message_write(bytes, lines[i].type, 9);
		struct proto_message message;

		session_open(&session);
		session.state = lines[i].before;
		if (lines[i].before == SESSION_ADMITTING)
			session.client = 0;
		assert_int_equal(session_next(&session, &at, &n, &message), lines[i].outcome);
		assert_int_equal(session.state, lines[i].after);
		assert_true(session_verify(&session));
		if (lines[i].outcome == SESSION_READY) {
			assert_int_equal(message.type, lines[i].type);
			assert_int_equal(message.request, 9);
			assert_int_equal(n, 0);
		}
	}
}

static void bad_bytes_are_told_apart(void **state)
{
	static const struct {
		uint8_t bytes[12];
		size_t n;
		int outcome;
	} lines[] = {
		{ { 0 }, 3, SESSION_PARTIAL },
		{ { 0 }, 4, SESSION_E_FRAME },
		{ { 11 }, 4, SESSION_E_FRAME },
		{ { 12 }, 4, SESSION_PARTIAL },
		{ { 1, 1 }, 4, SESSION_E_FRAME },
		{ { 12, 0, 0, 0, 255 }, 12, SESSION_E_MESSAGE },
		{ { 12, 0, 0, 0, PROTO_CREATE }, 12, SESSION_E_MESSAGE },
		{ { 12, 0, 0, 0, PROTO_PING }, 12, SESSION_READY },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct session session = { 0 };
		const uint8_t *at = lines[i].bytes;
		size_t n = lines[i].n;
		struct proto_message message;
		int r;

		session_open(&session);
		r = session_next(&session, &at, &n, &message);
		assert_int_equal(r, lines[i].outcome);
		assert_true(session_verify(&session));
		assert_string_not_equal(session_outcome_to_string(r), "unknown");
	}
}

/* Everything that comes out of a stream given in two parts, the first of them kept. */
static uint32_t drain(struct session *session, const uint8_t *bytes, size_t n, uint32_t expected)
{
	struct proto_message message;

	while (session_next(session, &bytes, &n, &message) == SESSION_READY) {
		assert_int_equal(message.request, expected);
		assert_true(session_verify(session));
		expected++;
	}
	assert_int_equal(n, 0);
	assert_false(session_has_message(session));
	return expected;
}

static void every_cut_gives_the_same_messages_kept_or_not(void **state)
{
	static const uint32_t types[] = { PROTO_PING, PROTO_LIMITS, PROTO_CREATE, PROTO_DETACHED,
					  PROTO_LEAVE, PROTO_REMOVE };
	uint8_t stream[ARRAY_SIZE(types) * FRAME_SIZE_MAX];
	size_t n = 0;

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(types); i++)
		n += message_write(stream + n, types[i], i);
	assert_true(n <= SESSION_IN_MAX);
	for (size_t cut = 0; cut <= n; cut++) {
		struct session direct = { 0 };
		struct session kept = { 0 };
		uint32_t done;

		session_open(&direct);
		done = drain(&direct, stream, cut, 0);
		assert_int_equal(drain(&direct, stream + cut, n - cut, done), ARRAY_SIZE(types));

		session_open(&kept);
		assert_int_equal(session_feed(&kept, stream, cut), 0);
		assert_true(session_verify(&kept));
		assert_int_equal(session_has_message(&kept), cut >= FRAME_HEADER_SIZE);
		assert_int_equal(drain(&kept, stream + cut, n - cut, 0), ARRAY_SIZE(types));
	}
}

static void has_message_agrees_with_next(void **state)
{
	uint8_t stream[3 * FRAME_SIZE_MAX];
	size_t n = 0;

	(void)state;
	n += message_write(stream, PROTO_PING, 0);
	n += message_write(stream + n, PROTO_LIMITS, 1);
	n += message_write(stream + n, PROTO_PING, 2);
	/* A part in the reader, a part kept, wherever the border is. */
	for (size_t in_reader = 0; in_reader < FRAME_HEADER_SIZE; in_reader++) {
		for (size_t cut = in_reader; cut <= n; cut++) {
			struct session session = { 0 };
			const uint8_t *at = stream;
			size_t left = in_reader;
			struct proto_message message;
			bool has;

			session_open(&session);
			assert_int_equal(session_next(&session, &at, &left, &message),
					 SESSION_PARTIAL);
			assert_int_equal(session_feed(&session, stream + in_reader, cut - in_reader),
					 0);
			do {
				has = session_has_message(&session);
				assert_int_equal(session_next(&session, &at, &left, &message),
						 has ? SESSION_READY : SESSION_PARTIAL);
			} while (has);
		}
	}
}

static void feed_beyond_the_room_keeps_nothing(void **state)
{
	struct session session = { 0 };
	uint8_t bytes[SESSION_IN_MAX + 1] = { 0 };

	(void)state;
	session_open(&session);
	assert_int_equal(session_room(&session), SESSION_IN_MAX);
	assert_int_equal(session_feed(&session, bytes, sizeof(bytes)), SESSION_E_FLOOD);
	assert_int_equal(session_room(&session), SESSION_IN_MAX);
	assert_int_equal(session_feed(&session, bytes, 10), 0);
	assert_int_equal(session_room(&session), SESSION_IN_MAX - 10);
	assert_int_equal(session_feed(&session, bytes, SESSION_IN_MAX - 9), SESSION_E_FLOOD);
	assert_int_equal(session_feed(&session, bytes, SESSION_IN_MAX - 10), 0);
	assert_int_equal(session_feed(&session, bytes, 0), 0);
	assert_true(session_verify(&session));
}

static void ended_session_is_as_good_as_new(void **state)
{
	struct session session = { 0 };
	uint8_t bytes[FRAME_SIZE_MAX];
	const uint8_t *at = bytes;
	size_t n = message_write(bytes, PROTO_LIMITS, 1);
	struct proto_message message;

	(void)state;
	session_open(&session);
	n -= 1;
	assert_int_equal(session_next(&session, &at, &n, &message), SESSION_PARTIAL);
	assert_int_equal(session_feed(&session, bytes, 5), 0);
	session_end(&session);
	assert_true(session_verify(&session));
	session_open(&session);
	n = message_write(bytes, PROTO_PING, 2);
	at = bytes;
	assert_int_equal(session_next(&session, &at, &n, &message), SESSION_READY);
	assert_int_equal(message.request, 2);
}

static void verify_sees_each_broken_invariant(void **state)
{
	struct session good = { 0 };
	struct session bad;

	(void)state;
	session_open(&good);
	assert_true(session_verify(&good));
	bad = good;
	bad.state = SESSION_STATE_COUNT;
	assert_false(session_verify(&bad));
	bad = good;
	bad.in_used = SESSION_IN_MAX + 1;
	assert_false(session_verify(&bad));
	bad = good;
	bad.in_off = 1;
	assert_false(session_verify(&bad));
	bad = good;
	bad.reader.used = FRAME_SIZE_MAX + 1;
	assert_false(session_verify(&bad));
	bad = good;
	bad.client = 0;
	assert_false(session_verify(&bad));
	bad = (struct session){ .in_used = 1 };
	assert_false(session_verify(&bad));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_allowed_before_admission),
		cmocka_unit_test(what_the_daemon_says_is_never_allowed_from_a_client),
		cmocka_unit_test(each_message_moves_the_state_as_the_table_says),
		cmocka_unit_test(bad_bytes_are_told_apart),
		cmocka_unit_test(every_cut_gives_the_same_messages_kept_or_not),
		cmocka_unit_test(has_message_agrees_with_next),
		cmocka_unit_test(feed_beyond_the_room_keeps_nothing),
		cmocka_unit_test(ended_session_is_as_good_as_new),
		cmocka_unit_test(verify_sees_each_broken_invariant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

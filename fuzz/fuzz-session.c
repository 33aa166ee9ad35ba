/*
 * fuzz-session.c: one connection's bytes, given in pieces, kept or taken directly.
 *
 * Input: one byte n, then n % 16 bytes of plan, then the stream.  Byte i of the plan says of piece i
 * (round and round): low 6 bits half its length, high bit kept (session_feed) or direct; of what is kept one
 * message is taken at once if the bit below is set.
 * Checked: the same messages in the same order as from the whole stream, and the same end;
 * session_has_message tells what session_next does; session_verify after every step.
 */
#include "fuzz.h"

#include "core/session.h"

#define STREAM_MAX 2048u

struct run {
	uint64_t hash;
	uint32_t n_messages;
	int outcome; /* PARTIAL, or the E that ended it */
};

static void session_open(struct session *session)
{
	const struct proto_hello hello = { .version = PROTO_VERSION, .pid = 5 };

	session_begin(session, &hello);
	session_admit(session, 1000, 1000, 77);
}

/* Everything there is; then PARTIAL or an E. */
static void drain(struct session *session, const uint8_t *bytes, size_t n, struct run *run, bool once)
{
	struct proto_message message;

	do {
		bool has = session_has_message(session);
		bool direct = n > 0;
		uint8_t frame[FRAME_SIZE_MAX];

		enum session_state state = session->state;

		run->outcome = session_next(session, &bytes, &n, &message);
		FUZZ_ASSERT(session_verify(session));
		FUZZ_ASSERT(direct || has == (run->outcome != SESSION_PARTIAL));
		FUZZ_SAY("  %s %s", session_outcome_to_string(run->outcome),
			 run->outcome == SESSION_READY ? proto_type_to_string(message.type) : "");
		FUZZ_ASSERT(session_outcome_to_string(run->outcome)[0] != '\0');
		if (run->outcome != SESSION_READY)
			break;
		FUZZ_ASSERT(session_allows(state, message.type));
		run->hash = run->hash * 31 + message.request;
		run->n_messages++;
		for (size_t i = 0, size = proto_encode(&message, frame); i < size; i++)
			run->hash = run->hash * 31 + frame[i];
	} while (!once);
	FUZZ_ASSERT(run->outcome != SESSION_PARTIAL || n == 0);
	if (run->outcome == SESSION_READY)
		run->outcome = SESSION_PARTIAL; /* for the next one */
}

static struct run run_stream(const uint8_t *stream, size_t size, const uint8_t *plan, size_t n_plan)
{
	struct session session = { 0 };
	struct run run = { .outcome = SESSION_PARTIAL };
	size_t at = 0;

	session_open(&session);
	for (size_t i = 0; at < size && run.outcome == SESSION_PARTIAL; i++) {
		uint8_t step = n_plan > 0 ? plan[i % n_plan] : 0x7f;
		size_t piece = (step & 0x3f) * 2u + 1u;

		piece = piece < size - at ? piece : size - at;
		FUZZ_SAY("bytes %zu to %zu, %s", at, at + piece, step & 0x80 ? "kept" : "direct");
		if (step & 0x80 && session_feed(&session, stream + at, piece) == 0) {
			FUZZ_ASSERT(session_verify(&session));
			if (step & 0x40)
				drain(&session, NULL, 0, &run, true);
		} else if (step & 0x80) {
			FUZZ_ASSERT(piece > session_room(&session));
			drain(&session, NULL, 0, &run, false);
			continue;
		} else {
			drain(&session, stream + at, piece, &run, false);
		}
		at += piece;
	}
	if (run.outcome == SESSION_PARTIAL)
		drain(&session, NULL, 0, &run, false);
	session_end(&session);
	FUZZ_ASSERT(session_verify(&session));
	return run;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { .bytes = data, .size = size };
	const uint8_t *plan;
	size_t n_plan = fuzz_bytes(&input, fuzz_u8(&input) % 16, &plan);
	const uint8_t *stream;
	size_t n = fuzz_bytes(&input, STREAM_MAX, &stream);
	struct run whole = run_stream(stream, n, NULL, 0);
	struct run cut = run_stream(stream, n, plan, n_plan);

	FUZZ_ASSERT(strcmp(session_outcome_to_string(SESSION_E_FLOOD), session_outcome_to_string(-1)) != 0);
	FUZZ_ASSERT(whole.hash == cut.hash && whole.n_messages == cut.n_messages);
	FUZZ_ASSERT(whole.outcome == cut.outcome);
	return 0;
}

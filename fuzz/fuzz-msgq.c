/*
 * fuzz-msgq.c: calls of four clients on one queue, compared with the model after each.
 *
 * Three bytes a call: operation = byte % 16, client = byte / 16 % 4; then a, b.
 *   0 1 2    send             type 1 + a % 4, b bytes of text
 *   3 4      send or sleep    the same; sleeper a / 4 % 32
 *   5 6 7    receive          type a % 9 - 4, up to b bytes; a & 64: NOERROR, a & 128: EXCEPT
 *   8 9      receive or sleep the same; sleeper b % 32
 *   10 11 12 end a sleep      sleeper a % 32; b & 1: cancel rather than poll
 *   13       copy             position a % 16 - 1, up to b bytes; a & 128: NOERROR; a & 64: storage is
 *                             given back instead
 *   14       set              qbytes a * 4, 600 at most
 *   15       recover          the client; with a and b 255: remove the queue instead
 * Not covered: calls beside each other (tests/explore), files that lie (test-msgq-lies-hooks).
 */
#include "fuzz.h"
#include "hooks.h"

#include "model/msgq-pair.h"

#define FILE_SIZE (3u << 20)
#define QBYTES 600u
#define INPUT_MAX 900u

static _Alignas(4096) uint8_t file[FILE_SIZE];
static struct msgq_pair pair;

static bool call_receive(const struct actor *actor, uint8_t a, uint8_t b, uint32_t sleeper)
{
	const struct msgq_want want = {
		.type = a % 9 - 4,
		.size = b,
		.flags = (a & 64 ? ABI_MSG_NOERROR : 0) | (a & 128 ? ABI_MSG_EXCEPT : 0),
	};

	return msgq_pair_receive(&pair, actor, &want, sleeper);
}

static bool call(const struct actor *actor, uint8_t operation, uint8_t a, uint8_t b)
{
	switch (operation) {
	case 0:
	case 1:
	case 2:
		return msgq_pair_send(&pair, actor, 1 + a % 4, b, MSGQ_PAIR_NO_WAIT);
	case 3:
	case 4:
		return msgq_pair_send(&pair, actor, 1 + a % 4, b, a / 4 % MODEL_SLEEPERS_MAX);
	case 5:
	case 6:
	case 7:
		return call_receive(actor, a, b, MSGQ_PAIR_NO_WAIT);
	case 8:
	case 9:
		return call_receive(actor, a, b, b % MODEL_SLEEPERS_MAX);
	case 10:
	case 11:
	case 12:
		return msgq_pair_end(&pair, a % MODEL_SLEEPERS_MAX, b & 1);
	case 13:
		if (a & 64)
			return msgq_pair_trim(&pair, actor);
		return msgq_pair_copy(&pair, a % 16 - 1, b, a & 128);
	case 14:
		return msgq_pair_set(&pair, actor, a * 4u < QBYTES ? a * 4u : QBYTES);
	default:
		if (a == 255 && b == 255)
			return msgq_pair_remove(&pair, actor);
		return msgq_pair_recover(&pair, actor);
	}
}

static void say(const struct actor *actor, uint8_t operation, uint8_t a, uint8_t b)
{
	static const char *const names[16] = {
		"send", "send", "send", "send or sleep", "send or sleep", "receive", "receive",
		"receive", "receive or sleep", "receive or sleep", "end a sleep", "end a sleep",
		"end a sleep", "copy", "set", "recover or remove",
	};

	if (operation < 5)
		FUZZ_SAY("client %u: %s type %d, %u bytes", (unsigned)actor->client,
			 names[operation], 1 + a % 4, b);
	else if (operation < 10)
		FUZZ_SAY("client %u: %s type %d, up to %u bytes%s%s", (unsigned)actor->client,
			 names[operation], a % 9 - 4, b, a & 64 ? " MSG_NOERROR" : "",
			 a & 128 ? " MSG_EXCEPT" : "");
	else
		FUZZ_SAY("client %u: %s %u, %u", (unsigned)actor->client, names[operation], a, b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size < INPUT_MAX ? size : INPUT_MAX, 0 };

	hooks_reset();
	msgq_pair_init(&pair, file, FILE_SIZE, QBYTES);
	while (!fuzz_done(&input)) {
		uint8_t byte = fuzz_u8(&input), a = fuzz_u8(&input), b = fuzz_u8(&input);
		const struct actor actor = {
			.client = 1 + byte / 16 % 4,
			.pid = 10 + byte / 16 % 4,
			.now_s = (int64_t)input.at,
		};

		say(&actor, byte % 16, a, b);
		FUZZ_ASSERT(call(&actor, byte % 16, a, b));
		FUZZ_SAY("  %u messages, %u bytes; %u woken", (unsigned)pair.model.stat.qnum,
			 (unsigned)pair.model.stat.cbytes, pair.model.n_woken);
	}
	FUZZ_ASSERT(msgq_verify(&pair.queue));
	return 0;
}

/*
 * fuzz-msgq.c: calls of four clients on one queue, compared with the model after each; also one in the
 * middle of another, and ones that are left there for ever.
 *
 * Three bytes a call: operation = byte % 16, client = byte / 16 % 4; then a, b.  byte & 64: by another of
 * its threads, b / 2 % 4, or if b & 1 by one that keeps nothing of the queue from call to call.
 *   0 1 2    send             type 1 + a % 4, b bytes of text
 *   3 4      send or sleep    the same; sleeper a / 4 % 32
 *   5 6 7    receive          type a % 9 - 4, up to b bytes; a & 64: NOERROR, a & 128: EXCEPT
 *   8 9      receive or sleep the same; sleeper b % 32
 *   10 11 12 end a sleep      sleeper a % 32; b & 1: cancel rather than poll
 *   13       copy             position a % 16 - 1, up to b bytes; a & 128: NOERROR; a & 64: storage is
 *                             given back instead
 *   14       set              qbytes a * 4, 600 at most
 *   15       recover          the client (its death, or an exec); with a and b 255: remove the queue instead
 * And with byte & 128 in the client's stead, number 1 + a / 8 % 4:
 *   0 1 2 3  send             type 1 + a % 4, b bytes; 3: may not begin
 *   4 5      receive          type a % 8 - 3, the lowest there is instead of -3, up to b bytes, flags as
 *                             above; may wait
 *   6 7 8    receive          the same; 6: may not wait, 7: may not begin, 8: neither
 *   9 10     end
 *   11 12    in the middle of the call after this one, before its access a + b % 4 * 256, comes the one after
 *            that; b & 128: and the first is left there, then its client recovered, or the daemon's made again
 *   13       set              qbytes 600 + a * 4: the file is made larger if need be
 *   14       settle
 *   15       stat
 * Not covered: more than one in the middle (tests/explore), files that lie (fuzz-msgq-lies).
 */
#include <setjmp.h>
#include <stdio.h>
#include <sys/mman.h>

#include "fuzz.h"
#include "hooks.h"

#include "model/msgq-between.h"

#define QBYTES 600u
#define QBYTES_MAX (QBYTES + 255u * 4u)
#define INPUT_MAX 900u
/* A call's own budget is this and a step a block; a step looks at a few words, a few times. */
#define ACCESSES_MAX (256u * (MCAS_ROUNDS_MAX + 4u * pair.queue.layout.n_blocks))

static uint8_t *file;
static uint64_t file_size;
static struct msgq_pair pair;
static struct msgq_between between;
static bool has_met; /* the second has run */
static jmp_buf way_out;

/* As if the file system were full: who touches what has no storage dies. */
static void back(void *pages, uint64_t size, bool is_backed)
{
	FUZZ_ASSERT(mprotect(pages, size, is_backed ? PROT_READ | PROT_WRITE : PROT_NONE) == 0);
}

/* --- what the bytes say -------------------------------------------------------------------------- */

static void decode_receive(struct msgq_act *act, int64_t type, uint8_t a, uint8_t b)
{
	act->want.type = type;
	act->want.size = b;
	act->want.flags = (a & 64 ? ABI_MSG_NOERROR : 0) | (a & 128 ? ABI_MSG_EXCEPT : 0);
}

/* Of byte & 128. */
static void decode_stead(struct msgq_act *act, uint8_t operation, uint8_t a, uint8_t b)
{
	if (operation > 10) {
		act->kind = operation == 13   ? MSGQ_ACT_SET
			    : operation == 14 ? MSGQ_ACT_SETTLE
					      : MSGQ_ACT_STAT;
		act->want.size = QBYTES + a * 4u;
		return;
	}
	act->stead.number = 1 + a / 8 % 4;
	act->stead.may_begin = operation != 3 && operation < 7;
	act->stead.may_wait = operation == 4 || operation == 5 || operation == 7;
	act->place = msgq_act_place(act->actor.client, act->stead.number);
	act->actor.hint = MSGQ_HINT_NONE;
	act->kind = operation < 4   ? MSGQ_ACT_STEAD_SEND
		    : operation < 9 ? MSGQ_ACT_STEAD_RECEIVE
				    : MSGQ_ACT_STEAD_END;
	if (operation < 4)
		act->want = (struct msgq_want){ .type = 1 + a % 4, .size = b };
	else if (operation < 9)
		decode_receive(act, a % 8 == 0 ? INT64_MIN : a % 8 - 3, a, b);
}

static void decode_own(struct msgq_act *act, uint8_t operation, uint8_t a, uint8_t b)
{
	if (operation < 5) {
		act->kind = MSGQ_ACT_SEND;
		act->want = (struct msgq_want){ .type = 1 + a % 4, .size = b };
		act->place = operation < 3 ? MSGQ_NO_PLACE : a / 4 % MODEL_SLEEPERS_MAX;
	} else if (operation < 10) {
		act->kind = MSGQ_ACT_RECEIVE;
		decode_receive(act, a % 9 - 4, a, b);
		act->place = operation < 8 ? MSGQ_NO_PLACE : b % MODEL_SLEEPERS_MAX;
	} else if (operation < 13) {
		act->kind = MSGQ_ACT_END;
		act->place = a % MODEL_SLEEPERS_MAX;
		act->cancels = b & 1;
	} else if (operation == 13) {
		act->kind = a & 64 ? MSGQ_ACT_TRIM : MSGQ_ACT_COPY;
		decode_receive(act, a % 16 - 1, a & 128 ? 64 : 0, b);
	} else if (operation == 14) {
		act->kind = MSGQ_ACT_SET;
		act->want.size = a * 4u < QBYTES ? a * 4u : QBYTES;
	} else {
		act->kind = a == 255 && b == 255 ? MSGQ_ACT_REMOVE : MSGQ_ACT_RECOVER;
	}
}

static bool is_meeting(uint8_t byte)
{
	return (byte & 128) && byte % 16 >= 11 && byte % 16 <= 12;
}

static void decode(struct fuzz_input *input, uint8_t byte, struct msgq_act *ret_act)
{
	uint8_t a = fuzz_u8(input), b = fuzz_u8(input);

	*ret_act = (struct msgq_act){
		.actor = {
			.client = 1 + byte / 16 % 4,
			.pid = 10 + byte / 16 % 4,
			.hint = (byte & 64) == 0 ? 0 : b & 1 ? MSGQ_HINT_NONE : 1u + b / 2 % 4,
			.now_s = (int64_t)input->at,
		},
		.place = MSGQ_NO_PLACE,
	};
	((byte & 128) ? decode_stead : decode_own)(ret_act, byte % 16, a, b);
}

/* --- calls --------------------------------------------------------------------------------------- */

static void say(const struct msgq_act *act, const struct msgq_result *result, const char *how)
{
	static const char *const names[] = { "sends", "receives", "ends a sleep", "copies", "asks for stat",
					     "sets", "settles", "gives storage back", "is recovered",
					     "is the next daemon", "removes", "sends in stead", "receives in stead",
					     "ends in stead" };

	char place[32] = "";

	if (!fuzz_telling)
		return;
	if (act->place != MSGQ_NO_PLACE)
		(void)snprintf(place, sizeof(place), ", sleeper %u", (unsigned)act->place);
	fuzz_say("client %u: %s%s: type %lld, %u bytes%s%s%s%s; outcome %d", (unsigned)act->actor.client,
		 names[act->kind], how, (long long)act->want.type, (unsigned)act->want.size,
		 act->want.flags & ABI_MSG_NOERROR ? " MSG_NOERROR" : "",
		 act->want.flags & ABI_MSG_EXCEPT ? " MSG_EXCEPT" : "", place,
		 act->cancels ? ", leaves" : "", result->outcome);
}

static void state_say(void)
{
	FUZZ_SAY("  %u messages, %u bytes; %u woken", (unsigned)pair.model.stat.qnum,
		 (unsigned)pair.model.stat.cbytes, pair.model.n_woken);
}

static void call(struct msgq_act *act)
{
	static struct msgq_result result;
	bool is_same;

	if (!msgq_act_prepare(&pair, act))
		return;
	hooks_budget(ACCESSES_MAX);
	is_same = msgq_pair_do(&pair, act, &result);
	say(act, &result, "");
	FUZZ_ASSERT(is_same);
	state_say();
}

static void meet(void)
{
	has_met = true;
	msgq_act_on_queue(&pair, &between.second, &between.of_second);
	if (between.is_left)
		longjmp(way_out, 1);
}

/* The first runs, with the second in its middle if it is long enough. */
static void run_first(uint32_t n)
{
	has_met = false;
	hooks_budget(ACCESSES_MAX);
	if (setjmp(way_out) == 0) {
		hooks_call(n, meet);
		msgq_act_on_queue(&pair, &between.first, &between.of_first);
	}
	hooks_call(0, NULL);
	if (has_met && between.is_left)
		msgq_between_leave(&pair, &between);
}

static void call_both(struct msgq_act *first, struct msgq_act *second, uint32_t n, bool is_left)
{
	const char *wrong;

	if (second->actor.client == first->actor.client)
		second->actor.hint = MSGQ_HINT_NONE; /* another thread */
	if (!msgq_act_prepare(&pair, first) || !msgq_act_prepare(&pair, second) ||
	    !msgq_between_may(&pair, first, second)) {
		call(first);
		call(second);
		return;
	}
	between.first = *first;
	between.second = *second;
	between.is_left = is_left;
	run_first(n);
	if (!has_met) {
		say(first, &between.of_first, "");
		FUZZ_ASSERT(msgq_pair_follow(&pair, first, &between.of_first));
		call(second);
		return;
	}
	say(&between.second, &between.of_second, " in the middle of what follows");
	if (between.is_left)
		for (uint32_t i = 0; i < between.n_after; i++)
			say(&between.after[i], &between.of_after[i], " after the first was left there");
	else
		say(&between.first, &between.of_first, "");
	wrong = msgq_between_explain(&pair, &between);
	if (wrong)
		FUZZ_SAY("access %u: %s", n, wrong);
	FUZZ_ASSERT(!wrong);
	state_say();
}

static void step(struct fuzz_input *input)
{
	struct msgq_act first, second;
	uint8_t byte = fuzz_u8(input), a, b;

	if (!is_meeting(byte)) {
		decode(input, byte, &first);
		call(&first);
		return;
	}
	a = fuzz_u8(input);
	b = fuzz_u8(input);
	byte = fuzz_u8(input);
	decode(input, byte, &first);
	byte = fuzz_u8(input);
	decode(input, byte, &second);
	call_both(&first, &second, a + b % 4 * 256u, b & 128);
}

/* The file's pages, with closed ones around them; not of the program's data, which leak checkers read. */
static void map(void)
{
	struct msgq_layout layout;
	uint8_t *mapping;

	FUZZ_ASSERT(msgq_layout(QBYTES_MAX, &layout) == 0);
	mapping = mmap(NULL, layout.size + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FUZZ_ASSERT(mapping != MAP_FAILED);
	file = mapping + 4096;
	file_size = layout.size;
}

/* Nobody leaves anything behind. */
static void recover_all(void)
{
	for (uint32_t i = 0; i < 4; i++) {
		struct msgq_act act = {
			.kind = MSGQ_ACT_RECOVER,
			.actor = { .client = 1 + i, .pid = 10 + i },
			.place = MSGQ_NO_PLACE,
		};

		call(&act);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size < INPUT_MAX ? size : INPUT_MAX, 0 };

	if (!file)
		map();
	hooks_reset();
	pair.back = back;
	msgq_pair_init(&pair, file, file_size, QBYTES);
	hooks_region(file, file_size);
	while (!fuzz_done(&input))
		step(&input);
	FUZZ_ASSERT(msgq_verify(&pair.queue));
	recover_all();
	FUZZ_ASSERT(msgq_verify(&pair.queue));
	return 0;
}

/*
 * fuzz-msgq-lies.c: a message queue in a file that a peer rewrites as it likes, at any time (P5).
 *
 * Byte 0: share of the input that lies are made of.  Then calls, by first byte: % 16 which, / 16 % 4
 * the client; every load of a call may lie.  Sizes are a byte, times 4 from 128 on.
 *   0 1 2  send: type 1 + n % 4, size          3  the same, may sleep
 *   4 5    receive: type n % 9 - 4, size; 64 NOERROR, 128 EXCEPT of the type's byte   6  may sleep
 *   7 8    a sleeper looks again, leaves: which
 *   9      MSG_COPY: position, of 64 and more in thousands, size   10 IPC_SET: qbytes
 *   11     death; if the next byte is 128 or more in the client's stead, by that % 4: 0 send: type, size,
 *          1 2 receive: as above, 3 end; number 1 + it / 4 % 4; 16: may not begin; 32: may not wait;
 *          64: it is the next daemon, which takes back what a killed one held
 *   12     IPC_RMID, if the next byte is 0; storage is given back, if it is odd; settle otherwise
 *   13     everything that reads; maps the file anew, as it is then
 *   14     word W (16 bits) of area A becomes V (hooks.h)
 *   15     the daemon makes room for n * 8 bytes more
 * Checked: every access in the mapping, every call ends within its bound with one of its outcomes,
 * wakes and growths are inside the file, nothing is written beyond the caller's buffer.
 * Not covered: what a call does with lies beyond that: it may be wrong, but only to its own caller.
 */
#include <sys/mman.h>

#include "fuzz.h"
#include "hooks.h"

#include "core/msgq-internal.h"

#define QBYTES 600u
#define QBYTES_MAX (QBYTES + 4 * 255u * 8u)
#define CALLS_MAX 64u
#define SLEEPERS 4u
#define AGAIN_MAX 8u
#define TEXT_MAX 1024u
/* A call's own budget is this and a step a block; a step looks at a few words, a few times. */
#define ACCESSES_MAX (256u * (MCAS_ROUNDS_MAX + 4u * queue.layout.n_blocks))

static struct msgq queue;
static uint8_t *file;
static size_t file_size;
static struct msgq_sleeper sleepers[SLEEPERS];
static struct msgq_want wants[SLEEPERS];
static enum { AWAKE, SENDS, RECEIVES } doing[SLEEPERS];
static uint8_t text[TEXT_MAX + 16];

static void check(int outcome, const struct wakes *wakes)
{
	FUZZ_ASSERT(outcome >= MSGQ_DONE && outcome <= MSGQ_E_BUSY);
	FUZZ_ASSERT(text[TEXT_MAX] == 0xa5 && text[TEXT_MAX + 15] == 0xa5);
	FUZZ_ASSERT(!wakes || wakes->n <= MSGQ_WAKES_MAX);
	for (uint32_t i = 0; wakes && i < wakes->n; i++)
		FUZZ_ASSERT(wakes->word_indexes[i] < queue.mcas.n_words);
}

/* True if the call is to be made again. */
static bool again(int outcome, uint32_t *n)
{
	struct msgq_growth growth;

	if ((outcome != MSGQ_GROW && outcome != MSGQ_MORE) || ++*n > AGAIN_MAX)
		return false;
	hooks_budget(ACCESSES_MAX);
	if (outcome == MSGQ_MORE)
		return true;
	msgq_growth(&queue, &growth);
	FUZZ_ASSERT(growth.n_ranges <= ARRAY_SIZE(growth.ranges));
	for (uint32_t i = 0; i < growth.n_ranges; i++)
		FUZZ_ASSERT(growth.ranges[i].off <= queue.layout.size &&
			    growth.ranges[i].size <= queue.layout.size - growth.ranges[i].off);
	msgq_growth_done(&queue, &growth);
	return true;
}

static uint32_t size_next(struct fuzz_input *input)
{
	uint32_t byte = fuzz_u8(input);

	return byte < 128 ? byte : byte * 4;
}

static uint32_t place_free(void)
{
	uint32_t place = 0;

	while (place < SLEEPERS && doing[place] != AWAKE)
		place++;
	return place;
}

static void slept(uint32_t place, bool receives, const struct msgq_want *want)
{
	FUZZ_ASSERT(sleepers[place].word_index < queue.mcas.n_words);
	wants[place] = *want;
	doing[place] = receives ? RECEIVES : SENDS;
}

static void call_send(struct fuzz_input *input, const struct actor *actor, bool sleeps)
{
	int64_t type = 1 + fuzz_u8(input) % 4;
	const struct msgq_want want = { .size = size_next(input) };
	uint32_t place = place_free(), n = 0;
	struct msgq_sleeper sleeper;
	struct wakes wakes = { 0 };
	int outcome;

	sleeps = sleeps && place < SLEEPERS;
	do
		outcome = msgq_send_or_wait(&queue, actor, type, text, want.size, &wakes,
					    sleeps ? &sleeper : NULL);
	while (again(outcome, &n));
	FUZZ_SAY("client %u: send type %lld, %u bytes%s: outcome %d", (unsigned)actor->client,
		 (long long)type, (unsigned)want.size, sleeps ? ", may sleep" : "", outcome);
	check(outcome, &wakes);
	if (outcome != MSGQ_WAITING)
		return;
	FUZZ_ASSERT(sleeps);
	sleepers[place] = sleeper;
	slept(place, false, &want);
}

static struct msgq_want want_next(struct fuzz_input *input)
{
	uint8_t code = fuzz_u8(input);

	return (struct msgq_want){
		.type = (code & 63) % 9 - 4,
		.size = size_next(input),
		.flags = (code & 64 ? ABI_MSG_NOERROR : 0) | (code & 128 ? ABI_MSG_EXCEPT : 0),
	};
}

static void call_receive(struct fuzz_input *input, const struct actor *actor, bool sleeps)
{
	const struct msgq_want want = want_next(input);
	uint32_t place = place_free(), n = 0;
	struct msgq_sleeper sleeper;
	struct wakes wakes = { 0 };
	uint64_t size = 0;
	int64_t type;
	int outcome;

	sleeps = sleeps && place < SLEEPERS;
	do
		outcome = msgq_receive_or_wait(&queue, actor, &want, text, &size, &type, &wakes,
					       sleeps ? &sleeper : NULL);
	while (again(outcome, &n));
	FUZZ_SAY("client %u: receive type %lld, %u bytes%s: outcome %d", (unsigned)actor->client,
		 (long long)want.type, (unsigned)want.size, sleeps ? ", may sleep" : "", outcome);
	check(outcome, &wakes);
	FUZZ_ASSERT(outcome != MSGQ_DONE || size <= want.size);
	if (outcome != MSGQ_WAITING)
		return;
	FUZZ_ASSERT(sleeps);
	sleepers[place] = sleeper;
	slept(place, true, &want);
}

static void call_sleeper(struct fuzz_input *input, bool leaves)
{
	uint32_t place = fuzz_u8(input) % SLEEPERS;
	struct msgq_sleeper *sleeper = &sleepers[place];
	const struct actor actor = { .client = sleeper->client, .pid = 1, .hint = sleeper->hint };
	struct wakes wakes = { 0 };
	uint64_t size = 0;
	int64_t type;
	int outcome;

	if (doing[place] == AWAKE)
		return;
	if (doing[place] == SENDS)
		outcome = leaves ? msgq_send_cancel(&queue, &actor, sleeper, &wakes)
				 : msgq_send_poll(&queue, sleeper);
	else
		outcome = (leaves ? msgq_receive_cancel : msgq_receive_poll)(
			&queue, &actor, sleeper, &wants[place], text, &size, &type, &wakes);
	FUZZ_SAY("sleeper %u %s: outcome %d", place, leaves ? "leaves" : "looks", outcome);
	check(outcome, &wakes);
	FUZZ_ASSERT(outcome != MSGQ_DONE || size <= wants[place].size);
	FUZZ_ASSERT(sleeper->word_index < queue.mcas.n_words);
	if (outcome != MSGQ_WAITING && outcome != MSGQ_E_BUSY && outcome != MSGQ_REMAP)
		doing[place] = AWAKE;
}

static void call_reads(const struct actor *actor)
{
	struct msgq_stat stat;
	struct msgq other;

	msgq_get_stat(&queue, &stat); /* anything will do, here and below */
	(void)msgq_is_removed(&queue);
	(void)msgq_holds(&queue, actor->client);
	hooks_budget(ACCESSES_MAX);
	(void)msgq_verify(&queue);
	FUZZ_ASSERT(msgq_bind(&other, file, 4096) == MSGQ_E_CORRUPT);
	FUZZ_ASSERT(msgq_bind(&other, file + 8, file_size - 8) == MSGQ_E_CORRUPT);
	FUZZ_ASSERT(msgq_extend(&queue, file_size, queue.layout.qbytes_max - 1) == MSGQ_E_INVAL);
	FUZZ_ASSERT(msgq_extend(&queue, file_size, MSG_TEXT_MAX + UINT64_C(1)) == MSGQ_E_INVAL);
	if (msgq_bind(&other, file, file_size) != MSGQ_DONE)
		return;
	FUZZ_ASSERT(other.layout.size <= file_size);
	FUZZ_SAY("mapped anew: room for %u bytes", (unsigned)other.layout.qbytes_max);
	hooks_lie(false);
	(void)msgq_bind(&queue, file, file_size); /* or keeps what it had */
}

static int call_trim(const struct actor *actor)
{
	struct msgq_trim trim;
	uint64_t off, size;
	int outcome = MSGQ_DONE;

	(void)msgq_trim_is_due(&queue, actor->now_s); /* anything will do */
	if (!msgq_trim_begin(&queue, actor))
		return MSGQ_BLOCKED;
	msgq_trim_close(&queue);
	outcome = msgq_trim_flip(&queue, actor);
	hooks_budget(ACCESSES_MAX);
	if (msgq_trim_left(&queue, &trim) && msgq_trim_is_quiet(&queue)) {
		while (msgq_trim_next(&queue, &trim, &off, &size)) {
			FUZZ_ASSERT(off % 4096 == 0 && off <= queue.layout.size);
			FUZZ_ASSERT(size <= queue.layout.size - off && off >= queue.layout.blocks_off);
		}
		msgq_trim_done(&queue, &trim);
	}
	msgq_trim_end(&queue, actor, false);
	return outcome;
}

static int call_stead(struct fuzz_input *input, const struct actor *client, uint8_t byte)
{
	const struct stead stead = { 1 + byte / 4 % 4, !(byte & 16), !(byte & 32) };
	struct actor actor = *client;
	struct msgq_want want = { 0 };
	struct wakes wakes = { 0 };
	uint64_t size = 0;
	uint32_t n = 0;
	int64_t type;
	int outcome;

	if (byte % 4 != 3)
		want = want_next(input);
	if (byte & 64)
		actor.client = ACTOR_DAEMON;
	do
		outcome = byte & 64       ? msgq_stead_recover(&queue, &actor, &wakes)
			  : byte % 4 == 0 ? msgq_stead_send(&queue, &actor, &stead, 1 + (want.type & 3), text,
							  want.size, &wakes)
			  : byte % 4 == 3
				  ? msgq_stead_end(&queue, &actor, stead.number, &wakes)
				  : msgq_stead_receive(&queue, &actor, &stead, &want, text, &size, &type,
						       &wakes);
	while (again(outcome, &n));
	check(outcome, &wakes);
	FUZZ_ASSERT(outcome != MSGQ_DONE || size <= want.size);
	return outcome;
}

static void call_others(struct fuzz_input *input, const struct actor *actor, uint8_t which)
{
	uint8_t byte = fuzz_u8(input);
	struct wakes wakes = { 0 };
	uint64_t size = 0;
	uint32_t n = 0, size_max;
	int64_t type;
	int outcome = MSGQ_DONE;

	if (which == 9) {
		size_max = size_next(input);
		outcome = msgq_copy(&queue, (byte % 16 - 1) * (byte & 64 ? 1024 : 1), size_max, byte & 128,
				    text, &size, &type);
		FUZZ_ASSERT(outcome != MSGQ_DONE || size <= size_max);
	} else if (which == 15) {
		outcome = msgq_extend(&queue, file_size, queue.layout.qbytes_max + byte * 8u);
	} else if (which == 12 && byte % 2 == 1) {
		outcome = call_trim(actor);
	} else if (which == 11 && byte >= 128) {
		outcome = call_stead(input, actor, byte);
	} else {
		do
			outcome = which == 10	? msgq_set(&queue, actor, byte * 4u, &wakes)
				  : which == 11 ? msgq_recover(&queue, actor, &wakes)
				  : byte == 0	? msgq_remove(&queue, actor, &wakes)
						: msgq_settle(&queue, actor, &wakes);
		while (again(outcome, &n));
	}
	FUZZ_SAY("%s of client %u, %u: outcome %d",
		 which == 9    ? "copy"
		 : which == 10 ? "set"
		 : which == 11 ? (byte < 128 ? "death" : "call in the stead")
		 : which == 15 ? "more room"
		 : byte == 0   ? "removal"
		 : byte % 2    ? "trim"
			       : "settle",
		 (unsigned)actor->client, byte, outcome);
	check(outcome, &wakes);
}

static void overwrite(struct fuzz_input *input)
{
	const uint64_t starts[] = { 0, queue.layout.slots_off, queue.layout.words_off,
				    queue.layout.records_off, queue.layout.blocks_off,
				    queue.layout.blocks_off };
	uint64_t off = starts[fuzz_u8(input) % ARRAY_SIZE(starts)] + 8u * (fuzz_u16(input) % 1024u);
	struct shared64 *word = (struct shared64 *)(void *)(file + off);
	uint64_t value = hooks_value(input, shared64_load(word));

	shared64_store(word, value);
	FUZZ_SAY("word %u becomes %016llx", (unsigned)(off / 8), (unsigned long long)value);
}

static void call(struct fuzz_input *input)
{
	uint8_t code = fuzz_u8(input), which = code % 16;
	const struct actor actor = { .client = 1 + code / 16 % 4,
				     .pid = 10 + code / 16 % 4,
				     .hint = code & 128 ? MSGQ_HINT_NONE : code / 16,
				     .now_s = (int64_t)input->at };

	hooks_budget(ACCESSES_MAX);
	if (which == 14) {
		overwrite(input);
		return;
	}
	hooks_lie(true);
	if (which < 4)
		call_send(input, &actor, which == 3);
	else if (which < 7)
		call_receive(input, &actor, which == 6);
	else if (which < 9)
		call_sleeper(input, which == 8);
	else if (which == 13)
		call_reads(&actor);
	else
		call_others(input, &actor, which);
	hooks_lie(false);
}

/* A file as large as it can become, zero, with closed pages around it. */
static void reset(void)
{
	struct msgq_layout layout;
	uint8_t *mapping;

	hooks_reset();
	if (!file) {
		FUZZ_ASSERT(msgq_layout(QBYTES_MAX, &layout) == 0);
		file_size = layout.size;
		mapping = mmap(NULL, file_size + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		FUZZ_ASSERT(mapping != MAP_FAILED);
		file = mapping + 4096;
		FUZZ_ASSERT(mprotect(file, file_size, PROT_READ | PROT_WRITE) == 0);
	}
	FUZZ_ASSERT(madvise(file, file_size, MADV_DONTNEED) == 0);
	memset(doing, 0, sizeof(doing));
	memset(text, 0xa5, sizeof(text));
	FUZZ_ASSERT(msgq_layout(QBYTES, &layout) == 0);
	msgq_format(file, &layout, QBYTES, 1);
	FUZZ_ASSERT(msgq_bind(&queue, file, file_size) == MSGQ_DONE);
	hooks_region(file, file_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { .bytes = data, .size = size };
	struct fuzz_input lies = fuzz_split(&input, fuzz_u8(&input));

	reset();
	hooks_lies(&lies);
	for (uint32_t i = 0; i < CALLS_MAX && !fuzz_done(&input); i++)
		call(&input);
	return 0;
}

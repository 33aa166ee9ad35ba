/*
 * test-msgq-lies-hooks.c: the message queue over a file that a peer rewrites as it likes (P5).
 *
 * Random words of the file are overwritten before each call, or each load may return something
 * else than what is there.  Whatever happens: every access lies in the mapping, nothing is written
 * beyond the caller's buffer, every call ends within its bound and with one of its outcomes.
 */
#include "test.h"

#include <stdlib.h>

#include "core/atomic.h"
#include "core/base.h"
#include "core/msgq-internal.h"
#include "msgq-fixture.h"

#define ROUNDS 10000u
/* Some hundred milliseconds.  Honest calls make a few hundred accesses. */
#define ACCESSES_MAX 60000000u
#define TEXT_MAX 500u

static struct fixture fixture;
static uint32_t random_state, lie_odds;
static uint64_t n_accesses, n_accesses_most;

void assert_fail(const char *expression, const char *file_name, int line)
{
	fail_msg("%s:%d: %s", file_name, line, expression);
	abort();
}

static uint32_t below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % n;
}

/*
 * A number that somebody might take for something.  Few are odd: a mark that nobody ever made is
 * looked at up to MCAS_ROUNDS_MAX times, which is bounded but slow.
 */
static uint64_t lie(uint64_t truth)
{
	switch (below(7)) {
	case 0:
		return 0;
	case 1:
		return truth ^ UINT64_C(2) << below(63);
	case 2:
		return truth + (UINT64_C(1) << 32) * below(4);
	case 3:
		return (uint64_t)below(20) << 32 | below(64) << 1;
	case 4:
		return (uint64_t)below(1u << 30) << 33 | below(1u << 30) << 1;
	case 5:
		return (uint64_t)fixture.layout.n_blocks << 32;
	default:
		return UINT64_MAX - (below(100) == 0 ? 2 * below(3) : 1);
	}
}

void hook_access(enum hook_kind kind, const volatile void *address)
{
	const volatile uint8_t *at = address;

	if (kind != HOOK_PAUSE &&
	    (at < fixture.base || at >= fixture.base + fixture.layout.size))
		abort(); /* no jump out of here: the call is in the middle of things */
	if (++n_accesses > ACCESSES_MAX)
		abort();
}

/* Not NULL: another root with every load. */
static const volatile void *restless;

uint64_t hook_value(const volatile void *address, uint64_t value)
{
	if (address && address == restless)
		return (n_accesses << 16) + below(8);
	return lie_odds && below(lie_odds) == 0 ? lie(value) : value;
}

static void scribble(uint32_t n)
{
	const uint64_t starts[] = { 0, 0, 4096, fixture.layout.words_off,
				    fixture.layout.records_off, fixture.layout.blocks_off };
	const uint32_t sizes[] = { 256, 4096, 4096, 256, 1024, 8192 };
	uint32_t i, part;
	uint64_t word;
	uint8_t *at;

	for (i = 0; i < n; i++) {
		part = below(ARRAY_SIZE(starts));
		at = fixture.base + starts[part] + below(sizes[part] / 8) * 8;
		if (at < fixture.base + 24) /* only bind reads what the file says it is ... */
			continue;
		memcpy(&word, at, 8);
		word = lie(word);
		memcpy(at, &word, 8);
	}
}

static struct msgq_want random_want(void)
{
	return (struct msgq_want){ .type = (int64_t)below(7) - 3, .size = below(TEXT_MAX),
				   .flags = below(2) ? ABI_MSG_NOERROR : 0 };
}

/* One call of any kind; its outcome. */
static int call_any(struct msgq_sleeper *sleeper, uint8_t *text)
{
	const struct actor actor = fixture_actor(1 + below(3));
	const struct msgq_want want = random_want();
	struct msgq *queue = &fixture.queue;
	struct msgq_growth growth;
	struct msgq_stat stat;
	struct wakes wakes;
	uint64_t size = 0;
	int64_t type;
	int outcome = MSGQ_DONE;

	switch (below(16)) {
	case 0:
	case 1:
	case 2:
		outcome = msgq_send(queue, &actor, 1 + below(3), text, want.size, &wakes);
		break;
	case 3:
		outcome = msgq_send_or_wait(queue, &actor, 1, text, want.size, &wakes, sleeper);
		break;
	case 4:
	case 5:
		outcome = msgq_receive(queue, &actor, &want, text, &size, &type, &wakes);
		break;
	case 6:
	case 7:
		outcome = msgq_receive_or_wait(queue, &actor, &want, text, &size, &type, &wakes, sleeper);
		break;
	case 8:
		outcome = msgq_receive_poll(queue, &actor, sleeper, &want, text, &size, &type, &wakes);
		break;
	case 9:
		outcome = msgq_receive_cancel(queue, &actor, sleeper, &want, text, &size, &type,
					      &wakes);
		break;
	case 10:
		outcome = below(2) ? msgq_send_poll(queue, sleeper)
				   : msgq_send_cancel(queue, &actor, sleeper, &wakes);
		break;
	case 11:
		outcome = msgq_copy(queue, below(5), want.size, below(2), text, &size, &type);
		if (outcome != MSGQ_DONE)
			size = 0;
		break;
	case 12:
		outcome = below(2) ? msgq_set(queue, &actor, 1000, &wakes)
				   : msgq_settle(queue, &actor, &wakes);
		break;
	case 13:
		outcome = msgq_recover(queue, &actor, &wakes);
		break;
	case 14:
		msgq_get_stat(queue, &stat);
		(void)msgq_is_removed(queue); /* any answer will do */
		(void)msgq_holds(queue, actor.client);
		(void)msgq_verify(queue);
		break;
	default:
		if (below(8) == 0)
			outcome = msgq_remove(queue, &actor, &wakes);
		msgq_growth(queue, &growth);
		msgq_growth_done(queue, &growth);
		break;
	}
	assert_true(size <= want.size);
	assert_true(sleeper->index < fixture.layout.n_sleepers);
	return outcome;
}

static void call_many(uint32_t seed, uint32_t odds, uint32_t n_scribbles)
{
	struct msgq_sleeper sleeper = { .client = FIXTURE_CLIENT };
	uint8_t text[TEXT_MAX + 16];
	uint32_t round;
	int outcome;

	memset(text, 0xa5, sizeof(text));
	random_state = seed;
	fixture_init(&fixture, 1000);
	for (round = 0; round < ROUNDS; round++) {
		if (round % 20 == 0) {
			lie_odds = 0;
			memset(fixture.base, 0, fixture.layout.words_off + 4096);
			memset(fixture.base + fixture.layout.records_off, 0, 4096);
			msgq_format(fixture.base, &fixture.layout, 1000, FIXTURE_NOW);
			lie_odds = odds;
		}
		scribble(below(n_scribbles + 1));
		n_accesses = 0;
		outcome = call_any(&sleeper, text);
		if (n_accesses > n_accesses_most)
			n_accesses_most = n_accesses;
		assert_true(outcome >= MSGQ_DONE && outcome <= MSGQ_E_BUSY);
		assert_int_equal(text[TEXT_MAX], 0xa5);
		assert_int_equal(text[TEXT_MAX + 15], 0xa5);
	}
	lie_odds = 0;
	fixture_deinit(&fixture);
}

static void scribbled_files_harm_nobody_else(void **state)
{
	uint32_t seed;

	(void)state;
	for (seed = 1; seed <= 12; seed++)
		call_many(seed * 7919, 0, seed);
	print_message("at most %lu accesses\n", (unsigned long)n_accesses_most);
}

static void loads_that_lie_harm_nobody_else(void **state)
{
	static const uint32_t odds[] = { 2, 3, 5, 10, 30, 100, 300, 1000 };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(odds); i++)
		call_many(1000003u * (uint32_t)(i + 1), odds[i], 0);
	print_message("at most %lu accesses\n", (unsigned long)n_accesses_most);
}

/* A try to find it still is one of the call's steps, and not a thousand for each of them. */
static void a_guard_that_never_holds_still_is_a_call_that_ends(void **state)
{
	const struct actor actor = fixture_actor(1);
	const struct msgq_want want = { .size = TEXT_MAX };
	struct msgq_sleeper sleeper = { 0 };
	uint8_t text[TEXT_MAX];
	struct wakes wakes;
	uint64_t size;
	int64_t type;
	int outcome;

	(void)state;
	random_state = 1;
	fixture_init(&fixture, 1000);
	restless = &((struct msgq_header *)(void *)fixture.base)->guard;
	n_accesses = 0;
	outcome = msgq_receive(&fixture.queue, &actor, &want, text, &size, &type, &wakes);
	assert_int_equal(outcome, MSGQ_E_BUSY);
	n_accesses = 0;
	outcome = msgq_receive_or_wait(&fixture.queue, &actor, &want, text, &size, &type, &wakes,
				       &sleeper);
	assert_int_equal(outcome, MSGQ_E_BUSY);
	restless = NULL;
	fixture_deinit(&fixture);
}

/* What was handed to a sleeper is no longer there, and others change the queue: no reason to say "again". */
static void freeing_what_has_gone_has_an_outcome(void **state)
{
	const struct actor actor = fixture_actor(1);
	struct msgq_call call;
	uint32_t word;

	(void)state;
	random_state = 1;
	fixture_init(&fixture, 1000);
	assert_int_equal(fixture_send(&fixture, 1, 1, "text", 4), MSGQ_DONE); /* an entry, and storage */
	assert_int_equal(msgq_begin(&call, &fixture.queue, &actor, NULL), MSGQ_DONE);
	assert_int_equal(msgq_enter(&call, true), MSGQ_DONE);
	word = sleeper_word(&fixture.queue.sleepers, 0);
	assert_int_equal(msgq_handed_free(&call, word, UINT64_C(77) << 32, 0), MSGQ_E_CORRUPT);
	restless = &call.header->guard;
	n_accesses = 0;
	assert_int_equal(msgq_handed_free(&call, word, UINT64_C(77) << 32, 0), MSGQ_E_BUSY);
	restless = NULL;
	fixture_deinit(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scribbled_files_harm_nobody_else),
		cmocka_unit_test(loads_that_lie_harm_nobody_else),
		cmocka_unit_test(a_guard_that_never_holds_still_is_a_call_that_ends),
		cmocka_unit_test(freeing_what_has_gone_has_an_outcome),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

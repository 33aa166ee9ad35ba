/*
 * test-msgq-hooks.c: the message queue with one call stopped, killed or overtaken at every step.
 *
 * The hooks build sends every shared access through hook_access().  Each scenario sets a queue up
 * and lets client A make one call.  At its n-th access, for every n, A is left for ever: others must
 * get through beside it, and after recovery (itself killed once at any of its steps) every message
 * must be there once, or have gone with the call, and no block be lost.  Or another client sends and
 * receives everything at that step, and A goes on.
 */
#include "test.h"

#include <stdlib.h>

#include "core/atomic.h"
#include "msgq-fixture.h"

enum { A = 1, B = 2, C = 3 };
#define TYPES 10
#define T(n) (1u << (n)) /* a set of them */
#define NEW_TYPE 9       /* what A sends */
#define PROBE_TYPE 8     /* what B sends */
#define STEPS_MAX 4000u
#define QBYTES 700u

/* What a scenario may touch, as parts of the file: enough to save and restore. */
#define BLOCKS_SAVED (8u * 4096u)
#define RECORDS_SAVED 4096u
#define SECOND_BLOCK 16384u /* the first of the second arena */

struct scenario {
	const char *name;
	void (*setup)(void);
	void (*call)(void);
	uint32_t certain; /* types that must be there afterwards, as bits */
	uint32_t maybe;   /* types that A's call may or may not have brought or taken */
};

static struct fixture fixture;
static uint8_t saved_common[4 * 4096], saved_words[RECORDS_SAVED];
static uint8_t saved_records[RECORDS_SAVED], saved_blocks[BLOCKS_SAVED], saved_second[BLOCKS_SAVED];
static struct msgq_sleeper a_sleeper, c_sleeper, saved_a_sleeper;
static const struct msgq_want any = { .type = 0, .size = 300 };
static bool c_sleeps;

static unsigned int steps_left; /* until at_step */
static void (*at_step)(void);
static jmp_buf way_out;
static uint32_t found[TYPES]; /* messages received, by type; [0]: set of what A says it sent */

void assert_fail(const char *expression, const char *file_name, int line)
{
	fail_msg("%s:%d: %s", file_name, line, expression);
	abort();
}

void hook_access(enum hook_kind kind, const volatile void *address)
{
	const volatile uint8_t *at = address;

	/* A pause names no address. */
	if (kind != HOOK_PAUSE)
		assert_true(at >= fixture.base && at < fixture.base + fixture.layout.size);
	if (steps_left > 0 && --steps_left == 0 && at_step)
		at_step();
}

uint64_t hook_value(const volatile void *address, uint64_t value)
{
	(void)address;
	return value;
}

static void leave(void)
{
	longjmp(way_out, 1);
}

/* --- messages that can be told apart -------------------------------------------------------------- */

static uint32_t size_of(int64_t type)
{
	return (uint32_t)type * 30; /* one block up to type 3, then two or three */
}

static int put(uint32_t who, int64_t type)
{
	uint8_t text[300];

	fixture_text(text, size_of(type), (uint32_t)type);
	return fixture_send(&fixture, who, type, text, size_of(type));
}

static void note(const uint8_t *text, uint64_t size, int64_t type)
{
	uint8_t expected[300];

	assert_true(type > 0 && type < TYPES);
	assert_int_equal(size, size_of(type));
	fixture_text(expected, size, (uint32_t)type);
	assert_memory_equal(text, expected, size);
	found[type]++;
}

static void drain(uint32_t who)
{
	uint8_t text[300];
	uint64_t size;
	int64_t type;
	int outcome;

	while ((outcome = fixture_receive(&fixture, who, 0, 0, text, 300, &size, &type)) == MSGQ_DONE)
		note(text, size, type);
	assert_true(outcome == MSGQ_BLOCKED || outcome == MSGQ_E_REMOVED);
}

/* Ends C's sleep, if it has one, and notes what it was given. */
static void end_c(void)
{
	const struct actor actor = fixture_actor(C);
	struct wakes wakes;
	uint8_t text[300];
	uint64_t size;
	int64_t type;

	if (!c_sleeps)
		return;
	c_sleeps = false;
	if (msgq_receive_cancel(&fixture.queue, &actor, &c_sleeper, &any, text, &size, &type,
				&wakes) == MSGQ_DONE)
		note(text, size, type);
}

/* --- scenarios ----------------------------------------------------------------------------------- */

static void have(const char *types)
{
	for (; *types; types++)
		assert_int_equal(put(B, *types - '0'), MSGQ_DONE);
}

static void setup_empty(void) { have(""); }
static void setup_one(void) { have("1"); }
static void setup_three(void) { have("241"); }
static void setup_full(void) { have("4567"); }

static void setup_receiver(void)
{
	static const struct msgq_want small = { .type = 0, .size = 1 };
	struct msgq_sleeper gone;

	fixture_sleep_receive(&fixture, B, &small, &gone); /* gets E2BIG; nobody looks after it */
	fixture_sleep_receive(&fixture, C, &any, &c_sleeper);
	c_sleeps = true;
}

static void setup_sender(void)
{
	uint8_t text[300] = { 0 };
	struct msgq_sleeper gone;

	setup_full();
	fixture_sleep_send(&fixture, B, 1, text, 100, &gone);
}

static void setup_handed(void)
{
	fixture_sleep_receive(&fixture, A, &any, &a_sleeper);
	have("41");
}

static void setup_two_handed(void)
{
	struct msgq_sleeper other;

	fixture_sleep_receive(&fixture, A, &any, &other);
	setup_handed();
	fixture_sleep_receive(&fixture, A, &any, &other); /* a dead one must not be handed anything */
}

static void setup_waiting(void) { fixture_sleep_receive(&fixture, A, &any, &a_sleeper); }

static void call_send(void)
{
	if (put(A, NEW_TYPE) == MSGQ_DONE)
		found[0] |= T(NEW_TYPE);
}

static void call_receive_as(int64_t wanted, uint32_t flags, bool wait)
{
	const struct actor actor = fixture_actor(A);
	const struct msgq_want want = { .type = wanted, .size = 300, .flags = flags };
	struct wakes wakes;
	uint8_t text[300];
	uint64_t size;
	int64_t type;
	int outcome;

	FIXTURE_CALL(&fixture.queue, outcome,
		     msgq_receive_or_wait(&fixture.queue, &actor, &want, text, &size, &type, &wakes,
					  wait ? &a_sleeper : NULL));
	if (outcome == MSGQ_DONE)
		note(text, size, type);
}

static void call_receive(int64_t wanted, bool wait) { call_receive_as(wanted, 0, wait); }
static void call_receive_first(void) { call_receive(0, false); }
static void call_receive_other(void) { call_receive_as(2, ABI_MSG_EXCEPT, false); }
static void call_receive_type_4(void) { call_receive(4, false); }
static void call_receive_lowest(void) { call_receive(-9, false); }
static void call_receive_or_wait(void) { call_receive(7, true); }

/* Its entry holds blocks of the message before, more than are needed and then too few. */
static void call_send_twice(void)
{
	call_receive(4, false);
	call_send();
}

static void call_send_or_wait(void)
{
	const struct actor actor = fixture_actor(A);
	struct wakes wakes;
	uint8_t text[300];
	int outcome;

	fixture_text(text, size_of(NEW_TYPE), NEW_TYPE);
	FIXTURE_CALL(&fixture.queue, outcome,
		     msgq_send_or_wait(&fixture.queue, &actor, NEW_TYPE, text, size_of(NEW_TYPE),
				       &wakes, &a_sleeper));
	if (outcome == MSGQ_DONE) /* somebody has made room meanwhile */
		found[0] |= T(NEW_TYPE);
}

static void end_a(bool cancel)
{
	const struct actor actor = fixture_actor(A);
	struct wakes wakes;
	uint8_t text[300];
	uint64_t size;
	int64_t type;
	int outcome;

	outcome = cancel ? msgq_receive_cancel(&fixture.queue, &actor, &a_sleeper, &any, text, &size,
					       &type, &wakes)
			 : msgq_receive_poll(&fixture.queue, &actor, &a_sleeper, &any, text, &size,
					     &type, &wakes);
	if (outcome == MSGQ_DONE)
		note(text, size, type);
}

static void call_poll(void) { end_a(false); }
static void call_cancel(void) { end_a(true); }

static void call_set(void)
{
	const struct actor actor = fixture_actor(A);
	struct wakes wakes;

	assert_int_equal(msgq_set(&fixture.queue, &actor, QBYTES - 1, &wakes), MSGQ_DONE);
}

static void call_recover(void)
{
	const struct actor actor = fixture_actor(A);
	struct wakes wakes;

	assert_int_equal(msgq_recover(&fixture.queue, &actor, &wakes), MSGQ_DONE);
}

static uint8_t *second_arena(void)
{
	return fixture.base + fixture.layout.blocks_off + SECOND_BLOCK * 128u;
}

/* Gives storage back, twice, so that either arena is taken into use. */
static void call_trim(void)
{
	const struct actor actor = fixture_actor(A);
	struct msgq_trim trim;
	uint64_t off, size;
	int outcome, i;

	for (i = 0; i < 2; i++) {
		if (!msgq_trim_begin(&fixture.queue, &actor))
			return;
		msgq_trim_close(&fixture.queue);
		outcome = msgq_trim_flip(&fixture.queue, &actor);
		assert_true(outcome == MSGQ_DONE || outcome == MSGQ_BLOCKED || outcome == MSGQ_E_BUSY);
		while (msgq_trim_left(&fixture.queue, &trim) && msgq_trim_is_quiet(&fixture.queue)) {
			while (msgq_trim_next(&fixture.queue, &trim, &off, &size))
				memset(fixture.base + off, 0, size);
			msgq_trim_done(&fixture.queue, &trim);
		}
		msgq_trim_end(&fixture.queue, &actor, false);
	}
}

static const struct scenario scenarios[] = {
	{ "send to an empty queue", setup_empty, call_send, 0, T(9) },
	{ "send behind others", setup_three, call_send, T(2) | T(4) | T(1), T(9) },
	{ "send to receivers", setup_receiver, call_send, 0, T(9) },
	{ "receive the only one", setup_one, call_receive_first, 0, T(1) },
	{ "receive the first", setup_three, call_receive_first, T(4) | T(1), T(2) },
	{ "receive from the middle", setup_three, call_receive_type_4, T(2) | T(1), T(4) },
	{ "receive another type", setup_three, call_receive_other, T(2) | T(1), T(4) },
	{ "receive and send", setup_three, call_send_twice, T(2) | T(1), T(4) | T(9) },
	{ "receive the lowest", setup_three, call_receive_lowest, T(2) | T(4), T(1) },
	{ "receive and wake a sender", setup_sender, call_receive_type_4, T(5) | T(6) | T(7), T(4) },
	{ "sleep as a sender", setup_full, call_send_or_wait, T(4) | T(5) | T(6) | T(7), T(9) },
	{ "sleep as a receiver", setup_three, call_receive_or_wait, T(2) | T(4) | T(1), 0 },
	{ "take what was handed over", setup_handed, call_poll, T(1), T(4) },
	{ "leave with what was handed over", setup_handed, call_cancel, T(1), T(4) },
	{ "leave", setup_waiting, call_cancel, 0, 0 },
	{ "set", setup_receiver, call_set, 0, 0 },
	{ "recover", setup_two_handed, call_recover, T(4) | T(1), 0 },
	{ "give storage back", setup_empty, call_trim, 0, 0 },
	{ "give no storage back", setup_handed, call_trim, T(1) | T(4), 0 },
};

static void scenario_save(const struct scenario *scenario)
{
	fixture_init(&fixture, QBYTES);
	c_sleeps = false;
	/* Storage first: a call that is restarted after a GROW would need too many steps. */
	assert_int_equal(put(B, 9), MSGQ_DONE);
	drain(B);
	scenario->setup();
	memset(found, 0, sizeof(found));
	memcpy(saved_common, fixture.base, sizeof(saved_common));
	memcpy(saved_words, fixture.base + fixture.layout.words_off, RECORDS_SAVED);
	memcpy(saved_records, fixture.base + fixture.layout.records_off, RECORDS_SAVED);
	memcpy(saved_blocks, fixture.base + fixture.layout.blocks_off, BLOCKS_SAVED);
	memcpy(saved_second, second_arena(), BLOCKS_SAVED);
	saved_a_sleeper = a_sleeper;
}

static void scenario_restore(void)
{
	memcpy(fixture.base, saved_common, sizeof(saved_common));
	memcpy(fixture.base + fixture.layout.words_off, saved_words, RECORDS_SAVED);
	memcpy(fixture.base + fixture.layout.records_off, saved_records, RECORDS_SAVED);
	memcpy(fixture.base + fixture.layout.blocks_off, saved_blocks, BLOCKS_SAVED);
	memcpy(second_arena(), saved_second, BLOCKS_SAVED);
	a_sleeper = saved_a_sleeper;
	memset(found, 0, sizeof(found));
	steps_left = 0;
}

/* Runs what with act at its n-th access.  False when it has fewer. */
static bool run_until(unsigned int n, void (*what)(void), void (*act)(void))
{
	volatile bool reached = true;

	steps_left = n;
	at_step = act;
	if (setjmp(way_out) == 0) {
		what();
		reached = steps_left == 0;
	}
	steps_left = 0;
	return reached;
}

/* B lives on beside whatever A left behind, without help. */
static void others_get_through(void)
{
	struct msgq_stat stat;
	int outcome;

	msgq_get_stat(&fixture.queue, &stat);
	assert_true(stat.qnum <= 5);
	assert_true(stat.cbytes <= QBYTES);
	outcome = put(B, PROBE_TYPE);
	assert_true(outcome == MSGQ_DONE || outcome == MSGQ_BLOCKED);
	drain(B);
}

static void recover_others(void)
{
	uint32_t who;

	for (who = B; who <= C; who++) {
		const struct actor actor = fixture_actor(who);
		struct wakes wakes;

		assert_int_equal(msgq_recover(&fixture.queue, &actor, &wakes), MSGQ_DONE);
	}
}

static void all_is_accounted_for(const struct scenario *scenario, bool was_left)
{
	uint32_t type;

	drain(B);
	end_c();
	recover_others();
	drain(B);
	for (type = 1; type < TYPES; type++) {
		if (type == PROBE_TYPE)
			assert_true(found[type] <= 1);
		else if (scenario->certain & T(type))
			assert_int_equal(found[type], 1);
		else if (scenario->maybe & T(type))
			assert_true(found[type] == 1 || (found[type] == 0 && was_left) ||
				    (type == NEW_TYPE && found[0] == 0));
		else
			assert_int_equal(found[type], 0);
	}
	if (!msgq_verify(&fixture.queue))
		fail_msg("%s: the queue does not verify", scenario->name);
	assert_false(msgq_holds(&fixture.queue, FIXTURE_CLIENT + A));
}

static void a_left_at_any_step_delays_nobody_and_loses_nothing(void **state)
{
	size_t i;
	unsigned int n, total = 0;
	bool sleeping;

	(void)state;
	for (i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		scenario_save(&scenarios[i]);
		sleeping = c_sleeps;
		for (n = 1; n < STEPS_MAX; n++) {
			scenario_restore();
			c_sleeps = sleeping;
			if (!run_until(n, scenarios[i].call, leave))
				break;
			others_get_through();
			call_recover();
			all_is_accounted_for(&scenarios[i], true);
			total++;
		}
		assert_true(n > 5 && n < STEPS_MAX);
		fixture_deinit(&fixture);
	}
	print_message("%u steps\n", total);
}

static void recovery_killed_at_any_step_is_done_again(void **state)
{
	size_t i;
	unsigned int n, m, stride, total = 0;
	bool sleeping;

	(void)state;
	for (i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		scenario_save(&scenarios[i]);
		sleeping = c_sleeps;
		for (n = 1; n < STEPS_MAX; n++) {
			stride = 1 + n % 5 + n / 200 * 8; /* most of a long call is looking at one entry after the other */
			for (m = 1; m < STEPS_MAX; m += stride) {
				bool over;

				scenario_restore();
				c_sleeps = sleeping;
				if (!run_until(n, scenarios[i].call, leave))
					break;
				over = !run_until(m, call_recover, leave);
				call_recover();
				all_is_accounted_for(&scenarios[i], true);
				total++;
				/* Past the entries and descriptors it mostly looks at free records. */
				if (over || m > 700)
					break;
			}
			if (m == 1)
				break;
		}
		fixture_deinit(&fixture);
	}
	print_message("%u pairs of steps\n", total);
}

/* Entries that name A, in the header's page. */
static uint32_t entries_of_a(void)
{
	uint64_t owner;
	uint32_t off, n = 0;

	for (off = 256; off < 4096; off += 32) {
		memcpy(&owner, fixture.base + off, sizeof(owner));
		n += owner == FIXTURE_CLIENT + A;
	}
	return n;
}

/* A longjmp out of a signal handler: the thread lives on, and nobody recovers anything. */
static void a_left_by_a_jump_goes_on_with_what_it_held(void **state)
{
	unsigned int n, n_lost;
	bool sleeping;
	size_t i;

	(void)state;
	for (i = 0; scenarios[i].call != call_send_or_wait; i++) {
		scenario_save(&scenarios[i]);
		sleeping = c_sleeps;
		n_lost = 0;
		for (n = 1; n < STEPS_MAX; n++) {
			scenario_restore();
			c_sleeps = sleeping;
			if (!run_until(n, scenarios[i].call, leave))
				break;
			(void)put(A, PROBE_TYPE); /* full, perhaps */
			drain(A);
			n_lost += entries_of_a() - 1;
			if (!msgq_verify(&fixture.queue))
				fail_msg("%s, left at %u: the queue does not verify", scenarios[i].name, n);
		}
		assert_true(n_lost <= 1); /* between claiming it and writing down for whom */
		fixture_deinit(&fixture);
	}
}

static void overtake(void)
{
	steps_left = 0;
	others_get_through();
}

static void a_overtaken_at_any_step_goes_on(void **state)
{
	size_t i;
	unsigned int n;
	bool sleeping;

	(void)state;
	for (i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		scenario_save(&scenarios[i]);
		sleeping = c_sleeps;
		for (n = 1; n < STEPS_MAX; n++) {
			scenario_restore();
			c_sleeps = sleeping;
			if (!run_until(n, scenarios[i].call, overtake))
				break;
			call_recover(); /* for scenarios that leave A asleep */
			all_is_accounted_for(&scenarios[i], false);
		}
		fixture_deinit(&fixture);
	}
}

static uint64_t qnum_after_lower;

static void send_lower(void)
{
	struct msgq_stat stat;

	assert_int_equal(put(B, 1), MSGQ_DONE);
	msgq_get_stat(&fixture.queue, &stat);
	qnum_after_lower = stat.qnum;
}

static void setup_higher(void) { have("243"); }

/* MSG-13 also against what arrives while the queue is searched. */
static void lower_type_that_came_before_the_receive_is_taken_by_it(void **state)
{
	const struct scenario scenario = { .setup = setup_higher };
	unsigned int n;

	(void)state;
	scenario_save(&scenario);
	for (n = 1; n < STEPS_MAX; n++) {
		scenario_restore();
		if (!run_until(n, call_receive_lowest, send_lower))
			break;
		if (qnum_after_lower == 4) /* the receive had not happened yet */
			assert_int_equal(found[1], 1);
		else
			assert_int_equal(found[2], 1);
	}
	assert_true(n > 10);
	fixture_deinit(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_left_at_any_step_delays_nobody_and_loses_nothing),
		cmocka_unit_test(recovery_killed_at_any_step_is_done_again),
		cmocka_unit_test(a_left_by_a_jump_goes_on_with_what_it_held),
		cmocka_unit_test(a_overtaken_at_any_step_goes_on),
		cmocka_unit_test(lower_type_that_came_before_the_receive_is_taken_by_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

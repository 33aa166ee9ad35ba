/*
 * test-stead-hooks.c: calls made in somebody's stead, with who makes them killed at every step.
 *
 * A daemon that is killed is followed by one that is asked again.  However often that happens, a call is done
 * once: at its n-th access, for every n, it is left for ever and then asked for again until it is done,
 * looked at once more, and ended, which is left at every step as well.  Or the client dies before it has
 * ended it: then a message is back in its place and what was granted is handed back.  And what a killed daemon
 * held in the file the next one takes back, killed while it does or not: the asker lives on, and has nothing there
 * but what stands.
 */
#include "test.h"

#include <stdlib.h>

#include "core/atomic.h"
#include "core/semset.h"
#include "msgq-fixture.h"

enum { A = 1, B = 2 };
#define NUMBER 77u
#define STEPS_MAX 4000u
#define N_SEMS 3u
#define QBYTES 700u
#define TEXT_SIZE 120u

static struct fixture fixture;
static struct semset set;
static struct semset_layout layout;

static unsigned int steps_left;
static jmp_buf way_out;

void assert_fail(const char *expression, const char *file_name, int line)
{
	fail_msg("%s:%d: %s", file_name, line, expression);
	abort();
}

void hook_access(enum hook_kind kind, const volatile void *address)
{
	(void)kind;
	(void)address;
	if (steps_left > 0 && --steps_left == 0)
		longjmp(way_out, 1);
}

uint64_t hook_value(const volatile void *address, uint64_t value)
{
	(void)address;
	return value;
}

static struct actor actor_of(uint32_t who)
{
	struct actor actor = fixture_actor(who);

	actor.hint = MSGQ_HINT_NONE;
	return actor;
}

/* Makes the call once, killed at its n-th step if it has as many.  False: it had not. */
static bool killed_at(unsigned int n, int (*call)(void))
{
	bool is_killed = true;

	if (setjmp(way_out) == 0) {
		steps_left = n;
		(void)call();
		is_killed = false;
	}
	steps_left = 0;
	return is_killed;
}

/* --- sets --------------------------------------------------------------------------------------- */

static void set_init(const uint16_t *values)
{
	const struct actor actor = actor_of(B);
	struct wakes wakes;
	uint8_t *base;
	int outcome;

	assert_int_equal(semset_layout(N_SEMS, &layout), 0);
	base = mmap(NULL, layout.size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_true(base != MAP_FAILED);
	semset_format(base, &layout, FIXTURE_NOW);
	assert_int_equal(semset_bind(&set, base, layout.size), 0);
	do {
		struct semset_growth growth;

		outcome = semset_set_all(&set, &actor, values, NULL, &wakes);
		if (semset_growth(&set, outcome, &growth))
			semset_grown(&set, &growth);
	} while (outcome >= SEMSET_GROW_SLOTS);
	assert_int_equal(outcome, SEMSET_DONE);
}

static void set_deinit(void)
{
	(void)munmap(set.base, layout.size);
}

static void set_values_are(uint32_t a, uint32_t b, uint32_t c)
{
	const uint32_t expected[N_SEMS] = { a, b, c };

	for (uint32_t i = 0; i < N_SEMS; i++) {
		uint32_t value;

		assert_int_equal(semset_get_value(&set, i, &value), 0);
		assert_int_equal(value, expected[i]);
	}
}

#define SET_CALL(outcome, call)                                         \
	do {                                                            \
		struct semset_growth growth_;                           \
		(outcome) = (call);                                     \
		if (!semset_growth(&set, (outcome), &growth_))          \
			break;                                          \
		semset_grown(&set, &growth_);                           \
	} while (1)

static struct stead asks = { NUMBER, true, true };

static int set_op(void)
{
	static const struct abi_sembuf ops[] = { { 0, -1, ABI_SEM_UNDO }, { 1, 2, 0 }, { 2, 0, 0 } };
	const struct actor actor = actor_of(A);
	struct wakes wakes;
	int outcome;

	SET_CALL(outcome, semset_stead_op(&set, &actor, &asks, ops, ARRAY_SIZE(ops), &wakes));
	return outcome;
}

static int set_assign(void)
{
	static const uint16_t values[N_SEMS] = { 7, 8, 9 };
	const struct actor actor = actor_of(A);
	struct wakes wakes;
	int outcome;

	SET_CALL(outcome, semset_stead_assign(&set, &actor, &asks, values, 0, N_SEMS, NULL, &wakes));
	return outcome;
}

static int set_end(void)
{
	const struct actor actor = actor_of(A);

	semset_stead_end(&set, &actor, NUMBER);
	return 0;
}

static void set_a_dies(void)
{
	const struct actor actor = actor_of(A);
	struct wakes wakes;
	int outcome;

	semset_stead_recover(&set);
	do {
		SET_CALL(outcome, semset_recover(&set, &actor, &wakes));
	} while (outcome == SEMSET_MORE);
	assert_int_equal(outcome, SEMSET_DONE);
	assert_false(semset_holds(&set, actor.client));
	assert_true(semset_verify(&set));
}

static void add(uint32_t sem, int16_t op)
{
	const struct abi_sembuf ops[] = { { (uint16_t)sem, op, 0 } };
	const struct actor actor = actor_of(B);
	struct wakes wakes;
	int outcome;

	SET_CALL(outcome, semset_op(&set, &actor, ops, 1, &wakes));
	assert_int_equal(outcome, SEMSET_DONE);
}

/* How often a call is killed at a step of its own and of its end: all pairs would take long. */
static void semop_killed_anywhere_is_done_once(void **state)
{
	bool is_killed = true;

	(void)state;
	for (unsigned int n = 1; is_killed && n < STEPS_MAX; n++) {
		set_init((const uint16_t[]){ 5, 0, 0 });
		is_killed = killed_at(n, set_op);
		assert_int_equal(set_op(), SEMSET_DONE);
		set_values_are(4, 2, 0);
		add(0, 3); /* others go on; it looks as if the call could be done again */
		assert_int_equal(set_op(), SEMSET_DONE);
		set_values_are(7, 2, 0);
		(void)killed_at(n, set_end);
		(void)set_end();
		(void)set_end();
		set_a_dies();
		set_values_are(8, 2, 0); /* its adjustment */
		set_deinit();
	}
	assert_false(is_killed);
}

static void semop_not_ended_is_handed_back(void **state)
{
	bool is_killed = true;

	(void)state;
	for (unsigned int n = 1; is_killed && n < STEPS_MAX; n++) {
		set_init((const uint16_t[]){ 5, 0, 0 });
		is_killed = killed_at(n, set_op);
		set_a_dies();
		set_values_are(5, 0, 0);
		set_deinit();
	}
	assert_false(is_killed);
}

static void blocked_semop_stands_once_and_is_granted_once(void **state)
{
	bool is_killed = true;

	(void)state;
	for (unsigned int n = 1; is_killed && n < STEPS_MAX; n++) {
		uint32_t ncnt, zcnt;

		set_init((const uint16_t[]){ 0, 0, 0 });
		is_killed = killed_at(n, set_op);
		assert_int_equal(set_op(), SEMSET_WAITING);
		assert_int_equal(set_op(), SEMSET_WAITING);
		assert_int_equal(semset_get_counts(&set, 0, &ncnt, &zcnt), 0);
		assert_int_equal(ncnt, 1);
		add(0, 2);
		set_values_are(1, 2, 0);
		assert_int_equal(set_op(), SEMSET_DONE);
		(void)set_end();
		assert_int_equal(semset_get_counts(&set, 0, &ncnt, &zcnt), 0);
		assert_int_equal(ncnt, 0);
		set_a_dies();
		set_values_are(2, 2, 0);
		set_deinit();
	}
	assert_false(is_killed);
}

static void blocked_semop_is_taken_out_anywhere(void **state)
{
	bool is_killed = true;

	(void)state;
	for (unsigned int n = 1; is_killed && n < STEPS_MAX; n++) {
		set_init((const uint16_t[]){ 0, 0, 0 });
		assert_int_equal(set_op(), SEMSET_WAITING);
		asks.may_wait = false;
		is_killed = killed_at(n, set_op);
		assert_int_equal(set_op(), SEMSET_BLOCKED);
		asks.may_wait = true;
		add(0, 2);
		set_values_are(2, 0, 0);
		set_a_dies();
		set_values_are(2, 0, 0);
		set_deinit();
	}
	assert_false(is_killed);
}

static void setall_killed_anywhere_is_done_once(void **state)
{
	bool is_killed = true;

	(void)state;
	for (unsigned int n = 1; is_killed && n < STEPS_MAX; n++) {
		set_init((const uint16_t[]){ 1, 2, 3 });
		is_killed = killed_at(n, set_assign);
		assert_int_equal(set_assign(), SEMSET_DONE);
		set_values_are(7, 8, 9);
		add(1, -8);
		assert_int_equal(set_assign(), SEMSET_DONE);
		set_values_are(7, 0, 9);
		(void)killed_at(n, set_end);
		(void)set_end();
		set_a_dies();
		set_values_are(7, 0, 9);
		set_deinit();
	}
	assert_false(is_killed);
}

static void what_may_not_begin_is_not_done(void **state)
{
	(void)state;
	set_init((const uint16_t[]){ 5, 0, 0 });
	asks.may_begin = false;
	assert_int_equal(set_op(), SEMSET_BLOCKED);
	assert_int_equal(set_assign(), SEMSET_BLOCKED);
	asks.may_begin = true;
	set_values_are(5, 0, 0);
	set_a_dies();
	set_deinit();
}

/* Two records, and no adjustment, which would stay. */
static int set_long_op(void)
{
	static const struct abi_sembuf ops[] = { { 0, -1, 0 }, { 1, 2, 0 }, { 2, 0, 0 },
						 { 1, -1, 0 }, { 2, 1, 0 }, { 2, -1, 0 } };
	const struct actor actor = actor_of(A);
	struct wakes wakes;
	int outcome;

	SET_CALL(outcome, semset_stead_op(&set, &actor, &asks, ops, ARRAY_SIZE(ops), &wakes));
	return outcome;
}

static int set_next_daemon(void)
{
	semset_stead_recover(&set);
	return 0;
}

/* The daemon is killed at step n of call, the next one in its beginning, the one after it begins. */
static bool set_killed_at(unsigned int n, int (*call)(void))
{
	bool is_killed = killed_at(n, call);

	(void)killed_at(n, set_next_daemon);
	(void)set_next_daemon();
	assert_false(semset_holds(&set, ACTOR_DAEMON));
	return is_killed;
}

static void set_holds_nothing(void)
{
	const struct actor actor = actor_of(A);

	assert_false(semset_holds(&set, actor.client));
	assert_true(semset_verify(&set));
}

static void set_call_leaves_nothing(int (*call)(void), uint32_t n_to_grant)
{
	bool is_killed = true;

	for (unsigned int n = 1; is_killed && n < STEPS_MAX; n++) {
		uint32_t value;

		set_init((const uint16_t[]){ 1 - (uint16_t)n_to_grant, 0, 0 });
		is_killed = set_killed_at(n, call);
		/* It happened, or stands, or has left no trace. */
		assert_int_equal(semset_get_value(&set, 1, &value), 0);
		if (value == 0 && n_to_grant == 0)
			set_holds_nothing();
		if (n_to_grant > 0) {
			assert_int_equal(call(), SEMSET_WAITING);
			add(0, 1);
		}
		assert_int_equal(call(), SEMSET_DONE);
		is_killed = set_killed_at(n, set_end) || is_killed;
		(void)set_end();
		set_holds_nothing();
		set_deinit();
	}
	assert_false(is_killed);
}

static void what_a_killed_daemon_held_in_a_set_comes_back(void **state)
{
	(void)state;
	set_call_leaves_nothing(set_long_op, 0);
	set_call_leaves_nothing(set_long_op, 1);
	set_call_leaves_nothing(set_assign, 0);
}

/* The asker gives up while no daemon is there, and does not ask again. */
static void what_was_taken_out_in_a_set_leaves_nothing(void **state)
{
	bool is_killed = true;

	(void)state;
	for (unsigned int n = 1; is_killed && n < STEPS_MAX; n++) {
		set_init((const uint16_t[]){ 0, 0, 0 });
		assert_int_equal(set_long_op(), SEMSET_WAITING);
		asks.may_wait = false;
		is_killed = set_killed_at(n, set_long_op);
		assert_int_equal(set_long_op(), SEMSET_BLOCKED);
		asks.may_wait = true;
		set_holds_nothing();
		set_deinit();
	}
	assert_false(is_killed);
}

/* --- queues ------------------------------------------------------------------------------------- */

static uint8_t received[TEXT_SIZE];
static uint64_t received_size;
static int64_t received_type;

static void text_is_of(uint32_t seed)
{
	uint8_t expected[TEXT_SIZE];

	fixture_text(expected, TEXT_SIZE, seed);
	assert_int_equal(received_size, TEXT_SIZE);
	assert_memory_equal(received, expected, TEXT_SIZE);
}

static int queue_send(void)
{
	const struct actor actor = actor_of(A);
	struct wakes wakes;
	uint8_t text[TEXT_SIZE];
	int outcome;

	fixture_text(text, TEXT_SIZE, 3);
	FIXTURE_CALL(&fixture.queue, outcome,
		     msgq_stead_send(&fixture.queue, &actor, &asks, 3, text, TEXT_SIZE, &wakes));
	return outcome;
}

static int queue_receive(void)
{
	const struct msgq_want want = { .type = -5, .size = TEXT_SIZE };
	const struct actor actor = actor_of(A);
	struct wakes wakes;
	int outcome;

	FIXTURE_CALL(&fixture.queue, outcome,
		     msgq_stead_receive(&fixture.queue, &actor, &asks, &want, received, &received_size,
					&received_type, &wakes));
	return outcome;
}

static int queue_end(void)
{
	const struct actor actor = actor_of(A);
	struct wakes wakes;
	int outcome;

	FIXTURE_CALL(&fixture.queue, outcome,
		     msgq_stead_end(&fixture.queue, &actor, NUMBER, &wakes));
	return outcome;
}

static int queue_next_daemon(void)
{
	const struct actor actor = { .client = ACTOR_DAEMON, .hint = ACTOR_HINT_NONE };
	struct wakes wakes;
	int outcome;

	FIXTURE_CALL(&fixture.queue, outcome, msgq_stead_recover(&fixture.queue, &actor, &wakes));
	return outcome;
}

static void queue_a_dies(void)
{
	const struct actor actor = actor_of(A);
	struct wakes wakes;
	int outcome;

	assert_int_equal(queue_next_daemon(), MSGQ_DONE);
	FIXTURE_CALL(&fixture.queue, outcome, msgq_recover(&fixture.queue, &actor, &wakes));
	assert_int_equal(outcome, MSGQ_DONE);
	assert_false(msgq_holds(&fixture.queue, actor.client));
	assert_true(msgq_verify(&fixture.queue));
}

static void put(int64_t type)
{
	uint8_t text[TEXT_SIZE];

	fixture_text(text, TEXT_SIZE, (uint32_t)type);
	assert_int_equal(fixture_send(&fixture, B, type, text, TEXT_SIZE), MSGQ_DONE);
}

/* B receives; 0: there is nothing. */
static int64_t take(void)
{
	if (fixture_receive(&fixture, B, 0, 0, received, TEXT_SIZE, &received_size, &received_type) !=
	    MSGQ_DONE)
		return 0;
	text_is_of((uint32_t)received_type);
	return received_type;
}

static void send_killed_anywhere_is_done_once(void **state)
{
	bool is_killed = true;

	(void)state;
	for (unsigned int n = 1; is_killed && n < STEPS_MAX; n++) {
		fixture_init(&fixture, QBYTES);
		put(9);
		is_killed = killed_at(n, queue_send);
		assert_int_equal(queue_send(), MSGQ_DONE);
		assert_int_equal(take(), 9);
		assert_int_equal(take(), 3);
		assert_int_equal(queue_send(), MSGQ_DONE);
		assert_int_equal(take(), 0);
		(void)killed_at(n, queue_end);
		assert_int_equal(queue_end(), MSGQ_DONE);
		assert_int_equal(queue_end(), MSGQ_DONE);
		queue_a_dies();
		assert_int_equal(take(), 0);
		fixture_deinit(&fixture);
	}
	assert_false(is_killed);
}

static void send_to_a_full_queue_leaves_nothing(void **state)
{
	bool is_killed = true;

	(void)state;
	for (unsigned int n = 1; is_killed && n < STEPS_MAX; n++) {
		fixture_init(&fixture, QBYTES);
		for (uint32_t i = 0; i < QBYTES / TEXT_SIZE; i++)
			put(9);
		is_killed = killed_at(n, queue_send);
		assert_int_equal(queue_send(), MSGQ_BLOCKED);
		assert_int_equal(take(), 9);
		assert_int_equal(queue_send(), MSGQ_DONE);
		for (uint32_t i = 1; i < QBYTES / TEXT_SIZE; i++)
			assert_int_equal(take(), 9);
		assert_int_equal(take(), 3);
		queue_a_dies();
		fixture_deinit(&fixture);
	}
	assert_false(is_killed);
}

static void receive_killed_anywhere_is_done_once(void **state)
{
	bool is_killed = true;

	(void)state;
	for (unsigned int n = 1; is_killed && n < STEPS_MAX; n++) {
		fixture_init(&fixture, QBYTES);
		put(9);
		put(4);
		put(4);
		is_killed = killed_at(n, queue_receive);
		for (uint32_t i = 0; i < 2; i++) {
			memset(received, 0, sizeof(received));
			assert_int_equal(queue_receive(), MSGQ_DONE);
			assert_int_equal(received_type, 4);
			text_is_of(4);
		}
		(void)killed_at(n, queue_end);
		assert_int_equal(queue_end(), MSGQ_DONE);
		queue_a_dies();
		assert_int_equal(take(), 9);
		assert_int_equal(take(), 4);
		assert_int_equal(take(), 0);
		fixture_deinit(&fixture);
	}
	assert_false(is_killed);
}

static void message_not_ended_goes_back(void **state)
{
	bool is_killed = true;

	(void)state;
	for (unsigned int n = 1; is_killed && n < STEPS_MAX; n++) {
		fixture_init(&fixture, QBYTES);
		put(4);
		put(9);
		is_killed = killed_at(n, queue_receive);
		queue_a_dies();
		assert_int_equal(take(), 4);
		assert_int_equal(take(), 9);
		assert_int_equal(take(), 0);
		fixture_deinit(&fixture);
	}
	assert_false(is_killed);
}

static void blocked_receive_gets_what_is_sent(void **state)
{
	bool is_killed = true;

	(void)state;
	for (unsigned int n = 1; is_killed && n < STEPS_MAX; n++) {
		fixture_init(&fixture, QBYTES);
		put(9);
		is_killed = killed_at(n, queue_receive);
		assert_int_equal(queue_receive(), MSGQ_WAITING);
		put(2);
		assert_int_equal(take(), 9); /* the other one is handed to it already */
		assert_int_equal(take(), 0);
		assert_int_equal(queue_receive(), MSGQ_DONE);
		assert_int_equal(received_type, 2);
		text_is_of(2);
		assert_int_equal(queue_end(), MSGQ_DONE);
		queue_a_dies();
		assert_int_equal(take(), 0);
		fixture_deinit(&fixture);
	}
	assert_false(is_killed);
}

static void blocked_receive_is_taken_out_anywhere(void **state)
{
	bool is_killed = true;

	(void)state;
	for (unsigned int n = 1; is_killed && n < STEPS_MAX; n++) {
		fixture_init(&fixture, QBYTES);
		assert_int_equal(queue_receive(), MSGQ_WAITING);
		asks.may_wait = false;
		is_killed = killed_at(n, queue_receive);
		assert_int_equal(queue_receive(), MSGQ_BLOCKED);
		asks.may_wait = true;
		put(2);
		assert_int_equal(take(), 2);
		queue_a_dies();
		fixture_deinit(&fixture);
	}
	assert_false(is_killed);
}

/* As set_killed_at(). */
static bool queue_killed_at(unsigned int n, int (*call)(void))
{
	bool is_killed = killed_at(n, call);

	(void)killed_at(n, queue_next_daemon);
	assert_int_equal(queue_next_daemon(), MSGQ_DONE);
	assert_false(msgq_holds(&fixture.queue, ACTOR_DAEMON));
	return is_killed;
}

static void queue_holds_nothing(void)
{
	const struct actor actor = actor_of(A);

	assert_false(msgq_holds(&fixture.queue, actor.client));
	assert_true(msgq_verify(&fixture.queue));
}

static void what_a_killed_daemon_held_in_a_queue_comes_back(void **state)
{
	static int (*const calls[])(void) = { queue_send, queue_receive };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		bool is_killed = true;

		for (unsigned int n = 1; is_killed && n < STEPS_MAX; n++) {
			struct msgq_stat stat;

			fixture_init(&fixture, QBYTES);
			put(4);
			is_killed = queue_killed_at(n, calls[i]);
			/* It happened, or has left no trace. */
			msgq_get_stat(&fixture.queue, &stat);
			if (stat.qnum == 1)
				queue_holds_nothing();
			assert_int_equal(calls[i](), MSGQ_DONE);
			is_killed = queue_killed_at(n, queue_end) || is_killed;
			assert_int_equal(queue_end(), MSGQ_DONE);
			queue_holds_nothing();
			fixture_deinit(&fixture);
		}
		assert_false(is_killed);
	}
}

static void what_was_blocked_in_a_queue_leaves_nothing(void **state)
{
	bool is_killed = true;

	(void)state;
	for (unsigned int n = 1; is_killed && n < STEPS_MAX; n++) {
		fixture_init(&fixture, QBYTES);
		is_killed = queue_killed_at(n, queue_receive);
		assert_int_equal(queue_receive(), MSGQ_WAITING);
		asks.may_wait = false;
		is_killed = queue_killed_at(n, queue_receive) || is_killed;
		assert_int_equal(queue_receive(), MSGQ_BLOCKED);
		asks.may_wait = true;
		queue_holds_nothing();
		for (uint32_t i = 0; i < QBYTES / TEXT_SIZE; i++)
			put(9);
		is_killed = queue_killed_at(n, queue_send) || is_killed;
		assert_int_equal(queue_send(), MSGQ_BLOCKED);
		queue_holds_nothing();
		fixture_deinit(&fixture);
	}
	assert_false(is_killed);
}

/* IPC_SET is made under the daemon's own identity, too. */
static int queue_set(void)
{
	const struct actor actor = { .client = ACTOR_DAEMON, .hint = ACTOR_HINT_NONE };
	struct wakes wakes;
	int outcome;

	FIXTURE_CALL(&fixture.queue, outcome, msgq_set(&fixture.queue, &actor, QBYTES / 2, &wakes));
	return outcome;
}

static void what_a_killed_ipc_set_held_comes_back(void **state)
{
	bool is_killed = true;

	(void)state;
	for (unsigned int n = 1; is_killed && n < STEPS_MAX; n++) {
		fixture_init(&fixture, QBYTES);
		is_killed = queue_killed_at(n, queue_set);
		assert_int_equal(queue_set(), MSGQ_DONE);
		queue_holds_nothing();
		fixture_deinit(&fixture);
	}
	assert_false(is_killed);
}

static void too_long_a_message_stays(void **state)
{
	uint8_t text[TEXT_SIZE + 1] = { 0 };

	(void)state;
	fixture_init(&fixture, QBYTES);
	assert_int_equal(fixture_send(&fixture, B, 1, text, sizeof(text)), MSGQ_DONE);
	assert_int_equal(queue_receive(), MSGQ_E_2BIG);
	queue_a_dies();
	assert_int_equal(queue_receive(), MSGQ_E_2BIG);
	fixture_deinit(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(semop_killed_anywhere_is_done_once),
		cmocka_unit_test(semop_not_ended_is_handed_back),
		cmocka_unit_test(blocked_semop_stands_once_and_is_granted_once),
		cmocka_unit_test(blocked_semop_is_taken_out_anywhere),
		cmocka_unit_test(setall_killed_anywhere_is_done_once),
		cmocka_unit_test(what_may_not_begin_is_not_done),
		cmocka_unit_test(send_killed_anywhere_is_done_once),
		cmocka_unit_test(send_to_a_full_queue_leaves_nothing),
		cmocka_unit_test(receive_killed_anywhere_is_done_once),
		cmocka_unit_test(message_not_ended_goes_back),
		cmocka_unit_test(blocked_receive_gets_what_is_sent),
		cmocka_unit_test(blocked_receive_is_taken_out_anywhere),
		cmocka_unit_test(too_long_a_message_stays),
		cmocka_unit_test(what_a_killed_daemon_held_in_a_set_comes_back),
		cmocka_unit_test(what_was_taken_out_in_a_set_leaves_nothing),
		cmocka_unit_test(what_a_killed_daemon_held_in_a_queue_comes_back),
		cmocka_unit_test(what_was_blocked_in_a_queue_leaves_nothing),
		cmocka_unit_test(what_a_killed_ipc_set_held_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

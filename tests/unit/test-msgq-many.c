/* test-msgq-many.c: the message queue with many messages, many types, many threads. */
#include "test.h"

#include <stdlib.h>

#include "core/base.h"
#include "msgq-fixture.h"

static struct fixture fixture;

static int setup(void **state)
{
	(void)state;
	fixture_init(&fixture, 16384);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_deinit(&fixture);
	return 0;
}

/* --- storage ------------------------------------------------------------------------------------- */

static void a_full_default_queue_takes_three_times_its_text_at_the_most(void **state)
{
	struct msgq_growth growth;
	uint8_t text[64] = { 0 };
	uint64_t size;
	int64_t type;
	uint32_t i;

	(void)state;
	for (i = 0; i < 16384 / 64; i++)
		assert_int_equal(fixture_send(&fixture, i % 3, 1, text, 64), MSGQ_DONE);
	assert_int_equal(fixture_send(&fixture, 1, 1, text, 64), MSGQ_BLOCKED);
	for (i = 0; i < 3000; i++) { /* and no more with use */
		assert_int_equal(fixture_receive(&fixture, i % 4, 0, 0, text, 64, &size, &type),
				 MSGQ_DONE);
		assert_int_equal(fixture_send(&fixture, i % 3, 1, text, 64), MSGQ_DONE);
	}
	msgq_growth(&fixture.queue, &growth);
	assert_true(fixture.layout.common_size + growth.n_blocks * 128u <= 3 * 16384);
	assert_true(msgq_verify(&fixture.queue));
}

/* All of it only in the long run, for the memory's sake: a third more than the text. */
static void largest_queue_takes_all_that_its_size_says(void **state)
{
	static uint8_t text[65536], read[65536];
	uint32_t i, n = MSG_TEXT_MAX / sizeof(text);
	const struct actor actor = fixture_actor(1);
	struct fixture largest;
	struct wakes wakes;
	uint64_t size;
	int64_t type;

	(void)state;
	if (!getenv("USYSV_LONG"))
		n /= 16;
	fixture_init(&largest, MSG_TEXT_MAX);
	if (n < MSG_TEXT_MAX / sizeof(text))
		assert_int_equal(msgq_set(&largest.queue, &actor, n * sizeof(text), &wakes), MSGQ_DONE);
	for (i = 0; i < n; i++) {
		fixture_text(text, 64, i);
		assert_int_equal(fixture_send(&largest, 1, 1 + i, text, sizeof(text)), MSGQ_DONE);
	}
	assert_int_equal(fixture_send(&largest, 1, 1, text, 1), MSGQ_BLOCKED);
	assert_true(msgq_verify(&largest.queue));
	for (i = n; i-- > 0;) { /* the deepest first */
		fixture_text(text, 64, i);
		assert_int_equal(fixture_receive(&largest, 1, 1 + i, 0, read, sizeof(read), &size, &type),
				 MSGQ_DONE);
		assert_int_equal(size, sizeof(text));
		assert_memory_equal(read, text, sizeof(text));
	}
	assert_true(msgq_verify(&largest.queue));
	fixture_deinit(&largest);
}

static void threads_beyond_those_that_keep_an_entry_leave_nothing(void **state)
{
	uint8_t text[64] = { 0 };
	uint64_t size;
	int64_t type;
	uint32_t i, n_holding = 0;

	(void)state;
	for (i = 0; i < 200; i++) {
		assert_int_equal(fixture_send(&fixture, i, 1 + i, text, 64), MSGQ_DONE);
		assert_int_equal(fixture_receive(&fixture, i, 0, 0, text, 64, &size, &type), MSGQ_DONE);
		n_holding += msgq_holds(&fixture.queue, FIXTURE_CLIENT + i);
	}
	assert_true(n_holding > 0 && n_holding < 100);
	assert_true(msgq_verify(&fixture.queue));
	for (i = 0; i < 200; i++) {
		const struct actor dead = fixture_actor(i);
		struct wakes wakes;

		assert_int_equal(msgq_recover(&fixture.queue, &dead, &wakes), MSGQ_DONE);
		assert_false(msgq_holds(&fixture.queue, dead.client));
	}
	assert_true(msgq_verify(&fixture.queue));
}

static void thread_that_keeps_nothing_leaves_nothing(void **state)
{
	const struct actor actor = { .client = FIXTURE_CLIENT, .pid = 1, .hint = MSGQ_HINT_NONE };
	const struct msgq_want want = { .type = -9, .size = 300 };
	uint8_t text[300] = { 0 };
	struct wakes wakes;
	uint64_t size;
	int64_t type;
	int i, outcome;

	(void)state;
	for (i = 1; i < 10; i++) {
		FIXTURE_CALL(&fixture.queue, outcome,
			     msgq_send(&fixture.queue, &actor, i, text, 30 * (uint64_t)i, &wakes));
		assert_int_equal(outcome, MSGQ_DONE);
		assert_false(msgq_holds(&fixture.queue, actor.client));
	}
	for (i = 1; i < 10; i++) {
		assert_int_equal(msgq_receive(&fixture.queue, &actor, &want, text, &size, &type,
					      &wakes), MSGQ_DONE);
		assert_false(msgq_holds(&fixture.queue, actor.client));
		assert_true(msgq_verify(&fixture.queue));
	}
}

/* --- choosing among many ------------------------------------------------------------------------- */

static int64_t receive_type(int64_t wanted, uint32_t flags)
{
	uint8_t text[8];
	uint64_t size;
	int64_t type = 0;

	if (fixture_receive(&fixture, 2, wanted, flags, text, 8, &size, &type) != MSGQ_DONE)
		return 0;
	return type;
}

/* Types that part at every bit, in an order that is neither theirs nor its reverse. */
static void many_types_are_found_by_each_selector(void **state)
{
	static int64_t types[700];
	uint32_t i, n = ARRAY_SIZE(types);

	(void)state;
	for (i = 0; i < n; i++) {
		types[i] = 1 + (int64_t)(((i + 1) * UINT64_C(0x9e3779b97f4a7c15)) >> (1 + i % 60));
		assert_int_equal(fixture_send(&fixture, 1, types[i], &i, 4), MSGQ_DONE);
	}
	assert_true(msgq_verify(&fixture.queue));
	for (i = 0; i < n; i += 3)
		assert_true(receive_type(types[i], 0) == types[i]);
	assert_true(msgq_verify(&fixture.queue));
	for (i = 0; i < n; i++) {
		int64_t lowest = INT64_MAX;
		uint32_t j, at = n;

		for (j = 0; j < n; j++) {
			if (j % 3 != 0 && types[j] != 0 && types[j] < lowest)
				lowest = types[at = j];
		}
		if (at == n)
			break;
		assert_true(lowest == 1 || receive_type(1 - lowest, 0) == 0);
		assert_true(receive_type(INT64_MIN, 0) == lowest);
		types[at] = 0;
	}
	assert_int_equal(receive_type(0, 0), 0);
	assert_true(msgq_verify(&fixture.queue));
}

/* Runs of one type at the head, shortened from both sides and grown together. */
static void message_of_another_type_is_found_behind_any_run(void **state)
{
	uint32_t i, round;

	(void)state;
	for (i = 0; i < 6000; i++)
		assert_int_equal(fixture_send(&fixture, 1, 7, NULL, 0), MSGQ_DONE);
	assert_int_equal(receive_type(7, ABI_MSG_EXCEPT), 0);
	for (round = 0; round < 3; round++) {
		assert_int_equal(fixture_send(&fixture, 1, 8, NULL, 0), MSGQ_DONE);
		assert_int_equal(fixture_send(&fixture, 1, 9, NULL, 0), MSGQ_DONE);
		assert_int_equal(fixture_send(&fixture, 1, 7, NULL, 0), MSGQ_DONE);
		assert_int_equal(receive_type(7, ABI_MSG_EXCEPT), 8);
		assert_int_equal(receive_type(9, ABI_MSG_EXCEPT), 7); /* the head */
		assert_int_equal(receive_type(7, ABI_MSG_EXCEPT), 9);
		assert_int_equal(receive_type(7, ABI_MSG_EXCEPT), 0);
	}
	assert_true(msgq_verify(&fixture.queue));
	assert_int_equal(fixture_send(&fixture, 1, 8, NULL, 0), MSGQ_DONE);
	for (i = 0; i < 6000; i++)
		assert_int_equal(receive_type(0, 0), 7);
	assert_int_equal(receive_type(7, ABI_MSG_EXCEPT), 8);
	assert_int_equal(receive_type(7, ABI_MSG_EXCEPT), 0);
	assert_true(msgq_verify(&fixture.queue));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_full_default_queue_takes_three_times_its_text_at_the_most),
		CASE(largest_queue_takes_all_that_its_size_says),
		CASE(threads_beyond_those_that_keep_an_entry_leave_nothing),
		CASE(thread_that_keeps_nothing_leaves_nothing),
		CASE(many_types_are_found_by_each_selector),
		CASE(message_of_another_type_is_found_behind_any_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

/* test-msgq.c: the message queue, case by case, and at random against the model. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base.h"
#include "model/msgq-pair.h"
#include "msgq-fixture.h"

static struct fixture fixture;

static int setup_16384(void **state)
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

/* --- file ---------------------------------------------------------------------------------------- */

static void new_queue_is_empty_and_dated(void **state)
{
	struct msgq_stat stat;

	(void)state;
	msgq_get_stat(&fixture.queue, &stat);
	assert_int_equal(stat.qbytes, 16384);
	assert_int_equal(stat.ctime_s, FIXTURE_NOW);
	assert_int_equal(stat.cbytes + stat.qnum + stat.lspid + stat.lrpid, 0);
	assert_int_equal(stat.stime_s + stat.rtime_s, 0);
	assert_true(msgq_verify(&fixture.queue));
	assert_true(fixture.layout.common_size <= 2 * 4096);
}

static void layouts_have_room_for_the_fullest_queue(void **state)
{
	static const uint64_t qbytes[] = { 0, 1, 97, 300, 16384, 65536, 1 << 20, MSG_TEXT_MAX };
	struct msgq_layout layout, before = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(qbytes); i++) {
		assert_int_equal(msgq_layout(qbytes[i], &layout), 0);
		assert_true(layout.size >= before.size);
		assert_true(layout.n_blocks >= before.n_blocks);
		assert_int_equal(layout.size % 4096, 0);
		if (qbytes[i] <= 1 << 20)
			assert_true(layout.n_blocks > qbytes[i] + qbytes[i] / 97);
		before = layout;
	}
	assert_int_equal(msgq_layout((uint64_t)MSG_TEXT_MAX + 1, &layout), MSGQ_E_INVAL);
}

static void bind_of_something_else_is_refused(void **state)
{
	static const struct {
		uint32_t off;
		uint64_t value;
		int outcome;
	} cases[] = {
		{ 0, 0, MSGQ_E_CORRUPT },             /* magic */
		{ 72, 99, MSGQ_E_CORRUPT },           /* version */
		{ 16, UINT64_MAX, MSGQ_E_CORRUPT },   /* qbytes_max */
		{ 16, MSG_TEXT_MAX, MSGQ_REMAP },
	};
	struct msgq queue;
	uint64_t saved;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		memcpy(&saved, fixture.base + cases[i].off, 8);
		memcpy(fixture.base + cases[i].off, &cases[i].value, 8);
		assert_int_equal(msgq_bind(&queue, fixture.base, fixture.layout.size),
				 cases[i].outcome);
		memcpy(fixture.base + cases[i].off, &saved, 8);
	}
	assert_int_equal(msgq_bind(&queue, fixture.base, 100), MSGQ_E_CORRUPT);
	assert_int_equal(msgq_bind(&queue, fixture.base + 8, fixture.layout.size - 8),
			 MSGQ_E_CORRUPT);
	assert_int_equal(msgq_bind(&queue, fixture.base, fixture.layout.size - 4096), MSGQ_REMAP);
	assert_int_equal(msgq_bind(&queue, fixture.base, fixture.layout.size), MSGQ_DONE);
}

static void first_send_asks_for_storage_once(void **state)
{
	const struct actor actor = fixture_actor(1);
	struct msgq_growth growth;
	struct wakes wakes;

	(void)state;
	assert_int_equal(msgq_send(&fixture.queue, &actor, 1, "x", 1, &wakes), MSGQ_GROW);
	msgq_growth(&fixture.queue, &growth);
	assert_int_equal(growth.n_ranges, 1);
	assert_int_equal(growth.ranges[0].off, fixture.layout.blocks_off);
	assert_int_equal(growth.ranges[0].size, 4096);
	assert_true(msgq_verify(&fixture.queue));
	msgq_growth_done(&fixture.queue, &growth);
	msgq_growth(&fixture.queue, &growth);
	assert_int_equal(growth.n_ranges, 0);
	assert_int_equal(msgq_send(&fixture.queue, &actor, 1, "x", 1, &wakes), MSGQ_DONE);
	assert_true(msgq_verify(&fixture.queue));
}

static void extended_file_makes_old_mappings_remap(void **state)
{
	const struct actor actor = fixture_actor(1);
	struct msgq_layout large;
	struct fixture file;
	struct msgq old;
	struct wakes wakes;
	struct msgq_stat stat;
	uint32_t i;

	(void)state;
	assert_int_equal(msgq_layout(40000, &large), 0);
	fixture_init(&file, 40000);
	assert_int_equal(msgq_layout(500, &file.layout), 0);
	memset(file.base, 0, large.size);
	msgq_format(file.base, &file.layout, 500, FIXTURE_NOW);
	assert_int_equal(msgq_bind(&file.queue, file.base, file.layout.size), MSGQ_DONE);
	assert_int_equal(msgq_bind(&old, file.base, file.layout.size), MSGQ_DONE);
	for (i = 0; i < 500; i++)
		assert_int_equal(fixture_send(&file, 1, 1, NULL, 0), MSGQ_DONE);
	assert_int_equal(msgq_set(&file.queue, &actor, 40000, &wakes), MSGQ_E_INVAL);
	assert_int_equal(msgq_extend(&file.queue, large.size - 1, 40000), MSGQ_E_INVAL);
	assert_int_equal(msgq_extend(&file.queue, large.size, 499), MSGQ_E_INVAL);
	assert_int_equal(msgq_extend(&file.queue, large.size, 40000), MSGQ_DONE);
	assert_int_equal(msgq_set(&file.queue, &actor, 40000, &wakes), MSGQ_DONE);
	assert_int_equal(msgq_send(&old, &actor, 1, NULL, 0, &wakes), MSGQ_REMAP);
	for (i = 500; i < 40000; i++)
		assert_int_equal(fixture_send(&file, 1, 1, NULL, 0), MSGQ_DONE);
	assert_int_equal(fixture_send(&file, 1, 1, NULL, 0), MSGQ_BLOCKED);
	msgq_get_stat(&old, &stat);
	assert_int_equal(stat.qnum, 40000);
	assert_true(msgq_verify(&file.queue));
	file.layout = large;
	fixture_deinit(&file);
}

/* --- sending and receiving ----------------------------------------------------------------------- */

static void text_of_any_length_arrives_whole(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 7, 8, 9, 95, 96, 97, 207, 208, 209, 320, 321, 4096,
					  8191, 8192, 16384 };
	static uint8_t text[16384], received[16384 + 1];
	uint64_t size;
	int64_t type;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		fixture_text(text, sizes[i], (uint32_t)i);
		received[sizes[i]] = 0xa5;
		assert_int_equal(fixture_send(&fixture, 1, INT64_MAX, text, sizes[i]), MSGQ_DONE);
		assert_int_equal(fixture_receive(&fixture, 2, 0, 0, received, sizes[i], &size, &type),
				 MSGQ_DONE);
		assert_int_equal(size, sizes[i]);
		assert_true(type == INT64_MAX);
		assert_memory_equal(received, text, sizes[i]);
		assert_int_equal(received[sizes[i]], 0xa5);
		assert_true(msgq_verify(&fixture.queue));
	}
}

static void too_long_text_stays_or_is_cut(void **state)
{
	uint8_t text[300], received[300];
	uint64_t size = 77;
	int64_t type = 77;
	struct msgq_stat stat;

	(void)state;
	fixture_text(text, 300, 1);
	memset(received, 0xa5, sizeof(received));
	assert_int_equal(fixture_send(&fixture, 1, 5, text, 300), MSGQ_DONE);
	assert_int_equal(fixture_send(&fixture, 1, 5, text, 1), MSGQ_DONE);
	/* The shorter one behind it is not tried (MSG-16). */
	assert_int_equal(fixture_receive(&fixture, 2, 5, 0, received, 299, &size, &type),
			 MSGQ_E_2BIG);
	assert_int_equal(fixture_receive(&fixture, 2, -9, 0, received, 299, &size, &type),
			 MSGQ_E_2BIG);
	assert_int_equal(size + (uint64_t)type, 154);
	assert_int_equal(received[0], 0xa5);
	assert_int_equal(fixture_receive(&fixture, 2, 5, ABI_MSG_NOERROR, received, 299, &size,
					 &type), MSGQ_DONE);
	assert_int_equal(size, 299);
	assert_memory_equal(received, text, 299);
	assert_int_equal(received[299], 0xa5);
	msgq_get_stat(&fixture.queue, &stat);
	assert_int_equal(stat.cbytes, 1);
	assert_true(msgq_verify(&fixture.queue));
}

static void selectors_choose_as_the_rules_say(void **state)
{
	static const int64_t types[] = { 5, 3, 7, 3, 2, 9, 2 };
	static const struct {
		int64_t type;
		uint32_t flags;
		int position; /* -1: none */
	} cases[] = {
		{ 0, 0, 0 },	  { 3, 0, 1 },		   { 9, 0, 5 },
		{ 4, 0, -1 },	  { 5, ABI_MSG_EXCEPT, 1 }, { 1, ABI_MSG_EXCEPT, 0 },
		{ -1, 0, -1 },	  { -2, 0, 4 },		   { -4, 0, 4 },
		{ -100, 0, 4 },	  { INT64_MIN, 0, 4 },	   { INT64_MAX, 0, -1 },
		{ 0, ABI_MSG_EXCEPT, 0 }, { -4, ABI_MSG_EXCEPT, 4 },
	};
	uint64_t size;
	int64_t type;
	size_t i;
	uint8_t which, j;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (j = 0; j < ARRAY_SIZE(types); j++)
			assert_int_equal(fixture_send(&fixture, 1, types[j], &j, 1), MSGQ_DONE);
		which = 99;
		assert_int_equal(fixture_receive(&fixture, 2, cases[i].type, cases[i].flags, &which, 1,
						 &size, &type),
				 cases[i].position < 0 ? MSGQ_BLOCKED : MSGQ_DONE);
		assert_int_equal(which, cases[i].position < 0 ? 99 : cases[i].position);
		assert_true(msgq_verify(&fixture.queue));
		while (fixture_receive(&fixture, 2, 0, 0, &which, 1, &size, &type) == MSGQ_DONE)
			continue;
	}
}

static void admission_counts_bytes_and_messages(void **state)
{
	static const struct {
		uint64_t qbytes;
		uint32_t sizes[6]; /* sent in turn, until 0xffff */
		bool fits[6];
	} cases[] = {
		{ 100, { 60, 41, 40, 0, 1, 0xffff }, { true, false, true, true, false } },
		{ 3, { 0, 0, 0, 0, 0xffff }, { true, true, true, false } },
		{ 0, { 0, 1, 0xffff }, { false, false } },
		{ 10, { 11, 10, 0, 0xffff }, { false, true, true } },
	};
	const struct actor actor = fixture_actor(1);
	uint8_t text[100] = { 0 };
	struct wakes wakes;
	uint64_t size;
	int64_t type;
	size_t i, j;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(msgq_set(&fixture.queue, &actor, cases[i].qbytes, &wakes), MSGQ_DONE);
		for (j = 0; cases[i].sizes[j] != 0xffff; j++)
			assert_int_equal(fixture_send(&fixture, 1, 1, text, cases[i].sizes[j]),
					 cases[i].fits[j] ? MSGQ_DONE : MSGQ_BLOCKED);
		assert_true(msgq_verify(&fixture.queue));
		while (fixture_receive(&fixture, 2, 0, 0, text, 100, &size, &type) == MSGQ_DONE)
			continue;
	}
	assert_int_equal(fixture_send(&fixture, 1, 1, text, UINT64_MAX), MSGQ_BLOCKED);
}

static void stat_names_the_last_sender_and_receiver(void **state)
{
	struct msgq_stat stat;
	uint64_t size;
	int64_t type;
	char c;

	(void)state;
	assert_int_equal(fixture_send(&fixture, 3, 1, "x", 1), MSGQ_DONE);
	msgq_get_stat(&fixture.queue, &stat);
	assert_int_equal(stat.lspid, 103);
	assert_int_equal(stat.stime_s, FIXTURE_NOW + 3);
	assert_int_equal(stat.lrpid, 0);
	assert_int_equal(fixture_receive(&fixture, 4, 0, 0, &c, 1, &size, &type), MSGQ_DONE);
	msgq_get_stat(&fixture.queue, &stat);
	assert_int_equal(stat.lrpid, 104);
	assert_int_equal(stat.rtime_s, FIXTURE_NOW + 4);
	assert_int_equal(stat.lspid, 103);
}

static void copy_leaves_everything_as_it_is(void **state)
{
	static const struct {
		int64_t position;
		uint64_t size_max;
		bool noerror;
		int outcome;
	} cases[] = {
		{ 0, 100, false, MSGQ_DONE },	  { 1, 200, true, MSGQ_DONE },
		{ 2, 1000, false, MSGQ_E_NOMSG }, { -1, 1000, false, MSGQ_E_NOMSG },
		{ 1, 199, false, MSGQ_E_2BIG },	  { 1, 199, true, MSGQ_E_INVAL },
		{ INT64_MAX, 1, false, MSGQ_E_NOMSG },
	};
	uint8_t text[200], copy[200];
	uint64_t size;
	int64_t type;
	size_t i;

	(void)state;
	fixture_text(text, 200, 3);
	assert_int_equal(fixture_send(&fixture, 1, 10, text, 100), MSGQ_DONE);
	assert_int_equal(fixture_send(&fixture, 1, 11, text, 200), MSGQ_DONE);
	assert_int_equal(mprotect(fixture.base, fixture.layout.size, PROT_READ), 0);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(msgq_copy(&fixture.queue, cases[i].position, cases[i].size_max,
					   cases[i].noerror, copy, &size, &type), cases[i].outcome);
		if (cases[i].outcome != MSGQ_DONE)
			continue;
		assert_int_equal(type, 10 + cases[i].position);
		assert_int_equal(size, 100 + 100 * cases[i].position);
		assert_memory_equal(copy, text, size);
	}
	assert_true(msgq_verify(&fixture.queue));
	assert_int_equal(mprotect(fixture.base, fixture.layout.size, PROT_READ | PROT_WRITE), 0);
}

/* --- sleeping ------------------------------------------------------------------------------------ */

static int poll_receive(uint32_t who, struct msgq_sleeper *sleeper, const struct msgq_want *want,
			uint8_t *text, uint64_t *ret_size)
{
	const struct actor actor = fixture_actor(who);
	struct wakes wakes;
	int64_t type;

	return msgq_receive_poll(&fixture.queue, &actor, sleeper, want, text, ret_size, &type, &wakes);
}

static void send_goes_to_the_oldest_receiver_that_matches(void **state)
{
	static const struct msgq_want wants[] = {
		{ .type = 8, .size = 100 },  /* does not match */
		{ .type = 7, .size = 2 },    /* too small: E2BIG, and the search goes on (MSG-31) */
		{ .type = -9, .size = 3 },   /* gets it: first with type <= 9 (MSG-32) */
		{ .type = 0, .size = 100 },
	};
	static const int outcomes[] = { MSGQ_WAITING, MSGQ_E_2BIG, MSGQ_DONE, MSGQ_WAITING };
	const struct actor sender = fixture_actor(9);
	struct msgq_sleeper sleepers[4];
	struct msgq_stat stat;
	struct wakes wakes;
	uint8_t text[100];
	uint64_t size;
	uint32_t i;

	(void)state;
	for (i = 0; i < 4; i++)
		fixture_sleep_receive(&fixture, i, &wants[i], &sleepers[i]);
	FIXTURE_CALL(&fixture.queue, i, (uint32_t)msgq_send(&fixture.queue, &sender, 7, "abc", 3, &wakes));
	assert_int_equal(i, MSGQ_DONE);
	assert_int_equal(wakes.n, 2);
	assert_int_equal(wakes.word_indexes[0], sleepers[1].word_index);
	assert_int_equal(wakes.word_indexes[1], sleepers[2].word_index);
	msgq_get_stat(&fixture.queue, &stat);
	assert_int_equal(stat.qnum + stat.cbytes, 0);
	assert_int_equal(stat.lrpid, 102);
	assert_int_equal(stat.lspid, 109);
	for (i = 0; i < 4; i++)
		assert_int_equal(poll_receive(i, &sleepers[i], &wants[i], text, &size), outcomes[i]);
	assert_int_equal(size, 3);
	assert_memory_equal(text, "abc", 3);
}

static void many_too_small_receivers_all_learn_of_it(void **state)
{
	const struct msgq_want small = { .type = 0, .size = 0 }, fit = { .type = 0, .size = 1 };
	const struct actor sender = fixture_actor(99);
	struct msgq_sleeper sleepers[150], last;
	struct wakes wakes;
	uint32_t i, n_woken = 0;
	uint64_t size;
	uint8_t text;
	int outcome;

	(void)state;
	for (i = 0; i < 150; i++)
		fixture_sleep_receive(&fixture, i, &small, &sleepers[i]);
	fixture_sleep_receive(&fixture, 150, &fit, &last);
	do {
		FIXTURE_CALL(&fixture.queue, outcome,
			     msgq_send(&fixture.queue, &sender, 1, "x", 1, &wakes));
		n_woken += wakes.n;
	} while (outcome == MSGQ_MORE);
	assert_int_equal(outcome, MSGQ_DONE);
	assert_int_equal(n_woken, 151);
	for (i = 0; i < 150; i++)
		assert_int_equal(poll_receive(i, &sleepers[i], &small, &text, &size), MSGQ_E_2BIG);
	assert_int_equal(poll_receive(150, &last, &fit, &text, &size), MSGQ_DONE);
	assert_true(msgq_verify(&fixture.queue));
}

static void full_queue_blocks_even_with_a_receiver_waiting(void **state)
{
	const struct msgq_want want = { .type = 7, .size = 10 };
	const struct actor actor = fixture_actor(1);
	struct msgq_sleeper sleeper;
	struct wakes wakes;

	(void)state;
	assert_int_equal(msgq_set(&fixture.queue, &actor, 4, &wakes), MSGQ_DONE);
	assert_int_equal(fixture_send(&fixture, 1, 1, "abcd", 4), MSGQ_DONE);
	fixture_sleep_receive(&fixture, 2, &want, &sleeper);
	assert_int_equal(fixture_send(&fixture, 1, 7, "x", 1), MSGQ_BLOCKED);
	assert_int_equal(fixture_send(&fixture, 1, 7, NULL, 0), MSGQ_DONE); /* MSG-4 */
}

static void removal_wakes_every_sender_that_fits(void **state)
{
	const struct actor actor = fixture_actor(1);
	struct msgq_sleeper sleepers[100];
	struct wakes wakes;
	uint32_t i, n_woken;
	uint64_t size;
	int64_t type;
	char text[10];

	(void)state;
	assert_int_equal(msgq_set(&fixture.queue, &actor, 10, &wakes), MSGQ_DONE);
	assert_int_equal(fixture_send(&fixture, 1, 1, "123456", 6), MSGQ_DONE);
	assert_int_equal(fixture_send(&fixture, 1, 2, "1234", 4), MSGQ_DONE);
	for (i = 0; i < 100; i++)
		fixture_sleep_send(&fixture, i, 1, text, i % 10 == 0 ? 7 : 5, &sleepers[i]);
	assert_int_equal(fixture_receive(&fixture, 1, 2, 0, text, 10, &size, &type), MSGQ_DONE);
	for (i = 0; i < 100; i++)
		assert_int_equal(msgq_send_poll(&fixture.queue, &sleepers[i]), MSGQ_WAITING);
	{
		const struct msgq_want want = { .type = 0, .size = 10 };

		assert_int_equal(msgq_receive(&fixture.queue, &actor, &want, text, &size, &type, &wakes),
				 MSGQ_DONE);
	}
	assert_int_equal(wakes.n, WAKES_MAX);
	assert_int_equal(wakes.word_indexes[0], sleepers[0].word_index);
	n_woken = wakes.n;
	assert_int_equal(msgq_settle(&fixture.queue, &actor, &wakes), MSGQ_DONE);
	assert_int_equal(n_woken + wakes.n, 100);
	for (i = 0; i < 100; i++)
		assert_int_equal(msgq_send_poll(&fixture.queue, &sleepers[i]), MSGQ_RETRY);
	assert_true(msgq_verify(&fixture.queue));
}

static void sender_finds_room_that_nobody_told_it_of(void **state)
{
	const struct actor actor = fixture_actor(1);
	struct msgq_sleeper sleeper;
	struct wakes wakes;
	uint64_t guard;

	(void)state;
	assert_int_equal(msgq_set(&fixture.queue, &actor, 0, &wakes), MSGQ_DONE);
	fixture_sleep_send(&fixture, 2, 1, "x", 1, &sleeper);
	assert_int_equal(msgq_send_poll(&fixture.queue, &sleeper), MSGQ_WAITING);
	/* As a setter leaves it that is killed before it wakes anybody: in the root that the guard names. */
	memcpy(&guard, fixture.base + 128, sizeof(guard));
	((uint32_t *)(void *)(fixture.base + 4096 + (guard & 0xffff) * 256))[7] = 10;
	assert_int_equal(msgq_send_poll(&fixture.queue, &sleeper), MSGQ_RETRY);
}

static void cancel_takes_out_or_delivers(void **state)
{
	const struct msgq_want want = { .type = 0, .size = 10 };
	const struct actor actor = fixture_actor(2);
	struct msgq_sleeper sleeper;
	struct msgq_stat stat;
	struct wakes wakes;
	uint8_t text[10];
	uint64_t size;
	int64_t type;

	(void)state;
	fixture_sleep_receive(&fixture, 2, &want, &sleeper);
	assert_int_equal(msgq_receive_cancel(&fixture.queue, &actor, &sleeper, &want, text, &size,
					     &type, &wakes), MSGQ_BLOCKED);
	assert_int_equal(fixture_send(&fixture, 1, 1, "ab", 2), MSGQ_DONE);
	msgq_get_stat(&fixture.queue, &stat);
	assert_int_equal(stat.qnum, 1); /* the one who left got nothing */
	assert_int_equal(fixture_receive(&fixture, 1, 0, 0, text, 10, &size, &type), MSGQ_DONE);

	fixture_sleep_receive(&fixture, 2, &want, &sleeper);
	assert_int_equal(fixture_send(&fixture, 1, 4, "cd", 2), MSGQ_DONE);
	/* BLK-5: a message handed off wins over the signal. */
	assert_int_equal(msgq_receive_cancel(&fixture.queue, &actor, &sleeper, &want, text, &size,
					     &type, &wakes), MSGQ_DONE);
	assert_int_equal(type, 4);
	assert_memory_equal(text, "cd", 2);
	assert_true(msgq_verify(&fixture.queue));
	assert_int_equal(msgq_recover(&fixture.queue, &actor, &wakes), MSGQ_DONE);
	assert_false(msgq_holds(&fixture.queue, actor.client));
}

static void remove_ends_every_sleeper(void **state)
{
	const struct msgq_want want = { .type = 9, .size = 10 };
	const struct actor actor = fixture_actor(1);
	struct msgq_sleeper receivers[70], sender;
	struct wakes wakes;
	uint32_t i, n_woken = 0;
	uint8_t text[10];
	uint64_t size;
	int64_t type;
	int outcome;

	(void)state;
	for (i = 0; i < 70; i++)
		fixture_sleep_receive(&fixture, i, &want, &receivers[i]);
	fixture_sleep_send(&fixture, 80, 1, NULL, 20000, &sender);
	do {
		outcome = msgq_remove(&fixture.queue, &actor, &wakes);
		n_woken += wakes.n;
	} while (outcome == MSGQ_MORE);
	assert_int_equal(outcome, MSGQ_DONE);
	assert_int_equal(n_woken, 71);
	for (i = 0; i < 70; i++)
		assert_int_equal(poll_receive(i, &receivers[i], &want, text, &size), MSGQ_E_REMOVED);
	assert_int_equal(msgq_send_poll(&fixture.queue, &sender), MSGQ_E_REMOVED);
	assert_true(msgq_is_removed(&fixture.queue));
	assert_int_equal(fixture_send(&fixture, 1, 1, NULL, 0), MSGQ_E_REMOVED);
	assert_int_equal(fixture_receive(&fixture, 1, 0, 0, text, 1, &size, &type), MSGQ_E_REMOVED);
	assert_int_equal(msgq_copy(&fixture.queue, 0, 1, false, text, &size, &type), MSGQ_E_REMOVED);
}

static void messages_of_a_dead_receiver_return_to_their_place(void **state)
{
	const struct msgq_want want = { .type = 7, .size = 10 };
	const struct actor dead = fixture_actor(5);
	struct msgq_sleeper sleepers[3], survivor;
	struct wakes wakes;
	uint8_t text[10];
	uint64_t size;
	int64_t type;
	uint32_t i;

	(void)state;
	for (i = 0; i < 3; i++)
		fixture_sleep_receive(&fixture, 5, &want, &sleepers[i]);
	assert_int_equal(fixture_send(&fixture, 1, 1, "a", 1), MSGQ_DONE);
	assert_int_equal(fixture_send(&fixture, 1, 7, "b", 1), MSGQ_DONE);
	assert_int_equal(fixture_send(&fixture, 1, 1, "c", 1), MSGQ_DONE);
	assert_int_equal(fixture_send(&fixture, 1, 7, "d", 1), MSGQ_DONE);
	assert_int_equal(fixture_send(&fixture, 1, 7, "e", 1), MSGQ_DONE);
	fixture_sleep_receive(&fixture, 6, &want, &survivor);
	assert_int_equal(msgq_recover(&fixture.queue, &dead, &wakes), MSGQ_DONE);
	assert_false(msgq_holds(&fixture.queue, dead.client));
	/* The oldest goes to who waits for it. */
	assert_int_equal(wakes.n, 1);
	assert_int_equal(poll_receive(6, &survivor, &want, text, &size), MSGQ_DONE);
	assert_int_equal(text[0], 'b');
	for (i = 0; i < 4; i++) {
		assert_int_equal(fixture_receive(&fixture, 1, 0, 0, text, 10, &size, &type), MSGQ_DONE);
		assert_int_equal(text[0], "acde"[i]);
	}
	assert_true(msgq_verify(&fixture.queue));
	assert_int_equal(msgq_recover(&fixture.queue, &dead, &wakes), MSGQ_DONE);
}

/* --- at random, against the model ---------------------------------------------------------------- */

#define RANDOM_QBYTES 1500u

static uint32_t random_state;

static uint32_t below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % n;
}

/* Few in a row of calls, so that they meet again; near each other and far apart. */
static int64_t random_type(void)
{
	static const int64_t types[] = { 1, 2, 3, 4, 5, 8, 0x7f00000000, 0x7f00000001, INT64_MAX - 1,
					 INT64_MAX };

	return below(4) ? types[below(ARRAY_SIZE(types))] : 1 + below(100);
}

static struct msgq_want random_want(void)
{
	struct msgq_want want = {
		.type = below(3) ? random_type() : 0,
		.size = below(300),
	};

	if (below(3) == 0)
		want.type = -want.type;

	if (below(3) == 0)
		want.flags |= ABI_MSG_NOERROR;
	if (below(4) == 0)
		want.flags |= ABI_MSG_EXCEPT;
	return want;
}

static void random_control(struct msgq_act *act)
{
	switch (below(4)) {
	case 0:
		act->kind = MSGQ_ACT_SET;
		act->want.size = below(3) == 0 ? below(30) : RANDOM_QBYTES;
		break;
	case 1:
		act->kind = MSGQ_ACT_RECOVER;
		break;
	default:
		act->kind = MSGQ_ACT_COPY;
		act->want.type = (int64_t)below(12) - 1;
	}
}

/* A call in the client's stead, or that one is over; an old number often means what stands. */
static void random_stead(struct msgq_act *act)
{
	static const enum msgq_act_kind kinds[] = { MSGQ_ACT_STEAD_SEND, MSGQ_ACT_STEAD_RECEIVE,
						    MSGQ_ACT_STEAD_RECEIVE, MSGQ_ACT_STEAD_END };

	act->kind = kinds[below(ARRAY_SIZE(kinds))];
	act->stead = (struct stead){ 1 + below(4), below(4) != 0, below(3) != 0 };
	act->place = msgq_act_place(act->actor.client, act->stead.number);
	act->actor.hint = MSGQ_HINT_NONE;
	if (act->kind == MSGQ_ACT_STEAD_SEND)
		act->want.type = random_type();
}

static bool random_call(struct msgq_pair *pair, int64_t now_s)
{
	static struct msgq_result result;
	struct msgq_act act = {
		.kind = MSGQ_ACT_SEND,
		.actor = fixture_actor(below(4)),
		.want = random_want(),
		.place = below(2) ? below(MODEL_SLEEPERS_MAX) : MSGQ_NO_PLACE,
	};

	act.actor.now_s = now_s;
	switch (below(14)) {
	case 0:
		if (below(4) == 0)
			random_control(&act);
		break;
	case 1:
	case 2:
	case 3:
		act.kind = MSGQ_ACT_END;
		act.place = below(MODEL_SLEEPERS_MAX);
		act.cancels = below(3) == 0;
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		act.kind = MSGQ_ACT_RECEIVE;
		break;
	case 8:
	case 9:
		random_stead(&act);
		break;
	default:
		act.want.type = random_type();
		act.want.size = below(250);
	}
	if (act.kind == MSGQ_ACT_SEND && act.want.type < 1)
		act.want.type = 1;
	return !msgq_act_prepare(pair, &act) || msgq_pair_do(pair, &act, &result);
}

static void random_calls_do_what_the_model_does(void **state)
{
	static struct msgq_pair pair;
	struct fixture file;
	uint32_t seed, step;

	(void)state;
	fixture_init(&file, RANDOM_QBYTES);
	for (seed = 1; seed <= 60; seed++) {
		random_state = seed * 2654435761u;
		msgq_pair_init(&pair, file.base, file.layout.size, RANDOM_QBYTES);
		for (step = 0; step < 2000; step++) {
			if (!random_call(&pair, step))
				fail_msg("seed %u, step %u: not what the model does", seed, step);
			if (step % 200 == 0)
				assert_true(msgq_verify(&pair.queue));
		}
		assert_true(msgq_verify(&pair.queue));
	}
	fixture_deinit(&file);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup_16384, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(new_queue_is_empty_and_dated),
		cmocka_unit_test(layouts_have_room_for_the_fullest_queue),
		CASE(bind_of_something_else_is_refused),
		CASE(first_send_asks_for_storage_once),
		cmocka_unit_test(extended_file_makes_old_mappings_remap),
		CASE(text_of_any_length_arrives_whole),
		CASE(too_long_text_stays_or_is_cut),
		CASE(selectors_choose_as_the_rules_say),
		CASE(admission_counts_bytes_and_messages),
		CASE(stat_names_the_last_sender_and_receiver),
		CASE(copy_leaves_everything_as_it_is),
		CASE(send_goes_to_the_oldest_receiver_that_matches),
		CASE(many_too_small_receivers_all_learn_of_it),
		CASE(full_queue_blocks_even_with_a_receiver_waiting),
		CASE(removal_wakes_every_sender_that_fits),
		CASE(sender_finds_room_that_nobody_told_it_of),
		CASE(cancel_takes_out_or_delivers),
		CASE(remove_ends_every_sleeper),
		CASE(messages_of_a_dead_receiver_return_to_their_place),
		cmocka_unit_test(random_calls_do_what_the_model_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

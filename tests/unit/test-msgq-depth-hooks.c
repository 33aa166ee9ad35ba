/*
 * test-msgq-depth-hooks.c: what a call costs must not depend on how much is in the queue, nor on how
 * many sleep on other types.
 *
 * Cost is the number of accesses to shared words, which the hooks build lets us count: it is the same
 * on every machine.
 */
#include "test.h"

#include <stdlib.h>

#include "core/atomic.h"
#include "msgq-fixture.h"

#define DEEP 10000u
#define SHALLOW 10u
#define SAMPLES 100u
#define CROWD 1000u

static struct fixture fixture;
static uint64_t n_accesses;

void assert_fail(const char *expression, const char *file_name, int line)
{
	fail_msg("%s:%d: %s", file_name, line, expression);
	abort();
}

void hook_access(enum hook_kind kind, const volatile void *address)
{
	(void)address;
	n_accesses += kind != HOOK_PAUSE;
}

uint64_t hook_value(const volatile void *address, uint64_t value)
{
	(void)address;
	return value;
}

struct cost {
	double receive;
	double send;
};

/* Takes one and puts it back, SAMPLES times; the means.  want of type 0 stands for each type in turn. */
static struct cost measure(uint32_t depth, const struct msgq_want *want)
{
	struct msgq_want each = *want;
	struct cost cost = { 0, 0 };
	uint64_t before, size;
	uint8_t text[8];
	int64_t type;
	uint32_t i;

	for (i = 0; i < SAMPLES; i++) {
		if (want->type == 0 && want->size == 1)
			each.type = 1 + (int64_t)(i * 7919u % depth);
		before = n_accesses;
		assert_int_equal(fixture_receive(&fixture, 1, each.type, each.flags, text, 8, &size,
						 &type), MSGQ_DONE);
		cost.receive += (double)(n_accesses - before) / SAMPLES;
		before = n_accesses;
		assert_int_equal(fixture_send(&fixture, 1, type, text, size), MSGQ_DONE);
		cost.send += (double)(n_accesses - before) / SAMPLES;
	}
	return cost;
}

static void queue_of_distinct_types(uint32_t depth)
{
	uint32_t i;

	for (i = 0; i < depth; i++)
		assert_int_equal(fixture_send(&fixture, 1, 1 + i * 617 % depth, "x", 1), MSGQ_DONE);
}

/* All of type 7, and at the end one of type 3. */
static void queue_with_one_at_the_end(uint32_t depth)
{
	uint32_t i;

	for (i = 0; i < depth; i++)
		assert_int_equal(fixture_send(&fixture, 1, i + 1 < depth ? 7 : 3, "x", 1), MSGQ_DONE);
}

static struct cost cost_at(uint32_t depth, void (*fill)(uint32_t), const struct msgq_want *want)
{
	struct cost cost;

	fixture_init(&fixture, 16384);
	fill(depth);
	(void)measure(depth, want); /* storage that is asked for at first does not count */
	cost = measure(depth, want);
	fixture_deinit(&fixture);
	return cost;
}

static void costs_at_most_twice_at_a_thousand_times_the_depth(const char *name, void (*fill)(uint32_t),
							      struct msgq_want want)
{
	struct cost shallow = cost_at(SHALLOW, fill, &want);
	struct cost deep = cost_at(DEEP, fill, &want);

	print_message("# %s: receive %.1f at %u, %.1f at %u; send %.1f, %.1f\n", name, shallow.receive,
		      SHALLOW, deep.receive, DEEP, shallow.send, deep.send);
	assert_true(deep.receive <= 2 * shallow.receive);
	assert_true(deep.send <= 2 * shallow.send);
}

#define DISTINCT(name, ...)                                                               \
	costs_at_most_twice_at_a_thousand_times_the_depth(name, queue_of_distinct_types, \
							  (struct msgq_want){ __VA_ARGS__ })
#define AT_THE_END(name, ...)                                                               \
	costs_at_most_twice_at_a_thousand_times_the_depth(name, queue_with_one_at_the_end, \
							  (struct msgq_want){ __VA_ARGS__ })

static void the_first(void **state)
{
	(void)state;
	DISTINCT("the first", .type = 0, .size = 8);
}

static void each_type(void **state)
{
	(void)state;
	DISTINCT("each type in turn", .type = 0, .size = 1);
}

static void the_lowest(void **state)
{
	(void)state;
	DISTINCT("the lowest", .type = INT64_MIN, .size = 8);
	DISTINCT("the lowest of five", .type = -5, .size = 8);
}

static void any_but_one_type(void **state)
{
	(void)state;
	DISTINCT("any but one", .type = 1, .size = 8, .flags = ABI_MSG_EXCEPT);
}

static void type_behind_thousands_of_another(void **state)
{
	(void)state;
	AT_THE_END("a type at the end", .type = 3, .size = 8);
}

static void lowest_behind_thousands_of_a_higher(void **state)
{
	(void)state;
	AT_THE_END("the lowest at the end", .type = -7, .size = 8);
}

static void any_but_one_behind_thousands_of_it(void **state)
{
	(void)state;
	AT_THE_END("any but one at the end", .type = 7, .size = 8, .flags = ABI_MSG_EXCEPT);
}

/* --- sleepers -------------------------------------------------------------------------------------- */

/* A send to one of n who sleep on a type each wakes that one; the accesses it takes. */
static double send_into_a_crowd(uint32_t n)
{
	static struct msgq_sleeper sleepers[CROWD];
	const struct actor sender = fixture_actor(CROWD + 1);
	uint64_t before, size, total = 0;
	struct wakes wakes;
	uint8_t text[8];
	int64_t type;
	uint32_t i, k;
	int outcome;

	fixture_init(&fixture, 16384);
	for (i = 0; i < n; i++) {
		const struct msgq_want want = { .type = 1 + i, .size = 8 };

		fixture_sleep_receive(&fixture, i, &want, &sleepers[i]);
	}
	for (i = 0; i < n; i++) {
		const struct msgq_want want = { .type = 1 + i * 617 % n, .size = 8 };
		const struct actor receiver = fixture_actor((uint32_t)want.type - 1);

		k = (uint32_t)want.type - 1;
		before = n_accesses;
		FIXTURE_CALL(&fixture.queue, outcome,
			     msgq_send(&fixture.queue, &sender, want.type, "x", 1, &wakes));
		total += n_accesses - before;
		assert_int_equal(outcome, MSGQ_DONE);
		assert_int_equal(wakes.n, 1);
		assert_int_equal(wakes.word_indexes[0], sleepers[k].word_index);
		assert_int_equal(msgq_receive_poll(&fixture.queue, &receiver, &sleepers[k], &want, text,
						   &size, &type, &wakes), MSGQ_DONE);
		assert_int_equal(type, want.type);
	}
	fixture_deinit(&fixture);
	return (double)total / n;
}

static void send_wakes_the_one_of_a_thousand_that_can_use_it(void **state)
{
	(void)state;
	print_message("# a send costs %.1f among 10 sleepers, %.1f among %u\n", send_into_a_crowd(10),
		      send_into_a_crowd(CROWD), CROWD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first),
		cmocka_unit_test(each_type),
		cmocka_unit_test(the_lowest),
		cmocka_unit_test(any_but_one_type),
		cmocka_unit_test(type_behind_thousands_of_another),
		cmocka_unit_test(lowest_behind_thousands_of_a_higher),
		cmocka_unit_test(any_but_one_behind_thousands_of_it),
		cmocka_unit_test(send_wakes_the_one_of_a_thousand_that_can_use_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

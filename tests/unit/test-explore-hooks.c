/* test-explore-hooks.c: the explorer itself: what it covers, finds, and replays. */
#include <stdlib.h>
#include <string.h>

#include "core/atomic.h"
#include "explore/explore.h"
#include "test.h"

#define ROUNDS 2u

static struct {
	struct shared64 counter;
	struct shared64 own[2];
	struct shared64 constant;
	struct shared64 unread;
} memory;

static void reset(void)
{
	memset(&memory, 0, sizeof(memory));
}

/* Loses an addition when the other comes between its load and its store. */
static void add_carelessly(uint32_t number)
{
	uint64_t seen = shared64_load(&memory.counter);

	(void)number;
	shared64_store(&memory.counter, seen + 1);
}

static const char *check_sum(uint32_t stopped, uint32_t killed)
{
	return !stopped && !killed && atomic_load(&memory.counter.raw) != 2 ? "an addition is lost" : NULL;
}

static const struct explore_case careless = {
	.name = "careless",
	.memory = &memory,
	.memory_size = sizeof(memory),
	.n_actors = 2,
	.reset = reset,
	.actor = add_carelessly,
	.check = check_sum,
};

static void lost_addition_is_found_and_replays(void **state)
{
	static struct explore_result result;

	(void)state;
	explore_all(&careless, 1000, &result);
	assert_string_equal(result.failure, "an addition is lost");
	assert_string_equal(explore_replay(&careless, result.schedule), "an addition is lost");
	assert_null(explore_replay(&careless, "r0 r0 r0 r1 r1 r1 "));
}

static void seed_finds_the_same_schedule_again(void **state)
{
	static struct explore_result first, second;
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 20; seed++) {
		explore_random(&careless, seed, 1000, &first);
		explore_random(&careless, seed, 1000, &second);
		assert_string_equal(first.failure, "an addition is lost");
		assert_string_equal(first.schedule, second.schedule);
		assert_int_equal(first.n_steps, second.n_steps);
		assert_int_equal(first.n_ends, second.n_ends);
		assert_string_equal(explore_replay(&careless, first.schedule), "an addition is lost");
	}
}

/* Each writes a word of its own so often: a state is how far each has come. */
static void write_own(uint32_t number)
{
	uint64_t i;

	for (i = 1; i <= ROUNDS; i++)
		shared64_store(&memory.own[number], i);
}

static const char *check_nothing(uint32_t stopped, uint32_t killed)
{
	(void)stopped;
	(void)killed;
	return NULL;
}

static void every_state_is_seen_once(void **state)
{
	static struct explore_result result;
	struct explore_case explored = careless;

	(void)state;
	explored.actor = write_own;
	explored.check = check_nothing;
	explore_all(&explored, 1000, &result);
	assert_null(result.failure);
	assert_true(result.exhausted);
	/* Not begun, before each store, ended. */
	assert_int_equal(result.n_states, (ROUNDS + 2) * (ROUNDS + 2));
	assert_int_equal(result.n_ends, 1);
}

static void stops_multiply_what_is_seen(void **state)
{
	static struct explore_result result;
	struct explore_case explored = careless;

	(void)state;
	explored.actor = write_own;
	explored.check = check_nothing;
	explored.n_stops = 1;
	explore_all(&explored, 1000, &result);
	assert_null(result.failure);
	assert_true(result.exhausted);
	/* Either stands at any step but its last and the other goes from there. */
	assert_true(result.n_ends > 2 * ROUNDS);
}

static bool is_constant(const volatile void *address)
{
	return address == (const volatile void *)&memory.constant;
}

static bool is_unread(const volatile void *address)
{
	return address == (const volatile void *)&memory.unread;
}

/* The same as write_own but for accesses that concern nobody. */
static void write_and_look(uint32_t number)
{
	uint64_t i;

	for (i = 1; i <= ROUNDS; i++) {
		(void)shared64_load(&memory.constant);
		shared64_store(&memory.own[number], i);
		shared64_store(&memory.unread, 0);
	}
}

static void accesses_that_concern_nobody_make_no_states(void **state)
{
	static struct explore_result result;
	struct explore_case explored = careless;

	(void)state;
	explored.actor = write_and_look;
	explored.check = check_nothing;
	explored.is_constant = is_constant;
	explored.is_unread = is_unread;
	explore_all(&explored, 1000, &result);
	assert_null(result.failure);
	assert_int_equal(result.n_states, (ROUNDS + 2) * (ROUNDS + 2));
}

static void write_constant(uint32_t number)
{
	(void)number;
	shared64_store(&memory.constant, 1);
}

static void read_unread(uint32_t number)
{
	(void)number;
	(void)shared64_load(&memory.unread);
}

static void accesses_that_concern_somebody_after_all_fail(void **state)
{
	static struct explore_result result;
	struct explore_case explored = careless;

	(void)state;
	explored.check = check_nothing;
	explored.is_constant = is_constant;
	explored.is_unread = is_unread;
	explored.actor = write_constant;
	explore_all(&explored, 1000, &result);
	assert_string_equal(result.failure, "a constant is written");
	explored.actor = read_unread;
	explore_all(&explored, 1000, &result);
	assert_string_equal(result.failure, "what nobody reads is read");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lost_addition_is_found_and_replays),
		cmocka_unit_test(seed_finds_the_same_schedule_again),
		cmocka_unit_test(every_state_is_seen_once),
		cmocka_unit_test(stops_multiply_what_is_seen),
		cmocka_unit_test(accesses_that_concern_nobody_make_no_states),
		cmocka_unit_test(accesses_that_concern_somebody_after_all_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

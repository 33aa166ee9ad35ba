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
	struct shared64 rest[11]; /* as a file it is whole pieces */
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

/* --- the reduced search --------------------------------------------------------------------------- */

static struct {
	uint64_t seen[2];
	uint64_t recovered[2];
} reports;

static void reset_both(void)
{
	reset();
	memset(&reports, 0, sizeof(reports));
}

/* What belongs to one alone, then a word of both. */
static void work_and_meet(uint32_t number)
{
	write_own(number);
	reports.seen[number] = 1 + shared64_add(&memory.counter, 1);
	write_own(number);
}

static void recover_and_meet(uint32_t number)
{
	reports.recovered[number] = 1 + shared64_add(&memory.counter, 16);
}

static uint64_t report(void)
{
	return 1 + reports.seen[0] + reports.seen[1] * 64 + reports.recovered[0] * 4096 +
	       reports.recovered[1] * 262144 + atomic_load(&memory.counter.raw) * 16777216;
}

static const struct explore_case meeting = {
	.name = "meeting",
	.memory = &reports,
	.memory_size = sizeof(reports),
	.file = &memory,
	.file_size = sizeof(memory),
	.n_actors = 2,
	.n_kills = 1,
	.n_relapses = 1,
	.reset = reset_both,
	.actor = work_and_meet,
	.recover = recover_and_meet,
	.check = check_nothing,
	.pauses_are_long = true,
	.is_reduced = true,
	.outcome = report,
};

static void reduced_search_comes_to_the_same_in_fewer_states(void **state)
{
	static struct explore_result reduced, plain;
	struct explore_case explored = meeting;
	uint32_t run;

	(void)state;
	for (run = 0; run < 2; run++) {
		explored.n_kills = run == 0;
		explored.n_stops = run == 1;
		explored.is_reduced = true;
		explore_all(&explored, 100000, &reduced);
		explored.is_reduced = false;
		explore_all(&explored, 100000, &plain);
		assert_null(reduced.failure);
		assert_null(plain.failure);
		assert_true(reduced.exhausted && plain.exhausted);
		assert_true(reduced.n_states * 3 < plain.n_states);
		assert_int_equal(reduced.n_outcomes, plain.n_outcomes);
		assert_int_equal(reduced.outcomes, plain.outcomes);
	}
}

static void work_carelessly(uint32_t number)
{
	write_own(number);
	add_carelessly(number);
	write_own(number);
}

static void reduced_search_finds_a_lost_addition(void **state)
{
	static struct explore_result result;
	struct explore_case explored = meeting;

	(void)state;
	explored.actor = work_carelessly;
	explored.check = check_sum;
	explore_all(&explored, 100000, &result);
	assert_string_equal(result.failure, "an addition is lost");
	assert_string_equal(explore_replay(&explored, result.schedule), "an addition is lost");
}

/* Whoever finds the word taken waits for the other: for ever, if that has been stopped. */
static void lock_and_unlock(uint32_t number)
{
	(void)number;
	while (!shared64_cas(&memory.counter, 0, 1))
		(void)shared64_load(&memory.counter);
	shared64_store(&memory.counter, 0);
}

static void reduced_search_finds_who_waits_for_the_stopped(void **state)
{
	static struct explore_result result;
	struct explore_case explored = meeting;

	(void)state;
	explored.actor = lock_and_unlock;
	explore_all(&explored, 100000, &result);
	assert_string_equal(result.failure, "an actor alone does not come to an end");
}

/* Actor 0 sleeps until the word is no longer 0; actor 1 changes it, and may forget to wake him. */
static bool forgets;

static void sleep_or_wake(uint32_t number)
{
	if (number == 1) {
		shared64_store(&memory.counter, 1);
		if (!forgets || shared64_load(&memory.own[0]) == 0) {
			explore_meet(&memory.counter);
			explore_wake(&memory.counter);
		}
		return;
	}
	shared64_store(&memory.own[0], 1);
	explore_meet(&memory.counter);
	if (atomic_load(&memory.counter.raw) == 0)
		explore_sleep(&memory.counter);
	reports.seen[0] = 1;
}

static const char *check_awake(uint32_t stopped, uint32_t killed)
{
	return stopped || killed || reports.seen[0] ? NULL : "asleep for ever";
}

static void reduced_search_finds_a_lost_wake_up(void **state)
{
	static struct explore_result result;
	struct explore_case explored = meeting;

	(void)state;
	explored.actor = sleep_or_wake;
	explored.recover = NULL;
	explored.check = check_awake;
	explored.n_slices = 2;
	forgets = false;
	explore_all(&explored, 100000, &result);
	assert_null(result.failure);
	assert_true(result.exhausted);
	forgets = true;
	explore_all(&explored, 100000, &result);
	assert_string_equal(result.failure, "asleep for ever");
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
		cmocka_unit_test(reduced_search_comes_to_the_same_in_fewer_states),
		cmocka_unit_test(reduced_search_finds_a_lost_addition),
		cmocka_unit_test(reduced_search_finds_who_waits_for_the_stopped),
		cmocka_unit_test(reduced_search_finds_a_lost_wake_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

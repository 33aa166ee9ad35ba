/* test-patience.c: how often a call tries again before it sleeps, in steps. */
#include "test.h"

#include <string.h>
#include <time.h>

#include "client/patience.h"
#include "sys/clock.h"
#include "sys/wait.h"

#define KEY 7u
#define ROUNDS 500u

/* No call tries again more often than this. */
#define SPINS_MAX 16u
#define YIELDS_MAX 64u

/* Longer than any wait that is called short. */
#define LONG_NS 1000000
#define TRIES 100u

struct tries {
	uint32_t spins;
	uint32_t yields;
};

static void pass(long ns)
{
	struct timespec time = { 0, ns };

	(void)nanosleep(&time, NULL);
}

/* One call that is still blocked when it goes to sleep, and then sleeps for so long. */
static void call_in_vain(uint32_t key, long sleep_ns, struct tries *tries)
{
	struct patience patience;

	patience_begin(&patience, key, WAIT_FOREVER);
	while (patience_spin(&patience))
		tries->spins++;
	while (patience_yield(&patience, 0))
		tries->yields++;
	if (sleep_ns > 0)
		pass(sleep_ns);
	patience_end(&patience, 0);
}

/* One call that can go on at its first try; false if it may not try. */
static bool call_with_luck(uint32_t key)
{
	struct patience patience;
	bool may_try;

	patience_begin(&patience, key, WAIT_FOREVER);
	may_try = patience_spin(&patience);
	if (!may_try)
		(void)patience_yield(&patience, 0);
	patience_end(&patience, 0);
	return may_try;
}

/* Begins a call and comes to its first yield; false if it may not. */
static bool call_yields(struct patience *patience)
{
	patience_begin(patience, KEY, WAIT_FOREVER);
	while (patience_spin(patience))
		continue;
	return patience_yield(patience, 0);
}

/* Short waits until one may yield: a wait can be long by chance. */
static bool call_yields_at_last(struct patience *patience)
{
	uint32_t i;

	for (i = 0; i < TRIES; i++) {
		if (call_yields(patience))
			return true;
		patience_end(patience, 0);
	}
	return false;
}

static void forget(void)
{
	memset(&client_thread, 0, sizeof(client_thread));
}

static void first_call_spins_and_ends(void **state)
{
	struct tries tries = { 0, 0 };

	(void)state;
	forget();
	call_in_vain(KEY, LONG_NS, &tries);
	assert_in_range(tries.spins, 1, SPINS_MAX);
	assert_int_equal(tries.yields, 0);
}

/* Sleeps that last need patience only once in 64 times. */
static void who_waits_long_spins_seldom_and_never_yields(void **state)
{
	struct tries tries = { 0, 0 };
	uint32_t i;

	(void)state;
	forget();
	for (i = 0; i < ROUNDS; i++)
		call_in_vain(KEY, LONG_NS, &tries);
	assert_in_range(tries.spins, 1, (8 + ROUNDS / 64) * SPINS_MAX);
	assert_int_equal(tries.yields, 0);
}

static void short_sleep_makes_the_next_call_yield_and_that_ends(void **state)
{
	struct patience patience;
	uint32_t yields = 1;

	(void)state;
	forget();
	assert_true(call_yields_at_last(&patience));
	while (patience_yield(&patience, yields * 1000000))
		yields++;
	patience_end(&patience, 0);
	assert_in_range(yields, 1, YIELDS_MAX);
	call_in_vain(KEY, LONG_NS, &(struct tries){ 0, 0 });
	assert_false(call_yields(&patience));
	patience_end(&patience, 0);
}

static void yield_that_served_strangers_is_left_out_for_long(void **state)
{
	struct patience patience;
	uint32_t i;

	(void)state;
	forget();
	assert_true(call_yields_at_last(&patience));
	pass(LONG_NS);
	assert_false(patience_yield(&patience, 1));
	patience_end(&patience, 1);
	for (i = 0; i < 50; i++) {
		assert_false(call_yields(&patience));
		patience_end(&patience, 0);
	}
	for (i = 0; i < 10 * TRIES && !call_yields(&patience); i++)
		patience_end(&patience, 0);
	assert_in_range(i, 1, 10 * TRIES - 1);
	pass(LONG_NS);
	patience_end(&patience, 1);
	for (i = 0; i < 100; i++) {
		assert_false(call_yields(&patience));
		patience_end(&patience, 0);
	}
}

static void yield_that_served_others_at_the_same_thing_pays(void **state)
{
	struct patience patience;

	(void)state;
	forget();
	assert_true(call_yields_at_last(&patience));
	pass(LONG_NS);
	patience_end(&patience, 1000000);
	assert_true(call_yields(&patience));
	patience_end(&patience, 1000000);
}

static void what_pays_is_done_every_time(void **state)
{
	uint32_t i;

	(void)state;
	forget();
	for (i = 0; i < ROUNDS; i++)
		assert_true(call_with_luck(KEY));
}

static void luck_brings_patience_back(void **state)
{
	struct tries tries = { 0, 0 };
	uint32_t i;

	(void)state;
	forget();
	for (i = 0; i < 20; i++)
		call_in_vain(KEY, LONG_NS, &tries);
	for (i = 0; i < 64 && !call_with_luck(KEY); i++)
		continue;
	assert_in_range(i, 1, 63);
	assert_true(call_with_luck(KEY));
}

static void other_keys_are_not_left_out(void **state)
{
	struct tries tries = { 0, 0 };
	uint32_t lucky = 0;
	uint32_t key;

	(void)state;
	forget();
	call_in_vain(KEY, LONG_NS, &tries);
	for (key = KEY + 1; key < KEY + 1 + 2 * THREAD_HABITS; key++)
		lucky += call_with_luck(key);
	assert_in_range(lucky, THREAD_HABITS, 2 * THREAD_HABITS);
}

static void deadline_that_has_passed_is_not_waited_for(void **state)
{
	struct patience patience;

	(void)state;
	forget();
	assert_true(call_yields_at_last(&patience));
	patience_end(&patience, 1000000);
	patience_begin(&patience, KEY, clock_monotonic_ns());
	assert_false(patience_yield(&patience, 0));
	patience_end(&patience, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_call_spins_and_ends),
		cmocka_unit_test(who_waits_long_spins_seldom_and_never_yields),
		cmocka_unit_test(short_sleep_makes_the_next_call_yield_and_that_ends),
		cmocka_unit_test(yield_that_served_strangers_is_left_out_for_long),
		cmocka_unit_test(yield_that_served_others_at_the_same_thing_pays),
		cmocka_unit_test(what_pays_is_done_every_time),
		cmocka_unit_test(luck_brings_patience_back),
		cmocka_unit_test(other_keys_are_not_left_out),
		cmocka_unit_test(deadline_that_has_passed_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

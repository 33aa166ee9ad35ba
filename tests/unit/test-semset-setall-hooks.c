/*
 * test-semset-setall-hooks.c: SETALL of more semaphores than an ordinary descriptor takes (PSX-23), left
 * or overtaken at each of its shared accesses: all of its values are there, or none is.
 */
#include "test.h"

#include <stdlib.h>

#include "model/semset-file.h"

enum { N_SEMS = 1100, LAST = N_SEMS - 1 };
enum { OLD = 1, NEW = 2 };
#define ACCESSES_MAX 100000u

static const struct actor alice = { .client = 0x10001u, .pid = 101, .hint = 1, .now_s = 1000 };
static const struct actor bob = { .client = 0x10002u, .pid = 102, .hint = 2, .now_s = 1000 };
static const struct actor carol = { .client = 0x10003u, .pid = 103, .hint = 3, .now_s = 1000 };

static struct semset_file file;
static uint64_t steps_left;    /* until `at_step` */
static void (*at_step)(void);  /* what happens there, once */
static jmp_buf out_of_setall;

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
		at_step();
}

uint64_t hook_value(const volatile void *address, uint64_t value)
{
	(void)address;
	return value;
}

static int set_all_to(const struct actor *actor, uint16_t value)
{
	uint16_t values[N_SEMS];
	struct wakes wakes;
	uint32_t i;

	for (i = 0; i < N_SEMS; i++)
		values[i] = value;
	return semset_file_set_all(&file, actor, values, &wakes);
}

static void add(const struct actor *actor, uint16_t sem, int16_t amount)
{
	struct abi_sembuf op = { sem, amount, ABI_IPC_NOWAIT };
	struct wakes wakes;

	assert_int_equal(semset_file_op(&file, actor, &op, 1, &wakes), SEMSET_DONE);
}

/* The value that all semaphores have but the last, which the sleeper has had 2 of if they are NEW. */
static uint32_t value_of_all(bool has_sleeper)
{
	uint16_t values[N_SEMS];
	uint32_t i;

	assert_int_equal(semset_get_all(&file.set, values), SEMSET_DONE);
	assert_true(values[0] == OLD || values[0] == NEW);
	for (i = 1; i < LAST; i++)
		assert_int_equal(values[i], values[0]);
	assert_int_equal(values[LAST], has_sleeper && values[0] == NEW ? 0 : values[0]);
	return values[0];
}

static void leave(void)
{
	longjmp(out_of_setall, 1);
}

/* False: it has fewer accesses than n. */
static bool set_all_left_at(uint64_t n)
{
	steps_left = n;
	at_step = leave;
	if (setjmp(out_of_setall) != 0)
		return true;
	assert_int_equal(set_all_to(&alice, NEW), SEMSET_DONE);
	return steps_left == 0;
}

static void setup(void)
{
	semset_file_init(&file, N_SEMS);
	assert_true(semset_file_grow(&file, SEMSET_GROW_LARGE));
	assert_true(semset_file_grow(&file, SEMSET_GROW_SLEEPERS));
}

/* Who sleeps on a word that a stopped process was about to change does not wake up over and over. */
static void looks_once(struct semset_sleeper *sleeper)
{
	const struct shared64 *word = &file.set.mcas.words[sleeper->word_index];

	assert_int_equal(semset_poll(&file.set, sleeper), SEMSET_WAITING);
	assert_int_equal((uint32_t)shared64_load(word), sleeper->expected);
}

/* A grant belongs to it as well: the sleeper goes on exactly if the values are the new ones. */
static void left_anywhere_it_is_whole(void **state)
{
	struct abi_sembuf take = { LAST, -2, 0 };
	struct semset_sleeper sleeper;
	struct wakes wakes;
	bool reached = true;
	uint32_t value;
	uint64_t n;

	(void)state;
	setup();
	for (n = 1; reached && n < ACCESSES_MAX; n++) {
		assert_int_equal(set_all_to(&bob, OLD), SEMSET_DONE);
		assert_int_equal(semset_file_wait(&file, &carol, &take, 1, &wakes, &sleeper),
				 SEMSET_WAITING);
		reached = set_all_left_at(n);
		steps_left = 0;
		value = value_of_all(true);
		assert_true(value == NEW || reached);
		if (value == OLD)
			looks_once(&sleeper);
		add(&bob, 5, 1); /* nobody waits for who is gone */
		add(&bob, 5, -1);
		assert_int_equal(value_of_all(true), value);
		assert_int_equal(semset_file_recover(&file, &alice), SEMSET_DONE);
		assert_false(semset_holds(&file.set, alice.client));
		assert_int_equal(value_of_all(true), value);
		assert_int_equal(semset_poll(&file.set, &sleeper),
				 value == NEW ? SEMSET_DONE : SEMSET_WAITING);
		if (value == OLD)
			assert_int_equal(semset_cancel(&file.set, &carol, &sleeper), SEMSET_BLOCKED);
		assert_true(semset_verify(&file.set));
	}
	assert_false(reached);
	assert_true(n > 4 * N_SEMS);
	semset_file_deinit(&file);
}

static uint32_t seen_by_bob;

static void look_and_add(void)
{
	seen_by_bob = value_of_all(false);
	add(&bob, 7, 1);
}

/* Whoever acts in between acts before all of it or after all of it. */
static void overtaken_anywhere_it_is_one_change(void **state)
{
	bool reached = true;
	uint32_t value;
	uint64_t n;

	(void)state;
	setup();
	for (n = 1; reached && n < ACCESSES_MAX; n++) {
		assert_int_equal(set_all_to(&carol, OLD), SEMSET_DONE);
		steps_left = n;
		at_step = look_and_add;
		assert_int_equal(set_all_to(&alice, NEW), SEMSET_DONE);
		reached = steps_left == 0;
		steps_left = 0;
		assert_int_equal(semset_get_value(&file.set, 7, &value), SEMSET_DONE);
		assert_int_equal(value, reached && seen_by_bob == NEW ? NEW + 1 : NEW);
	}
	assert_false(reached);
	assert_true(semset_verify(&file.set));
	semset_file_deinit(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(left_anywhere_it_is_whole),
		cmocka_unit_test(overtaken_anywhere_it_is_one_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

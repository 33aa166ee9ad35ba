/*
 * test-mcas-hooks.c: mcas with one actor stopped, killed or overtaken at every single step.
 *
 * The hooks build sends every shared access through hook_access().  Actor A runs its commit; at its
 * n-th access it is left for ever (a jump out), or actor B's whole commit runs in between, possibly
 * itself left at its m-th access.  All n, all n x m.
 */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "core/mcas-internal.h"

enum { FILE_SIZE = 128 * 1024, SLOTS_OFF = 4096, RESIDENT_OFF = 32768, LARGE_OFF = 65536 };
enum { N_RESIDENT = 4 };
enum { WORD_X = 1, WORD_Y = 2, WORD_Z = 3 };
#define CLIENT_A 0x10001u
#define CLIENT_B 0x10002u
#define STEPS_MAX 200
#define LIES_MAX 1000000u

static _Alignas(64) uint8_t file[FILE_SIZE];
static struct mcas mcas;

static uint32_t slot_a, slot_b;      /* of the actors, if they have their own */
static unsigned steps_left;          /* until `at_step` */
static void (*at_step)(void);        /* what happens there, once */
static jmp_buf out_of_a, out_of_b;
static unsigned b_steps;             /* B is killed at this access; 0 = never */
static uint64_t lies_left;           /* accesses before each of which a peer rewrites what it can */
static enum slot_state lie_state;
static int b_outcome;

void assert_fail(const char *expression, const char *file_name, int line)
{
	fail_msg("%s:%d: %s", file_name, line, expression);
	abort();
}

static void lie(void);

void hook_access(enum hook_kind kind, const volatile void *address)
{
	(void)kind;
	(void)address;
	if (lies_left > 0)
		lie();
	if (steps_left > 0 && --steps_left == 0 && at_step)
		at_step();
}

uint64_t hook_value(const volatile void *address, uint64_t value)
{
	(void)address;
	return value;
}

static void file_reset(void)
{
	memset(file, 0, sizeof(file));
	mcas_init(&mcas, file, sizeof(file), SLOTS_OFF);
	mcas_init_large(&mcas, LARGE_OFF, MCAS_LARGE_MAX);
	mcas_init_resident(&mcas, RESIDENT_OFF, N_RESIDENT);
	steps_left = 0;
	slot_a = MCAS_SLOT_NONE;
	slot_b = MCAS_SLOT_NONE;
}

static uint64_t read_word(uint32_t index)
{
	uint64_t word;

	assert_int_equal(mcas_read(&mcas, index, &word), MCAS_DONE);
	return word;
}

/* Adds to two words in one commit, trying again as a caller does.  Bounded. */
static int add_both(uint64_t client, uint32_t first, uint32_t second, uint32_t amount)
{
	struct actor actor = { .client = client,
			       .pid = 1,
			       .hint = client == CLIENT_B,
			       .slot = client == CLIENT_B ? slot_b : slot_a };
	struct mcas_change changes[2];
	int tries, outcome = MCAS_E_BUSY;

	for (tries = 0; tries < 10; tries++) {
		struct mcas_op op = { changes, 0, 2 };
		uint64_t a = read_word(first), b = read_word(second);

		assert_true(mcas_op_add(&op, first, a, mcas_next(a, mcas_payload(a) + amount)));
		assert_true(mcas_op_add(&op, second, b, mcas_next(b, mcas_payload(b) + amount)));
		outcome = mcas_commit(&mcas, &actor, &op);
		if (outcome == MCAS_DONE)
			break;
	}
	return outcome;
}

static void leave_a(void)
{
	longjmp(out_of_a, 1);
}

static void leave_b(void)
{
	longjmp(out_of_b, 1);
}

static void run_b(void)
{
	steps_left = b_steps;
	at_step = leave_b;
	if (setjmp(out_of_b) == 0)
		b_outcome = add_both(CLIENT_B, WORD_Y, WORD_Z, 100);
	else
		b_outcome = -1;
	steps_left = 0;
}

/* Runs A's commit with `what` at its n-th access; false when the commit has fewer. */
static bool run_a(unsigned n, void (*what)(void), int *ret_outcome)
{
	volatile bool reached = true;

	steps_left = n;
	at_step = what;
	if (setjmp(out_of_a) == 0) {
		*ret_outcome = add_both(CLIENT_A, WORD_X, WORD_Y, 1);
		reached = steps_left == 0;
	} else {
		*ret_outcome = -1;
	}
	steps_left = 0;
	return reached;
}

static void a_left_at_any_step_delays_nobody_and_recovers_whole(void **state)
{
	unsigned n;
	int outcome;

	(void)state;
	for (n = 1; n < STEPS_MAX; n++) {
		uint32_t x;

		file_reset();
		if (!run_a(n, leave_a, &outcome) || outcome == MCAS_DONE)
			break;
		/* A stands still for ever; B must get through without anybody's help. */
		assert_int_equal(add_both(CLIENT_B, WORD_Y, WORD_Z, 100), MCAS_DONE);
		mcas_recover(&mcas, CLIENT_A);
		assert_true(mcas_verify(&mcas));
		x = mcas_payload(read_word(WORD_X));
		assert_true(x <= 1);
		assert_int_equal(mcas_payload(read_word(WORD_Y)), 100 + x);
		assert_int_equal(mcas_payload(read_word(WORD_Z)), 100);
		assert_false(mcas_is_mark(shared64_load(&mcas.words[WORD_X])));
		mcas_recover(&mcas, CLIENT_A); /* again: nothing happens */
		assert_int_equal(mcas_payload(read_word(WORD_X)), x);
	}
	assert_in_range(n, 15, STEPS_MAX - 1);
}

static void b_overtaking_at_any_step_loses_and_doubles_nothing(void **state)
{
	unsigned n;
	int outcome;

	(void)state;
	for (n = 1; n < STEPS_MAX; n++) {
		file_reset();
		b_steps = 0;
		if (!run_a(n, run_b, &outcome))
			break;
		assert_int_equal(outcome, MCAS_DONE);
		assert_int_equal(b_outcome, MCAS_DONE);
		assert_int_equal(mcas_payload(read_word(WORD_X)), 1);
		assert_int_equal(mcas_payload(read_word(WORD_Y)), 101);
		assert_int_equal(mcas_payload(read_word(WORD_Z)), 100);
		assert_true(mcas_verify(&mcas));
	}
	assert_in_range(n, 15, STEPS_MAX - 1);
}

static void b_killed_at_any_step_inside_any_step_of_a_is_all_or_nothing(void **state)
{
	unsigned n, m, cases = 0;
	int outcome;

	(void)state;
	for (n = 1; n < STEPS_MAX; n++) {
		bool reached = true;

		for (m = 1; m < STEPS_MAX; m++) {
			uint32_t y, z;

			file_reset();
			b_steps = m;
			reached = run_a(n, run_b, &outcome);
			if (!reached || b_outcome == MCAS_DONE)
				break;
			cases++;
			assert_int_equal(outcome, MCAS_DONE);
			y = mcas_payload(read_word(WORD_Y));
			z = mcas_payload(read_word(WORD_Z));
			assert_true(z == 0 || z == 100);
			assert_int_equal(y, 1 + z);
			mcas_recover(&mcas, CLIENT_B);
			assert_true(mcas_verify(&mcas));
			assert_int_equal(mcas_payload(read_word(WORD_X)), 1);
			assert_int_equal(mcas_payload(read_word(WORD_Y)), y);
			assert_int_equal(mcas_payload(read_word(WORD_Z)), z);
		}
		if (!reached)
			break;
	}
	print_message("# %u cases\n", cases);
	assert_true(cases > 200);
}

/* Every slot but one is held by somebody stopped in mid-commit: seizing must free one. */
static void exhausted_slots_are_seized_from_owner_stopped_at_any_step(void **state)
{
	unsigned n, filled;
	int outcome;

	(void)state;
	for (n = 1; n < STEPS_MAX; n++) {
		struct shared64 *owner;

		file_reset();
		if (!run_a(n, leave_a, &outcome) || outcome == MCAS_DONE)
			break;
		/* The other slots: taken by a living client that never goes on, before publishing. */
		for (filled = 0; filled < MCAS_SMALL_SLOTS; filled++) {
			owner = (struct shared64 *)(void *)(file + SLOTS_OFF +
				filled * (mcas_slots_size() / MCAS_SMALL_SLOTS) + 8);
			if (shared64_load(owner) == 0)
				shared64_store(owner, 0x77);
		}
		outcome = add_both(CLIENT_B, WORD_Y, WORD_Z, 100);
		/* Busy is right only where A may still store into its slot (argument e). */
		assert_true(outcome == MCAS_DONE || outcome == MCAS_E_BUSY);
		if (outcome == MCAS_DONE)
			assert_int_equal(mcas_payload(read_word(WORD_Z)), 100);
	}
	assert_in_range(n, 15, STEPS_MAX - 1);
}

/* A is stopped at step n, its slot is seized by B, then A goes on: it must notice and try again. */
static void fill_other_slots_and_run_b(void)
{
	unsigned i;

	for (i = 0; i < MCAS_SMALL_SLOTS; i++) {
		struct shared64 *owner = (struct shared64 *)(void *)(file + SLOTS_OFF +
			i * (mcas_slots_size() / MCAS_SMALL_SLOTS) + 8);

		if (shared64_load(owner) == 0)
			shared64_store(owner, 0x77);
	}
	run_b();
	mcas_recover(&mcas, 0x77);
}

static void seized_owner_that_goes_on_loses_and_doubles_nothing(void **state)
{
	unsigned n, seized = 0;
	int outcome;

	(void)state;
	for (n = 1; n < STEPS_MAX; n++) {
		file_reset();
		b_steps = 0;
		if (!run_a(n, fill_other_slots_and_run_b, &outcome))
			break;
		assert_int_equal(outcome, MCAS_DONE);
		assert_true(b_outcome == MCAS_DONE || b_outcome == MCAS_E_BUSY);
		seized += b_outcome == MCAS_DONE;
		assert_int_equal(mcas_payload(read_word(WORD_X)), 1);
		assert_int_equal(mcas_payload(read_word(WORD_Y)), b_outcome == MCAS_DONE ? 101 : 1);
		assert_false(mcas_is_mark(shared64_load(&mcas.words[WORD_X])));
		assert_false(mcas_is_mark(shared64_load(&mcas.words[WORD_Y])));
		assert_true(mcas_verify(&mcas));
	}
	assert_in_range(n, 15, STEPS_MAX - 1);
	assert_true(seized > 5);
}

static void run_handler(void)
{
	steps_left = 0;
	b_outcome = add_both(CLIENT_B, WORD_Y, WORD_Z, 50);
	if (b_outcome == MCAS_DONE)
		b_outcome = add_both(CLIENT_B, WORD_Y, WORD_Z, 50);
}

/* A signal handler inside a call takes descriptors that all share, as B does here. */
static void handler_inside_any_step_of_a_call_with_its_own_descriptors(void **state)
{
	struct actor a = { .client = CLIENT_A };
	unsigned n;
	int outcome;

	(void)state;
	for (n = 1; n < STEPS_MAX; n++) {
		file_reset();
		slot_a = mcas_resident_bind(&mcas, &a);
		assert_int_not_equal(slot_a, MCAS_SLOT_NONE);
		if (!run_a(n, run_handler, &outcome))
			break;
		assert_int_equal(outcome, MCAS_DONE);
		assert_int_equal(b_outcome, MCAS_DONE);
		assert_int_equal(mcas_payload(read_word(WORD_X)), 1);
		assert_int_equal(mcas_payload(read_word(WORD_Y)), 101);
		assert_int_equal(mcas_payload(read_word(WORD_Z)), 100);
		mcas_resident_release(&mcas, CLIENT_A, slot_a);
		assert_true(mcas_verify(&mcas));
	}
	assert_in_range(n, 15, STEPS_MAX - 1);
}

/* A leaves its call by a jump at step n; its next call, in the same descriptors, ends what is left. */
static void left_by_a_jump_at_any_step_and_called_again(void **state)
{
	struct actor a = { .client = CLIENT_A };
	unsigned n;
	int outcome;

	(void)state;
	for (n = 1; n < STEPS_MAX; n++) {
		uint32_t x;

		file_reset();
		slot_a = mcas_resident_bind(&mcas, &a);
		if (!run_a(n, leave_a, &outcome) || outcome == MCAS_DONE)
			break;
		x = mcas_payload(read_word(WORD_X));
		assert_true(x <= 1);
		assert_int_equal(add_both(CLIENT_A, WORD_Z, WORD_Y, 10), MCAS_DONE);
		assert_int_equal(add_both(CLIENT_A, WORD_Z, WORD_Y, 10), MCAS_DONE);
		assert_int_equal(mcas_payload(read_word(WORD_X)), x);
		assert_int_equal(mcas_payload(read_word(WORD_Y)), 20 + x);
		mcas_resident_release(&mcas, CLIENT_A, slot_a);
		assert_true(mcas_verify(&mcas));
		assert_false(mcas_is_mark(shared64_load(&mcas.words[WORD_X])));
		assert_int_equal(mcas_payload(read_word(WORD_X)), x);
	}
	assert_in_range(n, 10, STEPS_MAX - 1);
}

static void pairs_are_bound_once_and_come_back(void **state)
{
	struct actor a = { .client = CLIENT_A }, b = { .client = CLIENT_B };
	uint32_t first, second;

	(void)state;
	file_reset();
	first = mcas_resident_bind(&mcas, &a);
	second = mcas_resident_bind(&mcas, &b);
	assert_int_not_equal(first, MCAS_SLOT_NONE);
	assert_int_not_equal(second, MCAS_SLOT_NONE);
	assert_int_not_equal(first, second);
	assert_int_equal(mcas_resident_bind(&mcas, &a), MCAS_SLOT_NONE);
	mcas_recover(&mcas, CLIENT_B);
	assert_int_equal(mcas_resident_bind(&mcas, &a), second);
	mcas_resident_release(&mcas, CLIENT_A, first);
	assert_int_equal(mcas_resident_bind(&mcas, &b), first);
}

/* Every descriptor stands in the middle of a commit, and the word holds its mark again and again. */
static void lie(void)
{
	uint32_t number;

	if (--lies_left == 0)
		fail_msg("a peer that rewrites a word holds a call for more than %u accesses", LIES_MAX);
	for (number = 0; number < MCAS_SMALL_SLOTS; number++) {
		struct slot *slot = slot_at(&mcas, number);

		atomic_store(&slot->owner.raw, CLIENT_B);
		atomic_store(&slot->status.raw, status_make(7, lie_state));
		atomic_store(&slot->n.raw, 1);
		atomic_store(&slot->entries[0].old.raw, mcas_word(5, 3));
		atomic_store(&slot->entries[0].target.raw, (uint64_t)6 << 32 | WORD_X);
	}
	atomic_store(&mcas.words[WORD_X].raw, mark_make(0, 7, 0));
}

static void peer_that_puts_marks_back_for_ever_holds_nobody(void **state)
{
	struct actor actor = { .client = CLIENT_A, .pid = 1, .slot = MCAS_SLOT_NONE };
	struct mcas_change changes[2] = {
		{ WORD_X, false, mcas_word(5, 3), mcas_word(6, 4) },
		{ WORD_Y, false, mcas_word(0, 0), mcas_word(1, 1) },
	};
	struct mcas_op op = { changes, 2, 2 };
	int changed, committed, seized;

	(void)state;
	file_reset();
	lies_left = LIES_MAX;
	lie_state = SLOT_UNDECIDED;
	changed = mcas_change_one(&mcas, WORD_X, changes[0].old, changes[0].new);
	committed = mcas_commit(&mcas, &actor, &op);
	lies_left = LIES_MAX;
	lie_state = SLOT_FAILED; /* a word whose mark comes back while its descriptor is seized */
	seized = mcas_commit(&mcas, &actor, &op);
	lies_left = 0;
	assert_int_equal(changed, MCAS_E_CORRUPT);
	assert_int_equal(committed, MCAS_E_BUSY);
	assert_int_equal(seized, MCAS_E_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peer_that_puts_marks_back_for_ever_holds_nobody),
		cmocka_unit_test(a_left_at_any_step_delays_nobody_and_recovers_whole),
		cmocka_unit_test(b_overtaking_at_any_step_loses_and_doubles_nothing),
		cmocka_unit_test(b_killed_at_any_step_inside_any_step_of_a_is_all_or_nothing),
		cmocka_unit_test(exhausted_slots_are_seized_from_owner_stopped_at_any_step),
		cmocka_unit_test(seized_owner_that_goes_on_loses_and_doubles_nothing),
		cmocka_unit_test(handler_inside_any_step_of_a_call_with_its_own_descriptors),
		cmocka_unit_test(left_by_a_jump_at_any_step_and_called_again),
		cmocka_unit_test(pairs_are_bound_once_and_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

/* test-semset.c: a semaphore set, one call at a time.  Rules SEM-*, UNDO-* of the contract. */
#include "test.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/semset-internal.h"
#include "model/semset-file.h"
#include "model/semset-step.h"

#define NOWAIT ABI_IPC_NOWAIT
#define UNDO ABI_SEM_UNDO

static const struct actor alice = { 1, 101, 0, 2000, 0 };
static const struct actor bob = { 2, 102, 1, 2000, 0 };
static const struct actor carol = { 3, 103, 2, 2000, 0 };

static void expect_values(struct semset_file *file, const uint16_t *expected)
{
	uint16_t values[64];
	uint32_t i;

	assert_int_equal(semset_get_all(&file->set, values), SEMSET_DONE);
	for (i = 0; i < file->set.layout.n_sems; i++)
		assert_int_equal(values[i], expected[i]);
}

static uint32_t value_of(struct semset_file *file, uint32_t sem)
{
	uint32_t value = UINT32_MAX;

	assert_int_equal(semset_get_value(&file->set, sem, &value), SEMSET_DONE);
	return value;
}

static uint32_t pid_of(struct semset_file *file, uint32_t sem)
{
	uint32_t pid = UINT32_MAX;

	assert_int_equal(semset_get_pid(&file->set, sem, &pid), SEMSET_DONE);
	return pid;
}

static int64_t otime_of(struct semset_file *file)
{
	struct semset_stat stat;

	semset_get_stat(&file->set, &stat);
	return stat.otime_s;
}

/* One operation that must succeed. */
static void do_one(struct semset_file *file, const struct actor *actor, uint16_t sem, int16_t op,
		   int16_t flags)
{
	struct abi_sembuf ops = { sem, op, flags };
	struct wakes wakes;

	assert_int_equal(semset_file_op(file, actor, &ops, 1, &wakes), SEMSET_DONE);
}

static struct semset_sleeper sleep_on(struct semset_file *file, const struct actor *actor,
				      const struct abi_sembuf *ops, uint32_t n_ops)
{
	struct semset_sleeper sleeper;
	struct wakes wakes;

	assert_int_equal(semset_file_wait(file, actor, ops, n_ops, &wakes, &sleeper),
			 SEMSET_WAITING);
	return sleeper;
}

static void set_values(struct semset_file *file, const uint16_t *values)
{
	struct wakes wakes;

	assert_int_equal(semset_file_set_all(file, &alice, values, &wakes), SEMSET_DONE);
}

/* --- one call, nobody sleeps ---------------------------------------------------------------------- */

struct op_case {
	const char *name;
	uint16_t before[3];
	struct abi_sembuf ops[3];
	uint32_t n_ops;
	int outcome;
	uint16_t after[3];
};

static const struct op_case op_cases[] = {
	{ "post", { 0 }, { { 0, 2, 0 } }, 1, SEMSET_DONE, { 2 } },
	{ "take", { 2 }, { { 0, -2, 0 } }, 1, SEMSET_DONE, { 0 } },
	{ "take too many", { 2 }, { { 0, -3, 0 } }, 1, SEMSET_BLOCKED, { 2 } },
	{ "take nowait", { 2 }, { { 0, -3, NOWAIT } }, 1, SEMSET_E_AGAIN, { 2 } },
	{ "zero holds", { 0, 5 }, { { 0, 0, 0 } }, 1, SEMSET_DONE, { 0, 5 } },
	{ "zero does not hold", { 1 }, { { 0, 0, 0 } }, 1, SEMSET_BLOCKED, { 1 } },
	{ "zero nowait", { 1 }, { { 0, 0, NOWAIT } }, 1, SEMSET_E_AGAIN, { 1 } },
	{ "highest value", { 0 }, { { 0, 32767, 0 } }, 1, SEMSET_DONE, { 32767 } },
	{ "above highest", { 1 }, { { 0, 32767, 0 } }, 1, SEMSET_E_RANGE, { 1 } },
	{ "above highest nowait", { 1 }, { { 0, 32767, NOWAIT } }, 1, SEMSET_E_RANGE, { 1 } },
	{ "lowest operation", { 32767 }, { { 0, -32768, NOWAIT } }, 1, SEMSET_E_AGAIN, { 32767 } },
	{ "whole value", { 32767 }, { { 0, -32767, 0 } }, 1, SEMSET_DONE, { 0 } },
	{ "outside the set", { 0 }, { { 3, 1, 0 } }, 1, SEMSET_E_FBIG, { 0 } },
	{ "second outside", { 0 }, { { 0, 1, 0 }, { 3, 1, 0 } }, 2, SEMSET_E_FBIG, { 0 } },
	{ "up and down", { 0 }, { { 0, 1, 0 }, { 0, -1, 0 } }, 2, SEMSET_DONE, { 0 } },
	{ "down and up", { 0 }, { { 0, -1, 0 }, { 0, 1, 0 } }, 2, SEMSET_BLOCKED, { 0 } },
	{ "down then zero", { 1 }, { { 0, -1, 0 }, { 0, 0, 0 } }, 2, SEMSET_DONE, { 0 } },
	{ "test and take", { 0 }, { { 0, 0, 0 }, { 0, 1, 0 } }, 2, SEMSET_DONE, { 1 } },
	{ "test and take fails", { 1 }, { { 0, 0, 0 }, { 0, 1, 0 } }, 2, SEMSET_BLOCKED, { 1 } },
	{ "intermediate overflow", { 1 }, { { 0, 32767, 0 }, { 0, -32767, 0 } }, 2, SEMSET_E_RANGE, { 1 } },
	{ "several", { 1, 1, 0 }, { { 0, -1, 0 }, { 1, -1, 0 }, { 2, 2, 0 } }, 3, SEMSET_DONE, { 0, 0, 2 } },
	{ "all or nothing", { 1, 0, 0 }, { { 0, -1, 0 }, { 1, -1, 0 } }, 2, SEMSET_BLOCKED, { 1, 0, 0 } },
	{ "zeros of several", { 0, 0, 1 }, { { 0, 0, 0 }, { 1, 0, 0 } }, 2, SEMSET_DONE, { 0, 0, 1 } },
	{ "first that cannot decides, waiting", { 0, 0, 0 },
	  { { 0, -1, 0 }, { 1, -1, NOWAIT } }, 2, SEMSET_BLOCKED, { 0 } },
	{ "first that cannot decides, nowait", { 1, 0, 0 },
	  { { 0, -1, 0 }, { 1, -1, NOWAIT } }, 2, SEMSET_E_AGAIN, { 1 } },
	{ "first that cannot decides, range", { 0, 32767, 0 },
	  { { 1, 1, 0 }, { 0, -1, 0 } }, 2, SEMSET_E_RANGE, { 0, 32767 } },
};

static void semop_table_gives_outcome_and_values(void **state)
{
	struct semset_file file;
	struct wakes wakes;
	size_t i;
	uint32_t undo, k;

	(void)state;
	/* Once as they are, once with SEM_UNDO, which changes nothing here. */
	for (undo = 0; undo < 2; undo++) {
		for (i = 0; i < ARRAY_SIZE(op_cases); i++) {
			const struct op_case *c = &op_cases[i];
			struct abi_sembuf ops[3];
			int64_t otime;

			memcpy(ops, c->ops, sizeof(ops));
			for (k = 0; undo && k < c->n_ops; k++)
				ops[k].sem_flg |= UNDO;
			semset_file_init(&file, 3);
			set_values(&file, c->before);
			if (semset_file_op(&file, &bob, ops, c->n_ops, &wakes) != c->outcome)
				fail_msg("%s: outcome", c->name);
			expect_values(&file, c->after);
			otime = otime_of(&file);
			if (otime != (c->outcome == SEMSET_DONE ? 2000 : 0))
				fail_msg("%s: otime %" PRId64, c->name, otime);
			for (k = 0; k < c->n_ops && c->ops[k].sem_num < 3; k++)
				assert_int_equal(pid_of(&file, c->ops[k].sem_num),
						 c->outcome == SEMSET_DONE ? 102 : 101);
			assert_true(semset_verify(&file.set));
			semset_file_deinit(&file);
		}
	}
}

static void semop_of_500_increments_is_one_change(void **state)
{
	struct abi_sembuf ops[SEM_NOPS_MAX];
	struct semset_file file;
	struct wakes wakes;
	uint32_t i;

	(void)state;
	semset_file_init(&file, 1);
	for (i = 0; i < SEM_NOPS_MAX; i++)
		ops[i] = (struct abi_sembuf){ 0, 1, 0 };
	assert_int_equal(semset_file_op(&file, &alice, ops, SEM_NOPS_MAX, &wakes), SEMSET_DONE);
	assert_int_equal(value_of(&file, 0), 500);
	semset_file_deinit(&file);
}

static void semop_of_500_semaphores_with_undo_is_one_change(void **state)
{
	struct abi_sembuf ops[SEM_NOPS_MAX];
	struct semset_file file;
	struct semset_sleeper sleeper;
	struct wakes wakes;
	uint32_t i;

	(void)state;
	semset_file_init(&file, 600);
	for (i = 0; i < SEM_NOPS_MAX; i++)
		ops[i] = (struct abi_sembuf){ (uint16_t)i, 3, UNDO };
	assert_int_equal(semset_file_op(&file, &alice, ops, SEM_NOPS_MAX, &wakes), SEMSET_DONE);
	for (i = 0; i < 600; i++)
		assert_int_equal(value_of(&file, i), i < SEM_NOPS_MAX ? 3 : 0);
	/* The same with a sleeper of that size; then both processes end. */
	for (i = 0; i < SEM_NOPS_MAX; i++)
		ops[i] = (struct abi_sembuf){ (uint16_t)i, i == 499 ? -4 : -1, UNDO };
	sleeper = sleep_on(&file, &bob, ops, SEM_NOPS_MAX);
	do_one(&file, &carol, 499, 1, 0);
	assert_int_equal(semset_poll(&file.set, &sleeper), SEMSET_DONE);
	assert_int_equal(value_of(&file, 0), 2);
	assert_int_equal(value_of(&file, 499), 0);
	assert_int_equal(semset_file_undo(&file, &alice), SEMSET_DONE);
	assert_int_equal(value_of(&file, 0), 0);
	assert_int_equal(semset_file_recover(&file, &bob), SEMSET_DONE);
	assert_int_equal(value_of(&file, 0), 1);
	assert_int_equal(value_of(&file, 499), 4);
	assert_true(semset_verify(&file.set));
	semset_file_deinit(&file);
}

static void semop_without_sleepers_needs_only_the_common_part(void **state)
{
	struct semset_file file;
	struct wakes wakes;
	struct abi_sembuf zero = { 1, 0, 0 };

	(void)state;
	semset_file_init(&file, 32);
	assert_true(file.set.layout.common_size <= 4096);
	assert_true(file.set.layout.size < 3u << 20);
	do_one(&file, &alice, 0, 1, 0);
	do_one(&file, &alice, 0, -1, 0);
	assert_int_equal(semset_op(&file.set, &alice, &zero, 1, &wakes), SEMSET_DONE);
	assert_int_equal(semset_set_value(&file.set, &alice, 3, 9, &wakes), SEMSET_DONE);
	assert_int_equal(semset_settle(&file.set, &alice, &wakes), SEMSET_DONE);
	assert_int_equal(semset_apply_undo(&file.set, &alice, &wakes), SEMSET_DONE);
	assert_int_equal(semset_recover(&file.set, &alice, &wakes), SEMSET_DONE);
	assert_int_equal(semset_remove(&file.set, &alice, &wakes), SEMSET_DONE);
	assert_false(semset_holds(&file.set, 1));
	assert_int_equal(file.n_growths, 0);
	semset_file_deinit(&file);
}

/* --- sleeping ------------------------------------------------------------------------------------- */

static void post_grants_in_the_same_call_with_the_sleepers_pid(void **state)
{
	struct abi_sembuf take = { 0, -1, 0 };
	struct semset_sleeper first, second, third;
	struct semset_file file;
	struct abi_sembuf post = { 0, 2, 0 };
	struct wakes wakes;

	(void)state;
	semset_file_init(&file, 1);
	first = sleep_on(&file, &alice, &take, 1);
	second = sleep_on(&file, &bob, &take, 1);
	third = sleep_on(&file, &alice, &take, 1);
	assert_int_equal(semset_file_op(&file, &carol, &post, 1, &wakes), SEMSET_DONE);
	assert_int_equal(wakes.n, 2);
	assert_int_equal(wakes.word_indexes[0], first.word_index);
	assert_int_equal(wakes.word_indexes[1], second.word_index);
	assert_int_equal(value_of(&file, 0), 0);
	assert_int_equal(pid_of(&file, 0), 102);
	assert_int_equal(semset_poll(&file.set, &first), SEMSET_DONE);
	assert_int_equal(semset_poll(&file.set, &second), SEMSET_DONE);
	assert_int_equal(semset_poll(&file.set, &third), SEMSET_WAITING);
	assert_true(semset_verify(&file.set));
	semset_file_deinit(&file);
}

static void later_sleeper_overtakes_one_that_cannot_proceed(void **state)
{
	struct abi_sembuf three = { 0, -3, 0 }, one = { 0, -1, 0 };
	struct semset_sleeper large, small;
	struct semset_file file;

	(void)state;
	semset_file_init(&file, 1);
	large = sleep_on(&file, &alice, &three, 1);
	small = sleep_on(&file, &bob, &one, 1);
	do_one(&file, &carol, 0, 1, 0);
	assert_int_equal(semset_poll(&file.set, &large), SEMSET_WAITING);
	assert_int_equal(semset_poll(&file.set, &small), SEMSET_DONE);
	semset_file_deinit(&file);
}

static void zero_waiter_is_released_when_a_grant_brings_zero(void **state)
{
	struct abi_sembuf take = { 0, -1, 0 }, zero[2] = { { 0, 0, 0 }, { 1, 0, 0 } };
	struct abi_sembuf busy[2] = { { 0, -1, 0 }, { 0, 1, 0 } };
	struct semset_sleeper taker, waiter;
	struct semset_file file;
	struct wakes wakes;

	(void)state;
	semset_file_init(&file, 2);
	do_one(&file, &carol, 1, 1, 0);
	taker = sleep_on(&file, &bob, &take, 1);
	waiter = sleep_on(&file, &alice, zero, 2);
	do_one(&file, &carol, 1, -1, 0); /* both zero: the waiter goes at once */
	assert_int_equal(semset_poll(&file.set, &waiter), SEMSET_DONE);
	waiter = (struct semset_sleeper){ 0 };
	assert_int_equal(semset_cancel(&file.set, &bob, &taker), SEMSET_BLOCKED);
	/* An intermediate zero is not seen (SEM-12). */
	do_one(&file, &carol, 0, 1, 0);
	waiter = sleep_on(&file, &alice, zero, 1);
	assert_int_equal(semset_file_op(&file, &carol, busy, 2, &wakes), SEMSET_DONE);
	assert_int_equal(semset_poll(&file.set, &waiter), SEMSET_WAITING);
	assert_int_equal(semset_cancel(&file.set, &alice, &waiter), SEMSET_BLOCKED);
	semset_file_deinit(&file);
}

static void sleeper_ends_with_eagain_or_erange_when_a_later_operation_fails(void **state)
{
	struct abi_sembuf again[2] = { { 0, -1, 0 }, { 1, -1, NOWAIT } };
	struct abi_sembuf range[2] = { { 0, -2, 0 }, { 2, 1, 0 } };
	struct semset_sleeper first, second;
	struct semset_file file;

	(void)state;
	semset_file_init(&file, 3);
	do_one(&file, &carol, 2, 32767, 0);
	first = sleep_on(&file, &alice, again, 2);
	second = sleep_on(&file, &bob, range, 2);
	do_one(&file, &carol, 0, 1, 0);
	assert_int_equal(semset_poll(&file.set, &first), SEMSET_E_AGAIN);
	assert_int_equal(semset_poll(&file.set, &second), SEMSET_WAITING);
	do_one(&file, &carol, 0, 1, 0);
	assert_int_equal(semset_poll(&file.set, &second), SEMSET_E_RANGE);
	expect_values(&file, (uint16_t[]){ 2, 0, 32767 });
	assert_int_equal(pid_of(&file, 0), 103);
	semset_file_deinit(&file);
}

static void counts_follow_the_first_obstacle(void **state)
{
	struct abi_sembuf ops[2] = { { 0, -1, 0 }, { 1, 0, 0 } };
	struct semset_sleeper sleeper;
	struct semset_file file;
	uint32_t ncnt, zcnt;

	(void)state;
	semset_file_init(&file, 2);
	do_one(&file, &carol, 1, 1, 0);
	sleeper = sleep_on(&file, &alice, ops, 2);
	assert_int_equal(semset_get_counts(&file.set, 0, &ncnt, &zcnt), SEMSET_DONE);
	assert_int_equal(ncnt, 1);
	assert_int_equal(zcnt, 0);
	do_one(&file, &carol, 0, 1, 0);
	assert_int_equal(semset_get_counts(&file.set, 0, &ncnt, &zcnt), SEMSET_DONE);
	assert_int_equal(ncnt, 0);
	assert_int_equal(semset_get_counts(&file.set, 1, &ncnt, &zcnt), SEMSET_DONE);
	assert_int_equal(ncnt, 0);
	assert_int_equal(zcnt, 1);
	assert_int_equal(semset_cancel(&file.set, &alice, &sleeper), SEMSET_BLOCKED);
	assert_int_equal(semset_get_counts(&file.set, 1, &ncnt, &zcnt), SEMSET_DONE);
	assert_int_equal(zcnt, 0);
	assert_false(semset_holds(&file.set, 1));
	semset_file_deinit(&file);
}

static void grant_wins_over_cancel(void **state)
{
	struct abi_sembuf take = { 0, -1, 0 };
	struct semset_sleeper sleeper;
	struct semset_file file;

	(void)state;
	semset_file_init(&file, 1);
	sleeper = sleep_on(&file, &alice, &take, 1);
	do_one(&file, &bob, 0, 1, 0);
	assert_int_equal(semset_cancel(&file.set, &alice, &sleeper), SEMSET_DONE);
	assert_int_equal(value_of(&file, 0), 0);
	assert_false(semset_holds(&file.set, 1));
	semset_file_deinit(&file);
}

static void hundreds_of_sleepers_are_granted_in_several_steps(void **state)
{
	struct semset_sleeper sleepers[300];
	struct abi_sembuf take = { 0, -1, 0 }, post = { 0, 300, 0 };
	struct semset_file file;
	struct wakes wakes;
	uint32_t i, n_woken = 0, steps = 0;
	int outcome;

	(void)state;
	semset_file_init(&file, 1);
	for (i = 0; i < 300; i++)
		sleepers[i] = sleep_on(&file, &alice, &take, 1);
	outcome = semset_file_op(&file, &bob, &post, 1, &wakes);
	for (; outcome == SEMSET_MORE || semset_file_grow(&file, outcome); steps++) {
		if (outcome == SEMSET_MORE)
			n_woken += wakes.n;
		outcome = semset_settle(&file.set, &bob, &wakes);
	}
	assert_int_equal(outcome, SEMSET_DONE);
	assert_int_equal(n_woken + wakes.n, 300);
	assert_true(steps >= 300 / WAKES_MAX);
	for (i = 0; i < 300; i++)
		assert_int_equal(semset_poll(&file.set, &sleepers[i]), SEMSET_DONE);
	assert_int_equal(value_of(&file, 0), 0);
	assert_true(semset_verify(&file.set));
	semset_file_deinit(&file);
}

static void remove_ends_every_sleeper_and_refuses_new_calls(void **state)
{
	struct abi_sembuf take = { 0, -1, 0 };
	struct semset_sleeper sleepers[100], other;
	struct semset_file file;
	struct wakes wakes;
	uint32_t i;

	(void)state;
	semset_file_init(&file, 1);
	for (i = 0; i < 100; i++)
		sleepers[i] = sleep_on(&file, &alice, &take, 1);
	assert_int_equal(semset_remove(&file.set, &bob, &wakes), SEMSET_MORE);
	assert_int_equal(wakes.n, WAKES_MAX);
	assert_int_equal(semset_remove(&file.set, &bob, &wakes), SEMSET_DONE);
	assert_int_equal(wakes.n, 100 - WAKES_MAX);
	for (i = 0; i < 100; i++)
		assert_int_equal(semset_poll(&file.set, &sleepers[i]), SEMSET_E_REMOVED);
	assert_true(semset_is_removed(&file.set));
	assert_int_equal(semset_op(&file.set, &bob, &take, 1, &wakes), SEMSET_E_REMOVED);
	assert_int_equal(semset_op_or_wait(&file.set, &bob, &take, 1, &wakes, &other),
			 SEMSET_E_REMOVED);
	assert_int_equal(semset_set_value(&file.set, &bob, 0, 1, &wakes), SEMSET_E_REMOVED);
	semset_file_deinit(&file);
}

/* --- adjustments ---------------------------------------------------------------------------------- */

static void exit_applies_adjustments_clamped_and_stamps_only_those(void **state)
{
	struct actor dying = alice;
	struct semset_file file;
	struct wakes wakes;

	(void)state;
	semset_file_init(&file, 3);
	do_one(&file, &alice, 0, 5, UNDO);
	do_one(&file, &alice, 1, 1, UNDO);
	do_one(&file, &alice, 1, -1, UNDO);
	do_one(&file, &bob, 0, -3, 0);
	do_one(&file, &bob, 1, 1, 0);
	dying.now_s = 3000;
	assert_int_equal(semset_apply_undo(&file.set, &dying, &wakes), SEMSET_DONE);
	expect_values(&file, (uint16_t[]){ 0, 1, 0 });
	assert_int_equal(pid_of(&file, 0), 101);
	assert_int_equal(pid_of(&file, 1), 102);
	assert_int_equal(otime_of(&file), 3000);
	assert_false(semset_holds(&file.set, 1));
	/* Again: nothing left to apply. */
	dying.now_s = 4000;
	assert_int_equal(semset_apply_undo(&file.set, &dying, &wakes), SEMSET_DONE);
	expect_values(&file, (uint16_t[]){ 0, 1, 0 });
	assert_int_equal(otime_of(&file), 3000);
	semset_file_deinit(&file);
}

static void exit_of_a_holder_grants_the_next(void **state)
{
	struct abi_sembuf take = { 0, -1, UNDO };
	struct semset_sleeper sleeper;
	struct semset_file file;
	struct wakes wakes;

	(void)state;
	semset_file_init(&file, 1);
	do_one(&file, &carol, 0, 1, 0);
	do_one(&file, &alice, 0, -1, UNDO);
	sleeper = sleep_on(&file, &bob, &take, 1);
	assert_int_equal(semset_recover(&file.set, &alice, &wakes), SEMSET_DONE);
	assert_int_equal(wakes.n, 1);
	assert_int_equal(semset_poll(&file.set, &sleeper), SEMSET_DONE);
	assert_int_equal(value_of(&file, 0), 0);
	assert_int_equal(semset_recover(&file.set, &bob, &wakes), SEMSET_DONE);
	assert_int_equal(value_of(&file, 0), 1);
	semset_file_deinit(&file);
}

static void finishing_in_a_set_without_descriptors_touches_none(void **state)
{
	struct semset_file file;

	(void)state;
	semset_file_init(&file, 1);
	semset_finish(&file.set, alice.client); /* its pages are closed */
	do_one(&file, &alice, 0, 1, 0);
	assert_int_equal(value_of(&file, 0), 1);
	semset_file_deinit(&file);
}

static void adjustment_out_of_range_is_erange(void **state)
{
	struct abi_sembuf post = { 0, 32767, UNDO }, one = { 0, 1, UNDO };
	struct semset_file file;
	struct wakes wakes;

	(void)state;
	semset_file_init(&file, 1);
	do_one(&file, &alice, 0, 32767, UNDO);
	do_one(&file, &bob, 0, -32767, 0);
	do_one(&file, &alice, 0, 1, UNDO); /* -32768 is still in range */
	do_one(&file, &bob, 0, -1, 0);
	assert_int_equal(semset_file_op(&file, &alice, &one, 1, &wakes), SEMSET_E_RANGE);
	assert_int_equal(semset_file_op(&file, &bob, &post, 1, &wakes), SEMSET_DONE);
	semset_file_deinit(&file);
}

static void setval_voids_everybodys_adjustment_also_after_65536_of_them(void **state)
{
	struct semset_file file;
	struct wakes wakes;
	uint32_t i;

	(void)state;
	semset_file_init(&file, 2);
	do_one(&file, &alice, 0, 7, UNDO);
	do_one(&file, &alice, 1, 7, UNDO);
	do_one(&file, &bob, 0, 2, UNDO);
	for (i = 0; i < 65536; i++)
		assert_int_equal(semset_file_set_value(&file, &carol, 0, 20, &wakes), SEMSET_DONE);
	assert_int_equal(pid_of(&file, 0), 103);
	assert_int_equal(otime_of(&file), 2000);
	do_one(&file, &bob, 0, 3, UNDO); /* accumulates from nothing */
	assert_int_equal(semset_file_recover(&file, &alice), SEMSET_DONE);
	expect_values(&file, (uint16_t[]){ 23, 0 });
	assert_int_equal(semset_file_recover(&file, &bob), SEMSET_DONE);
	expect_values(&file, (uint16_t[]){ 20, 0 });
	assert_true(semset_verify(&file.set));
	semset_file_deinit(&file);
}

/* The one who set it was killed before he cleared what the older epoch had left. */
static void adjustment_of_an_older_epoch_left_behind_does_not_count(void **state)
{
	struct semset_file file;
	uint32_t index;
	uint64_t word;

	(void)state;
	semset_file_init(&file, 1);
	do_one(&file, &alice, 0, 7, UNDO);
	index = sem_word_index(&file.set, 0);
	assert_int_equal(mcas_read(&file.set.mcas, index, &word), MCAS_DONE);
	assert_int_equal(mcas_change_one(&file.set.mcas, index, word,
					 mcas_next(word, (sem_epoch(mcas_payload(word)) + 1) << 16 | 7)),
			 MCAS_DONE);
	do_one(&file, &alice, 0, 3, UNDO);
	assert_int_equal(semset_file_recover(&file, &alice), SEMSET_DONE);
	assert_int_equal(value_of(&file, 0), 7);
	semset_file_deinit(&file);
}

static void rows_grow_until_full_and_are_found_again(void **state)
{
	struct semset_file file;
	struct actor actor = alice;
	struct abi_sembuf post = { 0, 1, UNDO };
	struct wakes wakes;
	uint32_t i, n = 0;
	int outcome = SEMSET_DONE;

	(void)state;
	/* Far more clients than rows: a set this large has few. */
	semset_file_init(&file, SEM_NSEMS_MAX);
	for (i = 0; i < 2000 && outcome == SEMSET_DONE; i++, n += outcome == SEMSET_DONE) {
		actor.client = 1000 + i;
		outcome = semset_file_op(&file, &actor, &post, 1, &wakes);
	}
	assert_int_equal(outcome, SEMSET_E_NOMEM);
	assert_int_equal(n, file.set.layout.n_rows);
	for (i = 0; i < n; i += 37) {
		actor.client = 1000 + i;
		assert_int_equal(semset_file_op(&file, &actor, &post, 1, &wakes), SEMSET_DONE);
		assert_int_equal(semset_file_recover(&file, &actor), SEMSET_DONE);
		assert_false(semset_holds(&file.set, actor.client));
	}
	actor.client = 5;
	assert_int_equal(semset_file_op(&file, &actor, &post, 1, &wakes), SEMSET_DONE);
	assert_int_equal(value_of(&file, 0), n - (n + 36) / 37 + 1);
	semset_file_deinit(&file);
}

/* --- death ---------------------------------------------------------------------------------------- */

static void grant_to_a_dead_sleeper_is_handed_back_once(void **state)
{
	const int16_t flags[2] = { 0, UNDO };
	struct semset_sleeper sleeper;
	struct semset_file file;
	uint32_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct abi_sembuf ops[2] = { { 0, -2, flags[i] }, { 1, 3, flags[i] } };

		semset_file_init(&file, 2);
		(void)sleep_on(&file, &alice, ops, 2);
		do_one(&file, &carol, 0, 2, 0);
		expect_values(&file, (uint16_t[]){ 0, 3 });
		sleeper = sleep_on(&file, &bob, &ops[0], 1);
		assert_int_equal(semset_file_recover(&file, &alice), SEMSET_DONE);
		assert_int_equal(semset_poll(&file.set, &sleeper), SEMSET_DONE);
		expect_values(&file, (uint16_t[]){ 0, 0 });
		assert_int_equal(semset_file_recover(&file, &alice), SEMSET_DONE);
		expect_values(&file, (uint16_t[]){ 0, 0 });
		assert_false(semset_holds(&file.set, 1));
		semset_file_deinit(&file);
	}
}

static void grant_before_setval_is_not_handed_back(void **state)
{
	struct abi_sembuf take = { 0, -1, 0 };
	struct semset_file file;
	struct wakes wakes;

	(void)state;
	semset_file_init(&file, 1);
	(void)sleep_on(&file, &alice, &take, 1);
	do_one(&file, &carol, 0, 1, 0);
	assert_int_equal(semset_file_set_value(&file, &carol, 0, 5, &wakes), SEMSET_DONE);
	assert_int_equal(semset_file_recover(&file, &alice), SEMSET_DONE);
	assert_int_equal(value_of(&file, 0), 5);
	semset_file_deinit(&file);
}

static void dead_sleeper_takes_nothing(void **state)
{
	struct abi_sembuf take = { 0, -1, UNDO };
	struct semset_file file;

	(void)state;
	semset_file_init(&file, 1);
	(void)sleep_on(&file, &alice, &take, 1);
	assert_true(semset_holds(&file.set, 1));
	assert_int_equal(semset_file_recover(&file, &alice), SEMSET_DONE);
	do_one(&file, &carol, 0, 1, 0);
	assert_int_equal(value_of(&file, 0), 1);
	assert_false(semset_holds(&file.set, 1));
	assert_true(semset_verify(&file.set));
	semset_file_deinit(&file);
}

/* --- the file ------------------------------------------------------------------------------------- */

static void layout_of_no_or_too_many_semaphores_is_refused(void **state)
{
	struct semset_layout layout;
	uint32_t n;

	(void)state;
	assert_int_equal(semset_layout(0, &layout), SEMSET_E_RANGE);
	assert_int_equal(semset_layout(SEM_NSEMS_MAX + 1, &layout), SEMSET_E_RANGE);
	for (n = 1; n <= SEM_NSEMS_MAX; n = n < 100 ? n + 1 : n * 2) {
		assert_int_equal(semset_layout(n, &layout), SEMSET_DONE);
		assert_true(layout.n_rows >= layout.n_rows_first);
		assert_true(layout.common_size <= layout.large_off);
		assert_int_equal(layout.slots_off % 64, 0);
		assert_true(layout.size < 128u << 20);
	}
}

static void bind_refuses_a_file_of_another_shape(void **state)
{
	struct semset_file file;
	struct semset set;
	uint32_t i;

	(void)state;
	semset_file_init(&file, 4);
	assert_int_equal(semset_bind(&set, file.base, file.size), SEMSET_DONE);
	assert_int_equal(semset_bind(&set, file.base, file.size - 1), SEMSET_E_CORRUPT);
	assert_int_equal(semset_bind(&set, file.base, 64), SEMSET_E_CORRUPT);
	/* Magic, version, signature, number of semaphores. */
	for (i = 0; i < 20; i++) {
		file.base[i] ^= 1;
		assert_int_equal(semset_bind(&set, file.base, file.size), SEMSET_E_CORRUPT);
		file.base[i] ^= 1;
	}
	assert_int_equal(semset_bind(&set, file.base, file.size), SEMSET_DONE);
	semset_file_deinit(&file);
}

static void reading_a_read_only_mapping_works_with_sleepers_in_it(void **state)
{
	struct abi_sembuf ops[6] = { { 1, 1, UNDO }, { 0, -1, 0 }, { 1, 0, 0 },
				     { 2, 1, 0 },    { 3, 1, 0 },  { 1, 0, 0 } };
	struct semset_file file;
	struct semset_stat stat;
	uint16_t values[4];
	uint32_t ncnt, zcnt;

	(void)state;
	semset_file_init(&file, 4);
	do_one(&file, &carol, 1, 4, UNDO);
	(void)sleep_on(&file, &alice, ops, 6);
	(void)sleep_on(&file, &bob, ops + 1, 1);
	assert_int_equal(mprotect(file.mapping, file.mapping_size, PROT_READ), 0);
	assert_int_equal(value_of(&file, 1), 4);
	assert_int_equal(pid_of(&file, 1), 103);
	assert_int_equal(semset_get_all(&file.set, values), SEMSET_DONE);
	assert_int_equal(semset_get_counts(&file.set, 0, &ncnt, &zcnt), SEMSET_DONE);
	assert_int_equal(ncnt, 2);
	assert_int_equal(zcnt, 0);
	semset_get_stat(&file.set, &stat);
	assert_int_equal(stat.ctime_s, 1000);
	assert_false(semset_is_removed(&file.set));
	assert_true(semset_verify(&file.set));
	semset_file_deinit(&file);
}

static void setall_of_a_large_set_changes_all(void **state)
{
	uint16_t values[3000], read[3000];
	struct abi_sembuf take = { 2999, -1, 0 };
	struct semset_sleeper sleeper;
	struct semset_file file;
	struct wakes wakes;
	uint32_t i;

	(void)state;
	semset_file_init(&file, 3000);
	sleeper = sleep_on(&file, &bob, &take, 1);
	for (i = 0; i < 3000; i++)
		values[i] = (uint16_t)i;
	assert_int_equal(semset_file_set_all(&file, &alice, values, &wakes), SEMSET_DONE);
	assert_int_equal(semset_poll(&file.set, &sleeper), SEMSET_DONE);
	assert_int_equal(semset_get_all(&file.set, read), SEMSET_DONE);
	for (i = 0; i < 2999; i++)
		assert_int_equal(read[i], i);
	assert_int_equal(read[2999], 2998);
	assert_int_equal(pid_of(&file, 7), 101);
	semset_file_deinit(&file);
}

static void random_operations_equal_the_model(void **state)
{
	uint32_t n_runs = getenv("USYSV_LONG") ? 200000 : 5000;
	uint64_t seed = 0x53454d534554u, x = seed;
	static uint8_t bytes[1024];
	const char *failure;
	uint32_t run, i;

	(void)state;
	for (run = 0; run < n_runs; run++) {
		for (i = 0; i < sizeof(bytes); i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			bytes[i] = (uint8_t)(x >> 24);
		}
		failure = semset_step_run(bytes, 16 + run % (sizeof(bytes) - 16));
		if (failure)
			fail_msg("seed %" PRIx64 ", run %u: differs: %s", seed, run, failure);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(semop_table_gives_outcome_and_values),
		cmocka_unit_test(semop_of_500_increments_is_one_change),
		cmocka_unit_test(semop_of_500_semaphores_with_undo_is_one_change),
		cmocka_unit_test(semop_without_sleepers_needs_only_the_common_part),
		cmocka_unit_test(post_grants_in_the_same_call_with_the_sleepers_pid),
		cmocka_unit_test(later_sleeper_overtakes_one_that_cannot_proceed),
		cmocka_unit_test(zero_waiter_is_released_when_a_grant_brings_zero),
		cmocka_unit_test(sleeper_ends_with_eagain_or_erange_when_a_later_operation_fails),
		cmocka_unit_test(counts_follow_the_first_obstacle),
		cmocka_unit_test(grant_wins_over_cancel),
		cmocka_unit_test(hundreds_of_sleepers_are_granted_in_several_steps),
		cmocka_unit_test(remove_ends_every_sleeper_and_refuses_new_calls),
		cmocka_unit_test(exit_applies_adjustments_clamped_and_stamps_only_those),
		cmocka_unit_test(exit_of_a_holder_grants_the_next),
		cmocka_unit_test(adjustment_out_of_range_is_erange),
		cmocka_unit_test(setval_voids_everybodys_adjustment_also_after_65536_of_them),
		cmocka_unit_test(adjustment_of_an_older_epoch_left_behind_does_not_count),
		cmocka_unit_test(rows_grow_until_full_and_are_found_again),
		cmocka_unit_test(grant_to_a_dead_sleeper_is_handed_back_once),
		cmocka_unit_test(grant_before_setval_is_not_handed_back),
		cmocka_unit_test(dead_sleeper_takes_nothing),
		cmocka_unit_test(layout_of_no_or_too_many_semaphores_is_refused),
		cmocka_unit_test(bind_refuses_a_file_of_another_shape),
		cmocka_unit_test(reading_a_read_only_mapping_works_with_sleepers_in_it),
		cmocka_unit_test(finishing_in_a_set_without_descriptors_touches_none),
		cmocka_unit_test(setall_of_a_large_set_changes_all),
		cmocka_unit_test(random_operations_equal_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

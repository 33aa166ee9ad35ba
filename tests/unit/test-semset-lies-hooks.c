/*
 * test-semset-lies-hooks.c: calls on a set in a file that a peer writes into without a pause (P5): each ends
 * within its bound.
 *
 * The words that a call looks at are one way at each look, or change with each; no fuzzer keeps that up for as long
 * as a large set takes.
 */
#include "test.h"

#include <stdlib.h>

#include "core/semset-internal.h"
#include "model/semset-file.h"

enum { N_SEMS = 3000 };
/* Ten thousand looks at each semaphore: seconds, where the loops' bounds multiplied are hours. */
#define ACCESSES_MAX (10000u * N_SEMS)

static const struct actor alice = { .client = 0x10001u, .pid = 101, .hint = 1, .now_s = 1000 };

static struct semset_file file;
static uint64_t n_accesses;
static bool lies;

void assert_fail(const char *expression, const char *file_name, int line)
{
	fail_msg("%s:%d: %s", file_name, line, expression);
	abort();
}

void hook_access(enum hook_kind kind, const volatile void *address)
{
	(void)kind;
	(void)address;
	if (n_accesses++ > ACCESSES_MAX)
		fail_msg("a call goes on");
}

/* The last word of alice's row holds an adjustment again whenever it is looked at. */
uint64_t hook_value(const volatile void *address, uint64_t value)
{
	const volatile uint8_t *first = file.base + file.set.layout.rows_off;
	const volatile uint8_t *at = address;

	if (lies && at >= first && (uint64_t)(at - first) % (N_SEMS * 8u) == (N_SEMS - 1) * 8u)
		return mcas_next(value, mcas_payload(value) | 1);
	return value;
}

static void exit_ends_beside_an_adjustment_that_comes_back(void **state)
{
	struct abi_sembuf op = { N_SEMS - 1, 1, ABI_SEM_UNDO };
	struct wakes wakes;

	(void)state;
	semset_file_init(&file, N_SEMS);
	assert_int_equal(semset_file_op(&file, &alice, &op, 1, &wakes), SEMSET_DONE);
	n_accesses = 0;
	lies = true;
	assert_int_equal(semset_file_undo(&file, &alice), SEMSET_E_CORRUPT);
	lies = false;
	n_accesses = 0;
	assert_int_equal(semset_file_recover(&file, &alice), SEMSET_DONE);
	assert_false(semset_holds(&file.set, alice.client));
	semset_file_deinit(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_ends_beside_an_adjustment_that_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

/* test-quota.c: charges and releases against a plain array, to the limit and to the last row. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "core/quota.h"

#define UID_MAX_TRIED 40u
#define STEPS 200000u

/* The inverse of quota.c's multiplier: its small multiples all fall into bucket 0. */
#define BUCKET_ZERO 0x144cbc89u

static struct quota *quota_new(void)
{
	struct quota *quota = calloc(1, sizeof(*quota));

	assert_non_null(quota);
	return quota;
}

static void charge_at_the_limit_is_refused_and_changes_nothing(void **state)
{
	struct quota *quota = quota_new();

	(void)state;
	assert_int_equal(quota_charge(quota, 5, QUOTA_OBJECT, 0), QUOTA_E_LIMIT);
	assert_int_equal(quota->n_rows, 0);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(quota_charge(quota, 5, QUOTA_OBJECT, 3), 0);
	assert_int_equal(quota_charge(quota, 5, QUOTA_OBJECT, 3), QUOTA_E_LIMIT);
	assert_int_equal(quota_count(quota, 5, QUOTA_OBJECT), 3);
	/* The kinds and the uids are apart. */
	assert_int_equal(quota_charge(quota, 5, QUOTA_SESSION, 1), 0);
	assert_int_equal(quota_charge(quota, 6, QUOTA_OBJECT, 1), 0);
	quota_release(quota, 5, QUOTA_OBJECT);
	assert_int_equal(quota_charge(quota, 5, QUOTA_OBJECT, 3), 0);
	assert_int_equal(quota_charge(quota, 5, QUOTA_OBJECT, QUOTA_UNLIMITED), 0);
	/* Sums that would not fit. */
	assert_int_equal(quota_charge_many(quota, 5, QUOTA_PAGE, UINT64_MAX - 1, UINT64_MAX), 0);
	assert_int_equal(quota_charge_many(quota, 5, QUOTA_PAGE, 2, UINT64_MAX), QUOTA_E_LIMIT);
	quota_release_many(quota, 5, QUOTA_PAGE, UINT64_MAX - 1);
	assert_true(quota_verify(quota));
	free(quota);
}

static void row_is_held_as_long_as_anything_is(void **state)
{
	struct quota *quota = quota_new();

	(void)state;
	assert_int_equal(quota_charge(quota, 5, QUOTA_OBJECT, 9), 0);
	assert_int_equal(quota_charge(quota, 5, QUOTA_SESSION, 9), 0);
	quota_release(quota, 5, QUOTA_OBJECT);
	assert_int_equal(quota->n_rows, 1);
	quota_release(quota, 5, QUOTA_SESSION);
	assert_int_equal(quota->n_rows, 0);
	assert_int_equal(quota_charge(quota, 7, QUOTA_SESSION, 9), 0);
	assert_int_equal(quota->top, 1);
	assert_true(quota_verify(quota));
	free(quota);
}

static void as_many_uids_as_things_can_exist_have_their_rows(void **state)
{
	struct quota *quota = quota_new();

	(void)state;
	for (uint32_t i = 0; i < QUOTA_ROW_MAX; i++)
		assert_int_equal(quota_charge(quota, i * 65536 + i, QUOTA_OBJECT, 1), 0);
	assert_int_equal(quota_charge(quota, 12345678, QUOTA_SESSION, 1), QUOTA_E_FULL);
	assert_true(quota_verify(quota));
	for (uint32_t i = QUOTA_ROW_MAX; i-- > 0;)
		quota_release(quota, i * 65536 + i, QUOTA_OBJECT);
	assert_true(quota_verify(quota));
	assert_int_equal(quota->n_rows, 0);
	assert_int_equal(quota_charge(quota, 12345678, QUOTA_SESSION, 1), 0);
	free(quota);
}

/* All uids in one bucket, so that its chain is walked and cut everywhere. */
static void random_charges_agree_with_a_plain_array(void **state)
{
	struct quota *quota = quota_new();
	uint32_t model[UID_MAX_TRIED][QUOTA_KIND_COUNT] = { 0 };
	uint64_t seed = 88172645463325252u;

	(void)state;
	for (uint32_t step = 0; step < STEPS; step++) {
		uint32_t i;
		uint32_t kind;
		uint32_t uid;
		uint32_t n;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		i = (uint32_t)(seed >> 8) % UID_MAX_TRIED;
		kind = (uint32_t)(seed >> 40) % QUOTA_KIND_COUNT;
		uid = BUCKET_ZERO * i;
		n = 1 + (uint32_t)(seed >> 50) % 3;
		if (seed >> 63 && model[i][kind] >= n) {
			quota_release_many(quota, uid, (enum quota_kind)kind, n);
			model[i][kind] -= n;
		} else {
			int r = quota_charge_many(quota, uid, (enum quota_kind)kind, n, 4);

			assert_int_equal(r, model[i][kind] + n > 4 ? QUOTA_E_LIMIT : 0);
			model[i][kind] += r == 0 ? n : 0;
		}
		assert_int_equal(quota_count(quota, uid, (enum quota_kind)kind), model[i][kind]);
		if (step % 1000 == 0)
			assert_true(quota_verify(quota));
	}
	for (uint32_t bucket = 1; bucket < QUOTA_BUCKET_COUNT; bucket++)
		assert_int_equal(quota->buckets[bucket], 0);
	free(quota);
}

static void verify_sees_a_count_that_is_off(void **state)
{
	struct quota *quota = quota_new();

	(void)state;
	assert_int_equal(quota_charge(quota, 5, QUOTA_OBJECT, 9), 0);
	quota->rows[0].n[QUOTA_SESSION] = 1;
	assert_false(quota_verify(quota));
	quota->rows[0].n[QUOTA_SESSION] = 0;
	assert_true(quota_verify(quota));
	quota->rows[0].uid = 6;
	assert_false(quota_verify(quota));
	quota->rows[0].uid = 5;
	quota->n_rows = 2;
	assert_false(quota_verify(quota));
	free(quota);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(charge_at_the_limit_is_refused_and_changes_nothing),
		cmocka_unit_test(row_is_held_as_long_as_anything_is),
		cmocka_unit_test(as_many_uids_as_things_can_exist_have_their_rows),
		cmocka_unit_test(random_charges_agree_with_a_plain_array),
		cmocka_unit_test(verify_sees_a_count_that_is_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

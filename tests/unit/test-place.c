/* test-place.c: what the library maps stays out of the program's holes. */
#include "test.h"

#include <string.h>
#include <sys/mman.h>

#include "client/place.h"

#define PAGE 4096u

static void hole_of_the_program_stays_a_hole(void **state)
{
	uint8_t *hole = mmap(NULL, 16 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *mapped[8];

	(void)state;
	assert_ptr_not_equal(hole, MAP_FAILED);
	assert_int_equal(munmap(hole, 16 * PAGE), 0);
	for (int i = 0; i < 8; i++) {
		mapped[i] = place_private(2 * PAGE);
		assert_non_null(mapped[i]);
		memset(mapped[i], 1, 2 * PAGE);
	}
	assert_ptr_equal(mmap(hole, 16 * PAGE, PROT_READ,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
			 hole);
	for (int i = 0; i < 8; i++)
		place_unmap(mapped[i], 2 * PAGE);
	assert_int_equal(munmap(hole, 16 * PAGE), 0);
}

static void two_places_do_not_touch(void **state)
{
	uint8_t *a = place_private(PAGE);
	uint8_t *b = place_private(PAGE);

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	assert_true(a > b ? a - b >= 2 * (int)PAGE : b - a >= 2 * (int)PAGE);
	place_unmap(a, PAGE);
	place_unmap(b, PAGE);
}

static void more_than_there_is_room_for_is_refused(void **state)
{
	void *base = NULL;

	(void)state;
	assert_null(place_private((size_t)1 << 62));
	assert_true(place_file(-1, PAGE, false, &base) < 0);
	assert_true(place_file(0, 0, false, &base) < 0);
	assert_null(base);
	place_unmap(NULL, PAGE);
	place_unmap(&base, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hole_of_the_program_stays_a_hole),
		cmocka_unit_test(two_places_do_not_touch),
		cmocka_unit_test(more_than_there_is_room_for_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

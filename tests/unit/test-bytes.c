/* test-bytes.c: cursors that stay inside and remember that they could not. */
#include "test.h"

#include "core/bytes.h"
#include "guard.h"

static void numbers_are_little_endian_both_ways(void **state)
{
	static const uint8_t expected[] = { 0x78, 0x56, 0x34, 0x12, 0xff, 0xff, 0xff, 0xff,
					    8,	  7,	6,    5,    4,	  3,	2,    0x81 };
	uint8_t bytes[sizeof(expected)];
	struct bytes_writer writer = { .bytes = bytes, .size = sizeof(bytes) };
	struct bytes_reader reader = { .bytes = bytes, .size = sizeof(bytes) };

	(void)state;
	bytes_put_u32(&writer, 0x12345678);
	bytes_put_i32(&writer, -1);
	bytes_put_u64(&writer, UINT64_C(0x8102030405060708));
	assert_false(writer.failed);
	assert_int_equal(writer.used, sizeof(bytes));
	assert_memory_equal(bytes, expected, sizeof(bytes));
	assert_int_equal(bytes_get_u32(&reader), 0x12345678);
	assert_int_equal(bytes_get_i32(&reader), -1);
	assert_false(bytes_is_spent(&reader));
	assert_true(bytes_get_u64(&reader) == UINT64_C(0x8102030405060708));
	assert_true(bytes_is_spent(&reader));
}

static void reading_past_the_end_is_zero_and_remembered(void **state)
{
	(void)state;
	for (size_t size = 0; size < 12; size++) {
		struct guard guard = { 0 };
		struct bytes_reader reader;

		guard_init(&guard, size);
		reader = (struct bytes_reader){ .bytes = guard.bytes, .size = size };
		(void)bytes_get_u64(&reader);
		assert_int_equal(bytes_get_u32(&reader), 0);
		assert_true(reader.failed);
		assert_false(bytes_is_spent(&reader));
		guard_deinit(&guard);
	}
}

static void writing_past_the_end_writes_nothing_more(void **state)
{
	(void)state;
	for (size_t size = 0; size < 12; size++) {
		struct guard guard = { 0 };
		struct bytes_writer writer;

		guard_init(&guard, size);
		writer = (struct bytes_writer){ .bytes = guard.bytes, .size = size };
		bytes_put_u64(&writer, UINT64_MAX);
		bytes_put_u32(&writer, UINT32_MAX);
		assert_true(writer.failed);
		assert_int_equal(writer.used, size < 8 ? 0 : 8);
		for (size_t i = writer.used; i < size; i++)
			assert_int_equal(guard.bytes[i], 0);
		guard_deinit(&guard);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_little_endian_both_ways),
		cmocka_unit_test(reading_past_the_end_is_zero_and_remembered),
		cmocka_unit_test(writing_past_the_end_writes_nothing_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

/* test-frame.c: a stream cut anywhere gives the same frames. */
#include "test.h"

#include <string.h>

#include "core/bytes.h"
#include "core/frame.h"
#include "guard.h"

static size_t frame_write(uint8_t *bytes, uint32_t size, uint32_t type, uint32_t request)
{
	bytes_store_u32(bytes, size);
	bytes_store_u32(bytes + 4, type);
	bytes_store_u32(bytes + 8, request);
	for (uint32_t i = FRAME_HEADER_SIZE; i < size; i++)
		bytes[i] = (uint8_t)(i ^ type);
	return size;
}

static void assert_frame(const struct frame *frame, uint32_t size, uint32_t type, uint32_t request)
{
	assert_int_equal(frame->type, type);
	assert_int_equal(frame->request, request);
	assert_int_equal(frame->body_size, size - FRAME_HEADER_SIZE);
	for (uint32_t i = 0; i < frame->body_size; i++)
		assert_int_equal(frame->body[i], (uint8_t)((i + FRAME_HEADER_SIZE) ^ type));
}

static void every_prefix_of_a_frame_is_partial(void **state)
{
	static const uint32_t sizes[] = { FRAME_HEADER_SIZE, 13, 100, FRAME_SIZE_MAX };

	(void)state;
	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		uint8_t bytes[FRAME_SIZE_MAX];

		(void)frame_write(bytes, sizes[s], 5, 6);
		for (uint32_t n = 0; n <= sizes[s]; n++) {
			struct frame_reader reader = { 0 };
			struct guard guard = { 0 };
			struct frame frame;

			guard_init_copy(&guard, bytes, n);
			assert_int_equal(frame_push(&reader, guard.bytes, n), n);
			assert_int_equal(frame_next(&reader, &frame),
					 n < sizes[s] ? FRAME_PARTIAL : FRAME_READY);
			if (n == sizes[s])
				assert_frame(&frame, sizes[s], 5, 6);
			guard_deinit(&guard);
		}
	}
}

/* Pushes bytes[0..n) and counts the frames that come out; each is checked. */
static uint32_t frames_out(struct frame_reader *reader, const uint8_t *bytes, size_t n,
			   const uint32_t *sizes, uint32_t done)
{
	struct frame frame;

	do {
		size_t taken = frame_push(reader, bytes, n);

		bytes += taken;
		n -= taken;
		while (frame_next(reader, &frame) == FRAME_READY) {
			assert_frame(&frame, sizes[done], done + 1, done * 3);
			done++;
		}
	} while (n > 0);
	return done;
}

static void every_cut_of_a_stream_gives_the_same_frames(void **state)
{
	static const uint32_t sizes[] = { 12, 200, 13, 12, FRAME_SIZE_MAX, 12 };
	uint8_t stream[6 * FRAME_SIZE_MAX];
	size_t n = 0;

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(sizes); i++)
		n += frame_write(stream + n, sizes[i], i + 1, i * 3);
	for (size_t first = 0; first <= n; first++) {
		size_t second = first + (n - first) / 3;
		struct frame_reader reader = { 0 };
		uint32_t done = 0;

		done = frames_out(&reader, stream, first, sizes, done);
		done = frames_out(&reader, stream + first, second - first, sizes, done);
		done = frames_out(&reader, stream + second, n - second, sizes, done);
		assert_int_equal(done, ARRAY_SIZE(sizes));
		assert_int_equal(reader.used, 0);
	}
	for (size_t step = 1; step < 20; step++) {
		struct frame_reader reader = { 0 };
		uint32_t done = 0;

		for (size_t at = 0; at < n; at += step)
			done = frames_out(&reader, stream + at, n - at < step ? n - at : step, sizes,
					  done);
		assert_int_equal(done, ARRAY_SIZE(sizes));
	}
}

static void push_with_a_frame_pending_takes_nothing(void **state)
{
	struct frame_reader reader = { 0 };
	uint8_t bytes[2 * FRAME_HEADER_SIZE];
	struct frame frame;

	(void)state;
	(void)frame_write(bytes, FRAME_HEADER_SIZE, 1, 1);
	(void)frame_write(bytes + FRAME_HEADER_SIZE, FRAME_HEADER_SIZE, 2, 2);
	assert_int_equal(frame_push(&reader, bytes, sizeof(bytes)), FRAME_HEADER_SIZE);
	assert_int_equal(frame_push(&reader, bytes + FRAME_HEADER_SIZE, FRAME_HEADER_SIZE), 0);
	assert_int_equal(frame_next(&reader, &frame), FRAME_READY);
	assert_int_equal(frame.type, 1);
	/* Once only. */
	assert_int_equal(frame_next(&reader, &frame), FRAME_PARTIAL);
	assert_int_equal(frame_push(&reader, bytes + FRAME_HEADER_SIZE, FRAME_HEADER_SIZE),
			 FRAME_HEADER_SIZE);
	assert_int_equal(frame_next(&reader, &frame), FRAME_READY);
	assert_int_equal(frame.type, 2);
}

static void size_out_of_range_is_an_error_for_good(void **state)
{
	static const uint32_t sizes[] = { 0, 1, FRAME_HEADER_SIZE - 1, FRAME_SIZE_MAX + 1,
					  0x80000000, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct frame_reader reader = { 0 };
		uint8_t bytes[64] = { 0 };
		struct frame frame;

		bytes_store_u32(bytes, sizes[i]);
		assert_int_equal(frame_push(&reader, bytes, 3), 3);
		assert_int_equal(frame_next(&reader, &frame), FRAME_PARTIAL);
		assert_int_equal(frame_push(&reader, bytes + 3, 60), 1);
		assert_int_equal(frame_next(&reader, &frame), FRAME_E_SIZE);
		assert_int_equal(frame_push(&reader, bytes, 12), 0);
		assert_int_equal(frame_next(&reader, &frame), FRAME_E_SIZE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_prefix_of_a_frame_is_partial),
		cmocka_unit_test(every_cut_of_a_stream_gives_the_same_frames),
		cmocka_unit_test(push_with_a_frame_pending_takes_nothing),
		cmocka_unit_test(size_out_of_range_is_an_error_for_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

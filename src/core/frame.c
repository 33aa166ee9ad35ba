/*
 * frame.c
 *
 * Invariants (frame_reader_verify in the test checks them after each step):
 * 1. used <= FRAME_SIZE_MAX.
 * 2. Once four bytes are there, used never exceeds the size they name.
 * 3. taken is 0, or the size of the complete frame in the buffer.
 *
 * A size out of range is never corrected: the reader stays in that state, takes nothing more, and
 * the connection ends.  There is no way to find the next frame in a stream that lost count.
 */
#include <string.h>

#include "core/bytes.h"
#include "core/frame.h"

STATIC_ASSERT(FRAME_HEADER_SIZE <= FRAME_SIZE_MAX);

/* The size in the header, 0 when it is not there yet. */
static uint32_t frame_size(const struct frame_reader *reader)
{
	return reader->used < 4 ? 0 : bytes_load_u32(reader->buffer);
}

static bool frame_size_is_valid(uint32_t size)
{
	return size >= FRAME_HEADER_SIZE && size <= FRAME_SIZE_MAX;
}

/* Drops the frame that was handed out. */
static void frame_release(struct frame_reader *reader)
{
	if (reader->taken == 0)
		return;
	ASSERT(reader->taken == reader->used);
	reader->taken = 0;
	reader->used = 0;
}

size_t frame_push(struct frame_reader *reader, const uint8_t *bytes, size_t n_bytes)
{
	size_t n_taken = 0;

	ASSERT(reader->used <= FRAME_SIZE_MAX);
	frame_release(reader);
	/* Two rounds: the size first, then as much as it says. */
	while (n_taken < n_bytes) {
		uint32_t size = frame_size(reader);
		size_t want;

		if (reader->used < 4)
			want = 4 - reader->used;
		else if (!frame_size_is_valid(size) || reader->used == size)
			break;
		else
			want = size - reader->used;
		if (want > n_bytes - n_taken)
			want = n_bytes - n_taken;
		memcpy(reader->buffer + reader->used, bytes + n_taken, want);
		reader->used += (uint32_t)want;
		n_taken += want;
	}
	return n_taken;
}

int frame_next(struct frame_reader *reader, struct frame *ret_frame)
{
	uint32_t size;

	frame_release(reader);
	size = frame_size(reader);
	if (reader->used < 4)
		return FRAME_PARTIAL;
	if (!frame_size_is_valid(size))
		return FRAME_E_SIZE;
	ASSERT(reader->used <= size);
	if (reader->used < size)
		return FRAME_PARTIAL;
	reader->taken = size;
	ret_frame->type = bytes_load_u32(reader->buffer + 4);
	ret_frame->request = bytes_load_u32(reader->buffer + 8);
	ret_frame->body = reader->buffer + FRAME_HEADER_SIZE;
	ret_frame->body_size = size - FRAME_HEADER_SIZE;
	return FRAME_READY;
}

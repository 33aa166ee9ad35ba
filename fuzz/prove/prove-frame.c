/*
 * prove-frame.c: the cutter of frames, in every state it can be in between two calls, for frames of
 * up to 32 bytes.
 */
#define FRAME_SIZE_PROVED 32u
#include "prove.h"
#include "tiny.h"

#include "core/bytes.h"
#include "core/frame.c"

/* What a reader can be between two calls. */
static bool reader_valid(const struct frame_reader *reader)
{
	uint32_t size = bytes_load_u32(reader->buffer);

	if (reader->used > FRAME_SIZE_MAX)
		return false;
	if (reader->taken != 0 && (reader->taken != reader->used || reader->taken != size ||
				   reader->taken < FRAME_HEADER_SIZE))
		return false;
	if (reader->used < 4)
		return true;
	return size < FRAME_HEADER_SIZE || size > FRAME_SIZE_MAX ? reader->used == 4
								  : reader->used <= size;
}

/* A push of up to 12 bytes, and a frame. */
void frame_step(void)
{
	struct frame_reader reader;
	size_t n = nondet_size();
	struct frame frame;
	uint8_t bytes[12];
	size_t taken;
	int outcome;

	ASSUME(reader_valid(&reader) && n <= sizeof(bytes));
	taken = frame_push(&reader, bytes, n);
	PROVE(taken <= n && reader_valid(&reader));
	outcome = frame_next(&reader, &frame);
	PROVE(outcome == FRAME_READY || outcome == FRAME_PARTIAL || outcome == FRAME_E_SIZE);
	PROVE(reader_valid(&reader));
	if (outcome != FRAME_READY)
		return;
	PROVE(frame.body_size <= FRAME_SIZE_MAX - FRAME_HEADER_SIZE);
	PROVE(frame.body == reader.buffer + FRAME_HEADER_SIZE);
	PROVE(reader.taken == reader.used && reader.used == frame.body_size + FRAME_HEADER_SIZE);
}

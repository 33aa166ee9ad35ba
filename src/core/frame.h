/*
 * frame.h: a stream of bytes cut into frames.
 *
 * Frame: size u32 (whole frame, header included) | type u32 | request u32 | body.  Little endian.
 * Bytes in, frames out; the buffer is inside, bounded, and a frame never spans it twice.
 */
#ifndef CORE_FRAME_H
#define CORE_FRAME_H

#include "core/base.h"
#include "core/limits.h"

#define FRAME_HEADER_SIZE 12u

enum frame_outcome {
	FRAME_READY = 0,
	FRAME_PARTIAL = 1, /* more bytes needed */
	FRAME_E_SIZE = 2,  /* a size below the header's or above FRAME_SIZE_MAX: end the connection */
};

struct frame {
	uint32_t type;
	uint32_t request;
	const uint8_t *body; /* valid until the next call on the reader */
	uint32_t body_size;
};

/* Holds at most one partial frame.  {0} is a fresh reader. */
struct frame_reader {
	uint32_t used;
	uint32_t taken; /* bytes of the frame handed out last */
	uint8_t buffer[FRAME_SIZE_MAX];
};

/* Takes bytes until one frame is complete; returns how many it took (0 with a frame pending). */
size_t frame_push(struct frame_reader *reader, const uint8_t *bytes, size_t n_bytes);
/* The complete frame, once. */
int frame_next(struct frame_reader *reader, struct frame *ret_frame);

#endif

/*
 * fuzz-frame.c: frame_push and frame_next.
 *
 * Input: one byte n, then n % 8 cut lengths, then the stream.  The stream is given once whole and
 * once in pieces of the cut lengths, round and round.
 * Checked: both give the same frames with the same ends; a frame is its bytes of the stream; never
 * more is taken than given; after E_SIZE nothing moves.
 * Not covered: what the frames mean (fuzz-proto, fuzz-session).
 */
#include "fuzz.h"

#include "core/bytes.h"
#include "core/frame.h"

#define STREAM_MAX 4096u

/* Where the stream stands after it was pushed in pieces: hash of the frames, and the last outcome. */
struct run {
	uint64_t hash;
	uint32_t n_frames;
	int outcome;
	size_t n_taken;
};

static void frame_check(const struct frame *frame, const uint8_t *bytes)
{
	FUZZ_ASSERT(bytes_load_u32(bytes) == frame->body_size + FRAME_HEADER_SIZE);
	FUZZ_ASSERT(bytes_load_u32(bytes + 4) == frame->type);
	FUZZ_ASSERT(bytes_load_u32(bytes + 8) == frame->request);
	FUZZ_ASSERT(memcmp(bytes + FRAME_HEADER_SIZE, frame->body, frame->body_size) == 0);
}

static struct run run_stream(const uint8_t *stream, size_t size, const uint8_t *cuts, size_t n_cuts)
{
	struct run run = { .outcome = FRAME_PARTIAL };
	struct frame_reader reader = { 0 };
	struct frame frame;
	size_t frame_off = 0;

	FUZZ_SAY("stream of %zu bytes, %s", size, n_cuts > 0 ? "in pieces" : "whole");
	for (size_t i = 0; run.n_taken < size && run.outcome != FRAME_E_SIZE; i++) {
		size_t piece = n_cuts > 0 ? cuts[i % n_cuts] + 1u : size;
		size_t left = size - run.n_taken;
		size_t taken;

		piece = piece < left ? piece : left;
		taken = frame_push(&reader, stream + run.n_taken, piece);
		FUZZ_ASSERT(taken <= piece);
		run.n_taken += taken;
		while ((run.outcome = frame_next(&reader, &frame)) == FRAME_READY) {
			FUZZ_SAY("  frame at %zu: type %u, request %u, body of %u", frame_off,
				 frame.type, frame.request, frame.body_size);
			frame_check(&frame, stream + frame_off);
			frame_off += frame.body_size + FRAME_HEADER_SIZE;
			run.hash = run.hash * 31 + frame.body_size * 7 + frame.type;
			run.n_frames++;
		}
		FUZZ_ASSERT(taken > 0 || run.outcome == FRAME_E_SIZE);
		FUZZ_ASSERT(reader.used <= FRAME_SIZE_MAX);
	}
	FUZZ_SAY("  outcome %d after %zu bytes", run.outcome, run.n_taken);
	if (run.outcome == FRAME_E_SIZE) {
		FUZZ_ASSERT(frame_push(&reader, stream, size) == 0);
		FUZZ_ASSERT(frame_next(&reader, &frame) == FRAME_E_SIZE);
	}
	return run;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { .bytes = data, .size = size };
	const uint8_t *cuts;
	size_t n_cuts = fuzz_bytes(&input, fuzz_u8(&input) % 8, &cuts);
	const uint8_t *stream;
	size_t n = fuzz_bytes(&input, STREAM_MAX, &stream);
	struct run whole = run_stream(stream, n, NULL, 0);
	struct run cut = run_stream(stream, n, cuts, n_cuts);

	FUZZ_ASSERT(whole.hash == cut.hash && whole.n_frames == cut.n_frames);
	FUZZ_ASSERT(whole.outcome == cut.outcome && whole.n_taken == cut.n_taken);
	return 0;
}

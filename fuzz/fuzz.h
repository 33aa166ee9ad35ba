/*
 * fuzz.h: what every harness starts from.
 *
 * A harness defines LLVMFuzzerTestOneInput and nothing else that is visible.  It returns 0, gives
 * the same result twice for the same bytes, and uses no file, environment, clock, random number or
 * thread.  The same source is built with libFuzzer, with AFL++ and with replay.c.
 *
 * It also tells what it does, step by step, with FUZZ_SAY: that is what tools/usysv-repro prints,
 * so there is one decoder of an input and it is the harness itself.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that must hold for every input: a violation is a finding, in every build. */
#define FUZZ_ASSERT(condition) \
	((condition) ? (void)0 : fuzz_broken(#condition, __FILE__, __LINE__))
_Noreturn void fuzz_broken(const char *property, const char *file, int line);

/* A line of what is going on, when somebody wants to know. */
extern bool fuzz_telling;
#define FUZZ_SAY(...) (fuzz_telling ? fuzz_say(__VA_ARGS__) : (void)0)
void fuzz_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same for bytes, in hexadecimal. */
void fuzz_say_bytes(const char *what, const uint8_t *bytes, size_t n_bytes);
/* A message between library and daemon, behind what is given. */
struct proto_message;
void fuzz_say_message(const char *before, const struct proto_message *message);

/* The input as a stream of numbers; past its end they are 0, and fuzz_done() is true. */
struct fuzz_input {
	const uint8_t *bytes;
	size_t size;
	size_t at;
};

static inline bool fuzz_done(const struct fuzz_input *input)
{
	return input->at >= input->size;
}

static inline uint8_t fuzz_u8(struct fuzz_input *input)
{
	return fuzz_done(input) ? 0 : input->bytes[input->at++];
}

/* Little endian. */
static inline uint16_t fuzz_u16(struct fuzz_input *input)
{
	uint16_t low = fuzz_u8(input);

	return (uint16_t)(low | fuzz_u8(input) << 8);
}

static inline uint32_t fuzz_u32(struct fuzz_input *input)
{
	uint32_t low = fuzz_u16(input);

	return low | (uint32_t)fuzz_u16(input) << 16;
}

static inline uint64_t fuzz_u64(struct fuzz_input *input)
{
	uint64_t low = fuzz_u32(input);

	return low | (uint64_t)fuzz_u32(input) << 32;
}

/* One of 0 .. n - 1. */
static inline uint32_t fuzz_below(struct fuzz_input *input, uint32_t n)
{
	return n == 0 ? 0 : (n <= 256 ? fuzz_u8(input) : fuzz_u32(input)) % n;
}

/* Up to size_max bytes, in place; returns how many. */
static inline size_t fuzz_bytes(struct fuzz_input *input, size_t size_max, const uint8_t **ret_bytes)
{
	size_t left = input->size - input->at;
	size_t size = left < size_max ? left : size_max;

	*ret_bytes = input->bytes + input->at;
	input->at += size;
	return size;
}

/* The last share / 256 of the rest becomes a stream of its own. */
static inline struct fuzz_input fuzz_split(struct fuzz_input *input, uint8_t share)
{
	size_t size = (input->size - input->at) * share / 256;

	input->size -= size;
	return (struct fuzz_input){ .bytes = input->bytes + input->size, .size = size };
}

#endif

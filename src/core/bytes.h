/*
 * bytes.h: bounded cursors over little-endian bytes: the one way to put numbers on the wire.
 *
 * A reader that runs past its end gives zeroes from then on and remembers it; a writer that would
 * leave its buffer writes nothing more and remembers it.  The caller looks once, at the end.
 */
#ifndef CORE_BYTES_H
#define CORE_BYTES_H

#include <string.h>

#include "core/base.h"

struct bytes_reader {
	const uint8_t *bytes;
	size_t size;
	size_t used;
	bool failed;
};

struct bytes_writer {
	uint8_t *bytes;
	size_t size;
	size_t used;
	bool failed;
};

static inline uint32_t bytes_load_u32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	       (uint32_t)bytes[3] << 24;
}

static inline void bytes_store_u32(uint8_t *bytes, uint32_t value)
{
	bytes[0] = (uint8_t)value;
	bytes[1] = (uint8_t)(value >> 8);
	bytes[2] = (uint8_t)(value >> 16);
	bytes[3] = (uint8_t)(value >> 24);
}

static inline uint32_t bytes_get_u32(struct bytes_reader *reader)
{
	uint32_t value;

	if (reader->failed || reader->size - reader->used < 4) {
		reader->failed = true;
		return 0;
	}
	value = bytes_load_u32(reader->bytes + reader->used);
	reader->used += 4;
	return value;
}

static inline uint64_t bytes_get_u64(struct bytes_reader *reader)
{
	uint64_t low = bytes_get_u32(reader);

	return low | (uint64_t)bytes_get_u32(reader) << 32;
}

static inline int32_t bytes_get_i32(struct bytes_reader *reader)
{
	return (int32_t)bytes_get_u32(reader);
}

static inline void bytes_get(struct bytes_reader *reader, void *ret_bytes, size_t n_bytes)
{
	if (reader->failed || reader->size - reader->used < n_bytes) {
		reader->failed = true;
		memset(ret_bytes, 0, n_bytes);
		return;
	}
	memcpy(ret_bytes, reader->bytes + reader->used, n_bytes);
	reader->used += n_bytes;
}

/* True if everything was there and nothing is left: exactly the size, or refused. */
static inline bool bytes_is_spent(const struct bytes_reader *reader)
{
	return !reader->failed && reader->used == reader->size;
}

static inline void bytes_put(struct bytes_writer *writer, const void *bytes, size_t n_bytes)
{
	if (writer->failed || writer->size - writer->used < n_bytes) {
		writer->failed = true;
		return;
	}
	memcpy(writer->bytes + writer->used, bytes, n_bytes);
	writer->used += n_bytes;
}

static inline void bytes_put_u32(struct bytes_writer *writer, uint32_t value)
{
	uint8_t bytes[4];

	bytes_store_u32(bytes, value);
	bytes_put(writer, bytes, sizeof(bytes));
}

static inline void bytes_put_u64(struct bytes_writer *writer, uint64_t value)
{
	uint8_t bytes[8];

	bytes_store_u32(bytes, (uint32_t)value);
	bytes_store_u32(bytes + 4, (uint32_t)(value >> 32));
	bytes_put(writer, bytes, sizeof(bytes));
}

static inline void bytes_put_i32(struct bytes_writer *writer, int32_t value)
{
	bytes_put_u32(writer, (uint32_t)value);
}

#endif

/*
 * memory.h: the door to shared memory as the proofs have it, in place of core/atomic.h.
 *
 * A peer may write anything at any time: every load returns any value, every compare-and-swap
 * succeeds or not, and so nothing of what is stored need be remembered, nor how large the mapping is
 * matter.  What is shown of each access is that it is aligned and inside the mapping.
 */
#ifndef CORE_ATOMIC_H
#define CORE_ATOMIC_H

#include "prove.h"

#include "core/base.h"

struct shared64 {
	uint64_t raw;
};

struct shared32 {
	uint32_t raw;
};

/* The mapping: the first file_size bytes of it, which mean nothing. */
#ifndef FILE_MAX
#define FILE_MAX 65536u
#endif
static _Alignas(4096) uint8_t file[FILE_MAX];
static size_t file_size;

static inline void memory_access(const void *address, size_t size)
{
	PROVE(__CPROVER_same_object(address, file));
	PROVE(__CPROVER_POINTER_OFFSET(address) % size == 0);
	PROVE(__CPROVER_POINTER_OFFSET(address) + size <= file_size);
}

/* Text goes as a whole: one end of it is in the mapping, the other in memory of the caller's. */
enum hook_kind { HOOK_LOAD, HOOK_STORE };
static inline void hook_access(enum hook_kind kind, const void *address)
{
	(void)kind;
	PROVE(__CPROVER_same_object(address, file));
}

static inline void *memory_copy(void *to, const void *from, size_t size)
{
	const void *shared = __CPROVER_same_object(to, file) ? to : from;

	PROVE(__CPROVER_w_ok(to, size) && __CPROVER_r_ok(from, size));
	PROVE(__CPROVER_POINTER_OFFSET(shared) + size <= file_size);
	return to;
}

static inline uint64_t shared64_load(const struct shared64 *word)
{
	memory_access(word, 8);
	return nondet_u64();
}

static inline void shared64_store(struct shared64 *word, uint64_t value)
{
	(void)value;
	memory_access(word, 8);
}

static inline void shared64_store_fenced(struct shared64 *word, uint64_t value)
{
	shared64_store(word, value);
}

static inline bool shared64_cas(struct shared64 *word, uint64_t expected, uint64_t desired)
{
	(void)expected;
	shared64_store(word, desired);
	return nondet_bool();
}

static inline uint64_t shared64_add(struct shared64 *word, uint64_t amount)
{
	shared64_store(word, amount);
	return nondet_u64();
}

static inline uint32_t shared32_load(const struct shared32 *word)
{
	memory_access(word, 4);
	return nondet_u32();
}

static inline void shared32_store(struct shared32 *word, uint32_t value)
{
	(void)value;
	memory_access(word, 4);
}

static inline bool shared32_cas(struct shared32 *word, uint32_t expected, uint32_t desired)
{
	(void)expected;
	shared32_store(word, desired);
	return nondet_bool();
}

static inline uint32_t shared32_add(struct shared32 *word, uint32_t amount)
{
	shared32_store(word, amount);
	return nondet_u32();
}

static inline void shared_pause(void)
{
}

static inline const struct shared32 *shared64_low_half(const struct shared64 *word)
{
	return (const struct shared32 *)(const void *)word;
}

#endif

/*
 * atomic.h: the only door to words that other processes write.
 *
 * Everything is sequentially consistent for read-modify-write and acquire/release for plain
 * loads and stores: the protocols on top are argued with exactly that and no bare fences.
 * A build with USYSV_HOOKS calls hook_access() before every access, so that the interleaving
 * explorer can switch actors or kill one there, and hook_value() after every load, so that a
 * fuzzer can make it return anything (adversarial loads).
 */
#ifndef CORE_ATOMIC_H
#define CORE_ATOMIC_H

#include <stdatomic.h>

#include "core/base.h"

/* A 64-bit and a 32-bit word in shared memory.  Never touch the member elsewhere. */
struct shared64 {
	_Atomic uint64_t raw;
};

struct shared32 {
	_Atomic uint32_t raw;
};

STATIC_ASSERT(sizeof(struct shared64) == 8);
STATIC_ASSERT(sizeof(struct shared32) == 4);

#ifdef USYSV_HOOKS
enum hook_kind { HOOK_LOAD, HOOK_STORE, HOOK_CAS, HOOK_ADD, HOOK_PAUSE };
/* Called before each access. */
void hook_access(enum hook_kind kind, const volatile void *address);
/* What a load that found `value` returns. */
uint64_t hook_value(const volatile void *address, uint64_t value);
#else
#define hook_access(kind, address) ((void)0)
#define hook_value(address, value) (value)
#endif

static inline uint64_t shared64_load(const struct shared64 *word)
{
	hook_access(HOOK_LOAD, word);
	return hook_value(word, atomic_load_explicit(&word->raw, memory_order_seq_cst));
}

/* Release: everything written before it is seen by whoever loads the new value. */
static inline void shared64_store(struct shared64 *word, uint64_t value)
{
	hook_access(HOOK_STORE, word);
	atomic_store_explicit(&word->raw, value, memory_order_release);
}

/* Full barrier: not reordered with later loads.  For the register-then-check patterns. */
static inline void shared64_store_fenced(struct shared64 *word, uint64_t value)
{
	hook_access(HOOK_STORE, word);
	atomic_store_explicit(&word->raw, value, memory_order_seq_cst);
}

/* True if word held expected and now holds desired. */
static inline bool shared64_cas(struct shared64 *word, uint64_t expected, uint64_t desired)
{
	hook_access(HOOK_CAS, word);
	return atomic_compare_exchange_strong_explicit(&word->raw, &expected, desired,
						       memory_order_seq_cst, memory_order_seq_cst);
}

/* The value before the addition. */
static inline uint64_t shared64_add(struct shared64 *word, uint64_t amount)
{
	hook_access(HOOK_ADD, word);
	return atomic_fetch_add_explicit(&word->raw, amount, memory_order_seq_cst);
}

static inline uint32_t shared32_load(const struct shared32 *word)
{
	hook_access(HOOK_LOAD, word);
	return (uint32_t)hook_value(word, atomic_load_explicit(&word->raw, memory_order_seq_cst));
}

static inline void shared32_store(struct shared32 *word, uint32_t value)
{
	hook_access(HOOK_STORE, word);
	atomic_store_explicit(&word->raw, value, memory_order_release);
}

static inline bool shared32_cas(struct shared32 *word, uint32_t expected, uint32_t desired)
{
	hook_access(HOOK_CAS, word);
	return atomic_compare_exchange_strong_explicit(&word->raw, &expected, desired,
						       memory_order_seq_cst, memory_order_seq_cst);
}

static inline uint32_t shared32_add(struct shared32 *word, uint32_t amount)
{
	hook_access(HOOK_ADD, word);
	return atomic_fetch_add_explicit(&word->raw, amount, memory_order_seq_cst);
}

/* A breath between two tries: lets the other hyper-thread, or in the explorer another actor, run. */
static inline void shared_pause(void)
{
	hook_access(HOOK_PAUSE, NULL);
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/*
 * The 32 bits of a word that a sleeper waits on: its low half, which holds the version and the
 * frozen bit and so differs after every change.
 */
static inline const struct shared32 *shared64_low_half(const struct shared64 *word)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (const struct shared32 *)(const void *)word;
#else
	return (const struct shared32 *)(const void *)word + 1;
#endif
}

#endif

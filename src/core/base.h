/* base.h: what every file may lean on: assertions, checked arithmetic, small macros. */
#ifndef CORE_BASE_H
#define CORE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * ASSERT checks our own invariants and stays on in every build.  It is never used on bytes that
 * another process can write: those are answered with an outcome.  assert_fail() is the one hook
 * the core calls; each program (sys/assert.c) decides what a broken invariant does to it.
 */
_Noreturn void assert_fail(const char *expression, const char *file, int line);
#define ASSERT(condition) ((condition) ? (void)0 : assert_fail(#condition, __FILE__, __LINE__))

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define STATIC_ASSERT(condition) _Static_assert(condition, #condition)

#define ALIGN_UP(value, alignment) (((value) + (alignment) - 1) / (alignment) * (alignment))

/* True, and *ret_sum untouched, when the sum does not fit. */
static inline bool u64_add_overflows(uint64_t a, uint64_t b, uint64_t *ret_sum)
{
	uint64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return true;
	*ret_sum = sum;
	return false;
}

static inline bool u64_mul_overflows(uint64_t a, uint64_t b, uint64_t *ret_product)
{
	uint64_t product;

	if (__builtin_mul_overflow(a, b, &product))
		return true;
	*ret_product = product;
	return false;
}

static inline uint32_t u32_min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline uint32_t u32_max(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

#endif

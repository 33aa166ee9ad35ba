/*
 * guard.h: memory that ends where reading is not allowed.
 *
 * An input copied to the end of such a buffer makes a read of one byte too many fault in any build,
 * with or without a sanitizer.
 */
#ifndef TESTS_GUARD_H
#define TESTS_GUARD_H

#include <stddef.h>
#include <stdint.h>

struct guard {
	uint8_t *bytes;   /* the last `size` bytes before the unreadable page */
	size_t size;
	void *base;       /* the whole mapping */
	size_t base_size;
};

/* A buffer of size bytes, zero-filled, with an unreadable page after it.  Ends the program on failure. */
void guard_init(struct guard *guard, size_t size);
/* The same, filled with a copy of bytes. */
void guard_init_copy(struct guard *guard, const void *bytes, size_t size);
/* Legal on {0} and twice. */
void guard_deinit(struct guard *guard);

/* Makes the whole buffer readable only, or readable and writable again. */
void guard_protect(struct guard *guard);
void guard_unprotect(struct guard *guard);

#endif

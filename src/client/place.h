/*
 * place.h: where the library maps what it needs.
 *
 * Programs detach a segment and attach another into the hole, and expect the page after their own
 * to be as unmapped as they left it; the kernel puts a new mapping just there.  So the library asks
 * for addresses of its own, far from where the kernel and libc put things, at random.
 */
#ifndef CLIENT_PLACE_H
#define CLIENT_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file, shared.  0 or -errno. */
int place_file(int fd, uint64_t size, bool is_writable, void **ret_base);

/* Zeroed private memory; untouched parts cost nothing.  NULL: none. */
void *place_private(size_t size);

/* Idempotent for size 0 and NULL. */
void place_unmap(void *base, uint64_t size);

#endif

/*
 * probe.h: EFAULT instead of SIGSEGV for a program's bad pointers (PSX-22).
 *
 * The kernel is asked whether memory can be read or written, by calls that do nothing else; what
 * it confirmed last is remembered per thread, so that a call with the same buffer asks nothing.
 */
#ifndef CLIENT_PROBE_H
#define CLIENT_PROBE_H

#include "client/thread.h"

static inline bool probe_hit(const struct thread_range *ranges, const void *pointer, size_t size)
{
	uintptr_t start = (uintptr_t)pointer;

	for (uint32_t i = 0; i < THREAD_RANGES_MAX; i++) {
		if (start - ranges[i].start < ranges[i].end - ranges[i].start &&
		    size <= ranges[i].end - start)
			return true;
	}
	return false;
}

bool probe_readable_slow(const void *pointer, size_t size);
bool probe_writable_slow(void *pointer, size_t size);

/* True if size bytes at pointer can be read. */
static inline bool probe_readable(const void *pointer, size_t size)
{
	return probe_hit(client_thread.readable, pointer, size) || probe_readable_slow(pointer, size);
}

/* True if size bytes at pointer can be written. */
static inline bool probe_writable(void *pointer, size_t size)
{
	return probe_hit(client_thread.writable, pointer, size) || probe_writable_slow(pointer, size);
}

/* Copies to user memory that may end anywhere: false if a part could not be written. */
bool probe_copy_out(void *user, const void *source, size_t size);

/* True if the string at user begins with prefix.  Never faults. */
bool probe_has_prefix(const char *user, const char *prefix);

#endif

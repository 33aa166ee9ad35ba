/*
 * wait.h: sleeping on a 32-bit word in shared memory, across processes.
 *
 * Never restarted after a signal handler, even with SA_RESTART (BLK-1): the futex wait always has
 * a time-out, which makes the kernel report EINTR (BLK-9).
 */
#ifndef SYS_WAIT_H
#define SYS_WAIT_H

#include <stdint.h>

#include "core/atomic.h"

/* No caller sleeps longer than this in one go, so that a waker that was stopped or killed between
 * its commit and its wake delays nobody for longer (P3). */
#define WAIT_SLICE_NS 1000000000ull

#define WAIT_FOREVER UINT64_MAX

/*
 * Sleeps while *word equals expected, until deadline_ns (monotonic clock, absolute) or one slice.
 * 0: woken, changed, spurious, or the slice is over: look again.  -ETIMEDOUT: the deadline has
 * passed.  -EINTR: a handler ran.
 */
int wait_on(const struct shared32 *word, uint32_t expected, uint64_t deadline_ns);

/* Wakes up to n who wait on word. */
void wait_wake(const struct shared32 *word, int n);

#endif

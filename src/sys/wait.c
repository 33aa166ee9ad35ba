/*
 * wait.c: futexes.
 *
 * Shared, not private: the word is in a file several processes map.  The time-out is absolute, so
 * that a call cut into slices does not drift, and never absent: the kernel restarts a futex wait
 * without a time-out after a handler with SA_RESTART, and reports EINTR for one with.
 */
#include "sys/wait.h"

#include <limits.h>
#include <linux/futex.h>

#include "sys/clock.h"
#include "sys/raw.h"

#define WAIT_NS_PER_S 1000000000ull

#ifndef SYS_futex
#define SYS_futex SYS_futex_time64
#endif

/* The kernel's timespec of SYS_futex. */
struct wait_time {
	long seconds;
	long nanoseconds;
};

static uint64_t wait_slice_end(uint64_t deadline_ns)
{
	uint64_t slice_end = clock_monotonic_ns() + WAIT_SLICE_NS;

	return deadline_ns < slice_end ? deadline_ns : slice_end;
}

int wait_on(const struct shared32 *word, uint32_t expected, uint64_t deadline_ns)
{
	uint64_t until_ns = wait_slice_end(deadline_ns);
	struct wait_time until = {
		.seconds = (long)(until_ns / WAIT_NS_PER_S),
		.nanoseconds = (long)(until_ns % WAIT_NS_PER_S),
	};
	long result = raw_call6(SYS_futex, RAW_ARGUMENT(word), FUTEX_WAIT_BITSET,
				(long)expected, RAW_ARGUMENT(&until), 0,
				(long)FUTEX_BITSET_MATCH_ANY);

	if (result == -EINTR)
		return -EINTR;
	if (result == -ETIMEDOUT && until_ns == deadline_ns)
		return -ETIMEDOUT;
	return 0; /* woken, or EAGAIN: changed, or the slice is over */
}

void wait_wake(const struct shared32 *word, int n)
{
	/* Nothing to do about a failure: a sleeper looks again after its slice. */
	(void)raw_call3(SYS_futex, word, FUTEX_WAKE, n);
}

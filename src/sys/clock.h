/* clock.h: the three clocks.  No system call where the vdso serves them. */
#ifndef SYS_CLOCK_H
#define SYS_CLOCK_H

#include <stdint.h>

/* Realtime, whole seconds as of the last tick: the clock of all *time fields. */
int64_t clock_now_s(void);
/* Realtime in nanoseconds. */
uint64_t clock_now_ns(void);
/* Monotonic in nanoseconds: deadlines. */
uint64_t clock_monotonic_ns(void);

#endif

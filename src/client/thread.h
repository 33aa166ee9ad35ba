/*
 * thread.h: what the library keeps for each thread.
 *
 * In thread-local storage (initial-exec, so that no call allocates it): the user memory that was
 * probed last, and the calls of this thread that sleep.  In a table that other threads of the
 * process can read: which views the thread is using (hazards).
 */
#ifndef CLIENT_THREAD_H
#define CLIENT_THREAD_H

#include <stdatomic.h>

#include "core/base.h"

#define CLIENT_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define CLIENT_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* Calls of one thread that can be inside a view at a time: one, and one a nested signal handler. */
#define THREAD_HAZARDS_MAX 6u

/* Threads with a record at a time; a thread beyond that keeps removed objects mapped. */
#define THREAD_RECORDS_MAX 65536u

/* Addresses [start, end) that were found readable or writable. */
struct thread_range {
	uintptr_t start;
	uintptr_t end;
};

#define THREAD_RANGES_MAX 2u

/* Read by other threads; one cache line. */
struct thread_record {
	_Atomic uint32_t tid; /* 0: free */
	_Atomic uint32_t overflowed; /* it once used a view without a hazard: reclaim nothing */
	_Atomic(const void *) hazards[THREAD_HAZARDS_MAX];
};

STATIC_ASSERT(sizeof(struct thread_record) <= 64);

/* What patience.c remembers of waits for one thing. */
struct thread_habit {
	uint8_t spin_level; /* how often in a row spinning did not pay */
	uint8_t spin_left_out; /* times that it is still to be left out */
	bool was_short;     /* the last wait: yielding may pay */
	uint8_t yield_harm; /* how often it lost the CPU to strangers */
	uint16_t yield_left_out;
	uint16_t yield_good; /* how often in a row it did not */
};

#define THREAD_HABITS 16u

struct sleeping;

struct thread {
	struct thread_record *record; /* NULL: none yet */
	uint32_t slots_number; /* of the record, for view_slot(); THREAD_RECORDS_MAX: not that */
	struct sleeping *sleeping;    /* innermost call that stands as a sleeper */
	uint32_t has_jumped;          /* hazards may belong to frames that a longjmp left */
	uint32_t hint;
	uint32_t ranges_next;
	struct thread_range readable[THREAD_RANGES_MAX];
	struct thread_range writable[THREAD_RANGES_MAX];
	struct thread_habit habits[THREAD_HABITS]; /* by hashed key */
};

extern _Thread_local struct thread client_thread;

/* Gives the calling thread its record.  Without one (table full) hazards are not recorded. */
void thread_begin(void);

/* In a fork child: the other threads are gone. */
void thread_after_fork(void);

/* True if any thread may be using the view.  The caller has made it unreachable and has fenced. */
bool thread_any_uses(const void *view);

/* Makes every thread pass a full barrier.  False: the kernel cannot, reclaim nothing. */
bool thread_fence_all(void);
/* The same on all threads of all processes that have joined.  False: the kernel cannot. */
bool thread_fence_everybody(void);
bool thread_join_fences(void);

/* Slow part of a hazard: the first one is taken.  A free one, or THREAD_HAZARDS_MAX. */
uint32_t thread_hazard_find(void);

/* True if the thread uses any view. */
bool thread_has_hazards(void);

#endif

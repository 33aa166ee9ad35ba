/*
 * patience.h: what a call that cannot proceed does before it goes to sleep.
 *
 * A sleep costs two switches of the CPU, and turns a lock into a convoy: each unlock hands it to the
 * next sleeper.  Often a little later the call can proceed.  So it arrives late: it tries again, for a
 * bounded time, before it stands as a sleeper, to whom alone first-in first-out is owed (SEM-23).
 *
 *     patience_begin(&patience, key, deadline_ns);
 *     while (the call is blocked && patience_spin(&patience))
 *             try again;                              another CPU may be at it: 2 us in all
 *     signals = process_block_signals();
 *     while (the call is blocked && patience_yield(&patience, progress))
 *             try again;                              somebody else has had the CPU: 50 us in all
 *     if (the call is blocked)
 *             stand as a sleeper and sleep until its end;
 *     patience_end(&patience, progress);              however it ended
 *     process_restore_signals(signals);
 *
 * Signals are blocked while yielding, as that may take long: one that comes meanwhile is found when
 * the call goes to sleep (sleeping_wait()), which it then does not.
 *
 * key is the same for calls that wait for the same thing, and progress a number that grows with
 * every change of that thing, by whomever.  Each thread remembers for a few keys what paid off.
 */
#ifndef CLIENT_PATIENCE_H
#define CLIENT_PATIENCE_H

#include <stdint.h>

#include "client/thread.h"

/* On the caller's stack. */
struct patience {
	struct thread_habit *habit;
	uint64_t deadline_ns;
	uint64_t start_ns; /* 0: still spinning */
	uint64_t yielded_ns;
	uint32_t yielded_progress;
	uint32_t n_spins;
	uint32_t n_yields;
	bool may_spin;
	bool may_yield;
	bool is_over; /* the call goes to sleep */
};

/* deadline_ns: when the call ends in any case, WAIT_FOREVER if never. */
void patience_begin(struct patience *patience, uint32_t key, uint64_t deadline_ns);

/* True: a moment has passed, try again.  False: enough of this. */
bool patience_spin(struct patience *patience);
bool patience_yield(struct patience *patience, uint32_t progress);

void patience_end(struct patience *patience, uint32_t progress);

#endif

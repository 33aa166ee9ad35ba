/*
 * sleeping.h: calls that stand as a sleeper in an object's file.
 *
 * Each is noted in its thread, so that whatever leaves the call early takes it out of the file
 * first: a longjmp from a signal handler, a cancellation, a nested call made by a handler (for
 * which the interrupted call must no longer be there).
 */
#ifndef CLIENT_SLEEPING_H
#define CLIENT_SLEEPING_H

#include "client/view.h"

enum sleeping_what {
	SLEEPING_SEMOP,
	SLEEPING_SEND,
	SLEEPING_RECEIVE,
	SLEEPING_STEAD, /* made by the daemon, which is asked from time to time (stead.h) */
};

struct stead_call;

/* On the caller's stack. */
struct sleeping {
	struct sleeping *outer;
	enum sleeping_what what;
	enum ipc_kind kind;
	int32_t id;
	bool is_over; /* somebody took it out: outcome is what the cancel said */
	int outcome;
	struct semset_sleeper sem;
	struct msgq_sleeper msg;
	const struct msgq_want *want; /* receive: what it asked for, and where it goes */
	void *text;
	uint64_t text_size;
	int64_t type;
	struct stead_call *stead;
};

/* Notes and forgets a call.  Signals are blocked. */
void sleeping_begin(struct sleeping *sleeping);
void sleeping_end(struct sleeping *sleeping);

/*
 * Sleeps until something happened to the sleeper, restoring the signal mask meanwhile.  0: look
 * again; -EINTR, also for a signal that came while they were blocked; -ETIMEDOUT.  is_point: it is a
 * cancellation point.
 */
int sleeping_wait(struct sleeping *sleeping, uint64_t deadline_ns, uint64_t signals, bool is_point);

/* Takes the sleeper out of the file; outcome as the core's cancel, E_REMOVED if the view is gone. */
void sleeping_cancel(struct sleeping *sleeping);

/* Takes every sleeper of this thread out. */
void sleeping_cancel_all(void);

/* In a fork child: they are the parent's. */
void sleeping_after_fork(void);

/* Before a longjmp. */
void sleeping_before_jump(void);

#endif

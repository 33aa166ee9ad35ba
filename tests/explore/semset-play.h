/*
 * semset-play.h: processes that play a plan on a small semaphore set, for the explorer.
 *
 * Each actor is a process with a short list of calls, among them ones that sleep; at the end it
 * leaves as a process does, its adjustments applied.  A killed one is recovered as the daemon does
 * it, beside the others; that may be killed and run again too.  At the end some order of what was
 * done, each call at one instant, must explain every result and every value on the model, and
 * whoever is still asleep must have reason to.
 */
#ifndef TESTS_SEMSET_PLAY_H
#define TESTS_SEMSET_PLAY_H

#include "core/semset.h"
#include "explore.h"

enum { PLAY_SEMS = 2, PLAY_CALLS_MAX = 3, PLAY_ACTORS_MAX = 3 };

enum call_kind {
	CALL_NONE,
	CALL_OP,     /* sleeps if it must */
	CALL_TRY,    /* is refused instead */
	CALL_CANCEL, /* sleeps, and gives up at any moment: a time-out or a signal */
	CALL_SET,    /* SETVAL: sem_num and, as sem_op, the value */
	CALL_SETALL, /* the values, as sem_op */
	CALL_REMOVE, /* if its caller is killed, who recovers him begins it anew, as the daemon would */
};

struct call {
	enum call_kind kind;
	uint32_t n_ops;
	struct abi_sembuf ops[2];
};

struct plan {
	const char *name;
	uint32_t n_actors;
	uint32_t n_kills;
	uint32_t n_stops;
	uint16_t initial[PLAY_SEMS];
	struct call calls[PLAY_ACTORS_MAX][PLAY_CALLS_MAX];
};

#define UNDO ABI_SEM_UNDO
#define NOWAIT ABI_IPC_NOWAIT
#define OP(sem, op, flags) { CALL_OP, 1, { { sem, op, flags } } }
#define OP2(sem, op, flags, sem2, op2, flags2) \
	{ CALL_OP, 2, { { sem, op, flags }, { sem2, op2, flags2 } } }
#define TRY(sem, op, flags) { CALL_TRY, 1, { { sem, op, flags } } }
#define TRY2(sem, op, sem2, op2) { CALL_TRY, 2, { { sem, op, NOWAIT }, { sem2, op2, NOWAIT } } }
#define CANCEL(sem, op, flags) { CALL_CANCEL, 1, { { sem, op, flags } } }
#define SET(sem, value) { CALL_SET, 1, { { sem, value, 0 } } }
#define SETALL(value0, value1) { CALL_SETALL, 2, { { 0, value0, 0 }, { 1, value1, 0 } } }
#define REMOVE() { CALL_REMOVE, 0, { { 0 } } }

/*
 * The plan as a case for the explorer; one at a time.  The plan stays the caller's.  n_relapses: so many
 * recoveries are killed as well.
 */
struct explore_case play_case(const struct plan *chosen, uint32_t n_relapses);

#endif

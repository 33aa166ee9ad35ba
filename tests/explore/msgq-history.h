/*
 * msgq-history.h: what the actors of explore-msgq.c did to a queue, and whether some order of it, each
 * call at one instant between its beginning and its end, explains all of it on the model.
 */
#ifndef TESTS_EXPLORE_MSGQ_HISTORY_H
#define TESTS_EXPLORE_MSGQ_HISTORY_H

#include "core/msgq.h"
#include "model/msgq.h"

enum { CALLS_MAX = 3, ACTORS_MAX = 4, BEFORE_MAX = 3, TEXT_MAX = 160 };
/* Who puts in what is there at the beginning, takes what is there at the end, and recovers. */
enum { DAEMON = ACTORS_MAX };

enum call_kind {
	CALL_NONE,
	CALL_SEND,
	CALL_RECEIVE,
	CALL_COPY, /* type is the position */
	CALL_STAT,
	CALL_SET, /* size is msg_qbytes */
	CALL_REMOVE,
	CALL_TRIM,
	CALL_LATE_GROWTH,
};

enum call_how {
	HOW_SLEEP,  /* if it must */
	HOW_TRY,    /* is refused instead */
	HOW_CANCEL, /* sleeps for one look, then gives up: a signal */
};

struct call {
	enum call_kind kind;
	enum call_how how;
	int64_t type;
	uint32_t size; /* of the text, or of the buffer */
	uint32_t flags;
};

struct plan {
	const char *name;
	uint32_t n_actors;
	uint32_t n_kills;
	uint32_t n_stops;
	uint32_t qbytes; /* at the beginning, and what the file has room for then */
	bool one_client; /* the actors are threads of one process */
	struct call before[BEFORE_MAX]; /* sends */
	struct call calls[ACTORS_MAX][CALLS_MAX];
};

/* PENDING: the actor was killed, stopped or is asleep inside. */
enum { RESULT_NONE, RESULT_PENDING, RESULT_ENDED };

struct result {
	uint8_t state;
	uint8_t outcome;
	bool has_slept;
	bool has_retried;
	/* Of a message: the number of its sender's call, or 0 where no text says it; or what STAT says. */
	uint8_t message;
	uint32_t size;
	int64_t type;
};

struct history {
	struct result results[ACTORS_MAX][CALLS_MAX];
	/* What had ended, and who was asleep, when a call began. */
	uint32_t ended_before[ACTORS_MAX][CALLS_MAX];
	uint32_t asleep_before[ACTORS_MAX][CALLS_MAX];
	uint32_t ended;  /* bit per call, and then per recovery */
	uint32_t left;   /* bit per actor: has made its last call, or was recovered */
	uint32_t asleep; /* bit per actor: fell asleep and has not run since */
};

/* What is in the queue at the end. */
struct remains {
	struct msgq_stat stat;
	uint32_t n;
	struct result messages[MODEL_MESSAGES_MAX];
};

static inline uint32_t call_bit(uint32_t number, uint32_t i)
{
	return 1u << (number * CALLS_MAX + i);
}

static inline uint32_t recovery_bit(uint32_t number)
{
	return call_bit(ACTORS_MAX, 0) << number;
}

static inline uint8_t message_of(uint32_t number, uint32_t i)
{
	return (uint8_t)(1 + number * CALLS_MAX + i);
}

/* The call that sent it, or NULL. */
const struct call *plan_sender(const struct plan *plan, uint8_t message);

bool plan_has(const struct plan *plan, enum call_kind kind);
uint32_t plan_n_calls(const struct plan *plan, uint32_t number);

/*
 * gone: bit per actor, killed or stopped.  A pending call may have happened or not.  What a dead
 * actor had taken comes back with its recovery if it was asleep, and may if it was not.
 */
bool history_is_explained(const struct history *history, const struct plan *plan,
			  const struct remains *remains, uint32_t gone);

/* Whether the actor's pending call would succeed on what remains. */
bool history_could_go(const struct history *history, const struct plan *plan,
		      const struct remains *remains, uint32_t number);

/* MSG-44: whether a receiver who slept when an IPC_SET began has not looked again since. */
bool history_slept_through_set(const struct history *history, const struct plan *plan, uint32_t gone);

/* What everybody had done at the end of a failure. */
void history_print(const struct history *history, const struct plan *plan, const struct remains *remains);

#endif

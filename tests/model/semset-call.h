/*
 * model/semset-call.h: one call of one client, carried out on a set, and step by step on its model.
 *
 * For those who let calls meet: what a call does at one moment is one step.  Most have one; to
 * come to sleep and to look for the first time are two; the end of a process and a removal have one for each sleeper.
 */
#ifndef TESTS_MODEL_SEMSET_CALL_H
#define TESTS_MODEL_SEMSET_CALL_H

#include "model/semset.h"

#define CALL_SEMS_MAX 4u
#define CALL_OPS_MAX 6u
#define CALL_WAKES_MAX 256u

enum semset_call_kind {
	CALL_OP,
	CALL_WAIT,  /* semop that may sleep */
	CALL_LEAVE, /* a sleeper leaves, or looks */
	CALL_LOOK,
	CALL_SET_ONE,
	CALL_SET_ALL,
	CALL_READ,
	CALL_SETTLE,
	CALL_EXIT, /* of a process of which nobody sleeps */
	/* Only the daemon makes these. */
	CALL_DEATH,
	CALL_EXEC,
	CALL_REMOVE,
	CALL_STEAD_OP,
	CALL_STEAD_SET_ONE,
	CALL_STEAD_SET_ALL,
	CALL_STEAD_END,
};

struct semset_call {
	enum semset_call_kind kind;
	uint32_t client; /* the model's; in the file it is one more */
	uint32_t slot;   /* descriptors that its thread keeps, or MCAS_SLOT_NONE */
	int64_t now_s;
	struct stead stead;
	uint32_t n_ops;
	struct abi_sembuf ops[CALL_OPS_MAX];
	uint32_t sem_num;
	uint16_t values[CALL_SEMS_MAX];
	uint32_t sleeper; /* who leaves or looks, as the model counts */
	uint32_t place;   /* his; or of who comes to sleep or stand by this call, when that is known */
};

/* What came of it. */
struct semset_answer {
	int outcome;
	uint16_t values[CALL_SEMS_MAX]; /* that were read */
	uint32_t place;                 /* of who sleeps now */
	uint32_t sleeper;               /* the same, as the model counts */
	bool is_over;
	uint32_t n_woken;
	uint32_t woken[CALL_WAKES_MAX];
};

bool semset_call_is_daemons(const struct semset_call *call);
/* Whoever may come to stand in the file by it. */
bool semset_call_is_new_sleeper(const struct semset_call *call);

/* Does it on the set, with all growth and further wakes. */
void semset_call_run(struct semset *set, const struct semset_call *call, struct semset_answer *answer);

/*
 * Does its next step on the model.  False: it has no more.  is_late: it has looked before the set was removed
 * whether it is.
 */
bool semset_call_step(struct model_semset *model, const struct semset_call *call, uint32_t step,
		      bool is_late, struct semset_answer *answer);

/* Its name. */
const char *semset_call_to_string(const struct semset_call *call);

#endif

/*
 * tests/model/msgq-pair.h: a queue and its model, given the same calls and compared after each: outcome,
 * message, number of wakes, and everything msgctl shows.
 */
#ifndef TESTS_MODEL_MSGQ_PAIR_H
#define TESTS_MODEL_MSGQ_PAIR_H

#include "model/msgq-act.h"

/* base: a mapping of as much as the layout for qbytes takes; cleared first where it was used before. */
void msgq_pair_init(struct msgq_pair *pair, void *base, uint64_t size, uint64_t qbytes);

/* A call on both.  Whether they did the same; ret_result: what the queue did. */
bool msgq_pair_do(struct msgq_pair *pair, const struct msgq_act *act, struct msgq_result *ret_result);
/* The model's part, when the queue has done its own already. */
bool msgq_pair_follow(struct msgq_pair *pair, const struct msgq_act *act,
		      const struct msgq_result *result);

#endif

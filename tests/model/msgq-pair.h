/*
 * tests/model/msgq-pair.h: a queue and its model, given the same calls and compared after each.
 *
 * Every function is one call and returns whether both did the same: outcome, message, number of
 * wakes, and everything msgctl shows.
 */
#ifndef TESTS_MODEL_MSGQ_PAIR_H
#define TESTS_MODEL_MSGQ_PAIR_H

#include "model/msgq.h"

/* Instead of a sleeper: the call does not wait. */
#define MSGQ_PAIR_NO_WAIT MODEL_SLEEPERS_MAX

struct msgq_pair {
	struct msgq queue;
	struct model_msgq model;
	struct msgq_sleeper sleepers[MODEL_SLEEPERS_MAX];
	uint8_t *base;
	uint64_t qbytes_max;
	uint32_t n_blocks; /* beyond these nothing was touched */
};

/* base: a mapping of as much as the layout for qbytes takes; cleared first where it was used before. */
void msgq_pair_init(struct msgq_pair *pair, void *base, uint64_t size, uint64_t qbytes);

/* sleeper: where to sleep if need be; when it is in use already the call does not wait. */
bool msgq_pair_send(struct msgq_pair *pair, const struct actor *actor, int64_t type, uint32_t size,
		    uint32_t sleeper);
bool msgq_pair_receive(struct msgq_pair *pair, const struct actor *actor,
		       const struct msgq_want *want, uint32_t sleeper);
bool msgq_pair_end(struct msgq_pair *pair, uint32_t sleeper, bool cancel);
bool msgq_pair_copy(struct msgq_pair *pair, int64_t position, uint64_t size_max, bool noerror);
bool msgq_pair_set(struct msgq_pair *pair, const struct actor *actor, uint64_t qbytes);
bool msgq_pair_recover(struct msgq_pair *pair, const struct actor *dead);
/* Storage is given back, if the queue is empty: nobody sees it. */
bool msgq_pair_trim(struct msgq_pair *pair, const struct actor *actor);
bool msgq_pair_remove(struct msgq_pair *pair, const struct actor *actor);

#endif

/*
 * tests/model/msgq-between.h: a call in the middle of another one, and whether the model has an order of the
 * two that explains what came of them.
 *
 * The second runs as a whole between two accesses of the first, which goes on after that; or is left there
 * for ever.  Then its client is recovered; or if it is the daemon's, the next one takes back what it held and
 * makes it once more from the start.
 * The results, what is in the queue and in which order, and what became of each sleeper must be those of one
 * order, and who is woken must be told so.  Time stamps and pids are a call's last stores, and may be
 * either's; and a sender who was to be woken need not be when there is no room any more.
 */
#ifndef TESTS_MODEL_MSGQ_BETWEEN_H
#define TESTS_MODEL_MSGQ_BETWEEN_H

#include "model/msgq-pair.h"

struct msgq_between {
	struct msgq_act first, second;
	bool is_left; /* the first was left, and ... */
	/* ... these made: recovery of its client, or of what the daemon held, and then the first again. */
	uint32_t n_after;
	struct msgq_act after[2];
	struct msgq_result of_first, of_second, of_after[2];
};

/*
 * Whether the second may come in the middle of the first, and one order is to explain it: not two of
 * the daemon, or of one thread; what takes several commits, each a moment of its own, is not for here.
 */
bool msgq_between_may(const struct msgq_pair *pair, const struct msgq_act *first,
		      const struct msgq_act *second);
/* The first was left: what has to be done is. */
void msgq_between_leave(struct msgq_pair *pair, struct msgq_between *between);

/* All has happened on the queue, nothing on the model, which follows.  NULL, or what is not explained. */
const char *msgq_between_explain(struct msgq_pair *pair, const struct msgq_between *between);

#endif

/*
 * msgq-select.c: finding the message a receive wants, beside others that change the queue.
 *
 * A walk from the head, hand over hand: A.next, then B's type, length and next, then A.next again; if
 * that has not changed, B stood behind A while it was read (msgq.c, 8).  Since messages come in at
 * the tail only, all that stand before B were looked at before, so:
 *  1. The first match found is the first in the queue at that moment, and still is when it is
 *     taken out, because taking it out changes the two words that led to it and onward.
 *  2. Reaching the end means that at that moment nothing in the queue matched.
 *  3. The best of all (negative types) is the best for as long as nothing arrives: the taker must
 *     find bytes, or tail, unchanged since before the walk.
 * What recovery puts back in between counts as an arrival.
 */
#include "core/msgq-internal.h"

/* Tries for a position in a queue that others change; then the last look has to do. */
#define POSITION_TRIES 256u

bool msgq_want_matches(int64_t want, uint32_t flags, int64_t type)
{
	if (want == 0)
		return true;
	if (want > 0)
		return flags & ABI_MSG_EXCEPT ? type != want : type == want;
	return type <= (want == INT64_MIN ? INT64_MAX : -want); /* MSG-13, MSG-14 */
}

static int walk_start(struct msgq_call *call, struct msgq_found *found)
{
	*found = (struct msgq_found){ .before_word = WORD_HEAD, .before_block = MSGQ_NONE };
	return msgq_read(call, WORD_HEAD, &found->before) ? MSGQ_DONE : MSGQ_E_CORRUPT;
}

/* Reads the message that `before` leads to.  DONE, BLOCKED at the end, AGAIN, or an outcome. */
static int walk_look(struct msgq_call *call, struct msgq_found *found)
{
	uint32_t payload = mcas_payload(found->before);
	const struct shared64 *words;
	uint64_t length;
	int outcome = MSGQ_DONE;

	if (!msgq_step(call))
		return MSGQ_E_BUSY;
	if (payload == NEXT_END)
		return MSGQ_BLOCKED;
	if (payload == NEXT_OUTSIDE)
		outcome = MSGQ_E_CORRUPT;
	else
		outcome = msgq_check_block(call, payload - NEXT_BASE);
	if (outcome == MSGQ_DONE) {
		found->block = payload - NEXT_BASE;
		words = msgq_block_at(call->queue, found->block);
		if (!msgq_read(call, msgq_block_word(call->queue, found->block, MSGQ_BLOCK_NEXT),
			       &found->next))
			return MSGQ_E_CORRUPT;
		found->type = (int64_t)shared64_load(&words[MSGQ_BLOCK_TYPE]);
		length = shared64_load(&words[MSGQ_BLOCK_LENGTH]);
		found->size = (uint32_t)length;
		found->arrival = (uint32_t)(length >> 32);
	}
	if (!msgq_still(call, found->before_word, found->before))
		return MSGQ_AGAIN;
	if (outcome)
		return outcome;
	if (mcas_payload(found->next) == NEXT_OUTSIDE || found->size > MSG_TEXT_MAX)
		return MSGQ_E_CORRUPT;
	return MSGQ_DONE;
}

static void walk_on(struct msgq_call *call, struct msgq_found *found)
{
	found->before_word = msgq_block_word(call->queue, found->block, MSGQ_BLOCK_NEXT);
	found->before_block = found->block;
	found->before = found->next;
}

int msgq_select(struct msgq_call *call, const struct msgq_want *want, struct msgq_found *ret_found)
{
	struct msgq_found found, best = { 0 };
	uint64_t count;
	uint32_t steps;
	int outcome;

	if (!msgq_read(call, WORD_COUNT, &count) || walk_start(call, &found))
		return MSGQ_E_CORRUPT;
	for (steps = 0;; steps++) {
		/* More messages than blocks: the list has changed under us all the time, or is a ring. */
		if (steps > call->queue->layout.n_blocks)
			return msgq_still(call, WORD_COUNT, count) ? MSGQ_E_CORRUPT : MSGQ_AGAIN;
		outcome = walk_look(call, &found);
		if (outcome)
			break;
		if (msgq_want_matches(want->type, want->flags, found.type)) {
			if (want->type >= 0 || found.type <= 1) {
				*ret_found = found;
				return MSGQ_DONE;
			}
			if (!best.whole || found.type < best.type) {
				best = found;
				best.whole = true;
			}
		}
		walk_on(call, &found);
	}
	if (outcome == MSGQ_BLOCKED && best.whole) {
		*ret_found = best;
		return MSGQ_DONE;
	}
	return outcome;
}

int msgq_select_later(struct msgq_call *call, uint32_t arrival, struct msgq_found *ret_found)
{
	uint32_t steps;

	if (walk_start(call, ret_found))
		return MSGQ_E_CORRUPT;
	for (steps = 0; steps <= call->queue->layout.n_blocks; steps++) {
		int outcome = walk_look(call, ret_found);

		if (outcome)
			return outcome;
		if (msgq_arrived_before(arrival, ret_found->arrival))
			return MSGQ_DONE;
		walk_on(call, ret_found);
	}
	return MSGQ_AGAIN; /* a ring, on which the caller's steps will run out */
}

/* --- MSG_COPY ------------------------------------------------------------------------------------ */

/* The message at a position.  DONE, BLOCKED: the queue is shorter; AGAIN, or an outcome. */
static int position_find(struct msgq_call *call, uint64_t position, struct msgq_found *found)
{
	uint64_t i;

	if (walk_start(call, found))
		return MSGQ_E_CORRUPT;
	for (i = 0;; i++) {
		int outcome = walk_look(call, found);

		if (outcome || i == position)
			return outcome;
		walk_on(call, found);
	}
}

/* One look.  Sets *ret_size and *ret_type on DONE. */
static int copy_look(struct msgq_call *call, uint64_t position, uint64_t size_max, void *text,
		     struct msgq_found *ret_found)
{
	struct msgq_found found;
	int outcome = position_find(call, position, &found);

	if (outcome == MSGQ_BLOCKED)
		return MSGQ_E_NOMSG;
	if (outcome)
		return outcome;
	if (found.size > size_max)
		return MSGQ_E_2BIG;
	outcome = msgq_text_copy(call, found.block, text, found.size);
	if (!msgq_still(call, found.before_word, found.before) ||
	    !msgq_still(call, msgq_block_word(call->queue, found.block, MSGQ_BLOCK_NEXT), found.next))
		return MSGQ_AGAIN; /* it may be another message's text */
	if (outcome == MSGQ_DONE)
		*ret_found = found;
	return outcome;
}

int msgq_copy(struct msgq *queue, int64_t position, uint64_t size_max, bool noerror, void *text,
	      uint64_t *ret_size, int64_t *ret_type)
{
	struct msgq_found found = { 0 };
	struct msgq_call call;
	uint64_t count;
	uint32_t tries = 0;
	bool quiet;
	int outcome = msgq_begin(&call, queue, NULL, NULL);

	if (outcome)
		return outcome;
	if (msgq_is_removed(queue))
		return MSGQ_E_REMOVED;
	if (position < 0)
		return MSGQ_E_NOMSG;
	do {
		if (!msgq_step(&call))
			return MSGQ_E_BUSY;
		if (!msgq_read(&call, WORD_COUNT, &count))
			return MSGQ_E_CORRUPT;
		outcome = copy_look(&call, (uint64_t)position, size_max, text, &found);
		/* Every change of the queue changes count, and may have shifted the positions. */
		quiet = msgq_still(&call, WORD_COUNT, count);
	} while (outcome == MSGQ_AGAIN || (!quiet && ++tries < POSITION_TRIES));
	if (outcome == MSGQ_DONE) {
		*ret_size = found.size;
		*ret_type = found.type;
	}
	if (outcome == MSGQ_E_2BIG && noerror)
		return MSGQ_E_INVAL; /* MSG-26 */
	return outcome;
}

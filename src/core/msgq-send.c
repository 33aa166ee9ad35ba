/*
 * msgq-send.c: msgsnd, and how a message gets from its sender's entry into the queue or straight into
 * the hands of a sleeping receiver.
 *
 * Everything that decided the outcome is in the commit: bytes (and with it count, qbytes and removed,
 * msgq.c 9 and 10), tail (nobody registered or arrived meanwhile), and the state of each receiver
 * that is given the message or told that it is too long.
 */
#include "core/msgq-internal.h"

/* Receivers looked at for one commit: with the words of an append, what a small descriptor holds. */
#define APPEND_WORDS 6u
#define OFFER_MAX (MCAS_SMALL_MAX - APPEND_WORDS)

STATIC_ASSERT(MCAS_SMALL_MAX > APPEND_WORDS);
STATIC_ASSERT(OFFER_MAX < WAKES_MAX);

/* One attempt to publish. */
struct attempt {
	struct mcas_change changes[MCAS_SMALL_MAX];
	struct mcas_op op;
	uint64_t bytes;
	uint64_t count;
	uint64_t tail;
	uint32_t tail_flag;      /* as it will be */
	uint32_t n_wakes;        /* receivers whose sleep this ends */
	uint32_t wakes[OFFER_MAX];
	uint32_t receiver_pid;   /* whom the message goes to, if handed */
	bool handed;
	bool partial; /* only tells some receivers that it is too long; the search goes on after it */
};

bool msgq_fits(const struct msgq *queue, uint64_t size, uint64_t bytes, uint64_t count)
{
	uint64_t qbytes = shared64_load(&msgq_header(queue)->qbytes);

	if (qbytes > queue->layout.qbytes_max)
		qbytes = queue->layout.qbytes_max;
	/* MSG-3; size may be anything the caller was given. */
	return size <= qbytes && (mcas_payload(bytes) >> 1) <= qbytes - size &&
	       mcas_payload(count) < qbytes;
}

/* The message goes to the oldest receiver that matches and has room; older ones get E2BIG (MSG-30). */
static int offer_to_receivers(struct msgq_call *call, const struct msgq_offer *offer,
			      struct attempt *attempt)
{
	struct msgq_picks picks = { .max = OFFER_MAX };
	uint32_t i, word, result;
	int outcome = msgq_pick_receivers(call, offer, &picks);

	if (outcome)
		return outcome;
	for (i = 0; i < picks.n && !attempt->handed; i++) {
		const struct msgq_record *record = msgq_record_at(call->queue, picks.list[i].index);

		result = RESULT_2BIG;
		if (offer->size <= shared64_load(&record->size) ||
		    (shared32_load(&record->flags) & ABI_MSG_NOERROR)) {
			result = RESULT_BASE + offer->block;
			attempt->handed = true;
			attempt->receiver_pid = shared32_load(&record->base.pid);
		}
		word = sleeper_word(&call->queue->sleepers, picks.list[i].index);
		(void)mcas_op_add(&attempt->op, word, picks.list[i].word,
				  mcas_next(picks.list[i].word, sleeper_payload(SLEEPER_DONE, result)));
		attempt->wakes[attempt->n_wakes++] = word;
	}
	attempt->partial = !attempt->handed && picks.n_matching > picks.n;
	if (picks.n_waiting == attempt->n_wakes)
		attempt->tail_flag = 0;
	return MSGQ_DONE;
}

/* Where an arriving message goes: the last one's next word, or head. */
static int place_last(struct msgq_call *call, const struct attempt *attempt, struct msgq_found *place)
{
	uint32_t last = mcas_payload(attempt->tail) >> 1; /* + 1 */
	int outcome;

	place->before_word = WORD_HEAD;
	if (last) {
		outcome = msgq_check_block(call, last - 1);
		if (outcome)
			return outcome;
		place->before_word = msgq_block_word(call->queue, last - 1, MSGQ_BLOCK_NEXT);
	}
	if (!msgq_read(call, place->before_word, &place->before))
		return MSGQ_E_CORRUPT;
	if (mcas_payload(place->before) == NEXT_END)
		return MSGQ_BLOCKED; /* nothing follows */
	/* Else tail must have moved on. */
	return msgq_still(call, WORD_TAIL, attempt->tail) ? MSGQ_E_CORRUPT : MSGQ_AGAIN;
}

/* Adds the words that put the message into the queue. */
static int append(struct msgq_call *call, const struct msgq_offer *offer, struct attempt *attempt)
{
	uint32_t next_word = msgq_block_word(call->queue, offer->block, MSGQ_BLOCK_NEXT);
	uint32_t last = mcas_payload(attempt->tail) >> 1;
	struct msgq_found place = { 0 };
	uint64_t next, cbytes, count;
	int outcome;

	outcome = offer->back ? msgq_select_later(call, offer->arrival, &place)
			      : place_last(call, attempt, &place);
	if (outcome != MSGQ_DONE && outcome != MSGQ_BLOCKED)
		return outcome;
	if (!msgq_read(call, next_word, &next))
		return MSGQ_E_CORRUPT;
	if (outcome == MSGQ_BLOCKED)
		last = offer->block + 1;

	cbytes = (uint64_t)(mcas_payload(attempt->bytes) >> 1) + offer->size;
	count = (uint64_t)mcas_payload(attempt->count) + 1;
	if (cbytes > UINT32_MAX >> 1 || count > UINT32_MAX)
		return MSGQ_E_CORRUPT;
	(void)mcas_op_add(&attempt->op, WORD_BYTES, attempt->bytes,
			  mcas_next(attempt->bytes, (uint32_t)cbytes << 1 |
				    (mcas_payload(attempt->bytes) & FLAG_SLEEPERS)));
	(void)mcas_op_add(&attempt->op, WORD_COUNT, attempt->count,
			  mcas_next(attempt->count, (uint32_t)count));
	(void)mcas_op_add(&attempt->op, WORD_TAIL, attempt->tail,
			  mcas_next(attempt->tail, last << 1 | attempt->tail_flag));
	(void)mcas_op_add(&attempt->op, place.before_word, place.before,
			  mcas_next(place.before, offer->block + NEXT_BASE));
	(void)mcas_op_add(&attempt->op, next_word, next,
			  mcas_next(next, mcas_payload(place.before)));
	return MSGQ_DONE;
}

/* Adds the words that must not have changed when nothing is appended. */
static void hold_still(struct attempt *attempt)
{
	uint32_t last = mcas_payload(attempt->tail) >> 1;

	(void)mcas_op_add(&attempt->op, WORD_BYTES, attempt->bytes,
			  mcas_next(attempt->bytes, mcas_payload(attempt->bytes)));
	(void)mcas_op_add(&attempt->op, WORD_TAIL, attempt->tail,
			  mcas_next(attempt->tail, last << 1 | attempt->tail_flag));
}

static int attempt_prepare(struct msgq_call *call, const struct msgq_offer *offer,
			   struct attempt *attempt)
{
	int outcome = MSGQ_DONE;

	*attempt = (struct attempt){ .op = { attempt->changes, 0, MCAS_SMALL_MAX } };
	if (!msgq_read(call, WORD_BYTES, &attempt->bytes) ||
	    !msgq_read(call, WORD_TAIL, &attempt->tail) ||
	    !msgq_read(call, WORD_COUNT, &attempt->count))
		return MSGQ_E_CORRUPT;
	if (!msgq_still(call, offer->source, offer->source_old))
		return MSGQ_GONE;
	if (msgq_is_removed(call->queue))
		return MSGQ_E_REMOVED;
	if (!offer->back && !msgq_fits(call->queue, offer->size, attempt->bytes, attempt->count))
		return msgq_still(call, WORD_BYTES, attempt->bytes) ? MSGQ_BLOCKED : MSGQ_AGAIN;
	attempt->tail_flag = mcas_payload(attempt->tail) & FLAG_SLEEPERS;
	if (attempt->tail_flag)
		outcome = offer_to_receivers(call, offer, attempt);
	if (outcome)
		return outcome;
	if (!offer->back) /* the chain is still the call's own */
		shared64_store(&msgq_block_at(call->queue, offer->block)[MSGQ_BLOCK_LENGTH],
			       msgq_length_word(offer->size, msgq_arrival(attempt->tail)));
	if (attempt->handed || attempt->partial)
		hold_still(attempt);
	else
		outcome = append(call, offer, attempt);
	if (!attempt->partial)
		(void)mcas_op_add(&attempt->op, offer->source, offer->source_old,
				  mcas_next(offer->source_old, offer->source_payload));
	return outcome;
}

int msgq_publish(struct msgq_call *call, const struct msgq_offer *offer)
{
	struct attempt attempt;
	uint32_t i;
	int outcome;

	if (!msgq_may_wake(call, OFFER_MAX))
		return MSGQ_MORE;
	outcome = attempt_prepare(call, offer, &attempt);
	if (outcome == MSGQ_DONE)
		outcome = msgq_commit(call, &attempt.op);
	if (outcome)
		return outcome;
	for (i = 0; i < attempt.n_wakes; i++)
		call->wakes->word_indexes[call->wakes->n++] = attempt.wakes[i];
	if (attempt.partial)
		return MSGQ_AGAIN;
	if (attempt.handed) {
		shared32_store(&call->header->lrpid, attempt.receiver_pid);
		shared64_store(&call->header->rtime_s, (uint64_t)call->actor->now_s);
	}
	return MSGQ_DONE;
}

/* --- msgsnd -------------------------------------------------------------------------------------- */

/* DONE: there is room.  BLOCKED: there is none, as of *ret_bytes. */
static int room_check(struct msgq_call *call, uint64_t size, uint64_t *ret_bytes)
{
	uint64_t bytes, count;

	if (!msgq_read(call, WORD_BYTES, &bytes) || !msgq_read(call, WORD_COUNT, &count))
		return MSGQ_E_CORRUPT;
	if (msgq_is_removed(call->queue))
		return MSGQ_E_REMOVED;
	if (msgq_fits(call->queue, size, bytes, count))
		return MSGQ_DONE;
	if (!msgq_still(call, WORD_BYTES, bytes))
		return MSGQ_AGAIN;
	*ret_bytes = bytes;
	return MSGQ_BLOCKED;
}

/* Takes blocks, once, and fills them. */
static int chain_make(struct msgq_call *call, struct msgq_offer *offer, const void *text)
{
	int outcome;

	if (offer->block != MSGQ_NONE)
		return MSGQ_DONE;
	outcome = msgq_chain_take(call, msgq_blocks_for(offer->size));
	if (outcome)
		return outcome;
	offer->source = msgq_entry_word(call->entry);
	if (!msgq_read(call, offer->source, &offer->source_old) ||
	    mcas_payload(offer->source_old) == 0)
		return MSGQ_E_CORRUPT;
	offer->block = mcas_payload(offer->source_old) - 1;
	return msgq_text_fill(call, offer, text);
}

/* Gives back what the call holds; a failure here is the file's, and hides no success. */
static void chain_unmake(struct msgq_call *call, struct msgq_offer *offer)
{
	if (call->entry != MSGQ_NONE) {
		(void)msgq_entry_give(call);
		msgq_entry_release(call);
	}
	offer->block = MSGQ_NONE;
}

static int send_step(struct msgq_call *call, struct msgq_offer *offer, const void *text, bool wait)
{
	const struct msgq_want want = { .size = offer->size };
	uint64_t bytes = 0;
	int outcome = room_check(call, offer->size, &bytes);

	if (outcome == MSGQ_BLOCKED) {
		chain_unmake(call, offer);
		if (wait)
			outcome = msgq_register(call, MSGQ_KIND_SENDER, &want, WORD_BYTES, bytes);
		return outcome;
	}
	if (outcome == MSGQ_DONE)
		outcome = chain_make(call, offer, text);
	if (outcome == MSGQ_DONE)
		outcome = msgq_publish(call, offer);
	if (outcome == MSGQ_BLOCKED)
		return MSGQ_AGAIN; /* the room has gone since: blocked by room_check, or not at all */
	return outcome;
}

static int send_run(struct msgq_call *call, struct msgq_offer *offer, const void *text,
		    struct msgq_sleeper *ret_sleeper)
{
	int outcome;

	do {
		outcome = msgq_step(call) ? send_step(call, offer, text, ret_sleeper != NULL)
					  : MSGQ_E_BUSY;
	} while (outcome == MSGQ_AGAIN);
	if (outcome == MSGQ_GONE)
		outcome = MSGQ_E_CORRUPT; /* nobody takes what a living call holds */
	if (outcome == MSGQ_DONE) {
		shared32_store(&call->header->lspid, call->actor->pid);
		shared64_store(&call->header->stime_s, (uint64_t)call->actor->now_s);
		msgq_entry_release(call);
	} else {
		chain_unmake(call, offer);
	}
	msgq_register_end(call, outcome, ret_sleeper);
	return outcome;
}

int msgq_send(struct msgq *queue, const struct actor *actor, int64_t type, const void *text,
	      uint64_t size, struct wakes *ret_wakes)
{
	return msgq_send_or_wait(queue, actor, type, text, size, ret_wakes, NULL);
}

int msgq_send_or_wait(struct msgq *queue, const struct actor *actor, int64_t type, const void *text,
		      uint64_t size, struct wakes *ret_wakes, struct msgq_sleeper *ret_sleeper)
{
	struct msgq_offer offer = { .block = MSGQ_NONE, .type = type, .size = size };
	struct msgq_call call;
	int outcome = msgq_begin(&call, queue, actor, ret_wakes);

	return outcome ? outcome : send_run(&call, &offer, text, ret_sleeper);
}

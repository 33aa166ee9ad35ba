/*
 * msgq-send.c: msgsnd, and how a message gets from its sender's entry into the queue or straight into
 * the hands of a sleeping receiver.
 */
#include "core/msgq-internal.h"

/* Receivers looked at for one commit: with the words of an append, what it holds. */
#define APPEND_WORDS 9u
#define OFFER_MAX (MSGQ_CHANGES - APPEND_WORDS)

STATIC_ASSERT(OFFER_MAX < MSGQ_WAKES_MAX);

/* What one attempt to publish does to receivers. */
struct handing {
	uint32_t n_wakes; /* receivers whose sleep this ends */
	uint32_t wakes[OFFER_MAX];
	uint32_t receiver_pid; /* whom the message goes to, if handed */
	bool handed;
	bool partial; /* only tells some receivers that it is too long; the search goes on after it */
};

bool msgq_fits(struct msgq_call *call, uint64_t size)
{
	uint64_t qbytes = call->txn.now[FIELD_QBYTES];

	if (qbytes > call->queue->layout.qbytes_max)
		qbytes = call->queue->layout.qbytes_max;
	/* MSG-3; size may be anything the caller was given. */
	return size <= qbytes && msgq_bytes(call) <= qbytes - size &&
	       call->txn.now[FIELD_COUNT] < qbytes;
}

/* The message goes to the oldest receiver that matches and has room; older ones get E2BIG (MSG-30). */
static int offer_to_receivers(struct msgq_call *call, const struct msgq_offer *offer,
			      struct handing *handing)
{
	struct msgq_picks picks;
	uint32_t i, word, result;
	int outcome;

	picks.max = OFFER_MAX;
	outcome = msgq_pick_receivers(call, offer->type, &picks);
	if (outcome)
		return outcome;
	for (i = 0; i < picks.n && !handing->handed; i++) {
		const struct msgq_record *record = msgq_record_at(call->queue, picks.list[i].index);

		result = RESULT_2BIG;
		if (offer->size <= shared64_load(&record->size) ||
		    (shared32_load(&record->flags) & ABI_MSG_NOERROR)) {
			result = RESULT_BASE + offer->block;
			handing->handed = true;
			handing->receiver_pid = shared32_load(&record->base.pid);
		}
		word = sleeper_word(&call->queue->sleepers, picks.list[i].index);
		msgq_change(call, word, picks.list[i].word, sleeper_payload(SLEEPER_DONE, result));
		handing->wakes[handing->n_wakes++] = word;
	}
	handing->partial = !handing->handed && picks.n_matching > picks.n;
	if (picks.n_waiting == handing->n_wakes)
		call->txn.next[FIELD_BYTES] &= ~FLAG_RECEIVERS;
	return MSGQ_DONE;
}

/* Adds the words that put the message before another one, or at the end. */
static void link_before(struct msgq_call *call, uint32_t block, uint32_t later)
{
	uint32_t before;

	if (later != 0) {
		uint32_t word = msgq_block_word(call->queue, later - 1, BLOCK_PREVIOUS);
		uint64_t previous = msgq_look(call, word);

		before = msgq_previous(call, later - 1);
		msgq_block_own(call, block, BLOCK_NEXT, later - 1 + NEXT_BASE);
		msgq_change(call, word, previous, block + 1);
	} else {
		before = call->txn.now[FIELD_TAIL];
		call->txn.next[FIELD_TAIL] = block + 1;
	}
	msgq_block_own(call, block, BLOCK_PREVIOUS, before);
	if (before != 0)
		msgq_set_block(call, before - 1, BLOCK_NEXT, block + NEXT_BASE);
	else
		call->txn.next[FIELD_HEAD] = block + 1;
}

/* Adds the words that put the message into the queue.  DONE or NODE. */
static int append(struct msgq_call *call, const struct msgq_offer *offer)
{
	uint64_t cbytes = msgq_bytes(call) + offer->size;
	uint32_t *next = call->txn.next;
	int outcome = msgq_index_insert(call, offer);

	if (outcome)
		return outcome;
	link_before(call, offer->block,
		    offer->back ? msgq_select_later(call, offer->arrival) : 0);
	if (offer->back)
		next[FIELD_SKIP] = 0;
	if (cbytes > BYTES_MAX || next[FIELD_COUNT] == UINT32_MAX)
		call->broken = true;
	next[FIELD_COUNT]++;
	next[FIELD_BYTES] = (uint32_t)cbytes << BYTES_SHIFT | (next[FIELD_BYTES] & FLAGS_ALL);
	return MSGQ_DONE;
}

/* Adds the words by which the source lets the chain go, and what of it is not needed. */
static void source_release(struct msgq_call *call, const struct msgq_offer *offer)
{
	uint64_t source = msgq_look(call, offer->source);
	uint32_t next = 0;

	if (offer->back) {
		msgq_change(call, offer->source, source, sleeper_payload(SLEEPER_FREE, 0));
		return;
	}
	if (offer->receipt != 0)
		msgq_set_word(call, offer->receipt, sleeper_payload(SLEEPER_DONE, RESULT_SENT));
	if (mcas_payload(source) != offer->block + 1)
		call->broken = true;
	if (offer->rest != 0) {
		msgq_set_block(call, offer->last, BLOCK_CHAIN, 0);
		msgq_free_push(call, offer->rest - 1);
	} else if (call->is_streak && call->is_resident && offer->last == offer->block) {
		next = msgq_free_spare(call); /* for the next message, in the same commit */
	}
	msgq_change(call, offer->source, source, next);
}

static int attempt_prepare(struct msgq_call *call, const struct msgq_offer *offer,
			   struct handing *handing)
{
	int outcome = MSGQ_DONE;

	handing->n_wakes = 0;
	handing->receiver_pid = 0;
	handing->handed = false;
	handing->partial = false;
	msgq_txn_begin(call);
	if (offer->back && msgq_look(call, offer->source) != offer->source_old)
		return MSGQ_GONE;
	if (msgq_flags(call) & FLAG_REMOVED)
		return MSGQ_E_REMOVED;
	if (!offer->back && !msgq_fits(call, offer->size))
		return msgq_txn_judge(call, MSGQ_BLOCKED);
	if (msgq_flags(call) & FLAG_RECEIVERS)
		outcome = offer_to_receivers(call, offer, handing);
	if (outcome)
		return outcome;
	if (!offer->back) /* the chain is still the call's own */
		shared64_store(&msgq_block_at(call->queue, offer->block)[BLOCK_LENGTH],
			       msgq_length_word(offer->size, msgq_arrival(call->txn.guard)));
	if (!handing->handed && !handing->partial)
		outcome = append(call, offer);
	if (outcome == MSGQ_DONE && !handing->partial)
		source_release(call, offer);
	return outcome;
}

int msgq_publish(struct msgq_call *call, const struct msgq_offer *offer)
{
	struct handing handing;
	uint32_t i;
	int outcome;

	if (!msgq_may_wake(call, OFFER_MAX))
		return MSGQ_MORE;
	outcome = attempt_prepare(call, offer, &handing);
	if (outcome == MSGQ_NODE) {
		outcome = msgq_txn_judge(call, MSGQ_NODE);
		if (outcome == MSGQ_NODE)
			outcome = msgq_node_take(call);
		return outcome == MSGQ_DONE ? MSGQ_AGAIN : outcome;
	}
	if (outcome == MSGQ_DONE)
		outcome = msgq_txn_commit(call);
	if (outcome)
		return outcome;
	for (i = 0; i < handing.n_wakes; i++)
		call->wakes->word_indexes[call->wakes->n++] = handing.wakes[i];
	if (handing.partial)
		return MSGQ_AGAIN;
	if (handing.handed) {
		msgq_note32(&call->header->lrpid, handing.receiver_pid);
		msgq_note64(&call->header->rtime_s, (uint64_t)call->actor->now_s);
	}
	return MSGQ_DONE;
}

/* --- msgsnd -------------------------------------------------------------------------------------- */

/* DONE: there is room.  BLOCKED: there is none. */
static int room_check(struct msgq_call *call, uint64_t size)
{
	msgq_txn_begin(call);
	if (msgq_flags(call) & FLAG_REMOVED)
		return MSGQ_E_REMOVED;
	if (msgq_fits(call, size) && !call->broken)
		return MSGQ_DONE;
	if (msgq_check_mapping(call) == MSGQ_REMAP)
		return MSGQ_REMAP; /* there may be more room than this mapping shows */
	return msgq_txn_judge(call, MSGQ_BLOCKED);
}

/* Takes blocks and fills them, once. */
static int chain_make(struct msgq_call *call, struct msgq_offer *offer, const void *text)
{
	int outcome;

	if (offer->block != MSGQ_NONE)
		return MSGQ_DONE;
	offer->source = ENTRY_HELD(call->entry);
	outcome = msgq_text_fill(call, offer, text);
	if (outcome)
		offer->block = MSGQ_NONE;
	return outcome;
}

/* A short text with a block at hand is put into it before anybody looks whether there is room. */
static bool is_worth_a_try(struct msgq_call *call, const struct msgq_offer *offer)
{
	return offer->block == MSGQ_NONE && offer->size <= MSGQ_FIRST_BYTES &&
	       mcas_payload(msgq_look(call, ENTRY_HELD(call->entry))) != 0;
}

static int send_step(struct msgq_call *call, struct msgq_offer *offer, const void *text, bool wait)
{
	const struct msgq_want want = { .size = offer->size };
	int outcome = MSGQ_DONE;

	if (!is_worth_a_try(call, offer))
		outcome = room_check(call, offer->size);
	if (outcome == MSGQ_BLOCKED && wait)
		return msgq_register(call, MSGQ_KIND_SENDER, &want);
	if (outcome == MSGQ_DONE)
		outcome = chain_make(call, offer, text);
	if (outcome == MSGQ_DONE)
		outcome = msgq_publish(call, offer);
	else
		return outcome;
	/* The room has gone since: blocked by room_check, or not at all. */
	return outcome == MSGQ_BLOCKED ? MSGQ_AGAIN : outcome;
}

int msgq_send_run(struct msgq_call *call, struct msgq_offer *offer, const void *text,
		  struct msgq_sleeper *ret_sleeper)
{
	int outcome;

	call->is_short = offer->size <= MSGQ_FIRST_BYTES;
	do {
		outcome = msgq_step(call) ? send_step(call, offer, text, ret_sleeper != NULL)
					  : MSGQ_E_BUSY;
	} while (outcome == MSGQ_AGAIN);
	if (outcome == MSGQ_DONE) {
		msgq_entry_note(call, true);
		msgq_note32(&call->header->lspid, call->actor->pid);
		msgq_note64(&call->header->stime_s, (uint64_t)call->actor->now_s);
	}
	msgq_entry_leave(call);
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

	if (outcome == MSGQ_DONE)
		outcome = msgq_enter(&call, true);
	return outcome ? outcome : msgq_send_run(&call, &offer, text, ret_sleeper);
}

/*
 * msgq-stead.c: calls made in somebody's stead (stead.h).
 *
 * Each has a sleeper's record, also if it need not sleep.  The commit that sends the message makes the
 * record's state DONE; the one that receives a message hands it to the record, as a sender does with a
 * receiver that sleeps, and there it stays until the receiver has said that he has it.
 *
 * Invariants:
 *  1. A record with a number belongs to the call of that number of its owner; FREE: it has not happened.
 *  2. A record that is given back has no number.
 *  3. While the daemon makes no call, no record with a number is FREE, or it is one whose asker has given up:
 *     it is claimed, and given back, under the daemon's identity.
 */
#include "core/msgq-internal.h"

static bool stead_find(struct msgq_call *call, const struct actor *asker, uint32_t number)
{
	uint32_t end = u32_min(sleeper_scan_end(&call->queue->sleepers),
			       msgq_backed_sleepers(call->queue));
	uint32_t i;

	for (i = 0; i < end; i++) {
		const struct sleeper_record *record = &msgq_record_at(call->queue, i)->base;

		if (shared32_load(&record->number) != number ||
		    shared64_load(&record->owner) != asker->client)
			continue;
		call->sleeper = i;
		return true;
	}
	return false;
}

static uint32_t stead_word(const struct msgq_call *call)
{
	return sleeper_word(&call->queue->sleepers, call->sleeper);
}

/* What stands is decided and of no use any more, or was never begun. */
static void stead_release(struct msgq_call *call)
{
	struct sleeper_record *record = &msgq_record_at(call->queue, call->sleeper)->base;

	shared64_store(&record->owner, ACTOR_DAEMON);
	shared32_store(&record->number, 0);
	sleeper_release(&call->queue->sleepers, call->sleeper);
	call->sleeper = MSGQ_NONE;
}

/* The record's state; one that waits is taken out unless it may go on.  DONE or an outcome. */
static int stead_state(struct msgq_call *call, bool may_wait, uint64_t *ret_state)
{
	int outcome;

	do {
		if (!msgq_step(call))
			return MSGQ_E_BUSY;
		msgq_txn_begin(call);
		*ret_state = msgq_look(call, stead_word(call));
		if (may_wait || sleeper_state(*ret_state) != SLEEPER_WAITING) {
			outcome = msgq_txn_judge(call, MSGQ_DONE);
			continue;
		}
		msgq_change(call, stead_word(call), *ret_state, sleeper_payload(SLEEPER_FREE, 0));
		outcome = msgq_txn_commit(call);
	} while (outcome == MSGQ_AGAIN);
	return outcome;
}

/* Reads what the record was handed, and leaves it there. */
static int stead_deliver(struct msgq_call *call, uint64_t state, const struct msgq_want *want,
			 const struct msgq_output *output)
{
	uint32_t block = sleeper_argument(state) - RESULT_BASE;
	uint64_t size = (uint32_t)msgq_block_plain(call, block, BLOCK_LENGTH);
	int64_t type = (int64_t)msgq_block_plain(call, block, BLOCK_TYPE);
	int outcome;

	if (size > want->size)
		size = want->size;
	outcome = msgq_text_copy(call, block, output->text, size);
	if (outcome != MSGQ_DONE)
		return outcome;
	*output->ret_size = size;
	*output->ret_type = type;
	return MSGQ_DONE;
}

/*
 * What stands already.  AGAIN: nothing; the call has a record and is to be carried out.
 */
static int stead_begin(struct msgq_call *call, const struct actor *asker, const struct stead *stead,
		       enum msgq_kind kind, const struct msgq_want *want, uint64_t *ret_state)
{
	struct sleeper_record *record;
	int outcome;

	if (stead_find(call, asker, stead->number)) {
		outcome = stead_state(call, stead->may_wait, ret_state);
		if (outcome != MSGQ_DONE)
			return outcome;
		if (sleeper_state(*ret_state) == SLEEPER_DONE) {
			if (sleeper_argument(*ret_state) != RESULT_RETRY)
				return MSGQ_DONE;
		} else if (sleeper_state(*ret_state) == SLEEPER_WAITING) {
			if (stead->may_wait)
				return MSGQ_WAITING;
			stead_release(call); /* stead_state() has taken it out */
			return MSGQ_BLOCKED;
		}
		stead_release(call);
	}
	if (!stead->may_begin)
		return MSGQ_BLOCKED;
	outcome = msgq_record_claim(call, kind, want);
	if (outcome != MSGQ_DONE)
		return outcome;
	record = &msgq_record_at(call->queue, call->sleeper)->base;
	shared32_store(&record->number, stead->number);
	shared64_store(&record->owner, asker->client);
	call->receipt = stead_word(call);
	return MSGQ_AGAIN;
}

int msgq_stead_send(struct msgq *queue, const struct actor *actor, const struct stead *stead, int64_t type,
		    const void *text, uint64_t size, struct wakes *ret_wakes)
{
	struct msgq_offer offer = { .block = MSGQ_NONE, .type = type, .size = size };
	const struct msgq_want want = { .size = size };
	const struct actor hands = stead_hands(actor);
	struct msgq_call call;
	uint32_t record;
	uint64_t state;
	int outcome = msgq_begin(&call, queue, &hands, ret_wakes);

	if (outcome == MSGQ_DONE)
		outcome = msgq_enter(&call, true);
	if (outcome == MSGQ_DONE)
		outcome = stead_begin(&call, actor, stead, MSGQ_KIND_SENDER, &want, &state);
	if (outcome != MSGQ_AGAIN) {
		if (outcome == MSGQ_DONE && sleeper_argument(state) != RESULT_SENT)
			outcome = MSGQ_E_CORRUPT;
		msgq_entry_leave(&call);
		return outcome;
	}
	offer.receipt = call.receipt;
	record = call.sleeper;
	call.sleeper = MSGQ_NONE; /* not to be given back with the call's end */
	outcome = msgq_send_run(&call, &offer, text, NULL);
	call.sleeper = record;
	if (outcome != MSGQ_DONE)
		stead_release(&call);
	return outcome;
}

/* Carries out a receive that has a record.  DONE: *ret_state has the message. */
static int stead_receive(struct msgq_call *call, const struct msgq_want *want, bool may_wait,
			 uint64_t *ret_state)
{
	struct msgq_found found;
	int outcome;

	do {
		outcome = msgq_step(call) ? msgq_receive_step(call, want, may_wait, &found) : MSGQ_E_BUSY;
	} while (outcome == MSGQ_AGAIN);
	if (outcome == MSGQ_DONE) {
		msgq_note32(&call->header->lrpid, call->actor->pid);
		msgq_note64(&call->header->rtime_s, (uint64_t)call->actor->now_s);
		if (call->txn.next[FIELD_COUNT] == 0)
			msgq_trim_note(call);
		if (msgq_flags(call) & FLAG_SENDERS)
			msgq_wake_senders(call);
		outcome = stead_state(call, true, ret_state);
	} else if (outcome != MSGQ_WAITING) {
		stead_release(call);
	}
	return outcome;
}

static int stead_ended(uint64_t state)
{
	switch (sleeper_argument(state)) {
	case RESULT_2BIG:
		return MSGQ_E_2BIG;
	case RESULT_REMOVED:
		return MSGQ_E_REMOVED;
	default:
		return MSGQ_E_CORRUPT;
	}
}

int msgq_stead_receive(struct msgq *queue, const struct actor *actor, const struct stead *stead,
		       const struct msgq_want *want, void *text, uint64_t *ret_size,
		       int64_t *ret_type, struct wakes *ret_wakes)
{
	const struct msgq_output output = { text, ret_size, ret_type };
	enum msgq_kind kind = want->type > 0 && !(want->flags & ABI_MSG_EXCEPT) ? MSGQ_KIND_TYPED
										 : MSGQ_KIND_RECEIVER;
	const struct actor hands = stead_hands(actor);
	struct msgq_call call;
	uint64_t state = 0;
	int outcome = msgq_begin(&call, queue, &hands, ret_wakes);

	if (outcome == MSGQ_DONE)
		outcome = msgq_enter(&call, true);
	if (outcome == MSGQ_DONE)
		outcome = stead_begin(&call, actor, stead, kind, want, &state);
	if (outcome == MSGQ_AGAIN)
		outcome = stead_receive(&call, want, stead->may_wait, &state);
	if (outcome == MSGQ_DONE && sleeper_argument(state) < RESULT_BASE) {
		outcome = stead_ended(state);
		stead_release(&call);
	}
	if (outcome == MSGQ_DONE)
		outcome = stead_deliver(&call, state, want, &output);
	msgq_entry_leave(&call);
	return outcome;
}

int msgq_stead_end(struct msgq *queue, const struct actor *actor, uint32_t number,
		   struct wakes *ret_wakes)
{
	const struct actor hands = stead_hands(actor);
	struct msgq_call call;
	uint64_t state;
	int outcome = msgq_begin(&call, queue, &hands, ret_wakes);

	if (outcome == MSGQ_DONE)
		outcome = msgq_enter(&call, true);
	if (outcome == MSGQ_DONE && stead_find(&call, actor, number)) {
		outcome = stead_state(&call, false, &state);
		if (outcome == MSGQ_DONE && sleeper_state(state) == SLEEPER_DONE &&
		    sleeper_argument(state) >= RESULT_BASE)
			outcome = msgq_handed_free(&call, stead_word(&call), state,
						   sleeper_argument(state) - RESULT_BASE);
		if (outcome == MSGQ_DONE)
			stead_release(&call);
	}
	msgq_entry_leave(&call);
	return outcome;
}

int msgq_stead_recover(struct msgq *queue, const struct actor *actor, struct wakes *ret_wakes)
{
	uint32_t i, end = msgq_backed_sleepers(queue);
	struct msgq_call call;
	uint64_t state;
	int outcome = msgq_begin(&call, queue, actor, ret_wakes);

	if (outcome == MSGQ_DONE)
		outcome = msgq_enter(&call, true);
	for (i = 0; i < end && outcome == MSGQ_DONE; i++) {
		if (shared32_load(&msgq_record_at(queue, i)->base.number) == 0)
			continue;
		call.sleeper = i;
		outcome = stead_state(&call, true, &state);
		if (outcome == MSGQ_DONE && sleeper_state(state) == SLEEPER_FREE)
			stead_release(&call);
	}
	call.sleeper = MSGQ_NONE;
	msgq_entry_leave(&call);
	return outcome == MSGQ_DONE ? msgq_recover(queue, actor, ret_wakes) : outcome;
}

/*
 * msgq-wait.c: those who sleep, and who wakes them.
 *
 * A receiver's sleep ends with the message itself, or with the reason, in its state word.  A
 * sender's ends with RETRY.  Ending several sleeps that must not be one change (everybody who fits,
 * MSG-36) is a commit each; should the waker be killed half-way, the others find out for themselves
 * when they next look, which they do once a slice.
 */
#include "core/msgq-internal.h"

/* Sleepers more than there are now, when the table has to grow. */
#define SLEEPERS_CHUNK 64u

/* --- registering --------------------------------------------------------------------------------- */

/* Claims a record and writes down what the call wants.  DONE, GROW, E_NOMEM. */
static int record_claim(struct msgq_call *call, enum msgq_kind kind, const struct msgq_want *want)
{
	struct msgq *queue = call->queue;
	struct msgq_record *record;
	uint32_t backed = msgq_backed_sleepers(queue);

	if (call->sleeper != MSGQ_NONE)
		return MSGQ_DONE;
	if (sleeper_claim(&queue->sleepers, call->actor, backed, &call->sleeper)) {
		call->sleeper = MSGQ_NONE;
		if (backed >= queue->layout.n_sleepers)
			return MSGQ_E_NOMEM;
		shared32_store(&call->header->wanted_sleepers, backed + backed / 2 + SLEEPERS_CHUNK);
		return MSGQ_GROW;
	}
	record = msgq_record_at(queue, call->sleeper);
	shared32_store(&record->kind, (uint32_t)kind);
	shared32_store(&record->flags, want->flags);
	shared64_store(&record->type, (uint64_t)want->type);
	shared64_store(&record->size, want->size);
	return MSGQ_DONE;
}

int msgq_register(struct msgq_call *call, enum msgq_kind kind, const struct msgq_want *want,
		  uint32_t flag_word, uint64_t flag_old)
{
	struct mcas_change changes[2];
	struct mcas_op op = { changes, 0, ARRAY_SIZE(changes) };
	uint32_t state_word;
	uint64_t state, waiting;
	int outcome = record_claim(call, kind, want);

	if (outcome)
		return outcome;
	state_word = sleeper_word(&call->queue->sleepers, call->sleeper);
	if (!msgq_read(call, state_word, &state))
		return MSGQ_E_CORRUPT;
	waiting = mcas_next(state, sleeper_payload(SLEEPER_WAITING, 0));
	call->expected = (uint32_t)waiting;
	(void)mcas_op_add(&op, state_word, state, waiting);
	(void)mcas_op_add(&op, flag_word, flag_old,
			  mcas_next(flag_old, mcas_payload(flag_old) | FLAG_SLEEPERS));
	outcome = msgq_commit(call, &op);
	return outcome == MSGQ_DONE ? MSGQ_WAITING : outcome;
}

void msgq_register_end(struct msgq_call *call, int outcome, struct msgq_sleeper *ret_sleeper)
{
	if (call->sleeper == MSGQ_NONE)
		return;
	if (outcome != MSGQ_WAITING) {
		sleeper_release(&call->queue->sleepers, call->sleeper);
		call->sleeper = MSGQ_NONE;
		return;
	}
	ret_sleeper->index = call->sleeper;
	ret_sleeper->word_index = sleeper_word(&call->queue->sleepers, call->sleeper);
	ret_sleeper->expected = call->expected;
}

/* --- choosing ------------------------------------------------------------------------------------ */

enum pick_rule {
	PICK_ALL,
	PICK_MATCHING, /* receivers that want this message */
	PICK_FITTING,  /* senders whose message fits now */
	PICK_DUE,      /* receivers that slept through an IPC_SET */
};

struct filter {
	enum pick_rule rule;
	int64_t type;    /* MATCHING */
	uint64_t bytes;  /* FITTING */
	uint64_t count;
	uint64_t ticket; /* DUE: up to this one */
};

static bool filter_concerns(const struct filter *filter, const struct msgq_record *record)
{
	uint32_t kind = shared32_load(&record->kind);

	if (filter->rule == PICK_ALL)
		return true;
	return kind == (filter->rule == PICK_FITTING ? MSGQ_KIND_SENDER : MSGQ_KIND_RECEIVER);
}

static bool filter_accepts(const struct msgq_call *call, const struct filter *filter,
			   const struct msgq_record *record)
{
	switch (filter->rule) {
	case PICK_MATCHING:
		return msgq_want_matches((int64_t)shared64_load(&record->type),
					 shared32_load(&record->flags), filter->type);
	case PICK_FITTING:
		return msgq_fits(call->queue, shared64_load(&record->size), filter->bytes,
				 filter->count);
	case PICK_DUE:
		return shared64_load(&record->base.ticket) <= filter->ticket;
	default:
		return true;
	}
}

void msgq_picks_insert(struct msgq_picks *picks, uint32_t index, uint64_t word, uint64_t ticket)
{
	uint32_t at = picks->n;

	picks->n_matching++;
	if (picks->n == picks->max) {
		if (at == 0 || picks->list[at - 1].ticket <= ticket)
			return;
		at--;
	} else {
		picks->n++;
	}
	for (; at > 0 && picks->list[at - 1].ticket > ticket; at--)
		picks->list[at] = picks->list[at - 1];
	picks->list[at].index = index;
	picks->list[at].word = word;
	picks->list[at].ticket = ticket;
}

/* Goes through all sleepers.  DONE, E_BUSY, E_CORRUPT. */
static int pick(struct msgq_call *call, const struct filter *filter, struct msgq_picks *picks)
{
	const struct sleepers *sleepers = &call->queue->sleepers;
	uint32_t index, end = sleeper_scan_end(sleepers);
	uint64_t word;

	end = u32_min(end, msgq_backed_sleepers(call->queue));
	for (index = 0; index < end; index++) {
		const struct msgq_record *record;

		if (!msgq_step(call))
			return MSGQ_E_BUSY;
		if (!msgq_read(call, sleeper_word(sleepers, index), &word))
			return MSGQ_E_CORRUPT;
		if (sleeper_state(word) != SLEEPER_WAITING)
			continue;
		record = msgq_record_at(call->queue, index);
		if (!filter_concerns(filter, record))
			continue;
		picks->n_waiting++;
		if (filter_accepts(call, filter, record))
			msgq_picks_insert(picks, index, word,
					  shared64_load(&record->base.ticket));
	}
	return MSGQ_DONE;
}

int msgq_pick_receivers(struct msgq_call *call, const struct msgq_offer *offer,
			struct msgq_picks *picks)
{
	const struct filter filter = { .rule = PICK_MATCHING, .type = offer->type };

	return pick(call, &filter, picks);
}

int msgq_pick_all(struct msgq_call *call, struct msgq_picks *picks)
{
	const struct filter filter = { .rule = PICK_ALL };

	*picks = (struct msgq_picks){ .max = WAKES_MAX - call->wakes->n };
	return pick(call, &filter, picks);
}

/* --- ending -------------------------------------------------------------------------------------- */

void msgq_end_picks(struct msgq_call *call, const struct msgq_picks *picks, uint32_t result)
{
	uint32_t i, word;

	for (i = 0; i < picks->n && msgq_may_wake(call, 1); i++) {
		word = sleeper_word(&call->queue->sleepers, picks->list[i].index);
		/* Else its sleep has ended in another way since. */
		if (mcas_change_one(&call->queue->mcas, word, picks->list[i].word,
				    mcas_next(picks->list[i].word,
					      sleeper_payload(SLEEPER_DONE, result))) == MCAS_DONE)
			call->wakes->word_indexes[call->wakes->n++] = word;
	}
}

void msgq_wake_senders(struct msgq_call *call)
{
	struct msgq_picks picks = { .max = WAKES_MAX - call->wakes->n };
	struct filter filter = { .rule = PICK_FITTING };
	uint64_t bytes;

	if (!msgq_read(call, WORD_BYTES, &bytes) || !(mcas_payload(bytes) & FLAG_SLEEPERS) ||
	    !msgq_read(call, WORD_COUNT, &filter.count))
		return;
	filter.bytes = bytes;
	if (pick(call, &filter, &picks))
		return;
	msgq_end_picks(call, &picks, RESULT_RETRY);
	/* Nobody else: the flag goes, unless a sender has registered since. */
	if (picks.n_waiting == picks.n)
		(void)mcas_change_one(&call->queue->mcas, WORD_BYTES, bytes,
				      mcas_next(bytes, mcas_payload(bytes) & ~FLAG_SLEEPERS));
}

void msgq_wake_receivers(struct msgq_call *call)
{
	struct msgq_picks picks = { .max = WAKES_MAX - call->wakes->n };
	struct filter filter = { .rule = PICK_DUE };

	filter.ticket = shared64_load(&call->header->recheck);
	if (pick(call, &filter, &picks) == MSGQ_DONE)
		msgq_end_picks(call, &picks, RESULT_RETRY);
}

/* --- looking after a wake, and leaving ----------------------------------------------------------- */

/* Whether a sleeper should stop waiting although nobody has said so, and why. */
static int reason_to_leave(struct msgq_call *call, const struct msgq_sleeper *sleeper)
{
	const struct msgq_record *record = msgq_record_at(call->queue, sleeper->index);
	uint64_t bytes, count;

	if (msgq_is_removed(call->queue))
		return MSGQ_E_REMOVED;
	if (shared32_load(&record->kind) == MSGQ_KIND_RECEIVER)
		return shared64_load(&record->base.ticket) <= shared64_load(&call->header->recheck)
			       ? MSGQ_RETRY
			       : MSGQ_WAITING;
	if (!msgq_read(call, WORD_BYTES, &bytes) || !msgq_read(call, WORD_COUNT, &count))
		return MSGQ_E_CORRUPT;
	return msgq_fits(call->queue, shared64_load(&record->size), bytes, count) ? MSGQ_RETRY
										  : MSGQ_WAITING;
}

/*
 * Ends the caller's own sleep, unless it is to go on.  WAITING with a fresh `expected`; MSGQ_GONE: it
 * has been handed the message in *ret_state; or how it ended, and then the record is free again.
 */
static int sleeper_end(struct msgq_call *call, struct msgq_sleeper *sleeper, bool cancel,
		       uint64_t *ret_state)
{
	static const int outcomes[] = {
		[RESULT_RETRY] = MSGQ_RETRY,
		[RESULT_2BIG] = MSGQ_E_2BIG,
		[RESULT_REMOVED] = MSGQ_E_REMOVED,
	};
	uint32_t state_word = sleeper_word(&call->queue->sleepers, sleeper->index);
	uint32_t result;
	uint64_t state;
	int outcome = MSGQ_E_BUSY;

	while (msgq_step(call)) {
		outcome = MSGQ_E_CORRUPT;
		if (!msgq_read(call, state_word, &state))
			break;
		result = sleeper_argument(state);
		if (sleeper_state(state) == SLEEPER_DONE && result >= RESULT_BASE) {
			*ret_state = state;
			return MSGQ_GONE;
		}
		if (sleeper_state(state) == SLEEPER_DONE && result < ARRAY_SIZE(outcomes)) {
			sleeper_release(&call->queue->sleepers, sleeper->index);
			return outcomes[result];
		}
		if (sleeper_state(state) != SLEEPER_WAITING)
			break;
		outcome = cancel ? MSGQ_BLOCKED : reason_to_leave(call, sleeper);
		if (outcome == MSGQ_WAITING) {
			sleeper->expected = (uint32_t)state;
			return MSGQ_WAITING;
		}
		if (mcas_change_one(&call->queue->mcas, state_word, state,
				    mcas_next(state, sleeper_payload(SLEEPER_FREE, 0))) == MCAS_DONE) {
			sleeper_release(&call->queue->sleepers, sleeper->index);
			return outcome;
		}
		outcome = MSGQ_E_BUSY;
	}
	if (outcome == MSGQ_E_CORRUPT)
		sleeper_release(&call->queue->sleepers, sleeper->index);
	return outcome;
}

/* Takes the message that state says is the sleeper's. */
static int handed_take(struct msgq_call *call, const struct msgq_sleeper *sleeper, uint64_t state,
		       const struct msgq_want *want, const struct msgq_output *output)
{
	struct msgq_offer offer = {
		.block = sleeper_argument(state) - RESULT_BASE,
		.source = sleeper_word(&call->queue->sleepers, sleeper->index),
		.source_old = state,
		.source_payload = sleeper_payload(SLEEPER_FREE, 0),
	};
	int outcome = msgq_check_mapping(call);
	const struct shared64 *words;

	if (outcome == MSGQ_REMAP)
		return outcome; /* it stays ours until we can see all of it */
	if (outcome == MSGQ_DONE)
		outcome = msgq_check_block(call, offer.block);
	if (outcome == MSGQ_DONE) {
		words = msgq_block_at(call->queue, offer.block);
		offer.type = (int64_t)shared64_load(&words[MSGQ_BLOCK_TYPE]);
		offer.size = (uint32_t)shared64_load(&words[MSGQ_BLOCK_LENGTH]);
		if (offer.size > want->size)
			offer.size = want->size;
		outcome = msgq_text_copy(call, offer.block, output->text, offer.size);
	}
	if (outcome == MSGQ_DONE) {
		*output->ret_size = offer.size;
		*output->ret_type = offer.type;
		/* As in msgq_receive: what fails here takes nothing from the message. */
		(void)msgq_chain_give(call, &offer);
	}
	sleeper_release(&call->queue->sleepers, sleeper->index);
	return outcome == MSGQ_DONE ? MSGQ_DONE : MSGQ_E_CORRUPT;
}

static int receive_end(struct msgq_call *call, struct msgq_sleeper *sleeper, bool cancel,
		       const struct msgq_want *want, const struct msgq_output *output)
{
	uint64_t state = 0;
	int outcome = sleeper_end(call, sleeper, cancel, &state);

	if (outcome != MSGQ_GONE)
		return outcome;
	return handed_take(call, sleeper, state, want, output);
}

int msgq_receive_poll(struct msgq *queue, const struct actor *actor, struct msgq_sleeper *sleeper,
		      const struct msgq_want *want, void *text, uint64_t *ret_size,
		      int64_t *ret_type, struct wakes *ret_wakes)
{
	const struct msgq_output output = { text, ret_size, ret_type };
	struct msgq_call call;

	/* Over an older mapping only a message can be out of reach; handed_take looks again. */
	(void)msgq_begin(&call, queue, actor, ret_wakes);
	return receive_end(&call, sleeper, false, want, &output);
}

int msgq_receive_cancel(struct msgq *queue, const struct actor *actor, struct msgq_sleeper *sleeper,
			const struct msgq_want *want, void *text, uint64_t *ret_size,
			int64_t *ret_type, struct wakes *ret_wakes)
{
	const struct msgq_output output = { text, ret_size, ret_type };
	struct msgq_call call;

	(void)msgq_begin(&call, queue, actor, ret_wakes);
	return receive_end(&call, sleeper, true, want, &output);
}

static int send_end(struct msgq_call *call, struct msgq_sleeper *sleeper, bool cancel)
{
	uint64_t state = 0;
	int outcome = sleeper_end(call, sleeper, cancel, &state);

	if (outcome != MSGQ_GONE)
		return outcome;
	sleeper_release(&call->queue->sleepers, sleeper->index); /* nobody hands a sender anything */
	return MSGQ_E_CORRUPT;
}

int msgq_send_poll(struct msgq *queue, struct msgq_sleeper *sleeper)
{
	struct msgq_call call;

	(void)msgq_begin(&call, queue, NULL, NULL);
	return send_end(&call, sleeper, false);
}

int msgq_send_cancel(struct msgq *queue, const struct actor *actor, struct msgq_sleeper *sleeper,
		     struct wakes *ret_wakes)
{
	struct msgq_call call;
	int outcome;

	(void)msgq_begin(&call, queue, actor, ret_wakes);
	outcome = send_end(&call, sleeper, true);
	if (outcome != MSGQ_WAITING)
		msgq_wake_senders(&call); /* whoever leaves without consuming passes the wake-up on */
	return outcome;
}

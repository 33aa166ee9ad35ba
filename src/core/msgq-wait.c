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

int msgq_record_claim(struct msgq_call *call, enum msgq_kind kind, const struct msgq_want *want)
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

/*
 * What a state word says while its sleeper waits, so that a scan for a message passes most of them
 * without a look at their records: the kind (2) | of a typed receiver a part of its type (28).
 */
static uint32_t waiting_argument(enum msgq_kind kind, int64_t type)
{
	uint64_t mixed = (uint64_t)type * UINT64_C(0x9e3779b97f4a7c15);

	return (uint32_t)kind << 28 | (kind == MSGQ_KIND_TYPED ? (uint32_t)(mixed >> 36) : 0);
}

static inline enum msgq_kind waiting_kind(uint64_t state)
{
	return (enum msgq_kind)(sleeper_argument(state) >> 28);
}

int msgq_register(struct msgq_call *call, enum msgq_kind kind, const struct msgq_want *want)
{
	uint32_t state_word;
	uint64_t state;
	int outcome = msgq_record_claim(call, kind, want);

	if (outcome)
		return outcome;
	state_word = sleeper_word(&call->queue->sleepers, call->sleeper);
	state = msgq_look(call, state_word);
	msgq_change(call, state_word, state,
		    sleeper_payload(SLEEPER_WAITING, waiting_argument(kind, want->type)));
	call->expected = (uint32_t)mcas_next(state, 0);
	call->txn.next[FIELD_BYTES] |= kind == MSGQ_KIND_SENDER ? FLAG_SENDERS : FLAG_RECEIVERS;
	outcome = msgq_txn_commit(call);
	return outcome == MSGQ_DONE ? MSGQ_WAITING : outcome;
}

void msgq_register_done(struct msgq_call *call, int outcome, struct msgq_sleeper *ret_sleeper)
{
	if (outcome != MSGQ_WAITING) {
		sleeper_release(&call->queue->sleepers, call->sleeper);
		call->sleeper = MSGQ_NONE;
		return;
	}
	ret_sleeper->index = call->sleeper;
	ret_sleeper->word_index = sleeper_word(&call->queue->sleepers, call->sleeper);
	ret_sleeper->expected = call->expected;
	ret_sleeper->client = call->actor->client;
	ret_sleeper->hint = call->hint;
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
	int64_t type;	   /* MATCHING */
	uint32_t argument; /* MATCHING: of a receiver that sleeps for just this type */
	uint64_t ticket;   /* DUE: up to this one */
};

static bool filter_concerns(const struct filter *filter, enum msgq_kind kind)
{
	return filter->rule == PICK_ALL ||
	       (kind == MSGQ_KIND_SENDER) == (filter->rule == PICK_FITTING);
}

static bool filter_accepts(struct msgq_call *call, const struct filter *filter,
			   const struct msgq_record *record)
{
	switch (filter->rule) {
	case PICK_MATCHING:
		return msgq_want_matches((int64_t)shared64_load(&record->type),
					 shared32_load(&record->flags), filter->type);
	case PICK_FITTING:
		return msgq_fits(call, shared64_load(&record->size));
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

/* Goes through all sleepers; picks->max is set.  DONE, E_BUSY. */
static int pick(struct msgq_call *call, const struct filter *filter, struct msgq_picks *picks)
{
	const struct sleepers *sleepers = &call->queue->sleepers;
	uint32_t index, end = sleeper_scan_end(sleepers);
	uint64_t word;

	picks->n = 0;
	picks->n_waiting = 0;
	picks->n_matching = 0;
	end = u32_min(end, msgq_backed_sleepers(call->queue));
	for (index = 0; index < end; index++) {
		const struct msgq_record *record;

		word = msgq_look(call, sleeper_word(sleepers, index));
		if (sleeper_state(word) != SLEEPER_WAITING ||
		    !filter_concerns(filter, waiting_kind(word)))
			continue;
		picks->n_waiting++;
		if (filter->rule == PICK_MATCHING && waiting_kind(word) == MSGQ_KIND_TYPED &&
		    sleeper_argument(word) != filter->argument)
			continue;
		record = msgq_record_at(call->queue, index);
		if (filter_accepts(call, filter, record))
			msgq_picks_insert(picks, index, word,
					  shared64_load(&record->base.ticket));
	}
	msgq_charge(call, end / 16);
	return call->budget > 0 ? MSGQ_DONE : MSGQ_E_BUSY;
}

int msgq_pick_receivers(struct msgq_call *call, int64_t type, struct msgq_picks *picks)
{
	const struct filter filter = { .rule = PICK_MATCHING, .type = type,
				       .argument = waiting_argument(MSGQ_KIND_TYPED, type) };

	return pick(call, &filter, picks);
}

/* --- ending -------------------------------------------------------------------------------------- */

/* Ends, in one commit, the sleep of as many as it holds, oldest first.  DONE, AGAIN, or an outcome. */
static int wake_some(struct msgq_call *call, const struct filter *filter, uint32_t result,
		     struct msgq_picks *picks)
{
	uint32_t i, word;
	int outcome;

	msgq_txn_begin(call);
	picks->max = u32_min(MSGQ_CHANGES, MSGQ_WAKES_MAX - call->wakes->n);
	outcome = pick(call, filter, picks);
	if (outcome)
		return outcome;
	for (i = 0; i < picks->n; i++)
		msgq_change(call, sleeper_word(&call->queue->sleepers, picks->list[i].index),
			    picks->list[i].word, sleeper_payload(SLEEPER_DONE, result));
	/* Nobody else: the flag goes. */
	if (filter->rule == PICK_FITTING && picks->n_waiting == picks->n)
		call->txn.next[FIELD_BYTES] &= ~FLAG_SENDERS;
	if (picks->n == 0 && call->txn.next[FIELD_BYTES] == call->txn.now[FIELD_BYTES])
		return msgq_txn_judge(call, MSGQ_DONE);
	outcome = msgq_txn_commit(call);
	for (i = 0; i < picks->n && outcome == MSGQ_DONE; i++) {
		word = sleeper_word(&call->queue->sleepers, picks->list[i].index);
		call->wakes->word_indexes[call->wakes->n++] = word;
	}
	return outcome;
}

/* The same for all, as far as the list of wakes goes.  DONE, MORE, or an outcome. */
static int wake_each(struct msgq_call *call, const struct filter *filter, uint32_t result)
{
	struct msgq_picks picks;
	int outcome;

	do {
		if (!msgq_may_wake(call, 1))
			return MSGQ_MORE;
		outcome = msgq_step(call) ? wake_some(call, filter, result, &picks) : MSGQ_E_BUSY;
	} while (outcome == MSGQ_AGAIN || (outcome == MSGQ_DONE && picks.n_matching > picks.n));
	return outcome;
}

void msgq_wake_senders(struct msgq_call *call)
{
	const struct filter filter = { .rule = PICK_FITTING };

	msgq_txn_begin(call);
	if (msgq_flags(call) & FLAG_SENDERS)
		(void)wake_each(call, &filter, RESULT_RETRY); /* who is not woken looks for himself */
}

void msgq_wake_receivers(struct msgq_call *call)
{
	const struct filter filter = { .rule = PICK_DUE,
				       .ticket = shared64_load(&call->header->recheck) };

	(void)wake_each(call, &filter, RESULT_RETRY); /* likewise */
}

int msgq_wake_all(struct msgq_call *call)
{
	const struct filter filter = { .rule = PICK_ALL };

	return wake_each(call, &filter, RESULT_REMOVED);
}

/* --- looking after a wake, and leaving ----------------------------------------------------------- */

/* Whether a sleeper should stop waiting although nobody has said so, and why. */
static int reason_to_leave(struct msgq_call *call, const struct msgq_sleeper *sleeper)
{
	const struct msgq_record *record = msgq_record_at(call->queue, sleeper->index);

	if (msgq_flags(call) & FLAG_REMOVED)
		return MSGQ_E_REMOVED;
	if (shared32_load(&record->kind) != MSGQ_KIND_SENDER)
		return shared64_load(&record->base.ticket) <= shared64_load(&call->header->recheck)
			       ? MSGQ_RETRY
			       : MSGQ_WAITING;
	if (msgq_check_mapping(call) == MSGQ_REMAP)
		return MSGQ_RETRY; /* there may be more room than this mapping shows */
	return msgq_fits(call, shared64_load(&record->size)) ? MSGQ_RETRY : MSGQ_WAITING;
}

/*
 * One look at the caller's own sleep.  AGAIN; WAITING; GONE: it has been handed the message in
 * *ret_state; or how it ended: FREE now, or as in *ret_state.
 */
static int sleeper_look(struct msgq_call *call, struct msgq_sleeper *sleeper, bool cancel,
			uint64_t *ret_state)
{
	static const int outcomes[] = {
		[RESULT_RETRY] = MSGQ_RETRY,
		[RESULT_2BIG] = MSGQ_E_2BIG,
		[RESULT_REMOVED] = MSGQ_E_REMOVED,
	};
	uint32_t state_word = sleeper_word(&call->queue->sleepers, sleeper->index);
	int outcome, committed;
	uint32_t result;

	msgq_txn_begin(call);
	*ret_state = msgq_look(call, state_word);
	result = sleeper_argument(*ret_state);
	if (sleeper_state(*ret_state) == SLEEPER_DONE && result >= RESULT_BASE)
		return msgq_txn_judge(call, MSGQ_GONE);
	if (sleeper_state(*ret_state) == SLEEPER_DONE && result < ARRAY_SIZE(outcomes))
		outcome = outcomes[result];
	else if (sleeper_state(*ret_state) != SLEEPER_WAITING)
		return msgq_txn_judge(call, MSGQ_E_CORRUPT);
	else
		outcome = cancel ? MSGQ_BLOCKED : reason_to_leave(call, sleeper);
	if (outcome == MSGQ_WAITING) {
		sleeper->expected = (uint32_t)*ret_state;
		return msgq_txn_judge(call, outcome);
	}
	msgq_change(call, state_word, *ret_state, sleeper_payload(SLEEPER_FREE, 0));
	committed = msgq_txn_commit(call);
	return committed == MSGQ_DONE ? outcome : committed;
}

/*
 * Ends the caller's own sleep, unless it is to go on.  WAITING with a fresh `expected`; GONE: it has
 * been handed the message in *ret_state; or how it ended, and then the record is free again.
 */
static int sleeper_end(struct msgq_call *call, struct msgq_sleeper *sleeper, bool cancel,
		       uint64_t *ret_state)
{
	int outcome;

	do {
		outcome = msgq_step(call) ? sleeper_look(call, sleeper, cancel, ret_state)
					  : MSGQ_E_BUSY;
	} while (outcome == MSGQ_AGAIN);
	if (outcome != MSGQ_WAITING && outcome != MSGQ_GONE && outcome != MSGQ_E_BUSY &&
	    outcome != MSGQ_REMAP)
		sleeper_release(&call->queue->sleepers, sleeper->index);
	return outcome;
}

/* The chain of a message that has been taken becomes free, and with it the sleeper. */
int msgq_handed_free(struct msgq_call *call, uint32_t state_word, uint64_t state, uint32_t block)
{
	int outcome;

	do {
		if (!msgq_step(call))
			return MSGQ_E_BUSY;
		msgq_txn_begin(call);
		if (msgq_look(call, state_word) != state) {
			outcome = msgq_txn_judge(call, MSGQ_E_CORRUPT);
			continue;
		}
		msgq_change(call, state_word, state, sleeper_payload(SLEEPER_FREE, 0));
		msgq_free_push(call, block);
		outcome = msgq_txn_commit(call);
	} while (outcome == MSGQ_AGAIN);
	return outcome;
}

/* Takes the message that state says is the sleeper's. */
static int handed_take(struct msgq_call *call, const struct msgq_sleeper *sleeper, uint64_t state,
		       const struct msgq_want *want, const struct msgq_output *output)
{
	uint32_t block = sleeper_argument(state) - RESULT_BASE;
	int outcome = msgq_check_mapping(call);
	uint64_t size;
	int64_t type;

	if (outcome == MSGQ_REMAP)
		return outcome; /* it stays ours until we can see all of it */
	call->broken = false;
	type = (int64_t)msgq_block_plain(call, block, BLOCK_TYPE);
	size = (uint32_t)msgq_block_plain(call, block, BLOCK_LENGTH);
	if (size > want->size)
		size = want->size;
	if (outcome == MSGQ_DONE)
		outcome = msgq_text_copy(call, block, output->text, size);
	if (outcome == MSGQ_DONE) {
		*output->ret_size = size;
		*output->ret_type = type;
		/* What fails here takes nothing from the message. */
		(void)msgq_handed_free(call, sleeper_word(&call->queue->sleepers, sleeper->index), state,
				  block);
	}
	sleeper_release(&call->queue->sleepers, sleeper->index);
	return outcome == MSGQ_DONE ? MSGQ_DONE : MSGQ_E_CORRUPT;
}

static int receive_end(struct msgq_call *call, struct msgq_sleeper *sleeper, bool cancel,
		       const struct msgq_want *want, const struct msgq_output *output)
{
	uint64_t state = 0;
	int outcome = msgq_enter(call, false);

	if (outcome == MSGQ_DONE)
		outcome = sleeper_end(call, sleeper, cancel, &state);
	if (outcome == MSGQ_GONE)
		outcome = handed_take(call, sleeper, state, want, output);
	msgq_entry_leave(call);
	return outcome;
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
	int outcome = msgq_enter(call, false);

	if (outcome == MSGQ_DONE)
		outcome = sleeper_end(call, sleeper, cancel, &state);
	if (outcome == MSGQ_GONE) { /* nobody hands a sender anything */
		sleeper_release(&call->queue->sleepers, sleeper->index);
		outcome = MSGQ_E_CORRUPT;
	}
	if (cancel && outcome != MSGQ_WAITING && call->entry != MSGQ_NONE)
		msgq_wake_senders(call); /* whoever leaves without consuming passes the wake-up on */
	msgq_entry_leave(call);
	return outcome;
}

int msgq_send_poll(struct msgq *queue, struct msgq_sleeper *sleeper)
{
	const struct actor actor = { .client = sleeper->client, .hint = sleeper->hint };
	struct msgq_call call;

	(void)msgq_begin(&call, queue, &actor, NULL);
	return send_end(&call, sleeper, false);
}

int msgq_send_cancel(struct msgq *queue, const struct actor *actor, struct msgq_sleeper *sleeper,
		     struct wakes *ret_wakes)
{
	struct msgq_call call;

	(void)msgq_begin(&call, queue, actor, ret_wakes);
	return send_end(&call, sleeper, true);
}

/* tests/model/msgq-between.c: see msgq-between.h. */
#include "model/msgq-between.h"

#include <string.h>

#include "core/msgq-internal.h"

/* Receivers that one commit tells that a message is too long for them, and all who are woken without a pause. */
#define TOLD_AT_ONCE 4u
#define WOKEN_AT_ONCE (MSGQ_WAKES_MAX - 2u)

static uint32_t count_of_client(const struct model_msgq *model, uint64_t client)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < MODEL_PLACES_MAX; i++)
		n += model->sleepers[i].used && model->sleepers[i].client == client;
	return n;
}

static uint32_t count_waiting(const struct model_msgq *model, bool receivers)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < MODEL_PLACES_MAX; i++)
		n += model->sleepers[i].used && model->sleepers[i].receiver == receivers &&
		     model->sleepers[i].outcome == MSGQ_WAITING;
	return n;
}

bool msgq_between_may(const struct msgq_pair *pair, const struct msgq_act *first,
		      const struct msgq_act *second)
{
	bool is_same = first->actor.client == second->actor.client;
	uint32_t n_receivers = count_waiting(&pair->model, true);

	if (msgq_act_is_daemons(first) && msgq_act_is_daemons(second))
		return false;
	if (first->place != MSGQ_NO_PLACE && first->place == second->place)
		return false;
	if (is_same && (first->kind == MSGQ_ACT_RECOVER || second->kind == MSGQ_ACT_RECOVER))
		return false; /* it is dead */
	if (is_same && first->actor.hint == second->actor.hint && first->actor.hint != MSGQ_HINT_NONE)
		return false;
	if ((first->kind == MSGQ_ACT_COPY && second->kind == MSGQ_ACT_TRIM) ||
	    (first->kind == MSGQ_ACT_TRIM && second->kind == MSGQ_ACT_COPY))
		return false; /* a lock */
	if (first->kind == MSGQ_ACT_END && !first->receives && second->kind == MSGQ_ACT_SET)
		return false; /* over an older mapping he tries again, whether he fits or not */
	if (first->kind == MSGQ_ACT_RECOVER && count_of_client(&pair->model, first->actor.client) > 1)
		return false;
	return n_receivers <= TOLD_AT_ONCE &&
	       n_receivers + count_waiting(&pair->model, false) <= WOKEN_AT_ONCE;
}

void msgq_between_leave(struct msgq_pair *pair, struct msgq_between *between)
{
	struct msgq_act *after = between->after;

	between->n_after = 1;
	after[0] = after[1] = between->first;
	after[0].kind = MSGQ_ACT_RECOVER;
	if (msgq_act_is_daemons(&between->first)) {
		between->n_after = 2;
		after[0].kind = MSGQ_ACT_NEXT_DAEMON;
		after[0].actor.client = ACTOR_DAEMON;
		after[0].actor.hint = ACTOR_HINT_NONE;
	}
	for (uint32_t i = 0; i < between->n_after; i++)
		msgq_act_on_queue(pair, &after[i], &between->of_after[i]);
}

/* --- what is there ------------------------------------------------------------------------------ */

/* The record that belongs to a place, or MSGQ_NONE. */
static uint32_t record_of(const struct msgq_pair *pair, uint32_t place)
{
	uint32_t end = msgq_backed_sleepers(&pair->queue);

	if (place < MODEL_SLEEPERS_MAX)
		return pair->sleepers[place].index;
	for (uint32_t i = 0; i < end; i++) {
		const struct sleeper_record *record = &msgq_record_at(&pair->queue, i)->base;
		uint32_t number = shared32_load(&record->number);

		if (number != 0 && shared64_load(&record->owner) != ACTOR_DAEMON &&
		    msgq_act_place(shared64_load(&record->owner), number) == place)
			return i;
	}
	return MSGQ_NONE;
}

static bool is_message(struct msgq_call *call, uint32_t block, const struct model_message *message)
{
	static uint8_t text[MODEL_TEXT_MAX];
	uint64_t length = msgq_block_plain(call, block, BLOCK_LENGTH);

	return (int64_t)msgq_block_plain(call, block, BLOCK_TYPE) == message->type &&
	       (uint32_t)length == message->size &&
	       msgq_text_copy(call, block, text, message->size) == MSGQ_DONE &&
	       memcmp(text, message->text, message->size) == 0;
}

static uint64_t arrival_of(struct msgq_call *call, uint32_t block)
{
	return msgq_block_plain(call, block, BLOCK_LENGTH) >> 32;
}

/* The messages, and their order; when they came is from here on as the queue has it. */
static bool messages_are(struct msgq_call *call, struct model_msgq *model)
{
	uint32_t next = call->txn.now[FIELD_HEAD];

	if (call->txn.now[FIELD_COUNT] != model->stat.qnum || msgq_bytes(call) != model->stat.cbytes ||
	    call->txn.now[FIELD_QBYTES] != model->stat.qbytes ||
	    ((msgq_flags(call) & FLAG_REMOVED) != 0) != model->removed)
		return false;
	for (uint32_t i = 0; i < model->n; i++) {
		if (next == 0 || !is_message(call, next - 1, &model->messages[i]))
			return false;
		model->messages[i].arrival = arrival_of(call, next - 1);
		next = msgq_next(call, next - 1);
	}
	return next == 0;
}

/* How a sleep ended. */
static int outcome_of(uint64_t state)
{
	switch (sleeper_argument(state)) {
	case RESULT_RETRY:
		return MSGQ_RETRY;
	case RESULT_2BIG:
		return MSGQ_E_2BIG;
	case RESULT_REMOVED:
		return MSGQ_E_REMOVED;
	default:
		return MSGQ_DONE;
	}
}

static uint64_t state_of(struct msgq_call *call, uint32_t record)
{
	return msgq_look(call, sleeper_word(&call->queue->sleepers, record));
}

static bool sleeper_is(struct msgq_call *call, const struct msgq_pair *pair, struct model_msgq *model,
		       uint32_t place)
{
	struct model_sleeper *s = &model->sleepers[place];
	uint32_t index = s->used || place >= MODEL_SLEEPERS_MAX ? record_of(pair, place) : MSGQ_NONE;
	uint32_t block;
	uint64_t state;

	if (!s->used || index == MSGQ_NONE)
		return !s->used && index == MSGQ_NONE;
	state = state_of(call, index);
	s->age = shared64_load(&msgq_record_at(&pair->queue, index)->base.ticket);
	if (sleeper_state(state) == SLEEPER_WAITING) {
		if (s->outcome == MSGQ_RETRY && !s->receiver && !model_msgq_fits(model, s->want.size))
			s->outcome = MSGQ_WAITING;
		return s->outcome == MSGQ_WAITING;
	}
	if (sleeper_state(state) != SLEEPER_DONE || outcome_of(state) != s->outcome)
		return false;
	if (s->outcome != MSGQ_DONE || !s->receiver)
		return s->outcome != MSGQ_DONE || sleeper_argument(state) == RESULT_SENT;
	block = sleeper_argument(state) - RESULT_BASE;
	s->handed.arrival = arrival_of(call, block);
	return is_message(call, block, &s->handed);
}

static bool look_begin(struct msgq_call *call, struct msgq_pair *pair)
{
	bool is_well = msgq_begin(call, &pair->queue, NULL, NULL) == MSGQ_DONE;

	call->is_reader = false; /* what follows from the last change has to be there */
	msgq_txn_begin(call);
	return is_well;
}

static bool is_as(struct msgq_pair *pair, struct model_msgq *model)
{
	struct msgq_call call;
	bool is_same = look_begin(&call, pair) && messages_are(&call, model);

	for (uint32_t place = 0; place < MODEL_PLACES_MAX && is_same; place++)
		is_same = sleeper_is(&call, pair, model, place);
	/* What comes is later than all there is. */
	model->clock += msgq_arrival(call.txn.guard) + shared64_load(&call.header->clock);
	return is_same && !call.broken;
}

/*
 * A receiver with a ticket older than an IPC_SET that came before his sleep, who would find out when he next
 * looks, is told now.
 */
static bool settle(struct msgq_pair *pair, const struct msgq_act *act)
{
	const struct actor actor = { .client = act->actor.client, .hint = MSGQ_HINT_NONE };
	struct model_msgq *model = &pair->model;
	struct msgq_call call;
	struct wakes wakes;
	bool is_well = msgq_settle(&pair->queue, &actor, &wakes) == MSGQ_DONE && look_begin(&call, pair);

	for (uint32_t place = 0; place < MODEL_PLACES_MAX && is_well; place++) {
		struct model_sleeper *s = &model->sleepers[place];
		uint32_t index = s->used ? record_of(pair, place) : MSGQ_NONE;
		uint64_t state = s->used ? state_of(&call, index) : 0;

		if (!s->used || s->outcome != MSGQ_WAITING || sleeper_state(state) == SLEEPER_WAITING)
			continue;
		is_well = outcome_of(state) == MSGQ_RETRY && s->receiver &&
			  s->age <= shared64_load(&call.header->recheck);
		s->outcome = MSGQ_RETRY;
	}
	return is_well;
}

/* --- orders ------------------------------------------------------------------------------------- */

/*
 * The second before the first, or after it: then what the first has changed happens at one moment, and whom it
 * tells to look again comes later, senders first.
 */
enum order {
	ORDER_FIRST,
	ORDER_FIRST_RECEIVERS_LATE,
	ORDER_FIRST_WAKES_LATE,
	ORDER_SECOND,
	ORDERS,
};

/* What msgctl may show: as it was, and after each of the calls in either order. */
static struct {
	uint32_t n;
	struct msgq_stat list[1 + 4 * ORDERS];
} stamps;

static void stamps_note(const struct model_msgq *model)
{
	if (stamps.n < ARRAY_SIZE(stamps.list))
		stamps.list[stamps.n++] = model->stat;
}

static bool same(struct model_msgq *model, const struct msgq_act *act, const struct msgq_result *result)
{
	static struct msgq_result expected;

	msgq_act_on_model(model, act, &expected);
	stamps_note(model);
	if (act->kind == MSGQ_ACT_STAT)
		return result->stat.cbytes == expected.stat.cbytes &&
		       result->stat.qnum == expected.stat.qnum &&
		       result->stat.qbytes == expected.stat.qbytes;
	return msgq_act_same(act, result, &expected);
}

/* Those whom a call told to look again, as the order has it, have not been told yet. */
static void wakes_undo(struct model_msgq *model, const struct model_msgq *before, enum order order)
{
	for (uint32_t i = 0; i < MODEL_PLACES_MAX && order != ORDER_FIRST; i++) {
		struct model_sleeper *s = &model->sleepers[i];

		if (s->used && s->outcome == MSGQ_RETRY && before->sleepers[i].outcome == MSGQ_WAITING &&
		    (s->receiver || order == ORDER_FIRST_WAKES_LATE))
			s->outcome = MSGQ_WAITING;
	}
}

/* Now they are, if they still wait, and fit. */
static void wakes_do(struct model_msgq *model, const struct msgq_between *between, enum order order)
{
	for (uint32_t i = 0; i < MODEL_PLACES_MAX && order != ORDER_FIRST; i++) {
		struct model_sleeper *s = &model->sleepers[i];

		if (s->used && s->outcome == MSGQ_WAITING &&
		    (s->receiver ? between->first.kind == MSGQ_ACT_SET && i != between->second.place
				 : model_msgq_fits(model, s->want.size)))
			s->outcome = MSGQ_RETRY;
	}
}

/* Whether it was so.  Who was left may not have done anything, or have told nobody. */
static bool order_explains(struct msgq_pair *pair, const struct msgq_between *between, enum order order,
			   struct model_msgq *model)
{
	model_msgq_assign(model, &pair->model);
	if (order != ORDER_SECOND) {
		if (!same(model, &between->first, &between->of_first) && !between->is_left)
			return false;
		wakes_undo(model, &pair->model, order);
	}
	if (!same(model, &between->second, &between->of_second))
		return false;
	for (uint32_t i = 0; between->is_left && i < between->n_after; i++) {
		if (!same(model, &between->after[i], &between->of_after[i]))
			return false;
	}
	if (order != ORDER_SECOND && !between->is_left)
		wakes_do(model, between, order);
	if (order == ORDER_SECOND && !between->is_left && !same(model, &between->first, &between->of_first))
		return false;
	return is_as(pair, model);
}

static bool was_told(const struct msgq_result *result, uint32_t word)
{
	for (uint32_t i = 0; i < result->n_woken; i++) {
		if (result->woken[i] == word)
			return true;
	}
	return false;
}

/* Whose sleep has ended. */
static bool all_were_told(const struct msgq_pair *pair, const struct model_msgq *after,
			  const struct msgq_between *between)
{
	for (uint32_t place = 0; place < MODEL_SLEEPERS_MAX; place++) {
		const struct model_sleeper *before = &pair->model.sleepers[place];
		uint32_t word = pair->sleepers[place].word_index;

		if (before->used && before->outcome == MSGQ_WAITING && after->sleepers[place].used &&
		    after->sleepers[place].outcome != MSGQ_WAITING &&
		    !was_told(&between->of_first, word) && !was_told(&between->of_second, word))
			return false;
	}
	return true;
}

/* Each is the last store of one of them. */
static bool stamps_are(struct msgq_pair *pair)
{
	bool lspid = false, lrpid = false, stime = false, rtime = false, ctime = false;
	struct msgq_stat stat;

	msgq_get_stat(&pair->queue, &stat);
	for (uint32_t i = 0; i < stamps.n; i++) {
		lspid |= stat.lspid == stamps.list[i].lspid;
		lrpid |= stat.lrpid == stamps.list[i].lrpid;
		stime |= stat.stime_s == stamps.list[i].stime_s;
		rtime |= stat.rtime_s == stamps.list[i].rtime_s;
		ctime |= stat.ctime_s == stamps.list[i].ctime_s;
	}
	pair->model.stat = stat;
	return lspid && lrpid && stime && rtime && ctime;
}

const char *msgq_between_explain(struct msgq_pair *pair, const struct msgq_between *between)
{
	static struct model_msgq models[ORDERS];
	const struct model_msgq *explained = NULL;

	msgq_act_remap(pair);
	stamps.n = 0;
	stamps_note(&pair->model);
	for (uint32_t order = 0; order < ORDERS; order++) {
		if (order_explains(pair, between, (enum order)order, &models[order]) && !explained)
			explained = &models[order];
	}
	if (!explained)
		return "no order of the two explains them";
	if (!between->is_left && !all_were_told(pair, explained, between))
		return "somebody's sleep has ended and nobody was told to wake him";
	model_msgq_assign(&pair->model, explained);
	if (!stamps_are(pair))
		return "a time or pid is nobody's";
	if (between->is_left && (msgq_holds(&pair->queue, between->after[0].actor.client)))
		return "something is left of who was killed";
	if (!settle(pair, &between->second))
		return "who is told to look again has no reason to";
	return msgq_verify(&pair->queue) ? NULL : "the queue does not verify";
}

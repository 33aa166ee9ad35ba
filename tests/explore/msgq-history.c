/*
 * msgq-history.c: see msgq-history.h.  A search through the orders that the calls of each actor, and
 * what had ended before others began, allow.
 */
#include "msgq-history.h"

#include <stdio.h>
#include <string.h>

const struct call *plan_sender(const struct plan *plan, uint8_t message)
{
	uint32_t number = (message - 1u) / CALLS_MAX, i = (message - 1u) % CALLS_MAX;
	const struct call *call = NULL;

	if (message > 0 && number < plan->n_actors)
		call = &plan->calls[number][i];
	else if (message > 0 && number == DAEMON && i < BEFORE_MAX)
		call = &plan->before[i];
	return call && call->kind == CALL_SEND ? call : NULL;
}

uint32_t plan_n_calls(const struct plan *plan, uint32_t number)
{
	uint32_t n = 0;

	while (n < CALLS_MAX && plan->calls[number][n].kind != CALL_NONE)
		n++;
	return n;
}

bool plan_has(const struct plan *plan, enum call_kind kind)
{
	uint32_t number, i;

	for (number = 0; number < plan->n_actors; number++) {
		for (i = 0; i < CALLS_MAX; i++) {
			if (plan->calls[number][i].kind == kind)
				return true;
		}
	}
	return false;
}

static struct actor history_actor(uint32_t number)
{
	return (struct actor){ .client = number + 1, .pid = number, .now_s = 1 };
}

struct trial {
	const struct history *history;
	const struct plan *plan;
	const struct remains *remains;
	uint32_t gone;
	struct model_msgq model;
	uint32_t done;             /* as trial->history->ended: what has happened */
	uint32_t next[ACTORS_MAX]; /* next call; CALLS_MAX + 1: has been recovered */
	/* What a call took that never came to its end: may come back by recovery.  Arrival 0: nothing. */
	struct model_message taken[ACTORS_MAX];
};

static bool same_message(const struct model_message *message, const struct result *result)
{
	return message->type == result->type && message->size == result->size &&
	       (message->size == 0 || message->text[0] == result->message);
}

/* The message of that arrival with all of its text. */
static struct model_message whole_message(const struct model_msgq *model, uint64_t arrival)
{
	uint32_t i;

	for (i = 0; i < model->n && model->messages[i].arrival != arrival; i++)
		;
	ASSERT(i < model->n);
	return model->messages[i];
}

/* A call on the model.  DONE of a receive or copy: *message is what it got. */
static int model_call(struct model_msgq *model, uint32_t number, uint32_t i, const struct call *call,
		      struct model_message *message)
{
	const struct msgq_want want = { call->type, call->size, call->flags };
	struct actor self = history_actor(number);

	switch (call->kind) {
	case CALL_SEND:
		*message = (struct model_message){ .type = call->type, .size = call->size };
		message->text[0] = message_of(number, i);
		return model_msgq_send(model, &self, message);
	case CALL_RECEIVE:
		return model_msgq_receive(model, &self, &want, message);
	case CALL_COPY:
		return model_msgq_copy(model, call->type, call->size, call->flags & ABI_MSG_NOERROR,
				       message);
	case CALL_SET:
		model_msgq_set(model, call->size, 1);
		return MSGQ_DONE;
	case CALL_REMOVE:
		model_msgq_remove(model);
		return MSGQ_DONE;
	default:
		return MSGQ_DONE;
	}
}

/* Makes the call on the model.  False: it could not have had its result. */
static bool replay(struct trial *trial, uint32_t number, uint32_t i)
{
	const struct call *call = &trial->plan->calls[number][i];
	const struct result *result = &trial->history->results[number][i];
	struct model_msgq *model = &trial->model, before = *model;
	struct model_message message = { 0 };
	int outcome = model_call(model, number, i, call, &message);

	if (result->state == RESULT_PENDING) {
		if (outcome == MSGQ_DONE && call->kind == CALL_RECEIVE)
			trial->taken[number] = whole_message(&before, message.arrival);
		return outcome == MSGQ_DONE;
	}
	if (outcome != result->outcome)
		return false;
	if (call->kind == CALL_STAT)
		return result->message == model->stat.qnum && result->size == model->stat.cbytes;
	if (outcome == MSGQ_DONE && (call->kind == CALL_RECEIVE || call->kind == CALL_COPY))
		return same_message(&message, result);
	return true;
}

static bool wants(const struct plan *plan, const struct call *call, const struct result *received)
{
	const struct msgq_want want = { call->type, TEXT_MAX, call->flags };
	const struct call *sender = plan_sender(plan, received->message);
	struct model_message message = { .type = received->type };
	const struct actor nobody = { .client = 1, .now_s = 1 };
	struct model_msgq model;

	model_msgq_init(&model, TEXT_MAX, 1);
	(void)model_msgq_send(&model, &nobody, &message);
	return model_msgq_receive(&model, &nobody, &want, &message) == MSGQ_DONE &&
	       (call->size >= (sender ? sender->size : received->size) ||
		(call->flags & ABI_MSG_NOERROR));
}

/* MSG-30: who slept before this receiver began, and still does, would have had its message. */
static bool passes_over(const struct trial *trial, uint32_t number, uint32_t i)
{
	const struct result *result = &trial->history->results[number][i];
	uint32_t older, k;

	if (trial->plan->calls[number][i].kind != CALL_RECEIVE || result->state != RESULT_ENDED ||
	    result->outcome != MSGQ_DONE || !result->has_slept)
		return false;
	for (older = 0; older < trial->plan->n_actors; older++) {
		if (!(trial->history->asleep_before[number][i] & ~trial->gone & 1u << older))
			continue;
		for (k = 0; trial->history->ended_before[number][i] & call_bit(older, k); k++)
			;
		if (trial->plan->calls[older][k].kind == CALL_RECEIVE &&
		    !(trial->done & call_bit(older, k)) && wants(trial->plan, &trial->plan->calls[older][k], result))
			return true;
	}
	return false;
}

static void put_back(struct trial *trial, uint32_t number)
{
	struct actor self = history_actor(number);
	const struct msgq_want want = { 0 };

	model_msgq_sleep(&trial->model, &self, 0, true, &want);
	trial->model.sleepers[0].outcome = MSGQ_DONE;
	trial->model.sleepers[0].handed = trial->taken[number];
	model_msgq_recover(&trial->model, &self);
}

static bool ends_as_seen(const struct trial *trial)
{
	const struct model_msgq *model = &trial->model;
	uint32_t i;

	if (model->removed)
		return true;
	if (model->n != trial->remains->n || model->stat.qnum != trial->remains->stat.qnum ||
	    model->stat.cbytes != trial->remains->stat.cbytes || model->stat.qbytes != trial->remains->stat.qbytes)
		return false;
	for (i = 0; i < trial->remains->n; i++) {
		if (!same_message(&model->messages[i], &trial->remains->messages[i]))
			return false;
	}
	return true;
}

static bool explained(const struct trial *trial);

/* Its recovery: what the dead one had been handed comes back; who was awake may have taken it along. */
static bool explained_by_recovery(const struct trial *trial, uint32_t number)
{
	bool has_taken = trial->taken[number].arrival != 0;
	struct trial after = *trial;

	after.next[number] = CALLS_MAX + 1;
	after.done |= recovery_bit(number);
	if (!(has_taken && (trial->history->asleep >> number & 1)) && explained(&after))
		return true;
	if (!has_taken)
		return false;
	put_back(&after, number);
	return explained(&after);
}

static bool explained_by_call(const struct trial *trial, uint32_t number)
{
	uint32_t i = trial->next[number];
	bool is_pending = trial->history->results[number][i].state == RESULT_PENDING;
	struct trial after = *trial;

	if (is_pending) { /* may not have happened */
		after.next[number] = plan_n_calls(trial->plan, number);
		if (explained(&after))
			return true;
		after = *trial;
	}
	if ((trial->history->ended_before[number][i] & ~trial->done) || !replay(&after, number, i))
		return false;
	if (passes_over(trial, number, i) && !plan_has(trial->plan, CALL_SET) /* it makes all of one age (MSG-44) */)
		return false;
	after.done |= call_bit(number, i);
	after.next[number] = is_pending ? plan_n_calls(trial->plan, number) : i + 1;
	return explained(&after);
}

static bool explained(const struct trial *trial)
{
	uint32_t number, i;
	bool all_done = true;

	for (number = 0; number < trial->plan->n_actors; number++) {
		i = trial->next[number];
		if (i > CALLS_MAX)
			continue;
		if (i < plan_n_calls(trial->plan, number) && trial->history->results[number][i].state != RESULT_NONE) {
			all_done = false;
			if (explained_by_call(trial, number))
				return true;
		} else if (trial->history->ended & recovery_bit(number)) {
			all_done = false;
			if (explained_by_recovery(trial, number))
				return true;
		}
	}
	return all_done && ends_as_seen(trial);
}

/* --- for others ------------------------------------------------------------------------------------- */

bool history_is_explained(const struct history *history, const struct plan *plan,
			  const struct remains *remains, uint32_t gone)
{
	struct trial trial = { .history = history, .plan = plan, .remains = remains, .gone = gone };
	struct model_message message;
	uint32_t i;

	model_msgq_init(&trial.model, plan->qbytes, 1);
	for (i = 0; i < BEFORE_MAX && plan->before[i].kind != CALL_NONE; i++)
		(void)model_call(&trial.model, DAEMON, i, &plan->before[i], &message);
	return explained(&trial);
}

bool history_could_go(const struct history *history, const struct plan *plan,
		      const struct remains *remains, uint32_t number)
{
	struct model_message message = { 0 };
	struct model_msgq model;
	uint32_t i;

	model_msgq_init(&model, remains->stat.qbytes, 1);
	for (; model.n < remains->n; model.n++) {
		model.messages[model.n].type = remains->messages[model.n].type;
		model.messages[model.n].size = remains->messages[model.n].size;
	}
	model.stat.qnum = remains->stat.qnum;
	model.stat.cbytes = remains->stat.cbytes;
	for (i = 0; i < CALLS_MAX && history->results[number][i].state == RESULT_ENDED; i++)
		;
	return i < CALLS_MAX && model_call(&model, number, i, &plan->calls[number][i],
					   &message) != MSGQ_BLOCKED;
}

/* MSG-44: a receiver who slept when an IPC_SET began, and still does, has looked again. */
static bool slept_through_set(const struct history *history, const struct plan *plan, uint32_t number,
			      uint32_t i, uint32_t gone)
{
	uint32_t other, k;

	if (plan->calls[number][i].kind != CALL_SET ||
	    history->results[number][i].state != RESULT_ENDED)
		return false;
	for (other = 0; other < plan->n_actors; other++) {
		if (!(history->asleep_before[number][i] & ~gone & 1u << other))
			continue;
		for (k = 0; history->ended_before[number][i] & call_bit(other, k); k++)
			;
		if (plan->calls[other][k].kind == CALL_RECEIVE &&
		    history->results[other][k].state == RESULT_PENDING &&
		    !history->results[other][k].has_retried)
			return true;
	}
	return false;
}

bool history_slept_through_set(const struct history *history, const struct plan *plan, uint32_t gone)
{
	uint32_t number, i;

	for (number = 0; number < plan->n_actors; number++) {
		for (i = 0; i < CALLS_MAX; i++) {
			if (slept_through_set(history, plan, number, i, gone))
				return true;
		}
	}
	return false;
}

void history_print(const struct history *history, const struct plan *plan, const struct remains *remains)
{
	static const char *const states[] = { "not begun", "pending", "ended" };
	uint32_t number, i;

	for (number = 0; number < plan->n_actors; number++) {
		for (i = 0; i < plan_n_calls(plan, number); i++) {
			const struct result *result = &history->results[number][i];

			(void)printf("# actor %u call %u (message %u): %s, outcome %u, message %u, size %u, "
				     "type %lld\n", number, i, message_of(number, i),
				     states[result->state], result->outcome, result->message,
				     result->size, (long long)result->type);
		}
	}
	(void)printf("# asleep %x, left %x; in the queue:", history->asleep, history->left);
	for (i = 0; i < remains->n; i++)
		(void)printf(" %u (%u bytes, type %lld)", remains->messages[i].message,
			     remains->messages[i].size, (long long)remains->messages[i].type);
	(void)printf("; %llu bytes of %llu\n", (unsigned long long)remains->stat.cbytes,
		     (unsigned long long)remains->stat.qbytes);
}

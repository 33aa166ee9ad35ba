/* tests/model/msgq-act.c: see msgq-act.h. */
#include "model/msgq-act.h"

#include <string.h>

#include "core/msgq-internal.h"

/* Numbers of one client, of so many clients. */
#define NUMBERS 4u
STATIC_ASSERT(MODEL_STEADS_MAX == 0 || MODEL_STEADS_MAX == 4 * NUMBERS);
/* Nobody keeps a call from its end for longer. */
#define TRIES_MAX 100u
#define TRIM_TRIES 2u

uint32_t msgq_act_place(uint64_t client, uint32_t number)
{
	return MODEL_SLEEPERS_MAX + (uint32_t)((client - 1) % 4 * NUMBERS) + number % NUMBERS;
}

bool msgq_act_prepare(struct msgq_pair *pair, struct msgq_act *act)
{
	const struct model_sleeper *sleeper = &pair->model.sleepers[act->place];

	if (act->kind == MSGQ_ACT_SEND || act->kind == MSGQ_ACT_STEAD_SEND)
		act->seed = ++pair->seed;
	if ((act->kind == MSGQ_ACT_SEND || act->kind == MSGQ_ACT_RECEIVE) &&
	    act->place != MSGQ_NO_PLACE && sleeper->used)
		act->place = MSGQ_NO_PLACE;
	if (act->kind == MSGQ_ACT_SET || act->kind == MSGQ_ACT_REMOVE)
		act->actor.client = ACTOR_DAEMON;
	if (act->kind != MSGQ_ACT_END)
		return true;
	if (!sleeper->used)
		return false;
	act->receives = sleeper->receiver;
	act->want = sleeper->want;
	act->actor.client = sleeper->client;
	act->actor.pid = sleeper->pid;
	act->actor.hint = pair->sleepers[act->place].hint;
	return true;
}

static void text_make(const struct msgq_act *act, struct model_message *ret_message)
{
	ret_message->type = act->want.type;
	ret_message->size = (uint32_t)act->want.size;
	for (uint32_t i = 0; i < ret_message->size; i++)
		ret_message->text[i] = (uint8_t)(act->seed * 31 + i * 7);
}

/* --- the queue ---------------------------------------------------------------------------------- */

static void map(struct msgq_pair *pair, struct msgq *queue)
{
	ASSERT(msgq_bind(queue, pair->base, pair->size) == MSGQ_DONE);
}

void msgq_act_remap(struct msgq_pair *pair)
{
	map(pair, &pair->queue);
	for (uint32_t i = 0; i < MSGQ_VIEWS; i++)
		map(pair, &pair->views[i]);
}

bool msgq_act_is_daemons(const struct msgq_act *act)
{
	return act->actor.client == ACTOR_DAEMON || act->kind == MSGQ_ACT_RECOVER ||
	       act->kind >= MSGQ_ACT_STEAD_SEND;
}

static struct msgq *queue_of(struct msgq_pair *pair, const struct msgq_act *act)
{
	return msgq_act_is_daemons(act) ? &pair->queue : &pair->views[act->actor.client % MSGQ_VIEWS];
}

static void grow(struct msgq_pair *pair, struct msgq *queue)
{
	struct msgq_growth growth;

	msgq_growth(queue, &growth);
	for (uint32_t i = 0; pair->back && i < growth.n_ranges; i++)
		pair->back(pair->base + growth.ranges[i].off, growth.ranges[i].size, true);
	if (growth.n_blocks > pair->n_blocks)
		pair->n_blocks = growth.n_blocks;
	msgq_growth_done(queue, &growth);
}

static bool take_away(struct msgq_pair *pair, struct msgq *queue)
{
	struct msgq_trim trim;
	uint64_t off, size;

	while (msgq_trim_left(queue, &trim)) {
		if (!msgq_trim_is_quiet(queue))
			return false;
		while (msgq_trim_next(queue, &trim, &off, &size)) {
			if (pair->back) /* it may have been taken away before, by who was then killed */
				pair->back(pair->base + off, size, true);
			memset(pair->base + off, 0, size);
			if (pair->back)
				pair->back(pair->base + off, size, false);
		}
		msgq_trim_done(queue, &trim);
	}
	return true;
}

/* DONE: all is given back that can be, or somebody is in the way. */
static int give_back(struct msgq_pair *pair, struct msgq *queue, const struct actor *actor)
{
	int outcome = MSGQ_E_BUSY;
	bool done;

	(void)msgq_trim_is_due(queue, actor->now_s); /* or not: a hint */
	if (!msgq_trim_begin(queue, actor))
		return MSGQ_DONE;
	done = take_away(pair, queue);
	for (uint32_t i = 0; done && outcome == MSGQ_E_BUSY && i < TRIM_TRIES; i++) {
		msgq_trim_close(queue);
		outcome = msgq_trim_flip(queue, actor);
	}
	done = done && take_away(pair, queue);
	msgq_trim_end(queue, actor, !done || outcome != MSGQ_BLOCKED);
	return outcome == MSGQ_BLOCKED || outcome == MSGQ_E_BUSY ? MSGQ_DONE : outcome;
}

static int end_sleep(struct msgq *queue, const struct msgq_act *act, struct msgq_sleeper *own, struct msgq_result *result,
		     uint64_t *ret_size, struct wakes *wakes)
{
	if (!act->receives)
		return act->cancels ? msgq_send_cancel(queue, &act->actor, own, wakes)
				    : msgq_send_poll(queue, own);
	return (act->cancels ? msgq_receive_cancel : msgq_receive_poll)(
		queue, &act->actor, own, &act->want, result->message.text, ret_size,
		&result->message.type, wakes);
}

static int try_on_queue(struct msgq_pair *pair, const struct msgq_act *act, struct msgq_result *result,
			uint64_t *ret_size, struct wakes *wakes)
{
	struct msgq_sleeper *waits = act->place < MODEL_SLEEPERS_MAX ? &pair->sleepers[act->place] : NULL;
	struct model_message *message = &result->message;
	struct msgq *queue = queue_of(pair, act);

	switch (act->kind) {
	case MSGQ_ACT_SEND:
		if (!waits)
			return msgq_send(queue, &act->actor, act->want.type, message->text,
					 act->want.size, wakes);
		return msgq_send_or_wait(queue, &act->actor, act->want.type, message->text,
					 act->want.size, wakes, waits);
	case MSGQ_ACT_RECEIVE:
		if (!waits)
			return msgq_receive(queue, &act->actor, &act->want, message->text, ret_size,
					    &message->type, wakes);
		return msgq_receive_or_wait(queue, &act->actor, &act->want, message->text, ret_size,
					    &message->type, wakes, waits);
	case MSGQ_ACT_END:
		return end_sleep(queue, act, waits, result, ret_size, wakes);
	case MSGQ_ACT_COPY:
		return msgq_copy(queue, act->want.type, act->want.size,
				 act->want.flags & ABI_MSG_NOERROR, message->text, ret_size,
				 &message->type);
	case MSGQ_ACT_STAT:
		msgq_get_stat(queue, &result->stat);
		return MSGQ_DONE;
	case MSGQ_ACT_SET:
		if (act->want.size > queue->layout.qbytes_max)
			ASSERT(msgq_extend(queue, pair->size, act->want.size) == MSGQ_DONE);
		return msgq_set(queue, &act->actor, act->want.size, wakes);
	case MSGQ_ACT_SETTLE:
		return msgq_settle(queue, &act->actor, wakes);
	case MSGQ_ACT_NEXT_DAEMON:
		return msgq_stead_recover(queue, &act->actor, wakes);
	case MSGQ_ACT_TRIM:
		return give_back(pair, queue, &act->actor);
	case MSGQ_ACT_RECOVER:
		return msgq_recover(queue, &act->actor, wakes);
	case MSGQ_ACT_REMOVE:
		return msgq_remove(queue, &act->actor, wakes);
	case MSGQ_ACT_STEAD_SEND:
		return msgq_stead_send(queue, &act->actor, &act->stead, act->want.type, message->text,
				       act->want.size, wakes);
	case MSGQ_ACT_STEAD_RECEIVE:
		return msgq_stead_receive(queue, &act->actor, &act->stead, &act->want, message->text,
					  ret_size, &message->type, wakes);
	case MSGQ_ACT_STEAD_END:
		break;
	}
	return msgq_stead_end(queue, &act->actor, act->stead.number, wakes);
}

static void wakes_note(const struct wakes *wakes, struct msgq_result *result)
{
	for (uint32_t i = 0; i < wakes->n && result->n_woken < MODEL_PLACES_MAX; i++)
		result->woken[result->n_woken++] = wakes->word_indexes[i];
}

/* True if the call is to be made again, after what its outcome asks for. */
static bool again(struct msgq_pair *pair, struct msgq *queue, int outcome)
{
	if (outcome == MSGQ_GROW)
		grow(pair, queue);
	else if (outcome == MSGQ_REMAP)
		map(pair, queue);
	return outcome == MSGQ_GROW || outcome == MSGQ_REMAP || outcome == MSGQ_MORE;
}

void msgq_act_on_queue(struct msgq_pair *pair, const struct msgq_act *act, struct msgq_result *ret_result)
{
	struct wakes wakes;
	uint64_t size = 0;
	uint32_t tries = 0;

	ret_result->n_woken = 0;
	if (act->kind == MSGQ_ACT_SEND || act->kind == MSGQ_ACT_STEAD_SEND)
		text_make(act, &ret_result->message);
	do {
		wakes.n = 0; /* not all of them have such a list */
		ret_result->outcome = try_on_queue(pair, act, ret_result, &size, &wakes);
		wakes_note(&wakes, ret_result);
	} while (again(pair, queue_of(pair, act), ret_result->outcome) && ++tries < TRIES_MAX);
	while (wakes.n == MSGQ_WAKES_MAX && ++tries < TRIES_MAX) {
		(void)msgq_settle(queue_of(pair, act), &act->actor, &wakes);
		wakes_note(&wakes, ret_result);
	}
	ret_result->message.size = (uint32_t)size;
}

/* --- the model ---------------------------------------------------------------------------------- */

static int call_on_model(struct model_msgq *model, const struct msgq_act *act,
			 struct model_message *message)
{
	bool is_send = act->kind == MSGQ_ACT_SEND;
	int outcome;

	if (is_send)
		text_make(act, message);
	outcome = is_send ? model_msgq_send(model, &act->actor, message)
			  : model_msgq_receive(model, &act->actor, &act->want, message);
	if (outcome != MSGQ_BLOCKED || act->place == MSGQ_NO_PLACE)
		return outcome;
	model_msgq_sleep(model, &act->actor, act->place, !is_send, &act->want);
	return MSGQ_WAITING;
}

static int stead_on_model(struct model_msgq *model, const struct msgq_act *act,
			  struct model_message *message)
{
	if (act->kind == MSGQ_ACT_STEAD_RECEIVE)
		return model_msgq_stead_receive(model, &act->actor, &act->stead, act->place, &act->want,
						message);
	if (act->kind == MSGQ_ACT_STEAD_END) {
		model_msgq_stead_end(model, act->place);
		return MSGQ_DONE;
	}
	text_make(act, message);
	return model_msgq_stead_send(model, &act->actor, &act->stead, act->place, message);
}

void msgq_act_on_model(struct model_msgq *model, const struct msgq_act *act,
		       struct msgq_result *ret_result)
{
	ret_result->outcome = MSGQ_DONE;
	switch (act->kind) {
	case MSGQ_ACT_SEND:
	case MSGQ_ACT_RECEIVE:
		ret_result->outcome = call_on_model(model, act, &ret_result->message);
		break;
	case MSGQ_ACT_END:
		ret_result->outcome = model_msgq_end(model, act->place, act->cancels, &ret_result->message);
		break;
	case MSGQ_ACT_COPY:
		model->n_woken = 0;
		ret_result->outcome = model_msgq_copy(model, act->want.type, act->want.size,
						      act->want.flags & ABI_MSG_NOERROR,
						      &ret_result->message);
		break;
	case MSGQ_ACT_SET:
		model_msgq_set(model, act->want.size, act->actor.now_s);
		break;
	case MSGQ_ACT_RECOVER:
		model_msgq_recover(model, &act->actor);
		break;
	case MSGQ_ACT_REMOVE:
		model_msgq_remove(model);
		break;
	case MSGQ_ACT_SETTLE:
	case MSGQ_ACT_NEXT_DAEMON:
		model_msgq_settle(model);
		break;
	case MSGQ_ACT_STAT:
	case MSGQ_ACT_TRIM:
		model->n_woken = 0;
		break;
	case MSGQ_ACT_STEAD_SEND:
	case MSGQ_ACT_STEAD_RECEIVE:
	case MSGQ_ACT_STEAD_END:
		ret_result->outcome = stead_on_model(model, act, &ret_result->message);
		break;
	}
	ret_result->stat = model->stat;
	ret_result->n_woken = model->n_woken;
}

bool msgq_act_same(const struct msgq_act *act, const struct msgq_result *a, const struct msgq_result *b)
{
	bool has_message = act->kind == MSGQ_ACT_RECEIVE || act->kind == MSGQ_ACT_COPY ||
			   act->kind == MSGQ_ACT_STEAD_RECEIVE ||
			   (act->kind == MSGQ_ACT_END && act->receives);

	if (a->outcome != b->outcome)
		return false;
	if (a->outcome != MSGQ_DONE || !has_message)
		return true;
	return a->message.size == b->message.size && a->message.type == b->message.type &&
	       memcmp(a->message.text, b->message.text, a->message.size) == 0;
}

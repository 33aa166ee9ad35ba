/* tests/model/msgq.c: see msgq.h.  As plain as can be; never fast. */
#include "model/msgq.h"

#include <string.h>

void model_msgq_init(struct model_msgq *model, uint64_t qbytes, int64_t now_s)
{
	model->n = 0;
	model->clock = 0;
	model->n_woken = 0;
	model->removed = false;
	memset(&model->stat, 0, sizeof(model->stat));
	memset(model->sleepers, 0, sizeof(model->sleepers));
	model->stat.qbytes = qbytes;
	model->stat.ctime_s = now_s;
}

void model_msgq_assign(struct model_msgq *model, const struct model_msgq *from)
{
	memcpy(model->messages, from->messages, from->n * sizeof(from->messages[0]));
	memcpy(model->sleepers, from->sleepers, sizeof(from->sleepers));
	model->n = from->n;
	model->stat = from->stat;
	model->clock = from->clock;
	model->n_woken = from->n_woken;
	model->removed = from->removed;
}

static bool matches(const struct msgq_want *want, int64_t type)
{
	if (want->type == 0)
		return true;
	if (want->type > 0 && (want->flags & ABI_MSG_EXCEPT))
		return type != want->type;
	if (want->type > 0)
		return type == want->type;
	return want->type == INT64_MIN || type <= -want->type;
}

bool model_msgq_fits(const struct model_msgq *model, uint64_t size)
{
	return size + model->stat.cbytes <= model->stat.qbytes &&
	       model->stat.qnum + 1 <= model->stat.qbytes;
}

static void end_sleep(struct model_msgq *model, struct model_sleeper *sleeper, int outcome)
{
	sleeper->outcome = outcome;
	model->n_woken++;
}

/* MSG-36 */
static void wake_senders(struct model_msgq *model)
{
	uint32_t i;

	for (i = 0; i < MODEL_PLACES_MAX; i++) {
		struct model_sleeper *sleeper = &model->sleepers[i];

		if (sleeper->used && !sleeper->receiver && sleeper->outcome == MSGQ_WAITING &&
		    model_msgq_fits(model, sleeper->want.size))
			end_sleep(model, sleeper, MSGQ_RETRY);
	}
}

void model_msgq_settle(struct model_msgq *model)
{
	model->n_woken = 0;
	wake_senders(model);
}

/* MSG-30, MSG-31: true if somebody took it. */
static bool hand_off(struct model_msgq *model, const struct model_message *message, int64_t now_s)
{
	for (;;) {
		struct model_sleeper *oldest = NULL;
		uint32_t i;

		for (i = 0; i < MODEL_PLACES_MAX; i++) {
			struct model_sleeper *sleeper = &model->sleepers[i];

			if (sleeper->used && sleeper->receiver && sleeper->outcome == MSGQ_WAITING &&
			    matches(&sleeper->want, message->type) &&
			    (!oldest || sleeper->age < oldest->age))
				oldest = sleeper;
		}
		if (!oldest)
			return false;
		if (message->size <= oldest->want.size || (oldest->want.flags & ABI_MSG_NOERROR)) {
			oldest->handed = *message;
			model->stat.lrpid = oldest->pid;
			model->stat.rtime_s = now_s;
			end_sleep(model, oldest, MSGQ_DONE);
			return true;
		}
		end_sleep(model, oldest, MSGQ_E_2BIG);
	}
}

static void insert(struct model_msgq *model, const struct model_message *message)
{
	uint32_t at = model->n;

	ASSERT(model->n < MODEL_MESSAGES_MAX);
	for (; at > 0 && model->messages[at - 1].arrival > message->arrival; at--)
		model->messages[at] = model->messages[at - 1];
	model->messages[at] = *message;
	model->n++;
	model->stat.qnum++;
	model->stat.cbytes += message->size;
}

int model_msgq_send(struct model_msgq *model, const struct actor *actor,
		    const struct model_message *message)
{
	struct model_message copy = *message;

	model->n_woken = 0;
	if (model->removed)
		return MSGQ_E_REMOVED;
	if (!model_msgq_fits(model, message->size))
		return MSGQ_BLOCKED;
	copy.arrival = ++model->clock;
	if (!hand_off(model, &copy, actor->now_s))
		insert(model, &copy);
	model->stat.lspid = actor->pid;
	model->stat.stime_s = actor->now_s;
	return MSGQ_DONE;
}

static void cut(struct model_message *message, const struct msgq_want *want)
{
	if (message->size > want->size)
		message->size = (uint32_t)want->size;
}

/* The message as it was sent. */
static int take_out(struct model_msgq *model, const struct actor *actor, const struct msgq_want *want,
		    struct model_message *ret_message)
{
	uint32_t i, best = MODEL_MESSAGES_MAX;

	model->n_woken = 0;
	if (model->removed)
		return MSGQ_E_REMOVED;
	for (i = 0; i < model->n; i++) {
		if (!matches(want, model->messages[i].type))
			continue;
		if (best == MODEL_MESSAGES_MAX ||
		    (want->type < 0 && model->messages[i].type < model->messages[best].type))
			best = i;
	}
	if (best == MODEL_MESSAGES_MAX)
		return MSGQ_BLOCKED;
	if (model->messages[best].size > want->size && !(want->flags & ABI_MSG_NOERROR))
		return MSGQ_E_2BIG;
	*ret_message = model->messages[best];
	model->stat.qnum--;
	model->stat.cbytes -= model->messages[best].size;
	model->n--;
	for (i = best; i < model->n; i++)
		model->messages[i] = model->messages[i + 1];
	model->stat.lrpid = actor->pid;
	model->stat.rtime_s = actor->now_s;
	wake_senders(model);
	return MSGQ_DONE;
}

int model_msgq_receive(struct model_msgq *model, const struct actor *actor,
		       const struct msgq_want *want, struct model_message *ret_message)
{
	int outcome = take_out(model, actor, want, ret_message);

	if (outcome == MSGQ_DONE)
		cut(ret_message, want);
	return outcome;
}

void model_msgq_sleep(struct model_msgq *model, const struct actor *actor, uint32_t sleeper,
		      bool receiver, const struct msgq_want *want)
{
	model->sleepers[sleeper] = (struct model_sleeper){
		.used = true,
		.receiver = receiver,
		.age = ++model->clock,
		.client = actor->client,
		.pid = actor->pid,
		.want = *want,
		.outcome = MSGQ_WAITING,
	};
}

int model_msgq_end(struct model_msgq *model, uint32_t sleeper, bool cancel,
		   struct model_message *ret_message)
{
	struct model_sleeper *s = &model->sleepers[sleeper];

	model->n_woken = 0;
	if (s->outcome == MSGQ_WAITING && !cancel)
		return MSGQ_WAITING;
	s->used = false;
	if (s->outcome == MSGQ_WAITING)
		return MSGQ_BLOCKED;
	if (s->outcome == MSGQ_DONE) {
		*ret_message = s->handed;
		cut(ret_message, &s->want);
	}
	return s->outcome;
}

/* No outcome: nothing stands, the call is to be made. */
#define BEGINS (-1)

static int look_what_stands(struct model_msgq *model, const struct stead *stead, struct model_sleeper *s)
{
	model->n_woken = 0;
	if (s->used && s->outcome == MSGQ_WAITING) {
		s->used = stead->may_wait;
		return s->used ? MSGQ_WAITING : MSGQ_BLOCKED;
	}
	if (s->used && s->outcome != MSGQ_RETRY)
		return s->outcome;
	s->used = false;
	return stead->may_begin ? BEGINS : MSGQ_BLOCKED;
}

int model_msgq_stead_send(struct model_msgq *model, const struct actor *actor,
			  const struct stead *stead, uint32_t place,
			  const struct model_message *message)
{
	struct model_sleeper *s = &model->sleepers[place];
	int outcome = look_what_stands(model, stead, s);

	if (outcome == MSGQ_WAITING || outcome == MSGQ_BLOCKED)
		return outcome;
	if (outcome != BEGINS) /* a receiver's number is none for a sender */
		return outcome == MSGQ_DONE && !s->receiver ? MSGQ_DONE : MSGQ_E_CORRUPT;
	outcome = model_msgq_send(model, actor, message);
	if (outcome == MSGQ_DONE)
		*s = (struct model_sleeper){ .used = true, .client = actor->client, .outcome = outcome };
	return outcome;
}

int model_msgq_stead_receive(struct model_msgq *model, const struct actor *actor,
			     const struct stead *stead, uint32_t place, const struct msgq_want *want,
			     struct model_message *ret_message)
{
	struct model_sleeper *s = &model->sleepers[place];
	struct model_message message;
	int outcome = look_what_stands(model, stead, s);

	if (outcome == BEGINS) {
		outcome = take_out(model, actor, want, &message);
		if (outcome == MSGQ_DONE || (outcome == MSGQ_BLOCKED && stead->may_wait))
			model_msgq_sleep(model, actor, place, true, want);
		if (outcome == MSGQ_BLOCKED && stead->may_wait)
			return MSGQ_WAITING;
		if (outcome == MSGQ_DONE) {
			s->handed = message;
			s->outcome = MSGQ_DONE;
		}
	} else if (outcome == MSGQ_DONE && !s->receiver) {
		s->used = false;
		return MSGQ_E_CORRUPT;
	} else if (outcome != MSGQ_WAITING && outcome != MSGQ_DONE) {
		s->used = false;
	}
	if (outcome == MSGQ_DONE) {
		*ret_message = s->handed;
		cut(ret_message, want);
	}
	return outcome;
}

void model_msgq_stead_end(struct model_msgq *model, uint32_t place)
{
	model->n_woken = 0;
	model->sleepers[place].used = false;
}

int model_msgq_copy(const struct model_msgq *model, int64_t position, uint64_t size_max,
		    bool noerror, struct model_message *ret_message)
{
	if (model->removed)
		return MSGQ_E_REMOVED;
	if (position < 0 || position >= (int64_t)model->n)
		return MSGQ_E_NOMSG;
	if (model->messages[position].size > size_max)
		return noerror ? MSGQ_E_INVAL : MSGQ_E_2BIG;
	*ret_message = model->messages[position];
	return MSGQ_DONE;
}

void model_msgq_set(struct model_msgq *model, uint64_t qbytes, int64_t now_s)
{
	uint32_t i;

	model->n_woken = 0;
	model->stat.qbytes = qbytes;
	model->stat.ctime_s = now_s;
	wake_senders(model);
	for (i = 0; i < MODEL_PLACES_MAX; i++) {
		struct model_sleeper *sleeper = &model->sleepers[i];

		if (sleeper->used && sleeper->receiver && sleeper->outcome == MSGQ_WAITING)
			end_sleep(model, sleeper, MSGQ_RETRY);
	}
}

void model_msgq_remove(struct model_msgq *model)
{
	uint32_t i;

	model->n_woken = 0;
	model->removed = true;
	for (i = 0; i < MODEL_PLACES_MAX; i++) {
		if (model->sleepers[i].used && model->sleepers[i].outcome == MSGQ_WAITING)
			end_sleep(model, &model->sleepers[i], MSGQ_E_REMOVED);
	}
}

void model_msgq_recover(struct model_msgq *model, const struct actor *dead)
{
	uint32_t i;

	model->n_woken = 0;
	for (i = 0; i < MODEL_PLACES_MAX; i++) {
		if (model->sleepers[i].client == dead->client &&
		    model->sleepers[i].outcome == MSGQ_WAITING)
			model->sleepers[i].used = false;
	}
	for (;;) {
		struct model_sleeper *oldest = NULL;

		for (i = 0; i < MODEL_PLACES_MAX; i++) {
			struct model_sleeper *s = &model->sleepers[i];

			if (s->used && s->receiver && s->client == dead->client &&
			    s->outcome == MSGQ_DONE &&
			    (!oldest || s->handed.arrival < oldest->handed.arrival))
				oldest = s;
		}
		if (!oldest)
			break;
		oldest->used = false;
		if (!model->removed && !hand_off(model, &oldest->handed, dead->now_s))
			insert(model, &oldest->handed);
	}
	for (i = 0; i < MODEL_PLACES_MAX; i++) {
		if (model->sleepers[i].client == dead->client)
			model->sleepers[i].used = false;
	}
	wake_senders(model);
}

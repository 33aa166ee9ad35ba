/* tests/model/msgq-pair.c: see msgq-pair.h. */
#include "model/msgq-pair.h"

#include <string.h>

/* One received message, from either side. */
struct received {
	uint64_t size;
	int64_t type;
	uint8_t text[MODEL_TEXT_MAX];
};

static void grow(struct msgq_pair *pair)
{
	struct msgq_growth growth;

	msgq_growth(&pair->queue, &growth);
	if (growth.n_blocks > pair->n_blocks)
		pair->n_blocks = growth.n_blocks;
	msgq_growth_done(&pair->queue, &growth);
}

void msgq_pair_init(struct msgq_pair *pair, void *base, uint64_t size, uint64_t qbytes)
{
	struct msgq_layout layout;
	struct msgq_growth used;

	ASSERT(msgq_layout(qbytes, &layout) == 0);
	ASSERT(layout.size <= size);
	if (pair->base == base && pair->qbytes_max == qbytes) {
		msgq_growth(&pair->queue, &used); /* what is backed is what was touched */
		memset(pair->base, 0, layout.words_off + used.n_sleepers * 8);
		memset(pair->base + layout.records_off, 0, used.n_sleepers * 48);
		memset(pair->base + layout.blocks_off, 0, pair->n_blocks * 128);
	} else {
		memset(base, 0, layout.size);
	}
	pair->base = base;
	pair->n_blocks = 0;
	pair->qbytes_max = qbytes;
	msgq_format(base, &layout, qbytes, 1);
	ASSERT(msgq_bind(&pair->queue, base, layout.size) == MSGQ_DONE);
	model_msgq_init(&pair->model, qbytes, 1);
}

static bool same_stat(struct msgq_pair *pair)
{
	struct msgq_stat stat;

	msgq_get_stat(&pair->queue, &stat);
	return memcmp(&stat, &pair->model.stat, sizeof(stat)) == 0;
}

static bool same_message(const struct received *received, const struct model_message *message)
{
	return received->size == message->size && received->type == message->type &&
	       memcmp(received->text, message->text, message->size) == 0;
}

static struct msgq_sleeper *sleeper_for(struct msgq_pair *pair, uint32_t sleeper)
{
	if (sleeper == MSGQ_PAIR_NO_WAIT || pair->model.sleepers[sleeper].used)
		return NULL;
	return &pair->sleepers[sleeper];
}

bool msgq_pair_send(struct msgq_pair *pair, const struct actor *actor, int64_t type, uint32_t size,
		    uint32_t sleeper)
{
	struct msgq_sleeper *waits = sleeper_for(pair, sleeper);
	struct model_message message = { .type = type, .size = size };
	const struct msgq_want want = { .size = size };
	struct wakes wakes;
	uint32_t i;
	int outcome, expected;

	for (i = 0; i < size; i++)
		message.text[i] = (uint8_t)(pair->model.clock * 31 + i * 7);
	while ((outcome = msgq_send_or_wait(&pair->queue, actor, type, message.text, size, &wakes,
					    waits)) == MSGQ_GROW)
		grow(pair);
	expected = model_msgq_send(&pair->model, actor, &message);
	if (expected == MSGQ_BLOCKED && waits) {
		model_msgq_sleep(&pair->model, actor, sleeper, false, &want);
		expected = MSGQ_WAITING;
	}
	return outcome == expected && wakes.n == pair->model.n_woken && same_stat(pair);
}

bool msgq_pair_receive(struct msgq_pair *pair, const struct actor *actor,
		       const struct msgq_want *want, uint32_t sleeper)
{
	struct msgq_sleeper *waits = sleeper_for(pair, sleeper);
	struct model_message message;
	struct received received;
	struct wakes wakes;
	int outcome, expected;

	while ((outcome = msgq_receive_or_wait(&pair->queue, actor, want, received.text,
					       &received.size, &received.type, &wakes,
					       waits)) == MSGQ_GROW)
		grow(pair);
	expected = model_msgq_receive(&pair->model, actor, want, &message);
	if (expected == MSGQ_BLOCKED && waits) {
		model_msgq_sleep(&pair->model, actor, sleeper, true, want);
		expected = MSGQ_WAITING;
	}
	return outcome == expected && wakes.n == pair->model.n_woken && same_stat(pair) &&
	       (outcome != MSGQ_DONE || same_message(&received, &message));
}

bool msgq_pair_end(struct msgq_pair *pair, uint32_t sleeper, bool cancel)
{
	const struct model_sleeper old = pair->model.sleepers[sleeper];
	const struct actor actor = { .client = old.client, .pid = old.pid };
	struct msgq_sleeper *own = &pair->sleepers[sleeper];
	struct model_message message;
	struct received received;
	struct wakes wakes;
	int outcome;

	if (!old.used)
		return true;
	if (!old.receiver)
		outcome = cancel ? msgq_send_cancel(&pair->queue, &actor, own, &wakes)
				 : msgq_send_poll(&pair->queue, own);
	else
		outcome = (cancel ? msgq_receive_cancel : msgq_receive_poll)(
			&pair->queue, &actor, own, &old.want, received.text, &received.size,
			&received.type, &wakes);
	return outcome == model_msgq_end(&pair->model, sleeper, cancel, &message) &&
	       same_stat(pair) && (outcome != MSGQ_DONE || same_message(&received, &message));
}

bool msgq_pair_copy(struct msgq_pair *pair, int64_t position, uint64_t size_max, bool noerror)
{
	struct model_message message;
	struct received received;
	int outcome = msgq_copy(&pair->queue, position, size_max, noerror, received.text,
				&received.size, &received.type);

	return outcome == model_msgq_copy(&pair->model, position, size_max, noerror, &message) &&
	       same_stat(pair) && (outcome != MSGQ_DONE || same_message(&received, &message));
}

bool msgq_pair_set(struct msgq_pair *pair, const struct actor *actor, uint64_t qbytes)
{
	struct wakes wakes;
	int outcome = msgq_set(&pair->queue, actor, qbytes, &wakes);

	model_msgq_set(&pair->model, qbytes, actor->now_s);
	return outcome == MSGQ_DONE && wakes.n == pair->model.n_woken && same_stat(pair);
}

bool msgq_pair_recover(struct msgq_pair *pair, const struct actor *dead)
{
	struct wakes wakes;
	int outcome;

	while ((outcome = msgq_recover(&pair->queue, dead, &wakes)) == MSGQ_GROW)
		grow(pair); /* what goes back into the queue may need a node */
	model_msgq_recover(&pair->model, dead);
	return outcome == MSGQ_DONE && wakes.n == pair->model.n_woken && same_stat(pair) &&
	       !msgq_holds(&pair->queue, dead->client);
}

bool msgq_pair_trim(struct msgq_pair *pair, const struct actor *actor)
{
	struct msgq_trim trim;
	uint64_t off, size;
	int outcome;

	if (!msgq_trim_begin(&pair->queue, actor))
		return false;
	msgq_trim_close(&pair->queue);
	outcome = msgq_trim_flip(&pair->queue, actor);
	while (msgq_trim_left(&pair->queue, &trim) && msgq_trim_is_quiet(&pair->queue)) {
		while (msgq_trim_next(&pair->queue, &trim, &off, &size))
			memset(pair->base + off, 0, size);
		msgq_trim_done(&pair->queue, &trim);
	}
	msgq_trim_end(&pair->queue, actor, false);
	return (outcome == MSGQ_DONE || outcome == MSGQ_BLOCKED) && same_stat(pair);
}

bool msgq_pair_remove(struct msgq_pair *pair, const struct actor *actor)
{
	struct wakes wakes;
	int outcome = msgq_remove(&pair->queue, actor, &wakes);

	model_msgq_remove(&pair->model);
	return outcome == MSGQ_DONE && wakes.n == pair->model.n_woken && same_stat(pair);
}

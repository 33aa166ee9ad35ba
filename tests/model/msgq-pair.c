/* tests/model/msgq-pair.c: see msgq-pair.h. */
#include "model/msgq-pair.h"

#include <string.h>

void msgq_pair_init(struct msgq_pair *pair, void *base, uint64_t size, uint64_t qbytes)
{
	struct msgq_layout layout;
	struct msgq_growth used;

	ASSERT(msgq_layout(qbytes, &layout) == 0);
	ASSERT(layout.size <= size);
	if (pair->back)
		pair->back(base, size, true);
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
	pair->seed = 0;
	pair->size = size;
	pair->qbytes_max = qbytes;
	msgq_format(base, &layout, qbytes, 1);
	msgq_act_remap(pair);
	model_msgq_init(&pair->model, qbytes, 1);
	if (pair->back)
		pair->back(pair->base + layout.common_size, size - layout.common_size, false);
}

static bool same_stat(struct msgq_pair *pair)
{
	struct msgq_stat stat;

	msgq_get_stat(&pair->queue, &stat);
	return memcmp(&stat, &pair->model.stat, sizeof(stat)) == 0;
}

bool msgq_pair_follow(struct msgq_pair *pair, const struct msgq_act *act,
		      const struct msgq_result *result)
{
	static struct msgq_result expected;

	msgq_act_remap(pair);
	msgq_act_on_model(&pair->model, act, &expected);
	if ((act->kind == MSGQ_ACT_RECOVER || act->kind == MSGQ_ACT_NEXT_DAEMON) &&
	    msgq_holds(&pair->queue, act->actor.client))
		return false;
	return msgq_act_same(act, result, &expected) && result->n_woken == expected.n_woken &&
	       same_stat(pair);
}

bool msgq_pair_do(struct msgq_pair *pair, const struct msgq_act *act, struct msgq_result *ret_result)
{
	uint64_t n = pair->model.stat.qnum;
	uint32_t before = msgq_progress(&pair->queue);

	msgq_act_on_queue(pair, act, ret_result);
	return msgq_pair_follow(pair, act, ret_result) &&
	       (pair->model.stat.qnum == n || msgq_progress(&pair->queue) != before);
}

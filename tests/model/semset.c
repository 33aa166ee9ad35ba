/* model/semset.c: see the header; every rule done in the most obvious way. */
#include "model/semset.h"

#include <string.h>

void model_semset_init(struct model_semset *model, uint32_t n_sems, int64_t now_s)
{
	memset(model, 0, sizeof(*model));
	model->n_sems = n_sems;
	model->ctime_s = now_s;
}

/*
 * SEM-8, SEM-9 on copies; applies them only if everything succeeds (SEM-10).  *ret_stop: the operation
 * that decided.
 */
static int evaluate(struct model_semset *model, uint32_t client, const struct abi_sembuf *ops,
		    uint32_t n_ops, bool apply, uint32_t *ret_stop)
{
	uint16_t values[MODEL_SEMS_MAX];
	int32_t adjustments[MODEL_SEMS_MAX];
	uint32_t i;

	memcpy(values, model->values, sizeof(values));
	memcpy(adjustments, model->adjustments[client], sizeof(adjustments));
	for (i = 0; i < n_ops; i++) {
		int32_t value = values[ops[i].sem_num];
		int32_t op = ops[i].sem_op;

		*ret_stop = i;
		if ((op == 0 && value != 0) || value + op < 0)
			return ops[i].sem_flg & ABI_IPC_NOWAIT ? SEMSET_E_AGAIN : SEMSET_BLOCKED;
		if (value + op > 32767)
			return SEMSET_E_RANGE;
		if (ops[i].sem_flg & ABI_SEM_UNDO) {
			int32_t adjustment = adjustments[ops[i].sem_num] - op;

			if (adjustment < -32768 || adjustment > 32767)
				return SEMSET_E_RANGE;
			adjustments[ops[i].sem_num] = adjustment;
		}
		values[ops[i].sem_num] = (uint16_t)(value + op);
	}
	if (apply) {
		memcpy(model->values, values, sizeof(values));
		memcpy(model->adjustments[client], adjustments, sizeof(adjustments));
	}
	return SEMSET_DONE;
}

/* SEM-13, SEM-19. */
static void stamp(struct model_semset *model, const struct abi_sembuf *ops, uint32_t n_ops,
		  uint32_t pid, int64_t now_s)
{
	uint32_t i;

	for (i = 0; i < n_ops; i++)
		model->pids[ops[i].sem_num] = pid;
	model->otime_s = now_s;
}

static bool alters(const struct model_sleeper *sleeper)
{
	uint32_t i;

	for (i = 0; i < sleeper->n_ops; i++) {
		if (sleeper->ops[i].sem_op != 0)
			return true;
	}
	return false;
}

/* The oldest sleeper of a kind that would not sleep now. */
static struct model_sleeper *find_endable(struct model_semset *model, bool altering)
{
	struct model_sleeper *best = NULL;
	uint32_t i, stop;

	for (i = 0; i < MODEL_SLEEPERS_MAX; i++) {
		struct model_sleeper *sleeper = &model->sleepers[i];

		if (!sleeper->used || !sleeper->waiting || alters(sleeper) != altering)
			continue;
		if (best && best->age < sleeper->age)
			continue;
		if (evaluate(model, sleeper->client, sleeper->ops, sleeper->n_ops, false, &stop) !=
		    SEMSET_BLOCKED)
			best = sleeper;
	}
	return best;
}

/* SEM-21. */
static void wake_pass(struct model_semset *model, int64_t now_s)
{
	struct model_sleeper *sleeper;
	uint32_t stop;

	for (;;) {
		sleeper = find_endable(model, false);
		if (!sleeper)
			sleeper = find_endable(model, true);
		if (!sleeper)
			return;
		sleeper->result = evaluate(model, sleeper->client, sleeper->ops, sleeper->n_ops, true,
					   &stop);
		sleeper->waiting = false;
		if (sleeper->result == SEMSET_DONE)
			stamp(model, sleeper->ops, sleeper->n_ops, sleeper->pid, now_s);
	}
}

static int fall_asleep(struct model_semset *model, const struct model_caller *caller,
		       const struct abi_sembuf *ops, uint32_t n_ops, uint32_t *ret_sleeper)
{
	uint32_t i;

	for (i = 0; i < MODEL_SLEEPERS_MAX; i++) {
		struct model_sleeper *sleeper = &model->sleepers[i];

		if (sleeper->used)
			continue;
		sleeper->used = true;
		sleeper->waiting = true;
		sleeper->client = caller->client;
		sleeper->pid = caller->pid;
		sleeper->age = model->clock++;
		sleeper->n_ops = n_ops;
		memcpy(sleeper->ops, ops, n_ops * sizeof(*ops));
		*ret_sleeper = i;
		return SEMSET_WAITING;
	}
	return SEMSET_E_NOMEM;
}

int model_semset_op(struct model_semset *model, const struct model_caller *caller,
		    const struct abi_sembuf *ops, uint32_t n_ops, uint32_t *ret_sleeper)
{
	uint32_t i, stop;
	int outcome;

	if (model->removed)
		return SEMSET_E_REMOVED;
	for (i = 0; i < n_ops; i++) {
		if (ops[i].sem_num >= model->n_sems)
			return SEMSET_E_FBIG;
	}
	for (i = 0; i < n_ops; i++) {
		if ((ops[i].sem_flg & ABI_SEM_UNDO) && ops[i].sem_op != 0)
			model->has_record[caller->client] = true;
	}
	outcome = evaluate(model, caller->client, ops, n_ops, true, &stop);
	if (outcome == SEMSET_BLOCKED && ret_sleeper)
		return fall_asleep(model, caller, ops, n_ops, ret_sleeper);
	if (outcome != SEMSET_DONE)
		return outcome;
	stamp(model, ops, n_ops, caller->pid, caller->now_s);
	wake_pass(model, caller->now_s);
	return SEMSET_DONE;
}

int model_semset_poll(struct model_semset *model, uint32_t sleeper)
{
	if (model->sleepers[sleeper].waiting)
		return SEMSET_WAITING;
	model->sleepers[sleeper].used = false;
	return model->sleepers[sleeper].result;
}

int model_semset_cancel(struct model_semset *model, uint32_t sleeper)
{
	model->sleepers[sleeper].used = false;
	return model->sleepers[sleeper].waiting ? SEMSET_BLOCKED : model->sleepers[sleeper].result;
}

static void assign(struct model_semset *model, const struct model_caller *caller, uint32_t sem_num,
		   uint32_t value)
{
	uint32_t client;

	model->values[sem_num] = (uint16_t)value;
	model->pids[sem_num] = caller->pid;
	for (client = 0; client < MODEL_CLIENTS_MAX; client++)
		model->adjustments[client][sem_num] = 0;
}

void model_semset_set_value(struct model_semset *model, const struct model_caller *caller,
			    uint32_t sem_num, uint32_t value)
{
	assign(model, caller, sem_num, value);
	model->ctime_s = caller->now_s;
	wake_pass(model, caller->now_s);
}

void model_semset_set_all(struct model_semset *model, const struct model_caller *caller,
			  const uint16_t *values)
{
	uint32_t i;

	for (i = 0; i < model->n_sems; i++)
		assign(model, caller, i, values[i]);
	model->ctime_s = caller->now_s;
	wake_pass(model, caller->now_s);
}

void model_semset_counts(const struct model_semset *model, uint32_t sem_num, uint32_t *ret_ncnt,
			 uint32_t *ret_zcnt)
{
	uint32_t i, stop;

	*ret_ncnt = 0;
	*ret_zcnt = 0;
	for (i = 0; i < MODEL_SLEEPERS_MAX; i++) {
		const struct model_sleeper *sleeper = &model->sleepers[i];

		if (!sleeper->used || !sleeper->waiting)
			continue;
		(void)evaluate((struct model_semset *)model, sleeper->client, sleeper->ops,
			       sleeper->n_ops, false, &stop);
		if (sleeper->ops[stop].sem_num != sem_num)
			continue;
		if (sleeper->ops[stop].sem_op < 0)
			(*ret_ncnt)++;
		else
			(*ret_zcnt)++;
	}
}

void model_semset_exit(struct model_semset *model, const struct model_caller *caller)
{
	uint32_t i;

	for (i = 0; i < MODEL_SLEEPERS_MAX; i++) {
		if (model->sleepers[i].client == caller->client)
			model->sleepers[i].used = false;
	}
	for (i = 0; i < model->n_sems; i++) {
		int32_t adjustment = model->adjustments[caller->client][i];
		int32_t value = model->values[i] + adjustment;

		if (adjustment == 0)
			continue;
		model->values[i] = (uint16_t)(value < 0 ? 0 : value > 32767 ? 32767 : value);
		model->pids[i] = caller->pid;
		model->adjustments[caller->client][i] = 0;
	}
	if (model->has_record[caller->client])
		model->otime_s = caller->now_s;
	model->has_record[caller->client] = false;
	wake_pass(model, caller->now_s);
}

void model_semset_remove(struct model_semset *model)
{
	uint32_t i;

	model->removed = true;
	for (i = 0; i < MODEL_SLEEPERS_MAX; i++) {
		if (model->sleepers[i].used && model->sleepers[i].waiting) {
			model->sleepers[i].waiting = false;
			model->sleepers[i].result = SEMSET_E_REMOVED;
		}
	}
}

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
		model->n_ended++;
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
		sleeper->is_void = false;
		sleeper->number = 0;
		sleeper->place = MODEL_PLACE_NONE;
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

static bool names(const struct model_sleeper *sleeper, uint32_t sem_num)
{
	uint32_t i;

	for (i = 0; i < sleeper->n_ops; i++) {
		if (sleeper->ops[i].sem_num == sem_num)
			return true;
	}
	return false;
}

static void assign(struct model_semset *model, const struct model_caller *caller, uint32_t sem_num,
		   uint32_t value)
{
	uint32_t client, i;

	model->values[sem_num] = (uint16_t)value;
	model->pids[sem_num] = caller->pid;
	for (client = 0; client < MODEL_CLIENTS_MAX; client++)
		model->adjustments[client][sem_num] = 0;
	for (i = 0; i < MODEL_SLEEPERS_MAX; i++) {
		struct model_sleeper *sleeper = &model->sleepers[i];

		if (sleeper->used && !sleeper->waiting && names(sleeper, sem_num))
			sleeper->is_void = true;
	}
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

/* --- calls in somebody's stead -------------------------------------------------------------------- */

static struct model_sleeper *find_stead(struct model_semset *model, uint32_t client, uint32_t number)
{
	uint32_t i;

	for (i = 0; i < MODEL_SLEEPERS_MAX; i++) {
		struct model_sleeper *sleeper = &model->sleepers[i];

		if (sleeper->used && sleeper->client == client && sleeper->number == number)
			return sleeper;
	}
	return NULL;
}

/* True if the call is not to be made now: *ret_outcome is what is said. */
static bool stead_answer(struct model_semset *model, const struct model_caller *caller,
			 const struct stead *stead, int *ret_outcome)
{
	struct model_sleeper *sleeper = find_stead(model, caller->client, stead->number);

	if (!sleeper) {
		*ret_outcome = model->removed ? SEMSET_E_REMOVED : SEMSET_BLOCKED;
		return model->removed || !stead->may_begin;
	}
	if (sleeper->waiting)
		*ret_outcome = stead->may_wait ? SEMSET_WAITING : SEMSET_BLOCKED;
	else
		*ret_outcome = sleeper->result;
	sleeper->used = *ret_outcome == SEMSET_WAITING || *ret_outcome == SEMSET_DONE;
	return true;
}

static bool is_full(const struct model_semset *model)
{
	uint32_t i;

	for (i = 0; i < MODEL_SLEEPERS_MAX; i++) {
		if (!model->sleepers[i].used)
			return false;
	}
	return true;
}

/* What was done stands until it is ended. */
static void stead_stands(struct model_semset *model, const struct model_caller *caller,
			 const struct stead *stead, const struct abi_sembuf *ops, uint32_t n_ops)
{
	uint32_t i;

	(void)fall_asleep(model, caller, ops, n_ops, &i); /* there is room */
	model->sleepers[i].waiting = false;
	model->sleepers[i].result = SEMSET_DONE;
	model->sleepers[i].number = stead->number;
}

int model_semset_stead_op(struct model_semset *model, const struct model_caller *caller,
			  const struct stead *stead, const struct abi_sembuf *ops, uint32_t n_ops)
{
	uint32_t i = 0;
	int outcome;

	if (stead_answer(model, caller, stead, &outcome))
		return outcome;
	if (is_full(model))
		return SEMSET_E_NOMEM;
	outcome = model_semset_op(model, caller, ops, n_ops, stead->may_wait ? &i : NULL);
	if (outcome == SEMSET_DONE)
		stead_stands(model, caller, stead, ops, n_ops);
	if (outcome == SEMSET_WAITING)
		model->sleepers[i].number = stead->number;
	return outcome;
}

int model_semset_stead_assign(struct model_semset *model, const struct model_caller *caller,
			      const struct stead *stead, const uint16_t *values, uint32_t first,
			      uint32_t n)
{
	const struct abi_sembuf nothing = { (uint16_t)first, 0, 0 };
	int outcome;

	if (stead_answer(model, caller, stead, &outcome))
		return outcome;
	if (is_full(model))
		return SEMSET_E_NOMEM;
	if (n == 1)
		model_semset_set_value(model, caller, first, values[0]);
	else
		model_semset_set_all(model, caller, values);
	stead_stands(model, caller, stead, &nothing, 1);
	return SEMSET_DONE;
}

void model_semset_stead_end(struct model_semset *model, const struct model_caller *caller,
			    uint32_t number)
{
	struct model_sleeper *sleeper = find_stead(model, caller->client, number);

	if (sleeper)
		sleeper->used = false;
}

/* --- the end -------------------------------------------------------------------------------------- */

static int32_t clamped(int32_t value)
{
	return value < 0 ? 0 : value > 32767 ? 32767 : value;
}

static void hand_back(struct model_semset *model, const struct model_sleeper *sleeper)
{
	uint32_t i;

	for (i = sleeper->n_ops; i > 0; i--) {
		const struct abi_sembuf *op = &sleeper->ops[i - 1];
		int32_t *adjustment = &model->adjustments[sleeper->client][op->sem_num];
		uint16_t *value = &model->values[op->sem_num];

		*value = (uint16_t)clamped(*value - op->sem_op);
		if ((op->sem_flg & ABI_SEM_UNDO) && *adjustment + op->sem_op >= -32768 &&
		    *adjustment + op->sem_op <= 32767)
			*adjustment += op->sem_op;
	}
}

bool model_semset_end_sleeper(struct model_semset *model, const struct model_caller *caller, bool keep)
{
	struct model_sleeper *first = NULL;
	uint32_t i;

	for (i = 0; i < MODEL_SLEEPERS_MAX; i++) {
		struct model_sleeper *sleeper = &model->sleepers[i];

		if (sleeper->used && sleeper->client == caller->client &&
		    (!first || sleeper->place < first->place))
			first = sleeper;
	}
	if (!first)
		return false;
	first->used = false;
	if (!keep && !first->waiting && first->result == SEMSET_DONE && !first->is_void) {
		hand_back(model, first);
		wake_pass(model, caller->now_s);
	}
	return true;
}

void model_semset_undo(struct model_semset *model, const struct model_caller *caller)
{
	uint32_t i;

	for (i = 0; i < model->n_sems; i++) {
		int32_t adjustment = model->adjustments[caller->client][i];

		if (adjustment == 0)
			continue;
		model->values[i] = (uint16_t)clamped(model->values[i] + adjustment);
		model->pids[i] = caller->pid;
		model->adjustments[caller->client][i] = 0;
	}
	if (model->has_record[caller->client])
		model->otime_s = caller->now_s;
	model->has_record[caller->client] = false;
	wake_pass(model, caller->now_s);
}

void model_semset_exit(struct model_semset *model, const struct model_caller *caller)
{
	while (model_semset_end_sleeper(model, caller, false))
		;
	model_semset_undo(model, caller);
}

bool model_semset_remove_step(struct model_semset *model)
{
	struct model_sleeper *first = NULL;
	uint32_t i;

	if (!model->removed) {
		model->removed = true;
		return true;
	}
	for (i = 0; i < MODEL_SLEEPERS_MAX; i++) {
		struct model_sleeper *sleeper = &model->sleepers[i];

		if (sleeper->used && sleeper->waiting && (!first || sleeper->place < first->place))
			first = sleeper;
	}
	if (!first)
		return false;
	first->waiting = false;
	first->result = SEMSET_E_REMOVED;
	model->n_ended++;
	return true;
}

void model_semset_remove(struct model_semset *model)
{
	while (model_semset_remove_step(model))
		;
}

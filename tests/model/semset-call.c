/* model/semset-call.c: see the header. */
#include "model/semset-call.h"

#include "core/semset-internal.h"

bool semset_call_is_daemons(const struct semset_call *call)
{
	return call->kind >= CALL_DEATH;
}

bool semset_call_is_new_sleeper(const struct semset_call *call)
{
	return call->kind == CALL_WAIT ||
	       (call->kind >= CALL_STEAD_OP && call->kind <= CALL_STEAD_SET_ALL);
}

const char *semset_call_to_string(const struct semset_call *call)
{
	static const char *const names[] = {
		"semop",	   "semop that may sleep", "a sleeper leaves", "a sleeper looks",
		"SETVAL",	   "SETALL",		   "GETALL",	       "settle",
		"exit",		   "death",		   "exec",	       "IPC_RMID",
		"semop in its stead", "SETVAL in its stead", "SETALL in its stead", "end of a call in its stead",
	};

	return names[call->kind];
}

/* --- on the set ----------------------------------------------------------------------------------- */

static int run_once(struct semset *set, const struct semset_call *call, const struct actor *actor,
		    struct semset_answer *answer, struct wakes *wakes)
{
	struct semset_sleeper sleeper = { call->place, sleeper_word(&set->sleepers, call->place), 0 };
	const uint32_t n_sems = set->layout.n_sems;
	int outcome;

	switch (call->kind) {
	case CALL_OP:
		return semset_op(set, actor, call->ops, call->n_ops, wakes);
	case CALL_WAIT:
		outcome = semset_op_or_wait(set, actor, call->ops, call->n_ops, wakes, &sleeper);
		answer->place = outcome == SEMSET_WAITING ? sleeper.index : MODEL_PLACE_NONE;
		return outcome;
	case CALL_LEAVE:
		return semset_cancel(set, actor, &sleeper);
	case CALL_LOOK:
		return semset_poll(set, &sleeper);
	case CALL_SET_ONE:
		return semset_set_value(set, actor, call->sem_num, call->values[0], wakes);
	case CALL_SET_ALL:
		return semset_set_all(set, actor, call->values, NULL, wakes);
	case CALL_READ:
		return semset_get_all(set, answer->values);
	case CALL_SETTLE:
		return semset_settle(set, actor, wakes);
	case CALL_EXIT:
		return semset_apply_undo(set, actor, wakes);
	case CALL_DEATH:
		return semset_recover(set, actor, wakes);
	case CALL_EXEC:
		return semset_execed(set, actor, wakes);
	case CALL_REMOVE:
		return semset_remove(set, actor, wakes);
	case CALL_STEAD_OP:
		return semset_stead_op(set, actor, &call->stead, call->ops, call->n_ops, wakes);
	case CALL_STEAD_SET_ONE:
		return semset_stead_assign(set, actor, &call->stead, call->values, call->sem_num, 1, NULL,
					   wakes);
	case CALL_STEAD_SET_ALL:
		return semset_stead_assign(set, actor, &call->stead, call->values, 0, n_sems, NULL, wakes);
	default:
		semset_stead_end(set, actor, call->stead.number);
		return SEMSET_DONE;
	}
}

void semset_call_run(struct semset *set, const struct semset_call *call, struct semset_answer *answer)
{
	const struct actor actor = { .client = call->client + 1,
				     .pid = 1000 + call->client,
				     .hint = call->client,
				     .now_s = call->now_s,
				     .slot = call->slot };
	const struct semset_call settle = { .kind = CALL_SETTLE };
	const struct semset_call *now = call;
	struct semset_growth growth;
	struct wakes wakes;

	do {
		wakes.n = 0;
		answer->outcome = run_once(set, now, &actor, answer, &wakes);
		for (uint32_t i = 0; i < wakes.n && answer->n_woken < CALL_WAKES_MAX; i++)
			answer->woken[answer->n_woken++] = wakes.word_indexes[i];
		if (semset_growth(set, answer->outcome, &growth))
			semset_grown(set, &growth);
		else if (answer->outcome != SEMSET_MORE)
			break;
		else if (call->kind <= CALL_SETTLE || call->kind >= CALL_STEAD_OP)
			now = &settle; /* the others go on where they were */
	} while (true);
}

/* --- on the model --------------------------------------------------------------------------------- */

static bool wait_step(struct model_semset *model, const struct semset_call *call,
		      const struct model_caller *caller, uint32_t step, struct semset_answer *answer)
{
	if (step == 0) {
		answer->outcome =
			model_semset_op(model, caller, call->ops, call->n_ops, &answer->sleeper);
		if (answer->outcome == SEMSET_WAITING)
			model->sleepers[answer->sleeper].place = call->place;
		return true;
	}
	if (step > 1 || answer->outcome != SEMSET_WAITING)
		return false;
	if (!model->sleepers[answer->sleeper].waiting || model->removed) {
		answer->outcome = model_semset_cancel(model, answer->sleeper);
		if (answer->outcome == SEMSET_BLOCKED)
			answer->outcome = SEMSET_E_REMOVED;
	}
	return true;
}

/* What comes to wait in somebody's stead is looked at once more. */
static bool stead_look_step(struct model_semset *model, const struct semset_call *call,
			    const struct model_caller *caller, uint32_t step,
			    struct semset_answer *answer)
{
	struct stead stead = call->stead;

	if (step > 1 || answer->outcome != SEMSET_WAITING)
		return false;
	stead.may_begin = false;
	answer->outcome = model_semset_stead_op(model, caller, &stead, call->ops, call->n_ops);
	return true;
}

/* What ends a process, in the order in which recovery goes; the adjustments come last. */
static bool end_step(struct model_semset *model, const struct semset_call *call,
		     const struct model_caller *caller, struct semset_answer *answer)
{
	answer->outcome = SEMSET_DONE;
	if (call->kind == CALL_REMOVE)
		return model_semset_remove_step(model);
	if (call->kind != CALL_EXIT && model_semset_end_sleeper(model, caller, call->kind == CALL_EXEC))
		return true;
	if (call->kind == CALL_EXEC || answer->is_over)
		return false;
	answer->is_over = true;
	model_semset_undo(model, caller);
	return true;
}

static void stands_at(struct model_semset *model, const struct semset_call *call)
{
	for (uint32_t i = 0; i < MODEL_SLEEPERS_MAX; i++) {
		struct model_sleeper *stands = &model->sleepers[i];

		if (stands->used && stands->client == call->client &&
		    stands->number == call->stead.number && stands->place == MODEL_PLACE_NONE)
			stands->place = call->place;
	}
}

static void only_step(struct model_semset *model, const struct semset_call *call,
		      const struct model_caller *caller, struct semset_answer *answer)
{
	answer->outcome = SEMSET_DONE;
	switch (call->kind) {
	case CALL_OP:
		answer->outcome = model_semset_op(model, caller, call->ops, call->n_ops, NULL);
		break;
	case CALL_LEAVE:
		answer->outcome = model_semset_cancel(model, call->sleeper);
		break;
	case CALL_LOOK:
		answer->outcome = model_semset_poll(model, call->sleeper);
		break;
	case CALL_SET_ONE:
	case CALL_SET_ALL:
		if (model->removed)
			answer->outcome = SEMSET_E_REMOVED;
		else if (call->kind == CALL_SET_ONE)
			model_semset_set_value(model, caller, call->sem_num, call->values[0]);
		else
			model_semset_set_all(model, caller, call->values);
		break;
	case CALL_READ:
		for (uint32_t i = 0; i < model->n_sems; i++)
			answer->values[i] = model->values[i];
		break;
	case CALL_STEAD_OP:
		answer->outcome =
			model_semset_stead_op(model, caller, &call->stead, call->ops, call->n_ops);
		break;
	case CALL_STEAD_SET_ONE:
		answer->outcome = model_semset_stead_assign(model, caller, &call->stead, call->values,
							    call->sem_num, 1);
		break;
	case CALL_STEAD_SET_ALL:
		answer->outcome = model_semset_stead_assign(model, caller, &call->stead, call->values, 0,
							    model->n_sems);
		break;
	case CALL_STEAD_END:
		model_semset_stead_end(model, caller, call->stead.number);
		break;
	default:
		break;
	}
	if (semset_call_is_daemons(call))
		stands_at(model, call);
}

bool semset_call_step(struct model_semset *model, const struct semset_call *call, uint32_t step,
		      bool is_late, struct semset_answer *answer)
{
	const struct model_caller caller = { call->client, 1000 + call->client, call->now_s };
	const bool was_removed = model->removed;
	bool is_step = step == 0;

	if (call->kind >= CALL_EXIT && call->kind <= CALL_REMOVE)
		return end_step(model, call, &caller, answer);
	if (is_late && step == 0)
		model->removed = false;
	if (call->kind == CALL_WAIT)
		is_step = wait_step(model, call, &caller, step, answer);
	else if (call->kind == CALL_STEAD_OP && step > 0)
		is_step = stead_look_step(model, call, &caller, step, answer);
	else if (step == 0)
		only_step(model, call, &caller, answer);
	model->removed = was_removed;
	return is_step;
}

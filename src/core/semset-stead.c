/*
 * semset-stead.c: calls made in somebody's stead (stead.h).
 *
 * Each has a sleeper's record, also if it need not sleep, whose state goes from FREE to DONE or WAITING
 * in the very commit that carries the call out or registers it.
 *
 * Invariants:
 *  1. A record with a number belongs to the call of that number of its owner; FREE: it has not happened.
 *  2. A record that is given back has no number.
 */
#include "core/mcas-internal.h"
#include "core/semset-internal.h"

/* What stands is decided and of no use any more, or was never begun. */
static void stead_release(struct semset *set, const struct actor *actor, uint32_t index)
{
	shared32_store(&semset_record(set, index)->head.number, 0);
	semwait_release(set, index, actor->client);
}

static bool stead_find(const struct semset *set, const struct actor *actor, uint32_t number,
		       uint32_t *ret_index)
{
	uint32_t end = semset_scan_end(set);
	uint32_t i;

	for (i = 0; i < end; i++) {
		const struct sleeper_record *record = &semset_record(set, i)->head;

		if (shared32_load(&record->number) != number ||
		    shared64_load(&record->owner) != actor->client)
			continue;
		*ret_index = i;
		return true;
	}
	return false;
}

/*
 * Ends what the record says; only then it goes, so that who is killed in between leaves nothing that could
 * be handed back.  False: it says something else now.
 */
static bool stead_free(struct semset *set, const struct actor *actor, uint32_t index, uint64_t word)
{
	uint64_t next = mcas_next(word, sleeper_payload(SLEEPER_FREE, 0));

	if (mcas_change_one(&set->mcas, sleeper_word(&set->sleepers, index), word, next) != MCAS_DONE)
		return false;
	stead_release(set, actor, index);
	return true;
}

/* What has become of a call; SEMTX_RETRY: it has not happened. */
static int stead_look(struct semset *set, const struct actor *actor, const struct stead *stead,
		      uint32_t index)
{
	uint32_t rounds;
	uint64_t word;

	for (rounds = 0; rounds < MCAS_ROUNDS_MAX; rounds++) {
		if (mcas_word_settled(&set->mcas, sleeper_word(&set->sleepers, index), &word))
			return SEMSET_E_CORRUPT;
		switch (sleeper_state(word)) {
		case SLEEPER_FREE:
			return SEMTX_RETRY;
		case SLEEPER_WAITING:
			if (stead->may_wait)
				return SEMSET_WAITING;
			if (stead_free(set, actor, index, word))
				return SEMSET_BLOCKED;
			break;
		default:
			switch (sleeper_argument(word) & DONE_RESULT_MASK) {
			case SEMSET_DONE:
				return SEMSET_DONE;
			case SEMSET_E_AGAIN:
			case SEMSET_E_RANGE:
			case SEMSET_E_REMOVED:
				stead_release(set, actor, index);
				return (int)(sleeper_argument(word) & DONE_RESULT_MASK);
			default:
				return SEMSET_E_CORRUPT;
			}
		}
	}
	return SEMSET_E_CORRUPT;
}

/* A call to be carried out, and where it is noted. */
struct stead_call {
	struct semtx_array *array;            /* semop, or NULL */
	struct semset_assignment *assignment; /* SETVAL, SETALL */
	bool may_wait;
	uint32_t index;
};

static int build_stead(struct semtx *tx, void *context)
{
	const struct stead_call *call = context;
	uint32_t payload = sleeper_payload(SLEEPER_DONE, SEMSET_DONE);
	uint32_t entry;
	int outcome = semtx_entry(tx, sleeper_word(&tx->set->sleepers, call->index), &entry);

	if (outcome != 0)
		return outcome;
	if (sleeper_state(tx->changes[entry].old) != SLEEPER_FREE)
		return SEMSET_E_CORRUPT;
	outcome = call->array ? semtx_build_op(tx, call->array)
			      : semundo_build_assignment(tx, call->assignment);
	if (outcome == SEMSET_BLOCKED && call->may_wait) {
		payload = sleeper_payload(SLEEPER_WAITING, semwait_argument(call->array));
		outcome = semwait_flag(tx, call->array);
	}
	if (outcome != SEMSET_DONE)
		return outcome;
	semtx_set_payload(tx, entry, payload);
	tx->dirty = true;
	return SEMSET_DONE;
}

/* Takes a record, of as many ops as array has. */
static int stead_claim(struct semset *set, const struct actor *actor, const struct stead *stead,
		       const struct semtx_array *array, uint32_t *ret_index)
{
	int outcome = semwait_claim(set, actor, array, ret_index);

	if (outcome == SEMSET_DONE)
		shared32_store(&semset_record(set, *ret_index)->head.number, stead->number);
	return outcome;
}

/*
 * What stands already, if anything does: its outcome.  SEMTX_RETRY: the call is to be carried out.
 */
static int stead_begin(struct semset *set, const struct actor *actor, const struct stead *stead)
{
	int outcome = SEMTX_RETRY;
	uint32_t index;

	if (stead_find(set, actor, stead->number, &index)) {
		outcome = stead_look(set, actor, stead, index);
		if (outcome == SEMTX_RETRY)
			stead_release(set, actor, index); /* whoever was at it has been killed */
	}
	if (outcome != SEMTX_RETRY)
		return outcome;
	if (semset_is_removed(set))
		return SEMSET_E_REMOVED;
	return stead->may_begin ? SEMTX_RETRY : SEMSET_BLOCKED;
}

/* The transaction; unless it succeeds the record goes. */
static int stead_run(struct semset *set, const struct actor *actor, struct stead_call *call,
		     struct wakes *wakes, void *memory)
{
	int outcome = semtx_run_in(set, actor, build_stead, call, wakes, memory);

	if (outcome != SEMSET_DONE && outcome != SEMSET_MORE)
		stead_release(set, actor, call->index);
	return outcome;
}

int semset_stead_op(struct semset *set, const struct actor *actor, const struct stead *stead,
		    const struct abi_sembuf *ops, uint32_t n_ops, struct wakes *ret_wakes)
{
	struct semtx_array array;
	struct stead_call call = { .array = &array, .may_wait = stead->may_wait };
	uint32_t rounds;
	int outcome, stands;

	ret_wakes->n = 0;
	outcome = stead_begin(set, actor, stead);
	if (outcome != SEMTX_RETRY)
		return outcome;
	for (rounds = 0; rounds < MCAS_ROUNDS_MAX; rounds++) {
		outcome = semtx_array_prepare(set, actor, ops, n_ops, &array);
		if (outcome == SEMSET_DONE)
			outcome = stead_claim(set, actor, stead, &array, &call.index);
		if (outcome == SEMSET_DONE)
			outcome = stead_run(set, actor, &call, ret_wakes, NULL);
		if (outcome != SEMTX_ROW_GONE)
			break;
	}
	if (outcome != SEMSET_DONE && outcome != SEMSET_MORE)
		return outcome == SEMTX_ROW_GONE ? SEMSET_E_CORRUPT : outcome;
	stands = stead_look(set, actor, stead, call.index);
	if (stands != SEMSET_DONE)
		return stands == SEMTX_RETRY ? SEMSET_E_CORRUPT : stands;
	return semwait_finish(set, actor, outcome, ret_wakes);
}

int semset_stead_assign(struct semset *set, const struct actor *actor, const struct stead *stead,
			const uint16_t *values, uint32_t first, uint32_t n, void *memory,
			struct wakes *ret_wakes)
{
	struct semset_assignment assignment = { values, first, n };
	struct stead_call call = { .assignment = &assignment };
	const struct semtx_array array = { .n_ops = 1, .row = ROW_NONE,
					   .ops = &(struct abi_sembuf){ .sem_num = (uint16_t)first } };
	int outcome;

	ASSERT(first < set->layout.n_sems && n <= set->layout.n_sems - first);
	ret_wakes->n = 0;
	outcome = stead_begin(set, actor, stead);
	if (outcome != SEMTX_RETRY)
		return outcome;
	outcome = stead_claim(set, actor, stead, &array, &call.index);
	if (outcome != SEMSET_DONE)
		return outcome;
	return semundo_assigned(set, actor, &assignment,
				stead_run(set, actor, &call, ret_wakes, memory), ret_wakes);
}

void semset_stead_end(struct semset *set, const struct actor *actor, uint32_t number)
{
	uint32_t index, rounds;
	uint64_t word;

	if (!stead_find(set, actor, number, &index))
		return;
	for (rounds = 0; rounds < MCAS_ROUNDS_MAX; rounds++) {
		if (mcas_word_settled(&set->mcas, sleeper_word(&set->sleepers, index), &word) ||
		    stead_free(set, actor, index, word))
			return;
	}
}

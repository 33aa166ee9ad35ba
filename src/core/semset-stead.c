/*
 * semset-stead.c: calls made in somebody's stead (stead.h).
 *
 * Each has a sleeper's record, also if it need not sleep, whose state goes from FREE to DONE or WAITING
 * in the very commit that carries the call out or registers it.
 *
 * Invariants:
 *  1. A record with a number belongs to the call of that number of its owner; FREE: it has not happened.
 *  2. A record that is given back has no number.
 *  3. While the daemon makes no call, no record with a number is FREE: it is claimed, and given back, under
 *     the daemon's identity, and only what has ended is on its way back.
 */
#include "core/mcas-internal.h"
#include "core/semset-internal.h"

/*
 * Passes a record and those its array goes on in to another owner.  The first one's number, while it is FREE,
 * says that some of them may be his and some the daemon's.
 */
static void stead_pass(struct semset *set, uint32_t index, uint64_t owner)
{
	uint32_t left = SEM_NOPS_MAX / SEMSET_RECORD_OPS + 1;
	uint32_t end = semset_sleepers_backed(set);
	struct semset_record *record;

	for (; left > 0 && index < end; left--) {
		record = semset_record(set, index);
		shared64_store(&record->head.owner, owner);
		index = (uint32_t)(shared64_load(&record->link) >> 32) - 1;
	}
}

/* A record that is FREE is of no use any more, or has never been. */
static void stead_release(struct semset *set, uint32_t index)
{
	stead_pass(set, index, ACTOR_DAEMON);
	shared32_store(&semset_record(set, index)->head.number, 0);
	semwait_release(set, index, ACTOR_DAEMON);
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

/* Ends what the record says (3).  False: it says something else now. */
static bool stead_free(struct semset *set, uint32_t index, uint64_t word)
{
	uint64_t next = mcas_next(word, sleeper_payload(SLEEPER_FREE, 0));

	if (mcas_change_one(&set->mcas, sleeper_word(&set->sleepers, index), word, next) != MCAS_DONE)
		return false;
	stead_release(set, index);
	return true;
}

/* What has become of a call; SEMTX_RETRY: it has not happened. */
static int stead_look(struct semset *set, const struct stead *stead, uint32_t index)
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
			if (stead_free(set, index, word))
				return SEMSET_BLOCKED;
			break;
		default:
			switch (sleeper_argument(word) & DONE_RESULT_MASK) {
			case SEMSET_DONE:
				return SEMSET_DONE;
			case SEMSET_E_AGAIN:
			case SEMSET_E_RANGE:
			case SEMSET_E_REMOVED:
				if (stead_free(set, index, word))
					return (int)(sleeper_argument(word) & DONE_RESULT_MASK);
				break;
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

/* Takes a record, of as many ops as array has; it becomes the asker's when it is whole. */
static int stead_claim(struct semset *set, const struct actor *asker, const struct stead *stead,
		       const struct semtx_array *array, uint32_t *ret_index)
{
	const struct actor hands = stead_hands(asker);
	int outcome = semwait_claim(set, &hands, array, ret_index);

	if (outcome != SEMSET_DONE)
		return outcome;
	shared32_store(&semset_record(set, *ret_index)->head.number, stead->number);
	stead_pass(set, *ret_index, asker->client);
	return SEMSET_DONE;
}

/*
 * What stands already, if anything does: its outcome.  SEMTX_RETRY: the call is to be carried out.
 */
static int stead_begin(struct semset *set, const struct actor *actor, const struct stead *stead)
{
	int outcome = SEMTX_RETRY;
	uint32_t index;

	if (stead_find(set, actor, stead->number, &index)) {
		outcome = stead_look(set, stead, index);
		if (outcome == SEMTX_RETRY)
			stead_release(set, index); /* whoever was at it has been killed */
	}
	if (outcome != SEMTX_RETRY)
		return outcome;
	if (semset_is_removed(set))
		return SEMSET_E_REMOVED;
	return stead->may_begin ? SEMTX_RETRY : SEMSET_BLOCKED;
}

/* The transaction; unless it succeeds the record goes. */
static int stead_run(struct semset *set, const struct actor *hands, struct stead_call *call,
		     struct wakes *wakes, void *memory)
{
	int outcome = semtx_run_in(set, hands, build_stead, call, wakes, memory);

	if (outcome != SEMSET_DONE && outcome != SEMSET_MORE)
		stead_release(set, call->index);
	return outcome;
}

int semset_stead_op(struct semset *set, const struct actor *actor, const struct stead *stead,
		    const struct abi_sembuf *ops, uint32_t n_ops, struct wakes *ret_wakes)
{
	const struct actor hands = stead_hands(actor);
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
			outcome = stead_run(set, &hands, &call, ret_wakes, NULL);
		if (outcome != SEMTX_ROW_GONE)
			break;
	}
	if (outcome != SEMSET_DONE && outcome != SEMSET_MORE)
		return outcome == SEMTX_ROW_GONE ? SEMSET_E_CORRUPT : outcome;
	stands = stead_look(set, stead, call.index);
	if (stands != SEMSET_DONE)
		return stands == SEMTX_RETRY ? SEMSET_E_CORRUPT : stands;
	return semwait_finish(set, &hands, outcome, ret_wakes);
}

int semset_stead_assign(struct semset *set, const struct actor *actor, const struct stead *stead,
			const uint16_t *values, uint32_t first, uint32_t n, void *memory,
			struct wakes *ret_wakes)
{
	const struct actor hands = stead_hands(actor);
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
	return semundo_assigned(set, &hands, &assignment,
				stead_run(set, &hands, &call, ret_wakes, memory), ret_wakes);
}

void semset_stead_end(struct semset *set, const struct actor *actor, uint32_t number)
{
	uint32_t index, rounds;
	uint64_t word;

	if (!stead_find(set, actor, number, &index))
		return;
	for (rounds = 0; rounds < MCAS_ROUNDS_MAX; rounds++) {
		if (mcas_word_settled(&set->mcas, sleeper_word(&set->sleepers, index), &word) ||
		    stead_free(set, index, word))
			return;
	}
}

void semset_stead_recover(struct semset *set)
{
	uint32_t end = semset_sleepers_backed(set);
	struct sleeper_record *record;
	uint64_t word;
	uint32_t i;

	semset_finish(set, ACTOR_DAEMON);
	for (i = 0; i < end; i++) {
		if (shared32_load(&semset_record(set, i)->head.number) == 0)
			continue;
		if (mcas_word_settled(&set->mcas, sleeper_word(&set->sleepers, i), &word))
			return; /* a file that lies */
		if (sleeper_state(word) == SLEEPER_FREE)
			stead_pass(set, i, ACTOR_DAEMON);
	}
	for (i = 0; i < end; i++) {
		record = &semset_record(set, i)->head;
		if (shared64_load(&record->owner) != ACTOR_DAEMON)
			continue;
		shared32_store(&record->number, 0);
		sleeper_release(&set->sleepers, i);
	}
}

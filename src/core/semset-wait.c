/*
 * semset-wait.c: sleepers of a set: the wake pass, registering, leaving.
 *
 * Invariants:
 *  1. The waiters flag of every semaphore that a WAITING sleeper's array names is set.
 *  2. No WAITING sleeper's array can be carried out, or fails, on the present values; but for those
 *     that a call which answered SEMSET_MORE has left to semset_settle().
 *
 * Why no wake is lost.  Registering is one commit over the sleeper's state and every named word, so
 * after it 1 holds, and 2 as its decision rested on those words.  Who changes a value has read the
 * word, with its flag, before he scans the sleepers, and commits it with that version: whoever
 * registered before the reading is seen by the scan, whoever did later has changed the version, and
 * the commit fails.  A sleeper that stays blocked on a word that the commit does not change is another
 * matter: somebody else may change that one at the same time, and each would leave the sleeper
 * to the other.  So the word of its first obstacle joins the commit as an unchanged word, with
 * a new version, and one of the two fails.
 * The same argument lets a commit clear the flags of words that no remaining sleeper names.
 */
#include "core/mcas-internal.h"
#include "core/semset-internal.h"

static struct abi_sembuf op_unpack(uint64_t word)
{
	return (struct abi_sembuf){ (uint16_t)word, (int16_t)(uint16_t)(word >> 16),
				    (int16_t)(uint16_t)(word >> 32) };
}

static uint64_t op_pack(const struct abi_sembuf *op)
{
	return (uint64_t)op->sem_num | (uint64_t)(uint16_t)op->sem_op << 16 |
	       (uint64_t)(uint16_t)op->sem_flg << 32;
}

bool semwait_load(const struct semset *set, uint32_t index, struct semwait *ret_wait)
{
	struct semset_record *record = semset_record(set, index);
	uint64_t link = shared64_load(&record->link);
	uint32_t end = semset_sleepers_backed(set);
	uint32_t n_ops = (uint16_t)link;
	uint32_t next, i;

	if (n_ops == 0 || n_ops > SEM_NOPS_MAX)
		return false;
	ret_wait->index = index;
	ret_wait->ticket = shared64_load(&record->head.ticket);
	ret_wait->array.ops = ret_wait->ops;
	ret_wait->array.n_ops = n_ops;
	ret_wait->array.row = (uint32_t)(uint16_t)(link >> 16) - 1; /* ROW_NONE if it has none */
	ret_wait->array.pid = shared32_load(&record->head.pid);
	ret_wait->array.client = shared64_load(&record->head.owner);
	for (i = 0; i < n_ops; i++) {
		if (i > 0 && i % SEMSET_RECORD_OPS == 0) {
			next = (uint32_t)(link >> 32) - 1;
			if (next >= end)
				return false;
			record = semset_record(set, next);
			link = shared64_load(&record->link);
		}
		ret_wait->ops[i] = op_unpack(shared64_load(&record->ops[i % SEMSET_RECORD_OPS]));
		if (ret_wait->ops[i].sem_num >= set->layout.n_sems)
			return false;
	}
	return true;
}

/* --- the wake pass -------------------------------------------------------------------------------- */

/*
 * True if sleeper i waits and this transaction has not ended it.  A word that lies uses the budget up:
 * reading one takes long, and the file may be full of them.
 */
static bool is_waiting(struct semtx *tx, uint32_t index, uint64_t *ret_word)
{
	uint32_t word_index = sleeper_word(&tx->set->sleepers, index);

	if (tx->budget == 0)
		return false;
	if (semset_word(tx->set, word_index, ret_word) != MCAS_DONE) {
		semtx_spend(tx, tx->budget);
		return false;
	}
	return sleeper_state(*ret_word) == SLEEPER_WAITING &&
	       semtx_find(tx, word_index) == UINT32_MAX;
}

static bool sem_is_touched(const struct semtx *tx, uint32_t sem)
{
	uint32_t entry = semtx_find(tx, sem_word_index(tx->set, sem));

	return entry != UINT32_MAX && (tx->marks[entry].flags & SEMTX_TOUCHED);
}

static bool array_is_touched(const struct semtx *tx, const struct semtx_array *array)
{
	uint32_t i;

	for (i = 0; i < array->n_ops; i++) {
		if (sem_is_touched(tx, array->ops[i].sem_num))
			return true;
	}
	return false;
}

/*
 * Whether a sleeper could be ended now; leaves the transaction as it was, but for the obstacle of one
 * that stays (see above).  0 or an outcome; *ret_ends.
 */
static int wait_judge(struct semtx *tx, const struct semwait *wait, bool *ret_ends)
{
	uint32_t n = tx->n, stop = 0, entry;
	uint32_t obstacle = 0;
	uint64_t old = 0;
	int outcome, rc = 0;

	outcome = semtx_apply(tx, &wait->array, &stop);
	if (outcome == SEMSET_DONE)
		semtx_revert(tx, &wait->array, wait->array.n_ops);
	if (outcome == SEMSET_BLOCKED) {
		obstacle = sem_word_index(tx->set, wait->ops[stop].sem_num);
		entry = semtx_find(tx, obstacle);
		ASSERT(entry != UINT32_MAX);
		old = tx->changes[entry].old;
	}
	semtx_truncate(tx, n);
	*ret_ends = outcome == SEMSET_DONE || outcome == SEMSET_E_AGAIN || outcome == SEMSET_E_RANGE;
	if (outcome == SEMSET_E_CORRUPT)
		return outcome;
	if (outcome == SEMTX_FULL)
		rc = SEMTX_FULL;
	if (outcome == SEMSET_BLOCKED && semtx_find(tx, obstacle) == UINT32_MAX &&
	    array_is_touched(tx, &wait->array))
		rc = semtx_add(tx, obstacle, old, &entry);
	if (rc == SEMTX_FULL && tx->is_largest) {
		tx->more = true; /* decided after the commit, by a transaction of its own */
		rc = 0;
	}
	return rc;
}

struct candidate {
	bool found;
	bool alters;
	uint32_t index;
	uint64_t ticket;
};

/* Waits for zero before others, then by age. */
static bool goes_before(const struct candidate *best, bool alters, uint64_t ticket)
{
	if (!best->found)
		return true;
	if (best->alters != alters)
		return best->alters;
	return ticket < best->ticket;
}

/* The sleeper that is to be ended next, if there is any.  0 or an outcome. */
static int grant_select(struct semtx *tx, struct semwait *wait, struct candidate *ret_best)
{
	struct candidate best = { 0 };
	uint32_t end = semset_scan_end(tx->set);
	uint32_t i, argument;
	uint64_t word, ticket;
	bool alters, ends;
	int rc;

	semtx_spend(tx, end + 1);
	for (i = 0; i < end; i++) {
		if (!is_waiting(tx, i, &word))
			continue;
		argument = sleeper_argument(word);
		if (!tx->settle && (argument & WAITING_SINGLE) &&
		    !sem_is_touched(tx, argument & WAITING_SEM_MASK))
			continue;
		alters = argument & WAITING_ALTERS;
		ticket = shared64_load(&semset_record(tx->set, i)->head.ticket);
		if (!goes_before(&best, alters, ticket) || !semwait_load(tx->set, i, wait))
			continue;
		semtx_spend(tx, wait->array.n_ops);
		if (!tx->settle && !array_is_touched(tx, &wait->array))
			continue;
		rc = wait_judge(tx, wait, &ends);
		if (rc)
			return rc;
		if (ends)
			best = (struct candidate){ true, alters, i, ticket };
	}
	*ret_best = best;
	return 0;
}

/* Ends a sleeper: its changes, if it succeeds, and its state.  0 or an outcome. */
static int grant_one(struct semtx *tx, struct semwait *wait, uint32_t index)
{
	uint32_t word_index = sleeper_word(&tx->set->sleepers, index);
	uint32_t n = tx->n, stop = 0, entry, argument;
	uint64_t word;
	int outcome, rc;

	if (!is_waiting(tx, index, &word) || !semwait_load(tx->set, index, wait))
		return SEMTX_STALE;
	outcome = semtx_apply(tx, &wait->array, &stop);
	if (outcome == SEMSET_BLOCKED || outcome == SEMTX_ROW_GONE)
		return SEMTX_STALE;
	if (outcome == SEMSET_E_CORRUPT)
		return outcome;
	rc = outcome == SEMTX_FULL ? SEMTX_FULL : semtx_entry(tx, word_index, &entry);
	if (rc == SEMTX_FULL) {
		if (outcome == SEMSET_DONE)
			semtx_revert(tx, &wait->array, wait->array.n_ops);
		semtx_truncate(tx, n);
		return rc;
	}
	if (rc)
		return rc;
	if (tx->changes[entry].old != word)
		return SEMTX_STALE;
	if (outcome == SEMSET_DONE)
		semtx_keep(tx, &wait->array);
	argument = (uint32_t)outcome;
	if (tx->n_wakes < SEMSET_WAKES_MAX) {
		tx->wakes->word_indexes[tx->n_wakes++] = word_index;
	} else {
		argument |= DONE_UNTOLD;
		tx->more = true;
	}
	semtx_set_payload(tx, entry, sleeper_payload(SLEEPER_DONE, argument));
	tx->dirty = true;
	return 0;
}

static void word_want(struct semtx *tx, uint32_t sem)
{
	uint32_t entry = semtx_find(tx, sem_word_index(tx->set, sem));

	if (entry != UINT32_MAX)
		tx->marks[entry].flags |= SEMTX_WANTED;
}

/* Notes which words of the transaction a remaining sleeper names. */
static void mark_wanted(struct semtx *tx, struct semwait *wait)
{
	uint32_t end = semset_scan_end(tx->set);
	uint32_t i, k;
	uint64_t word;

	semtx_spend(tx, end + 1);
	for (i = 0; i < end; i++) {
		if (!is_waiting(tx, i, &word))
			continue;
		if (sleeper_argument(word) & WAITING_SINGLE) {
			word_want(tx, sleeper_argument(word) & WAITING_SEM_MASK);
			continue;
		}
		if (!semwait_load(tx->set, i, wait))
			continue;
		semtx_spend(tx, wait->array.n_ops);
		for (k = 0; k < wait->array.n_ops; k++)
			word_want(tx, wait->ops[k].sem_num);
	}
}

/*
 * Clears the waiters flags that nobody needs, of the words whose values change or are asked for.  All
 * of those were read before this scan, which therefore sees whoever registered earlier.
 */
static void flags_clear(struct semtx *tx, struct semwait *wait)
{
	bool flagged = false;
	uint32_t i;

	for (i = 0; i < tx->n; i++) {
		if ((tx->marks[i].flags & SEMTX_PID) && (semtx_payload(tx, i) & SEM_WAITERS))
			flagged = true;
	}
	if (!flagged)
		return;
	mark_wanted(tx, wait);
	for (i = 0; i < tx->n; i++) {
		if ((tx->marks[i].flags & SEMTX_PID) && !(tx->marks[i].flags & SEMTX_WANTED))
			semtx_set_payload(tx, i, semtx_payload(tx, i) & ~SEM_WAITERS);
	}
}

__attribute__((noinline)) int semwait_grant(struct semtx *tx)
{
	struct semwait wait;
	struct candidate best;
	int rc;

	for (;;) {
		rc = grant_select(tx, &wait, &best);
		if (tx->budget == 0)
			return SEMSET_E_CORRUPT;
		if (rc)
			return rc;
		if (!best.found)
			break;
		if (tx->modest && tx->n_wakes >= SEMSET_WAKES_MAX) {
			tx->more = true;
			break;
		}
		rc = grant_one(tx, &wait, best.index);
		if (rc == SEMTX_FULL && tx->is_largest) {
			tx->more = true;
			break;
		}
		if (rc)
			return rc;
	}
	flags_clear(tx, &wait);
	return tx->budget > 0 ? 0 : SEMSET_E_CORRUPT;
}

static int build_settle(struct semtx *tx, void *context)
{
	(void)context;
	tx->settle = true;
	return SEMSET_DONE;
}

int semwait_finish(struct semset *set, const struct actor *actor, int outcome, struct wakes *wakes)
{
	uint32_t rounds;

	for (rounds = 0; rounds < SEMTX_TRIES_MAX && outcome == SEMSET_MORE; rounds++) {
		if (wakes->n >= SEMSET_WAKES_MAX)
			return SEMSET_MORE;
		outcome = semtx_run(set, actor, build_settle, NULL, wakes);
		/* The call's own change is done: what hinders the rest is for the caller's settle to say. */
		if (outcome != SEMSET_DONE && outcome != SEMSET_MORE)
			return SEMSET_MORE;
	}
	return outcome;
}

/* Puts the sleepers on the list that have ended untold.  DONE, or MORE: it is full. */
static int untold_tell(struct semset *set, struct wakes *wakes)
{
	uint32_t end = semset_scan_end(set);
	uint32_t i, word_index;
	uint64_t word, next;

	for (i = 0; i < end; i++) {
		word_index = sleeper_word(&set->sleepers, i);
		if (semset_word(set, word_index, &word) != MCAS_DONE)
			return SEMSET_E_CORRUPT;
		if (sleeper_state(word) != SLEEPER_DONE || !(sleeper_argument(word) & DONE_UNTOLD))
			continue;
		if (wakes->n >= SEMSET_WAKES_MAX)
			return SEMSET_MORE;
		next = mcas_next(word, mcas_payload(word) & ~DONE_UNTOLD);
		if (mcas_change_one(&set->mcas, word_index, word, next) == MCAS_DONE)
			wakes->word_indexes[wakes->n++] = word_index;
	}
	return SEMSET_DONE;
}

int semwait_settle(struct semset *set, const struct actor *actor, struct wakes *wakes)
{
	int outcome;

	if (semset_scan_end(set) == 0)
		return SEMSET_DONE;
	outcome = untold_tell(set, wakes);
	if (outcome != SEMSET_DONE)
		return outcome;
	outcome = semtx_run(set, actor, build_settle, NULL, wakes);
	return semwait_finish(set, actor, outcome, wakes);
}

int semset_settle(struct semset *set, const struct actor *actor, struct wakes *ret_wakes)
{
	ret_wakes->n = 0;
	return semwait_settle(set, actor, ret_wakes);
}

/* --- registering ---------------------------------------------------------------------------------- */

void semwait_release(struct semset *set, uint32_t index, uint64_t client)
{
	uint32_t left = SEM_NOPS_MAX / SEMSET_RECORD_OPS + 1;
	uint32_t end = semset_sleepers_backed(set);
	struct semset_record *record;
	uint64_t link;

	for (; left > 0 && index < end; left--) {
		record = semset_record(set, index);
		link = shared64_load(&record->link);
		if (shared64_load(&record->head.owner) != client)
			return;
		shared64_store(&record->link, 0);
		sleeper_release(&set->sleepers, index);
		index = (uint32_t)(link >> 32) - 1;
	}
}

int semwait_claim(struct semset *set, const struct actor *actor, const struct semtx_array *array,
		  uint32_t *ret_index)
{
	uint32_t n_records = (array->n_ops + SEMSET_RECORD_OPS - 1) / SEMSET_RECORD_OPS;
	uint32_t backed = semset_sleepers_backed(set);
	uint32_t r, k, index, next = UINT32_MAX;
	struct semset_record *record;
	uint64_t link;

	/* From the last one forward, so that the chain is whole at every moment. */
	for (r = n_records; r > 0; r--) {
		if (sleeper_claim(&set->sleepers, actor, backed, &index)) {
			semwait_release(set, next, actor->client);
			return backed < set->layout.n_sleepers ? SEMSET_GROW_SLEEPERS : SEMSET_E_NOMEM;
		}
		record = semset_record(set, index);
		for (k = 0; k < SEMSET_RECORD_OPS && (r - 1) * SEMSET_RECORD_OPS + k < array->n_ops; k++)
			shared64_store(&record->ops[k],
				       op_pack(&array->ops[(r - 1) * SEMSET_RECORD_OPS + k]));
		link = (uint64_t)(next + 1) << 32;
		if (r == 1)
			link |= array->n_ops | (uint64_t)(uint16_t)(array->row + 1) << 16;
		shared64_store(&record->link, link);
		next = index;
	}
	*ret_index = next;
	return SEMSET_DONE;
}

struct registration {
	struct semtx_array array;
	uint32_t index;
};

uint32_t semwait_argument(const struct semtx_array *array)
{
	uint32_t argument = WAITING_SINGLE | array->ops[0].sem_num;
	uint32_t i;

	for (i = 0; i < array->n_ops; i++) {
		if (array->ops[i].sem_num != array->ops[0].sem_num)
			argument &= ~WAITING_SINGLE;
		if (array->ops[i].sem_op != 0)
			argument |= WAITING_ALTERS;
	}
	return argument;
}

int semwait_flag(struct semtx *tx, const struct semtx_array *array)
{
	uint32_t i, entry;
	int rc;

	for (i = 0; i < array->n_ops; i++) {
		rc = semtx_entry(tx, sem_word_index(tx->set, array->ops[i].sem_num), &entry);
		if (rc)
			return rc;
		semtx_set_payload(tx, entry, semtx_payload(tx, entry) | SEM_WAITERS);
	}
	return 0;
}

static int build_registration(struct semtx *tx, void *context)
{
	const struct registration *registration = context;
	const struct semtx_array *array = &registration->array;
	uint32_t entry, stop;
	int rc;

	rc = semtx_apply(tx, array, &stop);
	if (rc == SEMTX_FULL || rc == SEMSET_E_CORRUPT)
		return rc;
	if (rc != SEMSET_BLOCKED)
		return SEMTX_RETRY;
	rc = semwait_flag(tx, array);
	if (rc)
		return rc;
	rc = semtx_entry(tx, sleeper_word(&tx->set->sleepers, registration->index), &entry);
	if (rc)
		return rc;
	if (sleeper_state(tx->changes[entry].old) != SLEEPER_FREE)
		return SEMSET_E_CORRUPT;
	/* A FREE record is its owner's alone; who looks for sleepers has looked at the semaphore. */
	tx->changes[entry].is_dependent = true;
	semtx_set_payload(tx, entry, sleeper_payload(SLEEPER_WAITING, semwait_argument(array)));
	tx->dirty = true;
	return SEMSET_DONE;
}

int semwait_register(struct semset *set, const struct actor *actor, const struct semtx_array *array,
		     struct semset_sleeper *ret_sleeper)
{
	struct registration registration = { *array, 0 };
	int outcome;

	outcome = semwait_claim(set, actor, array, &registration.index);
	if (outcome != SEMSET_DONE)
		return outcome;
	outcome = semtx_run(set, actor, build_registration, &registration, NULL);
	if (outcome != SEMSET_DONE) {
		semwait_release(set, registration.index, actor->client);
		return outcome;
	}
	ret_sleeper->index = registration.index;
	ret_sleeper->word_index = sleeper_word(&set->sleepers, registration.index);
	/* The remover marks first and then ends sleepers: he or we see the other. */
	if (semset_is_removed(set)) {
		outcome = semset_cancel(set, actor, ret_sleeper);
		return outcome == SEMSET_BLOCKED ? SEMSET_E_REMOVED : outcome;
	}
	return semset_poll(set, ret_sleeper);
}

/* --- leaving -------------------------------------------------------------------------------------- */

/*
 * A sleeper's state, checked: the caller's struct may have been filled from a file that lies.  What a
 * stopped process has left in the word is settled: while it stood there nobody could sleep on it.
 */
static int sleeper_look(struct semset *set, const struct semset_sleeper *sleeper, uint64_t *ret_word)
{
	if (sleeper->index >= semset_sleepers_backed(set) ||
	    mcas_word_settled(&set->mcas, sleeper_word(&set->sleepers, sleeper->index), ret_word))
		return SEMSET_E_CORRUPT;
	return 0;
}

/* DONE -> FREE and the records back; *ret_result is what the call answers.  False: look again. */
static bool sleeper_acknowledge(struct semset *set, uint32_t index, uint64_t word, int *ret_result)
{
	uint64_t client = shared64_load(&semset_record(set, index)->head.owner);
	uint32_t word_index = sleeper_word(&set->sleepers, index);
	uint32_t result = sleeper_argument(word) & DONE_RESULT_MASK;

	if (mcas_change_one(&set->mcas, word_index, word,
			    mcas_next(word, sleeper_payload(SLEEPER_FREE, 0))) != MCAS_DONE)
		return false;
	semwait_release(set, index, client);
	if (result != SEMSET_DONE && result != SEMSET_E_AGAIN && result != SEMSET_E_RANGE &&
	    result != SEMSET_E_REMOVED)
		result = SEMSET_E_CORRUPT;
	*ret_result = (int)result;
	return true;
}

int semset_poll(struct semset *set, struct semset_sleeper *sleeper)
{
	uint64_t word;
	uint32_t rounds;
	int result;

	for (rounds = 0; rounds < MCAS_ROUNDS_MAX; rounds++) {
		if (sleeper_look(set, sleeper, &word))
			return SEMSET_E_CORRUPT;
		switch (sleeper_state(word)) {
		case SLEEPER_WAITING:
			sleeper->expected = (uint32_t)word;
			return SEMSET_WAITING;
		case SLEEPER_DONE:
			if (sleeper_acknowledge(set, sleeper->index, word, &result))
				return result;
			break;
		default:
			return SEMSET_E_CORRUPT;
		}
	}
	return SEMSET_E_CORRUPT;
}

int semset_cancel(struct semset *set, const struct actor *actor, struct semset_sleeper *sleeper)
{
	uint64_t word, next;
	uint32_t rounds;
	int result;

	for (rounds = 0; rounds < MCAS_ROUNDS_MAX; rounds++) {
		if (sleeper_look(set, sleeper, &word))
			return SEMSET_E_CORRUPT;
		if (sleeper_state(word) == SLEEPER_DONE) {
			if (sleeper_acknowledge(set, sleeper->index, word, &result))
				return result;
			continue;
		}
		if (sleeper_state(word) != SLEEPER_WAITING)
			return SEMSET_E_CORRUPT;
		next = mcas_next(word, sleeper_payload(SLEEPER_FREE, 0));
		if (mcas_change_one(&set->mcas, sleeper_word(&set->sleepers, sleeper->index), word,
				    next) == MCAS_DONE) {
			semwait_release(set, sleeper->index, actor->client);
			return SEMSET_BLOCKED;
		}
	}
	return SEMSET_E_CORRUPT;
}

#define REMOVE_LIES_MAX 8u

int semset_remove(struct semset *set, const struct actor *actor, struct wakes *ret_wakes)
{
	uint32_t end, i, word_index, rounds, n_lies = 0;
	uint64_t word, next;

	(void)actor;
	ret_wakes->n = 0;
	(void)shared32_cas(&semset_header(set)->removed, 0, 1); /* fails only if it is set */
	end = semset_scan_end(set);
	for (i = 0; i < end; i++) {
		word_index = sleeper_word(&set->sleepers, i);
		for (rounds = 0; rounds < MCAS_ROUNDS_MAX; rounds++) {
			/* Reading a word that lies takes long: some are passed over, then it is enough. */
			if (mcas_read(&set->mcas, word_index, &word)) {
				if (++n_lies > REMOVE_LIES_MAX)
					return SEMSET_E_CORRUPT;
				break;
			}
			if (sleeper_state(word) != SLEEPER_WAITING)
				break;
			if (ret_wakes->n >= SEMSET_WAKES_MAX)
				return SEMSET_MORE;
			next = mcas_next(word, sleeper_payload(SLEEPER_DONE, SEMSET_E_REMOVED));
			if (mcas_change_one(&set->mcas, word_index, word, next) == MCAS_DONE) {
				ret_wakes->word_indexes[ret_wakes->n++] = word_index;
				break;
			}
		}
	}
	return SEMSET_DONE;
}

/*
 * semset-undo.c: adjustments (rules UNDO-*), SETVAL and SETALL, which void them, and death.
 *
 * A process's adjustments are a row of the file: one word a semaphore, that counts only while its
 * epoch is the semaphore's.  Invariants:
 *  1. A word of a row without an owner holds no adjustment.
 *  2. No word holds an epoch that its semaphore may reach again: whoever raises an epoch clears the
 *     words left behind before he returns, and so does everyone after him.
 *
 * Rows come in levels, each as large as all before it, and are backed level by level.  A client's row
 * is one of a few places in each level, so finding it needs no table; only in the last level it may
 * be anywhere.  Two threads that claim at the same time may get two rows: both are their process's,
 * and both are applied.
 *
 * A row's word is guarded by its semaphore's (mcas.h): what changes an adjustment changes at least the
 * version of the semaphore, and whoever reads one has looked at the semaphore before.
 *
 * Giving up a row of a process that may still have threads: its owner word says CLOSING, then every
 * semaphore gets a new version, then it is free.  Who uses a row looks at the owner after reading the
 * semaphore, so he either sees CLOSING or his commit fails at the version (or came first and is applied).
 */
#include "core/semset-internal.h"

#define ROW_PLACES 8u
/*
 * How often an exit clears its row again: each thread that was in the middle of a call may have adjusted once more.
 * What is left then is for recovery.
 */
#define ROW_RENEWALS_MAX 8u

struct row_level {
	uint32_t first;
	uint32_t n;
	uint32_t n_places;
};

static bool row_level(const struct semset *set, uint32_t level, uint32_t backed,
		      struct row_level *ret_level)
{
	uint32_t first = level == 0 ? 0 : set->layout.n_rows_first << (level - 1);
	uint32_t n = level == 0 ? set->layout.n_rows_first : first;

	if (first + n > backed)
		return false;
	ret_level->first = first;
	ret_level->n = n;
	ret_level->n_places = first + n == set->layout.n_rows ? n : u32_min(n, ROW_PLACES);
	return true;
}

int semrow_find(struct semset *set, uint64_t client, uint32_t *ret_row)
{
	uint32_t backed = semset_rows_backed(set);
	uint32_t free_row = ROW_NONE;
	uint32_t level, place, row, tries;
	struct row_level at;
	uint64_t owner;

	for (tries = 0; tries < MCAS_ROUNDS_MAX; tries++) {
		for (level = 0; row_level(set, level, backed, &at); level++) {
			for (place = 0; place < at.n_places; place++) {
				row = at.first + ((uint32_t)client + place) % at.n;
				owner = shared64_load(row_owner(set, row));
				if (owner == client) {
					*ret_row = row;
					return SEMSET_DONE;
				}
				if (owner == 0 && free_row == ROW_NONE)
					free_row = row;
			}
		}
		if (free_row == ROW_NONE)
			return backed < set->layout.n_rows ? SEMSET_GROW_ROWS : SEMSET_E_NOMEM;
		if (shared64_cas(row_owner(set, free_row), 0, client)) {
			*ret_row = free_row;
			return SEMSET_DONE;
		}
		free_row = ROW_NONE;
	}
	return SEMSET_E_CORRUPT;
}

/* --- SETVAL, SETALL ------------------------------------------------------------------------------- */

/*
 * A grant that its sleeper has not seen yet is handed back if the sleeper turns out dead; not so after
 * this change, which does not build on it any more.  As far as there is room: else it counts as seen.
 */
static int grants_void(struct semtx *tx, const struct semset_assignment *assignment)
{
	uint32_t end = semset_scan_end(tx->set);
	uint32_t i, k, entry, word_index;
	struct semwait wait;
	uint64_t word;

	semtx_spend(tx, end);
	for (i = 0; i < end; i++) {
		word_index = sleeper_word(&tx->set->sleepers, i);
		if (semset_word(tx->set, word_index, &word) != MCAS_DONE)
			return SEMSET_E_CORRUPT;
		if (sleeper_state(word) != SLEEPER_DONE ||
		    (sleeper_argument(word) & ~DONE_UNTOLD) != SEMSET_DONE ||
		    !semwait_load(tx->set, i, &wait))
			continue;
		for (k = 0; k < wait.array.n_ops; k++) {
			if (wait.ops[k].sem_num - assignment->first < assignment->n)
				break;
		}
		if (k == wait.array.n_ops)
			continue;
		if (semtx_add(tx, word_index, word, &entry))
			return tx->is_largest ? 0 : SEMTX_FULL;
		semtx_set_payload(tx, entry,
				  sleeper_payload(SLEEPER_DONE, sleeper_argument(word) | DONE_VOID));
	}
	return 0;
}

int semundo_build_assignment(struct semtx *tx, void *context)
{
	const struct semset_assignment *assignment = context;
	uint32_t i, index, entry, payload, epoch;
	uint64_t found, word;
	int rc;

	for (i = 0; i < assignment->n; i++) {
		/* Not semtx_entry(), which looks for the word: in a large set that takes a while. */
		index = sem_word_index(tx->set, assignment->first + i);
		if (semset_look(tx->set, index, &found, &word) != MCAS_DONE)
			return SEMSET_E_CORRUPT;
		rc = semtx_add(tx, index, word, &entry);
		if (rc)
			return rc;
		payload = semtx_payload(tx, entry);
		epoch = (sem_epoch(payload) + 1) & 0xffff;
		semtx_set_payload(tx, entry, epoch << 16 | (payload & SEM_WAITERS) |
						     sem_value(assignment->values[i]));
		tx->marks[entry].pid = tx->actor->pid;
		tx->marks[entry].flags |= SEMTX_PID | SEMTX_TOUCHED;
	}
	tx->dirty = true;
	tx->touched = true;
	return grants_void(tx, assignment);
}

struct sweep {
	uint32_t row;
	uint32_t sem;
};

/* Clears what an older epoch has left in a row's word. */
static int build_sweep(struct semtx *tx, void *context)
{
	const struct sweep *sweep = context;
	uint32_t index = undo_word_index(tx->set, sweep->row, sweep->sem);
	uint32_t entry, undo;
	uint64_t word;
	int rc;

	rc = semtx_entry(tx, sem_word_index(tx->set, sweep->sem), &entry);
	if (rc)
		return rc;
	if (semset_word(tx->set, index, &word) != MCAS_DONE)
		return SEMSET_E_CORRUPT;
	if ((uint16_t)mcas_payload(word) == 0 ||
	    sem_epoch(mcas_payload(word)) == sem_epoch(semtx_payload(tx, entry)))
		return SEMSET_DONE;
	rc = semtx_add(tx, index, word, &undo);
	if (rc)
		return rc;
	semtx_set_payload(tx, undo, 0);
	tx->dirty = true;
	return SEMSET_DONE;
}

/* What the epochs before the caller's have left is there by now: his commit had it followed up. */
static void undo_sweep(struct semset *set, const struct actor *actor, uint32_t first, uint32_t n)
{
	uint32_t backed = semset_rows_backed(set);
	struct sweep sweep;
	uint32_t row, i;
	uint64_t word;

	for (row = 0; row < backed; row++) {
		if (shared64_load(row_owner(set, row)) == 0)
			continue;
		for (i = 0; i < n; i++) {
			if (semset_word(set, undo_word_index(set, row, first + i), &word) != MCAS_DONE)
				return;
			if ((uint16_t)mcas_payload(word) == 0)
				continue;
			sweep = (struct sweep){ row, first + i };
			if (semtx_run(set, actor, build_sweep, &sweep, NULL) != SEMSET_DONE)
				return;
		}
	}
}

int semundo_assigned(struct semset *set, const struct actor *actor,
		     const struct semset_assignment *assignment, int outcome, struct wakes *wakes)
{
	if (outcome == SEMSET_DONE || outcome == SEMSET_MORE) {
		undo_sweep(set, actor, assignment->first, assignment->n);
		semset_set_ctime(set, actor->now_s);
	}
	return semwait_finish(set, actor, outcome, wakes);
}

static int assign(struct semset *set, const struct actor *actor, struct semset_assignment *assignment,
		  void *memory, struct wakes *wakes)
{
	int outcome;

	wakes->n = 0;
	if (semset_is_removed(set))
		return SEMSET_E_REMOVED;
	outcome = semtx_run_in(set, actor, semundo_build_assignment, assignment, wakes, memory);
	return semundo_assigned(set, actor, assignment, outcome, wakes);
}

int semset_set_value(struct semset *set, const struct actor *actor, uint32_t sem_num, uint32_t value,
		     struct wakes *ret_wakes)
{
	uint16_t values[1] = { (uint16_t)value };
	struct semset_assignment assignment = { values, sem_num, 1 };

	ASSERT(sem_num < set->layout.n_sems);
	ASSERT(value <= ABI_SEMVMX);
	return assign(set, actor, &assignment, NULL, ret_wakes);
}

int semset_set_all(struct semset *set, const struct actor *actor, const uint16_t *values, void *memory,
		   struct wakes *ret_wakes)
{
	struct semset_assignment assignment = { values, 0, set->layout.n_sems };

	return assign(set, actor, &assignment, memory, ret_wakes);
}

/* --- exit ----------------------------------------------------------------------------------------- */

struct drain {
	uint64_t client;
	uint32_t row;
	uint32_t first; /* semaphores below it are done */
	uint32_t next;  /* where this commit stops */
};

/* UNDO-8. */
static uint32_t clamped(int32_t value)
{
	return value < 0 ? 0 : value > ABI_SEMVMX ? ABI_SEMVMX : (uint32_t)value;
}

static int drain_one(struct semtx *tx, uint32_t row, uint32_t sem)
{
	uint32_t entry, undo, payload;
	uint64_t guard, found, word;
	int32_t value;
	int rc;

	if (semset_look(tx->set, sem_word_index(tx->set, sem), &found, &guard) != MCAS_DONE ||
	    semset_word(tx->set, undo_word_index(tx->set, row, sem), &word) != MCAS_DONE)
		return SEMSET_E_CORRUPT;
	if ((uint16_t)mcas_payload(word) == 0)
		return 0;
	if (tx->n + 2 > tx->n_max)
		return SEMTX_FULL;
	rc = semtx_add(tx, sem_word_index(tx->set, sem), guard, &entry);
	if (rc)
		return rc;
	rc = semtx_add(tx, undo_word_index(tx->set, row, sem), word, &undo);
	if (rc)
		return rc;
	payload = semtx_payload(tx, entry);
	value = undo_adjustment(mcas_payload(word), sem_epoch(payload));
	semtx_set_payload(tx, undo, 0);
	tx->dirty = true;
	if (value == 0)
		return 0;
	semtx_set_payload(tx, entry,
			  (payload & ~0x7fffu) | clamped(value + (int32_t)sem_value(payload)));
	tx->marks[entry].pid = tx->actor->pid;
	tx->marks[entry].flags |= SEMTX_PID | SEMTX_OTIME | SEMTX_TOUCHED;
	tx->touched = true;
	return 0;
}

static int build_drain(struct semtx *tx, void *context)
{
	struct drain *drain = context;
	uint32_t sem;
	int rc;

	for (sem = drain->first; sem < tx->set->layout.n_sems; sem++) {
		rc = drain_one(tx, drain->row, sem);
		if (rc == SEMTX_FULL && tx->is_largest)
			break;
		if (rc)
			return rc;
	}
	semtx_spend(tx, sem - drain->first); /* most words hold nothing and become no entry */
	drain->next = sem;
	/* Somebody else may have finished, and the row be another's already. */
	if (shared64_load(row_owner(tx->set, drain->row)) != (drain->client | ROW_CLOSING))
		return SEMTX_ROW_GONE;
	return SEMSET_DONE;
}

/* Gives what guards each word of the row a new version.  False: one holds an adjustment again. */
static bool row_renew(struct semset *set, uint32_t row)
{
	uint32_t sem, index, rounds = 0;
	uint64_t word;

	for (sem = 0; sem < set->layout.n_sems; sem++) {
		index = sem_word_index(set, sem);
		for (; rounds < MCAS_ROUNDS_MAX; rounds++) { /* those of the row together */
			if (semset_word(set, index, &word) != MCAS_DONE)
				return true; /* not to be cured here, nor of use to anybody */
			if (semset_change(set, index, word, mcas_next(word, mcas_payload(word))) ==
			    MCAS_DONE)
				break;
		}
		if (semset_word(set, undo_word_index(set, row, sem), &word) != MCAS_DONE)
			return true;
		if ((uint16_t)mcas_payload(word) != 0)
			return false;
	}
	return true;
}

/* Applies a row that is CLOSING and frees it.  DONE or an outcome. */
static int row_drain(struct semset *set, const struct actor *actor, uint32_t row, bool alive,
		     struct wakes *wakes)
{
	struct drain drain = { actor->client, row, 0, 0 };
	uint32_t rounds, renewals = 0;
	int outcome;

	for (rounds = 0; rounds < MCAS_ROUNDS_MAX && renewals < ROW_RENEWALS_MAX; rounds++) {
		outcome = semtx_run(set, actor, build_drain, &drain, wakes);
		if (outcome == SEMTX_ROW_GONE)
			return SEMSET_DONE;
		outcome = semwait_finish(set, actor, outcome, wakes);
		if (outcome != SEMSET_DONE)
			return outcome;
		drain.first = drain.next;
		if (drain.first < set->layout.n_sems)
			continue;
		if (!alive || row_renew(set, row)) {
			(void)shared64_cas(row_owner(set, row), actor->client | ROW_CLOSING, 0);
			return SEMSET_DONE;
		}
		drain.first = 0;
		renewals++;
	}
	return SEMSET_E_CORRUPT;
}

static int undo_apply(struct semset *set, const struct actor *actor, bool alive, struct wakes *wakes)
{
	uint32_t backed = semset_rows_backed(set);
	uint32_t row;
	uint64_t owner;
	int outcome;

	for (row = 0; row < backed; row++) {
		owner = shared64_load(row_owner(set, row));
		if ((owner & ~ROW_CLOSING) != actor->client)
			continue;
		if (owner == actor->client &&
		    !shared64_cas(row_owner(set, row), owner, owner | ROW_CLOSING) &&
		    shared64_load(row_owner(set, row)) != (owner | ROW_CLOSING))
			continue;
		shared64_store(&semset_cell(set, 0)->otime_s, (uint64_t)actor->now_s); /* UNDO-10 */
		outcome = row_drain(set, actor, row, alive, wakes);
		if (outcome != SEMSET_DONE)
			return outcome;
	}
	return SEMSET_DONE;
}

int semset_apply_undo(struct semset *set, const struct actor *actor, struct wakes *ret_wakes)
{
	int outcome;

	ret_wakes->n = 0;
	outcome = undo_apply(set, actor, true, ret_wakes);
	return outcome == SEMSET_DONE ? semwait_settle(set, actor, ret_wakes) : outcome;
}

/* --- death ---------------------------------------------------------------------------------------- */

struct hand_back {
	uint64_t client;
	uint32_t index;
	struct semwait wait;
};

/* Takes one granted operation back, with what it booked in the row. */
static int hand_back_one(struct semtx *tx, const struct semtx_array *array,
			 const struct abi_sembuf *op)
{
	uint32_t entry, undo, payload;
	int32_t adjustment;
	int rc;

	if (op->sem_op == 0)
		return 0;
	rc = semtx_entry(tx, sem_word_index(tx->set, op->sem_num), &entry);
	if (rc)
		return rc;
	payload = semtx_payload(tx, entry);
	semtx_set_payload(tx, entry, (payload & ~0x7fffu) |
					     clamped((int32_t)sem_value(payload) - op->sem_op));
	tx->marks[entry].flags |= SEMTX_TOUCHED;
	tx->touched = true;
	if (!(op->sem_flg & ABI_SEM_UNDO) || array->row >= semset_rows_backed(tx->set) ||
	    (shared64_load(row_owner(tx->set, array->row)) & ~ROW_CLOSING) != array->client)
		return 0;
	rc = semtx_entry(tx, undo_word_index(tx->set, array->row, op->sem_num), &undo);
	if (rc)
		return rc;
	adjustment = undo_adjustment(semtx_payload(tx, undo), sem_epoch(payload)) + op->sem_op;
	if (adjustment >= ABI_SEMAEM_MIN && adjustment <= ABI_SEMAEM_MAX)
		semtx_set_payload(tx, undo, undo_payload(adjustment, sem_epoch(payload)));
	return 0;
}

/* DONE -> FREE, and back what was granted, in one commit. */
static int build_hand_back(struct semtx *tx, void *context)
{
	struct hand_back *back = context;
	struct semwait *wait = &back->wait;
	uint32_t entry, i;
	int rc;

	rc = semtx_entry(tx, sleeper_word(&tx->set->sleepers, back->index), &entry);
	if (rc)
		return rc;
	if (sleeper_state(tx->changes[entry].old) != SLEEPER_DONE ||
	    shared64_load(&semset_record(tx->set, back->index)->head.owner) != back->client)
		return SEMTX_RETRY;
	semtx_set_payload(tx, entry, sleeper_payload(SLEEPER_FREE, 0));
	tx->dirty = true;
	if ((sleeper_argument(tx->changes[entry].old) & ~DONE_UNTOLD) != SEMSET_DONE ||
	    !semwait_load(tx->set, back->index, wait))
		return SEMSET_DONE;
	for (i = wait->array.n_ops; i > 0; i--) {
		rc = hand_back_one(tx, &wait->array, &wait->ops[i - 1]);
		if (rc)
			return rc;
	}
	return SEMSET_DONE;
}

/* Makes a dead client's sleeper FREE; keep: what was granted to it stays done.  DONE or an outcome. */
static int sleeper_end(struct semset *set, const struct actor *actor, uint32_t index, bool keep,
		       struct wakes *wakes)
{
	uint32_t word_index = sleeper_word(&set->sleepers, index);
	struct hand_back back;
	uint64_t word;
	uint32_t rounds;
	int outcome;

	back.client = actor->client;
	back.index = index;
	for (rounds = 0; rounds < MCAS_ROUNDS_MAX; rounds++) {
		if (semset_word(set, word_index, &word) != MCAS_DONE)
			return SEMSET_E_CORRUPT;
		if (shared64_load(&semset_record(set, index)->head.owner) != actor->client)
			return SEMSET_DONE;
		if (sleeper_state(word) == SLEEPER_WAITING ||
		    (keep && sleeper_state(word) == SLEEPER_DONE)) {
			(void)mcas_change_one(&set->mcas, word_index, word,
					      mcas_next(word, sleeper_payload(SLEEPER_FREE, 0)));
			continue;
		}
		if (sleeper_state(word) != SLEEPER_DONE)
			return SEMSET_DONE;
		outcome = semtx_run(set, actor, build_hand_back, &back, wakes);
		if (outcome != SEMTX_RETRY)
			return semwait_finish(set, actor, outcome, wakes);
	}
	return SEMSET_E_CORRUPT;
}

/* Ends the sleepers of a client's dead threads, then frees their records. */
static int sleepers_end(struct semset *set, const struct actor *actor, bool keep, struct wakes *wakes)
{
	uint32_t end = semset_scan_end(set);
	uint32_t backed = semset_sleepers_backed(set);
	uint32_t i;
	int outcome;

	for (i = 0; i < end; i++) {
		if (shared64_load(&semset_record(set, i)->head.owner) != actor->client)
			continue;
		outcome = sleeper_end(set, actor, i, keep, wakes);
		if (outcome != SEMSET_DONE)
			return outcome;
	}
	/* All of them: it may have died between claiming one and raising the high-water mark. */
	for (i = 0; i < backed; i++) {
		if (shared64_load(&semset_record(set, i)->head.owner) != actor->client)
			continue;
		shared32_store(&semset_record(set, i)->head.number, 0); /* semset-stead.c, 2 */
		(void)shared64_cas(&semset_record(set, i)->head.owner, actor->client, 0);
	}
	return SEMSET_DONE;
}

void semset_finish(struct semset *set, uint64_t client)
{
	struct mcas mcas;

	if (semset_backed_slots(set, &mcas))
		mcas_recover(&mcas, client);
}

int semset_execed(struct semset *set, const struct actor *actor, struct wakes *ret_wakes)
{
	int outcome;

	ret_wakes->n = 0;
	semset_finish(set, actor->client);
	outcome = sleepers_end(set, actor, true, ret_wakes);
	return outcome == SEMSET_DONE ? semwait_settle(set, actor, ret_wakes) : outcome;
}

int semset_recover(struct semset *set, const struct actor *actor, struct wakes *ret_wakes)
{
	int outcome;

	ret_wakes->n = 0;
	semset_finish(set, actor->client);
	outcome = sleepers_end(set, actor, false, ret_wakes);
	if (outcome == SEMSET_DONE)
		outcome = undo_apply(set, actor, false, ret_wakes);
	/* It may have been on its way to grant what it had left over. */
	return outcome == SEMSET_DONE ? semwait_settle(set, actor, ret_wakes) : outcome;
}

bool semset_holds(const struct semset *set, uint64_t client)
{
	uint32_t rows = semset_rows_backed(set);
	uint32_t end = semset_sleepers_backed(set); /* as sleepers_end() */
	uint32_t i;

	for (i = 0; i < rows; i++) {
		if ((shared64_load(row_owner(set, i)) & ~ROW_CLOSING) == client)
			return true;
	}
	for (i = 0; i < end; i++) {
		if (shared64_load(&semset_record(set, i)->head.owner) == client)
			return true;
	}
	return false;
}

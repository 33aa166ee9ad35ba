/*
 * semset-txn.c: transactions on a set's words.
 *
 * Invariants of a transaction, from its first entry to its commit:
 *  1. Each word has one entry; old is what the word was settled to when it was first read.
 *  2. new is old's successor: at least the version differs, so a commit proves that no word changed
 *     between being read and being replaced, also those that are only looked at.
 *  3. Values are 0..32767 and adjustments -32768..32767 after every operation.
 *
 * An answer that changes nothing (EAGAIN, a wait for zero that succeeds) is given when reading all
 * entries a second time finds the same: as versions never return, all words then had these values at
 * one instant in between.
 */
#include "core/semset-internal.h"

/* A row's words may be taken for the client's only if the row was its own after they were read. */
static bool row_is_own(const struct semset *set, const struct semtx_array *array)
{
	return shared64_load(row_owner(set, array->row)) == array->client;
}

/* --- entries -------------------------------------------------------------------------------------- */

static uint32_t bucket_of(uint32_t word_index)
{
	return (word_index * 2654435761u) >> 24;
}

STATIC_ASSERT(SEMTX_BUCKETS == 1u << 8);

uint32_t semtx_find(const struct semtx *tx, uint32_t word_index)
{
	uint32_t i;

	if (!tx->buckets) {
		for (i = 0; i < tx->n; i++) {
			if (tx->changes[i].index == word_index)
				return i;
		}
		return UINT32_MAX;
	}
	for (i = tx->buckets[bucket_of(word_index)]; i != 0; i = tx->chain[i - 1]) {
		if (tx->changes[i - 1].index == word_index)
			return i - 1;
	}
	return UINT32_MAX;
}

int semtx_add(struct semtx *tx, uint32_t word_index, uint64_t old, uint32_t *ret_entry)
{
	uint32_t entry = tx->n;

	if (entry >= tx->n_max)
		return SEMTX_FULL;
	tx->changes[entry].index = word_index;
	/* The rows come last in the file; semset-undo.c says what they depend on. */
	tx->changes[entry].is_dependent = word_index >= undo_word_index(tx->set, 0, 0);
	tx->changes[entry].old = old;
	tx->changes[entry].new = mcas_next(old, mcas_payload(old));
	tx->marks[entry].pid = 0;
	tx->marks[entry].flags = 0;
	if (tx->buckets) {
		uint16_t *bucket = &tx->buckets[bucket_of(word_index)];

		tx->chain[entry] = *bucket;
		*bucket = (uint16_t)(entry + 1);
	}
	tx->n++;
	*ret_entry = entry;
	return 0;
}

int semtx_entry(struct semtx *tx, uint32_t word_index, uint32_t *ret_entry)
{
	uint32_t entry = semtx_find(tx, word_index);
	uint64_t word, found;

	if (entry != UINT32_MAX) {
		*ret_entry = entry;
		return 0;
	}
	/* Who only reads may not follow up what others have decided: the file may not be writable. */
	if ((tx->actor ? semset_look(tx->set, word_index, &found, &word)
		       : semset_word(tx->set, word_index, &word)) != MCAS_DONE)
		return SEMSET_E_CORRUPT;
	return semtx_add(tx, word_index, word, ret_entry);
}

void semtx_truncate(struct semtx *tx, uint32_t n)
{
	while (tx->n > n) {
		tx->n--;
		/* The youngest entry is the first of its chain. */
		if (tx->buckets)
			tx->buckets[bucket_of(tx->changes[tx->n].index)] = tx->chain[tx->n];
	}
}

/* --- one array ------------------------------------------------------------------------------------ */

/* The entry of an array's undo word.  0 or an outcome. */
static int undo_entry(struct semtx *tx, const struct semtx_array *array, uint32_t sem,
		      uint32_t *ret_entry)
{
	int rc;

	if (array->row >= semset_rows_backed(tx->set))
		return SEMTX_ROW_GONE;
	rc = semtx_entry(tx, undo_word_index(tx->set, array->row, sem), ret_entry);
	if (rc)
		return rc;
	return row_is_own(tx->set, array) ? 0 : SEMTX_ROW_GONE;
}

static int op_apply(struct semtx *tx, const struct semtx_array *array, const struct abi_sembuf *op)
{
	uint32_t entry, undo, payload;
	int32_t value, adjustment;
	int rc;

	rc = semtx_entry(tx, sem_word_index(tx->set, op->sem_num), &entry);
	if (rc)
		return rc;
	payload = semtx_payload(tx, entry);
	value = (int32_t)sem_value(payload) + op->sem_op;
	if (value < 0 || (op->sem_op == 0 && value != 0))
		return op->sem_flg & ABI_IPC_NOWAIT ? SEMSET_E_AGAIN : SEMSET_BLOCKED;
	if (value > ABI_SEMVMX)
		return SEMSET_E_RANGE;
	if (op->sem_op == 0)
		return 0;
	if (op->sem_flg & ABI_SEM_UNDO) {
		rc = undo_entry(tx, array, op->sem_num, &undo);
		if (rc)
			return rc;
		adjustment = undo_adjustment(semtx_payload(tx, undo), sem_epoch(payload)) - op->sem_op;
		if (adjustment < ABI_SEMAEM_MIN || adjustment > ABI_SEMAEM_MAX)
			return SEMSET_E_RANGE;
		semtx_set_payload(tx, undo, undo_payload(adjustment, sem_epoch(payload)));
	}
	semtx_set_payload(tx, entry, (payload & ~0x7fffu) | (uint32_t)value);
	return 0;
}

static void op_revert(struct semtx *tx, const struct semtx_array *array, const struct abi_sembuf *op)
{
	uint32_t entry, undo, payload;
	int32_t adjustment;

	if (op->sem_op == 0)
		return;
	entry = semtx_find(tx, sem_word_index(tx->set, op->sem_num));
	ASSERT(entry != UINT32_MAX);
	payload = semtx_payload(tx, entry);
	semtx_set_payload(tx, entry, (payload & ~0x7fffu) | (sem_value(payload) - (uint32_t)op->sem_op));
	if (!(op->sem_flg & ABI_SEM_UNDO))
		return;
	undo = semtx_find(tx, undo_word_index(tx->set, array->row, op->sem_num));
	ASSERT(undo != UINT32_MAX);
	adjustment = undo_adjustment(semtx_payload(tx, undo), sem_epoch(payload)) + op->sem_op;
	semtx_set_payload(tx, undo, undo_payload(adjustment, sem_epoch(payload)));
}

void semtx_revert(struct semtx *tx, const struct semtx_array *array, uint32_t n_ops)
{
	while (n_ops > 0)
		op_revert(tx, array, &array->ops[--n_ops]);
}

int semtx_apply(struct semtx *tx, const struct semtx_array *array, uint32_t *ret_stop)
{
	uint32_t i;
	int rc;

	for (i = 0; i < array->n_ops; i++) {
		rc = op_apply(tx, array, &array->ops[i]);
		if (rc) {
			semtx_revert(tx, array, i);
			*ret_stop = i;
			return rc;
		}
	}
	return SEMSET_DONE;
}

void semtx_keep(struct semtx *tx, const struct semtx_array *array)
{
	uint32_t i, entry;

	for (i = 0; i < array->n_ops; i++) {
		entry = semtx_find(tx, sem_word_index(tx->set, array->ops[i].sem_num));
		ASSERT(entry != UINT32_MAX);
		tx->marks[entry].pid = array->pid;
		tx->marks[entry].flags |= SEMTX_PID | SEMTX_OTIME;
		if (array->ops[i].sem_op != 0) {
			tx->marks[entry].flags |= SEMTX_TOUCHED;
			tx->touched = true;
			tx->dirty = true;
		}
	}
}

/* --- running -------------------------------------------------------------------------------------- */

static void tx_reset(struct semtx *tx)
{
	semtx_truncate(tx, 0);
	tx->n_wakes = tx->wakes ? tx->wakes->n : 0;
	tx->dirty = false;
	tx->touched = false;
	tx->settle = false;
	tx->more = false;
}

/* 0 if every word is still what the transaction read; SEMTX_STALE, SEMSET_E_CORRUPT. */
static int tx_confirm(struct semtx *tx)
{
	uint64_t word;
	uint32_t i;

	for (i = 0; i < tx->n; i++) {
		if (semset_word(tx->set, tx->changes[i].index, &word) != MCAS_DONE)
			return SEMSET_E_CORRUPT;
		if (word != tx->changes[i].old)
			return SEMTX_STALE;
	}
	return 0;
}

/* True if a sleeper may want a semaphore whose value changed. */
static bool tx_has_sleepers(const struct semtx *tx)
{
	uint32_t i;

	for (i = 0; i < tx->n; i++) {
		if ((tx->marks[i].flags & SEMTX_TOUCHED) &&
		    (mcas_payload(tx->changes[i].old) & SEM_WAITERS))
			return true;
	}
	return false;
}

static int tx_commit(struct semtx *tx)
{
	struct mcas_op op = { tx->changes, tx->n, tx->n_max };
	struct semset_header *header = semset_header(tx->set);

	if (tx->n == 1)
		return mcas_change_one(&tx->set->mcas, tx->changes[0].index, tx->changes[0].old,
				       tx->changes[0].new);
	if (!shared32_load(&header->slots_backed))
		return SEMSET_GROW_SLOTS;
	if (tx->n > MCAS_SMALL_MAX && !shared32_load(&header->large_backed))
		return SEMSET_GROW_LARGE;
	return mcas_commit(&tx->set->mcas, tx->actor, &op);
}

/* Pids and times.  Who is killed here has done his operation; only these two lag behind. */
static void tx_stamp(struct semtx *tx)
{
	uint32_t first = sem_word_index(tx->set, 0);
	uint32_t i, sem;

	for (i = 0; i < tx->n; i++) {
		if (!(tx->marks[i].flags & SEMTX_PID))
			continue;
		sem = (tx->changes[i].index - first) / (uint32_t)(sizeof(struct semset_cell) / 8);
		shared32_store(&semset_cell(tx->set, sem)->pid, tx->marks[i].pid);
		if (tx->marks[i].flags & SEMTX_OTIME)
			shared64_store(&semset_cell(tx->set, sem)->otime_s, (uint64_t)tx->actor->now_s);
	}
}

/* Longer and longer, and different for each thread, so that two that undo each other part. */
static void tx_back_off(const struct semtx *tx, uint32_t tries)
{
	uint32_t span = 1u << u32_min(tries, 9);
	uint32_t pauses = 1 + (((tx->actor->hint + 1) * 2654435761u + tries * 40503u) >> 7) % span;

	while (pauses-- > 0)
		shared_pause();
}

/* One try.  SEMTX_STALE: build again; SEMTX_RETRY and other outcomes: the answer. */
static int tx_try(struct semtx *tx, semtx_build *build, void *context)
{
	int outcome, rc;

	tx_reset(tx);
	outcome = build(tx, context);
	if (outcome == SEMSET_DONE && (tx->settle || (tx->touched && tx_has_sleepers(tx)))) {
		rc = semwait_grant(tx);
		if (rc)
			return rc;
	}
	if (outcome >= SEMTX_FULL || outcome == SEMSET_E_CORRUPT)
		return outcome;
	if (outcome != SEMSET_DONE || !tx->dirty) {
		rc = tx_confirm(tx);
		if (rc)
			return rc;
		if (outcome == SEMSET_DONE)
			tx_stamp(tx);
		return outcome;
	}
	rc = tx_commit(tx);
	if (rc == MCAS_DONE) {
		tx_stamp(tx);
		if (tx->wakes)
			tx->wakes->n = tx->n_wakes;
		return tx->more ? SEMSET_MORE : SEMSET_DONE;
	}
	switch (rc) {
	case MCAS_CHANGED:
	case MCAS_ABORTED:
		return SEMTX_STALE;
	case MCAS_E_BUSY:
		return SEMSET_E_NOMEM;
	case SEMSET_GROW_SLOTS:
	case SEMSET_GROW_LARGE:
		return rc;
	default:
		return SEMSET_E_CORRUPT;
	}
}

static int tx_run(struct semtx *tx, semtx_build *build, void *context)
{
	uint32_t tries, busy = 0;
	int outcome;

	for (tries = 0; tries < SEMTX_TRIES_MAX && tx->budget > 0; tries++) {
		tx->modest = tries >= SEMTX_TRIES_MODEST;
		outcome = tx_try(tx, build, context);
		semtx_spend(tx, tx->n);
		if (outcome == SEMSET_E_NOMEM && busy++ < SEMTX_BUSY_MAX)
			outcome = SEMTX_STALE;
		if (outcome != SEMTX_STALE)
			return outcome;
		tx_back_off(tx, tries);
	}
	return SEMSET_E_CORRUPT;
}

/*
 * Two sizes, so that the usual call does not pay for the stack of the largest; and one in memory of the
 * caller's.  use: the transaction is only handed to build, once, and nothing is committed.
 */
static int run_prepared(struct semtx *tx, semtx_build *build, void *context, bool use)
{
	tx->n = 0;
	tx_reset(tx);
	return use ? build(tx, context) : tx_run(tx, build, context);
}

static __attribute__((noinline)) int run_small(struct semtx *tx, semtx_build *build, void *context,
					       bool use)
{
	struct mcas_change changes[MCAS_SMALL_MAX];
	struct semtx_mark marks[MCAS_SMALL_MAX];

	tx->changes = changes;
	tx->marks = marks;
	tx->buckets = NULL;
	tx->chain = NULL;
	tx->n_max = MCAS_SMALL_MAX;
	tx->is_largest = false;
	return run_prepared(tx, build, context, use);
}

static __attribute__((noinline)) int run_large(struct semtx *tx, semtx_build *build, void *context,
					       bool use, bool is_largest)
{
	struct mcas_change changes[MCAS_LARGE_MAX];
	struct semtx_mark marks[MCAS_LARGE_MAX];
	uint16_t chain[MCAS_LARGE_MAX];
	uint16_t buckets[SEMTX_BUCKETS] = { 0 };

	tx->changes = changes;
	tx->marks = marks;
	tx->buckets = buckets;
	tx->chain = chain;
	tx->n_max = MCAS_LARGE_MAX;
	tx->is_largest = is_largest;
	return run_prepared(tx, build, context, use);
}

/* What one word of a transaction takes. */
#define TX_WORD_SIZE (sizeof(struct mcas_change) + sizeof(struct semtx_mark) + sizeof(uint16_t))
STATIC_ASSERT(MCAS_WORDS_MAX < UINT16_MAX);

size_t semset_set_all_size(const struct semset *set)
{
	uint32_t n_max = set->layout.large_max;

	return n_max > MCAS_LARGE_MAX ? n_max * TX_WORD_SIZE : 0;
}

static __attribute__((noinline)) int run_huge(struct semtx *tx, semtx_build *build, void *context,
					      void *memory)
{
	uint16_t buckets[SEMTX_BUCKETS] = { 0 };
	uint32_t n_max = tx->set->layout.large_max;

	tx->changes = memory;
	tx->marks = (struct semtx_mark *)(void *)(tx->changes + n_max);
	tx->buckets = buckets;
	tx->chain = (uint16_t *)(void *)(tx->marks + n_max);
	tx->n_max = n_max;
	tx->is_largest = true;
	return run_prepared(tx, build, context, false);
}

static int run(struct semtx *tx, semtx_build *build, void *context, void *memory, bool use)
{
	int outcome;

	tx->budget = SEMTX_BUDGET;
	outcome = run_small(tx, build, context, use);
	if (outcome == SEMTX_FULL)
		outcome = run_large(tx, build, context, use, !memory);
	if (outcome == SEMTX_FULL && memory)
		outcome = run_huge(tx, build, context, memory);
	return outcome == SEMTX_FULL ? SEMSET_E_NOMEM : outcome;
}

int semtx_run_in(struct semset *set, const struct actor *actor, semtx_build *build, void *context,
		 struct wakes *wakes, void *memory)
{
	struct semtx tx;

	tx.set = set;
	tx.actor = actor;
	tx.wakes = wakes;
	return run(&tx, build, context, memory, false);
}

int semtx_run(struct semset *set, const struct actor *actor, semtx_build *build, void *context,
	      struct wakes *wakes)
{
	return semtx_run_in(set, actor, build, context, wakes, NULL);
}

int semtx_scratch(struct semset *set, semtx_build *use, void *context)
{
	struct semtx tx;

	tx.set = set;
	tx.actor = NULL;
	tx.wakes = NULL;
	return run(&tx, use, context, NULL, true);
}

/*
 * semset.c: a semaphore set: its file, semop, and what only reads.  The rest of the unit is in
 * semset-txn.c (transactions), semset-wait.c (sleepers) and semset-undo.c (adjustments, death).
 *
 * Invariants of a quiet file, in the order semset_verify checks them:
 *  1. The header is this version's, for this many semaphores.
 *  2. No semaphore's word is in the middle of a change; no descriptor is in use.
 *  3. Each waiting sleeper has an owner and a well-formed array, every semaphore it names has the
 *     waiters flag, and the array can neither be carried out nor fails.
 *  4. A row without an owner holds no adjustment.
 */
#include "core/mcas-own.h"
#include "core/semset-one.h"

/* --- the file ------------------------------------------------------------------------------------- */

static uint32_t power_of_two_below(uint64_t value)
{
	uint32_t power = 1;

	while (power <= UINT32_MAX / 2 && (uint64_t)power * 2 <= value)
		power *= 2;
	return power;
}

int semset_layout(uint32_t n_sems, struct semset_layout *ret_layout)
{
	struct semset_layout layout = { 0 };
	uint64_t row_size = (uint64_t)n_sems * sizeof(struct shared64);

	if (n_sems == 0 || n_sems > SEM_NSEMS_MAX)
		return SEMSET_E_RANGE;
	layout.n_sems = n_sems;
	layout.n_sleepers = SLEEPER_MAX;
	layout.n_rows =
		u32_min(power_of_two_below(SEMSET_ROWS_SIZE_MAX / row_size), SEMSET_UNDO_ROWS_MAX);
	layout.n_rows_first =
		u32_min(power_of_two_below(SEMSET_ROWS_FIRST_SIZE / row_size), SEMSET_ROWS_FIRST);
	layout.n_rows_first = u32_min(layout.n_rows_first, layout.n_rows);
	layout.sems_off = sizeof(struct semset_header);
	layout.slots_off = layout.sems_off + n_sems * sizeof(struct semset_cell);
	layout.common_size = ALIGN_UP(layout.slots_off, SEMSET_PAGE);
	layout.resident_off = layout.slots_off + mcas_slots_size();
	layout.large_off = ALIGN_UP(
		layout.resident_off + mcas_resident_size(SEMSET_RESIDENT_SLOTS), SEMSET_PAGE);
	layout.large_max = u32_max(MCAS_LARGE_MAX, n_sems + SEMSET_GRANTS_BESIDE_ALL);
	layout.words_off =
		ALIGN_UP(layout.large_off + mcas_large_size(layout.large_max), SEMSET_PAGE);
	layout.records_off = ALIGN_UP(
		layout.words_off + layout.n_sleepers * sizeof(struct shared64), SEMSET_PAGE);
	layout.owners_off = ALIGN_UP(
		layout.records_off + layout.n_sleepers * sizeof(struct semset_record), SEMSET_PAGE);
	layout.rows_off =
		ALIGN_UP(layout.owners_off + layout.n_rows * sizeof(struct shared64), SEMSET_PAGE);
	layout.size = ALIGN_UP(layout.rows_off + layout.n_rows * row_size, SEMSET_PAGE);
	*ret_layout = layout;
	return SEMSET_DONE;
}

/* Differs when any extent or bound does: a file of another build's layout is refused. */
static uint64_t layout_signature(const struct semset_layout *layout)
{
	const uint64_t fields[] = {
		layout->n_sems,	     layout->n_sleepers,  layout->n_rows,    layout->n_rows_first,
		layout->sems_off,    layout->slots_off,	  layout->large_off, layout->words_off,
		layout->records_off, layout->owners_off,  layout->rows_off,  layout->size,
		layout->large_max,
		MCAS_SMALL_MAX,	     MCAS_SMALL_SLOTS,	  MCAS_LARGE_MAX,    MCAS_LARGE_SLOTS,
		SEMSET_VERSION,	     SEMSET_RECORD_OPS,   SEMSET_RESIDENT_SLOTS,
	};
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		hash ^= fields[i];
		hash *= UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
	}
	return hash;
}

void semset_format(void *base, const struct semset_layout *layout, int64_t now_s)
{
	struct semset_header *header = base;

	shared32_store(&header->version, SEMSET_VERSION);
	shared64_store(&header->signature, layout_signature(layout));
	shared32_store(&header->n_sems, layout->n_sems);
	shared64_store(&header->ctime_s, (uint64_t)now_s);
	shared32_store(&header->magic, SEMSET_MAGIC);
}

int semset_bind(struct semset *set, void *base, uint64_t size)
{
	struct semset_header *header = base;
	struct semset bound;

	if ((uintptr_t)base % sizeof(struct semset_cell) != 0 || size < sizeof(*header))
		return SEMSET_E_CORRUPT;
	if (shared32_load(&header->magic) != SEMSET_MAGIC ||
	    shared32_load(&header->version) != SEMSET_VERSION ||
	    semset_layout(shared32_load(&header->n_sems), &bound.layout) != SEMSET_DONE ||
	    shared64_load(&header->signature) != layout_signature(&bound.layout) ||
	    size < bound.layout.size)
		return SEMSET_E_CORRUPT;
	mcas_init(&bound.mcas, base, bound.layout.size, bound.layout.slots_off);
	mcas_init_large(&bound.mcas, bound.layout.large_off, bound.layout.large_max);
	mcas_init_resident(&bound.mcas, bound.layout.resident_off, SEMSET_RESIDENT_SLOTS);
	bound.base = base;
	bound.sleepers.word_index = (uint32_t)(bound.layout.words_off / 8);
	bound.sleepers.n_max = bound.layout.n_sleepers;
	bound.sleepers.record_size = sizeof(struct semset_record);
	bound.sleepers.records = bound.base + bound.layout.records_off;
	bound.sleepers.high_water = &header->high_water;
	bound.sleepers.clock = &header->clock;
	*set = bound;
	set->sleepers.mcas = &set->mcas;
	return SEMSET_DONE;
}

/* --- growth --------------------------------------------------------------------------------------- */

/* Adds the pages of [from, to) to a growth. */
static void growth_add(struct semset_growth *growth, uint64_t from, uint64_t to)
{
	from = from / SEMSET_PAGE * SEMSET_PAGE;
	to = ALIGN_UP(to, SEMSET_PAGE);
	growth->ranges[growth->n_ranges].offset = from;
	growth->ranges[growth->n_ranges].size = to - from;
	growth->n_ranges++;
}

static uint32_t doubled(uint32_t n, uint32_t first, uint32_t max)
{
	if (n < first)
		return u32_min(first, max);
	return n > max / 2 ? max : n * 2;
}

bool semset_growth(const struct semset *set, int outcome, struct semset_growth *ret_growth)
{
	const struct semset_layout *layout = &set->layout;
	struct semset_growth growth = { 0 };
	uint32_t n;

	growth.outcome = outcome;
	switch (outcome) {
	case SEMSET_GROW_SLOTS:
		break;
	case SEMSET_GROW_LARGE:
		growth_add(&growth, layout->large_off, layout->large_off + mcas_large_size(layout->large_max));
		break;
	case SEMSET_GROW_SLEEPERS:
		n = semset_sleepers_backed(set);
		growth.until = doubled(n, SEMSET_SLEEPERS_FIRST, layout->n_sleepers);
		growth_add(&growth, layout->words_off + n * sizeof(struct shared64),
			   layout->words_off + growth.until * sizeof(struct shared64));
		growth_add(&growth, layout->records_off + n * sizeof(struct semset_record),
			   layout->records_off + growth.until * sizeof(struct semset_record));
		break;
	case SEMSET_GROW_ROWS:
		n = semset_rows_backed(set);
		growth.until = doubled(n, layout->n_rows_first, layout->n_rows);
		growth_add(&growth, layout->owners_off + n * sizeof(struct shared64),
			   layout->owners_off + growth.until * sizeof(struct shared64));
		growth_add(&growth,
			   layout->rows_off + (uint64_t)n * layout->n_sems * sizeof(struct shared64),
			   layout->rows_off +
				   (uint64_t)growth.until * layout->n_sems * sizeof(struct shared64));
		break;
	default:
		return false;
	}
	/* Whoever grows will commit: the descriptors come along. */
	if (!semset_slots_backed(set))
		growth_add(&growth, layout->slots_off,
			   layout->resident_off + mcas_resident_size(SEMSET_RESIDENT_SLOTS));
	*ret_growth = growth;
	return true;
}

static void backed_raise(struct shared32 *backed, uint32_t until)
{
	uint32_t seen, rounds;

	for (rounds = 0; rounds < MCAS_ROUNDS_MAX; rounds++) {
		seen = shared32_load(backed);
		if (seen >= until || shared32_cas(backed, seen, until))
			return;
	}
}

void semset_grown(struct semset *set, const struct semset_growth *growth)
{
	struct semset_header *header = semset_header(set);

	backed_raise(&header->slots_backed, 1);
	if (growth->outcome == SEMSET_GROW_LARGE)
		backed_raise(&header->large_backed, 1);
	if (growth->outcome == SEMSET_GROW_SLEEPERS)
		backed_raise(&header->sleepers_backed, growth->until);
	if (growth->outcome == SEMSET_GROW_ROWS)
		backed_raise(&header->rows_backed, growth->until);
}

bool semset_bind_slot(struct semset *set, const struct actor *actor, uint32_t *ret_slot)
{
	if (!semset_slots_backed(set))
		return false;
	*ret_slot = mcas_resident_bind(&set->mcas, actor);
	return true;
}

/* --- semop ---------------------------------------------------------------------------------------- */

int semtx_build_op(struct semtx *tx, void *context)
{
	const struct semtx_array *array = context;
	uint32_t stop;
	int outcome;

	outcome = semtx_apply(tx, array, &stop);
	if (outcome == SEMSET_DONE)
		semtx_keep(tx, array);
	return outcome;
}

int semtx_array_prepare(struct semset *set, const struct actor *actor, const struct abi_sembuf *ops,
			uint32_t n_ops, struct semtx_array *ret_array)
{
	bool adjusts = false;
	uint32_t i;

	ASSERT(n_ops >= 1 && n_ops <= SEM_NOPS_MAX);
	for (i = 0; i < n_ops; i++) {
		if (ops[i].sem_num >= set->layout.n_sems)
			return SEMSET_E_FBIG;
		if ((ops[i].sem_flg & ABI_SEM_UNDO) && ops[i].sem_op != 0)
			adjusts = true;
	}
	ret_array->ops = ops;
	ret_array->n_ops = n_ops;
	ret_array->row = ROW_NONE;
	ret_array->pid = actor->pid;
	ret_array->client = actor->client;
	return adjusts ? semrow_find(set, actor->client, &ret_array->row) : SEMSET_DONE;
}

static __attribute__((noinline)) int op_array(struct semset *set, const struct actor *actor,
					      const struct abi_sembuf *ops, uint32_t n_ops,
					      struct wakes *wakes)
{
	struct semtx_array array;
	uint32_t rounds;
	int outcome;

	for (rounds = 0; rounds < MCAS_ROUNDS_MAX; rounds++) {
		outcome = semtx_array_prepare(set, actor, ops, n_ops, &array);
		if (outcome != SEMSET_DONE)
			return outcome;
		outcome = semtx_run(set, actor, semtx_build_op, &array, wakes);
		if (outcome != SEMTX_ROW_GONE)
			return semwait_finish(set, actor, outcome, wakes);
	}
	return SEMSET_E_CORRUPT;
}

/*
 * A few operations in the usual situation: nobody sleeps on these semaphores, no word is in the middle
 * of a change, and nobody is faster.  A transaction in short: each word is read once, all are replaced
 * with that version.  Whatever is not usual is left to the transaction; nothing has been changed then.
 */
struct quick {
	struct mcas_own own;
	bool has_own;
	bool alters;
	bool adjusts;
	uint32_t row;
	uint32_t n;
	uint64_t seen; /* bit for each sem_num so far, modulo 64 */
	uint64_t found[2 * SEMSET_FEW_OPS_MAX];
	struct mcas_change changes[2 * SEMSET_FEW_OPS_MAX];
};

STATIC_ASSERT(2 * SEMSET_FEW_OPS_MAX <= MCAS_SMALL_MAX);

/* The word's change, begun now if it has none; NULL: not usual. */
static inline __attribute__((always_inline)) struct mcas_change *
quick_change(struct semset *set, struct quick *quick, uint32_t index, bool is_dependent, bool is_seen)
{
	uint32_t i, n = quick->n;
	struct mcas_change *change = &quick->changes[n];
	int outcome;

	for (i = 0; is_seen && i < n; i++) {
		if (quick->changes[i].index == index)
			return &quick->changes[i];
	}
	if (quick->has_own)
		outcome = mcas_own_look(&set->mcas, &quick->own, index, &quick->found[n], &change->old);
	else
		outcome = semset_look(set, index, &quick->found[n], &change->old);
	if (outcome != MCAS_DONE)
		return NULL;
	change->index = index;
	change->is_dependent = is_dependent;
	change->new = change->old;
	quick->n = n + 1;
	return change;
}

static inline __attribute__((always_inline)) bool
quick_apply(struct semset *set, struct quick *quick, const struct abi_sembuf *op)
{
	uint64_t bit = UINT64_C(1) << (op->sem_num & 63);
	bool is_seen = quick->seen & bit;
	struct mcas_change *sem, *undo;
	uint32_t payload;
	int32_t value, adjustment;

	quick->seen |= bit;
	sem = quick_change(set, quick, sem_word_index(set, op->sem_num), false, is_seen);
	if (!sem)
		return false;
	payload = mcas_payload(sem->new);
	value = (int32_t)sem_value(payload) + op->sem_op;
	if ((payload & SEM_WAITERS) || (uint32_t)value > ABI_SEMVMX)
		return false;
	sem->new = mcas_next(sem->old, payload + (uint32_t)op->sem_op);
	if (op->sem_op == 0)
		return value == 0;
	quick->alters = true;
	if (!(op->sem_flg & ABI_SEM_UNDO))
		return true;
	/* The row's usual place; whether it is ours is looked at when its words have been read. */
	if (semset_rows_backed(set) <= quick->row)
		return false;
	quick->adjusts = true;
	undo = quick_change(set, quick, undo_word_index(set, quick->row, op->sem_num), true, is_seen);
	if (!undo)
		return false;
	adjustment = undo_adjustment(mcas_payload(undo->new), sem_epoch(payload)) - op->sem_op;
	undo->new = mcas_next(undo->old, undo_payload(adjustment, sem_epoch(payload)));
	return adjustment >= ABI_SEMAEM_MIN && adjustment <= ABI_SEMAEM_MAX;
}

/* True if it is done. */
static inline bool quick_commit(struct semset *set, const struct actor *actor, struct quick *quick)
{
	struct mcas_op op = { quick->changes, quick->n, quick->n };

	if (quick->n == 1)
		return shared64_cas(&set->mcas.words[quick->changes[0].index], quick->found[0],
				    quick->changes[0].new);
	if (quick->has_own)
		return mcas_own_commit(&set->mcas, &quick->own, &op, quick->found) == MCAS_DONE;
	return semset_slots_backed(set) && mcas_commit(&set->mcas, actor, &op) == MCAS_DONE;
}

static inline __attribute__((always_inline)) bool few(struct semset *set, const struct actor *actor,
						      const struct abi_sembuf *ops, uint32_t n_ops)
{
	struct quick quick;
	uint32_t i;

	quick.n = 0;
	quick.seen = 0;
	quick.row = semrow_first_place(set, actor->client);
	quick.alters = false;
	quick.adjusts = false;
	quick.has_own = actor->slot != MCAS_SLOT_NONE;
	if (quick.has_own)
		mcas_own_begin(&set->mcas, actor, &quick.own);
	for (i = 0; i < n_ops; i++) {
		if (ops[i].sem_num >= set->layout.n_sems || !quick_apply(set, &quick, &ops[i]))
			return false;
	}
	if (!quick.alters ||
	    (quick.adjusts && shared64_load(row_owner(set, quick.row)) != actor->client) ||
	    !quick_commit(set, actor, &quick))
		return false;
	for (i = 0; i < n_ops; i++)
		cell_stamp(semset_cell(set, ops[i].sem_num), actor);
	return true;
}

bool semset_few(struct semset *set, const struct actor *actor, const struct abi_sembuf *ops,
		uint32_t n_ops)
{
	return n_ops == 1 ? few(set, actor, ops, 1) : few(set, actor, ops, n_ops);
}

int semset_op(struct semset *set, const struct actor *actor, const struct abi_sembuf *ops,
	      uint32_t n_ops, struct wakes *ret_wakes)
{
	struct semset_cell *cell;
	int outcome;

	ret_wakes->n = 0;
	if (semset_is_removed(set))
		return SEMSET_E_REMOVED;
	if (n_ops == 1 && !(ops->sem_flg & ABI_SEM_UNDO)) {
		outcome = semset_one(set, ops->sem_num, ops->sem_op, (uint16_t)ops->sem_flg, &cell);
		if (outcome == SEMSET_DONE)
			cell_stamp(cell, actor);
		if (outcome != SEMSET_UNUSUAL)
			return outcome;
	} else if (n_ops <= SEMSET_FEW_OPS_MAX && semset_few(set, actor, ops, n_ops)) {
		return SEMSET_DONE;
	}
	return op_array(set, actor, ops, n_ops, ret_wakes);
}

int semset_op_or_wait(struct semset *set, const struct actor *actor, const struct abi_sembuf *ops,
		      uint32_t n_ops, struct wakes *ret_wakes, struct semset_sleeper *ret_sleeper)
{
	struct semtx_array array;
	uint32_t rounds;
	int outcome;

	for (rounds = 0; rounds < MCAS_ROUNDS_MAX; rounds++) {
		outcome = semset_op(set, actor, ops, n_ops, ret_wakes);
		if (outcome != SEMSET_BLOCKED)
			return outcome;
		outcome = semtx_array_prepare(set, actor, ops, n_ops, &array);
		if (outcome != SEMSET_DONE)
			return outcome;
		outcome = semwait_register(set, actor, &array, ret_sleeper);
		if (outcome != SEMTX_RETRY)
			return outcome;
	}
	return SEMSET_E_CORRUPT;
}

/* --- reading -------------------------------------------------------------------------------------- */

bool semset_is_removed(const struct semset *set)
{
	return shared32_load(&semset_header(set)->removed) != 0;
}

int semset_get_value(struct semset *set, uint32_t sem_num, uint32_t *ret_value)
{
	uint64_t word;

	if (sem_num >= set->layout.n_sems ||
	    semset_word(set, sem_word_index(set, sem_num), &word) != MCAS_DONE)
		return SEMSET_E_CORRUPT;
	*ret_value = sem_value(mcas_payload(word));
	return SEMSET_DONE;
}

int semset_get_pid(struct semset *set, uint32_t sem_num, uint32_t *ret_pid)
{
	if (sem_num >= set->layout.n_sems)
		return SEMSET_E_CORRUPT;
	*ret_pid = shared32_load(&semset_cell(set, sem_num)->pid);
	return SEMSET_DONE;
}

/* Every word's value, and the sum of their versions: it grows with every change. */
static int values_collect(struct semset *set, uint16_t *values, uint64_t *ret_sum)
{
	uint64_t word, sum = 0;
	uint32_t i;

	for (i = 0; i < set->layout.n_sems; i++) {
		if (semset_word(set, sem_word_index(set, i), &word) != MCAS_DONE)
			return SEMSET_E_CORRUPT;
		values[i] = (uint16_t)sem_value(mcas_payload(word));
		sum += (uint32_t)word;
	}
	*ret_sum = sum;
	return SEMSET_DONE;
}

int semset_get_all(struct semset *set, uint16_t *ret_values)
{
	uint32_t tries = 16 + 65536 / set->layout.n_sems;
	uint64_t before = 0, sum;

	if (values_collect(set, ret_values, &before))
		return SEMSET_E_CORRUPT;
	for (; tries > 0; tries--) {
		if (values_collect(set, ret_values, &sum))
			return SEMSET_E_CORRUPT;
		if (sum == before)
			break;
		before = sum;
	}
	return SEMSET_DONE;
}

struct count_call {
	uint32_t sem_num;
	uint32_t ncnt;
	uint32_t zcnt;
};

static int count_sleepers(struct semtx *tx, void *context)
{
	struct count_call *call = context;
	uint32_t end = semset_scan_end(tx->set);
	const struct abi_sembuf *op;
	struct semwait wait;
	uint32_t i, stop;
	uint64_t word;
	int rc;

	call->ncnt = 0;
	call->zcnt = 0;
	for (i = 0; i < end; i++) {
		if (semset_word(tx->set, sleeper_word(&tx->set->sleepers, i), &word) != MCAS_DONE)
			return SEMSET_E_CORRUPT;
		if (sleeper_state(word) != SLEEPER_WAITING || !semwait_load(tx->set, i, &wait))
			continue;
		semtx_truncate(tx, 0);
		rc = semtx_apply(tx, &wait.array, &stop);
		if (rc == SEMSET_E_CORRUPT || rc == SEMTX_FULL)
			return rc;
		if (rc != SEMSET_BLOCKED)
			continue;
		op = &wait.ops[stop];
		if (op->sem_num != call->sem_num)
			continue;
		if (op->sem_op < 0)
			call->ncnt++;
		else
			call->zcnt++;
	}
	return SEMSET_DONE;
}

int semset_get_counts(struct semset *set, uint32_t sem_num, uint32_t *ret_ncnt, uint32_t *ret_zcnt)
{
	struct count_call call = { sem_num, 0, 0 };

	if (sem_num >= set->layout.n_sems)
		return SEMSET_E_CORRUPT;
	if (semset_scan_end(set) > 0 && semtx_scratch(set, count_sleepers, &call) != SEMSET_DONE)
		return SEMSET_E_CORRUPT;
	*ret_ncnt = call.ncnt;
	*ret_zcnt = call.zcnt;
	return SEMSET_DONE;
}

void semset_get_stat(struct semset *set, struct semset_stat *ret_stat)
{
	int64_t latest = 0, otime;
	uint32_t i;

	for (i = 0; i < set->layout.n_sems; i++) {
		otime = (int64_t)shared64_load(&semset_cell(set, i)->otime_s);
		if (otime > latest)
			latest = otime;
	}
	ret_stat->otime_s = latest;
	ret_stat->ctime_s = (int64_t)shared64_load(&semset_header(set)->ctime_s);
}

void semset_set_ctime(struct semset *set, int64_t now_s)
{
	shared64_store(&semset_header(set)->ctime_s, (uint64_t)now_s);
}

/* --- verify --------------------------------------------------------------------------------------- */

static int verify_sleepers(struct semtx *tx, void *context)
{
	uint32_t end = semset_scan_end(tx->set);
	struct semwait wait;
	uint32_t i, k, stop;
	uint64_t word;
	int rc;

	(void)context;
	for (i = 0; i < end; i++) {
		if (semset_word(tx->set, sleeper_word(&tx->set->sleepers, i), &word) != MCAS_DONE)
			return SEMSET_E_CORRUPT;
		if (sleeper_state(word) != SLEEPER_WAITING)
			continue;
		if (!semwait_load(tx->set, i, &wait) || wait.array.client == 0)
			return SEMSET_E_CORRUPT;
		for (k = 0; k < wait.array.n_ops; k++) {
			if (semset_word(tx->set, sem_word_index(tx->set, wait.ops[k].sem_num),
					&word) != MCAS_DONE ||
			    !(mcas_payload(word) & SEM_WAITERS))
				return SEMSET_E_CORRUPT;
		}
		semtx_truncate(tx, 0);
		rc = semtx_apply(tx, &wait.array, &stop);
		if (rc != SEMSET_BLOCKED)
			return rc == SEMTX_FULL ? rc : SEMSET_E_CORRUPT;
	}
	return SEMSET_DONE;
}

static bool verify_rows(struct semset *set)
{
	uint32_t backed = semset_rows_backed(set);
	uint32_t row, sem;
	uint64_t word;

	for (row = 0; row < backed; row++) {
		if (shared64_load(row_owner(set, row)) != 0)
			continue;
		for (sem = 0; sem < set->layout.n_sems; sem++) {
			word = shared64_load(&set->mcas.words[undo_word_index(set, row, sem)]);
			if (mcas_is_mark(word) || (uint16_t)mcas_payload(word) != 0)
				return false;
		}
	}
	return true;
}

bool semset_verify(struct semset *set)
{
	struct semset_header *header = semset_header(set);
	struct mcas mcas;
	uint32_t i;

	if (shared32_load(&header->magic) != SEMSET_MAGIC ||
	    shared32_load(&header->n_sems) != set->layout.n_sems ||
	    shared64_load(&header->signature) != layout_signature(&set->layout))
		return false;
	for (i = 0; i < set->layout.n_sems; i++) {
		if (mcas_is_mark(shared64_load(&semset_cell(set, i)->word)))
			return false;
	}
	if (semset_backed_slots(set, &mcas) && !mcas_verify(&mcas))
		return false;
	if (semtx_scratch(set, verify_sleepers, NULL) != SEMSET_DONE)
		return false;
	return verify_rows(set);
}

/*
 * prove-semset.c: a set in memory of any content, whose loads return anything, each time.
 *
 * Two semaphores, calls and sleepers of two operations, two sleepers, two rows, transactions of four
 * words and loops of two rounds.  The parts are proved one by one, each with what is proved of the
 * others in their place: mcas (mcas-proved.h); the running of a transaction for whatever a build
 * function may leave in it (tx_valid()); each build function, for every
 * such transaction; and the calls for every outcome of a transaction.
 */
#ifndef MCAS_SMALL_MAX
#define MCAS_SMALL_MAX 4u
#define MCAS_LARGE_MAX 6u
#endif
#include "memory.h"
#include "tiny.h"

#include "core/semset-internal.h"

#undef SEMTX_BUDGET
#undef SEMTX_TRIES_MAX
#undef SEMTX_BUSY_MAX
#undef SEMSET_FEW_OPS_MAX
#define SEMTX_BUDGET 64u
#define SEMTX_TRIES_MAX 2u
#define SEMTX_BUSY_MAX 1u
#define SEMSET_FEW_OPS_MAX ROUNDS

#include "mcas-proved.h"

#include "core/sleeper.c"
#define semtx_run run_proved
#define semtx_run_in run_in_proved
#define semtx_scratch scratch_proved
#include "core/semset-txn.c"
#undef semtx_run
#undef semtx_run_in
#undef semtx_scratch
#define semwait_grant grant_proved
#include "core/semset-wait.c"
#undef semwait_grant
#include "core/semset-undo.c"
#include "core/semset-stead.c"
#include "core/semset.c"

#define N_SEMS 2u

/* --- anything -------------------------------------------------------------------------------------- */

static struct {
	struct semset set;
	struct actor actor;
	struct wakes wakes;
	struct abi_sembuf ops[SEM_NOPS_MAX];
	struct semtx tx;
	struct mcas_change changes[MCAS_SMALL_MAX];
	struct semtx_mark marks[MCAS_SMALL_MAX];
} any;

static void set_any(void)
{
	struct semset *set = &any.set;
	struct semset_layout layout;

	__CPROVER_havoc_object(&any);
	PROVE(semset_layout(N_SEMS, &layout) == SEMSET_DONE && layout.size <= FILE_MAX);
	file_size = layout.size;
	set->layout = layout;
	set->base = file;
	mcas_init(&set->mcas, file, layout.size, layout.slots_off);
	mcas_init_large(&set->mcas, layout.large_off, layout.large_max);
	mcas_init_resident(&set->mcas, layout.resident_off, SEMSET_RESIDENT_SLOTS);
	set->sleepers = (struct sleepers){ &set->mcas, (uint32_t)(layout.words_off / 8),
		layout.n_sleepers, sizeof(struct semset_record), file + layout.records_off,
		&semset_header(set)->high_water, &semset_header(set)->clock };
	any.actor = (struct actor){ .client = nondet_u64(), .pid = nondet_u32(),
				    .hint = nondet_u32() };
	ASSUME(any.actor.client != 0 && any.actor.client < UINT64_C(1) << 48);
	if (nondet_bool())
		any.actor.slot = RESIDENT_FIRST;
	ASSUME(any.wakes.n <= SEMSET_WAKES_MAX);
}

static void array_any(struct semtx_array *array)
{
	uint32_t i;

	*array = (struct semtx_array){ any.ops, nondet_u32(), nondet_u32(), nondet_u32(),
				       nondet_u64() };
	ASSUME(array->n_ops >= 1 && array->n_ops <= SEM_NOPS_MAX);
	for (i = 0; i < SEM_NOPS_MAX; i++)
		ASSUME(any.ops[i].sem_num < N_SEMS);
}

/* What a build function may leave: on this the running of a transaction rests. */
static bool tx_valid(const struct semtx *tx)
{
	uint32_t i, n_guarded = 0, sem;

	if (tx->n > tx->n_max || tx->n_wakes > SEMSET_WAKES_MAX)
		return false;
	for (i = 0; i < tx->n; i++) {
		const struct mcas_change *change = &tx->changes[i];

		sem = change->index - sem_word_index(tx->set, 0);
		n_guarded += !change->is_dependent;
		if (change->index >= tx->set->mcas.n_words || mcas_is_mark(change->old) ||
		    (uint32_t)change->new != (uint32_t)mcas_next(change->old, 0))
			return false;
		if ((tx->marks[i].flags & (SEMTX_PID | SEMTX_OTIME | SEMTX_TOUCHED)) &&
		    (sem % 8 != 0 || sem / 8 >= N_SEMS))
			return false;
	}
	if (tx->dirty && n_guarded == 0)
		return false;
	return tx->wakes || (!tx->touched && !tx->settle);
}

/* Adds anything. */
static void tx_fill(struct semtx *tx)
{
	uint32_t i, n = nondet_u32();

	ASSUME(n >= tx->n && n <= tx->n_max);
	for (i = tx->n; i < n; i++) {
		tx->changes[i] = (struct mcas_change){ nondet_u32(), nondet_bool(), nondet_u64(), 0 };
		tx->changes[i].new = mcas_next(tx->changes[i].old, nondet_u32());
		tx->marks[i] = (struct semtx_mark){ nondet_u32(), nondet_u32() };
	}
	tx->n = n;
	tx->n_wakes = nondet_u32();
	tx->dirty = nondet_bool();
	tx->touched = nondet_bool();
	tx->settle = nondet_bool();
	tx->more = nondet_bool();
	ASSUME(tx_valid(tx));
}

/* A transaction as it is handed to a build function; actor: NULL for one that only reads. */
static void tx_begin(const struct actor *actor)
{
	any.tx = (struct semtx){ .set = &any.set, .actor = actor, .wakes = &any.wakes,
				 .changes = any.changes, .marks = any.marks,
				 .n_max = MCAS_SMALL_MAX, .n_wakes = any.wakes.n,
				 .budget = SEMTX_BUDGET, .is_largest = nondet_bool(),
				 .modest = nondet_bool() };
}

/* --- what is proved of a part, in its place -------------------------------------------------------- */

int semwait_grant(struct semtx *tx)
{
	PROVE(tx->wakes && (tx->settle || tx->touched));
	tx_fill(tx);
	return nondet_bool() ? 0 : SEMSET_E_CORRUPT;
}

int semtx_run_in(struct semset *set, const struct actor *actor, semtx_build *build, void *context,
		 struct wakes *wakes, void *memory)
{
	uint32_t n = nondet_u32();
	int outcome = (int)nondet_u8();

	(void)set;
	(void)memory;
	PROVE(actor && build);
	if (wakes) {
		PROVE(wakes->n <= SEMSET_WAKES_MAX);
		ASSUME(n >= wakes->n && n <= SEMSET_WAKES_MAX);
		wakes->n = n;
	}
	if (build == semtx_build_op) {
		const struct semtx_array *array = context;
		uint32_t i = nondet_u32();

		PROVE(array->n_ops >= 1 && array->n_ops <= SEM_NOPS_MAX);
		PROVE(i >= array->n_ops || array->ops[i].sem_num < N_SEMS);
	}
	if (build == build_drain && outcome == SEMSET_DONE) {
		struct drain *drain = context;

		drain->next = nondet_u32();
		ASSUME(drain->next >= drain->first && drain->next <= N_SEMS);
	}
	ASSUME(outcome <= SEMSET_E_CORRUPT || outcome == SEMSET_GROW_SLOTS ||
	       outcome == SEMSET_GROW_LARGE || outcome == SEMTX_RETRY || outcome == SEMTX_ROW_GONE);
	return outcome;
}

int semtx_run(struct semset *set, const struct actor *actor, semtx_build *build, void *context,
	      struct wakes *wakes)
{
	return semtx_run_in(set, actor, build, context, wakes, NULL);
}

int semtx_scratch(struct semset *set, semtx_build *use, void *context)
{
	int outcome = (int)nondet_u8();

	(void)set;
	PROVE(use && (context || use == verify_sleepers));
	return outcome;
}

/* --- transactions ---------------------------------------------------------------------------------- */

static int build_any(struct semtx *tx, void *context)
{
	int outcome = (int)nondet_u8();

	(void)context;
	PROVE(tx->n == 0 && !tx->dirty && !tx->touched && !tx->settle);
	tx_fill(tx);
	return outcome;
}

void semset_run_any(void)
{

	set_any();
	(void)run_in_proved(&any.set, &any.actor, build_any, NULL, nondet_bool() ? &any.wakes : NULL, NULL);
	PROVE(any.wakes.n <= SEMSET_WAKES_MAX);
}

/* The index of a large transaction, in every state: finding, adding, forgetting. */
void semset_index_any(void)
{
	struct mcas_change changes[MCAS_LARGE_MAX];
	struct semtx_mark marks[MCAS_LARGE_MAX];
	uint16_t chain[MCAS_LARGE_MAX], buckets[SEMTX_BUCKETS];
	uint32_t i, entry, word_index = nondet_u32(), bucket = nondet_u8();
	int rc;

	set_any();
	any.tx = (struct semtx){ .set = &any.set, .actor = &any.actor, .changes = changes, .marks = marks,
			     .buckets = buckets, .chain = chain, .n = nondet_u32(),
			     .n_max = MCAS_LARGE_MAX };
	ASSUME(any.tx.n <= any.tx.n_max && word_index < any.set.mcas.n_words);
	for (i = 0; i < MCAS_LARGE_MAX; i++)
		ASSUME(chain[i] <= i && changes[i].index < any.set.mcas.n_words);
	ASSUME(buckets[bucket] <= any.tx.n && buckets[bucket_of(word_index)] <= any.tx.n);
	for (i = 0; i < any.tx.n; i++)
		ASSUME(buckets[bucket_of(changes[i].index)] <= i + 1);
	rc = semtx_entry(&any.tx, word_index, &entry);
	if (rc == 0)
		PROVE(entry < any.tx.n && semtx_find(&any.tx, word_index) == entry);
	for (i = 0; i < any.tx.n; i++)
		PROVE(chain[i] <= i);
	PROVE(buckets[bucket] <= any.tx.n);
	semtx_truncate(&any.tx, nondet_bool() ? 0 : any.tx.n);
}

/* --- build functions ------------------------------------------------------------------------------- */

/* Outcomes a build function has; what it leaves is valid. */
static void build_check(struct semtx *tx, int outcome)
{
	PROVE((outcome >= SEMSET_DONE && outcome <= SEMSET_E_CORRUPT) ||
	      (outcome >= SEMTX_FULL && outcome <= SEMTX_ROW_GONE));
	if (outcome == SEMSET_DONE)
		PROVE(tx_valid(tx));
}

void semset_build_op(void)
{
	struct semtx_array array;

	set_any();
	tx_begin(&any.actor);
	array_any(&array);
	build_check(&any.tx, semtx_build_op(&any.tx, &array));
}

void semset_build_registration(void)
{
	struct registration registration;

	set_any();
	tx_begin(&any.actor);
	any.tx.wakes = NULL;
	array_any(&registration.array);
	registration.index = nondet_u32();
	ASSUME(registration.index < SLEEPER_MAX);
	build_check(&any.tx, build_registration(&any.tx, &registration));
}

void semset_build_assignment(void)
{
	uint16_t values[N_SEMS];
	struct semset_assignment assignment = { values, nondet_u32(), nondet_u32() };

	set_any();
	tx_begin(&any.actor);
	ASSUME(assignment.first < N_SEMS);
	ASSUME(assignment.n >= 1 && assignment.n <= N_SEMS - assignment.first);
	build_check(&any.tx, semundo_build_assignment(&any.tx, &assignment));
}

void semset_build_undo(void)
{
	struct sweep sweep = { nondet_u32(), nondet_u32() };
	struct drain drain = { nondet_u64(), nondet_u32(), nondet_u32(), nondet_u32() };
	int rc;

	set_any();
	tx_begin(&any.actor);
	ASSUME(sweep.row < any.set.layout.n_rows && sweep.sem < N_SEMS);
	ASSUME(drain.row < any.set.layout.n_rows && drain.first <= N_SEMS);
	if (nondet_bool()) {
		any.tx.wakes = NULL;
		build_check(&any.tx, build_sweep(&any.tx, &sweep));
	} else {
		rc = build_drain(&any.tx, &drain);
		build_check(&any.tx, rc);
		PROVE(rc != SEMSET_DONE || (drain.next >= drain.first && drain.next <= N_SEMS));
	}
}

void semset_build_hand_back(void)
{
	struct hand_back back;

	set_any();
	tx_begin(&any.actor);
	ASSUME(back.index < SLEEPER_MAX);
	build_check(&any.tx, build_hand_back(&any.tx, &back));
}

void semset_build_stead(void)
{
	struct semset_assignment assignment = { (uint16_t[N_SEMS]){ nondet_u8() }, nondet_u32(), nondet_u32() };
	struct semtx_array array;
	struct stead_call call = { .may_wait = nondet_bool(), .index = nondet_u32() };

	set_any();
	tx_begin(&any.actor);
	array_any(&array);
	ASSUME(assignment.first < N_SEMS && call.index < SLEEPER_MAX);
	ASSUME(assignment.n >= 1 && assignment.n <= N_SEMS - assignment.first);
	if (nondet_bool())
		call.array = &array;
	else
		call.assignment = &assignment;
	ASSUME(call.array || !call.may_wait);
	build_check(&any.tx, build_stead(&any.tx, &call));
}

/* What only reads has no actor and no wakes. */
void semset_read_any(void)
{
	struct count_call count = { nondet_u32(), 0, 0 };

	set_any();
	tx_begin(NULL);
	any.tx.wakes = NULL;
	(void)(nondet_bool() ? count_sleepers(&any.tx, &count) : verify_sleepers(&any.tx, NULL));
}

/* --- the wake pass --------------------------------------------------------------------------------- */

/* A transaction that is built, as the wake pass gets it. */
static void tx_built(void)
{
	set_any();
	tx_begin(&any.actor);
	tx_fill(&any.tx);
	any.tx.budget = nondet_u32();
	ASSUME(any.tx.budget <= SEMTX_BUDGET);
}

/*
 * What is proved of a part, in its place.  Of the pass itself it is only looked at in which order it calls them,
 * and how often: is_valid stands for tx_valid().
 */
static bool is_valid;

int judge_proved(struct semtx *tx, const struct semwait *wait, bool *ret_ends)
{
	int rc = (int)nondet_u8();

	PROVE(wait->array.n_ops >= 1 && wait->array.n_ops <= SEM_NOPS_MAX && tx_valid(tx));
	tx_fill(tx);
	*ret_ends = nondet_bool();
	ASSUME(rc == 0 || rc == SEMTX_FULL || rc == SEMSET_E_CORRUPT);
	return rc;
}

int select_proved(struct semtx *tx, struct semwait *wait, struct candidate *ret_best)
{
	int rc = (int)nondet_u8();

	(void)wait;
	PROVE(is_valid);
	is_valid = rc == 0;
	semtx_spend(tx, nondet_u32());
	*ret_best = (struct candidate){ nondet_bool(), nondet_bool(), nondet_u32(), nondet_u64() };
	ASSUME(ret_best->index < SLEEPER_MAX);
	ASSUME(rc == 0 || rc == SEMTX_FULL || rc == SEMSET_E_CORRUPT);
	return rc;
}

/* Each that is granted takes an entry of the transaction. */
int one_proved(struct semtx *tx, struct semwait *wait, uint32_t index)
{
	int rc = (int)nondet_u8();

	(void)wait;
	PROVE(index < SLEEPER_MAX && is_valid);
	ASSUME(rc == 0 || rc == SEMTX_FULL || rc == SEMSET_E_CORRUPT || rc == SEMTX_STALE);
	is_valid = rc == 0 || rc == SEMTX_FULL;
	if (rc == 0) {
		ASSUME(tx->n < tx->n_max);
		tx->n++;
		tx->n_wakes = nondet_u32();
	}
	return rc;
}

void flags_proved(struct semtx *tx, struct semwait *wait)
{
	(void)wait;
	PROVE(is_valid);
	semtx_spend(tx, nondet_u32());
}

void grant_judge_any(void)
{
	struct semwait wait;
	uint32_t i;
	bool ends;
	int rc;

	tx_built();
	ASSUME(wait.array.n_ops >= 1 && wait.array.n_ops <= SEM_NOPS_MAX);
	wait.array.ops = wait.ops;
	for (i = 0; i < SEM_NOPS_MAX; i++)
		ASSUME(wait.ops[i].sem_num < N_SEMS);
	i = any.tx.n;
	rc = wait_judge(&any.tx, &wait, &ends);
	PROVE(rc == 0 || rc == SEMTX_FULL || rc == SEMSET_E_CORRUPT);
	PROVE(rc == SEMSET_E_CORRUPT || (tx_valid(&any.tx) && any.tx.n >= i && any.tx.n <= i + 1));
}

void grant_select_any(void)
{
	struct candidate best;
	struct semwait wait;
	int rc;

	tx_built();
	rc = grant_select(&any.tx, &wait, &best);
	PROVE(rc == 0 || rc == SEMTX_FULL || rc == SEMSET_E_CORRUPT);
	PROVE(rc != 0 || (tx_valid(&any.tx) && (!best.found || best.index < SLEEPER_MAX)));
}

void grant_one_any(void)
{
	struct semwait wait;
	uint32_t index = nondet_u32(), n;
	int rc;

	tx_built();
	ASSUME(index < SLEEPER_MAX);
	n = any.tx.n;
	rc = grant_one(&any.tx, &wait, index);
	PROVE(rc == 0 || rc == SEMSET_E_CORRUPT || rc == SEMTX_FULL || rc == SEMTX_STALE);
	PROVE(rc != 0 || any.tx.n > n);
	PROVE((rc != 0 && rc != SEMTX_FULL) || tx_valid(&any.tx));
}

void grant_pass_any(void)
{
	struct semtx tx = { .n = nondet_u32(), .n_max = MCAS_SMALL_MAX, .n_wakes = nondet_u32(),
			    .budget = nondet_u32(), .is_largest = nondet_bool(), .modest = nondet_bool() };
	int rc;

	ASSUME(tx.n <= tx.n_max);
	is_valid = true;
	rc = grant_proved(&tx);
	PROVE(rc == 0 || rc == SEMSET_E_CORRUPT || rc == SEMTX_FULL || rc == SEMTX_STALE);
	PROVE(rc != 0 || is_valid);
}

void grant_flags_any(void)
{
	struct semwait wait;

	tx_built();
	flags_clear(&any.tx, &wait);
	PROVE(tx_valid(&any.tx));
}

/* --- calls ----------------------------------------------------------------------------------------- */

void semset_bind_any(void)
{
	uint64_t size = nondet_u64();

	ASSUME(size <= FILE_MAX);
	file_size = size;
	(void)semset_bind(&any.set, file, size);
}

void semset_load_any(void)
{
	uint32_t index = nondet_u32();
	struct semwait wait;

	set_any();
	ASSUME(index < SLEEPER_MAX);
	if (semwait_load(&any.set, index, &wait)) {
		PROVE(wait.array.n_ops >= 1 && wait.array.n_ops <= SEM_NOPS_MAX);
		PROVE(wait.ops[wait.array.n_ops - 1].sem_num < N_SEMS);
	}
}

void semset_few_any(void)
{
	struct abi_sembuf ops[SEMSET_FEW_OPS_MAX];
	uint32_t n_ops = nondet_u32();

	set_any();
	ASSUME(n_ops >= 1 && n_ops <= SEMSET_FEW_OPS_MAX);
	(void)semset_few(&any.set, &any.actor, any.ops, n_ops);
}

void semset_op_any(void)
{
	struct semset_sleeper sleeper;
	uint32_t n_ops = nondet_u32();

	set_any();
	ASSUME(n_ops >= 1 && n_ops <= SEM_NOPS_MAX);
	(void)semset_op_or_wait(&any.set, &any.actor, any.ops, n_ops, &any.wakes, &sleeper);
	PROVE(any.wakes.n <= SEMSET_WAKES_MAX);
}

void semset_sleeper_any(void)
{
	struct semset_sleeper sleeper = { nondet_u32(), nondet_u32(), nondet_u32() };

	set_any();
	(void)(nondet_bool() ? semset_poll(&any.set, &sleeper) : semset_cancel(&any.set, &any.actor, &sleeper));
}

void semset_set_any(void)
{
	uint32_t sem_num = nondet_u32(), value = nondet_u32();
	uint16_t values[N_SEMS];

	set_any();
	ASSUME(sem_num < N_SEMS && value <= ABI_SEMVMX);
	if (nondet_bool())
		(void)semset_set_value(&any.set, &any.actor, sem_num, value, &any.wakes);
	else
		(void)semset_set_all(&any.set, &any.actor, values, NULL, &any.wakes);
	PROVE(any.wakes.n <= SEMSET_WAKES_MAX);
}

void semset_stead_any(void)
{
	const struct stead stead = { nondet_u32(), nondet_bool(), nondet_bool() };
	uint32_t first = nondet_u32(), n = nondet_u32();
	uint16_t values[N_SEMS];

	set_any();
	ASSUME(n >= 1 && first < N_SEMS);
	if (nondet_bool()) {
		ASSUME(n <= SEM_NOPS_MAX);
		(void)semset_stead_op(&any.set, &any.actor, &stead, any.ops, n, &any.wakes);
	} else {
		ASSUME(n <= N_SEMS - first);
		(void)semset_stead_assign(&any.set, &any.actor, &stead, values, first, n, NULL, &any.wakes);
	}
	PROVE(any.wakes.n <= SEMSET_WAKES_MAX);
}

void semset_stead_end_any(void)
{

	set_any();
	if (nondet_bool())
		semset_stead_end(&any.set, &any.actor, nondet_u32());
	else
		semset_stead_recover(&any.set);
}

void semset_undo_any(void)
{

	set_any();
	(void)semset_apply_undo(&any.set, &any.actor, &any.wakes);
	PROVE(any.wakes.n <= SEMSET_WAKES_MAX);
}

void semset_recover_any(void)
{

	set_any();
	(void)(nondet_bool() ? semset_recover(&any.set, &any.actor, &any.wakes)
			     : semset_execed(&any.set, &any.actor, &any.wakes));
	PROVE(any.wakes.n <= SEMSET_WAKES_MAX);
}

void semset_remove_any(void)
{

	set_any();
	(void)semset_remove(&any.set, &any.actor, &any.wakes);
	PROVE(any.wakes.n <= SEMSET_WAKES_MAX);
}

void semset_get_any(void)
{
	uint32_t sem_num = nondet_u32(), value, n, z, slot;
	uint16_t values[N_SEMS];
	struct semset_growth growth;
	struct semset_stat stat;

	set_any();
	(void)semset_get_value(&any.set, sem_num, &value);
	(void)semset_get_pid(&any.set, sem_num, &value);
	(void)semset_get_counts(&any.set, sem_num, &n, &z);
	semset_get_stat(&any.set, &stat);
	(void)semset_holds(&any.set, nondet_u64());
	(void)semset_bind_slot(&any.set, &any.actor, &slot);
	if (semset_growth(&any.set, (int)nondet_u8(), &growth)) {
		PROVE(growth.n_ranges <= ARRAY_SIZE(growth.ranges));
		value = nondet_u32();
		ASSUME(value < growth.n_ranges);
		PROVE(growth.ranges[value].offset % SEMSET_PAGE == 0);
		PROVE(growth.ranges[value].offset + growth.ranges[value].size <= any.set.layout.size);
		semset_grown(&any.set, &growth);
	}
	if (values_collect(&any.set, values, &(uint64_t){ 0 }) == SEMSET_DONE)
		(void)semset_verify(&any.set);
}

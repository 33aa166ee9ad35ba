/*
 * explore-semset.c: a semaphore set under every interleaving.
 *
 * Each actor is a process with a short list of calls, among them ones that sleep; at the end it
 * leaves as a process does, its adjustments applied.  A killed one is recovered as the daemon does
 * it, beside the others; that is killed and run again too.  At the end some order of what was done, each call at one instant, must
 * explain every result and every value on the model, and whoever is still asleep must have reason to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/semset.h"
#include "explore.h"
#include "model/semset.h"

enum { N_SEMS = 2, CALLS_MAX = 3, FILE_SIZE = 8192, GROWTHS_MAX = 8 };

enum call_kind {
	CALL_NONE,
	CALL_OP,     /* sleeps if it must */
	CALL_TRY,    /* is refused instead */
	CALL_CANCEL, /* sleeps for one look, then gives up: a time-out or a signal */
	CALL_SET,    /* SETVAL: sem_num and, as sem_op, the value */
	CALL_SETALL, /* the values, as sem_op */
	CALL_REMOVE, /* if its caller is killed, who recovers him begins it anew, as the daemon would */
};

struct call {
	enum call_kind kind;
	uint32_t n_ops;
	struct abi_sembuf ops[2];
};

struct plan {
	const char *name;
	uint32_t n_actors;
	uint32_t n_kills;
	uint32_t n_stops;
	uint16_t initial[N_SEMS];
	struct call calls[3][CALLS_MAX];
};

/* What an actor knows about its calls; PENDING: it was killed, stopped or is asleep inside. */
enum { RESULT_NONE = 0, RESULT_PENDING = -1, RESULT_BASE = 1000 };

static struct {
	_Alignas(64) uint8_t file[FILE_SIZE];
	int32_t results[EXPLORE_ACTORS_MAX][CALLS_MAX]; /* RESULT_BASE + outcome */
	uint32_t n_left; /* bit per actor: has left, or was recovered */
	uint32_t asleep; /* bit per actor: fell asleep and has not run since */
} memory;

static struct semset set;
static const struct plan *plan;

_Noreturn void assert_fail(const char *expression, const char *file, int line)
{
	(void)fprintf(stderr, "%s:%d: %s\n", file, line, expression);
	abort();
}

static struct actor actor_of(uint32_t number)
{
	return (struct actor){ .client = 0x10000u + number + 1, .pid = 100 + number, .hint = number };
}

static void reset(void)
{
	struct semset_layout layout;
	struct actor nobody = actor_of(9);
	struct wakes wakes = { 0 };
	uint32_t i;

	memset(&memory, 0, sizeof(memory));
	(void)semset_layout(N_SEMS, &layout);
	if (layout.size > FILE_SIZE)
		abort();
	semset_format(memory.file, &layout, 0);
	if (semset_bind(&set, memory.file, FILE_SIZE))
		abort();
	for (i = SEMSET_GROW_SLOTS; i <= SEMSET_GROW_ROWS; i++) {
		struct semset_growth growth;

		if (!semset_growth(&set, (int)i, &growth))
			abort();
		semset_grown(&set, &growth);
	}
	for (i = 0; i < N_SEMS; i++) {
		if (semset_set_value(&set, &nobody, i, plan->initial[i], &wakes) != SEMSET_DONE)
			abort();
	}
}

/* --- a process ------------------------------------------------------------------------------------ */

static void wake(struct wakes *wakes)
{
	uint32_t i;

	for (i = 0; i < wakes->n; i++)
		explore_wake(&set.mcas.words[wakes->word_indexes[i]]);
	wakes->n = 0;
}

static int settled(const struct actor *self, int outcome, struct wakes *wakes)
{
	uint32_t rounds;

	wake(wakes);
	if (outcome != SEMSET_MORE)
		return outcome;
	for (rounds = 0; outcome == SEMSET_MORE; rounds++) {
		if (rounds > 20)
			explore_fail("settling does not end");
		outcome = semset_settle(&set, self, wakes);
		wake(wakes);
	}
	return SEMSET_DONE;
}

static int sleep_until_done(const struct actor *self, struct semset_sleeper *sleeper, bool give_up)
{
	struct shared64 *word = &set.mcas.words[sleeper->word_index];
	struct wakes wakes = { 0 };
	uint32_t number = self->hint;
	int outcome;

	if (give_up)
		return semset_cancel(&set, self, sleeper);
	for (;;) {
		/* As the kernel does it: looks and falls asleep in one step. */
		if ((uint32_t)atomic_load(&word->raw) == sleeper->expected) {
			memory.asleep |= 1u << number;
			explore_sleep(word);
			memory.asleep &= ~(1u << number);
			(void)settled(self, semset_settle(&set, self, &wakes), &wakes);
		}
		outcome = semset_poll(&set, sleeper);
		if (outcome != SEMSET_WAITING)
			return outcome;
	}
}

static void remove_set(const struct actor *self)
{
	struct wakes wakes = { 0 };
	uint32_t rounds;
	int outcome = SEMSET_MORE;

	for (rounds = 0; outcome == SEMSET_MORE; rounds++) {
		if (rounds > 20)
			explore_fail("removing does not end");
		outcome = semset_remove(&set, self, &wakes);
		wake(&wakes);
	}
	if (outcome != SEMSET_DONE)
		explore_fail("removing fails");
}

static int carry_out(const struct actor *self, const struct call *call)
{
	struct semset_sleeper sleeper;
	struct wakes wakes = { 0 };
	uint16_t values[N_SEMS];
	uint32_t i;
	int outcome;

	switch (call->kind) {
	case CALL_OP:
	case CALL_CANCEL:
		outcome = semset_op_or_wait(&set, self, call->ops, call->n_ops, &wakes, &sleeper);
		outcome = settled(self, outcome, &wakes);
		if (outcome == SEMSET_WAITING)
			outcome = sleep_until_done(self, &sleeper, call->kind == CALL_CANCEL);
		return outcome;
	case CALL_TRY:
		outcome = semset_op(&set, self, call->ops, call->n_ops, &wakes);
		return settled(self, outcome, &wakes);
	case CALL_SET:
		outcome = semset_set_value(&set, self, call->ops[0].sem_num,
					   (uint32_t)call->ops[0].sem_op, &wakes);
		return settled(self, outcome, &wakes);
	case CALL_SETALL:
		for (i = 0; i < N_SEMS; i++)
			values[i] = (uint16_t)call->ops[i].sem_op;
		return settled(self, semset_set_all(&set, self, values, &wakes), &wakes);
	case CALL_REMOVE:
		remove_set(self);
		break;
	case CALL_NONE:
		break;
	}
	return SEMSET_DONE;
}

/* Who never asked for SEM_UNDO has nothing to apply when he leaves; nor does he settle then. */
static bool adjusts(uint32_t number)
{
	uint32_t i, k;

	for (i = 0; i < CALLS_MAX; i++) {
		for (k = 0; k < plan->calls[number][i].n_ops; k++) {
			if (plan->calls[number][i].ops[k].sem_flg & ABI_SEM_UNDO)
				return true;
		}
	}
	return false;
}

static void leave(const struct actor *self, bool killed)
{
	struct wakes wakes = { 0 };
	uint32_t rounds;
	int outcome = SEMSET_MORE;

	for (rounds = 0; outcome == SEMSET_MORE; rounds++) {
		if (rounds > 20)
			explore_fail("leaving does not end");
		outcome = killed ? semset_recover(&set, self, &wakes)
				 : semset_apply_undo(&set, self, &wakes);
		wake(&wakes);
	}
	if (outcome != SEMSET_DONE)
		explore_fail("leaving fails");
}

static void actor(uint32_t number)
{
	struct actor self = actor_of(number);
	uint32_t i;

	for (i = 0; i < CALLS_MAX && plan->calls[number][i].kind != CALL_NONE; i++) {
		memory.results[number][i] = RESULT_PENDING;
		memory.results[number][i] =
			RESULT_BASE + carry_out(&self, &plan->calls[number][i]);
	}
	if (adjusts(number))
		leave(&self, false);
	memory.n_left |= 1u << number;
}

static void recover(uint32_t number)
{
	struct actor self = actor_of(number);
	uint32_t i;

	for (i = 0; i < CALLS_MAX; i++) {
		if (plan->calls[number][i].kind == CALL_REMOVE &&
		    memory.results[number][i] == RESULT_PENDING)
			remove_set(&self);
	}
	leave(&self, true);
	memory.n_left |= 1u << number;
}

/* --- is there an order that explains it? ----------------------------------------------------------- */

struct trial {
	struct model_semset model;
	uint32_t next[EXPLORE_ACTORS_MAX]; /* next call; CALLS_MAX + 1: has left */
	/*
	 * A call that was granted to a sleeper already dead, or that never ran again: what others did
	 * meanwhile was done on those values; its recovery takes the call's effect back.
	 */
	const struct call *handed_back[EXPLORE_ACTORS_MAX];
};

static uint16_t final_values[N_SEMS];

static uint32_t n_calls(uint32_t number)
{
	uint32_t n = 0;

	while (n < CALLS_MAX && plan->calls[number][n].kind != CALL_NONE)
		n++;
	return n;
}

/* Does the call on the model what its result says.  False: it could not have had that result. */
static bool replay(struct model_semset *model, uint32_t number, uint32_t i, int32_t result)
{
	const struct call *call = &plan->calls[number][i];
	struct model_caller caller = { number, 100 + number, 0 };
	uint16_t values[N_SEMS];
	uint32_t k;
	int outcome;

	if ((call->kind == CALL_SET || call->kind == CALL_SETALL) && model->removed)
		return result == RESULT_PENDING || result == RESULT_BASE + SEMSET_E_REMOVED;
	if (call->kind == CALL_SET) {
		model_semset_set_value(model, &caller, call->ops[0].sem_num,
				       (uint32_t)call->ops[0].sem_op);
		return true;
	}
	if (call->kind == CALL_SETALL) {
		for (k = 0; k < N_SEMS; k++)
			values[k] = (uint16_t)call->ops[k].sem_op;
		model_semset_set_all(model, &caller, values);
		return true;
	}
	if (call->kind == CALL_REMOVE) {
		model_semset_remove(model);
		return true;
	}
	outcome = model_semset_op(model, &caller, call->ops, call->n_ops, NULL);
	return result == RESULT_PENDING ? outcome == SEMSET_DONE : outcome == result - RESULT_BASE;
}

/* Who was killed in his sleep gives back what he was granted. */
static bool must_hand_back(uint32_t number)
{
	return (memory.asleep & memory.n_left) >> number & 1;
}

/* A SETVAL after a grant ends that: the new value does not build on the grant. */
static void forget_grants(struct trial *trial, const struct call *set_call)
{
	uint32_t number, i, k;

	if (set_call->kind != CALL_SET && set_call->kind != CALL_SETALL)
		return;
	for (number = 0; number < plan->n_actors; number++) {
		const struct call *call = trial->handed_back[number];

		for (i = 0; call && i < call->n_ops; i++) {
			for (k = 0; k < set_call->n_ops; k++) {
				if (call->ops[i].sem_num == set_call->ops[k].sem_num)
					trial->handed_back[number] = NULL;
			}
		}
	}
}

static void hand_back(struct model_semset *model, uint32_t number, const struct call *call)
{
	uint32_t i;

	for (i = 0; call && i < call->n_ops; i++) {
		const struct abi_sembuf *op = &call->ops[i];
		int32_t value = model->values[op->sem_num] - op->sem_op;

		value = value < 0 ? 0 : value > ABI_SEMVMX ? ABI_SEMVMX : value;
		model->values[op->sem_num] = (uint16_t)value;
		if (op->sem_flg & ABI_SEM_UNDO)
			model->adjustments[number][op->sem_num] += op->sem_op;
	}
}

static bool explained(const struct trial *trial)
{
	struct trial after;
	uint32_t number, i;
	bool all_done = true;

	for (number = 0; number < plan->n_actors; number++) {
		struct model_caller caller = { number, 100 + number, 0 };
		int32_t result;

		i = trial->next[number];
		if (i > CALLS_MAX)
			continue;
		result = i < n_calls(number) ? memory.results[number][i] : RESULT_NONE;
		if (result == RESULT_NONE) {
			/* No more calls: leaves, if it has. */
			if (!(memory.n_left >> number & 1))
				continue;
			all_done = false;
			after = *trial;
			hand_back(&after.model, number, after.handed_back[number]);
			model_semset_exit(&after.model, &caller);
			after.next[number] = CALLS_MAX + 1;
			if (explained(&after))
				return true;
			continue;
		}
		if (result == RESULT_PENDING) {
			/* May not have happened. */
			after = *trial;
			after.next[number] = n_calls(number);
			if (explained(&after))
				return true;
		}
		all_done = false;
		after = *trial;
		after.next[number]++;
		if (!replay(&after.model, number, i, result))
			continue;
		forget_grants(&after, &plan->calls[number][i]);
		if (result == RESULT_PENDING)
			after.next[number] = n_calls(number);
		if (!(result == RESULT_PENDING && must_hand_back(number)) && explained(&after))
			return true;
		if (result == RESULT_PENDING && (memory.n_left >> number & 1)) {
			after.handed_back[number] = &plan->calls[number][i];
			if (explained(&after))
				return true;
		}
	}
	return all_done && (trial->model.removed ||
			    memcmp(trial->model.values, final_values, sizeof(final_values)) == 0);
}

/* Somebody asleep (alive, not stopped, call pending) whose call could go on these values? */
static bool sleeps_without_reason(uint32_t gone)
{
	struct model_semset model;
	uint32_t number, i;

	for (number = 0; number < plan->n_actors; number++) {
		struct model_caller caller = { number, 100 + number, 0 };

		if ((gone | memory.n_left) >> number & 1)
			continue;
		for (i = 0; i < n_calls(number); i++) {
			if (memory.results[number][i] != RESULT_PENDING)
				continue;
			if (semset_is_removed(&set))
				return true;
			model_semset_init(&model, N_SEMS, 0);
			memcpy(model.values, final_values, sizeof(final_values));
			if (model_semset_op(&model, &caller, plan->calls[number][i].ops,
					    plan->calls[number][i].n_ops, NULL) != SEMSET_BLOCKED)
				return true;
		}
	}
	return false;
}

/* The semaphore that the call stands before, and whether it waits for zero there; else false. */
static bool obstacle(const struct call *call, uint32_t *ret_sem, bool *ret_zero)
{
	int32_t values[N_SEMS];
	uint32_t i;

	for (i = 0; i < N_SEMS; i++)
		values[i] = final_values[i];
	for (i = 0; i < call->n_ops; i++) {
		const struct abi_sembuf *op = &call->ops[i];

		*ret_sem = op->sem_num;
		*ret_zero = op->sem_op == 0;
		if (op->sem_op == 0 && values[op->sem_num] != 0)
			return true;
		values[op->sem_num] += op->sem_op;
		if (values[op->sem_num] < 0)
			return true;
	}
	return false;
}

/* SEM-25, of those who are asleep at the end. */
static bool counts_are_right(uint32_t gone)
{
	uint32_t counts[N_SEMS][2] = { 0 };
	uint32_t number, i, sem, ncnt, zcnt;
	bool zero;

	for (number = 0; number < plan->n_actors; number++) {
		for (i = 0; !((gone | memory.n_left) >> number & 1) && i < n_calls(number); i++) {
			if (memory.results[number][i] == RESULT_PENDING &&
			    obstacle(&plan->calls[number][i], &sem, &zero))
				counts[sem][zero]++;
		}
	}
	for (i = 0; i < N_SEMS; i++) {
		if (semset_get_counts(&set, i, &ncnt, &zcnt) != SEMSET_DONE ||
		    ncnt != counts[i][0] || zcnt != counts[i][1])
			return false;
	}
	return true;
}

static const char *check(uint32_t stopped, uint32_t killed)
{
	struct trial trial = { 0 };
	uint32_t i, value;

	for (i = 0; i < N_SEMS; i++) {
		if (semset_get_value(&set, i, &value) != SEMSET_DONE)
			return "a value cannot be read";
		final_values[i] = (uint16_t)value;
	}
	model_semset_init(&trial.model, N_SEMS, 0);
	memcpy(trial.model.values, plan->initial, sizeof(plan->initial));
	if (sleeps_without_reason(stopped | killed))
		return "somebody sleeps who could go";
	if (!stopped && !counts_are_right(killed))
		return "the counts of sleepers are wrong";
	if (!stopped && !semset_verify(&set))
		return "the set does not verify";
	for (i = 0; i < plan->n_actors; i++) {
		if ((memory.n_left >> i & 1) && semset_holds(&set, actor_of(i).client))
			return "somebody has left something behind";
	}
	return explained(&trial) ? NULL : "no order explains values and results";
}

/* --- the cases -------------------------------------------------------------------------------------- */

#define UNDO ABI_SEM_UNDO
#define NOWAIT ABI_IPC_NOWAIT
#define OP(sem, op, flags) { CALL_OP, 1, { { sem, op, flags } } }
#define OP2(sem, op, flags, sem2, op2, flags2) \
	{ CALL_OP, 2, { { sem, op, flags }, { sem2, op2, flags2 } } }
#define TRY(sem, op, flags) { CALL_TRY, 1, { { sem, op, flags } } }
#define TRY2(sem, op, sem2, op2) { CALL_TRY, 2, { { sem, op, NOWAIT }, { sem2, op2, NOWAIT } } }
#define CANCEL(sem, op, flags) { CALL_CANCEL, 1, { { sem, op, flags } } }
#define SET(sem, value) { CALL_SET, 1, { { sem, value, 0 } } }

#define SETALL(value0, value1) { CALL_SETALL, 2, { { 0, value0, 0 }, { 1, value1, 0 } } }
#define REMOVE() { CALL_REMOVE, 0, { { 0 } } }

static const struct plan plans[] = {
	{ "take and give", 2, 1, 0, { 0, 0 }, { { OP(0, -1, 0) }, { OP(0, 1, 0) } } },
	{ "take and give, stopped", 2, 0, 1, { 0, 0 }, { { OP(0, -1, 0) }, { OP(0, 1, 0) } } },
	{ "mutex", 2, 1, 0, { 1, 0 },
	  { { OP(0, -1, UNDO), OP(0, 1, UNDO) }, { OP(0, -1, UNDO), OP(0, 1, UNDO) } } },
	{ "wait for zero", 2, 1, 0, { 1, 0 }, { { OP(0, 0, 0) }, { OP(0, -1, 0), OP(0, 1, 0) } } },
	{ "two at once against one", 2, 1, 0, { 0, 1 },
	  { { OP2(0, -1, 0, 1, -1, 0) }, { TRY(1, -1, NOWAIT), OP(0, 1, 0), OP(1, 1, 0) } } },
	{ "crossed pairs with undo", 2, 1, 0, { 1, 1 },
	  { { OP2(0, -1, UNDO, 1, -1, UNDO) }, { OP2(1, -1, UNDO, 0, -1, UNDO) } } },
	{ "set while somebody holds", 2, 1, 0, { 1, 0 },
	  { { OP(0, -1, UNDO) }, { SET(0, 2), TRY(0, -1, NOWAIT) } } },
	{ "time-out against give", 2, 0, 0, { 0, 0 }, { { CANCEL(0, -1, 0) }, { OP(0, 1, 0) } } },
	{ "two sleepers, one giver", 3, 0, 0, { 0, 0 },
	  { { OP(0, -1, 0) }, { OP(0, -1, 0) }, { OP(0, 2, 0) } } },
	{ "three on a mutex", 3, 0, 0, { 1, 0 },
	  { { OP(0, -1, 0), OP(0, 1, 0) }, { OP(0, -1, 0), OP(0, 1, 0) }, { OP(0, -1, 0), OP(0, 1, 0) } } },
	{ "remove under a sleeper", 2, 1, 0, { 0, 0 }, { { OP(0, -1, UNDO) }, { REMOVE() } } },
	{ "remove against take and give", 3, 0, 0, { 0, 0 },
	  { { OP(0, -1, 0), OP(0, 0, 0) }, { OP(0, 1, UNDO) }, { REMOVE() } } },
	{ "remove against set and time-out", 2, 1, 0, { 0, 1 },
	  { { CANCEL(0, -1, 0), SET(0, 3), OP(1, 0, 0) }, { REMOVE(), TRY(0, 1, 0) } } },
	{ "set all under a sleeper with undo", 2, 1, 0, { 0, 0 },
	  { { OP2(0, -1, UNDO, 1, -1, UNDO) }, { SETALL(2, 1), SETALL(0, 3) } } },
	{ "set all against pairs and zero", 3, 0, 0, { 1, 0 },
	  { { OP2(0, -1, 0, 1, -1, 0) }, { OP(0, 0, 0) }, { SETALL(0, 1), SETALL(1, 1) } } },
	{ "granted, then set, then dead", 2, 1, 0, { 0, 0 },
	  { { OP(0, -1, 0) }, { OP(0, 1, 0), SET(0, 2) } } },
	{ "a giver's undo takes from others", 2, 1, 0, { 0, 0 },
	  { { OP(0, 1, UNDO), OP(0, 1, UNDO) }, { OP(0, -2, 0), OP(0, 3, 0) } } },
	{ "a dead holder lets a sleeper go", 3, 1, 0, { 1, 0 },
	  { { OP(0, -1, UNDO), OP(1, 1, 0) }, { OP(0, -1, 0) }, { OP2(1, -1, 0, 0, 1, 0) } } },
	{ "a sleeper for zero and one for two", 3, 0, 0, { 1, 0 },
	  { { OP(0, 0, 0), OP(0, 2, 0) }, { OP(0, -2, 0) }, { OP(0, -1, 0) } } },
	{ "sleepers on each other's gifts", 3, 0, 0, { 0, 0 },
	  { { OP2(0, -1, 0, 1, 1, 0) }, { OP2(1, -1, 0, 0, 1, 0) }, { OP(0, 1, 0) } } },
	{ "obstacles on two words", 3, 0, 0, { 0, 0 },
	  { { OP2(0, -1, 0, 1, -1, 0) }, { OP(0, 1, 0) }, { OP(1, 1, 0) } } },
	{ "time-out against give and another", 3, 0, 0, { 0, 0 },
	  { { CANCEL(0, -1, UNDO) }, { OP(0, -1, 0) }, { OP(0, 1, 0) } } },
	{ "one unit moves, never both zero", 2, 1, 0, { 0, 1 },
	  { { OP2(1, -1, 0, 0, 1, 0), OP2(0, -1, 0, 1, 1, 0) }, { TRY2(0, 0, 1, 0) } } },
	{ "a sleeper stopped, others go on", 3, 0, 1, { 0, 0 },
	  { { OP(0, -1, 0) }, { OP(0, -1, UNDO), OP(0, 1, UNDO) }, { OP(0, 2, 0) } } },
};

static const struct plan crowds[] = {
	{ "at random: mutex with undo", 3, 1, 1, { 1, 0 },
	  { { OP(0, -1, UNDO), OP(0, 1, UNDO) }, { OP(0, -1, UNDO), OP(0, 1, UNDO) },
	    { OP(0, -1, UNDO), OP(0, 1, UNDO) } } },
	{ "at random: pairs, zero, set", 3, 1, 0, { 1, 1 },
	  { { OP2(0, -1, UNDO, 1, -1, 0), OP(1, 1, 0) }, { OP2(1, -1, 0, 0, 0, 0), OP(1, 1, 0) },
	    { SET(0, 0), OP(0, 1, UNDO), CANCEL(1, -2, 0) } } },
};

/* Amount: states, or walks if random. */
static bool run_case(const struct plan *chosen, uint32_t number, bool random, uint64_t seed,
		     uint64_t amount)
{
	struct explore_result result;
	struct explore_case explored = {
		.name = chosen->name,
		.memory = &memory,
		.memory_size = sizeof(memory),
		.n_actors = chosen->n_actors,
		.n_kills = chosen->n_kills,
		.n_stops = chosen->n_stops,
		.n_relapses = 1,
		.reset = reset,
		.actor = actor,
		.recover = recover,
		.check = check,
		.n_slices = 2,
	};

	plan = chosen;
	if (random)
		explore_random(&explored, seed, amount, &result);
	else
		explore_all(&explored, amount, &result);
	(void)printf("%s %u - %s\n", result.failure ? "not ok" : "ok", number, chosen->name);
	explore_report(&result);
	if (result.failure)
		(void)explore_replay(&explored, result.schedule);
	return result.failure == NULL;
}

/* Arguments: states for each case (a twentieth as many walks), seed, number of the only case to run. */
int main(int argc, char **argv)
{
	uint64_t states_max = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	uint64_t only = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
	uint32_t n_plans = ARRAY_SIZE(plans), n_all = n_plans + ARRAY_SIZE(crowds);
	uint32_t i, failed = 0;
	bool random;

	(void)printf("1..%u\n# seed %llu\n", only ? 1 : n_all, (unsigned long long)seed);
	for (i = 0; i < n_all; i++) {
		if (only && only != i + 1)
			continue;
		random = i >= n_plans;
		failed += !run_case(random ? &crowds[i - n_plans] : &plans[i], i + 1, random, seed,
				    random ? states_max / 20 : states_max);
	}
	return failed != 0;
}

/*
 * semset-play.c: see semset-play.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/semset-internal.h"
#include "explore.h"
#include "model/semset.h"
#include "semset-play.h"

enum { FILE_SIZE = 8192 };

/* What an actor knows about its calls; PENDING: it was killed, stopped or is asleep inside. */
enum { RESULT_NONE = 0, RESULT_PENDING = -1, RESULT_BASE = 1000 };

static _Alignas(64) uint8_t set_file[FILE_SIZE];

static struct {
	int32_t results[PLAY_ACTORS_MAX][PLAY_CALLS_MAX]; /* RESULT_BASE + outcome */
	uint32_t n_left; /* bit per actor: has left, or was recovered */
	uint32_t asleep; /* bit per actor: fell asleep and has not run since */
} memory;

static struct semset set;
static const struct plan *plan;
static bool plan_removes;

_Noreturn void assert_fail(const char *expression, const char *file, int line)
{
	(void)fprintf(stderr, "%s:%d: %s\n", file, line, expression);
	abort();
}

/* As long as there are any, they have descriptors of their own. */
static uint32_t actor_slots[PLAY_ACTORS_MAX];

static struct actor actor_of(uint32_t number)
{
	/* One pid for all: nothing here depends on it, and so it does not tell states apart. */
	return (struct actor){ .client = 0x10000u + number + 1,
			       .pid = 100,
			       .hint = number,
			       .slot = actor_slots[number] };
}

static void reset(void)
{
	struct semset_layout layout;
	const struct actor nobody = { .client = 0x1000au, .pid = 100, .hint = 9 };
	struct wakes wakes = { 0 };
	uint32_t i;

	memset(&memory, 0, sizeof(memory));
	memset(set_file, 0, sizeof(set_file));
	(void)semset_layout(PLAY_SEMS, &layout);
	if (layout.size > FILE_SIZE)
		abort();
	semset_format(set_file, &layout, 0);
	if (semset_bind(&set, set_file, FILE_SIZE))
		abort();
	for (i = SEMSET_GROW_SLOTS; i <= SEMSET_GROW_ROWS; i++) {
		struct semset_growth growth;

		if (!semset_growth(&set, (int)i, &growth))
			abort();
		semset_grown(&set, &growth);
	}
	for (i = 0; i < plan->n_actors; i++) {
		struct actor self = actor_of(i);

		if (!semset_bind_slot(&set, &self, &actor_slots[i]))
			abort();
	}
	for (i = 0; i < PLAY_SEMS; i++) {
		if (semset_set_value(&set, &nobody, i, plan->initial[i], &wakes) != SEMSET_DONE)
			abort();
	}
}

/* --- a process ------------------------------------------------------------------------------------ */

static void wake(struct wakes *wakes)
{
	uint32_t i;

	for (i = 0; i < wakes->n; i++) {
		explore_meet(&set.mcas.words[wakes->word_indexes[i]]);
		explore_wake(&set.mcas.words[wakes->word_indexes[i]]);
	}
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
	uint32_t number = self->hint, before;
	int outcome;

	if (give_up)
		return semset_cancel(&set, self, sleeper);
	for (;;) {
		/* As the kernel does it: looks and falls asleep in one step. */
		explore_meet(word);
		if ((uint32_t)atomic_load(&word->raw) == sleeper->expected) {
			memory.asleep |= 1u << number;
			explore_sleep(word);
			memory.asleep &= ~(1u << number);
		}
		before = sleeper->expected;
		outcome = semset_poll(&set, sleeper);
		if (outcome != SEMSET_WAITING)
			return outcome;
		/* No news: the slice is over.  As the library does then. */
		if (sleeper->expected == before)
			(void)settled(self, semset_settle(&set, self, &wakes), &wakes);
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
	uint16_t values[PLAY_SEMS];
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
		for (i = 0; i < PLAY_SEMS; i++)
			values[i] = (uint16_t)call->ops[i].sem_op;
		return settled(self, semset_set_all(&set, self, values, NULL, &wakes), &wakes);
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

	for (i = 0; i < PLAY_CALLS_MAX; i++) {
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

	for (i = 0; i < PLAY_CALLS_MAX && plan->calls[number][i].kind != CALL_NONE; i++) {
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

	self.slot = MCAS_SLOT_NONE; /* it is the dead one's */
	for (i = 0; i < PLAY_CALLS_MAX; i++) {
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
	uint32_t next[EXPLORE_ACTORS_MAX]; /* next call; PLAY_CALLS_MAX + 1: has left */
	/*
	 * A call that was granted to a sleeper already dead, or that never ran again: what others did
	 * meanwhile was done on those values; its recovery takes the call's effect back.
	 */
	const struct call *handed_back[EXPLORE_ACTORS_MAX];
};

static uint16_t final_values[PLAY_SEMS];
static uint32_t stopped_now;

static uint32_t n_calls(uint32_t number)
{
	uint32_t n = 0;

	while (n < PLAY_CALLS_MAX && plan->calls[number][n].kind != CALL_NONE)
		n++;
	return n;
}

/* Does the call on the model what its result says.  False: it could not have had that result. */
static bool replay(struct model_semset *model, uint32_t number, uint32_t i, int32_t result)
{
	const struct call *call = &plan->calls[number][i];
	struct model_caller caller = { number, 100 + number, 0 };
	uint16_t values[PLAY_SEMS];
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
		for (k = 0; k < PLAY_SEMS; k++)
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

static bool is_stopped_at_the_end(uint32_t number)
{
	return (stopped_now >> number & 1) &&
	       memory.results[number][n_calls(number) - 1] >= RESULT_BASE;
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
		if (i > PLAY_CALLS_MAX)
			continue;
		result = i < n_calls(number) ? memory.results[number][i] : RESULT_NONE;
		if (result == RESULT_NONE) {
			/* No more calls: leaves, if it has; who was stopped may have been about to. */
			if (!(memory.n_left >> number & 1) && !is_stopped_at_the_end(number))
				continue;
			all_done &= !(memory.n_left >> number & 1);
			after = *trial;
			hand_back(&after.model, number, after.handed_back[number]);
			model_semset_exit(&after.model, &caller);
			after.next[number] = PLAY_CALLS_MAX + 1;
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

/* The daemon removes sets: while it is stopped in the middle, who sleeps there sleeps on. */
static bool removal_is_stopped(void)
{
	uint32_t number, i;

	for (number = 0; number < plan->n_actors; number++) {
		for (i = 0; (stopped_now >> number & 1) && i < n_calls(number); i++) {
			if (plan->calls[number][i].kind == CALL_REMOVE &&
			    memory.results[number][i] == RESULT_PENDING)
				return true;
		}
	}
	return false;
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
				return !removal_is_stopped();
			model_semset_init(&model, PLAY_SEMS, 0);
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
	int32_t values[PLAY_SEMS];
	uint32_t i;

	for (i = 0; i < PLAY_SEMS; i++)
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
	uint32_t counts[PLAY_SEMS][2] = { 0 };
	uint32_t number, i, sem, ncnt, zcnt;
	bool zero;

	for (number = 0; number < plan->n_actors; number++) {
		for (i = 0; !((gone | memory.n_left) >> number & 1) && i < n_calls(number); i++) {
			if (memory.results[number][i] == RESULT_PENDING &&
			    obstacle(&plan->calls[number][i], &sem, &zero))
				counts[sem][zero]++;
		}
	}
	for (i = 0; i < PLAY_SEMS; i++) {
		if (semset_get_counts(&set, i, &ncnt, &zcnt) != SEMSET_DONE ||
		    ncnt != counts[i][0] || zcnt != counts[i][1])
			return false;
	}
	return true;
}

/* A copy of the set, as it is when also those have ended who live on and keep their descriptors. */
static bool verifies(void)
{
	static _Alignas(64) uint8_t copy_file[FILE_SIZE];
	struct semset copy;
	uint32_t i;

	memcpy(copy_file, set_file, sizeof(copy_file));
	if (semset_bind(&copy, copy_file, FILE_SIZE))
		return false;
	for (i = 0; i < plan->n_actors; i++)
		mcas_recover(&copy.mcas, actor_of(i).client);
	return semset_verify(&copy);
}

static const char *check(uint32_t stopped, uint32_t killed)
{
	struct trial trial = { 0 };
	uint32_t i, value;

	stopped_now = stopped;
	for (i = 0; i < PLAY_SEMS; i++) {
		if (semset_get_value(&set, i, &value) != SEMSET_DONE)
			return "a value cannot be read";
		final_values[i] = (uint16_t)value;
	}
	model_semset_init(&trial.model, PLAY_SEMS, 0);
	memcpy(trial.model.values, plan->initial, sizeof(plan->initial));
	if (sleeps_without_reason(stopped | killed))
		return "somebody sleeps who could go";
	if (!stopped && !counts_are_right(killed))
		return "the counts of sleepers are wrong";
	if (!stopped && !verifies())
		return "the set does not verify";
	for (i = 0; i < plan->n_actors; i++) {
		if ((memory.n_left >> i & 1) && semset_holds(&set, actor_of(i).client))
			return "somebody has left something behind";
	}
	return explained(&trial) ? NULL : "no order explains values and results";
}

/* --- what the explorer need not look at ------------------------------------------------------------- */

/*
 * No schedule writes these, but RMID the one: reading them is nobody's business but the reader's.
 * That they are not written is checked at every access.
 */
static bool is_constant(const volatile void *address)
{
	const struct semset_header *header = semset_header(&set);
	const volatile uint8_t *at = address;

	if (at == (const volatile uint8_t *)&header->removed)
		return !plan_removes;
	return at == (const volatile uint8_t *)&header->n_sems ||
	       at == (const volatile uint8_t *)&header->slots_backed ||
	       at == (const volatile uint8_t *)&header->large_backed ||
	       at == (const volatile uint8_t *)&header->sleepers_backed ||
	       at == (const volatile uint8_t *)&header->rows_backed;
}

/* Stamps: written, and read by nobody here. */
static bool is_unread(const volatile void *address)
{
	const volatile uint8_t *at = address;
	uint32_t i;

	for (i = 0; i < PLAY_SEMS; i++) {
		if (at == (const volatile uint8_t *)&semset_cell(&set, i)->pid ||
		    at == (const volatile uint8_t *)&semset_cell(&set, i)->otime_s)
			return true;
	}
	return at == (const volatile uint8_t *)&semset_header(&set)->ctime_s;
}

/* What the processes were told, and what is left: values, and the counts of who sleeps. */
static uint64_t outcome(void)
{
	const uint64_t factor = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t hash = memory.n_left | (uint64_t)memory.asleep << 32;
	uint32_t i, k, ncnt, zcnt;

	for (i = 0; i < PLAY_ACTORS_MAX; i++) {
		for (k = 0; k < PLAY_CALLS_MAX; k++)
			hash = (hash ^ hash >> 29 ^ (uint32_t)memory.results[i][k]) * factor;
	}
	for (i = 0; i < PLAY_SEMS; i++) {
		(void)semset_get_counts(&set, i, &ncnt, &zcnt);
		hash ^= hash >> 29 ^ final_values[i] ^ ncnt << 16 ^ zcnt << 20;
		hash *= factor;
	}
	return hash ? hash : 1;
}

struct explore_case play_case(const struct plan *chosen, uint32_t n_relapses)
{
	uint32_t i, k;

	plan = chosen;
	plan_removes = false;
	for (i = 0; i < plan->n_actors; i++) {
		for (k = 0; k < PLAY_CALLS_MAX; k++)
			plan_removes |= plan->calls[i][k].kind == CALL_REMOVE;
	}
	return (struct explore_case){
		.name = chosen->name,
		.memory = &memory,
		.memory_size = sizeof(memory),
		.file = set_file,
		.file_size = sizeof(set_file),
		.n_actors = chosen->n_actors,
		.n_kills = chosen->n_kills,
		.n_stops = chosen->n_stops,
		.n_relapses = n_relapses,
		.reset = reset,
		.actor = actor,
		.recover = recover,
		.check = check,
		.is_constant = is_constant,
		.is_unread = is_unread,
		.n_slices = 2,
		.outcome = outcome,
	};
}

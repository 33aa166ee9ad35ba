/*
 * fuzz-semset-amid.c: a call on a set in the middle of another's, and calls that are left there for ever.
 *
 * Byte 0: semaphores, n % 4 + 1.  Then calls, by first byte: % 16 which, / 16 % 4 the client.
 *   0 1  semop: count % 6 + 1, then per operation: sem, op % 16 - 8, flags (1 IPC_NOWAIT, 2 SEM_UNDO)
 *   2 3 4 the same, may sleep     5 SETVAL: sem, value % 8     6 SETALL: values     7 GETALL
 *   8 9  a sleeper of his leaves, looks: which
 *   10 11 semop in his stead; 12 SETVAL, SETALL, end, end by n >> 4 & 3: n as in tests/model/semset-step.h
 *   13   exit, death, exec, settle by n % 4
 *   14   IPC_RMID, if the next byte is 255; else settle
 *   15   arranges the two calls that follow: flags, accesses a, b, c.  Before the a-th access of the first
 *        the second is made as a whole; flag 1: which is left for ever at its b-th access; flag 2: the first
 *        is left at its c-th access after that; flag 4: the first alone, left at its a-th access
 * A client that is left so is dead: whatever he does next is his recovery.  What the daemon does (removal,
 * recovery, calls in somebody's stead) is done one after the other; left, it is done again, or not, by the next
 * daemon, who takes back first what the last one held.
 * Client 3 keeps descriptors.
 *
 * Checked, after each call or pair: answers, wakes and all that the file says are what the model has after
 * the steps of one call before or after the other's, or between them (semset-call.h), those left for ever
 * having done their first steps or none; semset_verify; the accesses have a bound.
 * Not covered: three at once, and all interleavings (tests/explore).
 */
#include <setjmp.h>

#include "fuzz.h"
#include "hooks.h"

#include "core/semset-internal.h"
#include "model/semset-call.h"

#define FILE_SIZE (192u << 10)
#define CLIENTS 4u
#define KEEPER 3u
#define STANDING_MAX 8u /* sleepers and calls in somebody's stead */
#define INPUT_MAX 500u
#define STEPS_ALL UINT32_MAX
#define STEPS_MAX (STANDING_MAX + 4u)
#define ACCESSES_MAX 10000u

/* A call under way. */
struct play {
	struct semset_call call;
	struct semset_answer answer;
	bool is_made;
	bool is_left;
	bool to_be_left;
	uint8_t left_after;
	jmp_buf way_out;
};

enum condition { ALIVE, KILLED, HALF_EXECED };

struct client {
	enum condition condition;
	bool is_unclean; /* has left something that recovery ends */
	uint32_t slot;
};

/* What the file says, apart from how. */
struct seen_sleeper {
	uint32_t place;
	uint64_t client;
	uint64_t ticket;
	uint64_t word;
	uint32_t number;
};

struct seen {
	uint16_t values[CALL_SEMS_MAX];
	uint32_t pids[CALL_SEMS_MAX];
	uint32_t ncnt[CALL_SEMS_MAX];
	uint32_t zcnt[CALL_SEMS_MAX];
	int32_t adjustments[CLIENTS][CALL_SEMS_MAX];
	bool has_row[CLIENTS];
	bool is_removed;
	struct semset_stat stat;
	uint32_t n_sleepers;
	struct seen_sleeper sleepers[SLEEPER_MAX];
};

static _Alignas(4096) uint8_t file[FILE_SIZE], copy_file[FILE_SIZE];
static struct semset set, copy;
static struct model_semset model, trial;
static struct seen seen;
static struct client clients[CLIENTS];
static bool daemon_was_killed; /* and the next one has not begun */
static struct play outer, inner;
static int64_t now_s;
static uint32_t n_untold; /* before the calls */

/* --- what the file says --------------------------------------------------------------------------- */

static void look_at_rows(void)
{
	uint32_t backed = semset_rows_backed(&copy);

	for (uint32_t row = 0; row < backed; row++) {
		uint64_t client = (shared64_load(row_owner(&copy, row)) & ~ROW_CLOSING) - 1;

		if (client >= CLIENTS)
			continue;
		seen.has_row[client] = true;
		for (uint32_t i = 0; i < model.n_sems; i++) {
			uint64_t found, sem, undo;

			FUZZ_ASSERT(semset_look(&copy, sem_word_index(&copy, i), &found, &sem) == MCAS_DONE);
			FUZZ_ASSERT(semset_word(&copy, undo_word_index(&copy, row, i), &undo) == MCAS_DONE);
			seen.adjustments[client][i] +=
				undo_adjustment(mcas_payload(undo), sem_epoch(mcas_payload(sem)));
		}
	}
}

static void look_at_sleepers(void)
{
	uint32_t end = semset_scan_end(&copy);
	uint64_t word;

	for (uint32_t i = 0; i < end; i++) {
		const struct sleeper_record *record = &semset_record(&copy, i)->head;

		FUZZ_ASSERT(semset_word(&copy, sleeper_word(&copy.sleepers, i), &word) == MCAS_DONE);
		if (sleeper_state(word) == SLEEPER_FREE)
			continue;
		FUZZ_ASSERT(seen.n_sleepers < SLEEPER_MAX);
		seen.sleepers[seen.n_sleepers++] =
			(struct seen_sleeper){ i, shared64_load(&record->owner) - 1,
					       shared64_load(&record->ticket), word,
					       shared32_load(&record->number) };
	}
}

/* In a copy: looking settles what somebody has left, and that is for the next call to meet. */
static void look(void)
{
	hooks_region(copy_file, set.layout.size);
	hooks_budget(0);
	memcpy(copy_file, file, set.layout.size);
	memset(&seen, 0, sizeof(seen));
	for (uint32_t i = 0; i < model.n_sems; i++) {
		uint64_t found, word;

		FUZZ_ASSERT(semset_look(&copy, sem_word_index(&copy, i), &found, &word) == MCAS_DONE);
		seen.values[i] = (uint16_t)sem_value(mcas_payload(word));
		FUZZ_ASSERT(semset_get_pid(&copy, i, &seen.pids[i]) == SEMSET_DONE);
	}
	look_at_rows();
	look_at_sleepers();
	semset_get_stat(&copy, &seen.stat);
	seen.is_removed = semset_is_removed(&copy);
	for (uint32_t i = 0; i < CLIENTS; i++)
		if (clients[i].is_unclean || clients[i].slot != MCAS_SLOT_NONE)
			semset_finish(&copy, i + 1);
	if (daemon_was_killed)
		semset_stead_recover(&copy);
	FUZZ_ASSERT(semset_verify(&copy));
	for (uint32_t i = 0; i < model.n_sems; i++)
		FUZZ_ASSERT(semset_get_counts(&copy, i, &seen.ncnt[i], &seen.zcnt[i]) == SEMSET_DONE);
	hooks_region(file, set.layout.size);
}

/* --- what the model says -------------------------------------------------------------------------- */

static struct model_sleeper *find_at(struct model_semset *in, uint32_t place)
{
	for (uint32_t i = 0; i < MODEL_SLEEPERS_MAX; i++)
		if (in->sleepers[i].used && in->sleepers[i].place == place)
			return &in->sleepers[i];
	return NULL;
}

/*
 * Who was killed when his registration was decided, and nobody has followed it up: a removal passes him over.
 * He is recovery's.
 */
static void pass_over(struct model_sleeper *sleeper, const struct seen_sleeper *at)
{
	if (!trial.removed || clients[sleeper->client].condition != KILLED || sleeper->waiting ||
	    sleeper->result != SEMSET_E_REMOVED || sleeper_state(at->word) != SLEEPER_WAITING)
		return;
	sleeper->waiting = true;
	trial.n_ended--;
}

static bool sleeper_matches(const struct seen_sleeper *at)
{
	struct model_sleeper *sleeper = find_at(&trial, at->place);
	uint32_t argument = sleeper_argument(at->word);
	uint32_t result = argument & DONE_RESULT_MASK;

	if (!sleeper)
		return false;
	pass_over(sleeper, at);
	if (sleeper->client != at->client || sleeper->number != at->number ||
	    sleeper->waiting != (sleeper_state(at->word) == SLEEPER_WAITING))
		return false;
	return sleeper->waiting ||
	       ((int)result == sleeper->result &&
		(result != SEMSET_DONE || sleeper->is_void == ((argument & DONE_VOID) != 0)));
}

static bool sleepers_match(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < seen.n_sleepers; i++) {
		if (!sleeper_matches(&seen.sleepers[i]))
			return false;
		n += find_at(&trial, seen.sleepers[i].place) != NULL;
	}
	for (uint32_t i = 0; i < MODEL_SLEEPERS_MAX; i++)
		n -= trial.sleepers[i].used;
	return n == 0;
}

static bool answer_matches(const struct play *play, const struct semset_answer *expected)
{
	if (!play->is_made || play->is_left)
		return true;
	return play->answer.outcome == expected->outcome &&
	       memcmp(play->answer.values, expected->values, sizeof(expected->values)) == 0;
}

static bool ends(const struct play *play, uint32_t client)
{
	return play->is_made && play->call.kind == CALL_DEATH && play->call.client == client;
}

/* Each that has ended was woken, once; and those perhaps whom somebody who was killed has not told. */
static bool wakes_match(void)
{
	const struct semset_answer *a = &outer.answer, *b = &inner.answer;
	uint32_t n = a->n_woken + b->n_woken, n_ended = trial.n_ended - model.n_ended, n_dead = 0;

	for (uint32_t i = 0; i < a->n_woken; i++)
		for (uint32_t k = 0; k < b->n_woken; k++)
			if (a->woken[i] == b->woken[k])
				return false;
	/* Whether one is woken who is dead does not matter. */
	for (uint32_t i = 0; i < MODEL_SLEEPERS_MAX; i++)
		n_dead += model.sleepers[i].used && model.sleepers[i].waiting &&
			  (ends(&outer, model.sleepers[i].client) || ends(&inner, model.sleepers[i].client));
	return n + n_dead >= n_ended && n <= n_ended + n_untold;
}

/* Pids and times follow a change: among calls that meet, any of theirs may be the last. */
static bool stamps_match(void)
{
	if (memcmp(seen.pids, trial.pids, model.n_sems * sizeof(seen.pids[0])) != 0 ||
	    seen.stat.otime_s != trial.otime_s || seen.stat.ctime_s != trial.ctime_s)
		return false;
	for (uint32_t i = 0; i < CLIENTS; i++)
		if (seen.has_row[i] != trial.has_record[i])
			return false;
	return true;
}

static bool trial_matches(const struct semset_answer *answers)
{
	if (!answer_matches(&outer, &answers[0]) || !answer_matches(&inner, &answers[1]) ||
	    memcmp(seen.values, trial.values, sizeof(seen.values)) != 0 || seen.is_removed != trial.removed)
		return false;
	for (uint32_t i = 0; i < CLIENTS; i++)
		if (memcmp(seen.adjustments[i], trial.adjustments[i], sizeof(seen.adjustments[i])) != 0)
			return false;
	if (!sleepers_match())
		return false;
	if (outer.is_left || inner.is_left)
		return true;
	return wakes_match() && (inner.is_made || stamps_match());
}

/* n steps, or all.  False: it has not so many. */
static bool steps(const struct play *play, uint32_t first, uint32_t n, bool is_late,
		  struct semset_answer *answer)
{
	uint32_t i = 0;

	while (i < n && semset_call_step(&trial, &play->call, first + i, is_late, answer))
		i++;
	return n == STEPS_ALL || i == n;
}

/* So many steps of the first call, then of the second, then of the first again: is that what is seen? */
static bool explains(uint32_t before, uint32_t between, uint32_t after, bool is_late)
{
	struct semset_answer answers[2] = { 0 };

	trial = model;
	trial.clock = UINT64_C(1) << 62; /* who comes is younger than all */
	if (!steps(&outer, 0, before, false, &answers[0]))
		return false;
	if (inner.is_made && !steps(&inner, 0, between, false, &answers[1]))
		return false;
	return steps(&outer, before, after, is_late, &answers[0]) && trial_matches(answers);
}

static bool is_explained(void)
{
	const uint32_t n_before = inner.is_made ? STEPS_MAX : 1;
	const uint32_t n_between = inner.is_left ? STEPS_MAX : 1;
	const uint32_t n_after = outer.is_left ? STEPS_MAX : 1;
	const bool may_be_late = inner.is_made && inner.call.kind == CALL_REMOVE;

	for (uint32_t i = 0; i < n_before * n_between * n_after; i++) {
		uint32_t before = i % n_before;
		uint32_t between = inner.is_left ? i / n_before % n_between : STEPS_ALL;
		uint32_t after = outer.is_left ? i / n_before / n_between : STEPS_ALL;

		if (explains(before, between, after, false) ||
		    (may_be_late && explains(before, between, after, true)))
			return true;
	}
	return false;
}

/* --- calls ---------------------------------------------------------------------------------------- */

static void leave_outer(void)
{
	outer.is_left = true;
	longjmp(outer.way_out, 1);
}

static void leave_inner(void)
{
	inner.is_left = true;
	longjmp(inner.way_out, 1);
}

static void make(struct play *play)
{
	play->is_made = true;
	if (setjmp(play->way_out) == 0) {
		if (daemon_was_killed && semset_call_is_daemons(&play->call)) {
			semset_stead_recover(&set);
			daemon_was_killed = false;
		}
		semset_call_run(&set, &play->call, &play->answer);
	}
	hooks_call(0, NULL);
}

static void make_inner(void)
{
	if (inner.to_be_left)
		hooks_call(inner.left_after, leave_inner);
	make(&inner);
	if (outer.to_be_left)
		hooks_call(outer.left_after, leave_outer);
}

static bool stood_at(const struct seen_sleeper *at)
{
	const struct model_sleeper *stood = find_at(&model, at->place);

	return stood && stood->client == at->client;
}

/* Where the sleeper is that this call has made, if it has. */
static void find_place(struct play *play)
{
	if (!play->is_made || !semset_call_is_new_sleeper(&play->call))
		return;
	play->call.place = play->answer.place;
	for (uint32_t i = 0; i < seen.n_sleepers && (play->is_left || play->call.kind != CALL_WAIT); i++) {
		const struct seen_sleeper *at = &seen.sleepers[i];

		if (at->client == play->call.client && at->number == play->call.stead.number &&
		    !stood_at(at))
			play->call.place = at->place;
	}
}

/* Who has been left in the middle, and who is a new process. */
static void note_end(const struct play *play)
{
	struct client *client = &clients[play->call.client];
	enum semset_call_kind kind = play->call.kind;

	if (!play->is_made)
		return;
	if (play->is_left) {
		daemon_was_killed = daemon_was_killed || semset_call_is_daemons(&play->call);
		client->is_unclean = true;
		if (kind == CALL_EXEC)
			client->condition = HALF_EXECED;
		else if (kind == CALL_DEATH || !semset_call_is_daemons(&play->call))
			client->condition = KILLED;
	} else if (kind == CALL_DEATH || kind == CALL_EXEC) {
		*client = (struct client){ ALIVE, false, MCAS_SLOT_NONE };
	}
}

static void say(const struct play *play, const char *what)
{
	if (!play->is_made)
		return;
	FUZZ_SAY("%sclient %u: %s", what, play->call.client, semset_call_to_string(&play->call));
	if (semset_call_is_new_sleeper(&play->call) || play->call.kind == CALL_OP)
		for (uint32_t i = 0; i < play->call.n_ops; i++)
			FUZZ_SAY("%s  semaphore %u by %d flags %o", what, play->call.ops[i].sem_num,
				 play->call.ops[i].sem_op, (unsigned)play->call.ops[i].sem_flg);
	if (play->is_left)
		FUZZ_SAY("%s  left for ever", what);
	else
		FUZZ_SAY("%s  outcome %d", what, play->answer.outcome);
}

/* What was made is compared with the model, which then is what explains it. */
static void check(void)
{
	note_end(&outer);
	note_end(&inner);
	look();
	find_place(&outer);
	find_place(&inner);
	say(&outer, "");
	say(&inner, "      ");
	FUZZ_ASSERT(is_explained());
	model = trial;
	n_untold = 0;
	for (uint32_t i = 0; i < seen.n_sleepers; i++) {
		struct model_sleeper *sleeper = find_at(&model, seen.sleepers[i].place);

		n_untold += sleeper_state(seen.sleepers[i].word) == SLEEPER_DONE &&
			    (sleeper_argument(seen.sleepers[i].word) & DONE_UNTOLD) != 0;
		if (sleeper)
			sleeper->age = seen.sleepers[i].ticket;
	}
	memcpy(model.pids, seen.pids, sizeof(seen.pids));
	memcpy(model.has_record, seen.has_row, sizeof(seen.has_row));
	model.otime_s = seen.stat.otime_s;
	model.ctime_s = seen.stat.ctime_s;
	for (uint32_t i = 0; i < model.n_sems; i++) {
		uint32_t ncnt, zcnt;

		FUZZ_SAY("  semaphore %u: value %u", i, model.values[i]);
		model_semset_counts(&model, i, &ncnt, &zcnt);
		FUZZ_ASSERT(seen.ncnt[i] == ncnt && seen.zcnt[i] == zcnt);
	}
}

static void make_alone(const struct semset_call *call)
{
	outer = (struct play){ .call = *call };
	inner = (struct play){ 0 };
	hooks_budget(ACCESSES_MAX);
	make(&outer);
	check();
}

/* --- the input ------------------------------------------------------------------------------------ */

static uint32_t n_standing(uint32_t client)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < MODEL_SLEEPERS_MAX; i++)
		n += model.sleepers[i].used &&
		     (client == CLIENTS || model.sleepers[i].client == client);
	return n;
}

/* The which-th of a client's own sleepers, beginning anew at the end.  False: he has none. */
static bool sleeper_choose(struct semset_call *call, uint32_t which)
{
	uint32_t n = n_standing(call->client);

	for (uint32_t i = 0; n > 0 && i < n * MODEL_SLEEPERS_MAX; i++) {
		const struct model_sleeper *sleeper = &model.sleepers[i % MODEL_SLEEPERS_MAX];

		if (!sleeper->used || sleeper->client != call->client || sleeper->number != 0)
			continue;
		if (which-- % n != 0)
			continue;
		call->sleeper = i % MODEL_SLEEPERS_MAX;
		call->place = sleeper->place;
		return true;
	}
	return false;
}

static void ops_next(struct fuzz_input *input, struct semset_call *call)
{
	call->n_ops = fuzz_u8(input) % CALL_OPS_MAX + 1;
	for (uint32_t i = 0; i < call->n_ops; i++) {
		uint8_t flags;

		call->ops[i].sem_num = (uint16_t)(fuzz_u8(input) % model.n_sems);
		call->ops[i].sem_op = (int16_t)(fuzz_u8(input) % 16 - 8);
		flags = fuzz_u8(input);
		call->ops[i].sem_flg = (int16_t)((flags & 1 ? ABI_IPC_NOWAIT : 0) |
						 (flags & 2 ? ABI_SEM_UNDO : 0));
	}
}

static void stead_next(struct fuzz_input *input, struct semset_call *call, bool is_op)
{
	static const enum semset_call_kind others[] = { CALL_STEAD_SET_ONE, CALL_STEAD_SET_ALL,
							CALL_STEAD_END, CALL_STEAD_END };
	uint8_t code = fuzz_u8(input);

	call->stead = (struct stead){ code % 4u + 1, !(code & 4), !(code & 8) };
	call->kind = is_op ? CALL_STEAD_OP : others[code >> 4 & 3];
	if (is_op)
		ops_next(input, call);
}

static struct semset_call call_next(struct fuzz_input *input)
{
	static const enum semset_call_kind kinds[] = { CALL_OP, CALL_OP, CALL_WAIT, CALL_WAIT, CALL_WAIT,
						       CALL_SET_ONE, CALL_SET_ALL, CALL_READ, CALL_LEAVE,
						       CALL_LOOK };
	static const enum semset_call_kind ends[] = { CALL_EXIT, CALL_DEATH, CALL_EXEC, CALL_SETTLE };
	uint8_t code = fuzz_u8(input), which = code % 16;
	struct semset_call call = { .client = code / 16 % CLIENTS, .kind = CALL_SETTLE };

	if (which < ARRAY_SIZE(kinds))
		call.kind = kinds[which];
	if (which < 5)
		ops_next(input, &call);
	else if (which == 8 || which == 9)
		call.sleeper = fuzz_u8(input);
	else if (which >= 10 && which <= 12)
		stead_next(input, &call, which < 12);
	else if (which == 13)
		call.kind = ends[fuzz_u8(input) % 4];
	else if (which == 14 && fuzz_u8(input) == 255)
		call.kind = CALL_REMOVE;
	if (call.kind == CALL_SET_ONE || call.kind == CALL_STEAD_SET_ONE) {
		call.sem_num = fuzz_u8(input) % model.n_sems;
		call.values[0] = fuzz_u8(input) % 8;
	}
	if (call.kind == CALL_SET_ALL || call.kind == CALL_STEAD_SET_ALL)
		for (uint32_t i = 0; i < model.n_sems; i++)
			call.values[i] = fuzz_u8(input) % 8;
	return call;
}

/* What the client can do in his condition.  False: nothing of the kind. */
static bool call_prepare(struct semset_call *call)
{
	struct client *client = &clients[call->client];
	const struct actor actor = { .client = call->client + 1, .hint = call->client };

	call->now_s = ++now_s;
	if (client->condition != ALIVE)
		call->kind = client->condition == KILLED ? CALL_DEATH : CALL_EXEC;
	if (call->kind == CALL_EXIT && (n_standing(call->client) > 0 || client->is_unclean))
		call->kind = CALL_DEATH;
	if (call->kind == CALL_WAIT && n_standing(CLIENTS) >= STANDING_MAX)
		call->kind = CALL_OP;
	if (call->kind == CALL_LEAVE || call->kind == CALL_LOOK)
		return sleeper_choose(call, call->sleeper);
	if (semset_call_is_new_sleeper(call) && n_standing(CLIENTS) >= STANDING_MAX)
		return false;
	if (call->client == KEEPER && !semset_call_is_daemons(call)) {
		if (client->slot == MCAS_SLOT_NONE)
			(void)semset_bind_slot(&set, &actor, &client->slot); /* or it has none yet */
		call->slot = client->slot;
	}
	return true;
}

static void alone_next(struct fuzz_input *input)
{
	struct semset_call call = call_next(input);

	if (call_prepare(&call))
		make_alone(&call);
}

static void pair_next(struct fuzz_input *input)
{
	uint8_t flags = fuzz_u8(input), after = fuzz_u8(input);
	uint8_t inner_after = fuzz_u8(input), outer_after = fuzz_u8(input);
	struct semset_call first = call_next(input), second = { 0 };
	bool can_first, can_second = false;

	if (!(flags & 4))
		second = call_next(input);
	can_first = call_prepare(&first);
	if (can_first && !(flags & 4) && second.client != first.client)
		can_second = call_prepare(&second) &&
			     !(semset_call_is_daemons(&first) && semset_call_is_daemons(&second));
	outer = (struct play){ .call = first };
	inner = (struct play){ .call = second, .to_be_left = flags & 1, .left_after = inner_after };
	outer.to_be_left = flags & 6;
	outer.left_after = flags & 4 ? after : outer_after;
	if (can_first) {
		hooks_budget(2 * ACCESSES_MAX);
		if (can_second)
			hooks_call(after, make_inner);
		else if (flags & 4)
			hooks_call(after, leave_outer);
		make(&outer);
		check();
	}
	if (!(flags & 4) && !inner.is_made && call_prepare(&second))
		make_alone(&second);
}

/* Whoever was left in the middle is recovered; nothing of him stays. */
static void end_all(void)
{
	for (uint32_t i = 0; i < CLIENTS; i++) {
		struct semset_call call = { .kind = CALL_DEATH, .client = i };

		if (clients[i].condition != ALIVE || clients[i].is_unclean) {
			(void)call_prepare(&call); /* what it is made into is possible */
			make_alone(&call);
		}
		if (clients[i].slot != MCAS_SLOT_NONE)
			mcas_resident_release(&set.mcas, i + 1, clients[i].slot);
		clients[i].slot = MCAS_SLOT_NONE;
	}
	if (daemon_was_killed)
		semset_stead_recover(&set);
	FUZZ_ASSERT(semset_verify(&set));
}

static void reset(uint32_t n_sems)
{
	struct semset_layout layout;

	hooks_reset();
	FUZZ_ASSERT(semset_layout(n_sems, &layout) == SEMSET_DONE && layout.size <= FILE_SIZE);
	memset(file, 0, layout.size);
	memset(clients, 0, sizeof(clients));
	daemon_was_killed = false;
	now_s = 1000;
	n_untold = 0;
	semset_format(file, &layout, now_s);
	memcpy(copy_file, file, layout.size);
	FUZZ_ASSERT(semset_bind(&set, file, layout.size) == SEMSET_DONE);
	FUZZ_ASSERT(semset_bind(&copy, copy_file, layout.size) == SEMSET_DONE);
	model_semset_init(&model, n_sems, now_s);
	hooks_region(file, layout.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size < INPUT_MAX ? size : INPUT_MAX, 0 };

	reset(fuzz_u8(&input) % CALL_SEMS_MAX + 1);
	while (!fuzz_done(&input)) {
		if (input.bytes[input.at] % 16 == 15) {
			input.at++;
			pair_next(&input);
		} else {
			alone_next(&input);
		}
	}
	end_all();
	return 0;
}

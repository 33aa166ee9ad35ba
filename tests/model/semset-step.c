/* model/semset-step.c: see the header. */
#include "model/semset-step.h"

#include <string.h>
#include <sys/mman.h>

#include "core/semset-internal.h"
#include "model/semset.h"

#define STEP_SIZE_MAX 4096u
#define STEP_CLIENTS 4u
#define STEP_SEMS 6u

void (*semset_step_say)(const char *format, ...);
#define SAY(...) (semset_step_say ? semset_step_say(__VA_ARGS__) : (void)0)

/* Ends the step with a description. */
#define EXPECT(condition)            \
	do {                         \
		if (!(condition))    \
			return #condition; \
	} while (0)

struct step {
	const uint8_t *bytes;
	size_t n_bytes;
	size_t at;
	struct semset set;
	struct model_semset model;
	struct {
		bool used;
		bool waits; /* was not to be woken until now */
		bool poll;  /* a thread's, which looks; not a call in somebody's stead, which is asked for */
		struct semset_sleeper sleeper;
	} sleepers[MODEL_SLEEPERS_MAX];
	uint32_t n_ended; /* as the model counts, before this step */
	uint32_t n_dead;  /* that slept when they died: whether one is woken, too, does not matter */
	uint32_t n_woken;
	uint32_t woken[1024]; /* more than there are sleepers */
	int64_t now_s;
};

static uint8_t next(struct step *step)
{
	return step->at < step->n_bytes ? step->bytes[step->at++] : 0;
}

static void grow(struct step *step, int outcome)
{
	struct semset_growth growth;

	if (semset_growth(&step->set, outcome, &growth))
		semset_grown(&step->set, &growth);
}

static bool is_growth(int outcome)
{
	return outcome >= SEMSET_GROW_SLOTS && outcome <= SEMSET_GROW_ROWS;
}

/* Notes who was woken, and has the rest of the wakes carried out. */
static int finish(struct step *step, const struct actor *actor, int outcome, struct wakes *wakes)
{
	for (;;) {
		if (outcome == SEMSET_DONE || outcome == SEMSET_MORE) {
			memcpy(step->woken + step->n_woken, wakes->word_indexes, wakes->n * 4);
			step->n_woken += wakes->n;
		}
		if (is_growth(outcome))
			grow(step, outcome);
		else if (outcome != SEMSET_MORE)
			return outcome;
		outcome = semset_settle(&step->set, actor, wakes);
	}
}

static uint32_t decode_ops(struct step *step, struct abi_sembuf *ops)
{
	static const int16_t large[16] = { 32767,  -32767, -32768, 30000, -30000, 20000, -20000, 1000,
					   -1000, 16384,  -16384, 32766, -32766, 100,   -100,   0 };
	uint8_t code = next(step);
	uint32_t n = code == 0xff ? 40 : code >= 0xf0 ? 5 + code % 16u : code % 4u + 1;
	uint32_t i;

	for (i = 0; i < n; i++) {
		uint8_t sem = next(step), op = next(step), flags = next(step);

		/* One in 32 lies outside the set. */
		ops[i].sem_num = sem >= 0xf8 ? 0xffff : (uint16_t)(sem % step->model.n_sems);
		ops[i].sem_op = op >= 0xf0 ? large[op % 16] : (int16_t)(op % 16 - 8);
		ops[i].sem_flg = (int16_t)((flags & 1 ? ABI_IPC_NOWAIT : 0) |
					   (flags & 2 ? ABI_SEM_UNDO : 0));
	}
	return n;
}

static uint32_t decode_value(struct step *step)
{
	uint8_t code = next(step);

	return code >= 0xf0 ? 32767 : code % 8;
}

/* Whether another call of so many operations finds room, in the model and in the file. */
static bool has_room(const struct step *step, uint32_t n_ops)
{
	uint32_t n_records = (n_ops + SEMSET_RECORD_OPS - 1) / SEMSET_RECORD_OPS;
	uint32_t n = 0, i;

	for (i = 0; i < MODEL_SLEEPERS_MAX; i++) {
		if (!step->model.sleepers[i].used)
			continue;
		n++;
		n_records += (step->model.sleepers[i].n_ops + SEMSET_RECORD_OPS - 1) / SEMSET_RECORD_OPS;
	}
	return n < MODEL_SLEEPERS_MAX && n_records <= SLEEPER_MAX;
}

static void say_ops(const struct abi_sembuf *ops, uint32_t n_ops)
{
	uint32_t i;

	for (i = 0; i < n_ops; i++)
		SAY("  semaphore %u by %d%s%s", ops[i].sem_num, ops[i].sem_op,
		    ops[i].sem_flg & ABI_IPC_NOWAIT ? " IPC_NOWAIT" : "",
		    ops[i].sem_flg & ABI_SEM_UNDO ? " SEM_UNDO" : "");
}

static void note_sleeper(struct step *step, uint32_t number, const struct semset_sleeper *sleeper, bool poll)
{
	step->sleepers[number].used = true;
	step->sleepers[number].waits = step->model.sleepers[number].waiting;
	step->sleepers[number].poll = poll;
	step->sleepers[number].sleeper = *sleeper;
	step->model.sleepers[number].place = sleeper->index;
}

static const char *step_op(struct step *step, const struct actor *actor,
			   const struct model_caller *caller, bool may_sleep)
{
	struct abi_sembuf ops[64];
	uint32_t n_ops = decode_ops(step, ops);
	struct semset_sleeper sleeper;
	uint32_t number = 0;
	struct wakes wakes;
	int outcome, expected;

	SAY("client %u: semop, %s:", caller->client, may_sleep ? "may sleep" : "does not sleep");
	say_ops(ops, n_ops);
	if (may_sleep && !has_room(step, n_ops))
		return NULL;
	expected = model_semset_op(&step->model, caller, ops, n_ops, may_sleep ? &number : NULL);
	for (;;) {
		if (may_sleep)
			outcome = semset_op_or_wait(&step->set, actor, ops, n_ops, &wakes, &sleeper);
		else
			outcome = semset_op(&step->set, actor, ops, n_ops, &wakes);
		if (!is_growth(outcome))
			break;
		grow(step, outcome);
	}
	if (outcome == SEMSET_MORE)
		outcome = finish(step, actor, outcome, &wakes);
	else if (outcome == SEMSET_DONE)
		(void)finish(step, actor, outcome, &wakes);
	SAY("  outcome %d, the model says %d", outcome, expected);
	EXPECT(outcome == expected);
	if (outcome == SEMSET_WAITING)
		note_sleeper(step, number, &sleeper, true);
	return NULL;
}

static const char *step_assign(struct step *step, const struct actor *actor,
			       const struct model_caller *caller, bool all)
{
	uint16_t values[STEP_SEMS];
	uint32_t sem_num = all ? 0 : next(step) % step->model.n_sems;
	uint32_t n = all ? step->model.n_sems : 1;
	struct wakes wakes;
	uint32_t i;
	int outcome;

	for (i = 0; i < n; i++)
		values[i] = (uint16_t)decode_value(step);
	for (;;) {
		if (all)
			outcome = semset_set_all(&step->set, actor, values, NULL, &wakes);
		else
			outcome = semset_set_value(&step->set, actor, sem_num, values[0], &wakes);
		if (!is_growth(outcome))
			break;
		grow(step, outcome);
	}
	if (step->model.removed) {
		EXPECT(outcome == SEMSET_E_REMOVED);
		return NULL;
	}
	SAY("client %u: %s %u, the first value %u", caller->client, all ? "SETALL" : "SETVAL",
	    sem_num, values[0]);
	EXPECT(finish(step, actor, outcome, &wakes) == SEMSET_DONE);
	if (all)
		model_semset_set_all(&step->model, caller, values);
	else
		model_semset_set_value(&step->model, caller, sem_num, values[0]);
	return NULL;
}

/* --- calls in a client's stead -------------------------------------------------------------------- */

/* Those of a client that stand: where they are is for recovery to know, and for nobody else. */
static const char *note_stead(struct step *step, const struct actor *actor)
{
	uint32_t end = semset_scan_end(&step->set), i, k;

	for (i = 0; i < MODEL_SLEEPERS_MAX; i++) {
		const struct model_sleeper *stands = &step->model.sleepers[i];
		struct semset_sleeper sleeper = { 0 };

		if (stands->client + 1 != actor->client || stands->number == 0)
			continue;
		if (!stands->used) {
			step->sleepers[i].used = false;
			continue;
		}
		if (stands->place != MODEL_PLACE_NONE)
			continue;
		for (k = 0; k < end; k++) {
			const struct sleeper_record *record = &semset_record(&step->set, k)->head;

			if (shared64_load(&record->owner) == actor->client &&
			    shared32_load(&record->number) == stands->number)
				break;
		}
		EXPECT(k < end);
		sleeper.index = k;
		sleeper.word_index = sleeper_word(&step->set.sleepers, k);
		note_sleeper(step, i, &sleeper, false);
	}
	return NULL;
}

static const char *stead_op(struct step *step, const struct actor *actor,
			    const struct model_caller *caller, const struct stead *stead)
{
	struct abi_sembuf ops[64];
	uint32_t n_ops = decode_ops(step, ops);
	struct wakes wakes;
	int outcome, expected;

	SAY("semop:");
	say_ops(ops, n_ops);
	if (!has_room(step, n_ops))
		return NULL;
	expected = model_semset_stead_op(&step->model, caller, stead, ops, n_ops);
	for (;;) {
		outcome = semset_stead_op(&step->set, actor, stead, ops, n_ops, &wakes);
		if (!is_growth(outcome))
			break;
		grow(step, outcome);
	}
	if (outcome == SEMSET_DONE || outcome == SEMSET_MORE)
		outcome = finish(step, actor, outcome, &wakes);
	SAY("  outcome %d, the model says %d", outcome, expected);
	EXPECT(outcome == expected);
	return note_stead(step, actor);
}

static const char *stead_assign(struct step *step, const struct actor *actor,
				const struct model_caller *caller, const struct stead *stead, bool all)
{
	uint16_t values[STEP_SEMS];
	uint32_t first = all ? 0 : next(step) % step->model.n_sems;
	uint32_t n = all ? step->model.n_sems : 1;
	struct wakes wakes;
	uint32_t i;
	int outcome, expected;

	for (i = 0; i < n; i++)
		values[i] = (uint16_t)decode_value(step);
	SAY("%s %u, the first value %u", all ? "SETALL" : "SETVAL", first, values[0]);
	if (!has_room(step, 1))
		return NULL;
	expected = model_semset_stead_assign(&step->model, caller, stead, values, first, n);
	for (;;) {
		outcome = semset_stead_assign(&step->set, actor, stead, values, first, n, NULL, &wakes);
		if (!is_growth(outcome))
			break;
		grow(step, outcome);
	}
	if (outcome == SEMSET_DONE || outcome == SEMSET_MORE)
		outcome = finish(step, actor, outcome, &wakes);
	SAY("  outcome %d, the model says %d", outcome, expected);
	EXPECT(outcome == expected);
	return note_stead(step, actor);
}

static const char *step_stead(struct step *step, const struct actor *actor,
			      const struct model_caller *caller, uint8_t code)
{
	const struct stead stead = { code % 4u + 1, !(code & 4), !(code & 8) };
	uint32_t what = code >> 4 & 7;

	SAY("client %u: call %u in its stead%s%s", caller->client, stead.number,
	    stead.may_begin ? "" : ", may not begin", stead.may_wait ? "" : ", may not wait");
	if (what < 4)
		return stead_op(step, actor, caller, &stead);
	if (what < 6)
		return stead_assign(step, actor, caller, &stead, what == 5);
	SAY("it ends");
	semset_stead_end(&step->set, actor, stead.number);
	model_semset_stead_end(&step->model, caller, stead.number);
	return note_stead(step, actor);
}

/* --- leaving -------------------------------------------------------------------------------------- */

static const char *step_cancel(struct step *step, const struct actor *actor)
{
	uint32_t number = next(step) % MODEL_SLEEPERS_MAX;
	struct actor owner = *actor;
	uint32_t i;

	for (i = 0; i < MODEL_SLEEPERS_MAX; i++, number = (number + 1) % MODEL_SLEEPERS_MAX)
		if (step->sleepers[number].used && step->sleepers[number].poll)
			break;
	if (i == MODEL_SLEEPERS_MAX)
		return NULL;
	owner.client = step->model.sleepers[number].client + 1;
	SAY("sleeper %u leaves", number);
	EXPECT(semset_cancel(&step->set, &owner, &step->sleepers[number].sleeper) ==
	       model_semset_cancel(&step->model, number));
	step->sleepers[number].used = false;
	return NULL;
}

static const char *step_end(struct step *step, const struct actor *actor,
			    const struct model_caller *caller, bool dead)
{
	struct wakes wakes;
	uint32_t i;
	int outcome;

	SAY("client %u %s", caller->client, dead ? "dies" : "exits");
	for (i = 0; i < MODEL_SLEEPERS_MAX; i++) {
		if (!step->sleepers[i].used || step->model.sleepers[i].client != caller->client)
			continue;
		step->sleepers[i].used = false;
		step->n_dead += step->model.sleepers[i].waiting;
		if (dead)
			continue;
		if (step->sleepers[i].poll)
			EXPECT(semset_cancel(&step->set, actor, &step->sleepers[i].sleeper) ==
			       SEMSET_BLOCKED);
		else
			semset_stead_end(&step->set, actor, step->model.sleepers[i].number);
		step->model.sleepers[i].used = false;
	}
	do {
		outcome = dead ? semset_recover(&step->set, actor, &wakes)
			       : semset_apply_undo(&step->set, actor, &wakes);
		if (is_growth(outcome))
			grow(step, outcome);
		memcpy(step->woken + step->n_woken, wakes.word_indexes, wakes.n * 4);
		step->n_woken += wakes.n;
	} while (outcome == SEMSET_MORE || is_growth(outcome));
	EXPECT(outcome == SEMSET_DONE);
	EXPECT(!semset_holds(&step->set, actor->client));
	model_semset_exit(&step->model, caller);
	return NULL;
}

/* Its threads end as they stood; what they adjusted stays (UNDO-6). */
static const char *step_exec(struct step *step, const struct actor *actor)
{
	struct wakes wakes;
	uint32_t i;

	SAY("client %u runs another program", (unsigned)actor->client - 1);
	for (i = 0; i < MODEL_SLEEPERS_MAX; i++) {
		if (!step->sleepers[i].used || step->model.sleepers[i].client + 1 != actor->client)
			continue;
		(void)model_semset_cancel(&step->model, i); /* it is gone, or stays done */
		step->sleepers[i].used = false;
	}
	EXPECT(semset_execed(&step->set, actor, &wakes) == SEMSET_DONE);
	EXPECT(wakes.n == 0);
	return NULL;
}

static const char *step_others(struct step *step, const struct actor *actor,
			       const struct model_caller *caller)
{
	struct wakes wakes;
	uint8_t code = next(step);
	int outcome;

	if (code == 0xfe)
		return step_exec(step, actor);
	if (code >= 0x80 && code < 0xf0)
		return step_stead(step, actor, caller, code);
	if (code != 0xff) {
		SAY("settle");
		EXPECT(semset_settle(&step->set, actor, &wakes) == SEMSET_DONE);
		EXPECT(wakes.n == 0);
		return NULL;
	}
	SAY("IPC_RMID");
	do {
		outcome = semset_remove(&step->set, actor, &wakes);
		memcpy(step->woken + step->n_woken, wakes.word_indexes, wakes.n * 4);
		step->n_woken += wakes.n;
	} while (outcome == SEMSET_MORE);
	EXPECT(outcome == SEMSET_DONE);
	EXPECT(semset_is_removed(&step->set));
	model_semset_remove(&step->model);
	return NULL;
}

/* Every sleeper that ended was woken, once; a thread has the model's result; no other was woken. */
static const char *compare_sleepers(struct step *step)
{
	uint32_t i, k, n_wakes;
	bool waits, waited;

	for (i = 0; i < MODEL_SLEEPERS_MAX; i++) {
		if (!step->sleepers[i].used)
			continue;
		n_wakes = 0;
		for (k = 0; k < step->n_woken; k++)
			n_wakes += step->woken[k] == step->sleepers[i].sleeper.word_index;
		waits = step->model.sleepers[i].waiting;
		waited = step->sleepers[i].waits;
		EXPECT(n_wakes == (waited && !waits ? 1 : 0));
		step->sleepers[i].waits = waits;
		if (waited && !waits)
			SAY("  sleeper %u is woken", i);
		if (!step->sleepers[i].poll)
			continue;
		EXPECT(semset_poll(&step->set, &step->sleepers[i].sleeper) ==
		       model_semset_poll(&step->model, i));
		step->sleepers[i].used = waits;
	}
	EXPECT(step->n_woken <= step->model.n_ended - step->n_ended);
	EXPECT(step->n_woken + step->n_dead >= step->model.n_ended - step->n_ended);
	return NULL;
}

static const char *compare(struct step *step)
{
	uint16_t values[STEP_SEMS];
	uint32_t i, value, pid, ncnt, zcnt, expected_ncnt, expected_zcnt;
	struct semset_stat stat;
	const char *failure;

	failure = compare_sleepers(step);
	if (failure)
		return failure;
	EXPECT(semset_get_all(&step->set, values) == SEMSET_DONE);
	for (i = 0; i < step->model.n_sems; i++) {
		EXPECT(semset_get_value(&step->set, i, &value) == SEMSET_DONE);
		SAY("  semaphore %u: value %u, the model says %u", i, value, step->model.values[i]);
		EXPECT(value == step->model.values[i]);
		EXPECT(values[i] == value);
		EXPECT(semset_get_pid(&step->set, i, &pid) == SEMSET_DONE);
		SAY("  semaphore %u: pid %u, the model says %u", i, pid, step->model.pids[i]);
		EXPECT(pid == step->model.pids[i]);
		EXPECT(semset_get_counts(&step->set, i, &ncnt, &zcnt) == SEMSET_DONE);
		model_semset_counts(&step->model, i, &expected_ncnt, &expected_zcnt);
		EXPECT(ncnt == expected_ncnt);
		EXPECT(zcnt == expected_zcnt);
	}
	semset_get_stat(&step->set, &stat);
	EXPECT(stat.otime_s == step->model.otime_s);
	EXPECT(stat.ctime_s == step->model.ctime_s);
	EXPECT(semset_verify(&step->set));
	return NULL;
}

static const char *step_once(struct step *step)
{
	uint8_t kind = next(step);
	uint32_t client = kind / 16 % STEP_CLIENTS;
	struct actor actor = { client + 1, 1000 + client, client, ++step->now_s, 0 };
	struct model_caller caller = { client, 1000 + client, step->now_s };

	step->n_woken = 0;
	step->n_ended = step->model.n_ended;
	step->n_dead = 0;
	switch (kind % 16) {
	case 7:
	case 8:
		return step_op(step, &actor, &caller, false);
	case 9:
		return step_assign(step, &actor, &caller, false);
	case 10:
		return step_assign(step, &actor, &caller, true);
	case 11:
	case 12:
		return step_cancel(step, &actor);
	case 13:
		return step_end(step, &actor, &caller, false);
	case 14:
		return step_end(step, &actor, &caller, true);
	case 15:
		return step_others(step, &actor, &caller);
	default:
		return step_op(step, &actor, &caller, true);
	}
}

static const char *step_all(struct step *step)
{
	const char *failure = NULL;

	while (step->at < step->n_bytes && !failure) {
		failure = step_once(step);
		if (!failure)
			failure = compare(step);
	}
	return failure;
}

const char *semset_step_run(const uint8_t *bytes, size_t n_bytes)
{
	static void *mapping;
	static uint64_t mapping_size;
	static struct step step;
	struct semset_layout layout;

	/* One mapping for all runs: fresh pages are zero. */
	if (!mapping) {
		if (semset_layout(STEP_SEMS, &layout) != SEMSET_DONE)
			return "layout";
		mapping = mmap(NULL, layout.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);
		if (mapping == MAP_FAILED)
			return "mmap";
		mapping_size = layout.size;
	}
	if (madvise(mapping, mapping_size, MADV_DONTNEED) != 0)
		return "madvise";
	memset(&step, 0, sizeof(step));
	step.bytes = bytes;
	step.n_bytes = n_bytes < STEP_SIZE_MAX ? n_bytes : STEP_SIZE_MAX;
	step.now_s = 1000;
	EXPECT(semset_layout(1 + next(&step) % STEP_SEMS, &layout) == SEMSET_DONE);
	semset_format(mapping, &layout, step.now_s);
	EXPECT(semset_bind(&step.set, mapping, mapping_size) == SEMSET_DONE);
	model_semset_init(&step.model, layout.n_sems, step.now_s);
	return step_all(&step);
}

/*
 * explore-semset-walks.c: a semaphore set of full size on random walks, with kills and stops.
 *
 * explore-semset.c goes through every interleaving of a few calls on a small file; this one takes the
 * file as it is, and longer plans.  Each actor is a client of its own.  A call that must wait looks
 * at its sleeper until it has ended, as a wake-up would make it do; a wake that is lost shows as a
 * schedule that does not end.  What must hold once everybody has been recovered is each plan's own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/semset-internal.h"
#include "explore.h"

#define N_SEMS 3u
#define FILE_SIZE (4u << 20)
#define UNDO ABI_SEM_UNDO
#define NOWAIT ABI_IPC_NOWAIT

static _Alignas(4096) uint8_t set_file[FILE_SIZE];

static struct {
	uint32_t done[EXPLORE_ACTORS_MAX]; /* calls that returned DONE */
	uint32_t ended[EXPLORE_ACTORS_MAX];
	int32_t result[EXPLORE_ACTORS_MAX];
} memory;

static struct semset set;

struct plan {
	const char *name;
	uint32_t n_actors;
	uint32_t n_kills;
	uint32_t n_stops;
	uint16_t values[N_SEMS];
	void (*actor)(uint32_t number);
	const char *(*check)(uint32_t stopped, uint32_t killed);
};

static const struct plan *plan;

_Noreturn void assert_fail(const char *expression, const char *file, int line)
{
	(void)fprintf(stderr, "%s:%d: %s\n", file, line, expression);
	abort();
}

static struct actor actor_of(uint32_t number)
{
	return (struct actor){ 0x100u + number, 1000 + number, number, 5, 0 };
}

/* --- calls ---------------------------------------------------------------------------------------- */

static void settle_all(const struct actor *self, int outcome)
{
	struct wakes wakes;

	while (outcome == SEMSET_MORE)
		outcome = semset_settle(&set, self, &wakes);
	if (outcome != SEMSET_DONE)
		explore_fail("settling failed");
}

/* A whole semop; patience: looks at a sleeper before it is cancelled, 0 = for ever. */
static int call(uint32_t number, const struct abi_sembuf *ops, uint32_t n_ops, uint32_t patience)
{
	struct actor self = actor_of(number);
	struct semset_sleeper sleeper;
	struct wakes wakes;
	int outcome;

	outcome = semset_op_or_wait(&set, &self, ops, n_ops, &wakes, &sleeper);
	while (outcome == SEMSET_WAITING) {
		if (patience == 1)
			outcome = semset_cancel(&set, &self, &sleeper);
		else
			outcome = semset_poll(&set, &sleeper);
		patience -= patience > 0;
		if (outcome == SEMSET_WAITING)
			shared_pause();
	}
	if (outcome == SEMSET_DONE || outcome == SEMSET_MORE) {
		settle_all(&self, outcome);
		memory.done[number]++;
		return SEMSET_DONE;
	}
	if (outcome == SEMSET_E_CORRUPT || outcome >= SEMSET_GROW_SLOTS)
		explore_fail("called corrupt");
	return outcome;
}

static void must(int outcome)
{
	if (outcome != SEMSET_DONE)
		explore_fail("a call that must succeed did not");
}

static void recover(uint32_t number)
{
	struct actor self = actor_of(number);
	struct wakes wakes;
	int outcome;

	do
		outcome = semset_recover(&set, &self, &wakes);
	while (outcome == SEMSET_MORE);
	if (outcome != SEMSET_DONE)
		explore_fail("recovery failed");
}

static uint32_t value(uint32_t sem)
{
	uint32_t found = UINT32_MAX;

	if (semset_get_value(&set, sem, &found) != SEMSET_DONE)
		explore_fail("a value cannot be read");
	return found;
}

/* --- plans: sleeping and granting ----------------------------------------------------------------- */

/* Takes two of three units at once, waiting, and gives them back: with SEM_UNDO all come back. */
static void take_and_give(uint32_t number)
{
	uint16_t a = (uint16_t)(number % N_SEMS), b = (uint16_t)((number + 1) % N_SEMS);
	struct abi_sembuf take[2] = { { a, -1, UNDO }, { b, -1, UNDO } };
	struct abi_sembuf give[2] = { { b, 1, UNDO }, { a, 1, UNDO } };
	uint32_t round;

	for (round = 0; round < 2; round++) {
		must(call(number, take, 2, 0));
		must(call(number, give, round + 1, 0));
		if (round == 0)
			must(call(number, give + 1, 1, 0));
	}
}

static const char *all_ones(uint32_t stopped, uint32_t killed)
{
	uint32_t i;

	(void)killed;
	for (i = 0; i < N_SEMS && !stopped; i++) {
		if (value(i) != 1)
			return "a unit was lost or made";
	}
	return NULL;
}

static bool is_asleep(uint32_t sem)
{
	uint32_t ncnt = 0, zcnt = 0;

	if (semset_get_counts(&set, sem, &ncnt, &zcnt) != SEMSET_DONE)
		explore_fail("counts cannot be read");
	return ncnt > 0;
}

/* Actor 0 waits for a unit of each of two semaphores, two others post one each, when it sleeps. */
static void post_each(uint32_t number)
{
	struct abi_sembuf take[2] = { { 0, -1, 0 }, { 1, -1, 0 } };
	struct abi_sembuf post = { (uint16_t)(number - 1), 1, 0 };

	if (number == 0) {
		must(call(0, take, 2, 0));
		return;
	}
	/* So the posters meet, and each sees the sleeper blocked on the other's semaphore. */
	while (!value(0) && !is_asleep(0) && !is_asleep(1))
		shared_pause();
	must(call(number, &post, 1, 0));
}

static const char *nothing_left(uint32_t stopped, uint32_t killed)
{
	(void)stopped;
	(void)killed;
	return value(0) || value(1) ? "a unit is left" : NULL;
}

/* Waits for zero on two, and takers that bring them there: a cascade. */
static void zero_cascade(uint32_t number)
{
	struct abi_sembuf zero[3] = { { 0, 0, 0 }, { 1, 0, 0 }, { 2, 1, 0 } };
	struct abi_sembuf take[2] = { { 2, -1, 0 }, { 0, 1, 0 } };
	struct abi_sembuf down = { (uint16_t)(number - 2), -1, 0 };

	if (number == 0)
		must(call(0, zero, 3, 0));
	else if (number == 1)
		must(call(1, take, 2, 0));
	else
		must(call(number, &down, 1, 0));
}

static const char *cascaded(uint32_t stopped, uint32_t killed)
{
	(void)stopped;
	(void)killed;
	return value(0) == 1 && value(1) == 0 && value(2) == 0 ? NULL : "the cascade went wrong";
}

/* Actor 0 gives up after a while. */
static void take_or_leave(uint32_t number)
{
	struct abi_sembuf take = { 0, -1, 0 }, post = { 0, 1, 0 };

	memory.result[number] = number == 0 ? call(0, &take, 1, 4) : call(number, &post, 1, 0);
}

static const char *taken_or_left(uint32_t stopped, uint32_t killed)
{
	uint32_t posted = memory.done[1] + memory.done[2];

	(void)stopped;
	(void)killed;
	return value(0) + memory.done[0] == posted ? NULL : "a unit was lost or doubled";
}

/* Actors 0 and 1 wait for what never comes, actor 2 removes the set. */
static void wait_for_the_end(uint32_t number)
{
	struct abi_sembuf take[2] = { { 0, -2, 0 }, { (uint16_t)number, -2, 0 } };
	struct actor self = actor_of(number);
	struct wakes wakes;
	int outcome = SEMSET_MORE;

	if (number < 2)
		memory.result[number] = call(number, take, number + 1, 0);
	while (number == 2 && outcome == SEMSET_MORE)
		outcome = semset_remove(&set, &self, &wakes);
}

static const char *all_removed(uint32_t stopped, uint32_t killed)
{
	(void)stopped;
	(void)killed;
	if (memory.result[0] != SEMSET_E_REMOVED || memory.result[1] != SEMSET_E_REMOVED)
		return "a sleeper ended otherwise";
	return NULL;
}

/* --- plans: looking, and being in nobody's way ---------------------------------------------------- */

/* Actor 1 moves a unit to and fro: at no instant are both zero. */
static void move_and_look(uint32_t number)
{
	struct abi_sembuf there[2] = { { 0, -1, 0 }, { 1, 1, 0 } };
	struct abi_sembuf back[2] = { { 1, -1, 0 }, { 0, 1, 0 } };
	struct abi_sembuf look[2] = { { 0, 0, NOWAIT }, { 1, 0, NOWAIT } };
	uint16_t values[N_SEMS];
	uint32_t i;

	for (i = 0; i < 3; i++) {
		if (number == 1) {
			must(call(1, i % 2 ? back : there, 2, 0));
			continue;
		}
		if (call(number, look, 2, 0) != SEMSET_E_AGAIN)
			explore_fail("zeros that never were at one time");
		if (semset_get_all(&set, values) != SEMSET_DONE || values[0] + values[1] != 1)
			explore_fail("values that never were at one time");
	}
}

static const char *nothing_more(uint32_t stopped, uint32_t killed)
{
	(void)stopped;
	(void)killed;
	return NULL;
}

/* Nobody waits: whoever is stopped, the others end. */
static void post_only(uint32_t number)
{
	struct abi_sembuf post[2] = { { (uint16_t)(number % N_SEMS), 1, 0 },
				      { (uint16_t)((number + 1) % N_SEMS), 1, 0 } };
	uint32_t round;

	for (round = 0; round < 3; round++)
		must(call(number, post, 2, 0));
}

static const char *sums(uint32_t stopped, uint32_t killed)
{
	uint32_t sum = value(0) + value(1) + value(2);
	uint32_t least = 0, i;

	for (i = 0; i < plan->n_actors; i++)
		least += 2 * memory.done[i];
	/* One change of the unfinished one may have happened just before. */
	if (sum == least || ((stopped | killed) && sum == least + 2))
		return NULL;
	return "a post was lost or doubled";
}

/* --- plans: adjustments and death ----------------------------------------------------------------- */

/* Actor 0 takes one with SEM_UNDO or gives up, actor 1 posts one. */
static void take_one(uint32_t number)
{
	struct abi_sembuf take = { 0, -1, UNDO }, post = { 0, 1, 0 };

	/* The poster may be the one that is killed: then nobody comes. */
	if (number == 0)
		(void)call(0, &take, 1, 8);
	else
		must(call(number, &post, 1, 0));
}

/* Everybody has been recovered: the taken unit is back, whatever happened. */
static const char *one_comes_back(uint32_t stopped, uint32_t killed)
{
	uint32_t posted = memory.done[1];

	(void)stopped;
	if (value(0) == posted || ((killed & 2) && value(0) == posted + 1))
		return NULL;
	return "a unit was lost or doubled";
}

/* The same without SEM_UNDO, and with something given in exchange. */
static void take_unseen(uint32_t number)
{
	struct abi_sembuf take[2] = { { 0, -1, 0 }, { 1, 2, 0 } }, post = { 0, 1, 0 };

	if (number == 0) {
		memory.result[0] = call(0, take, 2, 8);
		memory.ended[0] = 1;
	} else {
		must(call(number, &post, 1, 0));
	}
}

static const char *taken_or_back(uint32_t stopped, uint32_t killed)
{
	uint32_t posted = memory.done[1], taken = value(1) / 2;

	(void)stopped;
	if (memory.ended[0] && taken != memory.done[0])
		return "a call's result is not what it did";
	if (value(0) + taken == posted || ((killed & 2) && value(0) + taken == posted + 1))
		return NULL;
	return "a unit was lost or doubled";
}

/* Actor 1 is a thread of actor 0's process and ends it, while a third takes what rows are free. */
static void adjust_at_the_end(uint32_t number)
{
	struct abi_sembuf post = { 0, 1, UNDO }, more = { 0, 2, UNDO };
	struct actor self = actor_of(0);
	struct wakes wakes;

	if (number == 1)
		settle_all(&self, semset_apply_undo(&set, &self, &wakes));
	else
		must(call(number, &post, 1, 0));
	if (number == 0)
		must(call(number, &more, 1, 0));
}

static const char *all_undone(uint32_t stopped, uint32_t killed)
{
	(void)stopped;
	(void)killed;
	return value(0) == 1 ? NULL : "an adjustment went to another process, or was lost";
}

/* Actors 0 and 2 adjust, actor 1 sets: only what came later counts. */
static void adjust_and_set(uint32_t number)
{
	struct abi_sembuf ops[3] = { { 0, 2, UNDO }, { 1, 1, UNDO }, { 0, -1, UNDO } };
	struct actor self = actor_of(number);
	struct wakes wakes;

	if (number == 1) {
		settle_all(&self, semset_set_value(&set, &self, 0, 9, &wakes));
		memory.ended[1] = 1;
		return;
	}
	must(call(number, ops, 1, 0));
	must(call(number, ops, 3, 0));
}

static const char *set_value_stays(uint32_t stopped, uint32_t killed)
{
	(void)stopped;
	if (value(1) != 1)
		return "an adjustment was lost";
	if (value(0) == 9 || (!memory.ended[1] && (killed & 2) && value(0) == 1))
		return NULL;
	return "an adjustment outlived SETVAL, or was lost";
}

static const struct plan plans[] = {
	{ "units taken in pairs", 3, 0, 0, { 1, 1, 1 }, take_and_give, all_ones },
	{ "units taken in pairs, one killed", 3, 1, 0, { 1, 1, 1 }, take_and_give, all_ones },
	{ "units taken in pairs, two killed", 3, 2, 0, { 1, 1, 1 }, take_and_give, all_ones },
	{ "one sleeper, two posters", 3, 0, 0, { 0 }, post_each, nothing_left },
	{ "zero waiters in a cascade", 4, 0, 0, { 1, 1, 0 }, zero_cascade, cascaded },
	{ "sleeper leaves", 3, 0, 0, { 0 }, take_or_leave, taken_or_left },
	{ "removal", 3, 0, 0, { 0 }, wait_for_the_end, all_removed },
	{ "looks at a moving unit", 2, 0, 0, { 1, 0, 0 }, move_and_look, nothing_more },
	{ "posts, one stopped", 3, 0, 1, { 0 }, post_only, sums },
	{ "posts, one killed", 3, 1, 0, { 0 }, post_only, sums },
	{ "sleeper or poster killed", 2, 1, 0, { 0 }, take_one, one_comes_back },
	{ "sleeper or poster killed, no SEM_UNDO", 2, 1, 0, { 0 }, take_unseen, taken_or_back },
	{ "exit beside a running thread", 3, 0, 0, { 1 }, adjust_at_the_end, all_undone },
	{ "SETVAL among adjustments", 3, 0, 0, { 1, 1, 0 }, adjust_and_set, set_value_stays },
	{ "SETVAL among adjustments, one killed", 3, 1, 0, { 1, 1, 0 }, adjust_and_set, set_value_stays },
};

/* --- running -------------------------------------------------------------------------------------- */

static void reset(void)
{
	const struct actor setter = { 1, 1, 0, 1, 0 };
	struct semset_growth growth;
	struct semset_layout layout;
	struct wakes wakes;
	int part;

	(void)semset_layout(N_SEMS, &layout);
	memset(set_file, 0, sizeof(set_file));
	memset(&memory, 0, sizeof(memory));
	semset_format(set_file, &layout, 1);
	(void)semset_bind(&set, set_file, FILE_SIZE);
	for (part = SEMSET_GROW_SLOTS; part <= SEMSET_GROW_ROWS; part++) {
		(void)semset_growth(&set, part, &growth);
		semset_grown(&set, &growth);
	}
	(void)semset_set_all(&set, &setter, plan->values, NULL, &wakes);
}

static const char *check(uint32_t stopped, uint32_t killed)
{
	const char *wrong;
	uint32_t i;

	/* Everybody is at his end: exits, but for who is stopped. */
	for (i = 0; i < plan->n_actors; i++) {
		if (!(stopped >> i & 1))
			recover(i);
	}
	wrong = plan->check(stopped, killed);
	if (wrong)
		return wrong;
	for (i = 0; i < plan->n_actors; i++) {
		if (!(stopped >> i & 1) && semset_holds(&set, actor_of(i).client))
			return "something is left of a client";
	}
	return stopped || semset_verify(&set) ? NULL : "an invariant is broken";
}

int main(int argc, char **argv)
{
	uint64_t n_walks = argc > 1 ? strtoull(argv[1], NULL, 10) : getenv("USYSV_LONG") ? 100000 : 3000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	struct explore_result result;
	struct explore_case explored = { .memory = &memory, .memory_size = sizeof(memory),
					 .file = set_file, .file_size = sizeof(set_file) };
	uint32_t i, failed = 0;

	(void)printf("1..%u\n# seed %llu\n", (uint32_t)ARRAY_SIZE(plans), (unsigned long long)seed);
	for (i = 0; i < ARRAY_SIZE(plans); i++) {
		plan = &plans[i];
		explored.name = plan->name;
		explored.n_actors = plan->n_actors;
		explored.n_kills = plan->n_kills;
		explored.n_stops = plan->n_stops;
		explored.reset = reset;
		explored.actor = plan->actor;
		explored.recover = recover;
		explored.check = check;
		explore_random(&explored, seed, n_walks, &result);
		failed += result.failure != NULL;
		(void)printf("%s %u - %s\n# %llu steps, %llu schedules ended\n",
			     result.failure ? "not ok" : "ok", i + 1, plan->name,
			     (unsigned long long)result.n_steps, (unsigned long long)result.n_ends);
		if (result.failure) {
			(void)printf("# %s\n# schedule: %s\n", result.failure, result.schedule);
			(void)explore_replay(&explored, result.schedule);
		}
	}
	return failed != 0;
}

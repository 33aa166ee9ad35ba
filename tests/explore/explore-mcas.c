/*
 * explore-mcas.c: mcas under every interleaving.
 *
 * Each actor adds its amount to two or three words, trying again until its commit is done, and notes
 * in the memory that it was.  At the end every word must hold the sum of what was done, and of a
 * killed or stopped actor's change either all or nothing.
 *
 * Word 3 depends on word 0: every list that has the one has the other.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mcas-own.h"
#include "explore.h"

enum { WORDS_MAX = 5, LIST_MAX = 3, RESIDENT = 6, SLOT_BYTES = 256 };

/*
 * Two changes that meet may undo each other as long as an adversary picks the steps (callers back
 * off); so the exhaustive search lets an actor give up, and the fair random one does not.
 */
static uint32_t tries_max;
static bool may_give_up;

/* How an actor commits. */
enum manner {
	SHARED,   /* in a descriptor that all share */
	OWN,      /* in one of its own */
	LEAVING,  /* likewise, and leaves its marks in the words */
	JUMPING,  /* likewise; killed is left by a jump: the same thread begins anew, nobody recovers */
};

/* What one actor does: adds `amount` to each word of the list, `times` times. */
struct plan {
	uint32_t amount;
	uint32_t times;
	uint32_t n_words;
	uint32_t words[LIST_MAX];
	enum manner manner;
};

#define DEPENDENT_WORD 3u

static struct {
	struct shared64 words[WORDS_MAX];
	_Alignas(64) uint8_t slots[MCAS_SMALL_SLOTS * SLOT_BYTES];
	_Alignas(64) uint8_t resident[RESIDENT * SLOT_BYTES];
	uint32_t done[EXPLORE_ACTORS_MAX]; /* commits an actor knows to be done */
} memory;

static uint32_t actor_slots[EXPLORE_ACTORS_MAX];
static struct mcas mcas;
static const struct plan *plans;

_Noreturn void assert_fail(const char *expression, const char *file, int line)
{
	(void)fprintf(stderr, "%s:%d: %s\n", file, line, expression);
	abort();
}

static uint64_t client_of(uint32_t number)
{
	return 0x10000u + number + 1;
}

static void reset(void)
{
	uint32_t i;

	memset(&memory, 0, sizeof(memory));
	if (mcas_slots_size() > sizeof(memory.slots) ||
	    mcas_resident_size(RESIDENT) > sizeof(memory.resident))
		abort();
	mcas_init(&mcas, &memory, sizeof(memory), offsetof(__typeof__(memory), slots));
	mcas_init_resident(&mcas, offsetof(__typeof__(memory), resident), RESIDENT);
	for (i = 0; i < EXPLORE_ACTORS_MAX; i++) {
		struct actor self = { .client = client_of(i), .hint = i };

		actor_slots[i] = MCAS_SLOT_NONE;
		if (plans[i].manner != SHARED)
			actor_slots[i] = mcas_resident_bind(&mcas, &self);
	}
}

/* One try. */
static int try_once(const struct plan *plan, const struct actor *self)
{
	struct mcas_change changes[LIST_MAX];
	struct mcas_op op = { changes, 0, LIST_MAX };
	bool leaves = plan->manner >= LEAVING;
	uint64_t found[LIST_MAX] = { 0 };
	struct mcas_own own;
	uint64_t word;
	uint32_t i;
	int rc;

	if (leaves)
		mcas_own_begin(&mcas, self, &own);
	for (i = 0; i < plan->n_words; i++) {
		rc = leaves ? mcas_own_look(&mcas, &own, plan->words[i], &found[i], &word)
			    : mcas_look(&mcas, plan->words[i], &found[i], &word);
		if (rc)
			explore_fail("a word cannot be read");
		if (!mcas_op_add(&op, plan->words[i], word,
				 mcas_next(word, mcas_payload(word) + plan->amount)))
			explore_fail("an operation is full");
		changes[i].is_dependent = plan->words[i] == DEPENDENT_WORD;
	}
	return leaves ? mcas_own_commit(&mcas, &own, &op, found) : mcas_commit(&mcas, self, &op);
}

static void actor(uint32_t number)
{
	const struct plan *plan = &plans[number];
	struct actor self = { .client = client_of(number),
			      .hint = number,
			      .slot = actor_slots[number] };
	uint32_t time, tries;
	int outcome;

	for (time = 0; time < plan->times; time++) {
		outcome = MCAS_CHANGED;
		for (tries = 0; tries < tries_max && outcome != MCAS_DONE; tries++) {
			outcome = try_once(plan, &self);
			if (outcome == MCAS_E_CORRUPT)
				explore_fail("called corrupt");
			if (outcome != MCAS_DONE)
				shared_pause();
		}
		if (outcome != MCAS_DONE && !may_give_up)
			explore_fail("not done in bounded tries");
		if (outcome == MCAS_DONE)
			memory.done[number]++;
	}
}

static void recover(uint32_t number)
{
	if (plans[number].manner == JUMPING)
		actor(number);
	else
		mcas_recover(&mcas, client_of(number));
}

/* True if some choice of "one more was done" for each unfinished actor explains the words. */
static bool sums_explained(uint32_t unfinished, const uint32_t *payloads)
{
	uint32_t choice, number, i, word;

	for (choice = 0; choice < 1u << EXPLORE_ACTORS_MAX; choice++) {
		uint32_t sums[WORDS_MAX] = { 0 };

		if (choice & ~unfinished)
			continue;
		for (number = 0; number < EXPLORE_ACTORS_MAX; number++) {
			uint32_t times = memory.done[number] + (choice >> number & 1);

			for (i = 0; times && i < plans[number].n_words; i++)
				sums[plans[number].words[i]] += times * plans[number].amount;
		}
		for (word = 0; word < WORDS_MAX && sums[word] == payloads[word]; word++)
			;
		if (word == WORDS_MAX)
			return true;
	}
	return false;
}

static const char *check(uint32_t stopped, uint32_t killed)
{
	uint32_t payloads[WORDS_MAX], i;
	uint64_t word;

	/* Everybody is at his end, but for who is stopped. */
	for (i = 0; i < EXPLORE_ACTORS_MAX; i++) {
		if (actor_slots[i] != MCAS_SLOT_NONE && !(stopped >> i & 1))
			mcas_recover(&mcas, client_of(i));
	}
	for (i = 0; i < WORDS_MAX; i++) {
		uint64_t found;

		if (mcas_look(&mcas, i, &found, &word))
			return "a word cannot be read at the end";
		if (!stopped && mcas_is_mark(shared64_load(&memory.words[i])))
			return "a mark is left";
		payloads[i] = mcas_payload(word);
	}
	if (!stopped && !mcas_verify(&mcas))
		return "a descriptor is left";
	if (!sums_explained(stopped | killed, payloads))
		return "torn, lost or doubled";
	return NULL;
}

#define PLAN(amount, times, manner, n, ...) { amount, times, n, { __VA_ARGS__ }, manner }

static const struct plan pair[EXPLORE_ACTORS_MAX] = {
	PLAN(1, 1, SHARED, 2, 0, 1),
	PLAN(16, 1, SHARED, 2, 1, 2),
};
static const struct plan pair_same[EXPLORE_ACTORS_MAX] = {
	PLAN(1, 1, SHARED, 2, 0, 1),
	PLAN(16, 1, SHARED, 2, 1, 0),
};
static const struct plan pair_twice[EXPLORE_ACTORS_MAX] = {
	PLAN(1, 2, SHARED, 1, 0),
	PLAN(16, 2, SHARED, 2, 1, 0),
};
static const struct plan three[EXPLORE_ACTORS_MAX] = {
	PLAN(1, 1, SHARED, 1, 0),
	PLAN(16, 1, SHARED, 1, 0),
	PLAN(256, 1, SHARED, 1, 0),
};
static const struct plan crowd[EXPLORE_ACTORS_MAX] = {
	PLAN(1, 3, SHARED, 2, 0, 1),
	PLAN(16, 3, SHARED, 2, 1, 2),
	PLAN(256, 3, SHARED, 3, 2, 0, 1),
	PLAN(4096, 3, SHARED, 1, 1),
};
static const struct plan dependent[EXPLORE_ACTORS_MAX] = {
	PLAN(1, 1, SHARED, 2, 0, 3),
	PLAN(16, 1, SHARED, 2, 0, 3),
};
static const struct plan dependent_of_two[EXPLORE_ACTORS_MAX] = {
	PLAN(1, 1, SHARED, 3, 1, 0, 3),
	PLAN(16, 1, OWN, 2, 0, 3),
};
/* With one descriptor: the one that is seized from the dead while it is recovered. */
static const struct plan seized[EXPLORE_ACTORS_MAX] = {
	PLAN(1, 1, SHARED, 1, 0),
	PLAN(16, 1, SHARED, 2, 0, 1),
};
static const struct plan own[EXPLORE_ACTORS_MAX] = {
	PLAN(1, 2, OWN, 2, 0, 1),
	PLAN(16, 2, OWN, 2, 0, 3),
};
static const struct plan leaving[EXPLORE_ACTORS_MAX] = {
	PLAN(1, 3, LEAVING, 2, 0, 3),
	PLAN(16, 1, SHARED, 2, 0, 3),
};
static const struct plan leaving_both[EXPLORE_ACTORS_MAX] = {
	PLAN(1, 2, LEAVING, 2, 0, 1),
	PLAN(16, 2, LEAVING, 3, 1, 0, 3),
};
static const struct plan jumping[EXPLORE_ACTORS_MAX] = {
	PLAN(1, 2, JUMPING, 3, 1, 0, 3),
	PLAN(16, 1, SHARED, 2, 0, 3),
};
static const struct plan jumping_one[EXPLORE_ACTORS_MAX] = {
	PLAN(1, 2, JUMPING, 2, 0, 3),
	PLAN(16, 1, OWN, 2, 1, 0),
};
static const struct plan mixed[EXPLORE_ACTORS_MAX] = {
	PLAN(1, 3, LEAVING, 3, 1, 0, 3),
	PLAN(16, 3, SHARED, 2, 0, 3),
	PLAN(256, 3, LEAVING, 3, 2, 0, 1),
	PLAN(4096, 3, OWN, 2, 0, 3),
};

#define CASE(title, the_plans, actors, kills, stops) CASE_RELAPSING(title, the_plans, actors, kills, stops, 1)
/* What a jump leaves is as unknown as what a kill does; only one is reckoned with. */
#define CASE_JUMP(title, the_plans) CASE_RELAPSING(title, the_plans, 2, 1, 0, 0)
#define CASE_RELAPSING(title, the_plans, actors, kills, stops, relapses)                         \
	{                                                                                        \
		.plans = the_plans,                                                              \
		.explored = {                                                                    \
			.name = title, .memory = &memory, .memory_size = sizeof(memory),         \
			.n_actors = actors, .n_kills = kills, .n_stops = stops,                  \
			.n_relapses = relapses, .reset = reset, .actor = actor, .recover = recover,     \
			.check = check,                                                          \
		},                                                                               \
	}

static const struct mcas_case {
	const struct plan *plans;
	struct explore_case explored;
} cases[] = {
	CASE("two, overlapping", pair, 2, 0, 0),
	CASE("two, overlapping, one killed", pair, 2, 1, 0),
	CASE("two, overlapping, one stopped", pair, 2, 0, 1),
	CASE("two, crossed, one killed, one stopped", pair_same, 2, 1, 1),
	CASE("two, twice each, one killed", pair_twice, 2, 1, 0),
	CASE("three on one word, one killed", three, 3, 1, 0),
	CASE("a dependent word, one killed", dependent, 2, 1, 0),
	CASE("a dependent word, one stopped", dependent, 2, 0, 1),
	CASE("a dependent word beside two, one killed, one stopped", dependent_of_two, 2, 1, 1),
	CASE("own descriptors, one killed", own, 2, 1, 0),
	CASE("marks left, one killed", leaving, 2, 1, 0),
	CASE("marks left by both, one killed, one stopped", leaving_both, 2, 1, 1),
	CASE_JUMP("left by a jump", jumping),
	CASE_JUMP("left by a jump, one guard", jumping_one),
	CASE_RELAPSING("seized and recovered, one killed, one stopped", seized, 2, 1, 1, 0),
	/* From here on random walks.  With one descriptor, who is stopped while he fills it keeps it (e). */
	CASE("four, three times each, at random", crowd, 4, 1, MCAS_SMALL_SLOTS > 1),
	CASE("four, of every manner, at random", mixed, 4, 2, MCAS_SMALL_SLOTS > 1),
};

#define N_RANDOM 2u

static const char *run_case(uint32_t number, const struct mcas_case *run, bool at_random,
			    uint64_t seed, uint64_t amount)
{
	struct explore_result result;

	plans = run->plans;
	may_give_up = !at_random;
	tries_max = may_give_up ? 2 : 50;
	if (at_random)
		explore_random(&run->explored, seed, amount / 20, &result);
	else
		explore_all(&run->explored, amount, &result);
	(void)printf("%s %u - %s\n", result.failure ? "not ok" : "ok", number, run->explored.name);
	explore_report(&result);
	if (result.failure)
		(void)explore_replay(&run->explored, result.schedule);
	return result.failure;
}

/* Arguments: states for each case (a twentieth as many walks), seed, number of the only case to run. */
int main(int argc, char **argv)
{
	uint64_t states_max = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	uint64_t only = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
	uint32_t i, failed = 0, n = ARRAY_SIZE(cases);

	(void)printf("1..%u\n# seed %llu\n", only ? 1 : n, (unsigned long long)seed);
	for (i = 0; i < n; i++) {
		if (!only || only == i + 1)
			failed += run_case(i + 1, &cases[i], i >= n - N_RANDOM, seed, states_max) != NULL;
	}
	return failed != 0;
}

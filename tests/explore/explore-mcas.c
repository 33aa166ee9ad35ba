/*
 * explore-mcas.c: mcas under every interleaving.
 *
 * Each actor adds its amount to two or three words, trying again until its commit is done, and notes
 * in the memory that it was.  At the end every word must hold the sum of what was done, and of a
 * killed or stopped actor's change either all or nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mcas.h"
#include "explore.h"

enum { WORDS_MAX = 8 };

/*
 * Two changes that meet may undo each other as long as an adversary picks the steps (callers back
 * off); so the exhaustive search lets an actor give up, and the fair random one does not.
 */
static uint32_t tries_max;
static bool may_give_up;

/* What one actor does: adds `amount` to each word of the list, `times` times. */
struct plan {
	uint32_t amount;
	uint32_t times;
	uint32_t n_words;
	uint32_t words[3];
};

static struct {
	struct shared64 words[WORDS_MAX];
	_Alignas(64) uint8_t slots[MCAS_SMALL_SLOTS * 512];
	uint32_t done[EXPLORE_ACTORS_MAX]; /* commits an actor knows to be done */
} memory;

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
	memset(&memory, 0, sizeof(memory));
	mcas_init(&mcas, &memory, sizeof(memory), offsetof(__typeof__(memory), slots), 0);
}

static void actor(uint32_t number)
{
	const struct plan *plan = &plans[number];
	struct actor self = { .client = client_of(number), .hint = number };
	struct mcas_change changes[3];
	uint32_t time, tries, i;
	uint64_t word;
	int outcome;

	for (time = 0; time < plan->times; time++) {
		outcome = MCAS_CHANGED;
		for (tries = 0; tries < tries_max && outcome != MCAS_DONE; tries++) {
			struct mcas_op op = { changes, 0, 3 };

			for (i = 0; i < plan->n_words; i++) {
				if (mcas_read(&mcas, plan->words[i], &word))
					explore_fail("a word cannot be read");
				if (!mcas_op_add(&op, plan->words[i], word,
						 mcas_next(word, mcas_payload(word) + plan->amount)))
					explore_fail("an operation is full");
			}
			outcome = mcas_commit(&mcas, &self, &op);
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

	for (i = 0; i < WORDS_MAX; i++) {
		if (mcas_read(&mcas, i, &word))
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

static const struct plan pair[EXPLORE_ACTORS_MAX] = {
	{ 1, 1, 2, { 0, 1 } },
	{ 16, 1, 2, { 1, 2 } },
};
static const struct plan pair_same[EXPLORE_ACTORS_MAX] = {
	{ 1, 1, 2, { 0, 1 } },
	{ 16, 1, 2, { 1, 0 } },
};
static const struct plan pair_twice[EXPLORE_ACTORS_MAX] = {
	{ 1, 2, 1, { 0 } },
	{ 16, 2, 2, { 1, 0 } },
};
static const struct plan three[EXPLORE_ACTORS_MAX] = {
	{ 1, 1, 1, { 0 } },
	{ 16, 1, 1, { 0 } },
	{ 256, 1, 1, { 0 } },
};
static const struct plan crowd[EXPLORE_ACTORS_MAX] = {
	{ 1, 3, 2, { 0, 1 } },
	{ 16, 3, 2, { 1, 2 } },
	{ 256, 3, 3, { 2, 0, 1 } },
	{ 4096, 3, 1, { 1 } },
};

#define CASE(title, actors, kills, stops)                                                        \
	{                                                                                        \
		.name = title, .memory = &memory, .memory_size = sizeof(memory),                 \
		.n_actors = actors, .n_kills = kills, .n_stops = stops, .n_relapses = 1,           \
		.reset = reset,                                                                  \
		.actor = actor, .recover = recover, .check = check,                              \
	}

static const struct explore_case cases[] = {
	CASE("two, overlapping", 2, 0, 0),
	CASE("two, overlapping, one killed", 2, 1, 0),
	CASE("two, overlapping, one stopped", 2, 0, 1),
	CASE("two, crossed, one killed, one stopped", 2, 1, 1),
	CASE("two, twice each, one killed", 2, 1, 0),
	CASE("three on one word, one killed", 3, 1, 0),
};
static const struct plan *const case_plans[] = { pair, pair, pair, pair_same, pair_twice, three };

/* With one descriptor, who is stopped while he fills it keeps it (argument e in mcas.c). */
static const struct explore_case crowd_case =
	CASE("four, three times each, at random", 4, 1, MCAS_SMALL_SLOTS > 1);

static const char *run_case(uint32_t number, const struct explore_case *explored, uint64_t seed,
			    uint64_t amount)
{
	struct explore_result result;

	if (explored == &crowd_case)
		explore_random(explored, seed, amount, &result);
	else
		explore_all(explored, amount, &result);
	(void)printf("%s %u - %s\n", result.failure ? "not ok" : "ok", number, explored->name);
	explore_report(&result);
	if (result.failure)
		(void)explore_replay(explored, result.schedule);
	return result.failure;
}

/* Arguments: states for each case (a twentieth as many walks), seed, number of the only case to run. */
int main(int argc, char **argv)
{
	uint64_t states_max = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	uint64_t only = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
	uint32_t i, failed = 0, n = ARRAY_SIZE(cases);

	(void)printf("1..%u\n# seed %llu\n", only ? 1 : n + 1, (unsigned long long)seed);
	for (i = 0; i <= n; i++) {
		if (only && only != i + 1)
			continue;
		plans = i < n ? case_plans[i] : crowd;
		may_give_up = i < n;
		tries_max = may_give_up ? 2 : 50;
		failed += run_case(i + 1, i < n ? &cases[i] : &crowd_case, seed,
				   i < n ? states_max : states_max / 20) != NULL;
	}
	return failed != 0;
}

/*
 * explore-semset.c: a semaphore set under every interleaving of a few calls (see semset-play.h).
 *
 * Cases with a story; explore-semset-pairs.c has every kind of call against every other.
 */
#include <stdio.h>
#include <stdlib.h>

#include "semset-play.h"

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
	{ "one unit moves, never both zero, nobody killed", 2, 0, 0, { 0, 1 },
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
	struct explore_case explored = play_case(chosen, 1);
	struct explore_result result;

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

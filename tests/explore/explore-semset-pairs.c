/*
 * explore-semset-pairs.c: every kind of call on a semaphore set against every other, two processes,
 * two calls each (see semset-play.h).
 *
 * Each pair is explored three times: one process killed at any step, its recovery running beside the
 * other; one stopped for ever at any step; and, with the first call of each, one killed whose recovery
 * is killed at any step and run again.  Undisturbed schedules are among all of them.
 *
 * Two changes may undo each other as long as an adversary picks the steps.  So that there is an end, only
 * the first back-off of each process (and of each recovery) is as short as he likes; a later one lasts
 * until the other process has ended, sleeps, or backs off itself.
 *
 * The search leaves out what makes no difference (reduce.c); where there are few enough schedules all of
 * them are gone through as well, and must come to the same: the same results, values and counts.  What
 * is printed says of each exploration whether it was exhaustive, and whether it was compared (=).
 * With 60 million states each (USYSV_LONG) all 135 are; the largest, time-out against time-out, killed, has
 * 35 million states with a choice and takes four minutes, most others a few seconds.
 */
#include <stdio.h>
#include <stdlib.h>

#include "semset-play.h"

struct kind {
	const char *name;
	struct call calls[2];
};

/* Of semaphores 0 and 1, which begin with 1 and 0. */
static const struct kind kinds[] = {
	{ "+n", { OP(0, 1, 0), OP(0, 2, 0) } },
	{ "-n", { OP(0, -1, 0), OP(0, -1, 0) } },
	{ "0", { OP(0, 0, 0), OP(0, 1, 0) } },
	{ "multi", { OP2(0, -1, 0, 1, 1, 0), OP2(1, -1, 0, 0, 1, 0) } },
	{ "undo", { OP(0, -1, UNDO), OP(0, 1, UNDO) } },
	{ "SETVAL", { SET(0, 2), SET(0, 0) } },
	{ "RMID", { REMOVE(), TRY(0, 1, 0) } },
	{ "time-out", { CANCEL(0, -2, 0), CANCEL(0, -1, UNDO) } },
	{ "no wait", { TRY2(0, 0, 1, 0), TRY(0, -2, NOWAIT) } },
};

enum run { RUN_KILL, RUN_STOP, RUN_RELAPSE, RUNS };

static const char *const run_names[RUNS] = { "killed", "stopped", "recovery killed" };

#define KINDS ARRAY_SIZE(kinds)
#define PAIRS (KINDS * (KINDS + 1) / 2)

/* An exploration of no more states is compared with one that leaves nothing out. */
static uint64_t compared_max;
#define COMPARED_STATES 1200000u /* of the latter; a quarter of it is for the exhaustive search */

static struct explore_result results[PAIRS][RUNS];
static bool is_compared[PAIRS][RUNS];

static struct plan plan_make(const struct kind *a, const struct kind *b, enum run run, const char *name)
{
	struct plan plan = { .name = name, .n_actors = 2, .initial = { 1, 0 } };
	uint32_t i;

	plan.n_kills = run != RUN_STOP;
	plan.n_stops = run == RUN_STOP;
	for (i = 0; i < (run == RUN_RELAPSE ? 1u : 2u); i++) {
		plan.calls[0][i] = a->calls[i];
		plan.calls[1][i] = b->calls[i];
	}
	return plan;
}

/* The same with nothing left out: NULL, or what is wrong. */
static const char *compare(const struct explore_case *explored, const struct explore_result *reduced,
			   bool *ret_compared)
{
	static struct explore_result result;
	struct explore_case plain = *explored;

	plain.is_reduced = false;
	explore_all(&plain, COMPARED_STATES, &result);
	if (result.failure)
		return result.failure;
	*ret_compared = result.exhausted;
	if (result.exhausted &&
	    (result.n_outcomes != reduced->n_outcomes || result.outcomes != reduced->outcomes))
		return "the reduced search comes to something else";
	return NULL;
}

static void print_row(uint32_t number, uint32_t run)
{
	const struct explore_result *result = &results[number][run];

	(void)printf("#   %-15s %9llu %10llu %9llu %8u %9.2f ", run_names[run],
		     (unsigned long long)result->n_states, (unsigned long long)result->n_steps,
		     (unsigned long long)result->n_ends, result->n_outcomes, result->seconds);
	if (result->exhausted)
		(void)printf("exhaustive%s\n", is_compared[number][run] ? " =" : "");
	else
		(void)printf("all with up to %u switches\n", result->switches);
}

/* True if no exploration of the pair failed. */
static bool run_pair(uint32_t number, const struct kind *a, const struct kind *b, uint64_t states_max)
{
	struct explore_case explored;
	struct explore_result *result;
	struct plan plan;
	uint32_t run, failed = 0;
	char name[32];

	(void)snprintf(name, sizeof(name), "%s against %s", a->name, b->name);
	for (run = 0; run < RUNS; run++) {
		plan = plan_make(a, b, (enum run)run, name);
		explored = play_case(&plan, run == RUN_RELAPSE);
		explored.pauses_are_long = true;
		explored.n_passes = 1;
		explored.is_reduced = true;
		result = &results[number][run];
		explore_all(&explored, states_max, result);
		if (result->exhausted && result->n_states <= compared_max)
			result->failure = compare(&explored, result, &is_compared[number][run]);
		if (!result->failure)
			continue;
		failed++;
		(void)printf("# %s\n# schedule: %s\n", result->failure, result->schedule);
		(void)explore_replay(&explored, result->schedule);
	}
	(void)printf("%s %u - %s\n", failed ? "not ok" : "ok", number + 1, name);
	for (run = 0; run < RUNS; run++)
		print_row(number, run);
	(void)fflush(stdout);
	return failed == 0;
}

static void print_sum(void)
{
	uint64_t n_states = 0, n_steps = 0, n_ends = 0;
	uint32_t i, n_exhausted = 0, n_compared = 0, n = 0;
	const struct explore_result *result;
	double seconds = 0.001;

	for (i = 0; i < PAIRS * RUNS; i++) {
		result = &results[i / RUNS][i % RUNS];
		n += result->n_states > 0;
		n_exhausted += result->exhausted;
		n_compared += is_compared[i / RUNS][i % RUNS];
		n_states += result->n_states;
		n_steps += result->n_steps;
		n_ends += result->n_ends;
		seconds += result->seconds;
	}
	(void)printf("# %u of %u exhaustive, %u compared; %llu states, %llu steps, "
		     "%llu schedules ended, %.0f states/s\n",
		     n_exhausted, n, n_compared, (unsigned long long)n_states,
		     (unsigned long long)n_steps, (unsigned long long)n_ends,
		     (double)n_states / seconds);
}

/* Arguments: states for each exploration, seed (nothing here is random), number of the only pair. */
int main(int argc, char **argv)
{
	uint64_t states_max = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000;
	uint64_t only = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
	uint32_t i, k, number = 0, failed = 0;

	compared_max = states_max / 16;
	(void)printf("1..%u\n#   %-15s %9s %10s %9s %8s %9s\n", only ? 1 : (uint32_t)PAIRS, "one is",
		     "states", "steps", "schedules", "outcomes", "seconds");
	for (i = 0; i < KINDS; i++) {
		for (k = i; k < KINDS; k++, number++) {
			if (!only || only == number + 1)
				failed += !run_pair(number, &kinds[i], &kinds[k], states_max);
		}
	}
	print_sum();
	return failed != 0;
}

/*
 * explore-semset-pairs.c: every kind of call on a semaphore set against every other, two processes,
 * two calls each (see semset-play.h).
 *
 * Each pair is explored three times: one process killed at any step, its recovery running beside the
 * other; one stopped for ever at any step; and, with the first call of each, one killed whose recovery
 * is killed at any step and run again.  Undisturbed schedules are among all of them.  The table at the
 * end says of each exploration whether it was exhaustive.
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

static struct explore_result results[PAIRS][RUNS];
static char names[PAIRS][32];

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

/* True if no exploration of the pair failed. */
static bool run_pair(uint32_t number, const struct kind *a, const struct kind *b, uint64_t states_max)
{
	struct explore_case explored;
	struct explore_result *result;
	struct plan plan;
	uint32_t run, failed = 0;

	(void)snprintf(names[number], sizeof(names[number]), "%s against %s", a->name, b->name);
	for (run = 0; run < RUNS; run++) {
		plan = plan_make(a, b, (enum run)run, names[number]);
		explored = play_case(&plan, run == RUN_RELAPSE);
		result = &results[number][run];
		explore_all(&explored, states_max, result);
		if (!result->failure)
			continue;
		failed++;
		(void)printf("# %s\n# schedule: %s\n", result->failure, result->schedule);
		(void)explore_replay(&explored, result->schedule);
	}
	(void)printf("%s %u - %s\n", failed ? "not ok" : "ok", number + 1, names[number]);
	(void)fflush(stdout);
	return failed == 0;
}

static void print_table(void)
{
	uint64_t n_states = 0, n_ends = 0;
	uint32_t i, run, n_exhausted = 0, n = 0;
	double seconds = 0.001;

	(void)printf("# %-26s %-16s %10s %9s %9s\n", "pair", "one is", "states", "schedules",
		     "states/s");
	for (i = 0; i < PAIRS; i++) {
		for (run = 0; run < RUNS; run++) {
			const struct explore_result *result = &results[i][run];

			if (result->n_states == 0)
				continue;
			(void)printf("# %-26s %-16s %10llu %9llu %9.0f ", names[i], run_names[run],
				     (unsigned long long)result->n_states,
				     (unsigned long long)result->n_ends,
				     (double)result->n_states / (result->seconds + 0.001));
			if (result->exhausted)
				(void)printf("exhaustive\n");
			else
				(void)printf("all with up to %u switches\n", result->switches);
			n++;
			n_exhausted += result->exhausted;
			n_states += result->n_states;
			n_ends += result->n_ends;
			seconds += result->seconds;
		}
	}
	(void)printf("# %u of %u exhaustive; %llu states, %llu schedules ended, %.0f states/s\n",
		     n_exhausted, n, (unsigned long long)n_states, (unsigned long long)n_ends,
		     (double)n_states / seconds);
}

/* Arguments: states for each exploration, seed (nothing here is random), number of the only pair. */
int main(int argc, char **argv)
{
	uint64_t states_max = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000;
	uint64_t only = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
	uint32_t i, k, number = 0, failed = 0;

	(void)printf("1..%u\n", only ? 1 : (uint32_t)PAIRS);
	for (i = 0; i < KINDS; i++) {
		for (k = i; k < KINDS; k++, number++) {
			if (!only || only == number + 1)
				failed += !run_pair(number, &kinds[i], &kinds[k], states_max);
		}
	}
	print_table();
	return failed != 0;
}

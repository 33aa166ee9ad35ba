/*
 * explore.c: snapshots and the searches, but for the reduced one (reduce.c).
 *
 * A state is the case's memory, what was changed of its file, the used part of each fiber's stack,
 * and who is ended, killed or stopped.  States are told apart by a 64-bit hash; two different ones that
 * collide would prune a schedule that was not looked at, at these sizes a chance of some 10^-5 a run.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STEPS_MAX 20000u

/* --- snapshots ---------------------------------------------------------------------------------------- */

struct snapshot {
	struct world world;
	uint8_t *bytes; /* memory, touched pieces, then the used part of each live fiber's stack */
	size_t n_bytes;
	uint32_t n_pieces;
	struct choice choices[CHOICES_MAX];
	uint32_t n_choices;
	uint32_t next;
};

static void snapshot_take(struct snapshot *snapshot)
{
	size_t size = now->memory_size + (size_t)n_touched * PIECE_SIZE, used;
	uint32_t i;
	uint8_t *at;

	for (i = 0; i < FIBERS_MAX; i++)
		size += fiber_lives(&world.fibers[i]) ? stack_used(&world.fibers[i]) : 0;
	snapshot->bytes = malloc(size);
	if (!snapshot->bytes)
		abort();
	snapshot->n_bytes = size;
	snapshot->n_pieces = n_touched;
	memcpy(snapshot->bytes, now->memory, now->memory_size);
	at = snapshot->bytes + now->memory_size;
	for (i = 0; i < n_touched; i++, at += PIECE_SIZE)
		memcpy(at, piece_at(i), PIECE_SIZE);
	for (i = 0; i < FIBERS_MAX; i++) {
		if (!fiber_lives(&world.fibers[i]))
			continue;
		used = stack_used(&world.fibers[i]);
		memcpy(at, world.fibers[i].sp, used);
		at += used;
	}
	snapshot->world = world;
	snapshot->n_choices = world_choices(snapshot->choices);
	snapshot->next = 0;
}

static void snapshot_restore(const struct snapshot *snapshot)
{
	const uint8_t *at = snapshot->bytes + now->memory_size;
	size_t used;
	uint32_t i;

	for (i = 0; i < FIBERS_MAX; i++) {
		uint8_t *stack = world.fibers[i].stack; /* a recovery's stack stays allocated */

		world.fibers[i] = snapshot->world.fibers[i];
		world.fibers[i].stack = stack;
	}
	world.kills_left = snapshot->world.kills_left;
	world.stops_left = snapshot->world.stops_left;
	world.slices_left = snapshot->world.slices_left;
	world.relapses_left = snapshot->world.relapses_left;
	world.switches_left = snapshot->world.switches_left;
	world.last = snapshot->world.last;
	world.victim = snapshot->world.victim;
	memcpy(now->memory, snapshot->bytes, now->memory_size);
	for (i = 0; i < snapshot->n_pieces; i++, at += PIECE_SIZE)
		memcpy(piece_at(i), at, PIECE_SIZE);
	pieces_reset(snapshot->n_pieces);
	for (i = 0; i < FIBERS_MAX; i++) {
		if (!fiber_lives(&world.fibers[i]))
			continue;
		used = stack_used(&world.fibers[i]);
		memcpy(world.fibers[i].sp, at, used);
		at += used;
	}
}

static uint64_t world_hash(void)
{
	uint64_t hash = mix(1, now->memory, now->memory_size), pieces = 0;
	uint32_t i;

	/* A sum: the same whatever has been touched meanwhile by other schedules. */
	for (i = 0; i < n_touched; i++) {
		if (memcmp(piece_at(i), file_before + (size_t)touched[i] * PIECE_SIZE, PIECE_SIZE) != 0)
			pieces += mix(touched[i] + UINT64_C(1), piece_at(i), PIECE_SIZE);
	}
	hash = mix(hash, &pieces, sizeof(pieces));
	for (i = 0; i < FIBERS_MAX; i++) {
		const struct fiber *fiber = &world.fibers[i];

		hash = mix(hash, &fiber->state, sizeof(fiber->state));
		if (fiber_lives(fiber))
			hash = mix(hash + fiber->passes_left, fiber->sp, stack_used(fiber));
	}
	hash = mix(hash, &world.kills_left, sizeof(world.kills_left));
	hash = mix(hash, &world.stops_left, sizeof(world.stops_left));
	hash = mix(hash, &world.slices_left, sizeof(world.slices_left));
	hash = mix(hash, &world.relapses_left, sizeof(world.relapses_left));
	if (world.switches_left != SWITCHES_ANY) {
		hash = mix(hash, &world.switches_left, sizeof(world.switches_left));
		hash = mix(hash, &world.last, sizeof(world.last));
	}
	return hash ? hash : 1;
}

/* --- the searches ---------------------------------------------------------------------------------------- */

static void result_fail(struct explore_result *result, const char *what,
			const struct snapshot *path, uint32_t depth)
{
	size_t used = 0;
	uint32_t i;

	result->failure = what;
	for (i = 0; i < depth; i++)
		used += schedule_print(path[i].choices[path[i].next - 1], result->schedule + used,
				       sizeof(result->schedule) - used);
}

static struct visited outcomes; /* of all searches of one exploration */

void outcome_note(struct explore_result *result)
{
	uint64_t outcome = now->outcome ? now->outcome() : 0;

	if (!outcome || !visited_add(&outcomes, outcome))
		return;
	result->n_outcomes++;
	result->outcomes += outcome;
}

/* One choice from the last state of the path, or one state back. */
static void search_step(struct snapshot *path, uint32_t *depth, struct visited *visited,
			struct explore_result *result)
{
	struct snapshot *top = &path[*depth - 1];
	const char *what;

	if (top->next == top->n_choices) {
		free(top->bytes);
		top->bytes = NULL;
		--*depth;
		return;
	}
	snapshot_restore(top);
	world_step(top->choices[top->next++]);
	result->n_steps++;
	if (failure) {
		result_fail(result, failure, path, *depth);
		return;
	}
	if (!visited_add(visited, world_hash()))
		return;
	result->n_states++;
	if (*depth == DEPTH_MAX) {
		result_fail(result, "a schedule does not end", path, *depth);
		return;
	}
	snapshot_take(&path[*depth]);
	if (world_is_quiet(path[*depth].choices, path[*depth].n_choices)) {
		result->n_ends++;
		what = world_check();
		outcome_note(result);
		if (what)
			result_fail(result, what, path, *depth);
	}
	++*depth;
}

/* Adds to the result; true if it came to the end of what `switches` allow. */
static bool search(const struct explore_case *explored, uint32_t switches, uint64_t states_max,
		   struct explore_result *result)
{
	struct snapshot *path = calloc(DEPTH_MAX, sizeof(*path));
	struct visited visited = { 0 };
	uint32_t depth = 1;
	bool complete;

	if (!path)
		abort();
	world_reset(explored);
	world.switches_left = switches;
	held_back = false;
	result->n_states++;
	(void)visited_add(&visited, world_hash());
	snapshot_take(&path[0]);
	while (depth > 0 && !result->failure && result->n_states < states_max)
		search_step(path, &depth, &visited, result);
	complete = depth == 0;
	while (depth > 0)
		free(path[--depth].bytes);
	free(path);
	visited_end(&visited);
	return complete;
}

void explore_all(const struct explore_case *explored, uint64_t states_max,
		 struct explore_result *ret_result)
{
	clock_t start = clock();
	uint32_t switches;

	*ret_result = (struct explore_result){ 0 };
	world_begin(explored);
	if (explored->is_reduced)
		ret_result->exhausted = reduced_search(explored, states_max, ret_result);
	else
		ret_result->exhausted = search(explored, SWITCHES_ANY, states_max / 4, ret_result);
	if (explored->is_reduced)
		states_max += states_max / 4;
	for (switches = 0; !ret_result->exhausted && !ret_result->failure; switches++) {
		if (!search(explored, switches, states_max, ret_result))
			break;
		ret_result->switches = switches;
		ret_result->exhausted = !held_back;
	}
	visited_end(&outcomes);
	ret_result->seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
}

void explore_report(const struct explore_result *result)
{
	double seconds = result->seconds > 0.001 ? result->seconds : 0.001;

	(void)printf("# %llu states, %llu steps, %llu schedules ended, %.0f steps/s",
		     (unsigned long long)result->n_states, (unsigned long long)result->n_steps,
		     (unsigned long long)result->n_ends, (double)result->n_steps / seconds);
	if (result->n_states)
		(void)printf(", %.0f states/s", (double)result->n_states / seconds);
	if (result->exhausted)
		(void)printf(", exhaustive");
	else if (result->n_states)
		(void)printf(", all with up to %u switches", result->switches);
	(void)printf("\n");
	if (result->failure)
		(void)printf("# %s\n# schedule: %s\n", result->failure, result->schedule);
}

static uint64_t random_next(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Mostly goes on with the same actor: long runs with few switches find what pure noise does not. */
static struct choice random_choice(const struct choice *choices, uint32_t n, struct choice last,
				   uint64_t *random)
{
	uint64_t dice = random_next(random);
	uint32_t i;

	if (dice % 8 < 5) {
		for (i = 0; i < n; i++) {
			if (choices[i].kind == CHOICE_RUN && choices[i].fiber == last.fiber)
				return choices[i];
		}
	}
	for (;;) {
		i = (uint32_t)(random_next(random) % n);
		if (choices[i].kind == CHOICE_RUN || n == 1 || random_next(random) % 16 == 0)
			return choices[i];
	}
}

void explore_random(const struct explore_case *explored, uint64_t seed, uint64_t n_walks,
		    struct explore_result *ret_result)
{
	struct choice choices[CHOICES_MAX], choice;
	clock_t start = clock();
	uint64_t walk, random;
	uint32_t n, steps;
	size_t used;

	*ret_result = (struct explore_result){ 0 };
	world_begin(explored);
	for (walk = 0; walk < n_walks && !ret_result->failure; walk++) {
		random = seed + walk * UINT64_C(0x632be59bd9b4e019);
		world_reset(explored);
		choice = (struct choice){ CHOICE_RUN, 0 };
		used = 0;
		for (steps = 0; !failure && (n = world_choices(choices)) > 0; steps++) {
			choice = random_choice(choices, n, choice, &random);
			used += schedule_print(choice, ret_result->schedule + used,
					       sizeof(ret_result->schedule) - used);
			if (steps == STEPS_MAX)
				failure = "a schedule does not end";
			else
				world_step(choice);
		}
		ret_result->n_steps += steps;
		ret_result->n_ends++;
		ret_result->failure = world_check();
	}
	ret_result->seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
}

const char *explore_replay(const struct explore_case *explored, const char *schedule)
{
	static const char letters[] = "rKST";
	const char *letter;
	struct choice choice;
	char kind;
	int used;

	world_begin(explored);
	world_reset(explored);
	tracing = true;
	while (!failure && sscanf(schedule, " %c%hhu%n", &kind, &choice.fiber, &used) == 2) {
		schedule += used;
		letter = strchr(letters, kind);
		if (!letter || choice.fiber >= FIBERS_MAX)
			break;
		choice.kind = (uint8_t)(letter - letters);
		if (choice.kind != CHOICE_RUN)
			(void)printf("# %c%u\n", kind, choice.fiber);
		world_step(choice);
	}
	tracing = false;
	return world_check();
}

/*
 * reduce.c: the search that leaves out what makes no difference, for two actors.
 *
 * A process here is an actor and, once that is killed, its recovery.  Its steps are the accesses to the
 * file (and to the words that it sleeps on), each with the private code up to the next one, which
 * touches nothing but its stack and what it alone reports in the memory.  Two steps of different
 * processes are independent if they access different words or both only read: then either order leads to
 * the same state, and neither makes the other possible or impossible.  A compare-and-swap that fails only
 * reads.  Schedules that differ in the order of independent steps are the same for everybody: each
 * process sees the same values and reports the same, and the file ends up the same.  So checks at the
 * end, which look at nothing else, and failures inside an actor are the same in all of them, and
 * one is enough.
 *
 * What is left out, and why one schedule of each kind remains:
 *  1. In a state in which the next step of a process is independent of every step that the other one
 *     could do from there on as long as the first does nothing, only the first goes on (a persistent
 *     set: whatever the other does first can as well be done afterwards).  What the other one could do
 *     alone, its footprint, is found by letting it: through all its kills and recoveries, to its end or
 *     sleep.  Footprints are remembered by what determines them: the file, the memory, the process.
 *     That every such run comes to an end is checked on the way: whoever is alone, with the other
 *     stopped at whatever step, ends or sleeps in bounded steps.
 *  2. Who may be killed or stopped is chosen at the beginning: nobody, the one, the other.  So to be
 *     killed concerns nobody but the process itself, and is independent of all that the other does.
 *     Nobody is a search of its own, as its ends, with everybody alive, are no ends of the others.
 *  3. A process is not killed or stopped after a step that changed neither a word nor what it has
 *     reported: nobody could tell that from the same before that step, which was a choice there.
 *  4. States in which there is nothing to choose are passed through and not remembered.  Two schedules
 *     that meet in one of them meet again in the next that is.
 * What happens only when nobody else can move (a slice's end, going on after a long pause) depends on
 * every step of the other process: there every choice is taken.  As every run alone ends, no process is
 * put off for ever: there is no circle of states in which one of them could move and is never let.
 *
 * The state is changed in place; what was written is undone to come back.
 */
#include "world.h"

#include <stdlib.h>
#include <string.h>

/* An actor alone that does so many steps does not come to an end. */
#define SOLO_MAX 3000u
/* Steps of such runs inside one another: at each kill another begins. */
#define SOLO_STEPS_MAX 20000u
#define PROCESSES 2u

/* --- what is to be undone ---------------------------------------------------------------------------- */

struct undo {
	uint64_t *word;
	uint64_t old;
};

static struct undo *undos;
static size_t n_undos;
static size_t undos_max;
static uint64_t *unhashed; /* written, and its new value not in file_hash yet */
static uint64_t unhashed_old;
static uint64_t file_hash; /* of what differs from the beginning */

static uint64_t word_hash(const uint64_t *word, uint64_t value)
{
	uint64_t hash = (value ^ (uint64_t)(word - (uint64_t *)now->file) << 48) +
			(uint64_t)(word - (uint64_t *)now->file) * UINT64_C(0x9e3779b97f4a7c15);

	hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
	return hash ^ hash >> 31;
}

static void hash_settle(void)
{
	if (unhashed)
		file_hash ^= word_hash(unhashed, unhashed_old) ^ word_hash(unhashed, *unhashed);
	unhashed = NULL;
}

static void note_write(const volatile void *address)
{
	size_t off = (size_t)((uintptr_t)address - (uintptr_t)now->file);

	if (off >= now->file_size)
		return;
	hash_settle();
	if (n_undos == undos_max) {
		undos_max = undos_max ? undos_max * 2 : 4096;
		undos = realloc(undos, undos_max * sizeof(*undos));
		if (!undos)
			abort();
	}
	unhashed = (uint64_t *)now->file + off / 8;
	unhashed_old = *unhashed;
	undos[n_undos++] = (struct undo){ unhashed, unhashed_old };
}

static void undo_to(size_t n)
{
	hash_settle();
	while (n_undos > n) {
		const struct undo *undo = &undos[--n_undos];

		file_hash ^= word_hash(undo->word, *undo->word) ^ word_hash(undo->word, undo->old);
		*undo->word = undo->old;
	}
}

/* --- processes: an actor, and after its death its recovery ------------------------------------------- */

static struct fiber *process_fiber(uint32_t number)
{
	struct fiber *fiber = &world.fibers[number];

	return fiber->state == FIBER_KILLED && now->recover ? fiber + EXPLORE_ACTORS_MAX : fiber;
}

static bool process_is_ready(uint32_t number)
{
	return process_fiber(number)->state == FIBER_READY;
}

static uint32_t process_choices(uint32_t number, struct choice *choices)
{
	const struct fiber *fiber = process_fiber(number);
	uint32_t index = (uint32_t)(fiber - world.fibers), n = 0;

	if (!fiber_lives(fiber))
		return 0;
	if (fiber->state == FIBER_READY ||
	    (fiber->state == FIBER_PAUSED && !process_is_ready(1 - number)))
		choices[n++] = (struct choice){ CHOICE_RUN, (uint8_t)index };
	if (world_may_kill(index))
		choices[n++] = (struct choice){ CHOICE_KILL, (uint8_t)index };
	if (world_may_stop(index))
		choices[n++] = (struct choice){ CHOICE_STOP, (uint8_t)index };
	return n;
}

static uint64_t process_hash(uint32_t number, uint64_t hash)
{
	struct fiber *fiber = process_fiber(number);
	uint64_t rest = (uint64_t)fiber->state | (uint64_t)fiber->is_same << 8 |
			(uint64_t)fiber->passes_left << 16;

	if (world.victim == number)
		rest |= (uint64_t)(1 | world.kills_left << 1 | world.stops_left << 2 |
				   world.relapses_left << 3) << 32;
	hash = mix_word(hash, rest);
	if (!fiber_lives(fiber))
		return hash;
	if (fiber->stack_hash == 0)
		fiber->stack_hash = mix(1, fiber->sp, stack_used(fiber));
	return mix_word(hash, fiber->stack_hash);
}

/* --- moments to come back to -------------------------------------------------------------------------- */

#define ARENA_SIZE ((size_t)1 << 28)

static uint8_t *arena;
static size_t arena_used;
static struct choice *trail; /* the schedule up to now */
static uint32_t n_trail;
static struct explore_result *result;
#define TRAIL_MAX (DEPTH_MAX * 8u)

struct moment {
	struct fiber fibers[2 * PROCESSES];
	uint32_t kills_left;
	uint32_t stops_left;
	uint32_t slices_left;
	uint32_t relapses_left;
	size_t n_undos;
	uint32_t n_trail;
	size_t arena_off; /* the memory, then the stacks */
};

static struct fiber *moment_fiber(uint32_t i)
{
	return &world.fibers[i / 2 + (i % 2 ? EXPLORE_ACTORS_MAX : 0)];
}

static void arena_copy(const void *from, size_t size)
{
	if (arena_used + size > ARENA_SIZE)
		abort();
	memcpy(arena + arena_used, from, size);
	arena_used += size;
}

static void moment_take(struct moment *moment)
{
	uint32_t i;

	hash_settle();
	moment->arena_off = arena_used;
	arena_copy(now->memory, now->memory_size);
	for (i = 0; i < 2 * PROCESSES; i++) {
		const struct fiber *fiber = moment_fiber(i);

		moment->fibers[i] = *fiber;
		if (fiber_lives(fiber))
			arena_copy(fiber->sp, stack_used(fiber));
	}
	moment->kills_left = world.kills_left;
	moment->stops_left = world.stops_left;
	moment->slices_left = world.slices_left;
	moment->relapses_left = world.relapses_left;
	moment->n_undos = n_undos;
	moment->n_trail = n_trail;
}

static void moment_restore(const struct moment *moment)
{
	const uint8_t *from = arena + moment->arena_off;
	uint32_t i;

	undo_to(moment->n_undos);
	memcpy(now->memory, from, now->memory_size);
	from += now->memory_size;
	for (i = 0; i < 2 * PROCESSES; i++) {
		struct fiber *fiber = moment_fiber(i);
		uint8_t *stack = fiber->stack; /* a recovery's stack stays allocated */

		*fiber = moment->fibers[i];
		fiber->stack = stack;
		if (!fiber_lives(fiber))
			continue;
		memcpy(fiber->sp, from, stack_used(fiber));
		from += stack_used(fiber);
	}
	world.kills_left = moment->kills_left;
	world.stops_left = moment->stops_left;
	world.slices_left = moment->slices_left;
	world.relapses_left = moment->relapses_left;
	n_trail = moment->n_trail;
}

static void moment_forget(const struct moment *moment)
{
	arena_used = moment->arena_off;
}

static void step(struct choice choice)
{
	trail[n_trail++] = choice;
	world_step(choice);
	if (n_trail == TRAIL_MAX && !failure)
		failure = "a schedule does not end";
	hash_settle();
	result->n_steps++;
}

/* --- footprints ---------------------------------------------------------------------------------------- */

#define WORDS_MAX 256u

struct footprint {
	uint64_t reads[WORDS_MAX / 64];
	uint64_t writes[WORDS_MAX / 64];
};

#define FOOTPRINTS_SIZE (1u << 20)
#define FOOTPRINT_NONE 0u
#define FOOTPRINT_UNKNOWN UINT32_MAX

struct seen {
	uint64_t key;
	uint32_t footprint;
};

static struct footprint *footprints;
static uint32_t *footprint_table; /* number + 1 */
static uint32_t n_footprints;
static struct seen *seen;
static uint64_t seen_size;
static uint64_t n_seen;
static uint16_t *word_numbers; /* + 1 */
static uint32_t n_words;

static uint32_t footprint_number(const struct footprint *footprint)
{
	uint64_t i = mix(7, footprint, sizeof(*footprint)) % FOOTPRINTS_SIZE;

	for (; footprint_table[i]; i = (i + 1) % FOOTPRINTS_SIZE) {
		if (memcmp(&footprints[footprint_table[i] - 1], footprint, sizeof(*footprint)) == 0)
			return footprint_table[i] - 1;
	}
	if (n_footprints == FOOTPRINTS_SIZE / 2)
		abort();
	footprints[n_footprints] = *footprint;
	footprint_table[i] = n_footprints + 1;
	return n_footprints++;
}

static uint32_t word_number(const volatile void *address)
{
	size_t word = (size_t)((uintptr_t)address - (uintptr_t)now->file) / 8;

	if (word >= now->file_size / 8)
		abort();
	if (!word_numbers[word]) {
		if (n_words == WORDS_MAX)
			abort();
		word_numbers[word] = (uint16_t)++n_words;
	}
	return word_numbers[word] - 1u;
}

static void seen_put(struct seen *table, uint64_t size, struct seen entry)
{
	uint64_t i = entry.key & (size - 1);

	while (table[i].key)
		i = (i + 1) & (size - 1);
	table[i] = entry;
}

static void seen_add(uint64_t key, uint32_t footprint)
{
	struct seen *larger;
	uint64_t i;

	if (n_seen * 2 >= seen_size) {
		larger = allocate(seen_size * 2 * sizeof(*larger));
		for (i = 0; i < seen_size; i++) {
			if (seen[i].key)
				seen_put(larger, seen_size * 2, seen[i]);
		}
		free(seen);
		seen = larger;
		seen_size *= 2;
	}
	seen_put(seen, seen_size, (struct seen){ key, footprint });
	n_seen++;
}

static uint32_t seen_get(uint64_t key)
{
	uint64_t i;

	for (i = key & (seen_size - 1); seen[i].key; i = (i + 1) & (seen_size - 1)) {
		if (seen[i].key == key)
			return seen[i].footprint;
	}
	return FOOTPRINT_UNKNOWN;
}

static void footprint_join(struct footprint *footprint, uint32_t number)
{
	uint32_t i;

	for (i = 0; i < WORDS_MAX / 64; i++) {
		footprint->reads[i] |= footprints[number].reads[i];
		footprint->writes[i] |= footprints[number].writes[i];
	}
}

static uint64_t solo_key(uint32_t number)
{
	uint64_t hash = mix(file_hash, now->memory, now->memory_size);

	hash = process_hash(number, hash + 2 * number + process_is_ready(1 - number));
	return hash ? hash : 1;
}

/* A step of a solo run, from a state that was not seen before. */
struct solo_step {
	uint64_t key;
	uint32_t word; /* + 1 */
	bool wrote;
};

static struct solo_step solo_steps[SOLO_STEPS_MAX];
static uint32_t n_solo_steps;

static uint32_t solo_footprint(uint32_t number);

/* What the last steps of a solo run may access, given what comes after them; notes it for each. */
static uint32_t solo_note(uint32_t first, uint32_t after)
{
	struct footprint footprint = footprints[after];
	const struct solo_step *at;

	while (n_solo_steps > first) {
		at = &solo_steps[--n_solo_steps];
		if (at->word)
			(at->wrote ? footprint.writes : footprint.reads)[(at->word - 1) / 64] |=
				UINT64_C(1) << (at->word - 1) % 64;
		after = footprint_number(&footprint);
		if (at->key)
			seen_add(at->key, after);
	}
	return after;
}

/* What one choice may access, and what follows it. */
static uint32_t solo_run(uint32_t number, struct choice choice)
{
	uint32_t first = n_solo_steps, known = FOOTPRINT_UNKNOWN;
	struct choice choices[CHOICES_MAX];
	const volatile void *address;
	uint64_t key = 0;

	do {
		address = choice.kind == CHOICE_RUN ? process_fiber(number)->address : NULL;
		step(choice);
		if (n_solo_steps == SOLO_STEPS_MAX || n_solo_steps - first == SOLO_MAX)
			failure = "an actor alone does not come to an end";
		if (failure)
			return FOOTPRINT_NONE;
		solo_steps[n_solo_steps++] = (struct solo_step){
			key, address ? word_number(address) + 1 : 0, step_wrote
		};
		if (process_choices(number, choices) != 1 || choices[0].kind != CHOICE_RUN)
			break;
		choice = choices[0];
		key = solo_key(number);
		known = seen_get(key);
	} while (known == FOOTPRINT_UNKNOWN);
	if (known == FOOTPRINT_UNKNOWN)
		known = solo_footprint(number);
	return failure ? FOOTPRINT_NONE : solo_note(first, known);
}

/* The process's footprint.  Nothing has happened afterwards, but for a failure. */
static uint32_t solo_footprint(uint32_t number)
{
	struct footprint footprint = { 0 };
	struct choice choices[CHOICES_MAX];
	struct moment moment;
	uint32_t i, n = process_choices(number, choices), known;
	uint64_t key;

	if (n == 0)
		return FOOTPRINT_NONE;
	key = solo_key(number);
	known = seen_get(key);
	if (known != FOOTPRINT_UNKNOWN)
		return known;
	moment_take(&moment);
	for (i = 0; i < n; i++) {
		if (i > 0)
			moment_restore(&moment);
		footprint_join(&footprint, solo_run(number, choices[i]));
		if (failure)
			return FOOTPRINT_NONE;
	}
	moment_restore(&moment);
	moment_forget(&moment);
	known = footprint_number(&footprint);
	seen_add(key, known);
	return known;
}

/* --- who goes first ------------------------------------------------------------------------------------ */

static bool has_word(const uint64_t *words, uint32_t word)
{
	return words[word / 64] >> word % 64 & 1;
}

/* True if the process's next step is independent of all in the footprint. */
static bool step_is_free(uint32_t number, uint32_t other)
{
	const struct footprint *footprint = &footprints[other];
	const struct fiber *fiber = process_fiber(number);
	uint32_t word;

	if (fiber->state != FIBER_READY)
		return false;
	if (!fiber->address)
		return true;
	word = word_number(fiber->address);
	if (has_word(footprint->writes, word))
		return false;
	return fiber->kind == HOOK_LOAD || !has_word(footprint->reads, word);
}

/* As step_is_free, of a compare-and-swap that will fail. */
static bool step_fails_freely(uint32_t number, uint32_t other)
{
	const struct footprint *footprint = &footprints[other];
	const struct fiber *fiber = process_fiber(number);
	struct choice choice = { CHOICE_RUN, (uint8_t)(fiber - world.fibers) };
	struct moment moment;
	bool fails;

	if (fiber->state != FIBER_READY || fiber->kind != HOOK_CAS || !fiber->address ||
	    has_word(footprint->writes, word_number(fiber->address)))
		return false;
	moment_take(&moment);
	step(choice);
	fails = !step_wrote && !failure;
	failure = NULL;
	moment_restore(&moment);
	moment_forget(&moment);
	return fails;
}

/*
 * What is known of what each process may access.  As it goes on that can only become less: until it is
 * found anew it is more than is needed.
 */
struct outlook {
	uint32_t footprints[PROCESSES];
	bool is_exact[PROCESSES];
	enum fiber_state states[PROCESSES];
};

/* True if the process may go on before the other one (1). */
static bool process_goes_first(uint32_t number, struct outlook *outlook)
{
	uint32_t other = 1 - number;
	uint32_t *print = &outlook->footprints[other];

	if (*print != FOOTPRINT_UNKNOWN && step_is_free(number, *print))
		return true;
	if (!outlook->is_exact[other]) {
		*print = solo_footprint(other);
		outlook->is_exact[other] = true;
		if (failure)
			return false;
		if (step_is_free(number, *print))
			return true;
	}
	return step_fails_freely(number, *print);
}

/* The process has moved; is_first: as the one that goes first. */
static void outlook_after(struct outlook *outlook, uint32_t number, bool is_first)
{
	outlook->is_exact[number] = false;
	if (is_first)
		return;
	outlook->footprints[1 - number] = FOOTPRINT_UNKNOWN;
	outlook->is_exact[1 - number] = false;
}

/* Who is woken, or may go on after a pause as the other one cannot, may access more than before. */
static void outlook_check(struct outlook *outlook)
{
	uint32_t number;
	bool changes = false;

	for (number = 0; number < PROCESSES; number++)
		changes |= outlook->states[number] != process_fiber(number)->state;
	for (number = 0; changes && number < PROCESSES; number++) {
		outlook->states[number] = process_fiber(number)->state;
		outlook->footprints[number] = FOOTPRINT_UNKNOWN;
		outlook->is_exact[number] = false;
	}
}

/*
 * Goes on as long as there is nothing to choose.  Returns what is to be chosen then: of one process, if
 * that goes first, or of both.
 */
static uint32_t choose(struct choice *choices, struct outlook *outlook)
{
	struct choice theirs[PROCESSES][CHOICES_MAX];
	uint32_t n[PROCESSES], number, round;

again:
	outlook_check(outlook);
	n[0] = process_choices(0, theirs[0]);
	n[1] = process_choices(1, theirs[1]);
	if (!process_is_ready(0) && !process_is_ready(1))
		return world_choices(choices);
	for (round = 0; round < 2 * PROCESSES; round++) {
		number = round % PROCESSES;
		/* First who has but one choice. */
		if ((round < PROCESSES) != (n[number] == 1) || !process_is_ready(number) ||
		    !process_goes_first(number, outlook)) {
			if (failure)
				return 0;
			continue;
		}
		if (n[number] > 1) {
			memcpy(choices, theirs[number], n[number] * sizeof(*choices));
			return n[number];
		}
		step(theirs[number][0]);
		if (failure)
			return 0;
		outlook_after(outlook, number, true);
		goto again;
	}
	memcpy(choices, theirs[0], n[0] * sizeof(*choices));
	memcpy(choices + n[0], theirs[1], n[1] * sizeof(*choices));
	return n[0] + n[1];
}

/* --- the search ------------------------------------------------------------------------------------------ */

struct node {
	struct moment moment;
	struct choice choices[CHOICES_MAX];
	struct outlook outlook;
	uint32_t n_choices;
	uint32_t next;
};

static uint64_t state_hash(void)
{
	uint64_t hash = mix(file_hash, now->memory, now->memory_size);
	uint64_t rest = world.slices_left;
	uint32_t number;

	if (world.kills_left || world.stops_left)
		rest |= (uint64_t)(world.victim + 1) << 32;
	hash = mix_word(hash, rest);
	for (number = 0; number < PROCESSES; number++) {
		rest = (uint64_t)world.fibers[number].state;
		hash = process_hash(number, mix_word(hash, rest));
	}
	return hash ? hash : 1;
}

static void search_from(struct visited *visited, uint64_t states_max)
{
	struct node *path = allocate(DEPTH_MAX * sizeof(*path));
	uint32_t depth = 0;
	struct outlook outlook = { 0 };
	struct node *top;

	for (;;) {
		top = &path[depth];
		top->next = 0;
		top->n_choices = choose(top->choices, &outlook);
		top->outlook = outlook;
		if (failure)
			break;
		if (visited_add(visited, state_hash())) {
			result->n_states++;
			if (world_is_quiet(top->choices, top->n_choices)) {
				result->n_ends++;
				failure = world_check();
				outcome_note(result);
			}
			if (++depth == DEPTH_MAX && !failure)
				failure = "a schedule does not end";
			if (failure || result->n_states >= states_max)
				break;
			moment_take(&top->moment);
		}
		while (depth > 0 && path[depth - 1].next == path[depth - 1].n_choices)
			moment_forget(&path[--depth].moment);
		if (depth == 0)
			break;
		top = &path[depth - 1];
		moment_restore(&top->moment);
		outlook = top->outlook;
		outlook_after(&outlook, top->choices[top->next].fiber % EXPLORE_ACTORS_MAX,
			      top->choices[0].fiber == top->choices[top->n_choices - 1].fiber);
		step(top->choices[top->next++]);
		if (failure)
			break;
	}
	result->exhausted = depth == 0 && !failure;
	free(path);
}

static void search_fail(void)
{
	size_t used = 0;
	uint32_t i;

	result->failure = failure;
	for (i = 0; i < n_trail; i++)
		used += schedule_print(trail[i], result->schedule + used,
				       sizeof(result->schedule) - used);
}

static void tables_begin(void)
{
	const struct footprint none = { 0 };

	arena = allocate(ARENA_SIZE);
	trail = allocate((TRAIL_MAX + 1) * sizeof(*trail));
	footprints = allocate(FOOTPRINTS_SIZE / 2 * sizeof(*footprints));
	footprint_table = allocate(FOOTPRINTS_SIZE * sizeof(*footprint_table));
	word_numbers = allocate((now->file_size / 8 + 1) * sizeof(*word_numbers));
	seen_size = 1 << 14;
	seen = allocate(seen_size * sizeof(*seen));
	n_seen = 0;
	n_words = 0;
	n_footprints = 0;
	(void)footprint_number(&none);
}

static void tables_end(void)
{
	free(arena);
	free(trail);
	free(footprints);
	free(footprint_table);
	free(word_numbers);
	free(seen);
}

bool reduced_search(const struct explore_case *explored, uint64_t states_max,
		    struct explore_result *ret_result)
{
	struct visited visited = { 0 };
	uint32_t victim;

	if (explored->n_actors != PROCESSES || !explored->file || !explored->pauses_are_long ||
	    explored->n_kills + explored->n_stops > 1)
		abort();
	result = ret_result;
	tables_begin();
	result->exhausted = true;
	for (victim = 0; victim <= PROCESSES && result->exhausted; victim++) {
		world_reset(explored);
		world.victim = victim;
		arena_used = 0;
		n_trail = 0;
		n_undos = 0;
		unhashed = NULL;
		file_hash = 0;
		before_write = note_write;
		search_from(&visited, states_max);
		if (failure)
			search_fail();
		undo_to(0);
		before_write = NULL;
	}
	visited_end(&visited);
	tables_end();
	return result->exhausted;
}

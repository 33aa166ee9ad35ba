/*
 * explore.c: fibers, snapshots and the search.
 *
 * A state is the case's memory, what was changed of its file, the used part of each fiber's stack,
 * and who is ended, killed or stopped.  States are told apart by a 64-bit hash; two different ones that collide would prune a
 * schedule that was not looked at, at these sizes a chance of some 10^-5 a run.
 *
 * An actor that pauses (shared_pause) waits for somebody else's step: it is not chosen again until
 * another actor has moved, unless nobody else can.  That keeps spinning from making states without
 * end, and a spin that nobody can end shows as a schedule over STEPS_MAX.
 */
#include "explore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/atomic.h"

#define STACK_SIZE 65536u
#define STEPS_MAX 20000u
#define DEPTH_MAX 20000u
#define FIBERS_MAX (2 * EXPLORE_ACTORS_MAX) /* actors, and a recovery for each */
#define CHOICES_MAX (3 * FIBERS_MAX + 1)
#define SWITCHES_ANY UINT32_MAX

enum fiber_state {
	FIBER_ABSENT,
	FIBER_READY,
	FIBER_PAUSED,
	FIBER_ASLEEP,
	FIBER_ENDED,
	FIBER_KILLED,
	FIBER_STOPPED
};
enum choice_kind { CHOICE_RUN, CHOICE_KILL, CHOICE_STOP, CHOICE_SLICE };

struct fiber {
	uint8_t *stack;
	void *sp;
	enum fiber_state state;
	void (*body)(uint32_t number);
	uint32_t number;
	const volatile void *asleep_on;
};

struct choice {
	uint8_t kind;
	uint8_t fiber;
};

/* The scheduler's own state; part of a snapshot too. */
struct world {
	struct fiber fibers[FIBERS_MAX];
	uint32_t kills_left;
	uint32_t stops_left;
	uint32_t slices_left;
	uint32_t relapses_left;
	uint32_t switches_left; /* SWITCHES_ANY: as many as there are choices */
	uint32_t last;          /* who moved last: going on with him is no switch */
};

static const struct explore_case *now;
static struct world world;
static struct fiber *running;
static void *scheduler_sp;
static const char *failure;
static bool tracing;
static bool held_back; /* a choice was left out because the switches were used up */

/*
 * What a schedule begins with, and the pieces of the file that any schedule of this search has
 * changed so far, in the order they were first: to all others applies what it began with.  A piece is
 * as large as a queue's block, whose text need not be written word by word.
 */
#define PIECE_SIZE 128u
static uint8_t *memory_before;
static uint8_t *file_before;
static bool *is_touched;
static uint32_t *touched;
static uint32_t n_touched;

/* --- fibers ---------------------------------------------------------------------------------------- */

void fiber_switch(void **save_sp, void *load_sp);

#if defined(__x86_64__)
__asm__(".text\n"
	".globl fiber_switch\n"
	".type fiber_switch, @function\n"
	"fiber_switch:\n"
	"	pushq %rbp\n	pushq %rbx\n	pushq %r12\n"
	"	pushq %r13\n	pushq %r14\n	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n	popq %r14\n	popq %r13\n"
	"	popq %r12\n	popq %rbx\n	popq %rbp\n"
	"	ret\n"
	".size fiber_switch, . - fiber_switch\n"
	".section .note.GNU-stack,\"\",@progbits\n"
	".text\n");
#else
#error "the explorer's fibers are written for x86-64"
#endif

static void give_way(enum fiber_state state)
{
	struct fiber *fiber = running;

	fiber->state = state;
	fiber_switch(&fiber->sp, scheduler_sp);
}

static void fiber_main(void)
{
	running->body(running->number);
	give_way(FIBER_ENDED);
	abort(); /* an ended fiber is never resumed */
}

static void fiber_start(uint32_t index, void (*body)(uint32_t), uint32_t number)
{
	struct fiber *fiber = &world.fibers[index];
	uintptr_t *top;

	if (!fiber->stack)
		fiber->stack = aligned_alloc(4096, STACK_SIZE);
	if (!fiber->stack)
		abort();
	memset(fiber->stack, 0, STACK_SIZE);
	top = (uintptr_t *)(void *)(fiber->stack + STACK_SIZE);
	*--top = 0; /* alignment: as if called */
	*--top = (uintptr_t)fiber_main;
	top -= 6; /* the callee-saved registers */
	fiber->sp = top;
	fiber->body = body;
	fiber->number = number;
	fiber->state = FIBER_READY;
}

/* True if nobody else can tell when the access is made. */
static bool access_is_private(enum hook_kind kind, const volatile void *address)
{
	if (kind == HOOK_PAUSE)
		return false;
	if (now->is_constant && now->is_constant(address)) {
		if (kind != HOOK_LOAD)
			explore_fail("a constant is written");
		return true;
	}
	if (now->is_unread && now->is_unread(address)) {
		if (kind != HOOK_STORE)
			explore_fail("what nobody reads is read");
		return true;
	}
	return false;
}

static void file_touch(const volatile void *address)
{
	size_t off = (size_t)((uintptr_t)address - (uintptr_t)now->file);

	if (off >= now->file_size || is_touched[off / PIECE_SIZE])
		return;
	is_touched[off / PIECE_SIZE] = true;
	touched[n_touched++] = (uint32_t)(off / PIECE_SIZE);
}

void hook_access(enum hook_kind kind, const volatile void *address)
{
	static const char *const kinds[] = { "load", "store", "cas", "add", "pause" };
	uint32_t number = running ? (uint32_t)(running - world.fibers) : 0;

	if (is_touched && kind != HOOK_LOAD && kind != HOOK_PAUSE)
		file_touch(address);
	if (!running || access_is_private(kind, address))
		return;
	give_way(kind == HOOK_PAUSE ? FIBER_PAUSED : FIBER_READY);
	if (tracing && kind != HOOK_PAUSE)
		(void)printf("# %2u %-5s %+-6d %016llx\n", number, kinds[kind],
			     (int)((const volatile uint8_t *)address -
				   (uint8_t *)(now->file ? now->file : now->memory)),
			     (unsigned long long)*(const volatile uint64_t *)address);
}

uint64_t hook_value(const volatile void *address, uint64_t value)
{
	(void)address;
	return value;
}

void explore_sleep(const volatile void *address)
{
	running->asleep_on = address;
	give_way(FIBER_ASLEEP);
}

void explore_wake(const volatile void *address)
{
	uint32_t i;

	for (i = 0; i < FIBERS_MAX; i++) {
		if (world.fibers[i].state == FIBER_ASLEEP && world.fibers[i].asleep_on == address)
			world.fibers[i].state = FIBER_READY;
	}
}

void explore_fail(const char *what)
{
	failure = what;
	if (running)
		give_way(FIBER_ENDED);
}

/* --- the world --------------------------------------------------------------------------------------- */

static void *allocate(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		abort();
	return memory;
}

/* Where every schedule of this search begins. */
static void world_begin(const struct explore_case *explored)
{
	size_t n_pieces = explored->file_size / PIECE_SIZE + 1;

	free(memory_before);
	free(file_before);
	free(is_touched);
	free(touched);
	is_touched = NULL; /* nothing is noted of what reset does */
	now = explored;
	explored->reset();
	memory_before = allocate(explored->memory_size);
	file_before = allocate(n_pieces * PIECE_SIZE);
	is_touched = allocate(n_pieces * sizeof(*is_touched));
	touched = allocate(n_pieces * sizeof(*touched));
	n_touched = 0;
	memcpy(memory_before, explored->memory, explored->memory_size);
	if (explored->file)
		memcpy(file_before, explored->file, explored->file_size);
}

static uint8_t *piece_at(uint32_t i)
{
	return (uint8_t *)now->file + (size_t)touched[i] * PIECE_SIZE;
}

/* The pieces from the i-th on as they were at the beginning. */
static void pieces_reset(uint32_t i)
{
	for (; i < n_touched; i++)
		memcpy(piece_at(i), file_before + (size_t)touched[i] * PIECE_SIZE, PIECE_SIZE);
}

static void world_reset(const struct explore_case *explored)
{
	uint32_t i;

	failure = NULL;
	for (i = 0; i < FIBERS_MAX; i++)
		world.fibers[i].state = FIBER_ABSENT;
	world.kills_left = explored->n_kills;
	world.stops_left = explored->n_stops;
	world.slices_left = explored->n_slices;
	world.relapses_left = explored->n_relapses;
	world.switches_left = SWITCHES_ANY;
	world.last = FIBERS_MAX;
	memcpy(explored->memory, memory_before, explored->memory_size);
	pieces_reset(0);
	for (i = 0; i < explored->n_actors; i++)
		fiber_start(i, explored->actor, i);
}

static bool fiber_lives(const struct fiber *fiber)
{
	return fiber->state == FIBER_READY || fiber->state == FIBER_PAUSED ||
	       fiber->state == FIBER_ASLEEP;
}

static bool world_was_disturbed(void)
{
	return world.kills_left < now->n_kills || world.stops_left < now->n_stops;
}

static bool world_may_switch(uint32_t to)
{
	if (world.switches_left != 0 || world.last == FIBERS_MAX || world.last == to ||
	    world.fibers[world.last].state != FIBER_READY)
		return true;
	held_back = true;
	return false;
}

static bool world_may_kill(uint32_t index)
{
	return index < now->n_actors ? world.kills_left > 0 : world.relapses_left > 0;
}

/* Every choice in this state.  A paused fiber counts only when no other can run. */
static uint32_t world_choices(struct choice *choices)
{
	uint32_t i, n = 0;
	bool any_ready = false, any_runs = false, any_sleeps = false;

	for (i = 0; i < FIBERS_MAX; i++) {
		any_ready |= world.fibers[i].state == FIBER_READY;
		any_sleeps |= world.fibers[i].state == FIBER_ASLEEP;
		any_runs |= any_ready || world.fibers[i].state == FIBER_PAUSED;
	}
	for (i = 0; i < FIBERS_MAX; i++) {
		const struct fiber *fiber = &world.fibers[i];

		if (!fiber_lives(fiber))
			continue;
		if ((fiber->state == FIBER_READY || (fiber->state == FIBER_PAUSED && !any_ready)) &&
		    world_may_switch(i))
			choices[n++] = (struct choice){ CHOICE_RUN, (uint8_t)i };
		if (world_may_kill(i))
			choices[n++] = (struct choice){ CHOICE_KILL, (uint8_t)i };
		if (world.stops_left && i < now->n_actors)
			choices[n++] = (struct choice){ CHOICE_STOP, (uint8_t)i };
	}
	if (any_sleeps && !any_runs && world.slices_left && world_was_disturbed())
		choices[n++] = (struct choice){ CHOICE_SLICE, 0 };
	return n;
}

static void world_step(struct choice choice)
{
	struct fiber *fiber = &world.fibers[choice.fiber];
	uint32_t i;

	switch ((enum choice_kind)choice.kind) {
	case CHOICE_RUN:
		if (world.switches_left != SWITCHES_ANY && world.last != choice.fiber &&
		    world.last != FIBERS_MAX && world.fibers[world.last].state == FIBER_READY)
			world.switches_left--;
		world.last = choice.fiber;
		for (i = 0; i < FIBERS_MAX; i++) {
			if (world.fibers[i].state == FIBER_PAUSED)
				world.fibers[i].state = FIBER_READY;
		}
		running = fiber;
		fiber_switch(&scheduler_sp, fiber->sp);
		running = NULL;
		break;
	case CHOICE_KILL:
		if (choice.fiber >= now->n_actors) {
			world.relapses_left--;
			fiber_start(choice.fiber, now->recover, fiber->number);
			break;
		}
		world.kills_left--;
		fiber->state = FIBER_KILLED;
		if (now->recover)
			fiber_start(choice.fiber + EXPLORE_ACTORS_MAX, now->recover, fiber->number);
		break;
	case CHOICE_STOP:
		world.stops_left--;
		fiber->state = FIBER_STOPPED;
		break;
	case CHOICE_SLICE:
		world.slices_left--;
		for (i = 0; i < FIBERS_MAX; i++) {
			if (world.fibers[i].state == FIBER_ASLEEP)
				world.fibers[i].state = FIBER_READY;
		}
		break;
	}
}

static const char *world_check(void)
{
	uint32_t i, stopped = 0, killed = 0;

	if (failure)
		return failure;
	for (i = 0; i < now->n_actors; i++) {
		stopped |= (uint32_t)(world.fibers[i].state == FIBER_STOPPED) << i;
		killed |= (uint32_t)(world.fibers[i].state == FIBER_KILLED) << i;
	}
	return now->check(stopped, killed);
}

static size_t schedule_print(struct choice choice, char *text, size_t size)
{
	static const char letters[] = { 'r', 'K', 'S', 'T' };
	int n = snprintf(text, size, "%c%u ", letters[choice.kind], choice.fiber);

	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

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

static size_t stack_used(const struct fiber *fiber)
{
	return (size_t)(fiber->stack + STACK_SIZE - (uint8_t *)fiber->sp);
}

static bool stack_matters(const struct fiber *fiber)
{
	return fiber_lives(fiber);
}

static void snapshot_take(struct snapshot *snapshot)
{
	size_t size = now->memory_size + (size_t)n_touched * PIECE_SIZE, used;
	uint32_t i;
	uint8_t *at;

	for (i = 0; i < FIBERS_MAX; i++)
		size += stack_matters(&world.fibers[i]) ? stack_used(&world.fibers[i]) : 0;
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
		if (!stack_matters(&world.fibers[i]))
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
	memcpy(now->memory, snapshot->bytes, now->memory_size);
	for (i = 0; i < snapshot->n_pieces; i++, at += PIECE_SIZE)
		memcpy(piece_at(i), at, PIECE_SIZE);
	pieces_reset(snapshot->n_pieces);
	for (i = 0; i < FIBERS_MAX; i++) {
		if (!stack_matters(&world.fibers[i]))
			continue;
		used = stack_used(&world.fibers[i]);
		memcpy(world.fibers[i].sp, at, used);
		at += used;
	}
}

#define MIX_LANES 4u

static uint64_t mix(uint64_t hash, const void *bytes, size_t n)
{
	const uint64_t factor = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t lanes[MIX_LANES] = { 1, 2, 3, 4 };
	uint64_t words[MIX_LANES];
	const uint8_t *at = bytes;
	uint64_t word;
	uint32_t i;

	/* Side by side, as each multiplication waits for the one before it. */
	for (; n >= sizeof(words); n -= sizeof(words), at += sizeof(words)) {
		memcpy(words, at, sizeof(words));
		for (i = 0; i < MIX_LANES; i++) {
			lanes[i] = (lanes[i] ^ words[i]) * factor;
			lanes[i] ^= lanes[i] >> 29;
		}
	}
	for (i = 0; i < MIX_LANES; i++) {
		hash = (hash ^ lanes[i]) * factor;
		hash ^= hash >> 29;
	}
	for (; n >= 8; n -= 8, at += 8) {
		memcpy(&word, at, 8);
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
	}
	for (; n > 0; n--)
		hash = (hash ^ *at++) * UINT64_C(0x100000001b3);
	return hash;
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
		if (stack_matters(fiber))
			hash = mix(hash, fiber->sp, stack_used(fiber));
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

/* --- visited set: open addressing, grows --------------------------------------------------------------- */

struct visited {
	uint64_t *table;
	uint64_t size; /* power of two */
	uint64_t used;
};

static bool visited_put(struct visited *visited, uint64_t hash)
{
	uint64_t i = hash & (visited->size - 1);

	while (visited->table[i] != 0) {
		if (visited->table[i] == hash)
			return false;
		i = (i + 1) & (visited->size - 1);
	}
	visited->table[i] = hash;
	visited->used++;
	return true;
}

static void visited_grow(struct visited *visited)
{
	struct visited larger = { NULL, visited->size ? visited->size * 2 : 1 << 16, 0 };
	uint64_t i;

	larger.table = calloc(larger.size, sizeof(*larger.table));
	if (!larger.table)
		abort();
	for (i = 0; i < visited->size; i++) {
		if (visited->table[i])
			(void)visited_put(&larger, visited->table[i]); /* new there by construction */
	}
	free(visited->table);
	*visited = larger;
}

static bool visited_add(struct visited *visited, uint64_t hash)
{
	if (visited->used * 2 >= visited->size)
		visited_grow(visited);
	return visited_put(visited, hash);
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
	if (path[*depth].n_choices == 0) {
		result->n_ends++;
		what = world_check();
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
	struct visited visited = { NULL, 0, 0 };
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
	free(visited.table);
	return complete;
}

void explore_all(const struct explore_case *explored, uint64_t states_max,
		 struct explore_result *ret_result)
{
	clock_t start = clock();
	uint32_t switches;

	*ret_result = (struct explore_result){ 0 };
	world_begin(explored);
	ret_result->exhausted = search(explored, SWITCHES_ANY, states_max / 4, ret_result);
	for (switches = 0; !ret_result->exhausted && !ret_result->failure; switches++) {
		if (!search(explored, switches, states_max, ret_result))
			break;
		ret_result->switches = switches;
		ret_result->exhausted = !held_back;
	}
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

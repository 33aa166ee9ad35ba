/*
 * world.c: fibers, and the steps of a schedule.
 *
 * An actor that pauses (shared_pause) waits for somebody else's step: it is not chosen again until
 * another actor has moved, unless nobody else can.  That keeps spinning from making states without
 * end, and a spin that nobody can end shows as a schedule over STEPS_MAX.  Where that would take too
 * many states a case says that pauses are long (explore.h).
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct explore_case *now;
struct world world;
const char *failure;
bool tracing;
bool held_back;
void (*before_write)(const volatile void *address);
bool step_wrote;
static uint8_t *memory_before;
uint8_t *file_before;
uint32_t *touched;
uint32_t n_touched;
static bool *is_touched;
static struct fiber *running;
static void *scheduler_sp;

/* How far below its stack pointer a fiber's stack is wiped; what a case may report. */
#define STACK_WIPED 4096u
#define REPORT_MAX 256u

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

static void give_way_before(enum hook_kind kind, const volatile void *address)
{
	running->kind = kind;
	running->address = address;
	give_way(kind == HOOK_PAUSE ? FIBER_PAUSED : FIBER_READY);
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
	fiber->address = NULL;
	fiber->passes_left = now->n_passes;
	fiber->is_same = false;
	fiber->stack_hash = 0;
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
	bool was_private = false;

	if (is_touched && kind != HOOK_LOAD && kind != HOOK_PAUSE)
		file_touch(address);
	if (running && kind == HOOK_PAUSE && now->pauses_are_long && running->passes_left > 0) {
		running->passes_left--;
		return;
	}
	if (running && !access_is_private(kind, address))
		give_way_before(kind, address);
	else
		was_private = true;
	if (running && now->forbids && kind != HOOK_PAUSE && now->forbids(address))
		explore_fail(now->forbids(address));
	if (before_write && kind != HOOK_LOAD && kind != HOOK_PAUSE)
		before_write(address);
	if (was_private)
		return;
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
	running->address = NULL;
	give_way(FIBER_ASLEEP);
}

void explore_erase(void *address, size_t size)
{
	static const uint8_t zero[PIECE_SIZE];
	uint8_t *at = address, *end = at + size;

	explore_meet(address);
	for (; at < end; at += PIECE_SIZE) {
		if (memcmp(at, zero, PIECE_SIZE) == 0)
			continue;
		if (is_touched)
			file_touch(at);
		memset(at, 0, PIECE_SIZE);
	}
}

void explore_meet(const volatile void *address)
{
	if (running)
		give_way_before(HOOK_ADD, address);
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

void *allocate(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		abort();
	return memory;
}

void world_begin(const struct explore_case *explored)
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

uint8_t *piece_at(uint32_t i)
{
	return (uint8_t *)now->file + (size_t)touched[i] * PIECE_SIZE;
}

void pieces_reset(uint32_t i)
{
	for (; i < n_touched; i++)
		memcpy(piece_at(i), file_before + (size_t)touched[i] * PIECE_SIZE, PIECE_SIZE);
}

void world_reset(const struct explore_case *explored)
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
	world.victim = VICTIM_ANY;
	memcpy(explored->memory, memory_before, explored->memory_size);
	pieces_reset(0);
	for (i = 0; i < explored->n_actors; i++)
		fiber_start(i, explored->actor, i);
}

bool world_was_disturbed(void)
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

static bool may_be_victim(uint32_t index)
{
	return !world.fibers[index].is_same &&
	       (world.victim == VICTIM_ANY || world.victim == index % EXPLORE_ACTORS_MAX);
}

bool world_may_kill(uint32_t index)
{
	if (!may_be_victim(index))
		return false;
	return index < now->n_actors ? world.kills_left > 0 : world.relapses_left > 0;
}

bool world_may_stop(uint32_t index)
{
	return may_be_victim(index) && index < now->n_actors && world.stops_left > 0;
}

uint32_t world_choices(struct choice *choices)
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
		if (world_may_stop(i))
			choices[n++] = (struct choice){ CHOICE_STOP, (uint8_t)i };
	}
	if (any_sleeps && !any_runs && world.slices_left && world_was_disturbed())
		choices[n++] = (struct choice){ CHOICE_SLICE, 0 };
	return n;
}

bool world_is_quiet(const struct choice *choices, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		if (choices[i].kind == CHOICE_RUN || choices[i].kind == CHOICE_SLICE)
			return false;
	}
	return true;
}

/* One step of a fiber, and what reduce.c wants to know of it. */
static void fiber_run(struct fiber *fiber)
{
	const volatile void *address = fiber->address;
	const volatile uint64_t *word =
		(const volatile uint64_t *)((uintptr_t)address & ~(uintptr_t)7);
	enum hook_kind kind = fiber->kind;
	uint64_t before = address ? *word : 0;
	uint8_t memory[REPORT_MAX];
	size_t below;

	if (now->is_reduced)
		memcpy(memory, now->memory, now->memory_size);
	running = fiber;
	fiber_switch(&scheduler_sp, fiber->sp);
	running = NULL;
	if (!now->is_reduced)
		return;
	fiber->stack_hash = 0;
	step_wrote = address && kind != HOOK_LOAD && (kind != HOOK_CAS || *word != before);
	fiber->is_same =
		!step_wrote && address && memcmp(memory, now->memory, now->memory_size) == 0;
	/* What functions that have returned left there would show up in what later ones do not set. */
	below = (size_t)((uint8_t *)fiber->sp - fiber->stack);
	below = below < STACK_WIPED ? below : STACK_WIPED;
	memset((uint8_t *)fiber->sp - below, 0, below);
}

void world_step(struct choice choice)
{
	struct fiber *fiber = &world.fibers[choice.fiber];
	uint32_t i;

	switch ((enum choice_kind)choice.kind) {
	case CHOICE_RUN:
		if (world.switches_left != SWITCHES_ANY && world.last != choice.fiber &&
		    world.last != FIBERS_MAX && world.fibers[world.last].state == FIBER_READY)
			world.switches_left--;
		world.last = choice.fiber;
		for (i = 0; !now->pauses_are_long && i < FIBERS_MAX; i++) {
			if (world.fibers[i].state == FIBER_PAUSED)
				world.fibers[i].state = FIBER_READY;
		}
		fiber_run(fiber);
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

const char *world_check(void)
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

size_t schedule_print(struct choice choice, char *text, size_t size)
{
	static const char letters[] = { 'r', 'K', 'S', 'T' };
	int n = snprintf(text, size, "%c%u ", letters[choice.kind], choice.fiber);

	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

/* --- hashes -------------------------------------------------------------------------------------- */

#define MIX_LANES 4u

static uint64_t multiply(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t mix(uint64_t hash, const void *bytes, size_t n)
{
	const uint64_t odd = UINT64_C(0xbf58476d1ce4e5b9);
	uint64_t lanes[MIX_LANES] = { 1, 2, 3, 4 };
	uint64_t words[2 * MIX_LANES];
	const uint8_t *at = bytes;
	uint64_t word;
	uint32_t i;

	/* Side by side, as each multiplication waits for the one before it. */
	for (; n >= sizeof(words); n -= sizeof(words), at += sizeof(words)) {
		memcpy(words, at, sizeof(words));
		for (i = 0; i < MIX_LANES; i++)
			lanes[i] = multiply(lanes[i] ^ words[2 * i] ^ odd,
					    words[2 * i + 1] ^ (UINT64_C(0x9e3779b97f4a7c15) + i)) + lanes[i];
	}
	for (i = 0; i < MIX_LANES; i++)
		hash = mix_word(hash, lanes[i]);
	for (; n >= 8; n -= 8, at += 8) {
		memcpy(&word, at, 8);
		hash = mix_word(hash, word);
	}
	for (; n > 0; n--)
		hash = (hash ^ *at++) * UINT64_C(0x100000001b3);
	return hash;
}

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

bool visited_add(struct visited *visited, uint64_t hash)
{
	if (visited->used * 2 >= visited->size)
		visited_grow(visited);
	return visited_put(visited, hash);
}

void visited_end(struct visited *visited)
{
	free(visited->table);
	*visited = (struct visited){ 0 };
}

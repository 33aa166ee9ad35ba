/*
 * world.h: what the parts of the explorer share: fibers, the state of a schedule, its steps.
 */
#ifndef TESTS_EXPLORE_WORLD_H
#define TESTS_EXPLORE_WORLD_H

#include "core/atomic.h"
#include "explore.h"

#define STACK_SIZE 65536u
#define DEPTH_MAX 20000u
#define FIBERS_MAX (2 * EXPLORE_ACTORS_MAX) /* actors, and a recovery for each */
#define CHOICES_MAX (3 * FIBERS_MAX + 1)
#define SWITCHES_ANY UINT32_MAX
#define VICTIM_ANY UINT32_MAX

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
	/* Its next step's access; address NULL: none that is shared. */
	enum hook_kind kind;
	const volatile void *address;
	uint32_t passes_left; /* pauses that are no steps */
	uint64_t stack_hash;  /* 0: not known */
	bool is_same; /* to kill or stop it now is to do so before its last step (reduce.c) */
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
	uint32_t victim;        /* the only one who may be killed or stopped, or VICTIM_ANY */
};

extern const struct explore_case *now;
extern struct world world;
extern const char *failure;
extern bool tracing;
extern bool held_back; /* a choice was left out because the switches were used up */
/* Told before anything in the file is written, if it is set. */
extern void (*before_write)(const volatile void *address);
/* The last step of a fiber changed the word that it accessed, or stored to it. */
extern bool step_wrote;

/*
 * What a schedule begins with, and the pieces of the file that any schedule of this search has
 * changed so far, in the order they were first: to all others applies what it began with.  A piece is
 * as large as a queue's block, whose text need not be written word by word.
 */
#define PIECE_SIZE 128u
extern uint8_t *file_before;
extern uint32_t *touched;
extern uint32_t n_touched;

static inline bool fiber_lives(const struct fiber *fiber)
{
	return fiber->state == FIBER_READY || fiber->state == FIBER_PAUSED ||
	       fiber->state == FIBER_ASLEEP;
}

static inline size_t stack_used(const struct fiber *fiber)
{
	return (size_t)(fiber->stack + STACK_SIZE - (uint8_t *)fiber->sp);
}

void *allocate(size_t size);
uint8_t *piece_at(uint32_t i);
/* The pieces from the i-th on as they were at the beginning. */
void pieces_reset(uint32_t i);

/* Where every schedule of this search begins. */
void world_begin(const struct explore_case *explored);
void world_reset(const struct explore_case *explored);
bool world_was_disturbed(void);
bool world_may_kill(uint32_t index);
bool world_may_stop(uint32_t index);
/* Every choice in this state.  A paused fiber counts only when no other can run. */
uint32_t world_choices(struct choice *choices);
/* True if nobody can move any more but by being killed or stopped. */
bool world_is_quiet(const struct choice *choices, uint32_t n);
void world_step(struct choice choice);
const char *world_check(void);

static inline uint64_t mix_word(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

uint64_t mix(uint64_t hash, const void *bytes, size_t n);
size_t schedule_print(struct choice choice, char *text, size_t size);

/* A set of hashes: open addressing, grows. */
struct visited {
	uint64_t *table;
	uint64_t size; /* power of two */
	uint64_t used;
};

/* True if it is new. */
bool visited_add(struct visited *visited, uint64_t hash);
void visited_end(struct visited *visited);

/* Notes what an end came to. */
void outcome_note(struct explore_result *result);

/* The search of reduce.c; true if it came to its end. */
bool reduced_search(const struct explore_case *explored, uint64_t states_max,
		    struct explore_result *result);

#endif

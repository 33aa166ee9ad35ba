/*
 * explore.h: runs the unchanged units under every interleaving.
 *
 * Actors are fibers that give way before each shared access (hook_access).  A scheduler picks who
 * does the next one: exhaustively, by depth-first search over snapshots of the shared memory and
 * the fibers' stacks, or at random from a seed.  At any step an actor may be killed (recovery then
 * runs as one more actor, beside the others) or stopped for ever (the others must still finish).
 * Sequential consistency is assumed: what a weaker memory could reorder is argued in the units.
 */
#ifndef TESTS_EXPLORE_H
#define TESTS_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPLORE_ACTORS_MAX 8u

struct explore_case {
	const char *name;
	void *memory; /* everything shared, and everything the actors report: what a snapshot holds */
	size_t memory_size;
	/*
	 * Or NULL: more that is shared, and changed through atomic.h only.  However large, a snapshot
	 * holds of it what has been changed, in pieces of 128 bytes: the size is a multiple of that.
	 */
	void *file;
	size_t file_size;
	uint32_t n_actors;
	uint32_t n_kills; /* at most so many actors are killed, at any step of theirs */
	uint32_t n_stops; /* at most so many are stopped for ever */
	uint32_t n_relapses; /* recoveries killed, and run again from the start, at any step of theirs */
	void (*reset)(void); /* once before each search; what it leaves is where every schedule begins */
	void (*actor)(uint32_t number);
	/* Runs as its own actor once `number` has been killed.  NULL: nothing runs. */
	void (*recover)(uint32_t number);
	/*
	 * Words that no schedule writes, and words that no actor reads: nobody else can tell when they are
	 * read or written, so no choice is made there.  Checked: writing the one or reading the other is
	 * a failure.  NULL: there are none.
	 */
	bool (*is_constant)(const volatile void *address);
	bool (*is_unread)(const volatile void *address);
	/* What is wrong with an access, in the state it is made in, or NULL.  NULL: nothing ever is. */
	const char *(*forbids)(const volatile void *address);
	/* With everybody ended, asleep, killed or stopped: NULL, or what is wrong. */
	const char *(*check)(uint32_t stopped_mask, uint32_t killed_mask);
	/*
	 * How often, when nobody else can move, all who sleep look again by themselves (the slices of
	 * wait.h); only in schedules in which somebody was killed or stopped.  So a wake-up that is
	 * lost for any other reason leaves its sleeper asleep.
	 */
	uint32_t n_slices;
	/*
	 * How somebody who pauses (shared_pause) waits.  False: for a step of anybody else.  True: his first
	 * n_passes pauses are none; from then on he waits until nobody else can move, and goes on alone.
	 * Where changes can undo each other for ever that bounds how often they do.
	 */
	bool pauses_are_long;
	uint32_t n_passes;
	/*
	 * Schedules that differ in nothing anybody can tell are looked at once (reduce.c).  For two actors
	 * whose pauses are long, with a file, at most one killed and nobody stopped, or the other way
	 * round; what they report in the memory is each one's own.
	 */
	bool is_reduced;
	/* A hash, not 0, of what a schedule came to, after its check.  NULL: nobody asks. */
	uint64_t (*outcome)(void);
};

struct explore_result {
	const char *failure; /* NULL: none found */
	char schedule[16384]; /* of the failure: r3 = actor 3 moves, K3 is killed, S3 stops; 8.. recover */
	uint64_t n_states; /* if it is reduced: those in which there is something to choose */
	uint64_t n_steps;
	uint64_t n_ends;   /* complete schedules */
	uint32_t n_outcomes; /* different ones, and the sum of their hashes */
	uint64_t outcomes;
	double seconds;    /* of processor time */
	bool exhausted;    /* every state was seen */
	uint32_t switches; /* if not: every schedule with that many switches was, but for the last level */
};

/*
 * Depth-first over every choice, for a quarter of states_max (reduced: all of it).  If that is not enough:
 * every schedule with no switch away from an actor that could go on, then with one, two, ... until
 * states_max (reduced: a quarter more); kills and stops are free.  Most bugs need few switches, and a
 * part of a depth-first search only varies the ends of its schedules.  Stops at the first failure.
 */
void explore_all(const struct explore_case *explored, uint64_t states_max,
		 struct explore_result *ret_result);

/* n_walks schedules from the seed; kills and stops at random steps. */
void explore_random(const struct explore_case *explored, uint64_t seed, uint64_t n_walks,
		    struct explore_result *ret_result);

/* One schedule again, as a failure printed it; prints every access.  What the check says at its end. */
const char *explore_replay(const struct explore_case *explored, const char *schedule);

/* Prints what was covered, as a TAP comment; after a failure also why, and its schedule. */
void explore_report(const struct explore_result *result);

/* Called by an actor: sleeps until explore_wake() with the same address, as a futex does. */
void explore_sleep(const volatile void *address);
void explore_wake(const volatile void *address);

/*
 * Called by an actor before it does the one or the other, and what belongs to that: a step as any access
 * to the address is, with what the actor does next.
 */
void explore_meet(const volatile void *address);

/* Called by an actor: a part of the file becomes zero, in one step with what the actor does next. */
void explore_erase(void *address, size_t size);

/* Called by an actor: what went wrong (the schedule ends as a failure). */
void explore_fail(const char *what);

#endif

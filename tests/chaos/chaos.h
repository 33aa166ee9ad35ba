/*
 * chaos.h: what the storms share: workers that are killed, stopped and replaced at random moments.
 *
 * A storm is a number of rounds.  In each, every slot has a worker process; the parent kills, stops
 * and pokes them at random and puts a new one in the place of a dead one.  A round ends when all are
 * dead and reaped; then the storm's own book is compared with the objects.
 */
#ifndef CHAOS_H
#define CHAOS_H

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define CHAOS_SLOTS 32

/* One worker's place; in memory that all share, and kept when the worker dies. */
struct chaos_slot {
	_Atomic uint64_t steps; /* grows with every operation begun or ended: the watchdog reads it */
	_Atomic int problem;    /* not 0: the worker saw what must not be; see chaos_problem() */
	char problem_text[200];
};

struct chaos_storm {
	const char *name;
	/* All are called in the parent, but for work. */
	void (*begin)(void);                      /* before the workers of a round start */
	void (*work)(int slot);                   /* a worker's one operation */
	void (*dead)(int slot, pid_t pid, bool is_killed); /* it has been reaped */
	void (*settle)(void);                     /* all are dead */
	void (*glance)(void);                     /* now and then, in the midst of it; or NULL */
	int kills;                                /* in a short run */
	int kills_per_round;
	bool is_poked; /* workers get SIGUSR1 now and then, which interrupts what blocks */
};

extern struct chaos_slot *chaos_slots;
/* For storms that let their workers hold still now and then: false unless they set it. */
extern _Atomic bool *chaos_hush;

/* Zeroed memory that all processes share. */
void *chaos_share(size_t size);

void chaos_seed(uint64_t seed);
uint32_t chaos_random(void);
/* 0 to n - 1. */
uint32_t chaos_below(uint32_t n);
bool chaos_chance(uint32_t percent);
uint64_t chaos_now_ns(void);
void chaos_nap(uint64_t ns);

/* The number that a variable of the environment holds. */
uint64_t chaos_environment(const char *name, uint64_t otherwise);

/*
 * Waits for n files in a folder of a namespace, but those whose names begin with a dot; false, and it is said,
 * if that does not come.
 */
bool chaos_await_files(const char *dir, const char *folder, int n);

/* A process's state letter, or 0 if there is none. */
char chaos_state(pid_t pid);

/* In a worker: notes what must not be and ends the process. */
_Noreturn __attribute__((format(printf, 2, 3))) void chaos_problem(int slot, const char *format, ...);
/* In the parent: counts a failure and prints it as a comment. */
__attribute__((format(printf, 1, 2))) void chaos_wrong(const char *format, ...);
/* Ends the storm at once. */
_Noreturn __attribute__((format(printf, 1, 2))) void chaos_abort(const char *format, ...);
int chaos_wrongs(void);

/* One line of TAP, as tests/chaos/run wants it. */
void chaos_result(const char *name, bool is_ok);

/* SEED, KILLS and USYSV_LONG of the environment decide.  Runs it; prints the results. */
int chaos_run(const struct chaos_storm *storm);

/* The worker of this slot, or 0. */
pid_t chaos_pid(int slot);
/* Ends all stops. */
void chaos_wake_all(void);

#endif

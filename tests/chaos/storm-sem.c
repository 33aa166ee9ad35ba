/*
 * storm-sem.c: semaphore operations while their callers are killed and stopped.
 *
 * Every worker keeps a book of its acknowledged operations, in two copies of which one word says
 * which counts; so the book changes in one store.  An operation with SEM_UNDO never enters it: at
 * the end of its process it is undone.  Values are kept where an undo is never clamped.
 *
 * What was under way at a kill may have happened or not.  Operations on several semaphores often
 * change a witness too, a semaphore of the worker's own: it says afterwards which it was, and all
 * the others must agree.  Without a witness both values are allowed.
 */
#include <sys/ipc.h>
#include <sys/sem.h>

#include "chaos.h"

#define N_SETS 2
/* Semaphores of a set, by use. */
#define N_HIGH 8 /* far from both ends: anything, with and without undo */
#define MUTEX 8  /* 1, always with undo */
#define POOL 9   /* POOL_SIZE, taken with undo or not at all */
#define N_LOW 3
#define LOW 10 /* near zero: waits, without undo */
#define WITNESS (LOW + N_LOW)
#define N_SEMS (WITNESS + CHAOS_SLOTS)

#define HIGH_START 15000
#define POOL_SIZE 3
#define OPS_MAX 6

/* The word `now`: which copy counts, and whether an operation is under way. */
#define COPY 1u
#define UNDER_WAY 2u
#define WITH_WITNESS 4u

struct book {
	_Atomic uint32_t now;
	int set;
	int sums[2][N_SETS][N_SEMS];
};

struct maybe {
	int set, num, delta;
};

static struct book *books;
static _Atomic pid_t *owners; /* who is inside the mutex of each set */
static int ids[N_SETS];
static struct maybe maybes[8192];
static int n_maybes;
static uint64_t n_in_flight, n_witnessed;

/* --- in a worker ---------------------------------------------------------------------------------- */

static struct sembuf op(int num, int delta, int flags)
{
	return (struct sembuf){(unsigned short)num, (short)delta, (short)flags};
}

/* Carries it out and keeps the book: 0, or errno. */
static int perform(int slot, int set, struct sembuf *ops, size_t n, const struct timespec *timeout,
		   bool is_witnessed)
{
	struct book *book = &books[slot];
	uint32_t copy = atomic_load(&book->now) & COPY;
	int (*next)[N_SEMS] = book->sums[copy ^ COPY];
	int error;

	memcpy(next, book->sums[copy], sizeof(book->sums[copy]));
	for (size_t i = 0; i < n; i++) {
		if (!(ops[i].sem_flg & SEM_UNDO))
			next[set][ops[i].sem_num] += ops[i].sem_op;
	}
	book->set = set;
	atomic_store(&book->now, copy | UNDER_WAY | (is_witnessed ? WITH_WITNESS : 0));
	error = semtimedop(ids[set], ops, n, timeout) == 0 ? 0 : errno;
	atomic_store(&book->now, error ? copy : copy ^ COPY);
	if (error && error != EAGAIN && error != EINTR)
		chaos_problem(slot, "semtimedop: %s", strerror(error));
	return error;
}

static void do_high(int slot, int set)
{
	struct sembuf ops[OPS_MAX];
	size_t n = 1 + chaos_below(OPS_MAX - 1);
	bool is_witnessed = n > 1 && chaos_chance(80);
	uint32_t copy = atomic_load(&books[slot].now) & COPY;
	int witness = books[slot].sums[copy][set][WITNESS + slot];

	if (chaos_chance(40))
		n = 1;
	for (size_t i = 0; i < n; i++) {
		int num = (int)chaos_below(N_HIGH);
		int delta = (int)(1 + chaos_below(3));

		/* Back to where it began, so that it never comes near an end. */
		if (chaos_chance(books[slot].sums[copy][set][num] > 0 ? 60 : 40))
			delta = -delta;
		ops[i] = op(num, delta, chaos_chance(40) ? SEM_UNDO : 0);
	}
	if (n == 1)
		is_witnessed = false;
	if (is_witnessed)
		ops[chaos_below((uint32_t)n)] = op(WITNESS + slot, witness ? -1 : 1, 0);
	(void)perform(slot, set, ops, n, NULL, is_witnessed);
}

static void do_low(int slot, int set)
{
	struct timespec timeout = {0, (long)chaos_below(3000000)};
	struct sembuf ops[3];
	size_t n = 0;
	int flags = chaos_chance(40) ? IPC_NOWAIT : 0;
	int num = LOW + (int)chaos_below(N_LOW);

	switch (chaos_below(5)) {
	case 0:
		ops[n++] = op(num, 0, flags);
		break;
	case 1:
		ops[n++] = op(num, 0, flags);
		ops[n++] = op(num, 1, 0);
		break;
	case 2:
		ops[n++] = op(num, 1, 0);
		break;
	case 3:
		ops[n++] = op(num, -1, flags);
		break;
	default:
		ops[n++] = op((int)chaos_below(N_HIGH), chaos_chance(50) ? 2 : -2, SEM_UNDO);
		ops[n++] = op(num, -1, flags);
		ops[n++] = op(LOW + (int)chaos_below(N_LOW), 0, flags);
		break;
	}
	(void)perform(slot, set, ops, n, &timeout, false);
}

/* What is taken is given back by the same process, or by its end. */
static void do_pool(int slot, int set)
{
	struct timespec timeout = {0, (long)chaos_below(2000000)};
	struct sembuf one;

	one = op(POOL, -1, SEM_UNDO | (chaos_chance(30) ? IPC_NOWAIT : 0));
	if (perform(slot, set, &one, 1, &timeout, false) != 0)
		return;
	if (chaos_chance(50))
		chaos_nap(chaos_below(200000));
	one = op(POOL, 1, SEM_UNDO);
	if (perform(slot, set, &one, 1, NULL, false) != 0)
		chaos_problem(slot, "giving back failed: %s", strerror(errno));
}

static void do_mutex(int slot, int set)
{
	struct timespec timeout = {0, (long)chaos_below(5000000)};
	struct sembuf one = op(MUTEX, -1, SEM_UNDO);
	pid_t me = getpid();
	pid_t before;
	char state;

	if (perform(slot, set, &one, 1, chaos_chance(50) ? &timeout : NULL, false) != 0)
		return;
	/* Plain loads and stores: the mutex alone keeps others out. */
	before = atomic_load_explicit(&owners[set], memory_order_relaxed);
	state = before ? chaos_state(before) : 0;
	if (before && state && state != 'Z' && state != 'X')
		chaos_problem(slot, "mutex of set %d taken, but process %d is inside (state %c)", set,
			      before, state);
	atomic_store_explicit(&owners[set], me, memory_order_relaxed);
	for (uint32_t i = chaos_below(300); i > 0; i--) {
		before = atomic_load_explicit(&owners[set], memory_order_relaxed);
		if (before != me)
			chaos_problem(slot, "process %d came into the mutex of set %d", before, set);
	}
	atomic_store_explicit(&owners[set], 0, memory_order_relaxed);
	one = op(MUTEX, 1, SEM_UNDO);
	if (perform(slot, set, &one, 1, NULL, false) != 0)
		chaos_problem(slot, "unlocking failed: %s", strerror(errno));
}

/* Each worker prefers one kind: else all would mostly sleep for the mutex, and die there. */
static void work(int slot)
{
	static void (*const kinds[])(int, int) = {do_high, do_high, do_low, do_pool, do_mutex};
	static void (*preferred)(int, int);
	int set = (int)chaos_below(N_SETS);

	if (!preferred)
		preferred = kinds[chaos_below(sizeof(kinds) / sizeof(kinds[0]))];
	if (chaos_below(300) == 0)
		chaos_nap(chaos_below(1000000));
	if (chaos_below(2000) != 0)
		preferred(slot, set);
	else
		kinds[chaos_below(sizeof(kinds) / sizeof(kinds[0]))](slot, set);
}

/* --- in the parent -------------------------------------------------------------------------------- */

static void begin(void)
{
	unsigned short values[N_SEMS] = {0};

	for (int i = 0; i < N_HIGH; i++)
		values[i] = HIGH_START;
	values[MUTEX] = 1;
	values[POOL] = POOL_SIZE;
	for (int i = 0; i < N_SETS; i++) {
		if (semctl(ids[i], 0, SETALL, values) != 0)
			chaos_abort("SETALL: %s", strerror(errno));
		atomic_store(&owners[i], 0);
	}
	memset(books, 0, CHAOS_SLOTS * sizeof(*books));
	n_maybes = 0;
}

static void note_maybes(const int (*old)[N_SEMS], const int (*new)[N_SEMS], int set)
{
	for (int num = 0; num < N_SEMS; num++) {
		if (old[set][num] == new[set][num])
			continue;
		if (n_maybes == (int)(sizeof(maybes) / sizeof(maybes[0])))
			chaos_abort("too many operations under way at a kill");
		maybes[n_maybes++] = (struct maybe){set, num, new[set][num] - old[set][num]};
	}
}

static void dead(int slot, pid_t pid, bool is_killed)
{
	struct book *book = &books[slot];
	uint32_t now = atomic_load(&book->now);
	uint32_t copy = now & COPY;

	(void)pid;
	if (!(now & UNDER_WAY))
		return;
	if (!is_killed)
		chaos_wrong("worker %d ended by itself in the midst of an operation", slot);
	n_in_flight++;
	if (now & WITH_WITNESS) {
		int value = semctl(ids[book->set], WITNESS + slot, GETVAL);

		n_witnessed++;
		if (value != book->sums[copy][book->set][WITNESS + slot])
			copy ^= COPY;
		if (value != book->sums[copy][book->set][WITNESS + slot])
			chaos_wrong("witness %d is %d", slot, value);
	} else {
		note_maybes(book->sums[copy], book->sums[copy ^ COPY], book->set);
	}
	atomic_store(&book->now, copy);
}

/* Whether value - expected is a sum of some of what may have happened to the semaphore. */
static bool is_possible(int set, int num, int difference)
{
	enum { REACH = 2048 };
	static bool can[2][2 * REACH + 1];
	int which = 0;

	memset(can, 0, sizeof(can));
	can[0][REACH] = true;
	for (int i = 0; i < n_maybes; i++) {
		if (maybes[i].set != set || maybes[i].num != num)
			continue;
		for (int j = 0; j <= 2 * REACH; j++) {
			int from = j - maybes[i].delta;

			can[which ^ 1][j] = can[which][j] ||
					    (from >= 0 && from <= 2 * REACH && can[which][from]);
		}
		which ^= 1;
	}
	return difference >= -REACH && difference <= REACH && can[which][difference + REACH];
}

static int start_value(int num)
{
	if (num < N_HIGH)
		return HIGH_START;
	return num == MUTEX ? 1 : num == POOL ? POOL_SIZE : 0;
}

static void check_one(int set, int num, int value)
{
	int expected = start_value(num);
	int n_open = 0;

	for (int slot = 0; slot < CHAOS_SLOTS; slot++)
		expected += books[slot].sums[atomic_load(&books[slot].now) & COPY][set][num];
	for (int i = 0; i < n_maybes; i++)
		n_open += maybes[i].set == set && maybes[i].num == num;
	if (!is_possible(set, num, value - expected))
		chaos_wrong("set %d semaphore %d is %d, the book says %d (%d operations open)", set, num,
			    value, expected, n_open);
	if (semctl(ids[set], num, GETNCNT) != 0 || semctl(ids[set], num, GETZCNT) != 0)
		chaos_wrong("set %d semaphore %d: semncnt %d, semzcnt %d with nobody left", set, num,
			    semctl(ids[set], num, GETNCNT), semctl(ids[set], num, GETZCNT));
}

static void settle(void)
{
	unsigned short values[N_SEMS];

	for (int set = 0; set < N_SETS; set++) {
		if (semctl(ids[set], 0, GETALL, values) != 0)
			chaos_abort("GETALL: %s", strerror(errno));
		for (int num = 0; num < N_SEMS; num++)
			check_one(set, num, values[num]);
	}
}

int main(void)
{
	static const struct chaos_storm storm = {
		.name = "storm-sem",
		.begin = begin,
		.work = work,
		.dead = dead,
		.settle = settle,
		.kills = 1500,
		.kills_per_round = 60,
	};
	int status;

	books = chaos_share(CHAOS_SLOTS * sizeof(*books));
	owners = chaos_share(N_SETS * sizeof(*owners));
	for (int i = 0; i < N_SETS; i++) {
		ids[i] = semget(IPC_PRIVATE, N_SEMS, 0600);
		if (ids[i] < 0) {
			perror("semget");
			return 2;
		}
	}
	status = chaos_run(&storm);
	printf("# %llu killed in the midst of an operation, %llu of them with a witness\n",
	       (unsigned long long)n_in_flight, (unsigned long long)n_witnessed);
	for (int i = 0; i < N_SETS; i++)
		(void)semctl(ids[i], 0, IPC_RMID);
	return status;
}

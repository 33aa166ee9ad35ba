/* conform-wake.c: semaphores: order of checks once more, what a wake finds, races of a wake. */
#include "conform.h"

/* --- order of checks --- */

CASE("SEM-1", e2big_beats_a_bad_time_value)
{
	struct timespec bad = { -1, 0 };
	struct sembuf op = { 0, 1, 0 };
	int id = sem_new(1);

	put_ret(semtimedop(id, &op, 501, &bad));
	put_ret(semtimedop(id, &op, 0, &bad));
	put_ret(semtimedop(-1, &op, 1, &bad));
}

CASE("SEM-1", bad_time_value_beats_efbig_and_eacces)
{
	struct timespec bad = { 0, 1000000000 };
	struct sembuf outside = { 7, 1, 0 };
	struct sembuf inside = { 0, 1, 0 };
	int id;

	need_uids();
	id = sem_new(1);
	put_ret(semtimedop(id, &outside, 1, &bad));
	seem(NOBODY);
	put_ret(semtimedop(id, &inside, 1, &bad));
	seem_root();
}

CASE("SEM-1", efbig_beats_eagain_and_erange_wherever_it_stands)
{
	int id = sem_new(1);

	put_ret(OPS(id, { 0, -1, IPC_NOWAIT }, { 1, 1, 0 }));
	put_ret(OPS(id, { 0, 32767, 0 }, { 0, 1, 0 }, { 1, 1, SEM_UNDO }));
	put_ret(OPS(id, { 0, -1, 0 }, { 65535, -1, IPC_NOWAIT }));
	put_sem(id);
}

CASE("SEM-1", eacces_beats_eagain_and_erange)
{
	int id;

	need_uids();
	id = sem_new(1);
	seem(NOBODY);
	put_ret(OPS(id, { 0, -1, IPC_NOWAIT }));
	put_ret(OPS(id, { 0, 32767, 0 }, { 0, 1, 0 }));
	put_ret(OPS(id, { 0, 1, SEM_UNDO }));
	seem_root();
	put_ret(OPS(id, { 0, -1, IPC_NOWAIT }));
}

CASE("SEM-30", largest_nanoseconds_are_accepted)
{
	struct timespec most = { 0, 999999999 };
	struct timespec least = { 0, 1 };
	struct sembuf up = { 0, 1, 0 };
	struct sembuf down = { 0, -2, 0 };
	int id = sem_new(1);

	put_ret(semtimedop(id, &up, 1, &most));
	put_ret(semtimedop(id, &down, 1, &least));
	put_ret(semtimedop(id, &down, 1, &most));
	put_sem(id);
}

/* --- evaluation --- */

CASE("SEM-8", value_overflow_beats_nothing_before_it)
{
	int id = sem_new(3);

	MUST(sem_set(id, 1, 32767));
	/* Array order decides: the same three operations, each first in turn. */
	put_ret(OPS(id, { 0, -1, IPC_NOWAIT }, { 1, 1, 0 }, { 2, 0, 0 }));
	put_ret(OPS(id, { 1, 1, 0 }, { 0, -1, IPC_NOWAIT }, { 2, 0, 0 }));
	put_ret(OPS(id, { 2, 0, 0 }, { 1, 1, IPC_NOWAIT }, { 0, -1, IPC_NOWAIT }));
	put_ret(OPS(id, { 2, 1, 0 }, { 2, 0, IPC_NOWAIT }, { 1, 1, 0 }));
	put_sem(id);
}

CASE("SEM-11", zero_in_the_middle_of_changes_to_the_same_semaphore)
{
	int id = sem_new(1);

	MUST(sem_set(id, 0, 2));
	put_ret(OPS(id, { 0, -2, 0 }, { 0, 0, IPC_NOWAIT }, { 0, 5, 0 }));
	put_ret(OPS(id, { 0, -4, 0 }, { 0, 0, IPC_NOWAIT }, { 0, 5, 0 }));
	put_ret(OPS(id, { 0, -5, SEM_UNDO }, { 0, 0, SEM_UNDO }, { 0, 5, SEM_UNDO }));
	put_sem(id);
}

static void overflow_in_the_middle(void *arg)
{
	int id = *(int *)arg;

	/* The adjustment goes out of its range in the middle and would come back. */
	put_ret(OPS(id, { 0, 32767, SEM_UNDO }, { 0, -32767, 0 }, { 0, 2, SEM_UNDO },
		    { 0, -2, SEM_UNDO }));
	put_ret(OPS(id, { 0, 32767, SEM_UNDO }, { 0, -32767, 0 }, { 0, 1, SEM_UNDO },
		    { 0, -1, SEM_UNDO }));
	put(" %d", sem_value(id, 0));
}

CASE("UNDO-2", adjustment_that_leaves_its_range_in_the_middle_is_erange)
{
	int id = sem_new(1);

	MUST(sem_set(id, 0, 0));
	child_run(overflow_in_the_middle, &id);
	put_sem(id);
}

/* --- what a wake finds --- */

static void fill_adjustment(void)
{
	/* The sleeper's own: then one unit more is out of range. */
	MUST(OPS((int)shared[9], { 0, 32767, 0 }));
	MUST(OPS((int)shared[9], { 0, -32767, SEM_UNDO }));
}

CASE("SEM-20", sleeper_wakes_with_erange_of_its_adjustment)
{
	int id = sem_new(1);
	struct sleeper s;

	shared[9] = id;
	sleeper_prepare = fill_adjustment;
	s = OPS_SLEEP(id, { 0, -1, SEM_UNDO });
	put(" n%d", sem_count(id, 0));
	put_ret(OPS(id, { 0, 1, 0 }));
	put_sleeper_end(s);
	put(" %d n%d", sem_value(id, 0), sem_count(id, 0));
}

CASE("SEM-20", sleeper_moves_on_twice_and_then_fails)
{
	int id = sem_new(3);
	struct sleeper s = OPS_SLEEP(id, { 0, -1, 0 }, { 1, -1, 0 }, { 2, -1, IPC_NOWAIT });

	put_ret(OPS(id, { 0, 1, 0 }));
	put(" n%d n%d n%d", sem_count(id, 0), sem_count(id, 1), sem_count(id, 2));
	put_sleeper_state(s);
	put_ret(OPS(id, { 1, 1, 0 }));
	put_sleeper_end(s);
	put_sem(id);
}

CASE("SEM-25", count_moves_back_when_an_earlier_unit_is_taken_again)
{
	int id = sem_new(2);
	struct sleeper s = OPS_SLEEP(id, { 0, -1, 0 }, { 1, -1, 0 });

	put_ret(OPS(id, { 0, 1, 0 }));
	put(" n%d n%d", sem_count(id, 0), sem_count(id, 1));
	put_ret(OPS(id, { 0, -1, IPC_NOWAIT }));
	put(" n%d n%d", sem_count(id, 0), sem_count(id, 1));
	put_ret(OPS(id, { 1, 1, 0 }));
	put(" n%d n%d", sem_count(id, 0), sem_count(id, 1));
	put_ret(OPS(id, { 0, 1, 0 }));
	put_sleeper_end(s);
	put_sem(id);
}

CASE("SEM-25", count_of_zeros_moves_back_when_an_earlier_one_rises)
{
	int id = sem_new(2);
	struct sleeper s;

	MUST(sem_set(id, 1, 1));
	s = OPS_SLEEP(id, { 0, 0, 0 }, { 1, 0, 0 });
	put(" z%d z%d", sem_zcount(id, 0), sem_zcount(id, 1));
	put_ret(OPS(id, { 0, 1, 0 }));
	put(" z%d z%d", sem_zcount(id, 0), sem_zcount(id, 1));
	put_ret(OPS(id, { 1, -1, 0 }));
	put_ret(OPS(id, { 0, -1, 0 }));
	put_sleeper_end(s);
}

CASE("SEM-25", one_array_counts_once_however_often_it_names_a_semaphore)
{
	int id = sem_new(1);
	struct sleeper s = OPS_SLEEP(id, { 0, -1, 0 }, { 0, -1, 0 }, { 0, -1, 0 });

	put(" n%d", sem_count(id, 0));
	put_ret(OPS(id, { 0, 2, 0 }));
	put(" n%d %d", sem_count(id, 0), sem_value(id, 0));
	put_ret(OPS(id, { 0, 1, 0 }));
	put_sleeper_end(s);
	put(" n%d %d", sem_count(id, 0), sem_value(id, 0));
}

CASE("SEM-21", zero_waiters_see_every_zero_on_the_way)
{
	int id = sem_new(2);
	struct sleeper zero;
	struct sleeper take;
	struct sleeper give;

	/* 2 -> taken to 0 by one sleeper -> raised by another: the zero waiter goes in between. */
	MUST(sem_set(id, 0, 1));
	give = OPS_SLEEP(id, { 1, -1, 0 }, { 0, 7, 0 });
	take = OPS_SLEEP(id, { 0, -2, 0 }, { 1, 1, 0 });
	zero = OPS_SLEEP(id, { 0, 0, 0 });
	put_ret(OPS(id, { 0, 1, 0 }));
	put_sleeper_end(zero);
	put_sleeper_end(take);
	put_sleeper_end(give);
	put(" %d %d", sem_value(id, 0), sem_value(id, 1));
}

CASE("SEM-21", array_with_a_zero_that_alters_is_no_zero_waiter)
{
	int id = sem_new(2);
	struct sleeper mixed;
	struct sleeper take;

	/* The older one takes first, as both alter; then the mixed one finds 0. */
	MUST(sem_set(id, 0, 1));
	take = OPS_SLEEP(id, { 1, -1, 0 }, { 0, -1, 0 });
	mixed = OPS_SLEEP(id, { 0, 0, 0 }, { 1, -1, 0 });
	put_ret(OPS(id, { 1, 1, 0 }));
	put_sleeper_end(take);
	put_sleeper_state(mixed);
	put_ret(OPS(id, { 1, 1, 0 }));
	put_sleeper_end(mixed);
	put_sem(id);
}

CASE("SEM-12", intermediate_values_wake_no_decrement)
{
	int id = sem_new(1);
	struct sleeper s = OPS_SLEEP(id, { 0, -3, 0 });

	put_ret(OPS(id, { 0, 3, 0 }, { 0, -1, 0 }));
	put_sleeper_state(s);
	put(" %d n%d", sem_value(id, 0), sem_count(id, 0));
	put_ret(OPS(id, { 0, 1, 0 }));
	put_sleeper_end(s);
}

CASE("SEM-35", setval_that_changes_nothing_still_runs_the_wake_pass)
{
	int id = sem_new(2);
	struct sleeper s = OPS_SLEEP(id, { 0, -1, 0 });

	mark_time();
	put_ret(sem_set(id, 1, 0));
	put_sleeper_state(s);
	put_sem(id);
	put_ret(sem_set(id, 0, 1));
	put_sleeper(s);
	put_sem(id);
	sleeper_end(s);
}

CASE("UNDO-13", grant_then_setval_then_kill_gives_nothing_back)
{
	int id = sem_new(1);
	struct sleeper s = OPS_SLEEP(id, { 0, -2, SEM_UNDO });

	MUST(OPS(id, { 0, 2, 0 }));
	MUST(sem_set(id, 0, 5));
	child_kill(s.pid);
	put(" %d", sem_value(id, 0));
}

CASE("UNDO-13", setval_while_asleep_voids_what_was_booked_before)
{
	struct sleeper s;
	int id = sem_new(1);

	shared[9] = id;
	sleeper_prepare = fill_adjustment;
	s = OPS_SLEEP(id, { 0, -1, SEM_UNDO });
	/* With the adjustment gone the operation is in range again. */
	put_ret(sem_set(id, 0, 3));
	put_sleeper(s);
	put(" %d", sem_value(id, 0));
	child_kill(s.pid);
	put(" %d", sem_value(id, 0));
}

/* --- races --- */

static void on_signal(int sig)
{
	(void)sig;
}

static void prepare_handler(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	(void)sigaction(SIGUSR1, &action, NULL);
}

struct signaller {
	pid_t target;
	int delay;
};

static void send_signal(void *arg)
{
	const struct signaller *signaller = arg;

	nap(signaller->delay);
	(void)kill(signaller->target, SIGUSR1);
}

/* Who took the unit has got 0, who left it the other error. */
static bool is_odd(int value, int error)
{
	if (shared[0] == (value == 0 ? 0 : error))
		return false;
	put(" value=%d errno=%ld", value, shared[0]);
	return true;
}

static long taken_or_interrupted(void *arg)
{
	long result = OPS(*(int *)arg, { 0, -1, 0 });

	shared[0] = result == 0 ? 0 : errno;
	return 0;
}

CASE("SEM-28", result_and_value_agree_when_grant_and_signal_race)
{
	int id = sem_new(1);
	int odd = 0;
	int i;

	sleeper_prepare = prepare_handler;
	for (i = 0; i < 15; i++) {
		struct sleeper s;
		struct signaller signaller;
		pid_t pid;

		shared[0] = 0;
		s = sleeper_start(taken_or_interrupted, &id);
		while (sem_count(id, 0) == 0)
			nap(200);
		signaller = (struct signaller){ s.pid, 100 * (i % 5) };
		pid = child_start(send_signal, &signaller);
		nap(250);
		MUST(OPS(id, { 0, 1, 0 }));
		while (!sleeper_is_done(s))
			nap(200);
		(void)child_wait(pid);
		odd += is_odd(sem_value(id, 0), EINTR);
		MUST(sem_set(id, 0, 0));
		sleeper_end(s);
		if (i == 0)
			put(" n%d", sem_count(id, 0));
	}
	put(" odd=%d", odd);
}

static long taken_or_late(void *arg)
{
	struct timespec timeout = { 0, 2000000 };
	struct sembuf op = { 0, -1, 0 };
	long result = semtimedop(*(int *)arg, &op, 1, &timeout);

	shared[0] = result == 0 ? 0 : errno;
	return 0;
}

CASE("SEM-28", result_and_value_agree_when_grant_and_time_out_race)
{
	int id = sem_new(1);
	int odd = 0;
	int i;

	for (i = 0; i < 30; i++) {
		struct sleeper s;

		shared[0] = 0;
		s = sleeper_start(taken_or_late, &id);
		nap(1800 + 20 * i);
		MUST(OPS(id, { 0, 1, 0 }));
		while (!sleeper_is_done(s))
			nap(200);
		odd += is_odd(sem_value(id, 0), EAGAIN);
		MUST(sem_set(id, 0, 0));
		sleeper_end(s);
	}
	put(" odd=%d n%d", odd, sem_count(id, 0));
}

static long book_or_not(void *arg)
{
	long result = OPS(*(int *)arg, { 1, 2, SEM_UNDO }, { 0, -1, SEM_UNDO });

	return result;
}

CASE("UNDO-15", interrupted_sleeper_books_nothing)
{
	int id = sem_new(2);
	struct sleeper s;

	sleeper_prepare = prepare_handler;
	s = sleeper_start(book_or_not, &id);
	while (sem_count(id, 0) == 0)
		nap(200);
	sleeper_settle(s);
	(void)kill(s.pid, SIGUSR1);
	put_sleeper_end(s);
	put_sem(id);
}

/* --- removal beside the first call of a process ------------------------------------------------ */

#define REMOVALS 100

/* Ends with 0 if the removal ends the call; a call that it has missed is ended by the alarm. */
static void call_first(void *arg)
{
	const int *ids = arg;
	struct message m;
	int r;

	(void)alarm(5);
	if (ids[0] != -1)
		r = OPS(ids[0], { 0, -1, 0 });
	else
		r = (int)msgrcv(ids[1], &m, TEXT_MAX, 0, 0);
	_exit(r == -1 && (errno == EIDRM || errno == EINVAL) ? 0 : 1);
}

CASE("SEM-39", removal_beside_the_first_call_of_a_process_ends_it)
{
	int missed = 0;
	int i;

	for (i = 0; i < 2 * REMOVALS; i++) {
		int ids[2] = { -1, -1 };
		pid_t pid;

		ids[i % 2] = i % 2 == 0 ? sem_new(1) : msg_new();
		pid = child_start(call_first, ids);
		nap(10 * (i % 50));
		if (i % 2 == 0)
			MUST(semctl(ids[0], 0, IPC_RMID));
		else
			MUST(msgctl(ids[1], IPC_RMID, NULL));
		missed += child_wait(pid) != 0;
	}
	put(" missed=%d", missed);
}

/* --- deadlock --- */

static long wants_the_second(void *arg)
{
	struct timespec timeout = { 0, 300000000 };
	struct sembuf op = { 1, -1, SEM_UNDO };

	MUST(semop(*(int *)arg, &(struct sembuf){ 0, -1, SEM_UNDO }, 1));
	return semtimedop(*(int *)arg, &op, 1, &timeout);
}

/* Each has what the other wants: nobody tells them but their time-outs. */
CASE("BLK-11", deadlock_is_not_detected)
{
	struct timespec timeout = { 0, 200000000 };
	struct sembuf op = { 0, -1, SEM_UNDO };
	int id = sem_new(2);
	struct sleeper s;

	put_ret(OPS(id, { 0, 1, 0 }, { 1, 1, 0 }));
	put_ret(OPS(id, { 1, -1, SEM_UNDO }));
	s = sleeper_start(wants_the_second, &id);
	while (sem_count(id, 1) == 0)
		nap(500);
	put_ret(semtimedop(id, &op, 1, &timeout));
	put(" %d %d", sem_value(id, 0), sem_count(id, 1));
	put_sleeper_end(s);
}

/* conform-many.c: sets of 32,000 semaphores, arrays of 500 operations, hundreds of sleepers. */
#include "conform.h"

#include <pthread.h>
#include <sched.h>

#define MANY 32000
#define NOPS 500
#define CROWD 300

static unsigned short values[MANY];

static void fill(unsigned short value)
{
	int i;

	for (i = 0; i < MANY; i++)
		values[i] = value;
}

static long set_all(int id)
{
	return semctl(id, 0, SETALL, (union semun){ .array = values });
}

static long get_all(int id)
{
	memset(values, 0xff, sizeof(values));
	return semctl(id, 0, GETALL, (union semun){ .array = values });
}

/* Sum and a weighted sum of what get_all() found. */
static void put_sums(int n)
{
	unsigned long sum = 0, weighted = 0;
	int i;

	for (i = 0; i < n; i++) {
		sum += values[i];
		weighted += values[i] * (unsigned long)(i + 1);
	}
	put(" %lu/%lu", sum, weighted);
}

/* 500 operations spread over the whole set, the last semaphore among them. */
static void spread(struct sembuf *ops, short op, short flags)
{
	int i;

	for (i = 0; i < NOPS; i++)
		ops[i] = (struct sembuf){ (unsigned short)(i * 64 + 63), op, flags };
}

/* --- large sets --- */

CASE("SEM-36", setall_and_getall_of_32000)
{
	int id = sem_new(MANY);
	int i;

	for (i = 0; i < MANY; i++)
		values[i] = (unsigned short)(i * 7 % 32768);
	put_ret(set_all(id));
	put_ret(get_all(id));
	put_sums(MANY);
	put(" %d %d", sem_value(id, 31999), sem_value(id, 1));
	put_pid(sem_pid(id, 0));
	put_pid(sem_pid(id, 31999));
}

CASE("SEM-5", setall_of_32000_is_all_or_nothing)
{
	int id = sem_new(MANY);

	fill(3);
	put_ret(set_all(id));
	fill(4);
	values[MANY - 1] = 32768;
	put_ret(set_all(id));
	put_ret(get_all(id));
	put_sums(MANY);
}

CASE("SEM-1", number_32000_of_32000_is_efbig)
{
	int id = sem_new(MANY);

	put_ret(OPS(id, { MANY, 1, 0 }));
	put_ret(OPS(id, { MANY - 1, 1, 0 }));
	put_ret(sem_set(id, MANY, 1));
	put_ret(sem_set(id, MANY - 1, 9));
	put_ret(semctl(id, MANY, GETVAL));
	put(" %d", sem_value(id, MANY - 1));
}

CASE("SEM-16", five_hundred_operations_over_32000)
{
	struct sembuf ops[NOPS];
	int id = sem_new(MANY);

	spread(ops, 2, 0);
	put_ret(semop(id, ops, NOPS));
	put_ret(get_all(id));
	put_sums(MANY);
	spread(ops, -2, IPC_NOWAIT);
	ops[NOPS - 1].sem_op = -3;
	put_ret(semop(id, ops, NOPS));
	ops[NOPS - 1].sem_op = -1;
	put_ret(semop(id, ops, NOPS));
	put_ret(get_all(id));
	put_sums(MANY);
}

struct many_call {
	int id;
	short op;
	short flags;
};

static void spread_and_wait(void *arg)
{
	const struct many_call *call = arg;
	struct sembuf ops[NOPS];

	spread(ops, call->op, call->flags);
	put_ret(semop(call->id, ops, NOPS));
	shared[0] = 1;
	for (;;)
		(void)pause();
}

static pid_t holder(int id, short op)
{
	struct many_call call = { id, op, SEM_UNDO };
	pid_t pid;

	shared[0] = 0;
	pid = child_start(spread_and_wait, &call);
	await(0, 1);
	return pid;
}

CASE("UNDO-7", five_hundred_adjustments_over_32000_are_taken_back)
{
	int id = sem_new(MANY);
	pid_t pid;

	fill(5);
	put_ret(set_all(id));
	pid = holder(id, -3);
	put_ret(get_all(id));
	put_sums(MANY);
	child_kill(pid);
	put_ret(get_all(id));
	put_sums(MANY);
	put_pid(sem_pid(id, 63));
	put_pid(sem_pid(id, 62));
}

static void spread_twice_and_exit(void *arg)
{
	const struct many_call *call = arg;
	struct sembuf ops[NOPS];

	spread(ops, 2, SEM_UNDO);
	put_ret(semop(call->id, ops, NOPS));
	put_ret(semop(call->id, ops, NOPS));
	spread(ops, -1, SEM_UNDO);
	put_ret(semop(call->id, ops, NOPS));
}

CASE("UNDO-1", calls_of_five_hundred_add_up_and_are_gone_after_exit)
{
	struct many_call call = { sem_new(MANY), 0, 0 };

	child_run(spread_twice_and_exit, &call);
	put_ret(get_all(call.id));
	put_sums(MANY);
}

CASE("UNDO-8", five_hundred_adjustments_are_clamped_each_for_itself)
{
	struct sembuf ops[NOPS];
	int id = sem_new(NOPS * 64);
	pid_t pid = holder(id, 4);
	int i;

	spread(ops, -1, 0);
	for (i = 0; i < NOPS; i++)
		ops[i].sem_op = (short)-(i % 5);
	for (i = 0; i < NOPS; i++)
		ops[i].sem_op = ops[i].sem_op == 0 ? 1 : ops[i].sem_op;
	put_ret(semop(id, ops, NOPS));
	child_kill(pid);
	put_ret(get_all(id));
	put_sums(NOPS * 64);
}

CASE("UNDO-13", setall_of_32000_voids_all_adjustments)
{
	int id = sem_new(MANY);
	pid_t pid = holder(id, 3);

	fill(1);
	put_ret(set_all(id));
	child_kill(pid);
	put_ret(get_all(id));
	put_sums(MANY);
}

static void adjust_out_of_range(void *arg)
{
	const struct many_call *call = arg;
	struct sembuf ops[NOPS];

	MUST(OPS(call->id, { MANY - 1, 32767, SEM_UNDO }));
	MUST(OPS(call->id, { MANY - 1, -32767, 0 }));
	spread(ops, 2, SEM_UNDO);
	put_ret(semop(call->id, ops, NOPS));
	(void)get_all(call->id);
	put_sums(MANY);
}

CASE("UNDO-2", last_of_five_hundred_out_of_range_leaves_all_as_they_were)
{
	struct many_call call = { sem_new(MANY), 0, 0 };

	child_run(adjust_out_of_range, &call);
	(void)get_all(call.id);
	put_sums(MANY);
}

CASE("SEM-26", setall_of_32000_lets_sleepers_in_at_both_ends)
{
	int id = sem_new(MANY);
	struct sleeper first = OPS_SLEEP(id, { 0, -1, 0 });
	struct sleeper last = OPS_SLEEP(id, { MANY - 1, -2, SEM_UNDO });
	struct sleeper both = OPS_SLEEP(id, { MANY - 1, -1, 0 }, { 0, -1, 0 }, { 15000, 1, 0 });

	fill(3);
	put_ret(set_all(id));
	put(" %d %d %d", sem_value(id, 0), sem_value(id, 15000), sem_value(id, MANY - 1));
	put_sleeper_end(first);
	put_sleeper_end(last);
	put_sleeper_end(both);
	put(" %d %d %d", sem_value(id, 0), sem_value(id, 15000), sem_value(id, MANY - 1));
}

/* --- long arrays asleep --- */

CASE("SEM-25", array_of_five_hundred_sleeps_and_its_count_moves)
{
	struct sembuf ops[NOPS];
	int id = sem_new(MANY);
	struct sleeper s;
	int i;

	spread(ops, -1, SEM_UNDO);
	s = semop_sleep(id, ops, NOPS);
	put(" n%d n%d", sem_count(id, 63), sem_count(id, MANY - 1));
	spread(ops, 1, 0);
	put_ret(semop(id, ops, NOPS - 1));
	put(" n%d n%d", sem_count(id, 63), sem_count(id, MANY - 1));
	put_sleeper_state(s);
	put_ret(OPS(id, { MANY - 1, 1, 0 }));
	put_sleeper(s);
	(void)get_all(id);
	put_sums(MANY);
	child_kill(s.pid);
	(void)get_all(id);
	put_sums(MANY);
	for (i = 0; i < NOPS; i++)
		ops[i].sem_op = -1;
	put_ret(semop(id, ops, NOPS));
}

CASE("SEM-39", removal_ends_an_array_of_five_hundred)
{
	struct sembuf ops[NOPS];
	int id = sem_new(MANY);
	struct sleeper s;

	spread(ops, -1, 0);
	s = semop_sleep(id, ops, NOPS);
	put_ret(semctl(id, 0, IPC_RMID));
	put_sleeper_end(s);
}

/* --- snapshots --- */

static void flip(void *arg)
{
	int id = *(int *)arg;
	int i;

	for (i = 0; shared[1] == 0; i++) {
		fill((unsigned short)(1 + i % 2));
		if (set_all(id) == -1)
			put(" SETALL fails");
		shared[0] = 1;
	}
}

/* Whoever reads sees one SETALL or the other, not some of each, wherever its caller is stopped. */
static void put_torn(int n)
{
	int id = sem_new(n);
	pid_t pid = child_start(flip, &id);
	int torn = 0;
	int i, k;

	await(0, 1);
	for (i = 0; i < 100; i++) {
		nap(100 + i * 37 % 500);
		(void)kill(pid, SIGSTOP);
		await_state(pid, 'T');
		MUST(get_all(id));
		for (k = 1; k < n && values[k] == values[0]; k++)
			continue;
		torn += k < n;
		(void)kill(pid, SIGCONT);
	}
	shared[1] = 1;
	(void)child_wait(pid);
	put(" torn=%d", torn);
}

CASE("PSX-23", getall_of_500_sees_one_setall)
{
	put_torn(500);
}

CASE("PSX-23", getall_of_32000_sees_one_setall)
{
	put_torn(MANY);
}

static void hammer(void *arg)
{
	int id = *(int *)arg;

	shared[0] = 1;
	while (shared[1] == 0) {
		if (OPS(id, { 0, 1, 0 }, { 1, 1, 0 }) == -1 || OPS(id, { 1, -1, 0 }, { 0, -1, 0 }) == -1)
			shared[2] = errno;
	}
}

/* Two who use two semaphores without a pause do not keep a SETALL out. */
static void put_setall_beside_others(int n)
{
	int id = sem_new(n);
	pid_t a = child_start(hammer, &id);
	pid_t b = child_start(hammer, &id);
	int failed = 0;
	int i;

	await(0, 1);
	fill(1000);
	for (i = 0; i < 10; i++)
		failed += set_all(id) == -1;
	failed += get_all(id) == -1;
	shared[1] = 1;
	(void)child_wait(a);
	(void)child_wait(b);
	put(" failed=%d errno=%ld", failed, shared[2]);
}

CASE("SEM-36", setall_of_500_beside_busy_callers)
{
	put_setall_beside_others(500);
}

CASE("SEM-36", setall_of_32000_beside_busy_callers)
{
	put_setall_beside_others(MANY);
}

/* --- crowds --- */

struct crowd {
	int id;
	volatile int n_done;
	volatile int n_failed;
	void (*body)(struct crowd *crowd);
	pthread_t threads[CROWD];
};

static void *crowd_member(void *arg)
{
	struct crowd *crowd = arg;

	crowd->body(crowd);
	(void)__atomic_add_fetch(&crowd->n_done, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void crowd_start(struct crowd *crowd, int (*count)(int, int))
{
	pthread_attr_t attr;
	int i;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, 1 << 18);
	for (i = 0; i < CROWD; i++)
		MUST(pthread_create(&crowd->threads[i], &attr, crowd_member, crowd) == 0 ? 0 : -1);
	while (count(crowd->id, 0) < CROWD)
		nap(1000);
}

static void crowd_end(struct crowd *crowd)
{
	int i;

	for (i = 0; i < CROWD; i++)
		(void)pthread_join(crowd->threads[i], NULL);
	put(" done=%d failed=%d", crowd->n_done, crowd->n_failed);
}

static void crowd_takes(struct crowd *crowd)
{
	if (OPS(crowd->id, { 0, -1, 0 }) == -1)
		(void)__atomic_add_fetch(&crowd->n_failed, 1, __ATOMIC_SEQ_CST);
}

CASE("BLK-10", hundreds_sleep_on_one_semaphore)
{
	struct crowd crowd = { .id = sem_new(1), .body = crowd_takes };
	int i;

	crowd_start(&crowd, sem_count);
	put(" n%d", sem_count(crowd.id, 0));
	for (i = 0; i < CROWD; i++)
		MUST(OPS(crowd.id, { 0, 1, 0 }));
	put(" n%d %d", sem_count(crowd.id, 0), sem_value(crowd.id, 0));
	crowd_end(&crowd);
}

static volatile int thief_stops;

static void *steal(void *arg)
{
	struct crowd *crowd = arg;
	long n = 0;

	while (!thief_stops) {
		if (OPS(crowd->id, { 0, -1, IPC_NOWAIT }) == 0)
			n++;
	}
	return (void *)n;
}

CASE("SEM-18", nobody_takes_what_is_posted_for_hundreds)
{
	struct crowd crowd = { .id = sem_new(1), .body = crowd_takes };
	pthread_t thief;
	void *stolen;

	crowd_start(&crowd, sem_count);
	(void)pthread_create(&thief, NULL, steal, &crowd);
	nap(2000);
	put_ret(OPS(crowd.id, { 0, CROWD, 0 }));
	put(" n%d %d", sem_count(crowd.id, 0), sem_value(crowd.id, 0));
	nap(2000);
	thief_stops = 1;
	(void)pthread_join(thief, &stolen);
	put(" stolen=%ld", (long)stolen);
	MUST(OPS(crowd.id, { 0, (short)(long)stolen, 0 }));
	crowd_end(&crowd);
}

/* Waits for zero and at once takes the zero away from others, if they have not been let go yet. */
static void crowd_passes(struct crowd *crowd)
{
	if (OPS(crowd->id, { 0, 0, 0 }) == -1 || OPS(crowd->id, { 0, 1, 0 }) == -1)
		(void)__atomic_add_fetch(&crowd->n_failed, 1, __ATOMIC_SEQ_CST);
}

CASE("SEM-24", one_zero_lets_hundreds_go)
{
	struct crowd crowd = { .id = sem_new(1), .body = crowd_passes };
	int i;

	MUST(sem_set(crowd.id, 0, 1));
	crowd_start(&crowd, sem_zcount);
	put_ret(OPS(crowd.id, { 0, -1, 0 }));
	for (i = 0; i < 2000 && crowd.n_done < CROWD; i++)
		nap(1000);
	put(" z%d %d", sem_zcount(crowd.id, 0), sem_value(crowd.id, 0));
	put(" done=%d failed=%d", crowd.n_done, crowd.n_failed);
	MUST(sem_set(crowd.id, 0, 0));
	for (i = 0; i < CROWD; i++)
		(void)pthread_join(crowd.threads[i], NULL);
}

CASE("SEM-39", removal_ends_hundreds)
{
	struct crowd crowd = { .id = sem_new(1), .body = crowd_takes };

	crowd_start(&crowd, sem_count);
	put_ret(semctl(crowd.id, 0, IPC_RMID));
	crowd_end(&crowd);
}

/* --- processes that come and go, each with a first call of its own ------------------------------ */

#define COMERS 600
#define COMERS_AT_ONCE 40

static _Noreturn void come(int id, char *inherited)
{
	void *own = shmat(id, NULL, 0);

	_exit(own == (void *)-1 || shmdt(own) != 0 || shmdt(inherited) != 0);
}

static int comer_wait(void)
{
	int status;

	return wait(&status) < 0 ? -1 : status != 0;
}

CASE("EVT-1", hundreds_of_children_a_second_attach_what_they_inherit_once_more)
{
	int id = shm_new(PAGE);
	char *address = shmat(id, NULL, 0);
	int alive = 0, failed = 0, ended, i;

	for (i = 0; i < COMERS; i++) {
		pid_t pid = (pid_t)MUST(fork());

		if (pid == 0)
			come(id, address);
		if (++alive == COMERS_AT_ONCE) {
			failed += comer_wait();
			alive--;
		}
	}
	while ((ended = comer_wait()) >= 0)
		failed += ended;
	put(" failed=%d nattch=%lu", failed, shm_nattch(id));
}

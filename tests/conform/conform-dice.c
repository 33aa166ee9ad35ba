/*
 * conform-dice.c: semaphore calls thrown by dice, one after the other.
 *
 * A few workers, a small set, and random steps: arrays that may sleep, SETVAL, SETALL, signals,
 * kills.  Each step is over before the next begins, so everything that can be seen after it - values,
 * pids, counts, who has been woken with what - is determined by the rules (SEM-8 to SEM-28, UNDO-1 to
 * UNDO-15) and must be the same wherever they hold.  The outcome is a hash of it after every few
 * steps; DICE_TRACE=1 prints the steps themselves, DICE_SEED=n throws others.
 */
#include "conform.h"

#include <sched.h>
#include <stdarg.h>

#define WORKERS 6
#define DICE_SEMS_MAX 4
#define DICE_OPS_MAX 6
#define STEPS_PER_HASH 20
/* Workers ever started: each has a number of its own. */
#define PIDS_MAX 4000

enum worker_state { WORKER_IDLE, WORKER_CALLED, WORKER_DONE };

struct worker {
	volatile int state;
	volatile int result; /* 0, or errno */
	size_t n_ops;
	struct sembuf ops[DICE_OPS_MAX];
};

struct shape {
	int n_sems;
	int n_ops_max;
	int step_max; /* of sem_op */
	int value;    /* that each semaphore begins with */
	int undo_percent;
	int nowait_percent;
};

static struct worker *workers;
static struct shape shape;
static int id;
static pid_t pids[PIDS_MAX];
static int n_pids;
static int numbers[WORKERS]; /* the worker's index in pids */
static bool is_asleep[WORKERS];
static uint64_t dice;
static uint64_t hash;
static bool is_traced;

/* --- dice and hash --- */

static unsigned int throw_dice(unsigned int sides)
{
	uint64_t z = (dice += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (unsigned int)((z ^ z >> 31) % sides);
}

static bool chance(int percent)
{
	return (int)throw_dice(100) < percent;
}

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
	char text[256];
	va_list args;
	size_t i;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (i = 0; text[i] != '\0'; i++)
		hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
	if (is_traced)
		(void)fputs(text, stderr);
}

/* --- workers --- */

static void on_signal(int sig)
{
	(void)sig;
}

static _Noreturn void worker_main(struct worker *worker)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	(void)sigaction(SIGUSR1, &action, NULL);
	(void)alarm(60); /* should the case be ended, nobody else would end this */
	for (;;) {
		while (worker->state != WORKER_CALLED)
			(void)sched_yield();
		worker->result = semop(id, worker->ops, worker->n_ops) == 0 ? 0 : errno;
		__atomic_store_n(&worker->state, WORKER_DONE, __ATOMIC_SEQ_CST);
		while (worker->state == WORKER_DONE)
			nap(50);
	}
}

static void worker_start(int index)
{
	struct worker *worker = &workers[index];
	pid_t pid;

	worker->state = WORKER_IDLE;
	is_asleep[index] = false;
	pid = (pid_t)MUST(fork());
	if (pid == 0)
		worker_main(worker);
	numbers[index] = n_pids;
	pids[n_pids++] = pid;
}

static int count_all(void)
{
	int total = 0;
	int i;

	for (i = 0; i < shape.n_sems; i++)
		total += sem_count(id, i) + sem_zcount(id, i);
	return total;
}

static int count_asleep(void)
{
	int total = 0;
	int i;

	for (i = 0; i < WORKERS; i++)
		total += is_asleep[i];
	return total;
}

static int pid_number(pid_t pid)
{
	int i;

	for (i = 0; i < n_pids; i++) {
		if (pids[i] == pid)
			return i;
	}
	return pid == 0 ? -1 : pid == getpid() ? -2 : -3;
}

static void worker_finish(int index)
{
	struct worker *worker = &workers[index];

	while (worker->state != WORKER_DONE)
		(void)sched_yield();
	note(" w%d=%s", numbers[index], worker->result == 0 ? "0" : strerrorname_np(worker->result));
	worker->state = WORKER_IDLE;
	is_asleep[index] = false;
}

/* Who was woken by the step: as many as are no longer counted. */
static void take_the_woken(void)
{
	int left = count_asleep() - count_all();
	int woken[WORKERS];
	int n = 0;
	int i;

	if (left < 0)
		note(" %d too many counted", -left);
	while (n < left) {
		n = 0;
		for (i = 0; i < WORKERS; i++) {
			if (is_asleep[i] && workers[i].state == WORKER_DONE)
				woken[n++] = i;
		}
		(void)sched_yield();
	}
	for (i = 0; i < n; i++)
		worker_finish(woken[i]);
}

static void note_state(void)
{
	unsigned short values[DICE_SEMS_MAX] = { 0 };
	int i;

	note(" :");
	MUST(semctl(id, 0, GETALL, (union semun){ .array = values }));
	for (i = 0; i < shape.n_sems; i++)
		note(" %d,%d,n%d,z%d", values[i], pid_number(sem_pid(id, i)), sem_count(id, i),
		     sem_zcount(id, i));
	note("\n");
}

/* --- steps --- */

/*
 * Who only waits for zeros does so with one operation: of arrays of zeros the kernel counts those
 * that stand before several semaphores late (see the case in conform-sem.c), and lets them go after
 * the single ones whatever their age, which the last pid tells.
 */
static void mend_zeros(struct worker *worker)
{
	size_t i;

	for (i = 0; i < worker->n_ops; i++) {
		if (worker->ops[i].sem_op != 0)
			return;
	}
	worker->n_ops = 1;
}

static void throw_array(struct worker *worker, bool may_sleep)
{
	size_t i;

	worker->n_ops = 1;
	if (chance(60))
		worker->n_ops = 1 + throw_dice((unsigned int)shape.n_ops_max);
	for (i = 0; i < worker->n_ops; i++) {
		struct sembuf *op = &worker->ops[i];

		op->sem_num = (unsigned short)throw_dice((unsigned int)shape.n_sems);
		op->sem_op = (short)((int)throw_dice(2 * (unsigned int)shape.step_max + 1) -
				     shape.step_max);
		if (chance(20))
			op->sem_op = 0;
		op->sem_flg = chance(shape.undo_percent) ? SEM_UNDO : 0;
		if (!may_sleep || chance(shape.nowait_percent))
			op->sem_flg |= IPC_NOWAIT;
	}
	mend_zeros(worker);
	for (i = 0; i < worker->n_ops; i++) {
		const struct sembuf *op = &worker->ops[i];

		note(" %d:%d%s%s", op->sem_num, op->sem_op, op->sem_flg & SEM_UNDO ? "u" : "",
		     op->sem_flg & IPC_NOWAIT ? "n" : "");
	}
}

/* One of those asleep, or of those idle; -1: none. */
static int pick(bool asleep)
{
	int first = (int)throw_dice(WORKERS);
	int i;

	for (i = 0; i < WORKERS; i++) {
		if (is_asleep[(first + i) % WORKERS] == asleep)
			return (first + i) % WORKERS;
	}
	return -1;
}

static void step_call(void)
{
	int index = pick(false);
	int before = count_asleep();
	struct worker own;

	if (index < 0 || chance(20)) {
		note("own");
		throw_array(&own, false);
		note(" %s", semop(id, own.ops, own.n_ops) == 0 ? "0" : strerrorname_np(errno));
		return;
	}
	note("w%d", numbers[index]);
	throw_array(&workers[index], true);
	__atomic_store_n(&workers[index].state, WORKER_CALLED, __ATOMIC_SEQ_CST);
	/* Twice: the counts of several semaphores are not read at one instant. */
	while (workers[index].state != WORKER_DONE && (count_all() <= before || count_all() <= before))
		(void)sched_yield();
	if (workers[index].state == WORKER_DONE) {
		worker_finish(index);
	} else {
		is_asleep[index] = true;
		note(" sleeps");
	}
}

static void step_signal(void)
{
	int index = pick(true);

	if (index < 0)
		return;
	note("signal");
	/* It may not be inside the sleep yet in which a signal counts. */
	while (workers[index].state != WORKER_DONE) {
		(void)kill(pids[numbers[index]], SIGUSR1);
		nap(200);
	}
	worker_finish(index);
}

static void step_kill(void)
{
	int index = pick(chance(50));
	int status;

	if (index < 0)
		return;
	note("kill w%d", numbers[index]);
	(void)kill(pids[numbers[index]], SIGKILL);
	MUST(waitpid(pids[numbers[index]], &status, 0));
	is_asleep[index] = false;
	take_the_woken();
	worker_start(index);
}

static void step_set(void)
{
	unsigned short values[DICE_SEMS_MAX];
	int i;

	for (i = 0; i < shape.n_sems; i++)
		values[i] = (unsigned short)throw_dice((unsigned int)shape.step_max + 1);
	if (chance(30)) {
		note("setall");
		MUST(semctl(id, 0, SETALL, (union semun){ .array = values }));
	} else {
		i = (int)throw_dice((unsigned int)shape.n_sems);
		note("set %d=%d", i, values[i]);
		MUST(sem_set(id, i, values[i]));
	}
}

static void one_step(void)
{
	unsigned int what = throw_dice(100);

	if (what < 78)
		step_call();
	else if (what < 86)
		step_set();
	else if (what < 93)
		step_signal();
	else if (n_pids < PIDS_MAX)
		step_kill();
	take_the_woken();
	note_state();
}

static void play(unsigned int number, struct shape the_shape)
{
	const char *seed = getenv("DICE_SEED");
	int n_steps = getenv("USYSV_LONG") ? 1600 : 240;
	int i, status;

	shape = the_shape;
	dice = (seed ? strtoull(seed, NULL, 0) : 1) * 1000 + number;
	is_traced = getenv("DICE_TRACE") != NULL;
	hash = UINT64_C(0xcbf29ce484222325);
	workers = mmap(NULL, WORKERS * sizeof(*workers), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(workers == MAP_FAILED ? -1 : 0);
	id = sem_new(shape.n_sems);
	for (i = 0; i < shape.n_sems; i++)
		MUST(sem_set(id, i, shape.value));
	for (i = 0; i < WORKERS; i++)
		worker_start(i);
	for (i = 1; i <= n_steps; i++) {
		one_step();
		if (i % STEPS_PER_HASH == 0)
			put(" %04x", (unsigned int)(hash >> 32) & 0xffff);
	}
	for (i = 0; i < WORKERS; i++) {
		(void)kill(pids[numbers[i]], SIGKILL);
		MUST(waitpid(pids[numbers[i]], &status, 0));
	}
	note_state();
	put(" %04x", (unsigned int)(hash >> 32) & 0xffff);
}

/* --- the throws --- */

CASE("SEM-22", dice_on_one_semaphore)
{
	play(1, (struct shape){ .n_sems = 1, .n_ops_max = 2, .step_max = 2, .nowait_percent = 5 });
}

CASE("SEM-21", dice_on_two_semaphores)
{
	play(2, (struct shape){ .n_sems = 2, .n_ops_max = 3, .step_max = 2, .nowait_percent = 10 });
}

CASE("SEM-20", dice_with_arrays_that_fail_when_woken)
{
	play(3, (struct shape){ .n_sems = 3, .n_ops_max = 4, .step_max = 2, .nowait_percent = 40 });
}

CASE("SEM-25", dice_on_four_semaphores_with_long_arrays)
{
	play(4, (struct shape){ .n_sems = 4, .n_ops_max = 6, .step_max = 1, .nowait_percent = 10 });
}

CASE("UNDO-12", dice_with_undo)
{
	play(5, (struct shape){ .n_sems = 2, .n_ops_max = 3, .step_max = 2, .undo_percent = 60,
				.nowait_percent = 10 });
}

CASE("UNDO-2", dice_at_both_ends_of_the_range)
{
	play(6, (struct shape){ .n_sems = 2, .n_ops_max = 3, .step_max = 32767, .value = 16000,
				.undo_percent = 50, .nowait_percent = 20 });
}

CASE("UNDO-8", dice_with_undo_near_the_maximum)
{
	play(7, (struct shape){ .n_sems = 2, .n_ops_max = 3, .step_max = 3, .value = 32765,
				.undo_percent = 60, .nowait_percent = 30 });
}

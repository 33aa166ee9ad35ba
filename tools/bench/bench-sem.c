/* bench-sem.c: semaphore sets, and a bare futex to compare hand-offs with. */
#include "bench.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MUTEX_MAX 8
#define MUTEX_SLICES 12
#define SET_LARGE 1000
#define SLEEPERS 1000
#define PAIR_WARM_UP 2000
#define STACK_SIZE (64 * 1024)

static int set_new(int n)
{
	int id = semget(IPC_PRIVATE, n, IPC_CREAT | 0600);

	if (id == -1)
		die("semget");
	return id;
}

static void set_free(int id)
{
	if (semctl(id, 0, IPC_RMID) == -1)
		die("semctl IPC_RMID");
}

static void add(int id, int n, int delta, int flags)
{
	struct sembuf op = { .sem_num = (unsigned short)n, .sem_op = (short)delta, .sem_flg = (short)flags };

	if (semop(id, &op, 1) == -1)
		die("semop");
}

/* --- one process ------------------------------------------------------------------------------------- */

struct alone {
	int id;
	int flags;
};

static void body_up_down(void *context, uint64_t n)
{
	const struct alone *a = context;

	for (uint64_t i = 0; i < n; i += 2) {
		add(a->id, 0, 1, a->flags);
		add(a->id, 0, -1, a->flags);
	}
}

static double run_alone(double ms, int n, int flags)
{
	struct alone a = { .id = set_new(n), .flags = flags };
	double ns = measure(ms, body_up_down, &a);

	set_free(a.id);
	return ns;
}

static double run_plain(double ms)
{
	return run_alone(ms, 1, 0);
}

static double run_undo(double ms)
{
	return run_alone(ms, 1, SEM_UNDO);
}

static double run_of_1000(double ms)
{
	return run_alone(ms, SET_LARGE, 0);
}

static void body_four(void *context, uint64_t n)
{
	const struct alone *a = context;
	struct sembuf up[4] = { { 0, 1, 0 }, { 1, 1, 0 }, { 2, 1, 0 }, { 3, 1, 0 } };
	struct sembuf down[4] = { { 0, -1, 0 }, { 1, -1, 0 }, { 2, -1, 0 }, { 3, -1, 0 } };

	for (uint64_t i = 0; i < n; i += 2) {
		if (semop(a->id, up, 4) == -1 || semop(a->id, down, 4) == -1)
			die("semop of four");
	}
}

static double run_four(double ms)
{
	struct alone a = { .id = set_new(4), .flags = 0 };
	double ns = measure(ms, body_four, &a);

	set_free(a.id);
	return ns;
}

static void body_nowait(void *context, uint64_t n)
{
	const struct alone *a = context;
	struct sembuf op = { 0, -1, IPC_NOWAIT };

	for (uint64_t i = 0; i < n; i++) {
		if (semop(a->id, &op, 1) != -1 || errno != EAGAIN)
			die("semop that should fail");
	}
}

static double run_nowait(double ms)
{
	struct alone a = { .id = set_new(1), .flags = 0 };
	double ns = measure(ms, body_nowait, &a);

	set_free(a.id);
	return ns;
}

static void body_getval(void *context, uint64_t n)
{
	const struct alone *a = context;

	for (uint64_t i = 0; i < n; i++) {
		if (semctl(a->id, 0, GETVAL) != 0)
			die("semctl GETVAL");
	}
}

static double run_getval(double ms)
{
	struct alone a = { .id = set_new(1), .flags = 0 };
	double ns = measure(ms, body_getval, &a);

	set_free(a.id);
	return ns;
}

/* --- mutex: lock, add, unlock ------------------------------------------------------------------------ */

struct mutex_count {
	_Alignas(128) _Atomic uint64_t n;
};

struct mutex {
	_Alignas(128) volatile uint64_t guarded; /* not atomic: the lock has to do it */
	_Alignas(128) atomic_int go;
	atomic_int ready;
	atomic_int next;
	int id;
	unsigned n_cpus;
	struct mutex_count counts[MUTEX_MAX];
};

static void mutex_child(void *context)
{
	struct mutex *m = context;
	int index = atomic_fetch_add(&m->next, 1);
	uint64_t n = 0;

	cpu_pin((unsigned)index % m->n_cpus);
	add(m->id, 0, -1, 0); /* the first call makes the connection */
	add(m->id, 0, 1, 0);
	atomic_fetch_add(&m->ready, 1);
	while (atomic_load(&m->go) == 0)
		(void)sched_yield(); /* cannot fail */
	while (atomic_load_explicit(&m->go, memory_order_relaxed) == 1) {
		add(m->id, 0, -1, 0);
		m->guarded = m->guarded + 1;
		add(m->id, 0, 1, 0);
		atomic_store_explicit(&m->counts[index].n, ++n, memory_order_relaxed);
	}
}

static uint64_t mutex_sum(const struct mutex *m, int n)
{
	uint64_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += atomic_load(&m->counts[i].n);
	return sum;
}

static void sleep_ms(double ms)
{
	struct timespec pause = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms * 1e6) % 1000000000 };

	(void)nanosleep(&pause, NULL); /* whoever calls measures the time */
}

static double run_mutex(double ms, int n, unsigned n_cpus)
{
	struct mutex *m = shared_new(sizeof(*m));
	pid_t children[MUTEX_MAX];
	double per[MUTEX_SLICES];
	double ns;

	m->id = set_new(1);
	m->n_cpus = n_cpus;
	add(m->id, 0, 1, 0);
	for (int i = 0; i < n; i++)
		children[i] = child_start(mutex_child, m);
	while (atomic_load(&m->ready) < n)
		sleep_ms(0.1);
	atomic_store(&m->go, 1);
	sleep_ms(ms / MUTEX_SLICES);
	for (int i = 0; i < MUTEX_SLICES; i++) {
		uint64_t before = mutex_sum(m, n);
		uint64_t start = now_ns();

		sleep_ms(ms / MUTEX_SLICES);
		/* One more, as there may have been none. */
		per[i] = (double)(now_ns() - start) / (double)(mutex_sum(m, n) - before + 1);
	}
	ns = lower_quartile(per, MUTEX_SLICES);
	atomic_store(&m->go, 2);
	for (int i = 0; i < n; i++)
		child_wait(children[i]);
	if (m->guarded != mutex_sum(m, n)) {
		errno = EINVAL;
		die("the mutex let two in");
	}
	set_free(m->id);
	return ns;
}

static double run_mutex_2_one(double ms)
{
	return run_mutex(ms, 2, 1);
}

static double run_mutex_2_two(double ms)
{
	return run_mutex(ms, 2, 2);
}

static double run_mutex_8_one(double ms)
{
	return run_mutex(ms, MUTEX_MAX, 1);
}

static double run_mutex_8_two(double ms)
{
	return run_mutex(ms, MUTEX_MAX, 2);
}

/* --- ping-pong --------------------------------------------------------------------------------------- */

struct pair {
	_Alignas(128) atomic_uint ping;
	_Alignas(128) atomic_uint pong;
	int id;
	unsigned cpu;
};

static void pong_semop(void *context)
{
	const struct pair *p = context;

	cpu_pin(p->cpu);
	for (;;) {
		add(p->id, 0, -1, 0);
		add(p->id, 1, 1, 0);
	}
}

static void body_ping_semop(void *context, uint64_t n)
{
	const struct pair *p = context;

	for (uint64_t i = 0; i < n; i += 2) {
		add(p->id, 0, 1, 0);
		add(p->id, 1, -1, 0);
	}
}

static double run_pair(double ms, unsigned cpu, void (*pong)(void *context), void (*ping)(void *context, uint64_t n))
{
	struct pair *p = shared_new(sizeof(*p));
	pid_t child;
	double ns;

	p->id = set_new(2);
	p->cpu = cpu;
	child = child_start(pong, p);
	ping(p, PAIR_WARM_UP); /* until the child runs, a hand-off takes as long as its start */
	ns = measure(ms, ping, p);
	child_kill(child);
	set_free(p->id);
	return ns;
}

static double run_ping_two(double ms)
{
	return run_pair(ms, 1, pong_semop, body_ping_semop);
}

static double run_ping_one(double ms)
{
	return run_pair(ms, 0, pong_semop, body_ping_semop);
}

static void futex_post(atomic_uint *word)
{
	atomic_store(word, 1);
	if (syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) == -1)
		die("futex wake");
}

static void futex_take(atomic_uint *word)
{
	while (atomic_load(word) == 0) {
		if (syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0) == -1 && errno != EAGAIN && errno != EINTR)
			die("futex wait");
	}
	atomic_store(word, 0);
}

static void pong_futex(void *context)
{
	struct pair *p = context;

	cpu_pin(p->cpu);
	for (;;) {
		futex_take(&p->ping);
		futex_post(&p->pong);
	}
}

static void body_ping_futex(void *context, uint64_t n)
{
	struct pair *p = context;

	for (uint64_t i = 0; i < n; i += 2) {
		futex_post(&p->ping);
		futex_take(&p->pong);
	}
}

static double run_futex_two(double ms)
{
	return run_pair(ms, 1, pong_futex, body_ping_futex);
}

static double run_futex_one(double ms)
{
	return run_pair(ms, 0, pong_futex, body_ping_futex);
}

/* --- a set full of sleepers -------------------------------------------------------------------------- */

struct sleeper {
	int id;
	int semaphore;
};

static void *sleeper_thread(void *context)
{
	const struct sleeper *s = context;
	struct sembuf op = { .sem_num = (unsigned short)s->semaphore, .sem_op = -1, .sem_flg = 0 };

	if (semop(s->id, &op, 1) != -1 || (errno != EIDRM && errno != EINTR))
		die("semop of a sleeper");
	return NULL;
}

/* Threads: what counts is that the set knows a thousand sleepers. */
static void sleepers_child(void *context)
{
	static struct sleeper sleepers[SLEEPERS];
	pthread_t threads[SLEEPERS];
	pthread_attr_t attr;

	cpu_pin(1);
	if ((errno = pthread_attr_init(&attr)) != 0 ||
	    (errno = pthread_attr_setstacksize(&attr, STACK_SIZE)) != 0)
		die("pthread_attr");
	for (int i = 0; i < SLEEPERS; i++) {
		sleepers[i] = (struct sleeper){ .id = *(const int *)context, .semaphore = 1 + i % (SET_LARGE - 1) };
		if ((errno = pthread_create(&threads[i], &attr, sleeper_thread, &sleepers[i])) != 0)
			die("pthread_create");
	}
	for (int i = 0; i < SLEEPERS; i++)
		(void)pthread_join(threads[i], NULL); /* they end when the set is removed */
}

static int sleepers_count(int id)
{
	int sum = 0;

	for (int i = 1; i < SET_LARGE; i++) {
		int n = semctl(id, i, GETNCNT);

		if (n == -1)
			die("semctl GETNCNT");
		sum += n;
	}
	return sum;
}

static double run_sleepers(double ms)
{
	struct alone a = { .id = set_new(SET_LARGE), .flags = 0 };
	pid_t child = child_start(sleepers_child, &a.id);
	double ns;

	while (sleepers_count(a.id) < SLEEPERS)
		sleep_ms(1);
	ns = measure(ms, body_up_down, &a);
	if (sleepers_count(a.id) != SLEEPERS) {
		errno = EINVAL;
		die("a sleeper went");
	}
	set_free(a.id);
	child_wait(child);
	return ns;
}

const struct bench_case bench_sem_cases[] = {
	{ "sem", "semop +1/-1, one process", "call", 25, NULL, 0, ON_ONE, run_plain },
	{ "sem-undo", "semop with SEM_UNDO", "call", 10, NULL, 0, ON_ONE, run_undo },
	{ "sem-four", "semop of 4 semaphores", "call", 6, NULL, 0, ON_ONE, run_four },
	{ "sem-nowait", "semop that fails with EAGAIN", "call", 25, NULL, 0, ON_ONE, run_nowait },
	{ "sem-getval", "semctl GETVAL", "call", 10, NULL, 0, ON_ONE, run_getval },
	{ "mutex-2", "mutex, 2 processes, one CPU", "lock+unlock", 4, NULL, 0, ON_ONE, run_mutex_2_one },
	{ "mutex-8", "mutex, 8 processes, one CPU", "lock+unlock", 4, NULL, 0, ON_ONE, run_mutex_8_one },
	{ "mutex-2-2cpu", "mutex, 2 processes, two CPUs", "lock+unlock", 4, NULL, 0, ON_TWO, run_mutex_2_two },
	{ "mutex-8-2cpu", "mutex, 8 processes, two CPUs", "lock+unlock", 4, NULL, 0, ON_TWO, run_mutex_8_two },
	{ "ping-2cpu", "semop ping-pong, two CPUs", "hand-off", 1, "futex-2cpu", 0, ON_TWO, run_ping_two },
	{ "futex-2cpu", "bare futex ping-pong, two CPUs", "hand-off", 0, NULL, 0, ON_TWO, run_futex_two },
	{ "ping-1cpu", "semop ping-pong, one CPU", "hand-off", 1, "futex-1cpu", 0, ON_ONE, run_ping_one },
	{ "futex-1cpu", "bare futex ping-pong, one CPU", "hand-off", 0, NULL, 0, ON_ONE, run_futex_one },
	{ "sem-of-1000", "semop, 1 of 1,000 semaphores", "call", 0, NULL, 0, ON_ONE, run_of_1000 },
	{ "sem-sleepers", "the same beside 1,000 sleepers", "call", 0, "sem-of-1000", 2, ON_ONE, run_sleepers },
	{ NULL, NULL, NULL, 0, NULL, 0, ON_ONE, NULL },
};

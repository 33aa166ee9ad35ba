/* conform-odd.c: calls in handlers, jumps out of calls, forks and cancellations among threads. */
#include "conform-memory.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <sys/syscall.h>
#include <sys/time.h>

/* As many as there is time for on a busy machine, and at least JUMPS_MIN. */
#define JUMPS 10000
#define JUMPS_MIN 300
#define HANDLER_CALLS 20000
#define STORM_SECONDS 6
#define THREADS 4
#define CHILDREN 50

/* --- timers and jumps --- */

static sigjmp_buf jump_to;
static volatile sig_atomic_t jump_wanted;
static volatile int handler_id;
static volatile long handler_calls;
static volatile long handler_failures;

/* Once, after so many microseconds. */
static void timer_once(long microseconds)
{
	struct itimerval timer = { { 0, 0 }, { 0, microseconds } };

	(void)setitimer(ITIMER_REAL, &timer, NULL);
}

/* True from STORM_SECONDS after the first time it is asked. */
static bool is_late(void)
{
	static time_t end;
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	if (end == 0)
		end = now.tv_sec + STORM_SECONDS;
	return now.tv_sec >= end;
}

static void timer_every(long microseconds)
{
	struct itimerval timer = { { 0, microseconds }, { 0, microseconds } };

	(void)setitimer(ITIMER_REAL, &timer, NULL);
}

static void on_alarm(void (*function)(int))
{
	struct sigaction action = { .sa_handler = function, .sa_flags = SA_RESTART };

	MUST(sigaction(SIGALRM, &action, NULL));
}

static void jump(int sig)
{
	(void)sig;
	if (jump_wanted) {
		jump_wanted = 0;
		siglongjmp(jump_to, 1);
	}
}

/* Calls body until a timer's handler jumps out of it, and again: so many times. */
static void jump_out_of(void (*body)(int), int id, int times)
{
	volatile unsigned int random = 12345;
	volatile int done = 0;

	on_alarm(jump);
	while (done < times && !is_late()) {
		if (sigsetjmp(jump_to, 1) != 0) {
			done++;
			continue;
		}
		random = random * 1103515245 + 12345;
		jump_wanted = 1;
		timer_once(1 + (long)(random >> 16) % 60);
		for (;;)
			body(id);
	}
	timer_once(0);
	put(" %s", done >= JUMPS_MIN || done == times ? "jumped" : "too few jumps");
}

static void wait_for_unit(int id)
{
	(void)OPS(id, { 0, -1, 0 });
}

/* One unit moves; wherever it is left, there is one. */
static void move_unit(int id)
{
	(void)OPS(id, { 0, -1, IPC_NOWAIT }, { 1, 1, IPC_NOWAIT });
	(void)OPS(id, { 1, -1, IPC_NOWAIT }, { 0, 1, IPC_NOWAIT });
}

static void move_unit_with_undo(int id)
{
	(void)OPS(id, { 0, -1, IPC_NOWAIT | SEM_UNDO }, { 1, 1, IPC_NOWAIT | SEM_UNDO });
	(void)OPS(id, { 1, -1, IPC_NOWAIT | SEM_UNDO }, { 0, 1, IPC_NOWAIT | SEM_UNDO });
	(void)OPS(id, { 2, -1, IPC_NOWAIT | SEM_UNDO });
	(void)OPS(id, { 2, 1, IPC_NOWAIT | SEM_UNDO });
}

/* The set still works, and nobody stands in it. */
static void put_usable_sem(int id)
{
	put(" n%d z%d", sem_count(id, 0), sem_zcount(id, 0));
	put_ret(OPS(id, { 0, 1, 0 }));
	put_ret(OPS(id, { 0, -1, 0 }));
}

CASE("BLK-6", thousands_of_jumps_out_of_a_blocked_semop)
{
	int id = sem_new(1);

	jump_out_of(wait_for_unit, id, JUMPS);
	put(" %d", sem_value(id, 0));
	put_usable_sem(id);
	put_ret(OPS(id, { 0, -1, IPC_NOWAIT }));
}

CASE("BLK-6", thousands_of_jumps_out_of_a_running_semop)
{
	int id = sem_new(2);

	MUST(sem_set(id, 0, 1));
	jump_out_of(move_unit, id, JUMPS);
	put(" sum=%d", sem_value(id, 0) + sem_value(id, 1));
	put_usable_sem(id);
}

static void jump_and_exit(void *arg)
{
	jump_out_of(move_unit_with_undo, *(int *)arg, JUMPS);
}

CASE("UNDO-7", thousands_of_jumps_leave_the_adjustments_exact)
{
	int id = sem_new(3);

	MUST(sem_set(id, 0, 1));
	MUST(sem_set(id, 2, 3));
	child_run(jump_and_exit, &id);
	put(" %d %d %d", sem_value(id, 0), sem_value(id, 1), sem_value(id, 2));
	put_usable_sem(id);
}

static void wait_for_message(int id)
{
	struct message m;

	(void)msgrcv(id, &m, 10, 0, 0);
}

static void wait_for_room(int id)
{
	(void)msg_send(id, 1, 10, 0);
}

CASE("BLK-6", jumps_out_of_a_blocked_msgrcv_take_no_message)
{
	int id = msg_new();

	jump_out_of(wait_for_message, id, JUMPS / 5);
	put_ret(msg_send(id, 1, 5, 0));
	put(" %lu", msg_stat(id).msg_qnum);
	put_receive(id, 10, 0, IPC_NOWAIT);
}

CASE("BLK-6", jumps_out_of_a_blocked_msgsnd_send_nothing)
{
	int id = msg_new();

	MUST(msg_set_qbytes(id, 10));
	MUST(msg_send(id, 2, 10, 0));
	jump_out_of(wait_for_room, id, JUMPS / 5);
	put_receive(id, 10, 0, IPC_NOWAIT);
	put(" %lu", msg_stat(id).msg_qnum);
	put_ret(msg_send(id, 1, 5, IPC_NOWAIT));
	put_receive(id, 10, 0, IPC_NOWAIT);
}

static void send_and_receive(int id)
{
	struct message m;

	(void)msg_send(id, 1, 10, IPC_NOWAIT);
	(void)msgrcv(id, &m, 10, 0, IPC_NOWAIT);
}

/* What jumps left in the queue is taken out; then it is as new. */
static void put_usable_msg(int id)
{
	struct message m;
	unsigned long left = 0;

	while (msgrcv(id, &m, 10, 0, IPC_NOWAIT) == 10)
		left++;
	put(" %s", left * 10 <= msg_stat(id).msg_qbytes ? "bounded" : "too many");
	put(" %lu %lu", msg_stat(id).msg_qnum, msg_stat(id).__msg_cbytes);
	put_ret(msg_send(id, 1, 5, IPC_NOWAIT));
	put_receive(id, 10, 0, IPC_NOWAIT);
}

CASE("BLK-6", jumps_out_of_running_message_calls_leave_the_queue_whole)
{
	int id = msg_new();

	jump_out_of(send_and_receive, id, 150);
	put_usable_msg(id);
}

static void jump_and_use(void *arg)
{
	int id = *(int *)arg;

	jump_out_of(send_and_receive, id, JUMPS);
	(void)signal(SIGALRM, SIG_DFL);
	(void)alarm(2);
	send_and_receive(id);
	(void)alarm(0);
	put(" in time");
}

CASE("BLK-6", thousands_of_jumps_out_of_running_message_calls)
{
	int id = msg_new();

	child_run(jump_and_use, &id);
	put_usable_msg(id);
}

/* --- calls in handlers --- */

/* Posts to 0, and counts itself in 2; never blocks. */
static void count_in_handler(int sig)
{
	int saved = errno;

	(void)sig;
	if (OPS(handler_id, { 0, 1, 0 }, { 2, 1, 0 }) == -1)
		handler_failures = handler_failures + 1;
	handler_calls = handler_calls + 1;
	if (sem_value(handler_id, 2) != handler_calls)
		handler_failures = handler_failures + 1;
	errno = saved;
}

CASE("ABI-14", handlers_of_a_timer_count_into_a_loop_of_semop)
{
	int id = sem_new(3);
	long failures = 0;

	handler_id = id;
	MUST(sem_set(id, 1, 1000));
	on_alarm(count_in_handler);
	timer_every(50);
	while (handler_calls < HANDLER_CALLS && !is_late()) {
		if (OPS(id, { 0, 1, SEM_UNDO }, { 1, -1, SEM_UNDO }) == -1)
			failures++;
		if (OPS(id, { 0, 2, 0 }) == -1 || OPS(id, { 0, -2, 0 }) == -1)
			failures++;
		if (OPS(id, { 1, 1, SEM_UNDO }, { 0, -1, SEM_UNDO }) == -1)
			failures++;
	}
	timer_once(0);
	put(" failures=%ld,%ld", failures, handler_failures);
	put(" %s %d", sem_value(id, 0) == handler_calls ? "same" : "differs", sem_value(id, 1));
	put(" %s", sem_value(id, 2) == handler_calls ? "same" : "differs");
}

static void message_in_handler(int sig)
{
	struct message m;
	int saved = errno;

	(void)sig;
	handler_calls = handler_calls + 1;
	if (msg_send(handler_id, 2, 7, IPC_NOWAIT) == -1 ||
	    msgrcv(handler_id, &m, 10, 2, IPC_NOWAIT) != 7)
		handler_failures = handler_failures + 1;
	errno = saved;
}

CASE("ABI-14", handlers_of_a_timer_send_and_receive_in_a_loop_of_messages)
{
	struct message m;
	int id = msg_new();
	long failures = 0;

	handler_id = id;
	on_alarm(message_in_handler);
	timer_every(50);
	while (handler_calls < HANDLER_CALLS / 2 && !is_late()) {
		if (msg_send(id, 1, 5, 0) == -1 || msgrcv(id, &m, 10, 1, 0) != 5)
			failures++;
	}
	timer_once(0);
	put(" failures=%ld,%ld %lu", failures, handler_failures, msg_stat(id).msg_qnum);
}

static void attach_in_handler(int sig)
{
	int saved = errno;
	void *at = shmat(handler_id, NULL, 0);
	int id = semget(IPC_PRIVATE, 1, 0600);

	(void)sig;
	handler_calls = handler_calls + 1;
	if (at == (void *)-1 || shmdt(at) == -1)
		handler_failures = handler_failures + 1;
	if (id == -1 || semctl(id, 0, IPC_RMID) == -1)
		handler_failures = handler_failures + 1;
	errno = saved;
}

CASE("ABI-14", handlers_of_a_timer_attach_and_create_while_the_program_does)
{
	int id = shm_new(PAGE);
	long failures = 0;

	handler_id = id;
	on_alarm(attach_in_handler);
	timer_every(1000);
	while (handler_calls < 500 && !is_late()) {
		void *at = shmat(id, NULL, 0);
		int other = msgget(IPC_PRIVATE, 0600);

		if (at == (void *)-1 || shmdt(at) == -1)
			failures++;
		if (other == -1 || msgctl(other, IPC_RMID, NULL) == -1)
			failures++;
	}
	timer_once(0);
	put(" failures=%ld,%ld nattch=%lu", failures, handler_failures, shm_nattch(id));
}

static void post_in_handler(int sig)
{
	int saved = errno;

	(void)sig;
	put_ret(OPS(handler_id, { 0, 1, 0 }));
	put(" n%d", sem_count(handler_id, 0));
	errno = saved;
}

static void send_in_handler(int sig)
{
	int saved = errno;

	(void)sig;
	put_ret(msg_send(handler_id, 1, 4, 0));
	errno = saved;
}

static void receive_in_handler(int sig)
{
	int saved = errno;

	(void)sig;
	put_receive(handler_id, 10, 0, IPC_NOWAIT);
	errno = saved;
}

static void handle_with(void (*function)(int))
{
	struct sigaction action = { .sa_handler = function, .sa_flags = SA_RESTART };

	MUST(sigaction(SIGUSR1, &action, NULL));
}

static void prepare_post(void)
{
	handle_with(post_in_handler);
}

static void prepare_send(void)
{
	handle_with(send_in_handler);
}

static void prepare_receive(void)
{
	handle_with(receive_in_handler);
}

CASE("ABI-14", handler_posts_what_the_interrupted_semop_waits_for)
{
	struct sleeper s;
	int id = sem_new(1);

	handler_id = id;
	sleeper_prepare = prepare_post;
	s = OPS_SLEEP(id, { 0, -1, 0 });
	sleeper_settle(s);
	(void)kill(s.pid, SIGUSR1);
	put_sleeper_end(s);
	put_sem(id);
}

CASE("ABI-14", handler_sends_what_the_interrupted_msgrcv_waits_for)
{
	struct sleeper s;
	int id = msg_new();

	handler_id = id;
	sleeper_prepare = prepare_send;
	s = msgrcv_sleep(id, 10, 0, 0);
	(void)kill(s.pid, SIGUSR1);
	put_sleeper_end(s);
	put_receive(id, 10, 0, IPC_NOWAIT);
}

CASE("ABI-14", handler_makes_the_room_the_interrupted_msgsnd_waits_for)
{
	struct sleeper s;
	int id = msg_new();

	MUST(msg_set_qbytes(id, 10));
	MUST(msg_send(id, 1, 10, 0));
	handler_id = id;
	sleeper_prepare = prepare_receive;
	s = msgsnd_sleep(id, 2, 5);
	(void)kill(s.pid, SIGUSR1);
	put_sleeper_end(s);
	put_msg(id);
}

static void block_in_handler(int sig)
{
	int saved = errno;

	(void)sig;
	put_ret(OPS(handler_id, { 1, -1, 0 }));
	put(" n%d n%d", sem_count(handler_id, 0), sem_count(handler_id, 1));
	errno = saved;
}

static void prepare_block(void)
{
	handle_with(block_in_handler);
}

CASE("ABI-14", handler_sleeps_itself_and_the_interrupted_call_is_gone_meanwhile)
{
	struct sleeper s;
	int id = sem_new(2);

	handler_id = id;
	sleeper_prepare = prepare_block;
	s = OPS_SLEEP(id, { 0, -1, 0 });
	sleeper_settle(s);
	(void)kill(s.pid, SIGUSR1);
	while (sem_count(id, 1) == 0)
		nap(500);
	put(" n%d", sem_count(id, 0));
	MUST(OPS(id, { 0, 1, 0 }));
	put(" %d", sem_value(id, 0));
	MUST(OPS(id, { 1, 1, 0 }));
	put_sleeper_end(s);
	put_sem(id);
}

/* --- threads --- */

struct worker {
	int sem;
	int msg;
	int shm;
	pid_t tid;
	volatile int started;
	long failures;
	long result;
};

static volatile int workers_stop;

/* Until told to stop; every call leaves things as they were. */
static void *work(void *arg)
{
	struct worker *w = arg;
	struct message m;

	w->started = 1;
	while (!workers_stop) {
		if (OPS(w->sem, { 0, -1, SEM_UNDO }, { 1, 1, SEM_UNDO }) == -1)
			w->failures++;
		if (OPS(w->sem, { 1, -1, SEM_UNDO }, { 0, 1, SEM_UNDO }) == -1)
			w->failures++;
		if (w->msg >= 0 && (msg_send(w->msg, 1, 5, 0) == -1 || msgrcv(w->msg, &m, 10, 1, 0) != 5))
			w->failures++;
		if (w->shm >= 0) {
			void *at = shmat(w->shm, NULL, 0);
			int id = semget(IPC_PRIVATE, 1, 0600);

			if (at == (void *)-1 || shmdt(at) == -1)
				w->failures++;
			if (id == -1 || semctl(id, 0, IPC_RMID) == -1)
				w->failures++;
		}
	}
	return NULL;
}

static void workers_start(pthread_t *threads, struct worker *workers, const struct worker *like)
{
	int i;

	for (i = 0; i < THREADS; i++) {
		workers[i] = *like;
		(void)pthread_create(&threads[i], NULL, work, &workers[i]);
		while (!workers[i].started)
			nap(200);
	}
}

static void workers_end(const pthread_t *threads, const struct worker *workers)
{
	long failures = 0;
	int i;

	workers_stop = 1;
	for (i = 0; i < THREADS; i++) {
		(void)pthread_join(threads[i], NULL);
		failures += workers[i].failures;
	}
	put(" failures=%ld", failures);
}

/* A child's calls on everything there is; exits with 0 if all went well. */
static void child_calls(const struct worker *w)
{
	struct message m;
	bool good = true;
	void *at = shmat(w->shm, NULL, 0);
	int id = msgget(IPC_PRIVATE, 0600);

	good = good && OPS(w->sem, { 2, 1, 0 }) == 0;
	good = good && OPS(w->sem, { 3, 1, SEM_UNDO }) == 0;
	good = good && msg_send(w->msg, 2, 7, 0) == 0;
	good = good && msgrcv(w->msg, &m, 10, 2, 0) == 7;
	good = good && at != (void *)-1 && shmdt(at) == 0;
	good = good && id != -1 && msgctl(id, IPC_RMID, NULL) == 0;
	_exit(good ? 0 : 1);
}

/* Children made while other threads are in the middle of their calls. */
static void forks_under_threads(pid_t (*make)(void))
{
	struct worker like = { .sem = sem_new(4), .msg = msg_new(), .shm = shm_new(PAGE) };
	struct worker workers[THREADS];
	pthread_t threads[THREADS];
	int bad = 0;
	int i;

	MUST(sem_set(like.sem, 0, 1));
	workers_start(threads, workers, &like);
	for (i = 0; i < CHILDREN; i++) {
		pid_t pid = make();

		MUST(pid);
		if (pid == 0)
			child_calls(&like);
		if (child_wait(pid) != 0)
			bad++;
	}
	workers_end(threads, workers);
	put(" bad=%d nattch=%lu qnum=%lu", bad, shm_nattch(like.shm), msg_stat(like.msg).msg_qnum);
	put(" %d %d %d %d", sem_value(like.sem, 0), sem_value(like.sem, 1), sem_value(like.sem, 2),
	    sem_value(like.sem, 3));
}

CASE("OBS-13", fork_while_other_threads_are_inside_calls)
{
	forks_under_threads(fork);
}

CASE("OBS-13", bare_clone_while_other_threads_are_inside_calls)
{
	forks_under_threads(make_by_clone_number);
}

CASE("OBS-13", unseen_clone_while_other_threads_are_inside_calls)
{
	forks_under_threads(make_by_instruction);
}

CASE("OBS-13", bare_fork_while_other_threads_are_inside_calls)
{
	forks_under_threads(make_by_fork_number);
}

static void *undo_and_stay(void *arg)
{
	struct worker *w = arg;
	int i;

	for (i = 0; i < 1000; i++) {
		if (OPS(w->sem, { 0, 2, SEM_UNDO }) == -1 || OPS(w->sem, { 0, -1, SEM_UNDO }) == -1)
			w->failures++;
	}
	return NULL;
}

static void threads_with_undo(void *arg)
{
	struct worker w[THREADS] = { { .sem = *(int *)arg }, { .sem = *(int *)arg },
				     { .sem = *(int *)arg }, { .sem = *(int *)arg } };
	pthread_t threads[THREADS];
	long failures = 0;
	int i;

	for (i = 0; i < THREADS; i++)
		(void)pthread_create(&threads[i], NULL, undo_and_stay, &w[i]);
	for (i = 0; i < THREADS; i++) {
		(void)pthread_join(threads[i], NULL);
		failures += w[i].failures;
	}
	put(" failures=%ld %d", failures, sem_value(w[0].sem, 0));
}

CASE("UNDO-3", threads_at_once_share_one_list)
{
	int id = sem_new(1);

	MUST(sem_set(id, 0, 7));
	child_run(threads_with_undo, &id);
	put(" %d", sem_value(id, 0));
}

CASE("SEM-17", threads_at_once_lose_no_unit)
{
	struct worker like = { .sem = sem_new(2), .msg = msg_new(), .shm = -1 };
	struct worker workers[THREADS];
	pthread_t threads[THREADS];

	MUST(sem_set(like.sem, 0, 2));
	workers_start(threads, workers, &like);
	nap(300000);
	workers_end(threads, workers);
	put(" %d %d n%d", sem_value(like.sem, 0), sem_value(like.sem, 1), sem_count(like.sem, 0));
	put(" %lu", msg_stat(like.msg).msg_qnum);
}

/* --- cancelled threads --- */

static void *cancel_semop(void *arg)
{
	struct worker *w = arg;

	w->tid = (pid_t)syscall(SYS_gettid);
	w->started = 1;
	w->result = OPS(w->sem, { 0, -1, SEM_UNDO });
	pthread_testcancel();
	return NULL;
}

static void *cancel_msgrcv(void *arg)
{
	struct worker *w = arg;
	struct message m;

	w->tid = (pid_t)syscall(SYS_gettid);
	w->started = 1;
	w->result = msgrcv(w->msg, &m, 10, 0, 0);
	return NULL;
}

static void *cancel_msgsnd(void *arg)
{
	struct worker *w = arg;

	w->tid = (pid_t)syscall(SYS_gettid);
	w->started = 1;
	w->result = msg_send(w->msg, 1, 10, 0);
	return NULL;
}

static pthread_t cancel_start(void *(*body)(void *), struct worker *w, bool until_asleep)
{
	pthread_t thread;

	w->started = 0;
	(void)pthread_create(&thread, NULL, body, w);
	while (!w->started)
		(void)sched_yield();
	if (until_asleep)
		await_thread_asleep(w->tid);
	return thread;
}

static const char *cancel_end(pthread_t thread)
{
	void *result = NULL;

	(void)pthread_join(thread, &result);
	return result == PTHREAD_CANCELED ? "cancelled" : "returned";
}

CASE("ABI-12", cancelled_thread_finishes_its_semop_and_undo_counts)
{
	struct worker w = { .sem = sem_new(1) };
	pthread_t thread = cancel_start(cancel_semop, &w, true);

	(void)pthread_cancel(thread);
	await_thread_asleep(w.tid);
	put(" n%d", sem_count(w.sem, 0));
	MUST(OPS(w.sem, { 0, 3, 0 }));
	put(" %s %ld", cancel_end(thread), w.result);
	put_sem(w.sem);
}

CASE("ABI-12", cancelled_sender_sends_nothing)
{
	struct worker w = { .msg = msg_new() };
	pthread_t thread;

	MUST(msg_set_qbytes(w.msg, 10));
	MUST(msg_send(w.msg, 2, 10, 0));
	thread = cancel_start(cancel_msgsnd, &w, true);
	(void)pthread_cancel(thread);
	put(" %s", cancel_end(thread));
	put_receive(w.msg, 10, 0, 0);
	put_msg(w.msg);
}

CASE("ABI-12", pending_cancellation_acts_in_msgrcv_and_not_in_semop)
{
	struct worker w = { .sem = sem_new(1), .msg = msg_new() };
	int cancelled = 0;
	int i;

	for (i = 0; i < 300; i++) {
		pthread_t thread = cancel_start(cancel_msgrcv, &w, false);

		(void)pthread_cancel(thread);
		cancelled += cancel_end(thread)[0] == 'c';
	}
	put(" receivers=%d", cancelled);
	MUST(msg_send(w.msg, 1, 5, 0));
	put(" %lu", msg_stat(w.msg).msg_qnum);
	put_receive(w.msg, 10, 0, IPC_NOWAIT);
	for (i = 0; i < 300; i++) {
		pthread_t thread = cancel_start(cancel_semop, &w, false);

		(void)pthread_cancel(thread);
		MUST(OPS(w.sem, { 0, 1, 0 }));
		(void)cancel_end(thread);
	}
	put(" %d n%d", sem_value(w.sem, 0), sem_count(w.sem, 0));
}

CASE("ABI-12", pending_cancellation_acts_in_msgsnd)
{
	struct worker w = { .msg = msg_new() };
	int cancelled = 0;
	int i;

	MUST(msg_set_qbytes(w.msg, 10));
	MUST(msg_send(w.msg, 2, 10, 0));
	for (i = 0; i < 300; i++) {
		pthread_t thread = cancel_start(cancel_msgsnd, &w, false);

		(void)pthread_cancel(thread);
		cancelled += cancel_end(thread)[0] == 'c';
	}
	put(" senders=%d", cancelled);
	put_receive(w.msg, 10, 0, IPC_NOWAIT);
	put(" %lu", msg_stat(w.msg).msg_qnum);
}

/* conform-blk.c: signals, stop and continue, time-outs, cancellation. */
#include "conform.h"

#include <pthread.h>
#include <setjmp.h>
#include <sys/syscall.h>

static void handler(int sig)
{
	(void)sig;
}

static void handle(int sig, int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	MUST(sigaction(sig, &action, NULL));
}

static void prepare_handler(void)
{
	handle(SIGUSR1, 0);
}

static void prepare_restart_handler(void)
{
	handle(SIGUSR1, SA_RESTART);
}

static void prepare_ignore(void)
{
	(void)signal(SIGUSR1, SIG_IGN);
}

static void prepare_blocked(void)
{
	sigset_t set;

	handle(SIGUSR1, 0);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

static void prepare_pending(void)
{
	prepare_blocked();
	(void)raise(SIGUSR1);
}

/* A queue that is full: a message of 10 in 10 bytes. */
static int full_queue(void)
{
	int id = msg_new();

	MUST(msg_set_qbytes(id, 10));
	MUST(msg_send(id, 1, 10, 0));
	return id;
}

static long elapsed_ms(const struct timespec *start)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - start->tv_sec) * 1000 + (now.tv_nsec - start->tv_nsec) / 1000000;
}

/* --- handlers --- */

CASE("BLK-1", semop_is_interrupted_by_a_handler)
{
	int id = sem_new(1);
	struct sleeper s;

	sleeper_prepare = prepare_handler;
	s = OPS_SLEEP(id, { 0, -1, 0 });
	sleeper_settle(s);
	(void)kill(s.pid, SIGUSR1);
	put_sleeper_end(s);
	put_sem(id);
}

CASE("BLK-1", semop_is_not_restarted_by_sa_restart)
{
	int id = sem_new(1);
	struct sleeper s;

	sleeper_prepare = prepare_restart_handler;
	s = OPS_SLEEP(id, { 0, -1, 0 });
	sleeper_settle(s);
	(void)kill(s.pid, SIGUSR1);
	put_sleeper_end(s);
	put_sem(id);
}

CASE("BLK-1", msgrcv_is_not_restarted_by_sa_restart)
{
	int id = msg_new();
	struct sleeper s;

	sleeper_prepare = prepare_restart_handler;
	s = msgrcv_sleep(id, 10, 0, 0);
	(void)kill(s.pid, SIGUSR1);
	put_sleeper_end(s);
	put_msg(id);
}

CASE("BLK-1", msgsnd_is_not_restarted_by_sa_restart)
{
	int id = full_queue();
	struct sleeper s;

	sleeper_prepare = prepare_restart_handler;
	s = msgsnd_sleep(id, 2, 5);
	(void)kill(s.pid, SIGUSR1);
	put_sleeper_end(s);
	put_msg(id);
}

CASE("MSG-10", interrupted_send_changes_nothing)
{
	int id = full_queue();
	struct sleeper s;

	mark_time();
	sleeper_prepare = prepare_handler;
	s = msgsnd_sleep(id, 2, 6);
	(void)kill(s.pid, SIGUSR1);
	put_sleeper_end(s);
	put_msg(id);
	put_receive(id, 10, 0, IPC_NOWAIT);
	put_receive(id, 10, 0, IPC_NOWAIT);
}

CASE("BLK-5", message_handed_off_wins_over_a_signal)
{
	int id = msg_new();
	int i;

	sleeper_prepare = prepare_handler;
	for (i = 0; i < 10; i++) {
		struct sleeper s = msgrcv_sleep(id, 10, 0, 0);

		MUST(msg_send(id, 1, 4, 0));
		(void)kill(s.pid, SIGUSR1);
		put_sleeper_end(s);
	}
	put_msg(id);
}

static struct message *watched;

static long receive_watched(void *arg)
{
	return msgrcv(*(int *)arg, watched, 100, 0, 0);
}

CASE("BLK-7", interrupted_receive_writes_nothing)
{
	int id = msg_new();
	struct sleeper s;
	size_t i = 0;

	watched = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(watched, 'z', sizeof(*watched));
	sleeper_prepare = prepare_handler;
	s = sleeper_start(receive_watched, &id);
	sleeper_settle(s);
	(void)kill(s.pid, SIGUSR1);
	put_sleeper_end(s);
	while (i < sizeof(*watched) && ((char *)watched)[i] == 'z')
		i++;
	put(" %s", i == sizeof(*watched) ? "untouched" : "written");
}

static long timed_semop(void *arg)
{
	struct timespec timeout = { 1000, 0 };
	struct sembuf op = { 0, -1, 0 };
	long result = semtimedop(*(int *)arg, &op, 1, &timeout);
	int error = errno;

	put(" left=%ld.%ld", (long)timeout.tv_sec, timeout.tv_nsec);
	errno = error;
	return result;
}

CASE("SEM-33", semtimedop_interrupted_leaves_the_timeout_alone)
{
	int id = sem_new(1);
	struct sleeper s;

	sleeper_prepare = prepare_restart_handler;
	s = sleeper_start(timed_semop, &id);
	while (sem_count(id, 0) == 0)
		nap(500);
	sleeper_settle(s);
	(void)kill(s.pid, SIGUSR1);
	put_sleeper_end(s);
	put(" n%d", sem_count(id, 0));
}

CASE("BLK-2", ignored_signal_does_not_interrupt)
{
	int sem = sem_new(1);
	int msg = msg_new();
	struct sleeper a;
	struct sleeper b;

	sleeper_prepare = prepare_ignore;
	a = OPS_SLEEP(sem, { 0, -1, 0 });
	b = msgrcv_sleep(msg, 10, 0, 0);
	(void)kill(a.pid, SIGUSR1);
	(void)kill(b.pid, SIGUSR1);
	sleeper_settle(a);
	sleeper_settle(b);
	put_sleeper_state(a);
	put_sleeper_state(b);
	MUST(OPS(sem, { 0, 1, 0 }));
	MUST(msg_send(msg, 1, 3, 0));
	put_sleeper_end(a);
	put_sleeper_end(b);
}

CASE("BLK-2", blocked_signal_does_not_interrupt)
{
	int sem = sem_new(1);
	int msg = msg_new();
	struct sleeper a;
	struct sleeper b;

	sleeper_prepare = prepare_blocked;
	a = OPS_SLEEP(sem, { 0, -1, 0 });
	b = msgrcv_sleep(msg, 10, 0, 0);
	(void)kill(a.pid, SIGUSR1);
	(void)kill(b.pid, SIGUSR1);
	sleeper_settle(a);
	sleeper_settle(b);
	put_sleeper_state(a);
	put_sleeper_state(b);
	MUST(OPS(sem, { 0, 1, 0 }));
	MUST(msg_send(msg, 1, 3, 0));
	put_sleeper_end(a);
	put_sleeper_end(b);
}

CASE("BLK-2", pending_blocked_signal_does_not_shorten_the_sleep)
{
	int id = sem_new(1);
	struct sleeper s;

	sleeper_prepare = prepare_pending;
	s = OPS_SLEEP(id, { 0, -1, 0 });
	sleeper_settle(s);
	put_sleeper_state(s);
	MUST(OPS(id, { 0, 1, 0 }));
	put_sleeper_end(s);
}

/* --- stop and continue --- */

static void stop(struct sleeper s)
{
	(void)kill(s.pid, SIGSTOP);
	await_state(s.pid, 'T');
}

CASE("BLK-3", semop_is_eintr_after_stop_and_continue)
{
	int id = sem_new(1);
	struct sleeper s = OPS_SLEEP(id, { 0, -1, 0 });

	sleeper_settle(s);
	stop(s);
	(void)kill(s.pid, SIGCONT);
	sleeper_settle(s);
	put_sleeper_state(s);
	MUST(OPS(id, { 0, 1, 0 }));
	put_sleeper_end(s);
	put_sem(id);
}

CASE("BLK-3", msgrcv_resumes_after_stop_and_continue)
{
	int id = msg_new();
	struct sleeper s = msgrcv_sleep(id, 10, 0, 0);

	stop(s);
	(void)kill(s.pid, SIGCONT);
	sleeper_settle(s);
	put_sleeper_state(s);
	MUST(msg_send(id, 1, 4, 0));
	put_sleeper_end(s);
}

CASE("BLK-3", msgsnd_resumes_after_stop_and_continue)
{
	int id = full_queue();
	struct sleeper s = msgsnd_sleep(id, 2, 5);

	stop(s);
	(void)kill(s.pid, SIGCONT);
	sleeper_settle(s);
	put_sleeper_state(s);
	put_receive(id, 10, 0, 0);
	put_sleeper_end(s);
}

CASE("BLK-4", unit_posted_to_a_stopped_sleeper_stays_available)
{
	int id = sem_new(1);
	struct sleeper s = OPS_SLEEP(id, { 0, -1, 0 });

	sleeper_settle(s);
	stop(s);
	put(" n%d", sem_count(id, 0));
	MUST(OPS(id, { 0, 1, 0 }));
	put(" %d", sem_value(id, 0));
	put_ret(OPS(id, { 0, -1, IPC_NOWAIT }));
	(void)kill(s.pid, SIGCONT);
	put_sleeper_end(s);
}

CASE("BLK-4", semop_is_eintr_though_it_could_now_proceed)
{
	int id = sem_new(1);
	struct sleeper s = OPS_SLEEP(id, { 0, -1, 0 });

	sleeper_settle(s);
	stop(s);
	MUST(OPS(id, { 0, 1, 0 }));
	(void)kill(s.pid, SIGCONT);
	put_sleeper_end(s);
	put(" %d", sem_value(id, 0));
}

CASE("BLK-4", message_sent_to_a_stopped_receiver_is_queued)
{
	int id = msg_new();
	struct sleeper s = msgrcv_sleep(id, 10, 0, 0);

	stop(s);
	MUST(msg_send(id, 1, 4, 0));
	put_msg(id);
	(void)kill(s.pid, SIGCONT);
	put_sleeper_end(s);
	put_msg(id);
}

CASE("BLK-4", other_sleepers_are_served_past_a_stopped_one)
{
	int id = sem_new(1);
	struct sleeper stopped = OPS_SLEEP(id, { 0, -1, 0 });
	struct sleeper s = OPS_SLEEP(id, { 0, -1, 0 });

	sleeper_settle(stopped);
	stop(stopped);
	MUST(OPS(id, { 0, 1, 0 }));
	sleeper_settle(s);
	put_sleeper_state(s);
	MUST(OPS(id, { 0, 1, 0 }));
	put_sleeper_end(s);
	(void)kill(stopped.pid, SIGCONT);
	sleeper_settle(stopped);
	put_sleeper_state(stopped);
	MUST(OPS(id, { 0, 1, 0 }));
	put_sleeper_end(stopped);
}

/* --- kill, jump, pending signals --- */

CASE("BLK-6", killed_sleepers_lose_nothing)
{
	int sem = sem_new(1);
	int msg = msg_new();
	struct sleeper a = OPS_SLEEP(sem, { 0, -1, SEM_UNDO });
	struct sleeper b = msgrcv_sleep(msg, 10, 0, 0);

	child_kill(a.pid);
	child_kill(b.pid);
	MUST(OPS(sem, { 0, 1, 0 }));
	MUST(msg_send(msg, 1, 4, 0));
	put_sem(sem);
	put_msg(msg);
}

CASE("BLK-6", killed_sender_sends_nothing)
{
	int id = full_queue();
	struct sleeper s = msgsnd_sleep(id, 2, 5);

	child_kill(s.pid);
	put_receive(id, 10, 0, 0);
	put_receive(id, 10, 0, IPC_NOWAIT);
}

static sigjmp_buf jump;

static void jump_handler(int sig)
{
	siglongjmp(jump, sig);
}

static long jump_out_of_semop(void *arg)
{
	struct sigaction action = { .sa_handler = jump_handler };
	int id = *(int *)arg;

	(void)sigaction(SIGUSR1, &action, NULL);
	if (sigsetjmp(jump, 1) == 0)
		return OPS(id, { 0, -1, 0 });
	/* The call that was left must not take anything; this one may. */
	return OPS(id, { 0, -1, IPC_NOWAIT });
}

CASE("BLK-6", sleeper_that_jumps_out_of_its_handler_is_gone)
{
	int id = sem_new(1);
	struct sleeper s = sleeper_start(jump_out_of_semop, &id);

	while (sem_count(id, 0) == 0)
		nap(500);
	sleeper_settle(s);
	(void)kill(s.pid, SIGUSR1);
	put_sleeper(s);
	put(" n%d", sem_count(id, 0));
	MUST(OPS(id, { 0, 1, 0 }));
	put(" %d", sem_value(id, 0));
	sleeper_end(s);
	put(" %d", sem_value(id, 0));
}

static long jump_out_of_msgrcv(void *arg)
{
	struct sigaction action = { .sa_handler = jump_handler };
	struct message m;
	int id = *(int *)arg;

	(void)sigaction(SIGUSR1, &action, NULL);
	if (sigsetjmp(jump, 1) == 0)
		return msgrcv(id, &m, 10, 5, 0);
	return msgrcv(id, &m, 10, 5, IPC_NOWAIT);
}

CASE("BLK-6", receiver_that_jumps_out_of_its_handler_is_gone)
{
	int id = msg_new();
	struct sleeper s = sleeper_start(jump_out_of_msgrcv, &id);

	sleeper_settle(s);
	(void)kill(s.pid, SIGUSR1);
	put_sleeper(s);
	MUST(msg_send(id, 5, 3, 0));
	put_receive(id, 10, 0, IPC_NOWAIT);
	sleeper_end(s);
}

CASE("BLK-8", call_that_can_proceed_ignores_pending_signals)
{
	int id = sem_new(1);
	int msg = msg_new();
	sigset_t set;

	prepare_pending();
	put_ret(OPS(id, { 0, 1, 0 }));
	put_ret(OPS(id, { 0, -1, 0 }));
	put_ret(msg_send(msg, 1, 2, 0));
	put_receive(msg, 10, 0, 0);
	(void)sigpending(&set);
	put(" %d", sigismember(&set, SIGUSR1));
}

/* --- time-outs --- */

CASE("SEM-29", null_timeout_is_semop)
{
	struct sembuf op = { 0, 1, 0 };
	int id = sem_new(1);

	put_ret(semtimedop(id, &op, 1, NULL));
	op.sem_op = 0;
	op.sem_flg = IPC_NOWAIT;
	put_ret(semtimedop(id, &op, 1, NULL));
}

CASE("SEM-29", timeout_ends_with_eagain_and_never_early)
{
	struct timespec timeout = { 0, 60000000 };
	struct sembuf op = { 0, -1, 0 };
	struct timespec start;
	int id = sem_new(1);
	long took;

	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	put_ret(semtimedop(id, &op, 1, &timeout));
	took = elapsed_ms(&start);
	put(" %s", took < 60 ? "early" : took > 5000 ? "late" : "in time");
	put(" timeout=%ld.%09ld", (long)timeout.tv_sec, timeout.tv_nsec);
	put_sem(id);
}

CASE("SEM-31", zero_timeout_does_not_sleep)
{
	struct timespec timeout = { 0, 0 };
	struct sembuf op = { 0, -1, 0 };
	int id = sem_new(1);

	put_ret(semtimedop(id, &op, 1, &timeout));
	op.sem_op = 1;
	put_ret(semtimedop(id, &op, 1, &timeout));
	put(" %d", sem_value(id, 0));
}

static long practically_for_ever(void *arg)
{
	struct timespec timeout = { LONG_MAX, 999999999 };
	struct sembuf op = { 0, -1, 0 };

	return semtimedop(*(int *)arg, &op, 1, &timeout);
}

CASE("SEM-32", largest_timeout_is_practically_never)
{
	int id = sem_new(1);
	struct sleeper s = sleeper_start(practically_for_ever, &id);

	while (sem_count(id, 0) == 0 && !sleeper_is_done(s))
		nap(500);
	sleeper_settle(s);
	put_sleeper_state(s);
	MUST(OPS(id, { 0, 1, 0 }));
	put_sleeper_end(s);
}

CASE("SEM-34", nowait_beats_the_timeout)
{
	struct timespec timeout = { 1000, 0 };
	struct sembuf op = { 0, -1, IPC_NOWAIT };

	put_ret(semtimedop(sem_new(1), &op, 1, &timeout));
}

static long sleep_twenty_seconds(void *arg)
{
	struct timespec timeout = { 20, 0 };
	struct sembuf op = { 0, -1, 0 };

	return semtimedop(*(int *)arg, &op, 1, &timeout);
}

CASE("SEM-29", timed_sleeper_is_granted)
{
	int id = sem_new(1);
	struct sleeper s = sleeper_start(sleep_twenty_seconds, &id);

	while (sem_count(id, 0) == 0 && !sleeper_is_done(s))
		nap(500);
	MUST(OPS(id, { 0, 1, 0 }));
	put_sleeper_end(s);
	put(" %d", sem_value(id, 0));
}

CASE("SEM-39", rmid_ends_a_timed_sleeper_with_eidrm)
{
	int id = sem_new(1);
	struct sleeper s = sleeper_start(sleep_twenty_seconds, &id);

	while (sem_count(id, 0) == 0 && !sleeper_is_done(s))
		nap(500);
	MUST(semctl(id, 0, IPC_RMID));
	put_sleeper_end(s);
}

/* --- threads --- */

struct thread_call {
	int id;
	pid_t tid;
	volatile int started;
	long result;
};

static void *thread_semop(void *arg)
{
	struct thread_call *call = arg;

	call->tid = (pid_t)syscall(SYS_gettid);
	call->started = 1;
	call->result = OPS(call->id, { 0, -1, 0 });
	return NULL;
}

static void *thread_msgrcv(void *arg)
{
	struct thread_call *call = arg;
	struct message m;

	call->tid = (pid_t)syscall(SYS_gettid);
	call->started = 1;
	call->result = msgrcv(call->id, &m, 100, 0, 0);
	return NULL;
}

static pthread_t thread_start(void *(*body)(void *), struct thread_call *call)
{
	pthread_t thread;

	(void)pthread_create(&thread, NULL, body, call);
	while (!call->started)
		nap(200);
	await_thread_asleep(call->tid);
	return thread;
}

CASE("SEM-25", waiting_threads_are_counted_one_by_one)
{
	int id = sem_new(1);
	struct thread_call calls[3] = { { .id = id }, { .id = id }, { .id = id } };
	pthread_t threads[3];
	int i;

	for (i = 0; i < 3; i++)
		threads[i] = thread_start(thread_semop, &calls[i]);
	put(" n%d", sem_count(id, 0));
	MUST(OPS(id, { 0, 3, 0 }));
	put(" n%d %d", sem_count(id, 0), sem_value(id, 0));
	for (i = 0; i < 3; i++)
		(void)pthread_join(threads[i], NULL);
	put(" %ld %ld %ld", calls[0].result, calls[1].result, calls[2].result);
	put_pid(sem_pid(id, 0));
}

CASE("MSG-33", lrpid_after_a_hand_off_names_the_thread)
{
	struct thread_call call = { .id = msg_new() };
	pthread_t thread = thread_start(thread_msgrcv, &call);

	MUST(msg_send(call.id, 1, 5, 0));
	(void)pthread_join(thread, NULL);
	put(" %ld %s", call.result, msg_stat(call.id).msg_lrpid == call.tid ? "thread" : "process");
}

CASE("ABI-12", semop_is_not_a_cancellation_point)
{
	struct thread_call call = { .id = sem_new(1) };
	pthread_t thread = thread_start(thread_semop, &call);
	void *result;

	(void)pthread_cancel(thread);
	await_thread_asleep(call.tid);
	put(" n%d", sem_count(call.id, 0));
	MUST(OPS(call.id, { 0, 1, 0 }));
	(void)pthread_join(thread, &result);
	put(" %ld %d", call.result, sem_value(call.id, 0));
}

CASE("ABI-13", cancelled_receiver_takes_no_message)
{
	struct thread_call call = { .id = msg_new() };
	pthread_t thread = thread_start(thread_msgrcv, &call);
	void *result;

	(void)pthread_cancel(thread);
	(void)pthread_join(thread, &result);
	put(" %s", result == PTHREAD_CANCELED ? "cancelled" : "returned");
	put_ret(msg_send(call.id, 1, 5, 0));
	put_msg(call.id);
}

CASE("BLK-1", signal_to_one_thread_interrupts_that_one)
{
	int id = sem_new(1);
	struct thread_call calls[2] = { { .id = id }, { .id = id } };
	pthread_t threads[2];

	handle(SIGUSR1, SA_RESTART);
	threads[0] = thread_start(thread_semop, &calls[0]);
	threads[1] = thread_start(thread_semop, &calls[1]);
	(void)pthread_kill(threads[1], SIGUSR1);
	(void)pthread_join(threads[1], NULL);
	put(" %ld n%d", calls[1].result, sem_count(id, 0));
	MUST(OPS(id, { 0, 1, 0 }));
	(void)pthread_join(threads[0], NULL);
	put(" %ld", calls[0].result);
}

CASE("EVT-4", killed_process_takes_all_its_waiting_threads_along)
{
	int id = sem_new(1);
	pid_t pid = fork();

	if (pid == 0) {
		struct thread_call calls[2] = { { .id = id }, { .id = id } };

		(void)thread_start(thread_semop, &calls[0]);
		(void)thread_start(thread_semop, &calls[1]);
		shared[0] = 1;
		for (;;)
			(void)pause();
	}
	await(0, 1);
	put(" n%d", sem_count(id, 0));
	child_kill(pid);
	put(" n%d", sem_count(id, 0));
	MUST(OPS(id, { 0, 1, 0 }));
	put(" %d", sem_value(id, 0));
}

/* --- many at once --- */

static void ping(void *arg)
{
	const int *ids = arg;
	int i;

	for (i = 0; i < 2000; i++) {
		MUST(OPS(ids[0], { 0, -1, 0 }));
		MUST(OPS(ids[0], { 1, 1, 0 }));
	}
}

CASE("SEM-17", ping_pong_through_two_semaphores)
{
	int id = sem_new(2);
	pid_t pid = child_start(ping, &id);
	int i;

	for (i = 0; i < 2000; i++) {
		MUST(OPS(id, { 0, 1, 0 }));
		MUST(OPS(id, { 1, -1, 0 }));
	}
	(void)child_wait(pid);
	put(" %d %d", sem_value(id, 0), sem_value(id, 1));
}

static void mutex_user(void *arg)
{
	int id = *(int *)arg;
	int i;

	for (i = 0; i < 1000; i++) {
		MUST(OPS(id, { 0, -1, SEM_UNDO }));
		shared[0] = shared[0] + 1;
		MUST(OPS(id, { 0, 1, SEM_UNDO }));
	}
}

CASE("SEM-17", four_processes_count_under_one_semaphore)
{
	int id = sem_new(1);
	pid_t pids[4];
	int i;

	MUST(sem_set(id, 0, 1));
	for (i = 0; i < 4; i++)
		pids[i] = child_start(mutex_user, &id);
	for (i = 0; i < 4; i++)
		(void)child_wait(pids[i]);
	put(" %ld %d n%d", shared[0], sem_value(id, 0), sem_count(id, 0));
}

static void send_many(void *arg)
{
	const int *id = arg;
	int i;

	for (i = 1; i <= 1000; i++)
		MUST(msg_send(*id, i % 5 + 1, (size_t)(i % 100), 0));
}

CASE("MSG-36", three_senders_and_one_receiver_through_a_small_queue)
{
	struct msqid_ds ds;
	struct message m;
	int id = msg_new();
	pid_t pids[3];
	long bytes = 0;
	int i;

	MUST(msgctl(id, IPC_STAT, &ds));
	ds.msg_qbytes = 300;
	MUST(msgctl(id, IPC_SET, &ds));
	for (i = 0; i < 3; i++)
		pids[i] = child_start(send_many, &id);
	for (i = 0; i < 3000; i++)
		bytes += MUST(msgrcv(id, &m, 100, 0, 0));
	for (i = 0; i < 3; i++)
		(void)child_wait(pids[i]);
	MUST(msgctl(id, IPC_STAT, &ds));
	put(" %ld %lu %lu", bytes, ds.msg_qnum, ds.__msg_cbytes);
}

/* conform-end.c: adjustments and sleepers at every kind of end: exit, kill, exec, vfork, unshare. */
#include "conform.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#ifndef CLONE_SYSVSEM
#define CLONE_SYSVSEM 0x00040000
#endif

static void take_one(int id)
{
	MUST(OPS(id, { 0, -1, SEM_UNDO }));
}

/* Five units; body takes one of them in a child of its own that ends somehow. */
static int five_units(void)
{
	int id = sem_new(2);

	MUST(sem_set(id, 0, 5));
	return id;
}

/* --- ends of threaded processes --- */

static void *leave_process(void *arg)
{
	(void)arg;
	_exit(0);
}

static void exit_group_from_a_thread(void *arg)
{
	pthread_t thread;

	take_one(*(int *)arg);
	(void)pthread_create(&thread, NULL, leave_process, NULL);
	for (;;)
		(void)pause();
}

CASE("UNDO-17", exit_group_from_a_thread_is_visible_when_wait_returns)
{
	int id = five_units();
	int late = 0;
	int i;

	for (i = 0; i < 20; i++) {
		child_run(exit_group_from_a_thread, &id);
		late += sem_value(id, 0) != 5;
	}
	put(" late=%d", late);
}

static void *exit_in_thread(void *arg)
{
	(void)arg;
	exit(0);
}

static void exit_from_a_thread(void *arg)
{
	pthread_t thread;

	take_one(*(int *)arg);
	(void)pthread_create(&thread, NULL, exit_in_thread, NULL);
	for (;;)
		(void)pause();
}

CASE("UNDO-7", exit_from_a_thread_applies)
{
	int id = five_units();

	child_run(exit_from_a_thread, &id);
	put_sem(id);
}

static void *take_and_leave_last(void *arg)
{
	nap(20000);
	take_one(*(int *)arg);
	return NULL;
}

static void last_thread_returns(void *arg)
{
	pthread_t thread;

	take_one(*(int *)arg);
	(void)pthread_create(&thread, NULL, take_and_leave_last, arg);
	pthread_exit(NULL);
}

CASE("UNDO-3", list_is_applied_when_the_last_thread_returns)
{
	int id = five_units();

	child_run(last_thread_returns, &id);
	put_sem(id);
}

static void *bare_exit(void *arg)
{
	(void)arg;
	(void)syscall(SYS_exit, 0);
	return NULL;
}

static void bare_exits(void *arg)
{
	pthread_t thread;

	take_one(*(int *)arg);
	(void)pthread_create(&thread, NULL, bare_exit, NULL);
	nap(5000);
	put(" meanwhile=%d", sem_value(*(int *)arg, 0));
	(void)syscall(SYS_exit_group, 0);
}

CASE("UNDO-7", bare_exit_of_a_thread_and_bare_exit_group)
{
	int id = five_units();

	child_run(bare_exits, &id);
	put_sem(id);
}

static void *sleep_with_undo(void *arg)
{
	(void)OPS(*(int *)arg, { 1, -1, SEM_UNDO });
	return NULL;
}

/* Threads of this process that sleep for a unit of semaphore 1. */
static void threads_asleep(int *id, int n)
{
	pthread_t thread;
	int i;

	for (i = 0; i < n; i++)
		(void)pthread_create(&thread, NULL, sleep_with_undo, id);
	while (sem_count(*id, 1) < n)
		nap(200);
}

static void exit_with_sleepers(void *arg)
{
	int id = *(int *)arg;

	take_one(id);
	threads_asleep(&id, 3);
	put(" n%d", sem_count(id, 1));
	exit(0);
}

CASE("EVT-7", exit_takes_its_sleeping_threads_along)
{
	int id = five_units();

	child_run(exit_with_sleepers, &id);
	put(" n%d", sem_count(id, 1));
	MUST(OPS(id, { 1, 1, 0 }));
	put_sem(id);
}

/* --- kinds of wait --- */

static pid_t killed_holder(int id)
{
	pid_t pid;

	shared[0] = 0;
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		take_one(id);
		shared[0] = 1;
		for (;;)
			(void)pause();
	}
	await(0, 1);
	(void)kill(pid, SIGKILL);
	return pid;
}

CASE("UNDO-17", killed_child_is_settled_whatever_call_waits_for_it)
{
	int id = five_units();
	struct rusage usage;
	siginfo_t info;
	int status;
	int kind;

	for (kind = 0; kind < 6; kind++) {
		pid_t pid = killed_holder(id);

		if (kind == 0)
			MUST(wait(&status));
		else if (kind == 1)
			MUST(waitpid(-1, &status, 0));
		else if (kind == 2)
			MUST(wait3(&status, 0, &usage));
		else if (kind == 3)
			MUST(wait4(pid, &status, 0, &usage));
		else if (kind == 4)
			MUST(waitid(P_PID, (id_t)pid, &info, WEXITED));
		else
			MUST(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
		put(" %d", sem_value(id, 0));
		if (kind == 5)
			MUST(waitpid(pid, &status, 0));
	}
}

CASE("UNDO-17", killed_child_is_settled_when_polling_with_wnohang)
{
	int id = five_units();
	int late = 0;
	int status;
	int i;

	for (i = 0; i < 20; i++) {
		pid_t pid = killed_holder(id);

		while (waitpid(pid, &status, WNOHANG) == 0)
			continue;
		late += sem_value(id, 0) != 5;
	}
	put(" late=%d", late);
}

CASE("UNDO-17", adjustments_of_the_killed_are_visible_at_end_of_file)
{
	int id = five_units();
	int late = 0;
	int status;
	int i;

	for (i = 0; i < 20; i++) {
		int ends[2];
		char byte;
		pid_t pid;

		MUST(pipe(ends));
		pid = killed_holder(id);
		(void)close(ends[1]);
		(void)read(ends[0], &byte, 1);
		late += sem_value(id, 0) != 5;
		(void)close(ends[0]);
		MUST(waitpid(pid, &status, 0));
	}
	put(" late=%d", late);
}

/* --- exec --- */

static void *exec_in_thread(void *arg)
{
	(void)arg;
	(void)execl("/bin/sleep", "sleep", "1000", (char *)NULL);
	return NULL;
}

static void exec_from_thread(void *arg)
{
	pthread_t thread;

	take_one(*(int *)arg);
	(void)pthread_create(&thread, NULL, exec_in_thread, NULL);
	for (;;)
		(void)pause();
}

static void await_program(pid_t pid, const char *name)
{
	char path[64];
	char now[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	for (;;) {
		FILE *file = fopen(path, "re");
		const char *got;

		if (file == NULL)
			return;
		got = fgets(now, sizeof(now), file);
		(void)fclose(file);
		if (got != NULL && strncmp(now, name, strlen(name)) == 0)
			return;
		nap(1000);
	}
}

CASE("UNDO-6", exec_from_another_thread_keeps_the_list)
{
	int id = five_units();
	pid_t pid = child_start(exec_from_thread, &id);

	await_program(pid, "sleep");
	nap(20000);
	put(" %d", sem_value(id, 0));
	child_kill(pid);
	put_sem(id);
}

static void exec_beside_sleepers(void *arg)
{
	int id = *(int *)arg;

	take_one(id);
	threads_asleep(&id, 2);
	(void)execl("/bin/sleep", "sleep", "1000", (char *)NULL);
}

/* The exec has no end that can be waited for. */
static void await_nobody_asleep(int id)
{
	int i;

	for (i = 0; i < 3000 && sem_count(id, 1) != 0; i++)
		nap(1000);
}

CASE("EVT-5", exec_ends_the_waits_of_other_threads)
{
	int id = five_units();
	pid_t pid = child_start(exec_beside_sleepers, &id);

	await_program(pid, "sleep");
	await_nobody_asleep(id);
	put(" n%d", sem_count(id, 1));
	MUST(OPS(id, { 1, 1, 0 }));
	put(" %d %d", sem_value(id, 0), sem_value(id, 1));
	put_ret(OPS(id, { 1, -1, IPC_NOWAIT }));
	child_kill(pid);
	put_sem(id);
}

/* A program that has the library again, and uses the set at once. */
static void exec_shell_beside_sleepers(void *arg)
{
	int id = *(int *)arg;

	take_one(id);
	threads_asleep(&id, 2);
	(void)execl("/bin/sh", "sh", "-c", "ipcs -s >/dev/null; read line", (char *)NULL);
}

CASE("EVT-5", exec_of_a_program_that_makes_calls_too)
{
	int id = five_units();
	int ends[2];
	pid_t pid;

	MUST(pipe(ends));
	MUST(dup2(ends[0], 0));
	pid = child_start(exec_shell_beside_sleepers, &id);
	await_program(pid, "sh");
	await_nobody_asleep(id);
	put(" n%d", sem_count(id, 1));
	MUST(OPS(id, { 1, 1, 0 }));
	put(" %d %d", sem_value(id, 0), sem_value(id, 1));
	MUST(write(ends[1], "\n", 1));
	(void)child_wait(pid);
	put_sem(id);
}

static void *wait_for_message(void *arg)
{
	struct message m;

	shared[0] = (pid_t)syscall(SYS_gettid);
	(void)msgrcv(*(int *)arg, &m, 10, 0, 0);
	return NULL;
}

static void exec_beside_a_receiver(void *arg)
{
	pthread_t thread;

	(void)pthread_create(&thread, NULL, wait_for_message, arg);
	while (shared[0] == 0)
		nap(200);
	await_thread_asleep((pid_t)shared[0]);
	(void)execl("/bin/sleep", "sleep", "1000", (char *)NULL);
}

CASE("EVT-5", exec_ends_the_wait_of_a_receiver)
{
	int id = msg_new();
	pid_t pid = child_start(exec_beside_a_receiver, &id);

	await_program(pid, "sleep");
	nap(50000); /* the exec has no end that can be waited for */
	MUST(msg_send(id, 1, 4, 0));
	put(" %lu", msg_stat(id).msg_qnum);
	put_receive(id, 10, 0, IPC_NOWAIT);
	child_kill(pid);
	put_msg(id);
}

/* Another set is used after the exec; the list of before counts at the end. */
static void exec_to_use_another(void *arg)
{
	char text[64];

	take_one(((int *)arg)[0]);
	(void)snprintf(text, sizeof(text), "%d", ((int *)arg)[1]);
	(void)setenv("CONFORM_END_EXEC", text, 1);
	(void)execl("/proc/self/exe", "end", (char *)NULL);
	_exit(2);
}

/* In the program that the case has become, before main. */
__attribute__((constructor(101))) static void exec_main(void)
{
	const char *text = getenv("CONFORM_END_EXEC");

	if (text == NULL)
		return;
	if (semop(atoi(text), &(struct sembuf){ 0, -1, SEM_UNDO }, 1) == -1)
		_exit(1);
	(void)raise(SIGKILL);
}

CASE("UNDO-6", both_lists_count_when_the_new_program_has_one_too)
{
	int ids[2] = { five_units(), five_units() };

	put(" %d", child_wait(child_start(exec_to_use_another, ids)));
	put_sem(ids[0]);
	put_sem(ids[1]);
}

static void exec_fails_beside_sleepers(void *arg)
{
	int id = *(int *)arg;

	take_one(id);
	threads_asleep(&id, 2);
	put_ret(execl("/nonexistent", "nonexistent", (char *)NULL));
	put(" n%d %d", sem_count(id, 1), sem_value(id, 0));
	MUST(OPS(id, { 1, 2, 0 }));
	put(" n%d %d", sem_count(id, 1), sem_value(id, 1));
	nap(20000);
}

CASE("EVT-6", failed_exec_keeps_adjustments_and_sleepers)
{
	int id = five_units();

	child_run(exec_fails_beside_sleepers, &id);
	put_sem(id);
}

/* --- vfork --- */

CASE("UNDO-5", vfork_child_has_a_list_of_its_own)
{
	int id = five_units();
	pid_t pid;

	take_one(id);
	pid = vfork();
	if (pid == 0) {
		if (OPS(id, { 0, -2, SEM_UNDO }) == -1)
			_exit(1);
		_exit(0);
	}
	(void)child_wait(pid);
	put(" %d", sem_value(id, 0));
	take_one(id);
	put_sem(id);
}

CASE("UNDO-5", vfork_child_that_ends_applies_nothing_of_its_parents)
{
	int id = five_units();
	pid_t pid;

	take_one(id);
	pid = vfork();
	if (pid == 0)
		_exit(0);
	(void)child_wait(pid);
	put_sem(id);
}

CASE("UNDO-6", list_of_a_vfork_child_survives_its_exec)
{
	char *argv[] = { (char *)"sleep", (char *)"1000", NULL };
	int id = five_units();
	pid_t pid;

	pid = vfork();
	if (pid == 0) {
		if (OPS(id, { 0, -2, SEM_UNDO }) == -1)
			_exit(1);
		(void)execv("/bin/sleep", argv);
		_exit(1);
	}
	put(" %d", sem_value(id, 0));
	child_kill(pid);
	put(" %d", sem_value(id, 0));
}

/* --- leaving the list without ending --- */

static void unshare_list(void *arg)
{
	int id = *(int *)arg;

	take_one(id);
	put_ret(unshare(CLONE_SYSVSEM));
	put(" %d", sem_value(id, 0));
	take_one(id);
	put(" %d", sem_value(id, 0));
}

CASE("UNDO-16", unshare_of_the_list_applies_it_at_once)
{
	int id = five_units();

	child_run(unshare_list, &id);
	put_sem(id);
}

CASE("UNDO-4", process_that_shares_the_list_is_its_last_holder)
{
	int id = five_units();
	pid_t pid = (pid_t)MUST(fork());
	int status;

	if (pid == 0) {
		pid_t other = (pid_t)syscall(SYS_clone, CLONE_SYSVSEM | SIGCHLD, 0, 0, 0, 0);

		if (other == 0) {
			await(1, 1);
			take_one(id);
			_exit(0);
		}
		take_one(id);
		shared[2] = other;
		_exit(0);
	}
	MUST(waitpid(pid, &status, 0));
	put(" %d", sem_value(id, 0));
	shared[1] = 1;
	while (kill((pid_t)shared[2], 0) == 0 && sem_value(id, 0) != 5)
		nap(1000);
	put(" %d", sem_value(id, 0));
}

/* --- what an exit lets go --- */

CASE("UNDO-12", exit_with_both_signs_serves_zero_waiters_first)
{
	int id = sem_new(3);
	struct sleeper take;
	struct sleeper zero;
	pid_t pid;

	MUST(sem_set(id, 1, 1));
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		MUST(OPS(id, { 0, 2, SEM_UNDO }, { 1, -1, SEM_UNDO }));
		shared[0] = 1;
		for (;;)
			(void)pause();
	}
	await(0, 1);
	take = OPS_SLEEP(id, { 1, -1, 0 }, { 0, 3, 0 });
	zero = OPS_SLEEP(id, { 0, 0, 0 });
	child_kill(pid);
	put_sleeper_end(zero);
	put_sleeper_end(take);
	put(" %d %d", sem_value(id, 0), sem_value(id, 1));
}

CASE("UNDO-8", adjustment_clamped_at_zero_lets_zero_waiters_go)
{
	int id = sem_new(1);
	struct sleeper zero;
	pid_t pid = (pid_t)MUST(fork());

	if (pid == 0) {
		MUST(OPS(id, { 0, 9, SEM_UNDO }));
		shared[0] = 1;
		for (;;)
			(void)pause();
	}
	await(0, 1);
	MUST(OPS(id, { 0, -4, 0 }));
	zero = OPS_SLEEP(id, { 0, 0, 0 });
	child_kill(pid);
	put_sleeper_end(zero);
	put(" %d", sem_value(id, 0));
}

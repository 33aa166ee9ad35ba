/* conform-late.c: calls that are blocked, but do not sleep yet. */
#include "conform.h"

#include <sched.h>
#include <sys/time.h>

#define SIGNALS 40

/* Once, after so many microseconds; 0: not at all. */
static void timer_once(long microseconds)
{
	struct itimerval timer = { { 0, 0 }, { 0, microseconds } };

	(void)setitimer(ITIMER_REAL, &timer, NULL);
}

static void handler(int sig)
{
	(void)sig;
}

static void use_the_cpu(void *arg)
{
	(void)arg;
	shared[0] = 1;
	for (;;)
		shared[1] = shared[1] + 1;
}

/* The rest of the case has to share one CPU, so that a call may stand still for long on its way. */
static pid_t share_one_cpu(void)
{
	cpu_set_t one;
	pid_t pid;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	MUST(sched_setaffinity(0, sizeof(one), &one));
	pid = child_start(use_the_cpu, NULL);
	await(0, 1);
	return pid;
}

CASE("BLK-1", signal_interrupts_a_blocked_call_that_does_not_sleep_yet)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	struct timespec timeout = { 0, 300000000 };
	pid_t pid = share_one_cpu();
	int id = sem_new(SIGNALS);
	int lost = 0;
	int i;

	MUST(sigaction(SIGALRM, &action, NULL));
	for (i = 0; i < SIGNALS; i++) {
		struct sembuf op = { (unsigned short)i, -1, 0 };

		timer_once(40 + 20 * i);
		if (semtimedop(id, &op, 1, &timeout) != -1 || errno != EINTR)
			lost++;
		timer_once(0);
	}
	child_kill(pid);
	/* It may have come before the call began. */
	put(" %s", lost <= SIGNALS / 8 ? "interrupted" : "too many lost");
}

#define GRANTS 300

static void take_many(void *arg)
{
	int i;

	for (i = 0; i < GRANTS; i++)
		MUST(OPS(*(int *)arg, { 0, -1, 0 }));
	shared[1] = 1;
}

/* Until the sleeper has had its share: whatever it gets was another's. */
static void take_what_is_there(void *arg)
{
	while (shared[1] == 0) {
		if (OPS(*(int *)arg, { 0, -1, IPC_NOWAIT }) == 0)
			shared[2] = shared[2] + 1;
	}
}

CASE("SEM-18", who_comes_later_never_gets_what_a_sleeper_waits_for)
{
	int id = sem_new(1);
	pid_t sleeper = child_start(take_many, &id);
	pid_t others[3];
	int i;

	for (i = 0; i < 3; i++)
		others[i] = child_start(take_what_is_there, &id);
	for (i = 0; i < GRANTS; i++) {
		while (sem_count(id, 0) == 0)
			nap(20);
		MUST(OPS(id, { 0, 1, 0 }));
	}
	put(" %d", child_wait(sleeper));
	for (i = 0; i < 3; i++)
		(void)child_wait(others[i]);
	put(" %ld %d", shared[2], sem_value(id, 0));
}

CASE("SEM-29", timeouts_shorter_than_patience_are_kept)
{
	struct timespec timeout = { 0, 1000 };
	struct sembuf op = { 0, -1, 0 };
	int id = sem_new(1);
	int again = 0;
	int i;

	for (i = 0; i < 1000; i++)
		again += semtimedop(id, &op, 1, &timeout) == -1 && errno == EAGAIN;
	put(" %d n%d %d", again, sem_count(id, 0), sem_value(id, 0));
}

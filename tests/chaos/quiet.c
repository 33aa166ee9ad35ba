/*
 * quiet.c: N operations of one kind, for quiet.sh to count their system calls.
 *
 *     quiet KIND N      semop1 semop4 undo1 undo4 nowait getval message
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

struct message {
	long type;
	char text[64];
};

static int set, queue;

/* Each is one operation; those with two directions take turns.  0 if it did what it should. */

static int semaphores(long i, unsigned short n, short flags)
{
	struct sembuf ops[4];

	for (unsigned short j = 0; j < n; j++)
		ops[j] = (struct sembuf){j, i % 2 ? -1 : 1, flags};
	return semop(set, ops, n);
}

static int semop1(long i)
{
	return semaphores(i, 1, 0);
}

static int semop4(long i)
{
	return semaphores(i, 4, 0);
}

static int undo1(long i)
{
	return semaphores(i, 1, SEM_UNDO);
}

static int undo4(long i)
{
	return semaphores(i, 4, SEM_UNDO);
}

static int nowait(long i)
{
	(void)i;
	return semop(set, &(struct sembuf){0, -1, IPC_NOWAIT}, 1) == -1 && errno == EAGAIN ? 0 : -1;
}

static int getval(long i)
{
	(void)i;
	return semctl(set, 0, GETVAL);
}

static int message(long i)
{
	struct message m = {1 + i / 2 % 3, "text"};

	if (i % 2 == 0)
		return msgsnd(queue, &m, sizeof(m.text), 0);
	return msgrcv(queue, &m, sizeof(m.text), 0, 0) == sizeof(m.text) ? 0 : -1;
}

static const struct {
	const char *name;
	int (*run)(long i);
} kinds[] = {
	{"semop1", semop1}, {"semop4", semop4}, {"undo1", undo1},     {"undo4", undo4},
	{"nowait", nowait}, {"getval", getval}, {"message", message},
};

int main(int argc, char **argv)
{
	int (*run)(long i) = NULL;
	int status = 0;
	long n;

	for (size_t i = 0; argc == 3 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(argv[1], kinds[i].name) == 0)
			run = kinds[i].run;
	}
	if (!run) {
		fputs("usage: quiet KIND N\n", stderr);
		return 2;
	}
	n = strtol(argv[2], NULL, 10);
	set = semget(IPC_PRIVATE, 4, 0600);
	queue = msgget(IPC_PRIVATE, 0600);
	for (long i = 0; i < n && status == 0; i++)
		status = run(i);
	if (status != 0)
		perror(argv[1]);
	(void)semctl(set, 0, IPC_RMID);
	(void)msgctl(queue, IPC_RMID, NULL);
	return status != 0;
}

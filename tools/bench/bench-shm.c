/* bench-shm.c: shared memory, making and removing objects, and what forking costs beside them. */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>

#define SEGMENT_SIZE (64 * 1024)
#define ATTACHMENTS 10
/* Far more than the first caches, so that memory is measured and not them. */
#define LARGE_MIB 64
#define MIB ((size_t)1024 * 1024)

static int segment_new(size_t size)
{
	int id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);

	if (id == -1)
		die("shmget");
	return id;
}

static void segment_free(int id)
{
	if (shmctl(id, IPC_RMID, NULL) == -1)
		die("shmctl IPC_RMID");
}

static char *attach(int id)
{
	char *at = shmat(id, NULL, 0);

	if (at == (char *)-1)
		die("shmat");
	return at;
}

static void detach(const char *at)
{
	if (shmdt(at) == -1)
		die("shmdt");
}

/* --- calls ------------------------------------------------------------------------------------------- */

static void body_attach(void *context, uint64_t n)
{
	const int *id = context;

	for (uint64_t i = 0; i < n; i++) {
		volatile char *at = attach(*id);

		at[0] = 1;
		detach((const char *)at);
	}
}

static double run_attach(double ms)
{
	int id = segment_new(SEGMENT_SIZE);
	double ns = measure(ms, body_attach, &id);

	segment_free(id);
	return ns;
}

static void body_get(void *context, uint64_t n)
{
	const key_t *key = context;

	for (uint64_t i = 0; i < n; i++) {
		if (shmget(*key, 0, 0) == -1)
			die("shmget of a key");
	}
}

/* Keys are private to the namespace this runs in. */
static double run_get(double ms)
{
	key_t key = 0x62656e63;
	int id = shmget(key, SEGMENT_SIZE, IPC_CREAT | IPC_EXCL | 0600);
	double ns;

	if (id == -1)
		die("shmget");
	ns = measure(ms, body_get, &key);
	segment_free(id);
	return ns;
}

static void body_stat(void *context, uint64_t n)
{
	const int *id = context;
	struct shmid_ds ds;

	for (uint64_t i = 0; i < n; i++) {
		if (shmctl(*id, IPC_STAT, &ds) == -1)
			die("shmctl IPC_STAT");
	}
}

static double run_stat(double ms)
{
	int id = segment_new(SEGMENT_SIZE);
	double ns = measure(ms, body_stat, &id);

	segment_free(id);
	return ns;
}

static void body_make_shm(void *context, uint64_t n)
{
	(void)context; /* nothing to know */
	for (uint64_t i = 0; i < n; i++)
		segment_free(segment_new(SEGMENT_SIZE));
}

static double run_make_shm(double ms)
{
	return measure(ms, body_make_shm, NULL);
}

static void body_make_sem(void *context, uint64_t n)
{
	(void)context; /* nothing to know */
	for (uint64_t i = 0; i < n; i++) {
		int id = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);

		if (id == -1 || semctl(id, 0, IPC_RMID) == -1)
			die("make and remove a set");
	}
}

static double run_make_sem(double ms)
{
	return measure(ms, body_make_sem, NULL);
}

static void body_make_msg(void *context, uint64_t n)
{
	(void)context; /* nothing to know */
	for (uint64_t i = 0; i < n; i++) {
		int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);

		if (id == -1 || msgctl(id, IPC_RMID, NULL) == -1)
			die("make and remove a queue");
	}
}

static double run_make_msg(double ms)
{
	return measure(ms, body_make_msg, NULL);
}

/* --- fork -------------------------------------------------------------------------------------------- */

static void nothing(void *context)
{
	(void)context; /* the child has only to end */
}

static void body_fork(void *context, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		child_wait(child_start(nothing, context));
}

static double run_fork(double ms, int attachments)
{
	int ids[ATTACHMENTS];
	char *at[ATTACHMENTS];
	double ns;

	for (int i = 0; i < attachments; i++) {
		ids[i] = segment_new(SEGMENT_SIZE);
		at[i] = attach(ids[i]);
		memset(at[i], 1, SEGMENT_SIZE);
	}
	ns = measure(ms, body_fork, NULL);
	for (int i = 0; i < attachments; i++) {
		detach(at[i]);
		segment_free(ids[i]);
	}
	return ns;
}

static double run_fork_0(double ms)
{
	return run_fork(ms, 0);
}

static double run_fork_10(double ms)
{
	return run_fork(ms, ATTACHMENTS);
}

static void get_once(void *context)
{
	const key_t *key = context;

	if (semget(*key, 0, 0) == -1)
		die("semget of a fresh process");
}

static void get_and_operate(void *context)
{
	const key_t *key = context;
	struct sembuf op = { 0, 1, 0 };
	int id = semget(*key, 0, 0);

	if (id == -1 || semop(id, &op, 1) == -1)
		die("semop of a fresh process");
	op.sem_op = -1;
	if (semop(id, &op, 1) == -1)
		die("semop of a fresh process");
}

struct fresh {
	key_t key;
	void (*body)(void *context);
};

static void body_fresh(void *context, uint64_t n)
{
	struct fresh *f = context;

	for (uint64_t i = 0; i < n; i++)
		child_wait(child_start(f->body, &f->key));
}

static double run_fresh(double ms, void (*body)(void *context))
{
	struct fresh f = { .key = 0x62656e64, .body = body };
	int id = semget(f.key, 1, IPC_CREAT | IPC_EXCL | 0600);
	double ns;

	if (id == -1)
		die("semget");
	ns = measure(ms, body_fresh, &f);
	if (semctl(id, 0, IPC_RMID) == -1)
		die("semctl IPC_RMID");
	return ns;
}

static double run_fresh_get(double ms)
{
	return run_fresh(ms, get_once);
}

static double run_fresh_operate(double ms)
{
	return run_fresh(ms, get_and_operate);
}

/* --- memory ------------------------------------------------------------------------------------------ */

/* n counts MiB; each call goes on where the last ended, so that all of the segment is used in turn. */
struct memory {
	char *at;
	size_t next;
};

static char *memory_next(struct memory *m)
{
	char *at = m->at + m->next * MIB;

	m->next = (m->next + 1) % LARGE_MIB;
	return at;
}

static void body_memset(void *context, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		memset(memory_next(context), (int)i, MIB);
}

/* To and from the segment in turn. */
static void body_memcpy(void *context, uint64_t n)
{
	static char private[MIB];

	for (uint64_t i = 0; i < n; i++) {
		if (i % 2 == 0)
			memcpy(private, memory_next(context), MIB);
		else
			memcpy(memory_next(context), private, MIB);
	}
}

static double run_memory(double ms, void (*body)(void *context, uint64_t n))
{
	int id = segment_new(LARGE_MIB * MIB);
	struct memory m = { .at = attach(id), .next = 0 };
	double ns;

	memset(m.at, 1, LARGE_MIB * MIB); /* to get the pages is no part of it */
	ns = measure(ms, body, &m);
	detach(m.at);
	segment_free(id);
	return ns;
}

static double run_memset(double ms)
{
	return run_memory(ms, body_memset);
}

static double run_memcpy(double ms)
{
	return run_memory(ms, body_memcpy);
}

const struct bench_case bench_shm_cases[] = {
	{ "shm-attach", "shmat, touch, shmdt", "all three", 0.9, NULL, 0, ON_ONE, run_attach },
	{ "shm-get", "shmget of an existing key", "call", 2, NULL, 0, ON_ONE, run_get },
	{ "shm-stat", "shmctl IPC_STAT", "call", 0.1, NULL, 0, ON_ONE, run_stat },
	{ "shm-make", "segment: create, remove", "both", 0.3, NULL, 0, ON_ONE, run_make_shm },
	{ "sem-make", "set: create, remove", "both", 0.15, NULL, 0, ON_ONE, run_make_sem },
	{ "msg-make", "queue: create, remove", "both", 0.15, NULL, 0, ON_ONE, run_make_msg },
	{ "fork-0", "fork, exit, wait, no attachment", "child", 0, NULL, 0, ON_ONE, run_fork_0 },
	{ "fork-10", "fork, exit, wait, 10 attachments", "child", 0.8, "fork-0", 0, ON_ONE, run_fork_10 },
	{ "fresh-semget", "fork, semget, exit, wait", "child", 0.7, NULL, 0, ON_ONE, run_fresh_get },
	{ "fresh-semop", "fork, semget, semop, exit, wait", "child", 0, NULL, 0, ON_ONE, run_fresh_operate },
	/* 1, and what one run differs from the next */
	{ "memset", "memset in a segment", "MiB", 0.97, NULL, 0, ON_ONE, run_memset },
	{ "memcpy", "memcpy from and to a segment", "MiB", 0.97, NULL, 0, ON_ONE, run_memcpy },
	{ NULL, NULL, NULL, 0, NULL, 0, ON_ONE, NULL },
};

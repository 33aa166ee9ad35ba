/* bench-msg.c: message queues. */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/msg.h>

#define TEXT_MAX 8192

struct message {
	long type;
	char text[TEXT_MAX];
};

struct queue {
	int id;
	int back; /* a second queue for the way back */
	size_t size;
	long take;
	unsigned cpu;
};

static int queue_new(void)
{
	int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);

	if (id == -1)
		die("msgget");
	return id;
}

static void queue_free(int id)
{
	if (msgctl(id, IPC_RMID, NULL) == -1)
		die("msgctl IPC_RMID");
}

static void put(int id, const struct message *m, size_t size)
{
	if (msgsnd(id, m, size, 0) == -1)
		die("msgsnd");
}

static void take(int id, struct message *m, size_t size, long type)
{
	if (msgrcv(id, m, size, type, 0) != (ssize_t)size)
		die("msgrcv");
}

/* --- one process ------------------------------------------------------------------------------------- */

static void body_put_take(void *context, uint64_t n)
{
	static struct message m = { .type = 1 };
	const struct queue *q = context;

	for (uint64_t i = 0; i < n; i += 2) {
		put(q->id, &m, q->size);
		take(q->id, &m, q->size, 0);
	}
}

static double run_size(double ms, size_t size)
{
	struct queue q = { .id = queue_new(), .size = size };
	double ns = measure(ms, body_put_take, &q);

	queue_free(q.id);
	return ns;
}

static double run_64(double ms)
{
	return run_size(ms, 64);
}

static double run_1k(double ms)
{
	return run_size(ms, 1024);
}

static double run_8k(double ms)
{
	return run_size(ms, TEXT_MAX);
}

/* --- producer and consumer --------------------------------------------------------------------------- */

static void consumer(void *context)
{
	static struct message m;
	const struct queue *q = context;

	cpu_pin(q->cpu);
	for (;;)
		take(q->id, &m, q->size, 0);
}

static void body_produce(void *context, uint64_t n)
{
	static struct message m = { .type = 1 };
	const struct queue *q = context;

	for (uint64_t i = 0; i < n; i++)
		put(q->id, &m, q->size);
}

static double run_stream(double ms, size_t size)
{
	struct queue q = { .id = queue_new(), .size = size, .cpu = 1 };
	pid_t child = child_start(consumer, &q);
	double ns = measure(ms, body_produce, &q);

	child_kill(child);
	queue_free(q.id);
	return ns;
}

static double run_stream_64(double ms)
{
	return run_stream(ms, 64);
}

static double run_stream_4k(double ms)
{
	return run_stream(ms, 4096);
}

static void echo(void *context)
{
	static struct message m;
	const struct queue *q = context;

	cpu_pin(q->cpu);
	for (;;) {
		take(q->id, &m, q->size, 0);
		put(q->back, &m, q->size);
	}
}

static void body_ping(void *context, uint64_t n)
{
	static struct message m = { .type = 1 };
	const struct queue *q = context;

	for (uint64_t i = 0; i < n; i++) {
		put(q->id, &m, q->size);
		take(q->back, &m, q->size, 0);
	}
}

static double run_ping(double ms, unsigned cpu)
{
	struct queue q = { .id = queue_new(), .back = queue_new(), .size = 64, .cpu = cpu };
	pid_t child = child_start(echo, &q);
	double ns = measure(ms, body_ping, &q);

	child_kill(child);
	queue_free(q.id);
	queue_free(q.back);
	return ns;
}

static double run_ping_two(double ms)
{
	return run_ping(ms, 1);
}

static double run_ping_one(double ms)
{
	return run_ping(ms, 0);
}

/* --- deep queues ------------------------------------------------------------------------------------- */

static void body_deep(void *context, uint64_t n)
{
	static struct message m;
	const struct queue *q = context;

	for (uint64_t i = 0; i < n; i++) {
		take(q->id, &m, q->size, q->take);
		put(q->id, &m, q->size);
	}
}

/* One byte each, so that 10,000 fit in a queue of the default size.  Types first, first + step, ... */
static void fill(const struct queue *q, int depth, int first, int step)
{
	static struct message m;

	for (int i = 0; i < depth; i++) {
		m.type = first + i * step;
		put(q->id, &m, q->size);
	}
}

static double run_deep(double ms, int depth)
{
	struct queue q = { .id = queue_new(), .size = 1, .take = depth };
	double ns;

	fill(&q, depth, 1, 1);
	ns = measure(ms, body_deep, &q);
	queue_free(q.id);
	return ns;
}

static double run_deep_10(double ms)
{
	return run_deep(ms, 10);
}

static double run_deep_1000(double ms)
{
	return run_deep(ms, 1000);
}

static double run_deep_10000(double ms)
{
	return run_deep(ms, 10000);
}

/* The lowest is the last, and stays it: every other one is a candidate until the next is seen. */
static double run_lowest(double ms)
{
	struct queue q = { .id = queue_new(), .size = 1, .take = -1000 };
	double ns;

	fill(&q, 1000, 1000, -1);
	ns = measure(ms, body_deep, &q);
	queue_free(q.id);
	return ns;
}

const struct bench_case bench_msg_cases[] = {
	{ "msg-64", "msgsnd, msgrcv of 64 B", "call", 8, NULL, 0, ON_ONE, run_64 },
	{ "msg-1k", "msgsnd, msgrcv of 1 KiB", "call", 5, NULL, 0, ON_ONE, run_1k },
	{ "msg-8k", "msgsnd, msgrcv of 8 KiB", "call", 2.5, NULL, 0, ON_ONE, run_8k },
	{ "stream-64", "producer to consumer, 64 B", "message", 3, NULL, 0, ON_TWO, run_stream_64 },
	{ "stream-4k", "producer to consumer, 4 KiB", "message", 2, NULL, 0, ON_TWO, run_stream_4k },
	{ "msg-ping-2cpu", "two-queue ping-pong, two CPUs", "round trip", 1, NULL, 0, ON_TWO, run_ping_two },
	{ "msg-ping-1cpu", "two-queue ping-pong, one CPU", "round trip", 1, NULL, 0, ON_ONE, run_ping_one },
	{ "deep-10", "deepest type, depth 10", "take+put", 8, NULL, 0, ON_ONE, run_deep_10 },
	{ "deep-1000", "deepest type, depth 1,000", "take+put", 25, NULL, 0, ON_ONE, run_deep_1000 },
	{ "deep-10000", "deepest type, depth 10,000", "take+put", 200, NULL, 0, ON_ONE, run_deep_10000 },
	{ "lowest-1000", "lowest type of 1,000 (-type)", "take+put", 50, NULL, 0, ON_ONE, run_lowest },
	{ NULL, NULL, NULL, 0, NULL, 0, ON_ONE, NULL },
};

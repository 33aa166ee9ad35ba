/*
 * test-msgq-stress.c: the message queue under threads, and under processes that are killed.
 *
 * Each message carries its sender, a number and text made from both.  Threads: every message arrives
 * exactly once, those of one sender and type in order, nobody oversleeps.  Processes: senders and
 * receivers are killed at random and recovered; no message arrives twice, and none is missing but
 * one for each receiver that was killed.
 */
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "msgq-fixture.h"
#include "sys/wait.h"

#define QBYTES 1500u
#define SENDERS 3u
#define RECEIVERS 3u
#define MESSAGES 20000u
#define NUMBERS_MAX (1u << 20)
#define STORM_MS 1500
#define UNSURE 0x80u    /* in `got`: its sender was killed before it could tell */
#define LAST UINT32_MAX /* number of the message that ends a receiver */

struct text {
	uint32_t sender;
	uint32_t number;
	uint8_t bytes[300];
};

/* What the processes of the storm share besides the queue. */
struct ground {
	struct shared32 over;
	struct shared32 trying[SENDERS]; /* number being sent */
	struct shared32 sent[SENDERS];   /* number sent last, as far as the sender could tell */
	struct shared32 n_damaged;
	struct shared32 got[SENDERS][NUMBERS_MAX / 4]; /* a byte each */
};

static struct fixture fixture;
static unsigned int n_overslept;

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void wake_all(struct msgq *queue, const struct wakes *wakes)
{
	uint32_t i;

	for (i = 0; i < wakes->n; i++)
		wait_wake(shared64_low_half(&queue->mcas.words[wakes->word_indexes[i]]), INT32_MAX);
}

/* Wakes, and the rest where the list was full. */
static void wake(struct msgq *queue, const struct actor *actor, struct wakes *wakes)
{
	for (;;) {
		bool full = wakes->n == WAKES_MAX;

		wake_all(queue, wakes);
		if (!full || msgq_settle(queue, actor, wakes))
			return;
	}
}

static void sleep_on(struct msgq *queue, const struct msgq_sleeper *sleeper, bool *ret_slice_over)
{
	uint64_t start = now_ns();

	(void)wait_on(shared64_low_half(&queue->mcas.words[sleeper->word_index]), sleeper->expected,
		      WAIT_FOREVER);
	*ret_slice_over = now_ns() - start >= WAIT_SLICE_NS;
}

static void grow_quietly(struct msgq *queue)
{
	struct msgq_growth growth;

	msgq_growth(queue, &growth);
	msgq_growth_done(queue, &growth);
}

static int send_waiting(struct msgq *queue, const struct actor *actor, int64_t type,
			const void *text, uint64_t size)
{
	struct msgq_sleeper sleeper;
	struct wakes wakes;
	bool slice_over;
	int outcome;

	for (;;) {
		outcome = msgq_send_or_wait(queue, actor, type, text, size, &wakes, &sleeper);
		wake(queue, actor, &wakes);
		while (outcome == MSGQ_WAITING) {
			sleep_on(queue, &sleeper, &slice_over);
			outcome = msgq_send_poll(queue, &sleeper);
			if (slice_over && outcome != MSGQ_WAITING)
				__atomic_add_fetch(&n_overslept, 1, __ATOMIC_RELAXED);
		}
		if (outcome == MSGQ_GROW)
			grow_quietly(queue);
		else if (outcome == MSGQ_E_BUSY)
			(void)sched_yield();
		else if (outcome != MSGQ_RETRY && outcome != MSGQ_MORE)
			return outcome;
	}
}

static int receive_waiting(struct msgq *queue, const struct actor *actor,
			   const struct msgq_want *want, struct text *text, uint64_t *ret_size,
			   int64_t *ret_type)
{
	struct msgq_sleeper sleeper;
	struct wakes wakes;
	bool slice_over;
	int outcome;

	for (;;) {
		outcome = msgq_receive_or_wait(queue, actor, want, text, ret_size, ret_type, &wakes,
					       &sleeper);
		wake(queue, actor, &wakes);
		while (outcome == MSGQ_WAITING) {
			sleep_on(queue, &sleeper, &slice_over);
			outcome = msgq_receive_poll(queue, actor, &sleeper, want, text, ret_size,
						    ret_type, &wakes);
			if (slice_over && outcome != MSGQ_WAITING)
				__atomic_add_fetch(&n_overslept, 1, __ATOMIC_RELAXED);
		}
		if (outcome == MSGQ_GROW)
			grow_quietly(queue);
		else if (outcome == MSGQ_E_BUSY)
			(void)sched_yield();
		else if (outcome != MSGQ_RETRY)
			return outcome;
	}
}

static uint64_t text_make(struct text *text, uint32_t sender, uint32_t number)
{
	uint64_t size = number == LAST ? 0 : (number * 2654435761u >> 8) % 290;

	text->sender = sender;
	text->number = number;
	fixture_text(text->bytes, size, sender * 1000003u + number);
	return offsetof(struct text, bytes) + size;
}

static bool text_is_whole(const struct text *text, uint64_t size)
{
	struct text expected;

	return size >= offsetof(struct text, bytes) &&
	       text_make(&expected, text->sender, text->number) == size &&
	       memcmp(&expected, text, size) == 0;
}

/* --- threads -------------------------------------------------------------------------------------- */

static uint32_t n_got[SENDERS];

/* Ends the program: with a message lost the other threads would wait for it for ever. */
static _Noreturn void wrong(const char *what, const struct text *text)
{
	(void)printf("not ok - %s: sender %u, number %u\n", what, text->sender, text->number);
	exit(1);
}

static void *sender_thread(void *argument)
{
	uint32_t sender = (uint32_t)(uintptr_t)argument, number;
	const struct actor actor = fixture_actor(sender);
	struct text text;

	for (number = 0; number < MESSAGES; number++) {
		uint64_t size = text_make(&text, sender, number);

		if (send_waiting(&fixture.queue, &actor, 1 + number % 3, &text, size) != MSGQ_DONE)
			wrong("not sent", &text);
	}
	return NULL;
}

static void *receiver_thread(void *argument)
{
	uint32_t me = (uint32_t)(uintptr_t)argument;
	const struct actor actor = fixture_actor(100 + me);
	/* One for each type; the first by a range, which for type 1 is the same. */
	const struct msgq_want want = { .type = me == 0 ? -1 : 1 + (int64_t)me,
					.size = sizeof(struct text) };
	uint32_t next[SENDERS] = { me, me, me };
	struct text text = { 0 };
	uint64_t size;
	int64_t type;

	for (;;) {
		if (receive_waiting(&fixture.queue, &actor, &want, &text, &size, &type) != MSGQ_DONE)
			wrong("not received", &text);
		if (!text_is_whole(&text, size) || text.sender >= SENDERS)
			wrong("damaged", &text);
		if (text.number == LAST)
			return NULL;
		if (text.number >= MESSAGES || type != 1 + text.number % 3 ||
		    text.number != next[text.sender])
			wrong("out of order", &text);
		next[text.sender] += 3;
		__atomic_add_fetch(&n_got[text.sender], 1, __ATOMIC_RELAXED);
	}
}

/* Looks on, and now and then makes the sleepers look again. */
static void *onlooker_thread(void *argument)
{
	const struct actor actor = fixture_actor(200);
	bool *over = argument;
	struct msgq_stat stat;
	struct text text = { 0 };
	struct wakes wakes;
	uint64_t size;
	int64_t type;

	while (!__atomic_load_n(over, __ATOMIC_RELAXED)) {
		msgq_get_stat(&fixture.queue, &stat);
		if (stat.cbytes > QBYTES || stat.qnum > QBYTES)
			wrong("count", &text);
		if (msgq_copy(&fixture.queue, 1, sizeof(text), false, &text, &size, &type) ==
			    MSGQ_DONE && !text_is_whole(&text, size))
			wrong("copy", &text);
		if (msgq_set(&fixture.queue, &actor, QBYTES, &wakes) == MSGQ_DONE)
			wake(&fixture.queue, &actor, &wakes);
		(void)usleep(200); /* cut short it is as good */
	}
	return NULL;
}

static void threads_exchange_every_message_once_and_in_order(void **state)
{
	pthread_t senders[SENDERS], receivers[RECEIVERS], onlooker;
	const struct actor actor = fixture_actor(0);
	bool over = false;
	struct text text;
	uintptr_t i;

	(void)state;
	fixture_init(&fixture, QBYTES);
	assert_int_equal(pthread_create(&onlooker, NULL, onlooker_thread, &over), 0);
	for (i = 0; i < RECEIVERS; i++)
		assert_int_equal(pthread_create(&receivers[i], NULL, receiver_thread, (void *)i), 0);
	for (i = 0; i < SENDERS; i++)
		assert_int_equal(pthread_create(&senders[i], NULL, sender_thread, (void *)i), 0);
	for (i = 0; i < SENDERS; i++)
		assert_int_equal(pthread_join(senders[i], NULL), 0);
	for (i = 0; i < RECEIVERS; i++) {
		uint64_t size = text_make(&text, 0, LAST);

		assert_int_equal(send_waiting(&fixture.queue, &actor, 1 + (int64_t)i, &text, size),
				 MSGQ_DONE);
	}
	for (i = 0; i < RECEIVERS; i++)
		assert_int_equal(pthread_join(receivers[i], NULL), 0);
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(onlooker, NULL), 0);
	for (i = 0; i < SENDERS; i++)
		assert_int_equal(n_got[i], MESSAGES);
	assert_true(n_overslept <= 2); /* more than a busy machine's doing */
	assert_true(msgq_verify(&fixture.queue));
	fixture_deinit(&fixture);
}

/* --- killed processes ----------------------------------------------------------------------------- */

static struct ground *ground;

static void got_count(struct ground *g, const struct text *text, uint64_t size)
{
	if (!text_is_whole(text, size) || text->sender >= SENDERS || text->number >= NUMBERS_MAX)
		(void)shared32_add(&g->n_damaged, 1);
	else
		(void)shared32_add(&g->got[text->sender][text->number / 4],
				   UINT32_C(1) << 8 * (text->number % 4));
}

static void sender_process(uint32_t me, const struct actor *actor)
{
	struct text text;
	uint32_t number;

	/* The one before may have died after sending it and before saying so. */
	number = shared32_load(&ground->trying[me]) + 1;
	for (; number < NUMBERS_MAX && !shared32_load(&ground->over); number++) {
		uint64_t size = text_make(&text, me, number);

		shared32_store(&ground->trying[me], number);
		if (send_waiting(&fixture.queue, actor, 1 + number % 3, &text, size) != MSGQ_DONE)
			_exit(1);
		shared32_store(&ground->sent[me], number);
	}
	for (;;)
		(void)pause();
}

static void receiver_process(uint32_t me, const struct actor *actor)
{
	const struct msgq_want want = { .type = me == 0 ? 0 : -3, .size = sizeof(struct text) };
	struct text text;
	uint64_t size;
	int64_t type;

	while (receive_waiting(&fixture.queue, actor, &want, &text, &size, &type) == MSGQ_DONE)
		got_count(ground, &text, size);
	_exit(1);
}

static pid_t spawn(uint32_t role, uint32_t generation)
{
	const struct actor actor = fixture_actor(generation * 16 + role);
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	if (role < SENDERS)
		sender_process(role, &actor);
	else
		receiver_process(role - SENDERS, &actor);
	_exit(1);
}

static void kill_and_recover(pid_t pid, uint32_t role, uint32_t generation)
{
	const struct actor actor = fixture_actor(generation * 16 + role);
	struct wakes wakes;
	int outcome, status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	do {
		outcome = msgq_recover(&fixture.queue, &actor, &wakes);
		wake_all(&fixture.queue, &wakes);
	} while (outcome == MSGQ_MORE);
	assert_int_equal(outcome, MSGQ_DONE);
	assert_false(msgq_holds(&fixture.queue, actor.client));
	if (role < SENDERS) {
		uint32_t number = shared32_load(&ground->trying[role]);
		struct shared32 *got = &ground->got[role][number / 4];
		uint32_t unsure = (uint32_t)UNSURE << 8 * (number % 4);

		/* Already, if the one before it was killed over the same. */
		if (number != shared32_load(&ground->sent[role]) && !(shared32_load(got) & unsure))
			(void)shared32_add(got, unsure);
	}
}

static void share_fixture(void)
{
	uint64_t size;
	void *base;

	assert_int_equal(msgq_layout(QBYTES, &fixture.layout), 0);
	size = fixture.layout.size;
	base = mmap(NULL, size + 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(base != MAP_FAILED);
	fixture.base = base;
	msgq_format(fixture.base, &fixture.layout, QBYTES, FIXTURE_NOW);
	assert_int_equal(msgq_bind(&fixture.queue, fixture.base, size), MSGQ_DONE);
	ground = mmap(NULL, sizeof(*ground), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true((void *)ground != MAP_FAILED);
}

static void drain(void)
{
	const struct msgq_want want = { .type = 0, .size = sizeof(struct text) };
	const struct actor actor = fixture_actor(15);
	struct wakes wakes;
	struct text text;
	uint64_t size;
	int64_t type;

	while (msgq_receive(&fixture.queue, &actor, &want, &text, &size, &type, &wakes) == MSGQ_DONE)
		got_count(ground, &text, size);
}

/* Adds up what arrived.  Only what a sender was killed over, or a receiver took with it, may not have. */
static void count_all(uint32_t n_kills, uint32_t n_receiver_kills)
{
	uint32_t sender, number, n = 0, n_missing = 0;

	for (sender = 0; sender < SENDERS; sender++) {
		for (number = 1; number <= shared32_load(&ground->trying[sender]); number++) {
			uint32_t got = shared32_load(&ground->got[sender][number / 4]) >>
				       8 * (number % 4) & 0xff;

			assert_true((got & ~UNSURE) <= 1);
			n += got & 1;
			n_missing += got == 0;
		}
	}
	print_message("%u messages, %u kills, %u of receivers, %u missing\n", n, n_kills,
		      n_receiver_kills, n_missing);
	assert_int_equal(shared32_load(&ground->n_damaged), 0);
	assert_true(n_missing <= n_receiver_kills); /* one each at most (MSG-34) */
	assert_true(n > 0);
}

static void killed_processes_lose_and_double_nothing(void **state)
{
	pid_t pids[SENDERS + RECEIVERS];
	uint32_t generations[SENDERS + RECEIVERS] = { 0 };
	uint32_t role, random = 12345, n_kills = 0, n_receiver_kills = 0;
	uint64_t end = now_ns() + STORM_MS * UINT64_C(1000000);

	(void)state;
	share_fixture();
	for (role = 0; role < SENDERS + RECEIVERS; role++)
		pids[role] = spawn(role, 1), generations[role] = 1;
	while (now_ns() < end) {
		random = random * 1664525u + 1013904223u;
		role = (random >> 16) % (SENDERS + RECEIVERS);
		(void)usleep(random >> 21); /* up to 2 ms */
		kill_and_recover(pids[role], role, generations[role]);
		n_kills++;
		n_receiver_kills += role >= SENDERS;
		pids[role] = spawn(role, ++generations[role]);
	}
	shared32_store(&ground->over, 1);
	for (role = 0; role < SENDERS + RECEIVERS; role++) {
		kill_and_recover(pids[role], role, generations[role]);
		n_kills++;
		n_receiver_kills += role >= SENDERS;
	}
	drain();
	count_all(n_kills, n_receiver_kills);
	assert_true(msgq_verify(&fixture.queue));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_exchange_every_message_once_and_in_order),
		cmocka_unit_test(killed_processes_lose_and_double_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

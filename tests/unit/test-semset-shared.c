/*
 * test-semset-shared.c: a semaphore set in many hands: threads, processes that are killed or stopped
 * anywhere, and files that lie.
 */
#include "test.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "core/semset-internal.h"
#include "model/semset-file.h"
#include "sys/wait.h"

/* Where -Isrc comes first, libc's header of this name is hidden by ours. */
pid_t waitpid(pid_t pid, int *status, int options);

#define N_THREADS 4u

static uint64_t random_next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x >> 16;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint32_t rounds_of(uint32_t n)
{
	return getenv("USYSV_LONG") ? n * 10 : n;
}

/* --- a whole call: with waiting and waking, as the library does it -------------------------------- */

static void wake_all(struct semset_file *file, const struct wakes *wakes)
{
	uint32_t i;

	for (i = 0; i < wakes->n; i++)
		wait_wake(shared64_low_half(&file->set.mcas.words[wakes->word_indexes[i]]), INT32_MAX);
}

static int settle_all(struct semset_file *file, const struct actor *actor, int outcome,
		      struct wakes *wakes)
{
	while (outcome == SEMSET_MORE || semset_file_grow(file, outcome)) {
		if (outcome == SEMSET_MORE)
			wake_all(file, wakes);
		outcome = semset_settle(&file->set, actor, wakes);
	}
	if (outcome == SEMSET_DONE)
		wake_all(file, wakes);
	return outcome;
}

/* SEMSET_BLOCKED: timed out. */
static int call(struct semset_file *file, const struct actor *actor, const struct abi_sembuf *ops,
		uint32_t n_ops, uint64_t timeout_ns)
{
	uint64_t deadline = now_ns() + timeout_ns;
	struct semset_sleeper sleeper;
	struct wakes wakes;
	int outcome;

	outcome = semset_file_wait(file, actor, ops, n_ops, &wakes, &sleeper);
	if (outcome == SEMSET_DONE || outcome == SEMSET_MORE)
		return settle_all(file, actor, outcome, &wakes);
	while (outcome == SEMSET_WAITING) {
		const struct shared64 *word = &file->set.mcas.words[sleeper.word_index];

		if (now_ns() >= deadline)
			return semset_cancel(&file->set, actor, &sleeper);
		(void)wait_on(shared64_low_half(word), sleeper.expected, deadline);
		outcome = semset_poll(&file->set, &sleeper);
	}
	return outcome;
}

/* --- threads -------------------------------------------------------------------------------------- */

struct worker {
	pthread_t thread;
	struct semset_file *file;
	struct actor actor;
	uint64_t seed;
	uint32_t rounds;
	int outcome; /* first that was not expected */
	uint32_t n_timeouts;
};

static void run_workers(struct semset_file *file, struct worker *workers, uint32_t n,
			uint32_t rounds, void *(*main_of)(void *))
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		workers[i] = (struct worker){ .file = file,
					      .actor = { .client = 10 + i,
							 .pid = 100 + i,
							 .hint = i * 7,
							 .now_s = 2000 },
					      .seed = 0x9e3779b97f4a7c15u * (i + 1),
					      .rounds = rounds };
		assert_int_equal(pthread_create(&workers[i].thread, NULL, main_of, &workers[i]), 0);
	}
	for (i = 0; i < n; i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
	for (i = 0; i < n; i++)
		assert_int_equal(workers[i].outcome, SEMSET_DONE);
}

static void set_values(struct semset_file *file, uint16_t value)
{
	const struct actor actor = { 1, 1, 0, 1, 0 };
	uint16_t values[64];
	struct wakes wakes;
	uint32_t i;

	for (i = 0; i < file->set.layout.n_sems; i++)
		values[i] = value;
	assert_int_equal(semset_file_set_all(file, &actor, values, &wakes), SEMSET_DONE);
}

static void expect_all(struct semset_file *file, uint16_t value)
{
	uint16_t values[64];
	uint32_t i;

	assert_int_equal(semset_get_all(&file->set, values), SEMSET_DONE);
	for (i = 0; i < file->set.layout.n_sems; i++)
		assert_int_equal(values[i], value);
}

/* Takes both neighbours' forks at once, gives them back one by one or together. */
static void *philosopher(void *argument)
{
	struct worker *worker = argument;
	uint16_t left = (uint16_t)(worker->actor.client - 10);
	uint16_t right = (uint16_t)((left + 1) % worker->file->set.layout.n_sems);
	uint32_t i;

	for (i = 0; i < worker->rounds && worker->outcome == SEMSET_DONE; i++) {
		int16_t flags = i % 3 ? 0 : ABI_SEM_UNDO;
		struct abi_sembuf take[2] = { { left, -1, flags }, { right, -1, flags } };
		struct abi_sembuf give[2] = { { right, 1, flags }, { left, 1, flags } };

		worker->outcome = call(worker->file, &worker->actor, take, 2, 60000000000u);
		if (worker->outcome != SEMSET_DONE)
			break;
		if (i % 2)
			worker->outcome = call(worker->file, &worker->actor, give, 2, 0);
		else
			worker->outcome = call(worker->file, &worker->actor, give, 1, 0) |
					  call(worker->file, &worker->actor, give + 1, 1, 0);
	}
	return NULL;
}

static void philosophers_all_eat_and_no_wake_is_lost(void **state)
{
	struct worker workers[5];
	struct semset_file file;

	(void)state;
	semset_file_init(&file, 5);
	set_values(&file, 1);
	run_workers(&file, workers, 5, rounds_of(60000), philosopher);
	expect_all(&file, 1);
	assert_true(semset_verify(&file.set));
	semset_file_deinit(&file);
}

/* Each waits for his number to become zero and sets the next one's: a baton round the table. */
static void *relay(void *argument)
{
	struct worker *worker = argument;
	uint16_t mine = (uint16_t)(worker->actor.client - 10);
	uint16_t next = (uint16_t)((mine + 1) % N_THREADS);
	uint32_t i;

	for (i = 0; i < worker->rounds && worker->outcome == SEMSET_DONE; i++) {
		struct abi_sembuf take[2] = { { mine, 0, 0 }, { mine, 1, 0 } };
		struct abi_sembuf give = { next, -1, 0 };

		worker->outcome = call(worker->file, &worker->actor, take, 2, 60000000000u);
		if (worker->outcome == SEMSET_DONE)
			worker->outcome = call(worker->file, &worker->actor, &give, 1, 60000000000u);
	}
	return NULL;
}

static void relay_of_zero_waiters_comes_round(void **state)
{
	struct worker workers[N_THREADS];
	struct semset_file file;
	struct actor actor = { 1, 1, 0, 1, 0 };
	struct wakes wakes;
	uint32_t i;

	(void)state;
	semset_file_init(&file, N_THREADS);
	for (i = 1; i < N_THREADS; i++)
		assert_int_equal(semset_file_set_value(&file, &actor, i, 1, &wakes), SEMSET_DONE);
	run_workers(&file, workers, N_THREADS, rounds_of(10000), relay);
	assert_true(semset_verify(&file.set));
	semset_file_deinit(&file);
}

/* Moves units between semaphores, gives up after a while: the sum stays. */
static void *mover(void *argument)
{
	struct worker *worker = argument;
	uint32_t n_sems = worker->file->set.layout.n_sems;
	uint32_t i;

	for (i = 0; i < worker->rounds; i++) {
		uint64_t dice = random_next(&worker->seed);
		int16_t n = (int16_t)(1 + dice % 2);
		struct abi_sembuf ops[3] = {
			{ (uint16_t)((dice >> 8) % n_sems), (int16_t)-n, 0 },
			{ (uint16_t)((dice >> 16) % n_sems), n, 0 },
			{ (uint16_t)((dice >> 24) % n_sems), 0, 0 },
		};
		int outcome = call(worker->file, &worker->actor, ops, dice >> 33 & 7 ? 2 : 3,
				   (dice >> 40) % 20000);

		worker->n_timeouts += outcome == SEMSET_BLOCKED;
		if (outcome != SEMSET_DONE && outcome != SEMSET_BLOCKED)
			worker->outcome = outcome;
	}
	return NULL;
}

static void moved_units_are_neither_lost_nor_made(void **state)
{
	struct worker workers[N_THREADS];
	struct semset_file file;
	uint16_t values[5];
	uint32_t i, sum = 0, n_timeouts = 0;

	(void)state;
	semset_file_init(&file, 5);
	set_values(&file, 1);
	run_workers(&file, workers, N_THREADS, rounds_of(150000), mover);
	assert_int_equal(semset_get_all(&file.set, values), SEMSET_DONE);
	for (i = 0; i < 5; i++)
		sum += values[i];
	for (i = 0; i < N_THREADS; i++)
		n_timeouts += workers[i].n_timeouts;
	assert_int_equal(sum, 5);
	assert_true(n_timeouts > 0);
	for (i = 0; i < N_THREADS; i++)
		assert_false(semset_holds(&file.set, workers[i].actor.client));
	assert_true(semset_verify(&file.set));
	semset_file_deinit(&file);
}

/* Adjusts at random as one of two processes; two threads share each. */
static void *adjuster(void *argument)
{
	struct worker *worker = argument;
	uint32_t i;

	worker->actor.client = 20 + worker->actor.client % 2;
	for (i = 0; i < worker->rounds && worker->outcome == SEMSET_DONE; i++) {
		uint64_t dice = random_next(&worker->seed);
		struct abi_sembuf ops[2] = {
			{ (uint16_t)(dice % 4), (int16_t)((dice >> 8) % 5 - 2), ABI_SEM_UNDO },
			{ (uint16_t)(dice >> 16 & 3), (int16_t)((dice >> 24) % 5 - 2), ABI_SEM_UNDO },
		};
		int outcome;

		if (dice >> 32 & 63)
			outcome = call(worker->file, &worker->actor, ops, 1 + (dice >> 40 & 1), 0);
		else
			outcome = semset_file_undo(worker->file, &worker->actor);
		if (outcome != SEMSET_DONE && outcome != SEMSET_BLOCKED)
			worker->outcome = outcome;
	}
	return NULL;
}

static void adjustments_of_threads_cancel_out_at_exit(void **state)
{
	struct worker workers[N_THREADS];
	const struct actor ended[2] = { { 20, 120, 0, 3000, 0 }, { 21, 121, 0, 3000, 0 } };
	struct semset_file file;
	uint32_t i;

	(void)state;
	semset_file_init(&file, 4);
	set_values(&file, 15000);
	run_workers(&file, workers, N_THREADS, rounds_of(150000), adjuster);
	for (i = 0; i < 2; i++) {
		assert_int_equal(semset_file_recover(&file, &ended[i]), SEMSET_DONE);
		assert_false(semset_holds(&file.set, ended[i].client));
	}
	expect_all(&file, 15000);
	assert_true(semset_verify(&file.set));
	semset_file_deinit(&file);
}

/* --- processes that are killed or stopped --------------------------------------------------------- */

/* Takes units and gives them back, always with SEM_UNDO, until it is killed. */
static _Noreturn void victim(struct semset_file *file, const struct actor *actor, uint64_t seed)
{
	struct abi_sembuf take[8], give[8];

	for (;;) {
		uint32_t n = 1 + (uint32_t)(random_next(&seed) % (random_next(&seed) % 8 ? 2 : 7));
		uint32_t first = (uint32_t)random_next(&seed);
		uint32_t i;

		for (i = 0; i < n; i++) {
			uint16_t sem = (uint16_t)((first + i) % 3);

			take[i] = (struct abi_sembuf){ sem, -1, ABI_SEM_UNDO };
			give[n - 1 - i] = (struct abi_sembuf){ sem, 1, ABI_SEM_UNDO };
		}
		if (call(file, actor, take, n, 3000000) != SEMSET_DONE)
			continue;
		if (call(file, actor, give, n, 0) != SEMSET_DONE)
			_exit(1);
	}
}

static pid_t start_victim(struct semset_file *file, const struct actor *actor, uint64_t seed)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		victim(file, actor, seed);
	return pid;
}

/* Everything that comes from growing later is done before the processes part. */
static void grow_ahead(struct semset_file *file)
{
	assert_true(semset_file_grow(file, SEMSET_GROW_LARGE));
	assert_true(semset_file_grow(file, SEMSET_GROW_SLEEPERS));
	assert_true(semset_file_grow(file, SEMSET_GROW_ROWS));
}

static void kill_storm_loses_and_doubles_nothing(void **state)
{
	const struct actor bystander = { 1, 1, 99, 1, 0 };
	struct semset_file file;
	struct actor actors[3];
	pid_t pids[3];
	uint64_t seed = 0x6b696c6c, next_client = 100;
	uint32_t round, i;
	int status;

	(void)state;
	semset_file_init(&file, 4);
	set_values(&file, 2);
	grow_ahead(&file);
	for (i = 0; i < 3; i++) {
		actors[i] = (struct actor){ next_client++, 100 + i, i, 2000, 0 };
		pids[i] = start_victim(&file, &actors[i], random_next(&seed));
	}
	for (round = 0; round < rounds_of(800); round++) {
		struct timespec pause = { 0, (long)(random_next(&seed) % 600000) };

		i = round % 3;
		(void)nanosleep(&pause, NULL);
		if (round % 2) {
			/* Goes through the words that all others use, and never blocks. */
			struct abi_sembuf ops[5] = { { 0, 1, 0 }, { 1, 1, 0 }, { 0, -1, 0 },
						     { 1, -1, 0 }, { 3, 1, 0 } };
			struct abi_sembuf take = { 3, -1, 0 };

			/* Stopped wherever it is, it is in nobody's way. */
			assert_int_equal(kill(pids[i], SIGSTOP), 0);
			assert_int_equal(waitpid(pids[i], &status, WUNTRACED), pids[i]);
			assert_int_equal(call(&file, &bystander, ops, 5, 0), SEMSET_DONE);
			assert_int_equal(call(&file, &bystander, &take, 1, 0), SEMSET_DONE);
		}
		assert_int_equal(kill(pids[i], SIGKILL), 0);
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(semset_file_recover(&file, &actors[i]), SEMSET_DONE);
		assert_false(semset_holds(&file.set, actors[i].client));
		actors[i] = (struct actor){ next_client++, 100 + i, i, 2000, 0 };
		pids[i] = start_victim(&file, &actors[i], random_next(&seed));
	}
	for (i = 0; i < 3; i++) {
		assert_int_equal(kill(pids[i], SIGKILL), 0);
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(semset_file_recover(&file, &actors[i]), SEMSET_DONE);
	}
	expect_all(&file, 2);
	assert_true(semset_verify(&file.set));
	semset_file_deinit(&file);
}

/* Recovery itself is killed anywhere and run again, beside live users. */
static void recovery_that_is_killed_and_rerun_is_exact(void **state)
{
	struct actor dead = { 50, 150, 0, 2000, 0 };
	struct abi_sembuf take[3] = { { 0, -2, ABI_SEM_UNDO }, { 1, -1, ABI_SEM_UNDO }, { 2, 5, ABI_SEM_UNDO } };
	struct abi_sembuf more = { 3, -1, ABI_SEM_UNDO }, post = { 3, 1, 0 };
	struct actor other = { 5, 105, 1, 2000, 0 };
	struct semset_sleeper sleeper;
	struct semset_file file;
	struct wakes wakes;
	uint64_t seed = 0x7265636f;
	uint32_t round;
	int status;

	(void)state;
	semset_file_init(&file, 4);
	grow_ahead(&file);
	for (round = 0; round < rounds_of(600); round++) {
		struct timespec pause = { 0, (long)(random_next(&seed) % 200000) };
		pid_t pid;

		dead.client++;
		set_values(&file, 3);
		assert_int_equal(semset_file_set_value(&file, &other, 3, 0, &wakes), SEMSET_DONE);
		assert_int_equal(semset_file_op(&file, &dead, take, 3, &wakes), SEMSET_DONE);
		/* One grant it never sees, one sleeper it leaves behind. */
		assert_int_equal(semset_file_wait(&file, &dead, &more, 1, &wakes, &sleeper),
				 SEMSET_WAITING);
		assert_int_equal(semset_file_op(&file, &other, &post, 1, &wakes), SEMSET_DONE);
		assert_int_equal(semset_file_wait(&file, &dead, &more, 1, &wakes, &sleeper),
				 SEMSET_WAITING);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			(void)semset_file_recover(&file, &dead);
			_exit(0);
		}
		(void)nanosleep(&pause, NULL);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(semset_file_recover(&file, &dead), SEMSET_DONE);
		assert_int_equal(semset_file_op(&file, &other, &more, 1, &wakes), SEMSET_DONE);
		assert_int_equal(semset_file_set_value(&file, &other, 3, 3, &wakes), SEMSET_DONE);
		expect_all(&file, 3);
		assert_false(semset_holds(&file.set, dead.client));
		assert_true(semset_verify(&file.set));
	}
	semset_file_deinit(&file);
}

/* --- files that lie ------------------------------------------------------------------------------- */

/* A word as a liar would choose it: noise, small numbers, marks, states, all ones. */
static uint64_t lie(uint64_t *seed)
{
	uint64_t dice = random_next(seed);

	switch (dice % 8) {
	case 0:
		return dice >> 8;
	case 1:
		return dice >> 8 & 0xff;
	case 2:
		return random_next(seed) << 32 | 1; /* a mark of slot 0 */
	case 3:
		return (dice >> 8 & 3) << 62 | (dice >> 12 & 0x3ffff) << 32; /* a sleeper's state */
	case 4:
		return (dice >> 8 & 7) | (dice >> 12 & 0xff) << 3; /* a descriptor's status */
	case 5:
		return UINT64_MAX;
	case 6:
		return (dice >> 8 & 0xffff) << 16 | (dice >> 30 & 0x1f); /* an operation or link */
	default:
		return random_next(seed) << 32; /* a semaphore or undo word */
	}
}

static void scribble(struct semset_file *file, uint64_t *seed, uint32_t n)
{
	const struct semset_layout *layout = &file->set.layout;
	const uint64_t starts[7] = { 24, layout->sems_off, layout->slots_off, layout->words_off,
				     layout->records_off, layout->owners_off, layout->rows_off };
	const uint64_t sizes[7] = { 104, layout->n_sems * 64, 6144, 512, 4096, 512,
				    layout->n_sems * 512 };

	while (n-- > 0) {
		uint64_t part = random_next(seed) % 7;
		uint64_t offset = starts[part] + random_next(seed) % sizes[part] / 8 * 8;

		shared64_store((struct shared64 *)(void *)(file->base + offset / 8 * 8), lie(seed));
	}
	/* What is backed is the mapping's affair: a liar can cut the file short anyway. */
	shared32_store(&semset_header(&file->set)->sleepers_backed, 64);
	shared32_store(&semset_header(&file->set)->rows_backed, layout->n_rows_first);
	shared32_store(&semset_header(&file->set)->large_backed, 1);
	shared32_store(&semset_header(&file->set)->slots_backed, 1);
}

/* Every function of the header once; none may fail to return or leave the mapping. */
static void call_everything(struct semset_file *file, uint64_t *seed)
{
	struct actor actor = { 1 + random_next(seed) % 4, 5, (uint32_t)random_next(seed), 9, 0 };
	struct abi_sembuf ops[9];
	struct semset_sleeper sleeper;
	struct semset_growth growth;
	uint16_t values[64] = { 0 };
	struct semset_stat stat;
	struct wakes wakes;
	uint32_t i, a, b, n = 1 + (uint32_t)(random_next(seed) % 9);
	struct semset *set = &file->set;

	shared32_store(&semset_header(set)->removed, 0);
	for (i = 0; i < 9; i++)
		ops[i] = (struct abi_sembuf){ (uint16_t)(random_next(seed) % (set->layout.n_sems + 1)),
					      (int16_t)(random_next(seed) % 7 - 3),
					      random_next(seed) & 1 ? ABI_SEM_UNDO : 0 };
	(void)semset_op(set, &actor, ops, 1, &wakes);
	(void)semset_op(set, &actor, ops, n, &wakes);
	if (semset_op_or_wait(set, &actor, ops, n, &wakes, &sleeper) == SEMSET_WAITING) {
		(void)semset_poll(set, &sleeper);
		if (random_next(seed) & 1)
			(void)semset_cancel(set, &actor, &sleeper);
	}
	sleeper.index = (uint32_t)(random_next(seed) % 70);
	(void)semset_poll(set, &sleeper);
	sleeper.index = (uint32_t)random_next(seed);
	(void)semset_cancel(set, &actor, &sleeper);
	(void)semset_settle(set, &actor, &wakes);
	assert_true(wakes.n <= WAKES_MAX);
	(void)semset_set_value(set, &actor, 0, 1, &wakes);
	(void)semset_set_all(set, &actor, values, NULL, &wakes);
	(void)semset_get_all(set, values);
	(void)semset_get_value(set, 0, &a);
	(void)semset_get_counts(set, 0, &a, &b);
	semset_get_stat(set, &stat);
	(void)semset_holds(set, actor.client);
	for (i = SEMSET_GROW_SLOTS; i <= SEMSET_GROW_ROWS; i++)
		(void)semset_growth(set, (int)i, &growth);
	(void)semset_apply_undo(set, &actor, &wakes);
	(void)semset_recover(set, &actor, &wakes);
	(void)semset_remove(set, &actor, &wakes);
	assert_true(wakes.n <= WAKES_MAX);
	(void)semset_verify(set);
}

static void every_call_on_a_lying_file_ends_inside_it(void **state)
{
	uint64_t seed = 0x6c696172;
	struct semset_file file;
	uint32_t run;

	(void)state;
	for (run = 0; run < rounds_of(60); run++) {
		semset_file_init(&file, 1 + run % 5);
		grow_ahead(&file);
		scribble(&file, &seed, 1u << run % 12);
		call_everything(&file, &seed);
		semset_file_deinit(&file);
	}
}

struct liar {
	pthread_t thread;
	struct semset_file *file;
	struct shared32 stop;
};

static void *liar_main(void *argument)
{
	struct liar *liar = argument;
	uint64_t seed = 0x6c6965;

	while (!shared32_load(&liar->stop))
		scribble(liar->file, &seed, 16);
	return NULL;
}

static void every_call_ends_while_a_liar_writes(void **state)
{
	uint64_t seed = 0x6c696573, end = now_ns() + (uint64_t)rounds_of(2) * 1000000000u;
	struct semset_file file;
	struct liar liar = { .file = &file };
	uint32_t n = 0;

	(void)state;
	semset_file_init(&file, 3);
	assert_int_equal(mprotect(file.base, file.size, PROT_READ | PROT_WRITE), 0);
	assert_int_equal(pthread_create(&liar.thread, NULL, liar_main, &liar), 0);
	while (now_ns() < end) {
		call_everything(&file, &seed);
		n++;
	}
	shared32_store(&liar.stop, 1);
	assert_int_equal(pthread_join(liar.thread, NULL), 0);
	assert_true(n > 0);
	semset_file_deinit(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(philosophers_all_eat_and_no_wake_is_lost),
		cmocka_unit_test(relay_of_zero_waiters_comes_round),
		cmocka_unit_test(moved_units_are_neither_lost_nor_made),
		cmocka_unit_test(adjustments_of_threads_cancel_out_at_exit),
		cmocka_unit_test(kill_storm_loses_and_doubles_nothing),
		cmocka_unit_test(recovery_that_is_killed_and_rerun_is_exact),
		cmocka_unit_test(every_call_on_a_lying_file_ends_inside_it),
		cmocka_unit_test(every_call_ends_while_a_liar_writes),
	};

	/* A hang is a failure. */
	(void)alarm(getenv("USYSV_LONG") ? 3000 : 170);
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

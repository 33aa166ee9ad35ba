/* conform-undo.c: SEM_UNDO: booking, range, sharing, exec, every kind of exit. */
#include "conform.h"

#include <pthread.h>
#include <spawn.h>

extern char **environ;

/* A child's work: an array on a set, and how it ends. */
enum ending { END_EXIT, END_KILL, END_SEGV, END_WAIT };

struct work {
	int id;
	enum ending ending;
	size_t count;
	struct sembuf ops[4];
};

static void work_do(void *arg)
{
	const struct work *work = arg;

	put_ret(semop(work->id, (struct sembuf *)work->ops, work->count));
	if (work->ending == END_KILL)
		(void)raise(SIGKILL);
	if (work->ending == END_SEGV)
		(void)raise(SIGSEGV);
	if (work->ending == END_WAIT) {
		shared[0] = 1;
		for (;;)
			(void)pause();
	}
}

static void work_run(int id, enum ending ending, struct sembuf op)
{
	struct work work = { id, ending, 1, { op } };

	child_run(work_do, &work);
}

/* A child that has done its array and waits to be killed. */
static pid_t work_hold(int id, struct sembuf op)
{
	struct work work = { id, END_WAIT, 1, { op } };
	pid_t pid;

	shared[0] = 0;
	pid = child_start(work_do, &work);
	await(0, 1);
	return pid;
}

CASE("UNDO-1", exit_takes_back_flagged_operations_only)
{
	int id = sem_new(2);
	struct work work = { id, END_EXIT, 4,
			     { { 0, 5, SEM_UNDO }, { 0, 2, 0 }, { 1, 4, 0 }, { 0, -1, SEM_UNDO } } };

	child_run(work_do, &work);
	put_sem(id);
}

CASE("UNDO-1", adjustments_accumulate_over_calls)
{
	int id = sem_new(1);
	pid_t pid;

	MUST(sem_set(id, 0, 10));
	pid = work_hold(id, (struct sembuf){ 0, -3, SEM_UNDO });
	put(" %d", sem_value(id, 0));
	child_kill(pid);
	put(" %d", sem_value(id, 0));
	work_run(id, END_EXIT, (struct sembuf){ 0, -3, SEM_UNDO });
	put(" %d", sem_value(id, 0));
}

static void many_calls(void *arg)
{
	int id = *(int *)arg;
	int i;

	for (i = 0; i < 100; i++) {
		MUST(OPS(id, { 0, 2, SEM_UNDO }, { 1, 1, SEM_UNDO }));
		MUST(OPS(id, { 0, -1, SEM_UNDO }));
	}
}

CASE("UNDO-1", two_hundred_calls_are_taken_back)
{
	int id = sem_new(2);

	MUST(sem_set(id, 0, 7));
	child_run(many_calls, &id);
	put_sem(id);
}

static void overflow_adjustment(void *arg)
{
	int id = *(int *)arg;

	put_ret(OPS(id, { 0, 32767, SEM_UNDO }));
	put_ret(OPS(id, { 0, -32767, 0 }));
	put_ret(OPS(id, { 0, 1, SEM_UNDO }));
	put_ret(OPS(id, { 0, -1, 0 }));
	put_ret(OPS(id, { 0, 1, SEM_UNDO }));
	put_ret(OPS(id, { 0, 1, 0 }));
	put(" %d", sem_value(id, 0));
}

CASE("UNDO-2", adjustment_out_of_range_is_erange)
{
	int id = sem_new(1);

	child_run(overflow_adjustment, &id);
	put(" %d", sem_value(id, 0));
}

static void underflow_adjustment(void *arg)
{
	int id = *(int *)arg;

	MUST(sem_set(id, 0, 32767));
	put_ret(OPS(id, { 0, -32767, SEM_UNDO }));
	put_ret(OPS(id, { 0, 32767, 0 }));
	put_ret(OPS(id, { 0, -1, SEM_UNDO }));
	put(" %d", sem_value(id, 0));
}

CASE("UNDO-2", adjustment_above_the_range_is_erange_too)
{
	int id = sem_new(1);

	child_run(underflow_adjustment, &id);
	put(" %d", sem_value(id, 0));
}

static void *thread_takes(void *arg)
{
	MUST(OPS(*(int *)arg, { 0, -1, SEM_UNDO }));
	return NULL;
}

static void threads_share(void *arg)
{
	int id = *(int *)arg;
	pthread_t thread;

	(void)pthread_create(&thread, NULL, thread_takes, arg);
	(void)pthread_join(thread, NULL);
	put(" after-thread=%d", sem_value(id, 0));
}

CASE("UNDO-3", thread_exit_applies_nothing)
{
	int id = sem_new(1);

	MUST(sem_set(id, 0, 5));
	child_run(threads_share, &id);
	put(" after-process=%d", sem_value(id, 0));
}

static void *thread_outlives(void *arg)
{
	pid_t self = getpid();

	await_state(self, 'Z');
	shared[1] = sem_value(*(int *)arg, 0);
	_exit(0);
}

static void leader_leaves(void *arg)
{
	pthread_t thread;

	MUST(OPS(*(int *)arg, { 0, -1, SEM_UNDO }));
	(void)pthread_create(&thread, NULL, thread_outlives, arg);
	pthread_exit(NULL);
}

CASE("UNDO-3", leader_exit_applies_nothing_while_threads_live)
{
	int id = sem_new(1);

	MUST(sem_set(id, 0, 5));
	child_run(leader_leaves, &id);
	put(" meanwhile=%ld after=%d", shared[1], sem_value(id, 0));
}

static void fork_child_exits(void *arg)
{
	int id = *(int *)arg;
	pid_t pid;

	MUST(OPS(id, { 0, -1, SEM_UNDO }));
	pid = fork();
	if (pid == 0)
		_exit(0);
	(void)child_wait(pid);
	put(" after-fork-child=%d", sem_value(id, 0));
}

CASE("UNDO-5", fork_child_has_an_empty_list)
{
	int id = sem_new(1);

	MUST(sem_set(id, 0, 5));
	child_run(fork_child_exits, &id);
	put(" %d", sem_value(id, 0));
}

static void fork_child_works(void *arg)
{
	int id = *(int *)arg;
	pid_t pid;

	MUST(OPS(id, { 0, -1, SEM_UNDO }));
	pid = fork();
	if (pid == 0) {
		MUST(OPS(id, { 0, -2, SEM_UNDO }));
		_exit(0);
	}
	(void)child_wait(pid);
	put(" after-fork-child=%d", sem_value(id, 0));
}

CASE("UNDO-5", fork_child_has_a_list_of_its_own)
{
	int id = sem_new(1);

	MUST(sem_set(id, 0, 5));
	child_run(fork_child_works, &id);
	put(" %d", sem_value(id, 0));
}

static void spawn_child(void *arg)
{
	char *argv[] = { (char *)"true", NULL };
	pid_t pid;

	MUST(OPS(*(int *)arg, { 0, -1, SEM_UNDO }));
	if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) == 0)
		(void)child_wait(pid);
	put(" after-spawn=%d", sem_value(*(int *)arg, 0));
}

CASE("UNDO-5", spawned_child_applies_nothing_of_its_parents)
{
	int id = sem_new(1);

	MUST(sem_set(id, 0, 5));
	child_run(spawn_child, &id);
	put(" %d", sem_value(id, 0));
}

static void exec_sleep(void *arg)
{
	MUST(OPS(*(int *)arg, { 0, -1, SEM_UNDO }));
	(void)execl("/bin/sleep", "sleep", "1000", (char *)NULL);
}

/* Waits until the process has become another program. */
static void await_exec(pid_t pid, const char *name)
{
	char path[64];
	char now[64] = "";

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	for (;;) {
		FILE *file = fopen(path, "re");

		if (file == NULL)
			return;
		if (fgets(now, sizeof(now), file) == NULL)
			now[0] = '\0';
		(void)fclose(file);
		if (strncmp(now, name, strlen(name)) == 0)
			return;
		nap(1000);
	}
}

CASE("UNDO-6", exec_keeps_the_list)
{
	int id = sem_new(1);
	pid_t pid;

	MUST(sem_set(id, 0, 5));
	pid = child_start(exec_sleep, &id);
	await_exec(pid, "sleep");
	nap(20000);
	put(" running=%d", sem_value(id, 0));
	child_kill(pid);
	put(" after=%d", sem_value(id, 0));
}

static void exec_true(void *arg)
{
	MUST(OPS(*(int *)arg, { 0, -1, SEM_UNDO }));
	(void)execl("/bin/true", "true", (char *)NULL);
}

CASE("UNDO-6", list_is_applied_when_the_new_image_exits)
{
	int id = sem_new(1);

	MUST(sem_set(id, 0, 5));
	child_run(exec_true, &id);
	put_sem(id);
}

CASE("UNDO-7", every_kind_of_exit_applies)
{
	int id = sem_new(1);

	MUST(sem_set(id, 0, 5));
	work_run(id, END_EXIT, (struct sembuf){ 0, -1, SEM_UNDO });
	put(" %d", sem_value(id, 0));
	work_run(id, END_KILL, (struct sembuf){ 0, -1, SEM_UNDO });
	put(" %d", sem_value(id, 0));
	work_run(id, END_SEGV, (struct sembuf){ 0, -1, SEM_UNDO });
	put(" %d", sem_value(id, 0));
	child_kill(work_hold(id, (struct sembuf){ 0, -1, SEM_UNDO }));
	put(" %d", sem_value(id, 0));
}

CASE("UNDO-8", application_clamps_at_zero)
{
	int id = sem_new(1);
	pid_t pid = work_hold(id, (struct sembuf){ 0, 5, SEM_UNDO });

	MUST(OPS(id, { 0, -3, 0 }));
	child_kill(pid);
	put_sem(id);
}

CASE("UNDO-8", application_clamps_at_the_maximum)
{
	int id = sem_new(1);
	pid_t pid;

	MUST(sem_set(id, 0, 10));
	pid = work_hold(id, (struct sembuf){ 0, -10, SEM_UNDO });
	MUST(OPS(id, { 0, 32760, 0 }));
	child_kill(pid);
	put_sem(id);
}

CASE("UNDO-9", sempid_only_where_the_adjustment_is_not_zero)
{
	int id = sem_new(3);
	struct work work = { id, END_EXIT, 3,
			     { { 0, 1, SEM_UNDO }, { 1, 1, SEM_UNDO }, { 1, -1, SEM_UNDO } } };

	child_run(work_do, &work);
	put_pid(sem_pid(id, 0));
	put_pid(sem_pid(id, 1));
	put_pid(sem_pid(id, 2));
}

CASE("UNDO-9", sempid_is_the_exiting_process)
{
	int id = sem_new(2);
	pid_t pid = work_hold(id, (struct sembuf){ 0, 2, SEM_UNDO });

	MUST(OPS(id, { 0, 1, 0 }, { 1, 1, 0 }));
	put_pid(sem_pid(id, 0));
	child_kill(pid);
	put_sem(id);
}

CASE("UNDO-10", exit_stamps_otime_but_not_ctime)
{
	int id = sem_new(1);
	pid_t pid = work_hold(id, (struct sembuf){ 0, 2, SEM_UNDO });

	mark_time();
	put_sem(id);
	child_kill(pid);
	put_sem(id);
}

CASE("UNDO-12", exit_lets_sleepers_in)
{
	int id = sem_new(1);
	struct sleeper s;
	pid_t pid;

	MUST(sem_set(id, 0, 1));
	pid = work_hold(id, (struct sembuf){ 0, -1, SEM_UNDO });
	s = OPS_SLEEP(id, { 0, -1, 0 });
	child_kill(pid);
	put_sleeper(s);
	put_sem(id);
	sleeper_end(s);
}

CASE("UNDO-12", adjustments_of_one_set_are_applied_together)
{
	int id = sem_new(2);
	struct work work = { id, END_WAIT, 2, { { 0, -1, SEM_UNDO }, { 1, -1, SEM_UNDO } } };
	struct sleeper s;
	pid_t pid;

	MUST(sem_set(id, 0, 1));
	MUST(sem_set(id, 1, 1));
	pid = child_start(work_do, &work);
	await(0, 1);
	s = OPS_SLEEP(id, { 0, -1, 0 }, { 1, -1, 0 });
	child_kill(pid);
	put_sleeper_end(s);
	put(" %d %d", sem_value(id, 0), sem_value(id, 1));
}

CASE("UNDO-12", zero_waiter_is_released_by_an_exit)
{
	int id = sem_new(1);
	pid_t pid = work_hold(id, (struct sembuf){ 0, 3, SEM_UNDO });
	struct sleeper s = OPS_SLEEP(id, { 0, 0, 0 });

	child_kill(pid);
	put_sleeper_end(s);
}

CASE("UNDO-13", setval_clears_the_adjustments_of_all)
{
	int id = sem_new(2);
	struct work work = { id, END_WAIT, 2, { { 0, 3, SEM_UNDO }, { 1, 3, SEM_UNDO } } };
	pid_t pid = child_start(work_do, &work);

	await(0, 1);
	MUST(sem_set(id, 0, 10));
	child_kill(pid);
	put(" %d %d", sem_value(id, 0), sem_value(id, 1));
}

CASE("UNDO-13", setall_clears_the_whole_set)
{
	int id = sem_new(2);
	struct work work = { id, END_WAIT, 2, { { 0, 3, SEM_UNDO }, { 1, 3, SEM_UNDO } } };
	pid_t pid = child_start(work_do, &work);
	unsigned short values[2] = { 8, 9 };

	await(0, 1);
	MUST(semctl(id, 0, SETALL, (union semun){ .array = values }));
	child_kill(pid);
	put(" %d %d", sem_value(id, 0), sem_value(id, 1));
}

static void again_after_setval(void *arg)
{
	int id = *(int *)arg;

	MUST(OPS(id, { 0, 3, SEM_UNDO }));
	MUST(sem_set(id, 0, 10));
	MUST(OPS(id, { 0, -4, SEM_UNDO }));
	put(" %d", sem_value(id, 0));
}

CASE("UNDO-13", accumulation_restarts_after_setval)
{
	int id = sem_new(1);

	child_run(again_after_setval, &id);
	put(" %d", sem_value(id, 0));
}

CASE("UNDO-13", failed_setval_clears_nothing)
{
	int id = sem_new(1);
	pid_t pid = work_hold(id, (struct sembuf){ 0, 3, SEM_UNDO });

	put_ret(sem_set(id, 0, 40000));
	child_kill(pid);
	put(" %d", sem_value(id, 0));
}

CASE("UNDO-14", removed_set_leaves_nothing_to_apply)
{
	key_t key = key_new();
	int id = (int)MUST(get_sem(key, 1, IPC_CREAT | 0600));
	pid_t pid = work_hold(id, (struct sembuf){ 0, 3, SEM_UNDO });

	MUST(semctl(id, 0, IPC_RMID));
	id = (int)MUST(get_sem(key, 1, IPC_CREAT | IPC_EXCL | 0600));
	MUST(sem_set(id, 0, 10));
	child_kill(pid);
	put(" %d", sem_value(id, 0));
}

CASE("UNDO-15", grant_to_a_sleeper_is_booked_and_undone_at_its_death)
{
	int id = sem_new(1);
	struct sleeper s = OPS_SLEEP(id, { 0, -1, SEM_UNDO });

	MUST(OPS(id, { 0, 1, 0 }));
	put(" %d", sem_value(id, 0));
	put_sleeper(s);
	child_kill(s.pid);
	put(" %d", sem_value(id, 0));
}

CASE("UNDO-15", grant_followed_by_a_kill_is_undone)
{
	int id = sem_new(1);
	int lost = 0;
	int i;

	for (i = 0; i < 15; i++) {
		struct sleeper s = OPS_SLEEP(id, { 0, -1, SEM_UNDO });

		MUST(OPS(id, { 0, 1, 0 }));
		child_kill(s.pid);
		if (sem_value(id, 0) != 1)
			lost++;
		MUST(sem_set(id, 0, 0));
	}
	put(" lost=%d", lost);
}

CASE("UNDO-15", sleeper_killed_before_a_grant_books_nothing)
{
	int id = sem_new(2);
	struct sleeper s = OPS_SLEEP(id, { 0, 1, SEM_UNDO }, { 1, -1, SEM_UNDO });

	child_kill(s.pid);
	put(" %d %d n%d", sem_value(id, 0), sem_value(id, 1), sem_count(id, 1));
}

static void undo_and_close(void *arg)
{
	MUST(OPS(*(int *)arg, { 0, -1, SEM_UNDO }));
}

CASE("UNDO-17", adjustments_are_visible_when_wait_returns)
{
	int id = sem_new(1);
	int late = 0;
	int i;

	MUST(sem_set(id, 0, 1));
	for (i = 0; i < 30; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			undo_and_close(&id);
			_exit(0);
		}
		(void)child_wait(pid);
		if (sem_value(id, 0) != 1)
			late++;
	}
	put(" late=%d", late);
}

CASE("UNDO-17", adjustments_of_the_killed_are_visible_when_wait_returns)
{
	int id = sem_new(1);
	int late = 0;
	int i;

	MUST(sem_set(id, 0, 1));
	for (i = 0; i < 30; i++) {
		child_kill(work_hold(id, (struct sembuf){ 0, -1, SEM_UNDO }));
		if (sem_value(id, 0) != 1)
			late++;
	}
	/* work_do() puts one result a round. */
	put(" late=%d", late);
}

CASE("UNDO-17", adjustments_are_visible_at_end_of_file_of_a_pipe)
{
	int id = sem_new(1);
	int late = 0;
	int i;

	MUST(sem_set(id, 0, 1));
	for (i = 0; i < 30; i++) {
		int ends[2];
		char byte;
		pid_t pid;

		MUST(pipe(ends));
		pid = fork();
		if (pid == 0) {
			undo_and_close(&id);
			_exit(0);
		}
		(void)close(ends[1]);
		(void)read(ends[0], &byte, 1);
		if (sem_value(id, 0) != 1)
			late++;
		(void)close(ends[0]);
		(void)child_wait(pid);
	}
	put(" late=%d", late);
}

static void two_sets(void *arg)
{
	const int *ids = arg;

	MUST(OPS(ids[0], { 0, 2, SEM_UNDO }));
	MUST(OPS(ids[1], { 0, 3, SEM_UNDO }));
	MUST(OPS(ids[2], { 0, 4, SEM_UNDO }));
}

CASE("UNDO-18", several_sets_are_all_undone)
{
	int ids[3] = { sem_new(1), sem_new(1), sem_new(1) };

	child_run(two_sets, ids);
	put_sem(ids[0]);
	put_sem(ids[1]);
	put_sem(ids[2]);
}

static void prepare_user(void *arg)
{
	MUST(OPS(*(int *)arg, { 0, 3, SEM_UNDO }));
	become(NOBODY);
}

CASE("PERM-16", adjustments_need_no_permission_at_exit)
{
	int id;

	need_uids();
	id = sem_new(1);
	child_run(prepare_user, &id);
	put_sem(id);
}

static void close_everything(void *arg)
{
	MUST(OPS(*(int *)arg, { 0, 3, SEM_UNDO }));
	(void)close_range(0, ~0U, 0);
	put_ret(OPS(*(int *)arg, { 0, 1, SEM_UNDO }));
}

CASE("OBS-12", undo_works_after_all_descriptors_are_closed)
{
	int id = sem_new(1);

	child_run(close_everything, &id);
	put_sem(id);
}

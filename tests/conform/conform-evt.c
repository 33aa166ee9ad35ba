/* conform-evt.c: fork, vfork, exec, exit, kill, and what they do to attachments. */
#include "conform-memory.h"

#include <pthread.h>
#include <spawn.h>

extern char **environ;

/* A child that has attached the segment and waits to be killed. */
static void attach_and_wait(void *arg)
{
	(void)attach(*(int *)arg);
	shared[0] = 1;
	for (;;)
		(void)pause();
}

static pid_t holder(int id)
{
	pid_t pid;

	shared[0] = 0;
	pid = child_start(attach_and_wait, &id);
	await(0, 1);
	return pid;
}

static void just_wait(void *arg)
{
	(void)arg;
	shared[1] = 1;
	for (;;)
		(void)pause();
}

/* --- fork --- */

CASE("EVT-1", fork_inherits_attachments)
{
	int id = shm_new(PAGE);
	pid_t pid;

	(void)attach(id);
	mark_time();
	pid = child_start(just_wait, NULL);
	await(1, 1);
	put_shm(id);
	child_kill(pid);
	put_shm(id);
}

CASE("EVT-1", count_is_right_as_soon_as_fork_returns)
{
	int id = shm_new(PAGE);
	int wrong = 0;
	int i;

	(void)attach(id);
	for (i = 0; i < 30; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			(void)pause();
			_exit(0);
		}
		wrong += shm_nattch(id) != 2;
		child_kill(pid);
		wrong += shm_nattch(id) != 1;
	}
	put(" wrong=%d", wrong);
}

static void detach_inherited(void *arg)
{
	put_ret(shmdt(*(char **)arg));
	put_ret(shmdt(*(char **)arg));
}

CASE("EVT-1", child_detaches_what_it_inherited)
{
	int id = shm_new(PAGE);
	char *a = attach(id);

	child_run(detach_inherited, &a);
	put_shm(id);
	a[0] = 'p';
	put_ret(shmdt(a));
	put_shm(id);
}

static void write_inherited(void *arg)
{
	strcpy(*(char **)arg, "from the child");
}

CASE("EVT-1", memory_is_shared_with_the_child)
{
	int id = shm_new(PAGE);
	char *a = attach(id);

	child_run(write_inherited, &a);
	put(" %s %lu", a, shm_nattch(id));
}

static void fork_again(void *arg)
{
	pid_t pid = fork();

	if (pid == 0)
		just_wait(NULL);
	await(1, 1);
	shared[2] = pid;
	put(" %lu", shm_nattch(*(int *)arg));
}

CASE("EVT-1", grandchild_counts_on_after_its_parent_is_gone)
{
	int id = shm_new(PAGE);
	int i;

	(void)attach(id);
	child_run(fork_again, &id);
	put(" %lu", shm_nattch(id));
	(void)kill((pid_t)shared[2], SIGKILL);
	/* It is not ours to wait for: its end shows a little later. */
	for (i = 0; i < 5000 && shm_nattch(id) != 1; i++)
		nap(1000);
	put(" %lu", shm_nattch(id));
}

static void fork_and_leave(void *arg)
{
	pid_t pid = fork();

	(void)arg;
	if (pid == 0)
		just_wait(NULL);
	await(1, 1);
	shared[2] = pid;
	shared[3] = 1;
	await(4, 1);
}

CASE("EVT-1", silent_grandchild_counts_beside_others)
{
	int id = shm_new(PAGE);
	pid_t other = holder(id);
	pid_t pid;
	int i;

	(void)attach(id);
	pid = child_start(fork_and_leave, NULL);
	await(3, 1);
	put(" %lu", shm_nattch(id));
	shared[4] = 1;
	(void)child_wait(pid);
	put(" %lu", shm_nattch(id));
	(void)kill((pid_t)shared[2], SIGKILL);
	for (i = 0; i < 5000 && shm_nattch(id) != 2; i++)
		nap(1000);
	put(" %lu", shm_nattch(id));
	child_kill(other);
}

CASE("EVT-1", child_counts_beside_others_when_its_parent_has_left)
{
	int id = shm_new(PAGE);
	pid_t other = holder(id);
	char *a = attach(id);
	pid_t pid = child_start(just_wait, NULL);

	await(1, 1);
	put_ret(shmdt(a));
	put(" %lu", shm_nattch(id));
	child_kill(pid);
	put(" %lu", shm_nattch(id));
	child_kill(other);
	put(" %lu", shm_nattch(id));
}

static void leave_at_once(void *arg)
{
	await(2, 1);
	(void)arg;
}

CASE("SHM-41", exit_of_a_silent_child_destroys_a_marked_segment)
{
	int id = shm_new(PAGE);
	struct shm_info before;
	struct shm_info after;
	char *a = attach(id);
	pid_t pid = child_start(leave_at_once, NULL);

	MUST(shmctl(0, SHM_INFO, (struct shmid_ds *)&before));
	put_ret(shmdt(a));
	MUST(shmctl(id, IPC_RMID, NULL));
	MUST(shmctl(0, SHM_INFO, (struct shmid_ds *)&after));
	put(" %d", after.used_ids - before.used_ids);
	shared[2] = 1;
	(void)child_wait(pid);
	MUST(shmctl(0, SHM_INFO, (struct shmid_ds *)&after));
	put(" %d", after.used_ids - before.used_ids);
}

/* Pages that cannot be one mapping. */
static void map_many(size_t n)
{
	char *at = mmap(NULL, n * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t i;

	MUST(at == MAP_FAILED ? -1 : 0);
	for (i = 0; i < n; i += 2)
		MUST(mprotect(at + i * PAGE, PAGE, PROT_READ));
}

CASE("EVT-1", silent_child_with_many_mappings_is_counted_each_time)
{
	int id = shm_new(PAGE);
	int bad = 0;
	pid_t pid;
	int i;

	map_many(30000);
	(void)attach(id);
	(void)attach(id);
	pid = child_start(just_wait, NULL);
	await(1, 1);
	(void)attach(id);
	for (i = 0; i < 60; i++)
		bad += shm_nattch(id) != 5;
	put(" bad=%d", bad);
	child_kill(pid);
	put(" %lu", shm_nattch(id));
}

CASE("EVT-1", several_attachments_are_all_inherited)
{
	int a = shm_new(PAGE);
	int b = shm_new(PAGE);
	pid_t pid;

	(void)attach(a);
	(void)attach(a);
	(void)attach(b);
	pid = child_start(just_wait, NULL);
	await(1, 1);
	put(" %lu %lu", shm_nattch(a), shm_nattch(b));
	child_kill(pid);
	put(" %lu %lu", shm_nattch(a), shm_nattch(b));
}

CASE("EVT-1", parent_may_leave_before_the_child)
{
	int id = shm_new(PAGE);
	char *a = attach(id);
	pid_t pid = child_start(just_wait, NULL);

	await(1, 1);
	put_ret(shmdt(a));
	put(" %lu", shm_nattch(id));
	MUST(shmctl(id, IPC_RMID, NULL));
	put_shm(id);
	child_kill(pid);
	put_shm(id);
}

CASE("SHM-32", dontfork_keeps_it_out_of_children)
{
	int id = shm_new(PAGE);
	char *a = attach(id);
	pid_t pid;

	put_ret(madvise(a, PAGE, MADV_DONTFORK));
	pid = child_start(just_wait, NULL);
	await(1, 1);
	put(" %lu", shm_nattch(id));
	child_kill(pid);
	put(" %lu", shm_nattch(id));
}

CASE("EVT-1", a_thousand_children_leave_the_count_right)
{
	int id = shm_new(PAGE);
	int i;

	(void)attach(id);
	for (i = 0; i < 1000; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		(void)child_wait(pid);
	}
	put(" %lu", shm_nattch(id));
}

/* --- vfork, spawn --- */

CASE("EVT-2", vfork_child_adds_no_attachment)
{
	int id = shm_new(PAGE);
	pid_t pid;

	(void)attach(id);
	pid = vfork();
	if (pid == 0)
		_exit(0);
	(void)child_wait(pid);
	put(" %lu", shm_nattch(id));
}

CASE("EVT-2", spawned_program_has_no_attachment)
{
	char *argv[] = { (char *)"sleep", (char *)"1000", NULL };
	int id = shm_new(PAGE);
	pid_t pid = -1;

	(void)attach(id);
	if (posix_spawn(&pid, "/bin/sleep", NULL, NULL, argv, environ) != 0)
		put(" no spawn");
	put(" %lu", shm_nattch(id));
	child_kill(pid);
	put(" %lu", shm_nattch(id));
}

/* --- threads --- */

static void *thread_attaches(void *arg)
{
	return attach(*(int *)arg);
}

CASE("EVT-3", threads_share_attachments)
{
	int id = shm_new(PAGE);
	pthread_t thread;
	void *a;

	(void)pthread_create(&thread, NULL, thread_attaches, &id);
	(void)pthread_join(thread, &a);
	strcpy(a, "stays");
	put(" %lu %s", shm_nattch(id), (char *)a);
	put_ret(shmdt(a));
	put(" %lu", shm_nattch(id));
}

static void *thread_churns(void *arg)
{
	int i;

	for (i = 0; i < 200; i++) {
		char *a = attach(*(int *)arg);

		MUST(shmdt(a));
	}
	return NULL;
}

CASE("SHM-23", threads_attaching_at_once_leave_the_count_right)
{
	int id = shm_new(PAGE);
	pthread_t threads[4];
	int i;

	for (i = 0; i < 4; i++)
		(void)pthread_create(&threads[i], NULL, thread_churns, &id);
	for (i = 0; i < 4; i++)
		(void)pthread_join(threads[i], NULL);
	put(" %lu", shm_nattch(id));
}

static void fork_amid_threads(void *arg)
{
	pthread_t thread;
	int i;

	(void)pthread_create(&thread, NULL, thread_churns, arg);
	for (i = 0; i < 40; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			char *a = shmat(*(int *)arg, NULL, 0);

			_exit(a == (void *)-1 || shmdt(a) == -1);
		}
		if (child_wait(pid) != 0)
			put(" child %d failed", i);
	}
	(void)pthread_join(thread, NULL);
}

CASE("EVT-1", forking_while_a_thread_attaches_and_detaches)
{
	int id = shm_new(PAGE);

	child_run(fork_amid_threads, &id);
	put(" %lu", shm_nattch(id));
}

/* --- exec --- */

static void attach_and_exec(void *arg)
{
	(void)attach(*(int *)arg);
	(void)attach(*(int *)arg);
	(void)execl("/bin/sleep", "sleep", "1000", (char *)NULL);
}

/* Waits until nattch is n or five seconds have gone; the exec has no end that can be waited for. */
static void await_nattch(int id, unsigned long n)
{
	int i;

	for (i = 0; i < 5000 && shm_nattch(id) != n; i++)
		nap(1000);
}

CASE("EVT-5", exec_detaches_everything)
{
	int id = shm_new(PAGE);
	pid_t pid;

	mark_time();
	(void)attach(id);
	pid = child_start(attach_and_exec, &id);
	nap(50000);
	await_nattch(id, 1);
	put_shm(id);
	child_kill(pid);
	put_shm(id);
}

CASE("EVT-5", exec_destroys_a_marked_segment)
{
	int id = shm_new(PAGE);
	struct shmid_ds ds;
	pid_t pid = holder(id);
	int i;

	MUST(shmctl(id, IPC_RMID, NULL));
	put_ret(shmctl(id, IPC_STAT, &ds));
	child_kill(pid);
	id = shm_new(PAGE);
	pid = child_start(attach_and_exec, &id);
	while (shmctl(id, IPC_STAT, &ds) == 0 && ds.shm_lpid != pid)
		nap(500);
	MUST(shmctl(id, IPC_RMID, NULL));
	for (i = 0; i < 5000 && shmctl(id, IPC_STAT, &ds) == 0; i++)
		nap(1000);
	put_shm(id);
	child_kill(pid);
}

static void exec_fails(void *arg)
{
	int id = *(int *)arg;
	char *a = attach(id);

	put_ret(execl("/nonexistent", "nonexistent", (char *)NULL));
	put(" %lu", shm_nattch(id));
	a[0] = 'k';
	put_ret(shmdt(a));
}

CASE("EVT-6", failed_exec_keeps_attachments)
{
	int id = shm_new(PAGE);

	child_run(exec_fails, &id);
	put(" %lu", shm_nattch(id));
}

/* --- exit and kill --- */

static void attach_and_exit(void *arg)
{
	(void)attach(*(int *)arg);
}

CASE("EVT-7", exit_detaches)
{
	int id = shm_new(PAGE);

	mark_time();
	child_run(attach_and_exit, &id);
	put_shm(id);
}

CASE("EVT-7", kill_detaches)
{
	int id = shm_new(PAGE);
	pid_t pid = holder(id);

	mark_time();
	put_shm(id);
	child_kill(pid);
	put_shm(id);
}

static void attach_and_crash(void *arg)
{
	(void)attach(*(int *)arg);
	(void)raise(SIGSEGV);
}

CASE("EVT-7", fatal_signal_detaches)
{
	int id = shm_new(PAGE);

	child_run(attach_and_crash, &id);
	put_shm(id);
}

CASE("SHM-41", kill_of_the_last_holder_destroys_a_marked_segment)
{
	int id = shm_new(PAGE);
	pid_t pid = holder(id);

	MUST(shmctl(id, IPC_RMID, NULL));
	put_shm(id);
	child_kill(pid);
	put_shm(id);
}

CASE("SHM-41", exit_of_the_last_holder_destroys_a_marked_segment)
{
	key_t key = key_new();
	int id = (int)MUST(get_shm(key, PAGE, IPC_CREAT | 0600));
	struct shm_info before;
	struct shm_info after;
	pid_t a = holder(id);
	pid_t b = holder(id);

	MUST(shmctl(0, SHM_INFO, (struct shmid_ds *)&before));
	MUST(shmctl(id, IPC_RMID, NULL));
	child_kill(a);
	put(" %lu", shm_nattch(id));
	child_kill(b);
	put_shm(id);
	MUST(shmctl(0, SHM_INFO, (struct shmid_ds *)&after));
	put(" %d", after.used_ids - before.used_ids);
}

CASE("UNDO-17", detach_of_the_killed_is_visible_when_wait_returns)
{
	int id = shm_new(PAGE);
	int late = 0;
	int i;

	for (i = 0; i < 25; i++) {
		child_kill(holder(id));
		late += shm_nattch(id) != 0;
	}
	put(" late=%d", late);
}

CASE("EVT-15", detach_is_visible_at_end_of_file_of_a_pipe)
{
	int id = shm_new(PAGE);
	int late = 0;
	int i;

	for (i = 0; i < 30; i++) {
		int ends[2];
		char byte;
		pid_t pid;

		MUST(pipe(ends));
		pid = fork();
		if (pid == 0) {
			(void)attach(id);
			_exit(0);
		}
		(void)close(ends[1]);
		(void)read(ends[0], &byte, 1);
		late += shm_nattch(id) != 0;
		(void)close(ends[0]);
		(void)child_wait(pid);
	}
	put(" late=%d", late);
}

static void create_and_leave(void *arg)
{
	int *ids = arg;

	ids[0] = shm_new(PAGE);
	ids[1] = sem_new(1);
	ids[2] = msg_new();
	shared[3] = ids[0];
	shared[4] = ids[1];
	shared[5] = ids[2];
	strcpy(attach(ids[0]), "left behind");
	MUST(OPS(ids[1], { 0, 3, 0 }));
	MUST(msg_send(ids[2], 4, 5, 0));
}

CASE("EVT-13", objects_outlive_their_creator)
{
	int ids[3];
	char *a;

	child_run(create_and_leave, ids);
	a = attach((int)shared[3]);
	put(" %s", a);
	MUST(shmdt(a));
	put_shm((int)shared[3]);
	put_sem((int)shared[4]);
	put_msg((int)shared[5]);
}

static void killed_while_working(void *arg)
{
	const int *ids = arg;

	shared[0] = 1;
	for (;;) {
		char *a = shmat(ids[0], NULL, 0);

		if (a != (void *)-1)
			(void)shmdt(a);
		(void)OPS(ids[1], { 0, 1, SEM_UNDO });
		(void)OPS(ids[1], { 0, -1, SEM_UNDO });
		(void)msg_send(ids[2], 1, 30, IPC_NOWAIT);
		(void)msgrcv(ids[2], &(struct message){ 0 }, 30, 0, IPC_NOWAIT);
	}
}

CASE("EVT-7", kills_at_any_moment_leave_everything_in_order)
{
	int ids[3] = { shm_new(PAGE), sem_new(1), msg_new() };
	unsigned long nattch = 0;
	struct msqid_ds ds;
	int odd = 0;
	int i;

	for (i = 0; i < 60; i++) {
		pid_t pid;

		shared[0] = 0;
		pid = fork();
		if (pid == 0)
			killed_while_working(ids);
		await(0, 1);
		nap(i * 37 % 1500);
		child_kill(pid);
		nattch += shm_nattch(ids[0]);
		odd += sem_value(ids[1], 0) != 0;
	}
	put(" %lu %d", nattch, odd);
	MUST(msgctl(ids[2], IPC_STAT, &ds));
	put(" %d", ds.__msg_cbytes == ds.msg_qnum * 30);
	while (msgrcv(ids[2], &(struct message){ 0 }, 30, 0, IPC_NOWAIT) == 30)
		continue;
	MUST(msgctl(ids[2], IPC_STAT, &ds));
	put(" %lu %lu", ds.msg_qnum, ds.__msg_cbytes);
	put_ret(msg_send(ids[2], 1, 8192, IPC_NOWAIT));
	put_ret(msg_send(ids[2], 1, 8192, IPC_NOWAIT));
}

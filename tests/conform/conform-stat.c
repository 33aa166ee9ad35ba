/* conform-stat.c: IPC_STAT of a segment by who asks again and again while things change. */
#include "conform-memory.h"

#include <pthread.h>

#define ROUNDS 200

static void ask_often(int id)
{
	int i;

	for (i = 0; i < 20; i++)
		(void)shm_nattch(id);
}

static void put_count(int id)
{
	put(" %lu", shm_nattch(id));
	ask_often(id);
}

/* --- what the asker does himself --- */

CASE("SHM-17", own_attach_and_detach_after_many_askings)
{
	int id = shm_new(PAGE);
	void *first, *second;

	put_count(id);
	first = attach(id);
	put_count(id);
	second = attach(id);
	put_count(id);
	MUST(shmdt(first));
	put_count(id);
	MUST(shmdt(second));
	put_count(id);
	put_shm(id);
}

CASE("SHM-29", own_mapping_cut_and_moved_after_many_askings)
{
	int id = shm_new(4 * PAGE);
	char *address = attach(id);
	void *moved;

	put_count(id);
	MUST(mprotect(address, PAGE, PROT_READ));
	MUST(munmap(address + 2 * PAGE, PAGE));
	put_count(id);
	MUST(munmap(address + 3 * PAGE, PAGE));
	put_count(id);
	moved = mremap(address + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, hole(PAGE));
	MUST(moved == MAP_FAILED ? -1 : 0);
	put_count(id);
	MUST(munmap(moved, PAGE));
	put_count(id);
	MUST(mmap(address, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	     MAP_FAILED ? -1 : 0);
	put_count(id);
}

static void wait_for_word(void *arg)
{
	(void)arg;
	await(0, 1);
	_exit(0);
}

static void attach_once_more(void *arg)
{
	(void)attach(*(int *)arg);
	shared[1] = 1;
	await(0, 1);
	_exit(0);
}

CASE("EVT-1", own_children_after_many_askings)
{
	int id = shm_new(PAGE);
	pid_t pid;
	int i;

	(void)attach(id);
	for (i = 0; i < 2; i++) {
		shared[0] = shared[1] = 0;
		put_count(id);
		pid = child_start(i == 0 ? wait_for_word : attach_once_more, &id);
		if (i == 1)
			await(1, 1);
		put_count(id);
		shared[0] = 1;
		(void)child_wait(pid);
		put_count(id);
	}
	put_shm(id);
}

static void *attach_and_detach(void *arg)
{
	MUST(shmdt(attach(*(int *)arg)));
	shared[1] = 1;
	(void)attach(*(int *)arg);
	shared[2] = 1;
	return NULL;
}

CASE("SHM-23", another_thread_attaches_while_one_asks)
{
	pthread_t thread;
	int wrong = 0;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		int id = shm_new(PAGE);

		shared[1] = shared[2] = 0;
		ask_often(id);
		(void)pthread_create(&thread, NULL, attach_and_detach, &id);
		while (shared[2] == 0)
			(void)shm_nattch(id);
		wrong += shm_nattch(id) != 1;
		(void)pthread_join(thread, NULL);
		MUST(shmctl(id, IPC_RMID, NULL));
	}
	put(" wrong=%d", wrong);
}

/* --- what somebody else does --- */

/* shared[0]: what is to be done; shared[1]: what has been done last. */
static void come_and_go(void *arg)
{
	int id = *(int *)arg;
	void *address = NULL;
	long n;

	for (n = 1; n <= 2 * ROUNDS; n++) {
		while (shared[0] != n)
			continue;
		if (n % 2 == 1)
			address = attach(id);
		else
			MUST(shmdt(address));
		shared[1] = n;
	}
}

CASE("SHM-28", count_is_right_as_soon_as_another_process_has_come_or_gone)
{
	int id = shm_new(PAGE);
	pid_t pid = child_start(come_and_go, &id);
	int wrong = 0;
	long n;

	for (n = 1; n <= 2 * ROUNDS; n++) {
		ask_often(id);
		shared[0] = n;
		while (shared[1] != n)
			(void)shm_nattch(id);
		wrong += shm_nattch(id) != (unsigned long)(n % 2);
	}
	put(" %d", child_wait(pid));
	put(" wrong=%d", wrong);
}

/* Comes and goes between two looks: only the stamps say so. */
static void pass_by(void *arg)
{
	MUST(shmdt(attach(*(int *)arg)));
}

CASE("SHM-28", stamps_of_one_who_passes_by_while_another_asks)
{
	int id = shm_new(PAGE);

	ask_often(id);
	mark_time();
	ask_often(id);
	child_run(pass_by, &id);
	put_shm(id);
}

static void attach_and_pause(void *arg)
{
	(void)attach(*(int *)arg);
	shared[0] = 1;
	for (;;)
		(void)pause();
}

static void attach_and_exec(void *arg)
{
	(void)attach(*(int *)arg);
	shared[0] = 1;
	await(1, 1);
	(void)execl("/bin/sleep", "sleep", "1000", (char *)NULL);
}

CASE("EVT-7", killed_holder_after_many_askings)
{
	int id = shm_new(PAGE);
	int wrong = 0;
	int i;

	for (i = 0; i < 50; i++) {
		pid_t pid;

		shared[0] = 0;
		pid = child_start(attach_and_pause, &id);
		while (shared[0] == 0)
			(void)shm_nattch(id);
		ask_often(id);
		wrong += shm_nattch(id) != 1;
		child_kill(pid);
		wrong += shm_nattch(id) != 0;
		ask_often(id);
	}
	put(" wrong=%d", wrong);
}

CASE("EVT-5", holder_that_runs_another_program_after_many_askings)
{
	int id = shm_new(PAGE);
	pid_t pid = child_start(attach_and_exec, &id);

	while (shared[0] == 0)
		(void)shm_nattch(id);
	ask_often(id);
	put_count(id);
	shared[1] = 1;
	while (shm_nattch(id) != 0)
		continue;
	put_count(id);
	child_kill(pid);
	put_shm(id);
}

static void change_it(void *arg)
{
	int id = *(int *)arg;
	struct shmid_ds ds;

	MUST(shmctl(id, IPC_STAT, &ds));
	ds.shm_perm.mode = 0640;
	MUST(shmctl(id, IPC_SET, &ds));
}

static void remove_it(void *arg)
{
	MUST(shmctl(*(int *)arg, IPC_RMID, NULL));
}

CASE("IPC-37", segment_changed_and_removed_by_another_after_many_askings)
{
	struct shmid_ds ds;
	int id = shm_new(PAGE);
	char *address = attach(id);

	ask_often(id);
	child_run(change_it, &id);
	put_shm(id);
	ask_often(id);
	child_run(remove_it, &id);
	put_shm(id);
	ask_often(id);
	MUST(shmdt(address));
	put_ret(shmctl(id, IPC_STAT, &ds));
}

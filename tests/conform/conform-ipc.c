/* conform-ipc.c: keys, ids, *get, the common part of *ctl, limits. */
#include "conform.h"

#include <sys/resource.h>

/* First of all, in a namespace nobody has used yet. */
CASE("IPC-6", first_ids_count_from_zero)
{
	int i;

	for (i = 0; i < 3; i++)
		put_ret(get_shm(IPC_PRIVATE, PAGE, 0600));
	for (i = 0; i < 3; i++)
		put_ret(get_sem(IPC_PRIVATE, 1, 0600));
	for (i = 0; i < 3; i++)
		put_ret(get_msg(IPC_PRIVATE, 0600));
}

CASE("IPC-6", one_at_a_time_runs_through_the_window_then_bumps_the_sequence)
{
	int ids[140];
	int i;

	for (i = 0; i < 140; i++) {
		ids[i] = (int)MUST(msgget(IPC_PRIVATE, 0600));
		MUST(msgctl(ids[i], IPC_RMID, NULL));
	}
	/* Where in the window the case begins depends on what ran before; the steps do not. */
	for (i = 1; i < 140; i++) {
		if ((ids[i] & 0x7fff) <= (ids[i - 1] & 0x7fff))
			put(" %d:%d->%d:%d", ids[i - 1] >> 15, ids[i - 1] & 0x7fff, ids[i] >> 15,
			    ids[i] & 0x7fff);
		else if (ids[i] != ids[i - 1] + 1)
			put(" step%d", ids[i] - ids[i - 1]);
	}
}

CASE("IPC-1", private_key_always_makes_a_new_object)
{
	int a = (int)put_ok(get_shm(IPC_PRIVATE, PAGE, IPC_EXCL | 0600));
	int b = (int)put_ok(get_shm(IPC_PRIVATE, PAGE, IPC_CREAT | 0600));

	put(" %d", a != b);
	a = (int)put_ok(get_sem(IPC_PRIVATE, 1, 0600));
	b = (int)put_ok(get_sem(IPC_PRIVATE, 1, 0600));
	put(" %d", a != b);
	a = (int)put_ok(get_msg(IPC_PRIVATE, 0));
	b = (int)put_ok(get_msg(IPC_PRIVATE, 0));
	put(" %d", a != b);
}

CASE("IPC-1", negative_keys_are_ordinary)
{
	int id = (int)put_ok(get_msg(-1, IPC_CREAT | 0600));

	put(" %d", msgget(-1, 0) == id);
	id = (int)put_ok(get_sem(INT_MIN, 1, IPC_CREAT | 0600));
	put(" %d", semget(INT_MIN, 0, 0) == id);
	put_ok(semget(INT_MAX, 1, 0));
}

CASE("IPC-2", three_separate_key_spaces)
{
	key_t key = key_new();

	put_ok(get_shm(key, PAGE, IPC_CREAT | IPC_EXCL | 0600));
	put_ok(get_sem(key, 1, IPC_CREAT | IPC_EXCL | 0600));
	put_ok(get_msg(key, IPC_CREAT | IPC_EXCL | 0600));
}

CASE("IPC-3", removal_frees_the_key)
{
	key_t key = key_new();
	int id = (int)put_ok(get_msg(key, IPC_CREAT | 0600));

	put(" %d", msgget(key, 0) == id);
	MUST(msgctl(id, IPC_RMID, NULL));
	put_ok(msgget(key, 0));
	put(" %d", get_msg(key, IPC_CREAT | 0600) != id);
}

CASE("IPC-4", seq_is_the_upper_part_of_the_id)
{
	struct msqid_ds ds;
	int wrong = 0;
	int i;

	for (i = 0; i < 80; i++) {
		int id = (int)MUST(msgget(IPC_PRIVATE, 0600));

		MUST(msgctl(id, IPC_STAT, &ds));
		wrong += ds.msg_perm.__seq != id >> 15;
		MUST(msgctl(id, IPC_RMID, NULL));
	}
	put(" wrong=%d", wrong);
}

CASE("IPC-7", an_id_does_not_come_back_soon)
{
	int first = msg_stale();
	int back = 0;
	int i;

	for (i = 0; i < 1000; i++)
		back += msg_stale() == first;
	put(" back=%d", back);
}

CASE("IPC-8", stale_id_is_einval_everywhere)
{
	struct msqid_ds mds;
	struct semid_ds sds;
	struct shmid_ds hds;
	int shm = shm_stale();
	int sem = sem_stale();
	int msg = msg_stale();

	put_ret(msg_send(msg, 1, 1, 0));
	put_receive(msg, 1, 0, 0);
	put_ret(msgctl(msg, IPC_STAT, &mds));
	put_ret(msgctl(msg, IPC_RMID, NULL));
	put_ret(OPS(sem, { 0, 1, 0 }));
	put_ret(semctl(sem, 0, GETVAL));
	put_ret(semctl(sem, 0, IPC_STAT, (union semun){ .buf = &sds }));
	put_ret(semctl(sem, 0, IPC_RMID));
	put_ok(shmat(shm, NULL, 0) == (void *)-1 ? -1 : 0);
	put_ret(shmctl(shm, IPC_STAT, &hds));
	put_ret(shmctl(shm, SHM_LOCK, NULL));
	put_ret(shmctl(shm, IPC_RMID, NULL));
}

CASE("IPC-8", stale_id_whose_index_is_taken_again_is_einval)
{
	int old = msg_stale();
	int id = old;
	int i;

	for (i = 0; i < 100 && (id == old || (id & 0x7fff) != (old & 0x7fff)); i++) {
		if (id != old)
			MUST(msgctl(id, IPC_RMID, NULL));
		id = msg_new();
	}
	put(" %d", (id & 0x7fff) == (old & 0x7fff));
	put_ret(msg_send(old, 1, 1, 0));
	put_ret(msgctl(old, IPC_RMID, NULL));
	put_ret(msg_send(id, 1, 1, 0));
}

CASE("IPC-9", negative_ids_are_einval)
{
	struct shmid_ds ds;

	put_ret(shmctl(-1, IPC_STAT, &ds));
	put_ret(shmctl(-1, IPC_INFO, &ds));
	put_ret(shmctl(-1, IPC_SET, bad_pointer()));
	put_ret(semctl(-1, 0, IPC_INFO, (union semun){ .buf = bad_pointer() }));
	put_ret(semctl(-1, 0, IPC_RMID));
	put_ret(msgctl(-1, MSG_STAT, bad_pointer()));
	put_ret(msgctl(INT_MIN, IPC_RMID, NULL));
	put_ok(shmat(INT_MIN, NULL, 0) == (void *)-1 ? -1 : 0);
}

CASE("IPC-10", stat_by_index_takes_any_id_with_that_index)
{
	struct msqid_ds ds;
	int id = msg_new();

	put(" %d", msgctl(id & 0x7fff, MSG_STAT, &ds) == id);
	put(" %d", msgctl(id, MSG_STAT, &ds) == id);
	put(" %d", msgctl((id & 0x7fff) + 32768 * 777, MSG_STAT, &ds) == id);
	put(" %d", msgctl(id & 0x7fff, MSG_STAT_ANY, &ds) == id);
	put_ret(msgctl(32767, MSG_STAT, &ds));
	put_ret(msgctl(-1, MSG_STAT, &ds));
}

CASE("IPC-10", sem_and_shm_stat_by_index)
{
	struct semid_ds sds;
	struct shmid_ds hds;
	int sem = sem_new(3);
	int shm = shm_new(77);

	put(" %d", semctl(sem & 0x7fff, 0, SEM_STAT, (union semun){ .buf = &sds }) == sem);
	put(" %lu", (unsigned long)sds.sem_nsems);
	put(" %d", semctl(sem & 0x7fff, 0, SEM_STAT_ANY, (union semun){ .buf = &sds }) == sem);
	put(" %d", shmctl(shm & 0x7fff, SHM_STAT, &hds) == shm);
	put(" %zu", hds.shm_segsz);
	put(" %d", shmctl(shm & 0x7fff, SHM_STAT_ANY, &hds) == shm);
	put_ret(semctl(32767, 0, SEM_STAT, (union semun){ .buf = &sds }));
	put_ret(shmctl(32767, SHM_STAT_ANY, &hds));
}

CASE("IPC-11", info_returns_the_highest_index_in_use)
{
	struct msginfo info;
	int highest = 0;
	int i;

	for (i = 0; i < 5; i++) {
		int index = msg_new() & 0x7fff;

		highest = index > highest ? index : highest;
	}
	put(" %d", msgctl(0, MSG_INFO, (struct msqid_ds *)&info) == highest);
	put(" %d", msgctl(4711, IPC_INFO, (struct msqid_ds *)&info) == highest);
}

CASE("IPC-11", info_of_an_empty_table_is_zero)
{
	struct msginfo info;

	put_ret(msgctl(0, MSG_INFO, (struct msqid_ds *)&info));
	put_ret(msgctl(0, IPC_INFO, (struct msqid_ds *)&info));
}

static void use_by_id(void *arg)
{
	put_ret(OPS(*(int *)arg, { 0, 1, 0 }));
}

CASE("IPC-12", private_object_is_usable_by_id)
{
	int id = sem_new(1);

	child_run(use_by_id, &id);
	put(" %d", sem_value(id, 0));
}

CASE("IPC-14", creation_records_owner_mode_key)
{
	key_t key = key_new();
	struct shmid_ds ds;
	mode_t mask = umask(0777);
	int id = (int)MUST(get_shm(key, PAGE, IPC_CREAT | 0765));

	(void)umask(mask);
	MUST(shmctl(id, IPC_STAT, &ds));
	put(" %d", ds.shm_perm.__key == key);
	put_perm(&ds.shm_perm);
}

CASE("IPC-14", creation_uses_effective_ids)
{
	struct semid_ds ds;
	int id;

	need_uids();
	seem(NOBODY);
	id = sem_new(1);
	seem_root();
	MUST(semctl(id, 0, IPC_STAT, (union semun){ .buf = &ds }));
	put_perm(&ds.sem_perm);
}

/* --- *get --- */

CASE("IPC-16", semget_count_out_of_range_beats_everything)
{
	key_t key = key_new();

	put_ok(semget(key, -1, 0));
	put_ok(semget(key, 32001, 0));
	put_ok(get_sem(key, 1, IPC_CREAT | 0600));
	put_ok(semget(key, 32001, IPC_CREAT | IPC_EXCL));
	put_ok(semget(key, -1, IPC_CREAT | IPC_EXCL));
	put_ok(semget(IPC_PRIVATE, 32001, 0600));
}

CASE("IPC-17", absent_key_without_creat_is_enoent)
{
	key_t key = key_new();

	put_ok(shmget(key, 0, 0));
	put_ok(shmget(key, PAGE, IPC_EXCL | 0600));
	put_ok(semget(key, 0, 0600));
	put_ok(semget(key, 5, 0600));
	put_ok(msgget(key, 0600));
	put_ok(msgget(key, IPC_EXCL));
}

CASE("IPC-18", existing_key_with_excl_is_eexist)
{
	key_t key = key_new();

	MUST(get_shm(key, PAGE, IPC_CREAT | 0600));
	MUST(get_sem(key, 1, IPC_CREAT | 0600));
	MUST(get_msg(key, IPC_CREAT | 0600));
	put_ok(shmget(key, PAGE, IPC_CREAT | IPC_EXCL | 0600));
	put_ok(shmget(key, 100 * PAGE, IPC_CREAT | IPC_EXCL));
	put_ok(semget(key, 1, IPC_CREAT | IPC_EXCL | 0600));
	put_ok(semget(key, 7, IPC_CREAT | IPC_EXCL));
	put_ok(msgget(key, IPC_CREAT | IPC_EXCL | 0600));
}

CASE("IPC-18", eexist_beats_eacces)
{
	key_t key = key_new();

	need_uids();
	MUST(get_msg(key, IPC_CREAT | 0600));
	seem(NOBODY);
	put_ok(msgget(key, IPC_CREAT | IPC_EXCL | 0666));
	put_ok(msgget(key, IPC_CREAT | 0666));
	seem_root();
}

CASE("IPC-19", size_beyond_the_object_is_einval)
{
	key_t key = key_new();
	int shm = (int)MUST(get_shm(key, 100, IPC_CREAT | 0600));
	int sem = (int)MUST(get_sem(key, 3, IPC_CREAT | 0600));

	put(" %d", shmget(key, 100, 0) == shm);
	put(" %d", shmget(key, 1, IPC_CREAT | 0600) == shm);
	put_ok(shmget(key, 101, 0));
	put_ok(shmget(key, 101, IPC_CREAT));
	put(" %d", semget(key, 3, 0) == sem);
	put(" %d", semget(key, 2, 0) == sem);
	put_ok(semget(key, 4, 0));
	put_ok(semget(key, 4, IPC_CREAT | 0600));
}

CASE("IPC-19", size_error_beats_eacces)
{
	key_t key = key_new();

	need_uids();
	MUST(get_shm(key, 100, IPC_CREAT | 0600));
	MUST(get_sem(key, 3, IPC_CREAT | 0600));
	seem(NOBODY);
	put_ok(shmget(key, 101, 0600));
	put_ok(shmget(key, 100, 0600));
	put_ok(semget(key, 4, 0600));
	put_ok(semget(key, 3, 0600));
	seem_root();
}

CASE("IPC-21", creating_with_size_zero_or_too_large_is_einval)
{
	put_ok(get_shm(IPC_PRIVATE, 0, 0600));
	put_ok(get_shm(key_new(), 0, IPC_CREAT | 0600));
	put_ok(get_shm(IPC_PRIVATE, SIZE_MAX, 0600));
	put_ok(get_shm(IPC_PRIVATE, SIZE_MAX - (1 << 24) + 1, 0600));
	put_ok(get_sem(IPC_PRIVATE, 0, 0600));
	put_ok(get_sem(key_new(), 0, IPC_CREAT | 0600));
}

CASE("IPC-26", size_zero_means_any_for_an_existing_object)
{
	key_t key = key_new();
	int shm = (int)MUST(get_shm(key, 100, IPC_CREAT | 0600));
	int sem = (int)MUST(get_sem(key, 3, IPC_CREAT | 0600));

	put(" %d", shmget(key, 0, 0) == shm);
	put(" %d", shmget(key, 0, IPC_CREAT) == shm);
	put(" %d", semget(key, 0, 0) == sem);
	put(" %d", semget(key, 0, IPC_CREAT) == sem);
}

CASE("IPC-27", lookup_changes_nothing)
{
	key_t key = key_new();
	int shm = (int)MUST(get_shm(key, 100, IPC_CREAT | 0600));
	int msg = (int)MUST(get_msg(key, IPC_CREAT | 0600));

	mark_time();
	MUST(shmget(key, 0, 0600));
	MUST(msgget(key, 0600));
	put_shm(shm);
	put_msg(msg);
}

static void race_to_create(void *arg)
{
	key_t key = *(key_t *)arg;

	await(0, 1);
	if (get_msg(key, IPC_CREAT | IPC_EXCL | 0600) != -1)
		__atomic_fetch_add(&shared[1], 1, __ATOMIC_SEQ_CST);
	else if (errno == EEXIST)
		__atomic_fetch_add(&shared[2], 1, __ATOMIC_SEQ_CST);
}

CASE("IPC-28", racing_creators_get_one_success)
{
	key_t key = key_new();
	pid_t pids[6];
	int i;

	for (i = 0; i < 6; i++)
		pids[i] = child_start(race_to_create, &key);
	shared[0] = 1;
	for (i = 0; i < 6; i++)
		(void)child_wait(pids[i]);
	put(" made=%ld exist=%ld", shared[1], shared[2]);
}

/* --- *ctl --- */

CASE("IPC-31", info_into_a_bad_pointer_is_efault)
{
	put_ret(shmctl(0, IPC_INFO, bad_pointer()));
	put_ret(shmctl(0, SHM_INFO, NULL));
	put_ret(semctl(0, 0, IPC_INFO, (union semun){ .buf = bad_pointer() }));
	put_ret(semctl(0, 0, SEM_INFO, (union semun){ .buf = NULL }));
	put_ret(msgctl(0, IPC_INFO, bad_pointer()));
	put_ret(msgctl(0, MSG_INFO, NULL));
}

CASE("IPC-32", stat_into_a_bad_pointer_is_efault_after_the_id)
{
	put_ret(shmctl(shm_new(1), IPC_STAT, bad_pointer()));
	put_ret(shmctl(shm_stale(), IPC_STAT, bad_pointer()));
	put_ret(semctl(sem_new(1), 0, IPC_STAT, (union semun){ .buf = bad_pointer() }));
	put_ret(semctl(sem_stale(), 0, IPC_STAT, (union semun){ .buf = bad_pointer() }));
	put_ret(msgctl(msg_new(), IPC_STAT, NULL));
	put_ret(msgctl(msg_stale(), IPC_STAT, NULL));
}

CASE("IPC-32", eacces_beats_efault)
{
	int shm;
	int sem;
	int msg;

	need_uids();
	shm = shm_new(1);
	sem = sem_new(1);
	msg = msg_new();
	seem(NOBODY);
	put_ret(shmctl(shm, IPC_STAT, bad_pointer()));
	put_ret(semctl(sem, 0, IPC_STAT, (union semun){ .buf = bad_pointer() }));
	put_ret(msgctl(msg, IPC_STAT, bad_pointer()));
	put_ret(msgctl(msg & 0x7fff, MSG_STAT, bad_pointer()));
	put_ret(msgctl(msg & 0x7fff, MSG_STAT_ANY, bad_pointer()));
	seem_root();
}

CASE("IPC-35", set_from_a_bad_pointer_beats_the_id)
{
	put_ret(shmctl(shm_stale(), IPC_SET, bad_pointer()));
	put_ret(semctl(sem_stale(), 0, IPC_SET, (union semun){ .buf = bad_pointer() }));
	put_ret(msgctl(msg_stale(), IPC_SET, bad_pointer()));
	put_ret(msgctl(msg_new(), IPC_SET, NULL));
}

CASE("IPC-35", set_checks_in_order)
{
	struct msqid_ds ds;
	int id;

	need_uids();
	id = msg_new();
	MUST(msgctl(id, IPC_STAT, &ds));
	put_ret(msgctl(msg_stale(), IPC_SET, &ds));
	ds.msg_perm.uid = (uid_t)-1;
	seem(NOBODY);
	put_ret(msgctl(id, IPC_SET, &ds));
	seem_root();
	put_ret(msgctl(id, IPC_SET, &ds));
	ds.msg_perm.uid = 0;
	ds.msg_perm.gid = (gid_t)-1;
	put_ret(msgctl(id, IPC_SET, &ds));
	put_msg(id);
}

CASE("IPC-36", rmid_ignores_the_pointer)
{
	put_ret(shmctl(shm_new(1), IPC_RMID, bad_pointer()));
	put_ret(semctl(sem_new(1), 99, IPC_RMID, (union semun){ .buf = bad_pointer() }));
	put_ret(msgctl(msg_new(), IPC_RMID, bad_pointer()));
}

CASE("IPC-37", set_replaces_owner_and_mode)
{
	struct shmid_ds ds;
	int id;

	need_uids();
	id = shm_new(100);
	mark_time();
	MUST(shmctl(id, IPC_STAT, &ds));
	ds.shm_perm.uid = SOMEBODY;
	ds.shm_perm.gid = NOBODY;
	ds.shm_perm.mode = 07654;
	put_ret(shmctl(id, IPC_SET, &ds));
	memset(&ds, 0, sizeof(ds));
	MUST(shmctl(id, IPC_STAT, &ds));
	put_perm(&ds.shm_perm);
	put_shm(id);
}

CASE("ABI-16", set_ignores_every_other_field)
{
	struct semid_ds ds;
	int id = sem_new(2);

	memset(&ds, 0xff, sizeof(ds));
	ds.sem_perm.uid = geteuid();
	ds.sem_perm.gid = getegid();
	ds.sem_perm.mode = 0640;
	put_ret(semctl(id, 0, IPC_SET, (union semun){ .buf = &ds }));
	memset(&ds, 0, sizeof(ds));
	MUST(semctl(id, 0, IPC_STAT, (union semun){ .buf = &ds }));
	put(" key=%d seq=%d", ds.sem_perm.__key, ds.sem_perm.__seq == id >> 15);
	put_perm(&ds.sem_perm);
	put_sem(id);
}

/* --- limits --- */

CASE("LIM-2", smallest_segment_is_one_byte)
{
	put_ok(get_shm(IPC_PRIVATE, 1, 0600));
}

CASE("LIM-21", size_of_two_to_the_63_is_einval)
{
	put_ok(get_shm(IPC_PRIVATE, (size_t)1 << 62, SHM_NORESERVE | 0600));
	put_ok(get_shm(IPC_PRIVATE, (size_t)1 << 63, SHM_NORESERVE | 0600));
}

CASE("LIM-4", table_of_segments_is_full_at_4096)
{
	static int ids[5000];
	int n = 0;
	int i;

	while (n < 5000 && (ids[n] = shmget(IPC_PRIVATE, 1, 0600)) != -1)
		n++;
	put(" %s", n == 5000 ? "no end" : strerrorname_np(errno));
	put(" %d", n);
	put_ok(shmget(0x7ab1e, 1, IPC_CREAT | 0600));
	put_ok(shmget(0x7ab1e, 1, 0600));
	put_ret(shmctl(ids[n / 2], IPC_RMID, NULL));
	ids[n / 2] = (int)put_ok(shmget(IPC_PRIVATE, 1, 0600));
	for (i = 0; i < n; i++)
		(void)shmctl(ids[i], IPC_RMID, NULL);
}

CASE("LIM-8", more_operations_than_semopm_is_e2big)
{
	struct sembuf ops[501];
	int id = sem_new(1);
	int i;

	for (i = 0; i < 501; i++)
		ops[i] = (struct sembuf){ 0, 1, 0 };
	put_ret(semop(id, ops, 501));
	put_ret(semop(id, ops, 500));
}

CASE("LIM-13", longest_message_is_8192)
{
	int id = msg_new();

	put_ret(msg_send(id, 1, 8193, 0));
	put_ret(msg_send(id, 1, 8192, 0));
	put_receive(id, 8192, 0, IPC_NOWAIT);
}

CASE("LIM-16", sem_info_is_reported)
{
	struct seminfo info;

	put_ok(semctl(0, 0, SEM_INFO, (union semun){ .info = &info }));
	put(" %d %d %d %d %d", info.semmni, info.semmns, info.semmsl, info.semopm, info.semvmx);
}

CASE("ABI-14", calls_work_with_every_descriptor_closed)
{
	int sem = sem_new(1);
	int msg = msg_new();
	int shm = shm_new(PAGE);

	(void)close_range(0, ~0U, 0);
	put_ret(OPS(sem, { 0, 1, 0 }));
	put_ret(msg_send(msg, 1, 1, 0));
	put_receive(msg, 1, 0, 0);
	put_ok(shmat(shm, NULL, 0) == (void *)-1 ? -1 : 0);
	put_ok(get_shm(IPC_PRIVATE, PAGE, 0600));
	put_ok(get_sem(IPC_PRIVATE, 1, 0600));
	put_ok(get_msg(IPC_PRIVATE, 0600));
	put_ret(msgctl(msg, IPC_RMID, NULL));
}

CASE("ABI-14", first_call_works_after_all_descriptors_are_closed)
{
	(void)close_range(0, ~0U, 0);
	put_ok(get_sem(IPC_PRIVATE, 1, 0600));
	put_ok(get_shm(IPC_PRIVATE, PAGE, 0600));
}

CASE("ABI-14", descriptors_that_look_like_the_librarys_are_not_closed)
{
	struct rlimit limit;
	int fd;
	int lost = 0;
	rlim_t i;

	MUST(getrlimit(RLIMIT_NOFILE, &limit));
	fd = open("/dev/null", O_RDWR);
	for (i = 3; i < limit.rlim_cur && i < 2048; i++)
		(void)dup2(fd, (int)i);
	put_ok(get_sem(IPC_PRIVATE, 1, 0600));
	put_ok(get_msg(IPC_PRIVATE, 0600));
	for (i = 3; i < limit.rlim_cur && i < 2048; i++)
		lost += fcntl((int)i, F_GETFD) == -1;
	put(" lost=%d", lost);
}

CASE("ABI-19", ftok_names_a_file)
{
	key_t a = ftok("/dev/null", 1);

	put(" %d %d", ftok("/dev/null", 1) == a, ftok("/dev/null", 2) == a);
	put(" %d", ftok("/dev/null", 257) == a);
	put(" %d", (ftok("/dev/null", 3) >> 24) & 0xff);
	put_ok(ftok("/nonexistent", 1));
}

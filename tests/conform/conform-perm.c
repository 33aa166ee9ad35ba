/* conform-perm.c: who may do what: classes, *get, every operation's needs, ownership. */
#include "conform.h"

#include <grp.h>

/* Ids in a row for the classes: user, group and other are told apart by these. */
#define USER_A 65531
#define USER_B 65532

/* Objects made by USER_A (group USER_A) with a mode; the caller is root again afterwards. */
static int shm_of_a(unsigned int mode)
{
	int id;

	seem(USER_A);
	id = (int)MUST(get_shm(IPC_PRIVATE, PAGE, (int)mode));
	seem_root();
	return id;
}

static int sem_of_a(unsigned int mode)
{
	int id;

	seem(USER_A);
	id = (int)MUST(get_sem(IPC_PRIVATE, 1, (int)mode));
	seem_root();
	return id;
}

static int msg_of_a(unsigned int mode)
{
	int id;

	seem(USER_A);
	id = (int)MUST(get_msg(IPC_PRIVATE, (int)mode));
	seem_root();
	return id;
}

/* Effective uid and gid apart. */
static void seem_both(uid_t uid, gid_t gid)
{
	MUST(setegid(gid));
	MUST(seteuid(uid));
}

static void put_attach(int id, int flags)
{
	void *at = shmat(id, NULL, flags);

	put_ok(at == (void *)-1 ? -1 : 0);
	if (at != (void *)-1)
		(void)shmdt(at);
}

/* --- classes --- */

CASE("PERM-1", user_class_by_uid)
{
	int id;

	need_uids();
	id = sem_of_a(0600);
	seem(USER_A);
	put_ret(OPS(id, { 0, 1, 0 }));
	seem_root();
	seem(USER_B);
	put_ret(OPS(id, { 0, 1, 0 }));
	seem_root();
}

CASE("PERM-1", group_class_by_effective_gid)
{
	int id;

	need_uids();
	id = sem_of_a(0060);
	seem_both(USER_B, USER_A);
	put_ret(OPS(id, { 0, 1, 0 }));
	seem_root();
	seem(USER_B);
	put_ret(OPS(id, { 0, 1, 0 }));
	seem_root();
}

CASE("PERM-1", group_class_by_supplementary_group)
{
	gid_t groups[2] = { 12345, USER_A };
	int id;

	need_uids();
	id = msg_of_a(0060);
	if (fork() == 0) {
		MUST(setgroups(2, groups));
		MUST(setresgid(USER_B, USER_B, USER_B));
		MUST(setresuid(USER_B, USER_B, USER_B));
		put_ret(msg_send(id, 1, 1, 0));
		_exit(0);
	}
	(void)wait(NULL);
}

CASE("PERM-1", other_class)
{
	int id;

	need_uids();
	id = sem_of_a(0006);
	seem(USER_B);
	put_ret(OPS(id, { 0, 1, 0 }));
	seem_root();
}

CASE("PERM-1", owner_refused_by_user_bits_gets_nothing_from_other_bits)
{
	int id;

	need_uids();
	id = sem_of_a(0066);
	seem(USER_A);
	put_ret(OPS(id, { 0, 1, 0 }));
	put_ret(sem_value(id, 0));
	seem_root();
	seem(USER_B);
	put_ret(OPS(id, { 0, 1, 0 }));
	seem_root();
}

CASE("PERM-1", group_member_refused_gets_nothing_from_other_bits)
{
	int id;

	need_uids();
	id = msg_of_a(0606);
	seem_both(USER_B, USER_A);
	put_ret(msg_send(id, 1, 1, 0));
	seem_root();
	seem(USER_B);
	put_ret(msg_send(id, 1, 1, 0));
	seem_root();
}

CASE("PERM-1", same_classes_for_shmat)
{
	int owner;
	int group;
	int other;

	need_uids();
	owner = shm_of_a(0066);
	group = shm_of_a(0060);
	other = shm_of_a(0004);
	seem(USER_A);
	put_attach(owner, 0);
	put_attach(owner, SHM_RDONLY);
	seem_root();
	seem_both(USER_B, USER_A);
	put_attach(group, 0);
	put_attach(other, SHM_RDONLY);
	seem_root();
	seem(USER_B);
	put_attach(owner, 0);
	put_attach(group, SHM_RDONLY);
	put_attach(other, SHM_RDONLY);
	put_attach(other, 0);
	seem_root();
}

CASE("PERM-2", root_may_everything)
{
	int id;

	need_uids();
	id = sem_of_a(0000);
	put_ret(OPS(id, { 0, 1, 0 }));
	put_ret(sem_value(id, 0));
	put_attach(shm_of_a(0000), 0);
	put_ret(msg_send(msg_of_a(0000), 1, 1, 0));
}

/* --- *get --- */

CASE("PERM-3", flags_without_mode_demand_nothing)
{
	key_t key = key_new();

	need_uids();
	MUST(get_shm(key, PAGE, IPC_CREAT | 0));
	MUST(get_sem(key, 1, IPC_CREAT | 0));
	MUST(get_msg(key, IPC_CREAT | 0));
	seem(USER_B);
	put_ok(shmget(key, 0, 0));
	put_ok(semget(key, 0, 0));
	put_ok(msgget(key, 0));
	put_ok(msgget(key, IPC_CREAT));
	seem_root();
}

CASE("PERM-3", all_three_digits_are_demanded_of_the_class)
{
	key_t key = key_new();

	need_uids();
	MUST(get_msg(key, IPC_CREAT | 0604));
	seem(USER_B);
	put_ok(msgget(key, 0400));
	put_ok(msgget(key, 0040));
	put_ok(msgget(key, 0004));
	put_ok(msgget(key, 0002));
	put_ok(msgget(key, 0200));
	put_ok(msgget(key, 0604));
	seem_root();
}

CASE("PERM-4", execute_bits_count_in_get)
{
	key_t key = key_new();

	need_uids();
	MUST(get_shm(key, PAGE, IPC_CREAT | 0666));
	MUST(get_sem(key, 1, IPC_CREAT | 0666));
	seem(USER_B);
	put_ok(shmget(key, 0, 0777));
	put_ok(shmget(key, 0, 0666));
	put_ok(shmget(key, 0, 0001));
	put_ok(semget(key, 0, 0777));
	put_ok(semget(key, 0, 0666));
	seem_root();
}

CASE("PERM-5", owner_is_checked_too)
{
	key_t key = key_new();

	need_uids();
	seem(USER_A);
	MUST(get_msg(key, IPC_CREAT | 0400));
	put_ok(msgget(key, 0600));
	put_ok(msgget(key, 0400));
	put_ok(msgget(key, 0200));
	seem_root();
	put_ok(msgget(key, 0777));
}

CASE("PERM-6", creation_is_never_refused_by_mode)
{
	need_uids();
	seem(USER_A);
	put_ok(get_shm(key_new(), PAGE, IPC_CREAT | 0));
	put_ok(get_sem(key_new(), 1, IPC_CREAT | 0));
	put_ok(get_msg(key_new(), IPC_CREAT | 0));
	seem_root();
}

/* --- ownership --- */

CASE("PERM-7", owner_of_a_mode_0_object_may_set_and_remove)
{
	struct msqid_ds ds = { 0 };
	int shm;
	int msg;

	need_uids();
	msg = msg_of_a(0);
	shm = shm_of_a(0);
	seem(USER_A);
	put_ret(msgctl(msg, IPC_STAT, &ds));
	ds.msg_perm.uid = USER_A;
	ds.msg_perm.gid = USER_A;
	ds.msg_perm.mode = 0600;
	ds.msg_qbytes = 100;
	put_ret(msgctl(msg, IPC_SET, &ds));
	put_ret(msgctl(msg, IPC_STAT, &ds));
	put_perm(&ds.msg_perm);
	put_ret(msgctl(msg, IPC_RMID, NULL));
	put_ret(shmctl(shm, IPC_RMID, NULL));
	seem_root();
}

CASE("PERM-7", stranger_may_not_set_or_remove_whatever_the_mode)
{
	struct msqid_ds mds;
	struct semid_ds sds;
	struct shmid_ds hds;
	int shm;
	int sem;
	int msg;

	need_uids();
	shm = shm_of_a(0666);
	sem = sem_of_a(0666);
	msg = msg_of_a(0666);
	seem(USER_B);
	MUST(shmctl(shm, IPC_STAT, &hds));
	MUST(semctl(sem, 0, IPC_STAT, (union semun){ .buf = &sds }));
	MUST(msgctl(msg, IPC_STAT, &mds));
	put_ret(shmctl(shm, IPC_SET, &hds));
	put_ret(shmctl(shm, IPC_RMID, NULL));
	put_ret(semctl(sem, 0, IPC_SET, (union semun){ .buf = &sds }));
	put_ret(semctl(sem, 0, IPC_RMID));
	put_ret(msgctl(msg, IPC_SET, &mds));
	put_ret(msgctl(msg, IPC_RMID, NULL));
	seem_root();
}

CASE("PERM-8", creator_keeps_its_rights_after_giving_away)
{
	struct semid_ds ds;
	int id;

	need_uids();
	id = sem_of_a(0600);
	seem(USER_A);
	MUST(semctl(id, 0, IPC_STAT, (union semun){ .buf = &ds }));
	ds.sem_perm.uid = USER_B;
	ds.sem_perm.gid = USER_B;
	put_ret(semctl(id, 0, IPC_SET, (union semun){ .buf = &ds }));
	put_ret(OPS(id, { 0, 1, 0 }));
	put_ret(semctl(id, 0, IPC_STAT, (union semun){ .buf = &ds }));
	put_perm(&ds.sem_perm);
	put_ret(semctl(id, 0, IPC_SET, (union semun){ .buf = &ds }));
	seem_root();
	seem(USER_B);
	put_ret(OPS(id, { 0, 1, 0 }));
	put_ret(semctl(id, 0, IPC_SET, (union semun){ .buf = &ds }));
	seem_root();
	seem(USER_A);
	put_ret(semctl(id, 0, IPC_RMID));
	seem_root();
}

CASE("PERM-8", creator_and_new_owner_may_both_attach)
{
	struct shmid_ds ds;
	int id;

	need_uids();
	id = shm_of_a(0600);
	MUST(shmctl(id, IPC_STAT, &ds));
	ds.shm_perm.uid = USER_B;
	put_ret(shmctl(id, IPC_SET, &ds));
	seem(USER_A);
	put_attach(id, 0);
	put_attach(id, SHM_RDONLY);
	seem_root();
	seem(USER_B);
	put_attach(id, 0);
	seem_root();
	seem(NOBODY);
	put_attach(id, SHM_RDONLY);
	seem_root();
}

CASE("PERM-8", creators_group_keeps_its_class_after_giving_away)
{
	struct msqid_ds ds;
	int id;

	need_uids();
	id = msg_of_a(0660);
	MUST(msgctl(id, IPC_STAT, &ds));
	ds.msg_perm.uid = USER_B;
	ds.msg_perm.gid = USER_B;
	put_ret(msgctl(id, IPC_SET, &ds));
	seem_both(NOBODY, USER_A);
	put_ret(msg_send(id, 1, 1, 0));
	seem_root();
	seem_both(NOBODY, USER_B);
	put_ret(msg_send(id, 1, 1, 0));
	seem_root();
	seem_both(NOBODY, NOBODY);
	put_ret(msg_send(id, 1, 1, 0));
	seem_root();
}

CASE("PERM-10", qbytes_above_msgmnb_needs_privilege)
{
	struct msqid_ds ds;
	int id;

	need_uids();
	id = msg_of_a(0600);
	seem(USER_A);
	MUST(msgctl(id, IPC_STAT, &ds));
	ds.msg_qbytes = 16385;
	put_ret(msgctl(id, IPC_SET, &ds));
	ds.msg_qbytes = 16384;
	put_ret(msgctl(id, IPC_SET, &ds));
	ds.msg_qbytes = 1;
	put_ret(msgctl(id, IPC_SET, &ds));
	seem_root();
}

CASE("PERM-11", lock_needs_owner_or_privilege)
{
	int id;

	need_uids();
	id = shm_of_a(0666);
	seem(USER_B);
	put_ret(shmctl(id, SHM_LOCK, NULL));
	put_ret(shmctl(id, SHM_UNLOCK, NULL));
	seem_root();
	seem(USER_A);
	put_ret(shmctl(id, SHM_LOCK, NULL));
	put_ret(shmctl(id, SHM_UNLOCK, NULL));
	seem_root();
}

/* --- needs of each operation --- */

CASE("PERM-13", shmat_needs)
{
	int r;
	int w;
	int rw;
	int rx;

	need_uids();
	r = shm_of_a(0400);
	w = shm_of_a(0200);
	rw = shm_of_a(0600);
	rx = shm_of_a(0500);
	seem(USER_A);
	put_attach(r, SHM_RDONLY);
	put_attach(r, 0);
	put_attach(w, SHM_RDONLY);
	put_attach(w, 0);
	put_attach(rw, 0);
	put_attach(rw, SHM_EXEC);
	put_attach(rx, SHM_RDONLY | SHM_EXEC);
	put_attach(r, SHM_RDONLY | SHM_EXEC);
	seem_root();
}

CASE("PERM-13", semop_needs)
{
	int r;
	int w;

	need_uids();
	r = sem_of_a(0400);
	w = sem_of_a(0200);
	seem(USER_A);
	put_ret(OPS(r, { 0, 0, 0 }));
	put_ret(OPS(r, { 0, 1, 0 }));
	put_ret(OPS(r, { 0, 0, 0 }, { 0, 1, 0 }));
	put_ret(OPS(w, { 0, 0, 0 }));
	put_ret(OPS(w, { 0, 1, 0 }));
	put_ret(OPS(w, { 0, -1, 0 }, { 0, 0, 0 }));
	seem_root();
}

CASE("PERM-13", semctl_needs)
{
	unsigned short values[1] = { 3 };
	struct semid_ds ds;
	int ids[2];
	int i;

	need_uids();
	ids[0] = sem_of_a(0400);
	ids[1] = sem_of_a(0200);
	seem(USER_A);
	for (i = 0; i < 2; i++) {
		put(" |");
		put_ret(semctl(ids[i], 0, GETVAL));
		put_ret(semctl(ids[i], 0, GETPID));
		put_ret(semctl(ids[i], 0, GETNCNT));
		put_ret(semctl(ids[i], 0, GETZCNT));
		put_ret(semctl(ids[i], 0, GETALL, (union semun){ .array = values }));
		put_ret(semctl(ids[i], 0, SETVAL, (union semun){ .val = 1 }));
		put_ret(semctl(ids[i], 0, SETALL, (union semun){ .array = values }));
		put_ret(semctl(ids[i], 0, IPC_STAT, (union semun){ .buf = &ds }));
		put_ok(semctl(ids[i] & 0x7fff, 0, SEM_STAT, (union semun){ .buf = &ds }));
		put_ok(semctl(ids[i] & 0x7fff, 0, SEM_STAT_ANY, (union semun){ .buf = &ds }));
	}
	seem_root();
}

CASE("PERM-13", msg_needs)
{
	struct msqid_ds ds;
	int ids[2];
	int i;

	need_uids();
	ids[0] = msg_of_a(0400);
	ids[1] = msg_of_a(0200);
	for (i = 0; i < 2; i++)
		MUST(msg_send(ids[i], 7, 1, 0));
	seem(USER_A);
	for (i = 0; i < 2; i++) {
		put(" |");
		put_ret(msg_send(ids[i], 1, 1, IPC_NOWAIT));
		put_receive(ids[i], 1, 0, IPC_NOWAIT | MSG_COPY);
		put_receive(ids[i], 1, 0, IPC_NOWAIT);
		put_ret(msgctl(ids[i], IPC_STAT, &ds));
		put_ok(msgctl(ids[i] & 0x7fff, MSG_STAT, &ds));
		put_ok(msgctl(ids[i] & 0x7fff, MSG_STAT_ANY, &ds));
	}
	seem_root();
}

CASE("PERM-13", shm_stat_needs)
{
	struct shmid_ds ds;
	struct shm_info info;
	int id;

	need_uids();
	id = shm_of_a(0200);
	seem(USER_A);
	put_ret(shmctl(id, IPC_STAT, &ds));
	put_ok(shmctl(id & 0x7fff, SHM_STAT, &ds));
	put_ok(shmctl(id & 0x7fff, SHM_STAT_ANY, &ds));
	put_ok(shmctl(0, SHM_INFO, (struct shmid_ds *)&info));
	seem_root();
}

CASE("PERM-14", dropping_privilege_counts_at_the_next_call)
{
	int sem;
	int msg;

	need_uids();
	sem = sem_new(1);
	msg = msg_new();
	put_ret(OPS(sem, { 0, 1, 0 }));
	put_ret(msg_send(msg, 1, 1, 0));
	seem(USER_B);
	put_ret(OPS(sem, { 0, 1, 0 }));
	put_ret(sem_value(sem, 0));
	put_ret(msg_send(msg, 1, 1, 0));
	put_receive(msg, 1, 0, IPC_NOWAIT);
	seem_root();
	put_ret(OPS(sem, { 0, 1, 0 }));
	put_receive(msg, 1, 0, IPC_NOWAIT);
}

CASE("PERM-14", dropping_privilege_leaves_attachments_alone)
{
	char *a;
	int id;

	need_uids();
	id = shm_new(PAGE);
	a = shmat(id, NULL, 0);
	MUST(a == (void *)-1 ? -1 : 0);
	seem(USER_B);
	a[0] = 'k';
	put_attach(id, SHM_RDONLY);
	put(" %c", a[0]);
	put_ret(shmdt(a));
	seem_root();
	put_shm(id);
}

CASE("PERM-14", mode_change_counts_at_the_next_call)
{
	struct semid_ds ds;
	int id;

	need_uids();
	id = sem_of_a(0600);
	seem(USER_A);
	put_ret(OPS(id, { 0, 1, 0 }));
	MUST(semctl(id, 0, IPC_STAT, (union semun){ .buf = &ds }));
	ds.sem_perm.mode = 0400;
	put_ret(semctl(id, 0, IPC_SET, (union semun){ .buf = &ds }));
	put_ret(OPS(id, { 0, 1, 0 }));
	put_ret(sem_value(id, 0));
	ds.sem_perm.mode = 0600;
	put_ret(semctl(id, 0, IPC_SET, (union semun){ .buf = &ds }));
	put_ret(OPS(id, { 0, 1, 0 }));
	seem_root();
}

static void use_as_b(void *arg)
{
	int id = *(int *)arg;

	become(USER_B);
	put_ret(msg_send(id, 1, 1, IPC_NOWAIT));
	shared[0] = 1;
	await(0, 2);
	put_ret(msg_send(id, 1, 1, IPC_NOWAIT));
	shared[0] = 3;
	await(0, 4);
	put_ret(msg_send(id, 1, 1, IPC_NOWAIT));
}

CASE("PERM-14", others_mode_change_counts_for_one_who_used_it_before)
{
	struct msqid_ds ds;
	pid_t pid;
	int id;

	need_uids();
	id = msg_of_a(0666);
	pid = child_start(use_as_b, &id);
	await(0, 1);
	MUST(msgctl(id, IPC_STAT, &ds));
	ds.msg_perm.mode = 0600;
	put_ret(msgctl(id, IPC_SET, &ds));
	shared[0] = 2;
	await(0, 3);
	ds.msg_perm.uid = USER_B;
	put_ret(msgctl(id, IPC_SET, &ds));
	shared[0] = 4;
	(void)child_wait(pid);
}

CASE("PERM-15", sleeping_semop_is_not_judged_again)
{
	struct sleeper s;
	struct semid_ds ds;
	int id;

	need_uids();
	id = sem_of_a(0666);
	s = OPS_SLEEP(id, { 0, -1, 0 });
	MUST(semctl(id, 0, IPC_STAT, (union semun){ .buf = &ds }));
	ds.sem_perm.mode = 0;
	put_ret(semctl(id, 0, IPC_SET, (union semun){ .buf = &ds }));
	put_ret(OPS(id, { 0, 1, 0 }));
	put_sleeper_end(s);
}

static void become_b(void)
{
	become(USER_B);
}

CASE("PERM-15", unprivileged_sleeper_completes_after_the_mode_is_tightened)
{
	struct sleeper s;
	struct semid_ds ds;
	int id;

	need_uids();
	id = sem_of_a(0666);
	sleeper_prepare = become_b;
	s = OPS_SLEEP(id, { 0, -1, SEM_UNDO });
	MUST(semctl(id, 0, IPC_STAT, (union semun){ .buf = &ds }));
	ds.sem_perm.mode = 0600;
	put_ret(semctl(id, 0, IPC_SET, (union semun){ .buf = &ds }));
	put_ret(OPS(id, { 0, 1, 0 }));
	put_sleeper_end(s);
	put_sem(id);
}

CASE("EVT-9", changing_uid_keeps_attachments_and_undo)
{
	struct shmid_ds ds;
	int sem;
	int shm;
	pid_t pid;

	need_uids();
	sem = sem_new(1);
	shm = shm_new(PAGE);
	MUST(sem_set(sem, 0, 5));
	pid = fork();
	if (pid == 0) {
		MUST(shmat(shm, NULL, 0) == (void *)-1 ? -1 : 0);
		MUST(OPS(sem, { 0, -2, SEM_UNDO }));
		become(USER_B);
		put_ret(OPS(sem, { 0, -1, SEM_UNDO }));
		put_ret(shmctl(shm, IPC_STAT, &ds));
		shared[0] = 1;
		await(0, 2);
		_exit(0);
	}
	await(0, 1);
	put(" %d %lu", sem_value(sem, 0), shm_nattch(shm));
	shared[0] = 2;
	(void)child_wait(pid);
	put(" %d %lu", sem_value(sem, 0), shm_nattch(shm));
}

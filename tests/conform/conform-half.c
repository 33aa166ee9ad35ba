/* conform-half.c: objects of which the caller has half: write without read, read without write. */
#include "conform.h"

#include <grp.h>

static void be_nobody(void)
{
	become(NOBODY);
}

/* A set that NOBODY may alter and not look at, and a queue he may send to. */
static int sem_to_alter(int count)
{
	return (int)MUST(get_sem(IPC_PRIVATE, count, 0602));
}

static int msg_to_send(void)
{
	return (int)MUST(get_msg(IPC_PRIVATE, 0602));
}

static int msg_to_receive(void)
{
	return (int)MUST(get_msg(IPC_PRIVATE, 0604));
}

static struct sleeper nobody_sleeps(long (*call)(void *), void *arg)
{
	struct sleeper s;

	sleeper_prepare = be_nobody;
	s = sleeper_start(call, arg);
	sleeper_prepare = NULL;
	nap(300000); /* it sleeps for a moment again and again */
	return s;
}

static void on_signal(int signal)
{
	(void)signal;
}

/* Until it has noticed: one may come before it is in the call. */
static void interrupt(struct sleeper s)
{
	while (!sleeper_is_done(s)) {
		MUST(kill(s.pid, SIGUSR1));
		nap(50000);
	}
}

static void be_nobody_with_handler(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	MUST(sigaction(SIGUSR1, &action, NULL));
	become(NOBODY);
}

static struct sleeper nobody_sleeps_with_handler(long (*call)(void *), void *arg)
{
	struct sleeper s;

	sleeper_prepare = be_nobody_with_handler;
	s = sleeper_start(call, arg);
	sleeper_prepare = NULL;
	nap(300000); /* it sleeps for a moment again and again */
	return s;
}

/* --- sets --- */

static void alter_and_look(void *arg)
{
	int id = *(int *)arg;

	become(NOBODY);
	put_ret(OPS(id, { 0, 3, 0 }, { 1, 2, SEM_UNDO }));
	put_ret(OPS(id, { 0, -1, IPC_NOWAIT }, { 0, -3, IPC_NOWAIT }));
	put_ret(OPS(id, { 0, 0, IPC_NOWAIT }));
	put_ret(OPS(id, { 0, 32767, 0 }));
	put_ret(OPS(id, { 5, 1, 0 }));
	put_ret(sem_value(id, 0));
	put_ret(semctl(id, 2, SETVAL, (union semun){ .val = 9 }));
	put_ret(semctl(id, 2, SETVAL, (union semun){ .val = 32768 }));
	put_ret(semctl(id, 3, SETVAL, (union semun){ .val = 1 }));
}

CASE("PERM-13", semop_with_write_permission_alone)
{
	int id;

	need_uids();
	id = sem_to_alter(3);
	child_run(alter_and_look, &id);
	put(" |");
	put_sem(id);
	put(" %d %d %d", sem_value(id, 0), sem_value(id, 1), sem_value(id, 2)); /* and its adjustment is undone */
}

static void set_all(void *arg)
{
	unsigned short values[300];
	int i;

	for (i = 0; i < 300; i++)
		values[i] = (unsigned short)(i + 1);
	become(NOBODY);
	put_ret(semctl(*(int *)arg, 0, SETALL, (union semun){ .array = values }));
	values[299] = 40000;
	put_ret(semctl(*(int *)arg, 0, SETALL, (union semun){ .array = values }));
	put_ret(semctl(*(int *)arg, 0, SETALL, (union semun){ .array = bad_pointer() }));
	put_ret(semctl(*(int *)arg, 0, GETALL, (union semun){ .array = values }));
}

CASE("PERM-13", setall_with_write_permission_alone)
{
	int id;

	need_uids();
	id = sem_to_alter(300);
	child_run(set_all, &id);
	put(" %d %d", sem_value(id, 0), sem_value(id, 299));
}

static long take_one(void *arg)
{
	return OPS(*(int *)arg, { 0, -1, 0 });
}

CASE("PERM-13", blocked_semop_with_write_permission_alone_is_counted_and_granted)
{
	struct sleeper s;
	int id;

	need_uids();
	id = sem_to_alter(1);
	s = nobody_sleeps(take_one, &id);
	put(" n%d", sem_count(id, 0));
	put_sleeper_state(s);
	MUST(OPS(id, { 0, 2, 0 }));
	put(" %d", sem_value(id, 0));
	put_sleeper(s);
	put(" %d n%d", sem_value(id, 0), sem_count(id, 0));
	sleeper_end(s);
}

CASE("PERM-13", blocked_semop_with_write_permission_alone_is_eidrm_at_removal)
{
	struct sleeper s;
	int id;

	need_uids();
	id = sem_to_alter(1);
	s = nobody_sleeps(take_one, &id);
	MUST(semctl(id, 0, IPC_RMID));
	put_sleeper_end(s);
}

CASE("PERM-13", blocked_semop_with_write_permission_alone_is_interrupted)
{
	struct sleeper s;
	int id;

	need_uids();
	id = sem_to_alter(1);
	s = nobody_sleeps_with_handler(take_one, &id);
	interrupt(s);
	put_sleeper(s);
	put(" n%d", sem_count(id, 0));
	MUST(OPS(id, { 0, 1, 0 }));
	put(" %d", sem_value(id, 0));
	sleeper_end(s);
}

static long take_one_for_a_moment(void *arg)
{
	struct sembuf op = { 0, -1, 0 };

	return semtimedop(*(int *)arg, &op, 1, &(struct timespec){ .tv_nsec = 50000000 });
}

CASE("PERM-13", semtimedop_with_write_permission_alone_times_out)
{
	struct sleeper s;
	int id;

	need_uids();
	id = sem_to_alter(1);
	s = nobody_sleeps(take_one_for_a_moment, &id);
	put_sleeper(s);
	put(" n%d", sem_count(id, 0));
	sleeper_end(s);
}

CASE("PERM-13", killed_in_a_semop_with_write_permission_alone)
{
	struct sleeper s;
	int id;

	need_uids();
	id = sem_to_alter(1);
	s = nobody_sleeps(take_one, &id);
	child_kill(s.pid);
	put(" n%d", sem_count(id, 0));
	MUST(OPS(id, { 0, 1, 0 }));
	put(" %d", sem_value(id, 0));
}

static void undo_and_be_killed(void *arg)
{
	become(NOBODY);
	MUST(OPS(*(int *)arg, { 0, 5, SEM_UNDO }));
	shared[0] = 1;
	pause();
}

CASE("PERM-13", adjustments_made_with_write_permission_alone)
{
	pid_t pid;
	int id;

	need_uids();
	id = sem_to_alter(1);
	pid = child_start(undo_and_be_killed, &id);
	await(0, 1);
	put(" %d", sem_value(id, 0));
	put_pid(sem_pid(id, 0));
	child_kill(pid);
	put(" %d", sem_value(id, 0));
}

static void look_for_zero(void *arg)
{
	become(NOBODY);
	put_ret(OPS(*(int *)arg, { 0, 0, 0 }, { 1, 0, 0 }));
	put_ret(OPS(*(int *)arg, { 0, 0, 0 }, { 1, 1, 0 }));
}

CASE("PERM-13", wait_for_zero_with_read_permission_alone_leaves_its_pid)
{
	int id;

	need_uids();
	id = (int)MUST(get_sem(IPC_PRIVATE, 2, 0604));
	child_run(look_for_zero, &id);
	put_sem(id);
}

/* --- queues --- */

static void send_three(void *arg)
{
	int id = *(int *)arg;

	become(NOBODY);
	put_ret(msg_send(id, 1, 0, 0));
	put_ret(msg_send(id, 2, 100, 0));
	put_ret(msg_send(id, 3, TEXT_MAX, IPC_NOWAIT));
	put_ret(msg_send(id, 4, TEXT_MAX, IPC_NOWAIT));
	put_ret(msg_send(id, 0, 1, 0));
	put_ret(msg_send(id, 1, TEXT_MAX + 1, 0));
	put_receive(id, TEXT_MAX, 0, IPC_NOWAIT);
}

CASE("PERM-13", msgsnd_with_write_permission_alone)
{
	int id;

	need_uids();
	id = msg_to_send();
	child_run(send_three, &id);
	put(" |");
	put_msg(id);
	put_receive(id, TEXT_MAX, 0, IPC_NOWAIT);
	put_receive(id, TEXT_MAX, 3, IPC_NOWAIT);
	put_receive(id, TEXT_MAX, 0, IPC_NOWAIT);
	put_receive(id, TEXT_MAX, 0, IPC_NOWAIT);
}

static void receive_some(void *arg)
{
	int id = *(int *)arg;

	become(NOBODY);
	put_receive(id, TEXT_MAX, -2, IPC_NOWAIT);
	put_receive(id, 10, 0, IPC_NOWAIT);
	put_receive(id, 10, 0, IPC_NOWAIT | MSG_NOERROR);
	put_receive(id, TEXT_MAX, 4, IPC_NOWAIT | MSG_EXCEPT);
	put_receive(id, TEXT_MAX, 5, IPC_NOWAIT);
	put_receive(id, 0, 4, IPC_NOWAIT);
	put_ret(msg_send(id, 1, 1, IPC_NOWAIT));
}

CASE("PERM-13", msgrcv_of_every_kind_with_read_permission_alone)
{
	int id;

	need_uids();
	id = msg_to_receive();
	MUST(msg_send(id, 4, 0, 0));
	MUST(msg_send(id, 7, 300, 0));
	MUST(msg_send(id, 3, 7000, 0));
	MUST(msg_send(id, 2, 20, 0));
	child_run(receive_some, &id);
	put(" |");
	put_msg(id);
}

static long receive_one(void *arg)
{
	return put_receive(*(int *)arg, TEXT_MAX, 0, 0);
}

CASE("PERM-13", blocked_msgrcv_with_read_permission_alone_is_handed_the_message)
{
	struct sleeper s;
	int id;

	need_uids();
	id = msg_to_receive();
	s = nobody_sleeps(receive_one, &id);
	MUST(msg_send(id, 3, 5000, 0));
	put_sleeper_end(s); /* first: it says what it got */
	put(" %lu", msg_stat(id).msg_qnum);
	put_receive(id, TEXT_MAX, 0, IPC_NOWAIT);
}

CASE("PERM-13", blocked_msgrcv_with_read_permission_alone_is_eidrm_at_removal)
{
	struct sleeper s;
	int id;

	need_uids();
	id = msg_to_receive();
	s = nobody_sleeps(receive_one, &id);
	MUST(msgctl(id, IPC_RMID, NULL));
	put_sleeper_end(s);
}

CASE("PERM-13", blocked_msgrcv_with_read_permission_alone_is_interrupted)
{
	struct sleeper s;
	int id;

	need_uids();
	id = msg_to_receive();
	s = nobody_sleeps_with_handler(receive_one, &id);
	interrupt(s);
	put_sleeper(s);
	MUST(msg_send(id, 3, 5, 0));
	put_receive(id, TEXT_MAX, 0, IPC_NOWAIT);
	sleeper_end(s);
}

CASE("PERM-13", killed_in_a_msgrcv_with_read_permission_alone)
{
	struct sleeper s;
	int id;

	need_uids();
	id = msg_to_receive();
	s = nobody_sleeps(receive_one, &id);
	child_kill(s.pid);
	MUST(msg_send(id, 3, 5, 0));
	put_receive(id, TEXT_MAX, 0, IPC_NOWAIT);
}

CASE("MSG-44", blocked_msgrcv_with_read_permission_alone_that_is_taken_away)
{
	struct msqid_ds ds;
	struct sleeper s;
	int id;

	need_uids();
	id = msg_to_receive();
	s = nobody_sleeps(receive_one, &id);
	ds = msg_stat(id);
	ds.msg_perm.mode = 0600;
	MUST(msgctl(id, IPC_SET, &ds));
	put_sleeper_end(s);
}

static long send_much(void *arg)
{
	return msg_send(*(int *)arg, 5, TEXT_MAX, 0);
}

CASE("PERM-13", blocked_msgsnd_with_write_permission_alone_finds_room)
{
	struct sleeper s;
	int id;

	need_uids();
	id = msg_to_send();
	MUST(msg_send(id, 1, TEXT_MAX, 0));
	MUST(msg_send(id, 2, TEXT_MAX, 0));
	s = nobody_sleeps(send_much, &id);
	put_sleeper_state(s);
	put_receive(id, TEXT_MAX, 0, 0);
	put_sleeper(s);
	put_msg(id);
	put_receive(id, TEXT_MAX, 5, IPC_NOWAIT);
	sleeper_end(s);
}

CASE("PERM-13", blocked_msgsnd_with_write_permission_alone_is_interrupted)
{
	struct sleeper s;
	int id;

	need_uids();
	id = msg_to_send();
	MUST(msg_send(id, 1, TEXT_MAX, 0));
	MUST(msg_send(id, 2, TEXT_MAX, 0));
	s = nobody_sleeps_with_handler(send_much, &id);
	interrupt(s);
	put_sleeper(s);
	put(" %lu", msg_stat(id).msg_qnum);
	sleeper_end(s);
}

CASE("PERM-13", blocked_msgsnd_with_write_permission_alone_is_eidrm_at_removal)
{
	struct sleeper s;
	int id;

	need_uids();
	id = msg_to_send();
	MUST(msg_send(id, 1, TEXT_MAX, 0));
	MUST(msg_send(id, 2, TEXT_MAX, 0));
	s = nobody_sleeps(send_much, &id);
	MUST(msgctl(id, IPC_RMID, NULL));
	put_sleeper_end(s);
}

/* --- groups, owners --- */

static void send_in_group(void *arg)
{
	gid_t groups[] = { 12345, SOMEBODY };

	MUST(setgroups(2, groups));
	MUST(setresgid(NOBODY, NOBODY, NOBODY));
	MUST(setresuid(NOBODY, NOBODY, NOBODY));
	put_ret(msg_send(*(int *)arg, 1, 3, 0));
	put_receive(*(int *)arg, 10, 0, IPC_NOWAIT);
}

static void send_without_group(void *arg)
{
	become(NOBODY);
	put_ret(msg_send(*(int *)arg, 1, 3, 0));
}

CASE("PERM-13", write_permission_alone_by_a_supplementary_group)
{
	struct msqid_ds ds;
	int id;

	need_uids();
	id = msg_new();
	ds = msg_stat(id);
	ds.msg_perm.gid = SOMEBODY;
	ds.msg_perm.mode = 0620;
	MUST(msgctl(id, IPC_SET, &ds));
	child_run(send_in_group, &id);
	child_run(send_without_group, &id);
	put(" %lu", msg_stat(id).msg_qnum);
}

CASE("PERM-14", half_a_permission_is_judged_at_each_call)
{
	int id;

	need_uids();
	id = msg_to_send();
	seem(NOBODY);
	put_ret(msg_send(id, 1, 1, 0));
	put_receive(id, 10, 0, IPC_NOWAIT);
	seem_root();
	put_receive(id, 10, 0, IPC_NOWAIT);
	seem(NOBODY);
	put_ret(msg_send(id, 2, 1, 0));
	put_receive(id, 10, 0, IPC_NOWAIT);
	seem_root();
	put(" %lu", msg_stat(id).msg_qnum);
}

CASE("PERM-13", owner_of_half)
{
	int sem = (int)MUST(get_sem(IPC_PRIVATE, 1, 0200));
	int msg = (int)MUST(get_msg(IPC_PRIVATE, 0400));

	put_ret(OPS(sem, { 0, 1, 0 }));
	put_ret(sem_value(sem, 0));
	put_ret(msg_send(msg, 1, 1, 0));
	put_receive(msg, 1, 0, IPC_NOWAIT);
}

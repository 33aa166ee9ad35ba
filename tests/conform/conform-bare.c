/* conform-bare.c: calls without descriptors, around exec, with changing identities, at the very end. */
#include "conform.h"

#include <pthread.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* Set by a case for the program it becomes: "SEM MSG HARD". */
#define EXEC_VARIABLE "CONFORM_BARE_EXEC"

static const char *exit_name(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "ok" : "bad";
}

/* --- without descriptors --- */

/* Calls of every kind, on objects used before and on new ones. */
static void put_calls(int sem, int msg, int shm)
{
	void *at;

	put_ret(OPS(sem, { 0, 1, 0 }));
	put_ret(sem_value(sem, 0));
	put_ret(msg_send(msg, 1, 3, 0));
	put_receive(msg, 10, 0, IPC_NOWAIT);
	at = shmat(shm, NULL, 0);
	put(" %s nattch=%lu", at == (void *)-1 ? "not attached" : "attached", shm_nattch(shm));
	put_ok(at == (void *)-1 ? -1 : shmdt(at));
	sem = get_sem(IPC_PRIVATE, 1, 0600);
	msg = get_msg(IPC_PRIVATE, 0600);
	shm = get_shm(IPC_PRIVATE, PAGE, 0600);
	put_ok(sem);
	put_ok(OPS(sem, { 0, 1, SEM_UNDO }));
	put_ok(msg);
	put_ok(msg_send(msg, 1, 3, 0));
	put_ok(shm);
	at = shmat(shm, NULL, 0);
	put(" %s", at == (void *)-1 ? "not attached" : "attached");
}

CASE("OBS-12", close_range_of_everything_after_the_first_call)
{
	int sem = sem_new(1);
	int msg = msg_new();
	int shm = shm_new(PAGE);

	MUST(OPS(sem, { 0, 1, 0 }));
	MUST(close_range(0, ~0U, 0));
	put_calls(sem, msg, shm);
	MUST(close_range(0, ~0U, 0));
	put_ok(shmctl(shm, IPC_RMID, NULL));
	put_ok(semctl(sem, 0, IPC_RMID));
}

CASE("OBS-12", closefrom_between_any_two_calls)
{
	int id = sem_new(1);
	int failures = 0;
	int i;

	for (i = 0; i < 200; i++) {
		int other;

		closefrom(3);
		other = msgget(IPC_PRIVATE, 0600);
		closefrom(3);
		if (other == -1 || msg_send(other, 1, 5, 0) == -1)
			failures++;
		closefrom(3);
		if (msgctl(other, IPC_RMID, NULL) == -1 || OPS(id, { 0, 1, SEM_UNDO }) == -1)
			failures++;
	}
	put(" failures=%d %d", failures, sem_value(id, 0));
}

CASE("OBS-12", dup2_of_another_file_over_all_descriptors)
{
	int sem = sem_new(1);
	int msg = msg_new();
	int shm = shm_new(PAGE);
	int null = (int)MUST(open("/dev/null", O_RDWR));
	struct rlimit limit;
	int i;

	MUST(getrlimit(RLIMIT_NOFILE, &limit));
	for (i = 3; i < 4096 && i < (int)limit.rlim_cur; i++) {
		if (i != null)
			(void)dup2(null, i);
	}
	put_calls(sem, msg, shm);
	put_ret(write(null, "x", 1));
}

/* A pipe put where the library may have had something must not be closed or written to. */
CASE("OBS-12", descriptors_that_took_the_place_of_others_are_left_alone)
{
	struct rlimit limit;
	int sem = sem_new(1);
	int pipes[2];
	char byte;
	int i;

	MUST(pipe(pipes));
	MUST(getrlimit(RLIMIT_NOFILE, &limit));
	for (i = 3; i < 4096 && i < (int)limit.rlim_cur; i++) {
		if (i != pipes[0] && i != pipes[1])
			(void)dup2(pipes[i % 2], i);
	}
	put_ok(get_sem(IPC_PRIVATE, 1, 0600));
	put_ok(OPS(sem, { 0, 1, SEM_UNDO }));
	put_ok(get_msg(IPC_PRIVATE, 0600));
	MUST(fcntl(pipes[0], F_SETFL, O_NONBLOCK));
	put_ret(read(pipes[0], &byte, 1));
	for (i = 3; i < 4096 && i < (int)limit.rlim_cur; i++) {
		if (fcntl(i, F_GETFD) == -1)
			break;
	}
	put(" %s", i < 4096 && i < (int)limit.rlim_cur ? "closed" : "open");
}

/* A file of the program's own, locked, at every number but those of the first four. */
static int cover_descriptors(void)
{
	char name[] = "/tmp/conform.XXXXXX";
	int file = (int)MUST(mkstemp(name));
	int other = (int)MUST(open(name, O_RDWR));
	struct rlimit limit;
	int i;

	MUST(unlink(name));
	MUST(write(file, "own", 3));
	MUST(flock(file, LOCK_EX));
	MUST(getrlimit(RLIMIT_NOFILE, &limit));
	for (i = 4; i < 4096 && i < (int)limit.rlim_cur; i++) {
		if (i != file && i != other)
			(void)dup2(file, i);
	}
	return other;
}

/* Who attaches again and again may have the file of the segment kept open for it. */
CASE("OBS-12", file_in_place_of_a_kept_one_is_left_alone)
{
	int id = shm_new(PAGE);
	char *at;
	int other;
	int i;

	for (i = 0; i < 3; i++) {
		at = shmat(id, NULL, 0);
		(void)snprintf(at, PAGE, "theirs");
		MUST(shmdt(at));
	}
	other = cover_descriptors();
	at = shmat(id, NULL, 0);
	put(" %s", at);
	put_ret(flock(other, LOCK_EX | LOCK_NB));
	put_ret(shmdt(at));
	for (i = 0; i < 3; i++) {
		at = shmat(id, NULL, 0);
		put(" %s", at);
		if (i < 2)
			MUST(shmdt(at));
	}
	(void)close(other);
	other = cover_descriptors();
	put_ret(shmdt(at));
	put_ret(flock(other, LOCK_EX | LOCK_NB));
	put(" %lu", shm_nattch(id));
}

static void limit_descriptors(bool is_hard)
{
	struct rlimit limit;

	MUST(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = 0;
	if (is_hard)
		limit.rlim_max = 0;
	MUST(setrlimit(RLIMIT_NOFILE, &limit));
}

CASE("OBS-12", no_descriptor_allowed_after_the_first_call)
{
	int sem = sem_new(1);
	int msg = msg_new();
	int shm = shm_new(PAGE);

	MUST(OPS(sem, { 0, 1, 0 }));
	limit_descriptors(false);
	put_calls(sem, msg, shm);
}

CASE("OBS-12", no_descriptor_allowed_ever_again_objects_in_use_go_on)
{
	int sem = sem_new(1);
	int msg = msg_new();

	MUST(OPS(sem, { 0, 1, 0 }));
	MUST(msg_send(msg, 1, 3, 0));
	limit_descriptors(true);
	put_ret(OPS(sem, { 0, 1, SEM_UNDO }));
	put_ret(sem_value(sem, 0));
	put_receive(msg, 10, 0, 0);
	put_ret(msg_send(msg, 1, 3, 0));
	put_receive(msg, 10, 0, 0);
}

CASE("OBS-12", no_descriptor_allowed_ever_again_and_other_objects)
{
	int sem = sem_new(1);
	int shm = shm_new(PAGE);
	int msg = msg_new();

	MUST(OPS(sem, { 0, 1, 0 }));
	limit_descriptors(true);
	put_ok(get_sem(IPC_PRIVATE, 1, 0600));
	put_ok(msg_send(msg, 1, 3, 0));
	put_ok(shmat(shm, NULL, 0) == (void *)-1 ? -1 : 0);
	put_ok(semctl(sem, 0, IPC_RMID));
}

/* --- other programs --- */

/* In the program a case has become: what the text says, before main. */
__attribute__((constructor(101))) static void exec_main(void)
{
	const char *text = getenv(EXEC_VARIABLE);
	struct rlimit limit;
	int sem;
	int msg;
	int hard;

	if (text == NULL || sscanf(text, "%d %d %d", &sem, &msg, &hard) != 3)
		return;
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 0;
	if (hard)
		limit.rlim_max = 0;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	if (OPS(sem, { 0, 1, 0 }) == -1 || msg_send(msg, 1, 5, 0) == -1)
		_exit(1);
	_exit(0);
}

struct exec_call {
	int sem;
	int msg;
	bool is_hard;
};

static void exec_self(void *arg)
{
	const struct exec_call *call = arg;
	char text[64];

	(void)snprintf(text, sizeof(text), "%d %d %d", call->sem, call->msg, call->is_hard);
	(void)setenv(EXEC_VARIABLE, text, 1);
	(void)execl("/proc/self/exe", "odd", (char *)NULL);
	_exit(2);
}

CASE("OBS-12", no_descriptor_allowed_before_the_first_call)
{
	struct exec_call call = { sem_new(1), msg_new(), false };

	put(" %s", exit_name(child_wait(child_start(exec_self, &call))));
	put(" %d %lu", sem_value(call.sem, 0), msg_stat(call.msg).msg_qnum);
}

CASE("OBS-12", no_descriptor_allowed_ever_before_the_first_call)
{
	struct exec_call call = { sem_new(1), msg_new(), true };

	put(" %s", exit_name(child_wait(child_start(exec_self, &call))));
	put(" %d %lu", sem_value(call.sem, 0), msg_stat(call.msg).msg_qnum);
}

struct kept {
	int sem;
	int shm;
};

static void use_and_exec(void *arg)
{
	const struct kept *kept = arg;

	MUST(OPS(kept->sem, { 0, -1, SEM_UNDO }));
	MUST(shmat(kept->shm, NULL, 0) == (void *)-1 ? -1 : 0);
	shared[0] = (long)shm_nattch(kept->shm);
	(void)execl("/bin/sh", "sh", "-c", "read line", (char *)NULL);
}

CASE("EVT-5", exec_keeps_adjustments_and_drops_attachments)
{
	struct kept kept = { sem_new(1), shm_new(PAGE) };
	int pipes[2];
	pid_t pid;

	MUST(sem_set(kept.sem, 0, 5));
	MUST(pipe(pipes));
	MUST(dup2(pipes[0], 0));
	pid = child_start(use_and_exec, &kept);
	while (shared[0] == 0 || shm_nattch(kept.shm) != 0)
		nap(500);
	put(" before=%ld after=%lu %d", shared[0], shm_nattch(kept.shm), sem_value(kept.sem, 0));
	MUST(write(pipes[1], "\n", 1));
	put(" %s", exit_name(child_wait(pid)));
	put(" %d", sem_value(kept.sem, 0));
}

CASE("OBS-13", vfork_and_exec)
{
	int id = sem_new(1);
	char *shell[] = { (char *)"true", NULL };
	int bad = 0;
	int i;

	MUST(OPS(id, { 0, 5, SEM_UNDO }));
	for (i = 0; i < 20; i++) {
		pid_t pid = vfork();

		if (pid == 0) {
			(void)execv("/bin/true", shell);
			_exit(1);
		}
		bad += child_wait(pid) != 0;
		MUST(OPS(id, { 0, 1, 0 }));
	}
	put(" bad=%d", bad);
	put_sem(id);
}

CASE("OBS-13", calls_between_vfork_and_exec)
{
	int sem = sem_new(1);
	int msg = msg_new();
	char *shell[] = { (char *)"true", NULL };
	pid_t pid;

	MUST(OPS(sem, { 0, 5, SEM_UNDO }));
	pid = vfork();
	if (pid == 0) {
		if (OPS(sem, { 0, 1, 0 }) == -1 || msg_send(msg, 1, 5, 0) == -1)
			_exit(1);
		(void)execv("/bin/true", shell);
		_exit(1);
	}
	put(" %s", exit_name(child_wait(pid)));
	put(" %d %lu", sem_value(sem, 0), msg_stat(msg).msg_qnum);
	put_ret(OPS(sem, { 0, -1, SEM_UNDO }));
	put_receive(msg, 10, 0, IPC_NOWAIT);
	put_ok(get_sem(IPC_PRIVATE, 1, 0600));
}

/* --- identity --- */

static void put_access(int sem, int msg, int shm)
{
	void *at;

	put_ok(sem_value(sem, 0));
	put_ok(OPS(sem, { 0, 1, 0 }));
	put_ok(msg_send(msg, 1, 2, IPC_NOWAIT));
	at = shmat(shm, NULL, 0);
	put_ok(at == (void *)-1 ? -1 : shmdt(at));
}

CASE("PERM-14", seteuid_there_and_back_judges_each_call)
{
	int sem = sem_new(1);
	int msg = msg_new();
	int shm = shm_new(PAGE);
	int i;

	need_uids();
	for (i = 0; i < 2; i++) {
		put_access(sem, msg, shm);
		seem(NOBODY);
		put_access(sem, msg, shm);
		seem_root();
	}
	put_access(sem, msg, shm);
}

CASE("PERM-14", setresuid_for_good_keeps_what_is_attached)
{
	int sem = sem_new(1);
	int msg = msg_new();
	int shm = shm_new(PAGE);
	char *at;

	need_uids();
	at = shmat(shm, NULL, 0);
	MUST(at == (void *)-1 ? -1 : 0);
	MUST(OPS(sem, { 0, 1, SEM_UNDO }));
	become(NOBODY);
	at[0] = 'x';
	put(" %c", at[0]);
	put_access(sem, msg, shm);
	put_ok(shmdt(at));
	sem = get_sem(IPC_PRIVATE, 1, 0600);
	put_ok(sem);
	put_ok(OPS(sem, { 0, 1, SEM_UNDO }));
	put_sem(sem);
}

CASE("PERM-14", bare_setresuid_judges_the_next_call)
{
	int sem = sem_new(1);
	int msg = msg_new();
	int shm = shm_new(PAGE);

	need_uids();
	put_access(sem, msg, shm);
	MUST(syscall(SYS_setresuid, -1, NOBODY, -1));
	put_access(sem, msg, shm);
	MUST(syscall(SYS_setresuid, -1, 0, -1));
	put_access(sem, msg, shm);
}

static void send_one(void *arg)
{
	MUST(msg_send(*(int *)arg, 7, 3, 0));
}

/* In a process that never had the queue before. */
CASE("PERM-13", msgrcv_with_read_permission_alone)
{
	int id;

	need_uids();
	id = (int)MUST(get_msg(IPC_PRIVATE, 0644));
	child_run(send_one, &id);
	become(NOBODY);
	put_receive(id, 10, 0, IPC_NOWAIT | MSG_COPY);
	put_receive(id, 10, 0, IPC_NOWAIT);
}

static void post_one(void *arg)
{
	MUST(OPS(*(int *)arg, { 0, 1, 0 }));
}

static long wait_for_zero(void *arg)
{
	become(NOBODY);
	return OPS(*(int *)arg, { 0, 0, 0 });
}

CASE("PERM-13", zero_waiter_with_read_permission_alone_is_counted)
{
	struct sleeper s;
	int id;

	need_uids();
	id = (int)MUST(get_sem(IPC_PRIVATE, 1, 0644));
	child_run(post_one, &id);
	s = sleeper_start(wait_for_zero, &id);
	nap(300000);
	put(" z%d", sem_zcount(id, 0));
	put_sleeper_state(s);
	MUST(OPS(id, { 0, -1, 0 }));
	put_sleeper_end(s);
}

/* --- at the end --- */

static int end_id = -1;
static pthread_key_t end_key;

__attribute__((destructor)) static void post_in_destructor(void)
{
	if (end_id != -1)
		put(" destructor:%d", OPS(end_id, { 1, 1, 0 }));
}

static void post_at_exit(void)
{
	put(" atexit:%d", OPS(end_id, { 0, 1, SEM_UNDO }, { 1, 1, 0 }));
	put(" %d", get_msg(IPC_PRIVATE, 0600) != -1);
}

static void exit_with_handlers(void *arg)
{
	end_id = *(int *)arg;
	MUST(atexit(post_at_exit));
	MUST(OPS(end_id, { 0, 2, SEM_UNDO }));
	exit(0);
}

CASE("UNDO-7", calls_at_exit_and_in_a_destructor_count)
{
	int id = sem_new(2);

	MUST(sem_set(id, 0, 3));
	child_run(exit_with_handlers, &id);
	put(" %d %d", sem_value(id, 0), sem_value(id, 1));
}

static void first_call_at_exit(void *arg)
{
	end_id = *(int *)arg;
	MUST(atexit(post_at_exit));
	exit(0);
}

CASE("UNDO-7", first_call_of_a_process_at_its_exit)
{
	int id = sem_new(2);

	child_run(first_call_at_exit, &id);
	put(" %d %d", sem_value(id, 0), sem_value(id, 1));
}

static void post_at_thread_end(void *value)
{
	(void)value;
	put(" key:%d", OPS(end_id, { 0, 1, SEM_UNDO }));
}

static void *set_key(void *arg)
{
	(void)pthread_setspecific(end_key, arg);
	return NULL;
}

CASE("UNDO-3", call_in_the_destructor_of_a_thread)
{
	int id = sem_new(1);
	pthread_t thread;

	end_id = id;
	MUST(pthread_key_create(&end_key, post_at_thread_end) == 0 ? 0 : -1);
	(void)pthread_create(&thread, NULL, set_key, &end_key);
	(void)pthread_join(thread, NULL);
	put(" %d", sem_value(id, 0));
}

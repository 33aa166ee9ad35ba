/* conform-clone.c: attachments of children that are made without fork(). */
#include "conform-memory.h"

#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>

/* Each returns as fork() does. */
typedef pid_t make(void);

extern __attribute__((weak)) pid_t _Fork(void);

static pid_t make_by_fork_alone(void)
{
	return _Fork();
}

static pid_t make_by_clone3_number(void)
{
	struct clone_args arguments = { .exit_signal = SIGCHLD };

	return (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
}

static sigjmp_buf clone_jump;

static int clone_return(void *arg)
{
	(void)arg;
	siglongjmp(clone_jump, 1);
}

/* In the child on, with the stack that the parent had. */
static pid_t make_by_clone(void)
{
	static _Alignas(16) char stack[65536];

	if (sigsetjmp(clone_jump, 0) != 0)
		return 0;
	return clone(clone_return, stack + sizeof(stack), SIGCHLD, NULL);
}

static pid_t start(make *by, void (*body)(char *), char *at)
{
	pid_t pid = by();

	MUST(pid);
	if (pid == 0) {
		body(at);
		_exit(0);
	}
	child_name(pid);
	return pid;
}

static void stay(char *at)
{
	at[1]++;
	shared[9]++;
	for (;;)
		(void)pause();
}

static void leave(char *at)
{
	at[2]++;
}

static void detach_and_stay(char *at)
{
	shared[10] = shmdt(at);
	shared[9]++;
	for (;;)
		(void)pause();
}

/* As soon as the call returns, beside others, and until whoever it is has gone. */
static void inherits(make *by)
{
	int id = shm_new(PAGE);
	char *a = attach(id);
	struct shmid_ds ds;
	pid_t first;
	pid_t second;

	first = start(by, stay, a);
	put(" %lu", shm_nattch(id));
	MUST(shmctl(id, IPC_STAT, &ds));
	put_pid(ds.shm_lpid);
	second = start(by, stay, a);
	put(" %lu", shm_nattch(id));
	await(9, 2);
	put(" %lu", shm_nattch(id));
	child_kill(first);
	put(" %lu", shm_nattch(id));
	put_ret(child_wait(start(by, leave, a)));
	put(" %lu %d %d", shm_nattch(id), a[1], a[2]);
	put_ret(shmctl(id, IPC_RMID, NULL));
	put_ret(shmdt(a));
	put(" %lu", shm_nattch(id));
	child_kill(second);
	put_ret(shmctl(id, IPC_STAT, &ds));
}

static void gives_up(make *by)
{
	int id = shm_new(PAGE);
	char *a = attach(id);
	pid_t pid;

	/* So that a library may have kept the file. */
	MUST(shmdt(attach(id)));
	MUST(shmdt(attach(id)));
	pid = start(by, detach_and_stay, a);
	await(9, 1);
	put_ret(shared[10]);
	put(" %lu", shm_nattch(id));
	put_ret(shmctl(id, IPC_RMID, NULL));
	put_ret(shmdt(a));
	put_ret(shmctl(id, IPC_STAT, &(struct shmid_ds){ 0 }));
	child_kill(pid);
}

/* The last holder is one that nobody has told of, and that has never made a call. */
static void outlives(make *by)
{
	int id = shm_new(PAGE);
	char *a;
	pid_t pid;

	MUST(shmdt(attach(id)));
	MUST(shmdt(attach(id)));
	a = attach(id);
	a[0] = 'm';
	pid = start(by, stay, a);
	await(9, 1);
	put_ret(shmdt(a));
	put_ret(shmctl(id, IPC_RMID, NULL));
	put(" %lu", shm_nattch(id));
	a = attach(id);
	put(" %c%d %lu", a[0], a[1], shm_nattch(id));
	put_ret(shmdt(a));
	child_kill(pid);
	put_ret(shmctl(id, IPC_STAT, &(struct shmid_ds){ 0 }));
}

#define CASES(name)                                                                                \
	CASE("EVT-1", child_##name##_inherits) { inherits(make_##name); }                          \
	CASE("EVT-1", child_##name##_gives_up) { gives_up(make_##name); }                          \
	CASE("EVT-1", child_##name##_outlives) { outlives(make_##name); }

CASES(by_clone)
CASES(by_clone_number)
CASES(by_fork_number)
CASES(by_clone3_number)
CASES(by_fork_alone)
CASES(by_instruction)

static int leave_at_once(void *at)
{
	leave(at);
	return 0;
}

static pid_t clone_with(int flags, void *at)
{
	static _Alignas(16) char stack[65536];

	return clone(leave_at_once, stack + sizeof(stack), flags | SIGCHLD, at);
}

/* Shared memory: no child of its own (EVT-8); the others have a copy. */
CASE("EVT-8", children_with_other_flags)
{
	static const int flags[] = { CLONE_VM, CLONE_VFORK, CLONE_FILES, CLONE_FS, CLONE_VM | CLONE_VFORK };
	int id = shm_new(PAGE);
	char *a = attach(id);
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		put_ret(child_wait((pid_t)MUST(clone_with(flags[i], a))));
		put(" %lu", shm_nattch(id));
	}
	put(" %d", a[2]);
	put_ret(shmdt(a));
	put_ret(shmctl(id, IPC_RMID, NULL));
	put_ret(shmctl(id, IPC_STAT, &(struct shmid_ds){ 0 }));
}

CASE("EVT-1", clone_that_cannot_be)
{
	int id = shm_new(PAGE);
	char *a = attach(id);

	put_ret(clone(NULL, a, SIGCHLD, NULL));
	put_ret(clone(leave_at_once, NULL, SIGCHLD, NULL));
	put_ret(syscall(SYS_clone, (long)CLONE_SIGHAND, 0, 0, 0, 0));
	put_ret(syscall(SYS_clone3, (void *)16, sizeof(struct clone_args)));
	put_ret(syscall(SYS_clone3, NULL, 3));
	put(" %lu", shm_nattch(id));
	put_ret(child_wait(start(make_by_clone, leave, a)));
	put(" %lu", shm_nattch(id));
}

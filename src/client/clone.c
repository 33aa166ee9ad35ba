/* clone.c: see clone.h. */
#include "client/clone.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "client/next.h"
#include "client/probe.h"
#include "client/process.h"
#include "sys/raw.h"

#define CLONE_EXPORT __attribute__((visibility("default")))

/*
 * With any of these the child has no copy of the memory, shares what it must not close, has other
 * thread-local storage, or keeps its parent waiting, who must not hold a lock then.  It is counted from
 * its first call of the library on.
 */
#define CLONE_UNLIKE_FORK (CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_SETTLS)

static void clone_prepare(void)
{
	process_fork_enter();
	process_fork_prepare();
}

/* In both processes; pid 0: in the child. */
static void clone_finish(long pid)
{
	if (pid == 0)
		process_fork_child();
	else
		process_fork_parent();
	process_fork_leave(pid < 0 ? -1 : (pid_t)pid);
}

CLONE_EXPORT pid_t _Fork(void)
{
	pid_t pid;

	if (!NEXT(_Fork)) {
		errno = ENOSYS;
		return -1;
	}
	clone_prepare();
	pid = client_next._Fork();
	clone_finish(pid);
	return pid;
}

/* ------------------------------------------------------------------------------------------ clone */

struct clone_start {
	int (*function)(void *);
	void *argument;
};

/* On the child's stack; start is in its copy of the parent's. */
static int clone_child(void *argument)
{
	struct clone_start start = *(const struct clone_start *)argument;

	clone_finish(0);
	return start.function(start.argument);
}

CLONE_EXPORT int clone(int (*function)(void *), void *stack, int flags, void *argument, ...)
{
	struct clone_start start = {.function = function, .argument = argument};
	pid_t *parent_tid;
	pid_t *child_tid;
	va_list list;
	void *tls;
	int pid;

	va_start(list, argument);
	parent_tid = va_arg(list, pid_t *);
	tls = va_arg(list, void *);
	child_tid = va_arg(list, pid_t *);
	va_end(list);
	/* Without function or stack it is refused. */
	if ((flags & CLONE_UNLIKE_FORK) != 0 || !function || !stack)
		return NEXT(clone)(function, stack, flags, argument, parent_tid, tls, child_tid);
	clone_prepare();
	pid = NEXT(clone)(clone_child, stack, flags, &start, parent_tid, tls, child_tid);
	clone_finish(pid);
	return pid;
}

/* ---------------------------------------------------------------------------------- by their numbers */

/* True if the child is as one of fork, on the same stack. */
static bool clone_is_fork(long number, const long *a)
{
	const struct clone_args *arguments = (const struct clone_args *)(uintptr_t)a[0];

	if (number == SYS_clone)
		return (a[0] & CLONE_UNLIKE_FORK) == 0 && a[1] == 0;
	if (number == SYS_clone3)
		return a[1] >= (long)CLONE_ARGS_SIZE_VER0 && probe_readable(arguments, CLONE_ARGS_SIZE_VER0) &&
		       (arguments->flags & CLONE_UNLIKE_FORK) == 0 && arguments->stack == 0;
	return true;
}

long clone_call(long number, const long *a)
{
	bool is_fork = clone_is_fork(number, a);
	long pid;

	if (is_fork)
		clone_prepare();
	pid = raw_call6(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (is_fork)
		clone_finish(pid);
	return pid;
}

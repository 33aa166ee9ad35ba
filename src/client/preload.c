/*
 * preload.c: every symbol the library exports, and what runs when it is loaded and unloaded.
 *
 * The twelve calls, and the libc calls that have to be noticed: fork, the ends of a process, wait,
 * changes of identity, longjmp, and the opening of a few files in /proc.  Each of the latter does
 * what the next definition does; nothing else is changed.
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "client/attached.h"
#include "client/conn.h"
#include "client/cred.h"
#include "client/msg.h"
#include "client/next.h"
#include "client/ns.h"
#include "client/procfs.h"
#include "client/sem.h"
#include "client/sem-few.h"
#include "client/sem-one.h"
#include "client/shm.h"
#include "client/sleeping.h"
#include "client/usysv.h"
#include "sys/raw.h"

#define EXPORT __attribute__((visibility("default")))

#ifndef USYSV_VERSION
#define USYSV_VERSION "0"
#endif

/* Declared where glibc's checking headers would. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir_fd, const char *path, int flags);
int __openat64_2(int dir_fd, const char *path, int flags);

static __attribute__((constructor)) void preload_init(void)
{
	int saved = errno;

	next_resolve();
	ns_init();
	/* Without the handlers a child still is told by its wiped page. */
	(void)pthread_atfork(process_fork_prepare, process_fork_parent, process_fork_child);
	errno = saved;
}

static __attribute__((destructor)) void preload_deinit(void)
{
	process_exit(false);
}

/* ------------------------------------------------------------------------- the twelve calls */

static inline long preload_result(long result)
{
	if (CLIENT_LIKELY(result >= 0))
		return result;
	errno = (int)-result;
	return -1;
}

/* True if the call is the kernel's: the namespace cannot be reached and the user said so. */
static inline bool preload_is_kernel(long result)
{
	return CLIENT_UNLIKELY(result == -ENOSYS) && ns_may_fall_back();
}

EXPORT int shmget(key_t key, size_t size, int flags)
{
	long r = shm_get(key, size, flags);

	if (preload_is_kernel(r))
		r = raw_call3(SYS_shmget, key, size, flags);
	return (int)preload_result(r);
}

EXPORT void *shmat(int id, const void *address, int flags)
{
	void *result = NULL;
	long r = shm_attach(id, address, flags, &result);

	if (preload_is_kernel(r)) {
		r = raw_call3(SYS_shmat, id, address, flags);
		if (r >= 0 || r < -4095)
			return (void *)r;
	}
	return preload_result(r) < 0 ? (void *)-1 : result;
}

EXPORT int shmdt(const void *address)
{
	long r = shm_detach(address);

	if (r == -EINVAL && ns_may_fall_back())
		r = raw_call1(SYS_shmdt, address);
	return (int)preload_result(r);
}

EXPORT int shmctl(int id, int command, struct shmid_ds *argument)
{
	long r = shm_control(id, command, argument);

	if (preload_is_kernel(r))
		r = raw_call3(SYS_shmctl, id, command, argument);
	return (int)preload_result(r);
}

EXPORT int semget(key_t key, int n_sems, int flags)
{
	long r = sem_get(key, n_sems, flags);

	if (preload_is_kernel(r))
		r = raw_call3(SYS_semget, key, n_sems, flags);
	return (int)preload_result(r);
}

static __attribute__((noinline)) int preload_semop_slow(int id, struct sembuf *ops, size_t n_ops,
							const struct timespec *timeout)
{
	long r = sem_op(id, ops, n_ops, timeout);

	if (preload_is_kernel(r))
		r = raw_call4(SYS_semtimedop, id, ops, n_ops, timeout);
	return (int)preload_result(r);
}

static __attribute__((noinline)) int preload_again(void)
{
	errno = EAGAIN;
	return -1;
}

static inline __attribute__((always_inline)) int preload_semop(int id, struct sembuf *ops, size_t n_ops,
							       const struct timespec *timeout)
{
	if (CLIENT_LIKELY((uint32_t)n_ops == 1 && (!timeout || sem_timeout_is_good(timeout)))) {
		int r = sem_op_one(id, ops);

		if (CLIENT_LIKELY(r == 0))
			return 0;
		if (r == -EAGAIN)
			return preload_again();
	}
	if (CLIENT_LIKELY((uint32_t)n_ops - 1 < SEMSET_FEW_OPS_MAX &&
			  (!timeout || sem_timeout_is_good(timeout)) &&
			  sem_op_few(id, ops, (uint32_t)n_ops)))
		return 0;
	return preload_semop_slow(id, ops, n_ops, timeout);
}

EXPORT int semop(int id, struct sembuf *ops, size_t n_ops)
{
	return preload_semop(id, ops, n_ops, NULL);
}

EXPORT int semtimedop(int id, struct sembuf *ops, size_t n_ops, const struct timespec *timeout)
{
	return preload_semop(id, ops, n_ops, timeout);
}

/* ABI-3: these commands have no fourth argument to fetch. */
static bool preload_has_argument(int command)
{
	switch (command) {
	case SETVAL:
	case GETALL:
	case SETALL:
	case IPC_STAT:
	case IPC_SET:
	case SEM_STAT:
	case SEM_STAT_ANY:
	case IPC_INFO:
	case SEM_INFO:
		return true;
	default:
		return false;
	}
}

EXPORT int semctl(int id, int number, int command, ...)
{
	union sem_argument argument = {.pointer = NULL};
	va_list list;
	long r;

	if (preload_has_argument(command)) {
		va_start(list, command);
		argument = va_arg(list, union sem_argument);
		va_end(list);
	}
	r = sem_control(id, number, command, argument);
	if (preload_is_kernel(r))
		r = raw_call4(SYS_semctl, id, number, command, argument.pointer);
	return (int)preload_result(r);
}

EXPORT int msgget(key_t key, int flags)
{
	long r = msg_get(key, flags);

	if (preload_is_kernel(r))
		r = raw_call2(SYS_msgget, key, flags);
	return (int)preload_result(r);
}

EXPORT int msgsnd(int id, const void *message, size_t size, int flags)
{
	long r;

	pthread_testcancel();
	r = msg_send(id, message, size, flags);
	if (preload_is_kernel(r))
		r = raw_call4(SYS_msgsnd, id, message, size, flags);
	return (int)preload_result(r);
}

EXPORT ssize_t msgrcv(int id, void *message, size_t size, long type, int flags)
{
	long r;

	pthread_testcancel();
	r = msg_receive(id, message, size, type, flags);
	if (preload_is_kernel(r))
		r = raw_call6(SYS_msgrcv, id, RAW_ARGUMENT(message), RAW_ARGUMENT(size), type, flags,
			      0);
	return preload_result(r);
}

EXPORT int msgctl(int id, int command, struct msqid_ds *argument)
{
	long r = msg_control(id, command, argument);

	if (preload_is_kernel(r))
		r = raw_call3(SYS_msgctl, id, command, argument);
	return (int)preload_result(r);
}

/* --------------------------------------------------------------------------------- usysv.h */

EXPORT const char *usysv_version(void)
{
	return USYSV_VERSION;
}

EXPORT const char *usysv_namespace(void)
{
	return ns_directory();
}

EXPORT int usysv_ping(struct usysv_pong *pong)
{
	struct proto_message ping = {.type = PROTO_PING};
	struct proto_message reply;
	int r = conn_call(&ping, CONN_TIMEOUT_DEFAULT, &reply, NULL);

	if (r < 0 || reply.type != PROTO_PONG || reply.pong.error != 0) {
		errno = ENOSYS;
		return -1;
	}
	*pong = (struct usysv_pong){
		.daemon_pid = reply.pong.daemon_pid,
		.n_clients = reply.pong.n_clients,
		.n_segments = reply.pong.n_objects[IPC_KIND_SHM],
		.n_sets = reply.pong.n_objects[IPC_KIND_SEM],
		.n_queues = reply.pong.n_objects[IPC_KIND_MSG],
		.uptime_s = reply.pong.uptime_s,
		.n_requests = reply.pong.n_requests,
	};
	return 0;
}

/* ------------------------------------------------------------------ fork and the end of a process */

EXPORT pid_t fork(void)
{
	pid_t pid;

	process_fork_enter();
	pid = NEXT(fork)();
	process_fork_leave(pid);
	return pid;
}

EXPORT _Noreturn void _exit(int status)
{
	process_exit(true);
	for (;;)
		(void)raw_call1(SYS_exit_group, status);
}

EXPORT _Noreturn void _Exit(int status)
{
	_exit(status);
}

EXPORT _Noreturn void quick_exit(int status)
{
	process_exit(false);
	NEXT(quick_exit)(status);
	_exit(status); /* not reached: the next one does not return */
}

EXPORT int unshare(int flags)
{
	int result = NEXT(unshare)(flags);

	if (result == 0 && (flags & CLONE_SYSVSEM))
		process_leave_undo();
	return result;
}

/* ------------------------------------------------------------------------ calls on attached memory */

/*
 * The next definition is not known yet when a library that is loaded before this one maps memory:
 * then the kernel is asked.
 */

EXPORT int munmap(void *address, size_t size)
{
	if (attached_touches(address, size))
		return (int)preload_result(attached_munmap(address, size));
	if (CLIENT_UNLIKELY(!client_next.munmap))
		return (int)preload_result(raw_call2(SYS_munmap, address, size));
	return client_next.munmap(address, size);
}

EXPORT int mprotect(void *address, size_t size, int protection)
{
	if (attached_touches(address, size))
		return (int)preload_result(attached_mprotect(address, size, protection));
	if (CLIENT_UNLIKELY(!client_next.mprotect))
		return (int)preload_result(raw_call3(SYS_mprotect, address, size, protection));
	return client_next.mprotect(address, size, protection);
}

EXPORT int madvise(void *address, size_t size, int advice)
{
	if (attached_touches(address, size))
		return (int)preload_result(attached_madvise(address, size, advice));
	if (CLIENT_UNLIKELY(!client_next.madvise))
		return (int)preload_result(raw_call3(SYS_madvise, address, size, advice));
	return client_next.madvise(address, size, advice);
}

EXPORT void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
	if (CLIENT_UNLIKELY(flags & MAP_FIXED) && attached_touches(address, size))
		return (void *)preload_result(
			attached_mmap(address, size, protection, flags, fd, offset));
	if (CLIENT_UNLIKELY(!client_next.mmap))
		return (void *)preload_result(raw_call6(SYS_mmap, RAW_ARGUMENT(address), (long)size,
							protection, flags, fd, offset));
	return client_next.mmap(address, size, protection, flags, fd, offset);
}

EXPORT void *mmap64(void *address, size_t size, int protection, int flags, int fd, off64_t offset)
{
	return mmap(address, size, protection, flags, fd, offset);
}

EXPORT void *mremap(void *old, size_t old_size, size_t size, int flags, ...)
{
	void *wanted = NULL;
	va_list list;

	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) {
		va_start(list, flags);
		wanted = va_arg(list, void *);
		va_end(list);
	}
	if (attached_touches(old, old_size == 0 ? 1 : old_size) ||
	    (flags & MREMAP_FIXED && attached_touches(wanted, size)))
		return (void *)preload_result(attached_mremap(old, old_size, size, flags, wanted));
	if (CLIENT_UNLIKELY(!client_next.mremap))
		return (void *)preload_result(raw_call6(SYS_mremap, RAW_ARGUMENT(old), (long)old_size,
							(long)size, flags, RAW_ARGUMENT(wanted), 0));
	return client_next.mremap(old, old_size, size, flags, wanted);
}

/* ------------------------------------------------------------------------------------------ wait */

/* A status that says the process is gone, not stopped or continued. */
static void preload_reaped(pid_t pid, int status)
{
	if (pid > 0 && (WIFEXITED(status) || WIFSIGNALED(status)))
		process_reaped(pid);
}

EXPORT pid_t wait4(pid_t wanted, int *user_status, int options, struct rusage *usage)
{
	int status = 0;
	pid_t pid = NEXT(wait4)(wanted, user_status ? user_status : &status, options, usage);

	if (pid > 0)
		preload_reaped(pid, user_status ? *user_status : status);
	return pid;
}

EXPORT pid_t wait3(int *user_status, int options, struct rusage *usage)
{
	int status = 0;
	pid_t pid = NEXT(wait3)(user_status ? user_status : &status, options, usage);

	if (pid > 0)
		preload_reaped(pid, user_status ? *user_status : status);
	return pid;
}

EXPORT pid_t waitpid(pid_t wanted, int *user_status, int options)
{
	int status = 0;
	pid_t pid = NEXT(waitpid)(wanted, user_status ? user_status : &status, options);

	if (pid > 0)
		preload_reaped(pid, user_status ? *user_status : status);
	return pid;
}

EXPORT pid_t wait(int *user_status)
{
	int status = 0;
	pid_t pid = NEXT(wait)(user_status ? user_status : &status);

	if (pid > 0)
		preload_reaped(pid, user_status ? *user_status : status);
	return pid;
}

EXPORT int waitid(idtype_t type, id_t wanted, siginfo_t *user_info, int options)
{
	siginfo_t local = {.si_pid = 0};
	siginfo_t *info = user_info ? user_info : &local;
	int r = NEXT(waitid)(type, wanted, info, options);

	if (r == 0 && info->si_pid > 0 &&
	    (info->si_code == CLD_EXITED || info->si_code == CLD_KILLED ||
	     info->si_code == CLD_DUMPED))
		process_reaped(info->si_pid);
	return r;
}

/* --------------------------------------------------------------------------------------- identity */

#define PRELOAD_IDENTITY_1(name, type)      \
	EXPORT int name(type a)             \
	{                                   \
		int r = NEXT(name)(a);      \
                                            \
		cred_changed();             \
		return r;                   \
	}

#define PRELOAD_IDENTITY_2(name, type_a, type_b) \
	EXPORT int name(type_a a, type_b b)      \
	{                                        \
		int r = NEXT(name)(a, b);        \
                                                 \
		cred_changed();                  \
		return r;                        \
	}

#define PRELOAD_IDENTITY_3(name, type)               \
	EXPORT int name(type a, type b, type c)      \
	{                                            \
		int r = NEXT(name)(a, b, c);         \
                                                     \
		cred_changed();                      \
		return r;                            \
	}

PRELOAD_IDENTITY_1(setuid, uid_t)
PRELOAD_IDENTITY_1(setgid, gid_t)
PRELOAD_IDENTITY_1(seteuid, uid_t)
PRELOAD_IDENTITY_1(setegid, gid_t)
PRELOAD_IDENTITY_1(setfsuid, uid_t)
PRELOAD_IDENTITY_1(setfsgid, gid_t)
PRELOAD_IDENTITY_2(setreuid, uid_t, uid_t)
PRELOAD_IDENTITY_2(setregid, gid_t, gid_t)
PRELOAD_IDENTITY_2(setgroups, size_t, const gid_t *)
PRELOAD_IDENTITY_2(initgroups, const char *, gid_t)
PRELOAD_IDENTITY_3(setresuid, uid_t)
PRELOAD_IDENTITY_3(setresgid, gid_t)

/* ---------------------------------------------------------------------------------------- longjmp */

EXPORT _Noreturn void longjmp(jmp_buf environment, int value)
{
	sleeping_before_jump();
	NEXT(longjmp)(environment, value);
	__builtin_unreachable();
}

EXPORT _Noreturn void _longjmp(jmp_buf environment, int value)
{
	sleeping_before_jump();
	NEXT(_longjmp)(environment, value);
	__builtin_unreachable();
}

EXPORT _Noreturn void siglongjmp(sigjmp_buf environment, int value)
{
	sleeping_before_jump();
	NEXT(siglongjmp)(environment, value);
	__builtin_unreachable();
}

EXPORT _Noreturn void __longjmp_chk(jmp_buf environment, int value)
{
	sleeping_before_jump();
	NEXT(__longjmp_chk)(environment, value);
	__builtin_unreachable();
}

/* ------------------------------------------------------------------------------------------ /proc */

static int preload_open(enum procfs_file file, int flags)
{
	return (int)preload_result(procfs_open(file, flags));
}

static mode_t preload_mode(int flags, va_list list)
{
	return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(list, mode_t) : 0;
}

EXPORT int open(const char *path, int flags, ...)
{
	enum procfs_file file = procfs_match(path);
	va_list list;
	mode_t mode;

	va_start(list, flags);
	mode = preload_mode(flags, list);
	va_end(list);
	return file != PROCFS_NONE ? preload_open(file, flags) : NEXT(open)(path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...)
{
	enum procfs_file file = procfs_match(path);
	va_list list;
	mode_t mode;

	va_start(list, flags);
	mode = preload_mode(flags, list);
	va_end(list);
	return file != PROCFS_NONE ? preload_open(file, flags) : NEXT(open64)(path, flags, mode);
}

EXPORT int openat(int dir_fd, const char *path, int flags, ...)
{
	enum procfs_file file = procfs_match(path);
	va_list list;
	mode_t mode;

	va_start(list, flags);
	mode = preload_mode(flags, list);
	va_end(list);
	if (file != PROCFS_NONE)
		return preload_open(file, flags);
	return NEXT(openat)(dir_fd, path, flags, mode);
}

EXPORT int openat64(int dir_fd, const char *path, int flags, ...)
{
	enum procfs_file file = procfs_match(path);
	va_list list;
	mode_t mode;

	va_start(list, flags);
	mode = preload_mode(flags, list);
	va_end(list);
	if (file != PROCFS_NONE)
		return preload_open(file, flags);
	return NEXT(openat64)(dir_fd, path, flags, mode);
}

EXPORT int __open_2(const char *path, int flags)
{
	return open(path, flags);
}

EXPORT int __open64_2(const char *path, int flags)
{
	return open64(path, flags);
}

EXPORT int __openat_2(int dir_fd, const char *path, int flags)
{
	return openat(dir_fd, path, flags);
}

EXPORT int __openat64_2(int dir_fd, const char *path, int flags)
{
	return openat64(dir_fd, path, flags);
}

static FILE *preload_stream(enum procfs_file file, const char *mode)
{
	int fd = mode[0] == 'r' && !strchr(mode, '+') ? procfs_open(file, O_RDONLY) : -EACCES;
	FILE *stream = fd >= 0 ? fdopen(fd, "r") : NULL;

	if (fd < 0)
		errno = -fd;
	else if (!stream)
		(void)raw_call1(SYS_close, fd);
	return stream;
}

EXPORT FILE *fopen(const char *path, const char *mode)
{
	enum procfs_file file = procfs_match(path);

	return file != PROCFS_NONE ? preload_stream(file, mode) : NEXT(fopen)(path, mode);
}

EXPORT FILE *fopen64(const char *path, const char *mode)
{
	enum procfs_file file = procfs_match(path);

	return file != PROCFS_NONE ? preload_stream(file, mode) : NEXT(fopen64)(path, mode);
}

EXPORT int access(const char *path, int mode)
{
	enum procfs_file file = procfs_match(path);

	return file != PROCFS_NONE ? (int)preload_result(procfs_access(file, mode))
				   : NEXT(access)(path, mode);
}

/* --------------------------------------------------------------------------------------- plug-ins */

/*
 * A plug-in opened with RTLD_DEEPBIND (PHP's extensions) finds libc's calls before ours.  Nothing
 * of this frame may be left when the next one runs, which looks for its caller: a sibling call.
 */
EXPORT void *dlopen(const char *file, int mode)
{
	return NEXT(dlopen)(file, mode & ~RTLD_DEEPBIND);
}

/*
 * syscall.c: the twelve calls when a program makes them by number, through libc's syscall(3).
 *
 * Some programs do (stress-ng's checks of bad arguments, language runtimes without wrappers of their
 * own); without this they would meet the kernel's objects.  Everything else goes to the kernel
 * unchanged, changes of identity not unnoticed (PERM-14).  A program with system call instructions
 * of its own is out of reach (ABI-10).
 * Only where raw.h does not itself go through syscall(3).
 */
#if defined(__x86_64__)

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>

#include "client/clone.h"
#include "client/cred.h"
#include "sys/raw.h"

enum { SYSCALL_ARGUMENTS = 6 };

static long syscall_result(long result)
{
	if (result >= 0 || result < -4095)
		return result;
	errno = (int)-result;
	return -1;
}

static long syscall_pass(long number, const long *a)
{
	return syscall_result(raw_call6(number, a[0], a[1], a[2], a[3], a[4], a[5]));
}

static long syscall_identity(long number, const long *a)
{
	long result = syscall_pass(number, a);

	cred_changed(); /* leaves errno alone */
	return result;
}

__attribute__((visibility("default"))) long syscall(long number, ...)
{
	long a[SYSCALL_ARGUMENTS];
	va_list arguments;
	int i;

	va_start(arguments, number);
	for (i = 0; i < SYSCALL_ARGUMENTS; i++)
		a[i] = va_arg(arguments, long);
	va_end(arguments);

	switch (number) {
	case SYS_shmget:
		return shmget((key_t)a[0], (size_t)a[1], (int)a[2]);
	case SYS_shmat:
		return (long)shmat((int)a[0], (const void *)a[1], (int)a[2]);
	case SYS_shmdt:
		return shmdt((const void *)a[0]);
	case SYS_shmctl:
		return shmctl((int)a[0], (int)a[1], (struct shmid_ds *)a[2]);
	case SYS_semget:
		return semget((key_t)a[0], (int)a[1], (int)a[2]);
	case SYS_semop:
		return semop((int)a[0], (struct sembuf *)a[1], (size_t)a[2]);
	case SYS_semtimedop:
		return semtimedop((int)a[0], (struct sembuf *)a[1], (size_t)a[2],
				  (const struct timespec *)a[3]);
	case SYS_semctl:
		return semctl((int)a[0], (int)a[1], (int)a[2], a[3]);
	case SYS_msgget:
		return msgget((key_t)a[0], (int)a[1]);
	case SYS_msgsnd:
		return msgsnd((int)a[0], (const void *)a[1], (size_t)a[2], (int)a[3]);
	case SYS_msgrcv:
		return msgrcv((int)a[0], (void *)a[1], (size_t)a[2], a[3], (int)a[4]);
	case SYS_msgctl:
		return msgctl((int)a[0], (int)a[1], (struct msqid_ds *)a[2]);
	case SYS_munmap:
		return munmap((void *)a[0], (size_t)a[1]);
	case SYS_mprotect:
		return mprotect((void *)a[0], (size_t)a[1], (int)a[2]);
	case SYS_madvise:
		return madvise((void *)a[0], (size_t)a[1], (int)a[2]);
	case SYS_mmap:
		return (long)mmap((void *)a[0], (size_t)a[1], (int)a[2], (int)a[3], (int)a[4], a[5]);
	case SYS_mremap:
		return (long)mremap((void *)a[0], (size_t)a[1], (size_t)a[2], (int)a[3], (void *)a[4]);
	case SYS_fork:
	case SYS_clone:
	case SYS_clone3:
		return syscall_result(clone_call(number, a));
	case SYS_unshare:
		return unshare((int)a[0]);
	case SYS_setuid:
	case SYS_setgid:
	case SYS_setreuid:
	case SYS_setregid:
	case SYS_setresuid:
	case SYS_setresgid:
	case SYS_setfsuid:
	case SYS_setfsgid:
	case SYS_setgroups:
		return syscall_identity(number, a);
	default:
		return syscall_pass(number, a);
	}
}

#else
typedef int syscall_is_empty; /* a translation unit must not be empty */
#endif

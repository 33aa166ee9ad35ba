/*
 * next.h: the definitions behind the ones this library puts in front.
 *
 * Resolved when the library is loaded, because dlsym may not be called from a signal handler.
 */
#ifndef CLIENT_NEXT_H
#define CLIENT_NEXT_H

#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

_Noreturn void __longjmp_chk(jmp_buf environment, int value);

#define NEXT_FUNCTIONS(entry) \
	entry(fork) \
	entry(_Fork) \
	entry(clone) \
	entry(quick_exit) \
	entry(unshare) \
	entry(munmap) \
	entry(mprotect) \
	entry(madvise) \
	entry(mmap) \
	entry(mremap) \
	entry(wait) \
	entry(waitpid) \
	entry(wait3) \
	entry(wait4) \
	entry(waitid) \
	entry(setuid) \
	entry(setgid) \
	entry(seteuid) \
	entry(setegid) \
	entry(setreuid) \
	entry(setregid) \
	entry(setresuid) \
	entry(setresgid) \
	entry(setfsuid) \
	entry(setfsgid) \
	entry(setgroups) \
	entry(initgroups) \
	entry(longjmp) \
	entry(_longjmp) \
	entry(siglongjmp) \
	entry(__longjmp_chk) \
	entry(open) \
	entry(open64) \
	entry(openat) \
	entry(openat64) \
	entry(fopen) \
	entry(fopen64) \
	entry(access) \
	entry(dlopen)

struct next {
#define NEXT_MEMBER(name) __typeof__(name) *name;
	NEXT_FUNCTIONS(NEXT_MEMBER)
#undef NEXT_MEMBER
};

/* All set once the library is loaded; call next_resolve() where a call may come earlier. */
extern struct next client_next;

void next_resolve(void);

#define NEXT(name) (client_next.name ? client_next.name : (next_resolve(), client_next.name))

#endif

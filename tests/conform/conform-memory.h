/* conform-memory.h: attached memory, for the cases about it. */
#ifndef CONFORM_MEMORY_H
#define CONFORM_MEMORY_H

#include <setjmp.h>
#include <sys/syscall.h>

#include "conform.h"

#define FAILED ((void *)-1)

static inline char *attach(int id)
{
	void *address = shmat(id, NULL, 0);

	MUST(address == FAILED ? -1 : 0);
	return address;
}

/* A range of address space with nothing in it; size bytes and a page of margin on both sides. */
static inline char *hole(size_t size)
{
	char *pages = mmap(NULL, size + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	MUST(pages == MAP_FAILED ? -1 : 0);
	MUST(munmap(pages + PAGE, size));
	return pages + PAGE;
}

/* fork, by the numbers of system calls. */
static inline pid_t make_by_clone_number(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static inline pid_t make_by_fork_number(void)
{
#ifdef SYS_fork
	return (pid_t)syscall(SYS_fork);
#else
	return make_by_clone_number();
#endif
}

/* fork, by an instruction of our own, which no library sees. */
static inline pid_t make_by_instruction(void)
{
#ifdef __x86_64__
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = 0;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"((long)SYS_clone), "D"((long)SIGCHLD), "S"(0L), "d"(0L), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return (pid_t)result;
#else
	skip("instructions of x86-64");
#endif
}

static sigjmp_buf fault_jump;

static inline void fault_handler(int sig)
{
	siglongjmp(fault_jump, sig);
}

/* " stored", or the signal that the store raised. */
static inline void put_store(volatile char *address)
{
	struct sigaction action = { .sa_handler = fault_handler };
	int sig;

	(void)sigaction(SIGSEGV, &action, NULL);
	(void)sigaction(SIGBUS, &action, NULL);
	sig = sigsetjmp(fault_jump, 1);
	if (sig == 0) {
		*address = 1;
		put(" stored");
	} else {
		put(" SIG%s", sigabbrev_np(sig));
	}
}

#endif

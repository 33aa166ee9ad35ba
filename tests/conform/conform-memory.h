/* conform-memory.h: attached memory, for the cases about it. */
#ifndef CONFORM_MEMORY_H
#define CONFORM_MEMORY_H

#include <setjmp.h>

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

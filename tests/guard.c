/* guard.c: memory that ends where reading is not allowed. */
#include "guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Noreturn void guard_die(const char *what)
{
	perror(what);
	abort();
}

static size_t guard_page(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

void guard_init(struct guard *guard, size_t size)
{
	size_t page = guard_page();
	size_t body = (size + page - 1) / page * page;
	size_t base_size = body + page;
	uint8_t *base = NULL;

	base = mmap(NULL, base_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (base == MAP_FAILED)
		guard_die("guard: mmap");
	if (mprotect(base + body, page, PROT_NONE) != 0)
		guard_die("guard: mprotect");
	guard->base = base;
	guard->base_size = base_size;
	guard->bytes = base + body - size;
	guard->size = size;
}

void guard_init_copy(struct guard *guard, const void *bytes, size_t size)
{
	guard_init(guard, size);
	if (size > 0)
		memcpy(guard->bytes, bytes, size);
}

void guard_deinit(struct guard *guard)
{
	if (guard->base != NULL && munmap(guard->base, guard->base_size) != 0)
		guard_die("guard: munmap");
	*guard = (struct guard){ 0 };
}

static void guard_set(struct guard *guard, int protection)
{
	size_t body = guard->base_size - guard_page();

	if (body > 0 && mprotect(guard->base, body, protection) != 0)
		guard_die("guard: mprotect");
}

void guard_protect(struct guard *guard)
{
	guard_set(guard, PROT_READ);
}

void guard_unprotect(struct guard *guard)
{
	guard_set(guard, PROT_READ | PROT_WRITE);
}

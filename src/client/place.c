/* place.c: see place.h. */
#include "client/place.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "sys/raw.h"

#define PLACE_PAGE 4096u

/* Places tried before the kernel is let choose. */
#define PLACE_TRIES_MAX 8u

#if UINTPTR_MAX > 0xffffffffu
/*
 * Below where the kernel begins from the top, above where programs and their heaps are, and above the
 * 4 TiB from 0x600000000000 that a program built with AddressSanitizer has reserved for its heap.
 */
#define PLACE_START ((uintptr_t)0x650000000000)
#define PLACE_SIZE ((uintptr_t)0x0a0000000000)

static _Atomic uintptr_t place_next;

static uintptr_t place_begin(void)
{
	uint64_t random = 0;
	uintptr_t expected = 0;
	uintptr_t start;

	(void)raw_call3(SYS_getrandom, &random, sizeof(random), 1 /* GRND_NONBLOCK */);
	start = (uintptr_t)random % (PLACE_SIZE / 2) & ~(uintptr_t)(PLACE_PAGE - 1);
	start = start == 0 ? PLACE_PAGE : start;
	if (!atomic_compare_exchange_strong(&place_next, &expected, start))
		return expected;
	return start;
}

/* Addresses not asked for before, until all have been. */
static uintptr_t place_choose(uint64_t size)
{
	uintptr_t offset;

	if (size > PLACE_SIZE / 4)
		return 0;
	if (atomic_load(&place_next) == 0)
		(void)place_begin();
	size = (size + 2 * PLACE_PAGE - 1) & ~(uint64_t)(PLACE_PAGE - 1);
	offset = atomic_fetch_add(&place_next, size) % PLACE_SIZE;
	return offset > PLACE_SIZE - size ? 0 : PLACE_START + offset;
}
#else
static uintptr_t place_choose(uint64_t size)
{
	(void)size; /* too few addresses to be choosy */
	return 0;
}
#endif

static bool place_failed(long address)
{
	return address < 0 && address > -(long)PLACE_PAGE;
}

static long place_map(uint64_t size, long protection, long flags, int fd)
{
	for (uint32_t i = 0; i < PLACE_TRIES_MAX; i++) {
		uintptr_t wanted = place_choose(size);
		long address;

		if (wanted == 0)
			continue;
		address = raw_call6(SYS_mmap, (long)wanted, (long)size, protection,
				    flags | MAP_FIXED_NOREPLACE, fd, 0);
		if (!place_failed(address) || (address != -EEXIST && address != -ENOMEM))
			return address;
		if (address == -ENOMEM)
			break; /* a limit, or fewer addresses than we thought */
	}
	return raw_call6(SYS_mmap, 0, (long)size, protection, flags, fd, 0);
}

int place_file(int fd, uint64_t size, bool is_writable, void **ret_base)
{
	long address;

	if (size == 0 || size > (uint64_t)PTRDIFF_MAX)
		return -EINVAL;
	address = place_map(size, PROT_READ | (is_writable ? PROT_WRITE : 0), MAP_SHARED, fd);
	if (place_failed(address))
		return (int)address;
	*ret_base = (void *)address;
	return 0;
}

void *place_private(size_t size)
{
	long address = place_map(size, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);

	return place_failed(address) ? NULL : (void *)address;
}

void place_unmap(void *base, uint64_t size)
{
	if (base && size > 0)
		(void)raw_call2(SYS_munmap, base, size);
}

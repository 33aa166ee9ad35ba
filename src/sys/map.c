/* map.c: files as memory, by raw calls. */
#include "sys/map.h"

#include <sys/auxv.h>
#include <sys/mman.h>

#include "sys/status.h"
#include "sys/raw.h"

/* In Linux since 5.14, in libc's headers later than that. */
#define MAP_ADVICE_POPULATE_WRITE 23

/* An interrupted population goes on where it was; a storm of signals must not keep it here. */
#define MAP_POPULATE_TRIES_MAX 64

/* Results of a call between this and 0 are errors; no mapping begins there. */
#define MAP_ERROR_MIN (-4095)

#ifdef SYS_mmap2
#define MAP_CALL SYS_mmap2 /* 32-bit machines, where SYS_mmap may be the old one with a struct */
#else
#define MAP_CALL SYS_mmap
#endif

int map_file(int fd, uint64_t size, bool writable, void **ret_base)
{
	long protection = PROT_READ | (writable ? PROT_WRITE : 0);
	long result;

	if (size == 0 || size > (uint64_t)PTRDIFF_MAX)
		return -EINVAL;
	result = raw_call6(MAP_CALL, 0, RAW_ARGUMENT(size), protection, MAP_SHARED, fd, 0);
	if (result < 0 && result >= MAP_ERROR_MIN)
		return (int)result;
	*ret_base = (void *)result;
	return 0;
}

void map_close(void *base, uint64_t size)
{
	if (base)
		(void)raw_call2(SYS_munmap, base, size); /* fails only for a range never mapped */
}

int map_populate(void *base, uint64_t size)
{
	uintptr_t page = (uintptr_t)getauxval(AT_PAGESZ);
	uintptr_t start = (uintptr_t)base & ~(page - 1);
	uint64_t length = size + ((uintptr_t)base - start);
	long result = 0;

	if (size == 0)
		return 0;
	for (int i = 0; i < MAP_POPULATE_TRIES_MAX; i++) {
		result = raw_call3(SYS_madvise, start, length, MAP_ADVICE_POPULATE_WRITE);
		if (result != -EINTR && result != -EAGAIN)
			break;
	}
	switch (result) {
	case 0:
		return 0;
	case -EINVAL:
		return -EOPNOTSUPP;
	case -EFAULT: /* the touch would have been SIGBUS: no storage left behind the file */
		return -ENOMEM;
	default:
		return (int)result;
	}
}

int map_discard(void *base, uint64_t size)
{
	long result = -EINTR;

	for (int i = 0; i < MAP_POPULATE_TRIES_MAX && (result == -EINTR || result == -EAGAIN); i++)
		result = raw_call3(SYS_madvise, base, size, MADV_REMOVE);
	return (int)result;
}

int map_stat(int fd, uint64_t *ret_size, uint32_t *ret_uid, uint32_t *ret_mode)
{
	struct file_status status = {0};
	int r = file_status(fd, &status);

	if (r < 0)
		return r;
	if (ret_size)
		*ret_size = status.size;
	if (ret_uid)
		*ret_uid = status.uid;
	if (ret_mode)
		*ret_mode = status.mode;
	return 0;
}

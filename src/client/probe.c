/*
 * probe.c: asking the kernel about user memory.
 *
 * Readable: rt_sigprocmask with an impossible `how` copies the set in first: EFAULT or EINVAL.
 * Writable: a futex operation that stores `word | 0` atomically: EFAULT or a count.  Both look at
 * one aligned word, and so at one page.
 *
 * What was found may be unmapped later; the program that passes such a pointer on purpose after a
 * call that succeeded with it gets the signal it would get from any library function.
 */
#include "client/probe.h"

#include <linux/futex.h>
#include <string.h>

#include "sys/raw.h"

#define PROBE_PAGE 4096u

static bool probe_word_readable(uintptr_t address)
{
	address &= ~(uintptr_t)7;
	return raw_call4(SYS_rt_sigprocmask, -1, address, NULL, 8) == -EINVAL;
}

static bool probe_word_writable(uintptr_t address)
{
	uint32_t own = 0;
	long operation = FUTEX_OP(FUTEX_OP_OR, 0, FUTEX_OP_CMP_LT, 0);

	address &= ~(uintptr_t)3;
	return raw_call6(SYS_futex, RAW_ARGUMENT(&own), FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 0, 0,
			 RAW_ARGUMENT(address), operation) >= 0;
}

/* Remembers a range, joined with one it touches. */
static void probe_remember(struct thread_range *ranges, uintptr_t start, uintptr_t end)
{
	uint32_t victim;

	for (uint32_t i = 0; i < THREAD_RANGES_MAX; i++) {
		if (start <= ranges[i].end && end >= ranges[i].start && ranges[i].end != 0) {
			if (start < ranges[i].start)
				ranges[i].start = start;
			if (end > ranges[i].end)
				ranges[i].end = end;
			return;
		}
	}
	victim = client_thread.ranges_next++ % THREAD_RANGES_MAX;
	ranges[victim].end = start; /* empty while it changes: a handler may look */
	ranges[victim].start = start;
	ranges[victim].end = end;
}

static bool probe_range(struct thread_range *ranges, uintptr_t start, size_t size,
			bool (*probe_word)(uintptr_t))
{
	uintptr_t page = start & ~(uintptr_t)(PROBE_PAGE - 1);
	uintptr_t end;

	if (size == 0)
		return true;
	if (__builtin_add_overflow(start, size, &end))
		return false;
	for (; page < end; page += PROBE_PAGE) {
		if (!probe_word(page))
			return false;
		if (page > UINTPTR_MAX - PROBE_PAGE)
			return false;
	}
	probe_remember(ranges, start & ~(uintptr_t)(PROBE_PAGE - 1), page);
	return true;
}

bool probe_readable_slow(const void *pointer, size_t size)
{
	return probe_range(client_thread.readable, (uintptr_t)pointer, size, probe_word_readable);
}

bool probe_writable_slow(void *pointer, size_t size)
{
	return probe_range(client_thread.writable, (uintptr_t)pointer, size, probe_word_writable);
}

bool probe_copy_out(void *user, const void *source, size_t size)
{
	uint8_t *to = user;
	const uint8_t *from = source;

	while (size > 0) {
		size_t n = PROBE_PAGE - ((uintptr_t)to & (PROBE_PAGE - 1));

		if (n > size)
			n = size;
		if (!probe_writable(to, n))
			return false;
		memcpy(to, from, n);
		to += n;
		from += n;
		size -= n;
	}
	return true;
}

bool probe_has_prefix(const char *user, const char *prefix)
{
	for (size_t i = 0; prefix[i] != '\0'; i++) {
		uintptr_t at = (uintptr_t)user + i;

		if ((i == 0 || (at & (PROBE_PAGE - 1)) == 0) && !probe_readable((const void *)at, 1))
			return false;
		if (user[i] != prefix[i])
			return false;
	}
	return true;
}

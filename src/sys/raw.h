/*
 * raw.h: system calls made directly.
 *
 * The library lives in programs beside other preloaded libraries that replace libc's names
 * (libfakeroot replaces stat, unlink, chmod, getuid ...), and inside signal handlers and fork
 * children; so what it needs from the kernel it asks the kernel.  Every function returns -errno on
 * failure and leaves errno alone.
 */
#ifndef SYS_RAW_H
#define SYS_RAW_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
static inline long raw_call6(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}
#else
static inline long raw_call6(long number, long a, long b, long c, long d, long e, long f)
{
	int saved = errno;
	long result = syscall(number, a, b, c, d, e, f);

	if (result == -1) {
		result = -errno;
		errno = saved;
	}
	return result;
}
#endif

#define RAW_ARGUMENT(value) ((long)(value))
#define raw_call0(n) raw_call6(n, 0, 0, 0, 0, 0, 0)
#define raw_call1(n, a) raw_call6(n, RAW_ARGUMENT(a), 0, 0, 0, 0, 0)
#define raw_call2(n, a, b) raw_call6(n, RAW_ARGUMENT(a), RAW_ARGUMENT(b), 0, 0, 0, 0)
#define raw_call3(n, a, b, c) \
	raw_call6(n, RAW_ARGUMENT(a), RAW_ARGUMENT(b), RAW_ARGUMENT(c), 0, 0, 0)
#define raw_call4(n, a, b, c, d) \
	raw_call6(n, RAW_ARGUMENT(a), RAW_ARGUMENT(b), RAW_ARGUMENT(c), RAW_ARGUMENT(d), 0, 0)

#endif

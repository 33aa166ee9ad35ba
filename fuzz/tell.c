/* tell.c: what a harness says, and its last words. */
#include <stdarg.h>
#include <stdio.h>

#include "fuzz.h"

#include "core/base.h"

bool fuzz_telling;

void fuzz_say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vfprintf(stdout, format, arguments);
	va_end(arguments);
	(void)fputc('\n', stdout);
	(void)fflush(stdout); /* in the order of what a sanitizer writes */
}

void fuzz_say_bytes(const char *what, const uint8_t *bytes, size_t n_bytes)
{
	if (!fuzz_telling)
		return;
	(void)printf("%s, %zu bytes:", what, n_bytes);
	for (size_t i = 0; i < n_bytes; i++)
		(void)printf("%s%02x", i % 4 == 0 ? " " : "", bytes[i]);
	fuzz_say("%s", "");
}

void fuzz_broken(const char *property, const char *file, int line)
{
	(void)fflush(stdout);
	(void)fprintf(stderr, "%s:%d: property broken: %s\n", file, line, property);
	abort();
}

void assert_fail(const char *expression, const char *file, int line)
{
	(void)fflush(stdout);
	(void)fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, expression);
	abort();
}

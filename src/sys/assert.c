/* assert.c: what a broken invariant does to a program of ours: one line, then a core dump. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base.h"

void assert_fail(const char *expression, const char *file, int line)
{
	(void)fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, expression);
	abort();
}

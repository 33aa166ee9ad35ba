/*
 * prove.h: what every proof starts from.
 *
 * CBMC runs a harness for all values at once: every object that is not given a value, and every
 * load from shared memory (memory.h), may have any.  It shows that no access leaves its object, nothing
 * overflows, every loop ends within the bound given, no ASSERT of the core fails, and PROVE holds;
 * for the sizes in the harness and not beyond.
 */
#ifndef FUZZ_PROVE_H
#define FUZZ_PROVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PROVE(condition) __CPROVER_assert(condition, #condition)
#define ASSUME(condition) __CPROVER_assume(condition)

uint8_t nondet_u8(void);
uint32_t nondet_u32(void);
uint64_t nondet_u64(void);
size_t nondet_size(void);
bool nondet_bool(void);

_Noreturn void assert_fail(const char *expression, const char *file_name, int line)
{
	(void)expression;
	(void)file_name;
	(void)line;
	__CPROVER_assert(false, "ASSERT");
	__CPROVER_assume(false);
	for (;;)
		;
}

#endif

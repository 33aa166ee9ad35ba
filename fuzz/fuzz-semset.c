/*
 * fuzz-semset.c: sequences of operations on a semaphore set, against its model.
 *
 * Covers: semop of all shapes with and without sleeping, SEM_UNDO, SETVAL, SETALL, wake passes,
 * leaving, exit, death, removal; results, wakes, values, pids, counts, times; semset_verify after
 * each.  Not covered: several callers at once (tests/unit, tests/explore), files that lie
 * (tests/unit), sets of more than 6 semaphores.
 *
 * Bytes: the table in tests/model/semset-step.h.
 */
#include <stdio.h>

#include "fuzz.h"
#include "model/semset-step.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *failure = semset_step_run(data, size);

	if (failure)
		fprintf(stderr, "differs: %s\n", failure);
	FUZZ_ASSERT(!failure);
	return 0;
}

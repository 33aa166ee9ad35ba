/*
 * fuzz-semset.c: sequences of operations on a semaphore set, against its model.
 *
 * Covers: semop of all shapes with and without sleeping, SEM_UNDO, SETVAL, SETALL, wake passes,
 * leaving, exit, exec, death, removal, calls in a client's stead; results, wakes, values, pids, counts,
 * times; semset_verify after each.  Not covered: several callers at once (fuzz-semset-amid), files that lie
 * (fuzz-semset-lies), sets of more than 6 semaphores.
 *
 * Bytes: the table in tests/model/semset-step.h.
 */
#include "fuzz.h"
#include "hooks.h"

#include "model/semset-step.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *failure;

	hooks_reset();
	semset_step_say = fuzz_telling ? fuzz_say : NULL;
	failure = semset_step_run(data, size);
	if (failure)
		fuzz_broken(failure, "tests/model/semset-step.c", 0);
	return 0;
}

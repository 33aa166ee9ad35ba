/*
 * semset-one.h: one operation on one semaphore, without undo, where nothing is unusual.  Inline, as
 * most calls are this one and it takes a few nanoseconds: one load decides, one compare-and-swap
 * does it and proves that the decision still holds.
 */
#ifndef CORE_SEMSET_ONE_H
#define CORE_SEMSET_ONE_H

#include "core/semset-internal.h"

/*
 * DONE: to be stamped by cell_stamp(*ret_cell).  BLOCKED, E_AGAIN, E_RANGE; SEMSET_UNUSUAL for undo,
 * for a semaphore that is out of range, changing, or waited for, and for who is overtaken.  It does
 * not look whether the set has been removed.
 */
static inline __attribute__((always_inline)) int
semset_one(const struct semset *set, uint32_t sem_num, int32_t delta, uint32_t flags,
	   struct semset_cell **ret_cell)
{
	struct semset_cell *cell;
	uint64_t word;
	uint32_t payload, value;

	if ((flags & ABI_SEM_UNDO) || sem_num >= set->layout.n_sems)
		return SEMSET_UNUSUAL;
	cell = semset_cell(set, sem_num);
	word = shared64_load(&cell->word);
	if (mcas_is_mark(word))
		return SEMSET_UNUSUAL;
	payload = mcas_payload(word);
	value = sem_value(payload) + (uint32_t)delta;
	if (value > ABI_SEMVMX || (delta == 0 && value != 0)) {
		if (delta > 0)
			return SEMSET_E_RANGE;
		return flags & ABI_IPC_NOWAIT ? SEMSET_E_AGAIN : SEMSET_BLOCKED;
	}
	if (delta != 0 && ((payload & SEM_WAITERS) ||
			   !shared64_cas(&cell->word, word, mcas_next(word, payload + (uint32_t)delta))))
		return SEMSET_UNUSUAL;
	*ret_cell = cell;
	return SEMSET_DONE;
}

/* Grows by 2, modulo 2^32, with every change of a semaphore; anything while it is in the midst of one. */
static inline uint32_t semset_progress(const struct semset *set, uint32_t sem_num)
{
	if (sem_num >= set->layout.n_sems)
		return 0;
	return (uint32_t)shared64_load(&semset_cell(set, sem_num)->word);
}

#endif

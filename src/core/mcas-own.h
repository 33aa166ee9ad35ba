/*
 * mcas-own.h: the quickest way through mcas, for an actor with a slot and at most MCAS_SMALL_MAX words:
 *
 *   mcas_own_begin   before the words are read
 *   mcas_own_look    for each word, as mcas_look()
 *   mcas_own_commit  as mcas_commit(); or nothing, if there is nothing to commit
 *
 * Guarded words keep their marks afterwards, if nothing depends on them, until somebody meets them or
 * the actor needs the descriptor again: cheaper for who changes the same words repeatedly.
 */
#ifndef CORE_MCAS_OWN_H
#define CORE_MCAS_OWN_H

#include "core/mcas-internal.h"

struct mcas_own {
	struct slot_hold hold;
	const struct slot *last; /* of the actor's commit before this one */
	uint64_t last_mark;      /* its first mark, if it is done and nothing depends on it; or 0 */
};

/* Takes the marks that are left of the last use out of the words. */
static inline void mcas_own_clear(struct mcas *mcas, const struct slot_hold *hold, uint64_t status)
{
	uint32_t n = slot_n(mcas, hold->slot, hold->number);
	uint64_t mark = mark_make(hold->number, status_sequence(status), 0);
	uint32_t i, index;

	for (i = 0; i < n; i++) {
		index = (uint32_t)(shared64_load(&hold->slot->entries[i].target) & TARGET_INDEX);
		if (index < mcas->n_words &&
		    shared64_load(&mcas->words[index]) == mark + MARK_NEXT_ENTRY * i) {
			mcas_slot_clear(mcas, hold->number, status_sequence(status));
			return;
		}
	}
}

/* The next of the actor's own two: sequences alternate between them.  Nothing is left of its last use. */
static inline void mcas_own_begin(struct mcas *mcas, const struct actor *actor,
				  struct mcas_own *ret_own)
{
	struct slot *slot = slot_at(mcas, actor->slot);
	struct slot *other = slot_at(mcas, actor->slot + 1);
	uint64_t status = shared64_load(&slot->status);
	uint64_t last = shared64_load(&other->status);
	struct slot *swap_slot;
	uint64_t swap_status;

	ret_own->hold.number = actor->slot;
	ret_own->hold.owner = actor->client;
	if (status_sequence(status) > status_sequence(last)) {
		ret_own->hold.number++;
		swap_slot = slot;
		slot = other;
		other = swap_slot;
		swap_status = status;
		status = last;
		last = swap_status;
	}
	ret_own->hold.slot = slot;
	ret_own->hold.sequence = status_sequence(last) + 1;
	ret_own->last = other;
	ret_own->last_mark = 0;
	if (status_state(last) == SLOT_DONE && !slot_has_dependents(other))
		ret_own->last_mark = mark_make(2 * actor->slot + 1 - ret_own->hold.number,
					       status_sequence(last), 0);
	if (status_state(status) != SLOT_IDLE)
		mcas_own_clear(mcas, &ret_own->hold, status);
}

/* index is inside the file. */
static inline int mcas_own_look(struct mcas *mcas, const struct mcas_own *own, uint32_t index,
				uint64_t *ret_found, uint64_t *ret_word)
{
	uint64_t word = shared64_load(&mcas->words[index]);
	const struct slot_entry *entry;

	*ret_found = word;
	if (mcas_is_mark(word)) {
		if ((word & ~MARK_ENTRY_MASK) != own->last_mark ||
		    mark_entry(word) >= MCAS_SMALL_MAX)
			return mcas_look(mcas, index, ret_found, ret_word);
		entry = &own->last->entries[mark_entry(word)];
		word = mcas_next(shared64_load(&entry->old),
				 mcas_payload(shared64_load(&entry->target)));
	}
	*ret_word = word;
	return MCAS_DONE;
}

/* Returns the number of dependent words. */
static inline uint32_t slot_fill(struct slot *slot, const struct mcas_op *op)
{
	const struct mcas_change *change;
	uint32_t i, n_dependents = 0;
	uint64_t target;

	for (i = 0; i < op->n_changes; i++) {
		change = &op->changes[i];
		ASSERT((uint32_t)change->new == (uint32_t)mcas_next(change->old, 0));
		target = (change->new & ~(uint64_t)UINT32_MAX) | change->index;
		if (change->is_dependent) {
			target |= TARGET_DEPENDENT;
			n_dependents++;
		}
		shared64_store(&slot->entries[i].old, change->old);
		shared64_store(&slot->entries[i].target, target);
	}
	shared64_store(&slot->n, slot_n_make(op->n_changes, n_dependents));
	return n_dependents;
}

/* Found -> mark: as mcas_word_freeze() with its common case inline. */
static inline int word_freeze(struct mcas *mcas, const struct mcas_change *change, uint64_t found,
			      uint64_t mark)
{
	if (shared64_cas(&mcas->words[change->index], found, mark))
		return MCAS_DONE;
	return mcas_word_freeze(mcas, change, mark);
}

/* Puts the first n words of the list right again: guarded ones that are marks. */
static inline void words_thaw(struct mcas *mcas, const struct slot_hold *hold, const struct mcas_op *op,
			      uint32_t n, bool done)
{
	const struct mcas_change *change;
	uint32_t i;

	for (i = 0; i < n; i++) {
		change = &op->changes[i];
		if (!change->is_dependent)
			(void)shared64_cas(&mcas->words[change->index],
					   mark_make(hold->number, hold->sequence, i),
					   done ? change->new : change->old);
	}
}

/*
 * A commit in a slot that is the caller's.  found: as mcas_own_look() found the words, whose marks may
 * stay; or NULL.  *ret_status: what the slot's status then is, if nobody has seized it.
 */
static inline __attribute__((always_inline)) int
mcas_commit_in(struct mcas *mcas, const struct slot_hold *hold, const struct mcas_op *op,
	  const uint64_t *found, uint64_t *ret_status)
{
	uint32_t n_dependents = slot_fill(hold->slot, op);
	bool single = op->n_changes - n_dependents == 1;
	uint64_t mark = mark_make(hold->number, hold->sequence, 0);
	uint64_t status = status_make(hold->sequence, single ? SLOT_DONE : SLOT_UNDECIDED);
	uint64_t decided;
	uint32_t n, i;
	int outcome = MCAS_DONE;

	shared64_store(&hold->slot->status, status);
	for (n = 0; n < op->n_changes; n++, mark += MARK_NEXT_ENTRY) {
		if (op->changes[n].is_dependent)
			continue;
		outcome = word_freeze(mcas, &op->changes[n], found ? found[n] : op->changes[n].old,
				      mark);
		if (outcome != MCAS_DONE)
			break;
	}
	if (!single) {
		decided = status_make(hold->sequence, outcome == MCAS_DONE ? SLOT_DONE : SLOT_FAILED);
		if (!shared64_cas(&hold->slot->status, status, decided)) {
			decided = status_make(hold->sequence, SLOT_FAILED);
			if (outcome == MCAS_DONE)
				outcome = MCAS_ABORTED;
		}
		status = decided;
	}
	*ret_status = status;
	for (i = 0; outcome == MCAS_DONE && n_dependents > 0 && i < n; i++) {
		if (op->changes[i].is_dependent)
			(void)shared64_cas(&mcas->words[op->changes[i].index], op->changes[i].old,
					   op->changes[i].new);
	}
	if (found && outcome == MCAS_DONE) {
		if (n_dependents > 0)
			shared64_store(&hold->slot->n, slot_n_make(op->n_changes, 0));
		return outcome;
	}
	words_thaw(mcas, hold, op, n, outcome == MCAS_DONE);
	return outcome;
}

/* A commit in the actor's own slot: not seized, so that a plain store does. */
static inline __attribute__((always_inline)) int
mcas_own_commit(struct mcas *mcas, const struct mcas_own *own, const struct mcas_op *op, const uint64_t *found)
{
	uint64_t status;
	int outcome = mcas_commit_in(mcas, &own->hold, op, found, &status);

	/* If nothing is left of it the next use need not look. */
	if (!found || outcome != MCAS_DONE)
		shared64_store(&own->hold.slot->status, status_make(own->hold.sequence, SLOT_IDLE));
	return outcome;
}

#endif

/*
 * mcas.c: recoverable multi-word compare-and-swap.
 *
 * A commit of g guarded and d dependent words by its owner, in a descriptor (slot) of the file:
 *
 *   claim     slot.owner 0 -> client (CAS), then status (s, IDLE) -> (s+1, PREPARE)
 *   fill      n, and what becomes of each word
 *   publish   status -> (s+1, UNDECIDED), or (s+1, DONE) if g is 1
 *   freeze    each guarded word old -> mark(slot, s+1, entry) (CAS)   only the owner does this
 *   decide    status UNDECIDED -> DONE (CAS)                          the moment it happens
 *   follow    each dependent word old -> new (CAS)                    anybody may do this
 *   thaw      each guarded word mark -> new (DONE) or old (FAILED)    anybody may do this (CAS)
 *   release   status -> IDLE (CAS), then slot.owner -> 0
 *
 * With g = 1 freezing decides.  A resident slot is neither claimed nor released, and its owner may
 * (mcas-own.h) leave the thawing to whoever meets the marks, or to itself when it needs the slot again:
 *
 *   shared slot    2g + d + 3 CASes, 2 + d + 2 if g is 1      when nobody is in the way
 *   resident slot  2g + d + 1        2 + d
 *     with marks left behind, if it has changed these words last: g + d + 1, and 1 + d
 *
 * Whoever meets a mark never waits: it decides an undecided change as FAILED (after a short pause,
 * since an owner that runs needs some 50 ns), or follows a DONE one up, and thaws the word by the
 * decision.
 *
 * Invariants, in the order mcas_verify checks them on a quiet file:
 *  1. A slot without an owner is IDLE.
 *  2. On a file that nobody uses no slot has an owner.
 * And those that hold at every step, for each word that is a mark:
 *  3. It names a slot that exists; the slot's status is UNDECIDED, DONE or FAILED, its sequence equals
 *     the mark's and the entry's index is the word's own.  An entry is filled anew, and a sequence
 *     grows, only when no mark of the last sequence is left in any word, nor will be.
 *  4. If it is DONE, its guard is not thawed before each dependent word of its list is new.
 *
 * Why it is right:
 *  a. The sequence in a mark makes every mark unique for ever (41 bits: at a commit every 20 ns, 12
 *     hours of nothing else on one slot), and the version in a value makes every value unique until
 *     it wraps (31 bits: a process must be stopped between loading a word and its CAS for exactly a
 *     multiple of 2^31 changes of that one word, 10 s or more of nothing else, and find the same
 *     payload).  So every CAS below succeeds only in the situation it was meant for.
 *  b. Who has found a mark reads status and entry and then the word again.  If it still is that mark,
 *     it was so all the while, and by 3 status and entry belong to it.  Everything is stored with
 *     release and loaded with acquire: who sees a mark sees what was filled in for it, and who sees
 *     what was filled in for a later one sees that the mark is gone.
 *  c. An owner that lost its decision notices at its own `decide` CAS and thaws what it froze, also
 *     what it froze after the decision: a mark of a FAILED change counts as old for everybody.
 *  d. Nobody but the owner freezes, so no mark of a sequence can appear after its owner has
 *     released the slot.  Seizing a slot (all are taken) must keep that true while its owner may
 *     still be in the middle of `freeze`: it gives each word that still holds the entry's old value a
 *     new version, after which no late freeze can succeed.  The seized owner finds its status
 *     changed at `decide` or `release`, or its word at the only `freeze`, and leaves slot and status
 *     alone.
 *  e. A slot whose owner stands between `claim` and `publish`, or in the middle of `release`, is
 *     not seized while that process lives: plain stores of its own are still to come.  A handful
 *     of instructions; each process stopped exactly there costs one slot of sixteen until it goes on
 *     or dies.
 *  f. A dependent word is old from when its reader looked at the guard until the decision.  The reader
 *     had every decided change follow up first (mcas_look); any change decided since has a new version
 *     of the guard in its list (the unit's promise), with which this commit's freeze fails.  From
 *     the decision on the guard is frozen until the dependents are new, by 4: so nobody else changes
 *     them, whoever follows up does the same, and one who comes late fails at the version.  Whether
 *     somebody has yet to follow up shows in the guard: a DONE slot none of whose marks is left has
 *     either been followed up, or, if g is 1, was never frozen and has not happened.
 *  g. With one guard nothing can come between freezing it and the decision.  DONE is published before,
 *     so that whoever meets the mark finds it decided.
 *  h. A resident slot's status is stored by its owner alone; others only turn UNDECIDED into FAILED.
 *     Before it is filled anew its owner takes what marks are left of its last sequence out of the
 *     words.  That also ends what a thread left half-way through, as it cannot go on with that.
 *     Two slots, used in turn, let a commit freeze words that still hold marks of the last
 *     one: such a mark is DONE or FAILED and followed up, which it stays, so that it stands for its
 *     value.  That its own change is followed up the owner then says in n, after its last dependent
 *     word, so that nobody need look.
 *  i. Recovery reads status before owner.  A dead client's slot may be ended by another recovery
 *     and be somebody else's by then: with the status of the one and the owner of the other it would
 *     end a living commit under its owner's hands.
 */
#include "core/mcas-own.h"

uint64_t mcas_slots_size(void)
{
	return MCAS_SMALL_SLOTS * SLOT_SIZE(MCAS_SMALL_MAX);
}

uint64_t mcas_large_size(uint32_t n_words_max)
{
	return MCAS_LARGE_SLOTS * SLOT_SIZE(n_words_max);
}

uint64_t mcas_resident_size(uint32_t n)
{
	return n * SLOT_SIZE(MCAS_SMALL_MAX);
}

void mcas_init(struct mcas *mcas, void *base, uint64_t size, uint64_t slots_off)
{
	uint64_t n_words = size / sizeof(struct shared64);

	ASSERT(slots_off % 64 == 0);
	ASSERT(slots_off <= size && size - slots_off >= mcas_slots_size());
	mcas->words = base;
	mcas->n_words = n_words > TARGET_INDEX ? (uint32_t)TARGET_INDEX : (uint32_t)n_words;
	mcas->slots = (uint8_t *)base + slots_off;
	mcas->large = NULL;
	mcas->large_max = 0;
	mcas->resident = NULL;
	mcas->n_resident = 0;
}

void mcas_init_large(struct mcas *mcas, uint64_t large_off, uint32_t n_words_max)
{
	uint64_t size = (uint64_t)mcas->n_words * sizeof(struct shared64);

	ASSERT(large_off % 64 == 0);
	ASSERT(n_words_max > MCAS_SMALL_MAX && n_words_max <= MCAS_WORDS_MAX);
	ASSERT(large_off <= size && size - large_off >= mcas_large_size(n_words_max));
	mcas->large = (uint8_t *)mcas->words + large_off;
	mcas->large_max = n_words_max;
}

void mcas_init_resident(struct mcas *mcas, uint64_t resident_off, uint32_t n)
{
	uint64_t size = (uint64_t)mcas->n_words * sizeof(struct shared64);

	ASSERT(resident_off % 64 == 0);
	ASSERT(n % 2 == 0 && n <= MCAS_RESIDENT_MAX);
	ASSERT(resident_off <= size && size - resident_off >= mcas_resident_size(n));
	mcas->resident = (uint8_t *)mcas->words + resident_off;
	mcas->n_resident = n;
}

/* --- meeting a mark ------------------------------------------------------------------------------ */

/* What a mark stands for, as long as its word holds it. */
struct look {
	struct slot *slot;
	uint32_t number;
	uint64_t status;
	uint64_t old;
	uint64_t new;
};

enum look_outcome {
	LOOK_VALID,
	LOOK_AGAIN,   /* the word is another by now: load it again */
	LOOK_CORRUPT,
};

/* One look at the mark that was found in word `index`; reads only (argument b). */
static enum look_outcome mark_look(const struct mcas *mcas, uint32_t index, uint64_t mark,
				   struct look *ret_look)
{
	uint32_t number = mark_slot(mark);
	struct slot_entry *entry;
	struct look look;
	uint64_t target;

	if (!slot_exists(mcas, number) || mark_entry(mark) >= slot_capacity(mcas, number))
		return LOOK_CORRUPT;
	look.number = number;
	look.slot = slot_at(mcas, number);
	entry = &look.slot->entries[mark_entry(mark)];
	look.status = shared64_load(&look.slot->status);
	look.old = shared64_load(&entry->old);
	target = shared64_load(&entry->target);
	if (shared64_load(&mcas->words[index]) != mark)
		return LOOK_AGAIN;
	if ((status_sequence(look.status) & MARK_SEQUENCE_MASK) != mark_sequence(mark) ||
	    (status_state(look.status) != SLOT_UNDECIDED && !status_is_decided(look.status)) ||
	    (target & UINT32_MAX) != index || mcas_is_mark(look.old))
		return LOOK_CORRUPT;
	look.new = mcas_next(look.old, mcas_payload(target));
	*ret_look = look;
	return LOOK_VALID;
}

/* What the word counts as. */
static inline uint64_t look_value(const struct look *look)
{
	return status_state(look->status) == SLOT_DONE ? look->new : look->old;
}

/*
 * What word `index` holds, and what that stands for if it is a mark.  MCAS_DONE, or MCAS_E_CORRUPT for
 * an index out of range and marks without end.
 */
static int word_look(const struct mcas *mcas, uint32_t index, uint64_t *ret_found,
		     struct look *ret_look)
{
	uint32_t rounds;

	if (index >= mcas->n_words)
		return MCAS_E_CORRUPT;
	for (rounds = 0; rounds < MCAS_ROUNDS_MAX; rounds++) {
		*ret_found = shared64_load(&mcas->words[index]);
		if (!mcas_is_mark(*ret_found))
			return MCAS_DONE;
		switch (mark_look(mcas, index, *ret_found, ret_look)) {
		case LOOK_VALID:
			return MCAS_DONE;
		case LOOK_AGAIN:
			break;
		case LOOK_CORRUPT:
			return MCAS_E_CORRUPT;
		}
	}
	return MCAS_E_CORRUPT;
}

int mcas_read(struct mcas *mcas, uint32_t index, uint64_t *ret_word)
{
	struct look look;
	uint64_t found;

	if (word_look(mcas, index, &found, &look) != MCAS_DONE)
		return MCAS_E_CORRUPT;
	*ret_word = mcas_is_mark(found) ? look_value(&look) : found;
	return MCAS_DONE;
}

/*
 * Makes the dependent words of a DONE change new, as long as word `index` holds a mark of it: then
 * the entries are that change's.
 */
static void mark_follow(struct mcas *mcas, uint32_t index, uint64_t mark, const struct look *look)
{
	uint32_t n = slot_n(mcas, look->slot, look->number);
	uint64_t old, target;
	uint32_t i, dependent;

	if (!slot_has_dependents(look->slot))
		return;
	for (i = 0; i < n; i++) {
		target = shared64_load(&look->slot->entries[i].target);
		if (!(target & TARGET_DEPENDENT))
			continue;
		old = shared64_load(&look->slot->entries[i].old);
		if (shared64_load(&mcas->words[index]) != mark)
			return;
		dependent = (uint32_t)(target & TARGET_INDEX);
		if (dependent < mcas->n_words && shared64_load(&mcas->words[dependent]) == old)
			(void)shared64_cas(&mcas->words[dependent], old,
					   mcas_next(old, mcas_payload(target)));
	}
}

int mcas_look(struct mcas *mcas, uint32_t index, uint64_t *ret_found, uint64_t *ret_word)
{
	struct look look;
	uint64_t found;

	if (word_look(mcas, index, &found, &look) != MCAS_DONE)
		return MCAS_E_CORRUPT;
	*ret_found = found;
	*ret_word = found;
	if (!mcas_is_mark(found))
		return MCAS_DONE;
	if (status_state(look.status) == SLOT_DONE)
		mark_follow(mcas, index, found, &look);
	*ret_word = look_value(&look);
	if (!status_is_decided(look.status))
		*ret_found = look.old;
	return MCAS_DONE;
}

/* Makes a word something else than `mark`; after this it is loaded again.  0 or MCAS_E_CORRUPT. */
static int mark_settle(struct mcas *mcas, uint32_t index, uint64_t mark, uint32_t pauses)
{
	struct look look;
	uint64_t failed;

	switch (mark_look(mcas, index, mark, &look)) {
	case LOOK_AGAIN:
		return 0;
	case LOOK_CORRUPT:
		return MCAS_E_CORRUPT;
	case LOOK_VALID:
		break;
	}
	if (status_is_decided(look.status)) {
		if (status_state(look.status) == SLOT_DONE)
			mark_follow(mcas, index, mark, &look);
		(void)shared64_cas(&mcas->words[index], mark, look_value(&look)); /* else somebody did */
		return 0;
	}
	/* In proportion to what its owner has to do. */
	if (slot_capacity(mcas, look.number) > MCAS_SMALL_MAX)
		pauses *= 1 + slot_n(mcas, look.slot, look.number) / MCAS_SMALL_MAX;
	for (; pauses > 0; pauses--) {
		shared_pause();
		if (shared64_load(&look.slot->status) != look.status)
			return 0;
	}
	failed = status_make(status_sequence(look.status), SLOT_FAILED);
	if (shared64_cas(&look.slot->status, look.status, failed))
		(void)shared64_cas(&mcas->words[index], mark, look.old);
	return 0;
}

int mcas_word_settled(struct mcas *mcas, uint32_t index, uint64_t *ret_word)
{
	uint64_t word;
	uint32_t rounds;

	for (rounds = 0; rounds < MCAS_MARKS_MAX; rounds++) {
		word = shared64_load(&mcas->words[index]);
		if (!mcas_is_mark(word)) {
			*ret_word = word;
			return 0;
		}
		if (mark_settle(mcas, index, word, MCAS_PAUSES_BEFORE_ABORT))
			return MCAS_E_CORRUPT;
	}
	return MCAS_E_CORRUPT;
}

int mcas_change_one(struct mcas *mcas, uint32_t index, uint64_t old, uint64_t new)
{
	uint64_t word;

	if (index >= mcas->n_words)
		return MCAS_E_CORRUPT;
	if (shared64_cas(&mcas->words[index], old, new))
		return MCAS_DONE;
	/* A mark that counts as old would make the caller read old again, for ever: settle it. */
	if (mcas_is_mark(shared64_load(&mcas->words[index])) && mcas_word_settled(mcas, index, &word))
		return MCAS_E_CORRUPT;
	return MCAS_CHANGED;
}

void mcas_slot_clear(struct mcas *mcas, uint32_t number, uint64_t sequence)
{
	struct slot *slot = slot_at(mcas, number);
	uint32_t n = slot_n(mcas, slot, number);
	uint64_t target, mark;
	uint32_t i, index, rounds;

	for (i = 0; i < n; i++) {
		target = shared64_load(&slot->entries[i].target);
		index = (uint32_t)(target & TARGET_INDEX);
		if ((target & TARGET_DEPENDENT) || index >= mcas->n_words)
			continue;
		mark = mark_make(number, sequence, i);
		/* A second round is needed where somebody else decides an undecided change. */
		for (rounds = 0; rounds < 2 && shared64_load(&mcas->words[index]) == mark; rounds++)
			(void)mark_settle(mcas, index, mark, 0);
	}
}

bool mcas_op_add(struct mcas_op *op, uint32_t index, uint64_t old, uint64_t new)
{
	uint32_t i;

	for (i = 0; i < op->n_changes; i++) {
		if (op->changes[i].index == index) {
			op->changes[i].new = new;
			return true;
		}
	}
	if (op->n_changes >= op->n_changes_max)
		return false;
	op->changes[op->n_changes++] = (struct mcas_change){ index, false, old, new };
	return true;
}

/* --- commit -------------------------------------------------------------------------------------- */

int mcas_word_freeze(struct mcas *mcas, const struct mcas_change *change, uint64_t mark)
{
	struct shared64 *word = &mcas->words[change->index];
	uint64_t found;
	uint32_t rounds;

	for (rounds = 0; rounds < MCAS_MARKS_MAX; rounds++) {
		found = shared64_load(word);
		if (mcas_is_mark(found)) {
			if (mark_settle(mcas, change->index, found, MCAS_PAUSES_BEFORE_ABORT))
				return MCAS_E_CORRUPT;
		} else if (found != change->old) {
			return MCAS_CHANGED;
		}
		if (shared64_cas(word, change->old, mark))
			return MCAS_DONE;
	}
	return MCAS_E_CORRUPT;
}

int mcas_commit(struct mcas *mcas, const struct actor *actor, const struct mcas_op *op)
{
	struct slot_hold hold;
	struct mcas_own own;
	uint64_t status;
	uint32_t i;
	int outcome;

	ASSERT(op->n_changes > 0);
	ASSERT(op->n_changes <= u32_max(mcas->large_max, MCAS_SMALL_MAX));
	for (i = 0; i < op->n_changes; i++) {
		if (op->changes[i].index >= mcas->n_words)
			return MCAS_E_CORRUPT;
	}
	if (actor->slot != MCAS_SLOT_NONE && op->n_changes <= MCAS_SMALL_MAX) {
		mcas_own_begin(mcas, actor, &own);
		return mcas_own_commit(mcas, &own, op, NULL);
	}
	outcome = mcas_slot_take(mcas, actor, op->n_changes, &hold);
	if (outcome != MCAS_DONE)
		return outcome;
	outcome = mcas_commit_in(mcas, &hold, op, NULL, &status);
	mcas_slot_release(&hold, status);
	return outcome;
}

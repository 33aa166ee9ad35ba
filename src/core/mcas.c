/*
 * mcas.c: recoverable multi-word compare-and-swap.
 *
 * A commit of k words by its owner, in a descriptor (slot) of the file:
 *
 *   claim     slot.owner 0 -> client (CAS), then status (s, IDLE) -> (s+1, PREPARE)
 *   fill      n, and index, old, new of each change
 *   publish   status PREPARE -> UNDECIDED
 *   freeze    each word old -> mark(slot, s+1, entry) (CAS)   only the owner does this
 *   decide    status UNDECIDED -> DONE (CAS)                  the moment it happens
 *   thaw      each word mark -> new (DONE) or old (FAILED)    anybody may do this (CAS)
 *   release   status -> IDLE (CAS), then slot.owner -> 0
 *
 * 2k + 3 CASes when nobody is in the way.  Whoever meets a mark never waits: it decides an
 * undecided change as FAILED (after a short pause, since an owner that runs needs some 50 ns) and
 * thaws the word by the decision.
 *
 * Invariants, in the order mcas_verify checks them on a quiet file:
 *  1. A slot without an owner is IDLE.
 *  2. On a file that nobody uses no slot has an owner.
 * And those that hold at every step, for each word that is a mark:
 *  3. It names a slot that exists; the slot's sequence equals the mark's and the entry's index is
 *     the word's own.  A slot's sequence grows only when none of its marks is left in any word.
 *
 * Why it is right:
 *  a. The sequence in a mark makes every mark unique for ever (47 bits: at a commit every 20 ns, 32
 *     days of nothing else on one slot), and the version in a value makes every value unique until
 *     it wraps (31 bits: a process must be stopped between loading a word and its CAS for exactly a
 *     multiple of 2^31 changes of that one word, 10 s or more of nothing else, and find the same
 *     payload).  So every CAS below succeeds only in the situation it was meant for.
 *  b. A settler reads status, then the entry, then status again.  The owner refills the slot only
 *     after raising the sequence, so equal statuses mean the entry belongs to the mark; entries are
 *     stored with release and loaded with acquire, which keeps that order on every machine.
 *  c. An owner that lost its decision notices at its own `decide` CAS and thaws what it froze, also
 *     what it froze after the decision: a mark of a FAILED change counts as old for everybody.
 *  d. Nobody but the owner freezes, so no mark of a sequence can appear after its owner has
 *     released the slot.  Seizing a slot (all are taken) must keep that true while its owner may
 *     still be in the middle of `freeze`: it gives each word that still holds the entry's old value a
 *     new version, after which no late freeze can succeed.  The seized owner finds its status
 *     changed at `decide` or `release` and leaves slot and status alone.
 *  e. A slot whose owner stands between `claim` and `publish`, or in the middle of `release`, is
 *     not seized while that process lives: plain stores of its own are still to come.  A handful
 *     of instructions; each process stopped exactly there costs one slot of sixteen until it goes on
 *     or dies.
 */
#include "core/mcas.h"

/* Slot status: sequence (61) | state (3). */
enum slot_state {
	SLOT_IDLE = 0,
	SLOT_PREPARE = 1,
	SLOT_UNDECIDED = 2,
	SLOT_DONE = 3,
	SLOT_FAILED = 4,
};

struct slot_entry {
	struct shared64 index;
	struct shared64 old;
	struct shared64 new;
};

struct slot {
	struct shared64 status;
	struct shared64 owner;
	struct shared64 n;
	struct slot_entry entries[];
};

#define SLOT_SIZE(n) ALIGN_UP(sizeof(struct slot) + (n) * sizeof(struct slot_entry), 64)
#define SLOTS_ALL (MCAS_SMALL_SLOTS + MCAS_LARGE_SLOTS)

#define MARK_SLOT_BITS 6
#define MARK_ENTRY_BITS 10
#define MARK_LOOKS_MAX 8u
#define MARK_SEQUENCE_MASK ((UINT64_C(1) << (63 - MARK_SLOT_BITS - MARK_ENTRY_BITS)) - 1)

STATIC_ASSERT(SLOTS_ALL <= 1u << MARK_SLOT_BITS);
STATIC_ASSERT(MCAS_LARGE_MAX <= 1u << MARK_ENTRY_BITS);

static inline uint64_t status_make(uint64_t sequence, enum slot_state state)
{
	return sequence << 3 | (uint64_t)state;
}

static inline enum slot_state status_state(uint64_t status)
{
	return (enum slot_state)(status & 7);
}

static inline uint64_t status_sequence(uint64_t status)
{
	return status >> 3;
}

static inline uint64_t mark_make(uint32_t slot, uint64_t sequence, uint32_t entry)
{
	return (sequence & MARK_SEQUENCE_MASK) << (1 + MARK_SLOT_BITS + MARK_ENTRY_BITS) |
	       (uint64_t)entry << (1 + MARK_SLOT_BITS) | (uint64_t)slot << 1 | 1;
}

static inline uint32_t mark_slot(uint64_t mark)
{
	return (uint32_t)(mark >> 1) & ((1u << MARK_SLOT_BITS) - 1);
}

static inline uint32_t mark_entry(uint64_t mark)
{
	return (uint32_t)(mark >> (1 + MARK_SLOT_BITS)) & ((1u << MARK_ENTRY_BITS) - 1);
}

static inline uint64_t mark_sequence(uint64_t mark)
{
	return mark >> (1 + MARK_SLOT_BITS + MARK_ENTRY_BITS);
}

static uint32_t slot_capacity(uint32_t number)
{
	return number < MCAS_SMALL_SLOTS ? MCAS_SMALL_MAX : MCAS_LARGE_MAX;
}

static uint32_t slots_end(const struct mcas *mcas)
{
	return mcas->large ? SLOTS_ALL : MCAS_SMALL_SLOTS;
}

static struct slot *slot_at(const struct mcas *mcas, uint32_t number)
{
	uint8_t *bytes;

	ASSERT(number < slots_end(mcas));
	if (number < MCAS_SMALL_SLOTS)
		bytes = mcas->slots + number * SLOT_SIZE(MCAS_SMALL_MAX);
	else
		bytes = mcas->large + (number - MCAS_SMALL_SLOTS) * SLOT_SIZE(MCAS_LARGE_MAX);
	return (struct slot *)(void *)bytes;
}

uint64_t mcas_slots_size(void)
{
	return MCAS_SMALL_SLOTS * SLOT_SIZE(MCAS_SMALL_MAX);
}

uint64_t mcas_large_size(void)
{
	return MCAS_LARGE_SLOTS * SLOT_SIZE(MCAS_LARGE_MAX);
}

void mcas_init(struct mcas *mcas, void *base, uint64_t size, uint64_t slots_off, uint64_t large_off)
{
	uint64_t n_words = size / sizeof(struct shared64);

	ASSERT(slots_off % 64 == 0);
	ASSERT(large_off % 64 == 0);
	ASSERT(slots_off <= size && size - slots_off >= mcas_slots_size());
	ASSERT(large_off <= size && (large_off == 0 || size - large_off >= mcas_large_size()));
	mcas->words = base;
	mcas->n_words = n_words > UINT32_MAX ? UINT32_MAX : (uint32_t)n_words;
	mcas->slots = (uint8_t *)base + slots_off;
	mcas->large = large_off ? (uint8_t *)base + large_off : NULL;
}

/* --- meeting a mark ------------------------------------------------------------------------------ */

enum look_outcome {
	LOOK_DECIDED,   /* ret_value is what the word becomes */
	LOOK_UNDECIDED, /* ret_value is what the word counts as so far */
	LOOK_AGAIN,     /* the change went on meanwhile: load the word again */
	LOOK_CORRUPT,
};

/* One look at what a mark in word `index` stands for; reads only. */
static enum look_outcome mark_look_once(const struct mcas *mcas, uint32_t index, uint64_t mark,
				   uint64_t *ret_value, uint64_t *ret_status)
{
	struct slot *slot;
	struct slot_entry *entry;
	uint64_t status, entry_index, old, new;
	enum slot_state state;

	if (mark_slot(mark) >= slots_end(mcas) ||
	    mark_entry(mark) >= slot_capacity(mark_slot(mark)))
		return LOOK_CORRUPT;
	slot = slot_at(mcas, mark_slot(mark));
	entry = &slot->entries[mark_entry(mark)];

	status = shared64_load(&slot->status);
	state = status_state(status);
	if ((status_sequence(status) & MARK_SEQUENCE_MASK) != mark_sequence(mark))
		return LOOK_AGAIN;
	if (state != SLOT_UNDECIDED && state != SLOT_DONE && state != SLOT_FAILED)
		return LOOK_AGAIN;
	entry_index = shared64_load(&entry->index);
	old = shared64_load(&entry->old);
	new = shared64_load(&entry->new);
	if (shared64_load(&slot->status) != status)
		return LOOK_AGAIN;
	if (entry_index != index || mcas_is_mark(old) || mcas_is_mark(new))
		return LOOK_CORRUPT;
	*ret_value = state == SLOT_DONE ? new : old;
	*ret_status = status;
	return state == SLOT_UNDECIDED ? LOOK_UNDECIDED : LOOK_DECIDED;
}

/*
 * The same, until it is decided, or the word is another.  While a word stays one mark its slot's
 * status changes three times at the most, so more looks than that prove that the file lies.
 */
static enum look_outcome mark_look(const struct mcas *mcas, uint32_t index, uint64_t mark,
				   uint64_t *ret_value, uint64_t *ret_status)
{
	enum look_outcome outcome;
	uint32_t looks;

	for (looks = 0; looks < MARK_LOOKS_MAX; looks++) {
		outcome = mark_look_once(mcas, index, mark, ret_value, ret_status);
		if (outcome != LOOK_AGAIN || shared64_load(&mcas->words[index]) != mark)
			return outcome;
		shared_pause();
	}
	return LOOK_CORRUPT;
}

int mcas_read(struct mcas *mcas, uint32_t index, uint64_t *ret_word)
{
	uint64_t word, value, status;
	uint32_t rounds;

	if (index >= mcas->n_words)
		return MCAS_E_CORRUPT;
	for (rounds = 0; rounds < MCAS_ROUNDS_MAX; rounds++) {
		word = shared64_load(&mcas->words[index]);
		if (!mcas_is_mark(word)) {
			*ret_word = word;
			return MCAS_DONE;
		}
		switch (mark_look(mcas, index, word, &value, &status)) {
		case LOOK_DECIDED:
		case LOOK_UNDECIDED:
			*ret_word = value;
			return MCAS_DONE;
		case LOOK_AGAIN:
			break;
		case LOOK_CORRUPT:
			return MCAS_E_CORRUPT;
		}
	}
	return MCAS_E_CORRUPT;
}

/* Makes a word something else than `mark`; after this it is loaded again.  0 or MCAS_E_CORRUPT. */
static int mark_settle(struct mcas *mcas, uint32_t index, uint64_t mark, uint32_t pauses)
{
	struct slot *slot;
	uint64_t value, status;

	switch (mark_look(mcas, index, mark, &value, &status)) {
	case LOOK_AGAIN:
		return 0;
	case LOOK_CORRUPT:
		/* Unless the word moved on while we looked, in which case nothing was wrong. */
		return shared64_load(&mcas->words[index]) == mark ? MCAS_E_CORRUPT : 0;
	case LOOK_DECIDED:
		(void)shared64_cas(&mcas->words[index], mark, value); /* else somebody else did */
		return 0;
	case LOOK_UNDECIDED:
		break;
	}
	slot = slot_at(mcas, mark_slot(mark));
	for (; pauses > 0; pauses--) {
		shared_pause();
		if (shared64_load(&slot->status) != status)
			return 0;
	}
	if (shared64_cas(&slot->status, status, status_make(status_sequence(status), SLOT_FAILED)))
		(void)shared64_cas(&mcas->words[index], mark, value);
	return 0;
}

/* Loads a word that is no mark, settling what stands in the way. */
static int word_settled(struct mcas *mcas, uint32_t index, uint64_t *ret_word)
{
	uint64_t word;
	uint32_t rounds;

	for (rounds = 0; rounds < MCAS_ROUNDS_MAX; rounds++) {
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
	if (mcas_is_mark(shared64_load(&mcas->words[index])) && word_settled(mcas, index, &word))
		return MCAS_E_CORRUPT;
	return MCAS_CHANGED;
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
	op->changes[op->n_changes++] = (struct mcas_change){ index, old, new };
	return true;
}

/* --- a slot's life ------------------------------------------------------------------------------- */

/*
 * Owner word: client (48) | low bits of the sequence it was claimed for (16).  So a claim differs
 * from an earlier one by the same client, and the threads of one process are told apart where one
 * seizes the other's slot.
 */
static inline uint64_t owner_make(const struct actor *actor, uint64_t status)
{
	return actor->client | (status_sequence(status) + 1) << 48;
}

static inline uint64_t owner_client(uint64_t owner)
{
	return owner & ((UINT64_C(1) << 48) - 1);
}

/*
 * Makes sure that the mark is in no word and never will be: nothing may be left for a late freeze to
 * find, neither the old value itself nor a change of somebody else's that may yet fall back to it.
 */
static void mark_banish(struct mcas *mcas, uint32_t index, uint64_t mark, uint64_t old,
			uint64_t value)
{
	uint64_t word;
	uint32_t rounds;

	for (rounds = 0; rounds < MCAS_ROUNDS_MAX; rounds++) {
		(void)shared64_cas(&mcas->words[index], mark, value);
		if (word_settled(mcas, index, &word) || word != old)
			return;
		if (shared64_cas(&mcas->words[index], old, mcas_next(old, mcas_payload(old))))
			return;
	}
}

/*
 * Ends what the slot is in the middle of, as seen in `status`, on behalf of an owner that is dead, or
 * else that has published.  True for one caller only, and only if nobody else ended it first: the
 * slot is then IDLE and its owner word this caller's.
 */
static bool slot_end(struct mcas *mcas, uint32_t number, uint64_t status, bool dead)
{
	struct slot *slot = slot_at(mcas, number);
	uint64_t sequence = status_sequence(status);
	uint64_t n, index, old, mark, value, same;
	uint32_t i;

	switch (status_state(status)) {
	case SLOT_IDLE:
		return dead;
	case SLOT_PREPARE:
		return dead && shared64_cas(&slot->status, status, status_make(sequence, SLOT_IDLE));
	case SLOT_UNDECIDED:
		if (!shared64_cas(&slot->status, status, status_make(sequence, SLOT_FAILED)))
			return false;
		status = status_make(sequence, SLOT_FAILED);
		break;
	case SLOT_DONE:
	case SLOT_FAILED:
		break;
	default:
		return false; /* no state of ours: leave it alone */
	}

	n = shared64_load(&slot->n);
	if (n > slot_capacity(number))
		n = slot_capacity(number);
	for (i = 0; i < n; i++) {
		index = shared64_load(&slot->entries[i].index);
		old = shared64_load(&slot->entries[i].old);
		if (index >= mcas->n_words)
			continue;
		mark = mark_make(number, sequence, i);
		if (mark_look(mcas, (uint32_t)index, mark, &value, &same) != LOOK_DECIDED)
			continue;
		if (dead) /* nobody is left who could freeze */
			(void)shared64_cas(&mcas->words[index], mark, value);
		else
			mark_banish(mcas, (uint32_t)index, mark, old, value);
	}
	return shared64_cas(&slot->status, status, status_make(sequence, SLOT_IDLE));
}

/* A slot in the hands of its owner, between claim and release. */
struct slot_hold {
	struct slot *slot;
	uint32_t number;
	uint64_t owner;
	uint64_t sequence;
};

/* The owner word of an IDLE slot is ours: starts the next sequence. */
static void slot_prepare(struct slot_hold *hold)
{
	hold->sequence = status_sequence(shared64_load(&hold->slot->status)) + 1;
	shared64_store(&hold->slot->status, status_make(hold->sequence, SLOT_PREPARE));
}

static bool slot_claim(struct mcas *mcas, uint32_t number, const struct actor *actor,
		       struct slot_hold *ret_hold)
{
	struct slot *slot = slot_at(mcas, number);
	uint64_t owner;

	if (shared64_load(&slot->owner) != 0)
		return false;
	owner = owner_make(actor, shared64_load(&slot->status));
	if (!shared64_cas(&slot->owner, 0, owner))
		return false;
	*ret_hold = (struct slot_hold){ .slot = slot, .number = number, .owner = owner };
	slot_prepare(ret_hold);
	return true;
}

/* Takes a slot from whoever stands in the middle of a commit (arguments d, e). */
static bool slot_seize(struct mcas *mcas, uint32_t number, const struct actor *actor,
		       struct slot_hold *ret_hold)
{
	struct slot *slot = slot_at(mcas, number);
	uint64_t status = shared64_load(&slot->status);
	uint64_t victim = shared64_load(&slot->owner);
	uint64_t owner = owner_make(actor, status);

	/* Status before owner: if slot_end then finds the same sequence, the victim had it all along. */
	if (!slot_end(mcas, number, status, false))
		return false;
	/* Fails if the victim, or recovery for it, gives the slot back now; then it is anybody's. */
	if (!shared64_cas(&slot->owner, victim, owner))
		return false;
	*ret_hold = (struct slot_hold){ .slot = slot, .number = number, .owner = owner };
	slot_prepare(ret_hold);
	return true;
}

static void slot_release(const struct slot_hold *hold, uint64_t status)
{
	uint64_t idle = status_make(hold->sequence, SLOT_IDLE);

	if (shared64_cas(&hold->slot->status, status, idle))
		shared64_store(&hold->slot->owner, 0);
	else if (shared64_load(&hold->slot->status) == idle)
		/* Seized, and the seizer has not taken it yet; it may have died: let it be free. */
		(void)shared64_cas(&hold->slot->owner, hold->owner, 0);
}

/* A free slot, then after a pause that lets running owners finish, anybody's. */
static int slot_take(struct mcas *mcas, const struct actor *actor, uint32_t n_changes,
		     struct slot_hold *ret_hold)
{
	bool large = n_changes > MCAS_SMALL_MAX;
	uint32_t first = large ? MCAS_SMALL_SLOTS : 0;
	uint32_t count = large ? MCAS_LARGE_SLOTS : MCAS_SMALL_SLOTS;
	uint32_t patience = large ? MCAS_PATIENCE_LARGE : MCAS_PATIENCE;
	uint32_t i;

	if (!large && slot_claim(mcas, actor->hint % MCAS_SMALL_SLOTS, actor, ret_hold))
		return 0; /* as below, without a division */
	for (i = 0; i < count + patience; i++) {
		if (slot_claim(mcas, first + (actor->hint + i) % count, actor, ret_hold))
			return 0;
		if (i >= count)
			shared_pause();
	}
	for (i = 0; i < count; i++) {
		if (slot_seize(mcas, first + (actor->hint + i) % count, actor, ret_hold))
			return 0;
	}
	return MCAS_E_BUSY;
}

/* --- commit -------------------------------------------------------------------------------------- */

static void slot_fill(struct slot *slot, const struct mcas_op *op)
{
	uint32_t i;

	for (i = 0; i < op->n_changes; i++) {
		shared64_store(&slot->entries[i].index, op->changes[i].index);
		shared64_store(&slot->entries[i].old, op->changes[i].old);
		shared64_store(&slot->entries[i].new, op->changes[i].new);
	}
	shared64_store(&slot->n, op->n_changes);
}

/* Old -> mark, settling other changes in the way.  MCAS_DONE, MCAS_CHANGED or MCAS_E_CORRUPT. */
static int word_freeze(struct mcas *mcas, const struct mcas_change *change, uint64_t mark)
{
	struct shared64 *word = &mcas->words[change->index];
	uint64_t found;
	uint32_t rounds;

	for (rounds = 0; rounds < MCAS_ROUNDS_MAX; rounds++) {
		if (shared64_cas(word, change->old, mark))
			return MCAS_DONE;
		found = shared64_load(word);
		if (!mcas_is_mark(found)) {
			if (found != change->old)
				return MCAS_CHANGED;
			continue; /* a change in the way was undone between our two looks */
		}
		if (mark_settle(mcas, change->index, found, MCAS_PAUSES_BEFORE_ABORT))
			return MCAS_E_CORRUPT;
	}
	return MCAS_E_CORRUPT;
}

int mcas_commit(struct mcas *mcas, const struct actor *actor, const struct mcas_op *op)
{
	struct slot_hold hold = { 0 };
	uint64_t undecided, decided, mark;
	uint32_t n_frozen, i;
	int outcome = MCAS_DONE;

	ASSERT(op->n_changes > 0);
	ASSERT(op->n_changes <= (mcas->large ? MCAS_LARGE_MAX : MCAS_SMALL_MAX));
	for (i = 0; i < op->n_changes; i++) {
		if (op->changes[i].index >= mcas->n_words)
			return MCAS_E_CORRUPT;
	}
	if (slot_take(mcas, actor, op->n_changes, &hold))
		return MCAS_E_BUSY;
	slot_fill(hold.slot, op);
	undecided = status_make(hold.sequence, SLOT_UNDECIDED);
	shared64_store(&hold.slot->status, undecided);

	for (n_frozen = 0; n_frozen < op->n_changes; n_frozen++) {
		mark = mark_make(hold.number, hold.sequence, n_frozen);
		outcome = word_freeze(mcas, &op->changes[n_frozen], mark);
		if (outcome != MCAS_DONE)
			break;
	}
	decided = status_make(hold.sequence, outcome == MCAS_DONE ? SLOT_DONE : SLOT_FAILED);
	if (!shared64_cas(&hold.slot->status, undecided, decided)) {
		decided = status_make(hold.sequence, SLOT_FAILED);
		if (outcome == MCAS_DONE)
			outcome = MCAS_ABORTED;
	}
	for (i = 0; i < n_frozen; i++) {
		mark = mark_make(hold.number, hold.sequence, i);
		(void)shared64_cas(&mcas->words[op->changes[i].index], mark,
				   outcome == MCAS_DONE ? op->changes[i].new : op->changes[i].old);
	}
	slot_release(&hold, decided);
	return outcome;
}

void mcas_recover(struct mcas *mcas, uint64_t client)
{
	uint64_t status, owner;
	uint32_t number, tries;

	for (number = 0; number < slots_end(mcas); number++) {
		struct slot *slot = slot_at(mcas, number);

		/*
		 * Status before owner: a dead client gets no slot any more, so while the owner is the
		 * client the status was of its doing.  A second try is needed only where somebody
		 * settles or seizes at the same time.
		 */
		for (tries = 0; tries < 4; tries++) {
			status = shared64_load(&slot->status);
			owner = shared64_load(&slot->owner);
			if (owner_client(owner) != client)
				break;
			if (slot_end(mcas, number, status, true))
				(void)shared64_cas(&slot->owner, owner, 0);
		}
	}
}

bool mcas_verify(const struct mcas *mcas)
{
	uint32_t number;

	for (number = 0; number < slots_end(mcas); number++) {
		struct slot *slot = slot_at(mcas, number);

		if (shared64_load(&slot->owner) != 0)
			return false;
		if (status_state(shared64_load(&slot->status)) != SLOT_IDLE)
			return false;
	}
	return true;
}

/*
 * mcas-slot.c: claiming, seizing, keeping, giving back and recovering the descriptors of mcas.  Invariants
 * and arguments are those of mcas.c.
 */
#include "core/mcas-internal.h"

/*
 * Owner word: client (48) | low bits of the sequence it was claimed for (16), or 0 if it is resident.
 * So a claim differs from an earlier one by the same client, and the threads of one process are told
 * apart where one seizes the other's slot.
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
 * As mcas_slot_clear() for an owner that may still freeze, as long as the slot has this status: nothing
 * may be left for a late freeze to find, neither the old value itself nor a change of somebody else's
 * that may yet fall back to it.  False: a word lies, so the slot must be left alone.
 */
static bool slot_banish(struct mcas *mcas, uint32_t number, uint64_t status)
{
	struct slot *slot = slot_at(mcas, number);
	uint32_t n = slot_n(mcas, slot, number);
	uint64_t target, old, word;
	uint32_t i, index, rounds;

	for (i = 0; i < n; i++) {
		target = shared64_load(&slot->entries[i].target);
		old = shared64_load(&slot->entries[i].old);
		index = (uint32_t)(target & TARGET_INDEX);
		if ((target & TARGET_DEPENDENT) || index >= mcas->n_words)
			continue;
		if (shared64_load(&slot->status) != status)
			return true; /* given back, and perhaps filled anew */
		for (rounds = 0; rounds < MCAS_MARKS_MAX; rounds++) {
			if (mcas_word_settled(mcas, index, &word))
				return false;
			if (word != old ||
			    shared64_cas(&mcas->words[index], old, mcas_next(old, mcas_payload(old))))
				break;
		}
		if (rounds == MCAS_MARKS_MAX)
			return false;
	}
	return true;
}

/*
 * Ends what the slot is in the middle of, as seen in `status`, on behalf of an owner that is dead, or
 * else that has published.  MCAS_DONE for one caller only, and only if nobody else ended it first: the
 * slot is then IDLE and its owner word this caller's.  Else MCAS_E_BUSY, or MCAS_E_CORRUPT.
 */
static int slot_end(struct mcas *mcas, uint32_t number, uint64_t status, bool dead)
{
	struct slot *slot = slot_at(mcas, number);
	uint64_t sequence = status_sequence(status);
	uint64_t idle = status_make(sequence, SLOT_IDLE);

	switch (status_state(status)) {
	case SLOT_IDLE:
		return dead ? MCAS_DONE : MCAS_E_BUSY;
	case SLOT_PREPARE:
		return dead && shared64_cas(&slot->status, status, idle) ? MCAS_DONE : MCAS_E_BUSY;
	case SLOT_UNDECIDED:
		if (!shared64_cas(&slot->status, status, status_make(sequence, SLOT_FAILED)))
			return MCAS_E_BUSY;
		status = status_make(sequence, SLOT_FAILED);
		break;
	case SLOT_DONE:
	case SLOT_FAILED:
		break;
	default:
		return MCAS_E_BUSY; /* no state of ours: leave it alone */
	}
	if (dead) /* nobody is left who could freeze */
		mcas_slot_clear(mcas, number, sequence);
	else if (!slot_banish(mcas, number, status))
		return MCAS_E_CORRUPT;
	return shared64_cas(&slot->status, status, idle) ? MCAS_DONE : MCAS_E_BUSY;
}

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

/* Takes a slot from whoever stands in the middle of a commit (arguments d, e).  An outcome. */
static int slot_seize(struct mcas *mcas, uint32_t number, const struct actor *actor,
		       struct slot_hold *ret_hold)
{
	struct slot *slot = slot_at(mcas, number);
	uint64_t status = shared64_load(&slot->status);
	uint64_t victim = shared64_load(&slot->owner);
	uint64_t owner = owner_make(actor, status);
	int outcome;

	/* Status before owner: if slot_end then finds the same sequence, the victim had it all along. */
	outcome = slot_end(mcas, number, status, false);
	if (outcome != MCAS_DONE)
		return outcome;
	/* Fails if the victim, or recovery for it, gives the slot back now; then it is anybody's. */
	if (!shared64_cas(&slot->owner, victim, owner))
		return MCAS_E_BUSY;
	*ret_hold = (struct slot_hold){ .slot = slot, .number = number, .owner = owner };
	slot_prepare(ret_hold);
	return MCAS_DONE;
}

void mcas_slot_release(const struct slot_hold *hold, uint64_t status)
{
	uint64_t idle = status_make(hold->sequence, SLOT_IDLE);

	if (shared64_cas(&hold->slot->status, status, idle))
		shared64_store(&hold->slot->owner, 0);
	else if (shared64_load(&hold->slot->status) == idle)
		/* Seized, and the seizer has not taken it yet; it may have died: let it be free. */
		(void)shared64_cas(&hold->slot->owner, hold->owner, 0);
}

/* A free slot, then after a pause that lets running owners finish, anybody's. */
int mcas_slot_take(struct mcas *mcas, const struct actor *actor, uint32_t n_changes,
		     struct slot_hold *ret_hold)
{
	bool large = n_changes > MCAS_SMALL_MAX;
	uint32_t first = large ? MCAS_SMALL_SLOTS : 0;
	uint32_t count = large ? MCAS_LARGE_SLOTS : MCAS_SMALL_SLOTS;
	uint32_t patience =
		large ? MCAS_PATIENCE_LARGE * (1 + n_changes / (MCAS_LARGE_MAX + 1)) : MCAS_PATIENCE;
	int outcome = MCAS_E_BUSY;
	uint32_t i;

	if (!large && slot_claim(mcas, actor->hint % MCAS_SMALL_SLOTS, actor, ret_hold))
		return 0; /* as below, without a division */
	for (i = 0; i < count + patience; i++) {
		if (slot_claim(mcas, first + (actor->hint + i) % count, actor, ret_hold))
			return 0;
		if (i >= count)
			shared_pause();
	}
	for (i = 0; i < count && outcome == MCAS_E_BUSY; i++)
		outcome = slot_seize(mcas, first + (actor->hint + i) % count, actor, ret_hold);
	return outcome;
}

/* --- resident slots ------------------------------------------------------------------------------ */

uint32_t mcas_resident_bind(struct mcas *mcas, const struct actor *actor)
{
	uint32_t n_pairs = mcas->n_resident / 2;
	uint32_t i, number;

	for (i = 0; i < n_pairs; i++) {
		struct slot *slot, *other;

		number = RESIDENT_FIRST + 2 * ((actor->hint + i) % n_pairs);
		slot = slot_at(mcas, number);
		other = slot_at(mcas, number + 1);
		if (shared64_load(&slot->owner) != 0 || shared64_load(&other->owner) != 0 ||
		    !shared64_cas(&slot->owner, 0, actor->client))
			continue;
		if (shared64_cas(&other->owner, 0, actor->client))
			return number;
		(void)shared64_cas(&slot->owner, actor->client, 0);
	}
	return MCAS_SLOT_NONE;
}

/* Ends and frees a slot of a client that does not use it any more. */
static void slot_free(struct mcas *mcas, uint32_t number, uint64_t client)
{
	struct slot *slot = slot_at(mcas, number);
	uint64_t status, owner;
	uint32_t tries;

	/*
	 * Status before owner (argument i).  A second try is needed only where somebody settles or
	 * seizes at the same time.
	 */
	for (tries = 0; tries < 4; tries++) {
		status = shared64_load(&slot->status);
		owner = shared64_load(&slot->owner);
		if (owner_client(owner) != client)
			break;
		if (slot_end(mcas, number, status, true) == MCAS_DONE)
			(void)shared64_cas(&slot->owner, owner, 0);
	}
}

void mcas_resident_release(struct mcas *mcas, uint64_t client, uint32_t slot)
{
	slot_free(mcas, slot, client);
	slot_free(mcas, slot + 1, client);
}

void mcas_recover(struct mcas *mcas, uint64_t client)
{
	uint32_t number;

	for (number = 0; number < slots_end(mcas); number++) {
		if (slot_exists(mcas, number))
			slot_free(mcas, number, client);
	}
}

bool mcas_verify(const struct mcas *mcas)
{
	uint32_t number;

	for (number = 0; number < slots_end(mcas); number++) {
		struct slot *slot;

		if (!slot_exists(mcas, number))
			continue;
		slot = slot_at(mcas, number);
		if (shared64_load(&slot->owner) != 0)
			return false;
		if (status_state(shared64_load(&slot->status)) != SLOT_IDLE)
			return false;
	}
	return true;
}

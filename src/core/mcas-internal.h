/*
 * mcas-internal.h: the descriptors of mcas, for its two files.
 */
#ifndef CORE_MCAS_INTERNAL_H
#define CORE_MCAS_INTERNAL_H

#include "core/mcas.h"

/* Slot status: sequence (61) | state (3). */
enum slot_state {
	SLOT_IDLE = 0,
	SLOT_PREPARE = 1,
	SLOT_UNDECIDED = 2,
	SLOT_DONE = 3,
	SLOT_FAILED = 4,
};

/* What becomes of a word: payload of the new value (32) | is dependent (1) | index (31). */
#define TARGET_DEPENDENT UINT64_C(0x80000000)
#define TARGET_INDEX UINT64_C(0x7fffffff)

struct slot_entry {
	struct shared64 old;
	struct shared64 target;
};

struct slot {
	struct shared64 status;
	struct shared64 owner;
	struct shared64 n;
	struct slot_entry entries[];
};

/*
 * Slots have numbers: the small ones that all share, the large ones, the resident ones, which are as
 * large as the small ones.  So no resident slot is MCAS_SLOT_NONE.
 */
#define SLOT_SIZE(n) ALIGN_UP(sizeof(struct slot) + (n) * sizeof(struct slot_entry), 64)
#define RESIDENT_FIRST (MCAS_SMALL_SLOTS + MCAS_LARGE_SLOTS)

#define MARK_SLOT_BITS 7
#define MARK_ENTRY_BITS 15
#define MARK_NEXT_ENTRY (UINT64_C(1) << (1 + MARK_SLOT_BITS))
#define MARK_ENTRY_MASK (MARK_NEXT_ENTRY * ((1u << MARK_ENTRY_BITS) - 1))
#define MARK_SEQUENCE_MASK ((UINT64_C(1) << (63 - MARK_SLOT_BITS - MARK_ENTRY_BITS)) - 1)

STATIC_ASSERT(RESIDENT_FIRST + MCAS_RESIDENT_MAX <= 1u << MARK_SLOT_BITS);
STATIC_ASSERT(MCAS_WORDS_MAX <= 1u << MARK_ENTRY_BITS);
STATIC_ASSERT(RESIDENT_FIRST > MCAS_SLOT_NONE);

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

static inline bool status_is_decided(uint64_t status)
{
	return status_state(status) == SLOT_DONE || status_state(status) == SLOT_FAILED;
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

static inline uint32_t slot_capacity(const struct mcas *mcas, uint32_t number)
{
	return number - MCAS_SMALL_SLOTS < MCAS_LARGE_SLOTS ? mcas->large_max : MCAS_SMALL_MAX;
}

static inline uint32_t slots_end(const struct mcas *mcas)
{
	return RESIDENT_FIRST + mcas->n_resident;
}

static inline bool slot_exists(const struct mcas *mcas, uint32_t number)
{
	return number < slots_end(mcas) &&
	       (mcas->large || number - MCAS_SMALL_SLOTS >= MCAS_LARGE_SLOTS);
}

static inline struct slot *slot_at(const struct mcas *mcas, uint32_t number)
{
	uint8_t *bytes;

	ASSERT(slot_exists(mcas, number));
	if (number >= RESIDENT_FIRST)
		bytes = mcas->resident + (number - RESIDENT_FIRST) * SLOT_SIZE(MCAS_SMALL_MAX);
	else if (number < MCAS_SMALL_SLOTS)
		bytes = mcas->slots + number * SLOT_SIZE(MCAS_SMALL_MAX);
	else
		bytes = mcas->large + (number - MCAS_SMALL_SLOTS) * SLOT_SIZE(mcas->large_max);
	return (struct slot *)(void *)bytes;
}

/* Word n of a slot: entries in use (32, low) | those of them that are dependent. */
static inline uint64_t slot_n_make(uint32_t n, uint32_t n_dependents)
{
	return (uint64_t)n_dependents << 32 | n;
}

/* Entries in use; never more than there are, whatever the file says. */
static inline uint32_t slot_n(const struct mcas *mcas, const struct slot *slot, uint32_t number)
{
	return u32_min((uint32_t)shared64_load(&slot->n), slot_capacity(mcas, number));
}

static inline bool slot_has_dependents(const struct slot *slot)
{
	return shared64_load(&slot->n) >> 32 != 0;
}

/* A slot in the hands of its owner, between claim and release. */
struct slot_hold {
	struct slot *slot;
	uint32_t number;
	uint64_t owner;
	uint64_t sequence;
};

/* --- words (mcas.c) ------------------------------------------------------------------------------- */

/* Loads a word that is no mark, settling what stands in the way.  0 or MCAS_E_CORRUPT. */
int mcas_word_settled(struct mcas *mcas, uint32_t index, uint64_t *ret_word);

/* Old -> mark, settling other changes in the way.  MCAS_DONE, MCAS_CHANGED or MCAS_E_CORRUPT. */
int mcas_word_freeze(struct mcas *mcas, const struct mcas_change *change, uint64_t mark);

/*
 * Takes what marks are left of a slot's change out of the words, on behalf of an owner that will freeze
 * no more of them; one that is undecided has then failed.
 */
void mcas_slot_clear(struct mcas *mcas, uint32_t number, uint64_t sequence);

/* --- slots (mcas-slot.c) -------------------------------------------------------------------------- */

/* A shared slot for a commit of n_changes words.  MCAS_DONE, MCAS_E_BUSY, MCAS_E_CORRUPT. */
int mcas_slot_take(struct mcas *mcas, const struct actor *actor, uint32_t n_changes,
		   struct slot_hold *ret_hold);

/* Gives it back; status is what the commit left it in, if it has not been seized. */
void mcas_slot_release(const struct slot_hold *hold, uint64_t status);

#endif

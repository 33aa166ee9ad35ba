/*
 * sleeper.h: the table of those who sleep in an object's file.
 *
 * A sleeper is an mcas word (its state) and a record (whose it is, since when, what it wants).
 * The state word is what commits: granting somebody is one more word in the granter's own mcas,
 * so a unit or message cannot be lost or taken between being posted and being granted (SEM-18).
 * It is also what the sleeper waits on: the low half of the word changes with every change.
 *
 *   FREE --claim--> (owner set) --mcas--> WAITING --mcas--> DONE(result) --acknowledge--> FREE
 *
 * Claiming is a CAS on the record's owner; indexes are taken from the bottom, so that a scan up to
 * the high-water mark is short.
 */
#ifndef CORE_SLEEPER_H
#define CORE_SLEEPER_H

#include "core/mcas.h"

enum sleeper_state {
	SLEEPER_FREE = 0,
	SLEEPER_WAITING = 1,
	SLEEPER_DONE = 2,
};

/* State word's payload: state (2) | argument (30). */
static inline uint32_t sleeper_payload(enum sleeper_state state, uint32_t argument)
{
	return (uint32_t)state << 30 | (argument & 0x3fffffffu);
}

static inline enum sleeper_state sleeper_state(uint64_t word)
{
	return (enum sleeper_state)(mcas_payload(word) >> 30);
}

static inline uint32_t sleeper_argument(uint64_t word)
{
	return mcas_payload(word) & 0x3fffffffu;
}

/* First part of each record; the object's own part follows it. */
struct sleeper_record {
	struct shared64 owner;  /* client, 0 = free: the claim */
	struct shared64 ticket; /* age: smaller is older */
	struct shared32 pid;
	struct shared32 number; /* of the call, if it is made in the owner's stead (stead.h) */
};

/* A view of the table: private, bound once when mapping. */
struct sleepers {
	struct mcas *mcas;
	uint32_t word_index; /* index of state word 0 */
	uint32_t n_max;
	uint32_t record_size;
	uint8_t *records;
	struct shared64 *high_water; /* indexes at or above it were never used */
	struct shared64 *clock;      /* gives tickets */
};

enum sleeper_outcome {
	SLEEPER_E_FULL = 10,
};

/*
 * Takes the lowest free index below limit for the actor and dates it; its state stays FREE.
 * limit: how far the table is backed by storage, or n_max.  0 or SLEEPER_E_FULL.
 */
int sleeper_claim(struct sleepers *sleepers, const struct actor *actor, uint32_t limit,
		  uint32_t *ret_index);

/* Gives back an index whose state is FREE or DONE.  Only its owner, or recovery for it, calls this. */
void sleeper_release(struct sleepers *sleepers, uint32_t index);

/* Number of indexes to scan; never above n_max whatever the file says. */
uint32_t sleeper_scan_end(const struct sleepers *sleepers);

struct sleeper_record *sleeper_record(const struct sleepers *sleepers, uint32_t index);

/* The mcas word index of a sleeper's state. */
static inline uint32_t sleeper_word(const struct sleepers *sleepers, uint32_t index)
{
	return sleepers->word_index + index;
}

/* Sleepers to wake after a commit; filled by the core, carried out with sys/wait by the caller. */
struct wakes {
	uint32_t n;
	uint32_t word_indexes[WAKES_MAX]; /* wake everybody who waits on the low half of these words */
};

#endif

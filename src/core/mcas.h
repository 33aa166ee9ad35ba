/*
 * mcas.h: a recoverable compare-and-swap over several 64-bit words of one file.
 *
 * This is the one place where a half-done change can be met by others; everything else that is
 * shared (semset, msgq) is sequential code that reads words and commits a list of changes here.
 *
 * A word is  payload (32) | version (31) | 0.   While a change is under way it is a mark instead:
 * sequence (41) | entry (15) | slot (7) | 1.    The version grows by one with every change, so that
 * a word never returns to a value somebody may still hold.
 *
 * Whoever meets a mark settles it at once and never waits for its owner (P3).
 *
 * Guarded and dependent words.  A unit may have words that are only ever changed by commits that also
 * change one certain other word, their guard; in a commit's list such a change can be marked as
 * dependent, which makes it cost one compare-and-swap instead of two.  The unit promises:
 *   - Every change of a dependent word is in a commit whose list has a change of its guard, if only of
 *     the guard's version.  (Who alone may change a word, as the owner of a free record, may take
 *     any guard for that change.)
 *   - Whoever rests a commit on a dependent word has read the guard before it, with mcas_look().
 * A commit with a single guarded word is decided by one compare-and-swap of that word.
 */
#ifndef CORE_MCAS_H
#define CORE_MCAS_H

#include "core/atomic.h"
#include "core/limits.h"

enum mcas_outcome {
	MCAS_DONE = 0,
	MCAS_CHANGED = 1,   /* a word no longer held the old value: read again, decide again */
	MCAS_ABORTED = 2,   /* somebody met us half-way and undid it: same values may be tried again */
	MCAS_E_BUSY = 3,    /* every descriptor is in use: pause and try again, or give up */
	MCAS_E_CORRUPT = 4, /* the file breaks its own rules or changes without end: give up */
};

/* Who acts.  Lives in the caller's private memory and is filled anew for each call. */
struct actor {
	uint64_t client; /* identity given by the daemon; never 0, below 2^48 */
	uint32_t pid;    /* as stored in sempid, lspid, lrpid */
	uint32_t hint;   /* spreads threads over descriptors and sleepers; any value */
	int64_t now_s;   /* realtime clock, whole seconds, for the time stamps */
	uint32_t slot;   /* its thread's own descriptors (mcas_resident_bind), or MCAS_SLOT_NONE */
};

#define MCAS_SLOT_NONE 0u

/* A hint for calls that leave nothing for the thread's next one. */
#define ACTOR_HINT_NONE UINT32_MAX

/* The daemon's own identity in an object's file, which no client is ever given. */
#define ACTOR_DAEMON UINT64_C(0xffff)

/* Where the words and descriptors of a mapped file are; checked once when mapping, then private. */
struct mcas {
	struct shared64 *words; /* start of the mapping; index i is byte offset 8 * i */
	uint32_t n_words;       /* all indexes are below this */
	uint8_t *slots;         /* small descriptors, inside the same mapping */
	uint8_t *large;         /* large descriptors, or NULL where the file has none */
	uint32_t large_max;     /* words one of them takes */
	uint8_t *resident;      /* descriptors that threads keep, or NULL */
	uint32_t n_resident;    /* even */
};

/* One word's change; the owner collects them privately.  new is mcas_next() of old. */
struct mcas_change {
	uint32_t index;
	bool is_dependent;
	uint64_t old;
	uint64_t new;
};

/* A list of changes, all or nothing.  The array is the caller's. */
struct mcas_op {
	struct mcas_change *changes;
	uint32_t n_changes;
	uint32_t n_changes_max;
};

static inline uint64_t mcas_word(uint32_t payload, uint32_t version)
{
	return (uint64_t)payload << 32 | (uint64_t)(version & 0x7fffffffu) << 1;
}

static inline uint32_t mcas_payload(uint64_t word)
{
	return (uint32_t)(word >> 32);
}

/* The word that follows old, carrying payload. */
static inline uint64_t mcas_next(uint64_t old, uint32_t payload)
{
	return (uint64_t)payload << 32 | (uint32_t)((uint32_t)old + 2u);
}

static inline bool mcas_is_mark(uint64_t word)
{
	return word & 1;
}

/*
 * Bytes the small and the large descriptors take in a file; place each at a multiple of 64.  The
 * large ones, for n_words_max words each, are used only by commits of more than MCAS_SMALL_MAX words:
 * they may lie in a part of the file that is backed when it is first needed.
 */
#define MCAS_WORDS_MAX (1u << 15)
uint64_t mcas_slots_size(void);
uint64_t mcas_large_size(uint32_t n_words_max);
/* Bytes that n resident descriptors take; n is even and at most MCAS_RESIDENT_MAX. */
uint64_t mcas_resident_size(uint32_t n);

/* Binds to a mapping whose extent the caller has checked.  Owns nothing. */
void mcas_init(struct mcas *mcas, void *base, uint64_t size, uint64_t slots_off);
/* After mcas_init, where the file has large descriptors at large_off. */
void mcas_init_large(struct mcas *mcas, uint64_t large_off, uint32_t n_words_max);
/* After mcas_init, where the file has n resident descriptors at resident_off. */
void mcas_init_resident(struct mcas *mcas, uint64_t resident_off, uint32_t n);

/*
 * Value of a word now; while a change is under way, what it counts as until that is decided.  One
 * load when nothing is under way.  Never writes: works on a read-only mapping.
 * MCAS_DONE or MCAS_E_CORRUPT (index out of range, or marks without end).
 */
int mcas_read(struct mcas *mcas, uint32_t index, uint64_t *ret_word);

/*
 * The same for whoever is to change the word, or reads words that depend on it: a change that has been
 * decided has also reached its dependent words when this returns.  ret_found: what the word held, for
 * mcas-own.h.
 */
int mcas_look(struct mcas *mcas, uint32_t index, uint64_t *ret_found, uint64_t *ret_word);

/*
 * One word, no descriptor.  MCAS_DONE, MCAS_CHANGED (another value, or a mark, which has then been
 * settled).
 */
int mcas_change_one(struct mcas *mcas, uint32_t index, uint64_t old, uint64_t new);

/* Adds a change; a second change of the same word replaces its new value.  False when full. */
bool mcas_op_add(struct mcas_op *op, uint32_t index, uint64_t old, uint64_t new);

/* All or nothing.  Any outcome; only MCAS_DONE has changed anything.  One change is guarded at least. */
int mcas_commit(struct mcas *mcas, const struct actor *actor, const struct mcas_op *op);

/*
 * Takes two resident descriptors for one thread of the actor's process: the slot for struct actor, or
 * MCAS_SLOT_NONE if all are taken.  One commit at a time may use them: not that of a signal handler
 * inside another one's.  What a thread left half-way through (a jump, its end) its next commit
 * with them ends, or that of the thread of the same process that takes the slot over.
 */
uint32_t mcas_resident_bind(struct mcas *mcas, const struct actor *actor);
/* Gives them back; no commit uses them any more. */
void mcas_resident_release(struct mcas *mcas, uint64_t client, uint32_t slot);

/*
 * Finishes and frees the descriptors of a client known to be dead.  Idempotent; may run beside
 * everything else, and be killed and run again.
 */
void mcas_recover(struct mcas *mcas, uint64_t client);

/* The unit's invariants, on a file nobody is using.  True if they hold. */
bool mcas_verify(const struct mcas *mcas);

#endif

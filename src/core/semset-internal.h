/*
 * semset-internal.h: what the files of semset share: the file's structures, and transactions.
 *
 * A transaction collects, in private memory, every word a decision rests on, and what becomes of it;
 * the commit changes or at least re-versions all of them, so the decision was true when it
 * happened.  Everything a set does besides the one-operation fast path is one build function that
 * fills a transaction, run by semtx_run() until it commits.
 */
#ifndef CORE_SEMSET_INTERNAL_H
#define CORE_SEMSET_INTERNAL_H

#include "core/semset.h"

#define SEMSET_MAGIC 0x314d4553u /* "SEM1" */
#define SEMSET_VERSION 2u

/* Words a SETALL has room for besides all semaphores: those whom it lets go on. */
#define SEMSET_GRANTS_BESIDE_ALL (MCAS_LARGE_MAX / 2)

/* Growth is counted in these; callers round to their own page. */
#ifndef SEMSET_PAGE
#define SEMSET_PAGE 4096u
#define SEMSET_SLEEPERS_FIRST 64u
#define SEMSET_ROWS_FIRST 64u
#endif
/* Rows of a set of thousands: at least one, and no more address space than this. */
#define SEMSET_ROWS_FIRST_SIZE (64u << 10)
#define SEMSET_ROWS_SIZE_MAX (64u << 20)

/* Words one call may look at before it takes the file for a liar's: seconds. */
#define SEMTX_BUDGET (UINT32_C(1) << 29)
/* Wakes a list takes; the explorer builds with fewer. */
#ifndef SEMSET_WAKES_MAX
#define SEMSET_WAKES_MAX WAKES_MAX
#endif
/* After so many tries in vain a transaction ends no more sleepers at once than a list holds. */
#define SEMTX_TRIES_MODEST 8u
/* Tries of one transaction, and those that found every descriptor taken. */
#define SEMTX_TRIES_MAX 1000000u
#define SEMTX_BUSY_MAX 2000u

struct semset_header {
	/* Read-mostly: one line. */
	struct shared32 magic;
	struct shared32 version;
	struct shared64 signature;
	struct shared32 n_sems;
	struct shared32 removed;
	struct shared64 ctime_s;
	struct shared32 slots_backed; /* 0 or 1 */
	struct shared32 large_backed;
	struct shared32 sleepers_backed; /* that many from the bottom */
	struct shared32 rows_backed;
	uint8_t pad[16];
	/* The sleepers' own line. */
	struct shared64 high_water;
	struct shared64 clock;
	uint8_t pad2[48];
};

/* Word: value (15) | waiters (1) | epoch (16). */
struct semset_cell {
	struct shared64 word;
	struct shared64 otime_s;
	struct shared32 pid;
	uint8_t pad[44];
};

/*
 * A sleeper's record; a long array goes on in further records, which the sleeper has claimed too and
 * whose state stays FREE.  link: n_ops (16) | row + 1 (16) | next record + 1 (32).
 */
#define SEMSET_RECORD_OPS 4u
struct semset_record {
	struct sleeper_record head;
	struct shared64 link;
	struct shared64 ops[SEMSET_RECORD_OPS];
};

STATIC_ASSERT(sizeof(struct semset_header) == SEMSET_FORMAT_SIZE);
STATIC_ASSERT(sizeof(struct semset_cell) == 64);
STATIC_ASSERT(sizeof(struct semset_record) == 64);
STATIC_ASSERT(SEM_NSEMS_MAX + SEMSET_GRANTS_BESIDE_ALL <= MCAS_WORDS_MAX);
STATIC_ASSERT((SEMSET_UNDO_ROWS_MAX & (SEMSET_UNDO_ROWS_MAX - 1)) == 0); /* whole levels */

#define SEM_WAITERS 0x8000u

static inline uint32_t sem_value(uint32_t payload)
{
	return payload & 0x7fffu;
}

static inline uint32_t sem_epoch(uint32_t payload)
{
	return payload >> 16;
}

/* An undo word: adjustment (16, two's complement) | epoch of the semaphore it belongs to (16). */
static inline int32_t undo_adjustment(uint32_t payload, uint32_t epoch)
{
	return payload >> 16 == epoch ? (int32_t)(int16_t)(uint16_t)payload : 0;
}

static inline uint32_t undo_payload(int32_t adjustment, uint32_t epoch)
{
	return epoch << 16 | (uint16_t)adjustment;
}

/* Argument of a WAITING state: lets a scan pass over most sleepers without their records. */
#define WAITING_SEM_MASK 0xffffu
#define WAITING_SINGLE 0x10000u /* the array names one semaphore: WAITING_SEM_MASK */
#define WAITING_ALTERS 0x20000u

/* Argument of a DONE state: the result, and whether a later SETVAL bars handing it back. */
#define DONE_RESULT_MASK 0xffu
#define DONE_VOID 0x100u
/* It was on no list of wakes: one commit ends more sleepers than a list holds.  Settling tells it. */
#define DONE_UNTOLD 0x200u

/* An undo row whose process is at its end: seen by no new call of that process. */
#define ROW_CLOSING (UINT64_C(1) << 63)
#define ROW_NONE UINT32_MAX

static inline struct semset_header *semset_header(const struct semset *set)
{
	return (struct semset_header *)(void *)set->base;
}

static inline struct semset_cell *semset_cell(const struct semset *set, uint32_t sem)
{
	return (struct semset_cell *)(void *)(set->base + sizeof(struct semset_header)) + sem;
}

static inline uint32_t sem_word_index(const struct semset *set, uint32_t sem)
{
	(void)set; /* every set begins like this */
	return (uint32_t)(sizeof(struct semset_header) / 8 + sem * (sizeof(struct semset_cell) / 8));
}

static inline uint32_t undo_word_index(const struct semset *set, uint32_t row, uint32_t sem)
{
	return (uint32_t)(set->layout.rows_off / 8) + row * set->layout.n_sems + sem;
}

static inline struct shared64 *row_owner(const struct semset *set, uint32_t row)
{
	return (struct shared64 *)(void *)(set->base + set->layout.owners_off) + row;
}

static inline struct semset_record *semset_record(const struct semset *set, uint32_t index)
{
	return (struct semset_record *)(void *)sleeper_record(&set->sleepers, index);
}

static inline bool semset_slots_backed(const struct semset *set)
{
	return shared32_load(&semset_header(set)->slots_backed) != 0;
}

/* The descriptors that are backed; false if none is. */
static inline bool semset_backed_slots(const struct semset *set, struct mcas *ret_mcas)
{
	*ret_mcas = set->mcas;
	if (!shared32_load(&semset_header(set)->large_backed))
		ret_mcas->large = NULL;
	return semset_slots_backed(set);
}

static inline uint32_t semset_sleepers_backed(const struct semset *set)
{
	return u32_min(shared32_load(&semset_header(set)->sleepers_backed), set->layout.n_sleepers);
}

static inline uint32_t semset_rows_backed(const struct semset *set)
{
	return u32_min(shared32_load(&semset_header(set)->rows_backed), set->layout.n_rows);
}

/* Sleepers to scan: those that may have been used and are backed. */
static inline uint32_t semset_scan_end(const struct semset *set)
{
	return u32_min(sleeper_scan_end(&set->sleepers), semset_sleepers_backed(set));
}

/* mcas_read with its common case inline.  index is our own arithmetic, inside the layout. */
static inline int semset_word(struct semset *set, uint32_t index, uint64_t *ret_word)
{
	uint64_t word = shared64_load(&set->mcas.words[index]);

	if (mcas_is_mark(word))
		return mcas_read(&set->mcas, index, ret_word);
	*ret_word = word;
	return MCAS_DONE;
}

/* mcas_look with its common case inline. */
static inline int semset_look(struct semset *set, uint32_t index, uint64_t *ret_found,
			      uint64_t *ret_word)
{
	uint64_t word = shared64_load(&set->mcas.words[index]);

	if (mcas_is_mark(word))
		return mcas_look(&set->mcas, index, ret_found, ret_word);
	*ret_found = word;
	*ret_word = word;
	return MCAS_DONE;
}

/* mcas_change_one with its common case inline. */
static inline int semset_change(struct semset *set, uint32_t index, uint64_t old, uint64_t new)
{
	if (shared64_cas(&set->mcas.words[index], old, new))
		return MCAS_DONE;
	return mcas_change_one(&set->mcas, index, old, new);
}

/* Pid and time.  Who is killed before it has done his operation; only these two lag behind. */
static inline void cell_stamp(struct semset_cell *cell, const struct actor *actor)
{
	shared32_store(&cell->pid, actor->pid);
	shared64_store(&cell->otime_s, (uint64_t)actor->now_s);
}

/* --- transactions (semset-txn.c) ------------------------------------------------------------------ */

/* Outcomes between these files, besides those of semset.h. */
enum semtx_outcome {
	SEMTX_FULL = 100,     /* more words than this transaction holds */
	SEMTX_RETRY = 101,    /* the situation is another: the caller begins anew */
	SEMTX_STALE = 102,    /* a word changed while the transaction was built: build again */
	SEMTX_ROW_GONE = 103, /* the undo row is no longer that client's */
	SEMSET_UNUSUAL = 104, /* semset_one(): neither done nor decided */
};

#define SEMTX_PID 1u     /* sempid becomes mark.pid */
#define SEMTX_OTIME 2u   /* otime becomes now; never without SEMTX_PID */
#define SEMTX_TOUCHED 4u /* its value changed on the way */
#define SEMTX_WANTED 8u  /* a sleeper that remains names it */

struct semtx_mark {
	uint32_t pid;
	uint32_t flags;
};

/* Buckets of a large transaction's index. */
#define SEMTX_BUCKETS 256u

struct semtx {
	struct semset *set;
	const struct actor *actor;
	struct wakes *wakes;
	struct mcas_change *changes;
	struct semtx_mark *marks;
	uint16_t *buckets; /* entry + 1; NULL in a small transaction, which is searched */
	uint16_t *chain;
	uint32_t n;
	uint32_t n_max;
	uint32_t n_wakes; /* wakes->n after the commit */
	uint32_t budget;
	bool is_largest; /* no larger one can be had */
	bool dirty;   /* there is something to commit */
	bool touched; /* a value changes */
	bool settle;  /* every sleeper is looked at, not only those that name a touched semaphore */
	bool more;    /* further grants may be due after the commit, or sleepers to be told */
	bool modest;  /* others are in the way: the fewer words the better */
};

/* Somebody's array: the caller's own or a sleeper's.  ops is private memory, sem_num in range. */
struct semtx_array {
	const struct abi_sembuf *ops;
	uint32_t n_ops;
	uint32_t row;
	uint32_t pid;
	uint64_t client;
};

/* Fills the transaction: DONE = commit it; any other outcome = nothing to commit, that is the answer. */
typedef int semtx_build(struct semtx *tx, void *context);

int semtx_run(struct semset *set, const struct actor *actor, semtx_build *build, void *context,
	      struct wakes *wakes);
/* The same, in semset_set_all_size() bytes of memory if it does not fit on the stack. */
int semtx_run_in(struct semset *set, const struct actor *actor, semtx_build *build, void *context,
		 struct wakes *wakes, void *memory);

/* The entry of a word, or UINT32_MAX. */
uint32_t semtx_find(const struct semtx *tx, uint32_t word_index);
/* The same, added with its value now if need be.  0, SEMTX_FULL, SEMSET_E_CORRUPT. */
int semtx_entry(struct semtx *tx, uint32_t word_index, uint32_t *ret_entry);
/* Adds a word as it was read before.  0, SEMTX_FULL. */
int semtx_add(struct semtx *tx, uint32_t word_index, uint64_t old, uint32_t *ret_entry);
/* Forgets the entries from n on. */
void semtx_truncate(struct semtx *tx, uint32_t n);

/* Counts words looked at; at 0 the call gives up. */
static inline void semtx_spend(struct semtx *tx, uint32_t n)
{
	tx->budget -= u32_min(tx->budget, n);
}

static inline uint32_t semtx_payload(const struct semtx *tx, uint32_t entry)
{
	return mcas_payload(tx->changes[entry].new);
}

static inline void semtx_set_payload(struct semtx *tx, uint32_t entry, uint32_t payload)
{
	tx->changes[entry].new = mcas_next(tx->changes[entry].old, payload);
}

/*
 * Carries out an array on the transaction's values (SEM-8, SEM-9): DONE, or BLOCKED, E_AGAIN,
 * E_RANGE at operation *ret_stop, or a SEMTX outcome.  If not DONE, values are as before.
 */
int semtx_apply(struct semtx *tx, const struct semtx_array *array, uint32_t *ret_stop);
/* Takes back the first n_ops operations of an array that was carried out. */
void semtx_revert(struct semtx *tx, const struct semtx_array *array, uint32_t n_ops);
/* The array stays: notes pids, times and touched semaphores. */
void semtx_keep(struct semtx *tx, const struct semtx_array *array);

/* A call's array, checked, with its row if it adjusts.  DONE or an outcome. */
int semtx_array_prepare(struct semset *set, const struct actor *actor, const struct abi_sembuf *ops,
			uint32_t n_ops, struct semtx_array *ret_array);
/* A build function: carries out the array in context, and keeps it. */
int semtx_build_op(struct semtx *tx, void *context);

/* Hands a scratch transaction to use(); if that answers SEMTX_FULL, again one that holds any array. */
int semtx_scratch(struct semset *set, semtx_build *use, void *context);

/* --- sleepers (semset-wait.c) --------------------------------------------------------------------- */

/* A sleeper as read from the file. */
struct semwait {
	uint32_t index;
	uint64_t word; /* its state; if it is still the same later, the rest is true */
	uint64_t ticket;
	struct semtx_array array;
	struct abi_sembuf ops[SEM_NOPS_MAX];
};

/* Reads a sleeper's record; false if it makes no sense. */
bool semwait_load(const struct semset *set, uint32_t index, struct semwait *ret_wait);
/* The wake pass (SEM-21) on a transaction: grants and ends sleepers.  0 or an outcome. */
int semwait_grant(struct semtx *tx);
/* Makes a blocked call a sleeper: WAITING or a result; SEMTX_RETRY: not blocked any more. */
int semwait_register(struct semset *set, const struct actor *actor, const struct semtx_array *array,
		     struct semset_sleeper *ret_sleeper);
/* Claims records for an array and writes it down; the first one is the sleeper.  DONE, GROW, NOMEM. */
int semwait_claim(struct semset *set, const struct actor *actor, const struct semtx_array *array,
		  uint32_t *ret_index);
/* Gives back a sleeper's records; its state is FREE or DONE.  Bounded by what an array can take. */
void semwait_release(struct semset *set, uint32_t index, uint64_t client);
/* What the state of one who waits with this array says. */
uint32_t semwait_argument(const struct semtx_array *array);
/* Adds the waiters flag of every semaphore the array names.  0 or an outcome. */
int semwait_flag(struct semtx *tx, const struct semtx_array *array);
/* Looks at every sleeper; adds to wakes. */
int semwait_settle(struct semset *set, const struct actor *actor, struct wakes *wakes);
/* After a call's own change: settles for as long as the list of wakes has room. */
int semwait_finish(struct semset *set, const struct actor *actor, int outcome, struct wakes *wakes);

/* --- adjustments (semset-undo.c) ------------------------------------------------------------------ */

/* SETVAL, SETALL. */
struct semset_assignment {
	const uint16_t *values; /* for semaphores first .. first + n - 1 */
	uint32_t first;
	uint32_t n;
};

/* A build function: the assignment in context; and what is left to do after its commit: the outcome. */
int semundo_build_assignment(struct semtx *tx, void *context);
int semundo_assigned(struct semset *set, const struct actor *actor,
		     const struct semset_assignment *assignment, int outcome, struct wakes *wakes);

/* The client's undo row, taken if it has none.  DONE, SEMSET_GROW_ROWS, SEMSET_E_NOMEM. */
int semrow_find(struct semset *set, uint64_t client, uint32_t *ret_row);

/* Where semrow_find looks first; a whole number of levels, hence a power of two. */
static inline uint32_t semrow_first_place(const struct semset *set, uint64_t client)
{
	return (uint32_t)client & (set->layout.n_rows_first - 1);
}

#endif

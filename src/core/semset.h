/*
 * semset.h: a semaphore set in a mapped file (rules SEM-*, UNDO-*, BLK-* of the contract).
 *
 * File: header | semaphores, one cache line each | mcas descriptors | sleepers | undo rows.
 * Only header and semaphores are backed by storage from the start (common_size); the rest of the
 * sparse file is backed when it is first needed (SEMSET_GROW_*), so a set that nobody sleeps on or
 * adjusts costs a page.
 * A semaphore's word carries value (15) | waiters (1) | epoch (16).  `waiters` is set while a
 * sleeper's array names the semaphore: registering and setting it are one commit, so who changes
 * a value learns from the word itself whether anybody may want it, and a set without sleepers
 * pays nothing.  `epoch` grows with SETVAL/SETALL and voids every adjustment made before (UNDO-13).
 *
 * No call here sleeps, allocates or makes a system call.  Whatever the file contains, each call
 * ends within its bound and touches only the mapping (P5).
 */
#ifndef CORE_SEMSET_H
#define CORE_SEMSET_H

#include "core/abi.h"
#include "core/sleeper.h"
#include "core/stead.h"

enum semset_outcome {
	SEMSET_DONE = 0,
	SEMSET_BLOCKED = 1,   /* would sleep; nothing changed */
	SEMSET_WAITING = 2,   /* is registered as a sleeper, or still sleeps */
	SEMSET_MORE = 3,      /* done, but more wakes are due: carry out these, then semset_settle() */
	SEMSET_E_AGAIN = 4,   /* EAGAIN: the deciding operation has IPC_NOWAIT (SEM-9) */
	SEMSET_E_RANGE = 5,   /* ERANGE */
	SEMSET_E_FBIG = 6,    /* EFBIG: sem_num outside the set */
	SEMSET_E_REMOVED = 7, /* EIDRM for a sleeper; for a new call the id is gone: EINVAL */
	SEMSET_E_NOMEM = 8,   /* ENOMEM: no undo row, sleeper or descriptor left */
	SEMSET_E_CORRUPT = 9, /* the file breaks its own rules: EIO */
	/*
	 * Nothing was done, as a part of the file needs storage first: semset_growth() says which
	 * ranges, semset_grown() that they have it; then the same call again.  An honest file asks
	 * for each kind once or twice in a row; one that goes on asking lies.  Possible results of:
	 * op, op_or_wait, settle, set_value, set_all, apply_undo, recover.
	 */
	SEMSET_GROW_SLOTS = 16,    /* descriptors */
	SEMSET_GROW_LARGE = 17,    /* descriptors for changes of many words */
	SEMSET_GROW_SLEEPERS = 18, /* room for (more) sleepers */
	SEMSET_GROW_ROWS = 19,     /* room for (more) processes with adjustments */
};

/* Extents of a set's file. */
struct semset_layout {
	uint32_t n_sems;
	uint32_t n_sleepers;
	uint32_t n_rows;
	uint32_t n_rows_first; /* undo rows backed at once by the first growth; it doubles from there */
	uint64_t sems_off;
	uint64_t slots_off;
	uint64_t resident_off; /* right after the others: backed together */
	uint64_t large_off;
	uint32_t large_max;    /* words a large descriptor takes */
	uint64_t words_off;   /* sleepers' state words */
	uint64_t records_off; /* sleepers' records */
	uint64_t owners_off;  /* undo rows' owners */
	uint64_t rows_off;    /* undo rows: n_sems words each */
	uint64_t size;
	uint64_t common_size; /* from 0: what every user touches; storage is reserved for it at creation */
};

/* A bound set: private to the process, never re-read from the file.  Points into itself: not copied. */
struct semset {
	struct mcas mcas;
	struct sleepers sleepers;
	struct semset_layout layout;
	uint8_t *base;
};

/* A sleeping call; the caller keeps it on its stack. */
struct semset_sleeper {
	uint32_t index;      /* sleeper index */
	uint32_t word_index; /* wait on the low half of this word ... */
	uint32_t expected;   /* ... while it equals this */
};

/* What a SEMSET_GROW_* outcome asks for: ranges to back, page-rounded outwards by the caller. */
struct semset_growth {
	int outcome;
	uint32_t until; /* sleepers or rows that are then backed */
	uint32_t n_ranges;
	struct {
		uint64_t offset;
		uint64_t size;
	} ranges[3];
};

struct semset_stat {
	int64_t otime_s;
	int64_t ctime_s;
};

/* 0, or SEMSET_E_RANGE if n_sems is 0 or above SEM_NSEMS_MAX. */
int semset_layout(uint32_t n_sems, struct semset_layout *ret_layout);

/*
 * Makes layout->size zero bytes into an empty set: values 0, ctime now.  Only the header is written, the
 * first SEMSET_FORMAT_SIZE bytes.
 */
#define SEMSET_FORMAT_SIZE 128u
void semset_format(void *base, const struct semset_layout *layout, int64_t now_s);

/* Binds to a mapping of size bytes; checks that it is a set of this version.  0 or SEMSET_E_CORRUPT. */
int semset_bind(struct semset *set, void *base, uint64_t size);

/* What to back for this outcome; false if it is not one of SEMSET_GROW_*. */
bool semset_growth(const struct semset *set, int outcome, struct semset_growth *ret_growth);
/* It is backed (also when the kernel cannot and the caller goes on): recorded in the file, for all. */
void semset_grown(struct semset *set, const struct semset_growth *growth);

/*
 * Takes a slot for struct actor, which makes calls of several words cheaper; see mcas.h.  MCAS_SLOT_NONE:
 * all are taken.  False: no descriptor is backed yet; ask again after the first such call.
 */
bool semset_bind_slot(struct semset *set, const struct actor *actor, uint32_t *ret_slot);

/*
 * At most SEMSET_FEW_OPS_MAX operations that change something, in the usual situation.  True: done, and
 * nobody is to be woken.  False: it changed nothing, and semset_op() will tell why.  It does not look
 * whether the set has been removed.
 */
#define SEMSET_FEW_OPS_MAX 4u
bool semset_few(struct semset *set, const struct actor *actor, const struct abi_sembuf *ops,
		uint32_t n_ops);

/*
 * One semop, all or nothing, without sleeping: DONE, MORE, BLOCKED or an E.  n_ops is 1..SEM_NOPS_MAX
 * (the caller has judged E2BIG and EINVAL).  ops is private memory.
 */
int semset_op(struct semset *set, const struct actor *actor, const struct abi_sembuf *ops,
	      uint32_t n_ops, struct wakes *ret_wakes);

/* The same, but BLOCKED becomes WAITING: the call stands in the file as a sleeper. */
int semset_op_or_wait(struct semset *set, const struct actor *actor, const struct abi_sembuf *ops,
		      uint32_t n_ops, struct wakes *ret_wakes, struct semset_sleeper *ret_sleeper);

/*
 * Looks at a sleeper after a wake: WAITING with a fresh `expected`, or its result (DONE, E_AGAIN,
 * E_RANGE, E_REMOVED), which is acknowledged: the sleeper is then gone.
 */
int semset_poll(struct semset *set, struct semset_sleeper *sleeper);

/*
 * Takes a sleeper out (signal, time-out, jump).  BLOCKED: it is out and nothing was done for it.
 * Otherwise its result came first (BLK-5, SEM-28): as semset_poll.
 */
int semset_cancel(struct semset *set, const struct actor *actor, struct semset_sleeper *sleeper);

/*
 * Grants what can be granted, without a change of its own.  DONE, MORE or E_CORRUPT.  A sleeper
 * whose slice of wait.h ends without news calls it too: nobody else may have, if the one who had
 * MORE to do was stopped before he did it.
 */
int semset_settle(struct semset *set, const struct actor *actor, struct wakes *ret_wakes);

/*
 * SETVAL: sem_num and value are in range.  SETALL: values[n_sems], all in range; memory: as many bytes as
 * semset_set_all_size() says (0 but for sets of more than a thousand), for a pointer, during the call.
 */
size_t semset_set_all_size(const struct semset *set);
int semset_set_value(struct semset *set, const struct actor *actor, uint32_t sem_num,
		     uint32_t value, struct wakes *ret_wakes);
int semset_set_all(struct semset *set, const struct actor *actor, const uint16_t *values,
		   void *memory, struct wakes *ret_wakes);

/*
 * Snapshots (PSX-23), DONE or E_CORRUPT.  None of these writes: a read-only mapping will do.  While
 * others change the set without a pause, get_all is after many tries content with values that were
 * all true during the call, if not at one instant.
 */
int semset_get_value(struct semset *set, uint32_t sem_num, uint32_t *ret_value);
int semset_get_pid(struct semset *set, uint32_t sem_num, uint32_t *ret_pid);
int semset_get_all(struct semset *set, uint16_t *ret_values);
/* semncnt and semzcnt: sleepers whose first obstacle is this semaphore (SEM-25). */
int semset_get_counts(struct semset *set, uint32_t sem_num, uint32_t *ret_ncnt, uint32_t *ret_zcnt);
void semset_get_stat(struct semset *set, struct semset_stat *ret_stat);
/* IPC_SET's ctime; written by the daemon. */
void semset_set_ctime(struct semset *set, int64_t now_s);

/* True if the object was removed; a sleeper that registers checks it afterwards by itself. */
bool semset_is_removed(const struct semset *set);

/*
 * Process exit (UNDO-7..12): applies the client's adjustments, clamped, and frees its row.  actor
 * names the client that ends and the pid that ends; who calls it does not matter: the process
 * itself in a normal exit, the daemon otherwise.  Idempotent at every step.  DONE, MORE (carry out
 * these wakes, call it again), E_CORRUPT.
 */
int semset_apply_undo(struct semset *set, const struct actor *actor, struct wakes *ret_wakes);

/* Finishes what a killed process has left half-done under this identity, and no more. */
void semset_finish(struct semset *set, uint64_t client);

/*
 * Death without user code: finishes the client's descriptors, takes its sleepers out, hands back
 * what was granted to a sleeper that never ran again, then as semset_apply_undo.  Also settles.
 */
int semset_recover(struct semset *set, const struct actor *actor, struct wakes *ret_wakes);

/*
 * The client's process runs another image: its threads ended as they stood, its adjustments stay
 * (UNDO-6), and so does what was granted to a sleeper.  DONE, MORE, E_CORRUPT.
 */
int semset_execed(struct semset *set, const struct actor *actor, struct wakes *ret_wakes);

/* IPC_RMID: marks the set and ends every sleeper with E_REMOVED.  DONE or MORE: call again. */
int semset_remove(struct semset *set, const struct actor *actor, struct wakes *ret_wakes);

/*
 * semop, SETVAL and SETALL in somebody's stead (stead.h), who is the actor.  As semset_op() and the others;
 * WAITING: it stands in the file; BLOCKED: it was not done, and nothing stands.  After DONE and MORE the
 * result stands until semset_stead_end().  n is 1 or all.
 */
int semset_stead_op(struct semset *set, const struct actor *actor, const struct stead *stead,
		    const struct abi_sembuf *ops, uint32_t n_ops, struct wakes *ret_wakes);
int semset_stead_assign(struct semset *set, const struct actor *actor, const struct stead *stead,
			const uint16_t *values, uint32_t first, uint32_t n, void *memory,
			struct wakes *ret_wakes);
/* Idempotent. */
void semset_stead_end(struct semset *set, const struct actor *actor, uint32_t number);
/* What a killed daemon was in the middle of goes back.  Only the daemon calls it, before anything else. */
void semset_stead_recover(struct semset *set);

/* True if anything in the set still belongs to the client (row, sleeper, descriptor). */
bool semset_holds(const struct semset *set, uint64_t client);

/* The unit's invariants, on a set nobody is using. */
bool semset_verify(struct semset *set);

#endif

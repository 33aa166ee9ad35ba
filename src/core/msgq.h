/*
 * msgq.h: a message queue in a mapped file (rules MSG-*, BLK-*).
 *
 * File: header | mcas descriptors | sleepers | blocks.  A message is a chain of blocks; its first
 * block carries type, size and links.  A sender copies the text into blocks of its own and publishes
 * the message with one commit; a receiver takes it out with one commit, copies, and keeps the blocks
 * for the next message it sends or gives them back.  Whatever the selector, the message is found
 * without a walk over the others.  Blocks that belong to a call under way, or are kept, hang on an
 * entry that names its owner, so that a dead one's can be found.
 *
 * Only the first common_size bytes of the file are backed by storage from the start.  A call that
 * needs more says MSGQ_GROW; see struct msgq_growth.  The file itself can be made larger while it is
 * in use (msgq_extend): calls over an older mapping then say MSGQ_REMAP.
 *
 * A call that comes back with ret_wakes full (n == WAKES_MAX) may have left others to wake: carry
 * out these, then call msgq_settle() until its list is not full.
 *
 * What a queue has needed and needs no more can be given back; see msgq_trim_due().
 *
 * No call here sleeps, allocates or makes a system call.  Whatever the file contains, each call
 * ends within its bound and touches only the mapping and the caller's buffer (P5).
 */
#ifndef CORE_MSGQ_H
#define CORE_MSGQ_H

#include "core/abi.h"
#include "core/sleeper.h"
#include "core/stead.h"

enum msgq_outcome {
	MSGQ_DONE = 0,
	MSGQ_BLOCKED = 1, /* would sleep (full, or no message); nothing changed */
	MSGQ_WAITING = 2, /* is registered as a sleeper, or still sleeps */
	MSGQ_RETRY = 3,   /* a woken sleeper must try its call again from the start */
	MSGQ_MORE = 4,    /* send, remove, recover: carry out these wakes, call again */
	MSGQ_E_2BIG = 5,
	MSGQ_E_NOMSG = 6,   /* MSG_COPY: no message at that position */
	MSGQ_E_INVAL = 7,   /* MSG_COPY with MSG_NOERROR of too long a text (MSG-26) */
	MSGQ_E_REMOVED = 8, /* EIDRM for a sleeper; for a new call the id is gone: EINVAL */
	MSGQ_E_NOMEM = 9,   /* no block or sleeper left */
	MSGQ_E_CORRUPT = 10,
	MSGQ_GROW = 11,   /* nothing changed: back what msgq_growth() names, call again */
	MSGQ_REMAP = 12,  /* nothing changed: the file has grown; map it anew, bind, call again */
	MSGQ_E_BUSY = 13, /* all descriptors are taken, or others never let us through: pause, call again */
};

struct msgq_layout {
	uint64_t qbytes_max; /* largest msg_qbytes this file has room for */
	uint32_t n_blocks;
	uint32_t n_sleepers;
	uint64_t slots_off;
	uint64_t words_off;
	uint64_t records_off;
	uint64_t blocks_off;
	uint64_t size;
	uint64_t common_size; /* from 0: what every user touches; storage is reserved for it at creation */
};

struct msgq {
	struct mcas mcas;
	struct sleepers sleepers;
	struct msgq_layout layout;
	uint8_t *base;
	struct shared64 *blocks; /* as layout says */
	uint32_t blocks_word;
	/*
	 * Set by the caller after binding: all its process's calls pass a barrier when a trimmer asks for one
	 * (msgq_trim_due), so that they need none of their own.
	 */
	bool is_fenced_from_outside;
};

/*
 * What a GROW asks for: the caller backs the ranges with storage, then says so.  Several may do
 * this at a time; a range is asked for again only by those who came before it was done.
 */
struct msgq_growth {
	uint32_t n_ranges; /* may be 0: somebody else has done it meanwhile */
	struct {
		uint64_t off; /* page-aligned, inside the mapping */
		uint64_t size;
	} ranges[4];
	uint32_t n_blocks; /* backed after this, of the arena of the last of them ... */
	uint64_t backed;   /* ... if that is still as it was */
	uint32_t n_sleepers;
	uint32_t page; /* of roots, if not 0 */
};

struct msgq_sleeper {
	uint32_t index;
	uint32_t word_index;
	uint32_t expected;
	uint32_t hint; /* of the actor */
	uint64_t client;
};

/*
 * A thread keeps blocks of the queue from call to call, by its client and hint.  So no two calls may
 * run with the same at a time, also not that of a signal handler inside another one's, but with this.
 */
#define MSGQ_HINT_NONE ACTOR_HINT_NONE

/* What msgrcv asks for. */
struct msgq_want {
	int64_t type;     /* msgtyp */
	uint64_t size;    /* msgsz */
	uint32_t flags;   /* ABI_MSG_NOERROR, ABI_MSG_EXCEPT */
};

struct msgq_stat {
	uint64_t cbytes;
	uint64_t qnum;
	uint64_t qbytes;
	uint32_t lspid;
	uint32_t lrpid;
	int64_t stime_s;
	int64_t rtime_s;
	int64_t ctime_s;
};

/* 0, or MSGQ_E_INVAL if qbytes_max is above MSG_TEXT_MAX. */
int msgq_layout(uint64_t qbytes_max, struct msgq_layout *ret_layout);
/* Makes layout->size zero bytes into an empty queue; writes to the first common_size bytes only. */
void msgq_format(void *base, const struct msgq_layout *layout, uint64_t qbytes, int64_t now_s);
/*
 * Binds to a mapping of size bytes; the struct must stay where it is.  E_CORRUPT: not a queue of
 * this version.  REMAP: a queue, but the file is larger than this mapping.
 */
int msgq_bind(struct msgq *queue, void *base, uint64_t size);

/*
 * Gives the queue room for a larger msg_qbytes.  queue is bound to a mapping of size bytes, which
 * holds the larger layout (the file was made larger first).  Only the daemon does this.  DONE,
 * E_INVAL: smaller than it was, or than the mapping.
 */
int msgq_extend(struct msgq *queue, uint64_t size, uint64_t qbytes_max);

/* What to back with storage after a GROW, and that it has been done. */
void msgq_growth(const struct msgq *queue, struct msgq_growth *ret_growth);
void msgq_growth_done(struct msgq *queue, const struct msgq_growth *growth);

/*
 * Giving storage back.  The caller of a receive, and who sleeps, asks now and then whether it is due; then
 *
 *   msgq_trim_begin()                     false: somebody else is at it
 *   msgq_trim_close(), barrier, msgq_trim_flip()   E_BUSY: a few times more, or not now
 *   while msgq_trim_left():  barrier, msgq_trim_is_quiet(), nobody copies; then the storage of each
 *                            msgq_trim_next() is taken away, what was in it reads as zero;
 *                            msgq_trim_done()
 *   msgq_trim_end()
 *
 * The barrier is one on all threads of all processes that have the queue mapped, but for those whose
 * calls pass one each.  What is left from a trimmer that was killed comes first: the loop is run
 * before the flip, too.  Who calls msgq_copy() says so in a way that ends with his process, and that
 * the trimmer sees without keeping him out.
 */
#define MSGQ_TRIM_DUE_OFF 12u

struct msgq_trim {
	uint64_t backed; /* as found */
	uint32_t arena;
	uint32_t block; /* next to be given back */
};

/* Not 0: msgq_trim_is_due() has more to say. */
static inline uint32_t msgq_trim_due(const struct msgq *queue)
{
	return shared32_load((const struct shared32 *)(const void *)(queue->base + MSGQ_TRIM_DUE_OFF));
}

bool msgq_trim_is_due(struct msgq *queue, int64_t now_s);
bool msgq_trim_begin(struct msgq *queue, const struct actor *actor);
void msgq_trim_close(struct msgq *queue);
/* DONE: the storage there was is no longer in use.  BLOCKED: it is.  E_BUSY: somebody is inside; ... */
int msgq_trim_flip(struct msgq *queue, const struct actor *actor);
/* True if there is storage to be taken away. */
bool msgq_trim_left(struct msgq *queue, struct msgq_trim *ret_trim);
/* True if all calls under way began after the flip. */
bool msgq_trim_is_quiet(struct msgq *queue);
/* A range, page-aligned and inside the mapping; false: there is no further one. */
bool msgq_trim_next(const struct msgq *queue, struct msgq_trim *trim, uint64_t *ret_off,
		    uint64_t *ret_size);
void msgq_trim_done(struct msgq *queue, const struct msgq_trim *trim);
/* again: look again, a second from now; not before, so that a queue that swings does not pay each time. */
void msgq_trim_end(struct msgq *queue, const struct actor *actor, bool again);

/*
 * msgsnd without sleeping: DONE, BLOCKED (no room, MSG-3..6), MORE (nothing sent yet), GROW, REMAP, or
 * an E.  type is 1 or more; text is private memory.
 */
int msgq_send(struct msgq *queue, const struct actor *actor, int64_t type, const void *text,
	      uint64_t size, struct wakes *ret_wakes);
/* The same, but BLOCKED becomes WAITING until room may be there; the wake says RETRY (MSG-36). */
int msgq_send_or_wait(struct msgq *queue, const struct actor *actor, int64_t type, const void *text,
		      uint64_t size, struct wakes *ret_wakes, struct msgq_sleeper *ret_sleeper);

/*
 * msgrcv without sleeping.  DONE: *ret_type, *ret_size set and text written (at most want->size
 * bytes).  BLOCKED: nothing matches.  E_2BIG: the selected message is too long and stays.  text is
 * private memory, untouched unless DONE.
 */
int msgq_receive(struct msgq *queue, const struct actor *actor, const struct msgq_want *want,
		 void *text, uint64_t *ret_size, int64_t *ret_type, struct wakes *ret_wakes);
int msgq_receive_or_wait(struct msgq *queue, const struct actor *actor, const struct msgq_want *want,
			 void *text, uint64_t *ret_size, int64_t *ret_type, struct wakes *ret_wakes,
			 struct msgq_sleeper *ret_sleeper);

/*
 * A receiver after a wake: WAITING with a fresh `expected`; DONE with a message handed off to it
 * (MSG-30), copied to text; E_2BIG, E_REMOVED; RETRY.  All but WAITING, REMAP and E_BUSY end the
 * sleeper.  Look at least once per slice of sys/wait.h, woken or not: a waker that was killed half-way
 * is made good here.
 */
int msgq_receive_poll(struct msgq *queue, const struct actor *actor, struct msgq_sleeper *sleeper,
		      const struct msgq_want *want, void *text, uint64_t *ret_size,
		      int64_t *ret_type, struct wakes *ret_wakes);
/* A sender after a wake: WAITING, RETRY or E_REMOVED; likewise. */
int msgq_send_poll(struct msgq *queue, struct msgq_sleeper *sleeper);

/* Takes a sleeper out.  BLOCKED: out, nothing done for it; otherwise as the polls. */
int msgq_receive_cancel(struct msgq *queue, const struct actor *actor, struct msgq_sleeper *sleeper,
			const struct msgq_want *want, void *text, uint64_t *ret_size,
			int64_t *ret_type, struct wakes *ret_wakes);
int msgq_send_cancel(struct msgq *queue, const struct actor *actor, struct msgq_sleeper *sleeper,
		     struct wakes *ret_wakes);

/*
 * msgsnd and msgrcv in somebody's stead (stead.h), who is the actor.  BLOCKED: it was not done, and nothing
 * stands; a sender never waits, so whoever asks again begins anew.  WAITING: a receiver that stands in the
 * queue.  After DONE the result stands, a message with its text, until msgq_stead_end(): DONE, or an outcome
 * after which it is to be called again.
 */
int msgq_stead_send(struct msgq *queue, const struct actor *actor, const struct stead *stead, int64_t type,
		    const void *text, uint64_t size, struct wakes *ret_wakes);
int msgq_stead_receive(struct msgq *queue, const struct actor *actor, const struct stead *stead,
		       const struct msgq_want *want, void *text, uint64_t *ret_size,
		       int64_t *ret_type, struct wakes *ret_wakes);
int msgq_stead_end(struct msgq *queue, const struct actor *actor, uint32_t number,
		   struct wakes *ret_wakes);
/*
 * What a killed daemon was in the middle of goes back.  Only the daemon calls it, before anything else; the
 * actor is ACTOR_DAEMON.  As msgq_recover().
 */
int msgq_stead_recover(struct msgq *queue, const struct actor *actor, struct wakes *ret_wakes);

/*
 * MSG_COPY: the message at a position, left where it is.  DONE, E_NOMSG, E_2BIG, E_INVAL.  This and
 * msgq_get_stat only read: the mapping may be read-only.  text may be written on any outcome.
 */
int msgq_copy(struct msgq *queue, int64_t position, uint64_t size_max, bool noerror, void *text,
	      uint64_t *ret_size, int64_t *ret_type);

void msgq_get_stat(struct msgq *queue, struct msgq_stat *ret_stat);

/*
 * IPC_SET: new msg_qbytes and ctime; wakes senders that now fit and makes receivers re-check
 * (MSG-43, MSG-44).  E_INVAL: more than the file has room for: msgq_extend() first.
 */
int msgq_set(struct msgq *queue, const struct actor *actor, uint64_t qbytes, struct wakes *ret_wakes);

/* Wakes who is due, without a change of its own: senders that fit, receivers that must re-check. */
int msgq_settle(struct msgq *queue, const struct actor *actor, struct wakes *ret_wakes);

bool msgq_is_removed(const struct msgq *queue);

/* A number that every change of the queue raises. */
uint32_t msgq_progress(const struct msgq *queue);

/*
 * As for sets: death of a client (messages handed to a sleeper that never took them go back to
 * their place in the queue), IPC_RMID, leftovers, invariants of a queue nobody is using.  One
 * process at a time calls recover, which may also say GROW: a message that goes back needs a node.
 */
int msgq_recover(struct msgq *queue, const struct actor *actor, struct wakes *ret_wakes);
int msgq_remove(struct msgq *queue, const struct actor *actor, struct wakes *ret_wakes);
bool msgq_holds(const struct msgq *queue, uint64_t client);
bool msgq_verify(struct msgq *queue);

#endif

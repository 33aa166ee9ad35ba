/*
 * msgq.h: a message queue in a mapped file (rules MSG-*, BLK-*).
 *
 * File: header | mcas descriptors | sleepers | blocks.  A message is a chain of blocks; its first
 * block carries type, size and links.  A sender takes blocks, copies the text into them privately
 * and publishes the message with one commit over the links, byte count and message count; a
 * receiver takes it out with one commit, copies, and gives the blocks back.  Blocks that belong to
 * a call under way name their owner, so that a dead one's can be found.
 *
 * No call here sleeps, allocates or makes a system call.  Whatever the file contains, each call
 * ends within its bound and touches only the mapping and the caller's buffer (P5).
 */
#ifndef CORE_MSGQ_H
#define CORE_MSGQ_H

#include "core/abi.h"
#include "core/sleeper.h"

enum msgq_outcome {
	MSGQ_DONE = 0,
	MSGQ_BLOCKED = 1, /* would sleep (full, or no message); nothing changed */
	MSGQ_WAITING = 2, /* is registered as a sleeper, or still sleeps */
	MSGQ_RETRY = 3,   /* a woken sleeper must try its call again from the start */
	MSGQ_MORE = 4,    /* remove only: carry out these wakes, call again */
	MSGQ_E_2BIG = 5,
	MSGQ_E_NOMSG = 6,   /* MSG_COPY: no message at that position */
	MSGQ_E_INVAL = 7,   /* MSG_COPY with MSG_NOERROR of too long a text (MSG-26) */
	MSGQ_E_REMOVED = 8, /* EIDRM for a sleeper; for a new call the id is gone: EINVAL */
	MSGQ_E_NOMEM = 9,   /* no block, sleeper or descriptor left */
	MSGQ_E_CORRUPT = 10,
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
};

struct msgq_sleeper {
	uint32_t index;
	uint32_t word_index;
	uint32_t expected;
};

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
void msgq_format(void *base, const struct msgq_layout *layout, uint64_t qbytes, int64_t now_s);
int msgq_bind(struct msgq *queue, void *base, uint64_t size);

/* msgsnd without sleeping: DONE, BLOCKED (no room, MSG-3..6), or an E.  text is private memory. */
int msgq_send(struct msgq *queue, const struct actor *actor, int64_t type, const void *text,
	      uint64_t size, struct wakes *ret_wakes);
/* The same, but BLOCKED becomes WAITING until room may be there; the wake says RETRY (MSG-36). */
int msgq_send_or_wait(struct msgq *queue, const struct actor *actor, int64_t type, const void *text,
		      uint64_t size, struct wakes *ret_wakes, struct msgq_sleeper *ret_sleeper);

/*
 * msgrcv without sleeping.  DONE: *ret_type, *ret_size set and text written (at most want->size
 * bytes).  BLOCKED: nothing matches.  E_2BIG: the selected message is too long and stays.
 */
int msgq_receive(struct msgq *queue, const struct actor *actor, const struct msgq_want *want,
		 void *text, uint64_t *ret_size, int64_t *ret_type, struct wakes *ret_wakes);
int msgq_receive_or_wait(struct msgq *queue, const struct actor *actor, const struct msgq_want *want,
			 void *text, uint64_t *ret_size, int64_t *ret_type, struct wakes *ret_wakes,
			 struct msgq_sleeper *ret_sleeper);

/*
 * A receiver after a wake: WAITING with a fresh `expected`; DONE with a message handed off to it
 * (MSG-30), copied to text; E_2BIG, E_REMOVED; RETRY.  All but WAITING end the sleeper.
 */
int msgq_receive_poll(struct msgq *queue, const struct actor *actor, struct msgq_sleeper *sleeper,
		      const struct msgq_want *want, void *text, uint64_t *ret_size,
		      int64_t *ret_type, struct wakes *ret_wakes);
/* A sender after a wake: WAITING, RETRY or E_REMOVED. */
int msgq_send_poll(struct msgq *queue, struct msgq_sleeper *sleeper);

/* Takes a sleeper out.  BLOCKED: out, nothing done for it; otherwise as the polls. */
int msgq_receive_cancel(struct msgq *queue, const struct actor *actor, struct msgq_sleeper *sleeper,
			const struct msgq_want *want, void *text, uint64_t *ret_size,
			int64_t *ret_type, struct wakes *ret_wakes);
int msgq_send_cancel(struct msgq *queue, const struct actor *actor, struct msgq_sleeper *sleeper,
		     struct wakes *ret_wakes);

/* MSG_COPY: the message at a position, left where it is.  DONE, E_NOMSG, E_2BIG, E_INVAL. */
int msgq_copy(struct msgq *queue, int64_t position, uint64_t size_max, bool noerror, void *text,
	      uint64_t *ret_size, int64_t *ret_type);

void msgq_get_stat(struct msgq *queue, struct msgq_stat *ret_stat);

/* IPC_SET: new msg_qbytes and ctime; wakes senders that now fit and makes receivers re-check. */
int msgq_set(struct msgq *queue, const struct actor *actor, uint64_t qbytes, struct wakes *ret_wakes);

bool msgq_is_removed(const struct msgq *queue);

/* As for sets: death of a client, IPC_RMID, leftovers, invariants. */
int msgq_recover(struct msgq *queue, const struct actor *actor, struct wakes *ret_wakes);
int msgq_remove(struct msgq *queue, const struct actor *actor, struct wakes *ret_wakes);
bool msgq_holds(const struct msgq *queue, uint64_t client);
bool msgq_verify(struct msgq *queue);

#endif

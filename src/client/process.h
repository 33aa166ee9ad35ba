/*
 * process.h: this process's identity and everything of the library that a fork must not inherit.
 *
 * All of it is in one page that the kernel hands to a fork child as zeros (MADV_WIPEONFORK), so
 * that a child is known to be one however it was made.
 */
#ifndef CLIENT_PROCESS_H
#define CLIENT_PROCESS_H

#include <sys/types.h>

#include "client/thread.h"
#include "core/ledger.h"
#include "core/mcas.h"
#include "sys/clock.h"
#include "sys/fifo.h"

/* A session's two descriptors and what they were when they were opened. */
struct process_session {
	bool is_open;
	struct fifo_pair pair;
	uint64_t in_inode;
	uint64_t out_inode;
};

/*
 * nattch of a segment, with a lease (proto.h).  Taken back by whoever takes the lock: who changes what
 * is attached does.
 */
struct process_sum {
	_Atomic uint64_t lease; /* 0: none; the others are of one moment while it stays the same */
	_Atomic uint64_t n_attached;
	_Atomic uint64_t until_ns; /* monotonic, as below */
	uint64_t own;      /* the last lease we were given */
	uint64_t asked_ns; /* the last time the daemon was asked, and of what */
	int32_t asked_id;
};

struct process {
	uint32_t pid; /* 0: a fork child that has not called the library yet */
	_Atomic uint64_t client; /* 0: none yet */
	_Atomic uint32_t lock;
	_Atomic(struct thread *) lock_owner;
	uint32_t lock_depth;
	uint64_t lock_signals; /* signal mask of the owner before */
	uint32_t request_next;
	struct process_session session;
	struct process_sum sum;
	struct ledger ledger; /* base NULL: none */
};

extern struct process *process_page;

/* Makes the page, or in a fork child fills it anew. */
void process_begin(void);

static inline struct process *process_self(void)
{
	if (CLIENT_UNLIKELY(process_page->pid == 0))
		process_begin();
	return process_page;
}

/* True if the process has an identity, in one load. */
static inline bool process_has_client(void)
{
	return atomic_load_explicit(&process_page->client, memory_order_relaxed) != 0;
}

/* The process has an identity. */
static inline void process_actor(struct actor *ret_actor)
{
	ret_actor->client = atomic_load_explicit(&process_page->client, memory_order_relaxed);
	ret_actor->pid = process_page->pid;
	ret_actor->hint = client_thread.hint;
	ret_actor->now_s = clock_now_s();
	ret_actor->slot = MCAS_SLOT_NONE;
}

/* All signals off for the calling thread; the mask that was. */
uint64_t process_block_signals(void);
void process_restore_signals(uint64_t mask);

/* The library's one lock, private to the process; may be nested.  Blocks all signals. */
void process_lock(void);
void process_unlock(void);

/*
 * open, in a program that has used up its descriptors as well (ABI-14): then its limit is lifted for
 * this call, as far as the hard limit allows.  A descriptor or -errno.
 */
int process_open(const char *path, int flags);

/* The same for whatever else makes descriptors.  False: they cannot be lifted. */
struct rlimit;
bool process_lift_limit(struct rlimit *ret_saved);
void process_restore_limit(const struct rlimit *saved);

/* True if the descriptor still is the FIFO with this inode: programs close and reuse numbers. */
bool process_is_fifo(int fd, uint64_t inode);

/* The session the process has now; a fork child closes its copies. */
void process_remember_session(const struct process_session *session);

/* --- fork, exit and wait, called by the definitions in preload.c ------------------------------- */

/* Handlers around every fork. */
void process_fork_prepare(void);
void process_fork_parent(void);
void process_fork_child(void);
/* Around a call of fork() itself, whose result the handlers do not see. */
void process_fork_enter(void);
void process_fork_leave(pid_t pid);

/* The process is about to end: settles what it holds.  Not in a vfork child.  is_last: no code of
 * the program runs after this. */
void process_exit(bool is_last);

/* The calling thread shares its adjustments with nobody any more: who is alone applies them (UNDO-16). */
void process_leave_undo(void);

/* A segment has been detached, which children may have inherited; under the lock. */
void process_detached(void);

/* A child with this pid has ended and was waited for. */
void process_reaped(pid_t pid);

#endif

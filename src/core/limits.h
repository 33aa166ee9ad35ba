/* limits.h: every bound of every loop, queue, table and buffer, and the abuse it stops. */
#ifndef CORE_LIMITS_H
#define CORE_LIMITS_H

#include "core/abi.h"
#include "core/base.h"

/* Objects of one kind in a namespace (LIM-17); the id format has 15 bits of index. */
#define OBJECT_MAX 32768u

/* Processes known to one daemon at a time; each costs a registry row and a ledger file. */
#define CLIENT_MAX 16384u

/* Connections; a process has one per identity it has used lately, so a little more than clients. */
#define SESSION_MAX 20480u

/* Sessions one uid may hold (root is not bound by it): stops one user from taking them all. */
#define SESSION_PER_UID_MAX 10240u

/* Objects one uid may have created at a time, all kinds; root is not bound by it. */
#define OBJECT_PER_UID_MAX 98304u

/* Longest frame on a client FIFO; a longer length field ends the connection. */
#define FRAME_SIZE_MAX 256u

/* Replies waiting for a client that does not read; beyond it the connection is dropped. */
#define SESSION_OUT_MAX 4096u

/* Requests of one client carried out in one turn of the daemon, so that a flood cannot starve others. */
#define SESSION_REQUESTS_PER_TURN_MAX 32u

/* Effects one service step may produce; each event is written to need fewer. */
#define EFFECTS_MAX 256u

/* Semaphores in a set and operations in a call, ceilings of the settable limits (LIM-6, LIM-8). */
#define SEM_NSEMS_MAX 32000u
#ifndef SEM_NOPS_MAX
#define SEM_NOPS_MAX 500u
#endif
/* semopm is never set below this: calls of so few operations need not look at it. */
#define SEM_NOPS_MIN 4u

/*
 * Words one small and one large descriptor can change together, and descriptors in an object's file;
 * a thread holds one only while it commits.  In sets of more semaphores the large ones take them all.  Resident ones, of small size, stay with one thread; two each.
 * The explorer builds the units with fewer, and with less patience, to keep its state space small.
 */
#ifndef MCAS_SMALL_MAX
#define MCAS_SMALL_MAX 14u
#define MCAS_SMALL_SLOTS 16u
#define MCAS_LARGE_MAX 1022u
#define MCAS_LARGE_SLOTS 2u
#endif
#define MCAS_RESIDENT_MAX 100u
/* In a set's file: for half as many threads; others use the small ones. */
#ifndef SEMSET_RESIDENT_SLOTS
#define SEMSET_RESIDENT_SLOTS 60u
#endif

/* Looks at an undecided change before it is undone: a running owner is done by then. */
#ifndef MCAS_PAUSES_BEFORE_ABORT
#define MCAS_PAUSES_BEFORE_ABORT 16u
#endif

/* Looks for a free descriptor before one is seized: long enough for the commits under way to end. */
#ifndef MCAS_PATIENCE
#define MCAS_PATIENCE 256u
#define MCAS_PATIENCE_LARGE 4096u
#endif

/*
 * Rounds a data-plane call makes before it gives up with an outcome.  An honest file needs a few;
 * only a peer that rewrites the words on purpose reaches this (P5).
 */
#define MCAS_ROUNDS_MAX 1000000u
/* Marks met one after the other in one word: so many only if somebody puts them there on purpose. */
#define MCAS_MARKS_MAX 1000u

/* Sleepers in one object's file. */
#ifndef SLEEPER_MAX
#define SLEEPER_MAX 16384u
#endif

/* Processes that may hold adjustments in one set at a time; fewer in sets of thousands. */
#ifndef SEMSET_UNDO_ROWS_MAX
#define SEMSET_UNDO_ROWS_MAX 4096u
#endif

/* Words woken in one step; a longer list is handed out in several steps. */
#define WAKES_MAX 64u

/* Text bytes of a message and of a queue, ceilings of the settable limits (LIM-13, LIM-14). */
#define MSG_TEXT_MAX (256u << 20)

/* Attachments of one process; the kernel's own bound is the map count, 65530 (SHM-22). */
#define LEDGER_ATTACH_MAX 65536u

/*
 * How long a process may go by a sum of attachments it was given with a lease; so long somebody who
 * attaches waits for a daemon that is not there to end it.
 */
#define SHM_LEASE_NS 10000000u

/* The byte of a segment's file, far behind its end, that who keeps it open has a shared lock of (F_OFD_SETLK). */
#define SHM_KEPT_OFFSET (INT64_C(1) << 62)

/* Objects a process may have touched without the daemon having to search all of them at its death. */
#define LEDGER_USES_MAX 4096u

/* Forked children a process has not reaped yet and that have not become clients themselves. */
#define LEDGER_CHILDREN_MAX 8192u

STATIC_ASSERT(OBJECT_MAX == ABI_INDEX_MASK + 1u);
STATIC_ASSERT(SESSION_OUT_MAX >= 4 * FRAME_SIZE_MAX);
#ifndef USYSV_HOOKS
STATIC_ASSERT(MCAS_LARGE_MAX >= 2 * SEM_NOPS_MAX + 2); /* value and undo of each operation, one sleeper */
#endif

#endif

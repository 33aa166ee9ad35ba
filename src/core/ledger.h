/*
 * ledger.h: what one process holds, in a file that it alone writes and the daemon reads.
 *
 * Three tables: attachments (shared memory), uses (sets and queues whose files it has mapped, so
 * that its death concerns only those), children (forked processes that inherited attachments and
 * are no clients themselves yet).  The process may be killed between any two stores; each entry's
 * state word is written last when it becomes valid and first when it ceases to be.
 * The daemon believes nothing in it beyond what the process could do anyway (P5).
 */
#ifndef CORE_LEDGER_H
#define CORE_LEDGER_H

#include "core/abi.h"
#include "core/atomic.h"
#include "core/limits.h"

enum ledger_outcome {
	LEDGER_E_FULL = 1,    /* no entry left: ENOMEM */
	LEDGER_E_ABSENT = 2,  /* no such attachment: EINVAL */
	LEDGER_E_CORRUPT = 3, /* not a ledger of this version */
};

enum ledger_attach_state {
	LEDGER_FREE = 0,
	LEDGER_ATTACHING = 1, /* counts already: written before the mapping exists */
	LEDGER_ATTACHED = 2,
	LEDGER_DETACHED = 3,  /* does not count; keeps its stamps, till the next attach or the end */
};

/* A bound ledger. */
struct ledger {
	uint8_t *base;
	uint64_t size;
};

/* One attachment, as read. */
struct ledger_attach {
	enum ledger_attach_state state;
	int32_t shmid;
	uint64_t address;
	uint64_t size;
	uint64_t attach_ns; /* realtime, nanoseconds: last attach (or fork) and last detach */
	uint64_t detach_ns;
	uint32_t pid;       /* who did the last of them, when it was not the owner (a reaped child) */
};

/* What a ledger says of one segment, added up. */
struct ledger_sum {
	uint32_t n_attached;
	uint64_t attach_ns; /* latest, 0 if none */
	uint64_t detach_ns;
	uint32_t attach_pid;
	uint32_t detach_pid;
};

uint64_t ledger_size(void);
/* base is ledger_size() zero bytes (a fresh sparse file): only the header is written. */
void ledger_format(void *base, uint64_t client, uint32_t pid);
int ledger_bind(struct ledger *ledger, void *base, uint64_t size);

/* --- the owner's side; thread- and signal-safe ------------------------------------------------ */

/* Takes an entry in state ATTACHING for the segment.  0 or LEDGER_E_FULL. */
int ledger_attach_begin(struct ledger *ledger, int32_t shmid, uint64_t size, uint64_t now_ns,
			uint32_t *ret_entry);
/* The mapping is at address. */
void ledger_attach_end(struct ledger *ledger, uint32_t entry, uint64_t address);
/* The mapping was not made: as if nothing had happened (SHM-16). */
void ledger_attach_undo(struct ledger *ledger, uint32_t entry);
/* The attachment that starts at address, if any: its entry, for one caller only.  0 or E_ABSENT. */
int ledger_detach_begin(struct ledger *ledger, uint64_t address, struct ledger_attach *ret_attach,
			uint32_t *ret_entry);
void ledger_detach_end(struct ledger *ledger, uint32_t entry, uint64_t now_ns);
/* Reads entry i; false beyond the last ever used. */
bool ledger_attach_read(const struct ledger *ledger, uint32_t entry, struct ledger_attach *ret_attach);
/* Attachments that count, of all segments. */
uint32_t ledger_attach_count(const struct ledger *ledger);
/*
 * Whatever the owner had attached when it got the ledger, by inheritance, has been noted: from here on
 * the ledger says what its process has, and nobody else's does.
 */
void ledger_speak(struct ledger *ledger);
bool ledger_speaks(const struct ledger *ledger);

/* A set or queue is in use, or no longer.  When the table is full it says so once for all. */
void ledger_use(struct ledger *ledger, enum ipc_kind kind, int32_t id);
void ledger_unuse(struct ledger *ledger, enum ipc_kind kind, int32_t id);

/* fork: before (reserves a row: 0 or E_FULL), after in the parent (0 = fork failed), child reaped. */
int ledger_fork_begin(struct ledger *ledger, uint32_t *ret_row);
void ledger_fork_end(struct ledger *ledger, uint32_t row, uint32_t child_pid, uint64_t now_ns);
/* True if it was recorded; its inherited attachments then end with this stamp. */
bool ledger_child_reaped(struct ledger *ledger, uint32_t child_pid, uint64_t now_ns);

/* --- the daemon's side ------------------------------------------------------------------------ */

/* Adds up one segment. */
void ledger_sum(const struct ledger *ledger, int32_t shmid, struct ledger_sum *ret_sum);
/*
 * After exec or death: ends every attachment and forgets the children.  Every entry that counted is
 * DETACHED then, so the segments to look at again can be read off the entries.
 */
void ledger_detach_all(struct ledger *ledger, uint64_t now_ns);
/* i-th use; false at the end.  ledger_uses_overflowed: the table was full at some time. */
bool ledger_use_read(const struct ledger *ledger, uint32_t i, enum ipc_kind *ret_kind, int32_t *ret_id);
bool ledger_uses_overflowed(const struct ledger *ledger);
/* i-th child row; false at the end; pid 0: free.  UINT32_MAX: a fork is under way. */
bool ledger_child_read(const struct ledger *ledger, uint32_t i, uint32_t *ret_pid);
void ledger_child_forget(struct ledger *ledger, uint32_t child_pid);

bool ledger_verify(const struct ledger *ledger);

#endif

/*
 * registry.h: the namespace's table of objects and processes, one mapped file.
 *
 * Only the daemon writes it; everybody may read it without a lock: each slot has two copies and a
 * version that says which one is current, and a reader takes its copy between two equal versions.
 * So looking up a key, judging a permission, *_STAT and *_INFO need no daemon.
 *
 * The file is also the daemon's memory across restarts: it holds everything a new daemon needs to
 * know (P4).  A reader trusts nothing in it beyond its own bounds.
 */
#ifndef CORE_REGISTRY_H
#define CORE_REGISTRY_H

#include "core/abi.h"
#include "core/atomic.h"
#include "core/cred.h"
#include "core/limits.h"

#define REGISTRY_VERSION 3u

enum registry_outcome {
	REGISTRY_E_ABSENT = 1,  /* no such object or process */
	REGISTRY_E_FULL = 2,    /* no free slot within the limit */
	REGISTRY_E_CORRUPT = 3, /* not a registry of this version, or it breaks its own rules */
	REGISTRY_E_VERSION = 4, /* a registry, of another version */
	REGISTRY_E_BUSY = 5,    /* it keeps changing (or its writer died): ask the daemon */
};

enum registry_state {
	REGISTRY_FREE = 0,
	REGISTRY_CREATING = 1, /* index taken, file not there yet */
	REGISTRY_LIVE = 2,
	REGISTRY_DEST = 3,    /* segment removed but attached (SHM-35) */
	REGISTRY_CLOSING = 4, /* being destroyed: no new use */
};

/* One object, as read or to be written.  Explicit widths: it is also the stored form. */
struct registry_object {
	uint32_t state; /* enum registry_state */
	int32_t key;
	int32_t id;
	uint32_t creator_pid; /* cpid */
	struct ipc_owner owner;
	uint32_t last_pid;    /* segments: lpid */
	uint64_t size;        /* segments: shm_segsz; sets: sem_nsems; queues: room of the file in bytes */
	uint64_t generation;  /* queues: grows when the file grew and must be mapped anew;
				 segments: the lease of the last sum (proto.h), 0: nobody has one */
	int64_t ctime_s;      /* segments only; sets and queues keep theirs in their file */
	union {
		uint64_t attach_ns;   /* segments: realtime of the last attach known here */
		uint64_t set_pending; /* others: msg_qbytes + 1 of an IPC_SET the file has not seen */
	};
	uint64_t detach_ns;           /* segments: likewise */
};

/* Bytes of a segment's pages: huge ones if it was made with SHM_HUGETLB. */
static inline uint64_t registry_page_size(const struct registry_object *object)
{
	return UINT64_C(1) << (object->owner.mode & ABI_SHM_HUGETLB
				       ? object->owner.mode >> ABI_SHM_HUGE_SHIFT & ABI_SHM_HUGE_BITS
				       : 12u);
}

/* Limits of the namespace (LIM-*), changeable at run time. */
struct registry_limits {
	uint64_t shmmax;
	uint64_t shmall; /* pages */
	uint32_t shmmni;
	uint32_t semmsl;
	uint32_t semmns;
	uint32_t semopm;
	uint32_t semmni;
	uint32_t msgmax;
	uint32_t msgmnb;
	uint32_t msgmni;
	uint32_t rmid_forced; /* SHM-44 */
	uint32_t reserved;
};

/* A process the daemon knows. */
struct registry_client {
	uint64_t client; /* identity: generation << 16 | row + 1 */
	uint32_t pid;
	uint32_t uid;
	uint64_t start_time; /* of the process, in the unit of /proc/PID/stat: tells pid reuse apart */
	/* The last object made for it, and the number of the request: one asked again finds it. */
	uint32_t made_request; /* 0: none */
	uint32_t made_kind;
	int32_t made_id;
	uint32_t reserved;
};

/* A binding: private. */
struct registry {
	uint8_t *base;
	uint64_t size;
};

uint64_t registry_size(void);

/* --- reading; also by clients on a read-only mapping ------------------------------------------ */

/* 0, E_CORRUPT or E_VERSION. */
int registry_bind(struct registry *registry, void *base, uint64_t size);
/* The object with this id, LIVE or DEST.  0, E_ABSENT (also when a newer one is there), E_BUSY. */
int registry_get(const struct registry *registry, enum ipc_kind kind, int32_t id,
		 struct registry_object *ret_object);
/* The object at this index, of which only the low 15 bits count (IPC-10).  LIVE or DEST only. */
int registry_get_index(const struct registry *registry, enum ipc_kind kind, uint32_t index,
		       struct registry_object *ret_object);
/* Whatever is at this index, in any state but FREE: for a daemon that starts again. */
int registry_get_any(const struct registry *registry, enum ipc_kind kind, uint32_t index,
		     struct registry_object *ret_object);
/* The live object with this key (not IPC_PRIVATE).  0, E_ABSENT, E_BUSY. */
int registry_find(const struct registry *registry, enum ipc_kind kind, int32_t key,
		  struct registry_object *ret_object);
/*
 * Cheap and exact for the hot path: the address of a word whose low half equals id + 1 while the
 * object is LIVE or DEST, and nothing a user of that id can expect afterwards; its high half changes
 * whenever owner or mode do, so an unchanged word also means that what was judged still holds
 * (PERM-14).  Valid as long as the mapping.  The id is not negative.
 */
const struct shared64 *registry_live_word(const struct registry *registry, enum ipc_kind kind,
					  int32_t id);
void registry_read_limits(const struct registry *registry, struct registry_limits *ret_limits);
/* One of them, for the hot path. */
uint32_t registry_msgmax(const struct registry *registry);
/* Objects in use, and the highest index in use (0 if none) (IPC-11). */
uint32_t registry_count(const struct registry *registry, enum ipc_kind kind);
uint32_t registry_index_max(const struct registry *registry, enum ipc_kind kind);
/* A living client with this pid, if any. */
bool registry_find_pid(const struct registry *registry, uint32_t pid,
		       struct registry_client *ret_client);
/* The binary logarithm of the size of its huge pages, 0 if it has none. */
uint32_t registry_huge(const struct registry *registry);
/* Identity of this namespace, never 0: tells a re-made namespace at the same path apart. */
uint64_t registry_nonce(const struct registry *registry);

/* --- writing; the daemon alone ------------------------------------------------------------------ */

void registry_limits_default(struct registry_limits *ret_limits);
/* base is registry_size() zero bytes (a fresh sparse file): only the header is written. */
void registry_format(void *base, uint64_t nonce, const struct registry_limits *limits);
void registry_write_limits(struct registry *registry, const struct registry_limits *limits);

void registry_write_huge(struct registry *registry, uint32_t exponent);

/*
 * Chooses index and sequence as IPC-5, IPC-6 say and leaves a CREATING object there, for put or
 * drop.  0 or E_FULL (mni = the kind's limit).
 */
int registry_allocate(struct registry *registry, enum ipc_kind kind, uint32_t mni, int32_t *ret_id);
/* Stores an object under object->id; keeps the key index (LIVE objects with a key) up to date. */
void registry_put(struct registry *registry, enum ipc_kind kind, const struct registry_object *object);
/* Frees the slot of id. */
void registry_drop(struct registry *registry, enum ipc_kind kind, int32_t id);

/* The identity registry_client_add will give next.  0 or E_FULL. */
int registry_client_next(const struct registry *registry, uint64_t *ret_client);
/* Adds a process: gives it an identity.  0 or E_FULL. */
int registry_client_add(struct registry *registry, uint32_t pid, uint32_t uid, uint64_t start_time,
			uint64_t *ret_client);
/* Stored before the object is LIVE: the process is known, the request is not 0. */
void registry_client_note(struct registry *registry, uint64_t client, uint32_t request,
			  enum ipc_kind kind, int32_t id);
void registry_client_drop(struct registry *registry, uint64_t client);
/* By identity, and the row-th one (for a restart); 0 or E_ABSENT. */
int registry_client_get(const struct registry *registry, uint64_t client,
			struct registry_client *ret_client);
int registry_client_row(const struct registry *registry, uint32_t row,
			struct registry_client *ret_client);

/*
 * After a crash of the writer: drops what is CREATING, rebuilds everything but the records.
 * False: beyond repair.  verify: the invariants listed in registry.c, with no writer at work.
 */
bool registry_repair(struct registry *registry);
bool registry_verify(const struct registry *registry);

#endif

/*
 * attached.h: what this process has attached, piece by piece.
 *
 * A piece is a stretch of one attachment with one protection: shmat makes one, and munmap, mprotect,
 * mremap or a mapping over it may split, shorten, move or end it (SHM-27..31).  The ledger has an
 * entry for each, for the daemon.
 * Everything but attached_touches() is called under the process lock.
 */
#ifndef CLIENT_ATTACHED_H
#define CLIENT_ATTACHED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/thread.h"

/* One piece.  size 0: free. */
struct attached {
	_Atomic uintptr_t address;
	_Atomic uint64_t size;
	uintptr_t base; /* where its attachment begins, or would if it were whole */
	int32_t id;
	uint32_t entry; /* in the ledger, or ATTACHED_NO_ENTRY */
	uint32_t file;  /* what it is a mapping of, whole: backing.h; 0: whatever it is */
	int protection;
	bool is_not_inherited; /* MADV_DONTFORK */
};

#define ATTACHED_NO_ENTRY UINT32_MAX

/* Every piece lies between these two. */
extern _Atomic uintptr_t attached_low;
extern _Atomic uintptr_t attached_high;

/* True if a piece lies in the range, as far as can be told without the lock. */
bool attached_touches_any(uintptr_t start, uint64_t size);

/* The same for calls on any memory: one comparison for most. */
static inline bool attached_touches(const void *address, uint64_t size)
{
	uintptr_t start = (uintptr_t)address;
	uintptr_t low = atomic_load_explicit(&attached_low, memory_order_relaxed);

	if (CLIENT_LIKELY(start >= atomic_load_explicit(&attached_high, memory_order_relaxed) ||
			  (start < low && size <= low - start)))
		return false;
	return attached_touches_any(start, size);
}

/* Pieces there are. */
uint32_t attached_count(void);
/* True if one more can be added. */
bool attached_has_room(void);
/*
 * An attachment that has just been mapped; how says entry, protection and file.  What was there before
 * must have been cut.
 */
void attached_add(uintptr_t address, uint64_t size, int32_t id, const struct attached *how);
/* The memory of this range is gone, or is something else now: pieces end, are shortened or split. */
void attached_cut(uintptr_t start, uint64_t size);
/* Unmaps every piece of the attachment that begins, or would begin, at base.  0 or -EINVAL. */
int attached_detach(uintptr_t base);

/*
 * An attachment of this segment has been noted: another process may be going by a sum without it.  When
 * this returns that has ended.
 */
void attached_announce(int32_t id);

/* Writes all of them into a new ledger. */
void attached_note_all(void);
/* In a fork child: the ledger is the parent's, and some pieces may not have been inherited. */
void attached_after_fork(void);
/*
 * At a normal exit: the ledger says that nothing is attached any more.  unmap: nor is it; the
 * kernel itself would give up the mappings only after it has closed the descriptors (EVT-15).
 */
void attached_end_all(bool unmap);

/* The system calls, on memory where attached_touches().  Their result or -errno. */
long attached_munmap(void *address, size_t size);
long attached_mprotect(void *address, size_t size, int protection);
long attached_madvise(void *address, size_t size, int advice);
long attached_mmap(void *address, size_t size, int protection, int flags, int fd, int64_t offset);
long attached_mremap(void *old, size_t old_size, size_t new_size, int flags, void *new);

#endif

/*
 * view.h: from an id to the mapped file of its set or queue.
 *
 * A view is found by index and used between view_hold and view_release; in between nobody unmaps
 * it.  Nothing is held across a sleep: after waking it is looked up again by id.
 * A hold that hits costs a few loads and makes no system call.
 */
#ifndef CLIENT_VIEW_H
#define CLIENT_VIEW_H

#include <errno.h>

#include "client/cred.h"
#include "client/process.h"
#include "client/thread.h"
#include "core/msgq.h"
#include "core/registry.h"
#include "core/semset.h"

/* Openings that others may undo at once before a call gives up. */
#define VIEW_TRIES_MAX 16u

/* Threads of a process that may have descriptors of their own (mcas.h); in view->slots by number. */
#define VIEW_SLOTS_MAX 256u
#define VIEW_SLOT_REFUSED 0xffu

struct view {
	_Atomic uint64_t live_value; /* *live when the caller was judged last */
	const struct shared64 *live; /* in the registry */
	_Atomic uint64_t judged;     /* generation of credentials << 3 | needs found allowed */
	enum ipc_kind kind;
	int32_t id;
	bool is_writable;
	bool is_noted; /* in the ledger */
	void *base;
	uint64_t size;
	/* The threads' slots in the object, or NULL.  A fork child finds zeros, as it has none. */
	uint8_t *slots;
	struct view *next; /* list of all, or of the retired, or of the free */
	struct view *previous;
	union {
		struct semset set;
		struct msgq queue;
	};
};

/* By kind - 1 and index.  Untouched parts cost no memory. */
extern _Atomic(struct view *) view_table[2][OBJECT_MAX];

/*
 * Judges the caller and maps the object if need be, so that view_hold() hits.  0; -EINVAL: no such
 * object; -EACCES; -ENOMEM; -EIO; -ENOSYS.  A view that is not is_writable may result for
 * CRED_READ alone.
 */
int view_open(enum ipc_kind kind, int32_t id, uint32_t need);

/* The queue's file has grown: maps it anew at the next use. */
void view_remap(enum ipc_kind kind, int32_t id);

/* The id is known to be gone: unmaps when nobody uses it. */
void view_drop(enum ipc_kind kind, int32_t id);
void view_drop_all(void);

/* Writes every view into a new ledger. */
void view_note_all(void);

/* Calls visit for every writable view of the kind, under the process lock. */
void view_each(enum ipc_kind kind, void (*visit)(struct view *view));

/*
 * Maps an object for one look, without the table: for listings.  0 or as view_open; only reading
 * calls may be made on it.
 */
int view_peek(enum ipc_kind kind, int32_t id, struct view *ret_view);
void view_unpeek(struct view *view);

/* Carries out a growth: storage for a range of the view.  0 or -ENOMEM. */
int view_back(const struct view *view, uint64_t offset, uint64_t size);
/* Takes it away; it reads as zero from then on.  0 or -errno. */
int view_unback(const struct view *view, uint64_t offset, uint64_t size);

/*
 * Who copies messages from a queue that he may only read says so by a lock on its file, so that nobody
 * takes storage away under him (msgq.h).  A descriptor for view_copy_end, or -errno.
 */
int view_copy_begin(const struct view *view);
void view_copy_end(int fd);
/* True also if nobody can tell. */
bool view_is_copied(const struct view *view);

/* Wakes those who sleep on these words. */
void view_wake(const struct mcas *mcas, const struct wakes *wakes);

/* Nobody unmaps the view now, if it still is in the table. */
static inline void view_protect(struct thread_record *record, uint32_t hazard,
				const struct view *view)
{
	atomic_store_explicit(&record->hazards[hazard], view, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst); /* the other side makes us pass a full barrier */
}

static inline void view_release(uint32_t hazard)
{
	if (CLIENT_LIKELY(hazard < THREAD_HAZARDS_MAX))
		atomic_store_explicit(&client_thread.record->hazards[hazard], NULL,
				      memory_order_release);
}

/*
 * Takes a hazard of the thread; its number is for view_release.  The first one, but in a handler
 * that interrupted its user.  A handler that comes between looking and storing leaves it free.
 */
static inline uint32_t view_hazard(const struct view *view)
{
	struct thread_record *record = client_thread.record;
	uint32_t hazard = 0;

	if (CLIENT_UNLIKELY(!record || atomic_load_explicit(&record->hazards[0],
							    memory_order_relaxed)))
		hazard = thread_hazard_find();
	if (CLIENT_LIKELY(hazard < THREAD_HAZARDS_MAX))
		view_protect(client_thread.record, hazard, view);
	return hazard;
}

/* True if what was protected is still the one in the table, and of this id. */
static inline bool view_is_still(_Atomic(struct view *) *entry, const struct view *view, int32_t id)
{
	return atomic_load_explicit(entry, memory_order_acquire) == view && view->id == id;
}

/* Takes a slot for the calling thread, if there is one to be had. */
uint32_t view_take_slot(struct view *view);

/*
 * The calling thread's slot in a set: for its outermost call alone, which has the first hazard.  It is
 * taken at the first use.
 */
static inline uint32_t view_slot(struct view *view, uint32_t hazard)
{
	uint32_t number = client_thread.slots_number;
	uint32_t slot;

	if (CLIENT_UNLIKELY(hazard != 0 || number >= VIEW_SLOTS_MAX || !view->slots))
		return MCAS_SLOT_NONE;
	slot = view->slots[number];
	if (CLIENT_UNLIKELY(slot == MCAS_SLOT_NONE))
		return view_take_slot(view);
	return slot == VIEW_SLOT_REFUSED ? MCAS_SLOT_NONE : slot;
}

/* True while the object exists and its owner and mode are those that were judged. */
static inline bool view_is_current(const struct view *view)
{
	return shared64_load(view->live) ==
	       atomic_load_explicit(&view->live_value, memory_order_relaxed);
}

/* True if the object has been removed. */
static inline bool view_is_dead(const struct view *view)
{
	return (uint32_t)shared64_load(view->live) != (uint32_t)view->id + 1;
}

/* True if the object exists, and the caller was found to be allowed everything. */
static inline bool view_is_allowed(const struct view *view)
{
	uint64_t generation = atomic_load_explicit(&cred_generation, memory_order_relaxed);

	return view_is_current(view) &&
	       atomic_load_explicit(&view->judged, memory_order_relaxed) ==
		       (generation << 3 | CRED_READ | CRED_WRITE);
}

/* The view if it is mapped, alive, and was judged for this need; NULL: view_open has to look. */
static inline __attribute__((always_inline)) struct view *
view_hold(enum ipc_kind kind, int32_t id, uint32_t need, uint32_t *ret_depth)
{
	_Atomic(struct view *) *entry = &view_table[kind - 1][(uint32_t)id & ABI_INDEX_MASK];
	struct view *view = atomic_load_explicit(entry, memory_order_relaxed);
	uint64_t judged;
	uint32_t depth;

	if (CLIENT_UNLIKELY(!view))
		return NULL;
	depth = view_hazard(view);
	if (CLIENT_UNLIKELY(!view_is_still(entry, view, id) || !view_is_current(view)))
		goto miss;
	judged = atomic_load_explicit(&view->judged, memory_order_relaxed);
	if (CLIENT_UNLIKELY(judged >> 3 !=
				    atomic_load_explicit(&cred_generation, memory_order_relaxed) ||
			    (judged & need) != need))
		goto miss;
	*ret_depth = depth;
	return view;
miss:
	view_release(depth);
	return NULL;
}

/* A sleeper's: whatever is mapped for that id, alive or not, without judging; NULL: nothing. */
static inline struct view *view_hold_mapped(enum ipc_kind kind, int32_t id, uint32_t *ret_depth)
{
	_Atomic(struct view *) *entry = &view_table[kind - 1][(uint32_t)id & ABI_INDEX_MASK];
	struct view *view = atomic_load_explicit(entry, memory_order_acquire);
	uint32_t depth = view_hazard(view);

	if (view && atomic_load_explicit(entry, memory_order_acquire) == view && view->id == id) {
		*ret_depth = depth;
		return view;
	}
	view_release(depth);
	return NULL;
}

/* view_hold, opening it if need be.  0 or as view_open. */
static inline int view_get(enum ipc_kind kind, int32_t id, uint32_t need, struct view **ret_view,
			   uint32_t *ret_depth)
{
	int r = 0;

	*ret_depth = 0;
	for (uint32_t i = 0; i < VIEW_TRIES_MAX && r == 0; i++) {
		*ret_view = view_hold(kind, id, need, ret_depth);
		if (CLIENT_LIKELY(*ret_view))
			return 0;
		r = view_open(kind, id, need);
	}
	return r == 0 ? -EINVAL : r; /* gone as soon as it was there, again and again */
}

#endif

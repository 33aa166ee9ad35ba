/*
 * view.c: opening, judging and reclaiming views.
 *
 *  1. A view in the table is bound to a mapping of the file of its id.
 *  2. A view leaves the table before it is retired, and is unmapped only when no thread's hazard
 *     names it after a barrier on all threads (see thread.c).
 *  3. Memory of struct view is never given back, so a stale pointer to one can always be read.
 *  4. All changes happen under the process lock.
 */
#include "client/view.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>

#include "client/ns.h"
#include "client/place.h"
#include "client/process.h"
#include "sys/map.h"
#include "sys/raw.h"
#include "sys/wait.h"

#define VIEW_SLAB_SIZE 65536u

/* Removed objects that may stay mapped before it is worth a barrier on all threads. */
#define VIEW_RETIRED_MAX 8u

/* Openings after which all views are looked through for objects that others have removed. */
#define VIEW_SWEEP_EVERY 256u

/* Views open at a time: fewer than the kernel's 65530 mappings of a process, which are not ours alone. */
#define VIEW_OPEN_MAX 30000u

/* Times a queue may grow while it is being mapped. */
#define VIEW_MAP_TRIES_MAX 8u

_Atomic(struct view *) view_table[2][OBJECT_MAX];

static struct view *view_list; /* newest first */
static struct view *view_oldest;
static uint32_t view_n_open;
static struct view *view_retired;
static struct view *view_free;
static uint32_t view_n_retired;
static uint32_t view_n_opened;

/* Where fork children find zeros; NULL: the kernel cannot, or has no memory. */
static uint8_t *view_slots_allocate(size_t size)
{
	uint8_t *slots = place_private(size);

	if (slots && raw_call3(SYS_madvise, slots, size, MADV_WIPEONFORK) != 0) {
		place_unmap(slots, size);
		slots = NULL;
	}
	return slots;
}

static struct view *view_allocate(void)
{
	struct view *view = view_free;

	if (!view) {
		size_t n = VIEW_SLAB_SIZE / sizeof(*view);
		uint8_t *slots = view_slots_allocate(n * VIEW_SLOTS_MAX);

		view = place_private(VIEW_SLAB_SIZE);
		if (!view)
			return NULL;
		for (size_t i = 0; i < n; i++) {
			view[i].slots = slots ? slots + i * VIEW_SLOTS_MAX : NULL;
			view[i].next = view_free;
			view_free = &view[i];
		}
		view = view_free;
	}
	view_free = view->next;
	return view;
}

static void view_put_back(struct view *view)
{
	view->next = view_free;
	view_free = view;
}

uint32_t view_take_slot(struct view *view)
{
	struct actor actor;
	uint32_t slot;

	process_actor(&actor);
	if (view->kind != IPC_KIND_SEM || !semset_bind_slot(&view->set, &actor, &slot))
		return MCAS_SLOT_NONE;
	view->slots[client_thread.slots_number] =
		(uint8_t)(slot == MCAS_SLOT_NONE ? VIEW_SLOT_REFUSED : slot);
	return slot;
}

/* Gives the threads' slots back; nobody uses the view any more. */
static void view_release_slots(struct view *view)
{
	uint64_t client = atomic_load(&process_page->client);

	for (uint32_t i = 0; i < VIEW_SLOTS_MAX && view->slots; i++) {
		if (view->slots[i] == MCAS_SLOT_NONE)
			continue;
		if (view->slots[i] != VIEW_SLOT_REFUSED && !view_is_dead(view))
			mcas_resident_release(&view->set.mcas, client, view->slots[i]);
		view->slots[i] = MCAS_SLOT_NONE;
	}
}

/* Unmaps what was retired and is not in use. */
static void view_reclaim(void)
{
	struct view **link = &view_retired;

	if (!thread_fence_all())
		return;
	while (*link) {
		struct view *view = *link;

		if (thread_any_uses(view)) {
			link = &view->next;
			continue;
		}
		*link = view->next;
		view_n_retired--;
		view_release_slots(view);
		place_unmap(view->base, view->size);
		view_put_back(view);
	}
}

/* Takes a view out of the table. */
static void view_retire(struct view *view)
{
	struct ledger *ledger = &process_page->ledger;

	atomic_store(&view_table[view->kind - 1][(uint32_t)view->id & ABI_INDEX_MASK], NULL);
	if (view->previous)
		view->previous->next = view->next;
	else
		view_list = view->next;
	if (view->next)
		view->next->previous = view->previous;
	else
		view_oldest = view->previous;
	view_n_open--;
	/* One that lives on may still hold adjustments of this process. */
	if (view->is_noted && ledger->base && view_is_dead(view))
		ledger_unuse(ledger, view->kind, view->id);
	view->next = view_retired;
	view_retired = view;
	if (++view_n_retired >= VIEW_RETIRED_MAX)
		view_reclaim();
}

/* Retires every view whose object others have removed. */
static void view_sweep(void)
{
	struct view *view = view_list;

	while (view) {
		struct view *next = view->next;

		if (view_is_dead(view))
			view_retire(view);
		view = next;
	}
}

static void view_note(struct view *view)
{
	struct ledger *ledger = &process_page->ledger;

	view->is_noted = ledger->base != NULL;
	if (view->is_noted)
		ledger_use(ledger, view->kind, view->id);
}

/* ---------------------------------------------------------------------------------------- opening */

/* The kernel's judgement.  A descriptor or -errno as the caller of the operation sees it. */
static int view_open_file(enum ipc_kind kind, int32_t id, uint32_t need, bool *ret_is_writable)
{
	char path[NS_PATH_MAX];
	int flags = O_NOFOLLOW | O_NONBLOCK;
	int fd;

	if (!ns_path(path, ns_object_prefix(kind), id))
		return -ENOMEM;
	*ret_is_writable = true;
	fd = process_open(path, O_RDWR | flags);
	if ((fd == -EACCES || fd == -EROFS) && !(need & CRED_WRITE)) {
		*ret_is_writable = false;
		fd = process_open(path, O_RDONLY | flags);
	}
	switch (fd) {
	case -ENOENT:
		return ns_missing();
	case -EACCES:
	case -EPERM:
	case -EROFS:
		return -EACCES;
	default:
		return fd < 0 ? -ENOMEM : fd;
	}
}

static int view_bind(struct view *view)
{
	int r;

	if (view->kind == IPC_KIND_SEM)
		return semset_bind(&view->set, view->base, view->size) == 0 ? 0 : -EIO;
	r = msgq_bind(&view->queue, view->base, view->size);
	view->queue.is_fenced_from_outside = thread_join_fences();
	if (r == MSGQ_REMAP)
		return -EAGAIN;
	return r == 0 ? 0 : -EIO;
}

/* Fills in mapping and binding. */
static int view_map(struct view *view, int fd)
{
	int r = -EAGAIN;

	for (uint32_t i = 0; i < VIEW_MAP_TRIES_MAX && r == -EAGAIN; i++) {
		r = map_stat(fd, &view->size, NULL, NULL);
		if (r == 0)
			r = place_file(fd, view->size, view->is_writable, &view->base);
		if (r < 0)
			return -ENOMEM;
		r = view_bind(view);
		if (r < 0)
			place_unmap(view->base, view->size);
	}
	return r == -EAGAIN ? -EIO : r;
}

static int view_lookup(enum ipc_kind kind, int32_t id, struct registry_object *ret_object)
{
	int r = REGISTRY_E_BUSY;

	for (uint32_t i = 0; i < VIEW_TRIES_MAX && r == REGISTRY_E_BUSY; i++)
		r = registry_get(atomic_load(&ns_registry), kind, id, ret_object);
	if (r == REGISTRY_E_ABSENT)
		return -EINVAL;
	return r == 0 ? 0 : -EIO;
}

/* Which needs the owner's bits allow the caller, under the present generation of credentials. */
static uint64_t view_judge(const struct ipc_owner *owner)
{
	uint64_t generation = atomic_load(&cred_generation); /* before the credentials are read */
	struct cred cred;
	uint64_t allowed = 0;

	cred_fill(owner, &cred);
	if (cred_may(&cred, owner, CRED_READ))
		allowed |= CRED_READ;
	if (cred_may(&cred, owner, CRED_WRITE))
		allowed |= CRED_WRITE;
	return generation << 3 | allowed;
}

static int view_open_new(enum ipc_kind kind, int32_t id, uint32_t need, uint64_t judged,
			 uint64_t live_value)
{
	struct view *view;
	int fd;
	int r;

	if (view_n_open >= VIEW_OPEN_MAX)
		view_retire(view_oldest); /* a sleeper in it maps it again when it looks */
	view = view_allocate();
	if (!view)
		return -ENOMEM;
	fd = view_open_file(kind, id, need, &view->is_writable);
	if (fd < 0) {
		view_put_back(view);
		return fd;
	}
	view->kind = kind;
	view->id = id;
	r = view_map(view, fd);
	(void)raw_call1(SYS_close, fd);
	if (r < 0) {
		view_put_back(view);
		return r;
	}
	view->live = registry_live_word(atomic_load(&ns_registry), kind, id);
	atomic_store(&view->live_value, live_value);
	atomic_store(&view->judged, view->is_writable ? judged : judged & ~(uint64_t)CRED_WRITE);
	view_note(view);
	view->previous = NULL;
	view->next = view_list;
	if (view_list)
		view_list->previous = view;
	else
		view_oldest = view;
	view_list = view;
	view_n_open++;
	atomic_store(&view_table[kind - 1][(uint32_t)id & ABI_INDEX_MASK], view);
	if (++view_n_opened % VIEW_SWEEP_EVERY == 0)
		view_sweep();
	return 0;
}

/* A view that is mapped but was not judged for this: the kernel judges again. */
static int view_open_again(struct view *view, uint32_t need, uint64_t judged, uint64_t live_value)
{
	bool is_writable;
	int fd = view_open_file(view->kind, view->id, need, &is_writable);

	if (fd < 0)
		return fd;
	(void)raw_call1(SYS_close, fd);
	if (!is_writable || !view->is_writable)
		judged &= ~(uint64_t)CRED_WRITE;
	atomic_store(&view->judged, judged);
	atomic_store(&view->live_value, live_value);
	return 0;
}

int view_open(enum ipc_kind kind, int32_t id, uint32_t need)
{
	struct registry_object object;
	struct view *view;
	uint64_t judged;
	uint64_t live_value;
	int r = ns_open(false);

	if (r < 0)
		return r;
	if (id < 0)
		return -EINVAL;
	process_lock();
	view = atomic_load(&view_table[kind - 1][(uint32_t)id & ABI_INDEX_MASK]);
	if (view && view_is_dead(view)) {
		view_retire(view);
		view = NULL;
	}
	/* Before the permissions are read: if they change after, the view is judged again. */
	live_value = shared64_load(registry_live_word(atomic_load(&ns_registry), kind, id));
	r = view_lookup(kind, id, &object);
	if (r < 0)
		goto out;
	judged = view_judge(&object.owner);
	if ((judged & need) != need) {
		r = -EACCES;
		goto out;
	}
	if (view && (view->id != id || ((need & CRED_WRITE) && !view->is_writable))) {
		view_retire(view);
		view = NULL;
	}
	if (view)
		r = view_open_again(view, need, judged, live_value);
	else
		r = view_open_new(kind, id, need, judged, live_value);
out:
	process_unlock();
	return r;
}

/* --------------------------------------------------------------------------------- all the rest */

void view_remap(enum ipc_kind kind, int32_t id)
{
	struct view *view;

	process_lock();
	view = atomic_load(&view_table[kind - 1][(uint32_t)id & ABI_INDEX_MASK]);
	if (view && view->id == id)
		view_retire(view);
	process_unlock();
}

void view_drop(enum ipc_kind kind, int32_t id)
{
	view_remap(kind, id);
}

void view_drop_all(void)
{
	process_lock();
	while (view_list)
		view_retire(view_list);
	process_unlock();
}

void view_note_all(void)
{
	for (struct view *view = view_list; view; view = view->next)
		view_note(view);
}

void view_each(enum ipc_kind kind, void (*visit)(struct view *view))
{
	process_lock();
	for (struct view *view = view_list; view; view = view->next) {
		if (view->kind == kind && view->is_writable)
			visit(view);
	}
	process_unlock();
}

int view_peek(enum ipc_kind kind, int32_t id, struct view *ret_view)
{
	char path[NS_PATH_MAX];
	int fd;
	int r;

	if (!ns_path(path, ns_object_prefix(kind), id))
		return -ENOMEM;
	fd = process_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return fd;
	memset(ret_view, 0, sizeof(*ret_view));
	ret_view->kind = kind;
	ret_view->id = id;
	r = view_map(ret_view, fd);
	(void)raw_call1(SYS_close, fd);
	return r;
}

void view_unpeek(struct view *view)
{
	place_unmap(view->base, view->size);
}

int view_back(const struct view *view, uint64_t offset, uint64_t size)
{
	int r;

	if (offset > view->size || size > view->size - offset)
		return -ENOMEM;
	r = map_populate((uint8_t *)view->base + offset, size);
	return r == 0 || r == -EOPNOTSUPP ? 0 : -ENOMEM;
}

int view_unback(const struct view *view, uint64_t offset, uint64_t size)
{
	if (offset > view->size || size > view->size - offset)
		return -EINVAL;
	return map_discard((uint8_t *)view->base + offset, size);
}

#ifdef SYS_fcntl64
#define VIEW_FCNTL SYS_fcntl64
#else
#define VIEW_FCNTL SYS_fcntl
#endif

/* A lock of the open file: it ends with the descriptor, or the process. */
static int view_lock(const struct view *view, int command, struct flock64 *lock)
{
	char path[NS_PATH_MAX];
	int fd;
	int r;

	if (!ns_path(path, ns_object_prefix(view->kind), view->id))
		return -ENOMEM;
	fd = process_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return fd;
	r = (int)raw_call3(VIEW_FCNTL, fd, command, lock);
	if (r == 0)
		return fd;
	(void)raw_call1(SYS_close, fd);
	return r;
}

int view_copy_begin(const struct view *view)
{
	struct flock64 lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

	return view_lock(view, F_OFD_SETLK, &lock);
}

void view_copy_end(int fd)
{
	(void)raw_call1(SYS_close, fd);
}

bool view_is_copied(const struct view *view)
{
	struct flock64 lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = view_lock(view, F_OFD_GETLK, &lock);

	if (fd >= 0)
		(void)raw_call1(SYS_close, fd);
	return fd < 0 || lock.l_type != F_UNLCK;
}

void view_wake(const struct mcas *mcas, const struct wakes *wakes)
{
	for (uint32_t i = 0; i < wakes->n && i < WAKES_MAX; i++) {
		if (wakes->word_indexes[i] < mcas->n_words)
			wait_wake(shared64_low_half(&mcas->words[wakes->word_indexes[i]]), INT_MAX);
	}
}

/*
 * attached.c: the table of pieces, and the ledger beside it.
 *
 *  1. The table in private memory says what is attached where; a fork child inherits it with the
 *     mappings themselves.  The ledger mirrors it for the daemon.
 *  2. A ledger entry ends after its mapping, and a piece that takes the place of another has its
 *     entry first, so nattch is never short.
 *  3. No two pieces overlap, and each lies between attached_low and attached_high.
 */
#include "client/attached.h"

#include <errno.h>
#include <sys/mman.h>

#include "client/backing.h"
#include "client/conn.h"
#include "client/ipc.h"
#include "client/place.h"
#include "core/registry.h"
#include "sys/raw.h"

#define ATTACHED_PAGE 4096u

/* Pieces looked at without the lock; with more it is taken at once. */
#define ATTACHED_LOOK_MAX 64u

/* A child that detaches what it has only inherited waits so long for the daemon to know it. */
#define ATTACHED_REGISTER_MS 1000u

/* The daemon is given so long to end a lease; without it, it is over in a moment. */
#define ATTACHED_ANNOUNCE_MS 100u

#define ATTACHED_ACCESS (PROT_READ | PROT_WRITE | PROT_EXEC)

_Atomic uintptr_t attached_low = UINTPTR_MAX;
_Atomic uintptr_t attached_high;

static struct attached *attached_table;
static _Atomic uint32_t attached_end; /* pieces at or above it were never used */
static uint32_t attached_used;

uint32_t attached_count(void)
{
	return attached_used;
}

/* ------------------------------------------------------------------------------------- the table */

static bool attached_overlaps(const struct attached *piece, uintptr_t start, uint64_t size)
{
	uintptr_t address = piece->address;
	uint64_t own = piece->size;

	return own != 0 && (start < address ? size > address - start : start - address < own);
}

bool attached_touches_any(uintptr_t start, uint64_t size)
{
	uint32_t end = attached_end;

	if (end > ATTACHED_LOOK_MAX)
		return true;
	for (uint32_t i = 0; i < end; i++) {
		if (attached_overlaps(&attached_table[i], start, size))
			return true;
	}
	return false;
}

static struct attached *attached_take(void)
{
	if (!attached_table) {
		attached_table = place_private(LEDGER_ATTACH_MAX * sizeof(*attached_table));
		if (!attached_table)
			return NULL;
	}
	for (uint32_t i = 0; attached_used < attached_end && i < attached_end; i++) {
		if (attached_table[i].size == 0)
			return &attached_table[i];
	}
	return attached_end < LEDGER_ATTACH_MAX ? &attached_table[attached_end] : NULL;
}

bool attached_has_room(void)
{
	return attached_take() != NULL;
}

static void attached_fill(struct attached *piece, const struct attached *like, uintptr_t address,
			  uint64_t size)
{
	piece->address = address;
	piece->base = like->base;
	piece->id = like->id;
	piece->entry = like->entry;
	piece->file = like->file;
	piece->protection = like->protection;
	piece->is_not_inherited = like->is_not_inherited;
	if (address < attached_low)
		attached_low = address;
	if (address + size > attached_high)
		attached_high = address + size;
	piece->size = size;
	if (piece == &attached_table[attached_end])
		attached_end++;
	attached_used++;
}

void attached_add(uintptr_t address, uint64_t size, int32_t id, const struct attached *how)
{
	struct attached *piece = attached_take();

	if (!piece)
		return;
	attached_fill(piece, how, address, size);
	piece->base = address;
	piece->id = id;
}

/* ------------------------------------------------------------------------------------ the ledger */

static bool attached_is_dest(int32_t id)
{
	struct registry_object object;

	return ipc_find(IPC_KIND_SHM, id, &object) == 0 &&
	       (object.state == REGISTRY_DEST || (object.owner.mode & ABI_SHM_DEST));
}

/* The daemon looks whether that was the last one, if it is marked for destruction. */
static void attached_tell(int32_t id)
{
	struct proto_message notice = {
		.type = PROTO_DETACHED,
		.object = {.kind = IPC_KIND_SHM, .id = id},
	};

	if (!attached_is_dest(id))
		return;
	backing_removed(id);
	conn_notice(&notice, true);
}

void attached_announce(int32_t id)
{
	static uint64_t outlasted;
	struct proto_message request = {
		.type = PROTO_SHM_STAT,
		.object = {.kind = IPC_KIND_SHM, .id = id},
	};
	struct timespec pause = {.tv_nsec = SHM_LEASE_NS};
	struct registry_object object;
	struct proto_message reply;

	/* Our own ended when we took the lock. */
	if (ipc_find(IPC_KIND_SHM, id, &object) != 0 || object.generation == 0 ||
	    object.generation == process_page->sum.own || object.generation == outlasted)
		return;
	if (conn_call(&request, ATTACHED_ANNOUNCE_MS, &reply, NULL) == 0)
		return;
	(void)raw_call2(SYS_nanosleep, &pause, NULL); /* all signals are blocked */
	outlasted = object.generation;
}

/* An entry for a piece at this address, or none if there is no room: then it is not counted. */
static uint32_t attached_note(int32_t id, uintptr_t address, uint64_t size)
{
	struct ledger *ledger = &process_page->ledger;
	uint32_t entry = ATTACHED_NO_ENTRY;

	if (!ledger->base || ledger_attach_begin(ledger, id, size, clock_now_ns(), &entry) != 0)
		return ATTACHED_NO_ENTRY;
	ledger_attach_end(ledger, entry, address);
	return entry;
}

static void attached_unnote(uint32_t entry, uintptr_t address)
{
	struct ledger *ledger = &process_page->ledger;
	struct ledger_attach known;

	process_detached();
	if (entry != ATTACHED_NO_ENTRY && ledger->base &&
	    ledger_detach_begin(ledger, address, &known, &entry) == 0)
		ledger_detach_end(ledger, entry, clock_now_ns());
}

/* Ends a piece whose mapping has gone. */
static void attached_finish(struct attached *piece)
{
	piece->size = 0;
	if (--attached_used == 0) {
		attached_high = 0;
		attached_low = UINTPTR_MAX;
	}
	attached_unnote(piece->entry, piece->address);
	backing_ended(piece->file);
}

/* A further piece, cut or copied from another one: an attach of its own (SHM-29). */
static void attached_copy(const struct attached *like, uintptr_t base, uintptr_t address, uint64_t size)
{
	struct attached *piece = attached_take();
	struct attached copy = {
		.base = base,
		.id = like->id,
		.protection = like->protection,
		.is_not_inherited = like->is_not_inherited,
	};

	backing_drop(); /* several pieces of one mapping: none of them can give its lock back */
	copy.entry = attached_note(like->id, address, size);
	if (piece)
		attached_fill(piece, &copy, address, size);
	/* Without a place in the table it is counted until exec or exit, and shmdt leaves it. */
}

/* The piece is now only this part of what it was: both an attach and a detach. */
static void attached_shorten(struct attached *piece, uintptr_t address, uint64_t size)
{
	uint32_t entry = piece->entry;
	uintptr_t old = piece->address;

	piece->entry = attached_note(piece->id, address, size);
	piece->size = 0;
	piece->address = address;
	piece->size = size;
	attached_unnote(entry, old);
}

void attached_note_all(void)
{
	for (uint32_t i = 0; i < attached_end; i++) {
		struct attached *piece = &attached_table[i];

		if (piece->size != 0)
			piece->entry = attached_note(piece->id, piece->address, piece->size);
	}
}

void attached_after_fork(void)
{
	for (uint32_t i = 0; i < attached_end; i++) {
		struct attached *piece = &attached_table[i];

		piece->entry = ATTACHED_NO_ENTRY;
		if (piece->size != 0 && piece->is_not_inherited)
			attached_finish(piece);
	}
}

void attached_end_all(bool unmap)
{
	for (uint32_t i = 0; i < attached_end; i++) {
		struct attached *piece = &attached_table[i];

		if (piece->size == 0)
			continue;
		if (unmap)
			(void)raw_call2(SYS_munmap, piece->address, piece->size);
		attached_finish(piece);
		attached_tell(piece->id);
	}
}

/* ------------------------------------------------------------------------------------------ cuts */

static void attached_cut_piece(struct attached *piece, uintptr_t start, uintptr_t end)
{
	uintptr_t address = piece->address;
	uintptr_t last = address + piece->size;

	if (start <= address && end >= last) {
		attached_finish(piece);
		attached_tell(piece->id);
	} else if (start <= address) {
		attached_shorten(piece, end, last - end);
	} else {
		if (end < last)
			attached_copy(piece, piece->base, end, last - end);
		attached_shorten(piece, address, start - address);
	}
}

void attached_cut(uintptr_t start, uint64_t size)
{
	uint32_t end = attached_end; /* what is added on the way lies outside */

	for (uint32_t i = 0; i < end; i++) {
		if (attached_overlaps(&attached_table[i], start, size))
			attached_cut_piece(&attached_table[i], start, start + size);
	}
}

/* A child that has only inherited attachments becomes a client before it gives one up. */
static void attached_identify(void)
{
	if (attached_used > 0 && !process_has_client())
		(void)conn_register(ATTACHED_REGISTER_MS); /* else its count is that of its mappings */
}

/* The lowest piece of an attachment. */
static struct attached *attached_find(uintptr_t base)
{
	struct attached *found = NULL;

	for (uint32_t i = 0; i < attached_end; i++) {
		struct attached *piece = &attached_table[i];

		if (piece->size != 0 && piece->base == base &&
		    (!found || piece->address < found->address))
			found = piece;
	}
	return found;
}

int attached_detach(uintptr_t base)
{
	const struct attached *found = attached_find(base);
	int32_t id;

	if (!found)
		return -EINVAL;
	id = found->id;
	attached_identify();
	for (uint32_t i = 0; i < attached_end; i++) {
		struct attached *piece = &attached_table[i];

		if (piece->size == 0 || piece->base != base || piece->id != id)
			continue;
		(void)raw_call2(SYS_munmap, piece->address, piece->size);
		attached_finish(piece);
	}
	attached_tell(id);
	return 0;
}

/* ---------------------------------------------------------------------------------- system calls */

static uint64_t attached_round(uint64_t size)
{
	return (size + ATTACHED_PAGE - 1) & ~(uint64_t)(ATTACHED_PAGE - 1);
}

static bool attached_failed(long result)
{
	return result < 0 && result > -4096;
}

long attached_munmap(void *address, size_t size)
{
	long result;

	process_lock();
	attached_identify();
	result = raw_call2(SYS_munmap, address, size);
	if (result == 0)
		attached_cut((uintptr_t)address, attached_round(size));
	process_unlock();
	return result;
}

long attached_mmap(void *address, size_t size, int protection, int flags, int fd, int64_t offset)
{
	long result;

	process_lock();
	attached_identify();
	result = raw_call6(SYS_mmap, RAW_ARGUMENT(address), (long)size, protection, flags, fd, offset);
	if (!attached_failed(result))
		attached_cut((uintptr_t)result, attached_round(size));
	process_unlock();
	return result;
}

/* Splits every piece that reaches over this address and is to change on one side of it only. */
static void attached_split(uintptr_t at, bool (*changes)(const struct attached *, int), int value)
{
	uint32_t end = attached_end;

	for (uint32_t i = 0; i < end; i++) {
		struct attached *piece = &attached_table[i];
		uint64_t head = at - piece->address;

		if (piece->size == 0 || at <= piece->address || head >= piece->size ||
		    !changes(piece, value))
			continue;
		attached_copy(piece, piece->base, at, piece->size - head);
		piece->size = head;
	}
}

static bool attached_changes_protection(const struct attached *piece, int protection)
{
	return piece->protection != protection;
}

long attached_mprotect(void *address, size_t size, int protection)
{
	uintptr_t start = (uintptr_t)address;
	long result;

	process_lock();
	result = raw_call3(SYS_mprotect, address, size, protection);
	size = attached_round(size);
	protection &= ATTACHED_ACCESS;
	if (result == 0) {
		attached_split(start, attached_changes_protection, protection);
		attached_split(start + size, attached_changes_protection, protection);
		for (uint32_t i = 0; i < attached_end; i++) {
			if (attached_overlaps(&attached_table[i], start, size))
				attached_table[i].protection = protection;
		}
	}
	process_unlock();
	return result;
}

static bool attached_changes_inheritance(const struct attached *piece, int is_not_inherited)
{
	return piece->is_not_inherited != (is_not_inherited != 0);
}

long attached_madvise(void *address, size_t size, int advice)
{
	uintptr_t start = (uintptr_t)address;
	bool is_not = advice == MADV_DONTFORK;
	long result;

	process_lock();
	result = raw_call3(SYS_madvise, address, size, advice);
	size = attached_round(size);
	if (result == 0 && (is_not || advice == MADV_DOFORK)) {
		attached_split(start, attached_changes_inheritance, is_not);
		attached_split(start + size, attached_changes_inheritance, is_not);
		for (uint32_t i = 0; i < attached_end; i++) {
			if (attached_overlaps(&attached_table[i], start, size))
				attached_table[i].is_not_inherited = is_not;
		}
	}
	process_unlock();
	return result;
}

/* Pieces of the old range, again at the new place; size is that of the new range. */
static void attached_move(uintptr_t old, uint64_t old_size, uintptr_t new, uint64_t size)
{
	uint32_t end = attached_end;

	for (uint32_t i = 0; i < end; i++) {
		const struct attached *piece = &attached_table[i];
		uintptr_t from = piece->address > old ? piece->address : old;
		uintptr_t last = piece->address + piece->size;
		uintptr_t to = new + (from - old);

		if (!attached_overlaps(piece, old, old_size))
			continue;
		/* The last one grows or shrinks with the range. */
		last = last >= old + old_size ? old + size : last;
		if (last > from)
			attached_copy(piece, to - (from - piece->base), to, last - from);
	}
}

static void attached_grow(uintptr_t last, uint64_t more)
{
	for (uint32_t i = 0; i < attached_end; i++) {
		struct attached *piece = &attached_table[i];

		if (piece->size == 0 || piece->address + piece->size != last)
			continue;
		piece->size += more;
		if (last + more > attached_high)
			attached_high = last + more;
	}
}

long attached_mremap(void *address, size_t old_size, size_t size, int flags, void *wanted)
{
	uintptr_t old = (uintptr_t)address;
	long result;

	process_lock();
	attached_identify();
	result = raw_call6(SYS_mremap, RAW_ARGUMENT(address), (long)old_size, (long)size, flags,
			   RAW_ARGUMENT(wanted), 0);
	old_size = attached_round(old_size);
	size = attached_round(size);
	if (!attached_failed(result) && (uintptr_t)result != old) {
		if (flags & MREMAP_FIXED)
			attached_cut((uintptr_t)result, size);
		/* No old size: a second mapping of the same memory. */
		attached_move(old, old_size == 0 ? ATTACHED_PAGE : old_size, (uintptr_t)result, size);
		if (!(flags & MREMAP_DONTUNMAP))
			attached_cut(old, old_size);
	} else if (!attached_failed(result) && size < old_size) {
		attached_cut(old + size, old_size - size);
	} else if (!attached_failed(result)) {
		attached_grow(old + old_size, size - old_size);
	}
	process_unlock();
	return result;
}

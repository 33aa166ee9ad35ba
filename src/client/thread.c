/*
 * thread.c: hazard records.
 *
 * A thread takes a record at its first use of a view and keeps it; there is no hook at its end, so
 * a record whose thread is gone is taken over by the next one that looks.
 *
 *  1. A record belongs to the thread whose tid it has; only that thread writes its hazards.
 *  2. A hazard is written before the view's table entry is read again; who unmaps a view clears the
 *     entry, passes a barrier on every thread, and then reads the hazards.
 */
#include "client/thread.h"

#include <linux/membarrier.h>

#include "client/place.h"
#include "sys/raw.h"

_Thread_local struct thread client_thread;

static _Atomic(struct thread_record *) thread_records;
static _Atomic uint32_t thread_records_end;
static _Atomic bool thread_records_full;

static struct thread_record *thread_table(void)
{
	struct thread_record *table = atomic_load(&thread_records);
	struct thread_record *expected = NULL;
	size_t size = sizeof(*table) * THREAD_RECORDS_MAX;

	if (table)
		return table;
	table = place_private(size);
	if (!table)
		return NULL;
	if (!atomic_compare_exchange_strong(&thread_records, &expected, table)) {
		place_unmap(table, size); /* somebody else's is as good */
		table = expected;
	}
	return table;
}

static bool thread_is_gone(uint32_t tid)
{
	return raw_call3(SYS_tgkill, raw_call0(SYS_getpid), tid, 0) == -ESRCH;
}

/* A free record below the end, or a fresh one. */
static struct thread_record *thread_claim(struct thread_record *table, uint32_t tid)
{
	uint32_t end = atomic_load(&thread_records_end);

	for (uint32_t i = 0; i < end; i++) {
		uint32_t owner = atomic_load(&table[i].tid);

		if (owner != 0 && owner != tid && !thread_is_gone(owner))
			continue;
		if (!atomic_compare_exchange_strong(&table[i].tid, &owner, tid))
			continue;
		for (uint32_t j = 0; j < THREAD_HAZARDS_MAX; j++)
			atomic_store(&table[i].hazards[j], NULL);
		atomic_store(&table[i].overflowed, 0);
		return &table[i];
	}
	end = atomic_fetch_add(&thread_records_end, 1);
	if (end >= THREAD_RECORDS_MAX) {
		atomic_fetch_sub(&thread_records_end, 1);
		return NULL;
	}
	atomic_store(&table[end].tid, tid);
	return &table[end];
}

void thread_begin(void)
{
	struct thread_record *table = thread_table();
	uint32_t tid = (uint32_t)raw_call0(SYS_gettid);

	client_thread.hint = tid;
	if (table)
		client_thread.record = thread_claim(table, tid);
	client_thread.slots_number = client_thread.record ? (uint32_t)(client_thread.record - table)
							  : THREAD_RECORDS_MAX;
	if (!client_thread.record)
		atomic_store(&thread_records_full, true);
}

void thread_after_fork(void)
{
	struct thread_record *table = atomic_load(&thread_records);
	uint32_t end = atomic_load(&thread_records_end);

	if (!table)
		return;
	for (uint32_t i = 0; i < end; i++) {
		if (&table[i] != client_thread.record)
			atomic_store(&table[i].tid, 0);
		else
			atomic_store(&table[i].tid, (uint32_t)raw_call0(SYS_gettid));
	}
}

bool thread_any_uses(const void *view)
{
	struct thread_record *table = atomic_load(&thread_records);
	uint32_t end = atomic_load(&thread_records_end);

	if (atomic_load(&thread_records_full))
		return true;
	for (uint32_t i = 0; table && i < end && i < THREAD_RECORDS_MAX; i++) {
		uint32_t tid = atomic_load(&table[i].tid);
		bool uses = atomic_load(&table[i].overflowed) != 0;

		if (tid == 0)
			continue;
		for (uint32_t j = 0; j < THREAD_HAZARDS_MAX; j++)
			uses = uses || atomic_load(&table[i].hazards[j]) == view;
		if (uses && !thread_is_gone(tid))
			return true;
	}
	return false;
}

bool thread_fence_all(void)
{
	if (raw_call3(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0)
		return true;
	if (raw_call3(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0)
		return false;
	return raw_call3(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}

bool thread_fence_everybody(void)
{
	return raw_call3(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) == 0;
}

bool thread_join_fences(void)
{
	static _Atomic bool has_joined; /* fork children have, too */

	if (!atomic_load(&has_joined) &&
	    raw_call3(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0)
		atomic_store(&has_joined, true);
	return atomic_load(&has_joined);
}

uint32_t thread_hazard_find(void)
{
	struct thread_record *record;

	if (!client_thread.record)
		thread_begin();
	record = client_thread.record;
	for (uint32_t i = 0; record && i < THREAD_HAZARDS_MAX; i++) {
		if (!atomic_load_explicit(&record->hazards[i], memory_order_relaxed))
			return i;
	}
	if (record && client_thread.has_jumped) {
		/* All taken only because frames were left by longjmp: these hazards are stale. */
		client_thread.has_jumped = 0;
		/* The outermost call may still be there, in the middle of a commit. */
		client_thread.slots_number = THREAD_RECORDS_MAX;
		for (uint32_t i = 0; i < THREAD_HAZARDS_MAX; i++)
			atomic_store(&record->hazards[i], NULL);
		return 0;
	}
	if (record)
		atomic_store(&record->overflowed, 1);
	return THREAD_HAZARDS_MAX;
}

bool thread_has_hazards(void)
{
	struct thread_record *record = client_thread.record;

	for (uint32_t i = 0; record && i < THREAD_HAZARDS_MAX; i++) {
		if (atomic_load_explicit(&record->hazards[i], memory_order_relaxed))
			return true;
	}
	return false;
}

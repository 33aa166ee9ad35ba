/*
 * sem-few.h: the second most usual semop, inline: a few operations, or one with SEM_UNDO, on a set that
 * this process has used before, by a thread that has descriptors of its own there.
 */
#ifndef CLIENT_SEM_FEW_H
#define CLIENT_SEM_FEW_H

#include <string.h>
#include <sys/sem.h>

#include "client/probe.h"
#include "client/process.h"
#include "client/view.h"

/* True: done.  False: it changed nothing, and sem_op() has to look.  n_ops is 1..SEMSET_FEW_OPS_MAX. */
static inline __attribute__((always_inline)) bool sem_op_few(int id, const struct sembuf *user,
							     uint32_t n_ops)
{
	_Atomic(struct view *) *entry = &view_table[IPC_KIND_SEM - 1][(uint32_t)id & ABI_INDEX_MASK];
	struct view *view = atomic_load_explicit(entry, memory_order_relaxed);
	struct thread_record *record = client_thread.record;
	struct abi_sembuf ops[SEMSET_FEW_OPS_MAX];
	struct actor actor;
	bool done = false;

	if (CLIENT_UNLIKELY(!view || !record || client_thread.sleeping || !process_has_client() ||
			    atomic_load_explicit(&record->hazards[0], memory_order_relaxed) ||
			    !probe_hit(client_thread.readable, user, n_ops * sizeof(*user))))
		return false;
	for (uint32_t i = 0; i < n_ops; i++)
		memcpy(&ops[i], &user[i], sizeof(ops[i]));
	view_protect(record, 0, view);
	if (CLIENT_LIKELY(view_is_still(entry, view, id) && view_is_allowed(view))) {
		actor.slot = view_slot(view, 0);
		if (CLIENT_LIKELY(actor.slot != MCAS_SLOT_NONE)) {
			actor.client = atomic_load_explicit(&process_page->client, memory_order_relaxed);
			actor.pid = process_page->pid;
			actor.hint = 0; /* who has a slot needs none */
			actor.now_s = clock_now_s();
			done = semset_few(&view->set, &actor, ops, n_ops);
		}
	}
	view_release(0);
	return done;
}

#endif

/*
 * sem-one.h: the usual semop, inline: one operation without undo on a set that this process has used
 * before, by a thread that has used the library before.  About fifty instructions and no system call.
 */
#ifndef CLIENT_SEM_ONE_H
#define CLIENT_SEM_ONE_H

#include <sys/sem.h>
#include <time.h>

#include "client/probe.h"
#include "client/process.h"
#include "client/view.h"
#include "core/semset-one.h"

/* True for a time-out that is known to be readable and is in order; false: others have to look. */
static inline bool sem_timeout_is_good(const struct timespec *timeout)
{
	return probe_hit(client_thread.readable, timeout, sizeof(*timeout)) && timeout->tv_sec >= 0 &&
	       (unsigned long)timeout->tv_nsec < 1000000000ul;
}

/*
 * 0 or -EAGAIN; SEMSET_UNUSUAL: it changed nothing, and sem_op() has to look.  Passes on nothing that
 * sem_op() would not find good.
 */
static inline __attribute__((always_inline)) int sem_op_one(int id, const struct sembuf *user)
{
	_Atomic(struct view *) *entry = &view_table[IPC_KIND_SEM - 1][(uint32_t)id & ABI_INDEX_MASK];
	struct view *view = atomic_load_explicit(entry, memory_order_relaxed);
	struct thread_record *record = client_thread.record;
	const volatile struct sembuf *op = user; /* each member is read once: another thread may write */
	struct semset_cell *cell;
	int outcome = SEMSET_UNUSUAL;

	/* The thread's first hazard, or none: who interrupted its user is not in a hurry. */
	if (CLIENT_UNLIKELY(!view || !record || client_thread.sleeping || !process_has_client() ||
			    atomic_load_explicit(&record->hazards[0], memory_order_relaxed) ||
			    !probe_hit(client_thread.readable, user, sizeof(*user)) ||
			    (op->sem_flg & SEM_UNDO)))
		return SEMSET_UNUSUAL;
	view_protect(record, 0, view);
	if (CLIENT_LIKELY(view_is_still(entry, view, id) && view_is_allowed(view)))
		outcome = semset_one(&view->set, op->sem_num, op->sem_op, (uint32_t)op->sem_flg, &cell);
	if (CLIENT_LIKELY(outcome == SEMSET_DONE)) {
		shared32_store(&cell->pid, process_page->pid);
		shared64_store(&cell->otime_s, (uint64_t)clock_now_s());
	}
	view_release(0);
	if (outcome == SEMSET_E_AGAIN)
		return -EAGAIN;
	return outcome == SEMSET_DONE ? 0 : SEMSET_UNUSUAL;
}

#endif

/* sleeping.c: see sleeping.h. */
#include "client/sleeping.h"

#include <pthread.h>

#include "client/process.h"
#include "sys/raw.h"
#include "sys/wait.h"

void sleeping_begin(struct sleeping *sleeping)
{
	sleeping->outer = client_thread.sleeping;
	client_thread.sleeping = sleeping;
}

void sleeping_end(struct sleeping *sleeping)
{
	client_thread.sleeping = sleeping->outer;
}

static int sleeping_cancel_in(struct sleeping *sleeping, struct view *view, struct wakes *wakes)
{
	struct actor actor;

	process_actor(&actor);
	switch (sleeping->what) {
	case SLEEPING_SEMOP:
		return semset_cancel(&view->set, &actor, &sleeping->sem);
	case SLEEPING_SEND:
		return msgq_send_cancel(&view->queue, &actor, &sleeping->msg, wakes);
	default:
		return msgq_receive_cancel(&view->queue, &actor, &sleeping->msg, sleeping->want,
					   sleeping->text, &sleeping->text_size, &sleeping->type,
					   wakes);
	}
}

void sleeping_cancel(struct sleeping *sleeping)
{
	struct wakes wakes = {.n = 0};
	uint32_t depth;
	int outcome = MSGQ_REMAP;

	for (uint32_t i = 0; i < VIEW_TRIES_MAX; i++) {
		struct view *view = view_hold_mapped(sleeping->kind, sleeping->id, &depth);

		if (!view) {
			/* Not removed but unmapped, for a queue that grew. */
			if (view_open(sleeping->kind, sleeping->id, 0) == 0)
				continue;
			break;
		}
		outcome = sleeping_cancel_in(sleeping, view, &wakes);
		view_wake(sleeping->kind == IPC_KIND_SEM ? &view->set.mcas : &view->queue.mcas,
			  &wakes);
		view_release(depth);
		if (sleeping->kind == IPC_KIND_SEM)
			break;
		if (outcome == MSGQ_REMAP)
			view_remap(sleeping->kind, sleeping->id);
		else if (outcome != MSGQ_E_BUSY)
			break;
	}
	if (outcome == MSGQ_REMAP)
		outcome = sleeping->kind == IPC_KIND_SEM ? (int)SEMSET_E_REMOVED
							 : (int)MSGQ_E_REMOVED;
	sleeping->outcome = outcome;
	sleeping->is_over = true;
}

void sleeping_cancel_all(void)
{
	uint64_t signals = process_block_signals();

	while (client_thread.sleeping) {
		struct sleeping *sleeping = client_thread.sleeping;

		sleeping_cancel(sleeping);
		sleeping_end(sleeping);
	}
	process_restore_signals(signals);
}

void sleeping_after_fork(void)
{
	while (client_thread.sleeping) {
		struct sleeping *sleeping = client_thread.sleeping;

		sleeping->is_over = true;
		sleeping->outcome = sleeping->kind == IPC_KIND_SEM ? (int)SEMSET_BLOCKED
								   : (int)MSGQ_BLOCKED;
		sleeping_end(sleeping);
	}
}

void sleeping_before_jump(void)
{
	int saved = errno;

	if (client_thread.sleeping)
		sleeping_cancel_all();
	if (client_thread.depth > 0)
		client_thread.has_jumped = 1;
	errno = saved;
}

static void sleeping_cancelled(void *argument)
{
	(void)argument;
	if (client_thread.sleeping)
		sleeping_cancel_all();
}

/* Cancellation can take effect in here, by the program's choice or because it is a point. */
static int sleeping_wait_word(const struct shared32 *word, uint32_t expected, uint64_t deadline_ns,
			      bool is_point)
{
	int r;

	pthread_cleanup_push(sleeping_cancelled, NULL);
	if (is_point) {
		int type;

		(void)pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
		r = wait_on(word, expected, deadline_ns);
		(void)pthread_setcanceltype(type, &type);
	} else {
		r = wait_on(word, expected, deadline_ns);
	}
	pthread_cleanup_pop(0);
	return r;
}

int sleeping_wait(struct sleeping *sleeping, uint64_t deadline_ns, uint64_t signals, bool is_point)
{
	bool is_sem = sleeping->kind == IPC_KIND_SEM;
	uint32_t word_index = is_sem ? sleeping->sem.word_index : sleeping->msg.word_index;
	uint32_t expected = is_sem ? sleeping->sem.expected : sleeping->msg.expected;
	const struct shared32 *word = NULL;
	struct mcas *mcas;
	struct view *view;
	uint32_t depth;
	int r = 0;

	view = view_hold_mapped(sleeping->kind, sleeping->id, &depth);
	if (!view)
		return 0;
	mcas = is_sem ? &view->set.mcas : &view->queue.mcas;
	if (word_index < mcas->n_words)
		word = shared64_low_half(&mcas->words[word_index]);
	view_release(depth);
	/* Should it be unmapped now, the kernel says so, and the look that follows finds it gone. */
	process_restore_signals(signals);
	if (word)
		r = sleeping_wait_word(word, expected, deadline_ns, is_point);
	(void)process_block_signals();
	return r;
}

bool sleeping_may_spin(void)
{
	static _Atomic int cpus;
	uint64_t mask[64] = {0};
	int n = atomic_load_explicit(&cpus, memory_order_relaxed);

	if (n == 0) {
		(void)raw_call3(SYS_sched_getaffinity, 0, sizeof(mask), mask);
		for (size_t i = 0; i < ARRAY_SIZE(mask); i++)
			n += __builtin_popcountll(mask[i]);
		atomic_store_explicit(&cpus, n == 0 ? 1 : n, memory_order_relaxed);
	}
	return n > 1;
}

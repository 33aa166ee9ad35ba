/* sleeping.c: see sleeping.h. */
#include "client/sleeping.h"

#include <pthread.h>
#include <time.h>

#include "client/process.h"
#include "client/stead.h"
#include "sys/raw.h"
#include "sys/wait.h"

#ifndef SYS_ppoll
#define SYS_ppoll SYS_ppoll_time64
#endif

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

	if (sleeping->what == SLEEPING_STEAD) {
		sleeping->outcome = stead_leave(sleeping->stead);
		sleeping->is_over = true;
		return;
	}
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
	if (thread_has_hazards())
		client_thread.has_jumped = 1;
	errno = saved;
}

static void sleeping_cancelled(void *argument)
{
	(void)argument;
	if (client_thread.sleeping)
		sleeping_cancel_all();
}

/*
 * True if a signal that came while signals were blocked has run a handler just now.  Only the kernel
 * knows which of the pending ones are ignored.
 */
static bool sleeping_was_interrupted(uint64_t signals)
{
	struct timespec none = {0};
	uint64_t pending = 0;

	(void)raw_call2(SYS_rt_sigpending, &pending, sizeof(pending));
	if (!(pending & ~signals))
		return false;
	return raw_call6(SYS_ppoll, 0, 0, RAW_ARGUMENT(&none), RAW_ARGUMENT(&signals),
			 sizeof(signals), 0) == -EINTR;
}

/* word NULL: it was interrupted already. */
static int sleeping_wait_on(const struct shared32 *word, uint32_t expected, uint64_t deadline_ns)
{
	return word ? wait_on(word, expected, deadline_ns) : -EINTR;
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
		r = sleeping_wait_on(word, expected, deadline_ns);
		(void)pthread_setcanceltype(type, &type);
	} else {
		r = sleeping_wait_on(word, expected, deadline_ns);
	}
	pthread_cleanup_pop(0);
	return r;
}

/* The word that it waits on, and what that word is while it has to wait.  NULL: look again. */
static const struct shared32 *sleeping_word(const struct sleeping *sleeping, uint32_t *ret_expected)
{
	static const struct shared32 never;
	bool is_sem = sleeping->kind == IPC_KIND_SEM;
	uint32_t word_index = is_sem ? sleeping->sem.word_index : sleeping->msg.word_index;
	const struct shared32 *word = NULL;
	const struct mcas *mcas;
	struct view *view;
	uint32_t depth;

	if (sleeping->what == SLEEPING_STEAD) {
		*ret_expected = 0;
		return &never;
	}
	view = view_hold_mapped(sleeping->kind, sleeping->id, &depth);
	if (!view)
		return NULL;
	mcas = is_sem ? &view->set.mcas : &view->queue.mcas;
	if (word_index < mcas->n_words)
		word = shared64_low_half(&mcas->words[word_index]);
	view_release(depth);
	/* Should it be unmapped now, the kernel says so, and the look that follows finds it gone. */
	*ret_expected = is_sem ? sleeping->sem.expected : sleeping->msg.expected;
	return word;
}

int sleeping_wait(struct sleeping *sleeping, uint64_t deadline_ns, uint64_t signals, bool is_point)
{
	uint32_t expected;
	const struct shared32 *word = sleeping_word(sleeping, &expected);
	int r;

	if (!word)
		return 0;
	if (sleeping_was_interrupted(signals))
		word = NULL; /* but a cancellation takes effect */
	process_restore_signals(signals);
	r = sleeping_wait_word(word, expected, deadline_ns, is_point);
	(void)process_block_signals();
	return r;
}

/*
 * msg.c: msgget, msgsnd, msgrcv, msgctl.
 *
 * Order of checks: MSG-1, MSG-2, IPC-29..36.  A message goes from the program's buffer into the
 * queue and out of it into the program's buffer; only a sender that has to sleep captures its text
 * first (MSG-8), and only a receiver whose buffer is not all there gets it by way of a copy (MSG-22).
 */
#include "client/msg.h"

#include <limits.h>
#include <string.h>

#include "client/conn.h"
#include "client/ns.h"
#include "client/ipc.h"
#include "client/patience.h"
#include "client/place.h"
#include "client/probe.h"
#include "client/sleeping.h"
#include "client/stead.h"
#include "sys/raw.h"
#include "sys/wait.h"

/* Growths, new mappings and pauses of one call; more is a file that lies. */
#define MSG_TRIES_MAX 100000u
#define MSG_TRIES_PAUSED 100u

/* Rounds of waking after one call; each one wakes WAKES_MAX sleepers. */
#define MSG_SETTLE_MAX (2u * SLEEPER_MAX / WAKES_MAX)

/* A buffer up to this size is checked as a whole before the message is taken. */
#define MSG_DIRECT_MAX (1u << 20)

/* Text of a sleeping sender that needs no mapping of its own. */
#define MSG_CAPTURE_STACK 512u

STATIC_ASSERT(MSG_NOERROR == ABI_MSG_NOERROR && MSG_EXCEPT == ABI_MSG_EXCEPT);
STATIC_ASSERT(MSG_COPY == ABI_MSG_COPY);

/* One call of msgsnd or msgrcv. */
struct msg_call {
	int32_t id;
	uint32_t need;
	bool is_copy;          /* MSG_COPY */
	bool is_guest;         /* keeps no entry in the queue: there is no storage for one */
	struct msgq_want want; /* receive; send: type and size */
	void *text;
	uint64_t size; /* result of a receive */
	int64_t type;
};

static int msg_errno(int outcome)
{
	switch (outcome) {
	case MSGQ_DONE:
		return 0;
	case MSGQ_E_2BIG:
		return -E2BIG;
	case MSGQ_E_NOMSG:
		return -ENOMSG;
	case MSGQ_E_INVAL:
	case MSGQ_E_REMOVED:
		return -EINVAL;
	case MSGQ_E_NOMEM:
	case MSGQ_E_BUSY:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

static int msg_grow(struct view *view)
{
	struct msgq_growth growth;

	msgq_growth(&view->queue, &growth);
	for (uint32_t i = 0; i < growth.n_ranges && i < ARRAY_SIZE(growth.ranges); i++) {
		if (view_back(view, growth.ranges[i].off, growth.ranges[i].size) < 0)
			return -ENOMEM;
	}
	msgq_growth_done(&view->queue, &growth);
	return 0;
}

/* Carries out wakes, and those that did not fit in the list. */
static __attribute__((noinline)) void msg_wake_some(struct view *view, const struct actor *actor,
						    struct wakes *wakes)
{
	view_wake(&view->queue.mcas, wakes);
	for (uint32_t i = 0; i < MSG_SETTLE_MAX && wakes->n == WAKES_MAX; i++) {
		wakes->n = 0;
		if (msgq_settle(&view->queue, actor, wakes) != MSGQ_DONE)
			break;
		view_wake(&view->queue.mcas, wakes);
	}
}

static inline void msg_wake(struct view *view, const struct actor *actor, struct wakes *wakes)
{
	if (CLIENT_UNLIKELY(wakes->n > 0))
		msg_wake_some(view, actor, wakes);
}

/*
 * A call keeps what it took from the queue for the next one by the same hint, so that one which a
 * longjmp leaves loses nothing.  A handler's call inside another one has another hazard, and so a hint
 * of its own.
 */
static void msg_actor(struct actor *ret_actor, const struct msg_call *call, uint32_t hazard)
{
	process_actor(ret_actor);
	if (CLIENT_LIKELY(hazard < THREAD_HAZARDS_MAX && !call->is_guest))
		ret_actor->hint += hazard << 24;
	else
		ret_actor->hint = MSGQ_HINT_NONE;
}

/* --------------------------------------------------------------------------------- giving back */

/* Tries to find nobody inside, and storage that comes while it is taken away. */
#define MSG_TRIM_TRIES 32u
#define MSG_TRIM_ROUNDS 4u

/* Takes away what is no longer in use.  False: there is something left. */
static bool msg_take_away(struct view *view)
{
	struct msgq *queue = &view->queue;
	struct msgq_trim trim;
	uint64_t offset;
	uint64_t size;

	for (uint32_t i = 0; msgq_trim_left(queue, &trim); i++) {
		if (i == MSG_TRIM_ROUNDS || !thread_fence_everybody() || !msgq_trim_is_quiet(queue) ||
		    view_is_copied(view))
			return false;
		while (msgq_trim_next(queue, &trim, &offset, &size)) {
			if (view_unback(view, offset, size) < 0)
				return false;
		}
		msgq_trim_done(queue, &trim);
	}
	return true;
}

/* The queue has become empty, or is: what it had needed goes back to the file system. */
static __attribute__((noinline)) void msg_trim(struct view *view, const struct actor *actor)
{
	struct msgq *queue = &view->queue;
	int outcome = MSGQ_E_BUSY;
	uint64_t signals;
	bool done;

	if (!msgq_trim_is_due(queue, actor->now_s))
		return;
	signals = process_block_signals(); /* a jump must not leave the queue with a trimmer */
	if (msgq_trim_begin(queue, actor)) {
		done = msg_take_away(view);
		for (uint32_t i = 0; done && outcome == MSGQ_E_BUSY && i < MSG_TRIM_TRIES; i++) {
			if (i > 0)
				(void)raw_call0(SYS_sched_yield);
			msgq_trim_close(queue);
			if (!thread_fence_everybody())
				break;
			outcome = msgq_trim_flip(queue, actor);
		}
		done = done && msg_take_away(view);
		msgq_trim_end(queue, actor, !done || outcome != MSGQ_BLOCKED);
	}
	process_restore_signals(signals);
}

/* MSG_COPY: it only reads, so nobody sees it in the queue. */
static int msg_copy(struct view *view, struct msg_call *call)
{
	int fd = view_copy_begin(view);
	int outcome;

	if (fd < 0)
		return fd == -ENOENT ? -EINVAL : -ENOMEM;
	outcome = msgq_copy(&view->queue, call->want.type, call->want.size,
			    call->want.flags & ABI_MSG_NOERROR, call->text, &call->size, &call->type);
	view_copy_end(fd);
	return outcome;
}

/* One try in the core.  sleeping NULL: without sleeping. */
static int msg_try(struct view *view, uint32_t hazard, struct msg_call *call,
		   struct sleeping *sleeping)
{
	struct msgq *queue = &view->queue;
	struct actor actor;
	struct wakes wakes;
	int outcome;

	msg_actor(&actor, call, hazard);
	wakes.n = 0;
	if (call->is_copy)
		return msg_copy(view, call);
	else if (call->need == CRED_WRITE && sleeping)
		outcome = msgq_send_or_wait(queue, &actor, call->want.type, call->text,
					    call->want.size, &wakes, &sleeping->msg);
	else if (call->need == CRED_WRITE)
		outcome = msgq_send(queue, &actor, call->want.type, call->text, call->want.size,
				    &wakes);
	else if (sleeping)
		outcome = msgq_receive_or_wait(queue, &actor, &call->want, call->text, &call->size,
					       &call->type, &wakes, &sleeping->msg);
	else
		outcome = msgq_receive(queue, &actor, &call->want, call->text, &call->size,
				       &call->type, &wakes);
	if (outcome == MSGQ_WAITING)
		sleeping_begin(sleeping);
	msg_wake(view, &actor, &wakes);
	if (CLIENT_UNLIKELY(msgq_trim_due(queue) != 0) && call->need == CRED_READ)
		msg_trim(view, &actor);
	return outcome;
}

/*
 * The call, with whatever storage, mappings and patience it needs: an outcome, or -errno of
 * finding the queue.
 */
static int msg_attempt(struct msg_call *call, struct sleeping *sleeping)
{
	for (uint32_t i = 0; i < MSG_TRIES_MAX; i++) {
		struct view *view;
		uint32_t hazard;
		int outcome;
		int r = view_get(IPC_KIND_MSG, call->id, call->need, &view, &hazard);

		if (r == 0 && !view->is_writable && !call->is_copy) {
			view_release(hazard);
			r = -EACCES; /* the kernel lets it read, and taking a message is more */
		}
		if (r < 0)
			return r;
		outcome = msg_try(view, hazard, call, sleeping);
		if (outcome == MSGQ_GROW && msg_grow(view) < 0) {
			if (call->is_guest)
				outcome = MSGQ_E_NOMEM;
			call->is_guest = true; /* once more, should it be for an entry alone */
		}
		view_release(hazard);
		if (CLIENT_LIKELY(outcome != MSGQ_GROW && outcome != MSGQ_REMAP &&
				  outcome != MSGQ_E_BUSY && outcome != MSGQ_MORE))
			return outcome;
		if (outcome == MSGQ_REMAP)
			view_remap(IPC_KIND_MSG, call->id);
		else if (outcome == MSGQ_E_BUSY && i < MSG_TRIES_PAUSED)
			shared_pause();
		else if (outcome == MSGQ_E_BUSY)
			(void)raw_call0(SYS_sched_yield);
	}
	return MSGQ_E_BUSY;
}

/* ------------------------------------------------------------------------------------ sleeping */

static int msg_poll(struct view *view, struct sleeping *sleeping)
{
	struct actor actor;
	struct wakes wakes = {.n = 0};
	int outcome;

	process_actor(&actor);
	if (sleeping->what == SLEEPING_SEND)
		outcome = msgq_send_poll(&view->queue, &sleeping->msg);
	else
		outcome = msgq_receive_poll(&view->queue, &actor, &sleeping->msg, sleeping->want,
					    sleeping->text, &sleeping->text_size, &sleeping->type,
					    &wakes);
	msg_wake(view, &actor, &wakes);
	if (msgq_trim_due(&view->queue) != 0 && outcome == MSGQ_WAITING)
		msg_trim(view, &actor);
	return outcome;
}

/* Looks at the sleeper after wait_on said r; WAITING, or how its sleep ended. */
static int msg_look(struct sleeping *sleeping, int r)
{
	struct view *view;
	uint32_t depth;
	int outcome;

	if (sleeping->is_over)
		return sleeping->outcome;
	if (r < 0) {
		sleeping_cancel(sleeping);
		return sleeping->outcome;
	}
	view = view_hold_mapped(IPC_KIND_MSG, sleeping->id, &depth);
	if (!view) {
		/* Unmapped by another thread because it grew, or removed. */
		return view_open(IPC_KIND_MSG, sleeping->id, 0) == 0 ? MSGQ_WAITING
								     : MSGQ_E_REMOVED;
	}
	outcome = msg_poll(view, sleeping);
	view_release(depth);
	if (outcome == MSGQ_REMAP)
		view_remap(IPC_KIND_MSG, sleeping->id);
	if (outcome == MSGQ_REMAP || outcome == MSGQ_E_BUSY)
		return MSGQ_WAITING;
	return outcome;
}

/* Sleeps until the sleeper's end: its outcome, or -EINTR.  Signals are blocked. */
static int msg_sleep(struct sleeping *sleeping, uint64_t signals)
{
	int outcome = MSGQ_WAITING;

	while (outcome == MSGQ_WAITING) {
		int r = sleeping_wait(sleeping, WAIT_FOREVER, signals, true);
		bool is_left = r < 0 || sleeping->is_over;

		outcome = msg_look(sleeping, r);
		if (is_left && (outcome == MSGQ_BLOCKED || outcome == MSGQ_RETRY))
			outcome = -EINTR;
	}
	sleeping_end(sleeping);
	return outcome;
}

/* Changes with every change of the queue. */
static uint32_t msg_progress(const struct msg_call *call)
{
	uint32_t progress = 0, hazard;
	struct view *view = view_hold_mapped(IPC_KIND_MSG, call->id, &hazard);

	if (view) {
		progress = msgq_progress(&view->queue);
		view_release(hazard);
	}
	return progress;
}

/* The rest of a call that was blocked, from where it offers others the CPU.  Signals are blocked. */
static int msg_wait(struct msg_call *call, struct patience *patience, uint64_t signals)
{
	struct sleeping sleeping = {
		.what = call->need == CRED_WRITE ? SLEEPING_SEND : SLEEPING_RECEIVE,
		.kind = IPC_KIND_MSG,
		.id = call->id,
		.want = &call->want,
		.text = call->text,
	};
	int outcome = MSGQ_BLOCKED;

	while (outcome == MSGQ_BLOCKED && patience_yield(patience, msg_progress(call)))
		outcome = msg_attempt(call, NULL);
	if (outcome != MSGQ_BLOCKED)
		return outcome;
	do {
		outcome = msg_attempt(call, &sleeping);
		if (outcome != MSGQ_WAITING)
			break;
		outcome = msg_sleep(&sleeping, signals);
		call->size = sleeping.text_size;
		call->type = sleeping.type;
		sleeping.is_over = false;
	} while (outcome == MSGQ_RETRY);
	return outcome;
}

/* A call that was found to be blocked, on a queue that existed then.  0 or -errno. */
static int msg_block(struct msg_call *call)
{
	uint32_t key = (uint32_t)call->id << 16 ^ (uint32_t)call->id >> 16 ^ call->need << 8;
	struct patience patience;
	int outcome = MSGQ_BLOCKED;
	uint64_t signals;

	patience_begin(&patience, key, WAIT_FOREVER);
	while (outcome == MSGQ_BLOCKED && patience_spin(&patience))
		outcome = msg_attempt(call, NULL);
	if (outcome == MSGQ_BLOCKED) {
		signals = process_block_signals();
		outcome = msg_wait(call, &patience, signals);
		patience_end(&patience, msg_progress(call));
		process_restore_signals(signals);
	} else {
		patience_end(&patience, 0);
	}
	if (outcome == MSGQ_E_REMOVED || outcome == -EINVAL)
		return -EIDRM; /* removed meanwhile (MSG-38) */
	return outcome < 0 ? outcome : msg_errno(outcome);
}

/* With a mode that gives him no mapping, but the permission (PERM-13).  0 or -errno. */
static __attribute__((noinline)) int msg_in_stead(struct msg_call *call, int flags)
{
	struct stead_call stead = {
		.kind = IPC_KIND_MSG,
		.id = call->id,
		.need = call->need,
		.what = call->need == CRED_WRITE ? PROTO_STEAD_SEND : PROTO_STEAD_RECEIVE,
		.flags = call->want.flags,
		.type = call->want.type,
		.size = call->want.size,
		.bytes = call->text,
		.deadline_ns = WAIT_FOREVER,
		.may_wait = !(flags & IPC_NOWAIT),
		.is_point = true,
	};
	int r = stead_run(&stead);

	call->size = stead.ret_size;
	call->type = stead.ret_type;
	return r;
}

/* --------------------------------------------------------------------------------- msgsnd, msgget */

/* The text is captured before it sleeps (MSG-8). */
static __attribute__((noinline)) int msg_send_blocked(struct msg_call *call)
{
	uint8_t small[MSG_CAPTURE_STACK];
	const void *user_text = call->text;
	size_t mapped = call->want.size > sizeof(small) ? (size_t)call->want.size : 0;
	int r = -ENOMEM;

	call->text = mapped > 0 ? place_private(mapped) : small;
	if (call->text) {
		memcpy(call->text, user_text, (size_t)call->want.size);
		r = msg_block(call);
	}
	place_unmap(call->text, mapped);
	return r;
}

static inline int msg_open(void)
{
	return CLIENT_LIKELY(atomic_load(&ns_registry) != NULL) ? 0 : ns_open(false);
}

static int msg_prepare(void)
{
	if (CLIENT_UNLIKELY(client_thread.sleeping != NULL))
		sleeping_cancel_all();
	return conn_identify();
}

int msg_send(int id, const void *message, size_t size, int flags)
{
	const uint8_t *bytes = message;
	struct msg_call call = {.id = id, .need = CRED_WRITE, .want.size = size};
	long type;
	int outcome;
	int r;

	if (!probe_readable(message, sizeof(type)))
		return -EFAULT;
	memcpy(&type, message, sizeof(type));
	r = msg_open();
	if (r < 0)
		return r;
	if (size > ipc_msgmax() || id < 0 || type < 1)
		return -EINVAL;
	if (!probe_readable(bytes + sizeof(type), size))
		return -EFAULT;
	r = msg_prepare();
	if (r < 0)
		return r;
	call.want.type = type;
	call.text = (void *)(uintptr_t)(bytes + sizeof(type)); /* only read */
	outcome = msg_attempt(&call, NULL);
	if (CLIENT_LIKELY(outcome == MSGQ_DONE))
		return 0;
	if (outcome == MSGQ_BLOCKED)
		outcome = flags & IPC_NOWAIT ? -EAGAIN : msg_send_blocked(&call);
	if (outcome == -EACCES)
		return msg_in_stead(&call, flags);
	return outcome < 0 ? outcome : msg_errno(outcome);
}

int msg_get(key_t key, int flags)
{
	int r = ns_open(false);

	return r < 0 ? r : ipc_get(IPC_KIND_MSG, key, 0, (uint32_t)flags);
}

/* ------------------------------------------------------------------------------------- msgrcv */

/* Receives into call->text, private memory or a checked buffer.  0 or -errno. */
static int msg_receive_into(struct msg_call *call, int flags)
{
	int outcome = msg_attempt(call, NULL);

	if (CLIENT_LIKELY(outcome == MSGQ_DONE))
		return 0;
	if (outcome == MSGQ_BLOCKED)
		outcome = flags & IPC_NOWAIT ? -ENOMSG : msg_block(call);
	if (outcome == -EACCES && !call->is_copy) {
		outcome = msg_in_stead(call, flags);
		return outcome == -EAGAIN ? -ENOMSG : outcome;
	}
	return outcome < 0 ? outcome : msg_errno(outcome);
}

/* A buffer that cannot be vouched for: the message is taken, then what fits is copied (MSG-22). */
static __attribute__((noinline)) ssize_t msg_receive_by_copy(struct msg_call *call, uint8_t *user,
							     int flags)
{
	size_t mapped = (size_t)call->want.size;
	long type;
	int r = -ENOMEM;

	if (mapped == 0)
		mapped = 1;
	call->text = place_private(mapped);
	if (call->text)
		r = msg_receive_into(call, flags);
	type = (long)call->type;
	if (r == 0 && (!probe_copy_out(user, &type, sizeof(type)) ||
		       !probe_copy_out(user + sizeof(type), call->text, (size_t)call->size)))
		r = -EFAULT;
	place_unmap(call->text, mapped);
	return r < 0 ? r : (ssize_t)call->size;
}

ssize_t msg_receive(int id, void *message, size_t size, long type, int flags)
{
	struct msg_call call = {
		.id = id,
		.need = CRED_READ,
		.is_copy = (flags & MSG_COPY) != 0,
		.want = {
			.type = type,
			.size = size < MSG_TEXT_MAX ? size : MSG_TEXT_MAX,
			.flags = (uint32_t)flags & (ABI_MSG_NOERROR | ABI_MSG_EXCEPT),
		},
	};
	uint8_t *user = message;
	int r;

	if (id < 0 || size > SSIZE_MAX)
		return -EINVAL;
	if (call.is_copy && (!(flags & IPC_NOWAIT) || (flags & MSG_EXCEPT)))
		return -EINVAL;
	if (call.is_copy && !probe_readable(message, sizeof(type)))
		return -EFAULT;
	r = msg_open();
	if (r == 0)
		r = msg_prepare();
	if (r < 0)
		return r;
	if (size > MSG_DIRECT_MAX || !probe_writable(user, sizeof(type) + size))
		return msg_receive_by_copy(&call, user, flags);
	call.text = user + sizeof(type);
	r = msg_receive_into(&call, flags);
	if (r < 0)
		return r;
	type = (long)call.type;
	memcpy(user, &type, sizeof(type));
	return (ssize_t)call.size;
}

/* ------------------------------------------------------------------------------------- msgctl */

void msg_read_stat(int32_t id, struct msgq_stat *ret_stat)
{
	uint32_t depth;
	struct view *view = view_hold(IPC_KIND_MSG, id, 0, &depth);
	struct view peek;

	memset(ret_stat, 0, sizeof(*ret_stat));
	if (view) {
		msgq_get_stat(&view->queue, ret_stat);
		view_release(depth);
	} else if (view_peek(IPC_KIND_MSG, id, &peek) == 0) {
		msgq_get_stat(&peek.queue, ret_stat);
		view_unpeek(&peek);
	}
}

static int msg_fill_info(int command, struct msginfo *user)
{
	const struct registry *registry = atomic_load(&ns_registry);
	uint32_t index_max = registry_index_max(registry, IPC_KIND_MSG);
	struct registry_limits limits;
	struct registry_object object;
	struct msginfo info;
	struct msgq_stat stat;
	uint64_t n_messages = 0;
	uint64_t n_bytes = 0;

	memset(&info, 0, sizeof(info));
	ipc_limits(&limits);
	info.msgmax = (int)limits.msgmax;
	info.msgmnb = (int)limits.msgmnb;
	info.msgmni = (int)limits.msgmni;
	info.msgssz = 16;
	info.msgseg = 0xffff;
	info.msgpool = 512000;
	info.msgmap = info.msgtql = 16384;
	if (command == MSG_INFO) {
		for (uint32_t i = 0; i <= index_max && i < OBJECT_MAX; i++) {
			if (registry_get_index(registry, IPC_KIND_MSG, i, &object) != 0)
				continue;
			msg_read_stat(object.id, &stat);
			n_messages += stat.qnum;
			n_bytes += stat.cbytes;
		}
		info.msgpool = (int)registry_count(registry, IPC_KIND_MSG);
		info.msgmap = (int)n_messages;
		info.msgtql = (int)n_bytes;
	}
	if (!probe_writable(user, sizeof(*user)))
		return -EFAULT;
	*user = info;
	return (int)index_max;
}

static int msg_stat(int id, int command, struct msqid_ds *user)
{
	struct registry_object object;
	struct msqid_ds status;
	struct msgq_stat stat;
	int r = command == IPC_STAT ? ipc_find(IPC_KIND_MSG, id, &object)
				    : ipc_find_index(IPC_KIND_MSG, id, &object);

	if (r == 0 && command != MSG_STAT_ANY)
		r = ipc_judge(&object, CRED_READ);
	if (r < 0)
		return r;
	memset(&status, 0, sizeof(status));
	ipc_fill_perm(&object, &status.msg_perm);
	msg_read_stat(object.id, &stat);
	status.msg_stime = stat.stime_s;
	status.msg_rtime = stat.rtime_s;
	status.msg_ctime = stat.ctime_s;
	status.__msg_cbytes = stat.cbytes;
	status.msg_qnum = stat.qnum;
	status.msg_qbytes = stat.qbytes;
	status.msg_lspid = (pid_t)stat.lspid;
	status.msg_lrpid = (pid_t)stat.lrpid;
	if (!probe_writable(user, sizeof(*user)))
		return -EFAULT;
	*user = status;
	return command == IPC_STAT ? 0 : object.id;
}

static int msg_control_set(int id, const struct msqid_ds *user)
{
	struct ipc_perm perm;
	uint32_t qbytes;

	if (!probe_readable(user, sizeof(*user)))
		return -EFAULT;
	perm = user->msg_perm;
	qbytes = (uint32_t)user->msg_qbytes; /* MSG-40 */
	return ipc_set(IPC_KIND_MSG, id, &perm, qbytes);
}

int msg_control(int id, int command, void *argument)
{
	int r;

	if (id < 0 || command < 0)
		return -EINVAL;
	r = ipc_begin();
	if (r < 0)
		return r;
	switch (command) {
	case IPC_INFO:
	case MSG_INFO:
		return msg_fill_info(command, argument);
	case IPC_STAT:
	case MSG_STAT:
	case MSG_STAT_ANY:
		return msg_stat(id, command, argument);
	case IPC_SET:
		return msg_control_set(id, argument);
	case IPC_RMID:
		return ipc_remove(IPC_KIND_MSG, id);
	default:
		return -EINVAL;
	}
}

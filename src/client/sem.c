/*
 * sem.c: semget, semop, semtimedop, semctl.
 *
 * Order of checks: SEM-1..5, IPC-30..36.  The path of one operation on a set that was used before
 * makes no system call; everything that can be slow is in functions of its own.
 */
#include "client/sem.h"

#include <string.h>

#include "client/conn.h"
#include "client/ns.h"
#include "client/ipc.h"
#include "client/patience.h"
#include "client/place.h"
#include "client/probe.h"
#include "client/sem-one.h"
#include "client/sleeping.h"
#include "client/stead.h"
#include "sys/raw.h"
#include "sys/wait.h"

/* A call backs each part of the file at most once or twice; more is a file that lies. */
#define SEM_GROW_MAX 32u

/* Operations of a call on the hot path, which does not look at semopm. */
#define SEM_FAST_OPS SEM_NOPS_MIN

/* Rounds of settling after one call; each one wakes WAKES_MAX sleepers. */
#define SEM_SETTLE_MAX (2u * SLEEPER_MAX / WAKES_MAX)

#define SEM_NS_PER_S 1000000000ull

STATIC_ASSERT(sizeof(struct sembuf) == sizeof(struct abi_sembuf));
STATIC_ASSERT(offsetof(struct sembuf, sem_op) == offsetof(struct abi_sembuf, sem_op));
STATIC_ASSERT(offsetof(struct sembuf, sem_flg) == offsetof(struct abi_sembuf, sem_flg));
STATIC_ASSERT(SEM_UNDO == ABI_SEM_UNDO);

/* One call of semop. */
struct sem_call {
	int32_t id;
	uint32_t need;
	const struct abi_sembuf *ops;
	uint32_t n_ops;
	uint64_t deadline_ns;
	bool may_sleep;
};

static int sem_errno(int outcome)
{
	switch (outcome) {
	case SEMSET_DONE:
	case SEMSET_MORE:
		return 0;
	case SEMSET_BLOCKED:
	case SEMSET_E_AGAIN:
		return -EAGAIN;
	case SEMSET_E_RANGE:
		return -ERANGE;
	case SEMSET_E_FBIG:
		return -EFBIG;
	case SEMSET_E_REMOVED:
		return -EINVAL;
	case SEMSET_E_NOMEM:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

/* True if outcome was a growth and that has been carried out: the call is to be made again. */
static bool sem_grow(struct view *view, int *outcome)
{
	struct semset_growth growth;

	if (!semset_growth(&view->set, *outcome, &growth))
		return false;
	for (uint32_t i = 0; i < growth.n_ranges && i < ARRAY_SIZE(growth.ranges); i++) {
		if (view_back(view, growth.ranges[i].offset, growth.ranges[i].size) < 0) {
			*outcome = SEMSET_E_NOMEM;
			return false;
		}
	}
	semset_grown(&view->set, &growth);
	return true;
}

/* Carries out the wakes of a change and whatever follows from it.  The change's own outcome. */
static int sem_carry(struct view *view, const struct actor *actor, int outcome, struct wakes *wakes)
{
	int settled = outcome;

	if (outcome != SEMSET_DONE && outcome != SEMSET_MORE)
		return outcome;
	view_wake(&view->set.mcas, wakes);
	for (uint32_t i = 0; i < SEM_SETTLE_MAX && settled == SEMSET_MORE; i++) {
		settled = semset_settle(&view->set, actor, wakes);
		if (sem_grow(view, &settled))
			settled = SEMSET_MORE;
		else if (settled == SEMSET_DONE || settled == SEMSET_MORE)
			view_wake(&view->set.mcas, wakes);
	}
	return SEMSET_DONE;
}

/* One attempt, with the storage it may need. */
static int sem_attempt(struct view *view, uint32_t depth, const struct sem_call *call)
{
	struct actor actor;
	struct wakes wakes;
	int outcome = SEMSET_E_NOMEM;

	process_actor(&actor);
	actor.slot = view_slot(view, depth);
	for (uint32_t i = 0; i < SEM_GROW_MAX; i++) {
		wakes.n = 0;
		outcome = semset_op(&view->set, &actor, call->ops, call->n_ops, &wakes);
		if (!sem_grow(view, &outcome))
			break;
	}
	return sem_carry(view, &actor, outcome, &wakes);
}

/* As sem_attempt, but blocked means that it stands in the file. */
static int sem_attempt_or_stand(struct view *view, uint32_t depth, const struct sem_call *call,
				struct sleeping *sleeping)
{
	struct actor actor;
	struct wakes wakes;
	int outcome = SEMSET_E_NOMEM;

	process_actor(&actor);
	actor.slot = view_slot(view, depth);
	for (uint32_t i = 0; i < SEM_GROW_MAX; i++) {
		wakes.n = 0;
		outcome = semset_op_or_wait(&view->set, &actor, call->ops, call->n_ops, &wakes,
					    &sleeping->sem);
		if (!sem_grow(view, &outcome))
			break;
	}
	if (outcome == SEMSET_WAITING)
		sleeping_begin(sleeping);
	return sem_carry(view, &actor, outcome, &wakes);
}

/* Somebody may have been stopped before he did what was left to do. */
static void sem_settle(struct view *view)
{
	struct actor actor;
	struct wakes wakes = {.n = 0};

	process_actor(&actor);
	(void)sem_carry(view, &actor, SEMSET_MORE, &wakes);
}

/* Looks at the sleeper after wait_on said r; WAITING, or what the call is to say. */
static int sem_look(struct sleeping *sleeping, int r, uint32_t *idle)
{
	uint32_t before = sleeping->sem.expected;
	struct view *view;
	uint32_t depth;
	int outcome;

	if (sleeping->is_over)
		return sleeping->outcome;
	view = view_hold_mapped(IPC_KIND_SEM, sleeping->id, &depth);
	if (!view)
		return view_open(IPC_KIND_SEM, sleeping->id, 0) == 0 ? SEMSET_WAITING
								     : SEMSET_E_REMOVED;
	if (r == 0) {
		outcome = semset_poll(&view->set, &sleeping->sem);
		if (outcome == SEMSET_WAITING && sleeping->sem.expected == before && ++*idle > 1)
			sem_settle(view);
		else if (outcome == SEMSET_WAITING)
			*idle = 0;
		view_release(depth);
		return outcome;
	}
	view_release(depth);
	sleeping_cancel(sleeping);
	return sleeping->outcome;
}

/* Sleeps until the call is done, fails, or is interrupted.  Signals are blocked. */
static int sem_sleep(struct sleeping *sleeping, const struct sem_call *call, uint64_t signals)
{
	int outcome = SEMSET_WAITING;
	uint32_t idle = 0;
	int r = 0;

	while (outcome == SEMSET_WAITING) {
		r = sleeping_wait(sleeping, call->deadline_ns, signals, false);
		outcome = sem_look(sleeping, r, &idle);
	}
	sleeping_end(sleeping);
	if (outcome == SEMSET_BLOCKED)
		return r == -ETIMEDOUT ? -EAGAIN : -EINTR;
	if (outcome == SEMSET_E_REMOVED)
		return -EIDRM;
	return sem_errno(outcome);
}

/* One more try of a call that was blocked; SEMSET_UNUSUAL: what has changed is for others to see. */
static int sem_try_again(const struct sem_call *call)
{
	uint32_t depth;
	struct view *view = view_hold(IPC_KIND_SEM, call->id, call->need, &depth);
	int outcome;

	if (!view)
		return SEMSET_UNUSUAL;
	outcome = sem_attempt(view, depth, call);
	view_release(depth);
	return outcome;
}

/* Grows with every change of the semaphore that the call names first. */
static uint32_t sem_progress(const struct sem_call *call)
{
	uint32_t depth;
	struct view *view = view_hold(IPC_KIND_SEM, call->id, call->need, &depth);
	uint32_t progress;

	if (!view)
		return 0;
	progress = semset_progress(&view->set, call->ops[0].sem_num);
	view_release(depth);
	return progress;
}

/* The rest of a call that was blocked, from where it offers others the CPU.  Signals are blocked. */
static int sem_wait(const struct sem_call *call, struct patience *patience, uint64_t signals)
{
	struct sleeping sleeping = {
		.what = SLEEPING_SEMOP,
		.kind = IPC_KIND_SEM,
		.id = call->id,
	};
	int outcome = SEMSET_BLOCKED;
	struct view *view;
	uint32_t depth;
	int r;

	while (outcome == SEMSET_BLOCKED && patience_yield(patience, sem_progress(call)))
		outcome = sem_try_again(call);
	if (outcome != SEMSET_BLOCKED && outcome != SEMSET_UNUSUAL)
		return sem_errno(outcome);
	r = view_get(IPC_KIND_SEM, call->id, call->need, &view, &depth);
	if (r < 0)
		return r;
	outcome = sem_attempt_or_stand(view, depth, call, &sleeping);
	view_release(depth);
	return outcome == SEMSET_WAITING ? sem_sleep(&sleeping, call, signals) : sem_errno(outcome);
}

/* A call that was found to be blocked, on a set that existed then. */
static int sem_block(const struct sem_call *call)
{
	uint32_t key = (uint32_t)call->id << 16 ^ (uint32_t)call->id >> 16 ^ call->ops[0].sem_num;
	struct patience patience;
	int outcome = SEMSET_BLOCKED;
	uint64_t signals;
	int r;

	patience_begin(&patience, key, call->deadline_ns);
	while (outcome == SEMSET_BLOCKED && patience_spin(&patience))
		outcome = sem_try_again(call);
	if (outcome == SEMSET_BLOCKED || outcome == SEMSET_UNUSUAL) {
		signals = process_block_signals();
		r = sem_wait(call, &patience, signals);
		patience_end(&patience, sem_progress(call));
		process_restore_signals(signals);
	} else {
		patience_end(&patience, 0);
		r = sem_errno(outcome);
	}
	return r == -EINVAL ? -EIDRM : r; /* removed meanwhile (SEM-39) */
}

/* With a mode that gives him no mapping, but the permission (PERM-13). */
static __attribute__((noinline)) int sem_in_stead(const struct sem_call *call)
{
	struct stead_call stead = {
		.kind = IPC_KIND_SEM,
		.id = call->id,
		.need = call->need,
		.what = PROTO_STEAD_OP,
		.flags = call->need == CRED_WRITE ? PROTO_STEAD_ALTERS : 0,
		.size = call->n_ops * sizeof(*call->ops),
		.bytes = (void *)(uintptr_t)call->ops, /* only read */
		.deadline_ns = call->deadline_ns,
		.may_wait = call->may_sleep,
	};

	return stead_run(&stead);
}

/* EFBIG comes before EACCES (SEM-1). */
static int sem_refused(const struct sem_call *call, int r)
{
	struct registry_object object;

	if (r != -EACCES || ipc_find(IPC_KIND_SEM, call->id, &object) != 0)
		return r;
	for (uint32_t i = 0; i < call->n_ops; i++) {
		if (call->ops[i].sem_num >= object.size)
			return -EFBIG;
	}
	return r;
}

static int sem_run(const struct sem_call *call)
{
	struct view *view;
	uint32_t depth;
	int outcome;
	int r = view_get(IPC_KIND_SEM, call->id, call->need, &view, &depth);

	if (r == 0 && !view->is_writable) {
		view_release(depth);
		r = -EACCES;
	}
	if (r == -EACCES)
		return sem_refused(call, sem_in_stead(call));
	if (r < 0)
		return r;
	outcome = sem_attempt(view, depth, call);
	view_release(depth);
	if (outcome == SEMSET_BLOCKED && call->may_sleep)
		return sem_block(call);
	return sem_errno(outcome);
}

/* Absolute time of a relative one; never, where that is beyond the clock (SEM-32). */
static uint64_t sem_deadline(uint64_t now_ns, const struct timespec *timeout)
{
	uint64_t deadline_ns;

	if (u64_mul_overflows((uint64_t)timeout->tv_sec, SEM_NS_PER_S, &deadline_ns) ||
	    u64_add_overflows(deadline_ns, (uint64_t)timeout->tv_nsec, &deadline_ns) ||
	    u64_add_overflows(deadline_ns, now_ns, &deadline_ns))
		return WAIT_FOREVER;
	return deadline_ns;
}

/* Everything but the hot path, in the order of SEM-1. */
static __attribute__((noinline)) int sem_op_slow(int id, const struct sembuf *user_ops, uint32_t n_ops,
						 const struct timespec *user_timeout)
{
	struct abi_sembuf ops[SEM_NOPS_MAX];
	struct sem_call call = {
		.id = id,
		.need = CRED_READ,
		.ops = ops,
		.n_ops = n_ops,
		.deadline_ns = WAIT_FOREVER,
		.may_sleep = true,
	};
	struct registry_limits limits;
	struct timespec timeout = {0};
	int r;

	if (user_timeout && !probe_readable(user_timeout, sizeof(*user_timeout)))
		return -EFAULT;
	if (user_timeout)
		timeout = *user_timeout;
	r = ns_open(false);
	if (r < 0)
		return r;
	ipc_limits(&limits);
	if (n_ops > limits.semopm)
		return -E2BIG;
	if (n_ops == 0)
		return -EINVAL;
	if (!probe_readable(user_ops, n_ops * sizeof(*user_ops)))
		return -EFAULT;
	memcpy(ops, user_ops, n_ops * sizeof(*user_ops));
	if (id < 0)
		return -EINVAL;
	if (user_timeout &&
	    (timeout.tv_sec < 0 || timeout.tv_nsec < 0 || timeout.tv_nsec >= (long)SEM_NS_PER_S))
		return -EINVAL;
	if (user_timeout) {
		call.deadline_ns = sem_deadline(clock_monotonic_ns(), &timeout);
		call.may_sleep = timeout.tv_sec != 0 || timeout.tv_nsec != 0;
	}
	for (uint32_t i = 0; i < n_ops; i++) {
		if (ops[i].sem_op != 0)
			call.need = CRED_WRITE;
	}
	if (client_thread.sleeping)
		sleeping_cancel_all();
	r = conn_identify();
	return r < 0 ? r : sem_run(&call);
}

int sem_op(int id, struct sembuf *user_ops, size_t user_n_ops, const struct timespec *timeout)
{
	uint32_t n_ops = (uint32_t)user_n_ops; /* only the low half counts (ABI-11) */
	struct abi_sembuf ops[SEM_FAST_OPS];
	uint32_t need = CRED_READ;
	struct actor actor;
	struct wakes wakes;
	struct view *view;
	uint32_t depth;
	int outcome;

	if (CLIENT_UNLIKELY(n_ops - 1 >= SEM_FAST_OPS || id < 0 ||
			    (timeout && !sem_timeout_is_good(timeout)) ||
			    client_thread.sleeping || !process_has_client() ||
			    !probe_hit(client_thread.readable, user_ops, n_ops * sizeof(*user_ops))))
		return sem_op_slow(id, user_ops, n_ops, timeout);
	for (uint32_t i = 0; i < n_ops; i++) {
		memcpy(&ops[i], &user_ops[i], sizeof(ops[i]));
		if (ops[i].sem_op != 0)
			need = CRED_WRITE;
	}
	view = view_hold(IPC_KIND_SEM, id, need, &depth);
	if (CLIENT_UNLIKELY(!view))
		return sem_op_slow(id, user_ops, n_ops, timeout);
	if (CLIENT_UNLIKELY(!view->is_writable)) {
		view_release(depth);
		return sem_op_slow(id, user_ops, n_ops, timeout);
	}
	process_actor(&actor);
	actor.slot = view_slot(view, depth);
	outcome = semset_op(&view->set, &actor, ops, n_ops, &wakes);
	if (CLIENT_UNLIKELY(outcome == SEMSET_MORE ||
			    (outcome == SEMSET_DONE && wakes.n > 0)))
		outcome = sem_carry(view, &actor, outcome, &wakes);
	view_release(depth);
	switch (outcome) {
	case SEMSET_DONE:
		return 0;
	case SEMSET_E_AGAIN:
		return -EAGAIN;
	default:
		return sem_op_slow(id, user_ops, n_ops, timeout); /* it changed nothing */
	}
}

/* ------------------------------------------------------------------------------------ semget */

int sem_get(key_t key, int n_sems, int flags)
{
	struct registry_limits limits;
	int r = ns_open(false);

	if (r < 0)
		return r;
	ipc_limits(&limits);
	if (n_sems < 0 || (uint32_t)n_sems > limits.semmsl)
		return -EINVAL;
	return ipc_get(IPC_KIND_SEM, key, (uint64_t)n_sems, (uint32_t)flags);
}

/* ------------------------------------------------------------------------------------ semctl */

static int sem_fill_info(int command, struct seminfo *user)
{
	const struct registry *registry = atomic_load(&ns_registry);
	struct registry_limits limits;
	struct registry_object object;
	struct seminfo info = {0};
	uint64_t n_sems = 0;
	uint32_t index_max = registry_index_max(registry, IPC_KIND_SEM);

	ipc_limits(&limits);
	info.semmap = info.semmnu = info.semmns = (int)limits.semmns;
	info.semmni = (int)limits.semmni;
	info.semmsl = (int)limits.semmsl;
	info.semopm = info.semume = (int)limits.semopm;
	info.semusz = 20;
	info.semvmx = info.semaem = ABI_SEMVMX;
	if (command == SEM_INFO) {
		for (uint32_t i = 0; i <= index_max && i < OBJECT_MAX; i++) {
			if (registry_get_index(registry, IPC_KIND_SEM, i, &object) == 0)
				n_sems += object.size;
		}
		info.semusz = (int)registry_count(registry, IPC_KIND_SEM);
		info.semaem = (int)n_sems;
	}
	if (!probe_writable(user, sizeof(*user)))
		return -EFAULT;
	*user = info;
	return (int)index_max;
}

void sem_read_times(int32_t id, struct semset_stat *ret_stat)
{
	uint32_t depth;
	struct view *view = view_hold(IPC_KIND_SEM, id, 0, &depth);
	struct view peek;

	memset(ret_stat, 0, sizeof(*ret_stat));
	if (view) {
		semset_get_stat(&view->set, ret_stat);
		view_release(depth);
	} else if (view_peek(IPC_KIND_SEM, id, &peek) == 0) {
		semset_get_stat(&peek.set, ret_stat);
		view_unpeek(&peek);
	}
}

static int sem_fill_status(const struct registry_object *object, struct semid_ds *user)
{
	struct semid_ds status;
	struct semset_stat stat;

	memset(&status, 0, sizeof(status));
	ipc_fill_perm(object, &status.sem_perm);
	sem_read_times(object->id, &stat);
	status.sem_otime = stat.otime_s;
	status.sem_ctime = stat.ctime_s;
	status.sem_nsems = object->size;
	if (!probe_writable(user, sizeof(*user)))
		return -EFAULT;
	*user = status;
	return 0;
}

static int sem_stat(int id, int command, struct semid_ds *user)
{
	struct registry_object object;
	int r = command == IPC_STAT ? ipc_find(IPC_KIND_SEM, id, &object)
				    : ipc_find_index(IPC_KIND_SEM, id, &object);

	if (r == 0 && command != SEM_STAT_ANY)
		r = ipc_judge(&object, CRED_READ);
	if (r == 0)
		r = sem_fill_status(&object, user);
	if (r < 0)
		return r;
	return command == IPC_STAT ? 0 : object.id;
}

/* GETVAL, GETPID, GETNCNT, GETZCNT (SEM-3). */
static int sem_read_one(int id, int number, int command)
{
	struct view *view;
	uint32_t depth;
	uint32_t value = 0;
	uint32_t other;
	int outcome;
	int r = view_get(IPC_KIND_SEM, id, CRED_READ, &view, &depth);

	if (r < 0)
		return r;
	if (number < 0 || (uint32_t)number >= view->set.layout.n_sems) {
		view_release(depth);
		return -EINVAL;
	}
	if (command == GETVAL)
		outcome = semset_get_value(&view->set, (uint32_t)number, &value);
	else if (command == GETPID)
		outcome = semset_get_pid(&view->set, (uint32_t)number, &value);
	else if (command == GETNCNT)
		outcome = semset_get_counts(&view->set, (uint32_t)number, &value, &other);
	else
		outcome = semset_get_counts(&view->set, (uint32_t)number, &other, &value);
	view_release(depth);
	return outcome == SEMSET_DONE ? (int)value : sem_errno(outcome);
}

/* Memory for the values of a set: the stack for most, a mapping for the largest. */
static uint16_t *sem_array(uint16_t *small, size_t n_small, uint32_t n_sems, size_t *ret_size)
{
	void *array;

	*ret_size = 0;
	if (n_sems <= n_small)
		return small;
	array = place_private(n_sems * sizeof(uint16_t));
	if (array)
		*ret_size = n_sems * sizeof(uint16_t);
	return array;
}

#define SEM_SMALL_ARRAY 512u

static int sem_get_all(int id, unsigned short *user)
{
	uint16_t small[SEM_SMALL_ARRAY];
	uint16_t *values;
	size_t mapped;
	struct view *view;
	uint32_t depth;
	uint32_t n_sems;
	int r = view_get(IPC_KIND_SEM, id, CRED_READ, &view, &depth);

	if (r < 0)
		return r;
	n_sems = view->set.layout.n_sems;
	values = sem_array(small, ARRAY_SIZE(small), n_sems, &mapped);
	r = values ? sem_errno(semset_get_all(&view->set, values)) : -ENOMEM;
	view_release(depth);
	if (r == 0 && !probe_copy_out(user, values, n_sems * sizeof(*values)))
		r = -EFAULT;
	place_unmap(values, mapped);
	return r;
}

/* SETVAL, or SETALL with values and the memory that wants, with storage and wakes. */
static int sem_change(struct view *view, const uint16_t *values, void *memory, uint32_t number,
		      uint32_t value)
{
	struct actor actor;
	struct wakes wakes;
	int outcome = SEMSET_E_NOMEM;

	process_actor(&actor);
	for (uint32_t i = 0; i < SEM_GROW_MAX; i++) {
		wakes.n = 0;
		outcome = values ? semset_set_all(&view->set, &actor, values, memory, &wakes)
				 : semset_set_value(&view->set, &actor, number, value, &wakes);
		if (!sem_grow(view, &outcome))
			break;
	}
	return sem_errno(sem_carry(view, &actor, outcome, &wakes));
}

/* SETVAL and SETALL of one whom the mode gives no mapping. */
static int sem_set_in_stead(int id, uint32_t what, int64_t number, uint64_t size, uint16_t *values)
{
	struct stead_call stead = {
		.kind = IPC_KIND_SEM,
		.id = id,
		.need = CRED_WRITE,
		.what = what,
		.type = number,
		.size = size,
		.bytes = values,
	};

	return stead_run(&stead);
}

/* Whether the caller may change the set, and how many semaphores it has, without a look at its file. */
static int sem_may_change(int id, uint32_t *ret_n_sems)
{
	struct registry_object object;
	int r = ipc_find(IPC_KIND_SEM, id, &object);

	if (r == 0)
		r = ipc_judge(&object, CRED_WRITE);
	if (r == 0)
		*ret_n_sems = (uint32_t)object.size;
	return r;
}

/* A view NULL: the daemon makes the change. */
static int sem_set_values(int id, struct view *view, const unsigned short *user, uint32_t n_sems)
{
	uint16_t small[SEM_SMALL_ARRAY];
	size_t mapped, memory_size = view ? semset_set_all_size(&view->set) : 0;
	uint16_t *values = sem_array(small, ARRAY_SIZE(small), n_sems, &mapped);
	void *memory = memory_size ? place_private(memory_size) : NULL;
	int r = 0;

	if (!values || (memory_size && !memory))
		r = -ENOMEM;
	else if (!probe_readable(user, n_sems * sizeof(*user)))
		r = -EFAULT;
	else
		memcpy(values, user, n_sems * sizeof(*values));
	for (uint32_t i = 0; i < n_sems && r == 0; i++) {
		if (values[i] > ABI_SEMVMX)
			r = -ERANGE;
	}
	if (r == 0)
		r = view ? sem_change(view, values, memory, 0, 0)
			 : sem_set_in_stead(id, PROTO_STEAD_SET_ALL, 0, n_sems * sizeof(*values), values);
	place_unmap(values, mapped);
	place_unmap(memory, memory_size);
	return r;
}

static int sem_set_all(int id, const unsigned short *user)
{
	struct view *view;
	uint32_t depth;
	uint32_t n_sems = 0;
	int r = view_get(IPC_KIND_SEM, id, CRED_WRITE, &view, &depth);

	if (r == -EACCES) {
		r = sem_may_change(id, &n_sems);
		return r < 0 ? r : sem_set_values(id, NULL, user, n_sems);
	}
	if (r < 0)
		return r;
	r = sem_set_values(id, view, user, view->set.layout.n_sems);
	view_release(depth);
	return r;
}

/* SEM-2; EINVAL for the number comes before EACCES, so it is judged without a view. */
static int sem_set_one(int id, int number, int value)
{
	struct registry_object object;
	struct view *view;
	uint32_t depth;
	int r;

	if (value < 0 || value > ABI_SEMVMX)
		return -ERANGE;
	r = ipc_find(IPC_KIND_SEM, id, &object);
	if (r < 0)
		return r;
	if (number < 0 || (uint64_t)number >= object.size)
		return -EINVAL;
	r = view_get(IPC_KIND_SEM, id, CRED_WRITE, &view, &depth);
	if (r == -EACCES)
		return sem_set_in_stead(id, PROTO_STEAD_SET_ONE, number, (uint64_t)value, NULL);
	if (r < 0)
		return r;
	if ((uint32_t)number < view->set.layout.n_sems)
		r = sem_change(view, NULL, NULL, (uint32_t)number, (uint32_t)value);
	else
		r = -EINVAL;
	view_release(depth);
	return r;
}

static int sem_control_set(int id, const struct semid_ds *user)
{
	struct ipc_perm perm;

	if (!probe_readable(user, sizeof(*user)))
		return -EFAULT;
	perm = user->sem_perm;
	return ipc_set(IPC_KIND_SEM, id, &perm, 0);
}

int sem_control(int id, int number, int command, union sem_argument argument)
{
	int r;

	if (id < 0)
		return -EINVAL;
	r = ipc_begin();
	if (r < 0)
		return r;
	if (command == SETVAL || command == SETALL)
		r = conn_identify();
	if (r < 0)
		return r;
	switch (command) {
	case IPC_INFO:
	case SEM_INFO:
		return sem_fill_info(command, argument.info);
	case IPC_STAT:
	case SEM_STAT:
	case SEM_STAT_ANY:
		return sem_stat(id, command, argument.status);
	case GETVAL:
	case GETPID:
	case GETNCNT:
	case GETZCNT:
		return sem_read_one(id, number, command);
	case GETALL:
		return sem_get_all(id, argument.array);
	case SETALL:
		return sem_set_all(id, argument.array);
	case SETVAL:
		return sem_set_one(id, number, argument.value);
	case IPC_SET:
		return sem_control_set(id, argument.status);
	case IPC_RMID:
		return ipc_remove(IPC_KIND_SEM, id);
	default:
		return -EINVAL;
	}
}

/* -------------------------------------------------------------------------------------- exit */

static void sem_apply_undo(struct view *view)
{
	struct actor actor;
	struct wakes wakes = {.n = 0};
	int outcome = SEMSET_MORE;

	process_actor(&actor);
	for (uint32_t i = 0; i < SEM_SETTLE_MAX && outcome == SEMSET_MORE; i++) {
		wakes.n = 0;
		outcome = semset_apply_undo(&view->set, &actor, &wakes);
		if (sem_grow(view, &outcome))
			outcome = SEMSET_MORE;
		else
			view_wake(&view->set.mcas, &wakes);
	}
}

void sem_settle_exit(void)
{
	if (client_thread.sleeping)
		sleeping_cancel_all();
	view_each(IPC_KIND_SEM, sem_apply_undo);
}

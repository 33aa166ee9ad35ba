/*
 * process.c: identity, fork, exit, wait.
 *
 *  1. process_page->pid is 0 or the pid of this process.
 *  2. While a fork is under way the lock is held by the forking thread, so that the child finds
 *     the library's ordinary memory in order.
 *  3. What is in ordinary memory is true for a child as well: addresses, attachments, views.
 */
#include "client/process.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "client/attached.h"
#include "client/backing.h"
#include "client/conn.h"
#include "client/ns.h"
#include "client/place.h"
#include "client/sem.h"
#include "client/sleeping.h"
#include "client/view.h"
#include "sys/status.h"
#include "sys/raw.h"

#define PROCESS_LOCK_FREE 0u
#define PROCESS_LOCK_HELD 1u
#define PROCESS_LOCK_CONTENDED 2u
#define PROCESS_PAGE_SIZE 4096u

/* Descriptors one call of the library has open at a time, and some more. */
#define PROCESS_FDS_LIFTED 16u

/* How long fork() and wait() may be held up for a daemon that does not answer. */
#define PROCESS_SETTLE_TIMEOUT_MS 1000u

STATIC_ASSERT(sizeof(struct process) <= PROCESS_PAGE_SIZE);

static struct process process_none;
struct process *process_page = &process_none;

static bool process_is_wiped; /* by the kernel, in a fork child */
static _Atomic uint32_t process_known_pid;           /* of the last process_begin; inherited */
static struct process_session process_known_session; /* likewise */

/* Noted children not waited for yet, and whether they may have what this process has detached. */
static uint32_t process_n_children;
static bool process_children_hold;

/* A fork by this thread. */
struct fork_state {
	bool is_entered; /* by our fork(), which will say the pid */
	bool is_prepared;
	bool has_row;
	uint32_t row;
	uint64_t signals;
};

static _Thread_local struct fork_state fork_state;

uint64_t process_block_signals(void)
{
	uint64_t all = ~0ull;
	uint64_t mask = 0;

	(void)raw_call4(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, &all, &mask, 8);
	return mask;
}

void process_restore_signals(uint64_t mask)
{
	(void)raw_call4(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &mask, NULL, 8);
}

void process_lock(void)
{
	struct process *self = process_self();
	uint32_t expected = PROCESS_LOCK_FREE;
	uint64_t mask;

	if (atomic_load(&self->lock_owner) == &client_thread) {
		self->lock_depth++;
		return;
	}
	mask = process_block_signals();
	if (!atomic_compare_exchange_strong(&self->lock, &expected, PROCESS_LOCK_HELD)) {
		while (atomic_exchange(&self->lock, PROCESS_LOCK_CONTENDED) != PROCESS_LOCK_FREE)
			(void)raw_call4(SYS_futex, &self->lock, FUTEX_WAIT_PRIVATE,
					PROCESS_LOCK_CONTENDED, NULL);
	}
	atomic_store(&self->lock_owner, &client_thread);
	atomic_store(&self->sum.lease, 0);
	self->lock_depth = 1;
	self->lock_signals = mask;
}

void process_unlock(void)
{
	struct process *self = process_page;
	uint64_t mask = self->lock_signals;

	if (--self->lock_depth > 0)
		return;
	atomic_store(&self->lock_owner, NULL);
	if (atomic_exchange(&self->lock, PROCESS_LOCK_FREE) == PROCESS_LOCK_CONTENDED)
		(void)raw_call3(SYS_futex, &self->lock, FUTEX_WAKE_PRIVATE, 1);
	process_restore_signals(mask);
}

void process_remember_session(const struct process_session *session)
{
	process_known_session = *session;
}

bool process_lift_limit(struct rlimit *ret_saved)
{
	struct rlimit lifted;

	if (raw_call4(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, ret_saved) < 0)
		return false;
	lifted = *ret_saved;
	lifted.rlim_cur += PROCESS_FDS_LIFTED;
	if (lifted.rlim_cur > lifted.rlim_max)
		lifted.rlim_cur = lifted.rlim_max;
	if (lifted.rlim_cur == ret_saved->rlim_cur)
		return false;
	return raw_call4(SYS_prlimit64, 0, RLIMIT_NOFILE, &lifted, NULL) == 0;
}

void process_restore_limit(const struct rlimit *saved)
{
	/* Lowering a limit is always allowed. */
	(void)raw_call4(SYS_prlimit64, 0, RLIMIT_NOFILE, saved, NULL);
}

int process_open(const char *path, int flags)
{
	struct rlimit saved;
	long fd = raw_call4(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0);

	if (CLIENT_LIKELY(fd != -EMFILE) || !process_lift_limit(&saved))
		return (int)fd;
	fd = raw_call4(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0);
	process_restore_limit(&saved);
	return (int)fd;
}

bool process_is_fifo(int fd, uint64_t inode)
{
	struct file_status status = {0};

	return file_status(fd, &status) == 0 && S_ISFIFO(status.mode) && status.inode == inode;
}

/* A fork child's copies of its parent's descriptors.  Stores nothing: a page less to copy. */
static void process_close_inherited(void)
{
	const struct process_session *known = &process_known_session;

	if (!known->is_open)
		return;
	if (process_is_fifo(known->pair.in_fd, known->in_inode))
		(void)raw_call1(SYS_close, known->pair.in_fd);
	if (process_is_fifo(known->pair.out_fd, known->out_inode))
		(void)raw_call1(SYS_close, known->pair.out_fd);
}

/* First call of the library in a fork child. */
static void process_become_child(void)
{
	process_close_inherited();
	process_known_session.is_open = false;
	process_n_children = 0;
	process_children_hold = false;
	sleeping_after_fork();
	thread_after_fork();
	backing_drop();
	attached_after_fork();
}

void process_begin(void)
{
	uint32_t pid = (uint32_t)raw_call0(SYS_getpid);
	uint32_t known = atomic_exchange(&process_known_pid, pid);

	if (process_page == &process_none) {
		struct process *page = place_private(PROCESS_PAGE_SIZE);
		struct process *expected = &process_none;

		if (page) {
			process_is_wiped = raw_call3(SYS_madvise, page, PROCESS_PAGE_SIZE,
						     MADV_WIPEONFORK) == 0;
			if (!__atomic_compare_exchange_n(&process_page, &expected, page, false,
							 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
				place_unmap(page, PROCESS_PAGE_SIZE);
		}
	}
	if (!client_thread.record)
		thread_begin();
	if (known != 0 && known != pid)
		process_become_child();
	process_page->pid = pid;
}

/* ---------------------------------------------------------------------------------------- fork */

/* Rows of children that have ended without being waited for. */
static void process_prune_children(struct process *self)
{
	uint64_t now_ns = clock_now_ns();
	uint32_t pid;

	for (uint32_t i = 0; ledger_child_read(&self->ledger, i, &pid); i++) {
		if (pid != 0 && pid != UINT32_MAX && raw_call2(SYS_kill, pid, 0) == -ESRCH)
			(void)ledger_child_reaped(&self->ledger, pid, now_ns);
	}
}

void process_fork_prepare(void)
{
	struct process *self = process_page;

	fork_state.has_row = false;
	/* A child that has only inherited attachments must be known before it hands them on. */
	fork_state.is_prepared = self->pid != 0 || attached_count() > 0;
	if (!fork_state.is_prepared)
		return;
	process_lock();
	fork_state.signals = self->lock_signals;
	backing_drop();
	if (attached_count() == 0)
		return;
	if (!self->ledger.base && conn_register(PROCESS_SETTLE_TIMEOUT_MS) < 0)
		return;
	fork_state.has_row = ledger_fork_begin(&self->ledger, &fork_state.row) == 0;
	if (!fork_state.has_row) {
		process_prune_children(self);
		fork_state.has_row = ledger_fork_begin(&self->ledger, &fork_state.row) == 0;
	}
}

static void process_fork_record(uint32_t child_pid)
{
	struct process *self = process_page;

	if (!fork_state.has_row || !self->ledger.base)
		return;
	fork_state.has_row = false;
	ledger_fork_end(&self->ledger, fork_state.row, child_pid, clock_now_ns());
	process_n_children += child_pid != 0;
}

/* The child this thread made last, for forks inside libc; UINT32_MAX if that cannot be known. */
static uint32_t process_newest_child(void)
{
	char text[4096];
	uint32_t pid = 0;
	uint32_t newest = UINT32_MAX;
	long fd = raw_call4(SYS_openat, AT_FDCWD, "/proc/thread-self/children", O_RDONLY | O_CLOEXEC,
			    0);
	long n;

	if (fd < 0)
		return newest;
	while ((n = raw_call3(SYS_read, fd, text, sizeof(text))) > 0) {
		for (long i = 0; i < n; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				pid = pid * 10 + (uint32_t)(text[i] - '0');
			} else if (pid != 0) {
				newest = pid;
				pid = 0;
			}
		}
	}
	(void)raw_call1(SYS_close, fd);
	return newest;
}

void process_fork_parent(void)
{
	if (!fork_state.is_prepared)
		return;
	fork_state.is_prepared = false;
	if (!fork_state.is_entered && fork_state.has_row)
		process_fork_record(process_newest_child());
	process_unlock();
}

/* Is this thread in the middle of a call, below a signal handler? */
static bool process_is_inside(void)
{
	const struct thread_record *record = client_thread.record;

	for (uint32_t i = 0; record && i < THREAD_HAZARDS_MAX; i++) {
		if (atomic_load_explicit(&record->hazards[i], memory_order_relaxed))
			return true;
	}
	return client_thread.sleeping;
}

/*
 * Most children run another program or end soon, and each page they change is copied first: only what
 * others can see is done now, the rest with the first call.
 */
void process_fork_child(void)
{
	static const struct process zero;

	if (!fork_state.is_prepared)
		return;
	fork_state.is_prepared = false;
	fork_state.has_row = false;
	if (!process_is_wiped)
		*process_page = zero;
	if (process_is_inside()) {
		process_begin();
	} else {
		process_close_inherited();
		client_thread.record = NULL; /* it says the parent's thread */
	}
	process_restore_signals(fork_state.signals);
}

void process_fork_enter(void)
{
	fork_state.is_entered = true;
}

void process_fork_leave(pid_t pid)
{
	int saved = errno;

	fork_state.is_entered = false;
	if (pid != 0 && fork_state.has_row) {
		process_lock();
		process_fork_record(pid > 0 ? (uint32_t)pid : 0);
		process_unlock();
	}
	errno = saved;
}

/* -------------------------------------------------------------------------------- exit and wait */

/* Absent where libc does not tell; then it counts as threaded. */
extern __attribute__((weak)) char __libc_single_threaded;

static bool process_is_single(void)
{
	return &__libc_single_threaded && __libc_single_threaded;
}

/* False: it never used the library, or is a vfork child in its parent's memory. */
static bool process_is_client(void)
{
	return process_has_client() && raw_call0(SYS_getpid) == (long)process_page->pid;
}

void process_leave_undo(void)
{
	int saved = errno;

	if (process_is_client() && process_is_single())
		sem_settle_exit();
	errno = saved;
}

void process_exit(bool is_last)
{
	struct proto_message leave = {.type = PROTO_LEAVE};
	int saved = errno;

	if (!process_is_client())
		return;
	sem_settle_exit();
	process_lock();
	/* Another thread, or a later destructor, may still touch what is attached. */
	attached_end_all(is_last && process_is_single());
	conn_notice(&leave, false);
	process_unlock();
	errno = saved;
}

void process_detached(void)
{
	if (process_n_children > 0)
		process_children_hold = true;
}

/* True if the last holder of a removed segment may have been this child. */
static bool process_end_child(uint32_t pid)
{
	bool may_be_last = false;

	process_lock();
	if (process_page->ledger.base &&
	    ledger_child_reaped(&process_page->ledger, pid, clock_now_ns())) {
		may_be_last = process_children_hold;
		if (process_n_children > 0 && --process_n_children == 0)
			process_children_hold = false;
	}
	process_unlock();
	return may_be_last;
}

void process_reaped(pid_t pid)
{
	struct proto_message settle = {
		.type = PROTO_SETTLE,
		.settle.pid = (uint32_t)pid,
	};
	struct proto_message reply;
	struct registry_client known;
	bool must_tell = false;
	int saved = errno;

	if (process_page->ledger.base)
		must_tell = process_end_child((uint32_t)pid);
	if (ns_open(true) == 0 &&
	    (must_tell || registry_find_pid(atomic_load(&ns_registry), (uint32_t)pid, &known)))
		(void)conn_call(&settle, PROCESS_SETTLE_TIMEOUT_MS, &reply, NULL); /* best effort */
	errno = saved;
}

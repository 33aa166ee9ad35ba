/*
 * stead.c: see stead.h.
 *
 * What does not fit a request goes by a file that is there for the moment, in clients/.  A call that is
 * blocked stands in the object as any other does, but nobody can wake this process: it asks what has
 * become of its call, first soon, then every 10 ms.
 */
#include "client/stead.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

#include "client/conn.h"
#include "client/ipc.h"
#include "client/ns.h"
#include "client/sleeping.h"
#include "sys/raw.h"
#include "sys/wait.h"

#define STEAD_PAUSE_FIRST_NS 500000u
#define STEAD_PAUSE_MAX_NS 10000000u

/* --- the file ---------------------------------------------------------------------------------- */

/* Fewer bytes than asked for: the file system is full, or the daemon has not written them. */
static bool stead_write(int fd, const uint8_t *bytes, uint64_t size)
{
	for (uint64_t done = 0; done < size;) {
		long n = raw_call4(SYS_pwrite64, fd, bytes + done, size - done, done);

		if (n <= 0)
			return false;
		done += (uint64_t)n;
	}
	return true;
}

static bool stead_read(int fd, uint8_t *bytes, uint64_t size)
{
	for (uint64_t done = 0; done < size;) {
		long n = raw_call4(SYS_pread64, fd, bytes + done, size - done, done);

		if (n <= 0)
			return false;
		done += (uint64_t)n;
	}
	return true;
}

static int stead_open(const char *path)
{
	long flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	long fd = raw_call4(SYS_openat, AT_FDCWD, path, flags, 0600);
	struct rlimit limit;

	if (fd == -EMFILE && process_lift_limit(&limit)) {
		fd = raw_call4(SYS_openat, AT_FDCWD, path, flags, 0600);
		process_restore_limit(&limit);
	}
	return (int)fd;
}

static bool stead_has_file(const struct stead_call *call)
{
	return call->what != PROTO_STEAD_SET_ONE && call->size > 0;
}

/* Makes the file and fills it, or gives it room.  A descriptor or -errno. */
static int stead_make(const struct stead_call *call, char *name, char *path)
{
	char tail[PROTO_NAME_SIZE + sizeof("clients/")] = "clients/";
	int fd;

	conn_choose_name(process_page->pid, name);
	memcpy(tail + strlen(tail), name, PROTO_NAME_SIZE);
	if (!ns_path(path, tail, -1))
		return -ENOMEM;
	fd = stead_open(path);
	if (fd < 0)
		return fd == -ENOENT ? ns_missing() : -ENOMEM;
	/* Whatever the program's umask: the daemon may have no more rights than we. */
	if (raw_call2(SYS_fchmod, fd, 0600) == 0 &&
	    (call->what == PROTO_STEAD_RECEIVE ? raw_call4(SYS_fallocate, fd, 0, 0, call->size) != -ENOSPC
					       : stead_write(fd, call->bytes, call->size)))
		return fd;
	(void)raw_call3(SYS_unlinkat, AT_FDCWD, path, 0);
	(void)raw_call1(SYS_close, fd);
	return -ENOMEM;
}

/* --- asking ------------------------------------------------------------------------------------ */

static struct proto_message stead_request(const struct stead_call *call)
{
	return (struct proto_message){
		.type = PROTO_STEAD,
		.stead = {
			.kind = call->kind,
			.id = call->id,
			.what = call->what,
			.flags = call->flags,
			.number = call->number,
			.type = call->type,
			.size = call->size,
		},
	};
}

/* What the answer says.  0, STEAD_BLOCKED, -errno. */
static int stead_take(struct stead_call *call, const struct proto_message *reply, int fd)
{
	const struct proto_stood *stood = &reply->stood;

	if (reply->type != PROTO_STOOD)
		return -EIO;
	if (stood->error != 0)
		return -stood->error;
	if (stood->is_blocked)
		return STEAD_BLOCKED;
	if (call->what != PROTO_STEAD_RECEIVE)
		return 0;
	call->ret_size = stood->size;
	call->ret_type = stood->type;
	return stood->size <= call->size && stead_read(fd, call->bytes, stood->size) ? 0 : -EIO;
}

/* Once: may_wait false takes out a call that stands. */
static int stead_ask(struct stead_call *call, bool may_wait)
{
	struct proto_message request = stead_request(call), reply;
	char path[NS_PATH_MAX];
	int fd = -1;
	int r = 0;

	if (may_wait)
		request.stead.flags |= PROTO_STEAD_WAIT;
	if (stead_has_file(call))
		r = fd = stead_make(call, request.stead.name, path);
	if (r < 0)
		return r;
	r = conn_call(&request, CONN_TIMEOUT_DEFAULT, &reply, NULL);
	if (r == 0)
		r = stead_take(call, &reply, fd);
	if (fd >= 0) {
		(void)raw_call3(SYS_unlinkat, AT_FDCWD, path, 0); /* the daemon sweeps what is left */
		(void)raw_call1(SYS_close, fd);
	}
	return r;
}

/* The result has arrived: it need not stand any longer. */
static void stead_end(const struct stead_call *call)
{
	struct proto_message request = stead_request(call), reply;

	request.stead.what = PROTO_STEAD_END;
	(void)conn_call(&request, CONN_TIMEOUT_DEFAULT, &reply, NULL); /* at the latest it ends with us */
}

int stead_leave(struct stead_call *call)
{
	int r = stead_ask(call, false);

	if (r == 0)
		stead_end(call);
	return r;
}

/* --- waiting ----------------------------------------------------------------------------------- */

/* A moment, with the program's signals.  0, -EINTR; or what stead_leave() said to who left meanwhile. */
static int stead_pause(struct stead_call *call, uint64_t until_ns, uint64_t signals)
{
	struct sleeping sleeping = {
		.what = SLEEPING_STEAD,
		.kind = call->kind,
		.id = call->id,
		.stead = call,
	};
	int r;

	sleeping_begin(&sleeping);
	r = sleeping_wait(&sleeping, until_ns, signals, call->is_point);
	sleeping_end(&sleeping);
	if (sleeping.is_over) {
		call->may_wait = false; /* it stands no more */
		return sleeping.outcome == STEAD_BLOCKED ? -EINTR : sleeping.outcome;
	}
	return r == -EINTR ? r : 0;
}

/* 0 or -errno.  Signals are blocked. */
static int stead_wait(struct stead_call *call, uint64_t signals)
{
	uint64_t pause_ns = STEAD_PAUSE_FIRST_NS;
	int r = STEAD_BLOCKED;

	while (r == STEAD_BLOCKED) {
		uint64_t now_ns = clock_monotonic_ns();
		/* A long text takes the daemon as long as this. */
		uint64_t until_ns = now_ns + pause_ns + call->size;
		int interrupted;

		if (now_ns >= call->deadline_ns)
			break;
		interrupted = stead_pause(call, until_ns < call->deadline_ns ? until_ns : call->deadline_ns,
					  signals);
		if (!call->may_wait)
			return interrupted;
		if (interrupted < 0) {
			r = stead_leave(call);
			return r == STEAD_BLOCKED ? -EINTR : r;
		}
		pause_ns = 2 * pause_ns < STEAD_PAUSE_MAX_NS ? 2 * pause_ns : STEAD_PAUSE_MAX_NS;
		r = stead_ask(call, true);
	}
	if (r == STEAD_BLOCKED)
		r = stead_leave(call);
	else if (r == 0)
		stead_end(call);
	return r == STEAD_BLOCKED ? -EAGAIN : r;
}

int stead_run(struct stead_call *call)
{
	struct registry_object object;
	uint64_t signals;
	int r = ipc_find(call->kind, call->id, &object);

	if (r == 0)
		r = ipc_judge(&object, call->need);
	if (r < 0)
		return r;
	if (call->what == PROTO_STEAD_RECEIVE && call->size > object.size)
		call->size = object.size; /* no text is longer */
	process_lock();
	call->number = conn_number(process_self());
	/* For the daemon that settles our end: it may be another one. */
	if (process_page->ledger.base)
		ledger_use(&process_page->ledger, call->kind, call->id);
	process_unlock();
	signals = process_block_signals();
	r = stead_ask(call, call->may_wait);
	if (r == STEAD_BLOCKED)
		r = call->may_wait ? stead_wait(call, signals) : -EAGAIN;
	else if (r == 0)
		stead_end(call);
	process_restore_signals(signals);
	return r == -EINVAL ? -EIDRM : r; /* removed since we found it */
}

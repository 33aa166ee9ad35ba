/*
 * conn.c: HELLO and WELCOME, requests and replies, over two FIFOs.
 *
 * Everything runs under the process lock with all signals blocked.  The request end is open for
 * reading too, so that a write never raises SIGPIPE; that the daemon is gone shows as a hang-up of
 * the other end.
 */
#include "client/conn.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "client/attached.h"
#include "client/cred.h"
#include "client/ns.h"
#include "client/place.h"
#include "client/view.h"
#include "core/frame.h"
#include "sys/status.h"
#include "sys/map.h"
#include "sys/raw.h"

#define CONN_RETRY_NS 50000000ull
#define CONN_NS_PER_US 1000ull
#define CONN_NS_PER_MS 1000000ull
#define CONN_NS_PER_S 1000000000ull

/* HELLO is said again on a new pair when no WELCOME came for so long. */
#define CONN_WELCOME_NS 3000000000ull

/* Descriptors are moved just below this, or below the process's limit if that is lower. */
#define CONN_FD_CEILING 1024u
#define CONN_FD_ROOM 24u

/* Frames that are not the answer we wait for; more are a daemon gone wrong. */
#define CONN_STRAY_FRAMES_MAX 1000u

/* What came from the daemon: one frame in the making, and bytes that belong to the next. */
struct conn_input {
	struct frame_reader reader;
	uint8_t bytes[FRAME_SIZE_MAX];
	size_t n_bytes;
	size_t n_taken;
};

static struct conn_input conn_input;

static void conn_sleep(uint64_t ns)
{
	struct timespec pause = {
		.tv_sec = (time_t)(ns / CONN_NS_PER_S),
		.tv_nsec = (long)(ns % CONN_NS_PER_S),
	};

	(void)raw_call2(SYS_nanosleep, &pause, NULL);
}

static void conn_close(struct process *self)
{
	struct process_session *session = &self->session;

	if (!session->is_open)
		return;
	if (process_is_fifo(session->pair.in_fd, session->in_inode))
		(void)raw_call1(SYS_close, session->pair.in_fd);
	if (process_is_fifo(session->pair.out_fd, session->out_inode))
		(void)raw_call1(SYS_close, session->pair.out_fd);
	session->is_open = false;
	process_remember_session(session);
}

int conn_move_high(int fd)
{
	struct rlimit limit = {.rlim_cur = CONN_FD_CEILING};
	uint64_t floor;
	long moved;

	(void)raw_call4(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
	if (limit.rlim_cur > CONN_FD_CEILING)
		limit.rlim_cur = CONN_FD_CEILING;
	floor = limit.rlim_cur > 2 * CONN_FD_ROOM ? limit.rlim_cur - CONN_FD_ROOM : 0;
	moved = raw_call3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, floor);
	if (moved < 0)
		return fd;
	(void)raw_call1(SYS_close, fd);
	return (int)moved;
}

/*
 * Polls one descriptor for events until the deadline; the events that are there, 0 if none came.  register_fd:
 * -1, or its end of all readers is a hang-up, too.
 */
static short conn_poll(int fd, int register_fd, short events, uint64_t deadline_ns)
{
	struct pollfd entries[2] = {{.fd = fd, .events = events}, {.fd = register_fd}};
	uint64_t n_entries = register_fd >= 0 ? 2 : 1;
	struct rlimit limit;
	long n;
	uint64_t now_ns = clock_monotonic_ns();
	uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
	struct timespec left = {
		.tv_sec = (time_t)(left_ns / CONN_NS_PER_S),
		.tv_nsec = (long)(left_ns % CONN_NS_PER_S),
	};

	n = raw_call6(SYS_ppoll, RAW_ARGUMENT(entries), n_entries, RAW_ARGUMENT(&left), 0, 8, 0);
	if (n == -EINVAL && process_lift_limit(&limit)) {
		/* A limit of no descriptors at all is also one of none to poll. */
		n = raw_call6(SYS_ppoll, RAW_ARGUMENT(entries), n_entries, RAW_ARGUMENT(&left), 0, 8, 0);
		process_restore_limit(&limit);
	}
	if (n <= 0)
		return 0;
	return entries[0].revents != 0 ? entries[0].revents : POLLHUP;
}

/* ------------------------------------------------------------------------------------- frames */

/* More bytes for the frame reader.  0, -ETIMEDOUT, -EPIPE: the daemon is gone. */
static int conn_read(struct process *self, int register_fd, uint64_t deadline_ns)
{
	struct conn_input *input = &conn_input;
	ptrdiff_t n;
	short events;

	if (input->n_taken == input->n_bytes) {
		events = conn_poll(self->session.pair.out_fd, register_fd, POLLIN, deadline_ns);
		if (events == 0)
			return -ETIMEDOUT;
		if (!(events & POLLIN))
			return -EPIPE;
		n = fifo_read(self->session.pair.out_fd, input->bytes, sizeof(input->bytes));
		if (n <= 0)
			return n == -EAGAIN ? 0 : -EPIPE;
		input->n_bytes = (size_t)n;
		input->n_taken = 0;
	}
	input->n_taken += frame_push(&input->reader, input->bytes + input->n_taken,
				     input->n_bytes - input->n_taken);
	return 0;
}

/*
 * The next frame: 0, -ETIMEDOUT, -EPIPE: the daemon is gone or speaks nonsense.  register_fd: before the
 * WELCOME the daemon may not have opened our pair, and this tells of its end; afterwards -1.
 */
static int conn_receive(struct process *self, int register_fd, uint64_t deadline_ns,
			struct proto_message *ret_message)
{
	struct frame frame;

	for (uint32_t i = 0; i < CONN_STRAY_FRAMES_MAX; i++) {
		int r = frame_next(&conn_input.reader, &frame);

		if (r == FRAME_READY) {
			r = proto_decode(frame.type, frame.request, frame.body, frame.body_size,
					 ret_message);
			return r == 0 ? 0 : -EPIPE;
		}
		if (r != FRAME_PARTIAL)
			return -EPIPE;
		r = conn_read(self, register_fd, deadline_ns);
		if (r < 0)
			return r;
	}
	return -EPIPE;
}

static int conn_send(struct process *self, const struct proto_message *message, uint64_t deadline_ns)
{
	uint8_t buffer[FRAME_SIZE_MAX];
	size_t size = proto_encode(message, buffer);

	for (;;) {
		/* Not longer than PIPE_BUF: all of it or nothing. */
		ptrdiff_t n = fifo_write(self->session.pair.in_fd, buffer, size);

		if (n == (ptrdiff_t)size)
			return 0;
		if (n != -EAGAIN)
			return -EPIPE;
		if (conn_poll(self->session.pair.out_fd, -1, 0, 0) & (POLLHUP | POLLERR | POLLNVAL))
			return -EPIPE;
		if (clock_monotonic_ns() >= deadline_ns)
			return -ETIMEDOUT;
		conn_sleep(CONN_NS_PER_MS);
	}
}

/* -------------------------------------------------------------------------------- HELLO, WELCOME */

void conn_choose_name(uint32_t pid, char *name)
{
	uint64_t random = clock_monotonic_ns() ^ (uint64_t)(uintptr_t)name << 20;
	char digits[16];
	size_t n = 0;
	size_t used = 0;

	(void)raw_call3(SYS_getrandom, &random, sizeof(random), 1 /* GRND_NONBLOCK */);
	do {
		digits[n++] = (char)('0' + pid % 10);
		pid /= 10;
	} while (pid != 0);
	memset(name, 0, PROTO_NAME_SIZE);
	while (n > 0)
		name[used++] = digits[--n];
	name[used++] = '.';
	for (int shift = 60; shift >= 0; shift -= 4)
		name[used++] = "0123456789abcdef"[random >> shift & 15];
}

/* A write to a FIFO whose reader has just died raises SIGPIPE, which is blocked: takes it back. */
static void conn_take_sigpipe(bool was_pending)
{
	uint64_t sigpipe = 1ull << (13 - 1);
	struct timespec zero = {0};

	if (!was_pending)
		(void)raw_call4(SYS_rt_sigtimedwait, &sigpipe, NULL, &zero, 8);
}

static int conn_say_hello(struct process *self, int register_fd, const char *name,
			  uint64_t deadline_ns)
{
	struct proto_hello hello = {.version = PROTO_VERSION, .pid = self->pid};
	uint8_t record[PROTO_HELLO_SIZE];
	uint64_t pending = 0;

	memcpy(hello.name, name, sizeof(hello.name));
	proto_hello_encode(&hello, record);
	(void)raw_call2(SYS_rt_sigpending, &pending, 8);
	for (;;) {
		ptrdiff_t n = fifo_write(register_fd, record, sizeof(record));

		if (n == (ptrdiff_t)sizeof(record))
			return 0;
		if (n == -EPIPE)
			conn_take_sigpipe(pending >> (13 - 1) & 1);
		if (n != -EAGAIN)
			return -EPIPE;
		if (clock_monotonic_ns() >= deadline_ns)
			return -ETIMEDOUT;
		conn_sleep(CONN_NS_PER_MS);
	}
}

/* Maps the process's ledger and writes into it what the process already holds. */
static int conn_take_ledger(struct process *self, uint64_t client)
{
	char path[NS_PATH_MAX];
	void *base = NULL;
	uint64_t size = 0;
	long fd;
	int r;

	if (!ns_ledger_path(path, client))
		return -ENAMETOOLONG;
	fd = raw_call4(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
	if (fd < 0)
		return (int)fd;
	r = map_stat((int)fd, &size, NULL, NULL);
	if (r == 0)
		r = place_file((int)fd, size, true, &base);
	(void)raw_call1(SYS_close, fd);
	if (r < 0)
		return r;
	if (ledger_bind(&self->ledger, base, size) != 0) {
		self->ledger.base = NULL;
		place_unmap(base, size);
		return -EINVAL;
	}
	(void)raw_call3(SYS_madvise, base, size, MADV_DONTFORK);
	return 0;
}

static int conn_welcomed(struct process *self, const struct proto_welcome *welcome)
{
	int r;

	if (welcome->error != 0) {
		if (welcome->version != PROTO_VERSION) {
			ns_complain("its daemon is of another version");
			return -ENOSYS;
		}
		ns_complain(welcome->error == ENOMEM || welcome->error == ENOSPC
				    ? "it has no room for another process"
				    : "its daemon refuses this process");
		return -ENOMEM;
	}
	if (registry_nonce(atomic_load(&ns_registry)) != welcome->nonce) {
		r = ns_reopen();
		if (r < 0)
			return r;
		view_drop_all();
	}
	if (atomic_load(&self->client) == welcome->client && self->ledger.base)
		return 0;
	r = conn_take_ledger(self, welcome->client);
	if (r < 0) {
		ns_complain("the ledger of this process cannot be opened");
		return -ENOSYS;
	}
	attached_note_all();
	ledger_speak(&self->ledger);
	view_note_all();
	atomic_store(&self->client, welcome->client);
	return 0;
}

static void conn_adopt(struct process *self, const struct fifo_pair *pair)
{
	struct process_session *session = &self->session;
	struct file_status in = {0};
	struct file_status out = {0};

	session->pair = *pair;
	session->pair.in_fd = conn_move_high(pair->in_fd);
	session->pair.out_fd = conn_move_high(pair->out_fd);
	(void)file_status(session->pair.in_fd, &in);
	(void)file_status(session->pair.out_fd, &out);
	session->in_inode = in.inode;
	session->out_inode = out.inode;
	session->is_open = true;
	memset(&conn_input, 0, sizeof(conn_input));
	process_remember_session(session);
}

/*
 * One try with a new pair.  0; -EAGAIN: no daemon now; another: it will not work.
 */
static int conn_try(struct process *self, int dir_fd, int register_fd, uint64_t deadline_ns)
{
	struct fifo_pair pair = FIFO_PAIR_NONE;
	struct proto_message message;
	char name[PROTO_NAME_SIZE];
	uint64_t welcome_ns = clock_monotonic_ns() + CONN_WELCOME_NS;
	int r;

	conn_choose_name(self->pid, name);
	r = fifo_pair_make(dir_fd, name, &pair);
	if (r == -EEXIST)
		return -EAGAIN;
	if (r < 0)
		return r;
	conn_adopt(self, &pair);
	if (deadline_ns < welcome_ns)
		welcome_ns = deadline_ns;
	r = conn_say_hello(self, register_fd, name, deadline_ns);
	if (r == 0)
		r = conn_receive(self, register_fd, welcome_ns, &message);
	fifo_pair_unlink(dir_fd, name);
	if (r == 0 && message.type == PROTO_WELCOME)
		r = conn_welcomed(self, &message.welcome);
	else
		r = -EAGAIN;
	if (r < 0)
		conn_close(self);
	return r;
}

/* Both known names of the namespace, opened.  0; -EAGAIN: no daemon now; another errno. */
static int conn_try_open(struct process *self, uint64_t deadline_ns)
{
	char path[NS_PATH_MAX];
	long register_fd = -ENAMETOOLONG;
	long dir_fd = -ENAMETOOLONG;
	int r;

	if (ns_path(path, "register", -1))
		register_fd = raw_call4(SYS_openat, AT_FDCWD, path,
					O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW, 0);
	/* Nobody reads, or a daemon that ended took the name along: the next one brings it back. */
	if (register_fd == -ENXIO || (register_fd == -ENOENT && ns_exists(ns_directory())))
		return -EAGAIN;
	if (register_fd < 0)
		return (int)register_fd;
	if (ns_path(path, "clients", -1))
		dir_fd = raw_call4(SYS_openat, AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	r = (int)dir_fd;
	if (dir_fd >= 0)
		r = conn_try(self, (int)dir_fd, (int)register_fd, deadline_ns);
	(void)raw_call1(SYS_close, register_fd);
	if (dir_fd >= 0)
		(void)raw_call1(SYS_close, dir_fd);
	return r;
}

static const char *conn_reason(int error)
{
	switch (error) {
	case -EAGAIN:
		return "its daemon does not answer";
	case -ENOENT:
	case -ENOTDIR:
		return "it has been removed";
	case -EACCES:
	case -EPERM:
		return "permission denied";
	case -EMFILE:
	case -ENFILE:
		return "no file descriptor left";
	default:
		return "no connection can be made";
	}
}

/* Connects, waiting for a daemon that is being started again.  0, -ENOSYS, -ENOMEM. */
static int conn_connect(struct process *self, uint64_t deadline_ns, bool quiet)
{
	struct rlimit limit;
	int r = ns_open(quiet);

	if (r < 0)
		return r;
	for (;;) {
		r = conn_try_open(self, deadline_ns);
		if (r == -EMFILE && process_lift_limit(&limit)) {
			r = conn_try_open(self, deadline_ns);
			process_restore_limit(&limit);
		}
		if (r != -EAGAIN || clock_monotonic_ns() + CONN_RETRY_NS >= deadline_ns)
			break;
		conn_sleep(CONN_RETRY_NS);
	}
	if (r == 0 || r == -ENOSYS || r == -ENOMEM)
		return r;
	if (!quiet)
		ns_complain(conn_reason(r));
	return -ENOSYS;
}

/* ----------------------------------------------------------------------------------------- calls */

/* True if the session is ours and of the caller's present identity. */
static bool conn_is_ours(const struct process *self)
{
	const struct process_session *session = &self->session;

	if (!session->is_open)
		return false;
	if (session->pair.uid != cred_euid() || session->pair.gid != cred_egid())
		return false;
	return process_is_fifo(session->pair.in_fd, session->in_inode) &&
	       process_is_fifo(session->pair.out_fd, session->out_inode);
}

/* The same, and the daemon is at its other end: for what is not answered. */
static bool conn_is_alive(const struct process *self)
{
	return conn_is_ours(self) &&
	       !(conn_poll(self->session.pair.out_fd, -1, 0, 0) & (POLLHUP | POLLERR | POLLNVAL));
}

/* A daemon that has gone is noticed by who waits for the answer. */
static int conn_ensure(struct process *self, uint64_t deadline_ns, bool quiet)
{
	if (conn_is_ours(self) && atomic_load(&self->client) != 0)
		return 0;
	conn_close(self);
	return conn_connect(self, deadline_ns, quiet);
}

uint32_t conn_number(struct process *self)
{
	if (self->request_next == 0)
		self->request_next = (uint32_t)(clock_monotonic_ns() / CONN_NS_PER_US);
	if (++self->request_next == 0)
		self->request_next = 1;
	return self->request_next;
}

/* Sends and waits for the answer with its number.  0, -EPIPE, -ETIMEDOUT. */
static int conn_exchange(struct process *self, const struct proto_message *request,
			 uint64_t deadline_ns, struct proto_message *ret_reply)
{
	int r = conn_send(self, request, deadline_ns);

	for (uint32_t i = 0; r == 0 && i < CONN_STRAY_FRAMES_MAX; i++) {
		r = conn_receive(self, -1, deadline_ns, ret_reply);
		if (r == 0 && ret_reply->request == request->request)
			return 0;
	}
	return r == 0 ? -EPIPE : r;
}

int conn_call(const struct proto_message *request, uint32_t timeout_ms,
	      struct proto_message *ret_reply, bool *ret_is_resent)
{
	struct proto_message message = *request;
	bool quiet = timeout_ms != CONN_TIMEOUT_DEFAULT;
	bool is_sent = false;
	uint64_t deadline_ns;
	int r;

	if (timeout_ms == CONN_TIMEOUT_DEFAULT)
		timeout_ms = ns_timeout_ms();
	process_lock();
	deadline_ns = clock_monotonic_ns() + timeout_ms * CONN_NS_PER_MS;
	message.request = conn_number(process_self());
	if (ret_is_resent)
		*ret_is_resent = false;
	for (;;) {
		r = conn_ensure(process_self(), deadline_ns, quiet);
		if (r < 0)
			break;
		if (ret_is_resent)
			*ret_is_resent = is_sent;
		r = conn_exchange(process_self(), &message, deadline_ns, ret_reply);
		if (r == 0)
			break;
		is_sent = true;
		conn_close(process_self());
		if (r == -EPIPE && clock_monotonic_ns() < deadline_ns)
			continue;
		if (!quiet)
			ns_complain("its daemon does not answer");
		r = -ENOSYS;
		break;
	}
	process_unlock();
	return r;
}

void conn_notice(const struct proto_message *notice, bool may_connect)
{
	struct process *self;
	uint64_t deadline_ns;

	process_lock();
	self = process_self();
	deadline_ns = clock_monotonic_ns() + CONN_RETRY_NS;
	if (!conn_is_alive(self))
		conn_close(self);
	if (self->session.is_open || (may_connect && conn_ensure(self, deadline_ns, true) == 0))
		(void)conn_send(self, notice, deadline_ns); /* a notice may be lost */
	process_unlock();
}

int conn_register(uint32_t timeout_ms)
{
	bool quiet = timeout_ms != CONN_TIMEOUT_DEFAULT;
	uint64_t deadline_ns;
	int r = ns_open(quiet);

	if (r < 0)
		return r;
	if (timeout_ms == CONN_TIMEOUT_DEFAULT)
		timeout_ms = ns_timeout_ms();
	process_lock();
	deadline_ns = clock_monotonic_ns() + timeout_ms * CONN_NS_PER_MS;
	r = process_has_client() ? 0 : conn_ensure(process_self(), deadline_ns, quiet);
	process_unlock();
	return r;
}

/*
 * fuzz-client.c: the library's side of the control plane, with a daemon that answers anything.
 *
 * Compiles src/client/conn.c as it is; below are a kernel without descriptors of its own, a clock
 * that only moves when somebody waits, and a daemon made of the input.
 *
 * Input: calls, one byte each: % 8 is the request, 64: a short time-out; and, as they are asked for:
 *   a read    0xff hang-up, 0xfe nothing yet; else so many bytes of the answer at most, which is,
 *             if none is left, by the next byte % 8: 0 WELCOME  1 REPLY  2 REPLY to another request
 *             3 SHM_REPLY  4 PONG  5 raw bytes: n  6 WELCOME with an error or of another version
 *             7 a frame with its size changed
 *   a poll    up to 0xdf ready, 0xe0.. time-out, 0xf0.. hang-up, 0xff interrupted
 *   a write, an open, a mapping   0xf0 and above fail, each in its ways
 * Checked: what is sent decodes; an answer is one to this request; no more time passes than the call
 * may take; no descriptor is lost; the number of system calls is bounded.
 */
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "fuzz.h"
#include "hooks.h"

#include "sys/raw.h"

static long kernel_call(long number, long a, long b, long c, long d, long e, long f);
#define raw_call6 kernel_call
#include "client/conn.c"

#define CALLS_MAX 8u
#define KERNEL_CALLS_MAX 500000u
#define FDS_MAX 64u
#define TIMEOUT_MS 2000u

static struct fuzz_input input;
static uint64_t now_ns, n_calls;
static bool is_open[FDS_MAX];
static uint32_t last_request;

static uint8_t answer[FRAME_SIZE_MAX + 256];
static size_t answer_size, answer_at;

static struct process process;
struct process *process_page = &process;
_Thread_local struct thread client_thread;
_Atomic(const struct registry *) ns_registry;
static struct registry registry;
static _Alignas(4096) uint8_t registry_file[128u << 10], ledger_file[32u << 10];

/* --- the kernel ------------------------------------------------------------------------------- */

static int fd_new(void)
{
	static const int errors[16] = { EMFILE, EMFILE, ENFILE, ENOENT, ENXIO, ENXIO, EACCES, ENOMEM,
					ENOENT, EPERM, ELOOP, EINTR, EIO, ENOSPC, ENXIO, EAGAIN };
	uint8_t code = fuzz_u8(&input);

	if (code >= 0xf0)
		return -errors[code % 16];
	for (int fd = 3; fd < (int)FDS_MAX; fd++) {
		if (!is_open[fd]) {
			is_open[fd] = true;
			return fd;
		}
	}
	return -EMFILE;
}

static long fd_close(int fd)
{
	FUZZ_ASSERT(fd >= 3 && fd < (int)FDS_MAX && is_open[fd]);
	is_open[fd] = false;
	return 0;
}

static void spend(void)
{
	now_ns += 1000;
	FUZZ_ASSERT(++n_calls <= KERNEL_CALLS_MAX);
}

static long kernel_poll(struct pollfd *entry, const struct timespec *time)
{
	uint8_t code = fuzz_done(&input) ? 0xf0 : fuzz_u8(&input);
	bool asks = entry->events != 0;

	if (code == 0xff)
		return -EINTR;
	if (code >= 0xf0) {
		entry->revents = POLLHUP;
		return 1;
	}
	if (code < 0xe0 && asks) {
		entry->revents = POLLIN;
		return 1;
	}
	now_ns += (uint64_t)time->tv_sec * CONN_NS_PER_S + (uint64_t)time->tv_nsec;
	return 0;
}

static long kernel_call(long number, long a, long b, long c, long d, long e, long f)
{
	const struct timespec *time = (const struct timespec *)a;

	(void)d;
	(void)e;
	(void)f;
	spend();
	switch (number) {
	case SYS_nanosleep:
		now_ns += (uint64_t)time->tv_sec * CONN_NS_PER_S + (uint64_t)time->tv_nsec;
		return 0;
	case SYS_ppoll:
		return kernel_poll((struct pollfd *)a, (const struct timespec *)c);
	case SYS_openat:
		return fd_new();
	case SYS_close:
		return fd_close((int)a);
	case SYS_fcntl:
		FUZZ_ASSERT(b == F_DUPFD_CLOEXEC);
		return fd_new();
	case SYS_getrandom:
		memset((void *)a, 0x5a, (size_t)b);
		return b;
	case SYS_fstat:
		memset((void *)b, 0, sizeof(struct stat));
		((struct stat *)b)->st_ino = (ino_t)a;
		return 0;
	default:
		return 0;
	}
}

uint64_t clock_monotonic_ns(void)
{
	spend();
	return now_ns;
}

/* --- the daemon ------------------------------------------------------------------------------- */

static void answer_make(void)
{
	struct proto_message message = { .request = last_request };
	uint8_t code = fuzz_u8(&input) % 8;
	const uint8_t *bytes;

	answer_at = 0;
	if (code == 5) {
		answer_size = fuzz_bytes(&input, fuzz_u8(&input), &bytes);
		if (answer_size > 0)
			memcpy(answer, bytes, answer_size);
		return;
	}
	if (code == 0 || code == 6) {
		message.type = PROTO_WELCOME;
		message.request = 0;
		message.welcome.version = PROTO_VERSION + (code == 6 ? fuzz_u8(&input) & 1 : 0);
		message.welcome.error = code == 6 ? fuzz_u8(&input) % 64 : 0;
		message.welcome.client = UINT64_C(0x10000) + fuzz_u8(&input);
		message.welcome.nonce = 77 + (fuzz_u8(&input) == 0xff);
	} else if (code == 3) {
		message.type = PROTO_SHM_REPLY;
		message.shm.n_attached = fuzz_u32(&input);
	} else if (code == 4) {
		message.type = PROTO_PONG;
		message.pong.n_clients = fuzz_u32(&input);
	} else {
		message.type = PROTO_REPLY;
		message.request += code == 2 ? fuzz_u8(&input) : 0;
		message.reply.id = (int32_t)fuzz_u8(&input) - 1;
	}
	answer_size = proto_encode(&message, answer);
	if (code == 7)
		answer[fuzz_u8(&input) % 4] ^= fuzz_u8(&input);
	FUZZ_SAY("  the daemon says %s to %u%s", proto_type_to_string(message.type), message.request,
		 code == 7 ? ", with a wrong size" : "");
}

ptrdiff_t fifo_read(int fd, void *bytes, size_t n_bytes_max)
{
	uint8_t code = fuzz_done(&input) ? 0xff : fuzz_u8(&input);
	size_t n;

	spend();
	FUZZ_ASSERT(fd >= 3 && fd < (int)FDS_MAX && is_open[fd]);
	if (code >= 0xfe)
		return code == 0xfe ? -EAGAIN : 0;
	if (answer_at == answer_size)
		answer_make();
	n = answer_size - answer_at;
	n = n < n_bytes_max ? n : n_bytes_max;
	n = n < code + 1u ? n : code + 1u;
	memcpy(bytes, answer + answer_at, n);
	answer_at += n;
	return n > 0 ? (ptrdiff_t)n : -EAGAIN;
}

ptrdiff_t fifo_write(int fd, const void *bytes, size_t n_bytes)
{
	struct frame_reader reader = { 0 };
	struct proto_message message;
	struct proto_hello hello;
	struct frame frame;
	uint8_t code = fuzz_u8(&input);

	spend();
	FUZZ_ASSERT(fd >= 3 && fd < (int)FDS_MAX && is_open[fd]);
	if (proto_hello_decode(bytes, &hello)) {
		FUZZ_ASSERT(n_bytes == PROTO_HELLO_SIZE && hello.pid == process.pid);
		FUZZ_SAY("  HELLO, pair %s", hello.name);
	} else {
		FUZZ_ASSERT(frame_push(&reader, bytes, n_bytes) == n_bytes);
		FUZZ_ASSERT(frame_next(&reader, &frame) == FRAME_READY);
		FUZZ_ASSERT(proto_decode(frame.type, frame.request, frame.body, frame.body_size,
					 &message) == 0);
		last_request = message.request;
		FUZZ_SAY("  request %u: %s", message.request, proto_type_to_string(message.type));
	}
	if (code >= 0xf0)
		return code & 1 ? -EAGAIN : -EPIPE;
	return (ptrdiff_t)n_bytes;
}

int fifo_pair_make(int dir_fd, const char *name, struct fifo_pair *ret_pair)
{
	int in = fd_new();
	int out = in >= 0 ? fd_new() : in;

	(void)dir_fd;
	FUZZ_ASSERT(strlen(name) < PROTO_NAME_SIZE);
	if (out < 0 && in >= 0)
		(void)fd_close(in);
	if (out < 0)
		return out;
	*ret_pair = (struct fifo_pair){ .in_fd = in, .out_fd = out, .uid = 1000, .gid = 1000 };
	return 0;
}

void fifo_pair_unlink(int dir_fd, const char *name)
{
	(void)dir_fd;
	(void)name;
}

/* --- the rest of the library ------------------------------------------------------------------ */

int map_stat(int fd, uint64_t *ret_size, uint32_t *ret_uid, uint32_t *ret_mode)
{
	(void)fd;
	(void)ret_uid;
	(void)ret_mode;
	*ret_size = fuzz_u8(&input) >= 0xf0 ? fuzz_u16(&input) : ledger_size();
	return 0;
}

int place_file(int fd, uint64_t size, bool is_writable, void **ret_base)
{
	(void)fd;
	(void)size;
	(void)is_writable;
	if (fuzz_u8(&input) >= 0xf0)
		return -ENOMEM;
	memset(ledger_file, 0, sizeof(ledger_file));
	if (fuzz_u8(&input) < 0xf0)
		ledger_format(ledger_file, 1, process.pid);
	*ret_base = ledger_file;
	return 0;
}

void place_unmap(void *base, uint64_t size)
{
	(void)base;
	(void)size;
}

/* 0xff: the program has closed the descriptor meanwhile. */
bool process_is_fifo(int fd, uint64_t inode)
{
	if (fd < 3 || !is_open[fd] || inode != (uint64_t)fd)
		return false;
	if (fuzz_u8(&input) == 0xff)
		is_open[fd] = false;
	return is_open[fd];
}

bool process_lift_limit(struct rlimit *ret_saved)
{
	(void)ret_saved;
	return fuzz_u8(&input) < 0xf0;
}

void process_restore_limit(const struct rlimit *saved)
{
	(void)saved;
}

void process_begin(void) {}
void process_lock(void) {}
void process_unlock(void) {}

void process_remember_session(const struct process_session *session)
{
	(void)session;
}

uint32_t cred_euid(void)
{
	return fuzz_u8(&input) == 0xff ? 0 : 1000;
}

uint32_t cred_egid(void)
{
	return 1000;
}

int ns_open(bool quiet)
{
	(void)quiet;
	return 0;
}

int ns_reopen(void)
{
	return fuzz_u8(&input) >= 0xf0 ? -ENOSYS : 0;
}

const char *ns_directory(void)
{
	return "/n";
}

bool ns_exists(const char *directory)
{
	(void)directory;
	return fuzz_u8(&input) < 0xf0;
}

void ns_complain(const char *reason)
{
	FUZZ_SAY("  says: %s", reason);
}

uint32_t ns_timeout_ms(void)
{
	return TIMEOUT_MS;
}

bool ns_path(char *path, const char *tail, int32_t id)
{
	(void)tail;
	(void)id;
	path[0] = '\0';
	return true;
}

bool ns_ledger_path(char *path, uint64_t client)
{
	(void)client;
	path[0] = '\0';
	return true;
}

void view_drop_all(void) {}
void view_note_all(void) {}
void attached_note_all(void) {}

/* --- the calls -------------------------------------------------------------------------------- */

static void call_once(uint8_t code)
{
	static const uint32_t types[8] = { PROTO_CREATE,   PROTO_SET,	   PROTO_REMOVE, PROTO_SHM_STAT,
					   PROTO_SHM_LOCK, PROTO_SETTLE, PROTO_PING,	 PROTO_DETACHED };
	struct proto_message request = { .type = types[code % 8] };
	struct proto_message reply = { 0 };
	uint32_t timeout_ms = code & 64 ? 1 : CONN_TIMEOUT_DEFAULT;
	uint64_t start_ns = now_ns;
	bool resent = false;
	int r;

	if (request.type == PROTO_SETTLE)
		request.settle.pid = 5;
	FUZZ_SAY("call %s", proto_type_to_string(request.type));
	if (request.type == PROTO_DETACHED) {
		conn_notice(&request, code & 64);
		return;
	}
	r = conn_call(&request, timeout_ms, &reply, &resent);
	FUZZ_SAY("  result %d after %llu ms%s", r,
		 (unsigned long long)((now_ns - start_ns) / CONN_NS_PER_MS), resent ? ", sent twice" : "");
	FUZZ_ASSERT(r == 0 || r == -ENOSYS || r == -ENOMEM);
	if (r == 0)
		FUZZ_ASSERT(reply.request == process.request_next);
	/* A second for what is not waiting. */
	FUZZ_ASSERT(now_ns - start_ns < (timeout_ms + TIMEOUT_MS + 1000) * CONN_NS_PER_MS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct registry_limits limits;
	uint32_t n_open = 0;

	hooks_reset();
	input = (struct fuzz_input){ .bytes = data, .size = size };
	memset(is_open, 0, sizeof(is_open));
	memset(&process, 0, sizeof(process));
	memset(&conn_input, 0, sizeof(conn_input));
	memset(registry_file, 0, registry_size());
	FUZZ_ASSERT(registry_size() <= sizeof(registry_file) && ledger_size() <= sizeof(ledger_file));
	registry_limits_default(&limits);
	registry_format(registry_file, 77, &limits);
	FUZZ_ASSERT(registry_bind(&registry, registry_file, registry_size()) == 0);
	atomic_store(&ns_registry, &registry);
	process.pid = 42;
	now_ns = CONN_NS_PER_S;
	n_calls = 0;
	last_request = 0;
	answer_size = answer_at = 0;
	for (uint32_t i = 0; i < CALLS_MAX && !fuzz_done(&input); i++)
		call_once(fuzz_u8(&input));
	for (uint32_t fd = 0; fd < FDS_MAX; fd++)
		n_open += is_open[fd];
	FUZZ_ASSERT(n_open <= (process.session.is_open ? 2u : 0u));
	return 0;
}

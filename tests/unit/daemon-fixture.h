/*
 * daemon-fixture.h: a daemon in a process and a folder of its own, and a client made by hand that
 * talks to it over its FIFOs, for the daemon's tests.
 */
#ifndef TESTS_UNIT_DAEMON_FIXTURE_H
#define TESTS_UNIT_DAEMON_FIXTURE_H

#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/frame.h"
#include "core/ledger.h"
#include "core/msgq.h"
#include "core/proto.h"
#include "core/semset.h"
#include "daemon/daemon.h"
#include "daemon/namespace.h"
#include "sys/clock.h"
#include "sys/fifo.h"
#include "sys/log.h"
#include "sys/map.h"

#define WAIT_MS 10000

/* --- a namespace with its daemon ------------------------------------------------------------------ */

struct fixture {
	char dir[64];
	pid_t daemon;
	struct registry registry;
};

/* In a child: a failure must not go on as a test, and a failed test leaves nobody behind. */
static inline void child_prepare(void)
{
	(void)setenv("CMOCKA_TEST_ABORT", "1", 1);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Returns when clients are served; a status instead of 0 when the daemon ended before. */
static inline int daemon_begin(struct fixture *fixture, uint32_t mode)
{
	struct daemon_options options = {.dir = fixture->dir, .mode = mode};
	char log[128];
	char line[8];
	int ready[2];
	int status = 0;
	ssize_t n;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	fixture->daemon = fork();
	assert_true(fixture->daemon >= 0);
	if (fixture->daemon == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)snprintf(log, sizeof(log), "%s/log", fixture->dir);
		(void)close(ready[0]);
		if (log_open(log) < 0)
			_exit(99);
		options.ready_fd = ready[1];
		_exit(daemon_run(&options));
	}
	(void)close(ready[1]);
	n = read(ready[0], line, sizeof(line));
	(void)close(ready[0]);
	if (n > 0)
		return 0;
	assert_int_equal(waitpid(fixture->daemon, &status, 0), fixture->daemon);
	fixture->daemon = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline int daemon_end(struct fixture *fixture, int number)
{
	int status = 0;

	if (fixture->daemon == 0)
		return 0;
	assert_int_equal(kill(fixture->daemon, number), 0);
	assert_int_equal(waitpid(fixture->daemon, &status, 0), fixture->daemon);
	fixture->daemon = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline void bind_registry(struct fixture *fixture)
{
	char path[128];
	void *base = NULL;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/registry", fixture->dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(map_file(fd, registry_size(), false, &base), 0);
	(void)close(fd);
	assert_int_equal(registry_bind(&fixture->registry, base, registry_size()), 0);
}

static inline int fixture_open(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	(void)snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/test-daemon-XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	assert_int_equal(daemon_begin(fixture, NAMESPACE_MODE_DEFAULT), 0);
	bind_registry(fixture);
	*state = fixture;
	return 0;
}

static inline int fixture_close(void **state)
{
	struct fixture *fixture = *state;
	char command[128];

	if (fixture->daemon > 0)
		(void)daemon_end(fixture, SIGTERM);
	map_close(fixture->registry.base, fixture->registry.size);
	(void)snprintf(command, sizeof(command), "rm -rf %s", fixture->dir);
	assert_int_equal(system(command), 0);
	free(fixture);
	return 0;
}

static inline int open_in(const struct fixture *fixture, const char *name, int flags)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	return open(path, flags | O_CLOEXEC | O_NONBLOCK);
}

static inline bool is_in(const struct fixture *fixture, const char *name, mode_t *ret_mode)
{
	struct stat status;
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	if (lstat(path, &status) < 0)
		return false;
	if (ret_mode)
		*ret_mode = status.st_mode;
	return true;
}

static inline bool log_says_now(const struct fixture *fixture, const char *text)
{
	static char log[1 << 20];
	int fd = open_in(fixture, "log", O_RDONLY);
	ssize_t n = read(fd, log, sizeof(log) - 1);

	(void)close(fd);
	assert_true(n >= 0);
	log[n] = 0;
	return strstr(log, text) != NULL;
}

/* The line may come a little later than what it is about. */
static inline bool log_says(const struct fixture *fixture, const char *text)
{
	for (int i = 0; i < 500; i++) {
		if (log_says_now(fixture, text))
			return true;
		(void)usleep(10000);
	}
	return false;
}

/* --- a client by hand ----------------------------------------------------------------------------- */

struct wire {
	struct fifo_pair pair;
	struct frame_reader reader;
	uint32_t request;
	uint64_t client;
	struct ledger ledger;
};

static inline void wire_make(const struct fixture *fixture, struct wire *wire, char *name, size_t name_size)
{
	static unsigned int n;
	int dir = open_in(fixture, "clients", O_PATH | O_DIRECTORY);

	assert_true(dir >= 0);
	*wire = (struct wire){.pair = FIFO_PAIR_NONE};
	(void)snprintf(name, name_size, "%d.%u", (int)getpid(), n++);
	assert_int_equal(fifo_pair_make(dir, name, &wire->pair), 0);
	(void)close(dir);
}

static inline void wire_hello(const struct fixture *fixture, const char *name, uint32_t version, pid_t pid)
{
	struct proto_hello hello = {.version = version, .pid = (uint32_t)pid};
	uint8_t record[PROTO_HELLO_SIZE];
	int fd = open_in(fixture, "register", O_WRONLY);

	assert_true(fd >= 0);
	(void)snprintf(hello.name, sizeof(hello.name), "%s", name);
	proto_hello_encode(&hello, record);
	assert_int_equal(write(fd, record, sizeof(record)), sizeof(record));
	(void)close(fd);
}

/* One message; false: the daemon hung up, or says nothing in time. */
static inline bool wire_receive(struct wire *wire, int timeout_ms, struct proto_message *ret_message)
{
	struct pollfd poll_fd = {.fd = wire->pair.out_fd, .events = POLLIN};
	struct frame frame;
	uint8_t byte;

	while (frame_next(&wire->reader, &frame) != FRAME_READY) {
		if (poll(&poll_fd, 1, timeout_ms) != 1 ||
		    fifo_read(wire->pair.out_fd, &byte, 1) != 1)
			return false;
		assert_int_equal(frame_push(&wire->reader, &byte, 1), 1);
	}
	assert_int_equal(proto_decode(frame.type, frame.request, frame.body, frame.body_size,
				      ret_message), 0);
	return true;
}

static inline void wire_send(struct wire *wire, struct proto_message *message)
{
	uint8_t bytes[FRAME_SIZE_MAX];
	size_t n;

	message->request = ++wire->request;
	n = proto_encode(message, bytes);
	assert_int_equal(fifo_write(wire->pair.in_fd, bytes, n), n);
}

static inline struct proto_message wire_ask(struct wire *wire, struct proto_message message)
{
	struct proto_message answer = {0};

	wire_send(wire, &message);
	assert_true(wire_receive(wire, WAIT_MS, &answer));
	assert_int_equal(answer.request, message.request);
	return answer;
}

static inline void wire_map_ledger(const struct fixture *fixture, struct wire *wire)
{
	char name[64];
	void *base = NULL;
	int fd;

	(void)snprintf(name, sizeof(name), "ledgers/%016" PRIx64, wire->client);
	fd = open_in(fixture, name, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(map_file(fd, ledger_size(), true, &base), 0);
	(void)close(fd);
	assert_int_equal(madvise(base, ledger_size(), MADV_DONTFORK), 0);
	assert_int_equal(ledger_bind(&wire->ledger, base, ledger_size()), 0);
}

/* Welcome, with what is attached by inheritance not noted yet. */
static inline struct wire wire_join(const struct fixture *fixture)
{
	struct proto_message welcome = {0};
	struct wire wire;
	char name[PROTO_NAME_SIZE];

	wire_make(fixture, &wire, name, sizeof(name));
	wire_hello(fixture, name, PROTO_VERSION, getpid());
	assert_true(wire_receive(&wire, WAIT_MS, &welcome));
	assert_int_equal(welcome.type, PROTO_WELCOME);
	assert_int_equal(welcome.welcome.error, 0);
	assert_true(welcome.welcome.nonce == registry_nonce(&fixture->registry));
	wire.client = welcome.welcome.client;
	wire_map_ledger(fixture, &wire);
	return wire;
}

static inline struct wire wire_open(const struct fixture *fixture)
{
	struct wire wire = wire_join(fixture);

	ledger_speak(&wire.ledger);
	return wire;
}

static inline void wire_close(struct wire *wire)
{
	fifo_pair_close(&wire->pair);
	map_close(wire->ledger.base, wire->ledger.size);
	wire->ledger.base = NULL;
}

static inline int32_t wire_create(struct wire *wire, enum ipc_kind kind, uint64_t size, uint32_t flags)
{
	struct proto_message answer = wire_ask(wire, (struct proto_message){
		.type = PROTO_CREATE,
		.create = {.kind = kind, .key = ABI_IPC_PRIVATE, .size = size,
			   .flags = ABI_IPC_CREAT | flags},
	});

	assert_int_equal(answer.type, PROTO_REPLY);
	assert_int_equal(answer.reply.error, 0);
	return answer.reply.id;
}

static inline int wire_remove(struct wire *wire, enum ipc_kind kind, int32_t id)
{
	return wire_ask(wire, (struct proto_message){
		.type = PROTO_REMOVE, .object = {.kind = kind, .id = id}}).reply.error;
}

/* nattch, or -1 when the segment is gone. */
static inline int64_t wire_attached(struct wire *wire, int32_t id)
{
	struct proto_message answer = wire_ask(wire, (struct proto_message){
		.type = PROTO_SHM_STAT, .object = {.kind = IPC_KIND_SHM, .id = id}});

	assert_int_equal(answer.type, PROTO_SHM_REPLY);
	return answer.shm.error == 0 ? (int64_t)answer.shm.n_attached : -1;
}

static inline void wire_await_attached(struct wire *wire, int32_t id, int64_t n)
{
	for (int i = 0; wire_attached(wire, id) != n; i++) {
		if (i == 500)
			assert_int_equal(wire_attached(wire, id), n);
		(void)usleep(10000);
	}
}

static inline void *map_object(const struct fixture *fixture, const char *kind, int32_t id, uint64_t size,
			int *ret_fd)
{
	char name[64];
	void *base = NULL;
	int fd;

	(void)snprintf(name, sizeof(name), "objects/%s.%" PRId32, kind, id);
	fd = open_in(fixture, name, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(map_file(fd, size, true, &base), 0);
	if (ret_fd)
		*ret_fd = fd;
	else
		(void)close(fd);
	return base;
}

static inline void bind_set(const struct fixture *fixture, int32_t id, struct semset *set)
{
	struct semset_layout layout;

	assert_int_equal(semset_layout(2, &layout), 0);
	assert_int_equal(semset_bind(set, map_object(fixture, "sem", id, layout.size, NULL),
				     layout.size), 0);
}

/* As shmat does it. */
static inline void attach(const struct fixture *fixture, struct wire *wire, int32_t id)
{
	uint32_t entry = 0;
	void *base;
	int fd = -1;

	assert_int_equal(ledger_attach_begin(&wire->ledger, id, 4096, clock_now_ns(), &entry), 0);
	base = map_object(fixture, "shm", id, 4096, &fd);
	assert_int_equal(flock(fd, LOCK_SH), 0);
	(void)close(fd);
	ledger_attach_end(&wire->ledger, entry, (uint64_t)(uintptr_t)base);
}

/* A child that runs work(fixture, id), says so, and then stays until it is killed. */
typedef void child_work(const struct fixture *fixture, int32_t id);

static inline pid_t child_begin(const struct fixture *fixture, child_work *work, int32_t id)
{
	int done[2];
	char byte = 0;
	pid_t child;

	assert_int_equal(pipe2(done, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		child_prepare();
		work(fixture, id);
		if (write(done[1], "x", 1) == 1)
			(void)pause();
		_exit(1);
	}
	(void)close(done[1]);
	assert_int_equal(read(done[0], &byte, 1), 1);
	(void)close(done[0]);
	return child;
}

static inline void child_end(pid_t child)
{
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

#endif

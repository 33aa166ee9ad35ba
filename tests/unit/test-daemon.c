/* test-daemon.c: the daemon's namespace, registration, sessions and objects. */
#include "daemon-fixture.h"

/* --- start and stop ------------------------------------------------------------------------------- */

static void start_in_empty_folder_makes_the_tree(void **state)
{
	static const struct {
		const char *name;
		mode_t private_mode;
		mode_t shared_mode;
	} parts[] = {
		{"", S_IFDIR | 0700, S_IFDIR | 0755},
		{"register", S_IFIFO | 0600, S_IFIFO | 0622},
		{"clients", S_IFDIR | 0700, S_IFDIR | 01733},
		{"objects", S_IFDIR | 0700, S_IFDIR | 0711},
		{"ledgers", S_IFDIR | 0700, S_IFDIR | 0711},
		{"registry", S_IFREG | 0600, S_IFREG | 0644},
		{"usysvd.pid", S_IFREG | 0644, S_IFREG | 0644},
	};
	struct fixture *fixture = *state;
	mode_t mode = 0;

	for (int shared = 0; shared < 2; shared++) {
		assert_int_equal(daemon_end(fixture, SIGTERM), 0);
		assert_int_equal(daemon_begin(fixture, shared ? 0755 : 0700), 0);
		for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
			assert_true(is_in(fixture, parts[i].name, &mode));
			assert_int_equal(mode, shared ? parts[i].shared_mode : parts[i].private_mode);
		}
	}
}

static void stop_takes_back_fifo_and_pid_file_only(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(daemon_end(fixture, SIGTERM), 0);
	assert_false(is_in(fixture, "register", NULL));
	assert_false(is_in(fixture, "usysvd.pid", NULL));
	assert_true(is_in(fixture, "registry", NULL));
	assert_int_equal(daemon_begin(fixture, NAMESPACE_MODE_DEFAULT), 0);
	assert_int_equal(daemon_end(fixture, SIGINT), 0);
}

static void second_daemon_ends_with_75(void **state)
{
	struct fixture *fixture = *state;
	struct fixture other = *fixture;

	assert_int_equal(daemon_begin(&other, NAMESPACE_MODE_DEFAULT), DAEMON_EXIT_SERVED);
	assert_true(log_says(fixture, "served already, by process"));
	/* And has not disturbed the first one. */
	struct wire wire = wire_open(fixture);
	wire_close(&wire);
}

static void namespace_of_another_version_ends_with_78_and_stays(void **state)
{
	struct fixture *fixture = *state;
	uint8_t before[256];
	uint8_t after[256];
	int fd;

	assert_int_equal(daemon_end(fixture, SIGTERM), 0);
	fd = open_in(fixture, "registry", O_RDWR);
	assert_int_equal(pread(fd, before, sizeof(before), 0), sizeof(before));
	before[0] ^= 0xff;
	assert_int_equal(pwrite(fd, before, sizeof(before), 0), sizeof(before));
	assert_int_equal(daemon_begin(fixture, NAMESPACE_MODE_DEFAULT), DAEMON_EXIT_VERSION);
	assert_int_equal(pread(fd, after, sizeof(after), 0), sizeof(after));
	assert_memory_equal(before, after, sizeof(before));
	(void)close(fd);
}

static void folder_with_something_else_is_refused_and_left_alone(void **state)
{
	struct fixture *fixture = *state;
	char path[128];
	int fd;

	assert_int_equal(daemon_end(fixture, SIGTERM), 0);
	(void)snprintf(path, sizeof(path), "%s/registry", fixture->dir);
	assert_int_equal(unlink(path), 0);
	fd = open_in(fixture, "letter.txt", O_RDWR | O_CREAT | O_EXCL);
	(void)close(fd);
	assert_int_equal(daemon_begin(fixture, NAMESPACE_MODE_DEFAULT), DAEMON_EXIT_FAILURE);
	assert_false(is_in(fixture, "registry", NULL));
	assert_true(log_says(fixture, "holds something else than a namespace"));
}

static void folder_others_may_write_is_refused(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(daemon_end(fixture, SIGTERM), 0);
	assert_int_equal(chmod(fixture->dir, 0770), 0);
	assert_int_equal(daemon_begin(fixture, NAMESPACE_MODE_DEFAULT), DAEMON_EXIT_FAILURE);
	assert_true(log_says(fixture, "may be written by others"));
}

/* --- registration --------------------------------------------------------------------------------- */

static void hello_gives_identity_and_ledger_and_removes_names(void **state)
{
	struct fixture *fixture = *state;
	struct wire wire = wire_open(fixture);
	struct registry_client known;
	char command[128];
	mode_t mode = 0;
	char name[64];

	assert_true(registry_find_pid(&fixture->registry, (uint32_t)getpid(), &known));
	assert_true(known.client == wire.client);
	assert_int_equal(known.uid, geteuid());
	(void)snprintf(name, sizeof(name), "ledgers/%016" PRIx64, wire.client);
	assert_true(is_in(fixture, name, &mode));
	assert_int_equal(mode, S_IFREG | 0600);
	(void)snprintf(command, sizeof(command), "test -z \"$(ls %s/clients)\"", fixture->dir);
	assert_int_equal(system(command), 0);
	wire_close(&wire);
}

static void second_session_of_a_process_has_the_same_identity(void **state)
{
	struct fixture *fixture = *state;
	struct wire one = wire_open(fixture);
	struct wire other = wire_open(fixture);

	assert_true(one.client == other.client);
	wire_close(&one);
	assert_int_equal(wire_ask(&other, (struct proto_message){.type = PROTO_PING}).type, PROTO_PONG);
	wire_close(&other);
}

static void hello_with_open_fifo_or_foreign_pid_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct proto_message message;
	struct wire wire;
	char name[PROTO_NAME_SIZE];
	char path[256];

	wire_make(fixture, &wire, name, sizeof(name));
	(void)snprintf(path, sizeof(path), "%s/clients/%s.in", fixture->dir, name);
	assert_int_equal(chmod(path, 0622), 0);
	wire_hello(fixture, name, PROTO_VERSION, getpid());
	assert_false(wire_receive(&wire, 300, &message));
	assert_true(log_says(fixture, "Operation not permitted"));
	assert_true(is_in(fixture, path + strlen(fixture->dir) + 1, NULL));
	assert_int_equal(chmod(path, 0600), 0);
	wire_hello(fixture, name, PROTO_VERSION, 0x7ffffffe);
	assert_false(wire_receive(&wire, 300, &message));
	assert_true(log_says(fixture, "no such process"));
	wire_close(&wire);
	wire = wire_open(fixture);
	wire_close(&wire);
}

static void hello_of_another_user_s_process_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct proto_message message;
	struct wire wire;
	char name[PROTO_NAME_SIZE];
	char path[256];

	if (geteuid() != 0)
		skip();
	wire_make(fixture, &wire, name, sizeof(name));
	(void)snprintf(path, sizeof(path), "%s/clients/%s.in", fixture->dir, name);
	assert_int_equal(chown(path, 65534, 65534), 0);
	(void)snprintf(path, sizeof(path), "%s/clients/%s.out", fixture->dir, name);
	assert_int_equal(chown(path, 65534, 65534), 0);
	wire_hello(fixture, name, PROTO_VERSION, getpid());
	assert_false(wire_receive(&wire, 300, &message));
	assert_true(log_says(fixture, "not of a user of that process"));
	wire_close(&wire);
}

static void hello_of_another_version_is_told_so(void **state)
{
	struct fixture *fixture = *state;
	struct proto_message message;
	struct wire wire;
	char name[PROTO_NAME_SIZE];

	wire_make(fixture, &wire, name, sizeof(name));
	wire_hello(fixture, name, PROTO_VERSION + 1, getpid());
	assert_true(wire_receive(&wire, WAIT_MS, &message));
	assert_int_equal(message.welcome.error, 71);
	assert_false(wire_receive(&wire, WAIT_MS, &message));
	wire_close(&wire);
}

static void garbage_on_register_does_not_keep_others_out(void **state)
{
	struct fixture *fixture = *state;
	uint8_t bytes[4096];
	struct wire wire;
	int fd = open_in(fixture, "register", O_WRONLY);

	for (int round = 0; round < 50; round++) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)(i * 7 + (size_t)round * 13);
		(void)!write(fd, bytes, 1 + (size_t)round * 80);
	}
	(void)close(fd);
	(void)usleep(50000); /* a full FIFO would refuse our own hello */
	wire = wire_open(fixture);
	wire_close(&wire);
}

/* --- sessions ------------------------------------------------------------------------------------- */

/* Who has said HELLO to a daemon that was killed then is told at once, not after a while. */
static void end_of_a_daemon_still_shows_when_the_next_one_is_there(void **state)
{
	struct fixture *fixture = *state;
	int fd = open_in(fixture, "register", O_WRONLY);
	struct pollfd entry = {.fd = fd};
	mode_t mode = 0;

	assert_true(fd >= 0);
	assert_int_equal(poll(&entry, 1, 0), 0);
	assert_int_equal(daemon_end(fixture, SIGKILL), 128 + SIGKILL);
	assert_int_equal(daemon_begin(fixture, NAMESPACE_MODE_DEFAULT), 0);
	assert_int_equal(poll(&entry, 1, 0), 1);
	assert_true(entry.revents & POLLERR);
	(void)close(fd);
	assert_true(is_in(fixture, "register", &mode));
	assert_int_equal(mode & S_IFMT, S_IFIFO);
	assert_false(is_in(fixture, "register.new", NULL));
}

static void client_that_does_not_read_is_dropped_and_others_are_served(void **state)
{
	struct fixture *fixture = *state;
	struct proto_message ping = {.type = PROTO_PING};
	struct wire deaf = wire_open(fixture);
	struct wire other = wire_open(fixture);
	struct pollfd gone = {.fd = deaf.pair.out_fd};
	uint8_t bytes[FRAME_SIZE_MAX];
	size_t n = proto_encode(&ping, bytes);

	for (int i = 0; i < 100000 && !(gone.revents & POLLHUP); i++) {
		if (fifo_write(deaf.pair.in_fd, bytes, n) < 0)
			(void)usleep(1000);
		(void)poll(&gone, 1, 0);
	}
	assert_true(gone.revents & POLLHUP);
	assert_true(log_says(fixture, "it does not read"));
	assert_int_equal(wire_ask(&other, ping).type, PROTO_PONG);
	wire_close(&deaf);
	wire_close(&other);
}

static void pipelined_requests_are_all_answered_in_order(void **state)
{
	struct fixture *fixture = *state;
	struct wire wire = wire_open(fixture);
	struct proto_message message;

	for (int i = 0; i < 200; i++) {
		struct proto_message ping = {.type = PROTO_PING};

		wire_send(&wire, &ping);
	}
	for (uint32_t i = 1; i <= 200; i++) {
		assert_true(wire_receive(&wire, WAIT_MS, &message));
		assert_int_equal(message.request, i);
	}
	wire_close(&wire);
}

static void half_a_frame_and_a_bad_frame_cost_one_connection(void **state)
{
	struct fixture *fixture = *state;
	struct wire half = wire_open(fixture);
	struct wire bad = wire_open(fixture);
	struct wire other = wire_open(fixture);
	struct proto_message message;
	uint8_t bytes[64];

	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(fifo_write(half.pair.in_fd, "\x20\0\0\0", 4), 4);
	wire_close(&half);
	assert_int_equal(fifo_write(bad.pair.in_fd, bytes, sizeof(bytes)), sizeof(bytes));
	assert_false(wire_receive(&bad, WAIT_MS, &message));
	wire_close(&bad);
	assert_int_equal(wire_ask(&other, (struct proto_message){.type = PROTO_PING}).type, PROTO_PONG);
	wire_close(&other);
}

/* --- objects -------------------------------------------------------------------------------------- */

static void created_objects_have_files_with_their_mode_until_removed(void **state)
{
	static const char *const names[] = {"shm", "sem", "msg"};
	struct fixture *fixture = *state;
	struct wire wire = wire_open(fixture);

	for (uint32_t kind = 0; kind < IPC_KIND_COUNT; kind++) {
		int32_t id = wire_create(&wire, (enum ipc_kind)kind, kind == IPC_KIND_MSG ? 0 : 2, 0642);
		struct registry_object object;
		mode_t mode = 0;
		char name[64];

		(void)snprintf(name, sizeof(name), "objects/%s.%" PRId32, names[kind], id);
		assert_true(is_in(fixture, name, &mode));
		assert_int_equal(mode, S_IFREG | 0642);
		assert_int_equal(registry_get(&fixture->registry, (enum ipc_kind)kind, id, &object), 0);
		assert_int_equal(object.owner.mode, 0642);
		assert_int_equal(wire_remove(&wire, (enum ipc_kind)kind, id), 0);
		assert_false(is_in(fixture, name, NULL));
		assert_int_equal(wire_remove(&wire, (enum ipc_kind)kind, id), EINVAL);
	}
	wire_close(&wire);
}

static void set_changes_the_file_and_grows_the_queue(void **state)
{
	struct fixture *fixture = *state;
	struct wire wire = wire_open(fixture);
	int32_t id = wire_create(&wire, IPC_KIND_MSG, 0, 0600);
	struct registry_object object;
	struct msgq_layout layout;
	struct msgq_stat stat;
	struct msgq queue;
	mode_t mode = 0;
	char name[64];

	assert_int_equal(wire_ask(&wire, (struct proto_message){
		.type = PROTO_SET,
		.set = {.kind = IPC_KIND_MSG, .id = id, .uid = geteuid(), .gid = getegid(),
			.mode = 0, .qbytes = geteuid() == 0 ? 100000 : 10000},
	}).reply.error, 0);
	(void)snprintf(name, sizeof(name), "objects/msg.%" PRId32, id);
	assert_true(is_in(fixture, name, &mode));
	assert_int_equal(mode, S_IFREG);
	/* A mode that keeps even its owner out keeps no daemon out. */
	assert_int_equal(wire_ask(&wire, (struct proto_message){
		.type = PROTO_SET,
		.set = {.kind = IPC_KIND_MSG, .id = id, .uid = geteuid(), .gid = getegid(),
			.mode = 0600, .qbytes = geteuid() == 0 ? 200000 : 10000},
	}).reply.error, 0);
	assert_int_equal(registry_get(&fixture->registry, IPC_KIND_MSG, id, &object), 0);
	assert_int_equal(msgq_layout(object.size, &layout), 0);
	assert_int_equal(msgq_bind(&queue, map_object(fixture, "msg", id, layout.size, NULL),
				   layout.size), 0);
	msgq_get_stat(&queue, &stat);
	assert_int_equal(stat.qbytes, geteuid() == 0 ? 200000 : 10000);
	map_close(queue.base, layout.size);
	wire_close(&wire);
}

static void creator_keeps_access_to_an_object_given_away(void **state)
{
	struct fixture *fixture = *state;
	struct wire wire;
	int32_t id;
	mode_t mode = 0;
	char name[64];
	int status = 0;

	if (geteuid() != 0)
		skip();
	wire = wire_open(fixture);
	id = wire_create(&wire, IPC_KIND_SHM, 1, 0600);
	(void)snprintf(name, sizeof(name), "objects/shm.%" PRId32, id);
	/* Given by root to 65534 and so on: then only root and that uid may open it. */
	assert_int_equal(wire_ask(&wire, (struct proto_message){
		.type = PROTO_SET,
		.set = {.kind = IPC_KIND_SHM, .id = id, .uid = 65534, .gid = 65534, .mode = 0640},
	}).reply.error, 0);
	assert_true(is_in(fixture, name, &mode));
	for (uid_t uid = 65533; uid <= 65534; uid++) {
		pid_t child = fork();

		if (child == 0) {
			if (setgroups(0, NULL) < 0 || setgid(uid) < 0 || setuid(uid) < 0)
				_exit(2);
			_exit(open_in(fixture, name, O_RDWR) >= 0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(WEXITSTATUS(status), uid == 65534);
	}
	wire_close(&wire);
}

static void segment_larger_than_the_file_system_is_enomem(void **state)
{
	struct fixture *fixture = *state;
	struct wire wire = wire_open(fixture);
	struct proto_message create = {
		.type = PROTO_CREATE,
		.create = {.kind = IPC_KIND_SHM, .size = UINT64_C(1) << 42, .flags = ABI_IPC_CREAT | 0600},
	};

	assert_int_equal(wire_ask(&wire, create).reply.error, ENOMEM);
	create.create.flags |= ABI_SHM_NORESERVE;
	assert_int_equal(wire_ask(&wire, create).reply.error, 0);
	/* What was not promised keeps nobody else from getting something. */
	(void)wire_create(&wire, IPC_KIND_SHM, 4096, 0600);
	wire_close(&wire);
}

static void set_shortened_by_its_owner_does_not_end_the_daemon(void **state)
{
	struct fixture *fixture = *state;
	struct wire wire = wire_open(fixture);
	int32_t id = wire_create(&wire, IPC_KIND_SEM, 2, 0600);
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/objects/sem.%" PRId32, fixture->dir, id);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(truncate(path, 1 << 20), 0);
	assert_int_equal(wire_remove(&wire, IPC_KIND_SEM, id), 0);
	assert_false(is_in(fixture, path + strlen(fixture->dir) + 1, NULL));
	wire_close(&wire);
}

static void ledger_shortened_by_its_owner_does_not_end_the_daemon(void **state)
{
	struct fixture *fixture = *state;
	struct wire wire = wire_open(fixture);
	int32_t id = wire_create(&wire, IPC_KIND_SHM, 4096, 0600);
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/ledgers/%016" PRIx64, fixture->dir, wire.client);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(wire_attached(&wire, id), 0);
	assert_true(log_says(fixture, "its ledger was cut short"));
	assert_int_equal(wire_attached(&wire, id), 0);
	wire_close(&wire);
}

static void round_trip_is_short(void **state)
{
	struct fixture *fixture = *state;
	struct wire wire = wire_open(fixture);
	uint64_t start = clock_monotonic_ns();
	uint64_t each_ns;

	for (int i = 0; i < 2000; i++)
		(void)wire_ask(&wire, (struct proto_message){.type = PROTO_PING});
	each_ns = (clock_monotonic_ns() - start) / 2000;
	print_message("round trip: %" PRIu64 " ns\n", each_ns);
	assert_true(each_ns < 5000000);
	wire_close(&wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(start_in_empty_folder_makes_the_tree),
		T(stop_takes_back_fifo_and_pid_file_only),
		T(second_daemon_ends_with_75),
		T(namespace_of_another_version_ends_with_78_and_stays),
		T(folder_with_something_else_is_refused_and_left_alone),
		T(folder_others_may_write_is_refused),
		T(hello_gives_identity_and_ledger_and_removes_names),
		T(second_session_of_a_process_has_the_same_identity),
		T(hello_with_open_fifo_or_foreign_pid_is_refused),
		T(hello_of_another_user_s_process_is_refused),
		T(hello_of_another_version_is_told_so),
		T(garbage_on_register_does_not_keep_others_out),
		T(end_of_a_daemon_still_shows_when_the_next_one_is_there),
		T(client_that_does_not_read_is_dropped_and_others_are_served),
		T(pipelined_requests_are_all_answered_in_order),
		T(half_a_frame_and_a_bad_frame_cost_one_connection),
		T(created_objects_have_files_with_their_mode_until_removed),
		T(set_changes_the_file_and_grows_the_queue),
		T(creator_keeps_access_to_an_object_given_away),
		T(segment_larger_than_the_file_system_is_enomem),
		T(set_shortened_by_its_owner_does_not_end_the_daemon),
		T(ledger_shortened_by_its_owner_does_not_end_the_daemon),
		T(round_trip_is_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

/* test-daemon-death.c: what the daemon does when a process ends, and what is left when it ends itself. */
#include "daemon-fixture.h"

/* --- the end of processes ------------------------------------------------------------------------- */

static void take_one_with_undo(const struct fixture *fixture, int32_t id)
{
	struct abi_sembuf op = {.sem_num = 1, .sem_op = -1, .sem_flg = ABI_SEM_UNDO};
	struct wire wire = wire_open(fixture);
	struct actor actor = {.client = wire.client, .pid = (uint32_t)getpid()};
	struct semset_growth growth;
	struct semset set;
	struct wakes wakes = {0};
	int r;

	bind_set(fixture, id, &set);
	ledger_use(&wire.ledger, IPC_KIND_SEM, id);
	/* Storage comes with the first touch where nobody reserves it. */
	while (semset_growth(&set, r = semset_op(&set, &actor, &op, 1, &wakes), &growth))
		semset_grown(&set, &growth);
	assert_int_equal(r, SEMSET_DONE);
}

static void await_value(struct semset *set, uint32_t expected)
{
	uint32_t value = 0;

	for (int i = 0; i < 500; i++) {
		assert_int_equal(semset_get_value(set, 1, &value), SEMSET_DONE);
		if (value == expected)
			return;
		(void)usleep(10000);
	}
	assert_int_equal(value, expected);
}

static int32_t make_set_of_three(const struct fixture *fixture, struct wire *wire, struct semset *set)
{
	struct actor actor = {.client = wire->client, .pid = (uint32_t)getpid()};
	int32_t id = wire_create(wire, IPC_KIND_SEM, 2, 0600);
	struct wakes wakes = {0};

	bind_set(fixture, id, set);
	assert_int_equal(semset_set_value(set, &actor, 1, 3, &wakes), SEMSET_DONE);
	return id;
}

static void killed_client_s_adjustments_are_applied(void **state)
{
	struct fixture *fixture = *state;
	struct wire wire = wire_open(fixture);
	struct semset set;
	int32_t id = make_set_of_three(fixture, &wire, &set);
	pid_t child = child_begin(fixture, take_one_with_undo, id);
	struct registry_client known;

	await_value(&set, 2);
	child_end(child);
	await_value(&set, 3);
	for (int i = 0; i < 500 && registry_find_pid(&fixture->registry, (uint32_t)child, &known); i++)
		(void)usleep(10000);
	assert_false(registry_find_pid(&fixture->registry, (uint32_t)child, &known));
	wire_close(&wire);
}

static void settle_answers_when_the_dead_is_settled(void **state)
{
	struct fixture *fixture = *state;
	struct wire wire = wire_open(fixture);
	struct semset set;
	int32_t id = make_set_of_three(fixture, &wire, &set);
	uint32_t value = 0;

	for (int i = 0; i < 20; i++) {
		pid_t child = child_begin(fixture, take_one_with_undo, id);

		child_end(child);
		assert_int_equal(wire_ask(&wire, (struct proto_message){
			.type = PROTO_SETTLE, .settle = {.pid = (uint32_t)child}}).reply.error, 0);
		assert_int_equal(semset_get_value(&set, 1, &value), SEMSET_DONE);
		assert_int_equal(value, 3);
	}
	wire_close(&wire);
}

static void attach_once(const struct fixture *fixture, int32_t id)
{
	struct wire wire = wire_open(fixture);

	attach(fixture, &wire, id);
}

static void killed_client_s_attachments_end_and_a_removed_segment_goes(void **state)
{
	struct fixture *fixture = *state;
	struct wire wire = wire_open(fixture);
	int32_t id = wire_create(&wire, IPC_KIND_SHM, 4096, 0600);
	pid_t one = child_begin(fixture, attach_once, id);
	pid_t other = child_begin(fixture, attach_once, id);
	char name[64];

	(void)snprintf(name, sizeof(name), "objects/shm.%" PRId32, id);
	assert_int_equal(wire_attached(&wire, id), 2);
	child_end(one);
	wire_await_attached(&wire, id, 1);
	assert_int_equal(wire_remove(&wire, IPC_KIND_SHM, id), 0);
	assert_true(is_in(fixture, name, NULL));
	child_end(other);
	wire_await_attached(&wire, id, -1);
	assert_false(is_in(fixture, name, NULL));
	wire_close(&wire);
}

/* Attaches and forks a child that never calls anything; both stay. */
static void fork_silent(const struct fixture *fixture, int32_t id, bool notes_it)
{
	struct wire wire = wire_open(fixture);
	uint32_t row = 0;
	pid_t child;

	attach(fixture, &wire, id);
	assert_int_equal(ledger_fork_begin(&wire.ledger, &row), 0);
	child = fork();
	if (child == 0) {
		fifo_pair_close(&wire.pair);
		for (int fd = 3; fd < 64; fd++)
			(void)close(fd); /* nor does it keep anybody's pipe open */
		(void)pause();
		_exit(0);
	}
	if (notes_it)
		ledger_fork_end(&wire.ledger, row, (uint32_t)child, clock_now_ns());
	/* So that the test can find it later. */
	shared32_store((struct shared32 *)map_object(fixture, "shm", id, 4096, NULL), (uint32_t)child);
}

static void attach_and_fork(const struct fixture *fixture, int32_t id)
{
	fork_silent(fixture, id, true);
}

static void attach_and_be_inside_fork(const struct fixture *fixture, int32_t id)
{
	fork_silent(fixture, id, false);
}

static pid_t grandchild(const struct fixture *fixture, int32_t id)
{
	void *base = map_object(fixture, "shm", id, 4096, NULL);
	pid_t pid = (pid_t)shared32_load(base);

	map_close(base, 4096);
	assert_true(pid > 1);
	return pid;
}

static void silent_child_counts_also_after_its_parent_died(void **state)
{
	struct fixture *fixture = *state;
	struct wire wire = wire_open(fixture);
	int32_t id = wire_create(&wire, IPC_KIND_SHM, 4096, 0600);
	pid_t parent = child_begin(fixture, attach_and_fork, id);
	pid_t child = grandchild(fixture, id);

	/* The parent has mapped it once more to leave the pid there, but only entries count. */
	assert_int_equal(wire_attached(&wire, id), 2);
	child_end(parent);
	wire_await_attached(&wire, id, 1);
	assert_int_equal(daemon_end(fixture, SIGKILL), 128 + SIGKILL);
	wire_close(&wire);
	assert_int_equal(daemon_begin(fixture, NAMESPACE_MODE_DEFAULT), 0);
	wire = wire_open(fixture);
	assert_int_equal(wire_attached(&wire, id), 1);
	assert_int_equal(wire_remove(&wire, IPC_KIND_SHM, id), 0);
	assert_int_equal(wire_attached(&wire, id), 1);
	assert_int_equal(kill(child, SIGKILL), 0);
	wire_await_attached(&wire, id, -1);
	wire_close(&wire);
}

static void child_of_one_killed_inside_fork_counts(void **state)
{
	struct fixture *fixture = *state;
	struct wire wire = wire_open(fixture);
	int32_t id = wire_create(&wire, IPC_KIND_SHM, 4096, 0600);
	pid_t other = child_begin(fixture, attach_once, id);
	pid_t parent = child_begin(fixture, attach_and_be_inside_fork, id);
	pid_t lost = grandchild(fixture, id);
	pid_t noting = child_begin(fixture, attach_and_fork, id);
	pid_t noted = grandchild(fixture, id);

	assert_int_equal(wire_attached(&wire, id), 5);
	child_end(parent);
	/* The search for the lost child must not count the other one twice. */
	wire_await_attached(&wire, id, 4);
	assert_int_equal(wire_attached(&wire, id), 4);
	child_end(noting);
	wire_await_attached(&wire, id, 3);
	child_end(other);
	wire_await_attached(&wire, id, 2);
	assert_int_equal(kill(lost, SIGKILL), 0);
	wire_await_attached(&wire, id, 1);
	assert_int_equal(kill(noted, SIGKILL), 0);
	wire_await_attached(&wire, id, 0);
	wire_close(&wire);
}

/* Notes one attachment, as if it had inherited more; the other has none left and has noted that. */
static void note_some(const struct fixture *fixture, int32_t id)
{
	struct wire wire = wire_join(fixture);
	uint32_t entry = 0;

	assert_int_equal(ledger_attach_begin(&wire.ledger, id, 4096, clock_now_ns(), &entry), 0);
	ledger_attach_end(&wire.ledger, entry, 4096);
}

static void note_none(const struct fixture *fixture, int32_t id)
{
	(void)wire_open(fixture);
	(void)id;
}

/* Attaches, and forks one that inherits that and becomes a client. */
static void attach_and_fork_a_client(const struct fixture *fixture, int32_t id, child_work *work)
{
	struct wire wire = wire_open(fixture);
	uint32_t row = 0;
	pid_t child;

	attach(fixture, &wire, id);
	assert_int_equal(ledger_fork_begin(&wire.ledger, &row), 0);
	fifo_pair_close(&wire.pair);
	child = child_begin(fixture, work, id);
	ledger_fork_end(&wire.ledger, row, (uint32_t)child, clock_now_ns());
}

static void attach_and_fork_one_that_notes_some(const struct fixture *fixture, int32_t id)
{
	attach_and_fork_a_client(fixture, id, note_some);
}

static void attach_and_fork_one_that_notes_none(const struct fixture *fixture, int32_t id)
{
	attach_and_fork_a_client(fixture, id, note_none);
}

static void child_that_has_not_noted_everything_is_counted_once(void **state)
{
	struct fixture *fixture = *state;
	struct wire wire = wire_open(fixture);
	int32_t id = wire_create(&wire, IPC_KIND_SHM, 4096, 0600);
	pid_t parent = child_begin(fixture, attach_and_fork_one_that_notes_some, id);

	/* By its list of mappings, and not by what it has noted so far. */
	assert_int_equal(wire_attached(&wire, id), 2);
	assert_int_equal(wire_attached(&wire, id), 2);
	child_end(parent);
	wire_close(&wire);
}

static void child_that_has_nothing_is_looked_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct wire wire = wire_open(fixture), of_parent = {0};
	int32_t id = wire_create(&wire, IPC_KIND_SHM, 4096, 0600);
	pid_t parent = child_begin(fixture, attach_and_fork_one_that_notes_none, id);
	struct registry_client known;
	uint32_t pid = 0;

	assert_true(registry_find_pid(&fixture->registry, (uint32_t)parent, &known));
	of_parent.client = known.client;
	wire_map_ledger(fixture, &of_parent);
	assert_true(ledger_child_read(&of_parent.ledger, 0, &pid));
	assert_int_not_equal(pid, 0);
	/* What its list of mappings would say does not matter any more: it speaks for itself. */
	assert_int_equal(wire_attached(&wire, id), 1);
	assert_true(ledger_child_read(&of_parent.ledger, 0, &pid));
	assert_int_equal(pid, 0);
	map_close(of_parent.ledger.base, of_parent.ledger.size);
	child_end(parent);
	wire_close(&wire);
}

static void process_that_only_holds_the_lock_keeps_a_segment(void **state)
{
	struct fixture *fixture = *state;
	struct wire wire = wire_open(fixture);
	int32_t id = wire_create(&wire, IPC_KIND_SHM, 4096, 0600);
	int fd = -1;
	void *base = map_object(fixture, "shm", id, 4096, &fd);

	assert_int_equal(flock(fd, LOCK_SH), 0);
	assert_int_equal(wire_attached(&wire, id), 1);
	assert_int_equal(wire_remove(&wire, IPC_KIND_SHM, id), 0);
	assert_int_equal(wire_attached(&wire, id), 1);
	(void)close(fd);
	assert_int_equal(wire_attached(&wire, id), 1);
	map_close(base, 4096);
	wire_await_attached(&wire, id, -1);
	wire_close(&wire);
}

static void exec_ends_attachments_and_keeps_adjustments(void **state)
{
	struct fixture *fixture = *state;
	struct wire wire = wire_open(fixture);
	struct semset set;
	int32_t set_id = make_set_of_three(fixture, &wire, &set);
	int32_t id = wire_create(&wire, IPC_KIND_SHM, 4096, 0600);
	pid_t child = fork();

	if (child == 0) {
		child_prepare();
		take_one_with_undo(fixture, set_id);
		attach_once(fixture, id);
		(void)execl("/bin/sleep", "sleep", "1000", (char *)NULL);
		_exit(1);
	}
	await_value(&set, 2);
	wire_await_attached(&wire, id, 0);
	await_value(&set, 2);
	child_end(child);
	await_value(&set, 3);
	wire_close(&wire);
}

/* What this program is after an exec of itself: a client that makes itself known again. */
static int run_new_image(const char *dir)
{
	struct fixture fixture = {0};
	struct wire wire;

	(void)snprintf(fixture.dir, sizeof(fixture.dir), "%s", dir);
	bind_registry(&fixture);
	wire = wire_open(&fixture);
	(void)pause();
	wire_close(&wire);
	return 0;
}

/* held: another process keeps a connection of the old image open, so no hang-up tells of the exec. */
static void check_new_image(const struct fixture *fixture, bool held)
{
	struct wire wire = wire_open(fixture);
	struct registry_client before = {0};
	struct registry_client after = {0};
	struct semset set;
	int32_t set_id = make_set_of_three(fixture, &wire, &set);
	int32_t id = wire_create(&wire, IPC_KIND_SHM, 4096, 0600);
	pid_t child = fork();
	char name[128];
	struct stat status = {0};
	ino_t old_inode;

	if (child == 0) {
		child_prepare();
		take_one_with_undo(fixture, set_id);
		if (held && fork() == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			(void)pause();
		}
		attach_once(fixture, id);
		(void)usleep(100000);
		(void)execl("/proc/self/exe", "test-daemon-death", "--new-image", fixture->dir,
			    (char *)NULL);
		_exit(1);
	}
	wire_await_attached(&wire, id, 1);
	assert_true(registry_find_pid(&fixture->registry, (uint32_t)child, &before));
	(void)snprintf(name, sizeof(name), "%s/ledgers/%016" PRIx64, fixture->dir, before.client);
	assert_int_equal(stat(name, &status), 0);
	old_inode = status.st_ino;
	for (int i = 0; i < 500 && status.st_ino == old_inode; i++) {
		(void)usleep(10000);
		assert_int_equal(stat(name, &status), 0);
	}
	assert_true(status.st_ino != old_inode);
	assert_int_equal(wire_attached(&wire, id), 0);
	assert_true(registry_find_pid(&fixture->registry, (uint32_t)child, &after));
	assert_true(before.client == after.client);
	await_value(&set, 2);
	child_end(child);
	await_value(&set, 3);
	wire_close(&wire);
}

static void new_image_has_the_old_identity_and_adjustments_but_no_attachments(void **state)
{
	check_new_image(*state, false);
}

static void new_image_is_told_from_the_old_one_whose_connection_lives_on(void **state)
{
	check_new_image(*state, true);
}

static void exec_after_closing_everything_ends_attachments(void **state)
{
	struct fixture *fixture = *state;
	struct wire wire = wire_open(fixture);
	int32_t id = wire_create(&wire, IPC_KIND_SHM, 4096, 0600);
	pid_t child = fork();

	if (child == 0) {
		child_prepare();
		attach_once(fixture, id);
		for (int fd = 3; fd < 64; fd++)
			(void)close(fd);
		(void)usleep(100000); /* so that the daemon sees the end of the connection first */
		(void)execl("/bin/sleep", "sleep", "1000", (char *)NULL);
		_exit(1);
	}
	wire_await_attached(&wire, id, 1);
	wire_await_attached(&wire, id, 0);
	child_end(child);
	wire_close(&wire);
}

/* --- the end of the daemon ------------------------------------------------------------------------ */

static void daemon_killed_and_started_again_knows_everything(void **state)
{
	struct fixture *fixture = *state;
	struct wire wire = wire_open(fixture);
	uint64_t client = wire.client;
	struct semset set;
	int32_t set_id = make_set_of_three(fixture, &wire, &set);
	int32_t id = wire_create(&wire, IPC_KIND_SHM, 4096, 0600);
	pid_t dies = child_begin(fixture, take_one_with_undo, set_id);
	pid_t stays = child_begin(fixture, attach_once, id);

	await_value(&set, 2);
	assert_int_equal(daemon_end(fixture, SIGKILL), 128 + SIGKILL);
	child_end(dies);
	await_value(&set, 2);
	fifo_pair_close(&wire.pair);
	assert_int_equal(daemon_begin(fixture, NAMESPACE_MODE_DEFAULT), 0);
	await_value(&set, 3);
	wire = wire_open(fixture);
	assert_true(wire.client == client);
	assert_int_equal(wire_attached(&wire, id), 1);
	child_end(stays);
	wire_await_attached(&wire, id, 0);
	wire_close(&wire);
}

/* Makes, changes and removes objects until the daemon is gone; never reads a result. */
static void storm_work(struct wire *wire)
{
	struct proto_message message;

	for (uint32_t i = 0;; i++) {
		struct proto_message create = {
			.type = PROTO_CREATE,
			.create = {.kind = i % 3, .size = i % 3 == 2 ? 0 : 1 + i % 7,
				   .flags = ABI_IPC_CREAT | 0600},
		};
		struct proto_message set = {
			.type = PROTO_SET,
			.set = {.kind = i % 3, .uid = geteuid(), .gid = getegid(), .mode = 0640,
				.qbytes = geteuid() == 0 ? 16384 + i * 100 : 16384},
		};

		wire_send(wire, &create);
		if (!wire_receive(wire, 1000, &message))
			_exit(0);
		set.set.id = message.reply.id;
		wire_send(wire, &set);
		if (!wire_receive(wire, 1000, &message))
			_exit(0);
		if (i % 4 == 3)
			continue;
		wire_send(wire, &(struct proto_message){
			.type = PROTO_REMOVE, .object = {.kind = i % 3, .id = set.set.id}});
		if (!wire_receive(wire, 1000, &message))
			_exit(0);
	}
}

/* A segment whose removal was cut short, and that nobody has, goes with the next daemon's first sweep. */
static bool is_going(const struct fixture *fixture, uint32_t index)
{
	struct registry_object object;

	for (int tries = 0; tries < 1000; tries++) {
		if (registry_get_any(&fixture->registry, IPC_KIND_SHM, index, &object) != 0)
			return true;
		if (object.state != REGISTRY_DEST)
			return false;
		(void)usleep(10000);
	}
	fail_msg("a removed segment stays");
	return false;
}

/* Every object has its file, with its mode. */
static uint32_t check_objects(const struct fixture *fixture)
{
	static const char *const names[] = {"shm", "sem", "msg"};
	struct registry_object object;
	uint32_t n = 0;
	mode_t mode = 0;
	char name[64];

	assert_true(registry_verify(&fixture->registry));
	for (uint32_t kind = 0; kind < IPC_KIND_COUNT; kind++) {
		for (uint32_t i = 0; i < OBJECT_MAX; i++) {
			if (registry_get_any(&fixture->registry, (enum ipc_kind)kind, i, &object) != 0)
				continue;
			if (kind == IPC_KIND_SHM && is_going(fixture, i))
				continue;
			n++;
			assert_int_equal(object.state, REGISTRY_LIVE);
			(void)snprintf(name, sizeof(name), "objects/%s.%" PRId32, names[kind], object.id);
			assert_true(is_in(fixture, name, &mode));
			assert_int_equal(mode & 0666, object.owner.mode);
		}
	}
	return n;
}

static void daemon_killed_at_any_moment_leaves_registry_and_files_in_step(void **state)
{
	struct fixture *fixture = *state;
	unsigned int seed = (unsigned int)getpid();
	char command[128];
	uint32_t n = 0;

	print_message("seed: %u\n", seed);
	for (int round = 0; round < 40; round++) {
		struct wire wire = wire_open(fixture);
		pid_t child = fork();

		if (child == 0) {
			child_prepare();
			storm_work(&wire);
		}
		wire_close(&wire);
		(void)usleep(3000 + (useconds_t)(rand_r(&seed) % 6000));
		assert_int_equal(daemon_end(fixture, SIGKILL), 128 + SIGKILL);
		child_end(child);
		assert_int_equal(daemon_begin(fixture, NAMESPACE_MODE_DEFAULT), 0);
		n = check_objects(fixture);
		(void)snprintf(command, sizeof(command), "test $(ls %s/objects | wc -l) = %u",
			       fixture->dir, n);
		assert_int_equal(system(command), 0);
	}
	print_message("objects at the end: %u\n", n);
	assert_true(n > 0);
}

/* As a daemon leaves it that is killed in a removal, before it has touched the file. */
static void begin_removal(const struct fixture *fixture, int32_t id)
{
	struct registry_object object = {0};
	struct registry registry;
	void *base = NULL;
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/registry", fixture->dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(map_file(fd, registry_size(), true, &base), 0);
	(void)close(fd);
	assert_int_equal(registry_bind(&registry, base, registry_size()), 0);
	assert_int_equal(registry_get(&registry, IPC_KIND_SEM, id, &object), 0);
	object.state = REGISTRY_CLOSING;
	registry_put(&registry, IPC_KIND_SEM, &object);
	map_close(base, registry_size());
}

static void removal_cut_short_is_told_to_those_who_have_the_set(void **state)
{
	struct fixture *fixture = *state;
	struct wire wire = wire_open(fixture);
	struct abi_sembuf op = {.sem_num = 1, .sem_op = -1};
	struct actor actor = {.client = wire.client, .pid = (uint32_t)getpid()};
	struct wakes wakes = {0};
	struct semset set;
	int32_t id = make_set_of_three(fixture, &wire, &set);

	ledger_use(&wire.ledger, IPC_KIND_SEM, id);
	assert_int_equal(daemon_end(fixture, SIGKILL), 128 + SIGKILL);
	begin_removal(fixture, id);
	assert_int_equal(daemon_begin(fixture, NAMESPACE_MODE_DEFAULT), 0);
	assert_int_equal(semset_op(&set, &actor, &op, 1, &wakes), SEMSET_E_REMOVED);
	wire_close(&wire);
}

static void files_without_object_and_objects_without_file_go_at_start(void **state)
{
	struct fixture *fixture = *state;
	struct wire wire = wire_open(fixture);
	int32_t id = wire_create(&wire, IPC_KIND_SHM, 4096, 0600);
	struct registry_object object;
	char path[256];

	assert_int_equal(daemon_end(fixture, SIGKILL), 128 + SIGKILL);
	(void)snprintf(path, sizeof(path), "%s/objects/shm.%" PRId32, fixture->dir, id);
	assert_int_equal(unlink(path), 0);
	(void)snprintf(path, sizeof(path), "%s/objects/sem.77", fixture->dir);
	(void)close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	(void)snprintf(path, sizeof(path), "%s/ledgers/00000000deadbeef", fixture->dir);
	(void)close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(daemon_begin(fixture, NAMESPACE_MODE_DEFAULT), 0);
	assert_false(is_in(fixture, "objects/sem.77", NULL));
	assert_false(is_in(fixture, "ledgers/00000000deadbeef", NULL));
	assert_int_equal(registry_get(&fixture->registry, IPC_KIND_SHM, id, &object),
			 REGISTRY_E_ABSENT);
	wire_close(&wire);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(killed_client_s_adjustments_are_applied),
		T(settle_answers_when_the_dead_is_settled),
		T(killed_client_s_attachments_end_and_a_removed_segment_goes),
		T(silent_child_counts_also_after_its_parent_died),
		T(child_of_one_killed_inside_fork_counts),
		T(child_that_has_not_noted_everything_is_counted_once),
		T(child_that_has_nothing_is_looked_at_once),
		T(process_that_only_holds_the_lock_keeps_a_segment),
		T(exec_ends_attachments_and_keeps_adjustments),
		T(new_image_has_the_old_identity_and_adjustments_but_no_attachments),
		T(new_image_is_told_from_the_old_one_whose_connection_lives_on),
		T(exec_after_closing_everything_ends_attachments),
		T(daemon_killed_and_started_again_knows_everything),
		T(daemon_killed_at_any_moment_leaves_registry_and_files_in_step),
		T(removal_cut_short_is_told_to_those_who_have_the_set),
		T(files_without_object_and_objects_without_file_go_at_start),
	};

	if (argc == 3 && strcmp(argv[1], "--new-image") == 0)
		return run_new_image(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

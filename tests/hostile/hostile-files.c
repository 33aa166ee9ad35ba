/*
 * hostile-files.c: attacks by way of files that their owners may do anything to: objects and ledgers,
 * cut, lengthened, scribbled over and exchanged, while the daemon and others have them mapped.
 *
 * What is promised of a cut file: the daemon and everybody who does not use that object go on as if
 * nothing had happened; who has it mapped gets SIGBUS when he touches what is no longer there, as with
 * any mapped file.  Whoever may write the object can do that to him.
 */
#include "hostile.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "sys/clock.h"
#include "sys/map.h"

#define PAGE 4096

static const char *const kind_names[IPC_KIND_COUNT] = {"shm", "sem", "msg"};
static const uint64_t kind_sizes[IPC_KIND_COUNT] = {4 * PAGE, 3, 0};

/* --- with the library -------------------------------------------------------------------------- */

/* One process that uses an object of each kind until something ends it. */
static int client_use(long id, const char *what)
{
	struct sembuf ops[] = {{0, 1, SEM_UNDO}, {1, 1, SEM_UNDO}};
	struct {
		long type;
		char text[300];
	} message = {1, ""};
	volatile char *at = strcmp(what, "use-shm") == 0 ? shmat((int)id, NULL, 0) : NULL;

	for (uint64_t i = 0;; i++) {
		if (at && at != (void *)-1)
			at[i * 64 % (4 * PAGE)] = 1;
		if (strcmp(what, "use-sem") == 0) {
			(void)semop((int)id, ops, 2);
			ops[0].sem_op = ops[1].sem_op = (short)-ops[0].sem_op;
		}
		if (strcmp(what, "use-msg") == 0 && msgsnd((int)id, &message, 300, IPC_NOWAIT) == 0)
			(void)msgrcv((int)id, &message, 300, 0, IPC_NOWAIT);
		if (i == 10)
			(void)kill(getppid(), SIGUSR1);
	}
	return 0;
}

/* Holds something in a set that the daemon has to give back when it dies. */
static int client_owe(long id)
{
	struct sembuf op = {0, 3, SEM_UNDO};

	if (semop((int)id, &op, 1) < 0)
		return 1;
	(void)kill(getppid(), SIGUSR1);
	(void)pause();
	return 0;
}

int client_main(const char *what, long argument)
{
	return strcmp(what, "owe") == 0 ? client_owe(argument) : client_use(argument, what);
}

/* --- helpers ----------------------------------------------------------------------------------- */

/* A process with the library that has got so far as to use the object; -1 if it did not. */
static pid_t user_begin(const char *what, int32_t id)
{
	struct timespec patience = {.tv_sec = PATIENCE_MS / 1000};
	sigset_t signals;
	pid_t child;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	child = library_begin(UID_ATTACKER, what, id);
	expect(sigtimedwait(&signals, NULL, &patience) == SIGUSR1);
	return child;
}

static void user_end(pid_t child)
{
	(void)kill(child, SIGKILL);
	(void)child_signal(child);
}

static void scribble(int fd, uint64_t size, uint32_t n)
{
	uint64_t word;

	for (uint32_t i = 0; i < n; i++) {
		word = (uint64_t)random_below(UINT32_MAX) << random_below(33);
		if (random_below(4) == 0)
			word = 0;
		/* The beginning is where everything important is. */
		(void)pwrite(fd, &word, 1 + random_below(8),
			     (off_t)random_below(random_below(2) ? 4096 : (uint32_t)size));
	}
}

/* --- objects ----------------------------------------------------------------------------------- */

/* All that the daemon does with an object's file. */
static void ask_about(struct wire *wire, enum ipc_kind kind, int32_t id)
{
	if (kind == IPC_KIND_SHM)
		expect(wire_attached(wire, id) != -EPIPE);
	expect(wire_set(wire, kind, id, ns_is_shared ? UID_ATTACKER : geteuid(),
			ns_is_shared ? UID_ATTACKER : getegid(), 0600) >= 0);
}

/* Any answer will do, but an answer; and the object can be removed. */
static void mangled_child(long how)
{
	static const off_t sizes[] = {0, 1, 64, 4095, 4096, 8192, 65536, 1 << 20, 1ll << 40};
	struct wire wire;
	int32_t id;
	int fd;

	if (!expect_is(0, wire_open(&wire)))
		return;
	for (uint32_t k = 0; k < IPC_KIND_COUNT; k++) {
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			id = wire_create(&wire, (enum ipc_kind)k, ABI_IPC_PRIVATE, kind_sizes[k], 0600);
			if (!expect(id >= 0))
				return;
			fd = ns_open(ns_object(kind_names[k], id), O_RDWR);
			if (how == 0)
				expect_is(0, ftruncate(fd, sizes[i]));
			else
				scribble(fd, PAGE * 16, 200);
			ask_about(&wire, (enum ipc_kind)k, id);
			(void)close(fd);
			expect_is(0, wire_remove(&wire, (enum ipc_kind)k, id));
		}
	}
}

static void cut_and_lengthened_objects(void)
{
	(void)in_child(UID_ATTACKER, mangled_child, 0);
}

static void scribbled_objects(void)
{
	for (int i = 0; i < (is_long ? 100 : 3); i++)
		(void)in_child(UID_ATTACKER, mangled_child, 1);
}

/* argument: 0 cut, 1 scribbled over, when the daemon has to give back what a dead process held. */
static void owed_child(long how)
{
	struct wire wire;
	int32_t id;
	pid_t user;
	int fd;

	if (!expect_is(0, wire_open(&wire)))
		return;
	for (int i = 0; i < (is_long ? 100 : 5); i++) {
		id = wire_create(&wire, IPC_KIND_SEM, ABI_IPC_PRIVATE, 3, 0600);
		if (!expect(id >= 0))
			return;
		user = user_begin("owe", id);
		fd = ns_open(ns_object("sem", id), O_RDWR);
		if (how == 0)
			(void)ftruncate(fd, i % 2 ? 0 : PAGE);
		else
			scribble(fd, PAGE * 64, 500);
		(void)close(fd);
		user_end(user);
		expect_is(0, wire_ask(&wire, (struct proto_message){
			.type = PROTO_SETTLE, .settle = {.pid = (uint32_t)user}}, NULL));
		expect_is(0, wire_remove(&wire, IPC_KIND_SEM, id));
	}
}

static void sets_of_the_dead_cut(void)
{
	(void)in_child(UID_ATTACKER, owed_child, 0);
}

static void sets_of_the_dead_scribbled(void)
{
	(void)in_child(UID_ATTACKER, owed_child, 1);
}

/* Cut and lengthened all the time, so that it happens while the daemon has it mapped. */
static void cutter_child(long id)
{
	int fd = ns_open(ns_object("sem", (int32_t)id), O_RDWR);
	struct stat status;

	if (!expect_is(0, fstat(fd, &status)))
		return;
	for (;;) {
		(void)ftruncate(fd, 0);
		(void)ftruncate(fd, status.st_size);
	}
}

static void race_child(long n_times)
{
	struct wire wire;

	if (!expect_is(0, wire_open(&wire)))
		return;
	for (long i = 0; i < n_times; i++) {
		int32_t id = wire_create(&wire, IPC_KIND_SEM, ABI_IPC_PRIVATE, 3000, 0600);
		pid_t cutter;

		if (!expect(id >= 0))
			return;
		cutter = child_begin(UID_ATTACKER, cutter_child, id);
		for (int k = 0; k < 20; k++)
			ask_about(&wire, IPC_KIND_SEM, id);
		expect_is(0, wire_remove(&wire, IPC_KIND_SEM, id));
		(void)kill(cutter, SIGKILL);
		(void)child_signal(cutter);
	}
}

static void sets_cut_under_the_daemon(void)
{
	(void)in_child(UID_ATTACKER, race_child, is_long ? 300 : 20);
}

static void users_child(long argument)
{
	char what[16];
	struct wire wire;
	int32_t id;
	pid_t user;

	(void)argument;
	if (!expect_is(0, wire_open(&wire)))
		return;
	for (uint32_t k = 0; k < IPC_KIND_COUNT; k++) {
		id = wire_create(&wire, (enum ipc_kind)k, ABI_IPC_PRIVATE, kind_sizes[k], 0600);
		(void)snprintf(what, sizeof(what), "use-%s", kind_names[k]);
		user = user_begin(what, id);
		expect_is(0, truncate(ns_name(ns_object(kind_names[k], id)), 0));
		/* As said: whoever has it mapped. */
		expect_is(SIGBUS, child_signal(user));
		expect_is(0, wire_remove(&wire, (enum ipc_kind)k, id));
	}
}

static void objects_cut_under_their_users(void)
{
	(void)in_child(UID_ATTACKER, users_child, 0);
}

/* Scribbling does not crash a user, nor does it hang him for good: he can be told to go. */
static void scribbled_users_child(long argument)
{
	static const char *const whats[] = {"use-sem", "use-msg"};
	static const enum ipc_kind kinds[] = {IPC_KIND_SEM, IPC_KIND_MSG};
	struct wire wire;
	int32_t id;
	pid_t user;
	int fd;

	(void)argument;
	if (!expect_is(0, wire_open(&wire)))
		return;
	for (int i = 0; i < (is_long ? 60 : 6); i++) {
		id = wire_create(&wire, kinds[i % 2], ABI_IPC_PRIVATE, kind_sizes[kinds[i % 2]], 0600);
		user = user_begin(whats[i % 2], id);
		fd = ns_open(ns_object(kind_names[kinds[i % 2]], id), O_RDWR);
		for (int k = 0; k < 50; k++) {
			scribble(fd, PAGE * 64, 20);
			nap_ms(1);
		}
		(void)close(fd);
		(void)kill(user, SIGTERM);
		expect_is(SIGTERM, child_signal(user));
		expect_is(0, wire_remove(&wire, kinds[i % 2], id));
	}
}

static void objects_scribbled_under_their_users(void)
{
	(void)in_child(UID_ATTACKER, scribbled_users_child, 0);
}

/* In a folder of his own a user can do this; the daemon follows nothing and waits for nobody. */
static void replaced_child(long argument)
{
	char target[PATH_MAX], name[PATH_MAX];
	struct stat status;
	struct wire wire;
	int32_t id;
	int fd;

	(void)argument;
	(void)snprintf(target, sizeof(target), "%s", ns_name("clients/target"));
	fd = open(target, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	expect(write(fd, target, sizeof(target)) == sizeof(target) && fchmod(fd, 0640) == 0);
	(void)close(fd);
	if (!expect_is(0, wire_open(&wire)))
		return;
	for (uint32_t k = 0; k < 5 * IPC_KIND_COUNT; k++) {
		enum ipc_kind kind = (enum ipc_kind)(k % IPC_KIND_COUNT);

		id = wire_create(&wire, kind, ABI_IPC_PRIVATE, kind_sizes[kind], 0600);
		(void)snprintf(name, sizeof(name), "%s", ns_name(ns_object(kind_names[kind], id)));
		expect_is(0, unlink(name));
		if (k / IPC_KIND_COUNT == 1)
			expect_is(0, symlink(target, name));
		if (k / IPC_KIND_COUNT == 2)
			expect_is(0, mkfifo(name, 0600));
		if (k / IPC_KIND_COUNT == 3)
			expect_is(0, mkdir(name, 0700));
		if (k / IPC_KIND_COUNT == 4)
			expect_is(0, symlink("/dev/zero", name));
		ask_about(&wire, kind, id);
		expect_is(0, wire_remove(&wire, kind, id));
		(void)remove(name);
	}
	expect(stat(target, &status) == 0 && status.st_size == sizeof(target) &&
	       (status.st_mode & 0777) == 0640);
	(void)unlink(target);
}

static void objects_replaced_by_other_files(void)
{
	(void)in_child(UID_ATTACKER, replaced_child, 0);
}

/* --- ledgers ----------------------------------------------------------------------------------- */

/* A client whose ledger says whatever it says, dead before the daemon looks, or not. */
static void ledger_child(long how)
{
	struct wire wire;
	char name[64];
	int32_t id;
	int fd;

	if (!expect_is(0, wire_open(&wire)) || !expect(wire_map_ledger(&wire)))
		return;
	id = wire_create(&wire, IPC_KIND_SHM, ABI_IPC_PRIVATE, PAGE, 0600);
	(void)snprintf(name, sizeof(name), "ledgers/%016" PRIx64, wire.client);
	fd = ns_open(name, O_RDWR);
	expect(fd >= 0);
	if (how % 4 == 0)
		expect_is(0, ftruncate(fd, how % 8 ? 0 : PAGE));
	else if (how % 4 == 1)
		expect_is(0, ftruncate(fd, 1ll << 40));
	else
		scribble(fd, (uint32_t)ledger_size(), 3000);
	(void)close(fd);
	expect(wire_attached(&wire, id) >= 0);
	expect_is(0, wire_remove(&wire, IPC_KIND_SHM, id));
	if (how % 3 == 0)
		(void)kill(getpid(), SIGKILL);
}

static void ledgers_mangled(void)
{
	for (long how = 0; how < (is_long ? 600 : 36); how++) {
		pid_t child = child_begin(UID_ATTACKER, ledger_child, how);

		if (how % 3 == 0)
			expect_is(SIGKILL, child_signal(child));
		else
			(void)child_end(child);
	}
}

/* Each process of the machine is its child, it says. */
static void children_child(long argument)
{
	struct wire wire;
	uint32_t row = 0;
	int32_t id;

	(void)argument;
	if (!expect_is(0, wire_open(&wire)) || !expect(wire_map_ledger(&wire)))
		return;
	for (uint32_t pid = 1; pid < 8000; pid++) {
		if (ledger_fork_begin(&wire.ledger, &row) != 0)
			break;
		ledger_fork_end(&wire.ledger, row, pid, clock_now_ns());
	}
	id = wire_create(&wire, IPC_KIND_SHM, ABI_IPC_PRIVATE, PAGE, 0600);
	for (int i = 0; i < 20; i++)
		expect_is(0, wire_attached(&wire, id));
	expect_is(0, wire_remove(&wire, IPC_KIND_SHM, id));
}

static void children_that_are_none(void)
{
	(void)in_child(UID_ATTACKER, children_child, 0);
}

/* --- long lists of mappings -------------------------------------------------------------------- */

/* Pages that cannot be one mapping: as many as a process may have. */
static void mappings_make(void)
{
	uint8_t *at = mmap(NULL, 70000ull * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	for (uint64_t i = 0; at != MAP_FAILED && i < 70000; i += 2)
		if (mprotect(at + i * PAGE, PAGE, PROT_READ) < 0)
			break;
}

/*
 * A segment whose count wants the mappings of one process, which are many, two thousand times; and
 * one of which nobody says that he has it, which is searched for among all processes.
 */
static void mappings_child(long is_unsaid)
{
	struct wire wire;
	uint32_t row = 0;
	int32_t id;
	int fd;

	mappings_make();
	if (!expect_is(0, wire_open(&wire)) || !expect(wire_map_ledger(&wire)))
		return;
	for (uint32_t i = 0; !is_unsaid && i < 4000; i++) {
		if (ledger_fork_begin(&wire.ledger, &row) != 0)
			break;
		ledger_fork_end(&wire.ledger, row, (uint32_t)getpid() - i % 2, clock_now_ns());
	}
	id = wire_create(&wire, IPC_KIND_SHM, ABI_IPC_PRIVATE, PAGE, 0600);
	fd = ns_open(ns_object("shm", id), O_RDWR);
	expect_is(0, flock(fd, LOCK_SH));
	for (int i = 0; i < (is_long ? 50 : 10); i++)
		expect(wire_attached(&wire, id) >= 0);
	(void)close(fd);
	expect_is(0, wire_remove(&wire, IPC_KIND_SHM, id));
}

static void long_lists_of_mappings(void)
{
	(void)in_child(UID_ATTACKER, mappings_child, 0);
	(void)in_child(UID_ATTACKER, mappings_child, 1);
}

static const struct attack attacks[] = {
	{"objects cut and lengthened", cut_and_lengthened_objects, WITH_ANY, 0, false},
	{"objects scribbled over", scribbled_objects, WITH_ANY, 0, false},
	{"sets cut that a dead process owes to", sets_of_the_dead_cut, WITH_ANY, 0, false},
	{"sets scribbled over that a dead process owes to", sets_of_the_dead_scribbled, WITH_ANY, 0, false},
	{"sets cut under the daemon's hands", sets_cut_under_the_daemon, WITH_ANY, 0, false},
	{"objects cut under their users", objects_cut_under_their_users, WITH_ANY, 0, false},
	{"objects scribbled over under their users", objects_scribbled_under_their_users, WITH_ANY, 0, false},
	{"objects replaced by other files", objects_replaced_by_other_files, WITH_ONE, 0, false},
	{"ledgers cut, lengthened and scribbled over", ledgers_mangled, WITH_ANY, 0, false},
	{"children that are none", children_that_are_none, WITH_ANY, 0, false},
	{"long lists of mappings", long_lists_of_mappings, WITH_ANY, 0, false},
};

int main(int argc, char **argv)
{
	return attacks_main(argc, argv, attacks, ARRAY_SIZE(attacks));
}

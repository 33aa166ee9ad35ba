/* hostile-rights.c: what somebody who may not, tries all the same, past the library. */
#include "hostile.h"

#include <signal.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "sys/clock.h"

#define SEGMENT_SIZE 8192

static const char *const kind_names[IPC_KIND_COUNT] = {"shm", "sem", "msg"};

/* Objects of the third user, which the attacker is after; made anew for each attack. */
static int32_t victim_ids[IPC_KIND_COUNT];

static uint64_t size_of(enum ipc_kind kind)
{
	return kind == IPC_KIND_SHM ? SEGMENT_SIZE : kind == IPC_KIND_SEM ? 2 : 0;
}

/* --- with the library -------------------------------------------------------------------------- */

/* Attached, and then there until it is killed. */
static int client_hold(long id)
{
	char *at = shmat((int)id, NULL, 0);

	if (at == (void *)-1)
		return 1;
	at[0] = 'x';
	(void)kill(getpid(), SIGSTOP);
	return 0;
}

/* Attached by right, which it then gives up; its child becomes a client without that right. */
static int client_dropped(long id)
{
	if (shmat((int)id, NULL, 0) == (void *)-1 ||
	    setresgid(UID_ATTACKER, UID_ATTACKER, UID_ATTACKER) < 0 ||
	    setresuid(UID_ATTACKER, UID_ATTACKER, UID_ATTACKER) < 0)
		return 1;
	if (fork() == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)semctl(semget(IPC_PRIVATE, 1, 0600), 0, IPC_RMID);
		(void)pause();
	}
	nap_ms(200); /* the child's turn; the count is right whether it was long enough or not */
	(void)kill(getpid(), SIGSTOP);
	return 0;
}

int client_main(const char *what, long argument)
{
	if (strcmp(what, "dropped") == 0)
		return client_dropped(argument);
	if (strcmp(what, "hold") == 0)
		return client_hold(argument);
	return 125;
}

/* --- a victim ---------------------------------------------------------------------------------- */

static int victim_pipe[2];
static int victim_mode;

static void victim_child(long argument)
{
	int32_t ids[IPC_KIND_COUNT];
	struct wire wire;

	if (!expect_is(0, wire_open(&wire)))
		return;
	for (uint32_t kind = 0; kind < IPC_KIND_COUNT; kind++) {
		ids[kind] = wire_create(&wire, (enum ipc_kind)kind, (int32_t)argument, size_of(kind),
					(uint32_t)victim_mode);
		expect(ids[kind] >= 0);
	}
	expect(write(victim_pipe[1], ids, sizeof(ids)) == sizeof(ids));
}

/* His objects with that mode; false if he could not make them. */
static bool victim_make(uint32_t uid, int mode)
{
	bool is_made;

	victim_mode = mode;
	if (pipe2(victim_pipe, O_CLOEXEC) < 0)
		give_up("pipe");
	is_made = in_child(uid, victim_child, ABI_IPC_PRIVATE) &&
		  read(victim_pipe[0], victim_ids, sizeof(victim_ids)) == sizeof(victim_ids);
	(void)close(victim_pipe[0]);
	(void)close(victim_pipe[1]);
	return is_made;
}

/* argument: what each removal says. */
static void remove_child(long argument)
{
	struct wire wire;

	if (!expect_is(0, wire_open(&wire)))
		return;
	for (uint32_t kind = 0; kind < IPC_KIND_COUNT; kind++)
		expect_is(argument, wire_remove(&wire, (enum ipc_kind)kind, victim_ids[kind]));
}

/* --- IPC_RMID, IPC_SET, limits ----------------------------------------------------------------- */

static void control_child(long wanted)
{
	struct wire wire;

	if (!expect_is(0, wire_open(&wire)))
		return;
	for (uint32_t k = 0; k < IPC_KIND_COUNT; k++) {
		enum ipc_kind kind = (enum ipc_kind)k;
		uint32_t mode = wanted == 0 ? 0600 : 0777;

		expect_is(wanted, wire_set(&wire, kind, victim_ids[k], UID_THIRD, UID_THIRD, mode));
		if (wanted != 0)
			expect_is(wanted, wire_remove(&wire, kind, victim_ids[k]));
	}
	expect_is(wanted, wire_ask(&wire, (struct proto_message){
		.type = PROTO_SHM_LOCK,
		.object = {.kind = IPC_KIND_SHM, .id = victim_ids[IPC_KIND_SHM], .argument = 1},
	}, NULL));
}

static void limits_child(long wanted)
{
	struct registry_limits limits;
	struct wire wire;

	registry_read_limits(&ns_registry, &limits);
	if (expect_is(0, wire_open(&wire)))
		expect_is(wanted, wire_ask(&wire, (struct proto_message){
			.type = PROTO_LIMITS, .limits = limits}, NULL));
}

/* Also with every right to the content (0666): control is the owner's, the creator's and root's. */
static void control_by_a_stranger(void)
{
	static const int modes[] = {0600, 0666, 0777};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (!victim_make(UID_THIRD, modes[i]))
			return;
		(void)in_child(UID_ATTACKER, control_child, EPERM);
		(void)in_child(UID_THIRD, control_child, 0);
		(void)in_child(0, control_child, 0);
		(void)in_child(UID_THIRD, remove_child, 0);
	}
	(void)in_child(UID_ATTACKER, limits_child, EPERM);
	(void)in_child(0, limits_child, 0);
}

/* --- calls in one's stead ----------------------------------------------------------------------- */

/* A file of the attacker's with two bytes in it, with this mode. */
static void stead_file(const char *name, mode_t mode)
{
	char path[PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof(path), "clients/%.30s", name);
	fd = open(ns_name(path), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	expect(fd >= 0 && write(fd, "xy", 2) == 2 && fchmod(fd, mode) == 0);
	(void)close(fd);
}

static int stead_send(struct wire *wire, const char *name, uint64_t size)
{
	static uint32_t number;
	struct proto_message message = {
		.type = PROTO_STEAD,
		.stead = {.kind = IPC_KIND_MSG, .id = victim_ids[IPC_KIND_MSG], .what = PROTO_STEAD_SEND,
			  .number = ++number, .type = 1, .size = size},
	};

	(void)strncpy(message.stead.name, name, PROTO_NAME_SIZE - 1);
	return wire_ask(wire, message, NULL);
}

static void stead_foreign_child(long argument)
{
	(void)argument;
	stead_file("foreign", 0600);
}

/* argument: whether he may send to the victim's queue at all. */
static void stead_child(long may_send)
{
	struct wire wire;

	if (!expect_is(0, wire_open(&wire)))
		return;
	stead_file("own", 0600);
	expect_is(may_send ? 0 : EACCES, stead_send(&wire, "own", 2));
	if (may_send) {
		stead_file("open", 0622);
		expect(link(ns_name("clients/own"), ns_name("clients/linked")) == 0);
		expect(symlink("own", ns_name("clients/symbolic")) == 0);
		expect(mkfifo(ns_name("clients/fifo"), 0600) == 0);
		expect(mkdir(ns_name("clients/folder"), 0700) == 0);
		expect_is(EINVAL, stead_send(&wire, "own", 2));
		expect(unlink(ns_name("clients/linked")) == 0);
		expect_is(0, stead_send(&wire, "own", 2));
		expect_is(EINVAL, stead_send(&wire, "own", 3));
		expect_is(EINVAL, stead_send(&wire, "own", 1u << 30));
		expect_is(EINVAL, stead_send(&wire, "", 2));
		expect_is(0, stead_send(&wire, "", 0));
		expect_is(EINVAL, stead_send(&wire, "open", 2));
		expect_is(EINVAL, stead_send(&wire, "symbolic", 2));
		expect_is(EINVAL, stead_send(&wire, "fifo", 2));
		expect_is(EINVAL, stead_send(&wire, "folder", 2));
		expect_is(EINVAL, stead_send(&wire, "..", 2));
		expect_is(EINVAL, stead_send(&wire, "nothing", 2));
		if (ns_is_shared)
			expect_is(EINVAL, stead_send(&wire, "foreign", 2));
		(void)unlink(ns_name("clients/open"));
		(void)unlink(ns_name("clients/symbolic"));
		(void)unlink(ns_name("clients/fifo"));
		(void)rmdir(ns_name("clients/folder"));
	}
	(void)unlink(ns_name("clients/own"));
	wire_close(&wire);
}

static void calls_in_ones_stead(void)
{
	static const int modes[] = {0600, 0604, 0602, 0666};

	(void)in_child(UID_THIRD, stead_foreign_child, 0);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (!victim_make(UID_THIRD, modes[i]))
			continue;
		(void)in_child(UID_ATTACKER, stead_child, !ns_is_shared || (modes[i] & 2));
		(void)in_child(UID_THIRD, remove_child, 0);
	}
	(void)unlink(ns_name("clients/foreign"));
}

/* --- files ------------------------------------------------------------------------------------- */

static uint64_t victim_client;

static void ledger_child(long argument)
{
	struct wire wire;

	(void)argument;
	if (expect_is(0, wire_open(&wire)) &&
	    expect(write(victim_pipe[1], &wire.client, sizeof(wire.client)) == sizeof(wire.client)))
		(void)kill(getpid(), SIGSTOP);
}

static void files_child(long argument)
{
	static const char *const closed[] = {"registry", "usysvd.pid", "objects", "ledgers", "clients", "."};
	static const char *const folders[] = {"objects/x", "ledgers/x", "x"};
	char ledger[64];

	for (uint32_t kind = 0; kind < IPC_KIND_COUNT; kind++) {
		const char *name = ns_object(kind_names[kind], victim_ids[kind]);

		expect(ns_open(name, O_RDWR) < 0 && errno == EACCES);
		expect(ns_open(name, O_WRONLY) < 0 && errno == EACCES);
		expect((ns_open(name, O_RDONLY) >= 0) == (argument != 0)); /* what the mode says */
		expect(chmod(ns_name(name), 0666) < 0 && errno == EPERM);
		expect(truncate(ns_name(name), 0) < 0 && errno == EACCES);
		expect(unlink(ns_name(name)) < 0 && errno == EACCES);
		expect(rename(ns_name(name), ns_name("clients/stolen")) < 0 && errno == EACCES);
	}
	for (size_t i = 0; i < ARRAY_SIZE(closed); i++)
		expect(ns_open(closed[i], O_RDWR) < 0);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		expect(ns_open(folders[i], O_RDWR | O_CREAT) < 0);
	expect(ns_open("register", O_RDONLY) < 0); /* what others say there is not his business */
	expect(ns_open("clients", O_RDONLY | O_DIRECTORY) < 0); /* nor their names */
	expect(ns_open("objects", O_RDONLY | O_DIRECTORY) < 0);
	(void)snprintf(ledger, sizeof(ledger), "ledgers/%016" PRIx64, victim_client);
	expect(ns_open(ledger, O_RDONLY) < 0 && errno == EACCES);
	expect(unlink(ns_name("register")) < 0 && errno == EACCES);
	expect(unlink(ns_name("registry")) < 0 && errno == EACCES);
}

static void files_of_others(void)
{
	pid_t victim;

	if (pipe2(victim_pipe, O_CLOEXEC) < 0)
		give_up("pipe");
	victim = child_begin(UID_THIRD, ledger_child, 0);
	expect(read(victim_pipe[0], &victim_client, sizeof(victim_client)) == sizeof(victim_client));
	for (int is_readable = 0; is_readable <= 1; is_readable++) {
		if (victim_make(UID_THIRD, is_readable ? 0644 : 0600)) {
			(void)in_child(UID_ATTACKER, files_child, is_readable);
			(void)in_child(UID_THIRD, remove_child, 0);
		}
	}
	(void)kill(victim, SIGKILL);
	(void)child_signal(victim);
}

/* --- counts ------------------------------------------------------------------------------------ */

/* Says in its ledger that it has the victim's segment attached, a hundred times, and stays. */
static void liar_child(long argument)
{
	struct wire wire;
	uint32_t entry = 0;

	(void)argument;
	if (!expect_is(0, wire_open(&wire)) || !expect(wire_map_ledger(&wire)))
		return;
	for (int i = 0; i < 100; i++) {
		expect_is(0, ledger_attach_begin(&wire.ledger, victim_ids[IPC_KIND_SHM], SEGMENT_SIZE,
						 clock_now_ns(), &entry));
		if (i % 2 == 0)
			ledger_attach_end(&wire.ledger, entry, 0x10000000u + (uint64_t)i * SEGMENT_SIZE);
	}
	(void)kill(getpid(), SIGSTOP);
}

static void count_child(long wanted)
{
	struct wire wire;

	if (expect_is(0, wire_open(&wire)))
		expect_is(wanted, wire_attached(&wire, victim_ids[IPC_KIND_SHM]));
}

static void await_count_child(long wanted)
{
	struct wire wire;

	if (!expect_is(0, wire_open(&wire)))
		return;
	for (int ms = 0; ms < PATIENCE_MS; ms += 10) {
		if (wire_attached(&wire, victim_ids[IPC_KIND_SHM]) == wanted)
			return;
		nap_ms(10);
	}
	expect_is(wanted, wire_attached(&wire, victim_ids[IPC_KIND_SHM]));
}

static void await_count(long wanted)
{
	(void)in_child(UID_THIRD, await_count_child, wanted);
}

/* Who may not attach a segment is not counted there, and cannot keep it from going away. */
static void attachments_that_are_none(void)
{
	pid_t liar, holder;

	if (!victim_make(UID_THIRD, 0600))
		return;
	liar = child_begin(UID_ATTACKER, liar_child, 0);
	await_stopped(liar);
	(void)in_child(UID_THIRD, count_child, 0);
	holder = library_begin(UID_THIRD, "hold", victim_ids[IPC_KIND_SHM]);
	await_stopped(holder);
	(void)in_child(UID_THIRD, count_child, 1);
	(void)kill(holder, SIGKILL);
	(void)child_signal(holder);
	holder = library_begin(0, "dropped", victim_ids[IPC_KIND_SHM]);
	await_stopped(holder);
	(void)in_child(UID_THIRD, count_child, 2);
	(void)kill(holder, SIGKILL);
	(void)child_signal(holder);
	await_count(0);
	(void)in_child(UID_THIRD, remove_child, 0);
	(void)in_child(UID_THIRD, count_child, -EINVAL);
	(void)kill(liar, SIGKILL);
	(void)child_signal(liar);
}

/* --- identity ---------------------------------------------------------------------------------- */

/* As a set-user-id program would: believed as whom the FIFOs make it, not as whom it was before. */
static void changed_child(long argument)
{
	struct wire wire, second;

	(void)argument;
	if (!expect_is(0, wire_open(&wire)))
		return;
	expect_is(0, wire_remove(&wire, IPC_KIND_MSG, victim_ids[IPC_KIND_MSG])); /* root may */
	if (setresgid(UID_ATTACKER, UID_ATTACKER, UID_ATTACKER) < 0 ||
	    setresuid(UID_ATTACKER, UID_ATTACKER, UID_ATTACKER) < 0 || !expect_is(0, wire_open(&second)))
		return;
	expect(second.client == wire.client);
	expect_is(EPERM, wire_remove(&second, IPC_KIND_SEM, victim_ids[IPC_KIND_SEM]));
	expect_is(EPERM, wire_remove(&second, IPC_KIND_SHM, victim_ids[IPC_KIND_SHM]));
}

static void remove_rest_child(long argument)
{
	struct wire wire;

	(void)argument;
	if (!expect_is(0, wire_open(&wire)))
		return;
	expect_is(0, wire_remove(&wire, IPC_KIND_SEM, victim_ids[IPC_KIND_SEM]));
	expect_is(0, wire_remove(&wire, IPC_KIND_SHM, victim_ids[IPC_KIND_SHM]));
}

static void credentials_of_the_moment(void)
{
	if (!victim_make(UID_THIRD, 0600))
		return;
	(void)in_child(0, changed_child, 0);
	(void)in_child(UID_THIRD, remove_rest_child, 0);
}

static const struct attack attacks[] = {
	{"RMID, SET, LOCK and limits by a stranger", control_by_a_stranger, WITH_USERS, 0, false},
	{"calls in one's stead", calls_in_ones_stead, WITH_ANY, 0, false},
	{"files of others", files_of_others, WITH_USERS, 0, false},
	{"attachments that are none", attachments_that_are_none, WITH_USERS, 0, false},
	{"credentials of the moment", credentials_of_the_moment, WITH_USERS, 0, false},
};

int main(int argc, char **argv)
{
	return attacks_main(argc, argv, attacks, ARRAY_SIZE(attacks));
}

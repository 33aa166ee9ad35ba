/*
 * hostile-lack.c: somebody takes all there is: descriptors, memory, the room and the names of the file
 * system.  Who is there already is served; who comes is told; and when it is over all is as before.
 */
#include "hostile.h"

#include <signal.h>
#include <sys/resource.h>

/* Each connection costs the daemon two descriptors, each process one more. */
#define FILES_MAX 512
#define TMPFS_SIZE (96 << 20)
#define SESSIONS 40
#define PROCESSES 12

int client_main(const char *what, long argument)
{
	(void)what;
	return (int)argument;
}

/* --- descriptors ------------------------------------------------------------------------------- */

static _Atomic uint32_t *n_let_in;

/* As many connections as it gets; then there until it is killed. */
static void greedy_child(long n)
{
	struct wire *wires = calloc((size_t)n, sizeof(*wires));
	char name[PROTO_NAME_SIZE];
	int dir = ns_open("clients", O_PATH | O_DIRECTORY);
	struct proto_message welcome;

	for (long i = 0; wires && i < n; i++) {
		wires[i] = WIRE_NONE;
		wire_choose(name);
		if (fifo_pair_make(dir, name, &wires[i].pair) < 0)
			break;
		if (wire_hello(name, (uint32_t)getpid()) && wire_receive(&wires[i], 500, &welcome) &&
		    welcome.welcome.error == 0)
			atomic_fetch_add(n_let_in, 1);
		else
			break;
	}
	(void)kill(getpid(), SIGSTOP);
}

static void newcomer_child(long argument)
{
	struct wire wire;

	(void)argument;
	expect_is(0, wire_open(&wire));
}

static void limits_child(long n)
{
	struct registry_limits limits;
	struct wire wire;

	registry_read_limits(&ns_registry, &limits);
	limits.shmmni = limits.semmni = limits.msgmni = (uint32_t)n;
	if (expect_is(0, wire_open(&wire)))
		expect_is(0, wire_ask(&wire, (struct proto_message){
			.type = PROTO_LIMITS, .limits = limits}, NULL));
}

static void descriptors_taken(void)
{
	pid_t children[PROCESSES];

	n_let_in = share(sizeof(*n_let_in));
	for (size_t i = 0; i < PROCESSES; i++) {
		children[i] = child_begin(UID_ATTACKER, greedy_child, SESSIONS);
		await_stopped(children[i]);
	}
	printf("#   %u connections with %d descriptors\n", atomic_load(n_let_in), FILES_MAX);
	expect(atomic_load(n_let_in) > 0 && atomic_load(n_let_in) < SESSIONS * PROCESSES);
	/* Another user still gets in, and the bystander does all the time; an only user shares with himself. */
	if (ns_is_shared)
		(void)in_child(UID_THIRD, newcomer_child, 0);
	for (size_t i = 0; i < PROCESSES; i++) {
		(void)kill(children[i], SIGKILL);
		(void)child_signal(children[i]);
	}
	(void)in_child(UID_ATTACKER, newcomer_child, 0);
}

/* --- memory ------------------------------------------------------------------------------------ */

static void daemon_limit(uint64_t bytes)
{
	struct rlimit limit = {bytes, RLIM_INFINITY};

	expect_is(0, prlimit(ns_daemon, RLIMIT_AS, &limit, NULL));
}

static void memory_child(long argument)
{
	struct wire wires[SESSIONS];

	(void)argument;
	for (size_t i = 0; i < SESSIONS; i++)
		(void)wire_open(&wires[i]); /* or not */
	for (size_t i = 0; i < SESSIONS; i++) {
		if (wires[i].pair.in_fd < 0)
			continue;
		for (uint32_t kind = 0; kind < IPC_KIND_COUNT; kind++) {
			int32_t id = wire_create(&wires[i], (enum ipc_kind)kind, ABI_IPC_PRIVATE,
						 kind == IPC_KIND_MSG ? 0 : 1, 0600);

			if (expect(id >= 0 || id == -ENOMEM) && id >= 0)
				expect_is(0, wire_remove(&wires[i], (enum ipc_kind)kind, id));
		}
		break;
	}
}

/* Address space, which is what a mapping of a ledger or of an object takes. */
static void memory_taken(void)
{
	pid_t children[PROCESSES];

	for (uint64_t room = 0; room <= 64u << 20; room = room ? room * 4 : 1u << 20) {
		daemon_limit(room + (1u << 20));
		for (size_t i = 0; i < PROCESSES; i++)
			children[i] = child_begin(UID_ATTACKER, memory_child, 0);
		for (size_t i = 0; i < PROCESSES; i++)
			(void)child_end(children[i]);
		daemon_limit(RLIM_INFINITY);
		(void)in_child(UID_ATTACKER, newcomer_child, 0);
	}
}

/* --- the file system --------------------------------------------------------------------------- */

static void full_child(long argument)
{
	static uint8_t block[1 << 20];
	struct wire wire, other;
	int32_t ids[IPC_KIND_COUNT];
	int fd;

	if (!expect_is(0, wire_open(&wire)))
		return;
	for (uint32_t k = 0; k < IPC_KIND_COUNT; k++) {
		ids[k] = wire_create(&wire, (enum ipc_kind)k, ABI_IPC_PRIVATE, k == IPC_KIND_MSG ? 0 : 4096, 0600);
		expect(ids[k] >= 0);
	}
	/* A segment's file can be made as long as its owner likes: nothing is left. */
	fd = ns_open(ns_object("shm", ids[IPC_KIND_SHM]), O_RDWR);
	memset(block, 1, sizeof(block));
	for (size_t size = sizeof(block); size > 0;)
		if (write(fd, block, size) < (ssize_t)size)
			size /= 2;
	(void)close(fd);
	for (uint32_t k = 0; k < IPC_KIND_COUNT; k++)
		expect_is(-ENOMEM, wire_create(&wire, (enum ipc_kind)k, ABI_IPC_PRIVATE, 4096, 0600));
	/* A few more can come (the spare room), and whoever is there can remove what he has. */
	expect_is(0, wire_open(&other));
	expect_is(0, wire_ping(&other, NULL));
	if (argument != 0)
		return;
	for (uint32_t k = 0; k < IPC_KIND_COUNT; k++)
		expect_is(0, wire_remove(&wire, (enum ipc_kind)k, ids[k]));
	ids[0] = wire_create(&wire, IPC_KIND_SEM, ABI_IPC_PRIVATE, 1, 0600);
	expect(ids[0] >= 0);
	expect_is(0, wire_remove(&wire, IPC_KIND_SEM, ids[0]));
}

static void room_taken(void)
{
	(void)in_child(UID_ATTACKER, full_child, 0);
}

/* Links take no room, but a name each; so do folders and FIFOs in clients/. */
static void names_child(long argument)
{
	char name[64];
	long n = 0;

	(void)argument;
	for (;; n++) {
		(void)snprintf(name, sizeof(name), "clients/name%ld", n);
		if (mkfifo(ns_name(name), 0600) < 0)
			break;
	}
	expect_is(ENOSPC, errno);
	while (n-- > 0) {
		(void)snprintf(name, sizeof(name), "clients/name%ld", n);
		(void)unlink(ns_name(name));
	}
}

static void names_taken(void)
{
	(void)in_child(UID_ATTACKER, names_child, 0);
}

/* --- shares ------------------------------------------------------------------------------------ */

/* Objects until the answer is ENOSPC, then away with them. */
static void objects_child(long argument)
{
	enum ipc_kind kind = (enum ipc_kind)argument;
	struct registry_limits limits;
	uint32_t mni, n = 0;
	struct wire wire;
	int32_t *ids;
	int32_t id = 0;

	registry_read_limits(&ns_registry, &limits);
	mni = kind == IPC_KIND_SHM ? limits.shmmni : kind == IPC_KIND_SEM ? limits.semmni : limits.msgmni;
	ids = calloc(mni, sizeof(*ids));
	if (!ids || !expect_is(0, wire_open(&wire)))
		return;
	while (n < mni && (id = wire_create(&wire, kind, ABI_IPC_PRIVATE, kind != IPC_KIND_MSG, 0600)) >= 0)
		ids[n++] = id;
	expect_is(-ENOSPC, id);
	expect_is((mni + 1) / 2, n);
	while (n > 0)
		expect_is(0, wire_remove(&wire, kind, ids[--n]));
}

/* Segments of 8 MiB: half of the file system is the share. */
static void pages_child(long argument)
{
	int32_t ids[100];
	struct wire wire;
	uint32_t n = 0;

	(void)argument;
	if (!expect_is(0, wire_open(&wire)))
		return;
	while (n < 100 && (ids[n] = wire_create(&wire, IPC_KIND_SHM, ABI_IPC_PRIVATE, 8 << 20, 0600)) >= 0)
		n++;
	expect_is(-ENOSPC, ids[n]);
	expect(n > 0 && n <= TMPFS_SIZE / 2 / (8 << 20));
	while (n > 0)
		expect_is(0, wire_remove(&wire, IPC_KIND_SHM, ids[--n]));
	ids[0] = wire_create(&wire, IPC_KIND_SHM, ABI_IPC_PRIVATE, 8 << 20, 0600);
	expect(ids[0] >= 0);
	expect_is(0, wire_remove(&wire, IPC_KIND_SHM, ids[0]));
}

static void shares_taken(void)
{
	(void)in_child(0, limits_child, 300); /* of each kind: the file system has so many names only */
	for (uint32_t kind = 0; kind < IPC_KIND_COUNT; kind++)
		(void)in_child(UID_ATTACKER, objects_child, kind);
	(void)in_child(UID_ATTACKER, pages_child, 0);
	expect(log_says("has its share of segments") && log_says("has its share of sets") &&
	       log_says("has its share of queues") && log_says("has its share of pages"));
}

static struct attack attacks[] = {
	{"all descriptors taken", descriptors_taken, WITH_ANY, 0, false},
	{"a share taken", shares_taken, WITH_USERS, 0, false},
	{"all memory taken", memory_taken, WITH_ANY, 0, true},
	{"all room of the file system taken", room_taken, WITH_USERS, 0, true},
	{"all names of the file system taken", names_taken, WITH_USERS, 0, true},
};

int main(int argc, char **argv)
{
	setting_files_max = FILES_MAX;
	setting_tmpfs = "size=96m,nr_inodes=20000,mode=755"; /* TMPFS_SIZE */
	/* Where there is one user he takes them from himself. */
	attacks[0].may_lack = argc > 1 && strcmp(argv[1], "own") == 0;
	return attacks_main(argc, argv, attacks, ARRAY_SIZE(attacks));
}

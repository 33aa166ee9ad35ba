/*
 * hostile-lack.c: somebody takes all there is: descriptors, memory, the room and the names of the file
 * system.  Who is there already is served; who comes is told; and when it is over all is as before.
 */
#include "hostile.h"

#include <signal.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/wait.h>

/* Each connection costs the daemon two descriptors, each process one more. */
#define FILES_MAX 512
#define TMPFS_SIZE (96 << 20)
#define SESSIONS 40
#define PROCESSES 12

/* --- a queue that gives its storage back ------------------------------------------------------- */

#define REFILL_COUNT 16384 /* messages of one byte: a full default queue */
#define REFILL_STORED_MAX (16u << 12)

static int refill_id;

static char *refill_path(const char *kind, int id)
{
	static char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/objects/%s.%d", getenv("USYSV_DIR"), kind, id);
	return path;
}

static uint64_t refill_stored(void)
{
	struct stat status = {0};

	(void)stat(refill_path("msg", refill_id), &status);
	return (uint64_t)status.st_blocks * 512;
}

/* Sends until it is refused: how many, and why. */
static long refill_send(int *ret_error)
{
	struct { long type; char text; } message = {1, 'x'};
	long n = 0;

	while (msgsnd(refill_id, &message, 1, IPC_NOWAIT) == 0)
		n++;
	*ret_error = errno;
	return n;
}

static long refill_receive(void)
{
	struct { long type; char text; } message;
	long n = 0;

	while (msgrcv(refill_id, &message, 1, 0, IPC_NOWAIT) == 1)
		n++;
	return n;
}

/* One who has used the queue and idles, and one who sleeps in it; killed with their parent. */
static void refill_others(void)
{
	struct { long type; char text; } message = {1, 'x'};

	for (int i = 0; i < 2; i++) {
		if (fork() != 0)
			continue;
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (msgsnd(refill_id, &message, 1, 0) < 0 || msgrcv(refill_id, &message, 1, 1, 0) < 0)
			_exit(1);
		if (i == 0)
			(void)pause();
		else
			(void)msgrcv(refill_id, &message, 1, 99, 0);
		_exit(0);
	}
	nap_ms(300);
}

/* Drained, and if somebody was inside just then again a second later. */
static bool refill_is_given_back(void)
{
	for (int i = 0; i < 10 && refill_stored() > REFILL_STORED_MAX; i++) {
		nap_ms(1100);
		(void)refill_receive();
	}
	return refill_stored() <= REFILL_STORED_MAX;
}

static int client_refill(void)
{
	static uint8_t block[1 << 20];
	int shm = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600), error, fd;

	refill_id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
	if (shm < 0 || refill_id < 0)
		return 1;
	refill_others();
	for (int i = 0; i < 2; i++) { /* then it uses again what it has given back */
		if (refill_send(&error) != REFILL_COUNT || error != EAGAIN)
			return 2;
		if (refill_stored() < REFILL_COUNT * 128)
			return 3;
		if (refill_receive() != REFILL_COUNT || !refill_is_given_back())
			return 4;
	}
	fd = open(refill_path("shm", shm), O_RDWR | O_CLOEXEC);
	for (size_t size = sizeof(block); size > 0;)
		if (write(fd, block, size) < (ssize_t)size)
			size /= 2;
	/* What there was is somebody else's now: an errno, and nobody dies. */
	if (refill_send(&error) >= REFILL_COUNT || error != ENOMEM)
		return 5;
	if (ftruncate(fd, 4096) < 0 || refill_send(&error) == 0 || error != EAGAIN)
		return 6;
	if (refill_receive() != REFILL_COUNT)
		return 7;
	return msgctl(refill_id, IPC_RMID, NULL) < 0 || shmctl(shm, IPC_RMID, NULL) < 0 ? 8 : 0;
}

int client_main(const char *what, long argument)
{
	(void)argument;
	return strcmp(what, "refill") == 0 ? client_refill() : 125;
}

static void storage_taken(void)
{
	int status;
	pid_t child = library_begin(UID_ATTACKER, "refill", 0);

	expect(waitpid(child, &status, 0) == child);
	expect_is(0, WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status));
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

/* What the attacker has taken, sets and segments of 8 MiB: his share of objects, and of pages. */
#define TAKEN_MAX 400u
static struct {
	uint32_t n;
	int32_t ids[TAKEN_MAX];
} *taken; /* by kind */

static int32_t take_one(struct wire *wire, enum ipc_kind kind)
{
	return wire_create(wire, kind, ABI_IPC_PRIVATE, kind == IPC_KIND_SHM ? 8 << 20 : 1, 0600);
}

static void take_child(long argument)
{
	enum ipc_kind kind = (enum ipc_kind)argument;
	struct wire wire;
	int32_t id = 0;

	if (!expect_is(0, wire_open(&wire)))
		return;
	while (taken[kind].n < TAKEN_MAX && (id = take_one(&wire, kind)) >= 0)
		taken[kind].ids[taken[kind].n++] = id;
	expect_is(-ENOSPC, id);
}

/* Nothing more; one for one; and all again when everything is gone. */
static void after_restart_child(long argument)
{
	enum ipc_kind kind = (enum ipc_kind)argument;
	uint32_t n = taken[kind].n;
	struct wire wire;

	if (!expect_is(0, wire_open(&wire)) || !expect(n > 1))
		return;
	expect_is(-ENOSPC, take_one(&wire, kind));
	expect_is(0, wire_remove(&wire, kind, taken[kind].ids[n - 1]));
	taken[kind].ids[n - 1] = take_one(&wire, kind);
	expect(taken[kind].ids[n - 1] >= 0);
	expect_is(-ENOSPC, take_one(&wire, kind));
	for (uint32_t i = 0; i < n; i++)
		expect_is(0, wire_remove(&wire, kind, taken[kind].ids[i]));
	for (uint32_t i = 0; i < n; i++) {
		taken[kind].ids[i] = take_one(&wire, kind);
		expect(taken[kind].ids[i] >= 0);
	}
	for (uint32_t i = 0; i < n; i++)
		expect_is(0, wire_remove(&wire, kind, taken[kind].ids[i]));
}

/* The daemon is killed; what a user has counts for the next one as well. */
static void shares_after_a_restart(void)
{
	static const enum ipc_kind kinds[] = {IPC_KIND_SHM, IPC_KIND_SEM};

	taken = share(IPC_KIND_COUNT * sizeof(*taken));
	(void)in_child(0, limits_child, 300);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		(void)in_child(UID_ATTACKER, take_child, kinds[i]);
	daemon_restart();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		(void)in_child(UID_ATTACKER, after_restart_child, kinds[i]);
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
	{"a share after a restart", shares_after_a_restart, WITH_USERS, 0, false},
	{"all memory taken", memory_taken, WITH_ANY, 0, true},
	{"all room of the file system taken", room_taken, WITH_USERS, 0, true},
	{"the storage a queue had given back taken", storage_taken, WITH_USERS, 0, true},
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

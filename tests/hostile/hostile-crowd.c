/*
 * hostile-crowd.c: nobody means harm, but there are many: processes, objects, forks.  Others are served
 * all the time; what each costs in memory is printed.  (That an operation costs the same beside many is
 * counted in tests/unit/test-scale-daemon-steps.c.)
 */
#include "hostile.h"

#include <signal.h>
#include <sys/ipc.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "sys/clock.h"

#define BATCH 100

/* Daemon's descriptors for each process, and for everything else. */
#define FILES_PER_PROCESS 3
#define FILES_ELSE 200
#define FILES_WANTED 65536

static _Atomic uint32_t *n_ready;

/* Of whom there may be many. */
static uint32_t crowd_uid(void)
{
	return ns_is_shared ? 0 : UID_ATTACKER;
}

/* --- forks, with the library ------------------------------------------------------------------- */

/* Forks and waits, with ten segments attached. */
static int client_forks(long n)
{
	for (int i = 0; i < 10; i++) {
		int id = shmget(IPC_PRIVATE, 8192, 0600);

		if (id < 0 || shmat(id, NULL, 0) == (void *)-1 || shmctl(id, IPC_RMID, NULL) < 0)
			return 1;
	}
	for (long i = 0; i < n; i++) {
		pid_t child = fork();
		int status = 0;

		if (child == 0)
			_exit(0);
		if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
			return 2;
	}
	return 0;
}

int client_main(const char *what, long argument)
{
	(void)what;
	return client_forks(argument);
}

static void ask_child(long argument)
{
	struct proto_message pong = {0};
	struct wire wire;

	(void)argument;
	if (expect_is(0, wire_open(&wire)) &&
	    expect_is(0, wire_ask(&wire, (struct proto_message){.type = PROTO_PING}, &pong)))
		atomic_store(n_ready, (uint32_t)pong.pong.n_requests);
}

/* Requests the daemon has carried out. */
static uint32_t requests(void)
{
	(void)in_child(crowd_uid(), ask_child, 0);
	return atomic_load(n_ready);
}

/* The bystander's are among them, who asks all the time: so it is a rate that is printed, not one wanted. */
static void forks_in_a_row(void)
{
	long n = is_long ? 20000 : 300;
	uint64_t begin_ns = clock_monotonic_ns();

	n_ready = share(sizeof(*n_ready));
	(void)child_end(library_begin(crowd_uid(), "forks", n));
	printf("#   %.0f forks a second with ten attachments\n",
	       (double)n * 1e9 / (double)(clock_monotonic_ns() - begin_ns));
	expect(requests() > 0);
}

/* --- processes --------------------------------------------------------------------------------- */

static void stay_child(long argument)
{
	struct wire wire;

	(void)argument;
	if (!expect_is(0, wire_open(&wire)))
		return;
	atomic_fetch_add(n_ready, 1);
	for (;;)
		(void)pause();
}

static void await_ready(uint32_t n)
{
	for (int ms = 0; ms < PATIENCE_MS && atomic_load(n_ready) < n; ms++)
		nap_ms(1);
	expect(atomic_load(n_ready) == n);
}

/* As many as are wanted, or as this machine's limit of descriptors lets the daemon serve. */
static uint32_t crowd_size(void)
{
	uint32_t n = is_long ? 10000 : 300;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max != RLIM_INFINITY &&
	    limit.rlim_max < n * FILES_PER_PROCESS + FILES_ELSE)
		n = (uint32_t)(limit.rlim_max - FILES_ELSE) / FILES_PER_PROCESS;
	return n;
}

/* Of the file system, which in "own" others use as well. */
static int64_t used_kilobytes(void)
{
	struct statvfs room;

	return statvfs(ns_path, &room) == 0 ? (int64_t)((room.f_blocks - room.f_bfree) * room.f_frsize / 1024) : 0;
}

static void many_processes(void)
{
	uint32_t n = crowd_size();
	uint32_t descriptors = daemon_descriptors();
	uint32_t kilobytes = daemon_kilobytes();
	int64_t used = used_kilobytes();
	uint64_t begin_ns = clock_monotonic_ns();
	pid_t *children = calloc(n, sizeof(*children));

	n_ready = share(sizeof(*n_ready));
	for (uint32_t i = 0; i < n; i++) {
		children[i] = child_begin(crowd_uid(), stay_child, 0);
		if (i % BATCH == BATCH - 1)
			await_ready(i + 1);
	}
	await_ready(n);
	printf("#   %u processes in %.1f s; each costs the daemon %.2f kB and %.1f descriptors, "
	       "the file system %.1f kB\n", n, (double)(clock_monotonic_ns() - begin_ns) / 1e9,
	       ((double)daemon_kilobytes() - kilobytes) / n,
	       (double)(daemon_descriptors() - descriptors) / n, (double)(used_kilobytes() - used) / n);
	for (uint32_t i = 0; i < n; i++)
		(void)kill(children[i], SIGKILL);
	for (uint32_t i = 0; i < n; i++)
		(void)child_signal(children[i]);
	free(children);
}

/* --- objects ----------------------------------------------------------------------------------- */

static void limits_to_the_top(struct wire *wire)
{
	struct registry_limits limits;

	registry_read_limits(&ns_registry, &limits);
	limits.shmmni = limits.semmni = limits.msgmni = OBJECT_MAX;
	expect_is(0, wire_ask(wire, (struct proto_message){.type = PROTO_LIMITS, .limits = limits}, NULL));
}

static void objects_child(long n)
{
	struct wire wire;
	int32_t id = 0;

	if (!expect_is(0, wire_open(&wire)))
		return;
	limits_to_the_top(&wire);
	for (uint32_t kind = 0; kind < IPC_KIND_COUNT; kind++) {
		for (long i = 0; i < n && id >= 0; i++)
			id = wire_create(&wire, (enum ipc_kind)kind, (int32_t)i + 1, kind != IPC_KIND_MSG, 0600);
		expect(id >= 0);
	}
}

static void remove_child(long n)
{
	struct registry_object object;
	struct wire wire;

	if (!expect_is(0, wire_open(&wire)))
		return;
	for (uint32_t kind = 0; kind < IPC_KIND_COUNT; kind++) {
		for (long i = 0; i < n; i++) {
			if (expect_is(0, registry_find(&ns_registry, (enum ipc_kind)kind, (int32_t)i + 1, &object)))
				expect_is(0, wire_remove(&wire, (enum ipc_kind)kind, object.id));
		}
		expect(registry_count(&ns_registry, (enum ipc_kind)kind) <= 1); /* the bystander's */
	}
}

static void many_objects(void)
{
	/* One of each kind stays free for the bystander. */
	uint32_t n = is_long ? OBJECT_MAX - 1 : 300;
	uint32_t kilobytes = daemon_kilobytes();
	int64_t used = used_kilobytes();
	uint64_t begin_ns = clock_monotonic_ns();

	(void)in_child(crowd_uid(), objects_child, n);
	printf("#   %u objects of each kind in %.1f s; each costs the daemon %.2f kB, the file system %.1f kB\n",
	       n, (double)(clock_monotonic_ns() - begin_ns) / 1e9,
	       ((double)daemon_kilobytes() - kilobytes) / n / 3, (double)(used_kilobytes() - used) / n / 3);
	begin_ns = clock_monotonic_ns();
	daemon_restart();
	printf("#   a daemon that starts with them is ready after %.3f s\n",
	       (double)(clock_monotonic_ns() - begin_ns) / 1e9);
	begin_ns = clock_monotonic_ns();
	(void)in_child(crowd_uid(), remove_child, n);
	printf("#   removed in %.1f s\n", (double)(clock_monotonic_ns() - begin_ns) / 1e9);
}

static const struct attack attacks[] = {
	{"forks in a row", forks_in_a_row, WITH_ANY, 0, false},
	{"many processes", many_processes, WITH_ANY, 0, false},
	{"many objects", many_objects, WITH_ANY, 0, true},
};

int main(int argc, char **argv)
{
	setting_tmpfs = "size=50%,nr_inodes=1000000,mode=755";
	(void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){FILES_WANTED, FILES_WANTED}); /* if we may */
	return attacks_main(argc, argv, attacks, ARRAY_SIZE(attacks));
}

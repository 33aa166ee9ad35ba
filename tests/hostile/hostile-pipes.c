/* hostile-pipes.c: attacks on the daemon's pipes: registration, connections, the names in clients/. */
#include "hostile.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "sys/clock.h"

#define FLOOD_NS (is_long ? 3000000000u : 300000000u)
#define FLOODERS 8
#define PROCESSES 20
#define SESSIONS 40

/*
 * A turn gives a session 32 requests, a round of the loop 64 ready sessions and 64 with requests left
 * over: who asks waits for the round under way and for one of his own.
 */
#define ROUND_REQUESTS ((64u + 64u) * SESSION_REQUESTS_PER_TURN_MAX)

int client_main(const char *what, long argument)
{
	(void)what;
	return (int)argument;
}

/* Writes to a FIFO in the namespace, as far as it takes it. */
static void pour(const char *name, const void *bytes, size_t n_bytes)
{
	int fd = open(ns_name(name), O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, bytes, n_bytes);

	expect(n == (ssize_t)n_bytes);
	if (fd >= 0)
		(void)close(fd);
}

/* --- registration ------------------------------------------------------------------------------ */

static void garbage_child(long n_kilobytes)
{
	static uint8_t bytes[1024];
	static const uint8_t magic[] = {'U', 'S', 'H', 'L'};

	for (long k = 0; k < n_kilobytes; k++) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)random_below(256);
		for (size_t i = 0; i < 8; i++)
			memcpy(bytes + random_below(1000), magic, 1 + random_below(4));
		pour("register", bytes, 1 + random_below(sizeof(bytes)));
	}
}

static void garbage_on_the_registration_pipe(void)
{
	(void)in_child(UID_ATTACKER, garbage_child, 2000);
}

static void full_pipe_child(long argument)
{
	static uint8_t bytes[65536];
	uint64_t end = clock_monotonic_ns() + FLOOD_NS;

	(void)argument;
	while (clock_monotonic_ns() < end)
		pour("register", bytes, sizeof(bytes));
}

/* Meanwhile the bystander says HELLO again and again. */
static void registration_pipe_kept_full(void)
{
	pid_t children[4];

	for (size_t i = 0; i < 4; i++)
		children[i] = child_begin(UID_ATTACKER, full_pipe_child, 0);
	for (size_t i = 0; i < 4; i++)
		(void)child_end(children[i]);
}

static void half_hello_child(long argument)
{
	char name[PROTO_NAME_SIZE] = "half";
	struct proto_hello hello = {.version = PROTO_VERSION, .pid = (uint32_t)getpid()};
	uint8_t record[PROTO_HELLO_SIZE];
	struct wire wire;

	(void)argument;
	memcpy(hello.name, name, sizeof(name));
	proto_hello_encode(&hello, record);
	for (size_t n = 1; n < sizeof(record); n++) {
		pour("register", record, n);
		if (!expect_is(0, wire_open(&wire)))
			return;
		wire_close(&wire);
	}
}

static void half_registrations(void)
{
	(void)in_child(UID_ATTACKER, half_hello_child, 0);
}

/* Refused: no WELCOME, and the end of the connection. */
static void expect_refused(const char *name, uint32_t pid)
{
	struct wire wire = WIRE_NONE;
	struct proto_message message;
	int dir = ns_open("clients", O_PATH | O_DIRECTORY);

	if (expect_is(0, fifo_pair_make(dir, name, &wire.pair)) && expect(wire_hello(name, pid))) {
		if (!expect(!wire_receive(&wire, 300, &message)))
			wrong("HELLO of pid %u was believed", pid);
	}
	fifo_pair_unlink(dir, name);
	(void)close(dir);
	wire_close(&wire);
}

static void forged_pid_child(long bystander_pid)
{
	uint32_t pids[] = {1, (uint32_t)ns_daemon, (uint32_t)bystander_pid, 4194304, UINT32_MAX, 0};
	char name[PROTO_NAME_SIZE];

	/* In a namespace of one user the daemon is a process of the attacker's as any other. */
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		if (!ns_is_shared && (i == 1 || i == 2 || pids[i] == 1))
			continue;
		wire_choose(name);
		expect_refused(name, pids[i]);
	}
}

static void wait_child(long argument)
{
	(void)argument;
	(void)pause();
}

static void forged_pids(void)
{
	pid_t third = child_begin(UID_THIRD, wait_child, 0);

	(void)in_child(UID_ATTACKER, forged_pid_child, third);
	(void)kill(third, SIGKILL);
	(void)child_signal(third);
}

/* --- names ------------------------------------------------------------------------------------- */

/* Somebody's FIFOs that wait for their HELLO. */
static struct wire waiting;
static char waiting_name[PROTO_NAME_SIZE];

static void steal_child(long argument)
{
	(void)argument;
	expect(wire_hello(waiting_name, (uint32_t)getpid()));
	expect(wire_hello(waiting_name, (uint32_t)getppid()));
}

static void victim_child(long argument)
{
	int dir = ns_open("clients", O_PATH | O_DIRECTORY);
	char path[64];

	(void)argument;
	wire_choose(waiting_name);
	waiting = WIRE_NONE;
	expect_is(0, fifo_pair_make(dir, waiting_name, &waiting.pair));
	(void)close(dir);
	(void)kill(getpid(), SIGSTOP);
	/* The daemon has opened and closed them, which looks like its end; but the names are still there. */
	(void)close(waiting.pair.out_fd);
	(void)snprintf(path, sizeof(path), "clients/%s.out", waiting_name);
	waiting.pair.out_fd = ns_open(path, O_RDONLY);
	expect_is(0, wire_join(&waiting, waiting_name, (uint32_t)getpid()));
	expect_is(0, wire_ping(&waiting, NULL));
}

/* A HELLO with the names of another user's FIFOs gets nothing, and he still gets in with them. */
static void names_of_others(void)
{
	pid_t victim = child_begin(UID_THIRD, victim_child, 0);
	char state[PATH_MAX], text[512] = "";
	int fd;

	(void)snprintf(state, sizeof(state), "/proc/%d/stat", (int)victim);
	for (int ms = 0; ms < PATIENCE_MS && !strstr(text, ") T "); ms += 5) {
		nap_ms(5);
		fd = open(state, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
			text[0] = 0;
		(void)close(fd);
	}
	(void)snprintf(waiting_name, sizeof(waiting_name), "%d.0", (int)victim);
	(void)in_child(UID_ATTACKER, steal_child, 0);
	expect(log_says("not of a user of that process"));
	(void)kill(victim, SIGCONT);
	(void)child_end(victim);
}

/* What the two names lead to, and what must still be there afterwards. */
static void bad_files(int kind, const char *in, const char *out)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	switch (kind) {
	case 0: /* symbolic links to the registration pipe */
		expect_is(0, symlink(ns_name("register"), in));
		expect_is(0, symlink(ns_name("register"), out));
		break;
	case 1: /* to a file */
		expect_is(0, symlink(ns_name("registry"), in));
		expect_is(0, symlink(ns_name("registry"), out));
		break;
	case 2: /* one FIFO by two names */
		expect_is(0, mkfifo(in, 0600));
		expect_is(0, link(in, out));
		break;
	case 3: /* FIFOs that others may write */
		expect(mkfifo(in, 0600) == 0 && chmod(in, 0622) == 0);
		expect(mkfifo(out, 0600) == 0 && chmod(out, 0622) == 0);
		break;
	case 4: /* files */
		fd = open(in, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		(void)close(fd);
		expect_is(0, link(in, out));
		break;
	case 5: /* folders */
		expect(mkdir(in, 0700) == 0 && mkdir(out, 0700) == 0);
		break;
	case 6: /* a socket */
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		memcpy(address.sun_path, in, strnlen(in, sizeof(address.sun_path) - 1));
		if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
			(void)link(in, out);
		(void)close(fd);
		break;
	default: /* the first there, the second not */
		expect_is(0, mkfifo(in, 0600));
		break;
	}
}

static void bad_names_child(long argument)
{
	char name[PROTO_NAME_SIZE], part[PROTO_NAME_SIZE + 32], in[PATH_MAX], out[PATH_MAX];
	struct proto_message message;
	struct wire wire = WIRE_NONE;

	(void)argument;
	for (int kind = 0; kind <= 7; kind++) {
		wire_choose(name);
		(void)snprintf(part, sizeof(part), "clients/%s.in", name);
		(void)snprintf(in, sizeof(in), "%s", ns_name(part));
		(void)snprintf(part, sizeof(part), "clients/%s.out", name);
		(void)snprintf(out, sizeof(out), "%s", ns_name(part));
		bad_files(kind, in, out);
		wire.pair.in_fd = open(in, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
		wire.pair.out_fd = open(out, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
		expect(wire_hello(name, (uint32_t)getpid()));
		if (wire.pair.out_fd >= 0 && kind != 4 && !expect(!wire_receive(&wire, 300, &message)))
			wrong("names of kind %d were believed", kind);
		wire_close(&wire);
		(void)(remove(in), remove(out)); /* what there is of them */
	}
	expect_is(0, access(ns_name("registry"), F_OK));
	expect_is(0, access(ns_name("register"), F_OK));
}

static void links_and_other_files_for_fifos(void)
{
	(void)in_child(UID_ATTACKER, bad_names_child, 0);
}

static void odd_names_child(long argument)
{
	static const char *const names[] = {
		"../register", "/etc/passwd", ".", "..", "", "a/b", "..%2f", "\n\033[31m", "name with blanks",
	};
	char name[PROTO_NAME_SIZE];

	(void)argument;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		memset(name, 0, sizeof(name));
		memcpy(name, names[i], strlen(names[i]));
		expect(wire_hello(name, (uint32_t)getpid()));
	}
	memset(name, 'a', sizeof(name)); /* no end */
	expect(wire_hello(name, (uint32_t)getpid()));
}

static void names_that_lead_elsewhere(void)
{
	(void)in_child(UID_ATTACKER, odd_names_child, 0);
	expect(!log_says_now("\033["));
	expect_is(0, access(ns_name("register"), F_OK));
}

/* Two pairs of names, exchanged all the time for links and for FIFOs that others may write. */
static void swap_child(long argument)
{
	char good[PATH_MAX], bad[PATH_MAX], name[PROTO_NAME_SIZE + 64];

	for (long i = 0;; i++) {
		(void)snprintf(name, sizeof(name), "clients/swap%ld.%s", argument, i % 2 ? "in" : "out");
		(void)snprintf(good, sizeof(good), "%s", ns_name(name));
		(void)snprintf(name, sizeof(name), "clients/bad%ld", argument);
		(void)snprintf(bad, sizeof(bad), "%s", ns_name(name));
		(void)unlink(bad);
		if (i % 4 < 2 ? symlink(ns_name("register"), bad) < 0 :
				mkfifo(bad, 0622) < 0 || chmod(bad, 0622) < 0)
			continue;
		(void)renameat2(AT_FDCWD, good, AT_FDCWD, bad, RENAME_EXCHANGE);
		(void)renameat2(AT_FDCWD, good, AT_FDCWD, bad, RENAME_EXCHANGE);
	}
}

static void swapped_child(long n_tries)
{
	pid_t swapper = child_begin(UID_ATTACKER, swap_child, 0);
	int dir = ns_open("clients", O_PATH | O_DIRECTORY);
	char name[PROTO_NAME_SIZE] = "swap0";
	struct wire wire = WIRE_NONE;
	int n_in = 0;

	for (long i = 0; i < n_tries; i++) {
		int r = fifo_pair_make(dir, name, &wire.pair);

		/* If it gets in it must be with FIFOs of our own, which answer. */
		if (r == 0 && wire_hello(name, (uint32_t)getpid())) {
			struct proto_message message;

			if (wire_receive(&wire, 20, &message) && message.type == PROTO_WELCOME)
				n_in += wire_ping(&wire, NULL) == 0;
		}
		wire_close(&wire);
		fifo_pair_unlink(dir, name);
		(void)unlinkat(dir, "bad0", 0);
	}
	(void)close(dir);
	(void)kill(swapper, SIGKILL);
	(void)child_signal(swapper);
	printf("#   swapped names: let in %d times of %ld\n", n_in, n_tries);
	expect_is(0, access(ns_name("register"), F_OK));
}

static void names_swapped_under_way(void)
{
	(void)in_child(UID_ATTACKER, swapped_child, is_long ? 3000 : 60);
}

static void litter_child(long n)
{
	char name[64];

	for (long i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "clients/litter%ld", i);
		if (i % 3 == 0)
			(void)mkdir(ns_name(name), 0700);
		else if (i % 3 == 1)
			(void)mkfifo(ns_name(name), 0600);
		else
			(void)symlink("/", ns_name(name));
	}
}

static void unlitter_child(long n)
{
	char name[64];

	for (long i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "clients/litter%ld", i);
		(void)remove(ns_name(name));
	}
}

static void litter_among_the_names(void)
{
	(void)in_child(UID_ATTACKER, litter_child, is_long ? 100000 : 10000);
	(void)in_child(UID_ATTACKER, unlitter_child, is_long ? 100000 : 10000);
}

/* --- connections ------------------------------------------------------------------------------- */

static void half_frames_child(long argument)
{
	struct wire wires[SESSIONS];
	static const uint8_t half[] = {40, 0, 0, 0, PROTO_CREATE, 0, 0, 0, 1, 0, 0, 0, 9, 9, 9};

	(void)argument;
	for (size_t i = 0; i < SESSIONS; i++) {
		if (!expect_is(0, wire_open(&wires[i])))
			return;
		(void)fifo_write(wires[i].pair.in_fd, half, 1 + i % sizeof(half));
	}
	for (size_t i = 0; i < SESSIONS; i++)
		expect(!wire_is_dropped(&wires[i], 0));
}

static void half_frames(void)
{
	pid_t children[PROCESSES];

	for (size_t i = 0; i < PROCESSES; i++)
		children[i] = child_begin(UID_ATTACKER, half_frames_child, 0);
	for (size_t i = 0; i < PROCESSES; i++)
		(void)child_end(children[i]);
}

/* Each type with each size: served or dropped, and never anything else. */
static void bad_frames_child(long argument)
{
	uint8_t frame[300];
	struct wire wire = WIRE_NONE;

	(void)argument;
	for (uint32_t type = 0; type <= 256; type++) {
		uint32_t size = random_below(sizeof(frame));

		if (wire.pair.in_fd < 0 && !expect_is(0, wire_open(&wire)))
			return;
		for (size_t i = 0; i < sizeof(frame); i++)
			frame[i] = (uint8_t)random_below(256);
		memcpy(frame, &size, 4);
		memcpy(frame + 4, &type, 4);
		(void)fifo_write(wire.pair.in_fd, frame, size);
		if (wire_is_dropped(&wire, 3))
			wire_close(&wire);
	}
	wire_close(&wire);
}

static void bad_frames(void)
{
	(void)in_child(UID_ATTACKER, bad_frames_child, 0);
}

static void unread_child(long argument)
{
	struct proto_message ping = {.type = PROTO_PING};
	uint8_t bytes[FRAME_SIZE_MAX];
	size_t n = proto_encode(&ping, bytes);
	struct wire wire;

	(void)argument;
	if (!expect_is(0, wire_open(&wire)))
		return;
	/* 64 KiB of answers in the pipe, 4 KiB kept for it: then it is over. */
	for (int i = 0; i < 100000 && !wire_is_dropped(&wire, 0); i++)
		if (fifo_write(wire.pair.in_fd, bytes, n) < 0)
			nap_ms(1);
	expect(wire_is_dropped(&wire, PATIENCE_MS));
	wire_close(&wire);
}

static void never_reading(void)
{
	pid_t children[FLOODERS];

	for (size_t i = 0; i < FLOODERS; i++)
		children[i] = child_begin(UID_ATTACKER, unread_child, 0);
	for (size_t i = 0; i < FLOODERS; i++)
		(void)child_end(children[i]);
	expect(log_says("it does not read"));
}

static void flood_child(long argument)
{
	struct proto_message ping = {.type = PROTO_PING};
	uint8_t bytes[FRAME_SIZE_MAX], answers[8192];
	size_t n = proto_encode(&ping, bytes);
	uint64_t end = clock_monotonic_ns() + FLOOD_NS;
	struct wire wires[4];

	(void)argument;
	for (size_t i = 0; i < 4; i++)
		if (!expect_is(0, wire_open(&wires[i])))
			return;
	while (clock_monotonic_ns() < end) {
		for (size_t i = 0; i < 4; i++) {
			for (int k = 0; k < 100; k++)
				(void)fifo_write(wires[i].pair.in_fd, bytes, n);
			(void)fifo_read(wires[i].pair.out_fd, answers, sizeof(answers));
		}
	}
}

static void flood_of_requests(void)
{
	pid_t children[FLOODERS];

	for (size_t i = 0; i < FLOODERS; i++)
		children[i] = child_begin(UID_ATTACKER, flood_child, 0);
	for (size_t i = 0; i < FLOODERS; i++)
		(void)child_end(children[i]);
}

static void crowd_child(long n)
{
	struct wire *wires = calloc((size_t)n, sizeof(*wires));

	for (long i = 0; wires && i < n; i++) {
		if (!expect_is(0, wire_open(&wires[i])))
			break;
	}
	(void)kill(getpid(), SIGKILL); /* without a word */
}

static void thousands_of_connections(void)
{
	pid_t children[150];
	size_t n = is_long ? ARRAY_SIZE(children) : 40;

	for (size_t i = 0; i < n; i++)
		children[i] = child_begin(UID_ATTACKER, crowd_child, SESSIONS);
	for (size_t i = 0; i < n; i++)
		(void)child_signal(children[i]);
}

static void abrupt_child(long argument)
{
	char name[PROTO_NAME_SIZE];
	int dir = ns_open("clients", O_PATH | O_DIRECTORY);
	struct wire wire = WIRE_NONE;

	wire_choose(name);
	expect_is(0, fifo_pair_make(dir, name, &wire.pair));
	expect(wire_hello(name, (uint32_t)getpid()));
	if (argument % 3 == 0)
		fifo_pair_close(&wire.pair);
	else if (argument % 3 == 1)
		nap_ms((int)(argument % 7));
	(void)kill(getpid(), SIGKILL);
}

static void processes_that_die_in_their_hello(void)
{
	for (long i = 0; i < (is_long ? 3000 : 60); i++)
		(void)child_signal(child_begin(UID_ATTACKER, abrupt_child, i));
}

static const struct attack attacks[] = {
	{"garbage on the registration pipe", garbage_on_the_registration_pipe, WITH_ANY, 0, false},
	{"the registration pipe kept full", registration_pipe_kept_full, WITH_ANY, 0, false},
	{"half registrations", half_registrations, WITH_ANY, 0, false},
	{"forged pids", forged_pids, WITH_ANY, 0, false},
	{"names of other users' FIFOs", names_of_others, WITH_USERS, 0, false},
	{"links and other files in the place of FIFOs", links_and_other_files_for_fifos, WITH_ANY, 0, false},
	{"names that lead elsewhere", names_that_lead_elsewhere, WITH_ANY, 0, false},
	{"names swapped under way", names_swapped_under_way, WITH_ANY, 0, false},
	{"litter among the names", litter_among_the_names, WITH_ANY, 0, false},
	{"half frames", half_frames, WITH_ANY, 0, false},
	{"bad frames", bad_frames, WITH_ANY, 0, false},
	{"never reading", never_reading, WITH_ANY, ROUND_REQUESTS, false},
	{"a flood of requests", flood_of_requests, WITH_ANY, ROUND_REQUESTS, false},
	{"thousands of connections", thousands_of_connections, WITH_ANY, 0, false},
	{"processes that die in their HELLO", processes_that_die_in_their_hello, WITH_ANY, 0, false},
};

int main(int argc, char **argv)
{
	return attacks_main(argc, argv, attacks, ARRAY_SIZE(attacks));
}

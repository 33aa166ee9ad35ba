/* loop.c: the daemon from start to stop: waiting for what happens and telling the service. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/daemon.h"
#include "daemon/effects.h"
#include "daemon/storage.h"
#include "sys/clock.h"
#include "sys/fault.h"
#include "sys/log.h"

#define LOOP_TICK_NS 1000000000ull
#define LOOP_NS_PER_MS 1000000ull

/* Ticks between two looks at abandoned FIFOs. */
#define LOOP_SWEEP_TICKS 60u

/* Clients looked at in one tick for what no descriptor tells: each may be a list of mappings. */
#define LOOP_CLIENTS_PER_TICK_MAX 16u

/* Sessions with requests left over that get a turn before new input is looked at. */
#define LOOP_PENDING_PER_TURN_MAX 64u

/* Bytes taken from a session at a time; the service may have room for fewer. */
#define LOOP_INPUT_MAX 512u

STATIC_ASSERT(LOOP_INPUT_MAX <= SERVICE_INPUT_MAX);

/* --- what is ready ------------------------------------------------------------------------------ */

static void ready_signal(struct daemon *daemon)
{
	struct signalfd_siginfo info;

	while (read(daemon->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP) {
			int r = log_reopen();

			if (r < 0)
				log_line(LOG_LEVEL_WARNING, "the log cannot be opened again: %s",
					 strerror(-r));
			continue;
		}
		log_line(LOG_LEVEL_NOTICE, "stopping: signal %" PRIu32, info.ssi_signo);
		daemon->stopping = true;
	}
}

static void ready_register(struct daemon *daemon)
{
	static uint8_t bytes[SERVICE_INPUT_MAX];
	struct event event = {.type = EVENT_REGISTER, .bytes = bytes};
	ptrdiff_t n = fifo_read(daemon->ns.register_fd, bytes, sizeof(bytes));

	if (n <= 0)
		return; /* another turn of the same level; it has no end, as we hold it for writing */
	event.n_bytes = (size_t)n;
	daemon_deliver(daemon, &event);
}

static void ready_input(struct daemon *daemon, uint32_t session)
{
	uint8_t bytes[LOOP_INPUT_MAX];
	struct event event = {.type = EVENT_INPUT, .session = session, .bytes = bytes};
	struct peer *peer = peers_find(&daemon->peers, session);
	size_t room = service_input_room(daemon->service, session);
	ptrdiff_t n;

	/* Without room its requests are pending: they get their turn first. */
	if (!peer || room == 0)
		return;
	n = fifo_read(peer->pair.in_fd, bytes, room < sizeof(bytes) ? room : sizeof(bytes));
	if (n == -EAGAIN)
		return;
	if (n <= 0) {
		daemon_hang_up(daemon, peer);
		daemon_drain(daemon);
		return;
	}
	event.n_bytes = (size_t)n;
	daemon_deliver(daemon, &event);
}

static void ready_output(struct daemon *daemon, uint32_t session)
{
	struct peer *peer = peers_find(&daemon->peers, session);

	if (!peer)
		return;
	if (!peers_flush(&daemon->peers, peer)) {
		daemon_drain(daemon);
	} else if (peer->n_out == 0 && peer->waits) {
		(void)watch_remove(&daemon->watch, peer->pair.out_fd); /* added when it had to wait */
		peer->waits = false;
	}
}

static void ready_process(struct daemon *daemon, uint32_t row)
{
	struct event event = {.type = EVENT_EXITED};
	struct client *client = row < CLIENT_MAX ? daemon->clients.rows[row] : NULL;

	if (!client || client->process_fd < 0 || !clients_have_ended(client))
		return; /* the row has changed hands within this batch */
	event.client = client->client;
	daemon_deliver(daemon, &event);
	/* Settled and forgotten, unless the service had never heard of it. */
	clients_forget(&daemon->clients, event.client);
}

static void loop_ready(struct daemon *daemon, uint64_t token)
{
	switch (token_kind(token)) {
	case TOKEN_SIGNAL:
		ready_signal(daemon);
		break;
	case TOKEN_REGISTER:
		ready_register(daemon);
		break;
	case TOKEN_INPUT:
		ready_input(daemon, token_number(token));
		break;
	case TOKEN_OUTPUT:
		ready_output(daemon, token_number(token));
		break;
	case TOKEN_PROCESS:
		ready_process(daemon, token_number(token));
		break;
	}
}

/* --- time --------------------------------------------------------------------------------------- */

/* What no descriptor tells: an exec after the connection was closed, a process not watched. */
static void tick_client(struct daemon *daemon, struct client *client)
{
	struct event event = {.type = EVENT_EXECED, .client = client->client};

	if (client->process_fd < 0)
		daemon_watch_client(daemon, client);
	else if (client->n_sessions == 0 && clients_have_execed(client, client->ledger_uid))
		daemon_queue(daemon, &event);
}

static void loop_tick(struct daemon *daemon)
{
	static uint32_t n_ticks;
	struct clients *clients = &daemon->clients;
	struct event event = {.type = EVENT_TICK};
	uint32_t n_looked = 0;

	for (uint32_t i = 0; i < clients->n_rows && n_looked < LOOP_CLIENTS_PER_TICK_MAX; i++) {
		struct client *client = clients->rows[daemon->client_cursor++ % clients->n_rows];

		if (!client || (client->process_fd >= 0 && client->n_sessions > 0))
			continue;
		n_looked++;
		tick_client(daemon, client);
	}
	daemon_deliver(daemon, &event);
	clients_keep_spare(clients);
	if (++n_ticks % LOOP_SWEEP_TICKS == 0)
		namespace_sweep(&daemon->ns);
}

/* True while something may change without a descriptor saying so. */
static bool loop_needs_ticks(const struct daemon *daemon)
{
	return daemon->clients.n > 0 || daemon->peers.n > 0 ||
	       registry_count(&daemon->ns.registry, IPC_KIND_SHM) > 0;
}

/* --- the loop ----------------------------------------------------------------------------------- */

static void loop_pending(struct daemon *daemon)
{
	struct event event = {.type = EVENT_INPUT};
	uint8_t none = 0;

	event.bytes = &none;
	for (uint32_t i = 0; i < LOOP_PENDING_PER_TURN_MAX; i++) {
		if (!service_has_pending(daemon->service, &event.session))
			break;
		daemon_deliver(daemon, &event);
	}
}

static int loop_timeout_ms(struct daemon *daemon, uint64_t tick_ns)
{
	uint64_t now_ns = clock_monotonic_ns();
	uint32_t session;

	if (service_has_pending(daemon->service, &session) || now_ns >= tick_ns)
		return 0;
	if (!loop_needs_ticks(daemon))
		return -1;
	return (int)((tick_ns - now_ns) / LOOP_NS_PER_MS) + 1;
}

static int loop_run(struct daemon *daemon)
{
	struct watch_ready ready[WATCH_READY_MAX];
	uint64_t tick_ns = clock_monotonic_ns() + LOOP_TICK_NS;

	while (!daemon->stopping) {
		int n = watch_wait(&daemon->watch, ready, loop_timeout_ms(daemon, tick_ns));

		if (n < 0) {
			log_line(LOG_LEVEL_ERROR, "waiting failed: %s", strerror(-n));
			return DAEMON_EXIT_FAILURE;
		}
		for (int i = 0; i < n; i++)
			loop_ready(daemon, ready[i].token);
		loop_pending(daemon);
		if (clock_monotonic_ns() >= tick_ns) {
			loop_tick(daemon);
			tick_ns = clock_monotonic_ns() + LOOP_TICK_NS;
		}
	}
	return 0;
}

/* --- start and stop ----------------------------------------------------------------------------- */

/* Signals arrive by descriptor; a write to a FIFO without reader is an error and no signal. */
static int start_signals(struct daemon *daemon)
{
	sigset_t signals;

	(void)sigemptyset(&signals); /* these cannot fail */
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGHUP);
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGXFSZ, SIG_IGN) == SIG_ERR ||
	    sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
		return -errno;
	daemon->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (daemon->signal_fd < 0)
		return -errno;
	return watch_add(&daemon->watch, daemon->signal_fd, WATCH_INPUT,
			 token_make(TOKEN_SIGNAL, 0));
}

static void start_limit(int resource)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(resource, &limit); /* then the lower one holds */
}

/* Those who were clients of the daemon before us: watched again, or settled. */
static void start_known_clients(struct daemon *daemon)
{
	struct event event = {.type = EVENT_EXECED};
	struct registry_client known;

	while (service_next_known(daemon->service, &known)) {
		if (clients_load(&daemon->clients, &known) < 0)
			log_line(LOG_LEVEL_ERROR, "no memory for client %016" PRIx64, known.client);
	}
	daemon->knows_clients = true;
	clients_sweep_ledgers(&daemon->clients);
	clients_keep_spare(&daemon->clients);
	if (registry_count(&daemon->ns.registry, IPC_KIND_SHM) > 0 &&
	    !settle_find_orphans(daemon, &(struct process_file){0}))
		daemon->orphans.is_incomplete = true;
	for (uint32_t row = 0; row < daemon->clients.n_rows; row++) {
		struct client *client = daemon->clients.rows[row];

		if (!client)
			continue;
		event.client = client->client;
		daemon_watch_client(daemon, client);
		if (clients_have_execed(client, client->ledger_uid))
			daemon_queue(daemon, &event);
	}
	daemon_drain(daemon);
}

static int start_service(struct daemon *daemon, const char *record)
{
	struct record_header header = {
		.owner_uid = daemon->ns.owner_uid,
		.daemon_pid = (uint32_t)getpid(),
		.monotonic_ns = clock_monotonic_ns(),
		.registry_size = registry_size(),
	};
	int r = 0;

	daemon->service = calloc(1, service_size());
	if (!daemon->service) {
		log_line(LOG_LEVEL_ERROR, "no memory for the service");
		return -ENOMEM;
	}
	daemon->clients.ledgers_fd = daemon->ns.ledgers_fd;
	storage_init(daemon);
	huge_open(&daemon->huge, &daemon->ns);
	registry_write_huge(&daemon->ns.registry, daemon->huge.exponent);
	storage_check(daemon);
	if (record)
		r = recorder_open(&daemon->recorder, record, &daemon->ns.registry, &header);
	if (r < 0)
		return r;
	service_start(daemon->service, &daemon->ns.registry,
		      recorder_storage(&daemon->recorder, &daemon->storage), header.owner_uid,
		      header.daemon_pid, header.monotonic_ns);
	storage_sweep(daemon);
	start_known_clients(daemon);
	namespace_sweep(&daemon->ns);
	return 0;
}

static int start_pidfile(const char *path)
{
	FILE *file = path ? fopen(path, "we") : NULL;
	bool written = file && fprintf(file, "%d\n", (int)getpid()) > 0;

	if (file && fclose(file) != 0)
		written = false;
	if (path && !written) {
		log_line(LOG_LEVEL_ERROR, "%s: cannot be written: %s", path, strerror(errno));
		return -EIO;
	}
	return 0;
}

/* In the background nobody reads standard error any more. */
static int start_detach(const struct daemon *daemon)
{
	char path[PATH_MAX + sizeof("/log")];
	int r = 0;
	int null;

	(void)snprintf(path, sizeof(path), "%s/log", daemon->ns.path);
	if (!log_has_file())
		r = log_open(path);
	if (r < 0)
		return r;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(null, STDERR_FILENO) < 0)
		return -errno;
	(void)close(null); /* its copies remain */
	return 0;
}

static void start_report(int ready_fd)
{
	static const char line[] = "ready\n";
	ssize_t n;

	if (ready_fd < 0)
		return;
	n = write(ready_fd, line, sizeof(line) - 1);
	(void)n; /* who does not read it does not want to know */
	(void)close(ready_fd); /* a pipe */
}

static int daemon_start(struct daemon *daemon, const struct daemon_options *options)
{
	int r;

	(void)umask(0); /* every mode is meant as it is written */
	start_limit(RLIMIT_NOFILE);
	start_limit(RLIMIT_FSIZE);
	r = fault_init();
	if (r == 0)
		r = watch_open(&daemon->watch);
	if (r == 0)
		r = start_signals(daemon);
	if (r < 0) {
		log_line(LOG_LEVEL_ERROR, "cannot start: %s", strerror(-r));
		return r;
	}
	r = namespace_open(&daemon->ns, options->dir, options->mode);
	if (r == 0)
		r = start_service(daemon, options->record);
	if (r == 0)
		r = start_pidfile(options->pidfile);
	if (r == 0)
		r = namespace_publish(&daemon->ns);
	if (r == 0)
		r = watch_add(&daemon->watch, daemon->ns.register_fd, WATCH_INPUT,
			      token_make(TOKEN_REGISTER, 0));
	if (r < 0)
		return r;
	log_line(LOG_LEVEL_NOTICE, "usysvd " USYSV_VERSION " serves %s, %s", daemon->ns.path,
		 daemon->ns.shared ? "for all users" : "for its owner");
	if (options->detach)
		r = start_detach(daemon);
	if (r < 0)
		log_line(LOG_LEVEL_ERROR, "cannot go into the background: %s", strerror(-r));
	else
		start_report(options->ready_fd);
	return r;
}

static int daemon_exit_status(int r)
{
	switch (r) {
	case 0:
		return 0;
	case -EEXIST:
		return DAEMON_EXIT_SERVED;
	case -EPROTO:
		return DAEMON_EXIT_VERSION;
	default:
		return DAEMON_EXIT_FAILURE;
	}
}

int daemon_run(const struct daemon_options *options)
{
	static struct daemon daemon;
	int status;

	daemon.ns = NAMESPACE_NONE;
	daemon.watch.epoll_fd = -1;
	daemon.signal_fd = -1;
	status = daemon_exit_status(daemon_start(&daemon, options));
	if (status == 0)
		status = loop_run(&daemon);
	recorder_close(&daemon.recorder);
	/* First what tells clients that nobody is here: the register FIFO, then theirs. */
	namespace_close(&daemon.ns);
	huge_close(&daemon.huge);
	peers_clear(&daemon.peers);
	clients_clear(&daemon.clients);
	if (options->pidfile && status == 0)
		(void)unlink(options->pidfile); /* may be gone */
	free(daemon.events.list);
	free(daemon.service);
	if (daemon.signal_fd >= 0)
		(void)close(daemon.signal_fd); /* nothing to flush */
	watch_close(&daemon.watch);
	return status;
}

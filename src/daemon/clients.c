/* clients.c: known processes and their ledger files. */
#include "daemon/clients.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/fault.h"
#include "sys/status.h"
#include "sys/log.h"
#include "sys/map.h"
#include "sys/watch.h"

#define LEDGER_NAME_SIZE 17u

/* Name of a ledger that is not complete. */
#define LEDGER_INTERIM "new"

/*
 * Storage kept for when the file system is full, so that those who free some can still become clients.
 * Given up in pieces, one for each ledger that fails.
 */
#define LEDGER_SPARE "spare"
#define LEDGER_SPARE_SIZE (256 * 1024)
#define LEDGER_SPARE_PIECE 8192

/* The header, which the daemon writes; what follows is the owner's to back as it needs it. */
#define LEDGER_RESERVE 4096

uint32_t client_row(uint64_t client)
{
	return (uint32_t)(client & 0xffffu) - 1u;
}

static void client_ledger_name(uint64_t client, char ret_name[LEDGER_NAME_SIZE])
{
	(void)snprintf(ret_name, LEDGER_NAME_SIZE, "%016" PRIx64, client);
}

struct client *clients_find(const struct clients *clients, uint64_t client)
{
	uint32_t row = client_row(client);

	if (row >= CLIENT_MAX || !clients->rows[row] || clients->rows[row]->client != client)
		return NULL;
	return clients->rows[row];
}

static void client_close(struct client *client)
{
	clients_lose_ledger(client);
	if (client->process_fd >= 0)
		(void)close(client->process_fd); /* nothing to flush; leaves the watch */
	client->process_fd = -1;
}

/* The entry for an identity, made if need be; an older holder of its row goes. */
static struct client *clients_take(struct clients *clients, const struct registry_client *known)
{
	uint32_t row = client_row(known->client);
	struct client *client;

	if (row >= CLIENT_MAX)
		return NULL;
	client = clients->rows[row];
	if (client && client->client == known->client)
		return client;
	if (client)
		clients_forget(clients, client->client);
	client = calloc(1, sizeof(*client));
	if (!client)
		return NULL;
	client->client = known->client;
	client->pid = known->pid;
	client->start_time = known->start_time;
	client->process_fd = -1;
	clients->rows[row] = client;
	clients->n++;
	if (row >= clients->n_rows)
		clients->n_rows = row + 1;
	return client;
}

void clients_lose_ledger(struct client *client)
{
	map_close(client->ledger.base, client->ledger.size);
	client->ledger = (struct ledger){0};
}

/* What a ledger notes of sets and queues, carried from one file to another. */
struct client_uses {
	struct ledger *from;
	struct ledger *to;
};

static void client_copy_uses(void *context)
{
	struct client_uses *uses = context;
	enum ipc_kind kind;
	int32_t id;

	for (uint32_t i = 0; i < LEDGER_USES_MAX; i++) {
		if (!ledger_use_read(uses->from, i, &kind, &id))
			break;
		ledger_use(uses->to, kind, id);
	}
	if (!ledger_uses_overflowed(uses->from))
		return;
	/* Ids nobody has fill the table until it says of itself that it is not complete. */
	for (int32_t extra = INT32_MAX; !ledger_uses_overflowed(uses->to); extra--) {
		if (extra < INT32_MAX - (int32_t)LEDGER_USES_MAX)
			break;
		ledger_use(uses->to, IPC_KIND_SEM, extra);
	}
}

/* Formats the mapping; runs where a full file system can be met. */
struct client_format {
	void *base;
	uint64_t client;
	uint32_t pid;
};

static void client_format_ledger(void *context)
{
	struct client_format *format = context;

	ledger_format(format->base, format->client, format->pid);
}

/* A fresh ledger under an interim name, mapped; nobody else knows of it. */
static int client_make_file(int ledgers_fd, const char *name, const struct registry_client *known,
			    struct client *ret_client)
{
	struct client_format format = {.client = known->client, .pid = known->pid};
	struct file_status status = {0};
	int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
	int fd = openat(ledgers_fd, name, flags, 0600);
	int r = 0;

	if (fd < 0 && errno == EEXIST) {
		(void)unlinkat(ledgers_fd, name, 0); /* of one that was cut short */
		fd = openat(ledgers_fd, name, flags, 0600);
	}
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)ledger_size()) < 0)
		r = -errno;
	if (r == 0 && fallocate(fd, 0, 0, LEDGER_RESERVE) < 0 && errno != EOPNOTSUPP)
		r = -errno;
	if (r == 0)
		r = file_status(fd, &status);
	if (r == 0)
		r = map_file(fd, ledger_size(), true, &format.base);
	(void)close(fd); /* the mapping remains */
	if (r == 0 && !fault_run(client_format_ledger, &format))
		r = -ENOSPC;
	if (r == 0 && ledger_bind(&ret_client->ledger, format.base, ledger_size()) != 0)
		r = -EIO;
	if (r < 0)
		map_close(format.base, ledger_size());
	ret_client->ledger_file.inode = status.inode;
	return r;
}

/* Puts it in place of what the client had, and gives it to its owner. */
static int client_place_file(int ledgers_fd, const char *interim, struct client *made, uint32_t gid)
{
	/* Its owner's group means nothing with mode 0600. */
	if (made->ledger_uid != geteuid() &&
	    fchownat(ledgers_fd, interim, made->ledger_uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (renameat(ledgers_fd, interim, ledgers_fd, made->ledger_file.name) < 0)
		return -errno;
	return 0;
}

void clients_keep_spare(struct clients *clients)
{
	int fd;

	if (clients->n_spare == LEDGER_SPARE_SIZE)
		return;
	fd = openat(clients->ledgers_fd, LEDGER_SPARE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	if (fallocate(fd, 0, 0, LEDGER_SPARE_SIZE) == 0)
		clients->n_spare = LEDGER_SPARE_SIZE;
	(void)close(fd); /* what there is of it is used */
}

/* True if some of it could be given up, and what failed may be tried again. */
static bool clients_give_spare(struct clients *clients)
{
	bool is_given = false;
	int fd;

	if (clients->n_spare < LEDGER_SPARE_PIECE)
		return false;
	fd = openat(clients->ledgers_fd, LEDGER_SPARE, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	clients->n_spare -= LEDGER_SPARE_PIECE;
	is_given = ftruncate(fd, clients->n_spare) == 0;
	(void)close(fd); /* nothing was written */
	return is_given;
}

int clients_make_ledger(struct clients *clients, const struct registry_client *known, uint32_t gid)
{
	bool is_new = !clients_find(clients, known->client);
	struct client *client = clients_take(clients, known);
	struct client made = {.ledger_uid = known->uid};
	struct client_uses uses = {.to = &made.ledger};
	int r;

	if (!client)
		return -ENOMEM;
	uses.from = &client->ledger;
	client_ledger_name(known->client, made.ledger_file.name);
	do {
		r = client_make_file(clients->ledgers_fd, LEDGER_INTERIM, known, &made);
	} while (r == -ENOSPC && clients_give_spare(clients));
	if (r == 0 && client->ledger.base && !fault_run(client_copy_uses, &uses))
		log_line(LOG_LEVEL_WARNING, "client %016" PRIx64 " pid %" PRIu32
			 ": its ledger was cut short", known->client, known->pid);
	if (r == 0)
		r = client_place_file(clients->ledgers_fd, LEDGER_INTERIM, &made, gid);
	if (r < 0) {
		clients_lose_ledger(&made);
		(void)unlinkat(clients->ledgers_fd, LEDGER_INTERIM, 0); /* may not be there */
		if (is_new)
			clients_forget(clients, known->client);
		return r;
	}
	clients_lose_ledger(client);
	client->ledger = made.ledger;
	client->ledger_file = made.ledger_file;
	client->ledger_uid = made.ledger_uid;
	client->is_execed = false;
	client->asked = 0;
	return 0;
}

/* Reads the magic of a file that may have been cut. */
struct client_bind {
	struct ledger *ledger;
	void *base;
	uint64_t size;
	int result;
};

static void client_bind_ledger(void *context)
{
	struct client_bind *bind = context;

	bind->result = ledger_bind(bind->ledger, bind->base, bind->size);
}

static void client_load_ledger(int ledgers_fd, struct client *client)
{
	struct client_bind bind = {.ledger = &client->ledger, .size = ledger_size()};
	struct file_status status = {0};
	int fd;
	int r;

	client_ledger_name(client->client, client->ledger_file.name);
	fd = openat(ledgers_fd, client->ledger_file.name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	r = file_status(fd, &status);
	if (r == 0 && (!S_ISREG(status.mode) || status.size < ledger_size()))
		r = -EIO;
	if (r == 0)
		r = map_file(fd, ledger_size(), true, &bind.base);
	(void)close(fd); /* the mapping remains */
	if (r == 0 && (!fault_run(client_bind_ledger, &bind) || bind.result != 0)) {
		map_close(bind.base, bind.size);
		client->ledger = (struct ledger){0};
	}
	client->ledger_file.inode = status.inode;
	client->ledger_uid = status.uid;
}

int clients_load(struct clients *clients, const struct registry_client *known)
{
	struct client *client = clients_take(clients, known);

	if (!client)
		return -ENOMEM;
	client_load_ledger(clients->ledgers_fd, client);
	if (!client->ledger.base)
		log_line(LOG_LEVEL_WARNING, "client %016" PRIx64 " pid %" PRIu32
			 ": its ledger is gone or damaged", known->client, known->pid);
	return 0;
}

int clients_open_process(struct client *client)
{
	uint64_t start_time = 0;
	int fd = watch_process_open(client->pid);
	int r;

	if (fd < 0)
		return fd;
	/* Only now that the number cannot be given to another one does the start time prove it. */
	r = process_start_time(client->pid, &start_time);
	if (r == 0 && (start_time != client->start_time || watch_process_ended(fd)))
		r = -ESRCH;
	if (r < 0) {
		(void)close(fd); /* nothing to flush */
		return r;
	}
	if (client->process_fd >= 0)
		(void)close(client->process_fd); /* likewise */
	client->process_fd = fd;
	return 0;
}

void clients_forget(struct clients *clients, uint64_t client)
{
	struct client *entry = clients_find(clients, client);
	char name[LEDGER_NAME_SIZE];

	client_ledger_name(client, name);
	(void)unlinkat(clients->ledgers_fd, name, 0); /* it may never have had one */
	if (!entry)
		return;
	client_close(entry);
	clients->rows[client_row(client)] = NULL;
	clients->n--;
	free(entry);
}

void clients_clear(struct clients *clients)
{
	for (uint32_t row = 0; row < clients->n_rows; row++) {
		if (!clients->rows[row])
			continue;
		client_close(clients->rows[row]);
		free(clients->rows[row]);
		clients->rows[row] = NULL;
	}
	clients->n_rows = 0;
	clients->n = 0;
}

void clients_sweep_ledgers(struct clients *clients)
{
	int fd = openat(clients->ledgers_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	char *end;

	if (!dir) {
		if (fd >= 0)
			(void)close(fd); /* only read */
		return;
	}
	while ((entry = readdir(dir))) {
		uint64_t client = strtoull(entry->d_name, &end, 16);

		if (strlen(entry->d_name) != LEDGER_NAME_SIZE - 1 || *end)
			continue;
		if (!clients_find(clients, client))
			(void)unlinkat(clients->ledgers_fd, entry->d_name, 0); /* tidiness only */
	}
	(void)closedir(dir); /* only read */
}

void clients_note_stead(struct client *client, enum ipc_kind kind, int32_t id)
{
	uint64_t object = (uint64_t)kind << 32 | (uint32_t)id;
	uint32_t n = client->n_steads;

	for (uint32_t i = 0; i < n && i < CLIENT_STEADS_MAX; i++) {
		if (client->steads[i] == object)
			return;
	}
	if (n < CLIENT_STEADS_MAX)
		client->steads[n] = object;
	if (n <= CLIENT_STEADS_MAX)
		client->n_steads++;
}

bool clients_have_ended(const struct client *client)
{
	uint64_t start_time = 0;

	if (client->process_fd >= 0)
		return watch_process_ended(client->process_fd);
	return process_start_time(client->pid, &start_time) < 0 || start_time != client->start_time;
}

/* Looks whether anything was ever written there. */
struct client_look {
	const struct ledger *ledger;
	bool is_used;
};

static void client_look_at_ledger(void *context)
{
	struct client_look *look = context;
	enum ipc_kind kind;
	uint32_t pid;
	int32_t id;

	look->is_used = ledger_attach_count(look->ledger) > 0 ||
			ledger_use_read(look->ledger, 0, &kind, &id) ||
			ledger_child_read(look->ledger, 0, &pid);
}

bool clients_have_execed(const struct client *client, uint32_t uid)
{
	struct client_look look = {.ledger = &client->ledger, .is_used = true};
	uint32_t n = 0;

	if (client->ledger_file.inode == 0 || clients_have_ended(client))
		return false;
	/*
	 * Between its welcome and its first use a process does not map its ledger either; then
	 * there is nothing to take away from it.  A ledger that cannot be read counts as used.
	 */
	if (client->ledger.base)
		(void)fault_run(client_look_at_ledger, &look);
	if (!look.is_used && uid == client->ledger_uid)
		return false;
	return process_count_mappings(client->pid, &client->ledger_file, 1, &n) == 0 && n == 0;
}

bool clients_speak(const struct clients *clients, struct client *client)
{
	if (client->asked != clients->round)
		client->speaks = ledger_speaks(&client->ledger);
	client->asked = clients->round;
	return client->speaks;
}

/* Asks a ledger that may have been cut. */
struct client_ask {
	const struct clients *clients;
	struct client *client;
	bool speaks;
};

static void client_ask_ledger(void *context)
{
	struct client_ask *ask = context;

	ask->speaks = clients_speak(ask->clients, ask->client);
}

bool clients_speak_for(const struct clients *clients, const struct registry *registry, uint32_t pid)
{
	struct client_ask ask = {.clients = clients};
	struct registry_client known;

	if (registry_find_pid(registry, pid, &known))
		ask.client = clients_find(clients, known.client);
	return ask.client && ask.client->ledger.base && fault_run(client_ask_ledger, &ask) && ask.speaks;
}

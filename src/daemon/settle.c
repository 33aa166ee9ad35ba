/*
 * settle.c: what processes hold: attachments added up, and everything of one that has ended.
 *
 * A ledger is written by its process, which may be hostile: it is read inside fault_run(), each
 * loop over it is bounded by its tables, and what it says concerns nobody but its owner: recovering
 * an object for a client touches only what belongs to that client.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "daemon/storage.h"
#include "sys/clock.h"
#include "sys/fault.h"
#include "sys/status.h"
#include "sys/log.h"

/* Forked children looked at in one sum; each is a list of mappings to read. */
#define SETTLE_CHILDREN_MAX 2048u

/* Rows of children beyond which those that are gone are cleared: their parent does not wait. */
#define SETTLE_CHILDREN_KEPT 1024u

/* --- the sum ----------------------------------------------------------------------------------- */

/* Adding up one segment over all ledgers; goes on at row after a ledger that faulted. */
struct settle_sum {
	struct daemon *daemon;
	int32_t shmid;
	struct process_file file;
	uint32_t row;
	uint32_t n_children;
	struct ledger_sum total;
};

static void sum_add(struct ledger_sum *total, const struct ledger_sum *one)
{
	/* Ledgers may say anything; what they say together must not become zero. */
	if (one->n_attached > UINT32_MAX - total->n_attached)
		total->n_attached = UINT32_MAX;
	else
		total->n_attached += one->n_attached;
	if (one->attach_ns > total->attach_ns) {
		total->attach_ns = one->attach_ns;
		total->attach_pid = one->attach_pid;
	}
	if (one->detach_ns > total->detach_ns) {
		total->detach_ns = one->detach_ns;
		total->detach_pid = one->detach_pid;
	}
}

/* Attachments of one forked process that its parent has noted. */
static uint32_t sum_child(struct settle_sum *sum, struct client *parent, uint32_t child_row,
			  uint32_t pid)
{
	struct daemon *daemon = sum->daemon;
	uint32_t n = 0;
	int r;

	if (clients_speak_for(&daemon->clients, &daemon->ns.registry, pid)) {
		ledger_child_forget(&parent->ledger, pid);
		return 0;
	}
	if (sum->n_children++ >= SETTLE_CHILDREN_MAX)
		return 0;
	r = process_count_mappings(pid, &sum->file, 1, &n);
	if (r == -ENOENT && child_row >= SETTLE_CHILDREN_KEPT)
		ledger_child_forget(&parent->ledger, pid);
	return r == 0 ? n : 0;
}

static uint32_t sum_children(struct settle_sum *sum, struct client *parent, uint32_t n_own)
{
	uint32_t total = 0;
	uint32_t pid = 0;

	for (uint32_t i = 0; i < LEDGER_CHILDREN_MAX; i++) {
		if (!ledger_child_read(&parent->ledger, i, &pid))
			break;
		if (pid == UINT32_MAX)
			total += n_own; /* a fork under way: the child may be there already */
		else if (pid != 0)
			total += sum_child(sum, parent, i, pid);
	}
	return total;
}

/* An exec nobody has told of, because the connection had been closed before. */
static bool sum_is_stale(struct settle_sum *sum, struct client *client)
{
	struct event event = {.type = EVENT_EXECED, .client = client->client};

	if (client->n_sessions > 0 || !clients_have_execed(client, client->ledger_uid))
		return false;
	daemon_queue(sum->daemon, &event);
	return true;
}

static void sum_client(struct settle_sum *sum, struct client *client)
{
	struct ledger_sum one = {0};
	uint32_t n_children = 0;

	ledger_sum(&client->ledger, sum->shmid, false, &one);
	if (one.n_attached > 0 && (clients_have_ended(client) || sum_is_stale(sum, client)))
		one.n_attached = 0; /* its end is being told; the attachments ended with it */
	else if (ledger_attach_count(&client->ledger) > 0)
		n_children = sum_children(sum, client, one.n_attached);
	sum_add(&sum->total, &one);
	sum_add(&sum->total, &(struct ledger_sum){.n_attached = n_children});
}

static void sum_clients(void *context)
{
	struct settle_sum *sum = context;
	struct clients *clients = &sum->daemon->clients;

	for (; sum->row < clients->n_rows; sum->row++) {
		struct client *client = clients->rows[sum->row];

		if (client && client->ledger.base)
			sum_client(sum, client);
	}
}

/* True if some process has the segment mapped: each mapping holds a shared lock of the file. */
static bool sum_is_locked(int fd)
{
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK;
	return false; /* closing the descriptor gives the lock back */
}

/*
 * Nobody admits to having it: the lock knows better.  Then it is somebody's child whose parent is
 * gone; /proc is searched for it, not more than once a second, because who only holds the lock can
 * make us come here.
 */
static uint32_t sum_unknown(struct settle_sum *sum)
{
	static int64_t searched_s;
	struct daemon *daemon = sum->daemon;
	int64_t now_s = (int64_t)(clock_monotonic_ns() / 1000000000u);
	uint32_t n = 0;

	if (now_s != searched_s) {
		searched_s = now_s;
		orphans_search(&daemon->orphans, &daemon->ns.registry, &sum->file, NULL);
		n = orphans_count(&daemon->orphans, &daemon->clients, &daemon->ns.registry,
				  &sum->file);
	}
	return u32_max(n, 1);
}

int settle_attach_sum(void *context, int32_t shmid, struct ledger_sum *ret_sum)
{
	struct daemon *daemon = context;
	struct settle_sum sum = {.daemon = daemon, .shmid = shmid};
	struct file_status status = {0};
	struct ledger_sum orphans = {0};
	int fd = storage_open(daemon, IPC_KIND_SHM, shmid, O_RDONLY);
	int r;

	if (fd < 0)
		return fd == -ENOENT ? EIDRM : EIO;
	r = file_status(fd, &status);
	if (r < 0) {
		(void)close(fd); /* only looked at */
		return EIO;
	}
	sum.file.inode = status.inode;
	storage_name(IPC_KIND_SHM, shmid, sum.file.name);
	while (!fault_run(sum_clients, &sum)) {
		struct client *client = daemon->clients.rows[sum.row++];

		log_line(LOG_LEVEL_WARNING, "client %016" PRIx64 " pid %" PRIu32
			 ": its ledger was cut short", client->client, client->pid);
		clients_lose_ledger(client);
	}
	orphans.n_attached = orphans_count(&daemon->orphans, &daemon->clients,
					   &daemon->ns.registry, &sum.file);
	sum_add(&sum.total, &orphans);
	if (sum.total.n_attached == 0 && sum_is_locked(fd))
		sum.total.n_attached = sum_unknown(&sum);
	(void)close(fd); /* only looked at, and locked */
	*ret_sum = sum.total;
	return 0;
}

/* --- the end of a process ---------------------------------------------------------------------- */

struct settle_use {
	enum ipc_kind kind;
	int32_t id;
};

/* What is taken out of a ledger before anything is done with it. */
struct settle_take {
	struct client *client;
	uint64_t now_ns;
	bool overflowed;
	uint32_t n_uses;
	uint32_t n_attaches;
	uint32_t n_children;
	struct settle_use uses[LEDGER_USES_MAX];
	struct ledger_attach attaches[LEDGER_ATTACH_MAX];
	uint32_t children[LEDGER_CHILDREN_MAX];
};

static void settle_take(void *context)
{
	struct settle_take *take = context;
	struct ledger *ledger = &take->client->ledger;
	uint32_t pid = 0;

	take->overflowed = ledger_uses_overflowed(ledger);
	while (take->n_uses < LEDGER_USES_MAX) {
		struct settle_use *use = &take->uses[take->n_uses];

		if (!ledger_use_read(ledger, take->n_uses, &use->kind, &use->id))
			break;
		take->n_uses++;
	}
	for (uint32_t i = 0; i < LEDGER_CHILDREN_MAX; i++) {
		if (!ledger_child_read(ledger, i, &pid))
			break;
		if (pid != 0 && pid != UINT32_MAX)
			take->children[take->n_children++] = pid;
	}
	ledger_detach_all(ledger, take->now_ns);
	for (uint32_t i = 0; i < LEDGER_ATTACH_MAX; i++) {
		struct ledger_attach *attach = &take->attaches[take->n_attaches];

		if (!ledger_attach_read(ledger, i, attach))
			break;
		take->n_attaches += attach->state == LEDGER_DETACHED;
	}
}

static int settle_compare(const void *a, const void *b)
{
	const struct ledger_attach *one = a;
	const struct ledger_attach *other = b;

	return (one->shmid > other->shmid) - (one->shmid < other->shmid);
}

/* One event a segment, with the stamps of all attachments to it. */
static void settle_tell(struct daemon *daemon, struct settle_take *take)
{
	struct event event = {.type = EVENT_DETACHED};

	qsort(take->attaches, take->n_attaches, sizeof(take->attaches[0]), settle_compare);
	for (uint32_t i = 0; i < take->n_attaches; i++) {
		const struct ledger_attach *attach = &take->attaches[i];
		struct ledger_sum one = {
			.attach_ns = attach->attach_ns,
			.detach_ns = attach->detach_ns,
			.attach_pid = take->client->pid,
			.detach_pid = attach->pid != 0 ? attach->pid : take->client->pid,
		};

		event.shmid = attach->shmid;
		sum_add(&event.sum, &one);
		if (i + 1 < take->n_attaches && take->attaches[i + 1].shmid == attach->shmid)
			continue;
		daemon_queue(daemon, &event);
		event.sum = (struct ledger_sum){0};
	}
}

/* Index of any object, or one id in particular. */
static void settle_object(struct daemon *daemon, const struct actor *actor, enum ipc_kind kind,
			  uint32_t index, int32_t id)
{
	struct registry_object object;
	struct storage_job job = {
		.work = STORAGE_RECOVER,
		.kind = kind,
		.object = &object,
		.actor = *actor,
	};

	if (kind == IPC_KIND_SHM ||
	    registry_get_index(&daemon->ns.registry, kind, index, &object) != 0)
		return;
	if (id < 0 || object.id == id)
		(void)storage_work(daemon, &job); /* a damaged one holds nothing to be had */
}

/* Sets and queues the process used; all there are when nobody knows which. */
static void settle_objects(struct daemon *daemon, const struct settle_take *take, bool all,
			   const struct actor *actor)
{
	static const enum ipc_kind kinds[] = {IPC_KIND_SEM, IPC_KIND_MSG};

	for (uint32_t i = 0; i < take->n_uses && !all; i++)
		settle_object(daemon, actor, take->uses[i].kind,
			      (uint32_t)take->uses[i].id & ABI_INDEX_MASK, take->uses[i].id);
	for (uint32_t k = 0; k < ARRAY_SIZE(kinds) && all; k++) {
		uint32_t index_max = registry_index_max(&daemon->ns.registry, kinds[k]);

		for (uint32_t index = 0; index <= index_max; index++)
			settle_object(daemon, actor, kinds[k], index, -1);
	}
}

void settle_client(void *context, uint64_t client, uint32_t pid, bool dead)
{
	static struct settle_take take;
	struct daemon *daemon = context;
	struct actor actor = {.client = client, .pid = pid, .now_s = clock_now_s()};
	struct client *entry = clients_find(&daemon->clients, client);
	bool known = entry && entry->ledger.base;

	take.client = entry;
	take.now_ns = clock_now_ns();
	take.overflowed = false;
	take.n_uses = 0;
	take.n_attaches = 0;
	take.n_children = 0;
	if (known && !fault_run(settle_take, &take)) {
		log_line(LOG_LEVEL_WARNING, "client %016" PRIx64 " pid %" PRIu32
			 ": its ledger was cut short", client, pid);
		clients_lose_ledger(entry);
		known = false;
	}
	for (uint32_t i = 0; i < take.n_children; i++) {
		if (!clients_speak_for(&daemon->clients, &daemon->ns.registry, take.children[i]))
			orphans_add(&daemon->orphans, take.children[i]);
	}
	if (dead)
		settle_objects(daemon, &take, !known || take.overflowed, &actor);
	if (take.n_attaches > 0)
		settle_tell(daemon, &take);
}

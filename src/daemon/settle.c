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
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "daemon/storage.h"
#include "sys/clock.h"
#include "sys/fault.h"
#include "sys/status.h"
#include "sys/log.h"

/* Forked children looked at in one sum; each is a list of mappings to read. */
#define SETTLE_CHILDREN_MAX 2048u

/* Our own time for children's lists in one sum; the others count as many as their parent has. */
#define SETTLE_LOOK_NS 200000000u

/* Searches of all processes in a second: each is a list of mappings for every one of them. */
#define SETTLE_SEARCHES_PER_SECOND_MAX 16u

/* --- the sum ----------------------------------------------------------------------------------- */

/* Adding up one segment over all ledgers; goes on at row after a ledger that faulted. */
struct settle_sum {
	struct daemon *daemon;
	int32_t shmid;
	struct process_file file;
	uint32_t row;
	uint32_t n_children;
	bool is_cut;       /* no more lists: one was too long, or all together took too much time */
	uint64_t begin_ns; /* of our own time, when the first one was looked at */
	bool is_mapped; /* by anybody: otherwise there is no child to look for */
	bool is_kept;   /* if not mapped: by a child that nobody has told of, perhaps */
	bool is_last;   /* it goes if there is nobody */
	struct ipc_owner owner;
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

/* Whoever writes a ledger says whose lists are read here, and how long they are is up to him, too. */
static bool sum_may_look(struct settle_sum *sum)
{
	struct timespec now = {0};
	uint64_t now_ns;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); /* always exists */
	now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	if (sum->begin_ns == 0)
		sum->begin_ns = now_ns;
	if (now_ns - sum->begin_ns > SETTLE_LOOK_NS)
		sum->is_cut = true;
	return !sum->is_cut;
}

/*
 * Mappings of a living client's child that does not speak for itself; n_own: its parent's, of which it
 * has inherited some.  0 or -errno.
 */
static int sum_silent(struct settle_sum *sum, uint32_t pid, uint32_t n_own, uint32_t *ret_n)
{
	int r = -EAGAIN;

	*ret_n = 0;
	orphans_forget(&sum->daemon->orphans, pid);
	if (sum_may_look(sum))
		r = process_count_mappings(pid, &sum->file, 1, ret_n);
	if (r != -EAGAIN)
		return r;
	sum->is_cut = true;
	if (kill((pid_t)pid, 0) < 0 && errno == ESRCH)
		return -ENOENT;
	*ret_n = u32_max(n_own, 1); /* as most of them have */
	return 0;
}

/* Attachments of one forked process that its parent has noted. */
static uint32_t sum_child(struct settle_sum *sum, struct client *parent, uint32_t pid, uint32_t n_own)
{
	struct daemon *daemon = sum->daemon;
	uint32_t n = 0;
	int r;

	if (sum->n_children++ >= SETTLE_CHILDREN_MAX)
		return 0;
	if (clients_speak_for(&daemon->clients, &daemon->ns.registry, pid)) {
		ledger_child_forget(&parent->ledger, pid);
		return 0;
	}
	r = sum_silent(sum, pid, n_own, &n);
	if (r == -ENOENT)
		(void)ledger_child_reaped(&parent->ledger, pid, clock_now_ns()); /* if not yet */
	return r == 0 ? n : 0;
}

static bool sum_is_noted(const struct client *parent, uint32_t pid)
{
	uint32_t noted = 0;

	for (uint32_t i = 0; i < LEDGER_CHILDREN_MAX; i++) {
		if (!ledger_child_read(&parent->ledger, i, &noted))
			break;
		if (noted == pid)
			return true;
	}
	return false;
}

/*
 * A fork under way: the child may be there already, may even have become a client, and its parent may
 * be stopped before it notes it.
 */
static uint32_t sum_forking(struct settle_sum *sum, struct client *parent, uint32_t n_own)
{
	static uint32_t pids[SETTLE_CHILDREN_MAX];
	struct daemon *daemon = sum->daemon;
	uint32_t n_pids = 0;
	uint32_t total = 0;

	if (process_children(parent->pid, pids, ARRAY_SIZE(pids), &n_pids) < 0)
		return n_own;
	for (uint32_t i = 0; i < n_pids && sum->n_children++ < SETTLE_CHILDREN_MAX; i++) {
		uint32_t n = 0;

		if (!sum_is_noted(parent, pids[i]) &&
		    !clients_speak_for(&daemon->clients, &daemon->ns.registry, pids[i]) &&
		    sum_silent(sum, pids[i], n_own, &n) == 0)
			total += n;
	}
	return total;
}

static uint32_t sum_children(struct settle_sum *sum, struct client *parent, uint32_t n_own)
{
	uint32_t total = 0;
	uint32_t pid = 0;

	for (uint32_t i = 0; i < LEDGER_CHILDREN_MAX; i++) {
		if (!ledger_child_read(&parent->ledger, i, &pid))
			break;
		if (pid == UINT32_MAX)
			total += sum_forking(sum, parent, n_own);
		else if (pid != 0)
			total += sum_child(sum, parent, pid, n_own);
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

/* Whether somebody who is no guest of a group may have opened the segment's file at some time. */
static bool sum_is_likely(const struct settle_sum *sum, const struct client *client)
{
	const struct ipc_owner *owner = &sum->owner;

	return client->ledger_uid == 0 || client->ledger_uid == owner->uid ||
	       client->ledger_uid == owner->cuid || (owner->mode & 044u) != 0;
}

/*
 * What a ledger says of a segment that its owner cannot have opened: true only of mappings from
 * before it gave up its privileges, or before the mode was changed; and those can be seen.
 */
static void sum_doubt(const struct settle_sum *sum, const struct client *client, uint32_t *n_attached)
{
	uint32_t n = 0;

	if (*n_attached == 0 || sum_is_likely(sum, client))
		return;
	if (sum->is_mapped && process_count_mappings(client->pid, &sum->file, 1, &n) < 0)
		n = 0;
	*n_attached = u32_min(*n_attached, n);
}

static bool sum_has_children(const struct client *client)
{
	uint32_t pid = 0;

	for (uint32_t i = 0; i < LEDGER_CHILDREN_MAX; i++) {
		if (!ledger_child_read(&client->ledger, i, &pid))
			break;
		if (pid != 0)
			return true;
	}
	return false;
}

/* Notes whom the sum depends on: who has some, or whose child's end may stamp what he has detached. */
static void sum_note_part(struct settle_parts *parts, const struct client *client,
			  const struct ledger_sum *one)
{
	if (one->n_attached == 0 && ((one->attach_ns | one->detach_ns) == 0 || !sum_has_children(client)))
		return;
	parts->has_others = parts->has_others || parts->client != 0;
	parts->client = client->client;
	parts->n_own = one->n_attached;
}

static void sum_client(struct settle_sum *sum, struct client *client)
{
	struct ledger_sum one = {0};
	uint32_t n_children = 0;

	if (clients_speak(&sum->daemon->clients, client))
		ledger_sum(&client->ledger, sum->shmid, &one);
	sum_note_part(&sum->daemon->parts, client, &one);
	sum_doubt(sum, client, &one.n_attached);
	if (one.n_attached > 0 && (clients_have_ended(client) || sum_is_stale(sum, client)))
		one.n_attached = 0; /* its end is being told; the attachments ended with it */
	else if (sum->is_mapped && (one.n_attached > 0 || sum_is_likely(sum, client)))
		n_children = sum_children(sum, client, one.n_attached); /* it may have detached since */
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
	return false; /* now it is ours */
}

/* True if some process keeps the file open (client/backing.c). */
static bool sum_is_kept(int fd)
{
	struct flock look = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = SHM_KEPT_OFFSET, .l_len = 1 };

	return fcntl(fd, F_OFD_GETLK, &look) < 0 || look.l_type != F_UNLCK;
}

bool settle_find_orphans(struct daemon *daemon, const struct process_file *file)
{
	char below[PATH_MAX + sizeof("/objects/shm.")];
	bool is_complete;

	(void)snprintf(below, sizeof(below), "%s/objects/shm.", daemon->ns.path);
	is_complete = orphans_search(&daemon->orphans, &daemon->ns.registry, file, below);
	if (file->inode != 0 || !daemon->huge.is_reserved)
		return is_complete;
	(void)snprintf(below, sizeof(below), "%s/shm.", daemon->huge.path);
	return orphans_search(&daemon->orphans, &daemon->ns.registry, file, below) && is_complete;
}

/* Looks for them unless that has been done too often in this second.  False: not at all of them. */
static bool sum_search(struct daemon *daemon, const struct process_file *file)
{
	static int64_t second;
	static uint32_t n_searches;
	int64_t now_s = (int64_t)(clock_monotonic_ns() / 1000000000u);

	if (now_s != second)
		n_searches = 0;
	second = now_s;
	return n_searches++ < SETTLE_SEARCHES_PER_SECOND_MAX && settle_find_orphans(daemon, file);
}

/*
 * Nobody admits to having it: the lock knows better.  Then it is somebody's child whose parent is
 * gone; /proc is searched for it.
 */
static uint32_t sum_unknown(struct settle_sum *sum)
{
	struct daemon *daemon = sum->daemon;
	uint32_t n = 0;

	if (sum_search(daemon, &sum->file)) {
		n = orphans_count(&daemon->orphans, &daemon->clients, &daemon->ns.registry,
				  &sum->file);
		daemon->held.is_searched = true;
	}
	return sum->is_mapped ? u32_max(n, 1) : n;
}

static void sum_all(struct settle_sum *sum)
{
	struct daemon *daemon = sum->daemon;
	struct ledger_sum orphans = {0};

	daemon->parts = (struct settle_parts){.shmid = sum->shmid};
	while (!fault_run(sum_clients, sum)) {
		struct client *client = daemon->clients.rows[sum->row++];

		log_line(LOG_LEVEL_WARNING, "client %016" PRIx64 " pid %" PRIu32
			 ": its ledger was cut short", client->client, client->pid);
		clients_lose_ledger(client);
		daemon->parts.has_others = true; /* perhaps */
	}
	if (!sum->is_mapped && !sum->is_kept)
		return;
	if (sum->is_mapped && daemon->orphans.is_incomplete &&
	    sum_search(daemon, &(struct process_file){0}))
		daemon->orphans.is_incomplete = false;
	orphans.n_attached = orphans_count(&daemon->orphans, &daemon->clients,
					   &daemon->ns.registry, &sum->file);
	sum_add(&sum->total, &orphans);
	if (sum->total.n_attached == 0 && (sum->is_mapped || (sum->is_last && !daemon->held.is_searched)))
		sum->total.n_attached = sum_unknown(sum);
}

void settle_release(struct daemon *daemon)
{
	if (!daemon->held.is_held)
		return;
	daemon->held.is_held = false;
	(void)close(daemon->held.fd); /* only looked at; the lock goes with it */
}

/*
 * The segment's file, held and so mapped by nobody, or *ret_is_mapped; its status if anybody may have it.
 * 0 or errno.
 */
static int sum_look(struct daemon *daemon, int32_t shmid, bool *ret_is_mapped,
		    struct file_status *ret_status)
{
	struct settle_held *held = &daemon->held;
	bool is_kept;
	int fd;

	*ret_is_mapped = false;
	if (held->is_held && held->shmid == shmid) {
		*ret_status = held->status;
		return 0;
	}
	settle_release(daemon);
	fd = storage_open(daemon, IPC_KIND_SHM, shmid, O_RDONLY);
	if (fd < 0)
		return fd == -ENOENT ? EIDRM : EIO;
	*ret_is_mapped = sum_is_locked(fd);
	is_kept = !*ret_is_mapped && sum_is_kept(fd);
	/* Otherwise there is nobody to look for. */
	if ((*ret_is_mapped || is_kept) && file_status(fd, ret_status) < 0) {
		(void)close(fd); /* only looked at */
		return EIO;
	}
	if (*ret_is_mapped)
		(void)close(fd); /* likewise */
	else
		*held = (struct settle_held){
			.is_held = true,
			.fd = fd,
			.shmid = shmid,
			.is_kept = is_kept,
			.status = *ret_status,
		};
	return 0;
}

int settle_attach_sum(void *context, int32_t shmid, bool exact, struct ledger_sum *ret_sum)
{
	struct daemon *daemon = context;
	struct settle_sum sum = {.daemon = daemon, .shmid = shmid};
	struct registry_object object = {0};
	struct file_status status = {0};
	int r = sum_look(daemon, shmid, &sum.is_mapped, &status);

	if (r != 0)
		return r;
	daemon->clients.round++;
	if (registry_get_any(&daemon->ns.registry, IPC_KIND_SHM, (uint32_t)shmid & ABI_INDEX_MASK,
			     &object) == 0)
		sum.owner = object.owner;
	sum.file.inode = status.inode;
	storage_name(IPC_KIND_SHM, shmid, sum.file.name);
	sum.is_kept = daemon->held.is_held && daemon->held.is_kept;
	sum.is_last = !exact;
	if (!exact && sum.is_mapped)
		sum.total.n_attached = 1;
	/*
	 * What is only to go is not added up when nobody maps it: who is about to has the lock after us, and
	 * then looks again whether it is there.  So a removal costs the same with any number of processes,
	 * unless one of them keeps the file open.
	 */
	else if (exact || sum.is_kept || !(object.owner.mode & ABI_SHM_DEST))
		sum_all(&sum);
	*ret_sum = sum.total;
	return 0;
}

/* Children that do not speak for themselves and orphans make the sum larger than what he has. */
bool settle_attached_alone(void *context, int32_t shmid, uint64_t client, uint64_t n_attached)
{
	const struct daemon *daemon = context;
	const struct settle_parts *parts = &daemon->parts;
	uint32_t n_own = parts->client == client ? parts->n_own : 0;

	return parts->shmid == shmid && !parts->has_others && (parts->client == client || parts->client == 0) &&
	       n_own == n_attached && !daemon->orphans.is_incomplete;
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
	bool is_forking; /* and has not noted the child */
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
		if (pid == UINT32_MAX)
			take->is_forking = true;
		else if (pid != 0)
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

/* For each segment the stamps of all attachments to it, and one event. */
static void settle_tell(struct daemon *daemon, struct settle_take *take)
{
	struct event event = {.type = EVENT_DETACHED};
	struct ledger_sum sum = {0};

	qsort(take->attaches, take->n_attaches, sizeof(take->attaches[0]), settle_compare);
	for (uint32_t i = 0; i < take->n_attaches; i++) {
		const struct ledger_attach *attach = &take->attaches[i];
		struct ledger_sum one = {
			.attach_ns = attach->attach_ns,
			.detach_ns = attach->detach_ns,
			.attach_pid = take->client->pid,
			.detach_pid = attach->pid != 0 ? attach->pid : take->client->pid,
		};

		sum_add(&sum, &one);
		if (i + 1 < take->n_attaches && take->attaches[i + 1].shmid == attach->shmid)
			continue;
		recorder_fold(&daemon->recorder, attach->shmid, &sum);
		service_fold(daemon->service, attach->shmid, &sum);
		sum = (struct ledger_sum){0};
		event.shmid = attach->shmid;
		daemon_queue(daemon, &event);
	}
}

/* Index of any object, or one id in particular. */
static void settle_object(struct daemon *daemon, const struct storage_job *like, enum ipc_kind kind,
			  uint32_t index, int32_t id)
{
	struct registry_object object;
	struct storage_job job = *like;

	job.kind = kind;
	job.object = &object;
	if (kind == IPC_KIND_SHM ||
	    registry_get_index(&daemon->ns.registry, kind, index, &object) != 0)
		return;
	if (id < 0 || object.id == id)
		(void)storage_work(daemon, &job); /* a damaged one holds nothing to be had */
}

/* Sets and queues the process used; all there are when nobody knows which. */
static void settle_objects(struct daemon *daemon, const struct settle_take *take, bool all,
			   const struct storage_job *like)
{
	static const enum ipc_kind kinds[] = {IPC_KIND_SEM, IPC_KIND_MSG};

	const struct client *client = take->client;

	all |= client && client->n_steads > CLIENT_STEADS_MAX;
	for (uint32_t i = 0; i < take->n_uses && !all; i++)
		settle_object(daemon, like, take->uses[i].kind,
			      (uint32_t)take->uses[i].id & ABI_INDEX_MASK, take->uses[i].id);
	for (uint32_t i = 0; client && i < client->n_steads && !all; i++)
		settle_object(daemon, like, (enum ipc_kind)(client->steads[i] >> 32),
			      (uint32_t)client->steads[i] & ABI_INDEX_MASK, (int32_t)client->steads[i]);
	for (uint32_t k = 0; k < ARRAY_SIZE(kinds) && all; k++) {
		uint32_t index_max = registry_index_max(&daemon->ns.registry, kinds[k]);

		for (uint32_t index = 0; index <= index_max; index++)
			settle_object(daemon, like, kinds[k], index, -1);
	}
}

void settle_client(void *context, uint64_t client, uint32_t pid, bool dead)
{
	static struct settle_take take;
	struct daemon *daemon = context;
	struct storage_job job = {
		.work = dead ? STORAGE_RECOVER : STORAGE_EXECED,
		.actor = {.client = client, .pid = pid, .now_s = clock_now_s()},
	};
	struct client *entry = clients_find(&daemon->clients, client);
	bool known = entry && entry->ledger.base;

	daemon->clients.round++;
	take.client = entry;
	take.now_ns = clock_now_ns();
	take.overflowed = false;
	take.is_forking = false;
	take.n_uses = 0;
	take.n_attaches = 0;
	take.n_children = 0;
	if (known && !fault_run(settle_take, &take)) {
		log_line(LOG_LEVEL_WARNING, "client %016" PRIx64 " pid %" PRIu32
			 ": its ledger was cut short", client, pid);
		clients_lose_ledger(entry);
		known = false;
	}
	if (take.is_forking)
		daemon->orphans.is_incomplete = true;
	for (uint32_t i = 0; i < take.n_children; i++) {
		if (!clients_speak_for(&daemon->clients, &daemon->ns.registry, take.children[i]))
			orphans_add(&daemon->orphans, take.children[i]);
	}
	/* Once an image; told of again and again, as a program without the library never says hello. */
	if (dead || (entry && !entry->is_execed))
		settle_objects(daemon, &take, !known || take.overflowed, &job);
	if (entry)
		entry->is_execed = !dead;
	if (take.n_attaches > 0)
		settle_tell(daemon, &take);
}

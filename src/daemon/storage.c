/*
 * storage.c: object files.
 *
 * A file that is to have another owner is made with mode 0 and gets owner and mode when it is complete.
 * Nobody knows an id before that; who guesses one may open what he may open a moment later.  Only the
 * daemon can make names in objects/, but the owner of a file can do everything to the file itself, also
 * shorten it: what is mapped is touched inside fault_run().
 */
#include "daemon/storage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/msgq.h"
#include "core/semset.h"
#include "daemon/acl.h"
#include "sys/fault.h"
#include "sys/status.h"
#include "sys/log.h"
#include "sys/map.h"

/* A segment nothing was promised for (SHM_NORESERVE) has this bit in its file's mode. */
#define STORAGE_MODE_NORESERVE 01000u

/* Enough for what semset_format and msgq_format write. */
#define STORAGE_FORMAT_SIZE 8192u
STATIC_ASSERT(SEMSET_FORMAT_SIZE <= STORAGE_FORMAT_SIZE);

/* Ledgers, and uses in them, looked at before a removal simply tells whoever there may be. */
#define STORAGE_USES_MAX 64u

static const char *const storage_prefixes[IPC_KIND_COUNT] = {"shm", "sem", "msg"};

void storage_name(enum ipc_kind kind, int32_t id, char ret_name[STORAGE_NAME_SIZE])
{
	(void)snprintf(ret_name, STORAGE_NAME_SIZE, "%s.%" PRId32, storage_prefixes[kind], id);
}

/* The folder an object's file is in. */
static int storage_folder(const struct daemon *daemon, enum ipc_kind kind, int32_t id)
{
	struct registry_object object;

	if (kind != IPC_KIND_SHM || daemon->huge.fd < 0 ||
	    registry_get_any(&daemon->ns.registry, kind, (uint32_t)id & ABI_INDEX_MASK, &object) != 0 ||
	    object.id != id || !(object.owner.mode & ABI_SHM_HUGETLB))
		return daemon->ns.objects_fd;
	return daemon->huge.fd;
}

/* What a caller is told: a full file system is a lack of memory (LIM-21), ENOSPC is a limit. */
static int storage_errno(int r)
{
	switch (-r) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
	case EMFILE:
	case ENFILE:
	case EINVAL:
		return ENOMEM;
	default:
		return -r;
	}
}

int storage_open(struct daemon *daemon, enum ipc_kind kind, int32_t id, int access)
{
	int folder = storage_folder(daemon, kind, id);
	char name[STORAGE_NAME_SIZE];
	struct stat status;
	int fd;

	storage_name(kind, id, name);
	access |= O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	fd = openat(folder, name, access);
	if (fd >= 0)
		return fd;
	if (errno != EACCES || fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	/* A daemon without privilege is the owner, who may have a mode that keeps himself out. */
	if (fchmodat(folder, name, 0600, 0) < 0)
		return -errno;
	fd = openat(folder, name, access);
	if (fd < 0)
		fd = -errno;
	(void)fchmodat(folder, name, status.st_mode & 07777u, 0); /* was done above */
	return fd;
}

static uint32_t storage_mode(const struct ipc_owner *owner, bool is_promised)
{
	return (owner->mode & 0666u) | (is_promised ? 0 : STORAGE_MODE_NORESERVE);
}

/* Owner, group and mode of the object to its file. */
static int storage_give(struct daemon *daemon, int fd, const struct ipc_owner *owner,
			bool is_promised)
{
	/*
	 * Without privilege all clients are of the daemon's own uid, which is then also every
	 * object's creator, and the creator keeps the rights of the owner (PERM-8): the file stays.
	 */
	if (daemon->euid == 0 && fchown(fd, owner->uid, owner->gid) < 0)
		return -errno;
	if (fchmod(fd, storage_mode(owner, is_promised)) < 0)
		return -errno;
	return daemon->euid == 0 ? acl_set_creator(fd, owner) : 0;
}

/* True if a file that the daemon makes has this owner from the start. */
static bool storage_is_own(const struct daemon *daemon, const struct ipc_owner *owner)
{
	return daemon->euid != 0 || (owner->uid == daemon->euid && owner->gid == daemon->egid &&
				     owner->cuid == owner->uid && owner->cgid == owner->gid);
}

/* --- creation ---------------------------------------------------------------------------------- */

/* What the segments have been promised and have not yet touched. */
static uint64_t storage_outstanding(struct daemon *daemon)
{
	uint64_t total = 0;

	for (uint32_t index = 0; index < OBJECT_MAX; index++) {
		struct registry_object object;
		char name[STORAGE_NAME_SIZE];
		struct stat status;
		uint64_t used = 0;

		if (daemon->promised[index] == 0 ||
		    registry_get_any(&daemon->ns.registry, IPC_KIND_SHM, index, &object) != 0)
			continue;
		storage_name(IPC_KIND_SHM, object.id, name);
		/* Where huge pages are in another folder, nothing is promised to them here. */
		if (fstatat(daemon->ns.objects_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0)
			used = (uint64_t)status.st_blocks * 512u;
		if (used < daemon->promised[index])
			total += daemon->promised[index] - used;
	}
	return total;
}

/* -ENOMEM: bytes more would be a promise the file system cannot keep. */
static int storage_check_room(struct daemon *daemon, uint64_t bytes)
{
	struct statvfs room;
	uint64_t available = 0;
	uint64_t wanted = 0;

	if (fstatvfs(daemon->ns.objects_fd, &room) < 0)
		return -errno;
	if (room.f_blocks == 0)
		return 0; /* a file system without a size */
	available = (uint64_t)(daemon->euid == 0 ? room.f_bfree : room.f_bavail) * room.f_frsize;
	if (u64_add_overflows(daemon->promised_bytes, bytes, &wanted))
		return -ENOMEM;
	if (wanted <= available)
		return 0;
	/* What was promised and has been used is already missing from what is available. */
	if (u64_add_overflows(storage_outstanding(daemon), bytes, &wanted) || wanted > available)
		return -ENOMEM;
	return 0;
}

/* Bytes of a segment's file: whole pages. */
static uint64_t storage_round(const struct daemon *daemon, const struct registry_object *object)
{
	uint64_t huge = registry_page_size(object);
	uint64_t page = huge > daemon->page_size ? huge : daemon->page_size;

	return object->size > INT64_MAX - page ? (uint64_t)INT64_MAX : ALIGN_UP(object->size, page);
}

/* What of it the objects' file system has to have room for. */
static uint64_t storage_promised(const struct daemon *daemon, const struct registry_object *object)
{
	return object->owner.mode & ABI_SHM_HUGETLB && daemon->huge.is_reserved
		       ? 0 : storage_round(daemon, object);
}

static void storage_promise(struct daemon *daemon, int32_t id, uint64_t bytes)
{
	uint64_t *promised = &daemon->promised[(uint32_t)id & ABI_INDEX_MASK];

	daemon->promised_bytes -= *promised;
	daemon->promised_bytes += bytes;
	*promised = bytes;
}

/* What a set or queue begins with; the rest of its file is zeroes. */
struct storage_image {
	_Alignas(4096) uint8_t bytes[STORAGE_FORMAT_SIZE];
};

/* Makes the file a set or queue; common bytes get their storage now. */
static int storage_fill(int fd, uint64_t size, uint64_t common, const struct storage_image *image)
{
	size_t n_image = common < sizeof(image->bytes) ? (size_t)common : sizeof(image->bytes);
	ssize_t n;
	int r = 0;

	if (ftruncate(fd, (off_t)size) < 0)
		return -errno;
	while (common > n_image && r == 0 && fallocate(fd, 0, 0, (off_t)common) < 0) {
		if (errno == EOPNOTSUPP)
			break;
		r = errno == EINTR ? 0 : -errno;
	}
	if (r < 0)
		return r;
	n = pwrite(fd, image->bytes, n_image, 0);
	if (n < 0)
		return -errno;
	return (size_t)n == n_image ? 0 : -ENOSPC;
}

static int storage_create_set(int fd, const struct registry_object *object)
{
	struct storage_image image = {0};
	struct semset_layout set;

	if (object->size > SEM_NSEMS_MAX || semset_layout((uint32_t)object->size, &set) != 0)
		return -EINVAL;
	semset_format(image.bytes, &set, object->ctime_s);
	return storage_fill(fd, set.size, set.common_size, &image);
}

static int storage_create_queue(int fd, const struct registry_object *object, uint64_t qbytes)
{
	struct storage_image image = {0};
	struct msgq_layout queue;

	if (msgq_layout(object->size, &queue) != 0)
		return -EINVAL;
	ASSERT(queue.common_size <= sizeof(image.bytes));
	msgq_format(image.bytes, &queue, qbytes, object->ctime_s);
	return storage_fill(fd, queue.size, queue.common_size, &image);
}

static int storage_create_segment(struct daemon *daemon, int fd, const struct registry_object *object,
				  bool is_promised)
{
	uint64_t size = storage_round(daemon, object);

	if (ftruncate(fd, (off_t)size) < 0)
		return -errno;
	return is_promised && storage_promised(daemon, object) == 0 ? huge_reserve(fd, size) : 0;
}

static int storage_create_file(struct daemon *daemon, int fd, enum ipc_kind kind,
			       const struct registry_object *object, uint64_t qbytes, bool is_promised)
{
	switch (kind) {
	case IPC_KIND_SHM:
		return storage_create_segment(daemon, fd, object, is_promised);
	case IPC_KIND_SEM:
		return storage_create_set(fd, object);
	default:
		return storage_create_queue(fd, object, qbytes);
	}
}

/* A file nobody has, with these permissions.  A descriptor or -errno. */
static int storage_make(int folder, const char *name, uint32_t mode)
{
	int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
	int fd = openat(folder, name, flags, mode);

	if (fd >= 0 || errno != EEXIST)
		return fd < 0 ? -errno : fd;
	(void)unlinkat(folder, name, 0); /* of a removal that was cut short */
	fd = openat(folder, name, flags, mode);
	return fd < 0 ? -errno : fd;
}

/* Bytes an object's file is sure to take; a segment's when it was promised them. */
static uint64_t storage_size(enum ipc_kind kind, const struct registry_object *object, uint64_t promise)
{
	struct semset_layout set;
	struct msgq_layout queue;

	if (kind == IPC_KIND_SHM)
		return promise;
	if (kind == IPC_KIND_SEM)
		return semset_layout((uint32_t)object->size, &set) == 0 ? set.common_size : 0;
	return msgq_layout(object->size, &queue) == 0 ? queue.common_size + object->size : 0;
}

/* The creator's share.  0 or an errno. */
static int storage_charge(struct daemon *daemon, enum ipc_kind kind, const struct registry_object *object,
			  uint64_t promise)
{
	struct statvfs room = {0};
	uint64_t pages_max = UINT64_MAX;

	if (daemon->share.is_bound && object->owner.cuid != 0 &&
	    fstatvfs(daemon->ns.objects_fd, &room) == 0 && room.f_blocks > 0)
		pages_max = (uint64_t)room.f_blocks * room.f_frsize / daemon->page_size / 2;
	return share_charge(&daemon->share, &daemon->ns.registry, kind, object,
			    storage_size(kind, object, promise), pages_max);
}

/* The file of an object that has been charged for.  0 or -errno. */
static int storage_create_charged(struct daemon *daemon, enum ipc_kind kind,
				  const struct registry_object *object, uint64_t qbytes, bool is_promised)
{
	bool is_own = storage_is_own(daemon, &object->owner);
	int folder = storage_folder(daemon, kind, object->id);
	char name[STORAGE_NAME_SIZE];
	int fd;
	int r;

	storage_name(kind, object->id, name);
	fd = storage_make(folder, name, is_own ? storage_mode(&object->owner, is_promised) : 0);
	if (fd < 0)
		return fd;
	r = storage_create_file(daemon, fd, kind, object, qbytes, is_promised);
	if (r == 0 && !is_own)
		r = storage_give(daemon, fd, &object->owner, is_promised);
	(void)close(fd); /* a failure of late writing shows at the mapping's users, not here */
	if (r < 0)
		(void)unlinkat(folder, name, 0); /* made just now */
	return r;
}

/* SHM-5, PERM-12: 0 or an errno. */
static int storage_judge_huge(const struct daemon *daemon, enum ipc_kind kind,
			      const struct registry_object *object)
{
	int refused;

	if (kind != IPC_KIND_SHM || !(object->owner.mode & ABI_SHM_HUGETLB))
		return 0;
	refused = huge_judge(object->creator_pid);
	if (refused != 0)
		return refused;
	return daemon->huge.exponent == 0 ||
			       registry_page_size(object) != UINT64_C(1) << daemon->huge.exponent
		       ? ENOMEM : 0;
}

static int storage_create(void *context, enum ipc_kind kind, const struct registry_object *object,
			  uint64_t qbytes, uint64_t reserved_bytes)
{
	struct daemon *daemon = context;
	uint64_t promise = reserved_bytes > 0 ? storage_promised(daemon, object) : 0;
	int refused = storage_judge_huge(daemon, kind, object);
	int r;

	if (refused != 0)
		return refused;
	r = promise > 0 ? storage_check_room(daemon, promise) : 0;
	if (r < 0)
		return storage_errno(r);
	refused = storage_charge(daemon, kind, object, promise);
	if (refused != 0)
		return refused;
	r = storage_create_charged(daemon, kind, object, qbytes,
				   kind != IPC_KIND_SHM || reserved_bytes > 0);
	if (r < 0)
		share_release(&daemon->share, kind, object->id);
	else if (kind == IPC_KIND_SHM)
		storage_promise(daemon, object->id, promise);
	daemon->is_clean[kind][(uint32_t)object->id & ABI_INDEX_MASK] = r == 0;
	return storage_errno(r);
}

/* --- IPC_SET and destruction ------------------------------------------------------------------- */

static int storage_set(void *context, enum ipc_kind kind, const struct registry_object *object,
		       const struct registry_object *before, uint64_t qbytes)
{
	struct storage_job job = {
		.work = STORAGE_SET,
		.kind = kind,
		.object = object,
		.actor = {.client = ACTOR_DAEMON, .now_s = object->ctime_s},
		.qbytes = qbytes,
	};
	struct daemon *daemon = context;
	bool is_promised = kind != IPC_KIND_SHM ||
			   daemon->promised[(uint32_t)object->id & ABI_INDEX_MASK] > 0;
	int r = 0;
	int fd;

	/* What a queue that could not grow is charged with too much is given back when it goes. */
	if (kind == IPC_KIND_MSG && object->size > before->size)
		r = storage_charge(daemon, kind, object, 0);
	if (r != 0)
		return r;
	fd = storage_open(daemon, kind, object->id, O_RDWR);
	if (fd < 0)
		return storage_errno(fd);
	r = storage_give(daemon, fd, &object->owner, is_promised);
	if (r == 0 && kind == IPC_KIND_MSG && object->size > before->size)
		r = storage_grow(fd, object);
	if (r == 0 && kind != IPC_KIND_SHM && !storage_work(daemon, &job))
		r = -EIO;
	if (r < 0)
		(void)storage_give(daemon, fd, &before->owner, is_promised); /* as it was a moment ago */
	(void)close(fd); /* nothing was written through it */
	return storage_errno(r);
}

/*
 * Memory goes with the segment, also when a client still has the file open (it maps it no more).  The
 * sum that found nobody has looked at the file, and for whoever might have it all the same.
 */
static void storage_free_memory(struct daemon *daemon, int32_t id)
{
	const struct settle_held *held = &daemon->held;
	int fd;

	if (held->is_held && held->shmid == id &&
	    (held->status.used == 0 || !held->is_kept || !held->is_searched))
		return;
	fd = storage_open(daemon, IPC_KIND_SHM, id, O_WRONLY | O_TRUNC);
	if (fd >= 0)
		(void)close(fd); /* nothing was written */
}

/* Looking for a client that has a set or queue mapped. */
struct storage_use {
	const struct clients *clients;
	enum ipc_kind kind;
	int32_t id;
	uint32_t n_looks; /* left */
	bool is_found;
};

static bool storage_uses(const struct ledger *ledger, struct storage_use *use)
{
	enum ipc_kind kind;
	int32_t id;

	if (!ledger->base || ledger_uses_overflowed(ledger))
		return true;
	for (uint32_t i = 0; ledger_use_read(ledger, i, &kind, &id); i++) {
		if ((kind == use->kind && id == use->id) || use->n_looks-- == 0)
			return true;
	}
	return false;
}

static void storage_look_for_use(void *context)
{
	struct storage_use *use = context;

	for (uint32_t row = 0; row < use->clients->n_rows && !use->is_found; row++) {
		/* Beside many it is cheaper to open the file. */
		if (use->clients->rows[row] && use->n_looks-- == 0)
			use->is_found = true;
		else if (use->clients->rows[row])
			use->is_found = storage_uses(&use->clients->rows[row]->ledger, use);
	}
}

/*
 * False: nobody has it mapped who could sleep in it.  Its live word is gone; who maps it notes that
 * first and looks at the word afterwards (client/view.c), so either he is found or he does not use it.
 */
static bool storage_may_be_used(struct daemon *daemon, enum ipc_kind kind, int32_t id)
{
	struct storage_use use = {
		.clients = &daemon->clients,
		.kind = kind,
		.id = id,
		.n_looks = STORAGE_USES_MAX,
	};

	/* What the last daemon was killed in is destroyed before this one has seen any ledger. */
	return !daemon->knows_clients || !fault_run(storage_look_for_use, &use) || use.is_found;
}

static void storage_destroy(void *context, enum ipc_kind kind, int32_t id)
{
	struct registry_object object;
	struct storage_job job = {
		.work = STORAGE_REMOVE,
		.kind = kind,
		.object = &object,
		.actor = {.client = ACTOR_DAEMON},
	};
	struct daemon *daemon = context;
	int folder = storage_folder(daemon, kind, id);
	char name[STORAGE_NAME_SIZE];

	storage_name(kind, id, name);
	share_release(&daemon->share, kind, id);
	if (kind == IPC_KIND_SHM) {
		storage_promise(daemon, id, 0);
		storage_free_memory(daemon, id);
	} else if (registry_get_any(&daemon->ns.registry, kind, (uint32_t)id & ABI_INDEX_MASK,
				    &object) == 0 && object.id == id &&
		   object.state != REGISTRY_CREATING && storage_may_be_used(daemon, kind, id)) {
		(void)storage_work(daemon, &job); /* the file goes in any case */
	}
	if (unlinkat(folder, name, 0) < 0 && errno != ENOENT)
		log_line(LOG_LEVEL_WARNING, "objects/%s: cannot be removed: %s", name,
			 strerror(errno));
}

/* --- start ------------------------------------------------------------------------------------- */

/* What an IPC_SET cut short by a crash has changed goes back to what the registry says. */
static void storage_check_owner(struct daemon *daemon, enum ipc_kind kind,
				const struct registry_object *object, const struct stat *status)
{
	bool is_promised = !(status->st_mode & STORAGE_MODE_NORESERVE);
	int fd;

	if ((status->st_mode & 0666u) == (object->owner.mode & 0666u) &&
	    (daemon->euid != 0 ||
	     (status->st_uid == object->owner.uid && status->st_gid == object->owner.gid)))
		return;
	fd = storage_open(daemon, kind, object->id, O_RDONLY);
	if (fd < 0)
		return;
	(void)storage_give(daemon, fd, &object->owner, is_promised); /* what cannot be given was not before */
	(void)close(fd); /* nothing was written */
}

/* One object against its file. */
static void storage_check_object(struct daemon *daemon, enum ipc_kind kind,
				 const struct registry_object *object)
{
	char name[STORAGE_NAME_SIZE];
	uint64_t promise = 0;
	struct stat status;

	storage_name(kind, object->id, name);
	if (fstatat(storage_folder(daemon, kind, object->id), name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
		log_line(LOG_LEVEL_WARNING, "objects/%s: is gone, so the object is dropped", name);
		registry_drop(&daemon->ns.registry, kind, object->id);
		return;
	}
	storage_check_owner(daemon, kind, object, &status);
	if (kind == IPC_KIND_SHM && !(status.st_mode & STORAGE_MODE_NORESERVE))
		promise = storage_promised(daemon, object);
	if (promise > 0)
		storage_promise(daemon, object->id, promise);
	/* It is there, whatever the share: no limit. */
	(void)share_charge(&daemon->share, &daemon->ns.registry, kind, object,
			   storage_size(kind, object, promise), UINT64_MAX);
}

void storage_check(struct daemon *daemon)
{
	struct registry *registry = &daemon->ns.registry;
	struct registry_object object;

	for (uint32_t k = 0; k < IPC_KIND_COUNT; k++) {
		enum ipc_kind kind = (enum ipc_kind)k;
		uint32_t index_max = registry_index_max(registry, kind);

		for (uint32_t i = 0; i <= index_max; i++) {
			if (registry_get_index(registry, kind, i, &object) == 0)
				storage_check_object(daemon, kind, &object);
		}
	}
	daemon->share.is_bound = daemon->ns.shared && daemon->euid == 0;
}

/* True for the name of an object the registry has. */
static bool storage_is_known(struct daemon *daemon, const char *name)
{
	struct registry_object object;
	char expected[STORAGE_NAME_SIZE];
	const char *dot = strchr(name, '.');

	for (uint32_t kind = 0; dot && kind < IPC_KIND_COUNT; kind++) {
		int32_t id = (int32_t)strtoul(dot + 1, NULL, 10);

		storage_name((enum ipc_kind)kind, id, expected);
		if (strcmp(name, expected) == 0)
			return registry_get(&daemon->ns.registry, (enum ipc_kind)kind, id,
					    &object) == 0;
	}
	return false;
}

/* Of a folder that others may use as well, only names that begin so. */
static void storage_sweep_folder(struct daemon *daemon, int folder, const char *begin)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			(void)close(fd); /* only read */
		return;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || strncmp(entry->d_name, begin, strlen(begin)) != 0 ||
		    storage_is_known(daemon, entry->d_name))
			continue;
		if (unlinkat(folder, entry->d_name, 0) == 0)
			log_line(LOG_LEVEL_NOTICE, "objects/%s: belonged to no object, removed",
				 entry->d_name);
	}
	(void)closedir(dir); /* only read */
}

void storage_sweep(struct daemon *daemon)
{
	storage_sweep_folder(daemon, daemon->ns.objects_fd, "");
	if (daemon->huge.is_reserved)
		storage_sweep_folder(daemon, daemon->huge.fd, "shm.");
}

static int storage_ledger_make(void *context, const struct registry_client *owner, uint32_t gid)
{
	struct daemon *daemon = context;

	return -clients_make_ledger(&daemon->clients, owner, gid);
}

static bool storage_has_exited(void *context, uint64_t client)
{
	struct daemon *daemon = context;
	const struct client *entry = clients_find(&daemon->clients, client);
	struct client unheld = {.process_fd = -1};
	struct registry_client known;

	if (entry)
		return clients_have_ended(entry);
	if (registry_client_get(&daemon->ns.registry, client, &known) != 0)
		return true;
	unheld.pid = known.pid;
	unheld.start_time = known.start_time;
	return clients_have_ended(&unheld);
}

void storage_init(struct daemon *daemon)
{
	daemon->page_size = (uint64_t)sysconf(_SC_PAGESIZE);
	daemon->euid = geteuid();
	daemon->egid = getegid();
	daemon->storage = (struct service_storage){
		.context = daemon,
		.create = storage_create,
		.set = storage_set,
		.destroy = storage_destroy,
		.ledger_make = storage_ledger_make,
		.attach_sum = settle_attach_sum,
		.attached_alone = settle_attached_alone,
		.settle = settle_client,
		.has_exited = storage_has_exited,
		.stead = stead_call,
		.has_group = stead_has_group,
	};
}

/*
 * shm.c: shmget, shmat, shmdt, shmctl.
 *
 *  1. The table in private memory says what is attached where; a fork child inherits it with the
 *     mappings themselves.  The ledger mirrors it for the daemon.
 *  2. A ledger entry exists before its mapping and ends after it, so nattch is never short.
 *  3. An open file locked shared (flock) lives in each mapping: the daemon destroys no segment that
 *     anybody maps, whatever the ledgers say.
 */
#include "client/shm.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>

#include "client/conn.h"
#include "client/cred.h"
#include "client/ns.h"
#include "client/ipc.h"
#include "client/place.h"
#include "client/probe.h"
#include "client/sleeping.h"
#include "sys/status.h"
#include "sys/raw.h"

#define SHM_PAGE 4096u
#define SHM_NO_ENTRY UINT32_MAX

/* Tries to take the shared lock while the daemon is just looking whether anybody has it. */
#define SHM_LOCK_TRIES_MAX 1000u

STATIC_ASSERT(SHM_DEST == ABI_SHM_DEST && SHM_LOCKED == ABI_SHM_LOCKED);

/* One attachment.  size 0: free. */
struct shm_attachment {
	uintptr_t address;
	uint64_t size;
	int32_t id;
	uint32_t entry; /* in the ledger, or SHM_NO_ENTRY */
};

static struct shm_attachment *shm_table;
static uint32_t shm_end;  /* entries at or above it were never used */
static uint32_t shm_used; /* entries in use */

uint32_t shm_count(void)
{
	return shm_used;
}

/* -------------------------------------------------------------------------------- table, ledger */

static struct shm_attachment *shm_take(void)
{
	if (!shm_table) {
		shm_table = place_private(LEDGER_ATTACH_MAX * sizeof(*shm_table));
		if (!shm_table)
			return NULL;
	}
	for (uint32_t i = 0; shm_used < shm_end && i < shm_end; i++) {
		if (shm_table[i].size == 0)
			return &shm_table[i];
	}
	return shm_end < LEDGER_ATTACH_MAX ? &shm_table[shm_end] : NULL;
}

static void shm_fill(struct shm_attachment *attachment, uintptr_t address, uint64_t size, int32_t id,
		     uint32_t entry)
{
	*attachment = (struct shm_attachment){
		.address = address,
		.size = size,
		.id = id,
		.entry = entry,
	};
	if (attachment == &shm_table[shm_end])
		shm_end++;
	shm_used++;
}

static struct shm_attachment *shm_find(uintptr_t address)
{
	for (uint32_t i = 0; i < shm_end; i++) {
		if (shm_table[i].size != 0 && shm_table[i].address == address)
			return &shm_table[i];
	}
	return NULL;
}

static bool shm_is_dest(int32_t id)
{
	struct registry_object object;

	return ipc_find(IPC_KIND_SHM, id, &object) == 0 &&
	       (object.state == REGISTRY_DEST || (object.owner.mode & ABI_SHM_DEST));
}

static void shm_tell(int32_t id)
{
	struct proto_message notice = {
		.type = PROTO_DETACHED,
		.object = {.kind = IPC_KIND_SHM, .id = id},
	};

	conn_notice(&notice, true);
}

/* Marks an attachment's end in the ledger and frees its place. */
static void shm_end_attachment(struct shm_attachment *attachment)
{
	struct ledger *ledger = &process_page->ledger;
	struct ledger_attach known;
	uint32_t entry;

	attachment->size = 0;
	shm_used--;
	if (attachment->entry == SHM_NO_ENTRY || !ledger->base)
		return;
	if (ledger_detach_begin(ledger, attachment->address, &known, &entry) == 0)
		ledger_detach_end(ledger, entry, clock_now_ns());
}

void shm_note_all(void)
{
	struct ledger *ledger = &process_page->ledger;
	uint64_t now_ns = clock_now_ns();

	for (uint32_t i = 0; i < shm_end; i++) {
		struct shm_attachment *attachment = &shm_table[i];

		if (attachment->size == 0)
			continue;
		attachment->entry = SHM_NO_ENTRY;
		if (ledger_attach_begin(ledger, attachment->id, attachment->size, now_ns,
					&attachment->entry) == 0)
			ledger_attach_end(ledger, attachment->entry, attachment->address);
	}
}

void shm_after_fork(void)
{
	for (uint32_t i = 0; i < shm_end; i++)
		shm_table[i].entry = SHM_NO_ENTRY;
}

void shm_detach_exit(bool unmap)
{
	for (uint32_t i = 0; i < shm_end; i++) {
		int32_t id = shm_table[i].id;

		if (shm_table[i].size == 0)
			continue;
		if (unmap)
			(void)raw_call2(SYS_munmap, shm_table[i].address, shm_table[i].size);
		shm_end_attachment(&shm_table[i]);
		if (shm_is_dest(id))
			shm_tell(id);
	}
}

void shm_tell_detached(void)
{
	for (uint32_t i = 0; i < shm_end; i++) {
		if (shm_table[i].size != 0 && shm_is_dest(shm_table[i].id))
			shm_tell(shm_table[i].id);
	}
}

/* --------------------------------------------------------------------------------------- shmat */

/* SHM-9..12: the address asked for.  0 or -EINVAL. */
static int shm_judge_address(const void *address, int flags, uintptr_t *ret_address)
{
	uintptr_t wanted = (uintptr_t)address;

	if (wanted == 0 && (flags & SHM_REMAP))
		return -EINVAL;
	if (wanted & (SHM_PAGE - 1)) {
		if (!(flags & SHM_RND))
			return -EINVAL;
		wanted &= ~(uintptr_t)(SHM_PAGE - 1);
		if (wanted == 0 && (flags & SHM_REMAP))
			return -EINVAL;
	}
	*ret_address = wanted;
	return 0;
}

static int shm_open_file(int32_t id, int flags)
{
	char path[NS_PATH_MAX];
	int mode = flags & SHM_RDONLY ? O_RDONLY : O_RDWR;
	int fd;

	if (!ns_path(path, ns_object_prefix(IPC_KIND_SHM), id))
		return -ENOMEM;
	fd = process_open(path, mode | O_NOFOLLOW | O_NONBLOCK);
	switch (fd) {
	case -ENOENT:
		return -EINVAL;
	case -EPERM:
	case -EROFS:
	case -EACCES:
		return -EACCES;
	default:
		return fd < 0 ? -ENOMEM : fd;
	}
}

/* The lock that says "mapped"; refused only while the daemon holds it to destroy or to look. */
static int shm_lock_shared(int fd, int32_t id)
{
	struct registry_object object;
	long r = -EAGAIN;

	for (uint32_t i = 0; i < SHM_LOCK_TRIES_MAX && r == -EAGAIN; i++) {
		r = raw_call2(SYS_flock, fd, LOCK_SH | LOCK_NB);
		if (r == -EAGAIN && ipc_find(IPC_KIND_SHM, id, &object) != 0)
			return -EIDRM;
		if (r == -EAGAIN)
			(void)raw_call0(SYS_sched_yield);
	}
	return r == 0 ? 0 : -ENOMEM;
}

static long shm_map(int fd, uint64_t size, uintptr_t wanted, bool is_fixed, int flags)
{
	long protection = PROT_READ;
	long how = MAP_SHARED | MAP_NORESERVE;
	uintptr_t end;
	long address;

	if (!(flags & SHM_RDONLY))
		protection |= PROT_WRITE;
	if (flags & SHM_EXEC)
		protection |= PROT_EXEC;
	if (is_fixed && __builtin_add_overflow(wanted, size, &end))
		return -EINVAL;
	if (is_fixed)
		how |= flags & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	address = raw_call6(SYS_mmap, (long)wanted, (long)size, protection, how, fd, 0);
	if (address == -EEXIST)
		return -EINVAL;
	if (is_fixed && (address >= 0 || address < -4096) && (uintptr_t)address != wanted) {
		(void)raw_call2(SYS_munmap, address, size); /* a kernel without FIXED_NOREPLACE */
		return -EINVAL;
	}
	return address;
}

/* Attachments that lay where a new one is now: replaced (SHM-14), or unmapped behind our back. */
static void shm_forget_replaced(uintptr_t address, uint64_t size)
{
	for (uint32_t i = 0; i < shm_end; i++) {
		struct shm_attachment *old = &shm_table[i];

		if (old->size == 0 || old->address < address || old->address - address >= size ||
		    old->size > size - (old->address - address))
			continue;
		shm_end_attachment(old);
		if (shm_is_dest(old->id))
			shm_tell(old->id);
	}
}

/* From the ledger entry to the mapping.  The address, or -errno: then nothing has changed. */
static long shm_attach_open(int fd, const struct registry_object *object, uintptr_t wanted,
			    bool is_fixed, int flags)
{
	struct ledger *ledger = &process_page->ledger;
	const struct shared64 *live = registry_live_word(atomic_load(&ns_registry), IPC_KIND_SHM,
							 object->id);
	uint64_t size = (object->size + SHM_PAGE - 1) & ~(uint64_t)(SHM_PAGE - 1);
	struct shm_attachment *attachment = shm_take();
	uint32_t entry;
	long address = -EIDRM;
	int r;

	if (!attachment)
		return -ENOMEM;
	if (ledger_attach_begin(ledger, object->id, size, clock_now_ns(), &entry) != 0)
		return -ENOMEM;
	/* The entry is there: if the object still is, its destroyer will see us. */
	if ((uint32_t)shared64_load(live) == (uint32_t)object->id + 1) {
		r = shm_lock_shared(fd, object->id);
		address = r < 0 ? r : shm_map(fd, size, wanted, is_fixed, flags);
	}
	if (address < 0 && address > -4096) {
		ledger_attach_undo(ledger, entry);
		return address;
	}
	shm_forget_replaced((uintptr_t)address, size);
	ledger_attach_end(ledger, entry, (uintptr_t)address);
	shm_fill(attachment, (uintptr_t)address, size, object->id, entry);
	return address;
}

static long shm_attach_locked(int id, uintptr_t wanted, bool is_fixed, int flags)
{
	struct registry_object object;
	uint32_t need = flags & SHM_RDONLY ? CRED_READ : CRED_READ | CRED_WRITE;
	long address;
	int fd;
	int r = ipc_find(IPC_KIND_SHM, id, &object);

	if (flags & SHM_EXEC)
		need |= CRED_EXEC;
	if (r == 0)
		r = ipc_judge(&object, need);
	if (r < 0)
		return r;
	fd = shm_open_file(id, flags);
	if (fd < 0)
		return fd;
	address = shm_attach_open(fd, &object, wanted, is_fixed, flags);
	(void)raw_call1(SYS_close, fd);
	return address;
}

int shm_attach(int id, const void *address, int flags, void **ret_address)
{
	uintptr_t wanted;
	long result;
	int r;

	if (id < 0)
		return -EINVAL;
	r = shm_judge_address(address, flags, &wanted);
	if (r == 0)
		r = ipc_begin();
	if (r < 0)
		return r;
	r = conn_identify();
	if (r < 0)
		return r;
	process_lock();
	result = shm_attach_locked(id, wanted, address != NULL, flags);
	process_unlock();
	if (result < 0 && result > -4096)
		return (int)result;
	*ret_address = (void *)result;
	return 0;
}

int shm_detach(const void *address)
{
	struct shm_attachment *attachment;
	uint64_t size;
	int32_t id;

	if ((uintptr_t)address & (SHM_PAGE - 1) || shm_used == 0)
		return -EINVAL;
	if (client_thread.sleeping)
		sleeping_cancel_all();
	process_lock();
	attachment = shm_find((uintptr_t)address);
	if (!attachment) {
		process_unlock();
		return -EINVAL;
	}
	size = attachment->size;
	id = attachment->id;
	/* A child that has only inherited it becomes a client now: this is a detach of its own. */
	if (attachment->entry == SHM_NO_ENTRY)
		(void)conn_identify();
	(void)raw_call2(SYS_munmap, address, size);
	shm_end_attachment(attachment);
	if (shm_is_dest(id))
		shm_tell(id);
	process_unlock();
	return 0;
}

/* -------------------------------------------------------------------------------- shmget, shmctl */

int shm_get(key_t key, size_t size, int flags)
{
	int r = ns_open(false);

	return r < 0 ? r : ipc_get(IPC_KIND_SHM, key, size, (uint32_t)flags);
}

int shm_read_sum(int32_t id, struct registry_object *ret_object, uint64_t *ret_n_attached)
{
	struct proto_message request = {
		.type = PROTO_SHM_STAT,
		.object = {.kind = IPC_KIND_SHM, .id = id},
	};
	struct proto_message reply;
	int r = conn_call(&request, CONN_TIMEOUT_DEFAULT, &reply, NULL);

	if (r < 0)
		return r;
	if (reply.type != PROTO_SHM_REPLY || reply.shm.error != 0)
		return reply.reply.error != 0 ? -reply.reply.error : -EIO;
	*ret_object = reply.shm.object;
	*ret_n_attached = reply.shm.n_attached;
	return 0;
}

uint64_t shm_read_resident(int32_t id)
{
	char path[NS_PATH_MAX];
	struct file_status status = {0};
	long fd = -ENAMETOOLONG;
	uint64_t used = 0;

	/* O_PATH needs no right to the file itself. */
	if (ns_path(path, ns_object_prefix(IPC_KIND_SHM), id))
		fd = raw_call4(SYS_openat, AT_FDCWD, path, O_PATH | O_CLOEXEC | O_NOFOLLOW, 0);
	if (fd >= 0 && file_status((int)fd, &status) == 0)
		used = status.used;
	if (fd >= 0)
		(void)raw_call1(SYS_close, fd);
	return used;
}

static int shm_fill_limits(struct shmid_ds *user)
{
	struct registry_limits limits;
	struct shminfo info;

	memset(&info, 0, sizeof(info));
	ipc_limits(&limits);
	info.shmmax = limits.shmmax;
	info.shmmin = 1;
	info.shmmni = limits.shmmni;
	info.shmseg = limits.shmmni;
	info.shmall = limits.shmall;
	if (!probe_writable(user, sizeof(info)))
		return -EFAULT;
	memcpy(user, &info, sizeof(info));
	return (int)registry_index_max(atomic_load(&ns_registry), IPC_KIND_SHM);
}

static int shm_fill_info(struct shmid_ds *user)
{
	const struct registry *registry = atomic_load(&ns_registry);
	uint32_t index_max = registry_index_max(registry, IPC_KIND_SHM);
	struct registry_object object;
	struct shm_info info;

	memset(&info, 0, sizeof(info));
	info.used_ids = (int)registry_count(registry, IPC_KIND_SHM);
	for (uint32_t i = 0; i <= index_max && i < OBJECT_MAX; i++) {
		if (registry_get_index(registry, IPC_KIND_SHM, i, &object) != 0)
			continue;
		info.shm_tot += (object.size + SHM_PAGE - 1) / SHM_PAGE;
		info.shm_rss += shm_read_resident(object.id) / SHM_PAGE;
	}
	if (!probe_writable(user, sizeof(info)))
		return -EFAULT;
	memcpy(user, &info, sizeof(info));
	return (int)index_max;
}

static int shm_stat(int id, int command, struct shmid_ds *user)
{
	struct registry_object object;
	struct shmid_ds status;
	uint64_t n_attached = 0;
	int r = command == IPC_STAT ? ipc_find(IPC_KIND_SHM, id, &object)
				    : ipc_find_index(IPC_KIND_SHM, id, &object);

	if (r == 0 && command != SHM_STAT_ANY)
		r = ipc_judge(&object, CRED_READ);
	if (r == 0)
		r = shm_read_sum(object.id, &object, &n_attached);
	if (r < 0)
		return r;
	memset(&status, 0, sizeof(status));
	ipc_fill_perm(&object, &status.shm_perm);
	status.shm_segsz = object.size;
	status.shm_atime = (time_t)(object.attach_ns / 1000000000u);
	status.shm_dtime = (time_t)(object.detach_ns / 1000000000u);
	status.shm_ctime = (time_t)object.ctime_s;
	status.shm_cpid = (pid_t)object.creator_pid;
	status.shm_lpid = (pid_t)object.last_pid;
	status.shm_nattch = n_attached;
	if (!probe_writable(user, sizeof(*user)))
		return -EFAULT;
	*user = status;
	return command == IPC_STAT ? 0 : object.id;
}

static int shm_control_set(int id, const struct shmid_ds *user)
{
	struct ipc_perm perm;

	if (!probe_readable(user, sizeof(*user)))
		return -EFAULT;
	perm = user->shm_perm;
	return ipc_set(IPC_KIND_SHM, id, &perm, 0);
}

static int shm_set_locked(int id, bool locked)
{
	struct proto_message request = {
		.type = PROTO_SHM_LOCK,
		.object = {.kind = IPC_KIND_SHM, .id = id, .argument = locked},
	};
	struct registry_object object;
	struct proto_message reply;
	int r = ipc_find(IPC_KIND_SHM, id, &object);

	if (r == 0)
		r = conn_call(&request, CONN_TIMEOUT_DEFAULT, &reply, NULL);
	return r < 0 ? r : -reply.reply.error;
}

int shm_control(int id, int command, struct shmid_ds *argument)
{
	int r;

	if (id < 0 || command < 0)
		return -EINVAL;
	r = ipc_begin();
	if (r < 0)
		return r;
	switch (command) {
	case IPC_INFO:
		return shm_fill_limits(argument);
	case SHM_INFO:
		return shm_fill_info(argument);
	case IPC_STAT:
	case SHM_STAT:
	case SHM_STAT_ANY:
		return shm_stat(id, command, argument);
	case IPC_SET:
		return shm_control_set(id, argument);
	case IPC_RMID:
		return ipc_remove(IPC_KIND_SHM, id);
	case SHM_LOCK:
	case SHM_UNLOCK:
		return shm_set_locked(id, command == SHM_LOCK);
	default:
		return -EINVAL;
	}
}

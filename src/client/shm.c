/*
 * shm.c: shmget, shmat, shmdt, shmctl.
 *
 *  1. A ledger entry exists before its mapping and ends after it (attached.c), so nattch is never
 *     short.
 *  2. An open file locked shared lives in each mapping (backing.c): the daemon destroys no segment
 *     that anybody maps, whatever the ledgers say.
 */
#include "client/shm.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "client/attached.h"
#include "client/backing.h"
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

/* Who asks again so soon is given a lease. */
#define SHM_AGAIN_NS (2 * SHM_LEASE_NS)

STATIC_ASSERT(SHM_DEST == ABI_SHM_DEST && SHM_LOCKED == ABI_SHM_LOCKED);

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

static int shm_protection(int flags)
{
	return PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE) | (flags & SHM_EXEC ? PROT_EXEC : 0);
}

/* Whole pages: SHM-1, SHM-5. */
static uint64_t shm_size(const struct registry_object *object)
{
	uint64_t rest = registry_page_size(object) - 1;

	return (object->size + rest) & ~rest;
}

static long shm_map(int fd, const struct registry_object *object, uintptr_t wanted, bool is_fixed, int flags)
{
	uint64_t size = shm_size(object);
	long how = MAP_SHARED | MAP_NORESERVE;
	uintptr_t end;
	long address;

	if (is_fixed && (__builtin_add_overflow(wanted, size, &end) ||
			 (wanted & (registry_page_size(object) - 1)) != 0))
		return -EINVAL;
	if (is_fixed)
		how |= flags & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	address = raw_call6(SYS_mmap, (long)wanted, (long)size, shm_protection(flags), how, fd, 0);
	if (address == -EEXIST)
		return -EINVAL;
	if (is_fixed && (address >= 0 || address < -4096) && (uintptr_t)address != wanted) {
		(void)raw_call2(SYS_munmap, address, size); /* a kernel without FIXED_NOREPLACE */
		return -EINVAL;
	}
	/* On a tmpfs, which has such pages for who asks; on hugetlbfs they are there already. */
	if (object->owner.mode & ABI_SHM_HUGETLB && (address >= 0 || address < -4096))
		(void)raw_call3(SYS_madvise, address, size, MADV_HUGEPAGE);
	return address;
}

/* From the ledger entry to the mapping.  The address, or -errno: then nothing has changed. */
static long shm_attach_open(const struct backing *backing, const struct registry_object *object,
			    uintptr_t wanted, bool is_fixed, int flags)
{
	struct ledger *ledger = &process_page->ledger;
	const struct shared64 *live = registry_live_word(atomic_load(&ns_registry), IPC_KIND_SHM,
							 object->id);
	uint64_t size = shm_size(object);
	uint32_t entry;
	long address = -EIDRM;
	int r;

	if (!attached_has_room())
		return -ENOMEM;
	if (ledger_attach_begin(ledger, object->id, size, clock_now_ns(), &entry) != 0)
		return -ENOMEM;
	attached_announce(object->id);
	/* The entry is there: who adds up from now on will see us, if the object still is. */
	if ((uint32_t)shared64_load(live) == (uint32_t)object->id + 1) {
		r = backing_lock(backing, object->id);
		/* Its destroyer looks at the lock alone: whoever has it first. */
		if (r == 0 && (uint32_t)shared64_load(live) != (uint32_t)object->id + 1)
			r = -EIDRM;
		address = r < 0 ? r : shm_map(backing->fd, object, wanted, is_fixed, flags);
	}
	if (address < 0 && address > -4096) {
		ledger_attach_undo(ledger, entry);
		return address;
	}
	/* What lay there was replaced (SHM-14), or has been unmapped behind our back. */
	attached_cut((uintptr_t)address, size);
	ledger_attach_end(ledger, entry, (uintptr_t)address);
	attached_add((uintptr_t)address, size, object->id, &(struct attached){
		.entry = entry, .protection = shm_protection(flags), .file = backing->number });
	return address;
}

static long shm_attach_locked(int id, uintptr_t wanted, bool is_fixed, int flags)
{
	struct registry_object object;
	uint32_t need = flags & SHM_RDONLY ? CRED_READ : CRED_READ | CRED_WRITE;
	struct backing backing;
	uint64_t live;
	long address;
	int r;

	if (flags & SHM_EXEC)
		need |= CRED_EXEC;
	live = shared64_load(registry_live_word(atomic_load(&ns_registry), IPC_KIND_SHM, id));
	r = ipc_find(IPC_KIND_SHM, id, &object);
	if (r == 0)
		r = backing_open(&object, live, need, &backing);
	if (r < 0)
		return r;
	address = shm_attach_open(&backing, &object, wanted, is_fixed, flags);
	backing_close(&backing, address >= 0 || address <= -4096);
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
	int r;

	if ((uintptr_t)address & (SHM_PAGE - 1) || attached_count() == 0)
		return -EINVAL;
	if (client_thread.sleeping)
		sleeping_cancel_all();
	process_lock();
	r = attached_detach((uintptr_t)address);
	process_unlock();
	return r;
}

/* -------------------------------------------------------------------------------- shmget, shmctl */

int shm_get(key_t key, size_t size, int flags)
{
	int r = ns_open(false);

	return r < 0 ? r : ipc_get(IPC_KIND_SHM, key, size, (uint32_t)flags);
}

/* Asks the daemon; with the process locked, so that nothing of ours changes before the sum is kept. */
static int shm_ask_sum(int32_t id, struct registry_object *ret_object, uint64_t *ret_n_attached)
{
	struct process_sum *sum = &process_self()->sum;
	uint64_t now_ns = clock_monotonic_ns();
	struct proto_message request = {
		.type = PROTO_SHM_STAT,
		.object = {.kind = IPC_KIND_SHM, .id = id},
	};
	struct proto_message reply;
	int r;

	request.object.argument = sum->asked_id == id && now_ns - sum->asked_ns < SHM_AGAIN_NS;
	r = conn_call(&request, CONN_TIMEOUT_DEFAULT, &reply, NULL);
	if (r < 0)
		return r;
	if (reply.type != PROTO_SHM_REPLY || reply.shm.error != 0)
		return reply.reply.error != 0 ? -reply.reply.error : -EIO;
	sum->asked_id = id;
	sum->asked_ns = now_ns;
	if (reply.shm.object.generation != 0) {
		sum->own = reply.shm.object.generation;
		atomic_store(&sum->n_attached, reply.shm.n_attached);
		atomic_store(&sum->until_ns, now_ns + SHM_LEASE_NS);
		atomic_store(&sum->lease, sum->own);
	}
	*ret_object = reply.shm.object;
	*ret_n_attached = reply.shm.n_attached;
	return 0;
}

int shm_read_sum(int32_t id, struct registry_object *ret_object, uint64_t *ret_n_attached)
{
	int r;

	process_lock();
	r = shm_ask_sum(id, ret_object, ret_n_attached);
	process_unlock();
	return r;
}

/* True if the sum we were given still holds for the segment, as it has just been read. */
static bool shm_keep_sum(const struct registry_object *object, uint64_t *ret_n_attached)
{
	const struct process_sum *sum = &process_page->sum;
	uint64_t lease = atomic_load(&sum->lease);

	if (lease == 0 || lease != object->generation || clock_monotonic_ns() >= atomic_load(&sum->until_ns))
		return false;
	*ret_n_attached = atomic_load(&sum->n_attached);
	return atomic_load(&sum->lease) == lease;
}

uint64_t shm_read_resident(const struct registry_object *object)
{
	char path[NS_PATH_MAX];
	struct file_status status = {0};
	long fd = -ENAMETOOLONG;
	uint64_t used = 0;

	/* O_PATH needs no right to the file itself. */
	if (ns_segment_path(path, object))
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
		info.shm_rss += shm_read_resident(&object) / SHM_PAGE;
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
	if (r == 0 && !shm_keep_sum(&object, &n_attached))
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

/* PERM-11: who is not privileged locks his own, within his limit; that of the segment alone is looked at. */
static int shm_judge_lock(const struct registry_object *object)
{
	struct rlimit limit = {.rlim_cur = RLIM_INFINITY};
	uint32_t euid = cred_euid();

	if (euid == 0)
		return 0;
	(void)raw_call4(SYS_prlimit64, 0, RLIMIT_MEMLOCK, NULL, &limit);
	if ((euid != object->owner.uid && euid != object->owner.cuid) || limit.rlim_cur == 0)
		return -EPERM;
	return !(object->owner.mode & (ABI_SHM_LOCKED | ABI_SHM_HUGETLB)) && object->size > limit.rlim_cur
		       ? -ENOMEM : 0;
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

	if (r == 0 && locked)
		r = shm_judge_lock(&object);
	if (r == 0)
		r = conn_call(&request, CONN_TIMEOUT_DEFAULT, &reply, NULL);
	return r < 0 ? r : -reply.reply.error;
}

static int shm_remove(int id)
{
	process_lock();
	backing_removed(id);
	process_unlock();
	return ipc_remove(IPC_KIND_SHM, id);
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
		return shm_remove(id);
	case SHM_LOCK:
	case SHM_UNLOCK:
		return shm_set_locked(id, command == SHM_LOCK);
	default:
		return -EINVAL;
	}
}

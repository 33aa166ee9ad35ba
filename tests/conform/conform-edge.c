/* conform-edge.c: what surrounds a process: resource limits, capabilities, its root, its namespaces. */
#include "conform-memory.h"

#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* --- resource limits --- */

#define BIG (1u << 20)

static void limit_set(int resource, rlim_t value)
{
	struct rlimit limit;

	MUST(getrlimit(resource, &limit));
	limit.rlim_cur = value;
	MUST(setrlimit(resource, &limit));
}

/* Makes and uses an object of each kind, and puts how each call went. */
static void put_use_of_all(void)
{
	int shm = get_shm(IPC_PRIVATE, BIG, 0600);
	int sem = get_sem(IPC_PRIVATE, 1000, 0600);
	int msg = get_msg(IPC_PRIVATE, 0600);
	unsigned short values[1000] = { 7 };
	char *at = shmat(shm, NULL, 0);

	put_ok(at == FAILED ? -1 : 0);
	if (at != FAILED) {
		memset(at, 1, BIG);
		put_ok(shmdt(at));
	}
	put_ok(semctl(sem, 0, SETALL, (union semun){ .array = values }));
	put_ok(OPS(sem, { 0, -1, SEM_UNDO }, { 999, 1, 0 }));
	put_ok(msg_send(msg, 1, 8192, IPC_NOWAIT));
	put_receive(msg, 8192, 0, IPC_NOWAIT);
}

static void use_under_limit(void *arg)
{
	limit_set(*(const int *)arg, 0);
	put_use_of_all();
}

CASE("LIM-22", file_size_limit_does_not_apply)
{
	child_run(use_under_limit, &(int){ RLIMIT_FSIZE });
}

CASE("LIM-22", data_limit_does_not_apply)
{
	child_run(use_under_limit, &(int){ RLIMIT_DATA });
}

CASE("LIM-22", queue_limit_does_not_apply)
{
	child_run(use_under_limit, &(int){ RLIMIT_MSGQUEUE });
}

static void attach_beyond(void *arg)
{
	(void)arg;
	limit_set(RLIMIT_AS, 256u << 20);
	put_ok(shmat(shm_new(512u << 20), NULL, 0) == FAILED ? -1 : 0);
	put_ok(shmat(shm_new(PAGE), NULL, 0) == FAILED ? -1 : 0);
}

CASE("LIM-22", address_space_limit_applies_to_attaching)
{
	child_run(attach_beyond, NULL);
}

/* --- segments --- */

CASE("SHM-4", set_does_not_change_the_size)
{
	int id = shm_new(3 * PAGE);
	struct shmid_ds ds;

	MUST(shmctl(id, IPC_STAT, &ds));
	ds.shm_segsz = 5 * PAGE;
	put_ok(shmctl(id, IPC_SET, &ds));
	put_shm(id);
}

static void attach_at_page_zero(void *arg)
{
	int id = *(int *)arg;

	seem(NOBODY);
	put_ok(shmat(id, (void *)1, SHM_RND) == FAILED ? -1 : 0);
	put_ok(shmat(id, (void *)(uintptr_t)(PAGE - 1), SHM_RND | SHM_RDONLY) == FAILED ? -1 : 0);
	seem_root();
	put_shm(id);
}

CASE("SHM-12", rounding_to_zero_asks_for_page_zero)
{
	int id;

	need_uids();
	id = (int)MUST(get_shm(IPC_PRIVATE, PAGE, 0666));
	child_run(attach_at_page_zero, &id);
}

CASE("SHM-19", write_permission_alone_attaches_nothing)
{
	int id;

	need_uids();
	seem(NOBODY);
	id = (int)MUST(get_shm(IPC_PRIVATE, PAGE, 0200));
	put_ok(shmat(id, NULL, 0) == FAILED ? -1 : 0);
	put_ok(shmat(id, NULL, SHM_RDONLY) == FAILED ? -1 : 0);
	seem_root();
}

/* --- capabilities --- */

/* Another user whose only capability is that to administer. */
static void become_administrator(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	MUST(prctl(PR_SET_KEEPCAPS, 1));
	become(NOBODY);
	data[CAP_SYS_ADMIN / 32].effective = 1u << CAP_SYS_ADMIN % 32;
	data[CAP_SYS_ADMIN / 32].permitted = 1u << CAP_SYS_ADMIN % 32;
	MUST(syscall(SYS_capset, &header, data));
}

static void operate_as_administrator(void *arg)
{
	const int *ids = arg;

	become_administrator();
	put_ok(shmat(ids[0], NULL, SHM_RDONLY) == FAILED ? -1 : 0);
	put_ok(OPS(ids[1], { 0, 1, 0 }));
	put_ok(msg_send(ids[2], 1, 1, IPC_NOWAIT));
	put_receive(ids[2], 1, 0, IPC_NOWAIT);
}

CASE("PERM-9", administrator_may_not_use_what_is_not_his)
{
	int ids[3];

	need_uids();
	ids[0] = shm_new(PAGE);
	ids[1] = sem_new(1);
	ids[2] = msg_new();
	child_run(operate_as_administrator, ids);
}

/* --- another root, other namespaces --- */

/* An empty directory becomes the root of this process. */
static void change_root(void)
{
	char jail[] = "/tmp/conform-XXXXXX";

	MUST(mkdtemp(jail) ? 0 : -1);
	MUST(chdir(jail));
	MUST(rmdir(jail));
	put_ok(chroot("."));
}

static void use_after_chroot(void *arg)
{
	int id = *(int *)arg;

	MUST(OPS(id, { 0, 1, 0 }));
	change_root();
	put_ok(OPS(id, { 0, 1, 0 }));
	put_ok(OPS(id, { 0, 1, SEM_UNDO }, { 1, 1, 0 }));
}

CASE("EVT-12", chroot_does_not_matter_to_what_is_in_use)
{
	int id;

	need_uids();
	id = sem_new(2);
	child_run(use_after_chroot, &id);
	put_sem(id);
}

static void open_after_chroot(void *arg)
{
	change_root();
	put_ok(OPS(*(int *)arg, { 0, 1, 0 }));
}

CASE("EVT-12", chroot_does_not_matter_to_other_objects)
{
	int id;

	need_uids();
	id = sem_new(2);
	child_run(open_after_chroot, &id);
}

static void leave_the_namespace(void *arg)
{
	put_ok(unshare(CLONE_NEWIPC));
	put_ok(OPS(*(int *)arg, { 0, 1, 0 }));
}

CASE("EVT-10", other_ipc_namespace_has_other_objects)
{
	int id;

	need_uids();
	id = sem_new(1);
	child_run(leave_the_namespace, &id);
}

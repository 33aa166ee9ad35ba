/* conform-map.c: munmap, mprotect, mremap, mmap and madvise on attached memory. */
#include "conform-memory.h"

#include <sys/syscall.h>

static void wait_for_kill(void *arg)
{
	(void)arg;
	shared[9] = 1;
	for (;;)
		(void)pause();
}

static void detach_both(void *arg)
{
	char **list = arg;

	put_ret(shmdt(list[0]));
	put_ret(shmdt(list[1]));
}

CASE("SHM-29", mprotect_splits_where_protection_changes)
{
	int id = shm_new(4 * PAGE);
	char *a = attach(id);

	put_ret(mprotect(a, 4 * PAGE, PROT_READ | PROT_WRITE));
	put(" %lu", shm_nattch(id));
	put_ret(mprotect(a, 4 * PAGE, PROT_READ));
	put(" %lu", shm_nattch(id));
	put_ret(mprotect(a + 3 * PAGE, PAGE, PROT_READ | PROT_WRITE));
	put(" %lu", shm_nattch(id));
	put_ret(mprotect(a + 3 * PAGE, PAGE, PROT_READ));
	put(" %lu", shm_nattch(id));
	put_ret(mprotect(a + PAGE, 3 * PAGE, PROT_NONE));
	put(" %lu", shm_nattch(id));
	put_ret(shmdt(a + PAGE));
	put_ret(shmdt(a));
	put(" %lu", shm_nattch(id));
}

CASE("SHM-29", pieces_are_counted_in_children)
{
	int id = shm_new(4 * PAGE);
	char *a = attach(id);
	pid_t pid;

	put_ret(munmap(a + PAGE, PAGE));
	pid = child_start(wait_for_kill, NULL);
	await(9, 1);
	put(" %lu", shm_nattch(id));
	child_kill(pid);
	put(" %lu", shm_nattch(id));
}

CASE("SHM-30", munmap_over_several_attachments)
{
	int id = shm_new(3 * PAGE);
	char *where = hole(9 * PAGE);
	char *a = shmat(id, where, 0);
	char *b = shmat(id, where + 3 * PAGE, 0);
	char *c = shmat(id, where + 6 * PAGE, 0);

	put(" %d", a == where && b == where + 3 * PAGE && c == where + 6 * PAGE);
	mark_time();
	put_ret(munmap(where + 2 * PAGE, 5 * PAGE));
	put_shm(id);
	put_ret(shmdt(b));
	put_ret(shmdt(a));
	put(" %lu", shm_nattch(id));
	put_ret(shmdt(c));
	put(" %lu", shm_nattch(id));
}

CASE("SHM-30", edge_munmap_is_attach_and_detach)
{
	int id = shm_new(3 * PAGE);
	char *a = attach(id);

	mark_time();
	put_ret(munmap(a, PAGE));
	put_shm(id);
}

CASE("SHM-30", failed_munmap_changes_nothing)
{
	int id = shm_new(2 * PAGE);
	char *a = attach(id);

	put_ret(munmap(a + 1, PAGE));
	put_ret(munmap(a, 0));
	put_shm(id);
	put_ret(shmdt(a));
}

CASE("SHM-30", mapping_over_a_part)
{
	int id = shm_new(3 * PAGE);
	char *a = attach(id);
	char *b = mmap(a + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		       -1, 0);

	put(" %d %lu", b == a + PAGE, shm_nattch(id));
	b[0] = 1;
	put_ret(shmdt(a));
	put(" %lu %d", shm_nattch(id), b[0]);
}

CASE("SHM-14", remap_over_a_part_of_another_attachment)
{
	int id = shm_new(3 * PAGE);
	int other = shm_new(PAGE);
	char *a = attach(id);

	put(" %d", shmat(other, a + PAGE, SHM_REMAP) == a + PAGE);
	put(" %lu %lu", shm_nattch(id), shm_nattch(other));
	put_ret(shmdt(a));
	put(" %lu %lu", shm_nattch(id), shm_nattch(other));
	put_ret(shmdt(a + PAGE));
	put(" %lu", shm_nattch(other));
}

CASE("SHM-31", mremap_of_a_part)
{
	int id = shm_new(3 * PAGE);
	char *a = attach(id);
	char *where = (char *)hole(9 * PAGE) + 4 * PAGE;
	char *b;

	a[PAGE] = 'm';
	b = mremap(a + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, where);
	put(" %d %c %lu", b == where, b[0], shm_nattch(id));
	put_ret(shmdt(a));
	put(" %lu", shm_nattch(id));
	put_ret(shmdt(b));
	put_ret(shmdt(b - PAGE));
	put(" %lu", shm_nattch(id));
}

CASE("SHM-31", mremap_shrinks_in_place)
{
	int id = shm_new(4 * PAGE);
	char *a = attach(id);

	put(" %d", mremap(a, 4 * PAGE, 2 * PAGE, 0) == a);
	put(" %lu", shm_nattch(id));
	put_store(a + 3 * PAGE);
	put_ret(shmdt(a));
	put(" %lu", shm_nattch(id));
}

CASE("SHM-31", mremap_of_nothing_maps_it_twice)
{
	int id = shm_new(2 * PAGE);
	char *a = attach(id);
	char *b = mremap(a, 0, 2 * PAGE, MREMAP_MAYMOVE);

	MUST(b == MAP_FAILED ? -1 : 0);
	a[7] = 't';
	put(" %c %lu", b[7], shm_nattch(id));
	put_ret(shmdt(a));
	put(" %lu", shm_nattch(id));
	put_ret(shmdt(b));
	put(" %lu", shm_nattch(id));
}

CASE("SHM-30", bare_munmap_is_a_detach)
{
	int id = shm_new(2 * PAGE);
	char *a = attach(id);

	put_ret(syscall(SYS_mprotect, a, PAGE, PROT_READ));
	put(" %lu", shm_nattch(id));
	put_ret(syscall(SYS_munmap, a, 2 * PAGE));
	put(" %lu", shm_nattch(id));
	put_ret(shmdt(a));
}

CASE("SHM-32", dontfork_attachment_is_not_the_child_s_to_detach)
{
	int id = shm_new(2 * PAGE);
	int other = shm_new(PAGE);
	char *a = attach(id);
	char *b = attach(other);
	char *list[2] = { a, b };

	put_ret(madvise(a, 2 * PAGE, MADV_DONTFORK));
	child_run(detach_both, list);
	put(" %lu %lu", shm_nattch(id), shm_nattch(other));
	put_ret(madvise(a, 2 * PAGE, MADV_DOFORK));
	child_run(detach_both, list);
	put(" %lu %lu", shm_nattch(id), shm_nattch(other));
}

/* --- the same segment again and again --- */

CASE("SHM-34", attaching_again_and_again_keeps_nothing)
{
	int id = shm_new(PAGE);
	int i;

	for (i = 0; i < 5; i++)
		MUST(shmdt(attach(id)));
	put(" %lu", shm_nattch(id));
	put_ret(shmctl(id, IPC_RMID, NULL));
	put_shm(id);
	put_ret(shmat(id, NULL, 0) == FAILED ? -1 : 0);
}

CASE("SHM-35", attached_again_and_again_it_stays_until_the_last_detach)
{
	int id = shm_new(PAGE);
	char *a = attach(id);
	char *b = attach(id);
	char *c = attach(id);
	char *d = attach(id);

	MUST(shmctl(id, IPC_RMID, NULL));
	put_ret(shmdt(b));
	put_ret(shmdt(d));
	put(" %lu", shm_nattch(id));
	put_ret(shmdt(a));
	put(" %lu", shm_nattch(id));
	put_ret(shmdt(c));
	put_shm(id);
}

static void attach_as_somebody(void *arg)
{
	become(SOMEBODY);
	put_ret(shmat(*(int *)arg, NULL, 0) == FAILED ? -1 : 0);
}

CASE("PERM-14", attaching_again_is_judged_again)
{
	struct shmid_ds ds;
	int id;
	int i;

	need_uids();
	id = shm_new(PAGE);
	for (i = 0; i < 3; i++)
		MUST(shmdt(attach(id)));
	seem(SOMEBODY);
	put_ret(shmat(id, NULL, 0) == FAILED ? -1 : 0);
	put_ret(shmat(id, NULL, SHM_RDONLY) == FAILED ? -1 : 0);
	seem_root();
	child_run(attach_as_somebody, &id);
	MUST(shmctl(id, IPC_STAT, &ds));
	ds.shm_perm.mode = 0644;
	MUST(shmctl(id, IPC_SET, &ds));
	seem(SOMEBODY);
	put_ret(shmat(id, NULL, 0) == FAILED ? -1 : 0);
	put_ret(shmat(id, NULL, SHM_RDONLY) == FAILED ? -1 : 0);
	seem_root();
	put(" %lu", shm_nattch(id));
}

CASE("OBS-12", attaching_again_after_all_descriptors_were_closed)
{
	int id = shm_new(PAGE);
	int i;

	for (i = 0; i < 3; i++)
		MUST(shmdt(attach(id)));
	for (i = 3; i < 1100; i++)
		(void)close(i);
	for (i = 0; i < 3; i++)
		put_ret(shmdt(attach(id)));
	MUST(shmctl(id, IPC_RMID, NULL));
	put_shm(id);
}

static void hold_inherited(void *arg)
{
	await(2, 1);
	(void)arg;
}

CASE("EVT-1", child_keeps_what_its_parent_attaches_again_and_again)
{
	int id = shm_new(PAGE);
	char *a;
	pid_t pid;
	int i;

	for (i = 0; i < 3; i++)
		MUST(shmdt(attach(id)));
	a = attach(id);
	pid = child_start(hold_inherited, NULL);
	for (i = 0; i < 3; i++)
		MUST(shmdt(attach(id)));
	MUST(shmdt(a));
	put(" %lu", shm_nattch(id));
	MUST(shmctl(id, IPC_RMID, NULL));
	put(" %lu", shm_nattch(id));
	shared[2] = 1;
	(void)child_wait(pid);
	put_shm(id);
}

/*
 * conform-huge.c: segments in huge pages of 2 MiB.
 *
 * `run` gives usysv a namespace that has some.  A machine whose kernel has set none aside is compared
 * with what one that has answers (huge.expected).
 */
#include "conform-memory.h"

#define HUGE ((size_t)2 << 20)

static int huge_new(size_t size)
{
	int id = get_shm(IPC_PRIVATE, size, SHM_HUGETLB | 0600);

	MUST(id);
	return id;
}

/* A range of address space with nothing in it that begins at a huge page. */
static char *huge_hole(size_t size)
{
	uintptr_t pages = (uintptr_t)hole(size + HUGE);

	return (char *)((pages + HUGE - 1) / HUGE * HUGE);
}

/* kB that a line of this mapping's entry in smaps says. */
static unsigned long smaps_line(const char *line, const char *name)
{
	size_t n = strlen(name);

	return strncmp(line, name, n) == 0 ? strtoul(line + n, NULL, 10) : 0;
}

/* kB of huge pages that are mapped at this address. */
static unsigned long huge_mapped(const char *address)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	unsigned long total = 0;
	char line[4352];
	bool is_here = false;

	while (file && fgets(line, sizeof(line), file)) {
		unsigned long from = 0;
		unsigned long to = 0;

		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			is_here = (uintptr_t)address >= from && (uintptr_t)address < to;
		if (is_here)
			total += smaps_line(line, "ShmemPmdMapped:") + smaps_line(line, "FilePmdMapped:") +
				 smaps_line(line, "Shared_Hugetlb:") + smaps_line(line, "Private_Hugetlb:");
	}
	if (file)
		(void)fclose(file);
	return total;
}

static unsigned int shm_mode(int id)
{
	struct shmid_ds ds;

	MUST(shmctl(id, IPC_STAT, &ds));
	return ds.shm_perm.mode;
}

CASE("PERM-12", no_right_to_huge_pages)
{
	need_uids();
	become(SOMEBODY);
	put_ret(shmget(IPC_PRIVATE, HUGE, SHM_HUGETLB | 0600));
	put_ret(shmget(IPC_PRIVATE, HUGE, SHM_HUGETLB | 21 << 26 | 0600));
	put_ret(shmget(IPC_PRIVATE, HUGE, SHM_HUGETLB | 20 << 26 | 0600));
	put_ret(shmget(IPC_PRIVATE, (size_t)1 << 46, SHM_HUGETLB | 0600));
}

CASE("SHM-5", more_huge_pages_than_there_are)
{
	put_ret(shmget(IPC_PRIVATE, (size_t)1 << 46, SHM_HUGETLB | 0600));
	put_ret(shmget(IPC_PRIVATE, HUGE, SHM_HUGETLB | 40 << 26 | 0600));
	put_ret(shmget(IPC_PRIVATE, 0, SHM_HUGETLB | 0600));
}

CASE("SHM-5", size_is_rounded_in_memory_alone)
{
	int id = huge_new(PAGE + 1);
	struct shmid_ds ds;
	char *a = attach(id);

	MUST(shmctl(id, IPC_STAT, &ds));
	put(" %lu %o %lu", (unsigned long)ds.shm_segsz, ds.shm_perm.mode, (unsigned long)ds.shm_nattch);
	put(" %lu", (uintptr_t)a % HUGE);
	put_store(a + HUGE - 1);
	put_ret(a[0]);
	put(" %lu kB", huge_mapped(a));
	put_ret(shmdt(a));
	put_store(a + HUGE - 1);
}

CASE("SHM-5", every_page_is_huge)
{
	int id = huge_new(3 * HUGE);
	char *a = attach(id);

	memset(a, 1, 3 * HUGE);
	put(" %lu kB", huge_mapped(a));
}

CASE("SHM-5", flag_is_ignored_when_the_key_exists)
{
	key_t key = key_new();
	key_t other = key_new();
	int id = get_shm(key, 100, IPC_CREAT | 0600);
	int huge = get_shm(other, 100, IPC_CREAT | SHM_HUGETLB | 0600);

	MUST(id);
	MUST(huge);
	put(" %d", shmget(key, 100, IPC_CREAT | SHM_HUGETLB | 0600) == id);
	put(" %d", shmget(key, 100, SHM_HUGETLB | 19 << 26) == id);
	put(" %d", shmget(other, 100, IPC_CREAT | 0600) == huge);
	put_ret(shmget(other, 101, 0));
}

CASE("SHM-5", size_of_the_pages_given)
{
	int id = get_shm(IPC_PRIVATE, 10, SHM_HUGETLB | 21 << 26 | 0640);

	put(" %d", id >= 0);
	MUST(id);
	put(" %o", shm_mode(id));
	put_ret(shmget(IPC_PRIVATE, 10, SHM_HUGETLB | 22 << 26 | 0600));
}

CASE("SHM-9", fixed_address_of_huge_pages)
{
	int id = huge_new(2 * HUGE);
	char *where = huge_hole(4 * HUGE);

	put(" %d", shmat(id, where, 0) == where);
	put_ret(shmat(id, where, 0) == FAILED ? -1 : 0);
	put_ret(shmat(id, where + 3 * HUGE + PAGE, 0) == FAILED ? -1 : 0);
	put_ret(shmat(id, where + 2 * HUGE + 1, SHM_RND) == FAILED ? -1 : 0);
	put_ret(shmat(id, where + 2 * HUGE + PAGE + 1, SHM_RND) == FAILED ? -1 : 0);
	put(" %lu", shm_nattch(id));
	put_ret(shmdt(where));
	put(" %lu", shm_nattch(id));
}

CASE("SHM-14", remap_over_huge_pages)
{
	int id = huge_new(2 * HUGE);
	int other = huge_new(HUGE);
	char *a = attach(id);

	put(" %d", shmat(other, a + HUGE, SHM_REMAP) == a + HUGE);
	put(" %lu %lu", shm_nattch(id), shm_nattch(other));
	put_ret(shmat(other, a + PAGE, SHM_REMAP) == FAILED ? -1 : 0);
	put_store(a);
	put_store(a + HUGE);
	put(" %lu %lu", shm_nattch(id), shm_nattch(other));
	put_ret(shmdt(a));
	put_ret(shmdt(a + HUGE));
	put(" %lu %lu", shm_nattch(id), shm_nattch(other));
}

CASE("SHM-29", pieces_of_huge_pages)
{
	int id = huge_new(3 * HUGE);
	char *a = attach(id);

	put_ret(munmap(a + HUGE, HUGE));
	put(" %lu", shm_nattch(id));
	put_ret(mprotect(a, HUGE, PROT_READ));
	put(" %lu", shm_nattch(id));
	put_ret(shmdt(a + HUGE));
	put_ret(munmap(a, HUGE));
	put(" %lu", shm_nattch(id));
	put_ret(shmdt(a));
	put(" %lu", shm_nattch(id));
	put_ret(shmdt(a));
}

static void huge_child(void *arg)
{
	char *a = arg;

	a[HUGE] = 7;
	shared[9] = 1;
	for (;;)
		(void)pause();
}

CASE("EVT-1", children_inherit_huge_pages)
{
	int id = huge_new(2 * HUGE);
	char *a = attach(id);
	pid_t pid;

	a[0] = 1;
	pid = child_start(huge_child, a);
	await(9, 1);
	put(" %lu %d", shm_nattch(id), a[HUGE]);
	put_ret(shmctl(id, IPC_RMID, NULL));
	put_ret(shmdt(a));
	put(" %lu %o", shm_nattch(id), shm_mode(id));
	a = attach(id);
	put(" %d", a[HUGE]);
	put_ret(shmdt(a));
	child_kill(pid);
	put_ret(shmctl(id, IPC_STAT, &(struct shmid_ds){ 0 }));
}

CASE("SHM-42", lock_of_huge_pages_does_nothing)
{
	int id = huge_new(HUGE);

	put_ret(shmctl(id, SHM_LOCK, NULL));
	put(" %o", shm_mode(id));
	put_ret(shmctl(id, SHM_UNLOCK, NULL));
	put(" %o", shm_mode(id));
}

CASE("SHM-5", set_of_huge_pages)
{
	int id = huge_new(HUGE);
	struct shmid_ds ds;
	char *a;

	MUST(shmctl(id, IPC_STAT, &ds));
	ds.shm_perm.mode = 0444;
	put_ret(shmctl(id, IPC_SET, &ds));
	put(" %o", shm_mode(id));
	a = attach(id);
	put_store(a);
	put(" %lu kB", huge_mapped(a));
}

CASE("SHM-43", info_of_huge_pages)
{
	struct shm_info before;
	struct shm_info info;
	char *a;

	MUST(shmctl(0, SHM_INFO, (struct shmid_ds *)&before));
	a = attach(huge_new(HUGE + 1));
	a[0] = 1;
	put_ok(shmctl(0, SHM_INFO, (struct shmid_ds *)&info));
	/* Kernels since 6.6 say 512 times what is resident. */
	put(" +%d +%lu %d", info.used_ids - before.used_ids, info.shm_tot - before.shm_tot,
	    info.shm_rss - before.shm_rss >= HUGE / PAGE);
}

CASE("SHM-18", huge_pages_to_read)
{
	int id = huge_new(HUGE);
	char *a = attach(id);
	char *b = shmat(id, NULL, SHM_RDONLY);

	a[5] = 3;
	put(" %d", b[5]);
	put_store(b);
	put_ret(mprotect(b, HUGE, PROT_READ | PROT_WRITE));
	put(" %lu", shm_nattch(id));
}

CASE("SHM-6", huge_pages_without_a_promise)
{
	int id = get_shm(IPC_PRIVATE, (size_t)1 << 40, SHM_HUGETLB | SHM_NORESERVE | 0600);
	char *a = attach(id);

	put_store(a + HUGE);
	put(" %lu kB", huge_mapped(a));
	put_ret(shmdt(a));
}

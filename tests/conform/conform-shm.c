/* conform-shm.c: shared memory: contents, shmat, shmdt, partial mappings, shmctl. */
#include "conform-memory.h"

#include <sys/resource.h>

/* " ok", or the errno; returns the address. */
static char *put_at(void *address)
{
	put_ok(address == FAILED ? -1 : 0);
	return address;
}

/* --- contents --- */

CASE("SHM-1", size_is_exact_and_the_page_tail_is_usable)
{
	int id = shm_new(100);
	char *a = attach(id);
	char *b = attach(id);

	put_shm(id);
	put(" tail=%d", a[4095]);
	a[4095] = 'x';
	put(" %c", b[4095]);
}

CASE("SHM-2", memory_is_zero_at_creation)
{
	int id = shm_new(5 * PAGE);
	char *a = attach(id);
	size_t odd = 0;
	size_t i;

	for (i = 0; i < 5 * PAGE; i++)
		odd += a[i] != 0;
	put(" odd=%zu", odd);
}

CASE("SHM-2", contents_persist_with_no_attachment)
{
	int id = shm_new(3 * PAGE);
	char *a = attach(id);

	strcpy(a + 2 * PAGE, "kept");
	MUST(shmdt(a));
	a = attach(id);
	put(" %s", a + 2 * PAGE);
}

CASE("SHM-2", new_segment_after_removal_is_zero_again)
{
	key_t key = key_new();
	int id = (int)MUST(get_shm(key, PAGE, IPC_CREAT | 0600));
	char *a = attach(id);

	memset(a, 'x', PAGE);
	MUST(shmdt(a));
	MUST(shmctl(id, IPC_RMID, NULL));
	id = (int)MUST(get_shm(key, PAGE, IPC_CREAT | 0600));
	put(" %d", attach(id)[7]);
}

CASE("SHM-3", new_segment)
{
	put_shm(shm_new(12345));
}

/* --- shmat --- */

CASE("SHM-7", shmat_checks_in_order)
{
	int id = shm_new(PAGE);
	char *where = hole(PAGE);

	put_at(shmat(-1, where + 1, 0));
	put_at(shmat(shm_stale(), where + 1, 0));
	put_at(shmat(shm_stale(), NULL, 0));
	put_at(shmat(shm_stale(), NULL, SHM_REMAP));
	put_at(shmat(INT_MAX, NULL, 0));
	put_shm(id);
}

CASE("SHM-7", shmat_eacces_beats_an_occupied_range)
{
	char *taken;
	int id;

	need_uids();
	id = shm_new(PAGE);
	taken = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	seem(NOBODY);
	put_at(shmat(id, taken, 0));
	put_at(shmat(id, taken + 1, 0));
	seem_root();
	put_at(shmat(id, taken, 0));
}

CASE("SHM-8", null_address_is_chosen_page_aligned)
{
	int id = shm_new(PAGE);
	char *a = put_at(shmat(id, NULL, 0));
	char *b = put_at(shmat(id, NULL, 0));

	put(" %lu %lu %d", (uintptr_t)a % PAGE, (uintptr_t)b % PAGE, a != b);
	a[5] = 'q';
	put(" %c", b[5]);
}

CASE("SHM-9", aligned_address_is_taken_exactly)
{
	int id = shm_new(2 * PAGE);
	char *where = hole(2 * PAGE);
	char *a = put_at(shmat(id, where, 0));

	put(" %d", a == where);
	put_ret(shmdt(a));
	put(" %d", shmat(id, where, SHM_RND) == where);
}

CASE("SHM-10", unaligned_address_needs_rnd)
{
	int id = shm_new(PAGE);
	char *where = hole(PAGE);

	put_at(shmat(id, where + 1, 0));
	put_at(shmat(id, where + PAGE - 1, 0));
	put(" %d", shmat(id, where + PAGE - 1, SHM_RND) == where);
	put_shm(id);
}

CASE("SHM-11", remap_needs_an_address)
{
	int id = shm_new(PAGE);

	put_at(shmat(id, NULL, SHM_REMAP));
	put_at(shmat(id, (void *)1, SHM_REMAP | SHM_RND));
}

CASE("SHM-13", occupied_range_is_einval_and_changes_nothing)
{
	int id = shm_new(3 * PAGE);
	char *where = hole(3 * PAGE);
	char *taken;

	taken = mmap(where + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	taken[0] = 'k';
	put_at(shmat(id, where, 0));
	put_shm(id);
	put(" %c", taken[0]);
	MUST(munmap(taken, PAGE));
	put_at(shmat(id, where, 0));
}

CASE("SHM-13", adjacent_mappings_are_fine)
{
	int id = shm_new(PAGE);
	char *where = hole(3 * PAGE);

	put_at(shmat(id, where, 0));
	put_at(shmat(id, where + 2 * PAGE, 0));
	put_at(shmat(id, where + PAGE, 0));
	put(" %lu", shm_nattch(id));
}

CASE("SHM-14", remap_replaces_what_is_there)
{
	int id = shm_new(2 * PAGE);
	char *taken = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	taken[10] = 'k';
	put(" %d", shmat(id, taken, SHM_REMAP) == taken);
	put(" %d %lu", taken[10], shm_nattch(id));
}

CASE("SHM-14", remap_over_another_attachment_detaches_it)
{
	int a = shm_new(2 * PAGE);
	int b = shm_new(2 * PAGE);
	char *at = attach(a);

	put(" %d", shmat(b, at, SHM_REMAP) == at);
	put(" %lu %lu", shm_nattch(a), shm_nattch(b));
	put_ret(shmdt(at));
	put(" %lu %lu", shm_nattch(a), shm_nattch(b));
}

CASE("SHM-15", wrapping_and_too_high_ranges)
{
	int id = shm_new(2 * PAGE);

	put_at(shmat(id, (void *)(UINTPTR_MAX - PAGE + 1), 0));
	put_at(shmat(id, (void *)0x7ffffffff000, 0));
	put_at(shmat(id, (void *)0xffff800000000000, 0));
	put_shm(id);
}

CASE("SHM-16", address_space_limit_is_enomem)
{
	int id = shm_new((size_t)1 << 24);
	struct rlimit limit;

	MUST(getrlimit(RLIMIT_AS, &limit));
	limit.rlim_cur = (rlim_t)1 << 22;
	MUST(setrlimit(RLIMIT_AS, &limit));
	put_at(shmat(id, NULL, 0));
	limit.rlim_cur = limit.rlim_max;
	MUST(setrlimit(RLIMIT_AS, &limit));
	put_shm(id);
}

CASE("SHM-17", attach_effects)
{
	int id = shm_new(PAGE);

	mark_time();
	(void)attach(id);
	put_shm(id);
}

CASE("SHM-18", read_only_attachment)
{
	int id = shm_new(PAGE);
	char *w = attach(id);
	char *r = put_at(shmat(id, NULL, SHM_RDONLY));

	w[3] = 'r';
	put(" %c", r[3]);
	put_store(r);
	put_store(w);
	put_ret(mprotect(r, PAGE, PROT_READ | PROT_WRITE));
	put(" %lu", shm_nattch(id));
}

CASE("SHM-20", exec_attachment_is_executable)
{
	int id = (int)MUST(get_shm(IPC_PRIVATE, PAGE, 0700));
	char *a = attach(id);
	int (*code)(void);
	void *x;

	memcpy(a, "\xb8\x2a\x00\x00\x00\xc3", 6);
	x = put_at(shmat(id, NULL, SHM_EXEC | SHM_RDONLY));
	memcpy(&code, &x, sizeof(x));
	if (x != FAILED)
		put(" %d", code());
}

CASE("SHM-20", mprotect_may_add_execute)
{
	int id = shm_new(PAGE);
	char *a = attach(id);

	put_ret(mprotect(a, PAGE, PROT_READ | PROT_EXEC));
}

CASE("SHM-22", many_attachments_of_one_segment)
{
	int id = shm_new(PAGE);
	char *at[500];
	int wrong = 0;
	int i;

	for (i = 0; i < 500; i++) {
		at[i] = shmat(id, NULL, i % 2 ? SHM_RDONLY : 0);
		wrong += at[i] == FAILED;
	}
	put(" %d %lu", wrong, shm_nattch(id));
	at[0][0] = 'm';
	put(" %c", at[499][0]);
	for (i = 0; i < 500; i++)
		wrong += shmdt(at[i]) != 0;
	put(" %d %lu", wrong, shm_nattch(id));
}

CASE("SHM-22", many_segments_attached_at_once)
{
	char *at[100];
	int ids[100];
	int wrong = 0;
	int i;

	for (i = 0; i < 100; i++) {
		ids[i] = shm_new(PAGE);
		at[i] = attach(ids[i]);
		at[i][0] = (char)i;
	}
	for (i = 0; i < 100; i++) {
		char *again = attach(ids[i]);

		wrong += again[0] != (char)i || shm_nattch(ids[i]) != 2;
	}
	put(" wrong=%d", wrong);
}

CASE("SHM-24", mapping_is_named_after_the_key)
{
	int id = (int)MUST(get_shm(0x12ab, PAGE, IPC_CREAT | 0600));
	char line[512];
	char *a = attach(id);
	char start[32];
	FILE *maps = fopen("/proc/self/maps", "re");

	(void)snprintf(start, sizeof(start), "%lx-", (unsigned long)(uintptr_t)a);
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (strncmp(line, start, strlen(start)) != 0)
			continue;
		put(" %.4s %s", strchr(line, ' ') + 1,
		    strstr(line, "/SYSV000012ab (deleted)") != NULL ? "named" : "otherwise");
	}
	(void)fclose(maps);
}

CASE("SHM-25", no_descriptor_is_left_open)
{
	int id = shm_new(PAGE);
	int before;
	int after;

	(void)attach(id);
	before = dup(0);
	(void)close(before);
	(void)attach(id);
	(void)shmdt(attach(id));
	after = dup(0);
	put(" %d", after - before);
}

CASE("SHM-10", sub_page_multiples_are_unaligned)
{
	int id = shm_new(PAGE);
	char *where = hole(PAGE);

	put_at(shmat(id, where + 512, 0));
	put_at(shmat(id, where + 2048, 0));
}

/* --- shmdt and partial mappings --- */

CASE("SHM-26", shmdt_of_other_addresses_is_einval)
{
	int id = shm_new(3 * PAGE);
	char *a = attach(id);
	char *foreign = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	put_ret(shmdt(NULL));
	put_ret(shmdt(a + 1));
	put_ret(shmdt(a + PAGE));
	put_ret(shmdt(foreign));
	put_ret(shmdt(&id));
	put_ret(shmdt((void *)-1));
	put(" %lu", shm_nattch(id));
	put_ret(shmdt(a));
	put_ret(shmdt(a));
}

CASE("SHM-26", detached_memory_is_gone)
{
	int id = shm_new(PAGE);
	char *a = attach(id);

	put_store(a);
	put_ret(shmdt(a));
	put_store(a);
}

CASE("SHM-27", shmdt_after_the_first_page_was_unmapped)
{
	int id = shm_new(3 * PAGE);
	char *a = attach(id);

	put_ret(munmap(a, PAGE));
	put(" %lu", shm_nattch(id));
	put_ret(shmdt(a));
	put(" %lu", shm_nattch(id));
	put_store(a + PAGE);
}

CASE("SHM-28", detach_effects)
{
	int id = shm_new(PAGE);
	char *a = attach(id);

	mark_time();
	MUST(shmdt(a));
	put_shm(id);
}

CASE("SHM-29", mprotect_in_the_middle_splits)
{
	int id = shm_new(3 * PAGE);
	char *a = attach(id);

	put_ret(mprotect(a + PAGE, PAGE, PROT_READ));
	put(" %lu", shm_nattch(id));
	put_ret(shmdt(a));
	put(" %lu", shm_nattch(id));
}

CASE("SHM-29", munmap_in_the_middle_splits)
{
	int id = shm_new(3 * PAGE);
	char *a = attach(id);

	put_ret(munmap(a + PAGE, PAGE));
	put(" %lu", shm_nattch(id));
	put_ret(shmdt(a));
	put(" %lu", shm_nattch(id));
	put_store(a + 2 * PAGE);
}

CASE("SHM-30", munmap_of_all_is_a_detach)
{
	int id = shm_new(2 * PAGE);
	char *a = attach(id);

	mark_time();
	put_ret(munmap(a, 2 * PAGE));
	put_shm(id);
	put_ret(shmdt(a));
}

CASE("SHM-30", mapping_over_it_is_a_detach)
{
	int id = shm_new(2 * PAGE);
	char *a = attach(id);

	put(" %d", mmap(a, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == a);
	put(" %lu", shm_nattch(id));
	put_ret(shmdt(a));
}

CASE("SHM-30", munmap_of_an_edge_page_changes_no_count)
{
	int id = shm_new(3 * PAGE);
	char *a = attach(id);

	put_ret(munmap(a + 2 * PAGE, PAGE));
	put(" %lu", shm_nattch(id));
	put_ret(shmdt(a));
	put(" %lu", shm_nattch(id));
}

CASE("SHM-31", mremap_moves_an_attachment)
{
	int id = shm_new(2 * PAGE);
	char *a = attach(id);
	char *where = hole(2 * PAGE);
	char *b;

	a[9] = 'v';
	b = mremap(a, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, where);
	put(" %d %c %lu", b == where, b[9], shm_nattch(id));
	put_ret(shmdt(a));
	put_ret(shmdt(b));
	put(" %lu", shm_nattch(id));
}

CASE("SHM-33", only_the_attachment_at_that_address_goes)
{
	int id = shm_new(PAGE);
	char *a = attach(id);
	char *b = attach(id);

	put_ret(shmdt(a));
	put_store(b);
	put_store(a);
	put(" %lu", shm_nattch(id));
	put_ret(shmdt(b));
}

CASE("SHM-33", detach_and_attach_again_into_the_same_hole)
{
	int ids[3] = { shm_new(PAGE), shm_new(2 * PAGE), shm_new(3 * PAGE) };
	int wrong = 0;
	int i;

	for (i = 0; i < 60; i++) {
		char *a = attach(ids[i % 3]);

		MUST(shmdt(a));
		wrong += shmat(ids[i % 3], a, 0) != a;
		wrong += shmdt(a) != 0;
	}
	put(" wrong=%d", wrong);
}

/* --- shmctl --- */

CASE("SHM-34", rmid_of_an_unattached_segment_destroys_it)
{
	int id = shm_new(PAGE);

	put_ret(shmctl(id, IPC_RMID, NULL));
	put_ret(shmctl(id, IPC_RMID, NULL));
	put_at(shmat(id, NULL, 0));
	put_shm(id);
}

CASE("SHM-35", rmid_of_an_attached_segment_marks_it)
{
	key_t key = key_new();
	int id = (int)MUST(get_shm(key, PAGE, IPC_CREAT | 0640));
	struct shmid_ds ds;
	char *a = attach(id);

	mark_time();
	put_ret(shmctl(id, IPC_RMID, NULL));
	put_shm(id);
	MUST(shmctl(id, IPC_STAT, &ds));
	put(" key=%d", ds.shm_perm.__key);
	put_store(a);
	put_ret(shmdt(a));
	put_shm(id);
}

CASE("SHM-36", marked_segment_is_usable_by_id)
{
	int id = shm_new(PAGE);
	struct shmid_ds ds;
	char *a = attach(id);
	char *b;

	MUST(shmctl(id, IPC_RMID, NULL));
	b = put_at(shmat(id, NULL, 0));
	b[1] = 'd';
	put(" %c", a[1]);
	MUST(shmctl(id, IPC_STAT, &ds));
	ds.shm_perm.mode = 0644;
	put_ret(shmctl(id, IPC_SET, &ds));
	put_shm(id);
	put_ok(shmctl(id & 0x7fff, SHM_STAT, &ds));
	MUST(shmdt(a));
	put(" %lu", shm_nattch(id));
	MUST(shmdt(b));
	put_shm(id);
}

static void attach_marked(void *arg)
{
	char *a = put_at(shmat(*(int *)arg, NULL, 0));

	a[2] = 'c';
	put(" %lu", shm_nattch(*(int *)arg));
}

CASE("SHM-36", marked_segment_can_be_attached_by_others)
{
	int id = shm_new(PAGE);
	char *a = attach(id);

	MUST(shmctl(id, IPC_RMID, NULL));
	child_run(attach_marked, &id);
	put(" %c %lu", a[2], shm_nattch(id));
}

CASE("SHM-37", rmid_of_a_marked_segment_is_fine)
{
	int id = shm_new(PAGE);
	char *a = attach(id);

	put_ret(shmctl(id, IPC_RMID, NULL));
	put_ret(shmctl(id, IPC_RMID, NULL));
	put_ret(shmdt(a));
	put_ret(shmctl(id, IPC_RMID, NULL));
}

CASE("SHM-38", ipc_set_cannot_clear_dest_or_locked)
{
	int id = shm_new(PAGE);
	struct shmid_ds ds;

	(void)attach(id);
	put_ret(shmctl(id, SHM_LOCK, NULL));
	MUST(shmctl(id, IPC_RMID, NULL));
	MUST(shmctl(id, IPC_STAT, &ds));
	put(" %o", ds.shm_perm.mode);
	ds.shm_perm.mode = 0400;
	put_ret(shmctl(id, IPC_SET, &ds));
	MUST(shmctl(id, IPC_STAT, &ds));
	put(" %o", ds.shm_perm.mode);
}

CASE("SHM-39", marked_segment_still_counts)
{
	struct shm_info before;
	struct shm_info info;
	int id;

	MUST(shmctl(0, SHM_INFO, (struct shmid_ds *)&before));
	id = shm_new(3 * PAGE + 1);
	(void)attach(id);
	MUST(shmctl(id, IPC_RMID, NULL));
	MUST(shmctl(0, SHM_INFO, (struct shmid_ds *)&info));
	put(" +%d +%lu", info.used_ids - before.used_ids, info.shm_tot - before.shm_tot);
}

CASE("SHM-40", key_of_a_marked_segment_is_free)
{
	key_t key = key_new();
	int id = (int)MUST(get_shm(key, PAGE, IPC_CREAT | 0600));
	char *a = attach(id);
	int other;

	MUST(shmctl(id, IPC_RMID, NULL));
	put_ok(shmget(key, 0, 0));
	other = (int)put_ok(get_shm(key, PAGE, IPC_CREAT | IPC_EXCL | 0600));
	put(" %d", other != id);
	a[0] = 'o';
	put(" %d", attach(other)[0]);
}

CASE("SHM-41", munmap_of_the_last_attachment_destroys)
{
	int id = shm_new(PAGE);
	char *a = attach(id);

	MUST(shmctl(id, IPC_RMID, NULL));
	put_ret(munmap(a, PAGE));
	put_shm(id);
}

CASE("SHM-42", lock_and_unlock)
{
	int id = shm_new(PAGE);

	mark_time();
	put_ret(shmctl(id, SHM_LOCK, NULL));
	put_ret(shmctl(id, SHM_LOCK, NULL));
	put_shm(id);
	put_ret(shmctl(id, SHM_UNLOCK, NULL));
	put_ret(shmctl(id, SHM_UNLOCK, NULL));
	put_shm(id);
	put_ret(shmctl(shm_stale(), SHM_LOCK, NULL));
}

static void lock_own(void *arg)
{
	rlim_t most = *(rlim_t *)arg;
	struct rlimit limit = { most, most };
	int id;

	MUST(setrlimit(RLIMIT_MEMLOCK, &limit));
	become(SOMEBODY);
	id = shm_new(16 * PAGE);
	put_ret(shmctl(id, SHM_LOCK, NULL));
	put_ret(shmctl(id, SHM_UNLOCK, NULL));
	MUST(shmctl(id, IPC_RMID, NULL));
}

CASE("PERM-11", lock_within_the_limit)
{
	rlim_t limits[] = { 0, 4 * PAGE, 64 * PAGE };
	int i;

	need_uids();
	for (i = 0; i < 3; i++)
		child_run(lock_own, &limits[i]);
}

CASE("SHM-5", huge_pages_of_a_size_there_is_none_of)
{
	put_ret(shmget(IPC_PRIVATE, PAGE, SHM_HUGETLB | 19 << 26 | 0600));
	put_ret(shmget(IPC_PRIVATE, 0, SHM_HUGETLB | 0600));
}

CASE("SHM-43", ipc_info)
{
	struct shminfo info;

	memset(&info, 0xff, sizeof(info));
	put_ok(shmctl(0, IPC_INFO, (struct shmid_ds *)&info));
	put(" %lu %lu %lu %lu %lu", info.shmmax, info.shmmin, info.shmmni, info.shmseg, info.shmall);
}

CASE("SHM-43", shm_info_counts_segments_and_pages)
{
	struct shm_info before;
	struct shm_info info;

	put_ok(shmctl(0, SHM_INFO, (struct shmid_ds *)&before));
	(void)shm_new(1);
	(void)shm_new(PAGE + 1);
	put_ok(shmctl(0, SHM_INFO, (struct shmid_ds *)&info));
	put(" +%d +%lu %lu %lu", info.used_ids - before.used_ids, info.shm_tot - before.shm_tot,
	    info.swap_attempts, info.swap_successes);
}

CASE("SHM-43", touched_pages_count_as_resident)
{
	struct shm_info before;
	struct shm_info info;
	int id = shm_new(64 * PAGE);
	char *a = attach(id);

	MUST(shmctl(0, SHM_INFO, (struct shmid_ds *)&before));
	memset(a, 1, 64 * PAGE);
	MUST(shmctl(0, SHM_INFO, (struct shmid_ds *)&info));
	put(" %s", info.shm_rss + info.shm_swp >= before.shm_rss + before.shm_swp + 64 ? "counted" : "not counted");
}

CASE("ABI-15", shm_stat_clears_what_it_does_not_use)
{
	struct shmid_ds ds;
	int id = shm_new(PAGE);
	size_t odd = 0;
	size_t i;

	memset(&ds, 0xff, sizeof(ds));
	put_ret(shmctl(id, IPC_STAT, &ds));
	for (i = 96; i < sizeof(ds); i++)
		odd += ((unsigned char *)&ds)[i] != 0;
	put(" %zu", odd);
	put_perm(&ds.shm_perm);
}

CASE("IPC-29", shmctl_unknown_command_is_einval)
{
	struct shmid_ds ds;
	int id = shm_new(PAGE);

	put_ret(shmctl(id, 99, &ds));
	put_ret(shmctl(id, -1, &ds));
	put_ret(shmctl(-1, IPC_STAT, &ds));
	put_ret(shmctl(id, IPC_STAT | 0x100, &ds));
}

CASE("IPC-15", unknown_shmflg_bits_are_ignored)
{
	int id = (int)put_ok(get_shm(IPC_PRIVATE, PAGE, 0600 | 0x200000)) == -1 ? -1 : shm_new(PAGE);

	put_at(shmat(id, NULL, 0x200000));
}

CASE("LIM-21", noreserve_segment_larger_than_memory)
{
	int id = (int)put_ok(get_shm(IPC_PRIVATE, (size_t)1 << 40, SHM_NORESERVE | 0600));
	char *a = put_at(shmat(id, NULL, 0));

	if (a == FAILED)
		return;
	put_store(a + ((size_t)1 << 39));
	put_shm(id);
}

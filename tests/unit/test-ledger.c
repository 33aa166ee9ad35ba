/* test-ledger.c: attachments, uses and children of one process, by one thread. */
#include "test.h"

#include <stdio.h>
#include <sys/mman.h>

#include "core/ledger.h"

#define PID 4242u
#define SHM_A 5
#define SHM_B (32768 + 5) /* same index: shares its place in the table of recent detaches */
#define SHM_C 6

static struct ledger ledger;

static int make_ledger(void **state)
{
	void *base = mmap(NULL, ledger_size(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)state;
	assert_true(base != MAP_FAILED);
	ledger_format(base, 77, PID);
	assert_int_equal(ledger_bind(&ledger, base, ledger_size()), 0);
	return 0;
}

static int unmake_ledger(void **state)
{
	(void)state;
	assert_true(ledger_verify(&ledger));
	return munmap(ledger.base, ledger.size);
}

static uint32_t attach(int32_t shmid, uint64_t address, uint64_t now_ns)
{
	uint32_t entry = UINT32_MAX;

	assert_int_equal(ledger_attach_begin(&ledger, shmid, 4096, now_ns, &entry), 0);
	ledger_attach_end(&ledger, entry, address);
	return entry;
}

static void detach(uint64_t address, uint64_t now_ns)
{
	struct ledger_attach known;
	uint32_t entry;

	assert_int_equal(ledger_detach_begin(&ledger, address, &known, &entry), 0);
	assert_int_equal(known.address, address);
	ledger_detach_end(&ledger, entry, now_ns);
}

static void assert_sum(int32_t shmid, uint32_t n, uint64_t attach_ns, uint64_t detach_ns)
{
	struct ledger_sum sum;

	ledger_sum(&ledger, shmid, &sum);
	assert_int_equal(sum.n_attached, n);
	assert_int_equal(sum.attach_ns, attach_ns);
	assert_int_equal(sum.attach_pid, attach_ns != 0 ? PID : 0);
	assert_int_equal(sum.detach_ns, detach_ns);
}

static uint32_t entries_known(void)
{
	struct ledger_attach known;
	uint32_t n = 0;

	while (ledger_attach_read(&ledger, n, &known))
		n++;
	return n;
}

static void fresh_ledger_holds_nothing(void **state)
{
	struct ledger_attach known;
	enum ipc_kind kind;
	uint32_t pid;
	int32_t id;

	(void)state;
	assert_sum(SHM_A, 0, 0, 0);
	assert_int_equal(ledger_attach_count(&ledger), 0);
	assert_false(ledger_attach_read(&ledger, 0, &known));
	assert_false(ledger_use_read(&ledger, 0, &kind, &id));
	assert_false(ledger_uses_overflowed(&ledger));
	assert_false(ledger_child_read(&ledger, 0, &pid));
}

static void what_is_no_ledger_is_not_bound(void **state)
{
	struct ledger other;
	uint8_t *base = ledger.base;

	(void)state;
	assert_int_equal(ledger_bind(&other, base, ledger_size() - 1), LEDGER_E_CORRUPT);
	for (size_t i = 0; i < 16; i++) {
		base[i] ^= 0x40;
		assert_int_equal(ledger_bind(&other, base, ledger_size()), LEDGER_E_CORRUPT);
		base[i] ^= 0x40;
	}
	assert_int_equal(ledger_bind(&other, base, ledger_size()), 0);
}

static void attach_counts_from_its_begin_and_is_stamped_at_its_end(void **state)
{
	struct ledger_attach known;
	uint32_t entry;

	(void)state;
	assert_int_equal(ledger_attach_begin(&ledger, SHM_A, 8192, 100, &entry), 0);
	assert_sum(SHM_A, 1, 0, 0);
	ledger_attach_end(&ledger, entry, 0x7000);
	assert_sum(SHM_A, 1, 100, 0);
	assert_sum(SHM_B, 0, 0, 0);
	assert_true(ledger_attach_read(&ledger, entry, &known));
	assert_int_equal(known.state, LEDGER_ATTACHED);
	assert_int_equal(known.shmid, SHM_A);
	assert_int_equal(known.address, 0x7000);
	assert_int_equal(known.size, 8192);
	assert_int_equal(ledger_attach_count(&ledger), 1);
}

static void attach_undone_leaves_no_trace(void **state)
{
	uint32_t entry;

	(void)state;
	assert_int_equal(ledger_attach_begin(&ledger, SHM_A, 4096, 100, &entry), 0);
	ledger_attach_undo(&ledger, entry);
	assert_sum(SHM_A, 0, 0, 0);
	/* Nor does it take the stamps away that the entry kept. */
	(void)attach(SHM_A, 0x1000, 10);
	detach(0x1000, 20);
	assert_int_equal(ledger_attach_begin(&ledger, SHM_A, 4096, 100, &entry), 0);
	assert_sum(SHM_A, 1, 10, 20);
	ledger_attach_undo(&ledger, entry);
	assert_sum(SHM_A, 0, 10, 20);
	assert_int_equal(entries_known(), 1);
}

static void detach_counts_down_and_is_stamped(void **state)
{
	struct ledger_attach known;
	uint32_t entry;

	(void)state;
	(void)attach(SHM_A, 0x1000, 10);
	(void)attach(SHM_A, 0x2000, 11);
	assert_int_equal(ledger_detach_begin(&ledger, 0x1000, &known, &entry), 0);
	assert_int_equal(known.shmid, SHM_A);
	assert_int_equal(known.state, LEDGER_ATTACHED);
	assert_sum(SHM_A, 2, 11, 0); /* still mapped */
	assert_int_equal(ledger_detach_begin(&ledger, 0x1000, &known, &entry), LEDGER_E_ABSENT);
	ledger_detach_end(&ledger, entry, 30);
	assert_sum(SHM_A, 1, 11, 30);
	assert_int_equal(ledger_detach_begin(&ledger, 0x1000, &known, &entry), LEDGER_E_ABSENT);
	assert_int_equal(ledger_detach_begin(&ledger, 0x3000, &known, &entry), LEDGER_E_ABSENT);
	detach(0x2000, 31);
	assert_sum(SHM_A, 0, 11, 31);
}

static void later_attach_detached_first_keeps_its_stamp(void **state)
{
	(void)state;
	(void)attach(SHM_A, 0x1000, 10);
	(void)attach(SHM_A, 0x2000, 11);
	detach(0x2000, 20);
	detach(0x1000, 21);
	assert_sum(SHM_A, 0, 11, 21);
	/* The other entry is free for any segment. */
	(void)attach(SHM_C, 0x3000, 30);
	assert_int_equal(entries_known(), 2);
}

static void attach_and_detach_again_and_again_use_few_entries(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 10000; i++) {
		(void)attach(SHM_A, 0x1000, 10 * i);
		(void)attach(SHM_A, 0x2000, 10 * i + 1);
		(void)attach(SHM_C, 0x3000, 10 * i + 2);
		detach(0x1000, 10 * i + 3);
		detach(0x3000, 10 * i + 4);
		detach(0x2000, 10 * i + 5);
		assert_sum(SHM_A, 0, 10 * i + 1, 10 * i + 5);
		assert_sum(SHM_C, 0, 10 * i + 2, 10 * i + 4);
	}
	assert_true(entries_known() <= 4);
}

static void table_fills_to_its_end_and_serves_every_detach(void **state)
{
	struct ledger_attach known;
	uint32_t entry;

	(void)state;
	(void)attach(SHM_C, 0x1000, 1);
	detach(0x1000, 2);
	for (uint32_t i = 0; i < LEDGER_ATTACH_MAX - 1; i++)
		(void)attach(SHM_A, (uint64_t)(i + 1) << 12, 10 + i);
	assert_sum(SHM_C, 0, 1, 2);
	/* The last one takes the entry whose stamp was waiting. */
	(void)attach(SHM_A, (uint64_t)LEDGER_ATTACH_MAX << 12, 5);
	assert_sum(SHM_C, 0, 0, 0);
	assert_int_equal(ledger_attach_begin(&ledger, SHM_A, 1, 1, &entry), LEDGER_E_FULL);
	assert_int_equal(ledger_attach_count(&ledger), LEDGER_ATTACH_MAX);
	for (uint32_t i = LEDGER_ATTACH_MAX; i > 0; i--)
		detach((uint64_t)i << 12, 100000 + i);
	assert_int_equal(ledger_attach_count(&ledger), 0);
	assert_int_equal(ledger_detach_begin(&ledger, 0x1000, &known, &entry), LEDGER_E_ABSENT);
	assert_int_equal(ledger_attach_begin(&ledger, SHM_A, 1, 1, &entry), 0);
}

static void ids_that_share_an_index_do_not_mix(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 50; i++) {
		(void)attach(SHM_A, 0x1000, 100 * i);
		(void)attach(SHM_B, 0x2000, 100 * i + 1);
		detach(0x1000, 100 * i + 2);
		detach(0x2000, 100 * i + 3);
		assert_sum(SHM_A, 0, 100 * i, 100 * i + 2);
		assert_sum(SHM_B, 0, 100 * i + 1, 100 * i + 3);
	}
}

static void fork_is_an_attach_of_all_that_is_attached(void **state)
{
	uint32_t row;
	uint32_t pid;

	(void)state;
	(void)attach(SHM_A, 0x1000, 10);
	(void)attach(SHM_C, 0x2000, 11);
	detach(0x2000, 12);
	assert_int_equal(ledger_fork_begin(&ledger, &row), 0);
	assert_true(ledger_child_read(&ledger, row, &pid));
	assert_int_equal(pid, UINT32_MAX);
	ledger_fork_end(&ledger, row, 99, 20);
	assert_true(ledger_child_read(&ledger, row, &pid));
	assert_int_equal(pid, 99);
	assert_sum(SHM_A, 1, 20, 0);
	assert_sum(SHM_C, 0, 11, 12);
	detach(0x1000, 30);
	assert_sum(SHM_A, 0, 20, 30);
}

static void fork_that_failed_leaves_no_trace(void **state)
{
	uint32_t row;
	uint32_t pid;

	(void)state;
	(void)attach(SHM_A, 0x1000, 10);
	assert_int_equal(ledger_fork_begin(&ledger, &row), 0);
	ledger_fork_end(&ledger, row, 0, 20);
	assert_true(ledger_child_read(&ledger, row, &pid));
	assert_int_equal(pid, 0);
	assert_sum(SHM_A, 1, 10, 0);
}

static void reaped_child_detaches_what_it_inherited(void **state)
{
	struct ledger_sum sum;
	uint32_t row;
	uint32_t pid;

	(void)state;
	(void)attach(SHM_A, 0x1000, 10);
	(void)attach(SHM_C, 0x2000, 11);
	detach(0x2000, 12);
	assert_int_equal(ledger_fork_begin(&ledger, &row), 0);
	ledger_fork_end(&ledger, row, 99, 20);
	(void)attach(SHM_B, 0x3000, 25);
	assert_false(ledger_child_reaped(&ledger, 98, 30));
	assert_false(ledger_child_reaped(&ledger, 0, 30));
	assert_false(ledger_child_reaped(&ledger, UINT32_MAX, 30));
	assert_true(ledger_child_reaped(&ledger, 99, 30));
	ledger_sum(&ledger, SHM_A, &sum);
	assert_int_equal(sum.n_attached, 1);
	assert_int_equal(sum.detach_ns, 30);
	assert_int_equal(sum.detach_pid, 99);
	assert_sum(SHM_B, 1, 25, 0);
	assert_sum(SHM_C, 0, 11, 12);
	assert_false(ledger_child_reaped(&ledger, 99, 31));
	assert_true(ledger_child_read(&ledger, row, &pid));
	assert_int_equal(pid, 0);
	/* A detach of the owner comes after and takes the stamp over. */
	detach(0x1000, 40);
	ledger_sum(&ledger, SHM_A, &sum);
	assert_int_equal(sum.detach_ns, 40);
	assert_int_equal(sum.detach_pid, PID);
}

static void reaped_child_stamps_what_was_detached_since_the_fork(void **state)
{
	struct ledger_sum sum;
	uint32_t row;

	(void)state;
	(void)attach(SHM_A, 0x1000, 10);
	assert_int_equal(ledger_fork_begin(&ledger, &row), 0);
	ledger_fork_end(&ledger, row, 99, 20);
	detach(0x1000, 25);
	assert_true(ledger_child_reaped(&ledger, 99, 30));
	ledger_sum(&ledger, SHM_A, &sum);
	assert_int_equal(sum.n_attached, 0);
	assert_int_equal(sum.attach_ns, 20);
	assert_int_equal(sum.detach_ns, 30);
	assert_int_equal(sum.detach_pid, 99);
}

static void number_of_a_child_used_again_reaps_the_older_one(void **state)
{
	uint32_t rows[2];
	uint32_t pid;

	(void)state;
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(ledger_fork_begin(&ledger, &rows[i]), 0);
	ledger_fork_end(&ledger, rows[1], 99, 20);
	ledger_fork_end(&ledger, rows[0], 99, 30);
	assert_true(ledger_child_reaped(&ledger, 99, 40));
	assert_true(ledger_child_read(&ledger, rows[0], &pid));
	assert_int_equal(pid, 99);
	assert_true(ledger_child_read(&ledger, rows[1], &pid));
	assert_int_equal(pid, 0);
}

static void children_fill_the_table_and_can_be_forgotten(void **state)
{
	uint32_t row;
	uint32_t pid;

	(void)state;
	for (uint32_t i = 0; i < LEDGER_CHILDREN_MAX; i++) {
		assert_int_equal(ledger_fork_begin(&ledger, &row), 0);
		ledger_fork_end(&ledger, row, 1000 + i, i);
	}
	assert_int_equal(ledger_fork_begin(&ledger, &row), LEDGER_E_FULL);
	ledger_child_forget(&ledger, 1000 + 17);
	ledger_child_forget(&ledger, 5);
	assert_true(ledger_child_read(&ledger, 17, &pid));
	assert_int_equal(pid, 0);
	assert_int_equal(ledger_fork_begin(&ledger, &row), 0);
	assert_int_equal(row, 17);
	ledger_child_forget(&ledger, UINT32_MAX);
	assert_true(ledger_child_read(&ledger, 17, &pid));
	assert_int_equal(pid, UINT32_MAX);
	assert_false(ledger_child_read(&ledger, LEDGER_CHILDREN_MAX, &pid));
}

static void uses_are_a_set(void **state)
{
	enum ipc_kind kind;
	int32_t id;

	(void)state;
	ledger_use(&ledger, IPC_KIND_SEM, 7);
	ledger_use(&ledger, IPC_KIND_MSG, 7);
	ledger_use(&ledger, IPC_KIND_SEM, 7);
	ledger_use(&ledger, IPC_KIND_SEM, INT32_MAX);
	assert_true(ledger_use_read(&ledger, 0, &kind, &id));
	assert_int_equal(kind, IPC_KIND_SEM);
	assert_int_equal(id, 7);
	assert_true(ledger_use_read(&ledger, 1, &kind, &id));
	assert_int_equal(kind, IPC_KIND_MSG);
	assert_int_equal(id, 7);
	assert_true(ledger_use_read(&ledger, 2, &kind, &id));
	assert_int_equal(id, INT32_MAX);
	assert_false(ledger_use_read(&ledger, 3, &kind, &id));
	ledger_unuse(&ledger, IPC_KIND_SEM, 7);
	ledger_unuse(&ledger, IPC_KIND_SEM, 8);
	assert_true(ledger_use_read(&ledger, 0, &kind, &id));
	assert_int_equal(kind, IPC_KIND_MSG);
	assert_false(ledger_use_read(&ledger, 2, &kind, &id));
	assert_false(ledger_uses_overflowed(&ledger));
}

static void one_use_too_many_is_remembered_as_overflow(void **state)
{
	enum ipc_kind kind;
	int32_t id;

	(void)state;
	for (int32_t i = 0; i < (int32_t)LEDGER_USES_MAX; i++)
		ledger_use(&ledger, IPC_KIND_SEM, i);
	ledger_use(&ledger, IPC_KIND_SEM, 0);
	assert_false(ledger_uses_overflowed(&ledger));
	ledger_use(&ledger, IPC_KIND_MSG, 0);
	assert_true(ledger_uses_overflowed(&ledger));
	assert_true(ledger_use_read(&ledger, LEDGER_USES_MAX - 1, &kind, &id));
	assert_false(ledger_use_read(&ledger, LEDGER_USES_MAX, &kind, &id));
	ledger_unuse(&ledger, IPC_KIND_SEM, 1);
	assert_true(ledger_uses_overflowed(&ledger));
}

static void end_of_the_process_detaches_everything(void **state)
{
	struct ledger_attach known;
	uint32_t entry;
	uint32_t row;
	uint32_t pid;

	(void)state;
	(void)attach(SHM_A, 0x1000, 10);
	(void)attach(SHM_A, 0x2000, 11);
	assert_int_equal(ledger_detach_begin(&ledger, 0x2000, &known, &entry), 0);
	assert_int_equal(ledger_attach_begin(&ledger, SHM_C, 1, 12, &entry), 0);
	assert_int_equal(ledger_fork_begin(&ledger, &row), 0);
	ledger_fork_end(&ledger, row, 99, 20);
	ledger_use(&ledger, IPC_KIND_SEM, 3);
	ledger_detach_all(&ledger, 50);
	assert_sum(SHM_A, 0, 20, 50);
	assert_sum(SHM_C, 0, 0, 0);
	assert_false(ledger_child_read(&ledger, 0, &pid));
	for (uint32_t i = 0; i < 3; i++) {
		assert_true(ledger_attach_read(&ledger, i, &known));
		assert_int_equal(known.state, LEDGER_DETACHED);
		assert_int_equal(known.shmid, i < 2 ? SHM_A : SHM_C);
	}
	assert_int_equal(ledger_attach_count(&ledger), 0);
}

static void verify_notices_what_cannot_be(void **state)
{
	uint32_t entry = attach(SHM_A, 0x1000, 10);
	uint64_t *words = (uint64_t *)(void *)(ledger.base + ledger_size() - LEDGER_ATTACH_MAX * 64u);

	(void)state;
	assert_int_equal(entry, 0);
	assert_int_equal(words[1], 0x1000);
	words[0] |= 7;
	assert_false(ledger_verify(&ledger));
	words[0] &= ~(uint64_t)7;
	assert_true(ledger_verify(&ledger));
}

#define LEDGER_TEST(test) cmocka_unit_test_setup_teardown(test, make_ledger, unmake_ledger)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LEDGER_TEST(fresh_ledger_holds_nothing),
		LEDGER_TEST(what_is_no_ledger_is_not_bound),
		LEDGER_TEST(attach_counts_from_its_begin_and_is_stamped_at_its_end),
		LEDGER_TEST(attach_undone_leaves_no_trace),
		LEDGER_TEST(detach_counts_down_and_is_stamped),
		LEDGER_TEST(later_attach_detached_first_keeps_its_stamp),
		LEDGER_TEST(attach_and_detach_again_and_again_use_few_entries),
		LEDGER_TEST(table_fills_to_its_end_and_serves_every_detach),
		LEDGER_TEST(ids_that_share_an_index_do_not_mix),
		LEDGER_TEST(fork_is_an_attach_of_all_that_is_attached),
		LEDGER_TEST(fork_that_failed_leaves_no_trace),
		LEDGER_TEST(reaped_child_detaches_what_it_inherited),
		LEDGER_TEST(reaped_child_stamps_what_was_detached_since_the_fork),
		LEDGER_TEST(number_of_a_child_used_again_reaps_the_older_one),
		LEDGER_TEST(children_fill_the_table_and_can_be_forgotten),
		LEDGER_TEST(uses_are_a_set),
		LEDGER_TEST(one_use_too_many_is_remembered_as_overflow),
		LEDGER_TEST(end_of_the_process_detaches_everything),
		LEDGER_TEST(verify_notices_what_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

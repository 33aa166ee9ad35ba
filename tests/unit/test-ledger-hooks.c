/*
 * test-ledger-hooks.c: each call on a ledger cut short at every store, interrupted at every access
 * by every other call (a second thread, a signal handler, the daemon), and given words that change
 * with every load.
 */
#include "test.h"

#include <stdio.h>
#include <sys/mman.h>

#include "core/ledger.h"

#ifndef USYSV_HOOKS
#error "to be built with -DUSYSV_HOOKS"
#endif

#define PID 4242u
#define SHM_A 5
#define SHM_C (32768 + 5) /* the same index as A */

static struct ledger ledger;

/* --- what happens at an access ---------------------------------------------------------------- */

enum mode { MODE_QUIET, MODE_KILL, MODE_MEET, MODE_HOSTILE };

static enum mode mode;
static uint32_t countdown;
static uint32_t n_accesses;
static uint64_t seed;
static jmp_buf killed;
static uint32_t meet_with;
static uint32_t n_detached;

static void call(uint32_t which);

static uint64_t random_next(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return seed >> 17;
}

void hook_access(enum hook_kind kind, const volatile void *address)
{
	(void)address;
	n_accesses++;
	if ((mode != MODE_KILL || kind == HOOK_LOAD) && mode != MODE_MEET)
		return;
	if (countdown-- != 0)
		return;
	if (mode == MODE_KILL)
		longjmp(killed, 1);
	mode = MODE_QUIET;
	call(meet_with);
}

uint64_t hook_value(const volatile void *address, uint64_t value)
{
	static const uint64_t edges[] = { 0, 1, 2, 3, 5, SHM_A << 3 | 2, SHM_A << 3 | 3, UINT32_MAX, UINT64_MAX };
	uint64_t pick;

	(void)address;
	if (mode != MODE_HOSTILE)
		return value;
	pick = random_next() % 16;
	return pick < ARRAY_SIZE(edges) ? edges[pick] : pick < 13 ? value : random_next();
}

/* --- a ledger, and the calls ------------------------------------------------------------------ */

static void sum_of(uint32_t segment, struct ledger_sum *ret_sum)
{
	ledger_sum(&ledger, segment == 0 ? SHM_A : SHM_C, ret_sum);
}

static void attach(int32_t shmid, uint64_t address, uint64_t now_ns)
{
	uint32_t entry;

	if (ledger_attach_begin(&ledger, shmid, 4096, now_ns, &entry) == 0)
		ledger_attach_end(&ledger, entry, address);
}

static void detach(uint64_t address, uint64_t now_ns)
{
	struct ledger_attach known;
	uint32_t entry;

	if (ledger_detach_begin(&ledger, address, &known, &entry) != 0)
		return;
	n_detached++;
	ledger_detach_end(&ledger, entry, now_ns);
}

static void make_ledger(void)
{
	uint32_t row;

	if (ledger.base == NULL) {
		uint8_t *base = mmap(NULL, ledger_size() + 4096, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		assert_true(base != MAP_FAILED);
		assert_int_equal(mprotect(base + ledger_size(), 4096, PROT_NONE), 0);
		ledger.base = base;
	}
	assert_int_equal(madvise(ledger.base, ledger_size(), MADV_DONTNEED), 0);
	ledger_format(ledger.base, 77, PID);
	assert_int_equal(ledger_bind(&ledger, ledger.base, ledger_size()), 0);
	attach(SHM_A, 0x1000, 10);
	attach(SHM_A, 0x2000, 11);
	attach(SHM_C, 0x3000, 12);
	attach(SHM_C, 0x4000, 13);
	detach(0x3000, 14);
	ledger_use(&ledger, IPC_KIND_SEM, 1);
	assert_int_equal(ledger_fork_begin(&ledger, &row), 0);
	ledger_fork_end(&ledger, row, 99, 15);
	n_detached = 0;
}

/* How a call changes the counts of A and C, and the latest stamps it leaves there. */
struct call_case {
	const char *what;
	int change[2];
	uint64_t attach_ns[2];
	uint64_t detach_ns[2];
};

static const struct call_case calls[] = {
	{ "attach A", { 1, 0 }, { 100, 0 }, { 0, 0 } },
	{ "attach C", { 0, 1 }, { 0, 101 }, { 0, 0 } },
	{ "attach C undone", { 0, 0 }, { 0, 0 }, { 0, 0 } },
	{ "detach A", { -1, 0 }, { 0, 0 }, { 103, 0 } },
	{ "detach C", { 0, -1 }, { 0, 0 }, { 0, 104 } },
	{ "sum", { 0, 0 }, { 0, 0 }, { 0, 0 } },
	{ "forget a child", { 0, 0 }, { 0, 0 }, { 0, 0 } },
	{ "use", { 0, 0 }, { 0, 0 }, { 0, 0 } },
	{ "unuse", { 0, 0 }, { 0, 0 }, { 0, 0 } },
	{ "attach and detach C", { 0, 0 }, { 0, 106 }, { 0, 107 } },
	/* Those below stamp what others may be detaching just then, the reap earlier: no stamp is set back. */
	{ "fork", { 0, 0 }, { 0, 0 }, { 0, 0 } },
	{ "reap", { 0, 0 }, { 0, 0 }, { 0, 0 } },
};

#define N_EXACT 10u

static void call(uint32_t which)
{
	struct ledger_sum sum;
	uint32_t at;

	switch (which) {
	case 0:
		attach(SHM_A, 0x5000, 100);
		break;
	case 1:
		attach(SHM_C, 0x6000, 101);
		break;
	case 2:
		if (ledger_attach_begin(&ledger, SHM_C, 4096, 102, &at) == 0)
			ledger_attach_undo(&ledger, at);
		break;
	case 3:
		detach(0x1000, 103);
		break;
	case 4:
		detach(0x4000, 104);
		break;
	case 5:
		sum_of(0, &sum);
		sum_of(1, &sum);
		break;
	case 6:
		ledger_child_forget(&ledger, 98);
		break;
	case 7:
		ledger_use(&ledger, IPC_KIND_SEM, 2);
		break;
	case 8:
		ledger_unuse(&ledger, IPC_KIND_SEM, 1);
		break;
	case 9:
		attach(SHM_C, 0x7000, 106);
		detach(0x7000, 107);
		break;
	case 10:
		if (ledger_fork_begin(&ledger, &at) == 0)
			ledger_fork_end(&ledger, at, 100, 108);
		break;
	default:
		(void)ledger_child_reaped(&ledger, 99, 99); /* may have been reaped by the other */
		break;
	}
}

static bool in_use(enum ipc_kind wanted_kind, int32_t wanted_id, uint32_t *ret_times)
{
	enum ipc_kind kind;
	int32_t id;

	*ret_times = 0;
	for (uint32_t i = 0; ledger_use_read(&ledger, i, &kind, &id); i++)
		*ret_times += kind == wanted_kind && id == wanted_id;
	return *ret_times != 0;
}

/* --- interrupted ------------------------------------------------------------------------------ */

static uint64_t latest(uint64_t a, uint64_t b, uint64_t c)
{
	a = a > b ? a : b;
	return a > c ? a : c;
}

static void assert_both_happened(uint32_t one, uint32_t two)
{
	static const int counts[2] = { 2, 1 };
	static const uint64_t attaches[2] = { 15, 15 }; /* the fork */
	static const uint64_t detaches[2] = { 0, 14 };
	uint32_t times;

	assert_true(ledger_verify(&ledger));
	for (uint32_t segment = 0; segment < 2; segment++) {
		int n = counts[segment] + calls[one].change[segment];
		bool is_exact = one < N_EXACT && two < N_EXACT;
		uint64_t attach_ns, detach_ns;
		struct ledger_sum sum;

		/* Of two detaches of one address, one comes too late. */
		if (one != two || calls[one].change[segment] > 0)
			n += calls[two].change[segment];
		sum_of(segment, &sum);
		if ((int)sum.n_attached != n)
			fail_msg("%s, then %s: count %u, not %d", calls[one].what, calls[two].what,
				 sum.n_attached, n);
		attach_ns = latest(attaches[segment], calls[one].attach_ns[segment], calls[two].attach_ns[segment]);
		detach_ns = latest(detaches[segment], calls[one].detach_ns[segment], calls[two].detach_ns[segment]);
		assert_in_range(sum.attach_ns, attach_ns, is_exact ? attach_ns : UINT64_MAX);
		assert_in_range(sum.detach_ns, detach_ns, is_exact ? detach_ns : UINT64_MAX);
	}
	if (one == two && (one == 3 || one == 4))
		assert_int_equal(n_detached, 1);
	assert_true(in_use(IPC_KIND_SEM, 2, &times) == (one == 7 || two == 7));
	assert_true(times <= 1);
	assert_true(in_use(IPC_KIND_SEM, 1, &times) == (one != 8 && two != 8));
}

static void call_interrupted_at_any_access_by_any_other_and_both_happen(void **state)
{
	uint32_t n_meetings = 0;

	(void)state;
	for (uint32_t one = 0; one < ARRAY_SIZE(calls); one++) {
		for (uint32_t two = 0; two < ARRAY_SIZE(calls); two++) {
			for (uint32_t n = 0;; n++) {
				bool met;

				make_ledger();
				countdown = n;
				meet_with = two;
				mode = MODE_MEET;
				call(one);
				met = mode == MODE_QUIET;
				mode = MODE_QUIET;
				if (!met)
					break;
				n_meetings++;
				assert_both_happened(one, two);
			}
		}
	}
	printf("# %u meetings\n", n_meetings);
	assert_true(n_meetings > 2000);
}

/* --- cut short -------------------------------------------------------------------------------- */

static bool cut_short(uint32_t which, uint32_t n)
{
	countdown = n;
	if (setjmp(killed) != 0) {
		mode = MODE_QUIET;
		return true;
	}
	mode = MODE_KILL;
	call(which);
	mode = MODE_QUIET;
	return false;
}

/* The count is that of before or after; the ledger still serves; the end of the process ends all. */
static void assert_usable_after_cut(uint32_t which)
{
	static const uint32_t counts[2] = { 2, 1 };
	struct ledger_sum sum;
	uint32_t now[2];

	assert_true(ledger_verify(&ledger));
	for (uint32_t segment = 0; segment < 2; segment++) {
		sum_of(segment, &sum);
		now[segment] = sum.n_attached;
		assert_true(now[segment] == counts[segment] || now[segment] + 1 == counts[segment] ||
			    now[segment] == counts[segment] + 1);
		/* Undone or detached in the same call, an attach shows while it lasts. */
		if (now[segment] != counts[segment] && which != 2 && which != 9)
			assert_int_equal((int)(now[segment] - counts[segment]),
					 calls[which].change[segment]);
	}
	for (uint32_t segment = 0; segment < 2; segment++) {
		attach(segment == 0 ? SHM_A : SHM_C, 0x9000, 200);
		sum_of(segment, &sum);
		assert_int_equal(sum.n_attached, now[segment] + 1);
		assert_int_equal(sum.attach_ns, 200);
		detach(0x9000, 201);
		sum_of(segment, &sum);
		assert_int_equal(sum.n_attached, now[segment]);
		assert_int_equal(sum.detach_ns, 201);
	}
	ledger_detach_all(&ledger, 300);
	for (uint32_t segment = 0; segment < 2; segment++) {
		sum_of(segment, &sum);
		assert_int_equal(sum.n_attached, 0);
		assert_int_equal(sum.detach_ns, now[segment] != 0 ? 300 : 0);
	}
	assert_true(ledger_verify(&ledger));
	assert_int_equal(ledger_attach_count(&ledger), 0);
}

static void call_cut_short_at_any_store_leaves_a_sensible_count(void **state)
{
	uint32_t n_kills = 0;

	(void)state;
	for (uint32_t which = 0; which < ARRAY_SIZE(calls); which++) {
		for (uint32_t n = 0;; n++) {
			make_ledger();
			if (!cut_short(which, n))
				break;
			n_kills++;
			assert_usable_after_cut(which);
		}
	}
	printf("# %u kills\n", n_kills);
	assert_true(n_kills > 40);
}

/* --- words that are never the same ------------------------------------------------------------ */

static void daemon_reads_words_that_change_with_every_load_and_ends(void **state)
{
	struct ledger_attach attach_known;
	struct ledger_sum sum;
	enum ipc_kind kind;
	uint32_t n_max = 0;
	uint32_t pid;
	int32_t id;

	(void)state;
	make_ledger();
	seed = 20240103;
	printf("# seed %llu\n", (unsigned long long)seed);
	mode = MODE_HOSTILE;
	for (uint32_t i = 0; i < 40; i++) {
		n_accesses = 0;
		ledger_sum(&ledger, SHM_A, &sum);
		(void)ledger_attach_read(&ledger, (uint32_t)random_next(), &attach_known);
		(void)ledger_child_read(&ledger, (uint32_t)random_next(), &pid);
		if (ledger_use_read(&ledger, i, &kind, &id)) {
			assert_true(kind < IPC_KIND_COUNT);
			assert_true(id >= 0);
		}
		(void)ledger_attach_count(&ledger);
		ledger_child_forget(&ledger, (uint32_t)random_next());
		(void)ledger_verify(&ledger);
		ledger_detach_all(&ledger, 5);
		for (uint32_t which = 0; which < ARRAY_SIZE(calls); which++)
			call(which);
		n_max = n_accesses > n_max ? n_accesses : n_max;
	}
	mode = MODE_QUIET;
	printf("# at most %u accesses in a round\n", n_max);
	/* Some twenty calls, of which most may look at every entry a few times. */
	assert_true(n_max < 500u * LEDGER_ATTACH_MAX);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(call_interrupted_at_any_access_by_any_other_and_both_happen),
		cmocka_unit_test(call_cut_short_at_any_store_leaves_a_sensible_count),
		cmocka_unit_test(daemon_reads_words_that_change_with_every_load_and_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

/*
 * fuzz-ledger.c: a ledger that its owner fills with anything, read and settled by the daemon.
 *
 * The input is a script of the owner's calls, of words overwritten, and of the daemon's calls.
 * Nothing may be read outside the mapping, every call must end, and answers must be within their
 * types.  As long as nothing was overwritten, counts must be those of a plain counter.  Not
 * covered: calls in the middle of other calls (test-ledger-hooks.c).
 *
 * Steps, by first byte % 12; S is one of four segments, A one of sixteen addresses:
 *   0 S A  attach     1 S  attach, undone     2 A  detach       3 U  use        4 U  unuse
 *   5 P    fork       6 P  reap               7 S  sum          8 S  fold       9 P  forget child
 *   10 O V   word O (16 bits) of the first part becomes V (64 bits)
 *   11 E O V word O of entry E (16 bits) becomes V
 */
#include "fuzz.h"

#include "core/ledger.h"

#define STEPS_MAX 300u
#define SEGMENTS 4u
#define ADDRESSES 16u
#define PART_SIZE (512u << 10) /* of the file before the entries, to be overwritten and cleaned */

/* Bigger than any ledger, as is asserted; mostly never touched. */
static uint8_t memory[6u << 20];

static struct ledger ledger;
static uint64_t now_ns;

/* What the ledger should say, while nobody forged anything. */
static bool sound;
static uint32_t n_attached[SEGMENTS];
static int holder[ADDRESSES]; /* segment + 1 at each address */

static uint8_t *entries(void)
{
	return ledger.base + ledger_size() - (size_t)64 * LEDGER_ATTACH_MAX;
}

static void fuzz_reset(void)
{
	uint8_t *base = memory + 4096 - (uintptr_t)memory % 4096;

	FUZZ_ASSERT(ledger_size() + 4096 <= sizeof(memory));
	ledger.base = base;
	memset(base, 0, ledger_size() - (size_t)64 * LEDGER_ATTACH_MAX);
	memset(entries(), 0, 64 * 1024);
	memset(n_attached, 0, sizeof(n_attached));
	memset(holder, 0, sizeof(holder));
	sound = true;
	now_ns = 1;
	ledger_format(base, 1, 7);
	FUZZ_ASSERT(ledger_bind(&ledger, base, ledger_size()) == 0);
}

static void fuzz_attach(struct fuzz_input *input, bool undo)
{
	uint32_t segment = fuzz_u8(input) % SEGMENTS;
	uint32_t address = undo ? 0 : fuzz_u8(input) % ADDRESSES;
	uint32_t entry;

	if (!undo && holder[address] != 0)
		return;
	if (ledger_attach_begin(&ledger, (int32_t)segment * 32768, 1, now_ns, &entry) != 0) {
		FUZZ_ASSERT(!sound);
		return;
	}
	FUZZ_ASSERT(entry < LEDGER_ATTACH_MAX);
	if (undo) {
		ledger_attach_undo(&ledger, entry);
		return;
	}
	ledger_attach_end(&ledger, entry, (address + 1) * 4096);
	holder[address] = (int)segment + 1;
	n_attached[segment]++;
}

static void fuzz_detach(struct fuzz_input *input)
{
	uint32_t address = fuzz_u8(input) % ADDRESSES;
	struct ledger_attach known;
	uint32_t entry;
	int r = ledger_detach_begin(&ledger, (address + 1) * 4096, &known, &entry);

	if (sound)
		FUZZ_ASSERT((r == 0) == (holder[address] != 0));
	if (r == 0 && sound)
		FUZZ_ASSERT(known.shmid == (holder[address] - 1) * 32768);
	if (r == 0)
		ledger_detach_end(&ledger, entry, now_ns);
	if (holder[address] != 0)
		n_attached[holder[address] - 1]--;
	holder[address] = 0;
}

static void fuzz_sum(struct fuzz_input *input, bool fold)
{
	uint32_t segment = fuzz_u8(input) % SEGMENTS;
	struct ledger_sum sum;

	ledger_sum(&ledger, (int32_t)segment * 32768, fold, &sum);
	FUZZ_ASSERT(sum.n_attached <= LEDGER_ATTACH_MAX);
	if (sound) {
		FUZZ_ASSERT(sum.n_attached == n_attached[segment]);
		FUZZ_ASSERT(sum.attach_ns < now_ns && sum.detach_ns < now_ns);
	}
}

static void fuzz_overwrite(struct fuzz_input *input, bool entry)
{
	size_t part = entry ? (size_t)64 * 1024 : PART_SIZE;
	size_t off = 8 * (size_t)fuzz_u16(input) % part;

	if (!entry && off >= ledger_size() - (size_t)64 * LEDGER_ATTACH_MAX)
		return;
	shared64_store((struct shared64 *)(void *)((entry ? entries() : ledger.base) + off),
		       fuzz_u64(input));
	sound = false;
}

static void fuzz_step(struct fuzz_input *input)
{
	uint8_t step = fuzz_u8(input) % 12;
	uint32_t row;

	if (step == 0 || step == 1)
		fuzz_attach(input, step == 1);
	else if (step == 2)
		fuzz_detach(input);
	else if (step == 3)
		ledger_use(&ledger, IPC_KIND_SEM, fuzz_u8(input));
	else if (step == 4)
		ledger_unuse(&ledger, IPC_KIND_SEM, fuzz_u8(input));
	else if (step == 5 && ledger_fork_begin(&ledger, &row) == 0)
		ledger_fork_end(&ledger, row, fuzz_u8(input), now_ns);
	else if (step == 6)
		(void)ledger_child_reaped(&ledger, fuzz_u8(input), now_ns); /* or not known */
	else if (step == 7 || step == 8)
		fuzz_sum(input, step == 8);
	else if (step == 9)
		ledger_child_forget(&ledger, fuzz_u8(input));
	else if (step >= 10)
		fuzz_overwrite(input, step == 11);
	now_ns++;
}

/* What the daemon does when the owner is gone. */
static void fuzz_settle(void)
{
	struct ledger_attach known;
	struct ledger_sum sum;
	enum ipc_kind kind;
	uint32_t pid;
	uint32_t i;
	int32_t id;

	for (i = 0; ledger_use_read(&ledger, i, &kind, &id); i++)
		FUZZ_ASSERT(i < LEDGER_USES_MAX && kind < IPC_KIND_COUNT && id >= 0);
	for (i = 0; ledger_child_read(&ledger, i, &pid); i++)
		FUZZ_ASSERT(i < LEDGER_CHILDREN_MAX);
	FUZZ_ASSERT(ledger_attach_count(&ledger) <= LEDGER_ATTACH_MAX);
	(void)ledger_uses_overflowed(&ledger); /* either answer */
	ledger_detach_all(&ledger, now_ns);
	for (i = 0; ledger_attach_read(&ledger, i, &known); i++)
		FUZZ_ASSERT(i < LEDGER_ATTACH_MAX && known.shmid >= 0 &&
			    (known.state == LEDGER_FREE || known.state == LEDGER_DETACHED));
	for (uint32_t segment = 0; segment < SEGMENTS; segment++) {
		ledger_sum(&ledger, (int32_t)segment * 32768, true, &sum);
		FUZZ_ASSERT(sum.n_attached == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { .bytes = data, .size = size };
	struct ledger again;

	fuzz_reset();
	for (uint32_t i = 0; i < STEPS_MAX && !fuzz_done(&input); i++)
		fuzz_step(&input);
	if (sound)
		FUZZ_ASSERT(ledger_verify(&ledger));
	if (ledger_bind(&again, ledger.base, ledger.size) == 0)
		(void)ledger_verify(&ledger); /* either answer */
	fuzz_settle();
	return 0;
}

/*
 * fuzz-ledger.c: a ledger that its owner fills with anything, read and settled by the daemon.
 *
 * The input is a script of the owner's calls, of words overwritten, and of the daemon's calls, whose
 * loads may lie.  Nothing may be read outside the mapping, every call must end within its bound, and
 * answers must be within their types.  As long as nothing was overwritten, counts must be those of
 * a plain counter.  Not covered: calls in the middle of other calls (test-ledger-hooks.c); lies to
 * the owner, who is the only one that can tell them.
 *
 * Steps, by first byte % 12; S is one of four segments, A one of sixteen addresses:
 *   0 S A  attach     1 S  attach, undone     2 A  detach       3 U  use        4 U  unuse
 *   5 P    fork       6 P  reap               7 S  sum          8 S  fold       9 P  forget child
 *   10 O V   word O (16 bits) of the first part becomes V (64 bits)
 *   11 E O V word O of entry E (16 bits) becomes V
 *   255 N    from here on loads of the daemon lie; made of N / 256 of the rest of the input
 */
#include "fuzz.h"
#include "hooks.h"

#include "core/ledger.h"

#define STEPS_MAX 300u
#define SEGMENTS 4u
#define ADDRESSES 16u

/* A table of 64 looked through for each of its entries, and generously so. */
#define ACCESSES_MAX 100000u

static const char *const names[] = { "use", "unuse", "fork: pid", "reap pid", "", "",
				     "forget child" };

static _Alignas(4096) uint8_t memory[64u << 10];

static struct ledger ledger;
static uint64_t now_ns;

/* What the ledger should say, while nobody forged anything. */
static bool sound;
static uint32_t n_attached[SEGMENTS];
static int holder[ADDRESSES]; /* segment + 1 at each address */

static size_t entries_off(void)
{
	return ledger_size() - (size_t)64 * LEDGER_ATTACH_MAX;
}

static void fuzz_reset(void)
{
	hooks_reset();
	FUZZ_ASSERT(ledger_size() <= sizeof(memory));
	hooks_region(memory, ledger_size());
	memset(memory, 0, ledger_size());
	memset(n_attached, 0, sizeof(n_attached));
	memset(holder, 0, sizeof(holder));
	sound = true;
	now_ns = 1;
	ledger_format(memory, 1, 7);
	FUZZ_ASSERT(ledger_bind(&ledger, memory, ledger_size()) == 0);
}

static void fuzz_attach(struct fuzz_input *input, bool undo)
{
	uint32_t segment = fuzz_u8(input) % SEGMENTS;
	uint32_t address = undo ? 0 : fuzz_u8(input) % ADDRESSES;
	uint32_t entry;

	if (!undo && holder[address] != 0)
		return;
	if (ledger_attach_begin(&ledger, (int32_t)segment * 32768, 1, now_ns, &entry) != 0) {
		FUZZ_SAY("attach segment %u: full", segment);
		FUZZ_ASSERT(!sound);
		return;
	}
	FUZZ_SAY("attach segment %u at %u, entry %u%s", segment, address, entry,
		 undo ? ", undone" : "");
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

	FUZZ_SAY("detach at %u: %s", address, r == 0 ? "done" : "nothing there");
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

	hooks_lie(true);
	ledger_sum(&ledger, (int32_t)segment * 32768, fold, &sum);
	hooks_lie(false);
	FUZZ_SAY("%s segment %u: %u attached", fold ? "fold" : "sum", segment, sum.n_attached);
	FUZZ_ASSERT(sum.n_attached <= LEDGER_ATTACH_MAX);
	if (sound) {
		FUZZ_ASSERT(sum.n_attached == n_attached[segment]);
		FUZZ_ASSERT(sum.attach_ns < now_ns && sum.detach_ns < now_ns);
	}
}

static void fuzz_overwrite(struct fuzz_input *input, bool entry)
{
	size_t words = (entry ? ledger_size() - entries_off() : entries_off()) / 8;
	size_t word = fuzz_u16(input) % words + (entry ? entries_off() / 8 : 0);
	uint64_t value = fuzz_u64(input);

	shared64_store((struct shared64 *)(void *)(memory + 8 * word), value);
	FUZZ_SAY("word %zu becomes %016llx", word, (unsigned long long)value);
	sound = false;
}

/* Everything the daemon reads of it. */
static void fuzz_read(void)
{
	struct ledger_attach known;
	enum ipc_kind kind;
	uint32_t pid;
	uint32_t i;
	int32_t id;

	for (i = 0; ledger_use_read(&ledger, i, &kind, &id); i++)
		FUZZ_ASSERT(i < LEDGER_USES_MAX && kind < IPC_KIND_COUNT && id >= 0);
	for (i = 0; ledger_child_read(&ledger, i, &pid); i++)
		FUZZ_ASSERT(i < LEDGER_CHILDREN_MAX);
	for (i = 0; ledger_attach_read(&ledger, i, &known); i++)
		FUZZ_ASSERT(i < LEDGER_ATTACH_MAX && known.shmid >= 0);
	FUZZ_ASSERT(ledger_attach_count(&ledger) <= LEDGER_ATTACH_MAX);
	(void)ledger_uses_overflowed(&ledger); /* either answer */
}

static void fuzz_lies(struct fuzz_input *input)
{
	struct fuzz_input lies = fuzz_split(input, fuzz_u8(input));

	FUZZ_SAY("from here on loads lie: %zu bytes of it", lies.size);
	hooks_lies(&lies);
	if (lies.size > 0)
		sound = false;
}

static void fuzz_step(struct fuzz_input *input)
{
	uint8_t code = fuzz_u8(input);
	uint8_t step = code % 12;
	uint8_t number;
	uint32_t row;

	if (code == 255) {
		fuzz_lies(input);
		return;
	}
	if (step == 0 || step == 1)
		fuzz_attach(input, step == 1);
	else if (step == 2)
		fuzz_detach(input);
	else if (step == 7 || step == 8)
		fuzz_sum(input, step == 8);
	else if (step >= 10)
		fuzz_overwrite(input, step == 11);
	if (step < 3 || step == 7 || step == 8 || step >= 10)
		return;
	if (step == 5 && ledger_fork_begin(&ledger, &row) != 0)
		return;
	number = fuzz_u8(input);
	FUZZ_SAY("%s %u", names[step - 3], number);
	if (step == 3)
		ledger_use(&ledger, IPC_KIND_SEM, number);
	else if (step == 4)
		ledger_unuse(&ledger, IPC_KIND_SEM, number);
	else if (step == 5)
		ledger_fork_end(&ledger, row, number, now_ns);
	else if (step == 6)
		(void)ledger_child_reaped(&ledger, number, now_ns); /* or not known */
	else
		ledger_child_forget(&ledger, number);
}

/* What the daemon does when the owner is gone. */
static void fuzz_settle(void)
{
	struct ledger_attach known;
	struct ledger_sum sum;
	uint32_t i;

	hooks_budget(ACCESSES_MAX);
	hooks_lie(true);
	fuzz_read();
	ledger_detach_all(&ledger, now_ns);
	hooks_lie(false);
	ledger_detach_all(&ledger, now_ns);
	fuzz_read();
	for (i = 0; ledger_attach_read(&ledger, i, &known); i++)
		FUZZ_ASSERT(known.state == LEDGER_FREE || known.state == LEDGER_DETACHED);
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
	for (uint32_t i = 0; i < STEPS_MAX && !fuzz_done(&input); i++) {
		hooks_budget(ACCESSES_MAX);
		fuzz_step(&input);
		now_ns++;
	}
	if (sound)
		FUZZ_ASSERT(ledger_verify(&ledger));
	if (ledger_bind(&again, ledger.base, ledger.size) == 0)
		(void)ledger_verify(&ledger); /* either answer */
	fuzz_settle();
	return 0;
}

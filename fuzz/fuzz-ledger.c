/*
 * fuzz-ledger.c: a ledger that its owner fills with anything, read and settled by the daemon; each call may be
 * overtaken by others, of another thread, a signal handler or the daemon, and the owner or the daemon be killed
 * in it.
 *
 * The input is a script of the owner's calls, of words overwritten, and of the daemon's calls, whose
 * loads may lie.  Nothing may be read outside the mapping, every call must end within its bound, and
 * answers must be within their types.  As long as nothing was overwritten, counts, stamps, uses and children
 * must be those of plain counters: exactly so after a call, within what has begun and not ended during one.
 * Not covered: lies to the owner, who is the only one that can tell them.
 *
 * Steps, by first byte % 12; S is one of four segments, A one of eighty addresses, more than there are entries:
 *   0 S A  attach     1 S  attach, undone     2 A  detach       3 U  use        4 U  unuse
 *   5 P    fork       6 P  reap               7 S  sum          8 S  sum, and all else read
 *   9 P  forget child
 *   10 O V   word O (16 bits) of the first part becomes V (64 bits)
 *   11 E O V word O of entry E (16 bits) becomes V
 *   253 N    whoever makes the next call is killed before its N-th access
 *   254 N    before the N-th access of the next call the step after it is made; behind that step 253 or 254
 *            mean the same call again
 *   255 N    from here on loads of the daemon lie; made of N / 256 of the rest of the input
 */
#include <setjmp.h>

#include "fuzz.h"
#include "hooks.h"

#include "core/ledger.h"

#define STEPS_MAX 300u
#define SEGMENTS 4u
#define ADDRESSES 80u
#define NUMBERS 256u
/* Besides those in which something happens to a call. */
#define CHECKED_EVERY 16u

/* A table of 64 looked through for each of its entries, and generously so. */
#define ACCESSES_MAX 100000u

enum { STEP_KILLED = 253, STEP_OVERTAKEN = 254, STEP_LIES = 255 };

static const char *const names[] = { "use", "unuse", "fork: pid", "reap pid", "", "",
				     "forget child" };

static _Alignas(4096) uint8_t memory[64u << 10];

static struct ledger ledger;
static struct fuzz_input *script;
static uint64_t now_ns;

/* What the ledger should say, while nobody forged anything. */
static bool sound;
static bool owner_is_dead;
static bool daemon_lies; /* it is reading, and its loads may lie */
static uint32_t depth;   /* of calls under way */
static uint32_t n_calls;
static jmp_buf killed;

/* How many attachments of a segment have come and gone; begun is never less than done. */
static struct segment {
	uint32_t n_begun, n_done;           /* attaches */
	uint32_t n_end_begun, n_end_done;   /* detaches */
	uint64_t attach_ns, detach_ns;      /* of the last one done */
} segments[SEGMENTS];

/* Who is at an address: segment + 1. */
static struct place {
	uint32_t holder;
	uint32_t arriving; /* is being made known */
	uint32_t n_leaving; /* calls that have begun to detach it */
	uint32_t n_changes;
} places[ADDRESSES];

/* A set that is in use, or not, or perhaps: another thread was at it at the same time. */
static struct use {
	enum { USE_NO, USE_YES, USE_PERHAPS } state;
	uint32_t n_calls;
} uses[NUMBERS];

static uint32_t children[NUMBERS];
static uint32_t n_child_calls;
static bool children_known; /* false: two calls were at them at the same time */
static bool stamps_known;   /* false: the table was full, so that some were given up */

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
	memset(segments, 0, sizeof(segments));
	memset(places, 0, sizeof(places));
	memset(uses, 0, sizeof(uses));
	memset(children, 0, sizeof(children));
	children_known = true;
	stamps_known = true;
	sound = true;
	owner_is_dead = false;
	daemon_lies = false;
	depth = 0;
	now_ns = 1;
	ledger_format(memory, 1, 7);
	FUZZ_ASSERT(ledger_bind(&ledger, memory, ledger_size()) == 0);
	FUZZ_ASSERT(!ledger_speaks(&ledger));
	ledger_speak(&ledger);
}

static int32_t shmid_of(uint32_t segment)
{
	return (int32_t)(segment << ABI_INDEX_BITS);
}

/* Attachments that may be there, of all segments. */
static uint32_t n_attached(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < SEGMENTS; i++)
		n += segments[i].n_begun - segments[i].n_end_done;
	return n;
}

/* --- the owner's calls ------------------------------------------------------------------------- */

static void fuzz_attach(bool undo)
{
	uint32_t number = fuzz_u8(script) % SEGMENTS;
	uint32_t at = undo ? 0 : fuzz_u8(script) % ADDRESSES;
	struct segment *segment = &segments[number];
	struct place *place = &places[at];
	uint64_t begin_ns = now_ns;
	uint32_t entry;

	if (owner_is_dead || (!undo && (place->holder != 0 || place->arriving != 0)))
		return;
	place->arriving = undo ? place->arriving : number + 1;
	segment->n_begun++;
	/* One more that was detached, for each segment and by each thread, and the one begun. */
	stamps_known = stamps_known && n_attached() + 2 * SEGMENTS < LEDGER_ATTACH_MAX;
	if (ledger_attach_begin(&ledger, shmid_of(number), 1, begin_ns, &entry) != 0) {
		FUZZ_SAY("attach segment %u: full", number);
		FUZZ_ASSERT(!sound || n_attached() >= LEDGER_ATTACH_MAX);
		segment->n_begun--;
		place->arriving = 0;
		return;
	}
	segment->n_done++;
	FUZZ_SAY("attach segment %u at %u, entry %u%s", number, at, entry, undo ? ", undone" : "");
	FUZZ_ASSERT(entry < LEDGER_ATTACH_MAX);
	if (undo) {
		segment->n_end_begun++;
		ledger_attach_undo(&ledger, entry);
		segment->n_end_done++;
		return;
	}
	ledger_attach_end(&ledger, entry, (at + 1) * 4096);
	segment->attach_ns = begin_ns > segment->attach_ns ? begin_ns : segment->attach_ns;
	/* Unless another thread has found and detached it meanwhile. */
	if (place->arriving != 0) {
		place->holder = number + 1;
		place->n_changes++;
	}
	place->arriving = 0;
}

/* What is found at an address must be what is there. */
static uint32_t check_detached(const struct place *place, const struct place *before, int r, int32_t shmid)
{
	uint32_t there = place->holder != 0 ? place->holder : place->arriving;

	if (sound && r != 0)
		FUZZ_ASSERT(before->holder == 0 || before->n_leaving > 0 || before->n_changes != place->n_changes);
	if (sound && r == 0)
		FUZZ_ASSERT(there != 0 && shmid == shmid_of(there - 1));
	return r == 0 && there != 0 ? there - 1 : SEGMENTS;
}

static void fuzz_detach(void)
{
	struct place *place = &places[fuzz_u8(script) % ADDRESSES];
	struct place before = *place;
	struct ledger_attach known = { 0 };
	uint32_t number, entry = 0;
	uint64_t end_ns;
	int r;

	if (owner_is_dead)
		return;
	/* Whose it will be, if another thread attaches something there first, is not known yet. */
	for (uint32_t i = 0; i < SEGMENTS; i++)
		segments[i].n_end_begun++;
	place->n_leaving++;
	r = ledger_detach_begin(&ledger, (uint64_t)(place - places + 1) * 4096, &known, &entry);
	place->n_leaving--;
	FUZZ_SAY("detach at %u: %s", (unsigned)(place - places), r == 0 ? "done" : "nothing there");
	number = check_detached(place, &before, r, known.shmid);
	for (uint32_t i = 0; i < SEGMENTS; i++)
		segments[i].n_end_begun -= i != number;
	if (number < SEGMENTS)
		*place = (struct place){ .n_changes = place->n_changes + 1, .n_leaving = place->n_leaving };
	end_ns = now_ns;
	if (r == 0)
		ledger_detach_end(&ledger, entry, end_ns);
	if (number == SEGMENTS)
		return;
	segments[number].n_end_done++;
	if (segments[number].detach_ns < end_ns)
		segments[number].detach_ns = end_ns;
}

static void fuzz_use(uint8_t number, bool is_used)
{
	struct use *use = &uses[number];
	uint32_t call = ++use->n_calls;

	use->state = USE_PERHAPS;
	if (is_used)
		ledger_use(&ledger, IPC_KIND_SEM, number);
	else
		ledger_unuse(&ledger, IPC_KIND_SEM, number);
	use->state = use->n_calls != call ? USE_PERHAPS : is_used ? USE_YES : USE_NO;
}

static void fuzz_child(uint8_t step, uint8_t number, uint32_t row)
{
	uint32_t call = n_child_calls;
	bool was_there = children[number] > 0;
	bool r;

	if (step == 5) {
		ledger_fork_end(&ledger, row, number, now_ns);
		children[number] += number != 0;
	} else if (step == 6) {
		r = ledger_child_reaped(&ledger, number, now_ns);
		if (sound && children_known && n_child_calls == call)
			FUZZ_ASSERT(r == was_there);
		children[number] -= r && children[number] > 0;
	} else {
		ledger_child_forget(&ledger, number);
		children[number] = 0;
	}
	if (n_child_calls != call)
		children_known = false;
}

/* 3 use, 4 unuse, 5 fork, 6 reap, 9 forget a child: what the daemon does as well, in the owner's place. */
static void fuzz_numbered(uint8_t step)
{
	uint32_t row = 0;
	uint8_t number;

	if (step == 5) {
		if (owner_is_dead || ledger_fork_begin(&ledger, &row) != 0)
			return;
	}
	number = fuzz_u8(script);
	FUZZ_SAY("%s %u", names[step - 3], number);
	if (owner_is_dead && step != 9)
		return;
	if (step < 5) {
		fuzz_use(number, step == 3);
		return;
	}
	n_child_calls++;
	fuzz_child(step, number, row);
}

static void fuzz_overwrite(bool entry)
{
	size_t words = (entry ? ledger_size() - entries_off() : entries_off()) / 8;
	size_t word = fuzz_u16(script) % words + (entry ? entries_off() / 8 : 0);
	uint64_t value = fuzz_u64(script);

	shared64_store((struct shared64 *)(void *)(memory + 8 * word), value);
	FUZZ_SAY("word %zu becomes %016llx", word, (unsigned long long)value);
	sound = false;
}

/* --- the daemon's calls ------------------------------------------------------------------------ */

static void daemon_reads(bool is_reading)
{
	daemon_lies = is_reading;
	hooks_lie(is_reading);
}

/* What has begun by now may count, what had ended before may not. */
static void sum_segment(uint32_t number)
{
	const struct segment *segment = &segments[number];
	struct segment before = *segment;
	struct ledger_sum sum;
	uint32_t call = n_calls;

	daemon_reads(true);
	ledger_sum(&ledger, shmid_of(number), &sum);
	daemon_reads(false);
	FUZZ_SAY("  segment %u: %u attached", number, sum.n_attached);
	FUZZ_ASSERT(sum.n_attached <= LEDGER_ATTACH_MAX);
	if (!sound)
		return;
	FUZZ_ASSERT(sum.n_attached + segment->n_end_begun >= before.n_done);
	FUZZ_ASSERT(sum.n_attached + before.n_end_done <= segment->n_begun);
	FUZZ_ASSERT(sum.attach_ns <= now_ns && sum.detach_ns <= now_ns);
	/* While an entry changes hands its stamps are in neither; and a detach moves those of another one. */
	if (depth == 1 && n_calls == call && !owner_is_dead && stamps_known)
		FUZZ_ASSERT(sum.attach_ns >= before.attach_ns && sum.detach_ns >= before.detach_ns);
}

static void fuzz_sum(void)
{
	uint32_t number = fuzz_u8(script) % SEGMENTS;

	FUZZ_SAY("sum of segment %u", number);
	sum_segment(number);
}

static void check_uses(const uint32_t *n_found)
{
	for (uint32_t i = 0; i < NUMBERS; i++) {
		if (uses[i].state == USE_YES)
			FUZZ_ASSERT(n_found[i] > 0 || ledger_uses_overflowed(&ledger));
		if (uses[i].state == USE_NO)
			FUZZ_ASSERT(n_found[i] == 0);
	}
}

/* Everything the daemon reads of it; is_exact: nobody is at work, nothing lies. */
static void fuzz_read(bool is_exact)
{
	uint32_t n_used[NUMBERS] = { 0 }, n_children[NUMBERS] = { 0 };
	struct ledger_attach known;
	enum ipc_kind kind;
	uint32_t pid;
	uint32_t i;
	int32_t id;

	for (i = 0; ledger_use_read(&ledger, i, &kind, &id); i++) {
		FUZZ_ASSERT(i < LEDGER_USES_MAX && kind < IPC_KIND_COUNT && id >= 0);
		n_used[(uint32_t)id % NUMBERS]++;
	}
	for (i = 0; ledger_child_read(&ledger, i, &pid); i++) {
		FUZZ_ASSERT(i < LEDGER_CHILDREN_MAX);
		n_children[pid % NUMBERS] += pid != UINT32_MAX;
	}
	for (i = 0; ledger_attach_read(&ledger, i, &known); i++)
		FUZZ_ASSERT(i < LEDGER_ATTACH_MAX && known.shmid >= 0);
	FUZZ_ASSERT(ledger_attach_count(&ledger) <= LEDGER_ATTACH_MAX);
	(void)ledger_uses_overflowed(&ledger); /* either answer */
	(void)ledger_speaks(&ledger);          /* likewise */
	if (!is_exact)
		return;
	FUZZ_ASSERT(ledger_speaks(&ledger));
	check_uses(n_used);
	for (i = 1; i < NUMBERS && children_known; i++)
		FUZZ_ASSERT(n_children[i] == children[i]);
}

/* Between two calls. */
static void check_all(void)
{
	if (!sound)
		return;
	depth++;
	for (uint32_t i = 0; i < SEGMENTS; i++)
		sum_segment(i);
	fuzz_read(true);
	FUZZ_ASSERT(ledger_verify(&ledger));
	depth--;
}

/* --- the script -------------------------------------------------------------------------------- */

static void fuzz_lies(void)
{
	static struct fuzz_input lies;

	lies = fuzz_split(script, fuzz_u8(script));
	FUZZ_SAY("from here on loads lie: %zu bytes of it", lies.size);
	hooks_lies(&lies);
	if (lies.size > 0)
		sound = false;
}

/* The words of the script that are no call: who is killed in the next one, or overtaken. */
static void overtake(void);

static void die(void)
{
	longjmp(killed, 1);
}

static void arm(uint8_t code)
{
	uint8_t n = fuzz_u8(script);

	FUZZ_SAY("before access %u of %s call %s", n, depth > 0 ? "this" : "the next",
		 code == STEP_KILLED ? "its caller is killed" : "another one is made:");
	hooks_call(n, code == STEP_KILLED ? die : overtake);
}

static bool next_is_arm(void)
{
	return !fuzz_done(script) && (script->bytes[script->at] == STEP_KILLED ||
				      script->bytes[script->at] == STEP_OVERTAKEN);
}

static void fuzz_call(uint8_t step)
{
	depth++;
	n_calls++;
	if (step <= 1)
		fuzz_attach(step == 1);
	else if (step == 2)
		fuzz_detach();
	else if (step <= 6 || step == 9)
		fuzz_numbered(step);
	else if (step <= 8)
		fuzz_sum();
	else
		fuzz_overwrite(step == 11);
	if (step == 8) {
		daemon_reads(true);
		fuzz_read(false);
		daemon_reads(false);
	}
	depth--;
}

static void overtake(void)
{
	bool was_lying = daemon_lies;
	uint8_t code;

	if (fuzz_done(script))
		return;
	code = fuzz_u8(script);
	now_ns++;
	hooks_lie(false);
	fuzz_call(code % 12);
	daemon_reads(was_lying);
	if (next_is_arm())
		arm(fuzz_u8(script));
}

static void fuzz_step(bool is_checked)
{
	uint8_t code;

	is_checked = is_checked || next_is_arm();
	if (next_is_arm())
		arm(fuzz_u8(script));
	code = fuzz_u8(script);
	if (code == STEP_LIES) {
		hooks_call(0, NULL);
		fuzz_lies();
		return;
	}
	if (setjmp(killed) == 0) {
		fuzz_call(code % 12);
	} else {
		/* A daemon is followed by another one. */
		FUZZ_SAY("killed");
		owner_is_dead = owner_is_dead || code % 12 < 7;
		children_known = children_known && code % 12 != 9;
		daemon_reads(false);
		depth = 0;
	}
	hooks_call(0, NULL);
	if (is_checked)
		check_all();
}

/* Numbers that nobody was given change nothing. */
static void fuzz_misuse(void)
{
	struct ledger other;
	uint32_t entry;

	ledger_attach_end(&ledger, LEDGER_ATTACH_MAX, 4096);
	ledger_attach_undo(&ledger, LEDGER_ATTACH_MAX);
	ledger_detach_end(&ledger, LEDGER_ATTACH_MAX, now_ns);
	ledger_fork_end(&ledger, LEDGER_CHILDREN_MAX, 7, now_ns);
	ledger_child_forget(&ledger, UINT32_MAX);
	ledger_use(&ledger, IPC_KIND_MSG, -1);
	FUZZ_ASSERT(!ledger_child_reaped(&ledger, 0, now_ns));
	FUZZ_ASSERT(!ledger_child_reaped(&ledger, UINT32_MAX, now_ns));
	FUZZ_ASSERT(ledger_attach_begin(&ledger, -1, 1, now_ns, &entry) != 0);
	FUZZ_ASSERT(ledger_bind(&other, memory, ledger_size() - 1) == LEDGER_E_CORRUPT);
	FUZZ_ASSERT(ledger_bind(&other, memory + 8, ledger_size()) == LEDGER_E_CORRUPT);
}

/* What the daemon does when the owner is gone; it may be killed in that, too. */
static void fuzz_settle(void)
{
	struct ledger_attach known;
	struct ledger_sum sum;
	uint32_t i;

	hooks_budget(ACCESSES_MAX);
	daemon_reads(true);
	fuzz_read(false);
	if (next_is_arm())
		arm(fuzz_u8(script));
	if (setjmp(killed) == 0)
		ledger_detach_all(&ledger, now_ns);
	hooks_call(0, NULL);
	daemon_reads(false);
	ledger_detach_all(&ledger, now_ns);
	fuzz_read(false);
	for (i = 0; ledger_attach_read(&ledger, i, &known); i++)
		FUZZ_ASSERT(known.state == LEDGER_FREE || known.state == LEDGER_DETACHED);
	for (uint32_t number = 0; number < SEGMENTS; number++) {
		ledger_sum(&ledger, shmid_of(number), &sum);
		FUZZ_ASSERT(sum.n_attached == 0);
		/* What was attached when it ended was detached then; a last attach may not have come so far. */
		if (sound && !owner_is_dead && segments[number].n_done > segments[number].n_end_begun)
			FUZZ_ASSERT(sum.detach_ns == now_ns);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { .bytes = data, .size = size };
	struct ledger again;

	script = &input;
	fuzz_reset();
	/* An arm at the very end is for the settling. */
	for (uint32_t i = 0; i < STEPS_MAX && script->at + 2 * next_is_arm() < script->size; i++) {
		hooks_budget(ACCESSES_MAX);
		fuzz_step(i % CHECKED_EVERY == 0);
		now_ns++;
	}
	fuzz_misuse();
	if (sound)
		FUZZ_ASSERT(ledger_verify(&ledger));
	if (ledger_bind(&again, ledger.base, ledger.size) == 0)
		(void)ledger_verify(&ledger); /* either answer */
	fuzz_settle();
	return 0;
}

/*
 * fuzz-mcas.c: commits in the middle of commits, kills at any access, recovery; and loads that lie.
 *
 * Byte 0: share of the input that lies are made of (0: none).  Then operations, by byte % 8:
 *   0 1  commit: words by 24 bits; more than 14 make it a large one; 1: by a thread that keeps
 *        descriptors from commit to commit, which leave their marks      2  change one word: which
 *   3    read every word        4  recover those killed so far
 *   5 6 7  interruption of what comes next: after 8 bits of accesses, action by the next byte % 4,
 *          then 24 bits: 0 1 a commit of those words as above, 2 the interrupted one is killed,
 *          3 recovery
 * Interruptions queue up; one that is due while another runs interrupts that.
 *
 * Every commit adds a number of its own to each of its words.  Checked, with honest loads: a commit
 * that says DONE is in all its words, once; any other in none; a killed one in all or none; at the
 * end nothing is in the middle of anything.  Always: every access in the file, every call within its
 * bound.  Not covered: all interleavings (tests/explore); two that run in turns.
 */
#include <setjmp.h>

#include "fuzz.h"
#include "hooks.h"

#include "core/mcas-own.h"

#define WORDS 24u
#define SLOTS_OFF 256u
#define FILE_SIZE (80u << 10)
#define INPUT_MAX 600u
#define INTERRUPTIONS_MAX 16u
#define DEPTH_MAX 6u
#define KILLS_MAX 6u
#define RESIDENT_SLOTS 8u
#define TRIES_MAX 100u
/* A few loops of MCAS_ROUNDS_MAX, one in the other only for those who meet marks without end. */
#define ACCESSES_MAX (4000u * MCAS_ROUNDS_MAX)

struct interruption {
	uint8_t after;
	uint8_t action;
	uint32_t mask;
};

/* What one commit wants, and whether it is known to have happened. */
struct wish {
	uint32_t mask;
	uint32_t number;
	uint64_t client;
	uint32_t slot;
};

static _Alignas(4096) uint8_t file[FILE_SIZE];
static struct mcas mcas;
static bool honest;
static uint32_t expected[WORDS];
static uint32_t n_commits;

static struct interruption queue[INTERRUPTIONS_MAX];
static uint32_t n_queued, next_queued;

static jmp_buf running[DEPTH_MAX];
static uint32_t depth;
static struct wish killed[KILLS_MAX];
static uint32_t n_killed;
/* Of each depth, who keeps descriptors: only its client and slot. */
static struct wish kept[DEPTH_MAX];

static void interrupted(void);

static void arm(void)
{
	if (next_queued < n_queued && depth < DEPTH_MAX)
		hooks_call(queue[next_queued].after, interrupted);
}

/* Tries until it is done; MCAS_E_CORRUPT or the last outcome if it cannot be. */
static int commit_tries(const struct wish *wish)
{
	const struct actor actor = { .client = wish->client, .pid = 1, .hint = wish->mask };
	struct mcas_change changes[WORDS];
	struct mcas_op op = { .changes = changes, .n_changes_max = WORDS };
	int outcome = MCAS_E_BUSY;
	uint64_t old;

	for (uint32_t tries = 0; tries < TRIES_MAX && outcome != MCAS_DONE; tries++) {
		op.n_changes = 0;
		for (uint32_t i = 0; i < WORDS; i++) {
			if ((wish->mask >> i & 1) == 0)
				continue;
			if (mcas_read(&mcas, i, &old) != MCAS_DONE)
				return MCAS_E_CORRUPT;
			FUZZ_ASSERT(mcas_op_add(&op, i, old,
						mcas_next(old, mcas_payload(old) + wish->number)));
			/* Said twice: the first of them is replaced. */
			FUZZ_ASSERT(mcas_op_add(&op, i, old,
						mcas_next(old, mcas_payload(old) + wish->number)));
		}
		FUZZ_ASSERT(op.n_changes == (uint32_t)__builtin_popcount(wish->mask));
		outcome = mcas_commit(&mcas, &actor, &op);
		if (!honest)
			break;
	}
	return outcome;
}

/* The same of few words by a thread with descriptors of its own. */
static int commit_own_tries(const struct wish *wish)
{
	const struct actor actor = { .client = wish->client, .pid = 1, .slot = wish->slot };
	struct mcas_change changes[MCAS_SMALL_MAX];
	uint64_t found[MCAS_SMALL_MAX];
	struct mcas_op op = { .changes = changes, .n_changes_max = MCAS_SMALL_MAX };
	int outcome = MCAS_E_BUSY;
	struct mcas_own own;
	uint64_t old;

	for (uint32_t tries = 0; tries < TRIES_MAX && outcome != MCAS_DONE; tries++) {
		op.n_changes = 0;
		mcas_own_begin(&mcas, &actor, &own);
		for (uint32_t i = 0; i < WORDS; i++) {
			if ((wish->mask >> i & 1) == 0)
				continue;
			if (mcas_own_look(&mcas, &own, i, &found[op.n_changes], &old) != MCAS_DONE)
				return MCAS_E_CORRUPT;
			changes[op.n_changes++] = (struct mcas_change){
				i, false, old, mcas_next(old, mcas_payload(old) + wish->number) };
		}
		outcome = mcas_own_commit(&mcas, &own, &op, found);
		if (!honest)
			break;
	}
	return outcome;
}

/* The descriptors of this depth's thread; it and they go on until it is killed. */
static void keep(struct wish *wish)
{
	const struct actor actor = { .client = wish->client, .hint = depth };

	if (kept[depth].client == 0) {
		kept[depth].slot = mcas_resident_bind(&mcas, &actor);
		kept[depth].client = wish->client;
	}
	wish->client = kept[depth].client;
	wish->slot = kept[depth].slot;
}

static void count(const struct wish *wish)
{
	for (uint32_t i = 0; i < WORDS; i++)
		if (wish->mask >> i & 1)
			expected[i] += wish->number;
}

static void commit(uint32_t mask, bool keeps)
{
	struct wish wish = { .mask = mask % (1u << WORDS) ? mask % (1u << WORDS) : 1,
			     .number = 1 + 7 * n_commits,
			     .client = 100 + n_commits };
	int outcome;

	n_commits++;
	if (keeps && (uint32_t)__builtin_popcount(wish.mask) <= MCAS_SMALL_MAX)
		keep(&wish);
	if (setjmp(running[depth]) != 0) {
		FUZZ_SAY("%*scommit %u is killed", (int)depth * 2, "", wish.number);
		killed[n_killed++] = wish;
		if (wish.slot != MCAS_SLOT_NONE)
			kept[depth] = (struct wish){ 0 };
		return;
	}
	depth++;
	FUZZ_SAY("%*scommit %u of words %06x, slot %u", (int)depth * 2 - 2, "", wish.number, wish.mask,
		 wish.slot);
	arm();
	outcome = wish.slot == MCAS_SLOT_NONE ? commit_tries(&wish) : commit_own_tries(&wish);
	depth--;
	FUZZ_SAY("%*scommit %u: outcome %d", (int)depth * 2, "", wish.number, outcome);
	if (outcome == MCAS_DONE)
		count(&wish);
	if (honest)
		FUZZ_ASSERT(outcome == MCAS_DONE || outcome == MCAS_E_BUSY);
}

static void recover(void)
{
	for (uint32_t i = 0; i < n_killed; i++) {
		FUZZ_SAY("%*srecovery of client %u", (int)depth * 2, "", (unsigned)killed[i].client);
		mcas_recover(&mcas, killed[i].client);
	}
}

static void interrupted(void)
{
	const struct interruption *now = &queue[next_queued++];
	uint64_t left;

	if (now->action == 2 && depth > 0 && n_killed < KILLS_MAX) {
		depth--;
		longjmp(running[depth], 1);
	}
	left = hooks_used();
	if (now->action == 3)
		recover();
	else if (depth < DEPTH_MAX)
		commit(now->mask, now->action == 1);
	hooks_budget(ACCESSES_MAX - (left < ACCESSES_MAX / 2 ? left : ACCESSES_MAX / 2));
	arm();
}

/* Whether the words are the sum of what was done and of some of those that were killed. */
static bool explained(void)
{
	for (uint32_t some = 0; some < 1u << n_killed; some++) {
		uint32_t wrong = 0;

		for (uint32_t i = 0; i < WORDS; i++) {
			uint32_t sum = expected[i];
			uint64_t word;

			for (uint32_t k = 0; k < n_killed; k++)
				if ((some >> k & 1) && (killed[k].mask >> i & 1))
					sum += killed[k].number;
			wrong += mcas_read(&mcas, i, &word) != MCAS_DONE || mcas_payload(word) != sum;
		}
		if (wrong == 0)
			return true;
	}
	return false;
}

static void change_one(uint32_t index)
{
	uint64_t word;

	if (mcas_read(&mcas, index, &word) != MCAS_DONE)
		return;
	FUZZ_SAY("change word %u", index);
	if (mcas_change_one(&mcas, index, word, mcas_next(word, mcas_payload(word) + 1)) ==
	    MCAS_DONE)
		expected[index]++;
}

static uint32_t mask_next(struct fuzz_input *input)
{
	uint32_t low = fuzz_u16(input);

	return low | (uint32_t)fuzz_u8(input) << 16;
}

static void step(struct fuzz_input *input)
{
	uint8_t code = fuzz_u8(input) % 8;
	uint64_t word;

	hooks_budget(ACCESSES_MAX);
	hooks_lie(true);
	if (code < 2) {
		commit(mask_next(input), code == 1);
	} else if (code == 2) {
		change_one(fuzz_u8(input) % WORDS);
	} else if (code == 3) {
		for (uint32_t i = 0; i < FILE_SIZE / 8; i += i < WORDS ? 1 : 100)
			(void)mcas_read(&mcas, i, &word); /* any outcome */
		FUZZ_ASSERT(mcas_read(&mcas, FILE_SIZE / 8, &word) == MCAS_E_CORRUPT);
	} else if (code == 4) {
		recover();
	} else if (n_queued < INTERRUPTIONS_MAX) {
		queue[n_queued].after = fuzz_u8(input);
		queue[n_queued].action = fuzz_u8(input) % 4;
		queue[n_queued++].mask = mask_next(input);
	}
	hooks_lie(false);
	hooks_call(0, NULL);
}

static void reset(void)
{
	const uint64_t large_off = ALIGN_UP(SLOTS_OFF + mcas_slots_size(), 64);
	const uint64_t resident_off = large_off + mcas_large_size(MCAS_LARGE_MAX);

	hooks_reset();
	memset(file, 0, sizeof(file));
	memset(expected, 0, sizeof(expected));
	memset(kept, 0, sizeof(kept));
	n_commits = n_queued = next_queued = n_killed = depth = 0;
	FUZZ_ASSERT(resident_off + mcas_resident_size(RESIDENT_SLOTS) <= FILE_SIZE);
	mcas_init(&mcas, file, FILE_SIZE, SLOTS_OFF);
	mcas_init_large(&mcas, large_off, MCAS_LARGE_MAX);
	mcas_init_resident(&mcas, resident_off, RESIDENT_SLOTS);
	hooks_region(file, FILE_SIZE);
}

/* Nobody goes on. */
static void release(void)
{
	for (uint32_t i = 0; i < DEPTH_MAX; i++)
		if (kept[i].slot != MCAS_SLOT_NONE)
			mcas_resident_release(&mcas, kept[i].client, kept[i].slot);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size < INPUT_MAX ? size : INPUT_MAX, 0 };
	struct fuzz_input lies = fuzz_split(&input, fuzz_u8(&input));

	reset();
	honest = lies.size == 0;
	hooks_lies(&lies);
	while (!fuzz_done(&input))
		step(&input);
	hooks_budget(ACCESSES_MAX);
	recover();
	if (honest)
		FUZZ_ASSERT(explained());
	release();
	if (honest)
		FUZZ_ASSERT(explained());
	if (honest)
		FUZZ_ASSERT(mcas_verify(&mcas));
	return 0;
}

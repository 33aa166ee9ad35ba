/*
 * fuzz-semset-lies.c: a semaphore set in a file that a peer rewrites as it likes, at any time (P5).
 *
 * Byte 0: share of the input that lies are made of.  Byte 1: semaphores, n % 6 + 1; 255: 70;
 * 254: 1100, of which only the first 70 are read.
 * Then calls, by first byte: % 16 which, / 16 % 4 the client; every load of a call may lie.
 *   0 1 2  semop: count % 4 + 1, then per operation: sem, op, flags     3 4  semop, may sleep
 *   5 6    a sleeper looks again, leaves: which    7  SETVAL: sem, value    8  SETALL: value
 *   9      everything that reads                   10 settle    11 exit    12 death
 *   13     by the next byte: 0 IPC_RMID; 0xfe exec; 0xfd a new daemon; 0x80..0xef a call in the client's
 *          stead, as in tests/model/semset-step.h
 *   14     word W (16 bits) of area A becomes V (hooks.h)
 *   15     maps the file anew, as it is then
 * Checked: every access in the mapping, every call ends within its bound with one of its outcomes,
 * wakes and growths are inside the file, nothing is written beyond the caller's buffers.
 * Not covered: what a call does with lies beyond that: it may be wrong, but only to its own caller.
 */
#include "fuzz.h"
#include "hooks.h"

#include "core/semset-internal.h"

#define FILE_SIZE (512u << 10)
#define SEMS_MAX 70u
#define SEMS_WIDE 1100u
#define CALLS_MAX 64u
#define SLEEPERS 4u
#define OPS_MAX 4u
#define GROWTHS_MAX 8u
/* All tries of a transaction, each with all its patience for a descriptor and its longest back-off. */
#define ACCESSES_MAX (SEMTX_TRIES_MAX * (MCAS_PATIENCE_LARGE + 1024u) + 8u * SEMTX_BUDGET)

static _Alignas(4096) uint8_t file[FILE_SIZE];
static struct semset set;
static struct semset_sleeper sleepers[SLEEPERS];
static bool asleep[SLEEPERS];
static uint16_t values[SEMS_WIDE];
static _Alignas(16) uint8_t memory[2u << 16]; /* for SETALL of the widest */

static void check_wakes(const struct wakes *wakes)
{
	FUZZ_ASSERT(wakes->n <= WAKES_MAX);
	for (uint32_t i = 0; i < wakes->n; i++)
		FUZZ_ASSERT(wakes->word_indexes[i] < set.mcas.n_words);
}

/* True if the call is to be made again. */
static bool grows(int outcome, uint32_t *n_growths)
{
	struct semset_growth growth;

	FUZZ_ASSERT((outcome >= SEMSET_DONE && outcome <= SEMSET_E_CORRUPT) ||
		    (outcome >= SEMSET_GROW_SLOTS && outcome <= SEMSET_GROW_ROWS));
	if (!semset_growth(&set, outcome, &growth) || ++*n_growths > GROWTHS_MAX)
		return false;
	FUZZ_ASSERT(growth.n_ranges <= ARRAY_SIZE(growth.ranges));
	for (uint32_t i = 0; i < growth.n_ranges; i++)
		FUZZ_ASSERT(growth.ranges[i].offset <= set.layout.size &&
			    growth.ranges[i].size <= set.layout.size - growth.ranges[i].offset);
	semset_grown(&set, &growth);
	hooks_budget(ACCESSES_MAX);
	return true;
}

static uint32_t ops_next(struct fuzz_input *input, struct abi_sembuf *ops)
{
	uint32_t n_ops = fuzz_u8(input) % OPS_MAX + 1;

	for (uint32_t i = 0; i < n_ops; i++) {
		ops[i].sem_num = fuzz_u8(input) % (set.layout.n_sems + 1);
		ops[i].sem_op = (int16_t)(fuzz_u8(input) % 16 - 8);
		ops[i].sem_flg = (int16_t)((fuzz_u8(input) & 3) * 0x800); /* NOWAIT, UNDO */
	}
	return n_ops;
}

static void call_op(struct fuzz_input *input, const struct actor *actor, bool may_sleep)
{
	struct abi_sembuf ops[OPS_MAX];
	uint32_t n_ops = ops_next(input, ops);
	struct semset_sleeper sleeper = { 0 };
	uint32_t place = 0, n_growths = 0;
	struct wakes wakes = { 0 };
	int outcome;

	while (place < SLEEPERS && asleep[place])
		place++;
	may_sleep = may_sleep && place < SLEEPERS;
	do
		outcome = may_sleep
				  ? semset_op_or_wait(&set, actor, ops, n_ops, &wakes, &sleeper)
				  : semset_op(&set, actor, ops, n_ops, &wakes);
	while (grows(outcome, &n_growths));
	FUZZ_SAY("client %u: semop of %u, %s: outcome %d", (unsigned)actor->client, n_ops,
		 may_sleep ? "may sleep" : "does not sleep", outcome);
	check_wakes(&wakes);
	if (outcome != SEMSET_WAITING)
		return;
	FUZZ_ASSERT(may_sleep && sleeper.word_index < set.mcas.n_words);
	sleepers[place] = sleeper;
	asleep[place] = true;
}

static void call_in_stead(struct fuzz_input *input, const struct actor *actor, uint8_t code)
{
	const struct stead stead = { code % 4u + 1, !(code & 4), !(code & 8) };
	uint32_t what = code >> 4 & 7, first = 0, n = 1, n_growths = 0;
	struct abi_sembuf ops[OPS_MAX];
	struct wakes wakes = { 0 };
	int outcome;

	if (what == 6) {
		semset_stead_end(&set, actor, stead.number);
		FUZZ_SAY("client %u, call %u in its stead ends", (unsigned)actor->client, stead.number);
		return;
	}
	if (what < 4)
		n = ops_next(input, ops);
	else if (what == 4)
		first = fuzz_u8(input) % set.layout.n_sems;
	else
		n = set.layout.n_sems;
	for (uint32_t i = 0; what > 3 && i < n; i++)
		values[i] = fuzz_u8(input);
	do
		outcome = what < 4 ? semset_stead_op(&set, actor, &stead, ops, n, &wakes)
				   : semset_stead_assign(&set, actor, &stead, values, first, n, memory,
							 &wakes);
	while (grows(outcome, &n_growths));
	FUZZ_SAY("client %u, call %u in its stead, %s of %u: outcome %d", (unsigned)actor->client,
		 stead.number, what < 4 ? "semop" : what == 4 ? "SETVAL" : "SETALL", n, outcome);
	check_wakes(&wakes);
}

static void call_sleeper(struct fuzz_input *input, const struct actor *actor, bool leaves)
{
	uint32_t place = fuzz_u8(input) % SLEEPERS;
	int outcome;

	if (!asleep[place])
		return;
	outcome = leaves ? semset_cancel(&set, actor, &sleepers[place])
			 : semset_poll(&set, &sleepers[place]);
	FUZZ_SAY("sleeper %u %s: outcome %d", place, leaves ? "leaves" : "looks", outcome);
	FUZZ_ASSERT(outcome >= SEMSET_DONE && outcome <= SEMSET_E_CORRUPT);
	FUZZ_ASSERT(sleepers[place].word_index < set.mcas.n_words);
	asleep[place] = outcome == SEMSET_WAITING;
}

static void call_set(struct fuzz_input *input, const struct actor *actor, bool all)
{
	uint32_t sem_num = all ? 0 : fuzz_u8(input) % set.layout.n_sems;
	uint16_t value = fuzz_u16(input) & 0x7fff;
	struct wakes wakes = { 0 };
	uint32_t n_growths = 0;
	int outcome;

	for (uint32_t i = 0; i < ARRAY_SIZE(values); i++)
		values[i] = value;
	do
		outcome = all ? semset_set_all(&set, actor, values, memory, &wakes)
			      : semset_set_value(&set, actor, sem_num, value, &wakes);
	while (grows(outcome, &n_growths));
	FUZZ_SAY("%s %u: outcome %d", all ? "SETALL" : "SETVAL", value, outcome);
	check_wakes(&wakes);
}

static void call_reads(const struct actor *actor)
{
	uint32_t number, other, n = set.layout.n_sems;
	uint16_t all[SEMS_MAX + 1];
	struct semset_stat stat;

	if (n <= SEMS_MAX) {
		all[n] = 0xa5a5;
		(void)semset_get_all(&set, all); /* any outcome, here and below */
		FUZZ_ASSERT(all[n] == 0xa5a5);
	}
	for (uint32_t i = 0; i < n && i < SEMS_MAX; i += 1 + n / 8) {
		if (semset_get_value(&set, i, &number) == SEMSET_DONE)
			FUZZ_ASSERT(number <= 0x7fff);
		(void)semset_get_pid(&set, i, &number);
		if (semset_get_counts(&set, i, &number, &other) == SEMSET_DONE)
			FUZZ_ASSERT(number <= SLEEPER_MAX && other <= SLEEPER_MAX);
	}
	FUZZ_ASSERT(semset_get_value(&set, n, &number) == SEMSET_E_CORRUPT);
	FUZZ_ASSERT(semset_get_pid(&set, n, &number) == SEMSET_E_CORRUPT);
	FUZZ_ASSERT(semset_get_counts(&set, n, &number, &other) == SEMSET_E_CORRUPT);
	semset_get_stat(&set, &stat);
	(void)semset_is_removed(&set);
	(void)semset_holds(&set, actor->client);
	(void)semset_verify(&set);
	FUZZ_SAY("everything read");
}

static void call_others(struct fuzz_input *input, const struct actor *actor, uint8_t which)
{
	static const struct {
		const char *name;
		int (*call)(struct semset *set, const struct actor *actor, struct wakes *ret_wakes);
	} others[] = { { "settle", semset_settle },
		       { "exit", semset_apply_undo },
		       { "death", semset_recover },
		       { "removal", semset_remove },
		       { "exec", semset_execed } };
	uint8_t code = which == 13 ? fuzz_u8(input) : 0;
	struct wakes wakes = { 0 };
	uint32_t n_growths = 0;
	int outcome;

	if (code >= 0x80 && code < 0xf0) {
		call_in_stead(input, actor, code);
		return;
	}
	if (code == 0xfd) {
		semset_stead_recover(&set);
		FUZZ_SAY("a new daemon");
	}
	if (code != 0 && code != 0xfe)
		return;
	which = code == 0 ? which - 10 : 4;
	do
		outcome = others[which].call(&set, actor, &wakes);
	while (grows(outcome, &n_growths));
	FUZZ_SAY("%s of client %u: outcome %d", others[which].name, (unsigned)actor->client, outcome);
	check_wakes(&wakes);
}

static void overwrite(struct fuzz_input *input)
{
	const uint64_t starts[] = { 0,
				    set.layout.sems_off,
				    set.layout.slots_off,
				    set.layout.words_off,
				    set.layout.records_off,
				    set.layout.owners_off,
				    set.layout.rows_off,
				    set.layout.large_off };
	uint64_t off = starts[fuzz_u8(input) % ARRAY_SIZE(starts)] + 8u * (fuzz_u16(input) % 1024u);
	struct shared64 *word = (struct shared64 *)(void *)(file + off);
	uint64_t value;

	if (off >= set.layout.size)
		return;
	value = hooks_value(input, shared64_load(word));
	shared64_store(word, value);
	FUZZ_SAY("word %u becomes %016llx", (unsigned)(off / 8), (unsigned long long)value);
}

/* As a process that maps the file then. */
static void bind_again(void)
{
	struct semset other;

	FUZZ_ASSERT(semset_bind(&other, file + 8, set.layout.size) == SEMSET_E_CORRUPT);
	FUZZ_ASSERT(semset_bind(&other, file, 64) == SEMSET_E_CORRUPT);
	(void)semset_bind(&other, file, set.layout.size - 1); /* it may be a smaller one by now */
	if (semset_bind(&other, file, set.layout.size) != SEMSET_DONE)
		return;
	FUZZ_ASSERT(other.layout.size <= set.layout.size);
	FUZZ_SAY("mapped anew: %u semaphores", other.layout.n_sems);
	(void)semset_bind(&set, file, set.layout.size); /* or keeps what it had */
}

static void call(struct fuzz_input *input)
{
	uint8_t code = fuzz_u8(input), which = code % 16;
	const struct actor actor = { .client = 1 + code / 16 % 4,
				     .pid = 10 + code / 16 % 4,
				     .hint = code / 16,
				     .now_s = (int64_t)input->at };

	hooks_budget(ACCESSES_MAX);
	if (which == 14) {
		overwrite(input);
		return;
	}
	hooks_lie(true);
	if (which < 5)
		call_op(input, &actor, which >= 3);
	else if (which < 7)
		call_sleeper(input, &actor, which == 6);
	else if (which < 9)
		call_set(input, &actor, which == 8);
	else if (which == 9)
		call_reads(&actor);
	else if (which == 15)
		bind_again();
	else
		call_others(input, &actor, which);
	hooks_lie(false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { .bytes = data, .size = size };
	struct fuzz_input lies = fuzz_split(&input, fuzz_u8(&input));
	uint8_t n = fuzz_u8(&input);
	struct semset_layout layout;

	hooks_reset();
	FUZZ_ASSERT(semset_layout(n == 255   ? SEMS_MAX
				  : n == 254 ? SEMS_WIDE
					     : n % 6 + 1u,
				  &layout) == SEMSET_DONE);
	FUZZ_ASSERT(layout.size <= FILE_SIZE);
	memset(file, 0, layout.size);
	memset(asleep, 0, sizeof(asleep));
	semset_format(file, &layout, 1);
	FUZZ_ASSERT(semset_bind(&set, file, layout.size) == SEMSET_DONE);
	FUZZ_ASSERT(semset_set_all_size(&set) <= sizeof(memory));
	hooks_region(file, layout.size);
	hooks_lies(&lies);
	for (uint32_t i = 0; i < CALLS_MAX && !fuzz_done(&input); i++)
		call(&input);
	return 0;
}

/*
 * prove-mcas.c: mcas over memory of any content, whose loads return anything, each time.
 *
 * Two small descriptors of two words, a large one of three, two resident ones, two rounds; every index
 * below 2^32.  With SLOTS it is mcas-slot.c that is proved, else mcas.c and mcas-own.h; functions that are
 * proved apart are elsewhere what is proved of them.
 */
#include "memory.h"
#include "tiny.h"

#ifdef SLOTS
#include "core/mcas-slot.c"
#else
/* What a commit calls is proved by itself, under this name, and stands for itself in the commit. */
#include "core/mcas-own.h"
#define mcas_look look_proved
#define mcas_word_freeze freeze_proved
#define mcas_slot_clear clear_proved
#include "core/mcas.c"
#undef mcas_look
#undef mcas_word_freeze
#undef mcas_slot_clear
#endif

#define SLOTS_OFF 64u
#define RESIDENT_MAX 2u

/* Sizes as mcas-slot.c has them; not a byte more than there has to be. */
static void begin(struct mcas *mcas, struct actor *actor)
{
	size_t large = SLOTS_OFF + MCAS_SMALL_SLOTS * SLOT_SIZE(MCAS_SMALL_MAX);
	size_t resident = large + MCAS_LARGE_SLOTS * SLOT_SIZE(MCAS_LARGE_MAX);

	file_size = resident + RESIDENT_MAX * SLOT_SIZE(MCAS_SMALL_MAX);
	*mcas = (struct mcas){
		.words = (struct shared64 *)(void *)file,
		.n_words = (uint32_t)(file_size / 8),
		.slots = file + SLOTS_OFF,
		.large_max = MCAS_LARGE_MAX,
		.resident = file + resident,
		.n_resident = RESIDENT_MAX,
	};
	if (nondet_bool())
		mcas->large = file + large;
	*actor = (struct actor){ .client = nondet_u64(), .hint = nondet_u32() };
	ASSUME(actor->client != 0 && actor->client < UINT64_C(1) << 48);
	if (nondet_bool())
		actor->slot = RESIDENT_FIRST;
}

static void outcome_check(int outcome, uint64_t word)
{
	PROVE(outcome == MCAS_DONE || outcome == MCAS_E_CORRUPT);
	PROVE(outcome != MCAS_DONE || !mcas_is_mark(word));
}

/* --- what is proved of a function, in its place --------------------------------------------------- */

void mcas_slot_clear(struct mcas *mcas, uint32_t number, uint64_t sequence)
{
	(void)sequence;
	PROVE(slot_exists(mcas, number));
}

#ifdef SLOTS

int mcas_word_settled(struct mcas *mcas, uint32_t index, uint64_t *ret_word)
{
	PROVE(index < mcas->n_words);
	*ret_word = nondet_u64() & ~UINT64_C(1);
	return nondet_bool() ? 0 : MCAS_E_CORRUPT;
}

/* --- mcas-slot.c ---------------------------------------------------------------------------------- */

void slots_take(void)
{
	struct mcas mcas;
	struct actor actor;
	struct slot_hold hold = { 0 };
	uint32_t n_changes = nondet_u32();
	int outcome;

	begin(&mcas, &actor);
	ASSUME(n_changes <= (mcas.large ? MCAS_LARGE_MAX : MCAS_SMALL_MAX));
	outcome = mcas_slot_take(&mcas, &actor, n_changes, &hold);
	PROVE(outcome == MCAS_DONE || outcome == MCAS_E_BUSY || outcome == MCAS_E_CORRUPT);
	if (outcome != MCAS_DONE)
		return;
	PROVE(slot_exists(&mcas, hold.number) && hold.slot == slot_at(&mcas, hold.number));
	PROVE(n_changes <= slot_capacity(&mcas, hold.number));
	mcas_slot_release(&hold, nondet_u64());
}

void slots_recover(void)
{
	struct mcas mcas;
	struct actor actor;

	begin(&mcas, &actor);
	mcas_recover(&mcas, nondet_u64());
}

void slots_resident(void)
{
	struct mcas mcas;
	struct actor actor;
	uint32_t slot;

	begin(&mcas, &actor);
	slot = mcas_resident_bind(&mcas, &actor);
	PROVE(slot == MCAS_SLOT_NONE || slot == RESIDENT_FIRST);
	if (slot != MCAS_SLOT_NONE)
		mcas_resident_release(&mcas, actor.client, slot);
	(void)mcas_verify(&mcas);
}

#else

int mcas_slot_take(struct mcas *mcas, const struct actor *actor, uint32_t n_changes,
		   struct slot_hold *ret_hold)
{
	uint32_t number = nondet_u32();

	PROVE(n_changes <= (mcas->large ? mcas->large_max : MCAS_SMALL_MAX));
	ASSUME(slot_exists(mcas, number) && n_changes <= slot_capacity(mcas, number));
	if (nondet_bool())
		return nondet_bool() ? MCAS_E_BUSY : MCAS_E_CORRUPT;
	*ret_hold = (struct slot_hold){ slot_at(mcas, number), number, actor->client, nondet_u64() };
	return MCAS_DONE;
}

void mcas_slot_release(const struct slot_hold *hold, uint64_t status)
{
	(void)status;
	(void)shared64_load(&hold->slot->status);
}

int mcas_look(struct mcas *mcas, uint32_t index, uint64_t *ret_found, uint64_t *ret_word)
{
	PROVE(index < mcas->n_words);
	*ret_found = nondet_u64();
	*ret_word = nondet_u64() & ~UINT64_C(1);
	return nondet_bool() ? MCAS_DONE : MCAS_E_CORRUPT;
}

int mcas_word_freeze(struct mcas *mcas, const struct mcas_change *change, uint64_t mark)
{
	(void)mark;
	PROVE(change->index < mcas->n_words);
	return nondet_bool() ? MCAS_DONE : nondet_bool() ? MCAS_CHANGED : MCAS_E_CORRUPT;
}

/* --- mcas.c --------------------------------------------------------------------------------------- */

void mcas_init_any(void)
{
	struct mcas mcas;
	uint64_t size = nondet_u64(), off = nondet_u64();
	uint64_t large_off = nondet_u64(), resident_off = nondet_u64();

	file_size = FILE_MAX;
	ASSUME(size <= FILE_MAX);
	ASSUME(off % 64 == 0 && off <= size && size - off >= mcas_slots_size());
	mcas_init(&mcas, file, size, off);
	PROVE(mcas.n_words <= size / 8);
	ASSUME(large_off % 64 == 0 && large_off <= size && size - large_off >= mcas_large_size(3));
	if (size % 8 == 0)
		mcas_init_large(&mcas, large_off, 3);
	PROVE(!slot_exists(&mcas, RESIDENT_FIRST));
}

void mcas_read_any(void)
{
	struct mcas mcas;
	struct actor actor;
	uint64_t word = 1;
	int outcome;

	begin(&mcas, &actor);
	outcome = mcas_read(&mcas, nondet_u32(), &word);
	outcome_check(outcome, word);
}

void mcas_look_any(void)
{
	struct mcas mcas;
	struct actor actor;
	uint64_t word = 1, found;
	int outcome;

	begin(&mcas, &actor);
	outcome = look_proved(&mcas, nondet_u32(), &found, &word);
	outcome_check(outcome, word);
}

void mcas_settled_any(void)
{
	struct mcas mcas;
	struct actor actor;
	uint64_t word = 1;
	uint32_t index = nondet_u32();
	int outcome;

	begin(&mcas, &actor);
	ASSUME(index < mcas.n_words);
	outcome = mcas_word_settled(&mcas, index, &word);
	outcome_check(outcome, word);
}

void mcas_change_any(void)
{
	struct mcas mcas;
	struct actor actor;
	int outcome;

	begin(&mcas, &actor);
	outcome = mcas_change_one(&mcas, nondet_u32(), nondet_u64(), nondet_u64());
	PROVE(outcome == MCAS_DONE || outcome == MCAS_CHANGED || outcome == MCAS_E_CORRUPT);
}

void mcas_freeze_any(void)
{
	struct mcas_change change = { nondet_u32(), nondet_bool(), nondet_u64(), nondet_u64() };
	struct mcas mcas;
	struct actor actor;
	int outcome;

	begin(&mcas, &actor);
	ASSUME(change.index < mcas.n_words);
	outcome = freeze_proved(&mcas, &change, nondet_u64());
	PROVE(outcome == MCAS_DONE || outcome == MCAS_CHANGED || outcome == MCAS_E_CORRUPT);
}

void mcas_clear_any(void)
{
	struct mcas mcas;
	struct actor actor;
	uint32_t number = nondet_u32();

	begin(&mcas, &actor);
	ASSUME(slot_exists(&mcas, number));
	clear_proved(&mcas, number, nondet_u64());
}

/* n words, of any index and value; semset and msgq give mcas_next() of the old value. */
static void changes_any(struct mcas_op *op, uint32_t n)
{
	uint32_t i;

	ASSUME(op->n_changes >= 1 && op->n_changes <= n);
	for (i = 0; i < n; i++) {
		op->changes[i] = (struct mcas_change){ nondet_u32(), nondet_bool(), nondet_u64(), 0 };
		op->changes[i].new = mcas_next(op->changes[i].old, nondet_u32());
	}
}

void mcas_commit_any(void)
{
	struct mcas_change changes[MCAS_LARGE_MAX];
	struct mcas_op op = { changes, nondet_u32(), MCAS_LARGE_MAX };
	struct mcas mcas;
	struct actor actor;
	int outcome;

	begin(&mcas, &actor);
	changes_any(&op, MCAS_LARGE_MAX);
	ASSUME(op.n_changes <= MCAS_SMALL_MAX || mcas.large);
	outcome = mcas_commit(&mcas, &actor, &op);
	PROVE(outcome >= MCAS_DONE && outcome <= MCAS_E_CORRUPT);
}

/* The way of semset_few(): its indexes are inside the file. */
void mcas_own_any(void)
{
	struct mcas_change changes[MCAS_SMALL_MAX];
	struct mcas_op op = { changes, nondet_u32(), MCAS_SMALL_MAX };
	uint64_t found[MCAS_SMALL_MAX], word;
	uint32_t index = nondet_u32(), i;
	struct mcas_own own;
	struct mcas mcas;
	struct actor actor;
	int outcome;

	begin(&mcas, &actor);
	actor.slot = RESIDENT_FIRST;
	changes_any(&op, MCAS_SMALL_MAX);
	for (i = 0; i < MCAS_SMALL_MAX; i++)
		ASSUME(changes[i].index < mcas.n_words);
	ASSUME(index < mcas.n_words);
	mcas_own_begin(&mcas, &actor, &own);
	PROVE(own.hold.number - RESIDENT_FIRST < RESIDENT_MAX);
	if (mcas_own_look(&mcas, &own, index, &found[0], &word) != MCAS_DONE)
		return;
	outcome = mcas_own_commit(&mcas, &own, &op, nondet_bool() ? found : NULL);
	PROVE(outcome >= MCAS_DONE && outcome <= MCAS_E_CORRUPT);
}

#endif

/*
 * prove-mcas.c: mcas over memory of any content, whose loads return anything, each time.
 *
 * Two small descriptors of two words and one large one of three, eight words, two rounds: what
 * fuzz/prove/list sets.  Every access in the mapping, for every index; any outcome.
 */
#include "prove.h"
#include "tiny.h"

#include "core/mcas-slot.c"
#include "core/mcas.c"

#define WORDS_SIZE 64u
#define FILE_SIZE 512u

static _Alignas(64) uint8_t file[FILE_SIZE];

void assert_fail(const char *expression, const char *file_name, int line)
{
	(void)expression;
	(void)file_name;
	(void)line;
	PROVE(false);
	ASSUME(false);
}

void hook_access(enum hook_kind kind, const volatile void *address)
{
	if (kind != HOOK_PAUSE)
		PROVE((const volatile uint8_t *)address >= file &&
		      (const volatile uint8_t *)address + 8 <= file + FILE_SIZE);
}

uint64_t hook_value(const volatile void *address, uint64_t value)
{
	(void)address;
	(void)value;
	return nondet_u64();
}

static void begin(struct mcas *mcas)
{
	PROVE(WORDS_SIZE + mcas_slots_size() + mcas_large_size(MCAS_LARGE_MAX) <= FILE_SIZE);
	__CPROVER_havoc_object(file);
	mcas_init(mcas, file, FILE_SIZE, WORDS_SIZE);
	mcas_init_large(mcas, WORDS_SIZE + mcas_slots_size(), MCAS_LARGE_MAX);
}

void mcas_read_any(void)
{
	struct mcas mcas;
	uint64_t word = 1;
	int outcome;

	begin(&mcas);
	outcome = mcas_read(&mcas, nondet_u32(), &word);
	PROVE(outcome == MCAS_DONE || outcome == MCAS_E_CORRUPT);
	PROVE(outcome != MCAS_DONE || !mcas_is_mark(word));
}

void mcas_change_any(void)
{
	struct mcas mcas;
	int outcome;

	begin(&mcas);
	outcome = mcas_change_one(&mcas, nondet_u32(), nondet_u64(), nondet_u64());
	PROVE(outcome == MCAS_DONE || outcome == MCAS_CHANGED || outcome == MCAS_E_CORRUPT);
}

void mcas_commit_any(void)
{
	struct mcas mcas;
	struct mcas_change changes[2];
	struct mcas_op op = { .changes = changes, .n_changes = 1 + (nondet_u32() & 1), .n_changes_max = 2 };
	struct actor actor = { .client = nondet_u64(), .hint = nondet_u32() };
	int outcome;

	begin(&mcas);
	ASSUME(actor.client != 0 && actor.client < UINT64_C(1) << 48);
	outcome = mcas_commit(&mcas, &actor, &op);
	PROVE(outcome >= MCAS_DONE && outcome <= MCAS_E_CORRUPT);
}

void mcas_recover_any(void)
{
	struct mcas mcas;

	begin(&mcas);
	mcas_recover(&mcas, nondet_u64());
	(void)mcas_verify(&mcas);
}

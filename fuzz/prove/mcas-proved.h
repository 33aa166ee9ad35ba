/*
 * mcas-proved.h: mcas as the proofs of what stands on it take it: any outcome, any value that is no
 * mark, as proved of it in prove-mcas.c.  What it asks of its callers is shown of them here.
 */
#ifndef FUZZ_PROVE_MCAS_PROVED_H
#define FUZZ_PROVE_MCAS_PROVED_H

#include "core/mcas-internal.h"

static int proved_outcome(int last)
{
	int outcome = (int)nondet_u8();

	ASSUME(outcome <= last || outcome == MCAS_E_CORRUPT);
	return outcome;
}

static uint64_t proved_word(void)
{
	return nondet_u64() & ~UINT64_C(1);
}

uint64_t mcas_slots_size(void)
{
	return MCAS_SMALL_SLOTS * SLOT_SIZE(MCAS_SMALL_MAX);
}

uint64_t mcas_large_size(uint32_t n_words_max)
{
	return MCAS_LARGE_SLOTS * SLOT_SIZE(n_words_max);
}

uint64_t mcas_resident_size(uint32_t n)
{
	return n * SLOT_SIZE(MCAS_SMALL_MAX);
}

void mcas_init(struct mcas *mcas, void *base, uint64_t size, uint64_t slots_off)
{
	PROVE(base == file && size <= file_size);
	PROVE(slots_off % 64 == 0 && slots_off <= size && size - slots_off >= mcas_slots_size());
	*mcas = (struct mcas){ .words = base, .n_words = (uint32_t)(size / 8),
			       .slots = (uint8_t *)base + slots_off };
}

void mcas_init_large(struct mcas *mcas, uint64_t large_off, uint32_t n_words_max)
{
	uint64_t size = mcas->n_words * UINT64_C(8);

	PROVE(n_words_max > MCAS_SMALL_MAX && n_words_max <= MCAS_WORDS_MAX);
	PROVE(large_off % 64 == 0 && large_off <= size &&
	      size - large_off >= mcas_large_size(n_words_max));
	mcas->large = file + large_off;
	mcas->large_max = n_words_max;
}

void mcas_init_resident(struct mcas *mcas, uint64_t resident_off, uint32_t n)
{
	uint64_t size = mcas->n_words * UINT64_C(8);

	PROVE(n % 2 == 0 && n <= MCAS_RESIDENT_MAX);
	PROVE(resident_off % 64 == 0 && resident_off <= size &&
	      size - resident_off >= mcas_resident_size(n));
	mcas->resident = file + resident_off;
	mcas->n_resident = n;
}

int mcas_read(struct mcas *mcas, uint32_t index, uint64_t *ret_word)
{
	if (index >= mcas->n_words || nondet_bool())
		return MCAS_E_CORRUPT;
	*ret_word = proved_word();
	return MCAS_DONE;
}

int mcas_look(struct mcas *mcas, uint32_t index, uint64_t *ret_found, uint64_t *ret_word)
{
	*ret_found = nondet_u64();
	return mcas_read(mcas, index, ret_word);
}

int mcas_word_settled(struct mcas *mcas, uint32_t index, uint64_t *ret_word)
{
	PROVE(index < mcas->n_words);
	return mcas_read(mcas, index, ret_word);
}

int mcas_change_one(struct mcas *mcas, uint32_t index, uint64_t old, uint64_t new)
{
	PROVE(!mcas_is_mark(old) && (uint32_t)new == (uint32_t)mcas_next(old, 0));
	return index < mcas->n_words ? proved_outcome(MCAS_CHANGED) : MCAS_E_CORRUPT;
}

int mcas_commit(struct mcas *mcas, const struct actor *actor, const struct mcas_op *op)
{
	uint32_t i, n_guarded = 0;

	PROVE(actor->slot == MCAS_SLOT_NONE || slot_exists(mcas, actor->slot + 1));
	PROVE(op->n_changes > 0);
	PROVE(op->n_changes <= u32_max(mcas->large_max, MCAS_SMALL_MAX));
	for (i = 0; i < op->n_changes; i++) {
		PROVE((uint32_t)op->changes[i].new == (uint32_t)mcas_next(op->changes[i].old, 0));
		n_guarded += !op->changes[i].is_dependent;
	}
	PROVE(n_guarded > 0);
	return proved_outcome(MCAS_E_BUSY);
}

int mcas_word_freeze(struct mcas *mcas, const struct mcas_change *change, uint64_t mark)
{
	(void)mark;
	PROVE(change->index < mcas->n_words);
	return proved_outcome(MCAS_CHANGED);
}

void mcas_slot_clear(struct mcas *mcas, uint32_t number, uint64_t sequence)
{
	(void)sequence;
	PROVE(slot_exists(mcas, number));
}

uint32_t mcas_resident_bind(struct mcas *mcas, const struct actor *actor)
{
	(void)actor;
	return mcas->n_resident >= 2 && nondet_bool() ? RESIDENT_FIRST : MCAS_SLOT_NONE;
}

void mcas_recover(struct mcas *mcas, uint64_t client)
{
	(void)mcas;
	(void)client;
}

bool mcas_verify(const struct mcas *mcas)
{
	(void)mcas;
	return nondet_bool();
}

#endif

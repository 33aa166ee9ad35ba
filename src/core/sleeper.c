/*
 * sleeper.c: the table of those who sleep in an object's file.
 *
 * Invariants on a quiet file:
 *  1. An index whose owner is 0 has state FREE.
 *  2. No index at or above the high-water mark has an owner.
 *
 * The high-water mark is raised after the claim and before the state word can become WAITING, and
 * never lowered, so whoever scans up to it after a commit sees every sleeper of an earlier commit.
 */
#include "core/sleeper.h"

struct sleeper_record *sleeper_record(const struct sleepers *sleepers, uint32_t index)
{
	ASSERT(index < sleepers->n_max);
	return (struct sleeper_record *)(void *)(sleepers->records +
						 (uint64_t)index * sleepers->record_size);
}

uint32_t sleeper_scan_end(const struct sleepers *sleepers)
{
	uint64_t high_water = shared64_load(sleepers->high_water);

	return high_water < sleepers->n_max ? (uint32_t)high_water : sleepers->n_max;
}

static void high_water_raise(struct sleepers *sleepers, uint32_t end)
{
	uint64_t seen;
	uint32_t rounds;

	for (rounds = 0; rounds < MCAS_ROUNDS_MAX; rounds++) {
		seen = shared64_load(sleepers->high_water);
		if (seen >= end || shared64_cas(sleepers->high_water, seen, end))
			return;
	}
}

int sleeper_claim(struct sleepers *sleepers, const struct actor *actor, uint32_t limit,
		  uint32_t *ret_index)
{
	struct sleeper_record *record;
	uint64_t word;
	uint32_t index, end = u32_min(limit, sleepers->n_max);

	for (index = 0; index < end; index++) {
		if (mcas_read(sleepers->mcas, sleeper_word(sleepers, index), &word))
			return SLEEPER_E_FULL; /* the file lies: no place in it is a good one */
		if (sleeper_state(word) != SLEEPER_FREE)
			continue;
		record = sleeper_record(sleepers, index);
		if (shared64_load(&record->owner) != 0 ||
		    !shared64_cas(&record->owner, 0, actor->client))
			continue;
		shared64_store(&record->ticket, shared64_add(sleepers->clock, 1));
		shared32_store(&record->pid, actor->pid);
		high_water_raise(sleepers, index + 1);
		*ret_index = index;
		return 0;
	}
	return SLEEPER_E_FULL;
}

void sleeper_release(struct sleepers *sleepers, uint32_t index)
{
	struct sleeper_record *record = sleeper_record(sleepers, index);
	uint32_t word_index = sleeper_word(sleepers, index);
	uint64_t word, next;
	uint32_t rounds;

	for (rounds = 0; rounds < MCAS_ROUNDS_MAX; rounds++) {
		if (mcas_read(sleepers->mcas, word_index, &word))
			break;
		next = mcas_next(word, sleeper_payload(SLEEPER_FREE, 0));
		if (sleeper_state(word) == SLEEPER_FREE ||
		    mcas_change_one(sleepers->mcas, word_index, word, next) == MCAS_DONE)
			break;
	}
	shared64_store(&record->owner, 0);
}

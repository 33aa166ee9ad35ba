/*
 * msgq-recover.c: what a dead client leaves behind, and the unit's invariants.
 *
 * Recovery walks the words that can own a chain (msgq.c, 6) and the claims on them.  Each step is a
 * commit that leaves one thing less to do, so it may be killed and begun again anywhere.
 */
#include "core/msgq-internal.h"

/* --- recovery ------------------------------------------------------------------------------------ */

/* Frees what the client's calls held: a text not yet sent, or one that was being received. */
static int entries_recover(struct msgq_call *call, uint64_t client)
{
	uint32_t i;
	int outcome = MSGQ_DONE;

	for (i = 0; i < MSGQ_ENTRIES && outcome == MSGQ_DONE; i++) {
		if (shared64_load(&call->header->entries[i].owner) != client)
			continue;
		call->entry = i;
		outcome = msgq_entry_give(call);
		if (outcome == MSGQ_E_CORRUPT)
			outcome = MSGQ_DONE; /* of this chain; the rest is none the worse */
		msgq_entry_release(call);
	}
	return outcome;
}

/* A message that was handed to the client and not taken: to others, or to its place in the queue. */
static int handed_recover(struct msgq_call *call, uint32_t index, uint64_t state)
{
	struct msgq_offer offer = {
		.block = sleeper_argument(state) - RESULT_BASE,
		.source = sleeper_word(&call->queue->sleepers, index),
		.source_old = state,
		.source_payload = sleeper_payload(SLEEPER_FREE, 0),
		.back = true,
	};
	const struct shared64 *words;
	uint64_t length;
	int outcome = msgq_check_block(call, offer.block);

	if (outcome)
		return outcome;
	words = msgq_block_at(call->queue, offer.block);
	length = shared64_load(&words[MSGQ_BLOCK_LENGTH]);
	offer.type = (int64_t)shared64_load(&words[MSGQ_BLOCK_TYPE]);
	offer.size = (uint32_t)length;
	offer.arrival = (uint32_t)(length >> 32);
	if (offer.type < 1 || offer.size > MSG_TEXT_MAX)
		return MSGQ_E_CORRUPT;
	do {
		outcome = msgq_step(call) ? msgq_publish(call, &offer) : MSGQ_E_BUSY;
	} while (outcome == MSGQ_AGAIN);
	return outcome == MSGQ_E_REMOVED ? msgq_chain_give(call, &offer) : outcome;
}

/* Takes a sleeper out, so that nothing more is handed to it. */
static int sleeper_stop(struct msgq_call *call, uint32_t index)
{
	uint32_t state_word = sleeper_word(&call->queue->sleepers, index);
	uint64_t state;
	int outcome;

	while (msgq_step(call)) {
		if (!msgq_read(call, state_word, &state))
			return MSGQ_E_CORRUPT;
		if (sleeper_state(state) != SLEEPER_WAITING)
			return MSGQ_DONE;
		outcome = mcas_change_one(&call->queue->mcas, state_word, state,
					  mcas_next(state, sleeper_payload(SLEEPER_FREE, 0)));
		if (outcome != MCAS_CHANGED)
			return outcome == MCAS_DONE ? MSGQ_DONE : MSGQ_E_CORRUPT;
	}
	return MSGQ_E_BUSY;
}

/* What a stopped sleeper was handed joins picks, oldest message first; the others are let go. */
static int sleeper_sort(struct msgq_call *call, uint32_t index, struct msgq_picks *picks)
{
	uint64_t state, tail, arrival;
	uint32_t block;

	if (!msgq_read(call, WORD_TAIL, &tail) ||
	    !msgq_read(call, sleeper_word(&call->queue->sleepers, index), &state))
		return MSGQ_E_CORRUPT;
	block = sleeper_argument(state) - RESULT_BASE;
	if (sleeper_state(state) != SLEEPER_DONE || sleeper_argument(state) < RESULT_BASE ||
	    block >= call->queue->layout.n_blocks) {
		sleeper_release(&call->queue->sleepers, index);
		return MSGQ_DONE;
	}
	/* All came before tail as it is now: the farther, the smaller this is. */
	arrival = shared64_load(&msgq_block_at(call->queue, block)[MSGQ_BLOCK_LENGTH]) >> 32;
	arrival = ((uint32_t)arrival - msgq_arrival(tail)) & 0x7fffffffu;
	msgq_picks_insert(picks, index, state, arrival);
	return MSGQ_DONE;
}

/* Whether record i is the client's.  Records beyond the high-water mark may be claimed already. */
static bool sleeper_is_of(const struct msgq *queue, uint32_t index, uint64_t client)
{
	return shared64_load(&msgq_record_at(queue, index)->base.owner) == client;
}

static int sleepers_stop(struct msgq_call *call, uint64_t client, struct msgq_picks *ret_picks)
{
	uint32_t index, end = msgq_backed_sleepers(call->queue);
	int outcome = MSGQ_DONE;

	*ret_picks = (struct msgq_picks){ .max = WAKES_MAX };
	for (index = 0; index < end && outcome != MSGQ_E_BUSY; index++) {
		if (sleeper_is_of(call->queue, index, client))
			outcome = sleeper_stop(call, index);
	}
	for (index = 0; index < end && outcome != MSGQ_E_BUSY; index++) {
		if (sleeper_is_of(call->queue, index, client))
			outcome = sleeper_sort(call, index, ret_picks);
	}
	return outcome == MSGQ_E_BUSY ? outcome : MSGQ_DONE;
}

static int sleepers_recover(struct msgq_call *call, uint64_t client)
{
	struct msgq_picks picks;
	uint32_t i;
	int outcome;

	do {
		outcome = sleepers_stop(call, client, &picks);
		for (i = 0; i < picks.n && outcome == MSGQ_DONE; i++) {
			outcome = handed_recover(call, picks.list[i].index, picks.list[i].word);
			if (outcome == MSGQ_E_CORRUPT || outcome == MSGQ_GONE)
				outcome = MSGQ_DONE; /* no message, or no longer this sleeper's */
			if (outcome == MSGQ_DONE)
				sleeper_release(&call->queue->sleepers, picks.list[i].index);
		}
	} while (outcome == MSGQ_DONE && picks.n_matching > picks.n);
	return outcome;
}

int msgq_recover(struct msgq *queue, const struct actor *actor, struct wakes *ret_wakes)
{
	struct msgq_call call;
	int outcome = msgq_begin(&call, queue, actor, ret_wakes);

	if (outcome)
		return outcome;
	mcas_recover(&queue->mcas, actor->client);
	outcome = entries_recover(&call, actor->client);
	if (outcome == MSGQ_DONE)
		outcome = sleepers_recover(&call, actor->client);
	if (outcome)
		return outcome;
	/* It may have died between making room and waking those who wait for it. */
	msgq_wake_senders(&call);
	msgq_wake_receivers(&call);
	return MSGQ_DONE;
}

bool msgq_holds(const struct msgq *queue, uint64_t client)
{
	const struct msgq_header *header = msgq_header(queue);
	uint32_t i, end = msgq_backed_sleepers(queue);

	for (i = 0; i < MSGQ_ENTRIES; i++) {
		if (shared64_load(&header->entries[i].owner) == client)
			return true;
	}
	for (i = 0; i < end; i++) {
		if (shared64_load(&msgq_record_at(queue, i)->base.owner) == client)
			return true;
	}
	return false;
}

/* --- invariants ---------------------------------------------------------------------------------- */

/* A set of block numbers as its size and sums: enough to tell whether each was met just once. */
struct tally {
	uint64_t n;
	uint64_t sum;
	uint64_t mixed;
};

static void tally_add(struct tally *tally, uint32_t block)
{
	uint64_t mixed = (block + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);

	tally->n++;
	tally->sum += block;
	tally->mixed += (mixed ^ mixed >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
}

/* Follows links from first until `end` payload or, in the free list, the blocks never used. */
static bool chain_tally(struct msgq_call *call, uint32_t first, uint64_t n, struct tally *tally)
{
	uint32_t block = first;
	uint64_t link, i;

	for (i = 0; i < n; i++) {
		if (msgq_check_block(call, block) ||
		    !msgq_read(call, msgq_block_word(call->queue, block, MSGQ_BLOCK_LINK), &link))
			return false;
		tally_add(tally, block);
		if (mcas_payload(link) == LINK_END)
			return i + 1 == n;
		block = mcas_payload(link) == LINK_IMPLICIT ? block + 1
							    : mcas_payload(link) - LINK_BASE;
	}
	return false;
}

static bool free_tally(struct msgq_call *call, struct tally *tally)
{
	uint32_t backed = msgq_backed_blocks(call->queue), block;
	uint32_t n_blocks = call->queue->layout.n_blocks;
	uint64_t word, i;

	if (!msgq_read(call, WORD_FREE, &word))
		return false;
	block = mcas_payload(word);
	for (i = 0; i <= n_blocks && block < backed; i++) {
		if (!msgq_read(call, msgq_block_word(call->queue, block, MSGQ_BLOCK_LINK), &word) ||
		    mcas_payload(word) == LINK_END)
			return false;
		tally_add(tally, block);
		block = mcas_payload(word) == LINK_IMPLICIT ? block + 1
							    : mcas_payload(word) - LINK_BASE;
	}
	if (block < backed || block > n_blocks)
		return false;
	for (; block < n_blocks; block++)
		tally_add(tally, block);
	return true;
}

static bool queue_tally(struct msgq_call *call, struct tally *tally)
{
	uint32_t block = MSGQ_NONE, payload, size;
	uint64_t word, bytes, tail, count, n, cbytes = 0;

	if (!msgq_read(call, WORD_HEAD, &word) || !msgq_read(call, WORD_BYTES, &bytes) ||
	    !msgq_read(call, WORD_TAIL, &tail) || !msgq_read(call, WORD_COUNT, &count))
		return false;
	for (n = 0; mcas_payload(word) != NEXT_END; n++) {
		payload = mcas_payload(word);
		if (n >= mcas_payload(count) || payload == NEXT_OUTSIDE ||
		    msgq_check_block(call, payload - NEXT_BASE))
			return false;
		block = payload - NEXT_BASE;
		size = (uint32_t)shared64_load(&msgq_block_at(call->queue, block)[MSGQ_BLOCK_LENGTH]);
		cbytes += size;
		if (!chain_tally(call, block, msgq_blocks_for(size), tally) ||
		    !msgq_read(call, msgq_block_word(call->queue, block, MSGQ_BLOCK_NEXT), &word))
			return false;
	}
	return n == mcas_payload(count) && cbytes == mcas_payload(bytes) >> 1 &&
	       (block == MSGQ_NONE ? 0 : block + 1) == mcas_payload(tail) >> 1;
}

/* Messages handed to sleepers that have not looked yet: the one thing a sleep may leave. */
static bool handed_tally(struct msgq_call *call, struct tally *tally)
{
	uint32_t index, end = msgq_backed_sleepers(call->queue), block;
	uint64_t state, size;

	for (index = 0; index < end; index++) {
		if (!msgq_read(call, sleeper_word(&call->queue->sleepers, index), &state))
			return false;
		if (sleeper_state(state) == SLEEPER_FREE)
			continue;
		if (shared64_load(&msgq_record_at(call->queue, index)->base.owner) == 0)
			return false;
		if (sleeper_state(state) != SLEEPER_DONE || sleeper_argument(state) < RESULT_BASE)
			continue;
		block = sleeper_argument(state) - RESULT_BASE;
		if (msgq_check_block(call, block))
			return false;
		size = (uint32_t)shared64_load(&msgq_block_at(call->queue, block)[MSGQ_BLOCK_LENGTH]);
		if (!chain_tally(call, block, msgq_blocks_for(size), tally))
			return false;
	}
	return true;
}

bool msgq_verify(struct msgq *queue)
{
	struct tally tally = { 0 }, all = { 0 };
	struct msgq_call call;
	uint32_t i, block;

	if (msgq_begin(&call, queue, NULL, NULL) || !mcas_verify(&queue->mcas))
		return false;
	for (i = 0; i < MSGQ_ENTRIES; i++) {
		uint64_t held;

		if (shared64_load(&call.header->entries[i].owner) != 0 ||
		    !msgq_read(&call, msgq_entry_word(i), &held) || mcas_payload(held) != 0)
			return false;
	}
	if (!queue_tally(&call, &tally) || !handed_tally(&call, &tally) || !free_tally(&call, &tally))
		return false;
	for (block = 0; block < queue->layout.n_blocks; block++)
		tally_add(&all, block);
	return tally.n == all.n && tally.sum == all.sum && tally.mixed == all.mixed;
}

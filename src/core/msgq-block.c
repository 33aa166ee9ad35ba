/*
 * msgq-block.c: chains of blocks: taking, filling, reading, giving back.
 *
 * A chain on its way hangs on an entry of the header, claimed by the call for as long as it lasts.
 * Taking a chain, and giving one back, is one commit over the list's top, the link of the chain's
 * last block, and the word that holds the chain: the links between need no change (msgq.c, 4 to 6).
 */
#include "core/msgq-internal.h"

#include <string.h>

/* Blocks taken in one commit: a longer walk along the free list would be overtaken too often. */
#define PIECE_BLOCKS 256u

/* Looks for a free entry before the call gives up. */
#define ENTRY_PATIENCE 256u

int msgq_entry_claim(struct msgq_call *call)
{
	struct msgq_entry *entry;
	uint32_t round, i, index;
	uint64_t held;

	if (call->entry != MSGQ_NONE)
		return MSGQ_DONE;
	for (round = 0; round < ENTRY_PATIENCE; round++) {
		for (i = 0; i < MSGQ_ENTRIES; i++) {
			index = (call->actor->hint + i) % MSGQ_ENTRIES;
			entry = &call->header->entries[index];
			if (shared64_load(&entry->owner) != 0 ||
			    !shared64_cas(&entry->owner, 0, call->actor->client))
				continue;
			if (msgq_read(call, msgq_entry_word(index), &held) &&
			    mcas_payload(held) == 0) {
				call->entry = index;
				return MSGQ_DONE;
			}
			/* A free entry that holds something: not our doing, so not ours to use. */
			shared64_store(&entry->owner, 0);
		}
		shared_pause();
	}
	return MSGQ_E_BUSY;
}

void msgq_entry_release(struct msgq_call *call)
{
	uint64_t held;

	if (call->entry == MSGQ_NONE)
		return;
	/* What could not be given back stays with its owner, for recovery to find. */
	if (msgq_read(call, msgq_entry_word(call->entry), &held) && mcas_payload(held) == 0)
		shared64_store(&call->header->entries[call->entry].owner, 0);
	call->entry = MSGQ_NONE;
}

/* The block a link leads to; MSGQ_NONE at the end of a chain. */
static uint32_t link_target(uint32_t block, uint64_t link)
{
	uint32_t payload = mcas_payload(link);

	if (payload == LINK_IMPLICIT)
		return block + 1;
	return payload == LINK_END ? MSGQ_NONE : payload - LINK_BASE;
}

/* Asks for storage up to a block, and for as much again as half of what there is. */
static int blocks_want(struct msgq_call *call, uint32_t block, uint64_t n)
{
	uint64_t backed = msgq_backed_blocks(call->queue);
	uint64_t want = block + n + backed / 2;

	want = ALIGN_UP(want, MSGQ_PAGE / MSGQ_BLOCK_SIZE);
	if (want > call->queue->layout.n_blocks)
		want = call->queue->layout.n_blocks;
	shared32_store(&call->header->wanted_blocks, (uint32_t)want);
	return MSGQ_GROW;
}

/* Whether a block of the free list can be used; n more are needed from it on. */
static int block_check_free(struct msgq_call *call, uint32_t block, uint32_t backed, uint64_t n)
{
	int outcome;

	if (block < backed)
		return MSGQ_DONE;
	if (block == call->queue->layout.n_blocks && msgq_check_mapping(call) == MSGQ_DONE)
		return MSGQ_E_NOMEM;
	outcome = msgq_check_block(call, block);
	return outcome ? outcome : blocks_want(call, block, n);
}

/* The last of the first n blocks of the free list, and what its link is. */
static int free_walk(struct msgq_call *call, uint32_t first, uint64_t n, uint32_t *ret_last,
		     uint64_t *ret_link)
{
	uint32_t block = first, backed = msgq_backed_blocks(call->queue);
	uint64_t link, i;
	int outcome;

	for (i = 0;; i++) {
		outcome = block_check_free(call, block, backed, n - i);
		if (outcome)
			return outcome;
		if (!msgq_step(call))
			return MSGQ_E_BUSY;
		if (!msgq_read(call, msgq_block_word(call->queue, block, MSGQ_BLOCK_LINK), &link))
			return MSGQ_E_CORRUPT;
		if (mcas_payload(link) == LINK_END)
			return MSGQ_E_CORRUPT;
		if (i + 1 == n)
			break;
		block = link_target(block, link);
	}
	*ret_last = block;
	*ret_link = link;
	return MSGQ_DONE;
}

/* Takes n blocks and puts them before what the entry holds already. */
static int piece_take(struct msgq_call *call, uint64_t n)
{
	struct mcas_change changes[3];
	struct mcas_op op = { changes, 0, ARRAY_SIZE(changes) };
	uint32_t held_word = msgq_entry_word(call->entry);
	uint32_t first, last, held_block;
	uint64_t top, held, link;
	int outcome;

	if (!msgq_read(call, WORD_FREE, &top) || !msgq_read(call, held_word, &held))
		return MSGQ_E_CORRUPT;
	first = mcas_payload(top);
	held_block = mcas_payload(held);
	outcome = free_walk(call, first, n, &last, &link);
	if (outcome) /* true of the list, or only of one that others were changing meanwhile */
		return msgq_still(call, WORD_FREE, top) ? outcome : MSGQ_AGAIN;
	(void)mcas_op_add(&op, WORD_FREE, top, mcas_next(top, link_target(last, link)));
	(void)mcas_op_add(&op, msgq_block_word(call->queue, last, MSGQ_BLOCK_LINK), link,
			  mcas_next(link, held_block ? held_block - 1 + LINK_BASE : LINK_END));
	(void)mcas_op_add(&op, held_word, held, mcas_next(held, first + 1));
	return msgq_commit(call, &op);
}

int msgq_chain_take(struct msgq_call *call, uint64_t n)
{
	uint64_t piece;
	int outcome = msgq_entry_claim(call);

	while (outcome == MSGQ_DONE && n > 0) {
		piece = n < PIECE_BLOCKS ? n : PIECE_BLOCKS;
		do {
			outcome = msgq_step(call) ? piece_take(call, piece) : MSGQ_E_BUSY;
		} while (outcome == MSGQ_AGAIN);
		n -= piece;
	}
	return outcome;
}

/* The last block of a chain. */
static int chain_last(struct msgq_call *call, uint32_t first, uint32_t *ret_last, uint64_t *ret_link)
{
	uint32_t block = first, steps;
	uint64_t link;
	int outcome;

	for (steps = 0; steps < call->queue->layout.n_blocks; steps++) {
		outcome = msgq_check_block(call, block);
		if (outcome)
			return outcome;
		if (!msgq_read(call, msgq_block_word(call->queue, block, MSGQ_BLOCK_LINK), &link))
			return MSGQ_E_CORRUPT;
		if (mcas_payload(link) == LINK_END) {
			*ret_last = block;
			*ret_link = link;
			return MSGQ_DONE;
		}
		block = link_target(block, link);
	}
	return MSGQ_E_CORRUPT;
}

int msgq_chain_give(struct msgq_call *call, const struct msgq_offer *offer)
{
	struct mcas_change changes[3];
	struct mcas_op op = { changes, 0, ARRAY_SIZE(changes) };
	uint32_t last = 0, last_word;
	uint64_t top, link = 0;
	int outcome = chain_last(call, offer->block, &last, &link);

	if (outcome)
		return msgq_still(call, offer->source, offer->source_old) ? outcome : MSGQ_GONE;
	last_word = msgq_block_word(call->queue, last, MSGQ_BLOCK_LINK);
	do {
		if (!msgq_step(call))
			return MSGQ_E_BUSY;
		if (!msgq_read(call, WORD_FREE, &top) ||
		    mcas_payload(top) > UINT32_MAX - LINK_BASE)
			return MSGQ_E_CORRUPT;
		if (!msgq_still(call, offer->source, offer->source_old))
			return MSGQ_GONE;
		op.n_changes = 0;
		(void)mcas_op_add(&op, WORD_FREE, top, mcas_next(top, offer->block));
		(void)mcas_op_add(&op, last_word, link,
				  mcas_next(link, mcas_payload(top) + LINK_BASE));
		(void)mcas_op_add(&op, offer->source, offer->source_old,
				  mcas_next(offer->source_old, offer->source_payload));
		outcome = msgq_commit(call, &op);
	} while (outcome == MSGQ_AGAIN);
	return outcome;
}

int msgq_entry_give(struct msgq_call *call)
{
	struct msgq_offer offer = { .source = msgq_entry_word(call->entry) };
	int outcome;

	call->budget += MCAS_ROUNDS_MAX; /* a call that gives up must still clean up */
	if (!msgq_read(call, offer.source, &offer.source_old))
		return MSGQ_E_CORRUPT;
	if (mcas_payload(offer.source_old) == 0)
		return MSGQ_DONE;
	offer.block = mcas_payload(offer.source_old) - 1;
	outcome = msgq_chain_give(call, &offer);
	if (outcome == MSGQ_E_CORRUPT) /* no chain: the entry at least can be used again */
		(void)mcas_change_one(&call->queue->mcas, offer.source, offer.source_old,
				      mcas_next(offer.source_old, 0));
	return outcome == MSGQ_GONE ? MSGQ_DONE : outcome;
}

/* --- text ---------------------------------------------------------------------------------------- */

static void words_store(struct shared64 *words, const uint8_t *text, uint64_t size)
{
	uint64_t word;

	for (; size >= 8; size -= 8, text += 8, words++) {
		memcpy(&word, text, 8);
		shared64_store(words, word);
	}
	if (size > 0) {
		word = 0;
		memcpy(&word, text, size);
		shared64_store(words, word);
	}
}

static void words_load(const struct shared64 *words, uint8_t *text, uint64_t size)
{
	uint64_t word;

	for (; size >= 8; size -= 8, text += 8, words++) {
		word = shared64_load(words);
		memcpy(text, &word, 8);
	}
	if (size > 0) {
		word = shared64_load(words);
		memcpy(text, &word, size);
	}
}

/* Walks a chain along size bytes of text; exactly one of from and to is set. */
static int text_move(struct msgq_call *call, uint32_t block, const uint8_t *from, uint8_t *to,
		     uint64_t size)
{
	uint32_t first_word = MSGQ_FIRST_TEXT;
	uint64_t done = 0, room, part, link;
	struct shared64 *words;
	int outcome;

	while (done < size) {
		outcome = msgq_check_block(call, block);
		if (outcome)
			return outcome;
		room = (MSGQ_BLOCK_WORDS - first_word) * 8;
		part = size - done < room ? size - done : room;
		words = msgq_block_at(call->queue, block) + first_word;
		if (to)
			words_load(words, to + done, part);
		else
			words_store(words, from + done, part);
		done += part;
		if (done == size)
			break;
		if (!msgq_read(call, msgq_block_word(call->queue, block, MSGQ_BLOCK_LINK), &link))
			return MSGQ_E_CORRUPT;
		if (mcas_payload(link) == LINK_END)
			return MSGQ_E_CORRUPT;
		block = link_target(block, link);
		first_word = MSGQ_FOLLOW_TEXT;
	}
	return MSGQ_DONE;
}

int msgq_text_fill(struct msgq_call *call, const struct msgq_offer *offer, const void *text)
{
	int outcome = msgq_check_block(call, offer->block);
	struct shared64 *words;

	if (outcome)
		return outcome;
	words = msgq_block_at(call->queue, offer->block);
	shared64_store(&words[MSGQ_BLOCK_TYPE], (uint64_t)offer->type);
	shared64_store(&words[MSGQ_BLOCK_LENGTH], msgq_length_word(offer->size, 0));
	return text_move(call, offer->block, text, NULL, offer->size);
}

int msgq_text_copy(struct msgq_call *call, uint32_t block, void *text, uint64_t size)
{
	return text_move(call, block, NULL, text, size);
}

/*
 * msgq-block.c: blocks on their way: entries, the free list, text.
 *
 * A free block may lead a chain, by BLOCK_CHAIN: a message's blocks are freed by freeing its first,
 * and taken again with it.  What a call takes is in its entry from the same change on (msgq.c, 6).
 */
#include "core/msgq-internal.h"

#include <string.h>

/* The explorer has but one page. */
#define OTHER_PAGES (MSGQ_PAGES > 1 ? MSGQ_PAGES - 1 : 1)

/* Looks for a free entry before the call gives up. */
#define ENTRY_PATIENCE 64u

/* --- entries ------------------------------------------------------------------------------------- */

static bool entry_holds_nothing(struct msgq_call *call, uint32_t index)
{
	return mcas_payload(msgq_look(call, ENTRY_HELD(index))) == 0 &&
	       mcas_payload(msgq_look(call, ENTRY_NODE(index))) == 0;
}

/* thread: what the next call with the same hint knows it by, or 0, which is inside as well. */
static bool entry_try(struct msgq_call *call, uint32_t index, uint64_t thread)
{
	struct msgq_entry *entry = &call->header->entries[index];

	if (shared64_load(&entry->owner) != 0 ||
	    !shared64_cas(&entry->owner, 0, call->actor->client))
		return false;
	shared64_store(&entry->thread, thread); /* at once: a jump between the two loses the entry */
	if (entry_holds_nothing(call, index)) {
		call->entry = index;
		return true;
	}
	/* A free entry that holds something: not our doing, so not ours to use. */
	shared64_store(&entry->thread, 0);
	shared64_store(&entry->owner, 0);
	return false;
}

static inline bool page_is_backed(const struct msgq_call *call, uint32_t page)
{
	return page == 0 || (shared32_load(&call->header->backed_pages) >> page & 1);
}

static int page_want(struct msgq_call *call, uint32_t page)
{
	shared32_store(&call->header->wanted_page, page);
	return MSGQ_GROW;
}

/* The entries a thread may keep, n = 0 to MSGQ_KEPT: those of the first page, then one other. */
static inline uint32_t entry_candidate(uint32_t hint, uint32_t n)
{
	if (n < MSGQ_KEPT || MSGQ_PAGES == 1)
		return (hint + n) % MSGQ_KEPT * 2;
	return (1 + hint % OTHER_PAGES) * MSGQ_PER_PAGE + hint / OTHER_PAGES % MSGQ_KEPT * 2;
}

static bool entry_keep(struct msgq_call *call, uint32_t index)
{
	call->is_resident = entry_try(call, index, ((uint64_t)call->hint + 1) | THREAD_INSIDE);
	call->is_streak = false;
	return call->is_resident;
}

/* An entry for this call alone, in the pages there are. */
static bool entry_borrow(struct msgq_call *call)
{
	uint32_t index;

	for (index = 1; index < MSGQ_ENTRIES_ALL; index += 2) {
		if (page_is_backed(call, index / MSGQ_PER_PAGE) && entry_try(call, index, 0))
			return true;
	}
	return false;
}

/* Slow part of a claim: an entry for good, or any for this call. */
int msgq_entry_claim_new(struct msgq_call *call, bool may_grow)
{
	uint32_t round, i, index, page;

	for (i = 0; i <= MSGQ_KEPT && call->hint != MSGQ_HINT_NONE; i++) {
		index = entry_candidate(call->hint, i);
		page = index / MSGQ_PER_PAGE;
		if (page_is_backed(call, page) && entry_keep(call, index))
			return MSGQ_DONE;
		if (may_grow && !page_is_backed(call, page))
			return page_want(call, page);
	}
	for (round = 0; round < ENTRY_PATIENCE; round++) {
		if (entry_borrow(call))
			return MSGQ_DONE;
		shared_pause();
	}
	for (page = 0; may_grow && page < MSGQ_PAGES; page++) {
		if (!page_is_backed(call, page))
			return page_want(call, page);
	}
	return MSGQ_E_BUSY;
}

bool msgq_entry_search(struct msgq_call *call)
{
	uint32_t i;

	for (i = 0; i <= MSGQ_KEPT && call->entry == MSGQ_NONE; i++)
		(void)msgq_entry_is_own(call, entry_candidate(call->hint, i));
	return call->entry != MSGQ_NONE;
}

bool msgq_entry_is_inside(const struct msgq_call *call, uint32_t index)
{
	const struct msgq_entry *entry = &call->header->entries[index];
	uint64_t thread;

	if (shared64_load(&entry->owner) == 0)
		return false;
	thread = shared64_load(&entry->thread);
	return thread == 0 || (thread & THREAD_INSIDE);
}

int msgq_entry_empty(struct msgq_call *call, uint32_t index, bool (*may)(const struct msgq_call *call))
{
	uint64_t held, node;
	int outcome;

	call->budget += MCAS_ROUNDS_MAX; /* a call that gives up must still clean up */
	do {
		if (!msgq_step(call))
			return MSGQ_E_BUSY;
		msgq_txn_begin(call);
		held = msgq_look(call, ENTRY_HELD(index));
		node = msgq_look(call, ENTRY_NODE(index));
		if (mcas_payload(held) == 0 && mcas_payload(node) == 0)
			return MSGQ_DONE;
		if (mcas_payload(held) != 0) {
			msgq_free_push(call, mcas_payload(held) - 1);
			msgq_change(call, ENTRY_HELD(index), held, 0);
		}
		if (mcas_payload(node) != 0) {
			msgq_free_push(call, mcas_payload(node) - 1);
			msgq_change(call, ENTRY_NODE(index), node, 0);
		}
		if (may && !may(call))
			return MSGQ_BLOCKED;
		outcome = msgq_txn_commit(call);
	} while (outcome == MSGQ_AGAIN);
	return outcome;
}

void msgq_entry_release(struct msgq_call *call)
{
	/* What could not be given back stays with its owner, for recovery to find. */
	if (msgq_entry_empty(call, call->entry, NULL) == MSGQ_DONE)
		shared64_store(&call->header->entries[call->entry].owner, 0);
}

/* --- the free list ------------------------------------------------------------------------------- */

void msgq_free_push(struct msgq_call *call, uint32_t block)
{
	uint32_t *top = &call->txn.next[FIELD_FREE];

	if (*top > call->queue->layout.n_blocks + MSGQ_CHUNK)
		call->broken = true;
	msgq_set_block(call, block, BLOCK_NEXT, *top + NEXT_BASE);
	*top = block;
}

/* The free block after this one. */
static uint32_t free_next(struct msgq_call *call, uint32_t block)
{
	uint32_t payload = mcas_payload(msgq_block_look(call, block, BLOCK_NEXT));

	if (payload == NEXT_IMPLICIT)
		return msgq_arena_next(block);
	if (payload == NEXT_END)
		call->broken = true;
	return payload - NEXT_BASE;
}

static inline bool block_is_backed(const struct msgq_call *call, uint32_t block)
{
	const struct shared64 *backed = &call->header->backed_blocks[msgq_arena(block)];

	return block < (uint32_t)shared64_load(backed) && block < call->queue->layout.n_blocks;
}

uint32_t msgq_free_spare(struct msgq_call *call)
{
	uint32_t block;

	block = call->txn.next[FIELD_FREE];
	if (!block_is_backed(call, block) ||
	    msgq_block_look(call, block, BLOCK_NEXT) == 0 ||
	    mcas_payload(msgq_block_look(call, block, BLOCK_CHAIN)) != 0)
		return 0; /* better left to chain_take */
	call->txn.next[FIELD_FREE] = free_next(call, block);
	msgq_block_expect_write(call->queue, call->txn.next[FIELD_FREE]);
	return block + 1;
}

/* Asks for storage for n blocks from this one on, and for some more the more there is. */
static int blocks_want(struct msgq_call *call, uint32_t block, uint64_t n)
{
	uint32_t before = block / (2 * MSGQ_CHUNK) * MSGQ_CHUNK + block % MSGQ_CHUNK; /* in its arena */
	uint64_t want = block + n + before / 16;
	uint64_t end = (uint64_t)(block / MSGQ_CHUNK + 1) * MSGQ_CHUNK;

	want = ALIGN_UP(want, MSGQ_PAGE / MSGQ_BLOCK_SIZE);
	if (want > end)
		want = end;
	shared32_store(&call->header->wanted_blocks, (uint32_t)want);
	return MSGQ_GROW;
}

/* Nothing can be taken from the free list as it is: why. */
static int free_judge(struct msgq_call *call, uint64_t n)
{
	uint32_t block = call->txn.next[FIELD_FREE];
	int outcome = msgq_check_mapping(call);

	if (outcome == MSGQ_DONE && block > call->queue->layout.n_blocks + MSGQ_CHUNK)
		call->broken = true;
	if (outcome == MSGQ_DONE)
		outcome = block >= call->queue->layout.n_blocks ? MSGQ_E_NOMEM : MSGQ_GROW;
	outcome = msgq_txn_judge(call, outcome);
	return outcome == MSGQ_GROW ? blocks_want(call, block, n) : outcome;
}

/* Blocks used for the first time get versions, so that no change starts from the word 0. */
static void block_first_use(struct msgq_call *call, uint32_t block)
{
	uint32_t word;

	for (word = BLOCK_NEXT; word <= BLOCK_CHAIN; word++) {
		if (msgq_block_look(call, block, word) == 0)
			msgq_block_own(call, block, word, 0);
	}
}

/* Adds to the change that the first free block is taken, with the chain it leads or alone. */
static uint32_t free_pop(struct msgq_call *call, bool is_whole)
{
	uint32_t block = call->txn.next[FIELD_FREE], chain;

	chain = is_whole ? 0 : mcas_payload(msgq_block_look(call, block, BLOCK_CHAIN));
	call->txn.next[FIELD_FREE] = free_next(call, block);
	if (chain != 0) { /* the rest stays, with its first in front */
		msgq_set_block(call, block, BLOCK_CHAIN, 0);
		msgq_set_block(call, chain - 1, BLOCK_NEXT, call->txn.next[FIELD_FREE] + NEXT_BASE);
		call->txn.next[FIELD_FREE] = chain - 1;
	}
	return block;
}

/* Takes a block, or if more are needed also what it leads, into a word of the call's own. */
static int chain_take(struct msgq_call *call, uint32_t word, uint64_t n)
{
	uint32_t block = 0;
	uint64_t old;
	int outcome;

	do {
		if (!msgq_step(call))
			return MSGQ_E_BUSY;
		msgq_txn_begin(call);
		old = msgq_look(call, word);
		if (!block_is_backed(call, call->txn.now[FIELD_FREE])) {
			outcome = free_judge(call, n);
		} else {
			block = free_pop(call, n > 1);
			msgq_change(call, word, old, block + 1);
			outcome = msgq_txn_commit(call);
		}
	} while (outcome == MSGQ_AGAIN);
	if (outcome == MSGQ_DONE)
		block_first_use(call, block);
	return outcome;
}

int msgq_node_take(struct msgq_call *call)
{
	return chain_take(call, ENTRY_NODE(call->entry), 1);
}

/* --- text ---------------------------------------------------------------------------------------- */

/* The block behind the last of the call's chain, which grows by as many as are needed. */
static int chain_extend(struct msgq_call *call, uint32_t block, uint64_t size, uint32_t *ret_next)
{
	uint32_t word = msgq_block_word(call->queue, block, BLOCK_CHAIN);
	int outcome;

	outcome = chain_take(call, word, (size + MSGQ_FOLLOW_BYTES - 1) / MSGQ_FOLLOW_BYTES);
	*ret_next = mcas_payload(msgq_look(call, word)) - 1;
	return outcome;
}

#define PIECE 16u

/* memcpy of a block's worth: compilers turn that into a string instruction, which takes its time to start. */
static inline __attribute__((always_inline)) void piece_copy(uint8_t *to, const uint8_t *from,
							     uint64_t size)
{
	uint64_t at;

	if (size >= PIECE) {
		for (at = 0; at < size - PIECE; at += PIECE)
			memcpy(to + at, from + at, PIECE);
		memcpy(to + size - PIECE, from + size - PIECE, PIECE);
	} else if (size >= 8) {
		memcpy(to, from, 8);
		memcpy(to + size - 8, from + size - 8, 8);
	} else {
		for (at = 0; at < size; at++)
			to[at] = from[at];
	}
}

/*
 * Text goes as a whole, not word by word: it is its owner's alone, or looked at again (msgq_copy).  The
 * explorer takes each piece for one access.
 */
static inline void piece_store(struct shared64 *words, const uint8_t *text, uint64_t size)
{
	hook_access(HOOK_STORE, words);
	piece_copy((uint8_t *)words, text, size);
}

static inline void piece_load(const struct shared64 *words, uint8_t *text, uint64_t size)
{
	hook_access(HOOK_LOAD, words);
	piece_copy(text, (const uint8_t *)words, size);
}

/* What of the text comes into the first block, or out of it. */
static inline uint64_t first_part(uint64_t size)
{
	return size < MSGQ_FIRST_BYTES ? size : MSGQ_FIRST_BYTES;
}

static int text_store(struct msgq_call *call, struct msgq_offer *offer, const uint8_t *text)
{
	uint64_t part = first_part(offer->size), left = offer->size - part;
	uint32_t block = offer->block, next;
	int outcome;

	if (part > 0) { /* an empty text may be nowhere */
		piece_store(msgq_block_at(call->queue, block) + MSGQ_FIRST_TEXT, text, part);
		text += part;
	}
	for (; left > 0; text += part, left -= part) {
		next = mcas_payload(msgq_block_look(call, block, BLOCK_CHAIN));
		if (next-- == 0) {
			outcome = chain_extend(call, block, left, &next);
			if (outcome)
				return outcome;
		}
		if (next >= call->queue->layout.n_blocks)
			return msgq_lost(call);
		block = next;
		part = left;
		if (left >= MSGQ_FOLLOW_BYTES) {
			part = MSGQ_FOLLOW_BYTES; /* a constant, for the compiler */
			piece_store(msgq_block_at(call->queue, block) + MSGQ_FOLLOW_TEXT, text,
				    MSGQ_FOLLOW_BYTES);
		} else {
			piece_store(msgq_block_at(call->queue, block) + MSGQ_FOLLOW_TEXT, text,
				    part);
		}
	}
	offer->last = block;
	offer->rest = mcas_payload(msgq_block_look(call, block, BLOCK_CHAIN));
	return MSGQ_DONE;
}

int msgq_text_fill(struct msgq_call *call, struct msgq_offer *offer, const void *text)
{
	uint32_t held = mcas_payload(msgq_look(call, offer->source));
	struct shared64 *words;
	int outcome = MSGQ_DONE;

	if (held == 0) {
		outcome = chain_take(call, offer->source, msgq_blocks_for(offer->size));
		held = mcas_payload(msgq_look(call, offer->source));
	}
	if (outcome)
		return outcome;
	if (held - 1 >= call->queue->layout.n_blocks)
		return msgq_lost(call);
	offer->block = held - 1;
	/* Before the text changes, for who may be copying it (msgq_copy). */
	msgq_block_own(call, offer->block, BLOCK_NEXT, NEXT_END);
	words = msgq_block_at(call->queue, offer->block);
	shared64_store(&words[BLOCK_TYPE], (uint64_t)offer->type);
	return text_store(call, offer, text);
}

int msgq_text_copy(struct msgq_call *call, uint32_t block, void *text, uint64_t size)
{
	uint64_t part = first_part(size);
	uint8_t *to = text;

	if (!msgq_block_ok(call, block))
		return msgq_lost(call);
	if (part > 0)
		piece_load(msgq_block_at(call->queue, block) + MSGQ_FIRST_TEXT, to, part);
	for (to += part, size -= part; size > 0; to += part, size -= part) {
		block = mcas_payload(msgq_block_look(call, block, BLOCK_CHAIN)) - 1;
		if (!msgq_block_ok(call, block))
			return msgq_lost(call);
		part = size;
		if (size >= MSGQ_FOLLOW_BYTES) {
			part = MSGQ_FOLLOW_BYTES;
			piece_load(msgq_block_at(call->queue, block) + MSGQ_FOLLOW_TEXT, to,
				   MSGQ_FOLLOW_BYTES);
		} else {
			piece_load(msgq_block_at(call->queue, block) + MSGQ_FOLLOW_TEXT, to, part);
		}
	}
	return MSGQ_DONE;
}

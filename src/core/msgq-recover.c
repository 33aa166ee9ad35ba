/*
 * msgq-recover.c: what a dead client leaves behind, and the unit's invariants.
 *
 * Recovery walks the words that can own a chain (msgq.c, 6) and the claims on them.  Each step is a
 * commit that leaves one thing less to do, so it may be killed and begun again anywhere.
 */
#include "core/msgq-internal.h"

/* --- recovery ------------------------------------------------------------------------------------ */

/* Lets go of what an entry holds without a look at it. */
static int entry_forget(struct msgq_call *call, uint32_t index)
{
	int outcome;

	do {
		if (!msgq_step(call))
			return MSGQ_E_BUSY;
		msgq_txn_begin(call);
		msgq_set_word(call, ENTRY_HELD(index), 0);
		msgq_set_word(call, ENTRY_NODE(index), 0);
		outcome = msgq_txn_commit(call);
	} while (outcome == MSGQ_AGAIN);
	return outcome == MSGQ_E_CORRUPT ? MSGQ_DONE : outcome;
}

/* Frees what the client's calls held: a text not yet sent, one that was being received, or spares. */
static int entries_recover(struct msgq_call *call, uint64_t client)
{
	struct msgq_entry *entry;
	uint32_t i;
	int outcome = MSGQ_DONE;

	for (i = 0; i < MSGQ_ENTRIES_ALL && outcome == MSGQ_DONE; i++) {
		entry = &call->header->entries[i];
		if (shared64_load(&entry->owner) != client || i == call->entry)
			continue; /* the one in use for this goes last (msgq_entry_leave) */
		outcome = msgq_entry_empty(call, i, NULL);
		if (outcome == MSGQ_E_CORRUPT) /* no chain: the rest is none the worse */
			outcome = entry_forget(call, i);
		if (outcome == MSGQ_DONE) {
			shared64_store(&entry->thread, 0);
			shared64_store(&entry->owner, 0);
		}
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
		.back = true,
	};
	uint64_t length;
	int outcome;

	length = msgq_block_plain(call, offer.block, BLOCK_LENGTH);
	offer.type = (int64_t)msgq_block_plain(call, offer.block, BLOCK_TYPE);
	offer.size = (uint32_t)length;
	offer.arrival = (uint32_t)(length >> 32);
	if (offer.type < 1 || offer.size > MSG_TEXT_MAX)
		return MSGQ_E_CORRUPT;
	do {
		outcome = msgq_step(call) ? msgq_publish(call, &offer) : MSGQ_E_BUSY;
	} while (outcome == MSGQ_AGAIN);
	return outcome == MSGQ_E_REMOVED ? msgq_handed_free(call, offer.source, state, offer.block)
					 : outcome;
}

/* Takes a sleeper out, so that nothing more is handed to it. */
static int sleeper_stop(struct msgq_call *call, uint32_t index)
{
	uint32_t state_word = sleeper_word(&call->queue->sleepers, index);
	uint64_t state;
	int outcome;

	shared32_store(&msgq_record_at(call->queue, index)->base.number, 0); /* msgq-stead.c, 2 */
	do {
		if (!msgq_step(call))
			return MSGQ_E_BUSY;
		msgq_txn_begin(call);
		state = msgq_look(call, state_word);
		if (sleeper_state(state) != SLEEPER_WAITING)
			return msgq_txn_judge(call, MSGQ_DONE);
		msgq_change(call, state_word, state, sleeper_payload(SLEEPER_FREE, 0));
		outcome = msgq_txn_commit(call);
	} while (outcome == MSGQ_AGAIN);
	return outcome;
}

/* What a stopped sleeper was handed joins picks, oldest message first; the others are let go. */
static int sleeper_sort(struct msgq_call *call, uint32_t index, struct msgq_picks *picks)
{
	uint64_t state, arrival;
	uint32_t block;

	msgq_txn_begin(call);
	state = msgq_look(call, sleeper_word(&call->queue->sleepers, index));
	block = sleeper_argument(state) - RESULT_BASE;
	if (sleeper_state(state) != SLEEPER_DONE || sleeper_argument(state) < RESULT_BASE ||
	    block >= call->queue->layout.n_blocks) {
		sleeper_release(&call->queue->sleepers, index);
		return MSGQ_DONE;
	}
	/* All came before the guard as it is now: the farther, the smaller this is. */
	arrival = msgq_block_plain(call, block, BLOCK_LENGTH) >> 32;
	arrival = ((uint32_t)arrival - msgq_arrival(call->txn.guard)) & 0x7fffffffu;
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

	ret_picks->max = MSGQ_WAKES_MAX;
	ret_picks->n = 0;
	ret_picks->n_matching = 0;
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
	call.hint = MSGQ_HINT_NONE; /* nothing here is to be kept */
	outcome = msgq_enter(&call, true);
	if (outcome)
		return outcome;
	msgq_trim_recover(&call, actor->client);
	outcome = sleepers_recover(&call, actor->client);
	if (outcome == MSGQ_DONE) /* also what was needed for that */
		outcome = entries_recover(&call, actor->client);
	/* It may have died between making room and waking those who wait for it. */
	if (outcome == MSGQ_DONE) {
		msgq_wake_senders(&call);
		msgq_wake_receivers(&call);
	}
	msgq_entry_leave(&call);
	return outcome;
}

bool msgq_holds(const struct msgq *queue, uint64_t client)
{
	const struct msgq_header *header = msgq_header(queue);
	uint32_t i, end = msgq_backed_sleepers(queue);

	if (shared64_load(&header->trimmer) == client)
		return true;
	for (i = 0; i < MSGQ_ENTRIES_ALL; i++) {
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

/* Follows a chain; n is how many blocks it has, or 0: any number. */
static bool chain_tally(struct msgq_call *call, uint32_t first, uint64_t n, struct tally *tally)
{
	uint32_t block = first;
	uint64_t i, next;

	for (i = 1; i <= call->queue->layout.n_blocks && !call->broken; i++) {
		next = mcas_payload(msgq_block_look(call, block, BLOCK_CHAIN));
		tally_add(tally, block);
		if (next == 0)
			return !call->broken && (n == 0 || i == n);
		block = (uint32_t)next - 1;
	}
	return false;
}

static bool message_tally(struct msgq_call *call, uint32_t block, struct tally *tally)
{
	uint64_t size = (uint32_t)msgq_block_plain(call, block, BLOCK_LENGTH);

	return chain_tally(call, block, msgq_blocks_for(size), tally);
}

static bool free_tally(struct msgq_call *call, struct tally *tally)
{
	uint32_t arena = msgq_arena(call->txn.now[FIELD_FREE]);
	uint32_t backed = (uint32_t)shared64_load(&call->header->backed_blocks[arena]);
	uint32_t n_blocks = call->queue->layout.n_blocks;
	uint32_t block = call->txn.now[FIELD_FREE], payload, i;

	for (i = 0; i <= n_blocks && block < backed; i++) {
		payload = mcas_payload(msgq_block_look(call, block, BLOCK_NEXT));
		if (payload == NEXT_END || !chain_tally(call, block, 0, tally))
			return false;
		block = payload == NEXT_IMPLICIT ? msgq_arena_next(block) : payload - NEXT_BASE;
	}
	if (block < backed || block > n_blocks + MSGQ_CHUNK || msgq_arena(block) != arena)
		return false;
	for (; block < n_blocks; block = msgq_arena_next(block))
		tally_add(tally, block);
	for (block = msgq_arena_first(1 - arena); block < n_blocks; block = msgq_arena_next(block))
		tally_add(tally, block);
	return true;
}

/* What entries hold; those that nobody owns hold nothing. */
static bool entries_tally(struct msgq_call *call, struct tally *tally)
{
	uint32_t i, held, node;

	for (i = 0; i < MSGQ_ENTRIES_ALL; i++) {
		held = mcas_payload(msgq_look(call, ENTRY_HELD(i)));
		node = mcas_payload(msgq_look(call, ENTRY_NODE(i)));
		if (shared64_load(&call->header->entries[i].owner) == 0 && (held != 0 || node != 0))
			return false;
		if ((held != 0 && !chain_tally(call, held - 1, 0, tally)) ||
		    (node != 0 && !chain_tally(call, node - 1, 1, tally)))
			return false;
	}
	return true;
}

static bool queue_tally(struct msgq_call *call, struct tally *tally)
{
	uint32_t next = call->txn.now[FIELD_HEAD], before = 0, arrival, earlier = 0;
	uint32_t count = call->txn.now[FIELD_COUNT], n;
	uint64_t cbytes = 0, length;

	if (count > call->queue->layout.n_blocks)
		return false;
	for (n = 0; next != 0; n++) {
		if (n >= count || msgq_previous(call, next - 1) != before)
			return false;
		length = msgq_block_plain(call, next - 1, BLOCK_LENGTH);
		arrival = (uint32_t)(length >> 32);
		if (before != 0 && !msgq_arrived_before(earlier, arrival))
			return false;
		earlier = arrival;
		cbytes += (uint32_t)length;
		if (!message_tally(call, next - 1, tally))
			return false;
		before = next;
		next = msgq_next(call, next - 1);
	}
	return n == count && cbytes == msgq_bytes(call) &&
	       before == call->txn.now[FIELD_TAIL];
}

/* Messages handed to sleepers that have not looked yet: the one thing a sleep may leave. */
static bool handed_tally(struct msgq_call *call, struct tally *tally)
{
	uint32_t index, end = msgq_backed_sleepers(call->queue);
	uint64_t state;

	for (index = 0; index < end; index++) {
		state = msgq_look(call, sleeper_word(&call->queue->sleepers, index));
		if (sleeper_state(state) == SLEEPER_FREE)
			continue;
		if (shared64_load(&msgq_record_at(call->queue, index)->base.owner) == 0)
			return false;
		if (sleeper_state(state) != SLEEPER_DONE || sleeper_argument(state) < RESULT_BASE)
			continue;
		if (!message_tally(call, sleeper_argument(state) - RESULT_BASE, tally))
			return false;
	}
	return true;
}

static void node_tally(void *context, uint32_t node)
{
	tally_add(context, node);
}

bool msgq_verify(struct msgq *queue)
{
	struct tally tally = { 0 }, all = { 0 };
	uint32_t n_indexed = 0, block;
	struct msgq_call call;

	if (msgq_begin(&call, queue, NULL, NULL))
		return false;
	call.is_reader = false; /* what follows from the last change has to be there */
	msgq_txn_begin(&call);
	if (!entries_tally(&call, &tally) || !queue_tally(&call, &tally) ||
	    !msgq_index_verify(&call, node_tally, &tally, &n_indexed) ||
	    !handed_tally(&call, &tally) || !free_tally(&call, &tally))
		return false;
	if (n_indexed != call.txn.now[FIELD_COUNT])
		return false;
	for (block = 0; block < queue->layout.n_blocks; block++)
		tally_add(&all, block);
	return !call.broken && tally.n == all.n && tally.sum == all.sum && tally.mixed == all.mixed;
}

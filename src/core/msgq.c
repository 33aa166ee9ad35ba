/*
 * msgq.c: the message queue's file, and what the files of this unit share.
 *
 * Invariants, in the order msgq_verify checks them on a quiet file:
 *  1. The header names the layout; the descriptors are at rest; no entry and no sleeper has an owner.
 *  2. The queue is the messages that head and each message's next lead to.  Its last message is
 *     tail's; their number is count; their lengths add up to the byte count.
 *  3. A message is a chain of exactly as many blocks as its length needs, ended by LINK_END.
 *  4. The free list starts at free_top and ends at the first block that was never used, from which
 *     on every block is free and links, by LINK_IMPLICIT, to the one after it.  So a file that is
 *     made larger has more free blocks without any change to the list.
 *  5. Each block is in the free list or in one chain, and only once.
 *
 * And those that hold at every step:
 *  6. A chain belongs to exactly one word: head or a next word (in the queue), an entry's held word
 *     (a call is filling or reading it), or a sleeper's state (handed off).  It moves from one to
 *     another, and from and to the free list, in single commits; so whoever is killed, it is owned
 *     by a word that names, through its entry or record, the client whose recovery finds it.
 *  7. Text, type and length change only while an entry owns the chain, and only by that call.
 *  8. A next word changes when its message enters or leaves the queue and when its successor does.
 *     So who reads A.next, then B, then the same A.next again, has read B while it stood behind A.
 *  9. Every change of the queue changes bytes, and count in the same commit.  Every arrival, also
 *     one handed to a receiver, changes bytes and tail.  A sleeper registers in one commit with the
 *     word it waits for a change of (a sender bytes, a receiver tail), so nothing came between its
 *     last look and its sleep; and that commit sets the word's flag, so who changes the word knows.
 * 10. qbytes and removed are plain, and bytes and tail are changed after them: a commit decided by
 *     an older value fails.
 */
#include "core/msgq-internal.h"

#include <string.h>

/* Messages the blocks are counted for; beyond it a queue of tiny messages is E_NOMEM (MSG-3). */
#define MESSAGES_MAX (UINT64_C(1) << 20)
#define SLACK_BLOCKS 1024u
#define SLACK_BLOCKS_MAX 65536u

/* Tries for a snapshot while others change the queue; then the last look has to do. */
#define SNAPSHOT_TRIES 1024u

STATIC_ASSERT(sizeof(struct msgq_record) == 48);
/* Block numbers fit a sleeper's argument, and block words a 32-bit index. */
STATIC_ASSERT(MESSAGES_MAX + SLACK_BLOCKS + SLACK_BLOCKS_MAX + 6 * (MSG_TEXT_MAX / MSGQ_FIRST_BYTES) <
	      UINT64_C(1) << 26);

uint64_t msgq_blocks_for(uint64_t size)
{
	if (size <= MSGQ_FIRST_BYTES)
		return 1;
	return 1 + (size - MSGQ_FIRST_BYTES + MSGQ_FOLLOW_BYTES - 1) / MSGQ_FOLLOW_BYTES;
}

/*
 * Room for every queue that MSG-3 admits: a block a message, and each further block of a message
 * stands for more than MSGQ_FIRST_BYTES of its text.  To that comes what calls under way hold.
 */
static uint64_t blocks_max(uint64_t qbytes_max)
{
	uint64_t messages = qbytes_max < MESSAGES_MAX ? qbytes_max : MESSAGES_MAX;
	uint64_t largest = msgq_blocks_for(qbytes_max);
	uint64_t slack = MSGQ_ENTRIES * largest;

	if (slack > SLACK_BLOCKS_MAX)
		slack = SLACK_BLOCKS_MAX;
	return messages + qbytes_max / (MSGQ_FIRST_BYTES + 1) + SLACK_BLOCKS + slack + 4 * largest;
}

int msgq_layout(uint64_t qbytes_max, struct msgq_layout *ret_layout)
{
	struct msgq_layout layout = { .qbytes_max = qbytes_max };

	if (qbytes_max > MSG_TEXT_MAX)
		return MSGQ_E_INVAL;
	layout.n_blocks = (uint32_t)blocks_max(qbytes_max);
	layout.n_sleepers = SLEEPER_MAX;
	layout.slots_off = sizeof(struct msgq_header);
	layout.words_off = layout.slots_off + mcas_slots_size();
	layout.records_off = ALIGN_UP(layout.words_off + layout.n_sleepers * UINT64_C(8), MSGQ_PAGE);
	layout.blocks_off = ALIGN_UP(layout.records_off +
				     layout.n_sleepers * sizeof(struct msgq_record), MSGQ_PAGE);
	layout.size = ALIGN_UP(layout.blocks_off + layout.n_blocks * (uint64_t)MSGQ_BLOCK_SIZE,
			       MSGQ_PAGE);
	layout.common_size = ALIGN_UP(layout.words_off, MSGQ_PAGE);
	*ret_layout = layout;
	return 0;
}

void msgq_format(void *base, const struct msgq_layout *layout, uint64_t qbytes, int64_t now_s)
{
	struct msgq_header *header = base;

	ASSERT(qbytes <= layout->qbytes_max);
	shared64_store(&header->version, MSGQ_VERSION);
	shared64_store(&header->qbytes_max, layout->qbytes_max);
	shared64_store(&header->qbytes, qbytes);
	shared64_store(&header->ctime_s, (uint64_t)now_s);
	shared64_store(&header->clock, 1); /* ticket 0 is below every sleeper's */
	shared64_store(&header->head, mcas_word(NEXT_END, 0));
	shared64_store(&header->magic, MSGQ_MAGIC); /* last: a file half formatted is no queue */
}

static void queue_attach(struct msgq *queue, void *base, const struct msgq_layout *layout)
{
	struct msgq_header *header = base;

	queue->base = base;
	queue->layout = *layout;
	mcas_init(&queue->mcas, base, layout->size, layout->slots_off, 0);
	queue->sleepers = (struct sleepers){
		.mcas = &queue->mcas,
		.word_index = (uint32_t)(layout->words_off / 8),
		.n_max = layout->n_sleepers,
		.record_size = sizeof(struct msgq_record),
		.records = (uint8_t *)base + layout->records_off,
		.high_water = &header->high_water,
		.clock = &header->clock,
	};
}

int msgq_bind(struct msgq *queue, void *base, uint64_t size)
{
	struct msgq_header *header = base;
	struct msgq_layout layout;

	if (size < sizeof(*header) || (uintptr_t)base % MSGQ_BLOCK_SIZE != 0)
		return MSGQ_E_CORRUPT;
	if (shared64_load(&header->magic) != MSGQ_MAGIC ||
	    shared64_load(&header->version) != MSGQ_VERSION)
		return MSGQ_E_CORRUPT;
	if (msgq_layout(shared64_load(&header->qbytes_max), &layout))
		return MSGQ_E_CORRUPT;
	if (size < layout.size)
		return MSGQ_REMAP;
	queue_attach(queue, base, &layout);
	return MSGQ_DONE;
}

int msgq_extend(struct msgq *queue, uint64_t size, uint64_t qbytes_max)
{
	struct msgq_layout layout;

	if (qbytes_max < queue->layout.qbytes_max || msgq_layout(qbytes_max, &layout) ||
	    layout.size > size)
		return MSGQ_E_INVAL;
	queue_attach(queue, queue->base, &layout);
	shared64_store_fenced(&msgq_header(queue)->qbytes_max, qbytes_max);
	return MSGQ_DONE;
}

/* --- calls --------------------------------------------------------------------------------------- */

int msgq_begin(struct msgq_call *call, struct msgq *queue, const struct actor *actor,
	       struct wakes *wakes)
{
	*call = (struct msgq_call){
		.queue = queue,
		.header = msgq_header(queue),
		.actor = actor,
		.wakes = wakes,
		.budget = MCAS_ROUNDS_MAX + 4 * (uint64_t)queue->layout.n_blocks,
		.entry = MSGQ_NONE,
		.sleeper = MSGQ_NONE,
	};
	if (wakes)
		wakes->n = 0;
	return msgq_check_mapping(call);
}

int msgq_check_mapping(const struct msgq_call *call)
{
	uint64_t bound = call->queue->layout.qbytes_max;
	uint64_t qbytes_max = shared64_load(&call->header->qbytes_max);

	if (qbytes_max == bound)
		return MSGQ_DONE;
	return qbytes_max > bound && qbytes_max <= MSG_TEXT_MAX ? MSGQ_REMAP : MSGQ_E_CORRUPT;
}

int msgq_check_block(const struct msgq_call *call, uint32_t block)
{
	if (block < call->queue->layout.n_blocks)
		return MSGQ_DONE;
	return msgq_check_mapping(call) == MSGQ_REMAP ? MSGQ_REMAP : MSGQ_E_CORRUPT;
}

int msgq_commit(struct msgq_call *call, const struct mcas_op *op)
{
	switch (mcas_commit(&call->queue->mcas, call->actor, op)) {
	case MCAS_DONE:
		return MSGQ_DONE;
	case MCAS_CHANGED:
	case MCAS_ABORTED:
		return MSGQ_AGAIN;
	case MCAS_E_BUSY:
		msgq_charge(call, MSGQ_STEPS_BUSY);
		return MSGQ_AGAIN;
	default:
		return MSGQ_E_CORRUPT;
	}
}

int msgq_bump(struct msgq_call *call, uint32_t word)
{
	uint64_t old;
	int outcome;

	while (msgq_step(call)) {
		if (!msgq_read(call, word, &old))
			return MSGQ_E_CORRUPT;
		outcome = mcas_change_one(&call->queue->mcas, word, old,
					  mcas_next(old, mcas_payload(old)));
		if (outcome == MCAS_DONE)
			return MSGQ_DONE;
		if (outcome != MCAS_CHANGED)
			return MSGQ_E_CORRUPT;
	}
	return MSGQ_E_BUSY;
}

/* --- storage ------------------------------------------------------------------------------------- */

uint32_t msgq_backed_blocks(const struct msgq *queue)
{
	return u32_min(shared32_load(&msgq_header(queue)->backed_blocks), queue->layout.n_blocks);
}

uint32_t msgq_backed_sleepers(const struct msgq *queue)
{
	return u32_min(shared32_load(&msgq_header(queue)->backed_sleepers),
		       queue->layout.n_sleepers);
}

static void growth_add(struct msgq_growth *growth, const struct msgq *queue, uint64_t off,
		       uint64_t end)
{
	off = off / MSGQ_PAGE * MSGQ_PAGE;
	end = ALIGN_UP(end, MSGQ_PAGE);
	if (end > queue->layout.size)
		end = queue->layout.size;
	if (off >= end)
		return;
	growth->ranges[growth->n_ranges].off = off;
	growth->ranges[growth->n_ranges].size = end - off;
	growth->n_ranges++;
}

void msgq_growth(const struct msgq *queue, struct msgq_growth *ret_growth)
{
	const struct msgq_layout *layout = &queue->layout;
	struct msgq_header *header = msgq_header(queue);
	uint32_t blocks = msgq_backed_blocks(queue);
	uint32_t sleepers = msgq_backed_sleepers(queue);
	uint32_t want_blocks = u32_min(shared32_load(&header->wanted_blocks), layout->n_blocks);
	uint32_t want_sleepers = u32_min(shared32_load(&header->wanted_sleepers), layout->n_sleepers);
	struct msgq_growth growth = { .n_blocks = blocks, .n_sleepers = sleepers };

	if (want_blocks > blocks) {
		growth_add(&growth, queue, layout->blocks_off + (uint64_t)blocks * MSGQ_BLOCK_SIZE,
			   layout->blocks_off + (uint64_t)want_blocks * MSGQ_BLOCK_SIZE);
		growth.n_blocks = want_blocks;
	}
	if (want_sleepers > sleepers) {
		growth_add(&growth, queue, layout->words_off + (uint64_t)sleepers * 8,
			   layout->words_off + (uint64_t)want_sleepers * 8);
		growth_add(&growth, queue,
			   layout->records_off + (uint64_t)sleepers * sizeof(struct msgq_record),
			   layout->records_off + (uint64_t)want_sleepers * sizeof(struct msgq_record));
		growth.n_sleepers = want_sleepers;
	}
	*ret_growth = growth;
}

static void watermark_raise(struct shared32 *watermark, uint32_t to)
{
	uint32_t seen;
	uint32_t rounds;

	for (rounds = 0; rounds < MCAS_ROUNDS_MAX; rounds++) {
		seen = shared32_load(watermark);
		if (seen >= to || shared32_cas(watermark, seen, to))
			return;
	}
}

void msgq_growth_done(struct msgq *queue, const struct msgq_growth *growth)
{
	watermark_raise(&msgq_header(queue)->backed_blocks, growth->n_blocks);
	watermark_raise(&msgq_header(queue)->backed_sleepers, growth->n_sleepers);
}

/* --- control ------------------------------------------------------------------------------------- */

/* cbytes and qnum of one moment, unless others never leave us one. */
static void stat_counts(struct msgq_call *call, struct msgq_stat *stat)
{
	uint64_t bytes = 0, count = 0;
	uint32_t tries;

	for (tries = 0; tries < SNAPSHOT_TRIES; tries++) {
		if (!msgq_read(call, WORD_BYTES, &bytes) || !msgq_read(call, WORD_COUNT, &count))
			return;
		if (msgq_still(call, WORD_BYTES, bytes))
			break;
	}
	stat->cbytes = mcas_payload(bytes) >> 1;
	stat->qnum = mcas_payload(count);
}

void msgq_get_stat(struct msgq *queue, struct msgq_stat *ret_stat)
{
	struct msgq_header *header = msgq_header(queue);
	struct msgq_stat stat = { .qbytes = shared64_load(&header->qbytes) };
	struct msgq_call call;

	(void)msgq_begin(&call, queue, NULL, NULL); /* an older mapping has all we need */
	stat_counts(&call, &stat);
	stat.lspid = shared32_load(&header->lspid);
	stat.lrpid = shared32_load(&header->lrpid);
	stat.stime_s = (int64_t)shared64_load(&header->stime_s);
	stat.rtime_s = (int64_t)shared64_load(&header->rtime_s);
	stat.ctime_s = (int64_t)shared64_load(&header->ctime_s);
	*ret_stat = stat;
}

int msgq_settle(struct msgq *queue, const struct actor *actor, struct wakes *ret_wakes)
{
	struct msgq_call call;
	int outcome = msgq_begin(&call, queue, actor, ret_wakes);

	if (outcome)
		return outcome;
	msgq_wake_senders(&call);
	msgq_wake_receivers(&call);
	return MSGQ_DONE;
}

int msgq_set(struct msgq *queue, const struct actor *actor, uint64_t qbytes, struct wakes *ret_wakes)
{
	struct msgq_call call;
	uint64_t ticket;
	int outcome = msgq_begin(&call, queue, actor, ret_wakes);

	if (outcome)
		return outcome;
	if (qbytes > queue->layout.qbytes_max)
		return MSGQ_E_INVAL;
	shared64_store_fenced(&call.header->qbytes, qbytes);
	shared64_store(&call.header->ctime_s, (uint64_t)actor->now_s);
	ticket = shared64_add(&call.header->clock, 1); /* all who sleep now have an older one */
	shared64_store_fenced(&call.header->recheck, ticket);
	outcome = msgq_bump(&call, WORD_BYTES);
	if (outcome == MSGQ_DONE)
		outcome = msgq_bump(&call, WORD_TAIL);
	if (outcome)
		return outcome;
	msgq_wake_senders(&call);
	msgq_wake_receivers(&call);
	return MSGQ_DONE;
}

bool msgq_is_removed(const struct msgq *queue)
{
	return shared64_load(&msgq_header(queue)->removed) != 0;
}

int msgq_remove(struct msgq *queue, const struct actor *actor, struct wakes *ret_wakes)
{
	struct msgq_picks picks;
	struct msgq_call call;
	int outcome = msgq_begin(&call, queue, actor, ret_wakes);

	if (outcome)
		return outcome;
	shared64_store_fenced(&call.header->removed, 1);
	outcome = msgq_bump(&call, WORD_BYTES);
	if (outcome == MSGQ_DONE)
		outcome = msgq_bump(&call, WORD_TAIL);
	if (outcome == MSGQ_DONE)
		outcome = msgq_pick_all(&call, &picks);
	if (outcome)
		return outcome;
	msgq_end_picks(&call, &picks, RESULT_REMOVED);
	return picks.n_waiting > picks.n ? MSGQ_MORE : MSGQ_DONE;
}

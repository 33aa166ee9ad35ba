/*
 * msgq.c: the message queue's file, and what the files of this unit share.
 *
 * Every change of the queue is one commit that moves the guard from one root to the next
 * (msgq-txn.c), made from what was read while the guard stood still.  So the rest is sequential
 * code: what it read is of one moment, or its commit fails; and what makes no sense is the file's fault
 * only if the guard still is what it was.
 *
 * Invariants, in the order msgq_verify checks them on a quiet file:
 *  1. The header names the layout; an entry without an owner holds nothing; no sleeper without an
 *     owner sleeps.
 *  2. The queue is the messages that head and each message's next lead to, as far as the tail, and tail
 *     and each previous lead back, as far as the head, in the order in which they came.  Their number is
 *     count; their lengths add up to the bytes.
 *  3. A message is a chain of exactly as many blocks as its length needs.
 *  4. The index leads to the newest message of each type, and its ring has all of them, in their
 *     order, from the oldest on, which it leads to or, where there is but one type, is the head; a
 *     node's two sides differ in its bit and agree in all above it, with each other and with the type
 *     the node has.
 *  5. The free list starts at the free field and ends at the first block of its arena that was never
 *     used, from which on every block is free and leads, by NEXT_IMPLICIT, to the one after it.  So a
 *     file that is made larger has more free blocks without any change to the list.
 *  6. Each block of that arena is in the free list, in one chain, or a node, and only once.  Those of the
 *     other one are nobody's.
 *
 * And those that hold at every step:
 *  7. A chain belongs to exactly one word: a next word or the head (in the queue), an entry's held
 *     word (a call is filling or reading it, or keeps it for its next message), or a sleeper's state
 *     (handed off); a node to a reference or an entry's node word.  They move from one to another,
 *     and from and to the free list, in single commits; so whoever is killed, it is owned by a word
 *     that names, through its entry or record, the client whose recovery finds it.
 *  8. Text, type and length change only while an entry owns the chain, and only by that call; and
 *     after the message's next word has changed.
 *  9. All that decides an outcome is in the root or depends on it: also qbytes, "removed", and the
 *     states of sleepers.  A sleeper registers in such a commit, so nothing came between its last
 *     look and its sleep; and that commit sets a flag, so who changes the queue knows.
 * 10. No commit starts from a word of a block that is 0, its value before its first use.  It is 0 again
 *     when its storage was given back, and then nobody is left who may hold one of its old values
 *     (msgq-trim.c).
 */
#include "core/msgq-internal.h"

#include <string.h>

/* Messages the blocks are counted for; beyond it a queue of tiny messages is E_NOMEM (MSG-3). */
#define MESSAGES_MAX (UINT64_C(1) << 20)
#define SLACK_BLOCKS (MSGQ_ENTRIES_ALL * (MSGQ_KEEP_MAX + 2u))
#define SLACK_BLOCKS_MAX 65536u

STATIC_ASSERT(sizeof(struct msgq_record) == 48);
/* Block numbers fit a sleeper's argument and a reference, and block words a 32-bit index. */
STATIC_ASSERT(2 * (2 * MESSAGES_MAX + SLACK_BLOCKS + SLACK_BLOCKS_MAX +
		   6 * (MSG_TEXT_MAX / MSGQ_FIRST_BYTES) + 2 * MSGQ_CHUNK) <
	      MSGQ_BLOCKS_MAX);
STATIC_ASSERT(MSGQ_BLOCKS_MAX + RESULT_BASE < UINT64_C(1) << 30);

uint64_t msgq_blocks_for(uint64_t size)
{
	if (size <= MSGQ_FIRST_BYTES)
		return 1;
	return 1 + (size - MSGQ_FIRST_BYTES + MSGQ_FOLLOW_BYTES - 1) / MSGQ_FOLLOW_BYTES;
}

/*
 * Room for every queue that MSG-3 admits: a block a message, one for its type in the index, and each
 * further block of a message stands for more than MSGQ_FIRST_BYTES of its text.  To that comes
 * what entries keep and what calls under way hold.  All of it in either arena.
 */
static uint64_t blocks_max(uint64_t qbytes_max)
{
	uint64_t messages = qbytes_max < MESSAGES_MAX ? qbytes_max : MESSAGES_MAX;
	uint64_t largest = msgq_blocks_for(qbytes_max);
	uint64_t slack = MSGQ_ENTRIES_ALL * largest;

	if (slack > SLACK_BLOCKS_MAX)
		slack = SLACK_BLOCKS_MAX;
	return 2 * messages + qbytes_max / (MSGQ_FIRST_BYTES + 1) + SLACK_BLOCKS + slack +
	       4 * largest;
}

int msgq_layout(uint64_t qbytes_max, struct msgq_layout *ret_layout)
{
	struct msgq_layout layout = { .qbytes_max = qbytes_max };

	if (qbytes_max > MSG_TEXT_MAX)
		return MSGQ_E_INVAL;
	layout.n_blocks = 2 * (uint32_t)ALIGN_UP(blocks_max(qbytes_max), MSGQ_CHUNK);
	layout.n_sleepers = SLEEPER_MAX;
	layout.common_size = 2 * MSGQ_PAGE;
	layout.slots_off = (1 + MSGQ_PAGES) * (uint64_t)MSGQ_PAGE;
	layout.words_off = ALIGN_UP(layout.slots_off + mcas_slots_size(), MSGQ_PAGE);
	layout.records_off = ALIGN_UP(layout.words_off + layout.n_sleepers * UINT64_C(8), MSGQ_PAGE);
	layout.blocks_off = ALIGN_UP(layout.records_off +
				     layout.n_sleepers * sizeof(struct msgq_record), MSGQ_PAGE);
	layout.size = ALIGN_UP(layout.blocks_off + layout.n_blocks * (uint64_t)MSGQ_BLOCK_SIZE,
			       MSGQ_PAGE);
	*ret_layout = layout;
	return 0;
}

void msgq_format(void *base, const struct msgq_layout *layout, uint64_t qbytes, int64_t now_s)
{
	struct msgq_header *header = base;

	ASSERT(qbytes <= layout->qbytes_max);
	shared32_store(&header->version, MSGQ_VERSION);
	shared64_store(&header->qbytes_max, layout->qbytes_max);
	msgq_root_format(header, (uint32_t)qbytes);
	shared64_store(&header->ctime_s, (uint64_t)now_s);
	shared64_store(&header->clock, 1); /* ticket 0 is below every sleeper's */
	shared64_store(&header->magic, MSGQ_MAGIC); /* last: a file half formatted is no queue */
}

static void queue_attach(struct msgq *queue, void *base, const struct msgq_layout *layout)
{
	struct msgq_header *header = base;

	queue->base = base;
	queue->is_fenced_from_outside = false;
	queue->layout = *layout;
	queue->blocks = (struct shared64 *)(void *)((uint8_t *)base + layout->blocks_off);
	queue->blocks_word = (uint32_t)(layout->blocks_off / 8);
	mcas_init(&queue->mcas, base, layout->size, layout->slots_off);
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

	if (size < 2 * MSGQ_PAGE || (uintptr_t)base % MSGQ_BLOCK_SIZE != 0)
		return MSGQ_E_CORRUPT;
	if (shared64_load(&header->magic) != MSGQ_MAGIC ||
	    shared32_load(&header->version) != MSGQ_VERSION)
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
	call->queue = queue;
	call->header = msgq_header(queue);
	call->is_reader = actor == NULL;
	call->actor = actor;
	call->hint = actor ? actor->hint : MSGQ_HINT_NONE;
	call->wakes = wakes;
	call->budget = MCAS_ROUNDS_MAX + 4 * (uint64_t)queue->layout.n_blocks;
	call->broken = false;
	call->is_resident = false;
	call->is_short = false;
	call->is_streak = false;
	call->entry = MSGQ_NONE;
	call->sleeper = MSGQ_NONE;
	call->receipt = 0;
	call->expected = 0;
	if (wakes)
		wakes->n = 0;
	return msgq_check_mapping(call);
}

int msgq_judge_mapping(const struct msgq_call *call)
{
	uint64_t bound = call->queue->layout.qbytes_max;
	uint64_t qbytes_max = shared64_load(&call->header->qbytes_max);

	if (qbytes_max == bound)
		return MSGQ_DONE;
	return qbytes_max > bound && qbytes_max <= MSG_TEXT_MAX ? MSGQ_REMAP : MSGQ_E_CORRUPT;
}

int msgq_lost(const struct msgq_call *call)
{
	int outcome = msgq_check_mapping(call);

	return outcome == MSGQ_DONE ? MSGQ_E_CORRUPT : outcome;
}

/* --- storage ------------------------------------------------------------------------------------- */

uint32_t msgq_backed_sleepers(const struct msgq *queue)
{
	return u32_min(shared32_load(&msgq_header(queue)->backed_sleepers),
		       queue->layout.n_sleepers);
}

/* Of the file, whose size is a multiple of a page; off is below end. */
static void growth_add(struct msgq_growth *growth, uint64_t off, uint64_t end)
{
	off = off / MSGQ_PAGE * MSGQ_PAGE;
	growth->ranges[growth->n_ranges].off = off;
	growth->ranges[growth->n_ranges].size = ALIGN_UP(end, MSGQ_PAGE) - off;
	growth->n_ranges++;
}

void msgq_growth(const struct msgq *queue, struct msgq_growth *ret_growth)
{
	const struct msgq_layout *layout = &queue->layout;
	struct msgq_header *header = msgq_header(queue);
	uint32_t sleepers = msgq_backed_sleepers(queue);
	uint32_t want_blocks = u32_min(shared32_load(&header->wanted_blocks), layout->n_blocks), blocks;
	uint32_t want_sleepers = u32_min(shared32_load(&header->wanted_sleepers), layout->n_sleepers);
	struct msgq_growth growth = { .n_sleepers = sleepers };
	uint32_t page;

	if (want_blocks > 0) {
		growth.backed = shared64_load(&header->backed_blocks[msgq_arena(want_blocks - 1)]);
		growth.n_blocks = u32_min((uint32_t)growth.backed, layout->n_blocks);
	}
	if (want_blocks > growth.n_blocks) {
		blocks = (want_blocks - 1) / MSGQ_CHUNK * MSGQ_CHUNK; /* all of the arena before is there */
		if (blocks < growth.n_blocks)
			blocks = growth.n_blocks;
		growth_add(&growth, layout->blocks_off + (uint64_t)blocks * MSGQ_BLOCK_SIZE,
			   layout->blocks_off + (uint64_t)want_blocks * MSGQ_BLOCK_SIZE);
		growth.n_blocks = want_blocks;
	}
	if (want_sleepers > sleepers) {
		growth_add(&growth, layout->words_off + (uint64_t)sleepers * 8,
			   layout->words_off + (uint64_t)want_sleepers * 8);
		growth_add(&growth,
			   layout->records_off + (uint64_t)sleepers * sizeof(struct msgq_record),
			   layout->records_off + (uint64_t)want_sleepers * sizeof(struct msgq_record));
		growth.n_sleepers = want_sleepers;
	}
	page = shared32_load(&header->wanted_page);
	if (page > 0 && page < MSGQ_PAGES && !(shared32_load(&header->backed_pages) >> page & 1)) {
		growth_add(&growth, (1 + (uint64_t)page) * MSGQ_PAGE, (2 + (uint64_t)page) * MSGQ_PAGE);
		growth.page = page;
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

/* Not if the storage has been given back since. */
static void blocks_raise(struct msgq *queue, const struct msgq_growth *growth)
{
	struct shared64 *watermark;
	uint64_t seen;
	uint32_t rounds;

	if (growth->n_blocks <= (uint32_t)growth->backed)
		return;
	watermark = &msgq_header(queue)->backed_blocks[msgq_arena(growth->n_blocks - 1)];
	for (rounds = 0; rounds < MCAS_ROUNDS_MAX; rounds++) {
		seen = shared64_load(watermark);
		if (seen >> 32 != growth->backed >> 32 || (uint32_t)seen >= growth->n_blocks ||
		    shared64_cas(watermark, seen, (seen >> 32) << 32 | growth->n_blocks))
			return;
	}
}

void msgq_growth_done(struct msgq *queue, const struct msgq_growth *growth)
{
	struct shared32 *pages = &msgq_header(queue)->backed_pages;
	uint32_t seen, rounds;

	blocks_raise(queue, growth);
	watermark_raise(&msgq_header(queue)->backed_sleepers, growth->n_sleepers);
	for (rounds = 0; growth->page != 0 && rounds < MCAS_ROUNDS_MAX; rounds++) {
		seen = shared32_load(pages);
		if ((seen >> growth->page & 1) ||
		    shared32_cas(pages, seen, seen | UINT32_C(1) << growth->page))
			return;
	}
}

/* --- control ------------------------------------------------------------------------------------- */

void msgq_get_stat(struct msgq *queue, struct msgq_stat *ret_stat)
{
	struct msgq_header *header = msgq_header(queue);
	struct msgq_stat stat;
	struct msgq_call call;

	(void)msgq_begin(&call, queue, NULL, NULL); /* an older mapping has all we need */
	msgq_txn_begin(&call);
	stat.cbytes = msgq_bytes(&call);
	stat.qnum = call.txn.now[FIELD_COUNT];
	stat.qbytes = call.txn.now[FIELD_QBYTES];
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

	if (outcome == MSGQ_DONE)
		outcome = msgq_enter(&call, false);
	if (outcome)
		return outcome;
	msgq_wake_senders(&call);
	msgq_wake_receivers(&call);
	msgq_entry_leave(&call);
	return MSGQ_DONE;
}

/* Sets flags, and qbytes unless it is MSGQ_NONE, whoever is in the way. */
static int state_mark(struct msgq_call *call, uint32_t flags, uint32_t qbytes)
{
	int outcome;

	call->hint = MSGQ_HINT_NONE; /* nothing here is to be kept */
	outcome = msgq_enter(call, true);
	if (outcome)
		return outcome;
	do {
		if (!msgq_step(call))
			return MSGQ_E_BUSY;
		msgq_txn_begin(call);
		call->txn.next[FIELD_BYTES] |= flags;
		if (qbytes != MSGQ_NONE)
			call->txn.next[FIELD_QBYTES] = qbytes;
		outcome = msgq_txn_commit(call);
	} while (outcome == MSGQ_AGAIN);
	return outcome;
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
	shared64_store(&call.header->ctime_s, (uint64_t)actor->now_s);
	ticket = shared64_add(&call.header->clock, 1); /* all who sleep now have an older one */
	shared64_store_fenced(&call.header->recheck, ticket);
	outcome = state_mark(&call, 0, (uint32_t)qbytes);
	if (outcome == MSGQ_DONE) {
		msgq_wake_senders(&call);
		msgq_wake_receivers(&call);
	}
	msgq_entry_leave(&call);
	return outcome;
}

bool msgq_is_removed(const struct msgq *queue)
{
	struct msgq bound = *queue;
	struct msgq_call call;

	(void)msgq_begin(&call, &bound, NULL, NULL); /* likewise */
	msgq_txn_begin(&call);
	return msgq_flags(&call) & FLAG_REMOVED;
}

int msgq_remove(struct msgq *queue, const struct actor *actor, struct wakes *ret_wakes)
{
	struct msgq_call call;
	int outcome = msgq_begin(&call, queue, actor, ret_wakes);

	if (outcome)
		return outcome;
	outcome = state_mark(&call, FLAG_REMOVED, MSGQ_NONE);
	if (outcome == MSGQ_DONE)
		outcome = msgq_wake_all(&call);
	msgq_entry_leave(&call);
	return outcome;
}

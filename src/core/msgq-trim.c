/*
 * msgq-trim.c: how storage that the queue no longer needs is given back.
 *
 * The blocks are two arenas.  All that are in use, and all that are free to take, are of one of them.
 * When the queue is empty the trimmer takes back what idle threads keep, so that every block of the
 * arena is free; one commit, the flip, makes the first block of the other arena the first free one.
 * The storage of the arena that is left behind is then nobody's.  It is taken away as a whole, reads as zero
 * from then on, and is so taken into use by a later flip.  Nothing has to be put back: a trimmer who is
 * stopped or killed anywhere leaves a queue that lacks nothing, and only keeps its storage.
 *
 * What must not happen is that anybody still looks at a block whose storage has been taken away: that
 * brings the storage back, and where there is none left ends the process with SIGBUS; nor that a change
 * that comes late finds there a version it has seen before.  So every call says that it is inside
 * before it looks at anything, and not before it has ended that it is not (msgq_enter).
 *
 * Why it is right:
 *  a. Storage is taken away when each entry was seen outside at some time after the flip.  Who comes
 *     inside later than that reads the guard later than the flip, and from there finds no way to a block of
 *     the arena left behind.
 *  b. What idle threads' entries hold is taken, and the flip made, by commits between whose begin and CAS
 *     every thread was seen outside, and `closing` was still set after that.  Who comes inside says so,
 *     then looks at `closing`.  If it is set, he moves the guard on, carries out what follows from the last
 *     commit, and clears it: so a commit of the trimmer that was begun before fails, or has happened before
 *     he looks at what his entry holds.  If it is clear, he said so before the trimmer set it, and
 *     is seen; or somebody else has cleared it.  That one had moved the guard before: before the
 *     trimmer's begin, and then he is seen inside himself, or `closing` clear; or after it, and the
 *     commit fails.
 *  c. That a store is seen before a later load takes a barrier.  The trimmer's, on all threads there are, is
 *     one for those who come inside, which so pay nothing.
 *  d. One client at a time is the trimmer.  When it is killed its recovery ends that: it takes away nothing
 *     any more.  One that is stopped may do it whenever it goes on, as the arena is left behind until then.
 *  e. Who has asked for storage (msgq_growth) is not inside.  What he says is backed counts only in the
 *     epoch in which he asked; storage that came too late for that is zero and does no harm.
 */
#include "core/msgq-internal.h"

/* Looks at somebody who is inside: a call that runs ends within that time. */
#if SLEEPER_MAX > 128
#define TRIM_PATIENCE 2048u
#else
#define TRIM_PATIENCE 2u
#endif

static uint64_t backed_of(const struct msgq_call *call, uint32_t arena)
{
	return shared64_load(&call->header->backed_blocks[arena]);
}

static bool is_closing(const struct msgq_call *call)
{
	return shared32_load(&call->header->closing) != 0;
}

void msgq_trim_cancel(struct msgq_call *call)
{
	msgq_txn_begin(call);
	(void)msgq_txn_commit(call); /* if this comes too late, somebody else has moved the guard ... */
	msgq_txn_begin(call); /* ... perhaps the trimmer, and what follows from that is done here */
	(void)shared32_cas(&call->header->closing, 1, 0);
}

void msgq_trim_recover(struct msgq_call *call, uint64_t client)
{
	struct msgq_header *header = call->header;

	if (shared64_load(&header->trimmer) != client)
		return;
	(void)shared32_cas(&header->closing, 1, 0);
	shared32_store(&header->trim_due, 1); /* what it has left behind */
	(void)shared64_cas(&header->trimmer, client, 0);
}

/* --- whether ------------------------------------------------------------------------------------- */

bool msgq_trim_is_due(struct msgq *queue, int64_t now_s)
{
	struct shared32 *due = &msgq_header(queue)->trim_due;
	uint32_t seen = shared32_load(due), arena;
	struct msgq_call call;

	if (seen == 0 || seen == (uint32_t)now_s + 2 || !shared32_cas(due, seen, 0))
		return false;
	if (msgq_begin(&call, queue, NULL, NULL))
		return false;
	msgq_txn_begin(&call);
	arena = msgq_arena(call.txn.now[FIELD_FREE]);
	return (uint32_t)backed_of(&call, 1 - arena) != 0 ||
	       (call.txn.now[FIELD_COUNT] == 0 &&
		(uint32_t)backed_of(&call, arena) > msgq_arena_first(arena) + MSGQ_TRIM_MIN);
}

bool msgq_trim_begin(struct msgq *queue, const struct actor *actor)
{
	return shared64_cas(&msgq_header(queue)->trimmer, 0, actor->client);
}

void msgq_trim_end(struct msgq *queue, const struct actor *actor, bool again)
{
	struct msgq_header *header = msgq_header(queue);

	shared32_store(&header->closing, 0);
	if (again)
		shared32_store(&header->trim_due, (uint32_t)actor->now_s + 2);
	(void)shared64_cas(&header->trimmer, actor->client, 0);
}

/* --- the flip ------------------------------------------------------------------------------------ */

void msgq_trim_close(struct msgq *queue)
{
	(void)shared32_cas(&msgq_header(queue)->closing, 0, 1);
}

/* Asked between a commit's begin and its CAS; in this order. */
static bool nobody_is_inside(const struct msgq_call *call)
{
	uint32_t i;

	for (i = 0; i < MSGQ_ENTRIES_ALL; i++) {
		if (i != call->entry && msgq_entry_is_inside(call, i))
			return false;
	}
	return is_closing(call);
}

/* Takes back what entries keep.  DONE, BLOCKED: one of them is in use, or an outcome. */
static int entries_take(struct msgq_call *call)
{
	uint32_t i;
	int outcome = msgq_entry_empty(call, call->entry, NULL);

	for (i = 0; i < MSGQ_ENTRIES_ALL && outcome == MSGQ_DONE; i++) {
		if (i != call->entry && shared64_load(&call->header->entries[i].owner) != 0)
			outcome = msgq_entry_empty(call, i, nobody_is_inside);
	}
	return outcome;
}

/* Whether every block of the arena in use is free. */
static bool all_is_free(struct msgq_call *call)
{
	uint32_t i, end = u32_min(sleeper_scan_end(&call->queue->sleepers),
				  msgq_backed_sleepers(call->queue));
	uint64_t state;

	if (call->txn.now[FIELD_COUNT] != 0 || call->txn.now[FIELD_TREE] != 0)
		return false;
	for (i = 0; i < MSGQ_ENTRIES_ALL; i++) {
		if (mcas_payload(msgq_look(call, ENTRY_HELD(i))) != 0 ||
		    mcas_payload(msgq_look(call, ENTRY_NODE(i))) != 0)
			return false;
	}
	for (i = 0; i < end; i++) {
		state = msgq_look(call, sleeper_word(&call->queue->sleepers, i));
		if (sleeper_state(state) == SLEEPER_DONE && sleeper_argument(state) >= RESULT_BASE)
			return false;
	}
	return true;
}

/* DONE; AGAIN: somebody is inside, or was; BLOCKED; or an outcome. */
static int flip_try(struct msgq_call *call)
{
	uint32_t arena;
	int outcome = entries_take(call);

	if (outcome)
		return outcome == MSGQ_BLOCKED ? MSGQ_AGAIN : outcome;
	msgq_txn_begin(call);
	arena = 1 - msgq_arena(call->txn.now[FIELD_FREE]);
	if ((msgq_flags(call) & FLAG_REMOVED) || (uint32_t)backed_of(call, arena) != 0 ||
	    !all_is_free(call))
		return msgq_txn_judge(call, MSGQ_BLOCKED);
	call->txn.next[FIELD_FREE] = msgq_arena_first(arena);
	call->txn.next[FIELD_SKIP] = 0;
	if (!nobody_is_inside(call))
		return MSGQ_AGAIN;
	return msgq_txn_commit(call);
}

int msgq_trim_flip(struct msgq *queue, const struct actor *actor)
{
	struct msgq_call call;
	uint32_t tries = 0;
	int outcome = msgq_begin(&call, queue, actor, NULL);

	if (outcome == MSGQ_DONE)
		outcome = msgq_entry_claim(&call, false);
	if (outcome)
		return outcome;
	do {
		outcome = flip_try(&call);
		if (outcome == MSGQ_AGAIN)
			shared_pause();
	} while (outcome == MSGQ_AGAIN && is_closing(&call) && ++tries < TRIM_PATIENCE);
	msgq_entry_leave(&call);
	return outcome == MSGQ_AGAIN ? MSGQ_E_BUSY : outcome;
}

/* --- what has been left behind ------------------------------------------------------------------- */

bool msgq_trim_left(struct msgq *queue, struct msgq_trim *ret_trim)
{
	struct msgq_trim trim;
	struct msgq_call call;

	if (msgq_begin(&call, queue, NULL, NULL))
		return false;
	msgq_txn_begin(&call);
	trim.arena = 1 - msgq_arena(call.txn.now[FIELD_FREE]);
	trim.backed = backed_of(&call, trim.arena);
	trim.block = msgq_arena_first(trim.arena);
	if ((uint32_t)trim.backed == 0 || (uint32_t)trim.backed > queue->layout.n_blocks)
		return false;
	*ret_trim = trim;
	return true;
}

bool msgq_trim_is_quiet(struct msgq *queue)
{
	struct msgq_call call;
	uint32_t i, tries;

	if (msgq_begin(&call, queue, NULL, NULL))
		return false;
	for (i = 0; i < MSGQ_ENTRIES_ALL; i++) {
		for (tries = 0; msgq_entry_is_inside(&call, i); tries++) {
			if (tries == TRIM_PATIENCE)
				return false;
			shared_pause();
		}
	}
	return true;
}

bool msgq_trim_next(const struct msgq *queue, struct msgq_trim *trim, uint64_t *ret_off,
		    uint64_t *ret_size)
{
	uint32_t end = (uint32_t)trim->backed, chunk_end = trim->block + MSGQ_CHUNK;

	if (trim->block >= end)
		return false;
	end = u32_min(end, chunk_end);
	*ret_off = queue->layout.blocks_off + trim->block * (uint64_t)MSGQ_BLOCK_SIZE;
	*ret_size = ALIGN_UP((end - trim->block) * (uint64_t)MSGQ_BLOCK_SIZE, MSGQ_PAGE);
	trim->block = chunk_end + MSGQ_CHUNK;
	return true;
}

void msgq_trim_done(struct msgq *queue, const struct msgq_trim *trim)
{
	(void)shared64_cas(&msgq_header(queue)->backed_blocks[trim->arena], trim->backed,
			   ((trim->backed >> 32) + 1) << 32);
}

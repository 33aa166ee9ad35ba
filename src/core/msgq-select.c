/*
 * msgq-select.c: finding the message a receive wants.
 *
 * By 0 it is the head; by type and by the lowest type the index has it (msgq-index.c).  "Not this
 * type" is the head, or else the first behind the head's run of messages of one type: FIELD_SKIP
 * remembers how far that run was seen to reach, so that each message is passed once in its life.
 */
#include "core/msgq-internal.h"

/* Messages passed in one go, and how many of them are worth remembering; fewer where that is proved. */
#ifndef SKIP_STEPS_MAX
#define SKIP_STEPS_MAX 4096u
#define SKIP_STEPS_NOTED 64u
#endif

/* Tries for a position in a queue that others change; then the last look has to do. */
#ifndef POSITION_TRIES
#define POSITION_TRIES 256u
#endif

bool msgq_want_matches(int64_t want, uint32_t flags, int64_t type)
{
	if (want == 0)
		return true;
	if (want > 0)
		return flags & ABI_MSG_EXCEPT ? type != want : type == want;
	return type <= (want == INT64_MIN ? INT64_MAX : -want); /* MSG-13, MSG-14 */
}

static int found_fill(struct msgq_call *call, uint32_t block, struct msgq_found *found)
{
	uint64_t length = msgq_block_plain(call, block, BLOCK_LENGTH);

	found->block = block;
	found->type = (int64_t)msgq_block_plain(call, block, BLOCK_TYPE);
	found->size = (uint32_t)length;
	found->arrival = (uint32_t)(length >> 32);
	if (found->size > MSG_TEXT_MAX)
		call->broken = true;
	return MSGQ_DONE;
}

/* A message that was found by its place in the queue; the oldest of its type. */
static int found_at(struct msgq_call *call, uint32_t block, struct msgq_found *found)
{
	(void)found_fill(call, block, found);
	msgq_index_locate(call, found->type, &found->path);
	if (found->path.type != found->type)
		call->broken = true;
	return MSGQ_DONE;
}

/* The oldest message of the type that found's path leads to. */
static int found_first(struct msgq_call *call, struct msgq_found *found)
{
	return found_fill(call, msgq_index_oldest(call, &found->path) - 1, found);
}

/* Remembers that up to this message all are of the head's type.  AGAIN, or an outcome. */
static int skip_note(struct msgq_call *call, uint32_t block)
{
	int outcome;

	call->txn.next[FIELD_SKIP] = block + 1;
	outcome = msgq_txn_commit(call);
	return outcome == MSGQ_DONE ? MSGQ_AGAIN : outcome;
}

/* The first message behind the head's run of one type. */
static int select_behind(struct msgq_call *call, int64_t type, struct msgq_found *found)
{
	uint32_t skip = call->txn.now[FIELD_SKIP], steps, next = 0;
	uint32_t block = (skip ? skip : call->txn.now[FIELD_HEAD]) - 1;
	bool is_end = false;

	for (steps = 0; steps < SKIP_STEPS_MAX && !call->broken; steps++) {
		if ((int64_t)msgq_block_plain(call, block, BLOCK_TYPE) != type)
			break;
		next = msgq_next(call, block);
		is_end = next == 0;
		if (is_end)
			break;
		block = next - 1;
	}
	msgq_charge(call, steps / 16);
	if (!call->broken && steps >= SKIP_STEPS_NOTED)
		return skip_note(call, block);
	if (is_end)
		return MSGQ_BLOCKED;
	found->is_behind = true;
	return found_at(call, block, found);
}

int msgq_select(struct msgq_call *call, const struct msgq_want *want, struct msgq_found *ret_found)
{
	uint32_t head = call->txn.now[FIELD_HEAD];
	struct msgq_path *path = &ret_found->path;

	ret_found->is_behind = false;
	if (head == 0)
		return MSGQ_BLOCKED;
	if (want->type < 0) {
		msgq_index_lowest(call, path);
		if (path->last == MSGQ_NONE || !msgq_want_matches(want->type, 0, path->type))
			return MSGQ_BLOCKED;
		return found_first(call, ret_found);
	}
	if (want->type > 0 && !(want->flags & ABI_MSG_EXCEPT)) {
		msgq_index_find(call, want->type, path);
		if (path->last == MSGQ_NONE || path->type != want->type)
			return MSGQ_BLOCKED;
		return found_first(call, ret_found);
	}
	if (want->type > 0 &&
	    (int64_t)msgq_block_plain(call, head - 1, BLOCK_TYPE) == want->type)
		return select_behind(call, want->type, ret_found);
	return found_at(call, head - 1, ret_found);
}

uint32_t msgq_select_later(struct msgq_call *call, uint32_t arrival)
{
	uint32_t next = call->txn.now[FIELD_HEAD], steps;

	for (steps = 0; next != 0 && !call->broken; steps++) {
		if (steps > call->queue->layout.n_blocks)
			call->broken = true;
		if (msgq_arrived_before(arrival, (uint32_t)(msgq_block_plain(call, next - 1,
									     BLOCK_LENGTH) >> 32)))
			return next;
		next = msgq_next(call, next - 1);
	}
	return 0;
}

/* --- MSG_COPY ------------------------------------------------------------------------------------ */

/* The message at a position.  DONE or E_NOMSG; right if the guard holds still. */
static int position_find(struct msgq_call *call, uint64_t position, struct msgq_found *found)
{
	uint32_t next = call->txn.now[FIELD_HEAD];
	uint64_t count = call->txn.now[FIELD_COUNT], i;

	if (count > call->queue->layout.n_blocks)
		call->broken = true; /* or beyond what this mapping shows */
	if (position >= count)
		return MSGQ_E_NOMSG;
	for (i = 0; i < position && !call->broken; i++) {
		next = msgq_next(call, next - 1);
		if (i % 1024 == 1023)
			msgq_charge(call, 64);
		if (call->budget == 0)
			return MSGQ_E_BUSY;
	}
	return found_fill(call, next - 1, found);
}

/* One look.  Sets *ret_found on DONE. */
static int copy_look(struct msgq_call *call, uint64_t position, uint64_t size_max, void *text,
		     struct msgq_found *ret_found)
{
	struct msgq_found found = { 0 };
	uint64_t next = 0;
	int outcome;

	msgq_txn_begin(call);
	if (msgq_flags(call) & FLAG_REMOVED)
		return MSGQ_E_REMOVED;
	outcome = position_find(call, position, &found);
	if (outcome == MSGQ_DONE && found.size > size_max)
		outcome = MSGQ_E_2BIG;
	if (outcome == MSGQ_DONE)
		next = msgq_block_look(call, found.block, BLOCK_NEXT);
	outcome = msgq_txn_judge(call, outcome);
	if (outcome)
		return outcome;
	/* A message's next changes before its text does, so this is its text or is tried again. */
	outcome = msgq_text_copy(call, found.block, text, found.size);
	if (msgq_block_look(call, found.block, BLOCK_NEXT) != next)
		return MSGQ_AGAIN;
	*ret_found = found;
	return outcome;
}

int msgq_copy(struct msgq *queue, int64_t position, uint64_t size_max, bool noerror, void *text,
	      uint64_t *ret_size, int64_t *ret_type)
{
	struct msgq_found found = { 0 };
	struct msgq_call call;
	uint32_t tries = 0;
	int outcome = msgq_begin(&call, queue, NULL, NULL);

	if (outcome)
		return outcome;
	do {
		outcome = copy_look(&call, position < 0 ? UINT64_MAX : (uint64_t)position, size_max,
				    text, &found);
	} while (outcome == MSGQ_AGAIN && ++tries < POSITION_TRIES);
	if (outcome == MSGQ_DONE) {
		*ret_size = found.size;
		*ret_type = found.type;
	}
	if (outcome == MSGQ_AGAIN)
		return MSGQ_E_BUSY;
	if (outcome == MSGQ_E_2BIG && noerror)
		return MSGQ_E_INVAL; /* MSG-26 */
	return outcome;
}

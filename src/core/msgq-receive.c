/*
 * msgq-receive.c: msgrcv.
 *
 * The commit that takes a message out of the queue moves its chain to the call's entry; from then
 * on the text can be copied at leisure.  The chain stays there for what the thread sends next, and
 * goes back to the free list when the thread receives again instead.
 */
#include "core/msgq-internal.h"

/* Adds the words that take the message out of the order of arrival. */
static void unlink_message(struct msgq_call *call, uint32_t block)
{
	uint32_t next = msgq_next(call, block); /* as head and previous have it */
	uint32_t previous = msgq_previous(call, block);

	if (previous == 0) {
		call->txn.next[FIELD_HEAD] = next;
		msgq_block_expect_read(call->queue, next - 1);
	} else if (next != 0) {
		msgq_set_block(call, previous - 1, BLOCK_NEXT, next - 1 + NEXT_BASE);
	}
	if (next == 0)
		call->txn.next[FIELD_TAIL] = previous;
	else if (previous != 0)
		msgq_set_block(call, next - 1, BLOCK_PREVIOUS, previous);
}

/* Remembers how far the head's run of one type goes. */
static void skip_move(struct msgq_call *call, const struct msgq_found *found)
{
	uint32_t next;

	if (!found->is_behind && call->txn.now[FIELD_SKIP] != found->block + 1)
		return;
	next = msgq_next(call, found->block);
	if (next == 0) /* it was the last: the run goes as far as the one before it */
		next = msgq_previous(call, found->block);
	call->txn.next[FIELD_SKIP] = next;
}

/* Adds the words by which the message is the entry's, and what that held is free. */
static void take_in(struct msgq_call *call, uint32_t block)
{
	uint32_t held_word = ENTRY_HELD(call->entry);
	uint64_t held = msgq_look(call, held_word);

	if (mcas_payload(held) != 0)
		msgq_free_push(call, mcas_payload(held) - 1);
	msgq_change(call, held_word, held, block + 1);
}

/* Moves the message from the queue to the entry, or to the record that is the call's receipt. */
static int take_out(struct msgq_call *call, const struct msgq_found *found)
{
	uint32_t cbytes = msgq_bytes(call), *next = call->txn.next;

	msgq_index_remove(call, found->block, &found->path);
	unlink_message(call, found->block);
	skip_move(call, found);
	if (cbytes < found->size || next[FIELD_COUNT] == 0)
		call->broken = true;
	next[FIELD_COUNT]--;
	next[FIELD_BYTES] = (cbytes - found->size) << BYTES_SHIFT | (next[FIELD_BYTES] & FLAGS_ALL);
	if (call->receipt != 0)
		msgq_set_word(call, call->receipt,
			      sleeper_payload(SLEEPER_DONE, RESULT_BASE + found->block));
	else
		take_in(call, found->block);
	return msgq_txn_commit(call);
}

int msgq_receive_step(struct msgq_call *call, const struct msgq_want *want, bool wait,
		      struct msgq_found *ret_found)
{
	int outcome;

	msgq_txn_begin(call);
	if (msgq_flags(call) & FLAG_REMOVED)
		return MSGQ_E_REMOVED;
	outcome = msgq_select(call, want, ret_found);
	if (outcome == MSGQ_DONE && ret_found->size > want->size &&
	    !(want->flags & ABI_MSG_NOERROR))
		outcome = MSGQ_E_2BIG;
	if (outcome != MSGQ_DONE || call->broken)
		outcome = msgq_txn_judge(call, outcome);
	if (outcome == MSGQ_BLOCKED && wait)
		return msgq_register(call, want->type > 0 && !(want->flags & ABI_MSG_EXCEPT)
						   ? MSGQ_KIND_TYPED
						   : MSGQ_KIND_RECEIVER, want);
	/* Blocks beyond our mapping are in use only after the header has said so. */
	if (outcome == MSGQ_DONE)
		outcome = msgq_check_mapping(call);
	call->is_short = ret_found->size <= MSGQ_FIRST_BYTES;
	return outcome == MSGQ_DONE ? take_out(call, ret_found) : outcome;
}

/* The message is the entry's: reads it, lets senders in. */
static int receive_finish(struct msgq_call *call, const struct msgq_want *want,
			  const struct msgq_found *found, const struct msgq_output *output)
{
	uint64_t size = found->size < want->size ? found->size : want->size;
	int outcome;

	msgq_entry_note(call, false);
	msgq_note32(&call->header->lrpid, call->actor->pid);
	msgq_note64(&call->header->rtime_s, (uint64_t)call->actor->now_s);
	call->broken = false;
	outcome = msgq_text_copy(call, found->block, output->text, size);
	if (outcome == MSGQ_DONE) {
		*output->ret_size = size;
		*output->ret_type = found->type;
	}
	/* A chain that cannot be given back is the file's fault, and takes nothing from the message. */
	if (msgq_blocks_for(found->size) > MSGQ_KEEP_MAX)
		(void)msgq_entry_empty(call, call->entry, NULL);
	if (call->txn.next[FIELD_COUNT] == 0)
		msgq_trim_note(call);
	if (msgq_flags(call) & FLAG_SENDERS)
		msgq_wake_senders(call);
	return outcome;
}

static int receive_run(struct msgq_call *call, const struct msgq_want *want,
		       const struct msgq_output *output, struct msgq_sleeper *ret_sleeper)
{
	struct msgq_found found;
	int outcome;

	do {
		outcome = msgq_step(call) ? msgq_receive_step(call, want, ret_sleeper != NULL, &found)
					  : MSGQ_E_BUSY;
	} while (outcome == MSGQ_AGAIN);
	if (outcome == MSGQ_DONE)
		outcome = receive_finish(call, want, &found, output);
	msgq_entry_leave(call);
	msgq_register_end(call, outcome, ret_sleeper);
	return outcome;
}

int msgq_receive(struct msgq *queue, const struct actor *actor, const struct msgq_want *want,
		 void *text, uint64_t *ret_size, int64_t *ret_type, struct wakes *ret_wakes)
{
	return msgq_receive_or_wait(queue, actor, want, text, ret_size, ret_type, ret_wakes, NULL);
}

int msgq_receive_or_wait(struct msgq *queue, const struct actor *actor, const struct msgq_want *want,
			 void *text, uint64_t *ret_size, int64_t *ret_type, struct wakes *ret_wakes,
			 struct msgq_sleeper *ret_sleeper)
{
	const struct msgq_output output = { text, ret_size, ret_type };
	struct msgq_call call;
	int outcome = msgq_begin(&call, queue, actor, ret_wakes);

	if (outcome == MSGQ_DONE)
		outcome = msgq_enter(&call, true);
	return outcome ? outcome : receive_run(&call, want, &output, ret_sleeper);
}

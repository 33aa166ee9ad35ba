/*
 * msgq-receive.c: msgrcv.
 *
 * The commit that takes a message out moves its chain to the call's entry, together with the byte
 * and message counts; from then on the text can be copied at leisure.
 */
#include "core/msgq-internal.h"

/* The tail's payload without the message, if it was the last. */
static int tail_without(const struct msgq_found *found, uint64_t tail, uint32_t *ret_payload)
{
	uint32_t last = mcas_payload(tail) >> 1;

	if (last != found->block + 1)
		return MSGQ_E_CORRUPT;
	last = found->before_block == MSGQ_NONE ? 0 : found->before_block + 1;
	*ret_payload = last << 1 | (mcas_payload(tail) & FLAG_SLEEPERS);
	return MSGQ_DONE;
}

/*
 * Whether the values it is about to be taken out by are of one moment, so that what is wrong about
 * them is wrong about the file.
 */
static int take_out_judge(struct msgq_call *call, const struct msgq_found *found, uint64_t bytes)
{
	if (msgq_still(call, found->before_word, found->before) &&
	    msgq_still(call, msgq_block_word(call->queue, found->block, MSGQ_BLOCK_NEXT),
		       found->next) &&
	    msgq_still(call, WORD_BYTES, bytes))
		return MSGQ_E_CORRUPT;
	return MSGQ_AGAIN;
}

/* Moves the message from the queue to the entry. */
static int take_out(struct msgq_call *call, const struct msgq_found *found, uint64_t bytes,
		    uint64_t tail)
{
	struct mcas_change changes[6];
	struct mcas_op op = { changes, 0, ARRAY_SIZE(changes) };
	uint32_t held_word = msgq_entry_word(call->entry);
	uint32_t cbytes = mcas_payload(bytes) >> 1, tail_payload = mcas_payload(tail);
	uint64_t count, held;
	int outcome = MSGQ_DONE;

	if (!msgq_read(call, WORD_COUNT, &count) || !msgq_read(call, held_word, &held))
		return MSGQ_E_CORRUPT;
	if (mcas_payload(found->next) == NEXT_END)
		outcome = tail_without(found, tail, &tail_payload);
	if (cbytes < found->size || mcas_payload(count) == 0)
		outcome = MSGQ_E_CORRUPT;
	if (outcome)
		return take_out_judge(call, found, bytes);

	(void)mcas_op_add(&op, WORD_BYTES, bytes,
			  mcas_next(bytes, (cbytes - (uint32_t)found->size) << 1 |
				    (mcas_payload(bytes) & FLAG_SLEEPERS)));
	(void)mcas_op_add(&op, WORD_COUNT, count, mcas_next(count, mcas_payload(count) - 1));
	(void)mcas_op_add(&op, found->before_word, found->before,
			  mcas_next(found->before, mcas_payload(found->next)));
	(void)mcas_op_add(&op, msgq_block_word(call->queue, found->block, MSGQ_BLOCK_NEXT),
			  found->next, mcas_next(found->next, NEXT_OUTSIDE));
	(void)mcas_op_add(&op, held_word, held, mcas_next(held, found->block + 1));
	if (mcas_payload(found->next) == NEXT_END)
		(void)mcas_op_add(&op, WORD_TAIL, tail, mcas_next(tail, tail_payload));
	return msgq_commit(call, &op);
}

/* Whether the selected message, which is too long, is the selected one indeed. */
static int judge_too_long(struct msgq_call *call, const struct msgq_found *found, uint64_t tail)
{
	if (!found->whole)
		return MSGQ_E_2BIG;
	if (msgq_still(call, found->before_word, found->before) &&
	    msgq_still(call, msgq_block_word(call->queue, found->block, MSGQ_BLOCK_NEXT),
		       found->next) &&
	    msgq_still(call, WORD_TAIL, tail))
		return MSGQ_E_2BIG;
	return MSGQ_AGAIN;
}

static int words_read(struct msgq_call *call, uint64_t *ret_bytes, uint64_t *ret_tail)
{
	if (!msgq_read(call, WORD_BYTES, ret_bytes) || !msgq_read(call, WORD_TAIL, ret_tail))
		return MSGQ_E_CORRUPT;
	return msgq_is_removed(call->queue) ? MSGQ_E_REMOVED : MSGQ_DONE;
}

/* One try.  DONE: the message is in the call's entry. */
static int receive_step(struct msgq_call *call, const struct msgq_want *want, bool wait,
			struct msgq_found *ret_found)
{
	struct msgq_found found;
	uint64_t bytes, tail;
	int outcome = words_read(call, &bytes, &tail);

	if (outcome)
		return outcome;
	outcome = msgq_select(call, want, &found);
	if (outcome == MSGQ_BLOCKED && wait)
		return msgq_register(call, MSGQ_KIND_RECEIVER, want, WORD_TAIL, tail);
	if (outcome)
		return outcome;
	if (found.size > want->size && !(want->flags & ABI_MSG_NOERROR))
		return judge_too_long(call, &found, tail);
	/*
	 * Every arrival changes bytes.  A choice among all must not outlast one: it is taken out by the
	 * value from before the search.  Any other may: by the value now.
	 */
	if (!found.whole) {
		outcome = words_read(call, &bytes, &tail);
		if (outcome)
			return outcome;
	}
	/* Blocks beyond our mapping are in use only after the header has said so. */
	outcome = msgq_check_mapping(call);
	if (outcome == MSGQ_DONE)
		outcome = msgq_entry_claim(call);
	if (outcome == MSGQ_DONE)
		outcome = take_out(call, &found, bytes, tail);
	if (outcome == MSGQ_DONE)
		*ret_found = found;
	return outcome;
}

/* The message is the entry's: reads it, gives its blocks back, lets senders in. */
static int receive_finish(struct msgq_call *call, const struct msgq_want *want,
			  const struct msgq_found *found, const struct msgq_output *output)
{
	uint64_t size = found->size < want->size ? found->size : want->size;
	int outcome;

	shared32_store(&call->header->lrpid, call->actor->pid);
	shared64_store(&call->header->rtime_s, (uint64_t)call->actor->now_s);
	outcome = msgq_text_copy(call, found->block, output->text, size);
	if (outcome == MSGQ_DONE) {
		*output->ret_size = size;
		*output->ret_type = found->type;
	}
	/* A chain that cannot be given back is the file's fault, and takes nothing from the message. */
	(void)msgq_entry_give(call);
	msgq_wake_senders(call);
	return outcome == MSGQ_DONE ? MSGQ_DONE : MSGQ_E_CORRUPT;
}

static int receive_run(struct msgq_call *call, const struct msgq_want *want,
		       const struct msgq_output *output, struct msgq_sleeper *ret_sleeper)
{
	struct msgq_found found = { 0 };
	int outcome;

	do {
		outcome = msgq_step(call) ? receive_step(call, want, ret_sleeper != NULL, &found)
					  : MSGQ_E_BUSY;
	} while (outcome == MSGQ_AGAIN);
	if (outcome == MSGQ_DONE)
		outcome = receive_finish(call, want, &found, output);
	msgq_entry_release(call);
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

	return outcome ? outcome : receive_run(&call, want, &output, ret_sleeper);
}

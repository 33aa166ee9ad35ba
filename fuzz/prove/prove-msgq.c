/*
 * prove-msgq.c: a queue in memory of any content, whose loads return anything, each time.
 *
 * Three blocks, two sleepers, texts of up to 200 bytes, calls with two steps left.  One file of the unit
 * is proved at a time, the one that PART names; of the others there is what is proved of them.  Between
 * two functions goes a call (struct msgq_call) in any state that call_valid() and change_valid() allow.
 */
#define BLOCK 1
#define INDEX 2
#define SELECT 3
#define SEND 4
#define RECEIVE 5
#define WAIT 6
#define RECOVER 7
#define TXN 8
#define QUEUE 9
#define TRIM 10
#define STEAD 11

#define ROUNDS 1u
#include "memory.h"
#include "tiny.h"

#if PART == WAIT || PART == RECOVER
#define MSGQ_WAKES_MAX 3u
#endif
#include "core/msgq-internal.h"

#include "mcas-proved.h"

#include "core/sleeper.c"

#if PART == TRIM
#define N_BLOCKS 128u /* two pieces of each arena */
#else
#define N_BLOCKS 3u
#endif
#define N_SLEEPERS 2u
#ifndef STEPS_MAX
#define STEPS_MAX 2u
#endif
#ifndef TEXT_MAX
#define TEXT_MAX 200u
#endif
#define SKIP_STEPS_MAX 3u
#define SKIP_STEPS_NOTED 2u
#define POSITION_TRIES 2u

#include "msgq-proved.h"

/* --- the proofs ------------------------------------------------------------------------------------- */

#if PART == TXN

void txn_begin_any(void)
{

	call_any();
	any.call.is_reader = nondet_u8() & 1;
	msgq_txn_begin(&any.call);
	PROVE(change_valid(&any.call));
	(void)msgq_look(&any.call, nondet_u32());
}

void txn_commit_any(void)
{
	uint32_t i;

	call_any();
	any.call.txn.n = nondet_u64();
	ASSUME(any.call.txn.n <= MSGQ_CHANGES);
	for (i = 0; i < MSGQ_CHANGES; i++)
		ASSUME(any.call.broken || (uint32_t)any.call.txn.changes[i].target < any.queue.mcas.n_words);
	ASSUME(any.call.entry != MSGQ_NONE);
	(void)msgq_txn_commit(&any.call);
	PROVE(call_valid(&any.call));
}

#elif PART == BLOCK

void block_entry_any(void)
{
	int outcome;

	call_any();
	outcome = msgq_entry_claim(&any.call, nondet_bool());
	PROVE(outcome != MSGQ_DONE || any.call.entry < MSGQ_ENTRIES_ALL);
	if (outcome == MSGQ_DONE)
		msgq_entry_note(&any.call, nondet_bool());
	msgq_entry_leave(&any.call);
}

void block_free_any(void)
{

	call_any();
	msgq_free_push(&any.call, nondet_u32());
	(void)msgq_free_spare(&any.call);
	PROVE(change_valid(&any.call));
	ASSUME(any.call.entry != MSGQ_NONE);
	(void)msgq_node_take(&any.call);
}

void block_fill_any(void)
{
	struct msgq_offer offer = { .block = MSGQ_NONE, .size = nondet_size() };
	void *text;
	int outcome;

	call_any();
	ASSUME(offer.size <= TEXT_MAX && any.call.entry != MSGQ_NONE);
	offer.source = ENTRY_HELD(any.call.entry);
	text = malloc(offer.size);
	ASSUME(text);
	outcome = msgq_text_fill(&any.call, &offer, text);
	PROVE(outcome != MSGQ_DONE || (offer.block < N_BLOCKS && offer.last < N_BLOCKS));
}

void block_copy_any(void)
{
	size_t size = nondet_size();
	void *text;

	call_any();
	ASSUME(size <= TEXT_MAX);
	text = malloc(size);
	ASSUME(text);
	(void)msgq_text_copy(&any.call, nondet_u32(), text, size);
}

#elif PART == INDEX

static void index_path_check(struct msgq_call *call, const struct msgq_path *path)
{
	PROVE(place_valid(path->place) && place_valid(path->up_place));
	PROVE(path->last == MSGQ_NONE || path->last < N_BLOCKS);
	PROVE(call_valid(call));
}

void index_find_any(void)
{
	struct msgq_path path;

	call_any();
	msgq_index_find(&any.call, (int64_t)nondet_u64(), &path);
	index_path_check(&any.call, &path);
}

void index_insert_any(void)
{
	struct msgq_offer offer = { .block = nondet_u32(), .type = (int64_t)nondet_u64(),
				    .back = nondet_bool(), .arrival = nondet_u32() };
	int outcome;

	call_any();
	ASSUME(any.call.entry != MSGQ_NONE && offer.block < N_BLOCKS && offer.type >= 1);
	outcome = msgq_index_insert(&any.call, &offer);
	PROVE(outcome == MSGQ_DONE || outcome == MSGQ_NODE);
	PROVE(change_valid(&any.call) && (any.call.broken || any.call.txn.n <= 3));
}

void index_remove_any(void)
{
	struct msgq_path path;

	call_any();
	ASSUME(any.call.entry != MSGQ_NONE);
	path_any(&any.call, &path);
	msgq_index_remove(&any.call, nondet_u32(), &path);
	PROVE(change_valid(&any.call) && (any.call.broken || any.call.txn.n <= 3));
}

#elif PART == SELECT

void select_any(void)
{
	struct msgq_want want = { (int64_t)nondet_u64(), nondet_u64(), nondet_u32() };
	struct msgq_found found;

	call_any();
	ASSUME(any.call.entry != MSGQ_NONE);
	if (msgq_select(&any.call, &want, &found) == MSGQ_DONE && !any.call.broken)
		PROVE(found.block < N_BLOCKS && found.size <= MSG_TEXT_MAX);
	PROVE(call_valid(&any.call));
}

void select_later_any(void)
{
	uint32_t next;

	call_any();
	next = msgq_select_later(&any.call, nondet_u32());
	PROVE(any.call.broken || next <= N_BLOCKS);
}

void select_copy_any(void)
{
	uint64_t size_max = nondet_u64(), size = 0;
	int64_t type;
	void *text;

	queue_any();
	ASSUME(size_max <= TEXT_MAX);
	text = malloc(size_max);
	ASSUME(text);
	(void)msgq_copy(&any.queue, (int64_t)nondet_u64(), size_max, nondet_bool(), text, &size, &type);
	PROVE(size <= size_max);
}

#elif PART == SEND

void send_publish_any(void)
{
	struct msgq_offer offer = { .block = nondet_u32(), .last = nondet_u32(),
		.rest = nondet_u32(), .type = (int64_t)nondet_u64(), .size = nondet_u64(),
		.arrival = nondet_u32(), .source = nondet_u32(), .source_old = nondet_u64(),
		.back = nondet_bool() };

	call_any();
	ASSUME(any.call.entry != MSGQ_NONE && offer.block < N_BLOCKS && offer.last < N_BLOCKS);
	ASSUME(offer.size <= MSG_TEXT_MAX && offer.source < any.queue.mcas.n_words);
	(void)msgq_publish(&any.call, &offer);
	PROVE(call_valid(&any.call));
}

void send_any(void)
{
	struct msgq_sleeper sleeper;
	uint64_t size = nondet_u64();
	void *text;

	queue_any();
	ASSUME(size <= TEXT_MAX);
	text = malloc(size);
	ASSUME(text);
	(void)msgq_send_or_wait(&any.queue, &any.actor, (int64_t)nondet_u64(), text, size, &any.wakes,
				nondet_bool() ? &sleeper : NULL);
	PROVE(any.wakes.n <= MSGQ_WAKES_MAX);
}

#elif PART == RECEIVE

#include "core/msgq-receive.c"

void receive_any(void)
{
	struct msgq_want want = { (int64_t)nondet_u64(), nondet_u64(), nondet_u32() };
	struct msgq_sleeper sleeper;
	uint64_t size = 0;
	int64_t type;
	void *text;

	queue_any();
	ASSUME(want.size <= TEXT_MAX);
	text = malloc(want.size);
	ASSUME(text);
	(void)msgq_receive_or_wait(&any.queue, &any.actor, &want, text, &size, &type, &any.wakes,
				   nondet_bool() ? &sleeper : NULL);
	PROVE(size <= want.size && any.wakes.n <= MSGQ_WAKES_MAX);
}

#elif PART == WAIT

void wait_register_any(void)
{
	struct msgq_want want = { (int64_t)nondet_u64(), nondet_u64(), nondet_u32() };
	struct msgq_sleeper sleeper;
	int outcome;

	call_any();
	ASSUME(any.call.entry != MSGQ_NONE);
	outcome = msgq_register(&any.call, nondet_u8() % 3, &want);
	PROVE(outcome != MSGQ_DONE);
	msgq_register_end(&any.call, outcome, &sleeper);
	PROVE(call_valid(&any.call));
}

void wait_pick_any(void)
{
	struct msgq_picks picks;

	call_any();
	ASSUME(picks.max <= MSGQ_WAKES_MAX);
	(void)msgq_pick_receivers(&any.call, (int64_t)nondet_u64(), &picks);
	PROVE(picks.n <= picks.max && picks.n <= N_SLEEPERS);
}

void wait_wake_any(void)
{

	call_any();
	ASSUME(any.call.entry != MSGQ_NONE);
	if (nondet_bool())
		msgq_wake_senders(&any.call);
	else if (nondet_bool())
		msgq_wake_receivers(&any.call);
	else
		(void)msgq_wake_all(&any.call);
	PROVE(call_valid(&any.call));
}

void wait_end_any(void)
{
	struct msgq_want want = { (int64_t)nondet_u64(), nondet_u64(), nondet_u32() };
	struct msgq_sleeper sleeper = { nondet_u32(), nondet_u32(), nondet_u32(), nondet_u32(), 0 };
	uint64_t size = 0;
	int64_t type;
	void *text;

	queue_any();
	ASSUME(sleeper.index < N_SLEEPERS && want.size <= TEXT_MAX);
	text = malloc(want.size);
	ASSUME(text);
	if (nondet_bool())
		(void)msgq_receive_poll(&any.queue, &any.actor, &sleeper, &want, text, &size, &type, &any.wakes);
	else
		(void)msgq_receive_cancel(&any.queue, &any.actor, &sleeper, &want, text, &size, &type, &any.wakes);
	PROVE(size <= want.size && any.wakes.n <= MSGQ_WAKES_MAX);
}

void wait_leave_any(void)
{
	struct msgq_sleeper sleeper = { nondet_u32(), nondet_u32(), nondet_u32(), nondet_u32(), 0 };

	queue_any();
	ASSUME(sleeper.index < N_SLEEPERS);
	(void)(nondet_bool() ? msgq_send_poll(&any.queue, &sleeper)
			     : msgq_send_cancel(&any.queue, &any.actor, &sleeper, &any.wakes));
	PROVE(any.wakes.n <= MSGQ_WAKES_MAX);
}

#elif PART == RECOVER

#include "core/msgq-recover.c"

void recover_any(void)
{

	queue_any();
	(void)msgq_recover(&any.queue, &any.actor, &any.wakes);
	PROVE(any.wakes.n <= MSGQ_WAKES_MAX);
	(void)msgq_holds(&any.queue, nondet_u64());
}

void recover_verify_any(void)
{

	queue_any();
	(void)msgq_verify(&any.queue);
}

#elif PART == STEAD

#include "core/msgq-stead.c"

static struct stead stead_any(void)
{
	return (struct stead){ .number = nondet_u32(), .may_begin = nondet_bool(),
			       .may_wait = nondet_bool() };
}

void stead_send_any(void)
{
	struct stead stead = stead_any();
	uint64_t size = nondet_u64();
	void *text;

	queue_any();
	ASSUME(size <= TEXT_MAX);
	text = malloc(size);
	ASSUME(text);
	(void)msgq_stead_send(&any.queue, &any.actor, &stead, (int64_t)nondet_u64(), text, size, &any.wakes);
	PROVE(any.wakes.n <= MSGQ_WAKES_MAX);
}

void stead_receive_any(void)
{
	struct msgq_want want = { (int64_t)nondet_u64(), nondet_u64(), nondet_u32() };
	struct stead stead = stead_any();
	uint64_t size = 0;
	int64_t type;
	void *text;

	queue_any();
	ASSUME(want.size <= TEXT_MAX);
	text = malloc(want.size);
	ASSUME(text);
	(void)msgq_stead_receive(&any.queue, &any.actor, &stead, &want, text, &size, &type, &any.wakes);
	PROVE(size <= want.size && any.wakes.n <= MSGQ_WAKES_MAX);
}

void stead_end_any(void)
{

	queue_any();
	(void)(nondet_bool() ? msgq_stead_end(&any.queue, &any.actor, nondet_u32(), &any.wakes)
			     : msgq_stead_recover(&any.queue, &any.actor, &any.wakes));
	PROVE(any.wakes.n <= MSGQ_WAKES_MAX);
}

#elif PART == TRIM

void trim_flip_any(void)
{

	queue_any();
	(void)msgq_trim_begin(&any.queue, &any.actor);
	msgq_trim_close(&any.queue);
	(void)msgq_trim_flip(&any.queue, &any.actor);
	(void)msgq_trim_is_quiet(&any.queue);
	msgq_trim_end(&any.queue, &any.actor, nondet_bool());
}

/* What is given back is whole pages behind the header, of one arena. */
void trim_left_any(void)
{
	struct msgq_trim trim;
	uint64_t off, size;

	queue_any();
	(void)msgq_trim_is_due(&any.queue, (int64_t)nondet_u64());
	if (!msgq_trim_left(&any.queue, &trim))
		return;
	while (msgq_trim_next(&any.queue, &trim, &off, &size)) {
		PROVE(off % MSGQ_PAGE == 0 && size % MSGQ_PAGE == 0 && size > 0);
		PROVE(off >= any.queue.layout.blocks_off && off + size <= any.queue.layout.size);
		PROVE(msgq_arena((uint32_t)((off - any.queue.layout.blocks_off) / MSGQ_BLOCK_SIZE)) ==
		      trim.arena);
	}
	msgq_trim_done(&any.queue, &trim);
}

void trim_cancel_any(void)
{

	call_any();
	ASSUME(any.call.entry != MSGQ_NONE);
	if (nondet_bool())
		msgq_trim_cancel(&any.call);
	else
		msgq_trim_recover(&any.call, nondet_u64());
	PROVE(call_valid(&any.call));
}

#elif PART == QUEUE

void queue_bind_any(void)
{
	uint64_t size = nondet_u64();

	ASSUME(size <= FILE_MAX);
	file_size = size;
	(void)msgq_bind(&any.queue, file, size);
}

void queue_call_any(void)
{
	struct msgq_growth growth;
	struct msgq_stat stat;
	uint32_t i = nondet_u32();

	queue_any();
	msgq_get_stat(&any.queue, &stat);
	(void)msgq_is_removed(&any.queue);
	(void)msgq_set(&any.queue, &any.actor, nondet_u64(), &any.wakes);
	(void)msgq_remove(&any.queue, &any.actor, &any.wakes);
	(void)msgq_settle(&any.queue, &any.actor, &any.wakes);
	msgq_growth(&any.queue, &growth);
	PROVE(growth.n_ranges <= ARRAY_SIZE(growth.ranges));
	ASSUME(i < growth.n_ranges);
	PROVE(growth.ranges[i].off % MSGQ_PAGE == 0);
	PROVE(growth.ranges[i].off + growth.ranges[i].size <= any.queue.layout.size);
	msgq_growth_done(&any.queue, &growth);
}

#endif

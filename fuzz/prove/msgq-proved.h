/*
 * msgq-proved.h: a queue, and a call, in any state; and of each file of the queue that PART does not name,
 * what is proved of it in prove-msgq.c, in its place.  What it asks of its callers is shown of them here.
 */
#ifndef FUZZ_PROVE_MSGQ_PROVED_H
#define FUZZ_PROVE_MSGQ_PROVED_H

/* --- anything -------------------------------------------------------------------------------------- */

static struct {
	struct msgq queue;
	struct actor actor;
	struct wakes wakes;
	struct msgq_call call;
} any;

static void queue_any(void)
{
	struct msgq *queue = &any.queue;
	struct msgq_layout layout = { .qbytes_max = nondet_u64(), .n_blocks = N_BLOCKS,
				      .n_sleepers = N_SLEEPERS };
	struct msgq_header *header = (struct msgq_header *)(void *)file;

	ASSUME(layout.qbytes_max <= MSG_TEXT_MAX);
	layout.slots_off = (1 + MSGQ_PAGES) * (uint64_t)MSGQ_PAGE;
	layout.words_off = ALIGN_UP(layout.slots_off + mcas_slots_size(), MSGQ_PAGE);
	layout.records_off = ALIGN_UP(layout.words_off + N_SLEEPERS * 8u, MSGQ_PAGE);
	layout.blocks_off = ALIGN_UP(layout.records_off + N_SLEEPERS * sizeof(struct msgq_record), MSGQ_PAGE);
	layout.size = ALIGN_UP(layout.blocks_off + N_BLOCKS * MSGQ_BLOCK_SIZE, MSGQ_PAGE);
	file_size = layout.size;
	queue->base = file;
	queue->layout = layout;
	mcas_init(&queue->mcas, file, layout.size, layout.slots_off);
	queue->blocks_word = (uint32_t)(layout.blocks_off / 8);
	queue->blocks = &queue->mcas.words[queue->blocks_word];
	queue->sleepers = (struct sleepers){ &queue->mcas, (uint32_t)(layout.words_off / 8),
		N_SLEEPERS, sizeof(struct msgq_record), file + layout.records_off,
		&header->high_water, &header->clock };
	any.actor = (struct actor){ .client = nondet_u64(), .pid = nondet_u32(),
				    .hint = nondet_u32() };
	ASSUME(any.actor.client != 0 && any.actor.client < UINT64_C(1) << 48);
}

static bool call_valid(const struct msgq_call *call)
{
	if (call->entry != MSGQ_NONE && call->entry >= MSGQ_ENTRIES_ALL)
		return false;
	if (call->sleeper != MSGQ_NONE && call->sleeper >= N_SLEEPERS)
		return false;
	return !call->wakes || call->wakes->n <= MSGQ_WAKES_MAX;
}

/* The same of the change that was begun: one of its words, whichever.  A reader's are only looked at. */
static bool change_valid(const struct msgq_call *call)
{
	uint64_t i = nondet_u64();

	if (!call_valid(call) || call->txn.n > MSGQ_CHANGES)
		return false;
	return call->broken || call->is_reader || i >= call->txn.n ||
	       (uint32_t)call->txn.changes[i].target < call->queue->mcas.n_words;
}

/* A call on its way, with a change begun. */
static void call_any(void)
{
	struct msgq_call *call = &any.call;

	__CPROVER_havoc_object(&any);
	queue_any();
	call->queue = &any.queue;
	call->header = msgq_header(&any.queue);
	call->actor = &any.actor;
	call->wakes = &any.wakes;
	call->is_reader = 0;
	call->txn.n = 0;
	ASSUME(call->budget <= STEPS_MAX);
	ASSUME(call_valid(call));
}

static int outcome_any(int last)
{
	int outcome = (int)nondet_u8();

	ASSUME((outcome >= MSGQ_DONE && outcome <= last) || outcome == MSGQ_AGAIN);
	return outcome;
}

static void budget_less(struct msgq_call *call)
{
	uint64_t budget = nondet_u64();

	ASSUME(budget <= call->budget);
	call->budget = budget;
}

static void entry_any(struct msgq_call *call)
{
	if (call->entry == MSGQ_NONE) {
		call->entry = nondet_u32();
		ASSUME(call->entry < MSGQ_ENTRIES_ALL);
		call->is_resident = nondet_bool();
		call->is_streak = nondet_bool();
	}
}

/* Adds so many changes, if there is room. */
static void changes_any(struct msgq_call *call, uint32_t n)
{
	uint32_t i, word;

	PROVE(change_valid(call));
	for (i = 0; i < n; i++) {
		word = nondet_u32();
		ASSUME(word < call->queue->mcas.n_words);
		if (nondet_bool())
			msgq_change(call, word, nondet_u64(), nondet_u32());
	}
	call->broken = call->broken || nondet_bool();
	call->txn.next[FIELD_FREE] = nondet_u32();
}

static void fields_any(struct msgq_call *call)
{
	uint32_t i;

	for (i = 0; i < FIELDS; i++)
		call->txn.now[i] = call->txn.next[i] = nondet_u32();
}

static bool place_valid(uint32_t place)
{
	return place == 0 || place / 2 - NEXT_BASE < N_BLOCKS;
}

static void path_any(struct msgq_call *call, struct msgq_path *path)
{
	*path = (struct msgq_path){ nondet_u64(), nondet_u64(), nondet_u32(), nondet_u32(),
				    nondet_u32(), (int64_t)nondet_u64() };
	ASSUME(place_valid(path->place) && place_valid(path->up_place));
	ASSUME(path->last == MSGQ_NONE || path->last < N_BLOCKS);
	call->broken = call->broken || nondet_bool();
}

/* --- what is proved of a file, in its place --------------------------------------------------------- */

#if PART == QUEUE
#include "core/msgq.c"
#else
int msgq_begin(struct msgq_call *call, struct msgq *queue, const struct actor *actor,
	       struct wakes *wakes)
{
	*call = (struct msgq_call){ .queue = queue, .header = msgq_header(queue), .actor = actor,
				    .wakes = wakes, .is_reader = actor == NULL,
				    .hint = actor ? actor->hint : MSGQ_HINT_NONE,
				    .budget = STEPS_MAX, .entry = MSGQ_NONE, .sleeper = MSGQ_NONE };
	if (wakes)
		wakes->n = 0;
	return msgq_check_mapping(call);
}

int msgq_judge_mapping(const struct msgq_call *call)
{
	(void)call;
	return nondet_bool() ? MSGQ_REMAP : MSGQ_E_CORRUPT;
}

int msgq_lost(const struct msgq_call *call)
{
	return msgq_judge_mapping(call);
}

uint32_t msgq_backed_sleepers(const struct msgq *queue)
{
	return u32_min(nondet_u32(), queue->layout.n_sleepers);
}

uint64_t msgq_blocks_for(uint64_t size)
{
	(void)size;
	return 1 + nondet_u32() % N_BLOCKS;
}
#endif

#if PART == TXN
#include "core/msgq-txn.c"
#else
void msgq_root_format(struct msgq_header *header, uint32_t qbytes)
{
	(void)header;
	(void)qbytes;
}

uint64_t msgq_look_again(struct msgq_call *call, const struct shared64 *word, uint64_t value)
{
	(void)word;
	call->broken = call->broken || nondet_bool();
	return mcas_is_mark(value) ? 0 : proved_word();
}

void msgq_txn_begin(struct msgq_call *call)
{
	PROVE(call_valid(call));
	call->broken = nondet_bool();
	budget_less(call);
	call->txn.guard = nondet_u64();
	fields_any(call);
	call->txn.n = 0;
}

int msgq_txn_judge(struct msgq_call *call, int outcome)
{
	if (nondet_bool())
		return MSGQ_AGAIN;
	return call->broken ? msgq_lost(call) : outcome;
}

int msgq_txn_commit(struct msgq_call *call)
{
	PROVE(change_valid(call) && !call->is_reader);
	if (call->broken)
		return msgq_txn_judge(call, MSGQ_E_CORRUPT);
	PROVE(call->entry < MSGQ_ENTRIES_ALL);
	return nondet_bool() ? MSGQ_DONE : MSGQ_AGAIN;
}
#endif

#if PART == BLOCK
#define memcpy memory_copy
#include "core/msgq-block.c"
#undef memcpy
#else
bool msgq_entry_is_inside(const struct msgq_call *call, uint32_t entry)
{
	(void)call;
	PROVE(entry < MSGQ_ENTRIES_ALL);
	return nondet_bool();
}

bool msgq_entry_search(struct msgq_call *call)
{
	if (nondet_bool())
		return false;
	entry_any(call);
	return true;
}

int msgq_entry_claim_new(struct msgq_call *call, bool may_grow)
{
	if (nondet_bool())
		return may_grow && nondet_bool() ? MSGQ_GROW : MSGQ_E_BUSY;
	entry_any(call);
	return MSGQ_DONE;
}

int msgq_entry_empty(struct msgq_call *call, uint32_t entry, bool (*may)(const struct msgq_call *call))
{
	(void)may;
	PROVE(call_valid(call) && entry < MSGQ_ENTRIES_ALL);
	budget_less(call);
	fields_any(call);
	call->txn.n = 0;
	return outcome_any(MSGQ_E_BUSY);
}

void msgq_entry_release(struct msgq_call *call)
{
	(void)msgq_entry_empty(call, call->entry, NULL);
}

void msgq_free_push(struct msgq_call *call, uint32_t block)
{
	(void)block;
	changes_any(call, 1);
}

uint32_t msgq_free_spare(struct msgq_call *call)
{
	call->broken = call->broken || nondet_bool();
	return nondet_u32();
}

int msgq_node_take(struct msgq_call *call)
{
	PROVE(call->entry < MSGQ_ENTRIES_ALL);
	return outcome_any(MSGQ_E_BUSY);
}

int msgq_text_fill(struct msgq_call *call, struct msgq_offer *offer, const void *text)
{
	PROVE(call->entry < MSGQ_ENTRIES_ALL && __CPROVER_r_ok(text, offer->size));
	offer->block = nondet_u32() % N_BLOCKS;
	offer->last = nondet_u32() % N_BLOCKS;
	offer->rest = nondet_u32();
	call->txn.n = 0;
	return outcome_any(MSGQ_E_BUSY);
}

int msgq_text_copy(struct msgq_call *call, uint32_t block, void *text, uint64_t size)
{
	(void)block;
	PROVE(__CPROVER_w_ok(text, size));
	call->broken = call->broken || nondet_bool();
	return nondet_bool() ? MSGQ_DONE : msgq_lost(call);
}
#endif

#if PART == TRIM
#include "core/msgq-trim.c"
#else
void msgq_trim_cancel(struct msgq_call *call)
{
	PROVE(call_valid(call) && call->entry < MSGQ_ENTRIES_ALL);
	call->broken = nondet_bool();
	budget_less(call);
	call->txn.n = 0;
}

void msgq_trim_recover(struct msgq_call *call, uint64_t client)
{
	(void)client;
	PROVE(call_valid(call));
}
#endif

#if PART == INDEX
#include "core/msgq-index.c"
#else
void msgq_index_find(struct msgq_call *call, int64_t type, struct msgq_path *ret_path)
{
	(void)type;
	path_any(call, ret_path);
}

void msgq_index_lowest(struct msgq_call *call, struct msgq_path *ret_path)
{
	path_any(call, ret_path);
}

void msgq_index_locate(struct msgq_call *call, int64_t type, struct msgq_path *ret_path)
{
	(void)type;
	path_any(call, ret_path);
}

uint32_t msgq_index_oldest(struct msgq_call *call, const struct msgq_path *path)
{
	(void)path;
	call->broken = call->broken || nondet_bool();
	return nondet_u32();
}

int msgq_index_insert(struct msgq_call *call, const struct msgq_offer *offer)
{
	PROVE(offer->block < N_BLOCKS && call->entry < MSGQ_ENTRIES_ALL);
	changes_any(call, 3);
	return nondet_bool() ? MSGQ_DONE : MSGQ_NODE;
}

void msgq_index_remove(struct msgq_call *call, uint32_t block, const struct msgq_path *path)
{
	(void)block;
	(void)path;
	PROVE(call->entry < MSGQ_ENTRIES_ALL);
	changes_any(call, 3);
}

bool msgq_index_verify(struct msgq_call *call, void (*visit)(void *context, uint32_t node),
		       void *context, uint32_t *ret_n)
{
	visit(context, nondet_u32());
	*ret_n = nondet_u32();
	call->broken = call->broken || nondet_bool();
	return nondet_bool();
}
#endif

#if PART == SELECT
#include "core/msgq-select.c"
#else
bool msgq_want_matches(int64_t want, uint32_t flags, int64_t type)
{
	(void)want;
	(void)flags;
	(void)type;
	return nondet_bool();
}

/* Whatever is found is inside the file and no longer than a message may be, or the try is broken. */
int msgq_select(struct msgq_call *call, const struct msgq_want *want, struct msgq_found *ret_found)
{
	(void)want;
	*ret_found = (struct msgq_found){ nondet_u32(), nondet_bool(), (int64_t)nondet_u64(),
					  nondet_u32(), nondet_u32(), { 0 } };
	path_any(call, &ret_found->path);
	ASSUME(call->broken || (ret_found->block < N_BLOCKS && ret_found->size <= MSG_TEXT_MAX));
	budget_less(call);
	return nondet_bool() ? MSGQ_DONE : nondet_bool() ? MSGQ_BLOCKED : MSGQ_AGAIN;
}

uint32_t msgq_select_later(struct msgq_call *call, uint32_t arrival)
{
	uint32_t next = nondet_u32();

	(void)arrival;
	call->broken = call->broken || nondet_bool();
	ASSUME(call->broken || next <= N_BLOCKS);
	return next;
}
#endif

#if PART == SEND
#include "core/msgq-send.c"
#else
bool msgq_fits(struct msgq_call *call, uint64_t size)
{
	(void)call;
	(void)size;
	return nondet_bool();
}

int msgq_publish(struct msgq_call *call, const struct msgq_offer *offer)
{
	PROVE(call_valid(call) && offer->block < N_BLOCKS && offer->last < N_BLOCKS);
	PROVE(offer->size <= MSG_TEXT_MAX && offer->source < call->queue->mcas.n_words);
	fields_any(call);
	call->txn.n = 0;
	call->wakes->n = nondet_u32();
	ASSUME(call->wakes->n <= MSGQ_WAKES_MAX);
	return nondet_bool() ? MSGQ_GONE : outcome_any(MSGQ_E_BUSY);
}

int msgq_send_run(struct msgq_call *call, struct msgq_offer *offer, const void *text,
		  struct msgq_sleeper *ret_sleeper)
{
	PROVE(call_valid(call) && call->entry < MSGQ_ENTRIES_ALL && call->sleeper == MSGQ_NONE);
	PROVE(__CPROVER_r_ok(text, offer->size) && !ret_sleeper);
	PROVE(offer->receipt < call->queue->mcas.n_words);
	call->entry = MSGQ_NONE;
	call->wakes->n = nondet_u32();
	ASSUME(call->wakes->n <= MSGQ_WAKES_MAX);
	return outcome_any(MSGQ_E_BUSY);
}
#endif

#if PART != RECOVER
int msgq_recover(struct msgq *queue, const struct actor *actor, struct wakes *ret_wakes)
{
	(void)queue;
	(void)actor;
	ret_wakes->n = nondet_u32();
	ASSUME(ret_wakes->n <= MSGQ_WAKES_MAX);
	return outcome_any(MSGQ_E_BUSY);
}
#endif

#if PART != RECEIVE
int msgq_receive_step(struct msgq_call *call, const struct msgq_want *want, bool wait,
		      struct msgq_found *ret_found)
{
	(void)ret_found;
	PROVE(call_valid(call) && call->entry < MSGQ_ENTRIES_ALL && call->sleeper < N_SLEEPERS);
	PROVE(call->receipt < call->queue->mcas.n_words && __CPROVER_r_ok(want, sizeof(*want)));
	fields_any(call);
	call->txn.n = 0;
	return wait && nondet_bool() ? MSGQ_WAITING : outcome_any(MSGQ_E_BUSY);
}
#endif

#if PART == WAIT
#include "core/msgq-wait.c"
#else
int msgq_record_claim(struct msgq_call *call, enum msgq_kind kind, const struct msgq_want *want)
{
	(void)kind;
	(void)want;
	call->sleeper = nondet_u32();
	ASSUME(call->sleeper < N_SLEEPERS);
	return nondet_bool() ? MSGQ_DONE : MSGQ_GROW;
}

int msgq_register(struct msgq_call *call, enum msgq_kind kind, const struct msgq_want *want)
{
	int outcome;

	(void)kind;
	PROVE(change_valid(call) && call->entry < MSGQ_ENTRIES_ALL);
	PROVE(__CPROVER_r_ok(want, sizeof(*want)));
	if (nondet_bool()) {
		call->sleeper = nondet_u32();
		ASSUME(call->sleeper < N_SLEEPERS);
	}
	call->txn.n = 0;
	outcome = outcome_any(MSGQ_E_BUSY);
	ASSUME(outcome != MSGQ_DONE);
	return outcome;
}

void msgq_register_done(struct msgq_call *call, int outcome, struct msgq_sleeper *ret_sleeper)
{
	PROVE(call->sleeper < N_SLEEPERS);
	PROVE(outcome != MSGQ_WAITING || __CPROVER_w_ok(ret_sleeper, sizeof(*ret_sleeper)));
}

int msgq_pick_receivers(struct msgq_call *call, int64_t type, struct msgq_picks *picks)
{
	uint32_t i;

	(void)type;
	PROVE(picks->max <= MSGQ_WAKES_MAX);
	picks->n = nondet_u32();
	picks->n_waiting = nondet_u32();
	picks->n_matching = nondet_u32();
	ASSUME(picks->n <= picks->max && picks->n <= N_SLEEPERS);
	for (i = 0; i < N_SLEEPERS; i++)
		ASSUME(picks->list[i].index < N_SLEEPERS);
	budget_less(call);
	return nondet_bool() ? MSGQ_DONE : MSGQ_E_BUSY;
}

void msgq_picks_insert(struct msgq_picks *picks, uint32_t index, uint64_t word, uint64_t ticket)
{
	(void)ticket;
	PROVE(picks->n <= picks->max && picks->max <= MSGQ_WAKES_MAX);
	picks->n_matching++;
	if (picks->n == picks->max)
		return;
	picks->list[picks->n].index = index;
	picks->list[picks->n].word = word;
	picks->n++;
}

void msgq_wake_senders(struct msgq_call *call)
{
	PROVE(call_valid(call) && call->entry < MSGQ_ENTRIES_ALL && call->wakes);
	call->wakes->n = nondet_u32();
	ASSUME(call->wakes->n <= MSGQ_WAKES_MAX);
}

void msgq_wake_receivers(struct msgq_call *call)
{
	msgq_wake_senders(call);
}

int msgq_handed_free(struct msgq_call *call, uint32_t state_word, uint64_t state, uint32_t block)
{
	(void)state;
	(void)block;
	PROVE(call_valid(call) && state_word < call->queue->mcas.n_words);
	call->txn.n = 0;
	return outcome_any(MSGQ_E_BUSY);
}

int msgq_wake_all(struct msgq_call *call)
{
	msgq_wake_senders(call);
	return outcome_any(MSGQ_E_BUSY);
}
#endif

#endif

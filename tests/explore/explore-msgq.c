/*
 * explore-msgq.c: a message queue under every interleaving.
 *
 * Each actor is a process with a short list of calls, among them ones that sleep or give up.  A killed
 * one is recovered as the daemon does it, beside the others; that is killed and run again too.  Who
 * sets or removes is the daemon itself: when it has been killed, it begins that anew.  Every
 * text says which call sent it, and each of its bytes is looked at.  At the end some order of what was
 * done, each call at one instant between its beginning and its end, must explain on the model every
 * result, what is left in the queue and in which order; whoever is still asleep must have reason to;
 * an older sleeper must not have been passed over; and once everybody is gone nothing may be missing.
 * Nobody may touch a block whose storage has been given back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explore.h"
#include "msgq-history.h"
#include "msgq-plans.h"

enum { FILE_SIZE = 1 << 20, N_BINDINGS = DAEMON + 1 };

static struct {
	struct msgq queues[N_BINDINGS]; /* a mapping each */
	struct history history;
	uint32_t recovering; /* 1 + actor: one is recovered at a time */
	uint32_t copying;    /* bit per actor, as a lock on the file */
	uint32_t backed[FILE_SIZE / 4096 / 32]; /* bit per page: blocks that have storage */
	struct msgq_growth late_growth; /* what somebody asked for before all began */
} memory;

static _Alignas(4096) uint8_t queue_file[FILE_SIZE];
static const struct plan *plan;
static enum plan_start start;
static struct remains remains;

_Noreturn void assert_fail(const char *expression, const char *file, int line)
{
	(void)fprintf(stderr, "%s:%d: %s\n", file, line, expression);
	abort();
}

/* What is wrong while the end is judged, when no actor runs. */
static const char *wrong;
static bool is_over;

static void fail(const char *what)
{
	if (!is_over)
		explore_fail(what);
	wrong = what;
}

static struct actor actor_of(uint32_t number)
{
	uint32_t client = plan->one_client && number < ACTORS_MAX ? 0 : number;

	return (struct actor){ .client = 0x10000u + client + 1, .pid = 100 + number, .hint = number,
			       .now_s = 1 };
}

/* --- texts ---------------------------------------------------------------------------------------- */

#define UNTOUCHED 0xa5

static uint8_t text_byte(uint8_t message, uint32_t i)
{
	return i == 0 ? message : (uint8_t)((message * 37u + i) * 11u);
}

static void text_fill(uint8_t message, uint8_t *text)
{
	uint32_t i;

	for (i = 0; i < TEXT_MAX; i++)
		text[i] = text_byte(message, i);
}

/* Notes whose message it is; everything about it must fit. */
static void text_judge(const uint8_t *text, uint64_t size, int64_t type, uint32_t size_max,
		       struct result *result)
{
	const struct call *sender = NULL;
	uint32_t i;

	if (size > size_max) {
		fail("more text than there was room for");
		return;
	}
	result->message = size > 0 ? text[0] : 0;
	result->size = (uint32_t)size;
	result->type = type;
	if (size > 0) {
		sender = plan_sender(plan, result->message);
		if (!sender || sender->type != type ||
		    size != (sender->size < size_max ? sender->size : size_max))
			fail("a message that nobody has sent");
	}
	for (i = 0; i < size; i++) {
		if (text[i] != text_byte(result->message, i))
			fail("a torn text");
	}
	for (; i < TEXT_MAX; i++) {
		if (text[i] != UNTOUCHED)
			fail("written beyond the text");
	}
}

/* --- a process ------------------------------------------------------------------------------------ */

static void wake(const struct msgq *queue, struct wakes *wakes)
{
	uint32_t i;

	for (i = 0; i < wakes->n; i++)
		explore_wake(&queue->mcas.words[wakes->word_indexes[i]]);
	wakes->n = 0;
}

static void map_file(uint32_t number)
{
	if (msgq_bind(&memory.queues[number], queue_file, FILE_SIZE) != MSGQ_DONE)
		fail("the file cannot be mapped");
}

/* --- storage -------------------------------------------------------------------------------------- */

static const char *forbids(const volatile void *address)
{
	size_t off = (size_t)((uintptr_t)address - (uintptr_t)queue_file), page = off / 4096;

	if (off >= FILE_SIZE || off < memory.queues[DAEMON].layout.blocks_off)
		return NULL;
	return memory.backed[page / 32] >> page % 32 & 1 ? NULL : "a block without storage is touched";
}

static void back(uint64_t off, uint64_t size, bool with)
{
	uint64_t page;

	for (page = off / 4096; page < (off + size) / 4096; page++) {
		if (with)
			memory.backed[page / 32] |= 1u << page % 32;
		else
			memory.backed[page / 32] &= ~(1u << page % 32);
	}
}

static void grow(struct msgq *queue)
{
	struct msgq_growth growth;
	uint32_t i;

	msgq_growth(queue, &growth);
	for (i = 0; i < growth.n_ranges; i++) {
		explore_meet(queue_file + growth.ranges[i].off);
		back(growth.ranges[i].off, growth.ranges[i].size, true);
	}
	msgq_growth_done(queue, &growth);
}

/* Takes away what has been left behind.  False: not now. */
static bool take_away(struct msgq *queue)
{
	struct msgq_trim trim;
	uint64_t off, size;
	uint32_t rounds;

	for (rounds = 0; msgq_trim_left(queue, &trim); rounds++) {
		if (rounds > 4)
			fail("there always is something left");
		if (!msgq_trim_is_quiet(queue))
			return false;
		explore_meet(&memory.copying);
		if (memory.copying != 0)
			return false;
		while (msgq_trim_next(queue, &trim, &off, &size)) {
			explore_erase(queue_file + off, size);
			back(off, size, false);
		}
		msgq_trim_done(queue, &trim);
	}
	return true;
}

/* True if a flip left nothing behind. */
static bool trim(uint32_t number)
{
	struct msgq *queue = &memory.queues[number];
	struct actor self = actor_of(number);
	int outcome = MSGQ_E_BUSY;
	uint32_t i;
	bool done;

	if (!msgq_trim_begin(queue, &self))
		return false;
	done = take_away(queue);
	for (i = 0; done && outcome == MSGQ_E_BUSY && i < 2; i++) {
		msgq_trim_close(queue);
		outcome = msgq_trim_flip(queue, &self);
	}
	if (outcome == MSGQ_E_CORRUPT)
		fail("called corrupt");
	done = outcome == MSGQ_DONE && take_away(queue);
	msgq_trim_end(queue, &self, !done);
	return done;
}

/* True if the call must be made again, after what its outcome asks for. */
static bool again(uint32_t number, int outcome, uint32_t *rounds)
{
	if (++*rounds > 100)
		fail("a call does not end");
	switch (outcome) {
	case MSGQ_GROW:
		grow(&memory.queues[number]);
		return true;
	case MSGQ_REMAP:
		map_file(number);
		return true;
	case MSGQ_E_BUSY:
		shared_pause();
		return true;
	case MSGQ_MORE:
		return true;
	case MSGQ_E_CORRUPT:
		fail("called corrupt");
		return false;
	default:
		return false;
	}
}

/* What one call of an actor works with. */
struct going {
	uint32_t number;
	const struct call *call;
	struct actor self;
	struct msgq_want want;
	struct msgq_sleeper sleeper;
	uint64_t size;
	int64_t type;
	uint8_t text[TEXT_MAX];
};

static int attempt(struct going *going)
{
	struct msgq *queue = &memory.queues[going->number];
	struct msgq_sleeper *sleeper = going->call->how == HOW_TRY ? NULL : &going->sleeper;
	struct wakes wakes = { 0 };
	uint32_t rounds = 0;
	int outcome;

	do {
		if (going->call->kind == CALL_SEND)
			outcome = msgq_send_or_wait(queue, &going->self, going->call->type,
						    going->text, going->call->size, &wakes, sleeper);
		else
			outcome = msgq_receive_or_wait(queue, &going->self, &going->want, going->text,
						       &going->size, &going->type, &wakes, sleeper);
		wake(queue, &wakes);
	} while (again(going->number, outcome, &rounds));
	return outcome;
}

/* Polls or cancels. */
static int look(struct going *going, bool cancel)
{
	struct msgq *queue = &memory.queues[going->number];
	struct wakes wakes = { 0 };
	uint32_t rounds = 0;
	int outcome;

	do {
		if (going->call->kind == CALL_SEND)
			outcome = cancel ? msgq_send_cancel(queue, &going->self, &going->sleeper, &wakes)
					 : msgq_send_poll(queue, &going->sleeper);
		else
			outcome = (cancel ? msgq_receive_cancel : msgq_receive_poll)(
				queue, &going->self, &going->sleeper, &going->want, going->text,
				&going->size, &going->type, &wakes);
		wake(queue, &wakes);
	} while (again(going->number, outcome, &rounds));
	return outcome;
}

static int sleep_until_done(struct going *going, struct result *result)
{
	struct shared64 *word = &memory.queues[going->number].mcas.words[going->sleeper.word_index];
	uint32_t looks;
	int outcome;

	if (going->call->how == HOW_CANCEL) {
		outcome = look(going, true);
		return outcome == MSGQ_RETRY ? MSGQ_BLOCKED : outcome;
	}
	for (looks = 0;; looks++) {
		/* Others change the word a few times only: a sleeper must not spin for as long as one is stopped. */
		if (looks > 20)
			fail("a sleeper looks without end");
		/* As the kernel does it: looks and falls asleep in one step. */
		if ((uint32_t)atomic_load(&word->raw) == going->sleeper.expected) {
			result->has_slept = true;
			memory.history.asleep |= 1u << going->number;
			explore_sleep(word);
			memory.history.asleep &= ~(1u << going->number);
		}
		outcome = look(going, false);
		if (outcome != MSGQ_WAITING)
			return outcome;
	}
}

static int send_or_receive(uint32_t number, uint32_t i, struct result *result)
{
	struct going going = { .number = number, .call = &plan->calls[number][i] };
	uint32_t k;
	int outcome;

	going.self = actor_of(number);
	going.want = (struct msgq_want){ going.call->type, going.call->size, going.call->flags };
	if (going.call->kind == CALL_SEND)
		text_fill(message_of(number, i), going.text);
	else
		memset(going.text, UNTOUCHED, TEXT_MAX);
	do {
		outcome = attempt(&going);
		if (outcome == MSGQ_WAITING)
			outcome = sleep_until_done(&going, result);
		result->has_retried |= outcome == MSGQ_RETRY;
	} while (outcome == MSGQ_RETRY);
	if (going.call->kind == CALL_SEND)
		return outcome;
	if (outcome == MSGQ_DONE)
		text_judge(going.text, going.size, going.type, going.call->size, result);
	for (k = 0; outcome != MSGQ_DONE && k < TEXT_MAX; k++) {
		if (going.text[k] != UNTOUCHED)
			fail("a text without a message");
	}
	return outcome;
}

static int copy(uint32_t number, const struct call *call, struct result *result)
{
	struct msgq *queue = &memory.queues[number];
	uint8_t text[TEXT_MAX];
	uint32_t rounds = 0;
	uint64_t size = 0;
	int64_t type = 0;
	int outcome;

	explore_meet(&memory.copying);
	memory.copying |= 1u << number;
	do {
		memset(text, UNTOUCHED, TEXT_MAX);
		outcome = msgq_copy(queue, call->type, call->size, call->flags & ABI_MSG_NOERROR, text,
				    &size, &type);
	} while (again(number, outcome, &rounds));
	explore_meet(&memory.copying);
	memory.copying &= ~(1u << number);
	if (outcome == MSGQ_DONE) {
		memset(text + size, UNTOUCHED, TEXT_MAX - size); /* a look in vain may have left it */
		text_judge(text, size, type, call->size, result);
	}
	return outcome;
}

static int set(uint32_t number, uint64_t qbytes)
{
	struct msgq *queue = &memory.queues[number];
	struct actor self = actor_of(number);
	struct wakes wakes = { 0 };
	uint32_t rounds = 0;
	int outcome;

	do {
		if (qbytes > queue->layout.qbytes_max && msgq_extend(queue, FILE_SIZE, qbytes))
			fail("the file cannot be made larger");
		outcome = msgq_set(queue, &self, qbytes, &wakes);
		wake(queue, &wakes);
	} while (again(number, outcome, &rounds));
	return outcome;
}

static int remove_queue(uint32_t number)
{
	struct actor self = actor_of(number);
	struct wakes wakes = { 0 };
	uint32_t rounds = 0;
	int outcome;

	do {
		outcome = msgq_remove(&memory.queues[number], &self, &wakes);
		wake(&memory.queues[number], &wakes);
	} while (again(number, outcome, &rounds));
	return outcome;
}

static int carry_out(uint32_t number, uint32_t i, struct result *result)
{
	const struct call *call = &plan->calls[number][i];
	struct msgq_stat stat;

	switch (call->kind) {
	case CALL_COPY:
		return copy(number, call, result);
	case CALL_STAT:
		msgq_get_stat(&memory.queues[number], &stat);
		result->message = (uint8_t)stat.qnum;
		result->size = (uint32_t)stat.cbytes;
		return MSGQ_DONE;
	case CALL_SET:
		return set(number, call->size);
	case CALL_REMOVE:
		return remove_queue(number);
	case CALL_TRIM:
		(void)trim(number); /* nobody is to see whether it could */
		return MSGQ_DONE;
	case CALL_LATE_GROWTH:
		msgq_growth_done(&memory.queues[number], &memory.late_growth);
		return MSGQ_DONE;
	default:
		return send_or_receive(number, i, result);
	}
}

static void actor(uint32_t number)
{
	uint32_t i, n = plan_n_calls(plan, number);

	for (i = 0; i < n; i++) {
		struct result *result = &memory.history.results[number][i];

		memory.history.ended_before[number][i] = memory.history.ended;
		memory.history.asleep_before[number][i] = memory.history.asleep;
		result->state = RESULT_PENDING;
		result->outcome = (uint8_t)carry_out(number, i, result);
		result->state = RESULT_ENDED;
		memory.history.ended |= call_bit(number, i);
	}
	memory.history.left |= 1u << number;
}

static void recover_client(const struct actor *dead)
{
	struct wakes wakes = { 0 };
	uint32_t rounds = 0;
	int outcome;

	do {
		outcome = msgq_recover(&memory.queues[DAEMON], dead, &wakes);
		wake(&memory.queues[DAEMON], &wakes);
	} while (again(DAEMON, outcome, &rounds));
	if (outcome != MSGQ_DONE)
		fail("recovery fails");
}

static void recover(uint32_t number)
{
	struct actor self = actor_of(number);
	uint32_t i;

	while (memory.recovering && memory.recovering != number + 1)
		explore_sleep(&memory.recovering);
	memory.recovering = number + 1;
	memory.copying &= ~(1u << number);
	map_file(number); /* the mapping was the dead one's */
	for (i = 0; i < CALLS_MAX; i++) {
		const struct call *call = &plan->calls[number][i];

		if (memory.history.results[number][i].state != RESULT_PENDING)
			continue;
		if (call->kind == CALL_REMOVE || call->kind == CALL_SET)
			mcas_recover(&memory.queues[DAEMON].mcas, self.client);
		if (call->kind == CALL_REMOVE)
			(void)remove_queue(number);
		else if (call->kind == CALL_SET)
			(void)set(number, call->size);
	}
	recover_client(&self);
	memory.history.left |= 1u << number;
	memory.history.ended |= recovery_bit(number);
	memory.recovering = 0;
	explore_wake(&memory.recovering);
}

/* --- at the end ------------------------------------------------------------------------------------ */

/* Takes out what is in the queue.  False: it has no end. */
static bool drain(void)
{
	const struct msgq_want want = { .size = TEXT_MAX };
	struct actor self = actor_of(DAEMON);
	struct wakes wakes = { 0 };
	uint8_t text[TEXT_MAX];
	uint32_t rounds = 0;
	uint64_t size;
	int64_t type;
	int outcome;

	map_file(DAEMON);
	msgq_get_stat(&memory.queues[DAEMON], &remains.stat);
	for (remains.n = 0; remains.n < MODEL_MESSAGES_MAX; remains.n++) {
		do {
			memset(text, UNTOUCHED, TEXT_MAX);
			outcome = msgq_receive(&memory.queues[DAEMON], &self, &want, text, &size, &type,
					       &wakes);
		} while (again(DAEMON, outcome, &rounds));
		if (outcome != MSGQ_DONE)
			return outcome == MSGQ_BLOCKED || outcome == MSGQ_E_REMOVED;
		text_judge(text, size, type, TEXT_MAX, &remains.messages[remains.n]);
	}
	return false;
}

/* Somebody asleep, alive and not stopped, whose call could go on as the queue is? */
static bool sleeps_without_reason(uint32_t gone)
{
	uint32_t number;

	for (number = 0; number < plan->n_actors; number++) {
		if ((gone | memory.history.left) >> number & 1)
			continue;
		if (msgq_is_removed(&memory.queues[DAEMON]) ||
		    history_could_go(&memory.history, plan, &remains, number))
			return true;
	}
	return false;
}

static const char *check_recovery(uint32_t number)
{
	struct actor self = actor_of(number);

	recover_client(&self);
	return msgq_holds(&memory.queues[DAEMON], self.client) ? "somebody has left something behind"
							       : NULL;
}

/* As what is used for the first time must be.  (No plan uses more of them.) */
static bool all_blocks_are_zero(void)
{
	static const uint8_t zero[4 * 4096];

	return memcmp(queue_file + memory.queues[DAEMON].layout.blocks_off, zero, sizeof(zero)) == 0;
}

/* Everybody goes, the stopped ones too: then nothing may be held, and nothing missing. */
static const char *check_rest(void)
{
	struct msgq *queue = &memory.queues[DAEMON];
	struct msgq_stat stat;
	const char *what = NULL;
	uint32_t number;

	for (number = 0; number < plan->n_actors && !what; number++)
		what = check_recovery(number);
	if (!what && !drain())
		what = "the queue cannot be emptied";
	if (!what)
		what = check_recovery(DAEMON);
	if (what)
		return what;
	msgq_get_stat(queue, &stat);
	if (!msgq_is_removed(queue) && (stat.qnum != 0 || stat.cbytes != 0))
		return "an empty queue says that it is not";
	if (plan_has(plan, CALL_TRIM) && !msgq_is_removed(queue) && !(trim(DAEMON) && all_blocks_are_zero()))
		return "the storage of an empty queue is not given back";
	return msgq_verify(queue) ? NULL : "the empty queue does not verify";
}

static const char *check_end(uint32_t stopped, uint32_t killed)
{
	map_file(DAEMON);
	if (!stopped && !msgq_verify(&memory.queues[DAEMON]))
		return "the queue does not verify";
	if (!drain())
		return "the queue cannot be emptied";
	if (sleeps_without_reason(stopped | killed))
		return "somebody sleeps who could go";
	if (history_slept_through_set(&memory.history, plan, stopped | killed))
		return "a receiver slept through IPC_SET";
	if (!history_is_explained(&memory.history, plan, &remains, stopped | killed))
		return "no order explains the results and what is left";
	return check_rest();
}

static const char *check(uint32_t stopped, uint32_t killed)
{
	const char *what;

	is_over = true;
	wrong = NULL;
	what = check_end(stopped, killed);
	is_over = false;
	return wrong ? wrong : what;
}

/* --- the beginning --------------------------------------------------------------------------------- */

/* Storage for sleepers and blocks is asked for once, here, so that plans need not. */
static void back_storage(void)
{
	struct msgq *queue = &memory.queues[DAEMON];
	const struct msgq_want want = { .size = TEXT_MAX };
	struct actor self = actor_of(DAEMON);
	struct msgq_sleeper sleeper;
	struct wakes wakes;
	uint8_t text[TEXT_MAX];
	uint32_t rounds = 0;
	uint64_t size;
	int64_t type;
	int outcome;

	do {
		outcome = msgq_receive_or_wait(queue, &self, &want, text, &size, &type, &wakes, &sleeper);
	} while (again(DAEMON, outcome, &rounds));
	if (outcome != MSGQ_WAITING || msgq_receive_cancel(queue, &self, &sleeper, &want, text, &size,
							   &type, &wakes) != MSGQ_BLOCKED)
		abort();
}

/*
 * Entries that a plan of giving back does not come to need: its actors keep those with even numbers;
 * recovery, and one that is run again, take odd ones.
 */
static bool is_constant(const volatile void *address)
{
	size_t off = (size_t)((uintptr_t)address - (uintptr_t)queue_file), entry = (off - 256) / 32;

	if (off >= 512 || !plan_has(plan, CALL_TRIM) || plan->n_actors > 3 || plan->one_client)
		return false;
	if (off < 256 || (start == START_CALM && off % 32 == 0)) /* qbytes_max, sleepers; owners */
		return start == START_CALM && (off >= 256 || off == 16 || off == 76 || off == 96);
	return entry % 2 == 1 ? entry > 4 || plan->n_kills == 0 : entry > 2 * plan->n_actors;
}

/* What the actors have done before: each has sent and received once.  Of a longer text none keeps a block. */
static void warm_up(uint32_t text_size)
{
	const struct msgq_want want = { .size = TEXT_MAX };
	uint8_t text[TEXT_MAX] = { 0 };
	struct wakes wakes;
	uint32_t number, rounds;
	uint64_t size;
	int64_t type;
	int outcome;

	for (number = 0; number < plan->n_actors; number++) {
		struct actor self = actor_of(number);

		rounds = 0;
		do {
			outcome = msgq_send(&memory.queues[DAEMON], &self, 1, text, text_size, &wakes);
		} while (again(DAEMON, outcome, &rounds));
		if (outcome != MSGQ_DONE || msgq_receive(&memory.queues[DAEMON], &self, &want, text,
							 &size, &type, &wakes) != MSGQ_DONE)
			abort();
	}
}

static void give_back_twice(void)
{
	struct actor self = actor_of(0);
	struct wakes wakes;

	if (msgq_send(&memory.queues[0], &self, 1, "x", 1, &wakes) != MSGQ_GROW)
		abort();
	msgq_growth(&memory.queues[0], &memory.late_growth);
	warm_up(5);
	if (!trim(DAEMON) || !trim(DAEMON))
		abort();
}

/* As if who made the last commit had died before he had carried out what follows from it. */
static void unfollow(void)
{
	uint64_t number = *(uint64_t *)(void *)(queue_file + 128) & 0xffff;

	*(uint64_t *)(void *)(queue_file + 4096 + number * 256 + 40) = 0;
}

static void reset(void)
{
	struct msgq_layout layout;
	struct actor self = actor_of(DAEMON);
	struct wakes wakes = { 0 };
	uint8_t text[TEXT_MAX];
	uint32_t i, rounds = 0;
	int outcome;

	memset(&memory, 0, sizeof(memory));
	memset(queue_file, 0, sizeof(queue_file));
	if (msgq_layout(plan->qbytes, &layout) || layout.size > FILE_SIZE)
		abort();
	msgq_format(queue_file, &layout, plan->qbytes, 1);
	for (i = 0; i < N_BINDINGS; i++)
		map_file(i);
	back_storage();
	if (start == START_WARM || start == START_CALM)
		warm_up(5);
	if (start == START_UNFOLLOWED)
		warm_up(TEXT_MAX);
	if (start == START_LATE_GROWTH)
		give_back_twice();
	for (i = 0; i < BEFORE_MAX && plan->before[i].kind != CALL_NONE; i++) {
		text_fill(message_of(DAEMON, i), text);
		do {
			outcome = msgq_send(&memory.queues[DAEMON], &self, plan->before[i].type, text,
					    plan->before[i].size, &wakes);
		} while (again(DAEMON, outcome, &rounds));
		if (outcome != MSGQ_DONE)
			abort();
	}
	if (start == START_UNFOLLOWED)
		unfollow();
}

/* As far as the states go: without kills and stops, which leave few for switches, and then with. */
static void explore_both(const struct explore_case *explored, uint64_t states_max,
			 struct explore_result *ret_result)
{
	bool is_calm = explored->n_kills + explored->n_stops == 0;
	struct explore_case calm = *explored;

	calm.n_kills = calm.n_stops = 0;
	explore_all(&calm, is_calm ? states_max : states_max / 2, ret_result);
	if (ret_result->failure || is_calm)
		return;
	explore_report(ret_result);
	explore_all(explored, states_max, ret_result);
}

static bool run_case(const struct plan *chosen, uint32_t number, bool random, uint64_t seed,
		     uint64_t states_max)
{
	struct explore_result result = { 0 };
	struct explore_case explored = {
		.name = chosen->name,
		.memory = &memory,
		.memory_size = sizeof(memory),
		.file = queue_file,
		.file_size = sizeof(queue_file),
		.n_actors = chosen->n_actors,
		.n_kills = chosen->n_kills,
		.n_stops = chosen->n_stops,
		.n_relapses = 1,
		.reset = reset,
		.actor = actor,
		.recover = recover,
		.check = check,
		.forbids = forbids,
		.is_constant = is_constant,
		.n_slices = 2,
	};

	plan = chosen;
	if (!random)
		explore_both(&explored, states_max, &result);
	if (!result.failure) {
		if (!random)
			explore_report(&result);
		explore_random(&explored, seed, states_max / (random ? 20 : 50), &result);
	}
	(void)printf("%s %u - %s\n", result.failure ? "not ok" : "ok", number, chosen->name);
	explore_report(&result);
	if (result.failure) {
		(void)explore_replay(&explored, result.schedule);
		history_print(&memory.history, plan, &remains);
	}
	(void)fflush(stdout);
	return result.failure == NULL;
}

/* Of a case; more take longer than a long run has time for. */
#define STATES_MAX UINT64_C(5000000)

/* Arguments: states for each case (and walks in proportion), seed, number of the only case to run. */
int main(int argc, char **argv)
{
	uint64_t states_max = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	uint64_t only = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
	uint32_t n_all = 0, number = 0, table, i, failed = 0;

	if (states_max > STATES_MAX)
		states_max = STATES_MAX;
	for (table = 0; table < PLAN_TABLES; table++)
		n_all += plan_tables[table].n;
	(void)printf("1..%u\n# seed %llu\n", only ? 1 : n_all, (unsigned long long)seed);
	for (table = 0; table < PLAN_TABLES; table++) {
		start = plan_tables[table].start;
		for (i = 0; i < plan_tables[table].n; i++) {
			if (++number == only || !only)
				failed += !run_case(&plan_tables[table].plans[i], number,
						    plan_tables[table].random, seed, states_max);
		}
	}
	return failed != 0;
}

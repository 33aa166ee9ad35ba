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
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explore.h"
#include "msgq-history.h"

enum { FILE_SIZE = 1 << 20, N_BINDINGS = DAEMON + 1 };

static struct {
	struct msgq queues[N_BINDINGS]; /* a mapping each */
	struct history history;
	uint32_t recovering; /* 1 + actor: one is recovered at a time */
} memory;

static _Alignas(4096) uint8_t queue_file[FILE_SIZE];
static const struct plan *plan;
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

/* True if the call must be made again, after what its outcome asks for. */
static bool again(uint32_t number, int outcome, uint32_t *rounds)
{
	struct msgq_growth growth;

	if (++*rounds > 100)
		fail("a call does not end");
	switch (outcome) {
	case MSGQ_GROW:
		msgq_growth(&memory.queues[number], &growth);
		msgq_growth_done(&memory.queues[number], &growth);
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

	do {
		memset(text, UNTOUCHED, TEXT_MAX);
		outcome = msgq_copy(queue, call->type, call->size, call->flags & ABI_MSG_NOERROR, text,
				    &size, &type);
	} while (again(number, outcome, &rounds));
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

/* MSG-44: a receiver who slept when an IPC_SET began, and still does, has looked again. */
static bool slept_through_set(uint32_t number, uint32_t i, uint32_t gone)
{
	const struct history *history = &memory.history;
	uint32_t other, k;

	if (plan->calls[number][i].kind != CALL_SET ||
	    history->results[number][i].state != RESULT_ENDED)
		return false;
	for (other = 0; other < plan->n_actors; other++) {
		if (!(history->asleep_before[number][i] & ~gone & 1u << other))
			continue;
		for (k = 0; history->ended_before[number][i] & call_bit(other, k); k++)
			;
		if (plan->calls[other][k].kind == CALL_RECEIVE &&
		    history->results[other][k].state == RESULT_PENDING &&
		    !history->results[other][k].has_retried)
			return true;
	}
	return false;
}

static bool somebody_slept_through_set(uint32_t gone)
{
	uint32_t number, i;

	for (number = 0; number < plan->n_actors; number++) {
		for (i = 0; i < CALLS_MAX; i++) {
			if (slept_through_set(number, i, gone))
				return true;
		}
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
	if (somebody_slept_through_set(stopped | killed))
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
	map_file(DAEMON);
	back_storage();
	for (i = 0; i < BEFORE_MAX && plan->before[i].kind != CALL_NONE; i++) {
		text_fill(message_of(DAEMON, i), text);
		do {
			outcome = msgq_send(&memory.queues[DAEMON], &self, plan->before[i].type, text,
					    plan->before[i].size, &wakes);
		} while (again(DAEMON, outcome, &rounds));
		if (outcome != MSGQ_DONE)
			abort();
	}
	for (i = 0; i < N_BINDINGS; i++)
		map_file(i);
}

/* --- the cases ------------------------------------------------------------------------------------- */

#define SEND(type, size) { CALL_SEND, HOW_SLEEP, type, size, 0 }
#define TRY_SEND(type, size) { CALL_SEND, HOW_TRY, type, size, 0 }
#define CANCEL_SEND(type, size) { CALL_SEND, HOW_CANCEL, type, size, 0 }
#define TAKE(type) { CALL_RECEIVE, HOW_SLEEP, type, TEXT_MAX, 0 }
#define TAKE_FLAGS(type, size, flags) { CALL_RECEIVE, HOW_SLEEP, type, size, flags }
#define TRY(type) { CALL_RECEIVE, HOW_TRY, type, TEXT_MAX, 0 }
#define TRY_FLAGS(type, size, flags) { CALL_RECEIVE, HOW_TRY, type, size, flags }
#define CANCEL(type) { CALL_RECEIVE, HOW_CANCEL, type, TEXT_MAX, 0 }
#define COPY(position, size, flags) { CALL_COPY, HOW_TRY, position, size, flags }
#define STAT() { CALL_STAT, HOW_TRY, 0, 0, 0 }
#define SET(qbytes) { CALL_SET, HOW_TRY, 0, qbytes, 0 }
#define REMOVE() { CALL_REMOVE, HOW_TRY, 0, 0, 0 }
#define EXCEPT ABI_MSG_EXCEPT
#define NOERROR ABI_MSG_NOERROR

/* Name, actors, kills, stops, qbytes, whether they are threads; what is there before; calls. */
static const struct plan plans[] = {
	{ "send and take", 2, 1, 0, 400, false, { { 0 } }, { { SEND(1, 5) }, { TAKE(0) } } },
	{ "send and take, stopped", 2, 0, 1, 400, false, { { 0 } }, { { SEND(1, 5) }, { TAKE(0) } } },
	{ "two senders", 2, 1, 0, 400, false, { { 0 } }, { { SEND(1, 5) }, { SEND(1, 6) } } },
	{ "two for one message", 2, 1, 0, 400, false, { SEND(1, 5) }, { { TRY(0) }, { TRY(1) } } },
	{ "from the middle beside a send", 2, 1, 0, 400, false, { SEND(2, 5), SEND(1, 6) },
	  { { TRY(1), TRY(0) }, { SEND(1, 7) } } },
	{ "the lowest beside a lower", 2, 1, 0, 400, false, { SEND(3, 5), SEND(2, 6) },
	  { { TRY(-9), TRY(-9) }, { SEND(1, 7), TRY(-2) } } },
	{ "any but one type", 2, 1, 0, 400, false, { { 0 } },
	  { { TAKE_FLAGS(1, TEXT_MAX, EXCEPT) }, { SEND(1, 5), SEND(2, 6) } } },
	{ "room for a sender", 2, 1, 0, 5, false, { SEND(1, 5) }, { { SEND(2, 5) }, { TAKE(0) } } },
	{ "room for two senders", 3, 0, 0, 10, false, { SEND(1, 10) },
	  { { SEND(2, 5) }, { SEND(3, 5) }, { TAKE(1) } } },
	{ "too long for the older sleeper", 3, 0, 0, 400, false, { { 0 } },
	  { { TAKE_FLAGS(0, 1, 0) }, { TAKE(0) }, { SEND(1, 50) } } },
	{ "cut for a sleeper", 2, 1, 0, 400, false, { { 0 } },
	  { { TAKE_FLAGS(1, 3, NOERROR) }, { SEND(1, 50), TRY_FLAGS(0, 60, 0) } } },
	{ "leaving against a send", 2, 1, 0, 400, false, { { 0 } }, { { CANCEL(0) }, { SEND(1, 5) } } },
	{ "leaving while another sleeps", 3, 0, 0, 400, false, { { 0 } },
	  { { CANCEL(0) }, { TAKE(0) }, { SEND(1, 5) } } },
	{ "a sender leaves, another sleeps", 3, 0, 0, 5, false, { SEND(1, 5) },
	  { { CANCEL_SEND(2, 5) }, { SEND(3, 5) }, { TAKE(1) } } },
	{ "two sleepers, two sends", 3, 0, 0, 400, false, { { 0 } },
	  { { TAKE(0) }, { TAKE(-5) }, { SEND(1, 5), SEND(1, 6) } } },
	{ "sleepers by type", 3, 0, 0, 400, false, { { 0 } },
	  { { TAKE(2) }, { TAKE(1) }, { SEND(1, 5), SEND(2, 6) } } },
	{ "a dead sleeper's message comes back", 2, 1, 0, 400, false, { { 0 } },
	  { { TAKE(0) }, { SEND(1, 5), SEND(1, 6), TRY(0) } } },
	{ "a dead sleeper's message goes to another", 3, 1, 0, 400, false, { { 0 } },
	  { { TAKE(0) }, { TAKE(0) }, { SEND(1, 5) } } },
	{ "a dead taker lets senders in", 2, 1, 0, 5, false, { SEND(1, 5) },
	  { { TRY(0) }, { SEND(2, 5), SEND(3, 0) } } },
	{ "removal under a receiver", 2, 1, 0, 400, false, { { 0 } }, { { TAKE(0) }, { REMOVE() } } },
	{ "removal under a sender", 3, 0, 0, 5, false, { SEND(1, 5) },
	  { { SEND(2, 5) }, { REMOVE() }, { TRY(0) } } },
	{ "removal against send and take", 3, 0, 0, 400, false, { { 0 } },
	  { { TAKE(0) }, { SEND(1, 5) }, { REMOVE() } } },
	{ "more room under a sender", 2, 1, 0, 50, false, { SEND(1, 20) },
	  { { SEND(2, 30) }, { SET(20), SET(50) } } },
	{ "a larger file", 2, 1, 0, 50, false, { SEND(1, 50) },
	  { { SEND(2, 100), TRY(1) }, { SET(160), TRY(2) } } },
	{ "a larger file beside a sender", 2, 0, 0, 50, false, { SEND(1, 50) },
	  { { SEND(2, 100) }, { SET(160) } } },
	{ "less room beside senders", 3, 0, 0, 100, false, { SEND(1, 50) },
	  { { TRY_SEND(2, 40) }, { SET(60) }, { TRY_SEND(3, 5), TRY(1) } } },
	{ "set under a receiver", 3, 0, 0, 400, false, { { 0 } },
	  { { TAKE(1) }, { SET(300) }, { SEND(2, 5) } } },
	{ "copies beside a take and a send", 2, 1, 0, 400, false, { SEND(1, 5), SEND(2, 120) },
	  { { COPY(0, TEXT_MAX, 0), COPY(1, 10, 0) }, { TRY(0), SEND(3, 7) } } },
	{ "looks beside a take and a send", 2, 0, 0, 400, false, { SEND(1, 5) },
	  { { STAT(), STAT() }, { SEND(2, 7), TRY(0), TRY(0) } } },
	{ "long texts", 2, 1, 0, 400, false, { SEND(1, 150) }, { { SEND(2, 140) }, { TRY(1), TRY(2) } } },
	{ "empty messages in a full queue", 2, 1, 0, 3, false, { SEND(1, 3) },
	  { { SEND(2, 0), SEND(3, 0), SEND(4, 0) }, { TRY(2), TRY(0) } } },
	{ "a sleeper stopped, others go on", 3, 0, 1, 400, false, { { 0 } },
	  { { TAKE(0) }, { TAKE(0) }, { SEND(1, 5), SEND(2, 6) } } },
	{ "a taker stopped, senders go on", 3, 0, 1, 5, false, { SEND(1, 5) },
	  { { TRY(0) }, { SEND(2, 5) }, { TRY(0) } } },
	{ "threads of one process", 3, 0, 0, 400, true, { SEND(1, 5) },
	  { { SEND(2, 5), TAKE(0) }, { TAKE(0), SEND(3, 7) }, { TRY_SEND(4, 100) } } },
	{ "room for one of two senders", 3, 0, 0, 10, false, { SEND(1, 5), SEND(1, 5) },
	  { { SEND(2, 6) }, { SEND(3, 4) }, { TAKE(1), TAKE(1) } } },
	{ "types that come and go", 2, 1, 0, 400, false, { SEND(1, 5), SEND(2, 6), SEND(3, 7) },
	  { { TRY(3), TRY(1), SEND(4, 8) }, { SEND(5, 9), TRY(2) } } },
};

static const struct plan crowds[] = {
	{ "at random: everybody sends and takes", 4, 1, 1, 400, false, { { 0 } },
	  { { SEND(1, 5), TAKE(0) }, { SEND(2, 100), TAKE(-3), TRY(0) }, { SEND(3, 7), TAKE(0) },
	    { CANCEL(2), SEND(1, 0), SEND(2, 8) } } },
	{ "at random: a small queue", 4, 1, 0, 20, false, { SEND(1, 20) },
	  { { SEND(2, 10), TAKE(0), SEND(3, 20) }, { TAKE(1), SEND(1, 15), TAKE(-2) },
	    { CANCEL_SEND(2, 20), TRY(3), TAKE(0) }, { SEND(1, 5), TAKE(0), SEND(2, 3) } } },
	{ "at random: sizes, types, copies", 4, 1, 0, 300, false, { SEND(4, 3), SEND(2, 140), SEND(4, 9) },
	  { { TAKE_FLAGS(2, 100, NOERROR), TAKE_FLAGS(4, TEXT_MAX, EXCEPT), TAKE(-9) },
	    { COPY(1, TEXT_MAX, 0), SEND(1, 20), COPY(0, 5, NOERROR) }, { TRY(-4), STAT(), SEND(5, 60) },
	    { TAKE_FLAGS(0, 6, 0), SEND(3, 120), TRY(4) } } },
	{ "at random: set and a larger file", 4, 1, 0, 40, false, { SEND(1, 40) },
	  { { SEND(2, 100), TAKE(1) }, { SET(150), SET(30), TRY(0) }, { SEND(3, 30), TAKE(-3) },
	    { TAKE(3), SEND(1, 1), STAT() } } },
	{ "at random: removal", 4, 1, 1, 60, false, { SEND(1, 30) },
	  { { SEND(2, 40), TAKE(0) }, { TAKE(3), SEND(1, 1) }, { TRY(1), REMOVE() },
	    { SEND(3, 5), TAKE(5) } } },
};

/* What everybody had done at the end of a failure. */
static void history_print(void)
{
	static const char *const states[] = { "not begun", "pending", "ended" };
	uint32_t number, i;

	for (number = 0; number < plan->n_actors; number++) {
		for (i = 0; i < plan_n_calls(plan, number); i++) {
			const struct result *result = &memory.history.results[number][i];

			(void)printf("# actor %u call %u (message %u): %s, outcome %u, message %u, size %u, "
				     "type %lld\n", number, i, message_of(number, i),
				     states[result->state], result->outcome, result->message,
				     result->size, (long long)result->type);
		}
	}
	(void)printf("# asleep %x, left %x; in the queue:", memory.history.asleep, memory.history.left);
	for (i = 0; i < remains.n; i++)
		(void)printf(" %u (%u bytes, type %lld)", remains.messages[i].message,
			     remains.messages[i].size, (long long)remains.messages[i].type);
	(void)printf("; %llu bytes of %llu\n", (unsigned long long)remains.stat.cbytes,
		     (unsigned long long)remains.stat.qbytes);
}

/* As far as the states go: without kills and stops, which leave few for switches, and then with. */
static void explore_both(const struct explore_case *explored, uint64_t states_max,
			 struct explore_result *ret_result)
{
	struct explore_case calm = *explored;

	calm.n_kills = calm.n_stops = 0;
	explore_all(&calm, states_max / 2, ret_result);
	if (ret_result->failure || explored->n_kills + explored->n_stops == 0)
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
		history_print();
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
	uint32_t n_plans = ARRAY_SIZE(plans), n_all = n_plans + ARRAY_SIZE(crowds);
	uint32_t i, failed = 0;

	if (states_max > STATES_MAX)
		states_max = STATES_MAX;
	(void)printf("1..%u\n# seed %llu\n", only ? 1 : n_all, (unsigned long long)seed);
	for (i = 0; i < n_all; i++) {
		if (!only || only == i + 1)
			failed += !run_case(i < n_plans ? &plans[i] : &crowds[i - n_plans], i + 1,
					    i >= n_plans, seed, states_max);
	}
	return failed != 0;
}

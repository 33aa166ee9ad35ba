/* msgq-plans.c: what the actors of explore-msgq.c do; see msgq-plans.h. */
#include "msgq-plans.h"

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
#define TRIM() { CALL_TRIM, HOW_TRY, 0, 0, 0 }
#define LATE_GROWTH() { CALL_LATE_GROWTH, HOW_TRY, 0, 0, 0 }
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

/* Beginning with actors that have made a call each, and keep a block. */
static const struct plan trims[] = {
	{ "giving back beside a send", 2, 1, 0, 400, false, { { 0 } }, { { TRIM() }, { SEND(2, 5) } } },
	{ "giving back, stopped", 2, 0, 1, 400, false, { { 0 } }, { { TRIM() }, { SEND(2, 5), TRY(2) } } },
	{ "giving back beside a copy", 2, 1, 0, 400, false, { SEND(1, 120) },
	  { { TRY(0), TRIM() }, { COPY(0, TEXT_MAX, 0) } } },
	{ "giving back what somebody was handed", 2, 1, 0, 400, false, { { 0 } },
	  { { TAKE(0) }, { SEND(1, 5), TRIM() } } },
	{ "two give back", 2, 1, 0, 400, false, { { 0 } }, { { TRIM() }, { TRIM(), SEND(2, 5) } } },
	{ "types, and giving back", 2, 1, 0, 400, false, { SEND(1, 5) },
	  { { TRY(1), TRIM() }, { SEND(3, 5), SEND(4, 5) } } },
};

/* The same where nobody dies or sleeps, so that there is less to look at. */
static const struct plan calm_trims[] = {
	{ "giving back beside one send", 2, 0, 0, 400, false, { { 0 } }, { { TRIM() }, { SEND(2, 5) } } },
	{ "giving back beside two sends", 3, 0, 0, 400, false, { { 0 } },
	  { { TRIM() }, { SEND(2, 5) }, { SEND(3, 5) } } },
	{ "giving back, twice, beside one who comes back", 2, 0, 0, 400, false, { { 0 } },
	  { { TRIM(), TRIM() }, { SEND(2, 5), TRY(0) } } },
};

/* Beginning with the last commit's followers as a dead one has left them. */
static const struct plan unfollowed_trims[] = {
	{ "giving back beside one who follows", 2, 0, 0, 400, false, { { 0 } }, { { TRIM() }, { SEND(2, 5) } } },
};

/* Beginning after storage was given back twice, while somebody still stands between asking for it and saying so. */
static const struct plan late_growths[] = {
	{ "giving back beside a late growth", 2, 1, 0, 400, false, { { 0 } },
	  { { LATE_GROWTH(), SEND(1, 5) }, { SEND(2, 5), TRY(2), TRIM() } } },
};

static const struct plan warm_crowds[] = {
	{ "at random: giving back beside sends", 3, 0, 0, 400, false, { { 0 } },
	  { { TRIM(), TRIM() }, { SEND(2, 5), TRY(0) }, { SEND(3, 5), TRY(0) } } },
};

static const struct plan trim_crowds[] = {
	{ "at random: everybody gives back", 4, 1, 1, 400, false, { SEND(1, 5) },
	  { { TRY(0), TRIM(), SEND(2, 5) }, { SEND(3, 100), TRY(0), TRIM() }, { TRY(0), SEND(1, 7), TRIM() },
	    { TRIM(), TRY(0), TRY(0) } } },
	{ "at random: threads that give back", 4, 0, 0, 400, true, { SEND(1, 5), SEND(2, 150) },
	  { { TRY(0), TRIM(), COPY(0, TEXT_MAX, 0) }, { SEND(3, 100), TAKE(0), TRIM() },
	    { TAKE(0), TRIM(), SEND(1, 7) }, { TRIM(), TRY(0), SEND(4, 1) } } },
};

const struct plan_table plan_tables[PLAN_TABLES] = {
	{ plans, ARRAY_SIZE(plans), false, START_EMPTY },
	{ crowds, ARRAY_SIZE(crowds), true, START_EMPTY },
	{ trims, ARRAY_SIZE(trims), false, START_WARM },
	{ calm_trims, ARRAY_SIZE(calm_trims), false, START_CALM },
	{ unfollowed_trims, ARRAY_SIZE(unfollowed_trims), false, START_UNFOLLOWED },
	{ late_growths, ARRAY_SIZE(late_growths), false, START_LATE_GROWTH },
	{ trim_crowds, ARRAY_SIZE(trim_crowds), true, START_EMPTY },
	{ warm_crowds, ARRAY_SIZE(warm_crowds), true, START_WARM },
};

/*
 * tests/model/msgq-act.h: a call on a queue as data, so that the queue and its model are given the same one,
 * also one in the middle of another (msgq-between.h).
 */
#ifndef TESTS_MODEL_MSGQ_ACT_H
#define TESTS_MODEL_MSGQ_ACT_H

#include "model/msgq.h"

/* Instead of a sleeper's place: the call does not wait. */
#define MSGQ_NO_PLACE MODEL_PLACES_MAX

enum msgq_act_kind {
	MSGQ_ACT_SEND,
	MSGQ_ACT_RECEIVE,
	MSGQ_ACT_END, /* a sleeper looks, or leaves */
	MSGQ_ACT_COPY,
	MSGQ_ACT_STAT,
	MSGQ_ACT_SET,
	MSGQ_ACT_SETTLE,
	MSGQ_ACT_TRIM, /* storage is given back, if the queue is empty: nobody sees it */
	MSGQ_ACT_RECOVER,
	MSGQ_ACT_NEXT_DAEMON, /* takes back what a killed one held */
	MSGQ_ACT_REMOVE,
	MSGQ_ACT_STEAD_SEND, /* place: that of the number */
	MSGQ_ACT_STEAD_RECEIVE,
	MSGQ_ACT_STEAD_END,
};

struct msgq_act {
	enum msgq_act_kind kind;
	bool cancels;  /* END */
	bool receives; /* END: what the sleeper is */
	uint8_t seed;  /* of the text that is sent */
	struct actor actor;
	struct msgq_want want; /* COPY: type is the position; SET: size is qbytes */
	uint32_t place;
	struct stead stead;
};

/* What came of it, on either side. */
struct msgq_result {
	int outcome;
	struct msgq_stat stat;
	struct model_message message; /* if it has one */
	uint32_t n_woken;
	uint32_t woken[MODEL_PLACES_MAX]; /* words of the file */
};

/* Clients, or how many have a mapping of their own. */
#define MSGQ_VIEWS 4u

/* A queue and its model. */
struct msgq_pair {
	struct msgq queue; /* the daemon's mapping */
	struct msgq views[MSGQ_VIEWS]; /* clients' */
	struct model_msgq model;
	struct msgq_sleeper sleepers[MODEL_SLEEPERS_MAX];
	uint8_t *base;
	/* NULL, or told which pages have storage from here on, or have none: nobody may touch those. */
	void (*back)(void *pages, uint64_t size, bool is_backed);
	uint64_t size; /* of the file, which may have room for a larger queue */
	uint64_t qbytes_max; /* at the beginning */
	uint32_t n_blocks; /* beyond these nothing was touched */
	uint8_t seed;
};

/* The place of a call in a client's stead. */
uint32_t msgq_act_place(uint64_t client, uint32_t number);

/*
 * Makes a call fit what there is now: it does not sleep where somebody does, and who ends a sleep is who
 * sleeps.  False: there is nothing to do.
 */
bool msgq_act_prepare(struct msgq_pair *pair, struct msgq_act *act);
/* After that: whether it is the daemon who makes it, one at a time. */
bool msgq_act_is_daemons(const struct msgq_act *act);
void msgq_act_on_queue(struct msgq_pair *pair, const struct msgq_act *act, struct msgq_result *ret_result);
/* Everybody has noticed that the file is larger. */
void msgq_act_remap(struct msgq_pair *pair);
void msgq_act_on_model(struct model_msgq *model, const struct msgq_act *act,
		       struct msgq_result *ret_result);
/* Whether outcome and message are the same; wakes and stat are the caller's. */
bool msgq_act_same(const struct msgq_act *act, const struct msgq_result *a, const struct msgq_result *b);

#endif

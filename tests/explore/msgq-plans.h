/*
 * msgq-plans.h: the plans of explore-msgq.c, in tables by how all begins.
 */
#ifndef TESTS_EXPLORE_MSGQ_PLANS_H
#define TESTS_EXPLORE_MSGQ_PLANS_H

#include "msgq-history.h"

enum plan_start {
	START_EMPTY,
	START_WARM,	   /* the actors have made a call each, and keep a block */
	START_CALM,	   /* the same; nobody dies or sleeps, so that there is less to look at */
	START_UNFOLLOWED,  /* what follows from the last commit is still to be carried out */
	START_LATE_GROWTH, /* somebody asked for storage, and then it was given back, twice */
};

struct plan_table {
	const struct plan *plans;
	uint32_t n;
	bool random; /* too large for anything but walks */
	enum plan_start start;
};

enum { PLAN_TABLES = 8 };
extern const struct plan_table plan_tables[PLAN_TABLES];

#endif

/*
 * stead.h: a call made in somebody's stead: by the daemon, for one who may use a set or queue but whom
 * the file's mode gives no mapping.
 *
 * What came of the call stands in a sleeper's record of the object's file, under the caller's identity and
 * the call's number, until he ends it: the change and the record's state are one commit.  So a call
 * may be asked for any number of times, of one daemon after the other, and is done once.  A call that is
 * blocked stands there as any sleeper does; its caller asks from time to time what has become of it.  If he
 * dies, recovery finds the record as one of his: a message goes back, a grant is handed back.
 *
 * What the daemon needs only while it makes the call, descriptors, entries, records not yet or no longer in
 * use, is under its own identity: the next daemon takes back what a killed one held, before it does anything
 * in that file (semset_stead_recover, msgq_stead_recover).
 */
#ifndef CORE_STEAD_H
#define CORE_STEAD_H

#include "core/mcas.h"

struct stead {
	uint32_t number; /* not 0 */
	bool may_begin;  /* otherwise only a call that stands already is looked at */
	bool may_wait;   /* otherwise one that is blocked is taken out */
};

/* The daemon, as it acts in the asker's stead. */
static inline struct actor stead_hands(const struct actor *asker)
{
	return (struct actor){
		.client = ACTOR_DAEMON,
		.pid = asker->pid,
		.hint = ACTOR_HINT_NONE,
		.now_s = asker->now_s,
		.slot = MCAS_SLOT_NONE,
	};
}

#endif

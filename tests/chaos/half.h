/*
 * half.h: an ordinary user with half a permission, whose calls the daemon makes in his stead; for storms
 * that kill the daemon.
 *
 * The keeper, who is root, has sets that the user may alter and not read, a queue that he may only send
 * to, and one that he may only receive from.  He starts the user, again and again, and an onlooker, who gives
 * the user units and messages and takes his; he kills the user at a random moment; and when that is settled, the
 * onlooker compares what there is with the user's book: every call was made once, but for the one under way,
 * which was or was not.  The keeper maps none of it: a child's calls go by what it inherits.
 */
#ifndef HALF_H
#define HALF_H

#include "chaos.h"

#define HALF_VALUES 2

/* The user's book.  The words are changed in this order: begun, the call, done. */
struct half_book {
	int before[HALF_VALUES], after[HALF_VALUES]; /* of the values he sets: by the call under way */
	_Atomic bool is_setting;
	_Atomic int taken_begun, taken; /* units */
	_Atomic int sent_begun, sent;   /* messages, numbered */
	_Atomic int received_begun, received;
	_Atomic bool stop, is_dead;
	int given, seen, offered; /* the onlookers' book: units, messages */
	_Atomic uint64_t n_calls;
	char text[160]; /* what must not be */
};

struct half {
	struct half_book *book; /* in memory that both share */
	const _Atomic bool *finish;
	const char *dir; /* of the namespace */
	uint32_t uid;    /* nobody else's here */
	int key;         /* the first of two */
	void (*problem)(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
	int values, set, from_user, to_user;
};

/* Until *finish.  Leaves nothing behind. */
void half_keep(struct half *half);

#endif

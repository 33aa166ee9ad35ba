/*
 * tests/model/msgq.h: a message queue in plain arrays, as the rules MSG-* have it: the reference for
 * unit tests, fuzzers and the explorer.  Outcomes are those of core/msgq.h.
 */
#ifndef TESTS_MODEL_MSGQ_H
#define TESTS_MODEL_MSGQ_H

#include "core/msgq.h"

/* The explorer, which copies models without end, has smaller ones. */
#ifndef MODEL_MESSAGES_MAX
#define MODEL_MESSAGES_MAX 512u
#define MODEL_TEXT_MAX 1024u
#define MODEL_STEADS_MAX 16u
#else
#define MODEL_STEADS_MAX 0u
#endif
#define MODEL_SLEEPERS_MAX 32u
/* Behind those who sleep themselves stand the calls in somebody's stead, a place for each number. */
#define MODEL_PLACES_MAX (MODEL_SLEEPERS_MAX + MODEL_STEADS_MAX)

struct model_message {
	int64_t type;
	uint32_t size;
	uint64_t arrival;
	uint8_t text[MODEL_TEXT_MAX];
};

/*
 * A call that sleeps, or one in somebody's stead that stands: of that also a sender, when it is DONE.  The
 * place in the array is the caller's choice.
 */
struct model_sleeper {
	bool used;
	bool receiver;
	uint64_t age; /* smaller is older */
	uint64_t client;
	uint32_t pid;
	struct msgq_want want; /* sender: size only */
	int outcome;           /* MSGQ_WAITING until it is over */
	struct model_message handed;
};

struct model_msgq {
	struct msgq_stat stat;
	uint32_t n; /* messages, in order of arrival */
	struct model_message messages[MODEL_MESSAGES_MAX];
	struct model_sleeper sleepers[MODEL_PLACES_MAX];
	uint64_t clock;
	uint32_t n_woken; /* sleeps ended by the last call */
	bool removed;
};

void model_msgq_init(struct model_msgq *model, uint64_t qbytes, int64_t now_s);
/* What of it is in use. */
void model_msgq_assign(struct model_msgq *model, const struct model_msgq *from);
/* Senders that fit are woken. */
void model_msgq_settle(struct model_msgq *model);
/* Whether a text of that size may be sent now. */
bool model_msgq_fits(const struct model_msgq *model, uint64_t size);

/* DONE, BLOCKED, E_REMOVED.  message->arrival is filled in. */
int model_msgq_send(struct model_msgq *model, const struct actor *actor,
		    const struct model_message *message);
/* DONE, BLOCKED, E_2BIG, E_REMOVED. */
int model_msgq_receive(struct model_msgq *model, const struct actor *actor,
		       const struct msgq_want *want, struct model_message *ret_message);
/* After BLOCKED: the call sleeps. */
void model_msgq_sleep(struct model_msgq *model, const struct actor *actor, uint32_t sleeper,
		      bool receiver, const struct msgq_want *want);
/* As the unit's polls and cancels. */
int model_msgq_end(struct model_msgq *model, uint32_t sleeper, bool cancel,
		   struct model_message *ret_message);
/* As the unit's: place has what stands of the call, if anything. */
int model_msgq_stead_send(struct model_msgq *model, const struct actor *actor,
			  const struct stead *stead, uint32_t place,
			  const struct model_message *message);
int model_msgq_stead_receive(struct model_msgq *model, const struct actor *actor,
			     const struct stead *stead, uint32_t place, const struct msgq_want *want,
			     struct model_message *ret_message);
void model_msgq_stead_end(struct model_msgq *model, uint32_t place);
int model_msgq_copy(const struct model_msgq *model, int64_t position, uint64_t size_max,
		    bool noerror, struct model_message *ret_message);
void model_msgq_set(struct model_msgq *model, uint64_t qbytes, int64_t now_s);
void model_msgq_remove(struct model_msgq *model);
void model_msgq_recover(struct model_msgq *model, const struct actor *dead);

#endif

/*
 * model/semset.h: a semaphore set in plain arrays, one caller at a time: what core/semset must do.
 *
 * Written from the rules (SEM-*, UNDO-*), not from the unit; outcomes are those of core/semset.h.
 */
#ifndef TESTS_MODEL_SEMSET_H
#define TESTS_MODEL_SEMSET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/semset.h"

#define MODEL_SEMS_MAX 64u
#define MODEL_CLIENTS_MAX 16u
#define MODEL_SLEEPERS_MAX 96u
#ifndef MODEL_OPS_MAX
#define MODEL_OPS_MAX 500u
#endif

#define MODEL_PLACE_NONE UINT32_MAX

/* Who sleeps, or has been ended and does not know yet, or whose call in its stead stands. */
struct model_sleeper {
	bool used;
	bool waiting;
	bool is_void; /* a SETVAL came after the grant: it is not handed back any more */
	int result;
	uint32_t client;
	uint32_t pid;
	uint32_t number; /* of a call in its stead (core/stead.h), or 0 */
	uint32_t place;  /* who ends several goes by it, from 0 on; whoever calls the model may set it */
	uint64_t age; /* smaller is older */
	uint32_t n_ops;
	struct abi_sembuf ops[MODEL_OPS_MAX];
};

struct model_semset {
	uint32_t n_sems;
	bool removed;
	int64_t otime_s;
	int64_t ctime_s;
	uint64_t clock;
	uint32_t n_ended; /* sleepers that had to be woken, so far */
	uint16_t values[MODEL_SEMS_MAX];
	uint32_t pids[MODEL_SEMS_MAX];
	int32_t adjustments[MODEL_CLIENTS_MAX][MODEL_SEMS_MAX];
	bool has_record[MODEL_CLIENTS_MAX]; /* a SEM_UNDO operation has been asked for (UNDO-10) */
	struct model_sleeper sleepers[MODEL_SLEEPERS_MAX];
};

/* Who calls: client is an index here. */
struct model_caller {
	uint32_t client;
	uint32_t pid;
	int64_t now_s;
};

void model_semset_init(struct model_semset *model, uint32_t n_sems, int64_t now_s);
/* ret_sleeper NULL: semset_op.  Otherwise BLOCKED becomes WAITING (E_NOMEM: the model has no room). */
int model_semset_op(struct model_semset *model, const struct model_caller *caller,
		    const struct abi_sembuf *ops, uint32_t n_ops, uint32_t *ret_sleeper);
/* WAITING, or the result, and the sleeper is gone. */
int model_semset_poll(struct model_semset *model, uint32_t sleeper);
/* BLOCKED: taken out; or as poll. */
int model_semset_cancel(struct model_semset *model, uint32_t sleeper);
void model_semset_set_value(struct model_semset *model, const struct model_caller *caller,
			    uint32_t sem_num, uint32_t value);
void model_semset_set_all(struct model_semset *model, const struct model_caller *caller,
			  const uint16_t *values);
void model_semset_counts(const struct model_semset *model, uint32_t sem_num, uint32_t *ret_ncnt,
			 uint32_t *ret_zcnt);

/*
 * A call in the caller's stead (core/stead.h); what stands is among the sleepers.  The outcome of the call, or
 * E_NOMEM: the model has no room.
 */
int model_semset_stead_op(struct model_semset *model, const struct model_caller *caller,
			  const struct stead *stead, const struct abi_sembuf *ops, uint32_t n_ops);
int model_semset_stead_assign(struct model_semset *model, const struct model_caller *caller,
			      const struct stead *stead, const uint16_t *values, uint32_t first,
			      uint32_t n);
void model_semset_stead_end(struct model_semset *model, const struct model_caller *caller,
			    uint32_t number);

/*
 * One that a process leaves ends; keep: what was granted to it stays done, otherwise it is handed back.
 * False: none is left.
 */
bool model_semset_end_sleeper(struct model_semset *model, const struct model_caller *caller, bool keep);
/* The process's adjustments are applied. */
void model_semset_undo(struct model_semset *model, const struct model_caller *caller);
/* The process ends: all of these. */
void model_semset_exit(struct model_semset *model, const struct model_caller *caller);
/* It is marked, or one sleeper is told.  False: nothing is left to do. */
bool model_semset_remove_step(struct model_semset *model);
void model_semset_remove(struct model_semset *model);

#endif

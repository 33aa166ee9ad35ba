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
#define MODEL_OPS_MAX 500u

struct model_sleeper {
	bool used;
	bool waiting;
	int result;
	uint32_t client;
	uint32_t pid;
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
/* The process ends: its sleepers go, its adjustments are applied. */
void model_semset_exit(struct model_semset *model, const struct model_caller *caller);
void model_semset_remove(struct model_semset *model);

#endif

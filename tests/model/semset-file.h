/*
 * model/semset-file.h: a set in anonymous shared memory, for tests.
 *
 * What is not backed yet cannot be touched: the mapping begins with its common part only, every
 * growth opens what it asked for, and the pages around the file stay closed.
 */
#ifndef TESTS_MODEL_SEMSET_FILE_H
#define TESTS_MODEL_SEMSET_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "core/semset.h"

struct semset_file {
	struct semset set;
	uint8_t *base;
	size_t size;
	uint8_t *mapping; /* with a closed page before and after */
	size_t mapping_size;
	uint32_t n_growths;
	void *memory; /* for SETALL, or NULL */
};

/* An empty set.  Ends the program on failure. */
void semset_file_init(struct semset_file *file, uint32_t n_sems);
void semset_file_deinit(struct semset_file *file);

/* Opens what an outcome asks for.  False: it is none of SEMSET_GROW_*. */
bool semset_file_grow(struct semset_file *file, int outcome);

/* As the functions of core/semset.h, growing as they ask for it. */
int semset_file_op(struct semset_file *file, const struct actor *actor, const struct abi_sembuf *ops,
		   uint32_t n_ops, struct wakes *ret_wakes);
int semset_file_wait(struct semset_file *file, const struct actor *actor,
		     const struct abi_sembuf *ops, uint32_t n_ops, struct wakes *ret_wakes,
		     struct semset_sleeper *ret_sleeper);
int semset_file_set_value(struct semset_file *file, const struct actor *actor, uint32_t sem_num,
			  uint32_t value, struct wakes *ret_wakes);
int semset_file_set_all(struct semset_file *file, const struct actor *actor, const uint16_t *values,
			struct wakes *ret_wakes);
/* Until neither MORE nor a growth is left; the last outcome. */
int semset_file_undo(struct semset_file *file, const struct actor *actor);
int semset_file_recover(struct semset_file *file, const struct actor *actor);

#endif

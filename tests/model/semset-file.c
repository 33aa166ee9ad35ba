/* model/semset-file.c: see the header. */
#include "model/semset-file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define CLOSED 65536u /* a page or more, on every machine */

static _Noreturn void die(const char *what)
{
	perror(what);
	abort();
}

void semset_file_init(struct semset_file *file, uint32_t n_sems)
{
	struct semset_layout layout;

	if (semset_layout(n_sems, &layout) != SEMSET_DONE)
		die("semset_layout");
	file->size = layout.size;
	file->mapping_size = layout.size + 2 * CLOSED;
	file->mapping = mmap(NULL, file->mapping_size, PROT_NONE,
			     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (file->mapping == MAP_FAILED)
		die("mmap");
	file->base = file->mapping + CLOSED;
	file->n_growths = 0;
	if (mprotect(file->base, layout.common_size, PROT_READ | PROT_WRITE) != 0)
		die("mprotect");
	semset_format(file->base, &layout, 1000);
	if (semset_bind(&file->set, file->base, layout.size) != SEMSET_DONE)
		die("semset_bind");
	file->memory = NULL;
	if (semset_set_all_size(&file->set) > 0) {
		file->memory = malloc(semset_set_all_size(&file->set));
		if (!file->memory)
			die("malloc");
	}
}

void semset_file_deinit(struct semset_file *file)
{
	if (file->mapping && munmap(file->mapping, file->mapping_size) != 0)
		die("munmap");
	file->mapping = NULL;
	free(file->memory);
	file->memory = NULL;
}

bool semset_file_grow(struct semset_file *file, int outcome)
{
	struct semset_growth growth;
	uint32_t i;

	if (!semset_growth(&file->set, outcome, &growth))
		return false;
	for (i = 0; i < growth.n_ranges; i++) {
		if (growth.ranges[i].size == 0 || growth.ranges[i].offset > file->size ||
		    growth.ranges[i].size > file->size - growth.ranges[i].offset)
			die("growth outside the file");
		if (mprotect(file->base + growth.ranges[i].offset, growth.ranges[i].size,
			     PROT_READ | PROT_WRITE) != 0)
			die("mprotect");
	}
	semset_grown(&file->set, &growth);
	file->n_growths++;
	return true;
}

int semset_file_op(struct semset_file *file, const struct actor *actor, const struct abi_sembuf *ops,
		   uint32_t n_ops, struct wakes *ret_wakes)
{
	int outcome;

	do
		outcome = semset_op(&file->set, actor, ops, n_ops, ret_wakes);
	while (semset_file_grow(file, outcome));
	return outcome;
}

int semset_file_wait(struct semset_file *file, const struct actor *actor,
		     const struct abi_sembuf *ops, uint32_t n_ops, struct wakes *ret_wakes,
		     struct semset_sleeper *ret_sleeper)
{
	int outcome;

	do
		outcome = semset_op_or_wait(&file->set, actor, ops, n_ops, ret_wakes, ret_sleeper);
	while (semset_file_grow(file, outcome));
	return outcome;
}

int semset_file_set_value(struct semset_file *file, const struct actor *actor, uint32_t sem_num,
			  uint32_t value, struct wakes *ret_wakes)
{
	int outcome;

	do
		outcome = semset_set_value(&file->set, actor, sem_num, value, ret_wakes);
	while (semset_file_grow(file, outcome));
	return outcome;
}

int semset_file_set_all(struct semset_file *file, const struct actor *actor, const uint16_t *values,
			struct wakes *ret_wakes)
{
	int outcome;

	do
		outcome = semset_set_all(&file->set, actor, values, file->memory, ret_wakes);
	while (semset_file_grow(file, outcome));
	return outcome;
}

int semset_file_undo(struct semset_file *file, const struct actor *actor)
{
	struct wakes wakes;
	int outcome;

	do
		outcome = semset_apply_undo(&file->set, actor, &wakes);
	while (outcome == SEMSET_MORE || semset_file_grow(file, outcome));
	return outcome;
}

int semset_file_recover(struct semset_file *file, const struct actor *actor)
{
	struct wakes wakes;
	int outcome;

	do
		outcome = semset_recover(&file->set, actor, &wakes);
	while (outcome == SEMSET_MORE || semset_file_grow(file, outcome));
	return outcome;
}

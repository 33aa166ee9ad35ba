/*
 * recorder.h: usysvd --record: what the service is told and asked, as core/record.h has it, in a file.
 *
 * An event is in the file before the step begins, and what storage said before the service hears it:
 * a daemon that dies in a step has recorded why.
 */
#ifndef DAEMON_RECORDER_H
#define DAEMON_RECORDER_H

#include "core/record.h"

/* The sum over a step's effects waits for the next event: one write a step. */
#define RECORDER_HELD_MAX (RECORD_HEAD_SIZE + 12u)

/* {0} records nothing. */
struct recorder {
	bool is_on;
	int fd;
	uint64_t size;
	const struct service_storage *asked; /* the real one */
	struct service_storage storage;      /* ours, in front of it */
	uint32_t n_held;
	uint8_t held[RECORDER_HELD_MAX];
};

/*
 * Begins a recording in a new file of the directory, which is made if it is missing and must be ours
 * alone to write in.  To be called just before service_start, with what that gets.  0 or -errno; the
 * log says why.
 */
int recorder_open(struct recorder *recorder, const char *dir, const struct registry *registry,
		  const struct record_header *header);
/* What the service is to be started with: storage itself when nothing is recorded. */
const struct service_storage *recorder_storage(struct recorder *recorder,
					       const struct service_storage *storage);
/* To be told by storage->settle of what it gives service_fold. */
void recorder_fold(struct recorder *recorder, int32_t shmid, const struct ledger_sum *sum);
void recorder_event(struct recorder *recorder, const struct event *event);
void recorder_effects(struct recorder *recorder, const struct effects *effects);
/* Ends it in order; legal on {0}. */
void recorder_close(struct recorder *recorder);

#endif

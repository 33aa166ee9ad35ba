/*
 * orphans.h: processes that have segments attached by inheritance, are no clients themselves, and
 * whose parent's ledger does not speak for them any more (it died, or ran another program).
 *
 * Their attachments are counted in /proc/PID/maps.  What does not fit here, or is not found, the
 * lock on the segment's file still protects (storage.h).
 */
#ifndef DAEMON_ORPHANS_H
#define DAEMON_ORPHANS_H

#include <stdint.h>

#include "daemon/clients.h"

/* Each is one reading of /proc in a sum: bounds what a process that only forks makes us do. */
#define ORPHANS_MAX 1024u

struct orphan {
	uint32_t pid;
	uint64_t start_time;
};

struct orphans {
	bool is_incomplete; /* somebody was killed inside fork(): the child's number is not known */
	uint32_t n;
	struct orphan list[ORPHANS_MAX];
};

/* Takes a process in, if there is room and it lives. */
void orphans_add(struct orphans *orphans, uint32_t pid);

/* Its parent's ledger speaks for it after all: it was only found in a search. */
void orphans_forget(struct orphans *orphans, uint32_t pid);

/* Mappings of the file; drops those who have ended or speak for themselves by now. */
uint32_t orphans_count(struct orphans *orphans, const struct clients *clients,
		       const struct registry *registry, const struct process_file *file);

/*
 * Takes in every process of the machine that may be looked at, is no client, and maps the file; or,
 * with file->inode 0, any file whose path begins with `below`.  False: not all could be looked at.
 */
bool orphans_search(struct orphans *orphans, const struct registry *registry,
		    const struct process_file *file, const char *below);

#endif

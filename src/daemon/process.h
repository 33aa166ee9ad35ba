/* process.h: what /proc says of a process. */
#ifndef DAEMON_PROCESS_H
#define DAEMON_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* Start time in clock ticks since boot: with the pid it names a process for ever.  0 or -errno. */
int process_start_time(uint32_t pid, uint64_t *ret_start_time);

/* True if uid is among its real, effective, saved and file system uid. */
bool process_has_uid(uint32_t pid, uint32_t uid);

/* True if gid is its file system group or one of its further groups. */
bool process_has_group(uint32_t pid, uint32_t gid);

/* True if it has CAP_IPC_LOCK, in the user namespace that we are in. */
bool process_may_lock(uint32_t pid);

/* A file as it appears in a process's list of mappings. */
struct process_file {
	uint64_t inode;
	char name[32]; /* last part of its path */
};

/*
 * Number of mappings of each file into counts (set, not added).  Files are told by inode and name:
 * the device in that list is not always the one stat reports.  0; -ENODATA: it maps nothing at
 * all, so it is ending and its process descriptor will say so; -EAGAIN: so many long lists of its user
 * have been read that this one is not for a while, and it has not been before; -errno: may not be read.
 */
int process_count_mappings(uint32_t pid, const struct process_file *files, uint32_t n_files,
			   uint32_t *ret_counts);

/* Its children, at most n_max of them.  0 or -errno. */
int process_children(uint32_t pid, uint32_t *ret_pids, uint32_t n_max, uint32_t *ret_n);

/* Whether it maps any file whose path begins with prefix; results as above. */
int process_maps_below(uint32_t pid, const char *prefix, bool *ret_maps);

#endif

/*
 * backing.h: the files of segments, opened to be mapped, and the lock that says "mapped".
 *
 * A process that attaches the same segment again keeps its file open from then on, so that a program
 * which attaches and detaches in a loop opens it once.  Everything is called under the process lock.
 */
#ifndef CLIENT_BACKING_H
#define CLIENT_BACKING_H

#include <stdbool.h>
#include <stdint.h>

struct backing {
	int fd;
	uint32_t number; /* of the open file that is kept, for backing_ended(); 0: not kept */
};

/*
 * The file of a segment, judged for need and opened for writing or not; live is its live word.
 * 0, -EINVAL: no such segment; -EACCES; -ENOMEM.
 */
struct registry_object;
int backing_open(const struct registry_object *object, uint64_t live, uint32_t need,
		 struct backing *ret_backing);
/* Takes the lock before it is mapped.  0, -EIDRM, -ENOMEM. */
int backing_lock(const struct backing *backing, int32_t id);
/* Done with it: is_mapped says whether it has been. */
void backing_close(const struct backing *backing, bool is_mapped);
/* One of the mappings made of the file with this number has gone. */
void backing_ended(uint32_t number);
/* A segment is to go: its file is not kept for later. */
void backing_removed(int32_t id);
/* What is kept is closed: a mapping of it will be in another process too, or is no longer whole. */
void backing_drop(void);

#endif

/*
 * huge.h: segments in huge pages: where their files are, and who may have some.
 *
 * `huge` in the namespace says where: it is, or is a link to, a folder of a hugetlbfs that nobody else
 * uses; or a link to objects/, made by the daemon, if that is on a tmpfs with huge pages.  Without it
 * there are none.
 */
#ifndef DAEMON_HUGE_H
#define DAEMON_HUGE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct huge {
	int fd;               /* of the folder; -1: none */
	bool is_reserved;     /* hugetlbfs: its pages are counted by the kernel */
	uint32_t exponent;    /* binary logarithm of the size of a page; 0: no new segments */
	char path[PATH_MAX];  /* hugetlbfs: of the folder, as lists of mappings have it */
};

struct namespace;

/* Looks what there is; whatever is wrong is a line in the log, and no huge pages. */
void huge_open(struct huge *huge, const struct namespace *ns);
void huge_close(struct huge *huge);
/* PERM-12: 0 or EPERM. */
int huge_judge(uint32_t pid);
/* Sets pages aside for a new file of a hugetlbfs, as long as it is there.  0 or -errno. */
int huge_reserve(int fd, uint64_t size);

#endif

/*
 * namespace.h: the directory a daemon serves: made, checked, locked, and its registry mapped.
 *
 * src/DESIGN.md has the tree.  Functions return 0 or -errno, and log what is wrong by name.
 */
#ifndef DAEMON_NAMESPACE_H
#define DAEMON_NAMESPACE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/registry.h"

struct pidfh;

/* Directory mode not given: 0755 for root, 0700 otherwise, and that of a namespace there already. */
#define NAMESPACE_MODE_DEFAULT UINT32_MAX

struct namespace {
	char path[PATH_MAX]; /* absolute */
	int dir_fd;
	int clients_fd;
	int objects_fd;
	int ledgers_fd;
	int register_fd;     /* for reading, held for writing too, so that it never ends */
	bool shared;         /* for processes of other uids */
	bool fresh;          /* made just now */
	uint32_t owner_uid;  /* of the directory */
	struct pidfh *pidfile;
	struct registry registry;
};

#define NAMESPACE_NONE \
	((struct namespace){.dir_fd = -1, .clients_fd = -1, .objects_fd = -1, .ledgers_fd = -1, \
			    .register_fd = -1})

/* Where a namespace is when nobody says so.  -ENOENT: no such place for this user. */
int namespace_default_path(char ret_path[PATH_MAX]);

/*
 * Opens the namespace in path, making what is missing, all but the register FIFO.  The umask is 0.
 * -EEXIST: another daemon serves it.  -EPROTO: it is of another version.  -ENOTEMPTY: the directory
 * is something else.  -EPERM: it is somebody else's, or others may write in it.
 */
int namespace_open(struct namespace *ns, const char *path, uint32_t mode);

/* Makes and opens the register FIFO: from now on clients find the daemon. */
int namespace_publish(struct namespace *ns);

/* Removes abandoned FIFOs in clients/, a bounded number a call. */
void namespace_sweep(struct namespace *ns);

/* Takes back what says that a daemon is here; all else stays.  Idempotent. */
void namespace_close(struct namespace *ns);

#endif

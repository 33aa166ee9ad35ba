/*
 * share.h: what each user may have of a namespace that serves several: half of the objects of each kind,
 * and half of the file system.  Root and a namespace of one user are not bound by it.
 */
#ifndef DAEMON_SHARE_H
#define DAEMON_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/quota.h"
#include "core/registry.h"

/* What an object was charged with, and to whom: its creator, who stays that. */
struct share_charge {
	uint32_t uid;
	uint32_t n_pages; /* 0: nothing */
};

struct share {
	bool is_bound; /* several users are served */
	struct share_charge charges[IPC_KIND_COUNT][OBJECT_MAX];
	struct quota quota;
};

/*
 * Charges the object's creator with it, or with what it has grown to.  bytes: of its file, as far as it is
 * sure to take them; pages_max: of the file system.  0 or ENOSPC, which the log explains.
 */
int share_charge(struct share *share, const struct registry *registry, enum ipc_kind kind,
		 const struct registry_object *object, uint64_t bytes, uint64_t pages_max);
/* It is gone; also one that was never charged. */
void share_release(struct share *share, enum ipc_kind kind, int32_t id);

#endif

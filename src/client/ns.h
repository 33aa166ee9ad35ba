/*
 * ns.h: which namespace this process uses, and its registry.
 *
 * USYSV_DIR, else $XDG_RUNTIME_DIR/usysv, else /run/usysv; chosen once, from the environment the
 * process was started with.  Reading the registry needs no daemon and no identity.
 */
#ifndef CLIENT_NS_H
#define CLIENT_NS_H

#include <stdatomic.h>

#include "core/registry.h"

#define NS_PATH_MAX 1024u

/* NULL until ns_open() has worked.  Never unmapped: live words stay readable. */
extern _Atomic(const struct registry *) ns_registry;

/* Reads the environment, once.  Called when the library is loaded, and by everything below. */
void ns_init(void);

/* Maps the registry.  0 or -ENOSYS, after one message a process; quiet: without the message. */
int ns_open(bool quiet);

/* The namespace was made anew at the same place: maps its registry.  0 or -ENOSYS. */
int ns_reopen(void);

/* The directory, for messages. */
const char *ns_directory(void);

/* True if there is a namespace in the directory, with or without a daemon. */
bool ns_exists(const char *directory);

/*
 * What it means that a file of the namespace is not there: -EINVAL, it was removed this moment; -ENOSYS,
 * after a message: the whole directory is out of reach, as after a chroot.
 */
int ns_missing(void);

/* One line on the process's standard error, once a process. */
void ns_complain(const char *reason);

/* True if USYSV_FALLBACK=kernel: calls that cannot reach the namespace go to the kernel. */
bool ns_may_fall_back(void);

/* Milliseconds a control call waits for the daemon: USYSV_TIMEOUT_MS. */
uint32_t ns_timeout_ms(void);

/* DIR/tail, then the id in decimal if not negative.  False: does not fit in NS_PATH_MAX. */
bool ns_path(char *path, const char *tail, int32_t id);
/* DIR/ledgers/ and sixteen hex digits. */
bool ns_ledger_path(char *path, uint64_t client);

/* objects/shm. and so on. */
const char *ns_object_prefix(enum ipc_kind kind);
/* Where a segment's file is: those of huge pages have a folder of their own. */
struct registry_object;
bool ns_segment_path(char *path, const struct registry_object *object);

#endif

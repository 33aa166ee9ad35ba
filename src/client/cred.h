/*
 * cred.h: who the calling thread is, and when that may have changed.
 *
 * Asked of the kernel itself, because libfakeroot replaces geteuid and its like.  Views remember
 * under which generation of credentials they were judged (PERM-14).
 */
#ifndef CLIENT_CRED_H
#define CLIENT_CRED_H

#include <stdatomic.h>

#include "core/cred.h"

extern _Atomic uint32_t cred_generation;

/* After a call that changes the process's credentials. */
void cred_changed(void);

/*
 * The calling thread's credentials.  Of the supplementary groups those that matter for the owner,
 * so that any number of groups can be judged; owner NULL: the first ones.
 */
void cred_fill(const struct ipc_owner *owner, struct cred *ret_cred);

uint32_t cred_euid(void);
uint32_t cred_egid(void);

#endif

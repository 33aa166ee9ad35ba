/* acl.h: the rights of an object's creator, where the file's owner is somebody else. */
#ifndef DAEMON_ACL_H
#define DAEMON_ACL_H

#include "core/cred.h"

/*
 * The creator and his group have the rights of owner and group (PERM-1, PERM-8), but a file has one
 * of each: when they differ the others are entries of an access control list.  0 or -errno; a
 * file system without such lists is no failure: there only the file's owner and group count.
 */
int acl_set_creator(int fd, const struct ipc_owner *owner);

#endif

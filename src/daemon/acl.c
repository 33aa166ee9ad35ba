/* acl.c: POSIX access control lists in the form the kernel takes. */
#include "daemon/acl.h"

#include <endian.h>
#include <errno.h>
#include <sys/xattr.h>

#define ACL_ATTRIBUTE "system.posix_acl_access"
#define ACL_VERSION 2u
#define ACL_NO_ID UINT32_MAX
#define ACL_ENTRIES_MAX 6u

/* Tags, in the order in which entries must stand. */
enum acl_tag {
	ACL_OWNER = 0x01,
	ACL_USER = 0x02,
	ACL_OWNING_GROUP = 0x04,
	ACL_GROUP = 0x08,
	ACL_MASK = 0x10,
	ACL_OTHER = 0x20,
};

struct acl_entry {
	uint16_t tag;
	uint16_t rights;
	uint32_t id;
};

struct acl {
	uint32_t version;
	struct acl_entry entries[ACL_ENTRIES_MAX];
};

static struct acl_entry acl_entry(enum acl_tag tag, uint32_t rights, uint32_t id)
{
	return (struct acl_entry){
		.tag = htole16((uint16_t)tag),
		.rights = htole16((uint16_t)(rights & 6u)),
		.id = htole32(id),
	};
}

int acl_set_creator(int fd, const struct ipc_owner *owner)
{
	struct acl acl = {.version = htole32(ACL_VERSION)};
	size_t n = 0;

	if (owner->cuid == owner->uid && owner->cgid == owner->gid) {
		if (fremovexattr(fd, ACL_ATTRIBUTE) < 0 && errno != ENODATA && errno != EOPNOTSUPP)
			return -errno;
		return 0;
	}
	acl.entries[n++] = acl_entry(ACL_OWNER, owner->mode >> 6, ACL_NO_ID);
	if (owner->cuid != owner->uid)
		acl.entries[n++] = acl_entry(ACL_USER, owner->mode >> 6, owner->cuid);
	acl.entries[n++] = acl_entry(ACL_OWNING_GROUP, owner->mode >> 3, ACL_NO_ID);
	if (owner->cgid != owner->gid)
		acl.entries[n++] = acl_entry(ACL_GROUP, owner->mode >> 3, owner->cgid);
	acl.entries[n++] = acl_entry(ACL_MASK, 6u, ACL_NO_ID);
	acl.entries[n++] = acl_entry(ACL_OTHER, owner->mode, ACL_NO_ID);
	if (fsetxattr(fd, ACL_ATTRIBUTE, &acl, sizeof(acl.version) + n * sizeof(acl.entries[0]), 0) < 0 &&
	    errno != EOPNOTSUPP)
		return -errno;
	return 0;
}

/* cred.c: permission is arithmetic on a mode; everything here is total and changes nothing. */
#include "core/cred.h"

#define CLASS_MASK 7u

static bool cred_in_group(const struct cred *cred, uint32_t gid)
{
	/* The count may come from a message: never believe more than the array holds. */
	uint32_t n = cred->n_groups < CRED_GROUPS_MAX ? cred->n_groups : CRED_GROUPS_MAX;

	if (cred->gid == gid)
		return true;
	for (uint32_t i = 0; i < n; i++) {
		if (cred->groups[i] == gid)
			return true;
	}
	return false;
}

/* The three bits of the one class that is consulted; there is no falling through (PERM-1). */
static uint32_t cred_class_bits(const struct cred *cred, const struct ipc_owner *owner)
{
	uint32_t shift = 0;

	if (cred->uid == owner->cuid || cred->uid == owner->uid)
		shift = 6;
	else if (cred_in_group(cred, owner->cgid) || cred_in_group(cred, owner->gid))
		shift = 3;
	return owner->mode >> shift & CLASS_MASK;
}

bool cred_may(const struct cred *cred, const struct ipc_owner *owner, uint32_t need)
{
	if (cred->privileged)
		return true;
	return (need & CLASS_MASK & ~cred_class_bits(cred, owner)) == 0;
}

uint32_t cred_need_of_flags(uint32_t flags)
{
	return (flags >> 6 | flags >> 3 | flags) & CLASS_MASK;
}

bool cred_may_control(const struct cred *cred, const struct ipc_owner *owner)
{
	return cred->privileged || cred->uid == owner->uid || cred->uid == owner->cuid;
}

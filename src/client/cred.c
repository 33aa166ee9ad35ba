/* cred.c: see cred.h. */
#include "client/cred.h"

#include "client/place.h"
#include "sys/raw.h"

#define CRED_GROUPS_STACK 128
#define CRED_GROUPS_KERNEL_MAX 65536

_Atomic uint32_t cred_generation = 1;

void cred_changed(void)
{
	atomic_fetch_add(&cred_generation, 1);
}

uint32_t cred_euid(void)
{
	return (uint32_t)raw_call0(SYS_geteuid);
}

uint32_t cred_egid(void)
{
	return (uint32_t)raw_call0(SYS_getegid);
}

static void cred_take_groups(const struct ipc_owner *owner, const uint32_t *groups, long n,
			     struct cred *cred)
{
	for (long i = 0; i < n && cred->n_groups < CRED_GROUPS_MAX; i++) {
		if (!owner || groups[i] == owner->gid || groups[i] == owner->cgid)
			cred->groups[cred->n_groups++] = groups[i];
	}
}

/* More groups than fit on the stack: memory of their own for a moment. */
static void cred_take_many_groups(const struct ipc_owner *owner, struct cred *cred)
{
	size_t size = CRED_GROUPS_KERNEL_MAX * sizeof(uint32_t);
	uint32_t *groups = place_private(size);
	long n;

	if (!groups)
		return; /* without his groups the caller is judged no better than he is */
	n = raw_call2(SYS_getgroups, CRED_GROUPS_KERNEL_MAX, groups);
	cred_take_groups(owner, groups, n, cred);
	place_unmap(groups, size);
}

void cred_fill(const struct ipc_owner *owner, struct cred *ret_cred)
{
	uint32_t groups[CRED_GROUPS_STACK];
	long n = raw_call2(SYS_getgroups, CRED_GROUPS_STACK, groups);

	ret_cred->uid = cred_euid();
	ret_cred->gid = cred_egid();
	ret_cred->privileged = ret_cred->uid == 0;
	ret_cred->n_groups = 0;
	if (n >= 0)
		cred_take_groups(owner, groups, n, ret_cred);
	else
		cred_take_many_groups(owner, ret_cred);
}

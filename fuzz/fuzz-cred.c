/*
 * fuzz-cred.c: who may do what, against the rules written out once more.
 *
 * Input: uid, gid, privileged, number of groups (may be more than there are), owner, creator, mode,
 * need or flags, then groups; ids are one byte.  Checked: PERM-1, 2, 3, 7, 8.
 */
#include "fuzz.h"

#include "core/cred.h"

static bool in_group(const struct cred *cred, uint32_t gid)
{
	bool is_in = cred->gid == gid;

	for (uint32_t i = 0; i < CRED_GROUPS_MAX; i++)
		is_in = is_in || (i < cred->n_groups && cred->groups[i] == gid);
	return is_in;
}

/* Digit by digit: of the owner, of the group, of the others. */
static uint32_t digit(const struct cred *cred, const struct ipc_owner *owner)
{
	if (owner->uid == cred->uid || owner->cuid == cred->uid)
		return owner->mode / 64 % 8;
	if (in_group(cred, owner->gid) || in_group(cred, owner->cgid))
		return owner->mode / 8 % 8;
	return owner->mode % 8;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { .bytes = data, .size = size };
	struct cred cred = { .uid = fuzz_u8(&input), .gid = fuzz_u8(&input) };
	struct ipc_owner owner;
	uint32_t flags, need;
	bool may, expected;

	cred.privileged = fuzz_u8(&input) & 1;
	cred.n_groups = fuzz_u8(&input);
	owner = (struct ipc_owner){ .uid = fuzz_u8(&input), .gid = fuzz_u8(&input) };
	owner.cuid = fuzz_u8(&input);
	owner.cgid = fuzz_u8(&input);
	owner.mode = fuzz_u16(&input);
	flags = fuzz_u16(&input);
	for (uint32_t i = 0; i < CRED_GROUPS_MAX; i++)
		cred.groups[i] = fuzz_u8(&input);
	need = cred_need_of_flags(flags);
	FUZZ_ASSERT(need == ((flags / 64 | flags / 8 | flags) & 7));
	may = cred_may(&cred, &owner, need);
	expected = cred.privileged || (need & ~digit(&cred, &owner)) == 0;
	FUZZ_SAY("uid %u gid %u of %u.%u made by %u.%u mode %o: need %o, may %d, expected %d",
		 cred.uid, cred.gid, owner.uid, owner.gid, owner.cuid, owner.cgid, owner.mode, need,
		 may, expected);
	FUZZ_ASSERT(may == expected);
	FUZZ_ASSERT(cred_may_control(&cred, &owner) ==
		    (cred.privileged || cred.uid == owner.uid || cred.uid == owner.cuid));
	return 0;
}

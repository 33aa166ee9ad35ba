/* prove-cred.c: permission, for every identity, every owner and any number of groups said. */
#include "prove.h"

#include "core/cred.c"

void cred_any(void)
{
	struct cred cred;
	struct ipc_owner owner;
	uint32_t need = nondet_u32();
	bool may = cred_may(&cred, &owner, need);

	/* The owner has his digit and no other's (PERM-1). */
	if (!cred.privileged && (cred.uid == owner.uid || cred.uid == owner.cuid))
		PROVE(may == ((need & 7 & ~(owner.mode >> 6)) == 0));
	if (cred.privileged)
		PROVE(may);
	PROVE(cred_may_control(&cred, &owner) ==
	      (cred.privileged || cred.uid == owner.uid || cred.uid == owner.cuid));
}

/* next.c: see next.h. */
#include "client/next.h"

struct next client_next;

void next_resolve(void)
{
#define NEXT_RESOLVE(name) client_next.name = (__typeof__(name) *)dlsym(RTLD_NEXT, #name);
	NEXT_FUNCTIONS(NEXT_RESOLVE)
#undef NEXT_RESOLVE
}

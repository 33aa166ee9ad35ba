/* fault.c: SIGBUS inside a marked call becomes a result of that call. */
#include "sys/fault.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

/* The innermost fault_run, or NULL. */
static sigjmp_buf *volatile fault_return;

static void fault_handle(int number)
{
	if (fault_return)
		siglongjmp(*fault_return, 1);
	/* Not ours: the same instruction faults again, and ends the program. */
	(void)signal(number, SIG_DFL);
}

int fault_init(void)
{
	/* SA_NODEFER, so that jumping out leaves no mask to restore, and sigsetjmp need not save one. */
	struct sigaction action = {.sa_handler = fault_handle, .sa_flags = SA_NODEFER};

	(void)sigemptyset(&action.sa_mask); /* cannot fail */
	return sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0;
}

bool fault_run(void (*work)(void *context), void *context)
{
	sigjmp_buf *volatile outer = fault_return;
	sigjmp_buf here;

	if (sigsetjmp(here, 0) != 0) {
		fault_return = outer;
		return false;
	}
	fault_return = &here;
	work(context);
	fault_return = outer;
	return true;
}

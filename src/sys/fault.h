/*
 * fault.h: surviving a mapped file that somebody has truncated.
 *
 * Whoever may write an object's file may also shorten it, and then a touch of the mapping is
 * SIGBUS.  The daemon touches such files only inside fault_run().  For single-threaded programs.
 */
#ifndef SYS_FAULT_H
#define SYS_FAULT_H

#include <stdbool.h>

/* Installs the handler of SIGBUS.  0 or -errno. */
int fault_init(void);

/*
 * Calls work(context).  False: it was left in the middle by a SIGBUS; what it holds (descriptors,
 * mappings) must be in context.  Nests.  A SIGBUS outside of it ends the program as usual.
 */
bool fault_run(void (*work)(void *context), void *context);

#endif

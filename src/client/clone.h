/*
 * clone.h: children that are made without fork(): by _Fork, clone and the bare system calls.
 *
 * Those that get a copy of the memory inherit what is attached, and are noted before they can run,
 * as fork()'s are.  Those that share it are threads, or as vfork's.
 */
#ifndef CLIENT_CLONE_H
#define CLIENT_CLONE_H

/* fork, clone or clone3, by number and with six arguments.  The result or -errno, in both processes. */
long clone_call(long number, const long *a);

#endif

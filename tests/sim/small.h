/*
 * small.h: the service as the simulation builds it; included before everything else.
 *
 * The tables are small, so that they can be filled up, and looked through as a whole after every
 * start.  Nothing in the code knows: every table has its size from these constants alone.
 */
#ifndef SIM_SMALL_H
#define SIM_SMALL_H

#include "core/abi.h"
#include "core/limits.h"

#undef ABI_INDEX_BITS
#undef ABI_INDEX_MASK
#define ABI_INDEX_BITS 9
#define ABI_INDEX_MASK 0x1ff

#undef OBJECT_MAX
#undef CLIENT_MAX
#undef SESSION_MAX
#undef SESSION_PER_UID_MAX
#undef OBJECT_PER_UID_MAX
#define OBJECT_MAX 512u
#define CLIENT_MAX 192u
#define SESSION_MAX 512u
#define SESSION_PER_UID_MAX 90u
#define OBJECT_PER_UID_MAX 90u

#endif

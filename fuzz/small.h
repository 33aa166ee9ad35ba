/*
 * small.h: the core as the fuzzers build it; included before everything else.
 *
 * The tables are small, so that they can be filled up, emptied, made anew for every input and looked
 * through as a whole, a hundred thousand times in a minute.  Nothing in the code knows: every table
 * has its size from these constants alone.
 */
#ifndef FUZZ_SMALL_H
#define FUZZ_SMALL_H

/* These are meant to be set from outside. */
#define SLEEPER_MAX 128u
#define MSGQ_PAGES 2u
#define MSGQ_WAKES_MAX 8u
#define SKIP_STEPS_MAX 4u
#define SKIP_STEPS_NOTED 2u
#define SEMSET_UNDO_ROWS_MAX 16u
#define SEMSET_PAGE 4096u
#define SEMSET_SLEEPERS_FIRST 4u
#define SEMSET_ROWS_FIRST 4u
#define SEMSET_WAKES_MAX 3u
#define QUOTA_BUCKET_BITS 2
/* And of the model of a set. */
#define MODEL_OPS_MAX 64u

#ifndef FUZZ_ALL_ROUNDS
#define MCAS_PAUSES_BEFORE_ABORT 4u
#define MCAS_PATIENCE 16u
#define MCAS_PATIENCE_LARGE 64u
#endif

#include "core/abi.h"
#include "core/limits.h"

#undef ABI_INDEX_BITS
#undef ABI_INDEX_MASK
#define ABI_INDEX_BITS 7
#define ABI_INDEX_MASK 0x7f

#undef OBJECT_MAX
#define OBJECT_MAX 128u

#undef CLIENT_MAX
#undef SESSION_MAX
#undef SESSION_PER_UID_MAX
#undef OBJECT_PER_UID_MAX
#define CLIENT_MAX 64u
#define SESSION_MAX 128u
#define SESSION_PER_UID_MAX 80u
#define OBJECT_PER_UID_MAX 40u

#undef LEDGER_ATTACH_MAX
#undef LEDGER_USES_MAX
#undef LEDGER_CHILDREN_MAX
#define LEDGER_ATTACH_MAX 64u
#define LEDGER_USES_MAX 32u
#define LEDGER_CHILDREN_MAX 16u

#include "core/semset-internal.h"

/*
 * A peer that lies makes a call use up all its rounds: that has to be seen often.  FUZZ_ALL_ROUNDS:
 * the real numbers, to see how long a call takes at the worst.
 */
#ifndef FUZZ_ALL_ROUNDS
#undef MCAS_ROUNDS_MAX
#undef SEMTX_BUDGET
#undef SEMTX_TRIES_MAX
#undef SEMTX_BUSY_MAX
#define MCAS_ROUNDS_MAX 512u
#define SEMTX_BUDGET (UINT32_C(1) << 14)
#define SEMTX_TRIES_MAX 512u
#define SEMTX_BUSY_MAX 8u
#endif

#endif

/* tiny.h: the core as it is proved: two of everything, and loops of two rounds, unless it is said before. */
#ifndef FUZZ_PROVE_TINY_H
#define FUZZ_PROVE_TINY_H

#ifndef ROUNDS
#define ROUNDS 2u
#endif
#ifndef MCAS_SMALL_MAX
#define MCAS_SMALL_MAX 2u
#define MCAS_LARGE_MAX 3u
#endif
#define MCAS_SMALL_SLOTS 2u
#define MCAS_LARGE_SLOTS 1u
#define MCAS_PAUSES_BEFORE_ABORT 1u
#define MCAS_PATIENCE 1u
#define MCAS_PATIENCE_LARGE 1u

#ifndef SLEEPER_MAX
#define SLEEPER_MAX 2u
#define SEM_NOPS_MAX 2u
#endif
#define SEMSET_UNDO_ROWS_MAX 2u
#define SEMSET_RESIDENT_SLOTS 2u
#define SEMSET_PAGE 64u
#define SEMSET_SLEEPERS_FIRST 1u
#define SEMSET_ROWS_FIRST 1u
#define SEMSET_WAKES_MAX 1u

#include "core/limits.h"

#undef MCAS_ROUNDS_MAX
#undef MCAS_MARKS_MAX
#define MCAS_ROUNDS_MAX ROUNDS
#define MCAS_MARKS_MAX 2u
#undef FRAME_SIZE_MAX
#ifdef FRAME_SIZE_PROVED
#define FRAME_SIZE_MAX FRAME_SIZE_PROVED
#else
#define FRAME_SIZE_MAX 128u
#endif

#endif

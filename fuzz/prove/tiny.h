/* tiny.h: the core as it is proved: two of everything, and loops of two rounds. */
#ifndef FUZZ_PROVE_TINY_H
#define FUZZ_PROVE_TINY_H

#define MCAS_SMALL_MAX 2u
#define MCAS_SMALL_SLOTS 2u
#define MCAS_LARGE_MAX 3u
#define MCAS_LARGE_SLOTS 1u
#define MCAS_PAUSES_BEFORE_ABORT 1u
#define MCAS_PATIENCE 1u
#define MCAS_PATIENCE_LARGE 1u

#include "core/limits.h"

#undef MCAS_ROUNDS_MAX
#define MCAS_ROUNDS_MAX 2u
#undef FRAME_SIZE_MAX
#ifdef FRAME_SIZE_PROVED
#define FRAME_SIZE_MAX FRAME_SIZE_PROVED
#else
#define FRAME_SIZE_MAX 128u
#endif

/* An instruction CBMC does not know. */
#define __builtin_ia32_pause() ((void)0)

#endif

/*
 * hooks.h: what stands behind every access to shared memory in the fuzzers' build of the core.
 *
 * By default nothing.  A harness over a mapping says where it is: an access outside is then a finding
 * in every build.  It gives each call a number of accesses: one more is a finding (no loop without
 * end).  And it lets loads lie: what a hostile peer can do at any time.
 */
#ifndef FUZZ_HOOKS_H
#define FUZZ_HOOKS_H

#include "fuzz.h"

/* Forgets everything below: to be called first for each input. */
void hooks_reset(void);
/* Everything is now in [base, base + size). */
void hooks_region(const void *base, size_t size);
/* From here on so many accesses; 0: any number. */
void hooks_budget(uint64_t n_accesses);
/* Since the last budget. */
uint64_t hooks_used(void);

/* Before the n-th access from now (0: the next): call().  Only once; call may set it again. */
void hooks_call(uint64_t n, void (*call)(void));

/*
 * Loads return what they found until the input says otherwise: gap (8 bits: so many loads are
 * honest), kind (8 bits), and what the kind needs.  Round and round, while on; an empty input never
 * lies.
 *   0 zero           1 one bit other: which      2 payload + d       3 payload and version small
 *   4 any 64 bits    5 all ones                  6 what some earlier load returned: which
 *   7 a mark: slot, entry, sequence (of mcas)    8 even number of two bytes, shifted: n, shift
 */
void hooks_lies(struct fuzz_input *input);
void hooks_lie(bool on);

/* A value that somebody might take for something, from the input; truth: what is really there. */
uint64_t hooks_value(struct fuzz_input *input, uint64_t truth);

#endif

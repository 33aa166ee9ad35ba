/*
 * model/semset-step.h: operations, coded as bytes, done on a set and on its model alike.
 *
 * Byte 0: number of semaphores - 1, modulo 6.  Then, until the bytes end:
 *
 *   kind     kind % 16 selects; kind / 16 % 4 is the client
 *   0..6     semop that may sleep:  count, then per operation: sem, op, flags
 *   7..8     semop that does not:   the same
 *   9        SETVAL:                sem, value
 *   10       SETALL:                one value a semaphore
 *   11, 12   a sleeper leaves:      which
 *   13       exit
 *   14       death (sleepers and adjustments at once)
 *   15       by the next byte: 0xff IPC_RMID; 0xfe exec; 0x80..0xef a call in the client's stead;
 *            settle otherwise
 *
 *   stead    n % 4 + 1 is its number, 4 it may not begin, 8 it may not wait; by n >> 4 & 7:
 *            0..3 semop: count, then the operations   4 SETVAL: sem, value   5 SETALL: values   6 it ends
 *   count    n % 4 + 1 operations; from 0xf0 on: 5 + n % 16; 0xff: 40
 *   op       -8..7 by n % 16; from 0xf0 on: +-32767, -32768, 30000 and the like
 *   flags    1 IPC_NOWAIT, 2 SEM_UNDO
 *   value    n % 8; from 0xf0 on: 32767
 *
 * After each, results, wakes and everything readable must be equal, and the set's invariants hold.
 */
#ifndef TESTS_MODEL_SEMSET_STEP_H
#define TESTS_MODEL_SEMSET_STEP_H

#include <stddef.h>
#include <stdint.h>

/* NULL, or a printf that is told each operation and what it came to. */
extern void (*semset_step_say)(const char *format, ...);

/* NULL, or what differed first.  Bytes beyond 4096 are ignored. */
const char *semset_step_run(const uint8_t *bytes, size_t n_bytes);

#endif

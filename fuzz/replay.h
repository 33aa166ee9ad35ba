/* replay.h: what the parts of the program around a harness share. */
#ifndef FUZZ_REPLAY_H
#define FUZZ_REPLAY_H

#include "fuzz.h"

/* A recording of full size. */
#define REPLAY_SIZE_MAX ((size_t)64 << 20)

/* One run of the harness; ends the program with a message on a bad result. */
void replay_once(const uint8_t *bytes, size_t size);
/* A whole file; ends the program if there is none.  buffer holds REPLAY_SIZE_MAX. */
size_t replay_read(const char *path, uint8_t *buffer);

/* Exit statuses.  minimise: 0 done, 1 the input does not fail. */
int minimise(const char *out, const char *path);
int to_c(const char *program, const char *path);

#endif

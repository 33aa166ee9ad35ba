/*
 * log.h: the daemon's log: one line an event, "time level text", to stderr or a file.
 *
 * What clients cause is bounded twice: a line's length, and lines a second (a client that has a
 * request refused in a loop must not fill the disk); how many were left out is said in the log.
 * There is one log in a program.
 */
#ifndef SYS_LOG_H
#define SYS_LOG_H

#include <stdbool.h>

#define LOG_LINE_MAX 512u
/* Information lines in one second; errors and warnings are not counted. */
#define LOG_LINES_PER_SECOND_MAX 200u

enum log_level {
	LOG_LEVEL_ERROR,   /* the daemon cannot do its work */
	LOG_LEVEL_WARNING, /* something is wrong, it goes on */
	LOG_LEVEL_NOTICE,  /* start, stop, what an administrator wants to find */
	LOG_LEVEL_INFO,    /* what a client was refused and why */
};

/* path NULL: stderr, as before the first call.  0 or -errno, and the log stays as it was. */
int log_open(const char *path);
/* Opens the path again, after somebody moved the file away. */
int log_reopen(void);
void log_close(void);
bool log_has_file(void);

/* Control characters become '?', so that no name can forge a line. */
void log_line(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif

/* daemon.h: usysvd, started with its options and run to its end. */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

/* Exit statuses, those of sysexits.h. */
#define DAEMON_EXIT_FAILURE 1
#define DAEMON_EXIT_USAGE 64
#define DAEMON_EXIT_SERVED 75  /* another daemon serves the namespace */
#define DAEMON_EXIT_VERSION 78 /* the namespace is of another version, or damaged */

struct daemon_options {
	const char *dir;
	uint32_t mode;       /* of the directory, or NAMESPACE_MODE_DEFAULT */
	int ready_fd;        /* gets one line when clients are served, and is closed; -1: none */
	bool detach;         /* when ready: leave the terminal; a log without a file goes to DIR/log */
	const char *pidfile; /* one more file for the pid; NULL: none */
	const char *record;  /* directory for a recording of the control requests; NULL: none */
};

/* Serves until SIGTERM or SIGINT.  Once per program.  The exit status. */
int daemon_run(const struct daemon_options *options);

#endif

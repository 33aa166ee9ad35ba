/*
 * library.c: makes System V calls of this process go to a namespace.
 *
 * By the same way as any program: LD_PRELOAD and USYSV_DIR, which are read when a program starts.
 * So the program starts itself anew with both set, unless they are.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <unistd.h>

#include "cli/cli.h"

/* Set over the one restart, so that a library that does not load cannot make us run in circles. */
#define LIBRARY_TRIED "USYSV_CLI_RESTARTED"

static char **library_argv;

void library_remember(char **argv)
{
	library_argv = argv;
}

/* True if the calls of this process are the library's. */
static bool library_is_loaded(void)
{
	Dl_info info;

	return dladdr((void *)(uintptr_t)shmctl, &info) != 0 && info.dli_fname != NULL &&
	       strstr(info.dli_fname, "libusysv.so") != NULL;
}

bool library_enter(const struct space *space)
{
	char library[PATH_MAX];
	const char *dir = getenv("USYSV_DIR");
	bool tried = getenv(LIBRARY_TRIED) != NULL;

	if (library_is_loaded() && dir != NULL && strcmp(dir, space->dir) == 0) {
		(void)unsetenv(LIBRARY_TRIED);
		return true;
	}
	if (tried) {
		cli_error("the library libusysv.so cannot be loaded into this program");
		return false;
	}
	if (!place_find_library(library))
		return false;
	/* The answer should come soon, also when the daemon does not run. */
	if (setenv("USYSV_TIMEOUT_MS", "5000", 0) != 0 || setenv(LIBRARY_TRIED, "1", 1) != 0 ||
	    setenv("USYSV_DIR", space->dir, 1) != 0 || setenv("LD_PRELOAD", library, 1) != 0 ||
	    fflush(NULL) != 0) {
		cli_error("cannot prepare to load %s: %s", library, strerror(errno));
		return false;
	}
	execv("/proc/self/exe", library_argv);
	cli_error("cannot start again: %s", strerror(errno));
	return false;
}

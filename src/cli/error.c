/* error.c: messages, numbers and names. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

void cli_error(const char *format, ...)
{
	char text[PATH_MAX + 512];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments); /* a cut message is still one */
	va_end(arguments);
	(void)fprintf(stderr, "usysv: %s\n", text);
}

void cli_error_path(const char *what, const char *path, int error)
{
	cli_error("%s %s: %s", what, path, strerror(error));
}

bool cli_number(const char *text, int64_t low, int64_t high, const char *what, int64_t *ret_number)
{
	char *end = NULL;
	long long number = 0;

	errno = 0;
	number = strtoll(text, &end, 0);
	if (errno != 0 || end == text || *end != '\0' || number < low || number > high) {
		cli_error("%s: `%s' is not a number from %lld to %lld", what, text, (long long)low,
			  (long long)high);
		return false;
	}
	*ret_number = number;
	return true;
}

static const char *const kind_names[IPC_KIND_COUNT] = {
	[IPC_KIND_SHM] = "shm",
	[IPC_KIND_SEM] = "sem",
	[IPC_KIND_MSG] = "msg",
};

bool kind_parse(const char *text, enum ipc_kind *ret_kind)
{
	static const char letters[IPC_KIND_COUNT + 1] = {
		[IPC_KIND_SHM] = 'm',
		[IPC_KIND_SEM] = 's',
		[IPC_KIND_MSG] = 'q',
	};

	for (unsigned int kind = 0; kind < IPC_KIND_COUNT; kind++) {
		if (strcmp(text, kind_names[kind]) == 0 ||
		    (text[0] == letters[kind] && text[1] == '\0')) {
			*ret_kind = (enum ipc_kind)kind;
			return true;
		}
	}
	return false;
}

const char *kind_to_string(enum ipc_kind kind)
{
	return kind_names[kind];
}

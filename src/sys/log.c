/* log.c: the daemon's log. */
#include "sys/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sys/clock.h"

/* One per program, because everything that fails must be able to say so. */
static struct {
	int fd; /* 0: stderr */
	char path[PATH_MAX];
	int64_t second; /* the one that n_lines counts */
	uint32_t n_lines;
	uint32_t n_left_out;
} log_state;

int log_open(const char *path)
{
	int fd;

	if (!path) {
		log_close();
		return 0;
	}
	if (strlen(path) >= sizeof(log_state.path))
		return -ENAMETOOLONG;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	if (fd < 0)
		return -errno;
	if (log_state.fd > 0)
		(void)close(log_state.fd); /* append-only lines, each written by itself */
	log_state.fd = fd;
	if (path != log_state.path)
		memcpy(log_state.path, path, strlen(path) + 1);
	return 0;
}

int log_reopen(void)
{
	return log_state.fd > 0 ? log_open(log_state.path) : 0;
}

void log_close(void)
{
	if (log_state.fd > 0)
		(void)close(log_state.fd);
	log_state.fd = 0;
}

bool log_has_file(void)
{
	return log_state.fd > 0;
}

static const char *log_level_to_string(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARNING:
		return "warning";
	case LOG_LEVEL_NOTICE:
		return "notice";
	case LOG_LEVEL_INFO:
		break;
	}
	return "info";
}

static void log_write(enum log_level level, int64_t now_s, const char *text)
{
	char line[LOG_LINE_MAX];
	char stamp[32] = "";
	time_t seconds = (time_t)now_s;
	struct tm utc;
	int n;

	if (gmtime_r(&seconds, &utc))
		(void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &utc);
	n = snprintf(line, sizeof(line), "%s %s %s", stamp, log_level_to_string(level), text);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(line) - 1)
		n = sizeof(line) - 2;
	for (int i = 0; i < n; i++) {
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	}
	line[n++] = '\n';
	/* A log that cannot be written has nowhere to say so. */
	n = (int)write(log_state.fd > 0 ? log_state.fd : STDERR_FILENO, line, (size_t)n);
	(void)n;
}

/* True if this line is one too many for its second. */
static bool log_is_flood(enum log_level level, int64_t now_s)
{
	char text[64];

	if (now_s != log_state.second) {
		if (log_state.n_left_out > 0) {
			(void)snprintf(text, sizeof(text), "%u lines left out",
				       log_state.n_left_out);
			log_write(LOG_LEVEL_NOTICE, now_s, text);
		}
		log_state.second = now_s;
		log_state.n_lines = 0;
		log_state.n_left_out = 0;
	}
	if (level != LOG_LEVEL_INFO || log_state.n_lines++ < LOG_LINES_PER_SECOND_MAX)
		return false;
	log_state.n_left_out++;
	return true;
}

void log_line(enum log_level level, const char *format, ...)
{
	char text[LOG_LINE_MAX];
	int64_t now_s = clock_now_s();
	int saved = errno;
	va_list arguments;

	if (log_is_flood(level, now_s))
		return;
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments); /* a cut line is still a line */
	va_end(arguments);
	log_write(level, now_s, text);
	errno = saved;
}

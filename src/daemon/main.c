/* main.c: usysvd's options. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/stdlib.h>
#include <bsd/unistd.h>

#include "core/proto.h"
#include "daemon/daemon.h"
#include "daemon/namespace.h"
#include "sys/log.h"

static const char main_usage[] =
	"usage: usysvd [-d dir] [--daemon] [--log file] [--mode mode] [--pidfile file]\n"
	"              [--ready-fd fd] [--record dir] [--version]\n";

struct main_options {
	struct daemon_options daemon;
	bool background;
	const char *log;
};

enum main_long_option {
	MAIN_DAEMON = 256,
	MAIN_HELP,
	MAIN_LOG,
	MAIN_MODE,
	MAIN_PIDFILE,
	MAIN_READY_FD,
	MAIN_RECORD,
	MAIN_VERSION,
};

static int main_fail(const char *what, const char *value)
{
	(void)fprintf(stderr, "usysvd: %s: %s\n%s", what, value, main_usage);
	return DAEMON_EXIT_USAGE;
}

/* Octal, as chmod has it; the owner must be able to work in it, and nobody else to write. */
static int main_parse_mode(const char *text, uint32_t *ret_mode)
{
	char *end = NULL;
	unsigned long mode = strtoul(text, &end, 8);

	if (end == text || *end || (mode & ~0755ul) || (mode & 0700u) != 0700u)
		return main_fail("mode: 0700 to 0755 is meant, not", text);
	*ret_mode = (uint32_t)mode;
	return 0;
}

static int main_parse_fd(const char *text, int *ret_fd)
{
	const char *error = NULL;
	long long fd = strtonum(text, 0, INT_MAX, &error);

	if (error)
		return main_fail("ready-fd: a number is meant, not", text);
	if (fcntl((int)fd, F_GETFD) < 0)
		return main_fail("ready-fd: not open", text);
	*ret_fd = (int)fd;
	return 0;
}

static int main_option(int option, struct main_options *options)
{
	switch (option) {
	case 'd':
		options->daemon.dir = optarg;
		return 0;
	case MAIN_DAEMON:
		options->background = true;
		return 0;
	case MAIN_LOG:
		options->log = optarg;
		return 0;
	case MAIN_MODE:
		return main_parse_mode(optarg, &options->daemon.mode);
	case MAIN_PIDFILE:
		options->daemon.pidfile = optarg;
		return 0;
	case MAIN_READY_FD:
		return main_parse_fd(optarg, &options->daemon.ready_fd);
	case MAIN_RECORD:
		options->daemon.record = optarg;
		return 0;
	case MAIN_HELP:
		(void)fputs(main_usage, stdout);
		exit(0);
	case MAIN_VERSION:
		(void)printf("usysvd %s (protocol %u, registry %u)\n", USYSV_VERSION, PROTO_VERSION,
			     REGISTRY_VERSION);
		exit(0);
	default: /* getopt has said what is wrong */
		(void)fputs(main_usage, stderr);
		return DAEMON_EXIT_USAGE;
	}
}

static int main_parse(int argc, char **argv, struct main_options *options)
{
	static const struct option long_options[] = {
		{"daemon", no_argument, NULL, MAIN_DAEMON},
		{"dir", required_argument, NULL, 'd'},
		{"help", no_argument, NULL, MAIN_HELP},
		{"log", required_argument, NULL, MAIN_LOG},
		{"mode", required_argument, NULL, MAIN_MODE},
		{"pidfile", required_argument, NULL, MAIN_PIDFILE},
		{"ready-fd", required_argument, NULL, MAIN_READY_FD},
		{"record", required_argument, NULL, MAIN_RECORD},
		{"version", no_argument, NULL, MAIN_VERSION},
		{0},
	};
	int option;
	int status = 0;

	while (status == 0 && (option = getopt_long(argc, argv, "d:", long_options, NULL)) != -1)
		status = main_option(option, options);
	if (status == 0 && optind < argc)
		status = main_fail("not an option", argv[optind]);
	return status;
}

/* A copy that outlives the arguments (setproctitle writes over them) and a chdir. */
static const char *main_absolute(const char *path, char *buffer)
{
	char folder[PATH_MAX];
	const char *base = "";

	if (!path)
		return NULL;
	if (path[0] != '/') {
		if (!getcwd(folder, sizeof(folder)))
			return NULL;
		base = folder;
	}
	if ((size_t)snprintf(buffer, PATH_MAX, "%s%s%s", base, *base ? "/" : "", path) >= PATH_MAX)
		return NULL;
	return buffer;
}

/*
 * Leaves the terminal and the parent, who waits until the daemon is ready.  Returns in the daemon,
 * with a descriptor to report to.
 */
static int main_detach(int ready_fd)
{
	int report[2];
	char status = DAEMON_EXIT_FAILURE;
	char line[8];
	int r;

	if (pipe2(report, O_CLOEXEC) < 0)
		return -errno;
	switch (fork()) {
	case -1:
		return -errno;
	case 0:
		break;
	default:
		(void)close(report[1]); /* the daemon's end */
		/* The daemon says "ready"; when it fails it has said why, and the pipe ends. */
		r = (int)read(report[0], line, sizeof(line));
		if (r > 0)
			status = 0;
		if (r > 0 && ready_fd >= 0)
			r = (int)write(ready_fd, line, (size_t)r); /* or nobody wants to know */
		_exit(status);
	}
	(void)close(report[0]); /* the parent's end */
	if (ready_fd >= 0)
		(void)close(ready_fd); /* the parent says it there */
	/* The second fork leaves the daemon without the right to get a terminal. */
	if (setsid() < 0)
		_exit(DAEMON_EXIT_FAILURE);
	if (fork() != 0)
		_exit(0);
	return report[1];
}

/* No file of ours may become standard output because that was closed. */
static void main_open_standard(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		(void)close(fd); /* one too many */
}

/* Only the three standard ones and that for "ready" are the daemon's business. */
static void main_close_inherited(int *ready_fd)
{
	if (*ready_fd > STDERR_FILENO) {
		if (*ready_fd != STDERR_FILENO + 1)
			*ready_fd = dup2(*ready_fd, STDERR_FILENO + 1);
		closefrom(STDERR_FILENO + 2);
	} else {
		closefrom(STDERR_FILENO + 1);
	}
}

static int main_background(struct main_options *options)
{
	int r = main_detach(options->daemon.ready_fd);

	if (r < 0)
		return r;
	options->daemon.ready_fd = r;
	options->daemon.detach = true;
	return chdir("/") < 0 ? -errno : 0;
}

/* All paths, made absolute and kept.  False: one is too long, or the working directory is gone. */
static bool main_keep_paths(struct main_options *options)
{
	static char dir[PATH_MAX];
	static char pidfile[PATH_MAX];
	static char log_path[PATH_MAX];
	static char record[PATH_MAX];
	bool with_pidfile = options->daemon.pidfile != NULL;
	bool with_record = options->daemon.record != NULL;
	bool with_log = options->log != NULL;

	options->daemon.dir = main_absolute(options->daemon.dir, dir);
	options->daemon.pidfile = main_absolute(options->daemon.pidfile, pidfile);
	options->daemon.record = main_absolute(options->daemon.record, record);
	options->log = main_absolute(options->log, log_path);
	return options->daemon.dir && (options->daemon.pidfile || !with_pidfile) &&
	       (options->daemon.record || !with_record) && (options->log || !with_log);
}

int main(int argc, char **argv, char **environment)
{
	static char default_dir[PATH_MAX];
	struct main_options options = {
		.daemon = {.mode = NAMESPACE_MODE_DEFAULT, .ready_fd = -1},
	};
	int r = main_parse(argc, argv, &options);

	if (r != 0)
		return r;
	if (!options.daemon.dir && namespace_default_path(default_dir) < 0)
		return main_fail("no place for a namespace",
				 "XDG_RUNTIME_DIR is not set, give a directory with -d");
	if (!options.daemon.dir)
		options.daemon.dir = default_dir;
	if (!main_keep_paths(&options))
		return main_fail("cannot be used", options.daemon.dir ? "a path" : "the directory");
	main_open_standard();
	main_close_inherited(&options.daemon.ready_fd);
	r = log_open(options.log);
	if (r == 0 && options.background)
		r = main_background(&options);
	if (r < 0) {
		(void)fprintf(stderr, "usysvd: cannot start: %s\n", strerror(-r));
		return DAEMON_EXIT_FAILURE;
	}
	setproctitle_init(argc, argv, environment);
	setproctitle("%s", options.daemon.dir);
	r = daemon_run(&options.daemon);
	log_close();
	return r;
}

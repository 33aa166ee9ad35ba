/*
 * run.c: `usysv run`: a command in a namespace.
 *
 * To whoever called us we are the command: same terminal, process group and descriptors, same exit
 * status or signal, stopped when it is stopped.  Signals the terminal sends go to the whole process
 * group and so reach the command without us; signals that a process sends to us we pass on.
 *
 * The namespace is the keeper's business (keeper.c): we join one or start one, tell it the pid of
 * the command, and leave.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/base.h"

/* How long the end of a namespace may take before we return without it. */
#define RUN_LEAVE_MS 15000

struct run {
	char dir[PATH_MAX];
	char daemon[PATH_MAX];
	char library[PATH_MAX];
	const char *dir_option;
	bool keep;
	bool verbose;
	char **command;

	int dir_fd;
	int users_fd; /* -1: someone else's daemon, which needs no keeper */
	int news_fd;  /* of the keeper, if we started it */
	pid_t keeper;
	bool keeper_stays;

	int signal_fd;
	sigset_t mask;                /* as we were given them, and as the command gets them */
	struct sigaction child_action;
	pid_t child;
};

static const int run_signals[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM,
				   SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH, SIGCHLD };

static int run_usage(void)
{
	cli_error("usage: usysv run [--keep] [--dir D] [--verbose] -- CMD [ARGUMENT...]");
	return CLI_EXIT_RUN_FAILED;
}

static bool run_parse(struct run *run, int argc, char **argv)
{
	static const struct option options[] = {
		{ "keep", no_argument, NULL, 'k' },
		{ "dir", required_argument, NULL, 'd' },
		{ "verbose", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	int option = 0;

	while ((option = getopt_long(argc, argv, "+kd:v", options, NULL)) != -1) {
		switch (option) {
		case 'k':
			run->keep = true;
			break;
		case 'd':
			run->dir_option = optarg;
			break;
		case 'v':
			run->verbose = true;
			break;
		default:
			return false;
		}
	}
	run->command = argv + optind;
	return optind < argc;
}

/* --- the namespace ------------------------------------------------------------------------------ */

/* The folder of --dir, made if it is not there, its path made absolute. */
static bool run_open_dir(struct run *run)
{
	mode_t mode = syscall(SYS_geteuid) == 0 ? 0755 : 0700;
	char *resolved = NULL;

	if (run->dir_option == NULL)
		return place_make_temporary(run->dir);
	if (mkdir(run->dir_option, 0700) == 0) {
		if (chmod(run->dir_option, mode) != 0) {
			cli_error_path("cannot set the mode of", run->dir_option, errno);
			return false;
		}
	} else if (errno != EEXIST) {
		cli_error_path("cannot make the folder", run->dir_option, errno);
		return false;
	}
	resolved = realpath(run->dir_option, NULL);
	if (resolved == NULL) {
		cli_error_path("cannot use", run->dir_option, errno);
		return false;
	}
	(void)snprintf(run->dir, sizeof(run->dir), "%s", resolved); /* realpath is never longer */
	free(resolved);
	return true;
}

/* Opens `users`.  0 or -errno. */
static int run_open_users(struct run *run)
{
	const pid_t joined = 0;
	char path[PATH_MAX + 16];

	(void)snprintf(path, sizeof(path), "%s/" KEEPER_USERS, run->dir);
	run->users_fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (run->users_fd < 0)
		return -errno;
	(void)!write(run->users_fd, &joined, sizeof(joined)); /* full: then it is not the first */
	return 0;
}

static bool run_start_keeper(struct run *run)
{
	struct keeper_config config = {
		.dir = run->dir,
		.daemon = run->daemon,
		.remove = run->dir_option == NULL && !run->keep,
		.verbose = run->verbose,
	};
	int r = 0;

	if (!keeper_start(&config, &run->keeper, &run->news_fd))
		return false;
	r = run_open_users(run);
	if (r < 0)
		cli_error_path("cannot join the users of", run->dir, -r);
	return r == 0;
}

/* A folder we may put a namespace into, or that has one of ours. */
static bool run_check_dir(const struct run *run)
{
	struct space space;
	enum space_state state = space_open(run->dir, &space);

	space_close(&space);
	if (state == SPACE_OK || state == SPACE_EMPTY)
		return true;
	cli_error("%s: %s", run->dir, space_state_to_string(state));
	return false;
}

/* Joins the keeper of the folder or becomes the one who starts it (keeper.c, invariant 1). */
static bool run_join_locked(struct run *run)
{
	int error = 0;

	if (!run_check_dir(run))
		return false;
	error = -run_open_users(run);
	if (error == 0)
		return true;
	if (error != ENOENT && error != ENXIO) {
		cli_error("%s: you may not use this namespace: %s", run->dir, strerror(error));
		return false;
	}
	error = space_daemon_error(run->dir);
	switch (error) {
	case 0: /* someone else's daemon: it stays when we go */
		return true;
	case ENXIO:
	case ENOENT:
		return run_start_keeper(run);
	default:
		cli_error("%s/register: %s", run->dir, strerror(error));
		return false;
	}
}

static bool run_join(struct run *run)
{
	bool joined = false;

	run->dir_fd = open(run->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (run->dir_fd < 0) {
		cli_error_path("cannot use the folder", run->dir, errno);
		return false;
	}
	while (flock(run->dir_fd, LOCK_EX) != 0 && errno == EINTR)
		;
	joined = run_join_locked(run);
	if (joined && run->users_fd >= 0)
		(void)flock(run->users_fd, LOCK_SH); /* read by run_leave alone; nobody keeps LOCK_EX */
	(void)flock(run->dir_fd, LOCK_UN);
	return joined;
}

/* Lines the keeper has for the user. */
static void run_show_news(struct run *run)
{
	char text[1024];
	char *line = text;
	ssize_t n = read(run->news_fd, text, sizeof(text) - 1);

	if (n <= 0) {
		if (n == 0) {
			(void)close(run->news_fd); /* only read from */
			run->news_fd = -1;
		}
		return;
	}
	text[n] = '\0';
	while (line != NULL && *line != '\0') {
		char *next = strchr(line, '\n');

		if (next != NULL)
			*next++ = '\0';
		if (strcmp(line, KEEPER_STAYS) == 0)
			run->keeper_stays = true;
		else
			cli_error("%s", line);
		line = next;
	}
}

/* The keeper was killed: what it would have done. */
static void run_clean_up(const struct run *run)
{
	struct timespec moment = { .tv_nsec = 5000000 };
	pid_t daemon = space_daemon_error(run->dir) == 0 ? space_daemon_pid(run->dir) : 0;

	cli_error("the keeper of %s was killed", run->dir);
	if (daemon > 1)
		(void)kill(daemon, SIGTERM); /* gone already is as good */
	for (int ms = 0; ms < 5000 && space_daemon_error(run->dir) == 0; ms += 5)
		(void)nanosleep(&moment, NULL);
	if (run->dir_option == NULL && !run->keep && !tree_remove(run->dir))
		cli_error("could not remove %s", run->dir);
}

/* We started the keeper and are the last: it ends now, unless a killed run's command lives on. */
static void run_await_keeper(struct run *run)
{
	struct pollfd poll_fd = { .fd = run->news_fd, .events = POLLIN };
	int status = 0;

	while (run->news_fd >= 0 && !run->keeper_stays) {
		int n = poll(&poll_fd, 1, RUN_LEAVE_MS);

		if (n == 0) {
			cli_error("the daemon of %s does not stop", run->dir);
			return;
		}
		if (n > 0)
			run_show_news(run);
	}
	if (!run->keeper_stays && waitpid(run->keeper, &status, 0) == run->keeper && WIFSIGNALED(status))
		run_clean_up(run);
}

/* Someone else started the keeper and we are the last: it is over when `users` is gone. */
static void run_await_end(const struct run *run)
{
	struct timespec moment = { .tv_nsec = 2000000 };
	char path[PATH_MAX + 16];

	(void)snprintf(path, sizeof(path), "%s/" KEEPER_USERS, run->dir);
	for (int ms = 0; ms < RUN_LEAVE_MS && access(path, F_OK) == 0; ms += 2) {
		/* A run that has joined since keeps it, and so does the command of a killed one. */
		int fd = ms >= 200 ? open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC) : -1;
		bool in_use = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0;

		if (fd >= 0)
			(void)close(fd); /* nothing was written */
		if (in_use)
			return;
		(void)nanosleep(&moment, NULL);
	}
}

static void run_leave(struct run *run)
{
	bool last = false;

	if (run->users_fd >= 0) {
		(void)flock(run->users_fd, LOCK_UN);
		last = flock(run->users_fd, LOCK_EX | LOCK_NB) == 0;
		(void)close(run->users_fd); /* this is what tells the keeper */
	}
	run->users_fd = -1;
	if (last && run->keeper > 0)
		run_await_keeper(run);
	else if (last)
		run_await_end(run);
	if (run->keep && run->dir_option == NULL)
		cli_error("kept %s", run->dir);
}

/* --- the command -------------------------------------------------------------------------------- */

/* LD_PRELOAD with our library in front, and without another copy of it (of an outer run). */
static bool run_set_environment(const struct run *run)
{
	const char *old = getenv("LD_PRELOAD");
	size_t size = strlen(run->library) + (old != NULL ? strlen(old) : 0) + 2;
	char *value = malloc(size);
	char *end = NULL;
	bool set = false;

	if (value == NULL)
		return false;
	end = stpcpy(value, run->library);
	while (old != NULL && *old != '\0') {
		size_t length = strcspn(old, ": ");
		const char *name = memrchr(old, '/', length);

		name = name != NULL ? name + 1 : old;
		if (length > 0 && strncmp(name, "libusysv.so", 11) != 0) {
			*end++ = ':';
			end = mempcpy(end, old, length);
			*end = '\0';
		}
		old += length + (old[length] != '\0');
	}
	set = setenv("LD_PRELOAD", value, 1) == 0 && setenv("USYSV_DIR", run->dir, 1) == 0;
	free(value);
	return set;
}

static void run_take_signals(struct run *run)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t set;

	/* Ignored by the caller, it would also make our children vanish unseen. */
	(void)sigaction(SIGCHLD, &action, &run->child_action);
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(run_signals); i++)
		sigaddset(&set, run_signals[i]);
	(void)sigprocmask(SIG_BLOCK, &set, &run->mask); /* cannot fail */
	run->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* A signal that should have ended us while we were getting ready; 0 if there is none. */
static int run_pending_signal(void)
{
	static const int ends[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	sigset_t pending;

	(void)sigpending(&pending); /* cannot fail */
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (sigismember(&pending, ends[i]) == 1)
			return ends[i];
	return 0;
}

/* 0, or the exit status with which we fail. */
static int run_start_command(struct run *run)
{
	int report[2] = { -1, -1 };
	int error = 0;

	if (!run_set_environment(run) || pipe2(report, O_CLOEXEC) != 0) {
		cli_error("cannot start %s: %s", run->command[0], strerror(errno));
		return CLI_EXIT_RUN_FAILED;
	}
	run->child = fork();
	if (run->child == 0) {
		(void)sigaction(SIGCHLD, &run->child_action, NULL);
		(void)sigprocmask(SIG_SETMASK, &run->mask, NULL);
		execvp(run->command[0], run->command);
		error = errno;
		(void)!write(report[1], &error, sizeof(error)); /* to our parent, a few bytes */
		_exit(CLI_EXIT_NOT_FOUND);
	}
	if (run->child < 0)
		error = errno;
	(void)close(report[1]); /* the child's end */
	while (run->child > 0 && read(report[0], &error, sizeof(error)) < 0 && errno == EINTR)
		;
	(void)close(report[0]); /* only read from */
	if (error == 0) {
		if (run->users_fd >= 0) /* full: the command just does not count by itself */
			(void)!write(run->users_fd, &run->child, sizeof(run->child));
		return 0;
	}
	cli_error("cannot run %s: %s", run->command[0], strerror(error));
	if (run->child > 0)
		(void)waitpid(run->child, NULL, 0);
	else
		return CLI_EXIT_RUN_FAILED;
	return error == ENOENT ? CLI_EXIT_NOT_FOUND : CLI_EXIT_CANNOT_EXEC;
}

/* The command has stopped: so do we, the same way, for the shell to see.  Returns when continued. */
static void run_stop_self(int signal_number)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal_number);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	(void)raise(signal_number);
	if (signal_number != SIGSTOP)
		(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

/* Passes on what a process sent to us.  What the terminal sent, the command has got itself. */
static void run_forward_signals(struct run *run)
{
	struct signalfd_siginfo info;

	while (read(run->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo != SIGCHLD && info.ssi_code != SI_KERNEL)
			(void)kill(run->child, (int)info.ssi_signo); /* not reaped yet, so it is ours */
}

/* Until the command has ended; returns its wait status. */
static int run_await_command(struct run *run)
{
	for (;;) {
		struct pollfd poll_fds[2] = {
			{ .fd = run->signal_fd, .events = POLLIN },
			{ .fd = run->news_fd, .events = POLLIN },
		};
		int status = 0;

		if (waitpid(run->child, &status, WNOHANG | WUNTRACED) == run->child) {
			if (!WIFSTOPPED(status))
				return status;
			run_stop_self(WSTOPSIG(status));
			continue;
		}
		if (poll(poll_fds, 2, -1) < 0)
			continue;
		if (poll_fds[0].revents != 0)
			run_forward_signals(run);
		if (poll_fds[1].revents != 0)
			run_show_news(run);
	}
}

/* Ends the way the command did. */
static int run_end(int status)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	struct rlimit no_core = { 0, 0 };
	sigset_t set;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	(void)fflush(NULL); /* nothing is buffered that matters */
	(void)setrlimit(RLIMIT_CORE, &no_core); /* the command has left its own */
	(void)sigaction(WTERMSIG(status), &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, WTERMSIG(status));
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	(void)raise(WTERMSIG(status));
	return 128 + WTERMSIG(status);
}

int run_main(int argc, char **argv)
{
	struct run run = { .dir_fd = -1, .users_fd = -1, .news_fd = -1, .signal_fd = -1 };
	int failure = 0;
	int status = 0;

	if (!run_parse(&run, argc, argv))
		return run_usage();
	if (!place_find_daemon(run.daemon) || !place_find_library(run.library))
		return CLI_EXIT_RUN_FAILED;
	run_take_signals(&run);
	if (!run_open_dir(&run))
		return CLI_EXIT_RUN_FAILED;
	if (!run_join(&run)) {
		if (run.dir_option == NULL)
			(void)tree_remove(run.dir); /* the keeper has done it, if there was one */
		return CLI_EXIT_RUN_FAILED;
	}
	if (run_pending_signal() != 0)
		status = run_pending_signal(); /* as a wait status: killed by it */
	else
		failure = run_start_command(&run);
	if (failure == 0 && run.child > 0)
		status = run_await_command(&run);
	run_leave(&run);
	return failure != 0 ? failure : run_end(status);
}

/*
 * keeper.c: the process that keeps a daemon for the users of a namespace.
 *
 * The first `usysv run` in a folder starts a keeper, and the keeper starts usysvd.  Every run holds
 * the FIFO `users` open for writing; when the last one has closed it, however it ended, the keeper
 * stops the daemon and, for a throw-away namespace, removes the folder.  So it does not matter who
 * leaves last, and a run that is killed leaves nothing behind.
 *
 * Invariants
 * 1. Who creates or finishes `users` holds flock on the folder; so a run either joins a keeper that
 *    stays, or finds none.
 * 2. Each run says 0 when it has joined, and then the pid of its command, each as one record.  A command whose run was killed
 *    still counts as a user until it ends.
 * 3. The keeper holds no descriptor of the user's, so that nobody waits for it at the end of a pipe.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bsd/unistd.h>

#include "cli/cli.h"

/* A daemon that is not ready by then never will be. */
#define KEEPER_READY_MS 20000
/* A daemon that has not stopped by then is killed: its state is in the folder, nothing is lost. */
#define KEEPER_STOP_MS 5000
/* So many daemons one after the other that have not lived so long: something ends each of them at once. */
#define KEEPER_RESTARTS_MAX 100u
#define KEEPER_LIVED_MS 1000u
#define KEEPER_LOG "log"

/* Where the keeper's own descriptors are. */
enum keeper_fd {
	KEEPER_NEWS = 3,
	KEEPER_DIR = 4,
	KEEPER_SIGNALS = 5,
	KEEPER_EPOLL = 6,
	KEEPER_USERS_FD = 7,
};

struct keeper {
	const struct keeper_config *config;
	pid_t daemon;
	int log_fd; /* of the daemon; -1: its messages are lost */
	uint64_t started_ms;
	unsigned int n_restarts; /* since one has lived long enough */
	unsigned int n_commands; /* whose run may be gone */
	bool watching_users;
	bool asked_to_stop;
};

static void keeper_tell(const char *text)
{
	/* Not read any more: then nobody wants to know. */
	(void)!write(KEEPER_NEWS, text, strlen(text));
}

/*
 * Standard error of the daemon: the user's if he wants to see it, or a file in the namespace.  A new
 * one gets its name when the daemon is ready: before that the folder has to be empty.
 */
static int keeper_open_log(const struct keeper_config *config)
{
	char path[PATH_MAX + 16];
	int fd = -1;

	if (config->verbose)
		return STDERR_FILENO;
	(void)snprintf(path, sizeof(path), "%s/" KEEPER_LOG, config->dir);
	fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		fd = open(config->dir, O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		fd = memfd_create("usysvd log", MFD_CLOEXEC);
	return fd;
}

/* Gives a new log its name.  It may have one already, or be a memfd: then there is nothing to do. */
static void keeper_name_log(const struct keeper *keeper)
{
	char from[64];
	char path[PATH_MAX + 16];

	(void)snprintf(from, sizeof(from), "/proc/self/fd/%d", keeper->log_fd);
	(void)snprintf(path, sizeof(path), "%s/" KEEPER_LOG, keeper->config->dir);
	if (!keeper->config->verbose && keeper->log_fd >= 0)
		(void)linkat(AT_FDCWD, from, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

static _Noreturn void keeper_exec_daemon(const struct keeper *keeper, int ready_fd)
{
	char ready[16];
	sigset_t none;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL); /* cannot fail */
	if (keeper->log_fd >= 0 && keeper->log_fd != STDERR_FILENO)
		(void)dup2(keeper->log_fd, STDERR_FILENO); /* else the log is lost, which stops nobody */
	/* Whatever else is preloaded (fakeroot!) would lie to the daemon about owners. */
	(void)unsetenv("LD_PRELOAD");
	(void)unsetenv("USYSV_DIR");
	(void)snprintf(ready, sizeof(ready), "%d", ready_fd);
	closefrom(ready_fd + 1);
	for (int fd = KEEPER_NEWS; fd < ready_fd; fd++)
		(void)close(fd); /* the keeper's */
	execl(keeper->config->daemon, "usysvd", "--dir", keeper->config->dir, "--ready-fd", ready, (char *)NULL);
	_exit(CLI_EXIT_CANNOT_EXEC);
}

/* Waits for the byte that says ready.  False if the daemon ended or hangs. */
static bool keeper_await_ready(int ready_fd)
{
	struct pollfd poll_fd = { .fd = ready_fd, .events = POLLIN };
	char byte = 0;
	int n = 0;

	do
		n = poll(&poll_fd, 1, KEEPER_READY_MS);
	while (n < 0 && errno == EINTR);
	return n == 1 && read(ready_fd, &byte, 1) == 1;
}

static uint64_t keeper_now_ms(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ret_status: how it ended, if it did so before it was ready; -1: it hangs, or there is none. */
static bool keeper_start_daemon(struct keeper *keeper, int *ret_status)
{
	int ready[2] = { -1, -1 };
	bool is_ready = false;

	*ret_status = -1;
	if (pipe(ready) != 0)
		return false;
	keeper->started_ms = keeper_now_ms();
	keeper->daemon = fork();
	if (keeper->daemon == 0)
		keeper_exec_daemon(keeper, ready[1]);
	(void)close(ready[1]); /* the daemon's end */
	if (keeper->daemon > 0)
		is_ready = keeper_await_ready(ready[0]);
	(void)close(ready[0]); /* only read from */
	if (!is_ready && keeper->daemon > 0) {
		bool hangs = keeper_now_ms() - keeper->started_ms >= KEEPER_READY_MS;

		(void)kill(keeper->daemon, SIGKILL); /* no matter if it is dead already */
		(void)waitpid(keeper->daemon, hangs ? NULL : ret_status, 0);
		keeper->daemon = 0;
	}
	return is_ready;
}

/* Until one is ready.  One that ends by itself has said why, and would again; one that was killed has not. */
static bool keeper_have_daemon(struct keeper *keeper)
{
	bool is_ready = false;
	int status = 0;

	do
		is_ready = keeper_start_daemon(keeper, &status);
	while (!is_ready && status != -1 && WIFSIGNALED(status) &&
	       keeper->n_restarts++ < KEEPER_RESTARTS_MAX);
	return is_ready;
}

static void keeper_stop_daemon(struct keeper *keeper)
{
	struct timespec moment = { .tv_nsec = 2000000 };

	if (keeper->daemon <= 0)
		return;
	(void)kill(keeper->daemon, SIGTERM); /* it is our child: it is there until we reap it */
	for (int waited_ms = 0; waited_ms < KEEPER_STOP_MS; waited_ms += 2) {
		if (waitpid(keeper->daemon, NULL, WNOHANG) != 0)
			return;
		(void)nanosleep(&moment, NULL);
	}
	(void)kill(keeper->daemon, SIGKILL);
	(void)waitpid(keeper->daemon, NULL, 0);
}

static bool keeper_watch(int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data = { .fd = fd } };

	return epoll_ctl(KEEPER_EPOLL, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* Reads what the runs have written: the pids of their commands.  False at the end of the last run. */
static bool keeper_read_users(struct keeper *keeper)
{
	pid_t pid = 0;
	ssize_t n = 0;

	while ((n = read(KEEPER_USERS_FD, &pid, sizeof(pid))) == (ssize_t)sizeof(pid)) {
		int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;

		if (fd < 0)
			continue;
		if (keeper_watch(fd))
			keeper->n_commands++;
		else
			(void)close(fd); /* the command just does not count */
	}
	return n != 0;
}

static void keeper_on_daemon_end(struct keeper *keeper, int status)
{
	char text[160];
	char how[64];

	keeper->daemon = 0;
	if (keeper_now_ms() - keeper->started_ms >= KEEPER_LIVED_MS)
		keeper->n_restarts = 0;
	if (WIFSIGNALED(status))
		(void)snprintf(how, sizeof(how), "was killed by signal %d", WTERMSIG(status));
	else
		(void)snprintf(how, sizeof(how), "ended with status %d", WEXITSTATUS(status));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		(void)snprintf(text, sizeof(text), "the daemon was stopped by someone else\n");
	} else if (keeper->n_restarts++ >= KEEPER_RESTARTS_MAX) {
		(void)snprintf(text, sizeof(text), "the daemon %s once too often\n", how);
	} else if (keeper_have_daemon(keeper)) {
		(void)snprintf(text, sizeof(text), "the daemon %s; started again\n", how);
	} else {
		(void)snprintf(text, sizeof(text), "the daemon %s and could not be started again\n", how);
	}
	keeper_tell(text);
}

static void keeper_on_signal(struct keeper *keeper)
{
	struct signalfd_siginfo info;
	int status = 0;

	while (read(KEEPER_SIGNALS, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo == SIGTERM)
			keeper->asked_to_stop = true;
	if (keeper->daemon > 0 && waitpid(keeper->daemon, &status, WNOHANG) == keeper->daemon)
		keeper_on_daemon_end(keeper, status);
}

/* One round of waiting.  True when the last user is gone. */
static bool keeper_turn(struct keeper *keeper)
{
	struct epoll_event event;
	bool have_runs = true;

	if (epoll_wait(KEEPER_EPOLL, &event, 1, -1) != 1)
		return false;
	if (event.data.fd == KEEPER_SIGNALS) {
		keeper_on_signal(keeper);
		return keeper->asked_to_stop;
	}
	if (event.data.fd != KEEPER_USERS_FD) {
		(void)close(event.data.fd); /* a command has ended; this takes it out of epoll too */
		keeper->n_commands--;
	}
	have_runs = keeper_read_users(keeper);
	if (!have_runs && keeper->n_commands > 0 && keeper->watching_users) {
		/* The hang-up would be reported for ever; the end of a command looks again. */
		(void)epoll_ctl(KEEPER_EPOLL, EPOLL_CTL_DEL, KEEPER_USERS_FD, NULL);
		keeper->watching_users = false;
		keeper_tell(KEEPER_STAYS "\n");
	} else if (have_runs && !keeper->watching_users) {
		keeper->watching_users = keeper_watch(KEEPER_USERS_FD);
	}
	return !have_runs && keeper->n_commands == 0;
}

static _Noreturn void keeper_end(struct keeper *keeper)
{
	char path[PATH_MAX + 16];

	keeper_stop_daemon(keeper);
	(void)snprintf(path, sizeof(path), "%s/" KEEPER_USERS, keeper->config->dir);
	(void)unlink(path); /* a left-over is recognised by having no reader */
	if (keeper->config->remove && !tree_remove(keeper->config->dir))
		keeper_tell("could not remove the whole of the namespace's folder\n");
	_exit(0);
}

/* The last user has gone: ends, unless a run has joined meanwhile. */
static void keeper_finish(struct keeper *keeper)
{
	(void)flock(KEEPER_DIR, LOCK_EX); /* invariant 1; all signals are blocked, so it works */
	if (keeper->asked_to_stop || (!keeper_read_users(keeper) && keeper->n_commands == 0))
		keeper_end(keeper);
	(void)flock(KEEPER_DIR, LOCK_UN);
}

/*
 * Moves the descriptors to their places and closes all others.  The folder is opened anew: a lock
 * belongs to the open file, and the run that starts us holds one.
 */
static bool keeper_take_descriptors(const struct keeper_config *config, int news_fd)
{
	sigset_t signals;
	/* Out of the way first, so that no dup closes one that is still needed. */
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	int high_news_fd = fcntl(news_fd, F_DUPFD_CLOEXEC, 16);
	int dir_fd = open(config->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int high_dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 16);

	for (int fd = 0; fd < (config->verbose ? 2 : 3); fd++)
		if (dup2(null_fd, fd) < 0)
			return false;
	if (dup3(high_news_fd, KEEPER_NEWS, O_CLOEXEC) < 0 ||
	    dup3(high_dir_fd, KEEPER_DIR, O_CLOEXEC) < 0)
		return false;
	closefrom(KEEPER_SIGNALS);
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	if (signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK) != KEEPER_SIGNALS)
		return false;
	if (epoll_create1(EPOLL_CLOEXEC) != KEEPER_EPOLL)
		return false;
	return dup3(STDIN_FILENO, KEEPER_USERS_FD, O_CLOEXEC) >= 0; /* until it has its FIFO */
}

/* Why the daemon did not start: the last line of its log, or nothing. */
static void keeper_tell_failure(const struct keeper *keeper)
{
	char text[400] = { 0 };
	char *line = text;
	ssize_t n = -1;
	off_t end = keeper->config->verbose ? -1 : lseek(keeper->log_fd, 0, SEEK_END);

	if (end > 0)
		n = pread(keeper->log_fd, text, sizeof(text) - 1,
			  end < (off_t)sizeof(text) ? 0 : end - (off_t)sizeof(text) + 1);
	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	if (n > 0 && strrchr(text, '\n') != NULL)
		line = strrchr(text, '\n') + 1;
	keeper_tell("!the daemon did not start");
	if (n > 0) {
		keeper_tell(": ");
		keeper_tell(line);
	}
	keeper_tell("\n");
}

/*
 * Makes `users` and waits until the run that started us has joined: its first record is there, or it
 * has died, which its end of the news shows.
 */
static bool keeper_open_users(struct keeper *keeper)
{
	char path[PATH_MAX + 16];
	mode_t mode = geteuid() == 0 ? 0622 : 0600;
	struct pollfd poll_fds[2] = { { .fd = KEEPER_USERS_FD, .events = POLLIN },
				      { .fd = KEEPER_NEWS } };
	int fd = -1;
	int own_fd = -1;

	(void)snprintf(path, sizeof(path), "%s/" KEEPER_USERS, keeper->config->dir);
	(void)unlink(path); /* one that was left over: nobody reads it, or we would have joined */
	if (mkfifo(path, 0600) != 0 || chmod(path, mode) != 0)
		return false;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	own_fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || own_fd < 0 || dup3(fd, KEEPER_USERS_FD, O_CLOEXEC) < 0)
		return false;
	(void)close(fd); /* has its place now */
	keeper_tell("+\n");
	while (poll(poll_fds, 2, -1) < 0)
		;
	(void)close(own_fd); /* nothing was written */
	keeper->watching_users = keeper_watch(KEEPER_USERS_FD);
	return keeper->watching_users && keeper_watch(KEEPER_SIGNALS);
}

static _Noreturn void keeper_main(struct keeper *keeper)
{
	sigset_t all;

	(void)prctl(PR_SET_NAME, "usysv-keeper"); /* for ps; cannot fail */
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL); /* signals come by descriptor */
	(void)signal(SIGCHLD, SIG_DFL);             /* if the user ignored it, children vanished */
	if (chdir("/") != 0)
		_exit(1);
	keeper->log_fd = keeper_open_log(keeper->config);
	/* Until the run that started us has joined, it holds the lock for us. */
	if (!keeper_have_daemon(keeper)) {
		keeper_tell_failure(keeper);
		keeper_end(keeper);
	}
	keeper_name_log(keeper);
	if (!keeper_open_users(keeper))
		keeper_end(keeper);
	for (;;)
		if (keeper_turn(keeper))
			keeper_finish(keeper);
}

/* The first line a keeper says: '+', or '!' and why not. */
static bool keeper_first_news(int news_fd)
{
	char text[512] = { 0 };
	size_t used = 0;

	while (used < sizeof(text) - 1 && (used == 0 || text[used - 1] != '\n')) {
		ssize_t n = read(news_fd, text + used, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		used++;
	}
	if (text[0] == '+')
		return true;
	text[strcspn(text, "\n")] = '\0';
	cli_error("%s", text[0] == '!' ? text + 1 : "the daemon could not be started");
	return false;
}

bool keeper_start(const struct keeper_config *config, pid_t *ret_pid, int *ret_news_fd)
{
	struct keeper keeper = { .config = config, .log_fd = -1 };
	int news[2] = { -1, -1 };
	pid_t pid = 0;

	if (pipe2(news, O_CLOEXEC) != 0) {
		cli_error("cannot make a pipe: %s", strerror(errno));
		return false;
	}
	pid = fork();
	if (pid == 0) {
		(void)setsid(); /* a new child is no group leader: cannot fail */
		if (!keeper_take_descriptors(config, news[1]))
			_exit(1);
		keeper_main(&keeper);
	}
	(void)close(news[1]); /* the keeper's end */
	if (pid < 0 || !keeper_first_news(news[0])) {
		if (pid < 0)
			cli_error("cannot fork: %s", strerror(errno));
		else
			(void)waitpid(pid, NULL, 0);
		(void)close(news[0]); /* only read from */
		return false;
	}
	*ret_pid = pid;
	*ret_news_fd = news[0];
	return true;
}

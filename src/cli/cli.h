/* cli.h: what the subcommands of usysv share. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/types.h>

#include "core/registry.h"

#ifndef USYSV_VERSION
#define USYSV_VERSION "unknown"
#endif

/* Exit statuses of usysv itself; those of `run` follow env(1) and timeout(1). */
#define CLI_EXIT_FAILURE 1
#define CLI_EXIT_USAGE 2
#define CLI_EXIT_RUN_FAILED 125
#define CLI_EXIT_CANNOT_EXEC 126
#define CLI_EXIT_NOT_FOUND 127

/* One line on standard error, "usysv: ..." in front. */
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same with what went wrong at a file: "usysv: what PATH: why". */
void cli_error_path(const char *what, const char *path, int error);

/* A whole decimal number in a range; false, with a message, if text is not one. */
bool cli_number(const char *text, int64_t low, int64_t high, const char *what, int64_t *ret_number);

/* --- places ---------------------------------------------------------------------------------- */

/* usysvd and libusysv.so, absolute: beside this program, in the folders of an installation, in
 * PATH.  False, with a message that names where it looked. */
bool place_find_daemon(char ret_path[static PATH_MAX]);
bool place_find_library(char ret_path[static PATH_MAX]);
/* A new, empty folder for a throw-away namespace, in memory if possible. */
bool place_make_temporary(char ret_dir[static PATH_MAX]);
/* The folder the user means: option, USYSV_DIR, the user's own, the system's. */
void place_namespace(const char *option, char ret_dir[static PATH_MAX]);

/* --- a namespace, looked at from outside -------------------------------------------------------- */

enum space_state {
	SPACE_OK = 0,
	SPACE_ABSENT,  /* no such folder */
	SPACE_DENIED,  /* a permission is missing */
	SPACE_EMPTY,   /* an empty folder: a namespace can be made in it */
	SPACE_ALIEN,   /* a folder, but no namespace */
	SPACE_VERSION, /* a namespace of another version */
	SPACE_CORRUPT, /* its registry is damaged */
};

struct space {
	char dir[PATH_MAX];
	struct registry registry; /* bound if SPACE_OK */
	void *base;
	uint64_t size;
};

/* Never prints.  space_close is legal after any outcome. */
enum space_state space_open(const char *dir, struct space *ret_space);
void space_close(struct space *space);
/* What state means for the user, one line without the name of the folder. */
const char *space_state_to_string(enum space_state state);
/* 0: a daemon answers at `register`; otherwise the errno (ENXIO: nobody serves it). */
int space_daemon_error(const char *dir);
/* The process in usysvd.pid, 0 if there is none. */
pid_t space_daemon_pid(const char *dir);

/* What most subcommands begin with: opens the namespace the user means.  False after a message. */
bool space_enter(const char *option, struct space *ret_space);

/* --- keeper ------------------------------------------------------------------------------------- */

/* Who waits for the last user of a namespace; see keeper.c. */
struct keeper_config {
	const char *dir;
	const char *daemon; /* path of usysvd */
	bool remove;        /* the folder goes at the end */
	bool verbose;       /* the daemon's log to our standard error, else to DIR/log */
};

/* The line of news that says: no run is left, but a command whose run was killed. */
#define KEEPER_STAYS "="
#define KEEPER_USERS "users" /* the FIFO that each `usysv run` of a namespace holds open */

/*
 * Starts a keeper with its daemon, which is ready when this returns, and so is `users`: the caller
 * opens it and writes a 0.  ret_news_fd: lines of text to show the user.  False after a message.
 */
bool keeper_start(const struct keeper_config *config, pid_t *ret_pid, int *ret_news_fd);

/* Removes everything in a folder, never following a link.  False if something is left. */
bool tree_remove(const char *dir);

/* --- System V calls ------------------------------------------------------------------------------ */

/* main()'s argv, before anything else. */
void library_remember(char **argv);
/*
 * From here on shmctl and its like go to this namespace.  May start the program anew: nothing may
 * have been printed or changed before.  False after a message.
 */
bool library_enter(const struct space *space);

/* --- ids ---------------------------------------------------------------------------------------- */

/* "shm", "sem", "msg" and the letters m, s, q; false if it is none of them. */
bool kind_parse(const char *text, enum ipc_kind *ret_kind);
const char *kind_to_string(enum ipc_kind kind);
/* IPC_STAT of a segment, set or queue, whatever it is. */
union any_stat {
	struct shmid_ds shm;
	struct semid_ds sem;
	struct msqid_ds msg;
};
/* 0 or -errno, as the System V calls say. */
int object_stat(enum ipc_kind kind, int32_t id, union any_stat *ret_stat);
int object_remove(enum ipc_kind kind, int32_t id);
/* Name of a uid, or its number. */
const char *user_to_string(uint32_t uid, char buffer[static 32]);

/* --- subcommands: argv[0] is the subcommand's name ----------------------------------------------- */

int run_main(int argc, char **argv);
int ls_main(int argc, char **argv);
int rm_main(int argc, char **argv);
int mk_main(int argc, char **argv);
int stat_main(int argc, char **argv);
int ping_main(int argc, char **argv);
int limits_main(int argc, char **argv);
int doctor_main(int argc, char **argv);

#endif

/*
 * hostile.h: what the attacks share: a namespace with the real daemon, clients by hand and processes
 * of other users, a bystander who is to be served all the while, and a look at the daemon itself.
 *
 * A program is a list of attacks.  It is called with "shared" (as root: the daemon is root's, attacker
 * and bystander are ordinary users) or "own" (all three are the one user who calls it), and prints TAP
 * lines without numbers, which `run` adds.
 */
#ifndef TESTS_HOSTILE_H
#define TESTS_HOSTILE_H

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "core/frame.h"
#include "core/ledger.h"
#include "core/proto.h"
#include "core/registry.h"
#include "sys/fifo.h"

/* No such users need to exist. */
#define UID_ATTACKER 40001u
#define UID_BYSTANDER 40002u
#define UID_THIRD 40003u

/* A hang is a failure; nothing that goes well takes a hundredth of it. */
#define PATIENCE_MS 20000

extern char ns_path[PATH_MAX]; /* the namespace */
extern pid_t ns_daemon;
extern bool ns_is_shared;
extern bool is_long; /* USYSV_LONG=1 */
extern struct registry ns_registry; /* mapped for reading */

/* --- results ----------------------------------------------------------------------------------- */

/* A line of what went wrong; in a child it becomes its result, too. */
__attribute__((format(printf, 1, 2))) void wrong(const char *format, ...);
/* wrong() with the condition, unless it holds.  The value of the condition. */
#define expect(condition) expect_that(condition, #condition, __FILE__, __LINE__)
bool expect_that(bool holds, const char *what, const char *file, int line);
/* Two errnos, or ids. */
#define expect_is(wanted, got) expect_number(wanted, got, #got, __FILE__, __LINE__)
bool expect_number(long wanted, long got, const char *what, const char *file, int line);
/* Ends the program: without this nothing makes sense. */
_Noreturn __attribute__((format(printf, 1, 2))) void give_up(const char *format, ...);

/* --- processes --------------------------------------------------------------------------------- */

/* work(argument) in a child of that user (of this one in "own"); its id. */
typedef void child_work(long argument);
pid_t child_begin(uint32_t uid, child_work *work, long argument);
/* Waits; what it found wrong is counted here.  True if it ended by itself and found nothing. */
bool child_end(pid_t child);
/* The signal that ended it, 0 if none. */
int child_signal(pid_t child);
/* Both in one. */
bool in_child(uint32_t uid, child_work *work, long argument);
/* The program once more with the library loaded: client_main() there; its id. */
pid_t library_begin(uint32_t uid, const char *what, long argument);
/* Until the process has stopped itself. */
void await_stopped(pid_t pid);
void nap_ms(int ms);
uint32_t random_below(uint32_t n);

/* --- the namespace ----------------------------------------------------------------------------- */

/* NAME in the namespace, in one of a few buffers that take turns. */
const char *ns_name(const char *name);
int ns_open(const char *name, int flags);
const char *ns_object(const char *kind, int32_t id);
/* In the daemon's log: now, or after a while. */
bool log_says_now(const char *text);
bool log_says(const char *text);

/* What the daemon holds: descriptors, and kilobytes of memory that are no file. */
uint32_t daemon_descriptors(void);
uint32_t daemon_kilobytes(void);
bool daemon_is_alive(void);
/* Killed, and another one in its place; the bystander is told to connect anew. */
void daemon_restart(void);

/* --- a client by hand -------------------------------------------------------------------------- */

struct wire {
	struct fifo_pair pair;
	struct frame_reader reader;
	uint32_t request;
	uint64_t client;
	struct ledger ledger;
};

#define WIRE_NONE (struct wire){.pair = FIFO_PAIR_NONE}

/* A name nobody else has. */
void wire_choose(char ret_name[PROTO_NAME_SIZE]);
/* The record on `register`; false: it did not take it for PATIENCE_MS. */
bool wire_hello(const char *name, uint32_t pid);
/* The FIFOs, HELLO, WELCOME.  0, the errno of WELCOME, or -1: it hung up or said nothing. */
int wire_open(struct wire *wire);
/* HELLO for FIFOs that are there already, and its answer; likewise. */
int wire_join(struct wire *wire, const char *name, uint32_t pid);
void wire_close(struct wire *wire);
bool wire_map_ledger(struct wire *wire);
bool wire_send(struct wire *wire, struct proto_message *message);
/* False: it hung up, or nothing came in time. */
bool wire_receive(struct wire *wire, int timeout_ms, struct proto_message *ret_message);
/* The answer's errno, -1 if there is none. */
int wire_ask(struct wire *wire, struct proto_message message, struct proto_message *ret_answer);
int wire_ping(struct wire *wire, uint64_t *ret_n_requests);
/* The id, or minus the errno. */
int32_t wire_create(struct wire *wire, enum ipc_kind kind, int32_t key, uint64_t size, uint32_t flags);
int wire_remove(struct wire *wire, enum ipc_kind kind, int32_t id);
int wire_set(struct wire *wire, enum ipc_kind kind, int32_t id, uint32_t uid, uint32_t gid, uint32_t mode);
/* nattch, or minus the errno. */
int64_t wire_attached(struct wire *wire, int32_t id);
/* True when the daemon has ended the connection. */
bool wire_is_dropped(struct wire *wire, int timeout_ms);

/* --- attacks ----------------------------------------------------------------------------------- */

enum attack_where {
	WITH_ANY,
	WITH_USERS, /* needs several */
	WITH_ONE,   /* needs a namespace that is the attacker's own */
};

struct attack {
	const char *name;
	void (*run)(void);
	enum attack_where where;
	/* Requests of others the daemon may carry out between two answers to the bystander; 0: not counted. */
	uint32_t others_max;
	/* Meanwhile the bystander may be told that there is no room for what is new; is served all the same. */
	bool may_lack;
};

/* Zeroed memory that all processes share. */
void *share(size_t size);

/* Before attacks_main: the daemon's hard limit of descriptors; options of a tmpfs for the namespace. */
extern uint32_t setting_files_max;
extern const char *setting_tmpfs;

/* What `PROGRAM client WHAT ARGUMENT` does, with the library loaded; a program without has none. */
int client_main(const char *what, long argument);

int attacks_main(int argc, char **argv, const struct attack *attacks, size_t n_attacks);

#endif

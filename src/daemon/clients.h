/*
 * clients.h: the processes the daemon knows: their pidfds and their ledgers.
 *
 * The registry says who they are; this is what the daemon holds open for each.
 */
#ifndef DAEMON_CLIENTS_H
#define DAEMON_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ledger.h"
#include "core/limits.h"
#include "core/registry.h"
#include "daemon/process.h"

/* Objects a process may have calls made on in its stead before all are looked through at its end. */
#define CLIENT_STEADS_MAX 16u

struct client {
	uint64_t client;
	uint32_t pid;
	uint64_t start_time;
	int process_fd;       /* -1: not watched yet */
	uint32_t n_sessions;
	struct ledger ledger; /* base NULL: it has none that can be used */
	struct process_file ledger_file;
	uint32_t ledger_uid;  /* owner of the file */
	uint64_t asked;       /* the round in which its ledger was last asked whether it speaks ... */
	bool speaks;          /* ... and what it said */
	bool is_execed;       /* its exec has been settled; until it has a new ledger */
	/*
	 * Where calls were made in its stead.  An honest one has them in its ledger, too, where the next
	 * daemon finds them.
	 */
	uint64_t steads[CLIENT_STEADS_MAX]; /* record_object(kind, id) */
	uint32_t n_steads;                  /* more than fit: anywhere */
};

struct clients {
	struct client *rows[CLIENT_MAX];
	uint32_t n_rows; /* rows at or beyond it are empty */
	uint32_t n;
	uint64_t round;  /* sums and settlings begun */
	int ledgers_fd;  /* borrowed */
	uint32_t n_spare; /* bytes of storage kept for new ledgers on a full file system */
};

/* The row of an identity, below CLIENT_MAX for one the registry gives. */
uint32_t client_row(uint64_t client);
/* NULL: not known. */
struct client *clients_find(const struct clients *clients, uint64_t client);

/*
 * A new, empty ledger owned by known->uid and gid, for a new client or for one that runs another
 * image: then the objects it uses stay noted.  0 or -errno.
 */
int clients_make_ledger(struct clients *clients, const struct registry_client *known, uint32_t gid);
/* Fills up what is kept back of storage, if there is any to be had. */
void clients_keep_spare(struct clients *clients);
/* A client of an earlier daemon, with the ledger it has, if that can be used.  0 or -errno. */
int clients_load(struct clients *clients, const struct registry_client *known);
/* Opens its process_fd.  -ESRCH: the process has ended. */
int clients_open_process(struct client *client);
/* The ledger file goes, too.  Idempotent. */
void clients_forget(struct clients *clients, uint64_t client);
/* Lets go of everything; files stay. */
void clients_clear(struct clients *clients);
/* Removes the files of ledgers nobody owns any more. */
void clients_sweep_ledgers(struct clients *clients);

/* A ledger that cannot be read any more is let go; the locks on the segments stand in for it. */
void clients_lose_ledger(struct client *client);

/* A call is made in its stead. */
void clients_note_stead(struct client *client, enum ipc_kind kind, int32_t id);

bool clients_have_ended(const struct client *client);
/*
 * True if its process runs an image that is not the one that used the ledger.  uid: who asks now;
 * a ledger nobody has used yet serves the new image as it is, if it is that uid's.
 */
bool clients_have_execed(const struct client *client, uint32_t uid);

/*
 * True if the ledger says what its process has attached, inherited or not; otherwise its parent's, or
 * nobody's, does.  The same answer to all who ask in one round, so that each is counted once.
 * It has a ledger, and fault_run() stands behind the caller.
 */
bool clients_speak(const struct clients *clients, struct client *client);
/* The same for a process that may be no client. */
bool clients_speak_for(const struct clients *clients, const struct registry *registry,
		       uint32_t pid);

#endif

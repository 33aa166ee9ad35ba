/*
 * world.h: the service with everything around it in memory: registry, storage, processes, clock.
 *
 * A test or a harness says what clients do; the world carries out the service's effects as the
 * daemon would, keeps what each session was sent, and checks what must hold after every step.  It
 * knows what really is attached and what files really exist, and compares.
 */
#ifndef MODEL_WORLD_H
#define MODEL_WORLD_H

#include "core/service.h"

/* Binary logarithm of the size of this world's huge pages, to which root alone has a right. */
#define WORLD_HUGE 25u

#define WORLD_FILE_MAX 512u
#define WORLD_ATTACH_MAX 640u
#define WORLD_LEDGER_MAX 512u
#define WORLD_DETACHED_MAX 1024u
#define WORLD_SESSION_MAX 1024u

/* Calls of the storage that can be made to fail, or counted. */
enum world_call {
	WORLD_CREATE,
	WORLD_SET,
	WORLD_DESTROY,
	WORLD_LEDGER_MAKE,
	WORLD_ATTACH_SUM,
	WORLD_SETTLE,
	WORLD_CALL_COUNT,
};

struct world_file {
	bool exists;
	enum ipc_kind kind;
	struct registry_object object;
	uint64_t qbytes;
	uint64_t reserved_bytes;
	bool incomplete; /* a creation or change is under way, or was cut short */
};

struct world_attach {
	uint64_t client; /* 0: free entry */
	int32_t shmid;
	uint32_t n;
	uint64_t attach_ns;
	uint64_t detach_ns;
	uint32_t pid;
};

struct world_ledger {
	uint64_t client; /* 0: free entry */
	uint32_t pid;
	uint32_t uid;
	bool exited; /* what has_exited says */
	bool settled; /* what it held, after its end */
	bool watched;
	bool known; /* its client was in the registry once */
};

struct world_session {
	bool open;       /* said HELLO and not closed */
	uint64_t client; /* 0 until it was welcomed */
	uint32_t n_received;
	struct proto_message last;
};

/*
 * Who wants to know more, as a simulation does: effects after they were carried out, and the moments
 * inside storage's work and between effects at which a daemon could be killed.  One that is killed
 * leaves world_step or world_restart by longjmp; world_restart comes next.
 */
struct world_observer {
	void *context;
	void (*effect)(void *context, const struct effect *effect);
	void (*moment)(void *context);
};

struct world {
	const struct world_observer *observer; /* or NULL */
	void *registry_memory;
	struct service *service;
	struct registry registry;
	struct service_storage storage;
	struct effects effects; /* of the last service step */
	bool restarting;
	int32_t summed; /* the segment whose attachments have been added up just now, or -1 */
	uint32_t owner_uid;
	uint32_t hello_version; /* what clients say; 0: the right one */
	uint64_t now_ns;

	int fail_errno[WORLD_CALL_COUNT]; /* not 0: the next call fails with it, once */
	uint32_t n_calls[WORLD_CALL_COUNT];
	/* An attachment that appears just before the n-th sum from now; 0: none. */
	uint32_t attach_before_sum;
	uint64_t attach_client;

	/* Entries ever used: the others need not be looked at. */
	uint32_t file_top;
	uint32_t attach_top;
	uint32_t ledger_top;
	struct world_file files[WORLD_FILE_MAX];
	struct world_attach attachments[WORLD_ATTACH_MAX];
	struct world_ledger ledgers[WORLD_LEDGER_MAX];
	struct event detached[WORLD_DETACHED_MAX]; /* EVENT_DETACHED to come */
	uint32_t n_detached;
	struct world_session sessions[WORLD_SESSION_MAX];
	bool admitting; /* an ADMIT came: for admit_session */
	uint32_t admit_session;
	uint32_t n_admits;
	uint32_t n_logs;
	char log[EFFECT_TEXT_SIZE]; /* the last line */
};

/* A namespace and its service; world is zero-filled.  deinit is legal on that, too. */
void world_init(struct world *world, uint32_t owner_uid);
void world_deinit(struct world *world);
/*
 * The daemon is killed and started again: sessions are gone, the registry and files are not.  What
 * ledgers say has exited is the caller's to tell with EVENT_EXITED.
 */
void world_restart(struct world *world);

/* An event with the world's time, to be completed. */
struct event world_event(const struct world *world, enum event_type type);
/* One step, its effects carried out, and the DETACHED events it caused after it. */
void world_step(struct world *world, const struct event *event);
/* Turns until nothing is pending. */
void world_drain(struct world *world);

/* HELLO to WELCOME.  The session number, or SESSION_MAX when it was refused. */
uint32_t world_connect(struct world *world, uint32_t uid, uint32_t pid, uint64_t start_time);
/* Bytes from a session. */
void world_input(struct world *world, uint32_t session, const uint8_t *bytes, size_t n_bytes);
/* A request, drained; true if exactly one answer came. */
bool world_request(struct world *world, uint32_t session, const struct proto_message *message,
		   struct proto_message *ret_answer);

/* What a process does without the daemon. */
void world_attach(struct world *world, uint64_t client, int32_t shmid, uint32_t pid);
void world_detach(struct world *world, uint64_t client, int32_t shmid, uint32_t pid);
uint32_t world_n_attached(const struct world *world, int32_t shmid);
/* The process ends; the daemon has not heard of it yet. */
void world_die(struct world *world, uint64_t client);

uint32_t world_n_files(const struct world *world, enum ipc_kind kind);
const struct world_file *world_file(const struct world *world, enum ipc_kind kind, int32_t id);
/* Service, registry, files and ledgers agree; check leaves out what takes long. */
bool world_check(const struct world *world);
bool world_verify(const struct world *world);

#endif

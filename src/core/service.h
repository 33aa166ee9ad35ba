/*
 * service.h: the whole daemon as a function.
 *
 * service_step(service, event, effects) is all there is: bytes from a client, a client gone, a
 * process ended, a storage result, a tick come in; replies and actions go out.  Time, identities
 * and randomness arrive in the events.  src/daemon carries the effects out, tests and fuzzers
 * drive the same function without any of it.
 *
 * State that must outlive the daemon is in the registry (a mapping); what is in struct service is
 * an index that service_start() rebuilds from it.
 */
#ifndef CORE_SERVICE_H
#define CORE_SERVICE_H

#include "core/cred.h"
#include "core/ledger.h"
#include "core/proto.h"
#include "core/registry.h"
#include "core/stead.h"

/* Bytes one EVENT_REGISTER or EVENT_INPUT may carry: bounds what one step does with garbage. */
#define SERVICE_INPUT_MAX 4096u

enum event_type {
	EVENT_REGISTER, /* bytes read from the well-known FIFO */
	EVENT_ADMITTED, /* EFFECT_ADMIT worked: identity proven */
	EVENT_REFUSED,  /* EFFECT_ADMIT failed */
	EVENT_INPUT,    /* bytes from a session */
	EVENT_HANGUP,   /* a session's FIFO lost its writer, or broke */
	EVENT_EXITED,   /* a client's process has ended */
	EVENT_EXECED,   /* a client's process runs another image now: attachments end, undo stays; to be
			   told before the new image's ADMITTED, which makes the ledger anew */
	EVENT_DETACHED, /* attachments ended outside a request (settled ledgers) */
	EVENT_TICK,
};

/* What an event carries besides its type. */
struct event {
	enum event_type type;
	int64_t now_s;         /* realtime, seconds */
	uint64_t now_ns;       /* realtime, nanoseconds */
	uint64_t monotonic_ns;
	uint32_t session;      /* INPUT, HANGUP, ADMITTED, REFUSED: number the service gave in ADMIT */
	const uint8_t *bytes;  /* REGISTER, INPUT */
	size_t n_bytes;        /* at most SERVICE_INPUT_MAX */
	uint32_t uid;          /* ADMITTED: owner and group of the FIFOs */
	uint32_t gid;
	uint32_t pid;          /* ADMITTED */
	uint64_t start_time;   /* ADMITTED */
	uint64_t client;       /* EXITED, EXECED */
	int32_t shmid;         /* DETACHED */
};

enum effect_type {
	EFFECT_ADMIT,   /* open and judge the FIFOs `name` for session; answer ADMITTED or REFUSED */
	EFFECT_SEND,    /* bytes to a session */
	EFFECT_CLOSE,   /* end a session: close its FIFOs */
	EFFECT_WATCH,   /* a new client: watch its process; after the ledger exists */
	EFFECT_FORGET,  /* the client is gone for good: remove its ledger, stop watching */
	EFFECT_LOG,     /* a line for the log */
};

#define EFFECT_TEXT_SIZE 160u

struct effect {
	enum effect_type type;
	uint32_t session;
	uint64_t client;
	uint32_t pid;
	uint32_t uid;
	char name[PROTO_NAME_SIZE]; /* ADMIT */
	uint32_t n_bytes;           /* SEND */
	uint8_t bytes[FRAME_SIZE_MAX];
	char text[EFFECT_TEXT_SIZE]; /* LOG: client, call, reason */
};

struct effects {
	uint32_t n;
	struct effect list[EFFECTS_MAX];
};

/* A call to be made in a client's stead, and what has become of it (stead.h). */
struct service_stead {
	const struct registry_object *object;
	const struct proto_stead *call; /* checked, but for the content of its file */
	struct stead stead;
	uint64_t client;
	uint32_t pid;
	uint32_t uid; /* the file's owner */
	int64_t now_s;
};

enum service_stood_state {
	SERVICE_STOOD_DONE = 0,
	SERVICE_STOOD_WAITS = 1,
	SERVICE_STOOD_NOT = 2, /* not done, and nothing stands */
	SERVICE_STOOD_COUNT = 3,
};

struct service_stood {
	uint32_t state; /* enum service_stood_state */
	int64_t type;   /* received */
	uint64_t size;  /* in the file */
};

/*
 * Storage, asked while a step runs, because a reply depends on the answer.  Every function may fail
 * and returns 0 or an errno of Linux; the simulation fails each of them at will.
 */
struct service_storage {
	void *context;
	/*
	 * New object file, formatted, with owner, group and mode; ctime_s is now.  Queues: qbytes is
	 * msg_qbytes, object->size the text the file has room for.  reserved_bytes: what the file
	 * system must have room for, or ENOMEM (segments, unless SHM_NORESERVE).  A segment with
	 * SHM_HUGETLB in its mode has huge pages of the size there, or EPERM, ENOMEM (PERM-12).
	 * Nothing is left on failure.
	 */
	int (*create)(void *context, enum ipc_kind kind, const struct registry_object *object,
		      uint64_t qbytes, uint64_t reserved_bytes);
	/*
	 * IPC_SET: owner, group, mode; sets and queues: ctime (the object's); queues: qbytes.  object
	 * is what the registry holds already, so that receivers woken here judge the new permissions
	 * (MSG-44); before is what it held.  If a queue's size has grown, its file is grown first.
	 * Nothing has changed on failure.
	 */
	int (*set)(void *context, enum ipc_kind kind, const struct registry_object *object,
		   const struct registry_object *before, uint64_t qbytes);
	/* Ends the object: sleepers get EIDRM, the file goes. */
	void (*destroy)(void *context, enum ipc_kind kind, int32_t id);
	/*
	 * Ledger of a new client, which the registry does not know yet, or of one that exec'ed: made
	 * empty again.  owner: the client, with the uid that it has now.
	 */
	int (*ledger_make)(void *context, const struct registry_client *owner, uint32_t gid);
	/*
	 * Attachments of a segment, over all ledgers and unregistered children, right now.  exact
	 * false: it is enough to tell none from some, and stamps are wanted only if there are none.
	 */
	int (*attach_sum)(void *context, int32_t shmid, bool exact, struct ledger_sum *ret_sum);
	/*
	 * n_attached of the sum just made are all this client's own, and that and the stamps can change
	 * only by his calls and by somebody who attaches.
	 */
	bool (*attached_alone)(void *context, int32_t shmid, uint64_t client, uint64_t n_attached);
	/*
	 * Settles what an ended process held: descriptors, sleepers, undo, blocks, attachments: the
	 * stamps of each are kept by service_fold before it returns, when the process is still known, and
	 * an EVENT_DETACHED comes before the next event.  dead false: exec, attachments only.
	 */
	void (*settle)(void *context, uint64_t client, uint32_t pid, bool dead);
	/* True if that process has ended (its pidfd says so). */
	bool (*has_exited)(void *context, uint64_t client);
	/* Begins a call, or looks what has become of it; or forgets it. */
	int (*stead)(void *context, const struct service_stead *ask, struct service_stood *ret_stood);
	/* True if that process is in this group now. */
	bool (*has_group)(void *context, uint64_t client, uint32_t gid);
};

struct service; /* service_size() bytes, 16-aligned, the caller's; zero-filled before start */

size_t service_size(void);

/*
 * Binds to a registry that registry_bind accepted and registry_repair has passed; destroys what the
 * last daemon was destroying.  registry and storage stay the caller's and outlive the service.
 * Clients found are told by service_next_known, to be watched or answered with EVENT_EXITED.
 * owner_uid may change limits, besides root.
 */
void service_start(struct service *service, struct registry *registry,
		   const struct service_storage *storage, uint32_t owner_uid, uint32_t daemon_pid,
		   uint64_t monotonic_ns);
/* The next client to watch after a start; false when all have been reported. */
bool service_next_known(struct service *service, struct registry_client *ret_client);

/* For storage->settle: keeps the stamps of attachments that have ended. */
void service_fold(struct service *service, int32_t shmid, const struct ledger_sum *sum);

/* One event.  effects is reset first. */
void service_step(struct service *service, const struct event *event, struct effects *effects);

/* True while a session has requests that wait for a further turn: step with EVENT_INPUT, 0 bytes. */
bool service_has_pending(const struct service *service, uint32_t *ret_session);
/*
 * How many bytes a session takes for certain; 0 when it is not open.  Who delivers more in one
 * event risks the connection: what a turn leaves over must fit (SESSION_IN_MAX, session.h).
 */
size_t service_input_room(const struct service *service, uint32_t session);

/* Sessions a uid holds now. */
uint32_t service_sessions_of(const struct service *service, uint32_t uid);

bool service_verify(const struct service *service);

#endif

/*
 * proto.h: the messages between library and daemon: numbers, structs, encode and decode.
 *
 * PROTOCOL.md has the field tables.  Decoding fills a struct and touches nothing else; a payload
 * of any size but its type's is refused.
 */
#ifndef CORE_PROTO_H
#define CORE_PROTO_H

#include "core/abi.h"
#include "core/limits.h"
#include "core/registry.h"

#define PROTO_VERSION 1u
#define PROTO_NAME_SIZE 40u /* clients/NAME.in and .out; letters, digits and '.', zero padded */

enum proto_type {
	/* on `register`, fixed size, checked by magic and sum: the only message without a connection */
	PROTO_HELLO = 1,

	/* requests; each is answered by its reply, in order */
	PROTO_CREATE = 16,   /* *get that has to create, or wants the daemon's word */
	PROTO_SET = 17,      /* IPC_SET */
	PROTO_REMOVE = 18,   /* IPC_RMID */
	PROTO_SHM_STAT = 19, /* nattch, lpid and times, added up now */
	PROTO_SHM_LOCK = 20, /* SHM_LOCK, SHM_UNLOCK */
	PROTO_SETTLE = 21,   /* process pid was reaped: answer when what it held is settled */
	PROTO_LIMITS = 22,   /* change the namespace's limits (its owner or root) */
	PROTO_PING = 23,
	PROTO_STEAD = 24, /* semop, SETVAL, SETALL, msgsnd, msgrcv in the asker's stead (stead.h) */

	/* notices; not answered */
	PROTO_DETACHED = 32, /* a DEST segment lost an attachment, or a process attached to one forked */
	PROTO_LEAVE = 33,    /* normal exit: the process has settled everything itself */

	/* from the daemon */
	PROTO_WELCOME = 64,
	PROTO_REPLY = 65,      /* result and id */
	PROTO_SHM_REPLY = 66,  /* result and the sums */
	PROTO_PONG = 67,
	PROTO_STOOD = 68,      /* what has become of it */
};

/* Body of WELCOME and the replies start with the errno the caller shall see, Linux numbers; 0 = done. */

struct proto_hello {
	uint32_t version;
	uint32_t pid;
	char name[PROTO_NAME_SIZE];
};

struct proto_welcome {
	int32_t error;
	uint32_t version;
	uint64_t client; /* identity; the ledger is ledgers/CLIENT in sixteen hex digits */
	uint64_t nonce;  /* of the registry the daemon serves */
};

struct proto_create {
	uint32_t kind;
	int32_t key;
	uint64_t size; /* bytes or semaphores, as the caller gave it; queues 0 */
	uint32_t flags;
};

struct proto_set {
	uint32_t kind;
	int32_t id;
	uint32_t uid;
	uint32_t gid;
	uint32_t mode;
	uint64_t qbytes; /* queues */
};

struct proto_object {
	uint32_t kind;
	int32_t id;
	uint32_t argument; /* SHM_LOCK: 1 lock, 0 unlock; SHM_STAT: 1 with a lease; otherwise 0 */
};

struct proto_settle {
	uint32_t pid;
};

enum proto_stead_what {
	PROTO_STEAD_OP = 0,      /* semop; size: bytes of the array, 6 an operation, as in memory */
	PROTO_STEAD_SET_ONE = 1, /* SETVAL; type: number of the semaphore; size: the value */
	PROTO_STEAD_SET_ALL = 2, /* SETALL; size: bytes of the values, 2 each */
	PROTO_STEAD_SEND = 3,    /* type; size: bytes of the text */
	PROTO_STEAD_RECEIVE = 4, /* type; size: how many bytes there is room for */
	PROTO_STEAD_END = 5,     /* the caller knows what has become of it: forget it */
	PROTO_STEAD_WHAT_COUNT = 6,
};

#define PROTO_STEAD_WAIT 1u   /* let it stand if it is blocked; otherwise a standing one is taken out */
#define PROTO_STEAD_ALTERS 2u /* OP: an operation is not 0 */
#define PROTO_STEAD_FLAGS (PROTO_STEAD_WAIT | PROTO_STEAD_ALTERS | ABI_MSG_NOERROR | ABI_MSG_EXCEPT)

/* All but END also look at what has become of the call since it was last asked for. */
struct proto_stead {
	uint32_t kind; /* sem or msg */
	int32_t id;
	uint32_t what;   /* enum proto_stead_what */
	uint32_t flags;
	uint32_t number; /* of the call: the same each time it is asked for; not 0 */
	int64_t type;
	uint64_t size;
	char name[PROTO_NAME_SIZE]; /* of a file in clients/ with the bytes, or for them; or zeroes */
};

struct proto_reply {
	int32_t error;
	int32_t id;
};

/*
 * object.generation is the lease, 0: none.  While the registry's record has it, and for SHM_LEASE_NS
 * from the asking, the sum holds for the asker, unless he himself attaches, detaches or forks.
 */
struct proto_shm_reply {
	int32_t error;
	struct registry_object object;
	uint64_t n_attached;
};

struct proto_stood {
	int32_t error;
	uint32_t is_blocked; /* 1: with WAIT it stands, without it was not done; then error is 0 */
	int64_t type;  /* RECEIVE */
	uint64_t size; /* RECEIVE: bytes in the file */
};

struct proto_pong {
	int32_t error;
	uint32_t daemon_pid;
	uint32_t n_clients;
	uint32_t n_objects[IPC_KIND_COUNT];
	uint64_t uptime_s;
	uint64_t n_requests;
};

/* A decoded message. */
struct proto_message {
	uint32_t type;    /* enum proto_type */
	uint32_t request; /* chosen by the client, repeated in the answer */
	union {
		struct proto_hello hello;
		struct proto_welcome welcome;
		struct proto_create create;
		struct proto_set set;
		struct proto_object object; /* REMOVE, SHM_STAT, SHM_LOCK, DETACHED */
		struct proto_settle settle;
		struct proto_stead stead;
		struct registry_limits limits;
		struct proto_reply reply;
		struct proto_shm_reply shm;
		struct proto_pong pong;
		struct proto_stood stood;
	};
};

enum proto_outcome {
	PROTO_E_TYPE = 1, /* no such type */
	PROTO_E_SIZE = 2, /* not the size its type demands */
	PROTO_E_VALUE = 3, /* a field outside its range */
};

/* Body of one frame (frame.h cuts them) to message.  0 or PROTO_E_*. */
int proto_decode(uint32_t type, uint32_t request, const uint8_t *body, size_t body_size,
		 struct proto_message *ret_message);

/*
 * Whole frame, header included, for everything but HELLO.  buffer holds FRAME_SIZE_MAX bytes.
 * Returns the frame's size.  The message is ours: a wrong one is a broken invariant.
 */
size_t proto_encode(const struct proto_message *message, uint8_t *buffer);

/* The fixed record on `register`: PROTO_HELLO_SIZE bytes, magic and sum inside, one atomic write. */
#define PROTO_HELLO_SIZE 64u
void proto_hello_encode(const struct proto_hello *hello, uint8_t *buffer);
/* One record at bytes; false: not a record, skip a byte and look again. */
bool proto_hello_decode(const uint8_t *bytes, struct proto_hello *ret_hello);

const char *proto_type_to_string(uint32_t type);

#endif

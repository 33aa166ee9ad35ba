/*
 * service-internal.h: what the parts of the service share: service.c (events, sessions, effects),
 * service-client.c (processes: admission, exec, end), service-object.c (requests about objects).
 */
#ifndef CORE_SERVICE_INTERNAL_H
#define CORE_SERVICE_INTERNAL_H

#include "core/errno.h"
#include "core/quota.h"
#include "core/service.h"
#include "core/session.h"

/*
 * Sessions of one process; beyond it the one that has been quiet longest ends, and the library
 * makes a new one when it needs it.  Also bounds the effects of a process's end.
 */
#define SESSION_PER_CLIENT_MAX 48u

/*
 * The most effects one request or admission may produce: a process's end, the answer, and, if the
 * asker then has to go, his last lines.
 */
#define SERVICE_EFFECTS_PER_REQUEST_MAX (SESSION_PER_CLIENT_MAX + 8u)

/* Removed segments looked at in one step. */
#define SERVICE_REAPS_PER_STEP_MAX 64u

/* Lines a second for the log; more are counted and told in one line: nobody fills the disk. */
#define SERVICE_LOGS_PER_SECOND_MAX 100u

/* SHMALL counts pages of this size on every machine, so that a namespace means the same to all. */
#define SERVICE_PAGE_SIZE 4096u

/* Links are session + 1; 0 ends. */
struct service_session {
	struct session session;
	uint32_t next; /* of its client's, newest use first; or of the free ones */
	uint32_t prev;
	uint32_t pending_next; /* of those with requests that wait for a turn, oldest first */
	uint32_t pending_prev;
	bool is_pending;
};

/* Belongs to one row of the registry's processes. */
struct service_client {
	uint64_t client; /* 0: nothing known beyond the registry */
	uint32_t first;
	uint32_t last;
	uint32_t n_sessions;
	bool ledger_is_stale; /* exec'ed: the next admission makes its ledger anew, for the new uid */
};

struct service {
	struct registry *registry;
	const struct service_storage *storage;
	uint32_t owner_uid;
	uint32_t daemon_pid;
	uint64_t start_ns;
	uint64_t now_ns; /* of the step */
	uint64_t n_requests;

	uint32_t known_row; /* service_next_known goes on here */
	uint32_t n_clients;
	uint32_t client_top; /* rows of `clients` ever used */

	uint64_t n_pages; /* of all segments, removed ones included (SHM-39) */
	uint64_t n_sems;
	uint32_t n_dest;      /* segments in state DEST */
	uint32_t dest_cursor; /* index the next sweep begins at */
	uint64_t dest[OBJECT_MAX / 64]; /* which they are: a bit for each index */
	uint64_t lease;       /* the last one given; none is given twice */

	int64_t log_second;
	uint32_t n_logs; /* in that second */
	uint64_t n_logs_lost;

	uint32_t hello_used; /* bytes of a record not complete yet */
	uint8_t hello[PROTO_HELLO_SIZE];

	uint32_t n_sessions;
	uint32_t session_top; /* sessions ever used */
	uint32_t session_free;
	uint32_t pending_first;
	uint32_t pending_last;

	struct quota quota;
	struct service_client clients[CLIENT_MAX];
	struct service_session sessions[SESSION_MAX];
};

/* One step under way. */
struct turn {
	struct service *service;
	const struct event *event;
	struct effects *effects;
};

/* One request under way: who asks, and what. */
struct request {
	struct turn *turn;
	uint32_t session;
	const struct proto_message *message;
};

/* --- service.c -------------------------------------------------------------------------------- */

/* A zeroed effect of this type, in the list already. */
struct effect *turn_effect(struct turn *turn, enum effect_type type);
void turn_send(struct turn *turn, uint32_t session, const struct proto_message *message);
/*
 * A line: who, doing what, why; with a number when it is not NULL.  session may be SESSION_MAX:
 * nobody in particular.
 */
void turn_log(struct turn *turn, uint32_t session, const char *call, const char *reason,
	      const uint64_t *number);
/* Ends a session, with an EFFECT_CLOSE. */
void turn_session_end(struct turn *turn, uint32_t session);
/* Makes an admitted session its client's most recently used. */
void service_session_touch(struct service *service, uint32_t session);
/* What storage said, as an errno that may go into a reply. */
int32_t storage_error(int r);

/* --- service-client.c ------------------------------------------------------------------------- */

/* The service's part of a client the registry knows. */
struct service_client *service_client_of(struct service *service, uint64_t client);
void client_admitted(struct turn *turn, uint32_t session);
void client_exited(struct turn *turn, uint64_t client);
void client_execed(struct turn *turn, uint64_t client);
/* Answers: errno for the reply. */
int32_t client_settle(const struct request *request);

/* --- service-object.c ------------------------------------------------------------------------- */

int32_t object_create(const struct request *request, int32_t *ret_id);
int32_t object_set(const struct request *request);
int32_t object_remove(const struct request *request);
int32_t object_shm_stat(const struct request *request, struct registry_object *ret_object,
			uint64_t *ret_n_attached);
int32_t object_shm_lock(const struct request *request);
int32_t object_limits(const struct request *request);
/* Attachments of a segment have ended: it goes if it is marked for it. */
void segment_recheck(struct turn *turn, int32_t id);
/* Looks at some of the removed segments. */
void segment_sweep(struct turn *turn);
/* Counts and charges what the registry holds, at start. */
void objects_count(struct service *service);
bool objects_verify(const struct service *service);

/* --- service-stead.c -------------------------------------------------------------------------- */

int32_t object_stead(const struct request *request, struct proto_stood *ret_stood);

#endif

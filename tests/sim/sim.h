/*
 * sim.h: a deterministic simulation of the daemon: hundreds of virtual processes, their pipes, time,
 * storage that fails and a daemon that is killed between any two of its writes, all from one seed.
 *
 * sim.c runs it, actors.c are the processes, pipes.c their connections, oracle.c knows what each
 * answer has to be and what exists, trouble.c kills the daemon and starts it again, checks.c compares.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <setjmp.h>
#include <stdio.h>

#include "model/world.h"

#define SIM_PROCESSES_MAX 224u
#define SIM_CONNECTIONS_MAX 700u
#define SIM_ASKED_MAX 64u
#define SIM_ATTACHED_MAX 4u
/* The first few are anybody's, the others rare: they hold nothing at all most of the time. */
#define SIM_UIDS 12u
#define SIM_UIDS_USUAL 5u
#define SIM_NONE UINT32_MAX
#define SIM_OUT_MAX 2048u
#define SIM_OWNER_UID 1000u

/* --- the oracle: what exists, and what an answer must be ---------------------------------------- */

#define ORACLE_INDEX_MAX OBJECT_MAX

struct oracle_object {
	bool exists;
	struct registry_object object;
	uint64_t qbytes;
	uint32_t n_attached; /* by living processes, whatever ledgers say */
	uint64_t attach_ns;  /* of the last attach */
	uint64_t detach_ns;  /* of the last detach that stood in a ledger at once, or later */
	bool may_have_gone;  /* in this step, by limits that have been changed since */
	uint64_t raced_at;   /* the step in which somebody attached beside a sum, and how many */
	uint32_t n_races;
	bool stamps_unsure;  /* an attach was given up, or a ledger was short of room */
};

struct oracle {
	struct oracle_object objects[IPC_KIND_COUNT][ORACLE_INDEX_MAX];
	uint32_t n[IPC_KIND_COUNT];
	uint32_t n_of_uid[SIM_UIDS];
	uint64_t n_pages;
	uint64_t n_sems;
	struct registry_limits limits;
	bool limits_changed; /* in this step */
};

struct sim_process;

struct who {
	uint32_t uid;
	uint32_t gid;
	uint32_t pid;
	struct sim_process *process;
};

#define ORACLE_NO_ERRNO (-1)

/* What an answer must be. */
struct verdict {
	int32_t error;
	int32_t maybe; /* others that are right as well */
	int32_t maybe_too;
	int32_t id;    /* of an object that is there; -1: a new one */
	bool is_again;   /* asked a second time, and made the first time */
	bool may_be_new; /* the object with the key may have gone in this step (SHM-44) */
};

struct oracle_object *oracle_find(struct oracle *oracle, enum ipc_kind kind, int32_t id);
/* Whether the daemon may let a segment go at any time: marked (or forced) and nobody has it. */
bool oracle_may_go(const struct oracle *oracle, enum ipc_kind kind, const struct oracle_object *entry);
void oracle_judge(struct oracle *oracle, const struct who *who, const struct proto_message *asked,
		  struct verdict *ret_verdict);
/* The request has been carried out; id: of a creation.  NULL, or what is wrong. */
const char *oracle_apply(struct oracle *oracle, const struct who *who,
			 const struct proto_message *asked, int32_t id, int64_t now_s);
void oracle_drop(struct oracle *oracle, enum ipc_kind kind, struct oracle_object *entry);
/* NULL, or how the registry's object differs from ours. */
const char *oracle_compare(const struct oracle_object *entry, const struct registry_object *object);
uint32_t sim_uid_index(uint32_t uid);

/* --- processes and connections ------------------------------------------------------------------ */

struct process_attached {
	int32_t shmid;
	uint32_t n; /* 0: free */
};

struct sim_process {
	bool alive;
	bool registered;  /* this image knows its identity and has its ledger */
	bool execed;      /* since its last welcome */
	bool forked;      /* has attachments its parent's ledger accounts for */
	uint32_t pid;
	uint32_t uid;
	uint64_t start_time;
	uint64_t client;  /* identity, once known: stays across exec */
	uint64_t ledger;  /* under which its attachments stand in the world */
	uint32_t n_connections;
	bool is_creating;      /* waits for the answer to a CREATE: the library asks for one at a time */
	uint32_t made_request; /* the last object made for it, by the number of its request */
	uint32_t made_kind;
	int32_t made_id;
	struct process_attached attached[SIM_ATTACHED_MAX];
};

struct sim_asked {
	struct proto_message message;
	uint64_t end; /* of its frame, in bytes of this connection */
	bool is_resent;
};

enum connection_state {
	CONNECTION_FREE,
	CONNECTION_HELLO, /* said it, or about to be admitted */
	CONNECTION_OPEN,
	CONNECTION_LOST,  /* the daemon died: to be made again */
};

struct sim_connection {
	enum connection_state state;
	uint32_t process;
	uint32_t session; /* SIM_NONE: the daemon has not named one */
	uint32_t name;    /* of its FIFOs */
	struct who who;
	bool is_forged;    /* claims somebody else's pid: to be refused */
	bool is_foreign;   /* speaks another version */
	bool is_leaving;
	bool is_doomed;    /* has said what ends it */
	bool may_close;    /* the daemon has a reason to end it */
	bool reads;
	bool hangs_up;     /* the client has closed its end, or the daemon's write failed */
	uint32_t n_unread; /* bytes waiting for the client */
	uint64_t n_sent, n_fed;
	uint32_t n_out;
	uint8_t out[SIM_OUT_MAX];
	uint32_t n_asked;
	struct sim_asked asked[SIM_ASKED_MAX];
};

struct sim_news {
	enum event_type type; /* EXITED or EXECED */
	uint64_t client;
};

/* How often what happened: a run that never met something shows nothing about it. */
struct sim_counts {
	uint64_t steps, requests, answers, refusals, restarts, kills_in_start, faults, floods,
		forks, execs, exits, reused_pids, races, doomed, broken, resent, found_again,
		quota_hits, gone, full_checks, cut_registrations;
};

#define SIM_NEWS_MAX 512u
#define SIM_REGISTER_MAX 8192u
#define SIM_SEEN_BITS 20u

struct sim {
	struct world *world;
	uint64_t random;
	uint64_t trace_from; /* UINT64_MAX: never */
	uint32_t check_every;

	jmp_buf killed;
	bool quiet; /* no kills and faults now */
	const struct event *event;
	uint32_t stepping; /* connection whose input is being carried out */
	uint32_t kill_in;
	int32_t fault; /* errno that is armed in this step, 0: none */
	enum world_call fault_call;
	uint32_t depth;
	int64_t stepped_s;
	uint32_t n_effects;
	uint32_t n_answers; /* in this step */
	uint32_t n_rows_before;
	uint32_t n_sessions_before[SIM_UIDS];
	/* An attachment that races with a sum: written, not yet confirmed. */
	uint32_t racer;
	int32_t raced_id;
	bool raced; /* it is under way */

	struct oracle oracle;
	struct sim_process processes[SIM_PROCESSES_MAX];
	struct sim_connection connections[SIM_CONNECTIONS_MAX];
	uint32_t connection_of[WORLD_SESSION_MAX];
	uint32_t n_sessions_of[SIM_UIDS];
	uint32_t n_open; /* of connections in use */
	uint32_t n_alive;
	bool sessions_were_full; /* since the last rest: somebody may not have been heard */
	uint32_t next_name;
	uint64_t next_start;

	struct sim_news news[SIM_NEWS_MAX];
	uint32_t n_news;
	uint32_t orphaned[WORLD_SESSION_MAX]; /* sessions whose client was gone when it was their turn */
	uint32_t n_orphaned;
	uint32_t admits[SIM_CONNECTIONS_MAX]; /* connections to be answered */
	uint32_t n_admits;
	uint32_t n_register;
	uint8_t register_bytes[SIM_REGISTER_MAX];
	uint32_t weights[16];
	uint64_t seen[1u << SIM_SEEN_BITS]; /* ids and identities ever given: none comes back */
	struct sim_counts counts;
};

extern struct sim sim;
extern const uint32_t sim_uids[SIM_UIDS];

/* --- sim.c -------------------------------------------------------------------------------------- */

_Noreturn __attribute__((format(printf, 1, 2))) void sim_fail(const char *format, ...);
__attribute__((format(printf, 1, 2))) void sim_trace(const char *format, ...);
uint32_t sim_below(uint32_t n);
uint32_t sim_any_uid(void);
bool sim_chance(uint32_t in_ten_thousand);
/* One event to the service.  False: the daemon was killed in it, and has been started again. */
bool sim_step(const struct event *event);
/* True the first time. */
bool sim_is_new(uint64_t number);

/* --- actors.c ----------------------------------------------------------------------------------- */

void actors_begin(void);
void actor_spawn(void);
void actor_fork(void);
void actor_exec(void);
void actor_exit(void);
void actor_attach(void);
void actor_detach(void);
void actor_ask(void);
void actor_talk_nonsense(void);
void actor_connect(void);
void actor_reconnect(void);
void actor_hang_up(void);
void actor_read(void);
void actor_race(void);
void actor_race_end(void);
struct sim_process *process_of_pid(uint32_t pid);
void process_welcomed(struct sim_process *process, uint32_t uid, uint64_t client);
void actor_put_request(uint32_t connection, const struct proto_message *message, bool is_resent);

/* --- pipes.c ------------------------------------------------------------------------------------ */

void pipes_effect(void *context, const struct effect *effect);
void pipe_feed(uint32_t connection, bool all);
void pipe_feed_any(void);
void pipe_pending(void);
void pipe_register(bool all);
void pipe_admit(void);
void pipe_hang_up(uint32_t connection);
void pipe_news(void);
void pipe_free(uint32_t connection);
uint32_t pipe_pick(enum connection_state state);

/* --- trouble.c ---------------------------------------------------------------------------------- */

void trouble_moment(void *context);
void trouble_arm(void);
void trouble_disarm(void);
/* The fault that was armed explains this error (once). */
bool trouble_explains(int32_t error, enum world_call call);
void trouble_daemon_died(void);

/* --- checks.c ----------------------------------------------------------------------------------- */

void check_after_step(void);
void check_all(void);
void check_at_rest(void);
/* Marked segments the daemon has let go are dropped from the oracle. */
void check_sync(void);
/* NULL, or what in the registry is not as the oracle has it. */
const char *check_objects(void);

#endif

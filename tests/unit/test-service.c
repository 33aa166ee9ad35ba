/*
 * test-service.c: whole conversations with the daemon as a function.
 *
 * Most are tables of lines: who does what, and which errno is due.  After every line the service,
 * the registry and the files must agree (world_verify).
 */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "core/errno.h"
#include "core/service.h"
#include "core/session.h"
#include "model/world.h"

#define CREAT ABI_IPC_CREAT
#define EXCL ABI_IPC_EXCL
#define PEER_MAX 6u
#define ID_MAX 8u
#define PAGE 4096u

/* Peers of every conversation: peer i has pid 100 + i and these uids. */
static const uint32_t peer_uids[PEER_MAX] = { 1000, 1000, 1001, 0, 1002, 1003 };

enum verb {
	END,
	CONNECT,   /* peer */
	CREATE,    /* peer kind key=a size=b flags=c; the id goes into ids[slot] */
	SET,       /* peer kind slot; uid=a qbytes=b mode=c */
	REMOVE,    /* peer kind slot */
	STAT,      /* peer slot; a: n_attached, c: mode */
	LOCK,      /* peer slot; c: 1 or 0 */
	SETTLE,    /* peer; a: peer whose pid */
	ATTACH,    /* peer slot: in its ledger, unseen by the daemon */
	DETACH,    /* peer slot: the same, and the notice */
	DIE,       /* peer: the process ends, unseen */
	EXITED,    /* peer: the daemon hears of it */
	EXECED,    /* peer */
	HANGUP,    /* peer */
	TICK,
	RESTART,
	FAIL,      /* storage call a fails next with errno */
	FILES,     /* kind; a: how many there are */
	LPID,      /* slot; a: peer whose pid it is, or -1 for 0 */
	SHMALL,    /* b: limits, as root would set them */
	SEMMNS,
	SHMMNI,
	SEMMNI,
	MSGMNI,
	SEMMSL,
	FORCED,
};

struct line {
	enum verb verb;
	uint32_t peer;
	enum ipc_kind kind;
	uint32_t slot;
	int64_t a;
	uint64_t b;
	uint32_t c;
	int32_t error;
};

struct talk {
	struct world *world;
	uint32_t sessions[PEER_MAX];
	uint64_t clients[PEER_MAX];
	int32_t ids[ID_MAX];
};

static struct world *world_new(void)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world_init(world, 1002);
	return world;
}

static void world_free(struct world *world)
{
	world_deinit(world);
	free(world);
}

static uint32_t peer_pid(uint32_t peer)
{
	return 100 + peer;
}

static void talk_connect(struct talk *talk, uint32_t peer)
{
	talk->sessions[peer] =
		world_connect(talk->world, peer_uids[peer], peer_pid(peer), 50 + peer);
	assert_int_not_equal(talk->sessions[peer], SESSION_MAX);
	talk->clients[peer] = talk->world->sessions[talk->sessions[peer]].client;
}

/* Sends, and gives back the errno of the one answer. */
static int32_t talk_ask(struct talk *talk, uint32_t peer, struct proto_message *message,
			struct proto_message *ret_answer)
{
	static uint32_t n_asked;

	message->request = ++n_asked;
	assert_true(world_request(talk->world, talk->sessions[peer], message, ret_answer));
	assert_int_equal(ret_answer->request, message->request);
	return ret_answer->type == PROTO_SHM_REPLY ? ret_answer->shm.error : ret_answer->reply.error;
}

static int32_t line_ask(struct talk *talk, const struct line *line)
{
	struct proto_message message = { 0 };
	struct proto_message answer;
	int32_t error;

	switch (line->verb) {
	case CREATE:
		message.type = PROTO_CREATE;
		message.create = (struct proto_create){
			.kind = line->kind, .key = (int32_t)line->a, .size = line->b, .flags = line->c };
		break;
	case SET:
		message.type = PROTO_SET;
		message.set = (struct proto_set){ .kind = line->kind,
						  .id = talk->ids[line->slot],
						  .uid = (uint32_t)line->a,
						  .gid = 5,
						  .mode = line->c,
						  .qbytes = line->b };
		break;
	case SETTLE:
		message.type = PROTO_SETTLE;
		message.settle.pid = peer_pid((uint32_t)line->a);
		break;
	default:
		message.type = line->verb == REMOVE ? PROTO_REMOVE
			       : line->verb == STAT ? PROTO_SHM_STAT
						    : PROTO_SHM_LOCK;
		message.object = (struct proto_object){ .kind = line->kind,
							.id = talk->ids[line->slot] };
		if (line->verb == LOCK)
			message.object.argument = line->c;
		break;
	}
	error = talk_ask(talk, line->peer, &message, &answer);
	if (line->verb == CREATE && error == 0)
		talk->ids[line->slot] = answer.reply.id;
	if (line->verb == CREATE && error != 0)
		assert_int_equal(answer.reply.id, -1);
	if (line->verb == STAT && error == 0) {
		assert_int_equal(answer.shm.n_attached, line->a);
		assert_int_equal(answer.shm.object.owner.mode, line->c);
	}
	return error;
}

static void line_event(struct talk *talk, const struct line *line, enum event_type type)
{
	struct event event = world_event(talk->world, type);

	event.client = talk->clients[line->peer];
	event.session = talk->sessions[line->peer];
	world_step(talk->world, &event);
}

static void line_detach(struct talk *talk, const struct line *line)
{
	struct proto_message message = { .type = PROTO_DETACHED };
	uint32_t session = talk->sessions[line->peer];
	uint8_t frame[FRAME_SIZE_MAX];

	world_detach(talk->world, talk->clients[line->peer], talk->ids[line->slot],
		     peer_pid(line->peer));
	message.object.id = talk->ids[line->slot];
	world_input(talk->world, session, frame, proto_encode(&message, frame));
}

static void line_limit(struct talk *talk, const struct line *line)
{
	struct registry_limits limits;

	registry_read_limits(&talk->world->registry, &limits);
	switch (line->verb) {
	case SHMALL:
		limits.shmall = line->b;
		break;
	case SEMMNS:
		limits.semmns = (uint32_t)line->b;
		break;
	case SHMMNI:
		limits.shmmni = (uint32_t)line->b;
		break;
	case SEMMNI:
		limits.semmni = (uint32_t)line->b;
		break;
	case MSGMNI:
		limits.msgmni = (uint32_t)line->b;
		break;
	case SEMMSL:
		limits.semmsl = (uint32_t)line->b;
		break;
	default:
		limits.rmid_forced = (uint32_t)line->b;
		break;
	}
	registry_write_limits(&talk->world->registry, &limits);
}

static void line_lpid(struct talk *talk, const struct line *line)
{
	struct registry_object object;

	assert_int_equal(registry_get(&talk->world->registry, IPC_KIND_SHM, talk->ids[line->slot],
				      &object), 0);
	assert_int_equal(object.last_pid, line->a < 0 ? 0 : peer_pid((uint32_t)line->a));
}

static void line_run(struct talk *talk, const struct line *line)
{
	switch (line->verb) {
	case END:
		break;
	case CONNECT:
		talk_connect(talk, line->peer);
		break;
	case CREATE:
	case SET:
	case REMOVE:
	case STAT:
	case LOCK:
	case SETTLE:
		assert_int_equal(line_ask(talk, line), line->error);
		break;
	case ATTACH:
		world_attach(talk->world, talk->clients[line->peer], talk->ids[line->slot],
			     peer_pid(line->peer));
		break;
	case DETACH:
		line_detach(talk, line);
		break;
	case DIE:
		world_die(talk->world, talk->clients[line->peer]);
		break;
	case EXITED:
		line_event(talk, line, EVENT_EXITED);
		break;
	case EXECED:
		line_event(talk, line, EVENT_EXECED);
		break;
	case HANGUP:
		line_event(talk, line, EVENT_HANGUP);
		break;
	case TICK:
		line_event(talk, line, EVENT_TICK);
		break;
	case RESTART:
		world_restart(talk->world);
		break;
	case FAIL:
		talk->world->fail_errno[line->a] = line->error;
		break;
	case FILES:
		assert_int_equal(world_n_files(talk->world, line->kind), line->a);
		break;
	case LPID:
		line_lpid(talk, line);
		break;
	default:
		line_limit(talk, line);
		break;
	}
}

static void talk_run(const struct line *lines)
{
	struct talk talk = { .world = world_new() };

	for (uint32_t i = 0; i < ID_MAX; i++)
		talk.ids[i] = 31000; /* an id that nothing has */
	for (uint32_t i = 0; lines[i].verb != END; i++) {
		print_message("# line %u\n", i);
		line_run(&talk, &lines[i]);
		assert_true(world_verify(talk.world));
	}
	world_free(talk.world);
}

/* --- *get: IPC-16..24 ------------------------------------------------------------------------- */

static void create_checks_in_the_order_of_the_rules(void **state)
{
	static const struct line lines[] = {
		{ CONNECT, .peer = 0 },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 7, .error = ABI_ENOENT },
		{ CREATE, .kind = IPC_KIND_SEM, .a = 7, .error = ABI_ENOENT },
		{ CREATE, .kind = IPC_KIND_SEM, .a = 7, .b = 32001, .error = ABI_EINVAL },
		{ CREATE, .kind = IPC_KIND_MSG, .a = 7, .error = ABI_ENOENT },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 7, .c = CREAT, .error = ABI_EINVAL },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 7, .b = UINT64_MAX, .c = CREAT, .error = ABI_EINVAL },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 7, .b = UINT64_C(1) << 63, .c = CREAT, .error = ABI_EINVAL },
		{ CREATE, .kind = IPC_KIND_SEM, .a = 7, .c = CREAT, .error = ABI_EINVAL },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 7, .b = 100, .c = CREAT | 0600 },
		{ CREATE, .kind = IPC_KIND_SEM, .a = 7, .b = 3, .c = CREAT | 0600 },
		{ CREATE, .kind = IPC_KIND_MSG, .a = 7, .c = CREAT | 0600 },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 7, .b = 101, .c = CREAT | EXCL, .error = ABI_EEXIST },
		{ CREATE, .kind = IPC_KIND_SEM, .a = 7, .b = 4, .c = CREAT | EXCL, .error = ABI_EEXIST },
		{ CREATE, .kind = IPC_KIND_MSG, .a = 7, .b = 4, .c = CREAT | EXCL, .error = ABI_EEXIST },
		{ CREATE, .kind = IPC_KIND_SEM, .a = 7, .b = 32001, .c = CREAT | EXCL, .error = ABI_EINVAL },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 7, .b = 101, .c = CREAT, .error = ABI_EINVAL },
		{ CREATE, .kind = IPC_KIND_SEM, .a = 7, .b = 4, .c = CREAT, .error = ABI_EINVAL },
		{ CREATE, .kind = IPC_KIND_MSG, .a = 7, .b = 99999, .c = CREAT },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 7, .b = 100, .c = CREAT },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 7, .b = 0, .c = EXCL },
		{ CREATE, .kind = IPC_KIND_SHM, .a = -1, .b = 1, .c = CREAT },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 0, .b = 1, .c = 0 },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 0, .b = 1, .c = CREAT | EXCL },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 9, .b = 1, .c = CREAT | ABI_SHM_HUGETLB, .error = ABI_EPERM },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 7, .c = CREAT | ABI_SHM_HUGETLB },
		{ FILES, .kind = IPC_KIND_SHM, .a = 4 },
		{ FILES, .kind = IPC_KIND_SEM, .a = 1 },
		{ FILES, .kind = IPC_KIND_MSG, .a = 1 },
		{ .verb = END },
	};

	(void)state;
	talk_run(lines);
}

static void create_at_a_limit_is_enospc_and_lookup_still_works(void **state)
{
	static const struct line lines[] = {
		{ CONNECT, .peer = 0 },
		{ SHMALL, .b = 3 },
		{ CREATE, .kind = IPC_KIND_SHM, .slot = 0, .a = 1, .b = PAGE + 1, .c = CREAT },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 2, .b = PAGE + 1, .c = CREAT, .error = ABI_ENOSPC },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 2, .b = INT64_MAX, .c = CREAT, .error = ABI_ENOSPC },
		{ CREATE, .kind = IPC_KIND_SHM, .slot = 1, .a = 2, .b = PAGE, .c = CREAT },
		/* SHM-39: removed and attached still counts. */
		{ ATTACH, .slot = 1 },
		{ REMOVE, .slot = 1 },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 2, .b = 1, .c = CREAT, .error = ABI_ENOSPC },
		{ DETACH, .slot = 1 },
		{ CREATE, .kind = IPC_KIND_SHM, .slot = 1, .a = 2, .b = 1, .c = CREAT },
		{ SHMMNI, .b = 0 },
		{ SHMALL, .b = 1000 },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 3, .b = 1, .c = CREAT, .error = ABI_ENOSPC },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 2, .b = 1, .c = CREAT },
		{ SEMMNS, .b = 10 },
		{ CREATE, .kind = IPC_KIND_SEM, .slot = 2, .a = 1, .b = 6, .c = CREAT },
		{ CREATE, .kind = IPC_KIND_SEM, .a = 2, .b = 5, .c = CREAT, .error = ABI_ENOSPC },
		{ REMOVE, .kind = IPC_KIND_SEM, .slot = 2 },
		{ CREATE, .kind = IPC_KIND_SEM, .slot = 2, .a = 2, .b = 10, .c = CREAT },
		{ SEMMNS, .b = 100 },
		{ SEMMNI, .b = 1 },
		{ CREATE, .kind = IPC_KIND_SEM, .a = 3, .b = 1, .c = CREAT, .error = ABI_ENOSPC },
		{ SEMMSL, .b = 9 },
		/* LIM-18: an existing set, asked for with its own size. */
		{ CREATE, .kind = IPC_KIND_SEM, .a = 2, .b = 10, .c = 0, .error = ABI_EINVAL },
		{ CREATE, .kind = IPC_KIND_SEM, .a = 2, .b = 9, .c = 0 },
		{ MSGMNI, .b = 1 },
		{ CREATE, .kind = IPC_KIND_MSG, .a = 3, .c = CREAT },
		{ CREATE, .kind = IPC_KIND_MSG, .a = 4, .c = CREAT, .error = ABI_ENOSPC },
		{ .verb = END },
	};

	(void)state;
	talk_run(lines);
}

static void create_when_storage_fails_leaves_nothing(void **state)
{
	static const struct line lines[] = {
		{ CONNECT, .peer = 0 },
		{ FAIL, .a = WORLD_CREATE, .error = ABI_ENOMEM },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 1, .b = 1, .c = CREAT, .error = ABI_ENOMEM },
		{ FAIL, .a = WORLD_CREATE, .error = -5 },
		{ CREATE, .kind = IPC_KIND_MSG, .a = 1, .c = CREAT, .error = ABI_EIO },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 1, .b = 1, .c = 0, .error = ABI_ENOENT },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 1, .b = 1, .c = CREAT },
		{ FILES, .kind = IPC_KIND_SHM, .a = 1 },
		{ FILES, .kind = IPC_KIND_MSG, .a = 0 },
		{ .verb = END },
	};

	(void)state;
	talk_run(lines);
}

static void create_gives_the_object_to_the_session(void **state)
{
	struct talk talk = { .world = world_new() };
	struct line create = { CREATE, .peer = 2, .kind = IPC_KIND_SHM, .a = 5, .b = 777,
			       .c = CREAT | ABI_SHM_NORESERVE | 0751 };
	const struct registry_object *object;
	struct registry_limits limits;

	(void)state;
	registry_read_limits(&talk.world->registry, &limits);
	talk_connect(&talk, 2);
	line_run(&talk, &create);
	object = &world_file(talk.world, IPC_KIND_SHM, talk.ids[0])->object;
	assert_int_equal(object->owner.uid, 1001);
	assert_int_equal(object->owner.cuid, 1001);
	assert_int_equal(object->owner.gid, 1001);
	assert_int_equal(object->owner.mode, 0751);
	assert_int_equal(object->creator_pid, peer_pid(2));
	assert_int_equal(object->size, 777);
	assert_int_equal(object->ctime_s, 1000);
	assert_int_equal(world_file(talk.world, IPC_KIND_SHM, talk.ids[0])->reserved_bytes, 0);
	create.c = CREAT;
	create.a = 6;
	line_run(&talk, &create);
	assert_int_equal(world_file(talk.world, IPC_KIND_SHM, talk.ids[0])->reserved_bytes, 777);
	create.kind = IPC_KIND_MSG;
	line_run(&talk, &create);
	assert_int_equal(world_file(talk.world, IPC_KIND_MSG, talk.ids[0])->qbytes, limits.msgmnb);
	assert_int_equal(world_file(talk.world, IPC_KIND_MSG, talk.ids[0])->object.size,
			 limits.msgmnb);
	world_free(talk.world);
}

/* --- IPC_SET, IPC_RMID, SHM_LOCK -------------------------------------------------------------- */

static void set_checks_in_the_order_of_the_rules(void **state)
{
	static const struct line lines[] = {
		{ CONNECT, .peer = 0 },
		{ CONNECT, .peer = 2 },
		{ CONNECT, .peer = 3 },
		{ CREATE, .kind = IPC_KIND_MSG, .a = 1, .c = CREAT | 0600 },
		{ SET, .kind = IPC_KIND_MSG, .slot = 1, .a = -1, .error = ABI_EINVAL },
		{ SET, .peer = 2, .kind = IPC_KIND_MSG, .a = -1, .b = 99999, .error = ABI_EPERM },
		{ SET, .kind = IPC_KIND_MSG, .a = -1, .b = 16385, .error = ABI_EPERM },
		{ SET, .kind = IPC_KIND_MSG, .a = -1, .b = 16384, .error = ABI_EINVAL },
		{ SET, .kind = IPC_KIND_MSG, .a = 1000, .b = 100, .c = 0640 },
		{ SET, .peer = 3, .kind = IPC_KIND_MSG, .a = 1000, .b = 99999, .c = 0600 },
		{ SET, .peer = 3, .kind = IPC_KIND_MSG, .a = 1000, .b = UINT64_MAX, .error = ABI_ENOMEM },
		/* PERM-8: given away, the creator keeps control, and so does the new owner. */
		{ SET, .kind = IPC_KIND_MSG, .a = 1001, .b = 100, .c = 0 },
		{ SET, .kind = IPC_KIND_MSG, .a = 1001, .b = 200, .c = 0 },
		{ SET, .peer = 2, .kind = IPC_KIND_MSG, .a = 1001, .b = 300, .c = 0 },
		{ FAIL, .a = WORLD_SET, .error = ABI_ENOMEM },
		{ SET, .peer = 2, .kind = IPC_KIND_MSG, .a = 1002, .b = 300, .error = ABI_ENOMEM },
		{ SET, .peer = 2, .kind = IPC_KIND_MSG, .a = 1001, .b = 300 },
		{ REMOVE, .peer = 2, .kind = IPC_KIND_MSG },
		{ SET, .peer = 2, .kind = IPC_KIND_MSG, .a = 1001, .b = 300, .error = ABI_EINVAL },
		{ .verb = END },
	};

	(void)state;
	talk_run(lines);
}

static void set_of_a_larger_queue_grows_it_once(void **state)
{
	static const struct {
		uint64_t qbytes;
		uint64_t size;
		uint64_t generation;
	} rows[] = {
		{ 20000, 20000, 1 }, { 100, 20000, 1 }, { 20000, 20000, 1 }, { 20001, 20001, 2 },
	};
	struct talk talk = { .world = world_new() };
	struct line create = { CREATE, .peer = 3, .kind = IPC_KIND_MSG, .a = 5, .c = CREAT };

	(void)state;
	talk_connect(&talk, 3);
	line_run(&talk, &create);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct line set = { SET, .peer = 3, .kind = IPC_KIND_MSG, .a = 0,
				    .b = rows[i].qbytes };
		const struct world_file *file;

		line_run(&talk, &set);
		file = world_file(talk.world, IPC_KIND_MSG, talk.ids[0]);
		assert_int_equal(file->qbytes, rows[i].qbytes);
		assert_int_equal(file->object.size, rows[i].size);
		assert_int_equal(file->object.generation, rows[i].generation);
	}
	world_free(talk.world);
}

static void remove_and_lock_are_for_owner_creator_and_root(void **state)
{
	static const struct line lines[] = {
		{ CONNECT, .peer = 0 },
		{ CONNECT, .peer = 2 },
		{ CONNECT, .peer = 3 },
		{ CREATE, .kind = IPC_KIND_SHM, .slot = 0, .a = 1, .b = 1, .c = CREAT | 0666 },
		{ CREATE, .kind = IPC_KIND_SEM, .slot = 1, .a = 1, .b = 1, .c = CREAT | 0666 },
		{ REMOVE, .peer = 2, .kind = IPC_KIND_SHM, .slot = 0, .error = ABI_EPERM },
		{ REMOVE, .peer = 2, .kind = IPC_KIND_SEM, .slot = 1, .error = ABI_EPERM },
		{ LOCK, .peer = 2, .slot = 0, .c = 1, .error = ABI_EPERM },
		{ LOCK, .peer = 0, .slot = 0, .c = 1 },
		{ STAT, .peer = 2, .slot = 0, .a = 0, .c = 02666 },
		{ LOCK, .peer = 0, .slot = 0, .c = 1 },
		/* SHM-38 */
		{ SET, .peer = 0, .slot = 0, .a = 1000, .c = 0600 },
		{ STAT, .peer = 2, .slot = 0, .a = 0, .c = 02600 },
		{ LOCK, .peer = 3, .slot = 0, .c = 0 },
		{ STAT, .peer = 2, .slot = 0, .a = 0, .c = 0600 },
		{ LOCK, .peer = 3, .slot = 7, .c = 0, .error = ABI_EINVAL },
		{ REMOVE, .peer = 3, .kind = IPC_KIND_SHM, .slot = 0 },
		{ REMOVE, .peer = 0, .kind = IPC_KIND_SEM, .slot = 1 },
		{ REMOVE, .peer = 0, .kind = IPC_KIND_SEM, .slot = 1, .error = ABI_EINVAL },
		{ FILES, .kind = IPC_KIND_SHM, .a = 0 },
		{ FILES, .kind = IPC_KIND_SEM, .a = 0 },
		{ .verb = END },
	};

	(void)state;
	talk_run(lines);
}

/* --- segments marked for destruction ---------------------------------------------------------- */

static void removed_segment_lives_until_the_last_detach(void **state)
{
	static const struct line lines[] = {
		{ CONNECT, .peer = 0 },
		{ CONNECT, .peer = 1 },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 1, .b = 1, .c = CREAT | 0600 },
		{ ATTACH, .peer = 0 },
		{ ATTACH, .peer = 1 },
		{ STAT, .a = 2, .c = 0600 },
		{ LPID, .a = 1 },
		{ .verb = REMOVE },
		{ STAT, .a = 2, .c = 01600 },
		{ .verb = REMOVE },
		{ CREATE, .kind = IPC_KIND_SHM, .slot = 1, .a = 1, .b = 1, .error = ABI_ENOENT },
		{ CREATE, .kind = IPC_KIND_SHM, .slot = 1, .a = 1, .b = 1, .c = CREAT },
		{ SET, .a = 1000, .c = 0640 },
		{ STAT, .a = 2, .c = 01640 },
		{ DETACH, .peer = 0 },
		{ STAT, .a = 1, .c = 01640 },
		{ LPID, .a = 0 },
		{ FILES, .kind = IPC_KIND_SHM, .a = 2 },
		{ DETACH, .peer = 1 },
		{ FILES, .kind = IPC_KIND_SHM, .a = 1 },
		{ STAT, .error = ABI_EINVAL },
		{ REMOVE, .error = ABI_EINVAL },
		{ .verb = END },
	};

	(void)state;
	talk_run(lines);
}

static void removed_segment_goes_however_its_last_user_ends(void **state)
{
	static const struct line lines[] = {
		{ CONNECT, .peer = 0 },
		{ CONNECT, .peer = 1 },
		/* exit, learned from the kernel */
		{ CREATE, .kind = IPC_KIND_SHM, .a = 1, .b = 1, .c = CREAT },
		{ ATTACH, .peer = 1 },
		{ .verb = REMOVE },
		{ DIE, .peer = 1 },
		{ FILES, .kind = IPC_KIND_SHM, .a = 1 },
		{ EXITED, .peer = 1 },
		{ FILES, .kind = IPC_KIND_SHM, .a = 0 },
		/* the parent reaps it and asks */
		{ CONNECT, .peer = 2 },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 1, .b = 1, .c = CREAT },
		{ ATTACH, .peer = 2 },
		{ .verb = REMOVE },
		{ SETTLE, .a = 2 },
		{ FILES, .kind = IPC_KIND_SHM, .a = 1 },
		{ DIE, .peer = 2 },
		{ SETTLE, .a = 2 },
		{ FILES, .kind = IPC_KIND_SHM, .a = 0 },
		{ SETTLE, .a = 2 },
		{ EXITED, .peer = 2 },
		/* exec */
		{ CONNECT, .peer = 4 },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 1, .b = 1, .c = CREAT },
		{ ATTACH, .peer = 4 },
		{ .verb = REMOVE },
		{ HANGUP, .peer = 4 },
		{ FILES, .kind = IPC_KIND_SHM, .a = 1 },
		{ EXECED, .peer = 4 },
		{ FILES, .kind = IPC_KIND_SHM, .a = 0 },
		{ .verb = END },
	};

	(void)state;
	talk_run(lines);
}

static void removed_segment_is_found_by_the_tick_when_sums_failed(void **state)
{
	static const struct line lines[] = {
		{ CONNECT, .peer = 0 },
		{ CREATE, .kind = IPC_KIND_SHM, .a = 1, .b = 1, .c = CREAT },
		{ FAIL, .a = WORLD_ATTACH_SUM, .error = ABI_ENOMEM },
		{ .verb = REMOVE },
		{ FILES, .kind = IPC_KIND_SHM, .a = 1 },
		{ FAIL, .a = WORLD_ATTACH_SUM, .error = ABI_ENOMEM },
		{ STAT, .error = ABI_ENOMEM },
		{ FAIL, .a = WORLD_ATTACH_SUM, .error = ABI_ENOMEM },
		{ .verb = TICK },
		{ FILES, .kind = IPC_KIND_SHM, .a = 1 },
		{ .verb = TICK },
		{ FILES, .kind = IPC_KIND_SHM, .a = 0 },
		{ .verb = END },
	};

	(void)state;
	talk_run(lines);
}

static void removed_segment_attached_between_the_sums_is_kept(void **state)
{
	struct talk talk = { .world = world_new() };
	static const struct line lines[] = {
		{ CREATE, .kind = IPC_KIND_SHM, .a = 1, .b = 1, .c = CREAT | 0600 },
		{ .verb = REMOVE },
		{ FILES, .kind = IPC_KIND_SHM, .a = 1 },
		{ STAT, .a = 1, .c = 01600 },
		{ DETACH, .peer = 1 },
		{ FILES, .kind = IPC_KIND_SHM, .a = 0 },
	};

	(void)state;
	talk_connect(&talk, 0);
	talk_connect(&talk, 1);
	talk.world->attach_before_sum = 2;
	talk.world->attach_client = talk.clients[1];
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		line_run(&talk, &lines[i]);
		assert_true(world_verify(talk.world));
	}
	world_free(talk.world);
}

static void many_removed_segments_go_a_few_a_tick(void **state)
{
	struct talk talk = { .world = world_new() };
	struct line create = { CREATE, .kind = IPC_KIND_SHM, .b = 1 };
	struct line gone = { .verb = REMOVE };
	struct line tick = { .verb = TICK };

	(void)state;
	talk_connect(&talk, 0);
	for (uint32_t i = 0; i < 160; i++) {
		line_run(&talk, &create);
		talk.world->fail_errno[WORLD_ATTACH_SUM] = ABI_ENOMEM;
		line_run(&talk, &gone);
	}
	assert_int_equal(world_n_files(talk.world, IPC_KIND_SHM), 160);
	for (uint32_t left = 160; left > 0; left = left > 64 ? left - 64 : 0) {
		assert_int_equal(world_n_files(talk.world, IPC_KIND_SHM), left);
		line_run(&talk, &tick);
		assert_true(world_verify(talk.world));
	}
	assert_int_equal(world_n_files(talk.world, IPC_KIND_SHM), 0);
	world_free(talk.world);
}

static void forced_removal_takes_segments_that_drop_to_zero(void **state)
{
	static const struct line lines[] = {
		{ CONNECT, .peer = 0 },
		{ FORCED, .b = 1 },
		{ CREATE, .kind = IPC_KIND_SHM, .slot = 0, .a = 1, .b = 1, .c = CREAT },
		{ CREATE, .kind = IPC_KIND_SHM, .slot = 1, .a = 2, .b = 1, .c = CREAT },
		/* A notice about one that was never attached destroys nothing. */
		{ DETACH, .slot = 0 },
		{ FILES, .kind = IPC_KIND_SHM, .a = 2 },
		{ ATTACH, .slot = 0 },
		{ ATTACH, .slot = 0 },
		{ DETACH, .slot = 0 },
		{ FILES, .kind = IPC_KIND_SHM, .a = 2 },
		{ DETACH, .slot = 0 },
		{ FILES, .kind = IPC_KIND_SHM, .a = 1 },
		{ ATTACH, .slot = 1 },
		{ EXITED, .peer = 0 },
		{ FILES, .kind = IPC_KIND_SHM, .a = 0 },
		{ .verb = END },
	};

	(void)state;
	talk_run(lines);
}

static void stamps_from_the_future_count_as_now(void **state)
{
	struct talk talk = { .world = world_new() };
	struct line create = { CREATE, .kind = IPC_KIND_SHM, .a = 1, .b = 1, .c = CREAT };
	struct event event;
	struct registry_object object;
	struct ledger_sum sum = { .attach_ns = 5, .attach_pid = 11 };

	(void)state;
	talk_connect(&talk, 0);
	line_run(&talk, &create);
	event = world_event(talk.world, EVENT_TICK);
	world_step(talk.world, &event);
	service_fold(talk.world->service, talk.ids[0], &sum);
	sum = (struct ledger_sum){ .attach_ns = 4, .attach_pid = 12,
				   .detach_ns = UINT64_MAX, .detach_pid = 13 };
	service_fold(talk.world->service, talk.ids[0], &sum);
	assert_int_equal(registry_get(&talk.world->registry, IPC_KIND_SHM, talk.ids[0], &object), 0);
	assert_int_equal(object.attach_ns, 5);
	assert_int_equal(object.detach_ns, event.now_ns);
	assert_int_equal(object.last_pid, 13);
	event = world_event(talk.world, EVENT_TICK);
	world_step(talk.world, &event);
	sum = (struct ledger_sum){ .attach_ns = event.now_ns, .attach_pid = 14 };
	service_fold(talk.world->service, talk.ids[0], &sum);
	assert_int_equal(registry_get(&talk.world->registry, IPC_KIND_SHM, talk.ids[0], &object), 0);
	assert_int_equal(object.last_pid, 14);
	world_free(talk.world);
}

/* --- the daemon starts again ------------------------------------------------------------------ */

static void restart_finds_objects_processes_and_charges_again(void **state)
{
	static const struct line lines[] = {
		{ CONNECT, .peer = 0 },
		{ CONNECT, .peer = 1 },
		{ CREATE, .kind = IPC_KIND_SHM, .slot = 0, .a = 1, .b = 5000, .c = CREAT | 0600 },
		{ CREATE, .kind = IPC_KIND_SEM, .slot = 1, .a = 1, .b = 5, .c = CREAT },
		{ CREATE, .kind = IPC_KIND_MSG, .slot = 2, .a = 1, .c = CREAT },
		{ ATTACH, .peer = 1, .slot = 0 },
		{ REMOVE, .slot = 0 },
		{ .verb = RESTART },
		{ CONNECT, .peer = 0 },
		{ STAT, .slot = 0, .a = 1, .c = 01600 },
		{ CREATE, .kind = IPC_KIND_SEM, .slot = 3, .a = 1, .b = 5, .c = CREAT },
		{ EXITED, .peer = 1 },
		{ FILES, .kind = IPC_KIND_SHM, .a = 0 },
		{ REMOVE, .kind = IPC_KIND_SEM, .slot = 1 },
		{ REMOVE, .kind = IPC_KIND_MSG, .slot = 2 },
		{ .verb = RESTART },
		{ .verb = RESTART },
		{ .verb = END },
	};

	(void)state;
	talk_run(lines);
}

static void restart_goes_on_destroying(void **state)
{
	struct talk talk = { .world = world_new() };
	struct line create = { CREATE, .kind = IPC_KIND_SEM, .a = 1, .b = 1, .c = CREAT };
	struct registry_object object;

	(void)state;
	talk_connect(&talk, 0);
	line_run(&talk, &create);
	assert_int_equal(registry_get(&talk.world->registry, IPC_KIND_SEM, talk.ids[0], &object), 0);
	object.state = REGISTRY_CLOSING;
	registry_put(&talk.world->registry, IPC_KIND_SEM, &object);
	world_restart(talk.world);
	assert_int_equal(world_n_files(talk.world, IPC_KIND_SEM), 0);
	assert_true(world_verify(talk.world));
	world_free(talk.world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_checks_in_the_order_of_the_rules),
		cmocka_unit_test(create_at_a_limit_is_enospc_and_lookup_still_works),
		cmocka_unit_test(create_when_storage_fails_leaves_nothing),
		cmocka_unit_test(create_gives_the_object_to_the_session),
		cmocka_unit_test(set_checks_in_the_order_of_the_rules),
		cmocka_unit_test(set_of_a_larger_queue_grows_it_once),
		cmocka_unit_test(remove_and_lock_are_for_owner_creator_and_root),
		cmocka_unit_test(removed_segment_lives_until_the_last_detach),
		cmocka_unit_test(removed_segment_goes_however_its_last_user_ends),
		cmocka_unit_test(removed_segment_is_found_by_the_tick_when_sums_failed),
		cmocka_unit_test(removed_segment_attached_between_the_sums_is_kept),
		cmocka_unit_test(many_removed_segments_go_a_few_a_tick),
		cmocka_unit_test(forced_removal_takes_segments_that_drop_to_zero),
		cmocka_unit_test(stamps_from_the_future_count_as_now),
		cmocka_unit_test(restart_finds_objects_processes_and_charges_again),
		cmocka_unit_test(restart_goes_on_destroying),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

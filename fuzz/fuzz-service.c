/*
 * fuzz-service.c: the whole daemon as a function, in a world in memory (tests/model/world.h).
 *
 * Input: operations, one byte (modulo 16) and operands each; sessions, clients and ids are picked
 * from those there are by small numbers.
 *   0 connect: who (uid, pid), start time    8 detach, with its notice: session, id
 *   1 request: session, type, fields         9 process ends unseen: session
 *   2 raw bytes on a session: n (*)         10 tick: seconds
 *   3 raw bytes on `register`: the same     11 storage call fails: which, errno
 *   4 hang-up: session                      12 daemon killed and started again
 *   5 exited: session's client              13 attach just before the n-th sum: session, n
 *   6 exec'ed: session's client             14 limits, small: session, values
 *   7 attach: session, id                   15 any event: type, numbers (255: see play_damage)
 * (*) 255: 16 bits; from 0x8000 on what is left over of them waits.  12 from session 4 on: killed before
 * the n-th thing it does next.
 * Checked after each, in long inputs after some: world_check, at the end world_verify; during each:
 * the world's own checks (no segment destroyed while attached, nothing sent to who is not there);
 * every request has one answer or ends its session; at the end no marked segment is left that
 * nobody has attached.
 * Not covered: real files, and what the daemon does with effects.
 */
#include "fuzz.h"
#include "hooks.h"

#include <setjmp.h>

#include "core/service-internal.h"
#include "model/world.h"

#define OPERATIONS_MAX 256u
#define SLOTS 8u

static const uint32_t uids[] = { 1000, 1000, 1001, 0, 1002 };
static const uint64_t sizes[] = { 0, 1, 2, 4096, 4097, 32000, 32001, UINT64_C(1) << 40,
				  UINT64_C(1) << 63, UINT64_MAX };
/* Logarithms, by the top bits of a creation's flags. */
static const uint32_t huge_sizes[] = { 0, WORLD_HUGE, 21, 21, 30, 30, 5, 5 };
static const uint32_t types[] = { PROTO_CREATE, PROTO_SET, PROTO_REMOVE, PROTO_SHM_STAT,
				  PROTO_SHM_LOCK, PROTO_SETTLE, PROTO_PING, PROTO_STEAD };

static const char *const calls[WORLD_CALL_COUNT] = { "create", "set",	 "destroy",
						      "ledger", "sum", "settle" };

struct play {
	struct world *world;
	struct fuzz_input *input;
	uint32_t sessions[SLOTS];
	bool dirty[SESSION_MAX]; /* was sent raw bytes: its frames may be out of step */
	uint32_t next_slot;
	uint32_t n_logs; /* told */
	uint32_t kill_in; /* moments; 0: never */
	jmp_buf killed;
};

static void moment(void *context)
{
	struct play *play = context;

	if (play->kill_in > 0 && --play->kill_in == 0)
		longjmp(play->killed, 1);
}

static void effect_seen(void *context, const struct effect *effect)
{
	(void)context;
	(void)effect;
}

static uint64_t pick_client(struct play *play, uint32_t slot)
{
	return play->world->sessions[play->sessions[slot]].client;
}

/* Mostly an id that is or was there. */
static int32_t pick_id(struct play *play)
{
	uint8_t low = fuzz_u8(play->input);

	return low >= 0xf0 ? -(int32_t)low : (low & 7) | (int32_t)(low >> 6) << ABI_INDEX_BITS;
}

/* All rows of processes become taken. */
static void play_crowd(struct play *play)
{
	uint32_t n = 0;

	play->world->hello_version = PROTO_VERSION;
	while (n < CLIENT_MAX && world_connect(play->world, 0, 1000 + n, 1) != SESSION_MAX)
		n++;
	FUZZ_SAY("%u processes of root connect", n);
}

static void play_connect(struct play *play)
{
	uint32_t who = fuzz_below(play->input, ARRAY_SIZE(uids));
	uint32_t slot = play->next_slot++ % SLOTS;
	uint8_t how = fuzz_u8(play->input);
	uint32_t session;

	if (how / 16 == 0xe)
		play_crowd(play);
	play->world->hello_version = how >= 0xf0 ? PROTO_VERSION + 1 : PROTO_VERSION;
	session = world_connect(play->world, uids[who], 100 + who, how % 2);

	FUZZ_SAY("connect: uid %u pid %u: session %d, client %llx", uids[who], 100 + who,
		 session == SESSION_MAX ? -1 : (int)session,
		 session == SESSION_MAX
			 ? 0
			 : (unsigned long long)play->world->sessions[session].client);
	if (session == SESSION_MAX)
		return;
	play->sessions[slot] = session;
	play->dirty[session] = false;
}

static struct proto_stead pick_stead(struct play *play, uint32_t kind)
{
	uint32_t flags = fuzz_u8(play->input);
	struct proto_stead stead = {
		.kind = kind == IPC_KIND_SHM ? IPC_KIND_SEM : kind,
		.id = pick_id(play),
		.what = PROTO_STEAD_END,
		.flags = flags & (PROTO_STEAD_WAIT | PROTO_STEAD_ALTERS),
		.number = 1 + (flags >> 4),
		.type = (int64_t)fuzz_u8(play->input) - 1,
		.size = fuzz_u8(play->input),
	};

	if (stead.kind == IPC_KIND_SEM && (flags & 12) != 12)
		stead.what = flags >> 2 & 3;
	if (stead.kind == IPC_KIND_MSG && (flags & 8))
		stead.what = PROTO_STEAD_SEND + (flags >> 2 & 1);
	if (stead.type % 8 != 0)
		memcpy(stead.name, "a.b", 3);
	/* More operations, more text, more room than there can be. */
	if (stead.type > 0xf0)
		stead.size <<= 4 * (stead.type % 8);
	else if (stead.number == 16)
		stead.size <<= 8;
	return stead;
}

static struct proto_message pick_request(struct play *play)
{
	struct proto_message message = { .type = types[fuzz_below(play->input, ARRAY_SIZE(types))] };
	uint32_t kind = fuzz_below(play->input, IPC_KIND_COUNT);

	switch (message.type) {
	case PROTO_CREATE:
		message.create.kind = kind;
		message.create.key = (int32_t)fuzz_below(play->input, 4) - 1;
		message.create.size = sizes[fuzz_below(play->input, ARRAY_SIZE(sizes))];
		message.create.flags = fuzz_u16(play->input);
		message.create.flags |= huge_sizes[message.create.flags >> 13] << 26;
		break;
	case PROTO_SET:
		message.set.kind = kind;
		message.set.id = pick_id(play);
		message.set.uid = fuzz_u8(play->input) % 4 + 998 == 998 ? UINT32_MAX : 1000;
		message.set.mode = fuzz_u16(play->input);
		message.set.gid = message.set.mode & 0x8000 ? UINT32_MAX : 1;
		message.set.qbytes = fuzz_u16(play->input) * (message.set.mode & 0x4000 ? UINT64_C(9) << 16 : 9);
		break;
	case PROTO_STEAD:
		message.stead = pick_stead(play, kind);
		break;
	case PROTO_SETTLE:
		message.settle.pid = 100 + fuzz_below(play->input, ARRAY_SIZE(uids) + 1);
		break;
	case PROTO_PING:
		break;
	default:
		message.object.kind = message.type == PROTO_REMOVE ? kind : IPC_KIND_SHM;
		message.object.id = pick_id(play);
		if (message.type == PROTO_SHM_LOCK)
			message.object.argument = fuzz_below(play->input, 2);
		if (message.type == PROTO_SHM_STAT)
			message.object.argument = message.object.id & 1;
		break;
	}
	return message;
}

/* What there is after a step. */
static void say_state(struct play *play)
{
	const struct world *world = play->world;
	uint32_t n_open = 0;

	FUZZ_ASSERT(service_input_room(world->service, play->sessions[0]) <= SESSION_IN_MAX);
	FUZZ_ASSERT(service_input_room(world->service, SESSION_MAX) == 0);
	FUZZ_ASSERT(service_sessions_of(world->service, uids[0]) <= SESSION_PER_UID_MAX);
	if (!fuzz_telling)
		return;
	for (uint32_t i = 0; i < SESSION_MAX; i++)
		n_open += world->sessions[i].open;
	FUZZ_SAY("  then: %u sessions, files: %u shm, %u sem, %u msg", n_open,
		 world_n_files(world, IPC_KIND_SHM), world_n_files(world, IPC_KIND_SEM),
		 world_n_files(world, IPC_KIND_MSG));
	if (play->n_logs != world->n_logs)
		FUZZ_SAY("  log: %s", world->log);
	play->n_logs = world->n_logs;
}

static void play_ask(struct play *play, uint32_t slot, const struct proto_message *message)
{
	uint32_t session = play->sessions[slot];
	struct proto_message answer = { 0 };
	bool answered;

	if (!play->world->sessions[session].open || pick_client(play, slot) == 0)
		return;
	FUZZ_SAY("session %u:", session);
	fuzz_say_message("  ", message);
	answered = world_request(play->world, session, message, &answer);
	if (answered)
		fuzz_say_message("  answer: ", &answer);
	else
		FUZZ_ASSERT(play->dirty[session] || !play->world->sessions[session].open);
}

static void play_raw(struct play *play, enum event_type type, uint32_t slot)
{
	struct event event = world_event(play->world, type);

	size_t n = fuzz_u8(play->input);
	bool waits;

	n = n == 255 ? fuzz_u16(play->input) : n;
	waits = n >= 0x8000;
	n %= SERVICE_INPUT_MAX + 1;
	event.n_bytes = fuzz_bytes(play->input, n, &event.bytes);
	event.session = play->sessions[slot];
	if (type == EVENT_INPUT)
		play->dirty[event.session] = true;
	FUZZ_SAY(type == EVENT_INPUT ? "raw bytes on session %u" : "raw bytes on `register`",
		 event.session);
	fuzz_say_bytes("  ", event.bytes, event.n_bytes);
	world_step(play->world, &event);
	if (!waits)
		world_drain(play->world);
}

static void play_event(struct play *play, enum event_type type, uint32_t slot)
{
	struct event event = world_event(play->world, type);

	event.session = play->sessions[slot];
	event.client = pick_client(play, slot);
	FUZZ_SAY("%s: session %u, client %llx",
		 type == EVENT_HANGUP	? "hang-up"
		 : type == EVENT_EXITED ? "exited"
		 : type == EVENT_EXECED ? "exec'ed"
					: "tick",
		 event.session, (unsigned long long)event.client);
	world_step(play->world, &event);
}

/* As a client does: only what the registry shows, and the ledger before the mapping. */
static void play_attach(struct play *play, uint32_t slot)
{
	uint64_t client = pick_client(play, slot);
	int32_t id = pick_id(play);
	struct registry_object object;
	struct registry_client known;

	if (id < 0 || registry_get(&play->world->registry, IPC_KIND_SHM, id, &object) != 0 ||
	    registry_client_get(&play->world->registry, client, &known) != 0)
		return;
	FUZZ_SAY("client %llx attaches segment %d", (unsigned long long)client, id);
	world_attach(play->world, client, id, known.pid);
}

static void play_detach(struct play *play, uint32_t slot)
{
	struct proto_message notice = { .type = PROTO_DETACHED };
	uint8_t frame[FRAME_SIZE_MAX];
	int32_t id = pick_id(play);

	FUZZ_SAY("client %llx detaches segment %d", (unsigned long long)pick_client(play, slot), id);
	world_detach(play->world, pick_client(play, slot), id, 1);
	notice.object.id = id;
	if (play->world->sessions[play->sessions[slot]].open)
		world_input(play->world, play->sessions[slot], frame, proto_encode(&notice, frame));
}

/* One limit out of its range; 0 and more than there are: none. */
static void limit_break(struct registry_limits *limits, uint32_t which)
{
	uint32_t *const too_large[] = { &limits->shmmni, &limits->semmni, &limits->msgmni,
					&limits->semmsl, &limits->semmns, &limits->semopm,
					&limits->msgmax, &limits->msgmnb };

	if (which > 0 && which <= ARRAY_SIZE(too_large))
		*too_large[which - 1] = UINT32_MAX;
	else if (which == ARRAY_SIZE(too_large) + 1)
		limits->semopm = SEM_NOPS_MIN - 1;
}

static void play_limits(struct play *play, uint32_t slot)
{
	struct proto_message message = { .type = PROTO_LIMITS };
	uint8_t how;

	registry_limits_default(&message.limits);
	message.limits.shmmni = fuzz_u8(play->input);
	message.limits.semmni = message.limits.shmmni / 2;
	message.limits.msgmni = message.limits.shmmni * 300;
	message.limits.semmns = fuzz_u16(play->input);
	message.limits.shmall = message.limits.semmns / 8;
	how = fuzz_u8(play->input);
	message.limits.rmid_forced = how % 3;
	limit_break(&message.limits, how / 3);
	play_ask(play, slot, &message);
}

static void play_stray(struct play *play)
{
	struct event event =
		world_event(play->world, (enum event_type)fuzz_below(play->input, EVENT_TICK + 1));
	uint8_t who;
	struct ledger_sum sum = { .attach_pid = 7, .detach_pid = 8 };

	event.session = fuzz_u8(play->input) == 0 ? UINT32_MAX : fuzz_u8(play->input);
	event.client = (uint64_t)fuzz_u8(play->input) << 16 | fuzz_u8(play->input);
	who = fuzz_u8(play->input);
	event.pid = who == UINT8_MAX ? 0 : 100 + who % ARRAY_SIZE(uids);
	event.uid = uids[who % ARRAY_SIZE(uids)];
	event.shmid = pick_id(play);
	sum.attach_ns = fuzz_u64(play->input);
	sum.detach_ns = fuzz_u64(play->input);
	FUZZ_SAY("stray event %d: session %u client %llx pid %u uid %u segment %d", event.type,
		 event.session, (unsigned long long)event.client, event.pid, event.uid, event.shmid);
	if (event.type == EVENT_DETACHED)
		service_fold(play->world->service, event.shmid, &sum);
	world_step(play->world, &event);
}

static void play_failure(struct play *play)
{
	uint32_t call = fuzz_below(play->input, WORLD_CALL_COUNT);

	play->world->fail_errno[call] = fuzz_u8(play->input) - 10;
	FUZZ_SAY("the next %s of the storage fails: %d", calls[call],
		 play->world->fail_errno[call]);
}

/* A word of the service's own is wrong for a moment, and service_verify sees it. */
static void damage(struct play *play, void *at, uint64_t value, size_t size)
{
	uint64_t before = 0;

	memcpy(&before, at, size);
	memcpy(at, &value, size);
	FUZZ_ASSERT(value == before || !service_verify(play->world->service));
	(void)quota_verify(&play->world->service->quota); /* what it says, if that is not what is wrong */
	memcpy(at, &before, size);
}

static void damage_session(struct play *play, struct service_session *entry, uint32_t which)
{
	struct session *session = &entry->session;
	const struct {
		void *at;
		uint64_t value;
		size_t size;
	} wrong[] = {
		{ &session->state, SESSION_STATE_COUNT, sizeof(session->state) },
		{ &session->state, SESSION_FREE, sizeof(session->state) },
		{ &session->state, SESSION_ADMITTING, sizeof(session->state) },
		{ &session->in_used, SESSION_IN_MAX + 1, 4 },
		{ &session->in_off, session->in_used == 0 ? 1 : SESSION_IN_MAX, 4 },
		{ &session->reader.used, FRAME_SIZE_MAX + 1, 4 },
		{ &session->uid, 77, 4 },
		{ &session->client, session->client ^ 0x10000, 8 },
		{ &entry->is_pending, !entry->is_pending, sizeof(entry->is_pending) },
		{ &entry->prev, SESSION_MAX, 4 },
	};

	which %= ARRAY_SIZE(wrong);
	damage(play, wrong[which].at, wrong[which].value, wrong[which].size);
}

static void damage_quota(struct play *play, struct quota *quota, uint32_t which)
{
	uint32_t bucket = 0;
	struct quota_row *row;

	while (quota->buckets[bucket] == 0)
		bucket++;
	row = &quota->rows[quota->buckets[bucket] - 1];
	const struct {
		void *at;
		uint64_t value;
		size_t size;
	} wrong[] = {
		{ &quota->top, QUOTA_ROW_MAX + 1, 4 },
		{ &quota->top, quota->top + 1, 4 },
		{ &quota->free, quota->top + 1, 4 },
		{ &quota->n_rows, quota->n_rows + 1, 4 },
		{ &quota->buckets[bucket], quota->top + 1, 4 },
		{ &quota->n_total[QUOTA_OBJECT], quota->n_total[QUOTA_OBJECT] + 1, 8 },
		{ &quota->n_total[QUOTA_SESSION], quota->n_total[QUOTA_SESSION] + 1, 8 },
		{ &row->uid, row->uid + 1, 4 }, /* of another bucket, or charged by nobody */
		{ row->next ? &quota->rows[row->next - 1].uid : &row->uid, row->uid + !row->next, 4 },
		{ &row->next, quota->top + 1, 4 },
		{ &row->n[QUOTA_SESSION], row->n[QUOTA_SESSION] == 0, 8 },
		{ &row->n[QUOTA_OBJECT], row->n[QUOTA_OBJECT] == 0, 8 },
	};

	which %= ARRAY_SIZE(wrong);
	damage(play, wrong[which].at, wrong[which].value, wrong[which].size);
}

/* An object's record says something else. */
static void damage_object(struct play *play, uint32_t which)
{
	struct registry *registry = &play->world->registry;

	for (uint32_t i = 0; i < play->world->file_top; i++) {
		const struct world_file *file = &play->world->files[i];
		struct registry_object object, wrong;

		if (!file->exists || registry_get(registry, file->kind, file->object.id, &object) != 0)
			continue;
		wrong = object;
		if (which % 3 == 0)
			wrong.state = REGISTRY_CLOSING;
		else if (which % 3 == 1)
			wrong.owner.cuid = 77;
		else
			wrong.state = file->kind == IPC_KIND_SHM ? REGISTRY_LIVE + REGISTRY_DEST - object.state
								 : REGISTRY_CREATING;
		registry_put(registry, file->kind, &wrong);
		FUZZ_ASSERT(!service_verify(play->world->service));
		registry_put(registry, file->kind, &object);
		return;
	}
}

static void damage_service(struct play *play, uint32_t session, uint32_t which)
{
	struct service *service = play->world->service;
	struct service_client *client =
		&service->clients[(service->sessions[session].session.client & 0xffff) - 1];
	const struct {
		void *at;
		uint64_t value;
		size_t size;
	} wrong[] = {
		{ &service->session_top, SESSION_MAX + 1, 4 },
		{ &service->n_sessions, service->n_sessions + 1, 4 },
		{ &service->session_free, session + 1, 4 },
		{ &service->pending_first, session + 1, 4 },
		{ &service->pending_last, session + 1, 4 },
		{ &service->hello_used, PROTO_HELLO_SIZE, 4 },
		{ &service->n_pages, service->n_pages + 1, 8 },
		{ &service->n_sems, service->n_sems + 1, 8 },
		{ &service->n_dest, service->n_dest + 1, 4 },
		{ &service->dest[0], service->dest[0] ^ 1, 8 },
		{ &client->n_sessions, client->n_sessions + 1, 4 },
		{ &client->first, 0, 4 },
		{ &client->last, 0, 4 },
		{ &client->client, client->client ^ 0x10000, 8 },
	};

	which %= ARRAY_SIZE(wrong);
	damage(play, wrong[which].at, wrong[which].value, wrong[which].size);
}

/* What cannot happen to the service's own memory and records: byte 255, session, which. */
static void play_damage(struct play *play, uint32_t slot)
{
	struct service *service = play->world->service;
	uint32_t session = play->sessions[slot];
	struct service_session *entry = &service->sessions[session];
	uint8_t which = fuzz_u8(play->input);

	if (!play->world->sessions[session].open || pick_client(play, slot) == 0 || entry->is_pending ||
	    !service_verify(service))
		return;
	FUZZ_SAY("damage %u, seen and mended", which);
	if (which % 4 == 0)
		damage_session(play, entry, which / 4);
	else if (which % 4 == 1)
		damage_quota(play, &service->quota, which / 4);
	else if (which % 4 == 2)
		damage_object(play, which / 4);
	else
		damage_service(play, session, which / 4);
	FUZZ_ASSERT(service_verify(service));
}

static void play_kill(struct play *play, uint32_t slot)
{
	if (slot < SLOTS / 2) {
		FUZZ_SAY("daemon killed, started again");
		world_restart(play->world);
		return;
	}
	play->kill_in = 1 + fuzz_u8(play->input);
	FUZZ_SAY("the daemon will be killed at moment %u of what comes next", play->kill_in);
}

static void play_one(struct play *play)
{
	uint8_t code = fuzz_u8(play->input);
	uint32_t operation = code % 16;
	uint32_t slot = fuzz_below(play->input, SLOTS);
	struct proto_message message;

	switch (operation) {
	case 0:
		play_connect(play);
		break;
	case 1:
		message = pick_request(play);
		play_ask(play, slot, &message);
		break;
	case 2:
		play_raw(play, EVENT_INPUT, slot);
		break;
	case 3:
		play_raw(play, EVENT_REGISTER, slot);
		break;
	case 4:
	case 5:
	case 6:
		play_event(play, operation == 4	  ? EVENT_HANGUP
				 : operation == 5 ? EVENT_EXITED
						  : EVENT_EXECED, slot);
		break;
	case 7:
		play_attach(play, slot);
		break;
	case 8:
		play_detach(play, slot);
		break;
	case 9:
		FUZZ_SAY("client %llx ends, unseen", (unsigned long long)pick_client(play, slot));
		world_die(play->world, pick_client(play, slot));
		break;
	case 10:
		play->world->now_ns += fuzz_u8(play->input) * UINT64_C(1000000000);
		play_event(play, EVENT_TICK, slot);
		break;
	case 11:
		play_failure(play);
		break;
	case 12:
		play_kill(play, slot);
		return;
	case 13:
		play->world->attach_client = pick_client(play, slot);
		play->world->attach_before_sum =
			play->world->attach_client != 0 ? fuzz_below(play->input, 4) : 0;
		FUZZ_SAY("client %llx will attach before sum %u",
			 (unsigned long long)play->world->attach_client,
			 play->world->attach_before_sum);
		break;
	case 14:
		play_limits(play, slot);
		break;
	default:
		if (code == UINT8_MAX)
			play_damage(play, slot);
		else
			play_stray(play);
		break;
	}
	play->kill_in = 0;
}

static void play_until_killed(struct play *play)
{
	if (setjmp(play->killed) == 0) {
		play_one(play);
	} else {
		FUZZ_SAY("killed, and started again");
		world_restart(play->world);
	}
}

/* With nothing failing any more, ticks destroy all that is marked and not attached. */
static void play_end(struct play *play)
{
	memset(play->world->fail_errno, 0, sizeof(play->world->fail_errno));
	play->world->attach_before_sum = 0;
	play->kill_in = 0;
	FUZZ_SAY("nothing fails any more; ticks");
	for (uint32_t i = 0; i < WORLD_FILE_MAX / 16; i++) {
		struct event event = world_event(play->world, EVENT_TICK);

		world_step(play->world, &event);
	}
	for (uint32_t i = 0; i < WORLD_FILE_MAX; i++) {
		const struct world_file *file = &play->world->files[i];
		struct registry_object object;

		if (!file->exists || file->kind != IPC_KIND_SHM)
			continue;
		FUZZ_ASSERT(registry_get(&play->world->registry, IPC_KIND_SHM, file->object.id,
					 &object) == 0);
		FUZZ_ASSERT(object.state == REGISTRY_LIVE ||
			    world_n_attached(play->world, object.id) > 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world world;
	struct fuzz_input input = { .bytes = data, .size = size };
	struct play play = { .world = &world, .input = &input };
	const struct world_observer observer = { &play, effect_seen, moment };

	hooks_reset();
	memset(&world, 0, sizeof(world));
	world_init(play.world, 1002);
	world.observer = &observer;
	for (uint32_t n = 0; n < OPERATIONS_MAX && !fuzz_done(&input); n++) {
		play_until_killed(&play);
		say_state(&play);
		/* What is broken stays so: of long inputs not every step; usysv-repro does check each. */
		if (n < 8 || n % 8 == 0 || fuzz_telling)
			FUZZ_ASSERT(world_check(play.world));
	}
	play_end(&play);
	FUZZ_ASSERT(world_verify(play.world));
	world_deinit(play.world);
	return 0;
}

/*
 * actors.c: the processes: what they ask, attach, fork, and how they end.
 *
 * They do as the library does: what a process has attached stands in its own ledger before it is
 * mapped, a forked child is its parent's to account for until it is a client itself, a new image has
 * nothing, and a request whose answer was lost with the daemon is asked again.
 */
#include <string.h>

#include "core/frame.h"
#include "sim.h"

/* Pids are few, so that they are used again while their last owner is still being buried. */
#define PIDS_MAX 400u
#define KEYS 12u
/* Below what the world has room for. */
#define OBJECTS_MAX 380u

struct sim_process *process_of_pid(uint32_t pid)
{
	for (uint32_t i = 0; i < SIM_PROCESSES_MAX; i++)
		if (sim.processes[i].alive && sim.processes[i].pid == pid)
			return &sim.processes[i];
	return NULL;
}

static struct sim_process *process_pick(void)
{
	for (uint32_t tries = 0; tries < 32; tries++) {
		struct sim_process *process = &sim.processes[sim_below(SIM_PROCESSES_MAX)];

		if (process->alive)
			return process;
	}
	return NULL;
}

static struct sim_process *process_new(uint32_t uid)
{
	uint32_t pid = 1 + sim_below(PIDS_MAX);
	struct sim_process *process = NULL;

	for (uint32_t i = 0; i < SIM_PROCESSES_MAX && !process; i++)
		if (!sim.processes[i].alive && sim.processes[i].n_connections == 0)
			process = &sim.processes[i];
	if (!process || process_of_pid(pid))
		return NULL;
	*process = (struct sim_process){
		.alive = true, .pid = pid, .uid = uid, .start_time = ++sim.next_start };
	sim.n_alive++;
	return process;
}

void actor_spawn(void)
{
	struct registry_client known;
	struct sim_process *process = process_new(sim_any_uid());

	if (!process)
		return;
	sim.counts.reused_pids +=
		registry_find_pid(&sim.world->registry, process->pid, &known);
	sim_trace("process %u starts, uid %u", process->pid, process->uid);
}

/* --- attachments -------------------------------------------------------------------------------- */

static struct process_attached *attached_find(struct sim_process *process, int32_t shmid, bool take)
{
	for (uint32_t i = 0; i < SIM_ATTACHED_MAX; i++)
		if (process->attached[i].n > 0 && process->attached[i].shmid == shmid)
			return &process->attached[i];
	for (uint32_t i = 0; take && i < SIM_ATTACHED_MAX; i++)
		if (process->attached[i].n == 0)
			return &process->attached[i];
	return NULL;
}

/* Entries of what is detached are used again, first those whose stamps nobody needs any more. */
static void ledgers_tidy(bool all)
{
	for (uint32_t i = 0; i < WORLD_ATTACH_MAX; i++) {
		struct world_attach *attach = &sim.world->attachments[i];
		struct registry_object object;
		struct oracle_object *entry;

		if (attach->client == 0 || attach->n > 0)
			continue;
		entry = oracle_find(&sim.oracle, IPC_KIND_SHM, attach->shmid);
		if (entry && all)
			entry->stamps_unsure = true;
		else if (registry_get(&sim.world->registry, IPC_KIND_SHM, attach->shmid, &object) == 0 &&
			 (object.attach_ns < attach->attach_ns || object.detach_ns < attach->detach_ns))
			continue;
		*attach = (struct world_attach){ 0 };
	}
}

/* In the ledger.  False: the world has no room. */
static bool ledger_add(struct sim_process *process, int32_t shmid)
{
	uint32_t before = world_n_attached(sim.world, shmid);

	for (uint32_t tries = 0; tries < 3; tries++) {
		world_attach(sim.world, process->ledger, shmid, process->pid);
		if (world_n_attached(sim.world, shmid) == before + 1)
			return true;
		ledgers_tidy(tries > 0);
	}
	return false;
}

/* And in truth. */
static bool process_attach(struct sim_process *process, int32_t shmid)
{
	struct process_attached *attached = attached_find(process, shmid, true);
	struct oracle_object *entry = oracle_find(&sim.oracle, IPC_KIND_SHM, shmid);

	if (!attached || !entry || !ledger_add(process, shmid))
		return false;
	attached->shmid = shmid;
	attached->n++;
	entry->n_attached++;
	entry->attach_ns = sim.world->now_ns;
	return true;
}

static void process_let_go(struct sim_process *process, uint32_t i, bool tell_ledger)
{
	struct process_attached *attached = &process->attached[i];
	struct oracle_object *entry = oracle_find(&sim.oracle, IPC_KIND_SHM, attached->shmid);

	if (attached->n == 0)
		return;
	if (!entry)
		sim_fail("shm %d is attached and not there", attached->shmid);
	entry->n_attached--;
	attached->n--;
	if (!tell_ledger)
		return;
	world_detach(sim.world, process->ledger, attached->shmid, process->pid);
	entry->detach_ns = sim.world->now_ns;
}

static struct oracle_object *segment_pick(void)
{
	for (uint32_t tries = 0; tries < 32; tries++) {
		struct oracle_object *entry =
			&sim.oracle.objects[IPC_KIND_SHM][sim_below(sim_chance(5000) ? 16 : 256)];

		if (entry->exists)
			return entry;
	}
	return NULL;
}

void actor_attach(void)
{
	struct sim_process *process = process_pick();
	struct oracle_object *entry = segment_pick();
	struct registry_object object;

	if (!process || !entry || !process->registered ||
	    registry_get(&sim.world->registry, IPC_KIND_SHM, entry->object.id, &object) != 0)
		return;
	if (process_attach(process, entry->object.id))
		sim_trace("process %u attaches shm %d", process->pid, entry->object.id);
}

static uint32_t connection_of_process(const struct sim_process *process)
{
	uint32_t number = (uint32_t)(process - sim.processes);
	uint32_t first = sim_below(SIM_CONNECTIONS_MAX);

	for (uint32_t i = 0; i < SIM_CONNECTIONS_MAX && process->n_connections > 0; i++) {
		uint32_t index = (first + i) % SIM_CONNECTIONS_MAX;
		const struct sim_connection *connection = &sim.connections[index];

		if (connection->state == CONNECTION_OPEN && connection->process == number &&
		    !connection->is_doomed && !connection->hangs_up)
			return index;
	}
	return SIM_NONE;
}

void actor_detach(void)
{
	struct proto_message notice = { .type = PROTO_DETACHED };
	struct sim_process *process = process_pick();
	uint32_t i = sim_below(SIM_ATTACHED_MAX);
	const struct oracle_object *entry;
	uint32_t index;

	if (!process || process->attached[i].n == 0)
		return;
	notice.object.kind = IPC_KIND_SHM;
	notice.object.id = process->attached[i].shmid;
	entry = oracle_find(&sim.oracle, IPC_KIND_SHM, notice.object.id);
	process_let_go(process, i, true);
	sim_trace("process %u detaches shm %d", process->pid, notice.object.id);
	/* A notice may be lost. */
	index = connection_of_process(process);
	if (index != SIM_NONE && entry && entry->object.state == REGISTRY_DEST && sim_chance(8000))
		actor_put_request(index, &notice, false);
}

/* A forked child's attachments end with it; the stamps its parent's ledger had of them may not. */
static void ledger_forget_child(const struct sim_process *process)
{
	for (uint32_t i = 0; i < WORLD_ATTACH_MAX; i++) {
		struct world_attach *attach = &sim.world->attachments[i];
		struct oracle_object *entry;

		if (attach->client != process->ledger)
			continue;
		entry = oracle_find(&sim.oracle, IPC_KIND_SHM, attach->shmid);
		if (entry)
			entry->stamps_unsure = true;
		*attach = (struct world_attach){ 0 };
	}
}

/* A process attaches while the daemon adds up: its entry is written now, the slot looked at later. */
void actor_race(void)
{
	struct sim_process *process = process_pick();
	struct oracle_object *entry = segment_pick();
	struct registry_object object;

	for (uint32_t i = 0; i < 8 && process && !process->registered; i++)
		process = process_pick();
	if (sim.world->summed >= 0)
		entry = oracle_find(&sim.oracle, IPC_KIND_SHM, sim.world->summed);
	if (sim.raced) {
		actor_race_end();
		return;
	}
	if (!process || !entry || !process->registered ||
	    registry_get(&sim.world->registry, IPC_KIND_SHM, entry->object.id, &object) != 0 ||
	    !attached_find(process, entry->object.id, true) || !ledger_add(process, entry->object.id))
		return;
	sim.raced = true;
	sim.racer = (uint32_t)(process - sim.processes);
	sim.raced_id = entry->object.id;
	entry->stamps_unsure = true;
	entry->n_races = entry->raced_at == sim.counts.steps ? entry->n_races + 1 : 1;
	entry->raced_at = sim.counts.steps;
	sim.counts.races++;
	sim_trace("      (process %u begins to attach shm %d)", process->pid, sim.raced_id);
	if (sim_chance(5000))
		actor_race_end();
}

void actor_race_end(void)
{
	struct sim_process *process = &sim.processes[sim.racer];
	struct registry_object object;
	struct process_attached *attached;
	struct oracle_object *entry;

	if (!sim.raced)
		return;
	sim.raced = false;
	entry = oracle_find(&sim.oracle, IPC_KIND_SHM, sim.raced_id);
	if (!entry || registry_get(&sim.world->registry, IPC_KIND_SHM, sim.raced_id, &object) != 0) {
		world_detach(sim.world, process->ledger, sim.raced_id, process->pid);
		sim_trace("      (process %u finds shm %d closed)", process->pid, sim.raced_id);
		return;
	}
	attached = attached_find(process, sim.raced_id, true);
	attached->shmid = sim.raced_id;
	attached->n++;
	entry->n_attached++;
	entry->attach_ns = sim.world->now_ns;
	sim_trace("      (process %u has attached shm %d)", process->pid, sim.raced_id);
}

/* --- fork, exec, exit --------------------------------------------------------------------------- */

void actor_fork(void)
{
	struct sim_process *parent = process_pick();
	struct sim_process *child = parent ? process_new(parent->uid) : NULL;

	if (!child)
		return;
	child->ledger = (uint64_t)1 << 63 | child->start_time;
	child->forked = true;
	sim_trace("process %u forks %u", parent->pid, child->pid);
	sim.counts.forks++;
	for (uint32_t i = 0; i < SIM_ATTACHED_MAX; i++)
		for (uint32_t n = 0; n < parent->attached[i].n; n++)
			(void)process_attach(child, parent->attached[i].shmid);
}

/* The child's own ledger holds from now on what its parent's said of it. */
static void ledger_take_over(struct sim_process *process)
{
	for (uint32_t i = 0; i < WORLD_ATTACH_MAX; i++)
		if (sim.world->attachments[i].client == process->ledger)
			sim.world->attachments[i].client = process->client;
}

/* What the daemon knows of a process it has just welcomed. */
static void check_welcomed(const struct sim_process *process, uint32_t uid, uint64_t client)
{
	struct registry_client known;

	if (registry_client_get(&sim.world->registry, client, &known) != 0 ||
	    known.pid != process->pid || known.start_time != process->start_time)
		sim_fail("process %u is welcomed as another one", process->pid);
	for (uint32_t i = 0; i < WORLD_LEDGER_MAX; i++) {
		const struct world_ledger *ledger = &sim.world->ledgers[i];

		if (ledger->client != client)
			continue;
		if (process->execed && ledger->uid != uid)
			sim_fail("the ledger of process %u is uid %u's", process->pid, ledger->uid);
		return;
	}
	sim_fail("process %u has no ledger", process->pid);
}

void process_welcomed(struct sim_process *process, uint32_t uid, uint64_t client)
{
	check_welcomed(process, uid, client);
	if (process->client != 0 && process->client != client)
		sim_fail("process %u was %llx and is now %llx", process->pid,
			 (unsigned long long)process->client, (unsigned long long)client);
	for (uint32_t i = 0; i < SIM_PROCESSES_MAX; i++)
		if (&sim.processes[i] != process && sim.processes[i].alive &&
		    sim.processes[i].client == client)
			sim_fail("processes %u and %u are both %llx", process->pid,
				 sim.processes[i].pid, (unsigned long long)client);
	process->client = client;
	if (process->forked)
		ledger_take_over(process);
	process->forked = false;
	/* Its exec has been told, and would now be taken for another one. */
	for (uint32_t i = sim.n_news; i > 0; i--)
		if (sim.news[i - 1].client == client && sim.news[i - 1].type == EVENT_EXECED)
			sim.news[i - 1] = sim.news[--sim.n_news];
	process->ledger = client;
	process->registered = true;
	process->execed = false;
}

/* What a process holds ends with its image; connections close on exec. */
static void connections_close(const struct sim_process *process)
{
	uint32_t number = (uint32_t)(process - sim.processes);

	for (uint32_t i = 0; i < SIM_CONNECTIONS_MAX && process->n_connections > 0; i++) {
		struct sim_connection *connection = &sim.connections[i];

		if (connection->state == CONNECTION_FREE || connection->process != number)
			continue;
		connection->hangs_up = true;
		if (connection->state == CONNECTION_LOST)
			pipe_free(i);
	}
}

static void process_let_go_all(struct sim_process *process, bool tell_ledger)
{
	for (uint32_t i = 0; i < SIM_ATTACHED_MAX; i++)
		while (process->attached[i].n > 0)
			process_let_go(process, i, tell_ledger);
}

static void news_add(enum event_type type, uint64_t client)
{
	if (sim.n_news == SIM_NEWS_MAX)
		sim_fail("too much news");
	sim.news[sim.n_news++] = (struct sim_news){ type, client };
}

void actor_exec(void)
{
	struct sim_process *process = process_pick();
	struct registry_client known;

	if (!process)
		return;
	sim.counts.execs++;
	sim_trace("process %u execs", process->pid);
	/* The daemon sees in its list of mappings that nothing is attached any more. */
	process_let_go_all(process, true);
	connections_close(process);
	if (sim_chance(2000))
		process->uid = sim_any_uid();
	process->registered = false;
	process->execed = true;
	if (process->forked)
		ledger_forget_child(process);
	process->forked = false;
	if (registry_find_pid(&sim.world->registry, process->pid, &known) &&
	    known.start_time == process->start_time)
		news_add(EVENT_EXECED, known.client);
}

void actor_exit(void)
{
	struct sim_process *process = process_pick();
	struct registry_client known;

	if (!process || (sim.n_alive < 20 && !sim_chance(500)))
		return;
	sim.counts.exits++;
	sim_trace("process %u ends", process->pid);
	process_let_go_all(process, process->forked);
	if (process->forked)
		ledger_forget_child(process);
	connections_close(process);
	process->alive = false;
	sim.n_alive--;
	if (!registry_find_pid(&sim.world->registry, process->pid, &known) ||
	    known.start_time != process->start_time)
		return;
	world_die(sim.world, known.client);
	news_add(EVENT_EXITED, known.client);
}

/* --- connections -------------------------------------------------------------------------------- */

static void hello(uint32_t index)
{
	struct sim_connection *connection = &sim.connections[index];
	struct proto_hello record = {
		.version = connection->is_foreign ? PROTO_VERSION + 1 : PROTO_VERSION,
		.pid = connection->who.pid,
	};
	uint32_t number = connection->name;
	uint32_t n = 1;

	record.name[0] = 'c';
	for (uint32_t power = 1000000000; power > 0; power /= 10)
		if (number >= power || power == 1 || n > 1)
			record.name[n++] = (char)('0' + number / power % 10);
	proto_hello_encode(&record, sim.register_bytes + sim.n_register);
	sim.n_register += PROTO_HELLO_SIZE;
	sim_trace("connection %u: hello c%u of process %u", index, number, record.pid);
}

/* Bytes that are none of ours, or half a record: anybody may write there. */
static void register_garbage(void)
{
	uint32_t n = 1 + sim_below(90);

	for (uint32_t i = 0; i < n; i++)
		sim.register_bytes[sim.n_register++] =
			sim_chance(2000) ? (uint8_t)"USHL"[sim_below(4)] : (uint8_t)sim_below(256);
	/* Else the next record could begin inside what looks like one. */
	memset(sim.register_bytes + sim.n_register, 0, PROTO_HELLO_SIZE);
	sim.n_register += PROTO_HELLO_SIZE;
}

static bool register_has_room(void)
{
	return sim.n_register + 4 * PROTO_HELLO_SIZE < SIM_REGISTER_MAX;
}

static void connect_one(struct sim_process *process)
{
	const struct sim_process *other = process_pick();
	struct sim_connection *connection;
	uint32_t index = pipe_pick(CONNECTION_FREE);

	if (index == SIM_NONE || !register_has_room())
		return;
	if (sim_chance(300))
		register_garbage();
	connection = &sim.connections[index];
	memset(connection, 0, offsetof(struct sim_connection, out));
	connection->n_asked = 0;
	connection->state = CONNECTION_HELLO;
	connection->process = (uint32_t)(process - sim.processes);
	connection->session = SIM_NONE;
	connection->name = sim.next_name++;
	connection->who = (struct who){ process->uid, process->uid, process->pid, process };
	if (process->uid == 0 && sim_chance(3000))
		connection->who.uid = sim_any_uid(); /* seteuid */
	connection->who.gid = connection->who.uid;
	connection->is_forged = other && other != process && sim_chance(200);
	if (connection->is_forged)
		connection->who.pid = other->pid;
	connection->is_foreign = !connection->is_forged && sim_chance(100);
	connection->reads = !sim_chance(500);
	process->n_connections++;
	sim.n_open++;
	hello(index);
}

void actor_connect(void)
{
	struct sim_process *process = process_pick();
	/* A few have very many. */
	bool is_greedy = process && process->pid % 32 == 0;

	if (!process || (!is_greedy && process->n_connections > 2))
		return;
	for (uint32_t i = 0; i < (is_greedy ? 12u : 1u); i++)
		connect_one(process);
}

/* A connection that went with the daemon is made again, and what was not answered is asked again. */
void actor_reconnect(void)
{
	uint32_t index = pipe_pick(CONNECTION_LOST);
	struct sim_connection *connection;

	if (index == SIM_NONE || !register_has_room())
		return;
	connection = &sim.connections[index];
	connection->state = CONNECTION_HELLO;
	connection->name = sim.next_name++;
	connection->n_sent = 0;
	connection->n_fed = 0;
	connection->n_out = 0;
	connection->n_unread = 0;
	connection->is_leaving = false;
	connection->is_doomed = false;
	connection->may_close = false;
	hello(index);
}

void actor_hang_up(void)
{
	uint32_t index = pipe_pick(CONNECTION_OPEN);

	if (index == SIM_NONE)
		return;
	sim.connections[index].hangs_up = true;
	sim_trace("connection %u is closed by its process", index);
}

void actor_read(void)
{
	uint32_t index = pipe_pick(CONNECTION_OPEN);

	if (index != SIM_NONE && sim.connections[index].reads)
		sim.connections[index].n_unread = 0;
}

/* --- requests ----------------------------------------------------------------------------------- */

void actor_put_request(uint32_t index, const struct proto_message *message, bool is_resent)
{
	struct sim_connection *connection = &sim.connections[index];
	struct proto_message numbered = *message;
	bool has_room;
	uint8_t frame[FRAME_SIZE_MAX];
	uint32_t size;

	sim.counts.requests++;
	if (!is_resent)
		numbered.request = (uint32_t)sim.counts.requests;
	size = (uint32_t)proto_encode(&numbered, frame);
	has_room = connection->n_asked < SIM_ASKED_MAX && connection->n_out + size <= SIM_OUT_MAX;
	if (numbered.type == PROTO_CREATE)
		connection->who.process->is_creating = has_room;
	if (!has_room)
		return;
	memcpy(connection->out + connection->n_out, frame, size);
	connection->n_out += size;
	connection->n_sent += size;
	sim_trace("connection %u asks: %s %u, id %d", index, proto_type_to_string(numbered.type),
		  numbered.create.kind, numbered.object.id);
	if (numbered.type == PROTO_DETACHED || numbered.type == PROTO_LEAVE)
		return;
	connection->asked[connection->n_asked++] = (struct sim_asked){
		.message = numbered, .end = connection->n_sent, .is_resent = is_resent };
}

/* Of something there is, was, or never was. */
static int32_t id_pick(uint32_t kind)
{
	uint32_t index = sim_below(sim_chance(7000) ? 40 : ORACLE_INDEX_MAX);
	const struct oracle_object *entry = &sim.oracle.objects[kind][index];

	switch (sim_below(20)) {
	case 0:
		return -(int32_t)sim_below(5);
	case 1:
		return (int32_t)(sim_below(4) << ABI_INDEX_BITS | index);
	default:
		return entry->object.id; /* 0 where nothing ever was, an old one where something was */
	}
}

static void fill_create(struct proto_create *create)
{
	static const uint32_t flags[] = { 0, ABI_IPC_CREAT, ABI_IPC_CREAT, ABI_IPC_CREAT | ABI_IPC_EXCL,
					  ABI_IPC_CREAT | ABI_SHM_NORESERVE,
					  ABI_IPC_CREAT | ABI_SHM_HUGETLB };
	static const uint64_t sizes[] = { 1, 2, 3, 4, 10, 4096, 4097, 32000, 100000, 0, 32001,
					  UINT64_C(1) << 40, UINT64_C(1) << 63, UINT64_MAX };
	uint32_t kind = sim_below(IPC_KIND_COUNT);

	create->kind = kind;
	create->key = sim_chance(3000) ? ABI_IPC_PRIVATE : (int32_t)sim_below(KEYS) - 3;
	create->size = sizes[sim_below(sim_chance(500) ? 14 : 9)];
	create->flags = flags[sim_below(6)] | sim_below(01000);
	if (kind == IPC_KIND_MSG)
		create->size = 0;
}

static void fill_set(struct proto_set *set)
{
	set->kind = sim_below(IPC_KIND_COUNT);
	set->id = id_pick(set->kind);
	set->uid = sim_chance(300) ? UINT32_MAX : sim_any_uid();
	set->gid = sim_chance(300) ? UINT32_MAX : sim_below(3);
	set->mode = sim_below(01000);
	set->qbytes = sim_chance(100) ? (uint64_t)MSG_TEXT_MAX + 1 : sim_below(40000);
}

static void fill_limits(struct registry_limits *limits)
{
	registry_limits_default(limits);
	limits->shmmni = OBJECT_MAX;
	limits->semmni = OBJECT_MAX;
	limits->msgmni = OBJECT_MAX + (sim_chance(500) ? 1 : 0); /* more than there can be */
	if (sim_chance(4000))
		return;
	limits->shmmni = sim_below(300);
	limits->semmni = sim_below(200);
	limits->msgmni = sim_below(200);
	limits->semmns = 40000 + sim_below(1000000);
	limits->semmsl = sim_chance(2000) ? 5 : 32000;
	limits->shmall = sim_below(4000);
	limits->msgmnb = 1000 + sim_below(30000);
	limits->rmid_forced = sim_below(sim_chance(1000) ? 3 : 2);
}

/* What is wrong with the call itself is the unit tests' matter. */
static void fill_stead(struct proto_stead *stead)
{
	stead->kind = sim_chance(5000) ? IPC_KIND_SEM : IPC_KIND_MSG;
	stead->id = id_pick(stead->kind);
	stead->what = stead->kind == IPC_KIND_SEM ? PROTO_STEAD_OP : PROTO_STEAD_SEND + sim_below(2);
	if (sim_chance(2000))
		stead->what = PROTO_STEAD_END;
	stead->flags = sim_below(4);
	stead->number = 1 + sim_below(100);
	stead->type = 1;
	stead->size = 6;
	memcpy(stead->name, "f", 1);
}

static bool fill_request(const struct sim_process *process, struct proto_message *message)
{
	uint32_t n_objects = sim.oracle.n[0] + sim.oracle.n[1] + sim.oracle.n[2];
	uint32_t what = sim_below(100);

	if (what < 34 && n_objects < OBJECTS_MAX && !process->is_creating) {
		message->type = PROTO_CREATE;
		fill_create(&message->create);
	} else if (what < 48) {
		message->type = PROTO_SET;
		fill_set(&message->set);
	} else if (what < 72) {
		message->type = PROTO_REMOVE;
		message->object.kind = sim_below(IPC_KIND_COUNT);
		message->object.id = id_pick(message->object.kind);
	} else if (what < 84) {
		message->type = PROTO_SHM_STAT;
		message->object.id = id_pick(IPC_KIND_SHM);
		message->object.argument = message->object.id & 1;
	} else if (what < 88) {
		message->type = PROTO_SHM_LOCK;
		message->object.id = id_pick(IPC_KIND_SHM);
		message->object.argument = sim_below(2);
	} else if (what < 94) {
		message->type = PROTO_SETTLE;
		message->settle.pid = 1 + sim_below(PIDS_MAX);
	} else if (what < 95) {
		message->type = PROTO_LIMITS;
		fill_limits(&message->limits);
	} else if (what < 96) {
		message->type = PROTO_LEAVE;
	} else if (what < 98) {
		message->type = PROTO_STEAD;
		fill_stead(&message->stead);
	} else if (what < 99) {
		message->type = PROTO_DETACHED;
		message->object.id = id_pick(IPC_KIND_SHM);
	} else {
		message->type = PROTO_PING;
	}
	return true;
}

/* More than anybody needs to send, all at once. */
static void chatter(uint32_t index)
{
	struct sim_connection *connection = &sim.connections[index];
	struct proto_message message = { .type = PROTO_DETACHED };
	uint32_t what = sim_below(3);

	message.object.id = id_pick(IPC_KIND_SHM);
	if (what == 1 && !connection->is_leaving)
		message = (struct proto_message){ .type = PROTO_PING };
	if (what == 2)
		message = (struct proto_message){ .type = PROTO_LEAVE };
	connection->is_leaving |= what == 2;
	for (uint32_t i = 0, n = 25 + sim_below(50); i < n; i++)
		actor_put_request(index, &message, false);
}

void actor_ask(void)
{
	uint32_t index = pipe_pick(CONNECTION_OPEN);
	struct sim_connection *connection = &sim.connections[index == SIM_NONE ? 0 : index];
	uint32_t n = sim_chance(1000) ? 12 : 1 + sim_below(2);

	if (index == SIM_NONE || connection->is_doomed || connection->hangs_up)
		return;
	if (sim_chance(100))
		chatter(index);
	for (uint32_t i = 0; i < n; i++) {
		struct proto_message message = { 0 };

		if (connection->n_asked > 12 || !fill_request(connection->who.process, &message))
			return;
		/* Not allowed any more: asked for on purpose only. */
		if (connection->is_leaving &&
		    (message.type == PROTO_PING || message.type == PROTO_LIMITS))
			continue;
		connection->is_leaving |= message.type == PROTO_LEAVE;
		actor_put_request(index, &message, false);
	}
}

/* A frame that ends the connection, whatever was said before it. */
void actor_talk_nonsense(void)
{
	uint32_t index = pipe_pick(CONNECTION_OPEN);
	struct sim_connection *connection = &sim.connections[index == SIM_NONE ? 0 : index];
	struct proto_message message = { .type = PROTO_PING };
	uint8_t frame[FRAME_SIZE_MAX] = { 0 };
	uint32_t size;

	if (index == SIM_NONE || connection->is_doomed || connection->hangs_up ||
	    connection->n_out + FRAME_SIZE_MAX > SIM_OUT_MAX)
		return;
	size = (uint32_t)proto_encode(&message, frame);
	switch (sim_below(5)) {
	case 0:
		frame[0] = (uint8_t)sim_below(FRAME_HEADER_SIZE); /* shorter than its header */
		break;
	case 1:
		frame[1] = 2; /* longer than any */
		break;
	case 2:
		frame[4] = 99; /* no such type */
		break;
	case 3:
		frame[0] += 4; /* longer than its type */
		size += 4;
		break;
	default:
		frame[4] = PROTO_WELCOME; /* the daemon's to say; its size is wrong as well */
		break;
	}
	memcpy(connection->out + connection->n_out, frame, size);
	connection->n_out += size;
	connection->n_sent += size;
	connection->is_doomed = true;
	sim_trace("connection %u talks nonsense", index);
}

void actors_begin(void)
{
	for (uint32_t i = 0; i < WORLD_SESSION_MAX; i++)
		sim.connection_of[i] = SIM_NONE;
	for (uint32_t i = 0; i < 60; i++)
		actor_spawn();
}

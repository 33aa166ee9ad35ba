/*
 * checks.c: what must hold.
 *
 * After every step: as many objects as there should be, and no more effects than such an event may
 * have.  Every so many steps, and after every start: each object is as the oracle has it, with its
 * file; each process known lives or is about to be buried; the service's own invariants.  At rest
 * (everything delivered, nothing failing): every request has had its answer, every marked segment
 * that nobody has is gone, nobody dead is known.
 */
#include <string.h>

#include "sim.h"

static const uint32_t effects_max[] = {
	[EVENT_REGISTER] = SERVICE_INPUT_MAX / PROTO_HELLO_SIZE + 4,
	[EVENT_ADMITTED] = 104,
	[EVENT_REFUSED] = 4,
	[EVENT_INPUT] = EFFECTS_MAX,
	[EVENT_HANGUP] = 3,
	[EVENT_EXITED] = 56,
	[EVENT_EXECED] = 3,
	[EVENT_TICK] = 3,
};

void check_sync(void)
{
	struct registry_object object;

	for (uint32_t i = 0; i < ORACLE_INDEX_MAX; i++) {
		struct oracle_object *entry = &sim.oracle.objects[IPC_KIND_SHM][i];

		if (!entry->exists || !oracle_may_go(&sim.oracle, IPC_KIND_SHM, entry) ||
		    registry_get(&sim.world->registry, IPC_KIND_SHM, entry->object.id, &object) == 0)
			continue;
		oracle_drop(&sim.oracle, IPC_KIND_SHM, entry);
		sim.counts.gone++;
	}
}

void check_after_step(void)
{
	const struct registry *registry = &sim.world->registry;

	if (sim.n_effects > effects_max[sim.event->type])
		sim_fail("%u effects of one event", sim.n_effects);
	if (sim.n_answers > SESSION_REQUESTS_PER_TURN_MAX)
		sim_fail("%u requests carried out in one turn", sim.n_answers);
	if (registry_count(registry, IPC_KIND_SHM) != sim.oracle.n[IPC_KIND_SHM])
		check_sync();
	for (uint32_t i = 0; i < ORACLE_INDEX_MAX && sim.oracle.limits_changed; i++)
		sim.oracle.objects[IPC_KIND_SHM][i].may_have_gone = false;
	sim.oracle.limits_changed = false;
	for (uint32_t k = 0; k < IPC_KIND_COUNT; k++)
		if (registry_count(registry, (enum ipc_kind)k) != sim.oracle.n[k])
			sim_fail("%u objects of kind %u, not %u",
				 registry_count(registry, (enum ipc_kind)k), k, sim.oracle.n[k]);
}

const char *check_objects(void)
{
	static char text[100];
	struct registry_limits limits;

	for (uint32_t k = 0; k < IPC_KIND_COUNT; k++)
		for (uint32_t i = 0; i < ORACLE_INDEX_MAX; i++) {
			const struct oracle_object *entry = &sim.oracle.objects[k][i];
			struct registry_object object;
			int r = registry_get_any(&sim.world->registry, (enum ipc_kind)k, i, &object);
			const char *wrong = NULL;

			if ((r == 0) != entry->exists)
				wrong = r == 0 ? "it is there" : "it is gone";
			else if (r == 0)
				wrong = oracle_compare(entry, &object);
			if (!wrong)
				continue;
			(void)snprintf(text, sizeof(text), "kind %u, index %u: %s", k, i, wrong);
			return text;
		}
	registry_read_limits(&sim.world->registry, &limits);
	return memcmp(&limits, &sim.oracle.limits, sizeof(limits)) == 0 ? NULL : "the limits";
}

static void check_files(void)
{
	for (uint32_t i = 0; i < WORLD_FILE_MAX; i++) {
		const struct world_file *file = &sim.world->files[i];
		const struct oracle_object *entry;

		if (!file->exists)
			continue;
		entry = oracle_find(&sim.oracle, file->kind, file->object.id);
		if (!entry)
			sim_fail("a file of kind %d, id %d, without object", (int)file->kind,
				 file->object.id);
		if (file->incomplete)
			sim_fail("id %d: its file is half done", file->object.id);
		if (file->qbytes != entry->qbytes)
			sim_fail("queue %d: msg_qbytes is %llu, not %llu", file->object.id,
				 (unsigned long long)file->qbytes,
				 (unsigned long long)entry->qbytes);
		if (file->kind == IPC_KIND_SHM &&
		    world_n_attached(sim.world, file->object.id) != entry->n_attached)
			sim_fail("shm %d: ledgers say %u, and %u have it", file->object.id,
				 world_n_attached(sim.world, file->object.id), entry->n_attached);
	}
}

static bool is_news(uint64_t client)
{
	for (uint32_t i = 0; i < sim.n_news; i++)
		if (sim.news[i].client == client && sim.news[i].type == EVENT_EXITED)
			return true;
	return false;
}

static void check_clients(void)
{
	struct registry_client known;

	for (uint32_t row = 0; row < CLIENT_MAX; row++) {
		const struct sim_process *process;

		if (registry_client_row(&sim.world->registry, row, &known) != 0)
			continue;
		process = process_of_pid(known.pid);
		if (process && process->start_time == known.start_time) {
			if (process->client != 0 && process->client != known.client)
				sim_fail("process %u is known twice", known.pid);
		} else if (!is_news(known.client)) {
			sim_fail("process %u is dead, buried, and known", known.pid);
		}
	}
	for (uint32_t i = 0; i < SIM_PROCESSES_MAX; i++) {
		const struct sim_process *process = &sim.processes[i];

		if (process->alive && process->client != 0 &&
		    registry_client_get(&sim.world->registry, process->client, &known) != 0)
			sim_fail("process %u is not known any more", process->pid);
	}
}

static void check_sessions(void)
{
	for (uint32_t i = 0; i < WORLD_SESSION_MAX; i++) {
		bool is_ours = sim.connection_of[i] != SIM_NONE;

		for (uint32_t j = 0; j < sim.n_orphaned && !is_ours; j++)
			is_ours = sim.orphaned[j] == i;
		if (sim.world->sessions[i].open != is_ours)
			sim_fail("session %u is %s", i, is_ours ? "not open" : "open for nobody");
	}
}

void check_all(void)
{
	const char *wrong;

	sim.counts.full_checks++;
	check_sync();
	wrong = check_objects();
	if (wrong)
		sim_fail("%s", wrong);
	check_files();
	if (sim.depth == 0)
		check_clients(); /* while a daemon starts it has not looked at all of them yet */
	check_sessions();
	if (!world_check(sim.world))
		sim_fail("the service breaks its own invariants");
}

/* --- at rest ------------------------------------------------------------------------------------ */

/* Those who said HELLO and were not heard, because all sessions were taken, give up. */
static void give_up_unheard(void)
{
	for (uint32_t i = 0; i < SIM_CONNECTIONS_MAX; i++) {
		if (sim.connections[i].state != CONNECTION_HELLO ||
		    sim.connections[i].session != SIM_NONE)
			continue;
		if (!sim.sessions_were_full)
			sim_fail("connection %u has said hello and was not heard", i);
		pipe_free(i);
	}
	sim.sessions_were_full = false;
}

static void deliver_all(void)
{
	uint32_t session;

	while (sim.n_register > 0)
		pipe_register(true);
	while (sim.n_admits + sim.n_orphaned > 0)
		pipe_admit();
	for (uint32_t i = 0; i < SIM_CONNECTIONS_MAX; i++) {
		for (uint32_t turns = 0; sim.connections[i].state == CONNECTION_OPEN &&
					 sim.connections[i].n_out > 0; turns++) {
			if (turns > 10000)
				sim_fail("connection %u gets no turn", i);
			pipe_feed(i, true);
			while (service_has_pending(sim.world->service, &session))
				pipe_pending();
		}
		pipe_hang_up(i);
	}
	while (service_has_pending(sim.world->service, &session))
		pipe_pending();
	while (sim.n_news > 0)
		pipe_news();
}

void check_at_rest(void)
{
	uint32_t n_dest = 0;

	sim.quiet = true;
	trouble_disarm();
	deliver_all();
	deliver_all(); /* what hung up meanwhile */
	give_up_unheard();
	for (uint32_t i = 0; i < SIM_CONNECTIONS_MAX; i++) {
		const struct sim_connection *connection = &sim.connections[i];

		if (connection->state == CONNECTION_OPEN && connection->n_asked > 0)
			sim_fail("connection %u: %u requests have no answer", i, connection->n_asked);
		if (connection->state == CONNECTION_OPEN && connection->is_doomed)
			sim_fail("connection %u talked nonsense and is still open", i);
		if (connection->state == CONNECTION_OPEN && connection->hangs_up)
			sim_fail("connection %u has hung up and is still open", i);
		if (connection->state == CONNECTION_HELLO)
			sim_fail("connection %u is neither welcome nor closed", i);
	}
	for (uint32_t i = 0; i < ORACLE_INDEX_MAX; i++)
		n_dest += sim.oracle.objects[IPC_KIND_SHM][i].exists &&
			  sim.oracle.objects[IPC_KIND_SHM][i].object.state == REGISTRY_DEST;
	for (uint32_t i = 0; i < n_dest / 16 + 1; i++) {
		struct event event = world_event(sim.world, EVENT_TICK);

		(void)sim_step(&event);
	}
	check_all();
	for (uint32_t i = 0; i < ORACLE_INDEX_MAX; i++) {
		const struct oracle_object *entry = &sim.oracle.objects[IPC_KIND_SHM][i];

		if (entry->exists && entry->object.state == REGISTRY_DEST && entry->n_attached == 0)
			sim_fail("shm %d is marked, attached by nobody, and still there",
				 entry->object.id);
	}
	sim.quiet = false;
}

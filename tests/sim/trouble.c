/*
 * trouble.c: storage that fails, and a daemon killed between any two of its writes.
 *
 * A kill is a countdown over moments: stores into the registry, the parts of storage's work, effects
 * about to be carried out.  What a killed daemon had done is there, what it knew is not.  At most one
 * request is in doubt then: it has been carried out or it has not, and the oracle finds out which.
 */
#include <string.h>

#include "sim.h"

#define KILL_MOMENTS 50u
#define KILL_MOMENTS_START 3000u
#define DEPTH_MAX 3u

/* The core's own hooks: the unchanged units tell of each access to shared memory. */
void hook_access(enum hook_kind kind, const volatile void *address)
{
	(void)address;
	if (sim.kill_in > 0 && kind != HOOK_LOAD && --sim.kill_in == 0)
		longjmp(sim.killed, 1);
}

uint64_t hook_value(const volatile void *address, uint64_t value)
{
	(void)address;
	return value;
}

void trouble_moment(void *context)
{
	(void)context;
	if (sim.kill_in > 0 && --sim.kill_in == 0)
		longjmp(sim.killed, 1);
	if (sim.quiet || sim.world->restarting)
		return;
	if (sim.world->summed >= 0 && sim_chance(300)) {
		/* The daemon is about to act on a sum that is not true any more. */
		bool may_kill = sim.kill_in > 0 || sim.stepping == SIM_NONE;

		actor_race();
		sim.kill_in = may_kill && sim_chance(100) ? 1 + sim_below(30) : 0;
	} else if (sim_chance(200)) {
		actor_race();
	}
}

/* Sometimes, for the next step. */
void trouble_arm(void)
{
	static const int32_t errors[] = { 5, 12, 13, 24, 28 }; /* EIO ENOMEM EACCES EMFILE ENOSPC */
	static const enum world_call calls[] = { WORLD_CREATE, WORLD_CREATE, WORLD_SET,
						 WORLD_LEDGER_MAKE, WORLD_ATTACH_SUM };

	trouble_disarm();
	if (sim.quiet)
		return;
	if (sim_chance(sim.weights[14]))
		sim.kill_in = 1 + sim_below(sim_chance(3000) ? KILL_MOMENTS : 2 * KILL_MOMENTS);
	if (!sim_chance(sim.weights[15]))
		return;
	sim.fault = errors[sim_below(ARRAY_SIZE(errors))];
	sim.fault_call = calls[sim_below(ARRAY_SIZE(calls))];
	sim.world->fail_errno[sim.fault_call] = sim.fault;
}

void trouble_disarm(void)
{
	sim.kill_in = 0;
	sim.fault = 0;
	memset(sim.world->fail_errno, 0, sizeof(sim.world->fail_errno));
}

bool trouble_explains(int32_t error, enum world_call call)
{
	if (sim.fault == 0 || sim.fault_call != call || error != sim.fault ||
	    sim.world->fail_errno[call] != 0)
		return false;
	sim.fault = 0;
	sim.counts.faults++;
	return true;
}

/* --- after a kill ------------------------------------------------------------------------------- */

/* The id of an object that the oracle does not know. */
static int32_t unknown_id(enum ipc_kind kind)
{
	struct registry_object object;

	for (uint32_t i = 0; i < ORACLE_INDEX_MAX; i++)
		if (registry_get_index(&sim.world->registry, kind, i, &object) == 0 &&
		    !oracle_find(&sim.oracle, kind, object.id))
			return object.id;
	return -1;
}

/* Takes the request in doubt for carried out, if it can have been.  NULL, or what is wrong. */
static const char *assume_done(const struct sim_connection *connection, const char *wrong)
{
	const struct proto_message *message = &connection->asked[0].message;
	struct verdict verdict;
	int32_t id = -1;

	oracle_judge(&sim.oracle, &connection->who, message, &verdict);
	if (verdict.error != 0)
		return wrong;
	if (message->type == PROTO_CREATE) {
		id = unknown_id((enum ipc_kind)message->create.kind);
		if (verdict.id >= 0 || id < 0)
			return wrong;
	}
	wrong = oracle_apply(&sim.oracle, &connection->who, message, id, sim.stepped_s);
	if (wrong)
		return wrong;
	sim_trace("      it had been carried out");
	check_sync();
	return check_objects();
}

static void reconcile(void)
{
	const struct sim_connection *connection = NULL;
	const char *wrong;

	if (sim.stepping != SIM_NONE)
		connection = &sim.connections[sim.stepping];
	check_sync();
	wrong = check_objects();
	if (wrong && connection && connection->state == CONNECTION_OPEN && connection->n_asked > 0)
		wrong = assume_done(connection, wrong);
	if (wrong)
		sim_fail("after the daemon was killed: %s", wrong);
	for (uint32_t i = 0; i < ORACLE_INDEX_MAX; i++)
		sim.oracle.objects[IPC_KIND_SHM][i].may_have_gone = false;
}

static void connections_lost(void)
{
	for (uint32_t i = 0; i < SIM_CONNECTIONS_MAX; i++) {
		struct sim_connection *connection = &sim.connections[i];

		if (connection->state == CONNECTION_FREE || connection->state == CONNECTION_LOST)
			continue;
		connection->session = SIM_NONE;
		if (connection->hangs_up || connection->is_doomed || connection->is_forged ||
		    connection->is_foreign || !sim.processes[connection->process].alive)
			pipe_free(i);
		else
			connection->state = CONNECTION_LOST;
	}
	for (uint32_t i = 0; i < WORLD_SESSION_MAX; i++)
		sim.connection_of[i] = SIM_NONE;
	memset(sim.n_sessions_of, 0, sizeof(sim.n_sessions_of));
	sim.n_orphaned = 0;
	sim.n_admits = 0;
	sim.n_register = 0;
	sim.n_news = 0;
}

/* What the new daemon finds out about those who were clients of the last one.  False: killed. */
static bool tell_known(const struct registry_client *known)
{
	const struct sim_process *process = process_of_pid(known->pid);
	struct event event = world_event(sim.world, EVENT_EXITED);

	event.client = known->client;
	if (!process || process->start_time != known->start_time)
		world_die(sim.world, known->client);
	if (!sim.world->storage.has_exited(sim.world, known->client)) {
		if (!process->execed)
			return true;
		event.type = EVENT_EXECED;
	}
	sim_trace("at start: client %llx %s", (unsigned long long)known->client,
		  event.type == EVENT_EXITED ? "has exited" : "has exec'ed");
	return sim_step(&event);
}

static void start_again(void)
{
	while (setjmp(sim.killed) != 0) {
		sim.counts.kills_in_start++;
		sim_trace("killed while it starts");
	}
	sim.kill_in = sim_chance(1500) ? 1 + sim_below(KILL_MOMENTS_START) : 0;
	world_restart(sim.world);
	sim.kill_in = 0;
}

void trouble_daemon_died(void)
{
	struct registry_client known;

	sim.counts.restarts++;
	sim.depth++;
	trouble_disarm();
	actor_race_end();
	sim_trace("the daemon is killed");
	start_again();
	reconcile();
	connections_lost();
	for (uint32_t row = 0; row < CLIENT_MAX; row++) {
		if (registry_client_row(&sim.world->registry, row, &known) != 0)
			continue;
		if (sim.depth < DEPTH_MAX && sim_chance(100))
			sim.kill_in = 1 + sim_below(KILL_MOMENTS);
		if (!tell_known(&known))
			break;
		sim.kill_in = 0;
	}
	sim.kill_in = 0;
	sim.depth--;
}

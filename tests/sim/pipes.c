/*
 * pipes.c: connections: what goes into the service, and what comes out of it.
 *
 * Bytes of a connection arrive cut and merged at random.  Every effect has to be explained: an answer
 * by the oldest request that has none, a welcome by a HELLO, an end by a reason.
 */
#include <string.h>

#include "core/errno.h"
#include "core/session.h"
#include "sim.h"

/* What a client may leave unread before the daemon gives it up (there: a FIFO and SESSION_OUT_MAX). */
#define PIPE_UNREAD_MAX 600u

static struct sim_connection *connection_at(uint32_t index)
{
	return &sim.connections[index];
}

uint32_t pipe_pick(enum connection_state state)
{
	for (uint32_t tries = 0; tries < 64; tries++) {
		uint32_t i = sim_below(SIM_CONNECTIONS_MAX);

		if (sim.connections[i].state == state)
			return i;
	}
	return SIM_NONE;
}

void pipe_free(uint32_t index)
{
	struct sim_connection *connection = connection_at(index);

	if (connection->process != SIM_NONE)
		sim.processes[connection->process].n_connections--;
	if (connection->session != SIM_NONE)
		sim.connection_of[connection->session] = SIM_NONE;
	for (uint32_t i = 0; i < connection->n_asked; i++)
		if (connection->asked[i].message.type == PROTO_CREATE)
			connection->who.process->is_creating = false;
	connection->state = CONNECTION_FREE;
	sim.n_open--;
}

/* --- effects ------------------------------------------------------------------------------------ */

static void effect_admit(const struct effect *effect)
{
	uint32_t number = 0;

	for (const char *at = effect->name + 1; *at >= '0' && *at <= '9'; at++)
		number = number * 10 + (uint32_t)(*at - '0');
	for (uint32_t i = 0; i < SIM_CONNECTIONS_MAX; i++) {
		struct sim_connection *connection = connection_at(i);

		if (connection->state != CONNECTION_HELLO || connection->name != number)
			continue;
		if (connection->session != SIM_NONE)
			sim_fail("connection %u is to be admitted twice", i);
		if (sim.connection_of[effect->session] != SIM_NONE)
			sim_fail("session %u is given twice", effect->session);
		connection->session = effect->session;
		sim.connection_of[effect->session] = i;
		sim.admits[sim.n_admits++] = i;
		return;
	}
	/* Its client has gone: refused, as its FIFOs are not there. */
	sim.connection_of[effect->session] = SIM_NONE;
	sim.orphaned[sim.n_orphaned++] = effect->session;
}

/* Errors of a welcome, from what was so before the step. */
static void judge_welcome(const struct sim_connection *connection, int32_t error)
{
	uint32_t held = sim.n_sessions_before[sim_uid_index(connection->who.uid)];
	bool quota = connection->who.uid != 0 && held >= SESSION_PER_UID_MAX;

	if (connection->is_foreign) {
		if (error != ABI_EPROTO)
			sim_fail("another version is answered with %d", error);
	} else if (quota) {
		if (error != ABI_ENOSPC)
			sim_fail("uid %u has %u sessions and is answered with %d",
				 connection->who.uid, held, error);
		sim.counts.quota_hits++;
	} else if (error == ABI_ENOSPC && sim.n_rows_before >= CLIENT_MAX) {
		sim.counts.quota_hits++;
	} else if (error != 0 && !trouble_explains(error, WORLD_LEDGER_MAKE)) {
		sim_fail("a welcome with error %d", error);
	}
}

static void welcome_received(uint32_t index, const struct proto_welcome *welcome)
{
	struct sim_connection *connection = connection_at(index);

	if (connection->state != CONNECTION_HELLO)
		sim_fail("connection %u is welcomed twice", index);
	judge_welcome(connection, welcome->error);
	if (welcome->error != 0) {
		sim.counts.refusals++;
		connection->may_close = true;
		return;
	}
	connection->state = CONNECTION_OPEN;
	sim.n_sessions_of[sim_uid_index(connection->who.uid)]++;
	process_welcomed(&sim.processes[connection->process], connection->who.uid, welcome->client);
	for (uint32_t i = 0, n = connection->n_asked; i < n; i++) {
		struct proto_message again = connection->asked[0].message;

		memmove(connection->asked, connection->asked + 1,
			(--connection->n_asked) * sizeof(connection->asked[0]));
		actor_put_request(index, &again, true);
		sim.counts.resent++;
	}
}

/* The pong's numbers are what everybody can see. */
static void check_pong(const struct proto_pong *pong)
{
	struct registry_client known;
	uint32_t n_rows = 0;

	for (uint32_t row = 0; row < CLIENT_MAX; row++)
		n_rows += registry_client_row(&sim.world->registry, row, &known) == 0;
	/* Some may have been settled in this very step. */
	if (pong->n_clients < n_rows || pong->n_clients > n_rows + SESSION_REQUESTS_PER_TURN_MAX)
		sim_fail("a pong counts %u processes, not %u", pong->n_clients, n_rows);
	for (uint32_t k = 0; k < IPC_KIND_COUNT; k++)
		if (k != IPC_KIND_SHM && pong->n_objects[k] != sim.oracle.n[k])
			sim_fail("a pong counts %u objects of kind %u, not %u", pong->n_objects[k],
				 k, sim.oracle.n[k]);
	if (pong->daemon_pid != 1)
		sim_fail("a pong of pid %u", pong->daemon_pid);
}

static void check_shm_reply(const struct proto_shm_reply *shm)
{
	const struct oracle_object *entry = oracle_find(&sim.oracle, IPC_KIND_SHM, shm->object.id);
	const char *wrong;
	uint64_t slack;

	if (!entry)
		sim_fail("shm %d is described and not there", shm->object.id);
	wrong = oracle_compare(entry, &shm->object);
	if (wrong)
		sim_fail("shm %d: %s is described wrongly", shm->object.id, wrong);
	/* Who attached within this step may have come before or after. */
	slack = entry->raced_at == sim.counts.steps ? entry->n_races : 0;
	if (shm->n_attached > entry->n_attached + slack ||
	    shm->n_attached + slack < entry->n_attached)
		sim_fail("shm %d: nattch %llu, and %u have it", shm->object.id,
			 (unsigned long long)shm->n_attached, entry->n_attached);
	if (shm->object.detach_ns < entry->detach_ns && !entry->stamps_unsure)
		sim_fail("shm %d: last detached at %llu, not %llu or later", shm->object.id,
			 (unsigned long long)shm->object.detach_ns,
			 (unsigned long long)entry->detach_ns);
	if (shm->object.attach_ns != entry->attach_ns && !entry->stamps_unsure)
		sim_fail("shm %d: last attached at %llu, not %llu", shm->object.id,
			 (unsigned long long)entry->attach_ns,
			 (unsigned long long)shm->object.attach_ns);
}

/* A storage call that failed as it was told to: the request fails with just that, and does nothing. */
static bool failed_by_storage(const struct proto_message *asked, int32_t error)
{
	switch (asked->type) {
	case PROTO_CREATE:
		return trouble_explains(error, WORLD_CREATE);
	case PROTO_SET:
		return trouble_explains(error, WORLD_SET);
	case PROTO_SHM_STAT:
		return trouble_explains(error, WORLD_ATTACH_SUM);
	default:
		return false;
	}
}

static void check_settled(const struct proto_message *asked)
{
	struct registry_client known;

	if (process_of_pid(asked->settle.pid) ||
	    !registry_find_pid(&sim.world->registry, asked->settle.pid, &known))
		return;
	sim_fail("pid %u is dead and settled, and still known", asked->settle.pid);
}

/* As the world does such calls. */
static void check_stood(const struct proto_stead *asked, const struct proto_stood *stood)
{
	if (asked->what == PROTO_STEAD_END)
		return;
	if (stood->is_blocked == asked->number % 2 || stood->type != asked->type ||
	    stood->size != asked->number)
		sim_fail("call %u is said to be %s", asked->number, stood->is_blocked ? "blocked" : "done");
}

static void answer_received(uint32_t index, const struct proto_message *answer)
{
	struct sim_connection *connection = connection_at(index);
	struct sim_asked asked = connection->asked[0];
	struct verdict verdict;
	int32_t error = answer->reply.error;
	const char *wrong;

	if (connection->n_asked == 0 || asked.end > connection->n_fed)
		sim_fail("connection %u gets an answer it has not asked for", index);
	if (answer->request != asked.message.request)
		sim_fail("connection %u gets the answer to another request", index);
	memmove(connection->asked, connection->asked + 1,
		--connection->n_asked * sizeof(connection->asked[0]));
	sim.counts.answers++;
	sim.n_answers++;
	if (asked.message.type == PROTO_CREATE)
		connection->who.process->is_creating = false;
	oracle_judge(&sim.oracle, &connection->who, &asked.message, &verdict);
	if (error != verdict.error && error != verdict.maybe && error != verdict.maybe_too) {
		if (verdict.error == 0 && failed_by_storage(&asked.message, error))
			return;
		sim_fail("%s is answered with error %d, not %d",
			 proto_type_to_string(asked.message.type), error, verdict.error);
	}
	if (answer->type == PROTO_PONG)
		check_pong(&answer->pong);
	if (answer->type == PROTO_SHM_REPLY && error == 0)
		check_shm_reply(&answer->shm);
	if (answer->type == PROTO_STOOD && error == 0)
		check_stood(&asked.message.stead, &answer->stood);
	if (asked.message.type == PROTO_SETTLE)
		check_settled(&asked.message);
	if (error != 0)
		return;
	if (asked.message.type == PROTO_CREATE && verdict.may_be_new &&
	    answer->reply.id != verdict.id) {
		oracle_drop(&sim.oracle, IPC_KIND_SHM,
			    oracle_find(&sim.oracle, IPC_KIND_SHM, verdict.id));
	} else if (asked.message.type == PROTO_CREATE && verdict.id >= 0) {
		if (answer->reply.id != verdict.id)
			sim_fail("an object that is there is %d, and said to be %d", verdict.id,
				 answer->reply.id);
		sim.counts.found_again += verdict.is_again;
		return;
	}
	wrong = oracle_apply(&sim.oracle, &connection->who, &asked.message, answer->reply.id,
			     sim.stepped_s);
	if (wrong)
		sim_fail("%s: %s", proto_type_to_string(asked.message.type), wrong);
}

static void effect_send(const struct effect *effect)
{
	uint32_t index = sim.connection_of[effect->session];
	struct sim_connection *connection = connection_at(index);
	const struct proto_message *message = &sim.world->sessions[effect->session].last;

	if (index == SIM_NONE)
		sim_fail("something is sent to session %u, which nobody has", effect->session);
	sim_trace("      -> connection %u: %s, error %d, id %d", index,
		  proto_type_to_string(message->type), message->reply.error, message->reply.id);
	if (message->type == PROTO_WELCOME)
		welcome_received(index, &message->welcome);
	else
		answer_received(index, message);
	connection->n_unread += effect->n_bytes;
	if (connection->n_unread > PIPE_UNREAD_MAX && !connection->hangs_up) {
		connection->hangs_up = true;
		sim.counts.broken++;
	}
}

static void effect_close(const struct effect *effect)
{
	uint32_t index = sim.connection_of[effect->session];
	struct sim_connection *connection = connection_at(index);
	const struct sim_process *process;

	for (uint32_t i = 0; index == SIM_NONE && i < sim.n_orphaned; i++) {
		if (sim.orphaned[i] == effect->session) {
			sim.orphaned[i] = sim.orphaned[--sim.n_orphaned];
			return;
		}
	}
	if (index == SIM_NONE)
		sim_fail("session %u is closed, and nobody has it", effect->session);
	process = &sim.processes[connection->process];
	sim_trace("      -> connection %u ends", index);
	/* A process may have so many; then it is the one that was quiet longest. */
	if (!connection->may_close && !connection->is_doomed && !connection->hangs_up &&
	    process->alive && process->n_connections <= 48)
		sim_fail("connection %u is ended for no reason", index);
	if (connection->is_doomed)
		sim.counts.doomed++;
	if (connection->state == CONNECTION_OPEN)
		sim.n_sessions_of[sim_uid_index(connection->who.uid)]--;
	pipe_free(index);
}

static void effect_watch(const struct effect *effect)
{
	const struct sim_process *process = process_of_pid(effect->pid);
	struct registry_client known;

	if (!sim_is_new(effect->client | (uint64_t)1 << 62))
		sim_fail("identity %llx was another process's", (unsigned long long)effect->client);
	if (registry_client_get(&sim.world->registry, effect->client, &known) != 0)
		sim_fail("a process is to be watched that is not known");
	if (process && process->start_time == known.start_time)
		return;
	/* It was gone before it was watched. */
	world_die(sim.world, effect->client);
	sim.news[sim.n_news++] = (struct sim_news){ EVENT_EXITED, effect->client };
}

void pipes_effect(void *context, const struct effect *effect)
{
	(void)context;
	sim.n_effects++;
	switch (effect->type) {
	case EFFECT_ADMIT:
		effect_admit(effect);
		break;
	case EFFECT_SEND:
		effect_send(effect);
		break;
	case EFFECT_CLOSE:
		effect_close(effect);
		break;
	case EFFECT_WATCH:
		effect_watch(effect);
		break;
	case EFFECT_FORGET:
		break;
	case EFFECT_LOG:
		sim_trace("      log: %s", effect->text);
		sim.sessions_were_full |= strstr(effect->text, "limit of sessions reached") != NULL;
		break;
	}
}

/* --- events ------------------------------------------------------------------------------------- */

/* Some of what a connection has said; more than there is room for now and then. */
void pipe_feed(uint32_t index, bool all)
{
	struct sim_connection *connection = connection_at(index);
	struct event event = world_event(sim.world, EVENT_INPUT);
	size_t room = service_input_room(sim.world->service, connection->session);
	uint8_t bytes[SIM_OUT_MAX];
	uint32_t n;

	if (connection->state != CONNECTION_OPEN || connection->n_out == 0)
		return;
	n = all || sim_chance(3000) ? connection->n_out
				    : 1 + sim_below(sim_chance(3000) ? 30 : connection->n_out);
	if (n > connection->n_out)
		n = connection->n_out;
	if (n > room && !all && sim_chance(2000)) {
		connection->may_close = true;
		sim.counts.floods++;
	} else if (n > room) {
		n = (uint32_t)room;
	}
	/* So that a kill leaves one request in doubt, not several. */
	if (sim.kill_in > 0 && connection->n_asked > 0) {
		uint64_t end = connection->asked[0].end;

		if (end <= connection->n_fed)
			trouble_disarm();
		else if (end - connection->n_fed <= room)
			n = (uint32_t)(end - connection->n_fed);
		else if (n > room)
			n = (uint32_t)room;
	}
	if (n == 0)
		return;
	memcpy(bytes, connection->out, n);
	memmove(connection->out, connection->out + n, connection->n_out - n);
	connection->n_out -= n;
	connection->n_fed += n;
	event.session = connection->session;
	event.bytes = bytes;
	event.n_bytes = n;
	sim.stepping = index;
	sim_trace("%u bytes of connection %u", n, index);
	(void)sim_step(&event);
	sim.stepping = SIM_NONE;
}

/* Whether its next request will change something. */
static bool is_about_to_change(const struct sim_connection *connection)
{
	const struct sim_asked *asked = &connection->asked[0];
	struct verdict verdict;

	if (connection->n_asked == 0 || asked->end <= connection->n_fed ||
	    (asked->message.type != PROTO_CREATE && asked->message.type != PROTO_SET &&
	     asked->message.type != PROTO_REMOVE))
		return false;
	oracle_judge(&sim.oracle, &connection->who, &asked->message, &verdict);
	return verdict.error == 0 && verdict.id < 0;
}

void pipe_feed_any(void)
{
	uint32_t index = pipe_pick(CONNECTION_OPEN);

	/* For a kill, one that is worth it. */
	for (uint32_t tries = 0; tries < 50 && sim.kill_in > 0 && index != SIM_NONE; tries++) {
		if (is_about_to_change(connection_at(index)))
			break;
		index = pipe_pick(CONNECTION_OPEN);
	}
	if (index != SIM_NONE)
		pipe_feed(index, false);
}

void pipe_pending(void)
{
	struct event event = world_event(sim.world, EVENT_INPUT);
	uint8_t none = 0;
	uint32_t index;

	event.bytes = &none;
	if (!service_has_pending(sim.world->service, &event.session))
		return;
	index = sim.connection_of[event.session];
	if (index == SIM_NONE)
		sim_fail("session %u has requests left, and nobody has it", event.session);
	trouble_disarm(); /* several requests may be left */
	sim.stepping = index;
	sim_trace("a further turn of connection %u", index);
	(void)sim_step(&event);
	sim.stepping = SIM_NONE;
}

void pipe_register(bool all)
{
	struct event event = world_event(sim.world, EVENT_REGISTER);
	uint8_t bytes[SERVICE_INPUT_MAX];
	uint32_t n = sim.n_register;

	if (n > SERVICE_INPUT_MAX)
		n = SERVICE_INPUT_MAX;
	if (n > 1 && !all)
		n = 1 + sim_below(n);
	if (n == 0)
		return;
	sim.counts.cut_registrations += n % PROTO_HELLO_SIZE != 0;
	memcpy(bytes, sim.register_bytes, n);
	memmove(sim.register_bytes, sim.register_bytes + n, sim.n_register - n);
	sim.n_register -= n;
	event.bytes = bytes;
	event.n_bytes = n;
	sim_trace("%u bytes on register", n);
	(void)sim_step(&event);
}

static void refuse(uint32_t session)
{
	struct event event = world_event(sim.world, EVENT_REFUSED);

	event.session = session;
	sim_trace("session %u is refused", session);
	(void)sim_step(&event);
}

/* A process that has exec'ed says so before its new image is admitted. */
static bool tell_exec(const struct sim_process *process)
{
	struct event event = world_event(sim.world, EVENT_EXECED);
	struct registry_client known;

	if (!process->execed ||
	    !registry_find_pid(&sim.world->registry, process->pid, &known) ||
	    known.start_time != process->start_time)
		return true;
	event.client = known.client;
	sim_trace("client %llx has exec'ed", (unsigned long long)event.client);
	return sim_step(&event);
}

static void admit(uint32_t index)
{
	struct sim_connection *connection = connection_at(index);
	const struct sim_process *process = &sim.processes[connection->process];
	uint32_t session = connection->session;
	struct event event;

	if (connection->is_forged || connection->hangs_up || !process->alive) {
		connection->may_close = true;
		refuse(session);
		return;
	}
	if (!tell_exec(process))
		return;
	event = world_event(sim.world, EVENT_ADMITTED);
	event.session = session;
	event.uid = connection->who.uid;
	event.gid = connection->who.gid;
	event.pid = process->pid;
	event.start_time = process->start_time;
	sim_trace("connection %u is admitted: session %u, pid %u, uid %u", index, session,
		  event.pid, event.uid);
	(void)sim_step(&event);
}

void pipe_admit(void)
{
	uint32_t i, index;

	if (sim.n_orphaned > 0)
		refuse(sim.orphaned[0]);
	if (sim.n_admits == 0)
		return;
	i = sim_below(sim.n_admits);
	index = sim.admits[i];
	sim.admits[i] = sim.admits[--sim.n_admits];
	admit(index);
}

/* The client has closed its end, and all it said has been read. */
void pipe_hang_up(uint32_t index)
{
	struct sim_connection *connection = connection_at(index);
	struct event event = world_event(sim.world, EVENT_HANGUP);

	if (!connection->hangs_up || connection->state != CONNECTION_OPEN)
		return;
	event.session = connection->session;
	sim_trace("connection %u has hung up", index);
	(void)sim_step(&event);
}

void pipe_news(void)
{
	struct event event;
	uint32_t i;

	if (sim.n_news == 0)
		return;
	i = sim_below(sim.n_news);
	event = world_event(sim.world, sim.news[i].type);
	event.client = sim.news[i].client;
	sim.news[i] = sim.news[--sim.n_news];
	sim_trace("client %llx has %s", (unsigned long long)event.client,
		  event.type == EVENT_EXITED ? "exited" : "exec'ed");
	(void)sim_step(&event);
}

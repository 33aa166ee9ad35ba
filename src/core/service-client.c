/*
 * service-client.c: processes: admitted, exec'ed, ended.
 *
 * A process is told by pid and start time; it is one client however many sessions it makes, also
 * across exec.  Its end is settled before its row goes: a daemon that is killed between does it
 * again, and settling twice is settling once.
 */
#include "core/service-internal.h"

struct service_client *service_client_of(struct service *service, uint64_t client)
{
	uint32_t row = (uint32_t)(client & 0xffff) - 1;
	struct service_client *entry;

	ASSERT(row < CLIENT_MAX);
	entry = &service->clients[row];
	ASSERT(entry->client == client || entry->client == 0);
	entry->client = client;
	service->client_top = u32_max(service->client_top, row + 1);
	return entry;
}

static void send_welcome(struct turn *turn, uint32_t session, int32_t error, uint64_t client)
{
	struct proto_message message = {
		.type = PROTO_WELCOME,
		.welcome = { .error = error, .version = PROTO_VERSION, .client = client },
	};

	message.welcome.nonce = registry_nonce(turn->service->registry);
	turn_send(turn, session, &message);
}

/* The asker is told why before its connection ends. */
static void refuse(struct turn *turn, uint32_t session, int32_t error, const char *reason)
{
	turn_log(turn, session, "hello", reason, NULL);
	send_welcome(turn, session, error, 0);
	turn_session_end(turn, session);
}

/* The ledger is made for who asks now, whoever the process was when it became a client.  0 or errno. */
static int32_t client_make_ledger(struct turn *turn, uint64_t client)
{
	const struct service_storage *storage = turn->service->storage;
	const struct event *event = turn->event;
	struct registry_client owner = {
		.client = client,
		.pid = event->pid,
		.uid = event->uid,
		.start_time = event->start_time,
	};

	return storage_error(storage->ledger_make(storage->context, &owner, event->gid));
}

/*
 * A process not known yet: ledger, then its row, then the watch.  A daemon killed between the first
 * two leaves a file that is nobody's; the other way round, a process that never gets a ledger.
 * 0 or errno.
 */
static int32_t client_add(struct turn *turn, uint64_t *ret_client)
{
	const struct event *event = turn->event;
	struct service *service = turn->service;
	struct effect *effect;
	uint64_t client, added = 0;
	int32_t error;

	if (registry_client_next(service->registry, &client) != 0)
		return ABI_ENOSPC;
	error = client_make_ledger(turn, client);
	if (error != 0)
		return error;
	(void)registry_client_add(service->registry, event->pid, event->uid, event->start_time,
				  &added); /* there is room */
	ASSERT(added == client);
	service->n_clients++;
	effect = turn_effect(turn, EFFECT_WATCH);
	effect->client = client;
	effect->pid = event->pid;
	effect->uid = event->uid;
	*ret_client = client;
	return 0;
}

/* A known process; after an exec it may have another uid, which then must own the ledger. */
static int32_t client_renew(struct turn *turn, uint64_t client)
{
	struct service_client *entry = service_client_of(turn->service, client);
	int32_t error;

	if (!entry->ledger_is_stale)
		return 0;
	error = client_make_ledger(turn, client);
	if (error == 0)
		entry->ledger_is_stale = false;
	return error;
}

static int32_t client_find_or_add(struct turn *turn, uint64_t *ret_client)
{
	const struct event *event = turn->event;
	struct registry_client known;
	int32_t error;

	if (!registry_find_pid(turn->service->registry, event->pid, &known))
		return client_add(turn, ret_client);
	if (known.start_time != event->start_time) {
		/* Its number has gone to another process: it is dead, and its watch will say so late. */
		client_exited(turn, known.client);
		return client_add(turn, ret_client);
	}
	error = client_renew(turn, known.client);
	if (error == 0)
		*ret_client = known.client;
	return error;
}

void client_admitted(struct turn *turn, uint32_t index)
{
	struct service *service = turn->service;
	struct session *session = &service->sessions[index].session;
	const struct event *event = turn->event;
	struct service_client *entry;
	uint64_t client;
	int32_t error;

	session->pid = event->pid;
	if (session->version != PROTO_VERSION) {
		refuse(turn, index, ABI_EPROTO, "another protocol version");
		return;
	}
	if (event->pid == 0) {
		refuse(turn, index, ABI_EINVAL, "no process");
		return;
	}
	if (quota_charge(&service->quota, event->uid, QUOTA_SESSION,
			 event->uid == 0 ? QUOTA_UNLIMITED : SESSION_PER_UID_MAX) != 0) {
		refuse(turn, index, ABI_ENOSPC, "limit of sessions of one uid reached");
		return;
	}
	error = client_find_or_add(turn, &client);
	if (error != 0) {
		quota_release(&service->quota, event->uid, QUOTA_SESSION);
		refuse(turn, index, error,
		       error == ABI_ENOSPC ? "limit of processes reached, or no room for a ledger"
					   : "its ledger could not be made");
		return;
	}
	entry = service_client_of(service, client);
	if (entry->n_sessions == SESSION_PER_CLIENT_MAX)
		turn_session_end(turn, entry->last - 1);
	session_admit(session, event->uid, event->gid, client);
	service_session_touch(service, index);
	send_welcome(turn, index, 0, client);
}

void client_exited(struct turn *turn, uint64_t client)
{
	struct service *service = turn->service;
	struct registry_client known;
	struct service_client *entry;
	struct effect *effect;

	if (registry_client_get(service->registry, client, &known) != 0)
		return;
	service->storage->settle(service->storage->context, client, known.pid, true);
	entry = service_client_of(service, client);
	while (entry->first != 0)
		turn_session_end(turn, entry->first - 1);
	*entry = (struct service_client){ 0 };
	registry_client_drop(service->registry, client);
	service->n_clients--;
	effect = turn_effect(turn, EFFECT_FORGET);
	effect->client = client;
	effect->pid = known.pid;
	effect->uid = known.uid;
}

void client_execed(struct turn *turn, uint64_t client)
{
	struct service *service = turn->service;
	struct registry_client known;

	if (registry_client_get(service->registry, client, &known) != 0)
		return;
	service->storage->settle(service->storage->context, client, known.pid, false);
	service_client_of(service, client)->ledger_is_stale = true;
}

int32_t client_settle(const struct request *request)
{
	struct service *service = request->turn->service;
	struct registry_client known;

	if (registry_find_pid(service->registry, request->message->settle.pid, &known) &&
	    service->storage->has_exited(service->storage->context, known.client))
		client_exited(request->turn, known.client);
	/* It may have been a child that had only inherited what has been removed since. */
	segment_sweep(request->turn);
	return 0;
}

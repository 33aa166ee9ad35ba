/*
 * world.c
 *
 * world_check and world_verify:
 * 1. service_verify; verify only, because it takes long: registry_verify.
 * 2. Every object in the registry has its file, with its owner and mode, and there are no others.
 * 3. Every ledger is a watched process's in the registry; verify only: and every process has one.
 * Checked as it happens: nothing is sent to a session that is not open; a segment is destroyed
 * only when nobody has it attached; files and ledgers are made and ended once.
 */
#include "model/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/errno.h"
#include "core/session.h"

#define WORLD_NONCE 0x77u
#define WORLD_ROUNDS_MAX 100000u

#define must(condition) ((condition) ? (void)0 : must_not(#condition, __LINE__))

static _Noreturn void must_not(const char *condition, int line)
{
	(void)fprintf(stderr, "world.c:%d: it must be that %s\n", line, condition);
	abort();
}

static void *memory_new(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	must(memory != MAP_FAILED);
	return memory;
}

static bool call_fails(struct world *world, enum world_call call, int *ret_errno)
{
	world->n_calls[call]++;
	*ret_errno = world->fail_errno[call];
	world->fail_errno[call] = 0;
	return *ret_errno != 0;
}

static void moment(const struct world *world)
{
	if (world->observer)
		world->observer->moment(world->observer->context);
}

/* --- files ------------------------------------------------------------------------------------ */

static struct world_file *file_find(const struct world *world, enum ipc_kind kind, int32_t id)
{
	for (uint32_t i = 0; i < world->file_top; i++) {
		const struct world_file *file = &world->files[i];

		if (file->exists && file->kind == kind && file->object.id == id)
			return (struct world_file *)file;
	}
	return NULL;
}

const struct world_file *world_file(const struct world *world, enum ipc_kind kind, int32_t id)
{
	return file_find(world, kind, id);
}

uint32_t world_n_files(const struct world *world, enum ipc_kind kind)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < world->file_top; i++)
		n += world->files[i].exists && world->files[i].kind == kind;
	return n;
}

static int storage_create(void *context, enum ipc_kind kind, const struct registry_object *object,
			  uint64_t qbytes, uint64_t reserved_bytes)
{
	struct world *world = context;
	int error;

	must(!file_find(world, kind, object->id));
	moment(world);
	if (object->owner.mode & ABI_SHM_HUGETLB) {
		must(kind == IPC_KIND_SHM);
		if (object->owner.cuid != 0)
			return 1; /* EPERM: has no right to huge pages */
		if (registry_page_size(object) != UINT64_C(1) << WORLD_HUGE)
			return 12; /* ENOMEM: there are no such */
	}
	if (call_fails(world, WORLD_CREATE, &error))
		return error;
	for (uint32_t i = 0; i < WORLD_FILE_MAX; i++) {
		if (world->files[i].exists)
			continue;
		world->file_top = u32_max(world->file_top, i + 1);
		world->files[i] = (struct world_file){
			.exists = true,
			.kind = kind,
			.object = *object,
			.qbytes = qbytes,
			.reserved_bytes = reserved_bytes,
			.incomplete = true,
		};
		moment(world);
		world->files[i].incomplete = false;
		moment(world);
		return 0;
	}
	return 28; /* ENOSPC: the file system is full */
}

static int storage_set(void *context, enum ipc_kind kind, const struct registry_object *object,
		       const struct registry_object *before, uint64_t qbytes)
{
	struct world *world = context;
	struct world_file *file = file_find(world, kind, object->id);
	struct registry_object known;
	int error;

	must(file != NULL);
	must(before->id == object->id && before->size <= object->size);
	/* Who is woken now has to find the new permissions. */
	must(registry_get(&world->registry, kind, object->id, &known) == 0 &&
	     known.owner.mode == object->owner.mode && known.owner.uid == object->owner.uid);
	must(qbytes <= object->size || kind != IPC_KIND_MSG);
	moment(world);
	if (call_fails(world, WORLD_SET, &error))
		return error;
	file->incomplete = true;
	file->object = *object;
	moment(world);
	file->qbytes = qbytes;
	file->incomplete = false;
	moment(world);
	return 0;
}

static void storage_destroy(void *context, enum ipc_kind kind, int32_t id)
{
	struct world *world = context;
	struct world_file *file = file_find(world, kind, id);
	struct registry_object object;

	world->n_calls[WORLD_DESTROY]++;
	moment(world);
	/* Gone already: a daemon was killed between this and its next word in the registry. */
	must(file != NULL || world->restarting);
	if (!file)
		return;
	must(kind != IPC_KIND_SHM || world_n_attached(world, id) == 0);
	/* Nobody can begin to use it any more: its slot says so already. */
	must(registry_get(&world->registry, kind, id, &object) != 0);
	file->exists = false;
	moment(world);
}

/* --- ledgers ---------------------------------------------------------------------------------- */

static struct world_ledger *ledger_find(const struct world *world, uint64_t client)
{
	for (uint32_t i = 0; i < world->ledger_top; i++)
		if (world->ledgers[i].client == client)
			return (struct world_ledger *)&world->ledgers[i];
	return NULL;
}

static struct world_ledger *ledger_take(struct world *world)
{
	struct world_ledger *ledger = ledger_find(world, 0);

	if (!ledger && world->ledger_top < WORLD_LEDGER_MAX)
		ledger = &world->ledgers[world->ledger_top++];
	return ledger;
}

/* The stamps that a ledger keeps of what was detached go with it. */
static void attachments_forget(struct world *world, uint64_t client)
{
	for (uint32_t i = 0; i < world->attach_top; i++)
		if (world->attachments[i].client == client)
			world->attachments[i] = (struct world_attach){ 0 };
}

static int storage_ledger_make(void *context, const struct registry_client *owner, uint32_t gid)
{
	struct world *world = context;
	struct world_ledger *ledger = ledger_find(world, owner->client);
	bool watched = ledger && ledger->watched;
	int error;

	(void)gid; /* the world has no groups */
	must(owner->client != 0);
	moment(world);
	if (call_fails(world, WORLD_LEDGER_MAKE, &error))
		return error;
	if (!ledger)
		ledger = ledger_take(world);
	if (!ledger)
		return 28;
	*ledger = (struct world_ledger){
		.client = owner->client, .pid = owner->pid, .uid = owner->uid,
		.watched = watched, .known = watched };
	attachments_forget(world, owner->client);
	moment(world);
	return 0;
}

/* As the daemon does: what a process had ended with it, told or not. */
static bool attach_counts(const struct world *world, const struct world_attach *attach, int32_t shmid)
{
	const struct world_ledger *ledger;

	if (attach->client == 0 || attach->shmid != shmid || attach->n == 0)
		return false;
	ledger = ledger_find(world, attach->client);
	return !ledger || !ledger->exited;
}

static struct world_attach *attach_find(const struct world *world, uint64_t client, int32_t shmid)
{
	for (uint32_t i = 0; i < world->attach_top; i++) {
		const struct world_attach *attach = &world->attachments[i];

		if (attach->client == client && (client == 0 || attach->shmid == shmid))
			return (struct world_attach *)attach;
	}
	return NULL;
}

void world_attach(struct world *world, uint64_t client, int32_t shmid, uint32_t pid)
{
	struct world_attach *attach = attach_find(world, client, shmid);

	if (!attach)
		attach = attach_find(world, 0, 0);
	if (!attach && world->attach_top < WORLD_ATTACH_MAX)
		attach = &world->attachments[world->attach_top++];
	if (!attach)
		return;
	attach->client = client;
	attach->shmid = shmid;
	attach->n++;
	attach->pid = pid;
	attach->attach_ns = ++world->now_ns;
}

void world_detach(struct world *world, uint64_t client, int32_t shmid, uint32_t pid)
{
	struct world_attach *attach = attach_find(world, client, shmid);

	if (!attach || attach->n == 0)
		return;
	attach->n--;
	attach->pid = pid;
	attach->detach_ns = ++world->now_ns;
}

uint32_t world_n_attached(const struct world *world, int32_t shmid)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < world->attach_top; i++)
		if (attach_counts(world, &world->attachments[i], shmid))
			n += world->attachments[i].n;
	return n;
}

static void sum_add(struct ledger_sum *sum, const struct world_attach *attach)
{
	if (attach->attach_ns > sum->attach_ns) {
		sum->attach_ns = attach->attach_ns;
		sum->attach_pid = attach->pid;
	}
	if (attach->detach_ns > sum->detach_ns) {
		sum->detach_ns = attach->detach_ns;
		sum->detach_pid = attach->pid;
	}
}

static int storage_attach_sum(void *context, int32_t shmid, bool exact, struct ledger_sum *ret_sum)
{
	struct world *world = context;
	struct ledger_sum sum = { 0 };
	int error;

	moment(world);
	if (world->attach_before_sum > 0 && --world->attach_before_sum == 0)
		world_attach(world, world->attach_client, shmid, 1);
	if (call_fails(world, WORLD_ATTACH_SUM, &error))
		return error;
	for (uint32_t i = 0; i < world->attach_top; i++)
		if (world->attachments[i].client != 0 && world->attachments[i].shmid == shmid)
			sum_add(&sum, &world->attachments[i]);
	sum.n_attached = world_n_attached(world, shmid);
	/* The least that is promised. */
	if (!exact && sum.n_attached > 0)
		sum = (struct ledger_sum){ .n_attached = 1 };
	world->summed = shmid;
	moment(world);
	world->summed = -1;
	*ret_sum = sum;
	return 0;
}

static bool storage_attached_alone(void *context, int32_t shmid, uint64_t client, uint64_t n_attached)
{
	struct world *world = context;
	uint64_t n_own = 0;

	moment(world);
	for (uint32_t i = 0; i < WORLD_ATTACH_MAX; i++) {
		const struct world_attach *attach = &world->attachments[i];

		if (attach->shmid != shmid || attach->n == 0)
			continue;
		if (attach->client != client)
			return false;
		n_own += attach->n;
	}
	return n_own == n_attached;
}

/* Ends the attachments of a client; each is told to the service later. */
static void storage_settle(void *context, uint64_t client, uint32_t pid, bool dead)
{
	struct world *world = context;
	struct world_ledger *ledger = ledger_find(world, client);

	world->n_calls[WORLD_SETTLE]++;
	must(!ledger || ledger->pid == pid);
	moment(world);
	if (ledger && dead) {
		ledger->exited = true;
		ledger->settled = true;
	}
	for (uint32_t i = 0; i < world->attach_top; i++) {
		struct world_attach *attach = &world->attachments[i];
		struct ledger_sum sum = { 0 };
		struct event event;

		if (attach->client != client)
			continue;
		event = world_event(world, EVENT_DETACHED);
		must(world->n_detached < WORLD_DETACHED_MAX);
		if (attach->n > 0)
			attach->detach_ns = world->now_ns;
		attach->n = 0;
		event.shmid = attach->shmid;
		sum_add(&sum, attach);
		service_fold(world->service, attach->shmid, &sum);
		world->detached[world->n_detached++] = event;
	}
	moment(world);
}

static bool storage_has_exited(void *context, uint64_t client)
{
	const struct world_ledger *ledger = ledger_find(context, client);

	return !ledger || ledger->exited;
}

/*
 * As good as a set or queue as far as the service knows: calls of odd numbers are done, others stand if they
 * may, and nothing stands for long.
 */
static int storage_stead(void *context, const struct service_stead *ask, struct service_stood *ret_stood)
{
	struct world *world = context;
	const struct proto_stead *call = ask->call;

	moment(world);
	must(file_find(world, (enum ipc_kind)call->kind, call->id) != NULL);
	must(ask->object->id == call->id && ledger_find(world, ask->client) != NULL);
	must(ask->stead.number == call->number && (call->flags & PROTO_STEAD_WAIT || !ask->stead.may_wait));
	must(call->what != PROTO_STEAD_END || !ask->stead.may_begin);
	if (call->what == PROTO_STEAD_OP && call->number % 16 == 15)
		return ABI_ERANGE;
	ret_stood->type = call->type;
	ret_stood->size = call->number;
	ret_stood->state = !ask->stead.may_begin ? SERVICE_STOOD_NOT
			   : call->number % 2    ? SERVICE_STOOD_DONE
			   : ask->stead.may_wait ? SERVICE_STOOD_WAITS
						 : SERVICE_STOOD_NOT;
	moment(world);
	return 0;
}

/* Everybody is in group 1. */
static bool storage_has_group(void *context, uint64_t client, uint32_t gid)
{
	must(ledger_find(context, client) != NULL);
	return gid == 1;
}

void world_die(struct world *world, uint64_t client)
{
	struct world_ledger *ledger = client != 0 ? ledger_find(world, client) : NULL;

	if (ledger)
		ledger->exited = true;
}

/* --- the daemon ------------------------------------------------------------------------------- */

static void service_begin(struct world *world)
{
	struct registry_client known;

	must(registry_bind(&world->registry, world->registry_memory, registry_size()) == 0);
	registry_write_huge(&world->registry, WORLD_HUGE);
	world->service = memory_new(service_size());
	service_start(world->service, &world->registry, &world->storage, world->owner_uid, 1,
		      world->now_ns);
	while (service_next_known(world->service, &known)) {
		struct world_ledger *ledger = ledger_find(world, known.client);

		must(ledger != NULL);
		ledger->watched = true;
		ledger->known = true;
	}
}

void world_init(struct world *world, uint32_t owner_uid)
{
	struct registry_limits limits;

	world->owner_uid = owner_uid;
	world->now_ns = 1000000000000u;
	world->summed = -1;
	world->registry_memory = memory_new(registry_size());
	world->storage = (struct service_storage){
		.context = world,
		.create = storage_create,
		.set = storage_set,
		.destroy = storage_destroy,
		.ledger_make = storage_ledger_make,
		.attach_sum = storage_attach_sum,
		.attached_alone = storage_attached_alone,
		.settle = storage_settle,
		.has_exited = storage_has_exited,
		.stead = storage_stead,
		.has_group = storage_has_group,
	};
	registry_limits_default(&limits);
	registry_format(world->registry_memory, WORLD_NONCE, &limits);
	service_begin(world);
}

void world_deinit(struct world *world)
{
	if (world->service)
		(void)munmap(world->service, service_size()); /* cannot fail: our own mapping */
	if (world->registry_memory)
		(void)munmap(world->registry_memory, registry_size());
	world->service = NULL;
	world->registry_memory = NULL;
}

/* As src/daemon does: before the service starts, changes cut short go back to what the registry has. */
static void files_check(struct world *world)
{
	for (uint32_t i = 0; i < world->file_top; i++) {
		struct world_file *file = &world->files[i];
		struct registry_object object;

		if (!file->exists ||
		    registry_get(&world->registry, file->kind, file->object.id, &object) != 0)
			continue;
		file->object = object;
		if (file->kind == IPC_KIND_SHM)
			file->incomplete = false; /* others are set again by the service */
	}
	for (uint32_t k = 0; k < IPC_KIND_COUNT; k++)
		for (uint32_t i = 0; i <= registry_index_max(&world->registry, (enum ipc_kind)k); i++) {
			struct registry_object object;

			must(registry_get_index(&world->registry, (enum ipc_kind)k, i, &object) != 0 ||
			     file_find(world, (enum ipc_kind)k, object.id));
		}
}

/* Afterwards: what belongs to nobody goes. */
static void files_sweep(struct world *world)
{
	struct registry_object object;
	struct registry_client known;

	for (uint32_t i = 0; i < world->file_top; i++) {
		struct world_file *file = &world->files[i];

		if (file->exists &&
		    registry_get(&world->registry, file->kind, file->object.id, &object) != 0)
			file->exists = false;
	}
	for (uint32_t i = 0; i < world->ledger_top; i++) {
		uint64_t client = world->ledgers[i].client;

		if (client == 0 || registry_client_get(&world->registry, client, &known) == 0)
			continue;
		must(world->ledgers[i].settled || !world->ledgers[i].known);
		attachments_forget(world, client);
		world->ledgers[i] = (struct world_ledger){ 0 };
	}
}

void world_restart(struct world *world)
{
	if (world->service)
		(void)munmap(world->service, service_size());
	world->service = NULL;
	world->restarting = true;
	world->summed = -1;
	memset(world->sessions, 0, sizeof(world->sessions));
	world->n_detached = 0;
	for (uint32_t i = 0; i < world->ledger_top; i++)
		world->ledgers[i].watched = false;
	must(registry_repair(&world->registry));
	files_check(world);
	service_begin(world);
	files_sweep(world);
	world->restarting = false;
}

struct event world_event(const struct world *world, enum event_type type)
{
	return (struct event){
		.type = type,
		.now_s = (int64_t)(world->now_ns / 1000000000u),
		.now_ns = world->now_ns,
		.monotonic_ns = world->now_ns,
	};
}

static void effect_send(struct world *world, const struct effect *effect)
{
	struct world_session *session = &world->sessions[effect->session];
	struct frame_reader reader = { 0 };
	struct frame frame;

	must(effect->n_bytes <= FRAME_SIZE_MAX);
	must(frame_push(&reader, effect->bytes, effect->n_bytes) == effect->n_bytes);
	must(frame_next(&reader, &frame) == FRAME_READY);
	must(proto_decode(frame.type, frame.request, frame.body, frame.body_size,
			  &session->last) == 0);
	if (session->last.type == PROTO_WELCOME)
		session->client = session->last.welcome.client;
	session->n_received++;
}

static void effect_carry_out(struct world *world, const struct effect *effect)
{
	struct world_ledger *ledger;

	must(effect->session < WORLD_SESSION_MAX);
	switch (effect->type) {
	case EFFECT_ADMIT:
		must(!world->sessions[effect->session].open);
		world->sessions[effect->session] = (struct world_session){ .open = true };
		world->admitting = true;
		world->admit_session = effect->session;
		world->n_admits++;
		break;
	case EFFECT_SEND:
		must(world->sessions[effect->session].open);
		effect_send(world, effect);
		break;
	case EFFECT_CLOSE:
		must(world->sessions[effect->session].open);
		world->sessions[effect->session].open = false;
		break;
	case EFFECT_WATCH:
		ledger = ledger_find(world, effect->client);
		must(ledger && !ledger->watched && ledger->pid == effect->pid);
		ledger->watched = true;
		ledger->known = true;
		break;
	case EFFECT_FORGET:
		ledger = ledger_find(world, effect->client);
		must(ledger && ledger->watched && ledger->settled);
		attachments_forget(world, effect->client);
		*ledger = (struct world_ledger){ 0 };
		break;
	case EFFECT_LOG:
		must(memchr(effect->text, 0, sizeof(effect->text)) != NULL);
		memcpy(world->log, effect->text, sizeof(world->log));
		world->n_logs++;
		break;
	}
}

static void step_once(struct world *world, const struct event *event)
{
	world->now_ns += 1000;
	service_step(world->service, event, &world->effects);
	for (uint32_t i = 0; i < world->effects.n; i++) {
		moment(world);
		effect_carry_out(world, &world->effects.list[i]);
		if (world->observer)
			world->observer->effect(world->observer->context, &world->effects.list[i]);
	}
}

void world_step(struct world *world, const struct event *event)
{
	step_once(world, event);
	while (world->n_detached > 0) {
		struct event detached = world->detached[--world->n_detached];

		step_once(world, &detached);
	}
}

void world_drain(struct world *world)
{
	uint32_t session;

	for (uint32_t i = 0; service_has_pending(world->service, &session); i++) {
		struct event event = world_event(world, EVENT_INPUT);

		must(i < WORLD_ROUNDS_MAX);
		event.session = session;
		world_step(world, &event);
	}
}

void world_input(struct world *world, uint32_t session, const uint8_t *bytes, size_t n_bytes)
{
	struct event event = world_event(world, EVENT_INPUT);

	event.session = session;
	event.bytes = bytes;
	event.n_bytes = n_bytes;
	world_step(world, &event);
}

uint32_t world_connect(struct world *world, uint32_t uid, uint32_t pid, uint64_t start_time)
{
	struct proto_hello hello = { .version = PROTO_VERSION, .pid = pid, .name = "p" };
	struct event event = world_event(world, EVENT_REGISTER);
	uint8_t record[PROTO_HELLO_SIZE];
	uint32_t session;

	if (world->hello_version != 0)
		hello.version = world->hello_version;
	proto_hello_encode(&hello, record);
	event.bytes = record;
	event.n_bytes = sizeof(record);
	world->admitting = false;
	world_step(world, &event);
	if (!world->admitting)
		return SESSION_MAX;
	session = world->admit_session;
	event = world_event(world, EVENT_ADMITTED);
	event.session = session;
	event.uid = uid;
	event.gid = uid;
	event.pid = pid;
	event.start_time = start_time;
	world_step(world, &event);
	must(world->sessions[session].last.type == PROTO_WELCOME);
	return world->sessions[session].open ? session : SESSION_MAX;
}

bool world_request(struct world *world, uint32_t session, const struct proto_message *message,
		   struct proto_message *ret_answer)
{
	uint32_t n_before = world->sessions[session].n_received;
	uint8_t frame[FRAME_SIZE_MAX];

	world_input(world, session, frame, proto_encode(message, frame));
	world_drain(world);
	if (!world->sessions[session].open || world->sessions[session].n_received != n_before + 1)
		return false;
	*ret_answer = world->sessions[session].last;
	return true;
}

/* --- verify ----------------------------------------------------------------------------------- */

static bool verify_file(const struct world *world, const struct world_file *file)
{
	struct registry_object object;

	if (registry_get(&world->registry, file->kind, file->object.id, &object) != 0)
		return false;
	return object.owner.uid == file->object.owner.uid &&
	       object.owner.cuid == file->object.owner.cuid &&
	       (object.owner.mode & ABI_MODE_BITS) == (file->object.owner.mode & ABI_MODE_BITS) &&
	       object.size == file->object.size &&
	       (file->kind == IPC_KIND_SHM || object.generation == file->object.generation);
}

bool world_check(const struct world *world)
{
	struct registry_client known;

	if (!service_verify(world->service))
		return false;
	for (uint32_t i = 0; i < world->file_top; i++)
		if (world->files[i].exists && !verify_file(world, &world->files[i]))
			return false;
	for (uint32_t k = 0; k < IPC_KIND_COUNT; k++)
		if (registry_count(&world->registry, (enum ipc_kind)k) !=
		    world_n_files(world, (enum ipc_kind)k))
			return false;
	for (uint32_t i = 0; i < world->ledger_top; i++) {
		const struct world_ledger *ledger = &world->ledgers[i];

		if (ledger->client == 0)
			continue;
		if (!ledger->watched ||
		    registry_client_get(&world->registry, ledger->client, &known) != 0)
			return false;
	}
	return true;
}

bool world_verify(const struct world *world)
{
	struct registry_client known;

	if (!world_check(world) || !registry_verify(&world->registry))
		return false;
	for (uint32_t row = 0; row < CLIENT_MAX; row++)
		if (registry_client_row(&world->registry, row, &known) == 0 &&
		    !ledger_find(world, known.client))
			return false;
	return true;
}

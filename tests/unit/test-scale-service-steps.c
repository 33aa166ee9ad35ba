/*
 * test-scale-service-steps.c: what an event costs the service, with tables of full size: beside a few
 * processes and beside ten thousand, with a few objects and with nearly all there can be.  Steps are counted,
 * not time: blocks of code of src/core (the variant is built for that: each turn of each loop is one, in private
 * memory, too), accesses to the registry, effects, calls of the storage.
 *
 * Every event costs the same, but for what it says: bits of a table looked through for a free place or a removed
 * segment, 64 in a word; removed segments looked at again, SERVICE_REAPS_PER_STEP_MAX at most; chains of hash
 * tables, which are longer in a full table than in an empty one, by one or two on average.
 * Only a start looks at everything, once.  What the storage's calls cost is not the service's: test-scale-daemon-steps.c.
 */
#include "test.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/errno.h"
#include "core/service-internal.h"

#ifndef USYSV_HOOKS
#error "to be built with -DUSYSV_HOOKS"
#endif

/* Of each operation the mean of so many. */
#define TRIES 16u

/* Blocks: so much more are longer chains. */
#define CHAINS 200u
/* For a word of a bitmap, and for a removed segment. */
#define BLOCKS_PER_WORD 4u
#define BLOCKS_PER_SEGMENT 200u
#define WORDS (OBJECT_MAX / 64)

/* For each object and each row of processes, when a daemon starts. */
#define BLOCKS_PER_START 250u

/* Of each kind a few more can be made. */
#define OBJECTS_MOST (OBJECT_MAX - 64)

struct cost {
	uint64_t n_blocks;
	uint64_t n_accesses;
	uint64_t n_effects;
	uint64_t n_calls;
};

static struct cost cost;
static bool is_counting;

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
	cost.n_blocks += is_counting;
}

void hook_access(enum hook_kind kind, const volatile void *address)
{
	(void)kind;
	(void)address;
	cost.n_accesses += is_counting;
}

uint64_t hook_value(const volatile void *address, uint64_t value)
{
	(void)address;
	return value;
}

/* --- storage, which only counts ---------------------------------------------------------------- */

struct scene {
	const char *name;
	uint32_t n_processes;
	uint32_t n_objects; /* of each kind */
	uint32_t n_removed; /* segments among them that somebody has attached */
	bool is_emptied;    /* there were as many as there can be */

	uint8_t *registry_memory;
	struct registry registry;
	struct service *service;
	struct service_storage storage;
	struct effects effects;
	uint64_t now_ns;
	uint32_t n_attached; /* of every segment */
	uint64_t exited;     /* who has */

	uint32_t asker; /* session; each operation has another one */
	uint32_t pid;   /* the asker's */
	int32_t key;    /* the last one made */
	int32_t known;  /* one of those there are */
	int32_t ids[IPC_KIND_COUNT]; /* first object of each kind */
};

static int counted(int result)
{
	cost.n_calls += is_counting;
	return result;
}

static int storage_create(void *context, enum ipc_kind kind, const struct registry_object *object, uint64_t qbytes,
			  uint64_t reserved_bytes)
{
	(void)context, (void)kind, (void)object, (void)qbytes, (void)reserved_bytes;
	return counted(0);
}

static int storage_set(void *context, enum ipc_kind kind, const struct registry_object *object,
		       const struct registry_object *before, uint64_t qbytes)
{
	(void)context, (void)kind, (void)object, (void)before, (void)qbytes;
	return counted(0);
}

static void storage_destroy(void *context, enum ipc_kind kind, int32_t id)
{
	(void)context, (void)kind, (void)id;
	(void)counted(0);
}

static int storage_ledger_make(void *context, const struct registry_client *owner, uint32_t gid)
{
	(void)context, (void)owner, (void)gid;
	return counted(0);
}

static int storage_attach_sum(void *context, int32_t shmid, bool exact, struct ledger_sum *ret_sum)
{
	const struct scene *scene = context;

	(void)shmid, (void)exact;
	*ret_sum = (struct ledger_sum){ .n_attached = scene->n_attached };
	return counted(0);
}

static bool storage_attached_alone(void *context, int32_t shmid, uint64_t client, uint64_t n_attached)
{
	(void)context, (void)shmid, (void)client, (void)n_attached;
	return counted(1);
}

static void storage_settle(void *context, uint64_t client, uint32_t pid, bool dead)
{
	(void)context, (void)client, (void)pid, (void)dead;
	(void)counted(0);
}

static bool storage_has_exited(void *context, uint64_t client)
{
	const struct scene *scene = context;

	return counted(client == scene->exited);
}

static int storage_stead(void *context, const struct service_stead *ask, struct service_stood *ret_stood)
{
	(void)context, (void)ask;
	*ret_stood = (struct service_stood){ .state = SERVICE_STOOD_DONE };
	return counted(0);
}

static bool storage_has_group(void *context, uint64_t client, uint32_t gid)
{
	(void)context, (void)client, (void)gid;
	return counted(0);
}

static const struct service_storage storage_of_test = {
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

/* --- events ------------------------------------------------------------------------------------ */

static const struct effect *step(struct scene *scene, struct event *event)
{
	scene->now_ns += 1000;
	event->now_ns = scene->now_ns;
	event->monotonic_ns = scene->now_ns;
	event->now_s = (int64_t)(scene->now_ns / 1000000); /* so that there is room for lines in the log */
	is_counting = true;
	service_step(scene->service, event, &scene->effects);
	is_counting = false;
	cost.n_effects += scene->effects.n;
	return scene->effects.n > 0 ? &scene->effects.list[scene->effects.n - 1] : NULL;
}

static void step_simple(struct scene *scene, enum event_type type, uint32_t session, uint64_t client)
{
	(void)step(scene, &(struct event){ .type = type, .session = session, .client = client, .shmid = scene->ids[0] });
}

static const struct effect *feed(struct scene *scene, enum event_type type, uint32_t session, const void *bytes,
				 size_t n_bytes)
{
	return step(scene, &(struct event){ .type = type, .session = session, .bytes = bytes, .n_bytes = n_bytes });
}

static uint32_t hello(struct scene *scene, uint32_t pid)
{
	struct proto_hello said = { .version = PROTO_VERSION, .pid = pid, .name = "p" };
	uint8_t record[PROTO_HELLO_SIZE];
	const struct effect *effect;

	proto_hello_encode(&said, record);
	effect = feed(scene, EVENT_REGISTER, 0, record, sizeof(record));
	assert_true(effect && effect->type == EFFECT_ADMIT);
	return effect->session;
}

static uint32_t process_pid(const struct scene *scene, uint32_t process)
{
	return 1000 + process % scene->n_processes;
}

static uint32_t uid_of(uint32_t pid)
{
	return pid + 100000;
}

/* The session, whose client then is in the effect. */
static uint32_t connect_again(struct scene *scene, uint32_t pid, uint64_t start_time, uint64_t *ret_client)
{
	uint32_t session = hello(scene, pid);
	const struct effect *effect = step(scene, &(struct event){
		.type = EVENT_ADMITTED, .session = session, .pid = pid, .uid = uid_of(pid),
		.gid = uid_of(pid), .start_time = start_time });

	assert_true(effect && effect->type == EFFECT_SEND && effect->session == session);
	*ret_client = effect->client;
	return session;
}

static struct proto_message ask(struct scene *scene, const struct proto_message *message, int32_t error)
{
	struct frame_reader reader = { 0 };
	struct proto_message answer = { 0 };
	uint8_t bytes[FRAME_SIZE_MAX];
	const struct effect *effect = feed(scene, EVENT_INPUT, scene->asker, bytes, proto_encode(message, bytes));
	struct frame frame;

	/* A line for the log may follow. */
	while (effect && effect->type == EFFECT_LOG && effect > scene->effects.list)
		effect--;
	assert_true(effect && effect->type == EFFECT_SEND && effect->session == scene->asker);
	assert_int_equal(frame_push(&reader, effect->bytes, effect->n_bytes), effect->n_bytes);
	assert_int_equal(frame_next(&reader, &frame), FRAME_READY);
	assert_int_equal(proto_decode(frame.type, frame.request, frame.body, frame.body_size, &answer), 0);
	assert_int_equal(answer.reply.error, error); /* all answers begin with it */
	return answer;
}

/* As the first process, whose session, objects and namespace are the first ones. */
static void ask_as_owner(struct scene *scene, const struct proto_message *message)
{
	scene->asker = 0;
	(void)ask(scene, message, 0);
}

static int32_t create(struct scene *scene, enum ipc_kind kind, int32_t key, uint32_t flags, int32_t error)
{
	static uint32_t request;

	return ask(scene, &(struct proto_message){
		.type = PROTO_CREATE, .request = ++request,
		.create = { .kind = kind, .key = key, .size = kind != IPC_KIND_MSG, .flags = flags | 0600 } },
		error).reply.id;
}

static void about(struct scene *scene, enum proto_type type, enum ipc_kind kind, int32_t id, uint32_t argument)
{
	(void)ask(scene, &(struct proto_message){
		.type = type, .object = { .kind = kind, .id = id, .argument = argument } }, 0);
}

/* --- scenes ------------------------------------------------------------------------------------ */

static void *memory_new(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_true(memory != MAP_FAILED);
	return memory;
}

static void scene_start(struct scene *scene)
{
	scene->service = memory_new(service_size());
	scene->storage = storage_of_test;
	scene->storage.context = scene;
	is_counting = true;
	service_start(scene->service, &scene->registry, &scene->storage,
		      uid_of(process_pid(scene, 0)), 1, scene->now_ns);
	is_counting = false;
}

/* Everybody makes some. */
static void scene_fill(struct scene *scene, enum ipc_kind kind, uint32_t n, uint32_t n_kept)
{
	int32_t *ids = calloc(n, sizeof(*ids));

	assert_non_null(ids);
	for (uint32_t i = 0; i < n; i++) {
		scene->asker = i % scene->n_processes;
		ids[i] = create(scene, kind, (int32_t)i + 1, ABI_IPC_CREAT, 0);
	}
	scene->ids[kind] = ids[0];
	scene->n_attached = 0;
	for (uint32_t i = n_kept; i < n; i++) {
		scene->asker = i % scene->n_processes;
		about(scene, PROTO_REMOVE, kind, ids[i], 0);
	}
	scene->n_attached = 1;
	for (uint32_t i = n_kept - scene->n_removed; kind == IPC_KIND_SHM && i < n_kept; i++) {
		scene->asker = i % scene->n_processes;
		about(scene, PROTO_REMOVE, kind, ids[i], 0);
	}
	free(ids);
}

static void scene_open(struct scene *scene)
{
	struct registry_limits limits;
	uint64_t client;

	registry_limits_default(&limits);
	limits.shmmni = limits.semmni = limits.msgmni = OBJECT_MAX;
	scene->now_ns = 1000000000000;
	scene->registry_memory = memory_new(registry_size());
	registry_format(scene->registry_memory, 77, &limits);
	assert_int_equal(registry_bind(&scene->registry, scene->registry_memory, registry_size()), 0);
	scene_start(scene);
	for (uint32_t i = 0; i < scene->n_processes; i++)
		assert_int_equal(connect_again(scene, process_pid(scene, i), 1, &client), i);
	for (uint32_t kind = 0; kind < IPC_KIND_COUNT; kind++)
		scene_fill(scene, (enum ipc_kind)kind, scene->is_emptied ? OBJECT_MAX : scene->n_objects,
			   scene->n_objects);
	scene->key = 1000000;
}

static void scene_close(struct scene *scene)
{
	assert_int_equal(munmap(scene->service, service_size()), 0);
	assert_int_equal(munmap(scene->registry_memory, registry_size()), 0);
}

/* --- operations -------------------------------------------------------------------------------- */

#define NEW_PID 90000u

static void do_refused(struct scene *scene)
{
	step_simple(scene, EVENT_REFUSED, hello(scene, NEW_PID), 0);
}

static void do_garbage(struct scene *scene)
{
	static uint8_t bytes[SERVICE_INPUT_MAX];

	memset(bytes, 'U', sizeof(bytes));
	(void)feed(scene, EVENT_REGISTER, 0, bytes, sizeof(bytes));
	scene->service->hello_used = 0; /* as the next record would find it sooner or later */
}

static void do_session(struct scene *scene)
{
	uint64_t client;

	step_simple(scene, EVENT_HANGUP, connect_again(scene, scene->pid, 1, &client), 0);
}

/* More sessions than a process may have: the oldest goes, which is the asker's here, so it is another process. */
static void do_sessions(struct scene *scene)
{
	uint64_t client;

	for (uint32_t i = 0; i <= SESSION_PER_CLIENT_MAX; i++)
		(void)connect_again(scene, NEW_PID, 1, &client);
	step_simple(scene, EVENT_EXITED, 0, client);
}

static void do_bad_frame(struct scene *scene)
{
	uint64_t client;
	uint32_t session = connect_again(scene, scene->pid, 1, &client);
	const struct effect *effect = feed(scene, EVENT_INPUT, session, "\377\377\377\377", 4);

	assert_true(effect && effect->type == EFFECT_CLOSE);
}

static void do_process(struct scene *scene)
{
	uint64_t client;

	(void)connect_again(scene, NEW_PID, 1, &client);
	step_simple(scene, EVENT_EXITED, 0, client);
}

/* Its number is another process's before its end is told. */
static void do_process_again(struct scene *scene)
{
	uint64_t client;

	(void)connect_again(scene, NEW_PID, 1, &client);
	(void)connect_again(scene, NEW_PID, 2, &client);
	step_simple(scene, EVENT_EXITED, 0, client);
}

static void do_exec(struct scene *scene)
{
	uint64_t client;
	uint32_t session = connect_again(scene, scene->pid, 1, &client);

	step_simple(scene, EVENT_EXECED, 0, client);
	step_simple(scene, EVENT_HANGUP, session, 0);
	session = connect_again(scene, scene->pid, 1, &client);
	step_simple(scene, EVENT_HANGUP, session, 0);
}

static void do_ping(struct scene *scene)
{
	(void)ask(scene, &(struct proto_message){ .type = PROTO_PING }, 0);
}

/* As many requests as are carried out in one turn, and some for the next. */
static void do_flood(struct scene *scene)
{
	uint8_t bytes[2 * SESSION_REQUESTS_PER_TURN_MAX * FRAME_HEADER_SIZE];
	struct proto_message ping = { .type = PROTO_PING };
	uint8_t frame[FRAME_SIZE_MAX];
	uint32_t session = 0;
	size_t size = proto_encode(&ping, frame);

	for (uint32_t i = 0; i < SESSION_REQUESTS_PER_TURN_MAX + 8; i++)
		memcpy(bytes + i * size, frame, size);
	(void)feed(scene, EVENT_INPUT, scene->asker, bytes, (SESSION_REQUESTS_PER_TURN_MAX + 8) * size);
	is_counting = true;
	assert_true(service_has_pending(scene->service, &session));
	is_counting = false;
	assert_int_equal(session, scene->asker);
	(void)feed(scene, EVENT_INPUT, session, NULL, 0);
	assert_false(service_has_pending(scene->service, &session));
}

static void do_make(struct scene *scene, enum ipc_kind kind)
{
	uint32_t n_attached = scene->n_attached;

	scene->n_attached = 0;
	about(scene, PROTO_REMOVE, kind, create(scene, kind, ++scene->key, ABI_IPC_CREAT | ABI_IPC_EXCL, 0), 0);
	scene->n_attached = n_attached;
}

static void do_make_shm(struct scene *scene)
{
	do_make(scene, IPC_KIND_SHM);
}

static void do_make_sem(struct scene *scene)
{
	do_make(scene, IPC_KIND_SEM);
}

static void do_make_msg(struct scene *scene)
{
	do_make(scene, IPC_KIND_MSG);
}

static void do_get(struct scene *scene)
{
	(void)create(scene, IPC_KIND_SEM, scene->known, ABI_IPC_CREAT, 0);
	(void)create(scene, IPC_KIND_SEM, scene->known, ABI_IPC_CREAT | ABI_IPC_EXCL, ABI_EEXIST);
	(void)create(scene, IPC_KIND_SEM, ++scene->key, 0, ABI_ENOENT);
}

/* Removed while somebody has it; goes when he detaches it. */
static void do_remove_attached(struct scene *scene)
{
	int32_t id = create(scene, IPC_KIND_SHM, ++scene->key, ABI_IPC_CREAT, 0);
	uint32_t n_attached = scene->n_attached;

	about(scene, PROTO_REMOVE, IPC_KIND_SHM, id, 0);
	scene->n_attached = 0;
	(void)step(scene, &(struct event){ .type = EVENT_DETACHED, .shmid = id });
	scene->n_attached = n_attached;
	assert_int_equal(registry_count(&scene->registry, IPC_KIND_SHM), scene->n_objects);
}

static void do_set(struct scene *scene)
{
	for (uint32_t kind = 0; kind < IPC_KIND_COUNT; kind++) {
		ask_as_owner(scene, &(struct proto_message){
			.type = PROTO_SET,
			.set = { .kind = kind, .id = scene->ids[kind], .uid = uid_of(process_pid(scene, 0)),
				 .gid = 1, .mode = 0600, .qbytes = 100 } });
	}
}

static void do_stat(struct scene *scene)
{
	about(scene, PROTO_SHM_STAT, IPC_KIND_SHM, scene->ids[0], 0);
	about(scene, PROTO_SHM_STAT, IPC_KIND_SHM, scene->ids[0], 1);
}

static void do_lock(struct scene *scene)
{
	ask_as_owner(scene, &(struct proto_message){
		.type = PROTO_SHM_LOCK, .object = { .kind = IPC_KIND_SHM, .id = scene->ids[0], .argument = 1 } });
}

static void do_stead(struct scene *scene)
{
	ask_as_owner(scene, &(struct proto_message){
		.type = PROTO_STEAD,
		.stead = { .kind = IPC_KIND_SEM, .id = scene->ids[IPC_KIND_SEM], .what = PROTO_STEAD_SET_ONE,
			   .number = 1, .size = 1 } });
}

static void do_settle(struct scene *scene)
{
	struct proto_message request = { .type = PROTO_SETTLE, .settle = { .pid = NEW_PID } };

	(void)connect_again(scene, NEW_PID, 1, &scene->exited);
	(void)ask(scene, &request, 0);
	scene->exited = 0;
	request.settle.pid = scene->pid;
	(void)ask(scene, &request, 0);
}

static void do_notices(struct scene *scene)
{
	struct proto_message notice = { .type = PROTO_DETACHED, .object = { .id = scene->ids[0] } };
	uint8_t bytes[FRAME_SIZE_MAX];
	uint64_t client;
	uint32_t session = connect_again(scene, scene->pid, 1, &client);

	(void)feed(scene, EVENT_INPUT, session, bytes, proto_encode(&notice, bytes));
	notice = (struct proto_message){ .type = PROTO_LEAVE };
	(void)feed(scene, EVENT_INPUT, session, bytes, proto_encode(&notice, bytes));
	step_simple(scene, EVENT_HANGUP, session, 0);
}

static void do_limits(struct scene *scene)
{
	struct proto_message request = { .type = PROTO_LIMITS };

	registry_read_limits(&scene->registry, &request.limits);
	ask_as_owner(scene, &request);
}

static void do_tick(struct scene *scene)
{
	step_simple(scene, EVENT_TICK, 0, 0);
}

/* What of a scene's size an operation may cost: bitmaps looked through, sweeps of removed segments. */
static const struct operation {
	const char *name;
	void (*run)(struct scene *scene);
	uint32_t n_bitmaps;
	uint32_t n_sweeps;
} operations[] = {
	{ "bytes that are no registration", do_garbage, 0, 0 },
	{ "registration refused", do_refused, 0, 0 },
	{ "session opened and closed", do_session, 0, 0 },
	{ "more sessions than a process may have", do_sessions, 2, 0 },
	{ "session that sends no frame", do_bad_frame, 0, 0 },
	{ "process come and gone", do_process, 2, 0 },
	{ "process of the same number", do_process_again, 4, 0 },
	{ "exec", do_exec, 0, 0 },
	{ "ping", do_ping, 0, 0 },
	{ "more requests than a turn's", do_flood, 0, 0 },
	{ "segment made and removed", do_make_shm, 2, 0 },
	{ "set made and removed", do_make_sem, 2, 0 },
	{ "queue made and removed", do_make_msg, 2, 0 },
	{ "key looked up", do_get, 0, 0 },
	{ "segment removed, then detached", do_remove_attached, 2, 0 },
	{ "IPC_SET", do_set, 0, 0 },
	{ "IPC_STAT of a segment", do_stat, 0, 0 },
	{ "SHM_LOCK", do_lock, 0, 0 },
	{ "call in somebody's stead", do_stead, 0, 0 },
	{ "processes settled", do_settle, 4, 2 },
	{ "notices", do_notices, 0, 0 },
	{ "limits", do_limits, 0, 0 },
	{ "tick", do_tick, 1, 1 },
};

/* The mean of some, each by another process. */
static struct cost cost_of(struct scene *scene, const struct operation *operation)
{
	cost = (struct cost){ 0 };
	for (uint32_t i = 0; i < TRIES; i++) {
		scene->asker = i * (scene->n_processes / 8) % scene->n_processes;
		scene->pid = process_pid(scene, scene->asker);
		scene->known = 1 + (int32_t)(i % 10);
		operation->run(scene);
	}
	return (struct cost){ cost.n_blocks / TRIES, cost.n_accesses / TRIES, cost.n_effects / TRIES,
			      cost.n_calls / TRIES };
}

static void assert_cost(const struct scene *scene, const struct operation *operation, const struct cost *few,
			const struct cost *now)
{
	uint64_t words = (uint64_t)operation->n_bitmaps * WORDS;
	uint64_t segments = (uint64_t)operation->n_sweeps * u32_min(scene->n_removed, SERVICE_REAPS_PER_STEP_MAX);

	print_message("  %s: %" PRIu64 " blocks, %" PRIu64 " accesses, %" PRIu64 " effects, %" PRIu64 " calls\n",
		      operation->name, now->n_blocks, now->n_accesses, now->n_effects, now->n_calls);
	assert_in_range(now->n_blocks, 1, few->n_blocks + CHAINS + words * BLOCKS_PER_WORD + segments * BLOCKS_PER_SEGMENT);
	assert_in_range(now->n_accesses, 0, few->n_accesses + CHAINS + words + segments * BLOCKS_PER_SEGMENT);
	assert_int_equal(now->n_effects, few->n_effects);
	assert_in_range(now->n_calls, few->n_calls, few->n_calls + segments);
}

static void every_event_costs_the_same_beside_many(void **state)
{
	static struct scene scenes[] = {
		{ .name = "a few", .n_processes = 8, .n_objects = 10 },
		{ .name = "more processes", .n_processes = 250, .n_objects = 10 },
		{ .name = "many processes", .n_processes = 10000, .n_objects = 10 },
		{ .name = "many objects", .n_processes = 8, .n_objects = OBJECTS_MOST },
		{ .name = "many of both", .n_processes = 10000, .n_objects = OBJECTS_MOST },
		{ .name = "many objects gone", .n_processes = 10000, .n_objects = 10, .is_emptied = true },
		{ .name = "a removed segment among many", .n_processes = 10000, .n_objects = OBJECTS_MOST,
		  .n_removed = 1 },
		{ .name = "many removed segments", .n_processes = 10000, .n_objects = OBJECTS_MOST,
		  .n_removed = 10000 },
	};
	struct cost few[ARRAY_SIZE(operations)];

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(scenes); i++) {
		scene_open(&scenes[i]);
		print_message("%s: %u processes, %u objects of each kind\n", scenes[i].name, scenes[i].n_processes,
			      scenes[i].n_objects);
		for (uint32_t k = 0; k < ARRAY_SIZE(operations); k++) {
			struct cost now = cost_of(&scenes[i], &operations[k]);

			if (i == 0)
				few[k] = now;
			assert_cost(&scenes[i], &operations[k], &few[k], &now);
		}
		assert_true(service_verify(scenes[i].service));
		scene_close(&scenes[i]);
	}
}

static void start_looks_at_everything_once(void **state)
{
	struct scene scene = { .n_processes = 10000, .n_objects = OBJECTS_MOST };
	uint64_t n = CLIENT_MAX + (uint64_t)IPC_KIND_COUNT * OBJECT_MAX;

	(void)state;
	scene_open(&scene);
	assert_int_equal(munmap(scene.service, service_size()), 0);
	cost = (struct cost){ 0 };
	is_counting = true;
	assert_true(registry_repair(&scene.registry));
	scene_start(&scene);
	print_message("start: %" PRIu64 " blocks, %" PRIu64 " accesses, %" PRIu64 " calls\n", cost.n_blocks,
		      cost.n_accesses, cost.n_calls);
	assert_in_range(cost.n_blocks, n, n * BLOCKS_PER_START);
	assert_int_equal(cost.n_calls, 0);
	assert_true(service_verify(scene.service));
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_costs_the_same_beside_many),
		cmocka_unit_test(start_looks_at_everything_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

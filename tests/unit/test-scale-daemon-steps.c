/*
 * test-scale-daemon-steps.c: what an operation costs the daemon beside a few processes and beside many: its
 * accesses to what is shared (registry, ledgers), and the blocks of its code that are run, counted, not timed.
 *
 * IPC_STAT of a segment adds up the ledgers of all processes, some accesses each, and the end of a set or
 * queue looks into some of them; everything else costs the same but for the bitmap in which a free row is looked for, one word for 64 of them.
 */
#include "daemon-fixture.h"

#ifndef USYSV_HOOKS
#error "to be built with -DUSYSV_HOOKS"
#endif

#define FEW 8u
#define MANY (getenv("USYSV_LONG") ? 10000u : 250u)
#define TRIES 5

/* Of one ledger, when all are added up: its head and no entries. */
#define PER_LEDGER { 4, 40 }
/* Whether anybody has used a set is looked for in a limited number of ledgers. */
#define PER_LOOK { 2, 8 }
/* For each word of a bitmap. */
#define BLOCKS_PER_WORD 4u
/* Bytes of several clients at once or one after the other, longer chains, a process whose end is not told yet. */
#define ACCESSES_ELSE 30u
#define BLOCKS_ELSE 150u

struct cost {
	uint64_t n_accesses;
	uint64_t n_blocks;
};

static struct cost *cost; /* shared */
static pid_t self;      /* this process, which starts the daemon and the clients */
static bool is_client;

/* The one that is neither. */
static bool is_daemon(void)
{
	return cost && !is_client && getpid() != self;
}

void hook_access(enum hook_kind kind, const volatile void *address)
{
	(void)kind;
	(void)address;
	if (is_daemon())
		cost->n_accesses++;
}

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
	if (is_daemon())
		cost->n_blocks++;
}

uint64_t hook_value(const volatile void *address, uint64_t value)
{
	(void)address;
	return value;
}

struct scene {
	const struct fixture *fixture;
	struct wire wire;
	int32_t id; /* a segment that this process has attached */
	uint32_t n_clients;
};

static void do_ping(struct scene *scene)
{
	assert_int_equal(wire_ask(&scene->wire, (struct proto_message){.type = PROTO_PING}).pong.error, 0);
}

static void do_create(struct scene *scene, enum ipc_kind kind)
{
	int32_t id = wire_create(&scene->wire, kind, kind != IPC_KIND_MSG, 0600);

	assert_int_equal(wire_remove(&scene->wire, kind, id), 0);
}

static void do_shm(struct scene *scene)
{
	do_create(scene, IPC_KIND_SHM);
}

static void do_sem(struct scene *scene)
{
	do_create(scene, IPC_KIND_SEM);
}

static void do_msg(struct scene *scene)
{
	do_create(scene, IPC_KIND_MSG);
}

static void do_session(struct scene *scene)
{
	struct wire wire = wire_open(scene->fixture);

	wire_close(&wire);
	do_ping(scene);
}

static void just_open(const struct fixture *fixture, int32_t id)
{
	(void)id;
	is_client = true;
	(void)wire_open(fixture);
}

static void settle(struct scene *scene, pid_t pid)
{
	assert_int_equal(wire_ask(&scene->wire, (struct proto_message){
		.type = PROTO_SETTLE, .settle = {.pid = (uint32_t)pid}}).reply.error, 0);
}

static void do_process(struct scene *scene)
{
	pid_t child = child_begin(scene->fixture, just_open, 0);

	child_end(child);
	settle(scene, child);
}

static void do_stat(struct scene *scene)
{
	assert_int_equal(wire_attached(&scene->wire, scene->id), 1);
}

static const struct {
	const char *name;
	void (*run)(struct scene *scene);
	struct cost per_client;
} operations[] = {
	{"ping", do_ping, {0, 0}},
	{"segment made and removed", do_shm, {0, 0}},
	{"set made and removed", do_sem, PER_LOOK},
	{"queue made and removed", do_msg, PER_LOOK},
	{"session opened and closed", do_session, {0, 0}},
	{"process come and gone", do_process, {0, 0}},
	{"IPC_STAT of a segment", do_stat, PER_LEDGER},
};

/* The least of some tries: now and then a tick falls into one. */
static struct cost cost_of(struct scene *scene, size_t operation)
{
	struct cost least = {UINT64_MAX, UINT64_MAX};

	for (int i = 0; i < TRIES; i++) {
		struct cost before = *cost;

		operations[operation].run(scene);
		if (cost->n_accesses - before.n_accesses < least.n_accesses)
			least.n_accesses = cost->n_accesses - before.n_accesses;
		if (cost->n_blocks - before.n_blocks < least.n_blocks)
			least.n_blocks = cost->n_blocks - before.n_blocks;
	}
	return least;
}

static void assert_cost(size_t operation, const struct cost *few, const struct cost *many)
{
	const struct cost *each = &operations[operation].per_client;
	uint64_t words = 2 * MANY / 64;

	print_message("%s: %" PRIu64 " accesses, %" PRIu64 " blocks beside %u processes, %" PRIu64 ", %" PRIu64
		      " beside %u\n", operations[operation].name, few->n_accesses, few->n_blocks, FEW,
		      many->n_accesses, many->n_blocks, MANY);
	assert_in_range(many->n_accesses, 1, few->n_accesses + ACCESSES_ELSE + words + each->n_accesses * MANY);
	assert_in_range(many->n_blocks, 1, few->n_blocks + BLOCKS_ELSE + words * BLOCKS_PER_WORD +
					   each->n_blocks * MANY);
}

static void cost_is_the_same_beside_many(void **state)
{
	struct cost few[ARRAY_SIZE(operations)], many[ARRAY_SIZE(operations)];
	struct fixture *fixture = *state;
	struct scene scene = {.fixture = fixture};
	pid_t *children = calloc(MANY, sizeof(*children));

	assert_non_null(children);
	scene.wire = wire_open(fixture);
	scene.id = wire_create(&scene.wire, IPC_KIND_SHM, 4096, 0600);
	attach(fixture, &scene.wire, scene.id);
	for (; scene.n_clients < FEW; scene.n_clients++)
		children[scene.n_clients] = child_begin(fixture, just_open, 0);
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++)
		few[i] = cost_of(&scene, i);
	for (; scene.n_clients < MANY; scene.n_clients++)
		children[scene.n_clients] = child_begin(fixture, just_open, 0);
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++)
		many[i] = cost_of(&scene, i);
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++)
		assert_cost(i, &few[i], &many[i]);
	for (uint32_t i = 0; i < scene.n_clients; i++)
		child_end(children[i]);
	wire_close(&scene.wire);
	free(children);
}

static int counted_open(void **state)
{
	self = getpid();
	cost = mmap(NULL, sizeof(*cost), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return fixture_open(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(cost_is_the_same_beside_many, counted_open, fixture_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

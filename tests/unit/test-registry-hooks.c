/*
 * test-registry-hooks.c: the registry's writer killed at every store, readers in between any two
 * accesses, and readers of words that change with every load.
 */
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "core/registry.h"
#include "core/table.h"

#ifndef USYSV_HOOKS
#error "to be built with -DUSYSV_HOOKS"
#endif

#define NONCE 0x1234567890abcdefu
#define SEEN_MAX 8u

static struct registry registry;

/* --- what happens at an access ---------------------------------------------------------------- */

enum mode { MODE_QUIET, MODE_KILL, MODE_MEET, MODE_HOSTILE };

static enum mode mode;
static bool stores_only;
static uint32_t countdown;
static uint32_t n_accesses;
static uint64_t seed;
static jmp_buf killed;
static void (*meet)(void);

static uint64_t random_next(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return seed >> 17;
}

void hook_access(enum hook_kind kind, const volatile void *address)
{
	(void)address;
	n_accesses++;
	if ((mode != MODE_KILL && mode != MODE_MEET) || (stores_only && kind == HOOK_LOAD))
		return;
	if (countdown-- != 0)
		return;
	if (mode == MODE_KILL)
		longjmp(killed, 1);
	mode = MODE_QUIET;
	meet();
}

uint64_t hook_value(const volatile void *address, uint64_t value)
{
	static const uint64_t edges[] = { 0, 1, 2, 7, 8, UINT32_MAX, UINT64_MAX, OBJECT_MAX, CLIENT_MAX };
	uint64_t pick;

	(void)address;
	if (mode != MODE_HOSTILE)
		return value;
	pick = random_next() % 16;
	return pick < ARRAY_SIZE(edges) ? edges[pick] : pick < 13 ? value : random_next();
}

/* --- a registry, and all that can be seen of it ----------------------------------------------- */

static void make_registry(void)
{
	struct registry_limits limits;

	if (registry.base == NULL) {
		uint8_t *base = mmap(NULL, registry_size() + 4096, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		assert_true(base != MAP_FAILED);
		assert_int_equal(mprotect(base + registry_size(), 4096, PROT_NONE), 0);
		registry.base = base;
	}
	assert_int_equal(madvise(registry.base, registry_size(), MADV_DONTNEED), 0);
	registry_limits_default(&limits);
	registry_format(registry.base, NONCE, &limits);
	assert_int_equal(registry_bind(&registry, registry.base, registry_size()), 0);
}

struct seen {
	struct registry_object objects[IPC_KIND_COUNT][SEEN_MAX];
	struct registry_client clients[SEEN_MAX];
	struct registry_limits limits;
};

/* An object that is being created is as good as none. */
static void look(struct seen *ret_seen)
{
	memset(ret_seen, 0, sizeof(*ret_seen));
	for (enum ipc_kind kind = IPC_KIND_SHM; kind < IPC_KIND_COUNT; kind++) {
		for (uint32_t i = 0; i < SEEN_MAX; i++) {
			struct registry_object *object = &ret_seen->objects[kind][i];

			if (registry_get_any(&registry, kind, i, object) != 0 ||
			    object->state == REGISTRY_CREATING)
				memset(object, 0, sizeof(*object));
		}
	}
	for (uint32_t i = 0; i < SEEN_MAX; i++)
		(void)registry_client_row(&registry, i, &ret_seen->clients[i]); /* absent: zeros */
	registry_read_limits(&registry, &ret_seen->limits);
}

/* --- a writer's day, one change a step -------------------------------------------------------- */

static void put(enum ipc_kind kind, int32_t id, enum registry_state state, int32_t key, uint32_t fill)
{
	struct registry_object object = {
		.state = state, .key = key, .id = id, .creator_pid = fill,
		.owner = { fill, fill, fill, fill, fill }, .last_pid = fill,
		.size = fill, .generation = fill, .ctime_s = fill, .attach_ns = fill, .detach_ns = fill,
	};

	registry_put(&registry, kind, &object);
}

static void write_limits(uint32_t fill)
{
	struct registry_limits limits = {
		.shmmax = fill, .shmall = fill, .shmmni = fill, .semmsl = fill, .semmns = fill, .semopm = fill,
		.semmni = fill, .msgmax = fill, .msgmnb = fill, .msgmni = fill, .rmid_forced = fill,
	};

	registry_write_limits(&registry, &limits);
}

#define N_STEPS 21u

static void step(uint32_t which)
{
	uint64_t client;
	int32_t id;

	switch (which) {
	case 0:
	case 2:
	case 4:
	case 13:
	case 17:
		(void)registry_allocate(&registry, IPC_KIND_SHM, 100, &id); /* the check is what is seen */
		break;
	case 1:
		put(IPC_KIND_SHM, 0, REGISTRY_LIVE, 11, 1);
		break;
	case 3:
		put(IPC_KIND_SHM, 1, REGISTRY_LIVE, 12, 2);
		break;
	case 5:
		put(IPC_KIND_SHM, 2, REGISTRY_LIVE, 0, 3);
		break;
	case 6:
		put(IPC_KIND_SHM, 1, REGISTRY_LIVE, 12, 4);
		break;
	case 7:
		put(IPC_KIND_SHM, 1, REGISTRY_DEST, 0, 5);
		break;
	case 8:
		put(IPC_KIND_SHM, 1, REGISTRY_CLOSING, 0, 5);
		break;
	case 9:
		put(IPC_KIND_SHM, 1, REGISTRY_DEST, 0, 6);
		break;
	case 10:
		put(IPC_KIND_SHM, 1, REGISTRY_CLOSING, 0, 6);
		break;
	case 11:
		registry_drop(&registry, IPC_KIND_SHM, 1);
		break;
	case 12:
		write_limits(50);
		break;
	case 14:
		put(IPC_KIND_SHM, 3, REGISTRY_LIVE, 12, 7);
		break;
	case 15:
		(void)registry_client_add(&registry, 500, 1, 2, &client); /* as above */
		break;
	case 16:
		(void)registry_client_add(&registry, 501, 1, 2, &client); /* as above */
		break;
	case 18:
		registry_drop(&registry, IPC_KIND_SHM, 4);
		break;
	case 19:
		registry_client_drop(&registry, (uint64_t)1 << 16 | 1);
		break;
	default:
		write_limits(60);
		break;
	}
}

static void run_steps(uint32_t n)
{
	make_registry();
	for (uint32_t i = 0; i < n; i++)
		step(i);
}

/* --- killed at every store -------------------------------------------------------------------- */

/* Each object is as it was before the step or as it is after it. */
static void assert_seen_is_either(const struct seen *now, const struct seen *before,
				  const struct seen *after)
{
	const struct registry_object *object = &now->objects[0][0];

	for (uint32_t i = 0; i < IPC_KIND_COUNT * SEEN_MAX; i++, object++) {
		const size_t at = (size_t)i;

		if (memcmp(object, &before->objects[0][0] + at, sizeof(*object)) != 0)
			assert_memory_equal(object, &after->objects[0][0] + at, sizeof(*object));
	}
	for (uint32_t i = 0; i < SEEN_MAX; i++) {
		if (memcmp(&now->clients[i], &before->clients[i], sizeof(now->clients[i])) != 0)
			assert_memory_equal(&now->clients[i], &after->clients[i], sizeof(now->clients[i]));
	}
	if (memcmp(&now->limits, &before->limits, sizeof(now->limits)) != 0)
		assert_memory_equal(&now->limits, &after->limits, sizeof(now->limits));
}

static void assert_indexes_agree(const struct seen *now)
{
	struct registry_object object;
	struct registry_client client;

	for (uint32_t i = 0; i < SEEN_MAX; i++) {
		const struct registry_object *known = &now->objects[IPC_KIND_SHM][i];

		if (known->state == REGISTRY_LIVE && known->key != 0) {
			assert_int_equal(registry_find(&registry, IPC_KIND_SHM, known->key, &object), 0);
			assert_memory_equal(&object, known, sizeof(object));
		}
		if (now->clients[i].client != 0) {
			assert_true(registry_find_pid(&registry, now->clients[i].pid, &client));
			assert_memory_equal(&client, &now->clients[i], sizeof(client));
		}
	}
}

/* True if the action was cut short at its n-th store. */
static bool cut_short(void (*action)(uint32_t), uint32_t argument, uint32_t n)
{
	countdown = n;
	stores_only = true;
	if (setjmp(killed) != 0) {
		mode = MODE_QUIET;
		return true;
	}
	mode = MODE_KILL;
	action(argument);
	mode = MODE_QUIET;
	return false;
}

static void repair(uint32_t unused)
{
	(void)unused;
	assert_true(registry_repair(&registry));
}

static void writer_killed_at_any_store_leaves_old_or_new(void **state)
{
	static struct seen before, after, now;
	uint32_t n_kills = 0;

	(void)state;
	for (uint32_t which = 0; which < N_STEPS; which++) {
		run_steps(which);
		look(&before);
		step(which);
		look(&after);
		assert_true(registry_verify(&registry));
		for (uint32_t n = 0;; n++) {
			int32_t id;

			run_steps(which);
			if (!cut_short(step, which, n))
				break;
			n_kills++;
			/* Readers do not wait for the dead writer. */
			look(&now);
			assert_seen_is_either(&now, &before, &after);
			assert_true(registry_repair(&registry));
			assert_true(registry_verify(&registry));
			look(&now);
			assert_seen_is_either(&now, &before, &after);
			assert_indexes_agree(&now);
			assert_int_equal(registry_allocate(&registry, IPC_KIND_SHM, 100, &id), 0);
			assert_true(registry_verify(&registry));
		}
	}
	printf("# %u kills\n", n_kills);
	assert_true(n_kills > 200);
}

static void repair_killed_at_any_store_can_be_repeated(void **state)
{
	static struct seen before, now;
	uint32_t n_kills = 0;

	(void)state;
	run_steps(N_STEPS - 1);
	look(&before);
	for (uint32_t n = 0;; n++) {
		run_steps(N_STEPS - 1);
		shared32_store(&image_of(&registry)->header.tables[0].count, 99);
		if (!cut_short(repair, 0, n))
			break;
		n_kills++;
		assert_true(registry_repair(&registry));
		assert_true(registry_verify(&registry));
		look(&now);
		assert_memory_equal(&now, &before, sizeof(now));
	}
	assert_true(n_kills > 20);
}

/* --- readers beside the writer ---------------------------------------------------------------- */

static struct seen met_before, met_after;

static void reader_meets_writer(void)
{
	static struct seen now;
	struct registry_object object;
	struct registry_client client;

	look(&now);
	assert_seen_is_either(&now, &met_before, &met_after);
	for (uint32_t i = 0; i < SEEN_MAX; i++) {
		const struct registry_object *old = &met_before.objects[IPC_KIND_SHM][i];
		const struct registry_object *new = &met_after.objects[IPC_KIND_SHM][i];
		bool same = memcmp(old, new, sizeof(*old)) == 0;

		/* What does not change is always found. */
		if (same && old->state == REGISTRY_LIVE && old->key != 0) {
			assert_int_equal(registry_find(&registry, IPC_KIND_SHM, old->key, &object), 0);
			assert_memory_equal(&object, old, sizeof(object));
		}
		if (same && met_before.clients[i].client != 0 &&
		    met_before.clients[i].client == met_after.clients[i].client)
			assert_true(registry_find_pid(&registry, met_before.clients[i].pid, &client));
	}
}

static void reader_at_any_store_sees_old_or_new(void **state)
{
	uint32_t n_meetings = 0;

	(void)state;
	meet = reader_meets_writer;
	stores_only = true;
	for (uint32_t which = 0; which < N_STEPS; which++) {
		run_steps(which);
		look(&met_before);
		step(which);
		look(&met_after);
		for (uint32_t n = 0;; n++) {
			bool met;

			run_steps(which);
			countdown = n;
			mode = MODE_MEET;
			step(which);
			met = mode == MODE_QUIET;
			mode = MODE_QUIET;
			if (!met)
				break;
			n_meetings++;
		}
	}
	assert_true(n_meetings > 200);
}

static int32_t moving_id;
static int32_t moving_key;

/* The object takes another key, and so another chain. */
static void writer_moves_an_object(void)
{
	put(IPC_KIND_SEM, moving_id, REGISTRY_LIVE, moving_key += 2, 9);
}

static void writer_replaces_an_object(void)
{
	registry_drop(&registry, IPC_KIND_SEM, moving_id);
	put(IPC_KIND_SEM, moving_id, REGISTRY_LIVE, moving_key += 2, 9);
}

/* Keys all over the place, so that some share a chain; odd ones, as the moving key is even. */
static int32_t key_of(int32_t id)
{
	return (int32_t)((uint32_t)id * 2246822519u >> 1) | 1;
}

/* Two objects of which one stands before the other in a chain. */
static void make_a_chain_of_two(int32_t *ret_first, int32_t *ret_second)
{
	make_registry();
	for (int32_t i = 0; i < 4000; i++) {
		uint32_t next;
		int32_t id;

		assert_int_equal(registry_allocate(&registry, IPC_KIND_SEM, OBJECT_MAX, &id), 0);
		put(IPC_KIND_SEM, id, REGISTRY_LIVE, key_of(id), 8);
		next = shared32_load(&image_of(&registry)->slots[IPC_KIND_SEM][id].next);
		if (next != 0) {
			*ret_first = id;
			*ret_second = (int32_t)next - 1;
			return;
		}
	}
	fail();
}

static void reader_finds_a_key_while_its_chain_changes_at_any_load(void **state)
{
	void (*const changes[])(void) = { writer_moves_an_object, writer_replaces_an_object };
	struct registry_object object;
	int32_t wanted = 0;

	(void)state;
	make_a_chain_of_two(&moving_id, &wanted);
	moving_key = 1000000;
	stores_only = false;
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		uint32_t n_meetings = 0;

		meet = changes[i];
		for (uint32_t n = 0;; n++) {
			bool met;

			put(IPC_KIND_SEM, moving_id, REGISTRY_LIVE, key_of(moving_id), 8);
			countdown = n;
			mode = MODE_MEET;
			assert_int_equal(registry_find(&registry, IPC_KIND_SEM, key_of(wanted), &object), 0);
			met = mode == MODE_QUIET;
			mode = MODE_QUIET;
			assert_int_equal(object.id, wanted);
			if (!met)
				break;
			n_meetings++;
		}
		assert_true(n_meetings > 20);
	}
	assert_true(registry_verify(&registry));
}

static void writer_changes_twice(void)
{
	put(IPC_KIND_SHM, 1, REGISTRY_LIVE, 12, 70);
	put(IPC_KIND_SHM, 1, REGISTRY_LIVE, 12, 71);
}

static void copy_is_of_one_moment_though_the_writer_comes_at_any_load(void **state)
{
	struct registry_object object;

	(void)state;
	meet = writer_changes_twice;
	stores_only = false;
	for (uint32_t n = 0;; n++) {
		bool met;

		run_steps(4);
		countdown = n;
		mode = MODE_MEET;
		assert_int_equal(registry_get(&registry, IPC_KIND_SHM, 1, &object), 0);
		met = mode == MODE_QUIET;
		mode = MODE_QUIET;
		assert_int_equal(object.creator_pid, object.detach_ns);
		assert_int_equal(object.owner.uid, object.size);
		assert_int_equal(object.size, object.attach_ns);
		assert_int_equal(object.creator_pid, object.attach_ns);
		assert_int_equal(object.key, 12);
		if (!met)
			break;
	}
}

/* --- words that are never the same ------------------------------------------------------------ */

static void read_everything(int32_t number)
{
	struct registry_object object;
	struct registry_client client;
	struct registry_limits limits;
	struct registry again;
	enum ipc_kind kind = (enum ipc_kind)(random_next() % IPC_KIND_COUNT);

	/* Nothing can be said of the answers; the calls have to end inside the mapping. */
	(void)registry_bind(&again, registry.base, registry_size());
	(void)registry_get(&registry, kind, number, &object);
	(void)registry_get_any(&registry, kind, (uint32_t)number, &object);
	(void)registry_get_index(&registry, kind, (uint32_t)number, &object);
	(void)registry_find(&registry, kind, number, &object);
	(void)registry_live_word(&registry, kind, number);
	(void)registry_count(&registry, kind);
	(void)registry_find_pid(&registry, (uint32_t)number, &client);
	(void)registry_client_get(&registry, random_next(), &client);
	(void)registry_client_row(&registry, (uint32_t)number, &client);
	(void)registry_nonce(&registry);
	registry_read_limits(&registry, &limits);
	assert_true(limits.semopm <= SEM_NOPS_MAX && limits.shmmni <= OBJECT_MAX);
	assert_true(registry_index_max(&registry, kind) < OBJECT_MAX);
}

static void reading_words_that_change_with_every_load_ends(void **state)
{
	uint32_t n_max = 0;

	(void)state;
	run_steps(N_STEPS);
	seed = 20240102;
	printf("# seed %llu\n", (unsigned long long)seed);
	mode = MODE_HOSTILE;
	for (uint32_t i = 0; i < 20000; i++) {
		n_accesses = 0;
		read_everything((int32_t)random_next());
		n_max = n_accesses > n_max ? n_accesses : n_max;
	}
	mode = MODE_QUIET;
	printf("# at most %u loads\n", n_max);
	assert_true(n_max < 10000000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(writer_killed_at_any_store_leaves_old_or_new),
		cmocka_unit_test(repair_killed_at_any_store_can_be_repeated),
		cmocka_unit_test(reader_at_any_store_sees_old_or_new),
		cmocka_unit_test(reader_finds_a_key_while_its_chain_changes_at_any_load),
		cmocka_unit_test(copy_is_of_one_moment_though_the_writer_comes_at_any_load),
		cmocka_unit_test(reading_words_that_change_with_every_load_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

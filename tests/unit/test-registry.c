/* test-registry.c: ids, lookups, limits, processes and repair of the registry, by one thread. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/registry.h"
#include "core/table.h"

#define NONCE 0x1234567890abcdefu

static struct registry registry;

static int make_registry(void **state)
{
	struct registry_limits limits;
	void *base = mmap(NULL, registry_size(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)state;
	assert_true(base != MAP_FAILED);
	registry_limits_default(&limits);
	registry_format(base, NONCE, &limits);
	assert_int_equal(registry_bind(&registry, base, registry_size()), 0);
	return 0;
}

static int unmake_registry(void **state)
{
	(void)state;
	assert_true(registry_verify(&registry));
	return munmap(registry.base, registry.size);
}

/* For tests that leave it broken. */
static int drop_registry(void **state)
{
	(void)state;
	return munmap(registry.base, registry.size);
}

static int32_t allocate(enum ipc_kind kind)
{
	int32_t id = -1;

	assert_int_equal(registry_allocate(&registry, kind, OBJECT_MAX, &id), 0);
	return id;
}

static struct registry_object object_with(int32_t id, int32_t key)
{
	return (struct registry_object){
		.state = REGISTRY_LIVE,
		.key = key,
		.id = id,
		.creator_pid = 100 + (uint32_t)id % 1000,
		.owner = { 1, 2, 3, 4, 0600 },
		.size = (uint64_t)id * 3 + 1,
		.ctime_s = 1234567,
	};
}

static int32_t create(enum ipc_kind kind, int32_t key)
{
	int32_t id = allocate(kind);
	struct registry_object object = object_with(id, key);

	registry_put(&registry, kind, &object);
	return id;
}

static void fresh_registry_is_empty(void **state)
{
	struct registry_object object;
	struct registry_client client;

	(void)state;
	assert_int_equal(registry_nonce(&registry), NONCE);
	for (enum ipc_kind kind = IPC_KIND_SHM; kind < IPC_KIND_COUNT; kind++) {
		assert_int_equal(registry_count(&registry, kind), 0);
		assert_int_equal(registry_index_max(&registry, kind), 0);
		assert_int_equal(registry_get(&registry, kind, 0, &object), REGISTRY_E_ABSENT);
		assert_int_equal(registry_get_index(&registry, kind, 0, &object), REGISTRY_E_ABSENT);
		assert_int_equal(registry_find(&registry, kind, 1, &object), REGISTRY_E_ABSENT);
		assert_int_equal(shared64_load(registry_live_word(&registry, kind, 0)), 0);
	}
	assert_false(registry_find_pid(&registry, 1, &client));
	assert_int_equal(registry_client_row(&registry, 0, &client), REGISTRY_E_ABSENT);
}

static void what_is_no_registry_is_not_bound(void **state)
{
	struct image *image = image_of(&registry);
	struct registry other;
	uint64_t version = shared64_load(&image->header.version);

	(void)state;
	assert_int_equal(registry_bind(&other, registry.base, registry_size() - 1), REGISTRY_E_CORRUPT);
	shared64_store(&image->header.version, version + ((uint64_t)1 << 32));
	assert_int_equal(registry_bind(&other, registry.base, registry_size()), REGISTRY_E_VERSION);
	assert_int_equal(registry_bind(&other, registry.base, 4096), REGISTRY_E_VERSION);
	shared64_store(&image->header.version, version ^ 1);
	assert_int_equal(registry_bind(&other, registry.base, registry_size()), REGISTRY_E_CORRUPT);
	shared64_store(&image->header.version, version);
	shared64_store(&image->header.nonce, 0);
	assert_int_equal(registry_bind(&other, registry.base, registry_size()), REGISTRY_E_CORRUPT);
	shared64_store(&image->header.nonce, NONCE);
	shared64_store(&image->header.magic, 0);
	assert_int_equal(registry_bind(&other, registry.base, registry_size()), REGISTRY_E_CORRUPT);
}

static void first_ids_are_0_1_2(void **state)
{
	(void)state;
	for (int32_t i = 0; i < 3; i++) {
		assert_int_equal(create(IPC_KIND_SEM, 0), i);
		assert_int_equal(create(IPC_KIND_MSG, 0), i);
	}
	assert_int_equal(registry_count(&registry, IPC_KIND_SEM), 3);
	assert_int_equal(registry_index_max(&registry, IPC_KIND_MSG), 2);
	assert_int_equal(registry_count(&registry, IPC_KIND_SHM), 0);
}

static void one_object_made_again_and_again_goes_0_to_63_then_32768(void **state)
{
	(void)state;
	for (int32_t round = 0; round < 3; round++) {
		for (int32_t i = 0; i < 64; i++) {
			int32_t id = create(IPC_KIND_SHM, 5);

			assert_int_equal(id, round * 32768 + i);
			registry_drop(&registry, IPC_KIND_SHM, id);
		}
	}
}

static void id_0_comes_back_after_65535_times_64_creations(void **state)
{
	struct image *image = image_of(&registry);
	int32_t id = allocate(IPC_KIND_SEM);
	int32_t highest = 0;

	(void)state;
	registry_drop(&registry, IPC_KIND_SEM, id);
	/* The whole way would show nothing more: begin some 100 rounds before its end. */
	shared64_store(&image->header.tables[IPC_KIND_SEM].last, (uint64_t)65434 << 32 | 1);
	for (uint32_t n = 0; n < 101 * 64 - 1; n++) {
		id = allocate(IPC_KIND_SEM);
		registry_drop(&registry, IPC_KIND_SEM, id);
		highest = id > highest ? id : highest;
	}
	assert_int_equal(highest, 65534 * 32768 + 63);
	assert_int_equal(id, highest);
	assert_int_equal(allocate(IPC_KIND_SEM), 0);
}

/* The rule as the kernel has it, in plain arrays. */
struct id_model {
	bool used[OBJECT_MAX];
	uint32_t in_use;
	uint32_t next;
	int32_t last;
	uint32_t sequence;
};

static int32_t model_allocate(struct id_model *model)
{
	uint32_t window = model->in_use * 3 / 2 > 64 ? model->in_use * 3 / 2 : 64;
	uint32_t index = model->next;

	if (window > OBJECT_MAX)
		window = OBJECT_MAX;
	while (index < window && model->used[index])
		index++;
	if (index >= window) {
		index = 0;
		while (model->used[index])
			index++;
	}
	if ((int32_t)index <= model->last)
		model->sequence = model->sequence == 65534 ? 0 : model->sequence + 1;
	model->last = (int32_t)index;
	model->next = index + 1;
	model->used[index] = true;
	model->in_use++;
	return (int32_t)(model->sequence * 32768 + index);
}

static void random_creations_and_removals_number_as_the_rule_says(void **state)
{
	static struct id_model model;
	static int32_t ids[OBJECT_MAX];
	uint32_t n = 0;
	uint32_t target = 40;
	uint64_t seed = 20240101;

	(void)state;
	printf("# seed %llu\n", (unsigned long long)seed);
	memset(&model, 0, sizeof(model));
	model.last = -1;
	for (uint32_t step = 0; step < 60000; step++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		if (step % 5000 == 0)
			target = 20 + (uint32_t)(seed >> 40) % 3000;
		if (n == 0 || (n < target && (seed >> 33) % 3 != 0)) {
			ids[n] = allocate(IPC_KIND_MSG);
			assert_int_equal(ids[n], model_allocate(&model));
			n++;
		} else {
			uint32_t i = (uint32_t)(seed >> 35) % n;

			registry_drop(&registry, IPC_KIND_MSG, ids[i]);
			model.used[ids[i] % 32768] = false;
			model.in_use--;
			ids[i] = ids[--n];
		}
		assert_int_equal(registry_count(&registry, IPC_KIND_MSG), model.in_use);
	}
	assert_true(registry_verify(&registry));
}

static void limit_reached_is_full_and_0_forbids_all(void **state)
{
	int32_t id = -7;

	(void)state;
	assert_int_equal(registry_allocate(&registry, IPC_KIND_SHM, 0, &id), REGISTRY_E_FULL);
	assert_int_equal(id, -7);
	assert_int_equal(registry_allocate(&registry, IPC_KIND_SHM, 2, &id), 0);
	assert_int_equal(registry_allocate(&registry, IPC_KIND_SHM, 2, &id), 0);
	assert_int_equal(registry_allocate(&registry, IPC_KIND_SHM, 2, &id), REGISTRY_E_FULL);
	assert_int_equal(registry_allocate(&registry, IPC_KIND_SHM, 1, &id), REGISTRY_E_FULL);
}

static void all_32768_indexes_can_be_in_use(void **state)
{
	struct registry_object object;
	int32_t id = 0;

	(void)state;
	for (int32_t i = 0; i < (int32_t)OBJECT_MAX; i++)
		assert_int_equal(create(IPC_KIND_SEM, i + 1), i);
	assert_int_equal(registry_allocate(&registry, IPC_KIND_SEM, UINT32_MAX, &id), REGISTRY_E_FULL);
	assert_int_equal(registry_index_max(&registry, IPC_KIND_SEM), 32767);
	for (int32_t i = 0; i < (int32_t)OBJECT_MAX; i++) {
		assert_int_equal(registry_find(&registry, IPC_KIND_SEM, i + 1, &object), 0);
		assert_int_equal(object.id, i);
	}
	/* The last one again is not beyond the last one: the sequence moves on. */
	registry_drop(&registry, IPC_KIND_SEM, 32767);
	assert_int_equal(registry_index_max(&registry, IPC_KIND_SEM), 32766);
	assert_int_equal(allocate(IPC_KIND_SEM), 32768 + 32767);
	registry_drop(&registry, IPC_KIND_SEM, 777);
	registry_drop(&registry, IPC_KIND_SEM, 32768 + 32767);
	assert_int_equal(allocate(IPC_KIND_SEM), 2 * 32768 + 777);
	assert_int_equal(allocate(IPC_KIND_SEM), 2 * 32768 + 32767);
	assert_true(registry_verify(&registry));
	assert_true(registry_repair(&registry));
}

static void object_is_found_by_id_index_and_key(void **state)
{
	struct registry_object put = object_with(create(IPC_KIND_SHM, 99), -5);
	struct registry_object object;

	(void)state;
	put.id = create(IPC_KIND_SHM, -5);
	put.attach_ns = 17;
	registry_put(&registry, IPC_KIND_SHM, &put);
	assert_int_equal(registry_get(&registry, IPC_KIND_SHM, put.id, &object), 0);
	assert_memory_equal(&object, &put, sizeof(object));
	assert_int_equal(registry_find(&registry, IPC_KIND_SHM, -5, &object), 0);
	assert_memory_equal(&object, &put, sizeof(object));
	assert_int_equal(registry_get_index(&registry, IPC_KIND_SHM, 32768 * 9 + 1, &object), 0);
	assert_memory_equal(&object, &put, sizeof(object));
	assert_int_equal(registry_find(&registry, IPC_KIND_SEM, -5, &object), REGISTRY_E_ABSENT);
	assert_int_equal(registry_find(&registry, IPC_KIND_SHM, 98, &object), REGISTRY_E_ABSENT);
	assert_int_equal(registry_find(&registry, IPC_KIND_SHM, 0, &object), REGISTRY_E_ABSENT);
	assert_int_equal(registry_get(&registry, IPC_KIND_SHM, -1, &object), REGISTRY_E_ABSENT);
	assert_int_equal(registry_get(&registry, IPC_KIND_SHM, 32768 + 1, &object), REGISTRY_E_ABSENT);
}

static void stale_id_is_absent_though_its_index_is_taken(void **state)
{
	int32_t id = create(IPC_KIND_MSG, 1);
	struct registry_object object = object_with(id + 32768, 2);

	(void)state;
	registry_drop(&registry, IPC_KIND_MSG, id);
	registry_put(&registry, IPC_KIND_MSG, &object);
	assert_int_equal(registry_get(&registry, IPC_KIND_MSG, id, &object), REGISTRY_E_ABSENT);
	assert_int_equal(registry_get_index(&registry, IPC_KIND_MSG, (uint32_t)id, &object), 0);
	assert_int_equal(object.id, id + 32768);
	registry_drop(&registry, IPC_KIND_MSG, id);
	assert_int_equal(registry_count(&registry, IPC_KIND_MSG), 1);
}

static void live_word_changes_with_permissions_and_only_then(void **state)
{
	struct registry_object object = object_with(allocate(IPC_KIND_SEM), 8);
	const struct shared64 *word = registry_live_word(&registry, IPC_KIND_SEM, object.id);
	uint64_t before;

	(void)state;
	object.state = REGISTRY_LIVE;
	registry_put(&registry, IPC_KIND_SEM, &object);
	before = shared64_load(word);
	object.ctime_s++;
	registry_put(&registry, IPC_KIND_SEM, &object);
	assert_true(shared64_load(word) == before);
	object.owner.mode ^= 0400;
	registry_put(&registry, IPC_KIND_SEM, &object);
	assert_true(shared64_load(word) != before);
	assert_int_equal((uint32_t)shared64_load(word), object.id + 1);
	object.owner.mode ^= 0400; /* back: still not what was judged in between */
	registry_put(&registry, IPC_KIND_SEM, &object);
	assert_true(shared64_load(word) != before);
	assert_true(registry_verify(&registry));
	registry_drop(&registry, IPC_KIND_SEM, object.id);
	assert_true(shared64_load(word) == 0);
}

static void states_show_in_the_live_word_and_the_key_index(void **state)
{
	static const struct {
		enum registry_state state;
		bool live, keyed;
	} cases[] = {
		{ REGISTRY_CREATING, false, false }, { REGISTRY_LIVE, true, true },
		{ REGISTRY_DEST, true, false },	     { REGISTRY_CLOSING, false, false },
		{ REGISTRY_DEST, true, false },
	};
	struct registry_object object = object_with(allocate(IPC_KIND_SHM), 8);
	const struct shared64 *word = registry_live_word(&registry, IPC_KIND_SHM, object.id);
	struct registry_object read;

	(void)state;
	assert_int_equal(shared64_load(word), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		object.state = cases[i].state;
		registry_put(&registry, IPC_KIND_SHM, &object);
		assert_int_equal(shared64_load(word), cases[i].live ? (uint64_t)object.id + 1 : 0);
		assert_int_equal(registry_get(&registry, IPC_KIND_SHM, object.id, &read),
				 cases[i].live ? 0 : REGISTRY_E_ABSENT);
		assert_int_equal(registry_get_any(&registry, IPC_KIND_SHM, 0, &read), 0);
		assert_int_equal(read.state, cases[i].state);
		assert_int_equal(registry_find(&registry, IPC_KIND_SHM, 8, &read),
				 cases[i].keyed ? 0 : REGISTRY_E_ABSENT);
		assert_true(registry_verify(&registry));
	}
	/* The key is free while the segment lives on (SHM-40). */
	(void)create(IPC_KIND_SHM, 8);
	assert_int_equal(registry_find(&registry, IPC_KIND_SHM, 8, &read), 0);
	assert_int_equal(read.id, 1);
	registry_drop(&registry, IPC_KIND_SHM, 0);
	assert_int_equal(shared64_load(word), 0);
}

static void limits_are_read_as_written_and_within_the_ceilings(void **state)
{
	struct registry_limits limits;

	(void)state;
	registry_read_limits(&registry, &limits);
	assert_int_equal(limits.shmmax, 18446744073692774399u);
	assert_int_equal(limits.shmall, 18446744073692774399u);
	assert_int_equal(limits.shmmni, 4096);
	assert_int_equal(limits.semmsl, 32000);
	assert_int_equal(limits.semmns, 1024000000);
	assert_int_equal(limits.semopm, 500);
	assert_int_equal(limits.semmni, 32000);
	assert_int_equal(limits.msgmax, 8192);
	assert_int_equal(registry_msgmax(&registry), 8192);
	assert_int_equal(limits.msgmnb, 16384);
	assert_int_equal(limits.msgmni, 32000);
	assert_int_equal(limits.rmid_forced, 0);
	limits.shmmax = 4711;
	limits.rmid_forced = 1;
	limits.semopm = UINT32_MAX;
	limits.msgmax = 4712;
	registry_write_limits(&registry, &limits);
	assert_int_equal(registry_msgmax(&registry), 4712);
	limits.msgmax = UINT32_MAX;
	registry_write_limits(&registry, &limits);
	assert_int_equal(registry_msgmax(&registry), MSG_TEXT_MAX);
	registry_read_limits(&registry, &limits);
	assert_int_equal(limits.shmmax, 4711);
	assert_int_equal(limits.rmid_forced, 1);
	assert_int_equal(limits.semopm, SEM_NOPS_MAX);
}

static void identities_are_never_used_again(void **state)
{
	struct registry_client client;
	uint64_t first = 0;
	uint64_t second = 0;
	uint64_t next = 0;

	(void)state;
	assert_int_equal(registry_client_next(&registry, &next), 0);
	assert_int_equal(registry_client_add(&registry, 10, 1000, 5, &first), 0);
	assert_int_equal(first & 0xffff, 1);
	assert_int_equal(first, next);
	registry_client_drop(&registry, first);
	assert_int_equal(registry_client_get(&registry, first, &client), REGISTRY_E_ABSENT);
	assert_int_equal(registry_client_add(&registry, 10, 1000, 6, &second), 0);
	assert_int_equal(second & 0xffff, 1);
	assert_true(second > first);
	registry_client_drop(&registry, first);
	assert_int_equal(registry_client_get(&registry, second, &client), 0);
	assert_int_equal(client.client, second);
	assert_int_equal(client.pid, 10);
	assert_int_equal(client.uid, 1000);
	assert_int_equal(client.start_time, 6);
	assert_int_equal(registry_client_get(&registry, 0, &client), REGISTRY_E_ABSENT);
	assert_int_equal(registry_client_get(&registry, UINT64_MAX, &client), REGISTRY_E_ABSENT);
	assert_int_equal(registry_client_row(&registry, 0, &client), 0);
	assert_int_equal(registry_client_row(&registry, UINT32_MAX, &client), REGISTRY_E_ABSENT);
}

static void pid_in_use_again_finds_the_newest_process(void **state)
{
	struct registry_client client;
	uint64_t ids[3];

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(registry_client_add(&registry, i == 1 ? 8 : 7, 0, i, &ids[i]), 0);
	assert_true(registry_find_pid(&registry, 7, &client));
	assert_int_equal(client.client, ids[2]);
	assert_true(registry_repair(&registry));
	assert_true(registry_find_pid(&registry, 7, &client));
	assert_int_equal(client.client, ids[2]);
	/* Now the newest is in the first row. */
	registry_client_drop(&registry, ids[0]);
	assert_int_equal(registry_client_add(&registry, 7, 0, 3, &ids[0]), 0);
	assert_true(registry_repair(&registry));
	assert_true(registry_find_pid(&registry, 7, &client));
	assert_int_equal(client.client, ids[0]);
	registry_client_drop(&registry, ids[0]);
	assert_true(registry_find_pid(&registry, 7, &client));
	assert_int_equal(client.client, ids[2]);
	registry_client_drop(&registry, ids[2]);
	assert_false(registry_find_pid(&registry, 7, &client));
	assert_true(registry_find_pid(&registry, 8, &client));
}

static void processes_fill_the_table_and_no_more(void **state)
{
	struct registry_client client;
	uint64_t id = 0;

	(void)state;
	for (uint32_t i = 0; i < CLIENT_MAX; i++)
		assert_int_equal(registry_client_add(&registry, i + 1, 0, 0, &id), 0);
	assert_int_equal(registry_client_add(&registry, 5, 0, 0, &id), REGISTRY_E_FULL);
	assert_true(registry_find_pid(&registry, CLIENT_MAX, &client));
	assert_int_equal(client.client, id);
	registry_client_drop(&registry, client.client);
	assert_int_equal(registry_client_add(&registry, 5, 0, 0, &id), 0);
}

static void repair_of_a_sound_registry_keeps_every_record(void **state)
{
	struct registry_object object;

	(void)state;
	for (int32_t i = 0; i < 200; i++)
		(void)create(IPC_KIND_SEM, i % 3 == 0 ? 0 : i);
	for (int32_t i = 0; i < 200; i += 7)
		registry_drop(&registry, IPC_KIND_SEM, i);
	assert_true(registry_repair(&registry));
	assert_true(registry_verify(&registry));
	for (int32_t i = 0; i < 200; i++) {
		struct registry_object expected = object_with(i, i % 3 == 0 ? 0 : i);

		assert_int_equal(registry_get(&registry, IPC_KIND_SEM, i, &object),
				 i % 7 == 0 ? REGISTRY_E_ABSENT : 0);
		if (i % 7 != 0)
			assert_memory_equal(&object, &expected, sizeof(object));
	}
	assert_int_equal(allocate(IPC_KIND_SEM), 200);
}

static void repair_drops_what_was_being_created(void **state)
{
	struct registry_object object;

	(void)state;
	(void)create(IPC_KIND_MSG, 3);
	(void)allocate(IPC_KIND_MSG);
	assert_true(registry_repair(&registry));
	assert_int_equal(registry_get_any(&registry, IPC_KIND_MSG, 1, &object), REGISTRY_E_ABSENT);
	assert_int_equal(registry_count(&registry, IPC_KIND_MSG), 1);
	assert_int_equal(allocate(IPC_KIND_MSG), 2);
}

/* Each damages one derived word; repair has to put it right, and verify to notice it. */
static void damage(uint32_t which)
{
	struct image *image = image_of(&registry);
	struct table_head *head = &image->header.tables[IPC_KIND_SHM];

	switch (which) {
	case 0:
		shared32_store(&head->count, 1000);
		break;
	case 1:
		shared64_store(&head->chains, shared64_load(&head->chains) + 1);
		break;
	case 2:
		shared64_store(&image->bitmap[IPC_KIND_SHM][0], 1);
		break;
	case 3:
		shared64_store(&image->bitmap[IPC_KIND_SHM][511], 1);
		break;
	case 4:
		shared64_store(&image->slots[IPC_KIND_SHM][2].live, 0);
		break;
	case 5:
		shared32_store(&image->slots[IPC_KIND_SHM][2].next, 3);
		break;
	case 6:
		memset(image->heads[IPC_KIND_SHM], 0, sizeof(image->heads[IPC_KIND_SHM]));
		break;
	case 7:
		memset(image->heads[IPC_KIND_SHM], 0xff, sizeof(image->heads[IPC_KIND_SHM]));
		break;
	default:
		memset(image->heads[TABLE_CLIENTS], 0, sizeof(image->heads[TABLE_CLIENTS]));
		break;
	}
}

static void damage_to_derived_words_is_noticed_and_repaired(void **state)
{
	struct registry_object object;
	uint64_t client;

	(void)state;
	for (int32_t i = 0; i < 10; i++)
		(void)create(IPC_KIND_SHM, i + 1);
	assert_int_equal(registry_client_add(&registry, 9, 9, 9, &client), 0);
	for (uint32_t which = 0; which <= 8; which++) {
		damage(which);
		assert_false(registry_verify(&registry));
		assert_true(registry_repair(&registry));
		assert_true(registry_verify(&registry));
		for (int32_t i = 0; i < 10; i++) {
			assert_int_equal(registry_find(&registry, IPC_KIND_SHM, i + 1, &object), 0);
			assert_int_equal(object.id, i);
		}
	}
}

static void impossible_records_are_beyond_repair(void **state)
{
	struct image *image = image_of(&registry);
	struct registry_object object = object_with(1, 7);
	union record record = { .object = object_with(0, 7) };

	(void)state;
	(void)create(IPC_KIND_SHM, 6);
	registry_put(&registry, IPC_KIND_SHM, &object);
	/* The same key twice. */
	cell_write(image->slots[IPC_KIND_SHM][0].cell, OBJECT_WORDS, record.words);
	assert_false(registry_repair(&registry));
	assert_false(registry_verify(&registry));
	/* An id of another place. */
	record.object = object_with(5, 6);
	cell_write(image->slots[IPC_KIND_SHM][0].cell, OBJECT_WORDS, record.words);
	assert_false(registry_repair(&registry));
	assert_int_equal(registry_get_any(&registry, IPC_KIND_SHM, 0, &object), REGISTRY_E_ABSENT);
	/* A state that there is not. */
	record.object = object_with(0, 6);
	record.object.state = 9;
	cell_write(image->slots[IPC_KIND_SHM][0].cell, OBJECT_WORDS, record.words);
	assert_false(registry_repair(&registry));
	/* A good one again. */
	record.object = object_with(0, 6);
	cell_write(image->slots[IPC_KIND_SHM][0].cell, OBJECT_WORDS, record.words);
	assert_true(registry_repair(&registry));
	/* A table longer than it is. */
	shared32_store(&image->header.tables[IPC_KIND_SEM].high, OBJECT_MAX + 1);
	assert_false(registry_repair(&registry));
	shared32_store(&image->header.tables[IPC_KIND_SEM].high, 0);
	shared64_store(&image->header.tables[IPC_KIND_SEM].last, (uint64_t)65535 << 32);
	assert_false(registry_repair(&registry));
}

static void chain_that_bites_its_tail_ends_in_busy(void **state)
{
	struct image *image = image_of(&registry);
	struct registry_object object;

	(void)state;
	(void)create(IPC_KIND_SHM, 6);
	shared32_store(&image->slots[IPC_KIND_SHM][0].next, 1);
	for (uint32_t i = 0; i < OBJECT_MAX; i++)
		shared32_store(&image->heads[IPC_KIND_SHM][i], 1);
	assert_int_equal(registry_find(&registry, IPC_KIND_SHM, 6, &object), 0);
	assert_int_equal(registry_find(&registry, IPC_KIND_SHM, 7, &object), REGISTRY_E_BUSY);
	for (uint32_t i = 0; i < OBJECT_MAX; i++)
		shared32_store(&image->heads[IPC_KIND_SHM][i], UINT32_MAX);
	assert_int_equal(registry_find(&registry, IPC_KIND_SHM, 6, &object), REGISTRY_E_BUSY);
	assert_true(registry_repair(&registry));
	assert_true(registry_verify(&registry));
}

#define SOUND(test) cmocka_unit_test_setup_teardown(test, make_registry, unmake_registry)
#define BROKEN(test) cmocka_unit_test_setup_teardown(test, make_registry, drop_registry)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SOUND(fresh_registry_is_empty),
		BROKEN(what_is_no_registry_is_not_bound),
		SOUND(first_ids_are_0_1_2),
		SOUND(one_object_made_again_and_again_goes_0_to_63_then_32768),
		SOUND(id_0_comes_back_after_65535_times_64_creations),
		SOUND(random_creations_and_removals_number_as_the_rule_says),
		SOUND(limit_reached_is_full_and_0_forbids_all),
		SOUND(all_32768_indexes_can_be_in_use),
		SOUND(object_is_found_by_id_index_and_key),
		SOUND(stale_id_is_absent_though_its_index_is_taken),
		SOUND(states_show_in_the_live_word_and_the_key_index),
		SOUND(live_word_changes_with_permissions_and_only_then),
		SOUND(limits_are_read_as_written_and_within_the_ceilings),
		SOUND(identities_are_never_used_again),
		SOUND(pid_in_use_again_finds_the_newest_process),
		SOUND(processes_fill_the_table_and_no_more),
		SOUND(repair_of_a_sound_registry_keeps_every_record),
		SOUND(repair_drops_what_was_being_created),
		SOUND(damage_to_derived_words_is_noticed_and_repaired),
		BROKEN(impossible_records_are_beyond_repair),
		BROKEN(chain_that_bites_its_tail_ends_in_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

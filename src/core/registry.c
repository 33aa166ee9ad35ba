/*
 * registry.c: objects and processes in terms of table.c, which says how the file works and what
 * must be true of it.
 */
#include "core/registry.h"

#include <string.h>

#include "core/table.h"

#define REGISTRY_MAGIC 0x5952545349474552u /* "REGISTRY" */

/* --- reading ---------------------------------------------------------------------------------- */

uint64_t registry_size(void)
{
	return ALIGN_UP((uint64_t)sizeof(struct image), 4096);
}

int registry_bind(struct registry *registry, void *base, uint64_t size)
{
	struct image *image = base;
	uint64_t version;

	if (size < sizeof(image->header) || (uintptr_t)base % 64 != 0)
		return REGISTRY_E_CORRUPT;
	if (shared64_load(&image->header.magic) != REGISTRY_MAGIC)
		return REGISTRY_E_CORRUPT;
	version = shared64_load(&image->header.version);
	if (version >> 32 != REGISTRY_VERSION)
		return REGISTRY_E_VERSION;
	if (size < registry_size() || (uint32_t)version != LAYOUT_SIGNATURE || shared64_load(&image->header.nonce) == 0)
		return REGISTRY_E_CORRUPT;
	*registry = (struct registry){ .base = base, .size = size };
	return 0;
}

int registry_get_any(const struct registry *registry, enum ipc_kind kind, uint32_t index,
		     struct registry_object *ret_object)
{
	struct table table = table_of(registry, kind);
	union record record;
	int r = table_read(&table, index, &record);

	if (r == 0)
		*ret_object = record.object;
	return r;
}

int registry_get_index(const struct registry *registry, enum ipc_kind kind, uint32_t index,
		       struct registry_object *ret_object)
{
	struct registry_object object;
	int r = registry_get_any(registry, kind, index & ABI_INDEX_MASK, &object);

	if (r != 0)
		return r;
	if (object.state != REGISTRY_LIVE && object.state != REGISTRY_DEST)
		return REGISTRY_E_ABSENT;
	*ret_object = object;
	return 0;
}

int registry_get(const struct registry *registry, enum ipc_kind kind, int32_t id,
		 struct registry_object *ret_object)
{
	struct registry_object object;
	int r;

	if (id < 0)
		return REGISTRY_E_ABSENT;
	r = registry_get_index(registry, kind, (uint32_t)id & ABI_INDEX_MASK, &object);
	if (r != 0)
		return r;
	if (object.id != id)
		return REGISTRY_E_ABSENT;
	*ret_object = object;
	return 0;
}

int registry_find(const struct registry *registry, enum ipc_kind kind, int32_t key,
		  struct registry_object *ret_object)
{
	struct table table = table_of(registry, kind);
	union record record;
	int r;

	if (key == ABI_IPC_PRIVATE)
		return REGISTRY_E_ABSENT;
	r = table_find(&table, (uint32_t)key, &record);
	if (r == 0)
		*ret_object = record.object;
	return r;
}

bool registry_find_pid(const struct registry *registry, uint32_t pid,
		       struct registry_client *ret_client)
{
	struct table table = table_of(registry, TABLE_CLIENTS);
	union record record;

	if (table_find(&table, pid, &record) != 0)
		return false;
	*ret_client = record.client;
	return true;
}

const struct shared64 *registry_live_word(const struct registry *registry, enum ipc_kind kind,
					  int32_t id)
{
	ASSERT((uint32_t)kind < IPC_KIND_COUNT);
	return &image_of(registry)->slots[kind][(uint32_t)id & ABI_INDEX_MASK].live;
}

void registry_read_limits(const struct registry *registry, struct registry_limits *ret_limits)
{
	const struct header *header = &image_of(registry)->header;
	struct registry_limits limits;
	uint64_t words[LIMITS_WORDS];

	/* Nobody changes limits hundreds of times in a microsecond but to harm; the defaults do then. */
	if (cell_read(header->limits, LIMITS_WORDS, words))
		memcpy(&limits, words, sizeof(limits));
	else
		registry_limits_default(&limits);
	limits.shmmni = u32_min(limits.shmmni, OBJECT_MAX);
	limits.semmni = u32_min(limits.semmni, OBJECT_MAX);
	limits.msgmni = u32_min(limits.msgmni, OBJECT_MAX);
	limits.semmsl = u32_min(limits.semmsl, SEM_NSEMS_MAX);
	limits.semopm = u32_max(u32_min(limits.semopm, SEM_NOPS_MAX), SEM_NOPS_MIN);
	limits.msgmax = u32_min(limits.msgmax, MSG_TEXT_MAX);
	limits.msgmnb = u32_min(limits.msgmnb, MSG_TEXT_MAX);
	*ret_limits = limits;
}

uint32_t registry_msgmax(const struct registry *registry)
{
	const struct shared64 *cell = image_of(registry)->header.limits;
	uint64_t version = shared64_load(&cell[0]), word;
	uint32_t msgmax;

	/* A single word needs no second look: it is the current one, or one that is about to be. */
	word = shared64_load(&cell[1 + (version & 1) * LIMITS_WORDS +
				   offsetof(struct registry_limits, msgmax) / 8]);
	memcpy(&msgmax, (const uint8_t *)&word + offsetof(struct registry_limits, msgmax) % 8,
	       sizeof(msgmax));
	return u32_min(msgmax, MSG_TEXT_MAX);
}

uint32_t registry_count(const struct registry *registry, enum ipc_kind kind)
{
	struct table table = table_of(registry, kind);

	return u32_min(shared32_load(&table.head->count), table.n);
}

uint32_t registry_index_max(const struct registry *registry, enum ipc_kind kind)
{
	struct table table = table_of(registry, kind);
	uint32_t high = u32_min(shared32_load(&table.head->high), table.n);

	for (uint32_t i = (high + 63) / 64; i > 0; i--) {
		uint64_t word = shared64_load(&table.bitmap[i - 1]);

		if (word != 0)
			return i * 64 - 1 - (uint32_t)__builtin_clzll(word);
	}
	return 0;
}

uint64_t registry_nonce(const struct registry *registry)
{
	return shared64_load(&image_of(registry)->header.nonce);
}

uint32_t registry_huge(const struct registry *registry)
{
	return (uint32_t)shared64_load(&image_of(registry)->header.huge) & ABI_SHM_HUGE_BITS;
}

/* --- writing ---------------------------------------------------------------------------------- */

void registry_limits_default(struct registry_limits *ret_limits)
{
	*ret_limits = (struct registry_limits){
		.shmmax = UINT64_MAX - (1u << 24),
		.shmall = UINT64_MAX - (1u << 24),
		.shmmni = 4096,
		.semmsl = 32000,
		.semmns = 1024000000,
		.semopm = 500,
		.semmni = 32000,
		.msgmax = 8192,
		.msgmnb = 16384,
		.msgmni = 32000,
	};
}

void registry_format(void *base, uint64_t nonce, const struct registry_limits *limits)
{
	struct image *image = base;
	struct registry registry = { .base = base, .size = registry_size() };

	ASSERT(nonce != 0);
	shared64_store(&image->header.nonce, nonce);
	shared64_store(&image->header.version, (uint64_t)REGISTRY_VERSION << 32 | LAYOUT_SIGNATURE);
	registry_write_limits(&registry, limits);
	shared64_store_fenced(&image->header.magic, REGISTRY_MAGIC);
}

void registry_write_huge(struct registry *registry, uint32_t exponent)
{
	shared64_store(&image_of(registry)->header.huge, exponent);
}

void registry_write_limits(struct registry *registry, const struct registry_limits *limits)
{
	uint64_t words[LIMITS_WORDS];

	memcpy(words, limits, sizeof(words));
	cell_write(image_of(registry)->header.limits, LIMITS_WORDS, words);
}

int registry_allocate(struct registry *registry, enum ipc_kind kind, uint32_t mni, int32_t *ret_id)
{
	struct table table = table_of(registry, kind);
	uint32_t count = registry_count(registry, kind);
	uint64_t last = shared64_load(&table.head->last);
	uint32_t sequence = (uint32_t)(last >> 32);
	uint32_t after = (uint32_t)last; /* last index + 1: where the search starts */
	uint32_t window = u32_min(u32_max(64, count * 3 / 2), OBJECT_MAX);
	uint32_t index = window;
	union record record;

	if (count >= u32_min(mni, OBJECT_MAX))
		return REGISTRY_E_FULL;
	if (after < window)
		index = table_find_free(&table, after, window);
	if (index == window)
		index = table_find_free(&table, 0, window);
	if (index == window)
		return REGISTRY_E_FULL;
	if (index < after)
		sequence = sequence < ABI_SEQUENCE_MAX ? sequence + 1 : 0;

	memset(&record, 0, sizeof(record));
	record.object.state = REGISTRY_CREATING;
	record.object.id = (int32_t)(sequence << ABI_INDEX_BITS | index);
	shared64_store(&table.head->last, (uint64_t)sequence << 32 | (index + 1));
	table_put(&table, index, &record);
	*ret_id = record.object.id;
	return 0;
}

void registry_put(struct registry *registry, enum ipc_kind kind, const struct registry_object *object)
{
	struct table table = table_of(registry, kind);
	uint32_t index = (uint32_t)object->id & ABI_INDEX_MASK;
	union record record;

	memset(&record, 0, sizeof(record));
	record.object = *object;
	ASSERT((uint32_t)kind < IPC_KIND_COUNT);
	ASSERT(record_used(&table, &record));
	ASSERT(record_possible(&table, &record, index));
	table_put(&table, index, &record);
}

void registry_drop(struct registry *registry, enum ipc_kind kind, int32_t id)
{
	struct table table = table_of(registry, kind);
	uint32_t index = (uint32_t)id & ABI_INDEX_MASK;
	union record record;

	if (id < 0 || table_read(&table, index, &record) != 0 || record.object.id != id)
		return;
	memset(&record, 0, sizeof(record));
	table_put(&table, index, &record);
}

int registry_client_next(const struct registry *registry, uint64_t *ret_client)
{
	struct table table = table_of(registry, TABLE_CLIENTS);
	uint32_t row = table_find_free(&table, 0, table.n);
	/* 32 bits, as an identity has 48 (mcas.h); the same one comes back after 4 * 10^9 processes. */
	uint64_t generation = (uint32_t)(shared64_load(&table.head->last) + 1);

	if (row == table.n)
		return REGISTRY_E_FULL;
	if (generation == 0)
		generation = 1;
	*ret_client = generation << 16 | (row + 1);
	return 0;
}

int registry_client_add(struct registry *registry, uint32_t pid, uint32_t uid, uint64_t start_time,
			uint64_t *ret_client)
{
	struct table table = table_of(registry, TABLE_CLIENTS);
	union record record;
	uint64_t client;
	int r = registry_client_next(registry, &client);

	ASSERT(pid != 0);
	if (r != 0)
		return r;
	memset(&record, 0, sizeof(record));
	record.client = (struct registry_client){
		.client = client,
		.pid = pid,
		.uid = uid,
		.start_time = start_time,
	};
	shared64_store(&table.head->last, client >> 16);
	table_put(&table, (uint32_t)(client & 0xffff) - 1, &record);
	*ret_client = client;
	return 0;
}

void registry_client_note(struct registry *registry, uint64_t client, uint32_t request,
			  enum ipc_kind kind, int32_t id)
{
	struct table table = table_of(registry, TABLE_CLIENTS);
	union record record;
	int r;

	ASSERT(request != 0);
	memset(&record, 0, sizeof(record));
	r = registry_client_get(registry, client, &record.client);
	ASSERT(r == 0);
	record.client.made_request = request;
	record.client.made_kind = kind;
	record.client.made_id = id;
	table_put(&table, (uint32_t)(client & 0xffff) - 1, &record);
}

void registry_client_drop(struct registry *registry, uint64_t client)
{
	struct table table = table_of(registry, TABLE_CLIENTS);
	struct registry_client known;
	union record record;

	if (registry_client_get(registry, client, &known) != 0)
		return;
	memset(&record, 0, sizeof(record));
	table_put(&table, (uint32_t)(client & 0xffff) - 1, &record);
}

int registry_client_row(const struct registry *registry, uint32_t row,
			struct registry_client *ret_client)
{
	struct table table = table_of(registry, TABLE_CLIENTS);
	union record record;
	int r = table_read(&table, row, &record);

	if (r == 0)
		*ret_client = record.client;
	return r;
}

int registry_client_get(const struct registry *registry, uint64_t client,
			struct registry_client *ret_client)
{
	struct registry_client known;
	int r = REGISTRY_E_ABSENT;

	if ((client & 0xffff) != 0)
		r = registry_client_row(registry, (uint32_t)(client & 0xffff) - 1, &known);
	if (r != 0)
		return r;
	if (known.client != client)
		return REGISTRY_E_ABSENT;
	*ret_client = known;
	return 0;
}

/* --- repair and verify ------------------------------------------------------------------------ */

bool registry_repair(struct registry *registry)
{
	struct registry again;

	if (registry_bind(&again, registry->base, registry->size) != 0)
		return false;
	for (uint32_t i = 0; i < TABLE_COUNT; i++) {
		struct table table = table_of(registry, i);

		if (!table_repair(&table))
			return false;
	}
	return true;
}

bool registry_verify(const struct registry *registry)
{
	struct registry again;

	if (registry_bind(&again, registry->base, registry->size) != 0)
		return false;
	for (uint32_t i = 0; i < TABLE_COUNT; i++) {
		struct table table = table_of(registry, i);

		if (!table_verify(&table))
			return false;
	}
	return true;
}

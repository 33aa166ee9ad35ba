/*
 * fuzz-registry.c: a registry file with hostile words in it, read as clients read it, and repaired.
 *
 * The input is a script: a few honest changes, then words of the file overwritten, then every call
 * of a reader, whose loads may lie.  Nothing may be read outside the mapping, every call must end
 * within its bound, and an answer is one that was judged: the id, key or pid asked for.  What repair
 * accepts must verify.  Not covered: the daemon as a reader of lies (it alone writes the file).
 *
 * Byte 0: 1: ends with repair; 2: loads lie; 4: sequences and generations are used up; the rest: share of
 * the input that lies are made of.
 * Steps after that, by first byte % 8:
 *   0 K    allocate in kind K     1 K I S key  put index I in state S with a 32-bit key
 *   2 K I  drop index I           3 P          add a process with pid P
 *   4 R    drop the process of row R
 *   5 O V  word O (16 bits, of the header) becomes V (64 bits)
 *   6 T O V  word O (16 bits) of area T becomes V: bitmaps, heads, rows, slots
 *   7 N    read everything, asking for number N (32 bits)
 */
#include "fuzz.h"
#include "hooks.h"

#include "core/registry.h"
#include "core/table.h"

#define STEPS_MAX 200u
/* 200 tries of a reader, each along a chain of the whole table, each record read 200 times. */
#define ACCESSES_MAX 4000000u

static _Alignas(4096) uint8_t memory[sizeof(struct image)];

static struct registry registry;

static void fuzz_reset(bool is_old)
{
	struct registry_limits limits;
	struct registry other;

	hooks_reset();
	hooks_region(memory, sizeof(memory));
	memset(memory, 0, sizeof(memory));
	registry_limits_default(&limits);
	registry_format(memory, 77, &limits);
	FUZZ_ASSERT(registry_bind(&registry, memory, registry_size()) == 0);
	FUZZ_ASSERT(registry_bind(&other, memory, registry_size() - 1) == REGISTRY_E_CORRUPT);
	FUZZ_ASSERT(registry_bind(&other, memory, 8) == REGISTRY_E_CORRUPT);
	FUZZ_ASSERT(registry_bind(&other, memory + 8, registry_size()) == REGISTRY_E_CORRUPT);
	for (uint32_t i = 0; is_old && i < TABLE_COUNT; i++)
		shared64_store(&image_of(&registry)->header.tables[i].last,
			       i == TABLE_CLIENTS ? UINT32_MAX : (uint64_t)ABI_SEQUENCE_MAX << 32 | 2);
}

static void fuzz_put(enum ipc_kind kind, uint32_t index, enum registry_state state, int32_t key)
{
	struct registry_object object = { .state = state, .key = key, .id = (int32_t)index };
	struct registry_object other;

	/* The daemon never puts the same key twice. */
	if (registry_find(&registry, kind, key, &other) == 0 && other.id != object.id)
		return;
	registry_put(&registry, kind, &object);
	FUZZ_SAY("put kind %d id %d state %d key %d", kind, object.id, state, key);
}

/* Changes as the daemon makes them: whatever their order, the registry stays sound. */
static void fuzz_honest_step(struct fuzz_input *input, uint8_t step)
{
	enum ipc_kind kind = (enum ipc_kind)(fuzz_u8(input) % IPC_KIND_COUNT);
	struct registry_object object;
	uint64_t client;
	uint32_t index;
	int32_t id;

	switch (step) {
	case 0:
		if (registry_allocate(&registry, kind, OBJECT_MAX, &id) == 0)
			FUZZ_SAY("allocate kind %d: id %d", kind, id);
		else
			FUZZ_SAY("allocate kind %d: full", kind);
		break;
	case 1:
		index = fuzz_u8(input) % OBJECT_MAX;
		fuzz_put(kind, index, 1 + fuzz_u8(input) % 4, (int32_t)fuzz_u32(input));
		break;
	case 2:
		if (registry_get_any(&registry, kind, fuzz_u8(input) % OBJECT_MAX, &object) != 0)
			break;
		registry_drop(&registry, kind, -1); /* not even that */
		registry_drop(&registry, kind, object.id ^ 1 << ABI_INDEX_BITS);
		registry_drop(&registry, kind, object.id);
		FUZZ_SAY("drop kind %d id %d", kind, object.id);
		break;
	case 3:
		if (registry_client_add(&registry, 1u + fuzz_u8(input), 0, 0, &client) == 0)
			FUZZ_SAY("add process: client %llx", (unsigned long long)client);
		else
			FUZZ_SAY("add process: full");
		break;
	default:
		client = (uint64_t)fuzz_u8(input) << 16 | (fuzz_u8(input) + 1u);
		registry_client_drop(&registry, client);
		FUZZ_SAY("drop client %llx, if there", (unsigned long long)client);
		break;
	}
}

static void fuzz_overwrite(struct fuzz_input *input, bool header)
{
	struct image *image = image_of(&registry);
	uint8_t area = header ? 0 : fuzz_u8(input) % 9;
	uint32_t word = fuzz_u16(input);
	const struct {
		void *start;
		size_t size;
	} areas[9] = {
		{ &image->header, sizeof(image->header) },
		{ image->bitmap, sizeof(image->bitmap) },
		{ image->heads[0], sizeof(image->heads[0]) },
		{ image->heads[1], sizeof(image->heads[1]) },
		{ image->heads[3], sizeof(image->heads[3]) },
		{ image->rows, sizeof(image->rows) },
		{ image->slots[0], sizeof(image->slots[0]) },
		{ image->slots[1], sizeof(image->slots[1]) },
		{ image->slots[2], sizeof(image->slots[2]) },
	};
	struct shared64 *at = (struct shared64 *)areas[area].start + word % (areas[area].size / 8);
	uint64_t value = fuzz_u64(input);

	shared64_store(at, value);
	FUZZ_SAY("word %zu becomes %016llx", (size_t)((uint8_t *)at - memory) / 8,
		 (unsigned long long)value);
}

static void fuzz_read(uint32_t number)
{
	struct registry_object object;
	struct registry_client client;
	struct registry_limits limits;

	FUZZ_SAY("read everything, number %u", number);
	for (enum ipc_kind kind = IPC_KIND_SHM; kind < IPC_KIND_COUNT; kind++) {
		hooks_budget(ACCESSES_MAX);
		if (registry_get(&registry, kind, (int32_t)number, &object) == 0)
			FUZZ_ASSERT(object.id == (int32_t)number);
		if (registry_get_index(&registry, kind, number, &object) == 0)
			FUZZ_ASSERT(((uint32_t)object.id & ABI_INDEX_MASK) == (number & ABI_INDEX_MASK));
		if (registry_find(&registry, kind, (int32_t)number, &object) == 0)
			FUZZ_ASSERT(object.key == (int32_t)number && object.state == REGISTRY_LIVE);
		FUZZ_ASSERT(registry_count(&registry, kind) <= OBJECT_MAX);
		FUZZ_ASSERT(registry_index_max(&registry, kind) < OBJECT_MAX);
		(void)shared64_load(registry_live_word(&registry, kind, (int32_t)number)); /* in the mapping */
	}
	hooks_budget(ACCESSES_MAX);
	if (registry_find_pid(&registry, number, &client))
		FUZZ_ASSERT(client.pid == number && client.client != 0);
	if (registry_client_get(&registry, number, &client) == 0)
		FUZZ_ASSERT(client.client == number);
	if (registry_client_row(&registry, number, &client) == 0)
		FUZZ_ASSERT((client.client & 0xffff) == number + 1);
	registry_read_limits(&registry, &limits);
	hooks_budget(0);
	FUZZ_ASSERT(limits.semmsl <= SEM_NSEMS_MAX && limits.semopm <= SEM_NOPS_MAX);
	FUZZ_ASSERT(registry_msgmax(&registry) <= MSG_TEXT_MAX);
}

static void fuzz_repair(bool sound)
{
	FUZZ_SAY("repair; %s", sound ? "nothing was overwritten" : "words were overwritten");
	FUZZ_ASSERT(registry_verify(&registry) || !sound);
	if (registry_repair(&registry))
		FUZZ_ASSERT(registry_verify(&registry));
	else
		FUZZ_ASSERT(!sound);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { .bytes = data, .size = size };
	uint8_t mode = fuzz_u8(&input);
	struct fuzz_input lies = fuzz_split(&input, mode & 2 ? mode : 0);
	bool sound = true;

	fuzz_reset(mode & 4);
	hooks_lies(&lies);
	for (uint32_t i = 0; i < STEPS_MAX && !fuzz_done(&input); i++) {
		uint8_t step = fuzz_u8(&input) % 8;

		if (step == 7) {
			hooks_lie(true);
			fuzz_read(fuzz_u32(&input));
			hooks_lie(false);
		} else if (step >= 5) {
			fuzz_overwrite(&input, step == 5);
			sound = false;
		} else if (sound) {
			fuzz_honest_step(&input, step);
		}
	}
	if (mode & 1)
		fuzz_repair(sound);
	fuzz_read(1);
	return 0;
}

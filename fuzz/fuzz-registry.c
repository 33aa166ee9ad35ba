/*
 * fuzz-registry.c: a registry file with hostile words in it, read as clients read it, and repaired.
 *
 * The input is a script: a few honest changes, then words of the file overwritten, then every
 * call of a reader.  Nothing may be read outside the mapping and every call must end; what repair
 * accepts must verify.  Repair looks at the whole file, so only an input whose first byte is odd
 * ends with it.  Not covered: words that change between two loads (test-registry-hooks.c).
 *
 * Steps after that, by first byte % 8:
 *   0 K    allocate in kind K     1 K I S key  put index I in state S with a 32-bit key
 *   2 K I  drop index I           3 P          add a process with pid P
 *   4 R    drop the process of row R
 *   5 O V  word O (16 bits, of the header) becomes V (64 bits)
 *   6 T O V  word O (16 bits) of the start of area T becomes V: bitmaps, heads, rows, slots
 *   7 N    read everything, asking for number N (32 bits)
 */
#include "fuzz.h"

#include "core/registry.h"
#include "core/table.h"

#define STEPS_MAX 200u
#define INDEXES 256u /* what honest changes use, and so what has to be cleaned */

/* Big, and mostly never touched; with room to align. */
static uint8_t memory[sizeof(struct image) + 8192];

static struct registry registry;

static void fuzz_reset(void)
{
	struct registry_limits limits;
	struct image *image = (struct image *)(void *)(memory + 4096 - (uintptr_t)memory % 4096);

	memset(&image->header, 0, sizeof(image->header));
	memset(image->bitmap, 0, sizeof(image->bitmap));
	memset(image->heads, 0, sizeof(image->heads));
	memset(image->rows, 0, sizeof(struct row) * 1024);
	for (uint32_t kind = 0; kind < IPC_KIND_COUNT; kind++)
		memset(image->slots[kind], 0, sizeof(struct slot) * 1024);
	registry_limits_default(&limits);
	registry_format(image, 77, &limits);
	FUZZ_ASSERT(registry_bind(&registry, image, registry_size()) == 0);
}

static void fuzz_put(enum ipc_kind kind, uint32_t index, enum registry_state state, int32_t key)
{
	struct registry_object object = { .state = state, .key = key, .id = (int32_t)index };
	struct registry_object other;

	/* The daemon never puts the same key twice. */
	if (registry_find(&registry, kind, key, &other) != 0 || other.id == object.id)
		registry_put(&registry, kind, &object);
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
		if (registry_count(&registry, kind) < INDEXES / 2)
			(void)registry_allocate(&registry, kind, OBJECT_MAX, &id); /* may be full */
		break;
	case 1:
		index = fuzz_u8(input);
		fuzz_put(kind, index, 1 + fuzz_u8(input) % 4, (int32_t)fuzz_u32(input));
		break;
	case 2:
		if (registry_get_any(&registry, kind, fuzz_u8(input), &object) == 0)
			registry_drop(&registry, kind, object.id);
		break;
	case 3:
		(void)registry_client_add(&registry, 1u + fuzz_u8(input), 0, 0, &client); /* may be full */
		break;
	default:
		registry_client_drop(&registry, (uint64_t)fuzz_u8(input) << 16 | (fuzz_u8(input) + 1u));
		break;
	}
}

static void fuzz_overwrite(struct fuzz_input *input, bool header)
{
	struct image *image = image_of(&registry);
	uint8_t area = header ? 0 : fuzz_u8(input) % 9;
	uint32_t word = fuzz_u16(input);
	uint8_t *const starts[9] = {
		(uint8_t *)&image->header,	   (uint8_t *)image->bitmap,
		(uint8_t *)image->heads[0],	   (uint8_t *)image->heads[1],
		(uint8_t *)image->heads[3],	   (uint8_t *)image->rows,
		(uint8_t *)image->slots[0],	   (uint8_t *)image->slots[1],
		(uint8_t *)image->slots[2],
	};
	const uint32_t words[9] = {
		sizeof(struct header) / 8, sizeof(image->bitmap) / 8,
		OBJECT_MAX / 2, OBJECT_MAX / 2, OBJECT_MAX / 2,
		1024 * sizeof(struct row) / 8, 1024 * sizeof(struct slot) / 8,
		1024 * sizeof(struct slot) / 8, 1024 * sizeof(struct slot) / 8,
	};

	shared64_store((struct shared64 *)(void *)(starts[area] + 8 * (size_t)(word % words[area])),
		       fuzz_u64(input));
}

static void fuzz_read(uint32_t number)
{
	struct registry_object object;
	struct registry_client client;
	struct registry_limits limits;

	for (enum ipc_kind kind = IPC_KIND_SHM; kind < IPC_KIND_COUNT; kind++) {
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
	if (registry_find_pid(&registry, number, &client))
		FUZZ_ASSERT(client.pid == number && client.client != 0);
	if (registry_client_get(&registry, number, &client) == 0)
		FUZZ_ASSERT(client.client == number);
	if (registry_client_row(&registry, number, &client) == 0)
		FUZZ_ASSERT((client.client & 0xffff) == number + 1);
	registry_read_limits(&registry, &limits);
	FUZZ_ASSERT(limits.semmsl <= SEM_NSEMS_MAX && limits.semopm <= SEM_NOPS_MAX);
}

static void fuzz_repair(bool sound)
{
	if (sound)
		FUZZ_ASSERT(registry_verify(&registry));
	if (registry_repair(&registry))
		FUZZ_ASSERT(registry_verify(&registry));
	else
		FUZZ_ASSERT(!sound);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { .bytes = data, .size = size };
	bool repairs = (fuzz_u8(&input) & 1) != 0;
	bool sound = true;

	fuzz_reset();
	for (uint32_t i = 0; i < STEPS_MAX && !fuzz_done(&input); i++) {
		uint8_t step = fuzz_u8(&input) % 8;

		if (step == 7) {
			fuzz_read(fuzz_u32(&input));
		} else if (step >= 5) {
			fuzz_overwrite(&input, step == 5);
			sound = false;
		} else if (sound) {
			fuzz_honest_step(&input, step);
		}
	}
	if (repairs)
		fuzz_repair(sound);
	fuzz_read(1);
	return 0;
}

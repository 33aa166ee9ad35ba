/*
 * record.c: see record.h.
 *
 * 1. What record_encode writes record_next reads back, field by field, and the other way round:
 *    a record that is accepted encodes to the bytes it came from.
 * 2. Which fields an event has follows from its type; the others are zero.
 */
#include "core/record.h"

#include <string.h>

#include "core/bytes.h"

#define RECORD_MAGIC UINT64_C(0x6365727673797375) /* "usysvrec" */

#define SUM_SEED UINT64_C(0xcbf29ce484222325) /* FNV-1a */
#define SUM_PRIME UINT64_C(0x100000001b3)

/* Zeroes in between that do not end a run of the registry. */
#define RUN_GRAIN 64u

STATIC_ASSERT(RECORD_RUN_MAX % RUN_GRAIN == 0 && RECORD_RUN_MAX <= SERVICE_INPUT_MAX);

/* --- sums -------------------------------------------------------------------------------------- */

static uint64_t sum_bytes(uint64_t sum, const void *bytes, size_t n_bytes)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < n_bytes; i++)
		sum = (sum ^ at[i]) * SUM_PRIME;
	return sum;
}

static uint64_t sum_u64(uint64_t sum, uint64_t value)
{
	uint8_t bytes[8];

	bytes_store_u32(bytes, (uint32_t)value);
	bytes_store_u32(bytes + 4, (uint32_t)(value >> 32));
	return sum_bytes(sum, bytes, sizeof(bytes));
}

static uint32_t sum_body(const uint8_t *body, size_t size)
{
	uint64_t sum = sum_bytes(SUM_SEED, body, size);

	return (uint32_t)(sum ^ sum >> 32);
}

uint64_t record_effects_sum(const struct effects *effects)
{
	uint64_t sum = SUM_SEED;

	for (uint32_t i = 0; i < effects->n; i++) {
		const struct effect *effect = &effects->list[i];

		sum = sum_u64(sum, effect->type);
		sum = sum_u64(sum, effect->session);
		sum = sum_u64(sum, effect->client);
		sum = sum_u64(sum, effect->pid);
		sum = sum_u64(sum, effect->uid);
		sum = sum_bytes(sum, effect->name, sizeof(effect->name));
		sum = sum_u64(sum, effect->n_bytes);
		sum = sum_bytes(sum, effect->bytes, u32_min(effect->n_bytes, sizeof(effect->bytes)));
		sum = sum_bytes(sum, effect->text, sizeof(effect->text));
	}
	return sum;
}

/* --- events: which fields each type has -------------------------------------------------------- */

enum event_part {
	PART_SESSION = 1,
	PART_BYTES = 2,
	PART_IDENTITY = 4,
	PART_CLIENT = 8,
	PART_DETACHED = 16,
};

static const uint8_t event_parts[] = {
	[EVENT_REGISTER] = PART_BYTES,
	[EVENT_ADMITTED] = PART_SESSION | PART_IDENTITY,
	[EVENT_REFUSED] = PART_SESSION,
	[EVENT_INPUT] = PART_SESSION | PART_BYTES,
	[EVENT_HANGUP] = PART_SESSION,
	[EVENT_EXITED] = PART_CLIENT,
	[EVENT_EXECED] = PART_CLIENT,
	[EVENT_DETACHED] = PART_DETACHED,
	[EVENT_TICK] = 0,
};

static void put_sum(struct bytes_writer *writer, const struct ledger_sum *sum)
{
	bytes_put_u32(writer, sum->n_attached);
	bytes_put_u64(writer, sum->attach_ns);
	bytes_put_u64(writer, sum->detach_ns);
	bytes_put_u32(writer, sum->attach_pid);
	bytes_put_u32(writer, sum->detach_pid);
}

static struct ledger_sum get_sum(struct bytes_reader *reader)
{
	struct ledger_sum sum = { 0 };

	sum.n_attached = bytes_get_u32(reader);
	sum.attach_ns = bytes_get_u64(reader);
	sum.detach_ns = bytes_get_u64(reader);
	sum.attach_pid = bytes_get_u32(reader);
	sum.detach_pid = bytes_get_u32(reader);
	return sum;
}

static void put_event(struct bytes_writer *writer, const struct event *event)
{
	uint8_t parts;

	ASSERT((size_t)event->type < ARRAY_SIZE(event_parts));
	parts = event_parts[event->type];
	bytes_put_u32(writer, event->type);
	bytes_put_u64(writer, (uint64_t)event->now_s);
	bytes_put_u64(writer, event->now_ns);
	bytes_put_u64(writer, event->monotonic_ns);
	if (parts & PART_SESSION)
		bytes_put_u32(writer, event->session);
	if (parts & PART_IDENTITY) {
		bytes_put_u32(writer, event->uid);
		bytes_put_u32(writer, event->gid);
		bytes_put_u32(writer, event->pid);
		bytes_put_u64(writer, event->start_time);
	}
	if (parts & PART_CLIENT)
		bytes_put_u64(writer, event->client);
	if (parts & PART_DETACHED)
		bytes_put_i32(writer, event->shmid);
	if (parts & PART_BYTES && event->n_bytes > 0)
		bytes_put(writer, event->bytes, event->n_bytes);
}

/* Whatever is left of the body. */
static const uint8_t *get_rest(struct bytes_reader *reader, size_t n_bytes_max, size_t *ret_n_bytes)
{
	const uint8_t *bytes = reader->bytes + reader->used;
	size_t n_bytes = reader->size - reader->used;

	if (reader->failed || n_bytes > n_bytes_max) {
		reader->failed = true;
		n_bytes = 0;
	}
	reader->used += n_bytes;
	*ret_n_bytes = n_bytes;
	return bytes;
}

static int get_event(struct bytes_reader *reader, struct event *ret_event)
{
	struct event event = { .type = bytes_get_u32(reader) };
	uint8_t parts;

	if ((size_t)event.type >= ARRAY_SIZE(event_parts))
		return RECORD_E_VALUE;
	parts = event_parts[event.type];
	event.now_s = (int64_t)bytes_get_u64(reader);
	event.now_ns = bytes_get_u64(reader);
	event.monotonic_ns = bytes_get_u64(reader);
	if (parts & PART_SESSION)
		event.session = bytes_get_u32(reader);
	if (parts & PART_IDENTITY) {
		event.uid = bytes_get_u32(reader);
		event.gid = bytes_get_u32(reader);
		event.pid = bytes_get_u32(reader);
		event.start_time = bytes_get_u64(reader);
	}
	if (parts & PART_CLIENT)
		event.client = bytes_get_u64(reader);
	if (parts & PART_DETACHED)
		event.shmid = bytes_get_i32(reader);
	if (parts & PART_BYTES)
		event.bytes = get_rest(reader, SERVICE_INPUT_MAX, &event.n_bytes);
	*ret_event = event;
	return RECORD_READY;
}

/* --- the other bodies -------------------------------------------------------------------------- */

/* The sizes of the tables: ids mean something else where they differ. */
static void put_header(struct bytes_writer *writer, const struct record_header *header)
{
	bytes_put_u64(writer, RECORD_MAGIC);
	bytes_put_u32(writer, RECORD_VERSION);
	bytes_put_u32(writer, OBJECT_MAX);
	bytes_put_u32(writer, CLIENT_MAX);
	bytes_put_u32(writer, SESSION_MAX);
	bytes_put_u64(writer, header->registry_size);
	bytes_put_u32(writer, header->owner_uid);
	bytes_put_u32(writer, header->daemon_pid);
	bytes_put_u64(writer, header->monotonic_ns);
}

static int get_header(struct bytes_reader *reader, struct record_header *ret_header)
{
	uint64_t magic = bytes_get_u64(reader);
	uint32_t version = bytes_get_u32(reader);
	uint32_t n_objects = bytes_get_u32(reader);
	uint32_t n_clients = bytes_get_u32(reader);
	uint32_t n_sessions = bytes_get_u32(reader);
	struct record_header header = { 0 };

	header.registry_size = bytes_get_u64(reader);
	header.owner_uid = bytes_get_u32(reader);
	header.daemon_pid = bytes_get_u32(reader);
	header.monotonic_ns = bytes_get_u64(reader);
	if (reader->failed)
		return RECORD_E_SIZE;
	if (magic != RECORD_MAGIC || version != RECORD_VERSION || n_objects != OBJECT_MAX ||
	    n_clients != CLIENT_MAX || n_sessions != SESSION_MAX ||
	    header.registry_size != registry_size())
		return RECORD_E_VERSION;
	*ret_header = header;
	return RECORD_READY;
}

static void put_storage(struct bytes_writer *writer, const struct record_storage *storage)
{
	bytes_put_u32(writer, storage->call);
	bytes_put_i32(writer, storage->result);
	bytes_put_u64(writer, storage->subject);
	if (storage->call == RECORD_ATTACH_SUM || storage->call == RECORD_FOLD)
		put_sum(writer, &storage->sum);
	if (storage->call == RECORD_STEAD) {
		bytes_put_u32(writer, storage->stood.state);
		bytes_put_u64(writer, (uint64_t)storage->stood.type);
		bytes_put_u64(writer, storage->stood.size);
	}
}

static int get_storage(struct bytes_reader *reader, struct record_storage *ret_storage)
{
	struct record_storage storage = { .call = bytes_get_u32(reader) };

	if (storage.call >= RECORD_CALL_COUNT)
		return RECORD_E_VALUE;
	storage.result = bytes_get_i32(reader);
	storage.subject = bytes_get_u64(reader);
	if (storage.call == RECORD_ATTACH_SUM || storage.call == RECORD_FOLD)
		storage.sum = get_sum(reader);
	if (storage.call == RECORD_STEAD) {
		storage.stood.state = bytes_get_u32(reader);
		storage.stood.type = (int64_t)bytes_get_u64(reader);
		storage.stood.size = bytes_get_u64(reader);
		if (storage.stood.state >= SERVICE_STOOD_COUNT)
			return RECORD_E_VALUE;
	}
	*ret_storage = storage;
	return RECORD_READY;
}

static int get_run(struct bytes_reader *reader, struct record *record)
{
	size_t n_bytes;

	record->run.offset = bytes_get_u64(reader);
	record->run.bytes = get_rest(reader, RECORD_RUN_MAX, &n_bytes);
	record->run.n_bytes = (uint32_t)n_bytes;
	if (record->run.offset > registry_size() || n_bytes > registry_size() - record->run.offset)
		return RECORD_E_VALUE;
	return RECORD_READY;
}

static int get_body(struct bytes_reader *reader, struct record *record)
{
	switch (record->type) {
	case RECORD_HEADER:
		return get_header(reader, &record->header);
	case RECORD_REGISTRY:
		return get_run(reader, record);
	case RECORD_START:
		return RECORD_READY;
	case RECORD_STORAGE:
		return get_storage(reader, &record->storage);
	case RECORD_EVENT:
		return get_event(reader, &record->event);
	case RECORD_EFFECTS:
		record->effects.n = bytes_get_u32(reader);
		record->effects.sum = bytes_get_u64(reader);
		return RECORD_READY;
	case RECORD_END:
		record->end = bytes_get_u32(reader);
		return record->end <= RECORD_END_FULL ? RECORD_READY : RECORD_E_VALUE;
	default:
		return RECORD_E_TYPE;
	}
}

size_t record_encode(const struct record *record, uint8_t *buffer)
{
	struct bytes_writer writer = { .bytes = buffer, .size = RECORD_SIZE_MAX,
				       .used = RECORD_HEAD_SIZE };

	switch (record->type) {
	case RECORD_HEADER:
		put_header(&writer, &record->header);
		break;
	case RECORD_REGISTRY:
		bytes_put_u64(&writer, record->run.offset);
		bytes_put(&writer, record->run.bytes, record->run.n_bytes);
		break;
	case RECORD_STORAGE:
		put_storage(&writer, &record->storage);
		break;
	case RECORD_EVENT:
		put_event(&writer, &record->event);
		break;
	case RECORD_EFFECTS:
		bytes_put_u32(&writer, record->effects.n);
		bytes_put_u64(&writer, record->effects.sum);
		break;
	case RECORD_END:
		bytes_put_u32(&writer, record->end);
		break;
	default:
		ASSERT(record->type == RECORD_START);
		break;
	}
	ASSERT(!writer.failed);
	bytes_store_u32(buffer, (uint32_t)writer.used);
	bytes_store_u32(buffer + 4, record->type);
	bytes_store_u32(buffer + 8,
			sum_body(buffer + RECORD_HEAD_SIZE, writer.used - RECORD_HEAD_SIZE));
	return writer.used;
}

/* --- the registry ------------------------------------------------------------------------------ */

static bool is_zero(const uint8_t *bytes, size_t n_bytes)
{
	for (size_t i = 0; i < n_bytes; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

bool record_next_run(const struct registry *registry, uint64_t *offset, struct record *ret_record)
{
	uint64_t size = registry_size();
	uint64_t begin = *offset;
	uint64_t end;

	while (begin < size && is_zero(registry->base + begin, RUN_GRAIN))
		begin += RUN_GRAIN;
	end = begin;
	while (end < size && end - begin < RECORD_RUN_MAX && !is_zero(registry->base + end, RUN_GRAIN))
		end += RUN_GRAIN;
	*offset = end;
	if (begin == size)
		return false;
	*ret_record = (struct record){ .type = RECORD_REGISTRY };
	ret_record->run.offset = begin;
	ret_record->run.bytes = registry->base + begin;
	ret_record->run.n_bytes = (uint32_t)(end - begin);
	return true;
}

/* --- reading ----------------------------------------------------------------------------------- */

/* May a record of this type follow one of that?  0: the beginning. */
static bool order_allows(uint32_t last, uint32_t type)
{
	switch (type) {
	case RECORD_HEADER:
		return last == 0;
	case RECORD_REGISTRY:
	case RECORD_START:
		return last == RECORD_HEADER || last == RECORD_REGISTRY;
	case RECORD_STORAGE:
		return last == RECORD_START || last == RECORD_STORAGE || last == RECORD_EVENT;
	case RECORD_EVENT:
		return last == RECORD_START || last == RECORD_STORAGE || last == RECORD_EFFECTS;
	case RECORD_EFFECTS:
		return last == RECORD_EVENT || last == RECORD_STORAGE;
	default:
		return last >= RECORD_START && last != RECORD_END;
	}
}

int record_next(struct record_reader *reader, struct record *ret_record)
{
	const uint8_t *bytes = reader->bytes + reader->used;
	uint64_t left = reader->size - reader->used;
	struct bytes_reader body;
	struct record record;
	uint32_t size;
	int r;

	if (left == 0)
		return reader->last == 0 ? RECORD_E_PARTIAL : RECORD_DONE;
	if (left < RECORD_HEAD_SIZE)
		return RECORD_E_PARTIAL;
	size = bytes_load_u32(bytes);
	if (size < RECORD_HEAD_SIZE || size > RECORD_SIZE_MAX)
		return RECORD_E_SIZE;
	if (size > left)
		return RECORD_E_PARTIAL;
	body = (struct bytes_reader){ .bytes = bytes + RECORD_HEAD_SIZE,
				      .size = size - RECORD_HEAD_SIZE };
	if (!reader->ignores_sums && sum_body(body.bytes, body.size) != bytes_load_u32(bytes + 8))
		return RECORD_E_SUM;
	memset(&record, 0, sizeof(record));
	record.type = bytes_load_u32(bytes + 4);
	r = get_body(&body, &record);
	if (r == RECORD_READY && !bytes_is_spent(&body))
		r = RECORD_E_SIZE;
	if (r == RECORD_READY && !order_allows(reader->last, record.type))
		r = RECORD_E_ORDER;
	if (r != RECORD_READY)
		return r;
	reader->used += size;
	reader->last = record.type;
	*ret_record = record;
	return RECORD_READY;
}

const char *record_outcome_to_string(int outcome)
{
	switch (outcome) {
	case RECORD_READY:
		return "a record";
	case RECORD_DONE:
		return "the end";
	case RECORD_E_PARTIAL:
		return "cut short";
	case RECORD_E_SIZE:
		return "a record of a wrong size";
	case RECORD_E_SUM:
		return "damaged: a wrong sum";
	case RECORD_E_TYPE:
		return "a record of no known type";
	case RECORD_E_VALUE:
		return "a field out of range";
	case RECORD_E_ORDER:
		return "a record in the wrong place";
	case RECORD_E_VERSION:
		return "of another version, or by a build with other tables";
	default:
		return "?";
	}
}

/* test-record.c: every record reads back as it was written, and nothing else is taken for one. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/record.h"
#include "guard.h"

static const uint8_t some_bytes[] = { 1, 2, 3, 4, 5 };

/* A whole recording: every type of record, every type of event, every call of storage. */
static size_t recording_make(uint8_t *bytes)
{
	struct record record = { .type = RECORD_HEADER };
	size_t size;

	record.header = (struct record_header){ .owner_uid = 7, .daemon_pid = 8, .monotonic_ns = 9,
						.registry_size = registry_size() };
	size = record_encode(&record, bytes);
	record = (struct record){ .type = RECORD_REGISTRY };
	record.run.offset = registry_size() - sizeof(some_bytes);
	record.run.bytes = some_bytes;
	record.run.n_bytes = sizeof(some_bytes);
	size += record_encode(&record, bytes + size);
	record = (struct record){ .type = RECORD_START };
	size += record_encode(&record, bytes + size);
	for (uint32_t call = 0; call < RECORD_CALL_COUNT; call++) {
		record = (struct record){ .type = RECORD_STORAGE };
		record.storage = (struct record_storage){ .call = call, .result = -5,
							  .subject = record_object(IPC_KIND_MSG, 6) };
		if (call == RECORD_ATTACH_SUM)
			record.storage.sum = (struct ledger_sum){ 1, 2, 3, 4, 5 };
		if (call == RECORD_STEAD)
			record.storage.stood = (struct service_stood){ 2, -1, UINT64_MAX };
		size += record_encode(&record, bytes + size);
	}
	for (uint32_t type = 0; type <= EVENT_TICK; type++) {
		record = (struct record){ .type = RECORD_EVENT };
		record.event = (struct event){ .type = (enum event_type)type, .now_s = -1,
					       .now_ns = UINT64_MAX, .monotonic_ns = 3 };
		record.event.bytes = some_bytes;
		if (type == EVENT_REGISTER || type == EVENT_INPUT)
			record.event.n_bytes = type == EVENT_INPUT ? sizeof(some_bytes) : 0;
		size += record_encode(&record, bytes + size);
		record = (struct record){ .type = RECORD_EFFECTS };
		record.effects.n = type;
		record.effects.sum = UINT64_C(1) << 60;
		size += record_encode(&record, bytes + size);
	}
	record = (struct record){ .type = RECORD_END, .end = RECORD_END_FULL };
	return size + record_encode(&record, bytes + size);
}

/* How reading all of it ends. */
static int outcome_of(const uint8_t *bytes, size_t size)
{
	struct record_reader reader = { .bytes = bytes, .size = size };
	struct record record;
	int r;

	while ((r = record_next(&reader, &record)) == RECORD_READY)
		;
	return r;
}

static void what_is_read_encodes_to_the_same_bytes(void **state)
{
	uint8_t bytes[4096], again[RECORD_SIZE_MAX];
	size_t size = recording_make(bytes);
	struct record_reader reader = { .bytes = bytes, .size = size };
	uint64_t before = 0;
	struct record record;
	uint32_t n = 0;
	int r;

	(void)state;
	while ((r = record_next(&reader, &record)) == RECORD_READY) {
		assert_int_equal(record_encode(&record, again), reader.used - before);
		assert_memory_equal(again, bytes + before, reader.used - before);
		before = reader.used;
		n++;
	}
	assert_int_equal(r, RECORD_DONE);
	assert_int_equal(n, 4 + RECORD_CALL_COUNT + 2 * (EVENT_TICK + 1));
}

static void a_recording_cut_short_is_refused_unless_between_records(void **state)
{
	uint8_t bytes[4096];
	size_t size = recording_make(bytes);
	struct record_reader reader = { .bytes = bytes, .size = size };
	struct record record;

	(void)state;
	for (size_t n = 0; n < size; n++) {
		struct guard guard = { 0 };
		bool is_between = n > 0 && reader.used == n;

		guard_init_copy(&guard, bytes, n);
		assert_int_equal(outcome_of(guard.bytes, n), is_between ? RECORD_DONE : RECORD_E_PARTIAL);
		guard_deinit(&guard);
		if (reader.used <= n)
			assert_int_equal(record_next(&reader, &record), RECORD_READY);
	}
}

static void every_changed_byte_is_noticed(void **state)
{
	uint8_t bytes[4096];
	size_t size = recording_make(bytes);

	(void)state;
	for (size_t i = 0; i < size; i++)
		for (uint32_t bit = 0; bit < 8; bit++) {
			bytes[i] ^= (uint8_t)(1u << bit);
			assert_true(outcome_of(bytes, size) > RECORD_DONE);
			bytes[i] ^= (uint8_t)(1u << bit);
		}
}

/* A changed body under a right sum. */
static void sum_mend(uint8_t *record)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (uint32_t i = RECORD_HEAD_SIZE; i < bytes_load_u32(record); i++)
		sum = (sum ^ record[i]) * UINT64_C(0x100000001b3);
	bytes_store_u32(record + 8, (uint32_t)(sum ^ sum >> 32));
}

static void fields_out_of_range_and_wrong_places_are_refused(void **state)
{
	static const struct {
		uint32_t type;
		uint32_t at; /* of the body */
		uint32_t value;
		int outcome;
	} rows[] = {
		{ RECORD_HEADER, 0, 1, RECORD_E_VERSION },
		{ RECORD_HEADER, 8, RECORD_VERSION + 1, RECORD_E_VERSION },
		{ RECORD_HEADER, 12, 7, RECORD_E_VERSION },
		{ RECORD_HEADER, 16, 7, RECORD_E_VERSION },
		{ RECORD_HEADER, 20, 7, RECORD_E_VERSION },
		{ RECORD_HEADER, 24, 4096, RECORD_E_VERSION },
		{ RECORD_REGISTRY, 4, 1, RECORD_E_VALUE },
		{ RECORD_STORAGE, 0, RECORD_CALL_COUNT, RECORD_E_VALUE },
		{ RECORD_EVENT, 0, EVENT_TICK + 1, RECORD_E_VALUE },
		{ RECORD_EVENT, 0, EVENT_ADMITTED, RECORD_E_SIZE },
		{ RECORD_END, 0, RECORD_END_FULL + 1, RECORD_E_VALUE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t bytes[4096];
		size_t size = recording_make(bytes);
		size_t at = 0;

		while (bytes_load_u32(bytes + at + 4) != rows[i].type)
			at += bytes_load_u32(bytes + at);
		bytes_store_u32(bytes + at + RECORD_HEAD_SIZE + rows[i].at, rows[i].value);
		sum_mend(bytes + at);
		assert_int_equal(outcome_of(bytes, size), rows[i].outcome);
	}
}

/* Which type may follow which: a row for the one before, 0 the beginning. */
static void records_stand_in_their_order(void **state)
{
	static const char *const follows[RECORD_END + 1] = {
		[0] = "1",	      [RECORD_HEADER] = "23",	[RECORD_REGISTRY] = "23",
		[RECORD_START] = "457", [RECORD_STORAGE] = "4567", [RECORD_EVENT] = "467",
		[RECORD_EFFECTS] = "57", [RECORD_END] = "",
	};
	uint8_t bytes[4096];

	(void)state;
	(void)recording_make(bytes);
	for (uint32_t last = 0; last <= RECORD_END; last++)
		for (uint32_t type = RECORD_HEADER; type <= RECORD_END; type++) {
			struct record_reader reader = { .bytes = bytes, .size = sizeof(bytes),
							.last = last };
			struct record record;
			int r;

			while (bytes_load_u32(bytes + reader.used + 4) != type)
				reader.used += bytes_load_u32(bytes + reader.used);
			r = record_next(&reader, &record);
			assert_int_equal(r, strchr(follows[last], '0' + (int)type) ? RECORD_READY
										    : RECORD_E_ORDER);
		}
}

static void the_runs_of_a_registry_make_it_again(void **state)
{
	uint8_t *base = aligned_alloc(4096, registry_size());
	uint8_t *again = calloc(1, registry_size());
	struct registry registry = { .base = base, .size = registry_size() };
	struct record record;
	uint64_t offset = 0;

	(void)state;
	assert_non_null(base);
	assert_non_null(again);
	memset(base, 0, registry_size());
	base[0] = 1;
	memset(base + 64, 2, 3 * RECORD_RUN_MAX);
	base[registry_size() / 2 + 1] = 3;
	base[registry_size() - 1] = 4;
	while (record_next_run(&registry, &offset, &record)) {
		assert_true(record.run.n_bytes > 0 && record.run.n_bytes <= RECORD_RUN_MAX);
		memcpy(again + record.run.offset, record.run.bytes, record.run.n_bytes);
	}
	assert_memory_equal(base, again, registry_size());
	free(base);
	free(again);
}

static void any_change_of_an_effect_changes_the_sum(void **state)
{
	struct effects effects = { .n = 2 };
	uint64_t sums[8];

	(void)state;
	effects.list[0].type = EFFECT_SEND;
	effects.list[0].n_bytes = 4;
	sums[0] = record_effects_sum(&effects);
	effects.list[1].session = 1;
	sums[1] = record_effects_sum(&effects);
	effects.list[1].client = 1;
	sums[2] = record_effects_sum(&effects);
	effects.list[0].bytes[3] = 1;
	sums[3] = record_effects_sum(&effects);
	effects.list[1].text[EFFECT_TEXT_SIZE - 1] = 1;
	sums[4] = record_effects_sum(&effects);
	effects.list[1].name[0] = 'a';
	sums[5] = record_effects_sum(&effects);
	effects.list[0].pid = 1;
	sums[6] = record_effects_sum(&effects);
	effects.n = 1;
	sums[7] = record_effects_sum(&effects);
	for (size_t i = 0; i < ARRAY_SIZE(sums); i++)
		for (size_t j = 0; j < i; j++)
			assert_true(sums[i] != sums[j]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_read_encodes_to_the_same_bytes),
		cmocka_unit_test(a_recording_cut_short_is_refused_unless_between_records),
		cmocka_unit_test(every_changed_byte_is_noticed),
		cmocka_unit_test(fields_out_of_range_and_wrong_places_are_refused),
		cmocka_unit_test(records_stand_in_their_order),
		cmocka_unit_test(the_runs_of_a_registry_make_it_again),
		cmocka_unit_test(any_change_of_an_effect_changes_the_sum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

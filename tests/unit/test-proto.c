/* test-proto.c: every message type: its bytes, its exact size, its ranges. */
#include "test.h"

#include <string.h>

#include "core/bytes.h"
#include "core/frame.h"
#include "core/proto.h"
#include "guard.h"

/* Every type with its body's size as PROTOCOL.md has it, and a body that is in range. */
static const struct {
	uint32_t type;
	uint32_t body_size;
	const char *name;
	uint8_t body[20]; /* its beginning; the rest is 0 */
} types[] = {
	{ PROTO_CREATE, 20, "create", { 2 } },
	{ PROTO_SET, 28, "set", { 1 } },
	{ PROTO_REMOVE, 12, "remove", { 2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },
	{ PROTO_SHM_STAT, 12, "shm-stat", { 0, 0, 0, 0, 1 } },
	{ PROTO_SHM_LOCK, 12, "shm-lock", { 0, 0, 0, 0, 1 } },
	{ PROTO_SETTLE, 4, "settle", { 1, 2, 3, 4 } },
	{ PROTO_LIMITS, 56, "limits", { 1, 2, 3, 4, 5, 6, 7, 8 } },
	{ PROTO_PING, 0, "ping", { 0 } },
	{ PROTO_DETACHED, 12, "detached", { 0, 0, 0, 0, 9 } },
	{ PROTO_LEAVE, 0, "leave", { 0 } },
	{ PROTO_WELCOME, 24, "welcome", { 1, 0, 0, 0, 7 } },
	{ PROTO_REPLY, 8, "reply", { 22, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },
	{ PROTO_SHM_REPLY, 92, "shm-reply", { 0, 0, 0, 0, 2 } },
	{ PROTO_PONG, 40, "pong", { 0, 0, 0, 0, 1 } },
	{ PROTO_STEAD, 76, "stead", { [0] = 1, [16] = 1 } },
	{ PROTO_STOOD, 24, "stood", { 22, 0, 0, 0, 1 } },
};

static void every_type_decodes_at_its_size_and_at_no_other(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		for (uint32_t size = 0; size <= FRAME_SIZE_MAX; size++) {
			struct proto_message message;
			struct guard guard = { 0 };
			int r;

			guard_init(&guard, size);
			memcpy(guard.bytes, types[i].body,
			       size < sizeof(types[i].body) ? size : sizeof(types[i].body));
			r = proto_decode(types[i].type, 3, guard.bytes, size, &message);
			assert_int_equal(r, size == types[i].body_size ? 0 : PROTO_E_SIZE);
			guard_deinit(&guard);
		}
		assert_string_equal(proto_type_to_string(types[i].type), types[i].name);
	}
}

static void every_body_encodes_to_the_bytes_it_came_from(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		uint8_t body[FRAME_SIZE_MAX] = { 0 };
		uint8_t frame[FRAME_SIZE_MAX];
		struct proto_message message;

		/* Each byte in turn stands out, wherever that is in range. */
		for (uint32_t at = 0; at < types[i].body_size; at++) {
			memset(body, 0, sizeof(body));
			memcpy(body, types[i].body, sizeof(types[i].body));
			body[at] = 0x81;
			if (proto_decode(types[i].type, 0xabcdef01, body, types[i].body_size,
					 &message) != 0)
				continue;
			assert_int_equal(proto_encode(&message, frame),
					 FRAME_HEADER_SIZE + types[i].body_size);
			assert_int_equal(bytes_load_u32(frame),
					 FRAME_HEADER_SIZE + types[i].body_size);
			assert_int_equal(bytes_load_u32(frame + 4), types[i].type);
			assert_int_equal(bytes_load_u32(frame + 8), 0xabcdef01);
			assert_memory_equal(frame + FRAME_HEADER_SIZE, body, types[i].body_size);
		}
	}
}

static void types_not_in_the_table_are_refused(void **state)
{
	struct proto_message message;
	uint8_t body[FRAME_SIZE_MAX] = { 0 };

	(void)state;
	for (uint32_t type = 0; type < 300; type++) {
		bool known = false;

		for (size_t i = 0; i < ARRAY_SIZE(types); i++)
			known = known || types[i].type == type;
		if (known)
			continue;
		assert_int_equal(proto_decode(type, 0, body, 0, &message), PROTO_E_TYPE);
		assert_string_equal(proto_type_to_string(type),
				    type == PROTO_HELLO ? "hello" : "unknown");
	}
	assert_int_equal(proto_decode(UINT32_MAX, 0, body, 0, &message), PROTO_E_TYPE);
}

static void fields_out_of_range_are_refused(void **state)
{
	static const struct {
		uint32_t type;
		uint32_t off;
		uint32_t value;
		int outcome;
	} rows[] = {
		{ PROTO_CREATE, 0, 2, 0 },
		{ PROTO_CREATE, 0, 3, PROTO_E_VALUE },
		{ PROTO_CREATE, 0, UINT32_MAX, PROTO_E_VALUE },
		{ PROTO_CREATE, 16, UINT32_MAX, 0 },
		{ PROTO_SET, 0, 3, PROTO_E_VALUE },
		{ PROTO_SET, 4, 0x80000000, 0 },
		{ PROTO_REMOVE, 0, 2, 0 },
		{ PROTO_REMOVE, 0, 3, PROTO_E_VALUE },
		{ PROTO_REMOVE, 8, 1, PROTO_E_VALUE },
		{ PROTO_SHM_STAT, 0, 1, PROTO_E_VALUE },
		{ PROTO_SHM_STAT, 8, 1, 0 },
		{ PROTO_SHM_STAT, 8, 2, PROTO_E_VALUE },
		{ PROTO_SHM_LOCK, 0, 1, PROTO_E_VALUE },
		{ PROTO_SHM_LOCK, 8, 1, 0 },
		{ PROTO_SHM_LOCK, 8, 2, PROTO_E_VALUE },
		{ PROTO_DETACHED, 0, 2, PROTO_E_VALUE },
		{ PROTO_LIMITS, 52, 1, PROTO_E_VALUE },
		{ PROTO_LIMITS, 48, 9, 0 },
		{ PROTO_WELCOME, 0, 4095, 0 },
		{ PROTO_WELCOME, 0, 4096, PROTO_E_VALUE },
		{ PROTO_REPLY, 0, 0xffffffff, PROTO_E_VALUE },
		{ PROTO_SHM_REPLY, 0, 4096, PROTO_E_VALUE },
		{ PROTO_SHM_REPLY, 4, REGISTRY_CLOSING, 0 },
		{ PROTO_SHM_REPLY, 4, REGISTRY_CLOSING + 1, PROTO_E_VALUE },
		{ PROTO_PONG, 0, 4096, PROTO_E_VALUE },
		{ PROTO_STEAD, 0, 0, PROTO_E_VALUE },
		{ PROTO_STEAD, 0, 1, 0 },
		{ PROTO_STEAD, 0, 2, PROTO_E_VALUE }, /* semop of a queue */
		{ PROTO_STEAD, 8, PROTO_STEAD_SET_ALL, 0 },
		{ PROTO_STEAD, 8, PROTO_STEAD_SEND, PROTO_E_VALUE },
		{ PROTO_STEAD, 8, PROTO_STEAD_END, 0 },
		{ PROTO_STEAD, 8, PROTO_STEAD_END + 1, PROTO_E_VALUE },
		{ PROTO_STEAD, 12, PROTO_STEAD_FLAGS, 0 },
		{ PROTO_STEAD, 12, 4, PROTO_E_VALUE },
		{ PROTO_STEAD, 16, 0, PROTO_E_VALUE },
		{ PROTO_STEAD, 16, UINT32_MAX, 0 },
		{ PROTO_STEAD, 20, UINT32_MAX, 0 },
		{ PROTO_STEAD, 36, 'a' | '.' << 8 | 'Z' << 16 | '9' << 24, 0 },
		{ PROTO_STEAD, 36, 'a' | '/' << 8, PROTO_E_VALUE },
		{ PROTO_STEAD, 37, 'a', PROTO_E_VALUE },
		{ PROTO_STEAD, 36, 'a' | 'b' << 16, PROTO_E_VALUE },
		{ PROTO_STOOD, 0, 4096, PROTO_E_VALUE },
		{ PROTO_STOOD, 4, 1, 0 },
		{ PROTO_STOOD, 4, 2, PROTO_E_VALUE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t body[FRAME_SIZE_MAX] = { 0 };
		struct proto_message message;
		uint32_t size = 0;

		for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
			if (types[t].type != rows[i].type)
				continue;
			size = types[t].body_size;
			if (types[t].type == PROTO_STEAD) /* all zeroes is none */
				memcpy(body, types[t].body, sizeof(types[t].body));
		}
		bytes_store_u32(body + rows[i].off, rows[i].value);
		assert_int_equal(proto_decode(rows[i].type, 0, body, size, &message),
				 rows[i].outcome);
	}
}

static void failed_decode_leaves_the_message_untouched(void **state)
{
	uint8_t body[20] = { 3 };
	struct proto_message message;
	struct proto_message before;

	(void)state;
	memset(&message, 0x5a, sizeof(message));
	memcpy(&before, &message, sizeof(before));
	assert_int_equal(proto_decode(PROTO_CREATE, 0, body, 20, &message), PROTO_E_VALUE);
	assert_int_equal(proto_decode(PROTO_CREATE, 0, body, 19, &message), PROTO_E_SIZE);
	assert_int_equal(proto_decode(5, 0, body, 20, &message), PROTO_E_TYPE);
	assert_memory_equal(&message, &before, sizeof(message));
}

static void fields_stand_where_the_protocol_says(void **state)
{
	struct proto_message message = {
		.type = PROTO_SHM_REPLY,
		.request = 9,
		.shm = { .error = 1,
			 .object = { .state = 2,
				     .key = 3,
				     .id = 4,
				     .creator_pid = 5,
				     .owner = { .uid = 6, .gid = 7, .cuid = 8, .cgid = 9, .mode = 10 },
				     .last_pid = 11,
				     .size = 12,
				     .generation = 13,
				     .ctime_s = 14,
				     .attach_ns = 15,
				     .detach_ns = 16 },
			 .n_attached = 17 },
	};
	uint8_t frame[FRAME_SIZE_MAX];

	(void)state;
	assert_int_equal(proto_encode(&message, frame), 104);
	for (uint32_t i = 0; i < 11; i++)
		assert_int_equal(frame[FRAME_HEADER_SIZE + 4 * i], i + 1);
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(frame[FRAME_HEADER_SIZE + 44 + 8 * i], i + 12);
}

static struct proto_hello hello_of(const char *name)
{
	struct proto_hello hello = { .version = PROTO_VERSION, .pid = 0x01020304 };

	memcpy(hello.name, name, strlen(name));
	return hello;
}

static void hello_comes_back_as_it_was_said(void **state)
{
	struct proto_hello hello = hello_of("Abc.09z");
	struct proto_hello back;
	struct guard guard = { 0 };

	(void)state;
	guard_init(&guard, PROTO_HELLO_SIZE);
	proto_hello_encode(&hello, guard.bytes);
	assert_true(proto_hello_decode(guard.bytes, &back));
	assert_int_equal(back.version, PROTO_VERSION);
	assert_int_equal(back.pid, 0x01020304);
	assert_memory_equal(back.name, hello.name, PROTO_NAME_SIZE);
	guard_deinit(&guard);
}

static void hello_with_any_bit_changed_is_no_record(void **state)
{
	struct proto_hello hello = hello_of("name");
	uint8_t record[PROTO_HELLO_SIZE];
	struct proto_hello back;

	(void)state;
	proto_hello_encode(&hello, record);
	for (uint32_t bit = 0; bit < 8 * PROTO_HELLO_SIZE; bit++) {
		record[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(proto_hello_decode(record, &back));
		record[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_true(proto_hello_decode(record, &back));
}

static void hello_with_a_bad_name_is_no_record(void **state)
{
	static const struct {
		const char *name;
		bool good;
	} rows[] = {
		{ "", false },
		{ "a", true },
		{ "..", true }, /* ".." becomes "...in": a name like any other */
		{ "a/b", false },
		{ "../x", false },
		{ "a b", false },
		{ "a-b", false },
		{ "a_b", false },
		{ "a\n", false },
		{ "\xc3\xa4", false },
		{ "abcdefghijabcdefghijabcdefghijabcdefghi", true },
		{ "abcdefghijabcdefghijabcdefghijabcdefghij", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct proto_hello hello = hello_of(rows[i].name);
		uint8_t record[PROTO_HELLO_SIZE];
		struct proto_hello back;

		proto_hello_encode(&hello, record);
		assert_int_equal(proto_hello_decode(record, &back), rows[i].good);
	}
}

static void hello_with_more_after_its_name_is_no_record(void **state)
{
	struct proto_hello hello = hello_of("name");
	uint8_t record[PROTO_HELLO_SIZE];
	struct proto_hello back;

	(void)state;
	hello.name[10] = 'x';
	proto_hello_encode(&hello, record);
	assert_false(proto_hello_decode(record, &back));
	hello = hello_of("name");
	hello.pid = 0;
	proto_hello_encode(&hello, record);
	assert_false(proto_hello_decode(record, &back));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_decodes_at_its_size_and_at_no_other),
		cmocka_unit_test(every_body_encodes_to_the_bytes_it_came_from),
		cmocka_unit_test(types_not_in_the_table_are_refused),
		cmocka_unit_test(fields_out_of_range_are_refused),
		cmocka_unit_test(failed_decode_leaves_the_message_untouched),
		cmocka_unit_test(fields_stand_where_the_protocol_says),
		cmocka_unit_test(hello_comes_back_as_it_was_said),
		cmocka_unit_test(hello_with_any_bit_changed_is_no_record),
		cmocka_unit_test(hello_with_a_bad_name_is_no_record),
		cmocka_unit_test(hello_with_more_after_its_name_is_no_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

/*
 * fuzz-proto.c: proto_decode of one body, and proto_hello_decode.
 *
 * Input: type u32, request u32, body; the same bytes are also taken as a HELLO record.
 * Checked: what decodes encodes to the same bytes, and again to the same; what does not leaves the
 * message untouched.  A record with a wrong sum is mended, so that what lies behind it is reached.
 */
#include "fuzz.h"

#include "core/bytes.h"
#include "core/frame.h"
#include "core/proto.h"

static void try_body(uint32_t type, uint32_t request, const uint8_t *body, size_t body_size)
{
	struct proto_message message;
	struct proto_message before;
	struct proto_message again;
	uint8_t frame[FRAME_SIZE_MAX];

	const char *name = proto_type_to_string(type);
	int outcome;

	memset(&message, 0x5a, sizeof(message));
	memcpy(&before, &message, sizeof(message));
	outcome = proto_decode(type, request, body, body_size, &message);
	FUZZ_SAY("type %u (%s), request %u: outcome %d", type, name, request, outcome);
	fuzz_say_bytes("  body", body, body_size);
	if (outcome != 0) {
		FUZZ_ASSERT(memcmp(&message, &before, sizeof(message)) == 0);
		return;
	}
	FUZZ_ASSERT(proto_encode(&message, frame) == FRAME_HEADER_SIZE + body_size);
	FUZZ_ASSERT(bytes_load_u32(frame) == FRAME_HEADER_SIZE + body_size);
	FUZZ_ASSERT(bytes_load_u32(frame + 4) == type);
	FUZZ_ASSERT(bytes_load_u32(frame + 8) == request);
	FUZZ_ASSERT(body_size == 0 || memcmp(frame + FRAME_HEADER_SIZE, body, body_size) == 0);
	FUZZ_ASSERT(proto_decode(type, request, frame + FRAME_HEADER_SIZE, body_size, &again) == 0);
	FUZZ_ASSERT(memcmp(&message, &again, sizeof(message)) == 0);
	FUZZ_ASSERT(strcmp(name, "unknown") != 0);
}

static uint32_t sum_of(const uint8_t *record)
{
	uint32_t sum = 2166136261u;

	for (size_t i = 0; i < PROTO_HELLO_SIZE - 4; i++)
		sum = (sum ^ record[i]) * 16777619u;
	return sum;
}

static void try_hello(const uint8_t *bytes)
{
	uint8_t record[PROTO_HELLO_SIZE];
	uint8_t back[PROTO_HELLO_SIZE];
	struct proto_hello hello;

	memcpy(record, bytes, sizeof(record));
	if (!proto_hello_decode(record, &hello)) {
		bytes_store_u32(record + PROTO_HELLO_SIZE - 4, sum_of(record));
		if (!proto_hello_decode(record, &hello))
			return;
	}
	FUZZ_SAY("HELLO: version %u, pid %u, name %.40s", hello.version, hello.pid, hello.name);
	FUZZ_ASSERT(hello.pid != 0);
	FUZZ_ASSERT(hello.name[0] != '\0' && memchr(hello.name, 0, PROTO_NAME_SIZE) != NULL);
	FUZZ_ASSERT(memchr(hello.name, '/', PROTO_NAME_SIZE) == NULL);
	proto_hello_encode(&hello, back);
	if (hello.version == PROTO_VERSION)
		FUZZ_ASSERT(memcmp(record, back, sizeof(back)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { .bytes = data, .size = size };
	uint32_t type = fuzz_u32(&input);
	uint32_t request = fuzz_u32(&input);
	const uint8_t *body;
	size_t body_size = fuzz_bytes(&input, FRAME_SIZE_MAX, &body);

	try_body(type, request, body, body_size);
	if (size >= PROTO_HELLO_SIZE)
		try_hello(data);
	return 0;
}

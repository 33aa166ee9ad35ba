/*
 * prove-decoders.c: the messages of the wire, for every body in memory of just its size, and HELLO.
 *
 * Each function is a proof; fuzz/prove/list says with which bounds.
 */
#include "prove.h"
#include "tiny.h"

#include "core/frame.c"
#include "core/proto.c"

#ifndef TYPE
#define TYPE 0u
#endif

/* A body of any size, in memory of just that size; TYPE is the message's, or of none. */
void proto_body(void)
{
	size_t size = nondet_size();
	uint32_t request = nondet_u32();
	struct proto_message message;
	uint8_t frame[FRAME_SIZE_MAX];
	size_t i = nondet_size();
	uint8_t *body;

	ASSUME(size <= FRAME_SIZE_MAX - FRAME_HEADER_SIZE);
	body = malloc(size);
	ASSUME(body);
	if (proto_decode(TYPE, request, body, size, &message) != 0)
		return;
	PROVE(message.type == TYPE && message.request == request);
	PROVE(proto_encode(&message, frame) == FRAME_HEADER_SIZE + size);
	PROVE(bytes_load_u32(frame) == FRAME_HEADER_SIZE + size);
	ASSUME(i < size);
	PROVE(frame[FRAME_HEADER_SIZE + i] == body[i]);
}

void proto_hello(void)
{
	uint8_t *record = malloc(PROTO_HELLO_SIZE);
	struct proto_hello hello;
	uint8_t back[PROTO_HELLO_SIZE];
	size_t i = nondet_size();

	ASSUME(record);
	if (!proto_hello_decode(record, &hello))
		return;
	PROVE(hello.pid != 0 && hello.name[0] != 0 && hello.name[PROTO_NAME_SIZE - 1] == 0);
	ASSUME(i < PROTO_NAME_SIZE);
	PROVE(hello.name[i] != '/');
	proto_hello_encode(&hello, back);
	ASSUME(hello.version == PROTO_VERSION);
	PROVE(record[i] == back[i]);
}

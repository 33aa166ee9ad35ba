/* wire.c: a client made by hand; see hostile.h. */
#include "hostile.h"

#include <poll.h>

#include "sys/map.h"

void wire_choose(char ret_name[PROTO_NAME_SIZE])
{
	static uint32_t n;

	memset(ret_name, 0, PROTO_NAME_SIZE);
	(void)snprintf(ret_name, PROTO_NAME_SIZE, "%d.%u", (int)getpid(), n++);
}

bool wire_hello(const char *name, uint32_t pid)
{
	struct proto_hello hello = {.version = PROTO_VERSION, .pid = pid};
	uint8_t record[PROTO_HELLO_SIZE];
	int fd = ns_open("register", O_WRONLY);
	bool is_said = false;

	memcpy(hello.name, name, PROTO_NAME_SIZE);
	proto_hello_encode(&hello, record);
	for (int ms = 0; fd >= 0 && !is_said && ms < PATIENCE_MS; ms++) {
		is_said = write(fd, record, sizeof(record)) == (ssize_t)sizeof(record);
		if (!is_said)
			nap_ms(1);
	}
	if (fd >= 0)
		(void)close(fd);
	return is_said;
}

bool wire_receive(struct wire *wire, int timeout_ms, struct proto_message *ret_message)
{
	struct pollfd poll_fd = {.fd = wire->pair.out_fd, .events = POLLIN};
	struct frame frame;
	uint8_t byte;

	while (frame_next(&wire->reader, &frame) != FRAME_READY) {
		if (poll(&poll_fd, 1, timeout_ms) != 1 || fifo_read(wire->pair.out_fd, &byte, 1) != 1)
			return false;
		(void)frame_push(&wire->reader, &byte, 1);
	}
	return proto_decode(frame.type, frame.request, frame.body, frame.body_size, ret_message) == 0;
}

int wire_join(struct wire *wire, const char *name, uint32_t pid)
{
	struct proto_message welcome = {0};

	if (!wire_hello(name, pid) || !wire_receive(wire, PATIENCE_MS, &welcome) ||
	    welcome.type != PROTO_WELCOME)
		return -1;
	wire->client = welcome.welcome.client;
	return welcome.welcome.error;
}

int wire_open(struct wire *wire)
{
	int dir = ns_open("clients", O_PATH | O_DIRECTORY);
	char name[PROTO_NAME_SIZE];
	int r;

	*wire = WIRE_NONE;
	wire_choose(name);
	r = fifo_pair_make(dir, name, &wire->pair);
	(void)close(dir);
	if (r == 0)
		r = wire_join(wire, name, (uint32_t)getpid());
	if (r != 0)
		wire_close(wire);
	return r;
}

void wire_close(struct wire *wire)
{
	fifo_pair_close(&wire->pair);
	map_close(wire->ledger.base, wire->ledger.size);
	*wire = WIRE_NONE;
}

bool wire_map_ledger(struct wire *wire)
{
	char name[64];
	void *base = NULL;
	int fd;

	(void)snprintf(name, sizeof(name), "ledgers/%016" PRIx64, wire->client);
	fd = ns_open(name, O_RDWR);
	if (fd < 0 || map_file(fd, ledger_size(), true, &base) < 0)
		return false;
	(void)close(fd);
	if (ledger_bind(&wire->ledger, base, ledger_size()) != 0)
		return false;
	ledger_speak(&wire->ledger);
	return true;
}

bool wire_send(struct wire *wire, struct proto_message *message)
{
	uint8_t bytes[FRAME_SIZE_MAX];
	size_t n;

	message->request = ++wire->request;
	n = proto_encode(message, bytes);
	for (int ms = 0; ms < PATIENCE_MS; ms++) {
		if (fifo_write(wire->pair.in_fd, bytes, n) == (ptrdiff_t)n)
			return true;
		nap_ms(1);
	}
	return false;
}

int wire_ask(struct wire *wire, struct proto_message message, struct proto_message *ret_answer)
{
	struct proto_message answer = {0};

	if (!wire_send(wire, &message) || !wire_receive(wire, PATIENCE_MS, &answer) ||
	    answer.request != message.request)
		return -1;
	if (ret_answer)
		*ret_answer = answer;
	return answer.reply.error; /* each answer begins with it */
}

int wire_ping(struct wire *wire, uint64_t *ret_n_requests)
{
	struct proto_message answer;
	int r = wire_ask(wire, (struct proto_message){.type = PROTO_PING}, &answer);

	if (r == 0 && ret_n_requests)
		*ret_n_requests = answer.pong.n_requests;
	return r;
}

int32_t wire_create(struct wire *wire, enum ipc_kind kind, int32_t key, uint64_t size, uint32_t flags)
{
	struct proto_message answer = {0};
	int r = wire_ask(wire, (struct proto_message){
		.type = PROTO_CREATE,
		.create = {.kind = kind, .key = key, .size = size, .flags = ABI_IPC_CREAT | flags},
	}, &answer);

	return r == 0 ? answer.reply.id : r < 0 ? -EPIPE : -r;
}

int wire_remove(struct wire *wire, enum ipc_kind kind, int32_t id)
{
	return wire_ask(wire, (struct proto_message){
		.type = PROTO_REMOVE, .object = {.kind = kind, .id = id}}, NULL);
}

int wire_set(struct wire *wire, enum ipc_kind kind, int32_t id, uint32_t uid, uint32_t gid, uint32_t mode)
{
	return wire_ask(wire, (struct proto_message){
		.type = PROTO_SET,
		.set = {.kind = kind, .id = id, .uid = uid, .gid = gid, .mode = mode, .qbytes = 16384},
	}, NULL);
}

int64_t wire_attached(struct wire *wire, int32_t id)
{
	struct proto_message answer = {0};
	int r = wire_ask(wire, (struct proto_message){
		.type = PROTO_SHM_STAT, .object = {.kind = IPC_KIND_SHM, .id = id}}, &answer);

	return r == 0 ? (int64_t)answer.shm.n_attached : r < 0 ? -EPIPE : -r;
}

bool wire_is_dropped(struct wire *wire, int timeout_ms)
{
	struct pollfd poll_fd = {.fd = wire->pair.out_fd};

	return poll(&poll_fd, 1, timeout_ms) == 1 && (poll_fd.revents & POLLHUP) != 0;
}

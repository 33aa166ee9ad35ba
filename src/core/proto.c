/*
 * proto.c
 *
 * One row per type in proto_table: its name, its exact size, what its body is.  Field order lives
 * in one encode and one decode function per body, side by side, and in PROTOCOL.md.
 */
#include <string.h>

#include "core/bytes.h"
#include "core/errno.h"
#include "core/frame.h"
#include "core/proto.h"

#define PROTO_HELLO_MAGIC 0x4c485355u /* "USHL" */
#define PROTO_HELLO_SUM_OFF (PROTO_HELLO_SIZE - 4u)
#define PROTO_HELLO_NAME_OFF 12u
#define PROTO_HELLO_RESERVED_OFF (PROTO_HELLO_NAME_OFF + PROTO_NAME_SIZE)

enum proto_body {
	PROTO_BODY_NONE,
	PROTO_BODY_CREATE,
	PROTO_BODY_SET,
	PROTO_BODY_OBJECT,
	PROTO_BODY_SETTLE,
	PROTO_BODY_LIMITS,
	PROTO_BODY_WELCOME,
	PROTO_BODY_REPLY,
	PROTO_BODY_SHM_REPLY,
	PROTO_BODY_PONG,
	PROTO_BODY_STEAD,
	PROTO_BODY_STOOD,
};

static const uint32_t proto_body_sizes[] = {
	[PROTO_BODY_NONE] = 0,     [PROTO_BODY_CREATE] = 20, [PROTO_BODY_SET] = 28,
	[PROTO_BODY_OBJECT] = 12,  [PROTO_BODY_SETTLE] = 4,  [PROTO_BODY_LIMITS] = 56,
	[PROTO_BODY_WELCOME] = 24, [PROTO_BODY_REPLY] = 8,   [PROTO_BODY_SHM_REPLY] = 92,
	[PROTO_BODY_PONG] = 40,    [PROTO_BODY_STEAD] = 76, [PROTO_BODY_STOOD] = 24,
};

struct proto_row {
	uint32_t type;
	enum proto_body body;
	const char *name;
};

static const struct proto_row proto_table[] = {
	{ PROTO_CREATE, PROTO_BODY_CREATE, "create" },
	{ PROTO_SET, PROTO_BODY_SET, "set" },
	{ PROTO_REMOVE, PROTO_BODY_OBJECT, "remove" },
	{ PROTO_SHM_STAT, PROTO_BODY_OBJECT, "shm-stat" },
	{ PROTO_SHM_LOCK, PROTO_BODY_OBJECT, "shm-lock" },
	{ PROTO_SETTLE, PROTO_BODY_SETTLE, "settle" },
	{ PROTO_LIMITS, PROTO_BODY_LIMITS, "limits" },
	{ PROTO_PING, PROTO_BODY_NONE, "ping" },
	{ PROTO_STEAD, PROTO_BODY_STEAD, "stead" },
	{ PROTO_DETACHED, PROTO_BODY_OBJECT, "detached" },
	{ PROTO_LEAVE, PROTO_BODY_NONE, "leave" },
	{ PROTO_WELCOME, PROTO_BODY_WELCOME, "welcome" },
	{ PROTO_REPLY, PROTO_BODY_REPLY, "reply" },
	{ PROTO_SHM_REPLY, PROTO_BODY_SHM_REPLY, "shm-reply" },
	{ PROTO_PONG, PROTO_BODY_PONG, "pong" },
	{ PROTO_STOOD, PROTO_BODY_STOOD, "stood" },
};

static const struct proto_row *proto_row_find(uint32_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(proto_table); i++)
		if (proto_table[i].type == type)
			return &proto_table[i];
	return NULL;
}

const char *proto_type_to_string(uint32_t type)
{
	const struct proto_row *row = proto_row_find(type);

	if (type == PROTO_HELLO)
		return "hello";
	return row ? row->name : "unknown";
}

/* --- bodies: each decode beside its encode ---------------------------------------------------- */

static void create_decode(struct bytes_reader *reader, struct proto_create *create)
{
	create->kind = bytes_get_u32(reader);
	create->key = bytes_get_i32(reader);
	create->size = bytes_get_u64(reader);
	create->flags = bytes_get_u32(reader);
}

static void create_encode(struct bytes_writer *writer, const struct proto_create *create)
{
	bytes_put_u32(writer, create->kind);
	bytes_put_i32(writer, create->key);
	bytes_put_u64(writer, create->size);
	bytes_put_u32(writer, create->flags);
}

static void set_decode(struct bytes_reader *reader, struct proto_set *set)
{
	set->kind = bytes_get_u32(reader);
	set->id = bytes_get_i32(reader);
	set->uid = bytes_get_u32(reader);
	set->gid = bytes_get_u32(reader);
	set->mode = bytes_get_u32(reader);
	set->qbytes = bytes_get_u64(reader);
}

static void set_encode(struct bytes_writer *writer, const struct proto_set *set)
{
	bytes_put_u32(writer, set->kind);
	bytes_put_i32(writer, set->id);
	bytes_put_u32(writer, set->uid);
	bytes_put_u32(writer, set->gid);
	bytes_put_u32(writer, set->mode);
	bytes_put_u64(writer, set->qbytes);
}

static void object_decode(struct bytes_reader *reader, struct proto_object *object)
{
	object->kind = bytes_get_u32(reader);
	object->id = bytes_get_i32(reader);
	object->argument = bytes_get_u32(reader);
}

static void object_encode(struct bytes_writer *writer, const struct proto_object *object)
{
	bytes_put_u32(writer, object->kind);
	bytes_put_i32(writer, object->id);
	bytes_put_u32(writer, object->argument);
}

static void limits_decode(struct bytes_reader *reader, struct registry_limits *limits)
{
	limits->shmmax = bytes_get_u64(reader);
	limits->shmall = bytes_get_u64(reader);
	limits->shmmni = bytes_get_u32(reader);
	limits->semmsl = bytes_get_u32(reader);
	limits->semmns = bytes_get_u32(reader);
	limits->semopm = bytes_get_u32(reader);
	limits->semmni = bytes_get_u32(reader);
	limits->msgmax = bytes_get_u32(reader);
	limits->msgmnb = bytes_get_u32(reader);
	limits->msgmni = bytes_get_u32(reader);
	limits->rmid_forced = bytes_get_u32(reader);
	limits->reserved = bytes_get_u32(reader);
}

static void limits_encode(struct bytes_writer *writer, const struct registry_limits *limits)
{
	bytes_put_u64(writer, limits->shmmax);
	bytes_put_u64(writer, limits->shmall);
	bytes_put_u32(writer, limits->shmmni);
	bytes_put_u32(writer, limits->semmsl);
	bytes_put_u32(writer, limits->semmns);
	bytes_put_u32(writer, limits->semopm);
	bytes_put_u32(writer, limits->semmni);
	bytes_put_u32(writer, limits->msgmax);
	bytes_put_u32(writer, limits->msgmnb);
	bytes_put_u32(writer, limits->msgmni);
	bytes_put_u32(writer, limits->rmid_forced);
	bytes_put_u32(writer, limits->reserved);
}

static void welcome_decode(struct bytes_reader *reader, struct proto_welcome *welcome)
{
	welcome->error = bytes_get_i32(reader);
	welcome->version = bytes_get_u32(reader);
	welcome->client = bytes_get_u64(reader);
	welcome->nonce = bytes_get_u64(reader);
}

static void welcome_encode(struct bytes_writer *writer, const struct proto_welcome *welcome)
{
	bytes_put_i32(writer, welcome->error);
	bytes_put_u32(writer, welcome->version);
	bytes_put_u64(writer, welcome->client);
	bytes_put_u64(writer, welcome->nonce);
}

static void reply_decode(struct bytes_reader *reader, struct proto_reply *reply)
{
	reply->error = bytes_get_i32(reader);
	reply->id = bytes_get_i32(reader);
}

static void reply_encode(struct bytes_writer *writer, const struct proto_reply *reply)
{
	bytes_put_i32(writer, reply->error);
	bytes_put_i32(writer, reply->id);
}

static void shm_reply_decode(struct bytes_reader *reader, struct proto_shm_reply *shm)
{
	shm->error = bytes_get_i32(reader);
	shm->object.state = bytes_get_u32(reader);
	shm->object.key = bytes_get_i32(reader);
	shm->object.id = bytes_get_i32(reader);
	shm->object.creator_pid = bytes_get_u32(reader);
	shm->object.owner.uid = bytes_get_u32(reader);
	shm->object.owner.gid = bytes_get_u32(reader);
	shm->object.owner.cuid = bytes_get_u32(reader);
	shm->object.owner.cgid = bytes_get_u32(reader);
	shm->object.owner.mode = bytes_get_u32(reader);
	shm->object.last_pid = bytes_get_u32(reader);
	shm->object.size = bytes_get_u64(reader);
	shm->object.generation = bytes_get_u64(reader);
	shm->object.ctime_s = (int64_t)bytes_get_u64(reader);
	shm->object.attach_ns = bytes_get_u64(reader);
	shm->object.detach_ns = bytes_get_u64(reader);
	shm->n_attached = bytes_get_u64(reader);
}

static void shm_reply_encode(struct bytes_writer *writer, const struct proto_shm_reply *shm)
{
	bytes_put_i32(writer, shm->error);
	bytes_put_u32(writer, shm->object.state);
	bytes_put_i32(writer, shm->object.key);
	bytes_put_i32(writer, shm->object.id);
	bytes_put_u32(writer, shm->object.creator_pid);
	bytes_put_u32(writer, shm->object.owner.uid);
	bytes_put_u32(writer, shm->object.owner.gid);
	bytes_put_u32(writer, shm->object.owner.cuid);
	bytes_put_u32(writer, shm->object.owner.cgid);
	bytes_put_u32(writer, shm->object.owner.mode);
	bytes_put_u32(writer, shm->object.last_pid);
	bytes_put_u64(writer, shm->object.size);
	bytes_put_u64(writer, shm->object.generation);
	bytes_put_u64(writer, (uint64_t)shm->object.ctime_s);
	bytes_put_u64(writer, shm->object.attach_ns);
	bytes_put_u64(writer, shm->object.detach_ns);
	bytes_put_u64(writer, shm->n_attached);
}

static void pong_decode(struct bytes_reader *reader, struct proto_pong *pong)
{
	pong->error = bytes_get_i32(reader);
	pong->daemon_pid = bytes_get_u32(reader);
	pong->n_clients = bytes_get_u32(reader);
	for (size_t kind = 0; kind < IPC_KIND_COUNT; kind++)
		pong->n_objects[kind] = bytes_get_u32(reader);
	pong->uptime_s = bytes_get_u64(reader);
	pong->n_requests = bytes_get_u64(reader);
}

static void pong_encode(struct bytes_writer *writer, const struct proto_pong *pong)
{
	bytes_put_i32(writer, pong->error);
	bytes_put_u32(writer, pong->daemon_pid);
	bytes_put_u32(writer, pong->n_clients);
	for (size_t kind = 0; kind < IPC_KIND_COUNT; kind++)
		bytes_put_u32(writer, pong->n_objects[kind]);
	bytes_put_u64(writer, pong->uptime_s);
	bytes_put_u64(writer, pong->n_requests);
}

static void stead_decode(struct bytes_reader *reader, struct proto_stead *stead)
{
	stead->kind = bytes_get_u32(reader);
	stead->id = bytes_get_i32(reader);
	stead->what = bytes_get_u32(reader);
	stead->flags = bytes_get_u32(reader);
	stead->number = bytes_get_u32(reader);
	stead->type = (int64_t)bytes_get_u64(reader);
	stead->size = bytes_get_u64(reader);
	bytes_get(reader, stead->name, PROTO_NAME_SIZE);
}

static void stead_encode(struct bytes_writer *writer, const struct proto_stead *stead)
{
	bytes_put_u32(writer, stead->kind);
	bytes_put_i32(writer, stead->id);
	bytes_put_u32(writer, stead->what);
	bytes_put_u32(writer, stead->flags);
	bytes_put_u32(writer, stead->number);
	bytes_put_u64(writer, (uint64_t)stead->type);
	bytes_put_u64(writer, stead->size);
	bytes_put(writer, stead->name, PROTO_NAME_SIZE);
}

static void stood_decode(struct bytes_reader *reader, struct proto_stood *stood)
{
	stood->error = bytes_get_i32(reader);
	stood->is_blocked = bytes_get_u32(reader);
	stood->type = (int64_t)bytes_get_u64(reader);
	stood->size = bytes_get_u64(reader);
}

static void stood_encode(struct bytes_writer *writer, const struct proto_stood *stood)
{
	bytes_put_i32(writer, stood->error);
	bytes_put_u32(writer, stood->is_blocked);
	bytes_put_u64(writer, (uint64_t)stood->type);
	bytes_put_u64(writer, stood->size);
}

static void body_decode(struct bytes_reader *reader, enum proto_body body,
			struct proto_message *message)
{
	switch (body) {
	case PROTO_BODY_NONE:
		break;
	case PROTO_BODY_CREATE:
		create_decode(reader, &message->create);
		break;
	case PROTO_BODY_SET:
		set_decode(reader, &message->set);
		break;
	case PROTO_BODY_OBJECT:
		object_decode(reader, &message->object);
		break;
	case PROTO_BODY_SETTLE:
		message->settle.pid = bytes_get_u32(reader);
		break;
	case PROTO_BODY_LIMITS:
		limits_decode(reader, &message->limits);
		break;
	case PROTO_BODY_WELCOME:
		welcome_decode(reader, &message->welcome);
		break;
	case PROTO_BODY_REPLY:
		reply_decode(reader, &message->reply);
		break;
	case PROTO_BODY_SHM_REPLY:
		shm_reply_decode(reader, &message->shm);
		break;
	case PROTO_BODY_PONG:
		pong_decode(reader, &message->pong);
		break;
	case PROTO_BODY_STEAD:
		stead_decode(reader, &message->stead);
		break;
	case PROTO_BODY_STOOD:
		stood_decode(reader, &message->stood);
		break;
	}
}

static void body_encode(struct bytes_writer *writer, enum proto_body body,
			const struct proto_message *message)
{
	switch (body) {
	case PROTO_BODY_NONE:
		break;
	case PROTO_BODY_CREATE:
		create_encode(writer, &message->create);
		break;
	case PROTO_BODY_SET:
		set_encode(writer, &message->set);
		break;
	case PROTO_BODY_OBJECT:
		object_encode(writer, &message->object);
		break;
	case PROTO_BODY_SETTLE:
		bytes_put_u32(writer, message->settle.pid);
		break;
	case PROTO_BODY_LIMITS:
		limits_encode(writer, &message->limits);
		break;
	case PROTO_BODY_WELCOME:
		welcome_encode(writer, &message->welcome);
		break;
	case PROTO_BODY_REPLY:
		reply_encode(writer, &message->reply);
		break;
	case PROTO_BODY_SHM_REPLY:
		shm_reply_encode(writer, &message->shm);
		break;
	case PROTO_BODY_PONG:
		pong_encode(writer, &message->pong);
		break;
	case PROTO_BODY_STEAD:
		stead_encode(writer, &message->stead);
		break;
	case PROTO_BODY_STOOD:
		stood_encode(writer, &message->stood);
		break;
	}
}

/* --- ranges ----------------------------------------------------------------------------------- */

static bool error_is_valid(int32_t error)
{
	return error >= 0 && error <= ABI_ERRNO_MAX;
}

/* REMOVE is for every kind; the others that name an object are for segments. */
static bool object_is_valid(uint32_t type, const struct proto_object *object)
{
	if (object->kind >= IPC_KIND_COUNT)
		return false;
	if (type != PROTO_REMOVE && object->kind != IPC_KIND_SHM)
		return false;
	return object->argument <= (type == PROTO_SHM_LOCK || type == PROTO_SHM_STAT ? 1u : 0u);
}

static bool name_char_is_valid(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.';
}

/* At least one good character, at least one zero, and nothing but zeroes after the first. */
static bool name_is_valid(const char *name)
{
	size_t length = 0;

	while (length < PROTO_NAME_SIZE && name_char_is_valid(name[length]))
		length++;
	if (length == 0 || length == PROTO_NAME_SIZE)
		return false;
	for (size_t i = length; i < PROTO_NAME_SIZE; i++)
		if (name[i] != 0)
			return false;
	return true;
}

static bool name_is_zero(const char *name)
{
	for (size_t i = 0; i < PROTO_NAME_SIZE; i++)
		if (name[i] != 0)
			return false;
	return true;
}

/* A name as in HELLO, or none. */
static bool stead_is_valid(const struct proto_stead *stead)
{
	bool is_sem = stead->what <= PROTO_STEAD_SET_ALL;

	if (stead->what >= PROTO_STEAD_WHAT_COUNT || (stead->flags & ~PROTO_STEAD_FLAGS) ||
	    stead->number == 0 || (stead->kind != IPC_KIND_SEM && stead->kind != IPC_KIND_MSG))
		return false;
	if (stead->what != PROTO_STEAD_END && is_sem != (stead->kind == IPC_KIND_SEM))
		return false;
	return stead->name[0] == 0 ? name_is_zero(stead->name) : name_is_valid(stead->name);
}

/*
 * What no caller of the library can produce.  What a program may ask for, however wrong, is in
 * range: the service answers it with an errno.
 */
static bool message_is_valid(const struct proto_message *message, enum proto_body body)
{
	switch (body) {
	case PROTO_BODY_CREATE:
		return message->create.kind < IPC_KIND_COUNT;
	case PROTO_BODY_SET:
		return message->set.kind < IPC_KIND_COUNT;
	case PROTO_BODY_OBJECT:
		return object_is_valid(message->type, &message->object);
	case PROTO_BODY_LIMITS:
		return message->limits.reserved == 0;
	case PROTO_BODY_WELCOME:
		return error_is_valid(message->welcome.error);
	case PROTO_BODY_REPLY:
		return error_is_valid(message->reply.error);
	case PROTO_BODY_SHM_REPLY:
		return error_is_valid(message->shm.error) &&
		       message->shm.object.state <= REGISTRY_CLOSING;
	case PROTO_BODY_PONG:
		return error_is_valid(message->pong.error);
	case PROTO_BODY_STEAD:
		return stead_is_valid(&message->stead);
	case PROTO_BODY_STOOD:
		return error_is_valid(message->stood.error) && message->stood.is_blocked <= 1;
	case PROTO_BODY_NONE:
	case PROTO_BODY_SETTLE:
		break;
	}
	return true;
}

/* --- frames ----------------------------------------------------------------------------------- */

int proto_decode(uint32_t type, uint32_t request, const uint8_t *body, size_t body_size,
		 struct proto_message *ret_message)
{
	const struct proto_row *row = proto_row_find(type);
	struct bytes_reader reader = { .bytes = body, .size = body_size };
	struct proto_message message;

	if (!row)
		return PROTO_E_TYPE;
	if (body_size != proto_body_sizes[row->body])
		return PROTO_E_SIZE;
	memset(&message, 0, sizeof(message));
	message.type = type;
	message.request = request;
	body_decode(&reader, row->body, &message);
	ASSERT(bytes_is_spent(&reader));
	if (!message_is_valid(&message, row->body))
		return PROTO_E_VALUE;
	*ret_message = message;
	return 0;
}

size_t proto_encode(const struct proto_message *message, uint8_t *buffer)
{
	const struct proto_row *row = proto_row_find(message->type);
	struct bytes_writer writer = { .bytes = buffer, .size = FRAME_SIZE_MAX };

	ASSERT(row);
	ASSERT(message_is_valid(message, row->body));
	bytes_put_u32(&writer, FRAME_HEADER_SIZE + proto_body_sizes[row->body]);
	bytes_put_u32(&writer, message->type);
	bytes_put_u32(&writer, message->request);
	body_encode(&writer, row->body, message);
	ASSERT(!writer.failed);
	ASSERT(writer.used == FRAME_HEADER_SIZE + proto_body_sizes[row->body]);
	return writer.used;
}

/* --- HELLO ------------------------------------------------------------------------------------ */

/* FNV-1a: against accidents and leftovers, not against forgers, who may say hello anyway. */
static uint32_t hello_sum(const uint8_t *bytes)
{
	uint32_t sum = 2166136261u;

	for (size_t i = 0; i < PROTO_HELLO_SUM_OFF; i++)
		sum = (sum ^ bytes[i]) * 16777619u;
	return sum;
}

void proto_hello_encode(const struct proto_hello *hello, uint8_t *buffer)
{
	memset(buffer, 0, PROTO_HELLO_SIZE);
	bytes_store_u32(buffer, PROTO_HELLO_MAGIC);
	bytes_store_u32(buffer + 4, hello->version);
	bytes_store_u32(buffer + 8, hello->pid);
	memcpy(buffer + PROTO_HELLO_NAME_OFF, hello->name, PROTO_NAME_SIZE);
	bytes_store_u32(buffer + PROTO_HELLO_SUM_OFF, hello_sum(buffer));
}

/* Another version may put something there; ours leaves it zero. */
static bool hello_reserved_is_valid(const uint8_t *bytes)
{
	if (bytes_load_u32(bytes + 4) != PROTO_VERSION)
		return true;
	for (size_t i = PROTO_HELLO_RESERVED_OFF; i < PROTO_HELLO_SUM_OFF; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

bool proto_hello_decode(const uint8_t *bytes, struct proto_hello *ret_hello)
{
	if (bytes_load_u32(bytes) != PROTO_HELLO_MAGIC)
		return false;
	if (bytes_load_u32(bytes + PROTO_HELLO_SUM_OFF) != hello_sum(bytes))
		return false;
	if (bytes_load_u32(bytes + 8) == 0)
		return false;
	if (!name_is_valid((const char *)bytes + PROTO_HELLO_NAME_OFF) || !hello_reserved_is_valid(bytes))
		return false;
	ret_hello->version = bytes_load_u32(bytes + 4);
	ret_hello->pid = bytes_load_u32(bytes + 8);
	memcpy(ret_hello->name, bytes + PROTO_HELLO_NAME_OFF, PROTO_NAME_SIZE);
	return true;
}

STATIC_ASSERT(PROTO_HELLO_NAME_OFF + PROTO_NAME_SIZE <= PROTO_HELLO_SUM_OFF);
STATIC_ASSERT(FRAME_HEADER_SIZE + 92 <= FRAME_SIZE_MAX);

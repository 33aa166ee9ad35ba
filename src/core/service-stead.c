/*
 * service-stead.c: calls made in a client's stead (stead.h): who may, and what for.
 *
 * The permission is judged each time a call is asked for, by who the caller is now.  What stands already goes
 * on whatever has become of its permission, for semop (PERM-15); a receiver whose permission has gone is
 * taken out (MSG-44).  A sender never stands, so he is judged each time (MSG-45).
 */
#include "core/service-internal.h"

#define STEAD_OP_SIZE ((uint32_t)sizeof(struct abi_sembuf))
STATIC_ASSERT(sizeof(struct abi_sembuf) == 6);

static uint32_t stead_need(const struct proto_stead *call)
{
	switch (call->what) {
	case PROTO_STEAD_OP:
		return call->flags & PROTO_STEAD_ALTERS ? CRED_WRITE : CRED_READ;
	case PROTO_STEAD_RECEIVE:
		return CRED_READ;
	default:
		return CRED_WRITE;
	}
}

/* True if the asker may do this.  His groups are asked for where they matter. */
static bool stead_may(const struct request *request, const struct ipc_owner *owner, uint32_t need)
{
	const struct service_storage *storage = request->turn->service->storage;
	const struct session *session = &request->turn->service->sessions[request->session].session;
	const uint32_t groups[] = { owner->gid, owner->cgid };
	struct cred cred = {
		.uid = session->uid,
		.gid = session->gid,
		.privileged = session->uid == 0,
	};
	bool is_owner = cred.uid == owner->uid || cred.uid == owner->cuid;

	for (uint32_t i = 0; i < ARRAY_SIZE(groups) && !cred.privileged && !is_owner; i++) {
		if (groups[i] != cred.gid &&
		    storage->has_group(storage->context, session->client, groups[i]))
			cred.groups[cred.n_groups++] = groups[i];
	}
	return cred_may(&cred, owner, need);
}

static int32_t stead_check_op(const struct proto_stead *call, const struct registry_limits *limits)
{
	if (call->size == 0 || call->size % STEAD_OP_SIZE != 0)
		return ABI_EINVAL;
	return call->size / STEAD_OP_SIZE > limits->semopm ? ABI_E2BIG : 0;
}

/* What the library has checked before, and others have not. */
static int32_t stead_check(const struct request *request, const struct registry_object *object)
{
	const struct proto_stead *call = &request->message->stead;
	bool needs_file = call->size > 0;
	struct registry_limits limits;
	int32_t error = 0;

	registry_read_limits(request->turn->service->registry, &limits);
	switch (call->what) {
	case PROTO_STEAD_OP:
		error = stead_check_op(call, &limits);
		break;
	case PROTO_STEAD_SET_ONE:
		needs_file = false;
		if (call->type < 0 || (uint64_t)call->type >= object->size)
			error = ABI_EINVAL;
		else if (call->size > ABI_SEMVMX)
			error = ABI_ERANGE;
		break;
	case PROTO_STEAD_SET_ALL:
		error = call->size == object->size * sizeof(uint16_t) ? 0 : ABI_EINVAL;
		break;
	case PROTO_STEAD_SEND:
		error = call->type < 1 || call->size > limits.msgmax ? ABI_EINVAL : 0;
		break;
	case PROTO_STEAD_RECEIVE:
		error = call->size <= MSG_TEXT_MAX ? 0 : ABI_EINVAL;
		break;
	default:
		needs_file = false;
		break;
	}
	return error == 0 && needs_file && call->name[0] == 0 ? ABI_EINVAL : error;
}

int32_t object_stead(const struct request *request, struct proto_stood *ret_stood)
{
	const struct proto_stead *call = &request->message->stead;
	const struct service *service = request->turn->service;
	const struct session *session = &service->sessions[request->session].session;
	struct registry_object object;
	struct service_stead ask = {
		.object = &object,
		.call = call,
		.stead = { .number = call->number, .may_wait = call->flags & PROTO_STEAD_WAIT },
		.client = session->client,
		.pid = session->pid,
		.uid = session->uid,
		.now_s = request->turn->event->now_s,
	};
	struct service_stood stood = { 0 };
	int32_t error;

	if (call->id < 0 ||
	    registry_get(service->registry, (enum ipc_kind)call->kind, call->id, &object) != 0)
		return ABI_EINVAL;
	error = stead_check(request, &object);
	if (error != 0)
		return error;
	if (call->what != PROTO_STEAD_END)
		ask.stead.may_begin = stead_may(request, &object.owner, stead_need(call));
	if (call->kind == IPC_KIND_MSG && !ask.stead.may_begin)
		ask.stead.may_wait = false;
	error = storage_error(service->storage->stead(service->storage->context, &ask, &stood));
	if (error != 0 || call->what == PROTO_STEAD_END)
		return error;
	if (stood.state == SERVICE_STOOD_NOT && !ask.stead.may_begin)
		return ABI_EACCES;
	ret_stood->is_blocked = stood.state != SERVICE_STOOD_DONE;
	ret_stood->type = stood.type;
	ret_stood->size = stood.size;
	return 0;
}

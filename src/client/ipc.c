/* ipc.c: see ipc.h. */
#include "client/ipc.h"

#include <string.h>

#include "client/conn.h"
#include "client/cred.h"
#include "client/ns.h"
#include "client/sleeping.h"
#include "client/view.h"
#include "sys/raw.h"

#define IPC_TRIES_MAX 16u

STATIC_ASSERT(IPC_CREAT == ABI_IPC_CREAT && IPC_EXCL == ABI_IPC_EXCL);
STATIC_ASSERT(IPC_NOWAIT == ABI_IPC_NOWAIT && IPC_PRIVATE == ABI_IPC_PRIVATE);

static const struct registry *ipc_registry(void)
{
	return atomic_load_explicit(&ns_registry, memory_order_acquire);
}

int ipc_begin(void)
{
	int r = ns_open(false);

	if (r == 0 && client_thread.sleeping)
		sleeping_cancel_all();
	return r;
}

/* The sum of a *get's size and permission checks on an object that exists.  Its id or -errno. */
static int ipc_get_existing(const struct registry_object *object, uint64_t size, uint32_t flags)
{
	if ((flags & IPC_CREAT) && (flags & IPC_EXCL))
		return -EEXIST;
	if (size > object->size)
		return -EINVAL;
	if (cred_need_of_flags(flags) != 0 &&
	    ipc_judge(object, cred_need_of_flags(flags)) != 0)
		return -EACCES;
	return object->id;
}

static int ipc_create(enum ipc_kind kind, int32_t key, uint64_t size, uint32_t flags)
{
	struct proto_message request = {
		.type = PROTO_CREATE,
		.create = {.kind = kind, .key = key, .size = size, .flags = flags},
	};
	struct proto_message reply;
	int r = conn_call(&request, CONN_TIMEOUT_DEFAULT, &reply, NULL);

	if (r < 0)
		return r;
	return reply.reply.error == 0 ? reply.reply.id : -reply.reply.error;
}

int ipc_get(enum ipc_kind kind, int32_t key, uint64_t size, uint32_t flags)
{
	struct registry_object object;
	int r;

	if (key == IPC_PRIVATE)
		return ipc_create(kind, key, size, flags);
	r = registry_find(ipc_registry(), kind, key, &object);
	if (r == 0)
		return ipc_get_existing(&object, kind == IPC_KIND_MSG ? 0 : size, flags);
	if (r == REGISTRY_E_ABSENT && !(flags & IPC_CREAT))
		return -ENOENT;
	return ipc_create(kind, key, size, flags);
}

static int ipc_outcome(int outcome)
{
	if (outcome == REGISTRY_E_ABSENT)
		return -EINVAL;
	return outcome == 0 ? 0 : -EIO;
}

int ipc_find(enum ipc_kind kind, int32_t id, struct registry_object *ret_object)
{
	int r = REGISTRY_E_BUSY;

	for (uint32_t i = 0; i < IPC_TRIES_MAX && r == REGISTRY_E_BUSY; i++)
		r = registry_get(ipc_registry(), kind, id, ret_object);
	return ipc_outcome(r);
}

int ipc_find_index(enum ipc_kind kind, int32_t id, struct registry_object *ret_object)
{
	int r = REGISTRY_E_BUSY;

	for (uint32_t i = 0; i < IPC_TRIES_MAX && r == REGISTRY_E_BUSY; i++)
		r = registry_get_index(ipc_registry(), kind, (uint32_t)id & ABI_INDEX_MASK,
				       ret_object);
	return ipc_outcome(r);
}

int ipc_judge(const struct registry_object *object, uint32_t need)
{
	struct cred cred;

	cred_fill(&object->owner, &cred);
	return cred_may(&cred, &object->owner, need) ? 0 : -EACCES;
}

static int ipc_may_control(const struct registry_object *object)
{
	struct cred cred;

	cred_fill(&object->owner, &cred);
	return cred_may_control(&cred, &object->owner) ? 0 : -EPERM;
}

int ipc_set(enum ipc_kind kind, int32_t id, const struct ipc_perm *perm, uint64_t qbytes)
{
	struct proto_message request = {
		.type = PROTO_SET,
		.set = {
			.kind = kind,
			.id = id,
			.uid = perm->uid,
			.gid = perm->gid,
			.mode = perm->mode & ABI_MODE_BITS,
			.qbytes = qbytes,
		},
	};
	struct registry_object object;
	struct proto_message reply;
	int r = ipc_find(kind, id, &object);

	if (r == 0)
		r = ipc_may_control(&object);
	if (r == 0)
		r = conn_call(&request, CONN_TIMEOUT_DEFAULT, &reply, NULL);
	return r < 0 ? r : -reply.reply.error;
}

int ipc_remove(enum ipc_kind kind, int32_t id)
{
	struct proto_message request = {
		.type = PROTO_REMOVE,
		.object = {.kind = kind, .id = id},
	};
	struct registry_object object;
	struct proto_message reply;
	bool is_resent;
	int r = ipc_find(kind, id, &object);

	if (r == 0)
		r = ipc_may_control(&object);
	if (r == 0)
		r = conn_call(&request, CONN_TIMEOUT_DEFAULT, &reply, &is_resent);
	if (r < 0)
		return r;
	if (reply.reply.error == EINVAL && is_resent)
		reply.reply.error = 0; /* the daemon died after removing it */
	if (reply.reply.error == 0 && kind != IPC_KIND_SHM)
		view_drop(kind, id);
	return -reply.reply.error;
}

void ipc_fill_perm(const struct registry_object *object, struct ipc_perm *ret_perm)
{
	memset(ret_perm, 0, sizeof(*ret_perm));
	ret_perm->__key = object->key;
	ret_perm->uid = object->owner.uid;
	ret_perm->gid = object->owner.gid;
	ret_perm->cuid = object->owner.cuid;
	ret_perm->cgid = object->owner.cgid;
	ret_perm->mode = (__mode_t)(object->owner.mode & ABI_SHM_SHOWN);
	ret_perm->__seq = (unsigned short)((uint32_t)object->id >> ABI_INDEX_BITS);
}

void ipc_limits(struct registry_limits *ret_limits)
{
	registry_read_limits(ipc_registry(), ret_limits);
}

uint32_t ipc_msgmax(void)
{
	return registry_msgmax(ipc_registry());
}

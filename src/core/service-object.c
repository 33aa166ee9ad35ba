/*
 * service-object.c: requests about objects.
 *
 * Check, then apply: whatever may refuse comes before the first change.  An object under destruction
 * passes through CLOSING, which ends its live word, so that a daemon killed on the way finds it there
 * and goes on.  An IPC_SET is in the registry, marked as pending, before storage carries it out: a
 * daemon killed on the way is followed by one that carries it out again.  A new object is noted with its
 * process, by the request's number, before it is live: asked again, the answer is that object.
 *
 * The session's uid and gid are the owner of its FIFOs.  Supplementary groups are not known here;
 * permission of a *get is judged by the library, and access by the kernel at the object's file.
 *
 * Invariants, as objects_verify checks them:
 * 1. Every object is charged to its creator's uid, and nothing else is.
 * 2. n_pages and n_sems are the sums over the registry; `dest` has the removed segments, n_dest of them.
 */
#include <string.h>

#include "core/service-internal.h"

/* For the log. */
static const char *const create_names[IPC_KIND_COUNT] = { "create shm", "create sem", "create msg" };
static const char *const set_names[IPC_KIND_COUNT] = { "set shm", "set sem", "set msg" };
static const char *const mni_names[IPC_KIND_COUNT] = {
	"limit shmmni reached:",
	"limit semmni reached:",
	"limit msgmni reached:",
};

static const struct session *request_session(const struct request *request)
{
	return &request->turn->service->sessions[request->session].session;
}

static bool request_may_control(const struct request *request, const struct ipc_owner *owner)
{
	const struct session *session = request_session(request);
	struct cred cred = {
		.uid = session->uid,
		.gid = session->gid,
		.privileged = session->uid == 0,
	};

	return cred_may_control(&cred, owner);
}

/* --- counts ----------------------------------------------------------------------------------- */

static uint64_t pages_of(uint64_t size)
{
	return size / SERVICE_PAGE_SIZE + (size % SERVICE_PAGE_SIZE != 0);
}

/* A segment becomes a removed one, or ends as one. */
static void dest_change(struct service *service, int32_t id, bool is_dest)
{
	uint32_t index = (uint32_t)id & ABI_INDEX_MASK;

	service->dest[index / 64] ^= (uint64_t)1 << index % 64;
	service->n_dest += is_dest ? 1 : -1u;
}

/* What an object adds to the sums. */
static void object_count(struct service *service, enum ipc_kind kind,
			 const struct registry_object *object)
{
	if (kind == IPC_KIND_SHM)
		service->n_pages += pages_of(object->size);
	if (kind == IPC_KIND_SEM)
		service->n_sems += object->size;
	if (object->state == REGISTRY_DEST)
		dest_change(service, object->id, true);
}

/* The file first: while it exists its slot says so. */
static void object_destroy(struct service *service, enum ipc_kind kind,
			   const struct registry_object *object)
{
	service->storage->destroy(service->storage->context, kind, object->id);
	registry_drop(service->registry, kind, object->id);
}

/* The opposite of object_count and its charge, with the state the object had when counted. */
static void object_uncount(struct service *service, enum ipc_kind kind,
			   const struct registry_object *object)
{
	if (kind == IPC_KIND_SHM)
		service->n_pages -= pages_of(object->size);
	if (kind == IPC_KIND_SEM)
		service->n_sems -= object->size;
	if (object->state == REGISTRY_DEST)
		dest_change(service, object->id, false);
	quota_release(&service->quota, object->owner.cuid, QUOTA_OBJECT);
}

/* Carries out again what the last daemon was killed in. */
static void object_set_again(struct service *service, enum ipc_kind kind,
			     struct registry_object *object)
{
	struct registry_object before = *object;
	uint64_t qbytes = object->set_pending - 1;

	before.size = 0; /* its file may not have grown */
	object->set_pending = 0;
	/* What fails now fails for its users as well: a file that is not to be had. */
	(void)service->storage->set(service->storage->context, kind, object, &before,
				    kind == IPC_KIND_MSG ? qbytes : 0);
	registry_put(service->registry, kind, object);
}

void objects_count(struct service *service)
{
	for (uint32_t k = 0; k < IPC_KIND_COUNT; k++) {
		enum ipc_kind kind = (enum ipc_kind)k;
		uint32_t index_max = registry_index_max(service->registry, kind);

		for (uint32_t index = 0; index <= index_max; index++) {
			struct registry_object object;

			if (registry_get_any(service->registry, kind, index, &object) != 0)
				continue;
			/* Nothing was decided, and somebody may have attached it: the next sweep adds up. */
			if (kind == IPC_KIND_SHM && object.state == REGISTRY_CLOSING) {
				object.state = object.owner.mode & ABI_SHM_DEST ? REGISTRY_DEST
										: REGISTRY_LIVE;
				registry_put(service->registry, kind, &object);
			}
			if (object.state != REGISTRY_LIVE && object.state != REGISTRY_DEST) {
				object_destroy(service, kind, &object);
				continue;
			}
			if (kind != IPC_KIND_SHM && object.set_pending != 0)
				object_set_again(service, kind, &object);
			object_count(service, kind, &object);
			/* Cannot fail: no limit, and a row for every object there can be. */
			(void)quota_charge(&service->quota, object.owner.cuid, QUOTA_OBJECT,
					   QUOTA_UNLIMITED);
		}
	}
}

static bool verify_dest(const struct service *service, uint32_t n_dest)
{
	uint32_t n_bits = 0;

	for (uint32_t i = 0; i < ARRAY_SIZE(service->dest); i++)
		n_bits += (uint32_t)__builtin_popcountll(service->dest[i]);
	return n_bits == n_dest && n_dest == service->n_dest;
}

bool objects_verify(const struct service *service)
{
	uint64_t n_objects = 0;
	uint64_t n_pages = 0;
	uint64_t n_sems = 0;
	uint32_t n_dest = 0;

	for (uint32_t k = 0; k < IPC_KIND_COUNT; k++) {
		enum ipc_kind kind = (enum ipc_kind)k;
		uint32_t index_max = registry_index_max(service->registry, kind);

		for (uint32_t index = 0; index <= index_max; index++) {
			struct registry_object object;

			if (registry_get_any(service->registry, kind, index, &object) != 0)
				continue;
			if (object.state != REGISTRY_LIVE && object.state != REGISTRY_DEST)
				return false;
			if (quota_count(&service->quota, object.owner.cuid, QUOTA_OBJECT) == 0)
				return false;
			n_objects++;
			n_pages += kind == IPC_KIND_SHM ? pages_of(object.size) : 0;
			n_sems += kind == IPC_KIND_SEM ? object.size : 0;
			if (object.state != REGISTRY_DEST)
				continue;
			if ((service->dest[index / 64] >> index % 64 & 1) == 0)
				return false;
			n_dest++;
		}
	}
	return n_objects == service->quota.n_total[QUOTA_OBJECT] && n_pages == service->n_pages &&
	       n_sems == service->n_sems && verify_dest(service, n_dest);
}

/* --- create ----------------------------------------------------------------------------------- */

static uint32_t limit_mni(const struct registry_limits *limits, enum ipc_kind kind)
{
	switch (kind) {
	case IPC_KIND_SHM:
		return limits->shmmni;
	case IPC_KIND_SEM:
		return limits->semmni;
	default:
		return limits->msgmni;
	}
}

/* ENOSPC, and the log says which limit it was. */
static int32_t limit_reached(const struct request *request, const char *what, uint64_t limit)
{
	turn_log(request->turn, request->session, create_names[request->message->create.kind], what,
		 &limit);
	return ABI_ENOSPC;
}

/* The object with the key is there: IPC-18, IPC-19.  The mode is the library's to judge. */
static int32_t create_check_existing(const struct proto_create *create,
				     const struct registry_object *object)
{
	uint32_t exclusive = ABI_IPC_CREAT | ABI_IPC_EXCL;

	if ((create->flags & exclusive) == exclusive)
		return ABI_EEXIST;
	if (create->kind != IPC_KIND_MSG && create->size > object->size)
		return ABI_EINVAL;
	return 0;
}

/* What the flags of shmget say of huge pages; where they leave the size open, that of the namespace. */
static uint32_t huge_exponent(const struct request *request)
{
	uint32_t exponent = request->message->create.flags >> ABI_SHM_HUGE_SHIFT & ABI_SHM_HUGE_BITS;

	return exponent != 0 ? exponent : registry_huge(request->turn->service->registry);
}

/* SHM-5: 2 MiB, 1 GiB, what there is here; 0: there are none here. */
static bool is_huge_size(const struct request *request)
{
	uint32_t exponent = huge_exponent(request);

	return exponent == 0 || exponent == 21 || exponent == 30 ||
	       exponent == registry_huge(request->turn->service->registry);
}

/* IPC-21, 22, 23 for segments. */
static int32_t create_check_shm(const struct request *request, const struct registry_limits *limits)
{
	const struct proto_create *create = &request->message->create;
	uint64_t n_pages = 0;

	if (create->size == 0 || create->size > limits->shmmax || create->size > INT64_MAX)
		return ABI_EINVAL;
	if (u64_add_overflows(request->turn->service->n_pages, pages_of(create->size), &n_pages) ||
	    n_pages > limits->shmall)
		return limit_reached(request, "limit shmall reached, pages:",
				     limits->shmall);
	/* Who may have huge pages (PERM-12), and whether there are any, is for storage to say. */
	return create->flags & ABI_SHM_HUGETLB && !is_huge_size(request) ? ABI_EINVAL : 0;
}

static int32_t create_check_sem(const struct request *request, const struct registry_limits *limits)
{
	const struct proto_create *create = &request->message->create;

	if (create->size == 0)
		return ABI_EINVAL;
	if (request->turn->service->n_sems + create->size > limits->semmns)
		return limit_reached(request, "limit semmns reached:", limits->semmns);
	return 0;
}

/* Everything that may refuse a new object, in the order of IPC-21..24. */
static int32_t create_check_new(const struct request *request, const struct registry_limits *limits)
{
	const struct proto_create *create = &request->message->create;
	const struct service *service = request->turn->service;
	const struct session *session = request_session(request);
	enum ipc_kind kind = (enum ipc_kind)create->kind;
	int32_t error = 0;

	if (kind == IPC_KIND_SHM)
		error = create_check_shm(request, limits);
	if (kind == IPC_KIND_SEM)
		error = create_check_sem(request, limits);
	if (error != 0)
		return error;
	if (registry_count(service->registry, kind) >= limit_mni(limits, kind))
		return limit_reached(request, mni_names[kind], limit_mni(limits, kind));
	if (session->uid != 0 &&
	    quota_count(&service->quota, session->uid, QUOTA_OBJECT) >= OBJECT_PER_UID_MAX)
		return limit_reached(request, "limit of objects of one uid reached:",
				     OBJECT_PER_UID_MAX);
	return 0;
}

static struct registry_object create_object(const struct request *request,
					    const struct registry_limits *limits)
{
	const struct proto_create *create = &request->message->create;
	const struct session *session = request_session(request);
	uint32_t mode = create->flags & ABI_MODE_BITS;

	if (create->kind == IPC_KIND_SHM && create->flags & ABI_SHM_HUGETLB)
		mode |= ABI_SHM_HUGETLB | huge_exponent(request) << ABI_SHM_HUGE_SHIFT;
	return (struct registry_object){
		.state = REGISTRY_CREATING,
		.key = create->key,
		.creator_pid = session->pid,
		.owner = { .uid = session->uid,
			   .gid = session->gid,
			   .cuid = session->uid,
			   .cgid = session->gid,
			   .mode = mode },
		.size = create->kind == IPC_KIND_MSG ? limits->msgmnb : create->size,
		.ctime_s = request->turn->event->now_s,
	};
}

static int32_t create_apply(const struct request *request, const struct registry_limits *limits,
			    int32_t *ret_id)
{
	const struct proto_create *create = &request->message->create;
	struct service *service = request->turn->service;
	const struct service_storage *storage = service->storage;
	struct registry_object object = create_object(request, limits);
	enum ipc_kind kind = (enum ipc_kind)create->kind;
	bool reserve = kind == IPC_KIND_SHM && !(create->flags & ABI_SHM_NORESERVE);
	int32_t error;

	if (registry_allocate(service->registry, kind, limit_mni(limits, kind), &object.id) != 0)
		return limit_reached(request, mni_names[kind], limit_mni(limits, kind));
	registry_put(service->registry, kind, &object);
	error = storage_error(storage->create(storage->context, kind, &object,
					      kind == IPC_KIND_MSG ? limits->msgmnb : 0,
					      reserve ? object.size : 0));
	if (error != 0) {
		registry_drop(service->registry, kind, object.id);
		turn_log(request->turn, request->session, create_names[kind],
			 "storage failed, errno", &(uint64_t){ (uint64_t)error });
		return error;
	}
	if (request->message->request != 0)
		registry_client_note(service->registry, request_session(request)->client,
				     request->message->request, kind, object.id);
	object.state = REGISTRY_LIVE;
	registry_put(service->registry, kind, &object);
	object_count(service, kind, &object);
	/* Cannot fail: checked before, and there is a row for every object there can be. */
	(void)quota_charge(&service->quota, object.owner.cuid, QUOTA_OBJECT, QUOTA_UNLIMITED);
	*ret_id = object.id;
	return 0;
}

/* A request asked again, because the daemon that carried it out was killed before its answer. */
static bool create_is_done(const struct request *request, int32_t *ret_id)
{
	const struct registry *registry = request->turn->service->registry;
	enum ipc_kind kind = (enum ipc_kind)request->message->create.kind;
	struct registry_object object;
	struct registry_client asker;

	if (registry_client_get(registry, request_session(request)->client, &asker) != 0 ||
	    asker.made_request == 0 || asker.made_request != request->message->request ||
	    asker.made_kind != kind || registry_get(registry, kind, asker.made_id, &object) != 0)
		return false;
	*ret_id = object.id;
	return true;
}

int32_t object_create(const struct request *request, int32_t *ret_id)
{
	const struct proto_create *create = &request->message->create;
	struct service *service = request->turn->service;
	struct registry_object object;
	struct registry_limits limits;
	int32_t error;

	if (create_is_done(request, ret_id))
		return 0;
	registry_read_limits(service->registry, &limits);
	if (create->kind == IPC_KIND_SEM && create->size > limits.semmsl)
		return ABI_EINVAL;
	if (create->key != ABI_IPC_PRIVATE) {
		if (registry_find(service->registry, (enum ipc_kind)create->kind, create->key,
				  &object) == 0) {
			error = create_check_existing(create, &object);
			if (error == 0)
				*ret_id = object.id;
			return error;
		}
		if (!(create->flags & ABI_IPC_CREAT))
			return ABI_ENOENT;
	}
	error = create_check_new(request, &limits);
	if (error != 0)
		return error;
	return create_apply(request, &limits, ret_id);
}

/* --- set, lock, limits ------------------------------------------------------------------------ */

/* IPC-9, IPC-35, IPC-36: an id that means nothing is EINVAL, then who may not is EPERM. */
static int32_t object_find_to_control(const struct request *request, enum ipc_kind kind, int32_t id,
				      struct registry_object *ret_object)
{
	struct registry_object object;

	if (id < 0 || registry_get(request->turn->service->registry, kind, id, &object) != 0)
		return ABI_EINVAL;
	if (!request_may_control(request, &object.owner))
		return ABI_EPERM;
	*ret_object = object;
	return 0;
}

static int32_t set_check(const struct request *request, struct registry_object *ret_object)
{
	const struct proto_set *set = &request->message->set;
	struct registry_limits limits;
	int32_t error;

	error = object_find_to_control(request, (enum ipc_kind)set->kind, set->id, ret_object);
	if (error != 0)
		return error;
	registry_read_limits(request->turn->service->registry, &limits);
	if (set->kind == IPC_KIND_MSG && set->qbytes > limits.msgmnb &&
	    request_session(request)->uid != 0)
		return ABI_EPERM;
	if (set->uid == UINT32_MAX || set->gid == UINT32_MAX)
		return ABI_EINVAL;
	/* The kernel knows no such bound; ours is what a queue's file can hold. */
	if (set->kind == IPC_KIND_MSG && set->qbytes > MSG_TEXT_MAX)
		return ABI_ENOMEM;
	return 0;
}

int32_t object_set(const struct request *request)
{
	const struct proto_set *set = &request->message->set;
	struct service *service = request->turn->service;
	enum ipc_kind kind = (enum ipc_kind)set->kind;
	struct registry_object object, before;
	int32_t error;

	error = set_check(request, &object);
	if (error != 0)
		return error;
	before = object;
	object.owner.uid = set->uid;
	object.owner.gid = set->gid;
	object.owner.mode &= ~(uint32_t)ABI_MODE_BITS;
	object.owner.mode |= set->mode & ABI_MODE_BITS;
	object.ctime_s = request->turn->event->now_s;
	if (kind == IPC_KIND_MSG && set->qbytes > object.size) {
		object.size = set->qbytes;
		object.generation++;
	}
	if (kind != IPC_KIND_SHM)
		object.set_pending = (kind == IPC_KIND_MSG ? set->qbytes : 0) + 1;
	registry_put(service->registry, kind, &object);
	error = storage_error(service->storage->set(service->storage->context, kind, &object, &before,
						    kind == IPC_KIND_MSG ? set->qbytes : 0));
	if (error != 0)
		turn_log(request->turn, request->session, set_names[kind], "storage failed, errno",
			 &(uint64_t){ (uint64_t)error });
	if (kind != IPC_KIND_SHM)
		object.set_pending = 0;
	if (error != 0)
		registry_put(service->registry, kind, &before);
	else if (kind != IPC_KIND_SHM)
		registry_put(service->registry, kind, &object);
	return error;
}

int32_t object_shm_lock(const struct request *request)
{
	const struct proto_object *asked = &request->message->object;
	struct registry_object object;
	int32_t error;

	error = object_find_to_control(request, IPC_KIND_SHM, asked->id, &object);
	if (error != 0)
		return error;
	if (object.owner.mode & ABI_SHM_HUGETLB)
		return 0; /* never swapped (SHM-42) */
	object.owner.mode &= ~(uint32_t)ABI_SHM_LOCKED;
	if (asked->argument)
		object.owner.mode |= ABI_SHM_LOCKED;
	registry_put(request->turn->service->registry, IPC_KIND_SHM, &object);
	return 0;
}

static bool limits_are_valid(const struct registry_limits *limits)
{
	return limits->shmmni <= OBJECT_MAX && limits->semmni <= OBJECT_MAX &&
	       limits->msgmni <= OBJECT_MAX && limits->semmsl <= SEM_NSEMS_MAX &&
	       limits->semmns <= INT32_MAX && limits->semopm >= SEM_NOPS_MIN &&
	       limits->semopm <= SEM_NOPS_MAX &&
	       limits->msgmax <= MSG_TEXT_MAX && limits->msgmnb <= MSG_TEXT_MAX &&
	       limits->rmid_forced <= 1;
}

int32_t object_limits(const struct request *request)
{
	const struct registry_limits *limits = &request->message->limits;
	struct service *service = request->turn->service;
	uint32_t uid = request_session(request)->uid;

	if (uid != 0 && uid != service->owner_uid)
		return ABI_EPERM;
	if (!limits_are_valid(limits))
		return ABI_EINVAL;
	registry_write_limits(service->registry, limits);
	turn_log(request->turn, request->session, "limits", "changed", NULL);
	return 0;
}

/* --- segments --------------------------------------------------------------------------------- */

/*
 * Keeps the latest stamps, and the process of the very latest as lpid.  A ledger is its process's
 * own, so a stamp from the future counts as now and cannot outlive the next honest one.
 */
static bool object_fold(struct registry_object *object, const struct ledger_sum *sum,
			uint64_t now_ns)
{
	uint64_t attach_ns = sum->attach_ns < now_ns ? sum->attach_ns : now_ns;
	uint64_t detach_ns = sum->detach_ns < now_ns ? sum->detach_ns : now_ns;
	uint64_t latest_ns =
		object->attach_ns > object->detach_ns ? object->attach_ns : object->detach_ns;
	bool changed = false;

	if (attach_ns > object->attach_ns) {
		if (attach_ns > latest_ns)
			object->last_pid = sum->attach_pid;
		object->attach_ns = attach_ns;
		latest_ns = attach_ns > latest_ns ? attach_ns : latest_ns;
		changed = true;
	}
	if (detach_ns > object->detach_ns) {
		if (detach_ns >= latest_ns)
			object->last_pid = sum->detach_pid;
		object->detach_ns = detach_ns;
		changed = true;
	}
	return changed;
}

void service_fold(struct service *service, int32_t shmid, const struct ledger_sum *sum)
{
	struct registry_object object;

	if (shmid < 0 || registry_get(service->registry, IPC_KIND_SHM, shmid, &object) != 0)
		return;
	if (object_fold(&object, sum, service->now_ns))
		registry_put(service->registry, IPC_KIND_SHM, &object);
}

/* Attachments right now, with their stamps kept in object and registry.  0 or errno. */
static int32_t segment_sum(struct turn *turn, struct registry_object *object, bool exact,
			   uint64_t *ret_n)
{
	const struct service_storage *storage = turn->service->storage;
	struct ledger_sum sum = { 0 };
	int32_t error;

	error = storage_error(storage->attach_sum(storage->context, object->id, exact, &sum));
	if (error != 0)
		return error;
	if (object_fold(object, &sum, turn->event->now_ns))
		registry_put(turn->service->registry, IPC_KIND_SHM, object);
	*ret_n = sum.n_attached;
	return 0;
}

/*
 * A segment nobody seems to have: closed to new attachments, added up again, and only then
 * destroyed.  Who attaches writes his ledger first and looks at the slot afterwards, so either he
 * is in the second sum or he sees it closed.  True: it is gone.
 */
static bool segment_close(struct turn *turn, const struct registry_object *object)
{
	struct service *service = turn->service;
	struct registry_object closing = *object;
	uint64_t n_attached = 0;

	closing.state = REGISTRY_CLOSING;
	registry_put(service->registry, IPC_KIND_SHM, &closing);
	if (segment_sum(turn, &closing, false, &n_attached) != 0 || n_attached > 0) {
		closing.state = object->state;
		registry_put(service->registry, IPC_KIND_SHM, &closing);
		return false;
	}
	/* Decided: who starts after us finds a segment that never was, and sweeps its file away. */
	closing.state = REGISTRY_CREATING;
	registry_put(service->registry, IPC_KIND_SHM, &closing);
	object_uncount(service, IPC_KIND_SHM, object);
	object_destroy(service, IPC_KIND_SHM, &closing);
	return true;
}

void segment_recheck(struct turn *turn, int32_t id)
{
	const struct registry *registry = turn->service->registry;
	struct registry_object object;
	struct registry_limits limits;
	uint64_t n_attached = 0;

	if (id < 0 || registry_get(registry, IPC_KIND_SHM, id, &object) != 0)
		return;
	registry_read_limits(registry, &limits);
	if (object.state != REGISTRY_DEST && !limits.rmid_forced)
		return;
	/* A sum that cannot be had destroys nothing; the next sweep asks again. */
	if (segment_sum(turn, &object, false, &n_attached) != 0 || n_attached > 0)
		return;
	/* SHM-44 is about a count that drops to 0; anybody may tell us of one that never was. */
	if (object.state == REGISTRY_DEST || object.detach_ns > 0)
		(void)segment_close(turn, &object);
}

void segment_sweep(struct turn *turn)
{
	struct service *service = turn->service;
	uint32_t n_reaps = u32_min(service->n_dest, SERVICE_REAPS_PER_STEP_MAX);
	uint32_t n_words = ARRAY_SIZE(service->dest) + 1; /* the first one is begun in its middle */

	while (n_reaps > 0 && n_words > 0) {
		uint32_t at = service->dest_cursor;
		uint64_t rest = service->dest[at / 64] >> at % 64;
		struct registry_object object;

		if (rest == 0) {
			service->dest_cursor = (at / 64 + 1) * 64 % OBJECT_MAX;
			n_words--;
			continue;
		}
		at += (uint32_t)__builtin_ctzll(rest);
		service->dest_cursor = (at + 1) % OBJECT_MAX;
		n_reaps--;
		if (registry_get_index(service->registry, IPC_KIND_SHM, at, &object) == 0)
			segment_recheck(turn, object.id);
	}
}

/*
 * Ends the lease there was, and says who may have the next one: whoever knows its number.  Before the
 * sum: who attaches writes his ledger first and looks at the lease afterwards, so either he is in the
 * sum or he sees it and has it ended.
 */
static void segment_lease(struct turn *turn, struct registry_object *object, uint64_t lease)
{
	if (object->generation == lease)
		return;
	object->generation = lease;
	registry_put(turn->service->registry, IPC_KIND_SHM, object);
}

/* A number that no earlier daemon of this machine has given either. */
static uint64_t lease_next(struct turn *turn)
{
	uint64_t *last = &turn->service->lease;

	*last = turn->event->monotonic_ns > *last ? turn->event->monotonic_ns : *last + 1;
	return *last;
}

int32_t object_shm_stat(const struct request *request, struct registry_object *ret_object,
			uint64_t *ret_n_attached)
{
	int32_t id = request->message->object.id;
	const struct service_storage *storage = request->turn->service->storage;
	bool wants_lease = request->message->object.argument != 0;
	struct turn *turn = request->turn;
	struct registry_object object;
	uint64_t n_attached = 0;
	int32_t error;

	if (id < 0 || registry_get(turn->service->registry, IPC_KIND_SHM, id, &object) != 0)
		return ABI_EINVAL;
	segment_lease(turn, &object, wants_lease ? lease_next(turn) : 0);
	error = segment_sum(turn, &object, true, &n_attached);
	if (error != 0 || (wants_lease && !storage->attached_alone(storage->context, id,
								   request_session(request)->client,
								   n_attached)))
		segment_lease(turn, &object, 0);
	if (error != 0)
		return error;
	if (object.state == REGISTRY_DEST && n_attached == 0 && segment_close(turn, &object))
		return ABI_EINVAL;
	*ret_object = object;
	*ret_n_attached = n_attached;
	return 0;
}

/* --- remove ----------------------------------------------------------------------------------- */

/* SHM-34, 35, 37: marked and without its key at once; gone when nobody has it attached. */
static void segment_remove(struct turn *turn, struct registry_object *object)
{
	struct service *service = turn->service;

	if (object->state != REGISTRY_DEST) {
		object->state = REGISTRY_DEST;
		object->key = ABI_IPC_PRIVATE;
		object->owner.mode |= ABI_SHM_DEST;
		registry_put(service->registry, IPC_KIND_SHM, object);
		dest_change(service, object->id, true);
	}
	segment_recheck(turn, object->id);
}

int32_t object_remove(const struct request *request)
{
	const struct proto_object *asked = &request->message->object;
	struct service *service = request->turn->service;
	enum ipc_kind kind = (enum ipc_kind)asked->kind;
	struct registry_object object;
	int32_t error;

	error = object_find_to_control(request, kind, asked->id, &object);
	if (error != 0)
		return error;
	if (kind == IPC_KIND_SHM) {
		segment_remove(request->turn, &object);
		return 0;
	}
	object_uncount(service, kind, &object);
	object.state = REGISTRY_CLOSING;
	registry_put(service->registry, kind, &object);
	object_destroy(service, kind, &object);
	return 0;
}

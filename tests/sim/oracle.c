/* oracle.c: the objects of the namespace, naively, and the errors in the order PROTOCOL.md has them. */
#include "sim.h"

#include "core/errno.h"

const uint32_t sim_uids[SIM_UIDS] = { 0, SIM_OWNER_UID, 1001, 1002, 1003, 2001, 2002,
					   2003, 2004, 2005, 2006, 2007 };

uint32_t sim_uid_index(uint32_t uid)
{
	for (uint32_t i = 0; i < SIM_UIDS; i++)
		if (sim_uids[i] == uid)
			return i;
	sim_fail("uid %u is nobody's", uid);
}

uint32_t sim_any_uid(void)
{
	return sim_uids[sim_below(sim_chance(300) ? SIM_UIDS : SIM_UIDS_USUAL)];
}

static uint64_t pages_of(uint64_t size)
{
	return (size + 4095) / 4096;
}

struct oracle_object *oracle_find(struct oracle *oracle, enum ipc_kind kind, int32_t id)
{
	uint32_t index = (uint32_t)id & ABI_INDEX_MASK;

	if (id < 0 || !oracle->objects[kind][index].exists ||
	    oracle->objects[kind][index].object.id != id)
		return NULL;
	return &oracle->objects[kind][index];
}

static struct oracle_object *find_key(struct oracle *oracle, enum ipc_kind kind, int32_t key)
{
	for (uint32_t i = 0; i < ORACLE_INDEX_MAX && key != ABI_IPC_PRIVATE; i++) {
		struct oracle_object *entry = &oracle->objects[kind][i];

		if (entry->exists && entry->object.key == key &&
		    entry->object.state == REGISTRY_LIVE)
			return entry;
	}
	return NULL;
}

bool oracle_may_go(const struct oracle *oracle, enum ipc_kind kind, const struct oracle_object *entry)
{
	return kind == IPC_KIND_SHM && entry->n_attached == 0 &&
	       (entry->object.state == REGISTRY_DEST || oracle->limits.rmid_forced != 0 ||
		entry->may_have_gone);
}

/* Segments that may have gone already, or go within this very step. */
static void count_idle(const struct oracle *oracle, uint32_t *ret_n, uint64_t *ret_pages)
{
	*ret_n = 0;
	*ret_pages = 0;
	for (uint32_t i = 0; i < ORACLE_INDEX_MAX; i++) {
		const struct oracle_object *entry = &oracle->objects[IPC_KIND_SHM][i];

		if (!entry->exists || !oracle_may_go(oracle, IPC_KIND_SHM, entry))
			continue;
		++*ret_n;
		*ret_pages += pages_of(entry->object.size);
	}
}

static uint32_t limit_of(const struct oracle *oracle, enum ipc_kind kind)
{
	const uint32_t limits[] = { oracle->limits.shmmni, oracle->limits.semmni,
				    oracle->limits.msgmni };

	return limits[kind];
}

static void judge_new_shm(struct oracle *oracle, const struct proto_create *create,
			  struct verdict *verdict)
{
	uint64_t idle_pages, n_pages;
	uint32_t n_idle;

	if (create->size == 0 || create->size > oracle->limits.shmmax || create->size > INT64_MAX) {
		verdict->error = ABI_EINVAL;
		return;
	}
	n_pages = oracle->n_pages + pages_of(create->size);
	if (n_pages > oracle->limits.shmall) {
		count_idle(oracle, &n_idle, &idle_pages);
		verdict->maybe = ABI_ENOSPC;
		if (n_pages - idle_pages > oracle->limits.shmall) {
			verdict->error = ABI_ENOSPC;
			return;
		}
	}
}

static void judge_room(struct oracle *oracle, const struct who *who,
		      const struct proto_create *create, struct verdict *verdict)
{
	enum ipc_kind kind = (enum ipc_kind)create->kind;
	uint64_t idle_pages;
	uint32_t n_idle = 0;
	bool maybe;

	if (kind == IPC_KIND_SHM)
		judge_new_shm(oracle, create, verdict);
	if (kind == IPC_KIND_SEM && create->size == 0)
		verdict->error = ABI_EINVAL;
	else if (kind == IPC_KIND_SEM && oracle->n_sems + create->size > oracle->limits.semmns)
		verdict->error = ABI_ENOSPC;
	if (verdict->error != 0)
		return;
	maybe = who->uid != 0 &&
		oracle->n_of_uid[sim_uid_index(who->uid)] >= OBJECT_PER_UID_MAX;
	if (!maybe && oracle->n[kind] < limit_of(oracle, kind))
		return;
	verdict->maybe = ABI_ENOSPC;
	if (kind != IPC_KIND_SHM && !maybe)
		verdict->error = ABI_ENOSPC;
	count_idle(oracle, &n_idle, &idle_pages);
	if (n_idle == 0 || (kind == IPC_KIND_SHM && oracle->n[kind] - n_idle >= limit_of(oracle, kind)))
		verdict->error = ABI_ENOSPC;
}

static void judge_new(struct oracle *oracle, const struct who *who,
		      const struct proto_create *create, struct verdict *verdict)
{
	judge_room(oracle, who, create, verdict);
	/* Huge pages: root alone has the right, in this world. */
	if (verdict->error == 0 && create->kind == IPC_KIND_SHM && create->flags & ABI_SHM_HUGETLB &&
	    who->uid != 0)
		verdict->error = ABI_EPERM;
}

static void judge_absent(struct oracle *oracle, const struct who *who,
			 const struct proto_create *create, struct verdict *verdict)
{
	if (create->key != ABI_IPC_PRIVATE && !(create->flags & ABI_IPC_CREAT))
		verdict->error = ABI_ENOENT;
	else
		judge_new(oracle, who, create, verdict);
}

/* The object made for this very request, when it was asked for the first time. */
static struct oracle_object *find_made(struct oracle *oracle, const struct who *who,
				       const struct proto_message *asked)
{
	const struct sim_process *process = who->process;

	if (process->made_request != asked->request || process->made_kind != asked->create.kind)
		return NULL;
	return oracle_find(oracle, (enum ipc_kind)process->made_kind, process->made_id);
}

static void judge_create(struct oracle *oracle, const struct who *who,
			 const struct proto_message *asked, struct verdict *verdict)
{
	const struct proto_create *create = &asked->create;
	struct verdict absent = { .id = -1, .maybe = ORACLE_NO_ERRNO };
	uint32_t exclusive = ABI_IPC_CREAT | ABI_IPC_EXCL;
	enum ipc_kind kind = (enum ipc_kind)create->kind;
	struct oracle_object *entry = find_key(oracle, kind, create->key);
	const struct oracle_object *made = find_made(oracle, who, asked);

	if (made) {
		verdict->id = made->object.id;
		verdict->is_again = true;
		return;
	}
	if (kind == IPC_KIND_SEM && create->size > oracle->limits.semmsl) {
		verdict->error = ABI_EINVAL;
	} else if (entry) {
		verdict->id = entry->object.id;
		if ((create->flags & exclusive) == exclusive)
			verdict->error = ABI_EEXIST;
		else if (kind != IPC_KIND_MSG && create->size > entry->object.size)
			verdict->error = ABI_EINVAL;
		if (!oracle_may_go(oracle, kind, entry))
			return;
		judge_absent(oracle, who, create, &absent);
		verdict->maybe = absent.error;
		verdict->maybe_too = absent.maybe;
		verdict->may_be_new = true;
	} else {
		judge_absent(oracle, who, create, verdict);
	}
}

static bool may_control(const struct who *who, const struct registry_object *object)
{
	return who->uid == 0 || who->uid == object->owner.uid || who->uid == object->owner.cuid;
}

static void judge_control(struct oracle *oracle, const struct who *who, enum ipc_kind kind,
			  int32_t id, struct verdict *verdict)
{
	struct oracle_object *entry = oracle_find(oracle, kind, id);

	if (!entry)
		verdict->error = ABI_EINVAL;
	else if (!may_control(who, &entry->object))
		verdict->error = ABI_EPERM;
	if (entry && oracle_may_go(oracle, kind, entry))
		verdict->maybe = ABI_EINVAL;
}

static void judge_set(struct oracle *oracle, const struct who *who, const struct proto_set *set,
		      struct verdict *verdict)
{
	judge_control(oracle, who, (enum ipc_kind)set->kind, set->id, verdict);
	if (verdict->error != 0)
		return;
	if (set->kind == IPC_KIND_MSG && set->qbytes > oracle->limits.msgmnb && who->uid != 0)
		verdict->error = ABI_EPERM;
	else if (set->uid == UINT32_MAX || set->gid == UINT32_MAX)
		verdict->error = ABI_EINVAL;
	else if (set->kind == IPC_KIND_MSG && set->qbytes > MSG_TEXT_MAX)
		verdict->error = ABI_ENOMEM;
}

/* Whether the mode gives it; group 1 is everybody's. */
static bool stead_is_allowed(const struct who *who, const struct ipc_owner *owner,
			     const struct proto_stead *stead)
{
	bool reads = stead->what == PROTO_STEAD_RECEIVE ||
		     (stead->what == PROTO_STEAD_OP && !(stead->flags & PROTO_STEAD_ALTERS));
	uint32_t bits = owner->mode;

	if (who->uid == owner->uid || who->uid == owner->cuid)
		bits >>= 6;
	else if (who->gid == owner->gid || who->gid == owner->cgid || owner->gid == 1 || owner->cgid == 1)
		bits >>= 3;
	return who->uid == 0 || (bits & (reads ? 4u : 2u)) != 0;
}

/* The world's calls are done if their number is odd, but for some. */
static void judge_stead(struct oracle *oracle, const struct who *who, const struct proto_stead *stead,
			struct verdict *verdict)
{
	const struct oracle_object *entry = oracle_find(oracle, (enum ipc_kind)stead->kind, stead->id);

	if (!entry)
		verdict->error = ABI_EINVAL;
	else if (stead->what == PROTO_STEAD_OP && stead->number % 16 == 15)
		verdict->error = ABI_ERANGE;
	else if (stead->what != PROTO_STEAD_END && !stead_is_allowed(who, &entry->object.owner, stead))
		verdict->error = ABI_EACCES;
}

static bool limits_valid(const struct registry_limits *limits)
{
	return limits->shmmni <= OBJECT_MAX && limits->semmni <= OBJECT_MAX &&
	       limits->msgmni <= OBJECT_MAX && limits->semopm >= SEM_NOPS_MIN &&
	       limits->rmid_forced <= 1;
}

void oracle_judge(struct oracle *oracle, const struct who *who, const struct proto_message *asked,
		  struct verdict *ret_verdict)
{
	const struct oracle_object *entry;

	*ret_verdict = (struct verdict){
		.id = -1, .maybe = ORACLE_NO_ERRNO, .maybe_too = ORACLE_NO_ERRNO };
	switch (asked->type) {
	case PROTO_CREATE:
		judge_create(oracle, who, asked, ret_verdict);
		break;
	case PROTO_SET:
		judge_set(oracle, who, &asked->set, ret_verdict);
		break;
	case PROTO_REMOVE:
	case PROTO_SHM_LOCK:
		judge_control(oracle, who, (enum ipc_kind)asked->object.kind, asked->object.id,
			      ret_verdict);
		break;
	case PROTO_STEAD:
		judge_stead(oracle, who, &asked->stead, ret_verdict);
		break;
	case PROTO_SHM_STAT:
		entry = oracle_find(oracle, IPC_KIND_SHM, asked->object.id);
		if (!entry)
			ret_verdict->error = ABI_EINVAL;
		else if (oracle_may_go(oracle, IPC_KIND_SHM, entry))
			ret_verdict->maybe = ABI_EINVAL;
		break;
	case PROTO_LIMITS:
		if (who->uid != 0 && who->uid != SIM_OWNER_UID)
			ret_verdict->error = ABI_EPERM;
		else if (!limits_valid(&asked->limits))
			ret_verdict->error = ABI_EINVAL;
		break;
	}
}

/* --- changes ------------------------------------------------------------------------------------ */

static const char *apply_create(struct oracle *oracle, const struct who *who,
				const struct proto_message *asked, int32_t id, int64_t now_s)
{
	const struct proto_create *create = &asked->create;
	enum ipc_kind kind = (enum ipc_kind)create->kind;
	uint32_t index = (uint32_t)id & ABI_INDEX_MASK;
	uint32_t mode = create->flags & ABI_MODE_BITS;
	struct oracle_object *entry;

	if (id < 0)
		return "an id that is none";
	if (kind == IPC_KIND_SHM && create->flags & ABI_SHM_HUGETLB)
		mode |= ABI_SHM_HUGETLB | WORLD_HUGE << ABI_SHM_HUGE_SHIFT;
	entry = &oracle->objects[kind][index];
	if (entry->exists && oracle_may_go(oracle, kind, entry))
		oracle_drop(oracle, kind, entry); /* in this very step */
	if (entry->exists)
		return "a new id at the place of one that is in use";
	if (!sim_is_new((uint64_t)kind << 32 | (uint32_t)id))
		return "a new id that was in use before";
	*entry = (struct oracle_object){
		.exists = true,
		.qbytes = kind == IPC_KIND_MSG ? oracle->limits.msgmnb : 0,
		.object = {
			.state = REGISTRY_LIVE,
			.key = create->key,
			.id = id,
			.creator_pid = who->pid,
			.owner = { .uid = who->uid, .gid = who->gid, .cuid = who->uid,
				   .cgid = who->gid, .mode = mode },
			.size = kind == IPC_KIND_MSG ? oracle->limits.msgmnb : create->size,
			.ctime_s = now_s,
		},
	};
	oracle->n[kind]++;
	oracle->n_of_uid[sim_uid_index(who->uid)]++;
	oracle->n_pages += kind == IPC_KIND_SHM ? pages_of(create->size) : 0;
	oracle->n_sems += kind == IPC_KIND_SEM ? create->size : 0;
	who->process->made_request = asked->request;
	who->process->made_kind = kind;
	who->process->made_id = id;
	return NULL;
}

void oracle_drop(struct oracle *oracle, enum ipc_kind kind, struct oracle_object *entry)
{
	oracle->n[kind]--;
	oracle->n_of_uid[sim_uid_index(entry->object.owner.cuid)]--;
	oracle->n_pages -= kind == IPC_KIND_SHM ? pages_of(entry->object.size) : 0;
	oracle->n_sems -= kind == IPC_KIND_SEM ? entry->object.size : 0;
	entry->exists = false;
}

static void apply_set(struct oracle_object *entry, const struct proto_set *set, int64_t now_s)
{
	struct registry_object *object = &entry->object;

	object->owner.uid = set->uid;
	object->owner.gid = set->gid;
	object->owner.mode = (object->owner.mode & ~(uint32_t)ABI_MODE_BITS) |
			     (set->mode & ABI_MODE_BITS);
	object->ctime_s = now_s;
	if (set->kind != IPC_KIND_MSG)
		return;
	entry->qbytes = set->qbytes;
	if (set->qbytes > object->size) {
		object->size = set->qbytes;
		object->generation++;
	}
}

static void apply_remove(struct oracle *oracle, enum ipc_kind kind, struct oracle_object *entry)
{
	if (kind != IPC_KIND_SHM) {
		oracle_drop(oracle, kind, entry);
		return;
	}
	entry->object.state = REGISTRY_DEST;
	entry->object.key = ABI_IPC_PRIVATE;
	entry->object.owner.mode |= ABI_SHM_DEST;
}

const char *oracle_apply(struct oracle *oracle, const struct who *who,
			 const struct proto_message *asked, int32_t id, int64_t now_s)
{
	struct oracle_object *entry;

	switch (asked->type) {
	case PROTO_CREATE:
		return apply_create(oracle, who, asked, id, now_s);
	case PROTO_SET:
		entry = oracle_find(oracle, (enum ipc_kind)asked->set.kind, asked->set.id);
		apply_set(entry, &asked->set, now_s);
		return NULL;
	case PROTO_REMOVE:
		entry = oracle_find(oracle, (enum ipc_kind)asked->object.kind, asked->object.id);
		apply_remove(oracle, (enum ipc_kind)asked->object.kind, entry);
		return NULL;
	case PROTO_SHM_LOCK:
		entry = oracle_find(oracle, IPC_KIND_SHM, asked->object.id);
		if (entry->object.owner.mode & ABI_SHM_HUGETLB)
			return NULL;
		entry->object.owner.mode &= ~(uint32_t)ABI_SHM_LOCKED;
		entry->object.owner.mode |= asked->object.argument ? ABI_SHM_LOCKED : 0;
		return NULL;
	case PROTO_LIMITS:
		for (uint32_t i = 0; i < ORACLE_INDEX_MAX; i++) {
			entry = &oracle->objects[IPC_KIND_SHM][i];
			entry->may_have_gone = oracle_may_go(oracle, IPC_KIND_SHM, entry);
		}
		oracle->limits = asked->limits;
		oracle->limits_changed = true;
		return NULL;
	default:
		return NULL;
	}
}

const char *oracle_compare(const struct oracle_object *entry, const struct registry_object *object)
{
	const struct registry_object *ours = &entry->object;

	if (object->state != ours->state)
		return "its state";
	if (object->key != ours->key)
		return "its key";
	if (object->id != ours->id)
		return "its id";
	if (object->creator_pid != ours->creator_pid)
		return "its creator's pid";
	if (object->owner.uid != ours->owner.uid || object->owner.gid != ours->owner.gid ||
	    object->owner.cuid != ours->owner.cuid || object->owner.cgid != ours->owner.cgid)
		return "its owner";
	if (object->owner.mode != ours->owner.mode)
		return "its mode";
	if (object->size != ours->size)
		return "its size";
	/* A queue's; a segment's is a lease, which the library's tests are about. */
	if (ours->generation != 0 && object->generation != ours->generation)
		return "its generation";
	if (object->ctime_s != ours->ctime_s)
		return "its time of change";
	return NULL;
}

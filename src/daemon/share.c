/* share.c: see share.h. */
#include "daemon/share.h"

#include <errno.h>
#include <inttypes.h>

#include "sys/log.h"

#define SHARE_PAGE 4096u

static const char *const share_names[IPC_KIND_COUNT] = {"segments", "sets", "queues"};

static uint64_t share_limit(const struct share *share, const struct registry *registry,
			    enum ipc_kind kind, uint32_t uid)
{
	struct registry_limits limits;
	uint32_t mni;

	if (!share->is_bound || uid == 0)
		return UINT64_MAX;
	registry_read_limits(registry, &limits);
	mni = kind == IPC_KIND_SHM ? limits.shmmni : kind == IPC_KIND_SEM ? limits.semmni : limits.msgmni;
	return (mni + 1u) / 2;
}

static struct share_charge *share_find(struct share *share, enum ipc_kind kind, int32_t id)
{
	return &share->charges[kind][(uint32_t)id & ABI_INDEX_MASK];
}

static int share_refuse(uint32_t uid, const char *what, uint64_t limit)
{
	log_line(LOG_LEVEL_INFO, "uid %" PRIu32 ": has its share of %s, %" PRIu64, uid, what, limit);
	return ENOSPC;
}

int share_charge(struct share *share, const struct registry *registry, enum ipc_kind kind,
		 const struct registry_object *object, uint64_t bytes, uint64_t pages_max)
{
	struct share_charge *charge = share_find(share, kind, object->id);
	uint32_t uid = object->owner.cuid;
	uint64_t objects_max = share_limit(share, registry, kind, uid);
	uint64_t n_pages = bytes / SHARE_PAGE + 1;
	bool is_new = charge->n_pages == 0;

	if (!share->is_bound || uid == 0)
		pages_max = UINT64_MAX;
	if (n_pages > UINT32_MAX)
		n_pages = UINT32_MAX; /* 16 TiB: beyond any share there is */
	if (n_pages <= charge->n_pages)
		return 0;
	if (is_new && quota_charge_many(&share->quota, uid, QUOTA_OBJECT_OF + kind, 1, objects_max) != 0)
		return share_refuse(uid, share_names[kind], objects_max);
	if (quota_charge_many(&share->quota, uid, QUOTA_PAGE, n_pages - charge->n_pages, pages_max) != 0) {
		if (is_new)
			quota_release_many(&share->quota, uid, QUOTA_OBJECT_OF + kind, 1);
		return share_refuse(uid, "pages", pages_max);
	}
	*charge = (struct share_charge){.uid = uid, .n_pages = (uint32_t)n_pages};
	return 0;
}

void share_release(struct share *share, enum ipc_kind kind, int32_t id)
{
	struct share_charge *charge = share_find(share, kind, id);

	if (charge->n_pages == 0)
		return;
	quota_release_many(&share->quota, charge->uid, QUOTA_OBJECT_OF + kind, 1);
	quota_release_many(&share->quota, charge->uid, QUOTA_PAGE, charge->n_pages);
	*charge = (struct share_charge){0};
}

/*
 * quota.h: how much each uid holds: sessions, and objects it created; of each kind, and their pages.
 *
 * Whatever is kept for somebody is charged to his uid first.  A uid has a row while it holds
 * anything; there are as many rows as there can be charges, so a row is never wanting and one
 * uid's use never costs another its place.
 */
#ifndef CORE_QUOTA_H
#define CORE_QUOTA_H

#include "core/abi.h"
#include "core/limits.h"

enum quota_kind {
	QUOTA_SESSION = 0,
	QUOTA_OBJECT = 1,
	QUOTA_OBJECT_OF = 2, /* and the kind: src/daemon/share.c */
	QUOTA_PAGE = QUOTA_OBJECT_OF + IPC_KIND_COUNT,
	QUOTA_KIND_COUNT,
};

enum quota_outcome {
	QUOTA_E_LIMIT = 1, /* the uid holds as many as it may */
	QUOTA_E_FULL = 2,  /* no row left: more charges than things that can exist */
};

#define QUOTA_UNLIMITED UINT32_MAX

#define QUOTA_ROW_MAX (SESSION_MAX + IPC_KIND_COUNT * OBJECT_MAX)
#ifndef QUOTA_BUCKET_BITS
#define QUOTA_BUCKET_BITS 12
#endif
#define QUOTA_BUCKET_COUNT (1u << QUOTA_BUCKET_BITS)

struct quota_row {
	uint32_t uid;
	uint32_t next; /* in its bucket or in the free list: row + 1, 0 ends */
	uint64_t n[QUOTA_KIND_COUNT];
};

/* {0} is an empty table. */
struct quota {
	uint32_t top;  /* rows ever used */
	uint32_t free; /* row + 1 */
	uint32_t n_rows;
	uint64_t n_total[QUOTA_KIND_COUNT];
	uint32_t buckets[QUOTA_BUCKET_COUNT]; /* row + 1 */
	struct quota_row rows[QUOTA_ROW_MAX];
};

/* One more of a kind for uid, which may hold limit of it.  0, E_LIMIT or E_FULL. */
int quota_charge(struct quota *quota, uint32_t uid, enum quota_kind kind, uint32_t limit);
/* One fewer; it must have been charged. */
void quota_release(struct quota *quota, uint32_t uid, enum quota_kind kind);
/* Both for n at a time. */
int quota_charge_many(struct quota *quota, uint32_t uid, enum quota_kind kind, uint64_t n, uint64_t limit);
void quota_release_many(struct quota *quota, uint32_t uid, enum quota_kind kind, uint64_t n);
uint64_t quota_count(const struct quota *quota, uint32_t uid, enum quota_kind kind);

bool quota_verify(const struct quota *quota);

#endif

/*
 * quota.c
 *
 * A hash table with chains; rows come from a free list and, before that, from the untouched end,
 * so that a zero-filled table is an empty one and memory is touched as it is needed.
 *
 * Invariants, as quota_verify checks them:
 * 1. Every row in a chain is below top, in the bucket of its uid, and holds something.
 * 2. The chains have n_rows rows, the free list has the others below top.
 * 3. n_total is the sum over the rows, of each kind.
 * 4. No uid has two rows.
 */
#include "core/quota.h"

static uint32_t quota_bucket(uint32_t uid)
{
	return (uid * 2654435769u) >> (32 - QUOTA_BUCKET_BITS);
}

/* The link that leads to uid's row, or the 0 at its bucket's end. */
static uint32_t *quota_link(struct quota *quota, uint32_t uid)
{
	uint32_t *link = &quota->buckets[quota_bucket(uid)];

	while (*link != 0 && quota->rows[*link - 1].uid != uid)
		link = &quota->rows[*link - 1].next;
	return link;
}

static uint32_t quota_row_take(struct quota *quota)
{
	uint32_t row = quota->free;

	if (row != 0) {
		quota->free = quota->rows[row - 1].next;
		return row;
	}
	if (quota->top == QUOTA_ROW_MAX)
		return 0;
	return ++quota->top;
}

int quota_charge_many(struct quota *quota, uint32_t uid, enum quota_kind kind, uint64_t n, uint64_t limit)
{
	uint32_t *link = quota_link(quota, uid);
	uint64_t held = *link != 0 ? quota->rows[*link - 1].n[kind] : 0;
	struct quota_row *row;

	ASSERT((uint32_t)kind < QUOTA_KIND_COUNT && n > 0);
	if (held >= limit || n > limit - held)
		return QUOTA_E_LIMIT;
	if (*link == 0) {
		uint32_t taken = quota_row_take(quota);

		if (taken == 0)
			return QUOTA_E_FULL;
		*link = taken;
		row = &quota->rows[taken - 1];
		*row = (struct quota_row){ .uid = uid };
		quota->n_rows++;
	}
	row = &quota->rows[*link - 1];
	row->n[kind] += n;
	quota->n_total[kind] += n;
	return 0;
}

int quota_charge(struct quota *quota, uint32_t uid, enum quota_kind kind, uint32_t limit)
{
	return quota_charge_many(quota, uid, kind, 1, limit == QUOTA_UNLIMITED ? UINT64_MAX : limit);
}

void quota_release_many(struct quota *quota, uint32_t uid, enum quota_kind kind, uint64_t n)
{
	uint32_t *link = quota_link(quota, uid);
	uint32_t index = *link;
	struct quota_row *row;

	ASSERT((uint32_t)kind < QUOTA_KIND_COUNT);
	ASSERT(index != 0);
	row = &quota->rows[index - 1];
	ASSERT(row->n[kind] >= n);
	row->n[kind] -= n;
	quota->n_total[kind] -= n;
	for (uint32_t i = 0; i < QUOTA_KIND_COUNT; i++)
		if (row->n[i] != 0)
			return;
	*link = row->next;
	row->next = quota->free;
	quota->free = index;
	quota->n_rows--;
}

void quota_release(struct quota *quota, uint32_t uid, enum quota_kind kind)
{
	quota_release_many(quota, uid, kind, 1);
}

uint64_t quota_count(const struct quota *quota, uint32_t uid, enum quota_kind kind)
{
	uint32_t index = quota->buckets[quota_bucket(uid)];

	while (index != 0 && quota->rows[index - 1].uid != uid)
		index = quota->rows[index - 1].next;
	return index != 0 ? quota->rows[index - 1].n[kind] : 0;
}

/* One chain: rows of this bucket that hold something, each uid once. */
static bool quota_verify_bucket(const struct quota *quota, uint32_t bucket, uint32_t *n_rows,
				uint64_t *sums)
{
	for (uint32_t i = quota->buckets[bucket]; i != 0; i = quota->rows[i - 1].next) {
		const struct quota_row *row = &quota->rows[i - 1];
		uint64_t held = 0;

		if (i > quota->top || quota_bucket(row->uid) != bucket || ++*n_rows > quota->n_rows)
			return false;
		for (uint32_t kind = 0; kind < QUOTA_KIND_COUNT; kind++) {
			sums[kind] += row->n[kind];
			held += row->n[kind];
		}
		if (held == 0)
			return false;
		for (uint32_t j = row->next; j != 0; j = quota->rows[j - 1].next)
			if (j > quota->top || quota->rows[j - 1].uid == row->uid)
				return false;
	}
	return true;
}

bool quota_verify(const struct quota *quota)
{
	uint64_t sums[QUOTA_KIND_COUNT] = { 0 };
	uint32_t n_rows = 0;
	uint32_t n_free = 0;

	if (quota->top > QUOTA_ROW_MAX)
		return false;
	for (uint32_t bucket = 0; bucket < QUOTA_BUCKET_COUNT; bucket++)
		if (!quota_verify_bucket(quota, bucket, &n_rows, sums))
			return false;
	for (uint32_t i = quota->free; i != 0; i = quota->rows[i - 1].next)
		if (i > quota->top || ++n_free > quota->top)
			return false;
	if (n_rows != quota->n_rows || n_rows + n_free != quota->top)
		return false;
	for (uint32_t kind = 0; kind < QUOTA_KIND_COUNT; kind++)
		if (sums[kind] != quota->n_total[kind])
			return false;
	return true;
}

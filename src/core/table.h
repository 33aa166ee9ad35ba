/*
 * table.h: the one shape of the registry's four tables, and the layout of its file.
 *
 * Private to registry.c.  What may be called beside a writer is said; the rest is the writer's own.
 */
#ifndef CORE_TABLE_H
#define CORE_TABLE_H

#include "core/registry.h"

#define TABLE_CLIENTS IPC_KIND_COUNT
#define TABLE_COUNT (IPC_KIND_COUNT + 1)

#define OBJECT_WORDS (sizeof(struct registry_object) / 8)
#define CLIENT_WORDS (sizeof(struct registry_client) / 8)
#define LIMITS_WORDS (sizeof(struct registry_limits) / 8)
#define CELL_WORDS(n) (1 + 2 * (n))
#define BITMAP_WORDS (OBJECT_MAX / 64)

STATIC_ASSERT(sizeof(struct registry_object) == 80);
STATIC_ASSERT(sizeof(struct registry_client) == 40);
STATIC_ASSERT(sizeof(struct registry_limits) == 56);
STATIC_ASSERT(CLIENT_MAX <= OBJECT_MAX && CLIENT_MAX < 0xffff);

/* One record of either sort, as words for the cell. */
union record {
	struct registry_object object;
	struct registry_client client;
	uint64_t words[OBJECT_WORDS];
};

struct slot {
	struct shared64 cell[CELL_WORDS(OBJECT_WORDS)];
	struct shared64 live;
	struct shared32 next; /* index + 1 of the next in the chain, 0 at its end */
	struct shared32 reserved[3];
};

struct row {
	struct shared64 cell[CELL_WORDS(CLIENT_WORDS)];
	struct shared32 next;
	struct shared32 reserved;
};

struct table_head {
	struct shared64 last;   /* objects: sequence << 32 | last index + 1; clients: last generation */
	struct shared64 chains; /* odd while links change */
	struct shared32 count;
	struct shared32 high; /* highest index ever used, + 1 */
	struct shared32 reserved[10];
};

struct header {
	struct shared64 magic; /* stored last by format */
	struct shared64 version; /* version << 32 | layout signature */
	struct shared64 nonce;
	struct shared64 limits[CELL_WORDS(LIMITS_WORDS)];
	struct shared64 huge; /* exponent of the size of huge pages, or 0 */
	struct shared64 reserved[13];
	struct table_head tables[TABLE_COUNT];
};

struct image {
	struct header header;
	uint8_t reserved[4096 - sizeof(struct header)];
	struct shared64 bitmap[TABLE_COUNT][BITMAP_WORDS];
	struct shared32 heads[TABLE_COUNT][OBJECT_MAX];
	struct row rows[CLIENT_MAX];
	struct slot slots[IPC_KIND_COUNT][OBJECT_MAX];
};

STATIC_ASSERT(sizeof(struct slot) == 192);
STATIC_ASSERT(sizeof(struct row) == 96);
STATIC_ASSERT(sizeof(struct table_head) == 64);
STATIC_ASSERT(offsetof(struct image, bitmap) == 4096);
STATIC_ASSERT(offsetof(struct image, rows) % 64 == 0 && offsetof(struct image, slots) % 64 == 0);

/* Changes with anything above that moves a byte. */
#define LAYOUT_SIGNATURE                                                                         \
	((uint32_t)(sizeof(struct slot) * 31 + sizeof(struct row) * 17 + sizeof(struct image) +  \
		    offsetof(struct header, tables)))

/* One table of an image, for code that serves all four. */
struct table {
	uint32_t number; /* a kind, or TABLE_CLIENTS */
	uint32_t n;
	uint32_t n_words;
	uint64_t seed;
	struct table_head *head;
	struct shared64 *bitmap;
	struct shared32 *heads;
	struct image *image;
};

static inline struct image *image_of(const struct registry *registry)
{
	return (struct image *)(void *)registry->base;
}

/* False: it kept changing.  ret_words may be written to all the same.  Beside a writer. */
bool cell_read(const struct shared64 *cell, uint32_t n, uint64_t *ret_words);
void cell_write(struct shared64 *cell, uint32_t n, const uint64_t *words);

struct table table_of(const struct registry *registry, uint32_t number);
bool record_used(const struct table *table, const union record *record);
/* Could this record stand at this index? */
bool record_possible(const struct table *table, const union record *record, uint32_t index);

/* The used record at index.  0, REGISTRY_E_ABSENT, REGISTRY_E_BUSY.  Beside a writer. */
int table_read(const struct table *table, uint32_t index, union record *ret_record);
/*
 * The record with this key in the chains; of several (processes only: a pid used again before its
 * dead holder was settled) the newest.  0, REGISTRY_E_ABSENT, REGISTRY_E_BUSY.  Beside a writer.
 */
int table_find(const struct table *table, uint32_t key, union record *ret_record);
/* The lowest free index in [from, end), or end. */
uint32_t table_find_free(const struct table *table, uint32_t from, uint32_t end);
/* The one way by which a record changes: the version stored in its cell is when it happens. */
void table_put(const struct table *table, uint32_t index, const union record *new);

bool table_repair(const struct table *table);
bool table_verify(const struct table *table);

#endif

/*
 * table.c: segments, sets, queues and processes, each a table of the same shape in one file.
 *
 * A record lives in a cell: a version and two copies; copy (version & 1) is the current one.  The
 * writer fills the other copy and then stores version + 1, so a change happens in one store: a
 * reader never waits for a writer that has died, and a writer killed anywhere leaves the old or
 * the new record, never a mixture.  Everything else in the file can be computed from the records
 * and is so computed by registry_repair.
 *
 * A reader takes its copy between two equal versions.  All words are loaded and stored
 * atomically; the writer can touch the copy that is being read only after another version was
 * stored, and the reader's last load then sees that one.
 *
 * A reader may walk along a chain while a node of it moves to another chain, and so miss what it
 * looks for.  `chains` is odd while links change: a miss counts only between two equal even values.
 *
 * Invariants, in the order in which registry_verify and table_verify check them:
 *  1. magic, version, signature and nonce are there.
 *  2. `last` of a kind is a possible index and sequence.
 *  3. No record at or beyond `high` was ever used; `high` fits the table.  (Reading an unused part
 *     of a sparse file may cost memory, so nobody looks there.)
 *  4. Each record is possible: its id or identity belongs to this place.
 *  5. The low half of a live word is id + 1 exactly when the object is LIVE or DEST, otherwise the
 *     word is 0.
 *  6. The bitmap has exactly the used records; `count` is their number.
 *  7. `chains` is even; each LIVE object with a key, and each process, is once in the chain of
 *     its hash, and nothing else is in any chain.
 *  8. No two LIVE objects of a kind have the same key.
 */
#include "core/table.h"

#include <string.h>

/* Tries of a reader before it says E_BUSY; each one fails only when the writer stored meanwhile. */
#define READ_TRIES_MAX 200u

struct table table_of(const struct registry *registry, uint32_t number)
{
	struct image *image = image_of(registry);
	bool clients = number == TABLE_CLIENTS;

	ASSERT(number < TABLE_COUNT);
	return (struct table){
		.number = number,
		.n = clients ? CLIENT_MAX : OBJECT_MAX,
		.n_words = clients ? CLIENT_WORDS : OBJECT_WORDS,
		.seed = shared64_load(&image->header.nonce),
		.head = &image->header.tables[number],
		.bitmap = image->bitmap[number],
		.heads = image->heads[number],
		.image = image,
	};
}

static struct shared64 *table_cell(const struct table *table, uint32_t index)
{
	ASSERT(index < table->n);
	if (table->number == TABLE_CLIENTS)
		return table->image->rows[index].cell;
	return table->image->slots[table->number][index].cell;
}

static struct shared32 *table_next(const struct table *table, uint32_t index)
{
	ASSERT(index < table->n);
	if (table->number == TABLE_CLIENTS)
		return &table->image->rows[index].next;
	return &table->image->slots[table->number][index].next;
}

/* --- cells ------------------------------------------------------------------------------------ */

bool cell_read(const struct shared64 *cell, uint32_t n, uint64_t *ret_words)
{
	for (uint32_t tries = 0; tries < READ_TRIES_MAX; tries++) {
		uint64_t version = shared64_load(&cell[0]);
		const struct shared64 *copy = &cell[1 + (version & 1) * n];

		for (uint32_t i = 0; i < n; i++)
			ret_words[i] = shared64_load(&copy[i]);
		if (shared64_load(&cell[0]) == version)
			return true;
		shared_pause();
	}
	return false;
}

/* For the writer, whom nobody can disturb. */
static void cell_current(const struct shared64 *cell, uint32_t n, uint64_t *ret_words)
{
	const struct shared64 *copy = &cell[1 + (shared64_load(&cell[0]) & 1) * n];

	for (uint32_t i = 0; i < n; i++)
		ret_words[i] = shared64_load(&copy[i]);
}

void cell_write(struct shared64 *cell, uint32_t n, const uint64_t *words)
{
	uint64_t version = shared64_load(&cell[0]) + 1;
	struct shared64 *copy = &cell[1 + (version & 1) * n];

	for (uint32_t i = 0; i < n; i++)
		shared64_store(&copy[i], words[i]);
	/* Fenced: the daemon marks a segment and then reads the ledgers. */
	shared64_store_fenced(&cell[0], version);
}

/* --- records ---------------------------------------------------------------------------------- */

bool record_used(const struct table *table, const union record *record)
{
	if (table->number == TABLE_CLIENTS)
		return record->client.client != 0;
	return record->object.state != REGISTRY_FREE;
}

/* True if the record belongs into a chain, and under which key. */
static bool record_key(const struct table *table, const union record *record, uint32_t *ret_key)
{
	if (table->number == TABLE_CLIENTS) {
		*ret_key = record->client.pid;
		return record->client.client != 0;
	}
	*ret_key = (uint32_t)record->object.key;
	return record->object.state == REGISTRY_LIVE && record->object.key != ABI_IPC_PRIVATE;
}

static bool record_live(const struct table *table, const union record *record)
{
	return table->number != TABLE_CLIENTS && (record->object.state == REGISTRY_LIVE ||
						  record->object.state == REGISTRY_DEST);
}

static uint64_t record_live_value(const struct table *table, const union record *record)
{
	return record_live(table, record) ? (uint64_t)(uint32_t)record->object.id + 1 : 0;
}

bool record_possible(const struct table *table, const union record *record, uint32_t index)
{
	int32_t id = record->object.id;

	if (!record_used(table, record))
		return true;
	if (table->number == TABLE_CLIENTS) {
		uint64_t client = record->client.client;

		return (client & 0xffff) == index + 1 && client >> 16 != 0 &&
		       client >> 48 == 0 && record->client.pid != 0;
	}
	return record->object.state <= REGISTRY_CLOSING && id >= 0 &&
	       ((uint32_t)id & ABI_INDEX_MASK) == index && id >> ABI_INDEX_BITS <= ABI_SEQUENCE_MAX;
}

/* --- chains ----------------------------------------------------------------------------------- */

static struct shared32 *chain_head(const struct table *table, uint32_t key)
{
	uint64_t hash = (key ^ table->seed) * 0x9e3779b97f4a7c15u;

	/* By its upper bits: those below spread keys that follow each other over a fifth of the chains. */
	return &table->heads[(hash >> 32) * table->n >> 32];
}

/* A walk along one chain that ends whatever the file says. */
struct walk {
	const struct table *table;
	uint32_t at; /* index + 1 */
	uint32_t steps;
	bool broken;
};

static struct walk walk_start(const struct table *table, uint32_t key)
{
	return (struct walk){ .table = table, .at = shared32_load(chain_head(table, key)) };
}

static bool walk_next(struct walk *walk, uint32_t *ret_index)
{
	uint32_t index = walk->at - 1;

	if (walk->at == 0)
		return false;
	if (index >= walk->table->n || walk->steps >= walk->table->n) {
		walk->broken = true;
		return false;
	}
	walk->steps++;
	walk->at = shared32_load(table_next(walk->table, index));
	*ret_index = index;
	return true;
}

static void chain_link(const struct table *table, uint32_t index, uint32_t key)
{
	struct shared32 *head = chain_head(table, key);

	shared32_store(table_next(table, index), shared32_load(head));
	shared32_store(head, index + 1);
}

/* The unlinked node keeps its own link: a reader standing on it still finds the way. */
static void chain_unlink(const struct table *table, uint32_t index, uint32_t key)
{
	struct shared32 *link = chain_head(table, key);

	for (uint32_t steps = 0; steps < table->n; steps++) {
		uint32_t at = shared32_load(link);

		if (at == 0 || at > table->n)
			return;
		if (at == index + 1) {
			shared32_store(link, shared32_load(table_next(table, index)));
			return;
		}
		link = table_next(table, at - 1);
	}
}

static void table_relink(const struct table *table, uint32_t index, const union record *old,
			 const union record *new)
{
	uint32_t old_key = 0;
	uint32_t new_key = 0;
	bool was_in = record_key(table, old, &old_key);
	bool now_in = record_key(table, new, &new_key);
	uint64_t chains;

	if (was_in == now_in && (!was_in || old_key == new_key))
		return;
	chains = shared64_load(&table->head->chains) | 1;
	shared64_store(&table->head->chains, chains);
	if (was_in)
		chain_unlink(table, index, old_key);
	if (now_in)
		chain_link(table, index, new_key);
	shared64_store(&table->head->chains, chains + 1);
}

/* --- changing a table ------------------------------------------------------------------------- */

static void table_mark(const struct table *table, uint32_t index, bool used)
{
	struct shared64 *word = &table->bitmap[index / 64];
	uint64_t bit = (uint64_t)1 << index % 64;
	uint64_t value = shared64_load(word);

	if (((value & bit) != 0) == used)
		return;
	shared64_store(word, value ^ bit);
	shared32_store(&table->head->count, shared32_load(&table->head->count) + (used ? 1 : -1u));
}

/* permissions: they differ from what whoever holds the old word has judged (PERM-14). */
static void table_set_live(const struct table *table, uint32_t index, const union record *record,
			   bool permissions)
{
	struct shared64 *live;
	uint64_t value = record_live_value(table, record);
	uint64_t old;

	if (table->number == TABLE_CLIENTS)
		return;
	live = &table->image->slots[table->number][index].live;
	old = shared64_load(live);
	/* All of it where there is no object: repair leaves nothing for verify to find. */
	if (value == 0 ? old != 0 : (uint32_t)old != value)
		shared64_store_fenced(live, value);
	else if (permissions && value != 0)
		shared64_store_fenced(live, old + ((uint64_t)1 << 32));
}

static bool record_permissions_differ(const struct table *table, const union record *a,
				      const union record *b)
{
	return table->number != TABLE_CLIENTS &&
	       memcmp(&a->object.owner, &b->object.owner, sizeof(a->object.owner)) != 0;
}

void table_put(const struct table *table, uint32_t index, const union record *new)
{
	struct shared64 *cell = table_cell(table, index);
	union record old;

	memset(&old, 0, sizeof(old));
	cell_current(cell, table->n_words, old.words);
	if (shared32_load(&table->head->high) <= index)
		shared32_store(&table->head->high, index + 1);
	cell_write(cell, table->n_words, new->words);
	table_set_live(table, index, new, record_permissions_differ(table, &old, new));
	table_relink(table, index, &old, new);
	table_mark(table, index, record_used(table, new));
}

uint32_t table_find_free(const struct table *table, uint32_t from, uint32_t end)
{
	uint64_t below = ((uint64_t)1 << from % 64) - 1;

	for (uint32_t i = from / 64; i < BITMAP_WORDS && i * 64 < end; i++) {
		uint64_t free = ~(shared64_load(&table->bitmap[i]) | below);

		below = 0;
		if (free != 0)
			return u32_min(i * 64 + (uint32_t)__builtin_ctzll(free), end);
	}
	return end;
}

/* --- reading ---------------------------------------------------------------------------------- */

int table_read(const struct table *table, uint32_t index, union record *ret_record)
{
	if (index >= table->n || index >= shared32_load(&table->head->high))
		return REGISTRY_E_ABSENT;
	if (!cell_read(table_cell(table, index), table->n_words, ret_record->words))
		return REGISTRY_E_BUSY;
	if (!record_used(table, ret_record) || !record_possible(table, ret_record, index))
		return REGISTRY_E_ABSENT;
	return 0;
}

int table_find(const struct table *table, uint32_t key, union record *ret_record)
{
	uint32_t steps = 0; /* of all tries together: a hostile file costs no more than a full table */

	for (uint32_t tries = 0; tries < READ_TRIES_MAX; tries++) {
		uint64_t chains = shared64_load(&table->head->chains);
		struct walk walk = walk_start(table, key);
		union record best;
		bool found = false;
		uint32_t index;

		walk.steps = steps;
		while (walk_next(&walk, &index)) {
			union record record;
			uint32_t record_of;
			int r = table_read(table, index, &record);

			if (r == REGISTRY_E_BUSY)
				return r;
			if (r != 0 || !record_key(table, &record, &record_of) || record_of != key)
				continue;
			if (!found || best.client.client < record.client.client)
				best = record;
			found = true;
			if (table->number != TABLE_CLIENTS)
				break;
		}
		if (found) {
			*ret_record = best;
			return 0;
		}
		if (walk.broken)
			return REGISTRY_E_BUSY;
		if ((chains & 1) == 0 && shared64_load(&table->head->chains) == chains)
			return REGISTRY_E_ABSENT;
		steps = walk.steps;
		shared_pause();
	}
	return REGISTRY_E_BUSY;
}

/* --- repair and verify ------------------------------------------------------------------------ */

static bool table_last_possible(const struct table *table)
{
	uint64_t last = shared64_load(&table->head->last);

	if (table->number == TABLE_CLIENTS)
		return last >> 48 == 0;
	return (uint32_t)last <= OBJECT_MAX && last >> 32 <= ABI_SEQUENCE_MAX;
}

/* Puts one good record back into what is derived from it.  False: its key is taken. */
static bool table_derive(const struct table *table, uint32_t index, const union record *record)
{
	struct walk walk;
	uint32_t key;
	uint32_t at;

	table_set_live(table, index, record, true); /* the writer may have died before it said so */
	table_mark(table, index, record_used(table, record));
	if (!record_key(table, record, &key))
		return true;
	walk = walk_start(table, key);
	while (table->number != TABLE_CLIENTS && walk_next(&walk, &at)) {
		union record other;
		uint32_t other_key;

		cell_current(table_cell(table, at), table->n_words, other.words);
		if (record_key(table, &other, &other_key) && other_key == key)
			return false;
	}
	chain_link(table, index, key);
	return true;
}

bool table_repair(const struct table *table)
{
	uint32_t high = shared32_load(&table->head->high);
	uint64_t chains = shared64_load(&table->head->chains) | 1;

	if (high > table->n || !table_last_possible(table))
		return false;
	shared64_store(&table->head->chains, chains);
	for (uint32_t i = 0; i < table->n; i++) {
		if (shared32_load(&table->heads[i]) != 0)
			shared32_store(&table->heads[i], 0);
	}
	for (uint32_t i = 0; i < BITMAP_WORDS; i++) {
		if (shared64_load(&table->bitmap[i]) != 0)
			shared64_store(&table->bitmap[i], 0);
	}
	shared32_store(&table->head->count, 0);
	for (uint32_t i = 0; i < high; i++) {
		struct shared64 *cell = table_cell(table, i);
		union record record;

		memset(&record, 0, sizeof(record));
		cell_current(cell, table->n_words, record.words);
		if (!record_possible(table, &record, i))
			return false;
		if (table->number != TABLE_CLIENTS && record.object.state == REGISTRY_CREATING) {
			memset(&record, 0, sizeof(record));
			cell_write(cell, table->n_words, record.words);
		}
		if (!table_derive(table, i, &record))
			return false;
	}
	shared64_store(&table->head->chains, chains + 1);
	return true;
}

/* How often the record is in the chain of its key, and whether another one there has the same key. */
static bool table_chained_once(const struct table *table, uint32_t index, uint32_t key)
{
	struct walk walk = walk_start(table, key);
	uint32_t n = 0;
	uint32_t at;

	while (walk_next(&walk, &at)) {
		union record other;
		uint32_t other_key;

		cell_current(table_cell(table, at), table->n_words, other.words);
		n += at == index;
		if (at != index && table->number != TABLE_CLIENTS &&
		    record_key(table, &other, &other_key) && other_key == key)
			return false;
	}
	return n == 1 && !walk.broken;
}

/* All links of all chains, or more than the table has records. */
static uint32_t table_count_links(const struct table *table)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < table->n && n <= table->n; i++) {
		struct walk walk = { .table = table, .at = shared32_load(&table->heads[i]) };
		uint32_t at;

		if (walk.at == 0)
			continue;
		while (walk_next(&walk, &at))
			n++;
		if (walk.broken)
			return table->n + 1;
	}
	return n;
}

static uint32_t table_count_bits(const struct table *table)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < BITMAP_WORDS; i++)
		n += (uint32_t)__builtin_popcountll(shared64_load(&table->bitmap[i]));
	return n;
}

/* The record itself and its live word. */
static bool table_verify_record(const struct table *table, uint32_t index, union record *ret_record)
{
	union record record;
	uint64_t value, live;

	memset(&record, 0, sizeof(record));
	cell_current(table_cell(table, index), table->n_words, record.words);
	*ret_record = record;
	if (!record_possible(table, &record, index))
		return false;
	if (table->number == TABLE_CLIENTS)
		return true;
	value = record_live_value(table, &record);
	live = shared64_load(&table->image->slots[table->number][index].live);
	return value == 0 ? live == 0 : (uint32_t)live == value;
}

bool table_verify(const struct table *table)
{
	uint32_t high = shared32_load(&table->head->high);
	uint32_t n_used = 0;
	uint32_t n_chained = 0;

	if (!table_last_possible(table) || high > table->n ||
	    (shared64_load(&table->head->chains) & 1) != 0)
		return false;
	for (uint32_t i = 0; i < high; i++) {
		uint64_t bit = shared64_load(&table->bitmap[i / 64]) >> i % 64 & 1;
		union record record;
		uint32_t key;

		if (!table_verify_record(table, i, &record) || bit != record_used(table, &record))
			return false;
		n_used += record_used(table, &record);
		if (!record_key(table, &record, &key))
			continue;
		n_chained++;
		if (!table_chained_once(table, i, key))
			return false;
	}
	return n_used == shared32_load(&table->head->count) && n_used == table_count_bits(table) &&
	       n_chained == table_count_links(table);
}

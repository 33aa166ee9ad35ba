/*
 * ledger.c: three tables in a file that one process writes from any thread and signal handler.
 *
 * Nothing here waits.  An entry's state word holds state, segment and a version that grows with
 * every change, so that a CAS never mistakes an entry for its later self.  Besides the states of
 * ledger.h there are two that only show in the file: CLAIMED (taken, old stamps being wiped;
 * counts as free) and DETACHING (given to one caller of shmdt; counts as attached).  A process
 * killed in CLAIMED leaves an entry that nobody uses again before detach_all.
 *
 * Stamps are written before the state that makes them count.  A fork is an attach of everything
 * that is attached: it is noted once in the header (fork_ns) and not in every entry.  A detached
 * entry keeps in forked_ns what the header said at that time.
 *
 * There is at most one DETACHED entry a segment, races aside: a detach takes the stamps of the
 * last one over (`recent` remembers it by the id's index) and frees it.  When no entry is free, a
 * DETACHED one of another segment is taken and its stamp is lost: a time in IPC_STAT is worth less
 * than an attach.  A reaped child's is lost when another thread reuses the entry at the same instant.
 * A sum that meets a detach may miss stamps taken over into an entry already passed; the next has them.
 *
 * `recent`, `addresses` and the two hints only shorten searches: whatever is read there is checked.
 *
 * Invariants, in the order in which ledger_verify checks them (nobody at work):
 *  1. magic, version and signature are there.
 *  2. The high-water marks fit their tables.  (Beyond them nothing was ever used, and nobody looks:
 *     reading an unused part of a sparse file may cost memory.)
 *  3. Each entry's state is one of the six.
 *  4. Each use is a possible kind and id.
 */
#include "core/ledger.h"

#include <string.h>

#define LEDGER_MAGIC 0x313052454744454cu /* "LEDGER01" */
#define LEDGER_VERSION 2u

#define STATE_CLAIMED 4u
#define STATE_DETACHING 5u

#define INDEX_BUCKETS (ABI_INDEX_MASK + 1u)
#define ADDRESS_BUCKETS (2 * LEDGER_ATTACH_MAX)
#define ADDRESS_PROBES 8u

#define CHILD_FORKING UINT32_MAX

struct entry {
	struct shared64 state; /* version << 34 | shmid << 3 | state */
	struct shared64 address;
	struct shared64 size;
	struct shared64 begin_ns; /* of the attach under way */
	struct shared64 attach_ns;
	struct shared64 forked_ns;
	struct shared64 detach_ns;
	struct shared64 detach_pid; /* 0: the owner */
};

struct child {
	struct shared64 fork_ns;
	struct shared32 pid;
	struct shared32 reserved;
};

struct header {
	struct shared64 magic; /* stored last by format */
	struct shared64 version; /* version << 32 | layout signature */
	struct shared64 client;
	struct shared64 pid;
	struct shared64 fork_ns; /* the last fork */
	struct shared32 n_entries; /* high-water marks */
	struct shared32 n_children;
	struct shared32 n_uses;
	struct shared32 uses_overflowed;
	struct shared32 free_hint; /* entries below it are probably not FREE */
	struct shared32 speaks;
};

struct image {
	struct header header;
	uint8_t reserved[4096 - sizeof(struct header)];
	struct child children[LEDGER_CHILDREN_MAX];
	struct shared64 uses[LEDGER_USES_MAX]; /* 1 << 63 | kind << 32 | id, or 0 */
	struct shared32 recent[INDEX_BUCKETS]; /* entry + 1 */
	struct shared32 addresses[ADDRESS_BUCKETS]; /* entry + 1 */
	struct entry entries[LEDGER_ATTACH_MAX];
};

STATIC_ASSERT(sizeof(struct entry) == 64);
STATIC_ASSERT(sizeof(struct child) == 16);
STATIC_ASSERT(offsetof(struct image, entries) % 64 == 0);
STATIC_ASSERT((LEDGER_ATTACH_MAX & (LEDGER_ATTACH_MAX - 1)) == 0);

#define LAYOUT_SIGNATURE ((uint32_t)(sizeof(struct image) + 31 * offsetof(struct image, entries)))

static struct image *image_of(const struct ledger *ledger)
{
	return (struct image *)(void *)ledger->base;
}

/* --- state words ------------------------------------------------------------------------------ */

static uint32_t word_state(uint64_t word)
{
	return (uint32_t)(word & 7);
}

static int32_t word_shmid(uint64_t word)
{
	return (int32_t)(word >> 3 & INT32_MAX);
}

static uint64_t word_next(uint64_t word, uint32_t state, int32_t shmid)
{
	return ((word >> 34) + 1) << 34 | (uint64_t)(uint32_t)shmid << 3 | state;
}

static bool word_counts(uint64_t word)
{
	uint32_t state = word_state(word);

	return state == LEDGER_ATTACHING || state == LEDGER_ATTACHED || state == STATE_DETACHING;
}

/* Does the entry say anything of its segment? */
static bool word_holds(uint64_t word)
{
	return word_counts(word) || word_state(word) == LEDGER_DETACHED;
}

static uint64_t u64_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* A word that only grows. */
static void shared64_raise(struct shared64 *word, uint64_t value)
{
	uint64_t now = shared64_load(word);

	/* Whoever wins a race here brought a time of the same instant. */
	if (now < value)
		(void)shared64_cas(word, now, value);
}

/* Takes index into a high-water mark. */
static void mark_raise(struct shared32 *mark, uint32_t index, uint32_t max)
{
	for (;;) {
		uint32_t now = shared32_load(mark);

		/* Each failure of the CAS means that another thread raised it: max times at most. */
		if (now > index || now >= max || shared32_cas(mark, now, index + 1))
			return;
	}
}

static uint32_t mark_read(const struct shared32 *mark, uint32_t max)
{
	return u32_min(shared32_load(mark), max);
}

static uint32_t entries_used(const struct image *image)
{
	return mark_read(&image->header.n_entries, LEDGER_ATTACH_MAX);
}

static void hint_lower(struct image *image, uint32_t entry)
{
	if (shared32_load(&image->header.free_hint) > entry)
		shared32_store(&image->header.free_hint, entry);
}

/* --- making and binding ----------------------------------------------------------------------- */

uint64_t ledger_size(void)
{
	return ALIGN_UP((uint64_t)sizeof(struct image), 4096);
}

void ledger_format(void *base, uint64_t client, uint32_t pid)
{
	struct image *image = base;

	shared64_store(&image->header.client, client);
	shared64_store(&image->header.pid, pid);
	shared64_store(&image->header.version, (uint64_t)LEDGER_VERSION << 32 | LAYOUT_SIGNATURE);
	shared64_store_fenced(&image->header.magic, LEDGER_MAGIC);
}

int ledger_bind(struct ledger *ledger, void *base, uint64_t size)
{
	struct image *image = base;

	if (size < ledger_size() || (uintptr_t)base % 64 != 0)
		return LEDGER_E_CORRUPT;
	if (shared64_load(&image->header.magic) != LEDGER_MAGIC ||
	    shared64_load(&image->header.version) !=
		    ((uint64_t)LEDGER_VERSION << 32 | LAYOUT_SIGNATURE))
		return LEDGER_E_CORRUPT;
	*ledger = (struct ledger){ .base = base, .size = size };
	return 0;
}

/* --- attach ----------------------------------------------------------------------------------- */

/* Takes the DETACHED entry of this very segment, with its stamps. */
static bool entry_take_again(struct image *image, int32_t shmid, uint32_t *ret_entry)
{
	uint32_t at = shared32_load(&image->recent[shmid & ABI_INDEX_MASK]) - 1;
	uint64_t word;

	if (at >= LEDGER_ATTACH_MAX)
		return false;
	word = shared64_load(&image->entries[at].state);
	if (word_state(word) != LEDGER_DETACHED || word_shmid(word) != shmid)
		return false;
	if (!shared64_cas(&image->entries[at].state, word, word_next(word, STATE_CLAIMED, shmid)))
		return false;
	*ret_entry = at;
	return true;
}

/* Takes the first entry in [from, end) that is in this state, and wipes its stamps. */
static bool entry_take(struct image *image, uint32_t from, uint32_t end, uint32_t state,
		       uint32_t *ret_entry)
{
	for (uint32_t i = from; i < end; i++) {
		struct entry *entry = &image->entries[i];
		uint64_t word = shared64_load(&entry->state);

		if (word_state(word) != state ||
		    !shared64_cas(&entry->state, word, word_next(word, STATE_CLAIMED, 0)))
			continue;
		shared64_store(&entry->attach_ns, 0);
		shared64_store(&entry->forked_ns, 0);
		shared64_store(&entry->detach_ns, 0);
		shared64_store(&entry->detach_pid, 0);
		shared32_store(&image->header.free_hint, i + 1);
		*ret_entry = i;
		return true;
	}
	return false;
}

static bool entry_take_any(struct image *image, int32_t shmid, uint32_t *ret_entry)
{
	uint32_t hint = mark_read(&image->header.free_hint, LEDGER_ATTACH_MAX);
	uint32_t end = entries_used(image);

	if (entry_take_again(image, shmid, ret_entry))
		return true;
	if (entry_take(image, hint, end, LEDGER_FREE, ret_entry))
		return true;
	/* Beyond the mark everything is FREE; the mark must cover an entry before it can count. */
	while (end < LEDGER_ATTACH_MAX) {
		mark_raise(&image->header.n_entries, end, LEDGER_ATTACH_MAX);
		if (entry_take(image, end, end + 1, LEDGER_FREE, ret_entry))
			return true;
		end++;
	}
	return entry_take(image, 0, u32_min(hint, end), LEDGER_FREE, ret_entry) ||
	       entry_take(image, hint, end, LEDGER_DETACHED, ret_entry) ||
	       entry_take(image, 0, u32_min(hint, end), LEDGER_DETACHED, ret_entry);
}

int ledger_attach_begin(struct ledger *ledger, int32_t shmid, uint64_t size, uint64_t now_ns,
			uint32_t *ret_entry)
{
	struct image *image = image_of(ledger);
	struct entry *entry;
	uint32_t at;

	if (shmid < 0 || !entry_take_any(image, shmid, &at))
		return LEDGER_E_FULL;
	entry = &image->entries[at];
	shared64_store(&entry->address, 0);
	shared64_store(&entry->size, size);
	shared64_store(&entry->begin_ns, now_ns);
	/* Fenced: the caller looks at the registry next, the daemon does it the other way round. */
	shared64_store_fenced(&entry->state, word_next(shared64_load(&entry->state),
						       LEDGER_ATTACHING, shmid));
	*ret_entry = at;
	return 0;
}

static struct shared32 *address_bucket(struct image *image, uint64_t address, uint32_t probe)
{
	uint64_t hash = (address >> 12) * 0x9e3779b97f4a7c15u;

	return &image->addresses[((hash >> 32) + probe) % ADDRESS_BUCKETS];
}

/* Notes where the attachment at this address is; overwrites the first bucket if all are in use. */
static void address_note(struct image *image, uint64_t address, uint32_t entry)
{
	struct shared32 *best = address_bucket(image, address, 0);

	for (uint32_t probe = 0; probe < ADDRESS_PROBES; probe++) {
		struct shared32 *bucket = address_bucket(image, address, probe);
		uint32_t at = shared32_load(bucket) - 1;

		if (at < LEDGER_ATTACH_MAX && at != entry &&
		    word_counts(shared64_load(&image->entries[at].state)))
			continue;
		best = bucket;
		break;
	}
	shared32_store(best, entry + 1);
}

/* The entry at an index of the caller's, if it is in this state; NULL: it is not. */
static struct entry *entry_in_state(struct image *image, uint32_t index, uint32_t state,
				    uint64_t *ret_word)
{
	struct entry *entry;

	if (index >= LEDGER_ATTACH_MAX)
		return NULL;
	entry = &image->entries[index];
	*ret_word = shared64_load(&entry->state);
	return word_state(*ret_word) == state ? entry : NULL;
}

void ledger_attach_end(struct ledger *ledger, uint32_t entry_index, uint64_t address)
{
	struct image *image = image_of(ledger);
	struct entry *entry;
	uint64_t word;

	entry = entry_in_state(image, entry_index, LEDGER_ATTACHING, &word);
	if (!entry)
		return;
	shared64_store(&entry->address, address);
	shared64_raise(&entry->attach_ns, shared64_load(&entry->begin_ns));
	shared64_store_fenced(&entry->state, word_next(word, LEDGER_ATTACHED, word_shmid(word)));
	address_note(image, address, entry_index);
}

void ledger_attach_undo(struct ledger *ledger, uint32_t entry_index)
{
	struct image *image = image_of(ledger);
	struct entry *entry;
	uint64_t word;
	bool stamped;

	entry = entry_in_state(image, entry_index, LEDGER_ATTACHING, &word);
	if (!entry)
		return;
	/* An entry that was taken with stamps goes back to keeping them. */
	stamped = shared64_load(&entry->detach_ns) != 0;
	shared64_store_fenced(&entry->state, word_next(word, stamped ? LEDGER_DETACHED : LEDGER_FREE,
						       word_shmid(word)));
	if (!stamped)
		hint_lower(image, entry_index);
}

/* --- detach ----------------------------------------------------------------------------------- */

static bool entry_take_attached(struct image *image, uint32_t at, uint64_t address)
{
	struct entry *entry = &image->entries[at];
	uint64_t word = shared64_load(&entry->state);

	return word_state(word) == LEDGER_ATTACHED && shared64_load(&entry->address) == address &&
	       shared64_cas(&entry->state, word, word_next(word, STATE_DETACHING, word_shmid(word)));
}

static bool entry_find_attached(struct image *image, uint64_t address, uint32_t *ret_entry)
{
	uint32_t end = entries_used(image);

	for (uint32_t probe = 0; probe < ADDRESS_PROBES; probe++) {
		uint32_t at = shared32_load(address_bucket(image, address, probe)) - 1;

		if (at < LEDGER_ATTACH_MAX && entry_take_attached(image, at, address)) {
			*ret_entry = at;
			return true;
		}
	}
	for (uint32_t i = 0; i < end; i++) {
		if (entry_take_attached(image, i, address)) {
			*ret_entry = i;
			return true;
		}
	}
	return false;
}

int ledger_detach_begin(struct ledger *ledger, uint64_t address, struct ledger_attach *ret_attach,
			uint32_t *ret_entry)
{
	uint32_t at;

	if (!entry_find_attached(image_of(ledger), address, &at))
		return LEDGER_E_ABSENT;
	(void)ledger_attach_read(ledger, at, ret_attach);
	*ret_entry = at;
	return 0;
}

/*
 * Latest detach and who did it.  The writer stores who before when, so in the moment between them
 * the pair may be of two; it is read again when the time changed, a bounded number of times.
 */
static void entry_read_detach(const struct entry *entry, uint64_t *ret_ns, uint32_t *ret_pid)
{
	for (uint32_t tries = 0; tries < 4; tries++) {
		*ret_ns = shared64_load(&entry->detach_ns);
		*ret_pid = (uint32_t)shared64_load(&entry->detach_pid);
		if (shared64_load(&entry->detach_ns) == *ret_ns)
			return;
	}
}

/* Takes over the stamps of the DETACHED entry that `recent` names, so that it can be free again. */
static void entry_merge_recent(struct image *image, struct entry *entry, int32_t shmid)
{
	uint32_t at = shared32_load(&image->recent[shmid & ABI_INDEX_MASK]) - 1;
	struct entry *old;
	uint64_t word;
	uint64_t detach_ns;
	uint32_t detach_pid;

	if (at >= LEDGER_ATTACH_MAX || &image->entries[at] == entry)
		return;
	old = &image->entries[at];
	word = shared64_load(&old->state);
	if (word_state(word) != LEDGER_DETACHED || word_shmid(word) != shmid)
		return;
	shared64_raise(&entry->attach_ns, shared64_load(&old->attach_ns));
	shared64_raise(&entry->forked_ns, shared64_load(&old->forked_ns));
	entry_read_detach(old, &detach_ns, &detach_pid);
	if (detach_ns > shared64_load(&entry->detach_ns)) {
		shared64_store(&entry->detach_pid, detach_pid);
		shared64_store(&entry->detach_ns, detach_ns);
	}
	if (shared64_cas(&old->state, word, word_next(word, LEDGER_FREE, 0)))
		hint_lower(image, at);
}

void ledger_detach_end(struct ledger *ledger, uint32_t entry_index, uint64_t now_ns)
{
	struct image *image = image_of(ledger);
	struct entry *entry;
	uint64_t word;
	int32_t shmid;

	entry = entry_in_state(image, entry_index, STATE_DETACHING, &word);
	if (!entry)
		return;
	shmid = word_shmid(word);
	shared64_raise(&entry->forked_ns, shared64_load(&image->header.fork_ns));
	shared64_store(&entry->detach_pid, 0);
	shared64_store(&entry->detach_ns, now_ns);
	entry_merge_recent(image, entry, shmid);
	shared32_store(&image->recent[shmid & ABI_INDEX_MASK], entry_index + 1);
	/* Fenced: the caller looks next whether the segment is marked for destruction. */
	shared64_store_fenced(&entry->state, word_next(word, LEDGER_DETACHED, shmid));
}

/* --- reading entries -------------------------------------------------------------------------- */

/*
 * A copy of the entry, of one moment unless it changes again and again, and its state word.  The
 * state word is always a true one, so the count is, too.
 */
static uint64_t entry_read(const struct image *image, const struct entry *entry,
			   struct ledger_attach *ret_attach)
{
	struct ledger_attach attach = { 0 };
	uint64_t word = shared64_load(&entry->state);
	uint64_t forked_ns = 0;

	for (uint32_t tries = 0; tries < 4; tries++) {
		uint64_t before = word;

		attach.address = shared64_load(&entry->address);
		attach.size = shared64_load(&entry->size);
		attach.attach_ns = shared64_load(&entry->attach_ns);
		forked_ns = shared64_load(&entry->forked_ns);
		entry_read_detach(entry, &attach.detach_ns, &attach.pid);
		word = shared64_load(&entry->state);
		if (word == before)
			break;
	}
	attach.shmid = word_shmid(word);
	attach.state = LEDGER_FREE;
	if (word_state(word) <= LEDGER_DETACHED)
		attach.state = (enum ledger_attach_state)word_state(word);
	else if (word_state(word) == STATE_DETACHING)
		attach.state = LEDGER_ATTACHED;
	/* A later fork attached it once more. */
	if (attach.state == LEDGER_ATTACHED)
		forked_ns = u64_max(forked_ns, shared64_load(&image->header.fork_ns));
	attach.attach_ns = u64_max(attach.attach_ns, forked_ns);
	*ret_attach = attach;
	return word;
}

bool ledger_attach_read(const struct ledger *ledger, uint32_t entry_index,
			struct ledger_attach *ret_attach)
{
	const struct image *image = image_of(ledger);

	if (entry_index >= entries_used(image))
		return false;
	(void)entry_read(image, &image->entries[entry_index], ret_attach); /* the copy is enough */
	return true;
}

uint32_t ledger_attach_count(const struct ledger *ledger)
{
	const struct image *image = image_of(ledger);
	uint32_t end = entries_used(image);
	uint32_t n = 0;

	for (uint32_t i = 0; i < end; i++)
		n += word_counts(shared64_load(&image->entries[i].state));
	return n;
}

void ledger_speak(struct ledger *ledger)
{
	shared32_store(&image_of(ledger)->header.speaks, 1);
}

bool ledger_speaks(const struct ledger *ledger)
{
	return shared32_load(&image_of(ledger)->header.speaks) != 0;
}

void ledger_sum(const struct ledger *ledger, int32_t shmid, struct ledger_sum *ret_sum)
{
	const struct image *image = image_of(ledger);
	struct ledger_sum sum = { 0 };
	uint32_t end = entries_used(image);
	uint32_t owner = end > 0 ? (uint32_t)shared64_load(&image->header.pid) : 0;

	for (uint32_t i = 0; i < end; i++) {
		const struct entry *entry = &image->entries[i];
		struct ledger_attach attach;
		uint64_t word = shared64_load(&entry->state);

		if (!word_holds(word) || word_shmid(word) != shmid)
			continue;
		word = entry_read(image, entry, &attach);
		if (!word_holds(word) || word_shmid(word) != shmid)
			continue;
		sum.n_attached += word_counts(word);
		if (attach.attach_ns > sum.attach_ns) {
			sum.attach_ns = attach.attach_ns;
			sum.attach_pid = owner;
		}
		if (attach.detach_ns > sum.detach_ns) {
			sum.detach_ns = attach.detach_ns;
			sum.detach_pid = attach.pid != 0 ? attach.pid : owner;
		}
	}
	*ret_sum = sum;
}

/* --- uses ------------------------------------------------------------------------------------- */

static uint64_t use_word(enum ipc_kind kind, int32_t id)
{
	return (uint64_t)1 << 63 | (uint64_t)kind << 32 | (uint32_t)id;
}

/* False: the word is none that use_word makes. */
static bool use_decode(uint64_t word, enum ipc_kind *ret_kind, int32_t *ret_id)
{
	uint64_t kind = word >> 32 & INT32_MAX;

	if (word >> 63 == 0 || kind >= IPC_KIND_COUNT || (word & 0x80000000u) != 0)
		return false;
	*ret_kind = (enum ipc_kind)kind;
	*ret_id = (int32_t)(word & INT32_MAX);
	return true;
}

void ledger_use(struct ledger *ledger, enum ipc_kind kind, int32_t id)
{
	struct image *image = image_of(ledger);
	uint64_t word = use_word(kind, id);
	uint32_t end = mark_read(&image->header.n_uses, LEDGER_USES_MAX);

	if (id < 0)
		return;
	for (uint32_t i = 0; i < end; i++) {
		if (shared64_load(&image->uses[i]) == word)
			return;
	}
	/* Two threads try the places in the same order, so the later one meets the word of the other. */
	for (uint32_t i = 0; i < LEDGER_USES_MAX; i++) {
		if (shared64_load(&image->uses[i]) == 0) {
			mark_raise(&image->header.n_uses, i, LEDGER_USES_MAX);
			if (shared64_cas(&image->uses[i], 0, word))
				return;
		}
		if (shared64_load(&image->uses[i]) == word)
			return;
	}
	shared32_store(&image->header.uses_overflowed, 1);
}

void ledger_unuse(struct ledger *ledger, enum ipc_kind kind, int32_t id)
{
	struct image *image = image_of(ledger);
	uint64_t word = use_word(kind, id);
	uint32_t end = mark_read(&image->header.n_uses, LEDGER_USES_MAX);

	for (uint32_t i = 0; i < end; i++) {
		if (shared64_load(&image->uses[i]) == word)
			(void)shared64_cas(&image->uses[i], word, 0);
	}
}

bool ledger_use_read(const struct ledger *ledger, uint32_t i, enum ipc_kind *ret_kind, int32_t *ret_id)
{
	const struct image *image = image_of(ledger);
	uint32_t end = mark_read(&image->header.n_uses, LEDGER_USES_MAX);
	uint32_t n = 0;

	for (uint32_t at = 0; at < end; at++) {
		enum ipc_kind kind;
		int32_t id;

		if (!use_decode(shared64_load(&image->uses[at]), &kind, &id) || n++ < i)
			continue;
		*ret_kind = kind;
		*ret_id = id;
		return true;
	}
	return false;
}

bool ledger_uses_overflowed(const struct ledger *ledger)
{
	return shared32_load(&image_of(ledger)->header.uses_overflowed) != 0;
}

/* --- children --------------------------------------------------------------------------------- */

static uint32_t children_used(const struct image *image)
{
	return mark_read(&image->header.n_children, LEDGER_CHILDREN_MAX);
}

int ledger_fork_begin(struct ledger *ledger, uint32_t *ret_row)
{
	struct image *image = image_of(ledger);

	for (uint32_t i = 0; i < LEDGER_CHILDREN_MAX; i++) {
		if (shared32_load(&image->children[i].pid) != 0)
			continue;
		mark_raise(&image->header.n_children, i, LEDGER_CHILDREN_MAX);
		if (!shared32_cas(&image->children[i].pid, 0, CHILD_FORKING))
			continue;
		*ret_row = i;
		return 0;
	}
	return LEDGER_E_FULL;
}

void ledger_fork_end(struct ledger *ledger, uint32_t row, uint32_t child_pid, uint64_t now_ns)
{
	struct image *image = image_of(ledger);

	if (row >= LEDGER_CHILDREN_MAX)
		return;
	if (child_pid != 0) {
		shared64_store(&image->children[row].fork_ns, now_ns);
		shared64_raise(&image->header.fork_ns, now_ns);
	}
	shared32_store(&image->children[row].pid, child_pid);
}

/* The end of a child is a detach of what was attached when it was made. */
static void ledger_stamp_child(struct image *image, uint32_t child_pid, uint64_t fork_ns,
			       uint64_t now_ns)
{
	uint32_t end = entries_used(image);

	for (uint32_t i = 0; i < end; i++) {
		struct entry *entry = &image->entries[i];
		uint64_t word = shared64_load(&entry->state);
		uint64_t detach_ns = shared64_load(&entry->detach_ns);

		if (word_state(word) != LEDGER_ATTACHED && word_state(word) != STATE_DETACHING &&
		    (word_state(word) != LEDGER_DETACHED || detach_ns < fork_ns))
			continue;
		if (shared64_load(&entry->attach_ns) > fork_ns || detach_ns > now_ns ||
		    shared64_load(&entry->state) != word)
			continue;
		shared64_store(&entry->detach_pid, child_pid);
		/* Another thread may have detached it just now, and later. */
		shared64_raise(&entry->detach_ns, now_ns);
	}
}

bool ledger_child_reaped(struct ledger *ledger, uint32_t child_pid, uint64_t now_ns)
{
	struct image *image = image_of(ledger);
	uint32_t end = children_used(image);
	uint32_t oldest = end;
	uint64_t oldest_ns = 0;

	if (child_pid == 0 || child_pid == CHILD_FORKING)
		return false;
	/* Another thread may already have forked a child that got the number anew. */
	for (uint32_t i = 0; i < end; i++) {
		uint64_t fork_ns = shared64_load(&image->children[i].fork_ns);

		if (shared32_load(&image->children[i].pid) != child_pid ||
		    (oldest < end && oldest_ns <= fork_ns))
			continue;
		oldest = i;
		oldest_ns = fork_ns;
	}
	if (oldest == end)
		return false;
	ledger_stamp_child(image, child_pid, oldest_ns, now_ns);
	(void)shared32_cas(&image->children[oldest].pid, child_pid, 0);
	return true;
}

bool ledger_child_read(const struct ledger *ledger, uint32_t i, uint32_t *ret_pid)
{
	const struct image *image = image_of(ledger);

	if (i >= children_used(image))
		return false;
	*ret_pid = shared32_load(&image->children[i].pid);
	return true;
}

void ledger_child_forget(struct ledger *ledger, uint32_t child_pid)
{
	struct image *image = image_of(ledger);
	uint32_t end = children_used(image);

	for (uint32_t i = 0; i < end && child_pid != 0 && child_pid != CHILD_FORKING; i++)
		(void)shared32_cas(&image->children[i].pid, child_pid, 0);
}

/* --- the end, and verify ---------------------------------------------------------------------- */

void ledger_detach_all(struct ledger *ledger, uint64_t now_ns)
{
	struct image *image = image_of(ledger);
	uint32_t end = entries_used(image);
	uint64_t fork_ns = shared64_load(&image->header.fork_ns);

	for (uint32_t i = 0; i < end; i++) {
		struct entry *entry = &image->entries[i];
		uint64_t word = shared64_load(&entry->state);
		uint32_t state = word_state(word);

		if (state == LEDGER_FREE || state == LEDGER_DETACHED)
			continue;
		if (state == LEDGER_ATTACHED || state == STATE_DETACHING) {
			shared64_raise(&entry->forked_ns, fork_ns);
			shared64_store(&entry->detach_pid, 0);
			shared64_store(&entry->detach_ns, now_ns);
		}
		/* An attach that had not come to its end leaves no stamp (SHM-16), but it did count. */
		shared64_store_fenced(&entry->state,
				      word_next(word, word_counts(word) ? LEDGER_DETACHED : LEDGER_FREE,
						word_shmid(word)));
	}
	for (uint32_t i = children_used(image); i > 0; i--)
		shared32_store(&image->children[i - 1].pid, 0);
	shared32_store(&image->header.n_children, 0);
	shared32_store(&image->header.free_hint, 0);
}

bool ledger_verify(const struct ledger *ledger)
{
	const struct image *image = image_of(ledger);
	struct ledger again;
	uint32_t n_entries = shared32_load(&image->header.n_entries);
	uint32_t n_uses = shared32_load(&image->header.n_uses);

	if (ledger_bind(&again, ledger->base, ledger->size) != 0)
		return false;
	if (n_entries > LEDGER_ATTACH_MAX || n_uses > LEDGER_USES_MAX ||
	    shared32_load(&image->header.n_children) > LEDGER_CHILDREN_MAX)
		return false;
	for (uint32_t i = 0; i < n_entries; i++) {
		if (word_state(shared64_load(&image->entries[i].state)) > STATE_DETACHING)
			return false;
	}
	for (uint32_t i = 0; i < n_uses; i++) {
		uint64_t word = shared64_load(&image->uses[i]);
		enum ipc_kind kind;
		int32_t id;

		if (word != 0 && !use_decode(word, &kind, &id))
			return false;
	}
	return true;
}

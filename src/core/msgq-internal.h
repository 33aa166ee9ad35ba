/* msgq-internal.h: what the files of the message queue share; nobody else includes it. */
#ifndef CORE_MSGQ_INTERNAL_H
#define CORE_MSGQ_INTERNAL_H

#include "core/msgq.h"

#define MSGQ_MAGIC UINT64_C(0x716773766d797375)
#define MSGQ_VERSION 5u
#define MSGQ_PAGE 4096u
#define MSGQ_NONE UINT32_MAX
#define MSGQ_BLOCKS_MAX (UINT32_C(3) << 24) /* more than any file has */

/*
 * The blocks are two arenas, of which one is in use; so many of the one, then so many of the other, and so
 * on, that both grow with the file.  An arena of which no more than the least is backed keeps it.
 */
#if SLEEPER_MAX > 128
#define MSGQ_CHUNK 16384u
#define MSGQ_TRIM_MIN 512u
#else
#define MSGQ_CHUNK 32u
#define MSGQ_TRIM_MIN 32u
#endif

/*
 * Entries: a page has the roots of eight.  Of each eight the even ones are kept by threads from call to
 * call; the odd ones, which are in the same cache lines, are claimed and released by each call of those that
 * found none to keep.  The first page has storage from the start, the others when they are needed.
 */
#if SLEEPER_MAX > 128 /* else this is for the explorer or the fuzzers, and all is small */
#define MSGQ_PAGES 12u
#elif !defined(MSGQ_PAGES)
#define MSGQ_PAGES 1u
#endif
#define MSGQ_PER_PAGE 8u
#define MSGQ_KEPT (MSGQ_PER_PAGE / 2)
#define MSGQ_ENTRIES_ALL (MSGQ_PAGES * MSGQ_PER_PAGE)

/* Wakes a list takes; the fuzzers build with fewer. */
#ifndef MSGQ_WAKES_MAX
#define MSGQ_WAKES_MAX WAKES_MAX
#endif

/* Words outside of the roots that one commit changes. */
#define MSGQ_CHANGES 13u

/*
 * Block: 16 words, used as a message's first, as one with more of its text, or as a node of the
 * index.  The first four are versioned words in every use, so that their versions go on whatever a block
 * was before.
 */
#define MSGQ_BLOCK_WORDS 16u
#define MSGQ_BLOCK_SIZE (MSGQ_BLOCK_WORDS * 8u)
#define BLOCK_NEXT 0u	/* message: the one after it, unless it is the last; free: the next; node: child
			   for a bit of 0 */
#define BLOCK_PREVIOUS 1u /* message: the one before it; node: child for a bit of 1 */
#define BLOCK_SAME 2u	/* message: the next of its type, in a ring */
#define BLOCK_CHAIN 3u	/* where its text goes on; a block's number + 1, or 0 */
#define BLOCK_TYPE 4u	/* message: its type; node: a type that belongs below it */
#define BLOCK_LENGTH 5u /* message: bytes of text (32) | arrival (32) */
#define MSGQ_FIRST_TEXT 6u  /* text begins at this word in the first block ... */
#define MSGQ_FOLLOW_TEXT 4u /* ... and at this in the others */
#define MSGQ_FIRST_BYTES ((MSGQ_BLOCK_WORDS - MSGQ_FIRST_TEXT) * 8u)
#define MSGQ_FOLLOW_BYTES ((MSGQ_BLOCK_WORDS - MSGQ_FOLLOW_TEXT) * 8u)

/* Blocks of a message that its receiver keeps for what it sends next; more go back at once. */
#if SLEEPER_MAX > 128
#define MSGQ_KEEP_MAX 128u
#else
#define MSGQ_KEEP_MAX 1u
#endif

/* Payload of BLOCK_NEXT: the block after this one (free, never used), none, or a number + 2. */
#define NEXT_IMPLICIT 0u
#define NEXT_END 1u
#define NEXT_BASE 2u

/* FIELD_BYTES: bytes of text in the queue, and these. */
#define FLAG_RECEIVERS 1u /* receivers may sleep */
#define FLAG_SENDERS 2u   /* senders may sleep */
#define FLAG_REMOVED 4u
#define FLAGS_ALL 7u
#define BYTES_SHIFT 3u
#define BYTES_MAX (UINT32_MAX >> BYTES_SHIFT)

/* Argument of a sleeper that is DONE: why, or the block handed to it + RESULT_BASE. */
#define RESULT_RETRY 0u
#define RESULT_2BIG 1u
#define RESULT_REMOVED 2u
#define RESULT_SENT 3u /* msgq-stead.c */
#define RESULT_BASE 8u

/* Outcomes that stay inside: decide again; what was to be changed is somebody else's now. */
#define MSGQ_AGAIN 100
#define MSGQ_GONE 101
#define MSGQ_NODE 102 /* the index needs a node, which the entry does not have */

/* Pauses of a call with a short text that came too late with a commit. */
#if SLEEPER_MAX > 128
#define MSGQ_LATE_PAUSES 64u
#else
#define MSGQ_LATE_PAUSES 1u
#endif

/* The thread's last call on the queue was a send, so that the next one will be, too. */
#define THREAD_SENT (UINT64_C(1) << 63)
/* A call of the thread is under way. */
#define THREAD_INSIDE (UINT64_C(1) << 62)

/* What a thread holds besides the queue: blocks as a block's number + 1, or 0. */
struct msgq_entry {
	struct shared64 owner;	/* client, 0 = free: the claim */
	struct shared64 thread; /* the owner's hint + 1 while it keeps the entry, and flags */
	struct shared64 held;	/* versioned: a chain being filled or read, or for the next message */
	struct shared64 node;	/* versioned: one block for the index */
};

/* What the queue is, but for the words that the blocks, entries and sleepers have. */
enum msgq_field {
	FIELD_BYTES, /* and flags */
	FIELD_COUNT,
	FIELD_HEAD, /* oldest message's block + 1, or 0 */
	FIELD_TAIL, /* newest message's */
	FIELD_TREE, /* of the index: a reference, or 0 */
	FIELD_FREE, /* first free block's number */
	FIELD_SKIP, /* no message before this one (+ 1) is of another type than the head */
	FIELD_QBYTES,
	FIELDS,
};

/* A change of a versioned word: payload of the new value (32) | index (32). */
struct msgq_follow {
	struct shared64 old;
	struct shared64 target;
};

/* One state of the queue and what has to follow from it; an entry has two, and fills them in turn. */
struct msgq_root {
	struct shared64 fields[FIELDS / 2]; /* one of the second half (32) | one of the first (32) */
	struct shared64 n_follows;
	struct shared64 is_followed;
	struct msgq_follow follows[MSGQ_CHANGES];
};

STATIC_ASSERT(sizeof(struct msgq_root) * 2 * MSGQ_PER_PAGE == MSGQ_PAGE);

struct msgq_header {
	struct shared64 magic;
	struct shared32 closing;  /* 1: the trimmer looks whether anybody is inside */
	struct shared32 trim_due; /* second + 1 from which on there may be something to give back, or 0 */
	struct shared64 qbytes_max; /* only grows; decides the layout */
	struct shared64 stime_s;
	struct shared64 rtime_s;
	struct shared32 lspid;
	struct shared32 lrpid;
	struct shared64 backed_blocks[2]; /* epoch (32) | storage is there for an arena's below this */
	/* A line that most calls do not look at. */
	struct shared64 ctime_s;
	struct shared32 version;
	struct shared32 backed_sleepers; /* likewise */
	struct shared32 backed_pages;  /* bits: of roots, but for the first, which always is */
	struct shared32 wanted_blocks; /* what the last GROW was about */
	struct shared32 wanted_sleepers;
	struct shared32 wanted_page;
	struct shared64 high_water; /* sleepers' */
	struct shared64 clock;	    /* sleepers' */
	struct shared64 recheck;    /* receivers with a ticket up to this one are due a RETRY */
	struct shared64 trimmer;    /* client that gives storage back, 0 = nobody: the claim */
	_Alignas(64) struct shared64 guard; /* sequence (48) | number of the root (16) */
	_Alignas(256) struct msgq_entry entries[MSGQ_ENTRIES_ALL];
};

STATIC_ASSERT(sizeof(struct msgq_header) <= MSGQ_PAGE);
STATIC_ASSERT(offsetof(struct msgq_header, trim_due) == MSGQ_TRIM_DUE_OFF);
STATIC_ASSERT(offsetof(struct msgq_header, ctime_s) == 64);
STATIC_ASSERT(MSGQ_CHUNK * MSGQ_BLOCK_SIZE % MSGQ_PAGE == 0);

enum msgq_kind { MSGQ_KIND_SENDER = 0, MSGQ_KIND_RECEIVER = 1, MSGQ_KIND_TYPED = 2 };

/* A sleeper's record: written by its owner between claim and registration. */
struct msgq_record {
	struct sleeper_record base;
	struct shared32 kind;
	struct shared32 flags;
	struct shared64 type;
	struct shared64 size;
};

/*
 * One change of the queue: what it read is right if the guard still has this value when it commits.
 * Every word it changes is named once.
 */
struct msgq_txn {
	uint64_t guard;
	uint32_t now[FIELDS];
	uint32_t next[FIELDS];
	uint64_t n;
	struct {
		uint64_t old;
		uint64_t target; /* as in struct msgq_follow */
	} changes[MSGQ_CHANGES];
};

/* A call under way: private. */
struct msgq_call {
	struct msgq *queue;
	struct msgq_header *header;
	const struct actor *actor;
	struct wakes *wakes;
	uint64_t budget;    /* steps left before the call gives up */
	uint64_t is_reader; /* 1: over a mapping it may not write; else 0 */
	bool broken;	    /* something read in this try made no sense: the file's fault, if it holds still */
	bool is_resident;   /* the entry stays the thread's */
	bool is_short;	    /* its text is: no work to do while others are at the queue */
	bool is_streak;	    /* the thread sent the last time, too; and at the end: sent this time */
	uint32_t hint;	    /* the actor's, or MSGQ_HINT_NONE */
	uint32_t entry;	    /* MSGQ_NONE: none claimed */
	uint32_t sleeper;   /* likewise */
	uint32_t receipt;   /* state word of the record that is to get what is received, or 0 */
	uint32_t expected;  /* low half of the state it registered with */
	struct msgq_txn txn;
};

/* Where a received message goes. */
struct msgq_output {
	void *text;
	uint64_t *ret_size;
	int64_t *ret_type;
};

/* Where the index leads for a type. */
struct msgq_path {
	uint64_t value;	   /* of the word at its end: a reference, to the leaf if it is complete */
	uint64_t up_value; /* of the one before that */
	uint32_t place;	   /* the word: (a node's block + NEXT_BASE) * 2 + side; 0: FIELD_TREE */
	uint32_t up_place;
	uint32_t last; /* MSGQ_NONE: the index is empty; else the newest message of ... */
	int64_t type;  /* ... this type */
};

/* A message of the queue. */
struct msgq_found {
	uint32_t block;
	bool is_behind; /* the first that is of another type than the head */
	int64_t type;
	uint32_t size;
	uint32_t arrival;
	struct msgq_path path; /* to its type */
};

/* A message about to enter the queue or a receiver's hands. */
struct msgq_offer {
	uint32_t block;
	uint32_t last;	   /* block with the end of its text ... */
	uint32_t rest;	   /* ... and the one after it + 1, if the chain is longer: to be freed */
	uint32_t arrival;  /* back: when it came first */
	int64_t type;
	uint64_t size;
	uint32_t source;   /* word that holds the chain so far */
	uint64_t source_old; /* back: its value */
	uint32_t receipt;    /* state word of the record that is to say that it was sent, or 0 */
	bool back;	   /* put back, to its place in the order, whether there is room or not */
};

/* Sleepers chosen by a scan, oldest first. */
struct msgq_picks {
	uint32_t max;
	uint32_t n;
	uint32_t n_waiting;  /* of the kind, chosen or not */
	uint32_t n_matching; /* n, and those beyond max */
	struct {
		uint32_t index;
		uint64_t word;
		uint64_t ticket;
	} list[MSGQ_WAKES_MAX];
};

/*
 * When a message came, as the sequence of the state it was committed on: 31 bits, so that two
 * arrivals are compared by their distance.
 */
static inline uint32_t msgq_arrival(uint64_t guard)
{
	return (uint32_t)(guard >> 16) & 0x7fffffffu;
}

static inline bool msgq_arrived_before(uint32_t a, uint32_t b)
{
	return ((a - b) & 0x7fffffffu) >= 0x40000000u;
}

static inline uint64_t msgq_length_word(uint64_t size, uint32_t arrival)
{
	return (uint64_t)arrival << 32 | size;
}

static inline struct msgq_header *msgq_header(const struct msgq *queue)
{
	return (struct msgq_header *)(void *)queue->base;
}

static inline uint32_t msgq_block_word(const struct msgq *queue, uint32_t block, uint32_t word)
{
	return queue->blocks_word + block * MSGQ_BLOCK_WORDS + word;
}

/* Which of the two arenas a block is of. */
static inline uint32_t msgq_arena(uint32_t block)
{
	return block / MSGQ_CHUNK & 1;
}

static inline uint32_t msgq_arena_first(uint32_t arena)
{
	return arena * MSGQ_CHUNK;
}

/* The block after this one in its arena; of the last, one that the file has when it is made larger. */
static inline uint32_t msgq_arena_next(uint32_t block)
{
	return (block + 1) % MSGQ_CHUNK == 0 ? block + 1 + MSGQ_CHUNK : block + 1;
}

/* Valid for any block below the bound n_blocks. */
static inline struct shared64 *msgq_block_at(const struct msgq *queue, uint32_t block)
{
	return &queue->blocks[(size_t)block * MSGQ_BLOCK_WORDS];
}

/*
 * A block whose turn is next, if nobody comes in between: its lines are asked for while there is other work,
 * as its last user may be on another CPU.
 */
static inline void msgq_block_expect_read(const struct msgq *queue, uint32_t block)
{
	if (block < queue->layout.n_blocks) {
		__builtin_prefetch(msgq_block_at(queue, block), 0);
		__builtin_prefetch(msgq_block_at(queue, block) + MSGQ_BLOCK_WORDS / 2, 0);
	}
}

static inline void msgq_block_expect_write(const struct msgq *queue, uint32_t block)
{
	if (block < queue->layout.n_blocks) {
		__builtin_prefetch(msgq_block_at(queue, block), 1);
		__builtin_prefetch(msgq_block_at(queue, block) + MSGQ_BLOCK_WORDS / 2, 1);
	}
}

static inline uint32_t msgq_entry_word(uint32_t entry, size_t member)
{
	return (uint32_t)((offsetof(struct msgq_header, entries) +
			   entry * sizeof(struct msgq_entry) + member) / 8);
}

#define ENTRY_HELD(entry) msgq_entry_word(entry, offsetof(struct msgq_entry, held))
#define ENTRY_NODE(entry) msgq_entry_word(entry, offsetof(struct msgq_entry, node))
#define ENTRY_WORDS 2u /* HELD and NODE */

STATIC_ASSERT(offsetof(struct msgq_entry, node) == offsetof(struct msgq_entry, held) + 8);

static inline struct msgq_record *msgq_record_at(const struct msgq *queue, uint32_t index)
{
	return (struct msgq_record *)(void *)sleeper_record(&queue->sleepers, index);
}

/* False when the call has used up its steps. */
static inline bool msgq_step(struct msgq_call *call)
{
	return call->budget > 0 && call->budget-- > 0;
}

/* What happened costs the call more than one step. */
static inline void msgq_charge(struct msgq_call *call, uint64_t steps)
{
	call->budget -= call->budget < steps ? call->budget : steps;
}

/* What a versioned word is worth that does not stand for itself. */
uint64_t msgq_look_again(struct msgq_call *call, const struct shared64 *word, uint64_t value);

/* A versioned word's value, of a word of the file; 0 where it has none, and then the try is broken. */
static inline uint64_t msgq_look_at(struct msgq_call *call, const struct shared64 *word)
{
	uint64_t value = shared64_load(word);

	if (__builtin_expect(mcas_is_mark(value | call->is_reader), 0)) /* one test for both: marks are odd */
		return msgq_look_again(call, word, value);
	return value;
}

/* The same of any word. */
static inline uint64_t msgq_look(struct msgq_call *call, uint32_t word)
{
	if (word < call->queue->mcas.n_words)
		return msgq_look_at(call, &call->queue->mcas.words[word]);
	call->broken = true;
	return 0;
}

/* True if the block is inside the bound file; otherwise the try is broken. */
static inline bool msgq_block_ok(struct msgq_call *call, uint32_t block)
{
	if (block < call->queue->layout.n_blocks)
		return true;
	call->broken = true;
	return false;
}

/* A block's word; the block is inside the bound file, or the try is broken. */
static inline uint64_t msgq_block_look(struct msgq_call *call, uint32_t block, uint32_t word)
{
	if (!msgq_block_ok(call, block))
		return 0;
	return msgq_look_at(call, &msgq_block_at(call->queue, block)[word]);
}

static inline uint64_t msgq_block_plain(struct msgq_call *call, uint32_t block, uint32_t word)
{
	if (!msgq_block_ok(call, block))
		return 0;
	return shared64_load(&msgq_block_at(call->queue, block)[word]);
}

/*
 * The message after this one: its block + 1, or 0.  What the last one's next says is left as it was, so
 * that there is nothing to change in it when what comes after it is taken.
 */
static inline uint32_t msgq_next(struct msgq_call *call, uint32_t block)
{
	uint32_t next;

	if (block + 1 == call->txn.now[FIELD_TAIL])
		return 0;
	next = mcas_payload(msgq_block_look(call, block, BLOCK_NEXT));
	if (next < NEXT_BASE)
		call->broken = true;
	return next - NEXT_BASE + 1;
}

/* The one before it, likewise; what the first one's previous says is left as it was. */
static inline uint32_t msgq_previous(struct msgq_call *call, uint32_t block)
{
	if (block + 1 == call->txn.now[FIELD_HEAD])
		return 0;
	return mcas_payload(msgq_block_look(call, block, BLOCK_PREVIOUS));
}

/* Changes an mcas word of a block that belongs to the call alone. */
static inline void msgq_block_own(struct msgq_call *call, uint32_t block, uint32_t word,
				  uint32_t payload)
{
	uint64_t old = msgq_block_look(call, block, word);

	shared64_store(&msgq_block_at(call->queue, block)[word], mcas_next(old, payload));
}

static inline void msgq_change(struct msgq_call *call, uint32_t word, uint64_t old, uint32_t payload)
{
	struct msgq_txn *txn = &call->txn;

	if (txn->n == MSGQ_CHANGES) {
		call->broken = true; /* no honest queue needs as many */
		return;
	}
	txn->changes[txn->n].old = old;
	txn->changes[txn->n++].target = (uint64_t)payload << 32 | word;
}

/* Looks at a word and changes it. */
static inline void msgq_set_word(struct msgq_call *call, uint32_t word, uint32_t payload)
{
	msgq_change(call, word, msgq_look(call, word), payload);
}

static inline void msgq_set_block(struct msgq_call *call, uint32_t block, uint32_t word,
				  uint32_t payload)
{
	if (msgq_block_ok(call, block))
		msgq_set_word(call, msgq_block_word(call->queue, block, word), payload);
}

/* Bytes of text in the queue as it is. */
static inline uint32_t msgq_bytes(const struct msgq_call *call)
{
	return call->txn.now[FIELD_BYTES] >> BYTES_SHIFT;
}

static inline uint32_t msgq_flags(const struct msgq_call *call)
{
	return call->txn.now[FIELD_BYTES] & FLAGS_ALL;
}

/* Most calls find there what they would store, and leave the line to all who read it. */
static inline void msgq_note64(struct shared64 *word, uint64_t value)
{
	if (shared64_load(word) != value)
		shared64_store(word, value);
}

static inline void msgq_note32(struct shared32 *word, uint32_t value)
{
	if (shared32_load(word) != value)
		shared32_store(word, value);
}

static inline bool msgq_may_wake(const struct msgq_call *call, uint32_t n)
{
	return MSGQ_WAKES_MAX - call->wakes->n >= n;
}

/* --- msgq.c */

/* Fills call and empties wakes.  DONE, or REMAP or E_CORRUPT, to be returned. */
int msgq_begin(struct msgq_call *call, struct msgq *queue, const struct actor *actor,
	       struct wakes *wakes);
/* Why the file has another size than it was bound with. */
int msgq_judge_mapping(const struct msgq_call *call);
/* DONE while the file has the size it was bound with; otherwise REMAP or E_CORRUPT. */
static inline int msgq_check_mapping(const struct msgq_call *call)
{
	uint64_t bound = call->queue->layout.qbytes_max;

	return shared64_load(&call->header->qbytes_max) == bound ? MSGQ_DONE
								  : msgq_judge_mapping(call);
}
/* What is wrong with a block that is not there: REMAP or E_CORRUPT. */
int msgq_lost(const struct msgq_call *call);
uint32_t msgq_backed_sleepers(const struct msgq *queue);
uint64_t msgq_blocks_for(uint64_t size);

/* --- msgq-txn.c */

/* The first state of a new queue, whose other fields are 0. */
void msgq_root_format(struct msgq_header *header, uint32_t qbytes);
/* Starts a change: what is looked at from here on is of one moment if the guard holds still. */
void msgq_txn_begin(struct msgq_call *call);
/* The outcome of a try that changes nothing: itself, AGAIN, or what is wrong with the file. */
int msgq_txn_judge(struct msgq_call *call, int outcome);
/* DONE, AGAIN, GROW, REMAP, E_BUSY, E_CORRUPT. */
int msgq_txn_commit(struct msgq_call *call);

/* --- msgq-block.c */

/* Undoes what the trimmer has begun (msgq-trim.c). */
void msgq_trim_cancel(struct msgq_call *call);

/* Of the entries its thread may keep, the one that it keeps. */
bool msgq_entry_search(struct msgq_call *call);

static inline bool msgq_entry_is_own(struct msgq_call *call, uint32_t index)
{
	const struct msgq_entry *entry = &call->header->entries[index];
	uint64_t thread;

	if (shared64_load(&entry->owner) != call->actor->client)
		return false;
	thread = shared64_load(&entry->thread);
	if ((thread & ~(THREAD_SENT | THREAD_INSIDE)) != (uint64_t)call->hint + 1)
		return false; /* none is MSGQ_HINT_NONE's */
	call->entry = index;
	call->is_streak = thread & THREAD_SENT;
	call->is_resident = true;
	return true;
}

/* What the thread's calls know its entry by, and what this one was. */
static inline uint64_t msgq_entry_thread(const struct msgq_call *call)
{
	return ((uint64_t)call->hint + 1) | (call->is_streak ? THREAD_SENT : 0);
}

int msgq_entry_claim_new(struct msgq_call *call, bool may_grow);
/* The call's entry, the one its thread keeps or a new one, says from here on that somebody is inside. */
static inline int msgq_entry_claim(struct msgq_call *call, bool may_grow)
{
	struct shared64 *thread;

	if (!msgq_entry_is_own(call, call->hint % MSGQ_KEPT * 2) && !msgq_entry_search(call))
		return msgq_entry_claim_new(call, may_grow);
	thread = &call->header->entries[call->entry].thread;
	if (call->queue->is_fenced_from_outside)
		shared64_store(thread, msgq_entry_thread(call) | THREAD_INSIDE);
	else
		shared64_store_fenced(thread, msgq_entry_thread(call) | THREAD_INSIDE);
	return MSGQ_DONE;
}

/*
 * From here to msgq_entry_leave() the call is inside: no block is touched before and after that (msgq-trim.c).
 * DONE, E_BUSY, or if it may: GROW.
 */
static inline int msgq_enter(struct msgq_call *call, bool may_grow)
{
	int outcome = msgq_entry_claim(call, may_grow);

	if (outcome == MSGQ_DONE && shared32_load(&call->header->closing) != 0)
		msgq_trim_cancel(call);
	return outcome;
}

/* For the thread's next call: what this one was. */
static inline void msgq_entry_note(struct msgq_call *call, bool has_sent)
{
	call->is_streak = has_sent;
}

/* Gives back an entry that is not kept: it is emptied first. */
void msgq_entry_release(struct msgq_call *call);

/* Ends the call's use of its entry. */
static inline void msgq_entry_leave(struct msgq_call *call)
{
	if (call->entry != MSGQ_NONE && call->is_resident)
		shared64_store(&call->header->entries[call->entry].thread, msgq_entry_thread(call));
	else if (call->entry != MSGQ_NONE)
		msgq_entry_release(call);
	call->entry = MSGQ_NONE;
}

/* True while a call with this entry may be under way. */
bool msgq_entry_is_inside(const struct msgq_call *call, uint32_t entry);
/* Frees what an entry holds.  may: asked before each commit, or NULL.  DONE, BLOCKED, or an outcome. */
int msgq_entry_empty(struct msgq_call *call, uint32_t entry, bool (*may)(const struct msgq_call *call));
/* Adds to the change that a chain becomes free. */
void msgq_free_push(struct msgq_call *call, uint32_t block);
/* Adds to the change that a free block is taken, if one is at hand; its number + 1, or 0. */
uint32_t msgq_free_spare(struct msgq_call *call);
/* Takes a node for the entry.  DONE, GROW, REMAP, E_NOMEM, E_BUSY, E_CORRUPT. */
int msgq_node_take(struct msgq_call *call);
/* Puts the text into the chain the entry holds, which grows as needed.  Outcomes as above. */
int msgq_text_fill(struct msgq_call *call, struct msgq_offer *offer, const void *text);
int msgq_text_copy(struct msgq_call *call, uint32_t block, void *text, uint64_t size);

/* --- msgq-trim.c */

/* Ends it for a client that is dead. */
void msgq_trim_recover(struct msgq_call *call, uint64_t client);
/* For a call that has emptied the queue. */
static inline void msgq_trim_note(struct msgq_call *call)
{
	uint32_t arena = msgq_arena(call->txn.next[FIELD_FREE]);
	uint32_t backed = (uint32_t)shared64_load(&call->header->backed_blocks[arena]);

	if (backed > msgq_arena_first(arena) + MSGQ_TRIM_MIN &&
	    shared32_load(&call->header->trim_due) == 0)
		shared32_store(&call->header->trim_due, (uint32_t)call->actor->now_s + 1);
}

/* --- msgq-index.c */

/* Where the index leads for a type; where its path ends at another type, that one's. */
void msgq_index_find(struct msgq_call *call, int64_t type, struct msgq_path *ret_path);
/* The same for the lowest type, and for that of a message that is in the queue. */
void msgq_index_lowest(struct msgq_call *call, struct msgq_path *ret_path);
void msgq_index_locate(struct msgq_call *call, int64_t type, struct msgq_path *ret_path);
/* The oldest message of the type a path leads to, + 1. */
uint32_t msgq_index_oldest(struct msgq_call *call, const struct msgq_path *path);
/* Adds to the change that a message enters.  DONE; NODE: that takes a node, and there is none. */
int msgq_index_insert(struct msgq_call *call, const struct msgq_offer *offer);
/* Adds to the change that the oldest message of its type leaves; a node left over is the entry's. */
void msgq_index_remove(struct msgq_call *call, uint32_t block, const struct msgq_path *path);

/* The index's own invariants; calls visit for each node.  Sets how many messages it leads to. */
bool msgq_index_verify(struct msgq_call *call, void (*visit)(void *context, uint32_t node),
		       void *context, uint32_t *ret_n);

/* --- msgq-select.c */

bool msgq_want_matches(int64_t want, uint32_t flags, int64_t type);
/* DONE, BLOCKED (nothing matches), AGAIN; right if the guard holds still. */
int msgq_select(struct msgq_call *call, const struct msgq_want *want, struct msgq_found *ret_found);
/* The first message that came later, + 1; 0: none did. */
uint32_t msgq_select_later(struct msgq_call *call, uint32_t arrival);

/* --- msgq-send.c */

/* True if the message fits the queue as it is. */
bool msgq_fits(struct msgq_call *call, uint64_t size);
/* DONE, BLOCKED (no room), AGAIN, GONE, MORE, GROW, REMAP, E_NOMEM, E_REMOVED, E_CORRUPT. */
int msgq_publish(struct msgq_call *call, const struct msgq_offer *offer);

int msgq_send_run(struct msgq_call *call, struct msgq_offer *offer, const void *text,
		  struct msgq_sleeper *ret_sleeper);

/* --- msgq-receive.c */

/* One try.  DONE: the message is in the call's entry, or where its receipt says. */
int msgq_receive_step(struct msgq_call *call, const struct msgq_want *want, bool wait,
		      struct msgq_found *ret_found);

/* --- msgq-wait.c */

/* Claims a record and writes down what the call wants, if it has none.  DONE, GROW, E_NOMEM. */
int msgq_record_claim(struct msgq_call *call, enum msgq_kind kind, const struct msgq_want *want);

/* Registers the call as a sleeper, as of the change begun.  WAITING, AGAIN, GROW, E_NOMEM, ... */
int msgq_register(struct msgq_call *call, enum msgq_kind kind, const struct msgq_want *want);
void msgq_register_done(struct msgq_call *call, int outcome, struct msgq_sleeper *ret_sleeper);
static inline void msgq_register_end(struct msgq_call *call, int outcome,
				     struct msgq_sleeper *ret_sleeper)
{
	if (call->sleeper != MSGQ_NONE)
		msgq_register_done(call, outcome, ret_sleeper);
}

/* Sleeping receivers that match a type.  DONE, E_BUSY. */
int msgq_pick_receivers(struct msgq_call *call, int64_t type, struct msgq_picks *picks);
/* Keeps the list sorted by age, and the oldest when it is full. */
void msgq_picks_insert(struct msgq_picks *picks, uint32_t index, uint64_t word, uint64_t ticket);
/* Wakes who is due (MSG-36, MSG-44), as far as the list of wakes goes. */
void msgq_wake_senders(struct msgq_call *call);
void msgq_wake_receivers(struct msgq_call *call);
/* A chain that was handed to a sleeper becomes free, and the sleeper too.  DONE or an outcome. */
int msgq_handed_free(struct msgq_call *call, uint32_t state_word, uint64_t state, uint32_t block);
/* Ends everybody's sleep.  DONE, MORE, or an outcome. */
int msgq_wake_all(struct msgq_call *call);

#endif

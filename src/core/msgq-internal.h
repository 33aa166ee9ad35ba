/* msgq-internal.h: what the files of the message queue share; nobody else includes it. */
#ifndef CORE_MSGQ_INTERNAL_H
#define CORE_MSGQ_INTERNAL_H

#include "core/msgq.h"

#define MSGQ_MAGIC UINT64_C(0x716773766d797375)
#define MSGQ_VERSION 1u
#define MSGQ_PAGE 4096u
#define MSGQ_NONE UINT32_MAX

/* Steps of a call that a word without a value, and one try for a descriptor in vain, are worth. */
#define MSGQ_STEPS_CORRUPT (MCAS_ROUNDS_MAX / 8)
#define MSGQ_STEPS_BUSY (MCAS_ROUNDS_MAX / 1024)

/* Calls that may hold blocks at a time; as many as fit the header's page. */
#define MSGQ_ENTRIES 192u

/*
 * Block: 16 words.  Word 0 links the chain; the first block of a message has three more.  Words that
 * mcas changes in some block hold nothing else in any, or their versions would mean nothing.
 */
#define MSGQ_BLOCK_WORDS 16u
#define MSGQ_BLOCK_SIZE (MSGQ_BLOCK_WORDS * 8u)
#define MSGQ_BLOCK_LINK 0u
#define MSGQ_BLOCK_NEXT 1u
#define MSGQ_BLOCK_TYPE 2u
#define MSGQ_BLOCK_LENGTH 3u /* bytes of text (32) | arrival (32) */
#define MSGQ_FIRST_TEXT 4u  /* text begins at this word in the first block ... */
#define MSGQ_FOLLOW_TEXT 2u /* ... and at this in the others */
#define MSGQ_FIRST_BYTES ((MSGQ_BLOCK_WORDS - MSGQ_FIRST_TEXT) * 8u)
#define MSGQ_FOLLOW_BYTES ((MSGQ_BLOCK_WORDS - MSGQ_FOLLOW_TEXT) * 8u)

/* Payload of a link: the block after this one, the end of the chain, or a block's number + 2. */
#define LINK_IMPLICIT 0u
#define LINK_END 1u
#define LINK_BASE 2u

/* Payload of head and of next: not in the queue, nothing follows, or a block's number + 2. */
#define NEXT_OUTSIDE 0u
#define NEXT_END 1u
#define NEXT_BASE 2u

/* Lowest bit of the payloads of bytes and tail: somebody sleeps. */
#define FLAG_SLEEPERS 1u

/* Argument of a sleeper that is DONE: why, or the block handed to it + RESULT_BASE. */
#define RESULT_RETRY 0u
#define RESULT_2BIG 1u
#define RESULT_REMOVED 2u
#define RESULT_BASE 8u

/* Outcomes that stay inside: decide again; what was to be changed is somebody else's now. */
#define MSGQ_AGAIN 100
#define MSGQ_GONE 101

/* One call's hold on a chain of blocks: held's payload is the first block's number + 1, or 0. */
struct msgq_entry {
	struct shared64 owner; /* client, 0 = free: the claim */
	struct shared64 held;  /* mcas word */
};

struct msgq_header {
	struct shared64 magic;
	struct shared64 version;
	struct shared64 qbytes_max; /* only grows; decides the layout */
	struct shared64 qbytes;
	struct shared64 removed;
	struct shared64 stime_s;
	struct shared64 rtime_s;
	struct shared64 ctime_s;
	struct shared32 lspid;
	struct shared32 lrpid;
	struct shared32 backed_blocks; /* below these, storage is there */
	struct shared32 backed_sleepers;
	struct shared32 wanted_blocks; /* what the last GROW was about */
	struct shared32 wanted_sleepers;
	struct shared64 high_water; /* sleepers' */
	struct shared64 clock;      /* sleepers' */
	struct shared64 recheck;    /* receivers with a ticket up to this one are due a RETRY */
	_Alignas(64) struct shared64 bytes; /* mcas words from here: cbytes | flag */
	struct shared64 count;
	struct shared64 tail; /* (block + 1, or 0) | flag */
	struct shared64 head;
	struct shared64 free_top; /* first free block's number */
	_Alignas(1024) struct msgq_entry entries[MSGQ_ENTRIES];
};

STATIC_ASSERT(sizeof(struct msgq_header) == MSGQ_PAGE);

#define WORD_BYTES ((uint32_t)(offsetof(struct msgq_header, bytes) / 8))
#define WORD_COUNT ((uint32_t)(offsetof(struct msgq_header, count) / 8))
#define WORD_TAIL ((uint32_t)(offsetof(struct msgq_header, tail) / 8))
#define WORD_HEAD ((uint32_t)(offsetof(struct msgq_header, head) / 8))
#define WORD_FREE ((uint32_t)(offsetof(struct msgq_header, free_top) / 8))

enum msgq_kind { MSGQ_KIND_SENDER = 1, MSGQ_KIND_RECEIVER = 2 };

/* A sleeper's record: written by its owner between claim and registration. */
struct msgq_record {
	struct sleeper_record base;
	struct shared32 kind;
	struct shared32 flags;
	struct shared64 type;
	struct shared64 size;
};

/* A call under way: private. */
struct msgq_call {
	struct msgq *queue;
	struct msgq_header *header;
	const struct actor *actor;
	struct wakes *wakes;
	uint64_t budget;   /* steps left before the call gives up */
	uint32_t entry;    /* MSGQ_NONE: none claimed */
	uint32_t sleeper;  /* likewise */
	uint32_t expected; /* low half of the state it registered with */
};

/* Where a received message goes. */
struct msgq_output {
	void *text;
	uint64_t *ret_size;
	int64_t *ret_type;
};

/* A message in the queue, and the word that leads to it. */
struct msgq_found {
	uint32_t before_word;  /* head, or the next word of the message before */
	uint32_t before_block; /* MSGQ_NONE: the head */
	uint64_t before;
	uint32_t block;
	uint64_t next;
	int64_t type;
	uint32_t size;
	uint32_t arrival;
	bool whole; /* chosen among all: right only while nothing is appended */
};

/* A chain about to enter the queue or a receiver's hands. */
struct msgq_offer {
	uint32_t block;
	uint32_t arrival; /* back: when it came first */
	int64_t type;
	uint64_t size;
	uint32_t source; /* word that holds the chain so far ... */
	uint64_t source_old;
	uint32_t source_payload; /* ... and what it becomes */
	bool back;               /* put back, to its place in the order, whether there is room or not */
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
	} list[WAKES_MAX];
};

/*
 * When a message came, as the version of tail it was committed on: 31 bits, so that two arrivals
 * are compared by their distance to a third.
 */
static inline uint32_t msgq_arrival(uint64_t tail)
{
	return (uint32_t)tail >> 1;
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
	return (uint32_t)(queue->layout.blocks_off / 8) + block * MSGQ_BLOCK_WORDS + word;
}

/* Valid for any block below the bound n_blocks. */
static inline struct shared64 *msgq_block_at(const struct msgq *queue, uint32_t block)
{
	return &queue->mcas.words[msgq_block_word(queue, block, 0)];
}

static inline uint32_t msgq_entry_word(uint32_t entry)
{
	return (uint32_t)((offsetof(struct msgq_header, entries) +
			   entry * sizeof(struct msgq_entry) + offsetof(struct msgq_entry, held)) / 8);
}

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

/* False where the word has no value; that is only found out after many looks, and so not for free. */
static inline bool msgq_read(struct msgq_call *call, uint32_t word, uint64_t *ret_value)
{
	const struct mcas *mcas = &call->queue->mcas;
	uint64_t value;

	if (word < mcas->n_words) {
		value = shared64_load(&mcas->words[word]);
		if (!mcas_is_mark(value)) { /* nothing under way: no need of a call */
			*ret_value = value;
			return true;
		}
	}
	if (mcas_read(&call->queue->mcas, word, ret_value) == MCAS_DONE)
		return true;
	msgq_charge(call, MSGQ_STEPS_CORRUPT);
	return false;
}

/* True if the word still has this value; also false where nothing can be read. */
static inline bool msgq_still(struct msgq_call *call, uint32_t word, uint64_t value)
{
	uint64_t now;

	return msgq_read(call, word, &now) && now == value;
}

static inline bool msgq_may_wake(const struct msgq_call *call, uint32_t n)
{
	return WAKES_MAX - call->wakes->n >= n;
}

/* --- msgq.c */

/* Fills call and empties wakes.  DONE, or REMAP or E_CORRUPT, to be returned. */
int msgq_begin(struct msgq_call *call, struct msgq *queue, const struct actor *actor,
	       struct wakes *wakes);
/* DONE while the file has the size it was bound with; otherwise REMAP or E_CORRUPT. */
int msgq_check_mapping(const struct msgq_call *call);
/* DONE if the block is inside the bound file; otherwise REMAP or E_CORRUPT. */
int msgq_check_block(const struct msgq_call *call, uint32_t block);
uint32_t msgq_backed_blocks(const struct msgq *queue);
uint32_t msgq_backed_sleepers(const struct msgq *queue);
uint64_t msgq_blocks_for(uint64_t size);
/* DONE, AGAIN, E_CORRUPT. */
int msgq_commit(struct msgq_call *call, const struct mcas_op *op);
/* One word, no matter what it was or who is in the way.  DONE, E_BUSY or E_CORRUPT. */
int msgq_bump(struct msgq_call *call, uint32_t word);

/* --- msgq-block.c */

int msgq_entry_claim(struct msgq_call *call);
void msgq_entry_release(struct msgq_call *call);
/* Takes n blocks into the call's entry.  DONE, GROW, REMAP, E_NOMEM, E_BUSY, E_CORRUPT. */
int msgq_chain_take(struct msgq_call *call, uint64_t n);
/* Gives a chain back; source goes from source_old to source_payload.  DONE, GONE, or an outcome. */
int msgq_chain_give(struct msgq_call *call, const struct msgq_offer *offer);
/* As msgq_chain_give for what the call's entry holds, and gives up what cannot be given back. */
int msgq_entry_give(struct msgq_call *call);
int msgq_text_fill(struct msgq_call *call, const struct msgq_offer *offer, const void *text);
int msgq_text_copy(struct msgq_call *call, uint32_t block, void *text, uint64_t size);

/* --- msgq-select.c */

bool msgq_want_matches(int64_t want, uint32_t flags, int64_t type);
/* DONE, BLOCKED (nothing matches), AGAIN, REMAP, E_BUSY, E_CORRUPT. */
int msgq_select(struct msgq_call *call, const struct msgq_want *want, struct msgq_found *ret_found);
/* DONE: the first message that came later.  BLOCKED: none did; before_word is the last's next. */
int msgq_select_later(struct msgq_call *call, uint32_t arrival, struct msgq_found *ret_found);

/* --- msgq-send.c */

/* True if the message fits the queue as it is.  bytes and count are the words' values. */
bool msgq_fits(const struct msgq *queue, uint64_t size, uint64_t bytes, uint64_t count);
/* DONE, BLOCKED (no room), AGAIN, GONE, MORE, REMAP, E_REMOVED, E_CORRUPT. */
int msgq_publish(struct msgq_call *call, const struct msgq_offer *offer);

/* --- msgq-wait.c */

/*
 * Registers the call as a sleeper, provided that flag_word still is flag_old.  WAITING, AGAIN, GROW,
 * E_NOMEM, E_CORRUPT.
 */
int msgq_register(struct msgq_call *call, enum msgq_kind kind, const struct msgq_want *want,
		  uint32_t flag_word, uint64_t flag_old);
void msgq_register_end(struct msgq_call *call, int outcome, struct msgq_sleeper *ret_sleeper);
/* Sleeping receivers that match an offer. */
int msgq_pick_receivers(struct msgq_call *call, const struct msgq_offer *offer,
			struct msgq_picks *picks);
/* Everybody who sleeps. */
int msgq_pick_all(struct msgq_call *call, struct msgq_picks *picks);
/* Keeps the list sorted by age, and the oldest when it is full. */
void msgq_picks_insert(struct msgq_picks *picks, uint32_t index, uint64_t word, uint64_t ticket);
/* Ends sleepers with a result and wakes them. */
void msgq_end_picks(struct msgq_call *call, const struct msgq_picks *picks, uint32_t result);
/* Wakes who is due (MSG-36, MSG-44), as far as the list of wakes goes. */
void msgq_wake_senders(struct msgq_call *call);
void msgq_wake_receivers(struct msgq_call *call);

#endif

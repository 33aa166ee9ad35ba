/*
 * msgq-txn.c: how a queue changes.
 *
 * A root is one state of the queue: some fields, and a list of changes of versioned words that follow
 * from it.  The guard names the root that holds.  To change the queue a call
 *
 *   begin     reads the guard, the fields of its root, and if that has not been done carries out what
 *             follows from it; then whatever else it needs
 *   fill      writes the new state into a root of its entry that the guard does not name
 *   commit    guard (sequence, old root) -> (sequence + 1, own root) (CAS)    the moment it happens
 *   follow    each word of the list old -> new (CAS)                          anybody may do this
 *
 * So a change costs one CAS and one for each word outside of the fields, and whoever is stopped or
 * killed at any step delays nobody: before the commit nothing has happened; after it the next call
 * carries out what follows.
 *
 * Why it is right:
 *  a. Sequences make every value of the guard unique for ever (48 bits), and versions every value of
 *     a word until they wrap (31 bits: a process must be stopped between loading a word and its CAS
 *     for exactly a multiple of 2^31 changes of that one word, and find the same payload).
 *  b. A root is filled by its entry's owner alone, and only while the guard names another.  Who reads
 *     it and then finds the guard as before has read what was committed: everything is stored with
 *     release and loaded with acquire, so who sees a later filling sees that the guard has moved.
 *  c. Who commits has carried out all that followed from the root before.  So while the guard names a
 *     root, its words are old or new, and once the guard has moved on they never are old again: a
 *     CAS that comes late fails at the version.
 *  d. What a call read between begin and commit is of one state: a word changes only as a follow of
 *     the root that the guard names, and that was done before; any later root fails the commit.  Who
 *     alone may change a word (of blocks it owns) does so with plain stores, and a new version.
 *  e. The words of an entry only its owner's commits change, but for recovery when it is dead, and for a
 *     trimmer when its thread is outside (msgq-trim.c, b).  So what follows for them the owner may store:
 *     nobody has changed them since; and who carries it out later than that fails at the version, as in c.
 *  f. is_followed is stored by the root's owner after its own follows; if that is late, the root is no
 *     longer named or still the same, as nobody else fills it.
 */
#include "core/msgq-internal.h"

#define ROOT_BITS 16
#define ROOT_MASK ((UINT64_C(1) << ROOT_BITS) - 1)

/* Tries for a state that holds still while it is read; then the last look has to do. */
#define BEGIN_TRIES 1024u

static struct msgq_root *root_at(const struct msgq *queue, uint32_t number)
{
	return (struct msgq_root *)(void *)(queue->base + MSGQ_PAGE) + number;
}

void msgq_root_format(struct msgq_header *header, uint32_t qbytes)
{
	struct msgq_root *root = (struct msgq_root *)(void *)((uint8_t *)header + MSGQ_PAGE);

	shared64_store(&root->fields[FIELD_QBYTES - FIELDS / 2], (uint64_t)qbytes << 32);
	shared64_store(&root->is_followed, 1);
	shared64_store(&header->guard, UINT64_C(1) << ROOT_BITS);
}

STATIC_ASSERT(FIELD_QBYTES >= FIELDS / 2);

uint32_t msgq_progress(const struct msgq *queue)
{
	return (uint32_t)(shared64_load(&msgq_header(queue)->guard) >> ROOT_BITS);
}

static void root_read(struct msgq_call *call, const struct msgq_root *root)
{
	struct msgq_txn *txn = &call->txn;
	uint32_t i;
	uint64_t pair;

#pragma GCC unroll 4
	for (i = 0; i < FIELDS / 2; i++) {
		pair = shared64_load(&root->fields[i]);
		txn->now[i] = txn->next[i] = (uint32_t)pair;
		txn->now[FIELDS / 2 + i] = txn->next[FIELDS / 2 + i] = (uint32_t)(pair >> 32);
	}
}

/* Carries out what follows from a root, as long as the guard names it. */
static __attribute__((noinline)) void root_follow(struct msgq_call *call,
						  const struct msgq_root *root, uint64_t guard)
{
	struct mcas *mcas = &call->queue->mcas;
	uint64_t n = shared64_load(&root->n_follows), old, target;
	uint32_t i, word;

	for (i = 0; i < n && i < MSGQ_CHANGES; i++) {
		old = shared64_load(&root->follows[i].old);
		target = shared64_load(&root->follows[i].target);
		if (shared64_load(&call->header->guard) != guard)
			return;
		word = (uint32_t)target;
		if (word < mcas->n_words && shared64_load(&mcas->words[word]) == old)
			(void)shared64_cas(&mcas->words[word], old,
					   mcas_next(old, mcas_payload(target)));
	}
}

/* Who may not write keeps in mind what follows from a root. */
static __attribute__((noinline)) void root_foresee(struct msgq_call *call,
						   const struct msgq_root *root)
{
	uint64_t n = shared64_load(&root->n_follows);
	uint32_t i;

	for (i = 0; i < n && i < MSGQ_CHANGES; i++) {
		call->txn.changes[i].old = shared64_load(&root->follows[i].old);
		call->txn.changes[i].target = shared64_load(&root->follows[i].target);
	}
	call->txn.n = i;
}

/* For a reader: a word's value once what follows from the root that was begun with is done. */
static uint64_t word_foreseen(const struct msgq_call *call, const struct shared64 *word, uint64_t value)
{
	uint32_t index = (uint32_t)(word - call->queue->mcas.words), i;

	for (i = 0; i < call->txn.n; i++) {
		if ((uint32_t)call->txn.changes[i].target == index &&
		    call->txn.changes[i].old == value)
			return mcas_next(value, mcas_payload(call->txn.changes[i].target));
	}
	return value;
}

uint64_t msgq_look_again(struct msgq_call *call, const struct shared64 *word, uint64_t value)
{
	if (!mcas_is_mark(value))
		return word_foreseen(call, word, value);
	call->broken = true;
	return 0;
}

void msgq_txn_begin(struct msgq_call *call)
{
	const struct msgq_root *root;
	uint32_t tries, number;
	uint64_t guard = 0;

	call->broken = false;
	/* Each further try counts, or a peer who keeps changing the guard multiplies the call's length. */
	for (tries = 0; tries < BEGIN_TRIES && (tries == 0 || msgq_step(call)); tries++) {
		guard = shared64_load(&call->header->guard);
		number = (uint32_t)(guard & ROOT_MASK);
		if (number >= 2 * MSGQ_ENTRIES_ALL) {
			call->broken = true;
			number = 0;
		}
		root = root_at(call->queue, number);
		root_read(call, root);
		call->txn.n = 0;
		if (shared64_load(&root->is_followed) != 1) {
			if (call->is_reader)
				root_foresee(call, root);
			else
				root_follow(call, root, guard);
		}
		if (shared64_load(&call->header->guard) == guard)
			break;
	}
	call->txn.guard = guard;
}

int msgq_txn_judge(struct msgq_call *call, int outcome)
{
	if (shared64_load(&call->header->guard) != call->txn.guard)
		return MSGQ_AGAIN;
	return call->broken ? msgq_lost(call) : outcome;
}

static void root_fill(const struct msgq_call *call, struct msgq_root *root)
{
	const struct msgq_txn *txn = &call->txn;
	uint64_t n = txn->n, i;

#pragma GCC unroll 4
	for (i = 0; i < FIELDS / 2; i++)
		shared64_store(&root->fields[i],
			       (uint64_t)txn->next[FIELDS / 2 + i] << 32 | txn->next[i]);
	for (i = 0; i < n; i++) {
		shared64_store(&root->follows[i].old, txn->changes[i].old);
		shared64_store(&root->follows[i].target, txn->changes[i].target);
	}
	shared64_store(&root->n_follows, n);
	shared64_store(&root->is_followed, 0);
}

/* Carries out the call's own commit. */
static void commit_follow(const struct msgq_call *call)
{
	struct shared64 *words = call->queue->mcas.words;
	uint32_t own = ENTRY_HELD(call->entry);
	uint64_t n = call->txn.n, i;

	for (i = 0; i < n; i++) {
		uint64_t old = call->txn.changes[i].old, target = call->txn.changes[i].target;
		uint64_t next = mcas_next(old, mcas_payload(target));
		uint32_t index = (uint32_t)target;
		struct shared64 *word = &words[index];

		if (index - own < ENTRY_WORDS)
			shared64_store(word, next); /* (e) */
		else
			(void)shared64_cas(word, old, next);
	}
}

/*
 * Somebody else's commit came first.  Who made it is likely to make more, and each costs several times as
 * much if the lines it changes are taken away in between: so two who stream short texts from one CPU to
 * another do better in turns of some messages.  A long text takes its time outside of commits.
 */
static __attribute__((noinline)) int commit_late(struct msgq_call *call)
{
	uint32_t n = call->is_short ? MSGQ_LATE_PAUSES : 0, i;

	msgq_charge(call, n);
	for (i = 0; i < n; i++)
		shared_pause();
	return MSGQ_AGAIN;
}

int msgq_txn_commit(struct msgq_call *call)
{
	struct msgq_txn *txn = &call->txn;
	struct msgq_root *root;
	uint32_t number;

	if (call->broken)
		return msgq_txn_judge(call, MSGQ_E_CORRUPT);
	if (shared64_load(&call->header->guard) != txn->guard)
		return commit_late(call);
	number = 2 * call->entry;
	if ((txn->guard & ROOT_MASK) == number)
		number++;
	root = root_at(call->queue, number);
	root_fill(call, root);
	if (!shared64_cas(&call->header->guard, txn->guard,
			  ((txn->guard >> ROOT_BITS) + 1) << ROOT_BITS | number))
		return commit_late(call);
	commit_follow(call);
	shared64_store(&root->is_followed, 1);
	return MSGQ_DONE;
}

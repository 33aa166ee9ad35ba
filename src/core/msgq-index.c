/*
 * msgq-index.c: the messages by type.
 *
 * All messages of a type form a ring by BLOCK_SAME, from the oldest to the newest and back.  The
 * index is a binary tree over the types that are there: its leaves are the newest message of each
 * type, its nodes are blocks that name the highest bit in which the types below them differ.  So
 * a type is found in as many steps as there are such bits, 63 at the most, whatever else is in the
 * queue; the lowest type is found by always going left; and a type that comes or goes changes one
 * word of the tree.
 *
 * A reference is a block's number + 2, as in BLOCK_NEXT (26) | its level (6): 0 for a leaf, of a node
 * the bit that decides + 1, so that the way down reads one word a node.  0 stands for the empty tree.
 */
#include "core/msgq-internal.h"

#define TYPE_BITS 63u
#define LEVEL_SHIFT 26u
#define REFERENCE_MASK ((UINT32_C(1) << LEVEL_SHIFT) - 1)

STATIC_ASSERT(TYPE_BITS <= UINT32_MAX >> LEVEL_SHIFT);
STATIC_ASSERT(MSGQ_BLOCKS_MAX + NEXT_BASE <= REFERENCE_MASK);

static inline uint32_t leaf_reference(uint32_t block)
{
	return block + NEXT_BASE;
}

static inline uint32_t node_reference(uint32_t block, uint32_t bit)
{
	return (block + NEXT_BASE) | (bit + 1) << LEVEL_SHIFT;
}

static inline uint32_t reference_level(uint32_t reference)
{
	return reference >> LEVEL_SHIFT;
}

static inline uint32_t reference_block(uint32_t reference)
{
	return (reference & REFERENCE_MASK) - NEXT_BASE;
}

/* Changes what a path leads to. */
static void path_change(struct msgq_call *call, uint32_t word, uint64_t value, uint32_t reference)
{
	if (word == MSGQ_NONE)
		call->txn.next[FIELD_TREE] = reference;
	else
		msgq_change(call, word, value, reference);
}

static inline void path_start(struct msgq_call *call, struct msgq_path *path)
{
	path->word = MSGQ_NONE;
	path->value = (uint64_t)call->txn.now[FIELD_TREE] << 32;
	path->up_word = MSGQ_NONE;
	path->up_value = 0;
	path->node = MSGQ_NONE;
	path->side = 0;
	path->last = MSGQ_NONE;
	path->type = 0;
}

/*
 * Goes down towards a type, to a leaf or to a node of the level `until` or below.  Each level is below
 * the one before, or the try is broken.
 */
static inline void path_descend(struct msgq_call *call, uint64_t type, uint32_t until,
				struct msgq_path *path)
{
	uint32_t reference = mcas_payload(path->value), level, block, above = TYPE_BITS + 1;

	while ((level = reference_level(reference)) > until) {
		block = reference_block(reference);
		if (level >= above)
			call->broken = true;
		if (call->broken || !msgq_block_ok(call, block))
			return;
		above = level;
		path->side = (uint32_t)(type >> (level - 1)) & 1;
		path->node = block;
		path->up_word = path->word;
		path->up_value = path->value;
		path->word = msgq_block_word(call->queue, block, BLOCK_NEXT + path->side);
		path->value = msgq_look_inside(call, path->word);
		reference = mcas_payload(path->value);
	}
}

static void path_follow(struct msgq_call *call, uint64_t type, struct msgq_path *path)
{
	path_start(call, path);
	path_descend(call, type, 0, path);
	if (mcas_payload(path->value) == 0) {
		if (path->node != MSGQ_NONE)
			call->broken = true;
		return;
	}
	path->last = reference_block(mcas_payload(path->value));
	path->type = (int64_t)msgq_block_plain(call, path->last, BLOCK_TYPE);
	if (call->broken)
		path->last = MSGQ_NONE;
}

void msgq_index_find(struct msgq_call *call, int64_t type, struct msgq_path *ret_path)
{
	path_follow(call, (uint64_t)type, ret_path);
}

void msgq_index_lowest(struct msgq_call *call, struct msgq_path *ret_path)
{
	path_follow(call, 0, ret_path);
}

/* --- entering ------------------------------------------------------------------------------------ */

/* The message joins the ring of its type as the newest. */
static void ring_append(struct msgq_call *call, const struct msgq_path *path, uint32_t block)
{
	uint32_t last_word = msgq_block_word(call->queue, path->last, BLOCK_SAME);
	uint64_t last_same = msgq_look(call, last_word);

	msgq_block_own(call, block, BLOCK_SAME, mcas_payload(last_same));
	msgq_change(call, last_word, last_same, block + 1);
	path_change(call, path->word, path->value, leaf_reference(block));
}

/* The message returns to its place in the ring of its type. */
static void ring_insert(struct msgq_call *call, const struct msgq_path *path,
			const struct msgq_offer *offer)
{
	uint32_t before = path->last, next, steps;
	uint64_t same;

	for (steps = 0; steps < call->queue->layout.n_blocks && !call->broken; steps++) {
		same = msgq_block_look(call, before, BLOCK_SAME);
		next = mcas_payload(same) - 1;
		if (msgq_arrived_before(offer->arrival,
					(uint32_t)(msgq_block_plain(call, next, BLOCK_LENGTH) >> 32))) {
			msgq_block_own(call, offer->block, BLOCK_SAME, next + 1);
			msgq_change(call, msgq_block_word(call->queue, before, BLOCK_SAME), same,
				    offer->block + 1);
			return;
		}
		if (next == path->last) {
			ring_append(call, path, offer->block);
			return;
		}
		before = next;
	}
	call->broken = true;
}

/* A type that is new becomes a leaf, under a new node where its path leaves the tree. */
static void leaf_insert(struct msgq_call *call, const struct msgq_path *nearest,
			const struct msgq_offer *offer, uint32_t node)
{
	uint64_t type = (uint64_t)offer->type;
	uint32_t differing = 63u - (uint32_t)__builtin_clzll(type ^ (uint64_t)nearest->type);
	struct msgq_path path;
	uint32_t side;

	path_start(call, &path);
	path_descend(call, type, differing + 1, &path);
	side = (uint32_t)(type >> differing) & 1;
	msgq_block_own(call, node, BLOCK_NEXT + side, leaf_reference(offer->block));
	msgq_block_own(call, node, BLOCK_NEXT + 1 - side, mcas_payload(path.value));
	msgq_block_own(call, offer->block, BLOCK_SAME, offer->block + 1);
	path_change(call, path.word, path.value, node_reference(node, differing));
}

int msgq_index_insert(struct msgq_call *call, const struct msgq_offer *offer)
{
	struct msgq_path path;
	uint64_t node;

	msgq_index_find(call, offer->type, &path);
	if (call->broken)
		return MSGQ_DONE;
	if (path.last == MSGQ_NONE) {
		msgq_block_own(call, offer->block, BLOCK_SAME, offer->block + 1);
		path_change(call, path.word, path.value, leaf_reference(offer->block));
		return MSGQ_DONE;
	}
	if (path.type == offer->type) {
		if (offer->back)
			ring_insert(call, &path, offer);
		else
			ring_append(call, &path, offer->block);
		return MSGQ_DONE;
	}
	node = msgq_look(call, ENTRY_NODE(call->entry));
	if (mcas_payload(node) == 0)
		return MSGQ_NODE;
	if (path.type < 1 || !msgq_block_ok(call, mcas_payload(node) - 1)) {
		call->broken = true;
		return MSGQ_DONE;
	}
	leaf_insert(call, &path, offer, mcas_payload(node) - 1);
	msgq_change(call, ENTRY_NODE(call->entry), node, 0);
	return MSGQ_DONE;
}

/* --- leaving ------------------------------------------------------------------------------------- */

/* Takes a leaf out, and with it the node above it. */
static void leaf_remove(struct msgq_call *call, const struct msgq_path *path)
{
	uint64_t own;
	uint32_t other;

	if (path->node == MSGQ_NONE) {
		path_change(call, path->word, path->value, 0);
		return;
	}
	other = mcas_payload(msgq_block_look(call, path->node, BLOCK_NEXT + 1 - path->side));
	if (other == 0)
		call->broken = true;
	path_change(call, path->up_word, path->up_value, other);
	own = msgq_look(call, ENTRY_NODE(call->entry));
	if (mcas_payload(own) == 0)
		msgq_change(call, ENTRY_NODE(call->entry), own, path->node + 1);
	else
		msgq_free_push(call, path->node);
}

void msgq_index_remove(struct msgq_call *call, uint32_t block, const struct msgq_path *path)
{
	uint64_t last_same = msgq_block_look(call, path->last, BLOCK_SAME);

	if (mcas_payload(last_same) != block + 1)
		call->broken = true;
	else if (path->last == block)
		leaf_remove(call, path);
	else
		msgq_change(call, msgq_block_word(call->queue, path->last, BLOCK_SAME), last_same,
			    mcas_payload(msgq_block_look(call, block, BLOCK_SAME)));
}

/* --- invariants ---------------------------------------------------------------------------------- */

/* A ring holds messages of one type, in their order.  How many; 0: it does not. */
static uint32_t ring_verify(struct msgq_call *call, uint32_t last)
{
	uint64_t type = msgq_block_plain(call, last, BLOCK_TYPE), length;
	uint32_t block = last, n, arrival, earlier = 0;

	for (n = 1; n <= call->queue->layout.n_blocks && !call->broken; n++) {
		block = mcas_payload(msgq_block_look(call, block, BLOCK_SAME)) - 1;
		length = msgq_block_plain(call, block, BLOCK_LENGTH);
		arrival = (uint32_t)(length >> 32);
		if (msgq_block_plain(call, block, BLOCK_TYPE) != type ||
		    (n > 1 && !msgq_arrived_before(earlier, arrival)))
			return 0;
		if (block == last)
			return call->broken ? 0 : n;
		earlier = arrival;
	}
	return 0;
}

/* A leaf in the order of types: finding its type leads to it, and it is above the one before. */
static bool leaf_verify(struct msgq_call *call, uint32_t last, int64_t *before, uint32_t *n)
{
	int64_t type = (int64_t)msgq_block_plain(call, last, BLOCK_TYPE);
	uint32_t in_ring = ring_verify(call, last);
	struct msgq_path path;

	msgq_index_find(call, type, &path);
	if (call->broken || path.last != last || type <= *before || in_ring == 0)
		return false;
	*before = type;
	*n += in_ring;
	return true;
}

bool msgq_index_verify(struct msgq_call *call, void (*visit)(void *context, uint32_t node),
		       void *context, uint32_t *ret_n)
{
	uint32_t stack[TYPE_BITS + 1], depth = 0, reference, steps, n = 0;
	int64_t before = 0;

	reference = call->txn.now[FIELD_TREE];
	if (reference != 0)
		stack[depth++] = reference;
	for (steps = 0; depth > 0; steps++) {
		reference = stack[--depth];
		if (steps > 2 * call->queue->layout.n_blocks || call->broken)
			return false;
		if (reference_level(reference) == 0) {
			if (!leaf_verify(call, reference_block(reference), &before, &n))
				return false;
			continue;
		}
		if (depth + 2 > ARRAY_SIZE(stack))
			return false;
		visit(context, reference_block(reference));
		stack[depth++] = mcas_payload(
			msgq_block_look(call, reference_block(reference), BLOCK_PREVIOUS));
		stack[depth++] = mcas_payload(
			msgq_block_look(call, reference_block(reference), BLOCK_NEXT));
	}
	*ret_n = n;
	return true;
}

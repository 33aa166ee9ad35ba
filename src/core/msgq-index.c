/*
 * msgq-index.c: the messages by type.
 *
 * All messages of a type form a ring by BLOCK_SAME, from the oldest to the newest and back; in a queue
 * of one type, where the oldest is the head, it may be open between the two, so that who takes the
 * oldest need not touch the newest, and is closed when another type comes.  The
 * index is a binary tree over the types that are there: its leaves are the newest message of each
 * type, its nodes are blocks that name the highest bit in which the types below them differ.  So
 * a type is found in as many steps as there are such bits, 63 at the most, whatever else is in the
 * queue; the lowest type is found by always going left; and a type that comes or goes changes one
 * word of the tree.
 *
 * A reference is a block's number + 2, as in BLOCK_NEXT (26) | its level (6): 0 for a leaf, of a node
 * the bit that decides + 1, so that the way down reads one word a node.  0 stands for the empty tree.
 * A node also has the type it was made for.  All below it agree with that in the bits above its own, as
 * long as it is a node: so where a new type leaves the tree is seen on its first way down.
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

static inline uint32_t place_node(uint32_t place)
{
	return place / 2 - NEXT_BASE;
}

static inline uint32_t place_side(uint32_t place)
{
	return place % 2;
}

/* Changes what a place leads to. */
static void place_change(struct msgq_call *call, uint32_t place, uint64_t value, uint32_t reference)
{
	if (place == 0)
		call->txn.next[FIELD_TREE] = reference;
	else
		msgq_change(call, msgq_block_word(call->queue, place_node(place),
						  BLOCK_NEXT + place_side(place)),
			    value, reference);
}

/*
 * Goes down towards a type.  To a leaf: by the deciding bits alone; or, if it is to be entered, until the
 * type does not belong below what comes next.  Each level is below the one before, or the try is broken.
 * What a step waits for is kept short: no reader comes here, and marks are looked for at the end.
 */
static inline __attribute__((always_inline)) void
path_descend(struct msgq_call *call, uint64_t type, bool is_entering, struct msgq_path *path)
{
	const struct shared64 *origin = call->queue->blocks - NEXT_BASE * MSGQ_BLOCK_WORDS, *words;
	uint64_t value = (uint64_t)call->txn.now[FIELD_TREE] << 32, up_value = 0, other = 0, all = 0;
	uint64_t n_blocks = call->queue->layout.n_blocks, sides = type << 1, at, level;
	uint64_t place = 0, up_place = 0, above = TYPE_BITS + 1;

	while ((level = value >> (32 + LEVEL_SHIFT)) > 0) {
		at = value >> 32 & REFERENCE_MASK;
		if (level >= above || at - NEXT_BASE >= n_blocks) {
			call->broken = true;
			break;
		}
		words = origin + at * MSGQ_BLOCK_WORDS;
		if (is_entering) {
			other = shared64_load(&words[BLOCK_TYPE]);
			if ((type ^ other) >> level != 0)
				break;
		}
		above = level;
		up_place = place;
		up_value = value;
		place = at * 2 + (sides >> level & 1);
		value = shared64_load(&words[BLOCK_NEXT + (sides >> level & 1)]);
		all |= value;
	}
	if (mcas_is_mark(all))
		call->broken = true;
	path->place = (uint32_t)place;
	path->value = value;
	path->up_place = (uint32_t)up_place;
	path->up_value = up_value;
	path->type = (int64_t)other;
}

/* The leaf a path ends at. */
static inline void path_end(struct msgq_call *call, struct msgq_path *path)
{
	uint32_t reference = mcas_payload(path->value);

	path->last = MSGQ_NONE;
	if (reference == 0 && path->place != 0)
		call->broken = true;
	if (reference == 0)
		return;
	path->type = (int64_t)msgq_block_plain(call, reference_block(reference), BLOCK_TYPE);
	if (!call->broken)
		path->last = reference_block(reference);
}

static void path_follow(struct msgq_call *call, uint64_t type, struct msgq_path *path)
{
	path_descend(call, type, false, path);
	path_end(call, path);
}

void msgq_index_find(struct msgq_call *call, int64_t type, struct msgq_path *ret_path)
{
	path_follow(call, (uint64_t)type, ret_path);
}

void msgq_index_lowest(struct msgq_call *call, struct msgq_path *ret_path)
{
	path_follow(call, 0, ret_path);
}

void msgq_index_locate(struct msgq_call *call, int64_t type, struct msgq_path *ret_path)
{
	uint32_t reference = call->txn.now[FIELD_TREE];

	if (reference_level(reference) > 0 || reference == 0) {
		path_follow(call, (uint64_t)type, ret_path);
		return;
	}
	/* Without a look at the newest, which its sender may be writing to. */
	ret_path->place = ret_path->up_place = 0;
	ret_path->value = ret_path->up_value = 0;
	ret_path->last = reference_block(reference);
	ret_path->type = type;
}

uint32_t msgq_index_oldest(struct msgq_call *call, const struct msgq_path *path)
{
	if (path->place == 0)
		return call->txn.now[FIELD_HEAD];
	return mcas_payload(msgq_block_look(call, path->last, BLOCK_SAME));
}

/* --- entering ------------------------------------------------------------------------------------ */

/* The message joins the ring of its type as the newest. */
static void ring_append(struct msgq_call *call, const struct msgq_path *path, uint32_t block)
{
	msgq_block_own(call, block, BLOCK_SAME, msgq_index_oldest(call, path));
	msgq_set_block(call, path->last, BLOCK_SAME, block + 1);
	place_change(call, path->place, path->value, leaf_reference(block));
}

/* The message returns to its place in the ring of its type. */
static void ring_insert(struct msgq_call *call, const struct msgq_path *path,
			const struct msgq_offer *offer)
{
	uint32_t before = path->last, next, steps;
	uint64_t same;

	for (steps = 0; steps < call->queue->layout.n_blocks && !call->broken; steps++) {
		same = msgq_block_look(call, before, BLOCK_SAME);
		next = (steps == 0 ? msgq_index_oldest(call, path) : mcas_payload(same)) - 1;
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
static void leaf_insert(struct msgq_call *call, const struct msgq_path *path,
			const struct msgq_offer *offer, uint32_t node)
{
	uint64_t type = (uint64_t)offer->type;
	uint32_t differing = 63u - (uint32_t)__builtin_clzll(type ^ (uint64_t)path->type);
	uint32_t side = (uint32_t)(type >> differing) & 1;

	msgq_block_own(call, node, BLOCK_NEXT + side, leaf_reference(offer->block));
	msgq_block_own(call, node, BLOCK_NEXT + 1 - side, mcas_payload(path->value));
	shared64_store(&msgq_block_at(call->queue, node)[BLOCK_TYPE], type);
	msgq_block_own(call, offer->block, BLOCK_SAME, offer->block + 1);
	if (path->place == 0 && path->last != MSGQ_NONE)
		msgq_set_block(call, path->last, BLOCK_SAME, call->txn.now[FIELD_HEAD]);
	place_change(call, path->place, path->value, node_reference(node, differing));
}

int msgq_index_insert(struct msgq_call *call, const struct msgq_offer *offer)
{
	struct msgq_path path;
	uint64_t node;

	path_descend(call, (uint64_t)offer->type, true, &path);
	path.last = MSGQ_NONE;
	if (reference_level(mcas_payload(path.value)) == 0)
		path_end(call, &path);
	if (call->broken)
		return MSGQ_DONE;
	if (mcas_payload(path.value) == 0) {
		msgq_block_own(call, offer->block, BLOCK_SAME, offer->block + 1);
		place_change(call, path.place, path.value, leaf_reference(offer->block));
		return MSGQ_DONE;
	}
	if (path.last != MSGQ_NONE && path.type == offer->type) {
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
	uint32_t node = place_node(path->place), other;
	uint64_t own;

	if (path->place == 0) {
		place_change(call, path->place, path->value, 0);
		return;
	}
	other = mcas_payload(msgq_block_look(call, node, BLOCK_NEXT + 1 - place_side(path->place)));
	if (other == 0)
		call->broken = true;
	place_change(call, path->up_place, path->up_value, other);
	own = msgq_look(call, ENTRY_NODE(call->entry));
	if (mcas_payload(own) == 0)
		msgq_change(call, ENTRY_NODE(call->entry), own, node + 1);
	else
		msgq_free_push(call, node);
}

void msgq_index_remove(struct msgq_call *call, uint32_t block, const struct msgq_path *path)
{
	if (msgq_index_oldest(call, path) != block + 1)
		call->broken = true;
	else if (path->last == block)
		leaf_remove(call, path);
	else if (path->place != 0)
		msgq_set_block(call, path->last, BLOCK_SAME,
			       mcas_payload(msgq_block_look(call, block, BLOCK_SAME)));
}

/* --- invariants ---------------------------------------------------------------------------------- */

/* A ring holds messages of one type, in their order.  How many; 0: it does not. */
static uint32_t ring_verify(struct msgq_call *call, const struct msgq_path *path)
{
	uint32_t last = path->last, block = msgq_index_oldest(call, path) - 1;
	uint64_t type = msgq_block_plain(call, last, BLOCK_TYPE), length;
	uint32_t n, arrival, earlier = 0;

	for (n = 1; n <= call->queue->layout.n_blocks && !call->broken; n++) {
		length = msgq_block_plain(call, block, BLOCK_LENGTH);
		arrival = (uint32_t)(length >> 32);
		if (msgq_block_plain(call, block, BLOCK_TYPE) != type ||
		    (n > 1 && !msgq_arrived_before(earlier, arrival)))
			return 0;
		if (block == last)
			return call->broken ? 0 : n;
		earlier = arrival;
		block = mcas_payload(msgq_block_look(call, block, BLOCK_SAME)) - 1;
	}
	return 0;
}

/* A leaf in the order of types: finding its type leads to it, and it is above the one before. */
static bool leaf_verify(struct msgq_call *call, uint32_t last, int64_t *before, uint32_t *n)
{
	int64_t type = (int64_t)msgq_block_plain(call, last, BLOCK_TYPE);
	struct msgq_path path, entering;
	uint32_t in_ring;

	msgq_index_find(call, type, &path);
	path_descend(call, (uint64_t)type, true, &entering);
	if (call->broken || path.last != last || entering.place != path.place || type <= *before)
		return false;
	in_ring = ring_verify(call, &path);
	if (in_ring == 0)
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

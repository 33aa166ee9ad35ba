/*
 * test-lease-hooks.c: a sum of attachments that is given with a lease, while somebody attaches at any
 * access of the daemon to what is shared.
 *
 * Who attaches does as the library does: he notes it, looks at the segment's record, and has a lease that
 * he sees there ended before his call returns.  Then nobody goes by a sum without him.
 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/errno.h"
#include "model/world.h"

#ifndef USYSV_HOOKS
#error "to be built with -DUSYSV_HOOKS"
#endif

#define PEERS 2u
#define NS_PER_S 1000000000u

struct scene {
	struct world *world;
	uint32_t sessions[PEERS];
	uint64_t clients[PEERS];
	int32_t id;
};

static struct scene scene;
static bool is_armed;
static uint32_t countdown;
static bool detaches_again;
static uint64_t lease_seen; /* by the one who has attached */

static uint64_t lease_now(void)
{
	struct registry_object object;

	assert_int_equal(registry_get(&scene.world->registry, IPC_KIND_SHM, scene.id, &object), 0);
	return object.generation;
}

void hook_access(enum hook_kind kind, const volatile void *address)
{
	(void)kind;
	(void)address;
	if (!is_armed || countdown-- != 0)
		return;
	is_armed = false;
	world_attach(scene.world, scene.clients[1], scene.id, 2);
	lease_seen = lease_now();
	if (detaches_again)
		world_detach(scene.world, scene.clients[1], scene.id, 2);
}

uint64_t hook_value(const volatile void *address, uint64_t value)
{
	(void)address;
	return value;
}

static struct proto_message ask(uint32_t peer, const struct proto_message *message)
{
	struct proto_message answer = { 0 };

	assert_true(world_request(scene.world, scene.sessions[peer], message, &answer));
	return answer;
}

static struct proto_shm_reply ask_sum(uint32_t peer, bool with_lease)
{
	struct proto_message message = {
		.type = PROTO_SHM_STAT,
		.object = { .kind = IPC_KIND_SHM, .id = scene.id, .argument = with_lease },
	};
	struct proto_message answer = ask(peer, &message);

	assert_int_equal(answer.type, PROTO_SHM_REPLY);
	assert_int_equal(answer.shm.error, 0);
	return answer.shm;
}

static int scene_open(void **state)
{
	struct proto_message create = {
		.type = PROTO_CREATE,
		.create = { .kind = IPC_KIND_SHM, .key = 7, .size = 1, .flags = ABI_IPC_CREAT | 0600 },
	};

	(void)state;
	is_armed = false;
	scene = (struct scene){ .world = calloc(1, sizeof(*scene.world)) };
	assert_non_null(scene.world);
	world_init(scene.world, 1000);
	for (uint32_t i = 0; i < PEERS; i++) {
		scene.sessions[i] = world_connect(scene.world, 1000, i + 1, 50 + i);
		assert_int_not_equal(scene.sessions[i], SESSION_MAX);
		scene.clients[i] = scene.world->sessions[scene.sessions[i]].client;
	}
	scene.id = ask(0, &create).reply.id;
	return 0;
}

static int scene_close(void **state)
{
	(void)state;
	is_armed = false;
	assert_true(world_verify(scene.world));
	world_deinit(scene.world);
	free(scene.world);
	return 0;
}

static void lease_is_given_for_what_is_the_askers_own(void **state)
{
	struct proto_shm_reply reply;

	(void)state;
	reply = ask_sum(0, true);
	assert_int_not_equal(reply.object.generation, 0);
	assert_int_equal(reply.object.generation, lease_now());
	world_attach(scene.world, scene.clients[0], scene.id, 1);
	reply = ask_sum(0, true);
	assert_int_equal(reply.n_attached, 1);
	assert_int_equal(reply.object.generation, lease_now());
	world_attach(scene.world, scene.clients[1], scene.id, 2);
	reply = ask_sum(0, true);
	assert_int_equal(reply.n_attached, 2);
	assert_int_equal(reply.object.generation, 0);
	assert_int_equal(lease_now(), 0);
}

static void lease_ends_when_anybody_asks(void **state)
{
	uint64_t first, second;

	(void)state;
	first = ask_sum(0, true).object.generation;
	assert_int_equal(ask_sum(1, false).object.generation, 0);
	assert_int_equal(lease_now(), 0);
	second = ask_sum(0, true).object.generation;
	assert_true(second > first);
	assert_true(ask_sum(1, true).object.generation > second);
	assert_int_not_equal(lease_now(), second);
}

static void sum_that_fails_leaves_no_lease(void **state)
{
	struct proto_message message = {
		.type = PROTO_SHM_STAT,
		.object = { .kind = IPC_KIND_SHM, .id = scene.id, .argument = 1 },
	};

	(void)state;
	assert_int_not_equal(ask_sum(0, true).object.generation, 0);
	scene.world->fail_errno[WORLD_ATTACH_SUM] = ABI_ENOMEM;
	assert_int_equal(ask(0, &message).shm.error, ABI_ENOMEM);
	assert_int_equal(lease_now(), 0);
}

/* What who has the lease goes by is what anybody else would be told. */
static void assert_as_anew(const struct proto_shm_reply *leased)
{
	struct proto_shm_reply anew = ask_sum(1, false);

	assert_int_equal(leased->n_attached, anew.n_attached);
	/* In seconds, as IPC_STAT has them: a stamp from after the beginning of the step counts as that. */
	assert_int_equal(leased->object.attach_ns / NS_PER_S, anew.object.attach_ns / NS_PER_S);
	assert_int_equal(leased->object.detach_ns / NS_PER_S, anew.object.detach_ns / NS_PER_S);
	assert_int_equal(leased->object.last_pid, anew.object.last_pid);
}

/* One asking with somebody else's attach in the middle of it.  False: it was over before. */
static bool ask_beside_an_attach(uint32_t n, bool after_a_lease)
{
	struct proto_shm_reply reply;
	bool is_over;

	(void)scene_open(NULL);
	(void)ask_sum(0, after_a_lease);
	countdown = n;
	is_armed = true;
	reply = ask_sum(0, true);
	is_over = is_armed;
	is_armed = false;
	if (!is_over && lease_seen != 0)
		(void)ask_sum(1, false);
	if (reply.object.generation != 0 && lease_now() == reply.object.generation)
		assert_as_anew(&reply);
	(void)scene_close(NULL);
	return !is_over;
}

static void attach_at_any_access_is_in_the_sum_or_ends_the_lease(void **state)
{
	uint32_t n = 0;

	(void)state;
	for (uint32_t how = 0; how < 4; how++) {
		detaches_again = (how & 1) != 0;
		for (n = 0; ask_beside_an_attach(n, (how & 2) != 0); n++)
			continue;
		printf("# %u places\n", n);
		assert_true(n > 30);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lease_is_given_for_what_is_the_askers_own, scene_open, scene_close),
		cmocka_unit_test_setup_teardown(lease_ends_when_anybody_asks, scene_open, scene_close),
		cmocka_unit_test_setup_teardown(sum_that_fails_leaves_no_lease, scene_open, scene_close),
		cmocka_unit_test(attach_at_any_access_is_in_the_sum_or_ends_the_lease),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

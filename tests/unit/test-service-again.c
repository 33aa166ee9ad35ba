/* test-service-again.c: what the service finds of a daemon that was killed, and requests asked again. */
#include "test.h"

#include <stdlib.h>

#include "core/errno.h"
#include "model/world.h"

#define EXCLUSIVE (ABI_IPC_CREAT | ABI_IPC_EXCL | 0600)

static struct world *world;
static uint32_t session;

static void connect_anew(void)
{
	session = world_connect(world, 1000, 100, 50);
	assert_int_not_equal(session, SESSION_MAX);
}

static void restart(void)
{
	world_restart(world);
	connect_anew();
}

static int set_up(void **state)
{
	(void)state;
	world = calloc(1, sizeof(*world));
	if (!world)
		return -1;
	world_init(world, 1000);
	connect_anew();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_deinit(world);
	free(world);
	return 0;
}

static int32_t ask(struct proto_message *message)
{
	struct proto_message answer;

	assert_true(world_request(world, session, message, &answer));
	return answer.reply.error == 0 ? answer.reply.id : -answer.reply.error;
}

/* number: of the request. */
static int32_t create(uint32_t number, int32_t key, uint32_t flags)
{
	struct proto_message message = {
		.type = PROTO_CREATE,
		.request = number,
		.create = { .kind = IPC_KIND_MSG, .key = key, .flags = flags },
	};

	return ask(&message);
}

static void create_asked_again_finds_what_it_made(void **state)
{
	struct proto_message remove = { .type = PROTO_REMOVE };
	int32_t made = create(1, ABI_IPC_PRIVATE, 0600);
	int32_t keyed;

	(void)state;
	restart();
	assert_int_equal(create(1, ABI_IPC_PRIVATE, 0600), made);
	assert_int_not_equal(create(2, ABI_IPC_PRIVATE, 0600), made);
	keyed = create(3, 5, EXCLUSIVE);
	restart();
	assert_int_equal(create(3, 5, EXCLUSIVE), keyed);
	assert_int_equal(create(4, 5, EXCLUSIVE), -ABI_EEXIST);
	remove.object.kind = IPC_KIND_MSG;
	remove.object.id = keyed;
	assert_int_equal(ask(&remove), 0);
	assert_int_not_equal(create(3, 5, EXCLUSIVE), keyed);
	assert_int_equal(world_n_files(world, IPC_KIND_MSG), 3);
}

static void create_without_a_number_is_another_one_each_time(void **state)
{
	int32_t made = create(0, ABI_IPC_PRIVATE, 0600);

	(void)state;
	assert_int_not_equal(create(0, ABI_IPC_PRIVATE, 0600), made);
}

static void number_of_another_process_finds_nothing(void **state)
{
	int32_t made = create(1, ABI_IPC_PRIVATE, 0600);

	(void)state;
	session = world_connect(world, 1000, 101, 50);
	assert_int_not_equal(create(1, ABI_IPC_PRIVATE, 0600), made);
}

/* The registry has the new permissions and the queue has not. */
static void set_cut_short_is_carried_out_at_the_start(void **state)
{
	int32_t id = create(1, 5, EXCLUSIVE);
	struct registry_object object;

	(void)state;
	assert_int_equal(registry_get(&world->registry, IPC_KIND_MSG, id, &object), 0);
	object.owner.mode = 0640;
	object.set_pending = 77 + 1;
	registry_put(&world->registry, IPC_KIND_MSG, &object);
	world_restart(world);
	assert_int_equal(world_file(world, IPC_KIND_MSG, id)->qbytes, 77);
	assert_int_equal(registry_get(&world->registry, IPC_KIND_MSG, id, &object), 0);
	assert_int_equal(object.set_pending, 0);
	assert_int_equal(object.owner.mode, 0640);
	assert_true(world_verify(world));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(create_asked_again_finds_what_it_made),
		T(create_without_a_number_is_another_one_each_time),
		T(number_of_another_process_finds_nothing),
		T(set_cut_short_is_carried_out_at_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

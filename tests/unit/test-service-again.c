/* test-service-again.c: what the service finds of a daemon that was killed, requests asked again, huge pages. */
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

/* SHM_HUGETLB with pages of that size. */
static int32_t create_huge(enum ipc_kind kind, uint32_t exponent)
{
	struct proto_message message = {
		.type = PROTO_CREATE,
		.create = { .kind = kind, .size = 1,
			    .flags = ABI_IPC_CREAT | ABI_SHM_HUGETLB | exponent << ABI_SHM_HUGE_SHIFT | 0640 },
	};

	return ask(&message);
}

static uint32_t mode_of(int32_t id)
{
	const struct world_file *file = world_file(world, IPC_KIND_SHM, id);

	assert_true(file != NULL);
	return file->object.owner.mode;
}

/* SHM-5, SHM-42. */
static void segment_in_huge_pages_keeps_size_and_flag(void **state)
{
	const uint32_t kept = ABI_SHM_HUGETLB | WORLD_HUGE << ABI_SHM_HUGE_SHIFT;
	struct proto_message set = { .type = PROTO_SET, .set = { .mode = 07777 } };
	struct proto_message lock = { .type = PROTO_SHM_LOCK, .object = { .argument = 1 } };
	struct registry_object object;
	int32_t id, given;

	(void)state;
	session = world_connect(world, 0, 101, 50);
	id = create_huge(IPC_KIND_SHM, 0);
	given = create_huge(IPC_KIND_SHM, WORLD_HUGE);
	assert_int_equal(mode_of(id), kept | 0640);
	assert_int_equal(mode_of(given), kept | 0640);
	set.set.id = id;
	lock.object.id = id;
	assert_int_equal(ask(&set), 0);
	assert_int_equal(ask(&lock), 0);
	world_restart(world);
	assert_int_equal(registry_get(&world->registry, IPC_KIND_SHM, id, &object), 0);
	assert_int_equal(object.owner.mode, kept | 0777);
	assert_int_equal(registry_page_size(&object), 1u << WORLD_HUGE);
}

static void huge_pages_are_refused_by_size_right_and_lack(void **state)
{
	(void)state;
	assert_int_equal(create_huge(IPC_KIND_SHM, 19), -ABI_EINVAL);
	assert_int_equal(create_huge(IPC_KIND_SHM, 0), -ABI_EPERM);
	session = world_connect(world, 0, 101, 50);
	assert_int_equal(create_huge(IPC_KIND_SHM, 19), -ABI_EINVAL);
	assert_int_equal(create_huge(IPC_KIND_SHM, 63), -ABI_EINVAL);
	assert_int_equal(create_huge(IPC_KIND_SHM, 30), -ABI_ENOMEM);
	assert_int_equal(world_n_files(world, IPC_KIND_SHM), 0);
	/* Another kind knows no such flag. */
	assert_true(create_huge(IPC_KIND_SEM, 19) >= 0);
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
		T(segment_in_huge_pages_keeps_size_and_flag),
		T(huge_pages_are_refused_by_size_right_and_lack),
		T(create_without_a_number_is_another_one_each_time),
		T(number_of_another_process_finds_nothing),
		T(set_cut_short_is_carried_out_at_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test-cred.c: PERM-1 to PERM-8. */
#include "test.h"

#include "core/cred.h"

static const struct ipc_owner owner = { .uid = 10, .gid = 20, .cuid = 11, .cgid = 21, .mode = 0640 };

struct may_case {
	const char *what;
	struct cred cred;
	uint32_t mode;
	uint32_t need;
	bool may;
};

static const struct may_case may_cases[] = {
	{ "owner reads and writes", { .uid = 10, .gid = 99 }, 0640, CRED_READ | CRED_WRITE, true },
	{ "creator is in the user class", { .uid = 11, .gid = 99 }, 0640, CRED_WRITE, true },
	{ "owner does not execute", { .uid = 10, .gid = 99 }, 0640, CRED_EXEC, false },
	{ "group reads", { .uid = 99, .gid = 20 }, 0640, CRED_READ, true },
	{ "creator's group reads", { .uid = 99, .gid = 21 }, 0640, CRED_READ, true },
	{ "group does not write", { .uid = 99, .gid = 20 }, 0640, CRED_READ | CRED_WRITE, false },
	{ "supplementary group reads",
	  { .uid = 99, .gid = 99, .n_groups = 2, .groups = { 5, 21 } }, 0640, CRED_READ, true },
	{ "groups beyond the count do not matter",
	  { .uid = 99, .gid = 99, .n_groups = 1, .groups = { 5, 21 } }, 0640, CRED_READ, false },
	{ "other has nothing", { .uid = 99, .gid = 99 }, 0640, CRED_READ, false },
	{ "other reads where it may", { .uid = 99, .gid = 99 }, 0004, CRED_READ, true },
	{ "owner does not fall through to other", { .uid = 10, .gid = 20 }, 0077, CRED_READ, false },
	{ "group does not fall through to other", { .uid = 99, .gid = 20 }, 0707, CRED_READ, false },
	{ "no need is always granted", { .uid = 99, .gid = 99 }, 0000, 0, true },
	{ "privilege grants all", { .uid = 99, .gid = 99, .privileged = true }, 0000, 7, true },
	{ "uid 0 alone grants nothing", { .uid = 0, .gid = 0 }, 0660, CRED_READ, false },
	{ "flags above the mode do not matter", { .uid = 99, .gid = 99 }, 03000, CRED_READ, false },
	{ "all of the need must be there", { .uid = 10, .gid = 0 }, 0500, CRED_READ | CRED_WRITE, false },
};

static void permission_follows_the_one_class_consulted(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(may_cases) / sizeof(may_cases[0]); i++) {
		const struct may_case *c = &may_cases[i];
		struct ipc_owner object = owner;

		object.mode = c->mode;
		if (cred_may(&c->cred, &object, c->need) != c->may)
			fail_msg("%s", c->what);
	}
}

static void every_mode_class_and_need_agrees_with_the_rule(void **state)
{
	static const struct cred creds[] = { { .uid = 10, .gid = 1 }, { .uid = 1, .gid = 20 }, { .uid = 1, .gid = 1 } };

	(void)state;
	for (uint32_t mode = 0; mode <= 0777; mode++) {
		for (uint32_t class = 0; class < 3; class++) {
			uint32_t digit = mode / (class == 0 ? 64 : class == 1 ? 8 : 1) % 8;
			struct ipc_owner object = owner;

			object.mode = mode;
			for (uint32_t need = 0; need < 8; need++)
				assert_int_equal(cred_may(&creds[class], &object, need),
						 (need & digit) == need);
		}
	}
}

static void too_many_groups_are_read_only_as_far_as_the_array(void **state)
{
	struct cred cred = { .uid = 99, .gid = 99, .n_groups = UINT32_MAX };

	(void)state;
	for (uint32_t i = 0; i < CRED_GROUPS_MAX; i++)
		cred.groups[i] = 5;
	assert_false(cred_may(&cred, &owner, CRED_READ));
	cred.groups[CRED_GROUPS_MAX - 1] = 20;
	assert_true(cred_may(&cred, &owner, CRED_READ));
}

static void get_flags_demand_the_union_of_their_digits(void **state)
{
	(void)state;
	assert_int_equal(cred_need_of_flags(0), 0);
	assert_int_equal(cred_need_of_flags(0400), CRED_READ);
	assert_int_equal(cred_need_of_flags(0040), CRED_READ);
	assert_int_equal(cred_need_of_flags(0004), CRED_READ);
	assert_int_equal(cred_need_of_flags(0421), 7);
	assert_int_equal(cred_need_of_flags(0666), CRED_READ | CRED_WRITE);
	assert_int_equal(cred_need_of_flags(03000), 0); /* IPC_CREAT | IPC_EXCL */
	assert_int_equal(cred_need_of_flags(0x1200), 0);
}

static void asking_0777_of_a_0666_object_is_refused(void **state)
{
	struct cred self = { .uid = 10, .gid = 20 };
	struct ipc_owner object = owner;

	(void)state;
	object.mode = 0666;
	assert_false(cred_may(&self, &object, cred_need_of_flags(0777)));
	assert_true(cred_may(&self, &object, cred_need_of_flags(0666)));
	object.mode = 0400;
	assert_false(cred_may(&self, &object, cred_need_of_flags(0600)));
}

static void control_is_for_owner_creator_and_privileged_whatever_the_mode(void **state)
{
	struct cred self = { .uid = 10, .gid = 99 };
	struct ipc_owner object = owner;

	(void)state;
	object.mode = 0;
	assert_true(cred_may_control(&self, &object));
	self.uid = 11;
	assert_true(cred_may_control(&self, &object));
	self.uid = 99;
	self.gid = 20;
	object.mode = 0777;
	assert_false(cred_may_control(&self, &object));
	self.privileged = true;
	assert_true(cred_may_control(&self, &object));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(permission_follows_the_one_class_consulted),
		cmocka_unit_test(every_mode_class_and_need_agrees_with_the_rule),
		cmocka_unit_test(too_many_groups_are_read_only_as_far_as_the_array),
		cmocka_unit_test(get_flags_demand_the_union_of_their_digits),
		cmocka_unit_test(asking_0777_of_a_0666_object_is_refused),
		cmocka_unit_test(control_is_for_owner_creator_and_privileged_whatever_the_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

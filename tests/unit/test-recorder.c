/* test-recorder.c: usysvd --record: the file, what is in it, and how it ends when there is no room. */
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/recorder.h"
#include "sys/log.h"

#define FILE_MAX (1u << 20)

struct fixture {
	char dir[64]; /* its parent is ours, too */
	char path[512];
	struct registry registry;
	struct recorder recorder;
	uint8_t *bytes;
	size_t size;
};

static int fixture_open(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	char base[] = "/tmp/test-recorder-XXXXXX";

	assert_non_null(fixture);
	assert_non_null(mkdtemp(base));
	(void)snprintf(fixture->dir, sizeof(fixture->dir), "%s/record", base);
	fixture->registry.base = aligned_alloc(4096, registry_size());
	fixture->registry.size = registry_size();
	fixture->bytes = malloc(FILE_MAX);
	assert_non_null(fixture->registry.base);
	assert_non_null(fixture->bytes);
	memset(fixture->registry.base, 0, registry_size());
	fixture->registry.base[4096] = 1;
	assert_int_equal(log_open("/dev/null"), 0);
	*state = fixture;
	return 0;
}

static int fixture_close(void **state)
{
	struct fixture *fixture = *state;

	recorder_close(&fixture->recorder);
	(void)unlink(fixture->path);
	(void)rmdir(fixture->dir);
	*strrchr(fixture->dir, '/') = '\0';
	(void)rmdir(fixture->dir);
	free(fixture->registry.base);
	free(fixture->bytes);
	free(fixture);
	log_close();
	return 0;
}

static int begin(struct fixture *fixture)
{
	struct record_header header = { .registry_size = registry_size() };

	return recorder_open(&fixture->recorder, fixture->dir, &fixture->registry, &header);
}

/* Finds the one file there and reads it. */
static void look(struct fixture *fixture)
{
	DIR *dir = opendir(fixture->dir);
	struct dirent *entry;
	FILE *file;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			(void)snprintf(fixture->path, sizeof(fixture->path), "%s/%s", fixture->dir,
				       entry->d_name);
	(void)closedir(dir);
	file = fopen(fixture->path, "r");
	assert_non_null(file);
	fixture->size = fread(fixture->bytes, 1, FILE_MAX, file);
	(void)fclose(file);
}

/* The types of the records, as digits; it must be readable to its end. */
static void look_for(struct fixture *fixture, const char *types)
{
	struct record_reader reader = { 0 };
	struct record record;
	char found[64] = "";
	size_t n = 0;
	int r;

	look(fixture);
	reader.bytes = fixture->bytes;
	reader.size = fixture->size;
	while ((r = record_next(&reader, &record)) == RECORD_READY)
		if (n < sizeof(found) - 1)
			found[n++] = (char)('0' + record.type);
	assert_int_equal(r, RECORD_DONE);
	assert_string_equal(found, types);
}

static int asked_create(void *context, enum ipc_kind kind, const struct registry_object *object,
			uint64_t qbytes, uint64_t reserved_bytes)
{
	(void)kind;
	(void)object;
	(void)qbytes;
	(void)reserved_bytes;
	*(uint32_t *)context += 1;
	return 12;
}

static bool asked_has_exited(void *context, uint64_t client)
{
	*(uint32_t *)context += 10;
	return client == 3;
}

static int asked_attach_sum(void *context, int32_t shmid, bool exact, struct ledger_sum *ret_sum)
{
	(void)exact;
	*(uint32_t *)context += 100;
	*ret_sum = (struct ledger_sum){ .n_attached = (uint32_t)shmid };
	return 0;
}

static bool asked_alone(void *context, int32_t shmid, uint64_t client, uint64_t n_attached)
{
	*(uint32_t *)context += 1000;
	return shmid == 9 && client == 3 && n_attached == 9;
}

static void steps_are_in_the_file_before_they_are_over(void **state)
{
	struct fixture *fixture = *state;
	struct event event = { .type = EVENT_TICK };
	struct effects *effects = calloc(1, sizeof(*effects));
	struct stat status;

	assert_non_null(effects);
	assert_int_equal(begin(fixture), 0);
	look_for(fixture, "123");
	assert_int_equal(stat(fixture->path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(stat(fixture->dir, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0700);
	recorder_event(&fixture->recorder, &event);
	look_for(fixture, "1235");
	recorder_effects(&fixture->recorder, effects);
	recorder_event(&fixture->recorder, &event);
	look_for(fixture, "123565");
	recorder_effects(&fixture->recorder, effects);
	recorder_close(&fixture->recorder);
	look_for(fixture, "12356567");
	free(effects);
}

static int asked_stead(void *context, const struct service_stead *ask, struct service_stood *ret_stood)
{
	*(uint32_t *)context += 10000;
	*ret_stood = (struct service_stood){ SERVICE_STOOD_WAITS, ask->call->type, 8 };
	return 0;
}

static bool asked_has_group(void *context, uint64_t client, uint32_t gid)
{
	*(uint32_t *)context += 100000;
	return client == gid;
}

static void storage_answers_as_without_and_is_noted(void **state)
{
	struct fixture *fixture = *state;
	uint32_t n = 0;
	const struct service_storage asked = { .context = &n, .create = asked_create,
					       .has_exited = asked_has_exited,
					       .attach_sum = asked_attach_sum,
					       .attached_alone = asked_alone,
					       .stead = asked_stead,
					       .has_group = asked_has_group };
	struct registry_object object = { .id = 5 };
	const struct proto_stead call = { .kind = IPC_KIND_MSG, .id = 6, .type = 7 };
	const struct service_stead ask = { .call = &call };
	const struct service_storage *storage = recorder_storage(&fixture->recorder, &asked);
	const void *members[sizeof(asked) / sizeof(void *)];
	struct record_reader reader;
	struct service_stood stood;
	struct ledger_sum sum;
	struct record record;

	assert_ptr_equal(storage, &asked);
	assert_int_equal(begin(fixture), 0);
	storage = recorder_storage(&fixture->recorder, &asked);
	assert_ptr_not_equal(storage, &asked);
	memcpy(members, storage, sizeof(members));
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		assert_non_null(members[i]);
	assert_int_equal(storage->create(storage->context, IPC_KIND_SEM, &object, 0, 0), 12);
	assert_true(storage->has_exited(storage->context, 3));
	assert_false(storage->has_exited(storage->context, 4));
	assert_int_equal(storage->attach_sum(storage->context, 9, true, &sum), 0);
	assert_int_equal(sum.n_attached, 9);
	assert_true(storage->attached_alone(storage->context, 9, 3, 9));
	assert_int_equal(n, 1121);
	assert_int_equal(storage->stead(storage->context, &ask, &stood), 0);
	assert_int_equal(stood.state, SERVICE_STOOD_WAITS);
	assert_true(storage->has_group(storage->context, 4, 4));
	assert_int_equal(n, 111121);
	look_for(fixture, "1234444444");
	reader = (struct record_reader){ .bytes = fixture->bytes, .size = fixture->size };
	for (uint32_t i = 0; i < 7; i++) {
		assert_int_equal(record_next(&reader, &record), RECORD_READY);
		if (i == 3) {
			assert_int_equal(record.storage.call, RECORD_CREATE);
			assert_int_equal(record.storage.result, 12);
			assert_true(record.storage.subject == record_object(IPC_KIND_SEM, 5));
		}
		if (i == 4 || i == 5)
			assert_int_equal(record.storage.result, i == 4);
	}
	assert_int_equal(record.storage.sum.n_attached, 9);
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(record_next(&reader, &record), RECORD_READY);
	assert_int_equal(record.storage.call, RECORD_STEAD);
	assert_true(record.storage.subject == record_object(IPC_KIND_MSG, 6));
	assert_int_equal(record.storage.stood.state, SERVICE_STOOD_WAITS);
	assert_int_equal(record.storage.stood.type, 7);
	assert_int_equal(record.storage.stood.size, 8);
	assert_int_equal(record_next(&reader, &record), RECORD_READY);
	assert_int_equal(record.storage.result, 1);
}

static void a_full_disk_ends_it_at_a_whole_record(void **state)
{
	struct fixture *fixture = *state;
	struct event event = { .type = EVENT_TICK };
	struct rlimit before, limit;

	assert_int_equal(begin(fixture), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = fixture->recorder.size + 50; /* one event and a half */
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (uint32_t i = 0; i < 3; i++)
		recorder_event(&fixture->recorder, &event);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_false(fixture->recorder.is_on);
	look_for(fixture, "1235");
}

static void a_full_recording_says_so_and_ends(void **state)
{
	struct fixture *fixture = *state;
	struct event event = { .type = EVENT_TICK };

	assert_int_equal(begin(fixture), 0);
	recorder_event(&fixture->recorder, &event);
	fixture->recorder.size = RECORDING_SIZE_MAX - 20;
	recorder_event(&fixture->recorder, &event);
	recorder_event(&fixture->recorder, &event);
	assert_false(fixture->recorder.is_on);
	look_for(fixture, "12357");
}

static void a_folder_that_others_may_write_in_is_refused(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(mkdir(fixture->dir, 0700), 0);
	assert_int_equal(chmod(fixture->dir, 0770), 0);
	assert_int_equal(begin(fixture), -EPERM);
	assert_false(fixture->recorder.is_on);
	assert_int_equal(rmdir(fixture->dir), 0);
	assert_int_equal(symlink("/", fixture->dir), 0);
	assert_int_equal(begin(fixture), -ENOTDIR);
	assert_int_equal(unlink(fixture->dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(steps_are_in_the_file_before_they_are_over, fixture_open,
						fixture_close),
		cmocka_unit_test_setup_teardown(storage_answers_as_without_and_is_noted, fixture_open,
						fixture_close),
		cmocka_unit_test_setup_teardown(a_full_disk_ends_it_at_a_whole_record, fixture_open,
						fixture_close),
		cmocka_unit_test_setup_teardown(a_full_recording_says_so_and_ends, fixture_open,
						fixture_close),
		cmocka_unit_test_setup_teardown(a_folder_that_others_may_write_in_is_refused,
						fixture_open, fixture_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

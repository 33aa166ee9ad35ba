/* test-procfs.c: the listings, column for column as the kernel prints them (PFS-2..6, PFS-12). */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "client/procfs.h"

static const struct registry_object sample = {
	.key = -817982132,
	.id = 65537,
	.creator_pid = 3093,
	.owner = {.uid = 1, .gid = 22, .cuid = 333, .cgid = 4444, .mode = 01600},
	.last_pid = 7,
	.size = 5000,
	.ctime_s = 1795339708,
	.attach_ns = 1795339709999999999ull,
	.detach_ns = 0,
};

static void assert_line(const char *line, size_t size, const char *expected)
{
	assert_int_equal(size, strlen(expected));
	assert_memory_equal(line, expected, size);
}

static void segment_line_has_the_kernels_columns(void **state)
{
	char line[PROCFS_LINE_MAX];

	(void)state;
	assert_line(line, procfs_shm_line(&sample, 2, 8192, line),
		    "-817982132      65537  1600                  5000  3093     7      2     1    22"
		    "   333  4444 1795339709          0 1795339708                  8192"
		    "                     0\n");
}

static void set_line_has_the_kernels_columns(void **state)
{
	struct semset_stat stat = {.otime_s = 5, .ctime_s = 1795339708};
	char line[PROCFS_LINE_MAX];

	(void)state;
	assert_line(line, procfs_sem_line(&sample, &stat, line),
		    "-817982132      65537  1600       5000     1    22   333  4444          5"
		    " 1795339708\n");
}

static void queue_line_has_the_kernels_columns(void **state)
{
	struct msgq_stat stat = {
		.cbytes = 100, .qnum = 3, .lspid = 11, .lrpid = 123456, .stime_s = 1, .rtime_s = 2,
	};
	char line[PROCFS_LINE_MAX];

	(void)state;
	assert_line(line, procfs_msg_line(&sample, &stat, line),
		    "-817982132      65537  1600         100          3    11 123456     1    22"
		    "   333  4444          1          2          0\n");
}

static void widest_fields_are_not_cut_and_fit(void **state)
{
	struct registry_object object = sample;
	struct msgq_stat stat;
	char line[PROCFS_LINE_MAX];

	(void)state;
	memset(&stat, 0xff, sizeof(stat));
	memset(&object, 0xff, sizeof(object));
	object.key = INT32_MIN;
	assert_true(procfs_shm_line(&object, UINT64_MAX, UINT64_MAX, line) < sizeof(line));
	assert_memory_equal(line, "-2147483648 4294967295 ", 23);
	assert_true(procfs_msg_line(&object, &stat, line) < sizeof(line));
}

static void limits_are_printed_as_the_kernels_files(void **state)
{
	struct registry_limits limits;
	char line[PROCFS_LINE_MAX];

	(void)state;
	registry_limits_default(&limits);
	assert_line(line, procfs_limits_line(PROCFS_SEM_LIMITS, &limits, line),
		    "32000\t1024000000\t500\t32000\n");
	assert_line(line, procfs_limits_line(PROCFS_SHMMAX, &limits, line),
		    "18446744073692774399\n");
	assert_line(line, procfs_limits_line(PROCFS_MSGMNI, &limits, line), "32000\n");
}

static void only_the_exact_paths_are_taken(void **state)
{
	(void)state;
	assert_int_equal(procfs_match("/proc/sysvipc/shm"), PROCFS_SHM);
	assert_int_equal(procfs_match("/proc/sysvipc/msg"), PROCFS_MSG);
	assert_int_equal(procfs_match("/proc/sys/kernel/sem"), PROCFS_SEM_LIMITS);
	assert_int_equal(procfs_match("/proc/sys/kernel/semx"), PROCFS_NONE);
	assert_int_equal(procfs_match("/proc/sysvipc/sh"), PROCFS_NONE);
	assert_int_equal(procfs_match("/proc/sysvipc"), PROCFS_NONE);
	assert_int_equal(procfs_match(""), PROCFS_NONE);
	assert_int_equal(procfs_match(NULL), PROCFS_NONE);
	assert_int_equal(procfs_match((const char *)8), PROCFS_NONE);
}

static void writing_is_refused(void **state)
{
	(void)state;
	assert_int_equal(procfs_open(PROCFS_SHMMAX, O_WRONLY), -EACCES);
	assert_int_equal(procfs_open(PROCFS_SHM, O_RDWR), -EACCES);
	assert_int_equal(procfs_access(PROCFS_SHM, W_OK), -EACCES);
	assert_int_equal(procfs_access(PROCFS_SHM, R_OK), 0);
	assert_int_equal(procfs_access(PROCFS_SHM, F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segment_line_has_the_kernels_columns),
		cmocka_unit_test(set_line_has_the_kernels_columns),
		cmocka_unit_test(queue_line_has_the_kernels_columns),
		cmocka_unit_test(widest_fields_are_not_cut_and_fit),
		cmocka_unit_test(limits_are_printed_as_the_kernels_files),
		cmocka_unit_test(only_the_exact_paths_are_taken),
		cmocka_unit_test(writing_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

/* test-sys.c: the wrappers of kernel facilities. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base.h"
#include "sys/clock.h"
#include "sys/fault.h"
#include "sys/fifo.h"
#include "sys/log.h"
#include "sys/map.h"
#include "sys/wait.h"
#include "sys/watch.h"

#define MS 1000000ull

/* --- fixture: a folder of its own, and a shared word --------------------------------------------- */

struct fixture {
	char path[64];
	int dir_fd;
	struct shared32 *word;
};

static int fixture_open(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	(void)snprintf(fixture->path, sizeof(fixture->path), "/tmp/test-sys-XXXXXX");
	assert_non_null(mkdtemp(fixture->path));
	fixture->dir_fd = open(fixture->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fixture->dir_fd >= 0);
	fixture->word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(fixture->word != MAP_FAILED);
	*state = fixture;
	return 0;
}

static int fixture_close(void **state)
{
	struct fixture *fixture = *state;
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s", fixture->path);
	assert_int_equal(system(command), 0);
	(void)munmap(fixture->word, 4096);
	(void)close(fixture->dir_fd);
	free(fixture);
	return 0;
}

static int join(pid_t child)
{
	int status = -1;

	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* --- wait ----------------------------------------------------------------------------------------- */

static void wait_on_changed_word_returns_at_once(void **state)
{
	struct fixture *fixture = *state;
	uint64_t start = clock_monotonic_ns();

	shared32_store(fixture->word, 2);
	assert_int_equal(wait_on(fixture->word, 1, WAIT_FOREVER), 0);
	assert_true(clock_monotonic_ns() - start < 500 * MS);
}

static void wait_wake_in_parent_ends_wait_in_child(void **state)
{
	struct fixture *fixture = *state;
	pid_t child = fork();

	if (child == 0) {
		while (shared32_load(fixture->word) == 0)
			(void)wait_on(fixture->word, 0, WAIT_FOREVER);
		/* Within one slice it can only have been the wake. */
		_exit(shared32_load(fixture->word) == 7 ? 0 : 1);
	}
	(void)usleep(50000);
	shared32_store(fixture->word, 7);
	uint64_t start = clock_monotonic_ns();
	wait_wake(fixture->word, 1);
	assert_int_equal(join(child), 0);
	assert_true(clock_monotonic_ns() - start < 800 * MS);
}

static void wait_until_deadline_is_etimedout_and_not_early(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 1; i <= 20; i++) {
		uint64_t deadline = clock_monotonic_ns() + (uint64_t)i * MS;
		int r;

		do {
			r = wait_on(fixture->word, 0, deadline);
		} while (r == 0);
		assert_int_equal(r, -ETIMEDOUT);
		assert_true(clock_monotonic_ns() >= deadline);
	}
}

static void wait_past_deadline_is_etimedout(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(wait_on(fixture->word, 0, 1), -ETIMEDOUT);
	assert_int_equal(wait_on(fixture->word, 0, 0), -ETIMEDOUT);
}

static void wait_forever_looks_again_after_a_slice(void **state)
{
	struct fixture *fixture = *state;
	uint64_t start = clock_monotonic_ns();

	assert_int_equal(wait_on(fixture->word, 0, WAIT_FOREVER), 0);
	assert_in_range((clock_monotonic_ns() - start) / MS, WAIT_SLICE_NS / MS, 5000);
}

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
	(void)number;
	alarms++;
}

static void wait_interrupted(struct shared32 *word, uint64_t deadline_ns)
{
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	struct itimerval timer = {.it_value = {.tv_usec = 50000}};

	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	alarms = 0;
	assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
	assert_int_equal(wait_on(word, 0, deadline_ns), -EINTR);
	assert_int_equal(alarms, 1);
}

static void wait_with_restarting_handler_is_eintr(void **state)
{
	struct fixture *fixture = *state;

	wait_interrupted(fixture->word, WAIT_FOREVER);
	wait_interrupted(fixture->word, clock_monotonic_ns() + 900 * MS);
}

static void wait_leaves_errno_alone(void **state)
{
	struct fixture *fixture = *state;

	errno = ERANGE;
	assert_int_equal(wait_on(fixture->word, 0, 1), -ETIMEDOUT);
	wait_wake(fixture->word, 1);
	assert_int_equal(errno, ERANGE);
}

/* --- clock ---------------------------------------------------------------------------------------- */

static void clock_values_are_those_of_the_kernel(void **state)
{
	struct timespec now;
	uint64_t first = clock_monotonic_ns();

	(void)state;
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
	assert_in_range(clock_now_s(), now.tv_sec - 1, now.tv_sec + 5);
	assert_in_range(clock_now_ns() / 1000000000u, (uint64_t)now.tv_sec, (uint64_t)now.tv_sec + 5);
	assert_true(clock_monotonic_ns() >= first);
}

/* --- map ------------------------------------------------------------------------------------------ */

static int make_file(struct fixture *fixture, const char *name, off_t size)
{
	int fd = openat(fixture->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	return fd;
}

static void map_outlives_descriptor_and_is_shared(void **state)
{
	struct fixture *fixture = *state;
	int fd = make_file(fixture, "file", 8192);
	void *one = NULL;
	void *other = NULL;

	assert_int_equal(map_file(fd, 8192, true, &one), 0);
	assert_int_equal(map_file(fd, 8192, false, &other), 0);
	(void)close(fd);
	((char *)one)[5000] = 'x';
	assert_int_equal(((char *)other)[5000], 'x');
	map_close(one, 8192);
	map_close(other, 8192);
	map_close(NULL, 8192);
}

static void map_of_bad_arguments_is_refused_and_sets_nothing(void **state)
{
	struct fixture *fixture = *state;
	int fd = make_file(fixture, "file", 8192);
	void *base = &fd;

	assert_int_equal(map_file(fd, 0, true, &base), -EINVAL);
	assert_int_equal(map_file(fd, UINT64_MAX, true, &base), -EINVAL);
	assert_int_equal(map_file(-1, 8192, true, &base), -EBADF);
	assert_ptr_equal(base, &fd);
	(void)close(fd);
}

static void map_for_writing_of_read_only_descriptor_is_eacces(void **state)
{
	struct fixture *fixture = *state;
	int fd = make_file(fixture, "file", 4096);
	void *base = NULL;

	(void)close(fd);
	fd = openat(fixture->dir_fd, "file", O_RDONLY | O_CLOEXEC);
	assert_int_equal(map_file(fd, 4096, true, &base), -EACCES);
	assert_int_equal(map_file(fd, 4096, false, &base), 0);
	map_close(base, 4096);
	(void)close(fd);
}

static void map_populate_backs_a_sparse_file(void **state)
{
	struct fixture *fixture = *state;
	int fd = make_file(fixture, "file", 1 << 20);
	struct stat status;
	void *base = NULL;
	int r;

	assert_int_equal(map_file(fd, 1 << 20, true, &base), 0);
	r = map_populate((char *)base + 4096, 65536);
	if (r != -EOPNOTSUPP) {
		assert_int_equal(r, 0);
		assert_int_equal(fsync(fd), 0);
		assert_int_equal(fstat(fd, &status), 0);
		assert_true(status.st_blocks * 512 >= 65536);
		assert_true(status.st_blocks * 512 < 1 << 20);
	}
	assert_int_equal(map_populate(base, 0), 0);
	map_close(base, 1 << 20);
	(void)close(fd);
}

static void map_populate_beyond_the_end_is_enomem(void **state)
{
	struct fixture *fixture = *state;
	int fd = make_file(fixture, "file", 4096);
	void *base = NULL;
	int r;

	assert_int_equal(map_file(fd, 1 << 20, true, &base), 0);
	r = map_populate((char *)base + 65536, 4096);
	if (r != -EOPNOTSUPP)
		assert_int_equal(r, -ENOMEM);
	map_close(base, 1 << 20);
	(void)close(fd);
}

static void map_populate_on_a_full_file_system_is_enomem(void **state)
{
	struct fixture *fixture = *state;
	void *base = NULL;
	int r;
	int fd;

	if (mount("none", fixture->path, "tmpfs", 0, "size=64k") < 0)
		skip(); /* needs privilege */
	fd = open(fixture->path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	assert_int_equal(map_file(fd, 1 << 20, true, &base), 0);
	assert_int_equal(map_populate(base, 32768), 0);
	r = map_populate(base, 1 << 20);
	map_close(base, 1 << 20);
	(void)close(fd);
	assert_int_equal(umount(fixture->path), 0);
	assert_int_equal(r, -ENOMEM);
}

static void map_stat_tells_size_owner_and_mode(void **state)
{
	struct fixture *fixture = *state;
	int fd = make_file(fixture, "file", 12345);
	uint64_t size = 0;
	uint32_t uid = 0;
	uint32_t mode = 0;

	assert_int_equal(map_stat(fd, &size, &uid, &mode), 0);
	assert_int_equal(size, 12345);
	assert_int_equal(uid, geteuid());
	assert_int_equal(mode, S_IFREG | 0600);
	assert_int_equal(map_stat(fd, NULL, NULL, NULL), 0);
	(void)close(fd);
	assert_int_equal(map_stat(-1, &size, NULL, NULL), -EBADF);
	assert_int_equal(size, 12345);
}

/* --- fifo ----------------------------------------------------------------------------------------- */

static void fifo_pair_of_both_sides_carries_bytes(void **state)
{
	struct fixture *fixture = *state;
	struct fifo_pair client = FIFO_PAIR_NONE;
	struct fifo_pair server = FIFO_PAIR_NONE;
	char text[8] = "";
	mode_t mask = umask(0777); /* the program's umask must not matter */

	assert_int_equal(fifo_pair_make(fixture->dir_fd, "p1.x", &client), 0);
	(void)umask(mask);
	assert_int_equal(fifo_pair_accept(fixture->dir_fd, "p1.x", &server), 0);
	assert_int_equal(server.uid, geteuid());
	assert_int_equal(server.gid, getegid());
	fifo_pair_unlink(fixture->dir_fd, "p1.x");
	assert_int_equal(fifo_read(server.in_fd, text, sizeof(text)), -EAGAIN);
	assert_int_equal(fifo_write(client.in_fd, "ask", 3), 3);
	assert_int_equal(fifo_read(server.in_fd, text, sizeof(text)), 3);
	assert_memory_equal(text, "ask", 3);
	assert_int_equal(fifo_write(server.out_fd, "told", 4), 4);
	assert_int_equal(fifo_read(client.out_fd, text, sizeof(text)), 4);
	assert_memory_equal(text, "told", 4);
	fifo_pair_close(&client);
	assert_int_equal(fifo_read(server.in_fd, text, sizeof(text)), 0);
	fifo_pair_close(&server);
	fifo_pair_close(&server);
}

static void fifo_pair_with_taken_name_is_eexist_and_leaves_it(void **state)
{
	struct fixture *fixture = *state;
	struct fifo_pair pair = FIFO_PAIR_NONE;

	assert_int_equal(mknodat(fixture->dir_fd, "a.out", S_IFREG | 0600, 0), 0);
	assert_int_equal(fifo_pair_make(fixture->dir_fd, "a", &pair), -EEXIST);
	assert_int_equal(faccessat(fixture->dir_fd, "a.out", F_OK, 0), 0);
	assert_int_equal(faccessat(fixture->dir_fd, "a.in", F_OK, 0), -1);
	assert_int_equal(pair.in_fd, -1);
}

static void fifo_names_that_leave_the_folder_are_refused(void **state)
{
	static const char *const names[] = {
		"", ".", "..", ".hidden", "a/b", "../a", "/a", "a b", "a\n", "\xff",
		"0123456789012345678901234567890123456789012345678901234567890123456789",
		"01234567890123456789012345678901234567890123456789012345678901",
	};
	struct fixture *fixture = *state;
	struct fifo_pair pair = FIFO_PAIR_NONE;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(fifo_pair_make(fixture->dir_fd, names[i], &pair), -EINVAL);
		assert_int_equal(fifo_pair_accept(fixture->dir_fd, names[i], &pair), -EINVAL);
		fifo_pair_unlink(fixture->dir_fd, names[i]);
	}
}

/* A client's pair with both ends open, for accept to judge after it was spoilt. */
static struct fifo_pair make_pair(struct fixture *fixture)
{
	struct fifo_pair pair = FIFO_PAIR_NONE;

	assert_int_equal(fifo_pair_make(fixture->dir_fd, "p", &pair), 0);
	return pair;
}

static void expect_refused(struct fixture *fixture, struct fifo_pair *client, int error)
{
	struct fifo_pair server = FIFO_PAIR_NONE;

	assert_int_equal(fifo_pair_accept(fixture->dir_fd, "p", &server), -error);
	assert_int_equal(server.in_fd, -1);
	fifo_pair_close(client);
}

static void fifo_accept_of_symbolic_link_is_eloop(void **state)
{
	struct fixture *fixture = *state;
	struct fifo_pair pair = make_pair(fixture);

	assert_int_equal(renameat(fixture->dir_fd, "p.in", fixture->dir_fd, "q"), 0);
	assert_int_equal(symlinkat("q", fixture->dir_fd, "p.in"), 0);
	expect_refused(fixture, &pair, ELOOP);
}

static void fifo_accept_of_regular_file_is_enotsup(void **state)
{
	struct fixture *fixture = *state;
	struct fifo_pair pair = make_pair(fixture);

	assert_int_equal(unlinkat(fixture->dir_fd, "p.in", 0), 0);
	assert_int_equal(mknodat(fixture->dir_fd, "p.in", S_IFREG | 0600, 0), 0);
	expect_refused(fixture, &pair, ENOTSUP);
}

static void fifo_accept_of_hard_link_is_eperm(void **state)
{
	struct fixture *fixture = *state;
	struct fifo_pair pair = make_pair(fixture);

	assert_int_equal(linkat(fixture->dir_fd, "p.out", fixture->dir_fd, "q", 0), 0);
	expect_refused(fixture, &pair, EPERM);
}

static void fifo_accept_with_group_or_other_bits_is_eperm(void **state)
{
	static const mode_t modes[] = {0610, 0620, 0640, 0601, 0602, 0604, 0666, 04600};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct fifo_pair pair = make_pair(fixture);

		assert_int_equal(fchmodat(fixture->dir_fd, i % 2 ? "p.in" : "p.out", modes[i], 0), 0);
		expect_refused(fixture, &pair, EPERM);
		fifo_pair_unlink(fixture->dir_fd, "p");
	}
}

static void fifo_accept_of_two_owners_is_eperm(void **state)
{
	struct fixture *fixture = *state;
	struct fifo_pair pair;

	if (geteuid() != 0)
		skip();
	pair = make_pair(fixture);
	assert_int_equal(fchownat(fixture->dir_fd, "p.out", 65534, 0, 0), 0);
	expect_refused(fixture, &pair, EPERM);
	fifo_pair_unlink(fixture->dir_fd, "p");
	pair = make_pair(fixture);
	assert_int_equal(fchownat(fixture->dir_fd, "p.in", 0, 65534, 0), 0);
	expect_refused(fixture, &pair, EPERM);
}

static void fifo_accept_without_reader_is_enxio(void **state)
{
	struct fixture *fixture = *state;
	struct fifo_pair pair = make_pair(fixture);

	fifo_pair_close(&pair);
	expect_refused(fixture, &pair, ENXIO);
}

static void fifo_accept_of_nothing_is_enoent(void **state)
{
	struct fifo_pair pair = FIFO_PAIR_NONE;

	expect_refused(*state, &pair, ENOENT);
}

/* --- watch ---------------------------------------------------------------------------------------- */

static void watch_reports_tokens_of_ready_descriptors_only(void **state)
{
	struct watch_ready ready[WATCH_READY_MAX];
	struct watch watch;
	int one[2];
	int other[2];

	(void)state;
	assert_int_equal(watch_open(&watch), 0);
	assert_int_equal(pipe2(one, O_CLOEXEC), 0);
	assert_int_equal(pipe2(other, O_CLOEXEC), 0);
	assert_int_equal(watch_add(&watch, one[0], WATCH_INPUT, 11), 0);
	assert_int_equal(watch_add(&watch, other[0], WATCH_INPUT, UINT64_MAX), 0);
	assert_int_equal(watch_wait(&watch, ready, 0), 0);
	assert_int_equal(write(other[1], "x", 1), 1);
	assert_int_equal(watch_wait(&watch, ready, 1000), 1);
	assert_true(ready[0].token == UINT64_MAX);
	(void)close(one[1]);
	assert_int_equal(watch_remove(&watch, other[0]), 0);
	assert_int_equal(watch_wait(&watch, ready, 1000), 1);
	assert_int_equal(ready[0].token, 11);
	assert_int_equal(watch_remove(&watch, other[0]), -ENOENT);
	watch_close(&watch);
	watch_close(&watch);
	(void)close(one[0]);
	(void)close(other[0]);
	(void)close(other[1]);
}

static void watch_process_ends_with_the_process(void **state)
{
	int hold[2];
	pid_t child;
	int fd;

	(void)state;
	assert_int_equal(pipe(hold), 0);
	child = fork();
	if (child == 0) {
		(void)close(hold[1]);
		_exit((int)read(hold[0], &child, 1));
	}
	fd = watch_process_open((uint32_t)child);
	assert_true(fd >= 0);
	assert_false(watch_process_ended(fd));
	(void)close(hold[1]);
	(void)close(hold[0]);
	assert_int_equal(join(child), 0);
	assert_true(watch_process_ended(fd));
	(void)close(fd);
	assert_int_equal(watch_process_open((uint32_t)child), -ESRCH);
	assert_int_equal(watch_process_open(0), -ESRCH);
	assert_int_equal(watch_process_open(UINT32_MAX), -ESRCH);
}

/* --- fault ---------------------------------------------------------------------------------------- */

static void touch(void *context)
{
	volatile char *byte = context;

	*byte = 1;
}

static void touch_nested(void *context)
{
	/* The inner one is survived, and then the outer one is, too. */
	assert_false(fault_run(touch, context));
	touch(context);
}

static void fault_run_over_a_shortened_file_is_false(void **state)
{
	struct fixture *fixture = *state;
	int fd = make_file(fixture, "file", 8192);
	void *base = NULL;

	assert_int_equal(fault_init(), 0);
	assert_int_equal(map_file(fd, 8192, true, &base), 0);
	assert_true(fault_run(touch, base));
	assert_int_equal(ftruncate(fd, 0), 0);
	for (int i = 0; i < 3; i++)
		assert_false(fault_run(touch, base));
	assert_false(fault_run(touch_nested, base));
	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_true(fault_run(touch, base));
	map_close(base, 8192);
	(void)close(fd);
}

/* --- log ------------------------------------------------------------------------------------------ */

static size_t read_log(struct fixture *fixture, char *text, size_t text_size)
{
	int fd = openat(fixture->dir_fd, "log", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, text_size - 1);

	assert_true(n >= 0);
	(void)close(fd);
	text[n] = 0;
	return (size_t)n;
}

static void log_lines_are_cut_and_cannot_be_forged(void **state)
{
	struct fixture *fixture = *state;
	static char text[65536];
	char longer[2 * LOG_LINE_MAX];
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/log", fixture->path);
	assert_false(log_has_file());
	assert_int_equal(log_open(path), 0);
	assert_true(log_has_file());
	log_line(LOG_LEVEL_INFO, "one\ntwo\033[31m");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	log_line(LOG_LEVEL_WARNING, "%s", longer);
	assert_in_range(read_log(fixture, text, sizeof(text)), LOG_LINE_MAX, 2 * LOG_LINE_MAX);
	assert_non_null(strstr(text, " info one?two?[31m\n"));
	assert_non_null(strstr(text, " warning xxx"));
	assert_int_equal(text[strlen(text) - 1], '\n');
	log_close();
	log_close();
}

static void log_flood_is_bounded_and_counted(void **state)
{
	struct fixture *fixture = *state;
	static char text[4 << 20];
	char path[128];
	uint32_t n = 0;

	(void)snprintf(path, sizeof(path), "%s/log", fixture->path);
	assert_int_equal(log_open(path), 0);
	for (int i = 0; i < 5000; i++)
		log_line(LOG_LEVEL_INFO, "refused");
	(void)sleep(1);
	log_line(LOG_LEVEL_INFO, "after");
	log_close();
	(void)read_log(fixture, text, sizeof(text));
	for (const char *at = text; (at = strstr(at, " refused")); at++)
		n++;
	/* The second may have had lines before, and may end while we write. */
	assert_in_range(n, LOG_LINES_PER_SECOND_MAX / 2, 4 * LOG_LINES_PER_SECOND_MAX);
	assert_non_null(strstr(text, "lines left out"));
	assert_non_null(strstr(text, " after"));
}

static void log_reopen_writes_to_a_new_file(void **state)
{
	struct fixture *fixture = *state;
	static char text[4096];
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/log", fixture->path);
	assert_int_equal(log_open("/nonexistent/log"), -ENOENT);
	assert_int_equal(log_open(path), 0);
	log_line(LOG_LEVEL_NOTICE, "before");
	assert_int_equal(renameat(fixture->dir_fd, "log", fixture->dir_fd, "log.1"), 0);
	assert_int_equal(log_reopen(), 0);
	log_line(LOG_LEVEL_NOTICE, "after");
	log_close();
	assert_int_equal(log_reopen(), 0);
	(void)read_log(fixture, text, sizeof(text));
	assert_null(strstr(text, "before"));
	assert_non_null(strstr(text, "notice after\n"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(wait_on_changed_word_returns_at_once),
		T(wait_wake_in_parent_ends_wait_in_child),
		T(wait_until_deadline_is_etimedout_and_not_early),
		T(wait_past_deadline_is_etimedout),
		T(wait_forever_looks_again_after_a_slice),
		T(wait_with_restarting_handler_is_eintr),
		T(wait_leaves_errno_alone),
		T(clock_values_are_those_of_the_kernel),
		T(map_outlives_descriptor_and_is_shared),
		T(map_of_bad_arguments_is_refused_and_sets_nothing),
		T(map_for_writing_of_read_only_descriptor_is_eacces),
		T(map_populate_backs_a_sparse_file),
		T(map_populate_beyond_the_end_is_enomem),
		T(map_populate_on_a_full_file_system_is_enomem),
		T(map_stat_tells_size_owner_and_mode),
		T(fifo_pair_of_both_sides_carries_bytes),
		T(fifo_pair_with_taken_name_is_eexist_and_leaves_it),
		T(fifo_names_that_leave_the_folder_are_refused),
		T(fifo_accept_of_symbolic_link_is_eloop),
		T(fifo_accept_of_regular_file_is_enotsup),
		T(fifo_accept_of_hard_link_is_eperm),
		T(fifo_accept_with_group_or_other_bits_is_eperm),
		T(fifo_accept_of_two_owners_is_eperm),
		T(fifo_accept_without_reader_is_enxio),
		T(fifo_accept_of_nothing_is_enoent),
		T(watch_reports_tokens_of_ready_descriptors_only),
		T(watch_process_ends_with_the_process),
		T(fault_run_over_a_shortened_file_is_false),
		T(log_lines_are_cut_and_cannot_be_forged),
		T(log_flood_is_bounded_and_counted),
		T(log_reopen_writes_to_a_new_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

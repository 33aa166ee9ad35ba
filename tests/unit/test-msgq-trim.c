/*
 * test-msgq-trim.c: storage that a queue has needed and needs no more goes back to the file system.
 *
 * The queue is a file of its own on a tmpfs, as memfd gives it, so that what it takes can be asked for.
 */
#include "test.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "msgq-fixture.h"

#define QBYTES (16u << 20)
#define PAGE 4096u

enum { A = 1, B = 2, C = 3 };

static struct fixture fixture;
static int file;

static int setup(void **state)
{
	(void)state;
	assert_int_equal(msgq_layout(QBYTES, &fixture.layout), 0);
	file = memfd_create("queue", MFD_CLOEXEC);
	assert_true(file >= 0);
	assert_int_equal(ftruncate(file, (off_t)fixture.layout.size), 0);
	fixture.base = mmap(NULL, fixture.layout.size + PAGE, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_true(fixture.base != MAP_FAILED);
	assert_true(mmap(fixture.base, fixture.layout.size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, file, 0) == fixture.base);
	msgq_format(fixture.base, &fixture.layout, QBYTES, FIXTURE_NOW);
	assert_int_equal(msgq_bind(&fixture.queue, fixture.base, fixture.layout.size), MSGQ_DONE);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_deinit(&fixture);
	(void)close(file);
	return 0;
}

static uint64_t stored_pages(void)
{
	struct stat status;

	assert_int_equal(fstat(file, &status), 0);
	return (uint64_t)status.st_blocks * 512 / PAGE;
}

/* Takes away what was left behind; how many ranges that were. */
static uint32_t take_away(void)
{
	struct msgq_trim trim;
	uint64_t off, size;
	uint32_t n = 0;

	while (msgq_trim_left(&fixture.queue, &trim)) {
		assert_true(msgq_trim_is_quiet(&fixture.queue));
		for (; msgq_trim_next(&fixture.queue, &trim, &off, &size); n++) {
			assert_true(off >= fixture.layout.blocks_off && off % PAGE == 0);
			assert_true(size % PAGE == 0 && size <= fixture.layout.size - off);
			assert_int_equal(madvise(fixture.base + off, size, MADV_REMOVE), 0);
		}
		msgq_trim_done(&fixture.queue, &trim);
	}
	return n;
}

/* As the library does it. */
static int trim(uint32_t who)
{
	const struct actor actor = fixture_actor(who);
	int outcome;

	assert_true(msgq_trim_begin(&fixture.queue, &actor));
	(void)take_away();
	msgq_trim_close(&fixture.queue);
	outcome = msgq_trim_flip(&fixture.queue, &actor);
	(void)take_away();
	msgq_trim_end(&fixture.queue, &actor, outcome == MSGQ_DONE);
	return outcome;
}

static void put(uint32_t who, uint32_t first, uint32_t n)
{
	uint8_t text[64];
	uint32_t i;

	for (i = first; i < first + n; i++) {
		fixture_text(text, sizeof(text), i);
		assert_int_equal(fixture_send(&fixture, who, 1 + i % 100, text, sizeof(text)), MSGQ_DONE);
	}
}

static void take(uint32_t who, uint32_t first, uint32_t n)
{
	uint8_t text[64], expected[64];
	uint64_t size;
	uint32_t i;
	int64_t type;

	for (i = first; i < first + n; i++) {
		assert_int_equal(fixture_receive(&fixture, who, 0, 0, text, sizeof(text), &size, &type),
				 MSGQ_DONE);
		fixture_text(expected, sizeof(expected), i);
		assert_int_equal(type, 1 + i % 100);
		assert_int_equal(size, sizeof(text));
		assert_memory_equal(text, expected, sizeof(text));
	}
}

static void burst_that_was_drained_leaves_a_few_pages(void **state)
{
	const struct msgq_want want = { .size = 64 };
	const struct actor sleeps = fixture_actor(C);
	struct msgq_sleeper sleeper;
	struct wakes wakes;
	uint64_t size;
	uint32_t round;
	int64_t type;

	(void)state;
	for (round = 0; round < 4; round++) {
		put(A, 0, 50000);
		put(B, 50000, 50000);
		assert_true(stored_pages() > 100000 / 32);
		take(C, 0, 100000 - 1); /* A and B keep what they had last */
		take(A, 100000 - 1, 1);
		if (round % 2 == 1)
			fixture_sleep_receive(&fixture, C, &want, &sleeper);
		assert_true(msgq_trim_due(&fixture.queue) != 0);
		assert_true(msgq_trim_is_due(&fixture.queue, FIXTURE_NOW + 10));
		assert_int_equal(trim(A), MSGQ_DONE);
		assert_true(stored_pages() <= 8);
		assert_true(msgq_verify(&fixture.queue));
		if (round % 2 == 1)
			assert_int_equal(msgq_receive_cancel(&fixture.queue, &sleeps, &sleeper, &want, NULL,
							     &size, &type, &wakes), MSGQ_BLOCKED);
	}
}

static void queue_in_use_keeps_its_storage(void **state)
{
	uint64_t pages;

	(void)state;
	put(A, 0, 5000);
	pages = stored_pages();
	assert_int_equal(trim(B), MSGQ_BLOCKED);
	assert_int_equal(stored_pages(), pages);
	take(B, 0, 5000);
	assert_true(msgq_verify(&fixture.queue));
}

static void handed_message_keeps_its_storage(void **state)
{
	const struct actor actor = fixture_actor(B);
	const struct msgq_want want = { .size = 64 };
	struct msgq_sleeper sleeper;
	struct wakes wakes;
	uint8_t text[64], expected[64];
	uint64_t size;
	int64_t type;

	(void)state;
	fixture_sleep_receive(&fixture, B, &want, &sleeper);
	put(A, 7, 1);
	assert_int_equal(trim(A), MSGQ_BLOCKED);
	assert_int_equal(msgq_receive_poll(&fixture.queue, &actor, &sleeper, &want, text, &size, &type,
					   &wakes), MSGQ_DONE);
	fixture_text(expected, sizeof(expected), 7);
	assert_memory_equal(text, expected, sizeof(text));
	assert_int_equal(trim(A), MSGQ_DONE);
}

static void small_queue_is_left_alone(void **state)
{
	(void)state;
	put(A, 0, 400);
	take(A, 0, 400);
	assert_int_equal(msgq_trim_due(&fixture.queue), 0);
}

/* A queue that swings does not pay each time. */
static void after_a_trim_a_second_passes(void **state)
{
	const int64_t now_s = FIXTURE_NOW + A;

	(void)state;
	put(A, 0, 1000);
	take(A, 0, 1000);
	assert_true(msgq_trim_is_due(&fixture.queue, now_s));
	assert_int_equal(trim(A), MSGQ_DONE);
	put(A, 0, 1000);
	take(A, 0, 1000);
	assert_false(msgq_trim_is_due(&fixture.queue, now_s));
	assert_true(msgq_trim_is_due(&fixture.queue, now_s + 1));
	assert_false(msgq_trim_is_due(&fixture.queue, now_s + 1)); /* said once */
}

static void trimmer_that_died_is_made_good(void **state)
{
	const struct actor dead = fixture_actor(B);
	struct wakes wakes;

	(void)state;
	put(A, 0, 1000);
	take(A, 0, 1000);
	assert_true(msgq_trim_begin(&fixture.queue, &dead));
	msgq_trim_close(&fixture.queue);
	assert_int_equal(msgq_trim_flip(&fixture.queue, &dead), MSGQ_DONE);
	assert_false(msgq_trim_begin(&fixture.queue, &dead)); /* one at a time */
	put(A, 0, 1000); /* the other arena does not mind */
	take(A, 0, 1000);
	assert_true(msgq_holds(&fixture.queue, dead.client));
	assert_int_equal(msgq_recover(&fixture.queue, &dead, &wakes), MSGQ_DONE);
	assert_false(msgq_holds(&fixture.queue, dead.client));
	assert_true(msgq_trim_is_due(&fixture.queue, FIXTURE_NOW));
	assert_int_equal(trim(A), MSGQ_DONE);
	assert_true(stored_pages() <= 4);
}

/* An arena takes all that MSG-3 admits, in more than one of its chunks; and in a file made larger. */
static void either_arena_takes_a_full_queue(void **state)
{
	uint32_t round;

	(void)state;
	for (round = 0; round < 2; round++) {
		put(A, 0, QBYTES / 64);
		assert_int_equal(fixture_send(&fixture, A, 1, "x", 1), MSGQ_BLOCKED);
		take(B, 0, QBYTES / 64);
		assert_true(msgq_verify(&fixture.queue));
		assert_int_equal(trim(A), MSGQ_DONE);
		assert_true(stored_pages() <= 4);
	}
}

static void file_made_larger_while_the_second_arena_is_in_use(void **state)
{
	struct msgq_layout larger;

	(void)state;
	put(A, 0, 1000);
	take(A, 0, 1000);
	assert_int_equal(trim(A), MSGQ_DONE);
	put(A, 0, 100000);
	assert_int_equal(msgq_layout(2 * QBYTES, &larger), 0);
	assert_int_equal(ftruncate(file, (off_t)larger.size), 0);
	fixture_deinit(&fixture);
	fixture.layout = larger;
	fixture.base = mmap(NULL, larger.size + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			    -1, 0);
	assert_true(mmap(fixture.base, larger.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file,
			 0) == fixture.base);
	assert_int_equal(msgq_bind(&fixture.queue, fixture.base, larger.size), MSGQ_DONE);
	assert_int_equal(msgq_extend(&fixture.queue, larger.size, 2 * QBYTES), MSGQ_DONE);
	assert_true(msgq_verify(&fixture.queue));
	put(A, 100000, QBYTES / 64 - 100000);
	take(B, 0, QBYTES / 64);
	assert_int_equal(trim(A), MSGQ_DONE);
	assert_true(stored_pages() <= 4);
	assert_true(msgq_verify(&fixture.queue));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(burst_that_was_drained_leaves_a_few_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(queue_in_use_keeps_its_storage, setup, teardown),
		cmocka_unit_test_setup_teardown(handed_message_keeps_its_storage, setup, teardown),
		cmocka_unit_test_setup_teardown(small_queue_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(after_a_trim_a_second_passes, setup, teardown),
		cmocka_unit_test_setup_teardown(trimmer_that_died_is_made_good, setup, teardown),
		cmocka_unit_test_setup_teardown(either_arena_takes_a_full_queue, setup, teardown),
		cmocka_unit_test_setup_teardown(file_made_larger_while_the_second_arena_is_in_use, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

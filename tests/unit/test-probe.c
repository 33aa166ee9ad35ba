/* test-probe.c: user pointers, good and bad, at the edges of pages. */
#include "test.h"

#include <string.h>
#include <sys/mman.h>

#include "client/probe.h"

#define PAGE 4096u

/* Three pages: none, then readable and writable as given, then none. */
static uint8_t *page_between_holes(int protection)
{
	uint8_t *base = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(base, MAP_FAILED);
	assert_int_equal(mprotect(base + PAGE, PAGE, protection), 0);
	memset(&client_thread, 0, sizeof(client_thread));
	return base + PAGE;
}

static void page_drop(uint8_t *page)
{
	assert_int_equal(munmap(page - PAGE, 3 * PAGE), 0);
}

static void readable_range_up_to_the_end_is_readable(void **state)
{
	uint8_t *page = page_between_holes(PROT_READ);

	(void)state;
	assert_true(probe_readable(page, PAGE));
	assert_true(probe_readable(page + PAGE - 1, 1));
	assert_false(probe_writable(page, 1));
	page_drop(page);
}

static void range_that_leaves_the_page_is_not_readable(void **state)
{
	uint8_t *page = page_between_holes(PROT_READ | PROT_WRITE);

	(void)state;
	assert_false(probe_readable(page, PAGE + 1));
	assert_false(probe_readable(page - 1, 2));
	assert_false(probe_readable(page + PAGE, 1));
	assert_false(probe_writable(page + PAGE - 1, 2));
	page_drop(page);
}

static void range_known_by_its_page_does_not_vouch_for_the_next(void **state)
{
	uint8_t *page = page_between_holes(PROT_READ | PROT_WRITE);

	(void)state;
	assert_true(probe_readable(page + 8, 8));
	assert_true(probe_hit(client_thread.readable, page, PAGE));
	assert_false(probe_readable(page + PAGE - 8, 16));
	assert_true(probe_writable(page, PAGE));
	assert_true(probe_hit(client_thread.writable, page + PAGE - 1, 1));
	assert_false(probe_writable(page + 1, PAGE));
	page_drop(page);
}

static void null_and_top_of_the_address_space_are_not_readable(void **state)
{
	(void)state;
	memset(&client_thread, 0, sizeof(client_thread));
	assert_false(probe_readable(NULL, 1));
	assert_false(probe_writable(NULL, 1));
	assert_false(probe_readable((const void *)(UINTPTR_MAX - 3), 8));
	assert_false(probe_readable((const void *)(UINTPTR_MAX - 3), 1));
	assert_false(probe_readable((const void *)PAGE, SIZE_MAX - 2 * PAGE));
}

static void empty_range_is_always_readable(void **state)
{
	(void)state;
	memset(&client_thread, 0, sizeof(client_thread));
	assert_true(probe_readable(NULL, 0));
	assert_true(probe_writable((void *)8, 0));
}

static void writable_probe_leaves_the_content_alone(void **state)
{
	uint8_t *page = page_between_holes(PROT_READ | PROT_WRITE);
	uint8_t expected[PAGE];

	(void)state;
	memset(page, 0xa5, PAGE);
	memset(expected, 0xa5, PAGE);
	assert_true(probe_writable(page, PAGE));
	assert_memory_equal(page, expected, PAGE);
	page_drop(page);
}

static void copy_out_writes_up_to_the_hole_and_says_so(void **state)
{
	uint8_t *page = page_between_holes(PROT_READ | PROT_WRITE);
	uint8_t source[64];

	(void)state;
	memset(source, 7, sizeof(source));
	assert_true(probe_copy_out(page + PAGE - 64, source, 64));
	assert_int_equal(page[PAGE - 1], 7);
	assert_false(probe_copy_out(page + PAGE - 63, source, 64));
	page_drop(page);
}

static void prefix_that_ends_at_a_hole_is_compared_safely(void **state)
{
	uint8_t *page = page_between_holes(PROT_READ | PROT_WRITE);
	char *text = (char *)page + PAGE - 5;

	(void)state;
	memcpy(text, "/proc", 5);
	assert_true(probe_has_prefix(text, "/proc"));
	assert_false(probe_has_prefix(text, "/proc/sys"));
	assert_false(probe_has_prefix(text, "/etc"));
	assert_false(probe_has_prefix(NULL, "/proc"));
	page_drop(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readable_range_up_to_the_end_is_readable),
		cmocka_unit_test(range_that_leaves_the_page_is_not_readable),
		cmocka_unit_test(range_known_by_its_page_does_not_vouch_for_the_next),
		cmocka_unit_test(null_and_top_of_the_address_space_are_not_readable),
		cmocka_unit_test(empty_range_is_always_readable),
		cmocka_unit_test(writable_probe_leaves_the_content_alone),
		cmocka_unit_test(copy_out_writes_up_to_the_hole_and_says_so),
		cmocka_unit_test(prefix_that_ends_at_a_hole_is_compared_safely),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}

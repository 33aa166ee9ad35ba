/* msgq-fixture.h: a queue in anonymous memory that ends at an unreadable page, for the msgq tests. */
#ifndef TESTS_UNIT_MSGQ_FIXTURE_H
#define TESTS_UNIT_MSGQ_FIXTURE_H

#include <string.h>
#include <sys/mman.h>

#include "core/msgq.h"

#define FIXTURE_NOW 1700000000
#define FIXTURE_CLIENT 0x100000001u

struct fixture {
	struct msgq queue;
	struct msgq_layout layout;
	uint8_t *base;
};

static inline void fixture_init(struct fixture *fixture, uint64_t qbytes)
{
	uint64_t size;

	assert_int_equal(msgq_layout(qbytes, &fixture->layout), 0);
	size = fixture->layout.size;
	fixture->base = mmap(NULL, size + 4096, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_true(fixture->base != MAP_FAILED);
	assert_int_equal(mprotect(fixture->base + size, 4096, PROT_NONE), 0);
	msgq_format(fixture->base, &fixture->layout, qbytes, FIXTURE_NOW);
	assert_int_equal(msgq_bind(&fixture->queue, fixture->base, size), MSGQ_DONE);
}

static inline void fixture_deinit(struct fixture *fixture)
{
	(void)munmap(fixture->base, fixture->layout.size + 4096);
}

static inline struct actor fixture_actor(uint32_t n)
{
	return (struct actor){ .client = FIXTURE_CLIENT + n, .pid = 100 + n, .hint = n,
			       .now_s = FIXTURE_NOW + n };
}

/* What the library does on a GROW, without the system call. */
static inline void fixture_grow(struct msgq *queue)
{
	struct msgq_growth growth;
	uint32_t i;

	msgq_growth(queue, &growth);
	assert_true(growth.n_ranges <= 4);
	for (i = 0; i < growth.n_ranges; i++) {
		assert_int_equal(growth.ranges[i].off % 4096, 0);
		assert_true(growth.ranges[i].off < queue->layout.size);
		assert_true(growth.ranges[i].size <= queue->layout.size - growth.ranges[i].off);
	}
	msgq_growth_done(queue, &growth);
}

/* A call, again for as long as it asks for storage. */
#define FIXTURE_CALL(queue, outcome, call)                                \
	do {                                                              \
		unsigned int rounds_ = 0;                                 \
		while (((outcome) = (call)) == MSGQ_GROW && rounds_++ < 100) \
			fixture_grow(queue);                              \
	} while (0)

/* Text that tells where it came from, so that a mixed-up byte shows. */
static inline void fixture_text(uint8_t *text, uint64_t size, uint32_t seed)
{
	uint64_t i;

	for (i = 0; i < size; i++) {
		seed = seed * 1664525u + 1013904223u;
		text[i] = (uint8_t)(seed >> 24);
	}
}

static inline int fixture_send(struct fixture *fixture, uint32_t who, int64_t type, const void *text,
			       uint64_t size)
{
	const struct actor actor = fixture_actor(who);
	struct wakes wakes;
	int outcome;

	FIXTURE_CALL(&fixture->queue, outcome,
		     msgq_send(&fixture->queue, &actor, type, text, size, &wakes));
	return outcome;
}

static inline int fixture_receive(struct fixture *fixture, uint32_t who, int64_t type, uint32_t flags,
				  void *text, uint64_t size_max, uint64_t *ret_size, int64_t *ret_type)
{
	const struct actor actor = fixture_actor(who);
	const struct msgq_want want = { .type = type, .size = size_max, .flags = flags };
	struct wakes wakes;
	int outcome;

	FIXTURE_CALL(&fixture->queue, outcome,
		     msgq_receive(&fixture->queue, &actor, &want, text, ret_size, ret_type, &wakes));
	return outcome;
}

/* Registers a sleeping receiver or sender; the call must have to wait. */
static inline void fixture_sleep_receive(struct fixture *fixture, uint32_t who,
					 const struct msgq_want *want, struct msgq_sleeper *sleeper)
{
	const struct actor actor = fixture_actor(who);
	struct wakes wakes;
	uint64_t size;
	int64_t type;
	int outcome;

	FIXTURE_CALL(&fixture->queue, outcome,
		     msgq_receive_or_wait(&fixture->queue, &actor, want, NULL, &size, &type, &wakes,
					  sleeper));
	assert_int_equal(outcome, MSGQ_WAITING);
}

static inline void fixture_sleep_send(struct fixture *fixture, uint32_t who, int64_t type,
				      const void *text, uint64_t size, struct msgq_sleeper *sleeper)
{
	const struct actor actor = fixture_actor(who);
	struct wakes wakes;
	int outcome;

	FIXTURE_CALL(&fixture->queue, outcome,
		     msgq_send_or_wait(&fixture->queue, &actor, type, text, size, &wakes, sleeper));
	assert_int_equal(outcome, MSGQ_WAITING);
}

#endif

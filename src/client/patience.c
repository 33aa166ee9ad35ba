/*
 * patience.c: see patience.h.  What is remembered for a key, and why:
 *
 *  1. Spinning that does not pay is left out the next time, then the next 3, 7 ... 63 times.  So a
 *     thread that shares its CPU with whom it waits for spins one time in 64.
 *  2. Yielding is for waits that are short, and the last one tells.  One that was slept through counts
 *     as well: so who waits long never yields, and the members of a convoy, who each sleep for a
 *     short time, all begin to yield, by which it dissolves.
 *  3. Who yields gives the rest of his share of the CPU away.  If nobody who is waited for got it,
 *     as nothing moved on for long, a stranger has work for that CPU, and would get the next share
 *     as well.  Then yielding is left out 64 times, and twice as often each time it happens again;
 *     it is forgiven when it has gone well as often as it was left out.
 */
#include "client/patience.h"

#include "core/atomic.h"
#include "sys/clock.h"
#include "sys/raw.h"

/* Tries of another CPU's doing; the n-th after 2^(n/2) pauses of some 30 ns, 62 in all. */
#define PATIENCE_SPINS_MAX 10u

/* Each takes 1 or 2 us unless it takes long. */
#define PATIENCE_YIELDS_MAX 32u
#define PATIENCE_YIELD_NS 50000u

/* A wait that yielding can be expected to shorten. */
#define PATIENCE_SHORT_NS (3u * PATIENCE_YIELD_NS)

/* A thing that is changed less often than this while the CPU was away is not what others work at. */
#define PATIENCE_STEP_NS PATIENCE_YIELD_NS

#define PATIENCE_LEVEL_MAX 6u
#define PATIENCE_HARM_MAX 7u
#define PATIENCE_HARM_CALLS 32u

void patience_begin(struct patience *patience, uint32_t key, uint64_t deadline_ns)
{
	uint32_t hash = (key * 2654435761u) >> 16;
	struct thread_habit *habit = &client_thread.habits[hash % THREAD_HABITS];

	*patience = (struct patience){
		.habit = habit,
		.deadline_ns = deadline_ns,
		.may_spin = habit->spin_left_out == 0,
		.may_yield = habit->was_short && habit->yield_left_out == 0,
	};
	if (habit->spin_left_out > 0)
		habit->spin_left_out--;
	if (habit->was_short && habit->yield_left_out > 0)
		habit->yield_left_out--;
}

bool patience_spin(struct patience *patience)
{
	struct thread_habit *habit = patience->habit;

	if (!patience->may_spin)
		return false;
	if (patience->n_spins < PATIENCE_SPINS_MAX) {
		for (uint32_t i = 0; i < 1u << (patience->n_spins / 2); i++)
			shared_pause();
		patience->n_spins++;
		return true;
	}
	patience->may_spin = false;
	if (habit->spin_level < PATIENCE_LEVEL_MAX)
		habit->spin_level++;
	habit->spin_left_out = (uint8_t)((1u << habit->spin_level) - 1);
	return false;
}

/* What has come of the last yield. */
static void patience_judge(struct patience *patience, uint64_t now_ns, uint32_t progress)
{
	struct thread_habit *habit = patience->habit;
	uint64_t steps = 1 + (uint64_t)(progress - patience->yielded_progress);

	if (patience->n_yields == 0)
		return;
	if (now_ns - patience->yielded_ns <= steps * PATIENCE_STEP_NS) {
		if (habit->yield_harm > 0 &&
		    ++habit->yield_good >= PATIENCE_HARM_CALLS << habit->yield_harm)
			habit->yield_harm = 0;
		return;
	}
	patience->may_yield = false;
	if (habit->yield_harm < PATIENCE_HARM_MAX)
		habit->yield_harm++;
	habit->yield_left_out = (uint16_t)(PATIENCE_HARM_CALLS << habit->yield_harm);
	habit->yield_good = 0;
}

bool patience_yield(struct patience *patience, uint32_t progress)
{
	uint64_t now_ns = clock_monotonic_ns();

	if (patience->start_ns == 0)
		patience->start_ns = now_ns;
	patience_judge(patience, now_ns, progress);
	patience->is_over = !patience->may_yield || now_ns >= patience->deadline_ns ||
			    now_ns - patience->start_ns >= PATIENCE_YIELD_NS ||
			    patience->n_yields >= PATIENCE_YIELDS_MAX;
	if (patience->is_over)
		return false;
	patience->yielded_ns = now_ns;
	patience->yielded_progress = progress;
	patience->n_yields++;
	(void)raw_call0(SYS_sched_yield); /* cannot fail */
	return true;
}

void patience_end(struct patience *patience, uint32_t progress)
{
	struct thread_habit *habit = patience->habit;
	uint64_t now_ns;

	if (patience->start_ns == 0) {
		habit->spin_level = 0;
		habit->spin_left_out = 0;
		return;
	}
	now_ns = clock_monotonic_ns();
	if (!patience->is_over)
		patience_judge(patience, now_ns, progress);
	habit->was_short = (!patience->is_over && patience->may_yield) ||
			   now_ns - patience->start_ns <= PATIENCE_SHORT_NS;
}

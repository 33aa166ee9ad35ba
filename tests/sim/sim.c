/*
 * sim.c: episodes of the simulation.
 *
 *   sim [--steps N] [--seed N] [--every N] [--trace STEP] [--brief]
 *
 * An episode is EPISODE_STEPS steps of the service from one seed, in a process of its own.  One that
 * ends badly, however, is run again with every check after every step, then with a trace of the last
 * steps before, unless --brief.  --seed: only that episode, of --steps steps.  --trace: prints from that
 * step on.
 * TAP.
 */
#include "sim.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EPISODE_STEPS 50000u
#define TRACED_STEPS 8u
#define REST_EVERY 2000u
#define VERIFY_EVERY 20000u

struct sim sim;

/* What an episode leaves for its parent. */
struct report {
	volatile uint64_t steps;
	struct sim_counts counts;
	char failure[400];
};

static struct report *report;

static struct options {
	uint64_t steps;
	uint64_t seed;
	uint64_t trace_from;
	uint32_t every;
	bool one_seed;
	bool brief; /* no second run after a failure */
} options = { .steps = 1000000, .seed = 1, .trace_from = UINT64_MAX, .every = 128 };

void sim_fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(report->failure, sizeof(report->failure), format, arguments);
	va_end(arguments);
	sim_trace("FAILED: %s", report->failure);
	(void)fflush(stdout);
	_exit(1);
}

void sim_trace(const char *format, ...)
{
	va_list arguments;

	if (sim.counts.steps < sim.trace_from)
		return;
	printf("# %8" PRIu64 " ", sim.counts.steps);
	va_start(arguments, format);
	(void)vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
}

/* splitmix64 */
static uint64_t sim_random(void)
{
	uint64_t z = sim.random += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

uint32_t sim_below(uint32_t n)
{
	return (uint32_t)((sim_random() >> 32) * n >> 32);
}

bool sim_chance(uint32_t in_ten_thousand)
{
	return sim_below(10000) < in_ten_thousand;
}

bool sim_is_new(uint64_t number)
{
	uint64_t slot = number * 0x9e3779b97f4a7c15u >> (64 - SIM_SEEN_BITS);

	for (;; slot = (slot + 1) % ARRAY_SIZE(sim.seen)) {
		if (sim.seen[slot] == number + 1)
			return false;
		if (sim.seen[slot] == 0)
			break;
	}
	sim.seen[slot] = number + 1;
	return true;
}

/* --- one step ----------------------------------------------------------------------------------- */

static void step_begin(const struct event *event)
{
	struct registry_client known;

	sim.counts.steps++;
	report->steps = sim.counts.steps;
	sim.event = event;
	sim.stepped_s = event->now_s;
	sim.n_effects = 0;
	sim.n_answers = 0;
	memcpy(sim.n_sessions_before, sim.n_sessions_of, sizeof(sim.n_sessions_of));
	if (event->type != EVENT_ADMITTED)
		return;
	sim.n_rows_before = 0;
	for (uint32_t row = 0; row < CLIENT_MAX; row++)
		sim.n_rows_before += registry_client_row(&sim.world->registry, row, &known) == 0;
}

bool sim_step(const struct event *event)
{
	step_begin(event);
	if (setjmp(sim.killed) == 0) {
		world_step(sim.world, event);
		trouble_disarm();
		actor_race_end();
		check_after_step();
		if (sim.counts.steps % sim.check_every == 0)
			check_all();
		return true;
	}
	trouble_daemon_died();
	check_all();
	return false;
}

/* --- an episode --------------------------------------------------------------------------------- */

static void tick(void)
{
	struct event event;

	sim.world->now_ns += sim_below(3000) * UINT64_C(1000000);
	event = world_event(sim.world, EVENT_TICK);
	sim_trace("tick");
	(void)sim_step(&event);
}

static void hang_up_any(void)
{
	uint32_t index = pipe_pick(CONNECTION_OPEN);
	uint32_t session;

	/* One whose answers cannot be written goes at once, whatever it still had to say. */
	if (sim_chance(3000) && service_has_pending(sim.world->service, &session)) {
		index = sim.connection_of[session];
		sim.connections[index].hangs_up = true;
		pipe_hang_up(index);
	} else if (index != SIM_NONE && sim.connections[index].n_out == 0) {
		pipe_hang_up(index);
	}
}

static void exit_or_exec(void)
{
	if (sim_chance(4000))
		actor_exec();
	else
		actor_exit();
}

static void attach_or_detach(void)
{
	if (sim_chance(3500))
		actor_attach();
	else
		actor_detach();
}

static void deliver_some(void)
{
	trouble_arm();
	switch (sim_below(sim.kill_in > 0 ? 16 : 8)) {
	case 0:
		pipe_register(false);
		break;
	case 1:
		pipe_admit();
		break;
	case 2:
		if (sim_chance(sim.weights[13]))
			pipe_news();
		break;
	case 3:
		hang_up_any();
		break;
	default:
		pipe_feed_any();
		break;
	}
	trouble_disarm();
}

static void pending_or_tick(void)
{
	trouble_arm();
	if (sim_chance(9000))
		pipe_pending();
	else
		tick();
	trouble_disarm();
}

static void spawn_or_fork(void)
{
	if (sim_chance(6000))
		actor_spawn();
	else
		actor_fork();
}

static void connect_or_hang_up(void)
{
	actor_reconnect();
	actor_reconnect();
	if (sim_chance(8500))
		actor_connect();
	else
		actor_hang_up();
}

static void (*const actions[])(void) = {
	deliver_some, pending_or_tick, actor_ask,	   spawn_or_fork, exit_or_exec,
	attach_or_detach, connect_or_hang_up, actor_talk_nonsense, actor_read,
};
/* Usual weights; each stretch of an episode multiplies them at random. */
static const uint32_t usual[ARRAY_SIZE(actions)] = { 400, 60, 260, 24, 10, 60, 60, 3, 40 };

static void new_weather(void)
{
	uint32_t kills[] = { 0, 50, 200, 800 };
	uint32_t faults[] = { 0, 200, 1500, 5000 };

	for (uint32_t i = 0; i < ARRAY_SIZE(actions); i++)
		sim.weights[i] = usual[i] * (1 + sim_below(4));
	sim.weights[13] = sim_chance(5000) ? 10000 : 300; /* news travels fast or slowly */
	sim.weights[14] = kills[sim_below(4)];
	sim.weights[15] = faults[sim_below(4)];
}

static void act(void)
{
	uint32_t total = 0;
	uint32_t at;

	for (uint32_t i = 0; i < ARRAY_SIZE(actions); i++)
		total += sim.weights[i];
	at = sim_below(total);
	for (uint32_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (at < sim.weights[i]) {
			actions[i]();
			return;
		}
		at -= sim.weights[i];
	}
}

static void episode(uint64_t seed, uint64_t steps)
{
	static struct world world;
	static const struct world_observer observer = { NULL, pipes_effect, trouble_moment };
	uint64_t rest = REST_EVERY;
	uint64_t verify = VERIFY_EVERY;

	sim.world = &world;
	sim.random = seed;
	sim.check_every = options.every;
	sim.trace_from = options.trace_from;
	sim.stepping = SIM_NONE;
	world.observer = &observer;
	sim.quiet = true;
	world_init(&world, SIM_OWNER_UID);
	registry_read_limits(&world.registry, &sim.oracle.limits);
	sim.quiet = false;
	actors_begin();
	new_weather();
	while (sim.counts.steps < steps) {
		act();
		if (sim.counts.steps < rest)
			continue;
		rest = sim.counts.steps + REST_EVERY;
		check_at_rest();
		if (sim.counts.steps >= verify && !world_verify(&world))
			sim_fail("the registry breaks its own invariants");
		if (sim.counts.steps >= verify)
			verify = sim.counts.steps + VERIFY_EVERY;
		new_weather();
	}
	check_at_rest();
	if (!world_verify(&world))
		sim_fail("the registry breaks its own invariants");
	report->counts = sim.counts;
}

/* --- episodes in processes of their own --------------------------------------------------------- */

/* A broken assertion of the core's or the world's: what was traced is to be seen. */
static void crashed(int signal_number)
{
	(void)signal(signal_number, SIG_DFL);
	sim_fail("signal %d", signal_number);
}

/* True: it ended well. */
static bool run_episode(uint64_t seed, uint64_t steps)
{
	int status = 0;
	pid_t pid;

	memset(report, 0, sizeof(*report));
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)signal(SIGABRT, crashed);
		(void)signal(SIGSEGV, crashed);
		episode(seed, steps);
		(void)fflush(stdout);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	if (WIFSIGNALED(status))
		(void)snprintf(report->failure, sizeof(report->failure), "signal %d", WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Once more with every check, and then so that one can read how it came. */
static void show_failure(uint64_t seed, uint64_t steps)
{
	char failure[sizeof(report->failure)];
	uint64_t failed_at = report->steps;

	(void)snprintf(failure, sizeof(failure), "%s", report->failure);
	printf("# seed %" PRIu64 ", step %" PRIu64 ": %s\n", seed, failed_at, failure);
	if (options.trace_from != UINT64_MAX || options.brief)
		return;
	options.every = 1;
	if (!run_episode(seed, steps))
		failed_at = report->steps;
	options.trace_from = failed_at > TRACED_STEPS ? failed_at - TRACED_STEPS : 0;
	(void)run_episode(seed, steps);
	printf("# again: sim --seed %" PRIu64 " --steps %" PRIu64 " --every 1 --trace %" PRIu64 "\n", seed,
	       steps, options.trace_from);
}

static void counts_add(struct sim_counts *total, const struct sim_counts *one)
{
	uint64_t *sums = (uint64_t *)total;
	const uint64_t *numbers = (const uint64_t *)one;

	for (size_t i = 0; i < sizeof(*total) / sizeof(*sums); i++)
		sums[i] += numbers[i];
}

/* What a long run has not met it has not tested. */
static bool print_counts(const struct sim_counts *c)
{
	printf("# %" PRIu64 " requests, %" PRIu64 " answered, %" PRIu64 " asked again, %" PRIu64
	       " refusals, %" PRIu64 " at a quota\n",
	       c->requests, c->answers, c->resent, c->refusals, c->quota_hits);
	printf("# %" PRIu64 " restarts, %" PRIu64 " more while starting, %" PRIu64
	       " storage failures, %" PRIu64 " attaches beside a sum\n",
	       c->restarts, c->kills_in_start, c->faults, c->races);
	printf("# %" PRIu64 " forks, %" PRIu64 " execs, %" PRIu64 " exits, %" PRIu64
	       " pids used again early, %" PRIu64 " marked segments gone\n",
	       c->forks, c->execs, c->exits, c->reused_pids, c->gone);
	printf("# connections: %" PRIu64 " nonsense, %" PRIu64 " floods, %" PRIu64
	       " that do not read; %" PRIu64 " registrations cut; %" PRIu64 " full checks\n",
	       c->doomed, c->floods, c->broken, c->cut_registrations, c->full_checks);
	printf("# %" PRIu64 " objects found by who asked for them again\n", c->found_again);
	return c->answers && c->resent && c->refusals && c->quota_hits && c->kills_in_start &&
	       c->faults && c->races && c->execs && c->reused_pids && c->gone && c->doomed &&
	       c->floods && c->broken && c->cut_registrations && c->found_again;
}

static int run_all(void)
{
	uint64_t n = options.one_seed ? 1 : (options.steps + EPISODE_STEPS - 1) / EPISODE_STEPS;
	uint64_t steps = options.one_seed ? options.steps : EPISODE_STEPS;
	struct sim_counts total = { 0 };
	bool met_all;

	if (!options.one_seed && options.steps < EPISODE_STEPS)
		steps = options.steps;
	for (uint64_t i = 0; i < n; i++) {
		if (!run_episode(options.seed + i, steps)) {
			show_failure(options.seed + i, steps);
			printf("not ok 1 - simulation, seed %" PRIu64 "\n1..1\n", options.seed + i);
			return 1;
		}
		counts_add(&total, &report->counts);
	}
	met_all = print_counts(&total);
	printf("ok 1 - simulation, %" PRIu64 " steps from seed %" PRIu64 "\n", total.steps, options.seed);
	if (options.steps < 500000) {
		printf("1..1\n");
		return 0;
	}
	printf("%sok 2 - everything that can happen has happened\n1..2\n", met_all ? "" : "not ");
	return met_all ? 0 : 1;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (strcmp(argv[i], "--brief") == 0) {
			options.brief = true;
			continue;
		}
		i++;
		if (strcmp(argv[i - 1], "--steps") == 0) {
			options.steps = strtoull(value, NULL, 0);
		} else if (strcmp(argv[i - 1], "--seed") == 0) {
			options.seed = strtoull(value, NULL, 0);
			options.one_seed = true;
		} else if (strcmp(argv[i - 1], "--every") == 0) {
			options.every = (uint32_t)strtoul(value, NULL, 0);
		} else if (strcmp(argv[i - 1], "--trace") == 0) {
			options.trace_from = strtoull(value, NULL, 0);
		} else {
			(void)fprintf(stderr, "usage: sim [--steps n] [--seed n] [--every n] "
					      "[--trace step] [--brief]\n");
			return 2;
		}
	}
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (report == MAP_FAILED || options.every == 0)
		return 2;
	return run_all();
}

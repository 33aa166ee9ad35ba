/* chaos.c: see chaos.h. */
#include "chaos.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define MS 1000000ull

/* A worker that runs and does nothing for so long hangs. */
#define HANG_NS (20000 * MS)

struct place {
	pid_t pid;
	bool is_stopped;
	bool is_killed;
	uint64_t continue_ns;
	uint64_t steps;
	uint64_t steps_ns;
};

struct chaos_slot *chaos_slots;
_Atomic bool *chaos_hush;

static struct place places[CHAOS_SLOTS];
static _Atomic bool *finish;
static const struct chaos_storm *storm;
static uint64_t random_state;
static uint64_t seed;
static int n_wrong;
static int n_hangs;
static int n_kills, n_stops, n_ends, n_kills_wanted;

/* --- odds and ends -------------------------------------------------------------------------------- */

void *chaos_share(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	return memory;
}

void chaos_seed(uint64_t own_seed)
{
	random_state = own_seed;
}

/* splitmix64 */
uint32_t chaos_random(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return (uint32_t)((z ^ (z >> 31)) >> 16);
}

uint32_t chaos_below(uint32_t n)
{
	return chaos_random() % n;
}

bool chaos_chance(uint32_t percent)
{
	return chaos_below(100) < percent;
}

uint64_t chaos_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 * MS + (uint64_t)now.tv_nsec;
}

void chaos_nap(uint64_t ns)
{
	struct timespec time = {(time_t)(ns / (1000 * MS)), (long)(ns % (1000 * MS))};

	(void)nanosleep(&time, NULL);
}

static int count_files(const char *dir, const char *folder)
{
	char path[PATH_MAX + 32];
	const struct dirent *entry;
	int n = 0;
	DIR *files;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, folder);
	files = opendir(path);
	while (files && (entry = readdir(files)))
		n += entry->d_name[0] != '.';
	if (files)
		(void)closedir(files);
	return n;
}

bool chaos_await_files(const char *dir, const char *folder, int n)
{
	uint64_t end_ns = chaos_now_ns() + HANG_NS;
	int found;

	do {
		found = count_files(dir, folder);
		if (found == n)
			return true;
		chaos_nap(2 * MS);
	} while (chaos_now_ns() < end_ns);
	chaos_wrong("%d files in %s, not %d", found, folder, n);
	return false;
}

char chaos_state(pid_t pid)
{
	char path[64], text[512];
	char *end;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	end = strrchr(text, ')');
	return end && end[1] ? end[2] : 0;
}

pid_t chaos_pid(int slot)
{
	return places[slot].pid;
}

void chaos_problem(int slot, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(chaos_slots[slot].problem_text, sizeof(chaos_slots[slot].problem_text), format,
			arguments);
	va_end(arguments);
	atomic_store(&chaos_slots[slot].problem, 1);
	_exit(99);
}

void chaos_wrong(const char *format, ...)
{
	va_list arguments;

	if (++n_wrong > 20)
		return;
	printf("# wrong: ");
	va_start(arguments, format);
	(void)vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
	(void)fflush(stdout);
}

int chaos_wrongs(void)
{
	return n_wrong;
}

void chaos_result(const char *name, bool is_ok)
{
	printf("%s - %s\n", is_ok ? "ok" : "not ok", name);
	(void)fflush(stdout);
}

void chaos_abort(const char *format, ...)
{
	va_list arguments;

	printf("# abort: ");
	va_start(arguments, format);
	(void)vprintf(format, arguments);
	va_end(arguments);
	printf("\nnot ok - %s (seed %llu)\n", storm->name, (unsigned long long)seed);
	(void)fflush(stdout);
	for (int i = 0; i < CHAOS_SLOTS; i++) {
		if (places[i].pid > 0)
			(void)kill(places[i].pid, SIGKILL);
	}
	_exit(1);
}

/* --- workers -------------------------------------------------------------------------------------- */

static void poked(int signal_number)
{
	(void)signal_number;
}

static _Noreturn void worker(int slot, uint64_t own_seed, bool is_orderly)
{
	chaos_seed(own_seed);
	/* With its parent gone nobody would end it. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!atomic_load(finish)) {
		storm->work(slot);
		atomic_fetch_add(&chaos_slots[slot].steps, 1);
	}
	/* exit settles in this process, the other leaves it to the daemon. */
	if (is_orderly)
		exit(0);
	(void)kill(getpid(), SIGKILL);
	_exit(98);
}

static void start(int slot)
{
	uint64_t own_seed = ((uint64_t)chaos_random() << 32) | chaos_random();
	bool is_orderly = chaos_chance(50);
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid < 0)
		chaos_abort("fork: %s", strerror(errno));
	if (pid == 0)
		worker(slot, own_seed, is_orderly);
	places[slot] = (struct place){
		.pid = pid,
		.steps = atomic_load(&chaos_slots[slot].steps),
		.steps_ns = chaos_now_ns(),
	};
}

static void judge_end(int slot, int status)
{
	bool is_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;

	if (atomic_exchange(&chaos_slots[slot].problem, 0) != 0)
		chaos_wrong("worker %d: %s", slot, chaos_slots[slot].problem_text);
	else if (!is_killed && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
		chaos_wrong("worker %d ended with status 0x%x", slot, (unsigned)status);
	if (is_killed)
		n_kills++;
	else
		n_ends++;
	storm->dead(slot, places[slot].pid, is_killed);
	places[slot].pid = 0;
}

/* Reaps whoever is dead; others than workers are children of workers. */
static int reap(int flags)
{
	int n = 0;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, flags)) > 0) {
		for (int i = 0; i < CHAOS_SLOTS; i++) {
			if (places[i].pid == pid) {
				judge_end(i, status);
				n++;
			}
		}
	}
	return n;
}

static void wake_up(struct place *place)
{
	if (place->is_stopped && place->pid > 0)
		(void)kill(place->pid, SIGCONT);
	place->is_stopped = false;
}

void chaos_wake_all(void)
{
	for (int i = 0; i < CHAOS_SLOTS; i++)
		wake_up(&places[i]);
}

static void look_for_hangs(uint64_t now_ns)
{
	for (int i = 0; i < CHAOS_SLOTS; i++) {
		struct place *place = &places[i];
		uint64_t steps = atomic_load(&chaos_slots[i].steps);

		if (place->pid <= 0 || place->is_stopped || steps != place->steps) {
			place->steps = steps;
			place->steps_ns = now_ns;
		} else if (now_ns > place->steps_ns + HANG_NS) {
			n_hangs++;
			if (getenv("CHAOS_FREEZE")) {
				printf("# frozen: worker %d, pid %d\n", i, place->pid);
				(void)fflush(stdout);
				for (;;)
					(void)pause();
			}
			chaos_abort("worker %d, pid %d, state %c, hangs after %llu steps", i, place->pid,
				    chaos_state(place->pid), (unsigned long long)steps);
		}
	}
}

/* One blow of the storm. */
static void strike(uint64_t now_ns)
{
	struct place *place = &places[chaos_below(CHAOS_SLOTS)];
	uint32_t what = chaos_below(100);

	if (place->pid <= 0)
		return;
	if (what < 60 && !place->is_killed) {
		(void)kill(place->pid, SIGKILL);
		place->is_killed = true;
		place->is_stopped = false;
	} else if (what < 85 && !place->is_stopped && !place->is_killed) {
		(void)kill(place->pid, SIGSTOP);
		place->is_stopped = true;
		place->continue_ns = now_ns + chaos_below(40) * MS;
		n_stops++;
	} else if (storm->is_poked) {
		(void)kill(place->pid, SIGUSR1);
	}
}

static void let_go(uint64_t now_ns)
{
	for (int i = 0; i < CHAOS_SLOTS; i++) {
		if (places[i].is_stopped && now_ns >= places[i].continue_ns)
			wake_up(&places[i]);
	}
}

static void poke_all(void)
{
	for (int i = 0; i < CHAOS_SLOTS && storm->is_poked; i++) {
		if (places[i].pid > 0)
			(void)kill(places[i].pid, SIGUSR1);
	}
}

static void end_round(void)
{
	atomic_store(finish, true);
	chaos_wake_all();
	for (bool is_alive = true; is_alive;) {
		is_alive = false;
		(void)reap(WNOHANG);
		for (int i = 0; i < CHAOS_SLOTS; i++)
			is_alive = is_alive || places[i].pid > 0;
		poke_all();
		look_for_hangs(chaos_now_ns());
		if (is_alive)
			chaos_nap(MS / 2);
	}
	storm->settle();
}

static void one_round(void)
{
	int until = n_kills + storm->kills_per_round;
	uint64_t poke_ns = 0;

	atomic_store(finish, false);
	storm->begin();
	for (int i = 0; i < CHAOS_SLOTS; i++)
		start(i);
	while (n_kills < until) {
		uint64_t now_ns = chaos_now_ns();

		strike(now_ns);
		let_go(now_ns);
		(void)reap(WNOHANG);
		for (int i = 0; i < CHAOS_SLOTS; i++) {
			if (places[i].pid == 0)
				start(i);
		}
		if (now_ns > poke_ns) {
			poke_all();
			look_for_hangs(now_ns);
			if (storm->glance && poke_ns != 0)
				storm->glance();
			poke_ns = chaos_now_ns() + 100 * MS;
		}
		chaos_nap(chaos_below(5000) * 1000);
	}
	end_round();
}

uint64_t chaos_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

int chaos_run(const struct chaos_storm *the_storm)
{
	struct sigaction action = {.sa_handler = poked};
	char name[200];
	uint64_t begin_ns = chaos_now_ns();
	uint64_t steps = 0;
	int rounds = 0;

	storm = the_storm;
	seed = chaos_environment("SEED", begin_ns ^ ((uint64_t)getpid() << 32));
	chaos_seed(seed);
	n_kills_wanted = (int)chaos_environment("KILLS", getenv("USYSV_LONG") ? 20000u
								    : (uint64_t)storm->kills);
	printf("# %s: SEED=%llu KILLS=%d\n", storm->name, (unsigned long long)seed, n_kills_wanted);
	chaos_slots = chaos_share(CHAOS_SLOTS * sizeof(*chaos_slots));
	finish = chaos_share(sizeof(*finish));
	chaos_hush = chaos_share(sizeof(*chaos_hush));
	(void)sigaction(SIGUSR1, &action, NULL);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	while (n_kills < n_kills_wanted && n_wrong < 20) {
		one_round();
		rounds++;
	}
	for (int i = 0; i < CHAOS_SLOTS; i++)
		steps += atomic_load(&chaos_slots[i].steps);
	printf("# %d kills, %d stops, %d orderly ends, %d rounds, %llu operations, %.1f s\n", n_kills,
	       n_stops, n_ends, rounds, (unsigned long long)steps,
	       (double)(chaos_now_ns() - begin_ns) / 1e9);
	(void)snprintf(name, sizeof(name), "%s: %d kills, everything as the book says%s%s", storm->name,
		       n_kills, n_wrong ? ", seed " : "", n_wrong ? getenv("SEED") ? "as given" : "above" : "");
	chaos_result(name, n_wrong == 0);
	(void)snprintf(name, sizeof(name), "%s: nobody hangs", storm->name);
	chaos_result(name, n_hangs == 0);
	return n_wrong ? 1 : 0;
}

/*
 * storm-shm.c: attaching, detaching, fork, exec and exit while everybody is killed and stopped.
 *
 * Now and then all hold still; then nattch of each segment is the number of mappings of its file in
 * /proc/PID/maps.  When all processes of a round have been waited for, it is 0 at once, and what was
 * removed in the meantime is gone.
 */
#include <ctype.h>
#include <dirent.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "chaos.h"

#define MS 1000000ull
#define N_SEGMENTS 4
#define N_REMOVED 64
#define N_ATTACHED 8
#define N_CHILDREN 2
/* How long the count may take to follow a death that nobody has waited for. */
#define AGREE_NS (20000 * MS)

/* Absent from an older libc. */
extern __attribute__((weak)) pid_t _Fork(void);

static _Atomic int *ids;
static _Atomic pid_t *quiet; /* the worker of the slot that holds still */
static int removed[N_REMOVED];
static int n_removed;
static int n_compared, n_attached_seen;

/* --- in a worker ---------------------------------------------------------------------------------- */

static void *attached[N_ATTACHED];
static int n_children;

static void hold_still(int slot)
{
	/* Said again and again: the next hush may come before the end of the last was seen. */
	while (atomic_load(chaos_hush)) {
		atomic_store(&quiet[slot], getpid());
		chaos_nap(MS);
	}
}

static void attach(int slot)
{
	int i = (int)chaos_below(N_ATTACHED);
	int id = atomic_load(&ids[chaos_below(N_SEGMENTS)]);
	bool is_readonly = chaos_chance(30);
	volatile int *memory;

	if (attached[i])
		return;
	memory = shmat(id, NULL, is_readonly ? SHM_RDONLY : 0);
	if (memory == (void *)-1) {
		/* It may have been removed in between. */
		if (errno != EINVAL && errno != EIDRM && slot >= 0)
			chaos_problem(slot, "shmat: %s", strerror(errno));
		return;
	}
	if (!is_readonly)
		memory[0] = id;
	else if (memory[0] != 0 && memory[0] != id && slot >= 0)
		chaos_problem(slot, "segment %d holds %d", id, memory[0]);
	attached[i] = (void *)memory;
}

static void detach(int slot)
{
	int i = (int)chaos_below(N_ATTACHED);

	if (!attached[i])
		return;
	if (shmdt(attached[i]) != 0 && slot >= 0)
		chaos_problem(slot, "shmdt: %s", strerror(errno));
	attached[i] = NULL;
}

/* Children do not end while all hold still: a wrong count must not come right with their end. */
static void hold_on(void)
{
	while (atomic_load(chaos_hush) && getppid() != 1) /* unless the storm itself was ended */
		chaos_nap(MS);
}

static _Noreturn void child(void)
{
	uint64_t life_ns = (50 + chaos_below(300)) * MS;
	char text[32];

	switch (chaos_below(5)) {
	case 0: /* never calls the library */
		chaos_nap(life_ns);
		hold_on();
		_exit(0);
	case 1:
		chaos_nap(life_ns);
		hold_on();
		exit(0);
	case 2:
		(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)life_ns);
		(void)execl("/proc/self/exe", "nap", text, (char *)NULL);
		_exit(97);
	case 3:
		for (int i = 0; i < 20; i++) {
			hold_on();
			(chaos_chance(50) ? attach : detach)(-1);
		}
		exit(0);
	default:
		attach(-1);
		detach(-1);
		chaos_nap(life_ns);
		hold_on();
		(void)kill(getpid(), SIGKILL);
		_exit(97);
	}
}

static pid_t make_child(uint32_t how)
{
	switch (how % 3) {
	case 0:
		return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	case 1:
		if (_Fork)
			return _Fork();
		break;
	default:
		break;
	}
	return fork();
}

static void work(int slot)
{
	uint32_t what = chaos_below(100);

	hold_still(slot);
	while (n_children > 0 && waitpid(-1, NULL, WNOHANG) > 0)
		n_children--;
	if (what < 20) {
		chaos_nap(chaos_below(10) * MS);
	} else if (what < 21 && n_children < N_CHILDREN) {
		uint32_t unlike = chaos_random();
		pid_t pid = make_child(unlike);

		if (pid == 0) {
			while (unlike-- % 64 != 0)
				(void)chaos_random();
			child();
		}
		n_children += pid > 0;
	} else if (what < 60) {
		attach(slot);
	} else {
		detach(slot);
	}
}

/* --- in the parent -------------------------------------------------------------------------------- */

static void begin(void)
{
	for (int i = 0; i < CHAOS_SLOTS; i++)
		atomic_store(&quiet[i], 0);
}

static void dead(int slot, pid_t pid, bool is_killed)
{
	(void)slot;
	(void)pid;
	(void)is_killed;
}

static unsigned long mappings_of(const char *pid, const char *file)
{
	char path[64], line[600];
	unsigned long n = 0;
	FILE *maps;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/maps", pid);
	maps = fopen(path, "re");
	while (maps && fgets(line, sizeof(line), maps)) {
		const char *name = strchr(line, '/');

		line[strcspn(line, "\n")] = '\0';
		n += name && strcmp(name, file) == 0;
	}
	if (maps)
		(void)fclose(maps);
	return n;
}

static unsigned long mappings(int id)
{
	char file[300];
	unsigned long n = 0;
	struct dirent *entry;
	DIR *proc = opendir("/proc");

	(void)snprintf(file, sizeof(file), "%.250s/objects/shm.%d", getenv("USYSV_DIR"), id);
	while (proc && (entry = readdir(proc))) {
		if (isdigit((unsigned char)entry->d_name[0]))
			n += mappings_of(entry->d_name, file);
	}
	if (proc)
		(void)closedir(proc);
	return n;
}

static long nattch(int id)
{
	struct shmid_ds status;

	return shmctl(id, IPC_STAT, &status) == 0 ? (long)status.shm_nattch : -1;
}

/* Until both say the same, and nothing has changed in between. */
static void compare(int id)
{
	uint64_t end_ns = chaos_now_ns() + AGREE_NS;
	unsigned long before, after;
	long n;

	do {
		before = mappings(id);
		n = nattch(id);
		after = mappings(id);
		if (before == after && n == (long)after) {
			n_compared++;
			n_attached_seen += (int)n;
			return;
		}
		chaos_nap(5 * MS);
	} while (chaos_now_ns() < end_ns);
	chaos_wrong("segment %d: nattch %ld, mappings %lu, then %lu", id, n, before, after);
}

static void replace(int i)
{
	int id = shmget(IPC_PRIVATE, 3 * 4096, 0600);

	if (id < 0)
		chaos_abort("shmget: %s", strerror(errno));
	if (n_removed == N_REMOVED || shmctl(atomic_load(&ids[i]), IPC_RMID, NULL) != 0)
		chaos_abort("removing a segment: %s", strerror(errno));
	removed[n_removed++] = atomic_load(&ids[i]);
	atomic_store(&ids[i], id);
}

static bool is_quiet(void)
{
	for (int i = 0; i < CHAOS_SLOTS; i++) {
		pid_t pid = chaos_pid(i);
		char state = pid > 0 ? chaos_state(pid) : 0;

		if (state && state != 'Z' && state != 'X' && atomic_load(&quiet[i]) != pid)
			return false;
	}
	return true;
}

static void glance(void)
{
	uint64_t end_ns = chaos_now_ns() + 60000 * MS;

	atomic_store(chaos_hush, true);
	chaos_wake_all();
	while (!is_quiet()) {
		chaos_nap(MS);
		if (chaos_now_ns() > end_ns)
			chaos_abort("somebody does not come to rest");
	}
	for (int i = 0; i < N_SEGMENTS; i++)
		compare(atomic_load(&ids[i]));
	begin();
	atomic_store(chaos_hush, false);
	if (chaos_chance(30) && n_removed < N_REMOVED / 2)
		replace((int)chaos_below(N_SEGMENTS));
}

static void settle(void)
{
	char file[300];

	/* Children of dead workers are ours. */
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		continue;
	for (int i = 0; i < N_SEGMENTS; i++) {
		if (nattch(atomic_load(&ids[i])) != 0)
			chaos_wrong("segment %d: nattch %ld with nobody left", atomic_load(&ids[i]),
				    nattch(atomic_load(&ids[i])));
	}
	for (int i = 0; i < n_removed; i++) {
		(void)snprintf(file, sizeof(file), "%.250s/objects/shm.%d", getenv("USYSV_DIR"), removed[i]);
		if (nattch(removed[i]) != -1 || access(file, F_OK) == 0)
			chaos_wrong("segment %d: removed, attached by nobody, and still there", removed[i]);
	}
	n_removed = 0;
}

int main(int argc, char **argv)
{
	static const struct chaos_storm storm = {
		.name = "storm-shm",
		.begin = begin,
		.work = work,
		.dead = dead,
		.settle = settle,
		.glance = glance,
		.kills = 500,
		.kills_per_round = 60,
	};
	int status;

	if (argc == 2 && strcmp(argv[0], "nap") == 0) {
		chaos_nap(strtoull(argv[1], NULL, 10));
		return 0;
	}
	if (!getenv("USYSV_DIR")) {
		printf("ok - storm-shm # SKIP not in a namespace of usysv\n");
		return 0;
	}
	ids = chaos_share(N_SEGMENTS * sizeof(*ids));
	quiet = chaos_share(CHAOS_SLOTS * sizeof(*quiet));
	for (int i = 0; i < N_SEGMENTS; i++) {
		atomic_store(&ids[i], shmget(IPC_PRIVATE, 3 * 4096, 0600));
		if (atomic_load(&ids[i]) < 0) {
			perror("shmget");
			return 2;
		}
	}
	status = chaos_run(&storm);
	printf("# %d counts compared with /proc, %d attachments in all\n", n_compared, n_attached_seen);
	for (int i = 0; i < N_SEGMENTS; i++)
		(void)shmctl(atomic_load(&ids[i]), IPC_RMID, NULL);
	return status;
}

/* hostile.c: see hostile.h. */
#include "hostile.h"

#include <dirent.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "sys/clock.h"
#include "sys/map.h"

/* Rounds of the bystander before an attack and after it; what he asks at once: more than a turn has. */
#define BYSTANDER_ROUNDS 3u
#define BYSTANDER_QUEUE 40u

/* What the daemon may keep of an attack that was made once before: allocators round. */
#define LEAK_KILOBYTES_MAX 1024u

char ns_path[PATH_MAX];
pid_t ns_daemon;
bool ns_is_shared;
bool is_long;
struct registry ns_registry;
uint32_t setting_files_max;
const char *setting_tmpfs;

static char scratch[PATH_MAX];
static char self_path[PATH_MAX];
static const char *build;
static int n_wrong;
static uint64_t random_state = 0x243f6a8885a308d3ull;

/* What the bystander has seen; shared with it. */
struct bystander {
	_Atomic uint64_t n_rounds;
	_Atomic uint64_t others_max; /* requests of others between two answers */
	_Atomic bool finish;
	_Atomic bool may_lack;
	_Atomic bool pauses; /* asked to, while there is no daemon */
	_Atomic bool is_paused;
	_Atomic int problem; /* line */
};

static struct bystander *bystander;

/* --- results ----------------------------------------------------------------------------------- */

void wrong(const char *format, ...)
{
	va_list arguments;
	char text[400];

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	n_wrong++;
	printf("#   %s\n", text);
}

bool expect_that(bool holds, const char *what, const char *file, int line)
{
	if (!holds)
		wrong("%s:%d: not so: %s", strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line, what);
	return holds;
}

bool expect_number(long wanted, long got, const char *what, const char *file, int line)
{
	if (wanted != got)
		wrong("%s:%d: %s is %ld, not %ld", strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line,
		      what, got, wanted);
	return wanted == got;
}

void give_up(const char *format, ...)
{
	va_list arguments;

	printf("not ok - ");
	va_start(arguments, format);
	(void)vprintf(format, arguments);
	va_end(arguments);
	printf(" (%s)\n", strerror(errno));
	exit(1);
}

/* --- processes --------------------------------------------------------------------------------- */

static void become(uint32_t uid)
{
	if (!ns_is_shared || uid == geteuid())
		return;
	if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		give_up("cannot become user %u", uid);
	(void)prctl(PR_SET_DUMPABLE, 1);
}

pid_t child_begin(uint32_t uid, child_work *work, long argument)
{
	pid_t parent = getpid();
	pid_t child;

	(void)fflush(stdout);
	child = fork();
	if (child < 0)
		give_up("fork");
	if (child > 0)
		return child;
	become(uid);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of user takes it back, so after it */
	if (getppid() != parent)
		_exit(1);
	random_state ^= (uint64_t)getpid() << 32;
	n_wrong = 0;
	work(argument);
	(void)fflush(stdout);
	_exit(n_wrong > 0 ? 1 : 0);
}

static int child_wait(pid_t child)
{
	int status = 0;

	for (int ms = 0; ms < 3 * PATIENCE_MS; ms += 5) {
		if (waitpid(child, &status, WNOHANG) == child)
			return status;
		nap_ms(5);
	}
	wrong("process %d hangs", (int)child);
	(void)kill(child, SIGKILL);
	(void)waitpid(child, &status, 0);
	return status;
}

bool child_end(pid_t child)
{
	int status = child_wait(child);

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	wrong("process %d ended with status %d, signal %d", (int)child,
	      WIFEXITED(status) ? WEXITSTATUS(status) : 0, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	return false;
}

int child_signal(pid_t child)
{
	int status = child_wait(child);

	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

bool in_child(uint32_t uid, child_work *work, long argument)
{
	return child_end(child_begin(uid, work, argument));
}

pid_t library_begin(uint32_t uid, const char *what, long argument)
{
	char number[24];
	char library[PATH_MAX + 32];
	pid_t child;

	(void)snprintf(number, sizeof(number), "%ld", argument);
	(void)snprintf(library, sizeof(library), "%s/libusysv.so", build);
	(void)fflush(stdout);
	child = fork();
	if (child < 0)
		give_up("fork");
	if (child > 0)
		return child;
	become(uid);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setenv("LD_PRELOAD", library, 1);
	(void)setenv("USYSV_DIR", ns_path, 1);
	(void)execl(self_path, self_path, "client", what, number, NULL);
	give_up("cannot run %s", self_path);
}

void await_stopped(pid_t pid)
{
	char path[64], text[512];

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	for (int ms = 0; ms < PATIENCE_MS; ms += 5) {
		FILE *file = fopen(path, "re");
		bool is_stopped = file && fgets(text, sizeof(text), file) && strstr(text, ") T ");

		if (file)
			(void)fclose(file);
		if (is_stopped)
			return;
		nap_ms(5);
	}
	wrong("process %d does not come to its place", (int)pid);
}

void nap_ms(int ms)
{
	struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l};

	(void)nanosleep(&pause, NULL);
}

uint32_t random_below(uint32_t n)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return (uint32_t)((z ^ (z >> 31)) >> 32) % n;
}

/* --- the namespace ----------------------------------------------------------------------------- */

const char *ns_name(const char *name)
{
	static char paths[4][2 * PATH_MAX];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", ns_path, name);
	return path;
}

int ns_open(const char *name, int flags)
{
	return open(ns_name(name), flags | O_CLOEXEC | O_NONBLOCK, 0600);
}

const char *ns_object(const char *kind, int32_t id)
{
	static char names[4][64];
	static unsigned turn;
	char *name = names[turn++ % 4];

	(void)snprintf(name, sizeof(names[0]), "objects/%s.%" PRId32, kind, id);
	return name;
}

static void ns_bind(void)
{
	int fd = ns_open("registry", O_RDONLY);
	void *base = NULL;

	if (fd < 0 || map_file(fd, registry_size(), false, &base) < 0 ||
	    registry_bind(&ns_registry, base, registry_size()) != 0)
		give_up("%s has no registry", ns_path);
	(void)close(fd);
}

/* Starts a daemon there. */
static void ns_begin(void)
{
	char program[PATH_MAX + 32], log[PATH_MAX + 8];
	struct rlimit limit = {setting_files_max, setting_files_max};
	char byte;
	int ready[2];

	(void)snprintf(program, sizeof(program), "%s/usysvd", build);
	(void)snprintf(log, sizeof(log), "%s.log", ns_path);
	if (pipe(ready) < 0 || (ns_daemon = fork()) < 0)
		give_up("no daemon");
	if (ns_daemon == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(ready[0]);
		if (setting_files_max > 0 && setrlimit(RLIMIT_NOFILE, &limit) < 0)
			give_up("no limit of descriptors");
		if (dup2(ready[1], 3) < 0)
			give_up("no descriptor");
		(void)execl(program, program, "-d", ns_path, "--log", log, "--ready-fd", "3", NULL);
		give_up("cannot run %s", program);
	}
	(void)close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		give_up("the daemon does not start in %s", ns_path);
	(void)close(ready[0]);
	ns_bind();
}

static void ns_end(void)
{
	int status = 0;

	map_close(ns_registry.base, ns_registry.size);
	if (ns_daemon <= 0)
		return;
	(void)kill(ns_daemon, SIGTERM);
	status = child_wait(ns_daemon);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		wrong("the daemon ended with status %#x", (unsigned)status);
	ns_daemon = 0;
}

bool log_says_now(const char *text)
{
	char path[PATH_MAX + 8];
	static char log[4 << 20];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s.log", ns_path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, log, sizeof(log) - 1);
	if (fd >= 0)
		(void)close(fd);
	log[n > 0 ? n : 0] = 0;
	return strstr(log, text) != NULL;
}

bool log_says(const char *text)
{
	for (int ms = 0; ms < PATIENCE_MS; ms += 20) {
		if (log_says_now(text))
			return true;
		nap_ms(20);
	}
	return false;
}

uint32_t daemon_descriptors(void)
{
	char path[64];
	uint32_t n = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)ns_daemon);
	dir = opendir(path);
	while (dir && readdir(dir))
		n++;
	if (dir)
		(void)closedir(dir);
	return n;
}

uint32_t daemon_kilobytes(void)
{
	char path[64], line[256];
	uint32_t n = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)ns_daemon);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "RssAnon: %" SCNu32, &n) == 1)
			break;
	if (file)
		(void)fclose(file);
	return n;
}

bool daemon_is_alive(void)
{
	int status = 0;

	if (ns_daemon > 0 && waitpid(ns_daemon, &status, WNOHANG) == 0)
		return true;
	if (ns_daemon > 0)
		wrong("the daemon has died: status %#x", (unsigned)status);
	ns_daemon = 0;
	return false;
}

/* --- the bystander ----------------------------------------------------------------------------- */

static void bystander_note(uint64_t before, uint64_t now)
{
	uint64_t others = now > before ? now - before - 1 : 0;

	if (others > atomic_load(&bystander->others_max))
		atomic_store(&bystander->others_max, others);
}

/*
 * More requests at once than a turn has, so that the next turn finds some waiting: what others got in
 * between is the daemon's doing, and not that of whoever was late to ask.
 */
static int bystander_queue(struct wire *wire)
{
	struct proto_message ping = {.type = PROTO_PING};
	struct proto_message answer;
	uint8_t bytes[BYSTANDER_QUEUE * FRAME_SIZE_MAX];
	uint64_t n_before = 0;
	size_t n = 0;

	for (uint32_t i = 0; i < BYSTANDER_QUEUE; i++)
		n += proto_encode(&ping, bytes + n);
	if (fifo_write(wire->pair.in_fd, bytes, n) != (ptrdiff_t)n)
		return __LINE__;
	for (uint32_t i = 0; i < BYSTANDER_QUEUE; i++) {
		if (!wire_receive(wire, PATIENCE_MS, &answer) || answer.type != PROTO_PONG)
			return __LINE__;
		if (i > 0)
			bystander_note(n_before, answer.pong.n_requests);
		n_before = answer.pong.n_requests;
	}
	return 0;
}

/* A set of his own, from nothing to nothing; then a new connection in the place of the old one. */
static int bystander_round(struct wire *wire)
{
	struct wire fresh;
	int32_t id = wire_create(wire, IPC_KIND_SEM, ABI_IPC_PRIVATE, 1, 0600);
	int r;

	if (id < 0 && !(atomic_load(&bystander->may_lack) && id == -ENOMEM))
		return __LINE__;
	if (id >= 0 && wire_remove(wire, IPC_KIND_SEM, id) != 0)
		return __LINE__;
	r = bystander_queue(wire);
	if (r != 0)
		return r;
	atomic_fetch_add(&bystander->n_rounds, 1);
	r = wire_open(&fresh);
	if (r != 0)
		return atomic_load(&bystander->may_lack) ? 0 : __LINE__;
	wire_close(wire);
	*wire = fresh;
	return 0;
}

static void bystander_pause(struct wire *wire)
{
	wire_close(wire);
	atomic_store(&bystander->is_paused, true);
	while (atomic_load(&bystander->pauses))
		nap_ms(1);
	atomic_store(&bystander->is_paused, false);
	if (wire_open(wire) != 0)
		atomic_store(&bystander->problem, __LINE__);
}

void daemon_restart(void)
{
	atomic_store(&bystander->pauses, true);
	for (int ms = 0; ms < PATIENCE_MS && !atomic_load(&bystander->is_paused); ms++)
		nap_ms(1);
	(void)kill(ns_daemon, SIGKILL);
	expect_is(SIGKILL, child_signal(ns_daemon));
	map_close(ns_registry.base, ns_registry.size);
	ns_begin();
	atomic_store(&bystander->pauses, false);
}

static void bystander_work(long argument)
{
	struct wire wire;
	int problem;

	(void)argument;
	if (wire_open(&wire) != 0) {
		atomic_store(&bystander->problem, __LINE__);
		return;
	}
	while (!atomic_load(&bystander->finish)) {
		if (atomic_load(&bystander->pauses))
			bystander_pause(&wire);
		problem = bystander_round(&wire);
		if (problem != 0) {
			atomic_store(&bystander->problem, problem);
			return;
		}
	}
}

/* Until he has been served that often once more. */
static bool bystander_await(void)
{
	uint64_t wanted = atomic_load(&bystander->n_rounds) + BYSTANDER_ROUNDS;

	for (int ms = 0; ms < 2 * PATIENCE_MS && atomic_load(&bystander->problem) == 0; ms += 2) {
		if (atomic_load(&bystander->n_rounds) >= wanted)
			return true;
		nap_ms(2);
	}
	wrong("the bystander was not served (hostile.c:%d)", atomic_load(&bystander->problem));
	return false;
}

/* --- attacks ----------------------------------------------------------------------------------- */

/* What the daemon held is let go: within a while, as processes end. */
static void daemon_await_descriptors(uint32_t n_before)
{
	for (int ms = 0; ms < PATIENCE_MS && daemon_descriptors() > n_before; ms += 10)
		nap_ms(10);
	if (daemon_descriptors() > n_before)
		wrong("the daemon has %u descriptors, before it had %u", daemon_descriptors(), n_before);
}

/* Once beside the bystander; what it leaves behind in the daemon. */
static void attack_once(const struct attack *attack, bool is_first)
{
	uint32_t n_descriptors = daemon_descriptors();
	uint32_t kilobytes = daemon_kilobytes();
	pid_t daemon = ns_daemon;
	pid_t child;

	memset(bystander, 0, sizeof(*bystander));
	child = child_begin(UID_BYSTANDER, bystander_work, 0);
	(void)bystander_await();
	atomic_store(&bystander->others_max, 0);
	atomic_store(&bystander->may_lack, attack->may_lack);
	attack->run();
	if (daemon_is_alive())
		(void)bystander_await();
	atomic_store(&bystander->may_lack, false);
	if (daemon_is_alive())
		(void)bystander_await();
	atomic_store(&bystander->finish, true);
	(void)child_end(child);
	if (!daemon_is_alive())
		return;
	if (attack->others_max > 0 && atomic_load(&bystander->others_max) > attack->others_max)
		wrong("%" PRIu64 " requests of others between two of the bystander's, at most %u are right",
		      atomic_load(&bystander->others_max), attack->others_max);
	daemon_await_descriptors(n_descriptors);
	if (daemon == ns_daemon && !is_first && daemon_kilobytes() > kilobytes + LEAK_KILOBYTES_MAX)
		wrong("the daemon has grown from %u to %u kB", kilobytes, daemon_kilobytes());
}

static void attack_run(const struct attack *attack)
{
	uint64_t others = 0;
	uint64_t begin_ns = clock_monotonic_ns();

	n_wrong = 0;
	if (attack->where == (ns_is_shared ? WITH_ONE : WITH_USERS)) {
		printf("ok - %s: %s # SKIP nobody can\n", ns_is_shared ? "shared" : "own", attack->name);
		return;
	}
	for (int i = 0; i < 2 && n_wrong == 0; i++) {
		attack_once(attack, i == 0);
		others = atomic_load(&bystander->others_max);
	}
	printf("%s - %s: %s\n", n_wrong == 0 ? "ok" : "not ok", ns_is_shared ? "shared" : "own",
	       attack->name);
	printf("# %u ms\n", (unsigned)((clock_monotonic_ns() - begin_ns) / 1000000u));
	if (attack->others_max > 0)
		printf("# %s: at most %" PRIu64 " requests of others between two of the bystander's\n",
		       attack->name, others);
	if (!daemon_is_alive())
		give_up("%s: no daemon any more", attack->name);
}

static void scratch_remove(void)
{
	char command[PATH_MAX + 32];

	if (setting_tmpfs && ns_is_shared && umount2(scratch, MNT_DETACH) < 0)
		printf("# %s stays mounted\n", scratch);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", scratch);
	if (getenv("KEEP") == NULL && system(command) != 0)
		printf("# %s cannot be removed\n", scratch);
}

void *share(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		give_up("no memory");
	return at;
}

/*
 * A file system of its own, in a mount namespace of its own: root can, but not everywhere (a container
 * without the capability, a chroot whose root is no mount).
 */
static bool scratch_mount(void)
{
	if (!setting_tmpfs || !ns_is_shared)
		return true;
	if (unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("none", scratch, "tmpfs", 0, setting_tmpfs) == 0)
		return true;
	printf("# no tmpfs can be mounted: %s\n", strerror(errno));
	setting_tmpfs = NULL;
	return false;
}

static void scratch_make(void)
{
	const char *parent = getenv("TMPDIR") ? getenv("TMPDIR") : "/dev/shm";

	(void)snprintf(scratch, sizeof(scratch), "%s/usysv-hostile.XXXXXX", parent);
	if (!mkdtemp(scratch) || chmod(scratch, 0755) < 0 ||
	    (size_t)snprintf(ns_path, sizeof(ns_path), "%s/ns", scratch) >= sizeof(ns_path))
		give_up("no folder in %s", parent);
}

static void attacks_all(const struct attack *attacks, size_t n_attacks)
{
	const char *only = getenv("ATTACK");

	ns_begin();
	for (size_t i = 0; i < n_attacks; i++)
		if (!only || strstr(attacks[i].name, only))
			attack_run(&attacks[i]);
	n_wrong = 0;
	ns_end();
	if (n_wrong > 0)
		printf("not ok - the daemon stops as it should\n");
	if (log_says_now("assert") || log_says_now("Sanitizer"))
		printf("not ok - the daemon found nothing wrong with itself\n");
}

int attacks_main(int argc, char **argv, const struct attack *attacks, size_t n_attacks)
{
	if (argc == 4 && strcmp(argv[1], "client") == 0)
		return client_main(argv[2], strtol(argv[3], NULL, 0));
	if (argc != 2 || (strcmp(argv[1], "shared") != 0 && strcmp(argv[1], "own") != 0)) {
		(void)fprintf(stderr, "usage: BUILD=dir %s shared|own\n", argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	(void)umask(022);
	ns_is_shared = strcmp(argv[1], "shared") == 0;
	is_long = getenv("USYSV_LONG") != NULL;
	build = getenv("BUILD") ? getenv("BUILD") : "build";
	if (!realpath(argv[0], self_path))
		give_up("where am I");
	bystander = share(sizeof(*bystander));
	scratch_make();
	if (scratch_mount()) {
		attacks_all(attacks, n_attacks);
	} else {
		for (size_t i = 0; i < n_attacks; i++)
			printf("ok - shared: %s # SKIP no tmpfs can be mounted\n", attacks[i].name);
	}
	scratch_remove();
	return 0;
}

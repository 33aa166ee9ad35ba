/* conform.c: running cases, and what cases have in common. */
#include "conform.h"

#include <grp.h>
#include <stdarg.h>
#include <sys/resource.h>

#define CASE_SECONDS_MAX (getenv("USYSV_LONG") ? 120 : 20)
#define LINE_SIZE 4096
#define OBJECTS_MAX 256
#define CHILDREN_MAX 32
#define SLEEPERS_MAX 32
/* A process that sleeps for this many looks in a row, 1 ms apart, is asleep in the call in question. */
#define ASLEEP_LOOKS 20

enum kind { KIND_SHM, KIND_SEM, KIND_MSG };

struct slot {
	volatile int ready;
	volatile int done;
	volatile int released;
	long result;
	int error;
};

/* Shared by the runner, the case and the case's children. */
struct board {
	long values[SHARED_COUNT];
	char line[LINE_SIZE];
	size_t line_size;
	struct {
		enum kind kind;
		int id;
	} objects[OBJECTS_MAX];
	unsigned int n_objects;
	pid_t children[CHILDREN_MAX];
	unsigned int n_children;
	struct slot slots[SLEEPERS_MAX];
	unsigned int n_slots;
};

static struct board *board;
static struct conform_case *cases;
static pid_t case_pid;
static time_t mark;
static key_t next_key = 0x5f000000;

volatile long *shared;
void (*sleeper_prepare)(void);

/* --- the outcome line --- */

static const char *error_name(int error)
{
	const char *name = strerrorname_np(error);

	return name != NULL ? name : "E?";
}

void put(const char *format, ...)
{
	size_t room = LINE_SIZE - board->line_size;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(board->line + board->line_size, room, format, args);
	va_end(args);
	if (n > 0)
		board->line_size += (size_t)n < room ? (size_t)n : room - 1;
}

long put_ret(long result)
{
	if (result == -1)
		put(" %s", error_name(errno));
	else
		put(" %ld", result);
	return result;
}

long put_ok(long result)
{
	put(" %s", result == -1 ? error_name(errno) : "ok");
	return result;
}

void put_pid(pid_t pid)
{
	unsigned int i;

	if (pid == 0) {
		put(" 0");
		return;
	}
	if (pid == case_pid) {
		put(" self");
		return;
	}
	for (i = 0; i < board->n_children; i++) {
		if (board->children[i] == pid) {
			put(" child%u", i + 1);
			return;
		}
	}
	put(" stranger");
}

/* The clock that stamps are taken from: it may lag a precise one by a tick. */
static time_t coarse_now(void)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return now.tv_sec;
}

void put_time(time_t when)
{
	if (when == 0)
		put(" 0");
	else if (when < mark)
		put(" before");
	else if (when <= coarse_now() + 1)
		put(" now");
	else
		put(" future");
}

void mark_time(void)
{
	time_t start = coarse_now();

	while (coarse_now() == start)
		nap(2000);
	mark = coarse_now();
}

void put_perm(const struct ipc_perm *perm)
{
	put(" uid=%u gid=%u cuid=%u cgid=%u mode=%o", perm->uid, perm->gid, perm->cuid, perm->cgid,
	    perm->mode);
}

void put_shm(int id)
{
	struct shmid_ds ds = { 0 };

	if (shmctl(id, IPC_STAT, &ds) == -1) {
		put(" shm{%s}", error_name(errno));
		return;
	}
	put(" shm{mode=%o size=%zu nattch=%lu cpid", ds.shm_perm.mode, ds.shm_segsz,
	    (unsigned long)ds.shm_nattch);
	put_pid(ds.shm_cpid);
	put(" lpid");
	put_pid(ds.shm_lpid);
	put(" atime");
	put_time(ds.shm_atime);
	put(" dtime");
	put_time(ds.shm_dtime);
	put(" ctime");
	put_time(ds.shm_ctime);
	put("}");
}

void put_sem(int id)
{
	struct semid_ds ds = { 0 };
	unsigned long i;

	if (semctl(id, 0, IPC_STAT, (union semun){ .buf = &ds }) == -1) {
		put(" sem{%s}", error_name(errno));
		return;
	}
	put(" sem{");
	for (i = 0; i < ds.sem_nsems; i++) {
		put("%s%d", i == 0 ? "" : " ", sem_value(id, (int)i));
		put_pid(sem_pid(id, (int)i));
		put(" n%d z%d,", sem_count(id, (int)i), sem_zcount(id, (int)i));
	}
	put(" mode=%o otime", ds.sem_perm.mode);
	put_time(ds.sem_otime);
	put(" ctime");
	put_time(ds.sem_ctime);
	put("}");
}

void put_msg(int id)
{
	struct msqid_ds ds = { 0 };

	if (msgctl(id, IPC_STAT, &ds) == -1) {
		put(" msg{%s}", error_name(errno));
		return;
	}
	put(" msg{mode=%o qnum=%lu cbytes=%lu qbytes=%lu lspid", ds.msg_perm.mode, ds.msg_qnum,
	    ds.__msg_cbytes, ds.msg_qbytes);
	put_pid(ds.msg_lspid);
	put(" lrpid");
	put_pid(ds.msg_lrpid);
	put(" stime");
	put_time(ds.msg_stime);
	put(" rtime");
	put_time(ds.msg_rtime);
	put(" ctime");
	put_time(ds.msg_ctime);
	put("}");
}

long must(long result, const char *what, int line)
{
	if (result != -1)
		return result;
	put(" SETUP FAILED line %d: %s: %s", line, what, error_name(errno));
	_exit(3);
}

void skip(const char *reason)
{
	put(" SKIP %s", reason);
	_exit(0);
}

void need_uids(void)
{
	if (geteuid() != 0 || seteuid(NOBODY) == -1)
		skip("needs root with other uids");
	MUST(seteuid(0));
	if (seteuid(SOMEBODY) == -1)
		skip("needs root with other uids");
	MUST(seteuid(0));
}

/* --- objects --- */

key_t key_new(void)
{
	return next_key + (key_t)(getpid() % 1000) * 1000 + (key_t)board->n_objects;
}

static int track(enum kind kind, int id)
{
	if (id != -1 && board->n_objects < OBJECTS_MAX) {
		board->objects[board->n_objects].kind = kind;
		board->objects[board->n_objects].id = id;
		board->n_objects++;
	}
	return id;
}

int get_shm(key_t key, size_t size, int flags)
{
	return track(KIND_SHM, shmget(key, size, flags));
}

int get_sem(key_t key, int count, int flags)
{
	return track(KIND_SEM, semget(key, count, flags));
}

int get_msg(key_t key, int flags)
{
	return track(KIND_MSG, msgget(key, flags));
}

int shm_new(size_t size)
{
	return (int)MUST(get_shm(IPC_PRIVATE, size, 0600));
}

int sem_new(int count)
{
	return (int)MUST(get_sem(IPC_PRIVATE, count, 0600));
}

int msg_new(void)
{
	return (int)MUST(get_msg(IPC_PRIVATE, 0600));
}

int shm_stale(void)
{
	int id = shm_new(PAGE);

	MUST(shmctl(id, IPC_RMID, NULL));
	return id;
}

int sem_stale(void)
{
	int id = sem_new(1);

	MUST(semctl(id, 0, IPC_RMID));
	return id;
}

int msg_stale(void)
{
	int id = msg_new();

	MUST(msgctl(id, IPC_RMID, NULL));
	return id;
}

int sem_value(int id, int num)
{
	return semctl(id, num, GETVAL);
}

int sem_set(int id, int num, int value)
{
	return semctl(id, num, SETVAL, (union semun){ .val = value });
}

int sem_count(int id, int num)
{
	return semctl(id, num, GETNCNT);
}

int sem_zcount(int id, int num)
{
	return semctl(id, num, GETZCNT);
}

int sem_pid(int id, int num)
{
	return semctl(id, num, GETPID);
}

unsigned long shm_nattch(int id)
{
	struct shmid_ds ds = { 0 };

	MUST(shmctl(id, IPC_STAT, &ds));
	return ds.shm_nattch;
}

int msg_send(int id, long type, size_t size, int flags)
{
	struct message m = { .type = type };

	memset(m.text, 'a' + (int)((unsigned long)type % 26), sizeof(m.text));
	return msgsnd(id, &m, size, flags);
}

struct msqid_ds msg_stat(int id)
{
	struct msqid_ds ds = { 0 };

	MUST(msgctl(id, IPC_STAT, &ds));
	return ds;
}

int msg_set_qbytes(int id, unsigned long qbytes)
{
	struct msqid_ds ds = msg_stat(id);

	ds.msg_qbytes = qbytes;
	return msgctl(id, IPC_SET, &ds);
}

long put_receive(int id, size_t size, long type, int flags)
{
	struct message m = { .type = -7 };
	long n = msgrcv(id, &m, size, type, flags);

	if (n == -1)
		put(" %s", error_name(errno));
	else if (n == 0)
		put(" t%ld:0", m.type);
	else
		put(" t%ld:%ld%c", m.type, n, m.text[n - 1]);
	return n;
}

static void objects_remove(void)
{
	unsigned int i;

	for (i = 0; i < board->n_objects; i++) {
		int id = board->objects[i].id;

		if (board->objects[i].kind == KIND_SHM)
			(void)shmctl(id, IPC_RMID, NULL);
		else if (board->objects[i].kind == KIND_SEM)
			(void)semctl(id, 0, IPC_RMID);
		else
			(void)msgctl(id, IPC_RMID, NULL);
	}
}

/* --- bad pointers --- */

void *bad_pointer(void)
{
	static char *page;

	if (page == NULL) {
		page = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		MUST(page == MAP_FAILED ? -1 : 0);
	}
	return page + 64;
}

void *edge_pointer(size_t n)
{
	char *pages = mmap(NULL, 5 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	MUST(pages == MAP_FAILED ? -1 : 0);
	MUST(mprotect(pages + 4 * PAGE, PAGE, PROT_NONE));
	return pages + 4 * PAGE - n;
}

/* --- other processes --- */

void nap(long microseconds)
{
	struct timespec time = { microseconds / 1000000, microseconds % 1000000 * 1000 };

	(void)nanosleep(&time, NULL);
}

void await(int index, long value)
{
	while (shared[index] != value)
		nap(500);
}

void child_name(pid_t pid)
{
	if (board->n_children < CHILDREN_MAX)
		board->children[board->n_children++] = pid;
}

pid_t child_start(void (*body)(void *), void *arg)
{
	pid_t pid = fork();

	MUST(pid);
	if (pid == 0) {
		body(arg);
		_exit(0);
	}
	child_name(pid);
	return pid;
}

int child_wait(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		continue;
	return status;
}

void child_run(void (*body)(void *), void *arg)
{
	(void)child_wait(child_start(body, arg));
}

void child_kill(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)child_wait(pid);
}

void become(uid_t uid)
{
	MUST(setgroups(0, NULL));
	MUST(setresgid(uid, uid, uid));
	MUST(setresuid(uid, uid, uid));
}

void seem(uid_t uid)
{
	MUST(setgroups(0, NULL));
	MUST(setegid(uid));
	MUST(seteuid(uid));
}

void seem_root(void)
{
	MUST(seteuid(0));
	MUST(setegid(0));
}

/* State letter and voluntary switches of a thread; false if it is gone. */
static bool look_at(pid_t pid, pid_t tid, char *ret_state, long *ret_switches)
{
	char path[64];
	char line[256];
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)pid, (int)tid);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "State: %c", ret_state) == 1)
			continue;
		if (sscanf(line, "voluntary_ctxt_switches: %ld", ret_switches) == 1)
			break;
	}
	(void)fclose(file);
	return true;
}

void await_state(pid_t pid, char state)
{
	char now = '?';
	long switches;

	while (look_at(pid, pid, &now, &switches) && now != state)
		nap(500);
}

/* Asleep: not running, and not woken, for ASLEEP_LOOKS looks in a row. */
static void await_asleep(pid_t pid, pid_t tid, const volatile int *done)
{
	long last = -1;
	int looks = 0;

	while (looks < ASLEEP_LOOKS && !*done) {
		long switches = -2;
		char state = '?';

		if (!look_at(pid, tid, &state, &switches))
			return;
		looks = state == 'S' && switches == last ? looks + 1 : 0;
		last = switches;
		nap(1000);
	}
}

void await_thread_asleep(pid_t tid)
{
	int done = 0;

	await_asleep(getpid(), tid, &done);
}

struct sleeper sleeper_start(long (*call)(void *), void *arg)
{
	struct sleeper s = { 0, (int)board->n_slots++ };
	struct slot *slot = &board->slots[s.slot];

	s.pid = fork();
	MUST(s.pid);
	if (s.pid == 0) {
		if (sleeper_prepare != NULL)
			sleeper_prepare();
		slot->ready = 1;
		slot->result = call(arg);
		slot->error = errno;
		slot->done = 1;
		while (!slot->released)
			nap(500);
		_exit(0);
	}
	child_name(s.pid);
	while (!slot->ready)
		nap(200);
	return s;
}

void sleeper_settle(struct sleeper s)
{
	await_asleep(s.pid, s.pid, &board->slots[s.slot].done);
}

bool sleeper_is_done(struct sleeper s)
{
	return board->slots[s.slot].done != 0;
}

void put_sleeper_state(struct sleeper s)
{
	put(" %s", sleeper_is_done(s) ? "done" : "sleeping");
}

void put_sleeper(struct sleeper s)
{
	struct slot *slot = &board->slots[s.slot];

	while (!slot->done)
		nap(200);
	if (slot->result == -1)
		put(" %s", error_name(slot->error));
	else
		put(" %ld", slot->result);
}

void sleeper_end(struct sleeper s)
{
	board->slots[s.slot].released = 1;
	(void)child_wait(s.pid);
}

void put_sleeper_end(struct sleeper s)
{
	put_sleeper(s);
	sleeper_end(s);
}

struct sem_call {
	int id;
	size_t count;
	const struct sembuf *ops;
};

static long sem_call(void *arg)
{
	const struct sem_call *call = arg;

	return semop(call->id, (struct sembuf *)call->ops, call->count);
}

static int sleepers_counted(int id)
{
	struct semid_ds ds = { 0 };
	unsigned long i;
	int sum = 0;

	MUST(semctl(id, 0, IPC_STAT, (union semun){ .buf = &ds }));
	for (i = 0; i < ds.sem_nsems; i++)
		sum += sem_count(id, (int)i) + sem_zcount(id, (int)i);
	return sum;
}

struct sleeper semop_sleep(int id, const struct sembuf *ops, size_t count)
{
	struct sem_call call = { id, count, ops };
	int before = sleepers_counted(id);
	struct sleeper s = sleeper_start(sem_call, &call);

	while (!sleeper_is_done(s) && sleepers_counted(id) <= before)
		nap(200);
	return s;
}

struct msg_call {
	int id;
	size_t size;
	long type;
	int flags;
};

static long msgrcv_call(void *arg)
{
	const struct msg_call *call = arg;
	struct message m = { 0 };

	return msgrcv(call->id, &m, call->size, call->type, call->flags);
}

static long msgsnd_call(void *arg)
{
	const struct msg_call *call = arg;

	return msg_send(call->id, call->type, call->size, 0);
}

struct sleeper msgrcv_sleep(int id, size_t size, long type, int flags)
{
	struct msg_call call = { id, size, type, flags };
	struct sleeper s = sleeper_start(msgrcv_call, &call);

	sleeper_settle(s);
	return s;
}

struct sleeper msgsnd_sleep(int id, long type, size_t size)
{
	struct msg_call call = { id, size, type, 0 };
	struct sleeper s = sleeper_start(msgsnd_call, &call);

	sleeper_settle(s);
	return s;
}

/* --- the runner --- */

void conform_register(struct conform_case *c)
{
	struct conform_case **at = &cases;

	while (*at != NULL && (*at)->line < c->line)
		at = &(*at)->next;
	c->next = *at;
	*at = c;
}

static void case_body(const struct conform_case *c, const sigset_t *mask)
{
	struct rlimit no_core = { 0, 0 };

	(void)setpgid(0, 0);
	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)sigprocmask(SIG_SETMASK, mask, NULL);
	case_pid = getpid();
	mark = coarse_now();
	c->run();
	_exit(0);
}

/* False if the case took too long; then it has been killed. */
static bool case_reap(pid_t pid, int *ret_status)
{
	struct timespec limit = { CASE_SECONDS_MAX, 0 };
	bool in_time = true;
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	while (waitpid(pid, ret_status, WNOHANG) == 0) {
		if (sigtimedwait(&child, NULL, &limit) == -1 && errno == EAGAIN) {
			in_time = false;
			(void)kill(-pid, SIGKILL);
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, ret_status, 0);
			break;
		}
	}
	/* Children a failed case has left behind. */
	(void)kill(-pid, SIGKILL);
	return in_time;
}

static void case_run(const struct conform_case *c)
{
	sigset_t child;
	sigset_t mask;
	int status = 0;
	pid_t pid;

	memset(board, 0, sizeof(*board));
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &child, &mask);
	pid = fork();
	if (pid == 0)
		case_body(c, &mask);
	if (pid == -1)
		put(" SETUP FAILED: fork");
	else if (!case_reap(pid, &status))
		put(" TIMEOUT");
	else if (WIFSIGNALED(status))
		put(" KILLED BY %s", sigabbrev_np(WTERMSIG(status)));
	printf("%s %s:%.*s\n", c->rule, c->name, (int)board->line_size, board->line);
	(void)fflush(stdout);
	objects_remove();
}

static bool is_wanted(const struct conform_case *c, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], c->name) == 0 || strcmp(argv[i], c->rule) == 0)
			return true;
	}
	return argc == 1;
}

int main(int argc, char **argv)
{
	bool list = argc == 2 && strcmp(argv[1], "-l") == 0;
	const struct conform_case *c;

	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED)
		return 2;
	shared = board->values;
	for (c = cases; c != NULL; c = c->next) {
		if (list)
			printf("%s %s\n", c->rule, c->name);
		else if (is_wanted(c, argc, argv))
			case_run(c);
	}
	return 0;
}

/*
 * storm-daemon.c: the daemon is killed at random moments, under load, and started again.
 *
 * The storm keeps a namespace and a daemon of its own, so that it can also leave the daemon away for
 * a while.  Workers make and remove objects, add to semaphores, send and receive, attach, fork and
 * exec; now and then one of them is killed as well, with the daemon there or not.  Each keeps a book:
 * what its semaphore, its messages and its segments must be.  In the end the books are compared with
 * what exists, and nothing may be left over: an object without a key says by its mode whose it is, a
 * worker that lives never finds one of its own that it does not know, and one that was killed leaves one
 * at the most.  Meanwhile semop, msgsnd and msgrcv must go on, and a
 * call that needs the daemon must wait no longer than it was told to.  As root also calls that the daemon makes
 * in an ordinary user's stead (half.h).
 *
 *   KILLS, SEED, USYSV_LONG as in chaos.c; BUILD: where usysvd is
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>

#include "half.h"

#define MS 1000000ull
#define WORKERS 10
#define N_FREE 3           /* of the workers: they never ask the daemon for anything */
#define KEEPERS 2          /* as root, of ordinary users; in the books and among the workers after the others */
#define ALL (WORKERS + KEEPERS)
#define HALF_UID 60000u
#define UNDO WORKERS       /* a semaphore that everybody takes and gives with undo */
#define UNDO_START 1000
#define N_SEMS (WORKERS + 1)
/*
 * The mode of a worker's object without a key: the worker, and which one of those that had its number.  Of four
 * some were killed before they could clear away what the first of them had left.
 */
#define MODE_OWN(own, life) (0600u | ((unsigned)(life) & 7) << 4 | (unsigned)(own))
#define KEY_SHARED 0x5000
#define KEY_OWN 0x6000
#define KEY_HALF 0x7000
#define SHARED_FD 60
/* A control call must be through by then: a daemon that is away, restarts, a busy machine. */
#define PATIENCE_MS "60000"
#define READY_MS 25000
#define SHORT_PATIENCE_MS "400"
#define SHORT_PATIENCE_LEAST_MS 200

/* A worker's book; the words are changed in this order: begun, the operation, done. */
struct book {
	_Atomic int added_begun, added;       /* to its semaphore */
	_Atomic int sent_begun, sent;         /* messages of its type, numbered */
	_Atomic int received_begun, received;
	_Atomic int lives, n_killed, n_left;  /* workers so far, killed ones, objects these have left */
	_Atomic uint64_t n_free, n_control;   /* operations that need no daemon, and others */
	_Atomic uint64_t slowest_ns;
	_Atomic int problem;
	char text[160];
};

struct shared {
	_Atomic bool finish;
	int set, queue, segment;
	struct book books[ALL];
	struct half_book halves[KEEPERS];
};

struct note {
	long type;
	int number;
};

static struct shared *shared;
static struct book *book;
static int own;
static pid_t daemon_pid, workers[ALL];
static char dir[PATH_MAX];
static int n_kills, n_worker_kills, n_away, n_stuck;
static int n_all = WORKERS;
static int next_away = 5;

/* --- in a worker ---------------------------------------------------------------------------------- */

__attribute__((noreturn, format(printf, 1, 2))) static void problem(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(book->text, sizeof(book->text), format, arguments);
	va_end(arguments);
	atomic_store(&book->problem, 1);
	_exit(99);
}

static void check(long r, const char *call)
{
	if (r < 0)
		problem("%s: %s", call, strerror(errno));
}

static void add(int num, int delta, int flags)
{
	struct sembuf op = {(unsigned short)num, (short)delta, (short)flags};

	check(semop(shared->set, &op, 1), "semop");
	atomic_fetch_add(&book->n_free, 1);
}

static void work_sem(void)
{
	int value = atomic_load(&book->added);
	int delta = value > 100 ? -value : 1 + (int)chaos_below(5);

	atomic_store(&book->added_begun, value + delta);
	add(own, delta, 0);
	atomic_store(&book->added, value + delta);
	if (semctl(shared->set, own, GETVAL) != value + delta)
		problem("semaphore %d is %d, not %d", own, semctl(shared->set, own, GETVAL),
			value + delta);
	add(UNDO, -1, SEM_UNDO);
	if (chaos_below(100) == 0)
		chaos_nap(MS / 4); /* so that many are killed just here */
	add(UNDO, 1, SEM_UNDO);
}

static void work_send(void)
{
	struct note note = {own + 1, atomic_load(&book->sent)};

	atomic_store(&book->sent_begun, note.number + 1);
	if (msgsnd(shared->queue, &note, sizeof(note.number), IPC_NOWAIT) == 0)
		atomic_store(&book->sent, note.number + 1);
	else if (errno == EAGAIN)
		atomic_store(&book->sent_begun, note.number);
	else
		problem("msgsnd: %s", strerror(errno));
	atomic_fetch_add(&book->n_free, 1);
}

static bool work_receive(void)
{
	struct note note = {0};
	int expected = atomic_load(&book->received);

	atomic_store(&book->received_begun, expected + 1);
	if (msgrcv(shared->queue, &note, sizeof(note.number), own + 1, IPC_NOWAIT) < 0) {
		if (errno != ENOMSG)
			problem("msgrcv: %s", strerror(errno));
		if (expected != atomic_load(&book->sent))
			problem("messages %d to %d are lost", expected, atomic_load(&book->sent) - 1);
		atomic_store(&book->received_begun, expected);
		return false;
	}
	if (note.number != expected)
		problem("message %d comes instead of %d", note.number, expected);
	atomic_store(&book->received, expected + 1);
	atomic_fetch_add(&book->n_free, 1);
	return true;
}

/* After a kill: what was under way has happened or not. */
static void take_over(void)
{
	int value = semctl(shared->set, own, GETVAL);
	struct note note = {0};
	int expected = atomic_load(&book->received);

	if (value != atomic_load(&book->added) && value != atomic_load(&book->added_begun))
		problem("semaphore %d is %d, not %d or %d", own, value, atomic_load(&book->added),
			atomic_load(&book->added_begun));
	atomic_store(&book->added, value);
	/* The message under way is there, or it is not: all others are in order. */
	while (msgrcv(shared->queue, &note, sizeof(note.number), own + 1, IPC_NOWAIT) >= 0) {
		if (note.number != expected &&
		    !(note.number == expected + 1 && atomic_load(&book->received_begun) == expected + 1))
			problem("message %d comes instead of %d", note.number, expected);
		expected = note.number + 1;
		atomic_store(&book->received_begun, expected);
	}
	if (expected != atomic_load(&book->sent) && expected != atomic_load(&book->sent_begun) &&
	    atomic_load(&book->received_begun) != atomic_load(&book->sent))
		problem("messages %d to %d are lost", expected, atomic_load(&book->sent) - 1);
	atomic_store(&book->sent, 0);
	atomic_store(&book->sent_begun, 0);
	atomic_store(&book->received, 0);
	atomic_store(&book->received_begun, 0);
}

/* A segment of its own by key, from nothing to nothing. */
static void work_segment(bool has_key)
{
	key_t key = has_key ? KEY_OWN + own : IPC_PRIVATE;
	int id = shmget(key, 8192, IPC_CREAT | IPC_EXCL | MODE_OWN(own, atomic_load(&book->lives)));
	struct shmid_ds status;
	int *memory;

	check(id, "shmget");
	memory = shmat(id, NULL, 0);
	if (memory == (void *)-1)
		problem("shmat: %s", strerror(errno));
	memory[0] = own;
	check(shmctl(id, IPC_STAT, &status), "IPC_STAT");
	if (status.shm_nattch != 1)
		problem("shm %d: nattch %lu, not 1", id, (unsigned long)status.shm_nattch);
	check(shmctl(id, IPC_RMID, NULL), "IPC_RMID of a segment");
	if (shmctl(id, IPC_STAT, &status) != 0 || status.shm_nattch != 1 || memory[0] != own)
		problem("shm %d: a marked segment is gone while it is attached", id);
	check(shmdt(memory), "shmdt");
}

static void work_objects(void)
{
	int set = semget(KEY_OWN + own, 3, IPC_CREAT | IPC_EXCL | 0600);
	int queue;

	check(set, "semget");
	check(semctl(set, 1, SETVAL, 7), "SETVAL");
	queue = msgget(IPC_PRIVATE, MODE_OWN(own, atomic_load(&book->lives)));
	check(queue, "msgget");
	check(msgctl(queue, IPC_RMID, NULL), "IPC_RMID of a queue");
	check(semctl(set, 0, IPC_RMID), "IPC_RMID of a set");
	if (semget(KEY_OWN + own, 0, 0) >= 0)
		problem("a removed set is still found");
}

static void work_fork(void)
{
	void *memory = shmat(shared->segment, NULL, 0);
	char number[16];
	pid_t pid;

	if (memory == (void *)-1)
		problem("shmat of the shared segment: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		switch (chaos_below(3)) {
		case 0:
			(void)snprintf(number, sizeof(number), "%u", chaos_below(20));
			(void)execl("/proc/self/exe", "nap", number, (char *)NULL);
			_exit(97);
		case 1:
			(void)kill(getpid(), SIGKILL);
			_exit(97);
		default:
			exit(shmdt(memory) == 0 ? 0 : 96);
		}
	}
	check(pid, "fork");
	(void)chaos_below(3); /* not what the child chose */
	check(waitpid(pid, NULL, 0), "waitpid");
	check(shmdt(memory), "shmdt of the shared segment");
}

/* Whether an object without a key is this worker's (or was, of its predecessors). */
static bool is_own(const struct ipc_perm *perm, bool of_dead)
{
	bool of_this_life = (perm->mode & 0777) == MODE_OWN(own, atomic_load(&book->lives));

	return perm->__key == IPC_PRIVATE && (perm->mode & 0617) == MODE_OWN(own, 0) &&
	       !(perm->mode & SHM_DEST) && of_this_life != of_dead;
}

/* Removes the worker's objects without a key, or its predecessors'; how many there were. */
static int clear_private(bool of_dead)
{
	struct shm_info info;
	struct msginfo msg_info;
	struct shmid_ds segment;
	struct msqid_ds queue;
	int n_shm = shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info);
	int n_msg = msgctl(0, MSG_INFO, (struct msqid_ds *)(void *)&msg_info);
	int n = 0;

	for (int i = 0; i <= n_shm; i++) {
		int id = shmctl(i, SHM_STAT, &segment);

		if (id >= 0 && is_own(&segment.shm_perm, of_dead))
			n += shmctl(id, IPC_RMID, NULL) == 0;
	}
	for (int i = 0; i <= n_msg; i++) {
		int id = msgctl(i, MSG_STAT, &queue);

		if (id >= 0 && is_own(&queue.msg_perm, of_dead))
			n += msgctl(id, IPC_RMID, NULL) == 0;
	}
	return n;
}

static void check_private(void)
{
	int n = clear_private(false);

	if (n > 0)
		problem("%d objects without a key that nobody was told of", n);
}

static void work(void)
{
	uint64_t begin_ns = chaos_now_ns();
	uint64_t took_ns;

	switch (own < N_FREE ? 9 : chaos_below(10)) {
	case 0:
		work_segment(true);
		break;
	case 1:
		work_segment(false);
		break;
	case 2:
		work_objects();
		break;
	case 3:
		work_fork();
		break;
	default:
		for (uint32_t n = chaos_below(200); n > 0; n--) {
			work_sem();
			work_send();
			if (chaos_below(2))
				while (work_receive())
					continue;
		}
		return;
	}
	if (chaos_below(8) == 0)
		check_private();
	took_ns = chaos_now_ns() - begin_ns;
	if (took_ns > atomic_load(&book->slowest_ns))
		atomic_store(&book->slowest_ns, took_ns);
	atomic_fetch_add(&book->n_control, 1);
}

/* What killed workers have left is their successor's to remove. */
static void clear_own(void)
{
	int id = shmget(KEY_OWN + own, 0, 0);

	if (id >= 0)
		check(shmctl(id, IPC_RMID, NULL), "IPC_RMID of a dead worker's segment");
	id = semget(KEY_OWN + own, 0, 0);
	if (id >= 0)
		check(semctl(id, 0, IPC_RMID), "IPC_RMID of a dead worker's set");
	atomic_fetch_add(&book->n_left, clear_private(true));
}

static int worker_main(int number, uint64_t seed)
{
	own = number;
	book = &shared->books[own];
	chaos_seed(seed);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	atomic_fetch_add(&book->lives, 1);
	/* The daemon answers in order: what the last one had asked for is done or lost by then. */
	work_segment(false);
	clear_own();
	take_over();
	while (!atomic_load(&shared->finish))
		work();
	while (work_receive())
		continue;
	check_private();
	return 0;
}

/* Is never killed, as his users are. */
static int keeper_main(int number, uint64_t seed)
{
	struct half half = {
		.book = &shared->halves[number - WORKERS],
		.finish = &shared->finish,
		.dir = getenv("USYSV_DIR"),
		.uid = HALF_UID + (uint32_t)number,
		.key = KEY_HALF + 2 * number,
		.problem = problem,
	};

	book = &shared->books[number];
	chaos_seed(seed);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	half_keep(&half);
	return 0;
}

/* --- helpers of the parent, each a process of its own --------------------------------------------- */

/* Makes what all share. */
static int begin_main(void)
{
	unsigned short values[N_SEMS] = {[UNDO] = UNDO_START};

	shared->set = semget(KEY_SHARED, N_SEMS, IPC_CREAT | IPC_EXCL | 0600);
	shared->queue = msgget(KEY_SHARED, IPC_CREAT | IPC_EXCL | 0600);
	shared->segment = shmget(KEY_SHARED, 4096, IPC_CREAT | IPC_EXCL | 0600);
	return shared->set < 0 || shared->queue < 0 || shared->segment < 0 ||
	       semctl(shared->set, 0, SETALL, values) < 0;
}

static int used_ids(int which)
{
	struct shm_info shm;
	struct seminfo sem;
	struct msginfo msg;

	if (which == 0)
		return shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&shm) < 0 ? -1 : shm.used_ids;
	if (which == 1)
		return semctl(0, 0, SEM_INFO, &sem) < 0 ? -1 : sem.semusz;
	return msgctl(0, MSG_INFO, (struct msqid_ds *)(void *)&msg) < 0 ? -1 : msg.msgpool;
}

/* How many objects there are besides what begin_main made; waits for marked segments to go. */
static int n_left_over(void)
{
	uint64_t end_ns = chaos_now_ns() + 20000 * MS;
	int n_left;

	for (;;) {
		n_left = 0;
		for (int which = 0; which < 3; which++)
			n_left += used_ids(which) - 1;
		if (n_left == 0 || chaos_now_ns() > end_ns)
			return n_left;
		chaos_nap(10 * MS);
	}
}

/* With all workers gone; nothing may be left but what begin_main made. */
static int end_main(void)
{
	struct shmid_ds segment;
	struct msqid_ds queue;
	int n_left;

	for (int i = 0; i < WORKERS; i++) {
		own = i;
		book = &shared->books[i];
		atomic_fetch_add(&book->lives, 1);
		clear_own();
		take_over(); /* of those who were killed last */
		if (atomic_load(&book->n_left) > atomic_load(&book->n_killed))
			chaos_wrong("%d objects are left of %d killed workers", atomic_load(&book->n_left),
				    atomic_load(&book->n_killed));
	}
	if (semctl(shared->set, UNDO, GETVAL) != UNDO_START)
		chaos_wrong("the semaphore with undo is %d, not %d", semctl(shared->set, UNDO, GETVAL),
			    UNDO_START);
	if (shmctl(shared->segment, IPC_STAT, &segment) != 0 || segment.shm_nattch != 0)
		chaos_wrong("the shared segment: nattch %lu with nobody left",
			    (unsigned long)segment.shm_nattch);
	if (msgctl(shared->queue, IPC_STAT, &queue) != 0 || queue.msg_qnum != 0)
		chaos_wrong("the queue holds %lu messages", (unsigned long)queue.msg_qnum);
	n_left = n_left_over();
	if (n_left != 0)
		chaos_wrong("%d objects are left over", n_left);
	return chaos_wrongs() ? 1 : 0;
}

/* Without a daemon: a control call gives up when it was told to, and says that it cannot. */
static int away_main(void)
{
	uint64_t begin_ns = chaos_now_ns();
	int id = shmget(IPC_PRIVATE, 4096, 0600);
	int error = errno;
	uint64_t took_ms = (chaos_now_ns() - begin_ns) / MS;

	if (id >= 0 || error != ENOSYS) {
		printf("# wrong: shmget without a daemon: %d, %s\n", id, strerror(error));
		return 1;
	}
	/* It waits about as long as it may; how much later a busy machine lets it go is not ours to say. */
	if (took_ms < SHORT_PATIENCE_LEAST_MS) {
		printf("# wrong: shmget without a daemon gives up after %llu ms\n",
		       (unsigned long long)took_ms);
		return 1;
	}
	return 0;
}

/* --- the parent ----------------------------------------------------------------------------------- */

static _Noreturn void give_up(const char *why)
{
	printf("# abort: %s\nnot ok - storm-daemon: %s\n", why, why);
	(void)fflush(stdout);
	_exit(1);
}

static bool daemon_start(void)
{
	char path[PATH_MAX + 16], ready[16];
	struct pollfd poll_fd = {.events = POLLIN};
	bool is_killed = n_kills > 0 && chaos_below(4) == 0;
	char byte = 0;
	int fds[2];

	(void)snprintf(path, sizeof(path), "%s/usysvd", getenv("BUILD") ? getenv("BUILD") : "build");
	if (pipe(fds) != 0)
		return false;
	daemon_pid = fork();
	if (daemon_pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)unsetenv("LD_PRELOAD");
		(void)snprintf(ready, sizeof(ready), "%d", fds[1]);
		(void)execl(path, "usysvd", "--dir", dir, "--ready-fd", ready, (char *)NULL);
		_exit(97);
	}
	(void)close(fds[1]);
	poll_fd.fd = fds[0];
	/* Some are killed at their start, too: before they are ready or just then. */
	if (is_killed) {
		chaos_nap(chaos_below(8000) * 1000);
		(void)kill(daemon_pid, SIGKILL);
		n_kills++;
	}
	if (poll(&poll_fd, 1, READY_MS) == 0)
		chaos_wrong("the daemon is not ready after %d ms", READY_MS);
	else if (read(fds[0], &byte, 1) != 1)
		byte = 0;
	(void)close(fds[0]);
	if (byte && !is_killed)
		return true;
	(void)kill(daemon_pid, SIGKILL);
	(void)waitpid(daemon_pid, NULL, 0);
	return false;
}

static pid_t start(const char *what, int number)
{
	char text[2][24];
	pid_t pid;

	(void)snprintf(text[0], sizeof(text[0]), "%d", number);
	(void)snprintf(text[1], sizeof(text[1]), "%u", chaos_below(UINT32_MAX));
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		(void)execl("/proc/self/exe", "storm-daemon", what, text[0], text[1], (char *)NULL);
		_exit(97);
	}
	return pid;
}

static bool run(const char *what)
{
	int status = 0;
	pid_t pid = start(what, 0);

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return status == 0;
}

static void look_after_workers(bool may_restart)
{
	for (int i = 0; i < n_all; i++) {
		struct book *one = &shared->books[i];
		int status = 0;

		if (workers[i] > 0 && waitpid(workers[i], &status, WNOHANG) == workers[i]) {
			if (atomic_exchange(&one->problem, 0))
				chaos_wrong("worker %d: %s", i, one->text);
			else if (status != 0 && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
				chaos_wrong("worker %d ended with status 0x%x", i, (unsigned)status);
			else if (status != 0)
				atomic_fetch_add(&one->n_killed, 1);
			workers[i] = 0;
		}
		if (workers[i] == 0 && may_restart)
			workers[i] = start(i < WORKERS ? "worker" : "keeper", i);
	}
}

static uint64_t total_free(void)
{
	uint64_t n = 0;

	for (int i = 0; i < WORKERS; i++)
		n += atomic_load(&shared->books[i].n_free);
	return n;
}

/* Waits until each of those who never ask the daemon has done something.  False: somebody has not. */
static bool await_progress(void)
{
	uint64_t before[N_FREE];
	uint64_t end_ns = chaos_now_ns() + 20000 * MS;
	int n_moved = 0;

	for (int i = 0; i < N_FREE; i++)
		before[i] = atomic_load(&shared->books[i].n_free);
	while (n_moved < N_FREE && chaos_now_ns() < end_ns) {
		n_moved = 0;
		for (int i = 0; i < N_FREE; i++)
			n_moved += atomic_load(&shared->books[i].n_free) > before[i] + 10;
		chaos_nap(MS);
	}
	return n_moved == N_FREE;
}

/* While the daemon is away: what does not need it goes on, what does gives up in time. */
static void stay_away(void)
{
	n_away++;
	if (!await_progress())
		n_stuck++;
	(void)setenv("USYSV_TIMEOUT_MS", SHORT_PATIENCE_MS, 1);
	if (!run("away"))
		chaos_wrong("a call without a daemon");
	(void)setenv("USYSV_TIMEOUT_MS", PATIENCE_MS, 1);
}

static void kill_worker(int first)
{
	int i = first + (int)chaos_below((uint32_t)(WORKERS - first));

	if (workers[i] > 0)
		(void)kill(workers[i], SIGKILL);
	n_worker_kills++;
}

/* Mostly it sleeps, and to kill it then shows little: waits till it is at work, and a moment longer. */
static void await_work(void)
{
	uint64_t end_ns = chaos_now_ns() + 20 * MS;

	while (chaos_state(daemon_pid) == 'S' && chaos_now_ns() < end_ns)
		continue;
	end_ns = chaos_now_ns() + chaos_below(100000);
	while (chaos_now_ns() < end_ns)
		continue;
}

static void kill_daemon(void)
{
	bool is_away = n_kills >= next_away;

	/* Those who are to go on must have been welcomed. */
	if (is_away && !await_progress())
		chaos_wrong("somebody does nothing though the daemon is there");
	if (chaos_chance(75))
		await_work();
	(void)kill(daemon_pid, SIGKILL);
	(void)waitpid(daemon_pid, NULL, 0);
	n_kills++;
	if (chaos_below(3) == 0)
		kill_worker(N_FREE);
	if (is_away) {
		stay_away();
		next_away = n_kills + 12;
	} else if (chaos_below(3) == 0) {
		chaos_nap(chaos_below(20) * MS);
	}
	for (int tries = 0; !daemon_start(); tries++) {
		if (tries > 50)
			give_up("the daemon does not start any more");
	}
}

static void storm(int kills)
{
	while (n_kills < kills && chaos_wrongs() < 3) {
		chaos_nap(chaos_below(40) * MS + chaos_below(1000) * 1000);
		look_after_workers(true);
		if (chaos_below(5) == 0 && n_kills < next_away)
			kill_worker(0);
		kill_daemon();
	}
}

/* All end; false: somebody hangs. */
static bool finish(void)
{
	uint64_t end_ns = chaos_now_ns() + 90000 * MS;
	bool is_alive = true;

	atomic_store(&shared->finish, true);
	while (is_alive && chaos_now_ns() < end_ns) {
		is_alive = false;
		look_after_workers(false);
		for (int i = 0; i < n_all; i++)
			is_alive = is_alive || workers[i] > 0;
		chaos_nap(5 * MS);
	}
	for (int i = 0; i < n_all; i++)
		if (workers[i] > 0)
			(void)kill(workers[i], SIGKILL);
	return !is_alive;
}

static bool share(bool is_new)
{
	int fd = is_new ? memfd_create("storm-daemon", 0) : SHARED_FD;

	if (is_new && (fd < 0 || ftruncate(fd, sizeof(*shared)) != 0 || dup2(fd, SHARED_FD) < 0))
		return false;
	if (is_new)
		(void)close(fd);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, SHARED_FD, 0);
	return shared != MAP_FAILED;
}

static int report(uint64_t begin_ns, bool hangs)
{
	uint64_t n_control = 0, n_stead = 0, slowest_ns = 0;
	char name[120];
	bool is_ok;

	for (int i = 0; i < WORKERS; i++) {
		n_control += atomic_load(&shared->books[i].n_control);
		if (atomic_load(&shared->books[i].slowest_ns) > slowest_ns)
			slowest_ns = atomic_load(&shared->books[i].slowest_ns);
	}
	for (int i = 0; i < KEEPERS; i++)
		n_stead += atomic_load(&shared->halves[i].n_calls);
	is_ok = run("end");
	/* In ledgers/ the spare one is left, for a full file system. */
	is_ok = chaos_await_files(dir, "objects", 3) && chaos_await_files(dir, "ledgers", 1) && is_ok;
	for (int i = 0; i < n_all; i++)
		if (atomic_load(&shared->books[i].problem))
			chaos_wrong("worker %d, in the end: %s", i, shared->books[i].text);
	is_ok = is_ok && chaos_wrongs() == 0;
	printf("# %d kills of the daemon, %d of workers; %llu operations without it, %llu with it, the "
	       "slowest %llu ms; %.1f s\n",
	       n_kills, n_worker_kills, (unsigned long long)total_free(), (unsigned long long)n_control,
	       (unsigned long long)(slowest_ns / MS), (double)(chaos_now_ns() - begin_ns) / 1e9);
	(void)snprintf(name, sizeof(name), "storm-daemon: %d kills, nothing lost, leaked or doubled", n_kills);
	chaos_result(name, is_ok);
	chaos_result("storm-daemon: nobody hangs", !hangs);
	(void)snprintf(name, sizeof(name), "storm-daemon: away %d times, semop, msgsnd and msgrcv go on", n_away);
	chaos_result(name, n_stuck == 0);
	(void)snprintf(name, sizeof(name), "storm-daemon: %llu calls in somebody's stead, each done once",
		       (unsigned long long)n_stead);
	if (n_all == ALL)
		chaos_result(name, is_ok);
	else
		chaos_result("storm-daemon: calls in somebody's stead # SKIP not root", true);
	return is_ok && !hangs && n_stuck == 0 ? 0 : 1;
}

static int parent_main(void)
{
	uint64_t begin_ns = chaos_now_ns();
	int kills = (int)chaos_environment("KILLS", getenv("USYSV_LONG") ? 2000 : 50);
	bool hangs;

	uint64_t seed = chaos_environment("SEED", begin_ns ^ (uint64_t)getpid() << 32);

	chaos_seed(seed);
	printf("# storm-daemon: SEED=%llu KILLS=%d\n", (unsigned long long)seed, kills);
	(void)snprintf(dir, sizeof(dir), "%s", "/dev/shm/usysv-storm-XXXXXX");
	if (!mkdtemp(dir) || !share(true)) {
		perror("storm-daemon");
		return 2;
	}
	(void)setenv("USYSV_DIR", dir, 1);
	(void)setenv("USYSV_TIMEOUT_MS", PATIENCE_MS, 1);
	if (geteuid() == 0)
		n_all = ALL;
	if (!daemon_start() || !run("begin"))
		give_up("the namespace cannot be made");
	look_after_workers(true);
	storm(kills);
	hangs = !finish();
	kills = report(begin_ns, hangs);
	(void)kill(daemon_pid, SIGTERM);
	(void)waitpid(daemon_pid, NULL, 0);
	if (kills == 0 && execl("/bin/rm", "rm", "-rf", dir, (char *)NULL) != 0)
		return 2;
	printf("# left for a look: %s\n", dir);
	return 1;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[0], "nap") == 0) {
		chaos_nap(strtoull(argv[1], NULL, 10) * MS);
		return 0;
	}
	if (!getenv("USYSV_DIR")) {
		printf("ok - storm-daemon # SKIP not in a namespace of usysv\n");
		return 0;
	}
	if (argc < 4)
		return parent_main();
	if (!share(false))
		return 95;
	if (strcmp(argv[1], "worker") == 0)
		return worker_main(atoi(argv[2]), strtoull(argv[3], NULL, 10));
	if (strcmp(argv[1], "keeper") == 0)
		return keeper_main(atoi(argv[2]), strtoull(argv[3], NULL, 10));
	if (strcmp(argv[1], "begin") == 0)
		return begin_main();
	return strcmp(argv[1], "away") == 0 ? away_main() : end_main();
}

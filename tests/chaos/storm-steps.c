/*
 * storm-steps.c: the daemon is killed at its n-th system call, for every n, and started again.
 *
 * A script makes, changes, uses and removes objects of each kind, forks, loses children by SIGKILL and
 * exec, and checks what each call says; as root also an ordinary user's calls which the daemon makes in his
 * stead, as he may write an object and not read it, or the other way round.  The daemon that serves it is traced (ptrace) and killed as it is
 * about to enter its n-th system call since it was ready; every second time the next one is killed too,
 * somewhere in its start; every fourth time the namespace is a new one, and one daemon was killed in making it.
 * The script must not notice, and in the end no object, file or ledger is left.
 * Between two system calls the daemon changes only the registry's memory; tests/sim kills there.
 *
 *   KILLS: steps to try, evenly spread; all with USYSV_LONG.  SEED: where they begin.  BUILD: where usysvd is
 *   PARTS: the script's only parts: g segment, s set, q queue, half: h semops, m
 *   messages, w waits, k is killed.  PATIENCE: seconds for what hangs
 */
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>

#include "chaos.h"

#define MS 1000000ull
#define KEY 0x5100
#define NOBODY 65534
/* System calls of a daemon that starts, at most; a kill beyond them does not come. */
#define START_CALLS_MAX 400
#define MAKE_CALLS_MAX 120
/* Daemons for one script; more are one that cannot start. */
#define DAEMONS_MAX 10

static unsigned patience_s = 20;

/* --- the script ------------------------------------------------------------------------------------- */

static _Noreturn void wrong(const char *what)
{
	printf("# wrong: %s: %s\n", what, strerror(errno));
	(void)fflush(stdout);
	_exit(98);
}

static int check(int r, const char *what)
{
	if (r < 0)
		wrong(what);
	return r;
}

static void expect(bool is_so, const char *what)
{
	if (!is_so)
		wrong(what);
}

/* Until something is so: what is not at once is soon. */
static void await(bool (*is_so)(int), int id, const char *what)
{
	uint64_t end_ns = chaos_now_ns() + patience_s * 1000 * MS;

	while (!is_so(id)) {
		expect(chaos_now_ns() < end_ns, what);
		chaos_nap(MS / 5);
	}
}

static int n_attached(int id)
{
	struct shmid_ds status;

	check(shmctl(id, IPC_STAT, &status), "IPC_STAT");
	return (int)status.shm_nattch;
}

/* The child ends as it will; what it leaves behind is settled, now or soon. */
static void end_child(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

/* A child that does this and nothing else, and does not hang. */
static pid_t start_child(void (*work)(void))
{
	pid_t pid = check(fork(), "fork");

	if (pid == 0) {
		(void)alarm(patience_s);
		work();
		_exit(0);
	}
	return pid;
}

static void end_well(pid_t pid, const char *what)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	expect(status == 0, what);
}

static void script_segment(void)
{
	int id = check(shmget(KEY, 8192, IPC_CREAT | IPC_EXCL | 0600), "shmget");
	int *memory = shmat(id, NULL, 0);
	struct shmid_ds status;
	pid_t pid;

	expect(memory != (void *)-1, "shmat");
	*memory = 7;
	check(shmctl(id, IPC_STAT, &status), "IPC_STAT");
	expect(status.shm_nattch == 1, "nattch is 1");
	status.shm_perm.mode = 0640;
	check(shmctl(id, IPC_SET, &status), "IPC_SET");
	check(shmctl(id, IPC_STAT, &status), "IPC_STAT");
	expect((status.shm_perm.mode & 0777) == 0640, "the mode is the new one");
	/* One child lets go, one runs another program, one is killed. */
	for (int i = 0; i < 3; i++) {
		pid = check(fork(), "fork");
		if (pid == 0 && i == 0)
			_exit(shmdt(memory) == 0 ? 0 : 96);
		if (pid == 0 && i == 1)
			(void)execl("/proc/self/exe", "nap", "0", (char *)NULL);
		if (pid == 0)
			(void)kill(getpid(), SIGKILL);
		end_child(pid);
		expect(n_attached(id) == 1, "nattch is 1 without the child");
	}
	check(shmctl(id, IPC_RMID, NULL), "IPC_RMID");
	expect(n_attached(id) == 1 && *memory == 7, "a marked segment stays while it is attached");
	expect(shmget(KEY, 0, 0) < 0 && errno == ENOENT, "its key is free");
	check(shmdt(memory), "shmdt");
}

static int ids[2]; /* what the children of the rest use */

static bool has_sleeper(int id)
{
	return semctl(id, 0, GETNCNT) == 1;
}

static bool has_no_sleeper(int id)
{
	return semctl(id, 0, GETNCNT) == 0;
}

static bool is_given_back(int id)
{
	return semctl(id, 1, GETVAL) == 5;
}

static void sleep_till_removal(void)
{
	struct sembuf take = {.sem_op = -1};

	expect(semop(ids[0], &take, 1) < 0 && errno == EIDRM, "semop on a set that is removed");
}

static void receive_till_removal(void)
{
	struct {
		long type;
		char text[10];
	} message;

	/* It may come too late: nobody sees who sleeps in a queue. */
	expect(msgrcv(ids[1], &message, sizeof(message.text), 0, 0) < 0 && (errno == EIDRM || errno == EINVAL),
	       "msgrcv from a queue that is removed");
}

static void script_set(void)
{
	int id = ids[0] = check(semget(IPC_PRIVATE, 2, 0600), "semget");
	int keyed = check(semget(KEY, 3, IPC_CREAT | IPC_EXCL | 0600), "semget of a key");
	struct sembuf take = {.sem_num = 1, .sem_op = -2, .sem_flg = SEM_UNDO};
	pid_t pid;

	check(semctl(id, 1, SETVAL, 5), "SETVAL");
	pid = check(fork(), "fork");
	if (pid == 0) {
		check(semop(id, &take, 1), "semop");
		(void)kill(getpid(), SIGKILL);
	}
	end_child(pid);
	await(is_given_back, id, "what the dead took is given back");
	check(semctl(keyed, 0, IPC_RMID), "IPC_RMID of the key's set");
	pid = start_child(sleep_till_removal);
	await(has_sleeper, id, "a child sleeps");
	check(semctl(id, 0, IPC_RMID), "IPC_RMID of the set");
	end_well(pid, "who slept in the set ends");
}

static void script_queue(void)
{
	struct {
		long type;
		char text[100];
	} message = {.type = 3};
	int id = check(msgget(IPC_PRIVATE, 0600), "msgget");
	unsigned qbytes = geteuid() == 0 ? 40000 : 12000; /* only root may raise it (MSG-41) */
	struct msqid_ds status;
	pid_t pid;

	check(msgsnd(id, &message, sizeof(message.text), IPC_NOWAIT), "msgsnd");
	check(msgctl(id, IPC_STAT, &status), "IPC_STAT of the queue");
	status.msg_qbytes = qbytes;
	status.msg_perm.mode = 0620;
	check(msgctl(id, IPC_SET, &status), "IPC_SET of the queue");
	check(msgctl(id, IPC_STAT, &status), "IPC_STAT of the queue");
	expect(status.msg_qbytes == qbytes && (status.msg_perm.mode & 0777) == 0620 && status.msg_qnum == 1,
	       "the queue is as it was set");
	check(msgsnd(id, &message, sizeof(message.text), IPC_NOWAIT), "msgsnd");
	for (int i = 0; i < 2; i++)
		expect(msgrcv(id, &message, sizeof(message.text), 0, IPC_NOWAIT) == sizeof(message.text),
		       "a message comes back");
	ids[1] = id;
	pid = start_child(receive_till_removal);
	chaos_nap(2 * MS);
	check(msgctl(id, IPC_RMID, NULL), "IPC_RMID of the queue");
	end_well(pid, "who slept in the queue ends");
	expect(msgctl(id, IPC_STAT, &status) < 0, "a removed queue is gone");
}

/* --- half a permission: the daemon makes the calls ------------------------------------------------- */

#define TEXT_SIZE 100

struct numbered {
	long type;
	int number;
	char text[TEXT_SIZE - sizeof(int)];
};

static int queue_to_send, queue_to_receive;

static void send_number(int id, int number)
{
	struct numbered message = {.type = 1 + number % 2, .number = number};

	check(msgsnd(id, &message, TEXT_SIZE, 0), "msgsnd of a number");
}

static void receive_number(int id, int number, int flags)
{
	struct numbered message = {0};

	expect(msgrcv(id, &message, TEXT_SIZE, 0, flags) == TEXT_SIZE, "a number comes");
	expect(message.number == number, "it is the next one");
}

static bool is_empty(int id)
{
	struct numbered message;

	return msgrcv(id, &message, TEXT_SIZE, 0, IPC_NOWAIT) < 0 && errno == ENOMSG;
}

static bool receives_again(int id)
{
	struct numbered message;

	return msgrcv(id, &message, TEXT_SIZE, 0, IPC_NOWAIT) == TEXT_SIZE && message.number == 9;
}

static void be_nobody(void)
{
	check(setgroups(0, NULL), "setgroups");
	check(setresgid(NOBODY, NOBODY, NOBODY), "setresgid");
	check(setresuid(NOBODY, NOBODY, NOBODY), "setresuid");
}

/* From 0, 0 to 4, 2. */
static void half_calls(void)
{
	struct sembuf give[] = {{.sem_op = 3}, {.sem_num = 1, .sem_op = 1, .sem_flg = SEM_UNDO}};
	struct sembuf take[] = {{.sem_op = -4, .sem_flg = IPC_NOWAIT}, {.sem_op = -2}};
	unsigned short values[] = {6, 2};

	be_nobody();
	check(semop(ids[0], give, 2), "semop in my stead");
	expect(semop(ids[0], take, 1) < 0 && errno == EAGAIN, "there are no more than 3");
	check(semctl(ids[0], 0, SETVAL, 5), "SETVAL in my stead");
	check(semop(ids[0], give, 1), "semop in my stead");
	check(semctl(ids[0], 0, SETALL, values), "SETALL in my stead");
	check(semop(ids[0], take + 1, 1), "semop in my stead");
}

static void half_messages(void)
{
	be_nobody();
	send_number(queue_to_send, 1);
	send_number(queue_to_send, 2);
	receive_number(queue_to_receive, 1, 0);
	receive_number(queue_to_receive, 2, IPC_NOWAIT);
	expect(is_empty(queue_to_receive), "no number comes twice");
}

/* Each of them waits for the parent. */
static void half_sleeps(void)
{
	struct sembuf take[] = {{.sem_op = -6}, {.sem_num = 1, .sem_op = -6}};
	struct timespec moment = {.tv_nsec = 2 * MS};

	be_nobody();
	expect(semtimedop(ids[0], take + 1, 1, &moment) < 0 && errno == EAGAIN, "semtimedop in my stead");
	check(semop(ids[0], take, 1), "blocked semop in my stead");
	receive_number(queue_to_receive, 3, 0);
	send_number(queue_to_send, 3);
}

static void half_is_killed_in_semop(void)
{
	struct sembuf take = {.sem_op = -1};

	be_nobody();
	(void)semop(ids[0], &take, 1);
	wrong("semop by who is to be killed");
}

static void half_is_killed_in_msgrcv(void)
{
	be_nobody();
	receive_number(queue_to_receive, 9, 0);
	wrong("msgrcv by who is to be killed");
}

static void half_till_removal(void)
{
	be_nobody();
	sleep_till_removal();
}

/* The parent maps none of them before the child is there: its calls go by what it inherits. */
static void half_begin(void)
{
	ids[0] = check(semget(IPC_PRIVATE, 2, 0602), "semget");
	queue_to_send = check(msgget(IPC_PRIVATE, 0602), "msgget");
	queue_to_receive = check(msgget(IPC_PRIVATE, 0604), "msgget");
}

static void half_end(void)
{
	expect(is_empty(queue_to_send) && is_empty(queue_to_receive), "each message was sent and received once");
	check(semctl(ids[0], 0, IPC_RMID), "IPC_RMID");
	check(msgctl(queue_to_send, IPC_RMID, NULL), "IPC_RMID");
	check(msgctl(queue_to_receive, IPC_RMID, NULL), "IPC_RMID");
}

static void half_offer(void)
{
	send_number(queue_to_receive, 1);
	send_number(queue_to_receive, 2);
}

static void script_half(void)
{
	half_begin();
	end_well(start_child(half_calls), "calls in somebody's stead");
	expect(semctl(ids[0], 0, GETVAL) == 4 && semctl(ids[0], 1, GETVAL) == 2, "each semop was done once");
	half_end();
}

static void script_half_messages(void)
{
	half_begin();
	end_well(start_child(half_offer), "two messages");
	end_well(start_child(half_messages), "messages in somebody's stead");
	receive_number(queue_to_send, 1, IPC_NOWAIT);
	receive_number(queue_to_send, 2, IPC_NOWAIT);
	half_end();
}

static void script_half_waits(void)
{
	struct sembuf give = {.sem_op = 6};
	struct msqid_ds status;
	pid_t pid;

	half_begin();
	pid = start_child(half_sleeps);
	send_number(queue_to_send, 1);
	send_number(queue_to_send, 2);
	check(msgctl(queue_to_send, IPC_STAT, &status), "IPC_STAT");
	status.msg_qbytes = 2 * TEXT_SIZE;
	check(msgctl(queue_to_send, IPC_SET, &status), "IPC_SET");
	await(has_sleeper, ids[0], "nobody sleeps in his stead");
	check(semop(ids[0], &give, 1), "semop");
	chaos_nap(2 * MS);
	send_number(queue_to_receive, 3);
	chaos_nap(4 * MS);
	for (int number = 1; number <= 3; number++)
		receive_number(queue_to_send, number, 0);
	end_well(pid, "blocked calls in somebody's stead");
	expect(semctl(ids[0], 0, GETVAL) == 0, "what was waited for was taken once");
	half_end();
}

static void script_half_killed(void)
{
	struct sembuf give = {.sem_op = 1};
	pid_t pid;

	half_begin();
	pid = start_child(half_is_killed_in_semop);
	await(has_sleeper, ids[0], "nobody sleeps in his stead");
	(void)kill(pid, SIGKILL);
	end_child(pid);
	await(has_no_sleeper, ids[0], "a dead one's call stands no more");
	check(semop(ids[0], &give, 1), "semop");
	expect(semctl(ids[0], 0, GETVAL) == 1, "a dead one takes nothing");
	pid = start_child(half_is_killed_in_msgrcv);
	chaos_nap(2 * MS);
	(void)kill(pid, SIGKILL);
	send_number(queue_to_receive, 9);
	end_child(pid);
	await(receives_again, queue_to_receive, "what a dead one was handed comes back");
	check(semctl(ids[0], 0, IPC_RMID), "IPC_RMID");
	ids[0] = check(semget(IPC_PRIVATE, 1, 0602), "semget");
	pid = start_child(half_till_removal);
	await(has_sleeper, ids[0], "nobody sleeps in his stead");
	half_end();
	end_well(pid, "who slept in somebody's stead ends");
}

static int script_main(void)
{
	const char *parts = getenv("PARTS") ? getenv("PARTS") : "gsqhmwk";

	if (strchr(parts, 'g'))
		script_segment();
	if (strchr(parts, 's'))
		script_set();
	if (strchr(parts, 'q'))
		script_queue();
	if (strchr(parts, 'h') && geteuid() == 0)
		script_half();
	if (strchr(parts, 'm') && geteuid() == 0)
		script_half_messages();
	if (strchr(parts, 'w') && geteuid() == 0)
		script_half_waits();
	if (strchr(parts, 'k') && geteuid() == 0)
		script_half_killed();
	return 0;
}

/* --- daemons ---------------------------------------------------------------------------------------- */

static char dir[PATH_MAX];
static pid_t daemon_pid, script_pid;
static int ready_fd = -1;
static bool is_ready, is_traced;
static unsigned long long killed_at; /* the number of the system call */

static void daemon_start(bool traced)
{
	char path[PATH_MAX + 16], ready[16];
	int fds[2];

	(void)snprintf(path, sizeof(path), "%s/usysvd", getenv("BUILD") ? getenv("BUILD") : "build");
	if (ready_fd >= 0)
		(void)close(ready_fd);
	if (pipe(fds) != 0)
		abort();
	daemon_pid = fork();
	if (daemon_pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)unsetenv("LD_PRELOAD");
		(void)snprintf(ready, sizeof(ready), "%d", fds[1]);
		if (traced && ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(97);
		(void)execl(path, "usysvd", "--dir", dir, "--ready-fd", ready, (char *)NULL);
		_exit(97);
	}
	(void)close(fds[1]);
	ready_fd = fds[0];
	is_ready = false;
	is_traced = traced;
}

static void daemon_kill(void)
{
	(void)kill(daemon_pid, SIGKILL);
	while (waitpid(daemon_pid, NULL, __WALL) < 0 && errno == EINTR)
		continue;
}

static void script_start(void)
{
	(void)fflush(stdout);
	script_pid = fork();
	if (script_pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)execl("/proc/self/exe", "storm-steps", "script", (char *)NULL);
		_exit(97);
	}
}

/* The traced daemon has stopped: it goes on, or is killed at its n-th system call since *count was 0. */
static void daemon_stopped(int status, int n, int *count)
{
	struct __ptrace_syscall_info info = {0};
	struct pollfd poll_fd = {.fd = ready_fd, .events = POLLIN};
	int signal_number = WSTOPSIG(status);

	if (signal_number == (SIGTRAP | 0x80)) {
		signal_number = 0;
		(void)ptrace(PTRACE_GET_SYSCALL_INFO, daemon_pid, sizeof(info), &info);
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY && ++*count == n) {
			killed_at = info.entry.nr;
			(void)kill(daemon_pid, SIGKILL);
			return;
		}
	} else if (signal_number == SIGTRAP) { /* it has become usysvd */
		signal_number = 0;
		(void)ptrace(PTRACE_SETOPTIONS, daemon_pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	}
	if (!is_ready && poll(&poll_fd, 1, 0) == 1) {
		is_ready = true;
		if (script_pid == 0) {
			*count = 0;
			script_start();
		}
	}
	(void)ptrace(PTRACE_SYSCALL, daemon_pid, NULL, (long)signal_number);
}

static void remove_namespace(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)execl("/bin/rm", "rm", "-rf", dir, (char *)NULL);
		_exit(97);
	}
	end_child(pid);
}

/* A new namespace, in whose making the daemon is killed at its n-th call; or when it is ready. */
static void make_anew(int n)
{
	int count = 0, status = 0;

	remove_namespace();
	script_pid = -1; /* not this time */
	daemon_start(true);
	while (waitpid(daemon_pid, &status, __WALL) == daemon_pid && WIFSTOPPED(status)) {
		daemon_stopped(status, n, &count);
		if (is_ready)
			(void)kill(daemon_pid, SIGKILL);
	}
}

/*
 * One script under a daemon killed at its n-th call, and then one killed in its start at the m-th (0: not).
 * The calls counted when the script ended first, or 0; -1: the script failed.
 */
static int step(int n, int m)
{
	int limits[DAEMONS_MAX + 1] = {n, m};
	int n_calls = 0, at = 0, count = 0, status = 0;

	script_pid = 0;
	daemon_start(true);
	for (;;) {
		pid_t pid = waitpid(-1, &status, __WALL);

		if (pid == daemon_pid && WIFSTOPPED(status)) {
			daemon_stopped(status, script_pid == 0 ? 0 : limits[at], &count);
		} else if (pid == daemon_pid) {
			count = 0;
			if (++at > DAEMONS_MAX)
				return -1;
			daemon_start(at == 1 && m > 0);
		} else if (pid == script_pid && !WIFSTOPPED(status)) {
			break;
		} else if (pid < 0 && errno != EINTR) {
			return -1;
		}
	}
	if (at == 0)
		n_calls = count;
	if (is_traced) {
		daemon_kill();
		daemon_start(false);
	}
	return status == 0 ? n_calls : -1;
}

/* --- what is left ----------------------------------------------------------------------------------- */

static int end_main(void)
{
	uint64_t end_ns = chaos_now_ns() + patience_s * 1000 * MS;
	struct shm_info shm;
	struct seminfo sem;
	struct msginfo msg;

	do {
		if (shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&shm) < 0 ||
		    semctl(0, 0, SEM_INFO, &sem) < 0 || msgctl(0, MSG_INFO, (struct msqid_ds *)(void *)&msg) < 0)
			wrong("the objects cannot be counted");
		if (shm.used_ids == 0 && sem.semusz == 0 && msg.msgpool == 0)
			return 0;
		chaos_nap(2 * MS);
	} while (chaos_now_ns() < end_ns);
	printf("# wrong: left over: %d segments, %d sets, %d queues\n", shm.used_ids, sem.semusz, msg.msgpool);
	return 1;
}

static bool has_ended_well(void)
{
	int status = 0;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		(void)execl("/proc/self/exe", "storm-steps", "end", (char *)NULL);
		_exit(97);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return status == 0;
}

/* The same, and nothing is left.  1 or more: the calls of a script that was not disturbed. */
static int step_and_look(int n, int m)
{
	int r = step(n, m);

	if (r >= 0 && (!has_ended_well() || !chaos_await_files(dir, "objects", 0) || !chaos_await_files(dir, "ledgers", 1)))
		r = -1;
	if (r < 0)
		chaos_wrong("the daemon was killed at call %d, number %llu, the next at call %d", n, killed_at, m);
	daemon_kill();
	return r;
}

/* Not everybody may: a container's filter, or a security module. */
static bool can_trace(void)
{
	int status = 1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 0 : 1);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return status == 0;
}

static int parent_main(void)
{
	uint64_t begin_ns = chaos_now_ns();
	unsigned seed = (unsigned)chaos_environment("SEED", begin_ns % 1000000 ^ (unsigned)getpid());
	int n_steps = (int)chaos_environment("KILLS", getenv("USYSV_LONG") ? INT_MAX : 120);
	int n_calls, stride, n_done = 0;
	char name[120];

	(void)snprintf(dir, sizeof(dir), "%s", "/dev/shm/usysv-steps-XXXXXX");
	if (!mkdtemp(dir)) {
		perror("storm-steps");
		return 2;
	}
	(void)setenv("USYSV_DIR", dir, 1);
	(void)snprintf(name, sizeof(name), "%u000", patience_s);
	(void)setenv("USYSV_TIMEOUT_MS", name, 1);
	n_calls = step_and_look(INT_MAX, 0);
	stride = n_calls / n_steps > 0 ? n_calls / n_steps : 1;
	printf("# storm-steps: SEED=%u, %d system calls, every %d%s\n", seed, n_calls, stride,
	       stride > 1 ? "th" : "");
	for (int n = 1 + (int)(seed % (unsigned)stride); n <= n_calls && chaos_wrongs() == 0; n += stride) {
		unsigned chosen = seed + 37u * (unsigned)n_done;

		if (n_done % 4 == 0)
			make_anew(1 + (int)(chosen % MAKE_CALLS_MAX));
		(void)step_and_look(n, n_done % 2 ? 1 + (int)(chosen % START_CALLS_MAX) : 0);
		n_done++;
	}
	(void)snprintf(name, sizeof(name), "storm-steps: the daemon killed at %d of its %d system calls", n_done,
		       n_calls);
	printf("# %.1f s\n", (double)(chaos_now_ns() - begin_ns) / 1e9);
	chaos_result(name, n_done > 0 && chaos_wrongs() == 0);
	if (geteuid() != 0)
		chaos_result("storm-steps: calls in somebody's stead # SKIP not root", true);
	if (chaos_wrongs() == 0 && execl("/bin/rm", "rm", "-rf", dir, (char *)NULL) != 0)
		return 2;
	printf("# left for a look: %s\n", dir);
	return 1;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[0], "nap") == 0)
		return 0;
	patience_s = (unsigned)chaos_environment("PATIENCE", patience_s);
	if (!getenv("USYSV_DIR")) {
		printf("ok - storm-steps # SKIP not in a namespace of usysv\n");
		return 0;
	}
	if (argc < 2 && !can_trace()) {
		printf("ok - storm-steps # SKIP no process may be traced here\n");
		return 0;
	}
	if (argc < 2)
		return parent_main();
	return strcmp(argv[1], "script") == 0 ? script_main() : end_main();
}

/*
 * fuzz-kernel.c: semaphore sets and queues beside the kernel's own, call by call.
 *
 * The one harness that makes system calls: in an IPC namespace of its own, made before anything
 * else; where that is not allowed it does nothing.  One process that never sleeps.
 *
 * Byte 0: odd a queue, even a set of byte 0 / 2 % 6 + 1 semaphores.  Then calls, by byte % 8:
 *   set    0..5 semop: count % 4 + 1, per operation sem, op, flags (as tests/model/semset-step.h)
 *          6 SETVAL: sem, value % 8 (255: 32767)    7 SETALL: the same, value
 *   queue  0..2 msgsnd: type 1 + n % 4, size    3..5 msgrcv: type n % 9 - 4 (64 MSG_NOERROR, 128
 *          MSG_EXCEPT), size    6 MSG_COPY: position, size    7 IPC_SET: qbytes n * 2
 * Checked: the same errno, and the same values, pids, counts, texts, bytes after each call.
 * Not covered: sleeping, more than one process, times, what a process's end does.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <unistd.h>

#include "fuzz.h"
#include "hooks.h"

#include "core/msgq.h"
#include "core/semset.h"

#define FILE_SIZE (3u << 20)
#define CALLS_MAX 200u
#define SEMS_MAX 6u
#define QBYTES 600u

#ifndef MSG_COPY
#define MSG_COPY 040000
#endif

union semun {
	int val;
	unsigned short *array;
};

struct letter {
	long type;
	uint8_t text[256];
};

static uint8_t *file; /* FILE_SIZE bytes */
static bool alone; /* in a namespace of our own */
static struct actor actor = { .client = 1 };

static bool told(const char *path, const char *line)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool is_told = fd >= 0 && write(fd, line, strlen(line)) == (ssize_t)strlen(line);

	if (fd >= 0)
		(void)close(fd);
	return is_told;
}

/* In a user namespace of our own: IPC_SET wants an owner and a group that exist there. */
static bool go_alone_as_user(void)
{
	unsigned uid = geteuid(), gid = getegid();
	char uids[32], gids[32];

	(void)snprintf(uids, sizeof(uids), "0 %u 1\n", uid);
	(void)snprintf(gids, sizeof(gids), "0 %u 1\n", gid);
	return unshare(CLONE_NEWUSER | CLONE_NEWIPC) == 0 && told("/proc/self/setgroups", "deny") &&
	       told("/proc/self/uid_map", uids) && told("/proc/self/gid_map", gids);
}

/*
 * Before any thread of a fuzzer: an unprivileged user needs a user namespace as well.  AFL++ has no
 * threads, but attaches memory of its own namespace first: with the first input.
 */
#ifndef __AFL_COMPILER
__attribute__((constructor))
#endif
static void go_alone(void)
{
	alone = unshare(CLONE_NEWIPC) == 0 || go_alone_as_user();
}

/* Only what was touched costs anything. */
static void file_reset(void)
{
	if (!file) {
		file = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		FUZZ_ASSERT(file != MAP_FAILED);
	}
	FUZZ_ASSERT(madvise(file, FILE_SIZE, MADV_DONTNEED) == 0);
}

/* --- sets ------------------------------------------------------------------------------------- */

static int sem_errno(int outcome)
{
	switch (outcome) {
	case SEMSET_DONE:
		return 0;
	case SEMSET_BLOCKED:
	case SEMSET_E_AGAIN:
		return EAGAIN;
	case SEMSET_E_RANGE:
		return ERANGE;
	case SEMSET_E_FBIG:
		return EFBIG;
	default:
		FUZZ_SAY("outcome %d", outcome);
		return -1;
	}
}

static bool set_grows(struct semset *set, int outcome)
{
	struct semset_growth growth;

	if (!semset_growth(set, outcome, &growth))
		return false;
	semset_grown(set, &growth);
	return true;
}

static void set_op(struct fuzz_input *input, struct semset *set, int semid)
{
	static const int16_t large[16] = { 32767,  -32767, -32768, 30000, -30000, 20000, -20000, 1000,
					   -1000, 16384,  -16384, 32766, -32766, 100,   -100,   0 };
	uint32_t n = fuzz_u8(input) % 4 + 1;
	struct abi_sembuf ops[4];
	struct sembuf asked[4];
	struct wakes wakes;
	int outcome, error;

	for (uint32_t i = 0; i < n; i++) {
		uint8_t sem = fuzz_u8(input), op = fuzz_u8(input), flags = fuzz_u8(input);

		ops[i].sem_num = sem >= 0xf8 ? 0xffff : (uint16_t)(sem % set->layout.n_sems);
		ops[i].sem_op = op >= 0xf0 ? large[op % 16] : (int16_t)(op % 16 - 8);
		ops[i].sem_flg = (int16_t)(IPC_NOWAIT | (flags & 2 ? SEM_UNDO : 0));
		asked[i] = (struct sembuf){ ops[i].sem_num, ops[i].sem_op, ops[i].sem_flg };
		FUZZ_SAY("  semaphore %u by %d%s", ops[i].sem_num, ops[i].sem_op,
			 flags & 2 ? " SEM_UNDO" : "");
	}
	do
		outcome = semset_op(set, &actor, ops, n, &wakes);
	while (set_grows(set, outcome));
	error = semop(semid, asked, n) == 0 ? 0 : errno;
	FUZZ_SAY("semop: errno %d, the kernel's %d", sem_errno(outcome), error);
	FUZZ_ASSERT(sem_errno(outcome) == error);
}

static void set_assign(struct fuzz_input *input, struct semset *set, int semid, bool all)
{
	uint32_t sem = fuzz_u8(input) % set->layout.n_sems;
	uint8_t code = fuzz_u8(input);
	uint16_t values[SEMS_MAX];
	union semun argument = { .val = code == 255 ? 32767 : code % 8 };
	struct wakes wakes;
	int outcome;

	for (uint32_t i = 0; i < SEMS_MAX; i++)
		values[i] = (uint16_t)argument.val;
	FUZZ_SAY("%s %u: %d", all ? "SETALL" : "SETVAL", sem, argument.val);
	do
		outcome = all ? semset_set_all(set, &actor, values, NULL, &wakes)
			      : semset_set_value(set, &actor, sem, values[0], &wakes);
	while (set_grows(set, outcome));
	FUZZ_ASSERT(outcome == SEMSET_DONE);
	if (all)
		argument.array = values;
	FUZZ_ASSERT(semctl(semid, (int)sem, all ? SETALL : SETVAL, argument) == 0);
}

static void set_compare(struct semset *set, int semid)
{
	for (uint32_t i = 0; i < set->layout.n_sems; i++) {
		uint32_t value, pid, ncnt, zcnt;

		FUZZ_ASSERT(semset_get_value(set, i, &value) == SEMSET_DONE);
		FUZZ_ASSERT(semset_get_pid(set, i, &pid) == SEMSET_DONE);
		FUZZ_ASSERT(semset_get_counts(set, i, &ncnt, &zcnt) == SEMSET_DONE);
		FUZZ_ASSERT((int)value == semctl(semid, (int)i, GETVAL));
		FUZZ_ASSERT((int)pid == semctl(semid, (int)i, GETPID));
		FUZZ_ASSERT(ncnt == 0 && zcnt == 0);
	}
}

static void try_set(struct fuzz_input *input, uint32_t n_sems)
{
	struct semset_layout layout;
	struct semset set;
	int semid = semget(IPC_PRIVATE, (int)n_sems, 0600);

	FUZZ_ASSERT(semid >= 0 && semset_layout(n_sems, &layout) == SEMSET_DONE);
	FUZZ_ASSERT(layout.size <= FILE_SIZE);
	file_reset();
	semset_format(file, &layout, 1);
	FUZZ_ASSERT(semset_bind(&set, file, layout.size) == SEMSET_DONE);
	for (uint32_t i = 0; i < CALLS_MAX && !fuzz_done(input); i++) {
		uint8_t code = fuzz_u8(input) % 8;

		if (code < 6)
			set_op(input, &set, semid);
		else
			set_assign(input, &set, semid, code == 7);
		set_compare(&set, semid);
	}
	FUZZ_ASSERT(semctl(semid, 0, IPC_RMID) == 0);
}

/* --- queues ----------------------------------------------------------------------------------- */

static int msg_errno(int outcome, int blocked)
{
	switch (outcome) {
	case MSGQ_DONE:
		return 0;
	case MSGQ_BLOCKED:
		return blocked;
	case MSGQ_E_2BIG:
		return E2BIG;
	case MSGQ_E_NOMSG:
		return ENOMSG;
	case MSGQ_E_INVAL:
		return EINVAL;
	default:
		FUZZ_SAY("outcome %d", outcome);
		return -1;
	}
}

static bool queue_grows(struct msgq *queue, int outcome)
{
	struct msgq_growth growth;

	if (outcome != MSGQ_GROW)
		return false;
	msgq_growth(queue, &growth);
	msgq_growth_done(queue, &growth);
	return true;
}

static void queue_send(struct fuzz_input *input, struct msgq *queue, int msqid)
{
	struct letter letter = { .type = 1 + fuzz_u8(input) % 4 };
	uint8_t size = fuzz_u8(input);
	struct wakes wakes;
	int outcome, error;

	for (uint32_t i = 0; i < size; i++)
		letter.text[i] = (uint8_t)(i * 7 + input->at);
	do
		outcome = msgq_send(queue, &actor, letter.type, letter.text, size, &wakes);
	while (queue_grows(queue, outcome));
	error = msgsnd(msqid, &letter, size, IPC_NOWAIT) == 0 ? 0 : errno;
	FUZZ_SAY("msgsnd type %ld, %u bytes: errno %d, the kernel's %d", letter.type, size,
		 msg_errno(outcome, EAGAIN), error);
	FUZZ_ASSERT(msg_errno(outcome, EAGAIN) == error);
}

static void queue_receive(struct fuzz_input *input, struct msgq *queue, int msqid, bool copy)
{
	uint8_t code = fuzz_u8(input);
	const struct msgq_want want = {
		.type = copy ? code % 16 - 1 : (code & 63) % 9 - 4,
		.size = fuzz_u8(input),
		.flags = (code & 64 ? ABI_MSG_NOERROR : 0) | (code & 128 && !copy ? ABI_MSG_EXCEPT : 0),
	};
	int flags = IPC_NOWAIT | (want.flags & ABI_MSG_NOERROR ? MSG_NOERROR : 0) |
		    (want.flags & ABI_MSG_EXCEPT ? 020000 : 0) | (copy ? MSG_COPY : 0);
	struct letter letter;
	uint8_t text[256];
	uint64_t size = 0;
	int64_t type = 0;
	struct wakes wakes;
	ssize_t n;
	int outcome, error;

	do
		outcome = copy ? msgq_copy(queue, want.type, want.size, code & 64, text, &size, &type)
			       : msgq_receive(queue, &actor, &want, text, &size, &type, &wakes);
	while (queue_grows(queue, outcome));
	n = msgrcv(msqid, &letter, want.size, want.type, flags);
	error = n >= 0 ? 0 : errno;
	FUZZ_SAY("%s %ld, %u bytes, flags %o: errno %d, the kernel's %d", copy ? "copy of" : "msgrcv type",
		 (long)want.type, (unsigned)want.size, flags, msg_errno(outcome, ENOMSG), error);
	if (copy && error == ENOSYS)
		return; /* a kernel without checkpoints */
	FUZZ_ASSERT(msg_errno(outcome, ENOMSG) == error);
	if (error == 0)
		FUZZ_ASSERT((uint64_t)n == size && letter.type == type &&
			    memcmp(letter.text, text, size) == 0);
}

static void queue_set(struct fuzz_input *input, struct msgq *queue, int msqid)
{
	uint32_t qbytes = fuzz_u8(input) * 2u;
	struct msqid_ds status;
	struct wakes wakes;

	FUZZ_SAY("IPC_SET: qbytes %u", qbytes);
	FUZZ_ASSERT(msgctl(msqid, IPC_STAT, &status) == 0);
	status.msg_qbytes = qbytes;
	FUZZ_ASSERT(msgctl(msqid, IPC_SET, &status) == 0);
	FUZZ_ASSERT(msgq_set(queue, &actor, qbytes, &wakes) == MSGQ_DONE);
}

static void queue_compare(struct msgq *queue, int msqid)
{
	struct msqid_ds status;
	struct msgq_stat stat;

	msgq_get_stat(queue, &stat);
	FUZZ_ASSERT(msgctl(msqid, IPC_STAT, &status) == 0);
	FUZZ_ASSERT(stat.qnum == status.msg_qnum && stat.qbytes == status.msg_qbytes);
	FUZZ_ASSERT(stat.cbytes == status.__msg_cbytes);
	FUZZ_ASSERT(stat.lspid == (uint32_t)status.msg_lspid);
	FUZZ_ASSERT(stat.lrpid == (uint32_t)status.msg_lrpid);
}

static void try_queue(struct fuzz_input *input)
{
	struct msgq_layout layout;
	struct msgq queue;
	struct msqid_ds status;
	int msqid = msgget(IPC_PRIVATE, 0600);

	FUZZ_ASSERT(msqid >= 0 && msgq_layout(QBYTES, &layout) == 0);
	FUZZ_ASSERT(layout.size <= FILE_SIZE);
	file_reset();
	msgq_format(file, &layout, QBYTES, 1);
	FUZZ_ASSERT(msgq_bind(&queue, file, layout.size) == MSGQ_DONE);
	FUZZ_ASSERT(msgctl(msqid, IPC_STAT, &status) == 0);
	status.msg_qbytes = QBYTES;
	FUZZ_ASSERT(msgctl(msqid, IPC_SET, &status) == 0);
	for (uint32_t i = 0; i < CALLS_MAX && !fuzz_done(input); i++) {
		uint8_t code = fuzz_u8(input) % 8;

		if (code < 3)
			queue_send(input, &queue, msqid);
		else if (code < 7)
			queue_receive(input, &queue, msqid, code == 6);
		else
			queue_set(input, &queue, msqid);
		queue_compare(&queue, msqid);
	}
	FUZZ_ASSERT(msgctl(msqid, IPC_RMID, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { .bytes = data, .size = size };
	uint8_t code = fuzz_u8(&input);

	hooks_reset();
	if (!alone)
		go_alone();
	if (!alone) {
		FUZZ_SAY("no IPC namespace of its own: nothing is done");
		return 0;
	}
	actor.pid = (uint32_t)getpid();
	if (code & 1)
		try_queue(&input);
	else
		try_set(&input, code / 2 % SEMS_MAX + 1);
	return 0;
}

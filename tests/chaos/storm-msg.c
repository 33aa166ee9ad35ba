/*
 * storm-msg.c: messages while their senders and receivers are killed and stopped.
 *
 * Every message says who sent it, which of his messages it is, and has a checksum.  A sender notes
 * that a send begins and that it has ended; a receiver counts what it has got, message by message.
 * At the end of a round: every acknowledged message was received once, or is still in the queue, or
 * was lost with a receiver killed in the midst of a receive that could have taken it.  None came
 * twice, none that was not sent, and those of one sender and type came in the order they were sent.
 * A message that was handed to a sleeper who died goes back to its place in the queue; who has had
 * later ones by then sees it late.  So no more may be lost or late than receives were killed.
 * Meanwhile msg_qbytes goes up and down.  And when all are dead, the queue's file must keep every
 * invariant: no block, no place for a call or a sleeper is missing.
 */
#include <fcntl.h>
#include <stddef.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/stat.h>

#include "chaos.h"
#include "core/msgq.h"

#define N_QUEUES 2
#define N_TYPES 4
#define TEXT_MAX 2000
#define QBYTES 16384
/* The daemon is given so long to clear up after the last death. */
#define VERIFY_NS 10000000000ull
/* Messages of one slot in a round; further sends wait for the next. */
#define SENT_MAX 20000u

struct text {
	uint32_t sender, number, size, sum;
	unsigned char filling[TEXT_MAX];
};

struct message {
	long type;
	struct text text;
};

#define HEAD_SIZE offsetof(struct text, filling)

enum { SEND_BEGUN = 1, SEND_ACKNOWLEDGED, SEND_REFUSED, SEND_MAYBE };

struct book {
	_Atomic uint32_t n_sent; /* numbers 0 to n_sent - 1 are used */
	_Atomic int receiving;   /* 0, or 1 + queue */
	_Atomic long wanted;     /* its type, as given to msgrcv; 0 also for MSG_EXCEPT */
	_Atomic unsigned char state[SENT_MAX];
	unsigned char queue[SENT_MAX], type[SENT_MAX];
	_Atomic unsigned char n_received[SENT_MAX];
};

static struct book *books;
static int ids[N_QUEUES];
static int allowed[N_QUEUES][N_TYPES + 1]; /* receives killed on the way that could have taken it */
static int n_killed[N_QUEUES];
static uint64_t n_lost, n_came_late, n_messages;
static _Atomic int *n_late; /* by queue and type */

/* --- in a worker ---------------------------------------------------------------------------------- */

static uint32_t checksum(const struct text *text)
{
	uint32_t sum = 2166136261u ^ text->sender ^ (text->number << 8) ^ (text->size << 3);

	for (uint32_t i = 0; i < text->size; i++)
		sum = (sum ^ text->filling[i]) * 16777619u;
	return sum;
}

static void do_send(int slot)
{
	static struct message message;
	struct book *book = &books[slot];
	uint32_t number = atomic_load(&book->n_sent);
	int queue = (int)chaos_below(N_QUEUES);
	uint32_t size = chaos_chance(20) ? chaos_below(TEXT_MAX) : chaos_below(40);

	if (number == SENT_MAX) {
		chaos_nap(1000000);
		return;
	}
	message.type = 1 + (long)chaos_below(N_TYPES);
	message.text.sender = (uint32_t)slot;
	message.text.number = number;
	message.text.size = size;
	memset(message.text.filling, (int)(chaos_random() & 0xff), size);
	message.text.sum = checksum(&message.text);
	book->queue[number] = (unsigned char)queue;
	book->type[number] = (unsigned char)message.type;
	atomic_store(&book->state[number], SEND_BEGUN);
	atomic_store(&book->n_sent, number + 1);
	if (msgsnd(ids[queue], &message, HEAD_SIZE + size, chaos_chance(40) ? IPC_NOWAIT : 0) == 0) {
		atomic_store(&book->state[number], SEND_ACKNOWLEDGED);
		return;
	}
	atomic_store(&book->state[number], SEND_REFUSED);
	if (errno != EAGAIN && errno != EINTR)
		chaos_problem(slot, "msgsnd: %s", strerror(errno));
}

/* What is wrong with a message from that queue, or NULL; counts it as received. */
static const char *take(const struct message *message, ssize_t size, int queue)
{
	const struct text *text = &message->text;
	struct book *book;
	unsigned char state;

	if (size < (ssize_t)HEAD_SIZE || size != (ssize_t)(HEAD_SIZE + text->size))
		return "its size is not what it says";
	if (text->sender >= CHAOS_SLOTS || text->number >= SENT_MAX || text->sum != checksum(text))
		return "its text is damaged";
	book = &books[text->sender];
	state = atomic_load(&book->state[text->number]);
	if (text->number >= atomic_load(&book->n_sent) || state == 0)
		return "it was never sent";
	if (state == SEND_REFUSED)
		return "its send had failed";
	if (book->queue[text->number] != queue || book->type[text->number] != message->type)
		return "it came with another type or from another queue";
	if (atomic_fetch_add(&book->n_received[text->number], 1) != 0)
		return "it came twice";
	return NULL;
}

static bool is_wanted(long type, long wanted, int flags)
{
	if (wanted == 0)
		return true;
	if (wanted < 0)
		return type <= -wanted;
	return (type == wanted) != ((flags & MSG_EXCEPT) != 0);
}

static void do_receive(int slot)
{
	static struct message message;
	/* Number after the last one of each sender and type that this process has seen. */
	static uint32_t next[N_QUEUES][CHAOS_SLOTS][N_TYPES + 1];
	struct book *book = &books[slot];
	struct text *text = &message.text;
	int queue = (int)chaos_below(N_QUEUES);
	long wanted = (long)chaos_below(2 * N_TYPES + 1) - N_TYPES;
	int flags = chaos_chance(40) ? IPC_NOWAIT : 0;
	const char *problem;
	ssize_t size;

	if (chaos_chance(50))
		wanted = 0;
	if (wanted > 0 && chaos_chance(20))
		flags |= MSG_EXCEPT;
	atomic_store(&book->wanted, flags & MSG_EXCEPT ? 0 : wanted);
	atomic_store(&book->receiving, 1 + queue);
	size = msgrcv(ids[queue], &message, sizeof(message.text), wanted, flags);
	if (size < 0) {
		int error = errno;

		atomic_store(&book->receiving, 0);
		if (error != EAGAIN && error != EINTR && error != ENOMSG)
			chaos_problem(slot, "msgrcv: %s", strerror(error));
		return;
	}
	/* The count changes in one step, so one who dies here either has it counted or has lost it. */
	problem = take(&message, size, queue);
	atomic_store(&book->receiving, 0);
	if (problem)
		chaos_problem(slot, "message %u of %u: %s", text->number, text->sender, problem);
	if (!is_wanted(message.type, wanted, flags))
		chaos_problem(slot, "asked for type %ld, got %ld", wanted, message.type);
	if (text->number < next[queue][text->sender][message.type])
		atomic_fetch_add(&n_late[queue * (N_TYPES + 1) + message.type], 1);
	else
		next[queue][text->sender][message.type] = text->number + 1;
}

static void do_set(int slot)
{
	static const unsigned long sizes[] = { 2000, QBYTES, QBYTES, 40000 };
	int queue = (int)chaos_below(N_QUEUES);
	struct msqid_ds status;

	if (msgctl(ids[queue], IPC_STAT, &status) != 0)
		chaos_problem(slot, "msgctl: %s", strerror(errno));
	status.msg_qbytes = sizes[chaos_below(sizeof(sizes) / sizeof(sizes[0]))];
	/* Only a privileged one may go beyond the limit. */
	if (msgctl(ids[queue], IPC_SET, &status) != 0 && errno != EPERM && errno != EINTR)
		chaos_problem(slot, "IPC_SET: %s", strerror(errno));
}

static void work(int slot)
{
	if (chaos_below(100) == 0)
		chaos_nap(chaos_below(2000000));
	if (chaos_below(2000) == 0)
		do_set(slot);
	if (chaos_chance(50))
		do_send(slot);
	else
		do_receive(slot);
}

/* --- in the parent -------------------------------------------------------------------------------- */

static void begin(void)
{
	for (int i = 0; i < N_QUEUES; i++) {
		struct msqid_ds status;

		if (msgctl(ids[i], IPC_STAT, &status) != 0)
			chaos_abort("msgctl: %s", strerror(errno));
		status.msg_qbytes = QBYTES;
		if (msgctl(ids[i], IPC_SET, &status) != 0)
			chaos_abort("IPC_SET: %s", strerror(errno));
	}
	memset(books, 0, CHAOS_SLOTS * sizeof(*books));
	memset(allowed, 0, sizeof(allowed));
	memset(n_killed, 0, sizeof(n_killed));
	for (int i = 0; i < N_QUEUES * (N_TYPES + 1); i++)
		atomic_store(&n_late[i], 0);
}

static void dead(int slot, pid_t pid, bool is_killed)
{
	struct book *book = &books[slot];
	uint32_t n = atomic_load(&book->n_sent);
	int queue;

	(void)pid;
	if (n > 0 && atomic_load(&book->state[n - 1]) == SEND_BEGUN) {
		atomic_store(&book->state[n - 1], SEND_MAYBE);
		if (!is_killed)
			chaos_wrong("worker %d ended by itself in the midst of a send", slot);
	}
	/* It died before the number was taken: the next worker uses it. */
	if (n < SENT_MAX)
		atomic_store(&book->state[n], 0);
	queue = atomic_exchange(&book->receiving, 0) - 1;
	if (queue < 0)
		return;
	n_killed[queue]++;
	for (long type = 1; type <= N_TYPES; type++)
		allowed[queue][type] += is_wanted(type, atomic_load(&book->wanted), 0);
	if (!is_killed)
		chaos_wrong("worker %d ended by itself in the midst of a receive", slot);
}

/* Takes everything out; what the queue says of itself must agree. */
static void drain(int queue)
{
	static struct message message;
	uint32_t next[CHAOS_SLOTS][N_TYPES + 1] = {0};
	struct msqid_ds before, after;
	unsigned long n = 0, bytes = 0;
	ssize_t size;

	if (msgctl(ids[queue], IPC_STAT, &before) != 0)
		chaos_abort("msgctl: %s", strerror(errno));
	while ((size = msgrcv(ids[queue], &message, sizeof(message.text), 0, IPC_NOWAIT)) >= 0) {
		struct text *text = &message.text;
		const char *problem = take(&message, size, queue);

		n++;
		bytes += (unsigned long)size;
		if (problem) {
			chaos_wrong("message %u of %u left in the queue: %s", text->number, text->sender,
				    problem);
			continue;
		}
		if (text->number < next[text->sender][message.type])
			chaos_wrong("message %u of %u left behind %u", text->number, text->sender,
				    next[text->sender][message.type] - 1);
		next[text->sender][message.type] = text->number + 1;
	}
	if (errno != ENOMSG)
		chaos_wrong("emptying queue %d: %s", queue, strerror(errno));
	if (before.msg_qnum != n || before.__msg_cbytes != bytes)
		chaos_wrong("queue %d said %lu messages, %lu bytes; it had %lu, %lu", queue,
			    before.msg_qnum, before.__msg_cbytes, n, bytes);
	if (msgctl(ids[queue], IPC_STAT, &after) != 0 || after.msg_qnum != 0 || after.__msg_cbytes != 0)
		chaos_wrong("queue %d is empty and says %lu messages, %lu bytes", queue, after.msg_qnum,
			    after.__msg_cbytes);
}

static void check_lost(const int (*lost)[N_TYPES + 1])
{
	for (int queue = 0; queue < N_QUEUES; queue++) {
		int n_lost_here = 0, n_late_here = 0;

		for (int type = 1; type <= N_TYPES; type++) {
			int late = atomic_load(&n_late[queue * (N_TYPES + 1) + type]);

			n_lost_here += lost[queue][type];
			n_late_here += late;
			if (lost[queue][type] + late > allowed[queue][type])
				chaos_wrong("queue %d type %d: %d lost, %d late; %d receives killed", queue,
					    type, lost[queue][type], late, allowed[queue][type]);
		}
		if (n_lost_here + n_late_here > n_killed[queue])
			chaos_wrong("queue %d: %d lost, %d late; %d receives killed", queue, n_lost_here,
				    n_late_here, n_killed[queue]);
		n_lost += (uint64_t)n_lost_here;
		n_came_late += (uint64_t)n_late_here;
	}
}

_Noreturn void assert_fail(const char *expression, const char *file, int line)
{
	chaos_abort("%s:%d: %s", file, line, expression);
}

/* The queue's file by itself; true where it keeps its invariants. */
static bool file_is_whole(int fd, size_t size)
{
	struct msgq queue;
	bool is_whole;
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (base == MAP_FAILED)
		chaos_abort("mmap: %s", strerror(errno));
	is_whole = msgq_bind(&queue, base, size) == MSGQ_DONE && msgq_verify(&queue);
	(void)munmap(base, size);
	return is_whole;
}

static void verify(int queue)
{
	const char *space = getenv("USYSV_DIR");
	uint64_t until_ns = chaos_now_ns() + VERIFY_NS;
	struct stat status;
	char path[500];
	int fd;

	if (!space) /* on the kernel there is no file */
		return;
	(void)snprintf(path, sizeof(path), "%s/objects/msg.%d", space, ids[queue]);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) != 0)
		chaos_abort("%s: %s", path, strerror(errno));
	while (!file_is_whole(fd, (size_t)status.st_size)) {
		if (chaos_now_ns() > until_ns) {
			chaos_wrong("the file of queue %d does not verify", queue);
			break;
		}
		chaos_nap(10000000);
	}
	(void)close(fd);
}

static void settle(void)
{
	int lost[N_QUEUES][N_TYPES + 1] = {0};

	for (int i = 0; i < N_QUEUES; i++) {
		drain(i);
		verify(i);
	}
	for (int slot = 0; slot < CHAOS_SLOTS; slot++) {
		struct book *book = &books[slot];

		for (uint32_t i = 0; i < atomic_load(&book->n_sent); i++) {
			if (atomic_load(&book->state[i]) != SEND_ACKNOWLEDGED)
				continue;
			n_messages++;
			if (atomic_load(&book->n_received[i]) == 0)
				lost[book->queue[i]][book->type[i]]++;
		}
	}
	check_lost(lost);
}

int main(void)
{
	static const struct chaos_storm storm = {
		.name = "storm-msg",
		.begin = begin,
		.work = work,
		.dead = dead,
		.settle = settle,
		.kills = 800,
		.kills_per_round = 60,
		.is_poked = true,
	};
	int status;

	books = chaos_share(CHAOS_SLOTS * sizeof(*books));
	n_late = chaos_share(N_QUEUES * (N_TYPES + 1) * sizeof(*n_late));
	for (int i = 0; i < N_QUEUES; i++) {
		ids[i] = msgget(IPC_PRIVATE, 0600);
		if (ids[i] < 0) {
			perror("msgget");
			return 2;
		}
	}
	status = chaos_run(&storm);
	printf("# %llu messages acknowledged, %llu lost with their receivers, %llu put back and late\n",
	       (unsigned long long)n_messages, (unsigned long long)n_lost,
	       (unsigned long long)n_came_late);
	for (int i = 0; i < N_QUEUES; i++)
		(void)msgctl(ids[i], IPC_RMID, NULL);
	return status;
}

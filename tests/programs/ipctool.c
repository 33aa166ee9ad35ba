/*
 * ipctool.c: System V calls from a shell script, one a process.
 *
 *     ipctool count                    objects of the namespace: "SEGMENTS SETS QUEUES"
 *     ipctool shm|sem|msg|huge KEY MODE  make (or find) an object, print "ok", "found" or the errno;
 *                                      huge: a segment in huge pages
 *     ipctool read KEY                 the text in a segment
 *     ipctool write KEY TEXT           put it there
 *     ipctool add KEY N                semop on a set's first semaphore, IPC_NOWAIT; prints the value
 *     ipctool send KEY SIZE            a message, IPC_NOWAIT
 *     ipctool take KEY SIZE            receive one of at most SIZE bytes, IPC_NOWAIT; prints its size
 *     ipctool pour KEY N               put N messages of a page into a queue, take them; how many were right
 *     ipctool give KEY UID             IPC_SET: another owner for a segment
 *     ipctool drop KEY                 remove the objects of that key, whatever they are
 *     ipctool fill shm|sem|msg|huge N       make up to N objects; how many, and the errno that ended it
 *     ipctool big SIZE                 make a segment of SIZE bytes and write every page
 *     ipctool hold KEY                 attach a segment and wait for standard input to end
 *     ipctool all                      one of each, used and removed
 *
 * Exit status 0 if the calls succeeded, 1 (and the errno's name) if one failed.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>

#define SEGMENT_SIZE 4096

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
	struct seminfo *info;
};

static int fail(void)
{
	printf("%s\n", strerrorname_np(errno));
	return 1;
}

static int done(const char *word)
{
	puts(word);
	return 0;
}

static int count(void)
{
	struct shm_info shm;
	struct seminfo sem;
	struct msginfo msg;

	if (shmctl(0, SHM_INFO, (struct shmid_ds *)&shm) == -1 ||
	    semctl(0, 0, SEM_INFO, (union semun){ .info = &sem }) == -1 ||
	    msgctl(0, MSG_INFO, (struct msqid_ds *)&msg) == -1)
		return fail();
	printf("%d %d %d\n", shm.used_ids, sem.semusz, msg.msgpool);
	return 0;
}

static int get(const char *kind, key_t key, int flags)
{
	if (strcmp(kind, "shm") == 0)
		return shmget(key, (flags & IPC_CREAT) != 0 ? SEGMENT_SIZE : 0, flags);
	if (strcmp(kind, "huge") == 0)
		return shmget(key, (flags & IPC_CREAT) != 0 ? SEGMENT_SIZE : 0, flags | SHM_HUGETLB);
	if (strcmp(kind, "sem") == 0)
		return semget(key, (flags & IPC_CREAT) != 0 ? 1 : 0, flags);
	return msgget(key, flags);
}

static int make(const char *kind, key_t key, int mode)
{
	if (get(kind, key, IPC_CREAT | IPC_EXCL | mode) != -1)
		return done("ok");
	if (errno == EEXIST && get(kind, key, mode) != -1)
		return done("found");
	return fail();
}

static int text(key_t key, const char *new_text)
{
	int id = shmget(key, 0, 0);
	char *at = id == -1 ? (char *)-1 : shmat(id, NULL, new_text == NULL ? SHM_RDONLY : 0);

	if (at == (char *)-1)
		return fail();
	if (new_text == NULL)
		return done(at);
	(void)snprintf(at, SEGMENT_SIZE, "%s", new_text);
	return done("ok");
}

struct page_message {
	long type;
	char text[SEGMENT_SIZE];
};

static int pour(key_t key, int n)
{
	static struct page_message m;
	int id = msgget(key, 0);
	int right = 0;

	for (int i = 0; i < n; i++) {
		m.type = 1 + i;
		m.text[SEGMENT_SIZE - 1] = (char)i;
		if (id == -1 || msgsnd(id, &m, SEGMENT_SIZE, IPC_NOWAIT) == -1)
			return fail();
	}
	for (int i = n; i-- > 0;) /* the last type first */
		right += msgrcv(id, &m, SEGMENT_SIZE, 1 + i, IPC_NOWAIT) == SEGMENT_SIZE &&
			 m.text[SEGMENT_SIZE - 1] == (char)i;
	printf("%d\n", right);
	return 0;
}

/* A message of up to a page. */
static int message(key_t key, size_t size, bool is_send)
{
	static struct page_message m = { .type = 1 };
	int id = msgget(key, 0);
	ssize_t n;

	if (id == -1 || size > sizeof(m.text))
		return fail();
	n = is_send ? msgsnd(id, &m, size, IPC_NOWAIT) : msgrcv(id, &m, size, 0, IPC_NOWAIT);
	if (n == -1)
		return fail();
	printf("%zd\n", n);
	return 0;
}

static int add(key_t key, int n)
{
	struct sembuf op = { 0, (short)n, IPC_NOWAIT };
	int id = semget(key, 0, 0);
	int value;

	if (id == -1 || semop(id, &op, 1) == -1)
		return fail();
	value = semctl(id, 0, GETVAL);
	if (value == -1)
		return fail();
	printf("%d\n", value);
	return 0;
}

static int give(key_t key, uid_t uid)
{
	int id = shmget(key, 0, 0);
	struct shmid_ds ds;

	if (id == -1 || shmctl(id, IPC_STAT, &ds) == -1)
		return fail();
	ds.shm_perm.uid = uid;
	return shmctl(id, IPC_SET, &ds) == -1 ? fail() : done("ok");
}

static int drop(key_t key)
{
	int shm = shmget(key, 0, 0);
	int sem = semget(key, 0, 0);
	int msg = msgget(key, 0);

	if (shm != -1 && shmctl(shm, IPC_RMID, NULL) == -1)
		return fail();
	if (sem != -1 && semctl(sem, 0, IPC_RMID) == -1)
		return fail();
	if (msg != -1 && msgctl(msg, IPC_RMID, NULL) == -1)
		return fail();
	return done(shm == -1 && sem == -1 && msg == -1 ? "absent" : "ok");
}

static int fill(const char *kind, int n_max)
{
	int n = 0;

	while (n < n_max && get(kind, IPC_PRIVATE, IPC_CREAT | 0600) != -1)
		n++;
	printf("%d %s\n", n, n == n_max ? "all" : strerrorname_np(errno));
	return 0;
}

static int big(size_t size)
{
	int id = shmget(IPC_PRIVATE, size, 0600);
	char *at = id == -1 ? (char *)-1 : shmat(id, NULL, 0);
	size_t i;

	if (at == (char *)-1)
		return fail();
	for (i = 0; i < size; i += SEGMENT_SIZE)
		at[i] = 1;
	if (shmctl(id, IPC_RMID, NULL) == -1)
		return fail();
	return done("ok");
}

static int hold(key_t key)
{
	int id = shmget(key, 0, 0);
	char byte;

	if (id == -1 || shmat(id, NULL, 0) == (void *)-1)
		return fail();
	(void)done("ok");
	(void)fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		continue;
	return 0;
}

static int all(void)
{
	struct {
		long type;
		char text[8];
	} message = { 1, "abc" };
	struct sembuf op = { 0, 1, 0 };
	int shm = shmget(IPC_PRIVATE, SEGMENT_SIZE, 0600);
	int sem = shm == -1 ? -1 : semget(IPC_PRIVATE, 1, 0600);
	int msg = sem == -1 ? -1 : msgget(IPC_PRIVATE, 0600);
	char *at = msg == -1 ? (char *)-1 : shmat(shm, NULL, 0);

	if (at == (char *)-1)
		return fail();
	at[0] = 'x';
	if (semop(sem, &op, 1) == -1 || msgsnd(msg, &message, 3, 0) == -1 ||
	    msgrcv(msg, &message, 8, 0, 0) != 3)
		return fail();
	if (shmdt(at) == -1 || shmctl(shm, IPC_RMID, NULL) == -1 ||
	    semctl(sem, 0, IPC_RMID) == -1 || msgctl(msg, IPC_RMID, NULL) == -1)
		return fail();
	return done("ok");
}

static long number(const char *text_number)
{
	return strtol(text_number, NULL, 0);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "count") == 0)
		return count();
	if (strcmp(what, "all") == 0)
		return all();
	if (argc == 3 && strcmp(what, "read") == 0)
		return text((key_t)number(argv[2]), NULL);
	if (argc == 4 && strcmp(what, "write") == 0)
		return text((key_t)number(argv[2]), argv[3]);
	if (argc == 4 && strcmp(what, "add") == 0)
		return add((key_t)number(argv[2]), (int)number(argv[3]));
	if (argc == 4 && (strcmp(what, "send") == 0 || strcmp(what, "take") == 0))
		return message((key_t)number(argv[2]), (size_t)number(argv[3]), what[0] == 's');
	if (argc == 4 && strcmp(what, "pour") == 0)
		return pour((key_t)number(argv[2]), (int)number(argv[3]));
	if (argc == 4 && strcmp(what, "give") == 0)
		return give((key_t)number(argv[2]), (uid_t)number(argv[3]));
	if (argc == 3 && strcmp(what, "drop") == 0)
		return drop((key_t)number(argv[2]));
	if (argc == 4 && strcmp(what, "fill") == 0)
		return fill(argv[2], (int)number(argv[3]));
	if (argc == 3 && strcmp(what, "big") == 0)
		return big((size_t)number(argv[2]));
	if (argc == 3 && strcmp(what, "hold") == 0)
		return hold((key_t)number(argv[2]));
	if (argc == 4)
		return make(what, (key_t)number(argv[2]), (int)number(argv[3]));
	(void)fputs("usage: see the top of ipctool.c\n", stderr);
	return 2;
}

/*
 * conform.h: conformance cases for the System V calls, by libc calls alone.
 *
 * A program is one family of cases.  Each case runs in its own child, with its own objects, and
 * prints one line: "RULE name: outcome".  The outcome holds nothing that differs from run to run:
 * pids are names, ids never appear, times are "0", "now" or "before".  So the line a kernel gives
 * and the line usysv gives can be compared as text.
 *
 *     conform-sem [-l] [NAME...]    all cases, or those whose rule or name is given; -l lists them
 */
#ifndef CONFORM_H
#define CONFORM_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define NOBODY 65534
#define SOMEBODY 65533

/* Bytes of text a struct message can hold: MSGMAX of the kernel's defaults. */
#define TEXT_MAX 8192

struct conform_case {
	const char *rule;
	const char *name;
	void (*run)(void);
	int line;
	struct conform_case *next;
};

void conform_register(struct conform_case *c);

/* CASE("SEM-11", name) { body }: defines a case and enters it into the program's list. */
#define CASE(rule_text, case_name)                                                                 \
	static void case_name(void);                                                               \
	static struct conform_case case_name##_case = { rule_text, #case_name, case_name,          \
							__LINE__, NULL };                          \
	__attribute__((constructor)) static void case_name##_register(void)                        \
	{                                                                                          \
		conform_register(&case_name##_case);                                               \
	}                                                                                          \
	static void case_name(void)

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
	struct seminfo *info;
};

struct message {
	long type;
	char text[TEXT_MAX];
};

/* --- the outcome line --------------------------------------------------------------------------- */

__attribute__((format(printf, 1, 2))) void put(const char *format, ...);
/* " VALUE", or " ENAME" for -1; returns the result. */
long put_ret(long result);
/* " ok", or " ENAME" for -1; returns the result. */
long put_ok(long result);
/* " 0", " self", " child1"... */
void put_pid(pid_t pid);
/* " 0", " before", " now": against the last mark_time(), or the start of the case. */
void put_time(time_t when);
/* Begins a new second, so that "now" and "before" can be told apart. */
void mark_time(void);
/* Everything visible of an object, normalised. */
void put_shm(int id);
void put_sem(int id);
void put_msg(int id);
void put_perm(const struct ipc_perm *perm);

/* Ends the case with "SETUP FAILED" unless x is not -1; for what is not the question. */
#define MUST(x) must((long)(x), #x, __LINE__)
long must(long result, const char *what, int line);
/* Ends the case, in the case's own process, with " SKIP reason". */
_Noreturn void skip(const char *reason);
/* Skips unless uids can be changed here. */
void need_uids(void);

/* --- objects: removed when the case ends --------------------------------------------------------- */

key_t key_new(void);
int get_shm(key_t key, size_t size, int flags);
int get_sem(key_t key, int count, int flags);
int get_msg(key_t key, int flags);
/* IPC_PRIVATE, mode 0600, or the case ends. */
int shm_new(size_t size);
int sem_new(int count);
int msg_new(void);
/* An id that was valid once. */
int shm_stale(void);
int sem_stale(void);
int msg_stale(void);

#define OPS(id, ...)                                                                               \
	semop((id), (struct sembuf[]){ __VA_ARGS__ },                                              \
	      sizeof((struct sembuf[]){ __VA_ARGS__ }) / sizeof(struct sembuf))
int sem_value(int id, int num);
int sem_set(int id, int num, int value);
int sem_count(int id, int num);  /* GETNCNT */
int sem_zcount(int id, int num); /* GETZCNT */
int sem_pid(int id, int num);
unsigned long shm_nattch(int id);
/* Text is size times the letter 'a' + type % 26. */
int msg_send(int id, long type, size_t size, int flags);
struct msqid_ds msg_stat(int id);
int msg_set_qbytes(int id, unsigned long qbytes);
/* Puts the size and type received, or the errno. */
long put_receive(int id, size_t size, long type, int flags);

/* --- bad pointers --------------------------------------------------------------------------------- */

void *bad_pointer(void);
/* The last n bytes before an unreadable page. */
void *edge_pointer(size_t n);

/* --- other processes ------------------------------------------------------------------------------ */

/* Small integers that the case and its children share. */
#define SHARED_COUNT 64
extern volatile long *shared;
/* Waits until shared[index] is value. */
void await(int index, long value);

pid_t child_start(void (*body)(void *), void *arg);
/* Waits for it and returns its wait status. */
int child_wait(pid_t pid);
void child_run(void (*body)(void *), void *arg);
void child_kill(pid_t pid);
/* Children of children announce themselves so that put_pid() knows them. */
void child_name(pid_t pid);

/* Real, effective and saved ids, no supplementary groups. */
void become(uid_t uid);
/* Only the effective ids; become_root() returns. */
void seem(uid_t uid);
void seem_root(void);

/*
 * A call that is expected to sleep, in a child of its own.  The child stays until it is ended, so
 * that its exit does not mix with the outcome.
 */
struct sleeper {
	pid_t pid;
	int slot;
};

/* Run in a sleeper's process before the call; NULL for nothing. */
extern void (*sleeper_prepare)(void);

struct sleeper sleeper_start(long (*call)(void *), void *arg);
/* Waits until the process sleeps in its call (or has finished it). */
void sleeper_settle(struct sleeper s);
bool sleeper_is_done(struct sleeper s);
/* Waits for the result and puts it. */
void put_sleeper(struct sleeper s);
/* " sleeping" or " done". */
void put_sleeper_state(struct sleeper s);
/* Lets the child go and reaps it. */
void sleeper_end(struct sleeper s);
/* Puts the result, then ends it. */
void put_sleeper_end(struct sleeper s);

/* semop in a sleeper, returns once it is counted as one. */
struct sleeper semop_sleep(int id, const struct sembuf *ops, size_t count);
#define OPS_SLEEP(id, ...)                                                                         \
	semop_sleep((id), (const struct sembuf[]){ __VA_ARGS__ },                                  \
		    sizeof((const struct sembuf[]){ __VA_ARGS__ }) / sizeof(struct sembuf))
struct sleeper msgrcv_sleep(int id, size_t size, long type, int flags);
struct sleeper msgsnd_sleep(int id, long type, size_t size);

/* Waits for a state letter of /proc/PID/status, such as T. */
void await_state(pid_t pid, char state);
/* Waits until a thread of this process sleeps. */
void await_thread_asleep(pid_t tid);
void nap(long microseconds);

#endif

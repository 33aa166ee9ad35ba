/* sem.h: the semaphore calls.  Each returns its value, or -errno. */
#ifndef CLIENT_SEM_H
#define CLIENT_SEM_H

#include <stdint.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <time.h>

/* The program's fourth argument of semctl, as it arrives. */
union sem_argument {
	int value;
	struct semid_ds *status;
	unsigned short *array;
	struct seminfo *info;
	void *pointer;
};

int sem_get(key_t key, int n_sems, int flags);
int sem_op(int id, struct sembuf *ops, size_t n_ops, const struct timespec *timeout);
int sem_control(int id, int number, int command, union sem_argument argument);

/* otime and ctime, for listings; zeros if the caller may not read the set's file. */
struct semset_stat;
void sem_read_times(int32_t id, struct semset_stat *ret_stat);

/* At a normal exit: applies the process's adjustments everywhere. */
void sem_settle_exit(void);

#endif

/* bench.h: what the measurements share.  libc calls only: one binary, on the kernel and on usysv. */
#ifndef TOOLS_BENCH_H
#define TOOLS_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
};

/* Which CPUs a case needs; one that needs two is skipped where there is one. */
enum bench_cpus { ON_ONE, ON_TWO };

/*
 * A case returns nanoseconds for one `unit`.  `target` is the least ratio kernel/usysv wanted, 0 if none
 * is.  `other` is the key of a case to compare with, both on usysv, or NULL: `times` is how many times
 * its figure this one may have, 0 to show it only.
 */
struct bench_case {
	const char *key;
	const char *title;
	const char *unit;
	double target;
	const char *other;
	double times;
	enum bench_cpus cpus;
	double (*run)(double ms);
};

/* Each ends with a row without key. */
extern const struct bench_case bench_sem_cases[];
extern const struct bench_case bench_msg_cases[];
extern const struct bench_case bench_shm_cases[];

/* Ends the program with status 1 and errno's text. */
_Noreturn void die(const char *what);

uint64_t now_ns(void);

/* Stays on the first or second CPU of those the program was started on; `which` is taken modulo 2. */
void cpu_pin(unsigned which);

/* Sorts them.  What interrupts a measurement only adds time, so this is nearer the cost than the median. */
double lower_quartile(double *values, int n);

/* Repeats body(context, n) for about `ms`; the lower quartile over batches of the nanoseconds for one of n. */
double measure(double ms, void (*body)(void *context, uint64_t n), void *context);

/* A child that runs body(context) and ends; it is killed when its parent ends. */
pid_t child_start(void (*body)(void *context), void *context);
void child_kill(pid_t pid);

/* Waits for a child that ends by itself; anything but status 0 ends this program. */
void child_wait(pid_t pid);

/* Memory of this process and its children, zero-filled. */
void *shared_new(size_t size);

#endif

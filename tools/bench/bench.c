/*
 * bench.c: measures one case of System V IPC on whatever answers the calls: the kernel or usysv.
 *
 *     bench --list         the cases: key, unit, target, other ("-" if none), times, title; tab between
 *     bench --where         "usysv" if its library is loaded, else "kernel"
 *     bench KEY MS [SIDE]   measures for about MS milliseconds, prints nanoseconds; fails unless on SIDE
 *
 * `run` calls it for both sides in turn and compares.
 */
#include "bench.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Batches of a measurement. */
#define BATCHES 40
#define BATCHES_MIN 5
#define NS_PER_MS 1e6

static int cpus[2];
static int n_cpus;

void die(const char *what)
{
	int error = errno;

	fprintf(stderr, "bench: %s: %s\n", what, strerror(error));
	exit(1);
}

uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* this clock always exists */
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void cpus_find(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == -1)
		die("sched_getaffinity");
	for (int cpu = 0; cpu < CPU_SETSIZE && n_cpus < 2; cpu++) {
		if (CPU_ISSET(cpu, &set))
			cpus[n_cpus++] = cpu;
	}
}

void cpu_pin(unsigned which)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpus[which % (unsigned)n_cpus], &set);
	if (sched_setaffinity(0, sizeof(set), &set) == -1)
		die("sched_setaffinity");
}

static int double_compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

double lower_quartile(double *values, int n)
{
	qsort(values, (size_t)n, sizeof(values[0]), double_compare);
	return values[n / 4];
}

double measure(double ms, void (*body)(void *context, uint64_t n), void *context)
{
	double per[BATCHES];
	double batch_ns = ms * NS_PER_MS / BATCHES;
	double took = 0;
	uint64_t n = 1;
	uint64_t start = now_ns();
	int i;

	/* Grow until a batch can be timed; that also warms up everything. */
	for (;;) {
		uint64_t before = now_ns();

		body(context, n);
		took = (double)(now_ns() - before);
		if (took >= batch_ns / 8)
			break;
		n *= 2;
	}
	n = (uint64_t)((double)n * batch_ns / took);
	n = n == 0 ? 1 : n;
	for (i = 0; i < BATCHES; i++) {
		uint64_t before = now_ns();

		body(context, n);
		took = (double)(now_ns() - before);
		if (took < batch_ns / 4) { /* something held the first ones up: they say little of it */
			n *= 2;
			i = -1;
			continue;
		}
		per[i] = took / (double)n;
		if (i + 1 >= BATCHES_MIN && (double)(now_ns() - start) > 1.5 * ms * NS_PER_MS) {
			i++;
			break;
		}
	}
	return lower_quartile(per, i);
}

pid_t child_start(void (*body)(void *context), void *context)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid == -1)
		die("fork");
	if (pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
			die("prctl");
		if (getppid() != parent) /* it ended before prctl */
			_exit(1);
		body(context);
		_exit(0);
	}
	return pid;
}

void child_kill(pid_t pid)
{
	int status;

	if (kill(pid, SIGKILL) == -1 || waitpid(pid, &status, 0) != pid)
		die("kill");
}

void child_wait(pid_t pid)
{
	int status = 0;

	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	if (status != 0) {
		errno = ECHILD;
		die("a child failed");
	}
}

void *shared_new(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

static const struct bench_case *const tables[] = { bench_sem_cases, bench_msg_cases, bench_shm_cases };

static int list(void)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		for (const struct bench_case *c = tables[t]; c->key != NULL; c++) {
			if (c->cpus == ON_TWO && n_cpus < 2)
				continue;
			printf("%s\t%s\t%g\t%s\t%g\t%s\n", c->key, c->unit, c->target,
			       c->other == NULL ? "-" : c->other, c->times, c->title);
		}
	}
	return 0;
}

static const char *where(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[4096];
	bool loaded = false;

	if (maps == NULL)
		die("/proc/self/maps");
	while (fgets(line, sizeof(line), maps) != NULL)
		loaded |= strstr(line, "libusysv.so") != NULL;
	(void)fclose(maps); /* only read */
	return loaded ? "usysv" : "kernel";
}

static int one(const char *key, double ms)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		for (const struct bench_case *c = tables[t]; c->key != NULL; c++) {
			if (strcmp(c->key, key) != 0)
				continue;
			cpu_pin(0);
			printf("%.2f\n", c->run(ms));
			return 0;
		}
	}
	fprintf(stderr, "bench: no case %s\n", key);
	return 2;
}

int main(int argc, char **argv)
{
	cpus_find();
	if (argc == 2 && strcmp(argv[1], "--list") == 0)
		return list();
	if (argc == 2 && strcmp(argv[1], "--where") == 0)
		return puts(where()) == EOF;
	/* A library that cannot be loaded is ignored by the loader: the figure would be the kernel's. */
	if (argc == 4 && strcmp(argv[3], where()) != 0) {
		fprintf(stderr, "bench: this is not %s\n", argv[3]);
		return 1;
	}
	if ((argc == 3 || argc == 4) && atof(argv[2]) > 0)
		return one(argv[1], atof(argv[2]));
	fprintf(stderr, "usage: bench --list | --where | KEY MS [SIDE]\n");
	return 2;
}

/* stat.c: `usysv stat`: all that is known about an object. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
};

static void stat_print_time(const char *name, time_t when)
{
	char text[64] = "not yet";
	struct tm parts;

	if (when != 0 && localtime_r(&when, &parts) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &parts); /* fits */
	printf("%-10s %s\n", name, text);
}

static void stat_print_common(enum ipc_kind kind, const struct registry_object *object)
{
	char owner[32];
	char creator[32];

	printf("%-10s %s\n%-10s %d\n%-10s 0x%08x\n", "kind", kind_to_string(kind), "id", object->id,
	       "key", (unsigned int)object->key);
	printf("%-10s %s (uid %u, gid %u)\n", "owner", user_to_string(object->owner.uid, owner),
	       object->owner.uid, object->owner.gid);
	printf("%-10s %s (uid %u, gid %u)\n", "creator", user_to_string(object->owner.cuid, creator),
	       object->owner.cuid, object->owner.cgid);
	printf("%-10s %04o%s%s%s\n", "mode", object->owner.mode & ABI_MODE_BITS,
	       object->state == REGISTRY_DEST ? ", removed, waits for the last detach" : "",
	       object->owner.mode & ABI_SHM_LOCKED ? ", locked" : "",
	       object->owner.mode & ABI_SHM_HUGETLB ? ", in huge pages" : "");
	printf("%-10s %u\n", "cpid", object->creator_pid);
}

/* Value, last pid and numbers of waiters of each semaphore. */
static void stat_print_semaphores(int32_t id, uint64_t n)
{
	unsigned short *values = calloc(n, sizeof(*values));
	union semun argument = { .array = values };

	if (values != NULL && semctl(id, 0, GETALL, argument) == 0) {
		printf("%-10s %-8s %-10s %-8s %s\n", "semnum", "value", "ncount", "zcount", "pid");
		for (uint64_t i = 0; i < n; i++)
			printf("%-10llu %-8u %-10d %-8d %d\n", (unsigned long long)i, values[i],
			       semctl(id, (int)i, GETNCNT), semctl(id, (int)i, GETZCNT),
			       semctl(id, (int)i, GETPID));
	}
	free(values);
}

static void stat_print_own(enum ipc_kind kind, const struct registry_object *object,
			   const union any_stat *stat)
{
	switch (kind) {
	case IPC_KIND_SHM:
		printf("%-10s %llu\n%-10s %lu\n%-10s %d\n", "bytes", (unsigned long long)object->size,
		       "nattch", (unsigned long)stat->shm.shm_nattch, "lpid", (int)stat->shm.shm_lpid);
		stat_print_time("atime", stat->shm.shm_atime);
		stat_print_time("dtime", stat->shm.shm_dtime);
		stat_print_time("ctime", stat->shm.shm_ctime);
		break;
	case IPC_KIND_SEM:
		printf("%-10s %lu\n", "nsems", (unsigned long)stat->sem.sem_nsems);
		stat_print_time("otime", stat->sem.sem_otime);
		stat_print_time("ctime", stat->sem.sem_ctime);
		stat_print_semaphores(object->id, object->size);
		break;
	default:
		printf("%-10s %lu\n%-10s %lu\n%-10s %lu\n", "messages", (unsigned long)stat->msg.msg_qnum,
		       "bytes", (unsigned long)stat->msg.__msg_cbytes, "qbytes",
		       (unsigned long)stat->msg.msg_qbytes);
		printf("%-10s %d\n%-10s %d\n", "lspid", (int)stat->msg.msg_lspid, "lrpid",
		       (int)stat->msg.msg_lrpid);
		stat_print_time("stime", stat->msg.msg_stime);
		stat_print_time("rtime", stat->msg.msg_rtime);
		stat_print_time("ctime", stat->msg.msg_ctime);
		break;
	}
}

/* 0, or 1 if there is no such object; others than that are told here. */
static int stat_one(const struct space *space, enum ipc_kind kind, int32_t id)
{
	struct registry_object object;
	union any_stat stat;
	int r = 0;

	if (registry_get(&space->registry, kind, id, &object) != 0 ||
	    (object.state != REGISTRY_LIVE && object.state != REGISTRY_DEST))
		return 1;
	stat_print_common(kind, &object);
	r = object_stat(kind, id, &stat);
	if (r == 0)
		stat_print_own(kind, &object, &stat);
	else
		printf("%-10s %s\n", "the rest", strerror(-r));
	return 0;
}

int stat_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	enum ipc_kind only = IPC_KIND_COUNT;
	const char *dir = NULL;
	struct space space;
	unsigned int n_found = 0;
	int64_t id = 0;
	int option = 0;

	while ((option = getopt_long(argc, argv, "d:mqs", options, NULL)) != -1) {
		const char letter[2] = { (char)option, '\0' };

		if (option == 'd')
			dir = optarg;
		else if (!kind_parse(letter, &only))
			optind = argc; /* the message below */
	}
	if (argc - optind != 1 || !cli_number(argv[optind], 0, INT32_MAX, "id", &id)) {
		cli_error("usage: usysv stat [-d D] [-m|-q|-s] ID");
		return CLI_EXIT_USAGE;
	}
	if (!space_enter(dir, &space))
		return CLI_EXIT_FAILURE;
	if (!library_enter(&space)) {
		space_close(&space);
		return CLI_EXIT_FAILURE;
	}
	for (unsigned int kind = 0; kind < IPC_KIND_COUNT; kind++)
		if ((only == IPC_KIND_COUNT || only == kind) &&
		    stat_one(&space, (enum ipc_kind)kind, (int32_t)id) == 0)
			n_found++;
	space_close(&space);
	if (n_found == 0)
		cli_error("%lld: no such object", (long long)id);
	return n_found > 0 ? 0 : CLI_EXIT_FAILURE;
}

/* ls.c: `usysv ls`: the objects of a namespace, in the way ipcs(1) shows the kernel's. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

struct ls {
	struct space space;
	const char *dir_option;
	bool kinds[IPC_KIND_COUNT];
	bool json;
	bool can_ask; /* the daemon is there: attachments can be asked for */
	bool first;   /* JSON: no comma yet */
};

static bool ls_parse(struct ls *ls, int argc, char **argv)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	bool chosen = false;
	int option = 0;

	while ((option = getopt_long(argc, argv, "d:mqsj", options, NULL)) != -1) {
		enum ipc_kind kind = IPC_KIND_COUNT;
		const char letter[2] = { (char)option, '\0' };

		if (option == 'd') {
			ls->dir_option = optarg;
		} else if (option == 'j') {
			ls->json = true;
		} else if (kind_parse(letter, &kind)) {
			ls->kinds[kind] = true;
			chosen = true;
		} else {
			return false;
		}
	}
	for (unsigned int kind = 0; kind < IPC_KIND_COUNT && !chosen; kind++)
		ls->kinds[kind] = true;
	return optind == argc;
}

static void ls_print_title(enum ipc_kind kind)
{
	switch (kind) {
	case IPC_KIND_SHM:
		printf("\n------ Shared Memory Segments --------\n%-10s %-10s %-10s %-6s %-12s %-6s %s\n",
		       "key", "shmid", "owner", "perms", "bytes", "nattch", "status");
		break;
	case IPC_KIND_SEM:
		printf("\n------ Semaphore Arrays --------\n%-10s %-10s %-10s %-6s %s\n", "key", "semid",
		       "owner", "perms", "nsems");
		break;
	default:
		printf("\n------ Message Queues --------\n%-10s %-10s %-10s %-6s %-12s %s\n", "key",
		       "msqid", "owner", "perms", "used-bytes", "messages");
		break;
	}
}

/* known: stat was answered; without it, what only the object knows is shown as "-". */
static void ls_print(enum ipc_kind kind, const struct registry_object *object, bool known,
		     const union any_stat *stat)
{
	char name[32];
	char a[24] = "-";
	char b[24] = "-";

	printf("0x%08x %-10d %-10.10s %-6o ", (unsigned int)object->key, object->id,
	       user_to_string(object->owner.uid, name), object->owner.mode & ABI_MODE_BITS);
	switch (kind) {
	case IPC_KIND_SHM:
		if (known)
			(void)snprintf(a, sizeof(a), "%lu", (unsigned long)stat->shm.shm_nattch);
		printf("%-12llu %-6s %s%s\n", (unsigned long long)object->size, a,
		       object->state == REGISTRY_DEST ? "dest " : "",
		       object->owner.mode & ABI_SHM_LOCKED ? "locked" : "");
		break;
	case IPC_KIND_SEM:
		printf("%llu\n", (unsigned long long)object->size);
		break;
	default:
		if (known) {
			(void)snprintf(a, sizeof(a), "%lu", (unsigned long)stat->msg.__msg_cbytes);
			(void)snprintf(b, sizeof(b), "%lu", (unsigned long)stat->msg.msg_qnum);
		}
		printf("%-12s %s\n", a, b);
		break;
	}
}

static void ls_print_json(struct ls *ls, enum ipc_kind kind, const struct registry_object *object,
			  const union any_stat *stat)
{
	printf("%s\n  {\"kind\": \"%s\", \"id\": %d, \"key\": %d, \"uid\": %u, \"gid\": %u, "
	       "\"cuid\": %u, \"cgid\": %u, \"mode\": %u",
	       ls->first ? "" : ",", kind_to_string(kind), object->id, object->key, object->owner.uid,
	       object->owner.gid, object->owner.cuid, object->owner.cgid,
	       object->owner.mode & ABI_MODE_BITS);
	ls->first = false;
	if (kind == IPC_KIND_SHM) {
		printf(", \"bytes\": %llu, \"cpid\": %u, \"removed\": %s",
		       (unsigned long long)object->size, object->creator_pid,
		       object->state == REGISTRY_DEST ? "true" : "false");
		if (stat != NULL)
			printf(", \"nattch\": %lu, \"lpid\": %d", (unsigned long)stat->shm.shm_nattch,
			       (int)stat->shm.shm_lpid);
	} else if (kind == IPC_KIND_SEM) {
		printf(", \"nsems\": %llu", (unsigned long long)object->size);
	} else if (stat != NULL) {
		printf(", \"bytes\": %lu, \"messages\": %lu, \"qbytes\": %lu",
		       (unsigned long)stat->msg.__msg_cbytes, (unsigned long)stat->msg.msg_qnum,
		       (unsigned long)stat->msg.msg_qbytes);
	}
	printf("}");
}

static void ls_kind(struct ls *ls, enum ipc_kind kind)
{
	uint32_t index_max = registry_index_max(&ls->space.registry, kind);

	if (!ls->json)
		ls_print_title(kind);
	for (uint32_t index = 0; index <= index_max && index < OBJECT_MAX; index++) {
		struct registry_object object;
		union any_stat stat;
		bool known = false;

		if (registry_get_index(&ls->space.registry, kind, index, &object) != 0)
			continue;
		known = ls->can_ask && kind != IPC_KIND_SEM && object_stat(kind, object.id, &stat) == 0;
		if (ls->json)
			ls_print_json(ls, kind, &object, known ? &stat : NULL);
		else
			ls_print(kind, &object, known, &stat);
	}
}

int ls_main(int argc, char **argv)
{
	static const enum ipc_kind order[] = { IPC_KIND_MSG, IPC_KIND_SHM, IPC_KIND_SEM };
	struct ls ls = { .first = true };

	if (!ls_parse(&ls, argc, argv)) {
		cli_error("usage: usysv ls [-d D] [-m] [-q] [-s] [--json]");
		return CLI_EXIT_USAGE;
	}
	if (!space_enter(ls.dir_option, &ls.space))
		return CLI_EXIT_FAILURE;
	ls.can_ask = space_daemon_error(ls.space.dir) == 0 && library_enter(&ls.space);
	if (ls.json)
		printf("[");
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		if (ls.kinds[order[i]])
			ls_kind(&ls, order[i]);
	printf(ls.json ? "\n]\n" : "\n");
	space_close(&ls.space);
	return 0;
}

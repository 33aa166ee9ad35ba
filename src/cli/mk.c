/* mk.c: `usysv mk`: makes an object and prints its id. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

struct mk {
	const char *dir_option;
	enum ipc_kind kind;
	int64_t size; /* bytes or semaphores */
	int64_t key;
	int64_t mode;
};

static bool mk_parse(struct mk *mk, int argc, char **argv)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "key", required_argument, NULL, 'k' },
		{ "mode", required_argument, NULL, 'p' },
		{ NULL, 0, NULL, 0 },
	};
	int option = 0;
	int n_numbers = 0;

	while ((option = getopt_long(argc, argv, "d:k:p:", options, NULL)) != -1) {
		bool good = option != '?';

		if (option == 'd')
			mk->dir_option = optarg;
		else if (option == 'k')
			good = cli_number(optarg, INT32_MIN, UINT32_MAX, "key", &mk->key);
		else if (option == 'p')
			good = sscanf(optarg, "%lo", (unsigned long *)&mk->mode) == 1 &&
			       mk->mode >= 0 && mk->mode <= 0777;
		if (!good)
			return false;
	}
	if (optind >= argc || !kind_parse(argv[optind], &mk->kind))
		return false;
	n_numbers = mk->kind == IPC_KIND_MSG ? 0 : 1;
	if (argc - optind != 1 + n_numbers)
		return false;
	return n_numbers == 0 || cli_number(argv[optind + 1], 0, INT64_MAX, "size", &mk->size);
}

static int mk_make(const struct mk *mk)
{
	int flags = (int)mk->mode | IPC_CREAT | IPC_EXCL;
	key_t key = (key_t)(uint32_t)mk->key;

	switch (mk->kind) {
	case IPC_KIND_SHM:
		return shmget(key, (size_t)mk->size, flags);
	case IPC_KIND_SEM:
		return semget(key, mk->size > INT32_MAX ? -1 : (int)mk->size, flags);
	default:
		return msgget(key, flags);
	}
}

int mk_main(int argc, char **argv)
{
	struct mk mk = { .mode = 0600, .key = IPC_PRIVATE };
	struct space space;
	int status = 0;
	int id = 0;

	if (!mk_parse(&mk, argc, argv)) {
		cli_error("usage: usysv mk [-d D] [-k KEY] [-p MODE] shm BYTES | sem N | msg");
		return CLI_EXIT_USAGE;
	}
	if (!space_enter(mk.dir_option, &space))
		return CLI_EXIT_FAILURE;
	if (!library_enter(&space)) {
		space_close(&space);
		return CLI_EXIT_FAILURE;
	}
	id = mk_make(&mk);
	if (id < 0) {
		cli_error("cannot make the %s object: %s", kind_to_string(mk.kind), strerror(errno));
		status = CLI_EXIT_FAILURE;
	} else {
		printf("%d\n", id);
	}
	space_close(&space);
	return status;
}

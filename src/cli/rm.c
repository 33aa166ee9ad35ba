/* rm.c: `usysv rm`: removes objects, by id or all that the caller may remove. */
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "cli/cli.h"

static int rm_usage(void)
{
	cli_error("usage: usysv rm [-d D] -m ID | -q ID | -s ID ...   or: usysv rm [-d D] --all");
	return CLI_EXIT_USAGE;
}

static int rm_one(enum ipc_kind kind, int32_t id)
{
	int r = object_remove(kind, id);

	if (r == 0)
		return 0;
	if (r == -EINVAL || r == -EIDRM)
		cli_error("%s %d: no such object", kind_to_string(kind), id);
	else
		cli_error("%s %d: %s", kind_to_string(kind), id, strerror(-r));
	return CLI_EXIT_FAILURE;
}

/* Segments that are removed but attached are not touched again. */
static int rm_all(const struct space *space)
{
	int status = 0;

	for (unsigned int kind = 0; kind < IPC_KIND_COUNT; kind++) {
		uint32_t index_max = registry_index_max(&space->registry, kind);

		for (uint32_t index = 0; index <= index_max && index < OBJECT_MAX; index++) {
			struct registry_object object;

			if (registry_get_index(&space->registry, kind, index, &object) == 0 &&
			    object.state == REGISTRY_LIVE && rm_one(kind, object.id) != 0)
				status = CLI_EXIT_FAILURE;
		}
	}
	return status;
}

static const struct option rm_options[] = {
	{ "dir", required_argument, NULL, 'd' },
	{ "all", no_argument, NULL, 'a' },
	{ NULL, 0, NULL, 0 },
};
static const char rm_letters[] = "d:am:q:s:";

/* First reading of the arguments: nothing is removed if any of them is wrong. */
static bool rm_check(int argc, char **argv, const char **ret_dir, bool *ret_all)
{
	unsigned int n_ids = 0;
	int64_t id = 0;
	int option = 0;

	while ((option = getopt_long(argc, argv, rm_letters, rm_options, NULL)) != -1) {
		if (option == 'd')
			*ret_dir = optarg;
		else if (option == 'a')
			*ret_all = true;
		else if (option == '?' || !cli_number(optarg, 0, INT32_MAX, "id", &id))
			return false;
		else
			n_ids++;
	}
	return optind == argc && (n_ids > 0) != *ret_all;
}

int rm_main(int argc, char **argv)
{
	struct space space;
	const char *dir = NULL;
	bool all = false;
	int status = 0;
	int option = 0;

	if (!rm_check(argc, argv, &dir, &all))
		return rm_usage();
	if (!space_enter(dir, &space))
		return CLI_EXIT_FAILURE;
	if (!library_enter(&space)) {
		space_close(&space);
		return CLI_EXIT_FAILURE;
	}
	if (all)
		status = rm_all(&space);
	optind = 0; /* read them once more */
	while (!all && (option = getopt_long(argc, argv, rm_letters, rm_options, NULL)) != -1) {
		const char letter[2] = { (char)option, '\0' };
		enum ipc_kind kind = IPC_KIND_COUNT;
		int64_t id = 0;

		if (kind_parse(letter, &kind) && cli_number(optarg, 0, INT32_MAX, "id", &id) &&
		    rm_one(kind, (int32_t)id) != 0)
			status = CLI_EXIT_FAILURE;
	}
	space_close(&space);
	return status;
}

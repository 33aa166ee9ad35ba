/* main.c: the command `usysv`: chooses the subcommand. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "core/base.h"

struct subcommand {
	const char *name;
	const char *arguments;
	const char *purpose;
	int (*main)(int argc, char **argv);
};

static const struct subcommand subcommands[] = {
	{ "run", "[--keep] [--dir D] [--verbose] -- CMD...", "run CMD in a namespace", run_main },
	{ "ls", "[-m] [-q] [-s] [--json]", "list the objects", ls_main },
	{ "stat", "[-m|-q|-s] ID", "everything about an object", stat_main },
	{ "mk", "shm SIZE | sem N | msg", "make an object, print its id", mk_main },
	{ "rm", "-m|-q|-s ID... | --all", "remove objects", rm_main },
	{ "limits", "[NAME=NUMBER...]", "show or change the limits", limits_main },
	{ "ping", "", "ask the daemon for a sign of life", ping_main },
	{ "doctor", "", "say why a namespace cannot be used", doctor_main },
};

static void usage(FILE *out)
{
	(void)fputs("usage:\n", out); /* a failure here has nobody to be told */
	for (size_t i = 0; i < ARRAY_SIZE(subcommands); i++)
		(void)fprintf(out, "  usysv %-6s %-42s %s\n", subcommands[i].name,
			      subcommands[i].arguments, subcommands[i].purpose);
	(void)fputs("All but run take -d D or --dir D, else USYSV_DIR names the namespace.\n"
		    "See usysv(1).\n",
		    out);
}

int main(int argc, char **argv)
{
	library_remember(argv);
	if (argc < 2) {
		usage(stderr);
		return CLI_EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		usage(stdout);
		return fflush(stdout) == 0 ? 0 : CLI_EXIT_FAILURE;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("usysv %s\n", USYSV_VERSION);
		return fflush(stdout) == 0 ? 0 : CLI_EXIT_FAILURE;
	}
	for (size_t i = 0; i < ARRAY_SIZE(subcommands); i++) {
		int status = 0;

		if (strcmp(argv[1], subcommands[i].name) != 0)
			continue;
		status = subcommands[i].main(argc - 1, argv + 1);
		if (fflush(stdout) != 0 && status == 0) {
			cli_error("cannot write to standard output");
			status = CLI_EXIT_FAILURE;
		}
		return status;
	}
	cli_error("no subcommand `%s'", argv[1]);
	usage(stderr);
	return CLI_EXIT_USAGE;
}

/* ping.c: `usysv ping`: a sign of life of the daemon. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/link.h"
#include "sys/clock.h"

#define PING_TIMEOUT_MS 5000u

int ping_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	struct proto_message request = { .type = PROTO_PING };
	struct proto_message reply = { 0 };
	struct space space;
	struct link link;
	const char *dir = NULL;
	uint64_t start_ns = 0;
	int option = 0;
	int r = 0;

	while ((option = getopt_long(argc, argv, "d:", options, NULL)) != -1) {
		if (option == '?')
			optind = argc + 1; /* the message below */
		dir = optarg;
	}
	if (optind != argc) {
		cli_error("usage: usysv ping [-d D]");
		return CLI_EXIT_USAGE;
	}
	if (!space_enter(dir, &space))
		return CLI_EXIT_FAILURE;
	r = link_open(&link, space.dir, PING_TIMEOUT_MS);
	start_ns = clock_monotonic_ns();
	if (r == 0) {
		r = link_call(&link, &request, &reply);
		link_close(&link);
	}
	if (r == 0 && reply.type != PROTO_PONG)
		r = -EPROTO;
	if (r < 0) {
		cli_error("%s: %s", space.dir, r == -ENXIO || r == -ENOENT ? "no daemon serves it" : strerror(-r));
	} else {
		printf("%s: usysvd %u answers in %llu us: up %llu s, %u clients, %u shm, %u sem, %u msg, "
		       "%llu requests\n",
		       space.dir, reply.pong.daemon_pid,
		       (unsigned long long)(clock_monotonic_ns() - start_ns) / 1000u,
		       (unsigned long long)reply.pong.uptime_s, reply.pong.n_clients,
		       reply.pong.n_objects[IPC_KIND_SHM], reply.pong.n_objects[IPC_KIND_SEM],
		       reply.pong.n_objects[IPC_KIND_MSG], (unsigned long long)reply.pong.n_requests);
	}
	space_close(&space);
	return r < 0 ? CLI_EXIT_FAILURE : 0;
}

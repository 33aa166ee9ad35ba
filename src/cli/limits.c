/* limits.c: `usysv limits`: shows or changes the limits of a namespace. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/link.h"

#define LIMITS_TIMEOUT_MS 5000u

struct limit {
	const char *name;
	size_t offset;
	size_t size; /* 4 or 8 bytes */
	const char *meaning;
};

#define LIMIT(name, meaning) \
	{ #name, offsetof(struct registry_limits, name), \
	  sizeof(((struct registry_limits *)NULL)->name), meaning }

static const struct limit limits[] = {
	LIMIT(shmmax, "bytes of one segment"),
	LIMIT(shmall, "pages of all segments"),
	LIMIT(shmmni, "segments"),
	LIMIT(semmsl, "semaphores of one set"),
	LIMIT(semmns, "semaphores of all sets"),
	LIMIT(semopm, "operations of one semop"),
	LIMIT(semmni, "sets"),
	LIMIT(msgmax, "bytes of one message"),
	LIMIT(msgmnb, "bytes of one queue, at first"),
	LIMIT(msgmni, "queues"),
	LIMIT(rmid_forced, "1: segments go when nobody has them attached"),
};

static uint64_t limit_get(const struct registry_limits *values, const struct limit *limit)
{
	const uint8_t *at = (const uint8_t *)values + limit->offset;
	uint64_t wide = 0;
	uint32_t narrow = 0;

	if (limit->size == sizeof(wide)) {
		memcpy(&wide, at, sizeof(wide));
		return wide;
	}
	memcpy(&narrow, at, sizeof(narrow));
	return narrow;
}

/* NAME=NUMBER.  False after a message. */
static bool limit_set(struct registry_limits *values, const char *text)
{
	size_t length = strcspn(text, "=");
	int64_t number = 0;

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		bool wide = limits[i].size == sizeof(uint64_t);
		uint8_t *at = (uint8_t *)values + limits[i].offset;
		uint32_t narrow = 0;

		if (text[length] != '=' || strlen(limits[i].name) != length ||
		    strncmp(limits[i].name, text, length) != 0)
			continue;
		if (!cli_number(text + length + 1, 0, wide ? INT64_MAX : INT32_MAX, limits[i].name,
				&number))
			return false;
		narrow = (uint32_t)number;
		if (wide)
			memcpy(at, &number, sizeof(number));
		else
			memcpy(at, &narrow, sizeof(narrow));
		return true;
	}
	cli_error("no limit is set by `%s' (NAME=NUMBER; `usysv limits' shows the names)", text);
	return false;
}

static int limits_change(const char *dir, const struct registry_limits *values)
{
	struct proto_message request = { .type = PROTO_LIMITS, .limits = *values };
	struct proto_message reply = { 0 };
	struct link link;
	int r = link_open(&link, dir, LIMITS_TIMEOUT_MS);

	if (r == 0) {
		r = link_call(&link, &request, &reply);
		link_close(&link);
	}
	if (r == 0)
		r = reply.type == PROTO_REPLY ? -reply.reply.error : -EPROTO;
	if (r < 0)
		cli_error("%s: cannot change the limits: %s", dir,
			  r == -ENXIO || r == -ENOENT ? "no daemon serves it" : strerror(-r));
	return r < 0 ? CLI_EXIT_FAILURE : 0;
}

int limits_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	struct registry_limits values;
	struct space space;
	const char *dir = NULL;
	int status = 0;
	int option = 0;

	while ((option = getopt_long(argc, argv, "d:", options, NULL)) != -1) {
		if (option == '?') {
			cli_error("usage: usysv limits [-d D] [NAME=NUMBER...]");
			return CLI_EXIT_USAGE;
		}
		dir = optarg;
	}
	if (!space_enter(dir, &space))
		return CLI_EXIT_FAILURE;
	registry_read_limits(&space.registry, &values);
	for (int i = optind; i < argc && status == 0; i++)
		if (!limit_set(&values, argv[i]))
			status = CLI_EXIT_USAGE;
	if (status == 0 && optind < argc)
		status = limits_change(space.dir, &values);
	for (size_t i = 0; i < ARRAY_SIZE(limits) && optind == argc; i++)
		printf("%-12s %20llu  %s\n", limits[i].name,
		       (unsigned long long)limit_get(&values, &limits[i]), limits[i].meaning);
	space_close(&space);
	return status;
}

/*
 * doctor.c: `usysv doctor`: why a namespace cannot be used.
 *
 * Looks at one thing after the other, in the order in which they must work, and says of each what it
 * found and, if it is bad, what to do.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/link.h"

#define DOCTOR_TIMEOUT_MS 5000u
/* Below this much room the next object may not fit. */
#define DOCTOR_ROOM_MIN (16u << 20)

static void doctor_say(bool good, const char *what, const char *found)
{
	printf("%-4s %-10s %s\n", good ? "ok" : "BAD", what, found);
}

static bool doctor_folder(const char *dir, struct space *space)
{
	char text[PATH_MAX + 128];
	enum space_state state = space_open(dir, space);

	(void)snprintf(text, sizeof(text), "%s: %s", dir, space_state_to_string(state));
	doctor_say(state == SPACE_OK, "folder", text);
	return state == SPACE_OK;
}

static bool doctor_register(const struct space *space)
{
	char text[256];
	int error = space_daemon_error(space->dir);
	pid_t pid = space_daemon_pid(space->dir);

	if (error == 0)
		(void)snprintf(text, sizeof(text), "process %d listens", (int)pid);
	else if (error == ENXIO || error == ENOENT)
		(void)snprintf(text, sizeof(text),
			       "not running; start `usysvd --dir %.100s' or `usysv run --dir ...'",
			       space->dir);
	else
		(void)snprintf(text, sizeof(text), "%s", strerror(error));
	doctor_say(error == 0, "daemon", text);
	return error == 0;
}

static bool doctor_answer(const struct space *space)
{
	struct proto_message request = { .type = PROTO_PING };
	struct proto_message reply = { 0 };
	struct link link;
	char text[256];
	int r = link_open(&link, space->dir, DOCTOR_TIMEOUT_MS);

	if (r == 0) {
		r = link_call(&link, &request, &reply);
		link_close(&link);
	}
	if (r == 0 && reply.type == PROTO_PONG)
		(void)snprintf(text, sizeof(text), "%u clients, up %llu s", reply.pong.n_clients,
			       (unsigned long long)reply.pong.uptime_s);
	else if (r == -ETIMEDOUT)
		(void)snprintf(text, sizeof(text), "none within %u s: is the daemon stopped?",
			       DOCTOR_TIMEOUT_MS / 1000);
	else
		(void)snprintf(text, sizeof(text), "%s", strerror(r < 0 ? -r : EPROTO));
	doctor_say(r == 0, "answer", text);
	return r == 0;
}

static bool doctor_room(const struct space *space)
{
	struct statvfs status;
	char text[128];
	unsigned long long room = 0;

	if (statvfs(space->dir, &status) != 0)
		return true; /* told by the folder's own check */
	room = (unsigned long long)status.f_bavail * status.f_frsize;
	(void)snprintf(text, sizeof(text), "%llu MiB free for objects, %llu files", room >> 20,
		       (unsigned long long)status.f_favail);
	doctor_say(room >= DOCTOR_ROOM_MIN, "room", text);
	return room >= DOCTOR_ROOM_MIN;
}

static bool doctor_library(void)
{
	char path[PATH_MAX];
	bool found = place_find_library(path);

	doctor_say(found, "library", found ? path : "see above");
	return found;
}

static bool doctor_descriptors(void)
{
	struct rlimit limit;
	char text[128];
	bool good = true;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return true;
	good = limit.rlim_cur >= 64;
	(void)snprintf(text, sizeof(text), "%llu a process; the library needs 4",
		       (unsigned long long)limit.rlim_cur);
	doctor_say(good, "files", text);
	return good;
}

int doctor_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	const char *dir_option = NULL;
	char dir[PATH_MAX];
	struct space space;
	bool good = true;
	int option = 0;

	while ((option = getopt_long(argc, argv, "d:", options, NULL)) != -1) {
		if (option == '?') {
			cli_error("usage: usysv doctor [-d D]");
			return CLI_EXIT_USAGE;
		}
		dir_option = optarg;
	}
	place_namespace(dir_option, dir);
	good = doctor_library() && good;
	good = doctor_descriptors() && good;
	if (doctor_folder(dir, &space)) {
		good = doctor_room(&space) && good;
		good = doctor_register(&space) && doctor_answer(&space) && good;
	} else {
		good = false;
	}
	space_close(&space);
	return good ? 0 : CLI_EXIT_FAILURE;
}

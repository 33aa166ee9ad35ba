/* space.c: a namespace as one sees it from outside: its folder, registry and daemon. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "sys/map.h"

/* What a folder without a registry is: empty (but for what a broken start leaves), or not ours. */
static enum space_state space_without_registry(const char *dir)
{
	static const char *const own[] = { ".",       "..",  "register", "clients", "objects",    "ledgers",
					   "huge",    "log", "users",    "usysvd.pid", "registry.new" };
	enum space_state state = SPACE_EMPTY;
	struct dirent *entry = NULL;
	DIR *stream = opendir(dir);

	if (stream == NULL)
		return errno == EACCES ? SPACE_DENIED : SPACE_ALIEN;
	while ((entry = readdir(stream)) != NULL && state == SPACE_EMPTY) {
		bool known = false;

		for (size_t i = 0; i < ARRAY_SIZE(own); i++)
			known = known || strcmp(entry->d_name, own[i]) == 0;
		if (!known)
			state = SPACE_ALIEN;
	}
	(void)closedir(stream); /* only read from */
	return state;
}

static enum space_state space_map(int fd, struct space *space)
{
	enum space_state state = SPACE_CORRUPT;

	if (map_stat(fd, &space->size, NULL, NULL) != 0 || space->size == 0)
		return SPACE_CORRUPT;
	if (map_file(fd, space->size, false, &space->base) != 0)
		return SPACE_DENIED;
	switch (registry_bind(&space->registry, space->base, space->size)) {
	case 0:
		return SPACE_OK;
	case REGISTRY_E_VERSION:
		state = SPACE_VERSION;
		break;
	default:
		break;
	}
	map_close(space->base, space->size);
	space->base = NULL;
	return state;
}

enum space_state space_open(const char *dir, struct space *ret_space)
{
	char path[PATH_MAX + 16];
	char *resolved = NULL;
	struct stat status;
	enum space_state state = SPACE_OK;
	int fd = -1;

	*ret_space = (struct space){ 0 };
	(void)snprintf(ret_space->dir, sizeof(ret_space->dir), "%s", dir);
	if (stat(dir, &status) != 0)
		return errno == EACCES ? SPACE_DENIED : SPACE_ABSENT;
	if (!S_ISDIR(status.st_mode))
		return SPACE_ALIEN;
	resolved = realpath(dir, NULL);
	if (resolved != NULL)
		(void)snprintf(ret_space->dir, sizeof(ret_space->dir), "%s", resolved);
	free(resolved);
	(void)snprintf(path, sizeof(path), "%s/registry", ret_space->dir);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno == EACCES ? SPACE_DENIED : space_without_registry(dir);
	state = space_map(fd, ret_space);
	(void)close(fd); /* only read from */
	return state;
}

void space_close(struct space *space)
{
	if (space->base != NULL)
		map_close(space->base, space->size);
	space->base = NULL;
}

const char *space_state_to_string(enum space_state state)
{
	switch (state) {
	case SPACE_OK:
		return "a namespace";
	case SPACE_ABSENT:
		return "no such namespace (`usysv run' makes one)";
	case SPACE_DENIED:
		return "permission denied: you may not use this namespace";
	case SPACE_EMPTY:
		return "no namespace yet: the folder is empty";
	case SPACE_ALIEN:
		return "not a namespace: something else is there";
	case SPACE_VERSION:
		return "a namespace of another version of usysv";
	case SPACE_CORRUPT:
		return "its registry is damaged";
	}
	return "unknown";
}

int space_daemon_error(const char *dir)
{
	char path[PATH_MAX + 16];
	struct stat status;
	int error = 0;
	int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/register", dir);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno;
	if (fstat(fd, &status) != 0)
		error = errno;
	else if (!S_ISFIFO(status.st_mode))
		error = ENOSTR;
	(void)close(fd); /* nothing was written */
	return error;
}

pid_t space_daemon_pid(const char *dir)
{
	char path[PATH_MAX + 16];
	char text[32] = { 0 };
	ssize_t length = 0;
	int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/usysvd.pid", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return 0;
	length = read(fd, text, sizeof(text) - 1);
	(void)close(fd); /* only read from */
	return length > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

bool space_enter(const char *option, struct space *ret_space)
{
	char dir[PATH_MAX];
	enum space_state state = SPACE_OK;

	place_namespace(option, dir);
	state = space_open(dir, ret_space);
	if (state != SPACE_OK) {
		cli_error("%s: %s", dir, space_state_to_string(state));
		space_close(ret_space);
		return false;
	}
	return true;
}

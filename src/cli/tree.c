/*
 * tree.c: removes a folder and what is in it.
 *
 * Others may write in parts of a namespace, and root removes it: so every step goes by descriptor,
 * never follows a link, and never leaves the folder it began in.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

/* A namespace is two deep; more was put there by somebody else. */
#define TREE_DEPTH_MAX 16

static bool tree_empty(int parent_fd, const char *name, int depth)
{
	DIR *dir = NULL;
	struct dirent *entry = NULL;
	bool complete = true;
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return false;
	dir = fdopendir(fd);
	if (dir == NULL) {
		(void)close(fd); /* only read from */
		return false;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, 0) == 0 || errno == ENOENT)
			continue;
		if (depth < TREE_DEPTH_MAX && tree_empty(dirfd(dir), entry->d_name, depth + 1) &&
		    unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR) == 0)
			continue;
		complete = false;
	}
	(void)closedir(dir); /* only read from */
	return complete;
}

bool tree_remove(const char *dir)
{
	/* A client that is just leaving may add or remove a name between our reading and rmdir. */
	for (int round = 0; round < 3; round++) {
		if (tree_empty(AT_FDCWD, dir, 0) && rmdir(dir) == 0)
			return true;
		if (errno == ENOENT)
			return true;
	}
	return false;
}

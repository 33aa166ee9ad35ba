/* place.c: where the parts of usysv are, and where namespaces go. */
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/base.h"

/* The folder of this program, links resolved; "." if the kernel does not say. */
static void place_own_folder(char ret_dir[static PATH_MAX])
{
	ssize_t length = readlink("/proc/self/exe", ret_dir, PATH_MAX - 1);
	char *slash = NULL;

	if (length <= 0) {
		(void)strcpy(ret_dir, ".");
		return;
	}
	ret_dir[length] = '\0';
	slash = strrchr(ret_dir, '/');
	if (slash != NULL)
		*slash = '\0';
}

/* The first of folder/names[i] that is a readable file; with execute permission if it must run. */
static bool place_try(const char *folder, const char *name, int mode, char ret_path[static PATH_MAX])
{
	char path[PATH_MAX];
	char *resolved = NULL;
	struct stat status;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return false;
	if (stat(path, &status) != 0 || !S_ISREG(status.st_mode) || access(path, mode) != 0)
		return false;
	resolved = realpath(path, NULL);
	if (resolved == NULL)
		return false;
	(void)snprintf(ret_path, PATH_MAX, "%s", resolved); /* realpath is never longer */
	free(resolved);
	return true;
}

static bool place_try_path(const char *name, char ret_path[static PATH_MAX])
{
	const char *path = getenv("PATH");

	while (path != NULL && *path != '\0') {
		size_t length = strcspn(path, ":");
		char folder[PATH_MAX];

		if (length > 0 && length < sizeof(folder)) {
			memcpy(folder, path, length);
			folder[length] = '\0';
			if (folder[0] == '/' && place_try(folder, name, X_OK, ret_path))
				return true;
		}
		path += length + (path[length] == ':');
	}
	return false;
}

bool place_find_daemon(char ret_path[static PATH_MAX])
{
	static const char *const folders[] = { ".", "../sbin", "../libexec", "../libexec/usysv" };
	char own[PATH_MAX];
	char folder[PATH_MAX + 32];

	place_own_folder(own);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		(void)snprintf(folder, sizeof(folder), "%s/%s", own, folders[i]);
		if (place_try(folder, "usysvd", X_OK, ret_path))
			return true;
	}
	if (place_try_path("usysvd", ret_path))
		return true;
	cli_error("cannot find the daemon usysvd: not in %s, nor ../sbin or ../libexec from there, "
		  "nor in PATH",
		  own);
	return false;
}

bool place_find_library(char ret_path[static PATH_MAX])
{
	static const char *const folders[] = { ".", "../lib", "../lib64" };
	static const char *const names[] = { "libusysv.so.0", "libusysv.so" };
	char own[PATH_MAX];
	char folder[PATH_MAX + 32];

	place_own_folder(own);
	for (size_t i = 0; i < ARRAY_SIZE(folders) * ARRAY_SIZE(names); i++) {
		(void)snprintf(folder, sizeof(folder), "%s/%s", own, folders[i / ARRAY_SIZE(names)]);
		if (!place_try(folder, names[i % ARRAY_SIZE(names)], R_OK, ret_path))
			continue;
		/* The loader takes both as separators and knows no way to quote them. */
		if (strpbrk(ret_path, " :") != NULL) {
			cli_error("%s: LD_PRELOAD cannot name a path with a blank or colon", ret_path);
			return false;
		}
		return true;
	}
	cli_error("cannot find the library libusysv.so: not in %s, nor ../lib or ../lib64 from there",
		  own);
	return false;
}

/* The real one: under fakeroot, libc says 0. */
static uid_t place_uid(void)
{
	return (uid_t)syscall(SYS_geteuid);
}

static bool place_is_memory(const char *folder)
{
	struct statfs status;

	return statfs(folder, &status) == 0 && status.f_type == TMPFS_MAGIC &&
	       access(folder, W_OK | X_OK) == 0;
}

bool place_make_temporary(char ret_dir[static PATH_MAX])
{
	const char *folder = "/dev/shm";
	/* Processes that change their uid in a namespace of root must be able to enter it. */
	mode_t mode = place_uid() == 0 ? 0755 : 0700;

	if (!place_is_memory(folder))
		folder = getenv("XDG_RUNTIME_DIR");
	if (folder == NULL || folder[0] != '/' || access(folder, W_OK | X_OK) != 0)
		folder = getenv("TMPDIR");
	if (folder == NULL || folder[0] != '/' || access(folder, W_OK | X_OK) != 0)
		folder = "/tmp";
	if (snprintf(ret_dir, PATH_MAX, "%s/usysv.XXXXXX", folder) >= PATH_MAX) {
		cli_error_path("cannot make a folder in", folder, ENAMETOOLONG);
		return false;
	}
	if (mkdtemp(ret_dir) == NULL) {
		cli_error_path("cannot make a folder in", folder, errno);
		return false;
	}
	if (chmod(ret_dir, mode) != 0) {
		cli_error_path("cannot set the mode of", ret_dir, errno);
		(void)rmdir(ret_dir); /* the message is out */
		return false;
	}
	return true;
}

void place_namespace(const char *option, char ret_dir[static PATH_MAX])
{
	const char *dir = option != NULL ? option : getenv("USYSV_DIR");
	const char *own = getenv("XDG_RUNTIME_DIR");

	if (dir != NULL && dir[0] != '\0') {
		(void)snprintf(ret_dir, PATH_MAX, "%s", dir); /* cut: cannot be opened, which is told */
		return;
	}
	if (own != NULL && own[0] == '/' && place_uid() != 0) {
		(void)snprintf(ret_dir, PATH_MAX, "%s/usysv", own);
		if (access(ret_dir, F_OK) == 0)
			return;
	}
	(void)snprintf(ret_dir, PATH_MAX, "/run/usysv");
}

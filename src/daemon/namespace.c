/*
 * namespace.c: the directory tree of a namespace.
 *
 * The order of making is: lock, registry, directories.  So a directory without a registry and with
 * anything else than a lock in it is not ours, and is left alone.
 */
#include "daemon/namespace.h"

#include <bsd/libutil.h>
#include <bsd/string.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/fifo.h"
#include "sys/status.h"
#include "sys/log.h"
#include "sys/map.h"

#define NAMESPACE_PIDFILE "usysvd.pid"
#define NAMESPACE_REGISTRY "registry"
#define NAMESPACE_REGISTRY_NEW "registry.new"
#define NAMESPACE_REGISTER "register"
#define NAMESPACE_REGISTER_NEW NAMESPACE_REGISTER ".new"

/* Entries looked at in one sweep: somebody may fill clients/ on purpose. */
#define NAMESPACE_SWEEP_MAX 4096u

/* Younger FIFOs are of a client that is just now making itself known. */
#define NAMESPACE_SWEEP_AGE_S 10

static int namespace_failed(const struct namespace *ns, const char *name, const char *what, int r)
{
	log_line(LOG_LEVEL_ERROR, "%s%s%s: %s: %s", ns->path, *name ? "/" : "", name, what,
		 strerror(-r));
	return r;
}

int namespace_default_path(char ret_path[PATH_MAX])
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0) {
		(void)strlcpy(ret_path, "/run/usysv", PATH_MAX); /* fits */
		return 0;
	}
	if (!runtime || runtime[0] != '/')
		return -ENOENT;
	if ((size_t)snprintf(ret_path, PATH_MAX, "%s/usysv", runtime) >= PATH_MAX)
		return -ENAMETOOLONG;
	return 0;
}

/* True for what a start that was cut short leaves, and what `usysv run` puts there first. */
static bool namespace_is_own_name(const char *name)
{
	static const char *const own[] = {
		".", "..", "clients", "objects", "ledgers", "log", "users", "huge",
		NAMESPACE_PIDFILE, NAMESPACE_REGISTER, NAMESPACE_REGISTER_NEW, NAMESPACE_REGISTRY_NEW,
	};

	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		if (strcmp(name, own[i]) == 0)
			return true;
	}
	return false;
}

/* True if the directory holds nothing of anybody else. */
static bool namespace_is_empty(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	bool empty = true;

	if (!dir) {
		if (fd >= 0)
			(void)close(fd); /* only read */
		return false;
	}
	while (empty && (entry = readdir(dir)))
		empty = namespace_is_own_name(entry->d_name);
	(void)closedir(dir); /* only read */
	return empty;
}

/* Opens the directory and judges whether a namespace may be here. */
static int namespace_open_dir(struct namespace *ns, const char *path, uint32_t mode)
{
	struct file_status status = {0};
	int r;

	(void)strlcpy(ns->path, path, sizeof(ns->path)); /* for messages until it is known better */
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return namespace_failed(ns, "", "cannot be made", -errno);
	if (!realpath(path, ns->path))
		return namespace_failed(ns, "", "cannot be reached", -errno);
	ns->dir_fd = open(ns->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ns->dir_fd < 0)
		return namespace_failed(ns, "", "cannot be opened", -errno);
	r = file_status(ns->dir_fd, &status);
	if (r < 0)
		return namespace_failed(ns, "", "cannot be judged", r);
	if (status.uid != geteuid())
		return namespace_failed(ns, "", "belongs to another user", -EPERM);
	if (status.mode & 022)
		return namespace_failed(ns, "", "may be written by others", -EPERM);
	ns->fresh = faccessat(ns->dir_fd, NAMESPACE_REGISTRY, F_OK, AT_EACCESS) < 0;
	if (ns->fresh && !namespace_is_empty(ns->dir_fd))
		return namespace_failed(ns, "", "holds something else than a namespace",
					-ENOTEMPTY);
	if (mode == NAMESPACE_MODE_DEFAULT)
		mode = !ns->fresh ? status.mode & 0777u : geteuid() == 0 ? 0755u : 0700u;
	if ((status.mode & 0777u) != mode && fchmod(ns->dir_fd, mode) < 0)
		return namespace_failed(ns, "", "cannot be given its mode", -errno);
	ns->owner_uid = status.uid;
	ns->shared = (mode & 077) != 0;
	return 0;
}

/* One daemon per namespace. */
static int namespace_lock(struct namespace *ns)
{
	char path[PATH_MAX];
	pid_t other = 0;

	if ((size_t)snprintf(path, sizeof(path), "%s/" NAMESPACE_PIDFILE, ns->path) >= sizeof(path))
		return namespace_failed(ns, "", "cannot be used", -ENAMETOOLONG);
	ns->pidfile = pidfile_open(path, 0644, &other);
	if (!ns->pidfile && errno == EEXIST) {
		log_line(LOG_LEVEL_ERROR, "%s: served already, by process %d", ns->path, (int)other);
		return -EEXIST;
	}
	if (!ns->pidfile)
		return namespace_failed(ns, NAMESPACE_PIDFILE, "cannot be opened", -errno);
	if (pidfile_write(ns->pidfile) < 0)
		return namespace_failed(ns, NAMESPACE_PIDFILE, "cannot be written", -errno);
	return 0;
}

/* Storage for all of it now: the daemon must never meet a full file system at a store. */
static int namespace_reserve(int fd, uint64_t size)
{
	int r;

	if (ftruncate(fd, (off_t)size) < 0)
		return -errno;
	do {
		r = fallocate(fd, 0, 0, (off_t)size) < 0 ? -errno : 0;
	} while (r == -EINTR);
	return r == -EOPNOTSUPP ? 0 : r;
}

static int namespace_make_registry(struct namespace *ns)
{
	struct registry_limits limits;
	uint64_t nonce = 0;
	void *base = NULL;
	int r;
	int fd;

	(void)unlinkat(ns->dir_fd, NAMESPACE_REGISTRY_NEW, 0); /* of a start that was cut short */
	fd = openat(ns->dir_fd, NAMESPACE_REGISTRY_NEW, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		    ns->shared ? 0644 : 0600);
	if (fd < 0)
		return namespace_failed(ns, NAMESPACE_REGISTRY_NEW, "cannot be made", -errno);
	r = namespace_reserve(fd, registry_size());
	if (r == 0)
		r = map_file(fd, registry_size(), true, &base);
	(void)close(fd); /* the mapping and the name remain */
	if (r < 0)
		return namespace_failed(ns, NAMESPACE_REGISTRY_NEW, "finds no room", r);
	while (nonce == 0)
		arc4random_buf(&nonce, sizeof(nonce));
	registry_limits_default(&limits);
	registry_format(base, nonce, &limits);
	map_close(base, registry_size());
	if (renameat(ns->dir_fd, NAMESPACE_REGISTRY_NEW, ns->dir_fd, NAMESPACE_REGISTRY) < 0)
		return namespace_failed(ns, NAMESPACE_REGISTRY, "cannot be put in place", -errno);
	return 0;
}

static int namespace_bind_registry(struct namespace *ns, void *base, uint64_t size)
{
	switch (registry_bind(&ns->registry, base, size)) {
	case 0:
		break;
	case REGISTRY_E_VERSION:
		log_line(LOG_LEVEL_ERROR, "%s: made by another version of usysvd; this one serves "
			 "version %u", ns->path, REGISTRY_VERSION);
		return -EPROTO;
	default:
		log_line(LOG_LEVEL_ERROR, "%s/" NAMESPACE_REGISTRY ": not a registry", ns->path);
		return -EPROTO;
	}
	if (!registry_repair(&ns->registry)) {
		log_line(LOG_LEVEL_ERROR, "%s/" NAMESPACE_REGISTRY ": damaged beyond repair", ns->path);
		return -EPROTO;
	}
	return 0;
}

static int namespace_open_registry(struct namespace *ns)
{
	struct file_status status = {0};
	void *base = NULL;
	int r = ns->fresh ? namespace_make_registry(ns) : 0;
	int fd;

	if (r < 0)
		return r;
	fd = openat(ns->dir_fd, NAMESPACE_REGISTRY, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return namespace_failed(ns, NAMESPACE_REGISTRY, "cannot be opened", -errno);
	r = file_status(fd, &status);
	if (r == 0 && (!S_ISREG(status.mode) || status.uid != geteuid()))
		r = -EPERM;
	if (r == 0 && fchmod(fd, ns->shared ? 0644 : 0600) < 0)
		r = -errno;
	if (r == 0)
		r = map_file(fd, status.size, true, &base);
	(void)close(fd); /* the mapping remains */
	if (r < 0)
		return namespace_failed(ns, NAMESPACE_REGISTRY, "cannot be mapped", r);
	r = namespace_bind_registry(ns, base, status.size);
	if (r < 0) {
		map_close(base, status.size);
		ns->registry = (struct registry){0};
	}
	return r;
}

static int namespace_open_part(struct namespace *ns, const char *name, uint32_t mode, int *ret_fd)
{
	struct file_status status = {0};
	int r;
	int fd;

	if (mkdirat(ns->dir_fd, name, 0700) < 0 && errno != EEXIST)
		return namespace_failed(ns, name, "cannot be made", -errno);
	fd = openat(ns->dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return namespace_failed(ns, name, "cannot be opened", -errno);
	*ret_fd = fd;
	r = file_status(fd, &status);
	if (r == 0 && status.uid != geteuid())
		r = -EPERM;
	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	return r < 0 ? namespace_failed(ns, name, "cannot be used", r) : 0;
}

int namespace_open(struct namespace *ns, const char *path, uint32_t mode)
{
	int r;

	*ns = NAMESPACE_NONE;
	r = namespace_open_dir(ns, path, mode);
	if (r == 0)
		r = namespace_lock(ns);
	/* The previous daemon may have finished it between our first look and the lock. */
	if (r == 0)
		ns->fresh = faccessat(ns->dir_fd, NAMESPACE_REGISTRY, F_OK, AT_EACCESS) < 0;
	if (r == 0)
		r = namespace_open_registry(ns);
	if (r == 0)
		r = namespace_open_part(ns, "clients", ns->shared ? 01733 : 0700, &ns->clients_fd);
	if (r == 0)
		r = namespace_open_part(ns, "objects", ns->shared ? 0711 : 0700, &ns->objects_fd);
	if (r == 0)
		r = namespace_open_part(ns, "ledgers", ns->shared ? 0711 : 0700, &ns->ledgers_fd);
	if (r < 0)
		namespace_close(ns);
	return r;
}

/*
 * A new FIFO each time, so that whoever has said HELLO on the last one is sure to see that nobody reads it
 * any more: the same one would look as before as soon as we had opened it, and he would wait in vain.
 */
int namespace_publish(struct namespace *ns)
{
	int fd = -ENOENT;
	int r;

	(void)unlinkat(ns->dir_fd, NAMESPACE_REGISTER_NEW, 0); /* of a start that was cut short */
	r = fifo_make(ns->dir_fd, NAMESPACE_REGISTER_NEW, ns->shared ? 0622 : 0600);
	if (r == 0)
		r = fd = fifo_open(ns->dir_fd, NAMESPACE_REGISTER_NEW, FIFO_BOTH);
	if (r >= 0 && renameat(ns->dir_fd, NAMESPACE_REGISTER_NEW, ns->dir_fd, NAMESPACE_REGISTER) < 0)
		r = -errno;
	if (r < 0) {
		if (fd >= 0)
			(void)close(fd); /* nothing was written */
		return namespace_failed(ns, NAMESPACE_REGISTER, "cannot be made", r);
	}
	ns->register_fd = fd;
	return 0;
}

/* True if nobody reads it any more (a living client holds its NAME.in for both). */
static bool namespace_is_abandoned(int clients_fd, const char *name, int64_t now_s)
{
	struct stat status;
	int fd;

	if (fstatat(clients_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (now_s - (int64_t)status.st_ctime < NAMESPACE_SWEEP_AGE_S)
		return false;
	if (!S_ISFIFO(status.st_mode))
		return true;
	fd = fifo_open(clients_fd, name, FIFO_WRITE);
	if (fd >= 0)
		(void)close(fd); /* nothing was written */
	return fd == -ENXIO || fd == -ENOTSUP || fd == -ELOOP;
}

void namespace_sweep(struct namespace *ns)
{
	int fd = openat(ns->clients_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int64_t now_s = clock_now_s();
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			(void)close(fd); /* only read */
		return;
	}
	for (uint32_t i = 0; i < NAMESPACE_SWEEP_MAX && (entry = readdir(dir)); i++) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		/* A directory, or what its maker removed meanwhile, stays: it does no harm. */
		if (namespace_is_abandoned(ns->clients_fd, entry->d_name, now_s))
			(void)unlinkat(ns->clients_fd, entry->d_name, 0);
	}
	(void)closedir(dir); /* only read */
}

static void namespace_close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd); /* directories and FIFOs have nothing to flush */
	*fd = -1;
}

void namespace_close(struct namespace *ns)
{
	if (ns->register_fd >= 0)
		(void)unlinkat(ns->dir_fd, NAMESPACE_REGISTER, 0); /* may be gone with the directory */
	namespace_close_fd(&ns->register_fd);
	namespace_close_fd(&ns->clients_fd);
	namespace_close_fd(&ns->objects_fd);
	namespace_close_fd(&ns->ledgers_fd);
	map_close(ns->registry.base, ns->registry.size);
	ns->registry = (struct registry){0};
	if (ns->pidfile)
		(void)pidfile_remove(ns->pidfile); /* likewise */
	ns->pidfile = NULL;
	namespace_close_fd(&ns->dir_fd);
}

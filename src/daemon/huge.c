/* huge.c: see huge.h. */
#include "daemon/huge.h"

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/base.h"
#include "daemon/namespace.h"
#include "daemon/process.h"
#include "sys/log.h"
#include "sys/status.h"

#define HUGE_NAME "huge"
#define HUGE_SETTINGS "/sys/kernel/mm/transparent_hugepage/"

/* First line of a small file; empty if it cannot be read. */
static void huge_read(const char *path, char *text, size_t text_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, text_size - 1);

	text[n > 0 ? n : 0] = 0;
	if (fd >= 0)
		(void)close(fd); /* only read */
}

static uint32_t huge_logarithm(uint64_t size)
{
	return size != 0 && (size & (size - 1)) == 0 ? (uint32_t)__builtin_ctzll(size) : 0;
}

/* True if one of these words is among a mount's options. */
static bool huge_has_option(const char *options)
{
	static const char *const words[] = {"huge=always", "huge=within_size", "huge=advise"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strstr(options, words[i]))
			return true;
	}
	return false;
}

/* True if the file system with this device number is mounted with huge pages. */
static bool huge_is_mounted(uint64_t device)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	unsigned int number[2];
	bool found = false;
	size_t size = 0;
	char *line = NULL;

	/* ID PARENT MAJOR:MINOR ROOT POINT ... - TYPE SOURCE OPTIONS, without blanks inside them. */
	while (file && !found && getline(&line, &size, file) > 0) {
		const char *options = strrchr(line, ' ');

		found = sscanf(line, "%*u %*u %u:%u", &number[0], &number[1]) == 2 &&
			makedev(number[0], number[1]) == device && options && huge_has_option(options);
	}
	free(line);
	if (file)
		(void)fclose(file); /* only read */
	return found;
}

/* The size of huge pages in this folder of a tmpfs, or 0. */
static uint32_t huge_of_tmpfs(int fd)
{
	char allowed[128];
	char size[32];
	struct stat status;

	huge_read(HUGE_SETTINGS "shmem_enabled", allowed, sizeof(allowed));
	huge_read(HUGE_SETTINGS "hpage_pmd_size", size, sizeof(size));
	if (strstr(allowed, "[deny]") || fstat(fd, &status) < 0)
		return 0;
	if (!strstr(allowed, "[force]") && !huge_is_mounted(status.st_dev))
		return 0;
	return huge_logarithm(strtoull(size, NULL, 10));
}

static void huge_refuse(struct huge *huge, const struct namespace *ns, const char *why)
{
	log_line(LOG_LEVEL_WARNING, "%s/" HUGE_NAME ": %s; there are no huge pages", ns->path, why);
	huge_close(huge);
}

/* A folder of a hugetlbfs, which has to be ours alone. */
static void huge_take(struct huge *huge, const struct namespace *ns)
{
	struct file_status status = {0};
	struct statfs system;
	char self[64];
	ssize_t n;

	if (fstatfs(huge->fd, &system) < 0 || (uint64_t)system.f_type != HUGETLBFS_MAGIC) {
		huge_refuse(huge, ns, "is not on a hugetlbfs");
		return;
	}
	if (file_status(huge->fd, &status) < 0 || status.uid != geteuid() || (status.mode & 022)) {
		huge_refuse(huge, ns, "belongs to another user, or others may write in it");
		return;
	}
	/* The lock goes with the descriptor. */
	if (flock(huge->fd, LOCK_EX | LOCK_NB) < 0) {
		huge_refuse(huge, ns, "is used by another namespace");
		return;
	}
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", huge->fd);
	n = readlink(self, huge->path, sizeof(huge->path) - 1);
	huge->path[n > 0 ? n : 0] = 0;
	if (n <= 0 || fchmod(huge->fd, ns->shared ? 0711 : 0700) < 0) {
		huge_refuse(huge, ns, "cannot be used");
		return;
	}
	huge->is_reserved = true;
	huge->exponent = huge_logarithm((uint64_t)system.f_bsize);
}

void huge_open(struct huge *huge, const struct namespace *ns)
{
	struct stat objects = {0};
	struct stat folder = {0};

	*huge = (struct huge){.fd = openat(ns->dir_fd, HUGE_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	if (huge->fd < 0 && errno == ENOENT && huge_of_tmpfs(ns->objects_fd) != 0 &&
	    symlinkat("objects", ns->dir_fd, HUGE_NAME) == 0)
		huge->fd = openat(ns->dir_fd, HUGE_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (huge->fd < 0)
		return;
	if (fstat(ns->objects_fd, &objects) < 0 || fstat(huge->fd, &folder) < 0) {
		huge_close(huge);
	} else if (objects.st_dev == folder.st_dev && objects.st_ino == folder.st_ino) {
		huge->exponent = huge_of_tmpfs(huge->fd);
	} else {
		huge_take(huge, ns);
	}
}

void huge_close(struct huge *huge)
{
	if (huge->fd >= 0)
		(void)close(huge->fd); /* a folder */
	*huge = (struct huge){.fd = -1};
}

int huge_judge(uint32_t pid)
{
	char group[32];
	char *end;
	unsigned long gid;

	huge_read("/proc/sys/vm/hugetlb_shm_group", group, sizeof(group));
	gid = strtoul(group, &end, 10);
	if (end != group && process_has_group(pid, (uint32_t)gid))
		return 0;
	return process_may_lock(pid) ? 0 : EPERM;
}

int huge_reserve(int fd, uint64_t size)
{
	/* A shared mapping's pages are reserved to the file, and stay so when it is unmapped. */
	void *base = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (base == MAP_FAILED)
		return -errno;
	(void)munmap(base, (size_t)size); /* made just now */
	return 0;
}

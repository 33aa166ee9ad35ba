/* procfs.c: see procfs.h. */
#include "client/procfs.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "client/msg.h"
#include "client/ns.h"
#include "client/ipc.h"
#include "client/probe.h"
#include "client/sem.h"
#include "client/shm.h"
#include "sys/raw.h"

#define PROCFS_BUFFER_SIZE 4096u
#define PROCFS_NS_PER_S 1000000000u

struct procfs_name {
	const char *path;
	enum procfs_file file;
};

static const struct procfs_name procfs_names[] = {
	{"/proc/sysvipc/shm", PROCFS_SHM},
	{"/proc/sysvipc/sem", PROCFS_SEM},
	{"/proc/sysvipc/msg", PROCFS_MSG},
	{"/proc/sys/kernel/shmmax", PROCFS_SHMMAX},
	{"/proc/sys/kernel/shmall", PROCFS_SHMALL},
	{"/proc/sys/kernel/shmmni", PROCFS_SHMMNI},
	{"/proc/sys/kernel/sem", PROCFS_SEM_LIMITS},
	{"/proc/sys/kernel/msgmax", PROCFS_MSGMAX},
	{"/proc/sys/kernel/msgmnb", PROCFS_MSGMNB},
	{"/proc/sys/kernel/msgmni", PROCFS_MSGMNI},
};

static const char procfs_shm_header[] =
	"       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid"
	"      atime      dtime      ctime                   rss                  swap\n";
static const char procfs_sem_header[] =
	"       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n";
static const char procfs_msg_header[] =
	"       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid"
	"      stime      rtime      ctime\n";

enum procfs_file procfs_match(const char *path)
{
	/* Most opens are of something else: one comparison for them. */
	if (!probe_has_prefix(path, "/proc/sys"))
		return PROCFS_NONE;
	for (size_t i = 0; i < ARRAY_SIZE(procfs_names); i++) {
		size_t size = strlen(procfs_names[i].path);

		if (probe_has_prefix(path, procfs_names[i].path) && probe_readable(path + size, 1) &&
		    path[size] == '\0')
			return procfs_names[i].file;
	}
	return PROCFS_NONE;
}

/* ---------------------------------------------------------------------------------- formatting */

/* value in base 8 or 10, blank-padded on the left to width, after a space if spaced. */
static char *procfs_put(char *at, uint64_t value, uint32_t width, uint32_t base)
{
	char digits[24];
	uint32_t n = 0;

	do {
		digits[n++] = (char)('0' + value % base);
		value /= base;
	} while (value != 0);
	for (uint32_t i = n; i < width; i++)
		*at++ = ' ';
	while (n > 0)
		*at++ = digits[--n];
	return at;
}

/* The same after one space. */
static char *procfs_field(char *at, uint64_t value, uint32_t width)
{
	*at++ = ' ';
	return procfs_put(at, value, width, 10);
}

static char *procfs_time(char *at, int64_t seconds)
{
	return procfs_field(at, seconds < 0 ? 0 : (uint64_t)seconds, 10);
}

/* Key (signed), id and mode: what every line begins with. */
static char *procfs_begin(char *at, const struct registry_object *object)
{
	char key[16];
	size_t n = sizeof(key);
	uint32_t rest = object->key < 0 ? 0u - (uint32_t)object->key : (uint32_t)object->key;

	do {
		key[--n] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest != 0);
	if (object->key < 0)
		key[--n] = '-';
	for (size_t i = sizeof(key) - n; i < 10; i++)
		*at++ = ' ';
	memcpy(at, key + n, sizeof(key) - n);
	at += sizeof(key) - n;
	at = procfs_field(at, (uint32_t)object->id, 10);
	*at++ = ' ';
	*at++ = ' ';
	return procfs_put(at, object->owner.mode & ABI_SHM_SHOWN, 4, 8);
}

static char *procfs_owner(char *at, const struct ipc_owner *owner)
{
	at = procfs_field(at, owner->uid, 5);
	at = procfs_field(at, owner->gid, 5);
	at = procfs_field(at, owner->cuid, 5);
	return procfs_field(at, owner->cgid, 5);
}

static size_t procfs_end(char *at, char *line)
{
	*at++ = '\n';
	return (size_t)(at - line);
}

size_t procfs_shm_line(const struct registry_object *object, uint64_t n_attached, uint64_t resident,
		       char *line)
{
	char *at = procfs_begin(line, object);

	at = procfs_field(at, object->size, 21);
	at = procfs_field(at, object->creator_pid, 5);
	at = procfs_field(at, object->last_pid, 5);
	*at++ = ' ';
	at = procfs_field(at, n_attached, 5);
	at = procfs_owner(at, &object->owner);
	at = procfs_field(at, object->attach_ns / PROCFS_NS_PER_S, 10);
	at = procfs_field(at, object->detach_ns / PROCFS_NS_PER_S, 10);
	at = procfs_time(at, object->ctime_s);
	at = procfs_field(at, resident, 21);
	at = procfs_field(at, 0, 21);
	return procfs_end(at, line);
}

size_t procfs_sem_line(const struct registry_object *object, const struct semset_stat *stat,
		       char *line)
{
	char *at = procfs_begin(line, object);

	at = procfs_field(at, object->size, 10);
	at = procfs_owner(at, &object->owner);
	at = procfs_time(at, stat->otime_s);
	at = procfs_time(at, stat->ctime_s);
	return procfs_end(at, line);
}

size_t procfs_msg_line(const struct registry_object *object, const struct msgq_stat *stat,
		       char *line)
{
	char *at = procfs_begin(line, object);

	*at++ = ' ';
	at = procfs_field(at, stat->cbytes, 10);
	at = procfs_field(at, stat->qnum, 10);
	at = procfs_field(at, stat->lspid, 5);
	at = procfs_field(at, stat->lrpid, 5);
	at = procfs_owner(at, &object->owner);
	at = procfs_time(at, stat->stime_s);
	at = procfs_time(at, stat->rtime_s);
	at = procfs_time(at, stat->ctime_s);
	return procfs_end(at, line);
}

size_t procfs_limits_line(enum procfs_file file, const struct registry_limits *limits, char *line)
{
	const uint64_t values[] = {
		[PROCFS_SHMMAX] = limits->shmmax, [PROCFS_SHMALL] = limits->shmall,
		[PROCFS_SHMMNI] = limits->shmmni, [PROCFS_SEM_LIMITS] = limits->semmsl,
		[PROCFS_MSGMAX] = limits->msgmax, [PROCFS_MSGMNB] = limits->msgmnb,
		[PROCFS_MSGMNI] = limits->msgmni,
	};
	char *at = procfs_put(line, values[file], 0, 10);

	if (file == PROCFS_SEM_LIMITS) {
		*at++ = '\t';
		at = procfs_put(at, limits->semmns, 0, 10);
		*at++ = '\t';
		at = procfs_put(at, limits->semopm, 0, 10);
		*at++ = '\t';
		at = procfs_put(at, limits->semmni, 0, 10);
	}
	return procfs_end(at, line);
}

/* -------------------------------------------------------------------------------------- content */

/* Output on its way to the descriptor. */
struct procfs_output {
	int fd;
	int error;
	size_t used;
	char bytes[PROCFS_BUFFER_SIZE];
};

static void procfs_flush(struct procfs_output *output)
{
	size_t done = 0;

	while (done < output->used && output->error == 0) {
		long n = raw_call3(SYS_write, output->fd, output->bytes + done, output->used - done);

		if (n < 0 && n != -EINTR)
			output->error = (int)n;
		else if (n > 0)
			done += (size_t)n;
	}
	output->used = 0;
}

static void procfs_write(struct procfs_output *output, const char *text, size_t size)
{
	if (output->used + size > sizeof(output->bytes))
		procfs_flush(output);
	memcpy(output->bytes + output->used, text, size);
	output->used += size;
}

static size_t procfs_object_line(enum ipc_kind kind, struct registry_object *object, char *line)
{
	struct registry_object fresh;
	struct semset_stat sem;
	struct msgq_stat msg;
	uint64_t n_attached = 0;

	switch (kind) {
	case IPC_KIND_SHM:
		/* Without a daemon the attachments cannot be counted; the rest is known. */
		if (shm_read_sum(object->id, &fresh, &n_attached) == 0)
			*object = fresh;
		return procfs_shm_line(object, n_attached, shm_read_resident(object), line);
	case IPC_KIND_SEM:
		sem_read_times(object->id, &sem);
		return procfs_sem_line(object, &sem, line);
	default:
		msg_read_stat(object->id, &msg);
		return procfs_msg_line(object, &msg, line);
	}
}

static void procfs_list(struct procfs_output *output, enum ipc_kind kind)
{
	static const char *const headers[IPC_KIND_COUNT] = {
		[IPC_KIND_SHM] = procfs_shm_header,
		[IPC_KIND_SEM] = procfs_sem_header,
		[IPC_KIND_MSG] = procfs_msg_header,
	};
	const struct registry *registry = atomic_load(&ns_registry);
	uint32_t index_max = registry_index_max(registry, kind);
	struct registry_object object;
	char line[PROCFS_LINE_MAX];

	procfs_write(output, headers[kind], strlen(headers[kind]));
	for (uint32_t i = 0; i <= index_max && i < OBJECT_MAX && output->error == 0; i++) {
		if (registry_get_index(registry, kind, i, &object) == 0)
			procfs_write(output, line, procfs_object_line(kind, &object, line));
	}
}

static void procfs_fill(struct procfs_output *output, enum procfs_file file)
{
	struct registry_limits limits;
	char line[PROCFS_LINE_MAX];

	switch (file) {
	case PROCFS_SHM:
		procfs_list(output, IPC_KIND_SHM);
		break;
	case PROCFS_SEM:
		procfs_list(output, IPC_KIND_SEM);
		break;
	case PROCFS_MSG:
		procfs_list(output, IPC_KIND_MSG);
		break;
	default:
		ipc_limits(&limits);
		procfs_write(output, line, procfs_limits_line(file, &limits, line));
		break;
	}
	procfs_flush(output);
}

int procfs_access(enum procfs_file file, int mode)
{
	(void)file; /* all of them are 0444 here: the limits are changed with `usysv`, not by writing */
	return mode & (W_OK | X_OK) ? -EACCES : 0;
}

int procfs_open(enum procfs_file file, int flags)
{
	struct procfs_output output = {.fd = -1};
	long r;

	if ((flags & O_ACCMODE) != O_RDONLY)
		return -EACCES;
	r = ns_open(false);
	if (r < 0)
		return -ENOENT; /* as where the kernel has no System V IPC */
	r = raw_call2(SYS_memfd_create, "sysvipc", flags & O_CLOEXEC ? 1 /* MFD_CLOEXEC */ : 0);
	if (r < 0)
		return (int)r;
	output.fd = (int)r;
	procfs_fill(&output, file);
	r = output.error;
	if (r == 0)
		r = raw_call3(SYS_lseek, output.fd, 0, SEEK_SET);
	if (r < 0) {
		(void)raw_call1(SYS_close, output.fd);
		return (int)r;
	}
	return output.fd;
}

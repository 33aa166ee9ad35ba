/*
 * recorder.c: see recorder.h.
 *
 * A recording that cannot go on, because the disk is full or it has its full size, ends with a line in
 * the log; the daemon goes on.  It always ends at a whole record.
 */
#include "daemon/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/log.h"

#define RECORDER_NAME_SIZE 64u

/* Room for the last record, which says that the recording is full. */
#define RECORDER_END_SIZE (RECORD_HEAD_SIZE + 4u)

/* --- the file ---------------------------------------------------------------------------------- */

static void recorder_stop(struct recorder *recorder)
{
	(void)close(recorder->fd); /* what was written is written; nobody waits for it */
	recorder->is_on = false;
}

/* All of it or nothing. */
static void recorder_write(struct recorder *recorder, const uint8_t *bytes, size_t n_bytes)
{
	ssize_t n = write(recorder->fd, bytes, n_bytes);

	if (n == (ssize_t)n_bytes) {
		recorder->size += n_bytes;
		return;
	}
	log_line(LOG_LEVEL_WARNING, "the recording ends here: %s",
		 n < 0 ? strerror(errno) : "no more room");
	if (ftruncate(recorder->fd, (off_t)recorder->size) < 0)
		log_line(LOG_LEVEL_WARNING, "its last %zd bytes are of no use", n);
	recorder_stop(recorder);
}

static void recorder_end(struct recorder *recorder, uint32_t end)
{
	struct record record = {.type = RECORD_END, .end = end};
	uint8_t bytes[RECORD_SIZE_MAX];
	size_t n_bytes = record_encode(&record, bytes);

	recorder_write(recorder, bytes, n_bytes);
	if (recorder->is_on)
		recorder_stop(recorder);
}

/* One record, behind what is held. */
static void recorder_put(struct recorder *recorder, const struct record *record)
{
	uint8_t bytes[RECORDER_HELD_MAX + RECORD_SIZE_MAX];
	size_t n_bytes = recorder->n_held;

	if (!recorder->is_on)
		return;
	memcpy(bytes, recorder->held, n_bytes);
	recorder->n_held = 0;
	n_bytes += record_encode(record, bytes + n_bytes);
	if (recorder->size + n_bytes + RECORDER_END_SIZE > RECORDING_SIZE_MAX) {
		log_line(LOG_LEVEL_NOTICE, "the recording is full and ends here");
		recorder_end(recorder, RECORD_END_FULL);
		return;
	}
	recorder_write(recorder, bytes, n_bytes);
}

/* --- storage, listened to ---------------------------------------------------------------------- */

static void recorder_said(struct recorder *recorder, enum record_call call, uint64_t subject, int result)
{
	struct record record = {.type = RECORD_STORAGE};

	record.storage.call = call;
	record.storage.subject = subject;
	record.storage.result = result;
	recorder_put(recorder, &record);
}

static int recorder_create(void *context, enum ipc_kind kind, const struct registry_object *object,
			   uint64_t qbytes, uint64_t reserved_bytes)
{
	struct recorder *recorder = context;
	int r = recorder->asked->create(recorder->asked->context, kind, object, qbytes,
					reserved_bytes);

	recorder_said(recorder, RECORD_CREATE, record_object(kind, object->id), r);
	return r;
}

static int recorder_set(void *context, enum ipc_kind kind, const struct registry_object *object,
			const struct registry_object *before, uint64_t qbytes)
{
	struct recorder *recorder = context;
	int r = recorder->asked->set(recorder->asked->context, kind, object, before, qbytes);

	recorder_said(recorder, RECORD_SET, record_object(kind, object->id), r);
	return r;
}

static void recorder_destroy(void *context, enum ipc_kind kind, int32_t id)
{
	struct recorder *recorder = context;

	recorder->asked->destroy(recorder->asked->context, kind, id);
	recorder_said(recorder, RECORD_DESTROY, record_object(kind, id), 0);
}

static int recorder_ledger_make(void *context, const struct registry_client *owner, uint32_t gid)
{
	struct recorder *recorder = context;
	int r = recorder->asked->ledger_make(recorder->asked->context, owner, gid);

	recorder_said(recorder, RECORD_LEDGER_MAKE, owner->client, r);
	return r;
}

static int recorder_attach_sum(void *context, int32_t shmid, bool exact, struct ledger_sum *ret_sum)
{
	struct recorder *recorder = context;
	struct record record = {.type = RECORD_STORAGE};
	int r = recorder->asked->attach_sum(recorder->asked->context, shmid, exact, ret_sum);

	record.storage.call = RECORD_ATTACH_SUM;
	record.storage.subject = record_object(IPC_KIND_SHM, shmid);
	record.storage.result = r;
	if (r == 0)
		record.storage.sum = *ret_sum;
	recorder_put(recorder, &record);
	return r;
}

void recorder_fold(struct recorder *recorder, int32_t shmid, const struct ledger_sum *sum)
{
	struct record record = {.type = RECORD_STORAGE};

	record.storage.call = RECORD_FOLD;
	record.storage.subject = record_object(IPC_KIND_SHM, shmid);
	record.storage.sum = *sum;
	recorder_put(recorder, &record);
}

static bool recorder_attached_alone(void *context, int32_t shmid, uint64_t client, uint64_t n_attached)
{
	struct recorder *recorder = context;
	bool is = recorder->asked->attached_alone(recorder->asked->context, shmid, client, n_attached);

	recorder_said(recorder, RECORD_ALONE, record_object(IPC_KIND_SHM, shmid), is);
	return is;
}

static void recorder_settle(void *context, uint64_t client, uint32_t pid, bool dead)
{
	struct recorder *recorder = context;

	recorder->asked->settle(recorder->asked->context, client, pid, dead);
	recorder_said(recorder, RECORD_SETTLE, client, 0);
}

static bool recorder_has_exited(void *context, uint64_t client)
{
	struct recorder *recorder = context;
	bool has = recorder->asked->has_exited(recorder->asked->context, client);

	recorder_said(recorder, RECORD_HAS_EXITED, client, has);
	return has;
}

static int recorder_stead(void *context, const struct service_stead *ask, struct service_stood *ret_stood)
{
	struct recorder *recorder = context;
	struct record record = {.type = RECORD_STORAGE};
	int r = recorder->asked->stead(recorder->asked->context, ask, ret_stood);

	record.storage.call = RECORD_STEAD;
	record.storage.subject = record_object((enum ipc_kind)ask->call->kind, ask->call->id);
	record.storage.result = r;
	if (r == 0)
		record.storage.stood = *ret_stood;
	recorder_put(recorder, &record);
	return r;
}

static bool recorder_has_group(void *context, uint64_t client, uint32_t gid)
{
	struct recorder *recorder = context;
	bool has = recorder->asked->has_group(recorder->asked->context, client, gid);

	recorder_said(recorder, RECORD_HAS_GROUP, client, has);
	return has;
}

const struct service_storage *recorder_storage(struct recorder *recorder,
					       const struct service_storage *storage)
{
	if (!recorder->is_on)
		return storage;
	recorder->asked = storage;
	recorder->storage = (struct service_storage){
		.context = recorder,
		.create = recorder_create,
		.set = recorder_set,
		.destroy = recorder_destroy,
		.ledger_make = recorder_ledger_make,
		.attach_sum = recorder_attach_sum,
		.attached_alone = recorder_attached_alone,
		.settle = recorder_settle,
		.has_exited = recorder_has_exited,
		.stead = recorder_stead,
		.has_group = recorder_has_group,
	};
	return &recorder->storage;
}

/* --- steps ------------------------------------------------------------------------------------- */

void recorder_event(struct recorder *recorder, const struct event *event)
{
	struct record record = {.type = RECORD_EVENT};

	if (!recorder->is_on)
		return;
	record.event = *event;
	recorder_put(recorder, &record);
}

void recorder_effects(struct recorder *recorder, const struct effects *effects)
{
	struct record record = {.type = RECORD_EFFECTS};
	uint8_t bytes[RECORD_SIZE_MAX];

	if (!recorder->is_on)
		return;
	record.effects.n = effects->n;
	record.effects.sum = record_effects_sum(effects);
	recorder->n_held = (uint32_t)record_encode(&record, bytes);
	memcpy(recorder->held, bytes, recorder->n_held);
}

/* --- begin and end ----------------------------------------------------------------------------- */

/* Its folder: nobody else may put files or links there. */
static int recorder_open_dir(const char *dir)
{
	struct stat status;
	int fd;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) == 0 && status.st_uid == geteuid() && !(status.st_mode & 022))
		return fd;
	(void)close(fd); /* a directory */
	return -EPERM;
}

static int recorder_open_file(const char *dir, char name[RECORDER_NAME_SIZE])
{
	int dir_fd = recorder_open_dir(dir);
	int fd;

	if (dir_fd < 0)
		return dir_fd;
	(void)snprintf(name, RECORDER_NAME_SIZE, "usysvd-%" PRIu64 "-%d", clock_now_ns(),
		       (int)getpid()); /* fits */
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		fd = -errno;
	(void)close(dir_fd);
	return fd;
}

int recorder_open(struct recorder *recorder, const char *dir, const struct registry *registry,
		  const struct record_header *header)
{
	struct record record = {.type = RECORD_HEADER, .header = *header};
	char name[RECORDER_NAME_SIZE] = "";
	uint64_t offset = 0;
	int fd = recorder_open_file(dir, name);

	if (fd < 0) {
		log_line(LOG_LEVEL_ERROR, "%s: no recording can be made there: %s", dir,
			 fd == -EPERM ? "it must be ours, and nobody else may write in it"
				      : strerror(-fd));
		return fd;
	}
	*recorder = (struct recorder){.is_on = true, .fd = fd};
	log_line(LOG_LEVEL_NOTICE, "recording control requests in %s/%s", dir, name);
	recorder_put(recorder, &record);
	while (recorder->is_on && record_next_run(registry, &offset, &record))
		recorder_put(recorder, &record);
	record = (struct record){.type = RECORD_START};
	recorder_put(recorder, &record);
	return 0;
}

void recorder_close(struct recorder *recorder)
{
	if (!recorder->is_on)
		return;
	if (recorder->n_held > 0)
		recorder_write(recorder, recorder->held, recorder->n_held);
	if (recorder->is_on)
		recorder_end(recorder, RECORD_END_STOPPED);
}

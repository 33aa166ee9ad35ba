/*
 * stead.c: the calls themselves that are made in a client's stead (core/stead.h).
 *
 * Operations, values and texts travel in a file that the client makes in clients/ for the moment; it is
 * believed as far as its owner and mode show that it is his alone, and is read and written, never mapped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/process.h"
#include "daemon/storage.h"
#include "sys/status.h"

/* Tries of a queue in which others never let us through; then the client asks again. */
#define STEAD_ROUNDS_MAX 1000u

/* Memory for a SETALL of the largest set. */
#define STEAD_WORD_SIZE 48u

struct stead_work {
	const struct service_stead *ask;
	uint8_t *bytes; /* of the file, or for it */
	uint64_t n_bytes;
	int error; /* what the caller is told */
	struct service_stood stood;
};

/* --- the file ---------------------------------------------------------------------------------- */

/* A descriptor or -errno. */
static int stead_open(const struct daemon *daemon, const struct service_stead *ask)
{
	char name[PROTO_NAME_SIZE + 1] = "";
	struct file_status status = {0};
	int fd;
	int r;

	memcpy(name, ask->call->name, PROTO_NAME_SIZE);
	if (name[0] == '.')
		return -EINVAL;
	fd = openat(daemon->ns.clients_fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -EINVAL;
	r = file_status(fd, &status);
	if (r == 0 && (!S_ISREG(status.mode) || status.n_links != 1 || status.uid != ask->uid ||
		       (status.mode & 077) != 0))
		r = -EINVAL;
	if (r == 0)
		return fd;
	(void)close(fd); /* nothing was written */
	return r;
}

static int stead_read(int fd, uint8_t *bytes, uint64_t n_bytes)
{
	for (uint64_t done = 0; done < n_bytes;) {
		ssize_t n = pread(fd, bytes + done, n_bytes - done, (off_t)done);

		if (n <= 0)
			return -EINVAL; /* it is shorter than was said */
		done += (uint64_t)n;
	}
	return 0;
}

static int stead_write(int fd, const uint8_t *bytes, uint64_t n_bytes)
{
	for (uint64_t done = 0; done < n_bytes;) {
		ssize_t n = pwrite(fd, bytes + done, n_bytes - done, (off_t)done);

		if (n <= 0)
			return -ENOMEM;
		done += (uint64_t)n;
	}
	return 0;
}

/* --- sets -------------------------------------------------------------------------------------- */

static int stead_set_errno(int outcome)
{
	switch (outcome) {
	case SEMSET_E_AGAIN:
		return EAGAIN;
	case SEMSET_E_RANGE:
		return ERANGE;
	case SEMSET_E_FBIG:
		return EFBIG;
	case SEMSET_E_REMOVED:
		return EINVAL;
	case SEMSET_E_NOMEM:
		return ENOMEM;
	default:
		return EIO;
	}
}

/* What the values and operations themselves are to be.  0 or an errno. */
static int stead_check_set(const struct stead_work *work)
{
	const struct proto_stead *call = work->ask->call;
	struct abi_sembuf op;
	uint16_t value;

	for (uint64_t i = 0; call->what == PROTO_STEAD_OP && i < work->n_bytes / sizeof(op); i++) {
		memcpy(&op, work->bytes + i * sizeof(op), sizeof(op));
		if (op.sem_op != 0 && !(call->flags & PROTO_STEAD_ALTERS))
			return EACCES;
	}
	for (uint64_t i = 0; call->what == PROTO_STEAD_SET_ALL && i < work->n_bytes / sizeof(value); i++) {
		memcpy(&value, work->bytes + i * sizeof(value), sizeof(value));
		if (value > ABI_SEMVMX)
			return ERANGE;
	}
	return 0;
}

static int stead_set_try(struct semset *set, const struct actor *actor, const struct stead_work *work,
			 struct wakes *wakes)
{
	static _Alignas(16) uint8_t memory[MCAS_WORDS_MAX * STEAD_WORD_SIZE];
	const struct proto_stead *call = work->ask->call;
	const struct stead *stead = &work->ask->stead;
	const uint16_t one = (uint16_t)call->size;

	switch (call->what) {
	case PROTO_STEAD_OP:
		return semset_stead_op(set, actor, stead, (const void *)work->bytes,
				       (uint32_t)(work->n_bytes / sizeof(struct abi_sembuf)), wakes);
	case PROTO_STEAD_SET_ONE:
		if ((uint64_t)call->type >= set->layout.n_sems)
			return SEMSET_E_CORRUPT;
		return semset_stead_assign(set, actor, stead, &one, (uint32_t)call->type, 1, NULL, wakes);
	default:
		if (work->n_bytes != set->layout.n_sems * sizeof(uint16_t) ||
		    semset_set_all_size(set) > sizeof(memory))
			return SEMSET_E_CORRUPT;
		return semset_stead_assign(set, actor, stead, (const void *)work->bytes, 0,
					   set->layout.n_sems,
					   semset_set_all_size(set) > 0 ? memory : NULL, wakes);
	}
}

bool stead_on_set(struct semset *set, const struct actor *actor, struct stead_work *work)
{
	struct wakes wakes = {0};
	int outcome;

	if (work->ask->call->what == PROTO_STEAD_END) {
		semset_stead_end(set, actor, work->ask->stead.number);
		return true;
	}
	work->error = stead_check_set(work);
	if (work->error != 0)
		return true;
	do {
		outcome = stead_set_try(set, actor, work, &wakes);
	} while (work_grow_set(set, outcome));
	switch (outcome) {
	case SEMSET_DONE:
	case SEMSET_MORE:
		work_wake(&set->mcas, &wakes);
		if (outcome == SEMSET_MORE)
			(void)work_set_rounds(set, actor, semset_settle); /* or whoever comes next does */
		break;
	case SEMSET_WAITING:
		work->stood.state = SERVICE_STOOD_WAITS;
		break;
	case SEMSET_BLOCKED:
		work->stood.state = SERVICE_STOOD_NOT;
		break;
	default:
		work->error = stead_set_errno(outcome);
		break;
	}
	return outcome != SEMSET_E_CORRUPT;
}

/* --- queues ------------------------------------------------------------------------------------ */

static int stead_queue_errno(int outcome)
{
	switch (outcome) {
	case MSGQ_E_2BIG:
		return E2BIG;
	case MSGQ_E_REMOVED:
		return EINVAL;
	case MSGQ_E_NOMEM:
		return ENOMEM;
	default:
		return EIO;
	}
}

static int stead_queue_try(struct msgq *queue, const struct actor *actor, struct stead_work *work,
			   struct wakes *wakes)
{
	const struct proto_stead *call = work->ask->call;
	const struct stead *stead = &work->ask->stead;
	const struct msgq_want want = {
		.type = call->type,
		.size = work->n_bytes,
		.flags = call->flags & (ABI_MSG_NOERROR | ABI_MSG_EXCEPT),
	};

	if (call->what == PROTO_STEAD_END)
		return msgq_stead_end(queue, actor, stead->number, wakes);
	if (call->what == PROTO_STEAD_SEND)
		return msgq_stead_send(queue, actor, stead, call->type, work->bytes, work->n_bytes, wakes);
	return msgq_stead_receive(queue, actor, stead, &want, work->bytes, &work->stood.size,
				  &work->stood.type, wakes);
}

bool stead_on_queue(struct msgq *queue, const struct actor *actor, struct stead_work *work)
{
	struct wakes wakes = {0};
	int outcome = MSGQ_E_BUSY;

	for (uint32_t i = 0; i < STEAD_ROUNDS_MAX; i++) {
		outcome = stead_queue_try(queue, actor, work, &wakes);
		work_wake(&queue->mcas, &wakes);
		if (outcome == MSGQ_GROW && !work_grow_queue(queue))
			outcome = MSGQ_E_NOMEM;
		if (outcome != MSGQ_GROW && outcome != MSGQ_MORE && outcome != MSGQ_E_BUSY)
			break;
	}
	if (wakes.n == WAKES_MAX)
		work_settle_queue(queue, actor);
	switch (outcome) {
	case MSGQ_DONE:
		break;
	case MSGQ_WAITING:
		work->stood.state = SERVICE_STOOD_WAITS;
		break;
	case MSGQ_BLOCKED:
	case MSGQ_E_BUSY:
		work->stood.state = SERVICE_STOOD_NOT;
		break;
	default:
		work->error = stead_queue_errno(outcome);
		break;
	}
	return outcome != MSGQ_E_CORRUPT;
}

/* --- both -------------------------------------------------------------------------------------- */

/* The bytes of the call, or room for them.  0 or -errno. */
static int stead_prepare(int fd, struct stead_work *work)
{
	const struct proto_stead *call = work->ask->call;

	if (call->what == PROTO_STEAD_SET_ONE || call->what == PROTO_STEAD_END)
		return 0;
	work->n_bytes = call->size;
	/* No text is longer than the queue has room for. */
	if (call->what == PROTO_STEAD_RECEIVE && work->n_bytes > work->ask->object->size)
		work->n_bytes = work->ask->object->size;
	work->bytes = malloc(work->n_bytes + 1);
	if (!work->bytes)
		return -ENOMEM;
	return call->what == PROTO_STEAD_RECEIVE || fd < 0 ? 0 : stead_read(fd, work->bytes, work->n_bytes);
}

int stead_call(void *context, const struct service_stead *ask, struct service_stood *ret_stood)
{
	struct stead_work work = {.ask = ask};
	struct storage_job job = {
		.work = STORAGE_STEAD,
		.kind = (enum ipc_kind)ask->call->kind,
		.object = ask->object,
		.actor = {.client = ask->client,
			  .pid = ask->pid,
			  .hint = MSGQ_HINT_NONE,
			  .now_s = ask->now_s,
			  .slot = MCAS_SLOT_NONE},
		.stead = &work,
	};
	struct daemon *daemon = context;
	struct client *client = clients_find(&daemon->clients, ask->client);
	int fd = -1;
	int r = 0;

	if (!client)
		return EINVAL; /* nobody would clean up after it */
	clients_note_stead(client, job.kind, ask->call->id);
	if (ask->call->name[0] != 0)
		r = fd = stead_open(daemon, ask);
	if (r >= 0)
		r = stead_prepare(fd, &work);
	if (r == 0 && !storage_work(daemon, &job))
		r = -EIO;
	if (r == 0 && work.error == 0 && work.stood.state == SERVICE_STOOD_DONE &&
	    ask->call->what == PROTO_STEAD_RECEIVE)
		r = stead_write(fd, work.bytes, work.stood.size);
	free(work.bytes);
	if (fd >= 0)
		(void)close(fd); /* its client reads it from memory */
	if (r == 0)
		*ret_stood = work.stood;
	return r < 0 ? -r : work.error;
}

bool stead_has_group(void *context, uint64_t client, uint32_t gid)
{
	struct daemon *daemon = context;
	const struct client *entry = clients_find(&daemon->clients, client);

	/* Its number is another's only after it has ended. */
	return entry && process_has_group(entry->pid, gid) && !clients_have_ended(entry);
}

/*
 * work.c: the daemon's own changes in sets and queues.
 *
 * It acts as any client does, through the same lock-free units, under an identity of its own; what
 * a killed daemon held under that identity is taken back before anything else is done in a file.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <unistd.h>

#include "core/msgq.h"
#include "core/semset.h"
#include "daemon/storage.h"
#include "sys/fault.h"
#include "sys/status.h"
#include "sys/log.h"
#include "sys/map.h"
#include "sys/wait.h"

/* Parts one piece of work may come in: each wakes somebody, and there are SLEEPER_MAX of them. */
#define WORK_ROUNDS_MAX (SLEEPER_MAX + 1024u)

/* One piece of work on one mapped file. */
struct work {
	const struct storage_job *job;
	void *base;
	uint64_t size;
	bool is_clean; /* nothing of ours to take back first */
	bool done;
};

void work_wake(const struct mcas *mcas, const struct wakes *wakes)
{
	for (uint32_t i = 0; i < wakes->n && i < WAKES_MAX; i++) {
		if (wakes->word_indexes[i] < mcas->n_words)
			wait_wake(shared64_low_half(&mcas->words[wakes->word_indexes[i]]), INT_MAX);
	}
}

bool work_grow_set(struct semset *set, int outcome)
{
	struct semset_growth growth = {0};

	if (!semset_growth(set, outcome, &growth))
		return false;
	for (uint32_t i = 0; i < growth.n_ranges && i < ARRAY_SIZE(growth.ranges); i++) {
		int r = map_populate(set->base + growth.ranges[i].offset, growth.ranges[i].size);

		if (r < 0 && r != -EOPNOTSUPP)
			return false;
	}
	semset_grown(set, &growth);
	return true;
}

bool work_set_rounds(struct semset *set, const struct actor *actor,
		     int (*step)(struct semset *, const struct actor *, struct wakes *))
{
	for (uint32_t i = 0; i < WORK_ROUNDS_MAX; i++) {
		struct wakes wakes = {0};
		int r = step(set, actor, &wakes);

		work_wake(&set->mcas, &wakes);
		if (r != SEMSET_MORE && !work_grow_set(set, r))
			return r == SEMSET_DONE;
	}
	return false;
}

static void work_on_set(void *context)
{
	struct work *work = context;
	struct semset set;

	if (semset_bind(&set, work->base, work->size) != 0)
		return;
	if (!work->is_clean)
		semset_stead_recover(&set);
	work->is_clean = true;
	switch (work->job->work) {
	case STORAGE_RECOVER:
		work->done = work_set_rounds(&set, &work->job->actor, semset_recover);
		break;
	case STORAGE_EXECED:
		work->done = work_set_rounds(&set, &work->job->actor, semset_execed);
		break;
	case STORAGE_REMOVE:
		work->done = work_set_rounds(&set, &work->job->actor, semset_remove);
		break;
	case STORAGE_SET:
		semset_set_ctime(&set, work->job->actor.now_s);
		work->done = true;
		break;
	case STORAGE_STEAD:
		work->done = stead_on_set(&set, &work->job->actor, work->job->stead);
		break;
	}
}

bool work_grow_queue(struct msgq *queue)
{
	struct msgq_growth growth = {0};

	msgq_growth(queue, &growth);
	for (uint32_t i = 0; i < growth.n_ranges && i < ARRAY_SIZE(growth.ranges); i++) {
		int r = map_populate(queue->base + growth.ranges[i].off, growth.ranges[i].size);

		if (r < 0 && r != -EOPNOTSUPP)
			return false;
	}
	msgq_growth_done(queue, &growth);
	return true;
}

static int work_queue_step(struct msgq *queue, struct work *work, struct wakes *ret_wakes)
{
	static const struct actor daemon = {.client = ACTOR_DAEMON, .hint = ACTOR_HINT_NONE};
	int r;

	if (!work->is_clean) {
		r = msgq_stead_recover(queue, &daemon, ret_wakes);
		/* What cannot be had from a damaged one does not keep the rest from being tried. */
		work->is_clean = r != MSGQ_MORE && r != MSGQ_GROW && r != MSGQ_E_BUSY;
		return work->is_clean ? MSGQ_MORE : r;
	}
	switch (work->job->work) {
	case STORAGE_RECOVER:
	case STORAGE_EXECED: /* nothing in a queue outlives its thread */
		return msgq_recover(queue, &work->job->actor, ret_wakes);
	case STORAGE_REMOVE:
		return msgq_remove(queue, &work->job->actor, ret_wakes);
	case STORAGE_SET:
	case STORAGE_STEAD: /* not here */
		break;
	}
	return msgq_set(queue, &work->job->actor, work->job->qbytes, ret_wakes);
}

void work_settle_queue(struct msgq *queue, const struct actor *actor)
{
	struct wakes wakes = {.n = WAKES_MAX};

	for (uint32_t i = 0; i < WORK_ROUNDS_MAX && wakes.n == WAKES_MAX; i++) {
		wakes.n = 0;
		(void)msgq_settle(queue, actor, &wakes); /* who is not woken now looks by himself */
		work_wake(&queue->mcas, &wakes);
	}
}

static void work_on_queue(void *context)
{
	struct work *work = context;
	struct wakes wakes = {0};
	struct msgq queue;
	int r;

	r = msgq_bind(&queue, work->base, work->size);
	if (r == MSGQ_DONE && work->job->work == STORAGE_SET &&
	    work->job->object->size > queue.layout.qbytes_max)
		r = msgq_extend(&queue, work->size, work->job->object->size);
	if (r != MSGQ_DONE)
		return;
	for (uint32_t i = 0; i < WORK_ROUNDS_MAX; i++) {
		if (work->is_clean && work->job->work == STORAGE_STEAD) {
			work->done = stead_on_queue(&queue, &work->job->actor, work->job->stead);
			return;
		}
		wakes.n = 0;
		r = work_queue_step(&queue, work, &wakes);
		work_wake(&queue.mcas, &wakes);
		if (r == MSGQ_GROW && !work_grow_queue(&queue))
			break;
		if (r == MSGQ_E_BUSY)
			(void)usleep(50); /* descriptors are held for nanoseconds by who runs */
		if (r != MSGQ_MORE && r != MSGQ_GROW && r != MSGQ_E_BUSY)
			break;
	}
	if (r == MSGQ_DONE && wakes.n == WAKES_MAX)
		work_settle_queue(&queue, &work->job->actor);
	work->done = r == MSGQ_DONE;
}

static int work_size(enum ipc_kind kind, const struct registry_object *object, uint64_t *ret_size)
{
	struct semset_layout set;
	struct msgq_layout queue;

	if (kind == IPC_KIND_SEM) {
		if (object->size > SEM_NSEMS_MAX ||
		    semset_layout((uint32_t)object->size, &set) != 0)
			return -EINVAL;
		*ret_size = set.size;
		return 0;
	}
	if (msgq_layout(object->size, &queue) != 0)
		return -EINVAL;
	*ret_size = queue.size;
	return 0;
}

int storage_grow(int fd, const struct registry_object *object)
{
	struct file_status status = {0};
	uint64_t size = 0;
	int r = work_size(IPC_KIND_MSG, object, &size);

	if (r == 0)
		r = file_status(fd, &status);
	if (r == 0 && status.size < size && ftruncate(fd, (off_t)size) < 0)
		r = -errno;
	return r;
}

/*
 * A queue's file may be larger than the registry knows, when a daemon was killed in between; its
 * header then speaks for the larger one.
 */
static uint64_t work_size_of_file(const struct work *work, uint64_t file_size)
{
	struct msgq_layout largest;

	if (work->job->kind == IPC_KIND_MSG && file_size > work->size &&
	    msgq_layout(MSG_TEXT_MAX, &largest) == 0 && file_size <= largest.size)
		return file_size;
	return work->size;
}

static int work_map(struct daemon *daemon, struct work *work)
{
	struct file_status status = {0};
	int r = work_size(work->job->kind, work->job->object, &work->size);
	int fd;

	if (r < 0)
		return r;
	fd = storage_open(daemon, work->job->kind, work->job->object->id, O_RDWR);
	if (fd < 0)
		return fd;
	r = file_status(fd, &status);
	if (r == 0 && (!S_ISREG(status.mode) || status.size < work->size))
		r = -EIO; /* its owner has shortened it */
	work->size = work_size_of_file(work, status.size);
	if (r == 0)
		r = map_file(fd, work->size, true, &work->base);
	(void)close(fd); /* the mapping remains */
	return r;
}

bool storage_work(struct daemon *daemon, const struct storage_job *job)
{
	bool *is_clean = &daemon->is_clean[job->kind][(uint32_t)job->object->id & ABI_INDEX_MASK];
	struct work work = {.job = job, .is_clean = *is_clean};
	char name[STORAGE_NAME_SIZE];
	int r = work_map(daemon, &work);

	if (r == 0) {
		if (!fault_run(job->kind == IPC_KIND_SEM ? work_on_set : work_on_queue, &work))
			work.done = work.is_clean = false;
		*is_clean = work.is_clean;
		map_close(work.base, work.size);
	}
	if (!work.done && r != -ENOENT) {
		storage_name(job->kind, job->object->id, name);
		log_line(LOG_LEVEL_INFO, "objects/%s: damaged by one of its users", name);
	}
	return work.done;
}

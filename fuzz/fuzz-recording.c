/*
 * fuzz-recording.c: what usysvd --record wrote, played to the same service step by step.
 *
 * Input: a recording as core/record.h has it, truthful or not.  The registry comes from it, and so
 * does every answer of the storage.  Built with tables of full size, unlike the other harnesses: an
 * id of the field is the same id here.
 *
 * Checked: what is accepted encodes to the bytes it came from; the service survives any registry that
 * registry_repair accepts, any events and any answers of storage; service_verify at the end, and when
 * usysv-repro plays it after each step.  That also compares the effects of each step with the
 * recorded ones, and returns 1 if any differ or the recording is refused.
 * With pid 1 in its header the registry is also taken apart into runs again.
 * Sums are not looked at when a fuzzer plays, as it does not guess them.
 */
#include "fuzz.h"

#include <sys/mman.h>

#include "core/frame.h"
#include "core/record.h"

#define GUARD_SIZE 4096u

static const char *const call_names[RECORD_CALL_COUNT] = {
	"create", "set", "destroy", "make the ledger of", "sum up", "settle", "ask the end of",
	"ask who else has", "fold", "call in somebody's stead on", "ask the groups of",
};

struct play {
	struct record_reader reader;
	struct record next; /* with has_next: the one to come */
	bool has_next;
	int outcome; /* of the last read */
	struct registry registry;
	struct service_storage storage;
	uint32_t n_steps;
	uint32_t n_differ;
};

static struct service *service;
static uint8_t *registry_memory;
static struct effects effects;

/* As zeroes again; only what was touched costs anything.  An unreadable page follows. */
static void *memory_fresh(void *memory, size_t size)
{
	if (memory) {
		FUZZ_ASSERT(madvise(memory, size, MADV_DONTNEED) == 0);
		return memory;
	}
	size = ALIGN_UP(size, GUARD_SIZE);
	memory = mmap(NULL, size + GUARD_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	FUZZ_ASSERT(memory != MAP_FAILED);
	FUZZ_ASSERT(mprotect((uint8_t *)memory + size, GUARD_SIZE, PROT_NONE) == 0);
	return memory;
}

static void advance(struct play *play)
{
	play->outcome = record_next(&play->reader, &play->next);
	play->has_next = play->outcome == RECORD_READY;
}

static void differs(struct play *play, const char *what)
{
	play->n_differ++;
	FUZZ_SAY("  DIFFERS: %s", what);
}

/* --- storage ----------------------------------------------------------------------------------- */

static struct record_storage ask(void *context, uint32_t call, uint64_t subject)
{
	struct play *play = context;
	struct record_storage said = { .call = call, .subject = subject };

	if (play->has_next && play->next.type == RECORD_STORAGE && play->next.storage.call == call &&
	    play->next.storage.subject == subject) {
		said = play->next.storage;
		advance(play);
	} else {
		differs(play, "storage is asked for something else");
	}
	FUZZ_SAY("  storage: %s %llx: %d", call_names[call], (unsigned long long)subject, said.result);
	if (call == RECORD_ATTACH_SUM && said.result == 0)
		FUZZ_SAY("    %u attached", said.sum.n_attached);
	return said;
}

static int storage_create(void *context, enum ipc_kind kind, const struct registry_object *object,
			  uint64_t qbytes, uint64_t reserved_bytes)
{
	(void)qbytes;
	(void)reserved_bytes;
	return ask(context, RECORD_CREATE, record_object(kind, object->id)).result;
}

static int storage_set(void *context, enum ipc_kind kind, const struct registry_object *object,
		       const struct registry_object *before, uint64_t qbytes)
{
	(void)before;
	(void)qbytes;
	return ask(context, RECORD_SET, record_object(kind, object->id)).result;
}

static void storage_destroy(void *context, enum ipc_kind kind, int32_t id)
{
	(void)ask(context, RECORD_DESTROY, record_object(kind, id)); /* has no answer */
}

static int storage_ledger_make(void *context, const struct registry_client *owner, uint32_t gid)
{
	(void)gid;
	return ask(context, RECORD_LEDGER_MAKE, owner->client).result;
}

static int storage_attach_sum(void *context, int32_t shmid, bool exact, struct ledger_sum *ret_sum)
{
	struct record_storage said = ask(context, RECORD_ATTACH_SUM, record_object(IPC_KIND_SHM, shmid));

	(void)exact;
	if (said.result == 0)
		*ret_sum = said.sum;
	return said.result;
}

static bool storage_attached_alone(void *context, int32_t shmid, uint64_t client, uint64_t n_attached)
{
	(void)client;
	(void)n_attached;
	return ask(context, RECORD_ALONE, record_object(IPC_KIND_SHM, shmid)).result != 0;
}

static void storage_settle(void *context, uint64_t client, uint32_t pid, bool dead)
{
	struct play *play = context;

	(void)pid;
	(void)dead;
	for (; play->has_next && play->next.type == RECORD_STORAGE &&
	       play->next.storage.call == RECORD_FOLD; advance(play))
		service_fold(service, (int32_t)play->next.storage.subject, &play->next.storage.sum);
	(void)ask(context, RECORD_SETTLE, client); /* has no answer */
}

static bool storage_has_exited(void *context, uint64_t client)
{
	return ask(context, RECORD_HAS_EXITED, client).result != 0;
}

static int storage_stead(void *context, const struct service_stead *asked, struct service_stood *ret_stood)
{
	struct record_storage said = ask(context, RECORD_STEAD,
					 record_object((enum ipc_kind)asked->call->kind, asked->call->id));

	*ret_stood = said.stood;
	return said.result;
}

static bool storage_has_group(void *context, uint64_t client, uint32_t gid)
{
	(void)gid;
	return ask(context, RECORD_HAS_GROUP, client).result != 0;
}

/* --- what is going on -------------------------------------------------------------------------- */

/* Frames that begin and end in these bytes, as they nearly always do. */
static void say_frames(const uint8_t *bytes, size_t n_bytes)
{
	struct frame_reader reader = { 0 };
	struct proto_message message;
	struct frame frame;

	while (fuzz_telling && n_bytes > 0) {
		size_t n = frame_push(&reader, bytes, n_bytes);

		bytes += n;
		n_bytes -= n;
		if (frame_next(&reader, &frame) != FRAME_READY)
			return;
		if (proto_decode(frame.type, frame.request, frame.body, frame.body_size, &message) == 0)
			fuzz_say_message("  ", &message);
		else
			FUZZ_SAY("  a frame of type %u that is no message", frame.type);
	}
}

static void say_event(uint32_t n, const struct event *event)
{
	static const char *const names[] = {
		"bytes on `register`", "admitted", "refused", "bytes", "hang-up",
		"exited",	       "exec'ed",  "detached", "tick",
	};

	FUZZ_SAY("%u: at %llu.%09llu: %s", n, (unsigned long long)(event->now_ns / 1000000000u),
		 (unsigned long long)(event->now_ns % 1000000000u), names[event->type]);
	switch (event->type) {
	case EVENT_ADMITTED:
		FUZZ_SAY("  session %u: pid %u started at %llu, uid %u gid %u", event->session, event->pid,
			 (unsigned long long)event->start_time, event->uid, event->gid);
		break;
	case EVENT_REFUSED:
	case EVENT_HANGUP:
		FUZZ_SAY("  session %u", event->session);
		break;
	case EVENT_EXITED:
	case EVENT_EXECED:
		FUZZ_SAY("  client %llx", (unsigned long long)event->client);
		break;
	case EVENT_DETACHED:
		FUZZ_SAY("  segment %d", event->shmid);
		break;
	case EVENT_REGISTER:
		fuzz_say_bytes("  `register`", event->bytes, event->n_bytes);
		break;
	case EVENT_INPUT:
		FUZZ_SAY("  session %u, %zu bytes", event->session, event->n_bytes);
		say_frames(event->bytes, event->n_bytes);
		break;
	case EVENT_TICK:
		break;
	}
}

static void say_effects(void)
{
	for (uint32_t i = 0; fuzz_telling && i < effects.n; i++) {
		const struct effect *effect = &effects.list[i];

		switch (effect->type) {
		case EFFECT_ADMIT:
			FUZZ_SAY("  admit pid %u by %.40s as session %u", effect->pid, effect->name,
				 effect->session);
			break;
		case EFFECT_SEND:
			FUZZ_SAY("  answer to session %u:", effect->session);
			say_frames(effect->bytes, effect->n_bytes);
			break;
		case EFFECT_CLOSE:
			FUZZ_SAY("  close session %u", effect->session);
			break;
		case EFFECT_WATCH:
			FUZZ_SAY("  watch client %llx, pid %u", (unsigned long long)effect->client,
				 effect->pid);
			break;
		case EFFECT_FORGET:
			FUZZ_SAY("  forget client %llx", (unsigned long long)effect->client);
			break;
		case EFFECT_LOG:
			FUZZ_SAY("  log: %s", effect->text);
			break;
		}
	}
}

/* --- playing ----------------------------------------------------------------------------------- */

static void play_step(struct play *play)
{
	struct event event = play->next.event;

	say_event(++play->n_steps, &event);
	advance(play);
	service_step(service, &event, &effects);
	say_effects();
	if (fuzz_telling)
		FUZZ_ASSERT(service_verify(service));
	for (; play->has_next && play->next.type == RECORD_STORAGE; advance(play))
		differs(play, "storage was asked for more");
	if (!play->has_next || play->next.type != RECORD_EFFECTS)
		return; /* it ended here */
	if (play->next.effects.n != effects.n || play->next.effects.sum != record_effects_sum(&effects))
		differs(play, "what follows is not what was recorded");
	advance(play);
}

/* The registry in runs, as a recording would begin with it: nothing of it is left out. */
static void check_runs(const struct registry *registry)
{
	uint64_t offset = 0, n_in_runs = 0, n = 0;
	struct record record;

	while (record_next_run(registry, &offset, &record)) {
		FUZZ_ASSERT(record.run.n_bytes > 0 && record.run.n_bytes <= RECORD_RUN_MAX);
		FUZZ_ASSERT(record.run.offset + record.run.n_bytes == offset);
		for (uint32_t i = 0; i < record.run.n_bytes; i++)
			n_in_runs += record.run.bytes[i] != 0;
	}
	for (uint64_t i = 0; i < registry_size(); i++)
		n += registry->base[i] != 0;
	FUZZ_ASSERT(offset == registry_size() && n == n_in_runs);
}

/* From the header to the service's start.  False: there is nothing to play. */
static bool play_start(struct play *play)
{
	struct record_header header;

	advance(play);
	if (!play->has_next)
		return false;
	header = play->next.header;
	registry_memory = memory_fresh(registry_memory, registry_size());
	service = memory_fresh(service, service_size());
	for (advance(play); play->has_next && play->next.type == RECORD_REGISTRY; advance(play))
		memcpy(registry_memory + play->next.run.offset, play->next.run.bytes,
		       play->next.run.n_bytes);
	if (!play->has_next || play->next.type != RECORD_START)
		return false;
	advance(play);
	play->registry = (struct registry){ .base = registry_memory, .size = registry_size() };
	if (header.daemon_pid == 1)
		check_runs(&play->registry);
	if (registry_bind(&play->registry, registry_memory, registry_size()) != 0 ||
	    !registry_repair(&play->registry)) {
		FUZZ_SAY("its registry is none");
		return false;
	}
	FUZZ_SAY("start: uid %u, pid %u", header.owner_uid, header.daemon_pid);
	service_start(service, &play->registry, &play->storage, header.owner_uid, header.daemon_pid,
		      header.monotonic_ns);
	return true;
}

/* Reads it all, record by record. */
static int check(const uint8_t *data, size_t size, uint64_t *ret_used)
{
	struct record_reader reader = { .bytes = data, .size = size };
	uint8_t again[RECORD_SIZE_MAX];
	struct record record;
	uint64_t before = 0;
	int r;

	while ((r = record_next(&reader, &record)) == RECORD_READY) {
		FUZZ_ASSERT(reader.used > before && reader.used <= size);
		FUZZ_ASSERT(record_encode(&record, again) == reader.used - before);
		FUZZ_ASSERT(memcmp(again, data + before, reader.used - before) == 0);
		before = reader.used;
	}
	FUZZ_ASSERT(strcmp(record_outcome_to_string(r), "?") != 0);
	FUZZ_ASSERT(strcmp(record_outcome_to_string(RECORD_READY), record_outcome_to_string(-1)) != 0);
	*ret_used = reader.used;
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct play play = {
		.reader = { .bytes = data, .size = size, .ignores_sums = !fuzz_telling },
		.storage = {
			.context = &play,
			.create = storage_create,
			.set = storage_set,
			.destroy = storage_destroy,
			.ledger_make = storage_ledger_make,
			.attach_sum = storage_attach_sum,
			.attached_alone = storage_attached_alone,
			.settle = storage_settle,
			.has_exited = storage_has_exited,
			.stead = storage_stead,
			.has_group = storage_has_group,
		},
	};
	uint64_t used = 0;
	int r = check(data, size, &used);

	if (fuzz_telling && r != RECORD_DONE) {
		FUZZ_SAY("no recording that can be played: %s, after byte %llu",
			 record_outcome_to_string(r), (unsigned long long)used);
		return 1;
	}
	if (!play_start(&play))
		return fuzz_telling;
	while (play.has_next && play.next.type == RECORD_EVENT)
		play_step(&play);
	FUZZ_ASSERT(service_verify(service));
	FUZZ_SAY("%u steps, %u differ from the recording", play.n_steps, play.n_differ);
	return fuzz_telling && play.n_differ > 0;
}

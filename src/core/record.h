/*
 * record.h: a recording of the service: everything it was told, as bytes.
 *
 * The service is a function of the registry it started with, of its events and of what storage said.
 * A recording has these in their order, and after each step a sum over the effects, so that who
 * plays it again sees whether they are the same.  usysvd --record writes it, fuzz/fuzz-recording.c
 * plays it.
 *
 *   HEADER, REGISTRY*, START, STORAGE*, { EVENT, STORAGE*, EFFECTS }*, END
 *
 * A daemon that was killed leaves no END, and no EFFECTS if it happened inside a step.
 * Record: size u32 (whole record) | type u32 | sum u32 of the body | body.  Little endian.  Bodies are
 * exactly as long as their type demands.  A recording comes from outside and is believed nothing.
 */
#ifndef CORE_RECORD_H
#define CORE_RECORD_H

#include "core/service.h"

#define RECORD_VERSION 2u
#define RECORD_HEAD_SIZE 12u
/* Bytes of the registry in one record. */
#define RECORD_RUN_MAX 4096u
/* One record at most: its fixed fields and the bytes of an event or of the registry. */
#define RECORD_SIZE_MAX (RECORD_HEAD_SIZE + 128u + SERVICE_INPUT_MAX)
/* A whole recording: it ends there, so that a busy daemon does not fill the disk. */
#define RECORDING_SIZE_MAX (UINT64_C(64) << 20)

enum record_type {
	RECORD_HEADER = 1,
	RECORD_REGISTRY = 2, /* bytes of the registry that are not zero */
	RECORD_START = 3,    /* the registry is complete: service_start */
	RECORD_STORAGE = 4,  /* storage was asked, and what it answered */
	RECORD_EVENT = 5,
	RECORD_EFFECTS = 6,
	RECORD_END = 7,
};

enum record_outcome {
	RECORD_READY = 0,
	RECORD_DONE = 1,      /* nothing is left */
	RECORD_E_PARTIAL = 2, /* cut short within a record */
	RECORD_E_SIZE = 3,    /* not the size its type demands */
	RECORD_E_SUM = 4,     /* its bytes have changed */
	RECORD_E_TYPE = 5,    /* no such type */
	RECORD_E_VALUE = 6,   /* a field outside its range */
	RECORD_E_ORDER = 7,   /* not where it stands in a recording */
	RECORD_E_VERSION = 8, /* of another version, or by a build with other tables */
};

/* How the service was started, and by which build. */
struct record_header {
	uint32_t owner_uid;
	uint32_t daemon_pid;
	uint64_t monotonic_ns;
	uint64_t registry_size;
};

enum record_call {
	RECORD_CREATE = 0,
	RECORD_SET = 1,
	RECORD_DESTROY = 2,
	RECORD_LEDGER_MAKE = 3,
	RECORD_ATTACH_SUM = 4,
	RECORD_SETTLE = 5,
	RECORD_HAS_EXITED = 6,
	RECORD_ALONE = 7,
	RECORD_FOLD = 8, /* not a call: what SETTLE, which follows, tells by service_fold */
	RECORD_STEAD = 9,
	RECORD_HAS_GROUP = 10,
	RECORD_CALL_COUNT = 11,
};

struct record_storage {
	uint32_t call;         /* enum record_call */
	int32_t result;        /* 0 or errno; HAS_EXITED, ALONE, HAS_GROUP: 1 or 0; 0 where there is none */
	uint64_t subject;      /* record_object(kind, id), or a client */
	struct ledger_sum sum; /* ATTACH_SUM, FOLD */
	struct service_stood stood; /* STEAD */
};

enum record_end {
	RECORD_END_STOPPED = 0,
	RECORD_END_FULL = 1, /* RECORDING_SIZE_MAX */
};

/* A decoded record; pointers are into what it was decoded from. */
struct record {
	uint32_t type; /* enum record_type */
	union {
		struct record_header header;
		struct {
			uint64_t offset;
			const uint8_t *bytes;
			uint32_t n_bytes; /* at most RECORD_RUN_MAX */
		} run;
		struct record_storage storage;
		struct event event;
		struct {
			uint32_t n;
			uint64_t sum;
		} effects;
		uint32_t end; /* enum record_end */
	};
};

static inline uint64_t record_object(enum ipc_kind kind, int32_t id)
{
	return (uint64_t)kind << 32 | (uint32_t)id;
}

/* buffer holds RECORD_SIZE_MAX bytes.  Returns the record's size.  A wrong record is our own mistake. */
size_t record_encode(const struct record *record, uint8_t *buffer);

/* What stands between two steps must come out the same: a sum over all of them, fields and bytes. */
uint64_t record_effects_sum(const struct effects *effects);

/* The next run of bytes that are not zero from *offset on, which moves behind it.  False: no more. */
bool record_next_run(const struct registry *registry, uint64_t *offset, struct record *ret_record);

/* A recording being read.  {.bytes, .size} is a fresh one. */
struct record_reader {
	const uint8_t *bytes;
	uint64_t size;
	uint64_t used;
	uint32_t last;     /* type of the last record */
	bool ignores_sums; /* for fuzzers, who do not guess them */
};

/* READY, DONE, or an E: it cannot be read beyond reader->used. */
int record_next(struct record_reader *reader, struct record *ret_record);

const char *record_outcome_to_string(int outcome);

#endif

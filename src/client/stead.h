/*
 * stead.h: calls that the daemon makes in this process's stead, on a set or queue that it may use but not
 * map (PERM-13): the mode gives it half of what a mapping needs.
 */
#ifndef CLIENT_STEAD_H
#define CLIENT_STEAD_H

#include "core/proto.h"

/* One call, checked as far as that can be done without the object's file. */
struct stead_call {
	enum ipc_kind kind;
	int32_t id;
	uint32_t need;  /* CRED_READ or CRED_WRITE */
	uint32_t what;  /* enum proto_stead_what, type and size likewise */
	uint32_t flags; /* PROTO_STEAD_ALTERS, ABI_MSG_NOERROR, ABI_MSG_EXCEPT */
	int64_t type;
	uint64_t size;
	void *bytes;    /* operations, values, text; RECEIVE: where the text goes */
	uint64_t deadline_ns;
	bool may_wait;
	bool is_point;  /* a cancellation point */
	uint32_t number; /* stead_run's */
	uint64_t ret_size; /* RECEIVE */
	int64_t ret_type;
};

/* 0 or -errno; -EAGAIN: it would have to wait longer. */
int stead_run(struct stead_call *call);

/* For who leaves a call that waits: takes it out.  0: it was done; STEAD_BLOCKED: it was not; -errno. */
#define STEAD_BLOCKED 1
int stead_leave(struct stead_call *call);

#endif

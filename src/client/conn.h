/*
 * conn.h: the connection to the daemon, and the process's identity that comes with it.
 *
 * Made when first needed, made again when it is lost, when the program has closed its descriptors,
 * and when the caller's uid or gid is another one.
 */
#ifndef CLIENT_CONN_H
#define CLIENT_CONN_H

#include "client/process.h"
#include "core/proto.h"

/* USYSV_TIMEOUT_MS, and a message if that was not enough; any other time is without a message. */
#define CONN_TIMEOUT_DEFAULT 0u

/*
 * One request and its answer.  0 (then the answer's error field is the errno), or -ENOSYS: no
 * daemon within the time.  ret_is_resent, if not NULL: the request may have been carried out
 * before, because the daemon died between.
 */
int conn_call(const struct proto_message *request, uint32_t timeout_ms,
	      struct proto_message *ret_reply, bool *ret_is_resent);

/* A notice: as far as the connection allows.  may_connect: makes one if the daemon is there. */
void conn_notice(const struct proto_message *notice, bool may_connect);

/* Out of the program's way: a high number that exec closes.  The descriptor as it is now. */
int conn_move_high(int fd);

/*
 * A number no other request of this process has, not even of the program it ran before; a request that is
 * sent again keeps it, so that the daemon can tell.  Never 0.  Under the process lock.
 */
uint32_t conn_number(struct process *self);

/* A name for clients/ that nobody guesses, in PROTO_NAME_SIZE bytes. */
void conn_choose_name(uint32_t pid, char *name);

/* Gets the process an identity and a ledger.  0 or -ENOSYS. */
int conn_register(uint32_t timeout_ms);

static inline int conn_identify(void)
{
	if (CLIENT_LIKELY(process_has_client()))
		return 0;
	return conn_register(CONN_TIMEOUT_DEFAULT);
}

#endif

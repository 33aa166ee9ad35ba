/* link.h: a control connection of the tools' own, without the library. */
#ifndef CLI_LINK_H
#define CLI_LINK_H

#include "core/frame.h"
#include "core/proto.h"
#include "sys/fifo.h"

struct link {
	struct fifo_pair pair;
	struct frame_reader reader;
	uint64_t timeout_ns;
	uint32_t n_requests;
};

/* Connects to the daemon of a namespace.  0 or -errno: -ENXIO no daemon, -ETIMEDOUT no answer. */
int link_open(struct link *link, const char *dir, uint32_t timeout_ms);
/* One request, numbered here, and its answer.  0 or -errno of the connection. */
int link_call(struct link *link, struct proto_message *request, struct proto_message *ret_reply);
void link_close(struct link *link);

#endif

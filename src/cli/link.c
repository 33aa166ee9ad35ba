/*
 * link.c: a control connection of the tools' own, without the library.
 *
 * So `ping` and `limits` also tell something when it is the library that does not work.
 */
#include "cli/link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bsd/stdlib.h>

#include "cli/cli.h"
#include "core/frame.h"
#include "sys/clock.h"

/* Makes a pair of FIFOs in clients/ and names it on `register`.  0 or -errno. */
static int link_register(struct link *link, const char *dir)
{
	struct proto_hello hello = { .version = PROTO_VERSION, .pid = (uint32_t)getpid() };
	uint8_t record[PROTO_HELLO_SIZE];
	char path[PATH_MAX + 16];
	ptrdiff_t n = 0;
	int clients_fd = -1;
	int fd = -1;
	int r = 0;

	(void)snprintf(path, sizeof(path), "%s/register", dir);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	(void)snprintf(path, sizeof(path), "%s/clients", dir);
	clients_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (clients_fd < 0) {
		r = -errno;
		goto out;
	}
	(void)snprintf(hello.name, sizeof(hello.name), "%d.%08x%08x", (int)getpid(), arc4random(),
		       arc4random());
	r = fifo_pair_make(clients_fd, hello.name, &link->pair);
	if (r < 0)
		goto out;
	proto_hello_encode(&hello, record);
	n = fifo_write(fd, record, sizeof(record));
	if (n != (ptrdiff_t)sizeof(record)) {
		r = n < 0 ? (int)n : -EIO;
		fifo_pair_unlink(clients_fd, hello.name);
	}
out:
	if (clients_fd >= 0)
		(void)close(clients_fd); /* only a place */
	(void)close(fd);                 /* the record is written, or is not */
	return r;
}

/* Reads until one message is there.  0 or -errno. */
static int link_receive(struct link *link, uint64_t deadline_ns, struct proto_message *ret_message)
{
	for (;;) {
		struct pollfd poll_fd = { .fd = link->pair.out_fd, .events = POLLIN };
		struct frame frame;
		uint8_t byte = 0;
		uint64_t now = clock_monotonic_ns();
		ptrdiff_t n = 0;
		int r = frame_next(&link->reader, &frame);

		if (r == FRAME_READY)
			return proto_decode(frame.type, frame.request, frame.body, frame.body_size,
					    ret_message) == 0 ? 0 : -EPROTO;
		if (r != FRAME_PARTIAL)
			return -EPROTO;
		if (now >= deadline_ns)
			return -ETIMEDOUT;
		if (poll(&poll_fd, 1, (int)((deadline_ns - now) / 1000000u) + 1) <= 0)
			continue;
		/* A byte at a time: answers are short, and the reader takes what it wants. */
		n = fifo_read(link->pair.out_fd, &byte, 1);
		if (n == 1)
			(void)frame_push(&link->reader, &byte, 1); /* room: no frame is complete */
		else if (n == 0)
			return -ECONNRESET;
		else if (n != -EAGAIN)
			return (int)n;
	}
}

int link_open(struct link *link, const char *dir, uint32_t timeout_ms)
{
	struct proto_message welcome;
	int r = 0;

	*link = (struct link){ .pair = FIFO_PAIR_NONE };
	link->timeout_ns = timeout_ms * 1000000ull;
	r = link_register(link, dir);
	if (r == 0)
		r = link_receive(link, clock_monotonic_ns() + link->timeout_ns, &welcome);
	if (r == 0 && welcome.type != PROTO_WELCOME)
		r = -EPROTO;
	if (r == 0 && welcome.welcome.error != 0)
		r = -welcome.welcome.error;
	if (r < 0)
		link_close(link);
	return r;
}

int link_call(struct link *link, struct proto_message *request, struct proto_message *ret_reply)
{
	uint64_t deadline_ns = clock_monotonic_ns() + link->timeout_ns;
	uint8_t buffer[FRAME_SIZE_MAX];
	size_t size = 0;
	ptrdiff_t n = 0;

	request->request = ++link->n_requests;
	size = proto_encode(request, buffer);
	n = fifo_write(link->pair.in_fd, buffer, size);
	if (n != (ptrdiff_t)size)
		return n < 0 ? (int)n : -EIO;
	for (;;) {
		int r = link_receive(link, deadline_ns, ret_reply);

		if (r < 0 || ret_reply->request == request->request)
			return r;
	}
}

void link_close(struct link *link)
{
	fifo_pair_close(&link->pair);
}

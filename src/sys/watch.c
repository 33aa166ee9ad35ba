/* watch.c: epoll and pidfd. */
#include "sys/watch.h"

#include <poll.h>
#include <sys/epoll.h>

#include "sys/raw.h"

int watch_open(struct watch *watch)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return -errno;
	watch->epoll_fd = fd;
	return 0;
}

void watch_close(struct watch *watch)
{
	if (watch->epoll_fd >= 0)
		(void)close(watch->epoll_fd); /* nothing to flush */
	watch->epoll_fd = -1;
}

int watch_add(struct watch *watch, int fd, unsigned interest, uint64_t token)
{
	struct epoll_event event = {
		.events = (interest & WATCH_INPUT ? (uint32_t)EPOLLIN : 0u) |
			  (interest & WATCH_OUTPUT ? (uint32_t)EPOLLOUT : 0u),
		.data.u64 = token,
	};

	return epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int watch_remove(struct watch *watch, int fd)
{
	return epoll_ctl(watch->epoll_fd, EPOLL_CTL_DEL, fd, NULL) < 0 ? -errno : 0;
}

int watch_wait(struct watch *watch, struct watch_ready *ret_list, int timeout_ms)
{
	struct epoll_event events[WATCH_READY_MAX];
	int n = epoll_wait(watch->epoll_fd, events, WATCH_READY_MAX, timeout_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++)
		ret_list[i].token = events[i].data.u64;
	return n;
}

int watch_process_open(uint32_t pid)
{
	if (pid == 0 || pid > INT32_MAX)
		return -ESRCH;
	return (int)raw_call2(SYS_pidfd_open, pid, 0);
}

bool watch_process_ended(int process_fd)
{
	struct pollfd poll_fd = {.fd = process_fd, .events = POLLIN};

	return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLIN) != 0;
}

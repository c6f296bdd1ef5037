/*
 * http_poller.c
 *		Many sockets behind one descriptor: epoll, or kqueue where it is.
 *
 * The descriptor is readable as long as a socket on it is ready, so that it
 * can be waited for like a socket.  Numbers of descriptors have no limit.
 */
#include "http_poller.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>

#ifdef __linux__
#include <sys/epoll.h>
#else
#include <sys/types.h>
#include <sys/event.h>
#include <sys/time.h>
#endif

#define MAX_POLLED 64

#ifdef __linux__

/* Opens a poller, to be closed with close(); -1 if there is none. */
int
iomsg_http_poller_open(void)
{
	return epoll_create1(EPOLL_CLOEXEC);
}

/*
 * Waits from now on for this of a socket, instead of what was said before;
 * known tells that something was.  False if the kernel has no room.
 */
bool
iomsg_http_poller_watch(int poller, int fd, bool known, bool reads,
						bool writes)
{
	struct epoll_event event = {0};

	event.events = (reads ? EPOLLIN : 0U) | (writes ? EPOLLOUT : 0U);
	event.data.fd = fd;
	if (epoll_ctl(poller, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd,
				  &event) == 0)
		return true;
	if (errno == ENOENT)
		return epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) == 0;
	if (errno == EEXIST)
		return epoll_ctl(poller, EPOLL_CTL_MOD, fd, &event) == 0;
	return false;
}

/* Waits for nothing of a socket any more. */
void
iomsg_http_poller_remove(int poller, int fd)
{
	struct epoll_event event = {0};

	(void) epoll_ctl(poller, EPOLL_CTL_DEL, fd, &event);
}

/* Tells which sockets are ready now, at most size or 64; does not wait. */
int
iomsg_http_poller_poll(int poller, HttpReady *ready, int size)
{
	struct epoll_event events[MAX_POLLED];
	int			count = epoll_wait(poller, events,
								   size < MAX_POLLED ? size : MAX_POLLED, 0);
	int			i;

	for (i = 0; i < count; i++)
	{
		uint32_t	what = events[i].events;

		ready[i].fd = events[i].data.fd;
		ready[i].read = (what & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0;
		ready[i].write = (what & (EPOLLOUT | EPOLLERR)) != 0;
	}
	return count < 0 ? 0 : count;
}

#else

/* Opens a poller, to be closed with close(); -1 if there is none. */
int
iomsg_http_poller_open(void)
{
	int			poller = kqueue();

	if (poller >= 0)
		(void) fcntl(poller, F_SETFD, FD_CLOEXEC);
	return poller;
}

/* Adds or deletes one filter of a socket. */
static bool
change_filter(int poller, int fd, short filter, bool wanted)
{
	struct kevent change;

	EV_SET(&change, fd, filter, wanted ? EV_ADD : EV_DELETE, 0, 0, NULL);
	return kevent(poller, &change, 1, NULL, 0, NULL) == 0;
}

/*
 * Waits from now on for this of a socket, instead of what was said before;
 * known tells that something was.  False if the kernel has no room.
 */
bool
iomsg_http_poller_watch(int poller, int fd, bool known, bool reads,
						bool writes)
{
	bool		done = true;

	if (reads || known)
		done = change_filter(poller, fd, EVFILT_READ, reads) || !reads;
	if (writes || known)
		done = (change_filter(poller, fd, EVFILT_WRITE, writes) || !writes) &&
			done;
	return done;
}

/* Waits for nothing of a socket any more. */
void
iomsg_http_poller_remove(int poller, int fd)
{
	(void) change_filter(poller, fd, EVFILT_READ, false);
	(void) change_filter(poller, fd, EVFILT_WRITE, false);
}

/* Tells which sockets are ready now, at most size or 64; does not wait. */
int
iomsg_http_poller_poll(int poller, HttpReady *ready, int size)
{
	const struct timespec at_once = {0, 0};
	struct kevent events[MAX_POLLED];
	int			count = kevent(poller, NULL, 0, events,
							   size < MAX_POLLED ? size : MAX_POLLED,
							   &at_once);
	int			i;

	for (i = 0; i < count; i++)
	{
		ready[i].fd = (int) events[i].ident;
		ready[i].read = events[i].filter == EVFILT_READ;
		ready[i].write = events[i].filter == EVFILT_WRITE;
	}
	return count < 0 ? 0 : count;
}

#endif

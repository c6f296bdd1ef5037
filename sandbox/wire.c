/*
 * wire.c
 *		Answers that no HTTP library would send: cut anywhere, byte by byte,
 *		repeated a million times or without end, or no HTTP at all.
 *
 * A thread of its own writes them to the socket while the connection is
 * suspended; then the connection ends.  Over https the bytes go below TLS and
 * are garbage to it.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "hostile.h"
#include "wire.h"

#define LOOK_EVERY_MS 200
#define BLOCK_SIZE 65536

static pthread_mutex_t wire_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wire_idle = PTHREAD_COND_INITIALIZER;
static int	writers;
static bool stopping;

/* Ends a connection; a reset tells the client so at once and rudely. */
void
sandbox_wire_end(int fd, bool reset)
{
	struct sockaddr nowhere = {.sa_family = AF_UNSPEC};

	if (fd >= 0 && reset)
		(void) connect(fd, &nowhere, sizeof(nowhere));
	else if (fd >= 0)
		shutdown(fd, SHUT_RDWR);
}

/* Waits for the socket or a time; false once nobody is there any more. */
static bool
wait_for(const HostileAnswer *wire, short events, int64_t ms)
{
	struct pollfd poller = {.fd = wire->request->fd};

	poller.events = (short) (events | POLLRDHUP);
	while (!__atomic_load_n(&stopping, __ATOMIC_ACQUIRE))
	{
		int64_t		slice_ms = ms < LOOK_EVERY_MS ? ms : LOOK_EVERY_MS;
		int			ready = poll(&poller, 1, (int) slice_ms);

		if (ready < 0 && errno != EINTR)
			return false;
		if (ready > 0 && (poller.revents & (POLLRDHUP | POLLHUP | POLLERR)))
			return false;
		if (ready > 0)
			return true;
		ms -= slice_ms;
		if (ms <= 0)
			return true;
	}
	return false;
}

/* Writes bytes at the pace of the fault; false when the client has left. */
static bool
write_bytes(const HostileAnswer *wire, const char *bytes, size_t length)
{
	while (length > 0)
	{
		ssize_t		sent = send(wire->request->fd, bytes,
								wire->pause_ms > 0 ? 1 : length,
								MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (sent < 0)
		{
			if (!wait_for(wire, POLLOUT, LOOK_EVERY_MS))
				return false;
			continue;
		}
		bytes += sent;
		length -= (size_t) sent;
		if (wire->pause_ms > 0 && !wait_for(wire, 0, wire->pause_ms))
			return false;
	}
	return true;
}

/* Writes the unit again and again, small ones many at a time. */
static bool
write_units(const HostileAnswer *wire)
{
	size_t		a_block = wire->unit_len < BLOCK_SIZE && wire->unit_len > 0 ?
	BLOCK_SIZE / wire->unit_len : 1;
	char	   *block = malloc(a_block * wire->unit_len + 1);
	uint64_t	left = wire->times;
	bool		there = block != NULL;

	for (size_t i = 0; there && wire->unit_len > 0 && i < a_block; i++)
		memcpy(block + i * wire->unit_len, wire->unit, wire->unit_len);
	while (there && left > 0 && wire->unit_len > 0)
	{
		size_t		now = left < a_block ? (size_t) left : a_block;

		there = write_bytes(wire, block, now * wire->unit_len);
		if (left != HOSTILE_WITHOUT_END)
			left -= now;
	}
	free(block);
	return there;
}

/* The thread of one answer. */
static void *
run_wire(void *context)
{
	HostileAnswer *wire = context;
	Request    *request = wire->request;

	(void) (write_bytes(wire, wire->head, wire->head_len) &&
			write_units(wire) &&
			write_bytes(wire, wire->tail, wire->tail_len));
	sandbox_wire_end(request->fd, wire->reset);
	sandbox_hostile_free(wire);
	request->gone = true;
	MHD_resume_connection(request->connection);
	pthread_mutex_lock(&wire_lock);
	writers--;
	pthread_cond_broadcast(&wire_idle);
	pthread_mutex_unlock(&wire_lock);
	return NULL;
}

/* Suspends a request and starts the thread that writes its answer. */
enum MHD_Result
sandbox_wire_send(Request *request)
{
	HostileAnswer *wire = sandbox_hostile_make(request);
	pthread_t	thread;

	if (wire == NULL)
		return MHD_NO;
	pthread_mutex_lock(&wire_lock);
	writers++;
	pthread_mutex_unlock(&wire_lock);
	MHD_suspend_connection(request->connection);
	if (pthread_create(&thread, NULL, run_wire, wire) == 0)
		pthread_detach(thread);
	else
		run_wire(wire);
	return MHD_YES;
}

/* Ends all threads; nothing is suspended for them any more. */
void
sandbox_wire_stop(void)
{
	__atomic_store_n(&stopping, true, __ATOMIC_RELEASE);
	pthread_mutex_lock(&wire_lock);
	while (writers > 0)
		pthread_cond_wait(&wire_idle, &wire_lock);
	pthread_mutex_unlock(&wire_lock);
}

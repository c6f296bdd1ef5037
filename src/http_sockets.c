/*
 * http_sockets.c
 *		What waits unread on the sockets of kept connections.
 *
 * libcurl tells its callback before a sending the local port of a connection
 * and not its socket.  So the sockets that were opened are remembered here,
 * one list for the process.  Nobody tells when one is closed: each is asked
 * for its port again before it is believed.
 */
#include "http_sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

/* Twice the connections of a client, as a host may have two addresses. */
#define MAX_SOCKETS (2 * 512)

typedef struct KnownSocket
{
	int			fd;
	int			local_port;		/* 0: not known yet */
} KnownSocket;

static KnownSocket known[MAX_SOCKETS];
static int	known_count = 0;
static int	next_place = 0;

/* The local port of a socket, 0 if it has none yet; -1 if it is none of IP. */
static int
port_of(int fd)
{
	struct sockaddr_storage address;
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;
	socklen_t	size = sizeof(address);

	memset(&address, 0, sizeof(address));
	if (getsockname(fd, (struct sockaddr *) &address, &size) != 0)
		return -1;
	if (address.ss_family == AF_INET)
	{
		memcpy(&ipv4, &address, sizeof(ipv4));
		return ntohs(ipv4.sin_port);
	}
	if (address.ss_family == AF_INET6)
	{
		memcpy(&ipv6, &address, sizeof(ipv6));
		return ntohs(ipv6.sin6_port);
	}
	return -1;
}

/*
 * Remembers a socket that was just opened, in the place of an older one with
 * its number.  When all places are taken the oldest goes.
 */
void
iomsg_http_sockets_add(int fd)
{
	int			i;

	for (i = 0; i < known_count && known[i].fd != fd; i++)
		continue;
	if (i == known_count && known_count < MAX_SOCKETS)
		known_count++;
	else if (i == known_count)
	{
		i = next_place;
		next_place = (next_place + 1) % MAX_SOCKETS;
	}
	known[i].fd = fd;
	known[i].local_port = 0;
}

/* Tells whether a socket is at this port; forgets one that is gone. */
static bool
is_at_port(KnownSocket *socket, int local_port)
{
	int			before = socket->local_port;

	if (socket->fd < 0 || (before != 0 && before != local_port))
		return false;
	socket->local_port = port_of(socket->fd);
	if (socket->local_port < 0 ||
		(before != 0 && socket->local_port != before))
		socket->fd = -1;
	return socket->fd >= 0 && socket->local_port == local_port;
}

/* Tells whether a peer says nothing: no bytes, no end, no error. */
static bool
is_quiet(int fd)
{
	char		byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == -1 &&
		(errno == EAGAIN || errno == EWOULDBLOCK);
}

/*
 * What waits on the connection from this port.  Two connections to different
 * peers may have the same one: then neither may have anything.
 */
HttpInput
iomsg_http_sockets_input(int local_port)
{
	HttpInput	input = HTTP_INPUT_UNKNOWN;
	int			i;

	if (local_port <= 0)
		return HTTP_INPUT_UNKNOWN;
	for (i = 0; i < known_count; i++)
	{
		if (!is_at_port(&known[i], local_port))
			continue;
		if (!is_quiet(known[i].fd))
			return HTTP_INPUT_PENDING;
		input = HTTP_INPUT_NONE;
	}
	return input;
}

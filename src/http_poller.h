/*
 * http_poller.h
 *		Many sockets behind one descriptor.
 */
#ifndef IOMSG_HTTP_POLLER_H
#define IOMSG_HTTP_POLLER_H

#include <stdbool.h>

typedef struct HttpReady
{
	int			fd;
	bool		read;
	bool		write;
} HttpReady;

extern int	iomsg_http_poller_open(void);
extern bool iomsg_http_poller_watch(int poller, int fd, bool known,
									bool reads, bool writes);
extern void iomsg_http_poller_remove(int poller, int fd);
extern int	iomsg_http_poller_poll(int poller, HttpReady *ready, int size);

#endif

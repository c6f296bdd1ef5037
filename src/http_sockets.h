/*
 * http_sockets.h
 *		What waits unread on the sockets of kept connections.
 *
 * libcurl before 8.0 sends a request on a kept connection without a look at
 * what has come in since the last answer.  Bytes that nobody asked for would
 * then be taken for the answer to that request, and an end of file for a
 * reason to send it twice.
 */
#ifndef IOMSG_HTTP_SOCKETS_H
#define IOMSG_HTTP_SOCKETS_H

typedef enum HttpInput
{
	HTTP_INPUT_NONE,			/* the peer is there and says nothing */
	HTTP_INPUT_PENDING,			/* bytes, an end of file, or an error */
	HTTP_INPUT_UNKNOWN			/* no socket is known at that port */
} HttpInput;

extern void iomsg_http_sockets_add(int fd);
extern HttpInput iomsg_http_sockets_input(int local_port);

#endif

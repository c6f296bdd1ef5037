/*
 * http_server.h
 *		A server on loopback that answers exactly the bytes of a test.
 */
#ifndef IOMSG_TEST_HTTP_SERVER_H
#define IOMSG_TEST_HTTP_SERVER_H

#include <stddef.h>

typedef enum ServerEnd
{
	SERVER_KEEP,				/* wait for the next request */
	SERVER_CLOSE,
	SERVER_RESET,				/* RST instead of FIN */
	SERVER_HOLD					/* say nothing more, keep the connection */
} ServerEnd;

/* The answer to one request; the last one of a script goes on for ever. */
typedef struct ServerAnswer
{
	const char *bytes;
	ServerEnd	end;
	int			delay_ms;		/* before the first byte */
	int			gap_ms;			/* between any two bytes */
	size_t		len;			/* 0: strlen */
	const char *surplus;		/* sent after it, unasked; NULL: nothing */
	int			surplus_ms;		/* how long after */
} ServerAnswer;

typedef struct Server Server;

/* A server that answers bytes it was not asked for: no request is read. */
#define SERVER_SPEAKS_FIRST 1

struct ssl_ctx_st;

extern Server *server_start(const ServerAnswer *answers, int count, int flags);
extern Server *server_start_tls(const ServerAnswer *answers, int count,
								struct ssl_ctx_st *tls);
extern int	server_port(const Server *server);
extern int	server_connections(Server *server);
extern int	server_requests(Server *server);
extern const char *server_last_request(Server *server);
extern void server_stop(Server *server);

#endif

/*
 * http_client.h
 *		A client's parts, its opening and closing; for http.c.
 */
#ifndef IOMSG_HTTP_CLIENT_H
#define IOMSG_HTTP_CLIENT_H

#include <signal.h>

#include "http_exchange.h"

struct HttpClient
{
	HttpSettings settings;
	char	   *user_agent;		/* the settings' own copy */
	CURLM	   *multi;			/* NULL when given up and not replaced */
	bool		broken;			/* multi must not be changed any more */
	int			given_up;		/* how many multi handles were broken */
	int			fd;
	bool		unwatched;		/* a socket could not be registered */
	int			in_flight;		/* running or finished, not handed out */
	Exchange   *exchanges;
	Exchange   *free_first;
	Exchange   *finished_first;
	Exchange   *finished_last;
	Exchange   *held;
};

extern void iomsg_http_client_block_signals(sigset_t *before);
extern Exchange *iomsg_http_client_find_free(HttpClient *client);
extern void iomsg_http_client_give_up(HttpClient *client);

#endif

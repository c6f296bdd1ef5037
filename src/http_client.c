/*
 * http_client.c
 *		A client's parts, its opening and closing.
 *
 * libcurl is initialized here, in the process that uses it, and its threads
 * start with all signals blocked: every function blocks them that may start
 * or end one.
 */
#include "http_client.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http_poller.h"

#define MAX_CONNECTIONS		512

#define SET(option, value) \
	(curl_multi_setopt(client->multi, option, value) == CURLM_OK)

/*
 * libcurl tells what it waits for.  An error from here would end all that is
 * in flight; so where the kernel refuses, the client looks by the clock.
 */
static int
watch_socket(CURL *easy, curl_socket_t fd, int what, void *context,
			 void *known)
{
	HttpClient *client = context;
	bool		reads = what == CURL_POLL_IN || what == CURL_POLL_INOUT;
	bool		writes = what == CURL_POLL_OUT || what == CURL_POLL_INOUT;

	(void) easy;
	if (what == CURL_POLL_REMOVE)
		iomsg_http_poller_remove(client->fd, fd);
	else if (!iomsg_http_poller_watch(client->fd, fd, known != NULL, reads,
									  writes))
		client->unwatched = true;
	else if (known == NULL)
		(void) curl_multi_assign(client->multi, fd, client);
	return 0;
}

/* Opens the multi handle; on failure there is none. */
static bool
open_multi(HttpClient *client)
{
	long		most = client->settings.max_connections;

	client->multi = curl_multi_init();
	if (client->multi != NULL &&
		SET(CURLMOPT_SOCKETFUNCTION, watch_socket) &&
		SET(CURLMOPT_SOCKETDATA, client) &&
		SET(CURLMOPT_PIPELINING, CURLPIPE_NOTHING) &&
		SET(CURLMOPT_MAXCONNECTS, most) &&
		SET(CURLMOPT_MAX_TOTAL_CONNECTIONS, most))
		return true;
	(void) curl_multi_cleanup(client->multi);
	client->multi = NULL;
	return false;
}

/*
 * Gives up a multi handle that is broken, once nothing runs.  libcurl, when
 * it is out of memory for its table of sockets, can leave it so that the next
 * use of it crashes (seen in 7.88.1).  So the handle and its easy handles stay
 * where they are, lost: a leak once is better than a crash of the server.
 */
void
iomsg_http_client_give_up(HttpClient *client)
{
	int			i;

	for (i = 0; i < client->settings.max_connections; i++)
		client->exchanges[i].easy = NULL;
	client->multi = NULL;
	client->given_up++;
}

/*
 * The free exchange next in turn with its handle, and a multi handle for it;
 * NULL if there is none to be had.
 */
Exchange *
iomsg_http_client_find_free(HttpClient *client)
{
	Exchange   *exchange = client->free_first;

	if (exchange == NULL || (client->multi == NULL && !open_multi(client)))
		return NULL;
	if (exchange->easy != NULL ||
		iomsg_http_exchange_open(exchange, &client->settings))
		return exchange;
	iomsg_http_exchange_close(exchange);
	return NULL;
}

/* Blocks every signal, for threads inherit the mask; gives the old mask. */
void
iomsg_http_client_block_signals(sigset_t *before)
{
	sigset_t	all;

	(void) sigfillset(&all);
	(void) pthread_sigmask(SIG_SETMASK, &all, before);
}

/* Opens what a client consists of; NULL or what was not to be had. */
static const char *
open_parts(HttpClient *client, const HttpSettings *settings)
{
	int			i;

	client->settings = *settings;
	if (client->settings.max_connections < 1)
		client->settings.max_connections = 1;
	if (client->settings.max_connections > MAX_CONNECTIONS)
		client->settings.max_connections = MAX_CONNECTIONS;
	client->fd = iomsg_http_poller_open();
	if (client->fd < 0)
		return "no descriptor for a poller";
	if (settings->user_agent != NULL)
		client->user_agent = strdup(settings->user_agent);
	client->settings.user_agent = client->user_agent;
	client->exchanges = calloc((size_t) client->settings.max_connections,
							   sizeof(Exchange));
	if (client->exchanges == NULL ||
		(settings->user_agent != NULL && client->user_agent == NULL))
		return "out of memory";
	for (i = client->settings.max_connections - 1; i >= 0; i--)
	{
		client->exchanges[i].next = client->free_first;
		client->free_first = &client->exchanges[i];
	}
	if (iomsg_http_client_find_free(client) == NULL)
		return "libcurl refused an option, or memory is short";
	return NULL;
}

/*
 * Opens a client, in the process that will use it and after any fork.  NULL
 * with a problem in words (static) when it cannot be.  Drops SSLKEYLOGFILE
 * from the environment: it would have libcurl write down the session keys.
 */
HttpClient *
iomsg_http_open(const HttpSettings *settings, const char **problem)
{
	HttpClient *client = NULL;
	sigset_t	before;

	iomsg_http_client_block_signals(&before);
	(void) unsetenv("SSLKEYLOGFILE");
	*problem = iomsg_http_exchange_problem();
	if (*problem == NULL && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		*problem = "libcurl could not be initialized";
	if (*problem == NULL)
	{
		client = calloc(1, sizeof(HttpClient));
		if (client != NULL)
			*problem = open_parts(client, settings);
		else
		{
			*problem = "out of memory";
			curl_global_cleanup();
		}
	}
	if (client != NULL && *problem != NULL)
	{
		iomsg_http_close(client);
		client = NULL;
	}
	(void) pthread_sigmask(SIG_SETMASK, &before, NULL);
	return client;
}

/* Ends what is in flight, without results, and frees all; NULL is allowed. */
void
iomsg_http_close(HttpClient *client)
{
	sigset_t	before;
	int			i;

	if (client == NULL)
		return;
	iomsg_http_client_block_signals(&before);
	for (i = 0; client->exchanges != NULL &&
		 i < client->settings.max_connections; i++)
	{
		if (client->exchanges[i].state == EXCHANGE_RUNNING)
			(void) curl_multi_remove_handle(client->multi,
											client->exchanges[i].easy);
		iomsg_http_exchange_close(&client->exchanges[i]);
	}
	(void) curl_multi_cleanup(client->multi);
	if (client->fd >= 0)
		(void) close(client->fd);
	free(client->exchanges);
	free(client->user_agent);
	free(client);
	curl_global_cleanup();
	(void) pthread_sigmask(SIG_SETMASK, &before, NULL);
}

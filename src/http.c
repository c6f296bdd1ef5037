/*
 * http.c
 *		HTTPS requests, many at once, on one descriptor, never blocking.
 *
 * libcurl's sockets are registered on one descriptor of a poller, which the
 * caller waits for together with its own events.  What has arrived is always
 * read before anything is given up for being late, so that a stall of the
 * process loses no answer.
 */
#include "http_client.h"

#include <signal.h>

#include "http_poller.h"

#define READY_A_CALL		64
#define ROUNDS_BEFORE_LATE	64
#define UNWATCHED_POLL_US	20000

/* Puts an exchange that has ended where the caller will find it. */
static void
queue_finished(HttpClient *client, Exchange *exchange, CURLcode code)
{
	iomsg_http_exchange_finish(exchange, code);
	exchange->next = NULL;
	if (client->finished_first == NULL)
		client->finished_first = exchange;
	else
		client->finished_last->next = exchange;
	client->finished_last = exchange;
}

/* Takes over what curl has ended. */
static void
collect_ended(HttpClient *client)
{
	const CURLMsg *message;
	Exchange   *exchange;
	int			left;

	while ((message = curl_multi_info_read(client->multi, &left)) != NULL)
	{
		CURL	   *easy = message->easy_handle;
		CURLcode	code = message->data.result;

		exchange = NULL;
		(void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &exchange);
		if (!client->broken)
			(void) curl_multi_remove_handle(client->multi, easy);
		queue_finished(client, exchange, code);
	}
}

/*
 * Sees to a multi handle after its use: where it cannot go on, what it has
 * ended keeps its result, what runs ends, and another takes its place later.
 */
static void
check_multi(HttpClient *client, CURLMcode code)
{
	int			i;

	if (code == CURLM_OK)
		return;
	client->broken = true;
	collect_ended(client);
	for (i = 0; i < client->settings.max_connections; i++)
		if (client->exchanges[i].state == EXCHANGE_RUNNING)
			queue_finished(client, &client->exchanges[i],
						   CURLE_OUT_OF_MEMORY);
	iomsg_http_client_give_up(client);
	client->broken = false;
}

/* Lets curl serve one socket, or forgets it if curl does not know it. */
static void
serve_socket(HttpClient *client, const HttpReady *ready)
{
	int			running;
	int			what = 0;

	if (ready->read)
		what |= CURL_CSELECT_IN;
	if (ready->write)
		what |= CURL_CSELECT_OUT;
	if (curl_multi_assign(client->multi, ready->fd, client) != CURLM_OK)
		iomsg_http_poller_remove(client->fd, ready->fd);
	else
		check_multi(client, curl_multi_socket_action(client->multi, ready->fd,
													 what, &running));
}

/* Lets curl serve the sockets that are ready now; returns their number. */
static int
serve_sockets(HttpClient *client)
{
	HttpReady	ready[READY_A_CALL];
	int			count = iomsg_http_poller_poll(client->fd, ready,
											   READY_A_CALL);
	int			i;

	for (i = 0; i < count; i++)
		serve_socket(client, &ready[i]);
	return count;
}

/* The earliest deadline of what is running, INT64_MAX if there is none. */
static int64_t
earliest_deadline(const HttpClient *client)
{
	int64_t		earliest_us = INT64_MAX;
	int			i;

	for (i = 0; client->in_flight > 0 &&
		 i < client->settings.max_connections; i++)
		if (client->exchanges[i].state == EXCHANGE_RUNNING &&
			client->exchanges[i].deadline_us < earliest_us)
			earliest_us = client->exchanges[i].deadline_us;
	return earliest_us;
}

/*
 * Gives up what is past its deadline, after all that has arrived was read:
 * each exchange reads a bounded amount, so that the sockets run dry.
 */
static void
end_late(HttpClient *client, int64_t now_us)
{
	int			rounds = ROUNDS_BEFORE_LATE * client->settings.max_connections;
	int			i;

	while (serve_sockets(client) > 0 && rounds-- > 0)
		continue;
	collect_ended(client);
	for (i = 0; i < client->settings.max_connections; i++)
	{
		Exchange   *exchange = &client->exchanges[i];

		if (exchange->state != EXCHANGE_RUNNING ||
			exchange->deadline_us >= now_us)
			continue;
		(void) curl_multi_remove_handle(client->multi, exchange->easy);
		queue_finished(client, exchange, CURLE_OPERATION_TIMEDOUT);
	}
}

/* Serves what is ready, then curl's timers, then ends what is late. */
void
iomsg_http_run(HttpClient *client, int64_t now_us)
{
	sigset_t	before;
	int			running;
	int			calls = client->settings.max_connections / READY_A_CALL;

	iomsg_http_client_block_signals(&before);
	while (serve_sockets(client) == READY_A_CALL && calls-- > 0)
		continue;
	if (client->multi != NULL)
		check_multi(client, curl_multi_socket_action(client->multi,
													 CURL_SOCKET_TIMEOUT, 0,
													 &running));
	if (client->unwatched && client->multi != NULL)
		check_multi(client, curl_multi_perform(client->multi, &running));
	collect_ended(client);
	if (earliest_deadline(client) < now_us)
		end_late(client, now_us);
	if (client->in_flight == 0)
		client->unwatched = false;
	(void) pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/*
 * Ends at once what has not been handed to the wire, say for want of a
 * connection: its result tells that nothing of it left.
 */
void
iomsg_http_cancel_unsent(HttpClient *client)
{
	sigset_t	before;
	int			i;

	iomsg_http_client_block_signals(&before);
	for (i = 0; i < client->settings.max_connections; i++)
	{
		Exchange   *exchange = &client->exchanges[i];

		if (exchange->state != EXCHANGE_RUNNING ||
			exchange->result.sendings > 0)
			continue;
		exchange->result.cancelled = true;
		(void) curl_multi_remove_handle(client->multi, exchange->easy);
		queue_finished(client, exchange, CURLE_ABORTED_BY_CALLBACK);
	}
	(void) pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* When to run at the latest, counted from now: 0 at once, -1 never. */
int64_t
iomsg_http_next_timeout_us(const HttpClient *client, int64_t now_us)
{
	int64_t		wait_us = INT64_MAX;
	int64_t		deadline_us = earliest_deadline(client);
	long		curl_ms = -1;

	if (client->finished_first != NULL)
		return 0;
	if (deadline_us != INT64_MAX)
		wait_us = deadline_us < now_us ? 0 : deadline_us - now_us + 1;
	if (curl_multi_timeout(client->multi, &curl_ms) == CURLM_OK &&
		curl_ms >= 0 && (int64_t) curl_ms * 1000 < wait_us)
		wait_us = (int64_t) curl_ms * 1000;
	if (client->unwatched && wait_us > UNWATCHED_POLL_US)
		wait_us = UNWATCHED_POLL_US;
	return wait_us == INT64_MAX ? -1 : wait_us;
}

/*
 * Takes a request; it leaves with the next run.  False if no exchange is free
 * or memory is short: then nothing is sent and there is no result.  What
 * cannot be sent as it is (URL, key) gets its result at once.
 */
bool
iomsg_http_start(HttpClient *client, const HttpRequest *request)
{
	Exchange   *exchange = iomsg_http_client_find_free(client);
	CURLcode	refusal = iomsg_http_guard_refusal(request);
	CURLMcode	added = CURLM_OK;
	sigset_t	before;

	if (exchange == NULL || !iomsg_http_exchange_prepare(exchange, request))
		return false;
	if (refusal == CURLE_OK)
	{
		iomsg_http_client_block_signals(&before);
		added = curl_multi_add_handle(client->multi, exchange->easy);
		(void) pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	if (added != CURLM_OK)
		return false;
	client->free_first = exchange->next;
	client->in_flight++;
	exchange->state = EXCHANGE_RUNNING;
	if (refusal != CURLE_OK)
		queue_finished(client, exchange, refusal);
	return true;
}

/*
 * Hands out one exchange that has ended, in the order of their ends; NULL if
 * there is none.  The result is valid until the next call.
 */
const HttpResult *
iomsg_http_next(HttpClient *client)
{
	Exchange   *exchange = client->finished_first;

	if (client->held != NULL)
	{
		iomsg_http_exchange_recycle(client->held);
		client->held->next = client->free_first;
		client->free_first = client->held;
	}
	client->held = exchange;
	if (exchange == NULL)
		return NULL;
	client->finished_first = exchange->next;
	client->in_flight--;
	exchange->state = EXCHANGE_HELD;
	return &exchange->result;
}

/* The descriptor that is readable when there is something to run for. */
int
iomsg_http_fd(const HttpClient *client)
{
	return client->fd;
}

/* How many requests have been taken whose result was not handed out yet. */
int
iomsg_http_in_flight(const HttpClient *client)
{
	return client->in_flight;
}

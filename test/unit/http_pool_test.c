/*
 * http_pool_test.c
 *		Many requests at once in src/http.c: room, connections, descriptors.
 */
#include "http_fetch.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tap.h"

#define THROTTLED \
	"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"
#define CREATED \
	"HTTP/1.1 201 Created\r\nContent-Length: 11\r\n\r\n{\"id\":\"01\"}"

/* More descriptors than select() could take. */
static void
test_high_descriptor(void)
{
	static const ServerAnswer script[] = {{CREATED, SERVER_KEEP}};
	struct rlimit limit;
	int			opened[1100];
	int			count = 0;
	HttpClient *client;
	Server	   *server;
	HttpRequest request;

	(void) getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < 1300)
		limit.rlim_cur = limit.rlim_max < 1300 ? limit.rlim_max : 1300;
	(void) setrlimit(RLIMIT_NOFILE, &limit);
	while (count < 1100 && (opened[count] = dup(0)) >= 0)
		count++;
	client = fetch_open(1);
	server = server_start(script, 1, 0);
	request = fetch_post(fetch_url("http://127.0.0.1", server_port(server)));
	tap_ok(count == 1100 && iomsg_http_fd(client) > 1024 &&
		   fetch(client, &request)->status == 201,
		   "descriptors over 1024");
	iomsg_http_close(client);
	server_stop(server);
	while (count-- > 0)
		(void) close(opened[count]);
}

/* As many at once as there is room for, over no more connections. */
static void
test_many(void)
{
	static const ServerAnswer script[] = {{CREATED, SERVER_KEEP, 1}};
	Server	   *servers[2] = {server_start(script, 1, 0),
	server_start(script, 1, 0)};
	HttpClient *client = fetch_open(20);
	HttpRequest request;
	const HttpResult *result;
	char		body[80000];
	int			started = 0;
	int			good = 0;

	memset(body, 'b', sizeof(body));
	while (good < 400)
	{
		while (started < 400)
		{
			request = fetch_post(fetch_url("http://127.0.0.1",
										   server_port(servers[started % 2])));
			request.key = started % 3 == 0 ? "key-a" : "key-b";
			request.body = body;
			request.body_len = (size_t) (started * 200);
			if (!iomsg_http_start(client, &request))
				break;
			started++;
		}
		if (started < 400 && iomsg_http_in_flight(client) < 19)
			break;
		result = fetch_wait(client);
		if (result == NULL || result->status != 201 || result->sendings != 1)
			break;
		good++;
	}
	tap_is_int(good, 400, "400 POSTs to two hosts, 20 at once");
	tap_is_int(server_requests(servers[0]) + server_requests(servers[1]), 400,
			   "each was received once");
	(void) iomsg_http_next(client);
	tap_is_int(iomsg_http_in_flight(client), 0, "nothing is left in flight");
	tap_is_int(iomsg_http_next_timeout_us(client, iomsg_http_now_us()), -1,
			   "and there is nothing to wake up for");
	iomsg_http_close(client);
	server_stop(servers[0]);
	server_stop(servers[1]);
}

/*
 * A connection on which something has come that nobody asked for: the next
 * request does not leave on it, and that after it has one of its own.
 */
static void
test_surplus(const char *name, const ServerAnswer *script, HttpRequest first,
			 HttpRequest next)
{
	Server	   *server = server_start(script, 2, 0);
	HttpClient *client = fetch_open(2);
	const char *url = fetch_url("http://127.0.0.1", server_port(server));
	const HttpResult *result;

	first.url = url;
	next.url = url;
	result = fetch(client, &first);
	tap_ok(result->status == 201 && result->sendings == 1,
		   "%s: the request before it has its answer", name);
	fetch_sleep_ms(300);
	result = fetch(client, &next);
	if (!tap_ok(result->sendings == 0 && result->guard_refused &&
				result->status == 0 && result->phase == HTTP_PHASE_READY &&
				!result->timed_out,
				"%s: the next request does not leave", name))
		printf("# status %ld, sendings %d, refused %d, phase %d\n",
			   result->status, result->sendings, result->guard_refused,
			   result->phase);
	result = fetch(client, &next);
	tap_ok(result->status == 201 && result->sendings == 1 &&
		   server_requests(server) == 2 && server_connections(server) == 2,
		   "%s: the one after it leaves on another connection", name);
	iomsg_http_close(client);
	server_stop(server);
}

/* Nothing waits unread: one connection serves all. */
static void
test_kept(void)
{
	static const ServerAnswer script[] = {{CREATED, SERVER_KEEP}};
	Server	   *server = server_start(script, 1, 0);
	HttpClient *client = fetch_open(2);
	HttpRequest request = fetch_post(fetch_url("http://127.0.0.1",
											   server_port(server)));
	int			good = 0;
	int			i;

	for (i = 0; i < 3; i++)
		good += fetch(client, &request)->status == 201;
	tap_ok(good == 3 && server_connections(server) == 1,
		   "three POSTs leave on one connection");
	iomsg_http_close(client);
	server_stop(server);
}

/* The room is bounded, and closing does not wait for what is in flight. */
static void
test_room(void)
{
	static const ServerAnswer script[] = {{"", SERVER_HOLD}};
	Server	   *server = server_start(script, 1, 0);
	HttpClient *client = fetch_open(2);
	HttpRequest request = fetch_post(fetch_url("http://127.0.0.1",
											   server_port(server)));
	sigset_t	mask;

	tap_ok(iomsg_http_start(client, &request) &&
		   iomsg_http_start(client, &request) &&
		   !iomsg_http_start(client, &request),
		   "a third request is not taken where there is room for two");
	tap_is_int(iomsg_http_in_flight(client), 2, "two are in flight");
	iomsg_http_run(client, iomsg_http_now_us());
	tap_ok(iomsg_http_next(client) == NULL, "none has ended");
	(void) pthread_sigmask(SIG_BLOCK, NULL, &mask);
	tap_is_int(sigismember(&mask, SIGTERM), 0,
			   "the caller's signal mask is as before");
	iomsg_http_close(client);
	iomsg_http_close(NULL);
	server_stop(server);
}

int
main(void)
{
	static const ServerAnswer unasked[] = {
		{CREATED, SERVER_KEEP, .surplus = THROTTLED, .surplus_ms = 100},
		{CREATED, SERVER_KEEP}
	};

	test_high_descriptor();
	test_many();
	test_room();
	test_kept();
	test_surplus("an unasked answer and a POST", unasked, fetch_post(NULL),
				 fetch_post(NULL));
	test_surplus("an unasked answer and a GET", unasked, fetch_post(NULL),
				 fetch_get(NULL));
	return tap_done();
}

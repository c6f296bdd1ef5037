/*
 * http_late_test.c
 *		src/http.c and time: deadlines, stalls, idle connections; and proxies.
 *
 * The time that iomsg_http_run is told need not be the real one, so that
 * most of this waits for nothing.
 */
#include "http_fetch.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "tap.h"

#define EMPTY_OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define HOUR_US INT64_C(3600000000)

static const ServerAnswer answering[] = {{EMPTY_OK, SERVER_KEEP}};
static const ServerAnswer silent[] = {{"", SERVER_HOLD}};
static bool epoll_ctl_fails = false;

/* Linked in place of the C library's (--wrap): fails when it is told to. */
extern int	__real_epoll_ctl(int poller, int op, int fd,
							 struct epoll_event *event);
extern int	__wrap_epoll_ctl(int poller, int op, int fd,
							 struct epoll_event *event);

int
__wrap_epoll_ctl(int poller, int op, int fd, struct epoll_event *event)
{
	if (epoll_ctl_fails && op != EPOLL_CTL_DEL)
	{
		errno = ENOSPC;
		return -1;
	}
	return __real_epoll_ctl(poller, op, fd, event);
}

/* Runs in real time until the server has read a request. */
static void
run_until_received(HttpClient *client, Server *server)
{
	struct pollfd ready = {iomsg_http_fd(client), POLLIN, 0};
	int			turns;

	for (turns = 0; turns < 6000 && server_requests(server) == 0; turns++)
	{
		iomsg_http_run(client, iomsg_http_now_us());
		(void) poll(&ready, 1, 10);
	}
}

/* An answer that has arrived during a stall is read, however late it is. */
static void
test_stall(void)
{
	char	   *answer = malloc(70000);
	ServerAnswer script[] = {{answer, SERVER_KEEP}};
	HttpClient *client = fetch_open(1);
	Server	   *server = server_start(script, 1, 0);
	HttpRequest request = fetch_post(fetch_url("http://127.0.0.1",
											   server_port(server)));
	struct pollfd ready = {iomsg_http_fd(client), POLLIN, 0};
	const HttpResult *result;
	int			len = sprintf(answer, "HTTP/1.1 201 Created\r\n"
							  "Content-Length: 60000\r\n\r\n");

	memset(answer + len, 'x', 60000);
	answer[len + 60000] = '\0';
	request.deadline_us = iomsg_http_now_us() + HOUR_US;
	(void) iomsg_http_start(client, &request);
	run_until_received(client, server);
	(void) poll(&ready, 1, 30000);
	fetch_sleep_ms(300);
	iomsg_http_run(client, request.deadline_us + HOUR_US);
	result = iomsg_http_next(client);
	tap_ok(result != NULL && result->status == 201 && !result->timed_out &&
		   result->body_len == 60000,
		   "an answer that arrived during a stall counts, all of it");
	iomsg_http_close(client);
	server_stop(server);
	free(answer);
}

/* Without an answer the deadline ends a request that has been sent. */
static void
test_deadline(void)
{
	HttpClient *client = fetch_open(1);
	Server	   *server = server_start(silent, 1, 0);
	HttpRequest request = fetch_post(fetch_url("http://127.0.0.1",
											   server_port(server)));
	const HttpResult *result;
	int64_t		wait_us;

	request.deadline_us = iomsg_http_now_us() + HOUR_US;
	(void) iomsg_http_start(client, &request);
	tap_is_int(iomsg_http_next_timeout_us(client, iomsg_http_now_us()), 0,
			   "a request that was started wants a run at once");
	run_until_received(client, server);
	iomsg_http_run(client, request.deadline_us);
	tap_ok(iomsg_http_next(client) == NULL, "at its deadline it still runs");
	wait_us = iomsg_http_next_timeout_us(client, request.deadline_us - 5);
	tap_ok(wait_us >= 0 && wait_us <= 6, "the wait ends after the deadline");
	iomsg_http_run(client, request.deadline_us + 1);
	result = iomsg_http_next(client);
	tap_ok(result != NULL && result->timed_out && result->sendings == 1 &&
		   result->status == 0 && result->curl_code == 28 &&
		   result->phase == HTTP_PHASE_SENT,
		   "after it the request has timed out, and may have been read");
	iomsg_http_close(client);
	server_stop(server);
}

/* A stop ends what has not come to a connection, and nothing that was sent. */
static void
test_cancel(void)
{
	HttpClient *client = fetch_open(2);
	Server	   *server = server_start(silent, 1, 0);
	Server	   *mute = server_start(silent, 1, 0);
	HttpRequest sent = fetch_post(fetch_url("http://127.0.0.1",
											server_port(server)));
	const HttpResult *result;

	(void) iomsg_http_start(client, &sent);
	run_until_received(client, server);
	sent.url = fetch_url("https://127.0.0.1", server_port(mute));
	(void) iomsg_http_start(client, &sent);
	iomsg_http_run(client, iomsg_http_now_us());
	iomsg_http_cancel_unsent(client);
	result = iomsg_http_next(client);
	tap_ok(result != NULL && result->cancelled && result->sendings == 0 &&
		   result->status == 0,
		   "what waits for a handshake ends, and was not sent");
	tap_ok(iomsg_http_next(client) == NULL &&
		   iomsg_http_in_flight(client) == 1, "what was sent goes on");
	iomsg_http_close(client);
	server_stop(server);
	server_stop(mute);
}

/* A request whose time has passed before it could leave does not leave. */
static void
test_too_late(HttpClient *client)
{
	Server	   *server = server_start(answering, 1, 0);
	HttpRequest request = fetch_post(fetch_url("http://127.0.0.1",
											   server_port(server)));
	const HttpResult *result;

	request.deadline_us = iomsg_http_now_us() - 1;
	result = fetch(client, &request);
	tap_ok(result->timed_out && result->sendings == 0,
		   "a deadline in the past: timed out, nothing was sent");
	request = fetch_post(request.url);
	request.send_before_us = iomsg_http_now_us() + 20000;
	(void) iomsg_http_start(client, &request);
	fetch_sleep_ms(50);
	result = fetch_wait(client);
	tap_ok(result != NULL && result->guard_refused && !result->timed_out &&
		   result->sendings == 0 && result->phase == HTTP_PHASE_READY,
		   "a mark that went stale before the sending: refused");
	tap_is_int(server_requests(server), 0, "the server has nothing");
	request = fetch_post(request.url);
	request.send_before_us = iomsg_http_now_us() + HOUR_US;
	request.deadline_us = 0;
	result = fetch(client, &request);
	tap_is_int(result->status, 200, "a fresh mark and no deadline: sent");
	server_stop(server);
}

/* From its status line on, an answer has its own time to be complete. */
static void
test_slow_answers(HttpClient *client)
{
	static const ServerAnswer drip[] = {{
			"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n"
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			SERVER_HOLD, 0, 20
	}};
	static const ServerAnswer patient[] = {{
			"HTTP/1.1 102 Processing\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			"aaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\nHTTP/1.1 204 \r\n\r\n",
			SERVER_KEEP, 0, 20
	}};
	static const ServerAnswer late[] = {{EMPTY_OK, SERVER_KEEP, 1500}};
	Server	   *server = server_start(drip, 1, 0);
	HttpRequest request = fetch_post(fetch_url("http://127.0.0.1",
											   server_port(server)));
	const HttpResult *result = fetch(client, &request);

	tap_ok(result->timed_out && result->status == 201 &&
		   result->phase == HTTP_PHASE_BODY && result->body_len > 0,
		   "an answer that drips is cut, its status stays");
	server_stop(server);
	server = server_start(patient, 1, 0);
	request = fetch_post(fetch_url("http://127.0.0.1", server_port(server)));
	result = fetch(client, &request);
	tap_is_int(result->status, 204, "an informational answer starts no clock");
	server_stop(server);
	server = server_start(late, 1, 0);
	request = fetch_post(fetch_url("http://127.0.0.1", server_port(server)));
	result = fetch(client, &request);
	tap_is_int(result->status, 200,
			   "waiting for an answer has no such limit");
	server_stop(server);
}

/* A connection that was idle for longer than allowed is not used again. */
static void
test_idle(HttpClient *client)
{
	Server	   *server = server_start(answering, 1, 0);
	HttpRequest request = fetch_post(fetch_url("http://127.0.0.1",
											   server_port(server)));

	(void) fetch(client, &request);
	fetch_sleep_ms(2500);
	(void) fetch(client, &request);
	tap_is_int(server_connections(server), 2, "an idle connection ages");
	server_stop(server);
}

/* Only the proxy of the request is used, never the environment's. */
static void
test_proxy(void)
{
	static const ServerAnswer refusing[] = {{
			"HTTP/1.1 407 Proxy Authentication Required\r\n"
			"Content-Length: 0\r\n\r\n", SERVER_CLOSE
	}};
	static const char *const variables[] = {
		"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"
	};
	Server	   *server = server_start(answering, 1, 0);
	Server	   *proxy = server_start(refusing, 1, 0);
	const char *proxy_url = fetch_url("http://127.0.0.1", server_port(proxy));
	HttpClient *client;
	HttpRequest request = fetch_post(fetch_url("http://127.0.0.1",
											   server_port(server)));
	const HttpResult *result;
	size_t		i;

	for (i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		(void) setenv(variables[i], proxy_url, 1);
	client = fetch_open(1);
	(void) fetch(client, &request);
	request.proxy = "";
	result = fetch(client, &request);
	tap_ok(result->status == 200 && server_connections(proxy) == 0,
		   "the environment's proxies are not used");
	for (i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		(void) unsetenv(variables[i]);
	(void) setenv("no_proxy", "*", 1);
	request = fetch_post("https://api.test/");
	request.flags = 0;
	request.proxy = proxy_url;
	result = fetch(client, &request);
	tap_ok(result->sendings == 0 && result->status == 0 &&
		   result->curl_code != 0 && !result->guard_refused,
		   "a proxy that refuses: nothing was sent to IO");
	tap_ok(strncmp(server_last_request(proxy), "CONNECT api.test:443 ", 21)
		   == 0 && strstr(server_last_request(proxy), "Ocp-Apim") == NULL,
		   "the proxy was asked for a tunnel and did not see the key");
	iomsg_http_close(client);
	(void) unsetenv("no_proxy");
	server_stop(proxy);
	server_stop(server);
}

/* Where the kernel takes no more sockets for a poller, it goes by clock. */
static void
test_unwatched(void)
{
	static const ServerAnswer slow[] = {{EMPTY_OK, SERVER_KEEP, 200}};
	HttpClient *client = fetch_open(2);
	Server	   *server = server_start(slow, 1, 0);
	HttpRequest request = fetch_post(fetch_url("http://local.test",
											   server_port(server)));
	const HttpResult *result;

	epoll_ctl_fails = true;
	result = fetch(client, &request);
	tap_ok(result->status == 200 && result->duration_us < 20000000,
		   "a request without a watched socket");
	epoll_ctl_fails = false;
	result = fetch(client, &request);
	tap_is_int(result->status, 200, "and again when the kernel has room");
	(void) iomsg_http_next(client);
	iomsg_http_run(client, iomsg_http_now_us());
	tap_is_int(iomsg_http_next_timeout_us(client, iomsg_http_now_us()), -1,
			   "then there is nothing to wake up for");
	iomsg_http_close(client);
	server_stop(server);
}

int
main(void)
{
	HttpClient *client = fetch_open(4);

	test_stall();
	test_deadline();
	test_cancel();
	test_too_late(client);
	test_slow_answers(client);
	test_idle(client);
	test_proxy();
	test_unwatched();
	iomsg_http_close(client);
	return tap_done();
}

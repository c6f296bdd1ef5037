/*
 * http_fetch.c
 *		What the tests of src/http.c share: a request at a time, and names.
 *
 * The getaddrinfo of this file stands before the C library's, for libcurl
 * too, so that no test depends on a name server.
 */
#include "http_fetch.h"

#include <dlfcn.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int (*Resolver) (const char *, const char *, const struct addrinfo *,
						 struct addrinfo **);

static atomic_bool resolver_was_unmasked = false;
static atomic_int resolver_calls = 0;

/* Sleeps for so many milliseconds, whatever signals come. */
void
fetch_sleep_ms(int ms)
{
	struct timespec time = {ms / 1000, (long) (ms % 1000) * 1000000};

	while (nanosleep(&time, &time) != 0)
		continue;
}

/* Notes whether the thread that resolves could be given a signal. */
static void
note_mask(void)
{
	static const int signals[] = {SIGTERM, SIGHUP, SIGUSR1, SIGINT, SIGALRM};
	sigset_t	mask;
	size_t		i;

	(void) pthread_sigmask(SIG_BLOCK, NULL, &mask);
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (sigismember(&mask, signals[i]) != 1)
			atomic_store(&resolver_was_unmasked, true);
	atomic_fetch_add(&resolver_calls, 1);
}

/* Tells whether names were resolved, always with all signals blocked. */
bool
fetch_resolver_was_masked(void)
{
	return atomic_load(&resolver_calls) > 0 &&
		!atomic_load(&resolver_was_unmasked);
}

/* The names of these tests. */
static const struct
{
	const char *name;
	const char *address;
}			names[] = {
	{"local.test", "127.0.0.1"},
	{"slow.test", "127.0.0.1"},
	{"local7.test", "127.0.0.7"},
	{"metadata.test", "169.254.169.254"},
	{"private.test", "10.1.2.3"},
	{"carrier.test", "100.64.0.1"},
	{"nobody.test", "0.0.0.0"},
	{"many.test", "224.0.0.1"},
	{"nobody6.test", "::"},
	{"linklocal6.test", "fe80::1"},
	{"loopback6.test", "::1"},
	{"unique6.test", "fc00::1"},
	{"mapped6.test", "::ffff:127.0.0.1"},
	{"mappedmeta6.test", "::ffff:169.254.169.254"},
	{"nat64.test", "64:ff9b::a9fe:a9fe"},
	{"sixtofour.test", "2002:a9fe:a9fe::"},
	{"world.test", "1.1.1.1"},
	{"mixed.test", "169.254.169.254"},
};

/* Stands before the C library's. */
int
getaddrinfo(const char *restrict node, const char *restrict service,
			const struct addrinfo *restrict hints,
			struct addrinfo **restrict result)
{
	Resolver	original;
	const char *address = NULL;
	struct addrinfo *first;
	int			error;
	size_t		i;

	*(void **) &original = dlsym(RTLD_NEXT, "getaddrinfo");
	note_mask();
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(node, names[i].name) == 0)
			address = names[i].address;
	if (strcmp(node, "slow.test") == 0)
		fetch_sleep_ms(3000);
	if (address == NULL)
		return EAI_NONAME;
	error = original(address, service, hints, result);
	if (error != 0 || strcmp(node, "mixed.test") != 0)
		return error;
	error = original("127.0.0.1", service, hints, &first);
	if (error == 0)
	{
		struct addrinfo *last = *result;

		while (last->ai_next != NULL)
			last = last->ai_next;
		last->ai_next = first;
	}
	return error;
}

/* Opens a client with this limit for connecting, or ends the test. */
HttpClient *
fetch_open_within(int max_connections, long connect_timeout_ms)
{
	HttpSettings settings = {
		.max_connections = max_connections,
		.connect_timeout_ms = connect_timeout_ms,
		.answer_timeout_ms = 1000,
		.keepalive_idle_s = 1,
		.user_agent = "io_msg/test",
	};
	const char *problem;
	HttpClient *client = iomsg_http_open(&settings, &problem);

	if (client == NULL)
	{
		printf("Bail out! %s\n", problem);
		exit(1);
	}
	return client;
}

/* Opens a client that connects with patience, or ends the test. */
HttpClient *
fetch_open(int max_connections)
{
	return fetch_open_within(max_connections, 60000);
}

/* A URL on a port; valid until sixteen more have been made. */
const char *
fetch_url(const char *scheme_and_host, int port)
{
	static char urls[16][128];
	static int	next = 0;
	char	   *url = urls[next++ % 16];

	(void) snprintf(url, sizeof(urls[0]), "%s:%d/api/v1/messages",
					scheme_and_host, port);
	return url;
}

/* A POST to loopback with a deadline of 30 s. */
HttpRequest
fetch_post(const char *url)
{
	return (HttpRequest)
	{
		.owner = &resolver_calls,
			.method = HTTP_POST,
			.flags = HTTP_ALLOW_LOOPBACK,
			.url = url,
			.key = "0123456789abcdef",
			.body = "{\"a\":1}",
			.body_len = 7,
			.deadline_us = iomsg_http_now_us() + 30000000,
	};
}

/* A repeatable GET from loopback with a deadline of 30 s. */
HttpRequest
fetch_get(const char *url)
{
	HttpRequest request = fetch_post(url);

	request.method = HTTP_GET;
	request.flags |= HTTP_REPEATABLE;
	request.body = NULL;
	request.body_len = 0;
	return request;
}

/* Waits as the drainer does until a result is there; NULL after 60 s. */
const HttpResult *
fetch_wait(HttpClient *client)
{
	int64_t		give_up_us = iomsg_http_now_us() + 60000000;
	const HttpResult *result;
	struct pollfd ready = {iomsg_http_fd(client), POLLIN, 0};
	int64_t		now_us;
	int64_t		wait_us;

	while ((result = iomsg_http_next(client)) == NULL)
	{
		now_us = iomsg_http_now_us();
		if (now_us > give_up_us)
			return NULL;
		wait_us = iomsg_http_next_timeout_us(client, now_us);
		if (wait_us < 0 || wait_us > 5000000)
			wait_us = 5000000;
		(void) poll(&ready, 1, (int) ((wait_us + 999) / 1000));
		iomsg_http_run(client, iomsg_http_now_us());
	}
	return result;
}

/* Starts a request and waits for its result, or ends the test. */
const HttpResult *
fetch(HttpClient *client, const HttpRequest *request)
{
	const HttpResult *result = NULL;

	(void) iomsg_http_next(client);
	if (iomsg_http_start(client, request))
		result = fetch_wait(client);
	if (result == NULL)
	{
		printf("Bail out! no result for a request\n");
		exit(1);
	}
	return result;
}

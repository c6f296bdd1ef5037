/*
 * http_failure_test.c
 *		What src/http.c does when it is late, cannot connect, or may not.
 */
#include "http_fetch.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "http_address.h"
#include "tap.h"

#define EMPTY_OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

static const ServerAnswer answering[] = {{EMPTY_OK, SERVER_KEEP}};
static const ServerAnswer silent[] = {{"", SERVER_HOLD}};

/* A port of loopback on which nobody listens. */
static int
closed_port(void)
{
	Server	   *server = server_start(answering, 1, 0);
	int			port = server_port(server);

	server_stop(server);
	return port;
}

/* Prints what a result was, for a test that failed. */
static void
show(const HttpResult *result)
{
	printf("# code %d, sendings %d, status %ld, phase %d, refused %d,"
		   " timed out %d, %ld ms\n", result->curl_code, result->sendings,
		   result->status, result->phase, result->guard_refused,
		   result->timed_out, (long) (result->duration_us / 1000));
}

/* Failures before the sending, all of them provably "nothing was sent". */
static void
test_not_sent(HttpClient *client)
{
	static const ServerAnswer greeting[] = {
		{"HTTP/1.1 200 OK\r\n\r\n", SERVER_CLOSE}
	};
	Server	   *mute = server_start(silent, 1, 0);
	Server	   *no_tls = server_start(greeting, 1, SERVER_SPEAKS_FIRST);
	const struct
	{
		const char *name;
		const char *url;
		const char *ca_file;
		int			curl_code;
		bool		timed_out;
		HttpPhase	phase;
	}			cases[] = {
		{"a name that does not exist", "http://nowhere.test/", NULL,
		6, false, HTTP_PHASE_NONE},
		{"a connection refused", fetch_url("http://local.test", closed_port()),
		NULL, 7, false, HTTP_PHASE_CONNECTING},
		{"no TLS at the far end",
			fetch_url("https://local.test", server_port(no_tls)), NULL,
		35, false, HTTP_PHASE_CONNECTED},
		{"TLS that is not answered",
			fetch_url("https://local.test", server_port(mute)), NULL,
		28, true, HTTP_PHASE_CONNECTED},
		{"a name server that is slow", "http://slow.test/", NULL,
		28, true, HTTP_PHASE_NONE},
		{"a CA file that does not exist",
			fetch_url("https://local.test", server_port(mute)), "/nonexistent",
		77, false, HTTP_PHASE_CONNECTED},
	};
	size_t		i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		HttpRequest request = fetch_post(cases[i].url);
		const HttpResult *result;

		request.ca_file = cases[i].ca_file;
		result = fetch(client, &request);
		if (!tap_ok(result->sendings == 0 && result->status == 0 &&
					result->curl_code == cases[i].curl_code &&
					result->timed_out == cases[i].timed_out &&
					result->phase == cases[i].phase &&
					result->duration_us < 2800000 && *result->body == '\0',
					"%s: nothing was sent", cases[i].name))
			show(result);
	}
	tap_is_int(server_requests(mute), 0, "the server saw no request");
	tap_ok(fetch_resolver_was_masked(),
		   "names are resolved in threads that take no signal");
	server_stop(mute);
	server_stop(no_tls);
}

/* Requests that are refused before anything is looked up. */
static void
test_refused(HttpClient *client)
{
	static const struct
	{
		const char *name;
		const char *url;
		const char *key;
		const char *proxy;
		int			flags;
		int			curl_code;
	}			cases[] = {
		{"http that is not allowed", "http://local.test/", "k", NULL, 0, 1},
		{"http over a proxy", "http://local.test/", "k", "http://local.test",
		HTTP_ALLOW_LOOPBACK, 1},
		{"file", "file:///etc/passwd", "k", NULL, HTTP_ALLOW_LOOPBACK, 1},
		{"no scheme", "local.test/", "k", NULL, HTTP_ALLOW_LOOPBACK, 1},
		{"a blank in the URL", "http://local.test/ x", "k", NULL,
		HTTP_ALLOW_LOOPBACK, 3},
		{"a line end in the URL", "http://local.test/\r\nx: y", "k", NULL,
		HTTP_ALLOW_LOOPBACK, 3},
		{"an empty URL", "", "k", NULL, HTTP_ALLOW_LOOPBACK, 3},
		{"a user in the URL", "https://u:p@local.test/", "k", NULL,
		HTTP_ALLOW_LOOPBACK, 67},
		{"an empty key", "http://local.test/", "", NULL,
		HTTP_ALLOW_LOOPBACK, 43},
		{"a key with a line end", "http://local.test/", "k\n", NULL,
		HTTP_ALLOW_LOOPBACK, 43},
		{"a key with another header", "http://local.test/", "k\r\nx: y", NULL,
		HTTP_ALLOW_LOOPBACK, 43},
	};
	size_t		i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		HttpRequest request = fetch_post(cases[i].url);
		const HttpResult *result;

		request.key = cases[i].key;
		request.proxy = cases[i].proxy;
		request.flags = cases[i].flags;
		result = fetch(client, &request);
		if (!tap_ok(result->sendings == 0 &&
					result->curl_code == cases[i].curl_code &&
					result->owner == request.owner,
					"%s is refused", cases[i].name))
			show(result);
	}
}

/* A name cannot lead into the local network. */
static void
test_addresses(HttpClient *client)
{
	Server	   *server = server_start(answering, 1, 0);
	int			port = server_port(server);
	const struct
	{
		const char *host;
		int			flags;
		bool		sent;
	}			cases[] = {
		{"https://local.test", 0, false},
		{"https://127.0.0.1", 0, false},
		{"https://[::1]", 0, false},
		{"https://[::ffff:127.0.0.1]", 0, false},
		{"https://2130706433", 0, false},
		{"https://loopback6.test", HTTP_ALLOW_PRIVATE, false},
		{"https://private.test", HTTP_ALLOW_LOOPBACK, false},
		{"https://metadata.test",
		HTTP_ALLOW_LOOPBACK | HTTP_ALLOW_PRIVATE, false},
		{"https://linklocal6.test",
		HTTP_ALLOW_LOOPBACK | HTTP_ALLOW_PRIVATE, false},
		{"http://world.test", HTTP_ALLOW_LOOPBACK, false},
		{"http://private.test",
		HTTP_ALLOW_LOOPBACK | HTTP_ALLOW_PRIVATE, false},
		{"http://mixed.test", HTTP_ALLOW_LOOPBACK, true},
	};
	HttpRequest request;
	const HttpResult *result;
	size_t		i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		request = fetch_post(fetch_url(cases[i].host, port));
		request.flags = cases[i].flags;
		result = fetch(client, &request);
		if (!tap_ok((result->sendings == 1) == cases[i].sent &&
					result->guard_refused == !cases[i].sent &&
					(result->curl_code == 0) == cases[i].sent &&
					result->duration_us < 1000000,
					"%s with flags %d is %s", cases[i].host, cases[i].flags,
					cases[i].sent ? "reached" : "refused"))
			show(result);
	}
	tap_is_int(server_connections(server), 1, "one connection was made");
	server_stop(server);
}

/* Kinds of addresses, the first and the last of the networks. */
static void
test_address_kinds(void)
{
	static const struct
	{
		const char *text;
		HttpAddressKind kind;
	}			cases[] = {
		{"1.1.1.1", HTTP_ADDRESS_PUBLIC},
		{"126.255.255.255", HTTP_ADDRESS_PUBLIC},
		{"127.0.0.0", HTTP_ADDRESS_LOOPBACK},
		{"127.255.255.255", HTTP_ADDRESS_LOOPBACK},
		{"128.0.0.0", HTTP_ADDRESS_PUBLIC},
		{"0.0.0.0", HTTP_ADDRESS_FORBIDDEN},
		{"10.0.0.0", HTTP_ADDRESS_PRIVATE},
		{"11.0.0.0", HTTP_ADDRESS_PUBLIC},
		{"172.15.255.255", HTTP_ADDRESS_PUBLIC},
		{"172.16.0.0", HTTP_ADDRESS_PRIVATE},
		{"172.31.255.255", HTTP_ADDRESS_PRIVATE},
		{"172.32.0.0", HTTP_ADDRESS_PUBLIC},
		{"192.168.1.1", HTTP_ADDRESS_PRIVATE},
		{"100.63.255.255", HTTP_ADDRESS_PUBLIC},
		{"100.64.0.0", HTTP_ADDRESS_PRIVATE},
		{"100.127.255.255", HTTP_ADDRESS_PRIVATE},
		{"169.254.169.254", HTTP_ADDRESS_FORBIDDEN},
		{"198.17.255.255", HTTP_ADDRESS_PUBLIC},
		{"198.19.255.255", HTTP_ADDRESS_FORBIDDEN},
		{"223.255.255.255", HTTP_ADDRESS_PUBLIC},
		{"224.0.0.1", HTTP_ADDRESS_FORBIDDEN},
		{"255.255.255.255", HTTP_ADDRESS_FORBIDDEN},
		{"::", HTTP_ADDRESS_FORBIDDEN},
		{"::1", HTTP_ADDRESS_LOOPBACK},
		{"::2", HTTP_ADDRESS_FORBIDDEN},
		{"::127.0.0.1", HTTP_ADDRESS_FORBIDDEN},
		{"::ffff:127.0.0.1", HTTP_ADDRESS_LOOPBACK},
		{"::ffff:169.254.169.254", HTTP_ADDRESS_FORBIDDEN},
		{"::ffff:8.8.8.8", HTTP_ADDRESS_PUBLIC},
		{"64:ff9b::10.0.0.1", HTTP_ADDRESS_PRIVATE},
		{"2002:7f00:1::", HTTP_ADDRESS_LOOPBACK},
		{"2a00:1450:4002::1", HTTP_ADDRESS_PUBLIC},
		{"2001:db8::1", HTTP_ADDRESS_FORBIDDEN},
		{"2001::1", HTTP_ADDRESS_FORBIDDEN},
		{"3fff::1", HTTP_ADDRESS_PUBLIC},
		{"fc00::1", HTTP_ADDRESS_PRIVATE},
		{"fdff::1", HTTP_ADDRESS_PRIVATE},
		{"fe80::1", HTTP_ADDRESS_FORBIDDEN},
		{"fec0::1", HTTP_ADDRESS_FORBIDDEN},
		{"ff02::1", HTTP_ADDRESS_FORBIDDEN},
		{"", HTTP_ADDRESS_FORBIDDEN},
		{"local.test", HTTP_ADDRESS_FORBIDDEN},
	};
	struct sockaddr unix_address = {.sa_family = AF_UNIX};
	size_t		i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		tap_ok(iomsg_http_address_kind_of_text(cases[i].text) ==
			   cases[i].kind, "the kind of \"%s\"", cases[i].text);
	tap_is_int(iomsg_http_address_kind(&unix_address), HTTP_ADDRESS_FORBIDDEN,
			   "another family is forbidden");
}

/* A base URL is split as libcurl will read it. */
static void
test_split_url(void)
{
	static const struct
	{
		const char *url;
		const char *host;
		bool		is_https;
	}			cases[] = {
		{"https://API.io.pagopa.it/api/v1", "api.io.pagopa.it", true},
		{"http://127.0.0.1:8080", "127.0.0.1", false},
		{"http://0x7f.1/", "127.0.0.1", false},
		{"https://[::1]:1/", "[::1]", true},
		{"https://api.io.pagopa.it@evil.test/", NULL, false},
		{"https://evil.test#api.io.pagopa.it", NULL, false},
		{"https://evil.test?api.io.pagopa.it", NULL, false},
		{"https://api.io.pagopa.it#", NULL, false},
		{"https://api.io.pagopa.it/api/v1?", NULL, false},
		{"https://evil.test\\@api.io.pagopa.it", NULL, false},
		{"ftp://local.test/", NULL, false},
		{"file:///etc/passwd", NULL, false},
		{"gopher://local.test/", NULL, false},
		{"local.test", NULL, false},
		{"", NULL, false},
		{"https://a-name-that-does-not-fit.test/", NULL, false},
	};
	char		host[24];
	bool		is_https;
	size_t		i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		bool		valid = iomsg_http_split_url(cases[i].url, host,
												 sizeof(host), &is_https);

		tap_ok(valid == (cases[i].host != NULL) &&
			   (!valid || (strcmp(host, cases[i].host) == 0 &&
						   is_https == cases[i].is_https)),
			   "splitting \"%s\"", cases[i].url);
	}
}

int
main(void)
{
	HttpClient *client;

	(void) setenv("SSLKEYLOGFILE", "/nonexistent/keys", 1);
	client = fetch_open_within(4, 1500);
	tap_ok(getenv("SSLKEYLOGFILE") == NULL, "SSLKEYLOGFILE is dropped");
	test_not_sent(client);
	test_refused(client);
	test_addresses(client);
	test_address_kinds();
	test_split_url();
	iomsg_http_close(client);
	return tap_done();
}

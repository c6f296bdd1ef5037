/*
 * http_hostile_test.c
 *		src/http.c among name servers that lie, proxies in the environment and
 *		proxies that flood.
 */
#include "http_fetch.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "tap.h"

#define EMPTY_OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define FLOOD_SIZE ((size_t) 40 * 1024 * 1024)
#define MOST_KB 4096

static const ServerAnswer answering[] = {{EMPTY_OK, SERVER_KEEP}};

/* Whatever a name leads to: nothing is sent where it must not be. */
static void
test_names(HttpClient *client)
{
	static const int all = HTTP_ALLOW_LOOPBACK | HTTP_ALLOW_PRIVATE;
	Server	   *server = server_start(answering, 1, 0);
	const struct
	{
		const char *name;
		int			flags;
	}			cases[] = {
		{"local.test", HTTP_ALLOW_PRIVATE},
		{"local7.test", HTTP_ALLOW_PRIVATE},
		{"loopback6.test", HTTP_ALLOW_PRIVATE},
		{"mapped6.test", HTTP_ALLOW_PRIVATE},
		{"private.test", HTTP_ALLOW_LOOPBACK},
		{"carrier.test", HTTP_ALLOW_LOOPBACK},
		{"unique6.test", HTTP_ALLOW_LOOPBACK},
		{"metadata.test", all},
		{"mappedmeta6.test", all},
		{"nat64.test", all},
		{"sixtofour.test", all},
		{"linklocal6.test", all},
		{"nobody.test", all},
		{"nobody6.test", all},
		{"many.test", all},
	};
	char		url[64];
	size_t		i;
	int			is_https;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (is_https = 0; is_https <= 1; is_https++)
		{
			HttpRequest request;
			const HttpResult *result;

			(void) snprintf(url, sizeof(url), "%s://%s",
							is_https ? "https" : "http", cases[i].name);
			request = fetch_post(fetch_url(url, server_port(server)));
			request.flags = cases[i].flags;
			result = fetch(client, &request);
			tap_ok(result->sendings == 0 && result->status == 0 &&
				   result->curl_code != 0 && !result->timed_out,
				   "%s leads nowhere", url);
		}
	tap_is_int(server_connections(server), 0, "nobody came");
	server_stop(server);
}

/* Proxies of the environment are not asked, whatever they are called. */
static void
test_environment(HttpClient *client)
{
	static const char *const names[] = {
		"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
		"all_proxy", "ALL_PROXY"
	};
	Server	   *proxy = server_start(answering, 1, 0);
	Server	   *server = server_start(answering, 1, 0);
	HttpRequest request;
	char		url[64];
	size_t		i;

	(void) snprintf(url, sizeof(url), "http://u:p@127.0.0.1:%d",
					server_port(proxy));
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void) setenv(names[i], url, 1);
	(void) setenv("no_proxy", "", 1);
	(void) setenv("NO_PROXY", "", 1);
	request = fetch_post(fetch_url("http://local.test", server_port(server)));
	tap_is_int(fetch(client, &request)->status, 200, "http goes straight");
	tap_ok(strstr(server_last_request(server), "uthorization") == NULL,
		   "with no credentials");
	request = fetch_post(fetch_url("https://nowhere.test", 1));
	tap_is_int(fetch(client, &request)->curl_code, 6, "so does https");
	tap_is_int(server_connections(proxy), 0, "no proxy was asked");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void) unsetenv(names[i]);
	server_stop(proxy);
	server_stop(server);
}

/* The most memory that this process has had, in kilobytes. */
static long
peak_kb(void)
{
	struct rusage usage;

	(void) getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

/* A proxy that floods before there is a tunnel: bounded, and nothing sent. */
static void
test_proxy_flood(HttpClient *client, const char *name, const char *line)
{
	char	   *flood = malloc(FLOOD_SIZE + 1);
	size_t		len = 0;
	ServerAnswer script[] = {{flood, SERVER_CLOSE}};
	Server	   *proxy;
	HttpRequest request;
	const HttpResult *result;
	char		url[64];
	long		before_kb;

	if (flood == NULL)
		exit(1);
	len = (size_t) sprintf(flood, "HTTP/1.1 200 OK\r\n");
	while (len + strlen(line) < FLOOD_SIZE)
	{
		memcpy(flood + len, line, strlen(line));
		len += strlen(line);
	}
	flood[len] = '\0';
	proxy = server_start(script, 1, 0);
	(void) snprintf(url, sizeof(url), "http://127.0.0.1:%d",
					server_port(proxy));
	request = fetch_post("https://api.example.org/api/v1/messages");
	request.proxy = url;
	before_kb = peak_kb();
	result = fetch(client, &request);
	if (!tap_ok(result->sendings == 0 && result->status == 0 &&
				result->curl_code != 0, "%s: nothing was sent", name))
		printf("# code %d, sendings %d, status %ld\n", result->curl_code,
			   result->sendings, result->status);
	tap_ok(peak_kb() - before_kb < MOST_KB, "%s: bounded (%ld kB)", name,
		   peak_kb() - before_kb);
	server_stop(proxy);
	free(flood);
}

int
main(void)
{
	HttpClient *client = fetch_open_within(4, 5000);

	test_names(client);
	test_environment(client);
	test_proxy_flood(client, "a proxy's headers", "X-Flood: 0123456789\r\n");
	test_proxy_flood(client, "a proxy's one header", "x");
	iomsg_http_close(client);
	return tap_done();
}

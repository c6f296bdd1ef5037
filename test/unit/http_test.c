/*
 * http_test.c
 *		What src/http.c sends and what it makes of the answers, byte by byte.
 */
#include "http_fetch.h"

#include <stdlib.h>

#include "tap.h"

#define CREATED \
	"HTTP/1.1 201 Created\r\n" \
	"Content-Type: application/json\r\n" \
	"Location: /messages/01ARZ3NDEKTSV4RRFFQ69G5FAV\r\n" \
	"x-rate-limit-remaining: 149\r\n" \
	"Content-Length: 11\r\n\r\n" \
	"{\"id\":\"01\"}"
#define EMPTY_OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

/* A request is sent as IO wants it, the answer comes back whole. */
static void
test_exchange(HttpClient *client)
{
	static const ServerAnswer script[] = {{CREATED, SERVER_KEEP}};
	Server	   *server = server_start(script, 1, 0);
	HttpRequest request = fetch_post(fetch_url("http://127.0.0.1",
											   server_port(server)));
	const HttpResult *result = fetch(client, &request);
	const char *sent = server_last_request(server);

	tap_ok(result->owner == request.owner, "the owner comes back");
	tap_is_int(result->curl_code, 0, "a POST succeeds");
	tap_is_int(result->sendings, 1, "it was handed to the wire once");
	tap_is_int(result->status, 201, "the status");
	tap_is_int(result->phase, HTTP_PHASE_DONE, "the phase is done");
	tap_is_text(result->body, "{\"id\":\"01\"}", "the body");
	tap_is_text(result->location, "/messages/01ARZ3NDEKTSV4RRFFQ69G5FAV",
				"the Location");
	tap_is_text(result->content_type, "application/json",
				"the Content-Type");
	tap_is_text(result->rate_limit_remaining, "149",
				"x-rate-limit-remaining");
	tap_is_text(result->retry_after, "", "an absent header is empty");
	tap_ok(!result->guard_refused && !result->timed_out && !result->body_cut,
		   "nothing was refused, late or cut");
	tap_ok(result->duration_us > 0 && result->duration_us < 30000000,
		   "the duration");

	tap_ok(strncmp(sent, "POST /api/v1/messages HTTP/1.1\r\n", 32) == 0,
		   "the request line");
	tap_ok(strstr(sent, "\r\nOcp-Apim-Subscription-Key: 0123456789abcdef\r\n")
		   != NULL, "the key header");
	tap_ok(strstr(sent, "\r\nContent-Type: application/json\r\n") != NULL,
		   "the type of the body");
	tap_ok(strstr(sent, "\r\nUser-Agent: io_msg/test\r\n") != NULL,
		   "the user agent");
	tap_ok(strstr(sent, "Expect") == NULL, "no Expect");
	tap_ok(strstr(sent, "Accept-Encoding") == NULL, "no Accept-Encoding");
	tap_ok(strstr(sent, "\r\n\r\n{\"a\":1}") != NULL, "the body as given");

	request = fetch_get(request.url);
	request.key = NULL;
	result = fetch(client, &request);
	sent = server_last_request(server);
	tap_is_int(result->status, 201, "a GET on the same handle succeeds");
	tap_ok(strncmp(sent, "GET /api/v1/messages HTTP/1.1\r\n", 31) == 0 &&
		   strstr(sent, "Content-") == NULL &&
		   strstr(sent, "Ocp-Apim") == NULL,
		   "it has no body, no type and no key");
	tap_is_int(server_connections(server), 1, "the connection was reused");
	server_stop(server);
}

/* libcurl's silent second sending of a POST is stopped, a GET's is not. */
static void
test_second_sending(void)
{
	static const ServerAnswer script[] = {
		{EMPTY_OK, SERVER_KEEP}, {"", SERVER_CLOSE}, {EMPTY_OK, SERVER_KEEP}
	};
	int			repeatable;

	for (repeatable = 0; repeatable <= 1; repeatable++)
	{
		HttpClient *client = fetch_open(2);
		Server	   *server = server_start(script, 3, 0);
		HttpRequest request = fetch_post(fetch_url("http://127.0.0.1",
												   server_port(server)));
		const HttpResult *result = fetch(client, &request);

		tap_is_int(result->status, 200, "a first POST succeeds");
		if (repeatable)
			request = fetch_get(request.url);
		result = fetch(client, &request);
		if (repeatable)
		{
			tap_is_int(result->sendings, 2, "a repeatable GET is sent again");
			tap_is_int(result->status, 200, "and succeeds");
			tap_is_int(server_requests(server), 3, "the server has it twice");
		}
		else
		{
			tap_is_int(server_requests(server), 2,
					   "the server has a POST once");
			tap_is_int(result->sendings, 1, "handed to the wire once");
			tap_ok(result->guard_refused, "the second time was refused");
			tap_is_int(result->status, 0, "there is no status");
			tap_ok(result->curl_code != 0, "it is no success");
			tap_is_int(result->phase, HTTP_PHASE_SENT, "the phase is sent");
		}
		iomsg_http_close(client);
		server_stop(server);
	}
}

/* What arrives after the sending decides nothing but what it says. */
static void
test_broken_answers(HttpClient *client)
{
	static const struct
	{
		const char *name;
		ServerAnswer answer;
		int			curl_code;
		int			status;
		HttpPhase	phase;
	}			cases[] = {
		{"an empty reply", {"", SERVER_CLOSE}, 52, 0, HTTP_PHASE_SENT},
		{"a reset", {"", SERVER_RESET}, 56, 0, HTTP_PHASE_SENT},
		{"garbage", {"\001\002garbage\r\n\r\n", SERVER_CLOSE},
		1, 0, HTTP_PHASE_SENT},
		{"HTTP/0.9", {"<html>ok</html>", SERVER_CLOSE},
		1, 0, HTTP_PHASE_SENT},
		{"a cut status line", {"HTTP/1.1 20", SERVER_CLOSE},
		-1, 0, HTTP_PHASE_SENT},
		{"a cut header", {"HTTP/1.1 201 Created\r\nLocation: /mess",
		SERVER_CLOSE}, -1, 201, HTTP_PHASE_STATUS},
		{"a cut body", {"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{",
		SERVER_CLOSE}, 18, 201, HTTP_PHASE_BODY},
		{"a reset in the body",
			{"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{",
		SERVER_RESET}, -1, 201, HTTP_PHASE_BODY},
		{"a bad chunk", {"HTTP/1.1 201 Created\r\n"
		"Transfer-Encoding: chunked\r\n\r\nzz\r\n", SERVER_CLOSE},
		56, 201, HTTP_PHASE_HEADERS},
		{"100 and the end", {"HTTP/1.1 100 Continue\r\nLocation: /x\r\n\r\n",
		SERVER_CLOSE}, -1, 0, HTTP_PHASE_SENT},
		{"no length, then the end", {"HTTP/1.1 201 Created\r\n\r\nab",
		SERVER_CLOSE}, 0, 201, HTTP_PHASE_DONE},
	};
	size_t		i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Server	   *server = server_start(&cases[i].answer, 1, 0);
		HttpRequest request = fetch_post(fetch_url("http://127.0.0.1",
												   server_port(server)));
		const HttpResult *result = fetch(client, &request);

		if (!tap_ok(result->sendings == 1 &&
					result->status == cases[i].status &&
					(cases[i].curl_code == -1 ? result->curl_code != 0 :
					 result->curl_code == cases[i].curl_code) &&
					result->phase == cases[i].phase &&
					server_requests(server) == 1,
					"%s is what it is", cases[i].name))
			printf("# code %d, sendings %d, status %ld, phase %d\n",
				   result->curl_code, result->sendings, result->status,
				   result->phase);
		server_stop(server);
	}
}

/* Headers: the first value, ASCII, bounded; final answer only. */
static void
test_headers(HttpClient *client)
{
	static const ServerAnswer script[] = {{
			"HTTP/1.1 103 Early Hints\r\nLocation: /early\r\n\r\n"
			"HTTP/1.1 429 Too Many Requests\r\n"
			"RETRY-AFTER:   7 \t\r\n"
			"Retry-After: 9\r\n"
			"X-Rate-Limit-Retry-After: 1\0012\303\250\r\n"
			"Content-Type: application/problem+json; charset=utf-8\r\n"
			"Content-Encoding: gzip\r\n"
			"Transfer-Encoding: chunked\r\n\r\n"
			"3\r\nabc\r\n0\r\nLocation: /trailer\r\n\r\n", SERVER_KEEP
	}};
	char		answer[2000];
	char		value[601];
	ServerAnswer long_value[] = {{answer, SERVER_CLOSE}};
	Server	   *server = server_start(script, 1, 0);
	HttpRequest request = fetch_post(fetch_url("http://127.0.0.1",
											   server_port(server)));
	const HttpResult *result = fetch(client, &request);

	tap_is_int(result->status, 429, "the final status after a 103");
	tap_is_text(result->location, "", "neither the 103 nor a trailer counts");
	tap_is_text(result->retry_after, "7", "first value, without blanks");
	tap_is_text(result->rate_limit_retry_after, "12", "only printable ASCII");
	tap_is_text(result->content_type,
				"application/problem+json; charset=utf-8", "a type");
	tap_is_text(result->body, "abc", "a body in chunks, not decoded");
	server_stop(server);

	memset(value, 'a', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	(void) snprintf(answer, sizeof(answer), "HTTP/1.1 201 Created\r\n"
					"Location: /%s\r\nContent-Length: 0\r\n\r\n", value);
	server = server_start(long_value, 1, 0);
	request.url = fetch_url("http://127.0.0.1", server_port(server));
	result = fetch(client, &request);
	tap_is_text(result->location, "", "too long a value counts as absent");
	tap_is_int(result->status, 201, "and the answer counts");
	server_stop(server);
}

/* Answers have bounds; the status that is known already stays. */
static void
test_bounds(HttpClient *client)
{
	static const int body_lens[] = {65535, 65536, 65537, 1000000};
	char	   *answer = malloc(1100000);
	ServerAnswer script[] = {{answer, SERVER_KEEP}};
	Server	   *server = server_start(script, 1, 0);
	HttpRequest request = fetch_post(fetch_url("http://127.0.0.1",
											   server_port(server)));
	const HttpResult *result;
	size_t		len;
	size_t		i;

	for (i = 0; i < sizeof(body_lens) / sizeof(body_lens[0]); i++)
	{
		bool		cut = body_lens[i] > 65536;

		len = (size_t) sprintf(answer, "HTTP/1.1 201 Created\r\n"
							   "Content-Length: %d\r\n\r\n", body_lens[i]);
		memset(answer + len, 'x', (size_t) body_lens[i]);
		answer[len + (size_t) body_lens[i]] = '\0';
		result = fetch(client, &request);
		tap_ok(result->status == 201 && result->body_cut == cut &&
			   result->body_len == (size_t) (cut ? 65536 : body_lens[i]) &&
			   strlen(result->body) == result->body_len &&
			   (result->curl_code == 0) == !cut,
			   "a body of %d bytes", body_lens[i]);
	}
	for (i = 0; i < 2; i++)
	{
		len = (size_t) sprintf(answer, "HTTP/1.1 201 Created\r\n");
		while (len < (i == 0 ? 5000 : 60000))
			len += (size_t) sprintf(answer + len, i == 0 ? "a: b\r\n" :
									"aaaa: %01000d\r\n", 0);
		(void) sprintf(answer + len, "\r\n");
		result = fetch(client, &request);
		tap_ok(result->status == 201 && result->curl_code != 0 &&
			   result->sendings == 1,
			   i == 0 ? "too many headers" : "too long headers");
	}
	server_stop(server);
	free(answer);
}

/* A redirect is an answer like any other. */
static void
test_redirect(HttpClient *client)
{
	static const ServerAnswer target[] = {{EMPTY_OK, SERVER_KEEP}};
	char		answer[200];
	ServerAnswer script[] = {{answer, SERVER_KEEP}};
	Server	   *other = server_start(target, 1, 0);
	Server	   *server = server_start(script, 1, 0);
	HttpRequest request = fetch_get(fetch_url("http://127.0.0.1",
											  server_port(server)));
	const HttpResult *result;

	(void) snprintf(answer, sizeof(answer), "HTTP/1.1 302 Found\r\n"
					"Location: http://127.0.0.1:%d/\r\n"
					"Content-Length: 0\r\n\r\n", server_port(other));
	result = fetch(client, &request);
	tap_is_int(result->status, 302, "a redirect is reported");
	tap_is_int(server_connections(other), 0, "and not followed");
	server_stop(server);
	server_stop(other);
}

int
main(void)
{
	HttpClient *client = fetch_open(4);

	test_exchange(client);
	test_second_sending();
	test_broken_answers(client);
	test_headers(client);
	test_bounds(client);
	test_redirect(client);
	iomsg_http_close(client);
	return tap_done();
}

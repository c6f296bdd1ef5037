/*
 * http_exchange.c
 *		One request and its answer on a reusable easy handle.
 *
 * Every option of libcurl that we set is set here, and each is checked.
 * Certificates are always verified, redirects never followed, and nothing of
 * the environment (proxies, netrc) is obeyed.  A POST has no time limit of
 * libcurl's but that for connecting: http.c looks at the deadline.
 */
#include "clock.h"
#include "http_exchange.h"
#include "http_fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define DEFAULT_CONNECT_TIMEOUT_MS	10000
#define DEFAULT_ANSWER_TIMEOUT_MS	20000
#define DEFAULT_KEEPALIVE_IDLE_S	15
#define KEPT_ANSWER_SIZE			8192
#define KEPT_SENT_BODY_SIZE			65536
#define KEY_HEADER "Ocp-Apim-Subscription-Key: "

#define SET(option, value) \
	(curl_easy_setopt(exchange->easy, option, value) == CURLE_OK)

/* A call that the compiler cannot drop as the memory is freed after it. */
static void *(*const volatile overwrite) (void *, int, size_t) = memset;

/* What is the same for every handle and has a number for its value. */
static const struct
{
	CURLoption	option;
	long		value;
}			fixed_options[] = {
	{CURLOPT_NOSIGNAL, 1},
	{CURLOPT_NOPROGRESS, 1},
	{CURLOPT_VERBOSE, 0},
	{CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
	{CURLOPT_HTTP09_ALLOWED, 0},
	{CURLOPT_FOLLOWLOCATION, 0},
	{CURLOPT_MAXREDIRS, 0},
	{CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
	{CURLOPT_SSL_VERIFYPEER, 1},
	{CURLOPT_SSL_VERIFYHOST, 2},
	{CURLOPT_PROXY_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
	{CURLOPT_PROXY_SSL_VERIFYPEER, 1},
	{CURLOPT_PROXY_SSL_VERIFYHOST, 2},
	{CURLOPT_SUPPRESS_CONNECT_HEADERS, 1},
	{CURLOPT_NETRC, CURL_NETRC_IGNORED},
	{CURLOPT_DISALLOW_USERNAME_IN_URL, 1},
	{CURLOPT_HTTP_CONTENT_DECODING, 0},
	{CURLOPT_TCP_KEEPALIVE, 1},
	{CURLOPT_TCP_KEEPIDLE, 30},
	{CURLOPT_TCP_KEEPINTVL, 15},
	{CURLOPT_TIMEOUT_MS, 0},
#if LIBCURL_VERSION_NUM >= 0x075700
	{CURLOPT_QUICK_EXIT, 1},	/* else it waits for a name server's answer */
#endif
#if LIBCURL_VERSION_NUM < 0x075500
	{CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS},
	{CURLOPT_REDIR_PROTOCOLS, CURLPROTO_HTTPS},
#endif
};

/* Microseconds since some fixed time; they pass while the machine sleeps. */
int64_t
iomsg_http_now_us(void)
{
	return iomsg_clock_now_us();
}

/* The libraries in use and their versions, for people. */
const char *
iomsg_http_version(void)
{
	return curl_version();
}

/* Why the libcurl at hand cannot be used, NULL if it can. */
const char *
iomsg_http_exchange_problem(void)
{
	const curl_version_info_data *library = curl_version_info(CURLVERSION_NOW);

	if (library->version_num < 0x075000)
		return "libcurl is older than 7.80";
	if ((library->features & CURL_VERSION_SSL) == 0)
		return "libcurl was built without TLS";
	if ((library->features & CURL_VERSION_ASYNCHDNS) == 0)
		return "libcurl was built without asynchronous name resolution";
	return NULL;
}

/* Gives the handle all that never changes; false if libcurl refuses. */
bool
iomsg_http_exchange_open(Exchange *exchange, const HttpSettings *settings)
{
	long		connect_timeout_ms = settings->connect_timeout_ms;
	long		answer_timeout_ms = settings->answer_timeout_ms;
	long		idle_s = settings->keepalive_idle_s;
	size_t		i;

	if (connect_timeout_ms <= 0)
		connect_timeout_ms = DEFAULT_CONNECT_TIMEOUT_MS;
	if (answer_timeout_ms <= 0)
		answer_timeout_ms = DEFAULT_ANSWER_TIMEOUT_MS;
	if (idle_s <= 0)
		idle_s = DEFAULT_KEEPALIVE_IDLE_S;
	exchange->answer_timeout_us = (int64_t) answer_timeout_ms * 1000;
	exchange->easy = curl_easy_init();
	if (exchange->easy == NULL)
		return false;
	for (i = 0; i < sizeof(fixed_options) / sizeof(fixed_options[0]); i++)
		if (!SET(fixed_options[i].option, fixed_options[i].value))
			return false;
	return
#if LIBCURL_VERSION_NUM >= 0x075500
		SET(CURLOPT_PROTOCOLS_STR, "http,https") &&
		SET(CURLOPT_REDIR_PROTOCOLS_STR, "https") &&
#endif
		SET(CURLOPT_CONNECTTIMEOUT_MS, connect_timeout_ms) &&
		SET(CURLOPT_MAXAGE_CONN, idle_s) &&
		SET(CURLOPT_USERAGENT, settings->user_agent) &&
		SET(CURLOPT_NOPROXY, "") &&
		SET(CURLOPT_PRIVATE, exchange) &&
		SET(CURLOPT_OPENSOCKETFUNCTION, iomsg_http_guard_open_socket) &&
		SET(CURLOPT_OPENSOCKETDATA, exchange) &&
		SET(CURLOPT_PREREQFUNCTION, iomsg_http_guard_sending) &&
		SET(CURLOPT_PREREQDATA, exchange) &&
		SET(CURLOPT_HEADERFUNCTION, iomsg_http_answer_take_header) &&
		SET(CURLOPT_HEADERDATA, exchange) &&
		SET(CURLOPT_WRITEFUNCTION, iomsg_http_answer_take_body) &&
		SET(CURLOPT_WRITEDATA, exchange);
}

/* Frees the header with the key and leaves no key in what is given back. */
static void
free_key_line(Exchange *exchange)
{
	if (exchange->key_line != NULL)
		overwrite(exchange->key_line, 0, strlen(exchange->key_line));
	free(exchange->key_line);
	exchange->key_line = NULL;
}

/* Sets one link of a list of headers. */
static void
set_link(struct curl_slist *link, char *line, struct curl_slist *next)
{
	link->data = line;
	link->next = next;
}

/*
 * Makes the list of headers, the first for POST only.  Its links are ours, so
 * that the key is in no memory of a list of libcurl's.  (The key's header
 * stays as it is while the key is the same.)
 */
static bool
set_headers(Exchange *exchange, const char *key)
{
	static char content_type[] = "Content-Type: application/json";
	static char accept[] = "Accept: application/json";
	static char no_expect[] = "Expect:";
	struct curl_slist *headers = exchange->headers;
	size_t		size;

	set_link(&headers[0], content_type, &headers[1]);
	set_link(&headers[1], accept, &headers[2]);
	set_link(&headers[2], no_expect, NULL);
	if (key == NULL)
		return true;
	if (exchange->key_line == NULL ||
		strcmp(exchange->key_line + strlen(KEY_HEADER), key) != 0)
	{
		free_key_line(exchange);
		size = strlen(KEY_HEADER) + strlen(key) + 1;
		exchange->key_line = malloc(size);
		if (exchange->key_line == NULL)
			return false;
		(void) snprintf(exchange->key_line, size, "%s%s", KEY_HEADER, key);
	}
	set_link(&headers[3], exchange->key_line, NULL);
	headers[2].next = &headers[3];
	return true;
}

/* Copies the body of a POST. */
static bool
set_sent_body(Exchange *exchange, const HttpRequest *request)
{
	char	   *grown;

	if (request->body_len > exchange->sent_body_size)
	{
		grown = realloc(exchange->sent_body, request->body_len);
		if (grown == NULL)
			return false;
		exchange->sent_body = grown;
		exchange->sent_body_size = request->body_len;
	}
	if (request->body_len > 0)
		memcpy(exchange->sent_body, request->body, request->body_len);
	return true;
}

/* Sets the method, its body and headers; GET has no Content-Type. */
static bool
set_method(Exchange *exchange, const HttpRequest *request)
{
	if (!set_headers(exchange, request->key))
		return false;
	if (request->method == HTTP_GET)
		return SET(CURLOPT_POSTFIELDS, NULL) &&
			SET(CURLOPT_HTTPGET, 1L) &&
			SET(CURLOPT_HTTPHEADER, &exchange->headers[1]);
	return set_sent_body(exchange, request) &&
		SET(CURLOPT_POST, 1L) &&
		SET(CURLOPT_POSTFIELDS,
			exchange->sent_body == NULL ? "" : exchange->sent_body) &&
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->body_len) &&
		SET(CURLOPT_HTTPHEADER, exchange->headers);
}

/*
 * Makes a free exchange ready for curl, with a copy of the request and an
 * empty result; false when memory is short.  A CA file stands instead of the
 * system's authorities, not beside them.
 */
bool
iomsg_http_exchange_prepare(Exchange *exchange, const HttpRequest *request)
{
	const curl_version_info_data *library = curl_version_info(CURLVERSION_NOW);
	const char *ca_file = request->ca_file;
	const char *ca_path = NULL;
	const char *proxy = request->proxy == NULL ? "" : request->proxy;

	if (ca_file == NULL)
	{
		ca_file = library->cainfo;
		ca_path = library->capath;
	}
	memset(&exchange->result, 0, sizeof(exchange->result));
	exchange->result.owner = request->owner;
	exchange->result.body = "";
	exchange->flags = request->flags;
	exchange->is_https = strncasecmp(request->url, "https://", 8) == 0;
	exchange->through_proxy = *proxy != '\0';
	exchange->started_us = iomsg_http_now_us();
	exchange->deadline_us = request->deadline_us == 0 ?
		INT64_MAX : request->deadline_us;
	exchange->send_before_us = request->send_before_us == 0 ?
		INT64_MAX : request->send_before_us;
	exchange->has_address = false;
	exchange->address_refused = false;
	exchange->has_headers = false;
	exchange->header_bytes = 0;
	exchange->header_lines = 0;
	return SET(CURLOPT_URL, request->url) &&
		SET(CURLOPT_CAINFO, ca_file) &&
		SET(CURLOPT_CAPATH, ca_path) &&
		SET(CURLOPT_PROXY, proxy) &&
		SET(CURLOPT_PROXY_CAINFO, ca_file) &&
		SET(CURLOPT_PROXY_CAPATH, ca_path) &&
		set_method(exchange, request) &&
		HTTP_FAULT_WATCH(exchange, request->body_len);
}

/* How far an exchange came that never was handed to the wire. */
static HttpPhase
phase_before_sending(const Exchange *exchange)
{
	const char *peer = NULL;
	curl_off_t	secured_us = 0;

	(void) curl_easy_getinfo(exchange->easy, CURLINFO_PRIMARY_IP, &peer);
	(void) curl_easy_getinfo(exchange->easy, CURLINFO_APPCONNECT_TIME_T,
							 &secured_us);
	if (secured_us > 0)
		return HTTP_PHASE_READY;
	if (peer != NULL && *peer != '\0')
		return HTTP_PHASE_CONNECTED;
	if (exchange->has_address)
		return HTTP_PHASE_CONNECTING;
	return HTTP_PHASE_NONE;
}

/*
 * Completes the result of an exchange that curl or we have ended.  libcurl
 * takes headers that are cut off for a complete answer; we do not.
 */
void
iomsg_http_exchange_finish(Exchange *exchange, CURLcode code)
{
	HttpResult *result = &exchange->result;

	if (code == CURLE_OK && !exchange->has_headers)
		code = CURLE_PARTIAL_FILE;
	if (result->status != 0)
		HTTP_FAULT_POINT(exchange, "after_body");
	if (code == CURLE_OK)
		result->phase = HTTP_PHASE_DONE;
	else if (result->phase == HTTP_PHASE_NONE)
		result->phase = phase_before_sending(exchange);
	if (exchange->address_refused && result->sendings == 0)
		result->guard_refused = true;
	if (code == CURLE_OPERATION_TIMEDOUT)
		result->timed_out = true;
	if (result->body_len > 0)
	{
		exchange->answer[result->body_len] = '\0';
		result->body = exchange->answer;
	}
	result->curl_code = code;
	result->curl_text = curl_easy_strerror(code);
	result->duration_us = iomsg_http_now_us() - exchange->started_us;
	exchange->state = EXCHANGE_FINISHED;
}

/* Makes an exchange free again; keeps its handle and its smaller buffers. */
void
iomsg_http_exchange_recycle(Exchange *exchange)
{
	if (exchange->answer_size > KEPT_ANSWER_SIZE)
	{
		free(exchange->answer);
		exchange->answer = NULL;
		exchange->answer_size = 0;
	}
	if (exchange->sent_body_size > KEPT_SENT_BODY_SIZE)
	{
		free(exchange->sent_body);
		exchange->sent_body = NULL;
		exchange->sent_body_size = 0;
	}
	exchange->state = EXCHANGE_FREE;
}

/* Frees all of an exchange; curl must have no more to do with it. */
void
iomsg_http_exchange_close(Exchange *exchange)
{
	curl_easy_cleanup(exchange->easy);
	exchange->easy = NULL;
	free_key_line(exchange);
	free(exchange->answer);
	exchange->answer = NULL;
	exchange->answer_size = 0;
	free(exchange->sent_body);
	exchange->sent_body = NULL;
	exchange->sent_body_size = 0;
}

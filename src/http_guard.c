/*
 * http_guard.c
 *		What may leave: where to, how often, until when.
 *
 * A request is handed to the wire at most once unless it is repeatable, not
 * after its time, and only to a peer that it may reach.  What is refused here
 * has provably not been sent.
 */
#include "http_exchange.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "http_address.h"
#include "http_fault.h"
#include "http_sockets.h"

#define MAX_TEXT 8000

/* Tells whether a text can stand in a request line or a header as it is. */
static bool
is_plain(const char *word)
{
	const char *c;

	for (c = word; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~')
			return false;
	return c > word && c - word <= MAX_TEXT;
}

/* Copies a part of a URL in lower case; false if it is absent or long. */
static bool
copy_part(CURLU *url, CURLUPart which, char *copy, size_t copy_size)
{
	char	   *part = NULL;
	bool		fits;
	size_t		i;

	if (curl_url_get(url, which, &part, 0) != CURLUE_OK)
		return false;
	fits = strlen(part) < copy_size;
	for (i = 0; fits && i <= strlen(part); i++)
	{
		copy[i] = part[i];
		if (part[i] >= 'A' && part[i] <= 'Z')
			copy[i] = (char) (part[i] + ('a' - 'A'));
	}
	curl_free(part);
	return fits;
}

/*
 * Splits a base URL as the connection will: the host in lower case, and
 * whether it is https.  False for what is no base URL: another scheme, user
 * info, a query, a fragment, or a host that does not fit.
 */
bool
iomsg_http_split_url(const char *url, char *host, size_t host_size,
					 bool *is_https)
{
	static const CURLUPart absent[] = {
		CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS,
		CURLUPART_QUERY, CURLUPART_FRAGMENT
	};
	CURLU	   *parsed = curl_url();
	char	   *part = NULL;
	char		scheme[8];
	bool		valid;
	size_t		i;

	/* An empty query or fragment is none to libcurl, but cuts the path. */
	valid = parsed != NULL && is_plain(url) && strpbrk(url, "?#") == NULL &&
		curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
		copy_part(parsed, CURLUPART_SCHEME, scheme, sizeof(scheme)) &&
		copy_part(parsed, CURLUPART_HOST, host, host_size);
	for (i = 0; valid && i < sizeof(absent) / sizeof(absent[0]); i++)
	{
		valid = curl_url_get(parsed, absent[i], &part, 0) != CURLUE_OK;
		curl_free(part);
		part = NULL;
	}
	if (valid)
	{
		*is_https = strcmp(scheme, "https") == 0;
		valid = *is_https || strcmp(scheme, "http") == 0;
	}
	curl_url_cleanup(parsed);
	return valid;
}

/*
 * Why a request would not be sent whatever the network does, CURLE_OK if it
 * may be: only https, or http on loopback without a proxy, and nothing that
 * could end a header line.
 */
CURLcode
iomsg_http_guard_refusal(const HttpRequest *request)
{
	bool		through_proxy = request->proxy != NULL && *request->proxy;

	if (!is_plain(request->url))
		return CURLE_URL_MALFORMAT;
	if (request->key != NULL && !is_plain(request->key))
		return CURLE_BAD_FUNCTION_ARGUMENT;
	if (strncasecmp(request->url, "https://", 8) == 0)
		return CURLE_OK;
	if (strncasecmp(request->url, "http://", 7) != 0 || through_proxy ||
		(request->flags & HTTP_ALLOW_LOOPBACK) == 0)
		return CURLE_UNSUPPORTED_PROTOCOL;
	return CURLE_OK;
}

/* Tells whether this request may go to a peer of this kind. */
static bool
allows_address(const Exchange *exchange, HttpAddressKind kind)
{
	switch (kind)
	{
		case HTTP_ADDRESS_LOOPBACK:
			return (exchange->flags & HTTP_ALLOW_LOOPBACK) != 0;
		case HTTP_ADDRESS_PRIVATE:
			return exchange->is_https &&
				(exchange->flags & HTTP_ALLOW_PRIVATE) != 0;
		case HTTP_ADDRESS_PUBLIC:
			return exchange->is_https;
		case HTTP_ADDRESS_FORBIDDEN:
			break;
	}
	return false;
}

/*
 * libcurl asks for a socket: none for a peer that is not allowed, so that a
 * name cannot lead us into the local network.  A proxy may be anywhere.
 */
curl_socket_t
iomsg_http_guard_open_socket(void *context, curlsocktype purpose,
							 struct curl_sockaddr *address)
{
	Exchange   *exchange = context;
	int			fd;

	(void) purpose;
	exchange->has_address = true;
	if (!exchange->through_proxy &&
		!allows_address(exchange, iomsg_http_address_kind(&address->addr)))
	{
		exchange->address_refused = true;
		return CURL_SOCKET_BAD;
	}
	fd = socket(address->family, address->socktype, address->protocol);
	if (fd < 0)
		return CURL_SOCKET_BAD;
	(void) fcntl(fd, F_SETFD, FD_CLOEXEC);
	iomsg_http_sockets_add(fd);
	return fd;
}

/*
 * Tells whether OpenSSL has read more off the socket than libcurl took: the
 * end of an answer may share a record with what nobody asked for, and libcurl
 * stops at the end of the answer.  OpenSSL is libcurl's, not ours, so that its
 * function is looked up; with another TLS library the socket alone is seen.
 */
static bool
holds_record(CURL *easy)
{
	static int	(*has_pending) (const void *tls) = NULL;
	struct curl_tlssessioninfo *session = NULL;

	if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &session) != CURLE_OK ||
		session == NULL || session->internals == NULL ||
		session->backend != CURLSSLBACKEND_OPENSSL)
		return false;
	if (has_pending == NULL)
		*(void **) &has_pending = dlsym(RTLD_DEFAULT, "SSL_has_pending");
	return has_pending != NULL && has_pending(session->internals) != 0;
}

/*
 * Tells whether what comes next on the connection can only be the answer to
 * this request.  On a kept one something may wait already: an answer that
 * nobody asked for (a late 429, say) would be taken for the one to this
 * message, or for the profile of this citizen; so a request that may be
 * repeated is refused too.  An end or an error would only cost the sending.
 * Over TLS it is the same, whatever the bytes mean.  On a connection that was
 * opened for this request TLS 1.3 has its session tickets waiting, which are
 * read with the first answer.
 */
static bool
is_clean(const Exchange *exchange, int local_port)
{
	if (exchange->has_address)
		return true;
	if (exchange->is_https && holds_record(exchange->easy))
		return false;
	switch (iomsg_http_sockets_input(local_port))
	{
		case HTTP_INPUT_NONE:
			return true;
		case HTTP_INPUT_PENDING:
			break;
		case HTTP_INPUT_UNKNOWN:
			return (exchange->flags & HTTP_REPEATABLE) != 0;
	}
	return false;
}

/*
 * libcurl is about to send: the guard.  Refuses a second sending (libcurl
 * repeats any request, POST included, when a reused connection dies before
 * the first byte of the answer), a sending that is too late, a reused
 * connection to a peer that this request may not reach, and one on which
 * something waits unread; libcurl closes what was refused.
 */
int
iomsg_http_guard_sending(void *context, char *peer, char *local,
						 int peer_port, int local_port)
{
	Exchange   *exchange = context;
	HttpResult *result = &exchange->result;
	int64_t		now_us = iomsg_http_now_us();
	bool		refused = false;

	(void) local;
	(void) peer_port;
	if (result->phase < HTTP_PHASE_READY)
		result->phase = HTTP_PHASE_READY;
	if (result->sendings > 0 && (exchange->flags & HTTP_REPEATABLE) == 0)
		refused = true;
	if (now_us > exchange->deadline_us)
	{
		result->timed_out = true;
		refused = true;
	}
	if (now_us > exchange->send_before_us)
		refused = true;
	if (!exchange->through_proxy &&
		!allows_address(exchange, iomsg_http_address_kind_of_text(peer)))
		refused = true;
	if (!refused && !is_clean(exchange, local_port))
		refused = true;
	if (refused)
	{
		result->guard_refused = true;
		return CURL_PREREQFUNC_ABORT;
	}
	HTTP_FAULT_POINT(exchange, "in_guard");
	result->sendings++;
	result->phase = HTTP_PHASE_SENT;
	return CURL_PREREQFUNC_OK;
}

/*
 * http_exchange.h
 *		One request and its answer on a reusable easy handle; for http.c.
 */
#ifndef IOMSG_HTTP_EXCHANGE_H
#define IOMSG_HTTP_EXCHANGE_H

#include <curl/curl.h>

#include "http.h"

#if LIBCURL_VERSION_NUM < 0x075000
#error "libcurl 7.80 or newer is needed: CURLOPT_PREREQFUNCTION"
#endif

typedef enum ExchangeState
{
	EXCHANGE_FREE,
	EXCHANGE_RUNNING,			/* curl has it */
	EXCHANGE_FINISHED,			/* waits to be handed out */
	EXCHANGE_HELD				/* handed out last */
} ExchangeState;

typedef struct Exchange
{
	struct Exchange *next;		/* in the list of free or of finished */
	ExchangeState state;
	CURL	   *easy;			/* NULL until first used */

	/* the request */
	struct curl_slist headers[4];	/* the first is for POST only */
	char	   *key_line;
	char	   *sent_body;
	size_t		sent_body_size;
	int			flags;
	bool		is_https;
	bool		through_proxy;
	int64_t		started_us;
	int64_t		deadline_us;	/* INT64_MAX: none */
	int64_t		send_before_us; /* INT64_MAX: any time */
	int64_t		answer_timeout_us;

	/* what has become of it */
	bool		has_address;
	bool		address_refused;
	bool		has_headers;	/* all of the final answer's */
	size_t		header_bytes;
	int			header_lines;
	char	   *answer;
	size_t		answer_size;
	HttpResult	result;
#ifdef IOMSG_FAULTS
	size_t		fault_left;		/* of the body, to be sent */
#endif
} Exchange;

/* http_exchange.c */
extern const char *iomsg_http_exchange_problem(void);
extern bool iomsg_http_exchange_open(Exchange *exchange,
									 const HttpSettings *settings);
extern bool iomsg_http_exchange_prepare(Exchange *exchange,
										const HttpRequest *request);
extern void iomsg_http_exchange_finish(Exchange *exchange, CURLcode code);
extern void iomsg_http_exchange_recycle(Exchange *exchange);
extern void iomsg_http_exchange_close(Exchange *exchange);

/* http_guard.c */
extern CURLcode iomsg_http_guard_refusal(const HttpRequest *request);
extern curl_socket_t iomsg_http_guard_open_socket(void *context,
												  curlsocktype purpose,
												  struct curl_sockaddr *peer);
extern int	iomsg_http_guard_sending(void *context, char *peer, char *local,
									 int peer_port, int local_port);

/* http_answer.c */
extern size_t iomsg_http_answer_take_header(char *line, size_t size,
											size_t count, void *context);
extern size_t iomsg_http_answer_take_body(char *bytes, size_t size,
										  size_t count, void *context);

#endif

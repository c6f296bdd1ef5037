/*
 * http.h
 *		HTTPS requests, many at once, on one descriptor, never blocking.
 *
 * A request is handed to the wire at most once unless HTTP_REPEATABLE; the
 * result tells what left and what came.  All times: iomsg_http_now_us.
 */
#ifndef IOMSG_HTTP_H
#define IOMSG_HTTP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct HttpClient HttpClient;

typedef struct HttpSettings
{
	int			max_connections;	/* and requests in flight, 1-512 */
	long		connect_timeout_ms; /* name, TCP and TLS; 0: 10 s */
	long		answer_timeout_ms;	/* status line to the end; 0: 20 s */
	long		keepalive_idle_s;	/* reuse idle connections; 0: 15 s */
	const char *user_agent;		/* NULL: none */
} HttpSettings;

typedef enum HttpMethod
{
	HTTP_GET,
	HTTP_POST
} HttpMethod;

#define HTTP_REPEATABLE		0x01	/* two sendings do no harm */
#define HTTP_ALLOW_LOOPBACK 0x02	/* the peer may be this host, http too */
#define HTTP_ALLOW_PRIVATE	0x04	/* the peer may be in a private network */

typedef struct HttpRequest
{
	void	   *owner;			/* comes back in the result */
	HttpMethod	method;
	int			flags;
	const char *url;			/* https, absolute */
	const char *key;			/* Ocp-Apim-Subscription-Key; NULL: none */
	const char *ca_file;		/* NULL: the system's authorities */
	const char *proxy;			/* NULL or "": none; the environment's never */
	const char *body;			/* JSON in UTF-8, of a POST */
	size_t		body_len;
	int64_t		deadline_us;	/* given up after this; 0: never */
	int64_t		send_before_us; /* not handed to the wire after this; 0: any */
} HttpRequest;

/* How far an exchange came, in order. */
typedef enum HttpPhase
{
	HTTP_PHASE_NONE,			/* looking up the name, or refused by us */
	HTTP_PHASE_CONNECTING,		/* address known */
	HTTP_PHASE_CONNECTED,		/* TCP, to the proxy if there is one */
	HTTP_PHASE_READY,			/* TLS too: could send */
	HTTP_PHASE_SENT,			/* handed to the wire, wholly or in part */
	HTTP_PHASE_STATUS,			/* status line of the final answer */
	HTTP_PHASE_HEADERS,			/* all its headers */
	HTTP_PHASE_BODY,			/* some of its body */
	HTTP_PHASE_DONE				/* all of it */
} HttpPhase;

typedef struct HttpResult
{
	void	   *owner;
	int			curl_code;		/* CURLcode, 0 when the exchange is complete */
	const char *curl_text;		/* static; never a URL, a key or a body */
	int			sendings;		/* 0: provably nothing of it left us */
	bool		guard_refused;	/* twice, too late, bad peer, input unread */
	bool		timed_out;		/* one of the time limits */
	bool		cancelled;		/* by iomsg_http_cancel_unsent */
	HttpPhase	phase;
	long		status;			/* final HTTP status, 0 if none came */
	const char *body;			/* never NULL, ends with a NUL of ours */
	size_t		body_len;
	bool		body_cut;		/* was longer than 64 kB */
	char		location[512];	/* headers: "" if absent, too long; ASCII */
	char		content_type[128];
	char		retry_after[64];
	char		rate_limit_retry_after[64]; /* x-rate-limit-retry-after */
	char		rate_limit_remaining[64];	/* x-rate-limit-remaining */
	int64_t		duration_us;
} HttpResult;

extern int64_t iomsg_http_now_us(void);
extern const char *iomsg_http_version(void);
extern bool iomsg_http_split_url(const char *url, char *host,
								 size_t host_size, bool *is_https);
extern HttpClient *iomsg_http_open(const HttpSettings *settings,
								   const char **problem);
extern void iomsg_http_close(HttpClient *client);
extern int	iomsg_http_fd(const HttpClient *client);
extern int	iomsg_http_in_flight(const HttpClient *client);
extern bool iomsg_http_start(HttpClient *client, const HttpRequest *request);
extern int64_t iomsg_http_next_timeout_us(const HttpClient *client,
										  int64_t now_us);
extern void iomsg_http_run(HttpClient *client, int64_t now_us);
extern void iomsg_http_cancel_unsent(HttpClient *client);
extern const HttpResult *iomsg_http_next(HttpClient *client);

#endif

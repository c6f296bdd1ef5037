/*
 * http_fault.c
 *		Points of an exchange at which a test can have something go wrong.
 *
 * Nothing in an ordinary library.  Who listens is called in the middle of
 * libcurl: it may end the process or wait, and no more.
 */
#include "http_fault.h"

#ifdef IOMSG_FAULTS

void		(*iomsg_http_fault_hook) (const char *point) = NULL;

/* A point is met; requests that may be repeated do not count. */
void
iomsg_http_fault_meet(const Exchange *exchange, const char *point)
{
	if (iomsg_http_fault_hook != NULL &&
		(exchange->flags & HTTP_REPEATABLE) == 0)
		iomsg_http_fault_hook(point);
}

/* libcurl tells what it has sent: is that the end of the body? */
static int
note_sent(CURL *easy, curl_infotype kind, char *bytes, size_t len,
		  void *context)
{
	Exchange   *exchange = context;

	(void) easy;
	(void) bytes;
	if (kind != CURLINFO_DATA_OUT || exchange->fault_left == 0)
		return 0;
	exchange->fault_left -= len < exchange->fault_left ?
		len : exchange->fault_left;
	if (exchange->fault_left == 0)
		iomsg_http_fault_meet(exchange, "request_sent");
	return 0;
}

/* Has libcurl tell what it sends, so that the last byte's point is met. */
bool
iomsg_http_fault_watch(Exchange *exchange, size_t body_len)
{
	exchange->fault_left = body_len;
	return curl_easy_setopt(exchange->easy, CURLOPT_DEBUGFUNCTION,
							note_sent) == CURLE_OK &&
		curl_easy_setopt(exchange->easy, CURLOPT_DEBUGDATA,
						 exchange) == CURLE_OK &&
		curl_easy_setopt(exchange->easy, CURLOPT_VERBOSE, 1L) == CURLE_OK;
}

#endif

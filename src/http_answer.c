/*
 * http_answer.c
 *		What an answer says: its status, the headers that decide, its body.
 *
 * All is bounded: 32 kB and 200 lines of headers, 64 kB of body.  What has
 * been understood before a bound is met stays in the result.  These are
 * libcurl's callbacks: malloc only, no jump, the return value ends an
 * exchange.
 */
#include "http_exchange.h"
#include "http_fault.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_HEADER_BYTES	32768
#define MAX_HEADER_LINES	200
#define MAX_BODY			65536
#define FIRST_BODY_SIZE		1024

/* Keeps a header's first value: printable ASCII, all of it or nothing. */
static void
keep_value(char *kept, size_t kept_size, const char *value, size_t len)
{
	size_t		n = 0;
	size_t		i;

	if (kept[0] != '\0')
		return;
	for (i = 0; i < len; i++)
	{
		if (value[i] < ' ' || value[i] > '~' || (value[i] == ' ' && n == 0))
			continue;
		if (n + 1 == kept_size)
		{
			kept[0] = '\0';
			return;
		}
		kept[n++] = value[i];
	}
	while (n > 0 && kept[n - 1] == ' ')
		n--;
	kept[n] = '\0';
}

/* Keeps the value of a header line if it is one of those that decide. */
static void
keep_header(HttpResult *result, const char *line, size_t len)
{
	const struct
	{
		const char *name;
		char	   *kept;
		size_t		kept_size;
	}			wanted[] = {
		{"location", result->location, sizeof(result->location)},
		{"content-type", result->content_type, sizeof(result->content_type)},
		{"retry-after", result->retry_after, sizeof(result->retry_after)},
		{"x-rate-limit-retry-after", result->rate_limit_retry_after,
		sizeof(result->rate_limit_retry_after)},
		{"x-rate-limit-remaining", result->rate_limit_remaining,
		sizeof(result->rate_limit_remaining)},
	};
	const char *colon = memchr(line, ':', len);
	size_t		name_len = colon == NULL ? 0 : (size_t) (colon - line);
	size_t		i;

	for (i = 0; name_len > 0 && i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (strlen(wanted[i].name) == name_len &&
			strncasecmp(wanted[i].name, line, name_len) == 0)
			keep_value(wanted[i].kept, wanted[i].kept_size,
					   colon + 1, len - name_len - 1);
}

/* The status in a status line; 0 for an informational or unreadable one. */
static long
read_status(const char *line, size_t len)
{
	const char *space = memchr(line, ' ', len);
	size_t		at = space == NULL ? len : (size_t) (space - line) + 1;
	long		status = 0;
	size_t		digits;

	for (digits = 0; at < len && digits < 4; digits++, at++)
	{
		if (line[at] < '0' || line[at] > '9')
			break;
		status = status * 10 + (line[at] - '0');
	}
	return digits == 3 && status >= 200 ? status : 0;
}

/*
 * Takes a status line.  From that of the final answer on, the answer has a
 * time of its own to be complete; informational ones are nothing to go by.
 */
static void
take_status(Exchange *exchange, const char *line, size_t len)
{
	HttpResult *result = &exchange->result;
	int64_t		answer_by_us;

	result->location[0] = '\0';
	result->content_type[0] = '\0';
	result->retry_after[0] = '\0';
	result->rate_limit_retry_after[0] = '\0';
	result->rate_limit_remaining[0] = '\0';
	result->status = read_status(line, len);
	if (result->status == 0)
		return;
	HTTP_FAULT_POINT(exchange, "after_status");
	result->phase = HTTP_PHASE_STATUS;
	answer_by_us = iomsg_http_now_us() + exchange->answer_timeout_us;
	if (answer_by_us < exchange->deadline_us)
		exchange->deadline_us = answer_by_us;
}

/*
 * Takes one header line; ends the exchange when there are too many.  Trailers
 * after the body are counted and otherwise left alone.
 */
size_t
iomsg_http_answer_take_header(char *line, size_t size, size_t count,
							  void *context)
{
	Exchange   *exchange = context;
	HttpResult *result = &exchange->result;
	size_t		len = size * count;

	exchange->header_bytes += len;
	exchange->header_lines++;
	if (exchange->header_bytes > MAX_HEADER_BYTES ||
		exchange->header_lines > MAX_HEADER_LINES)
		return 0;
	if (exchange->has_headers || len == 0)
		return len;
	if (len > 5 && memcmp(line, "HTTP/", 5) == 0)
		take_status(exchange, line, len);
	else if (line[0] != '\r' && line[0] != '\n')
		keep_header(result, line, len);
	else if (result->status != 0)
	{
		exchange->has_headers = true;
		result->phase = HTTP_PHASE_HEADERS;
	}
	return len;
}

/* Makes room for this many bytes of an answer and a NUL, or tells no. */
static bool
grow_answer(Exchange *exchange, size_t len)
{
	size_t		size = exchange->answer_size;
	char	   *grown;

	if (len < size)
		return true;
	if (size == 0)
		size = FIRST_BODY_SIZE;
	while (size <= len)
		size *= 2;
	grown = realloc(exchange->answer, size);
	if (grown == NULL)
		return false;
	exchange->answer = grown;
	exchange->answer_size = size;
	return true;
}

/* Takes a piece of the body; ends the exchange where 64 kB are full. */
size_t
iomsg_http_answer_take_body(char *bytes, size_t size, size_t count,
							void *context)
{
	Exchange   *exchange = context;
	HttpResult *result = &exchange->result;
	size_t		len = size * count;
	size_t		taken = len;

	result->phase = HTTP_PHASE_BODY;
	if (taken > MAX_BODY - result->body_len)
		taken = MAX_BODY - result->body_len;
	if (!grow_answer(exchange, result->body_len + taken))
		taken = 0;
	if (taken > 0)
		memcpy(exchange->answer + result->body_len, bytes, taken);
	result->body_len += taken;
	result->body_cut = taken < len;
	return taken == len ? len : 0;
}
